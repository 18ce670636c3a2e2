
/*
 * ai_plan name { limit; models; max_output; ... }
 */


#include "ngx_http_ai_cache.h"


static char *ngx_http_ai_plan_limit(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_plan_models(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_plan_priority(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_plan_queue(ngx_conf_t *cf, ngx_http_ai_block_t *b);


static ngx_conf_enum_t  ngx_http_ai_plan_store_losses[] = {
    { ngx_string("local"), 0 },
    { ngx_string("closed"), 1 },
    { ngx_string("open"), 2 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_ai_plan_unboundeds[] = {
    { ngx_string("allow"), 1 },
    { ngx_string("refuse"), 2 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_ai_plan_on_aborts[] = {
    { ngx_string("cancel"), 0 },
    { ngx_string("drain"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_ai_plan_on_revokes[] = {
    { ngx_string("cut"), 0 },
    { ngx_string("finish"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_ai_plan_priorities[] = {
    { ngx_string("best_effort"), 0 },
    { ngx_string("guaranteed"), 1 },
    { ngx_string("dedicated"), 2 },
    { ngx_null_string, 0 }
};


static ngx_http_ai_word_t  ngx_http_ai_plan_words[] = {

    { ngx_string("limit"), 2, 4, 0, ngx_http_ai_plan_limit, 0, NULL },

    { ngx_string("models"), 1, 1000, 0, ngx_http_ai_plan_models, 0, NULL },

    { ngx_string("max_output"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_positive,
      offsetof(ngx_http_ai_plan_t, max_output), NULL },

    { ngx_string("on_store_loss"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_enum,
      offsetof(ngx_http_ai_plan_t, store_loss),
      ngx_http_ai_plan_store_losses },

    { ngx_string("unbounded"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_enum,
      offsetof(ngx_http_ai_plan_t, unbounded),
      ngx_http_ai_plan_unboundeds },

    { ngx_string("on_abort"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_enum,
      offsetof(ngx_http_ai_plan_t, drain),
      ngx_http_ai_plan_on_aborts },

    { ngx_string("on_revoke"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_enum,
      offsetof(ngx_http_ai_plan_t, finish),
      ngx_http_ai_plan_on_revokes },

    { ngx_string("priority"), 1, 2, NGX_HTTP_AI_ONCE,
      ngx_http_ai_plan_priority, 0, NULL },

    { ngx_string("queue"), 1, 2, NGX_HTTP_AI_ONCE,
      ngx_http_ai_plan_queue, 0, NULL },

    { ngx_string("cache"), 1, 3, NGX_HTTP_AI_ONCE,
      ngx_http_ai_plan_cache, 0, NULL },

    { ngx_null_string, 0, 0, 0, NULL, 0, NULL }
};


char *
ngx_http_ai_plan(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    char                 *rv;
    ngx_http_ai_plan_t   *plan;
    ngx_http_ai_block_t   b;

    ngx_http_ai_block_init(cf, &b, mcf);

    rv = ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &b.name);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    plan = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_plan_t));

    if (plan == NULL
        || ngx_array_init(&plan->limits, cf->pool, 4, sizeof(ai_limit_t))
           != NGX_OK
        || ngx_array_init(&plan->key_limits, cf->pool, 1, sizeof(ai_limit_t))
           != NGX_OK
        || ngx_array_init(&plan->models, cf->pool, 4, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_tree_add(&mcf->plan_tree, &plan->sn, &b.name) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate ai_plan \"%V\"",
                           &b.name);
        return NGX_CONF_ERROR;
    }

    b.words = ngx_http_ai_plan_words;
    b.conf = plan;

    return ngx_http_ai_block_parse(cf, &b);
}


static char *
ngx_http_ai_plan_limit(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_plan_t *plan = b->conf;

    char                 *rv;
    ngx_http_ai_limit_t   l;

    rv = ngx_http_ai_conf_limit(cf, &l);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (l.key.len) {
        return "takes \"key=\" only in ai_tenant";
    }

    return ngx_http_ai_conf_limit_add(cf, l.per_key ? &plan->key_limits
                                                    : &plan->limits,
                                      &l.limit);
}


static char *
ngx_http_ai_plan_models(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_plan_t *plan = b->conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_ai_conf_patterns(cf, &plan->models, &value[1],
                                     cf->args->nelts - 1);
}


static char *
ngx_http_ai_plan_priority(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_plan_t *plan = b->conf;

    char        *rv;
    ngx_str_t   *value, s;
    ngx_uint_t   n;

    rv = ngx_http_ai_conf_enum(cf, ngx_http_ai_plan_priorities, &n);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    plan->priority = n;

    if (cf->args->nelts == 3) {
        value = cf->args->elts;

        if (!ngx_http_ai_conf_param(&value[2], "share=", &s)
            || ngx_http_ai_conf_number(&s, 1, &plan->share) != NGX_OK
            || plan->share > 100)
        {
            return ngx_http_ai_conf_invalid(cf, &value[2]);
        }
    }

    if ((n == AI_GATE_BEST_EFFORT) != (plan->share == 0)) {
        return n == AI_GATE_BEST_EFFORT ? "takes no \"share=\" for best_effort"
                                        : "needs \"share=\"";
    }

    return NGX_CONF_OK;
}


/* queue number [timeout=time] */

static char *
ngx_http_ai_plan_queue(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_plan_t *plan = b->conf;

    ngx_str_t  *value, s;

    value = cf->args->elts;

    if (ngx_http_ai_conf_number(&value[1], 1, &plan->queue) != NGX_OK
        || plan->queue > AI_ENTRY_QUEUE)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number \"%V\" in \"%V\" directive",
                           &value[1], &value[0]);
        return NGX_CONF_ERROR;
    }

    plan->queue_timeout = AI_ENTRY_QUEUE_MS;

    if (cf->args->nelts == 3
        && (!ngx_http_ai_conf_param(&value[2], "timeout=", &s)
            || ngx_http_ai_conf_msec(&s, 1, &plan->queue_timeout) != NGX_OK
            || plan->queue_timeout > AI_ENTRY_QUEUE_MS_MAX))
    {
        return ngx_http_ai_conf_invalid(cf, &value[2]);
    }

    plan->file = cf->conf_file->file.name.data;
    plan->line = cf->conf_file->line;

    return NGX_CONF_OK;
}
