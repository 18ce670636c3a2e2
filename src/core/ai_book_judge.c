
/*
 * Taking a hold: each limit is judged, nothing is written.
 */


#include "ai_book_take.h"


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

int64_t
ai_ask_need(const int64_t *bound, const int64_t *guess, const ai_limit_t *l,
    unsigned weight)
{
    int64_t  n;

    if (!ai_is_bucket(l)) {
        return bound[l->resource];
    }

    n = ai_share(guess[l->resource], weight);

    if (n > l->burst
        && (l->resource == AI_RES_OUTPUT_TOKENS
            || (l->resource == AI_RES_TOKENS
                && ai_share(guess[AI_RES_INPUT_TOKENS], weight) <= l->burst)))
    {
        return l->burst;
    }

    return n;
}


/*
 * When what the store does not have may be there.  Of a window it has what was
 * spent, and what is held or leased and may come back: what other nodes have of
 * it counts as spent.
 */

static int64_t
ai_credit_wait(const ai_take_t *t, const ai_limit_t *l, const ai_lease_t *ls,
    const ai_credit_t *c, int64_t n, int64_t held)
{
    int64_t      wait;
    __int128     used;
    ai_bucket_t  b;

    if (l->resource == AI_RES_CONCURRENCY) {
        return AI_BOOK_RETRY;
    }

    if (ai_is_bucket(l)) {
        memset(&b, 0, sizeof(ai_bucket_t));
        b.taken = ai_sum(l->burst, -ls->left);
        wait = ai_bucket_wait(&b, l, n - c->unspent);
        wait = wait > ls->wait_ms ? wait : ls->wait_ms;

        return held && wait < AI_BOOK_RETRY ? AI_BOOK_RETRY : wait;
    }

    used = (__int128) l->amount - ls->left - ls->allow + c->spent - held;

    if (used + n <= (__int128) l->amount) {
        return AI_BOOK_RETRY;
    }

    return l->period == AI_PERIOD_TOTAL ? -1
           : (int64_t) (ai_window_end(l->period, t->now_s) - t->tx.now_s)
             * 1000;
}


/* what a budget lacks is told first: no store, no budget */

static void
ai_take_lack(ai_take_t *t, unsigned party, const ai_limit_t *l, int64_t used,
    int64_t held)
{
    if (t->again && (t->lacks.budget || !ai_limit_is_budget(l))) {
        return;
    }

    t->again = 1;

    memset(&t->lacks, 0, sizeof(ai_refused_t));
    t->lacks.party = party;
    t->lacks.limit = *l;
    t->lacks.used = used;
    t->lacks.held = held;
    t->lacks.wait_ms = AI_BOOK_RETRY;
    t->lacks.budget = ai_limit_is_budget(l) ? 1 : 0;
}


/*
 * Records lie in the order in which limits were first asked for, which is that
 * of the limits: the next one is mostly the one behind the last.
 */

static ai_ref_t
ai_take_lease(ai_take_t *t, unsigned party, const ai_limit_t *l)
{
    ai_ref_t           ref;
    const ai_lease_t  *ls;

    ref = t->next;

    if (ref) {
        ls = ai_lease_at(t->tx.book, ref);

        if (ls->resource == l->resource && ls->period == l->period) {
            t->next = ls->next;
            return ref;
        }
    }

    ref = ai_lease_find(t->tx.book, t->owner[party], l->resource, l->period);

    if (ref) {
        t->next = ai_lease_at(t->tx.book, ref)->next;
    }

    return ref;
}


/* a limit that lets "n" pass here is judged by leased credit, too */

