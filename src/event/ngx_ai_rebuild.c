
/*
 * What the master does: the directory is made, and the start with an empty
 * book counts what the files say was used, before the first request is
 * admitted.
 *
 * The master is the sink meanwhile, so that no row moves from a segment to
 * usage.jsonl between the two being counted.  Workers of a former book that
 * still run go on; their rows are counted when they are shipped.
 */


#include "ngx_ai_sink.h"
#include "ngx_ai_sums.h"


#define NGX_AI_REBUILD_WAIT  5000       /* ms for a running sink to give way */


typedef struct {
    ngx_ai_sink_t        *sink;
    ngx_ai_sums_t        *sums;
    char                  from[NGX_AI_USAGE_NAME];
    ngx_uint_t            failed;
} ngx_ai_rebuild_t;


ngx_int_t
ngx_ai_ledger_prepare(ngx_cycle_t *cycle, ngx_ai_ledger_conf_t *conf)
{
    struct stat  sb;

    if (mkdir((char *) conf->path.data, 0700) == -1
        && ngx_errno != NGX_EEXIST)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "mkdir() \"%V\" failed", &conf->path);
        return NGX_ERROR;
    }

    if (stat((char *) conf->path.data, &sb) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "stat() \"%V\" failed", &conf->path);
        return NGX_ERROR;
    }

    if (!S_ISDIR(sb.st_mode)) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "\"%V\" is not a directory", &conf->path);
        return NGX_ERROR;
    }

    if (geteuid() == 0) {

        if (conf->user != (ngx_uid_t) NGX_CONF_UNSET_UINT
            && sb.st_uid != conf->user
            && chown((char *) conf->path.data, conf->user, -1) == -1)
        {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "chown(\"%V\", %d) failed", &conf->path,
                          conf->user);
            return NGX_ERROR;
        }

    } else if (access((char *) conf->path.data, R_OK|W_OK|X_OK) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "access() \"%V\" failed", &conf->path);
        return NGX_ERROR;
    }

    return conf->database ? ngx_ai_node_make(cycle->log, conf) : NGX_OK;
}


static ngx_int_t
ngx_ai_rebuild_lock(ngx_ai_sink_t *s)
{
    uint64_t   end;
    ngx_int_t  rc;

    /* from here on the running sink gives up the lock in its next round */

    if (ngx_ai_sink_announce(s) != NGX_OK) {
        return NGX_ERROR;
    }

    end = ngx_ai_sink_mono() + NGX_AI_REBUILD_WAIT;

    for ( ;; ) {
        rc = ngx_ai_sink_lock(s);

        if (rc != NGX_BUSY || ngx_ai_sink_mono() > end) {
            return rc;
        }

        ngx_msleep(5);
    }
}


static ngx_int_t
ngx_ai_rebuild_slot(ngx_ai_rebuild_t *rb, ngx_ai_segment_t *seg, uint32_t i)
{
    ai_row_t    row;
    uint64_t    tokens[2];
    ai_slot_t  *slot;

    slot = ngx_ai_segment_slot(seg, i);

    if (!ai_slot_ended(slot->state) || ai_slot_check(slot) != AI_OK) {
        return NGX_OK;
    }

    if (ngx_ai_ids_has(&rb->sink->ids, slot->id)) {
        ngx_ai_segment_free(seg, i);
        return NGX_OK;
    }

    if (!seg->dead) {
        return NGX_OK;
    }

    row.time_ms = slot->time_ms;
    row.tenant = ai_slot_get(slot, AI_SLOT_TENANT);
    row.key = ai_slot_get(slot, AI_SLOT_KEY);
    ngx_ai_slot_used(slot, row.used, tokens);

    return ngx_ai_sums_add(rb->sums, &row);
}


/*
 * Rows of the dead become this book's; a live owner's ended ones are left to
 * the shipper, which counts them: none of them is counted in this book yet.
 */

