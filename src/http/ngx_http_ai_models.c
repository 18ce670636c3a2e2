
/*
 * GET /v1/models and GET /v1/models/{id}: what the caller may use, in the
 * caller's dialect.
 *
 * Only configured names are shown: no provider, target or price.  A release
 * date is not known, so it is the epoch, as Anthropic's reference provides
 * for.
 */


#include "ngx_http_ai.h"


#define NGX_HTTP_AI_MODELS_MAX  1000        /* largest "limit" */

/* a model's object but for its name, which is written up to three times */
#define NGX_HTTP_AI_MODEL_SIZE  512
#define NGX_HTTP_AI_MODEL_NAMES 3


typedef struct {
    ngx_str_t              *name;           /* the alias, or the model's own */
    ngx_http_ai_model_t    *model;
} ngx_http_ai_listed_t;

typedef struct {
    ngx_http_ai_listed_t   *listed;
    ngx_uint_t              n;
    ngx_uint_t              more;           /* something was left out behind */
} ngx_http_ai_list_t;


static ngx_int_t ngx_http_ai_models_collect(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_list_t *list);
static ngx_int_t ngx_http_ai_models_add(ngx_array_t *found,
    ngx_http_ai_key_t *key, ngx_str_t *name, ngx_http_ai_model_t *model);
static int ngx_libc_cdecl ngx_http_ai_models_cmp(const void *one,
    const void *two);
static void ngx_http_ai_models_page(ngx_http_request_t *r,
    ngx_http_ai_list_t *list);
