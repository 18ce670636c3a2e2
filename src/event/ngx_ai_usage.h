
/*
 * usage.jsonl: rows appended in batches, exactly once.
 *
 * A batch is written, its slots are freed, and only then is the next one
 * written or the file rotated: whoever finds slots that were not freed finds
 * their rows, if they were written at all, in the file's last
 * NGX_AI_USAGE_BATCH bytes, and frees those slots before it writes.
 */


#ifndef NGX_AI_USAGE_H
#define NGX_AI_USAGE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_ai_report.h"


#define NGX_AI_USAGE_BATCH  (1024 * 1024)
#define NGX_AI_USAGE_FILE   "usage.jsonl"
#define NGX_AI_USAGE_NAME   64          /* of a rotated file */


/* ids of rows that are in the file, by open addressing */

typedef u_char  ngx_ai_id_t[16];

typedef struct {
    ngx_ai_id_t      *ids;
    size_t            mask;
    size_t            n;
} ngx_ai_ids_t;

/* room for n ids */
ngx_int_t ngx_ai_ids_init(ngx_ai_ids_t *ids, size_t n);

/* adds the ids of rows that begin in the last "len" bytes of a file */
ngx_int_t ngx_ai_ids_read(ngx_ai_ids_t *ids, int fd, off_t size, off_t len);

ngx_uint_t ngx_ai_ids_has(const ngx_ai_ids_t *ids, const u_char id[16]);
void ngx_ai_ids_free(ngx_ai_ids_t *ids);


typedef struct {
    int               dirfd;    /* the owner's, not closed here */
    int               fd;       /* -1: not open */
    off_t             size;
    unsigned          dirty:1;  /* written since the last sync */
} ngx_ai_usage_t;


/*
 * Opens or makes the file, cuts a torn last line, and reads the ids of the
 * rows in its last bytes ("all": of the whole file and of the newest rotated
 * one, for what a power cut may have left).  rp may be NULL.  NGX_ERROR:
 * ngx_errno is set.
 */
ngx_int_t ngx_ai_usage_open(ngx_ai_usage_t *u, int dirfd, ngx_uint_t all,
    ngx_ai_ids_t *ids, ngx_ai_report_t *rp);

void ngx_ai_usage_close(ngx_ai_usage_t *u);

/*
 * NGX_OK: all of it is in the file.  NGX_ERROR: some of it may be; the file
 * is to be closed and opened again before the next batch.  NGX_DECLINED: the
 * file was moved or removed by someone; nothing was written, open it again.
 */
ngx_int_t ngx_ai_usage_append(ngx_ai_usage_t *u, const u_char *data,
    size_t len);

/*
 * Renames the file to usage-<UTC>-<microsecond>.jsonl, begins a new one, makes
 * sums.  "stem" is the name without its end, "" when the file has kept the old
 * one.
 */
ngx_int_t ngx_ai_usage_rotate(ngx_ai_usage_t *u, char stem[NGX_AI_USAGE_NAME],
    ngx_ai_report_t *rp);

/* calls back with each usage-*END, without the end, until that does not
   return NGX_OK; ".jsonl" are rotated rows, ".sum" their sums */
typedef ngx_int_t (*ngx_ai_usage_each_pt)(int dirfd, const char *stem,
    void *data);

void ngx_ai_usage_each(int dirfd, const char *end, ngx_ai_usage_each_pt each,
    void *data);

/* opens the newest rotated file for reading; -1: none */
int ngx_ai_usage_newest(int dirfd, off_t *size);

/* makes the sums of rotated files that have none: a kill may come between */
void ngx_ai_usage_sums(int dirfd, time_t now, ngx_ai_report_t *rp);


#endif /* NGX_AI_USAGE_H */
