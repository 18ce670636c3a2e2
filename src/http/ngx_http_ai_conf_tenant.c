
/*
 * ai_tenant name { plan; key; limit; label; }
 *
 * There may be 100 000 of them: arrays are made only when something goes into
 * them, and nothing here looks through other tenants.
 */


#include "ngx_http_ai_conf.h"


static char *ngx_http_ai_tenant_plan(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_limit(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_label(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_end(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_labels(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_keys(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_key_limits(ngx_conf_t *cf,
    ngx_http_ai_block_t *b, ngx_http_ai_key_t **keys, ngx_uint_t n);
static int ngx_libc_cdecl ngx_http_ai_tenant_key_cmp(const void *one,
    const void *two);


/* a limit ... key=NAME; the key may stand further below in the block */

typedef struct {
    ngx_str_t                  key;
    ai_limit_t                 limit;
    u_char                    *file;
    ngx_uint_t                 line;
} ngx_http_ai_tenant_pending_t;

typedef struct {
    ngx_uint_t                 first;       /* of mcf->keys */
    ngx_array_t               *key_limits;  /* per=key: of all its keys */
    ngx_array_t               *pending;
    ai_buf_t                   labels;
    u_char                     text[NGX_HTTP_AI_LABELS_LEN];
} ngx_http_ai_tenant_ctx_t;


static ngx_http_ai_word_t  ngx_http_ai_tenant_words[] = {

    { ngx_string("plan"), 1, 1, NGX_HTTP_AI_ONCE|NGX_HTTP_AI_NEEDED,
      ngx_http_ai_tenant_plan, 0, NULL },

    { ngx_string("key"), 1, 4, 0, ngx_http_ai_tenant_key, 0, NULL },

    { ngx_string("limit"), 2, 4, 0, ngx_http_ai_tenant_limit, 0, NULL },

    { ngx_string("label"), 1, 16, 0, ngx_http_ai_tenant_label, 0, NULL },

    { ngx_null_string, 0, 0, 0, NULL, 0, NULL }
};


char *
ngx_http_ai_tenant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    char                      *rv;
    ngx_http_ai_block_t        b;
    ngx_http_ai_tenant_t      *t, **slot;
    ngx_http_ai_tenant_ctx_t   ctx;

    ngx_http_ai_block_init(cf, &b, mcf);

    rv = ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &b.name);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    t = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_tenant_t));
    slot = ngx_http_ai_conf_push(cf->pool, &mcf->tenants);

    if (t == NULL || slot == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_tree_add(&mcf->tenant_tree, &t->sn, &b.name) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate ai_tenant \"%V\"",
                           &b.name);
        return NGX_CONF_ERROR;
    }

    *slot = t;

    t->file = b.file;
    t->line = b.line;

    ctx.first = mcf->keys.nelts;
    ctx.key_limits = NULL;
    ctx.pending = NULL;
    ai_buf_init(&ctx.labels, ctx.text, sizeof(ctx.text));

    b.words = ngx_http_ai_tenant_words;
    b.conf = t;
    b.data = &ctx;

    rv = ngx_http_ai_block_parse(cf, &b);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_ai_tenant_end(cf, &b);
}


static char *
ngx_http_ai_tenant_plan(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_tenant_t *t = b->conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    t->plan_name = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_tenant_limit(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_tenant_t      *t = b->conf;
    ngx_http_ai_tenant_ctx_t  *ctx = b->data;

    char                           *rv;
    ngx_array_t                   **a;
    ngx_http_ai_limit_t             l;
    ngx_http_ai_tenant_pending_t   *pending;

    rv = ngx_http_ai_conf_limit(cf, &l);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (l.key.len == 0) {
        a = l.per_key ? &ctx->key_limits : &t->own;

        if (ngx_http_ai_conf_array(cf->pool, a, sizeof(ai_limit_t))
            == NULL)
        {
            return NGX_CONF_ERROR;
        }

        return ngx_http_ai_conf_limit_add(cf, *a, &l.limit);
    }

    if (ngx_http_ai_conf_array(cf->temp_pool, &ctx->pending,
                               sizeof(ngx_http_ai_tenant_pending_t))
        == NULL)
    {
        return NGX_CONF_ERROR;
    }

    pending = ngx_array_push(ctx->pending);
    if (pending == NULL) {
        return NGX_CONF_ERROR;
    }

    pending->key = l.key;
    pending->limit = l.limit;
    pending->file = cf->conf_file->file.name.data;
    pending->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_tenant_label(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_tenant_ctx_t *ctx = b->data;

    char        *rv;
    u_char      *eq, *before;
    size_t       len;
    ngx_str_t   *value, name;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        eq = ngx_strlchr(value[i].data, value[i].data + value[i].len, '=');
        if (eq == NULL) {
            return ngx_http_ai_conf_invalid(cf, &value[i]);
        }

        name.data = value[i].data;
        name.len = eq - value[i].data;

        rv = ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &name);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        before = ctx->labels.pos;
        len = before - ctx->text;

        ai_buf_char(&ctx->labels, len ? ',' : '{');
        ai_buf_json(&ctx->labels, name.data, name.len);
        ai_buf_char(&ctx->labels, ':');

        /* a name needs no escapes: it stands in the text as it is, and a
           quote inside of a value is always escaped */

        if (!ctx->labels.full
            && memmem(ctx->text, len, before + 1,
                      ctx->labels.pos - before - 1))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate label \"%V\"",
                               &name);
            return NGX_CONF_ERROR;
        }

        ai_buf_json(&ctx->labels, eq + 1,
                    value[i].data + value[i].len - eq - 1);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_tenant_end(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    char  *rv;

    rv = ngx_http_ai_tenant_labels(cf, b);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_ai_tenant_keys(cf, b);
}


static char *
ngx_http_ai_tenant_labels(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_tenant_t      *t = b->conf;
    ngx_http_ai_tenant_ctx_t  *ctx = b->data;

    if (ctx->labels.pos == ctx->text && !ctx->labels.full) {
        return NGX_CONF_OK;
    }

    ai_buf_char(&ctx->labels, '}');

    if (ctx->labels.full) {
        ngx_http_ai_conf_error(cf, t->file, t->line,
                               "labels of ai_tenant \"%V\" are longer than "
                               "%d bytes of JSON", &t->sn.str,
                               NGX_HTTP_AI_LABELS_LEN);
        return NGX_CONF_ERROR;
    }

    t->labels.len = ctx->labels.pos - ctx->text;
    t->labels.data = ngx_pnalloc(cf->pool, t->labels.len);
    if (t->labels.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(t->labels.data, ctx->text, t->labels.len);

    return NGX_CONF_OK;
}


/*
 * Names of keys are unique within a tenant; limits of single keys find theirs.
 * Both by a sorted table, since one tenant may have very many keys.
 */

static char *
ngx_http_ai_tenant_keys(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_tenant_t      *t = b->conf;
    ngx_http_ai_tenant_ctx_t  *ctx = b->data;

    char                *rv;
    ngx_uint_t           i, n;
    ngx_http_ai_key_t   *key, *one, **keys;

    n = b->mcf->keys.nelts - ctx->first;
    key = (ngx_http_ai_key_t *) b->mcf->keys.elts + ctx->first;

    if (n == 1 && ctx->pending == NULL) {
        key->limits = ctx->key_limits;
        return NGX_CONF_OK;
    }

    keys = ngx_alloc((n + 1) * sizeof(ngx_http_ai_key_t *), cf->log);
    if (keys == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < n; i++) {
        keys[i] = &key[i];
    }

    ngx_qsort(keys, n, sizeof(ngx_http_ai_key_t *),
              ngx_http_ai_tenant_key_cmp);

    for (i = 1; i < n; i++) {

        if (ngx_http_ai_tenant_key_cmp(&keys[i - 1], &keys[i]) == 0) {
            one = keys[i];

            ngx_http_ai_conf_error(cf, t->file, t->line,
                                   "duplicate key name \"%V\" in ai_tenant "
                                   "\"%V\"", &one->name, &t->sn.str);
            ngx_free(keys);
            return NGX_CONF_ERROR;
        }
    }

    rv = ngx_http_ai_tenant_key_limits(cf, b, keys, n);

    ngx_free(keys);

    return rv;
}


/* a key's own limits stand above those of all keys of its tenant */

static char *
ngx_http_ai_tenant_key_limits(ngx_conf_t *cf, ngx_http_ai_block_t *b,
    ngx_http_ai_key_t **keys, ngx_uint_t n)
{
    ngx_http_ai_tenant_t      *t = b->conf;
    ngx_http_ai_tenant_ctx_t  *ctx = b->data;

    char                          *rv;
    ngx_uint_t                     i;
    ngx_http_ai_key_t              want, *pwant, **key;
    ngx_http_ai_tenant_pending_t  *pending;

    pending = ctx->pending ? ctx->pending->elts : NULL;
    pwant = &want;

    for (i = 0; ctx->pending && i < ctx->pending->nelts; i++) {

        want.name = pending[i].key;

        key = bsearch(&pwant, keys, n, sizeof(ngx_http_ai_key_t *),
                      ngx_http_ai_tenant_key_cmp);

        if (key == NULL) {
            ngx_http_ai_conf_error(cf, pending[i].file, pending[i].line,
                                   "no key \"%V\" in ai_tenant \"%V\"",
                                   &pending[i].key, &t->sn.str);
            return NGX_CONF_ERROR;
        }

        if (ngx_http_ai_conf_array(cf->pool, &(*key)->limits,
                                   sizeof(ai_limit_t))
            == NULL)
        {
            return NGX_CONF_ERROR;
        }

        rv = ngx_http_ai_conf_limit_add(cf, (*key)->limits,
                                        &pending[i].limit);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    for (i = 0; i < n; i++) {
        if (ngx_http_ai_conf_limit_merge(cf->pool, ctx->key_limits,
                                         keys[i]->limits, &keys[i]->limits)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static int ngx_libc_cdecl
ngx_http_ai_tenant_key_cmp(const void *one, const void *two)
{
    ngx_http_ai_key_t *const *a = one, *const *b = two;

    return ngx_memn2cmp((*a)->name.data, (*b)->name.data, (*a)->name.len,
                        (*b)->name.len);
}
