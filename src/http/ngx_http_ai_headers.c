
/*
 * Headers of an answer: the provider's own ids, limits and traces off, the
 * gateway's id and the tenant's limits on.
 *
 * Names and formats: WIRE-FORMATS 4.5 of the project's shared documents.
 */


#include "ngx_http_ai_attempt.h"
#include "../core/ai_duration.h"


/* the limits that clients throttle themselves on */

typedef enum {
    NGX_HTTP_AI_REQUESTS = 0,
    NGX_HTTP_AI_TOKENS,
    NGX_HTTP_AI_INPUT,
    NGX_HTTP_AI_OUTPUT,
    NGX_HTTP_AI_SHOWN
} ngx_http_ai_shown_t;

/* both tables are in the order of ai_resource_t, whose first four these are */

static const ngx_str_t  ngx_http_ai_openai_names[][3] = {
    { ngx_string("x-ratelimit-limit-requests"),
      ngx_string("x-ratelimit-remaining-requests"),
      ngx_string("x-ratelimit-reset-requests") },
    { ngx_string("x-ratelimit-limit-tokens"),
      ngx_string("x-ratelimit-remaining-tokens"),
      ngx_string("x-ratelimit-reset-tokens") }
};

static const ngx_str_t  ngx_http_ai_anthropic_names[][3] = {
    { ngx_string("anthropic-ratelimit-requests-limit"),
      ngx_string("anthropic-ratelimit-requests-remaining"),
      ngx_string("anthropic-ratelimit-requests-reset") },
    { ngx_string("anthropic-ratelimit-tokens-limit"),
      ngx_string("anthropic-ratelimit-tokens-remaining"),
      ngx_string("anthropic-ratelimit-tokens-reset") },
    { ngx_string("anthropic-ratelimit-input-tokens-limit"),
      ngx_string("anthropic-ratelimit-input-tokens-remaining"),
      ngx_string("anthropic-ratelimit-input-tokens-reset") },
    { ngx_string("anthropic-ratelimit-output-tokens-limit"),
      ngx_string("anthropic-ratelimit-output-tokens-remaining"),
      ngx_string("anthropic-ratelimit-output-tokens-reset") }
};

/* the three values of a limit: an amount below 2^53, or a time */
#define NGX_HTTP_AI_VALUES  (3 * AI_DURATION_MAX)
#define NGX_HTTP_AI_ROUTE_LEN  64      /* of x-ai-route, beside the names */


/* the tightest limit of a resource so far */

typedef struct {
    const ai_limit_t          *limit;       /* NULL: none */
    ai_limit_view_t            view;
} ngx_http_ai_tightest_t;


/* names, or prefixes of names, that never reach a tenant; by first letter */

typedef struct {
    size_t                     len;
    const char                *name;
    unsigned                   prefix:1;
    unsigned                   success:1;   /* of an error it stays */
} ngx_http_ai_strip_t;

#define ngx_http_ai_strip(s)          { sizeof(s) - 1, s, 0, 0 }
#define ngx_http_ai_strip_prefix(s)   { sizeof(s) - 1, s, 1, 0 }
#define ngx_http_ai_strip_success(s)  { sizeof(s) - 1, s, 0, 1 }
#define ngx_http_ai_strip_null        { 0, NULL, 0, 0 }