static ngx_int_t ngx_http_ai_models_list(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_list_t *list);
static ngx_int_t ngx_http_ai_models_one(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_models_write(ngx_http_ai_json_t *js,
    ai_dialect_t dialect, ngx_http_ai_listed_t *m);
static void ngx_http_ai_models_gemini(ai_buf_t *b, ngx_http_ai_listed_t *m,
    const ai_price_t *price);
static ngx_uint_t ngx_http_ai_models_embeds(const ai_price_t *price);


ngx_int_t
ngx_http_ai_models(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_http_ai_list_t  list;

    if (ctx->route.ep == AI_EP_MODEL) {
        return ngx_http_ai_models_one(r, ctx);
    }

    rc = ngx_http_ai_models_collect(r, ctx, &list);

    if (rc == NGX_OK) {

        if (ctx->route.dialect == AI_DIALECT_ANTHROPIC) {
            ngx_http_ai_models_page(r, &list);
        }

        rc = ngx_http_ai_models_list(r, ctx, &list);
    }

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_ai_models_collect(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_list_t *list)
{
    ngx_uint_t                i;
    ngx_array_t               found;
    ngx_rbtree_t             *tree;
    ngx_rbtree_node_t        *node;
    ngx_http_ai_alias_t      *alias;
    ngx_http_ai_model_t     **model;
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);

    if (ngx_array_init(&found, r->pool, 64, sizeof(ngx_http_ai_listed_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    model = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        if (ngx_http_ai_models_add(&found, ctx->key, &model[i]->sn.str,
                                   model[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    tree = &mcf->alias_tree;
    node = NULL;

    if (tree->root != tree->sentinel) {
        node = ngx_rbtree_min(tree->root, tree->sentinel);
    }

    for ( /* void */ ; node; node = ngx_rbtree_next(tree, node)) {
        alias = (ngx_http_ai_alias_t *) node;

        if (ngx_http_ai_models_add(&found, ctx->key, &alias->sn.str,
                                   alias->model)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    qsort(found.elts, found.nelts, sizeof(ngx_http_ai_listed_t),
          ngx_http_ai_models_cmp);

    list->listed = found.elts;
    list->n = found.nelts;
    list->more = 0;

    return NGX_OK;
}


/* an alias is judged by the model that it names */

static ngx_int_t
ngx_http_ai_models_add(ngx_array_t *found, ngx_http_ai_key_t *key,
    ngx_str_t *name, ngx_http_ai_model_t *model)
{
    ngx_http_ai_listed_t  *m;

    if (!ngx_http_ai_model_allowed(key, &model->sn.str)) {
        return NGX_OK;
    }

    m = ngx_array_push(found);
    if (m == NULL) {
        return NGX_ERROR;
    }

    m->name = name;
    m->model = model;

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_ai_models_cmp(const void *one, const void *two)
{
    const ngx_http_ai_listed_t  *a = one;
    const ngx_http_ai_listed_t  *b = two;

    return (int) ngx_memn2cmp(a->name->data, b->name->data, a->name->len,
                              b->name->len);
}


/*
 * Anthropic's cursors: "after_id" goes on behind a model, "before_id" ends in
 * front of one, "limit" is the size of the page (all, when it is not given).
 */

static void
ngx_http_ai_models_page(ngx_http_request_t *r, ngx_http_ai_list_t *list)
{
    ngx_int_t             n;
    ngx_str_t             arg;
    ngx_uint_t            before;
    ngx_http_ai_listed_t  cursor;

    cursor.name = &arg;
    before = 0;

    if (ngx_http_ai_arg(r, "after_id", &arg) == NGX_OK) {

        while (list->n
               && ngx_http_ai_models_cmp(list->listed, &cursor) <= 0)
        {
            list->listed++;
            list->n--;
        }
    }

    if (ngx_http_ai_arg(r, "before_id", &arg) == NGX_OK) {
        before = 1;

        while (list->n
               && ngx_http_ai_models_cmp(&list->listed[list->n - 1], &cursor)
                  >= 0)
        {
            list->n--;
        }
    }

    if (ngx_http_ai_arg(r, "limit", &arg) != NGX_OK) {
        return;
    }

    n = ngx_atoi(arg.data, arg.len);

    if (n < 1 || n > NGX_HTTP_AI_MODELS_MAX || (ngx_uint_t) n >= list->n) {
        return;
    }

    if (before) {
        list->listed += list->n - n;
    }

    list->n = n;
    list->more = 1;
}


ngx_int_t
ngx_http_ai_arg(ngx_http_request_t *r, const char *name, ngx_str_t *value)
{
    u_char     *dst, *src;
    ngx_str_t   raw;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &raw) != NGX_OK) {
        return NGX_DECLINED;
    }

    dst = ngx_pnalloc(r->pool, raw.len + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    value->data = dst;
    src = raw.data;

    ngx_unescape_uri(&dst, &src, raw.len, 0);

    value->len = dst - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_models_list(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_list_t *list)
{
    ai_buf_t            *b;
    ngx_str_t           *first, *last;
    ngx_uint_t           i;
    ngx_http_ai_json_t   js;

    ngx_http_ai_json_init(&js, r);

    b = ngx_http_ai_json_room(&js, 64);

    switch (ctx->route.dialect) {

    case AI_DIALECT_GEMINI:
        ai_buf_cstr(b, "{\"models\":[");
        break;

    case AI_DIALECT_ANTHROPIC:
        ai_buf_cstr(b, "{\"data\":[");
        break;

    default:
        ai_buf_cstr(b, "{\"object\":\"list\",\"data\":[");
        break;
    }

    for (i = 0; i < list->n; i++) {

        if (i) {
            ai_buf_char(ngx_http_ai_json_room(&js, 1), ',');
        }

        ngx_http_ai_models_write(&js, ctx->route.dialect, &list->listed[i]);
    }

    if (ctx->route.dialect != AI_DIALECT_ANTHROPIC) {
        ai_buf_cstr(ngx_http_ai_json_room(&js, 2), "]}");
        return ngx_http_ai_json_send(&js, NGX_HTTP_OK);
    }

    if (list->n == 0) {
        ai_buf_cstr(ngx_http_ai_json_room(&js, 64),
                    "],\"has_more\":false,\"first_id\":null,"
                    "\"last_id\":null}");
        return ngx_http_ai_json_send(&js, NGX_HTTP_OK);
    }

    first = list->listed[0].name;
    last = list->listed[list->n - 1].name;

    b = ngx_http_ai_json_room(&js, 64 + 6 * (first->len + last->len));

    ai_buf_cstr(b, "],\"has_more\":");
    ai_buf_cstr(b, list->more ? "true" : "false");
    ai_buf_cstr(b, ",\"first_id\":");
    ai_buf_json(b, first->data, first->len);
    ai_buf_cstr(b, ",\"last_id\":");
    ai_buf_json(b, last->data, last->len);
    ai_buf_char(b, '}');

    return ngx_http_ai_json_send(&js, NGX_HTTP_OK);
}


/* a model that is not allowed must look like one that does not exist */

static ngx_int_t
ngx_http_ai_models_one(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_str_t                 name;
    ai_error_t                e;
    ngx_http_ai_json_t        js;
    ngx_http_ai_listed_t      m;
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);

    name.len = ctx->route.model.len;
    name.data = ctx->route.model.data;

    m.name = &name;
    m.model = ngx_http_ai_model_find(mcf, &name);

    if (m.model == NULL
        || !ngx_http_ai_model_allowed(ctx->key, &m.model->sn.str))
    {
        ngx_memzero(&e, sizeof(ai_error_t));

        e.code = AI_ERR_NO_MODEL;
        e.model = ctx->route.model;
        e.retry_ms = -1;

        return ngx_http_ai_refuse(r, ctx, &e);
    }

    ngx_http_ai_json_init(&js, r);
    ngx_http_ai_models_write(&js, ctx->route.dialect, &m);

    rc = ngx_http_ai_json_send(&js, NGX_HTTP_OK);

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


static void
ngx_http_ai_models_write(ngx_http_ai_json_t *js, ai_dialect_t dialect,
    ngx_http_ai_listed_t *m)
{
    ai_buf_t  *b;

    b = ngx_http_ai_json_room(js, NGX_HTTP_AI_MODEL_SIZE
                                  + NGX_HTTP_AI_MODEL_NAMES * 6
                                    * m->name->len);

    switch (dialect) {

    case AI_DIALECT_GEMINI:
        ngx_http_ai_models_gemini(b, m,
                                  ngx_http_ai_price(
                                      ngx_http_ai_ctx(js->request), m->model));
        return;

    case AI_DIALECT_ANTHROPIC:
        ai_buf_cstr(b, "{\"type\":\"model\",\"id\":");
        ai_buf_json(b, m->name->data, m->name->len);
        ai_buf_cstr(b, ",\"display_name\":");
        ai_buf_json(b, m->name->data, m->name->len);
        ai_buf_cstr(b, ",\"created_at\":\"1970-01-01T00:00:00Z\"}");
        return;

    default:
        ai_buf_cstr(b, "{\"id\":");
        ai_buf_json(b, m->name->data, m->name->len);
        ai_buf_cstr(b, ",\"object\":\"model\",\"created\":0,"
                       "\"owned_by\":\"organization-owner\"}");
        return;
    }
}


static void
ngx_http_ai_models_gemini(ai_buf_t *b, ngx_http_ai_listed_t *m,
    const ai_price_t *price)
{
    u_char  *quote;

    ai_buf_cstr(b, "{\"name\":\"models/");

    /* "models/" and the name are one string: the name's own quote goes */

    quote = b->pos;
    ai_buf_json(b, m->name->data, m->name->len);

    if (!b->full) {
        ngx_memmove(quote, quote + 1, b->pos - quote - 1);
        b->pos--;
    }

    ai_buf_cstr(b, ",\"version\":\"001\",\"displayName\":");
    ai_buf_json(b, m->name->data, m->name->len);

    if (m->model->context) {
        ai_buf_cstr(b, ",\"inputTokenLimit\":");
        ai_buf_uint(b, m->model->context);
    }

    if (m->model->max_output) {
        ai_buf_cstr(b, ",\"outputTokenLimit\":");
        ai_buf_uint(b, m->model->max_output);
    }

    ai_buf_cstr(b, ",\"supportedGenerationMethods\":");

    if (ngx_http_ai_models_embeds(price)) {
        ai_buf_cstr(b, "[\"embedContent\",\"batchEmbedContents\","
                       "\"countTokens\"]}");
        return;
    }

    ai_buf_cstr(b, "[\"generateContent\",\"streamGenerateContent\","
                   "\"countTokens\"]}");
}


/* a model without a price for output makes none; without any price, who knows
   what it does */

static ngx_uint_t
ngx_http_ai_models_embeds(const ai_price_t *price)
{
    unsigned  i;

    if (price == NULL) {
        return 0;
    }

    for (i = 0; i < price->nlines; i++) {
        if (price->lines[i].given
            & (1 << AI_CLASS_OUTPUT | 1 << AI_CLASS_OUTPUT_AUDIO
               | 1 << AI_CLASS_OUTPUT_IMAGE))
        {
            return 0;
        }
    }

    return 1;
}
