
/*
 * An answer of another dialect, as the client's.  A stream is translated event
 * by event.  A JSON body is translated at its end, and the head waits for it:
 * what came with a status of success may be an error, or nothing at all.
 */


#include "ngx_http_ai_translator.h"


#define NGX_HTTP_AI_BODY_MAX   (16 * 1024 * 1024)
#define NGX_HTTP_AI_EVENT_MAX  (1024 * 1024)

/* ours that the client has not taken yet, before more is made of it */

#define NGX_HTTP_AI_BUSY_MAX   65536


static void ngx_http_ai_translate_type(ngx_http_request_t *r,
    ngx_uint_t events);
static ngx_uint_t ngx_http_ai_translate_is_late(ngx_http_ai_translate_t *t,
    ngx_chain_t *out);


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

    } else if (r->headers_out.status != NGX_HTTP_OK
               || kind == AI_BODY_OPAQUE
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

    ctx->headless = !t->events;

    return t->events ? NGX_OK : NGX_DONE;
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
    t->size = 0;

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

    if (ctx->headless && !marks.last_buf) {

        /* nginx flushes what there is when the provider has cut its answer */

        if (r->upstream->cleanup) {
            return NGX_OK;
        }

        ngx_http_ai_translate_none(t);
        marks.last_buf = 1;
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
