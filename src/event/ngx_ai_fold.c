
/*
 * shipped.sum: the sums of files that are committed and gone.
 *
 * Its end line names the file that was folded last.  What is still there of
 * that file was left by a kill, and is removed before anything is counted.
 */


#include "ngx_ai_sums.h"
#include "ngx_ai_usage.h"


#define NGX_AI_FOLD_STEM  "shipped"


void
ngx_ai_sums_fold_clear(int dirfd)
{
    char           name[NGX_AI_USAGE_NAME + 8];
    ngx_int_t      rc;
    ngx_ai_sums_t  sums;

    ngx_ai_sums_init(&sums, time(NULL), 1);
    rc = ngx_ai_sums_read(&sums, dirfd, NGX_AI_FOLD_STEM);

    if (rc == NGX_OK && sums.last[0]) {
        (void) snprintf(name, sizeof(name), "%s.jsonl", sums.last);
        (void) unlinkat(dirfd, name, 0);
        (void) snprintf(name, sizeof(name), "%s.sum", sums.last);
        (void) unlinkat(dirfd, name, 0);
    }

    ngx_ai_sums_free(&sums);
}


ngx_int_t
ngx_ai_sums_fold(int dirfd, const char *stem, time_t now, ngx_ai_report_t *rp)
{
    ngx_int_t      rc;
    ngx_ai_sums_t  sums;

    ngx_ai_sums_fold_clear(dirfd);
    ngx_ai_sums_init(&sums, now, 0);

    rc = ngx_ai_sums_read(&sums, dirfd, NGX_AI_FOLD_STEM);

    if (rc != NGX_ERROR && strcmp(sums.last, stem) == 0) {
        ngx_ai_sums_free(&sums);
        return NGX_OK;
    }

    if (rc != NGX_ERROR) {
        rc = ngx_ai_sums_read(&sums, dirfd, stem);

        if (rc == NGX_DECLINED) {
            rc = ngx_ai_sums_read_rows(&sums, dirfd, stem);
        }
    }

    if (rc == NGX_OK) {
        (void) snprintf(sums.last, sizeof(sums.last), "%s", stem);
        rc = ngx_ai_sums_write(&sums, dirfd, NGX_AI_FOLD_STEM);

    } else if (rc == NGX_DECLINED) {

        /* nothing of it is left */

        rc = NGX_OK;
    }

    ngx_ai_sums_free(&sums);

    return rc;
}
