
/*
 * Refusals: an error of ours in the dialect of the route, with the headers
 * that official clients obey.
 */


#include "ngx_http_ai.h"
#include "../core/ai_duration.h"


#define NGX_HTTP_AI_BODY_MAX  2048


/* what each error counts as; AI_REFUSED_N: as no refusal */

typedef struct {
    ai_status_t     status;
    ai_refusal_t    refusal;
} ngx_http_ai_outcome_t;

static const ngx_http_ai_outcome_t  ngx_http_ai_outcomes[AI_ERR_N] = {

    [AI_ERR_NO_KEY] = { AI_STATUS_REJECTED_KEY, AI_REFUSED_KEY },
    [AI_ERR_BAD_KEY] = { AI_STATUS_REJECTED_KEY, AI_REFUSED_KEY },
    [AI_ERR_TWO_KEYS] = { AI_STATUS_REJECTED_KEY, AI_REFUSED_KEY },
    [AI_ERR_SUSPENDED] = { AI_STATUS_REJECTED_KEY, AI_REFUSED_KEY },
    [AI_ERR_NO_MODEL] = { AI_STATUS_REJECTED_MODEL, AI_REFUSED_MODEL },
    [AI_ERR_MODEL_DENIED] = { AI_STATUS_REJECTED_MODEL, AI_REFUSED_MODEL },
    [AI_ERR_REQUEST] = { AI_STATUS_REJECTED_REQUEST, AI_REFUSED_REQUEST },
    [AI_ERR_UNBOUNDED] = { AI_STATUS_REJECTED_REQUEST, AI_REFUSED_REQUEST },
    [AI_ERR_NOT_FOUND] = { AI_STATUS_REJECTED_REQUEST, AI_REFUSED_REQUEST },
    [AI_ERR_STATEFUL] = { AI_STATUS_REJECTED_REQUEST, AI_REFUSED_REQUEST },
    [AI_ERR_METHOD] = { AI_STATUS_REJECTED_REQUEST, AI_REFUSED_REQUEST },
    [AI_ERR_RATE_REQUESTS] = { AI_STATUS_REJECTED_RATE, AI_REFUSED_RATE },
    [AI_ERR_RATE_TOKENS] = { AI_STATUS_REJECTED_RATE, AI_REFUSED_RATE },
    [AI_ERR_CONCURRENCY] =
        { AI_STATUS_REJECTED_CONCURRENCY, AI_REFUSED_CONCURRENCY },
    [AI_ERR_CAPACITY] =
        { AI_STATUS_REJECTED_CAPACITY, AI_REFUSED_CONCURRENCY },
    [AI_ERR_BUDGET] = { AI_STATUS_REJECTED_BUDGET, AI_REFUSED_BUDGET },
    [AI_ERR_UNAVAILABLE] = { AI_STATUS_FAILED_GATEWAY, AI_REFUSED_GATEWAY },
    [AI_ERR_UPSTREAM] = { AI_STATUS_FAILED_UPSTREAM, AI_REFUSED_N },
    [AI_ERR_STATUS] = { AI_STATUS_REJECTED_REQUEST, AI_REFUSED_REQUEST }
};


static ngx_int_t ngx_http_ai_refuse_wait(ngx_http_request_t *r,
    ai_error_t *e);
static ngx_int_t ngx_http_ai_refuse_retry(ngx_http_request_t *r,
    ai_error_t *e);
static ngx_int_t ngx_http_ai_refuse_number(ngx_http_request_t *r,
    ngx_str_t *name, uint64_t n);


ngx_int_t
ngx_http_ai_refuse(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_error_t *e)
{
    ngx_buf_t  *b;
    ngx_str_t   allow;

    static ngx_str_t  name = ngx_string("allow");

    ngx_http_ai_refuse_count(r, ctx, e);

    b = ngx_http_ai_refuse_body(r, ctx, e);

    if (b == NULL || ngx_http_ai_refuse_headers(r, e) != NGX_OK) {
        goto failed;
    }

    if (e->code == AI_ERR_METHOD && ctx->allow) {
        allow.data = (u_char *) ctx->allow;
        allow.len = ngx_strlen(ctx->allow);

        if (ngx_http_ai_header_add(r, &name, &allow) != NGX_OK) {
            goto failed;
        }
    }

    return ngx_http_ai_send_json(r, ai_error_status(e, ctx->route.dialect), b);

failed:

    ngx_http_finalize_request(r, NGX_ERROR);

    return NGX_DONE;
}


