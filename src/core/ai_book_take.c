
/*
 * Taking a hold: every limit of every party is judged on copies first; only
 * when all let the request pass is anything written.
 */


#include "ai_book_take.h"


static int ai_take_limits(ai_take_t *t, unsigned party);


/* no limit's amount reaches a clamped value: it is refused by any limit */

int
ai_ask_bound(int64_t *to, const int64_t *from)
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
    unsigned              i, n;
    const ai_hold_ask_t  *ask;

    ask = t->ask;
    n = 0;

    if (ask->nparty < 1 || ask->nparty > 2
        || ask->worker >= AI_BOOK_WORKERS
        || t->tx.book->workers[ask->worker].pid == 0
        || ai_ask_bound(t->bound, ask->bound) != AI_OK
        || ai_ask_bound(t->guess, ask->guess) != AI_OK)
    {
        return AI_ERROR;
    }

    if (ask->shared) {
        if (ask->nodes < 1 || ask->nodes > AI_LEASE_NODES) {
            return AI_ERROR;
        }

        t->weight = (uint16_t) ask->nodes;
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

        if (ask->party[i].nlimits > AI_BOOK_LIMITS - n) {
            return AI_ERROR;
        }

        n += ask->party[i].nlimits;

        if (ai_take_limits(t, i) != AI_OK) {
            return AI_ERROR;
        }
    }

    return AI_OK;
}


/* what each limit of the party is to be judged on */

static int
ai_take_limits(ai_take_t *t, unsigned party)
{
    unsigned           bit;
    const ai_limit_t  *l, *last;

    t->draws[party] = 0;

    l = t->ask->party[party].limits;
    last = l + t->ask->party[party].nlimits;

    for ( /* void */ ; l < last; l++) {

        if (ai_is_window(l) || l->resource == AI_RES_CONCURRENCY) {
            continue;
        }

        if (ai_is_total(l)) {
            t->totals |= 1u << party;
            continue;
        }

        if (!ai_is_bucket(l)) {
            return AI_ERROR;
        }

        /* two limits cannot share a bucket */

        bit = ai_cell_bit(l->resource, l->period);

        if (t->draws[party] & bit) {
            return AI_ERROR;
        }

        t->draws[party] |= (uint16_t) bit;
    }

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


static void
ai_take_init(ai_take_t *t, const ai_hold_ask_t *ask)
{
    t->ask = ask;
    t->weight = 0;
    t->next = 0;
    t->ndraw = 0;
    t->totals = 0;
    t->refused = 0;
    t->again = 0;
    t->ahead = 0;
    t->own = 0;
}


static int
ai_take_owners(ai_take_t *t)
{
    unsigned  i;
    uint32_t  hash;

    hash = ai_lease_hash(&t->ask->party[0].id);

    for (i = 0; i < t->ask->nparty; i++) {
        t->owner[i] = ai_owner_get(&t->tx, &t->ask->party[i].id);

        if (t->owner[i] == 0) {
            return AI_ERROR;
        }

        t->tx.pin[i] = t->owner[i];

        /* of a clock that was set back the tenant's windows are the key's */

        if (i == 0) {
            t->now_s = ai_owner_now(t->tx.book, t->owner[0], t->tx.now_s);
        }

        ai_owner_hash(&t->tx, t->owner[i], hash);
    }

    return AI_OK;
}


/* nothing is taken; what the refusal itself changes is written */

static int
ai_take_refused(ai_take_t *t, ai_refused_t *why)
{
    ai_tx_undo(&t->tx);

    if (t->totals) {
        ai_take_keep(t);
    }

    if (t->own) {
        ai_take_own(t);
    }

    if (t->refused) {
        return AI_BUSY;
    }

    *why = t->lacks;

    return AI_AGAIN;
}


/*
 * Whoever asks looked at the shard without the lock: a share that was given
 * back meanwhile is the store's.
 */

static unsigned
ai_take_returned(const ai_book_t *bk, const ai_hold_ask_t *ask)
{
    return ask->shared && ask->rates == AI_RATES_LOCAL
           && !bk->shards[ai_lease_shard(bk, &ask->party[0].id)].local;
}


int
ai_book_take(ai_book_t *bk, const ai_hold_ask_t *ask, const ai_now_t *now,
    ai_ref_t *hold, ai_refused_t *why)
{
    ai_take_t      t;
    ai_hold_ask_t  leased;

    if (ai_take_returned(bk, ask)) {
        leased = *ask;
        leased.rates = AI_RATES_LEASED;
        ask = &leased;
    }

    ai_tx_begin(&t.tx, bk, now->now_s, now->mono_ms);
    ai_take_init(&t, ask);

    if (ai_take_check(&t) != AI_OK) {
        return AI_ERROR;
    }

    if (ai_take_owners(&t) == AI_OK) {
        ai_take_judge(&t, why);

        if (t.refused || t.again) {
            return ai_take_refused(&t, why);
        }

        if (ai_take_write(&t, hold) == AI_OK) {
            why->ahead = t.ahead;
            return AI_OK;
        }
    }

    ai_tx_undo(&t.tx);

    return AI_ERROR;
}
