
/*
 * One segment file: making, opening and taking over.
 */


#include "ngx_ai_segment.h"
#include <dirent.h>
#include <sys/file.h>


#define NGX_AI_SEGMENT_PAGE  4096
#define NGX_AI_SEGMENT_MAX   (1 << 22)      /* slots */


static const u_char  ngx_ai_segment_magic[8] = "AISEG\r\n\032";


/* bytes of a bitmap, whole cache lines */

static size_t
ngx_ai_segment_map_size(uint32_t nslots)
{
    return ngx_align((nslots + 7) / 8, 64);
}


static size_t
ngx_ai_segment_slots_at(uint32_t nslots)
{
    return ngx_align(NGX_AI_SEGMENT_PAGE + 3 * ngx_ai_segment_map_size(nslots),
                     AI_SLOT_SIZE);
}


ngx_int_t
ngx_ai_segment_parse(const char *name, uint32_t *number)
{
    ngx_uint_t  i;

    *number = 0;

    for (i = 0; i < 8; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return NGX_ERROR;
        }

        *number = *number * 10 + (uint32_t) (name[i] - '0');
    }

    return strcmp(name + 8, ".seg") == 0 ? NGX_OK : NGX_ERROR;
}


void
ngx_ai_segment_name(char name[NGX_AI_SEGMENT_NAME_LEN], uint32_t number)
{
    (void) snprintf(name, NGX_AI_SEGMENT_NAME_LEN, "%08u.seg",
                    number % 100000000);
}


static uint32_t
ngx_ai_segment_crc(const ngx_ai_segment_head_t *h)
{
    return ai_crc32(0, h, offsetof(ngx_ai_segment_head_t, crc));
}


static ngx_int_t
ngx_ai_segment_map(ngx_ai_segment_t *seg, size_t size)
{
    seg->addr = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED, seg->fd, 0);

    if (seg->addr == MAP_FAILED) {
        seg->addr = NULL;
        return NGX_ERROR;
    }

    /* slots are written one by one; read-ahead would only fill memory */

    (void) madvise(seg->addr, size, MADV_RANDOM);

    seg->size = size;
    seg->head = (ngx_ai_segment_head_t *) seg->addr;

    return NGX_OK;
}


static void
ngx_ai_segment_layout(ngx_ai_segment_t *seg)
{
    size_t  len;

    seg->nslots = seg->head->nslots;
    seg->number = seg->head->number;

    len = ngx_ai_segment_map_size(seg->nslots);

    seg->ended = (uint64_t *) (seg->addr + NGX_AI_SEGMENT_PAGE);
    seg->freed = (uint64_t *) (seg->addr + NGX_AI_SEGMENT_PAGE + len);
    seg->counted = (uint64_t *) (seg->addr + NGX_AI_SEGMENT_PAGE + 2 * len);
    seg->slots = seg->addr + seg->head->slots_at;
}


