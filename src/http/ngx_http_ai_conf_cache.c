
/*
 * The exact response cache in the configuration: "cache" of ai_plan, and
 * nginx's own proxy_cache beside ai_gateway, which must not be able to give
 * one tenant's answer to another, nor half an answer to anybody.
 */


#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_cache.h"


#define NGX_HTTP_AI_CACHE_PRICE  10     /* percent */


static char *ngx_http_ai_proxy_cache_key(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

#if (NGX_HTTP_CACHE)
static const char *ngx_http_ai_cache_missing(ngx_http_ai_loc_conf_t *alcf,
    ngx_http_upstream_conf_t *ucf);
static ngx_uint_t ngx_http_ai_cache_predicate(ngx_array_t *predicates,
    const char *name);
static ngx_uint_t ngx_http_ai_cache_valid(ngx_array_t *valid);
#endif


/* what a provider must not say of the cache, since its tenants would */

#define NGX_HTTP_AI_CACHE_IGNORED                                            \
    (NGX_HTTP_UPSTREAM_IGN_XA_EXPIRES|NGX_HTTP_UPSTREAM_IGN_EXPIRES          \
     |NGX_HTTP_UPSTREAM_IGN_CACHE_CONTROL|NGX_HTTP_UPSTREAM_IGN_SET_COOKIE   \
     |NGX_HTTP_UPSTREAM_IGN_VARY)


/* the proxy's own setter, while http{} is read */

static char  *(*ngx_http_ai_cache_key_set)(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);


/* cache on | off [price=percent%] [ttl=time] */

char *
ngx_http_ai_plan_cache(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_plan_t *plan = b->conf;

    char        *rv;
    ngx_int_t    n;
    ngx_str_t   *value, s;
    ngx_uint_t   i, on;

    rv = ngx_http_ai_conf_enum(cf, ngx_http_ai_conf_switch, &on);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    plan->cache = on;
    plan->cache_price = NGX_HTTP_AI_CACHE_PRICE;
    plan->cache_file = cf->conf_file->file.name.data;
    plan->cache_line = cf->conf_file->line;

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        if (on && ngx_http_ai_conf_param(&value[i], "price=", &s)
            && s.len > 1 && s.data[s.len - 1] == '%')
        {
            n = ngx_atoi(s.data, s.len - 1);

            if (n >= 0 && n <= 100) {
                plan->cache_price = n;
                continue;
            }
        }

        if (on && ngx_http_ai_conf_param(&value[i], "ttl=", &s)) {
            n = ngx_parse_time(&s, 1);

            if (n > 0) {
                plan->cache_ttl = n;
                continue;
            }
        }

        return ngx_http_ai_conf_invalid(cf, &value[i]);
    }

    return NGX_CONF_OK;
}


/*
 * The value of proxy_cache_key is the proxy's own: nobody else can read it
 * once it is set.  So its setter is ours while http{} is read, and notes what
 * it says for the location.
 */

void
ngx_http_ai_conf_cache_begin(void)
{
    ngx_command_t  *cmd;

    for (cmd = ngx_http_proxy_module.commands; cmd->name.len; cmd++) {

        if (ngx_strcmp(cmd->name.data, "proxy_cache_key") == 0
            && cmd->set != ngx_http_ai_proxy_cache_key)
        {
            ngx_http_ai_cache_key_set = cmd->set;
            cmd->set = ngx_http_ai_proxy_cache_key;
        }
    }
}


void
ngx_http_ai_conf_cache_end(void)
{
    ngx_command_t  *cmd;

    for (cmd = ngx_http_proxy_module.commands; cmd->name.len; cmd++) {

        if (cmd->set == ngx_http_ai_proxy_cache_key) {
            cmd->set = ngx_http_ai_cache_key_set;
        }
    }
}


static char *
ngx_http_ai_proxy_cache_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t               *value;
    ngx_http_ai_loc_conf_t  *alcf;

    /* before the proxy compiles it: that may change the text */

    alcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_ai_tenant_module);
    value = cf->args->elts;
    alcf->cache_key = value[1];

    return ngx_http_ai_cache_key_set(cf, cmd, conf);
}


/*
 * A location with a cache: its zone becomes a variable that is empty for every
 * request whose answer must not be kept, so that nginx neither looks such a
 * request up nor stores its answer.
 */

