
/*
 * The end of a request: how it went, its slot's last words, the figures.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_cache.h"
#include "ngx_http_ai_settle.h"
#include "ngx_http_ai_wait.h"


static ai_slot_state_t ngx_http_ai_end_state(ngx_http_ai_ctx_t *ctx,
    ai_reason_t *reason);
static ai_slot_state_t ngx_http_ai_end_unanswered(ngx_http_ai_ctx_t *ctx,
    ai_reason_t *reason);
static ngx_uint_t ngx_http_ai_end_failed(ngx_uint_t status);
static void ngx_http_ai_slot_finish(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_tally(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_alarms(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_slot_subs(ai_slot_t *s, ai_usage_t *u,
    ai_str_t *served);


ngx_int_t
ngx_http_ai_log_handler(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t  *ctx;

    if (r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_ai_ctx(r);

    if (ctx == NULL || !ctx->presented) {
        ngx_http_ai_forget(r);
    }

    if (ctx) {
        ngx_http_ai_end(ctx);
    }

    return NGX_OK;
}


void
ngx_http_ai_end(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_target_headers_restore(ctx);
    ngx_http_ai_unwatch(ctx);
    ngx_http_ai_wait_end(ctx);
    ngx_http_ai_gate_free(ctx);

    if (!ctx->admitted || ctx->ended) {
        return;
    }

    ctx->ended = 1;

    if (ctx->meter && !ctx->last_seen) {
        ai_meter_end(ctx->meter, 0);
    }

    ngx_http_ai_settle(ctx);
    ngx_http_ai_slot_finish(ctx);

    ngx_ai_ledger_ended(ngx_http_ai_mcf(ctx)->ledger_open, ctx->slot);
    ctx->slot = NULL;
}


/* how the request ended, and how its only attempt did */

static ai_slot_state_t
ngx_http_ai_end_state(ngx_http_ai_ctx_t *ctx, ai_reason_t *reason)
{
    ngx_uint_t           status;
    ngx_http_request_t  *r;

    r = ctx->request;
    status = r->headers_out.status;

    if (ctx->revoked) {
        *reason = AI_REASON_REVOKED;
        return ctx->sent || ctx->hit ? AI_SLOT_INTERRUPTED : AI_SLOT_REFUSED;
    }

    *reason = AI_REASON_NONE;

    if (!ctx->sent && !ctx->hit) {

        if (!ctx->refused && r->connection->error) {

            /* it waited for a place, and the client for no longer */

            ctx->status = AI_STATUS_PASSED;
            ctx->client_gone = 1;

        } else if (!ctx->refused) {
            ctx->status = AI_STATUS_FAILED_GATEWAY;
        }

        return AI_SLOT_REFUSED;
    }

    if (!ctx->answered) {
        return ngx_http_ai_end_unanswered(ctx, reason);
    }

    ctx->status = AI_STATUS_PASSED;

    if (ngx_http_ai_end_failed(status)) {
        ctx->status = AI_STATUS_FAILED_UPSTREAM;
        *reason = AI_REASON_STATUS;
        return AI_SLOT_FAILED;
    }

    if (status >= NGX_HTTP_BAD_REQUEST) {
        *reason = AI_REASON_STATUS;
    }

    if (!ctx->last_seen || ctx->client_gone) {

        /* an answer that was settled before its last byte lost nothing */

        if (r->connection->error || ctx->client_gone) {
            ctx->client_gone = 1;
            *reason = AI_REASON_ABORT;

        } else {
            *reason = AI_REASON_CUT;
        }

        return ctx->last_seen ? AI_SLOT_FINAL : AI_SLOT_INTERRUPTED;
    }

    if (ctx->streamed && ctx->meter && !ctx->usage->complete
        && ctx->usage->source != AI_SOURCE_FINAL)
    {
        *reason = AI_REASON_CUT;
        return AI_SLOT_INTERRUPTED;
    }

    return AI_SLOT_FINAL;
}


static ai_slot_state_t
ngx_http_ai_end_unanswered(ngx_http_ai_ctx_t *ctx, ai_reason_t *reason)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->refused) {
        return AI_SLOT_FAILED;  /* each attempt has said why */
    }

    if (r->err_status == 0 || r->connection->error) {
        ctx->status = AI_STATUS_PASSED;
        ctx->client_gone = 1;
        *reason = AI_REASON_ABORT;
        return AI_SLOT_INTERRUPTED;
    }

    ctx->status = AI_STATUS_FAILED_UPSTREAM;
    *reason = AI_REASON_CONNECT;

    return AI_SLOT_FAILED;
}


/* an answer that another target might have given better */

static ngx_uint_t
ngx_http_ai_end_failed(ngx_uint_t status)
{
    return status >= NGX_HTTP_INTERNAL_SERVER_ERROR
           || status == NGX_HTTP_TOO_MANY_REQUESTS
           || status == NGX_HTTP_REQUEST_TIME_OUT
           || status == NGX_HTTP_CONFLICT;
}


