
/*
 * An answer of another dialect, as the client's.  A JSON body is collected and
 * translated at its end, a stream event by event: those that lie in one
 * buffer, as nearly all do, are read where they lie.
 */


#include "ngx_http_ai_translate.h"


#define NGX_HTTP_AI_BODY_MAX   (16 * 1024 * 1024)
#define NGX_HTTP_AI_EVENT_MAX  (1024 * 1024)
#define NGX_HTTP_AI_KEEP_SIZE  4096

/* ours that the client has not taken yet, before more is made of it */

#define NGX_HTTP_AI_BUSY_MAX   65536


struct ngx_http_ai_translate_s {
    ai_translate_stream_t      stream;      /* its "from" is also a body's */
    ai_out_t                   out;
    ai_sse_t                   sse;
    ngx_http_request_t        *request;
    ngx_http_ai_ctx_t         *ctx;

    u_char                    *data;        /* the body, or the open event */
    size_t                     len;
    size_t                     size;
    size_t                     max;
    const u_char              *piece;       /* the open event, as long as it is
                                               one piece of the buffer */
    size_t                     piece_len;

    ngx_chain_t               *in;          /* what waits for the client */
    ngx_chain_t              **last;        /* of the chain that goes out */
    ngx_buf_t                 *buf;
    unsigned                   events:1;
};

typedef struct ngx_http_ai_translate_s  ngx_http_ai_translate_t;


static void ngx_http_ai_translate_type(ngx_http_request_t *r,
    ngx_uint_t events);
static ngx_uint_t ngx_http_ai_translate_is_late(ngx_http_ai_translate_t *t,
    ngx_chain_t *out);
static ngx_int_t ngx_http_ai_translate_buf(ngx_http_ai_translate_t *t,
    ngx_buf_t *b);
static ngx_int_t ngx_http_ai_translate_events(ngx_http_ai_translate_t *t,
    ngx_buf_t *b);
static ngx_int_t ngx_http_ai_translate_event(ngx_http_ai_translate_t *t);
static ngx_int_t ngx_http_ai_translate_end(ngx_http_ai_translate_t *t);
static ngx_int_t ngx_http_ai_translate_keep(ngx_http_ai_translate_t *t,
    const u_char *p, size_t len);
static ngx_int_t ngx_http_ai_translate_keep_piece(ngx_http_ai_translate_t *t);
static int ngx_http_ai_translate_put(void *data, const ai_char *p,
    size_t len);
static ngx_int_t ngx_http_ai_translate_room(ngx_http_ai_translate_t *t);
static ngx_int_t ngx_http_ai_translate_mark(ngx_http_ai_translate_t *t,
    ngx_buf_t *marks);


ngx_uint_t
ngx_http_ai_translate_wanted(ngx_http_ai_ctx_t *ctx)
{
    return ctx->sent_route != &ctx->route;
}


ngx_int_t
ngx_http_ai_translate_head(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ai_body_t                 kind;
    ai_dialect_t              api;
    ai_translate_from_t       from;
    ngx_http_ai_translate_t  *t;

    api = ctx->target->provider->api;
    kind = ngx_http_ai_body_kind(r, ctx);

    if (r->headers_out.status >= NGX_HTTP_BAD_REQUEST) {
        kind = AI_BODY_JSON;

    } else if (kind == AI_BODY_OPAQUE
               || (kind == AI_BODY_JSON
                   && r->headers_out.content_length_n > NGX_HTTP_AI_BODY_MAX))
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "ai provider \"%V\" sent an answer that cannot be "
                      "translated", &ctx->target->provider->name);
        return NGX_HTTP_BAD_GATEWAY;
    }

    t = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_translate_t));
    if (t == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&from, sizeof(ai_translate_from_t));

    from.api = api;
    from.status = r->headers_out.status;
    from.model.len = ctx->target->model.len;
    from.model.data = ctx->target->model.data;
    from.created = ctx->admitted_s;
    from.id.len = ctx->id.len;
    from.id.data = ctx->id.data;
    from.meter = ctx->meter;
    from.usage = ctx->usage_asked;

    ai_translate_stream_init(&t->stream, &from);
    ai_sse_init(&t->sse);

    t->request = r;
    t->ctx = ctx;
    t->out.put = ngx_http_ai_translate_put;
    t->out.data = t;
    t->events = (kind == AI_BODY_SSE);
    t->max = t->events ? NGX_HTTP_AI_EVENT_MAX : NGX_HTTP_AI_BODY_MAX;

    ctx->translate = t;
    ctx->drop_usage = 0;

    r->filter_need_in_memory = 1;

    ngx_http_ai_translate_type(r, t->events);

    return NGX_OK;
}


