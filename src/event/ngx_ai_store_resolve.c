
/*
 * A store's addresses, asked from nginx's resolver at each connect.  While it
 * does not answer the last good ones are used.
 */


#include "ngx_ai_store.h"


#define NGX_AI_STORE_ADDRS  16


static void ngx_ai_store_resolve_handler(ngx_resolver_ctx_t *ctx);
static void ngx_ai_store_take(ngx_ai_store_t *st, ngx_resolver_ctx_t *ctx);


ngx_int_t
ngx_ai_store_resolve(ngx_ai_store_t *st)
{
    ngx_resolver_ctx_t  *ctx;

    if (st->resolver == NULL) {
        return NGX_OK;
    }

    ctx = ngx_resolve_start(st->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_ai_store_reason(st, "no resolver for \"%V\"", &st->host);
        return NGX_ERROR;
    }

    ctx->name = st->host;
    ctx->handler = ngx_ai_store_resolve_handler;
    ctx->data = st;
    ctx->timeout = st->resolver_timeout;

    /* nobody but ops waits for it, and they hold the worker themselves */
    ctx->cancelable = 1;

    st->rctx = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        st->rctx = NULL;
        ngx_ai_store_reason(st, "\"%V\" could not be resolved", &st->host);
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


/* may run inside ngx_resolve_name(), when the answer is cached */

static void
ngx_ai_store_resolve_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_ai_store_t *st = ctx->data;

    st->rctx = NULL;

    if (ctx->state) {
        ngx_ai_store_reason(st, "\"%V\" could not be resolved (%i: %s)",
                            &st->host, ctx->state,
                            ngx_resolver_strerror(ctx->state));

        ngx_log_error(NGX_LOG_INFO, st->log, 0, "ai %s \"%s\": %s",
                      st->kind->kind, st->name, st->reason);

    } else {
        ngx_ai_store_take(st, ctx);
    }

    ngx_resolve_name_done(ctx);

    ngx_ai_store_resolved(st);
}


static void
ngx_ai_store_take(ngx_ai_store_t *st, ngx_resolver_ctx_t *ctx)
{
    u_char           *p;
    ngx_uint_t        i, n;
    ngx_addr_t       *addrs;
    ngx_pool_t       *pool;
    struct sockaddr  *sa;

    n = ngx_min(ctx->naddrs, NGX_AI_STORE_ADDRS);

    pool = ngx_create_pool(1024, st->log);
    if (pool == NULL) {
        return;
    }

    addrs = ngx_pcalloc(pool, n * sizeof(ngx_addr_t));
    if (addrs == NULL) {
        goto failed;
    }

    for (i = 0; i < n; i++) {
        sa = ngx_palloc(pool, ctx->addrs[i].socklen);
        p = ngx_pnalloc(pool, NGX_SOCKADDR_STRLEN);

        if (sa == NULL || p == NULL) {
            goto failed;
        }

        ngx_memcpy(sa, ctx->addrs[i].sockaddr, ctx->addrs[i].socklen);
        ngx_inet_set_port(sa, st->port);

        addrs[i].sockaddr = sa;
        addrs[i].socklen = ctx->addrs[i].socklen;
        addrs[i].name.data = p;
        addrs[i].name.len = ngx_sock_ntop(sa, addrs[i].socklen, p,
                                          NGX_SOCKADDR_STRLEN, 1);
    }

    if (st->resolved) {
        ngx_destroy_pool(st->resolved);
    }

    st->resolved = pool;
    st->addrs = addrs;
    st->naddrs = n;

    return;

failed:

    ngx_destroy_pool(pool);
}


void
ngx_ai_store_resolve_cancel(ngx_ai_store_t *st)
{
    if (st->rctx) {
        ngx_resolve_name_done(st->rctx);
        st->rctx = NULL;
    }
}
