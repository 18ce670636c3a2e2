
/*
 * Leases: the records, and what they say may be spent.
 */


#include "ai_lease_int.h"


ai_lease_kind_t
ai_lease_kind(unsigned resource, unsigned period)
{
    if (resource == AI_RES_CONCURRENCY) {
        return AI_LEASE_SLOTS;
    }

    return period < AI_PERIOD_BUCKETS ? AI_LEASE_BUCKET : AI_LEASE_WINDOW;
}


/* no more than AI_BOOK_LEASES / 2 of them */

ai_ref_t
ai_lease_find(const ai_book_t *bk, ai_ref_t owner, unsigned resource,
    unsigned period)
{
    ai_ref_t           ref;
    const ai_lease_t  *ls;

    for (ref = ai_owner_at(bk, owner)->leases; ref; ref = ls->next) {
        ls = ai_lease_at(bk, ref);

        if (ls->resource == resource && ls->period == period) {
            return ref;
        }
    }

    return 0;
}


/* whether silent nodes keep their shares is what an ask knows; until one has
   said it they do */

ai_ref_t
ai_lease_make(ai_tx_t *tx, ai_ref_t owner, unsigned resource, unsigned period)
{
    ai_ref_t    ref, *last;
    ai_lease_t  ls;

    ref = ai_cell_new(tx);

    if (ref == 0) {
        return 0;
    }

    memset(&ls, 0, sizeof(ai_lease_t));
    ls.left = INT64_MIN;
    ls.resource = (uint8_t) resource;
    ls.period = (uint8_t) period;
    ls.state = AI_LEASE_TOLD;

    if (ai_lease_kind(resource, period) == AI_LEASE_BUCKET) {
        ls.state |= AI_LEASE_FRESH;
    }

    if (resource != AI_RES_COST
        && ai_lease_kind(resource, period) != AI_LEASE_WINDOW)
    {
        ls.state |= AI_LEASE_LOCAL;
    }

    /* in the order in which they are judged */

    last = &ai_owner_at(tx->book, owner)->leases;

    while (*last) {
        last = &ai_lease_at(tx->book, *last)->next;
    }

    ai_tx_copy(tx, ai_lease_at(tx->book, ref), &ls, sizeof(ai_lease_t));
    ai_tx_put32(tx, last, ref);

    return ref;
}


void
ai_lease_state(ai_tx_t *tx, ai_lease_t *ls, unsigned set, unsigned clear)
{
    uint8_t  state;

    state = (uint8_t) ((ls->state & ~clear) | set);
    ai_tx_put_part(tx, &ls->state, &state, 1);
}


static int64_t
ai_lease_spent(const ai_book_t *bk, const ai_owner_t *o,
    const ai_lease_t *ls, unsigned resource, unsigned period, uint64_t now_s,
    uint32_t *window)
{
    unsigned            which;
    const ai_window_t  *w;

    *window = 0;

    if (resource == AI_RES_CONCURRENCY) {
        return o->open;
    }

    if (period < AI_PERIOD_BUCKETS) {
        return ls ? ls->spent : 0;
    }

    if (period == AI_PERIOD_TOTAL) {
        return ai_sum(o->cost, o->held[AI_RES_COST]);
    }

    which = period - AI_PERIOD_DAY;
    w = ai_window_now(o, which, now_s);

    if (w == NULL) {
        *window = (uint32_t) ai_window_id(which, now_s);
        return 0;
    }

    *window = (uint32_t) w->id;

    return ai_sum(ai_window_own(bk, o, which, resource), w->held[resource]);
}


int64_t
ai_former_spent(const ai_book_t *bk, const ai_owner_t *o, unsigned which,
    unsigned resource, uint64_t now_s, uint32_t *window)
{
    uint64_t            past;
    const ai_former_t  *f;
    const ai_window_t  *w;

    past = ai_window_id(which, now_s > AI_LEASE_FORMER
                               ? now_s - AI_LEASE_FORMER : 0);
    w = &o->window[which];
    f = &o->former[which];

    if (ai_window_now(o, which, now_s)) {
        *window = (uint32_t) f->id;
        return f->id >= past ? f->spent[resource] : 0;
    }

    /* nobody has asked for the owner since */

    *window = (uint32_t) w->id;

    return w->id >= past ? ai_sum(ai_window_own(bk, o, which, resource),
                                  w->held[resource])
                         : 0;
}


