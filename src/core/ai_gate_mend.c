
/*
 * Gates after a process was killed under the lock: what can be summed up is
 * summed up from the rows and the waiters.
 */


#include "ai_gate_int.h"


static void ai_gate_mend_gate(ai_gates_t *gs, ai_gate_t *g);
static void ai_gate_mend_waiter(ai_gates_t *gs, ai_gate_waiter_t *w);


void
ai_gate_mend(ai_gates_t *gs)
{
    uint32_t           i;
    ai_gate_waiter_t  *w;

    memset(gs->rows_used, 0, sizeof(gs->rows_used));
    gs->free = AI_GATE_NIL;

    for (i = 0; i < gs->top; i++) {
        ai_gate_mend_gate(gs, &gs->gates[i]);
    }

    for (i = AI_GATE_WAITERS; i; i--) {
        w = &gs->waiters[i - 1];

        if (w->state != AI_WAITER_FREE) {
            ai_gate_mend_waiter(gs, w);

        } else {
            w->next = gs->free;
            gs->free = (uint16_t) (i - 1);
        }
    }
}


static void
ai_gate_mend_gate(ai_gates_t *gs, ai_gate_t *g)
{
    uint32_t          i, n;
    ai_gate_party_t  *p;

    g->taken = 0;
    g->waiting = 0;
    g->top = 1;

    for (i = 0; i < AI_GATE_PARTIES; i++) {
        p = &g->parties[i];

        p->taken = 0;
        p->waiting = 0;
        p->first = AI_GATE_NIL;
        p->last = AI_GATE_NIL;

        if (!p->live || !g->live) {
            p->kept = 0;
            continue;
        }

        gs->rows_used[p->row] = 1;
        g->top = i + 1;

        for (n = 0; n < AI_BOOK_WORKERS; n++) {
            p->taken += gs->rows[p->row][n];
        }

        g->taken += p->taken;
    }

    if (g->live) {
        ai_gate_weigh(g);
    }
}


/* it goes before those that came later */

static void
ai_gate_mend_waiter(ai_gates_t *gs, ai_gate_waiter_t *w)
{
    uint16_t           i;
    ai_gate_party_t   *p;
    ai_gate_waiter_t  *at;

    p = ai_gate_party_of(gs, w);

    if (w->state == AI_WAITER_GRANTED) {
        p->taken++;
        ai_gate_of(gs, w)->taken++;
        return;
    }

    ai_gate_append(gs, w);

    i = (uint16_t) (w - gs->waiters);

    while (w->prev != AI_GATE_NIL
           && gs->waiters[w->prev].order > w->order)
    {
        at = &gs->waiters[w->prev];

        at->next = w->next;
        w->prev = at->prev;

        if (at->next == AI_GATE_NIL) {
            p->last = (uint16_t) (at - gs->waiters);

        } else {
            gs->waiters[at->next].prev = (uint16_t) (at - gs->waiters);
        }

        if (w->prev == AI_GATE_NIL) {
            p->first = i;

        } else {
            gs->waiters[w->prev].next = i;
        }

        w->next = (uint16_t) (at - gs->waiters);
        at->prev = i;
    }
}
