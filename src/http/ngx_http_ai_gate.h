
/*
 * The places of a request in the gates of its target and of that one's
 * provider, and its waiting for them.
 */


#ifndef NGX_HTTP_AI_GATE_H
#define NGX_HTTP_AI_GATE_H


#include "ngx_http_ai.h"


/*
 * Takes a place in both gates (target first) for this attempt, or none.
 * NGX_OK, also where neither has a capacity; NGX_BUSY: full.
 */
ngx_int_t ngx_http_ai_gate_take(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_target_t *target);

/*
 * After NGX_BUSY for all candidates: waits in the line of this one, the first
 * of them.  NGX_DONE: it waits; its phases are run again when it is its turn,
 * or its time is over (ctx->request->write_event_handler =
 * ngx_http_core_run_phases, as ngx_http_ai_wait_resume() does), and the first
 * ngx_http_ai_gate_take() for this target has the places then.
 * NGX_DECLINED: it may not wait (the line is full, or none is configured), or
 * not again: its time is over.
 */
ngx_int_t ngx_http_ai_gate_wait(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_target_t *target);

/* gives places back and ends waiting; later calls do nothing */
void ngx_http_ai_gate_free(ngx_http_ai_ctx_t *ctx);

/* the master, under the lock, when gates have their places: what is dedicated
   to plans of the configuration stays free from the start */
void ngx_http_ai_gate_plans(ngx_ai_routing_t *rt,
    ngx_http_ai_main_conf_t *mcf);


#endif /* NGX_HTTP_AI_GATE_H */
