
/*
 * The exact response cache: which requests may be looked up in nginx's own
 * proxy_cache, under which key, and what a hit is.
 */


#include "ngx_http_ai_cache.h"
#include "ngx_http_ai_pick.h"
#include "ngx_http_ai_settle.h"
#include "../core/ai_cache.h"


/* names and values of headers in a key */
#define NGX_HTTP_AI_CACHE_HEADERS  32


#define ngx_http_ai_cache_str(to, from)                                      \
    do {                                                                     \
        (to)->len = (from)->len;                                             \
        (to)->data = (from)->data;                                           \
    } while (0)


typedef enum {
    NGX_HTTP_AI_CACHE_VAR_KEY = 0,
    NGX_HTTP_AI_CACHE_VAR_ZONE,
    NGX_HTTP_AI_CACHE_VAR_FRESH
} ngx_http_ai_cache_var_t;


static ngx_int_t ngx_http_ai_cache_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_uint_t ngx_http_ai_cache_endpoint(ai_endpoint_t ep);
static void ngx_http_ai_cache_unsent(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_cache_control(ngx_http_ai_ctx_t *ctx,
    ngx_uint_t *no_cache, ngx_uint_t *no_store);
static ngx_uint_t ngx_http_ai_cache_word(ngx_str_t *value, const char *word);
static ngx_list_part_t *ngx_http_ai_cache_headers(ngx_http_ai_ctx_t *ctx);
static ngx_str_t *ngx_http_ai_cache_get_key(ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_cache_vendor(ngx_http_ai_ctx_t *ctx,
    ai_str_t *more, unsigned *n);
static ngx_uint_t ngx_http_ai_cache_is_vendor(ngx_table_elt_t *h);


static ngx_http_variable_t  ngx_http_ai_cache_vars[] = {

    { ngx_string("ai_cache_key"), NULL, ngx_http_ai_cache_variable,
      NGX_HTTP_AI_CACHE_VAR_KEY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("ai_cache_zone"), NULL, ngx_http_ai_cache_variable,
      NGX_HTTP_AI_CACHE_VAR_ZONE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("ai_no_cache"), NULL, ngx_http_ai_cache_variable,
      NGX_HTTP_AI_CACHE_VAR_FRESH, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    ngx_http_null_variable
};


/* headers of these vendors choose versions and features of an API */

static const ngx_str_t  ngx_http_ai_cache_vendors[] = {
    ngx_string("anthropic"),
    ngx_string("openai"),
    ngx_string("groq"),
    ngx_null_string
};


ngx_int_t
ngx_http_ai_cache_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_ai_cache_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/* nothing is digested before nginx, or a log, asks for it */

static ngx_int_t
ngx_http_ai_cache_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                s, *key;
    ngx_http_ai_ctx_t       *ctx;
    ngx_http_ai_loc_conf_t  *alcf;

    ngx_str_null(&s);

    ctx = ngx_http_ai_ctx(r);

    if (ctx && ctx->cache && data == NGX_HTTP_AI_CACHE_VAR_FRESH) {

        if (ctx->cache->fresh) {
            ngx_str_set(&s, "1");
        }

    } else if (ctx && ctx->cache) {
        key = ngx_http_ai_cache_get_key(ctx);

        if (key->len && data == NGX_HTTP_AI_CACHE_VAR_ZONE) {
            alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_tenant_module);
            s = alcf->cache_zone;

        } else {
            s = *key;
        }
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = s.len;
    v->data = s.len ? s.data : (u_char *) "";

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_cache_admit(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    ngx_uint_t            no_cache, no_store;
    ngx_http_ai_cache_t  *cache;

    if (!ctx->key->tenant->plan->cache
        || !ngx_http_ai_cache_endpoint(ctx->route.ep))
    {
        return NGX_OK;
    }

    /* what a provider fetches or runs is another thing the next time */

    if ((ad->rq->unbounded & (AI_UNBOUNDED_TOOLS|AI_UNBOUNDED_REMOTE))
        || ad->rq->searches)
    {
        return NGX_OK;
    }

    ngx_http_ai_cache_control(ctx, &no_cache, &no_store);

    if (no_store) {
        return NGX_OK;
    }

    cache = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_cache_t));
    if (cache == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cache->model_pos = ad->rq->model.pos;
    cache->model_len = ad->rq->model.len;
    cache->usage = ad->rq->usage_asked;
    cache->max_output = ad->want.max_output;
    cache->fresh = no_cache ? 1 : 0;

    ctx->cache = cache;

    /* a hit is whole, as a provider's answer would be */

    r->headers_in.range = NULL;
    r->headers_in.if_range = NULL;
    r->headers_in.if_match = NULL;
    r->headers_in.if_none_match = NULL;
    r->headers_in.if_modified_since = NULL;
    r->headers_in.if_unmodified_since = NULL;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_ai_cache_endpoint(ai_endpoint_t ep)
{
    switch (ep) {

    case AI_EP_CHAT:
    case AI_EP_COMPLETIONS:
    case AI_EP_RESPONSES:
    case AI_EP_MESSAGES:
    case AI_EP_GENERATE:
    case AI_EP_STREAM_GENERATE:
    case AI_EP_EMBEDDINGS:
    case AI_EP_EMBED:
    case AI_EP_BATCH_EMBED:
        return 1;

    default:
        return 0;
    }
}


static void
ngx_http_ai_cache_control(ngx_http_ai_ctx_t *ctx, ngx_uint_t *no_cache,
    ngx_uint_t *no_store)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    *no_cache = 0;
    *no_store = 0;

    for (part = ngx_http_ai_cache_headers(ctx); part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != sizeof("cache-control") - 1
                || ngx_strncmp(h[i].lowcase_key, "cache-control",
                               sizeof("cache-control") - 1)
                   != 0)
            {
                continue;
            }

            *no_cache |= ngx_http_ai_cache_word(&h[i].value, "no-cache");
            *no_store |= ngx_http_ai_cache_word(&h[i].value, "no-store");
        }
    }
}


