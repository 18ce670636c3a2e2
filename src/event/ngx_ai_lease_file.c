
/*
 * redis.state: what a node must not forget about the store.
 *
 * Two records take turns, each with a checksum: a write that a power cut tears
 * leaves the other one, whose epochs no operation has gone beyond.
 */


#include "ngx_ai_lease_int.h"
#include <sys/file.h>


#define NGX_AI_LEASE_VERSION  1
#define NGX_AI_LEASE_PAGE     4096      /* of each record */
#define NGX_AI_LEASE_STARTS   ((uint64_t) 9999999999)


typedef struct {
    u_char                magic[8];
    uint32_t              version;
    uint32_t              shards;
    uint64_t              turn;         /* the greater one counts */
    ngx_ai_lease_state_t  state;
    uint32_t              pad;
    uint32_t              crc;
} ngx_ai_lease_record_t;


static const u_char  ngx_ai_lease_magic[8] = "AIREDIS\n";


static uint32_t
ngx_ai_lease_crc(const ngx_ai_lease_record_t *rec)
{
    return ai_crc32c(0, rec, offsetof(ngx_ai_lease_record_t, crc));
}


int
ngx_ai_lease_file_open(const char *dir)
{
    char  path[NGX_MAX_PATH];

    (void) snprintf(path, sizeof(path), "%s/" NGX_AI_LEASE_FILE, dir);

    return open(path, O_RDWR|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);
}


static void
ngx_ai_lease_record(ngx_ai_lease_record_t *rec, uint64_t turn,
    const ngx_ai_lease_state_t *st)
{
    ngx_memzero(rec, sizeof(ngx_ai_lease_record_t));
    ngx_memcpy(rec->magic, ngx_ai_lease_magic, 8);

    rec->version = NGX_AI_LEASE_VERSION;
    rec->shards = AI_LEASE_SHARDS;
    rec->turn = turn;
    rec->state = *st;
    rec->crc = ngx_ai_lease_crc(rec);
}


static ngx_int_t
ngx_ai_lease_valid(const ngx_ai_lease_record_t *rec)
{
    return ngx_memcmp(rec->magic, ngx_ai_lease_magic, 8) == 0
           && rec->version == NGX_AI_LEASE_VERSION
           && rec->shards == AI_LEASE_SHARDS
           && rec->crc == ngx_ai_lease_crc(rec)
           && rec->state.start > 0
           && rec->state.start <= NGX_AI_LEASE_STARTS;
}


/* the valid record of the later turn; "other" is the place for the next */

static ngx_int_t
ngx_ai_lease_last(int fd, ngx_ai_lease_record_t *last, off_t *other)
{
    off_t                  at;
    ssize_t                n;
    ngx_uint_t             found;
    ngx_ai_lease_record_t  rec;

    found = 0;
    *other = 0;

    for (at = 0; at <= NGX_AI_LEASE_PAGE; at += NGX_AI_LEASE_PAGE) {

        n = pread(fd, &rec, sizeof(rec), at);

        if (n == -1) {
            return NGX_ERROR;
        }

        if (n != (ssize_t) sizeof(rec) || !ngx_ai_lease_valid(&rec)
            || (found && rec.turn <= last->turn))
        {
            continue;
        }

        found = 1;
        *last = rec;
        *other = NGX_AI_LEASE_PAGE - at;
    }

    return found ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_ai_lease_file_read(int fd, ngx_ai_lease_state_t *st)
{
    off_t                  other;
    ngx_int_t              rc;
    struct stat            sb;
    ngx_ai_lease_record_t  rec;

    if (fstat(fd, &sb) == -1) {
        return NGX_ERROR;
    }

    if (!S_ISREG(sb.st_mode) || sb.st_size > 2 * NGX_AI_LEASE_PAGE) {
        return NGX_DECLINED;
    }

    rc = ngx_ai_lease_last(fd, &rec, &other);

    if (rc == NGX_OK) {
        *st = rec.state;
    }

    return rc;
}


ngx_int_t
ngx_ai_lease_file_write(int fd, const ngx_ai_lease_state_t *st)
{
    off_t                  other;
    ngx_int_t              rc;
    ngx_ai_lease_record_t  last, rec;

    rc = ngx_ai_lease_last(fd, &last, &other);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_ai_lease_record(&rec, rc == NGX_OK ? last.turn + 1 : 1, st);

    if (pwrite(fd, &rec, sizeof(rec), other) != (ssize_t) sizeof(rec)) {
        return NGX_ERROR;
    }

    return fdatasync(fd) == 0 ? NGX_OK : NGX_ERROR;
}


/* a whole file gets the name, or none */

int
ngx_ai_lease_file_make(const char *dir, ngx_uid_t user,
    const ngx_ai_lease_state_t *st)
{
    int        fd, dirfd;
    char       path[NGX_MAX_PATH], tmp[NGX_MAX_PATH];
    ngx_err_t  err;

    (void) snprintf(path, sizeof(path), "%s/" NGX_AI_LEASE_FILE, dir);
    (void) snprintf(tmp, sizeof(tmp), "%s/" NGX_AI_LEASE_FILE ".%d.new", dir,
                    (int) getpid());
    (void) unlink(tmp);

    fd = open(tmp, O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC|O_NOFOLLOW, 0600);

    if (fd == -1) {
        return -1;
    }

    if (ngx_ai_lease_file_write(fd, st) != NGX_OK
        || (geteuid() == 0 && user != (ngx_uid_t) NGX_CONF_UNSET_UINT
            && fchown(fd, user, -1) == -1)
        || fsync(fd) == -1
        || link(tmp, path) == -1)
    {
        err = ngx_errno;
        (void) unlink(tmp);
        (void) close(fd);
        ngx_set_errno(err);
        return -1;
    }

    (void) unlink(tmp);
    dirfd = open(dir, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (dirfd != -1) {
        (void) fsync(dirfd);
        (void) close(dirfd);
    }

    return fd;
}


/* beside flock(), by which workers tell that they live */

ngx_int_t
ngx_ai_lease_file_lock(int fd)
{
    struct flock  fl;

    ngx_memzero(&fl, sizeof(fl));
    fl.l_type = F_WRLCK;
    fl.l_whence = SEEK_SET;

    return fcntl(fd, F_OFD_SETLK, &fl) == 0 ? NGX_OK : NGX_BUSY;
}


void
ngx_ai_lease_file_unlock(int fd)
{
    struct flock  fl;

    ngx_memzero(&fl, sizeof(fl));
    fl.l_type = F_UNLCK;
    fl.l_whence = SEEK_SET;

    (void) fcntl(fd, F_OFD_SETLK, &fl);
}
