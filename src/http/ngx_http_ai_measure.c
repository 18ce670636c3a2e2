
/*
 * What an answer used: the provider's numbers, or estimates in their place.
 */


#include "ngx_http_ai_settle.h"


static ngx_uint_t ngx_http_ai_billable(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_estimate(ngx_http_ai_ctx_t *ctx, ai_usage_t *u);
static uint64_t ngx_http_ai_estimate_output(ngx_http_ai_ctx_t *ctx);


/* the provider's numbers, or estimates in their place */

void
ngx_http_ai_measure(ngx_http_ai_ctx_t *ctx, ai_usage_t *u)
{
    const int64_t  *units;

    ctx->served = ngx_http_ai_served(ctx);

    if (ctx->meter) {
        ai_meter_usage(ctx->meter, u);

    } else {
        ngx_memzero(u, sizeof(ai_usage_t));
        u->provider_nanos = -1;
        u->complete = ctx->last_seen;
    }

    if (!ngx_http_ai_billable(ctx)) {
        return;
    }

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

    units = ctx->served->units;

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
