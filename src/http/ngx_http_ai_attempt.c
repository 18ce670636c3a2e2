
/*
 * Attempts: from one to the next.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_pick.h"
#include "ngx_http_ai_settle.h"
#include "ngx_http_ai_tail.h"


static ngx_int_t ngx_http_ai_attempt_prepare(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ai_request_t *rq);
static ngx_int_t ngx_http_ai_attempt_none(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_attempt_pause(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_timer_handler(ngx_event_t *ev);
static void ngx_http_ai_attempt_late(ngx_http_request_t *r);
static void ngx_http_ai_attempt_back(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_timer(ngx_http_ai_attempt_t *at,
    ngx_uint_t headed);
static ngx_uint_t ngx_http_ai_attempt_content(ngx_http_request_t *r);


/* a body is scanned once more for each attempt but the first */

static ai_request_t  ngx_http_ai_attempt_rq;


ngx_int_t
ngx_http_ai_attempt_create(ngx_http_ai_ctx_t *ctx, int64_t max_output)
{
    ngx_http_ai_attempt_t  *at;

    at = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_ai_attempt_t));
    if (at == NULL) {
        return NGX_ERROR;
    }

    at->ctx = ctx;
    at->max_output = max_output;

    at->timer.handler = ngx_http_ai_attempt_timer_handler;
    at->timer.data = at;
    at->timer.log = ngx_cycle->log;

    ctx->attempt = at;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_attempt(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_request_t *rq)
{
    ngx_int_t               rc;
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;

    if (at->pause) {
        return ngx_http_ai_attempt_pause(r, at);
    }

    if (!at->ready) {
        rc = ngx_http_ai_pick(at);

        if (rc == NGX_BUSY) {
            rc = ngx_http_ai_pick_wait(at);
        }

        if (rc == NGX_DONE) {
            return NGX_DONE;
        }

        if (rc != NGX_OK) {
            return ngx_http_ai_attempt_none(r, ctx);
        }
    }

    at->ready = 0;

    return ngx_http_ai_attempt_prepare(r, ctx, rq);
}


static ngx_int_t
ngx_http_ai_attempt_prepare(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_request_t *rq)
{
    ngx_int_t               rc;
    ai_rewrite_t            want;
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;
    ctx->target = at->candidate->target;

    if (rq == NULL) {
        rq = &ngx_http_ai_attempt_rq;

        if (ai_request_scan(rq, ctx->route.ep, ctx->body.data, ctx->body.len,
                            &ctx->route.model, (ai_str_t *) &ctx->boundary)
            != AI_OK)
        {
            ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                          "ai request body was readable, and is not any more");
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ngx_http_ai_target_url(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&want, sizeof(ai_rewrite_t));

    want.model = (ai_str_t *) &ctx->target->model;
    want.cap_completion = ctx->target->provider->cap_completion;
    want.max_output = at->max_output;

    ctx->usage_asked = rq->usage_asked;
    ctx->drop_usage = 0;

    if (ctx->streamed && !rq->usage_asked
        && (ctx->sent_route->ep == AI_EP_CHAT
            || ctx->sent_route->ep == AI_EP_COMPLETIONS))
    {
        want.usage = 1;
        ctx->drop_usage = 1;
    }

    rc = ngx_http_ai_target_body(r, ctx, rq, &want);

    if (rc == NGX_OK) {
        rc = ngx_http_ai_target_headers(r, ctx);
    }

    return rc;
}


/* no target is left that may be tried now */

static ngx_int_t
ngx_http_ai_attempt_none(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ai_error_t              e;
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;

    ngx_memzero(&e, sizeof(ai_error_t));

    e.code = AI_ERR_UPSTREAM;
    e.status = NGX_HTTP_SERVICE_UNAVAILABLE;
    e.retry_ms = -1;

    if (at->n) {
        e.status = r->err_status;

    } else if (at->full) {
        e.code = AI_ERR_CAPACITY;
        e.status = 0;

    } else if (at->rest_ms) {
        e.retry_ms = (int64_t) at->rest_ms;
    }

    r->err_status = 0;

    return ngx_http_ai_refuse(r, ctx, &e);
}


void
ngx_http_ai_attempt_sent(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_ctx_t        *ctx;
    ngx_http_ai_loc_conf_t   *alcf;
    ngx_http_ai_main_conf_t  *mcf;

    ctx = at->ctx;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_tenant_module);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);

    at->loc_conf = r->loc_conf;
    at->content_handler = r->content_handler;
    at->keepalive = r->keepalive;
    at->running = 1;
    at->open = 1;
    at->headed = 0;
    at->tail = NGX_HTTP_AI_TAIL_NONE;
    at->n++;
    at->sent = at->chosen;
    at->since = ngx_current_msec;

    r->loc_conf = alcf->jump_conf;

    ctx->sent = 1;
    ai_slot_started(ctx->slot);

    ngx_http_ai_attempt_timer(at, 0);

    ngx_ai_tally_sent(mcf->tally, ctx->target->provider->index,
                      ngx_ai_ledger_worker(mcf->ledger_open));
}


void
ngx_http_ai_attempt_accept(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    if (!at->running) {
        return;
    }

    at->running = 0;
    r->loc_conf = at->loc_conf;

    ngx_http_ai_attempt_timer(at, 1);
}


/* what may still end it: until its head, then until its end */

