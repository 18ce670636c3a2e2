
/*
 * The keeper: the worker whose ledger is the sink keeps the node in the store.
 *
 * A shard that does not answer is looked at without an epoch, which does
 * nothing there: a node that is not answered must not be heard, or it would
 * never be on its own.  Then heartbeats say that the node lives; one that is
 * not heard reports all that it has and says so.
 */


#include "ngx_ai_lease_int.h"
#include <sys/file.h>


#define NGX_AI_LEASE_TICK      250      /* ms; less where the lease is short */
#define NGX_AI_LEASE_TICK_MIN  50
#define NGX_AI_LEASE_SOON      10       /* until the first connection */
#define NGX_AI_LEASE_CHECK     2000     /* ms between looks at settings */
#define NGX_AI_LEASE_CHECKS    8        /* shards of a cluster at a time */
#define NGX_AI_LEASE_OLDER     1000     /* ms between looks for older starts */
#define NGX_AI_LEASE_ROUNDS    256      /* of STEPS owners, in one go */
#define NGX_AI_LEASE_STAY      20       /* ms between looks, when it quits */


static void ngx_ai_lease_return_done(ngx_ai_lease_ask_t *a);
static void ngx_ai_lease_report_done(ngx_ai_lease_ask_t *a);
static void ngx_ai_lease_beat_done(ngx_ai_lease_ask_t *a);


/* ---- the file ---- */

static ngx_int_t
ngx_ai_lease_adopt_file(ngx_ai_lease_t *ls)
{
    uint32_t               i;
    ngx_int_t              rc;
    ngx_ai_lease_place_t  *p;
    ngx_ai_lease_state_t   st;

    rc = ngx_ai_lease_file_lock(ls->fd);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_ai_lease_file_read(ls->fd, &st);

    if (rc == NGX_OK
        && ngx_memcmp(st.zone_id, ai_book_zone_id(ls->book), 16) != 0)
    {
        ls->outdated = 1;
        rc = NGX_BUSY;
    }

    if (rc == NGX_OK) {

        for (i = 0; i < ls->nshards; i++) {
            p = &ls->shards[i];

            if (ai_lease_epoch_cmp(&st.epoch[i], &p->found) < 0) {
                st.epoch[i] = p->found;

            } else {
                p->found = st.epoch[i];
            }
        }

        rc = ngx_ai_lease_file_write(ls->fd, &st);
    }

    ngx_ai_lease_file_unlock(ls->fd);

    return rc;
}


/* new epochs: no operation carries one that is not in the file */

static void
ngx_ai_lease_adopt(ngx_ai_lease_t *ls)
{
    uint32_t           i;
    ngx_int_t          rc;
    ngx_uint_t         n;
    ai_lease_epoch_t   epoch;
    ai_lease_shard_t   sh;

    for (i = 0, n = 0; i < ls->nshards; i++) {
        n += ls->shards[i].fresh;
    }

    if (n == 0) {
        return;
    }

    rc = ngx_ai_lease_adopt_file(ls);

    if (rc != NGX_OK) {

        if (rc != NGX_BUSY && !ls->said_file) {
            ls->said_file = 1;
            ngx_log_error(NGX_LOG_CRIT, ls->log,
                          rc == NGX_ERROR ? ngx_errno : 0,
                          "ai leases: could not write \"%V/"
                          NGX_AI_LEASE_FILE "\", nothing is leased",
                          &ls->ledger->path);
        }

        return;
    }

    ls->said_file = 0;

    ngx_ai_zone_lock(ls->zone);

    for (i = 0; i < ls->nshards; i++) {
        ls->shards[i].fresh = 0;
        ai_lease_shard_get(ls->book, i, &sh);

        epoch.count = sh.epoch;
        epoch.random = sh.random;

        if (ai_lease_epoch_cmp(&epoch, &ls->shards[i].found) < 0) {
            sh.epoch = ls->shards[i].found.count;
            sh.random = ls->shards[i].found.random;
            sh.heard = 0;
            sh.seeded = 0;
            ai_lease_shard_set(ls->book, i, &sh);
        }
    }

    ngx_ai_zone_unlock(ls->zone);
}


/* ---- a shard ---- */

