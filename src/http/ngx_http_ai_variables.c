
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
static ngx_int_t ngx_http_ai_variable_text(ngx_http_ai_ctx_t *ctx,
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

        if (ngx_http_ai_variable_text(ctx, data, &s) != NGX_OK || s.len == 0) {
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


static ngx_int_t
ngx_http_ai_variable_text(ngx_http_ai_ctx_t *ctx, ngx_http_ai_var_t var,
    ngx_str_t *s)
{
    const char      *word;
    const ai_str_t  *name;

    word = NULL;

    switch (var) {

    case NGX_HTTP_AI_VAR_PASS:
        *s = ctx->pass;
        return NGX_OK;

    case NGX_HTTP_AI_VAR_ID:
        *s = ctx->id;
        return NGX_OK;

    case NGX_HTTP_AI_VAR_API:
        if (ctx->found != AI_OK) {
            return NGX_DECLINED;
        }

        name = ai_api_name(ctx->route.dialect, ctx->route.ep);
        s->len = name->len;
        s->data = name->data;
        return NGX_OK;

    case NGX_HTTP_AI_VAR_FINISH:
        if (ctx->meter) {
            s->len = ctx->meter->finish_len;
            s->data = ctx->meter->finish;
        }

        return NGX_OK;

    case NGX_HTTP_AI_VAR_STATUS:
        word = ctx->status ? ai_status_names[ctx->status] : NULL;
        break;

    case NGX_HTTP_AI_VAR_SOURCE:
        word = ctx->usage ? ai_source_names[ctx->usage->source] : NULL;
        break;

    default:
        break;
    }

    if (word) {
        s->len = ngx_strlen(word);
        s->data = (u_char *) word;
        return NGX_OK;
    }

    if (ctx->key && var == NGX_HTTP_AI_VAR_TENANT) {
        *s = ctx->key->tenant->sn.str;

    } else if (ctx->key && var == NGX_HTTP_AI_VAR_PLAN) {
        *s = ctx->key->tenant->plan->sn.str;

    } else if (ctx->key && var == NGX_HTTP_AI_VAR_KEY) {
        *s = ctx->key->name;

    } else if (ctx->model && var == NGX_HTTP_AI_VAR_MODEL) {
        *s = ctx->model->sn.str;

    } else if (ctx->target && var == NGX_HTTP_AI_VAR_HOST) {
        *s = ctx->target->provider->host;

    } else if (ctx->hit && var == NGX_HTTP_AI_VAR_PROVIDER) {
        ngx_str_set(s, "cache");

    } else if (ctx->sent && var == NGX_HTTP_AI_VAR_PROVIDER) {
        *s = ctx->target->provider->name;

    } else if (ctx->answered && var == NGX_HTTP_AI_VAR_SERVED) {

        if (ctx->meter && ctx->meter->model_len) {
            s->len = ctx->meter->model_len;
            s->data = ctx->meter->model;

        } else {
            *s = ctx->target->model;
        }
    }

    return NGX_OK;
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
