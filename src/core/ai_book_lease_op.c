
/*
 * Operations: what the store is told of a limit, and what its answer changes.
 */


#include "ai_lease_int.h"


/*
 * What the node took of a bucket, and its share has not refilled yet.  What is
 * held of a bucket of cost is told beside it.
 */

static int64_t
ai_op_mine(const ai_ask_t *a, const ai_cell_t *cell)
{
    int64_t      n, nodes;
    ai_limit_t   limit;
    ai_bucket_t  b;

    nodes = a->tx.book->lease.nodes ? a->tx.book->lease.nodes : 1;

    ai_cell_limit(cell, &limit);
    b = cell->bucket;
    ai_bucket_refill(&b, &limit, a->now->mono_ms);

    n = b.taken;

    return n / nodes + (n % nodes > 0);
}


int64_t
ai_op_keep(const ai_book_t *bk, int64_t unspent, int64_t burst)
{
    int64_t  share;

    share = burst / (bk->lease.nodes ? bk->lease.nodes : 1);

    return unspent < share ? unspent : share;
}


ai_lease_cell_t *
ai_op_cell(ai_ask_t *a, unsigned party, ai_ref_t owner, const ai_credit_t *c,
    unsigned resource, unsigned period)
{
    int64_t           held;
    ai_ref_t          ref;
    const ai_cell_t  *bucket;
    ai_lease_cell_t  *cell;

    cell = &a->op->cell[a->op->ncells++];
    memset(cell, 0, sizeof(ai_lease_cell_t));

    cell->id = ai_owner_at(a->tx.book, owner)->id;
    cell->owner = owner;
    cell->kind = (uint8_t) ai_lease_kind(resource, period);
    cell->resource = (uint8_t) resource;
    cell->period = (uint8_t) period;
    cell->party = (uint8_t) party;
    cell->window = c->window;
    cell->sum = ai_sum(c->spent, c->unspent);
    cell->unspent = cell->sum - c->spent;
    cell->left = INT64_MIN;
    cell->wait_ms = -1;

    ref = cell->kind == AI_LEASE_BUCKET
          ? ai_cell_find(a->tx.book, owner, resource, period) : 0;

    if (cell->kind == AI_LEASE_WINDOW && c->lease) {
        held = ai_lease_at(a->tx.book, c->lease)->spent;
        cell->mine = held < c->spent ? held : c->spent;
    }

    if (ref) {
        bucket = ai_cell_at(a->tx.book, ref);
        cell->limit = bucket->burst;
        cell->amount = bucket->amount;
        cell->mine = ai_op_mine(a, bucket);
    }

    /*
     * What is held of a budget may come back: like credit that is not spent,
     * it is not to be refilled by then.
     */

    if (cell->kind == AI_LEASE_BUCKET && resource == AI_RES_COST) {
        held = ai_owner_at(a->tx.book, owner)->held[AI_RES_COST];
        cell->unspent = ai_sum(cell->unspent, held);
        cell->unspent = cell->unspent < cell->sum ? cell->unspent : cell->sum;
    }

    return cell;
}


void
ai_op_say(ai_ask_t *a, ai_lease_cell_t *cell, ai_ref_t lease)
{
    ai_lease_t  *ls;

    ls = ai_lease_at(a->tx.book, lease);

    cell->local = ls->state & AI_LEASE_LOCAL ? 1 : 0;
    cell->fresh = ls->state & AI_LEASE_FRESH ? 1 : 0;
    cell->lost = ls->state & AI_LEASE_LOST ? 1 : 0;

    /* what is given back is there again, as far as one can tell */

    if (ls->left != INT64_MIN && ls->state & AI_LEASE_TOLD
        && ls->window == cell->window)
    {
        ai_tx_put(&a->tx, &ls->left,
                  (uint64_t) ai_sum(ls->left,
                                    ai_sum(ls->allow, -cell->sum)));
    }

    ai_tx_put(&a->tx, &ls->allow, (uint64_t) cell->sum);
    ai_tx_put32(&a->tx, &ls->window, (uint32_t) cell->window);
    ai_lease_state(&a->tx, ls,
                   cell->kind == AI_LEASE_BUCKET ? AI_LEASE_LOST : 0,
                   AI_LEASE_TOLD);
}


