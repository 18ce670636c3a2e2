
/*
 * The gateway's own JSON answers: bodies written front to back into a chain of
 * buffers, and the one place that sends them.
 */


#include "ngx_http_ai.h"


#define NGX_HTTP_AI_JSON_PIECE  8192


static ngx_int_t ngx_http_ai_answer(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, off_t size, ngx_chain_t *out);


static ngx_str_t  ngx_http_ai_json_type = ngx_string("application/json");


void
ngx_http_ai_json_init(ngx_http_ai_json_t *js, ngx_http_request_t *r)
{
    ngx_memzero(js, sizeof(ngx_http_ai_json_t));

    js->request = r;
    js->type = ngx_http_ai_json_type;
    js->last = &js->out;
    js->b.full = 1;
}


/* the buffer being written gets the bytes that b holds */

static void
ngx_http_ai_json_end_piece(ngx_http_ai_json_t *js)
{
    if (js->buf == NULL) {
        return;
    }

    if (js->b.full) {
        js->failed = 1;
        return;
    }

    js->buf->last = js->b.pos;
    js->size += js->buf->last - js->buf->pos;
}


ai_buf_t *
ngx_http_ai_json_room(ngx_http_ai_json_t *js, size_t n)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (js->buf && !js->b.full && (size_t) (js->b.end - js->b.pos) >= n) {
        return &js->b;
    }

    ngx_http_ai_json_end_piece(js);

    js->buf = NULL;
    js->b.end = js->b.pos;
    js->b.full = 1;

    if (js->failed) {
        return &js->b;
    }

    n = ngx_max(n, NGX_HTTP_AI_JSON_PIECE);

    b = ngx_create_temp_buf(js->request->pool, n);
    cl = ngx_alloc_chain_link(js->request->pool);

    if (b == NULL || cl == NULL) {
        js->failed = 1;
        return &js->b;
    }

    cl->buf = b;
    cl->next = NULL;

    *js->last = cl;
    js->last = &cl->next;

    js->buf = b;
    ai_buf_init(&js->b, b->pos, n);

    return &js->b;
}


ngx_int_t
ngx_http_ai_json_send(ngx_http_ai_json_t *js, ngx_uint_t status)
{
    ngx_http_ai_json_end_piece(js);

    if (js->failed || js->buf == NULL) {
        ngx_log_error(NGX_LOG_ALERT, js->request->connection->log, 0,
                      "ai answer could not be written");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_ai_answer(js->request, status, &js->type, js->size,
                              js->out);
}


ngx_int_t
ngx_http_ai_send_json(ngx_http_request_t *r, ngx_uint_t status, ngx_buf_t *b)
{
    ngx_int_t    rc;
    ngx_chain_t  out;

    out.buf = b;
    out.next = NULL;

    rc = ngx_http_ai_answer(r, status, &ngx_http_ai_json_type,
                            b->last - b->pos, &out);

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


void
ngx_http_ai_answer_head(ngx_http_request_t *r, off_t size)
{
    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    if (r->headers_out.content_encoding) {
        r->headers_out.content_encoding->hash = 0;
        r->headers_out.content_encoding = NULL;
    }

    ngx_str_null(&r->headers_out.status_line);
    ngx_str_null(&r->headers_out.charset);

    r->disable_not_modified = 1;

    r->headers_out.content_type = ngx_http_ai_json_type;
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = size;
}


static ngx_int_t
ngx_http_ai_answer(ngx_http_request_t *r, ngx_uint_t status, ngx_str_t *type,
    off_t size, ngx_chain_t *out)
{
    ngx_int_t           rc;
    ngx_chain_t        *cl;
    ngx_http_ai_ctx_t  *ctx;

    /* an early answer: a client that waits for 100 is told the end at once */
    r->expect_tested = 1;

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    ctx = ngx_http_ai_ctx(r);

    if (ctx) {
        ctx->refused = 1;

        if (ngx_http_ai_headers_own(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_ai_answer_head(r, size);
    ngx_http_clear_location(r);

    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;

    /* left behind by a provider's 401 */

    if (r->headers_out.www_authenticate) {
        r->headers_out.www_authenticate->hash = 0;
        r->headers_out.www_authenticate = NULL;
    }

    r->headers_out.status = status;
    r->err_status = 0;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    for (cl = out; cl->next; cl = cl->next) { /* void */ }

    cl->buf->last_buf = (r == r->main) ? 1 : 0;
    cl->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, out);
}
