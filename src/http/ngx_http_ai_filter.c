
/*
 * The answer on its way to the client: its headers, and its usage read from
 * the bytes as they pass.  Nothing is held back or changed, save one event
 * that the gateway itself asked for.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_cache.h"
#include "ngx_http_ai_translate.h"


static ngx_int_t ngx_http_ai_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_answer(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_meter_start(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_ai_answer_body(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_chain_t *in);
static void ngx_http_ai_observe(ngx_http_ai_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_ai_translated(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_ai_forward(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_chain_t *out);
static void ngx_http_ai_swallow(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_chain_t *out);
static void ngx_http_ai_consume(ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_ai_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_ai_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_ai_body_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_header_filter(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_ai_ctx_t       *ctx;
    ngx_http_ai_loc_conf_t  *alcf;
    ngx_http_ai_srv_conf_t  *ascf;

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_ai_tenant_module);

    if (!ascf->gateway || r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_ai_ctx(r);

    if (ctx && ctx->refused) {
        return ngx_http_next_header_filter(r);
    }

    if (r->err_status >= NGX_HTTP_BAD_REQUEST) {

        /* nginx's own page; an error in the head comes before any location */

        alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_tenant_module);

        if ((ctx || alcf->gateway || r->phase_handler == 0)
            && ngx_http_ai_page_header(r) != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_http_next_header_filter(r);
    }

    if (ctx && (ctx->sent || ngx_http_ai_cached(r)) && r->upstream) {

        rc = ngx_http_ai_answer(r, ctx);

        if (rc != NGX_OK) {
            return rc == NGX_DONE ? NGX_OK : rc;
        }
    }

    return ngx_http_next_header_filter(r);
}


/* a provider's answer: its head; NGX_DONE: it waits for the body */

