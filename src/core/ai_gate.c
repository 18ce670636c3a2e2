
/*
 * Gates: which there are, and places taken and given back.
 */


#include "ai_gate_int.h"


static ai_gate_t *ai_gate_room(ai_gates_t *gs, uint64_t now_ms);
static void ai_gate_make(ai_gates_t *gs, ai_gate_t *g,
    const ai_char id[AI_GATE_ID]);


size_t
ai_gates_size(void)
{
    return sizeof(ai_gates_t);
}


void
ai_gates_init(ai_gates_t *gs)
{
    memset(gs, 0, sizeof(ai_gates_t));

    gs->magic = AI_GATE_MAGIC;
    gs->version = AI_GATES_VERSION;

    ai_gate_mend(gs);
}


int
ai_gates_check(const ai_gates_t *gs)
{
    return gs->magic == AI_GATE_MAGIC && gs->version == AI_GATES_VERSION
           ? AI_OK : AI_ERROR;
}


void
ai_gate_begin(ai_gates_t *gs)
{
    if (gs->busy) {
        ai_gate_mend(gs);
    }

    gs->busy = 1;
    ai_gate_barrier();
}


static ai_gate_t *
ai_gate_at(ai_gates_t *gs, uint32_t gate)
{
    return gate < gs->top && gs->gates[gate].live ? &gs->gates[gate] : NULL;
}


uint32_t
ai_gate_get(ai_gates_t *gs, const ai_char id[AI_GATE_ID], uint32_t capacity,
    uint32_t queue, uint64_t now_ms)
{
    uint32_t    i;
    ai_gate_t  *g;

    if (capacity == 0) {
        return AI_GATE_NONE;
    }

    ai_gate_begin(gs);

    g = NULL;

    for (i = 0; i < gs->top; i++) {
        if (gs->gates[i].live && memcmp(gs->gates[i].id, id, AI_GATE_ID) == 0) {
            g = &gs->gates[i];
            break;
        }
    }

    if (g == NULL) {
        g = ai_gate_room(gs, now_ms);

        if (g == NULL) {
            ai_gate_end(gs);
            return AI_GATE_NONE;
        }

        ai_gate_make(gs, g, id);
    }

    g->capacity = capacity < AI_GATE_CAPACITY ? capacity : AI_GATE_CAPACITY;
    g->queue = queue;
    g->used_ms = now_ms;

    for (i = 0; i < AI_GATE_PARTIES; i++) {
        g->parties[i].kept = 0;
    }

    ai_gate_sweep(gs, g, now_ms);
    ai_gate_weigh(g);
    ai_gate_grant(gs, g, now_ms);

    ai_gate_end(gs);

    return (uint32_t) (g - gs->gates);
}


/* one that was never used, or else the longest unused one; one that was asked
   for at this very time is of the same configuration */

static ai_gate_t *
ai_gate_room(ai_gates_t *gs, uint64_t now_ms)
{
    uint32_t    i;
    ai_gate_t  *g, *oldest;

    if (gs->top < AI_GATES_MAX) {
        return &gs->gates[gs->top++];
    }

    oldest = NULL;

    for (i = 0; i < AI_GATES_MAX; i++) {
        g = &gs->gates[i];

        if (!g->live) {
            return g;
        }

        if (g->taken == 0 && g->waiting == 0 && g->used_ms < now_ms
            && (oldest == NULL || g->used_ms < oldest->used_ms))
        {
            oldest = g;
        }
    }

    return oldest;
}


static void
ai_gate_make(ai_gates_t *gs, ai_gate_t *g, const ai_char id[AI_GATE_ID])
{
    uint32_t  i;

    for (i = 1; g->live && i < AI_GATE_PARTIES; i++) {
        if (g->parties[i].live) {
            gs->rows_used[g->parties[i].row] = 0;
        }
    }

    g->live = 0;
    ai_gate_barrier();

    memset(g, 0, sizeof(ai_gate_t));
    memcpy(g->id, id, AI_GATE_ID);
    g->mean = AI_GATE_MEAN * 16;
    g->top = 1;

    for (i = 0; i < AI_GATE_PARTIES; i++) {
        g->parties[i].first = AI_GATE_NIL;
        g->parties[i].last = AI_GATE_NIL;
    }

    g->parties[0].row = (uint16_t) (g - gs->gates);

    ai_gate_barrier();
    g->live = 1;
}


