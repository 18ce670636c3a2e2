
/*
 * Ending a hold with the truth, and counting rows that never had one.
 */


#include "ai_lease_int.h"


/* s; a clock that was further ahead is not believed once it is set back */
#define AI_COUNT_AHEAD  86400


/* what a provider claims is no reason to overflow a sum */

static void
ai_used_clamp(int64_t *to, const int64_t *from)
{
    unsigned  i;

    for (i = 0; i < AI_RES_COUNTED; i++) {
        to[i] = from[i] < 0 ? 0 : from[i];

        if (to[i] > AI_LIMIT_MAX) {
            to[i] = AI_LIMIT_MAX;
        }
    }
}


static void
ai_used_add(ai_tx_t *tx, int64_t *sum, const int64_t *used)
{
    unsigned  i;

    for (i = 0; i < AI_RES_COUNTED; i++) {
        ai_tx_put(tx, &sum[i], (uint64_t) ai_sum(sum[i], used[i]));
    }
}


static void
ai_held_sub(ai_tx_t *tx, int64_t *held, const int64_t *bound)
{
    unsigned  i;

    for (i = 0; i < AI_RES_COUNTED; i++) {
        ai_tx_put(tx, &held[i], (uint64_t) (held[i] - bound[i]));
    }
}


static uint64_t
ai_total(uint64_t sum, uint64_t n)
{
    return n > UINT64_MAX - sum ? UINT64_MAX : sum + n;
}


/* counters that are never reset */

static void
ai_owner_totals(ai_tx_t *tx, ai_owner_t *o, const int64_t *used,
    const uint64_t tokens[2])
{
    ai_tx_put(tx, &o->requests,
              ai_total(o->requests, (uint64_t) used[AI_RES_REQUESTS]));
    ai_tx_put(tx, &o->tokens[0], ai_total(o->tokens[0], tokens[0]));
    ai_tx_put(tx, &o->tokens[1], ai_total(o->tokens[1], tokens[1]));
    ai_tx_put(tx, &o->cost, (uint64_t) ai_sum(o->cost, used[AI_RES_COST]));
}


/* moves "n" into a bucket, or out of it when it is negative */

static void
ai_bucket_move(ai_bucket_t *b, int64_t n)
{
    b->taken = ai_sum(b->taken, n);

    if (b->taken <= 0) {
        b->taken = 0;
        b->rem = 0;
    }
}


/* the refill comes first: time before a charge does not pay for it */

static void
ai_settle_cell(ai_tx_t *tx, ai_cell_t *cell, const ai_hold_t *h,
    const int64_t *used)
{
    unsigned     r, weight;
    ai_limit_t   limit;
    ai_bucket_t  b;

    r = cell->resource;
    weight = h->weight ? h->weight : 1;

    ai_cell_limit(cell, &limit);
    b = cell->bucket;
    ai_bucket_refill(&b, &limit, tx->mono_ms);

    if (r != AI_RES_COST) {
        ai_bucket_move(&b, ai_share(used[r] - h->guess[r], weight));

    } else {
        ai_tx_put(tx, &cell->held,
                  (uint64_t) (cell->held - ai_share(h->bound[r], weight)));

        if (h->weight) {
            ai_share_take(&b, ai_share(used[r], weight), cell->burst, weight);

        } else {
            ai_bucket_move(&b, used[r]);
        }
    }

    ai_tx_copy(tx, &cell->bucket, &b, sizeof(ai_bucket_t));
}


static void
ai_settle_leases(ai_tx_t *tx, const ai_owner_t *o, const ai_hold_t *h,
    unsigned draws, const int64_t *used)
{
    ai_ref_t     ref;
    ai_lease_t  *ls;

    for (ref = o->leases; ref; ref = ls->next) {
        ls = ai_lease_at(tx->book, ref);

        if (ls->resource < AI_RES_COUNTED && ls->period < AI_PERIOD_BUCKETS
            && draws & ai_cell_bit(ls->resource, ls->period))
        {
            ai_lease_settle(tx, ls,
                            used[ls->resource] - h->guess[ls->resource]);
        }
    }
}


static void
ai_settle_owner(ai_tx_t *tx, const ai_hold_t *h, unsigned party,
    const int64_t *used, const uint64_t tokens[2])
{
    unsigned     i;
    ai_ref_t     c;
    ai_cell_t   *cell;
    ai_owner_t  *o;

    o = ai_owner_at(tx->book, h->owner[party]);

    for (i = 0; i < AI_WINDOWS; i++) {
        if (o->window[i].id == h->window[party][i]) {
            ai_held_sub(tx, o->window[i].held, h->bound);
            ai_used_add(tx, o->window[i].used, used);

        } else if (o->former[i].id == h->window[party][i]) {
            ai_held_sub(tx, o->former[i].spent, h->bound);
            ai_used_add(tx, o->former[i].spent, used);
        }
    }

    ai_held_sub(tx, o->held, h->bound);
    ai_tx_put32(tx, &o->open, o->open - 1);
    ai_owner_totals(tx, o, used, tokens);

    for (c = h->draws[party] ? o->cells : 0; c; c = cell->next) {
        cell = ai_cell_at(tx->book, c);

        if (h->draws[party] & ai_cell_bit(cell->resource, cell->period)) {
            ai_settle_cell(tx, cell, h, used);
        }
    }

    if (h->weight && h->draws[party]) {
        ai_settle_leases(tx, o, h, h->draws[party], used);
    }
}


