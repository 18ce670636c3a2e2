
/*
 * What taking places and waiting for them share.
 */


#ifndef NGX_HTTP_AI_GATE_INT_H
#define NGX_HTTP_AI_GATE_INT_H


#include "ngx_http_ai_gate.h"
#include "ngx_http_ai_settle.h"


#define NGX_HTTP_AI_GATE_TARGET    0
#define NGX_HTTP_AI_GATE_PROVIDER  1


/* in the request's pool, from the first place on */

typedef struct ngx_http_ai_gate_s  ngx_http_ai_gate_t;

struct ngx_http_ai_gate_s {
    ngx_http_ai_ctx_t         *ctx;
    ngx_http_ai_target_t      *target;      /* of the places, or waited for */
    ai_gate_ask_t              ask;
    ai_gate_ticket_t           tickets[2];
    ngx_uint_t                 which;       /* gate that it waits at */
    uint32_t                   waiter;
    ngx_queue_t                queue;       /* of those that wait, or are to be
                                               resumed */
    uint64_t                   until;       /* it may wait */
    ngx_msec_t                 since;       /* it waits */
    ngx_msec_t                 spent;       /* waiting, before */
    unsigned                   has:2;       /* places, a bit for each gate */
    unsigned                   waiting:1;
    unsigned                   over:1;      /* it must not wait again */
};


static ngx_inline uint32_t
ngx_http_ai_gate_of(ngx_http_ai_target_t *target, ngx_uint_t which)
{
    return which == NGX_HTTP_AI_GATE_TARGET ? target->gate
                                            : target->provider->gate;
}


/*
 * Under the lock.  try: the places that it has not yet, one after the other;
 * AI_BUSY, gt->which: where there is none.  drop: gives back those that it has.
 */
int ngx_http_ai_gate_try(ngx_ai_routing_t *rt, ngx_http_ai_gate_t *gt);
void ngx_http_ai_gate_drop(ngx_ai_routing_t *rt,
    ngx_http_ai_gate_t *gt);

/* it waits no more */
void ngx_http_ai_gate_waited(ngx_http_ai_gate_t *gt);

/* a place was given back: it may be the turn of others of this worker */
void ngx_http_ai_gate_wake(void);


#endif /* NGX_HTTP_AI_GATE_INT_H */
