
/*
 * Leaves the one event out of a stream that the gateway itself asked for.
 */


#include "ngx_http_ai.h"


/* an event that may have to be dropped is never longer than this */

#define NGX_HTTP_AI_HELD_MAX  4096


static ngx_int_t ngx_http_ai_sift_buf(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_buf_t *b, ngx_chain_t ***ll);
static ngx_int_t ngx_http_ai_hold(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, u_char *p, size_t len);
static ngx_int_t ngx_http_ai_release(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_chain_t ***ll);
static ngx_int_t ngx_http_ai_pass(ngx_http_request_t *r, ngx_chain_t ***ll,
    ngx_buf_t *b);


/*
 * Meters and leaves the usage event out.  Complete events are compacted
 * where they lie; the beginning of an incomplete one is copied away until its
 * end decides.  The chain's links stay the sender's: emptied buffers are
 * consumed, the others are passed on in links of our own.
 */

ngx_int_t
ngx_http_ai_sift(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_chain_t *in, ngx_chain_t **out)
{
    ngx_buf_t     *b;
    ngx_chain_t  **ll;

    *out = NULL;
    ll = out;

    for ( /* void */ ; in; in = in->next) {

        b = in->buf;

        if (ngx_buf_in_memory(b) && b->pos < b->last) {
            if (ngx_http_ai_sift_buf(r, ctx, b, &ll) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        if (b->last_buf) {
            ctx->last_seen = 1;
            ai_meter_end(ctx->meter, 1);

            if (ngx_http_ai_release(r, ctx, &ll) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        if (ngx_buf_in_memory(b) && b->pos == b->last) {

            if (!b->last_buf && !b->last_in_chain) {
                continue;
            }

            /* an empty one in memory is an error further on */

            b = ngx_calloc_buf(r->pool);
            if (b == NULL) {
                return NGX_ERROR;
            }

            b->last_buf = in->buf->last_buf;
            b->last_in_chain = in->buf->last_in_chain;
            b->sync = 1;
        }

        if (ngx_http_ai_pass(r, &ll, b) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_sift_buf(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_buf_t *b, ngx_chain_t ***ll)
{
    int             rc;
    u_char         *event, *to, *end;
    unsigned        drop;
    const ai_char  *p;

    p = b->pos;
    to = b->pos;

    /* the LF of an event whose CR ended the last buffer goes its way */

    if (ctx->after_cr && *p == LF) {
        (void) ai_meter_feed(ctx->meter, &p, p + 1, &drop);
        to += !ctx->skip_lf;
    }

    ctx->after_cr = 0;

    while (p < b->last) {

        event = (u_char *) p;
        drop = 0;

        rc = ai_meter_feed(ctx->meter, &p, b->last, &drop);
        end = (u_char *) p;

        ctx->after_cr = (rc == AI_DONE && end[-1] == CR);

        if (rc != AI_DONE && !ctx->oversized) {

            if (ngx_http_ai_hold(r, ctx, event, end - event) == NGX_OK) {
                break;
            }

            ctx->oversized = 1;
        }

        ctx->skip_lf = (rc == AI_DONE && drop && !ctx->oversized);

        if (ctx->skip_lf) {

            if (ctx->held) {
                ctx->held->buf->last = ctx->held->buf->pos;
            }

            continue;
        }

        if (rc == AI_DONE) {
            ctx->oversized = 0;
        }

        if (ngx_http_ai_release(r, ctx, ll) != NGX_OK) {
            return NGX_ERROR;
        }

        if (to != event) {
            ngx_memmove(to, event, end - event);
        }

        to += end - event;
    }

    b->last = to;

    return NGX_OK;
}


/* keeps bytes of the open event; NGX_DECLINED: it is too long for that */

static ngx_int_t
ngx_http_ai_hold(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx, u_char *p,
    size_t len)
{
    ngx_buf_t  *b;

    if (len > NGX_HTTP_AI_HELD_MAX) {
        return NGX_DECLINED;
    }

    if (ctx->held == NULL) {

        ctx->held = ngx_chain_get_free_buf(r->pool, &ctx->free);
        if (ctx->held == NULL) {
            return NGX_DECLINED;
        }

        b = ctx->held->buf;

        if (b->start == NULL) {
            b->start = ngx_palloc(r->pool, NGX_HTTP_AI_HELD_MAX);
            if (b->start == NULL) {
                return NGX_DECLINED;
            }

            b->end = b->start + NGX_HTTP_AI_HELD_MAX;
        }

        b->pos = b->start;
        b->last = b->start;
        b->temporary = 1;
        b->flush = 1;
        b->tag = (ngx_buf_tag_t) &ngx_http_ai_tenant_module;
    }

    b = ctx->held->buf;

    if ((size_t) (b->end - b->last) < len) {
        return NGX_DECLINED;
    }

    b->last = ngx_cpymem(b->last, p, len);

    return NGX_OK;
}


/* passes on what was held */

static ngx_int_t
ngx_http_ai_release(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_chain_t ***ll)
{
    ngx_chain_t  *cl;

    cl = ctx->held;

    if (cl == NULL || cl->buf->pos == cl->buf->last) {
        return NGX_OK;
    }

    ctx->held = NULL;
    cl->next = NULL;

    **ll = cl;
    *ll = &cl->next;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_pass(ngx_http_request_t *r, ngx_chain_t ***ll, ngx_buf_t *b)
{
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    cl->next = NULL;

    **ll = cl;
    *ll = &cl->next;

    return NGX_OK;
}
