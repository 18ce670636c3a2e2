
/*
 * What the dead have left: open slots, holds in the book, places in its table
 * of workers; and rows that belong to no hold of this book.
 */


#include "ngx_ai_sink.h"
#include <signal.h>


void
ngx_ai_slot_used(const ai_slot_t *slot, int64_t used[AI_RES_COUNTED],
    uint64_t tokens[2])
{
    const ai_run_t  *run;

    run = &slot->runs[slot->run & 1];

    ngx_memzero(used, AI_RES_COUNTED * sizeof(int64_t));
    ngx_memzero(tokens, 2 * sizeof(uint64_t));

    used[AI_RES_REQUESTS] = slot->state != AI_SLOT_REFUSED;

    if (run->source == AI_SOURCE_NONE) {
        return;
    }

    tokens[0] = ngx_min(run->input_tokens, (uint64_t) AI_LIMIT_MAX);
    tokens[1] = ngx_min(run->output_tokens, (uint64_t) AI_LIMIT_MAX);

    used[AI_RES_INPUT_TOKENS] = (int64_t) tokens[0];
    used[AI_RES_OUTPUT_TOKENS] = (int64_t) tokens[1];
    used[AI_RES_TOKENS] = (int64_t) (tokens[0] + tokens[1]);
    used[AI_RES_COST] = ngx_min(run->cost_nanos, AI_LIMIT_MAX);
    used[AI_RES_COST] = ngx_max(used[AI_RES_COST], 0);
}


/* "state" and "starttime" stand behind the name, which may hold anything */

uint64_t
ngx_ai_process_start(uint32_t pid)
{
    int                 fd;
    char                buf[1024], *p, state;
    ssize_t             n;
    ngx_uint_t          i;
    unsigned long long  start;

    (void) snprintf(buf, sizeof(buf), "/proc/%u/stat", pid);
    fd = open(buf, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }

    n = read(fd, buf, sizeof(buf) - 1);
    (void) close(fd);

    if (n <= 0) {
        return 0;
    }

    buf[n] = '\0';
    p = strrchr(buf, ')');

    if (p == NULL || sscanf(p, ") %c", &state) != 1
        || state == 'Z' || state == 'X')
    {
        return 0;
    }

    for (i = 0; i < 20 && p; i++) {
        p = strchr(p + 1, ' ');
    }

    return (p && sscanf(p, " %llu", &start) == 1) ? start : 0;
}


/*
 * For a worker without a segment.  Where /proc does not show it (hidepid, and
 * workers are not dumpable) the pid alone decides: rather a place too many in
 * the book's table than a living worker without one.
 */

static ngx_uint_t
ngx_ai_process_lives(uint32_t pid, uint64_t start)
{
    uint64_t  now;

    now = ngx_ai_process_start(pid);

    if (now) {
        return now == start;
    }

    return kill((pid_t) pid, 0) == 0 || ngx_errno != NGX_ESRCH;
}


/*
 * A slot that cannot be closed keeps its state and gets its bit all the same:
 * for a dead owner's slot that tells the shipper that it is damaged.
 */

