
/*
 * Keys that are not in nginx.conf: looked up in the directory, and made into
 * what a key of nginx.conf is, in the request's pool.
 */


#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_directory.h"


#define NGX_HTTP_AI_LACKS  32       /* names that were missed this minute */


/* a key with all that belongs to it: one piece of the pool */

typedef struct {
    ngx_http_ai_key_t          key;
    ngx_http_ai_tenant_t       tenant;
    ngx_http_ai_plan_t         plan;
    ngx_array_t                key_limits;
    ngx_array_t                tenant_limits;
    ngx_array_t                models;
} ngx_http_ai_listed_t;


static ngx_int_t ngx_http_ai_records_read(ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_records_t *rec, const ai_str_t *tenant);
static ngx_int_t ngx_http_ai_records_plan(ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_records_t *rec);
static ngx_int_t ngx_http_ai_records_lack(ngx_http_ai_records_t *rec,
    const char *kind, const ai_str_t *name);
static void ngx_http_ai_limits_add(ngx_http_ai_limits_t *limits,
    const ai_limit_t *l, ngx_uint_t n);
static void ngx_http_ai_limits_plan(ngx_http_ai_limits_t *limits,
    ngx_array_t *plan);
static ngx_http_ai_key_t *ngx_http_ai_listed_make(
    ngx_http_ai_main_conf_t *mcf,
    ngx_pool_t *pool, ngx_http_ai_records_t *rec);
static ngx_int_t ngx_http_ai_listed_names(ngx_pool_t *pool,
    ngx_http_ai_records_t *rec, ngx_http_ai_listed_t *l);
static ngx_int_t ngx_http_ai_listed_limits(ngx_pool_t *pool,
    ngx_http_ai_records_t *rec, ngx_http_ai_listed_t *l);
static ngx_int_t ngx_http_ai_listed_array(ngx_pool_t *pool, ngx_array_t *a,
    ngx_http_ai_limits_t *limits);
static ngx_int_t ngx_http_ai_listed_plan(ngx_http_ai_main_conf_t *mcf,
    ngx_pool_t *pool, ngx_http_ai_records_t *rec, ngx_http_ai_listed_t *l);
static ngx_int_t ngx_http_ai_listed_patterns(ngx_http_ai_main_conf_t *mcf,
    ngx_pool_t *pool, const ai_str_t *packed, ngx_array_t *models);


uint64_t
ngx_http_ai_directory_stamp(ngx_http_ai_main_conf_t *mcf)
{
    ai_dir_t  *dir;

    if (mcf->directory == NULL || mcf->directory->dir == NULL) {
        return 0;
    }

    dir = mcf->directory->dir;

    return ai_dir_version(dir) << 1 | (ai_dir_complete(dir) ? 1 : 0);
}


