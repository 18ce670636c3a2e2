
/*
 * Waiting for places in the gates: requests of this worker that wait stand in
 * one list, and the gates are asked for all of them every few milliseconds,
 * and at once when this worker gives a place back.
 */


#include "ngx_http_ai_gate_int.h"
#include "ngx_http_ai_wait.h"


#define NGX_HTTP_AI_GATE_EVERY   4      /* ms, and up to as many more */
#define NGX_HTTP_AI_GATE_RESUME  64     /* requests in one visit */


static int ngx_http_ai_gate_go(ngx_ai_routing_t *rt, ngx_http_ai_gate_t *gt);
static void ngx_http_ai_gate_init(ngx_ai_routing_t *rt);
static void ngx_http_ai_gate_handler(ngx_event_t *ev);
static void ngx_http_ai_gate_look(void);
static void ngx_http_ai_gate_call(ngx_http_ai_gate_t *gt);
static void ngx_http_ai_gate_resume(ngx_http_ai_gate_t *gt);


/* of the worker */

static ngx_queue_t        ngx_http_ai_gate_waits;
static ngx_queue_t        ngx_http_ai_gate_ready;
static ngx_event_t        ngx_http_ai_gate_event;
static ngx_event_t        ngx_http_ai_gate_timer;
static ngx_connection_t   ngx_http_ai_gate_dummy;
static ngx_ai_routing_t  *ngx_http_ai_gate_routing;


ngx_int_t
ngx_http_ai_gate_wait(ngx_http_ai_ctx_t *ctx, ngx_http_ai_target_t *target)
{
    int                  rc;
    ngx_msec_t           timeout;
    ngx_ai_routing_t    *rt;
    ngx_http_ai_gate_t  *gt;

    gt = ctx->gate;
    timeout = target->provider->queue_timeout;

    if (gt == NULL || gt->over || gt->spent >= timeout) {
        return NGX_DECLINED;
    }

    ngx_http_ai_gate_free(ctx);

    gt->target = target;
    gt->since = ngx_current_msec;
    gt->until = ngx_current_msec + timeout - gt->spent;

    rt = ngx_http_ai_mcf(ctx)->routing;

    ngx_ai_routing_lock(rt);
    rc = ngx_http_ai_gate_go(rt, gt);
    ngx_ai_routing_unlock(rt);

    if (rc == AI_BUSY) {
        return NGX_DECLINED;
    }

    ngx_http_ai_gate_init(rt);

    ngx_queue_insert_tail(&ngx_http_ai_gate_waits, &gt->queue);
    gt->waiting = 1;

    if (rc == AI_OK) {

        /* places came free since they were looked for */

        ngx_http_ai_gate_call(gt);
        ngx_post_event(&ngx_http_ai_gate_event, &ngx_posted_events);
    }

    return ngx_http_ai_wait_suspend(ctx->request);
}


/*
 * Under the lock, on the way to the places: AI_OK, it has them; AI_AGAIN, it
 * waits for one of them; AI_BUSY, it has none and waits no more.
 */

static int
ngx_http_ai_gate_go(ngx_ai_routing_t *rt, ngx_http_ai_gate_t *gt)
{
    int       rc;
    uint32_t  gate;

    for ( ;; ) {

        if (gt->waiter == AI_GATE_NONE) {
            rc = ngx_http_ai_gate_try(rt, gt);

            if (rc == AI_OK) {
                return AI_OK;
            }

            gate = ngx_http_ai_gate_of(gt->target, gt->which);

            rc = ai_gate_join(rt->gates, gate, &gt->ask, ngx_current_msec,
                              gt->until, &gt->waiter);
            if (rc != AI_OK) {
                gt->waiter = AI_GATE_NONE;
                break;
            }
        }

        rc = ai_gate_waiter(rt->gates, gt->waiter, &gt->ask, ngx_current_msec,
                            &gt->tickets[gt->which]);

        if (rc == AI_AGAIN) {
            return AI_AGAIN;
        }

        gt->waiter = AI_GATE_NONE;

        if (rc != AI_OK) {
            break;
        }

        gt->has |= 1 << gt->which;
    }

    gt->over = 1;
    ngx_http_ai_gate_drop(rt, gt);

    return AI_BUSY;
}


