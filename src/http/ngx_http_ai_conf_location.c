
/*
 * Locations with ai_gateway on: what nginx's own directives must say there.
 *
 * nginx merges modules in their order, so that core's and the proxy's values
 * are final when ours are merged.  Providers may stand further below in the
 * file: what concerns them is checked when everything has been read.
 */


#include "ngx_http_ai_cache.h"


static char *ngx_http_ai_location_body(ngx_conf_t *cf,
    ngx_http_ai_location_t *loc);
static char *ngx_http_ai_location_whole(ngx_conf_t *cf,
    ngx_http_ai_location_t *loc);
static ngx_int_t ngx_http_ai_location_tls(ngx_conf_t *cf,
    ngx_http_ai_location_t *loc, ngx_http_ai_provider_t *p);


char *
ngx_http_ai_conf_location(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_loc_conf_t *alcf)
{
    ngx_http_ai_location_t    *loc;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_upstream_conf_t  *ucf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* the upstream's part is the first member of the proxy's */
    ucf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_proxy_module);

    /* a server's default for its locations needs no handler of its own */

    if (clcf->handler == NULL && (!alcf->own || clcf->name.len == 0)) {
        return NGX_CONF_OK;
    }

    /* proxy_pass without variables: a way around the chosen target */

    if (clcf->handler == NULL || ucf->upstream) {
        ngx_http_ai_conf_error(cf, alcf->file, alcf->line,
                               "\"ai_gateway\" needs \"proxy_pass $ai_pass\" "
                               "in location \"%V\"", &clcf->name);
        return NGX_CONF_ERROR;
    }

    loc = ngx_array_push(&mcf->locations);
    if (loc == NULL) {
        return NGX_CONF_ERROR;
    }

    loc->clcf = clcf;
    loc->upstream = ucf;
    loc->file = alcf->file;
    loc->line = alcf->line;

    if (ngx_http_ai_location_body(cf, loc) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_ai_conf_cache(cf, alcf, loc);
}


/* a body is scanned and sent on from one buffer in memory */

static char *
ngx_http_ai_location_body(ngx_conf_t *cf, ngx_http_ai_location_t *loc)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = loc->clcf;

    if (clcf->client_max_body_size == 0
        || (off_t) clcf->client_body_buffer_size < clcf->client_max_body_size)
    {
        ngx_http_ai_conf_error(cf, loc->file, loc->line,
                               "\"client_body_buffer_size\" %uz is smaller "
                               "than \"client_max_body_size\" %O%s in "
                               "location \"%V\" with \"ai_gateway\"",
                               clcf->client_body_buffer_size,
                               clcf->client_max_body_size,
                               clcf->client_max_body_size ? ""
                                                          : " (unlimited)",
                               &clcf->name);
        return NGX_CONF_ERROR;
    }

    return ngx_http_ai_location_whole(cf, loc);
}


/* a provider would wait for a body that never comes, or not know what it is */

static char *
ngx_http_ai_location_whole(ngx_conf_t *cf, ngx_http_ai_location_t *loc)
{
    if (loc->upstream->pass_request_body
        && loc->upstream->pass_request_headers)
    {
        return NGX_CONF_OK;
    }

    ngx_http_ai_conf_error(cf, loc->file, loc->line,
                           "\"ai_gateway\" needs \"proxy_pass_request_%s on\" "
                           "in location \"%V\"",
                           loc->upstream->pass_request_body ? "headers"
                                                            : "body",
                           &loc->clcf->name);
    return NGX_CONF_ERROR;
}


ngx_int_t
ngx_http_ai_conf_locations(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t                i, n;
    ngx_http_ai_location_t   *loc;
    ngx_http_ai_provider_t  **p;

    loc = mcf->locations.elts;
    p = mcf->providers.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {

        for (n = 0; n < mcf->providers.nelts; n++) {

            if (p[n]->scheme.len != 5 || p[n]->loopback) {
                continue;
            }

            if (ngx_http_ai_location_tls(cf, &loc[i], p[n]) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_location_tls(ngx_conf_t *cf, ngx_http_ai_location_t *loc,
    ngx_http_ai_provider_t *p)
{
#if (NGX_HTTP_SSL)

    const char                *missing;
    ngx_http_upstream_conf_t  *ucf;

    ucf = loc->upstream;
    missing = NULL;

    if (!ucf->ssl_verify) {
        missing = "proxy_ssl_verify on";

    } else if (!ucf->ssl_server_name) {
        missing = "proxy_ssl_server_name on";

    } else if (ucf->ssl_name == NULL
               && (p->upstream.len != p->host.len
                   || ngx_strncasecmp(p->upstream.data, p->host.data,
                                      p->host.len) != 0))
    {
        /* else the name of the upstream group is the right one */
        missing = "proxy_ssl_name $ai_host";
    }

    if (missing) {
        ngx_http_ai_conf_error(cf, loc->file, loc->line,
                               "ai_provider \"%V\" needs \"%s\" in location "
                               "\"%V\" with \"ai_gateway\"",
                               &p->name, missing, &loc->clcf->name);
        return NGX_ERROR;
    }

    return NGX_OK;

#else

    ngx_http_ai_conf_error(cf, p->file, p->line,
                           "ai_provider \"%V\" needs an nginx with SSL",
                           &p->name);
    return NGX_ERROR;

#endif
}
