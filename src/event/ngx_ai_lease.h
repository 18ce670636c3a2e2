
/*
 * Leases: credit for the limits of the book, asked of Redis by all workers of
 * a node together; see ../core/ai_lease.h for what credit is.
 *
 * Every worker asks for what its own requests lack, one operation of an owner
 * at a time in the whole node.  One worker, the ledger's sink, keeps the node:
 * it is heard by each shard twice a lease or more, reports to one that has lost
 * its memory, gives ended credit back, and decides when the node is on its own.
 */


#ifndef NGX_AI_LEASE_H
#define NGX_AI_LEASE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "../core/ai_lease.h"
#include "ngx_ai_ledger.h"
#include "ngx_ai_redis.h"


typedef struct ngx_ai_lease_s  ngx_ai_lease_t;


/*
 * master, in each cycle, behind ai_lease_conf(): makes node.id, and counts a
 * start of the node in "redis.state" of the ledger's directory when the zone
 * is another one than at the last.  [emerg] if it cannot.
 */
ngx_int_t ngx_ai_lease_prepare(ngx_cycle_t *cycle,
    ngx_ai_ledger_conf_t *ledger, ngx_ai_redis_conf_t *conf,
    ngx_ai_zone_t *zone);

/* worker; NULL: no memory, or the files cannot be read (logged) */
ngx_ai_lease_t *ngx_ai_lease_start(ngx_cycle_t *cycle,
    ngx_ai_ledger_conf_t *ledger, ngx_ai_redis_conf_t *conf,
    ngx_ai_zone_t *zone);

/* the worker's ledger, when it has one: whose sink keeps the node */
void ngx_ai_lease_ledger(ngx_ai_lease_t *ls, ngx_ai_ledger_t *ld);

/* at exit, before the ledger is closed */
void ngx_ai_lease_stop(ngx_ai_lease_t *ls);

/*
 * Sets what the ask is judged by: shared, nodes and rates; store_loss is that
 * of the plan, 0 local, 1 closed, 2 open.  No I/O, no lock.
 */
void ngx_ai_lease_judge(ngx_ai_lease_t *ls, ai_hold_ask_t *ask,
    ngx_uint_t store_loss);


/*
 * One who waits, in memory that lives until "handler" was called or the wait
 * was cancelled.  ask and its limits must stay as they are.
 */

typedef struct ngx_ai_lease_wait_s  ngx_ai_lease_wait_t;

typedef void (*ngx_ai_lease_wait_pt)(ngx_ai_lease_wait_t *w);

struct ngx_ai_lease_wait_s {
    ngx_queue_t            queue;
    ngx_ai_lease_wait_pt   handler;     /* from a posted event or a timer */
    void                  *data;
    const ai_hold_ask_t   *ask;

    /*
     * NGX_OK: something has changed, take again.  NGX_DECLINED: no store
     * vouches for it now.
     */
    ngx_int_t              rc;

    ngx_event_t            deadline;    /* not cancelable; conf->timeout */
    ngx_ai_lease_t        *lease;
    struct ngx_ai_lease_group_s *group;
    unsigned               active:1;
};

/*
 * After AI_AGAIN: asks, or waits for the one who does.  NGX_DECLINED at once
 * where the store cannot be asked; else NGX_AGAIN, and the handler is called.
 * A waiter whose time is over gets NGX_DECLINED.
 */
ngx_int_t ngx_ai_lease_wait(ngx_ai_lease_t *ls, ngx_ai_lease_wait_t *w);
void ngx_ai_lease_cancel(ngx_ai_lease_t *ls, ngx_ai_lease_wait_t *w);

/* credit runs low (ai_refused_t.ahead): asks for more, nobody waits */
void ngx_ai_lease_ahead(ngx_ai_lease_t *ls, const ai_hold_ask_t *ask);


/* for /ai/status and metrics */

typedef struct {
    ngx_ai_redis_stat_t    redis;       /* of this worker */
    ai_lease_stat_t        book;        /* of the node */
    ngx_uint_t             shards;
    ngx_uint_t             usable;      /* of them */
    ngx_uint_t             seeded;
    ngx_uint_t             local;
    ngx_uint_t             nodes;       /* seen lately, by the last shard */
    unsigned               evicts:1;
    unsigned               keeper:1;    /* this worker keeps the node */
} ngx_ai_lease_stat_t;

void ngx_ai_lease_stat(ngx_ai_lease_t *ls, ngx_ai_lease_stat_t *st);


#endif /* NGX_AI_LEASE_H */
