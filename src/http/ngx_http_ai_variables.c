
/*
 * The $ai_* variables, empty until they are known.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_cache.h"


typedef enum {
    NGX_HTTP_AI_VAR_PASS = 0,
    NGX_HTTP_AI_VAR_HOST,
    NGX_HTTP_AI_VAR_ID,
    NGX_HTTP_AI_VAR_TENANT,
    NGX_HTTP_AI_VAR_PLAN,
    NGX_HTTP_AI_VAR_KEY,
    NGX_HTTP_AI_VAR_API,
    NGX_HTTP_AI_VAR_MODEL,
    NGX_HTTP_AI_VAR_SERVED,
    NGX_HTTP_AI_VAR_PROVIDER,
    NGX_HTTP_AI_VAR_FINISH,
    NGX_HTTP_AI_VAR_STATUS,
    NGX_HTTP_AI_VAR_SOURCE,
    NGX_HTTP_AI_VAR_ATTEMPTS,
    NGX_HTTP_AI_VAR_INPUT,
    NGX_HTTP_AI_VAR_CACHED,
    NGX_HTTP_AI_VAR_OUTPUT,
    NGX_HTTP_AI_VAR_REASONING,
    NGX_HTTP_AI_VAR_COST,
    NGX_HTTP_AI_VAR_FIRST_BYTE
} ngx_http_ai_var_t;


static ngx_int_t ngx_http_ai_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_uint_t ngx_http_ai_variable_passes(ngx_http_request_t *r);
static void ngx_http_ai_variable_text(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_var_t var, ngx_str_t *s);
static void ngx_http_ai_variable_answer(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_var_t var, ngx_str_t *s);
static void ngx_http_ai_variable_word(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_var_t var, ngx_str_t *s);
static ngx_int_t ngx_http_ai_variable_number(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_var_t var, ai_buf_t *b);


/* not cacheable: they change while a request runs */

#define ngx_http_ai_var(name, var)                                           \
    { ngx_string(name), NULL, ngx_http_ai_variable, var,                     \
      NGX_HTTP_VAR_NOCACHEABLE, 0 }

static ngx_http_variable_t  ngx_http_ai_vars[] = {
    ngx_http_ai_var("ai_pass", NGX_HTTP_AI_VAR_PASS),
    ngx_http_ai_var("ai_host", NGX_HTTP_AI_VAR_HOST),
    ngx_http_ai_var("ai_request_id", NGX_HTTP_AI_VAR_ID),
    ngx_http_ai_var("ai_tenant", NGX_HTTP_AI_VAR_TENANT),
    ngx_http_ai_var("ai_plan", NGX_HTTP_AI_VAR_PLAN),
    ngx_http_ai_var("ai_key", NGX_HTTP_AI_VAR_KEY),
    ngx_http_ai_var("ai_api", NGX_HTTP_AI_VAR_API),
    ngx_http_ai_var("ai_model", NGX_HTTP_AI_VAR_MODEL),
    ngx_http_ai_var("ai_served_model", NGX_HTTP_AI_VAR_SERVED),
    ngx_http_ai_var("ai_provider", NGX_HTTP_AI_VAR_PROVIDER),
    ngx_http_ai_var("ai_attempts", NGX_HTTP_AI_VAR_ATTEMPTS),
    ngx_http_ai_var("ai_status", NGX_HTTP_AI_VAR_STATUS),
    ngx_http_ai_var("ai_input_tokens", NGX_HTTP_AI_VAR_INPUT),
    ngx_http_ai_var("ai_cached_tokens", NGX_HTTP_AI_VAR_CACHED),
    ngx_http_ai_var("ai_output_tokens", NGX_HTTP_AI_VAR_OUTPUT),
    ngx_http_ai_var("ai_reasoning_tokens", NGX_HTTP_AI_VAR_REASONING),
    ngx_http_ai_var("ai_cost", NGX_HTTP_AI_VAR_COST),
    ngx_http_ai_var("ai_usage_source", NGX_HTTP_AI_VAR_SOURCE),
    ngx_http_ai_var("ai_first_byte_ms", NGX_HTTP_AI_VAR_FIRST_BYTE),
    ngx_http_ai_var("ai_finish_reason", NGX_HTTP_AI_VAR_FINISH),
    ngx_http_null_variable
};


ngx_int_t
ngx_http_ai_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_ai_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    ngx_http_ai_conf_cache_begin();

    return ngx_http_ai_cache_variables(cf);
}


static ngx_int_t
ngx_http_ai_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char             *p;
    ai_buf_t            b;
    ngx_str_t           s;
    ngx_http_ai_ctx_t  *ctx;

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = 0;
    v->data = (u_char *) "";

    ctx = ngx_http_ai_ctx(r);

    if (ctx == NULL
        || (data == NGX_HTTP_AI_VAR_PASS && !ngx_http_ai_variable_passes(r)))
    {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_str_null(&s);

    if (data < NGX_HTTP_AI_VAR_ATTEMPTS) {

        ngx_http_ai_variable_text(ctx, data, &s);

        if (s.len == 0) {
            v->not_found = 1;
            return NGX_OK;
        }

        v->len = s.len;
        v->data = s.data;

        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN + 10);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ai_buf_init(&b, p, NGX_INT64_LEN + 10);

    if (ngx_http_ai_variable_number(ctx, data, &b) != NGX_OK || b.full) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = p;
    v->len = b.pos - p;

    return NGX_OK;
}


