
/*
 * The way back from an attempt that failed: what the configuration needs for
 * it.
 */


#include "ngx_http_ai_jump.h"


static ngx_int_t ngx_http_ai_jump_location(ngx_conf_t *cf,
    ngx_http_ai_loc_conf_t *alcf);
static ngx_int_t ngx_http_ai_jump_pages(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf);
static ngx_int_t ngx_http_ai_jump_named(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);


/* nobody can write this name into a configuration by accident */

static ngx_str_t  ngx_http_ai_jump_name = ngx_string("@ai next");

static const ngx_int_t  ngx_http_ai_jump_statuses[] = {
    NGX_HTTP_BAD_GATEWAY,
    NGX_HTTP_GATEWAY_TIME_OUT
};

#define NGX_HTTP_AI_JUMPS                                                    \
    (sizeof(ngx_http_ai_jump_statuses) / sizeof(ngx_int_t))


ngx_int_t
ngx_http_ai_jump_note(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_loc_conf_t *alcf)
{
    ngx_http_conf_ctx_t      *ctx;
    ngx_http_ai_loc_conf_t  **slot;

    ctx = cf->ctx;
    alcf->loc_conf = ctx->loc_conf;

    slot = ngx_array_push(&mcf->jumps);
    if (slot == NULL) {
        return NGX_ERROR;
    }

    *slot = alcf;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_jump_init(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t                   i;
    ngx_http_ai_loc_conf_t     **alcf;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    alcf = mcf->jumps.elts;

    for (i = 0; i < mcf->jumps.nelts; i++) {
        if (ngx_http_ai_jump_location(cf, alcf[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        if (ngx_http_ai_jump_named(cf, cscfp[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the location once more, but for its error pages */

static ngx_int_t
ngx_http_ai_jump_location(ngx_conf_t *cf, ngx_http_ai_loc_conf_t *alcf)
{
    void                      **conf;
    ngx_uint_t                  n;
    ngx_http_core_loc_conf_t   *clcf;

    n = ngx_http_core_module.ctx_index;

    conf = ngx_palloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    clcf = ngx_palloc(cf->pool, sizeof(ngx_http_core_loc_conf_t));

    if (conf == NULL || clcf == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(conf, alcf->loc_conf, sizeof(void *) * ngx_http_max_module);
    *clcf = *(ngx_http_core_loc_conf_t *) alcf->loc_conf[n];

    conf[n] = clcf;
    alcf->jump_conf = conf;

    return ngx_http_ai_jump_pages(cf, clcf);
}


/* ours stand before the operator's: the first of a status is taken */

static ngx_int_t
ngx_http_ai_jump_pages(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf)
{
    ngx_uint_t            i;
    ngx_array_t          *own;
    ngx_http_err_page_t  *page;

    own = clcf->error_pages;

    clcf->error_pages = ngx_array_create(cf->pool,
                                         NGX_HTTP_AI_JUMPS
                                         + (own ? own->nelts : 0),
                                         sizeof(ngx_http_err_page_t));
    if (clcf->error_pages == NULL) {
        return NGX_ERROR;
    }

    page = ngx_array_push_n(clcf->error_pages, NGX_HTTP_AI_JUMPS);

    for (i = 0; i < NGX_HTTP_AI_JUMPS; i++) {
        ngx_memzero(&page[i], sizeof(ngx_http_err_page_t));

        page[i].status = ngx_http_ai_jump_statuses[i];
        page[i].overwrite = -1;
        page[i].value.value = ngx_http_ai_jump_name;
    }

    if (own) {
        page = ngx_array_push_n(clcf->error_pages, own->nelts);
        ngx_memcpy(page, own->elts, own->nelts * sizeof(ngx_http_err_page_t));
    }

    clcf->recursive_error_pages = 1;

    return NGX_OK;
}


/*
 * A named location without a configuration of its own: the request's comes back
 * as soon as our handler of the rewrite phase runs.
 */

static ngx_int_t
ngx_http_ai_jump_named(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                  n;
    ngx_http_ai_srv_conf_t     *ascf;
    ngx_http_core_loc_conf_t  **locations, *clcf, *server;

    ascf = cscf->ctx->srv_conf[ngx_http_ai_tenant_module.ctx_index];

    if (!ascf->gateway) {
        return NGX_OK;
    }

    server = cscf->ctx->loc_conf[ngx_http_core_module.ctx_index];

    clcf = ngx_palloc(cf->pool, sizeof(ngx_http_core_loc_conf_t));
    if (clcf == NULL) {
        return NGX_ERROR;
    }

    *clcf = *server;
    clcf->name = ngx_http_ai_jump_name;
    clcf->named = 1;
    clcf->loc_conf = cscf->ctx->loc_conf;

    n = 0;

    if (cscf->named_locations) {
        while (cscf->named_locations[n]) {
            n++;
        }
    }

    locations = ngx_pcalloc(cf->pool, (n + 2) * sizeof(void *));
    if (locations == NULL) {
        return NGX_ERROR;
    }

    if (n) {
        ngx_memcpy(locations, cscf->named_locations, n * sizeof(void *));
    }

    locations[n] = clcf;
    cscf->named_locations = locations;

    return NGX_OK;
}
