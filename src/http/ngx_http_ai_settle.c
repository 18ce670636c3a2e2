
/*
 * The truth ends the hold: the slot first, then the book.
 */


#include "ngx_http_ai_settle.h"
#include "ngx_http_ai_wait.h"


static void ngx_http_ai_learn(ngx_http_ai_ctx_t *ctx, ai_usage_t *u);
static void ngx_http_ai_run_fill(ai_run_t *run, ai_usage_t *u, int64_t cost);


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

    used[AI_RES_REQUESTS] = ctx->sent || ctx->hit;
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

    ngx_http_ai_queue_wake(&ctx->key->tenant->owner);

    if (ctx->key->limits) {
        ngx_http_ai_queue_wake(&ctx->key->owner);
    }
}


/* what the model's tokens are worth in bytes; under the zone's lock */

static void
ngx_http_ai_learn(ngx_http_ai_ctx_t *ctx, ai_usage_t *u)
{
    uint64_t     bytes;
    ai_meter_t  *m;

    /* the same answer again teaches nothing */

    if (u->source != AI_SOURCE_FINAL || u->input_tokens == 0 || u->odd
        || ctx->hit)
    {
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
