
/*
 * Cycles and processes: phases are registered, the ledger is made ready by the
 * master and opened by each worker.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_cache.h"
#include "ngx_http_ai_jump.h"
#include "ngx_http_ai_routing.h"
#include <sys/prctl.h>


static ngx_int_t ngx_http_ai_handler_add(ngx_conf_t *cf, ngx_uint_t phase,
    ngx_http_handler_pt handler);
static void ngx_http_ai_handler_first(ngx_array_t *handlers);
static ngx_int_t ngx_http_ai_init_lease(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *mcf);


ngx_int_t
ngx_http_ai_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_ai_main_conf_t    *mcf;
    ngx_http_core_main_conf_t  *cmcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_ai_tenant_module);

    ngx_http_ai_conf_cache_end();

    if (ngx_http_ai_conf_resolve(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!mcf->enabled) {
        return NGX_OK;
    }

    if (ngx_http_ai_tally_add(cf, mcf) != NGX_OK
        || ngx_http_ai_routing_add(cf, mcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_ai_handler_add(cf, NGX_HTTP_POST_READ_PHASE,
                                ngx_http_ai_mask_handler)
        != NGX_OK
        || ngx_http_ai_handler_add(cf, NGX_HTTP_SERVER_REWRITE_PHASE,
                                   ngx_http_ai_target_sub_handler)
           != NGX_OK
        || ngx_http_ai_handler_add(cf, NGX_HTTP_REWRITE_PHASE,
                                   ngx_http_ai_attempt_handler)
           != NGX_OK
        || ngx_http_ai_handler_add(cf, NGX_HTTP_ACCESS_PHASE,
                                   ngx_http_ai_access_handler)
           != NGX_OK
        || ngx_http_ai_handler_add(cf, NGX_HTTP_PRECONTENT_PHASE,
                                   ngx_http_ai_admit_handler)
           != NGX_OK
        || ngx_http_ai_handler_add(cf, NGX_HTTP_LOG_PHASE,
                                   ngx_http_ai_log_handler)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    ngx_http_ai_handler_first(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);

    if (ngx_http_ai_upstream_init(cf) != NGX_OK
        || ngx_http_ai_jump_init(cf, mcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_ai_filter_init(cf);
}


static ngx_int_t
ngx_http_ai_handler_add(ngx_conf_t *cf, ngx_uint_t phase,
    ngx_http_handler_pt handler)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[phase].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = handler;

    return NGX_OK;
}


/*
 * The log phase runs its handlers in order, and the access log has registered
 * before us: the last one goes first, so that $ai_cost and its like are known
 * when the access log is written.
 */

static void
ngx_http_ai_handler_first(ngx_array_t *handlers)
{
    ngx_http_handler_pt  *h, last;

    h = handlers->elts;
    last = h[handlers->nelts - 1];

    ngx_memmove(&h[1], &h[0], (handlers->nelts - 1) * sizeof(*h));

    h[0] = last;
}


ngx_int_t
ngx_http_ai_init_module(ngx_cycle_t *cycle)
{
    ngx_core_conf_t          *ccf;
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_ai_tenant_module);

    if (mcf == NULL || !mcf->enabled || ngx_test_config) {
        return NGX_OK;
    }

    ngx_ai_now_anchor(cycle->log);

    /* the directive may have been read before "user" was */

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);
    mcf->ledger.user = ccf->user;

    if (ngx_ai_ledger_prepare(cycle, &mcf->ledger) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_ai_init_lease(cycle, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    /* tenants first: their limits say what is counted of their rows */

    if (mcf->directory && mcf->directory->fresh
        && ngx_ai_directory_restore(cycle, mcf->directory, &mcf->ledger.path,
                                    mcf->zone)
           == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    if (!mcf->zone->fresh) {
        return NGX_OK;
    }

    if (mcf->directory && !mcf->directory->fresh) {
        ngx_ai_directory_bases(mcf->directory, mcf->zone);
    }

    return ngx_ai_ledger_rebuild(cycle, &mcf->ledger, mcf->zone);
}


/* before the ledger is counted: what is shared is counted for the store, too */

static ngx_int_t
ngx_http_ai_init_lease(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *mcf)
{
    ai_lease_conf_t  conf;

    ngx_memzero(&conf, sizeof(ai_lease_conf_t));

    if (mcf->redis) {
        conf.lease_ms = mcf->redis->lease;
        conf.busy_ms = 4 * mcf->redis->timeout;
        conf.nodes = mcf->redis->nodes;
        conf.shards = mcf->redis->cluster ? AI_LEASE_SHARDS : 1;
    }

    ngx_ai_zone_lock(mcf->zone);
    ai_lease_conf(mcf->zone->book, &conf);
    ngx_ai_zone_unlock(mcf->zone);

    if (mcf->redis == NULL) {
        return NGX_OK;
    }

    return ngx_ai_lease_prepare(cycle, &mcf->ledger, mcf->redis, mcf->zone);
}


ngx_int_t
ngx_http_ai_init_process(ngx_cycle_t *cycle)
{
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_ai_tenant_module);

    if (mcf == NULL || !mcf->enabled
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    /* tenants' and providers' keys are in memory: no core file may hold them;
       nginx itself has switched dumping on for a worker of another user */

    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "prctl(PR_SET_DUMPABLE) failed");
    }

    if (mcf->redis) {
        mcf->lease = ngx_ai_lease_start(cycle, &mcf->ledger, mcf->redis,
                                        mcf->zone);
    }

    (void) ngx_http_ai_ledger_get(mcf);

    if (mcf->postgres || mcf->redis) {
        ngx_http_ai_stores_start(cycle, mcf);
    }

    return NGX_OK;
}


void
ngx_http_ai_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_ai_tenant_module);

    if (mcf == NULL) {
        return;
    }

    ngx_http_ai_meter_forget();
    ngx_http_ai_stores_tell(mcf);

    /* the ledger last: a statement may point at its rows */

    ngx_http_ai_postgres_stop(mcf);

    if (mcf->lease) {
        ngx_ai_lease_stop(mcf->lease);
        mcf->lease = NULL;
    }

    if (mcf->ledger_open) {
        ngx_ai_ledger_close(mcf->ledger_open);
        mcf->ledger_open = NULL;
    }
}


ngx_ai_ledger_t *
ngx_http_ai_ledger_get(ngx_http_ai_main_conf_t *mcf)
{
    static time_t  tried;

    if (mcf->ledger_open == NULL && tried != ngx_time()) {
        tried = ngx_time();
        mcf->ledger_open = ngx_ai_ledger_open((ngx_cycle_t *) ngx_cycle,
                                              &mcf->ledger, mcf->zone);

        if (mcf->ledger_open) {
            ngx_ai_tally_worker(mcf->tally,
                                ngx_ai_ledger_worker(mcf->ledger_open));
            ngx_ai_routing_worker(mcf->routing,
                                  ngx_ai_ledger_worker(mcf->ledger_open));

            if (mcf->lease) {
                ngx_ai_lease_ledger(mcf->lease, mcf->ledger_open);
            }

            ngx_http_ai_postgres_start((ngx_cycle_t *) ngx_cycle, mcf);
        }
    }

    return mcf->ledger_open;
}
