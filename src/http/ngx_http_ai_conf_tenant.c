
/*
 * ai_tenant name { plan; key; limit; label; }
 *
 * There may be 100 000 of them: arrays are made only when something goes into
 * them, and nothing here looks through other tenants.
 */


#include "ngx_http_ai_conf.h"
#include "../core/ai_date.h"


#define NGX_HTTP_AI_KEY_SHORT  8    /* digits of a digest in a default name */


static char *ngx_http_ai_tenant_plan(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_key(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_key_name(ngx_conf_t *cf, ngx_http_ai_key_t *key);
static char *ngx_http_ai_key_param(ngx_conf_t *cf, ngx_http_ai_key_t *key,
    ngx_str_t *arg);
static char *ngx_http_ai_key_models(ngx_conf_t *cf, ngx_http_ai_key_t *key,
    ngx_str_t *list);
static char *ngx_http_ai_tenant_limit(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_label(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_end(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_labels(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_keys(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_tenant_key_limits(ngx_conf_t *cf,
    ngx_http_ai_block_t *b, ngx_http_ai_key_t **keys, ngx_uint_t n);
static void *ngx_http_ai_tenant_push(ngx_pool_t *pool, ngx_array_t *a);
static ngx_array_t *ngx_http_ai_tenant_array(ngx_pool_t *pool,
    ngx_array_t **a, size_t size);
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
      ngx_http_ai_tenant_plan },

    { ngx_string("key"), 1, 4, 0, ngx_http_ai_tenant_key },

    { ngx_string("limit"), 2, 4, 0, ngx_http_ai_tenant_limit },

    { ngx_string("label"), 1, 16, 0, ngx_http_ai_tenant_label },

    { ngx_null_string, 0, 0, 0, NULL }
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
    slot = ngx_http_ai_tenant_push(cf->pool, &mcf->tenants);

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
ngx_http_ai_tenant_key(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    char               *rv;
    ngx_str_t          *value, hex;
    ngx_uint_t          i;
    ngx_http_ai_key_t  *key;

    value = cf->args->elts;

    key = ngx_http_ai_tenant_push(cf->pool, &b->mcf->keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(key, sizeof(ngx_http_ai_key_t));

    key->tenant = b->conf;

    /* never quoted: somebody may have put the key itself here */

    if (!ngx_http_ai_conf_param(&value[1], "sha256:", &hex)
        || ai_key_digest_parse(key->digest, hex.data, hex.len) != AI_OK)
    {
        return "must be \"sha256:\" and 64 hexadecimal digits";
    }

    for (i = 2; i < cf->args->nelts; i++) {

        rv = ngx_http_ai_key_param(cf, key, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return ngx_http_ai_key_name(cf, key);
}


/* the default name is the beginning of the digest */

static char *
ngx_http_ai_key_name(ngx_conf_t *cf, ngx_http_ai_key_t *key)
{
    if (key->name.data) {
        return ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &key->name);
    }

    key->name.len = NGX_HTTP_AI_KEY_SHORT;
    key->name.data = ngx_pnalloc(cf->pool, NGX_HTTP_AI_KEY_SHORT);
    if (key->name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_hex_dump(key->name.data, key->digest, NGX_HTTP_AI_KEY_SHORT / 2);

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_key_param(ngx_conf_t *cf, ngx_http_ai_key_t *key, ngx_str_t *arg)
{
    uint64_t   seconds;
    ngx_str_t  s;

    if (ngx_http_ai_conf_param(arg, "name=", &key->name)) {
        return NGX_CONF_OK;
    }

    if (ngx_http_ai_conf_param(arg, "expires=", &s)) {

        if (ai_date_parse(s.data, s.len, &seconds) != AI_OK || seconds == 0) {
            return ngx_http_ai_conf_invalid(cf, arg);
        }

        key->expires = seconds;

        return NGX_CONF_OK;
    }

    if (ngx_http_ai_conf_param(arg, "models=", &s)) {
        return ngx_http_ai_key_models(cf, key, &s);
    }

    return ngx_http_ai_conf_invalid(cf, arg);
}


static char *
ngx_http_ai_key_models(ngx_conf_t *cf, ngx_http_ai_key_t *key,
    ngx_str_t *list)
{
    char       *rv;
    u_char     *p, *last, *comma;
    ngx_str_t   name;

    if (ngx_http_ai_tenant_array(cf->pool, &key->models, sizeof(ngx_str_t))
        == NULL)
    {
        return NGX_CONF_ERROR;
    }

    p = list->data;
    last = p + list->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        name.data = p;
        name.len = (comma ? comma : last) - p;

        rv = ngx_http_ai_conf_patterns(cf, key->models, &name, 1);

        if (rv != NGX_CONF_OK || comma == NULL) {
            return rv;
        }

        p = comma + 1;
    }
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

        if (ngx_http_ai_tenant_array(cf->pool, a, sizeof(ai_limit_t))
            == NULL)
        {
            return NGX_CONF_ERROR;
        }

        return ngx_http_ai_conf_limit_add(cf, *a, &l.limit);
    }

    if (ngx_http_ai_tenant_array(cf->temp_pool, &ctx->pending,
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

        if (ngx_http_ai_tenant_array(cf->pool, &(*key)->limits,
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


/* an array that grows to megabytes does not leave its smaller selves behind */

static void *
ngx_http_ai_tenant_push(ngx_pool_t *pool, ngx_array_t *a)
{
    void  *new, *old;

    old = a->elts;
    new = ngx_array_push(a);

    if (a->elts != old) {
        (void) ngx_pfree(pool, old);
    }

    return new;
}


static ngx_array_t *
ngx_http_ai_tenant_array(ngx_pool_t *pool, ngx_array_t **a, size_t size)
{
    if (*a == NULL) {
        *a = ngx_array_create(pool, 1, size);
    }

    return *a;
}


static int ngx_libc_cdecl
ngx_http_ai_tenant_key_cmp(const void *one, const void *two)
{
    ngx_http_ai_key_t *const *a = one, *const *b = two;

    return ngx_memn2cmp((*a)->name.data, (*b)->name.data, (*a)->name.len,
                        (*b)->name.len);
}
