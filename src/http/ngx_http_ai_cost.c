
/*
 * What an answer costs, by the prices of the model that served it.
 */


#include "ngx_http_ai_settle.h"


static void ngx_http_ai_cost_sub(ngx_http_ai_ctx_t *ctx, ai_cost_t *sum,
    const ai_price_t *served, ai_sub_t *sub, ai_tier_t tier);


int64_t
ngx_http_ai_cost(ngx_http_ai_ctx_t *ctx, ai_usage_t *u)
{
    int                     tier;
    unsigned                fallback;
    ai_cost_t               sum;
    ngx_uint_t              i;
    const ai_price_t       *served;
    const ai_price_line_t  *line;
    static const uint64_t   none[AI_CLASS_N];

    served = ctx->served;

    if (u->source == AI_SOURCE_NONE) {
        return 0;
    }

    ngx_memzero(&sum, sizeof(ai_cost_t));

    tier = ngx_http_ai_tier(ctx);

    if (tier < 0) {
        tier = AI_TIER_STANDARD;
    }

    line = ai_price_pick(served, tier, u->input_tokens, ctx->admitted_s,
                         &fallback);

    if (line
        && ai_cost_add(&sum, served, line,
                       u->top_unpriced ? none : u->classes, u->units)
           != AI_OK)
    {
        return AI_LIMIT_MAX;
    }

    for (i = 0; i < u->nsub; i++) {
        ngx_http_ai_cost_sub(ctx, &sum, served, &u->sub[i], tier);
    }

    if (ctx->hit) {
        return ngx_min(ai_cost_part(&sum,
                                    ctx->key->tenant->plan->cache_price),
                       AI_LIMIT_MAX);
    }

    return ngx_min(ai_cost_round(&sum), AI_LIMIT_MAX);
}


static void
ngx_http_ai_cost_sub(ngx_http_ai_ctx_t *ctx, ai_cost_t *sum,
    const ai_price_t *served, ai_sub_t *sub, ai_tier_t tier)
{
    uint64_t                input;
    unsigned                fallback;
    ngx_str_t               name;
    ngx_uint_t              i;
    const ai_price_t       *price;
    ngx_http_ai_model_t    *model;
    const ai_price_line_t  *line;

    price = NULL;

    if (sub->model_len) {
        name.data = sub->model;
        name.len = sub->model_len;
        model = ngx_http_ai_model_find(ngx_http_ai_mcf(ctx), &name);
        price = model ? ngx_http_ai_price(ctx, model) : NULL;
    }

    if (price == NULL) {
        price = served;
    }

    input = 0;

    for (i = 0; i < AI_CLASS_OUTPUT; i++) {
        input += sub->classes[i];
    }

    line = ai_price_pick(price, tier, input, ctx->admitted_s, &fallback);

    if (line) {
        (void) ai_cost_add(sum, price, line, sub->classes, NULL);
    }
}


/* AI_DECLINED: the provider names one that nobody knows */

int
ngx_http_ai_tier(ngx_http_ai_ctx_t *ctx)
{
    if (ctx->meter == NULL) {
        return AI_TIER_STANDARD;
    }

    return ai_price_tier(ctx->meter->tier, ctx->meter->tier_len);
}


const ai_price_t *
ngx_http_ai_served(ngx_http_ai_ctx_t *ctx)
{
    ngx_str_t             name;
    const ai_price_t     *price;
    ngx_http_ai_model_t  *model;

    price = NULL;

    if (ctx->meter && ctx->meter->model_len) {
        name.data = ctx->meter->model;
        name.len = ctx->meter->model_len;

        model = ngx_http_ai_model_find(ngx_http_ai_mcf(ctx), &name);
        price = model ? ngx_http_ai_price(ctx, model) : NULL;
    }

    if (price == NULL && ctx->target && ctx->target->priced) {
        price = ngx_http_ai_price(ctx, ctx->target->priced);
    }

    return price ? price : ctx->price;
}
