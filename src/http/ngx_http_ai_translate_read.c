
/*
 * The provider's bytes: a JSON body is collected and translated at its end, a
 * stream event by event; those that lie in one buffer, as nearly all do, are
 * read where they lie.
 */


#include "ngx_http_ai_translator.h"
#include "../core/ai_duration.h"
#include "../core/ai_out.h"


#define NGX_HTTP_AI_ERROR_LEN  256


static ngx_int_t ngx_http_ai_translate_events(ngx_http_ai_translate_t *t,
    ngx_buf_t *b);
static ngx_int_t ngx_http_ai_translate_event(ngx_http_ai_translate_t *t);
static ngx_int_t ngx_http_ai_translate_whole(ngx_http_ai_translate_t *t);
static ngx_int_t ngx_http_ai_translate_retry(ngx_http_request_t *r,
    int64_t retry_ms);
static ngx_int_t ngx_http_ai_translate_keep(ngx_http_ai_translate_t *t,
    const u_char *p, size_t len);
static ngx_int_t ngx_http_ai_translate_keep_piece(ngx_http_ai_translate_t *t);


ngx_int_t
ngx_http_ai_translate_buf(ngx_http_ai_translate_t *t, ngx_buf_t *b)
{
    ngx_int_t  rc;

    if (ngx_buf_size(b) == 0) {
        return NGX_OK;
    }

    if (!ngx_buf_in_memory(b)) {
        ngx_log_error(NGX_LOG_ALERT, t->request->connection->log, 0,
                      "ai answer to be translated is not in memory");
        return NGX_ERROR;
    }

    rc = t->events ? ngx_http_ai_translate_events(t, b)
                   : ngx_http_ai_translate_keep(t, b->pos, b->last - b->pos);

    b->pos = b->last;

    return rc;
}