static void
ngx_http_ai_gate_init(ngx_ai_routing_t *rt)
{
    ngx_http_ai_gate_routing = rt;

    if (ngx_http_ai_gate_waits.next == NULL) {
        ngx_queue_init(&ngx_http_ai_gate_waits);
        ngx_queue_init(&ngx_http_ai_gate_ready);

        ngx_http_ai_gate_dummy.fd = (ngx_socket_t) -1;

        ngx_http_ai_gate_event.handler = ngx_http_ai_gate_handler;
        ngx_http_ai_gate_event.data = &ngx_http_ai_gate_dummy;
        ngx_http_ai_gate_event.log = ngx_cycle->log;

        ngx_http_ai_gate_timer.handler = ngx_http_ai_gate_handler;
        ngx_http_ai_gate_timer.data = &ngx_http_ai_gate_dummy;
        ngx_http_ai_gate_timer.log = ngx_cycle->log;
    }

    if (!ngx_http_ai_gate_timer.timer_set) {
        ngx_add_timer(&ngx_http_ai_gate_timer, NGX_HTTP_AI_GATE_EVERY);
    }
}


/* each that is resumed may end others, and lengthen both lists */

static void
ngx_http_ai_gate_handler(ngx_event_t *ev)
{
    ngx_uint_t           n;
    ngx_queue_t         *q;
    ngx_http_ai_gate_t  *gt;

    ngx_http_ai_gate_look();

    for (n = 0; n < NGX_HTTP_AI_GATE_RESUME; n++) {

        if (ngx_queue_empty(&ngx_http_ai_gate_ready)) {
            break;
        }

        q = ngx_queue_head(&ngx_http_ai_gate_ready);
        gt = ngx_queue_data(q, ngx_http_ai_gate_t, queue);

        ngx_http_ai_gate_resume(gt);
    }

    if (!ngx_queue_empty(&ngx_http_ai_gate_ready)
        && !ngx_http_ai_gate_event.posted)
    {
        ngx_post_event(&ngx_http_ai_gate_event, &ngx_posted_next_events);
    }

    if (!ngx_queue_empty(&ngx_http_ai_gate_waits)
        && !ngx_http_ai_gate_timer.timer_set)
    {
        ngx_add_timer(&ngx_http_ai_gate_timer,
                      NGX_HTTP_AI_GATE_EVERY
                      + ngx_random() % (NGX_HTTP_AI_GATE_EVERY + 1));
    }
}


static void
ngx_http_ai_gate_look(void)
{
    ngx_queue_t         *q, *next;
    ngx_ai_routing_t    *rt;
    ngx_http_ai_gate_t  *gt;

    if (ngx_queue_empty(&ngx_http_ai_gate_waits)) {
        return;
    }

    rt = ngx_http_ai_gate_routing;

    ngx_ai_routing_lock(rt);

    for (q = ngx_queue_head(&ngx_http_ai_gate_waits);
         q != ngx_queue_sentinel(&ngx_http_ai_gate_waits);
         q = next)
    {
        next = ngx_queue_next(q);
        gt = ngx_queue_data(q, ngx_http_ai_gate_t, queue);

        if (ngx_http_ai_gate_go(rt, gt) != AI_AGAIN) {
            ngx_http_ai_gate_call(gt);
        }
    }

    ngx_ai_routing_unlock(rt);
}


static void
ngx_http_ai_gate_call(ngx_http_ai_gate_t *gt)
{
    ngx_queue_remove(&gt->queue);
    ngx_queue_insert_tail(&ngx_http_ai_gate_ready, &gt->queue);
}


static void
ngx_http_ai_gate_resume(ngx_http_ai_gate_t *gt)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = gt->ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_ai_gate_waited(gt);

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


/* time in lines counts against the time-out, in however many */

void
ngx_http_ai_gate_waited(ngx_http_ai_gate_t *gt)
{
    gt->waiting = 0;
    gt->spent += ngx_current_msec - gt->since;

    ngx_queue_remove(&gt->queue);
}


void
ngx_http_ai_gate_wake(void)
{
    if (ngx_http_ai_gate_waits.next
        && !ngx_queue_empty(&ngx_http_ai_gate_waits)
        && !ngx_http_ai_gate_event.posted)
    {
        ngx_post_event(&ngx_http_ai_gate_event, &ngx_posted_events);
    }
}