static const ngx_http_ai_strip_t  ngx_http_ai_strip_a[] = {
    ngx_http_ai_strip_prefix("anthropic-ratelimit-"),
    ngx_http_ai_strip_prefix("anthropic-priority-"),
    ngx_http_ai_strip_prefix("anthropic-fast-"),
    ngx_http_ai_strip_prefix("azureml-"),
    ngx_http_ai_strip("anthropic-organization-id"),
    ngx_http_ai_strip("anthropic-workspace-id"),
    ngx_http_ai_strip("apim-request-id"),
    ngx_http_ai_strip("alt-svc"),
    ngx_http_ai_strip("api-key"),
    ngx_http_ai_strip("authorization"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t  ngx_http_ai_strip_c[] = {
    ngx_http_ai_strip_prefix("cf-"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t  ngx_http_ai_strip_l[] = {
    ngx_http_ai_strip_prefix("llm_provider-"),
    ngx_http_ai_strip("location"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t  ngx_http_ai_strip_n[] = {
    ngx_http_ai_strip("nel"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t  ngx_http_ai_strip_o[] = {
    ngx_http_ai_strip("openai-organization"),
    ngx_http_ai_strip("openai-project"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t  ngx_http_ai_strip_p[] = {
    ngx_http_ai_strip("proxy-authenticate"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t  ngx_http_ai_strip_r[] = {
    ngx_http_ai_strip("request-id"),
    ngx_http_ai_strip_prefix("ratelimitbysize-"),
    ngx_http_ai_strip_prefix("ratelimit-"),
    ngx_http_ai_strip("ratelimit"),
    ngx_http_ai_strip("refresh"),
    ngx_http_ai_strip("report-to"),
    ngx_http_ai_strip("reporting-endpoints"),
    ngx_http_ai_strip_success("retry-after"),
    ngx_http_ai_strip_success("retry-after-ms"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t  ngx_http_ai_strip_s[] = {
    ngx_http_ai_strip("set-cookie"),
    ngx_http_ai_strip("server-timing"),
    ngx_http_ai_strip("strict-transport-security"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t  ngx_http_ai_strip_v[] = {
    ngx_http_ai_strip("via"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t  ngx_http_ai_strip_w[] = {
    ngx_http_ai_strip("www-authenticate"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t  ngx_http_ai_strip_x[] = {
    ngx_http_ai_strip("x-request-id"),
    ngx_http_ai_strip("x-api-key"),
    ngx_http_ai_strip("x-goog-api-key"),
    ngx_http_ai_strip_prefix("x-ratelimit-"),
    ngx_http_ai_strip_prefix("x-ai-"),
    ngx_http_ai_strip_prefix("x-envoy-"),
    ngx_http_ai_strip_prefix("x-ms-"),
    ngx_http_ai_strip_prefix("x-amz"),
    ngx_http_ai_strip_prefix("x-litellm-"),
    ngx_http_ai_strip_prefix("x-kong-"),
    ngx_http_ai_strip_prefix("x-served-by"),
    ngx_http_ai_strip_prefix("x-cache"),
    ngx_http_ai_strip("x-timer"),
    ngx_http_ai_strip("x-azure-ref"),
    ngx_http_ai_strip("x-groq-region"),
    ngx_http_ai_strip("x-powered-by"),
    ngx_http_ai_strip("x-upstream"),
    ngx_http_ai_strip_null
};

static const ngx_http_ai_strip_t *const  ngx_http_ai_strip_table[26] = {
    ['a' - 'a'] = ngx_http_ai_strip_a,
    ['c' - 'a'] = ngx_http_ai_strip_c,
    ['l' - 'a'] = ngx_http_ai_strip_l,
    ['n' - 'a'] = ngx_http_ai_strip_n,
    ['o' - 'a'] = ngx_http_ai_strip_o,
    ['p' - 'a'] = ngx_http_ai_strip_p,
    ['r' - 'a'] = ngx_http_ai_strip_r,
    ['s' - 'a'] = ngx_http_ai_strip_s,
    ['v' - 'a'] = ngx_http_ai_strip_v,
    ['w' - 'a'] = ngx_http_ai_strip_w,
    ['x' - 'a'] = ngx_http_ai_strip_x
};


static ngx_int_t ngx_http_ai_headers_id(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_headers_limits(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_uint_t shown, const ngx_str_t (*names)[3],
    ngx_uint_t dates);
static void ngx_http_ai_headers_look(ngx_http_request_t *r,
    ngx_http_ai_key_t *key, ngx_http_ai_tightest_t *t, ngx_uint_t shown,
    ai_now_t *now);
static void ngx_http_ai_headers_tightest(ngx_http_ai_tightest_t *t,
    ngx_uint_t shown, ai_book_t *book, const ai_owner_id_t *id,
    ngx_array_t *limits, const ai_now_t *now);
static ngx_int_t ngx_http_ai_headers_limit(ngx_http_request_t *r,
    ngx_http_ai_tightest_t *t, const ngx_str_t names[3], ai_buf_t *b,
    const ai_now_t *now, ngx_uint_t dates);
static ngx_uint_t ngx_http_ai_headers_foreign(ngx_str_t *name,
    ngx_uint_t status);


ngx_int_t
ngx_http_ai_headers_own(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    if (ctx->headed) {
        return NGX_OK;
    }

    ctx->headed = 1;

    if (ngx_http_ai_headers_id(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->key == NULL) {
        return NGX_OK;
    }

    switch (ctx->route.dialect) {

    case AI_DIALECT_OPENAI:
    case AI_DIALECT_AZURE:
        return ngx_http_ai_headers_limits(r, ctx, NGX_HTTP_AI_INPUT,
                                          ngx_http_ai_openai_names, 0);

    case AI_DIALECT_ANTHROPIC:
        return ngx_http_ai_headers_limits(r, ctx, NGX_HTTP_AI_SHOWN,
                                          ngx_http_ai_anthropic_names, 1);

    default:
        /* Gemini has no such headers */
        return NGX_OK;
    }
}


ngx_int_t
ngx_http_ai_headers_route(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_str_t                value;
    ngx_http_ai_target_t    *target;
    ngx_http_ai_loc_conf_t  *alcf;
    static ngx_str_t         name = ngx_string("x-ai-route");

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_tenant_module);

    if (!alcf->route_header || ctx->hit) {
        return NGX_OK;
    }

    target = ctx->target;

    value.data = ngx_pnalloc(r->pool, target->provider->name.len
                                      + target->model.len
                                      + NGX_HTTP_AI_ROUTE_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%V/%V; chosen=%s; attempts=%ui",
                            &target->provider->name, &target->model,
                            ai_chosen_names[ctx->attempt->chosen],
                            ctx->attempt->n)
                - value.data;

    return ngx_http_ai_header_add(r, &name, &value);
}


static ngx_int_t
ngx_http_ai_headers_id(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    static ngx_str_t  names[] = {
        ngx_string("x-request-id"),
        ngx_string("request-id")
    };

    if (ctx->id.len == 0) {
        return NGX_OK;
    }

    if (ngx_http_ai_header_add(r, &names[0], &ctx->id) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_ai_header_add(r, &names[1], &ctx->id);
}


static ngx_int_t
ngx_http_ai_headers_limits(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_uint_t shown, const ngx_str_t (*names)[3], ngx_uint_t dates)
{
    u_char                  *p;
    size_t                   size;
    ai_buf_t                 b;
    ai_now_t                 now;
    ngx_uint_t               i;
    ngx_http_ai_tightest_t   t[NGX_HTTP_AI_SHOWN];

    ngx_memzero(t, sizeof(t));

    ngx_http_ai_headers_look(r, ctx->key, t, shown, &now);

    size = 0;

    for (i = 0; i < shown; i++) {
        if (t[i].limit) {
            size += NGX_HTTP_AI_VALUES;
        }
    }

    if (size == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ai_buf_init(&b, p, size);

    for (i = 0; i < shown; i++) {
        if (ngx_http_ai_headers_limit(r, &t[i], names[i], &b, &now, dates)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_ai_headers_look(ngx_http_request_t *r, ngx_http_ai_key_t *key,
    ngx_http_ai_tightest_t *t, ngx_uint_t shown, ai_now_t *now)
{
    ngx_ai_zone_t            *zone;
    ngx_http_ai_tenant_t     *tenant;
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);

    zone = mcf->zone;
    tenant = key->tenant;

    ngx_ai_now(now);

    if (zone == NULL || zone->book == NULL
        || ((tenant->limits == NULL || tenant->limits->nelts == 0)
            && key->limits == NULL))
    {
        return;
    }

    ngx_ai_zone_lock(zone);

    ngx_http_ai_headers_tightest(t, shown, zone->book, &tenant->owner,
                                 tenant->limits, now);
    ngx_http_ai_headers_tightest(t, shown, zone->book, &key->owner,
                                 key->limits, now);

    ngx_ai_zone_unlock(zone);
}


/*
 * Buckets go before windows: clients pace themselves by these headers, and a
 * month's window says nothing about the next minute.
 */

static void
ngx_http_ai_headers_tightest(ngx_http_ai_tightest_t *t, ngx_uint_t shown,
    ai_book_t *book, const ai_owner_id_t *id, ngx_array_t *limits,
    const ai_now_t *now)
{
    ai_ref_t           owner;
    ngx_uint_t         i, bucket;
    const ai_limit_t  *l;
    ai_limit_view_t    view;

    if (limits == NULL || limits->nelts == 0) {
        return;
    }

    owner = ai_book_owner_find(book, id);

    l = limits->elts;

    for (i = 0; i < limits->nelts; i++, l++) {

        if (l->resource >= shown) {
            continue;
        }

        bucket = (l->period < AI_PERIOD_BUCKETS);

        if (t[l->resource].limit && !bucket
            && t[l->resource].limit->period < AI_PERIOD_BUCKETS)
        {
            continue;
        }

        ngx_http_ai_limit_view(book, owner, l, now, &view);

        if (t[l->resource].limit == NULL
            || (bucket
                && t[l->resource].limit->period >= AI_PERIOD_BUCKETS)
            || view.remaining < t[l->resource].view.remaining)
        {
            t[l->resource].limit = l;
            t[l->resource].view = view;
        }
    }
}


void
ngx_http_ai_limit_view(const ai_book_t *book, ai_ref_t owner,
    const ai_limit_t *l, const ai_now_t *now, ai_limit_view_t *view)
{
    if (owner) {
        ai_book_limit_view(book, owner, l, now, view);
        return;
    }

    view->used = 0;
    view->held = 0;
    view->reset_ms = 0;
    view->remaining = l->amount;

    switch (l->period) {

    case AI_PERIOD_DAY:
    case AI_PERIOD_MONTH:
        view->reset_ms = (int64_t) (ai_window_end(l->period, now->now_s)
                                    - now->now_s) * 1000;
        break;

    case AI_PERIOD_TOTAL:
    case AI_PERIOD_NONE:
        break;

    default:
        view->remaining = l->burst;
        break;
    }
}


static ngx_int_t
ngx_http_ai_headers_limit(ngx_http_request_t *r, ngx_http_ai_tightest_t *t,
    const ngx_str_t names[3], ai_buf_t *b, const ai_now_t *now,
    ngx_uint_t dates)
{
    u_char           *start;
    int64_t           left;
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    if (t->limit == NULL) {
        return NGX_OK;
    }

    /* a bucket may be deeper than its rate, or in debt */
    left = ngx_max(ngx_min(t->view.remaining, t->limit->amount), 0);

    for (i = 0; i < 3; i++) {
        start = b->pos;

        if (i == 0) {
            ai_buf_int(b, t->limit->amount);

        } else if (i == 1) {
            ai_buf_int(b, left);

        } else if (dates) {
            ai_duration_date(b, now->now_s * 1000
                                + (uint64_t) ngx_max(t->view.reset_ms, 0));

        } else {
            ai_duration_go(b, t->view.reset_ms);
        }

        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        h->hash = 1;
        h->key = names[i];
        h->lowcase_key = h->key.data;
        h->value.data = start;
        h->value.len = b->pos - start;
    }

    return NGX_OK;
}


void
ngx_http_ai_headers_strip(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash
                && ngx_http_ai_headers_foreign(&h[i].key,
                                               r->headers_out.status))
            {
                h[i].hash = 0;
            }
        }
    }

    /* a relative one is made absolute and sent, whatever its hash */

    r->headers_out.location = NULL;
}


static ngx_uint_t
ngx_http_ai_headers_foreign(ngx_str_t *name, ngx_uint_t status)
{
    u_char                      c;
    const ngx_http_ai_strip_t  *s;

    if (name->len == 0) {
        return 0;
    }

    c = ngx_tolower(name->data[0]);

    if (c < 'a' || c > 'z') {
        return 0;
    }

    s = ngx_http_ai_strip_table[c - 'a'];

    if (s == NULL) {
        return 0;
    }

    for ( /* void */ ; s->len; s++) {

        if ((s->prefix ? name->len >= s->len : name->len == s->len)
            && ngx_strncasecmp(name->data, (u_char *) s->name, s->len) == 0)
        {
            return !s->success || status < NGX_HTTP_SPECIAL_RESPONSE;
        }
    }

    return 0;
}