static void
ngx_http_ai_attempt_timer(ngx_http_ai_attempt_t *at, ngx_uint_t headed)
{
    ngx_msec_t             spent, left, total;
    ngx_http_ai_ctx_t     *ctx;
    ngx_http_ai_target_t  *target;

    ctx = at->ctx;
    target = ctx->target;
    left = target->total;

    if (!headed) {

        if (target->first_byte && (left == 0 || target->first_byte < left)) {
            left = target->first_byte;
        }

        total = ctx->model->total;

        if (total) {
            spent = ngx_current_msec - ctx->started;
            total = spent < total ? total - spent : 1;
            left = left ? ngx_min(left, total) : total;
        }

    } else if (left) {
        spent = ngx_current_msec - at->since;
        left = spent < left ? left - spent : 1;
    }

    if (at->timer.timer_set) {
        ngx_del_timer(&at->timer);
    }

    if (left) {
        ngx_add_timer(&at->timer, left);
    }
}


static void
ngx_http_ai_attempt_timer_handler(ngx_event_t *ev)
{
    ngx_connection_t       *c;
    ngx_http_request_t     *r;
    ngx_http_ai_attempt_t  *at;

    at = ev->data;
    r = at->ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (!at->paused) {
        ngx_http_ai_attempt_late(r);
        return;
    }

    at->paused = 0;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


/* as if nginx's own timer had fired; the request may be gone then */

static void
ngx_http_ai_attempt_late(ngx_http_request_t *r)
{
    ngx_connection_t  *pc;

    pc = r->upstream ? r->upstream->peer.connection : NULL;

    if (pc == NULL) {
        return;
    }

    if (ngx_http_ai_tail_late(r, pc)) {
        return;
    }

    pc->read->timedout = 1;
    pc->write->timedout = 1;

    pc->read->handler(pc->read);
}


/* a client that goes away meanwhile is noticed */

static ngx_int_t
ngx_http_ai_attempt_pause(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_event_t  *rev;

    rev = r->connection->read;

    ngx_add_timer(&at->timer, at->pause);

    at->pause = 0;
    at->paused = 1;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


/*
 * nginx has gone through a named location with the error of an attempt, or the
 * request goes on after a pause.
 */

ngx_int_t
ngx_http_ai_attempt_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_ai_ctx_t       *ctx;
    ngx_http_ai_attempt_t   *at;
    ngx_http_ai_srv_conf_t  *ascf;

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_ai_tenant_module);

    if (!ascf->gateway || !r->internal || r != r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_ai_ctx(r);
    at = ctx ? ctx->attempt : NULL;

    if (at == NULL || at->n == 0 || ctx->answered) {
        return NGX_DECLINED;
    }

    if (at->running) {
        ngx_http_ai_attempt_back(r, at);
    }

    rc = ngx_http_ai_attempt(r, ctx, NULL);

    if (rc != NGX_OK) {
        return rc;
    }

    r->err_status = 0;
    r->phase_handler = ngx_http_ai_attempt_content(r) - 1;

    return NGX_DECLINED;
}


/* the request as it was before the attempt */

static void
ngx_http_ai_attempt_back(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    at->running = 0;

    r->loc_conf = at->loc_conf;

    ngx_http_update_location_config(r);

    r->content_handler = at->content_handler;
    r->keepalive = at->keepalive;
    r->uri_changes = NGX_HTTP_MAX_URI_CHANGES + 1;
    r->headers_out.status = 0;

    if (at->timer.timer_set) {
        ngx_del_timer(&at->timer);
    }

    ngx_http_ai_attempt_note(at, r->err_status == NGX_HTTP_GATEWAY_TIME_OUT
                                 ? AI_REASON_TIMEOUT : AI_REASON_CONNECT, 0);

    /* when the next one is ready, this one's end was told with its head */

    if (!at->ready) {
        ngx_http_ai_pick_failed(at, AI_OUTCOME_FAILED, -1);
    }
}


/* where the handlers of the content phase begin */

static ngx_uint_t
ngx_http_ai_attempt_content(ngx_http_request_t *r)
{
    ngx_uint_t                  i;
    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    ph = cmcf->phase_engine.handlers;

    for (i = 0; ph[i].checker != ngx_http_core_content_phase; i++) {
        /* void */
    }

    return i;
}


void
ngx_http_ai_attempt_note(ngx_http_ai_attempt_t *at, ai_reason_t reason,
    ngx_uint_t status)
{
    ai_slot_t                *s;
    ngx_uint_t                n;
    ngx_http_ai_ctx_t        *ctx;
    ngx_http_ai_target_t     *target;
    ngx_http_ai_main_conf_t  *mcf;

    if (!at->open) {
        return;
    }

    at->open = 0;

    ctx = at->ctx;
    s = ctx->slot;
    target = ctx->target;
    mcf = ngx_http_ai_mcf(ctx);

    ngx_ai_tally_done(mcf->tally, target->provider->index,
                      ngx_ai_ledger_worker(mcf->ledger_open), reason, status);

    n = s->nattempts;

    if (n == AI_SLOT_ATTEMPTS) {
        return;
    }

    ai_slot_string(s, AI_SLOT_ATTEMPT_PROVIDER + 2 * n,
                   (ai_str_t *) &target->provider->name);
    ai_slot_string(s, AI_SLOT_ATTEMPT_PROVIDER + 2 * n + 1,
                   (ai_str_t *) &target->model);

    s->attempts[n].status = status;
    s->attempts[n].reason = reason;
    s->attempts[n].chosen = at->sent;
    s->attempts[n].ms = ngx_current_msec - at->since;
    s->nattempts = n + 1;
}


void
ngx_http_ai_attempt_close(ngx_http_ai_ctx_t *ctx, ai_reason_t reason,
    ngx_uint_t status)
{
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;

    if (at == NULL) {
        return;
    }

    if (at->timer.timer_set) {
        ngx_del_timer(&at->timer);
    }

    if (at->running) {
        at->running = 0;
        ctx->request->loc_conf = at->loc_conf;
    }

    ngx_http_ai_attempt_note(at, reason, status);
    ngx_http_ai_pick_close(at, reason);
}
