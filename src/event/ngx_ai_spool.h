
/*
 * The spool: usage.jsonl and its rotated files, read again in batches for a
 * database and removed when it has committed them.
 *
 *   ship.cursor    up to where the oldest file is committed; written after
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
#include "ngx_ai_cursor.h"
#include "ngx_ai_report.h"
#include "ngx_ai_usage.h"


#define NGX_AI_SPOOL_BATCH    (512 * 1024)  /* bytes at most */
#define NGX_AI_SPOOL_ROWS     2000          /* lines at most */
#define NGX_AI_SPOOL_BATCHES  2             /* one is sent, one is filled */
#define NGX_AI_SPOOL_FILES    2             /* one is committed, one is read */

/* usage.jsonl is rotated, if all of it is committed, at this size or age */

#define NGX_AI_SPOOL_LARGE    (8 * 1024 * 1024)
#define NGX_AI_SPOOL_AGE      60000         /* ms */

typedef enum {
    NGX_AI_BATCH_EMPTY = 0,     /* the thread's */
    NGX_AI_BATCH_READY,         /* to be sent, or taken back by the thread */
    NGX_AI_BATCH_SENT,          /* the main thread's, until it says more */
    NGX_AI_BATCH_DONE           /* the thread's again: committed */
} ngx_ai_batch_state_t;

typedef struct {
    ngx_atomic_t      state;    /* ngx_ai_batch_state_t */
    uint64_t          serial;   /* batches are sent in this order */
    u_char           *data;     /* lines, each with its \n */
    size_t            len;
    ngx_uint_t        rows;

    /* the thread's: what the batch is of */
    uint64_t          file;     /* its number; 0: of none any more */
    off_t             end;      /* in the file */
    u_char            last[NGX_AI_CURSOR_ID];
} ngx_ai_batch_t;

/* a file that is being read, or waits for its commit */

typedef struct {
    uint64_t          number;
    char              stem[NGX_AI_USAGE_NAME];
    int               fd;
    ino_t             ino;
    off_t             size;     /* of whole lines */
    off_t             read;     /* in batches so far */
    ngx_ai_cursor_t   at;       /* committed so far */
    unsigned          live:1;   /* usage.jsonl itself */
} ngx_ai_spool_file_t;

typedef struct ngx_ai_spool_s {
    ngx_ai_batch_t        batches[NGX_AI_SPOOL_BATCHES];
    uint64_t              serial;

    ngx_ai_spool_file_t   files[NGX_AI_SPOOL_FILES];    /* oldest first */
    ngx_uint_t            nfiles;
    uint64_t              numbers;

    ngx_ai_cursor_t       cursor;       /* as found */
    int                   cursor_fd;
    char                  passed[NGX_AI_USAGE_NAME];    /* not readable */

    off_t                 rotated;      /* bytes of all rotated files */
    off_t                 live;         /* of usage.jsonl */

    uint64_t              begun;        /* ms, of this usage.jsonl */
    uint64_t              looked;       /* at the disk */
    uint64_t              retry;        /* removes nothing before */

    ngx_err_t             read_err;
    ngx_err_t             remove_err;
    unsigned              open:1;       /* behind the lock, cursor read */
    unsigned              large:1;      /* the disk, reported */

    ngx_atomic_t          behind;       /* bytes; read by the main thread */
} ngx_ai_spool_t;


/* NULL: no memory */
ngx_ai_spool_t *ngx_ai_spool_create(void);

/* the lines of a batch that the main thread has not given back stay */
void ngx_ai_spool_free(ngx_ai_spool_t *sp);


/* ---- the sink's thread, see ngx_ai_sink.h for its round ---- */

/* the lock is lost, or the files are others: begins anew when called again */
void ngx_ai_spool_reset(ngx_ai_spool_t *sp);

/* usage.jsonl has got this name */
void ngx_ai_spool_rotated(ngx_ai_spool_t *sp, const char *stem, off_t size);

/* ngx_ai_spool_file.c */

/* NGX_DECLINED: nothing to read, or not now */
ngx_int_t ngx_ai_spool_file_next(ngx_ai_spool_t *sp, int dirfd, int livefd,
    ngx_ai_report_t *rp);
ngx_ai_spool_file_t *ngx_ai_spool_file_find(ngx_ai_spool_t *sp,
    uint64_t number);
void ngx_ai_spool_file_close(ngx_ai_spool_t *sp, ngx_uint_t i);

/* folds and unlinks a rotated file that is committed; NGX_ERROR: try later */
ngx_int_t ngx_ai_spool_file_remove(ngx_ai_spool_t *sp, int dirfd,
    ngx_ai_report_t *rp);

/* folds sums whose rows are gone: a kill came between the two */
void ngx_ai_spool_file_sums(int dirfd, ngx_ai_report_t *rp);


/* ---- the main thread ---- */

/* the oldest READY batch, now SENT; NULL: none */
ngx_ai_batch_t *ngx_ai_spool_take(ngx_ai_spool_t *sp);

/* it is committed */
void ngx_ai_spool_done(ngx_ai_batch_t *b);

/* it is not, and another process is the sink now */
void ngx_ai_spool_back(ngx_ai_batch_t *b);


#endif /* NGX_AI_SPOOL_H */
