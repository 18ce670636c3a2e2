
/*
 * Sums of rows per tenant, key and time: what a start counts into the book.
 *
 * Rows of the last hour are summed by the minute, for buckets that refill
 * within an hour; older ones by the day or, when only the windows of now
 * matter, by day and month.
 */


#ifndef NGX_AI_SUMS_H
#define NGX_AI_SUMS_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "../core/ai_sum.h"
#include "ngx_ai_report.h"


#define NGX_AI_SUMS_MINUTE  60000


typedef struct {
    uint64_t          hash;
    uint64_t          time_ms;
    int64_t           used[AI_RES_COUNTED];
    uint32_t          name;         /* offset: tenant, then key */
    uint32_t          tenant_len;
    uint32_t          key_len;
} ngx_ai_sum_t;

typedef struct {
    ngx_ai_sum_t     *elts;
    size_t            n;
    size_t            size;
    uint32_t         *table;        /* index + 1 */
    size_t            mask;
    u_char           *names;
    size_t            names_len;
    size_t            names_size;

    uint64_t          recent_ms;    /* by the minute from here on */
    uint64_t          day_ms;       /* 0: always by the day */
    uint64_t          month_ms;     /* older and not recent: left out */

    uint64_t          rows;
    uint64_t          bytes;        /* of the files read */
    uint64_t          odd;          /* lines that are no rows */
    char              last[32];     /* of shipped.sum: folded last */
} ngx_ai_sums_t;


/* windows: only what still counts in a window of "now" */
void ngx_ai_sums_init(ngx_ai_sums_t *sums, time_t now, ngx_uint_t windows);
void ngx_ai_sums_free(ngx_ai_sums_t *sums);

/* NGX_ERROR: no memory */
ngx_int_t ngx_ai_sums_add(ngx_ai_sums_t *sums, const ai_row_t *row);

/* oldest first; nothing may be added any more */
void ngx_ai_sums_sort(ngx_ai_sums_t *sums);

ai_row_t ngx_ai_sums_row(const ngx_ai_sums_t *sums, size_t i);

/* reads STEM.jsonl; NGX_DECLINED: there is none */
ngx_int_t ngx_ai_sums_read_rows(ngx_ai_sums_t *sums, int dirfd,
    const char *stem);

/* reads STEM.sum; NGX_DECLINED: there is none, or it is not whole */
ngx_int_t ngx_ai_sums_read(ngx_ai_sums_t *sums, int dirfd, const char *stem);

/* writes STEM.sum by way of a temporary file */
ngx_int_t ngx_ai_sums_write(const ngx_ai_sums_t *sums, int dirfd,
    const char *stem);

/* adds the sums of a file that is committed to shipped.sum; a second time is
   no time */
ngx_int_t ngx_ai_sums_fold(int dirfd, const char *stem, time_t now,
    ngx_ai_report_t *rp);


/* removes what a kill has left of the file that was folded last */
void ngx_ai_sums_fold_clear(int dirfd);


#endif /* NGX_AI_SUMS_H */
