
/*
 * The module's own types: configuration, read-only once it is parsed, and the
 * context of a request.
 */


#ifndef NGX_HTTP_AI_H
#define NGX_HTTP_AI_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "../core/ai_api.h"
#include "../core/ai_book.h"
#include "../core/ai_entry.h"
#include "../core/ai_error.h"
#include "../core/ai_key.h"
#include "../core/ai_limit.h"
#include "../core/ai_media.h"
#include "../core/ai_meter.h"
#include "../core/ai_price.h"
#include "../core/ai_request.h"
#include "../core/ai_slot.h"
#include "../event/ngx_ai_directory.h"
#include "../event/ngx_ai_lease.h"
#include "../event/ngx_ai_ledger.h"
#include "../event/ngx_ai_pg.h"
#include "../event/ngx_ai_redis.h"
#include "../event/ngx_ai_routing.h"
#include "../event/ngx_ai_shipper.h"
#include "../event/ngx_ai_tally.h"
#include "../event/ngx_ai_zone.h"


#define NGX_HTTP_AI_VERSION  "0.1.0"


extern ngx_module_t  ngx_http_ai_tenant_module;
extern ngx_module_t  ngx_http_proxy_module;


/* ---- configuration ---- */

/*
 * One provider.  A key is kept only as the ready header line that ends a
 * request's head ("Authorization: Bearer ...\r\n\r\n"), in memory of its own
 * that is left out of core dumps; it is written to no variable and no log.
 */

typedef struct {
    ngx_str_t                  name;
    ai_dialect_t               api;
    ngx_str_t                  scheme;      /* "http" or "https" */
    ngx_str_t                  host;        /* Host and TLS name: host[:port] */
    ngx_str_t                  base;        /* path prefix, no trailing '/' */
    ngx_str_t                  upstream;    /* name of the upstream group */
    ngx_http_upstream_srv_conf_t  *group;   /* of this name */
    ngx_str_t                  api_version; /* Azure dated form's default */
    ngx_array_t                keys;        /* of ngx_str_t: header lines */
    uint32_t                  *key_places;  /* of each key on the board */
    ngx_uint_t                 breaker_failures;
    ngx_uint_t                 breaker_errors;      /* percent, 0: none */
    ngx_uint_t                 breaker_requests;    /* for that */
    ngx_msec_t                 breaker_window;
    ngx_msec_t                 breaker_cooldown;
    ngx_uint_t                 capacity;    /* 0: unlimited */
    ngx_uint_t                 queue;       /* requests that may wait for it */
    ngx_msec_t                 queue_timeout;
    uint32_t                   gate;        /* AI_GATE_NONE: no capacity */
    ngx_uint_t                 identify;    /* on|off */
    ngx_uint_t                 cap_completion;      /* cap_field */
    unsigned                   loopback:1;  /* base is a loopback address */
    unsigned                   private:1;   /* or a private one */
    ngx_uint_t                 index;       /* in mcf->providers */
    u_char                    *file;        /* where it stands, for [emerg] */
    ngx_uint_t                 line;
} ngx_http_ai_provider_t;


typedef struct ngx_http_ai_model_s  ngx_http_ai_model_t;

typedef struct {
    ngx_http_ai_provider_t    *provider;
    ngx_str_t                  provider_name;
    ngx_str_t                  name;        /* name=, for rules and operators;
                                               default: the provider's */
    ngx_str_t                  model;       /* the provider's name for it;
                                               default: the model's own */
    ngx_http_ai_model_t       *priced;      /* the ai_model of that name, whose
                                               prices hold; NULL: there is
                                               none, the asked one's hold */
    ngx_uint_t                 weight;      /* a canary's: percent */
    ngx_msec_t                 connect;     /* 5s */
    ngx_msec_t                 first_byte;  /* 0: as timeout */
    ngx_msec_t                 timeout;     /* 60s, between reads */
    ngx_msec_t                 total;       /* 0: none */
    ngx_uint_t                 capacity;    /* 0: the provider's alone */
    ngx_uint_t                 context;     /* resolved: its own, priced's or
                                               the model's; 0: unknown */
    ngx_uint_t                 canary_errors;       /* percent */
    ngx_msec_t                 canary_p99;
    ngx_msec_t                 canary_window;
    ngx_uint_t                 canary_requests;
    uint64_t                   salt;        /* of its name */
    uint32_t                   place;       /* on the board; AI_BOARD_NONE */
    uint32_t                   gate;        /* AI_GATE_NONE: no capacity */
    unsigned                   fallback:1;
    unsigned                   canary:1;
} ngx_http_ai_target_t;


