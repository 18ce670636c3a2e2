
/*
 * A history of calls on two gates against a naive model of who has what, with
 * workers that die between two of its writes.
 *
 * Whatever happens: as many are taken as there are tickets and waiters let in,
 * never more than the capacity unless that was lowered; nobody is let in twice
 * or after having left; what is dedicated stays free for those it is for; and
 * nobody waits while there is a place that is free for him.
 */


#include <stdlib.h>
#include "ai_gate_int.h"

#define CHECK(condition)                                                     \
    do { if (!(condition)) { __builtin_trap(); } } while (0)

#define GATES    2
#define PLANS    40
#define WORKERS  4
#define TOOK     512


typedef struct {
    int               live;         /* 1: waits, or is let in; 2: has a ticket */
    uint32_t          gate;
    uint32_t          waiter;
    uint64_t          deadline;
    ai_gate_ask_t     ask;
    ai_gate_ticket_t  ticket;
} took_t;


typedef struct {
    const uint8_t    *p;
    const uint8_t    *end;
    uint64_t          now;
    uint32_t          gates[GATES];
    unsigned          changed[GATES];   /* what is whose: places in use may
                                           be somebody's */
    took_t            took[TOOK];
} history_t;


static ai_gates_t  *gs;


static unsigned
byte(history_t *h)
{
    return h->p < h->end ? *h->p++ : 0;
}


static uint32_t
gate(history_t *h, unsigned n, uint32_t capacity, uint32_t queue)
{
    ai_char  id[AI_GATE_ID] = "gate";

    id[8] = (ai_char) n;

    return ai_gate_get(gs, id, capacity, queue, h->now);
}


static ai_gate_ask_t
asks(history_t *h)
{
    unsigned       n;
    ai_gate_ask_t  ask;

    n = byte(h) % PLANS;

    ask.plan = 100 + n;
    ask.tenant = byte(h) % 5;
    ask.priority = n % 3;
    ask.share = ask.priority ? 5 + n * 3 : 0;
    ask.worker = byte(h) % WORKERS;

    return ask;
}


static took_t *
took(history_t *h, int live)
{
    unsigned  i, n;

    n = byte(h);

    for (i = 0; i < TOOK; i++) {
        if (h->took[(n + i) % TOOK].live == live) {
            return &h->took[(n + i) % TOOK];
        }
    }

    return NULL;
}


/* the naive model: all is counted anew from tickets and records */

static void
check_gate(history_t *h, unsigned n)
{
    unsigned                 i, k, may;
    uint32_t                 taken, waiting, kept, left;
    const ai_gate_t         *g;
    const ai_gate_party_t   *p, *d;
    const ai_gate_waiter_t  *w;

    g = &gs->gates[h->gates[n]];
    taken = 0;
    waiting = 0;

    for (i = 0; i < TOOK; i++) {
        taken += (h->took[i].live == 2 && h->took[i].gate == n);
    }

    for (i = 0; i < AI_GATE_WAITERS; i++) {
        w = &gs->waiters[i];

        if (w->gate == h->gates[n]) {
            taken += (w->state == AI_WAITER_GRANTED);
            waiting += (w->state == AI_WAITER_WAITS);
        }
    }

    CHECK(taken == g->taken);
    CHECK(waiting == g->waiting);
    CHECK(waiting <= g->queue || h->changed[n]);

    kept = 0;

    for (i = 0; i < AI_GATE_PARTIES; i++) {
        kept += g->parties[i].reserve;
        CHECK(g->parties[i].live || g->parties[i].taken == 0);
    }

    CHECK(kept <= g->capacity);

    if (taken > g->capacity) {
        CHECK(h->changed[n]);
        return;
    }

    left = g->capacity - taken;

    for (i = 0; i < AI_GATE_PARTIES; i++) {
        p = &g->parties[i];
        kept = 0;

        for (k = 0; k < AI_GATE_PARTIES; k++) {
            d = &g->parties[k];

            if (d != p && d->taken < d->reserve) {
                kept += d->reserve - d->taken;
            }
        }

        may = left > 0 && (p->taken < p->reserve || left > kept);

        CHECK(p->waiting == 0 || !may);

        /* who has more than its own has left theirs to the others */

        CHECK(left >= kept || p->taken <= p->reserve || h->changed[n]);
    }
}


/* each stands in the line of its party, in order */

static void
check_lines(void)
{
    unsigned                 i, k, n;
    uint16_t                 at, prev;
    uint64_t                 order;
    const ai_gate_waiter_t  *w;
    const ai_gate_party_t   *p;

    n = 0;

    for (i = 0; i < gs->top; i++) {
        for (k = 0; k < AI_GATE_PARTIES; k++) {
            p = &gs->gates[i].parties[k];
            prev = AI_GATE_NIL;
            order = 0;

            for (at = p->first; at != AI_GATE_NIL; at = w->next) {
                w = &gs->waiters[at];

                CHECK(w->state == AI_WAITER_WAITS && w->prev == prev);
                CHECK(w->gate == i && w->party == k && w->order > order);

                prev = at;
                order = w->order;
                n++;
            }

            CHECK(p->last == prev);
        }
    }

    for (at = gs->free; at != AI_GATE_NIL; at = gs->waiters[at].next) {
        CHECK(gs->waiters[at].state == AI_WAITER_FREE);
        n++;
    }

    for (i = 0; i < AI_GATE_WAITERS; i++) {
        n += (gs->waiters[i].state == AI_WAITER_GRANTED);
    }

    CHECK(n == AI_GATE_WAITERS);
}


