
/*
 * target name [...]; fallback name [...]; in ai_model.
 */


#include "ngx_http_ai_conf.h"
#include "../core/ai_choose.h"


/* what is known of one line of them until it ends */

typedef struct {
    ngx_http_ai_target_t      *target;
    unsigned                   weight:1;    /* weight= was given */
    unsigned                   watch:1;     /* errors=, p99= and the like */
} ngx_http_ai_target_args_t;


typedef struct {
    const char                *prefix;
    ngx_uint_t                 offset;      /* in ngx_http_ai_target_t */
    ngx_uint_t                 max;         /* of numbers */
} ngx_http_ai_target_arg_t;


static ngx_int_t ngx_http_ai_target_param(ngx_conf_t *cf,
    ngx_http_ai_target_args_t *args, ngx_str_t *arg);
static ngx_int_t ngx_http_ai_target_number(ngx_http_ai_target_t *t,
    ngx_str_t *arg);
static ngx_int_t ngx_http_ai_target_weigh(ngx_http_ai_target_args_t *args,
    ngx_str_t *arg);
static ngx_int_t ngx_http_ai_target_watch(ngx_http_ai_target_args_t *args,
    ngx_str_t *arg);
static ngx_int_t ngx_http_ai_target_percent(ngx_str_t *value, ngx_uint_t min,
    ngx_uint_t *percent);
static ngx_int_t ngx_http_ai_targets_order(ngx_conf_t *cf,
    ngx_http_ai_model_t *m);
static char *ngx_http_ai_targets_weights(ngx_conf_t *cf,
    ngx_http_ai_model_t *m);
static char *ngx_http_ai_targets_names(ngx_conf_t *cf,
    ngx_http_ai_model_t *m);
static ngx_int_t ngx_http_ai_target_default(ngx_conf_t *cf,
    ngx_http_ai_model_t *m, ngx_http_ai_target_t *t);
static ngx_http_ai_target_t *ngx_http_ai_target_named(ngx_http_ai_model_t *m,
    ngx_http_ai_target_t *but, ngx_str_t *name);


#define ngx_http_ai_target_offset(field)                                     \
    offsetof(ngx_http_ai_target_t, field)

static ngx_http_ai_target_arg_t  ngx_http_ai_target_times[] = {
    { "connect=", ngx_http_ai_target_offset(connect), 0 },
    { "first_byte=", ngx_http_ai_target_offset(first_byte), 0 },
    { "timeout=", ngx_http_ai_target_offset(timeout), 0 },
    { "total=", ngx_http_ai_target_offset(total), 0 },
    { NULL, 0, 0 }
};

static ngx_http_ai_target_arg_t  ngx_http_ai_target_numbers[] = {
    { "capacity=", ngx_http_ai_target_offset(capacity), 65535 },
    { "context=", ngx_http_ai_target_offset(context),
      NGX_HTTP_AI_NUMBER_MAX },
    { NULL, 0, 0 }
};


char *
ngx_http_ai_model_target(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_http_ai_target_t       *t;
    ngx_http_ai_target_args_t   args;

    if (m->targets.nelts == AI_CHOOSE_MAX) {
        return "is one too many";
    }

    t = ngx_array_push(&m->targets);
    if (t == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(t, sizeof(ngx_http_ai_target_t));
    ngx_memzero(&args, sizeof(ngx_http_ai_target_args_t));

    args.target = t;
    value = cf->args->elts;

    t->provider_name = value[1];
    t->fallback = (value[0].data[0] == 'f');
    t->weight = t->fallback ? 0 : 1;
    t->connect = 5000;
    t->timeout = 60000;
    t->canary_window = 60000;
    t->canary_requests = 20;
    t->place = AI_BOARD_NONE;
    t->gate = AI_GATE_NONE;
    t->model = m->sn.str;

    for (i = 2; i < cf->args->nelts; i++) {
        switch (ngx_http_ai_target_param(cf, &args, &value[i])) {

        case NGX_OK:
            break;

        case NGX_DECLINED:
            return ngx_http_ai_conf_invalid(cf, &value[i]);

        default:
            return NGX_CONF_ERROR;
        }
    }

    if (args.watch && !t->canary) {
        return "has a parameter that needs \"canary=\"";
    }

    if (args.weight && t->canary) {
        return "has both \"weight=\" and \"canary=\"";
    }

    return NGX_CONF_OK;
}


/* NGX_DECLINED: invalid; NGX_ERROR: it was said why */

static ngx_int_t
ngx_http_ai_target_param(ngx_conf_t *cf, ngx_http_ai_target_args_t *args,
    ngx_str_t *arg)
{
    ngx_int_t              rc;
    ngx_str_t              s;
    ngx_http_ai_target_t  *t;

    t = args->target;

    if (ngx_http_ai_conf_param(arg, "model=", &s)) {
        t->model = s;

        if (s.len == 0) {
            return NGX_DECLINED;
        }

        return ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME_MODEL, &s)
               == NGX_CONF_OK ? NGX_OK : NGX_ERROR;
    }

    if (ngx_http_ai_conf_param(arg, "name=", &t->name)) {
        return ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &t->name)
               == NGX_CONF_OK ? NGX_OK : NGX_ERROR;
    }

    rc = ngx_http_ai_target_number(t, arg);

    if (rc == NGX_AGAIN && !t->fallback) {
        rc = ngx_http_ai_target_weigh(args, arg);
    }

    return rc == NGX_OK ? NGX_OK : NGX_DECLINED;
}


