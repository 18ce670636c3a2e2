
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


/* the number of shards comes last: who dies before it begins again */

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
