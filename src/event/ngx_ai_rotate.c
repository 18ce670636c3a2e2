
/*
 * Rotated files of rows and the sums beside them.
 */


#include "ngx_ai_usage.h"
#include "ngx_ai_sums.h"
#include <dirent.h>


/* a name without its end */

static ngx_int_t
ngx_ai_usage_stem(const char *name, const char *end,
    char stem[NGX_AI_USAGE_NAME])
{
    size_t  len, n;

    len = strlen(name);
    n = strlen(end);

    if (len <= n + 6 || len >= NGX_AI_USAGE_NAME
        || strncmp(name, "usage-", 6) != 0
        || strcmp(name + len - n, end) != 0)
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(stem, name, len - n);
    stem[len - n] = '\0';

    return NGX_OK;
}


void
ngx_ai_usage_each(int dirfd, const char *end, ngx_ai_usage_each_pt each,
    void *data)
{
    int             fd;
    DIR            *dir;
    char            stem[NGX_AI_USAGE_NAME];
    struct dirent  *de;

    fd = openat(dirfd, ".", O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        return;
    }

    dir = fdopendir(fd);

    if (dir == NULL) {
        (void) close(fd);
        return;
    }

    while ((de = readdir(dir)) != NULL) {

        if (ngx_ai_usage_stem(de->d_name, end, stem) == NGX_OK
            && each(dirfd, stem, data) != NGX_OK)
        {
            break;
        }
    }

    (void) closedir(dir);
}


/* names begin with the time of the rotation: the greatest is the newest */

static ngx_int_t
ngx_ai_usage_newest_cb(int dirfd, const char *stem, void *data)
{
    char  *newest = data;

    if (strcmp(stem, newest) > 0) {
        ngx_memcpy(newest, stem, strlen(stem) + 1);
    }

    return NGX_OK;
}


int
ngx_ai_usage_newest(int dirfd, off_t *size)
{
    int          fd;
    char         name[NGX_AI_USAGE_NAME + 8], newest[NGX_AI_USAGE_NAME];
    struct stat  sb;

    newest[0] = '\0';
    ngx_ai_usage_each(dirfd, ".jsonl", ngx_ai_usage_newest_cb, newest);

    if (newest[0] == '\0') {
        return -1;
    }

    (void) snprintf(name, sizeof(name), "%s.jsonl", newest);
    fd = openat(dirfd, name, O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (fd != -1 && (fstat(fd, &sb) == -1 || !S_ISREG(sb.st_mode))) {
        (void) close(fd);
        return -1;
    }

    *size = sb.st_size;

    return fd;
}


/*
 * Makes names until one is free; only the sink makes such names.  A name is
 * not to come again when its file is gone: shipped.sum remembers it.
 */

static ngx_int_t
ngx_ai_usage_rename(ngx_ai_usage_t *u, const struct timespec *now,
    char stem[NGX_AI_USAGE_NAME])
{
    char         name[NGX_AI_USAGE_NAME + 8], at[32];
    unsigned     usec;
    struct tm    tm;
    struct stat  sb;

    usec = (unsigned) (now->tv_nsec / 1000);

    if (gmtime_r(&now->tv_sec, &tm) == NULL
        || strftime(at, sizeof(at), "%Y%m%dT%H%M%SZ", &tm) == 0)
    {
        return NGX_ERROR;
    }

    do {
        (void) snprintf(stem, NGX_AI_USAGE_NAME, "usage-%.20s-%06u", at,
                        usec++ % 1000000);
        (void) snprintf(name, sizeof(name), "%s.jsonl", stem);

    } while (fstatat(u->dirfd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0);

    return renameat(u->dirfd, NGX_AI_USAGE_FILE, u->dirfd, name) == 0
           ? NGX_OK : NGX_ERROR;
}


/* the sums of one rotated file, unless they are there */

static ngx_int_t
ngx_ai_usage_sum(int dirfd, const char *stem, time_t now, ngx_ai_report_t *rp)
{
    char            name[NGX_AI_USAGE_NAME + 8];
    ngx_int_t       rc;
    struct stat     sb;
    ngx_ai_sums_t   sums;

    (void) snprintf(name, sizeof(name), "%s.sum", stem);

    if (fstatat(dirfd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0) {
        return NGX_OK;
    }

    ngx_ai_sums_init(&sums, now, 0);

    rc = ngx_ai_sums_read_rows(&sums, dirfd, stem);

    if (rc == NGX_OK) {
        rc = ngx_ai_sums_write(&sums, dirfd, stem);
    }

    if (rc != NGX_OK) {
        ngx_ai_report(rp, NGX_LOG_ERR, ngx_errno,
                      "could not make \"%s\", a start reads all its rows",
                      name);

    } else if (sums.odd) {
        ngx_ai_report(rp, NGX_LOG_ALERT, 0,
                      "\"%s.jsonl\" has %lu lines that are no rows", stem,
                      (unsigned long) sums.odd);
    }

    ngx_ai_sums_free(&sums);

    return rc;
}


ngx_int_t
ngx_ai_usage_rotate(ngx_ai_usage_t *u, char stem[NGX_AI_USAGE_NAME],
    ngx_ai_report_t *rp)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_REALTIME, &now);

    /* else a power cut could lose rows whose slots are already in use again */

    (void) fdatasync(u->fd);

    if (ngx_ai_usage_rename(u, &now, stem) != NGX_OK) {
        stem[0] = '\0';
        return NGX_ERROR;
    }

    ngx_ai_usage_close(u);

    u->size = 0;
    u->dirty = 0;
    u->fd = openat(u->dirfd, NGX_AI_USAGE_FILE,
                   O_RDWR|O_CREAT|O_EXCL|O_APPEND|O_CLOEXEC, 0600);

    (void) ngx_ai_usage_sum(u->dirfd, stem, now.tv_sec, rp);

    return u->fd == -1 ? NGX_ERROR : NGX_OK;
}


typedef struct {
    time_t            now;
    ngx_ai_report_t  *report;
} ngx_ai_usage_sums_t;


static ngx_int_t
ngx_ai_usage_sums_cb(int dirfd, const char *stem, void *data)
{
    ngx_ai_usage_sums_t  *ctx = data;

    return ngx_ai_usage_sum(dirfd, stem, ctx->now, ctx->report);
}


void
ngx_ai_usage_sums(int dirfd, time_t now, ngx_ai_report_t *rp)
{
    ngx_ai_usage_sums_t  ctx;

    ctx.now = now;
    ctx.report = rp;

    ngx_ai_usage_each(dirfd, ".jsonl", ngx_ai_usage_sums_cb, &ctx);
}