/* NGX_AGAIN: another parameter */

static ngx_int_t
ngx_http_ai_target_number(ngx_http_ai_target_t *t, ngx_str_t *arg)
{
    ngx_int_t                  rc;
    ngx_str_t                  s;
    ngx_msec_t                *msec;
    ngx_uint_t                *n;
    ngx_http_ai_target_arg_t  *p;

    for (p = ngx_http_ai_target_times; p->prefix; p++) {
        if (ngx_http_ai_conf_param(arg, p->prefix, &s)) {
            msec = (ngx_msec_t *) ((u_char *) t + p->offset);
            return ngx_http_ai_conf_msec(&s, 1, msec);
        }
    }

    for (p = ngx_http_ai_target_numbers; p->prefix; p++) {

        if (ngx_http_ai_conf_param(arg, p->prefix, &s)) {
            n = (ngx_uint_t *) ((u_char *) t + p->offset);
            rc = ngx_http_ai_conf_number(&s, 1, n);

            return (rc == NGX_OK && *n <= p->max) ? NGX_OK : NGX_ERROR;
        }
    }

    return NGX_AGAIN;
}


/* what fallbacks have not */

static ngx_int_t
ngx_http_ai_target_weigh(ngx_http_ai_target_args_t *args, ngx_str_t *arg)
{
    ngx_str_t              s;
    ngx_uint_t             n;
    ngx_http_ai_target_t  *t;

    t = args->target;

    if (ngx_http_ai_conf_param(arg, "weight=", &s)) {
        args->weight = 1;

        if (ngx_http_ai_conf_number(&s, 0, &n) != NGX_OK || n > 65535) {
            return NGX_ERROR;
        }

        if (!t->canary) {
            t->weight = n;
        }

        return NGX_OK;
    }

    if (ngx_http_ai_conf_param(arg, "canary=", &s)) {
        t->canary = 1;
        return ngx_http_ai_target_percent(&s, 0, &t->weight);
    }

    return ngx_http_ai_target_watch(args, arg);
}


/* when a canary steps back */

static ngx_int_t
ngx_http_ai_target_watch(ngx_http_ai_target_args_t *args, ngx_str_t *arg)
{
    ngx_str_t              s;
    ngx_http_ai_target_t  *t;

    t = args->target;
    args->watch = 1;

    if (ngx_http_ai_conf_param(arg, "errors=", &s)) {
        return ngx_http_ai_target_percent(&s, 1, &t->canary_errors);
    }

    if (ngx_http_ai_conf_param(arg, "p99=", &s)) {
        return ngx_http_ai_conf_msec(&s, 1, &t->canary_p99);
    }

    if (ngx_http_ai_conf_param(arg, "window=", &s)) {
        return ngx_http_ai_conf_msec(&s, 1000, &t->canary_window);
    }

    if (ngx_http_ai_conf_param(arg, "requests=", &s)) {
        return ngx_http_ai_conf_number(&s, 1, &t->canary_requests);
    }

    return NGX_ERROR;
}


/* "5%" or "5" */

