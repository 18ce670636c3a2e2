
/*
 * References between blocks, which may stand in any order; resolved when all
 * of them have been read.
 */


#include "ngx_http_ai_cache.h"
#include "ngx_http_ai_choose.h"


static ngx_int_t ngx_http_ai_resolve_postgres(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);
static ngx_int_t ngx_http_ai_resolve_providers(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);
static ngx_int_t ngx_http_ai_resolve_models(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);
static ngx_int_t ngx_http_ai_resolve_aliases(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);
static ngx_int_t ngx_http_ai_resolve_choices(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);
static ngx_int_t ngx_http_ai_resolve_plans(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);
static ngx_int_t ngx_http_ai_resolve_tenants(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);
static ngx_int_t ngx_http_ai_resolve_keys(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);
static ngx_int_t ngx_http_ai_resolve_key(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_key_t *key);
static ngx_int_t ngx_http_ai_resolve_hash(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);
static void ngx_http_ai_resolve_slots(ngx_http_ai_plan_t *plan,
    ngx_array_t *limits);
static void ngx_http_ai_resolve_queues(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);


ngx_int_t
ngx_http_ai_conf_resolve(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    if (ngx_http_ai_resolve_providers(cf, mcf) != NGX_OK
        || ngx_http_ai_resolve_models(cf, mcf) != NGX_OK
        || ngx_http_ai_resolve_aliases(cf, mcf) != NGX_OK
        || ngx_http_ai_resolve_choices(cf, mcf) != NGX_OK
        || ngx_http_ai_resolve_plans(cf, mcf) != NGX_OK
        || ngx_http_ai_resolve_tenants(cf, mcf) != NGX_OK
        || ngx_http_ai_resolve_keys(cf, mcf) != NGX_OK
        || ngx_http_ai_conf_locations(cf, mcf) != NGX_OK
        || ngx_http_ai_conf_postgres(cf, mcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_ai_resolve_queues(cf, mcf);

    if (!mcf->enabled) {
        return NGX_OK;
    }

    mcf->ledger.parties = ngx_http_ai_parties;
    mcf->ledger.data = mcf;

    mcf->zone = ngx_ai_zone_add(cf, &mcf->zone_name, mcf->zone_size,
                                &ngx_http_ai_tenant_module);

    if (mcf->zone == NULL) {
        return NGX_ERROR;
    }

    return mcf->postgres ? ngx_http_ai_resolve_postgres(cf, mcf) : NGX_OK;
}


static ngx_int_t
ngx_http_ai_resolve_postgres(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    mcf->directory = ngx_ai_directory_add(cf, &mcf->zone_name,
                                          mcf->postgres->directory,
                                          &ngx_http_ai_tenant_module);
    if (mcf->directory == NULL) {
        return NGX_ERROR;
    }

    mcf->ledger.database = 1;
    mcf->ledger.save = ngx_ai_directory_save;
    mcf->ledger.directory = mcf->directory;

    return ngx_http_ai_register_text(cf->pool, mcf, &mcf->registered);
}


/* $ai_pass finds its group by name alone: an upstream{} without a port */

static ngx_int_t
ngx_http_ai_resolve_providers(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t                       i, n;
    ngx_http_ai_provider_t         **p;
    ngx_http_upstream_srv_conf_t   **uscf;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);

    uscf = umcf->upstreams.elts;
    p = mcf->providers.elts;

    for (i = 0; i < mcf->providers.nelts; i++) {

        for (n = 0; n < umcf->upstreams.nelts; n++) {

            if ((uscf[n]->flags & NGX_HTTP_UPSTREAM_CREATE)
                && uscf[n]->host.len == p[i]->upstream.len
                && ngx_strncasecmp(uscf[n]->host.data, p[i]->upstream.data,
                                   p[i]->upstream.len)
                   == 0)
            {
                break;
            }
        }

        if (n == umcf->upstreams.nelts) {
            ngx_http_ai_conf_error(cf, p[i]->file, p[i]->line,
                                   "no upstream \"%V\" for ai_provider "
                                   "\"%V\"", &p[i]->upstream, &p[i]->name);
            return NGX_ERROR;
        }

        p[i]->group = uscf[n];
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_resolve_models(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t             i, n;
    ngx_http_ai_model_t  **m;
    ngx_http_ai_target_t  *t;

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {

        if (m[i]->tasks) {
            continue;               /* a virtual one has none */
        }

        if (m[i]->price.nlines == 0 && mcf->postgres == NULL) {
            ngx_http_ai_conf_error(cf, m[i]->file, m[i]->line,
                                   "\"price\" is missing in ai_model \"%V\"",
                                   &m[i]->sn.str);
            return NGX_ERROR;
        }

        t = m[i]->targets.elts;

        for (n = 0; n < m[i]->targets.nelts; n++) {

            t[n].provider = ngx_http_ai_provider_find(mcf,
                                                      &t[n].provider_name);
            if (t[n].provider) {
                continue;
            }

            ngx_http_ai_conf_error(cf, m[i]->file, m[i]->line,
                                   "no ai_provider \"%V\" for %s of ai_model "
                                   "\"%V\"", &t[n].provider_name,
                                   t[n].fallback ? "fallback" : "target",
                                   &m[i]->sn.str);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_resolve_aliases(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_rbtree_node_t    *node;
    ngx_http_ai_alias_t  *alias;

    if (mcf->alias_tree.root == &mcf->sentinel) {
        return NGX_OK;
    }

    for (node = ngx_rbtree_min(mcf->alias_tree.root, &mcf->sentinel);
         node;
         node = ngx_rbtree_next(&mcf->alias_tree, node))
    {
        alias = (ngx_http_ai_alias_t *) node;

        if (ngx_http_ai_tree_find(&mcf->model_tree, &alias->sn.str)) {
            ngx_http_ai_conf_error(cf, alias->file, alias->line,
                                   "ai_alias \"%V\" has the name of an "
                                   "ai_model", &alias->sn.str);
            return NGX_ERROR;
        }

        alias->model = ngx_http_ai_tree_find(&mcf->model_tree,
                                             &alias->model_name);
        if (alias->model == NULL) {
            ngx_http_ai_conf_error(cf, alias->file, alias->line,
                                   "no ai_model \"%V\" for ai_alias \"%V\"",
                                   &alias->model_name, &alias->sn.str);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_resolve_choices(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t             i;
    ngx_http_ai_model_t  **m;

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        if (ngx_http_ai_choose_resolve(cf, mcf, m[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_resolve_plans(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_rbtree_node_t   *node;
    ngx_http_ai_plan_t  *plan;

    if (mcf->plan_tree.root == &mcf->sentinel) {
        return NGX_OK;
    }

    for (node = ngx_rbtree_min(mcf->plan_tree.root, &mcf->sentinel);
         node;
         node = ngx_rbtree_next(&mcf->plan_tree, node))
    {
        plan = (ngx_http_ai_plan_t *) node;

        ngx_http_ai_resolve_patterns(mcf, &plan->models);

        if (ngx_http_ai_conf_cache_plan(cf, mcf, plan) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_http_ai_resolve_patterns(ngx_http_ai_main_conf_t *mcf,
    ngx_array_t *models)
{
    ngx_str_t            *name;
    ngx_uint_t            i;
    ngx_http_ai_alias_t  *alias;

    name = models->elts;

    for (i = 0; i < models->nelts; i++) {

        alias = ngx_http_ai_tree_find(&mcf->alias_tree, &name[i]);

        if (alias) {
            name[i] = alias->model->sn.str;
        }
    }
}


static ngx_int_t
ngx_http_ai_resolve_tenants(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ai_str_t                name;
    ngx_uint_t              i;
    ngx_http_ai_tenant_t   *t, **tenants;

    tenants = mcf->tenants.elts;

    for (i = 0; i < mcf->tenants.nelts; i++) {
        t = tenants[i];

        t->plan = ngx_http_ai_tree_find(&mcf->plan_tree, &t->plan_name);

        if (t->plan == NULL) {
            ngx_http_ai_conf_error(cf, t->file, t->line,
                                   "no ai_plan \"%V\" for ai_tenant \"%V\"",
                                   &t->plan_name, &t->sn.str);
            return NGX_ERROR;
        }

        if (ngx_http_ai_conf_limit_merge(cf->pool, &t->plan->limits, t->own,
                                         &t->limits)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (t->limits == NULL) {
            t->limits = &t->plan->limits;
        }

        t->refuse_unbounded = (t->plan->unbounded == 2);
        ngx_http_ai_tenant_budget(t, t->limits);

        if (t->plan->queue) {
            ngx_http_ai_resolve_slots(t->plan, t->limits);
        }

        name.len = t->sn.str.len;
        name.data = t->sn.str.data;

        ai_owner_id(&t->owner, &name, NULL);
    }

    return NGX_OK;
}


void
ngx_http_ai_tenant_budget(ngx_http_ai_tenant_t *t, ngx_array_t *limits)
{
    ai_limit_t  *l;
    ngx_uint_t   i;

    l = limits->elts;

    for (i = 0; i < limits->nelts; i++) {

        if (l[i].resource == AI_RES_COST) {
            t->budget = 1;

            if (t->plan->unbounded == 0) {
                t->refuse_unbounded = 1;
            }
        }
    }
}


static ngx_int_t
ngx_http_ai_resolve_keys(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t          i;
    ngx_http_ai_key_t  *key;

    key = mcf->keys.elts;

    for (i = 0; i < mcf->keys.nelts; i++) {
        if (ngx_http_ai_resolve_key(cf, mcf, &key[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_ai_resolve_hash(cf, mcf);
}


static ngx_int_t
ngx_http_ai_resolve_key(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_key_t *key)
{
    ai_str_t               name, tenant;
    ngx_http_ai_tenant_t  *t;

    t = key->tenant;

    if (t->keys == NULL) {
        t->keys = key;
    }

    if (key->models) {
        ngx_http_ai_resolve_patterns(mcf, key->models);
    }

    if (ngx_http_ai_conf_limit_merge(cf->pool, &t->plan->key_limits,
                                     key->limits, &key->limits)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (key->limits == NULL) {
        return NGX_OK;
    }

    ngx_http_ai_tenant_budget(t, key->limits);
    ngx_http_ai_resolve_slots(t->plan, key->limits);

    tenant.len = t->sn.str.len;
    tenant.data = t->sn.str.data;
    name.len = key->name.len;
    name.data = key->name.data;

    ai_owner_id(&key->owner, &tenant, &name);

    return NGX_OK;
}


/* an open hash of twice as many places, so that a look-up is short */

static ngx_int_t
ngx_http_ai_resolve_hash(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    u_char                  hex[8];
    ngx_uint_t              i, n, size;
    ngx_http_ai_key_t      *key, *same;
    ngx_http_ai_tenant_t   *t;

    for (size = 4; size < 2 * mcf->keys.nelts; size *= 2) { /* void */ }

    mcf->key_mask = size - 1;
    mcf->key_hash = ngx_pcalloc(cf->pool, size * sizeof(ngx_http_ai_key_t *));
    if (mcf->key_hash == NULL) {
        return NGX_ERROR;
    }

    key = mcf->keys.elts;

    for (i = 0; i < mcf->keys.nelts; i++) {

        same = ngx_http_ai_key_find(mcf, key[i].digest);

        if (same) {
            t = key[i].tenant;
            ngx_hex_dump(hex, key[i].digest, sizeof(hex) / 2);

            ngx_http_ai_conf_error(cf, t->file, t->line,
                                   "key \"sha256:%*s...\" of ai_tenant "
                                   "\"%V\" is duplicate, \"%V\" has it too",
                                   sizeof(hex), hex, &t->sn.str,
                                   &same->tenant->sn.str);
            return NGX_ERROR;
        }

        n = ngx_http_ai_key_place(mcf, key[i].digest);

        while (mcf->key_hash[n]) {
            n = (n + 1) & mcf->key_mask;
        }

        mcf->key_hash[n] = &key[i];
    }

    return NGX_OK;
}


static void
ngx_http_ai_resolve_slots(ngx_http_ai_plan_t *plan, ngx_array_t *limits)
{
    ai_limit_t  *l;
    ngx_uint_t   i;

    l = limits->elts;

    for (i = 0; i < limits->nelts; i++) {
        if (l[i].resource == AI_RES_CONCURRENCY) {
            plan->slots = 1;
        }
    }
}


/* tenants of the directory may have limits that nobody knows yet */

static void
ngx_http_ai_resolve_queues(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_rbtree_node_t   *node;
    ngx_http_ai_plan_t  *plan;

    if (mcf->postgres || mcf->plan_tree.root == &mcf->sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(mcf->plan_tree.root, &mcf->sentinel);
         node;
         node = ngx_rbtree_next(&mcf->plan_tree, node))
    {
        plan = (ngx_http_ai_plan_t *) node;

        ngx_http_ai_resolve_slots(plan, &plan->limits);
        ngx_http_ai_resolve_slots(plan, &plan->key_limits);

        if (plan->queue && !plan->slots) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"queue\" of ai_plan \"%V\" has no effect without "
                          "a limit of concurrency in %s:%ui",
                          &plan->sn.str, plan->file, plan->line);
        }
    }
}
