
/*
 * GET /v1/usage: the caller's own limits, use and cost, as the limits see it.
 * With "from", "to" or "group_by" it is ngx_http_ai_history.c that answers.
 */


#include "ngx_http_ai.h"


#define NGX_HTTP_AI_LIMIT_SIZE  512
#define NGX_HTTP_AI_HEAD_SIZE   512


/* one limit with its state, copied out under the lock */

typedef struct {
    const ai_limit_t       *limit;
    ai_limit_view_t         view;
    unsigned                key:1;
} ngx_http_ai_usage_limit_t;

typedef struct {
    ai_now_t                    now;
    uint64_t                    msec;       /* now_s in milliseconds */
    ai_owner_view_t             tenant;
    ngx_http_ai_usage_limit_t  *limits;
    ngx_uint_t                  nlimits;
} ngx_http_ai_usage_t;


static ngx_int_t ngx_http_ai_usage_read(ngx_http_request_t *r,
    ngx_http_ai_key_t *key, ngx_http_ai_usage_t *u);
static void ngx_http_ai_usage_views(ngx_http_ai_usage_t *u, ai_book_t *book,
    ai_ref_t owner, ngx_array_t *limits, unsigned key);
static void ngx_http_ai_usage_head(ngx_http_ai_json_t *js,
    ngx_http_ai_key_t *key, ngx_http_ai_usage_t *u);
static void ngx_http_ai_usage_balance(ai_buf_t *b, ngx_http_ai_usage_t *u);
static void ngx_http_ai_usage_limit(ngx_http_ai_json_t *js,
    ngx_http_ai_usage_t *u, ngx_http_ai_usage_limit_t *l);
static void ngx_http_ai_usage_amount(ai_buf_t *b, const char *name,
    const ai_limit_t *l, int64_t n);


ngx_int_t
ngx_http_ai_usage(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_uint_t           i;
    ngx_http_ai_json_t   js;
    ngx_http_ai_usage_t  u;

    if (ngx_http_ai_history_asked(r)) {
        return ngx_http_ai_history(r, ctx);
    }

    rc = ngx_http_ai_usage_read(r, ctx->key, &u);

    if (rc == NGX_OK) {
        ngx_http_ai_json_init(&js, r);

        ngx_http_ai_usage_head(&js, ctx->key, &u);

        for (i = 0; i < u.nlimits; i++) {

            if (i) {
                ai_buf_char(ngx_http_ai_json_room(&js, 1), ',');
            }

            ngx_http_ai_usage_limit(&js, &u, &u.limits[i]);
        }

        ai_buf_cstr(ngx_http_ai_json_room(&js, 2), "]}");

        rc = ngx_http_ai_json_send(&js, NGX_HTTP_OK);
    }

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_ai_usage_read(ngx_http_request_t *r, ngx_http_ai_key_t *key,
    ngx_http_ai_usage_t *u)
{
    ai_ref_t                  owner, key_owner;
    ngx_uint_t                n;
    ngx_ai_zone_t            *zone;
    ngx_http_ai_tenant_t     *tenant;
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);

    zone = mcf->zone;
    tenant = key->tenant;

    if (zone == NULL || zone->book == NULL) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    n = (tenant->limits ? tenant->limits->nelts : 0)
        + (key->limits ? key->limits->nelts : 0);

    ngx_memzero(u, sizeof(ngx_http_ai_usage_t));

    u->limits = ngx_palloc(r->pool,
                           (n + 1) * sizeof(ngx_http_ai_usage_limit_t));
    if (u->limits == NULL) {
        return NGX_ERROR;
    }

    ngx_ai_now(&u->now);
    u->msec = u->now.now_s * 1000;

    ngx_ai_zone_lock(zone);

    owner = ai_book_owner_find(zone->book, &tenant->owner);

    if (owner) {
        ai_book_owner_view(zone->book, owner, u->now.now_s, &u->tenant);
    }

    ngx_http_ai_usage_views(u, zone->book, owner, tenant->limits, 0);

    if (key->limits) {
        key_owner = ai_book_owner_find(zone->book, &key->owner);
        ngx_http_ai_usage_views(u, zone->book, key_owner, key->limits, 1);
    }

    ngx_ai_zone_unlock(zone);

    return NGX_OK;
}


static void
ngx_http_ai_usage_views(ngx_http_ai_usage_t *u, ai_book_t *book,
    ai_ref_t owner, ngx_array_t *limits, unsigned key)
{
    ngx_uint_t                  i;
    const ai_limit_t           *l;
    ngx_http_ai_usage_limit_t  *out;

    if (limits == NULL) {
        return;
    }

    l = limits->elts;

    for (i = 0; i < limits->nelts; i++) {
        out = &u->limits[u->nlimits++];

        out->limit = &l[i];
        out->key = key;

        ngx_http_ai_limit_view(book, owner, &l[i], &u->now, &out->view);
    }
}


void
ngx_http_ai_json_used(ai_buf_t *b, const int64_t used[AI_RES_COUNTED])
{
    ai_buf_cstr(b, "{\"requests\":");
    ai_buf_int(b, used[AI_RES_REQUESTS]);
    ai_buf_cstr(b, ",\"tokens\":");
    ai_buf_int(b, used[AI_RES_TOKENS]);
    ai_buf_cstr(b, ",\"input_tokens\":");
    ai_buf_int(b, used[AI_RES_INPUT_TOKENS]);
    ai_buf_cstr(b, ",\"output_tokens\":");
    ai_buf_int(b, used[AI_RES_OUTPUT_TOKENS]);
    ai_buf_cstr(b, ",\"cost_usd\":\"");
    ai_buf_nanos(b, used[AI_RES_COST]);
    ai_buf_cstr(b, "\"}");
}


