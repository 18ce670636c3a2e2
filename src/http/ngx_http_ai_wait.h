
/*
 * A request that waits between two runs of admission: for credit of the store,
 * or in the line of a party that has no slot free.
 *
 * It holds no slot of the ledger and nothing in the book but its place.  What
 * it learnt of itself so far is kept in its pool; it goes on with the look-up
 * of its key, for that may have been revoked meanwhile.
 */


#ifndef NGX_HTTP_AI_WAIT_H
#define NGX_HTTP_AI_WAIT_H


#include "ngx_http_ai_admit.h"


typedef struct ngx_http_ai_line_s  ngx_http_ai_line_t;

/* in the request's pool, from the first wait on; forgotten by wait_end() */

typedef struct ngx_http_ai_wait_s  ngx_http_ai_wait_t;

struct ngx_http_ai_wait_s {
    ngx_http_ai_ctx_t         *ctx;
    ngx_http_ai_admission_t    ad;
    ai_request_t               rq;          /* ad.rq */

    ai_hold_ask_t              ask;         /* what was refused at last */
    ai_refused_t               why;

    ngx_ai_lease_wait_t        lease;
    ngx_event_t                late;        /* of the store, in all */
    ngx_msec_t                 since;       /* it is waited for */
    ngx_msec_int_t             left;        /* ms that this may last yet */

    ngx_http_ai_line_t        *line;        /* NULL: in none */
    ngx_queue_t                queue;       /* of it, in order of arrival */
    ngx_queue_t                ready;       /* to be tried next */
    ngx_event_t                timeout;     /* of the queue */
    ai_ref_t                   place;       /* in the book; 0: none */

    unsigned                   asked:1;     /* it has waited for the store */
    unsigned                   begun:1;     /* and "left" runs */
    unsigned                   waiting:1;   /* not running */
    unsigned                   called:1;    /* it is in the list "ready" */
    unsigned                   queued:1;    /* was in a line, its time runs */
    unsigned                   expired:1;   /* that has run out */
    unsigned                   unheard:1;   /* the store did not answer */
};


/*
 * After AI_AGAIN: NGX_DONE, the request waits; NGX_DECLINED: no store vouches
 * for it, ad->e says so; or an HTTP status.
 */
ngx_int_t ngx_http_ai_wait_store(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ai_hold_ask_t *ask, ai_refused_t *why);

/*
 * After AI_BUSY for want of a slot: NGX_DONE, the request waits in a line.
 * NGX_DECLINED: it must not, or no longer.
 */
ngx_int_t ngx_http_ai_wait_slot(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ai_hold_ask_t *ask, ai_refused_t *why);

/*
 * Nothing runs the request on but who resumes it; a client that goes away is
 * noticed.  NGX_DONE, or NGX_HTTP_INTERNAL_SERVER_ERROR.
 */
ngx_int_t ngx_http_ai_wait_suspend(ngx_http_request_t *r);

/* NGX_DECLINED, with ad->e, for what lacked at last */
ngx_int_t ngx_http_ai_wait_lost(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ai_refused_t *why);

/* goes on with admission; w and its request may be gone then */
void ngx_http_ai_wait_resume(ngx_http_ai_wait_t *w);

/* no more waiting, whatever for; later calls do nothing */
void ngx_http_ai_wait_end(ngx_http_ai_ctx_t *ctx);


/* ---- ngx_http_ai_queue.c: the lines of this worker ---- */

/*
 * A place in the line of the party that lacked a slot.  AI_BUSY: the line is
 * full; AI_ERROR: no room.
 */
int ngx_http_ai_queue_join(ngx_http_ai_wait_t *w, ngx_uint_t max);

/* gives the place back; the next one is tried */
void ngx_http_ai_queue_leave(ngx_http_ai_wait_t *w);

/* whether w stands in the line of its why.party */
ngx_uint_t ngx_http_ai_queue_right(ngx_http_ai_wait_t *w);

/* whether it is the first of its line */
ngx_uint_t ngx_http_ai_queue_first(ngx_http_ai_wait_t *w);

/* a slot of this party may be free: the first one in its line is tried soon */
void ngx_http_ai_queue_wake(const ai_owner_id_t *id);


#endif /* NGX_HTTP_AI_WAIT_H */