void
ai_gate_plan(ai_gates_t *gs, uint32_t gate, const ai_gate_ask_t *ask,
    uint64_t now_ms)
{
    ai_gate_t        *g;
    ai_gate_party_t  *p;

    ai_gate_begin(gs);

    g = ai_gate_at(gs, gate);

    if (g) {
        p = ai_gate_party(gs, g, ask, now_ms);
        p->kept = (p != g->parties);

        ai_gate_grant(gs, g, now_ms);
    }

    ai_gate_end(gs);
}


int
ai_gate_take(ai_gates_t *gs, uint32_t gate, const ai_gate_ask_t *ask,
    uint64_t now_ms, ai_gate_ticket_t *ticket)
{
    int               rc;
    uint32_t         *held;
    ai_gate_t        *g;
    ai_gate_party_t  *p;

    ai_gate_begin(gs);

    g = ai_gate_at(gs, gate);

    if (g == NULL || ask->worker >= AI_BOOK_WORKERS) {
        ai_gate_end(gs);
        return AI_ERROR;
    }

    p = ai_gate_party(gs, g, ask, now_ms);

    if (g->waiting && g->taken < g->capacity) {
        ai_gate_grant(gs, g, now_ms);
    }

    held = &gs->rows[p->row][ask->worker];
    rc = AI_BUSY;

    if (p->waiting == 0 && ai_gate_may(g, p)) {
        ai_gate_taken(g, p, now_ms);
        (*held)++;
        g->passed++;

        ticket->gate = gate;
        ticket->party = (uint16_t) (p - g->parties);
        ticket->worker = (uint16_t) ask->worker;
        ticket->epoch = gs->epochs[ask->worker];

        rc = AI_OK;
    }

    ai_gate_end(gs);

    return rc;
}


void
ai_gate_free(ai_gates_t *gs, const ai_gate_ticket_t *ticket, uint64_t now_ms)
{
    uint32_t         *held;
    ai_gate_t        *g;
    ai_gate_party_t  *p;

    ai_gate_begin(gs);

    g = ai_gate_at(gs, ticket->gate);

    if (g && ticket->party < AI_GATE_PARTIES
        && ticket->worker < AI_BOOK_WORKERS
        && ticket->epoch == gs->epochs[ticket->worker])
    {
        p = &g->parties[ticket->party];
        held = &gs->rows[p->row][ticket->worker];

        if (p->live && *held) {
            (*held)--;
            ai_gate_freed(g, p, now_ms);
            ai_gate_grant(gs, g, now_ms);
        }
    }

    ai_gate_end(gs);
}


void
ai_gate_worker(ai_gates_t *gs, uint32_t worker, uint64_t now_ms)
{
    uint32_t           i;
    ai_gate_waiter_t  *w;

    if (worker >= AI_BOOK_WORKERS) {
        return;
    }

    ai_gate_begin(gs);

    gs->epochs[worker]++;

    for (i = 0; i < AI_GATE_ROWS; i++) {
        gs->rows[i][worker] = 0;
    }

    for (i = 0; i < AI_GATE_WAITERS; i++) {
        w = &gs->waiters[i];

        if (w->state != AI_WAITER_FREE && w->worker == worker) {
            w->generation++;
            w->state = AI_WAITER_FREE;
        }
    }

    ai_gate_mend(gs);

    for (i = 0; i < gs->top; i++) {
        if (gs->gates[i].live) {
            ai_gate_grant(gs, &gs->gates[i], now_ms);
        }
    }

    ai_gate_end(gs);
}


void
ai_gate_view(const ai_gates_t *gs, uint32_t gate, ai_gate_view_t *view)
{
    const ai_gate_t  *g;

    memset(view, 0, sizeof(ai_gate_view_t));

    if (gate >= gs->top || !gs->gates[gate].live) {
        return;
    }

    g = &gs->gates[gate];

    view->capacity = g->capacity;
    view->taken = g->taken;
    view->waiting = g->waiting;
    view->passed = g->passed;
    view->waited = g->waited;
    view->refused = g->refused;
}
