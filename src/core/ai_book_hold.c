
/*
 * Taking a hold: what is written once all limits let the request pass.
 */


#include "ai_book_take.h"


/* a bucket that is shared also counts what was ever taken of it here */

static int
ai_take_spend(ai_take_t *t, ai_draw_t *d, int64_t n)
{
    int64_t      sum;
    ai_lease_t  *ls;

    if (d->lease == 0) {
        d->lease = ai_lease_make(&t->tx, t->owner[d->party],
                                 d->limit->resource, d->limit->period);
        if (d->lease == 0) {
            return AI_ERROR;
        }
    }

    ls = ai_lease_at(t->tx.book, d->lease);

    if (d->own) {
        ai_tx_put(&t->tx, &ls->allow, (uint64_t) ls->spent);
        ai_lease_state(&t->tx, ls, AI_LEASE_OWN|AI_LEASE_FRESH,
                       AI_LEASE_TOLD);
    }

    if (__builtin_add_overflow(ls->spent, n, &sum)) {
        return AI_ERROR;
    }

    ai_tx_put(&t->tx, &ls->spent, (uint64_t) sum);

    return AI_OK;
}


static void
ai_take_put(ai_take_t *t, const ai_draw_t *d, const ai_bucket_t *b)
{
    ai_cell_t  *cell;

    cell = ai_cell_at(t->tx.book, d->cell);

    ai_tx_copy(&t->tx, &cell->bucket, b, sizeof(ai_bucket_t));
    ai_tx_put(&t->tx, &cell->amount, (uint64_t) d->limit->amount);
    ai_tx_put(&t->tx, &cell->burst, (uint64_t) d->limit->burst);
}


static int
ai_take_cell(ai_take_t *t, ai_draw_t *d)
{
    if (d->cell == 0) {
        d->cell = ai_cell_make(&t->tx, t->owner[d->party],
                               d->limit->resource, d->limit->period);
    }

    return d->cell ? AI_OK : AI_ERROR;
}


static int
ai_take_draw(ai_take_t *t, ai_draw_t *d)
{
    int64_t      n, held;
    unsigned     r;
    ai_cell_t   *cell;
    ai_bucket_t  b;

    r = d->limit->resource;
    n = t->guess[r];

    if (ai_take_cell(t, d) != AI_OK
        || (t->weight && ai_take_spend(t, d, n) != AI_OK))
    {
        return AI_ERROR;
    }

    cell = ai_cell_at(t->tx.book, d->cell);
    b = d->bucket;

    if (t->weight) {
        n = ai_share(n, t->weight);
    }

    if (r == AI_RES_COST) {
        if (__builtin_add_overflow(cell->held, n, &held)) {
            return AI_ERROR;
        }

        ai_tx_put(&t->tx, &cell->held, (uint64_t) held);

    } else if (t->weight && t->ask->rates != AI_RATES_LOCAL) {
        ai_share_take(&b, n, d->limit->burst, t->weight);

    } else {
        b.taken = ai_sum(b.taken, n);
    }

    ai_take_put(t, d, &b);

    return AI_OK;
}


/*
 * A share that is empty when the store is lost fills from then on, also when
 * the request that found it so is refused.
 */

void
ai_take_own(ai_take_t *t)
{
    unsigned    i;
    uint32_t    hash;
    ai_draw_t  *d;

    hash = ai_lease_hash(&t->ask->party[0].id);

    for (i = 0; i < t->ask->nparty; i++) {
        t->owner[i] = ai_owner_get(&t->tx, &t->ask->party[i].id);
        t->tx.pin[i] = t->owner[i];

        if (t->owner[i] == 0) {
            goto failed;
        }

        ai_owner_hash(&t->tx, t->owner[i], hash);
    }

    for (d = t->draw; d < t->draw + t->ndraw; d++) {
        if (!d->own) {
            continue;
        }

        d->cell = ai_cell_find(t->tx.book, t->owner[d->party],
                               d->limit->resource, d->limit->period);
        d->lease = ai_lease_find(t->tx.book, t->owner[d->party],
                                 d->limit->resource, d->limit->period);

        if (ai_take_cell(t, d) != AI_OK || ai_take_spend(t, d, 0) != AI_OK) {
            goto failed;
        }

        ai_take_put(t, d, &d->bucket);
    }

    (void) ai_tx_commit(&t->tx);
    return;

failed:

    ai_tx_undo(&t->tx);
}