static void
ngx_http_ai_slot_finish(ngx_http_ai_ctx_t *ctx)
{
    ai_str_t             v;
    ai_slot_t           *s;
    ai_reason_t          reason;
    ai_slot_state_t      state;
    ngx_http_request_t  *r;

    s = ctx->slot;
    r = ctx->request;

    state = ngx_http_ai_end_state(ctx, &reason);

    s->response_bytes = ctx->response_bytes;
    s->first_byte_ms = ctx->first_byte;
    s->duration_ms = ngx_current_msec - ctx->started;
    s->status = ctx->status;
    s->client_aborted = ctx->client_gone;
    s->http_status = r->err_status ? r->err_status : r->headers_out.status;

    if (s->http_status == 0) {
        s->http_status = NGX_HTTP_CLIENT_CLOSED_REQUEST;
    }

    if (ctx->meter && ctx->meter->model_len) {
        v.data = ctx->meter->model;
        v.len = ctx->meter->model_len;

    } else {
        v.data = ctx->target->model.data;
        v.len = ctx->target->model.len;
    }

    ai_slot_string(s, AI_SLOT_SERVED, &v);
    ngx_http_ai_slot_subs(s, ctx->usage, &v);

    if (ctx->meter && ctx->meter->finish_len) {
        v.data = ctx->meter->finish;
        v.len = ctx->meter->finish_len;
        ai_slot_string(s, AI_SLOT_FINISH, &v);
    }

    ngx_http_ai_attempt_close(ctx, reason,
                              ctx->answered ? r->headers_out.status : 0);

    if (ctx->hit) {
        ngx_http_ai_cache_attempt(ctx);

    } else if (ctx->sent) {
        ngx_http_ai_tally(ctx);
    }

    ai_slot_end(s, state);
}


static void
ngx_http_ai_tally(ngx_http_ai_ctx_t *ctx)
{
    ngx_ai_tally_used(ngx_http_ai_mcf(ctx)->tally,
                      ctx->target->provider->index, ctx->usage->input_tokens,
                      ctx->usage->output_tokens, ctx->cost_nanos);

    if (ctx->usage->source != AI_SOURCE_NONE) {
        ngx_http_ai_alarms(ctx);
    }
}


/* what makes the bill differ from the provider's, or a budget from its hold */

static void
ngx_http_ai_alarms(ngx_http_ai_ctx_t *ctx)
{
    int                      tier;
    unsigned                 alarms, fallback;
    ai_usage_t              *u;
    ngx_uint_t               i;
    const ai_price_t        *served;
    ngx_http_ai_provider_t  *provider;

    u = ctx->usage;
    served = ctx->served;
    provider = ctx->target->provider;
    alarms = u->odd ? 1 << NGX_AI_ALARM_ODD : 0;

    /* estimates are ours: they report nothing */

    for (i = 0; i < AI_UNIT_N && u->source != AI_SOURCE_ESTIMATED; i++) {
        if (u->units[i] && served->units[i] < 0) {
            alarms |= 1 << NGX_AI_ALARM_UNIT;
        }
    }

    tier = ngx_http_ai_tier(ctx);

    if (tier != AI_TIER_STANDARD) {
        fallback = 1;

        if (tier > 0) {
            (void) ai_price_pick(served, tier, u->input_tokens,
                                 ctx->admitted_s, &fallback);
        }

        alarms |= fallback << NGX_AI_ALARM_TIER;
    }

    if (ctx->cost_nanos > ctx->hold_nanos && !ctx->unbounded) {
        alarms |= 1 << NGX_AI_ALARM_HOLD;
    }

    for (i = 0; alarms >> i; i++) {
        if (alarms >> i & 1) {
            ngx_ai_tally_alarm(ngx_http_ai_mcf(ctx)->tally, provider->index,
                               i);
        }
    }
}


static void
ngx_http_ai_slot_subs(ai_slot_t *s, ai_usage_t *u, ai_str_t *served)
{
    ai_str_t        model;
    ngx_uint_t      i, n;
    ai_slot_sub_t  *to;

    for (i = 0; i < u->nsub && i < AI_SLOT_SUBS; i++) {
        to = &s->subs[i];

        to->kind = u->sub[i].kind;

        model = *served;

        if (u->sub[i].model_len) {
            model.data = u->sub[i].model;
            model.len = u->sub[i].model_len;
        }

        to->model_len = ngx_min(model.len, sizeof(to->model));
        ngx_memcpy(to->model, model.data, to->model_len);

        for (n = 0; n < AI_CLASS_N; n++) {
            to->classes[n] = (uint32_t) ngx_min(u->sub[i].classes[n],
                                                UINT32_MAX);
        }
    }

    s->nsubs = i;
}
