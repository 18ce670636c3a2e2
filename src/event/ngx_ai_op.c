
/*
 * Operations: made by a store, ended once, delivered from a posted event.
 */


#include "ngx_ai_store.h"


#define NGX_AI_OP_POOL  1024


static void ngx_ai_op_done_handler(ngx_event_t *ev);


ngx_ai_op_t *
ngx_ai_op_create(ngx_log_t *log, ngx_ai_op_pt handler, void *data)
{
    ngx_pool_t   *pool;
    ngx_ai_op_t  *op;

    pool = ngx_create_pool(NGX_AI_OP_POOL, log);
    if (pool == NULL) {
        return NULL;
    }

    op = ngx_pcalloc(pool, sizeof(ngx_ai_op_t));
    if (op == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    op->pool = pool;
    op->handler = handler;
    op->data = data;

    op->done.handler = ngx_ai_op_done_handler;
    op->done.data = op;
    op->done.log = log;

    op->deadline.data = op;
    op->deadline.log = log;

    return op;
}


void
ngx_ai_op_end(ngx_ai_op_t *op, ngx_int_t rc)
{
    op->rc = rc;
    op->waiting = 0;
    op->in_flight = 0;

    if (op->deadline.timer_set) {
        ngx_del_timer(&op->deadline);
    }

    ngx_post_event(&op->done, &ngx_posted_events);
}


static void
ngx_ai_op_done_handler(ngx_event_t *ev)
{
    ngx_ai_op_t *op = ev->data;

    ngx_ai_op_pt  handler;

    ngx_queue_remove(&op->queue);

    /* a waiter that finishes its request in here detaches once more */

    handler = op->handler;
    op->handler = NULL;

    if (handler) {
        handler(op);
    }

    ngx_destroy_pool(op->pool);
}


void
ngx_ai_op_detach(ngx_ai_op_t *op)
{
    op->handler = NULL;

    if (op->waiting) {
        ngx_ai_store_drop(op);
    }
}
