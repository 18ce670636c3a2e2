
/*
 * The sink: the one process that holds sink.lock ships ended rows of every
 * segment, its own, its siblings' and dead ones'.
 *
 * It works on files alone, in a thread of the worker (or in the master, before
 * workers start), and shares with the main thread nothing but counters and
 * the report.  sink.lock holds the id of the book whose workers may be the
 * sink, so that rows of a former book's workers are counted by the present
 * one, and the kernel's boot id, so that the first sink after a power cut
 * knows to read back more.
 */


#ifndef NGX_AI_SINK_H
#define NGX_AI_SINK_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_ai_ledger.h"
#include "ngx_ai_report.h"
#include "ngx_ai_segment.h"
#include "ngx_ai_spool.h"
#include "ngx_ai_usage.h"


/* words that one thread writes and the other reads */

#define ngx_ai_word_get(p)     __atomic_load_n(p, __ATOMIC_RELAXED)
#define ngx_ai_word_set(p, v)  __atomic_store_n(p, v, __ATOMIC_RELAXED)

#define NGX_AI_SINK_LOCK      "sink.lock"
#define NGX_AI_SINK_SEGMENTS  4096      /* mapped at a time */
#define NGX_AI_SINK_CLEAN     4         /* clean segments kept for reuse */


typedef struct {
    ngx_ai_segment_t      seg;
    ino_t                 ino;
} ngx_ai_sink_segment_t;

typedef struct {
    ngx_ai_segment_t     *seg;
    uint32_t              slot;
} ngx_ai_sink_item_t;

typedef struct {
    ngx_ai_ledger_conf_t  conf;
    ngx_ai_zone_t        *zone;
    ngx_ai_report_t      *report;
    u_char                zone_id[16];
    uint32_t              pid;
    uint64_t              start;

    int                   dirfd;
    int                   lockfd;
    ngx_ai_usage_t        usage;
    ngx_ai_ids_t          ids;          /* written by a former sink */
    ngx_ai_spool_t       *spool;        /* NULL: there is no database */

    ngx_ai_sink_segment_t **segs;
    ngx_uint_t            nsegs;

    u_char               *batch;
    size_t                len;
    ngx_ai_sink_item_t   *items;
    ngx_uint_t            nitems;

    /* milliseconds of a clock that never steps */
    uint64_t              scanned;
    uint64_t              reaped;
    uint64_t              synced;
    uint64_t              checked;      /* the directory and the lock's file */
    uint64_t              saved;        /* the directory of tenants */
    uint64_t              saved_version;
    uint64_t              retry;        /* no write before */
    uint64_t              vacant;       /* since when nobody holds the lock */

    ngx_err_t             write_err;    /* 0, or what was reported */
    ngx_err_t             open_err;
    ngx_err_t             map_err;
    ngx_err_t             rotate_err;
    ngx_err_t             save_err;

    unsigned              holder:1;
    unsigned              ready:1;      /* usage.jsonl is open and read back */
    unsigned              known:1;      /* slots of "ids" are freed */
    unsigned              yielded:1;    /* our worker is to end */
    unsigned              summed:1;
    unsigned              book_full:1;

    /* read by the main thread */
    ngx_atomic_t          shipped;
    ngx_atomic_t          damaged;
    ngx_atomic_t          mapped;
    ngx_atomic_t          sink;

    /* written by the main thread: a sibling is to be the sink */
    ngx_atomic_t          yield;
} ngx_ai_sink_t;


ngx_int_t ngx_ai_sink_init(ngx_ai_sink_t *s, ngx_ai_ledger_conf_t *conf,
    ngx_ai_zone_t *zone, ngx_ai_report_t *report);
void ngx_ai_sink_done(ngx_ai_sink_t *s);

/* one round; returns the milliseconds until the next one */
ngx_uint_t ngx_ai_sink_step(ngx_ai_sink_t *s);

/* behind the last step: the directory as it is now, whatever the time */
void ngx_ai_sink_end(ngx_ai_sink_t *s);

/* NGX_BUSY: another holds it */
ngx_int_t ngx_ai_sink_lock(ngx_ai_sink_t *s);

/* the id in sink.lock */
ngx_int_t ngx_ai_sink_announce(ngx_ai_sink_t *s);

/* behind the lock: opens usage.jsonl and reads back what was written */
ngx_int_t ngx_ai_sink_takeover(ngx_ai_sink_t *s);

uint64_t ngx_ai_sink_mono(void);

/* what was done to slots outlasts a power cut, if "sync" asks for that */
void ngx_ai_sink_sync_segments(ngx_ai_sink_t *s);


/* ngx_ai_spool.c: rows to the main thread; returns what there was to do */
ngx_uint_t ngx_ai_spool_step(ngx_ai_sink_t *s, uint64_t now);


/* ngx_ai_sink_scan.c: its segments */

/* maps segments that are new in the directory */
void ngx_ai_sink_scan(ngx_ai_sink_t *s);

/* unmaps one; the last one takes its index */
void ngx_ai_sink_forget(ngx_ai_sink_t *s, ngx_uint_t i);

/* unmaps adopted segments of which nothing is left, as clean */
void ngx_ai_sink_drop_clean(ngx_ai_sink_t *s);


/* ngx_ai_ship.c: ended rows to usage.jsonl */

/* NGX_OK, or NGX_ERROR: reported, to be tried again */
ngx_int_t ngx_ai_sink_ship(ngx_ai_sink_t *s);

/* behind a whole round, when no slot's row is in usage.jsonl */
ngx_int_t ngx_ai_sink_rotate(ngx_ai_sink_t *s);

/* files that the master makes for the workers */
void ngx_ai_sink_chown(ngx_ai_sink_t *s, int fd);


/* ngx_ai_reaper.c: what the dead have left */

/* locks segments whose owner has died and closes their open slots; returns
   how many */
ngx_uint_t ngx_ai_sink_adopt(ngx_ai_sink_t *s);

/* settles the holds of dead workers */
void ngx_ai_sink_reap(ngx_ai_sink_t *s);

/* counts a row of a worker of another book, once */
void ngx_ai_sink_count(ngx_ai_sink_t *s, ngx_ai_segment_t *seg,
    uint32_t slot);

/* counts one row's numbers, or many rows' sums, into the book */
void ngx_ai_sink_count_row(ngx_ai_sink_t *s, const ai_row_t *row);

/* an ended slot's numbers */
void ngx_ai_slot_used(const ai_slot_t *slot, int64_t used[AI_RES_COUNTED],
    uint64_t tokens[2]);

/* field 22 of /proc/PID/stat; 0: no such process, or it is a zombie */
uint64_t ngx_ai_process_start(uint32_t pid);


#endif /* NGX_AI_SINK_H */
