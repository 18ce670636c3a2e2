
/*
 * What stands in the book, for headers, /v1/usage and the operator.
 */


#include "ai_lease_int.h"


void
ai_book_owner_view(const ai_book_t *bk, ai_ref_t owner, uint64_t now_s,
    ai_owner_view_t *view)
{
    unsigned            i;
    const ai_owner_t   *o;
    const ai_window_t  *w;

    memset(view, 0, sizeof(ai_owner_view_t));

    view->day = ai_day_id(now_s);
    view->month = ai_month_id(now_s);

    if (ai_owner_check(bk, owner) != AI_OK) {
        return;
    }

    o = ai_owner_at(bk, owner);

    w = ai_window_now(o, AI_WINDOW_DAY, now_s);

    if (w) {
        view->day = (uint32_t) w->id;
        memcpy(view->used_day, w->used, sizeof(view->used_day));
    }

    w = ai_window_now(o, AI_WINDOW_MONTH, now_s);

    if (w) {
        view->month = (uint32_t) w->id;
        memcpy(view->used_month, w->used, sizeof(view->used_month));
    }

    memcpy(view->held, o->held, sizeof(view->held));

    view->open = o->open;
    view->requests = o->requests;
    view->tokens[0] = o->tokens[0];
    view->tokens[1] = o->tokens[1];
    view->cost = o->cost;
    view->cost_others = o->cost_others;

    for (i = 0; i < AI_REFUSED_N; i++) {
        view->refused[i] = __atomic_load_n(&o->refused[i], __ATOMIC_RELAXED);
    }
}


static void
ai_bucket_view(const ai_book_t *bk, ai_ref_t owner, const ai_limit_t *l,
    uint64_t now, ai_limit_view_t *view)
{
    ai_ref_t          ref;
    ai_bucket_t       b;
    const ai_cell_t  *cell;

    memset(&b, 0, sizeof(ai_bucket_t));

    ref = owner ? ai_cell_find(bk, owner, l->resource, l->period) : 0;

    if (ref) {
        cell = ai_cell_at(bk, ref);
        b = cell->bucket;
        view->held = cell->held;
    }

    ai_bucket_refill(&b, l, now);

    view->used = b.taken;
    view->remaining = ai_sum(ai_bucket_level(&b, l), -view->held);

    /* whole again: all of the burst may be taken; an amount of 0 never is */

    view->reset_ms = ai_bucket_wait(&b, l, l->burst);
}


static void
ai_window_view(const ai_book_t *bk, ai_ref_t owner, const ai_limit_t *l,
    uint64_t now_s, ai_limit_view_t *view)
{
    const ai_window_t  *w;

    w = owner ? ai_window_now(ai_owner_at(bk, owner),
                              l->period - AI_PERIOD_DAY, now_s)
              : NULL;

    if (w) {
        view->used = w->used[l->resource];
        view->held = w->held[l->resource];
    }

    view->remaining = ai_sum(ai_sum(l->amount, -view->used), -view->held);
    view->reset_ms = (int64_t) (ai_window_end(l->period, now_s) - now_s)
                     * 1000;
}


/* it never begins anew: reset_ms stays 0 */

static void
ai_total_view(const ai_book_t *bk, ai_ref_t owner, const ai_limit_t *l,
    ai_limit_view_t *view)
{
    const ai_owner_t  *o;

    if (owner) {
        o = ai_owner_at(bk, owner);
        view->used = ai_sum(o->cost, o->cost_others);
        view->held = o->held[AI_RES_COST];
    }

    view->remaining = ai_sum(ai_sum(l->amount, -view->used), -view->held);
}


/* in place of what the node's share of a bucket looks like as a bucket */

static void
ai_share_view(const ai_book_t *bk, const ai_lease_t *ls, const ai_limit_t *l,
    uint64_t mono_ms, ai_limit_view_t *view)
{
    int64_t      nodes, left;
    ai_bucket_t  b;

    nodes = bk->lease.nodes;

    view->used = view->used / nodes + (view->used % nodes > 0);
    view->held = view->held / nodes + (view->held % nodes > 0);

    if (ls->left == INT64_MIN || ls->state & AI_LEASE_OWN) {
        view->remaining = view->remaining > 0 ? view->remaining / nodes : 0;
        return;
    }

    left = ai_sum(ai_credit_left(ls, l, mono_ms),
                  ai_sum(ls->allow, -ls->spent));

    memset(&b, 0, sizeof(ai_bucket_t));
    b.taken = left < l->burst ? ai_sum(l->burst, -left) : 0;

    view->remaining = ai_bucket_level(&b, l);
    view->used = b.taken > view->held ? b.taken - view->held : 0;
    view->reset_ms = ai_bucket_wait(&b, l, l->burst);
}


/*
 * What is left of a limit that is shared, as far as the last answer tells, and
 * not more than is known here.
 */

static void
ai_lease_view(const ai_book_t *bk, ai_ref_t owner, const ai_limit_t *l,
    const ai_now_t *now, ai_limit_view_t *view)
{
    int64_t            left;
    ai_ref_t           ref;
    ai_credit_t        c;
    const ai_lease_t  *ls;

    ref = ai_lease_find(bk, owner, l->resource, l->period);

    if (ref == 0) {
        return;
    }

    ls = ai_lease_at(bk, ref);

    if (ai_is_bucket(l)) {
        ai_share_view(bk, ls, l, now->mono_ms, view);
        return;
    }

    ai_credit_get(bk, owner, l->resource, l->period, now, &c);

    if (ls->left == INT64_MIN || ls->window != c.window) {
        return;
    }

    left = ai_sum(ls->left, ai_sum(ls->allow, -c.spent));
    view->remaining = left < view->remaining ? left : view->remaining;
}


void
ai_book_limit_view(const ai_book_t *bk, ai_ref_t owner,
    const ai_limit_t *limit, const ai_now_t *now, ai_limit_view_t *view)
{
    memset(view, 0, sizeof(ai_limit_view_t));

    if (ai_owner_check(bk, owner) != AI_OK) {
        owner = 0;
    }

    if (limit->resource == AI_RES_CONCURRENCY) {
        view->used = owner ? ai_owner_at(bk, owner)->open : 0;
        view->remaining = ai_sum(limit->amount, -view->used);

    } else if (ai_is_bucket(limit)) {
        ai_bucket_view(bk, owner, limit, now->mono_ms, view);

    } else if (ai_is_window(limit)) {
        ai_window_view(bk, owner, limit, now->now_s, view);

    } else if (ai_is_total(limit)) {
        ai_total_view(bk, owner, limit, view);
    }

    if (owner && bk->lease.nodes && ai_owner_at(bk, owner)->leases) {
        ai_lease_view(bk, owner, limit, now, view);
    }

    if (view->remaining < 0) {
        view->remaining = 0;
    }

    if (view->reset_ms < 0) {
        view->reset_ms = 0;
    }
}


void
ai_book_stat(const ai_book_t *bk, ai_book_stat_t *st)
{
    st->size = bk->size;
    st->owners = bk->owners.count;
    st->buckets = bk->cells.count;
    st->holds = bk->holds.count;
    st->holds_max = bk->holds.max;
    st->recovered = bk->recovered;
    st->used = bk->owners.at
               + st->owners * (uint64_t) sizeof(ai_owner_t)
               + st->buckets * (uint64_t) sizeof(ai_cell_t)
               + st->holds * (uint64_t) sizeof(ai_hold_t);
}
