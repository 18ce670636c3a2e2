
/*
 * Which answers are kept in the exact response cache.
 *
 * nginx takes an answer for whole when its framing says so.  A stream may end
 * properly and be half an answer all the same, an error may stand in a 200:
 * nothing is kept unless the protocol's own end was seen.  So u->cacheable is
 * off from the moment a provider is asked, save for the one moment in which
 * nginx makes the file ready, until a meter has read the answer to its end as
 * it comes in: the body filter, which sends to the client, may be far behind.
 * A client that leaves has its plan's "on_abort" with a cache as without.
 */


#include "ngx_http_ai_cache.h"
#include "ngx_http_ai_settle.h"


/* a longer answer is passed on without being kept */
#define NGX_HTTP_AI_CACHE_SIZE  (16 * 1024 * 1024)


#if (NGX_HTTP_CACHE)
static ngx_uint_t ngx_http_ai_cache_framed(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_cache_filter_init(void *data);
static ngx_int_t ngx_http_ai_cache_filter(ngx_event_pipe_t *p,
    ngx_buf_t *buf);
static void ngx_http_ai_cache_read(ngx_http_ai_cache_t *cache,
    ngx_chain_t *in);
static void ngx_http_ai_cache_judge(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
#endif


#if (NGX_HTTP_CACHE)

ngx_int_t
ngx_http_ai_cache_store(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    time_t                ttl;
    ngx_http_cache_t     *c;
    ngx_http_upstream_t  *u;
    ngx_http_ai_cache_t  *cache;

    c = r->cache;
    u = r->upstream;
    cache = ctx->cache;

    if (!cache->wanted || r->headers_out.status != NGX_HTTP_OK
        || !ngx_http_ai_cache_framed(r, ctx))
    {
        return NGX_OK;
    }

    cache->meter = ngx_palloc(r->pool, sizeof(ai_meter_t));
    if (cache->meter == NULL) {
        return NGX_ERROR;
    }

    ai_meter_init(cache->meter, ctx->meter->dialect, ctx->meter->ep,
                  ctx->meter->body);

    cache->input_filter_init = u->input_filter_init;
    u->input_filter_init = ngx_http_ai_cache_filter_init;

    /* so that nginx makes the head of the file; and removes what is not kept,
       also where it has not looked the key up.  It stores what it buffers */

    u->cacheable = 1;
    u->buffering = 1;
    c->temp_file = 1;

    ttl = ctx->key->tenant->plan->cache_ttl;

    if (ttl) {
        c->valid_sec = ngx_time() + ttl;
    }

    return NGX_OK;
}


/*
 * Whether the end of the answer can be told from the end of the connection, and
 * its bytes come out of the pipe as they come in: nginx collects those of a
 * stream that is not chunked.
 */

static ngx_uint_t
ngx_http_ai_cache_framed(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (ctx->meter == NULL || u->input_filter_init == NULL) {
        return 0;
    }

    switch (ctx->meter->body) {

    case AI_BODY_SSE:
    case AI_BODY_JSON_ARRAY:
        return ctx->streamed && u->headers_in.chunked;

    case AI_BODY_JSON:
        return !ctx->streamed && (u->headers_in.chunked
                                  || u->headers_in.content_length_n > 0);

    default:
        return 0;
    }
}


/* all of nginx's own preparations are made, nothing was read yet */

static ngx_int_t
ngx_http_ai_cache_filter_init(void *data)
{
    ngx_http_request_t *r = data;

    ngx_int_t             rc;
    ngx_http_ai_ctx_t    *ctx;
    ngx_http_upstream_t  *u;
    ngx_http_ai_cache_t  *cache;

    u = r->upstream;
    ctx = ngx_http_ai_ctx(r);
    cache = ctx->cache;

    rc = cache->input_filter_init(data);

    if (rc != NGX_OK || !u->cacheable) {
        return rc;
    }

    u->cacheable = 0;

    cache->storing = 1;
    cache->input_filter = u->pipe->input_filter;
    u->pipe->input_filter = ngx_http_ai_cache_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_cache_filter(ngx_event_pipe_t *p, ngx_buf_t *buf)
{
    ngx_int_t             rc;
    ngx_chain_t         **last;
    ngx_http_request_t   *r;
    ngx_http_ai_ctx_t    *ctx;
    ngx_http_ai_cache_t  *cache;

    r = p->input_ctx;
    ctx = ngx_http_ai_ctx(r);
    cache = ctx->cache;

    last = p->in ? p->last_in : NULL;

    rc = cache->input_filter(p, buf);

    if (rc != NGX_OK || cache->whole || !cache->storing) {
        return rc;
    }

    ngx_http_ai_cache_read(cache, last ? *last : p->in);

    if (cache->size > NGX_HTTP_AI_CACHE_SIZE) {

        /* from here on the pipe is one without a file */

        cache->storing = 0;
        p->cacheable = 0;

    } else if (p->length == 0) {
        cache->whole = 1;
        ngx_http_ai_cache_judge(r, ctx);
    }

    return NGX_OK;
}


static void
ngx_http_ai_cache_read(ngx_http_ai_cache_t *cache, ngx_chain_t *in)
{
    unsigned        drop;
    const ai_char  *p;

    for ( /* void */ ; in; in = in->next) {
        p = in->buf->pos;
        cache->size += in->buf->last - in->buf->pos;

        while (p < in->buf->last
               && ai_meter_feed(cache->meter, &p, in->buf->last, &drop)
                  == AI_DONE)
        {
            /* void */
        }
    }
}


/* the framing says that all has come: the protocol has to say so as well */

static void
ngx_http_ai_cache_judge(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ai_meter_t  *m;
    ai_usage_t   u;

    m = ctx->cache->meter;

    ai_meter_end(m, 1);
    ai_meter_usage(m, &u);

    if (!m->complete || m->failed || m->broken
        || u.source != AI_SOURCE_FINAL || u.odd)
    {
        return;
    }

    r->upstream->cacheable = 1;

    ngx_ai_tally_cache_add(ngx_http_ai_mcf(ctx)->tally,
                           NGX_AI_TALLY_CACHE_STORED);
}

#endif
