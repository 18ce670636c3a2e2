
/*
 * The thread of a worker's ledger, which is the sink or waits to be it.  It
 * does what may block: it ships rows, syncs files, and watches whether they
 * still have names.
 */


#include "ngx_ai_ledger_int.h"
#include <signal.h>


#define NGX_AI_LEDGER_WATCH  1000
#define NGX_AI_LEDGER_JOIN   3      /* s for the thread to end at exit */


static void *ngx_ai_ledger_thread(void *data);
static void ngx_ai_ledger_sync(ngx_ai_ledger_t *ld, uint64_t now);
static void ngx_ai_ledger_watch(ngx_ai_ledger_t *ld, uint64_t now);
static ngx_int_t ngx_ai_ledger_named(ngx_ai_ledger_t *ld,
    ngx_ai_segment_t *seg);
static void ngx_ai_ledger_wait(ngx_ai_ledger_t *ld, ngx_uint_t ms);


ngx_int_t
ngx_ai_ledger_start(ngx_ai_ledger_t *ld)
{
    int                 rc;
    sigset_t            all, old;
    pthread_condattr_t  attr;

    (void) pthread_mutex_init(&ld->mutex, NULL);
    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&ld->wake, &attr);
    (void) pthread_condattr_destroy(&attr);

    /* signals are the main thread's */

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);

    rc = pthread_create(&ld->thread, NULL, ngx_ai_ledger_thread, ld);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (rc != 0) {
        ngx_log_error(NGX_LOG_ALERT, ld->log, rc,
                      "ai ledger: pthread_create() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_ai_ledger_stop(ngx_ai_ledger_t *ld)
{
    struct timespec  ts;

    (void) pthread_mutex_lock(&ld->mutex);
    ngx_ai_word_set(&ld->stop, 1);
    (void) pthread_cond_signal(&ld->wake);
    (void) pthread_mutex_unlock(&ld->mutex);

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += NGX_AI_LEDGER_JOIN;

    if (pthread_timedjoin_np(ld->thread, NULL, &ts) != 0) {

        /* a disk that hangs: the process ends with the thread in it, and a
           sibling ships what is left */

        ngx_log_error(NGX_LOG_ALERT, ld->log, 0,
                      "ai ledger: the sink did not end in time");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void *
ngx_ai_ledger_thread(void *data)
{
    uint64_t          now;
    ngx_uint_t        ms, stop;
    ngx_ai_ledger_t  *ld = data;

    do {
        stop = ngx_ai_word_get(&ld->stop);

        /* the last round ships what ended before the worker's exit */

        ms = ngx_ai_sink_step(&ld->sink);

        now = ngx_ai_sink_mono();
        ngx_ai_ledger_sync(ld, now);
        ngx_ai_ledger_watch(ld, now);

        if (!stop) {
            ngx_ai_ledger_wait(ld, ms);
        }

    } while (!stop);

    ngx_ai_sink_end(&ld->sink);

    return NULL;
}


/* open slots change without a call of ours: their running records */

static void
ngx_ai_ledger_sync(ngx_ai_ledger_t *ld, uint64_t now)
{
    ngx_uint_t  i, n;

    if (ld->conf.sync == 0 || now - ld->synced < ld->conf.sync) {
        return;
    }

    ld->synced = now;

    if (__atomic_exchange_n(&ld->dirty, ngx_ai_word_get(&ld->open) != 0,
                            __ATOMIC_ACQ_REL) == 0)
    {
        return;
    }

    n = __atomic_load_n(&ld->nsegments, __ATOMIC_ACQUIRE);

    for (i = 0; i < n; i++) {
        if (fdatasync(ld->segments[i].fd) == -1) {
            ngx_ai_report(&ld->report, NGX_LOG_CRIT, ngx_errno,
                          "fdatasync() of segment %u failed",
                          ld->segments[i].number);
        }
    }
}


/* whether the directory has the file by its name; in doubt it has */

static ngx_int_t
ngx_ai_ledger_named(ngx_ai_ledger_t *ld, ngx_ai_segment_t *seg)
{
    char         name[NGX_AI_SEGMENT_NAME_LEN], path[NGX_MAX_PATH];
    struct stat  sb, nb;

    ngx_ai_segment_name(name, seg->number);

    (void) snprintf(path, sizeof(path), "%s/%s", (char *) ld->conf.path.data,
                    name);

    if (fstat(seg->fd, &sb) == -1) {
        return NGX_OK;
    }

    if (stat(path, &nb) == -1) {
        return ngx_errno == NGX_ENOENT ? NGX_DECLINED : NGX_OK;
    }

    return sb.st_ino == nb.st_ino && sb.st_dev == nb.st_dev ? NGX_OK
                                                            : NGX_DECLINED;
}


/* rows in a file that nobody finds would end with this process */

static void
ngx_ai_ledger_watch(ngx_ai_ledger_t *ld, uint64_t now)
{
    ngx_uint_t  i, n;

    if (now - ld->watched < NGX_AI_LEDGER_WATCH) {
        return;
    }

    ld->watched = now;
    n = __atomic_load_n(&ld->nsegments, __ATOMIC_ACQUIRE);

    for (i = 0; i < n; i++) {

        if (ld->gone[i]
            || ngx_ai_ledger_named(ld, &ld->segments[i]) == NGX_OK)
        {
            continue;
        }

        ngx_ai_word_set(&ld->gone[i], 1);
        ngx_ai_report(&ld->report, NGX_LOG_ALERT, 0,
                      "segment %u was removed, nothing new is put into it",
                      ld->segments[i].number);
    }
}


static void
ngx_ai_ledger_wait(ngx_ai_ledger_t *ld, ngx_uint_t ms)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    ts.tv_nsec += (long) ms * 1000000;
    ts.tv_sec += ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;

    (void) pthread_mutex_lock(&ld->mutex);

    if (!ngx_ai_word_get(&ld->stop)) {
        (void) pthread_cond_timedwait(&ld->wake, &ld->mutex, &ts);
    }

    (void) pthread_mutex_unlock(&ld->mutex);
}