/* among words that commas and blanks part */

static ngx_uint_t
ngx_http_ai_cache_word(ngx_str_t *value, const char *word)
{
    size_t   len;
    u_char  *p, *last, *start;

    p = value->data;
    last = p + value->len;
    len = ngx_strlen(word);

    while (p < last) {

        while (p < last && (*p == ' ' || *p == '\t' || *p == ',')) {
            p++;
        }

        start = p;

        while (p < last && *p != ' ' && *p != '\t' && *p != ',' && *p != '=') {
            p++;
        }

        if ((size_t) (p - start) == len
            && ngx_strncasecmp(start, (u_char *) word, len) == 0)
        {
            return 1;
        }

        while (p < last && *p != ',') {
            p++;
        }
    }

    return 0;
}


/* the client's, also while proxy makes the request from ours */

static ngx_list_part_t *
ngx_http_ai_cache_headers(ngx_http_ai_ctx_t *ctx)
{
    return ctx->elts ? &ctx->headers.part
                     : &ctx->request->headers_in.headers.part;
}


static ngx_str_t *
ngx_http_ai_cache_get_key(ngx_http_ai_ctx_t *ctx)
{
    u_char               *p;
    unsigned              n;
    ai_str_t              more[NGX_HTTP_AI_CACHE_HEADERS];
    ai_cache_ask_t        ask;
    ngx_http_ai_cache_t  *cache;

    cache = ctx->cache;

    if (cache->keyed && cache->served == ctx->target->provider->api) {
        return &cache->key;
    }

    cache->keyed = 1;
    cache->served = ctx->target->provider->api;
    cache->key.len = 0;

    p = ngx_pnalloc(ctx->request->pool, AI_CACHE_KEY);

    if (p == NULL || ngx_http_ai_cache_vendor(ctx, more, &n) != NGX_OK) {
        return &cache->key;
    }

    ngx_memzero(&ask, sizeof(ai_cache_ask_t));

    ngx_http_ai_cache_str(&ask.tenant, &ctx->key->tenant->sn.str);
    ngx_http_ai_cache_str(&ask.model, &ctx->model->sn.str);
    ngx_http_ai_cache_str(&ask.body, &ctx->body);

    ask.ep = ctx->route.ep;
    ask.dialect = ctx->route.dialect;
    ask.served = cache->served;
    ask.version = ctx->route.version;
    ask.stream = ctx->streamed;
    ask.usage = cache->usage;
    ask.sse = ctx->route.sse;
    ask.beta = ctx->route.beta;
    ask.max_output = cache->max_output;
    ask.model_pos = cache->model_pos;
    ask.model_len = cache->model_len;

    if (ai_cache_key(&ask, more, n, p) == AI_OK) {
        cache->key.len = AI_CACHE_KEY;
        cache->key.data = p;
    }

    return &cache->key;
}


/* NGX_DECLINED: there are too many of them for a key */