/* a target to be tried, and what chose it */

typedef struct {
    ngx_http_ai_target_t      *target;
    ai_chosen_t                chosen;
} ngx_http_ai_candidate_t;


enum {
    NGX_HTTP_AI_PREFER_WEIGHT = 0,
    NGX_HTTP_AI_PREFER_COST,
    NGX_HTTP_AI_PREFER_LATENCY
};


struct ngx_http_ai_model_s {
    ngx_str_node_t             sn;          /* sn.str is the name */
    ai_price_t                 price;       /* no lines: the directory's */
    ngx_uint_t                 context;     /* 0: unknown */
    ngx_uint_t                 max_output;  /* 0: unknown */
    ngx_array_t                targets;     /* of ngx_http_ai_target_t: targets
                                               in order, then fallbacks */
    ngx_array_t               *rules;       /* of ngx_http_ai_rule_t, NULL:
                                               none; ngx_http_ai_choose.c */
    ngx_array_t               *tasks;       /* of a virtual model; NULL: it is
                                               none */
    ngx_http_ai_candidate_t   *ready;       /* its one target, then fallbacks,
                                               where there is nothing to choose
                                               by; NULL */
    uint64_t                   salt;        /* of its name */
    ngx_uint_t                 prefer;      /* NGX_HTTP_AI_PREFER_... */
    ngx_http_complex_value_t  *sticky;      /* NULL: by tenant */
    ngx_array_t               *statuses;    /* of ngx_uint_t, that fail over
                                               too; NULL: none */
    ngx_uint_t                 attempts;    /* at most, 1 to AI_SLOT_ATTEMPTS */
    ngx_msec_t                 total;       /* of all attempts; 0: none */
    ngx_msec_t                 retry;       /* the longest retry-after that is
                                               waited for; 0: none is */
    ngx_uint_t                 index;       /* in mcf->models */
    u_char                    *file;
    ngx_uint_t                 line;
    unsigned                   contexts:1;  /* those of its targets differ */
    unsigned                   priced:1;    /* a target has another's prices */
};


typedef struct {
    ngx_str_node_t             sn;
    ngx_str_t                  model_name;
    ngx_http_ai_model_t       *model;
    u_char                    *file;
    ngx_uint_t                 line;
} ngx_http_ai_alias_t;


typedef struct {
    ngx_str_node_t             sn;
    ngx_array_t                limits;      /* of ai_limit_t */
    ngx_array_t                key_limits;  /* limit ... per=key */
    ngx_array_t                models;      /* of ngx_str_t patterns */
    ngx_uint_t                 max_output;  /* 0: not set */
    ngx_uint_t                 store_loss;  /* 0 local, 1 closed, 2 open */
    ngx_uint_t                 unbounded;   /* 0 by cost limit, 1 allow,
                                               2 refuse */
    ngx_uint_t                 drain;       /* on_abort drain */
    ngx_uint_t                 finish;      /* on_revoke finish */
    unsigned                   priority:2;  /* 0 best_effort, 1 guaranteed,
                                               2 dedicated */
    unsigned                   slots:1;     /* it, or a tenant of it, has a
                                               limit of concurrency */
    unsigned                   cache:1;
    ngx_uint_t                 cache_price; /* of a hit, percent */
    time_t                     cache_ttl;   /* 0: proxy_cache_valid's */
    u_char                    *cache_file;  /* where it stands */
    ngx_uint_t                 cache_line;
    ngx_uint_t                 share;
    ngx_uint_t                 queue;       /* requests of a party that may
                                               wait for a slot; 0: none */
    ngx_msec_t                 queue_timeout;
    u_char                    *file;        /* where the queue stands */
    ngx_uint_t                 line;
} ngx_http_ai_plan_t;


