
/*
 * What a request that lacks credit asks for, or asks for before it lacks.
 */


#include "ai_lease_int.h"


static ai_ref_t
ai_op_record(ai_ask_t *a, ai_ref_t owner, const ai_limit_t *l)
{
    ai_ref_t     ref, cell;
    unsigned     local;
    ai_cell_t   *c;
    ai_lease_t  *ls;

    ref = ai_lease_find(a->tx.book, owner, l->resource, l->period);

    if (ref == 0) {
        ref = ai_lease_make(&a->tx, owner, l->resource, l->period);

        if (ref == 0) {
            return 0;
        }
    }

    local = a->ask->local && !ai_limit_is_budget(l)
            && l->period != AI_PERIOD_TOTAL;
    ls = ai_lease_at(a->tx.book, ref);
    ai_lease_state(&a->tx, ls, local ? AI_LEASE_LOCAL : 0,
                   local ? 0 : AI_LEASE_LOCAL);

    if (!ai_is_bucket(l)
        || ai_cell_find(a->tx.book, owner, l->resource, l->period))
    {
        return ref;
    }

    cell = ai_cell_make(&a->tx, owner, l->resource, l->period);

    if (cell == 0) {
        return 0;
    }

    c = ai_cell_at(a->tx.book, cell);
    ai_tx_put(&a->tx, &c->amount, (uint64_t) l->amount);
    ai_tx_put(&a->tx, &c->burst, (uint64_t) l->burst);

    return ref;
}


/*
 * An amount that is less than a request takes is not asked for in advance: it
 * would lie here, and help nobody.
 */

static int64_t
ai_op_want(const ai_ask_t *a, const ai_lease_t *ls, const ai_credit_t *c,
    const ai_limit_t *l, int64_t n, int64_t need)
{
    int64_t   want;
    uint64_t  lease_ms, sent_ms, since_ms;

    lease_ms = a->tx.book->lease.lease_ms;
    sent_ms = ls->until > lease_ms ? ls->until - lease_ms : 0;
    since_ms = a->now->mono_ms > sent_ms ? a->now->mono_ms - sent_ms : 0;

    want = ai_lease_want(ls->until && ls->window == c->window
                         ? ai_sum(c->spent, -ls->last) : 0,
                         since_ms, lease_ms,
                         ai_credit_left(ls, l, a->now->mono_ms),
                         a->ask->nodes, c->unspent, need);

    return want > need && want < n ? need : want;
}


static ai_lease_cell_t *
ai_op_twice(const ai_ask_t *a, ai_ref_t owner, const ai_limit_t *l)
{
    unsigned          i;
    ai_lease_cell_t  *cell;

    for (i = 0; i < a->op->ncells; i++) {
        cell = &a->op->cell[i];

        if (cell->owner == owner && cell->resource == l->resource
            && cell->period == l->period)
        {
            return cell;
        }
    }

    return NULL;
}


static int
ai_op_limit(ai_ask_t *a, unsigned party, ai_ref_t owner, const ai_limit_t *l)
{
    int64_t           n, depth;
    ai_ref_t          ref;
    ai_credit_t       c;
    ai_lease_t       *ls;
    ai_lease_cell_t  *cell;

    depth = ai_is_bucket(l) ? l->burst : l->amount;
    depth = depth > 0 ? depth : 0;

    cell = ai_op_twice(a, owner, l);

    if (cell) {
        cell->limit = depth < cell->limit ? depth : cell->limit;
        return AI_OK;
    }

    ref = ai_op_record(a, owner, l);

    if (ref == 0) {
        return AI_ERROR;
    }

    ls = ai_lease_at(a->tx.book, ref);
    ai_credit_get(a->tx.book, owner, l->resource, l->period, a->now, &c);

    /* a limit that was lowered: no more of it stays here than all of it */

    c.unspent = c.unspent < depth ? c.unspent : depth;

    if (ai_is_bucket(l)) {
        c.unspent = ai_op_keep(a->tx.book, c.unspent, depth);
    }

    cell = ai_op_cell(a, party, owner, &c, l->resource, l->period);
    cell->limit = depth;
    cell->amount = l->amount > 0 ? l->amount : 0;

    if (ai_ask_leased(a->ask, l)) {
        n = l->resource == AI_RES_CONCURRENCY ? 1
            : ai_ask_need(a->bound, a->guess, l, 1);

        cell->need = !a->ahead && n > c.unspent ? n - c.unspent : 0;
        cell->want = ai_op_want(a, ls, &c, l, n, cell->need);

        a->lacks |= a->ahead ? cell->want > 0
                               || ai_credit_ends(a->tx.book, ls, c.unspent,
                                                 a->now->mono_ms)
                             : cell->need > 0;
    }

    ai_op_say(a, cell, ref);

    return AI_OK;
}


