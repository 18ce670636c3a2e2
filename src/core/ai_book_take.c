
/*
 * Taking a hold: every limit of every party is judged on copies first; only
 * when all let the request pass is anything written.
 */


#include "ai_book_int.h"


typedef struct {
    const ai_limit_t  *limit;
    ai_ref_t           cell;        /* 0: to be made */
    unsigned           party;
    ai_bucket_t        bucket;      /* refilled */
} ai_draw_t;

typedef struct {
    ai_tx_t            tx;
    const ai_hold_ask_t  *ask;
    ai_ref_t           owner[2];
    int64_t            bound[AI_RES_COUNTED];
    int64_t            guess[AI_RES_COUNTED];
    uint16_t           draws[2];    /* ai_cell_bit() */
    unsigned           totals;      /* a bit of each party with such a limit */
    unsigned           ndraw;
    ai_draw_t          draw[AI_BOOK_DRAWS];
    unsigned           refused:1;
} ai_take_t;


/* no limit's amount reaches a clamped value: it is refused by any limit */

static int
ai_take_bound(int64_t *to, const int64_t *from)
{
    unsigned  i;

    for (i = 0; i < AI_RES_COUNTED; i++) {
        if (from[i] < 0) {
            return AI_ERROR;
        }

        to[i] = from[i] <= AI_LIMIT_MAX ? from[i] : AI_LIMIT_MAX + 1;
    }

    return AI_OK;
}


static int
ai_take_check(ai_take_t *t)
{
    unsigned              i, n, bit;
    const ai_limit_t     *l;
    const ai_hold_ask_t  *ask;

    ask = t->ask;
    n = 0;

    if (ask->nparty < 1 || ask->nparty > 2
        || ask->worker >= AI_BOOK_WORKERS
        || t->tx.book->workers[ask->worker].pid == 0
        || ai_take_bound(t->bound, ask->bound) != AI_OK
        || ai_take_bound(t->guess, ask->guess) != AI_OK)
    {
        return AI_ERROR;
    }

    t->guess[AI_RES_REQUESTS] = 1;
    t->guess[AI_RES_COST] = t->bound[AI_RES_COST];

    if (ask->nparty == 2
        && memcmp(&ask->party[0].id, &ask->party[1].id,
                  sizeof(ai_owner_id_t)) == 0)
    {
        return AI_ERROR;
    }

    for (i = 0; i < ask->nparty; i++) {
        t->draws[i] = 0;

        if (ask->party[i].nlimits > AI_BOOK_LIMITS - n) {
            return AI_ERROR;
        }

        n += ask->party[i].nlimits;

        for (l = ask->party[i].limits;
             l < ask->party[i].limits + ask->party[i].nlimits;
             l++)
        {
            if (ai_is_window(l) || l->resource == AI_RES_CONCURRENCY) {
                continue;
            }

            if (ai_is_total(l)) {
                t->totals |= 1u << i;
                continue;
            }

            if (!ai_is_bucket(l)) {
                return AI_ERROR;
            }

            /* two limits cannot share a bucket */

            bit = ai_cell_bit(l->resource, l->period);

            if (t->draws[i] & bit) {
                return AI_ERROR;
            }

            t->draws[i] |= (uint16_t) bit;
        }
    }

    return AI_OK;
}


/* keeps the refusal that takes longest to come back; the first of equals */

static void
ai_take_refuse(ai_take_t *t, unsigned party, const ai_limit_t *l,
    int64_t used, int64_t held, int64_t wait_ms, ai_refused_t *why)
{
    if (t->refused
        && (why->wait_ms < 0 || (wait_ms >= 0 && wait_ms <= why->wait_ms)))
    {
        return;
    }

    t->refused = 1;

    why->party = party;
    why->limit = *l;
    why->used = used;
    why->held = held;
    why->wait_ms = wait_ms;
    why->budget = ai_limit_is_budget(l) ? 1 : 0;
}


/*
 * How full a bucket must be.  What the answer will take is a guess: a request
 * whose input fits waits for a full bucket at most, and may leave it in debt.
 */

static int64_t
ai_take_need(const ai_take_t *t, const ai_limit_t *l)
{
    int64_t  n;

    n = t->guess[l->resource];

    if (n > l->burst
        && (l->resource == AI_RES_OUTPUT_TOKENS
            || (l->resource == AI_RES_TOKENS
                && t->guess[AI_RES_INPUT_TOKENS] <= l->burst)))
    {
        return l->burst;
    }

    return n;
}


