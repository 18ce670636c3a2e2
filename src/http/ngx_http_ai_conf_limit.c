
/*
 * The word "limit" of plans and tenants.
 */


#include "ngx_http_ai_conf.h"
#include "../core/ai_amount.h"


static char *ngx_http_ai_conf_limit_param(ngx_conf_t *cf,
    ngx_http_ai_limit_t *l, ngx_str_t *arg);


char *
ngx_http_ai_conf_limit(ngx_conf_t *cf, ngx_http_ai_limit_t *l)
{
    int          resource;
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    ngx_memzero(l, sizeof(ngx_http_ai_limit_t));

    resource = ai_amount_resource(value[1].data, value[1].len);

    if (resource < 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "unknown resource \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ai_amount_parse(&l->limit, resource, value[2].data, value[2].len)
        != AI_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid limit \"%V\" of \"%V\"",
                           &value[2], &value[1]);
        return NGX_CONF_ERROR;
    }

    for (i = 3; i < cf->args->nelts; i++) {

        rv = ngx_http_ai_conf_limit_param(cf, l, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (l->per_key && l->key.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"per=key\" and \"key=\" exclude each other");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_conf_limit_param(ngx_conf_t *cf, ngx_http_ai_limit_t *l,
    ngx_str_t *arg)
{
    ngx_str_t  s;

    if (ngx_http_ai_conf_param(arg, "burst=", &s)) {

        if (ai_amount_burst(&l->limit, s.data, s.len) != AI_OK) {
            return ngx_http_ai_conf_invalid(cf, arg);
        }

        return NGX_CONF_OK;
    }

    if (ngx_http_ai_conf_param(arg, "key=", &s)) {
        l->key = s;
        return ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &s);
    }

    if (arg->len == 7 && ngx_strncmp(arg->data, "per=key", 7) == 0) {
        l->per_key = 1;
        return NGX_CONF_OK;
    }

    return ngx_http_ai_conf_invalid(cf, arg);
}


ai_limit_t *
ngx_http_ai_conf_limit_find(ngx_array_t *limits, ai_limit_t *l)
{
    ai_limit_t  *have;
    ngx_uint_t   i;

    have = limits->elts;

    for (i = 0; i < limits->nelts; i++) {
        if (have[i].resource == l->resource && have[i].period == l->period) {
            return &have[i];
        }
    }

    return NULL;
}


char *
ngx_http_ai_conf_limit_add(ngx_conf_t *cf, ngx_array_t *limits, ai_limit_t *l)
{
    ai_limit_t  *new;

    if (ngx_http_ai_conf_limit_find(limits, l)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate limit of \"%s%s%s\"",
                           ai_resource_names[l->resource],
                           l->period == AI_PERIOD_NONE ? "" : "/",
                           ai_period_names[l->period]);
        return NGX_CONF_ERROR;
    }

    new = ngx_array_push(limits);
    if (new == NULL) {
        return NGX_CONF_ERROR;
    }

    *new = *l;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_ai_conf_limit_merge(ngx_pool_t *pool, ngx_array_t *base,
    ngx_array_t *own, ngx_array_t **out)
{
    ai_limit_t   *l, *new;
    ngx_uint_t    i;
    ngx_array_t  *all;

    if (own == NULL || own->nelts == 0) {
        *out = (base && base->nelts) ? base : NULL;
        return NGX_OK;
    }

    if (base == NULL || base->nelts == 0) {
        *out = own;
        return NGX_OK;
    }

    all = ngx_array_create(pool, base->nelts + own->nelts,
                           sizeof(ai_limit_t));
    if (all == NULL) {
        return NGX_ERROR;
    }

    l = own->elts;

    for (i = 0; i < own->nelts; i++) {
        new = ngx_array_push(all);
        *new = l[i];
    }

    l = base->elts;

    for (i = 0; i < base->nelts; i++) {

        if (ngx_http_ai_conf_limit_find(own, &l[i])) {
            continue;
        }

        new = ngx_array_push(all);
        *new = l[i];
    }

    *out = all;

    return NGX_OK;
}
