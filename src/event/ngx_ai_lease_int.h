
/*
 * What the files of the lease manager share.
 */


#ifndef NGX_AI_LEASE_INT_H
#define NGX_AI_LEASE_INT_H


#include "ngx_ai_fd.h"
#include "ngx_ai_lease.h"
#include "../core/ai_lease_wire.h"


#define NGX_AI_LEASE_FILE     "redis.state"
#define NGX_AI_LEASE_LATE     1000      /* ms that clocks may differ */
#define NGX_AI_LEASE_BUCKETS  256       /* of those who wait; a power of 2 */
#define NGX_AI_LEASE_FLIGHT   32        /* the keeper's operations at a time */
#define NGX_AI_LEASE_STEPS    64        /* owners looked at under one lock */
#define NGX_AI_LEASE_ROUNDS   256       /* of them, in one go */

/* ms for which the store keeps what a node has of it without a word from it */
#define ngx_ai_lease_hold(conf)  ((conf)->lease + (conf)->lease / 10 + 50)

/* and for which the node must not have said one before it is on its own: what
   was sent may be executed later, by as much as clocks may differ either way */
#define ngx_ai_lease_away(conf)                                              \
    (ngx_ai_lease_hold(conf) + 2 * NGX_AI_LEASE_LATE)


/* ---- ngx_ai_lease_file.c: what outlasts a start ---- */

typedef struct {
    uint64_t              start;        /* starts of this node so far */
    u_char                zone_id[16];  /* of the book of the last one */
    ai_lease_epoch_t      epoch[AI_LEASE_SHARDS];   /* greatest seen */
} ngx_ai_lease_state_t;

/* the file's descriptor; -1: ngx_errno is set */
int ngx_ai_lease_file_open(const char *dir);

/* makes the file whole, for the workers' user; -1 as above */
int ngx_ai_lease_file_make(const char *dir, ngx_uid_t user,
    const ngx_ai_lease_state_t *st);

/* NGX_DECLINED: nothing in it is ours; NGX_ERROR: ngx_errno is set */
ngx_int_t ngx_ai_lease_file_read(int fd, ngx_ai_lease_state_t *st);

/*
 * Replaces what is there, durably; a write that is cut leaves what was there.
 * Others that write at the same time are to be kept out by _lock().
 */
ngx_int_t ngx_ai_lease_file_write(int fd, const ngx_ai_lease_state_t *st);

/* NGX_BUSY: another writes */
ngx_int_t ngx_ai_lease_file_lock(int fd);
void ngx_ai_lease_file_unlock(int fd);


/* ---- one operation ---- */

typedef enum {
    NGX_AI_LEASE_ASK = 0,       /* somebody waits */
    NGX_AI_LEASE_AHEAD,
    NGX_AI_LEASE_RETURN,        /* of the keeper, from here on */
    NGX_AI_LEASE_REPORT,
    NGX_AI_LEASE_BEAT,          /* heartbeat */
    NGX_AI_LEASE_LOOK           /* without an epoch: nothing is done by it */
} ngx_ai_lease_kind_t;

/* what it says of the node, beside its sums */

#define NGX_AI_LEASE_REPORTED  1        /* all of this epoch is reported */
#define NGX_AI_LEASE_PRESENT   2        /* it is not on its own */

/* what came of it */

typedef enum {
    NGX_AI_LEASE_HEARD = 0,     /* "reply" is the answer */
    NGX_AI_LEASE_UNSENT,
    NGX_AI_LEASE_SILENT,        /* no answer in time, or the connection went */
    NGX_AI_LEASE_REFUSED,       /* an error of the server */
    NGX_AI_LEASE_BROKEN,        /* an error of one key, or of one operation */
    NGX_AI_LEASE_ODD            /* an answer that is none */
} ngx_ai_lease_end_t;

typedef struct ngx_ai_lease_ask_s    ngx_ai_lease_ask_t;
typedef struct ngx_ai_lease_group_s  ngx_ai_lease_group_t;

struct ngx_ai_lease_ask_s {
    ngx_queue_t           queue;        /* asks, or free */
    ngx_ai_lease_t       *ls;
    ngx_ai_op_t          *op;
    ngx_ai_lease_kind_t   kind;
    ngx_ai_lease_group_t *group;        /* NULL: of the keeper */
    uint64_t              mono_ms;      /* when it was sent */
    ngx_msec_t            sent;
    ai_lease_call_t       call;
    ai_lease_op_t         lease;        /* no cells: a heartbeat */

    /* its end */
    ngx_ai_lease_end_t    end;
    ai_lease_reply_t      reply;
};

/* those of this worker who wait for a tenant's credit, or its keys' */