/* subrequests, and locations that the request has come to later, are neither
   admitted nor metered: no way leads from there to a provider */

static ngx_uint_t
ngx_http_ai_variable_passes(ngx_http_request_t *r)
{
    ngx_http_ai_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_tenant_module);

    return r == r->main && alcf->gateway;
}


static void
ngx_http_ai_variable_text(ngx_http_ai_ctx_t *ctx, ngx_http_ai_var_t var,
    ngx_str_t *s)
{
    switch (var) {

    case NGX_HTTP_AI_VAR_PASS:
        *s = ctx->pass;
        break;

    case NGX_HTTP_AI_VAR_ID:
        *s = ctx->id;
        break;

    case NGX_HTTP_AI_VAR_TENANT:
    case NGX_HTTP_AI_VAR_PLAN:
    case NGX_HTTP_AI_VAR_KEY:

        if (ctx->key) {
            *s = var == NGX_HTTP_AI_VAR_KEY ? ctx->key->name
                 : var == NGX_HTTP_AI_VAR_PLAN
                   ? ctx->key->tenant->plan->sn.str
                   : ctx->key->tenant->sn.str;
        }

        break;

    case NGX_HTTP_AI_VAR_MODEL:

        if (ctx->model) {
            *s = ctx->model->sn.str;
        }

        break;

    case NGX_HTTP_AI_VAR_HOST:

        if (ctx->target) {
            *s = ctx->target->provider->host;
        }

        break;

    case NGX_HTTP_AI_VAR_PROVIDER:
    case NGX_HTTP_AI_VAR_SERVED:
    case NGX_HTTP_AI_VAR_FINISH:
        ngx_http_ai_variable_answer(ctx, var, s);
        break;

    default:
        ngx_http_ai_variable_word(ctx, var, s);
    }
}


/* whose answer it is, and what it says of itself */

static void
ngx_http_ai_variable_answer(ngx_http_ai_ctx_t *ctx, ngx_http_ai_var_t var,
    ngx_str_t *s)
{
    if (var == NGX_HTTP_AI_VAR_PROVIDER) {

        if (ctx->hit) {
            ngx_str_set(s, "cache");

        } else if (ctx->sent) {
            *s = ctx->target->provider->name;
        }

    } else if (var == NGX_HTTP_AI_VAR_FINISH) {

        if (ctx->meter) {
            s->len = ctx->meter->finish_len;
            s->data = ctx->meter->finish;
        }

    } else if (ctx->answered) {

        *s = ctx->target->model;

        if (ctx->meter && ctx->meter->model_len) {
            s->len = ctx->meter->model_len;
            s->data = ctx->meter->model;
        }
    }
}


/* one of the words that there are for it */

static void
ngx_http_ai_variable_word(ngx_http_ai_ctx_t *ctx, ngx_http_ai_var_t var,
    ngx_str_t *s)
{
    const char      *word;
    const ai_str_t  *name;

    if (var == NGX_HTTP_AI_VAR_API) {

        if (ctx->found == AI_OK) {
            name = ai_api_name(ctx->route.dialect, ctx->route.ep);
            s->len = name->len;
            s->data = name->data;
        }

        return;
    }

    if (var == NGX_HTTP_AI_VAR_STATUS) {
        word = ctx->status ? ai_status_names[ctx->status] : NULL;

    } else {
        word = ctx->usage ? ai_source_names[ctx->usage->source] : NULL;
    }

    if (word) {
        s->len = ngx_strlen(word);
        s->data = (u_char *) word;
    }
}


static ngx_int_t
ngx_http_ai_variable_number(ngx_http_ai_ctx_t *ctx, ngx_http_ai_var_t var,
    ai_buf_t *b)
{
    ai_usage_t  *u;

    if (var == NGX_HTTP_AI_VAR_ATTEMPTS && ctx->admitted) {
        ai_buf_uint(b, (ctx->attempt ? ctx->attempt->n : 0) + ctx->hit);
        return NGX_OK;
    }

    if (var == NGX_HTTP_AI_VAR_FIRST_BYTE && ctx->answered) {
        ai_buf_uint(b, ctx->first_byte);
        return NGX_OK;
    }

    u = ctx->usage;

    if (u == NULL || u->source == AI_SOURCE_NONE) {
        return NGX_DECLINED;
    }

    switch (var) {

    case NGX_HTTP_AI_VAR_INPUT:
        ai_buf_uint(b, u->input_tokens);
        return NGX_OK;

    case NGX_HTTP_AI_VAR_CACHED:
        ai_buf_uint(b, u->cache_read_tokens);
        return NGX_OK;

    case NGX_HTTP_AI_VAR_OUTPUT:
        ai_buf_uint(b, u->output_tokens);
        return NGX_OK;

    case NGX_HTTP_AI_VAR_REASONING:
        ai_buf_uint(b, u->reasoning_tokens);
        return NGX_OK;

    case NGX_HTTP_AI_VAR_COST:
        ai_buf_nanos(b, ctx->cost_nanos);
        return NGX_OK;

    default:
        return NGX_DECLINED;
    }
}
