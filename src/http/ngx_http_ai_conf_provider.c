
/*
 * ai_provider name { api; base; key; ... }
 */


#include "ngx_http_ai_conf.h"


#define NGX_HTTP_AI_API_VERSION  "2024-10-21"


static char *ngx_http_ai_provider_api(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_provider_base(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_provider_key(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_provider_breaker(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static ngx_int_t ngx_http_ai_provider_percent(ngx_str_t *s,
    ngx_uint_t *percent);
static char *ngx_http_ai_provider_capacity(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_provider_upstream(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_provider_end(ngx_conf_t *cf, ngx_http_ai_block_t *b);


static ngx_conf_enum_t  ngx_http_ai_provider_apis[] = {
    { ngx_string("openai"), AI_DIALECT_OPENAI },
    { ngx_string("anthropic"), AI_DIALECT_ANTHROPIC },
    { ngx_string("gemini"), AI_DIALECT_GEMINI },
    { ngx_string("azure"), AI_DIALECT_AZURE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_ai_provider_cap_fields[] = {
    { ngx_string("max_tokens"), 0 },
    { ngx_string("max_completion_tokens"), 1 },
    { ngx_null_string, 0 }
};


static ngx_http_ai_word_t  ngx_http_ai_provider_words[] = {

    { ngx_string("api"), 1, 1, NGX_HTTP_AI_ONCE|NGX_HTTP_AI_NEEDED,
      ngx_http_ai_provider_api, 0, NULL },

    { ngx_string("base"), 1, 1, NGX_HTTP_AI_ONCE|NGX_HTTP_AI_NEEDED,
      ngx_http_ai_provider_base, 0, NULL },

    { ngx_string("key"), 1, 1, 0, ngx_http_ai_provider_key, 0, NULL },

    { ngx_string("breaker"), 1, 5, NGX_HTTP_AI_ONCE,
      ngx_http_ai_provider_breaker, 0, NULL },

    { ngx_string("capacity"), 1, 3, NGX_HTTP_AI_ONCE,
      ngx_http_ai_provider_capacity, 0, NULL },

    { ngx_string("upstream"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_provider_upstream,
      offsetof(ngx_http_ai_provider_t, upstream), NULL },

    { ngx_string("cap_field"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_enum,
      offsetof(ngx_http_ai_provider_t, cap_completion),
      ngx_http_ai_provider_cap_fields },

    { ngx_string("identify"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_enum,
      offsetof(ngx_http_ai_provider_t, identify),
      ngx_http_ai_conf_switch },

    { ngx_string("api_version"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_name,
      offsetof(ngx_http_ai_provider_t, api_version), NULL },

    { ngx_null_string, 0, 0, 0, NULL, 0, NULL }
};


char *
ngx_http_ai_provider(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    char                    *rv;
    ngx_str_t                host;
    ngx_http_ai_block_t      b;
    ngx_http_ai_provider_t  *p, **slot;

    ngx_http_ai_block_init(cf, &b, mcf);

    rv = ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &b.name);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ai_str_is(&b.name, "cache")) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "ai_provider must not be named \"%V\", as what "
                           "comes out of the cache is", &b.name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_provider_find(mcf, &b.name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate ai_provider \"%V\"", &b.name);
        return NGX_CONF_ERROR;
    }

    p = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_provider_t));
    slot = ngx_array_push(&mcf->providers);

    if (p == NULL || slot == NULL
        || ngx_array_init(&p->keys, cf->pool, 1, sizeof(ngx_str_t)) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    *slot = p;

    p->name = b.name;
    p->index = mcf->providers.nelts - 1;
    p->file = b.file;
    p->line = b.line;
    p->breaker_failures = 5;
    p->breaker_window = 10000;
    p->breaker_cooldown = 30000;
    p->breaker_errors = 50;
    p->breaker_requests = 20;
    p->queue_timeout = 2000;
    p->gate = AI_GATE_NONE;
    p->cap_completion = NGX_CONF_UNSET_UINT;

    b.words = ngx_http_ai_provider_words;
    b.conf = p;
    b.data = &host;

    rv = ngx_http_ai_block_parse(cf, &b);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_ai_provider_end(cf, &b);
}


ngx_http_ai_provider_t *
ngx_http_ai_provider_find(ngx_http_ai_main_conf_t *mcf, ngx_str_t *name)
{
    ngx_uint_t                i;
    ngx_http_ai_provider_t  **p;

    p = mcf->providers.elts;

    for (i = 0; i < mcf->providers.nelts; i++) {
        if (p[i]->name.len == name->len
            && ngx_strncmp(p[i]->name.data, name->data, name->len) == 0)
        {
            return p[i];
        }
    }

    return NULL;
}


static char *
ngx_http_ai_provider_api(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_provider_t *p = b->conf;

    char        *rv;
    ngx_uint_t   api;

    rv = ngx_http_ai_conf_enum(cf, ngx_http_ai_provider_apis, &api);

    if (rv == NGX_CONF_OK) {
        p->api = api;
    }

    return rv;
}


static char *
ngx_http_ai_provider_base(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    char       *err;
    ngx_str_t  *value;

    value = cf->args->elts;

    err = ngx_http_ai_conf_base(b->conf, &value[1], b->data);

    if (err) {

        /* not the whole value: it may hold a password before an '@' */

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"base\" of ai_provider \"%V\"",
                           err, &b->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_provider_key(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_provider_t *p = b->conf;

    ngx_str_t  *value, *key;

    value = cf->args->elts;

    key = ngx_array_push(&p->keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_ai_secret_read(cf, &value[1], key);
}


static char *
ngx_http_ai_provider_breaker(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_provider_t *p = b->conf;

    ngx_str_t   *value, s;
    ngx_int_t    rc;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_ai_conf_param(&value[i], "failures=", &s)) {
            rc = ngx_http_ai_conf_number(&s, 1, &p->breaker_failures);

        } else if (ngx_http_ai_conf_param(&value[i], "window=", &s)) {
            rc = ngx_http_ai_conf_msec(&s, 1, &p->breaker_window);

        } else if (ngx_http_ai_conf_param(&value[i], "cooldown=", &s)) {
            rc = ngx_http_ai_conf_msec(&s, 1, &p->breaker_cooldown);

        } else if (ngx_http_ai_conf_param(&value[i], "errors=", &s)) {
            rc = ngx_http_ai_provider_percent(&s, &p->breaker_errors);

        } else if (ngx_http_ai_conf_param(&value[i], "requests=", &s)) {
            rc = ngx_http_ai_conf_number(&s, 1, &p->breaker_requests);

        } else {
            rc = NGX_ERROR;
        }

        if (rc != NGX_OK) {
            return ngx_http_ai_conf_invalid(cf, &value[i]);
        }
    }

    return NGX_CONF_OK;
}


/* 1% to 100%, or off: 0 */

static ngx_int_t
ngx_http_ai_provider_percent(ngx_str_t *s, ngx_uint_t *percent)
{
    ngx_str_t  number;

    if (s->len == 3 && ngx_strncmp(s->data, "off", 3) == 0) {
        *percent = 0;
        return NGX_OK;
    }

    if (s->len < 2 || s->data[s->len - 1] != '%') {
        return NGX_ERROR;
    }

    number.data = s->data;
    number.len = s->len - 1;

    if (ngx_http_ai_conf_number(&number, 1, percent) != NGX_OK
        || *percent > 100)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* capacity number [queue=] [timeout=] */

static char *
ngx_http_ai_provider_capacity(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_provider_t *p = b->conf;

    ngx_str_t   *value, s;
    ngx_int_t    rc;
    ngx_uint_t   i, timed;

    value = cf->args->elts;
    timed = 0;

    if (ngx_http_ai_conf_number(&value[1], 0, &p->capacity) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number \"%V\" in \"capacity\" directive",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_ai_conf_param(&value[i], "queue=", &s)) {
            rc = ngx_http_ai_conf_number(&s, 0, &p->queue);

            if (p->queue > AI_GATE_WAITERS) {
                rc = NGX_ERROR;
            }

        } else if (ngx_http_ai_conf_param(&value[i], "timeout=", &s)) {
            rc = ngx_http_ai_conf_msec(&s, 1, &p->queue_timeout);
            timed = 1;

        } else {
            rc = NGX_ERROR;
        }

        if (rc != NGX_OK) {
            return ngx_http_ai_conf_invalid(cf, &value[i]);
        }
    }

    if (p->queue && p->capacity == 0) {
        return "with \"queue\" needs a number above 0";
    }

    if (timed && p->queue == 0) {
        return "with \"timeout\" needs \"queue\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_provider_upstream(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    /* it becomes the host of a URL, where '/', '@' and ':' have meanings */

    if (ngx_strlchr(value[1].data, value[1].data + value[1].len, ':')
        || ngx_strlchr(value[1].data, value[1].data + value[1].len, '@'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" in \"upstream\" directive",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_http_ai_word_name(cf, b);
}


static char *
ngx_http_ai_provider_end(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_provider_t  *p = b->conf;
    ngx_str_t               *host = b->data;

    ngx_str_t   *key;
    ngx_uint_t   i;

    if (p->upstream.len == 0 && host->len != p->host.len) {
        ngx_http_ai_conf_error(cf, p->file, p->line,
                               "\"upstream\" is missing in ai_provider "
                               "\"%V\" whose base has a port or an IPv6 "
                               "address", &p->name);
        return NGX_CONF_ERROR;
    }

    if (p->upstream.len == 0) {
        p->upstream = *host;
    }

    if (p->api_version.len && p->api != AI_DIALECT_AZURE) {
        ngx_http_ai_conf_error(cf, p->file, p->line,
                               "\"api_version\" needs \"api azure\" in "
                               "ai_provider \"%V\"", &p->name);
        return NGX_CONF_ERROR;
    }

    if (p->api_version.len == 0 && p->api == AI_DIALECT_AZURE) {
        ngx_str_set(&p->api_version, NGX_HTTP_AI_API_VERSION);
    }

    ngx_conf_init_uint_value(p->cap_completion, p->api == AI_DIALECT_OPENAI);

    if (p->keys.nelts == 0) {
        key = ngx_array_push(&p->keys);
        ngx_str_set(key, "\r\n");

    } else {
        key = p->keys.elts;

        for (i = 0; i < p->keys.nelts; i++) {
            ngx_http_ai_secret_line(p->api, &key[i], &key[i]);
        }
    }

    if (p->scheme.len == 4 && !p->loopback && !p->private) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "keys and prompts go to ai_provider \"%V\" over plain "
                      "http in %s:%ui", &p->name, p->file, p->line);
    }

    return NGX_CONF_OK;
}