static ngx_int_t
ngx_ai_segment_valid(const ngx_ai_segment_head_t *h, off_t size)
{
    if (ngx_memcmp(h->magic, ngx_ai_segment_magic, 8) != 0
        || h->version != NGX_AI_SEGMENT_VERSION
        || h->slot_size != AI_SLOT_SIZE
        || h->crc != ngx_ai_segment_crc(h)
        || h->nslots == 0
        || h->nslots > NGX_AI_SEGMENT_MAX
        || h->slots_at != ngx_ai_segment_slots_at(h->nslots)
        || h->size != (uint64_t) size
        || h->slots_at + (uint64_t) h->nslots * AI_SLOT_SIZE > h->size)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_ai_segment_open(ngx_ai_segment_t *seg, int dirfd, const char *name)
{
    ngx_int_t              rc;
    struct stat            sb;
    ngx_ai_segment_head_t  h;

    ngx_memzero(seg, sizeof(ngx_ai_segment_t));

    seg->fd = openat(dirfd, name, O_RDWR|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (seg->fd == -1) {
        return NGX_ERROR;
    }

    if (fstat(seg->fd, &sb) == -1) {
        ngx_ai_segment_close(seg);
        return NGX_ERROR;
    }

    if (!S_ISREG(sb.st_mode)
        || pread(seg->fd, &h, sizeof(h), 0) != (ssize_t) sizeof(h)
        || ngx_ai_segment_valid(&h, sb.st_size) != NGX_OK)
    {
        ngx_ai_segment_close(seg);
        return NGX_DECLINED;
    }

    rc = ngx_ai_segment_map(seg, (size_t) sb.st_size);

    if (rc != NGX_OK) {
        ngx_ai_segment_close(seg);
        return NGX_ERROR;
    }

    ngx_ai_segment_layout(seg);

    return NGX_OK;
}


ngx_int_t
ngx_ai_segment_lock(ngx_ai_segment_t *seg)
{
    return flock(seg->fd, LOCK_EX|LOCK_NB) == 0 ? NGX_OK : NGX_BUSY;
}


void
ngx_ai_segment_close(ngx_ai_segment_t *seg)
{
    ngx_err_t  err;

    err = ngx_errno;

    if (seg->addr) {
        (void) munmap(seg->addr, seg->size);
        seg->addr = NULL;
    }

    if (seg->stack) {
        free(seg->stack);
        seg->stack = NULL;
    }

    if (seg->fd != -1) {
        (void) close(seg->fd);
        seg->fd = -1;
    }

    ngx_set_errno(err);
}


/* whether the file still has a name */

static ngx_int_t
ngx_ai_segment_linked(ngx_ai_segment_t *seg)
{
    struct stat  sb;

    return (fstat(seg->fd, &sb) == 0 && sb.st_nlink == 0) ? NGX_DECLINED
                                                          : NGX_OK;
}


/* the owner's marks; a clean segment's slots are all FREE */

static ngx_int_t
ngx_ai_segment_own(ngx_ai_segment_t *seg, const u_char zone_id[16],
    uint32_t pid, uint64_t start)
{
    ngx_ai_segment_head_t  *h;

    seg->stack = malloc(seg->nslots * sizeof(uint32_t));
    if (seg->stack == NULL) {
        return NGX_ERROR;
    }

    h = seg->head;

    ngx_memzero(seg->addr + NGX_AI_SEGMENT_PAGE,
                3 * ngx_ai_segment_map_size(seg->nslots));

    h->high = 0;
    h->nfreed = 0;
    h->dead = 0;
    ngx_memcpy(h->zone_id, zone_id, 16);
    h->pid = pid;
    h->start = start;

    __atomic_store_n(&h->clean, 0, __ATOMIC_RELEASE);

    return NGX_OK;
}


static ngx_int_t
ngx_ai_segment_reuse(ngx_ai_segment_t *seg, int dirfd, const char *name,
    size_t size, const u_char zone_id[16], uint32_t pid, uint64_t start)
{
    if (ngx_ai_segment_open(seg, dirfd, name) != NGX_OK) {
        return NGX_DECLINED;
    }

    /* the sink may unlink a clean one as long as it has the lock */

    if (seg->size == size && seg->head->clean
        && ngx_ai_segment_lock(seg) == NGX_OK
        && seg->head->clean
        && ngx_ai_segment_linked(seg) == NGX_OK
        && ngx_ai_segment_own(seg, zone_id, pid, start) == NGX_OK)
    {
        return NGX_OK;
    }

    ngx_ai_segment_close(seg);

    return NGX_DECLINED;
}


/* a clean segment for reuse, or the highest number in use */

static ngx_int_t
ngx_ai_segment_find(ngx_ai_segment_t *seg, int dirfd, size_t size,
    const u_char zone_id[16], uint32_t pid, uint64_t start, uint32_t *last)
{
    int             fd;
    DIR            *dir;
    uint32_t        number;
    struct dirent  *de;

    *last = 0;

    fd = openat(dirfd, ".", O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (fd == -1) {
        return NGX_ERROR;
    }

    dir = fdopendir(fd);
    if (dir == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    for ( ;; ) {
        de = readdir(dir);

        if (de == NULL) {
            (void) closedir(dir);
            return NGX_DECLINED;
        }

        if (ngx_ai_segment_parse(de->d_name, &number) != NGX_OK) {
            continue;
        }

        *last = ngx_max(*last, number);

        if (ngx_ai_segment_reuse(seg, dirfd, de->d_name, size, zone_id, pid,
                                 start)
            == NGX_OK)
        {
            (void) closedir(dir);
            return NGX_OK;
        }
    }
}


static ngx_int_t
ngx_ai_segment_write_head(ngx_ai_segment_t *seg, size_t size, uint32_t number)
{
    uint32_t               nslots;
    ngx_ai_segment_head_t  h;

    nslots = (uint32_t) ((size - NGX_AI_SEGMENT_PAGE) / AI_SLOT_SIZE);
    nslots = ngx_min(nslots, NGX_AI_SEGMENT_MAX);

    while (ngx_ai_segment_slots_at(nslots) + (size_t) nslots * AI_SLOT_SIZE
           > size)
    {
        nslots--;
    }

    ngx_memzero(&h, sizeof(h));
    ngx_memcpy(h.magic, ngx_ai_segment_magic, 8);

    h.version = NGX_AI_SEGMENT_VERSION;
    h.slot_size = AI_SLOT_SIZE;
    h.nslots = nslots;
    h.number = number;
    h.size = size;
    h.slots_at = (uint32_t) ngx_ai_segment_slots_at(nslots);
    h.crc = ngx_ai_segment_crc(&h);

    return pwrite(seg->fd, &h, sizeof(h), 0) == (ssize_t) sizeof(h)
           ? NGX_OK : NGX_ERROR;
}


/*
 * The file gets its name only when it is whole: link() fails where a rename
 * would replace the segment of a worker that was faster.
 */

static ngx_int_t
ngx_ai_segment_publish(int dirfd, const char *tmp, uint32_t number)
{
    ngx_err_t  err;
    char       name[NGX_AI_SEGMENT_NAME_LEN];

    ngx_ai_segment_name(name, number);

    if (linkat(dirfd, tmp, dirfd, name, 0) == -1) {
        err = ngx_errno;
        return err == NGX_EEXIST ? NGX_AGAIN : NGX_ERROR;
    }

    (void) unlinkat(dirfd, tmp, 0);

    return NGX_OK;
}


static ngx_int_t
ngx_ai_segment_fill(ngx_ai_segment_t *seg, int dirfd, const char *tmp,
    size_t size, uint32_t last, const char **what)
{
    ngx_int_t   rc;
    ngx_err_t   err;
    ngx_uint_t  i;

    /* blocks are had now: a full disk is met here, not by a store to memory */

    *what = "posix_fallocate()";
    err = posix_fallocate(seg->fd, 0, (off_t) size);

    if (err) {
        ngx_set_errno(err);
        return NGX_ERROR;
    }

    for (i = 1; i < 1000; i++) {
        *what = "pwrite()";

        if (ngx_ai_segment_write_head(seg, size, last + i) != NGX_OK) {
            return NGX_ERROR;
        }

        *what = "linkat()";
        rc = ngx_ai_segment_publish(dirfd, tmp, last + i);

        if (rc != NGX_AGAIN) {
            return rc;
        }
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_ai_segment_make(ngx_ai_segment_t *seg, int dirfd, size_t size,
    const u_char zone_id[16], uint32_t pid, uint64_t start, const char **what)
{
    char       tmp[NGX_AI_SEGMENT_NAME_LEN];
    uint32_t   last;
    ngx_err_t  err;
    ngx_int_t  rc;

    *what = "openat()";
    rc = ngx_ai_segment_find(seg, dirfd, size, zone_id, pid, start, &last);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    (void) snprintf(tmp, sizeof(tmp), "%u.new", pid);
    (void) unlinkat(dirfd, tmp, 0);

    ngx_memzero(seg, sizeof(ngx_ai_segment_t));
    seg->fd = openat(dirfd, tmp, O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC, 0600);

    if (seg->fd == -1) {
        return NGX_ERROR;
    }

    *what = "flock()";

    if (ngx_ai_segment_lock(seg) == NGX_OK
        && ngx_ai_segment_fill(seg, dirfd, tmp, size, last, what) == NGX_OK)
    {
        *what = "mmap()";

        if (ngx_ai_segment_map(seg, size) == NGX_OK) {
            ngx_ai_segment_layout(seg);

            if (ngx_ai_segment_own(seg, zone_id, pid, start) == NGX_OK) {
                return NGX_OK;
            }
        }
    }

    err = ngx_errno;
    (void) unlinkat(dirfd, tmp, 0);
    ngx_ai_segment_close(seg);
    ngx_set_errno(err);

    return NGX_ERROR;
}
