
/*
 * Those who wait at a gate: a line for each party, in order of arrival.
 *
 * Within a party its tenants take turns: one that was let in goes behind all
 * others that wait, as does one that begins to wait.
 */


#include "ai_gate_int.h"


static void ai_gate_arrive(ai_gates_t *gs, ai_gate_party_t *p,
    ai_gate_waiter_t *new);
static int ai_gate_room(ai_gates_t *gs, ai_gate_t *g, ai_gate_party_t *p,
    uint32_t nth, uint64_t now_ms);
static void ai_gate_expire(ai_gates_t *gs, ai_gate_t *g, uint64_t now_ms);
static ai_gate_t *ai_gate_longest(ai_gates_t *gs, ai_gate_t *g);
static ai_gate_party_t *ai_gate_most(ai_gate_t *g, ai_gate_party_t *asks);
static ai_gate_waiter_t *ai_gate_last(ai_gates_t *gs, ai_gate_party_t *p);


int
ai_gate_join(ai_gates_t *gs, uint32_t gate, const ai_gate_ask_t *ask,
    uint64_t now_ms, uint64_t deadline_ms, uint32_t *waiter)
{
    ai_gate_t         *g;
    ai_gate_party_t   *p;
    ai_gate_waiter_t  *w, new;

    if (gate >= gs->top || !gs->gates[gate].live
        || ask->worker >= AI_BOOK_WORKERS)
    {
        return AI_ERROR;
    }

    ai_gate_begin(gs);

    g = &gs->gates[gate];
    p = ai_gate_party(gs, g, ask, now_ms);

    new.tenant = ask->tenant;
    ai_gate_arrive(gs, p, &new);

    if (deadline_ms <= now_ms
        || ai_gate_room(gs, g, p, new.nth, now_ms) != AI_OK)
    {
        g->refused++;
        ai_gate_end(gs);
        return AI_BUSY;
    }

    if (p->waiting == 0) {
        ai_gate_contend(g, p, now_ms);
    }

    w = &gs->waiters[gs->free];
    gs->free = w->next;

    w->tenant = ask->tenant;
    w->deadline_ms = deadline_ms;
    w->order = ++gs->order;
    w->turn = new.turn;
    w->nth = new.nth;
    w->gate = (uint16_t) gate;
    w->worker = (uint16_t) ask->worker;
    w->party = (uint8_t) (p - g->parties);

    ai_gate_barrier();
    w->state = AI_WAITER_WAITS;
    ai_gate_barrier();

    ai_gate_append(gs, w);

    *waiter = ai_gate_handle(gs, w);

    ai_gate_grant(gs, g, now_ms);

    ai_gate_end(gs);

    return AI_OK;
}


/* its turn is that of its tenant's others, or a new one */

static void
ai_gate_arrive(ai_gates_t *gs, ai_gate_party_t *p, ai_gate_waiter_t *new)
{
    uint32_t           n;
    uint16_t           i;
    ai_gate_waiter_t  *w;

    new->nth = 1;
    new->turn = ++gs->order;

    for (i = p->first, n = p->waiting; n; i = w->next, n--) {
        w = &gs->waiters[i];

        if (w->tenant == new->tenant) {
            new->nth++;
            new->turn = w->turn;
        }
    }
}


/*
 * A full line has room for a party that has less of it, by weight, than another
 * one: that one's last goes.  Within a party for a tenant that has less of it.
 */

static int
ai_gate_room(ai_gates_t *gs, ai_gate_t *g, ai_gate_party_t *p, uint32_t nth,
    uint64_t now_ms)
{
    ai_gate_t         *from;
    ai_gate_party_t   *most;
    ai_gate_waiter_t  *w;

    if (g->waiting < g->queue && gs->free != AI_GATE_NIL) {
        return AI_OK;
    }

    ai_gate_expire(gs, g, now_ms);

    if (g->waiting < g->queue && gs->free != AI_GATE_NIL) {
        return AI_OK;
    }

    from = g->waiting < g->queue ? ai_gate_longest(gs, g) : g;
    most = ai_gate_most(from, from == g ? p : NULL);

    w = ai_gate_last(gs, most);

    if (w == NULL || (most == p && w->nth <= nth)) {
        return AI_BUSY;
    }

    ai_gate_refuse(gs, w, now_ms);

    return AI_OK;
}


