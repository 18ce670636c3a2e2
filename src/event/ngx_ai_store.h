
/*
 * A store: the life of one connection to a server, common to all kinds.
 *
 *   DOWN -> RESOLVING -> CONNECTING -> HANDSHAKE -> READY
 *     ^         |             |            |          |
 *     +-- lost -+-------------+------------+----------+      -> CLOSED
 *
 * It connects when an operation asks for it, or by itself when "keep" is set;
 * one attempt at a time, address after address.  What comes meanwhile waits,
 * bounded in number and by its own deadline.  After a failure it backs off,
 * and refuses at once until the next attempt: a circuit breaker.  One function
 * changes the state, and it alone logs and arms timers.
 */


#ifndef NGX_AI_STORE_H
#define NGX_AI_STORE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_ai_op.h"


#define NGX_AI_STORE_REASON  200


typedef enum {
    NGX_AI_STORE_DOWN = 0,
    NGX_AI_STORE_RESOLVING,
    NGX_AI_STORE_CONNECTING,
    NGX_AI_STORE_HANDSHAKE,
    NGX_AI_STORE_READY,
    NGX_AI_STORE_CLOSED
} ngx_ai_store_state_t;


typedef struct {
    const char           *kind;         /* "postgres", for the log */
    ngx_uint_t            depth;        /* ops in flight at a time */

    /*
     * Begins to connect.  Then ngx_ai_store_handshake(), _ready() or _lost()
     * are called, never from in here.  NGX_ERROR: the reason was set.
     */
    ngx_int_t           (*connect)(ngx_ai_store_t *st, ngx_addr_t *addr);

    /* sends; its end is ngx_ai_store_done().  NGX_ERROR: the reason was set,
       the connection is lost */
    ngx_int_t           (*submit)(ngx_ai_store_t *st, ngx_ai_op_t *op);

    /* forgets all of the connection; may be called when there is none */
    void                (*close)(ngx_ai_store_t *st);

    /* optional: READY was reached */
    void                (*ready)(ngx_ai_store_t *st);
} ngx_ai_store_kind_t;


struct ngx_ai_store_s {

    /* set by who makes it */

    const ngx_ai_store_kind_t  *kind;
    const char                 *name;
    ngx_log_t                  *log;
    ngx_addr_t                 *addrs;
    ngx_uint_t                  naddrs;
    ngx_resolver_t             *resolver;   /* NULL: addrs are all */
    ngx_str_t                   host;       /* what it is asked for */
    in_port_t                   port;
    ngx_msec_t                  resolver_timeout;
    ngx_msec_t                  connect_timeout;    /* of one address */
    ngx_uint_t                  max_waiting;
    unsigned                    keep:1;     /* connected without ops, too */
    unsigned                    ordered:1;  /* each connect begins with the
                                               first address */

    /* figures */

    uint64_t                    connects;
    uint64_t                    lost;
    uint64_t                    timeouts;
    ngx_uint_t                  nwaiting;
    ngx_uint_t                  nsent;

    /* its own */

    ngx_ai_store_state_t        state;
    ngx_event_t                 timer;      /* connect, back-off, stable */
    ngx_queue_t                 waiting;
    ngx_queue_t                 sent;
    ngx_queue_t                 ended;      /* handler is posted */
    ngx_uint_t                  attempt;    /* failures in a row */
    ngx_resolver_ctx_t         *rctx;
    ngx_pool_t                 *resolved;   /* of addrs, when resolver gave
                                               them */
    ngx_uint_t                  first;      /* address to begin with */
    ngx_uint_t                  tried;
    ngx_str_t                   addr;       /* text of the current one */
    u_char                      reason[NGX_AI_STORE_REASON];
    u_char                      said[NGX_AI_STORE_REASON];
    ngx_uint_t                  nsaid;      /* so many for the operator */
    unsigned                    stable:1;   /* READY for long enough */
};


void ngx_ai_store_init(ngx_ai_store_t *st);

/* takes the op, in any case: it ends later */
void ngx_ai_store_submit(ngx_ai_store_t *st, ngx_ai_op_t *op);

/* connects, unless it does or is READY or waits to */
void ngx_ai_store_connect(ngx_ai_store_t *st);

/* fails all, frees what it has; "quiet": at once and without handlers, those
   who wait must not detach any more */
void ngx_ai_store_close(ngx_ai_store_t *st, ngx_uint_t quiet);

/* ends a back-off: others reach the server again */
void ngx_ai_store_hurry(ngx_ai_store_t *st);

const char *ngx_ai_store_state(ngx_ai_store_t *st);


/* for kinds of stores */

/* why it will be lost: printf's format of nginx; control characters are
   replaced, the end is cut */
void ngx_ai_store_reason(ngx_ai_store_t *st, const char *fmt, ...);

void ngx_ai_store_handshake(ngx_ai_store_t *st);
void ngx_ai_store_ready(ngx_ai_store_t *st);

/* the connection has failed, for the reason that was set; closes it */
void ngx_ai_store_lost(ngx_ai_store_t *st);

/* the reply of a sent op is there; ngx_ai_store_run() is to follow */
void ngx_ai_store_done(ngx_ai_store_t *st, ngx_ai_op_t *op, ngx_int_t rc);

/* takes back an op that was sent, to submit it elsewhere: nothing came of it.
   Its deadline stays */
void ngx_ai_store_recall(ngx_ai_store_t *st, ngx_ai_op_t *op);

/* closes the connection, unless there are ops */
void ngx_ai_store_rest(ngx_ai_store_t *st);

/* sends what waits; closes when the worker quits and nothing is left */
void ngx_ai_store_run(ngx_ai_store_t *st);

/* the worker quits, or (now) has no time left */
void ngx_ai_store_quit(ngx_ai_store_t *st, ngx_uint_t now);

/* frees an op that still waits */
void ngx_ai_store_drop(ngx_ai_op_t *op);

/* the file of addresses: NGX_AGAIN while the resolver is asked, which then
   calls ngx_ai_store_resolved() */
ngx_int_t ngx_ai_store_resolve(ngx_ai_store_t *st);
void ngx_ai_store_resolved(ngx_ai_store_t *st);
void ngx_ai_store_resolve_cancel(ngx_ai_store_t *st);


#endif /* NGX_AI_STORE_H */
