
/*
 * Loads of any priorities, shares and durations on a gate of any capacity, in
 * simulated time: each that always wants more has what is promised to it, so
 * that none starves, and what is not dedicated is in use.
 */


#include <stdlib.h>
#include "../unit/gate_run.h"

#define CHECK(condition)                                                     \
    do { if (!(condition)) { __builtin_trap(); } } while (0)

#define LOADS     4
#define SECONDS   20


typedef struct {
    unsigned  priority;
    unsigned  share;
    unsigned  want;
    unsigned  ms;
} load_t;


/* in percent of the capacity; "sum" is what all shares are */

static double
promise(const load_t *l, unsigned sum, unsigned efforts)
{
    double  rest, total;

    rest = sum < 100 ? 100 - sum : 0;

    if (efforts && rest < 5) {
        rest = 5;
    }

    total = sum + rest;

    return (l->share ? l->share : rest / efforts) * 100 / total;
}


static void
check(gate_run_t *run, load_t *loads, unsigned n, unsigned capacity)
{
    double    p, part, all;
    unsigned  i, sum, efforts, dedicated;

    sum = 0;
    efforts = 0;
    dedicated = 0;
    all = 0;

    for (i = 0; i < n; i++) {
        sum += loads[i].share;
        efforts += (loads[i].share == 0);
        dedicated += (loads[i].priority == AI_GATE_DEDICATED);
        all += gate_run_part(run, i);
    }

    CHECK(all < 100.001);

    /* what is dedicated may be idle, all else is lent */

    CHECK(dedicated || all > 90);

    for (i = 0; i < n; i++) {
        p = promise(&loads[i], sum, efforts);
        part = gate_run_part(run, i);

        CHECK(run->loads[i].served > 0);

        if (loads[i].want < capacity) {
            continue;
        }

        /* each dedicated part is rounded up to a place, of what others have */

        CHECK(part > p * .85 - 100.0 * dedicated / capacity - 1);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned            i, n, capacity;
    uint32_t            g;
    load_t              loads[LOADS];
    static gate_run_t   run;
    static ai_gates_t  *gs;
    static const ai_char  id[AI_GATE_ID] = "gate";

    if (size < 2 + 4 * LOADS) {
        return 0;
    }

    if (gs == NULL) {
        gs = malloc(ai_gates_size());
    }

    ai_gates_init(gs);

    capacity = 2 + data[0] % 29;
    n = 2 + data[1] % (LOADS - 1);
    g = ai_gate_get(gs, id, capacity, 300, 1000000);

    gate_run_init(&run, gs, g, 1000000);

    for (i = 0; i < n; i++) {
        loads[i].priority = data[2 + 4 * i] % 3;
        loads[i].share = loads[i].priority ? 5 + data[3 + 4 * i] % 60 : 0;
        loads[i].want = data[4 + 4 * i] % 2 ? 60 : 1 + data[4 + 4 * i] % 8;
        loads[i].ms = 100 + data[5 + 4 * i] * 2;

        gate_run_load(&run, i, loads[i].priority, loads[i].share, 3,
                      loads[i].want, loads[i].ms);
    }

    /* where all want too little, there is nothing to share */

    for (i = 0; i < n && loads[i].want < 60; i++) {
        /* void */
    }

    if (i == n) {
        return 0;
    }

    gate_run(&run, 2000);
    gate_run_reset(&run);
    gate_run(&run, SECONDS * 1000);

    check(&run, loads, n, capacity);

    return 0;
}
