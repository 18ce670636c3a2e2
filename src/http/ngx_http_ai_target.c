
/*
 * What the provider gets: the URL, the headers and the body.
 */


#include "ngx_http_ai_translate.h"


/* a header that the gateway sets; hashed when it is first sent */

typedef struct {
    ngx_str_t                  name;
    ngx_uint_t                 hash;
} ngx_http_ai_header_t;


static ngx_int_t ngx_http_ai_target_links(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ai_edit_t *edits, ngx_int_t n);
static ngx_uint_t ngx_http_ai_header_dropped(ngx_table_elt_t *h);
static void ngx_http_ai_header_put(ngx_table_elt_t **h,
    ngx_http_ai_header_t *header, ngx_str_t *value);
static ngx_chain_t **ngx_http_ai_link(ngx_pool_t *pool, ngx_chain_t **ll,
    u_char *data, size_t len);


#define NGX_HTTP_AI_URL_MAX   2048
#define NGX_HTTP_AI_EDIT_MAX  (256 + 2 * AI_MODEL_LEN * 6)


/*
 * Headers of the client that no provider gets: credentials, copies of what the
 * gateway sets, what would choose who pays, at which price or for which model
 * (WIRE-FORMATS 5.4), and what would leave the usage out of the answer (field
 * masks, ranges, conditions); the others pass.  A '*' at the end stands for
 * any rest.  By their first letters.
 */

