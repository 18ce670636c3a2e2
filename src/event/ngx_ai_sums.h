
/*
 * Sums of rows per tenant, key and time: what a start counts into the book.
 *
 * Rows of the last hour are summed by the minute, for buckets that refill
 * within an hour; older ones by the day, in a whole month or, at time 0, for
 * ever, as far as that is fine enough for their purpose.
 */


#ifndef NGX_AI_SUMS_H
#define NGX_AI_SUMS_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "../core/ai_sum.h"
#include "ngx_ai_report.h"
#include "ngx_ai_usage.h"


#define NGX_AI_SUMS_MINUTE  60000


/* what sums are for, and by what times they are kept */

#define NGX_AI_SUMS_FILE     0  /* of one file: by the day */
#define NGX_AI_SUMS_REBUILD  1  /* windows of now: today, this month, ever */
#define NGX_AI_SUMS_SHIPPED  2  /* by the day in this month and the last one,
                                   and ever */

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
    uint64_t          day_ms;       /* by the day from here on */
    uint64_t          month_ms;     /* in one month; older: at time 0 */

    uint64_t          rows;
    uint64_t          bytes;        /* of the files read */
    uint64_t          odd;          /* lines that are no rows */
    char              last[NGX_AI_USAGE_NAME];  /* folded last; "" */
} ngx_ai_sums_t;


void ngx_ai_sums_init(ngx_ai_sums_t *sums, time_t now, ngx_uint_t purpose);
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

/* writes STEM.sum by way of a temporary file; NGX_ERROR: ngx_errno is set */
ngx_int_t ngx_ai_sums_write(const ngx_ai_sums_t *sums, int dirfd,
    const char *stem);


/* ngx_ai_fold.c: shipped.sum, the sums of files that are gone */

/*
 * sink: adds the sums of the rotated file STEM, made of its rows where there
 * are none, to shipped.sum; the caller removes both its files then.  Called
 * again after a kill it counts nothing twice.  NGX_OK: it is in, or nothing is
 * left of that file; NGX_ERROR: ngx_errno is set, nothing has changed, and
 * the files are still needed.
 */
ngx_int_t ngx_ai_sums_fold(int dirfd, const char *stem, time_t now,
    ngx_ai_report_t *rp);

/*
 * sink: adds shipped.sum, and removes what a kill has left of the file that
 * was folded last, which is to be done before the directory's files are
 * counted.  NGX_DECLINED: there is none; NGX_ERROR: it is not whole.
 */
ngx_int_t ngx_ai_sums_fold_read(ngx_ai_sums_t *sums, int dirfd);


#endif /* NGX_AI_SUMS_H */
