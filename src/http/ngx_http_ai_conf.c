
/*
 * The configuration's frame: its three levels and the flat directives.
 */


#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_jump.h"


#define NGX_HTTP_AI_ZONE_SIZE     (16 * 1024 * 1024)
#define NGX_HTTP_AI_SEGMENT_SIZE  (64 * 1024 * 1024)
#define NGX_HTTP_AI_SEGMENT_MIN   (64 * 1024)
#define NGX_HTTP_AI_SEGMENT_MAX   (1024 * 1024 * 1024)


static ngx_int_t ngx_http_ai_zone_parse(ngx_http_ai_main_conf_t *mcf,
    ngx_str_t *zone);
static ngx_int_t ngx_http_ai_ledger_param(ngx_ai_ledger_conf_t *ledger,
    ngx_str_t *arg);
static ngx_int_t ngx_http_ai_ledger_size(ngx_str_t *value, size_t *size);


void *
ngx_http_ai_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    ngx_rbtree_init(&mcf->model_tree, &mcf->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_init(&mcf->alias_tree, &mcf->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_init(&mcf->plan_tree, &mcf->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_init(&mcf->tenant_tree, &mcf->sentinel,
                    ngx_str_rbtree_insert_value);

    if (ngx_array_init(&mcf->providers, cf->pool, 8,
                       sizeof(ngx_http_ai_provider_t *)) != NGX_OK
        || ngx_array_init(&mcf->models, cf->pool, 16,
                          sizeof(ngx_http_ai_model_t *)) != NGX_OK
        || ngx_array_init(&mcf->tenants, cf->pool, 16,
                          sizeof(ngx_http_ai_tenant_t *)) != NGX_OK
        || ngx_array_init(&mcf->keys, cf->pool, 16,
                          sizeof(ngx_http_ai_key_t)) != NGX_OK
        || ngx_array_init(&mcf->locations, cf->pool, 4,
                          sizeof(ngx_http_ai_location_t)) != NGX_OK
        || ngx_array_init(&mcf->jumps, cf->pool, 4,
                          sizeof(ngx_http_ai_loc_conf_t *)) != NGX_OK)
    {
        return NULL;
    }

    mcf->ledger.segment = NGX_HTTP_AI_SEGMENT_SIZE;
    mcf->ledger.rotate = NGX_HTTP_AI_SEGMENT_SIZE;
    mcf->ledger.sync = 1000;
    mcf->ledger.user = (ngx_uid_t) -1;

    return mcf;
}


char *
ngx_http_ai_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    if (mcf->zone_name.data == NULL) {
        ngx_str_set(&mcf->zone_name, "ai");
        mcf->zone_size = NGX_HTTP_AI_ZONE_SIZE;
    }

    if (mcf->ledger.path.data == NULL) {
        ngx_str_set(&mcf->ledger.path, "ai-ledger");
    }

    if (ngx_conf_full_name(cf->cycle, &mcf->ledger.path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


void *
ngx_http_ai_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_srv_conf_t));
}


void *
ngx_http_ai_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_ai_loc_conf_t  *alcf;

    alcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_loc_conf_t));
    if (alcf == NULL) {
        return NULL;
    }

    alcf->gateway = NGX_CONF_UNSET;
    alcf->route_header = NGX_CONF_UNSET;

    return alcf;
}