static void
ai_take_credit(ai_take_t *t, unsigned party, ai_ref_t lease,
    const ai_limit_t *l, int64_t n, int64_t used, int64_t held,
    ai_refused_t *why)
{
    int64_t            left;
    ai_now_t           now;
    ai_credit_t        c;
    const ai_lease_t  *ls;

    now.now_s = t->now_s;
    now.mono_ms = t->tx.mono_ms;

    ai_credit_of(t->tx.book, t->owner[party], lease, l->resource, l->period,
                 &now, &c);

    ls = lease ? ai_lease_at(t->tx.book, lease) : NULL;

    if (n <= c.unspent) {
        left = c.unspent - (ai_is_bucket(l) ? t->guess[l->resource] : n);
        t->ahead |= ai_credit_low(ls, left)
                    || ai_credit_ends(t->tx.book, ls, left, now.mono_ms);
        return;
    }

    /* a bucket is the node's share of it */

    if (ai_is_bucket(l)) {
        used /= t->weight;
        held /= t->weight;
    }

    if (ls && ai_credit_refused(ls, &c, n - c.unspent, now.mono_ms) == AI_OK) {
        ai_take_refuse(t, party, l,
                       ai_is_bucket(l) ? ai_sum(l->burst, -ls->left) : used,
                       held, ai_credit_wait(t, l, ls, &c, n, held), why);

    } else {
        ai_take_lack(t, party, l, used, held);
    }
}


/*
 * The node's share of a bucket: the whole of it, from which each request takes
 * "weight" times what it needs.  When it begins to be judged, it has what is
 * leased and not spent: not what it took with the store's leave, and not what
 * has been refilled meanwhile, which others may have had.
 */

static void
ai_take_share(ai_take_t *t, ai_draw_t *d, const ai_limit_t *l)
{
    int64_t      has;
    ai_now_t     now;
    ai_credit_t  c;

    now.now_s = t->now_s;
    now.mono_ms = t->tx.mono_ms;

    ai_credit_of(t->tx.book, t->owner[d->party], d->lease, l->resource,
                 l->period, &now, &c);

    if (c.lease && ai_lease_at(t->tx.book, c.lease)->state & AI_LEASE_OWN) {
        return;
    }

    d->own = 1;
    t->own = 1;

    if (__builtin_mul_overflow(c.unspent, (int64_t) t->weight, &has)
        || has > l->burst)
    {
        has = l->burst;
    }

    if (d->bucket.taken < l->burst - has || d->bucket.taken > l->burst) {
        d->bucket.taken = d->bucket.taken > l->burst ? l->burst
                                                     : l->burst - has;
        d->bucket.rem = 0;
    }
}


static void
ai_judge_bucket(ai_take_t *t, const ai_draw_t *d, const ai_limit_t *l,
    int64_t held, ai_refused_t *why)
{
    int64_t   n, wait;
    unsigned  weight;

    weight = t->weight ? t->weight : 1;

    n = ai_ask_need(t->bound, t->guess, l, weight);
    wait = ai_bucket_wait(&d->bucket, l, n);

    if (wait == 0 && n <= ai_sum(ai_bucket_level(&d->bucket, l), -held)) {
        return;
    }

    if (wait >= 0 && held && wait < AI_BOOK_RETRY) {
        wait = AI_BOOK_RETRY;
    }

    /* a share may be too small for what the whole is large enough for */

    if (wait < 0 && weight > 1 && l->amount > 0
        && ai_ask_need(t->bound, t->guess, l, 1) <= l->burst)
    {
        wait = AI_BOOK_RETRY;
    }

    ai_take_refuse(t, d->party, l, d->bucket.taken / weight, held, wait, why);
}


static void
ai_judge_shared(ai_take_t *t, ai_draw_t *d, const ai_limit_t *l,
    int64_t held, ai_refused_t *why)
{
    int64_t  n;

    d->lease = ai_take_lease(t, d->party, l);

    if (ai_ask_leased(t->ask, l)) {
        n = ai_ask_need(t->bound, t->guess, l, 1);

        if (l->amount <= 0 || n > l->burst) {
            ai_take_refuse(t, d->party, l, d->bucket.taken / t->weight,
                           held / t->weight, -1, why);

        } else if (n) {
            ai_take_credit(t, d->party, d->lease, l, n, d->bucket.taken,
                           held, why);
        }

    } else if (t->ask->rates == AI_RATES_LOCAL) {
        ai_take_share(t, d, l);
        ai_judge_bucket(t, d, l, held, why);

    } else if (l->amount <= 0) {
        ai_take_refuse(t, d->party, l, 0, 0, -1, why);
    }
}