static void
ngx_http_ai_usage_head(ngx_http_ai_json_t *js, ngx_http_ai_key_t *key,
    ngx_http_ai_usage_t *u)
{
    ai_buf_t              *b;
    ngx_http_ai_tenant_t  *tenant;

    tenant = key->tenant;

    b = ngx_http_ai_json_room(js, NGX_HTTP_AI_HEAD_SIZE
                                  + 3 * NGX_HTTP_AI_USED_SIZE
                                  + 6 * (tenant->sn.str.len
                                         + tenant->plan_name.len
                                         + key->name.len));

    ai_buf_cstr(b, "{\"object\":\"usage\",\"tenant\":");
    ai_buf_json(b, tenant->sn.str.data, tenant->sn.str.len);
    ai_buf_cstr(b, ",\"plan\":");
    ai_buf_json(b, tenant->plan_name.data, tenant->plan_name.len);
    ai_buf_cstr(b, ",\"key\":");
    ai_buf_json(b, key->name.data, key->name.len);

    ai_buf_cstr(b, ",\"time\":\"");
    ai_buf_time(b, u->msec);
    ai_buf_cstr(b, "\",\"today\":");
    ngx_http_ai_json_used(b, u->tenant.used_day);
    ai_buf_cstr(b, ",\"month\":");
    ngx_http_ai_json_used(b, u->tenant.used_month);
    ai_buf_cstr(b, ",\"held\":");
    ngx_http_ai_json_used(b, u->tenant.held);

    ai_buf_cstr(b, ",\"concurrency\":");
    ai_buf_int(b, u->tenant.open);
    ngx_http_ai_usage_balance(b, u);
    ai_buf_cstr(b, ",\"limits\":[");
}


/* what a prepaid tenant has paid, and what is left of it */

static void
ngx_http_ai_usage_balance(ai_buf_t *b, ngx_http_ai_usage_t *u)
{
    ngx_uint_t                  i;
    const ai_limit_t           *l;
    ngx_http_ai_usage_limit_t  *ul;

    for (i = 0; i < u->nlimits; i++) {
        ul = &u->limits[i];
        l = ul->limit;

        if (ul->key || l->period != AI_PERIOD_TOTAL) {
            continue;
        }

        ai_buf_cstr(b, ",\"balance\":{\"currency\":\"USD\"");
        ngx_http_ai_usage_amount(b, "credit", l, l->amount);
        ngx_http_ai_usage_amount(b, "used", l, ul->view.used);
        ngx_http_ai_usage_amount(b, "held", l, ul->view.held);
        ngx_http_ai_usage_amount(b, "left", l, ul->view.remaining);
        ai_buf_char(b, '}');
        return;
    }

    ai_buf_cstr(b, ",\"balance\":null");
}


static void
ngx_http_ai_usage_limit(ngx_http_ai_json_t *js, ngx_http_ai_usage_t *u,
    ngx_http_ai_usage_limit_t *ul)
{
    ai_buf_t          *b;
    const ai_limit_t  *l;

    l = ul->limit;

    b = ngx_http_ai_json_room(js, NGX_HTTP_AI_LIMIT_SIZE);

    ai_buf_cstr(b, "{\"scope\":");
    ai_buf_cstr(b, ul->key ? "\"key\"" : "\"tenant\"");
    ai_buf_cstr(b, ",\"resource\":\"");
    ai_buf_cstr(b, ai_resource_names[l->resource]);

    if (l->period == AI_PERIOD_NONE) {
        ai_buf_cstr(b, "\",\"period\":null");

    } else {
        ai_buf_cstr(b, "\",\"period\":\"");
        ai_buf_cstr(b, ai_period_names[l->period]);
        ai_buf_char(b, '"');
    }

    ngx_http_ai_usage_amount(b, "limit", l, l->amount);

    if (l->period < AI_PERIOD_BUCKETS) {
        ngx_http_ai_usage_amount(b, "burst", l, l->burst);
    }

    ngx_http_ai_usage_amount(b, "used", l, ul->view.used);
    ngx_http_ai_usage_amount(b, "held", l, ul->view.held);
    ngx_http_ai_usage_amount(b, "remaining", l,
                             ngx_max(ul->view.remaining, 0));

    if (l->period >= AI_PERIOD_TOTAL) {
        ai_buf_cstr(b, ",\"reset_ms\":null,\"resets_at\":null}");
        return;
    }

    ai_buf_cstr(b, ",\"reset_ms\":");
    ai_buf_int(b, ngx_max(ul->view.reset_ms, 0));
    ai_buf_cstr(b, ",\"resets_at\":\"");
    ai_buf_time(b, u->msec + (uint64_t) ngx_max(ul->view.reset_ms, 0));
    ai_buf_cstr(b, "\"}");
}


/* money is a string, so that no reader rounds it */

static void
ngx_http_ai_usage_amount(ai_buf_t *b, const char *name, const ai_limit_t *l,
    int64_t n)
{
    ai_buf_cstr(b, ",\"");
    ai_buf_cstr(b, name);
    ai_buf_cstr(b, "\":");

    if (l->resource == AI_RES_COST) {
        ai_buf_char(b, '"');
        ai_buf_nanos(b, n);
        ai_buf_char(b, '"');
        return;
    }

    ai_buf_int(b, n);
}
