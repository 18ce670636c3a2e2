
/*
 * The board and the gates in a shared memory zone of their own.
 *
 * Targets, keys and gates of the configuration get their places when the zone
 * is made ready, by the master; what is known of them survives reloads.  A
 * worker killed under the lock leaves at worst one figure wrong: the lock is
 * taken from it by the master.
 */


#ifndef NGX_AI_ROUTING_H
#define NGX_AI_ROUTING_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "../core/ai_board.h"
#include "../core/ai_gate.h"


typedef struct ngx_ai_routing_s  ngx_ai_routing_t;

struct ngx_ai_routing_s {
    ai_board_t            *board;       /* NULL until the zone is ready */
    ai_gates_t            *gates;
    ngx_slab_pool_t       *shpool;

    /* gives all that is configured its places; called under the lock */
    ngx_int_t            (*places)(ngx_ai_routing_t *rt, void *data);
    void                  *data;
};


/* at configuration; NULL after an [emerg] */
ngx_ai_routing_t *ngx_ai_routing_add(ngx_conf_t *cf, ngx_str_t *zone,
    ngx_int_t (*places)(ngx_ai_routing_t *rt, void *data), void *data,
    void *tag);

/* worker, once it has its place in the book */
void ngx_ai_routing_worker(ngx_ai_routing_t *rt, ngx_uint_t worker);

#define ngx_ai_routing_lock(rt)    ngx_shmtx_lock(&(rt)->shpool->mutex)
#define ngx_ai_routing_unlock(rt)  ngx_shmtx_unlock(&(rt)->shpool->mutex)


#endif /* NGX_AI_ROUTING_H */
