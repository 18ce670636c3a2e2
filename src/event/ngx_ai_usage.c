
/*
 * usage.jsonl: appending, and what a torn end leaves.
 */


#include "ngx_ai_usage.h"
#include "../core/ai_slot.h"


/* a batch, and the line that its first byte may lie in */

#define NGX_AI_USAGE_TAIL    (NGX_AI_USAGE_BATCH + AI_SLOT_ROW_MAX + 1)


/* cuts what stands behind the last line end: a batch that a kill, or a full
   disk, ended in the middle of a row */

static ngx_int_t
ngx_ai_usage_repair(ngx_ai_usage_t *u, ngx_ai_report_t *rp)
{
    off_t    at, keep;
    char    *nl;
    size_t   n;
    char     buf[4096];

    keep = 0;

    for (at = u->size; at > 0; at -= (off_t) n) {
        n = (size_t) ngx_min(at, (off_t) sizeof(buf));

        if (pread(u->fd, buf, n, at - (off_t) n) != (ssize_t) n) {
            return NGX_ERROR;
        }

        nl = memrchr(buf, '\n', n);

        if (nl) {
            keep = at - (off_t) n + (nl - buf) + 1;
            break;
        }
    }

    if (keep == u->size) {
        return NGX_OK;
    }

    if (rp) {
        ngx_ai_report(rp, NGX_LOG_WARN, 0,
                      "cut %lld bytes of a torn row off " NGX_AI_USAGE_FILE,
                      (long long) (u->size - keep));
    }

    if (ftruncate(u->fd, keep) == -1) {
        return NGX_ERROR;
    }

    u->size = keep;
    u->dirty = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_ai_usage_ids(ngx_ai_usage_t *u, ngx_uint_t all, ngx_ai_ids_t *ids)
{
    int        fd;
    off_t      len, size, older;
    ngx_int_t  rc;

    size = 0;
    fd = -1;
    len = all ? u->size : ngx_min(u->size, (off_t) NGX_AI_USAGE_TAIL);

    if (all || u->size < (off_t) NGX_AI_USAGE_TAIL) {
        fd = ngx_ai_usage_newest(u->dirfd, &size);
    }

    older = (fd == -1) ? 0 : all ? size
                                 : ngx_min(size, (off_t) NGX_AI_USAGE_TAIL);

    /* no row is shorter than 400 bytes; were one, it is only looked up less */

    rc = ngx_ai_ids_init(ids, (size_t) (len + older) / 400 + 1);

    if (rc == NGX_OK) {
        rc = ngx_ai_ids_read(ids, u->fd, u->size, len);
    }

    if (fd != -1) {
        if (rc == NGX_OK) {
            rc = ngx_ai_ids_read(ids, fd, size, older);
        }

        (void) close(fd);
    }

    return rc;
}


ngx_int_t
ngx_ai_usage_open(ngx_ai_usage_t *u, int dirfd, ngx_uint_t all,
    ngx_ai_ids_t *ids, ngx_ai_report_t *rp)
{
    struct stat  sb;

    u->dirfd = dirfd;
    u->fd = openat(dirfd, NGX_AI_USAGE_FILE,
                   O_RDWR|O_CREAT|O_APPEND|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK,
                   0600);

    if (u->fd == -1) {
        return NGX_ERROR;
    }

    if (fstat(u->fd, &sb) == -1) {
        ngx_ai_usage_close(u);
        return NGX_ERROR;
    }

    if (!S_ISREG(sb.st_mode)) {
        ngx_ai_usage_close(u);
        ngx_set_errno(EINVAL);
        return NGX_ERROR;
    }

    u->size = sb.st_size;

    if (ngx_ai_usage_repair(u, rp) != NGX_OK
        || ngx_ai_usage_ids(u, all, ids) != NGX_OK)
    {
        ngx_ai_usage_close(u);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_ai_usage_close(ngx_ai_usage_t *u)
{
    ngx_err_t  err;

    if (u->fd != -1) {
        err = ngx_errno;
        (void) close(u->fd);
        u->fd = -1;
        ngx_set_errno(err);
    }
}


/* whether the name still is the file that is open */

static ngx_int_t
ngx_ai_usage_same(ngx_ai_usage_t *u)
{
    struct stat  sb, nb;

    return fstat(u->fd, &sb) == 0
           && fstatat(u->dirfd, NGX_AI_USAGE_FILE, &nb, AT_SYMLINK_NOFOLLOW)
              == 0
           && sb.st_ino == nb.st_ino && sb.st_dev == nb.st_dev
           && sb.st_size == u->size;
}


ngx_int_t
ngx_ai_usage_append(ngx_ai_usage_t *u, const u_char *data, size_t len)
{
    ssize_t  n;

    if (!ngx_ai_usage_same(u)) {
        return NGX_DECLINED;
    }

    u->dirty = 1;

    while (len) {
        n = write(u->fd, data, len);

        if (n == -1) {
            if (ngx_errno == NGX_EINTR) {
                continue;
            }

            return NGX_ERROR;
        }

        data += n;
        len -= (size_t) n;
        u->size += n;
    }

    return NGX_OK;
}
