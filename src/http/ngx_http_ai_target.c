
/*
 * What the provider gets: the URL and the body.
 */


#include "ngx_http_ai_translate.h"


static ngx_int_t ngx_http_ai_target_links(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ai_edit_t *edits, ngx_int_t n);
static ngx_chain_t **ngx_http_ai_link(ngx_pool_t *pool, ngx_chain_t **ll,
    u_char *data, size_t len);


#define NGX_HTTP_AI_URL_MAX   2048
#define NGX_HTTP_AI_EDIT_MAX  (256 + 2 * AI_MODEL_LEN * 6)


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
