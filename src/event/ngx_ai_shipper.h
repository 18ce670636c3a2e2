
/*
 * The shipper: sends the sink's batches to PostgreSQL, in the main thread.
 */


#ifndef NGX_AI_SHIPPER_H
#define NGX_AI_SHIPPER_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_ai_ledger.h"
#include "ngx_ai_pg.h"


typedef struct ngx_ai_shipper_s  ngx_ai_shipper_t;

/*
 * worker: sends batches by ai.ship() over pg, one at a time, as long as this
 * worker is the sink; a batch that fails is sent again with back-off, for ever.
 * One line in the log when shipping begins to fail, for each other reason, and
 * when it goes on.  Nothing new is sent once the worker is to end: it must not
 * be held, and a sibling is the sink then.  NULL: no memory, or the ledger has
 * no database.
 */
ngx_ai_shipper_t *ngx_ai_shipper_start(ngx_cycle_t *cycle,
    ngx_ai_ledger_t *ld, ngx_ai_pg_t *pg);

/* at exit, in this order: this, ngx_ai_pg_close(), ngx_ai_ledger_close() */
void ngx_ai_shipper_stop(ngx_ai_shipper_t *sh);

typedef struct {
    uint64_t          rows;         /* committed by this process */
    uint64_t          duplicates;
    uint64_t          quarantined;
    uint64_t          retries;
    uint64_t          behind;       /* bytes of the spool not committed yet */
    time_t            committed;    /* the last commit; 0: none yet */
    unsigned          failing:1;
} ngx_ai_shipper_stat_t;

void ngx_ai_shipper_stat(ngx_ai_shipper_t *sh, ngx_ai_shipper_stat_t *st);


#endif /* NGX_AI_SHIPPER_H */
