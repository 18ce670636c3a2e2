
/*
 * Those who wait for credit, by tenant: one operation is under way for all of
 * a tenant's on a worker, and on the node the book sees to that there is one
 * for each owner.  Who finds another worker asking looks again each
 * millisecond; who has just been answered lets such a one go first.
 */


#include "ngx_ai_lease_int.h"


#define NGX_AI_LEASE_POLL  1            /* ms */


static void ngx_ai_lease_poll_handler(ngx_event_t *ev);
static void ngx_ai_lease_wake_handler(ngx_event_t *ev);
static void ngx_ai_lease_deadline_handler(ngx_event_t *ev);


void
ngx_ai_lease_wait_init(ngx_ai_lease_t *ls)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_AI_LEASE_BUCKETS; i++) {
        ngx_queue_init(&ls->buckets[i]);
        ls->ended[i] = ngx_current_msec - 1000;
    }

    ngx_queue_init(&ls->groups);
    ngx_queue_init(&ls->polling);
    ngx_queue_init(&ls->woken);

    ls->poll.handler = ngx_ai_lease_poll_handler;
    ls->poll.data = ls;
    ls->poll.log = ls->log;

    /* waits have deadlines, which hold the worker */
    ls->poll.cancelable = 1;

    ls->wake.handler = ngx_ai_lease_wake_handler;
    ls->wake.data = ls;
    ls->wake.log = ls->log;
}


/* ---- groups ---- */

static ngx_ai_lease_group_t *
ngx_ai_lease_group(ngx_ai_lease_t *ls, const ai_owner_id_t *tenant)
{
    ngx_queue_t           *q, *bucket;
    ngx_ai_lease_group_t  *g;

    bucket = &ls->buckets[ngx_ai_lease_hash(tenant)];

    for (q = ngx_queue_head(bucket); q != bucket; q = ngx_queue_next(q)) {
        g = ngx_queue_data(q, ngx_ai_lease_group_t, queue);

        if (ngx_memcmp(&g->tenant, tenant, sizeof(ai_owner_id_t)) == 0) {
            return g;
        }
    }

    if (ngx_queue_empty(&ls->groups)) {

        g = ngx_alloc(sizeof(ngx_ai_lease_group_t), ls->log);
        if (g == NULL) {
            return NULL;
        }

    } else {
        q = ngx_queue_head(&ls->groups);
        ngx_queue_remove(q);
        g = ngx_queue_data(q, ngx_ai_lease_group_t, queue);
    }

    g->tenant = *tenant;
    g->asks = 0;
    g->polls = 0;

    ngx_queue_init(&g->waits);
    ngx_queue_insert_tail(bucket, &g->queue);

    return g;
}


static void
ngx_ai_lease_group_poll(ngx_ai_lease_t *ls, ngx_ai_lease_group_t *g,
    ngx_uint_t polls)
{
    if (g->polls && !polls) {
        ngx_queue_remove(&g->poll);
    }

    if (polls && !g->polls) {
        ngx_queue_insert_tail(&ls->polling, &g->poll);
    }

    g->polls = polls & 1;

    if (polls && !ls->poll.timer_set) {
        ngx_add_timer(&ls->poll, NGX_AI_LEASE_POLL);
    }
}


/* it may be gone then */

static void
ngx_ai_lease_group_leave(ngx_ai_lease_t *ls, ngx_ai_lease_group_t *g)
{
    if (g->asks || !ngx_queue_empty(&g->waits)) {
        return;
    }

    ngx_ai_lease_group_poll(ls, g, 0);
    ngx_queue_remove(&g->queue);
    ngx_queue_insert_head(&ls->groups, &g->queue);
}


/* ---- waking ---- */

static void
ngx_ai_lease_wake(ngx_ai_lease_t *ls, ngx_ai_lease_wait_t *w, ngx_int_t rc)
{
    w->rc = rc;

    if (w->deadline.timer_set) {
        ngx_del_timer(&w->deadline);
    }

    ngx_queue_remove(&w->queue);
    ngx_queue_insert_tail(&ls->woken, &w->queue);
}