struct ngx_ai_lease_group_s {
    ngx_queue_t           queue;        /* of a bucket, or free */
    ngx_queue_t           poll;
    ngx_queue_t           waits;        /* in order */
    ai_owner_id_t         tenant;
    ngx_uint_t            asks;         /* under way; at most one */
    unsigned              polls:1;
};


/* ---- a shard, as this worker sees it ---- */

typedef struct {
    ngx_uint_t            slot;
    ngx_msec_t            away;         /* since when there is no connection */

    /* the keeper's */
    ngx_msec_t            beat;         /* when the last was sent */
    ai_lease_epoch_t      found;        /* told by the store */
    ai_lease_epoch_t      told;         /* that the report is for */
    uint32_t              cursor;
    ngx_uint_t            flight;       /* of the report */
    ngx_ai_lease_end_t    end;          /* of the last try */
    ai_lease_status_t     status;
    int64_t               ahead_ms;     /* the store's clock, of ours */
    unsigned              gone:1;       /* there is no connection */
    unsigned              fresh:1;      /* "found" is not in the file yet */
    unsigned              looked:1;     /* it answered, since it failed */
    unsigned              busy:1;       /* a heartbeat is under way */
    unsigned              present:1;    /* the last one said so */
    unsigned              reporting:1;
    unsigned              reported:1;   /* all owners were looked at */
    unsigned              failed:1;     /* a part of the report was */
    unsigned              counted:1;    /* older starts' rows were, before it
                                           began */
} ngx_ai_lease_place_t;

/* what was logged last */

typedef enum {
    NGX_AI_LEASE_NONE = 0,
    NGX_AI_LEASE_WELL,
    NGX_AI_LEASE_UNSEEDED,
    NGX_AI_LEASE_RESEEDING,
    NGX_AI_LEASE_AWAY,
    NGX_AI_LEASE_ERROR,
    NGX_AI_LEASE_CLOCK,
    NGX_AI_LEASE_FENCED
} ngx_ai_lease_said_t;


struct ngx_ai_lease_s {
    ngx_ai_ledger_conf_t *ledger;
    ngx_ai_redis_conf_t  *conf;
    ngx_ai_zone_t        *zone;
    ai_book_t            *book;
    ngx_log_t            *log;
    ngx_ai_redis_t       *redis;
    ngx_ai_ledger_t      *open;         /* NULL: this worker has none yet */

    int                   fd;           /* the state's; shared lock: we live */
    ngx_ai_fd_t           watch;        /* tells that the worker quits */
    u_char                node[NGX_AI_NODE_ID + 1];
    uint64_t              start;
    uint64_t              beats;        /* sequence of heartbeats */
    ngx_msec_t            born;
    ngx_uint_t            nshards;

    /* who waits */
    ngx_queue_t           buckets[NGX_AI_LEASE_BUCKETS];
    ngx_msec_t            ended[NGX_AI_LEASE_BUCKETS];  /* our last operation */
    ngx_queue_t           groups;       /* free */
    ngx_queue_t           polling;
    ngx_queue_t           woken;        /* handlers are to be called */
    ngx_queue_t           asks;         /* under way */
    ngx_queue_t           free;
    uint32_t              mark;         /* that this worker waits */
    ngx_event_t           poll;
    ngx_event_t           wake;

    /* the keeper, and what each worker does from time to time */
    ngx_event_t           tick;
    ngx_event_t           leave;        /* not cancelable: the worker quits */
    ngx_msec_t            checked;      /* INFO */
    ngx_msec_t            looked;       /* for workers of older starts */
    ngx_uint_t            check_at;     /* shard */
    ngx_uint_t            flight;       /* returns */
    uint32_t              cursor;       /* of them */
    ngx_msec_t            passed;       /* when it was at the end */
    ngx_msec_t            leave_until;

    ngx_ai_lease_said_t   said;
    ngx_msec_t            told;
    unsigned              said_local:1;
    unsigned              said_evicts:1;
    unsigned              said_file:1;
    ngx_msec_t            said_broken;
    unsigned              keeper:1;
    unsigned              counted:1;    /* all rows of older starts are */
    unsigned              older:1;      /* some were not */
    unsigned              outdated:1;   /* a later start has the directory */
    unsigned              locked:1;     /* shared: this worker lives */
    unsigned              leaving:1;    /* it has given that up */
    unsigned              returning:1;  /* the last one: gives back all */
    unsigned              returned:1;   /* all owners were looked at */

    ngx_ai_lease_place_t  shards[AI_LEASE_SHARDS];
    ai_lease_words_t      words;        /* of the call that is being made */
};


/* ---- ngx_ai_lease_call.c ---- */

/* an empty one; NULL: no memory */
ngx_ai_lease_ask_t *ngx_ai_lease_ask_get(ngx_ai_lease_t *ls);
void ngx_ai_lease_ask_free(ngx_ai_lease_ask_t *a);

