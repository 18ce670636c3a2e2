
/*
 * The board and the gates in a shared memory zone of their own.
 */


#include "ngx_ai_routing.h"


static ngx_int_t ngx_ai_routing_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);


/* what the zone holds, in this order; each begins on a line of its own */

#define ngx_ai_routing_board_size()  ngx_align(ai_board_size(), 64)


ngx_ai_routing_t *
ngx_ai_routing_add(ngx_conf_t *cf, ngx_str_t *zone,
    ngx_int_t (*places)(ngx_ai_routing_t *rt, void *data), void *data,
    void *tag)
{
    size_t             size;
    ngx_shm_zone_t    *shm_zone;
    ngx_ai_routing_t  *rt;

    rt = ngx_pcalloc(cf->pool, sizeof(ngx_ai_routing_t));
    if (rt == NULL) {
        return NULL;
    }

    rt->places = places;
    rt->data = data;

    /* the slab pool keeps its own tables in front */

    size = ngx_align(ngx_ai_routing_board_size() + ai_gates_size(),
                     ngx_pagesize)
           + 16 * ngx_pagesize;

    shm_zone = ngx_shared_memory_add(cf, zone, size, tag);
    if (shm_zone == NULL) {
        return NULL;
    }

    if (shm_zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "zone \"%V\" is duplicate",
                           zone);
        return NULL;
    }

    shm_zone->init = ngx_ai_routing_init_zone;
    shm_zone->data = rt;

    return rt;
}


static ngx_int_t
ngx_ai_routing_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    u_char            *p;
    ngx_int_t          rc;
    ngx_ai_routing_t  *rt;

    rt = shm_zone->data;
    rt->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    p = rt->shpool->data;

    if (p == NULL) {
        p = ngx_slab_calloc(rt->shpool,
                            ngx_ai_routing_board_size() + ai_gates_size());
        if (p == NULL) {
            return NGX_ERROR;
        }

        ai_board_init((ai_board_t *) p);
        ai_gates_init((ai_gates_t *) (p + ngx_ai_routing_board_size()));

        rt->shpool->data = p;
    }

    rt->board = (ai_board_t *) p;
    rt->gates = (ai_gates_t *) (p + ngx_ai_routing_board_size());

    if (ai_board_check(rt->board) != AI_OK
        || ai_gates_check(rt->gates) != AI_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" is of another version of the module: "
                      "restart nginx", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    ngx_ai_routing_lock(rt);
    rc = rt->places(rt, rt->data);
    ngx_ai_routing_unlock(rt);

    return rc;
}


void
ngx_ai_routing_worker(ngx_ai_routing_t *rt, ngx_uint_t worker)
{
    if (rt == NULL) {
        return;
    }

    ngx_ai_routing_lock(rt);
    ai_gate_worker(rt->gates, worker, ngx_current_msec);
    ngx_ai_routing_unlock(rt);
}
