
/*
 * ai_model name { price; unit; context; max_output; target; fallback; } and
 * ai_alias name model;
 */


#include "ngx_http_ai_conf.h"


#define NGX_HTTP_AI_TARGETS_MAX  64


static char *ngx_http_ai_model_context(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_model_max_output(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_model_target(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static ngx_int_t ngx_http_ai_target_param(ngx_http_ai_target_t *t,
    ngx_str_t *arg);
static ngx_int_t ngx_http_ai_model_targets(ngx_conf_t *cf,
    ngx_http_ai_model_t *m);


static ngx_http_ai_word_t  ngx_http_ai_model_words[] = {

    { ngx_string("price"), 1, 16, 0,
      ngx_http_ai_model_price },

    { ngx_string("unit"), 1, AI_UNIT_N, 0, ngx_http_ai_model_unit },

    { ngx_string("context"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_model_context },

    { ngx_string("max_output"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_model_max_output },

    { ngx_string("target"), 1, 7, NGX_HTTP_AI_NEEDED,
      ngx_http_ai_model_target },

    { ngx_string("fallback"), 1, 6, 0, ngx_http_ai_model_target },

    { ngx_null_string, 0, 0, 0, NULL }
};


char *
ngx_http_ai_model(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    char                  *rv;
    ngx_uint_t             i;
    ngx_array_t            prices;
    ngx_http_ai_block_t    b;
    ngx_http_ai_model_t   *m, **slot;

    ngx_http_ai_block_init(cf, &b, mcf);

    rv = ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME_MODEL, &b.name);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    m = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_model_t));
    slot = ngx_array_push(&mcf->models);

    if (m == NULL || slot == NULL
        || ngx_array_init(&m->targets, cf->pool, 2,
                          sizeof(ngx_http_ai_target_t)) != NGX_OK
        || ngx_array_init(&prices, cf->pool, 2, sizeof(ai_price_line_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_tree_add(&mcf->model_tree, &m->sn, &b.name) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate ai_model \"%V\"",
                           &b.name);
        return NGX_CONF_ERROR;
    }

    *slot = m;

    m->index = mcf->models.nelts - 1;
    m->file = b.file;
    m->line = b.line;

    for (i = 0; i < AI_UNIT_N; i++) {
        m->price.units[i] = -1;
    }

    b.words = ngx_http_ai_model_words;
    b.conf = m;
    b.data = &prices;

    rv = ngx_http_ai_block_parse(cf, &b);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_ai_model_prices(cf, m, &prices);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_ai_model_targets(cf, m) == NGX_OK ? NGX_CONF_OK
                                                      : NGX_CONF_ERROR;
}


static char *
ngx_http_ai_model_context(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    return ngx_http_ai_conf_positive(cf, &m->context);
}


static char *
ngx_http_ai_model_max_output(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    return ngx_http_ai_conf_positive(cf, &m->max_output);
}


/* target and fallback; only targets have a weight */

static char *
ngx_http_ai_model_target(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    ngx_str_t             *value;
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    if (m->targets.nelts == NGX_HTTP_AI_TARGETS_MAX) {
        return "is one too many";
    }

    t = ngx_array_push(&m->targets);
    if (t == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(t, sizeof(ngx_http_ai_target_t));

    value = cf->args->elts;

    t->provider_name = value[1];
    t->fallback = (value[0].data[0] == 'f');
    t->weight = t->fallback ? 0 : 1;
    t->connect = 5000;
    t->timeout = 60000;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_ai_target_param(t, &value[i]) != NGX_OK) {
            return ngx_http_ai_conf_invalid(cf, &value[i]);
        }
    }

    if (t->model.len == 0) {
        t->model = m->sn.str;
        return NGX_CONF_OK;
    }

    return ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME_MODEL, &t->model);
}


static ngx_int_t
ngx_http_ai_target_param(ngx_http_ai_target_t *t, ngx_str_t *arg)
{
    ngx_str_t  s;

    if (ngx_http_ai_conf_param(arg, "model=", &s)) {
        t->model = s;
        return s.len ? NGX_OK : NGX_ERROR;
    }

    if (ngx_http_ai_conf_param(arg, "weight=", &s)) {

        if (t->fallback) {
            return NGX_ERROR;
        }

        if (ngx_http_ai_conf_number(&s, 1, &t->weight) != NGX_OK
            || t->weight > 65535)
        {
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (ngx_http_ai_conf_param(arg, "connect=", &s)) {
        return ngx_http_ai_conf_msec(&s, 1, &t->connect);
    }

    if (ngx_http_ai_conf_param(arg, "first_byte=", &s)) {
        return ngx_http_ai_conf_msec(&s, 1, &t->first_byte);
    }

    if (ngx_http_ai_conf_param(arg, "timeout=", &s)) {
        return ngx_http_ai_conf_msec(&s, 1, &t->timeout);
    }

    if (ngx_http_ai_conf_param(arg, "total=", &s)) {
        return ngx_http_ai_conf_msec(&s, 1, &t->total);
    }

    return NGX_ERROR;
}


/* targets first, then fallbacks, each in the order of the configuration */

static ngx_int_t
ngx_http_ai_model_targets(ngx_conf_t *cf, ngx_http_ai_model_t *m)
{
    ngx_uint_t             i, pass;
    ngx_array_t            all;
    ngx_http_ai_target_t  *t, *new;

    all = m->targets;
    t = all.elts;

    if (ngx_array_init(&m->targets, cf->pool, all.nelts,
                       sizeof(ngx_http_ai_target_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (pass = 0; pass < 2; pass++) {

        for (i = 0; i < all.nelts; i++) {
            if (t[i].fallback == pass) {
                new = ngx_array_push(&m->targets);
                *new = t[i];
            }
        }
    }

    return NGX_OK;
}


char *
ngx_http_ai_alias(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    char                 *rv;
    ngx_str_t            *value;
    ngx_http_ai_alias_t  *alias;

    value = cf->args->elts;

    rv = ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME_MODEL, &value[1]);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    alias = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_alias_t));
    if (alias == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_tree_add(&mcf->alias_tree, &alias->sn, &value[1])
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate ai_alias \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    alias->model_name = value[2];
    alias->file = cf->conf_file->file.name.data;
    alias->line = cf->conf_file->line;

    return NGX_CONF_OK;
}