char *
ngx_http_ai_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_ai_loc_conf_t *prev = parent;
    ngx_http_ai_loc_conf_t *conf = child;

    ngx_http_ai_srv_conf_t   *ascf;
    ngx_http_ai_main_conf_t  *mcf;

    ngx_conf_merge_value(conf->gateway, prev->gateway, 0);
    ngx_conf_merge_value(conf->route_header, prev->route_header, 0);
    ngx_conf_merge_str_value(conf->cache_key, prev->cache_key, "");

    if (!conf->own) {
        conf->file = prev->file;
        conf->line = prev->line;
    }

    if (!conf->gateway && conf->admins == NULL) {
        return NGX_CONF_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_ai_tenant_module);
    ascf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_ai_tenant_module);

    mcf->enabled = 1;
    ascf->gateway = 1;

    if (!conf->gateway) {
        return NGX_CONF_OK;
    }

    if (ngx_http_ai_jump_note(cf, mcf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_ai_conf_location(cf, mcf, conf);
}


/* ai_zone zone=name:size */

char *
ngx_http_ai_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    ngx_str_t  *value, s;

    if (mcf->zone_name.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (!ngx_http_ai_conf_param(&value[1], "zone=", &s)) {
        return ngx_http_ai_conf_invalid(cf, &value[1]);
    }

    if (ngx_http_ai_zone_parse(mcf, &s) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid zone size \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (mcf->zone_size < ai_book_min_size()) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small, it needs %uzk",
                           &value[1], ai_book_min_size() / 1024 + 1);
        return NGX_CONF_ERROR;
    }

    return ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &mcf->zone_name);
}


static ngx_int_t
ngx_http_ai_zone_parse(ngx_http_ai_main_conf_t *mcf, ngx_str_t *zone)
{
    u_char     *colon;
    ssize_t     size;
    ngx_str_t   s;

    colon = ngx_strlchr(zone->data, zone->data + zone->len, ':');
    if (colon == NULL) {
        return NGX_ERROR;
    }

    s.data = colon + 1;
    s.len = zone->data + zone->len - s.data;

    size = ngx_parse_size(&s);
    if (size == NGX_ERROR || size == 0) {
        return NGX_ERROR;
    }

    mcf->zone_name.data = zone->data;
    mcf->zone_name.len = colon - zone->data;
    mcf->zone_size = size;

    return NGX_OK;
}


/* ai_ledger path [segment=size] [sync=time] [rotate=size] */

char *
ngx_http_ai_ledger(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (mcf->ledger_set) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return ngx_http_ai_conf_invalid(cf, &value[1]);
    }

    mcf->ledger.path = value[1];
    mcf->ledger_set = 1;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_ai_ledger_param(&mcf->ledger, &value[i]) != NGX_OK) {
            return ngx_http_ai_conf_invalid(cf, &value[i]);
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_ai_ledger_param(ngx_ai_ledger_conf_t *ledger, ngx_str_t *arg)
{
    ngx_str_t  s;

    if (ngx_http_ai_conf_param(arg, "segment=", &s)) {
        return ngx_http_ai_ledger_size(&s, &ledger->segment);
    }

    if (ngx_http_ai_conf_param(arg, "rotate=", &s)) {
        return ngx_http_ai_ledger_size(&s, &ledger->rotate);
    }

    if (ngx_http_ai_conf_param(arg, "sync=", &s)) {
        return ngx_http_ai_conf_msec(&s, 0, &ledger->sync);
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_ledger_size(ngx_str_t *value, size_t *size)
{
    ssize_t  n;

    n = ngx_parse_size(value);

    if (n < NGX_HTTP_AI_SEGMENT_MIN || n > NGX_HTTP_AI_SEGMENT_MAX) {
        return NGX_ERROR;
    }

    *size = n;

    return NGX_OK;
}


/* ai_gateway on | off */

char *
ngx_http_ai_gateway(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_loc_conf_t *alcf = conf;

    char  *rv;

    rv = ngx_conf_set_flag_slot(cf, cmd, conf);

    if (rv == NGX_CONF_OK) {
        alcf->own = 1;
        alcf->file = cf->conf_file->file.name.data;
        alcf->line = cf->conf_file->line;
    }

    return rv;
}


/* ai_status: a location of its own, never behind the gateway's own keys */

char *
ngx_http_ai_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_loc_conf_t *alcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_http_ai_status_handler) {
        return "is duplicate";
    }

    if (alcf->own && alcf->gateway) {
        return "is incompatible with \"ai_gateway on\"";
    }

    clcf->handler = ngx_http_ai_status_handler;
    alcf->gateway = 0;

    return NGX_CONF_OK;
}