void
ai_hold_free(ai_tx_t *tx, ai_ref_t ref)
{
    ai_book_t  *bk;
    ai_hold_t  *h;
    uint8_t     dead;

    bk = tx->book;
    h = ai_hold_at(bk, ref);
    dead = AI_HOLD_FREE;

    if (h->next) {
        ai_tx_put32(tx, &ai_hold_at(bk, h->next)->prev, h->prev);
    }

    if (h->prev) {
        ai_tx_put32(tx, &ai_hold_at(bk, h->prev)->next, h->next);

    } else {
        ai_tx_put32(tx, &bk->workers[h->worker].holds, h->next);
    }

    ai_tx_put_part(tx, &h->live, &dead, sizeof(dead));
    ai_array_give(tx, &bk->holds, ref, &h->next);
}


void
ai_book_settle(ai_book_t *bk, ai_ref_t hold,
    const int64_t used[AI_RES_COUNTED], const uint64_t tokens[2],
    const ai_now_t *now)
{
    int64_t           u[AI_RES_COUNTED];
    ai_tx_t           tx;
    unsigned          i;
    const ai_hold_t  *h;

    if (hold == 0 || hold > bk->holds.top
        || ai_hold_at(bk, hold)->live != AI_HOLD_TAKEN)
    {
        ai_book_unqueue(bk, hold);
        return;
    }

    ai_used_clamp(u, used);
    ai_tx_begin(&tx, bk, now->now_s, now->mono_ms);

    h = ai_hold_at(bk, hold);

    for (i = 0; i < 2 && h->owner[i]; i++) {
        ai_settle_owner(&tx, h, i, u, tokens);
    }

    ai_hold_free(&tx, hold);

    (void) ai_tx_commit(&tx);
}


/* what is left of a row's use when the monotonic clock began */

static int64_t
ai_count_left(const ai_limit_t *l, int64_t n, uint64_t age_s,
    uint64_t mono_ms)
{
    uint64_t     age_ms;
    ai_bucket_t  b;

    if (__builtin_mul_overflow(age_s, (uint64_t) 1000, &age_ms)
        || age_ms <= mono_ms)
    {
        return n;
    }

    memset(&b, 0, sizeof(ai_bucket_t));
    b.taken = n;
    ai_bucket_refill(&b, l, age_ms - mono_ms);

    return b.taken;
}


/*
 * Replays one row in a bucket at the row's own time.  Where the monotonic
 * clock does not reach back that far, each row decays for itself until the
 * clock's beginning; rows that come in order decay exactly from there on,
 * others less than they might.
 *
 * A rate may have been lower or higher when the rows were admitted, and rows
 * of a day come as one sum: they leave no more than an empty bucket.
 */

static int
ai_count_cell(ai_tx_t *tx, ai_ref_t owner, const ai_limit_t *l, int64_t n,
    uint64_t age_s)
{
    uint64_t     at;
    unsigned     weight;
    ai_ref_t     ref;
    ai_cell_t   *cell;
    ai_bucket_t  b;

    ref = ai_cell_find(tx->book, owner, l->resource, l->period);

    if (ref == 0) {
        ref = ai_cell_make(tx, owner, l->resource, l->period);

        if (ref == 0) {
            return AI_ERROR;
        }
    }

    cell = ai_cell_at(tx->book, ref);
    at = age_s < tx->mono_ms / 1000 ? tx->mono_ms - age_s * 1000 : 0;

    weight = tx->book->lease.nodes ? tx->book->lease.nodes : 1;
    n = ai_share(n, weight);

    if (at == 0) {
        n = ai_count_left(l, n, age_s, tx->mono_ms);
    }

    b = cell->bucket;
    ai_bucket_refill(&b, l, at);

    if (l->resource == AI_RES_COST && !tx->book->lease.nodes) {
        ai_bucket_move(&b, n);

    } else {
        ai_share_take(&b, n, l->burst, weight);
    }

    ai_tx_copy(tx, &cell->bucket, &b, sizeof(ai_bucket_t));
    ai_tx_put(tx, &cell->amount, (uint64_t) l->amount);
    ai_tx_put(tx, &cell->burst, (uint64_t) l->burst);

    return AI_OK;
}


/* so that what was used is known to be of a limit that is shared */