static ngx_int_t
ngx_http_ai_target_percent(ngx_str_t *value, ngx_uint_t min,
    ngx_uint_t *percent)
{
    ngx_str_t  s;

    s = *value;

    if (s.len && s.data[s.len - 1] == '%') {
        s.len--;
    }

    if (ngx_http_ai_conf_number(&s, min, percent) != NGX_OK
        || *percent > 100)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


char *
ngx_http_ai_model_targets(ngx_conf_t *cf, ngx_http_ai_model_t *m)
{
    char  *rv;

    if (ngx_http_ai_targets_order(cf, m) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_ai_targets_weights(cf, m);

    return rv == NGX_CONF_OK ? ngx_http_ai_targets_names(cf, m) : rv;
}


/* targets first, then fallbacks, each in the order of the configuration */

static ngx_int_t
ngx_http_ai_targets_order(ngx_conf_t *cf, ngx_http_ai_model_t *m)
{
    ngx_uint_t             i, pass;
    ngx_array_t            all;
    ngx_http_ai_target_t  *t, *new;

    all = m->targets;
    t = all.elts;

    if (ngx_array_init(&m->targets, cf->pool, ngx_max(all.nelts, 1),
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


/* some target must take what no canary takes */

static char *
ngx_http_ai_targets_weights(ngx_conf_t *cf, ngx_http_ai_model_t *m)
{
    ngx_uint_t             i, percent, taken;
    ngx_http_ai_target_t  *t;

    t = m->targets.elts;
    percent = 0;
    taken = 0;

    for (i = 0; i < m->targets.nelts; i++) {

        if (t[i].canary) {
            percent += t[i].weight;

        } else if (t[i].weight || t[i].fallback) {
            taken = 1;
        }
    }

    if (m->targets.nelts == 0 || t[0].fallback) {
        ngx_http_ai_conf_error(cf, m->file, m->line,
                               "\"target\" is missing in ai_model \"%V\"",
                               &m->sn.str);
        return NGX_CONF_ERROR;
    }

    if (!taken) {
        ngx_http_ai_conf_error(cf, m->file, m->line,
                               "no \"target\" with a weight, nor a fallback, "
                               "in ai_model \"%V\"", &m->sn.str);
        return NGX_CONF_ERROR;
    }

    if (percent > 100) {
        ngx_http_ai_conf_error(cf, m->file, m->line,
                               "canaries of more than 100 percent in "
                               "ai_model \"%V\"", &m->sn.str);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* the same model at the same provider is one and the same on the board */

static char *
ngx_http_ai_targets_names(ngx_conf_t *cf, ngx_http_ai_model_t *m)
{
    ngx_uint_t             i, k;
    ngx_http_ai_target_t  *t;

    t = m->targets.elts;

    for (i = 0; i < m->targets.nelts; i++) {

        for (k = 0; k < i; k++) {

            if (ngx_http_ai_str_equal(&t[i].provider_name,
                                      &t[k].provider_name)
                && ngx_http_ai_str_equal(&t[i].model, &t[k].model))
            {
                ngx_http_ai_conf_error(cf, m->file, m->line,
                                       "duplicate target of model \"%V\" at "
                                       "ai_provider \"%V\" in ai_model "
                                       "\"%V\"", &t[i].model,
                                       &t[i].provider_name, &m->sn.str);
                return NGX_CONF_ERROR;
            }
        }

        if (t[i].name.len == 0
            && ngx_http_ai_target_default(cf, m, &t[i]) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_ai_target_named(m, &t[i], &t[i].name)) {
            ngx_http_ai_conf_error(cf, m->file, m->line,
                                   "duplicate target \"%V\" in ai_model "
                                   "\"%V\"", &t[i].name, &m->sn.str);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* the provider's, and where that is taken provider/model */

static ngx_int_t
ngx_http_ai_target_default(ngx_conf_t *cf, ngx_http_ai_model_t *m,
    ngx_http_ai_target_t *t)
{
    t->name = t->provider_name;

    if (ngx_http_ai_target_named(m, t, &t->name) == NULL) {
        return NGX_OK;
    }

    t->name.len = t->provider_name.len + 1 + t->model.len;
    t->name.data = ngx_pnalloc(cf->pool, t->name.len);
    if (t->name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(t->name.data, "%V/%V", &t->provider_name, &t->model);

    return NGX_OK;
}


static ngx_http_ai_target_t *
ngx_http_ai_target_named(ngx_http_ai_model_t *m, ngx_http_ai_target_t *but,
    ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    t = m->targets.elts;

    for (i = 0; i < m->targets.nelts; i++) {
        if (&t[i] != but && ngx_http_ai_str_equal(&t[i].name, name)) {
            return &t[i];
        }
    }

    return NULL;
}