typedef struct ngx_http_ai_tenant_s  ngx_http_ai_tenant_t;

/*
 * A key of a tenant; found by its digest in mcf->keys, an open hash over the
 * digest's first bytes, at most half full; or made of the directory's records
 * for one request, with its tenant and their plan.
 */

typedef struct {
    u_char                     digest[AI_KEY_DIGEST];
    ngx_http_ai_tenant_t      *tenant;
    ngx_str_t                  name;        /* default: the first 8 digits of
                                               the digest */
    time_t                     expires;     /* 0: never */
    ngx_array_t               *models;      /* NULL: as the plan */
    ngx_array_t               *limits;      /* of ai_limit_t, NULL: none */
    ai_owner_id_t              owner;       /* set when limits */
    uint64_t                   stamp;       /* of the directory, when it was
                                               read there */
    unsigned                   listed:1;    /* it is the directory's */
} ngx_http_ai_key_t;

struct ngx_http_ai_tenant_s {
    ngx_str_node_t             sn;
    ngx_http_ai_plan_t        *plan;
    ngx_str_t                  plan_name;
    ngx_array_t               *own;         /* its own limits, NULL: none */
    ngx_array_t               *limits;      /* resolved: the plan's array when
                                               it has none of its own */
    ngx_str_t                  labels;      /* JSON object, "" when none */
    ngx_http_ai_key_t         *keys;        /* the first of its keys, which lie
                                               side by side in mcf->keys */
    ai_owner_id_t              owner;
    unsigned                   budget:1;    /* some limit is of cost */
    unsigned                   refuse_unbounded:1;  /* resolved */
    u_char                    *file;
    ngx_uint_t                 line;
};


typedef struct {
    ngx_ai_zone_t             *zone;
    ngx_str_t                  zone_name;
    size_t                     zone_size;
    ngx_ai_ledger_conf_t       ledger;
    unsigned                   ledger_set:1;

    ngx_array_t                providers;   /* of ngx_http_ai_provider_t * */
    ngx_array_t                models;      /* of ngx_http_ai_model_t * */
    ngx_array_t                tenants;     /* of ngx_http_ai_tenant_t * */
    ngx_array_t                keys;        /* of ngx_http_ai_key_t */
    ngx_http_ai_key_t        **key_hash;
    ngx_uint_t                 key_mask;

    ngx_rbtree_t               model_tree;  /* of ngx_str_node_t */
    ngx_rbtree_t               alias_tree;
    ngx_rbtree_t               plan_tree;
    ngx_rbtree_t               tenant_tree;
    ngx_rbtree_node_t          sentinel;

    ngx_array_t                locations;   /* of ngx_http_ai_location_t, to
                                               be checked at the end */
    ngx_array_t                jumps;       /* of ngx_http_ai_loc_conf_t * */
    unsigned                   enabled:1;   /* some location has ai_gateway or
                                               ai_admin */

    ngx_ai_tally_t            *tally;       /* NULL: nothing is counted */
    ngx_ai_routing_t          *routing;

    ngx_ai_pg_conf_t          *postgres;    /* NULL: no ai_postgres block */
    u_char                    *postgres_file;
    ngx_uint_t                 postgres_line;
    unsigned                   postgres_resolve:1;
    u_char                    *admin_file;  /* of some ai_admin */
    ngx_uint_t                 admin_line;
    ngx_ai_directory_t        *directory;   /* NULL: all is in nginx.conf */
    ngx_str_t                  registered;  /* ngx_http_ai_register_text() */

    ngx_ai_redis_conf_t       *redis;       /* NULL: no ai_redis block */

    /* of the worker, set in init_process */
    ngx_ai_ledger_t           *ledger_open;
    ngx_ai_lease_t            *lease;       /* NULL: not wanted, or not made
                                               yet */

    /* of the worker too; NULL: not wanted, or not made yet */
    ngx_ai_pg_t               *pg_ledger;   /* the shipper's */
    ngx_ai_pg_t               *pg_feed;
    ngx_ai_pg_t               *pg_usage;
    ngx_ai_pg_t               *pg_admin;
    struct ngx_ai_shipper_s   *shipper;
    ngx_ai_feed_t             *feed;
} ngx_http_ai_main_conf_t;


