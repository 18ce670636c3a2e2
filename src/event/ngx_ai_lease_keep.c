
/*
 * The keeper: the worker whose ledger is the sink keeps the node in the store.
 *
 * A shard that does not answer is looked at without an epoch, which does
 * nothing there: a node that is not answered must not be heard, or it would
 * never be on its own.  Then heartbeats say that the node lives; one that is
 * not heard reports all that it has and says so.
 */


#include "ngx_ai_lease_int.h"


static void ngx_ai_lease_report_done(ngx_ai_lease_ask_t *a);
static void ngx_ai_lease_beat_done(ngx_ai_lease_ask_t *a);


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
    ngx_uint_t says)
{
    ngx_ai_lease_ask_t  *a;

    a = ngx_ai_lease_ask_get(ls);
    if (a == NULL) {
        return;
    }

    a->kind = kind;
    a->lease.shard = shard;

    if (ngx_ai_lease_send(a, says) != NGX_OK) {
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
    uint32_t               at;
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

        at = p->cursor;

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

        /* somebody asks for the next one */

        if (rc == AI_BUSY && at == p->cursor) {
            break;
        }
    }

    if (!p->reported || p->flight) {
        return NGX_AGAIN;
    }

    return p->failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_ai_lease_report_begin(ngx_ai_lease_t *ls, ngx_ai_lease_place_t *p,
    const ai_lease_shard_t *sh)
{
    if (p->reporting && p->told.count == sh->epoch
        && p->told.random == sh->random)
    {
        return;
    }

    p->reporting = 1;
    p->counted = ls->counted;
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


/*
 * The store grants again, or has to hear the node before it does: the share is
 * the store's from here on, before it is told what was spent of it, or it would
 * be spent twice.
 */

static void
ngx_ai_lease_back(ngx_ai_lease_t *ls, uint32_t shard)
{
    ai_lease_shard_t  sh;

    ngx_ai_zone_lock(ls->zone);

    ai_lease_shard_get(ls->book, shard, &sh);
    sh.local = 0;
    sh.behind = 1;
    ai_lease_shard_set(ls->book, shard, &sh);

    ngx_ai_zone_unlock(ls->zone);

    ls->shards[shard].reporting = 0;
}


/*
 * Heard is who has reported in this epoch.  That the node is not on its own is
 * said as long as the store grants, and behind a report only.
 */

static void
ngx_ai_lease_beat(ngx_ai_lease_t *ls, uint32_t shard,
    const ai_lease_shard_t *sh, ngx_uint_t reported)
{
    ngx_uint_t             says;
    ngx_ai_lease_place_t  *p;

    p = &ls->shards[shard];
    says = 0;

    if (reported && p->counted && !sh->local) {
        says |= NGX_AI_LEASE_REPORTED;
    }

    p->present = 0;

    if (!sh->local && sh->heard && sh->seeded && (reported || !sh->behind)) {
        says |= NGX_AI_LEASE_PRESENT;
        p->present = 1;
    }

    ngx_ai_lease_say(ls, shard, NGX_AI_LEASE_BEAT, says);
}


static void
ngx_ai_lease_keep_shard(ngx_ai_lease_t *ls, uint32_t shard)
{
    ngx_int_t              rc;
    ngx_uint_t             due;
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

    due = ngx_current_msec - p->beat >= ls->conf->lease / 4;

    if (!sh.usable) {
        ngx_ai_lease_beat(ls, shard, &sh, 0);
        return;
    }

    /* a report that cannot make the node heard is no reason to give up its
       share, and on its own it makes none */

    if (sh.local && (sh.seeded || (!sh.heard && ls->counted))) {
        ngx_ai_lease_back(ls, shard);
        ai_lease_shard_get(ls->book, shard, &sh);
    }

    if (!sh.local && (!sh.heard || sh.behind)) {
        ngx_ai_lease_report_begin(ls, p, &sh);

        rc = ngx_ai_lease_report_all(ls, shard);

        if (rc == NGX_ERROR) {
            p->reporting = 0;

        } else if (rc == NGX_OK && (due || p->counted)) {
            ngx_ai_lease_beat(ls, shard, &sh, 1);
        }

        return;
    }

    p->reporting = 0;

    if (due || (sh.seeded && !sh.local && !p->present)) {
        ngx_ai_lease_beat(ls, shard, &sh, 0);
    }
}


/* a report is on its way that will make the node heard */

static ngx_uint_t
ngx_ai_lease_reports(const ngx_ai_lease_place_t *p,
    const ai_lease_shard_t *sh)
{
    return sh->usable && !sh->heard && p->reporting && p->counted;
}


/*
 * A node is on its own once the store, which may have heard it last by what
 * was sent then, gives its share to no one else; also where the store answers,
 * but grants nothing, for a node is missing there.
 */

void
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

        if (sh.local || ngx_ai_lease_grants(&sh)
            || ngx_ai_lease_reports(&ls->shards[i], &sh)
            || ((ls->conf->nodes > 1 || sh.nodes > 1)
                && now.mono_ms <= sh.sent_ms + ngx_ai_lease_away(ls->conf)))
        {
            continue;
        }

        ngx_ai_zone_lock(ls->zone);

        ai_lease_shard_get(ls->book, i, &sh);

        if (!ngx_ai_lease_grants(&sh)) {
            sh.local = 1;
            sh.behind = 1;
            ls->shards[i].reporting = 0;
            ai_lease_shard_set(ls->book, i, &sh);
        }

        ngx_ai_zone_unlock(ls->zone);
    }
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
ngx_ai_lease_beat_heard(ngx_ai_lease_ask_t *a)
{
    ai_lease_shard_t  sh;

    ai_lease_shard_get(a->ls->book, a->lease.shard, &sh);

    if (sh.epoch != a->reply.epoch.count
        || sh.random != a->reply.epoch.random)
    {
        return;
    }

    sh.usable = 1;
    sh.heard = a->reply.heard;
    sh.seeded = a->reply.seeded;

    if (a->call.present) {
        sh.behind = 0;
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
            ngx_ai_lease_beat_heard(a);
            ngx_ai_zone_unlock(ls->zone);
        }

        if (a->call.reported || a->call.present) {
            p->reporting = 0;
        }

        /* one that is said to be unheard all the same waits for the tick */

        go |= a->reply.heard || !a->call.reported;

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

    /* a pass goes on as it is answered; another begins now and then */

    if ((ls->cursor || ngx_current_msec - ls->passed >= ngx_ai_lease_pass(ls))
        && ngx_ai_lease_returnable_any(ls)
        && ngx_ai_lease_return(ls, 0) == NGX_OK)
    {
        ls->passed = ngx_current_msec;
    }
}
