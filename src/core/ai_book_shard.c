
/*
 * What the book knows of the store: its settings, the shards, and figures.
 */


#include "ai_lease_int.h"


/* credit of other shards than those that are asked from now on */

static void
ai_lease_forget(ai_tx_t *tx, ai_ref_t owner)
{
    ai_ref_t     ref;
    ai_owner_t  *o;
    ai_lease_t  *ls;

    o = ai_owner_at(tx->book, owner);

    for (ref = o->leases; ref; ref = ls->next) {
        ls = ai_lease_at(tx->book, ref);

        ai_tx_put(tx, &ls->until, 0);
        ai_tx_put(tx, &ls->left, (uint64_t) INT64_MIN);
        ai_lease_state(tx, ls, ls->period < AI_PERIOD_BUCKETS
                               ? AI_LEASE_FRESH : 0, AI_LEASE_TOLD);
    }

    ai_tx_put(tx, &o->op, 0);
}


static void
ai_lease_forget_all(ai_book_t *bk)
{
    unsigned  i;
    ai_tx_t   tx;
    ai_ref_t  ref;

    for (ref = 1; ref <= bk->owners.top; ref++) {
        if (ai_owner_check(bk, ref) == AI_OK && ai_owner_at(bk, ref)->leases) {
            ai_tx_begin(&tx, bk, 0, 0);
            ai_lease_forget(&tx, ref);
            (void) ai_tx_commit(&tx);
        }
    }

    ai_tx_begin(&tx, bk, 0, 0);

    for (i = 0; i < sizeof(bk->shards) / 8; i++) {
        ai_tx_put(&tx, (ai_word_t *) (void *) bk->shards + i, 0);
    }

    (void) ai_tx_commit(&tx);
}


/*
 * What was taken of the buckets, in the measure of so many nodes: the whole of
 * one is a share of it from now on, or the other way round.
 */

static void
ai_share_scale(ai_tx_t *tx, ai_ref_t owner, int64_t from, int64_t to)
{
    int64_t      most;
    __int128     n;
    ai_ref_t     ref;
    ai_cell_t   *cell;
    ai_limit_t   limit;
    ai_bucket_t  b;

    for (ref = ai_owner_at(tx->book, owner)->cells; ref; ref = cell->next) {
        cell = ai_cell_at(tx->book, ref);

        ai_cell_limit(cell, &limit);
        b = cell->bucket;
        ai_bucket_refill(&b, &limit, tx->book->mono_ms);

        n = ((__int128) b.taken * to + from - 1) / from;
        most = ai_share(cell->burst > 0 ? cell->burst : 0, to);
        most = b.taken > most ? b.taken : most;
        b.taken = n < most ? (int64_t) n : most;
        b.rem = 0;

        ai_tx_copy(tx, &cell->bucket, &b, sizeof(ai_bucket_t));
    }
}


static void
ai_share_scale_all(ai_book_t *bk, uint32_t from, uint32_t to)
{
    ai_tx_t   tx;
    ai_ref_t  ref;

    from = from ? from : 1;
    to = to ? to : 1;

    for (ref = 1; from != to && ref <= bk->owners.top; ref++) {
        if (ai_owner_check(bk, ref) == AI_OK && ai_owner_at(bk, ref)->cells) {
            ai_tx_begin(&tx, bk, 0, 0);
            ai_share_scale(&tx, ref, from, to);
            (void) ai_tx_commit(&tx);
        }
    }
}


/* the settings come last: who dies before it begins again */

void
ai_lease_conf(ai_book_t *bk, const ai_lease_conf_t *conf)
{
    ai_tx_t          tx;
    ai_lease_conf_t  c;

    c = *conf;
    c.nodes = c.nodes < AI_LEASE_NODES ? c.nodes : AI_LEASE_NODES;
    c.shards = c.shards < AI_LEASE_SHARDS ? c.shards : AI_LEASE_SHARDS;

    ai_book_recover(bk);

    if (bk->lease.shards && c.shards && bk->lease.shards != c.shards) {
        ai_lease_forget_all(bk);
    }

    if (c.shards == 0) {
        c.shards = bk->lease.shards;
    }

    ai_share_scale_all(bk, bk->lease.nodes, c.nodes);

    ai_tx_begin(&tx, bk, 0, 0);
    ai_tx_copy(&tx, &bk->lease, &c, sizeof(ai_lease_conf_t));
    (void) ai_tx_commit(&tx);
}


void
ai_lease_shard_get(const ai_book_t *bk, uint32_t shard, ai_lease_shard_t *sh)
{
    size_t            i;
    ai_word_t        *to;
    const ai_word_t  *from;

    to = (ai_word_t *) (void *) sh;
    from = (const ai_word_t *) (const void *)
           &bk->shards[shard & (AI_LEASE_SHARDS - 1)];

    for (i = 0; i < sizeof(ai_lease_shard_t) / 8; i++) {
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
}


void
ai_lease_shard_set(ai_book_t *bk, uint32_t shard, const ai_lease_shard_t *sh)
{
    ai_tx_t  tx;

    ai_tx_begin(&tx, bk, 0, 0);
    ai_tx_copy(&tx, &bk->shards[shard & (AI_LEASE_SHARDS - 1)], sh,
               sizeof(ai_lease_shard_t));
    (void) ai_tx_commit(&tx);
}


ai_lease_stat_t *
ai_lease_stat(ai_book_t *bk)
{
    return &bk->lease_stat;
}
