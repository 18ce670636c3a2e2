
/*
 * The tally: what the gateway as a whole and each provider did, in a shared
 * memory zone of its own.
 *
 * Nothing is decided by these figures, so they are plain atomic adds without a
 * lock: a worker killed between two of them leaves each one whole.  What goes
 * down again, requests under way, stands in a row for each worker's place in
 * the book, and only rows of places that are taken count: a killed worker's
 * row is left out with its place and cleared by the next owner.
 *
 * Providers are kept by name, so that their figures survive reloads.  Every
 * function takes a NULL tally and then does nothing.
 */


#ifndef NGX_AI_TALLY_H
#define NGX_AI_TALLY_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "../core/ai_book.h"
#include "../core/ai_slot.h"


#define NGX_AI_TALLY_PROVIDERS  256
#define NGX_AI_TALLY_NAME       63


/* how attempts end that are no success */

typedef enum {
    NGX_AI_TALLY_CONNECT = 0,
    NGX_AI_TALLY_TIMEOUT,
    NGX_AI_TALLY_LIMITED,           /* 429 */
    NGX_AI_TALLY_CLIENT,            /* other 4xx */
    NGX_AI_TALLY_SERVER,            /* 5xx and 529 */
    NGX_AI_TALLY_CUT,               /* the answer broke off */
    NGX_AI_TALLY_ABORT,             /* the client left */
    NGX_AI_TALLY_N
} ngx_ai_tally_end_t;

extern const char *const  ngx_ai_tally_names[NGX_AI_TALLY_N];


/* what the operator should look at: the bill may not be the provider's */

typedef enum {
    NGX_AI_ALARM_UNIT = 0,          /* reported, but nobody priced it: 0 */
    NGX_AI_ALARM_TIER,              /* the same, at the base price */
    NGX_AI_ALARM_ODD,               /* numbers absurd or unknown: clamped */
    NGX_AI_ALARM_HOLD,              /* dearer than the hold's upper bound */
    NGX_AI_ALARM_N
} ngx_ai_alarm_t;

extern const char *const  ngx_ai_alarm_names[NGX_AI_ALARM_N];


typedef struct {
    ngx_atomic_uint_t      attempts;
    ngx_atomic_uint_t      failed[NGX_AI_TALLY_N];
    ngx_atomic_uint_t      alarms[NGX_AI_ALARM_N];
    ngx_atomic_uint_t      tokens[2];       /* input, output */
    ngx_atomic_uint_t      cost;            /* nano-dollars */
    ngx_uint_t             open;
} ngx_ai_tally_view_t;


/*
 * The node's dealings with PostgreSQL.  One worker ships and hears, any may be
 * asked: so it tells the others here, about once a second.
 */

typedef enum {
    NGX_AI_NODE_ROWS = 0,           /* counters */
    NGX_AI_NODE_DUPLICATES,
    NGX_AI_NODE_QUARANTINED,
    NGX_AI_NODE_RETRIES,

    NGX_AI_NODE_BEHIND,             /* states: bytes not committed */
    NGX_AI_NODE_FAILING,            /* shipping fails: 1 */
    NGX_AI_NODE_COMMITTED,          /* times in seconds; 0: never */
    NGX_AI_NODE_HEARD,              /* the feed answered */
    NGX_AI_NODE_N
} ngx_ai_node_t;

/* its connections, all workers' of a name together */

typedef enum {
    NGX_AI_STORE_LEDGER = 0,
    NGX_AI_STORE_DIRECTORY,
    NGX_AI_STORE_USAGE,
    NGX_AI_STORE_ADMIN,
    NGX_AI_TALLY_STORES
} ngx_ai_tally_store_t;

extern const char *const  ngx_ai_tally_stores[NGX_AI_TALLY_STORES];

typedef enum {
    NGX_AI_TALLY_CONNECTS = 0,
    NGX_AI_TALLY_LOST,
    NGX_AI_TALLY_QUERIES,
    NGX_AI_TALLY_ERRORS,
    NGX_AI_TALLY_TIMEOUTS,
    NGX_AI_TALLY_STORE_N
} ngx_ai_tally_counter_t;

/* what all workers said to Redis */