/* AI_ERROR: a sum would pass its type, and could not be given back */

static int
ai_take_held(ai_tx_t *tx, int64_t *held, const int64_t *bound)
{
    int64_t   sum;
    unsigned  i;

    for (i = 0; i < AI_RES_COUNTED; i++) {
        if (__builtin_add_overflow(held[i], bound[i], &sum)) {
            return AI_ERROR;
        }

        ai_tx_put(tx, &held[i], (uint64_t) sum);
    }

    return AI_OK;
}


static int
ai_take_owner(ai_take_t *t, unsigned party, ai_hold_t *h)
{
    unsigned     i;
    ai_owner_t  *o;

    ai_owner_roll(&t->tx, t->owner[party], t->now_s);

    o = ai_owner_at(t->tx.book, t->owner[party]);

    for (i = 0; i < AI_WINDOWS; i++) {
        h->window[party][i] = (uint32_t) o->window[i].id;

        if (ai_take_held(&t->tx, o->window[i].held, t->bound) != AI_OK) {
            return AI_ERROR;
        }
    }

    if (ai_take_held(&t->tx, o->held, t->bound) != AI_OK) {
        return AI_ERROR;
    }

    ai_tx_put32(&t->tx, &o->open, o->open + 1);

    if (t->totals & 1u << party) {
        ai_tx_put32(&t->tx, &o->kept, 1);
    }

    h->owner[party] = t->owner[party];
    h->draws[party] = t->draws[party];

    return AI_OK;
}


ai_ref_t
ai_hold_make(ai_tx_t *tx, ai_hold_t *h)
{
    ai_ref_t      ref, next;
    ai_book_t    *bk;
    ai_worker_t  *wk;

    bk = tx->book;
    next = bk->holds.free ? ai_hold_at(bk, bk->holds.free)->next : 0;
    ref = ai_array_take(tx, &bk->holds, next);

    if (ref == 0) {
        return 0;
    }

    wk = &bk->workers[h->worker];
    h->next = wk->holds;

    if (wk->holds) {
        ai_tx_put32(tx, &ai_hold_at(bk, wk->holds)->prev, ref);
    }

    ai_tx_copy(tx, ai_hold_at(bk, ref), h, sizeof(ai_hold_t));
    ai_tx_put32(tx, &wk->holds, ref);

    return ref;
}


static ai_ref_t
ai_take_hold(ai_take_t *t, ai_hold_t *h)
{
    h->worker = (uint8_t) t->ask->worker;
    h->segment = t->ask->segment;
    h->slot = t->ask->slot;
    h->weight = t->weight;
    h->live = AI_HOLD_TAKEN;
    memcpy(h->bound, t->bound, sizeof(h->bound));
    memcpy(h->guess, t->guess, sizeof(h->guess));

    return ai_hold_make(&t->tx, h);
}


uint64_t
ai_book_hold_s(const ai_book_t *bk, ai_ref_t hold, uint64_t at_s)
{
    uint64_t          begin;
    const ai_hold_t  *h;

    h = ai_hold_at(bk, hold);

    if (h->window[0][AI_WINDOW_DAY] <= ai_day_id(at_s)) {
        return at_s;
    }

    begin = ai_day_begin(h->window[0][AI_WINDOW_DAY]);

    return begin > at_s ? begin : at_s;
}


int
ai_take_write(ai_take_t *t, ai_ref_t *hold)
{
    unsigned   i;
    ai_ref_t   ref;
    ai_hold_t  h;

    memset(&h, 0, sizeof(ai_hold_t));

    for (i = 0; i < t->ask->nparty; i++) {
        if (ai_take_owner(t, i, &h) != AI_OK) {
            return AI_ERROR;
        }
    }

    for (i = 0; i < t->ndraw; i++) {
        if (ai_take_draw(t, &t->draw[i]) != AI_OK) {
            return AI_ERROR;
        }
    }

    ref = ai_take_hold(t, &h);

    if (ref == 0 || ai_tx_commit(&t->tx) != AI_OK) {
        return AI_ERROR;
    }

    *hold = ref;

    return AI_OK;
}