static void
ngx_ai_adopt_segment(ngx_ai_segment_t *seg)
{
    uint32_t          i, high;
    uint64_t          now_ms;
    ai_slot_t        *slot;
    struct timespec   ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    now_ms = (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;

    high = ngx_ai_segment_high(seg);

    for (i = 0; i < high; i++) {
        slot = ngx_ai_segment_slot(seg, i);

        if (slot->state == AI_SLOT_FREE) {
            continue;
        }

        if (!ai_slot_ended(slot->state)) {
            (void) ai_slot_orphan(slot, now_ms);
        }

        ngx_ai_segment_ended(seg, i);
    }

    seg->dead = 1;
    seg->head->dead = 1;
}


ngx_uint_t
ngx_ai_sink_adopt(ngx_ai_sink_t *s)
{
    ngx_uint_t         i, n;
    ngx_ai_segment_t  *seg;

    n = 0;

    for (i = 0; i < s->nsegs; i++) {
        seg = &s->segs[i]->seg;

        if (seg->dead || ngx_ai_segment_lock(seg) != NGX_OK) {
            continue;
        }

        ngx_ai_adopt_segment(seg);
        n++;
    }

    return n;
}


typedef struct {
    uint32_t          pid;
    uint64_t          start;
} ngx_ai_reap_who_t;


/* NGX_OK: dead, and all its segments are ours */

static ngx_int_t
ngx_ai_reap_dead(ngx_ai_sink_t *s, const ngx_ai_reap_who_t *who)
{
    ngx_uint_t         i, dead;
    ngx_ai_segment_t  *seg;

    dead = 0;

    for (i = 0; i < s->nsegs; i++) {
        seg = &s->segs[i]->seg;

        if (seg->head->pid != who->pid || seg->head->start != who->start) {
            continue;
        }

        if (!seg->dead) {
            return NGX_DECLINED;
        }

        dead = 1;
    }

    if (dead || !ngx_ai_process_lives(who->pid, who->start)) {
        return NGX_OK;
    }

    return NGX_DECLINED;
}


/* the slot that vouches for a hold; NULL: it has none, or is no row */

static const ai_slot_t *
ngx_ai_reap_slot(ngx_ai_sink_t *s, const ngx_ai_reap_who_t *who,
    const ai_hold_view_t *view)
{
    ngx_uint_t         i;
    const ai_slot_t   *slot;
    ngx_ai_segment_t  *seg;

    for (i = 0; i < s->nsegs; i++) {
        seg = &s->segs[i]->seg;

        if (seg->number == view->segment
            && seg->head->pid == who->pid
            && seg->head->start == who->start
            && view->slot < seg->nslots)
        {
            slot = ngx_ai_segment_slot(seg, view->slot);

            return ai_slot_check(slot) == AI_OK ? slot : NULL;
        }
    }

    return NULL;
}


static void
ngx_ai_reap_worker(ngx_ai_sink_t *s, unsigned worker,
    const ngx_ai_reap_who_t *who)
{
    int64_t           used[AI_RES_COUNTED];
    ai_now_t          now;
    ai_ref_t          at;
    uint64_t          start, tokens[2];
    uint32_t          pid;
    ai_book_t        *bk;
    const ai_slot_t  *slot;
    ai_hold_view_t    view;

    bk = s->zone->book;

    for ( ;; ) {
        ngx_ai_now(&now);
        ngx_ai_zone_lock(s->zone);

        at = 0;

        if (ai_book_worker_get(bk, worker, &pid, &start) != AI_OK
            || pid != who->pid || start != who->start)
        {
            break;
        }

        if (ai_book_worker_hold(bk, worker, &at, &view) != AI_OK) {
            ai_book_worker_free(bk, worker);
            break;
        }

        ngx_memzero(used, sizeof(used));
        ngx_memzero(tokens, sizeof(tokens));

        slot = ngx_ai_reap_slot(s, who, &view);

        if (slot) {
            ngx_ai_slot_used(slot, used, tokens);
        }

        ai_book_settle(bk, view.hold, used, tokens, &now);
        ngx_ai_zone_unlock(s->zone);
    }

    ngx_ai_zone_unlock(s->zone);
}


void
ngx_ai_sink_reap(ngx_ai_sink_t *s)
{
    unsigned           worker;
    ngx_ai_reap_who_t  who[AI_BOOK_WORKERS];

    ngx_ai_zone_lock(s->zone);

    for (worker = 0; worker < AI_BOOK_WORKERS; worker++) {

        if (ai_book_worker_get(s->zone->book, worker, &who[worker].pid,
                               &who[worker].start)
            != AI_OK)
        {
            who[worker].pid = 0;
        }
    }

    ngx_ai_zone_unlock(s->zone);

    for (worker = 0; worker < AI_BOOK_WORKERS; worker++) {

        if (who[worker].pid == 0
            || (who[worker].pid == s->pid && who[worker].start == s->start))
        {
            continue;
        }

        if (ngx_ai_reap_dead(s, &who[worker]) == NGX_OK) {

            if (s->conf.dead) {
                s->conf.dead(s->conf.data, worker);
            }

            ngx_ai_reap_worker(s, worker, &who[worker]);
        }
    }
}


void
ngx_ai_sink_count_row(ngx_ai_sink_t *s, const ai_row_t *row)
{
    int               rc;
    ai_now_t          now;
    ngx_uint_t        n;
    ngx_ai_parties_t  p;

    ngx_memzero(p.party, sizeof(p.party));
    n = s->conf.parties(s->conf.data, &row->tenant, &row->key, &p);

    ngx_ai_now(&now);

    ngx_ai_zone_lock(s->zone);
    rc = ai_book_count(s->zone->book, p.party, n, row->used,
                       row->time_ms / 1000, &now);
    ngx_ai_zone_unlock(s->zone);

    if (rc != AI_OK && !s->book_full) {
        s->book_full = 1;
        ngx_ai_report(s->report, NGX_LOG_ALERT, 0,
                      "the zone is too small: rows are not counted");
    }
}


void
ngx_ai_sink_count(ngx_ai_sink_t *s, ngx_ai_segment_t *seg, uint32_t slot)
{
    ai_row_t          row;
    uint64_t          tokens[2];
    const ai_slot_t  *sl;

    if (ngx_memcmp(seg->head->zone_id, s->zone_id, 16) == 0
        || ngx_ai_segment_counted(seg, slot))
    {
        return;
    }

    sl = ngx_ai_segment_slot(seg, slot);

    row.time_ms = sl->time_ms;
    row.tenant = ai_slot_get(sl, AI_SLOT_TENANT);
    row.key = ai_slot_get(sl, AI_SLOT_KEY);
    ngx_ai_slot_used(sl, row.used, tokens);

    ngx_ai_sink_count_row(s, &row);
    ngx_ai_segment_set_counted(seg, slot);
}