/* parties that come and go change what is whose */

static void
watch(history_t *h)
{
    unsigned         n, i;
    uint32_t         kept;
    static uint32_t  last[GATES];

    for (n = 0; n < GATES; n++) {
        kept = 0;

        for (i = 0; i < AI_GATE_PARTIES; i++) {
            kept = kept * 31 + gs->gates[h->gates[n]].parties[i].reserve;
        }

        if (kept != last[n]) {
            h->changed[n] = 1;
            last[n] = kept;
        }

        if (gs->gates[h->gates[n]].taken == 0) {
            h->changed[n] = 0;
        }
    }
}


static void
step_ask(history_t *h, unsigned join)
{
    int       rc;
    took_t   *t;
    unsigned  n;

    t = took(h, 0);
    n = byte(h) % GATES;

    if (t == NULL) {
        return;
    }

    t->ask = asks(h);
    t->gate = n;
    t->deadline = h->now + 1 + byte(h) * 4;

    if (join) {
        rc = ai_gate_join(gs, h->gates[n], &t->ask, h->now, t->deadline,
                          &t->waiter);
    } else {
        rc = ai_gate_take(gs, h->gates[n], &t->ask, h->now, &t->ticket);
    }

    CHECK(rc == AI_OK || rc == AI_BUSY);

    if (rc == AI_OK) {
        t->live = join ? 1 : 2;
    }
}


static void
step_waiter(history_t *h)
{
    int      rc;
    took_t  *t;

    t = took(h, 1);

    if (t == NULL) {
        return;
    }

    rc = ai_gate_waiter(gs, t->waiter, &t->ask, h->now, &t->ticket);

    CHECK(rc == AI_OK || rc == AI_AGAIN || rc == AI_BUSY);
    CHECK(rc != AI_AGAIN || h->now < t->deadline);

    t->live = rc == AI_OK ? 2 : rc == AI_AGAIN;

    if (rc != AI_AGAIN) {
        CHECK(ai_gate_waiter(gs, t->waiter, &t->ask, h->now, &t->ticket)
              == AI_BUSY);
    }
}


static void
step_end(history_t *h, int live)
{
    took_t  *t;

    t = took(h, live);

    if (t == NULL) {
        return;
    }

    if (live == 2) {
        ai_gate_free(gs, &t->ticket, h->now);

    } else {
        ai_gate_leave(gs, t->waiter, &t->ask, h->now);
    }

    t->live = 0;
}


static void
step_worker(history_t *h)
{
    unsigned  i, worker;
    took_t    old;

    worker = byte(h) % WORKERS;
    ai_gate_worker(gs, worker, h->now);

    for (i = 0; i < TOOK; i++) {
        if (h->took[i].live == 0 || h->took[i].ask.worker != worker) {
            continue;
        }

        /* it was not dead after all */

        old = h->took[i];
        h->took[i].live = 0;

        if (old.live == 2) {
            ai_gate_free(gs, &old.ticket, h->now);

        } else {
            ai_gate_leave(gs, old.waiter, &old.ask, h->now);
        }
    }
}


/* killed in the middle: nothing that is summed up can be trusted */

static void
step_killed(history_t *h)
{
    unsigned          i, k;
    ai_gate_party_t  *p;

    gs->busy = 1;
    gs->free = (uint16_t) byte(h);

    for (i = 0; i < gs->top; i++) {
        gs->gates[i].taken = byte(h);
        gs->gates[i].waiting = byte(h);

        for (k = 0; k < AI_GATE_PARTIES; k++) {
            p = &gs->gates[i].parties[k];

            p->taken ^= byte(h);
            p->waiting ^= byte(h);
            p->first = (uint16_t) byte(h);
            p->last = (uint16_t) byte(h);
        }
    }

    for (i = 0; i < AI_GATE_WAITERS; i++) {
        gs->waiters[i].next = (uint16_t) (i ^ h->now);
        gs->waiters[i].prev = (uint16_t) (i ^ h->now);
    }
}


static void
step(history_t *h)
{
    unsigned  n, op, capacity;

    op = byte(h) % 24;

    switch (op) {

    case 0:
        n = byte(h) % GATES;
        capacity = 1 + byte(h) % 30;
        (void) gate(h, n, capacity, byte(h) % 20);
        h->changed[n] = 1;
        break;

    case 1:
        step_worker(h);
        break;

    case 2:
        step_killed(h);
        step_ask(h, 0);
        break;

    case 3:
        h->now += byte(h) * 50000ULL;
        break;

    case 4: case 5: case 6: case 7:
        h->now += byte(h);
        break;

    case 8: case 9: case 10:
        step_end(h, 2);
        break;

    case 11:
        step_end(h, 1);
        break;

    case 12: case 13: case 14:
        step_waiter(h);
        break;

    default:
        step_ask(h, op > 19);
        break;
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned          n;
    static history_t  h;

    if (gs == NULL) {
        gs = malloc(ai_gates_size());
    }

    ai_gates_init(gs);
    memset(&h, 0, sizeof(history_t));

    h.p = data;
    h.end = data + (size < 2048 ? size : 2048);
    h.now = 1000000;

    for (n = 0; n < GATES; n++) {
        h.gates[n] = gate(&h, n, 3 + byte(&h) % 20, byte(&h) % 20);
    }

    while (h.p < h.end) {
        step(&h);
        watch(&h);

        for (n = 0; n < GATES; n++) {
            check_gate(&h, n);
        }

        check_lines();
    }

    return 0;
}