void
ngx_ai_lease_place_look(ngx_ai_lease_t *ls, ngx_ai_lease_place_t *p)
{
    /* one that was closed as idle when the worker quit is made when needed */

    if (ngx_exiting || ngx_ai_redis_ready(ls->redis, p->slot)) {
        p->gone = 0;

    } else if (!p->gone) {
        p->gone = 1;
        p->away = ngx_current_msec;
    }
}


static void
ngx_ai_lease_say(ngx_ai_lease_t *ls, uint32_t shard, ngx_ai_lease_kind_t kind,
    ngx_uint_t heard)
{
    ngx_ai_lease_ask_t  *a;

    a = ngx_ai_lease_ask_get(ls);
    if (a == NULL) {
        return;
    }

    a->kind = kind;
    a->lease.shard = shard;

    if (ngx_ai_lease_send(a, heard) != NGX_OK) {
        ngx_ai_lease_ask_free(a);
        return;
    }

    ls->shards[shard].busy = 1;

    if (kind == NGX_AI_LEASE_BEAT) {
        ls->shards[shard].beat = ngx_current_msec;
    }
}


/* NGX_OK: all is reported; NGX_AGAIN: not yet; NGX_ERROR: begin again later */

static ngx_int_t
ngx_ai_lease_report_all(ngx_ai_lease_t *ls, uint32_t shard)
{
    int                    rc;
    ai_now_t               now;
    ngx_uint_t             rounds;
    ngx_ai_lease_ask_t    *a;
    ngx_ai_lease_place_t  *p;

    p = &ls->shards[shard];

    for (rounds = 0;
         !p->reported && p->flight < NGX_AI_LEASE_FLIGHT
         && rounds < NGX_AI_LEASE_ROUNDS;
         rounds++)
    {
        a = ngx_ai_lease_ask_get(ls);
        if (a == NULL) {
            return NGX_AGAIN;
        }

        a->kind = NGX_AI_LEASE_REPORT;

        ngx_ai_now(&now);
        ngx_ai_zone_lock(ls->zone);
        rc = ai_lease_report(ls->book, shard, &p->cursor, NGX_AI_LEASE_STEPS,
                             &now, &a->lease);
        ngx_ai_zone_unlock(ls->zone);

        if (rc == AI_OK) {

            if (ngx_ai_lease_send(a, 0) == NGX_OK) {
                p->flight++;
                continue;
            }

            ngx_ai_lease_drop(a);
            p->failed = 1;

        } else if (rc != AI_BUSY) {
            p->reported = 1;
        }

        ngx_ai_lease_ask_free(a);
    }

    if (!p->reported || p->flight) {
        return NGX_AGAIN;
    }

    return p->failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_ai_lease_report_begin(ngx_ai_lease_place_t *p, const ai_lease_shard_t *sh)
{
    if (p->reporting && p->told.count == sh->epoch
        && p->told.random == sh->random)
    {
        return;
    }

    p->reporting = 1;
    p->reported = 0;
    p->failed = 0;
    p->cursor = 0;
    p->told.count = sh->epoch;
    p->told.random = sh->random;
}


static void
ngx_ai_lease_unusable(ngx_ai_lease_t *ls, uint32_t shard)
{
    ai_lease_shard_t  sh;

    ngx_ai_zone_lock(ls->zone);

    ai_lease_shard_get(ls->book, shard, &sh);
    sh.usable = 0;
    ai_lease_shard_set(ls->book, shard, &sh);

    ngx_ai_zone_unlock(ls->zone);
}


static void
ngx_ai_lease_keep_shard(ngx_ai_lease_t *ls, uint32_t shard)
{
    ngx_int_t              rc;
    ai_lease_shard_t       sh;
    ngx_ai_lease_place_t  *p;

    p = &ls->shards[shard];

    ai_lease_shard_get(ls->book, shard, &sh);
    ngx_ai_lease_place_look(ls, p);

    if (p->gone) {
        p->looked = 0;

        if (sh.usable && ngx_current_msec - p->away >= ls->conf->timeout) {
            p->end = NGX_AI_LEASE_UNSENT;
            ngx_ai_lease_unusable(ls, shard);
        }

        return;
    }

    if (p->busy || p->fresh) {
        return;
    }

    if (sh.epoch == 0 || (!sh.usable && !p->looked)) {
        ngx_ai_lease_say(ls, shard, NGX_AI_LEASE_LOOK, 0);
        return;
    }

    if (!sh.heard || sh.local || p->again) {
        ngx_ai_lease_report_begin(p, &sh);

        rc = ngx_ai_lease_report_all(ls, shard);

        if (rc == NGX_OK) {
            ngx_ai_lease_say(ls, shard, NGX_AI_LEASE_BEAT, 1);

        } else if (rc == NGX_ERROR) {
            p->reporting = 0;
        }

        return;
    }

    p->reporting = 0;

    if (!sh.usable || ngx_current_msec - p->beat >= ls->conf->lease / 4) {
        ngx_ai_lease_say(ls, shard, NGX_AI_LEASE_BEAT, 0);
    }
}


/*
 * A node is on its own once the store, which may have heard it last by what
 * was sent then, gives its share to no one else.
 */

static void
ngx_ai_lease_local(ngx_ai_lease_t *ls)
{
    uint32_t          i;
    ai_now_t          now;
    ai_lease_shard_t  sh;

    if (ngx_current_msec - ls->born < ls->conf->connect_timeout) {
        return;
    }

    ngx_ai_now(&now);

    for (i = 0; i < ls->nshards; i++) {
        ai_lease_shard_get(ls->book, i, &sh);

        if (sh.usable || sh.local
            || ((ls->conf->nodes > 1 || sh.nodes > 1)
                && now.mono_ms <= sh.sent_ms + ngx_ai_lease_hold(ls->conf)))
        {
            continue;
        }

        ngx_ai_zone_lock(ls->zone);

        ai_lease_shard_get(ls->book, i, &sh);

        if (!sh.usable) {
            sh.local = 1;
            ai_lease_shard_set(ls->book, i, &sh);
        }

        ngx_ai_zone_unlock(ls->zone);
    }
}


/* ---- credit that has ended ---- */

static ngx_uint_t
ngx_ai_lease_returnable(ngx_ai_lease_t *ls, uint32_t shard)
{
    ai_lease_shard_t  sh;

    ai_lease_shard_get(ls->book, shard, &sh);

    if (!sh.usable || !sh.heard || sh.local) {
        return 0;
    }

    ngx_ai_lease_place_look(ls, &ls->shards[shard]);

    return !ls->shards[shard].gone;
}


static ngx_uint_t
ngx_ai_lease_returnable_any(ngx_ai_lease_t *ls)
{
    uint32_t  i;

    for (i = 0; i < ls->nshards; i++) {
        if (ngx_ai_lease_returnable(ls, i)) {
            return 1;
        }
    }

    return 0;
}


/* NGX_OK: all owners were looked at */

static ngx_int_t
ngx_ai_lease_return(ngx_ai_lease_t *ls, ngx_uint_t all)
{
    int                  rc;
    ai_now_t             now;
    ngx_uint_t           rounds;
    ngx_ai_lease_ask_t  *a;

    for (rounds = 0;
         ls->flight < NGX_AI_LEASE_FLIGHT && rounds < NGX_AI_LEASE_ROUNDS;
         rounds++)
    {
        a = ngx_ai_lease_ask_get(ls);
        if (a == NULL) {
            return NGX_AGAIN;
        }

        a->kind = NGX_AI_LEASE_RETURN;

        ngx_ai_now(&now);
        ngx_ai_zone_lock(ls->zone);
        rc = ai_lease_expire(ls->book, all, &ls->cursor, NGX_AI_LEASE_STEPS,
                             &now, &a->lease);
        ngx_ai_zone_unlock(ls->zone);

        if (rc == AI_OK) {

            if (ngx_ai_lease_returnable(ls, a->lease.shard)
                && ngx_ai_lease_send(a, 0) == NGX_OK)
            {
                ls->flight++;
                continue;
            }

            ngx_ai_lease_drop(a);
        }

        ngx_ai_lease_ask_free(a);

        if (rc != AI_OK && rc != AI_BUSY) {
            ls->cursor = 0;
            return NGX_OK;
        }
    }

    return NGX_AGAIN;
}


/* ---- what has come of an operation ---- */

void
ngx_ai_lease_kept(ngx_ai_lease_ask_t *a)
{
    switch (a->kind) {

    case NGX_AI_LEASE_RETURN:
        ngx_ai_lease_return_done(a);
        break;

    case NGX_AI_LEASE_REPORT:
        ngx_ai_lease_report_done(a);
        break;

    default:
        ngx_ai_lease_beat_done(a);
    }
}


static void
ngx_ai_lease_return_done(ngx_ai_lease_ask_t *a)
{
    ngx_uint_t       answered;
    ngx_ai_lease_t  *ls;

    ls = a->ls;
    answered = ngx_ai_lease_answered(a);

    ngx_ai_lease_ask_free(a);
    ls->flight--;

    if (answered) {
        ngx_ai_lease_count(ls, returned);
    }

    if (ls->returning) {
        ngx_ai_lease_leave_handler(&ls->leave);

    } else if (answered) {
        ngx_ai_lease_keep(ls);
    }
}


/* a newer epoch is the next thing to be told to the file */

static ngx_uint_t
ngx_ai_lease_found(ngx_ai_lease_ask_t *a)
{
    ai_lease_epoch_t       epoch;
    ai_lease_shard_t       sh;
    ngx_ai_lease_place_t  *p;

    if (a->end != NGX_AI_LEASE_HEARD
        || a->reply.status != AI_LEASE_STATUS_EPOCH)
    {
        return 0;
    }

    p = &a->ls->shards[a->lease.shard];
    ai_lease_shard_get(a->ls->book, a->lease.shard, &sh);

    epoch.count = sh.epoch;
    epoch.random = sh.random;

    if (ai_lease_epoch_cmp(&epoch, &a->reply.epoch) >= 0
        || (p->fresh && ai_lease_epoch_cmp(&p->found, &a->reply.epoch) >= 0))
    {
        return 0;
    }

    p->found = a->reply.epoch;
    p->fresh = 1;

    return 1;
}


static void
ngx_ai_lease_report_done(ngx_ai_lease_ask_t *a)
{
    ngx_uint_t             answered, found;
    ngx_ai_lease_t        *ls;
    ngx_ai_lease_place_t  *p;

    ls = a->ls;
    p = &ls->shards[a->lease.shard];
    answered = ngx_ai_lease_answered(a);
    found = ngx_ai_lease_found(a);

    ngx_ai_lease_ask_free(a);
    p->flight--;

    if (answered) {
        ngx_ai_lease_count(ls, reported);

    } else {
        p->failed = 1;
    }

    if (answered || found) {
        ngx_ai_lease_keep(ls);
    }
}


/* the zone is locked */

static void
ngx_ai_lease_beat_heard(ngx_ai_lease_ask_t *a, ngx_ai_lease_place_t *p)
{
    ai_lease_shard_t  sh;

    ai_lease_shard_get(a->ls->book, a->lease.shard, &sh);

    if (sh.epoch != a->reply.epoch.count
        || sh.random != a->reply.epoch.random)
    {
        return;
    }

    sh.usable = 1;

    if (a->call.heard && a->reply.heard) {
        sh.heard = 1;
        sh.seeded = a->reply.seeded;
        sh.local = 0;
        p->again = 0;
    }

    ai_lease_shard_set(a->ls->book, a->lease.shard, &sh);
}


static void
ngx_ai_lease_beat_done(ngx_ai_lease_ask_t *a)
{
    ngx_uint_t             go;
    ngx_ai_lease_t        *ls;
    ngx_ai_lease_place_t  *p;

    ls = a->ls;
    p = &ls->shards[a->lease.shard];

    p->busy = 0;
    p->end = a->end;
    go = ngx_ai_lease_found(a);

    if (a->end != NGX_AI_LEASE_HEARD) {
        p->looked = 0;

    } else {
        p->status = a->reply.status;
        p->ahead_ms = (int64_t) (a->reply.time_ms - ngx_ai_now_ms());
    }

    if (a->kind == NGX_AI_LEASE_LOOK) {
        p->looked = a->end == NGX_AI_LEASE_HEARD
                    && (a->reply.status == AI_LEASE_STATUS_OK
                        || a->reply.status == AI_LEASE_STATUS_EPOCH);
        go |= p->looked;

    } else if (ngx_ai_lease_answered(a)) {

        if (ls->keeper) {
            ngx_ai_zone_lock(ls->zone);
            ngx_ai_lease_beat_heard(a, p);
            ngx_ai_zone_unlock(ls->zone);
        }

        if (a->call.heard) {
            p->reporting = 0;
        }

        /* one that is said to be unheard all the same waits for the tick */

        go |= a->reply.heard || !a->call.heard;

    } else if (a->end == NGX_AI_LEASE_HEARD
               && a->reply.status != AI_LEASE_STATUS_EPOCH)
    {
        p->looked = 0;
    }

    ngx_ai_lease_ask_free(a);

    if (go) {
        ngx_ai_lease_keep(ls);
    }
}


/* ---- from time to time ---- */

void
ngx_ai_lease_keep(ngx_ai_lease_t *ls)
{
    uint32_t  i;

    if (!ls->keeper || ls->returning) {
        return;
    }

    ngx_ai_lease_adopt(ls);

    for (i = 0; i < ls->nshards; i++) {
        ngx_ai_lease_keep_shard(ls, i);
    }

    if (ngx_ai_lease_returnable_any(ls)) {
        (void) ngx_ai_lease_return(ls, 0);
    }
}


static void
ngx_ai_lease_keeper(ngx_ai_lease_t *ls)
{
    ngx_uint_t             i, keeper;
    ngx_ai_lease_place_t  *p;

    keeper = ls->open && ngx_ai_ledger_sink(ls->open) && !ls->outdated;

    if (keeper && !ls->keeper) {
        ls->said = NGX_AI_LEASE_NONE;

        for (i = 0; i < ls->nshards; i++) {
            p = &ls->shards[i];
            p->looked = 0;
            p->fresh = 0;
            p->reporting = 0;
            p->end = NGX_AI_LEASE_UNSENT;
        }
    }

    ls->keeper = keeper & 1;
}


/* settings may be changed while the server runs */

static void
ngx_ai_lease_check(ngx_ai_lease_t *ls)
{
    ngx_uint_t             i, n;
    ngx_ai_lease_place_t  *p;

    n = ngx_min(ls->nshards, NGX_AI_LEASE_CHECKS);

    if (ngx_exiting || ngx_current_msec - ls->checked < NGX_AI_LEASE_CHECK) {
        return;
    }

    ls->checked = ngx_current_msec;

    for (i = 0; i < n; i++) {
        ls->check_at = (ls->check_at + 1) % ls->nshards;
        p = &ls->shards[ls->check_at];

        if (!p->gone) {
            (void) ngx_ai_redis_check(ls->redis, p->slot, NULL, NULL);
        }
    }
}


/*
 * Workers of an older start, and of a later one: the former may still spend
 * what that start leased, before the latter this one gives way.
 */

static void
ngx_ai_lease_older(ngx_ai_lease_t *ls)
{
    ngx_uint_t            i, n;
    ngx_ai_lease_state_t  st;

    if (ls->looked && ngx_current_msec - ls->looked < NGX_AI_LEASE_OLDER) {
        return;
    }

    ls->looked = ngx_current_msec ? ngx_current_msec : 1;

    if (ngx_ai_lease_file_read(ls->fd, &st) == NGX_OK) {
        ls->outdated = ngx_memcmp(st.zone_id, ai_book_zone_id(ls->book), 16)
                       != 0;
    }

    if (!ls->locked && !ls->leaving) {
        ls->locked = flock(ls->fd, LOCK_SH|LOCK_NB) == 0;
    }

    if (ls->alone
        || ngx_ai_segment_strangers((char *) ls->ledger->path.data,
                                    ai_book_zone_id(ls->book), &n)
           != NGX_OK)
    {
        return;
    }

    if (n) {
        ls->older = 1;
        ls->older_seen = ngx_current_msec;
        return;
    }

    if (!ls->older) {
        ls->alone = 1;
        return;
    }

    if (ngx_current_msec - ls->older_seen < ngx_ai_lease_hold(ls->conf)) {
        return;
    }

    /* what they had is to be forgotten of every owner */

    ls->alone = 1;

    for (i = 0; i < ls->nshards; i++) {
        ls->shards[i].again = 1;
    }
}


void
ngx_ai_lease_tick_handler(ngx_event_t *ev)
{
    ngx_msec_t       tick;
    ngx_uint_t       i, gone;
    ngx_ai_lease_t  *ls = ev->data;

    for (i = 0, gone = 0; i < ls->nshards; i++) {
        ngx_ai_lease_place_look(ls, &ls->shards[i]);
        gone |= ls->shards[i].gone;
    }

    ngx_ai_lease_older(ls);
    ngx_ai_lease_check(ls);
    ngx_ai_lease_keeper(ls);

    if (ls->keeper) {
        ngx_ai_lease_keep(ls);
        ngx_ai_lease_local(ls);
        ngx_ai_lease_tell(ls);
    }

    tick = ngx_min(ls->conf->lease / 8, NGX_AI_LEASE_TICK);
    tick = ngx_max(tick, NGX_AI_LEASE_TICK_MIN);

    if ((gone || !ls->keeper)
        && ngx_current_msec - ls->born < ls->conf->connect_timeout)
    {
        tick = NGX_AI_LEASE_SOON;
    }

    ngx_add_timer(ev, tick);
}


/* ---- the worker quits ---- */

void
ngx_ai_lease_leave(ngx_ai_lease_t *ls)
{
    if (ls->leave.timer_set || ls->returning) {
        return;
    }

    if (ls->leaving) {
        ls->leaving = 0;
        ls->locked = flock(ls->fd, LOCK_SH|LOCK_NB) == 0;
    }

    ngx_add_timer(&ls->leave, 1);
}


/* requests of this worker, or what they wait for */

static ngx_uint_t
ngx_ai_lease_engaged(ngx_ai_lease_t *ls)
{
    int             rc;
    ai_ref_t        at;
    ngx_int_t       worker;
    ai_hold_view_t  view;

    if (!ngx_queue_empty(&ls->asks) || !ngx_queue_empty(&ls->woken)) {
        return 1;
    }

    worker = ls->open ? ngx_ai_ledger_worker(ls->open) : -1;

    if (worker < 0) {
        return 0;
    }

    at = 0;

    ngx_ai_zone_lock(ls->zone);
    rc = ai_book_worker_hold(ls->book, (unsigned) worker, &at, &view);
    ngx_ai_zone_unlock(ls->zone);

    return rc == AI_OK;
}


/* the lock is shared by the workers that are not done: who can have it alone
   is the last */

static ngx_uint_t
ngx_ai_lease_last(ngx_ai_lease_t *ls)
{
    ngx_uint_t  last;

    (void) flock(ls->fd, LOCK_UN);

    last = flock(ls->fd, LOCK_EX|LOCK_NB) == 0;

    (void) flock(ls->fd, LOCK_UN);

    ls->locked = 0;

    return last && !ls->outdated;
}


/* not cancelable: the worker stays until it has given back what is left */

void
ngx_ai_lease_leave_handler(ngx_event_t *ev)
{
    ngx_ai_lease_t *ls = ev->data;

    if (!ls->returning) {

        if (ngx_ai_lease_engaged(ls)) {
            ngx_add_timer(ev, NGX_AI_LEASE_STAY);
            return;
        }

        ls->leaving = 1;

        if (!ngx_ai_lease_last(ls)) {
            return;
        }

        ls->returning = 1;
        ls->returned = 0;
        ls->cursor = 0;
        ls->leave_until = ngx_current_msec + 4 * ls->conf->timeout;
    }

    if (!ls->returned && ngx_ai_lease_return(ls, 1) == NGX_OK) {
        ls->returned = 1;
    }

    if ((ls->returned && ls->flight == 0)
        || (ngx_msec_int_t) (ls->leave_until - ngx_current_msec) <= 0)
    {
        ls->returning = 0;

        if (ev->timer_set) {
            ngx_del_timer(ev);
        }

        return;
    }

    if (!ev->timer_set) {
        ngx_add_timer(ev, NGX_AI_LEASE_STAY);
    }
}
