
/*
 * Giving back: credit that has ended, and all of it when the node's last
 * worker quits.
 */


#include "ngx_ai_lease_int.h"
#include <sys/file.h>


#define NGX_AI_LEASE_STAY  20           /* ms between looks, when it quits */


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


ngx_uint_t
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


ngx_int_t
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


void
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