int
ai_op_begin(ai_ask_t *a, ai_ref_t first, ai_ref_t second)
{
    unsigned        i;
    ai_book_t      *bk;
    ai_owner_t     *o;
    ai_lease_op_t  *op;

    bk = a->tx.book;
    op = a->op;

    op->seq = bk->seq + 1;
    op->sent_ms = a->now->mono_ms;
    op->owner[0] = first;
    op->owner[1] = second;
    op->shard = ai_owner_at(bk, first)->hash
                & (bk->lease.shards ? bk->lease.shards - 1 : 0);
    op->epoch = bk->shards[op->shard].epoch;
    op->random = bk->shards[op->shard].random;

    ai_tx_put(&a->tx, &bk->seq, op->seq);

    for (i = 0; i < 2 && op->owner[i]; i++) {
        o = ai_owner_at(bk, op->owner[i]);
        ai_tx_put(&a->tx, &o->op, op->seq);
        ai_tx_put(&a->tx, &o->op_ms, op->sent_ms);
    }

    return ai_tx_commit(&a->tx);
}


static int
ai_op_mine_is(const ai_book_t *bk, const ai_lease_op_t *op, unsigned party)
{
    return ai_owner_check(bk, op->owner[party]) == AI_OK
           && ai_owner_at(bk, op->owner[party])->op == op->seq;
}


/* whether all got what they needed; else nobody got anything */

static unsigned
ai_op_served(const ai_lease_op_t *op)
{
    unsigned  i;

    for (i = 0; i < op->ncells; i++) {
        if (op->cell[i].granted < op->cell[i].need) {
            return 0;
        }
    }

    return 1;
}


/*
 * Credit that did not do for a request ends when it would have: nodes that
 * each hold a little, all less than a request takes, would else keep it from
 * each other for as long as they ask.
 */

static void
ai_op_accept(ai_tx_t *tx, const ai_lease_op_t *op,
    const ai_lease_cell_t *cell, unsigned served, const ai_now_t *now)
{
    int64_t      granted, allow;
    ai_ref_t     ref;
    unsigned     told, fresh;
    ai_lease_t  *ls;
    ai_credit_t  c;

    ref = ai_lease_find(tx->book, cell->owner, cell->resource, cell->period);

    if (ref == 0) {
        return;
    }

    ls = ai_lease_at(tx->book, ref);

    if (ls->window != cell->window) {
        return;
    }

    ai_credit_get(tx->book, cell->owner, cell->resource, cell->period, now,
                  &c);

    granted = cell->granted < cell->want ? cell->granted : cell->want;
    granted = granted > 0 ? granted : 0;

    /* a surplus that was settled meanwhile has left "allow" already */

    allow = ai_sum(ls->allow, granted);
    told = allow == ai_sum(cell->sum, granted);
    fresh = ls->state & AI_LEASE_FRESH && !cell->fresh;

    ai_tx_put(tx, &ls->allow, (uint64_t) allow);

    if (served || c.unspent == 0) {
        ai_tx_put(tx, &ls->until,
                  op->sent_ms + tx->book->lease.lease_ms * 99 / 100);
    }

    ai_lease_state(tx, ls, told ? AI_LEASE_TOLD : 0,
                   AI_LEASE_LOST
                   | (fresh ? 0 : AI_LEASE_FRESH|AI_LEASE_OWN));

    ai_tx_put(tx, &ls->last, (uint64_t) c.spent);

    if (cell->limit) {
        ai_tx_put(tx, &ls->left, (uint64_t) cell->left);
        ai_tx_put(tx, &ls->wait_ms, (uint64_t) cell->wait_ms);
        ai_tx_put32(tx, &ls->heard, (uint32_t) now->mono_ms);
    }
}


int
ai_lease_end(ai_book_t *bk, ai_lease_op_t *op, unsigned answered,
    const ai_now_t *now)
{
    int          rc;
    ai_tx_t      tx;
    unsigned     i;
    ai_owner_t  *o;

    rc = AI_OK;

    if (bk->shards[op->shard].epoch != op->epoch
        || bk->shards[op->shard].random != op->random)
    {
        rc = AI_DECLINED;
    }

    for (i = 0; i < 2 && op->owner[i]; i++) {
        if (!ai_op_mine_is(bk, op, i)) {
            rc = AI_DECLINED;
        }
    }

    ai_tx_begin(&tx, bk, now->now_s, now->mono_ms);

    for (i = 0; rc == AI_OK && answered && i < op->ncells; i++) {
        ai_op_accept(&tx, op, &op->cell[i], ai_op_served(op), now);
    }

    for (i = 0; i < 2 && op->owner[i]; i++) {
        if (ai_op_mine_is(bk, op, i)) {
            o = ai_owner_at(bk, op->owner[i]);
            ai_tx_put(&tx, &o->op, 0);
        }
    }

    return ai_tx_commit(&tx) == AI_OK ? rc : AI_DECLINED;
}
