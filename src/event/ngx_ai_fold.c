
/*
 * shipped.sum: the sums of rotated files that a database has committed, so
 * that they can be removed.
 *
 * Its last line names the file that was folded last.  What a kill has left of
 * that file is removed before anything else is folded or counted: there is
 * one such file at most, and none is counted in both places.
 */


#include "ngx_ai_sums.h"


#define NGX_AI_FOLD_STEM  "shipped"


static ngx_int_t
ngx_ai_fold_unlink(int dirfd, const char *stem, const char *end)
{
    char  name[NGX_AI_USAGE_NAME + 8];

    (void) snprintf(name, sizeof(name), "%s%s", stem, end);

    return unlinkat(dirfd, name, 0) == 0 || ngx_errno == NGX_ENOENT
           ? NGX_OK : NGX_ERROR;
}


/* once this is on the disk, another name may take the place of "last" */

static ngx_int_t
ngx_ai_fold_remove(int dirfd, const char *last)
{
    if (last[0] == '\0') {
        return NGX_OK;
    }

    if (ngx_ai_fold_unlink(dirfd, last, ".jsonl") != NGX_OK
        || ngx_ai_fold_unlink(dirfd, last, ".sum") != NGX_OK)
    {
        return NGX_ERROR;
    }

    return fsync(dirfd) == 0 ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_ai_sums_fold_read(ngx_ai_sums_t *sums, int dirfd)
{
    ngx_int_t    rc;
    struct stat  sb;

    rc = ngx_ai_sums_read(sums, dirfd, NGX_AI_FOLD_STEM);

    if (rc == NGX_DECLINED
        && (fstatat(dirfd, NGX_AI_FOLD_STEM ".sum", &sb, AT_SYMLINK_NOFOLLOW)
            == 0 || ngx_errno != NGX_ENOENT))
    {
        ngx_set_errno(NGX_EINVAL);
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_ai_fold_remove(dirfd, sums->last);
}


/* "sums" holds shipped.sum */

static ngx_int_t
ngx_ai_fold_add(ngx_ai_sums_t *sums, int dirfd, const char *stem,
    ngx_ai_report_t *rp)
{
    uint64_t   odd;
    ngx_int_t  rc;

    odd = sums->odd;

    rc = ngx_ai_sums_read(sums, dirfd, stem);

    if (rc == NGX_DECLINED) {
        rc = ngx_ai_sums_read_rows(sums, dirfd, stem);
    }

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (sums->odd != odd) {
        ngx_ai_report(rp, NGX_LOG_ALERT, 0,
                      "\"%s.jsonl\" has %lu lines that are no rows", stem,
                      (unsigned long) (sums->odd - odd));
    }

    ngx_memzero(sums->last, sizeof(sums->last));
    (void) snprintf(sums->last, sizeof(sums->last), "%s", stem);

    if (ngx_ai_sums_write(sums, dirfd, NGX_AI_FOLD_STEM) != NGX_OK) {
        return NGX_ERROR;
    }

    /* before the caller removes the file */

    return fsync(dirfd) == 0 ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_ai_sums_fold(int dirfd, const char *stem, time_t now, ngx_ai_report_t *rp)
{
    ngx_err_t      err;
    ngx_int_t      rc;
    ngx_ai_sums_t  sums;

    ngx_ai_sums_init(&sums, now, NGX_AI_SUMS_SHIPPED);

    rc = ngx_ai_sums_fold_read(&sums, dirfd);

    /* what is left of the file that was folded last is gone by now */

    if (rc != NGX_ERROR && ngx_strcmp(sums.last, stem) != 0) {
        rc = ngx_ai_fold_add(&sums, dirfd, stem, rp);
    }

    err = ngx_errno;
    ngx_ai_sums_free(&sums);
    ngx_set_errno(err);

    return rc;
}
