
/*
 * The spool's files: which is read next, and what becomes of one that is
 * committed.
 */


#include "ngx_ai_spool.h"
#include "ngx_ai_sums.h"


ngx_ai_spool_file_t *
ngx_ai_spool_file_find(ngx_ai_spool_t *sp, uint64_t number)
{
    ngx_uint_t  i;

    for (i = 0; i < sp->nfiles; i++) {
        if (sp->files[i].number == number) {
            return &sp->files[i];
        }
    }

    return NULL;
}


void
ngx_ai_spool_file_close(ngx_ai_spool_t *sp, ngx_uint_t i)
{
    (void) close(sp->files[i].fd);

    for (sp->nfiles--; i < sp->nfiles; i++) {
        sp->files[i] = sp->files[i + 1];
    }
}


typedef struct {
    ngx_ai_spool_t   *spool;
    char              stem[NGX_AI_USAGE_NAME];
} ngx_ai_spool_oldest_t;


static ngx_int_t
ngx_ai_spool_oldest_cb(int dirfd, const char *stem, void *data)
{
    ngx_uint_t              i;
    ngx_ai_spool_t         *sp;
    ngx_ai_spool_oldest_t  *o = data;

    sp = o->spool;

    for (i = 0; i < sp->nfiles; i++) {
        if (strcmp(sp->files[i].stem, stem) == 0) {
            return NGX_OK;
        }
    }

    if (strcmp(stem, sp->passed) > 0
        && (o->stem[0] == '\0' || strcmp(stem, o->stem) < 0))
    {
        ngx_memcpy(o->stem, stem, strlen(stem) + 1);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ai_spool_file_open(ngx_ai_spool_t *sp, int dirfd, const char *stem)
{
    char                  name[NGX_AI_USAGE_NAME + 8];
    struct stat           sb;
    ngx_ai_spool_file_t  *f;

    f = &sp->files[sp->nfiles];
    ngx_memzero(f, sizeof(ngx_ai_spool_file_t));

    (void) snprintf(name, sizeof(name), "%s.jsonl", stem);
    f->fd = openat(dirfd, name, O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (f->fd == -1) {
        return NGX_ERROR;
    }

    if (fstat(f->fd, &sb) == -1 || !S_ISREG(sb.st_mode)) {
        (void) close(f->fd);
        ngx_set_errno(EINVAL);
        return NGX_ERROR;
    }

    f->number = ++sp->numbers;
    f->ino = sb.st_ino;
    f->size = sb.st_size;
    ngx_memcpy(f->stem, stem, strlen(stem) + 1);

    return NGX_OK;
}


/* after what the cursor says is committed, if it is of this file */

static void
ngx_ai_spool_file_begin(ngx_ai_spool_t *sp, ngx_ai_spool_file_t *f)
{
    if (ngx_ai_cursor_fits(&sp->cursor, f->fd, f->size) == NGX_OK) {
        f->at = sp->cursor;
        f->read = f->at.offset;
    }

    sp->nfiles++;
}


ngx_int_t
ngx_ai_spool_file_next(ngx_ai_spool_t *sp, int dirfd, int livefd,
    ngx_ai_report_t *rp)
{
    struct stat             sb;
    ngx_ai_spool_file_t    *f;
    ngx_ai_spool_oldest_t   o;

    f = &sp->files[sp->nfiles];

    for ( ;; ) {
        o.spool = sp;
        o.stem[0] = '\0';
        ngx_ai_usage_each(dirfd, ".jsonl", ngx_ai_spool_oldest_cb, &o);

        if (o.stem[0] == '\0') {
            break;
        }

        if (ngx_ai_spool_file_open(sp, dirfd, o.stem) == NGX_OK) {
            ngx_ai_spool_file_begin(sp, f);
            return NGX_OK;
        }

        if (ngx_errno == NGX_EMFILE || ngx_errno == NGX_ENFILE
            || ngx_errno == NGX_ENOMEM)
        {
            return NGX_DECLINED;
        }

        if (ngx_errno != NGX_ENOENT) {
            ngx_ai_report(rp, NGX_LOG_ALERT, ngx_errno,
                          "could not open \"%s.jsonl\", its rows are not in "
                          "the database", o.stem);
        }

        ngx_memcpy(sp->passed, o.stem, sizeof(o.stem));
    }

    /* the file that is written to, by its present name */

    if (livefd == -1 || fstat(livefd, &sb) == -1
        || ngx_ai_spool_file_open(sp, dirfd, "usage") != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (f->ino != sb.st_ino) {
        (void) close(f->fd);
        return NGX_DECLINED;
    }

    /* a batch that is being read back may end in a part of a row */

    f->live = 1;
    f->size = ngx_min(f->size, sp->live);
    ngx_ai_spool_file_begin(sp, f);

    return NGX_OK;
}


static ngx_uint_t
ngx_ai_spool_exists(int dirfd, const char *stem, const char *end)
{
    char         name[NGX_AI_USAGE_NAME + 8];
    struct stat  sb;

    (void) snprintf(name, sizeof(name), "%s%s", stem, end);

    return fstatat(dirfd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0;
}


static ngx_int_t
ngx_ai_spool_unlink(int dirfd, const char *stem, const char *end)
{
    char  name[NGX_AI_USAGE_NAME + 8];

    (void) snprintf(name, sizeof(name), "%s%s", stem, end);

    return unlinkat(dirfd, name, 0) == 0 || ngx_errno == NGX_ENOENT
           ? NGX_OK : NGX_ERROR;
}


/*
 * A disk that is full has no room for new sums, and gets some only by what is
 * removed: the sums are made in memory first.
 */

static ngx_int_t
ngx_ai_spool_replace(int dirfd, const char *stem, ngx_ai_report_t *rp)
{
    ngx_int_t      rc;
    ngx_ai_sums_t  sums;

    ngx_ai_sums_init(&sums, time(NULL), 0);
    rc = ngx_ai_sums_read_rows(&sums, dirfd, stem);

    if (rc == NGX_OK) {
        rc = ngx_ai_spool_unlink(dirfd, stem, ".jsonl");

        if (rc == NGX_OK && ngx_ai_sums_write(&sums, dirfd, stem) != NGX_OK) {
            ngx_ai_report(rp, NGX_LOG_CRIT, ngx_errno,
                          "could not write \"%s.sum\", a start does not count "
                          "%llu rows", stem, (unsigned long long) sums.rows);
        }
    }

    ngx_ai_sums_free(&sums);

    return rc;
}


/* sums alone stand for rows that are gone, and are folded later on */

static ngx_int_t
ngx_ai_spool_fold(int dirfd, const char *stem, ngx_ai_report_t *rp)
{
    ngx_err_t  err;

    if (ngx_ai_sums_fold(dirfd, stem, time(NULL), rp) == NGX_OK) {

        return ngx_ai_spool_unlink(dirfd, stem, ".jsonl") == NGX_OK
               && ngx_ai_spool_unlink(dirfd, stem, ".sum") == NGX_OK
               ? NGX_OK : NGX_ERROR;
    }

    err = ngx_errno;

    if (ngx_ai_spool_exists(dirfd, stem, ".sum")) {
        return ngx_ai_spool_unlink(dirfd, stem, ".jsonl");
    }

    if (err == NGX_ENOSPC) {
        return ngx_ai_spool_replace(dirfd, stem, rp);
    }

    ngx_set_errno(err);

    return NGX_ERROR;
}


ngx_int_t
ngx_ai_spool_file_remove(ngx_ai_spool_t *sp, int dirfd, ngx_ai_report_t *rp)
{
    ngx_ai_spool_file_t  *f;

    f = &sp->files[0];

    if (ngx_ai_spool_fold(dirfd, f->stem, rp) != NGX_OK) {

        if (sp->remove_err != ngx_errno) {
            sp->remove_err = ngx_errno;
            ngx_ai_report(rp, NGX_LOG_ERR, sp->remove_err,
                          "could not remove \"%s.jsonl\", which is in the "
                          "database", f->stem);
        }

        return NGX_ERROR;
    }

    if (sp->remove_err) {
        sp->remove_err = 0;
        ngx_ai_report(rp, NGX_LOG_NOTICE, 0, "files are removed again");
    }

    sp->rotated = ngx_max(sp->rotated - f->size, 0);
    ngx_ai_spool_file_close(sp, 0);

    return NGX_OK;
}


static ngx_int_t
ngx_ai_spool_lone_cb(int dirfd, const char *stem, void *data)
{
    ngx_ai_report_t  *rp = data;

    if (ngx_ai_spool_exists(dirfd, stem, ".jsonl")) {
        return NGX_OK;
    }

    if (ngx_ai_sums_fold(dirfd, stem, time(NULL), rp) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_ai_spool_unlink(dirfd, stem, ".sum");
}


void
ngx_ai_spool_file_sums(int dirfd, ngx_ai_report_t *rp)
{
    ngx_ai_usage_each(dirfd, ".sum", ngx_ai_spool_lone_cb, rp);
}
