
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


/* of a bucket, or of what is held of it, one share */
#define ai_share_part(n, nodes)  ((n) / (nodes) + ((n) % (nodes) > 0))


/* what all nodes have left, by the last answer */

static void
ai_share_view(const ai_book_t *bk, const ai_lease_t *ls, const ai_limit_t *l,
    uint64_t mono_ms, ai_limit_view_t *view)
{
    int64_t      left;
    ai_bucket_t  b;

    view->held = ai_share_part(view->held, bk->lease.nodes);

    left = ai_sum(ai_credit_left(ls, l, mono_ms),
                  ai_sum(ls->allow, -ls->spent));

    memset(&b, 0, sizeof(ai_bucket_t));
    b.taken = left < l->burst ? ai_sum(l->burst, -left) : 0;

    view->remaining = ai_bucket_level(&b, l);
    view->used = b.taken > view->held ? b.taken - view->held : 0;
    view->reset_ms = ai_bucket_wait(&b, l, l->burst);
}


/* where a limit is shared, the node's share of the bucket is kept here */

static void
ai_bucket_view(const ai_book_t *bk, ai_ref_t owner, const ai_limit_t *l,
    const ai_lease_t *share, uint64_t now, ai_limit_view_t *view)
{
    int64_t           nodes;
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

    if (share && share->left != INT64_MIN && !(share->state & AI_LEASE_OWN)) {
        ai_share_view(bk, share, l, now, view);
        return;
    }

    ai_bucket_refill(&b, l, now);

    view->used = b.taken;
    view->remaining = ai_sum(ai_bucket_level(&b, l), -view->held);

    /* whole again: all of the burst may be taken; an amount of 0 never is */

    view->reset_ms = ai_bucket_wait(&b, l, l->burst);

    if (share) {
        nodes = bk->lease.nodes;

        view->used = ai_share_part(view->used, nodes);
        view->held = ai_share_part(view->held, nodes);
        view->remaining = view->remaining > 0 ? view->remaining / nodes : 0;
    }
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


/*
 * What is left of a window, a total or slots that are shared, as far as the
 * last answer tells, and not more than is known here.
 */

static void
ai_lease_view(const ai_book_t *bk, ai_ref_t owner, ai_ref_t lease,
    const ai_limit_t *l, const ai_now_t *now, ai_limit_view_t *view)
{
    int64_t            left;
    ai_credit_t        c;
    const ai_lease_t  *ls;

    ls = ai_lease_at(bk, lease);

    ai_credit_of(bk, owner, lease, l->resource, l->period, now, &c);

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
    ai_ref_t  lease;

    memset(view, 0, sizeof(ai_limit_view_t));

    if (ai_owner_check(bk, owner) != AI_OK) {
        owner = 0;
    }

    lease = owner && bk->lease.nodes
            ? ai_lease_find(bk, owner, limit->resource, limit->period) : 0;

    if (limit->resource == AI_RES_CONCURRENCY) {
        view->used = owner ? ai_owner_at(bk, owner)->open : 0;
        view->remaining = ai_sum(limit->amount, -view->used);

    } else if (ai_is_bucket(limit)) {
        ai_bucket_view(bk, owner, limit,
                       lease ? ai_lease_at(bk, lease) : NULL, now->mono_ms,
                       view);

    } else if (ai_is_window(limit)) {
        ai_window_view(bk, owner, limit, now->now_s, view);

    } else if (ai_is_total(limit)) {
        ai_total_view(bk, owner, limit, view);
    }

    if (lease && !ai_is_bucket(limit)) {
        ai_lease_view(bk, owner, lease, limit, now, view);
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
