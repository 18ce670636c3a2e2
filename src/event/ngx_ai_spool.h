
/*
 * The spool: usage.jsonl and its rotated files, read again in batches for a
 * database and removed when it has committed them.
 *
 *   ship.cursor    file and offset up to which all is committed; written after
 *                  each commit, and not needed: a batch that is sent again is
 *                  known by its ids
 *   shipped.sum    sums of files that were shipped and removed, from which
 *                  counters are rebuilt without a database
 *   node.id        the directory's own UUID, made once
 *
 * The sink's thread fills batches of whole lines; the main thread sends them.
 * Each batch belongs to one side at a time, as its state says.
 */


#ifndef NGX_AI_SPOOL_H
#define NGX_AI_SPOOL_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_ai_report.h"


#define NGX_AI_SPOOL_BATCH    (512 * 1024)  /* bytes at most */
#define NGX_AI_SPOOL_BATCHES  2             /* one is sent, one is filled */

typedef enum {
    NGX_AI_BATCH_EMPTY = 0,     /* the thread's */
    NGX_AI_BATCH_READY,         /* the main thread's, to be sent */
    NGX_AI_BATCH_DONE           /* the thread's again: committed */
} ngx_ai_batch_state_t;

typedef struct {
    ngx_atomic_t      state;    /* ngx_ai_batch_state_t */
    uint64_t          serial;   /* batches are sent in this order */
    u_char           *data;     /* lines, each with its \n */
    size_t            len;
    ngx_uint_t        rows;
} ngx_ai_batch_t;


/* ---- the main thread: ngx_ai_shipper.c ---- */

#include "ngx_ai_pg.h"

typedef struct ngx_ai_ledger_s   ngx_ai_ledger_t;
typedef struct ngx_ai_shipper_s  ngx_ai_shipper_t;

/*
 * worker: sends READY batches by ai.ship() over pg, one at a time, as long as
 * this worker is the sink; a batch that fails is sent again with back-off, for
 * ever.  One line in the log when shipping begins to fail and when it goes on.
 */
ngx_ai_shipper_t *ngx_ai_shipper_start(ngx_cycle_t *cycle,
    ngx_ai_ledger_t *ld, ngx_ai_pg_t *pg);
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


#endif /* NGX_AI_SPOOL_H */