static void
ngx_http_ai_translate_type(ngx_http_request_t *r, ngx_uint_t events)
{
    static ngx_str_t  type = ngx_string("text/event-stream");
    static ngx_str_t  charset = ngx_string("utf-8");

    ngx_http_ai_answer_head(r, -1);

    if (events) {
        r->headers_out.content_type = type;
        r->headers_out.content_type_len = type.len;
        r->headers_out.charset = charset;
    }
}


ngx_int_t
ngx_http_ai_translate_chain(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_chain_t *in, ngx_chain_t **out)
{
    ngx_int_t                 rc;
    ngx_buf_t                *b, marks;
    ngx_chain_t              *cl;
    ngx_http_ai_translate_t  *t;

    t = ctx->translate;

    *out = NULL;
    t->last = out;
    t->buf = NULL;

    if (in && ngx_chain_add_copy(r->pool, &t->in, in) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&marks, sizeof(ngx_buf_t));

    while (t->in) {

        b = t->in->buf;

        if (ngx_buf_size(b) && ngx_http_ai_translate_is_late(t, *out)) {
            break;
        }

        cl = t->in;
        t->in = cl->next;
        ngx_free_chain(r->pool, cl);

        marks.flush |= (b->flush && ngx_buf_size(b) == 0);
        marks.last_buf |= b->last_buf;
        marks.last_in_chain |= b->last_in_chain;

        if (ngx_http_ai_translate_buf(t, b) != NGX_OK) {
            return NGX_ERROR;
        }

        if (b->last_buf && ngx_http_ai_translate_end(t) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rc = ngx_http_ai_translate_mark(t, &marks);

    return (rc == NGX_OK && t->in) ? NGX_AGAIN : rc;
}


/* whether the client has enough to take already */

static ngx_uint_t
ngx_http_ai_translate_is_late(ngx_http_ai_translate_t *t, ngx_chain_t *out)
{
    off_t         size;
    ngx_chain_t  *cl;

    size = 0;

    for (cl = t->ctx->busy; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    for (cl = out; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    return size > NGX_HTTP_AI_BUSY_MAX;
}


static ngx_int_t
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

            if (t->len == 0 && t->piece == NULL) {
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

    data.len = t->len;
    data.data = t->data;

    if (t->piece) {
        data.len = t->piece_len;
        data.data = (u_char *) t->piece;
    }

    t->piece = NULL;
    t->len = 0;

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


static ngx_int_t
ngx_http_ai_translate_end(ngx_http_ai_translate_t *t)
{
    int                 rc;
    ngx_http_ai_ctx_t  *ctx;

    ctx = t->ctx;

    if (t->events) {

        /* the last blank line is often left out */

        if (ngx_http_ai_translate_event(t) != NGX_OK) {
            return NGX_ERROR;
        }

        rc = ai_translate_stream_end(&t->stream, &t->out,
                                     ctx->meter && ctx->meter->complete);

        return (rc == AI_ERROR) ? NGX_ERROR : NGX_OK;
    }

    rc = ai_translate_response(&t->out, &t->stream.from, t->data, t->len);

    if (rc == AI_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, t->request->connection->log, 0,
                      "ai provider \"%V\" sent no answer of its dialect",
                      &ctx->target->provider->name);
    }

    if (t->data) {
        (void) ngx_pfree(t->request->pool, t->data);
        t->data = NULL;
        t->len = 0;
        t->size = 0;
    }

    return (rc == AI_OK) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_translate_keep(ngx_http_ai_translate_t *t, const u_char *p,
    size_t len)
{
    u_char              *data;
    size_t               size;
    ngx_http_request_t  *r;

    r = t->request;

    if (len > t->max - t->len) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "ai provider \"%V\" sent more than %uz bytes in one "
                      "piece", &t->ctx->target->provider->name, t->max);
        return NGX_ERROR;
    }

    if (len > t->size - t->len) {

        size = t->size ? 2 * t->size : NGX_HTTP_AI_KEEP_SIZE;
        size = ngx_max(size, t->len + len);

        /* more than a page: not of the pool's blocks, and can be freed */

        data = ngx_palloc(r->pool, size);
        if (data == NULL) {
            return NGX_ERROR;
        }

        if (t->data) {
            ngx_memcpy(data, t->data, t->len);
            (void) ngx_pfree(r->pool, t->data);
        }

        t->data = data;
        t->size = size;
    }

    ngx_memcpy(t->data + t->len, p, len);
    t->len += len;

    return NGX_OK;
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


static int
ngx_http_ai_translate_put(void *data, const ai_char *p, size_t len)
{
    size_t                    n;
    ngx_http_ai_translate_t  *t;

    t = data;

    while (len) {

        if ((t->buf == NULL || t->buf->last == t->buf->end)
            && ngx_http_ai_translate_room(t) != NGX_OK)
        {
            return AI_ERROR;
        }

        n = ngx_min(len, (size_t) (t->buf->end - t->buf->last));

        t->buf->last = ngx_cpymem(t->buf->last, p, n);
        p += n;
        len -= n;
    }

    return AI_OK;
}


static ngx_int_t
ngx_http_ai_translate_room(ngx_http_ai_translate_t *t)
{
    ngx_buf_t    *b;
    ngx_pool_t   *pool;
    ngx_chain_t  *cl;

    pool = t->request->pool;

    cl = ngx_chain_get_free_buf(pool, &t->ctx->free);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    b = cl->buf;

    if (b->start == NULL) {
        b->start = ngx_palloc(pool, NGX_HTTP_AI_KEEP_SIZE);
        if (b->start == NULL) {
            return NGX_ERROR;
        }

        b->end = b->start + NGX_HTTP_AI_KEEP_SIZE;
    }

    b->pos = b->start;
    b->last = b->start;
    b->temporary = 1;
    b->flush = 0;
    b->last_buf = 0;
    b->last_in_chain = 0;
    b->tag = (ngx_buf_tag_t) &ngx_http_ai_tenant_module;

    cl->next = NULL;
    *t->last = cl;
    t->last = &cl->next;
    t->buf = b;

    return NGX_OK;
}


/* what the sender's buffers said besides their bytes */

static ngx_int_t
ngx_http_ai_translate_mark(ngx_http_ai_translate_t *t, ngx_buf_t *marks)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = t->buf;

    if (b == NULL) {

        if (!marks->flush && !marks->last_buf && !marks->last_in_chain) {
            return NGX_OK;
        }

        b = ngx_calloc_buf(t->request->pool);
        cl = ngx_alloc_chain_link(t->request->pool);

        if (b == NULL || cl == NULL) {
            return NGX_ERROR;
        }

        b->sync = 1;

        cl->buf = b;
        cl->next = NULL;
        *t->last = cl;
    }

    b->flush = marks->flush || (t->buf && t->events);
    b->last_buf = marks->last_buf;
    b->last_in_chain = marks->last_in_chain;

    return NGX_OK;
}
