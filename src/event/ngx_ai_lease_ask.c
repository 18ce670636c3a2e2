
/*
 * Asking for what a request lacks: whether one may, whose turn it is, and how
 * much is asked for.
 */


#include "ngx_ai_lease_int.h"


#define NGX_AI_LEASE_RECENT  2          /* ms since an operation of ours */
#define NGX_AI_LEASE_MARK    4          /* ms that another's mark is good for */
#define NGX_AI_LEASE_OTHERS  256        /* whose needs are added up */


/* a connection that goes comes back in a millisecond; who has begun just now
   has to be heard first */

ngx_int_t
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

        lack[i] = c->need > 0 ? c->need
                              : ngx_ai_lease_takes(ask, c) - c->unspent;

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


ngx_int_t
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