static ngx_int_t
ngx_http_ai_cache_vendor(ngx_http_ai_ctx_t *ctx, ai_str_t *more, unsigned *n)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    *n = 0;

    for (part = ngx_http_ai_cache_headers(ctx); part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_ai_cache_is_vendor(&h[i])) {
                continue;
            }

            if (*n + 2 > NGX_HTTP_AI_CACHE_HEADERS) {
                return NGX_DECLINED;
            }

            more[*n].len = h[i].key.len;
            more[(*n)++].data = h[i].lowcase_key;

            ngx_http_ai_cache_str(&more[*n], &h[i].value);
            (*n)++;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_ai_cache_is_vendor(ngx_table_elt_t *h)
{
    const ngx_str_t  *v;

    for (v = ngx_http_ai_cache_vendors; v->len; v++) {

        if (h->key.len > v->len
            && ngx_memcmp(h->lowcase_key, v->data, v->len) == 0
            && (h->lowcase_key[v->len] == '-'
                || h->lowcase_key[v->len] == '_'))
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_ai_cache_missed(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
#if (NGX_HTTP_CACHE)

    ngx_http_upstream_t    *u;
    ngx_http_ai_attempt_t  *at;

    u = r->upstream;
    at = ctx->attempt;

    if (!u->conf->cache) {
        return;
    }

    if (ctx->cache && r->cache) {
        ctx->cache->wanted = u->cacheable;
    }

    u->cacheable = 0;

    /* an old answer is worse than another target's */

    if (at->next < ctx->ncandidates && at->n + 1 < ctx->model->attempts) {
        ngx_http_ai_cache_elsewhere(r);
    }

#endif
}


void
ngx_http_ai_cache_hit(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ctx->hit = 1;
    ctx->drain = 0;

    ngx_http_ai_target_headers_restore(ctx);
    ngx_http_clear_accept_ranges(r);

    if (!ctx->sent) {
        ai_slot_started(ctx->slot);
    }

    ngx_http_ai_cache_unsent(r, ctx->attempt);
}


/* the attempt that the cache has spared, or an old answer in place of one that
   did not come: either way its places are free */

static void
ngx_http_ai_cache_unsent(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_http_upstream_state_t  *state;

    if (!at->open) {
        ngx_http_ai_pick_failed(at, AI_OUTCOME_GONE, -1);
        return;
    }

    state = r->upstream->state;

    if (state->header_time != (ngx_msec_t) -1) {
        ngx_http_ai_attempt_note(at, AI_REASON_STATUS, state->status);

    } else {
        ngx_http_ai_attempt_note(at, state->status == NGX_HTTP_GATEWAY_TIME_OUT
                                     ? AI_REASON_TIMEOUT : AI_REASON_CONNECT,
                                 0);
    }

    ngx_http_ai_pick_failed(at, AI_OUTCOME_FAILED, -1);
    ngx_http_ai_attempt_accept(r, at);
}


void
ngx_http_ai_cache_elsewhere(ngx_http_request_t *r)
{
#if (NGX_HTTP_CACHE)

    if (r->upstream->cache_status == NGX_HTTP_CACHE_EXPIRED) {
        r->upstream->cache_status = NGX_HTTP_CACHE_MISS;
    }

#endif
}


ngx_int_t
ngx_http_ai_cache_answer(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
#if (NGX_HTTP_CACHE)

    ngx_str_t                value;
    ngx_ai_tally_cache_t     what;
    static ngx_str_t         name = ngx_string("x-ai-cache");

    if (ctx->cache == NULL || r->cache == NULL) {
        return NGX_OK;
    }

    what = ctx->hit ? NGX_AI_TALLY_CACHE_HIT
                    : ctx->cache->fresh ? NGX_AI_TALLY_CACHE_BYPASS
                                        : NGX_AI_TALLY_CACHE_MISS;

    ngx_ai_tally_cache_add(ngx_http_ai_mcf(ctx)->tally, what);

    value.data = (u_char *) ngx_ai_tally_caches[what];
    value.len = ngx_strlen(value.data);

    if (ngx_http_ai_header_add(r, &name, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->hit) {
        return NGX_OK;
    }

    return ngx_http_ai_cache_store(r, ctx);

#else

    return NGX_OK;

#endif
}


void
ngx_http_ai_cache_attempt(ngx_http_ai_ctx_t *ctx)
{
    ai_slot_t         *s;
    ai_attempt_t      *at;
    ngx_uint_t         n;
    static ngx_str_t   name = ngx_string("cache");

    s = ctx->slot;

    n = ngx_min(s->nattempts, AI_SLOT_ATTEMPTS - 1);

    ai_slot_string(s, AI_SLOT_ATTEMPT_PROVIDER + 2 * n, (ai_str_t *) &name);
    ai_slot_string(s, AI_SLOT_ATTEMPT_PROVIDER + 2 * n + 1,
                   (ai_str_t *) &ctx->target->model);

    at = &s->attempts[n];
    at->status = ctx->request->headers_out.status;
    at->reason = AI_REASON_NONE;
    at->chosen = AI_CHOSEN_CACHE;
    at->ms = s->duration_ms;

    s->nattempts = n + 1;
}


ngx_int_t
ngx_http_ai_cache_leave(ngx_http_request_t *r)
{
#if (NGX_HTTP_CACHE)

    if (r->aio && !r->header_sent) {
        return NGX_DECLINED;
    }

    if (r->cache && r->cache->waiting) {

        if (r->cache->wait_event.timer_set) {
            ngx_del_timer(&r->cache->wait_event);
        }

        r->cache->waiting = 0;
        r->main->blocked--;
        r->write_event_handler = ngx_http_request_empty_handler;
    }

#endif

    return NGX_OK;
}
