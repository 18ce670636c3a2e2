
/*
 * The sink's life: its lock, its files, its rounds.
 */


#include "ngx_ai_sink.h"
#include <sys/file.h>


#define NGX_AI_SINK_SCAN      100       /* ms between looks at a directory */
#define NGX_AI_SINK_REAP      200
#define NGX_AI_SINK_CHECK     1000
#define NGX_AI_SINK_SAVE      2000
#define NGX_AI_SINK_GRACE     2000      /* until a stranger takes the lock */
#define NGX_AI_SINK_BUSY      20        /* ms to the next round */
#define NGX_AI_SINK_IDLE      50
#define NGX_AI_SINK_OFF       100
#define NGX_AI_SINK_RETRY     1000      /* ms after a write that failed */


/* what sink.lock holds */

typedef struct {
    u_char            zone_id[16];
    u_char            boot[36];
} ngx_ai_sink_head_t;


uint64_t
ngx_ai_sink_mono(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


ngx_int_t
ngx_ai_sink_init(ngx_ai_sink_t *s, ngx_ai_ledger_conf_t *conf,
    ngx_ai_zone_t *zone, ngx_ai_report_t *report)
{
    ngx_memzero(s, sizeof(ngx_ai_sink_t));

    s->conf = *conf;
    s->zone = zone;
    s->report = report;
    s->pid = (uint32_t) getpid();
    s->start = ngx_ai_process_start(s->pid);
    s->dirfd = -1;
    s->lockfd = -1;
    s->usage.fd = -1;

    ngx_memcpy(s->zone_id, ai_book_zone_id(zone->book), 16);

    /* a row takes 400 bytes at the least, so a batch has fewer items */

    s->batch = malloc(NGX_AI_USAGE_BATCH);
    s->items = malloc(NGX_AI_USAGE_BATCH / 256 * sizeof(ngx_ai_sink_item_t));
    s->segs = calloc(NGX_AI_SINK_SEGMENTS, sizeof(ngx_ai_sink_segment_t *));

    if (s->batch == NULL || s->items == NULL || s->segs == NULL) {
        ngx_ai_sink_done(s);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_ai_sink_unlock(ngx_ai_sink_t *s)
{
    ngx_uint_t  i;

    if (!s->holder) {
        return;
    }

    if (s->spool) {
        ngx_ai_spool_reset(s->spool);
    }

    ngx_ai_usage_close(&s->usage);
    ngx_ai_ids_free(&s->ids);

    /* the next sink is to adopt what this one has begun with */

    for (i = s->nsegs; i-- > 0; /* void */ ) {
        if (s->segs[i]->seg.dead) {
            ngx_ai_sink_forget(s, i);
        }
    }

    s->holder = 0;
    s->ready = 0;
    s->summed = 0;
    ngx_ai_word_set(&s->sink, 0);

    (void) flock(s->lockfd, LOCK_UN);
}


static void
ngx_ai_sink_close_dir(ngx_ai_sink_t *s)
{
    ngx_ai_sink_unlock(s);

    if (s->lockfd != -1) {
        (void) close(s->lockfd);
        s->lockfd = -1;
    }

    if (s->dirfd != -1) {
        (void) close(s->dirfd);
        s->dirfd = -1;
    }
}


void
ngx_ai_sink_done(ngx_ai_sink_t *s)
{
    if (s->segs) {
        while (s->nsegs) {
            ngx_ai_sink_forget(s, s->nsegs - 1);
        }
    }

    ngx_ai_sink_close_dir(s);

    if (s->spool) {
        ngx_ai_spool_free(s->spool);
    }

    free(s->segs);
    free(s->items);
    free(s->batch);

    s->spool = NULL;
    s->segs = NULL;
    s->items = NULL;
    s->batch = NULL;
}


/* the directory and sink.lock; one line for each change of what fails */

static ngx_int_t
ngx_ai_sink_open_dir(ngx_ai_sink_t *s)
{
    const char  *what;

    what = "directory";

    if (s->dirfd == -1) {
        s->dirfd = open((char *) s->conf.path.data,
                        O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    }

    if (s->dirfd != -1 && s->lockfd == -1) {
        what = NGX_AI_SINK_LOCK;
        s->lockfd = openat(s->dirfd, NGX_AI_SINK_LOCK,
                           O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK,
                           0600);

        if (s->lockfd != -1) {
            ngx_ai_sink_chown(s, s->lockfd);
        }
    }

    if (s->lockfd == -1) {
        if (s->open_err != ngx_errno) {
            s->open_err = ngx_errno;
            ngx_ai_report(s->report, NGX_LOG_CRIT, s->open_err,
                          "could not open its %s, no rows are shipped", what);
        }

        return NGX_ERROR;
    }

    if (s->open_err) {
        s->open_err = 0;
        ngx_ai_report(s->report, NGX_LOG_NOTICE, 0, "is open again");
    }

    return NGX_OK;
}


/* a directory that was removed or replaced, or another file in the lock's
   place: begin anew; segments that are mapped stay */

static void
ngx_ai_sink_check_dir(ngx_ai_sink_t *s)
{
    struct stat  sb, nb;

    if (s->dirfd == -1 || s->lockfd == -1) {
        return;
    }

    if (fstat(s->dirfd, &sb) == 0
        && stat((char *) s->conf.path.data, &nb) == 0
        && sb.st_ino == nb.st_ino && sb.st_dev == nb.st_dev
        && fstat(s->lockfd, &sb) == 0
        && fstatat(s->dirfd, NGX_AI_SINK_LOCK, &nb, AT_SYMLINK_NOFOLLOW) == 0
        && sb.st_ino == nb.st_ino && sb.st_dev == nb.st_dev)
    {
        return;
    }

    ngx_ai_sink_close_dir(s);
}


/* an empty file is nobody's: the first one to lock it may have it */

static ngx_uint_t
ngx_ai_sink_announced(ngx_ai_sink_t *s)
{
    u_char  id[16];

    return pread(s->lockfd, id, 16, 0) != 16
           || ngx_memcmp(id, s->zone_id, 16) == 0;
}


ngx_int_t
ngx_ai_sink_announce(ngx_ai_sink_t *s)
{
    if (s->lockfd == -1 && ngx_ai_sink_open_dir(s) != NGX_OK) {
        return NGX_ERROR;
    }

    return pwrite(s->lockfd, s->zone_id, 16, 0) == 16 ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_ai_sink_boot(u_char boot[36])
{
    int      fd;
    ssize_t  n;

    fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        return NGX_ERROR;
    }

    n = read(fd, boot, 36);
    (void) close(fd);

    return n == 36 ? NGX_OK : NGX_ERROR;
}


/* whether the last sink ran since the machine was started */

static ngx_uint_t
ngx_ai_sink_same_boot(ngx_ai_sink_t *s)
{
    u_char  boot[36], last[36];

    return ngx_ai_sink_boot(boot) == NGX_OK
           && pread(s->lockfd, last, 36, offsetof(ngx_ai_sink_head_t, boot))
              == 36
           && ngx_memcmp(boot, last, 36) == 0;
}


/* only behind a read-back and a round that went well */

static void
ngx_ai_sink_set_boot(ngx_ai_sink_t *s)
{
    u_char  boot[36];

    if (ngx_ai_sink_boot(boot) == NGX_OK
        && pwrite(s->lockfd, boot, 36, offsetof(ngx_ai_sink_head_t, boot))
           != 36)
    {
        ngx_ai_report(s->report, NGX_LOG_ERR, ngx_errno,
                      "could not write " NGX_AI_SINK_LOCK);
    }
}


ngx_int_t
ngx_ai_sink_lock(ngx_ai_sink_t *s)
{
    if (s->holder) {
        return NGX_OK;
    }

    if (ngx_ai_sink_open_dir(s) != NGX_OK) {
        return NGX_ERROR;
    }

    if (flock(s->lockfd, LOCK_EX|LOCK_NB) == -1) {
        return NGX_BUSY;
    }

    s->holder = 1;
    s->ready = 0;
    s->retry = 0;
    s->scanned = 0;
    ngx_ai_word_set(&s->sink, 1);

    return NGX_OK;
}


ngx_int_t
ngx_ai_sink_takeover(ngx_ai_sink_t *s)
{
    ngx_uint_t  all;

    ngx_ai_usage_close(&s->usage);
    ngx_ai_ids_free(&s->ids);

    all = !ngx_ai_sink_same_boot(s);

    /* a write of our own that failed has been reported */

    if (ngx_ai_usage_open(&s->usage, s->dirfd, all, &s->ids,
                          s->write_err ? NULL : s->report)
        != NGX_OK)
    {
        if (s->write_err != ngx_errno) {
            s->write_err = ngx_errno;
            ngx_ai_report(s->report, NGX_LOG_CRIT, s->write_err,
                          "could not open or repair " NGX_AI_USAGE_FILE
                          ", rows are kept");
        }

        ngx_ai_ids_free(&s->ids);
        return NGX_ERROR;
    }

    ngx_ai_sink_chown(s, s->usage.fd);
    s->ready = 1;
    s->known = 0;

    return NGX_OK;
}


static void
ngx_ai_sink_sync(ngx_ai_sink_t *s, uint64_t now)
{
    if (s->conf.sync == 0 || now - s->synced < s->conf.sync) {
        return;
    }

    s->synced = now;

    if (s->usage.dirty && s->usage.fd != -1) {
        s->usage.dirty = 0;

        if (fdatasync(s->usage.fd) == -1) {
            ngx_ai_report(s->report, NGX_LOG_CRIT, ngx_errno,
                          "fdatasync(" NGX_AI_USAGE_FILE ") failed");
        }
    }
}


void
ngx_ai_sink_sync_segments(ngx_ai_sink_t *s)
{
    ngx_uint_t  i;

    for (i = 0; s->conf.sync && i < s->nsegs; i++) {
        if (fdatasync(s->segs[i]->seg.fd) == -1) {
            ngx_ai_report(s->report, NGX_LOG_CRIT, ngx_errno,
                          "fdatasync() of segment %u failed",
                          s->segs[i]->seg.number);
        }
    }
}


/*
 * The present book's workers go first; but if there are none, the rows of the
 * former one's must not wait for ever.  Looking is done with a shared lock:
 * those who only look do not keep each other out.
 */

static ngx_int_t
ngx_ai_sink_vacant(ngx_ai_sink_t *s, uint64_t now)
{
    if (flock(s->lockfd, LOCK_SH|LOCK_NB) == -1) {
        s->vacant = 0;
        return NGX_BUSY;
    }

    (void) flock(s->lockfd, LOCK_UN);

    if (s->vacant == 0) {
        s->vacant = now;
    }

    return now - s->vacant < NGX_AI_SINK_GRACE ? NGX_BUSY : NGX_OK;
}


/* becomes the sink, or goes on waiting */

static ngx_int_t
ngx_ai_sink_try(ngx_ai_sink_t *s, uint64_t now)
{
    if (ngx_ai_sink_open_dir(s) != NGX_OK) {
        return NGX_ERROR;
    }

    if ((s->yielded || !ngx_ai_sink_announced(s))
        && ngx_ai_sink_vacant(s, now) != NGX_OK)
    {
        return NGX_BUSY;
    }

    if (ngx_ai_sink_lock(s) != NGX_OK) {
        return NGX_BUSY;
    }

    s->vacant = 0;
    (void) ngx_ai_sink_announce(s);

    return NGX_OK;
}


/* rows wait while the disk is full, but what the dead held comes back */

static void
ngx_ai_sink_write(ngx_ai_sink_t *s, uint64_t now)
{
    if (s->retry > now) {
        return;
    }

    if ((!s->ready && ngx_ai_sink_takeover(s) != NGX_OK)
        || ngx_ai_sink_ship(s) != NGX_OK)
    {
        s->retry = now + NGX_AI_SINK_RETRY;
        return;
    }

    ngx_ai_sink_drop_clean(s);

    if (!s->summed) {
        s->summed = 1;
        ngx_ai_sink_set_boot(s);
        ngx_ai_usage_sums(s->dirfd, time(NULL), s->report);
    }
}


/* what a worker that is to end may not do: it may have hours of streams yet,
   and its main thread sends nothing any more */

static ngx_uint_t
ngx_ai_sink_gives_way(ngx_ai_sink_t *s)
{
    if (!ngx_ai_sink_announced(s)) {
        return 1;
    }

    if (s->yielded || !ngx_ai_word_get(&s->yield)) {
        return 0;
    }

    s->yielded = 1;

    return 1;
}


/* the directory of tenants, for a start without a database */

static void
ngx_ai_sink_save(ngx_ai_sink_t *s, uint64_t now)
{
    ngx_err_t  err;
    ngx_int_t  rc;

    if (s->conf.save == NULL || now - s->saved < NGX_AI_SINK_SAVE) {
        return;
    }

    s->saved = now;

    rc = s->conf.save(s->conf.directory, s->dirfd, &s->saved_version);

    if (rc == NGX_DECLINED) {
        return;
    }

    err = (rc == NGX_ERROR) ? ngx_errno : 0;

    if (err && s->save_err != err) {
        ngx_ai_report(s->report, NGX_LOG_ERR, err,
                      "could not write directory.snapshot");
    }

    s->save_err = err;
}


void
ngx_ai_sink_end(ngx_ai_sink_t *s)
{
    if (s->holder) {
        ngx_ai_sink_save(s, s->saved + NGX_AI_SINK_SAVE);
    }
}


static ngx_uint_t
ngx_ai_sink_round(ngx_ai_sink_t *s, uint64_t now)
{
    ngx_uint_t  adopted;

    if (s->scanned == 0 || now - s->scanned >= NGX_AI_SINK_SCAN) {
        ngx_ai_sink_scan(s);
    }

    adopted = ngx_ai_sink_adopt(s);

    if (adopted) {

        /* a dead worker's holds may point into segments not seen so far */

        ngx_ai_sink_scan(s);
        adopted += ngx_ai_sink_adopt(s);
    }

    if (adopted || now - s->reaped >= NGX_AI_SINK_REAP) {
        ngx_ai_sink_reap(s);
        s->reaped = now;
    }

    ngx_ai_sink_write(s, now);
    ngx_ai_sink_sync(s, now);
    ngx_ai_sink_save(s, now);

    return s->spool ? ngx_ai_spool_step(s, now) : 0;
}


ngx_uint_t
ngx_ai_sink_step(ngx_ai_sink_t *s)
{
    uint64_t    now;
    ngx_uint_t  busy, shipped;

    now = ngx_ai_sink_mono();

    if (now - s->checked >= NGX_AI_SINK_CHECK) {
        s->checked = now;
        ngx_ai_sink_check_dir(s);
    }

    if (s->holder && ngx_ai_sink_gives_way(s)) {
        ngx_ai_sink_unlock(s);
        return NGX_AI_SINK_OFF;
    }

    if (!s->holder && ngx_ai_sink_try(s, now) != NGX_OK) {
        return NGX_AI_SINK_OFF;
    }

    shipped = s->shipped;
    busy = ngx_ai_sink_round(s, now);

    return busy || s->shipped != shipped ? NGX_AI_SINK_BUSY
                                         : NGX_AI_SINK_IDLE;
}
