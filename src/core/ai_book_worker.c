
/*
 * The table of workers, and the holds of each.
 */


#include "ai_book_int.h"


#define AI_HOLD_END  UINT32_MAX     /* of an iteration */


int
ai_book_worker(ai_book_t *bk, uint32_t pid, uint64_t start)
{
    int           i, place;
    ai_tx_t       tx;
    ai_worker_t  *wk;

    if (pid == 0) {
        return AI_ERROR;
    }

    place = AI_ERROR;

    for (i = AI_BOOK_WORKERS - 1; i >= 0; i--) {
        wk = &bk->workers[i];

        if (wk->pid == pid && wk->start == start) {
            return i;
        }

        if (wk->pid == 0) {
            place = i;
        }
    }

    if (place == AI_ERROR) {
        return AI_ERROR;
    }

    ai_tx_begin(&tx, bk, 0, 0);

    wk = &bk->workers[place];
    ai_tx_put(&tx, &wk->start, start);
    ai_tx_put32(&tx, &wk->pid, pid);

    return ai_tx_commit(&tx) == AI_OK ? place : AI_ERROR;
}


int
ai_book_worker_get(const ai_book_t *bk, unsigned worker, uint32_t *pid,
    uint64_t *start)
{
    if (worker >= AI_BOOK_WORKERS || bk->workers[worker].pid == 0) {
        return AI_DECLINED;
    }

    *pid = bk->workers[worker].pid;
    *start = bk->workers[worker].start;

    return AI_OK;
}


/*
 * *at is the hold to come, so that the one just returned may be settled before
 * the next call.  When another process has settled the hold to come, the
 * iteration begins anew.
 */

int
ai_book_worker_hold(const ai_book_t *bk, unsigned worker, ai_ref_t *at,
    ai_hold_view_t *view)
{
    ai_ref_t          ref;
    const ai_hold_t  *h;

    if (worker >= AI_BOOK_WORKERS || *at == AI_HOLD_END) {
        return AI_DECLINED;
    }

    ref = *at;

    if (ref == 0 || ref > bk->holds.top || !ai_hold_at(bk, ref)->live
        || ai_hold_at(bk, ref)->worker != worker)
    {
        ref = bk->workers[worker].holds;
    }

    if (ref == 0) {
        *at = AI_HOLD_END;
        return AI_DECLINED;
    }

    h = ai_hold_at(bk, ref);

    view->hold = ref;
    view->segment = h->segment;
    view->slot = h->slot;

    *at = h->next ? h->next : AI_HOLD_END;

    return AI_OK;
}


void
ai_book_worker_free(ai_book_t *bk, unsigned worker)
{
    ai_tx_t       tx;
    ai_worker_t  *wk;

    if (worker >= AI_BOOK_WORKERS || bk->workers[worker].holds) {
        return;
    }

    ai_tx_begin(&tx, bk, 0, 0);

    wk = &bk->workers[worker];
    ai_tx_put32(&tx, &wk->pid, 0);
    ai_tx_put(&tx, &wk->start, 0);

    (void) ai_tx_commit(&tx);
}