static ngx_int_t
ngx_http_ai_answer(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ctx->answered = 1;
    ctx->first_byte = ngx_current_msec - ctx->started;

    if (ngx_http_ai_cached(r)) {
        ngx_http_ai_cache_hit(r, ctx);

    } else {
        ngx_http_ai_attempt_accept(r, ctx->attempt);
    }

    ngx_http_ai_headers_strip(r);

    if (ngx_http_ai_headers_own(r, ctx) != NGX_OK
        || ngx_http_ai_headers_route(r, ctx) != NGX_OK
        || ngx_http_ai_meter_start(r, ctx) != NGX_OK
        || ngx_http_ai_cache_answer(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_ai_translate_wanted(ctx)) {
        return ngx_http_ai_translate_head(r, ctx);
    }

    if (ctx->drop_usage) {
        ngx_http_clear_content_length(r);
        ngx_http_clear_accept_ranges(r);
        ngx_http_weak_etag(r);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_meter_start(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ai_body_t  kind;

    kind = ngx_http_ai_body_kind(r, ctx);

    if (kind != AI_BODY_SSE) {
        ctx->drop_usage = 0;
    }

    if (kind == AI_BODY_OPAQUE) {
        return NGX_OK;
    }

    if (ngx_http_ai_meter_get(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ai_meter_init(ctx->meter, ctx->sent_route->dialect, ctx->sent_route->ep,
                  kind);

    r->filter_need_in_memory = 1;

    return NGX_OK;
}


ai_body_t
ngx_http_ai_body_kind(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_str_t        *type, *coding;
    ngx_table_elt_t  *h;

    h = r->headers_out.content_encoding;

    if (h && h->hash && h->value.len) {
        coding = &h->value;

        if (coding->len != sizeof("identity") - 1
            || ngx_strncasecmp(coding->data, (u_char *) "identity",
                               coding->len)
               != 0)
        {
            return AI_BODY_OPAQUE;
        }
    }

    type = &r->headers_out.content_type;

    if (type->len >= sizeof("text/event-stream") - 1
        && ngx_strncasecmp(type->data, (u_char *) "text/event-stream",
                           sizeof("text/event-stream") - 1)
           == 0)
    {
        return AI_BODY_SSE;
    }

    if (r->headers_out.status >= NGX_HTTP_BAD_REQUEST) {

        /* an error may call itself anything */

        return AI_BODY_JSON;
    }

    if (ctx->sent_route->ep == AI_EP_STREAM_GENERATE
        && !ctx->sent_route->sse)
    {
        return AI_BODY_JSON_ARRAY;
    }

    if (type->len == 0
        || ai_str_is(type, "application/json")
        || ngx_strlcasestrn(type->data, type->data + type->len,
                            (u_char *) "json", sizeof("json") - 2))
    {
        return AI_BODY_JSON;
    }

    return AI_BODY_OPAQUE;
}


static ngx_int_t
ngx_http_ai_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t           rc;
    ngx_uint_t          last;
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_tenant_module);

    if (ctx == NULL || r != r->main) {
        return ngx_http_next_body_filter(r, in);
    }

    if (in == NULL && ctx->translate) {
        return ngx_http_ai_translated(r, ctx, NULL);
    }

    if (in == NULL) {
        return ctx->drain && ctx->answered ? ngx_http_ai_forward(r, ctx, NULL)
                                           : ngx_http_next_body_filter(r, NULL);
    }

    if (ctx->replaced) {
        rc = ngx_http_ai_page_body(r, in, ngx_http_next_body_filter);
        last = 1;

    } else if (!ctx->answered || ctx->refused) {

        /* our own answer, also after attempts */

        rc = ngx_http_next_body_filter(r, in);
        last = ctx->refused;

    } else {
        rc = ngx_http_ai_answer_body(r, ctx, in);
        last = ctx->last_seen;
    }

    /* all was sent: a lingering close may keep the log phase for long */

    if (rc == NGX_OK && last) {
        ngx_http_ai_end(ctx);
    }

    return rc;
}


/* of a provider: metered, and settled as soon as its usage is known */

static ngx_int_t
ngx_http_ai_answer_body(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_int_t     rc;
    ngx_chain_t  *cl, *out;

    for (cl = in; cl; cl = cl->next) {
        ctx->response_bytes += ngx_buf_size(cl->buf);
    }

    if (ctx->drop_usage && ctx->meter) {

        rc = ngx_http_ai_sift(r, ctx, in, &out);
        if (rc != NGX_OK) {
            return rc;
        }

    } else {
        ngx_http_ai_observe(ctx, in);
        out = in;
    }

    if (ctx->meter && ctx->meter->complete) {
        ngx_http_ai_settle(ctx);

    } else if (ctx->meter && ctx->meter->dirty) {
        ctx->meter->dirty = 0;
        ngx_http_ai_settle_run(ctx);
    }

    if (ctx->translate) {
        return ngx_http_ai_translated(r, ctx, in);
    }

    return out ? ngx_http_ai_forward(r, ctx, out) : NGX_OK;
}


/* reads the bytes as they pass */

static void
ngx_http_ai_observe(ngx_http_ai_ctx_t *ctx, ngx_chain_t *in)
{
    unsigned        drop;
    const ai_char  *p;

    for ( /* void */ ; in; in = in->next) {

        if (ctx->meter && ngx_buf_in_memory(in->buf)) {
            p = in->buf->pos;

            while (p < in->buf->last
                   && ai_meter_feed(ctx->meter, &p, in->buf->last, &drop)
                      == AI_DONE)
            {
                /* void */
            }
        }

        if (in->buf->last_buf) {
            ctx->last_seen = 1;

            if (ctx->meter) {
                ai_meter_end(ctx->meter, 1);
            }
        }
    }
}


/*
 * As much of the answer as the client keeps up with: what it does not is left
 * in the upstream's buffers, and no more is read from the provider.
 */

static ngx_int_t
ngx_http_ai_translated(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_int_t     rc;
    ngx_chain_t  *out;

    if (in == NULL) {

        rc = ngx_http_ai_forward(r, ctx, NULL);
        if (rc == NGX_ERROR) {
            return rc;
        }
    }

    for ( ;; ) {

        if (ctx->drain && (ctx->client_gone || r->connection->error)) {
            ngx_http_ai_swallow(r, ctx, in);
            return NGX_OK;
        }

        rc = ngx_http_ai_translate_chain(r, ctx, in, &out);

        if (rc == NGX_ERROR || out == NULL) {
            return rc;
        }

        if (ctx->headless) {
            ctx->headless = 0;

            if (ngx_http_next_header_filter(r) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        in = NULL;

        if (rc == NGX_OK) {
            return ngx_http_ai_forward(r, ctx, out);
        }

        /* NGX_AGAIN: there is more; it waits for the client, or goes on */

        rc = ngx_http_ai_forward(r, ctx, out);

        if (rc == NGX_ERROR) {
            return rc;
        }
    }
}


/*
 * To the next filter.  With on_abort drain the answer is read to its end for
 * its usage although the client has gone.
 */

static ngx_int_t
ngx_http_ai_forward(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_chain_t *out)
{
    ngx_int_t  rc;

    rc = NGX_ERROR;

    if (!ctx->drain || !(ctx->client_gone || r->connection->error)) {
        rc = ngx_http_next_body_filter(r, out);
    }

    if (rc == NGX_ERROR && ctx->drain) {
        ngx_http_ai_swallow(r, ctx, out);
        rc = NGX_OK;
    }

    if (ctx->drop_usage || ctx->translate) {
        ngx_chain_update_chains(r->pool, &ctx->free, &ctx->busy, &out,
                                (ngx_buf_tag_t) &ngx_http_ai_tenant_module);
    }

    return rc;
}


/*
 * Takes bytes in the client's stead, also those that wait in the upstream's
 * chains: it reads no more until they are gone.  Frames of HTTP/2 that are
 * queued still point to them, and go out or end with the connection.
 */

static void
ngx_http_ai_swallow(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_chain_t *out)
{
    ngx_http_upstream_t  *u;

    ctx->client_gone = 1;
    r->connection->error = 1;

    ngx_http_ai_consume(out);

#if (NGX_HTTP_V2)
    if (r->stream && r->stream->queued) {
        return;
    }
#endif

    u = r->upstream;

    ngx_http_ai_consume(u->busy_bufs);

    if (u->buffering && u->pipe) {
        ngx_http_ai_consume(u->pipe->busy);
    }
}


static void
ngx_http_ai_consume(ngx_chain_t *in)
{
    for ( /* void */ ; in; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }
}