/*
 * Sends it: kind, group and lease are set.  Later ngx_ai_lease_over() is
 * called.  NGX_ERROR: it will not be.
 */
ngx_int_t ngx_ai_lease_send(ngx_ai_lease_ask_t *a, ngx_uint_t says);

/* nothing came of an operation that was begun */
void ngx_ai_lease_drop(ngx_ai_lease_ask_t *a);

#define ngx_ai_lease_answered(a)                                             \
    ((a)->end == NGX_AI_LEASE_HEARD                                          \
     && (a)->reply.status == AI_LEASE_STATUS_OK)


/* ---- ngx_ai_lease_ask.c ---- */

#define ngx_ai_lease_hash(owner)                                             \
    ((ngx_uint_t) (owner)->id[15] & (NGX_AI_LEASE_BUCKETS - 1))

/*
 * NGX_OK: the store can be asked over this worker's connection.  NGX_AGAIN:
 * soon, perhaps.  NGX_DECLINED: it cannot.
 */
ngx_int_t ngx_ai_lease_reach(ngx_ai_lease_t *ls, uint32_t shard);

/*
 * NGX_OK: the group is woken when it has ended.  NGX_BUSY: another asks, or
 * the connection comes soon.  NGX_DONE: nothing is lacking any more.
 * NGX_DECLINED: it cannot be asked.
 */
ngx_int_t ngx_ai_lease_ask(ngx_ai_lease_t *ls, ngx_ai_lease_group_t *g,
    const ai_hold_ask_t *ask, ngx_ai_lease_kind_t kind);


/* ---- ngx_ai_lease_wait.c ---- */

void ngx_ai_lease_wait_init(ngx_ai_lease_t *ls);

/* at exit: no handler is called any more */
void ngx_ai_lease_wait_done(ngx_ai_lease_t *ls);

/* one that a worker asked has ended; NGX_DECLINED: the book had given it up */
void ngx_ai_lease_over(ngx_ai_lease_ask_t *a, ngx_int_t rc);

/* whether the store grants now, as far as all workers know */
#define ngx_ai_lease_grants(sh)                                              \
    ((sh)->usable && (sh)->heard && (sh)->seeded && !(sh)->local)

#define ngx_ai_lease_count(ls, name)                                         \
    (void) ngx_atomic_fetch_add((ngx_atomic_t *)                             \
                                &ai_lease_stat((ls)->book)->name, 1)


/* ---- ngx_ai_lease_epoch.c ---- */

/* whether the answer tells a newer epoch, which is then to be adopted */
ngx_uint_t ngx_ai_lease_found(ngx_ai_lease_ask_t *a);

/* those that were found: into the file, and then into the book */
void ngx_ai_lease_adopt(ngx_ai_lease_t *ls);


/* ---- ngx_ai_lease_keep.c: a shard, and the keeper's operations ---- */

/* whether there is a connection, and since when there is none */
void ngx_ai_lease_place_look(ngx_ai_lease_t *ls, ngx_ai_lease_place_t *p);

/* takes the next steps; after an answer, too */
void ngx_ai_lease_keep(ngx_ai_lease_t *ls);

/* shards that have not answered for long enough */
void ngx_ai_lease_local(ngx_ai_lease_t *ls);

/* an operation of the keeper's has ended */
void ngx_ai_lease_kept(ngx_ai_lease_ask_t *a);


/* ---- ngx_ai_lease_return.c ---- */

/* ms between looks at all owners */
#define ngx_ai_lease_pass(ls)                                                \
    ngx_max(ngx_min((ls)->conf->lease / 8, 250), 50)

/* whether a shard takes anything back now */
ngx_uint_t ngx_ai_lease_returnable_any(ngx_ai_lease_t *ls);

/* goes on; NGX_OK: all owners were looked at */
ngx_int_t ngx_ai_lease_return(ngx_ai_lease_t *ls, ngx_uint_t all);
void ngx_ai_lease_return_done(ngx_ai_lease_ask_t *a);

/* the worker quits: once it has nothing open any more, the last one of the
   node gives back all credit */
void ngx_ai_lease_leave(ngx_ai_lease_t *ls);
void ngx_ai_lease_leave_handler(ngx_event_t *ev);


/* ---- ngx_ai_lease_tick.c ---- */

void ngx_ai_lease_tick_handler(ngx_event_t *ev);


/* ---- ngx_ai_lease_said.c: lines for the operator ---- */

/* the keeper's: one for each change */
void ngx_ai_lease_tell(ngx_ai_lease_t *ls);

/* the store has an error of one key; not more than one line a minute */
void ngx_ai_lease_tell_broken(ngx_ai_lease_t *ls, ngx_ai_op_t *op);


#endif /* NGX_AI_LEASE_INT_H */
