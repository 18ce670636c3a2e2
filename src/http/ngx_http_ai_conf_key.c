
/*
 * The word "key" of ai_tenant: a digest, never the key itself.
 */


#include "ngx_http_ai_conf.h"
#include "../core/ai_date.h"


#define NGX_HTTP_AI_KEY_SHORT  8    /* digits of a digest in a default name */


static char *ngx_http_ai_key_name(ngx_conf_t *cf, ngx_http_ai_key_t *key);
static char *ngx_http_ai_key_param(ngx_conf_t *cf, ngx_http_ai_key_t *key,
    ngx_str_t *arg);
static char *ngx_http_ai_key_models(ngx_conf_t *cf, ngx_http_ai_key_t *key,
    ngx_str_t *list);


char *
ngx_http_ai_tenant_key(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    char               *rv;
    ngx_str_t          *value, hex;
    ngx_uint_t          i;
    ngx_http_ai_key_t  *key;

    value = cf->args->elts;

    key = ngx_http_ai_conf_push(cf->pool, &b->mcf->keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(key, sizeof(ngx_http_ai_key_t));

    key->tenant = b->conf;

    /* never quoted: somebody may have put the key itself here */

    if (!ngx_http_ai_conf_param(&value[1], "sha256:", &hex)
        || ai_key_digest_parse(key->digest, hex.data, hex.len) != AI_OK)
    {
        return "must be \"sha256:\" and 64 hexadecimal digits";
    }

    for (i = 2; i < cf->args->nelts; i++) {

        rv = ngx_http_ai_key_param(cf, key, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return ngx_http_ai_key_name(cf, key);
}


/* the default name is the beginning of the digest */

static char *
ngx_http_ai_key_name(ngx_conf_t *cf, ngx_http_ai_key_t *key)
{
    if (key->name.data) {
        return ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &key->name);
    }

    key->name.len = NGX_HTTP_AI_KEY_SHORT;
    key->name.data = ngx_pnalloc(cf->pool, NGX_HTTP_AI_KEY_SHORT);
    if (key->name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_hex_dump(key->name.data, key->digest, NGX_HTTP_AI_KEY_SHORT / 2);

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_key_param(ngx_conf_t *cf, ngx_http_ai_key_t *key, ngx_str_t *arg)
{
    uint64_t   seconds;
    ngx_str_t  s;

    if (ngx_http_ai_conf_param(arg, "name=", &key->name)) {
        return NGX_CONF_OK;
    }

    if (ngx_http_ai_conf_param(arg, "expires=", &s)) {

        if (ai_date_parse(s.data, s.len, &seconds) != AI_OK || seconds == 0) {
            return ngx_http_ai_conf_invalid(cf, arg);
        }

        key->expires = seconds;

        return NGX_CONF_OK;
    }

    if (ngx_http_ai_conf_param(arg, "models=", &s)) {
        return ngx_http_ai_key_models(cf, key, &s);
    }

    return ngx_http_ai_conf_invalid(cf, arg);
}


static char *
ngx_http_ai_key_models(ngx_conf_t *cf, ngx_http_ai_key_t *key,
    ngx_str_t *list)
{
    char       *rv;
    u_char     *p, *last, *comma;
    ngx_str_t   name;

    if (ngx_http_ai_conf_array(cf->pool, &key->models, sizeof(ngx_str_t))
        == NULL)
    {
        return NGX_CONF_ERROR;
    }

    p = list->data;
    last = p + list->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        name.data = p;
        name.len = (comma ? comma : last) - p;

        rv = ngx_http_ai_conf_patterns(cf, key->models, &name, 1);

        if (rv != NGX_CONF_OK || comma == NULL) {
            return rv;
        }

        p = comma + 1;
    }
}
