
/*
 * What other nodes used: folded into an owner's windows, and remembered, so
 * that it can be replaced.
 */


#include "ai_book_int.h"


/* windows that begin later than this are the error of a clock */
#define AI_BASE_AHEAD  86400


static int64_t
ai_base_clamp(int64_t n)
{
    if (n > AI_BASE_MAX) {
        return AI_BASE_MAX;
    }

    return n < -AI_BASE_MAX ? -AI_BASE_MAX : n;
}


static int
ai_base_empty(const int64_t *used)
{
    unsigned  i;

    for (i = 0; i < AI_RES_COUNTED; i++) {
        if (used[i]) {
            return 0;
        }
    }

    return 1;
}


static ai_ref_t
ai_other_find(const ai_book_t *bk, ai_ref_t owner, unsigned which)
{
    ai_ref_t  ref;

    for (ref = ai_owner_at(bk, owner)->others;
         ref;
         ref = ai_other_at(bk, ref)->next)
    {
        if (ai_other_at(bk, ref)->which == which) {
            return ref;
        }
    }

    return 0;
}


static ai_ref_t
ai_other_make(ai_tx_t *tx, ai_ref_t owner, unsigned which)
{
    ai_ref_t     ref;
    ai_other_t   other;
    ai_owner_t  *o;

    ref = ai_cell_new(tx);

    if (ref == 0) {
        return 0;
    }

    o = ai_owner_at(tx->book, owner);

    memset(&other, 0, sizeof(ai_other_t));
    other.next = o->others;
    other.which = which;

    ai_tx_copy(tx, ai_other_at(tx->book, ref), &other, sizeof(ai_other_t));
    ai_tx_put32(tx, &o->others, ref);

    return ref;
}


static int
ai_base_window(ai_tx_t *tx, ai_ref_t owner, unsigned which, uint64_t id,
    const int64_t *used)
{
    int64_t       n, old;
    unsigned      i;
    ai_ref_t      ref;
    ai_other_t   *other;
    ai_window_t  *w;

    w = &ai_owner_at(tx->book, owner)->window[which];

    if (id < w->id || id > ai_window_id(which, tx->now_s + AI_BASE_AHEAD)) {
        return AI_OK;
    }

    ref = ai_other_find(tx->book, owner, which);

    if (ref == 0) {

        if (ai_base_empty(used)) {
            return AI_OK;
        }

        ref = ai_other_make(tx, owner, which);

        if (ref == 0) {
            return AI_ERROR;
        }
    }

    /* others have begun it already */

    if (id > w->id) {
        ai_window_begin(tx, ai_owner_at(tx->book, owner), which, id);
    }

    other = ai_other_at(tx->book, ref);

    for (i = 0; i < AI_RES_COUNTED; i++) {
        n = ai_base_clamp(used[i]);
        old = other->id == id ? other->used[i] : 0;

        ai_tx_put(tx, &w->used[i], (uint64_t) ai_sum(w->used[i], n - old));
        ai_tx_put(tx, &other->used[i], (uint64_t) n);
    }

    ai_tx_put(tx, &other->id, id);

    return AI_OK;
}


static int
ai_base_owner(ai_tx_t *tx, const ai_owner_id_t *id, const ai_base_t *base)
{
    int64_t      cost;
    ai_ref_t     ref;
    ai_owner_t  *o;

    cost = ai_base_clamp(base->cost);

    ref = ai_book_owner_find(tx->book, id);

    if (ref == 0) {

        if (cost == 0 && ai_base_empty(base->used_day)
            && ai_base_empty(base->used_month))
        {
            return AI_OK;
        }

        ref = ai_owner_get(tx, id);

        if (ref == 0) {
            return AI_ERROR;
        }
    }

    tx->pin[0] = ref;

    ai_owner_roll(tx, ref, tx->now_s);

    if (ai_base_window(tx, ref, AI_WINDOW_DAY, base->day, base->used_day)
        != AI_OK
        || ai_base_window(tx, ref, AI_WINDOW_MONTH, base->month,
                          base->used_month)
           != AI_OK)
    {
        return AI_ERROR;
    }

    o = ai_owner_at(tx->book, ref);
    ai_tx_put(tx, &o->cost_others, (uint64_t) cost);

    if (cost) {
        ai_tx_put32(tx, &o->kept, 1);
    }

    return AI_OK;
}


int
ai_book_base(ai_book_t *bk, const ai_owner_id_t *id, const ai_base_t *base,
    const ai_now_t *now)
{
    ai_tx_t  tx;

    ai_tx_begin(&tx, bk, now->now_s, now->mono_ms);

    if (ai_base_owner(&tx, id, base) != AI_OK) {
        ai_tx_undo(&tx);
        return AI_ERROR;
    }

    return ai_tx_commit(&tx);
}
