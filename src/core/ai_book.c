
/*
 * The book: its layout, and the calls that change it.
 */


#include "ai_book_int.h"


/* what is shared out between the arrays at least, beyond the fixed part */
#define AI_BOOK_ROOM  65536

#define AI_BOOK_CELLS  4            /* for each owner, on average */


_Static_assert(sizeof(ai_owner_t) % 8 == 0, "owners are copied by words");
_Static_assert(sizeof(ai_cell_t) == 64, "a cell is one cache line");
_Static_assert(sizeof(ai_other_t) == sizeof(ai_cell_t)
               && offsetof(ai_other_t, next) == offsetof(ai_cell_t, next),
               "cells and what takes their place share a list");
_Static_assert(sizeof(ai_lease_t) == sizeof(ai_cell_t)
               && offsetof(ai_lease_t, next) == offsetof(ai_cell_t, next),
               "cells and what takes their place share a list");
_Static_assert(sizeof(ai_hold_t) == 128, "a hold is two cache lines");
_Static_assert(AI_BOOK_WORKERS <= 256, "a hold names its worker by a byte");


/* a change of any record makes another layout */

static uint32_t
ai_book_layout(void)
{
    uint32_t  sizes[7];

    sizes[0] = sizeof(ai_book_t);
    sizes[1] = sizeof(ai_owner_t);
    sizes[2] = sizeof(ai_cell_t);
    sizes[3] = sizeof(ai_hold_t);
    sizes[4] = AI_RES_COUNTED * 256 + AI_REFUSED_N;
    sizes[5] = sizeof(ai_lease_t) * 256 + sizeof(ai_lease_conf_t);
    sizes[6] = sizeof(ai_lease_shard_t) * 256 + sizeof(ai_lease_stat_t);

    return ai_crc32(0, sizes, sizeof(sizes));
}


size_t
ai_book_min_size(void)
{
    return sizeof(ai_book_t) + AI_BOOK_ROOM;
}


static uint64_t
ai_array_init(ai_array_t *a, uint64_t at, uint64_t max, size_t size)
{
    a->max = (uint32_t) max;
    a->top = 0;
    a->free = 0;
    a->count = 0;
    a->at = (at + 63) & ~(uint64_t) 63;

    return a->at + max * size;
}


int
ai_book_init(void *mem, size_t size, const ai_char zone_id[16])
{
    uint64_t    room, heads, owners, holds, unit, at;
    ai_book_t  *bk;

    if (size < ai_book_min_size() || (uintptr_t) mem % 64 != 0) {
        return AI_ERROR;
    }

    /* a journal entry names a word by 32 bits */

    if (size / 8 > UINT32_MAX) {
        size = (size_t) UINT32_MAX * 8;
    }

    bk = mem;
    memset(bk, 0, sizeof(ai_book_t));

    /*
     * An eighth is for holds; of the rest each owner gets its record, four
     * cells, and one or two heads of the hash.  64 bytes are left for
     * the alignment of each array.
     */

    holds = size / 8 / sizeof(ai_hold_t);
    room = size - sizeof(ai_book_t) - holds * sizeof(ai_hold_t) - 4 * 64;
    unit = sizeof(ai_owner_t) + sizeof(ai_cell_t) * AI_BOOK_CELLS
           + 2 * sizeof(ai_ref_t);
    owners = room / unit;

    for (heads = 1; heads < owners; heads *= 2) { /* void */ }

    bk->size = size;
    bk->layout = ai_book_layout();
    bk->mask = (uint32_t) (heads - 1);
    bk->heads = (sizeof(ai_book_t) + 63) & ~(uint64_t) 63;
    memcpy(bk->zone_id, zone_id, 16);

    at = bk->heads + heads * sizeof(ai_ref_t);
    at = ai_array_init(&bk->owners, at, owners, sizeof(ai_owner_t));
    at = ai_array_init(&bk->cells, at, owners * AI_BOOK_CELLS,
                       sizeof(ai_cell_t));
    ai_array_init(&bk->holds, at, holds, sizeof(ai_hold_t));

    memset(ai_head_at(bk, 0), 0, heads * sizeof(ai_ref_t));

    bk->version = AI_BOOK_VERSION;
    bk->magic = AI_BOOK_MAGIC;

    return AI_OK;
}


int
ai_book_check(const void *mem, size_t size)
{
    const ai_book_t  *bk;

    bk = mem;

    if (size < ai_book_min_size() || (uintptr_t) mem % 64 != 0) {
        return AI_ERROR;
    }

    if (size / 8 > UINT32_MAX) {
        size = (size_t) UINT32_MAX * 8;
    }

    if (bk->magic != AI_BOOK_MAGIC || bk->version != AI_BOOK_VERSION
        || bk->layout != ai_book_layout() || bk->size != size)
    {
        return AI_ERROR;
    }

    return AI_OK;
}


int
ai_book_recover(ai_book_t *bk)
{
    if (!ai_journal_open(ai_book_journal(bk))) {
        return AI_OK;
    }

    bk->recovered++;
    ai_journal_undo(ai_book_journal(bk), bk->size);

    return AI_DONE;
}


const ai_char *
ai_book_zone_id(const ai_book_t *bk)
{
    return bk->zone_id;
}


void
ai_tx_begin(ai_tx_t *tx, ai_book_t *bk, uint64_t now_s, uint64_t mono_ms)
{
    ai_book_recover(bk);

    tx->book = bk;
    tx->writes.n = 0;
    tx->hand = bk->hand;
    tx->steps = AI_BOOK_STEPS;
    tx->pin[0] = 0;
    tx->pin[1] = 0;
    tx->now_s = now_s;
    tx->mono_ms = mono_ms;
    tx->writes.full = 0;
}


int
ai_tx_commit(ai_tx_t *tx)
{
    if (tx->mono_ms > tx->book->mono_ms) {
        ai_tx_put(tx, &tx->book->mono_ms, tx->mono_ms);
    }

    ai_tx_put32(tx, &tx->book->hand, tx->hand);

    if (tx->writes.full) {
        ai_tx_undo(tx);
        return AI_ERROR;
    }

    ai_journal_commit(ai_book_journal(tx->book), &tx->writes);

    return AI_OK;
}


/*
 * The next search goes on behind the owners that this one has seen in vain:
 * "hand" alone is kept.
 */

void
ai_tx_undo(ai_tx_t *tx)
{
    ai_journal_undo(ai_book_journal(tx->book), tx->book->size);

    tx->writes.n = 0;
    tx->writes.full = 0;

    if (tx->hand != tx->book->hand) {
        ai_tx_put32(tx, &tx->book->hand, tx->hand);
        ai_journal_commit(ai_book_journal(tx->book), &tx->writes);
    }
}


ai_ref_t
ai_array_take(ai_tx_t *tx, ai_array_t *a, ai_ref_t next)
{
    ai_ref_t  ref;

    ref = a->free;

    if (ref) {
        ai_tx_put32(tx, &a->free, next);

    } else if (a->top < a->max) {
        ref = a->top + 1;
        ai_tx_put32(tx, &a->top, ref);

    } else {
        return 0;
    }

    ai_tx_put32(tx, &a->count, a->count + 1);

    return ref;
}


void
ai_array_give(ai_tx_t *tx, ai_array_t *a, ai_ref_t ref, ai_ref_t *next)
{
    ai_tx_put32(tx, next, a->free);
    ai_tx_put32(tx, &a->free, ref);
    ai_tx_put32(tx, &a->count, a->count - 1);
}
