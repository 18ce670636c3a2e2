
/*
 * What the main thread of a worker and the ledger's own thread share: the
 * array of segments, to which only the main thread appends, a few flags, and
 * the report.
 */


#ifndef NGX_AI_LEDGER_INT_H
#define NGX_AI_LEDGER_INT_H


#include "ngx_ai_sink.h"
#include <ngx_event.h>


#define NGX_AI_LEDGER_SEGMENTS  16      /* of a worker */


struct ngx_ai_ledger_s {
    ngx_ai_ledger_conf_t  conf;
    ngx_ai_zone_t        *zone;
    ngx_log_t            *log;

    ngx_ai_segment_t      segments[NGX_AI_LEDGER_SEGMENTS];
    ngx_atomic_t          nsegments;
    ngx_uint_t            current;

    u_char                zone_id[16];
    u_char                node[NGX_AI_NODE_ID + 1];
    uint32_t              pid;
    uint64_t              start;
    ngx_int_t             worker;       /* in the book; -1: none yet */
    ngx_uint_t            open;         /* slots taken */
    time_t                retry;        /* no attempt at a segment before */
    ngx_err_t             full_err;
    const char           *full_what;

    ngx_event_t           tick;
    ngx_ai_report_t       report;
    ngx_ai_sink_t         sink;

    pthread_t             thread;
    pthread_mutex_t       mutex;
    pthread_cond_t        wake;
    uint64_t              synced;
    uint64_t              watched;

    ngx_atomic_t          stop;
    ngx_atomic_t          dirty;
    ngx_atomic_t          gone[NGX_AI_LEDGER_SEGMENTS]; /* by the thread */

    unsigned              full:1;
};


/* starts the thread */
ngx_int_t ngx_ai_ledger_start(ngx_ai_ledger_t *ld);

/* lets it ship what has ended, and waits for that.  NGX_ERROR: it hangs, and
   ld is still in use */
ngx_int_t ngx_ai_ledger_stop(ngx_ai_ledger_t *ld);


#endif /* NGX_AI_LEDGER_INT_H */