void
ai_credit_get(const ai_book_t *bk, ai_ref_t owner, unsigned resource,
    unsigned period, const ai_now_t *now, ai_credit_t *c)
{
    ai_credit_of(bk, owner, ai_lease_find(bk, owner, resource, period),
                 resource, period, now, c);
}


void
ai_credit_of(const ai_book_t *bk, ai_ref_t owner, ai_ref_t lease,
    unsigned resource, unsigned period, const ai_now_t *now, ai_credit_t *c)
{
    const ai_lease_t  *ls;

    c->lease = lease;
    ls = c->lease ? ai_lease_at(bk, c->lease) : NULL;

    c->spent = ai_lease_spent(bk, ai_owner_at(bk, owner), ls, resource,
                              period, now->now_s, &c->window);
    c->unspent = 0;

    if (ls && ls->window == c->window && now->mono_ms < ls->until
        && ls->allow > c->spent)
    {
        c->unspent = ai_sum(ls->allow, -c->spent);
    }
}


int64_t
ai_credit_left(const ai_lease_t *ls, const ai_limit_t *l, uint64_t mono_ms)
{
    uint64_t     ago;
    ai_bucket_t  b;

    if (ls->left == INT64_MIN || !ai_is_bucket(l)) {
        return ls->left;
    }

    ago = mono_ms > ls->until + AI_LEASE_OLD
          ? AI_LEASE_OLD : (uint32_t) mono_ms - ls->heard;

    memset(&b, 0, sizeof(ai_bucket_t));
    b.taken = ai_sum(l->burst, -ls->left);
    ai_bucket_refill(&b, l, ago);

    return ai_bucket_level(&b, l);
}


int
ai_credit_refused(const ai_lease_t *ls, const ai_credit_t *c, int64_t lack,
    uint64_t mono_ms)
{
    uint32_t  ago;

    if (ls->left == INT64_MIN || ls->left >= lack
        || ls->window != c->window || mono_ms > ls->until + AI_LEASE_SAID)
    {
        return AI_DECLINED;
    }

    ago = (uint32_t) mono_ms - ls->heard;

    if (ago >= AI_LEASE_SAID || (ls->wait_ms >= 0 && ago >= ls->wait_ms)) {
        return AI_DECLINED;
    }

    return AI_OK;
}


/* a surplus goes back to the store, and is not spent again here */

void
ai_lease_settle(ai_tx_t *tx, ai_lease_t *ls, int64_t more)
{
    if (more == 0) {
        return;
    }

    ai_tx_put(tx, &ls->spent, (uint64_t) ai_sum(ls->spent, more));

    if (more < 0) {
        ai_tx_put(tx, &ls->allow, (uint64_t) ai_sum(ls->allow, more));
        ai_tx_put(tx, &ls->last, (uint64_t) ai_sum(ls->last, more));
        ai_lease_state(tx, ls, 0, AI_LEASE_TOLD);
    }
}


int
ai_lease_owed(const ai_book_t *bk, const ai_owner_t *o, const ai_lease_t *ls,
    uint64_t now_s)
{
    int64_t   spent;
    uint32_t  window;

    spent = ai_lease_spent(bk, o, ls, ls->resource, ls->period, now_s,
                           &window);

    return ls->window == window
           && (ls->allow != spent || !(ls->state & AI_LEASE_TOLD));
}


int
ai_lease_busy(const ai_book_t *bk, const ai_owner_t *o, uint64_t mono_ms)
{
    return o->op && mono_ms < o->op_ms + bk->lease.busy_ms;
}


uint32_t
ai_lease_hash(const ai_owner_id_t *tenant)
{
    return tenant->id[0] | (uint32_t) tenant->id[1] << 8;
}


uint32_t
ai_lease_shard(const ai_book_t *bk, const ai_owner_id_t *tenant)
{
    return bk->lease.shards ? ai_lease_hash(tenant) & (bk->lease.shards - 1)
                            : 0;
}


void
ai_owner_hash(ai_tx_t *tx, ai_ref_t owner, uint32_t hash)
{
    ai_owner_t  *o;

    o = ai_owner_at(tx->book, owner);

    if (o->hash != hash) {
        ai_tx_put32(tx, &o->hash, hash);
    }
}


void
ai_share_take(ai_bucket_t *b, int64_t n, int64_t burst, unsigned weight)
{
    int64_t  most, taken;

    most = ai_share(burst < 0 ? 0 : burst, weight);
    most = b->taken > most ? b->taken : most;

    taken = ai_sum(b->taken, n);
    b->taken = taken < most ? taken : most;
}