static void
ai_take_bucket(ai_take_t *t, unsigned party, const ai_limit_t *l,
    ai_refused_t *why)
{
    int64_t           n, held, wait;
    ai_draw_t        *d;
    const ai_cell_t  *cell;

    d = &t->draw[t->ndraw++];
    d->limit = l;
    d->party = party;
    d->cell = ai_cell_find(t->tx.book, t->owner[party], l->resource,
                           l->period);

    if (d->cell) {
        cell = ai_cell_at(t->tx.book, d->cell);
        d->bucket = cell->bucket;
        held = cell->held;

    } else {
        memset(&d->bucket, 0, sizeof(ai_bucket_t));
        held = 0;
    }

    ai_bucket_refill(&d->bucket, l, t->tx.mono_ms);

    n = ai_take_need(t, l);
    wait = ai_bucket_wait(&d->bucket, l, n);

    if (wait == 0 && n <= ai_sum(ai_bucket_level(&d->bucket, l), -held)) {
        return;
    }

    if (wait >= 0 && held && wait < AI_BOOK_RETRY) {
        wait = AI_BOOK_RETRY;
    }

    ai_take_refuse(t, party, l, d->bucket.taken, held, wait, why);
}


static void
ai_take_window(ai_take_t *t, unsigned party, const ai_limit_t *l,
    ai_refused_t *why)
{
    int64_t             n, used, held, wait;
    uint64_t            now_s;
    unsigned            r;
    const ai_window_t  *w;

    r = l->resource;
    n = t->bound[r];
    now_s = t->tx.now_s;

    w = ai_window_now(ai_owner_at(t->tx.book, t->owner[party]),
                      l->period - AI_PERIOD_DAY, now_s);

    used = w ? w->used[r] : 0;
    held = w ? w->held[r] : 0;

    if (l->amount > 0 && (__int128) used + held + n <= (__int128) l->amount)
    {
        return;
    }

    if (l->amount <= 0 || n > l->amount) {
        wait = -1;

    } else if ((__int128) used + n <= (__int128) l->amount) {
        wait = AI_BOOK_RETRY;

    } else {
        wait = (int64_t) (ai_window_end(l->period, now_s) - now_s) * 1000;
    }

    ai_take_refuse(t, party, l, used, held, wait, why);
}


/* a balance may be larger than any other amount; a bound that was cut is not */

static void
ai_take_total(ai_take_t *t, unsigned party, const ai_limit_t *l,
    ai_refused_t *why)
{
    int64_t            n, used, held, wait;
    const ai_owner_t  *o;

    o = ai_owner_at(t->tx.book, t->owner[party]);

    n = t->bound[AI_RES_COST];
    used = ai_sum(o->cost, o->cost_others);
    held = o->held[AI_RES_COST];
    wait = -1;

    if (l->amount > 0 && n <= AI_LIMIT_MAX
        && (__int128) used + n <= (__int128) l->amount)
    {
        if ((__int128) used + held + n <= (__int128) l->amount) {
            return;
        }

        wait = AI_BOOK_RETRY;
    }

    ai_take_refuse(t, party, l, used, held, wait, why);
}


static void
ai_take_judge(ai_take_t *t, ai_refused_t *why)
{
    int64_t            open;
    unsigned           i;
    const ai_limit_t  *l, *end;

    for (i = 0; i < t->ask->nparty; i++) {
        l = t->ask->party[i].limits;
        end = l + t->ask->party[i].nlimits;

        for ( /* void */ ; l < end; l++) {

            if (l->resource != AI_RES_CONCURRENCY) {
                if (ai_is_bucket(l)) {
                    ai_take_bucket(t, i, l, why);

                } else if (l->period != AI_PERIOD_TOTAL) {
                    ai_take_window(t, i, l, why);

                } else {
                    ai_take_total(t, i, l, why);
                }

                continue;
            }

            open = ai_owner_at(t->tx.book, t->owner[i])->open;

            if (open >= l->amount) {
                ai_take_refuse(t, i, l, open, 0,
                               l->amount > 0 ? AI_BOOK_RETRY : -1, why);
            }
        }
    }
}


