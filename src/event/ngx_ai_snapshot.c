
/*
 * directory.snapshot: the directory's records as a file, from which a start
 * without a database reads them.
 *
 *   head | mark ... | record ... | end
 *
 * Each part behind the head is a frame with a CRC of its own; the end says how
 * many there are.  Numbers have this machine's byte order: the file is for the
 * node that wrote it.
 */


#include "ngx_ai_directory.h"


#define NGX_AI_SNAPSHOT          "directory.snapshot"
#define NGX_AI_SNAPSHOT_NEW      "directory.snapshot.new"
#define NGX_AI_SNAPSHOT_MAGIC    "ai_dir\n"
#define NGX_AI_SNAPSHOT_VERSION  (1 << 16 | AI_ENTRY_VERSION)

#define NGX_AI_SNAPSHOT_BUFFER   (256 * 1024)
#define NGX_AI_SNAPSHOT_GROUP    32     /* records, while the lock is held */

/* kinds of frames: ai_dir_kind_t, and these */
#define NGX_AI_SNAPSHOT_MARK     0x40   /* + ai_dir_mark_t */
#define NGX_AI_SNAPSHOT_END      0xff


typedef struct {
    u_char            magic[8];
    uint32_t          version;
    uint32_t          crc;      /* of what stands before it */
} ngx_ai_snapshot_head_t;

typedef struct {
    uint32_t          crc;      /* of what stands behind it in the frame */
    uint16_t          value_len;
    uint8_t           key_len;
    uint8_t           kind;
} ngx_ai_snapshot_frame_t;

#define NGX_AI_SNAPSHOT_FRAME                                                \
    (sizeof(ngx_ai_snapshot_frame_t) + AI_DIR_KEY_MAX + AI_DIR_VALUE_MAX)

typedef struct {
    int               fd;
    u_char           *pos;
    uint64_t          frames;
    ai_dir_record_t   record;
    u_char            buf[NGX_AI_SNAPSHOT_BUFFER];
} ngx_ai_snapshot_t;

/* a frame that was read, and checked */

typedef struct {
    uint8_t           kind;
    ai_str_t          key;
    ai_str_t          value;
} ngx_ai_snapshot_part_t;


/* ---- writing ---- */

static ngx_int_t
ngx_ai_snapshot_flush(ngx_ai_snapshot_t *s)
{
    u_char   *p;
    ssize_t   n;

    for (p = s->buf; p < s->pos; p += n) {
        n = write(s->fd, p, s->pos - p);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;

        } else if (n <= 0) {
            return NGX_ERROR;
        }
    }

    s->pos = s->buf;

    return NGX_OK;
}


static ngx_uint_t
ngx_ai_snapshot_room(ngx_ai_snapshot_t *s)
{
    return (size_t) (s->buf + sizeof(s->buf) - s->pos)
           >= NGX_AI_SNAPSHOT_FRAME;
}


/* the caller has seen to the room */

static void
ngx_ai_snapshot_add(ngx_ai_snapshot_t *s, ngx_uint_t kind, const u_char *key,
    size_t key_len, const u_char *value, size_t value_len)
{
    u_char                   *p;
    ngx_ai_snapshot_frame_t   f;

    f.kind = (uint8_t) kind;
    f.key_len = (uint8_t) key_len;
    f.value_len = (uint16_t) value_len;

    p = s->pos + sizeof(f);

    if (key_len) {
        p = ngx_cpymem(p, key, key_len);
    }

    p = ngx_cpymem(p, value, value_len);

    ngx_memcpy(s->pos, &f, sizeof(f));
    f.crc = ai_crc32c(0, s->pos + sizeof(f.crc),
                      p - s->pos - sizeof(f.crc));
    ngx_memcpy(s->pos, &f.crc, sizeof(f.crc));

    s->pos = p;
    s->frames++;
}


/*
 * Marks come first: what changes while the records are read is told again by a
 * feed that begins there.
 */

