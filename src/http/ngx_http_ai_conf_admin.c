
/*
 * ai_admin key=sha256:HEX name=NAME [expires=DATE]: one credential of a
 * location for administration; repeated for each.
 */


#include "ngx_http_ai_conf.h"
#include "../core/ai_date.h"


static char *ngx_http_ai_admin_param(ngx_conf_t *cf, ngx_http_ai_admin_t *a,
    ngx_str_t *arg, ngx_uint_t *key);
static char *ngx_http_ai_admin_add(ngx_conf_t *cf,
    ngx_http_ai_loc_conf_t *alcf, ngx_http_ai_admin_t *a);


char *
ngx_http_ai_admin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_loc_conf_t *alcf = conf;

    char                      *rv;
    ngx_str_t                 *value;
    ngx_uint_t                 i, key;
    ngx_http_ai_admin_t        a;
    ngx_http_ai_main_conf_t   *mcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (alcf->own && alcf->gateway) {
        return "is incompatible with \"ai_gateway on\"";
    }

    value = cf->args->elts;
    key = 0;

    ngx_memzero(&a, sizeof(ngx_http_ai_admin_t));

    for (i = 1; i < cf->args->nelts; i++) {

        rv = ngx_http_ai_admin_param(cf, &a, &value[i], &key);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (!key || a.name.data == NULL) {
        return "needs \"key=\" and \"name=\"";
    }

    rv = ngx_http_ai_admin_add(cf, alcf, &a);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_ai_tenant_module);

    mcf->admin_file = cf->conf_file->file.name.data;
    mcf->admin_line = cf->conf_file->line;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_ai_admin_handler;

    alcf->gateway = 0;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_admin_param(ngx_conf_t *cf, ngx_http_ai_admin_t *a,
    ngx_str_t *arg, ngx_uint_t *key)
{
    uint64_t   seconds;
    ngx_str_t  s, hex;

    if (ngx_http_ai_conf_param(arg, "key=", &s)) {

        /* never quoted: somebody may have put the key itself here */

        if (!ngx_http_ai_conf_param(&s, "sha256:", &hex)
            || ai_key_digest_parse(a->digest, hex.data, hex.len) != AI_OK)
        {
            return "must have \"key=sha256:\" and 64 hexadecimal digits";
        }

        if (*key) {
            return "has two \"key=\"";
        }

        *key = 1;

        return NGX_CONF_OK;
    }

    if (ngx_http_ai_conf_param(arg, "name=", &s) && a->name.data == NULL) {
        a->name = s;
        return ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &a->name);
    }

    if (ngx_http_ai_conf_param(arg, "expires=", &s)
        && ai_date_parse(s.data, s.len, &seconds) == AI_OK && seconds)
    {
        a->expires = seconds;
        return NGX_CONF_OK;
    }

    return ngx_http_ai_conf_invalid(cf, arg);
}


/* two names may be one key's heirs, two keys never one name in the audit */

static char *
ngx_http_ai_admin_add(ngx_conf_t *cf, ngx_http_ai_loc_conf_t *alcf,
    ngx_http_ai_admin_t *a)
{
    ngx_uint_t            i;
    ngx_http_ai_admin_t  *other;

    if (ngx_http_ai_conf_array(cf->pool, &alcf->admins,
                               sizeof(ngx_http_ai_admin_t))
        == NULL)
    {
        return NGX_CONF_ERROR;
    }

    other = alcf->admins->elts;

    for (i = 0; i < alcf->admins->nelts; i++) {

        if (!ngx_http_ai_digest_differs(other[i].digest, a->digest)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate key in \"ai_admin\", \"%V\" has it "
                               "too", &other[i].name);
            return NGX_CONF_ERROR;
        }

        if (other[i].name.len == a->name.len
            && ngx_strncmp(other[i].name.data, a->name.data, a->name.len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate name \"%V\" in \"ai_admin\"",
                               &a->name);
            return NGX_CONF_ERROR;
        }
    }

    other = ngx_array_push(alcf->admins);
    if (other == NULL) {
        return NGX_CONF_ERROR;
    }

    *other = *a;

    return NGX_CONF_OK;
}
