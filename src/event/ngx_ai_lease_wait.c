
/*
 * Those who wait for credit, by tenant: one operation is under way for all of
 * a tenant's on a worker, and on the node the book sees to that there is one
 * for each owner.  Who finds another worker asking looks again each
 * millisecond; who has just been answered lets such a one go first.
 */


#include "ngx_ai_lease_int.h"


#define NGX_AI_LEASE_POLL    1          /* ms */
#define NGX_AI_LEASE_RECENT  2          /* ms since an operation of ours */
#define NGX_AI_LEASE_MARK    4          /* ms that another's mark is good for */
#define NGX_AI_LEASE_OTHERS  256        /* whose needs are added up */


static void ngx_ai_lease_poll_handler(ngx_event_t *ev);
static void ngx_ai_lease_wake_handler(ngx_event_t *ev);
static void ngx_ai_lease_deadline_handler(ngx_event_t *ev);


void
ngx_ai_lease_wait_init(ngx_ai_lease_t *ls)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_AI_LEASE_BUCKETS; i++) {
        ngx_queue_init(&ls->buckets[i]);
        ls->ended[i] = ngx_current_msec - 2 * NGX_AI_LEASE_RECENT;
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


static ngx_uint_t
ngx_ai_lease_hash(const ai_owner_id_t *id)
{
    return id->id[15] & (NGX_AI_LEASE_BUCKETS - 1);
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


/* ---- asking ---- */

/*
 * NGX_OK: the store can be asked over this worker's connection.  NGX_AGAIN:
 * soon, perhaps.  A connection that goes comes back in a millisecond; who has
 * begun just now has to be heard first.
 */

static ngx_int_t
ngx_ai_lease_reach(ngx_ai_lease_t *ls, uint32_t shard)
{
    ngx_uint_t             young;
    ai_lease_shard_t       sh;
    ngx_ai_lease_place_t  *p;

    if (ls->outdated) {
        return NGX_DECLINED;
    }

    p = &ls->shards[shard];
    young = ngx_current_msec - ls->born < ls->conf->connect_timeout;

    ai_lease_shard_get(ls->book, shard, &sh);

    if (!ngx_ai_lease_grants(&sh)) {
        return young && !sh.local ? NGX_AGAIN : NGX_DECLINED;
    }

    ngx_ai_lease_place_look(ls, p);

    if (!p->gone) {
        return NGX_OK;
    }

    return young || ngx_current_msec - p->away < ls->conf->timeout
           ? NGX_AGAIN : NGX_DECLINED;
}


/* what an ask takes of a cell, as ai_book_take() does */

static int64_t
ngx_ai_lease_takes(const ai_hold_ask_t *ask, const ai_lease_cell_t *c)
{
    if (c->party >= ask->nparty
        || ngx_memcmp(&ask->party[c->party].id, &c->id, sizeof(ai_owner_id_t))
           != 0)
    {
        return 0;
    }

    if (c->kind == AI_LEASE_SLOTS
        || (c->kind == AI_LEASE_BUCKET && c->resource == AI_RES_REQUESTS))
    {
        return 1;
    }

    if (c->resource >= AI_RES_COUNTED) {
        return 0;
    }

    return c->kind == AI_LEASE_WINDOW || c->resource == AI_RES_COST
           ? ask->bound[c->resource] : ask->guess[c->resource];
}


static void
ngx_ai_lease_add(int64_t *lack, const ai_lease_op_t *op,
    const ai_hold_ask_t *ask)
{
    unsigned  i;

    for (i = 0; i < op->ncells; i++) {
        if (__builtin_add_overflow(lack[i],
                                   ngx_ai_lease_takes(ask, &op->cell[i]),
                                   &lack[i]))
        {
            lack[i] = AI_LIMIT_MAX;
        }
    }
}


static ngx_uint_t
ngx_ai_lease_add_all(int64_t *lack, const ai_lease_op_t *op,
    ngx_queue_t *queue, const ai_owner_id_t *tenant, const ai_hold_ask_t *not,
    ngx_uint_t left)
{
    ngx_queue_t          *q;
    ngx_ai_lease_wait_t  *w;

    for (q = ngx_queue_head(queue);
         q != queue && left;
         q = ngx_queue_next(q))
    {
        w = ngx_queue_data(q, ngx_ai_lease_wait_t, queue);

        if (w->ask != not
            && ngx_memcmp(&w->ask->party[0].id, tenant, sizeof(*tenant)) == 0)
        {
            ngx_ai_lease_add(lack, op, w->ask);
            left--;
        }
    }

    return left;
}


/* one asks for all: for those who wait, and those who were woken with it and
   have not tried yet */

static void
ngx_ai_lease_raise(ngx_ai_lease_t *ls, ngx_ai_lease_group_t *g,
    ai_lease_op_t *op, const ai_hold_ask_t *ask)
{
    int64_t           lack[AI_LEASE_CELLS];
    unsigned          i;
    ngx_uint_t        left;
    ai_lease_cell_t  *c;

    for (i = 0; i < op->ncells; i++) {
        c = &op->cell[i];

        lack[i] = ngx_ai_lease_takes(ask, c) - c->unspent;

        /* a worker that ends leaves nothing behind */

        if (ngx_exiting) {
            c->want = c->need;
        }
    }

    left = NGX_AI_LEASE_OTHERS;
    left = ngx_ai_lease_add_all(lack, op, &g->waits, &g->tenant, ask, left);
    left = ngx_ai_lease_add_all(lack, op, &ls->woken, &g->tenant, ask, left);

    if (left == NGX_AI_LEASE_OTHERS) {
        return;
    }

    for (i = 0; i < op->ncells; i++) {
        c = &op->cell[i];

        c->want = ngx_max(c->want, ngx_min(lack[i], c->limit));
    }
}


/* where keys are dropped for want of memory, a budget would be forgotten */

static ngx_int_t
ngx_ai_lease_unsafe(ngx_ai_lease_t *ls, ai_lease_op_t *op)
{
    unsigned          i;
    ai_lease_cell_t  *c;

    if (!ngx_ai_redis_evicts(ls->redis, ls->shards[op->shard].slot)) {
        return NGX_OK;
    }

    for (i = 0; i < op->ncells; i++) {
        c = &op->cell[i];

        if (c->resource != AI_RES_COST && c->kind != AI_LEASE_WINDOW) {
            continue;
        }

        if (c->need > 0) {
            return NGX_DECLINED;
        }

        c->want = 0;
    }

    return NGX_OK;
}


/* the zone is locked */

static int
ngx_ai_lease_turn(ngx_ai_lease_t *ls, ngx_ai_lease_ask_t *a,
    const ai_hold_ask_t *ask, uint32_t shard, const ai_now_t *now)
{
    int               rc;
    uint32_t          hash, ms;
    ai_lease_shard_t  sh;

    hash = (uint32_t) ngx_ai_lease_hash(&ask->party[0].id) << 24;
    ms = (uint32_t) now->mono_ms & 0xffffff;

    ai_lease_shard_get(ls->book, shard, &sh);

    if (ngx_current_msec - ls->ended[hash >> 24] <= NGX_AI_LEASE_RECENT
        && sh.waits && sh.waits != ls->mark
        && (sh.waits & 0xff000000) == hash
        && ((ms - sh.waits) & 0xffffff) <= NGX_AI_LEASE_MARK)
    {
        return AI_BUSY;
    }

    rc = ai_lease_begin(ls->book, ask, a->kind == NGX_AI_LEASE_AHEAD, now,
                        &a->lease);

    if (a->kind == NGX_AI_LEASE_AHEAD) {
        return rc;
    }

    if (rc == AI_BUSY) {
        ls->mark = hash | ms;
        sh.waits = ls->mark;
        ai_lease_shard_set(ls->book, shard, &sh);

    } else if (sh.waits && sh.waits == ls->mark) {
        sh.waits = 0;
        ai_lease_shard_set(ls->book, shard, &sh);
    }

    return rc;
}


/*
 * NGX_OK: the group is woken when it has ended.  NGX_BUSY: another asks, or
 * the connection comes soon.  NGX_DONE: it lacks nothing any more.
 */

static ngx_int_t
ngx_ai_lease_ask(ngx_ai_lease_t *ls, ngx_ai_lease_group_t *g,
    const ai_hold_ask_t *ask, ngx_ai_lease_kind_t kind)
{
    int                  rc;
    ai_now_t             now;
    uint32_t             shard;
    ngx_int_t            reach;
    ngx_ai_lease_ask_t  *a;

    shard = ai_lease_shard(ls->book, &ask->party[0].id);
    reach = ngx_ai_lease_reach(ls, shard);

    if (reach != NGX_OK) {
        return reach == NGX_AGAIN ? NGX_BUSY : NGX_DECLINED;
    }

    a = ngx_ai_lease_ask_get(ls);
    if (a == NULL) {
        return NGX_DECLINED;
    }

    a->kind = kind;
    a->group = g;

    ngx_ai_now(&now);
    ngx_ai_zone_lock(ls->zone);
    rc = ngx_ai_lease_turn(ls, a, ask, shard, &now);
    ngx_ai_zone_unlock(ls->zone);

    if (rc != AI_OK) {
        ngx_ai_lease_ask_free(a);

        return rc == AI_BUSY ? NGX_BUSY
               : rc == AI_DECLINED ? NGX_DONE : NGX_DECLINED;
    }

    ngx_ai_lease_raise(ls, g, &a->lease, ask);

    if (ngx_ai_lease_unsafe(ls, &a->lease) != NGX_OK
        || ngx_ai_lease_send(a, 0) != NGX_OK)
    {
        ngx_ai_lease_drop(a);
        ngx_ai_lease_ask_free(a);
        return NGX_DECLINED;
    }

    g->asks++;

    if (kind == NGX_AI_LEASE_AHEAD) {
        ngx_ai_lease_count(ls, ahead);

    } else {
        ngx_ai_lease_count(ls, asked);
    }

    return NGX_OK;
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
        ngx_queue_remove(q);
        ngx_queue_data(q, ngx_ai_lease_wait_t, queue)->active = 0;
    }

    while (!ngx_queue_empty(&ls->groups)) {
        q = ngx_queue_head(&ls->groups);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_ai_lease_group_t, queue));
    }
}