ngx_int_t
ngx_http_ai_directory_key(ngx_http_ai_main_conf_t *mcf, ngx_pool_t *pool,
    u_char digest[AI_KEY_DIGEST], ngx_http_ai_key_t **key, ai_error_t *e)
{
    ngx_int_t                     rc;
    static ngx_http_ai_records_t  rec;

    e->code = AI_ERR_UNAVAILABLE;
    e->retry_ms = 1000;

    rc = ngx_http_ai_records_get(mcf, digest, &rec);

    if (rc == NGX_ERROR) {
        ngx_http_ai_directory_lacks(pool->log, rec.lacking, &rec.name);
        return NGX_DECLINED;
    }

    if (rc == NGX_DECLINED) {

        if (rec.stamp & 1) {
            e->code = AI_ERR_BAD_KEY;
        }

        return NGX_DECLINED;
    }

    if (rec.key.expires && rec.key.expires <= (uint64_t) ngx_time()) {
        e->code = AI_ERR_BAD_KEY;
        return NGX_DECLINED;
    }

    if (rec.tenant.suspended) {
        e->code = AI_ERR_SUSPENDED;
        return NGX_DECLINED;
    }

    *key = ngx_http_ai_listed_make(mcf, pool, &rec);

    if (*key == NULL) {
        return NGX_DECLINED;
    }

    ngx_memcpy((*key)->digest, digest, AI_KEY_DIGEST);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_records_get(ngx_http_ai_main_conf_t *mcf,
    u_char digest[AI_KEY_DIGEST], ngx_http_ai_records_t *rec)
{
    size_t               len;
    ai_str_t             name;
    ngx_int_t            rc;
    ngx_str_t            tenant;
    ngx_ai_directory_t  *d;

    d = mcf->directory;
    rec->stamp = 0;

    if (d == NULL || d->dir == NULL) {
        return NGX_DECLINED;
    }

    name.data = digest;
    name.len = AI_KEY_DIGEST;

    ngx_ai_directory_lock(d);

    rec->stamp = ngx_http_ai_directory_stamp(mcf);

    if (ai_dir_get(d->dir, AI_DIR_KEY, &name, rec->keys, AI_DIR_VALUE_MAX,
                   &len)
        != AI_OK)
    {
        rc = NGX_DECLINED;

    } else if (ai_entry_key(rec->keys, len, &rec->key) != AI_OK) {
        ngx_str_null(&rec->name);
        rec->lacking = "sound record of a key";
        rc = NGX_ERROR;

    } else {
        tenant.len = rec->key.tenant.len;
        tenant.data = (u_char *) rec->key.tenant.data;

        rc = ngx_http_ai_tree_find(&mcf->tenant_tree, &tenant)
             ? NGX_DECLINED
             : ngx_http_ai_records_read(mcf, rec, &rec->key.tenant);
    }

    ngx_ai_directory_unlock(d);

    return rc;
}


ngx_int_t
ngx_http_ai_records_tenant(ngx_http_ai_main_conf_t *mcf, const ai_str_t *name,
    ngx_http_ai_records_t *rec)
{
    ngx_int_t            rc;
    ngx_ai_directory_t  *d;

    d = mcf->directory;

    if (d == NULL || d->dir == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(&rec->key, sizeof(ai_entry_key_t));

    ngx_ai_directory_lock(d);
    rc = ngx_http_ai_records_read(mcf, rec, name);
    ngx_ai_directory_unlock(d);

    return rc;
}


/* the tenant and its plan; under the lock */

static ngx_int_t
ngx_http_ai_records_read(ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_records_t *rec, const ai_str_t *tenant)
{
    size_t  len;

    if (ai_dir_get(mcf->directory->dir, AI_DIR_TENANT, tenant, rec->tenants,
                   AI_DIR_VALUE_MAX, &len)
        != AI_OK
        || ai_entry_tenant(rec->tenants, len, &rec->tenant) != AI_OK)
    {
        return ngx_http_ai_records_lack(rec, "tenant", tenant);
    }

    return ngx_http_ai_records_plan(mcf, rec);
}


static ngx_int_t
ngx_http_ai_records_plan(ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_records_t *rec)
{
    size_t     len;
    ngx_str_t  name;

    name.len = rec->tenant.plan.len;
    name.data = (u_char *) rec->tenant.plan.data;

    rec->conf = ngx_http_ai_tree_find(&mcf->plan_tree, &name);

    if (rec->conf) {
        return NGX_OK;
    }

    if (ai_dir_get(mcf->directory->dir, AI_DIR_PLAN, &rec->tenant.plan,
                   rec->plans, AI_DIR_VALUE_MAX, &len)
        != AI_OK
        || ai_entry_plan(rec->plans, len, &rec->plan) != AI_OK)
    {
        return ngx_http_ai_records_lack(rec, "plan", &rec->tenant.plan);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_records_lack(ngx_http_ai_records_t *rec, const char *kind,
    const ai_str_t *name)
{
    rec->lacking = kind;
    rec->name.len = name->len;
    rec->name.data = (u_char *) name->data;

    return NGX_ERROR;
}


void
ngx_http_ai_directory_lacks(ngx_log_t *log, const char *kind, ngx_str_t *name)
{
    time_t      minute;
    uint32_t    hash;
    ngx_uint_t  i;

    static time_t      when;
    static uint32_t    seen[NGX_HTTP_AI_LACKS];
    static ngx_uint_t  n;

    minute = ngx_time() / 60;
    hash = ngx_murmur_hash2(name->data, name->len) + kind[0];

    if (when != minute) {
        when = minute;
        n = 0;
    }

    for (i = 0; i < n; i++) {
        if (seen[i] == hash) {
            return;
        }
    }

    if (n == NGX_HTTP_AI_LACKS) {
        return;
    }

    seen[n++] = hash;

    ngx_log_error(NGX_LOG_ERR, log, 0, "ai directory has no %s \"%V\"",
                  kind, name);
}


/* limits of the same resource and period as one that is there stand below */

static void
ngx_http_ai_limits_add(ngx_http_ai_limits_t *limits, const ai_limit_t *l,
    ngx_uint_t n)
{
    ngx_uint_t  i;

    for ( /* void */ ; n; n--, l++) {

        for (i = 0; i < limits->nelts; i++) {
            if (limits->elts[i].resource == l->resource
                && limits->elts[i].period == l->period)
            {
                break;
            }
        }

        if (i == limits->nelts && i < NGX_AI_PARTY_LIMITS) {
            limits->elts[limits->nelts++] = *l;
        }
    }
}


static void
ngx_http_ai_limits_plan(ngx_http_ai_limits_t *limits, ngx_array_t *plan)
{
    ngx_http_ai_limits_add(limits, plan->elts, plan->nelts);
}


void
ngx_http_ai_records_tenant_limits(ngx_http_ai_records_t *rec,
    ngx_http_ai_limits_t *limits)
{
    ai_limit_t  credit;

    if (rec->tenant.credit >= 0) {
        ngx_memzero(&credit, sizeof(ai_limit_t));

        credit.resource = AI_RES_COST;
        credit.period = AI_PERIOD_TOTAL;
        credit.amount = ngx_min(rec->tenant.credit, AI_LIMIT_MAX);

        ngx_http_ai_limits_add(limits, &credit, 1);
    }

    ngx_http_ai_limits_add(limits, rec->tenant.limits, rec->tenant.nlimits);

    if (rec->conf) {
        ngx_http_ai_limits_plan(limits, &rec->conf->limits);

    } else {
        ngx_http_ai_limits_add(limits, rec->plan.limits, rec->plan.nlimits);
    }
}


void
ngx_http_ai_records_key_limits(ngx_http_ai_records_t *rec,
    ngx_http_ai_limits_t *limits)
{
    ngx_http_ai_limits_add(limits, rec->key.limits, rec->key.nlimits);
    ngx_http_ai_limits_add(limits, rec->tenant.key_limits,
                           rec->tenant.nkey_limits);

    if (rec->conf) {
        ngx_http_ai_limits_plan(limits, &rec->conf->key_limits);

    } else {
        ngx_http_ai_limits_add(limits, rec->plan.key_limits,
                               rec->plan.nkey_limits);
    }
}


static ngx_http_ai_key_t *
ngx_http_ai_listed_make(ngx_http_ai_main_conf_t *mcf, ngx_pool_t *pool,
    ngx_http_ai_records_t *rec)
{
    ngx_http_ai_listed_t  *l;

    l = ngx_pcalloc(pool, sizeof(ngx_http_ai_listed_t));

    if (l == NULL
        || ngx_http_ai_listed_names(pool, rec, l) != NGX_OK
        || ngx_http_ai_listed_plan(mcf, pool, rec, l) != NGX_OK
        || ngx_http_ai_listed_limits(pool, rec, l) != NGX_OK)
    {
        return NULL;
    }

    l->key.tenant = &l->tenant;
    l->key.expires = (time_t) rec->key.expires;
    l->key.stamp = rec->stamp;
    l->key.listed = 1;
    l->key.owner = rec->key.owner;
    l->tenant.owner = rec->tenant.owner;

    if (rec->key.models) {
        l->key.models = &l->models;

        if (ngx_http_ai_listed_patterns(mcf, pool, &rec->key.patterns,
                                        &l->models)
            != NGX_OK)
        {
            return NULL;
        }
    }

    return &l->key;
}


static ngx_int_t
ngx_http_ai_listed_names(ngx_pool_t *pool, ngx_http_ai_records_t *rec,
    ngx_http_ai_listed_t *l)
{
    u_char      *p;
    ngx_uint_t   i;

    const struct {
        const ai_str_t  *from;
        ngx_str_t       *to;
    } names[] = {
        { &rec->key.tenant, &l->tenant.sn.str },
        { &rec->key.name, &l->key.name },
        { &rec->tenant.plan, &l->tenant.plan_name },
        { &rec->tenant.labels, &l->tenant.labels }
    };

    p = ngx_pnalloc(pool, rec->key.tenant.len + rec->key.name.len
                          + rec->tenant.plan.len + rec->tenant.labels.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        names[i].to->len = names[i].from->len;
        names[i].to->data = p;
        p = ngx_cpymem(p, names[i].from->data, names[i].from->len);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_listed_limits(ngx_pool_t *pool, ngx_http_ai_records_t *rec,
    ngx_http_ai_listed_t *l)
{
    ngx_http_ai_limits_t  limits;
    ai_limit_t            room[NGX_AI_PARTY_LIMITS];

    limits.elts = room;
    limits.nelts = 0;

    ngx_http_ai_records_tenant_limits(rec, &limits);

    if (ngx_http_ai_listed_array(pool, &l->tenant_limits, &limits) != NGX_OK) {
        return NGX_ERROR;
    }

    l->tenant.limits = &l->tenant_limits;
    l->tenant.refuse_unbounded = (l->tenant.plan->unbounded == 2);
    ngx_http_ai_tenant_budget(&l->tenant, &l->tenant_limits);

    limits.nelts = 0;

    ngx_http_ai_records_key_limits(rec, &limits);

    if (limits.nelts == 0) {
        return NGX_OK;
    }

    l->key.limits = &l->key_limits;

    if (ngx_http_ai_listed_array(pool, &l->key_limits, &limits) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_ai_tenant_budget(&l->tenant, &l->key_limits);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_listed_array(ngx_pool_t *pool, ngx_array_t *a,
    ngx_http_ai_limits_t *limits)
{
    a->elts = ngx_palloc(pool, limits->nelts * sizeof(ai_limit_t));
    if (a->elts == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(a->elts, limits->elts, limits->nelts * sizeof(ai_limit_t));

    a->nelts = limits->nelts;
    a->nalloc = limits->nelts;
    a->size = sizeof(ai_limit_t);
    a->pool = pool;

    return NGX_OK;
}


/* its limits are resolved already: what it says of them is not copied */

static ngx_int_t
ngx_http_ai_listed_plan(ngx_http_ai_main_conf_t *mcf, ngx_pool_t *pool,
    ngx_http_ai_records_t *rec, ngx_http_ai_listed_t *l)
{
    ngx_http_ai_plan_t  *plan;

    if (rec->conf) {
        l->tenant.plan = rec->conf;
        return NGX_OK;
    }

    plan = &l->plan;
    l->tenant.plan = plan;

    plan->sn.str = l->tenant.plan_name;
    plan->max_output = rec->plan.max_output;
    plan->store_loss = rec->plan.store_loss;
    plan->unbounded = rec->plan.unbounded;
    plan->drain = rec->plan.drain;
    plan->finish = rec->plan.revoke_finish;
    plan->priority = rec->plan.priority;
    plan->share = rec->plan.share;
    plan->queue = rec->plan.queue;
    plan->queue_timeout = rec->plan.queue_ms;
    plan->cache = rec->plan.cache;
    plan->cache_price = rec->plan.cache_price;
    plan->cache_ttl = (time_t) rec->plan.cache_ttl;

    return ngx_http_ai_listed_patterns(mcf, pool, &rec->plan.patterns,
                                       &plan->models);
}


static ngx_int_t
ngx_http_ai_listed_patterns(ngx_http_ai_main_conf_t *mcf, ngx_pool_t *pool,
    const ai_str_t *packed, ngx_array_t *models)
{
    size_t      at;
    ai_str_t    copy, pattern;
    ngx_str_t  *s;
    ngx_uint_t  n;

    copy.len = packed->len;
    copy.data = ngx_palloc(pool, packed->len);
    if (copy.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy((u_char *) copy.data, packed->data, packed->len);

    for (n = 0, at = 0; ai_entry_pattern(&copy, &at, &pattern) == AI_OK; n++) {
        /* void */
    }

    if (ngx_array_init(models, pool, n ? n : 1, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    for (at = 0; ai_entry_pattern(&copy, &at, &pattern) == AI_OK; /* void */) {
        s = ngx_array_push(models);
        if (s == NULL) {
            return NGX_ERROR;
        }

        s->len = pattern.len;
        s->data = (u_char *) pattern.data;
    }

    if (mcf->alias_tree.root != &mcf->sentinel) {
        ngx_http_ai_resolve_patterns(mcf, models);
    }

    return NGX_OK;
}