char *
ngx_http_ai_conf_cache(ngx_conf_t *cf, ngx_http_ai_loc_conf_t *alcf,
    ngx_http_ai_location_t *loc)
{
#if (NGX_HTTP_CACHE)

    const char                        *missing;
    ngx_http_upstream_conf_t          *ucf;
    ngx_http_compile_complex_value_t   ccv;
    ngx_str_t                          zone = ngx_string("$ai_cache_zone");

    ucf = loc->upstream;

    if (ucf->cache != 1) {
        return NGX_CONF_OK;
    }

    missing = ngx_http_ai_cache_missing(alcf, ucf);

    if (missing) {
        ngx_http_ai_conf_error(cf, loc->file, loc->line,
                               "\"proxy_cache\" needs \"%s\" in location "
                               "\"%V\" with \"ai_gateway\"",
                               missing, &loc->clcf->name);
        return NGX_CONF_ERROR;
    }

    alcf->cache_zone = ucf->cache_zone->shm.name;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &zone;
    ccv.complex_value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));

    if (ccv.complex_value == NULL
        || ngx_http_compile_complex_value(&ccv) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ucf->cache_zone = NULL;
    ucf->cache_value = ccv.complex_value;

#endif

    return NGX_CONF_OK;
}


#if (NGX_HTTP_CACHE)

static const char *
ngx_http_ai_cache_missing(ngx_http_ai_loc_conf_t *alcf,
    ngx_http_upstream_conf_t *ucf)
{
    if (ucf->cache_zone == NULL) {
        return "a zone that is no variable";
    }

    if (alcf->cache_key.len != sizeof("$ai_cache_key") - 1
        || ngx_strncmp(alcf->cache_key.data, "$ai_cache_key",
                       sizeof("$ai_cache_key") - 1)
           != 0)
    {
        return "proxy_cache_key $ai_cache_key";
    }

    if (!(ucf->cache_methods & NGX_HTTP_POST)) {
        return "proxy_cache_methods POST";
    }

    if (!ngx_http_ai_cache_predicate(ucf->cache_bypass, "$ai_no_cache")) {
        return "proxy_cache_bypass $ai_no_cache";
    }

    if (!ngx_http_ai_cache_valid(ucf->cache_valid)) {
        return "proxy_cache_valid 200 TIME\" and no other status but \"200";
    }

    /* it would be a request that nobody has admitted */

    if (ucf->cache_background_update) {
        return "proxy_cache_background_update off";
    }

    if ((ucf->ignore_headers & NGX_HTTP_AI_CACHE_IGNORED)
        != NGX_HTTP_AI_CACHE_IGNORED)
    {
        return "proxy_ignore_headers X-Accel-Expires Expires Cache-Control "
               "Set-Cookie Vary";
    }

    return NULL;
}


static ngx_uint_t
ngx_http_ai_cache_predicate(ngx_array_t *predicates, const char *name)
{
    ngx_uint_t                 i;
    ngx_http_complex_value_t  *cv;

    if (predicates == NULL) {
        return 0;
    }

    cv = predicates->elts;

    for (i = 0; i < predicates->nelts; i++) {
        if (cv[i].value.len == ngx_strlen(name)
            && ngx_strncmp(cv[i].value.data, name, cv[i].value.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* an error would be kept for a key, and answered without asking anybody */

static ngx_uint_t
ngx_http_ai_cache_valid(ngx_array_t *valid)
{
    ngx_uint_t               i;
    ngx_http_cache_valid_t  *v;

    if (valid == NULL || valid->nelts == 0) {
        return 0;
    }

    v = valid->elts;

    for (i = 0; i < valid->nelts; i++) {
        if (v[i].status != NGX_HTTP_OK) {
            return 0;
        }
    }

    return 1;
}

#endif


/* a plan's cache without a place to be */

ngx_int_t
ngx_http_ai_conf_cache_plan(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_plan_t *plan)
{
    ngx_uint_t               i;
    ngx_http_ai_location_t  *loc;

    if (!plan->cache) {
        return NGX_OK;
    }

    loc = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
#if (NGX_HTTP_CACHE)
        if (loc[i].upstream->cache == 1) {
            return NGX_OK;
        }
#endif
    }

    ngx_http_ai_conf_error(cf, plan->cache_file, plan->cache_line,
                           "\"cache on\" of ai_plan \"%V\" needs a "
                           "\"proxy_cache\" beside \"ai_gateway\"",
                           &plan->sn.str);
    return NGX_ERROR;
}
