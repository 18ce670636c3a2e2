
/*
 * Waiting at a gate: whose turn it is, and its end.
 */


#include "ai_gate_int.h"


static ai_gate_waiter_t *ai_gate_waiter_at(ai_gates_t *gs, uint32_t waiter,
    const ai_gate_ask_t *ask);
static void ai_gate_fetch(ai_gates_t *gs, ai_gate_waiter_t *w,
    ai_gate_ticket_t *ticket);
static void ai_gate_turn(ai_gates_t *gs, ai_gate_party_t *p,
    uint64_t tenant);


int
ai_gate_waiter(ai_gates_t *gs, uint32_t waiter, const ai_gate_ask_t *ask,
    uint64_t now_ms, ai_gate_ticket_t *ticket)
{
    int                rc;
    ai_gate_t         *g;
    ai_gate_waiter_t  *w;

    ai_gate_begin(gs);

    w = ai_gate_waiter_at(gs, waiter, ask);

    if (w == NULL) {
        ai_gate_end(gs);
        return waiter == AI_GATE_NONE ? AI_ERROR : AI_BUSY;
    }

    g = ai_gate_of(gs, w);

    if (w->state == AI_WAITER_WAITS) {
        ai_gate_grant(gs, g, now_ms);
    }

    w = ai_gate_waiter_at(gs, waiter, ask);

    if (w == NULL) {
        rc = AI_BUSY;

    } else if (w->state == AI_WAITER_GRANTED) {
        ai_gate_fetch(gs, w, ticket);
        rc = AI_OK;

    } else if (now_ms >= w->deadline_ms) {
        ai_gate_refuse(gs, w, now_ms);
        rc = AI_BUSY;

    } else {
        rc = AI_AGAIN;
    }

    ai_gate_end(gs);

    return rc;
}


/* NULL: it is no more */

static ai_gate_waiter_t *
ai_gate_waiter_at(ai_gates_t *gs, uint32_t waiter, const ai_gate_ask_t *ask)
{
    ai_gate_waiter_t  *w;

    w = &gs->waiters[waiter % AI_GATE_WAITERS];

    if (w->state == AI_WAITER_FREE || w->worker != ask->worker
        || ai_gate_handle(gs, w) != waiter)
    {
        return NULL;
    }

    return w;
}


/* from now on the place is counted in its worker's row */

static void
ai_gate_fetch(ai_gates_t *gs, ai_gate_waiter_t *w, ai_gate_ticket_t *ticket)
{
    ai_gate_t  *g;

    g = ai_gate_of(gs, w);

    ticket->gate = w->gate;
    ticket->party = w->party;
    ticket->worker = w->worker;
    ticket->epoch = gs->epochs[w->worker];

    g->passed++;
    g->waited++;

    gs->rows[ai_gate_party_of(gs, w)->row][w->worker]++;
    ai_gate_forget(gs, w);
}


void
ai_gate_leave(ai_gates_t *gs, uint32_t waiter, const ai_gate_ask_t *ask,
    uint64_t now_ms)
{
    ai_gate_t         *g;
    ai_gate_party_t   *p;
    ai_gate_waiter_t  *w;

    ai_gate_begin(gs);

    w = ai_gate_waiter_at(gs, waiter, ask);

    if (w) {
        g = ai_gate_of(gs, w);
        p = ai_gate_party_of(gs, w);

        if (w->state == AI_WAITER_WAITS) {
            ai_gate_unlink(gs, w, now_ms);
            ai_gate_forget(gs, w);

        } else {
            ai_gate_forget(gs, w);
            ai_gate_freed(g, p, now_ms);
        }

        ai_gate_grant(gs, g, now_ms);
    }

    ai_gate_end(gs);
}


void
ai_gate_grant(ai_gates_t *gs, ai_gate_t *g, uint64_t now_ms)
{
    ai_gate_party_t   *p;
    ai_gate_waiter_t  *w;

    while (g->waiting && g->taken < g->capacity) {

        p = ai_gate_choose(g, now_ms);

        if (p == NULL) {
            return;
        }

        w = ai_gate_pick(gs, p, now_ms);

        if (w == NULL) {
            continue;
        }

        ai_gate_unlink(gs, w, now_ms);
        ai_gate_turn(gs, p, w->tenant);
        ai_gate_taken(g, p, now_ms);

        ai_gate_barrier();
        w->state = AI_WAITER_GRANTED;
    }
}


ai_gate_waiter_t *
ai_gate_pick(ai_gates_t *gs, ai_gate_party_t *p, uint64_t now_ms)
{
    uint32_t           n;
    uint16_t           i, next;
    ai_gate_waiter_t  *w, *best;

    best = NULL;

    for (i = p->first, n = p->waiting; n; i = next, n--) {
        w = &gs->waiters[i];
        next = w->next;

        if (now_ms >= w->deadline_ms) {
            ai_gate_refuse(gs, w, now_ms);

        } else if (best == NULL || w->turn < best->turn) {
            best = w;
        }
    }

    return best;
}


/* the others of this tenant wait for the next turn, behind all tenants */

static void
ai_gate_turn(ai_gates_t *gs, ai_gate_party_t *p, uint64_t tenant)
{
    uint32_t           n;
    uint16_t           i;
    uint64_t           turn;
    ai_gate_waiter_t  *w;

    turn = ++gs->order;

    for (i = p->first, n = p->waiting; n; i = w->next, n--) {
        w = &gs->waiters[i];

        if (w->tenant == tenant) {
            w->turn = turn;
        }
    }
}
