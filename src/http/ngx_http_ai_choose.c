
/*
 * The candidates of a request: rules, canaries, weights, then what the model
 * prefers, then its fallbacks.
 *
 * Weights and latencies are aligned words of the board, read without its lock:
 * one that is changed at the same moment counts from this request on or from
 * the next one.
 */


#include "ngx_http_ai_choose.h"


static uint32_t ngx_http_ai_choose_weight(ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_target_t *t);
static ngx_int_t ngx_http_ai_choose_make(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);
static void ngx_http_ai_choose_pool(ngx_http_ai_model_t *m,
    ngx_http_ai_rule_t *rule, ngx_http_ai_order_t *pool);
static ngx_int_t ngx_http_ai_choose_name(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, uint64_t *hash);
static void ngx_http_ai_choose_weighted(ngx_http_ai_admission_t *ad,
    ngx_http_ai_order_t *pool, uint64_t hash, ngx_http_ai_order_t *order);
static ngx_int_t ngx_http_ai_choose_list(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_order_t *order);


ngx_int_t
ngx_http_ai_choose(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    ngx_int_t             rc;
    ngx_http_ai_model_t  *m;

    m = ctx->model;

    if (m->ready && ngx_http_ai_choose_weight(ad->mcf, m->ready->target)) {
        ctx->candidates = m->ready;
        ctx->ncandidates = m->targets.nelts;

    } else {
        rc = ngx_http_ai_choose_make(r, ctx, ad);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    rc = ngx_http_ai_fit(r, ctx, ad);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->target = ctx->candidates->target;

    return NGX_OK;
}


/* as it is at run time */

static uint32_t
ngx_http_ai_choose_weight(ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_target_t *t)
{
    if (mcf->routing == NULL || mcf->routing->board == NULL
        || t->place == AI_BOARD_NONE)
    {
        return (uint32_t) t->weight;
    }

    return ai_board_weight(mcf->routing->board, t->place);
}


static ngx_int_t
ngx_http_ai_choose_make(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    uint64_t              hash;
    ngx_uint_t            canary;
    ngx_http_ai_rule_t   *rule;
    ngx_http_ai_order_t   pool, order;

    rule = ctx->model->rules ? ngx_http_ai_rule_find(r, ctx, ad) : NULL;

    ngx_http_ai_choose_pool(ctx->model, rule, &pool);

    if (rule && pool.n == 1) {

        /* named alone: whatever its weight is, or its percent */

        return ngx_http_ai_choose_list(r, ctx, &pool);
    }

    if (ngx_http_ai_choose_name(r, ctx, &hash) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_ai_choose_weighted(ad, &pool, hash, &order);

    if (rule) {
        order.chosen = AI_CHOSEN_RULE;

        return ngx_http_ai_choose_list(r, ctx, order.n ? &order : &pool);
    }

    canary = (order.n && order.targets[0]->canary);
    order.chosen = canary ? AI_CHOSEN_CANARY
                          : pool.n == 1 ? AI_CHOSEN_ONLY : AI_CHOSEN_WEIGHT;

    if (ctx->model->prefer != NGX_HTTP_AI_PREFER_WEIGHT
        && order.n > canary + 1)
    {
        ngx_http_ai_prefer(ctx, ad, &order, canary);
    }

    return ngx_http_ai_choose_list(r, ctx, &order);
}


/* what is chosen among: the rule's targets, or all but the fallbacks */

static void
ngx_http_ai_choose_pool(ngx_http_ai_model_t *m, ngx_http_ai_rule_t *rule,
    ngx_http_ai_order_t *pool)
{
    ngx_uint_t             i, n, *place;
    ngx_http_ai_target_t  *t;

    t = m->targets.elts;
    place = rule ? rule->targets.elts : NULL;
    n = rule ? rule->targets.nelts : m->targets.nelts;

    for (i = 0; i < n; i++) {

        if (rule == NULL && t[i].fallback) {
            break;
        }

        pool->targets[i] = rule ? &t[place[i]] : &t[i];
    }

    pool->n = i;
    pool->chosen = AI_CHOSEN_RULE;
}


/* by tenant, or by what "sticky" makes of the request; each model has canaries
   of its own */

static ngx_int_t
ngx_http_ai_choose_name(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    uint64_t *hash)
{
    ngx_str_t             name;
    ngx_http_ai_model_t  *m;

    m = ctx->model;
    name.len = 0;

    if (m->sticky && ngx_http_complex_value(r, m->sticky, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    if (name.len == 0) {
        name = ctx->key->tenant->sn.str;
    }

    *hash = ai_choose_hash(m->salt, name.data, name.len);

    return NGX_OK;
}


static void
ngx_http_ai_choose_weighted(ngx_http_ai_admission_t *ad,
    ngx_http_ai_order_t *pool, uint64_t hash, ngx_http_ai_order_t *order)
{
    uint8_t       place[AI_CHOOSE_MAX];
    ngx_uint_t    i;
    ai_choice_t   c[AI_CHOOSE_MAX];

    for (i = 0; i < pool->n; i++) {
        c[i].salt = pool->targets[i]->salt;
        c[i].weight = ngx_http_ai_choose_weight(ad->mcf, pool->targets[i]);
        c[i].canary = pool->targets[i]->canary;
    }

    order->n = ai_choose_order(c, (unsigned) pool->n, hash, place);

    for (i = 0; i < order->n; i++) {
        order->targets[i] = pool->targets[place[i]];
    }
}


/* the order and the fallbacks behind it, as candidates */

static ngx_int_t
ngx_http_ai_choose_list(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_order_t *order)
{
    ngx_uint_t                i, k, n;
    ngx_http_ai_model_t      *m;
    ngx_http_ai_target_t     *t;
    ngx_http_ai_candidate_t  *c;

    m = ctx->model;
    t = m->targets.elts;

    for (n = 0; n < m->targets.nelts; n++) {
        if (t[m->targets.nelts - 1 - n].fallback == 0) {
            break;
        }
    }

    c = ngx_palloc(r->pool, (order->n + n) * sizeof(ngx_http_ai_candidate_t));
    if (c == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < order->n; i++) {
        c[i].target = order->targets[i];
        c[i].chosen = i ? AI_CHOSEN_NEXT : order->chosen;
    }

    ctx->candidates = c;
    c += i;

    for (k = m->targets.nelts - n; k < m->targets.nelts; k++) {

        /* a rule may have named it */

        for (i = 0; i < order->n; i++) {
            if (order->targets[i] == &t[k]) {
                break;
            }
        }

        if (i == order->n) {
            c->target = &t[k];
            c->chosen = AI_CHOSEN_FALLBACK;
            c++;
        }
    }

    ctx->ncandidates = c - ctx->candidates;

    return NGX_OK;
}