static int
ai_count_lease(ai_tx_t *tx, ai_ref_t owner, const ai_limit_t *l, int64_t n)
{
    ai_ref_t     ref;
    ai_lease_t  *ls;

    if (tx->book->lease.nodes == 0) {
        return AI_OK;
    }

    ref = ai_lease_find(tx->book, owner, l->resource, l->period);

    if (ref == 0) {
        ref = ai_lease_make(tx, owner, l->resource, l->period);

        if (ref == 0) {
            return AI_ERROR;
        }
    }

    ls = ai_lease_at(tx->book, ref);

    if (n && !ai_is_bucket(l)) {
        ai_tx_put(tx, &ls->spent, (uint64_t) ai_sum(ls->spent, n));
    }

    return AI_OK;
}


/*
 * A row of a window that is still to come, by the clock as it is now, was
 * admitted in it when the clock was ahead: the window has begun, as in the book
 * that it was held in.  One that is further away counts as one of the present.
 */

static void
ai_count_roll(ai_tx_t *tx, ai_ref_t ref, uint64_t at_s)
{
    ai_owner_roll(tx, ref, tx->now_s);

    if (at_s > tx->now_s && at_s - tx->now_s <= AI_COUNT_AHEAD) {
        ai_owner_roll(tx, ref, at_s);
    }
}


/* 1: it is of the present window */

static unsigned
ai_count_window(ai_tx_t *tx, ai_owner_t *o, unsigned which, uint64_t id,
    const int64_t *used)
{
    ai_former_t  f, *former;

    if (id >= o->window[which].id) {
        ai_used_add(tx, o->window[which].used, used);
        return 1;
    }

    former = &o->former[which];

    if (id > former->id) {
        memset(&f, 0, sizeof(ai_former_t));
        f.id = id;
        ai_tx_copy(tx, former, &f, sizeof(ai_former_t));
    }

    if (id == former->id) {
        ai_used_add(tx, former->spent, used);
    }

    return 0;
}


static int
ai_count_owner(ai_tx_t *tx, const ai_party_t *party, uint32_t hash,
    const int64_t *used, uint64_t at_s)
{
    int64_t            n;
    uint32_t           day;
    uint64_t           tokens[2], age;
    unsigned           i, present[AI_WINDOWS];
    ai_ref_t           ref;
    ai_owner_t        *o;
    const ai_limit_t  *l;

    ref = ai_owner_get(tx, &party->id);

    if (ref == 0) {
        return AI_ERROR;
    }

    tx->pin[tx->pin[0] ? 1 : 0] = ref;

    ai_owner_hash(tx, ref, hash);
    ai_count_roll(tx, ref, at_s);

    o = ai_owner_at(tx->book, ref);
    day = ai_day_id(at_s);

    present[AI_WINDOW_DAY] = ai_count_window(tx, o, AI_WINDOW_DAY, day, used);
    present[AI_WINDOW_MONTH] = ai_count_window(tx, o, AI_WINDOW_MONTH,
                                               day / 100, used);

    tokens[0] = (uint64_t) used[AI_RES_INPUT_TOKENS];
    tokens[1] = (uint64_t) used[AI_RES_OUTPUT_TOKENS];
    ai_owner_totals(tx, o, used, tokens);

    age = at_s < tx->now_s ? tx->now_s - at_s : 0;

    for (i = 0; i < party->nlimits; i++) {
        l = &party->limits[i];

        if (ai_is_total(l)) {
            ai_tx_put32(tx, &o->kept, 1);
        }

        if (l->resource >= AI_RES_COUNTED || l->period >= AI_PERIOD_NONE
            || used[l->resource] == 0)
        {
            continue;
        }

        n = ai_is_window(l) && !present[l->period - AI_PERIOD_DAY]
            ? 0 : used[l->resource];

        if (ai_count_lease(tx, ref, l, n) != AI_OK
            || (ai_is_bucket(l)
                && ai_count_cell(tx, ref, l, used[l->resource], age)
                   != AI_OK))
        {
            return AI_ERROR;
        }
    }

    return AI_OK;
}


int
ai_book_count(ai_book_t *bk, const ai_party_t *party, unsigned nparty,
    const int64_t used[AI_RES_COUNTED], uint64_t at_s, const ai_now_t *now)
{
    int64_t   u[AI_RES_COUNTED];
    ai_tx_t   tx;
    uint32_t  hash;
    unsigned  i;

    if (nparty > 2) {
        return AI_ERROR;
    }

    hash = nparty ? ai_lease_hash(&party[0].id) : 0;

    ai_used_clamp(u, used);
    ai_tx_begin(&tx, bk, now->now_s, now->mono_ms);

    for (i = 0; i < nparty; i++) {
        if (ai_count_owner(&tx, &party[i], hash, u, at_s) != AI_OK) {
            ai_tx_undo(&tx);
            return AI_ERROR;
        }
    }

    return ai_tx_commit(&tx);
}