static const ngx_str_t  ngx_http_ai_dropped_a[] = {
    ngx_string("accept-encoding"),
    ngx_string("anthropic-organization-id"),
    ngx_string("anthropic-user-profile-id"),
    ngx_string("anthropic-workspace-id"),
    ngx_string("api-key"),
    ngx_string("authorization"),
    ngx_string("azureml-*"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_ai_dropped_c[] = {
    ngx_string("chatgpt-account-id"),
    ngx_string("cookie"),
    ngx_string("content-encoding"),
    ngx_string("content-type"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_ai_dropped_f[] = {
    ngx_string("forwarded"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_ai_dropped_i[] = {
    ngx_string("idempotency-key"),
    ngx_string("if-*"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_ai_dropped_o[] = {
    ngx_string("ocp-apim-*"),
    ngx_string("openai-organization"),
    ngx_string("openai-project"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_ai_dropped_p[] = {
    ngx_string("proxy-*"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_ai_dropped_r[] = {
    ngx_string("range"),
    ngx_string("request-id"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_ai_dropped_t[] = {
    ngx_string("trailer"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_ai_dropped_v[] = {
    ngx_string("via"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_ai_dropped_x[] = {
    ngx_string("x-accel-*"),
    ngx_string("x-ai-*"),
    ngx_string("x-api-key"),
    ngx_string("x-forwarded*"),
    ngx_string("x-goog-*"),
    ngx_string("x-http-method*"),
    ngx_string("x-method-override"),
    ngx_string("x-ms-*"),
    ngx_string("x-original-*"),
    ngx_string("x-real-ip"),
    ngx_string("x-request-id"),
    ngx_string("x-rewrite-url"),
    ngx_string("x-should-retry"),
    ngx_string("x-tenant*"),
    ngx_string("x-vertex-*"),
    ngx_null_string
};

static const ngx_str_t *const  ngx_http_ai_dropped[26] = {
    ['a' - 'a'] = ngx_http_ai_dropped_a,
    ['c' - 'a'] = ngx_http_ai_dropped_c,
    ['f' - 'a'] = ngx_http_ai_dropped_f,
    ['i' - 'a'] = ngx_http_ai_dropped_i,
    ['o' - 'a'] = ngx_http_ai_dropped_o,
    ['p' - 'a'] = ngx_http_ai_dropped_p,
    ['r' - 'a'] = ngx_http_ai_dropped_r,
    ['t' - 'a'] = ngx_http_ai_dropped_t,
    ['v' - 'a'] = ngx_http_ai_dropped_v,
    ['x' - 'a'] = ngx_http_ai_dropped_x
};


static ngx_http_ai_header_t  ngx_http_ai_header_type =
    { ngx_string("content-type"), 0 };

static ngx_http_ai_header_t  ngx_http_ai_header_id =
    { ngx_string("x-request-id"), 0 };

static ngx_http_ai_header_t  ngx_http_ai_header_coding =
    { ngx_string("accept-encoding"), 0 };

static ngx_http_ai_header_t  ngx_http_ai_header_version =
    { ngx_string("anthropic-version"), 0 };

static ngx_http_ai_header_t  ngx_http_ai_header_tenant =
    { ngx_string("x-tenant-id"), 0 };

static ngx_http_ai_header_t  ngx_http_ai_header_plan =
    { ngx_string("x-tenant-plan"), 0 };


/* in the provider's own dialect, or translated to it */

ngx_int_t
ngx_http_ai_target_url(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    int                      rc;
    u_char                  *path;
    ai_buf_t                 b;
    ai_str_t                *version;
    ai_route_t              *to;
    ngx_http_ai_provider_t  *provider;
    static u_char            url[NGX_HTTP_AI_URL_MAX];

    provider = ctx->target->provider;

    ai_buf_init(&b, url, sizeof(url));
    ai_buf_str(&b, (ai_str_t *) &provider->scheme);
    ai_buf_put(&b, "://", 3);
    ai_buf_str(&b, (ai_str_t *) &provider->upstream);

    version = (ai_str_t *) &provider->api_version;

    if (ctx->route.deployment && ctx->route.version.len) {
        version = &ctx->route.version;
    }

    path = b.pos;
    ctx->sent_route = &ctx->route;

    rc = ai_route_build(&b, ctx->sent_route, provider->api,
                        (ai_str_t *) &provider->base,
                        (ai_str_t *) &ctx->target->model, version);

    if (rc == AI_DECLINED) {
        to = ngx_palloc(r->pool, sizeof(ai_route_t));
        if (to == NULL) {
            return NGX_ERROR;
        }

        rc = ai_translate_route(to, &ctx->route, provider->api, ctx->streamed);

        if (rc == AI_OK) {
            b.pos = path;
            ctx->sent_route = to;

            rc = ai_route_build(&b, to, provider->api,
                                (ai_str_t *) &provider->base,
                                (ai_str_t *) &ctx->target->model, version);
        }
    }

    if (rc != AI_OK || b.full) {
        return NGX_DECLINED;
    }

    ctx->pass.len = b.pos - url;
    ctx->pass.data = ngx_pnalloc(r->pool, ctx->pass.len);
    if (ctx->pass.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ctx->pass.data, url, ctx->pass.len);

    return NGX_OK;
}


/*
 * The body as links around the few bytes that change; all others are the
 * client's own.  Links keep start == pos, since a retry inside a group starts
 * from there.
 */

ngx_int_t
ngx_http_ai_target_body(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_request_t *rq, ai_rewrite_t *want)
{
    int            n;
    u_char        *text;
    size_t         len;
    ai_buf_t       b;
    ai_edit_t     *edits;
    ngx_int_t      i;
    ngx_uint_t     max;
    ai_edit_t      few[AI_EDITS_MAX];
    static u_char  scratch[NGX_HTTP_AI_EDIT_MAX];

    if (ngx_http_ai_translate_wanted(ctx)) {

        if (rq->max_output < 0 && want->max_output < 0) {
            want->max_output = ngx_http_ai_target_cap(ctx->target);
        }

        return ngx_http_ai_translate_request(r, ctx, want);
    }

    edits = few;
    max = AI_EDITS_MAX;

    if (rq->nested_models) {
        max += rq->nested_models;

        edits = ngx_palloc(r->pool, max * sizeof(ai_edit_t));
        if (edits == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ai_buf_init(&b, scratch, sizeof(scratch));

    n = ai_request_edit(rq, ctx->route.ep, ctx->body.data, ctx->body.len,
                        want, &b, edits, max);
    if (n < 0) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "ai request body could not be rewritten");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the inserted text lives as long as the request */

    len = b.pos - scratch;
    text = scratch;

    if (len) {
        text = ngx_pnalloc(r->pool, len);
        if (text == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memcpy(text, scratch, len);
    }

    for (i = 0; i < n; i++) {
        edits[i].ins.data = text + (edits[i].ins.data - scratch);
    }

    return ngx_http_ai_target_links(r, ctx, edits, n);
}


static ngx_int_t
ngx_http_ai_target_links(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_edit_t *edits, ngx_int_t n)
{
    size_t         pos, len;
    ngx_int_t      i;
    ngx_chain_t   *out, **ll;

    out = NULL;
    ll = &out;
    pos = 0;
    len = 0;

    for (i = 0; i < n && ll; i++) {

        ll = ngx_http_ai_link(r->pool, ll, ctx->body.data + pos,
                              edits[i].pos - pos);
        len += edits[i].pos - pos;

        if (ll) {
            ll = ngx_http_ai_link(r->pool, ll, edits[i].ins.data,
                                  edits[i].ins.len);
        }

        len += edits[i].ins.len;
        pos = edits[i].pos + edits[i].del;
    }

    if (ll) {
        ll = ngx_http_ai_link(r->pool, ll, ctx->body.data + pos,
                              ctx->body.len - pos);
        len += ctx->body.len - pos;
    }

    if (ll == NULL || out == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ((ngx_chain_t *) ((u_char *) ll - offsetof(ngx_chain_t, next)))
        ->buf->last_buf = 1;

    r->request_body->bufs = out;
    r->headers_in.content_length_n = len;

    return NGX_OK;
}


/*
 * Anthropic must be told a cap: where neither client, plan nor model has one,
 * what the target's own model can at most; -1: nobody knows, or needs it.
 */

int64_t
ngx_http_ai_target_cap(ngx_http_ai_target_t *t)
{
    if (t->provider->api != AI_DIALECT_ANTHROPIC || t->priced == NULL
        || t->priced->max_output == 0)
    {
        return -1;
    }

    return t->priced->max_output;
}


/* appends one link, none for no bytes; NULL: no memory */

static ngx_chain_t **
ngx_http_ai_link(ngx_pool_t *pool, ngx_chain_t **ll, u_char *data, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (len == 0) {
        return ll;
    }

    cl = ngx_alloc_chain_link(pool);
    if (cl == NULL) {
        return NULL;
    }

    b = ngx_calloc_buf(pool);
    if (b == NULL) {
        return NULL;
    }

    b->start = data;
    b->pos = data;
    b->last = data + len;
    b->end = b->last;
    b->memory = 1;

    cl->buf = b;
    cl->next = NULL;
    *ll = cl;

    return &cl->next;
}


/*
 * proxy_pass copies r->headers_in.headers: it gets a list of ours, and the
 * client's comes back as soon as the provider's request is made, so that
 * variables and logs see what the client sent.
 */

ngx_int_t
ngx_http_ai_target_headers(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t               i, n;
    ngx_list_part_t         *part;
    ngx_table_elt_t         *h, *to;
    ngx_http_ai_tenant_t    *tenant;
    ngx_http_ai_provider_t  *provider;
    static ngx_str_t         identity = ngx_string("identity");
    static ngx_str_t         version = ngx_string("2023-06-01");

    n = 6;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        n += part->nelts;
    }

    to = ngx_alloc(n * sizeof(ngx_table_elt_t), r->connection->log);
    if (to == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->elts = to;
    ctx->headers = r->headers_in.headers;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_ai_header_dropped(&h[i])) {
                continue;
            }

            *to++ = h[i];
        }
    }

    provider = ctx->target->provider;
    tenant = ctx->key->tenant;

    ngx_http_ai_header_put(&to, &ngx_http_ai_header_type, &ctx->type);
    ngx_http_ai_header_put(&to, &ngx_http_ai_header_id, &ctx->id);
    ngx_http_ai_header_put(&to, &ngx_http_ai_header_coding, &identity);

    if (ngx_http_ai_translate_wanted(ctx)
        && ctx->sent_route->dialect == AI_DIALECT_ANTHROPIC)
    {
        ngx_http_ai_header_put(&to, &ngx_http_ai_header_version, &version);
    }

    if (provider->identify) {
        ngx_http_ai_header_put(&to, &ngx_http_ai_header_tenant,
                               &tenant->sn.str);
        ngx_http_ai_header_put(&to, &ngx_http_ai_header_plan,
                               &tenant->plan->sn.str);
    }

    part = &r->headers_in.headers.part;
    part->elts = ctx->elts;
    part->nelts = to - (ngx_table_elt_t *) ctx->elts;
    part->next = NULL;
    r->headers_in.headers.last = part;

    return NGX_OK;
}


void
ngx_http_ai_target_headers_restore(ngx_http_ai_ctx_t *ctx)
{
    if (ctx->elts == NULL) {
        return;
    }

    ctx->request->headers_in.headers = ctx->headers;

    ngx_free(ctx->elts);
    ctx->elts = NULL;
}


/*
 * SERVER_REWRITE of a subrequest (a mirror, say), which has copied the head of
 * the main request while that one had our list: it gets the client's.
 */

ngx_int_t
ngx_http_ai_target_sub_handler(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t  *ctx;

    if (r == r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_ai_ctx(r->main);

    if (ctx && ctx->headers.part.elts) {
        r->headers_in.headers = ctx->headers;
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_ai_header_dropped(ngx_table_elt_t *h)
{
    u_char            c, third;
    size_t            i, len;
    const ngx_str_t  *name;

    if (h->key.len < 3
        || h->lowcase_key[0] < 'a' || h->lowcase_key[0] > 'z')
    {
        return 0;
    }

    name = ngx_http_ai_dropped[h->lowcase_key[0] - 'a'];

    if (name == NULL) {
        return 0;
    }

    third = h->lowcase_key[2] == '_' ? '-' : h->lowcase_key[2];

    for ( /* void */ ; name->len; name++) {

        /* the third letter tells nearly all of them apart */

        if (name->data[2] != third) {
            continue;
        }

        len = name->len;

        if (name->data[len - 1] == '*') {
            len--;

            if (h->key.len < len) {
                continue;
            }

        } else if (h->key.len != len) {
            continue;
        }

        if (ngx_memcmp(h->lowcase_key, name->data, len) == 0) {
            return 1;
        }

        /* with underscores_in_headers X_Tenant_Id is X-Tenant-Id to many */

        for (i = 1; i < len; i++) {
            c = h->lowcase_key[i] == '_' ? '-' : h->lowcase_key[i];

            if (c != name->data[i]) {
                break;
            }
        }

        if (i == len) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_ai_header_put(ngx_table_elt_t **h, ngx_http_ai_header_t *header,
    ngx_str_t *value)
{
    if (header->hash == 0) {
        header->hash = ngx_hash_key(header->name.data, header->name.len);
    }

    (*h)->key = header->name;
    (*h)->lowcase_key = header->name.data;
    (*h)->hash = header->hash;
    (*h)->value = *value;

    (*h)++;
}