static ngx_int_t
ngx_ai_snapshot_marks(ngx_ai_snapshot_t *s, ngx_ai_directory_t *d)
{
    int                     i;
    ai_str_t                mark;
    ngx_uint_t              complete;
    ngx_ai_snapshot_head_t  head;

    ngx_memcpy(head.magic, NGX_AI_SNAPSHOT_MAGIC, 8);
    head.version = NGX_AI_SNAPSHOT_VERSION;
    head.crc = ai_crc32c(0, &head, offsetof(ngx_ai_snapshot_head_t, crc));
    s->pos = ngx_cpymem(s->pos, &head, sizeof(head));

    ngx_ai_directory_lock(d);

    complete = ai_dir_complete(d->dir);

    for (i = 0; i < AI_DIR_MARKS; i++) {
        mark = ai_dir_mark(d->dir, i);
        ngx_ai_snapshot_add(s, NGX_AI_SNAPSHOT_MARK + i, NULL, 0, mark.data,
                            mark.len);
    }

    ngx_ai_directory_unlock(d);

    return complete ? NGX_OK : NGX_DECLINED;
}


/* as many as one holding of the lock is for; AI_DECLINED: that was all */

static int
ngx_ai_snapshot_group(ngx_ai_snapshot_t *s, ngx_ai_directory_t *d,
    uint64_t *at)
{
    int               rc;
    ngx_uint_t        i;
    ai_dir_record_t  *r;

    r = &s->record;
    rc = AI_OK;

    ngx_ai_directory_lock(d);

    for (i = 0; i < NGX_AI_SNAPSHOT_GROUP && ngx_ai_snapshot_room(s); i++) {
        rc = ai_dir_each(d->dir, at, r);

        if (rc != AI_OK) {
            break;
        }

        ngx_ai_snapshot_add(s, r->kind, r->key, r->key_len, r->value,
                            r->value_len);
    }

    ngx_ai_directory_unlock(d);

    return rc;
}


