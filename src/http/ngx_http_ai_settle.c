
/*
 * The truth after an answer: usage, estimates where the provider gave none,
 * cost; the hold ends with it, and the slot.
 */


#include "ngx_http_ai.h"


static void ngx_http_ai_measure(ngx_http_ai_ctx_t *ctx, ai_usage_t *u);
static ngx_uint_t ngx_http_ai_billable(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_estimate(ngx_http_ai_ctx_t *ctx, ai_usage_t *u);
static uint64_t ngx_http_ai_estimate_output(ngx_http_ai_ctx_t *ctx);
static int64_t ngx_http_ai_cost(ngx_http_ai_ctx_t *ctx, ai_usage_t *u);
static void ngx_http_ai_cost_sub(ngx_http_ai_ctx_t *ctx, ai_cost_t *sum,
    ngx_http_ai_model_t *served, ai_sub_t *sub, ai_tier_t tier);
static int ngx_http_ai_tier(ngx_http_ai_ctx_t *ctx);
static ngx_http_ai_model_t *ngx_http_ai_served(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_run_fill(ai_run_t *run, ai_usage_t *u, int64_t cost);
static ai_slot_state_t ngx_http_ai_end_state(ngx_http_ai_ctx_t *ctx,
    ai_reason_t *reason);
static void ngx_http_ai_slot_finish(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_tally(ngx_http_ai_ctx_t *ctx, ai_reason_t reason);
static void ngx_http_ai_alarms(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_slot_subs(ai_slot_t *s, ai_usage_t *u,
    ai_str_t *served);
static void ngx_http_ai_learn(ngx_http_ai_ctx_t *ctx, ai_usage_t *u);


#define ngx_http_ai_mcf(ctx)                                                 \
    ((ngx_http_ai_main_conf_t *)                                             \
     ngx_http_get_module_main_conf((ctx)->request, ngx_http_ai_tenant_module))

/* bytes of what was delivered and billed as output */
#define ngx_http_ai_shown(m)  ((m)->text_bytes + (m)->reasoning_bytes)


void
ngx_http_ai_settle_run(ngx_http_ai_ctx_t *ctx)
{
    ai_run_t    run;
    ai_usage_t  u;

    if (ctx->slot == NULL || ctx->settled) {
        return;
    }

    ngx_http_ai_measure(ctx, &u);
    ngx_http_ai_run_fill(&run, &u, ngx_http_ai_cost(ctx, &u));

    ai_slot_run(ctx->slot, &run);
}


void
ngx_http_ai_settle(ngx_http_ai_ctx_t *ctx)
{
    int64_t         used[AI_RES_COUNTED];
    uint64_t        tokens[2];
    ai_now_t        now;
    ai_run_t        run;
    ai_usage_t     *u;
    ngx_ai_zone_t  *zone;

    if (!ctx->admitted || ctx->settled) {
        return;
    }

    ctx->settled = 1;

    u = ngx_palloc(ctx->request->pool, sizeof(ai_usage_t));
    if (u == NULL) {
        static ai_usage_t  spare;

        u = &spare;
    }

    ngx_http_ai_measure(ctx, u);

    ctx->usage = u;
    ctx->cost_nanos = ngx_http_ai_cost(ctx, u);

    /* the slot first: whoever settles for a dead worker reads it there */

    ngx_http_ai_run_fill(&run, u, ctx->cost_nanos);
    ai_slot_run(ctx->slot, &run);

    tokens[0] = u->input_tokens;
    tokens[1] = u->output_tokens;

    used[AI_RES_REQUESTS] = ctx->sent;
    used[AI_RES_INPUT_TOKENS] = u->input_tokens;
    used[AI_RES_OUTPUT_TOKENS] = u->output_tokens;
    used[AI_RES_TOKENS] = u->input_tokens + u->output_tokens;
    used[AI_RES_COST] = ctx->cost_nanos;

    ngx_ai_now(&now);
    zone = ngx_http_ai_mcf(ctx)->zone;

    ngx_ai_zone_lock(zone);

    ai_book_settle(zone->book, ctx->hold, used, tokens, &now);
    ngx_http_ai_learn(ctx, u);

    ngx_ai_zone_unlock(zone);

    ctx->hold = 0;
}


/* what the model's tokens are worth in bytes; under the zone's lock */

static void
ngx_http_ai_learn(ngx_http_ai_ctx_t *ctx, ai_usage_t *u)
{
    uint64_t     bytes;
    ai_meter_t  *m;

    if (u->source != AI_SOURCE_FINAL || u->input_tokens == 0 || u->odd) {
        return;
    }

    m = ctx->meter;
    bytes = ngx_http_ai_shown(m);

    /* reasoning that was not shown has tokens but no bytes */

    if (m->reasoning_bytes == 0 && u->reasoning_tokens < u->output_tokens) {
        bytes = (uint64_t) ((unsigned __int128) bytes * u->output_tokens
                            / (u->output_tokens - u->reasoning_tokens));
    }

    ai_book_ratio_learn(ngx_http_ai_mcf(ctx)->zone->book,
                        (ai_str_t *) &ctx->model->sn.str,
                        ctx->media ? 0 : ctx->request_bytes,
                        u->input_tokens, bytes, u->output_tokens);
}


/* the provider's numbers, or estimates in their place */

static void
ngx_http_ai_measure(ngx_http_ai_ctx_t *ctx, ai_usage_t *u)
{
    int64_t  *units;

    ngx_memzero(u, sizeof(ai_usage_t));
    u->provider_nanos = -1;

    if (ctx->meter) {
        ai_meter_usage(ctx->meter, u);

    } else {
        u->complete = ctx->last_seen;
    }

    if (!ngx_http_ai_billable(ctx)) {
        return;
    }

    units = ctx->model->price.units;

    if (u->source == AI_SOURCE_NONE) {
        ngx_http_ai_estimate(ctx, u);

    } else if (u->source == AI_SOURCE_PARTIAL) {

        /* the numbers are those of the beginning: text has come since */

        u->output_tokens = ngx_max(u->output_tokens,
                                   ngx_http_ai_estimate_output(ctx));
        u->classes[AI_CLASS_OUTPUT] = u->output_tokens
                                      - u->classes[AI_CLASS_OUTPUT_AUDIO]
                                      - u->classes[AI_CLASS_OUTPUT_IMAGE];
    }

    /* what is known without the provider counts where somebody priced it */

    if (units[AI_UNIT_REQUESTS] >= 0) {
        u->units[AI_UNIT_REQUESTS] = AI_UNIT_ONE;
    }

    if (units[AI_UNIT_CHARACTERS] >= 0 && ctx->characters) {
        u->units[AI_UNIT_CHARACTERS] = ctx->characters * AI_UNIT_ONE;
    }

    if (units[AI_UNIT_IMAGES] >= 0 && u->units[AI_UNIT_IMAGES] == 0) {
        u->units[AI_UNIT_IMAGES] = (uint64_t) ctx->images * AI_UNIT_ONE;
    }
}


/* whether an answer without numbers was worth something all the same */

static ngx_uint_t
ngx_http_ai_billable(ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t  status;

    switch (ctx->route.ep) {

    case AI_EP_MODERATIONS:
    case AI_EP_MESSAGES_COUNT:
    case AI_EP_COUNT_TOKENS:
        return 0;               /* free of charge */

    default:
        break;
    }

    if (!ctx->answered) {
        return 0;
    }

    status = ctx->request->headers_out.status;

    if (status < NGX_HTTP_OK || status >= NGX_HTTP_SPECIAL_RESPONSE) {
        return ctx->meter && ctx->meter->usage_seen;
    }

    /* an error instead of an answer: nothing was delivered */

    return !ctx->meter || !ctx->meter->failed || ctx->meter->usage_seen
           || ngx_http_ai_shown(ctx->meter);
}


static void
ngx_http_ai_estimate(ngx_http_ai_ctx_t *ctx, ai_usage_t *u)
{
    u->source = AI_SOURCE_ESTIMATED;

    u->input_tokens = ctx->guess[0];
    u->output_tokens = ngx_http_ai_estimate_output(ctx);

    switch (ctx->route.ep) {

    case AI_EP_SPEECH:
        u->input_tokens = (ctx->characters + 3) / 4;
        u->classes[AI_CLASS_OUTPUT_AUDIO] = u->output_tokens;
        break;

    case AI_EP_IMAGES:
        u->classes[AI_CLASS_OUTPUT_IMAGE] = u->output_tokens;
        break;

    case AI_EP_TRANSCRIPTIONS:
    case AI_EP_TRANSLATIONS:

        /* 16 KB of upload a second: 128 kbit/s, the usual rate of speech */

        u->units[AI_UNIT_AUDIO_SECONDS] = (uint64_t) ctx->request_bytes
                                          * AI_UNIT_ONE / 16384;

        /* ten tokens a second, what gpt-4o-transcribe reports */

        u->input_tokens = (uint64_t) ctx->request_bytes / 1638;
        u->classes[AI_CLASS_INPUT_AUDIO] = u->input_tokens;
        u->classes[AI_CLASS_OUTPUT] = u->output_tokens;
        return;

    default:
        u->classes[AI_CLASS_OUTPUT] = u->output_tokens;
    }

    u->classes[AI_CLASS_INPUT] = u->input_tokens;
}


/* output tokens by the text that passed, or by the bytes of an opaque body */

static uint64_t
ngx_http_ai_estimate_output(ngx_http_ai_ctx_t *ctx)
{
    uint64_t    bytes;
    ai_ratio_t  ratio;

    switch (ctx->route.ep) {

    case AI_EP_EMBEDDINGS:
    case AI_EP_EMBED:
    case AI_EP_BATCH_EMBED:
        return 0;

    case AI_EP_SPEECH:

        /* 24 kbit/s and 20 tokens a second: 150 bytes a token */

        return (ctx->response_bytes + 149) / 150;

    case AI_EP_IMAGES:
        return (uint64_t) ctx->images * 1056;   /* one of 1024x1024, medium */

    default:
        break;
    }

    ai_book_ratio_get(ngx_http_ai_mcf(ctx)->zone->book,
                      (ai_str_t *) &ctx->model->sn.str, &ratio);

    bytes = ctx->meter ? ngx_http_ai_shown(ctx->meter)
                       : (uint64_t) ctx->response_bytes;

    return (bytes * 1024 + ratio.out_bytes - 1) / ngx_max(ratio.out_bytes, 1);
}


/* by the prices of the model that served, where it is configured */

static int64_t
ngx_http_ai_cost(ngx_http_ai_ctx_t *ctx, ai_usage_t *u)
{
    int                     tier;
    unsigned                fallback;
    ai_cost_t               sum;
    ngx_uint_t              i;
    ngx_http_ai_model_t    *served;
    const ai_price_line_t  *line;
    static const uint64_t   none[AI_CLASS_N];

    if (u->source == AI_SOURCE_NONE) {
        return 0;
    }

    ngx_memzero(&sum, sizeof(ai_cost_t));

    served = ngx_http_ai_served(ctx);
    tier = ngx_http_ai_tier(ctx);

    if (tier < 0) {
        tier = AI_TIER_STANDARD;
    }

    line = ai_price_pick(&served->price, tier, u->input_tokens,
                         ctx->admitted_s, &fallback);

    if (line
        && ai_cost_add(&sum, &served->price, line,
                       u->top_unpriced ? none : u->classes, u->units)
           != AI_OK)
    {
        return AI_LIMIT_MAX;
    }

    for (i = 0; i < u->nsub; i++) {
        ngx_http_ai_cost_sub(ctx, &sum, served, &u->sub[i], tier);
    }

    return ngx_min(ai_cost_round(&sum), AI_LIMIT_MAX);
}


static void
ngx_http_ai_cost_sub(ngx_http_ai_ctx_t *ctx, ai_cost_t *sum,
    ngx_http_ai_model_t *served, ai_sub_t *sub, ai_tier_t tier)
{
    uint64_t                input;
    unsigned                fallback;
    ngx_str_t               name;
    ngx_uint_t              i;
    ngx_http_ai_model_t    *model;
    const ai_price_line_t  *line;

    model = NULL;

    if (sub->model_len) {
        name.data = sub->model;
        name.len = sub->model_len;
        model = ngx_http_ai_model_find(ngx_http_ai_mcf(ctx), &name);
    }

    if (model == NULL) {
        model = served;
    }

    input = 0;

    for (i = 0; i < AI_CLASS_OUTPUT; i++) {
        input += sub->classes[i];
    }

    line = ai_price_pick(&model->price, tier, input, ctx->admitted_s,
                         &fallback);
    if (line) {
        (void) ai_cost_add(sum, &model->price, line, sub->classes, NULL);
    }
}


/* AI_DECLINED: the provider names one that nobody knows */

static int
ngx_http_ai_tier(ngx_http_ai_ctx_t *ctx)
{
    if (ctx->meter == NULL) {
        return AI_TIER_STANDARD;
    }

    return ai_price_tier(ctx->meter->tier, ctx->meter->tier_len);
}


static ngx_http_ai_model_t *
ngx_http_ai_served(ngx_http_ai_ctx_t *ctx)
{
    ngx_str_t             name;
    ngx_http_ai_model_t  *model;

    if (ctx->meter == NULL || ctx->meter->model_len == 0) {
        return ctx->model;
    }

    name.data = ctx->meter->model;
    name.len = ctx->meter->model_len;

    model = ngx_http_ai_model_find(ngx_http_ai_mcf(ctx), &name);

    return model ? model : ctx->model;
}


static void
ngx_http_ai_run_fill(ai_run_t *run, ai_usage_t *u, int64_t cost)
{
    ngx_memzero(run, sizeof(ai_run_t));

    run->input_tokens = u->input_tokens;
    run->output_tokens = u->output_tokens;
    run->cache_read_tokens = u->cache_read_tokens;
    run->cache_write_tokens = u->cache_write_tokens;
    run->reasoning_tokens = u->reasoning_tokens;
    run->cost_nanos = cost;
    run->source = u->source;
    run->complete = u->complete;

    ngx_memcpy(run->classes, u->classes, sizeof(run->classes));
    ngx_memcpy(run->units, u->units, sizeof(run->units));
}


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

    ctx->status = AI_STATUS_PASSED;
    *reason = AI_REASON_NONE;

    if (!ctx->sent) {
        ctx->status = AI_STATUS_FAILED_GATEWAY;
        return AI_SLOT_REFUSED;
    }

    if (!ctx->answered) {

        if (r->err_status == 0 || r->connection->error) {
            ctx->client_gone = 1;
            *reason = AI_REASON_ABORT;
            return AI_SLOT_INTERRUPTED;
        }

        ctx->status = AI_STATUS_FAILED_UPSTREAM;
        *reason = r->err_status == NGX_HTTP_GATEWAY_TIME_OUT
                  ? AI_REASON_TIMEOUT : AI_REASON_CONNECT;
        return AI_SLOT_FAILED;
    }

    if (status >= NGX_HTTP_INTERNAL_SERVER_ERROR
        || status == NGX_HTTP_TOO_MANY_REQUESTS
        || status == NGX_HTTP_REQUEST_TIME_OUT
        || status == NGX_HTTP_CONFLICT)
    {
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

    if (ctx->sent) {
        ai_slot_string(s, AI_SLOT_ATTEMPT_PROVIDER,
                       (ai_str_t *) &ctx->target->provider->name);
        ai_slot_string(s, AI_SLOT_ATTEMPT_PROVIDER + 1,
                       (ai_str_t *) &ctx->target->model);

        s->attempts[0].status = ctx->answered ? r->headers_out.status : 0;
        s->attempts[0].reason = reason;
        s->attempts[0].ms = s->duration_ms;
        s->nattempts = 1;
        ctx->nattempts = 1;
    }

    if (ctx->sent) {
        ngx_http_ai_tally(ctx, reason);
    }

    ai_slot_end(s, state);
}


static void
ngx_http_ai_tally(ngx_http_ai_ctx_t *ctx, ai_reason_t reason)
{
    ngx_uint_t                provider;
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_http_ai_mcf(ctx);
    provider = ctx->target->provider->index;

    ngx_ai_tally_done(mcf->tally, provider,
                      ngx_ai_ledger_worker(mcf->ledger_open), reason,
                      ctx->answered ? ctx->request->headers_out.status : 0);

    ngx_ai_tally_used(mcf->tally, provider, ctx->usage->input_tokens,
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
    ngx_http_ai_model_t     *served;
    ngx_http_ai_provider_t  *provider;

    u = ctx->usage;
    served = ngx_http_ai_served(ctx);
    provider = ctx->target->provider;
    alarms = u->odd ? 1 << NGX_AI_ALARM_ODD : 0;

    /* estimates are ours: they report nothing */

    for (i = 0; i < AI_UNIT_N && u->source != AI_SOURCE_ESTIMATED; i++) {
        if (u->units[i] && served->price.units[i] < 0) {
            alarms |= 1 << NGX_AI_ALARM_UNIT;
        }
    }

    tier = ngx_http_ai_tier(ctx);

    if (tier != AI_TIER_STANDARD) {
        fallback = 1;

        if (tier > 0) {
            (void) ai_price_pick(&served->price, tier, u->input_tokens,
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
