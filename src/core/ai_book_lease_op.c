
/*
 * Operations: what is asked of the store, and what its answer changes.
 */


#include "ai_lease_int.h"


typedef struct {
    ai_tx_t               tx;
    const ai_hold_ask_t  *ask;      /* NULL: credit is given back, or told */
    const ai_now_t       *now;
    ai_lease_op_t        *op;
    int64_t               bound[AI_RES_COUNTED];
    int64_t               guess[AI_RES_COUNTED];
    unsigned              all:1;    /* no credit stays */
    unsigned              ahead:1;
    unsigned              lacks:1;  /* something is needed, or wanted */
} ai_ask_t;


/* what the node took of a bucket, and its share has not refilled yet */

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

    n = ai_sum(b.taken, cell->held);

    return n / nodes + (n % nodes > 0);
}


/* says what was spent, and what may be spent still, of one limit */

static ai_lease_cell_t *
ai_op_cell(ai_ask_t *a, unsigned party, ai_ref_t owner, const ai_credit_t *c,
    unsigned resource, unsigned period)
{
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

    if (ref) {
        bucket = ai_cell_at(a->tx.book, ref);
        cell->amount = bucket->amount;
        cell->mine = ai_op_mine(a, bucket);
    }

    return cell;
}


static void
ai_op_say(ai_ask_t *a, ai_lease_cell_t *cell, ai_ref_t lease)
{
    ai_lease_t  *ls;

    ls = ai_lease_at(a->tx.book, lease);

    cell->local = ls->state & AI_LEASE_LOCAL ? 1 : 0;
    cell->fresh = ls->state & AI_LEASE_FRESH ? 1 : 0;

    ai_tx_put(&a->tx, &ls->allow, (uint64_t) cell->sum);
    ai_tx_put32(&a->tx, &ls->window, (uint32_t) cell->window);
    ai_lease_state(&a->tx, ls, 0, AI_LEASE_TOLD);
}


/* an operation is under way from here on */

static int
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

    ai_tx_put(&a->tx, &bk->seq, op->seq);

    for (i = 0; i < 2 && op->owner[i]; i++) {
        o = ai_owner_at(bk, op->owner[i]);
        ai_tx_put(&a->tx, &o->op, op->seq);
        ai_tx_put(&a->tx, &o->op_ms, op->sent_ms);
    }

    return ai_tx_commit(&a->tx);
}


/* ---- for requests ---- */

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
    int64_t n, int64_t need)
{
    int64_t   want;
    uint64_t  lease_ms, sent_ms, since_ms;

    lease_ms = a->tx.book->lease.lease_ms;
    sent_ms = ls->until > lease_ms ? ls->until - lease_ms : 0;
    since_ms = a->now->mono_ms > sent_ms ? a->now->mono_ms - sent_ms : 0;

    want = ai_lease_want(ls->until && ls->window == c->window
                         ? ai_sum(c->spent, -ls->last) : 0,
                         since_ms, lease_ms, ls->left, a->ask->nodes,
                         c->unspent, need);

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

    cell = ai_op_cell(a, party, owner, &c, l->resource, l->period);
    cell->limit = depth;
    cell->amount = l->amount > 0 ? l->amount : 0;

    if (ai_ask_leased(a->ask, l)) {
        n = l->resource == AI_RES_CONCURRENCY ? 1
            : ai_ask_need(a->bound, a->guess, l, 1);

        cell->need = !a->ahead && n > cell->unspent ? n - cell->unspent : 0;
        cell->want = ai_op_want(a, ls, &c, n, cell->need);

        if (a->ahead ? cell->want > 0
                       || (c.unspent && ai_credit_low(a->tx.book, ls,
                                                      c.unspent,
                                                      a->now->mono_ms))
                     : cell->need > 0)
        {
            a->lacks = 1;
        }
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

    a.ask = ask;
    a.now = now;
    a.op = op;
    a.all = 0;
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


/* ---- for the keeper ---- */

static void
ai_op_owner(ai_ask_t *a, ai_ref_t owner)
{
    ai_ref_t           ref;
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

        ai_op_say(a, ai_op_cell(a, 0, owner, &c, ls->resource, ls->period),
                  ref);
    }
}


/* slots are the store's again when it hears nothing of them for long */

static int
ai_op_ended(const ai_ask_t *a, const ai_owner_t *o)
{
    ai_ref_t           ref;
    const ai_lease_t  *ls;

    for (ref = o->leases; ref; ref = ls->next) {
        ls = ai_lease_at(a->tx.book, ref);

        if ((a->all || a->now->mono_ms >= ls->until)
            && (ai_lease_owed(a->tx.book, o, ls, a->now->now_s)
                || (ls->resource == AI_RES_CONCURRENCY && o->open)))
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
        ai_op_use(a, owner, r, AI_PERIOD_MONTH);
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


/* ---- the answer ---- */

static int
ai_op_mine_is(const ai_book_t *bk, const ai_lease_op_t *op, unsigned party)
{
    return ai_owner_check(bk, op->owner[party]) == AI_OK
           && ai_owner_at(bk, op->owner[party])->op == op->seq;
}


static void
ai_op_accept(ai_tx_t *tx, const ai_lease_op_t *op,
    const ai_lease_cell_t *cell, const ai_now_t *now)
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

    granted = cell->granted < cell->want ? cell->granted : cell->want;
    granted = granted > 0 ? granted : 0;

    /* a surplus that was settled meanwhile has left "allow" already */

    allow = ai_sum(ls->allow, granted);
    told = allow == ai_sum(cell->sum, granted);
    fresh = ls->state & AI_LEASE_FRESH && !cell->fresh;

    ai_tx_put(tx, &ls->allow, (uint64_t) allow);
    ai_tx_put(tx, &ls->until,
              op->sent_ms + tx->book->lease.lease_ms * 99 / 100);

    ai_lease_state(tx, ls, told ? AI_LEASE_TOLD : 0,
                   fresh ? 0 : AI_LEASE_FRESH|AI_LEASE_OWN);

    ai_credit_get(tx->book, cell->owner, cell->resource, cell->period, now,
                  &c);
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

    for (i = 0; i < 2 && op->owner[i]; i++) {
        if (!ai_op_mine_is(bk, op, i)) {
            rc = AI_DECLINED;
        }
    }

    ai_tx_begin(&tx, bk, now->now_s, now->mono_ms);

    for (i = 0; rc == AI_OK && answered && i < op->ncells; i++) {
        ai_op_accept(&tx, op, &op->cell[i], now);
    }

    for (i = 0; i < 2 && op->owner[i]; i++) {
        if (ai_op_mine_is(bk, op, i)) {
            o = ai_owner_at(bk, op->owner[i]);
            ai_tx_put(&tx, &o->op, 0);
        }
    }

    return ai_tx_commit(&tx) == AI_OK ? rc : AI_DECLINED;
}