static void
ai_take_bucket(ai_take_t *t, unsigned party, const ai_limit_t *l,
    ai_refused_t *why)
{
    int64_t           held;
    ai_draw_t        *d;
    const ai_cell_t  *cell;

    d = &t->draw[t->ndraw++];
    d->limit = l;
    d->party = party;
    d->lease = 0;
    d->own = 0;
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

    if (t->weight) {
        ai_judge_shared(t, d, l, held, why);

    } else {
        ai_judge_bucket(t, d, l, held, why);
    }
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
    now_s = t->now_s;

    w = ai_window_now(ai_owner_at(t->tx.book, t->owner[party]),
                      l->period - AI_PERIOD_DAY, now_s);

    used = w ? w->used[r] : 0;
    held = w ? w->held[r] : 0;

    if (l->amount > 0 && (__int128) used + held + n <= (__int128) l->amount)
    {
        if (t->weight && n) {
            ai_take_credit(t, party, ai_take_lease(t, party, l), l, n, used,
                           held, why);
        }

        return;
    }

    if (l->amount <= 0 || n > l->amount) {
        wait = -1;

    } else if ((__int128) used + n <= (__int128) l->amount) {
        wait = AI_BOOK_RETRY;

    } else {
        wait = (int64_t) (ai_window_end(l->period, now_s) - t->tx.now_s)
               * 1000;
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
            if (t->weight && n) {
                ai_take_credit(t, party, ai_take_lease(t, party, l), l, n,
                               used, held, why);
            }

            return;
        }

        wait = AI_BOOK_RETRY;
    }

    ai_take_refuse(t, party, l, used, held, wait, why);
}


/* who does not wait passes by nobody who does */

static void
ai_take_slot(ai_take_t *t, unsigned party, const ai_limit_t *l,
    ai_refused_t *why)
{
    int64_t            open;
    const ai_owner_t  *o;

    o = ai_owner_at(t->tx.book, t->owner[party]);
    open = o->open;

    if (l->amount <= 0) {
        ai_take_refuse(t, party, l, open, 0, -1, why);
        return;
    }

    if (t->weight && t->ask->rates == AI_RATES_OPEN) {
        return;
    }

    if (open >= l->amount || (o->queued && !t->ask->queued)
        || (t->weight && t->ask->rates == AI_RATES_LOCAL
            && open + 1 > l->amount / t->weight))
    {
        ai_take_refuse(t, party, l, open, 0, AI_BOOK_RETRY, why);
        return;
    }

    if (t->weight && t->ask->rates == AI_RATES_LEASED) {
        ai_take_credit(t, party, ai_take_lease(t, party, l), l, 1, open, 0,
                       why);
    }
}


void
ai_take_judge(ai_take_t *t, ai_refused_t *why)
{
    unsigned           i;
    const ai_limit_t  *l, *end;

    for (i = 0; i < t->ask->nparty; i++) {
        t->next = t->weight ? ai_owner_at(t->tx.book, t->owner[i])->leases
                            : 0;

        l = t->ask->party[i].limits;
        end = l + t->ask->party[i].nlimits;

        for ( /* void */ ; l < end; l++) {

            if (l->resource == AI_RES_CONCURRENCY) {
                ai_take_slot(t, i, l, why);

            } else if (ai_is_bucket(l)) {
                ai_take_bucket(t, i, l, why);

            } else if (l->period != AI_PERIOD_TOTAL) {
                ai_take_window(t, i, l, why);

            } else {
                ai_take_total(t, i, l, why);
            }
        }
    }

    /* while somebody asks for an owner, nobody else does */

    for (i = 0; t->ahead && i < t->ask->nparty; i++) {
        if (ai_lease_busy(t->tx.book, ai_owner_at(t->tx.book, t->owner[i]),
                          t->tx.mono_ms))
        {
            t->ahead = 0;
        }
    }
}
