
/*
 * A request that waits between two runs of admission.
 *
 * It is suspended as "limit_req" does it: a client that goes away is noticed,
 * and the end of the request, however it comes, ends the wait.
 */


#include "ngx_http_ai_wait.h"


static ngx_http_ai_wait_t *ngx_http_ai_wait_get(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad);
static ngx_int_t ngx_http_ai_wait_begin(ngx_http_ai_wait_t *w);
static void ngx_http_ai_wait_store_handler(ngx_ai_lease_wait_t *lw);
static void ngx_http_ai_wait_late_handler(ngx_event_t *ev);
static void ngx_http_ai_wait_timeout_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_ai_wait_store(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    ai_hold_ask_t *ask, ai_refused_t *why)
{
    ngx_http_ai_wait_t       *w;
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ad->mcf;

    w = ngx_http_ai_wait_get(ctx, ad);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->ask = *ask;
    w->why = *why;

    if (!w->begun) {
        w->begun = 1;
        w->left = mcf->redis->timeout;
    }

    if (!w->asked) {
        w->asked = 1;
        (void) ngx_atomic_fetch_add(ngx_http_ai_lease_count(mcf, waited), 1);
    }

    if (w->left <= 0
        || ngx_ai_lease_wait(mcf->lease, &w->lease) != NGX_AGAIN)
    {
        return ngx_http_ai_wait_lost(ctx, ad, why);
    }

    w->since = ngx_current_msec;

    if ((ngx_msec_t) w->left < mcf->redis->timeout) {
        ngx_add_timer(&w->late, (ngx_msec_t) w->left);
    }

    return ngx_http_ai_wait_begin(w);
}


ngx_int_t
ngx_http_ai_wait_lost(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    ai_refused_t *why)
{
    (void) ngx_atomic_fetch_add(ngx_http_ai_lease_count(ad->mcf, lost), 1);

    ctx->unvouched = why->budget ? AI_STATUS_REJECTED_BUDGET
                                 : AI_STATUS_REJECTED_RATE;

    ad->e.code = AI_ERR_UNAVAILABLE;
    ad->e.retry_ms = 1000;

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_ai_wait_slot(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    ai_hold_ask_t *ask, ai_refused_t *why)
{
    int                   rc;
    ngx_http_ai_plan_t   *plan;
    ngx_http_ai_wait_t   *w;

    plan = ctx->key->tenant->plan;

    if (plan->queue == 0 || why->wait_ms < 0) {
        return NGX_DECLINED;
    }

    w = ngx_http_ai_wait_get(ctx, ad);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->ask = *ask;
    w->ask.segment = 0;         /* no slot vouches for a place */
    w->ask.slot = 0;
    w->why = *why;
    w->begun = 0;               /* whatever the store was asked, it answered */

    if (w->expired) {
        return NGX_DECLINED;
    }

    if (w->line && !ngx_http_ai_queue_right(w)) {
        ngx_http_ai_queue_leave(w);
    }

    if (w->line == NULL) {
        rc = ngx_http_ai_queue_join(w, plan->queue);

        if (rc == AI_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (rc != AI_OK) {
            return NGX_DECLINED;
        }
    }

    if (!w->queued) {
        w->queued = 1;
        ngx_add_timer(&w->timeout, plan->queue_timeout);
        (void) ngx_atomic_fetch_add(ngx_http_ai_lease_count(ad->mcf, queued),
                                    1);
    }

    return ngx_http_ai_wait_begin(w);
}


/* the first time it moves what the steps share from the handler's stack */

static ngx_http_ai_wait_t *
ngx_http_ai_wait_get(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad)
{
    ngx_http_ai_wait_t  *w;
    ngx_http_request_t  *r;

    if (ctx->wait) {
        return ctx->wait;
    }

    r = ctx->request;

    w = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_wait_t));
    if (w == NULL) {
        return NULL;
    }

    w->ctx = ctx;
    w->rq = *ad->rq;

    ngx_memcpy(&w->ad, ad, offsetof(ngx_http_ai_admission_t, text));
    w->ad.rq = &w->rq;

    w->lease.handler = ngx_http_ai_wait_store_handler;
    w->lease.data = w;
    w->lease.ask = &w->ask;

    w->late.handler = ngx_http_ai_wait_late_handler;
    w->late.data = w;
    w->late.log = ngx_cycle->log;

    w->timeout.handler = ngx_http_ai_wait_timeout_handler;
    w->timeout.data = w;
    w->timeout.log = ngx_cycle->log;

    ctx->wait = w;

    return w;
}


static ngx_int_t
ngx_http_ai_wait_begin(ngx_http_ai_wait_t *w)
{
    w->waiting = 1;

    return ngx_http_ai_wait_suspend(w->ctx->request);
}


ngx_int_t
ngx_http_ai_wait_suspend(ngx_http_request_t *r)
{
    ngx_event_t  *rev;

    rev = r->connection->read;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


static void
ngx_http_ai_wait_store_handler(ngx_ai_lease_wait_t *lw)
{
    ngx_http_ai_wait_t *w = lw->data;

    if (w->late.timer_set) {
        ngx_del_timer(&w->late);
    }

    w->left -= (ngx_msec_int_t) (ngx_current_msec - w->since);
    w->unheard = (lw->rc != NGX_OK);

    ngx_http_ai_wait_resume(w);
}


static void
ngx_http_ai_wait_late_handler(ngx_event_t *ev)
{
    ngx_http_ai_wait_t *w = ev->data;

    ngx_ai_lease_cancel(w->ad.mcf->lease, &w->lease);

    w->left = 0;
    w->unheard = 1;

    ngx_http_ai_wait_resume(w);
}


/* it is tried once more: a slot may have come free by now */

static void
ngx_http_ai_wait_timeout_handler(ngx_event_t *ev)
{
    ngx_http_ai_wait_t *w = ev->data;

    w->expired = 1;

    if (!w->lease.active) {
        ngx_http_ai_wait_resume(w);
    }
}


void
ngx_http_ai_wait_resume(ngx_http_ai_wait_t *w)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = w->ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    w->waiting = 0;

    if (w->called) {
        w->called = 0;
        ngx_queue_remove(&w->ready);
    }

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


void
ngx_http_ai_wait_end(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_wait_t  *w;

    w = ctx->wait;

    if (w == NULL) {
        return;
    }

    w->waiting = 0;

    if (w->lease.active) {
        ngx_ai_lease_cancel(w->ad.mcf->lease, &w->lease);
    }

    if (w->late.timer_set) {
        ngx_del_timer(&w->late);
    }

    if (w->timeout.timer_set) {
        ngx_del_timer(&w->timeout);
    }

    ngx_http_ai_queue_leave(w);

    if (w->queued && !ctx->admitted) {
        (void) ngx_atomic_fetch_add(ngx_http_ai_lease_count(w->ad.mcf,
                                                            queued_out), 1);
    }

    w->queued = 0;
}
