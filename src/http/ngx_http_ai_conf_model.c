
/*
 * ai_model name { price; unit; context; max_output; target; fallback; ... },
 * the virtual ai_model name { task; default; } and ai_alias name model;
 */


#include "ngx_http_ai_conf.h"


static char *ngx_http_ai_model_end(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_model_virtual(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);


static ngx_conf_enum_t  ngx_http_ai_model_prefers[] = {
    { ngx_string("weight"), NGX_HTTP_AI_PREFER_WEIGHT },
    { ngx_string("cost"), NGX_HTTP_AI_PREFER_COST },
    { ngx_string("latency"), NGX_HTTP_AI_PREFER_LATENCY },
    { ngx_null_string, 0 }
};


static ngx_http_ai_word_t  ngx_http_ai_model_words[] = {

    { ngx_string("price"), 1, 16, 0,
      ngx_http_ai_model_price, 0, NULL },

    { ngx_string("unit"), 1, AI_UNIT_N, 0, ngx_http_ai_model_unit, 0, NULL },

    { ngx_string("context"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_positive,
      offsetof(ngx_http_ai_model_t, context), NULL },

    { ngx_string("max_output"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_positive,
      offsetof(ngx_http_ai_model_t, max_output), NULL },

    { ngx_string("target"), 1, 16, 0, ngx_http_ai_model_target, 0, NULL },
    { ngx_string("fallback"), 1, 16, 0, ngx_http_ai_model_target, 0, NULL },
    { ngx_string("route"), 1, 16, 0, ngx_http_ai_model_route, 0, NULL },

    { ngx_string("prefer"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_enum,
      offsetof(ngx_http_ai_model_t, prefer),
      ngx_http_ai_model_prefers },

    { ngx_string("sticky"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_model_sticky, 0, NULL },

    { ngx_string("attempts"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_model_attempts, 0, NULL },

    { ngx_string("total"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_model_time, 0, NULL },

    { ngx_string("retry"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_model_time, 0, NULL },

    { ngx_string("failover"), 1, 64, NGX_HTTP_AI_ONCE,
      ngx_http_ai_model_failover, 0, NULL },

    { ngx_string("task"), 2, 2, 0, ngx_http_ai_model_task, 0, NULL },

    { ngx_string("default"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_model_task, 0, NULL },

    { ngx_null_string, 0, 0, 0, NULL, 0, NULL }
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
    m->attempts = AI_SLOT_ATTEMPTS;
    m->retry = 1000;

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

    return ngx_http_ai_model_end(cf, &b);
}


static char *
ngx_http_ai_model_end(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    char  *rv;

    if (m->tasks) {
        return ngx_http_ai_model_virtual(cf, b);
    }

    rv = ngx_http_ai_model_prices(cf, m, b->data);

    return rv == NGX_CONF_OK ? ngx_http_ai_model_targets(cf, m) : rv;
}


/* it has nothing of its own but tasks */

static char *
ngx_http_ai_model_virtual(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_uint_t           i;
    ngx_http_ai_word_t  *w;

    for (i = 0; b->words[i].name.len; i++) {
        w = &b->words[i];

        if ((b->seen & ((uint32_t) 1 << i))
            && w->handler != ngx_http_ai_model_task)
        {
            ngx_http_ai_conf_error(cf, b->file, b->line,
                                   "\"%V\" beside \"task\" or \"default\" in "
                                   "ai_model \"%V\"", &w->name, &b->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
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
