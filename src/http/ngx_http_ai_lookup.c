
/*
 * Look-ups in the parsed configuration, and who a row is counted for.
 */


#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_directory.h"
#include "../core/ai_glob.h"


static ngx_uint_t ngx_http_ai_parties_listed(ngx_http_ai_main_conf_t *mcf,
    const ai_str_t *tenant, const ai_str_t *key, ngx_ai_parties_t *p);
static ngx_uint_t ngx_http_ai_listed(ngx_array_t *patterns,
    ngx_str_t *model);


ngx_uint_t
ngx_http_ai_key_place(ngx_http_ai_main_conf_t *mcf,
    u_char digest[AI_KEY_DIGEST])
{
    uint64_t  n;

    ngx_memcpy(&n, digest, sizeof(n));

    return n & mcf->key_mask;
}


ngx_http_ai_key_t *
ngx_http_ai_key_find(ngx_http_ai_main_conf_t *mcf,
    u_char digest[AI_KEY_DIGEST])
{
    ngx_uint_t          n;
    ngx_http_ai_key_t  *key;

    if (mcf->key_hash == NULL) {
        return NULL;
    }

    for (n = ngx_http_ai_key_place(mcf, digest);
         mcf->key_hash[n];
         n = (n + 1) & mcf->key_mask)
    {
        key = mcf->key_hash[n];

        if (!ngx_http_ai_digest_differs(key->digest, digest)) {
            return key;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_ai_digest_differs(u_char one[AI_KEY_DIGEST],
    u_char two[AI_KEY_DIGEST])
{
    u_char      differs;
    ngx_uint_t  i;

    differs = 0;

    for (i = 0; i < AI_KEY_DIGEST; i++) {
        differs |= one[i] ^ two[i];
    }

    return differs;
}


/* a tenant that is configured no more keeps its counters, without limits */

ngx_uint_t
ngx_http_ai_parties(void *data, const ai_str_t *tenant, const ai_str_t *key,
    ngx_ai_parties_t *p)
{
    ngx_http_ai_main_conf_t *mcf = data;

    ngx_str_t              name;
    ngx_http_ai_key_t     *k, *last;
    ngx_http_ai_tenant_t  *t;

    name.len = tenant->len;
    name.data = tenant->data;

    t = ngx_http_ai_tree_find(&mcf->tenant_tree, &name);

    if (t == NULL) {
        return ngx_http_ai_parties_listed(mcf, tenant, key, p);
    }

    p->party[0].id = t->owner;
    p->party[0].limits = t->limits->elts;
    p->party[0].nlimits = t->limits->nelts;

    last = (ngx_http_ai_key_t *) mcf->keys.elts + mcf->keys.nelts;

    for (k = t->keys; k && k < last && k->tenant == t; k++) {

        if (k->limits && k->name.len == key->len
            && ngx_memcmp(k->name.data, key->data, key->len) == 0)
        {
            p->party[1].id = k->owner;
            p->party[1].limits = k->limits->elts;
            p->party[1].nlimits = k->limits->nelts;
            return 2;
        }
    }

    return 1;
}


/*
 * The directory finds no key by its name: each may have limits of its own, so
 * each is counted, with those that it shares with the tenant's other keys.
 * What is lost of the others' are buckets of cost, which fill within an hour.
 */

static ngx_uint_t
ngx_http_ai_parties_listed(ngx_http_ai_main_conf_t *mcf,
    const ai_str_t *tenant, const ai_str_t *key, ngx_ai_parties_t *p)
{
    ngx_http_ai_limits_t   limits;
    ngx_http_ai_records_t  rec;

    ai_owner_id(&p->party[0].id, tenant, NULL);

    if (ngx_http_ai_records_tenant(mcf, tenant, &rec) != NGX_OK) {
        return 1;
    }

    limits.elts = p->limits[0];
    limits.nelts = 0;

    ngx_http_ai_records_tenant_limits(&rec, &limits);

    p->party[0].limits = limits.elts;
    p->party[0].nlimits = limits.nelts;

    limits.elts = p->limits[1];
    limits.nelts = 0;

    ngx_http_ai_records_key_limits(&rec, &limits);

    ai_owner_id(&p->party[1].id, tenant, key);

    p->party[1].limits = limits.elts;
    p->party[1].nlimits = limits.nelts;

    return 2;
}


ngx_http_ai_model_t *
ngx_http_ai_model_find(ngx_http_ai_main_conf_t *mcf, ngx_str_t *name)
{
    uint32_t              hash;
    ngx_str_node_t       *model;
    ngx_http_ai_alias_t  *alias;

    /* one hash for both trees: providers name models that are in neither */

    hash = ngx_murmur_hash2(name->data, name->len);

    model = ngx_str_rbtree_lookup(&mcf->model_tree, name, hash);
    if (model) {
        return (ngx_http_ai_model_t *) model;
    }

    alias = (ngx_http_ai_alias_t *)
                ngx_str_rbtree_lookup(&mcf->alias_tree, name, hash);

    return alias ? alias->model : NULL;
}


ngx_uint_t
ngx_http_ai_model_allowed(ngx_http_ai_key_t *key, ngx_str_t *model)
{
    if (!ngx_http_ai_listed(&key->tenant->plan->models, model)) {
        return 0;
    }

    return key->models == NULL || ngx_http_ai_listed(key->models, model);
}


static ngx_uint_t
ngx_http_ai_listed(ngx_array_t *patterns, ngx_str_t *model)
{
    ai_str_t     name, p;
    ngx_str_t   *pattern;
    ngx_uint_t   i;

    name.len = model->len;
    name.data = model->data;

    pattern = patterns->elts;

    for (i = 0; i < patterns->nelts; i++) {
        p.len = pattern[i].len;
        p.data = pattern[i].data;

        if (ai_glob_match(&p, &name)) {
            return 1;
        }
    }

    return 0;
}