/* who may call the functions of administration */

typedef struct {
    u_char                     digest[AI_KEY_DIGEST];
    ngx_str_t                  name;        /* the actor of the audit */
    time_t                     expires;     /* 0: never */
} ngx_http_ai_admin_t;


typedef struct {
    ngx_flag_t                 gateway;     /* in some location of the server,
                                               or ai_admin */
    ngx_http_upstream_init_peer_pt  init_peer;  /* upstream{}: the saved one */
} ngx_http_ai_srv_conf_t;


typedef struct {
    ngx_flag_t                 gateway;
    u_char                    *file;        /* of the ai_gateway that holds */
    ngx_uint_t                 line;
    unsigned                   own:1;       /* which stands right here */
    ngx_array_t               *admins;      /* of ngx_http_ai_admin_t; NULL: no
                                               ai_admin */
    ngx_flag_t                 route_header;
    void                     **loc_conf;    /* that this one stands in */
    void                     **jump_conf;   /* and its copy while an attempt
                                               runs; ngx_http_ai_jump.c */
    ngx_str_t                  cache_key;   /* proxy_cache_key, as written */
    ngx_str_t                  cache_zone;  /* proxy_cache beside ai_gateway */
} ngx_http_ai_loc_conf_t;


/* ---- look-ups, all of them without I/O ---- */

#define ngx_http_ai_str_equal(a, b)                                          \
    ((a)->len == (b)->len && ngx_memcmp((a)->data, (b)->data, (a)->len) == 0)

ngx_http_ai_key_t *ngx_http_ai_key_find(ngx_http_ai_main_conf_t *mcf,
    u_char digest[AI_KEY_DIGEST]);

/* takes the same time wherever the first difference is */
ngx_uint_t ngx_http_ai_digest_differs(u_char one[AI_KEY_DIGEST],
    u_char two[AI_KEY_DIGEST]);

/*
 * ngx_http_ai_directory.c: a key of the directory, with its tenant and plan, in
 * the pool.  NGX_DECLINED: e is why not; faults of the database are never a
 * bad key.
 */
ngx_int_t ngx_http_ai_directory_key(ngx_http_ai_main_conf_t *mcf,
    ngx_pool_t *pool, u_char digest[AI_KEY_DIGEST], ngx_http_ai_key_t **key,
    ai_error_t *e);

/* changes with each change of what the directory holds; 0: there is none */
uint64_t ngx_http_ai_directory_stamp(ngx_http_ai_main_conf_t *mcf);

/*
 * The text for ai.register(): a line "p NAME" for each plan of nginx.conf,
 * "t NAME PLAN", "k TENANT KEY DIGEST" and "m MODEL" where it has a price.
 */
ngx_int_t ngx_http_ai_register_text(ngx_pool_t *pool,
    ngx_http_ai_main_conf_t *mcf, ngx_str_t *out);

/* by name or alias; NULL: none */
ngx_http_ai_model_t *ngx_http_ai_model_find(ngx_http_ai_main_conf_t *mcf,
    ngx_str_t *name);

/* whose limits a row of the ledger counts in: ngx_ai_parties_pt */
ngx_uint_t ngx_http_ai_parties(void *data, const ai_str_t *tenant,
    const ai_str_t *key, ngx_ai_parties_t *p);

/* whether the plan and the key let a model pass, by the model's own name
   (sn.str), never an alias; '*' matches any run */
ngx_uint_t ngx_http_ai_model_allowed(ngx_http_ai_key_t *key,
    ngx_str_t *model);


/* ---- configuration, in files by noun ---- */

void *ngx_http_ai_create_main_conf(ngx_conf_t *cf);
char *ngx_http_ai_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_ai_create_srv_conf(ngx_conf_t *cf);
void *ngx_http_ai_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_ai_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

/* resolves the references between blocks; called from postconfiguration */
ngx_int_t ngx_http_ai_conf_resolve(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);

