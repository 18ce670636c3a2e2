
/*
 * A worker's ledger, as its main thread sees it: slots are taken and given
 * back, in memory.
 */


#include "ngx_ai_ledger_int.h"


#define NGX_AI_LEDGER_TICK  200     /* ms: lines from the thread */


static void ngx_ai_ledger_tick_handler(ngx_event_t *ev);


static ngx_int_t
ngx_ai_ledger_place(ngx_ai_ledger_t *ld)
{
    if (ld->worker < 0) {
        ngx_ai_zone_lock(ld->zone);
        ld->worker = ai_book_worker(ld->zone->book, ld->pid, ld->start);
        ngx_ai_zone_unlock(ld->zone);
    }

    return ld->worker < 0 ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_ai_ledger_make(ngx_ai_ledger_t *ld)
{
    int               fd;
    ngx_int_t         rc;
    ngx_err_t         err;
    ngx_uint_t        n;
    ngx_ai_segment_t  seg;

    n = ld->nsegments;

    if (n == NGX_AI_LEDGER_SEGMENTS) {
        ld->full_what = "all slots are waiting to be shipped";
        ngx_set_errno(0);
        return NGX_ERROR;
    }

    if (ngx_ai_ledger_place(ld) != NGX_OK) {
        ld->full_what = "the zone has no place for another worker";
        ngx_set_errno(0);
        return NGX_ERROR;
    }

    ld->full_what = "open()";
    fd = open((char *) ld->conf.path.data, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        return NGX_ERROR;
    }

    rc = ngx_ai_segment_make(&seg, fd, ld->conf.segment, ld->zone_id, ld->pid,
                             ld->start, &ld->full_what);

    err = ngx_errno;
    (void) close(fd);
    ngx_set_errno(err);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ld->segments[n] = seg;
    ld->current = n;

    __atomic_store_n(&ld->nsegments, n + 1, __ATOMIC_RELEASE);

    return NGX_OK;
}


/* another segment, at most once a second; one log line for each change */

static ngx_int_t
ngx_ai_ledger_more(ngx_ai_ledger_t *ld)
{
    time_t     now;
    ngx_err_t  err;

    now = ngx_time();

    if (now < ld->retry) {
        return NGX_ERROR;
    }

    if (ngx_ai_ledger_make(ld) == NGX_OK) {
        ld->retry = 0;

        if (ld->full) {
            ld->full = 0;
            ngx_log_error(NGX_LOG_NOTICE, ld->log, 0,
                          "ai ledger: slots can be had again, "
                          "requests are admitted");
        }

        return NGX_OK;
    }

    err = ngx_errno;
    ld->retry = now + 1;

    if (!ld->full || ld->full_err != err) {
        ld->full = 1;
        ld->full_err = err;
        ngx_log_error(NGX_LOG_CRIT, ld->log, err,
                      "ai ledger: no slot in \"%V\": %s, no request is "
                      "admitted", &ld->conf.path, ld->full_what);
    }

    return NGX_ERROR;
}


ngx_ai_ledger_t *
ngx_ai_ledger_open(ngx_cycle_t *cycle, ngx_ai_ledger_conf_t *conf,
    ngx_ai_zone_t *zone)
{
    ngx_ai_ledger_t  *ld;

    ld = calloc(1, sizeof(ngx_ai_ledger_t));

    if (ld == NULL) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "ai ledger: no memory");
        return NULL;
    }

    ld->conf = *conf;
    ld->zone = zone;
    ld->log = cycle->log;
    ld->pid = (uint32_t) getpid();
    ld->start = ngx_ai_process_start(ld->pid);
    ld->worker = -1;

    ngx_memcpy(ld->zone_id, ai_book_zone_id(zone->book), 16);
    ngx_ai_report_init(&ld->report);

    if (ngx_ai_sink_init(&ld->sink, conf, zone, &ld->report) != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "ai ledger: no memory");
        free(ld);
        return NULL;
    }

    if (conf->database
        && (ngx_ai_node_make(cycle->log, conf) != NGX_OK
            || ngx_ai_node_read(cycle->log, conf, ld->node) != NGX_OK
            || (ld->sink.spool = ngx_ai_spool_create()) == NULL))
    {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                      "ai ledger: no rows go to the database");
        ld->node[0] = '\0';
    }

    /* without a segment the worker refuses, and asks again each second */

    (void) ngx_ai_ledger_more(ld);

    if (ngx_ai_ledger_start(ld) != NGX_OK) {
        ngx_ai_sink_done(&ld->sink);
        free(ld);
        return NULL;
    }

    ld->tick.handler = ngx_ai_ledger_tick_handler;
    ld->tick.data = ld;
    ld->tick.log = cycle->log;
    ld->tick.cancelable = 1;

    ngx_add_timer(&ld->tick, NGX_AI_LEDGER_TICK);

    return ld;
}


static void
ngx_ai_ledger_tick_handler(ngx_event_t *ev)
{
    ngx_ai_ledger_t  *ld = ev->data;

    ngx_ai_report_flush(&ld->report, ld->log);

    if (ld->full) {
        (void) ngx_ai_ledger_more(ld);
    }

    if (ngx_exiting) {
        ngx_ai_word_set(&ld->sink.yield, 1);
    }

    ngx_add_timer(ev, NGX_AI_LEDGER_TICK);
}