typedef enum {
    NGX_AI_TALLY_REDIS_CONNECTS = 0,
    NGX_AI_TALLY_REDIS_LOST,
    NGX_AI_TALLY_REDIS_CALLS,
    NGX_AI_TALLY_REDIS_ERRORS,
    NGX_AI_TALLY_REDIS_TIMEOUTS,
    NGX_AI_TALLY_REDIS_REDIRECTS,
    NGX_AI_TALLY_REDIS_N
} ngx_ai_tally_redis_t;


/* what became of requests of plans with "cache on" */

typedef enum {
    NGX_AI_TALLY_CACHE_HIT = 0,
    NGX_AI_TALLY_CACHE_MISS,
    NGX_AI_TALLY_CACHE_BYPASS,      /* the client wanted a fresh answer */
    NGX_AI_TALLY_CACHE_STORED,      /* misses and bypasses that were kept */
    NGX_AI_TALLY_CACHE_N
} ngx_ai_tally_cache_t;

extern const char *const  ngx_ai_tally_caches[NGX_AI_TALLY_CACHE_N];


typedef struct ngx_ai_tally_s  ngx_ai_tally_t;


/*
 * At configuration, when all providers are known: "names" in the order of
 * their indices.  Names longer than NGX_AI_TALLY_NAME and providers past
 * NGX_AI_TALLY_PROVIDERS are not counted.  NULL after an [emerg].
 */
ngx_ai_tally_t *ngx_ai_tally_add(ngx_conf_t *cf, ngx_str_t *zone,
    ngx_array_t *names, void *tag);

/* worker, once it has its place in the book: nothing of it is under way */
void ngx_ai_tally_worker(ngx_ai_tally_t *t, ngx_uint_t worker);

/* a refusal, whoever was refused; no tenant may be known */
void ngx_ai_tally_refused(ngx_ai_tally_t *t, ai_refusal_t why);
ngx_atomic_uint_t ngx_ai_tally_refusals(ngx_ai_tally_t *t, ai_refusal_t why);

/* an attempt on a provider begins */
void ngx_ai_tally_sent(ngx_ai_tally_t *t, ngx_uint_t provider,
    ngx_uint_t worker);

/* and ends: the slot's reason, and the status when one came */
void ngx_ai_tally_done(ngx_ai_tally_t *t, ngx_uint_t provider,
    ngx_uint_t worker, ai_reason_t reason, ngx_uint_t status);

/* what a settled request used of the provider that served it */
void ngx_ai_tally_used(ngx_ai_tally_t *t, ngx_uint_t provider, uint64_t input,
    uint64_t output, int64_t cost_nanos);

/* a settled request of a provider gives reason to look */
void ngx_ai_tally_alarm(ngx_ai_tally_t *t, ngx_uint_t provider,
    ngx_ai_alarm_t alarm);

/*
 * A provider's figures; "taken" tells by place whether the book knows a worker
 * there.  NGX_DECLINED: this provider is not counted.
 */
ngx_int_t ngx_ai_tally_view(ngx_ai_tally_t *t, ngx_uint_t provider,
    const u_char taken[AI_BOOK_WORKERS], ngx_ai_tally_view_t *view);

/* a counter grows, a state is this now */
void ngx_ai_tally_node_add(ngx_ai_tally_t *t, ngx_ai_node_t what,
    ngx_atomic_uint_t n);
void ngx_ai_tally_node_set(ngx_ai_tally_t *t, ngx_ai_node_t what,
    ngx_atomic_uint_t n);
ngx_atomic_uint_t ngx_ai_tally_node(ngx_ai_tally_t *t, ngx_ai_node_t what);

void ngx_ai_tally_store_add(ngx_ai_tally_t *t, ngx_ai_tally_store_t store,
    ngx_ai_tally_counter_t what, ngx_atomic_uint_t n);
ngx_atomic_uint_t ngx_ai_tally_store(ngx_ai_tally_t *t,
    ngx_ai_tally_store_t store, ngx_ai_tally_counter_t what);

void ngx_ai_tally_redis_add(ngx_ai_tally_t *t, ngx_ai_tally_redis_t what,
    ngx_atomic_uint_t n);
ngx_atomic_uint_t ngx_ai_tally_redis(ngx_ai_tally_t *t,
    ngx_ai_tally_redis_t what);

void ngx_ai_tally_cache_add(ngx_ai_tally_t *t, ngx_ai_tally_cache_t what);
ngx_atomic_uint_t ngx_ai_tally_cache(ngx_ai_tally_t *t,
    ngx_ai_tally_cache_t what);


#endif /* NGX_AI_TALLY_H */