static ngx_int_t
ngx_ai_snapshot_write(ngx_ai_snapshot_t *s, ngx_ai_directory_t *d)
{
    int        rc;
    uint64_t   at, frames;
    ngx_int_t  done;

    done = ngx_ai_snapshot_marks(s, d);

    if (done != NGX_OK) {
        return done;
    }

    at = 0;

    do {
        rc = ngx_ai_snapshot_group(s, d, &at);

        if (!ngx_ai_snapshot_room(s) && ngx_ai_snapshot_flush(s) != NGX_OK) {
            return NGX_ERROR;
        }
    } while (rc != AI_DECLINED);

    frames = s->frames;
    ngx_ai_snapshot_add(s, NGX_AI_SNAPSHOT_END, NULL, 0, (u_char *) &frames,
                        sizeof(frames));

    if (ngx_ai_snapshot_flush(s) != NGX_OK || fdatasync(s->fd) == -1) {
        return NGX_ERROR;
    }

    return ai_dir_complete(d->dir) ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_ai_directory_save(ngx_ai_directory_t *d, int dirfd,
    uint64_t *saved_version)
{
    uint64_t            version;
    ngx_err_t           err;
    ngx_int_t           rc;
    ngx_ai_snapshot_t  *s;

    version = ai_dir_version(d->dir);

    if (version == *saved_version || !ai_dir_complete(d->dir)) {
        return NGX_DECLINED;
    }

    s = malloc(sizeof(ngx_ai_snapshot_t));
    if (s == NULL) {
        return NGX_ERROR;
    }

    s->pos = s->buf;
    s->frames = 0;

    (void) unlinkat(dirfd, NGX_AI_SNAPSHOT_NEW, 0);
    s->fd = openat(dirfd, NGX_AI_SNAPSHOT_NEW,
                   O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600);

    if (s->fd == -1) {
        err = ngx_errno;
        free(s);
        ngx_set_errno(err);
        return NGX_ERROR;
    }

    rc = ngx_ai_snapshot_write(s, d);
    err = ngx_errno;

    if (close(s->fd) == -1 && rc == NGX_OK) {
        rc = NGX_ERROR;
        err = ngx_errno;
    }

    free(s);

    if (rc == NGX_OK
        && renameat(dirfd, NGX_AI_SNAPSHOT_NEW, dirfd, NGX_AI_SNAPSHOT) == -1)
    {
        rc = NGX_ERROR;
        err = ngx_errno;
    }

    if (rc != NGX_OK) {
        (void) unlinkat(dirfd, NGX_AI_SNAPSHOT_NEW, 0);
        ngx_set_errno(err);
        return rc;
    }

    *saved_version = version;

    return NGX_OK;
}


/* ---- reading ---- */

/* the next frame; NGX_ERROR: torn */

static ngx_int_t
ngx_ai_snapshot_next(u_char **pos, u_char *end, ngx_ai_snapshot_part_t *part)
{
    size_t                    len;
    u_char                   *p;
    ngx_ai_snapshot_frame_t   f;

    p = *pos;

    if ((size_t) (end - p) < sizeof(f)) {
        return NGX_ERROR;
    }

    ngx_memcpy(&f, p, sizeof(f));
    len = sizeof(f) + f.key_len + f.value_len;

    if ((size_t) (end - p) < len
        || ai_crc32c(0, p + sizeof(f.crc), len - sizeof(f.crc)) != f.crc)
    {
        return NGX_ERROR;
    }

    part->kind = f.kind;
    part->key.data = p + sizeof(f);
    part->key.len = f.key_len;
    part->value.data = part->key.data + f.key_len;
    part->value.len = f.value_len;

    *pos = p + len;

    return NGX_OK;
}


/* NULL: it is whole; else what is wrong with it */

static const char *
ngx_ai_snapshot_check(u_char *data, size_t len)
{
    u_char                  *p, *end;
    uint64_t                 n, frames;
    ngx_ai_snapshot_head_t   head;
    ngx_ai_snapshot_part_t   part;

    if (len < sizeof(head)) {
        return "torn";
    }

    ngx_memcpy(&head, data, sizeof(head));

    if (ngx_memcmp(head.magic, NGX_AI_SNAPSHOT_MAGIC, 8) != 0
        || head.crc != ai_crc32c(0, &head,
                                 offsetof(ngx_ai_snapshot_head_t, crc)))
    {
        return "no snapshot";
    }

    if (head.version != NGX_AI_SNAPSHOT_VERSION) {
        return "of another version";
    }

    p = data + sizeof(head);
    end = data + len;

    for (n = 0; ngx_ai_snapshot_next(&p, end, &part) == NGX_OK; n++) {

        if (part.kind < AI_DIR_KINDS
            || (part.kind >= NGX_AI_SNAPSHOT_MARK
                && part.kind < NGX_AI_SNAPSHOT_MARK + AI_DIR_MARKS))
        {
            continue;
        }

        if (part.kind != NGX_AI_SNAPSHOT_END
            || part.value.len != sizeof(frames) || p != end)
        {
            break;
        }

        ngx_memcpy(&frames, part.value.data, sizeof(frames));

        return frames == n ? NULL : "torn";
    }

    return "torn";
}


/* returns how many records did not fit */

static ngx_uint_t
ngx_ai_snapshot_load(ngx_ai_directory_t *d, u_char *data, size_t len,
    ngx_uint_t *n)
{
    u_char                  *p, *end;
    ai_str_t                 marks[AI_DIR_MARKS];
    ngx_uint_t               i, lost;
    ngx_ai_snapshot_part_t   part;

    p = data + sizeof(ngx_ai_snapshot_head_t);
    end = data + len;
    lost = 0;

    ngx_memzero(marks, sizeof(marks));

    while (ngx_ai_snapshot_next(&p, end, &part) == NGX_OK
           && part.kind != NGX_AI_SNAPSHOT_END)
    {
        if (part.kind >= NGX_AI_SNAPSHOT_MARK) {
            marks[part.kind - NGX_AI_SNAPSHOT_MARK] = part.value;

        } else if (ai_dir_put(d->dir, part.kind, &part.key, part.value.data,
                              part.value.len)
                   == AI_ERROR)
        {
            lost++;

        } else {
            (*n)++;
        }
    }

    if (lost == 0) {
        for (i = 0; i < AI_DIR_MARKS; i++) {
            ai_dir_set_mark(d->dir, i, &marks[i]);
        }
    }

    return lost;
}


/* into memory of its own, for a file may shrink below a mapping */

static ngx_int_t
ngx_ai_snapshot_read(int fd, u_char **data, size_t *len, size_t max)
{
    size_t       n;
    ssize_t      got;
    struct stat  sb;

    if (fstat(fd, &sb) == -1) {
        return NGX_ERROR;
    }

    if (!S_ISREG(sb.st_mode) || sb.st_size > (off_t) max) {
        ngx_set_errno(NGX_EINVAL);
        return NGX_ERROR;
    }

    *len = (size_t) sb.st_size;
    *data = malloc(*len + 1);

    if (*data == NULL) {
        return NGX_ERROR;
    }

    for (n = 0; n < *len; n += (size_t) got) {
        got = pread(fd, *data + n, *len - n, n);

        if (got == -1 && ngx_errno == NGX_EINTR) {
            got = 0;

        } else if (got == -1) {
            free(*data);
            return NGX_ERROR;

        } else if (got == 0) {
            *len = n;
        }
    }

    return NGX_OK;
}


static int
ngx_ai_snapshot_open(ngx_str_t *path)
{
    int  fd, dirfd;

    dirfd = open((char *) path->data, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (dirfd == -1) {
        return -1;
    }

    fd = openat(dirfd, NGX_AI_SNAPSHOT,
                O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);
    (void) close(dirfd);

    return fd;
}


ngx_int_t
ngx_ai_directory_restore(ngx_cycle_t *cycle, ngx_ai_directory_t *d,
    ngx_str_t *path, ngx_ai_zone_t *zone)
{
    int          fd;
    size_t       len;
    u_char      *data;
    ngx_int_t    rc;
    ngx_uint_t   n, lost, level;
    const char  *odd;

    fd = ngx_ai_snapshot_open(path);

    if (fd == -1 && ngx_errno == NGX_ENOENT) {
        return NGX_DECLINED;
    }

    rc = fd == -1 ? NGX_ERROR
         : ngx_ai_snapshot_read(fd, &data, &len,
                                4 * d->shm_zone->shm.size);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "ai directory: could not read " NGX_AI_SNAPSHOT
                      ", it is passed over");

        if (fd != -1) {
            (void) close(fd);
        }

        return NGX_DECLINED;
    }

    (void) close(fd);

    odd = ngx_ai_snapshot_check(data, len);

    if (odd) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "ai directory: " NGX_AI_SNAPSHOT " is %s, "
                      "it is passed over", odd);
        free(data);
        return NGX_DECLINED;
    }

    n = 0;
    ngx_ai_directory_lock(d);
    lost = ngx_ai_snapshot_load(d, data, len, &n);
    ngx_ai_directory_unlock(d);

    free(data);
    ngx_ai_directory_bases(d, zone);

    level = lost ? NGX_LOG_WARN : NGX_LOG_NOTICE;

    ngx_log_error(level, cycle->log, 0,
                  "ai directory: %ui records from " NGX_AI_SNAPSHOT
                  ", %ui did not fit", n, lost);

    return lost ? NGX_DECLINED : NGX_OK;
}


