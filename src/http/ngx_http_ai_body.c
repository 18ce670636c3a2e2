
/*
 * The request's body in one piece of memory, copied as little as possible.
 */


#include "ngx_http_ai.h"


static void ngx_http_ai_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_body_join(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_int_t ngx_http_ai_body_close_gap(ngx_http_request_body_t *rb,
    ngx_str_t *body, size_t len);


ngx_int_t
ngx_http_ai_body_read(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (!ctx->read) {

        ctx->reading = 1;

        /* room for the part that came with the head, see close_gap() */

        r->request_body_in_single_buf = 1;

        rc = ngx_http_read_client_request_body(r, ngx_http_ai_body_handler);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        ngx_http_finalize_request(r, NGX_DONE);

        return NGX_DONE;
    }

    return ngx_http_ai_body_join(r, &ctx->body);
}


static void
ngx_http_ai_body_handler(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_ai_ctx(r);
    ctx->read = 1;

    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}


/*
 * The body comes as a chain: what was read with the head lies in the header's
 * buffer, the rest in rb->buf, one link a recv() but adjacent in memory;
 * chunked bodies may have gaps.
 */

static ngx_int_t
ngx_http_ai_body_join(ngx_http_request_t *r, ngx_str_t *body)
{
    size_t                    len;
    u_char                   *p;
    ngx_uint_t                adjacent;
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    body->len = 0;
    body->data = NULL;

    rb = r->request_body;

    if (rb == NULL || rb->bufs == NULL) {
        return NGX_OK;
    }

    len = 0;
    adjacent = 1;
    p = NULL;

    for (cl = rb->bufs; cl; cl = cl->next) {

        if (cl->buf->in_file) {
            ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                          "ai request body was written to a file, "
                          "check \"client_body_in_file_only\" and "
                          "\"client_body_buffer_size\"");
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (cl->buf->pos == cl->buf->last) {
            continue;
        }

        if (body->data == NULL) {
            body->data = cl->buf->pos;

        } else if (cl->buf->pos != p) {
            adjacent = 0;
        }

        p = cl->buf->last;
        len += cl->buf->last - cl->buf->pos;
    }

    body->len = len;

    if (adjacent || ngx_http_ai_body_close_gap(rb, body, len) == NGX_OK) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body->data = p;

    for (cl = rb->bufs; cl; cl = cl->next) {

        /* the last one of HTTP/2 is at no address at all */

        if (cl->buf->pos != cl->buf->last) {
            p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
        }
    }

    return NGX_OK;
}


/*
 * The usual large body is two pieces: a few bytes in the header's buffer, all
 * else at the start of rb->buf, which request_body_in_single_buf made larger
 * by just those bytes: move it up and put them in front.
 */

static ngx_int_t
ngx_http_ai_body_close_gap(ngx_http_request_body_t *rb, ngx_str_t *body,
    size_t len)
{
    u_char       *p;
    size_t        head, rest;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = rb->buf;
    cl = rb->bufs;

    if (b == NULL || (size_t) (b->end - b->start) < len) {
        return NGX_DECLINED;
    }

    head = cl->buf->last - cl->buf->pos;
    rest = len - head;
    p = b->start;

    for (cl = cl->next; cl; cl = cl->next) {

        if (cl->buf->pos == cl->buf->last) {
            continue;
        }

        if (cl->buf->pos != p) {
            return NGX_DECLINED;
        }

        p = cl->buf->last;
    }

    if ((size_t) (p - b->start) != rest) {
        return NGX_DECLINED;
    }

    ngx_memmove(b->start + head, b->start, rest);
    ngx_memcpy(b->start, body->data, head);

    body->data = b->start;

    return NGX_OK;
}
