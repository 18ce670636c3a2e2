
/*
 * Places in the gates of a target and of its provider.
 */


#include "ngx_http_ai_gate_int.h"


static ngx_http_ai_gate_t *ngx_http_ai_gate_get(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_gate_asks(ngx_http_ai_plan_t *plan,
    ai_gate_ask_t *ask);
static uint64_t ngx_http_ai_gate_hash(ngx_str_t *name);
static void ngx_http_ai_gate_plan(ngx_ai_routing_t *rt,
    ngx_http_ai_plan_t *plan, ngx_http_ai_model_t *m);


ngx_int_t
ngx_http_ai_gate_take(ngx_http_ai_ctx_t *ctx, ngx_http_ai_target_t *target)
{
    int                  rc;
    ngx_ai_routing_t    *rt;
    ngx_http_ai_gate_t  *gt;

    if (ctx->gate && ctx->gate->target != target) {
        ngx_http_ai_gate_free(ctx);
    }

    if (target->gate == AI_GATE_NONE
        && target->provider->gate == AI_GATE_NONE)
    {
        return NGX_OK;
    }

    gt = ngx_http_ai_gate_get(ctx);
    if (gt == NULL) {
        return NGX_BUSY;
    }

    gt->target = target;

    rt = ngx_http_ai_mcf(ctx)->routing;

    ngx_ai_routing_lock(rt);

    rc = ngx_http_ai_gate_try(rt, gt);

    if (rc != AI_OK) {
        ngx_http_ai_gate_drop(rt, gt);
    }

    ngx_ai_routing_unlock(rt);

    return rc == AI_OK ? NGX_OK : NGX_BUSY;
}


static ngx_http_ai_gate_t *
ngx_http_ai_gate_get(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_gate_t    *gt;
    ngx_http_ai_plan_t    *plan;
    ngx_http_ai_tenant_t  *tenant;

    gt = ctx->gate;

    if (gt) {
        return gt;
    }

    gt = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_ai_gate_t));
    if (gt == NULL) {
        return NULL;
    }

    tenant = ctx->key->tenant;
    plan = tenant->plan;

    gt->ctx = ctx;
    gt->waiter = AI_GATE_NONE;

    ngx_http_ai_gate_asks(plan, &gt->ask);

    gt->ask.tenant = ngx_http_ai_gate_hash(&tenant->sn.str);
    gt->ask.worker = (uint32_t)
                  ngx_ai_ledger_worker(ngx_http_ai_mcf(ctx)->ledger_open);

    ctx->gate = gt;

    return gt;
}


static void
ngx_http_ai_gate_asks(ngx_http_ai_plan_t *plan, ai_gate_ask_t *ask)
{
    ngx_memzero(ask, sizeof(ai_gate_ask_t));

    ask->plan = ngx_http_ai_gate_hash(&plan->sn.str);
    ask->priority = plan->priority;
    ask->share = (uint32_t) plan->share;
}


static uint64_t
ngx_http_ai_gate_hash(ngx_str_t *name)
{
    return (uint64_t) ngx_murmur_hash2(name->data, name->len) << 32
           | ngx_crc32_short(name->data, name->len);
}


int
ngx_http_ai_gate_try(ngx_ai_routing_t *rt, ngx_http_ai_gate_t *gt)
{
    int         rc;
    uint32_t    gate;
    ngx_uint_t  i;

    for (i = NGX_HTTP_AI_GATE_TARGET; i <= NGX_HTTP_AI_GATE_PROVIDER; i++) {
        gate = ngx_http_ai_gate_of(gt->target, i);

        if (gate == AI_GATE_NONE || (gt->has & 1 << i)) {
            continue;
        }

        rc = ai_gate_take(rt->gates, gate, &gt->ask, ngx_current_msec,
                          &gt->tickets[i]);
        if (rc != AI_OK) {
            gt->which = i;
            return rc;
        }

        gt->has |= 1 << i;
    }

    return AI_OK;
}


void
ngx_http_ai_gate_drop(ngx_ai_routing_t *rt, ngx_http_ai_gate_t *gt)
{
    ngx_uint_t  i;

    for (i = NGX_HTTP_AI_GATE_TARGET; i <= NGX_HTTP_AI_GATE_PROVIDER; i++) {
        if (gt->has & 1 << i) {
            ai_gate_free(rt->gates, &gt->tickets[i], ngx_current_msec);
        }
    }

    gt->has = 0;
}


void
ngx_http_ai_gate_free(ngx_http_ai_ctx_t *ctx)
{
    ngx_ai_routing_t    *rt;
    ngx_http_ai_gate_t  *gt;

    gt = ctx->gate;

    if (gt == NULL) {
        return;
    }

    if (gt->waiting) {
        ngx_http_ai_gate_waited(gt);
    }

    if (gt->has == 0 && gt->waiter == AI_GATE_NONE) {
        return;
    }

    rt = ngx_http_ai_mcf(ctx)->routing;

    ngx_ai_routing_lock(rt);

    if (gt->waiter != AI_GATE_NONE) {
        ai_gate_leave(rt->gates, gt->waiter, &gt->ask, ngx_current_msec);
        gt->waiter = AI_GATE_NONE;
    }

    ngx_http_ai_gate_drop(rt, gt);

    ngx_ai_routing_unlock(rt);

    ngx_http_ai_gate_wake();
}


/* a plan's is kept for it wherever its requests may go */

void
ngx_http_ai_gate_plans(ngx_ai_routing_t *rt, ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t             i;
    ngx_rbtree_node_t     *node;
    ngx_http_ai_plan_t    *plan;
    ngx_http_ai_model_t  **m;

    if (mcf->plan_tree.root == mcf->plan_tree.sentinel) {
        return;
    }

    m = mcf->models.elts;

    for (node = ngx_rbtree_min(mcf->plan_tree.root, mcf->plan_tree.sentinel);
         node;
         node = ngx_rbtree_next(&mcf->plan_tree, node))
    {
        plan = (ngx_http_ai_plan_t *) node;

        if (plan->priority != AI_GATE_DEDICATED) {
            continue;
        }

        for (i = 0; i < mcf->models.nelts; i++) {
            ngx_http_ai_gate_plan(rt, plan, m[i]);
        }
    }
}


static void
ngx_http_ai_gate_plan(ngx_ai_routing_t *rt, ngx_http_ai_plan_t *plan,
    ngx_http_ai_model_t *m)
{
    ngx_uint_t             i;
    ai_gate_ask_t          ask;
    ngx_http_ai_key_t      any;
    ngx_http_ai_tenant_t   tenant;
    ngx_http_ai_target_t  *t;

    ngx_memzero(&any, sizeof(ngx_http_ai_key_t));
    any.tenant = &tenant;
    tenant.plan = plan;

    if (!ngx_http_ai_model_allowed(&any, &m->sn.str)) {
        return;
    }

    ngx_http_ai_gate_asks(plan, &ask);

    t = m->targets.elts;

    for (i = 0; i < m->targets.nelts; i++) {
        ai_gate_plan(rt->gates, t[i].gate, &ask, ngx_current_msec);
        ai_gate_plan(rt->gates, t[i].provider->gate, &ask, ngx_current_msec);
    }
}
