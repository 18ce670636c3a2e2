
/*
 * A request in another dialect.
 */


#include "ngx_http_ai_translator.h"


#define NGX_HTTP_AI_TRANSLATE_MORE  1024


/* it is seldom much longer than the client's */

ngx_int_t
ngx_http_ai_translate_request(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_rewrite_t *rw)
{
    ai_out_t              out;
    ngx_buf_t            *b;
    const char           *param, *error;
    ngx_chain_t          *cl;
    ngx_http_ai_text_t    text;
    ai_translate_want_t   want;

    ngx_memzero(&want, sizeof(ai_translate_want_t));

    want.api = ctx->target->provider->api;
    want.model = rw->model;
    want.max_output = rw->max_output;
    want.stream = ctx->streamed;

    text.pool = r->pool;
    text.size = ctx->body.len + ctx->body.len / 4 + NGX_HTTP_AI_TRANSLATE_MORE;
    text.data = ngx_palloc(r->pool, text.size);
    text.len = 0;

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (text.data == NULL || b == NULL || cl == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&out, sizeof(ai_out_t));

    out.put = ngx_http_ai_text_put;
    out.data = &text;

    if (ai_translate_request(&out, &want, ctx->body.data, ctx->body.len,
                             &param, &error)
        != AI_OK)
    {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "ai request body could not be translated");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* a retry inside an upstream group starts from b->start */

    b->start = text.data;
    b->pos = text.data;
    b->last = text.data + text.len;
    b->end = b->last;
    b->memory = 1;
    b->last_buf = 1;

    cl->buf = b;
    cl->next = NULL;

    r->request_body->bufs = cl;
    r->headers_in.content_length_n = text.len;

    return NGX_OK;
}
