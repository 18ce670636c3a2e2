
/*
 * The context of a request and its id.
 */


#include "ngx_http_ai.h"
#include <sys/random.h>


static void ngx_http_ai_ctx_cleanup(void *data);
static void ngx_http_ai_meter_put(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_random(u_char *p, size_t len);


/*
 * Meters are not of the pool, which would take a whole block more for one.
 * The last one that was given back is the next one's.
 */

static ai_meter_t  *ngx_http_ai_meter_spare;


ngx_http_ai_ctx_t *
ngx_http_ai_ctx(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t   *ctx;
    ngx_pool_cleanup_t  *cln;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_tenant_module);

    if (ctx || (!r->internal && !r->filter_finalize)) {
        return ctx;
    }

    /* an internal redirect has cleared the contexts of all modules */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_http_ai_ctx_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_ai_tenant_module);
            return ctx;
        }
    }

    return NULL;
}


ngx_http_ai_ctx_t *
ngx_http_ai_ctx_create(ngx_http_request_t *r)
{
    u_char               random[10];
    ngx_http_ai_ctx_t   *ctx;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_ctx_t) + 36);
    if (ctx == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_ai_ctx_cleanup;
    cln->data = ctx;

    ctx->request = r;
    ctx->first_byte = UINT32_MAX;

    ngx_http_ai_random(random, sizeof(random));

    ctx->id.len = 36;
    ctx->id.data = (u_char *) (ctx + 1);

    ai_uuid7_make(ctx->uuid, ngx_ai_now_ms(), random);
    ai_uuid_text(ctx->id.data, ctx->uuid);

    ngx_http_set_ctx(r, ctx, ngx_http_ai_tenant_module);

    return ctx;
}


/* the pool dies: whatever the log phase has not ended ends here */

static void
ngx_http_ai_ctx_cleanup(void *data)
{
    ngx_http_ai_ctx_t *ctx = data;

    ngx_http_ai_end(ctx);

    if (ctx->elts) {
        ngx_free(ctx->elts);
        ctx->elts = NULL;
    }

    if (ctx->meter) {
        ngx_http_ai_meter_put(ctx);
    }
}


ngx_int_t
ngx_http_ai_meter_get(ngx_http_ai_ctx_t *ctx)
{
    if (ngx_http_ai_meter_spare) {
        ctx->meter = ngx_http_ai_meter_spare;
        ngx_http_ai_meter_spare = NULL;
        return NGX_OK;
    }

    ctx->meter = ngx_alloc(sizeof(ai_meter_t), ctx->request->connection->log);

    return ctx->meter ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_ai_meter_put(ngx_http_ai_ctx_t *ctx)
{
    if (ngx_http_ai_meter_spare) {
        ngx_free(ctx->meter);

    } else {
        ngx_http_ai_meter_spare = ctx->meter;
    }

    ctx->meter = NULL;
}


void
ngx_http_ai_meter_forget(void)
{
    ngx_free(ngx_http_ai_meter_spare);
    ngx_http_ai_meter_spare = NULL;
}


/*
 * Bytes for ids: unique, not secret.  One getrandom() a process seeds a
 * splitmix64 sequence, so that no request pays for a system call.
 */

static void
ngx_http_ai_random(u_char *p, size_t len)
{
    size_t            n;
    uint64_t          z;
    static uint64_t   state;
    static ngx_pid_t  owner;

    if (owner != ngx_pid) {
        if (getrandom(&state, sizeof(state), 0) != sizeof(state)) {
            state = ((uint64_t) ngx_random() << 32) ^ (uint64_t) ngx_pid
                    ^ (uint64_t) ngx_current_msec;
        }

        owner = ngx_pid;
    }

    while (len) {
        state += 0x9e3779b97f4a7c15;
        z = state;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        z ^= z >> 31;

        n = ngx_min(len, sizeof(z));
        ngx_memcpy(p, &z, n);
        p += n;
        len -= n;
    }
}
