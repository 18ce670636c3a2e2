
/*
 * What the keeper of a node tells the store: credit that has ended, slots that
 * are open still, and all of it where the store knows nothing.
 */


#include "ai_lease_int.h"


/* the window before: to a store that knows nothing of it */

static void
ai_op_former(ai_ask_t *a, ai_ref_t owner, unsigned resource, unsigned period)
{
    ai_credit_t  c;

    c.lease = 0;
    c.unspent = 0;
    c.spent = ai_former_spent(a->tx.book, ai_owner_at(a->tx.book, owner),
                              period - AI_PERIOD_DAY, resource, a->now->now_s,
                              &c.window);

    if (c.spent && a->op->ncells < AI_LEASE_CELLS) {
        (void) ai_op_cell(a, 0, owner, &c, resource, period);
    }
}


static void
ai_op_owner(ai_ask_t *a, ai_ref_t owner)
{
    ai_ref_t           ref, cell;
    ai_credit_t        c;
    const ai_lease_t  *ls;

    a->op->ncells = 0;

    for (ref = ai_owner_at(a->tx.book, owner)->leases;
         ref && a->op->ncells < AI_LEASE_CELLS;
         ref = ls->next)
    {
        ls = ai_lease_at(a->tx.book, ref);
        ai_credit_get(a->tx.book, owner, ls->resource, ls->period, a->now,
                      &c);

        if (a->all) {
            c.unspent = 0;
        }

        cell = ai_cell_find(a->tx.book, owner, ls->resource, ls->period);

        if (cell) {
            c.unspent = ai_op_keep(a->tx.book, c.unspent,
                                   ai_cell_at(a->tx.book, cell)->burst);
        }

        ai_op_say(a, ai_op_cell(a, 0, owner, &c, ls->resource, ls->period),
                  ref);

        /* behind that: the lease is of the present window, and the answer to
           this is not taken for one to that */

        if (a->report && (ls->period == AI_PERIOD_DAY
                          || ls->period == AI_PERIOD_MONTH))
        {
            ai_op_former(a, owner, ls->resource, ls->period);
        }
    }
}


/* slots are the store's again when it hears nothing of them for long, what is
   held of a budget is refilled, and the key of a total would go */

static int
ai_op_stands(const ai_owner_t *o, const ai_lease_t *ls, uint64_t mono_ms)
{
    if (ls->period == AI_PERIOD_TOTAL) {
        return o->cost && mono_ms >= ls->until + AI_LEASE_RENEW;
    }

    return (ls->resource == AI_RES_CONCURRENCY && o->open)
           || (ls->resource == AI_RES_COST && ls->period < AI_PERIOD_BUCKETS
               && o->held[AI_RES_COST]);
}


static int
ai_op_ended(const ai_ask_t *a, const ai_owner_t *o)
{
    ai_ref_t           ref;
    const ai_lease_t  *ls;

    for (ref = o->leases; ref; ref = ls->next) {
        ls = ai_lease_at(a->tx.book, ref);

        if ((a->all || a->now->mono_ms >= ls->until)
            && (ai_lease_owed(a->tx.book, o, ls, a->now->now_s)
                || ai_op_stands(o, ls, a->now->mono_ms)))
        {
            return 1;
        }
    }

    return 0;
}


int
ai_lease_expire(ai_book_t *bk, unsigned all, uint32_t *cursor,
    unsigned steps, const ai_now_t *now, ai_lease_op_t *op)
{
    ai_ref_t           ref;
    ai_ask_t           a;
    const ai_owner_t  *o;

    ai_tx_begin(&a.tx, bk, now->now_s, now->mono_ms);

    a.ask = NULL;
    a.now = now;
    a.op = op;
    a.all = all ? 1 : 0;
    a.report = 0;

    while (steps--) {
        if (*cursor >= bk->owners.top) {
            return AI_DECLINED;
        }

        ref = ++*cursor;
        o = ai_owner_at(bk, ref);

        if (o->live && o->leases && !ai_lease_busy(bk, o, now->mono_ms)
            && ai_op_ended(&a, o))
        {
            ai_op_owner(&a, ref);
            return ai_op_begin(&a, ref, 0) == AI_OK ? AI_OK : AI_BUSY;
        }
    }

    return AI_BUSY;
}


static void
ai_op_use(ai_ask_t *a, ai_ref_t owner, unsigned resource, unsigned period)
{
    ai_credit_t  c;

    ai_credit_get(a->tx.book, owner, resource, period, a->now, &c);

    if (c.spent) {
        (void) ai_op_cell(a, 0, owner, &c, resource, period);
    }
}


/*
 * An owner without records was used before limits were shared, and nobody knows
 * by what limits: all that it used is told.
 */

static void
ai_op_owner_all(ai_ask_t *a, ai_ref_t owner)
{
    unsigned  r;

    a->op->ncells = 0;

    for (r = 0; r < AI_RES_COUNTED; r++) {
        ai_op_use(a, owner, r, AI_PERIOD_DAY);
        ai_op_former(a, owner, r, AI_PERIOD_DAY);
        ai_op_use(a, owner, r, AI_PERIOD_MONTH);
        ai_op_former(a, owner, r, AI_PERIOD_MONTH);
    }

    ai_op_use(a, owner, AI_RES_COST, AI_PERIOD_TOTAL);
}


static int
ai_op_told(const ai_ask_t *a, ai_ref_t owner)
{
    unsigned                i;
    const ai_lease_t       *ls;
    const ai_lease_cell_t  *cell;

    for (i = 0; i < a->op->ncells; i++) {
        cell = &a->op->cell[i];

        if (cell->sum || cell->mine) {
            return 1;
        }
    }

    for (i = ai_owner_at(a->tx.book, owner)->leases; i; i = ls->next) {
        ls = ai_lease_at(a->tx.book, i);

        if (ls->state & AI_LEASE_OWN) {
            return 1;
        }
    }

    return 0;
}


int
ai_lease_report(ai_book_t *bk, uint32_t shard, uint32_t *cursor,
    unsigned steps, const ai_now_t *now, ai_lease_op_t *op)
{
    ai_ref_t           ref;
    ai_ask_t           a;
    uint32_t           mask;
    const ai_owner_t  *o;

    ai_tx_begin(&a.tx, bk, now->now_s, now->mono_ms);

    a.ask = NULL;
    a.now = now;
    a.op = op;
    a.all = 0;
    a.report = 1;

    mask = bk->lease.shards ? bk->lease.shards - 1 : 0;

    for ( /* void */ ; steps; steps--, ++*cursor) {
        if (*cursor >= bk->owners.top) {
            return AI_DECLINED;
        }

        ref = *cursor + 1;
        o = ai_owner_at(bk, ref);

        if (!o->live || (o->hash & mask) != (shard & mask)) {
            continue;
        }

        /* what is under way may not have been heard: it must be told again */

        if (ai_lease_busy(bk, o, now->mono_ms)) {
            return AI_BUSY;
        }

        if (o->leases) {
            ai_op_owner(&a, ref);

        } else {
            ai_op_owner_all(&a, ref);
        }

        if (ai_op_told(&a, ref)) {
            if (ai_op_begin(&a, ref, 0) != AI_OK) {
                return AI_BUSY;
            }

            ++*cursor;
            return AI_OK;
        }

        ai_tx_undo(&a.tx);
    }

    return AI_BUSY;
}