static ngx_int_t
ngx_http_ai_translate_events(ngx_http_ai_translate_t *t, ngx_buf_t *b)
{
    size_t          len;
    ngx_int_t       rc;
    const ai_char  *p, *data;

    p = b->pos;

    for ( ;; ) {

        switch (ai_sse_next(&t->sse, &p, b->last, &data, &len)) {

        case AI_SSE_DATA:

            if (t->text.len == 0 && t->piece == NULL) {
                t->piece = data;
                t->piece_len = len;
                continue;
            }

            rc = ngx_http_ai_translate_keep_piece(t);

            if (rc == NGX_OK) {
                rc = ngx_http_ai_translate_keep(t, data, len);
            }

            break;

        case AI_SSE_LINE:
            rc = ngx_http_ai_translate_keep_piece(t);

            if (rc == NGX_OK) {
                rc = ngx_http_ai_translate_keep(t, (u_char *) "\n", 1);
            }

            break;

        case AI_SSE_EVENT:
            rc = ngx_http_ai_translate_event(t);
            break;

        case AI_SSE_BLANK:
            continue;

        default: /* AI_AGAIN */
            return ngx_http_ai_translate_keep_piece(t);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


static ngx_int_t
ngx_http_ai_translate_event(ngx_http_ai_translate_t *t)
{
    int       rc;
    ai_str_t  name, data;

    name.len = t->sse.name_len;
    name.data = t->sse.name;

    data.len = t->text.len;
    data.data = t->text.data;

    if (t->piece) {
        data.len = t->piece_len;
        data.data = (u_char *) t->piece;
    }

    t->piece = NULL;
    t->text.len = 0;

    if (data.len == 0) {
        return NGX_OK;
    }

    rc = ai_translate_stream_event(&t->stream, &t->out, &name, &data);

    if (rc == AI_DECLINED) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, t->request->connection->log, 0,
                       "ai translate: event dropped, \"%V\"", &name);
    }

    return (rc == AI_ERROR) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_http_ai_translate_end(ngx_http_ai_translate_t *t)
{
    int                 rc;
    ngx_http_ai_ctx_t  *ctx;

    if (!t->events) {
        return ngx_http_ai_translate_whole(t);
    }

    /* the last blank line is often left out */

    if (ngx_http_ai_translate_event(t) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx = t->ctx;

    rc = ai_translate_stream_end(&t->stream, &t->out,
                                 ctx->meter && ctx->meter->complete);

    return (rc == AI_ERROR) ? NGX_ERROR : NGX_OK;
}


/* a body, and what the head that has waited for it must say */

static ngx_int_t
ngx_http_ai_translate_whole(ngx_http_ai_translate_t *t)
{
    int                  rc;
    ngx_http_request_t  *r;
    ai_translate_told_t  told;

    r = t->request;

    rc = ai_translate_response(&t->out, &t->stream.from, &told, t->text.data,
                               t->text.len);

    if (rc == AI_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "ai provider \"%V\" sent no answer of its dialect",
                      &t->ctx->target->provider->name);

        ngx_http_ai_translate_none(t);
        return t->out.failed ? NGX_ERROR : NGX_OK;
    }

    if (t->text.data) {
        (void) ngx_pfree(r->pool, t->text.data);
        ngx_memzero(&t->text, sizeof(ngx_http_ai_text_t));
    }

    if (t->out.failed) {
        return NGX_ERROR;
    }

    r->headers_out.status = told.status;
    r->headers_out.content_length_n = t->size;

    return ngx_http_ai_translate_retry(r, told.retry_ms);
}


void
ngx_http_ai_translate_none(ngx_http_ai_translate_t *t)
{
    ai_buf_t             b;
    ai_char              text[NGX_HTTP_AI_ERROR_LEN];
    ai_error_t           e;
    ngx_http_request_t  *r;

    r = t->request;

    ngx_memzero(&e, sizeof(ai_error_t));

    e.code = AI_ERR_UPSTREAM;
    e.status = NGX_HTTP_BAD_GATEWAY;
    e.retry_ms = -1;

    ai_buf_init(&b, text, sizeof(text));
    ai_error_body(&b, &e, AI_DIALECT_OPENAI);

    ai_out_put(&t->out, text, b.pos - text);

    r->headers_out.status = NGX_HTTP_BAD_GATEWAY;
    r->headers_out.content_length_n = t->size;
}


/* Google says in the body when to come back; OpenAI's SDKs read the head */

static ngx_int_t
ngx_http_ai_translate_retry(ngx_http_request_t *r, int64_t retry_ms)
{
    ngx_str_t         value;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;
    static ngx_str_t  name = ngx_string("retry-after");

    if (retry_ms < 0) {
        return NGX_OK;
    }

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash && h[i].key.len == name.len
                && ngx_strncasecmp(h[i].key.data, name.data, name.len) == 0)
            {
                return NGX_OK;
            }
        }
    }

    value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%ui",
                            (ngx_uint_t) ai_duration_retry(retry_ms))
                - value.data;

    return ngx_http_ai_header_add(r, &name, &value);
}


static ngx_int_t
ngx_http_ai_translate_keep(ngx_http_ai_translate_t *t, const u_char *p,
    size_t len)
{
    if (len > t->max - t->text.len) {
        ngx_log_error(NGX_LOG_ERR, t->request->connection->log, 0,
                      "ai provider \"%V\" sent more than %uz bytes in one "
                      "piece", &t->ctx->target->provider->name, t->max);
        return NGX_ERROR;
    }

    t->text.pool = t->request->pool;

    return ngx_http_ai_text_put(&t->text, p, len) == AI_OK ? NGX_OK
                                                           : NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_translate_keep_piece(ngx_http_ai_translate_t *t)
{
    const u_char  *piece;

    piece = t->piece;

    if (piece == NULL) {
        return NGX_OK;
    }

    t->piece = NULL;

    return ngx_http_ai_translate_keep(t, piece, t->piece_len);
}
