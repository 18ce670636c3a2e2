
/*
 * From time to time: who keeps the node, what has changed at the store, and
 * whether workers of other starts live.
 */


#include "ngx_ai_lease_int.h"
#include "ngx_ai_segment.h"
#include <sys/file.h>


#define NGX_AI_LEASE_TICK      250      /* ms; of one that is not the keeper */
#define NGX_AI_LEASE_KEEP      50       /* what others have met is looked at */
#define NGX_AI_LEASE_SOON      10       /* until the first connection */
#define NGX_AI_LEASE_TELL      250      /* what is over by then is no line */
#define NGX_AI_LEASE_CHECK     2000     /* ms between looks at settings */
#define NGX_AI_LEASE_CHECKS    8        /* shards of a cluster at a time */
#define NGX_AI_LEASE_OLDER     1000     /* ms between looks for older starts */


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


/* all owners are to be reported once more */

static void
ngx_ai_lease_behind(ngx_ai_lease_t *ls)
{
    uint32_t          i;
    ai_lease_shard_t  sh;

    ngx_ai_zone_lock(ls->zone);

    for (i = 0; i < ls->nshards; i++) {
        ai_lease_shard_get(ls->book, i, &sh);
        sh.behind = 1;
        ai_lease_shard_set(ls->book, i, &sh);

        ls->shards[i].reporting = 0;
    }

    ngx_ai_zone_unlock(ls->zone);
}


/*
 * Workers of an older start, and of a later one: the former may still spend
 * what that start leased, before the latter this one gives way.
 */

static void
ngx_ai_lease_older(ngx_ai_lease_t *ls)
{
    ngx_uint_t            n;
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

    if (ls->counted
        || ngx_ai_segment_strangers((char *) ls->ledger->path.data,
                                    ai_book_zone_id(ls->book), &n)
           != NGX_OK)
    {
        return;
    }

    if (n) {
        ls->older = 1;
        return;
    }

    ls->counted = 1;

    /* what older starts had is in our sums now, of every owner */

    if (ls->older) {
        ngx_ai_lease_behind(ls);
    }
}


/* whether there is no connection; where the keeper has one, so shall we */

static ngx_uint_t
ngx_ai_lease_look(ngx_ai_lease_t *ls, uint32_t shard)
{
    ai_lease_shard_t       sh;
    ngx_ai_lease_place_t  *p;

    p = &ls->shards[shard];
    ngx_ai_lease_place_look(ls, p);

    if (!p->gone) {
        return 0;
    }

    ai_lease_shard_get(ls->book, shard, &sh);

    if (!ls->keeper && ngx_ai_lease_grants(&sh)) {
        ngx_ai_redis_hurry(ls->redis, p->slot);
    }

    return 1;
}


void
ngx_ai_lease_tick_handler(ngx_event_t *ev)
{
    ngx_msec_t       tick;
    ngx_uint_t       i, gone, reporting;
    ngx_ai_lease_t  *ls = ev->data;

    for (i = 0, gone = 0; i < ls->nshards; i++) {
        gone |= ngx_ai_lease_look(ls, (uint32_t) i);
    }

    ngx_ai_lease_older(ls);
    ngx_ai_lease_check(ls);
    ngx_ai_lease_keeper(ls);

    if (ls->keeper) {
        ngx_ai_lease_keep(ls);
        ngx_ai_lease_local(ls);

        if (ngx_current_msec - ls->told >= NGX_AI_LEASE_TELL) {
            ls->told = ngx_current_msec;
            ngx_ai_lease_tell(ls);
        }
    }

    for (i = 0, reporting = 0; ls->keeper && i < ls->nshards; i++) {
        reporting |= ls->shards[i].reporting && !ls->shards[i].failed;
    }

    tick = ls->keeper ? NGX_AI_LEASE_KEEP : NGX_AI_LEASE_TICK;

    if (reporting
        || ((gone || !ls->keeper)
            && ngx_current_msec - ls->born < ls->conf->connect_timeout))
    {
        tick = NGX_AI_LEASE_SOON;
    }

    ngx_add_timer(ev, tick);
}