char *ngx_http_ai_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_ledger(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_postgres(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_provider(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_model(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_alias(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_plan(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_tenant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_gateway(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_admin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


/* ---- the request ---- */

/* a price of the directory, in the request's pool; NULL: it has none */

typedef struct ngx_http_ai_priced_s  ngx_http_ai_priced_t;

struct ngx_http_ai_priced_s {
    ngx_http_ai_model_t       *model;
    ai_price_t                *price;
    ngx_http_ai_priced_t      *next;
};


/*
 * One request, from the access phase to the log.  It outlives internal
 * redirects (ngx_http_ai_ctx() finds it again) and is ended by the log phase,
 * or by the pool's cleanup where that never ran.
 */

typedef struct {
    ngx_http_request_t        *request;
    ngx_http_ai_key_t         *key;         /* NULL: not authenticated yet */
    ngx_http_ai_admin_t       *admin;       /* at ai_admin; NULL: nobody */

    ai_route_t                 route;
    ai_route_t                *sent_route;  /* of the provider's dialect; route,
                                               or what it was translated to */
    ngx_http_ai_model_t       *model;
    const ai_price_t          *price;       /* of the model, as admitted */
    ngx_http_ai_priced_t      *priced;      /* what the directory was asked */
    ngx_http_ai_target_t      *target;      /* of this attempt; before the
                                               first one the likeliest */
    ngx_http_ai_candidate_t   *candidates;  /* in the order to be tried */
    ngx_uint_t                 ncandidates;
    struct ngx_http_ai_attempt_s  *attempt; /* NULL: none was begun yet */
    struct ngx_http_ai_translate_s  *translate; /* NULL: not needed */
    struct ngx_http_ai_gate_s  *gate;       /* NULL: took no place yet */
    struct ngx_http_ai_cache_s  *cache;     /* NULL: its answer is not kept,
                                               nor one that was */

    ngx_str_t                  type;        /* Content-Type for the provider */
    ngx_str_t                  boundary;    /* of a form */
    ngx_str_t                  body;        /* the client's, in one piece */
    ngx_str_t                  pass;        /* $ai_pass */
    ngx_str_t                  id;          /* UUID as text, 36 bytes */
    u_char                     uuid[16];
    ngx_list_t                 headers;     /* the client's own, while proxy
                                               makes the request from ours */
    void                      *elts;        /* ours; malloc()ed */

    struct ngx_http_ai_wait_s *wait;        /* NULL: it never waited */
    ai_slot_t                 *slot;        /* ours until it is ended */
    ai_ref_t                   hold;        /* 0: none, or settled */
    int64_t                    hold_nanos;
    int64_t                    guess[2];    /* input, output tokens */
    uint64_t                   admitted_s;  /* calendar seconds */
    uint64_t                   admitted_ms;
    ngx_msec_t                 started;     /* at admission */
    uint32_t                   first_byte;  /* ms since; UINT32_MAX: none */
    uint32_t                   images;      /* asked for */
    uint64_t                   characters;  /* of speech */
    off_t                      request_bytes;
    off_t                      response_bytes;

    ai_meter_t                *meter;       /* from the answer's head on */
    ai_usage_t                *usage;       /* filled when it is settled */
    int64_t                    cost_nanos;
    const ai_price_t          *served;      /* that made the cost */
    ngx_chain_t               *held;        /* the open event, if one may be
                                               dropped */
    ngx_chain_t               *free;
    ngx_chain_t               *busy;

    ngx_queue_t                watch;       /* of the worker; its key may be
                                               revoked */
    uint64_t                   stamp;       /* of the directory, when its key
                                               was last looked at */

    const char                *allow;       /* of a 405 */
    ngx_str_t                  page;        /* JSON in place of nginx's HTML */

    uint8_t                    status;      /* ai_status_t */
    uint8_t                    unvouched;   /* the status where no store could
                                               be asked; 0: none */
    unsigned                   hints:2;
    unsigned                   presented:1; /* its key was read and blanked */
    unsigned                   coded:1;     /* the body is compressed */
    signed                     found:4;     /* what ai_route_find() said */
    unsigned                   reading:1;   /* the body is being read */
    unsigned                   read:1;      /* it was read */
    unsigned                   watched:1;
    unsigned                   revoked:1;   /* ended by ngx_http_ai_revoke() */
    unsigned                   admitted:1;  /* slot and hold stand */
    unsigned                   passed:1;    /* handed to proxy_pass */
    unsigned                   sent:1;      /* a provider was chosen: bytes may
                                               have gone there */
    unsigned                   answered:1;  /* a provider's head came */
    unsigned                   hit:1;       /* out of the cache */
    unsigned                   media:1;     /* more than text in the body */
    unsigned                   unbounded:1; /* the hold is no upper bound */
    unsigned                   drop_usage:1;    /* injected: drop the chunk */
    unsigned                   usage_asked:1;   /* by the client */
    unsigned                   streamed:1;
    unsigned                   drain:1;
    unsigned                   client_gone:1;
    unsigned                   after_cr:1;  /* an event has just ended in CR */
    unsigned                   skip_lf:1;   /* and was dropped */
    unsigned                   oversized:1; /* the open event is too long to
                                               be held */
    unsigned                   settled:1;
    unsigned                   ended:1;     /* the slot is the sink's */
    unsigned                   refused:1;   /* our own answer was sent */
    unsigned                   last_seen:1; /* the answer came whole */
    unsigned                   replaced:1;  /* nginx's page becomes JSON */
    unsigned                   headed:1;    /* own headers were added */
    unsigned                   headless:1;  /* the head waits for the body */
} ngx_http_ai_ctx_t;


/* the context, also after an internal redirect; NULL: there is none */
ngx_http_ai_ctx_t *ngx_http_ai_ctx(ngx_http_request_t *r);

/* makes one, with its id; NULL: no memory */
ngx_http_ai_ctx_t *ngx_http_ai_ctx_create(ngx_http_request_t *r);

/* gives it a meter, for as long as it lives */
ngx_int_t ngx_http_ai_meter_get(ngx_http_ai_ctx_t *ctx);

/* frees the one that is kept, at the worker's exit */
void ngx_http_ai_meter_forget(void);


/* ---- ngx_http_ai_process.c: cycles and processes ---- */

ngx_int_t ngx_http_ai_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_ai_postconfiguration(ngx_conf_t *cf);
ngx_int_t ngx_http_ai_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_http_ai_init_process(ngx_cycle_t *cycle);
void ngx_http_ai_exit_process(ngx_cycle_t *cycle);

/* ngx_http_ai_postgres.c: the worker's shipper and feed, behind its ledger */
void ngx_http_ai_postgres_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *mcf);
void ngx_http_ai_postgres_stop(ngx_http_ai_main_conf_t *mcf);

/* this worker's ledger; NULL: none can be had now, admit nothing */
ngx_ai_ledger_t *ngx_http_ai_ledger_get(ngx_http_ai_main_conf_t *mcf);


/* ---- the steps of a request, in the order in which they run ---- */

/* POST_READ: blanks ?key= before anything can log the request line */
ngx_int_t ngx_http_ai_mask_handler(ngx_http_request_t *r);

/* LOG: blanks what the access phase has not come to */
void ngx_http_ai_forget(ngx_http_request_t *r);

/* ACCESS: route and key; no I/O */
ngx_int_t ngx_http_ai_access_handler(ngx_http_request_t *r);

/* PRECONTENT: all the rest, up to the hand-over to proxy_pass */
ngx_int_t ngx_http_ai_admit_handler(ngx_http_request_t *r);

/*
 * Reads the body into one piece.  NGX_OK: ctx->body holds it; NGX_DONE: the
 * phase handler returns that and is entered again; or an HTTP status.
 */
ngx_int_t ngx_http_ai_body_read(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);

/*
 * Makes the provider's URL and headers and the body it gets, from the scan of
 * the client's in rq.  NGX_DECLINED: the target does not speak this endpoint.
 */
ngx_int_t ngx_http_ai_target_url(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
ngx_int_t ngx_http_ai_target_body(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ai_request_t *rq, ai_rewrite_t *want);
ngx_int_t ngx_http_ai_target_headers(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);

/* the cap of a translated request where nobody else names one; -1: none */
int64_t ngx_http_ai_target_cap(ngx_http_ai_target_t *t);

/* gives the client's own list of headers back */
void ngx_http_ai_target_headers_restore(ngx_http_ai_ctx_t *ctx);

/* SERVER_REWRITE: subrequests have the client's own, too */
ngx_int_t ngx_http_ai_target_sub_handler(ngx_http_request_t *r);

/* wraps peer.init of every upstream group */
ngx_int_t ngx_http_ai_upstream_init(ngx_conf_t *cf);

ngx_int_t ngx_http_ai_filter_init(ngx_conf_t *cf);

/* what an answer's body is, by its status and Content-Type */
ai_body_t ngx_http_ai_body_kind(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);

/* meters a chain as observing does, and makes *out of it without the usage
   event; *out may become NULL.  NGX_ERROR: no memory */
ngx_int_t ngx_http_ai_sift(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_chain_t *in, ngx_chain_t **out);

/* publishes what was delivered so far in the slot */
void ngx_http_ai_settle_run(ngx_http_ai_ctx_t *ctx);

/* ends the hold with the truth; later calls do nothing */
void ngx_http_ai_settle(ngx_http_ai_ctx_t *ctx);

/* LOG: settles, ends the slot and hands it to the sink */
ngx_int_t ngx_http_ai_log_handler(ngx_http_request_t *r);
void ngx_http_ai_end(ngx_http_ai_ctx_t *ctx);


/*
 * ngx_http_ai_price.c: the model's price, of nginx.conf or else of the
 * directory as it was when the request asked first.  NULL: none holds now, and
 * the log says so; or the model is a virtual one.
 */
const ai_price_t *ngx_http_ai_price(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_model_t *model);


/*
 * ngx_http_ai_revoke.c: requests whose key may be revoked, from the look-up to
 * the end; later calls do nothing.
 */
void ngx_http_ai_watch(ngx_http_ai_ctx_t *ctx);
void ngx_http_ai_unwatch(ngx_http_ai_ctx_t *ctx);


/* a figure of the node's leases, to be added to or read */
#define ngx_http_ai_lease_count(mcf, name)                                   \
    ((ngx_atomic_t *) &ai_lease_stat((mcf)->zone->book)->name)


/* ngx_http_ai_refuse.c: answers in the dialect of the route */

/*
 * Sends a refusal and finalizes the request; the caller returns NGX_DONE from
 * its phase handler.  ctx may have no key or model yet.
 */
ngx_int_t ngx_http_ai_refuse(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_error_t *e);

/* the parts of it: the body in the route's dialect; retry-after and the like;
   ctx->status and counters */
ngx_buf_t *ngx_http_ai_refuse_body(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ai_error_t *e);
ngx_int_t ngx_http_ai_refuse_headers(ngx_http_request_t *r, ai_error_t *e);
void ngx_http_ai_refuse_count(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_error_t *e);

/* sends a JSON body with a status and finalizes; b is a temporary buffer */
ngx_int_t ngx_http_ai_send_json(ngx_http_request_t *r, ngx_uint_t status,
    ngx_buf_t *b);

/* adds one response header; value must live as long as the request */
ngx_int_t ngx_http_ai_header_add(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value);

/* request-id, x-request-id and the tenant's limits in the dialect's format
   (x-ratelimit-* or anthropic-ratelimit-*) */
ngx_int_t ngx_http_ai_headers_own(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);

/* x-ai-route, where "ai_route_header" is on: which target, why, attempts */
ngx_int_t ngx_http_ai_headers_route(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);

/* [locked] as ai_book_limit_view(), also for an owner not in the book: 0 */
void ngx_http_ai_limit_view(const ai_book_t *book, ai_ref_t owner,
    const ai_limit_t *l, const ai_now_t *now, ai_limit_view_t *view);

/* takes the provider's own limits, ids, cookies and traces off its answer,
   before the gateway's own headers are added */
void ngx_http_ai_headers_strip(ngx_http_request_t *r);


/* ngx_http_ai_page.c: nginx's own error pages as JSON */

/*
 * For the header filter, when r->err_status is set: turns the head of nginx's
 * page into that of a JSON error and sets ctx->replaced; makes a context where
 * there is none yet.
 */
ngx_int_t ngx_http_ai_page_header(ngx_http_request_t *r);

/* for the body filter, when ctx->replaced: swallows nginx's bytes and sends
   the JSON once */
ngx_int_t ngx_http_ai_page_body(ngx_http_request_t *r, ngx_chain_t *in,
    ngx_http_output_body_filter_pt next);


/*
 * ngx_http_ai_json.c: a JSON body of any length.  Init, then room before each
 * piece (an object of a list, say), then send.  Room never returns NULL: after
 * a failure nothing is written any more, and send says so.
 */

typedef struct {
    ngx_http_request_t        *request;
    ngx_chain_t               *out;
    ngx_chain_t              **last;
    ngx_buf_t                 *buf;
    ai_buf_t                   b;
    off_t                      size;
    ngx_str_t                  type;        /* application/json */
    unsigned                   failed:1;
} ngx_http_ai_json_t;

void ngx_http_ai_json_init(ngx_http_ai_json_t *js, ngx_http_request_t *r);
ai_buf_t *ngx_http_ai_json_room(ngx_http_ai_json_t *js, size_t n);

/* sends it; the result is a content handler's, or for finalize_request() */
ngx_int_t ngx_http_ai_json_send(ngx_http_ai_json_t *js, ngx_uint_t status);

/* sets the head of a JSON answer but for its status */
void ngx_http_ai_answer_head(ngx_http_request_t *r, off_t size);


/*
 * Endpoints that the gateway answers by itself.  The first two finalize the
 * request and return NGX_DONE, as ngx_http_ai_refuse() does.
 */

ngx_int_t ngx_http_ai_models(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx);
ngx_int_t ngx_http_ai_usage(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx);
ngx_int_t ngx_http_ai_status_handler(ngx_http_request_t *r);

/* GET /v1/usage with arguments: whether there are any, and their answer */
ngx_uint_t ngx_http_ai_history_asked(ngx_http_request_t *r);
ngx_int_t ngx_http_ai_history(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx);

/* ai_admin, ACCESS: who asks, and the credential blanked; never refuses */
ngx_int_t ngx_http_ai_admin_access(ngx_http_request_t *r,
    ngx_http_ai_loc_conf_t *alcf);
ngx_int_t ngx_http_ai_admin_handler(ngx_http_request_t *r);

/*
 * ngx_http_ai_stores.c: the dealings with stores, for "ai_status".  start:
 * worker, with ai_postgres or ai_redis; from then on this worker tells the
 * others what it did, and once more by tell(), before anything is closed.
 */
void ngx_http_ai_stores_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *mcf);
void ngx_http_ai_stores_tell(ngx_http_ai_main_conf_t *mcf);
void ngx_http_ai_status_stores(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf);

/* ngx_http_ai_redis.c: the same for Redis and the queues */
void ngx_http_ai_redis_tell(ngx_http_ai_main_conf_t *mcf);
void ngx_http_ai_status_redis(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf);

/* ngx_http_ai_status_tenants.c: the list of tenants that r asks for */
void ngx_http_ai_status_tenants(ngx_http_request_t *r, ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf);

/* appends "name":n; {"key":n,...} */
void ngx_http_ai_status_field(ai_buf_t *b, const char *name, uint64_t n);
void ngx_http_ai_status_refusals(ai_buf_t *b,
    const uint64_t refused[AI_REFUSED_N]);

/* "ai_metrics": the directive's setter and the handler it sets */
char *ngx_http_ai_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_ai_metrics_handler(ngx_http_request_t *r);

/* "key", "model", ... by ai_refusal_t; "keys", "tenants", ... by
   ai_dir_kind_t */
extern const char *const  ngx_http_ai_refusal_names[AI_REFUSED_N];
extern const char *const  ngx_http_ai_record_names[AI_DIR_KINDS];

/* postconfiguration, when all providers are known: mcf->tally */
ngx_int_t ngx_http_ai_tally_add(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf);

/* an argument of the request, decoded; NGX_DECLINED: not there */
ngx_int_t ngx_http_ai_arg(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/* appends {"requests":1,"tokens":2,...,"cost_usd":"0.000000003"} of a window;
   NGX_HTTP_AI_USED_SIZE bytes always suffice */
#define NGX_HTTP_AI_USED_SIZE  256
void ngx_http_ai_json_used(ai_buf_t *b, const int64_t used[AI_RES_COUNTED]);


#endif /* NGX_HTTP_AI_H */