static int
ai_op_party(ai_ask_t *a, unsigned party, ai_ref_t *owner)
{
    unsigned           i;
    const ai_party_t  *p;

    p = &a->ask->party[party];
    *owner = ai_owner_get(&a->tx, &p->id);

    if (*owner == 0) {
        return AI_ERROR;
    }

    a->tx.pin[party] = *owner;
    ai_owner_hash(&a->tx, *owner, ai_lease_hash(&a->ask->party[0].id));

    if (p->nlimits > AI_LEASE_CELLS - a->op->ncells) {
        return AI_ERROR;
    }

    for (i = 0; i < p->nlimits; i++) {
        if (ai_op_limit(a, party, *owner, &p->limits[i]) != AI_OK) {
            return AI_ERROR;
        }
    }

    return AI_OK;
}


static int
ai_op_busy(const ai_book_t *bk, const ai_hold_ask_t *ask, uint64_t mono_ms)
{
    unsigned  i;
    ai_ref_t  owner;

    for (i = 0; i < ask->nparty; i++) {
        owner = ai_book_owner_find(bk, &ask->party[i].id);

        if (owner && ai_lease_busy(bk, ai_owner_at(bk, owner), mono_ms)) {
            return 1;
        }
    }

    return 0;
}


int
ai_lease_begin(ai_book_t *bk, const ai_hold_ask_t *ask, unsigned ahead,
    const ai_now_t *now, ai_lease_op_t *op)
{
    unsigned  i;
    ai_now_t  at;
    ai_ref_t  owner[2];
    ai_ask_t  a;

    if (ask->nparty < 1 || ask->nparty > 2
        || ai_ask_bound(a.bound, ask->bound) != AI_OK
        || ai_ask_bound(a.guess, ask->guess) != AI_OK)
    {
        return AI_ERROR;
    }

    ai_tx_begin(&a.tx, bk, now->now_s, now->mono_ms);

    if (ai_op_busy(bk, ask, now->mono_ms)) {
        return AI_BUSY;
    }

    /* by the tenant's windows, as ai_book_take() */

    at = *now;
    owner[0] = ai_book_owner_find(bk, &ask->party[0].id);

    if (owner[0]) {
        at.now_s = ai_owner_now(bk, owner[0], now->now_s);
    }

    a.ask = ask;
    a.now = &at;
    a.op = op;
    a.all = 0;
    a.report = 0;
    a.ahead = ahead ? 1 : 0;
    a.lacks = 0;
    a.guess[AI_RES_REQUESTS] = 1;
    a.guess[AI_RES_COST] = a.bound[AI_RES_COST];

    op->ncells = 0;
    owner[1] = 0;

    for (i = 0; i < ask->nparty; i++) {
        if (ai_op_party(&a, i, &owner[i]) != AI_OK) {
            ai_tx_undo(&a.tx);
            return AI_ERROR;
        }
    }

    if (!a.lacks) {
        ai_tx_undo(&a.tx);
        return AI_DECLINED;
    }

    return ai_op_begin(&a, owner[0], owner[1]);
}
