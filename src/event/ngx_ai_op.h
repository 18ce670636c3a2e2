
/*
 * One operation on a store, and who waits for it.
 *
 * Submitting never completes at once: the handler is called exactly one time,
 * later, from a posted event, never from inside of a library.  Whoever waits
 * and goes away calls ngx_ai_op_detach(); the operation lives on until its
 * reply or its deadline and then frees itself.
 */


#ifndef NGX_AI_OP_H
#define NGX_AI_OP_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


typedef struct ngx_ai_op_s     ngx_ai_op_t;
typedef struct ngx_ai_store_s  ngx_ai_store_t;

/* op->rc and op->result are valid until it returns; then op is freed */
typedef void (*ngx_ai_op_pt)(ngx_ai_op_t *op);

struct ngx_ai_op_s {
    ngx_queue_t       queue;        /* of the store: waiting, sent, ended */
    ngx_ai_store_t   *store;
    ngx_pool_t       *pool;         /* the op, its arguments, its result; not
                                       a request's */
    ngx_ai_op_pt      handler;      /* NULL once the waiter has gone */
    void             *data;         /* the waiter's */

    ngx_event_t       done;         /* posted */
    ngx_event_t       deadline;     /* not cancelable: it holds the worker */
    ngx_msec_t        timeout;

    /*
     * NGX_OK: result is there.  NGX_ERROR: the store refused it (code and
     * text).  NGX_DECLINED: never sent, the store is down or its turn did not
     * come before the deadline.  NGX_BUSY: never sent, its queue is full.
     * NGX_ABORT: sent, the outcome is unknown (deadline, connection lost).
     */
    ngx_int_t         rc;
    void             *result;       /* the store's type: PGresult, ... */
    u_char            code[6];      /* SQLSTATE, null terminated */
    ngx_str_t         text;         /* the store's error; for logs only */

    void             *args;         /* the store's own */
    unsigned          waiting:1;
    unsigned          in_flight:1;  /* it was sent, the reply is to come */
};


/* for stores: an op in a pool of its own; NULL: no memory */
ngx_ai_op_t *ngx_ai_op_create(ngx_log_t *log, ngx_ai_op_pt handler,
    void *data);

/* for stores: the op is over; its handler runs from a posted event */
void ngx_ai_op_end(ngx_ai_op_t *op, ngx_int_t rc);

/*
 * The waiter has gone: its handler will not be called.  What was not sent yet
 * never will be.  op may be freed by this.
 */
void ngx_ai_op_detach(ngx_ai_op_t *op);


#endif /* NGX_AI_OP_H */