static ngx_int_t
ngx_ai_rebuild_segment(ngx_ai_rebuild_t *rb, ngx_ai_segment_t *seg)
{
    uint32_t  w, i, high;
    uint64_t  bits;

    high = ngx_ai_segment_high(seg);

    for (w = 0; w < (high + 63) / 64; w++) {
        bits = __atomic_load_n(&seg->ended[w], __ATOMIC_ACQUIRE);
        seg->counted[w] = 0;

        while (bits) {
            i = w * 64 + (uint32_t) __builtin_ctzll(bits);
            bits &= bits - 1;

            if (i < seg->nslots
                && ngx_ai_rebuild_slot(rb, seg, i) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    if (seg->dead) {
        ngx_memcpy(seg->head->zone_id, rb->sink->zone_id, 16);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ai_rebuild_file(int dirfd, const char *stem, void *data)
{
    ngx_int_t          rc;
    ngx_ai_rebuild_t  *rb = data;

    /* no row in it is younger than the rotation that its name tells */

    if (strncmp(stem, rb->from, strlen(rb->from)) < 0) {
        return NGX_OK;
    }

    rc = ngx_ai_sums_read(rb->sums, dirfd, stem);

    if (rc == NGX_DECLINED) {
        rc = ngx_ai_sums_read_rows(rb->sums, dirfd, stem);
    }

    if (rc == NGX_ERROR) {
        rb->failed = 1;
    }

    return NGX_OK;
}


/* sums that outlive their rows: the operator has moved those away */

static ngx_int_t
ngx_ai_rebuild_sum(int dirfd, const char *stem, void *data)
{
    char               name[NGX_AI_USAGE_NAME + 8];
    struct stat        sb;
    ngx_ai_rebuild_t  *rb = data;

    (void) snprintf(name, sizeof(name), "%s.jsonl", stem);

    if (strncmp(stem, rb->from, strlen(rb->from)) < 0
        || fstatat(dirfd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0)
    {
        return NGX_OK;
    }

    if (ngx_ai_sums_read(rb->sums, dirfd, stem) == NGX_ERROR) {
        rb->failed = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ai_rebuild_files(ngx_ai_rebuild_t *rb)
{
    time_t          from;
    ngx_int_t       rc;
    struct tm       tm;
    ngx_ai_sums_t  *sums;

    sums = rb->sums;
    ngx_ai_sums_fold_clear(rb->sink->dirfd);

    if (ngx_ai_sums_read(sums, rb->sink->dirfd, "shipped") == NGX_ERROR) {
        return NGX_ERROR;
    }

    rc = ngx_ai_sums_read_rows(sums, rb->sink->dirfd, "usage");

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    from = (time_t) (ngx_min(sums->month_ms, sums->recent_ms) / 1000);

    if (gmtime_r(&from, &tm) == NULL) {
        return NGX_ERROR;
    }

    (void) strftime(rb->from, sizeof(rb->from), "usage-%Y%m%dT%H%M%SZ", &tm);

    ngx_ai_usage_each(rb->sink->dirfd, ".jsonl", ngx_ai_rebuild_file, rb);
    ngx_ai_usage_each(rb->sink->dirfd, ".sum", ngx_ai_rebuild_sum, rb);

    return rb->failed ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_ai_rebuild_count(ngx_ai_rebuild_t *rb)
{
    size_t      i;
    ngx_int_t   rc;
    ngx_uint_t  n;
    ai_row_t    row;

    rc = NGX_OK;

    for (n = 0; n < rb->sink->nsegs; n++) {
        if (ngx_ai_rebuild_segment(rb, &rb->sink->segs[n]->seg) != NGX_OK) {
            rc = NGX_ERROR;
        }
    }

    if (ngx_ai_rebuild_files(rb) != NGX_OK) {
        rc = NGX_ERROR;
    }

    /* buckets decay from one row to the next */

    ngx_ai_sums_sort(rb->sums);

    for (i = 0; i < rb->sums->n; i++) {
        row = ngx_ai_sums_row(rb->sums, i);

        /* a minute's rows at its end: no bucket refills before it was used */

        if (row.time_ms + NGX_AI_SUMS_MINUTE > rb->sums->recent_ms) {
            row.time_ms += NGX_AI_SUMS_MINUTE - 1;
        }

        ngx_ai_sink_count_row(rb->sink, &row);
    }

    return rc;
}


static ngx_int_t
ngx_ai_rebuild(ngx_cycle_t *cycle, ngx_ai_sink_t *s)
{
    ai_now_t          now;
    uint64_t          begin;
    ngx_int_t         rc;
    ngx_ai_sums_t     sums;
    ngx_ai_rebuild_t  rb;

    begin = ngx_ai_sink_mono();

    if (ngx_ai_rebuild_lock(s) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "ai ledger: \"%V\" is in use by a process that does "
                      "not give way", &s->conf.path);
        return NGX_ERROR;
    }

    if (ngx_ai_sink_takeover(s) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "ai ledger: could not read back usage in \"%V\"",
                      &s->conf.path);
        return NGX_ERROR;
    }

    ngx_ai_sink_scan(s);
    (void) ngx_ai_sink_adopt(s);

    ngx_ai_now(&now);
    ngx_ai_sums_init(&sums, (time_t) now.now_s, 1);

    ngx_memzero(&rb, sizeof(rb));
    rb.sink = s;
    rb.sums = &sums;

    rc = ngx_ai_rebuild_count(&rb);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "ai ledger: could not read all rows in \"%V\"",
                      &s->conf.path);

    } else if (sums.rows) {
        ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                      "ai ledger: counted %uL rows in %uL ms",
                      sums.rows, ngx_ai_sink_mono() - begin);
    }

    if (sums.odd) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                      "ai ledger: %uL lines in \"%V\" are no rows",
                      sums.odd, &s->conf.path);
    }

    ngx_ai_sums_free(&sums);

    return rc;
}


ngx_int_t
ngx_ai_ledger_rebuild(ngx_cycle_t *cycle, ngx_ai_ledger_conf_t *conf,
    ngx_ai_zone_t *zone)
{
    ngx_int_t         rc;
    ngx_ai_sink_t     sink;
    ngx_ai_report_t   report;

    /* a test of the configuration changes nothing in the directory */

    if (ngx_test_config) {
        return NGX_OK;
    }

    ngx_ai_report_init(&report);

    if (ngx_ai_sink_init(&sink, conf, zone, &report) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "ai ledger: no memory");
        return NGX_ERROR;
    }

    rc = ngx_ai_rebuild(cycle, &sink);

    ngx_ai_report_flush(&report, cycle->log);
    ngx_ai_sink_done(&sink);

    return rc;
}
