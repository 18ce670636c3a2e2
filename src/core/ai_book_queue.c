
/*
 * Places of those that wait for a slot of a concurrency limit.
 */


#include "ai_lease_int.h"


int
ai_book_queue(ai_book_t *bk, const ai_hold_ask_t *ask, unsigned party,
    uint32_t max, const ai_now_t *now, ai_ref_t *place)
{
    ai_tx_t      tx;
    ai_ref_t     owner, ref;
    ai_hold_t    h;
    ai_owner_t  *o;

    if (party >= ask->nparty || party > 1 || ask->worker >= AI_BOOK_WORKERS
        || bk->workers[ask->worker].pid == 0)
    {
        return AI_ERROR;
    }

    ai_tx_begin(&tx, bk, now->now_s, now->mono_ms);

    owner = ai_owner_get(&tx, &ask->party[party].id);

    if (owner == 0) {
        ai_tx_undo(&tx);
        return AI_ERROR;
    }

    o = ai_owner_at(bk, owner);

    if (o->queued >= max) {
        ai_tx_undo(&tx);
        return AI_BUSY;
    }

    ai_owner_hash(&tx, owner, ai_lease_hash(&ask->party[0].id));
    ai_tx_put32(&tx, &o->queued, o->queued + 1);

    memset(&h, 0, sizeof(ai_hold_t));
    h.owner[0] = owner;
    h.segment = ask->segment;
    h.slot = ask->slot;
    h.worker = (uint8_t) ask->worker;
    h.live = AI_HOLD_PLACE;

    ref = ai_hold_make(&tx, &h);

    if (ref == 0 || ai_tx_commit(&tx) != AI_OK) {
        ai_tx_undo(&tx);
        return AI_ERROR;
    }

    *place = ref;

    return AI_OK;
}


void
ai_book_unqueue(ai_book_t *bk, ai_ref_t place)
{
    ai_tx_t      tx;
    ai_owner_t  *o;

    if (place == 0 || place > bk->holds.top
        || ai_hold_at(bk, place)->live != AI_HOLD_PLACE)
    {
        return;
    }

    ai_tx_begin(&tx, bk, 0, 0);

    o = ai_owner_at(bk, ai_hold_at(bk, place)->owner[0]);
    ai_tx_put32(&tx, &o->queued, o->queued - 1);
    ai_hold_free(&tx, place);

    (void) ai_tx_commit(&tx);
}