static void
ai_gate_expire(ai_gates_t *gs, ai_gate_t *g, uint64_t now_ms)
{
    uint32_t  i;

    for (i = 0; i < g->top; i++) {
        (void) ai_gate_pick(gs, &g->parties[i], now_ms);
    }
}


/* whose waiter makes room in the pool: that of a line longer than this one */

static ai_gate_t *
ai_gate_longest(ai_gates_t *gs, ai_gate_t *g)
{
    uint32_t    i, n;
    ai_gate_t  *most;

    most = g;
    n = g->waiting + 1;

    for (i = 0; i < gs->top; i++) {
        if (gs->gates[i].live && gs->gates[i].waiting > n) {
            most = &gs->gates[i];
            n = most->waiting;
        }
    }

    return most;
}


/* the party that has, or would have, the most of the line, by weight */

static ai_gate_party_t *
ai_gate_most(ai_gate_t *g, ai_gate_party_t *asks)
{
    uint32_t          i;
    uint64_t          n;
    ai_gate_party_t  *p, *most;

    most = asks;
    n = most ? most->waiting + 1 : 0;

    for (i = 0; i < g->top; i++) {
        p = &g->parties[i];

        if (p->waiting
            && (most == NULL
                || (uint64_t) p->waiting * most->weight > n * p->weight))
        {
            most = p;
            n = p->waiting;
        }
    }

    return most;
}


/* the last one of the tenant that has the most */

static ai_gate_waiter_t *
ai_gate_last(ai_gates_t *gs, ai_gate_party_t *p)
{
    uint32_t           n;
    uint16_t           i;
    ai_gate_waiter_t  *w, *last;

    last = NULL;

    for (i = p->first, n = p->waiting; n; i = w->next, n--) {
        w = &gs->waiters[i];

        if (last == NULL || w->nth >= last->nth) {
            last = w;
        }
    }

    return last;
}


void
ai_gate_unlink(ai_gates_t *gs, ai_gate_waiter_t *w, uint64_t now_ms)
{
    uint32_t           n;
    uint16_t           i;
    ai_gate_t         *g;
    ai_gate_party_t   *p;
    ai_gate_waiter_t  *other;

    g = ai_gate_of(gs, w);
    p = ai_gate_party_of(gs, w);

    for (i = w->next, n = p->waiting; i != AI_GATE_NIL && n; n--) {
        other = &gs->waiters[i];
        i = other->next;

        if (other->tenant == w->tenant) {
            other->nth--;
        }
    }

    if (w->prev == AI_GATE_NIL) {
        p->first = w->next;

    } else {
        gs->waiters[w->prev].next = w->next;
    }

    if (w->next == AI_GATE_NIL) {
        p->last = w->prev;

    } else {
        gs->waiters[w->next].prev = w->prev;
    }

    p->waiting--;
    g->waiting--;

    if (g->waiting == 0) {
        g->quiet_ms = now_ms;
    }
}


void
ai_gate_append(ai_gates_t *gs, ai_gate_waiter_t *w)
{
    ai_gate_party_t  *p;

    p = ai_gate_party_of(gs, w);

    w->next = AI_GATE_NIL;
    w->prev = p->last;

    if (p->last == AI_GATE_NIL) {
        p->first = (uint16_t) (w - gs->waiters);

    } else {
        gs->waiters[p->last].next = (uint16_t) (w - gs->waiters);
    }

    p->last = (uint16_t) (w - gs->waiters);

    p->waiting++;
    ai_gate_of(gs, w)->waiting++;
}


void
ai_gate_forget(ai_gates_t *gs, ai_gate_waiter_t *w)
{
    w->generation++;
    ai_gate_barrier();
    w->state = AI_WAITER_FREE;
    ai_gate_barrier();

    w->next = gs->free;
    gs->free = (uint16_t) (w - gs->waiters);
}


void
ai_gate_refuse(ai_gates_t *gs, ai_gate_waiter_t *w, uint64_t now_ms)
{
    ai_gate_of(gs, w)->refused++;

    ai_gate_unlink(gs, w, now_ms);
    ai_gate_forget(gs, w);
}
