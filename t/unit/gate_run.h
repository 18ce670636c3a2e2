
/*
 * Loads on a gate in simulated time: each wants so many requests at once, of
 * several tenants, each of which holds its place for about so long.
 */


#ifndef GATE_RUN_H
#define GATE_RUN_H


#include <stdio.h>
#include "ai_gate.h"


#define GATE_RUN_LOADS  8
#define GATE_RUN_MAX    60          /* requests of a load */
#define GATE_RUN_POLL   5           /* ms */


typedef struct {
    uint32_t          waiter;       /* AI_GATE_NONE: it has a place, or is
                                       idle */
    ai_gate_ticket_t  ticket;
    uint64_t          since;
    uint64_t          until;        /* its place; 0: has none */
    uint64_t          tenant;
} gate_run_request_t;


typedef struct {
    ai_gate_ask_t     ask;
    unsigned          tenants;
    unsigned          want;
    uint32_t          ms;
    unsigned          taken;
    uint64_t          area;         /* places times ms */
    uint64_t          longest;      /* wait */
    uint64_t          served;
    gate_run_request_t  requests[GATE_RUN_MAX];
} gate_run_load_t;


typedef struct {
    ai_gates_t       *gs;
    uint32_t          gate;
    uint64_t          now;
    uint64_t          since;
    uint64_t          random;
    unsigned          n;
    gate_run_load_t   loads[GATE_RUN_LOADS];
} gate_run_t;


static inline void
gate_run_init(gate_run_t *run, ai_gates_t *gs, uint32_t gate, uint64_t now)
{
    memset(run, 0, sizeof(gate_run_t));

    run->gs = gs;
    run->gate = gate;
    run->now = now;
    run->since = now;
    run->random = 88172645463325252ULL;
}


static inline void
gate_run_load(gate_run_t *run, unsigned i, ai_gate_priority_t priority,
    uint32_t share, unsigned tenants, unsigned want, uint32_t ms)
{
    unsigned          n;
    gate_run_load_t  *l;

    l = &run->loads[i];

    l->ask.plan = i + 1;
    l->ask.priority = priority;
    l->ask.share = share;
    l->ask.worker = i % 3;
    l->tenants = tenants;
    l->want = want < GATE_RUN_MAX ? want : GATE_RUN_MAX;
    l->ms = ms;

    for (n = 0; n < GATE_RUN_MAX; n++) {
        l->requests[n].waiter = AI_GATE_NONE;
        l->requests[n].tenant = n % tenants;
    }

    run->n = i + 1;
}


static inline uint32_t
gate_run_random(gate_run_t *run, uint32_t n)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;

    return (uint32_t) (run->random % n);
}


static inline void
gate_run_begins(gate_run_t *run, gate_run_load_t *l, gate_run_request_t *rq)
{
    rq->waiter = AI_GATE_NONE;
    rq->until = run->now + 1 + l->ms / 2 + gate_run_random(run, l->ms);

    l->taken++;
    l->served++;

    if (run->now - rq->since > l->longest) {
        l->longest = run->now - rq->since;
    }
}


static inline void
gate_run_step(gate_run_t *run, gate_run_load_t *l, unsigned i)
{
    int                  rc;
    ai_gate_ask_t       *ask;
    gate_run_request_t  *rq;

    rq = &l->requests[i];
    ask = &l->ask;
    ask->tenant = ask->plan * 1000 + rq->tenant;

    if (rq->until) {

        if (rq->until > run->now) {
            return;
        }

        ai_gate_free(run->gs, &rq->ticket, run->now);
        rq->until = 0;
        l->taken--;
    }

    if (rq->waiter != AI_GATE_NONE) {

        if ((run->now + i) % GATE_RUN_POLL) {
            return;
        }

        rc = ai_gate_waiter(run->gs, rq->waiter, ask, run->now, &rq->ticket);

        if (rc == AI_OK) {
            gate_run_begins(run, l, rq);

        } else if (rc != AI_AGAIN) {
            rq->waiter = AI_GATE_NONE;
        }

        return;
    }

    if (i >= l->want) {
        return;
    }

    rq->since = run->now;

    if (ai_gate_take(run->gs, run->gate, ask, run->now, &rq->ticket)
        == AI_OK)
    {
        gate_run_begins(run, l, rq);

    } else if (ai_gate_join(run->gs, run->gate, ask, run->now,
                            run->now + 1000000, &rq->waiter)
               != AI_OK)
    {
        rq->waiter = AI_GATE_NONE;
    }
}


static inline void
gate_run(gate_run_t *run, uint64_t ms)
{
    unsigned  i, n;
    uint64_t  end;

    for (end = run->now + ms; run->now < end; run->now++) {

        for (n = 0; n < run->n; n++) {
            for (i = 0; i < GATE_RUN_MAX; i++) {
                gate_run_step(run, &run->loads[n], i);
            }

            run->loads[n].area += run->loads[n].taken;
        }
    }
}


static inline void
gate_run_reset(gate_run_t *run)
{
    unsigned  n;

    run->since = run->now;

    for (n = 0; n < run->n; n++) {
        run->loads[n].area = 0;
        run->loads[n].longest = 0;
        run->loads[n].served = 0;
    }
}


/* percent of the capacity over the run */

static inline double
gate_run_part(gate_run_t *run, unsigned i)
{
    ai_gate_view_t  v;

    ai_gate_view(run->gs, run->gate, &v);

    return 100.0 * run->loads[i].area / (run->now - run->since) / v.capacity;
}


static inline double
gate_run_all(gate_run_t *run)
{
    double    sum;
    unsigned  i;

    sum = 0;

    for (i = 0; i < run->n; i++) {
        sum += gate_run_part(run, i);
    }

    return sum;
}


static inline void
gate_run_print(gate_run_t *run)
{
    unsigned        i;
    ai_gate_view_t  v;

    ai_gate_view(run->gs, run->gate, &v);

    printf("capacity %u:", v.capacity);

    for (i = 0; i < run->n; i++) {
        printf(" %.1f%% (%u, %lu ms)", gate_run_part(run, i),
               run->loads[i].ask.share,
               (unsigned long) run->loads[i].longest);
    }

    printf("\n");
}


#endif /* GATE_RUN_H */