void
ngx_ai_ledger_close(ngx_ai_ledger_t *ld)
{
    ngx_uint_t  i;

    if (ld->tick.timer_set) {
        ngx_del_timer(&ld->tick);
    }

    if (ngx_ai_ledger_stop(ld) != NGX_OK) {
        return;
    }

    ngx_ai_report_flush(&ld->report, ld->log);
    ngx_ai_sink_done(&ld->sink);

    for (i = 0; i < ld->nsegments; i++) {
        ngx_ai_segment_close(&ld->segments[i]);
    }

    (void) pthread_cond_destroy(&ld->wake);
    (void) pthread_mutex_destroy(&ld->mutex);
    (void) pthread_mutex_destroy(&ld->report.mutex);

    free(ld);
}


static ai_slot_t *
ngx_ai_ledger_find(ngx_ai_ledger_t *ld, uint32_t *slot)
{
    ngx_uint_t         i, n;
    ai_slot_t         *s;
    ngx_ai_segment_t  *seg;

    for (n = 0; n < ld->nsegments; n++) {
        i = (ld->current + n) % ld->nsegments;
        seg = &ld->segments[i];

        if (ngx_ai_word_get(&ld->gone[i])) {
            continue;
        }

        s = ngx_ai_segment_take(seg, slot);

        if (s) {
            ld->current = i;
            return s;
        }
    }

    return NULL;
}


ai_slot_t *
ngx_ai_ledger_take(ngx_ai_ledger_t *ld, uint32_t *segment, uint32_t *slot)
{
    ai_slot_t  *s;

    s = ngx_ai_ledger_find(ld, slot);

    if (s == NULL && ngx_ai_ledger_more(ld) == NGX_OK) {
        s = ngx_ai_ledger_find(ld, slot);
    }

    if (s == NULL) {
        return NULL;
    }

    if (ld->full) {

        /* the sink has freed slots meanwhile */

        ld->full = 0;
        ngx_log_error(NGX_LOG_NOTICE, ld->log, 0,
                      "ai ledger: slots are free again, "
                      "requests are admitted");
    }

    *segment = ld->segments[ld->current].number;
    ld->open++;
    ngx_ai_word_set(&ld->dirty, 1);

    return s;
}


static ngx_ai_segment_t *
ngx_ai_ledger_segment(ngx_ai_ledger_t *ld, ai_slot_t *s, uint32_t *slot)
{
    u_char            *p;
    ngx_uint_t         i, n;
    ngx_ai_segment_t  *seg;

    p = (u_char *) s;

    for (n = 0; n < ld->nsegments; n++) {
        i = (ld->current + n) % ld->nsegments;
        seg = &ld->segments[i];

        if (p >= seg->slots
            && p < seg->slots + (size_t) seg->nslots * AI_SLOT_SIZE)
        {
            *slot = (uint32_t) ((size_t) (p - seg->slots) / AI_SLOT_SIZE);
            return seg;
        }
    }

    ngx_log_error(NGX_LOG_ALERT, ld->log, 0,
                  "ai ledger: a slot that is not ours");

    return NULL;
}


void
ngx_ai_ledger_drop(ngx_ai_ledger_t *ld, ai_slot_t *s)
{
    uint32_t           slot;
    ngx_ai_segment_t  *seg;

    seg = ngx_ai_ledger_segment(ld, s, &slot);

    if (seg) {
        ngx_ai_segment_drop(seg, slot);
        ld->open--;
        ngx_ai_word_set(&ld->dirty, 1);
    }
}


void
ngx_ai_ledger_ended(ngx_ai_ledger_t *ld, ai_slot_t *s)
{
    uint32_t           slot;
    ngx_ai_segment_t  *seg;

    seg = ngx_ai_ledger_segment(ld, s, &slot);

    if (seg) {
        ngx_ai_segment_ended(seg, slot);
        ld->open--;
        ngx_ai_word_set(&ld->dirty, 1);
    }
}


ngx_int_t
ngx_ai_ledger_worker(ngx_ai_ledger_t *ld)
{
    return ld->worker;
}


void
ngx_ai_ledger_stat(ngx_ai_ledger_t *ld, ngx_ai_ledger_stat_t *st)
{
    ngx_uint_t  i;

    ngx_memzero(st, sizeof(ngx_ai_ledger_stat_t));

    st->segments = ngx_max(ld->nsegments,
                           ngx_ai_word_get(&ld->sink.mapped));
    st->slots_open = ld->open;
    st->damaged = ngx_ai_word_get(&ld->sink.damaged);
    st->shipped = ngx_ai_word_get(&ld->sink.shipped);
    st->behind = ld->sink.spool ? ngx_ai_word_get(&ld->sink.spool->behind) : 0;
    st->sink = ngx_ai_ledger_sink(ld);
    st->full = ld->full;

    for (i = 0; i < ld->nsegments; i++) {
        st->slots += ld->segments[i].nslots;
        st->waiting += ngx_ai_segment_waiting(&ld->segments[i]);
    }
}


ngx_uint_t
ngx_ai_ledger_sink(ngx_ai_ledger_t *ld)
{
    return ngx_ai_word_get(&ld->sink.sink) != 0;
}


const u_char *
ngx_ai_ledger_node(ngx_ai_ledger_t *ld)
{
    return ld->node[0] ? ld->node : NULL;
}


ngx_ai_spool_t *
ngx_ai_ledger_spool(ngx_ai_ledger_t *ld)
{
    return ld->sink.spool;
}


/* without the mutex: a signal that is missed costs one wait */

void
ngx_ai_ledger_wake(ngx_ai_ledger_t *ld)
{
    (void) pthread_cond_signal(&ld->wake);
}