static int
ai_take_draw(ai_take_t *t, ai_draw_t *d)
{
    int64_t      n;
    ai_cell_t   *cell;
    ai_bucket_t  b;

    if (d->cell == 0) {
        d->cell = ai_cell_make(&t->tx, t->owner[d->party],
                               d->limit->resource, d->limit->period);
        if (d->cell == 0) {
            return AI_ERROR;
        }
    }

    cell = ai_cell_at(t->tx.book, d->cell);
    b = d->bucket;
    n = t->guess[d->limit->resource];

    if (d->limit->resource == AI_RES_COST) {
        ai_tx_put(&t->tx, &cell->held, (uint64_t) ai_sum(cell->held, n));

    } else {
        b.taken = ai_sum(b.taken, n);
    }

    ai_tx_copy(&t->tx, &cell->bucket, &b, sizeof(ai_bucket_t));
    ai_tx_put(&t->tx, &cell->amount, (uint64_t) d->limit->amount);
    ai_tx_put(&t->tx, &cell->burst, (uint64_t) d->limit->burst);

    return AI_OK;
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

    ai_owner_roll(&t->tx, t->owner[party]);

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


/* a record at the head of its worker's list */

static ai_ref_t
ai_take_hold(ai_take_t *t, ai_hold_t *h)
{
    ai_ref_t      ref, next;
    ai_book_t    *bk;
    ai_worker_t  *wk;

    bk = t->tx.book;
    next = bk->holds.free ? ai_hold_at(bk, bk->holds.free)->next : 0;
    ref = ai_array_take(&t->tx, &bk->holds, next);

    if (ref == 0) {
        return 0;
    }

    wk = &bk->workers[t->ask->worker];

    h->next = wk->holds;
    h->worker = t->ask->worker;
    h->segment = t->ask->segment;
    h->slot = t->ask->slot;
    h->live = 1;
    memcpy(h->bound, t->bound, sizeof(h->bound));
    memcpy(h->guess, t->guess, sizeof(h->guess));

    if (wk->holds) {
        ai_tx_put32(&t->tx, &ai_hold_at(bk, wk->holds)->prev, ref);
    }

    ai_tx_copy(&t->tx, ai_hold_at(bk, ref), h, sizeof(ai_hold_t));
    ai_tx_put32(&t->tx, &wk->holds, ref);

    return ref;
}


static int
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


/*
 * An owner whose balance is used up is refused for as long as it lies in the
 * book: it must not be given up for that, and come back with nothing spent.
 */

static void
ai_take_keep(ai_take_t *t)
{
    unsigned   i;
    ai_ref_t   owner;
    ai_book_t  *bk;

    bk = t->tx.book;

    for (i = 0; i < t->ask->nparty; i++) {
        owner = t->totals & 1u << i
                ? ai_book_owner_find(bk, &t->ask->party[i].id) : 0;

        if (owner && !ai_owner_at(bk, owner)->kept) {
            ai_tx_put32(&t->tx, &ai_owner_at(bk, owner)->kept, 1);
        }
    }

    if (t->tx.writes.n) {
        (void) ai_tx_commit(&t->tx);
    }
}


int
ai_book_take(ai_book_t *bk, const ai_hold_ask_t *ask, const ai_now_t *now,
    ai_ref_t *hold, ai_refused_t *why)
{
    unsigned   i;
    ai_take_t  t;

    ai_tx_begin(&t.tx, bk, now->now_s, now->mono_ms);

    t.ask = ask;
    t.ndraw = 0;
    t.totals = 0;
    t.refused = 0;

    if (ai_take_check(&t) != AI_OK) {
        return AI_ERROR;
    }

    for (i = 0; i < ask->nparty; i++) {
        t.owner[i] = ai_owner_get(&t.tx, &ask->party[i].id);

        if (t.owner[i] == 0) {
            goto failed;
        }

        t.tx.pin[i] = t.owner[i];
    }

    ai_take_judge(&t, why);

    if (t.refused) {
        ai_tx_undo(&t.tx);

        if (t.totals) {
            ai_take_keep(&t);
        }

        return AI_BUSY;
    }

    if (ai_take_write(&t, hold) == AI_OK) {
        return AI_OK;
    }

failed:

    ai_tx_undo(&t.tx);

    return AI_ERROR;
}