static void
ngx_ai_lease_wake_all(ngx_ai_lease_t *ls, ngx_ai_lease_group_t *g,
    ngx_int_t rc)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&g->waits)) {
        q = ngx_queue_head(&g->waits);
        ngx_ai_lease_wake(ls, ngx_queue_data(q, ngx_ai_lease_wait_t, queue),
                          rc);
    }
}


/*
 * Calls the handlers of those who are in the queue now: one may wait again, or
 * end others.
 */

static void
ngx_ai_lease_call(ngx_ai_lease_t *ls)
{
    ngx_uint_t            n;
    ngx_queue_t          *q;
    ngx_ai_lease_wait_t  *w;

    n = 0;

    for (q = ngx_queue_head(&ls->woken);
         q != ngx_queue_sentinel(&ls->woken);
         q = ngx_queue_next(q))
    {
        n++;
    }

    while (n-- && !ngx_queue_empty(&ls->woken)) {
        q = ngx_queue_head(&ls->woken);
        w = ngx_queue_data(q, ngx_ai_lease_wait_t, queue);

        ngx_queue_remove(q);
        w->active = 0;
        w->handler(w);
    }

    if (!ngx_queue_empty(&ls->woken)) {
        ngx_post_event(&ls->wake, &ngx_posted_next_events);
    }
}


static void
ngx_ai_lease_wake_handler(ngx_event_t *ev)
{
    ngx_ai_lease_call(ev->data);
}


/* the first one asks; those who lack nothing any more are woken */

static void
ngx_ai_lease_group_try(ngx_ai_lease_t *ls, ngx_ai_lease_group_t *g)
{
    ngx_int_t             rc;
    ngx_queue_t          *q;
    ngx_ai_lease_wait_t  *w;

    while (g->asks == 0 && !ngx_queue_empty(&g->waits)) {
        q = ngx_queue_head(&g->waits);
        w = ngx_queue_data(q, ngx_ai_lease_wait_t, queue);

        rc = ngx_ai_lease_ask(ls, g, w->ask, NGX_AI_LEASE_ASK);

        switch (rc) {

        case NGX_OK:
            break;

        case NGX_BUSY:
            ngx_ai_lease_group_poll(ls, g, 1);
            return;

        case NGX_DONE:
            ngx_ai_lease_wake(ls, w, NGX_OK);
            break;

        default:
            ngx_ai_lease_wake_all(ls, g, NGX_DECLINED);
        }
    }

    ngx_ai_lease_group_poll(ls, g, 0);
    ngx_ai_lease_group_leave(ls, g);
}


static void
ngx_ai_lease_poll_handler(ngx_event_t *ev)
{
    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_ai_lease_t        *ls = ev->data;
    ngx_ai_lease_group_t  *g;

    n = 0;

    for (q = ngx_queue_head(&ls->polling);
         q != ngx_queue_sentinel(&ls->polling);
         q = ngx_queue_next(q))
    {
        n++;
    }

    /* each goes to the end of the line, or out of it */

    while (n--) {
        q = ngx_queue_head(&ls->polling);
        g = ngx_queue_data(q, ngx_ai_lease_group_t, poll);

        ngx_ai_lease_group_poll(ls, g, 0);
        ngx_ai_lease_group_try(ls, g);
    }

    ngx_ai_lease_call(ls);
}


void
ngx_ai_lease_over(ngx_ai_lease_ask_t *a, ngx_int_t rc)
{
    ngx_int_t              end;
    ngx_ai_lease_t        *ls;
    ngx_ai_lease_group_t  *g;

    ls = a->ls;
    g = a->group;
    end = ngx_ai_lease_answered(a) || rc != NGX_OK ? NGX_OK : NGX_DECLINED;

    ngx_ai_lease_ask_free(a);

    g->asks--;
    ls->ended[ngx_ai_lease_hash(&g->tenant)] = ngx_current_msec;

    ngx_ai_lease_wake_all(ls, g, end);
    ngx_ai_lease_group_leave(ls, g);

    ngx_ai_lease_call(ls);
}


/* ---- what requests call ---- */

static void
ngx_ai_lease_deadline_handler(ngx_event_t *ev)
{
    ngx_ai_lease_wait_t *w = ev->data;

    ngx_ai_lease_cancel(w->lease, w);

    w->rc = NGX_DECLINED;
    w->handler(w);
}