ngx_buf_t *
ngx_http_ai_refuse_body(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_error_t *e)
{
    ai_buf_t    out;
    ngx_buf_t  *b;

    e->id.len = ctx->id.len;
    e->id.data = ctx->id.data;

    switch (e->code) {

    case AI_ERR_CONCURRENCY:
    case AI_ERR_CAPACITY:
    case AI_ERR_UNAVAILABLE:

        /* nobody can tell; both the body and the headers say a second */

        if (e->retry_ms <= 0) {
            e->retry_ms = 1000;
        }

        break;

    default:
        break;
    }

    b = ngx_create_temp_buf(r->pool, NGX_HTTP_AI_BODY_MAX);
    if (b == NULL) {
        return NULL;
    }

    ai_buf_init(&out, b->pos, NGX_HTTP_AI_BODY_MAX);
    ai_error_body(&out, e, ctx->route.dialect);

    if (out.full) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "ai refusal does not fit into its buffer");
        return NULL;
    }

    b->last = out.pos;

    return b;
}


void
ngx_http_ai_refuse_count(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_error_t *e)
{
    ai_now_t                  now;
    ai_ref_t                  owner;
    ngx_ai_zone_t            *zone;
    ngx_http_ai_outcome_t     out;
    ngx_http_ai_main_conf_t  *mcf;

    out = ngx_http_ai_outcomes[e->code];

    if (e->code == AI_ERR_STATUS && e->status >= 500) {
        out.status = AI_STATUS_FAILED_GATEWAY;
        out.refusal = AI_REFUSED_GATEWAY;
    }

    ctx->status = ctx->unvouched ? ctx->unvouched : out.status;

    if (out.refusal == AI_REFUSED_N) {
        return;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);

    ngx_ai_tally_refused(mcf->tally, out.refusal);

    zone = mcf->zone;

    if (ctx->key == NULL || zone == NULL || zone->book == NULL) {
        return;
    }

    ngx_ai_now(&now);

    ngx_ai_zone_lock(zone);

    /* a tenant may be refused before anything of it was admitted */

    owner = ai_book_owner(zone->book, &ctx->key->tenant->owner, now.now_s);

    if (owner) {
        ai_book_owner_refused(zone->book, owner, out.refusal);
    }

    ngx_ai_zone_unlock(zone);
}


ngx_int_t
ngx_http_ai_refuse_headers(ngx_http_request_t *r, ai_error_t *e)
{
    if (ngx_http_ai_refuse_wait(r, e) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_ai_refuse_retry(r, e);
}


/* retry-after and retry-after-ms, where waiting helps */

static ngx_int_t
ngx_http_ai_refuse_wait(ngx_http_request_t *r, ai_error_t *e)
{
    int64_t  ms;

    static ngx_str_t  seconds = ngx_string("retry-after");
    static ngx_str_t  millis = ngx_string("retry-after-ms");

    ms = e->retry_ms;

    switch (e->code) {

    case AI_ERR_RATE_REQUESTS:
    case AI_ERR_RATE_TOKENS:
        if (ms < 0) {
            return NGX_OK;
        }

        break;

    case AI_ERR_CONCURRENCY:
    case AI_ERR_CAPACITY:
    case AI_ERR_UNAVAILABLE:
    case AI_ERR_UPSTREAM:
    case AI_ERR_STATUS:
        if (ms <= 0) {
            return NGX_OK;
        }

        break;

    default:
        return NGX_OK;
    }

    if (ngx_http_ai_refuse_number(r, &seconds, ai_duration_retry(ms))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ms > 60000) {
        return NGX_OK;
    }

    return ngx_http_ai_refuse_number(r, &millis, ms ? (uint64_t) ms : 1);
}


static ngx_int_t
ngx_http_ai_refuse_retry(ngx_http_request_t *r, ai_error_t *e)
{
    int  retry;

    static ngx_str_t  name = ngx_string("x-should-retry");
    static ngx_str_t  values[] = { ngx_string("false"), ngx_string("true") };

    retry = ai_error_retry(e);

    /* a request that is larger than the bucket never fits */

    if ((e->code == AI_ERR_RATE_REQUESTS || e->code == AI_ERR_RATE_TOKENS)
        && e->retry_ms < 0)
    {
        retry = 0;
    }

    if (retry < 0) {
        return NGX_OK;
    }

    return ngx_http_ai_header_add(r, &name, &values[retry ? 1 : 0]);
}


static ngx_int_t
ngx_http_ai_refuse_number(ngx_http_request_t *r, ngx_str_t *name, uint64_t n)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%uL", n) - value.data;

    return ngx_http_ai_header_add(r, name, &value);
}


ngx_int_t
ngx_http_ai_header_add(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key = *name;
    h->value = *value;
    h->lowcase_key = name->data;

    return NGX_OK;
}
