
/*
 * prefer cost, prefer latency: targets in the order of what is known of them.
 */


#include "ngx_http_ai_choose.h"


static void ngx_http_ai_prefer_sort(ngx_http_ai_order_t *order,
    ngx_uint_t first, uint64_t *by);
static void ngx_http_ai_prefer_cost(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ngx_http_ai_order_t *order,
    ngx_uint_t first);
static void ngx_http_ai_prefer_latency(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ngx_http_ai_order_t *order,
    ngx_uint_t first);


/*
 * One request in so many goes by weight, first to a target whose latency is
 * not known: the figures of those that are not preferred stay fresh, and one
 * that was slow once is found out when it is fast again.
 */
#define NGX_HTTP_AI_PREFER_LOOK  16


/* targets come in ordered by weight, and stay so where they are equal */

void
ngx_http_ai_prefer(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    ngx_http_ai_order_t *order, ngx_uint_t first)
{
    if (ctx->model->prefer == NGX_HTTP_AI_PREFER_COST) {
        ngx_http_ai_prefer_cost(ctx, ad, order, first);

    } else {
        ngx_http_ai_prefer_latency(ctx, ad, order, first);
    }
}


static void
ngx_http_ai_prefer_sort(ngx_http_ai_order_t *order, ngx_uint_t first,
    uint64_t *by)
{
    uint64_t               value;
    ngx_uint_t             i, k;
    ngx_http_ai_target_t  *t;

    for (i = first + 1; i < order->n; i++) {
        t = order->targets[i];
        value = by[i];

        for (k = i; k > first && by[k - 1] > value; k--) {
            order->targets[k] = order->targets[k - 1];
            by[k] = by[k - 1];
        }

        order->targets[k] = t;
        by[k] = value;
    }
}


static void
ngx_http_ai_prefer_cost(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    ngx_http_ai_order_t *order, ngx_uint_t first)
{
    uint64_t    cost[AI_CHOOSE_MAX];
    ngx_uint_t  i;

    ngx_http_ai_guess(ctx, ad);

    for (i = first; i < order->n; i++) {
        cost[i] = (uint64_t) ngx_http_ai_likely_cost(ctx, order->targets[i]);
    }

    ngx_http_ai_prefer_sort(order, first, cost);

    if (first == 0) {
        order->chosen = AI_CHOSEN_COST;
    }
}


/* those within a tenth of the fastest are as fast: weights spread them */

static void
ngx_http_ai_prefer_latency(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ngx_http_ai_order_t *order, ngx_uint_t first)
{
    uint64_t               ms[AI_CHOOSE_MAX], best;
    ngx_uint_t             i, look;
    ngx_ai_routing_t      *rt;
    ngx_http_ai_target_t  *t;

    rt = ad->mcf->routing;
    best = UINT64_MAX;

    for (i = first; i < order->n; i++) {
        t = order->targets[i];
        ms[i] = 0;

        if (rt && rt->board && t->place != AI_BOARD_NONE) {
            ms[i] = ai_board_latency(rt->board, t->place);
        }

        if (ms[i] && ms[i] < best) {
            best = ms[i];
        }
    }

    if (best == UINT64_MAX) {
        return;                 /* nothing is known */
    }

    /* the last bytes of an id are random */

    look = (ctx->uuid[15] % NGX_HTTP_AI_PREFER_LOOK == 0);

    for (i = first; i < order->n; i++) {

        if (look) {
            ms[i] = (ms[i] != 0);

        } else if (ms[i] == 0) {
            ms[i] = UINT64_MAX;

        } else if (ms[i] <= best + best / 10) {
            ms[i] = best;
        }
    }

    ngx_http_ai_prefer_sort(order, first, ms);

    if (first == 0 && !look) {
        order->chosen = AI_CHOSEN_LATENCY;
    }
}


int64_t
ngx_http_ai_likely_cost(ngx_http_ai_ctx_t *ctx, ngx_http_ai_target_t *t)
{
    unsigned                fallback;
    ai_cost_t               sum;
    uint64_t                classes[AI_CLASS_N], units[AI_UNIT_N];
    const ai_price_t       *price;
    const ai_price_line_t  *line;

    switch (ctx->route.ep) {

    case AI_EP_MODERATIONS:
    case AI_EP_MESSAGES_COUNT:
    case AI_EP_COUNT_TOKENS:
        return 0;               /* free of charge */

    default:
        break;
    }

    price = t->priced ? ngx_http_ai_price(ctx, t->priced) : NULL;

    if (price == NULL) {
        price = ctx->price;
    }

    line = ai_price_pick(price, AI_TIER_STANDARD, ctx->guess[0],
                         (uint64_t) ngx_time(), &fallback);
    if (line == NULL) {
        return AI_LIMIT_MAX;
    }

    ngx_memzero(&sum, sizeof(ai_cost_t));
    ngx_memzero(classes, sizeof(classes));
    ngx_memzero(units, sizeof(units));

    classes[AI_CLASS_INPUT] = ctx->guess[0];
    classes[AI_CLASS_OUTPUT] = ctx->guess[1];

    units[AI_UNIT_REQUESTS] = AI_UNIT_ONE;
    units[AI_UNIT_IMAGES] = (uint64_t) ctx->images * AI_UNIT_ONE;
    units[AI_UNIT_CHARACTERS] = ctx->characters * AI_UNIT_ONE;

    if (ai_cost_add(&sum, price, line, classes, units) != AI_OK) {
        return AI_LIMIT_MAX;
    }

    return ngx_min(ai_cost_round(&sum), AI_LIMIT_MAX);
}