ngx_int_t
ngx_ai_lease_wait(ngx_ai_lease_t *ls, ngx_ai_lease_wait_t *w)
{
    ngx_int_t              rc;
    ngx_ai_lease_group_t  *g;

    if (ngx_ai_lease_reach(ls, ai_lease_shard(ls->book,
                                              &w->ask->party[0].id))
        == NGX_DECLINED)
    {
        return NGX_DECLINED;
    }

    g = ngx_ai_lease_group(ls, &w->ask->party[0].id);
    if (g == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_exiting) {
        ngx_ai_lease_leave(ls);
    }

    w->lease = ls;
    w->group = g;
    w->rc = NGX_AGAIN;
    w->active = 1;

    ngx_queue_insert_tail(&g->waits, &w->queue);

    ngx_memzero(&w->deadline, sizeof(ngx_event_t));
    w->deadline.handler = ngx_ai_lease_deadline_handler;
    w->deadline.data = w;
    w->deadline.log = ls->log;
    ngx_add_timer(&w->deadline, ls->conf->timeout);

    if (g->asks || g->polls) {
        return NGX_AGAIN;
    }

    rc = ngx_ai_lease_ask(ls, g, w->ask, NGX_AI_LEASE_ASK);

    switch (rc) {

    case NGX_OK:
        break;

    case NGX_BUSY:
        ngx_ai_lease_group_poll(ls, g, 1);
        break;

    case NGX_DONE:
        ngx_ai_lease_wake(ls, w, NGX_OK);
        ngx_ai_lease_group_leave(ls, g);
        ngx_post_event(&ls->wake, &ngx_posted_next_events);
        break;

    default:
        ngx_ai_lease_cancel(ls, w);
        return NGX_DECLINED;
    }

    return NGX_AGAIN;
}


void
ngx_ai_lease_cancel(ngx_ai_lease_t *ls, ngx_ai_lease_wait_t *w)
{
    if (!w->active) {
        return;
    }

    w->active = 0;

    if (w->deadline.timer_set) {
        ngx_del_timer(&w->deadline);
    }

    ngx_queue_remove(&w->queue);

    /* of one that was woken the group may be gone */

    if (w->rc == NGX_AGAIN) {
        ngx_ai_lease_group_leave(ls, w->group);
    }
}


void
ngx_ai_lease_ahead(ngx_ai_lease_t *ls, const ai_hold_ask_t *ask)
{
    ngx_ai_lease_group_t  *g;

    if (ngx_exiting
        || ngx_ai_lease_reach(ls, ai_lease_shard(ls->book, &ask->party[0].id))
           != NGX_OK)
    {
        return;
    }

    g = ngx_ai_lease_group(ls, &ask->party[0].id);

    if (g == NULL || g->asks || g->polls) {
        return;
    }

    (void) ngx_ai_lease_ask(ls, g, ask, NGX_AI_LEASE_AHEAD);

    ngx_ai_lease_group_leave(ls, g);
}


void
ngx_ai_lease_wait_done(ngx_ai_lease_t *ls)
{
    ngx_uint_t             i;
    ngx_queue_t           *q;
    ngx_ai_lease_wait_t   *w;
    ngx_ai_lease_group_t  *g;

    if (ls->poll.timer_set) {
        ngx_del_timer(&ls->poll);
    }

    if (ls->wake.posted) {
        ngx_delete_posted_event(&ls->wake);
    }

    for (i = 0; i < NGX_AI_LEASE_BUCKETS; i++) {

        while (!ngx_queue_empty(&ls->buckets[i])) {
            q = ngx_queue_head(&ls->buckets[i]);
            g = ngx_queue_data(q, ngx_ai_lease_group_t, queue);

            ngx_ai_lease_wake_all(ls, g, NGX_DECLINED);

            ngx_queue_remove(q);
            ngx_queue_insert_head(&ls->groups, q);
        }
    }

    while (!ngx_queue_empty(&ls->woken)) {
        q = ngx_queue_head(&ls->woken);
        w = ngx_queue_data(q, ngx_ai_lease_wait_t, queue);

        ngx_queue_remove(q);
        w->active = 0;
    }

    while (!ngx_queue_empty(&ls->groups)) {
        q = ngx_queue_head(&ls->groups);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_ai_lease_group_t, queue));
    }
}