/* the record's key is "tenant", or "tenant\tkey" */

static void
ngx_ai_directory_owner(ai_dir_record_t *r, ai_owner_id_t *id)
{
    u_char    *tab;
    ai_str_t   tenant, key;

    tenant.data = r->key;
    tenant.len = r->key_len;

    tab = memchr(r->key, '\t', r->key_len);

    if (tab == NULL) {
        ai_owner_id(id, &tenant, NULL);
        return;
    }

    tenant.len = tab - r->key;
    key.data = tab + 1;
    key.len = r->key_len - tenant.len - 1;

    ai_owner_id(id, &tenant, &key);
}


void
ngx_ai_directory_bases(ngx_ai_directory_t *d, ngx_ai_zone_t *zone)
{
    int               rc;
    uint64_t          at;
    ai_now_t          now;
    ai_base_t         base;
    ai_owner_id_t     id;
    ai_dir_record_t  *r;

    r = malloc(sizeof(ai_dir_record_t));
    if (r == NULL) {
        return;
    }

    at = 0;
    rc = AI_OK;
    ngx_ai_now(&now);

    while (rc != AI_DECLINED) {
        ngx_ai_directory_lock(d);
        rc = ai_dir_each(d->dir, &at, r);
        ngx_ai_directory_unlock(d);

        if (rc != AI_OK || r->kind != AI_DIR_SPEND
            || r->value_len != sizeof(ai_base_t))
        {
            continue;
        }

        ngx_memcpy(&base, r->value, sizeof(base));
        ngx_ai_directory_owner(r, &id);

        ngx_ai_zone_lock(zone);
        (void) ai_book_base(zone->book, &id, &base, &now);
        ngx_ai_zone_unlock(zone);
    }

    free(r);
}
