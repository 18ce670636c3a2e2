
/*
 * Gates: who gets the places of a provider, at once and over a long run.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "gate_run.h"


static ai_gates_t  *gs;
static uint64_t     now;


static int
setup(void **state)
{
    (void) state;

    gs = malloc(ai_gates_size());
    assert_non_null(gs);

    ai_gates_init(gs);
    now = 5000;

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    free(gs);

    return 0;
}


static uint32_t
gate(uint32_t n, uint32_t capacity, uint32_t queue)
{
    ai_char  id[AI_GATE_ID] = "a gate";

    memcpy(&id[8], &n, 4);

    return ai_gate_get(gs, id, capacity, queue, now);
}


static ai_gate_ask_t
plan(uint64_t n, ai_gate_priority_t priority, uint32_t share)
{
    ai_gate_ask_t  ask = { n, n * 1000, priority, share, 1 };

    return ask;
}


static int
take(uint32_t g, ai_gate_ask_t ask)
{
    ai_gate_ticket_t  t;

    return ai_gate_take(gs, g, &ask, now, &t);
}


static uint32_t
taken(uint32_t g)
{
    ai_gate_view_t  v;

    ai_gate_view(gs, g, &v);

    return v.taken;
}


static void
test_capacity(void **state)
{
    uint32_t          g, i;
    ai_gate_ask_t     a = plan(1, AI_GATE_BEST_EFFORT, 0);
    ai_gate_view_t    v;
    ai_gate_ticket_t  t[3];

    (void) state;

    assert_int_equal(ai_gates_check(gs), AI_OK);

    g = gate(1, 3, 0);

    for (i = 0; i < 3; i++) {
        assert_int_equal(ai_gate_take(gs, g, &a, now, &t[i]), AI_OK);
    }

    assert_int_equal(take(g, a), AI_BUSY);

    ai_gate_free(gs, &t[1], now);

    assert_int_equal(take(g, a), AI_OK);
    assert_int_equal(take(g, a), AI_BUSY);

    ai_gate_view(gs, g, &v);
    assert_int_equal(v.capacity, 3);
    assert_int_equal(v.taken, 3);
    assert_int_equal(v.passed, 4);

    /* the configuration is read again */

    assert_int_equal(gate(1, 4, 0), g);
    assert_int_equal(take(g, a), AI_OK);
    assert_int_equal(take(g, a), AI_BUSY);

    assert_int_equal(gate(1, 2, 0), g);
    assert_int_equal(taken(g), 4);
    assert_int_equal(take(g, a), AI_BUSY);

    assert_int_not_equal(gate(2, 2, 0), g);
    assert_int_equal(ai_gate_get(gs, (ai_char *) "no capacity at a", 0, 0,
                                 now),
                     AI_GATE_NONE);
    assert_int_equal(take(AI_GATE_NONE, a), AI_ERROR);
}


static void
test_dedicated_is_kept(void **state)
{
    uint32_t       g, n;
    ai_gate_ask_t  d = plan(1, AI_GATE_DEDICATED, 30);
    ai_gate_ask_t  b = plan(2, AI_GATE_BEST_EFFORT, 0);
    ai_gate_ask_t  u = plan(3, AI_GATE_GUARANTEED, 40);

    (void) state;

    g = gate(1, 10, 0);
    ai_gate_plan(gs, g, &d, now);

    for (n = 0; take(g, b) == AI_OK; n++) { /* void */ }

    assert_int_equal(n, 7);
    assert_int_equal(take(g, u), AI_BUSY);

    for (n = 0; take(g, d) == AI_OK; n++) { /* void */ }

    assert_int_equal(n, 3);
}


/* ten hours of no use: what is configured stays, what only asked goes */

static void
test_idle_plans(void **state)
{
    uint32_t       g[2], n, i;
    ai_gate_ask_t  d = plan(1, AI_GATE_DEDICATED, 50);
    ai_gate_ask_t  b = plan(2, AI_GATE_BEST_EFFORT, 0);

    (void) state;

    for (i = 0; i < 2; i++) {
        ai_gate_ticket_t  t;

        g[i] = gate(i, 10, 0);

        if (i == 0) {
            ai_gate_plan(gs, g[i], &d, now);
        }

        assert_int_equal(ai_gate_take(gs, g[i], &d, now, &t), AI_OK);
        ai_gate_free(gs, &t, now);
    }

    now += 36000 * 1000;

    for (n = 0; take(g[0], b) == AI_OK; n++) { /* void */ }
    assert_int_equal(n, 5);

    for (n = 0; take(g[1], b) == AI_OK; n++) { /* void */ }
    assert_int_equal(n, 10);

    /* no longer in the configuration */

    now += 36000 * 1000;
    (void) gate(0, 10, 0);
    assert_int_equal(take(g[0], b), AI_OK);
}


static void
test_shares_beyond_all(void **state)
{
    uint32_t       g, n, m;
    ai_gate_ask_t  d = plan(1, AI_GATE_DEDICATED, 100);
    ai_gate_ask_t  e = plan(2, AI_GATE_DEDICATED, 100);
    ai_gate_ask_t  b = plan(3, AI_GATE_BEST_EFFORT, 0);

    (void) state;

    g = gate(1, 41, 0);
    ai_gate_plan(gs, g, &d, now);
    ai_gate_plan(gs, g, &e, now);

    /* 100 to 100 to 5: 19.5, 19.5 and 2 */

    for (n = 0; take(g, b) == AI_OK; n++) { /* void */ }
    assert_int_equal(n, 1);

    for (n = 0; take(g, d) == AI_OK; n++) { /* void */ }
    for (m = 0; take(g, e) == AI_OK; m++) { /* void */ }

    assert_int_equal(n, 20);
    assert_int_equal(m, 20);
}


/* one place only, and all of it dedicated: it is for all, in turn */

static void
test_one_place(void **state)
{
    gate_run_t  run;

    (void) state;

    gate_run_init(&run, gs, gate(1, 1, 100), now);

    gate_run_load(&run, 0, AI_GATE_DEDICATED, 100, 1, 8, 50);
    gate_run_load(&run, 1, AI_GATE_BEST_EFFORT, 0, 1, 8, 50);
    gate_run(&run, 100000);

    assert_true(gate_run_part(&run, 0) > 90.0);
    assert_true(gate_run_part(&run, 1) > 3.5);
    assert_true(run.loads[1].longest < 8 * 50 * 45);
}


static void
test_queue_in_order(void **state)
{
    uint32_t          g, w[4], i;
    ai_gate_ask_t     a = plan(1, AI_GATE_BEST_EFFORT, 0);
    ai_gate_view_t    v;
    ai_gate_ticket_t  t, u;

    (void) state;

    g = gate(1, 1, 3);

    assert_int_equal(ai_gate_take(gs, g, &a, now, &t), AI_OK);

    for (i = 0; i < 3; i++) {
        assert_int_equal(ai_gate_join(gs, g, &a, now, now + 1000, &w[i]),
                         AI_OK);
        assert_int_equal(ai_gate_waiter(gs, w[i], &a, now, &u), AI_AGAIN);
    }

    assert_int_equal(ai_gate_join(gs, g, &a, now, now + 1000, &w[3]),
                     AI_BUSY);

    /* a place that comes free is the first one's, whoever asks */

    ai_gate_free(gs, &t, now);

    assert_int_equal(take(g, a), AI_BUSY);
    assert_int_equal(ai_gate_waiter(gs, w[1], &a, now, &u), AI_AGAIN);
    assert_int_equal(ai_gate_waiter(gs, w[0], &a, now, &t), AI_OK);
    assert_int_equal(ai_gate_waiter(gs, w[0], &a, now, &u), AI_BUSY);

    /* the second leaves, having been let in */

    ai_gate_free(gs, &t, now);
    ai_gate_leave(gs, w[1], &a, now);
    ai_gate_leave(gs, w[1], &a, now);

    assert_int_equal(ai_gate_waiter(gs, w[2], &a, now, &t), AI_OK);
    assert_int_equal(taken(g), 1);

    assert_int_equal(ai_gate_join(gs, g, &a, now, now + 1000, &w[3]), AI_OK);
    now += 999;
    assert_int_equal(ai_gate_waiter(gs, w[3], &a, now, &u), AI_AGAIN);
    now += 1;
    assert_int_equal(ai_gate_waiter(gs, w[3], &a, now, &u), AI_BUSY);

    ai_gate_free(gs, &t, now);
    assert_int_equal(taken(g), 0);

    ai_gate_view(gs, g, &v);
    assert_int_equal(v.waiting, 0);
    assert_int_equal(v.waited, 2);
    assert_int_equal(v.passed, 3);
    assert_int_equal(v.refused, 2);
}


/* let in before its time was over, fetched after it */

static void
test_late_fetch(void **state)
{
    uint32_t          g, w;
    ai_gate_ask_t     a = plan(1, AI_GATE_BEST_EFFORT, 0);
    ai_gate_ticket_t  t;

    (void) state;

    g = gate(1, 1, 3);

    assert_int_equal(ai_gate_take(gs, g, &a, now, &t), AI_OK);
    assert_int_equal(ai_gate_join(gs, g, &a, now, now + 10, &w), AI_OK);

    now += 9;
    ai_gate_free(gs, &t, now);
    now += 90;

    assert_int_equal(ai_gate_waiter(gs, w, &a, now, &t), AI_OK);
    assert_int_equal(taken(g), 1);
}


/* one tenant's flood does not keep the others out of the line */

static void
test_line_is_shared(void **state)
{
    uint32_t          g, w[10], i, mine, theirs;
    ai_gate_ask_t     flood = plan(1, AI_GATE_BEST_EFFORT, 0);
    ai_gate_ask_t     other = plan(1, AI_GATE_BEST_EFFORT, 0);
    ai_gate_ask_t     u = plan(2, AI_GATE_GUARANTEED, 50);
    ai_gate_ticket_t  t;

    (void) state;

    other.tenant = 77;

    g = gate(1, 1, 10);

    assert_int_equal(take(g, flood), AI_OK);

    for (i = 0; i < 10; i++) {
        assert_int_equal(ai_gate_join(gs, g, &flood, now, now + 1000, &w[i]),
                         AI_OK);
    }

    assert_int_equal(ai_gate_join(gs, g, &flood, now, now + 1000, &mine),
                     AI_BUSY);

    /* the last ones make room */

    for (i = 9; i >= 5; i--) {
        assert_int_equal(ai_gate_join(gs, g, &other, now, now + 1000,
                                      &theirs),
                         AI_OK);
        assert_int_equal(ai_gate_waiter(gs, w[i], &flood, now, &t), AI_BUSY);
        assert_int_equal(ai_gate_waiter(gs, w[i - 1], &flood, now, &t),
                         AI_AGAIN);
    }

    assert_int_equal(ai_gate_join(gs, g, &other, now, now + 1000, &theirs),
                     AI_BUSY);

    for (i = 0; i < 5; i++) {
        assert_int_equal(ai_gate_join(gs, g, &u, now, now + 1000, &mine),
                         AI_OK);
    }

    assert_int_equal(ai_gate_join(gs, g, &u, now, now + 1000, &mine),
                     AI_BUSY);
}


/* nor does one gate's flood keep waiters of others out */

static void
test_waiters_are_shared(void **state)
{
    uint32_t       g, h, w, i;
    ai_gate_ask_t  a = plan(1, AI_GATE_BEST_EFFORT, 0);

    (void) state;

    g = gate(1, 1, 100000);
    h = gate(2, 1, 100000);

    assert_int_equal(take(g, a), AI_OK);
    assert_int_equal(take(h, a), AI_OK);

    for (i = 0; i < AI_GATE_WAITERS; i++) {
        assert_int_equal(ai_gate_join(gs, g, &a, now, now + 1000, &w), AI_OK);
    }

    assert_int_equal(ai_gate_join(gs, g, &a, now, now + 1000, &w), AI_BUSY);

    for (i = 0; i < AI_GATE_WAITERS / 2; i++) {
        assert_int_equal(ai_gate_join(gs, h, &a, now, now + 1000, &w), AI_OK);
    }

    assert_int_equal(ai_gate_join(gs, h, &a, now, now + 1000, &w), AI_BUSY);
}


static void
test_tenants_take_turns(void **state)
{
    uint32_t          g, w[6], i;
    ai_gate_ask_t     a = plan(1, AI_GATE_BEST_EFFORT, 0);
    ai_gate_ask_t     b = plan(1, AI_GATE_BEST_EFFORT, 0);
    ai_gate_ticket_t  t;
    static const int  turns[6] = { 0, 3, 1, 4, 2, 5 };

    (void) state;

    b.tenant = 77;
    g = gate(1, 1, 10);

    assert_int_equal(ai_gate_take(gs, g, &a, now, &t), AI_OK);

    for (i = 0; i < 6; i++) {
        assert_int_equal(ai_gate_join(gs, g, i < 3 ? &a : &b, now, now + 100,
                                      &w[i]),
                         AI_OK);
    }

    for (i = 0; i < 6; i++) {
        ai_gate_free(gs, &t, now);
        assert_int_equal(ai_gate_waiter(gs, w[turns[i]], &a, now, &t), AI_OK);
    }
}


static void
test_worker_dies(void **state)
{
    uint32_t          g, w, v, i;
    ai_gate_ask_t     a = plan(1, AI_GATE_BEST_EFFORT, 0);
    ai_gate_ask_t     b = plan(1, AI_GATE_BEST_EFFORT, 0);
    ai_gate_ticket_t  t, u;

    (void) state;

    b.worker = 2;
    g = gate(1, 8, 10);

    for (i = 0; i < 7; i++) {
        assert_int_equal(ai_gate_take(gs, g, &a, now, &t), AI_OK);
    }

    assert_int_equal(ai_gate_take(gs, g, &b, now, &u), AI_OK);
    assert_int_equal(ai_gate_join(gs, g, &a, now, now + 100, &w), AI_OK);
    assert_int_equal(ai_gate_join(gs, g, &b, now, now + 100, &v), AI_OK);

    ai_gate_worker(gs, 1, now);

    /* b waits no more: it was let in */

    assert_int_equal(taken(g), 2);
    assert_int_equal(ai_gate_waiter(gs, w, &a, now, &t), AI_BUSY);
    assert_int_equal(ai_gate_waiter(gs, v, &b, now, &u), AI_OK);

    /* what it may still say, were it alive, is not heard */

    ai_gate_free(gs, &t, now);
    assert_int_equal(taken(g), 2);

    for (i = 0; i < 6; i++) {
        assert_int_equal(ai_gate_take(gs, g, &a, now, &u), AI_OK);
    }

    ai_gate_free(gs, &t, now);
    assert_int_equal(taken(g), 8);
}


static void
test_many_plans(void **state)
{
    uint32_t          g, i;
    ai_gate_ask_t     a;
    ai_gate_ticket_t  t[100];

    (void) state;

    g = gate(1, 100, 0);

    for (i = 0; i < 100; i++) {
        a = plan(i + 1, AI_GATE_GUARANTEED, 1);
        assert_int_equal(ai_gate_take(gs, g, &a, now, &t[i]), AI_OK);
    }

    assert_int_equal(t[30].party, 31);
    assert_int_equal(t[31].party, 0);

    for (i = 0; i < 100; i++) {
        ai_gate_free(gs, &t[i], now);
    }

    assert_int_equal(taken(g), 0);

    a = plan(500, AI_GATE_GUARANTEED, 1);
    assert_int_equal(ai_gate_take(gs, g, &a, now, &t[0]), AI_OK);
    assert_int_not_equal(t[0].party, 0);
}


static void
test_many_gates(void **state)
{
    uint32_t       i, g;
    ai_gate_ask_t  a = plan(1, AI_GATE_BEST_EFFORT, 0);

    (void) state;

    for (i = 0; i < AI_GATES_MAX; i++) {
        g = gate(i, 1, 0);
        assert_int_not_equal(g, AI_GATE_NONE);
        assert_int_equal(take(g, a), AI_OK);
    }

    assert_int_equal(gate(i, 1, 0), AI_GATE_NONE);

    ai_gate_worker(gs, 1, now);
    now++;

    assert_int_not_equal(gate(i, 1, 0), AI_GATE_NONE);
}


/* those that a configuration has just asked for make no room for its others */

static void
test_too_many_gates(void **state)
{
    uint32_t  i, g[AI_GATES_MAX + 2];

    (void) state;

    for (i = 0; i < AI_GATES_MAX + 2; i++) {
        g[i] = gate(i, i + 1, 0);

        assert_int_equal(g[i], i < AI_GATES_MAX ? i : AI_GATE_NONE);
    }

    for (i = 0; i < AI_GATES_MAX; i++) {
        assert_int_equal(gate(i, i + 1, 0), g[i]);
    }

    /* those of a configuration before this one do */

    now++;

    assert_int_equal(gate(7, 8, 0), g[7]);
    assert_int_equal(gate(i, 1, 0), g[0]);
    assert_int_equal(gate(i + 1, 1, 0), g[1]);
    assert_int_equal(gate(7, 8, 0), g[7]);
}


/* who has taken much while others did not want it goes first all the same as
   long as he has less than his share */

static void
test_below_share_first(void **state)
{
    uint32_t          g, i, w[5], mine;
    ai_gate_ask_t     u = plan(1, AI_GATE_GUARANTEED, 50);
    ai_gate_ask_t     b = plan(2, AI_GATE_BEST_EFFORT, 0);
    ai_gate_ticket_t  t[10], s[10];

    (void) state;

    g = gate(1, 10, 20);

    for (i = 0; i < 10; i++) {
        assert_int_equal(ai_gate_take(gs, g, &u, now, &t[i]), AI_OK);
    }

    /* others begin to wait a minute later */

    assert_int_equal(ai_gate_join(gs, g, &u, now, now + 70000, &mine), AI_OK);
    now += 60000;

    for (i = 0; i < 5; i++) {
        assert_int_equal(ai_gate_join(gs, g, &b, now, now + 1000, &w[i]),
                         AI_OK);
    }

    ai_gate_leave(gs, mine, &u, now);

    for (i = 0; i < 4; i++) {
        ai_gate_free(gs, &t[i], now);
        assert_int_equal(ai_gate_waiter(gs, w[i], &b, now, &s[i]), AI_OK);
    }

    /* six to four; an end of each, and each waits for the place */

    ai_gate_leave(gs, w[4], &b, now);
    ai_gate_free(gs, &t[4], now);
    ai_gate_free(gs, &t[5], now);

    for (i = 4; i < 6; i++) {
        assert_int_equal(ai_gate_take(gs, g, &b, now, &s[i]), AI_OK);
    }

    assert_int_equal(ai_gate_join(gs, g, &b, now, now + 1000, &w[0]), AI_OK);
    assert_int_equal(ai_gate_join(gs, g, &u, now, now + 1000, &mine), AI_OK);

    ai_gate_free(gs, &s[0], now);

    assert_int_equal(ai_gate_waiter(gs, w[0], &b, now, &t[0]), AI_AGAIN);
    assert_int_equal(ai_gate_waiter(gs, mine, &u, now, &t[0]), AI_OK);
}


/* many places come free in one moment */

static void
test_many_at_once(void **state)
{
    uint32_t          g, i, w[2][20], n[2];
    ai_gate_ask_t     b = plan(3, AI_GATE_BEST_EFFORT, 0);
    ai_gate_ask_t     u[2];
    ai_gate_ticket_t  t;

    (void) state;

    u[0] = plan(1, AI_GATE_GUARANTEED, 20);
    u[1] = plan(2, AI_GATE_GUARANTEED, 20);
    b.worker = 2;

    g = gate(1, 20, 100);

    for (i = 0; i < 20; i++) {
        assert_int_equal(take(g, b), AI_OK);
    }

    for (i = 0; i < 40; i++) {
        assert_int_equal(ai_gate_join(gs, g, &u[i % 2], now, now + 1000,
                                      &w[i % 2][i / 2]),
                         AI_OK);
    }

    ai_gate_worker(gs, 2, now);

    n[0] = 0;
    n[1] = 0;

    for (i = 0; i < 40; i++) {
        n[i % 2] += (ai_gate_waiter(gs, w[i % 2][i / 2], &u[i % 2], now, &t)
                     == AI_OK);
    }

    assert_int_equal(n[0], 10);
    assert_int_equal(n[1], 10);
}


/* ---- long runs ---- */

/* three plans that always want more: 50, 30 and the rest, 20 */

static void
test_saturated(void **state)
{
    double      whole;
    unsigned    n;
    gate_run_t  run;
    static const uint32_t  capacities[] = { 50, 20, 10, 7, 3, 2 };

    (void) state;

    for (n = 0; n < sizeof(capacities) / sizeof(uint32_t); n++) {
        gate_run_init(&run, gs, gate(n, capacities[n], 300), now);

        gate_run_load(&run, 0, AI_GATE_DEDICATED, 50, 3, 60, 300);
        gate_run_load(&run, 1, AI_GATE_GUARANTEED, 30, 3, 60, 300);
        gate_run_load(&run, 2, AI_GATE_BEST_EFFORT, 0, 3, 60, 300);
        gate_run(&run, 60000);
        gate_run_print(&run);

        assert_true(gate_run_all(&run) > 98);

        /* a dedicated part is rounded up; 30 to 20 for what is left */

        whole = (capacities[n] + 1) / 2 * 100.0 / capacities[n];

        assert_true(gate_run_part(&run, 0) > whole * .95);
        assert_true(gate_run_part(&run, 0) < whole * 1.05);
        assert_true(gate_run_part(&run, 1) > (100 - whole) * .6 * .95);
        assert_true(gate_run_part(&run, 2) > (100 - whole) * .4 * .95);
    }
}


/* requests of one plan take ten times as long: its part is the same */

static void
test_long_requests(void **state)
{
    gate_run_t  run;

    (void) state;

    gate_run_init(&run, gs, gate(1, 10, 100), now);

    gate_run_load(&run, 0, AI_GATE_GUARANTEED, 50, 1, 40, 200);
    gate_run_load(&run, 1, AI_GATE_GUARANTEED, 30, 1, 40, 2000);
    gate_run_load(&run, 2, AI_GATE_BEST_EFFORT, 0, 1, 40, 500);
    gate_run(&run, 60000);
    gate_run_print(&run);

    assert_true(gate_run_part(&run, 0) > 47.5);
    assert_true(gate_run_part(&run, 1) > 28.5);
    assert_true(gate_run_part(&run, 1) < 31.5);
    assert_true(gate_run_part(&run, 2) > 19);
}


/* the guaranteed plan sleeps, and comes back: its part is lent and returns as
   requests end; the dedicated one's stays free */

static void
test_lent_and_taken_back(void **state)
{
    gate_run_t  run;

    (void) state;

    gate_run_init(&run, gs, gate(1, 20, 200), now);

    gate_run_load(&run, 0, AI_GATE_DEDICATED, 40, 1, 0, 300);
    gate_run_load(&run, 1, AI_GATE_GUARANTEED, 40, 1, 0, 300);
    gate_run_load(&run, 2, AI_GATE_BEST_EFFORT, 0, 1, 60, 300);

    {
        ai_gate_ask_t  d = run.loads[0].ask;

        ai_gate_plan(gs, run.gate, &d, run.now);
    }

    gate_run(&run, 20000);
    assert_int_equal(run.loads[2].taken, 12);

    run.loads[1].want = 60;
    gate_run(&run, 400);
    assert_in_range(run.loads[1].taken, 8, 9);

    gate_run_reset(&run);
    gate_run(&run, 60000);

    /* 12 places for 40 and 20 */

    assert_true(gate_run_part(&run, 1) > 38);
    assert_true(gate_run_part(&run, 2) > 18);
    assert_true(gate_run_part(&run, 0) < 0.1);

    /* not one of its places has to be waited for */

    run.loads[0].want = 8;
    run.loads[0].longest = 0;
    gate_run(&run, 60000);
    assert_int_equal(run.loads[0].longest, 0);
    assert_int_equal(run.loads[0].taken, 8);
}


/* who did not want any has no claim on it later */

static void
test_no_claim(void **state)
{
    gate_run_t  run;

    (void) state;

    gate_run_init(&run, gs, gate(1, 10, 200), now);

    gate_run_load(&run, 0, AI_GATE_GUARANTEED, 20, 1, 0, 100);
    gate_run_load(&run, 1, AI_GATE_GUARANTEED, 20, 1, 60, 100);

    run.loads[0].want = 1;
    gate_run(&run, 200);
    run.loads[0].want = 0;
    gate_run(&run, 60000);

    run.loads[0].want = 60;
    gate_run(&run, 1000);
    gate_run_reset(&run);
    gate_run(&run, 4000);
    gate_run_print(&run);

    assert_true(gate_run_part(&run, 0) > 45);
    assert_true(gate_run_part(&run, 1) > 45);
}


/* bursts of the guaranteed plan are served before a flood of best effort */

static void
test_bursts(void **state)
{
    unsigned    i;
    gate_run_t  run;

    (void) state;

    gate_run_init(&run, gs, gate(1, 20, 500), now);

    gate_run_load(&run, 0, AI_GATE_GUARANTEED, 50, 1, 0, 100);
    gate_run_load(&run, 1, AI_GATE_BEST_EFFORT, 0, 20, 60, 100);

    for (i = 0; i < 100; i++) {
        run.loads[0].want = i % 2 ? 10 : 0;
        gate_run(&run, 1000);
    }

    gate_run_print(&run);

    /* a place of its share comes back within the time of one request */

    assert_true(run.loads[0].longest <= 200);
    assert_true(gate_run_all(&run) > 97);
}


/* guaranteed plans that have it all: best effort goes on */

static void
test_nobody_starves(void **state)
{
    unsigned    i;
    gate_run_t  run;

    (void) state;

    gate_run_init(&run, gs, gate(1, 10, 900), now);

    for (i = 0; i < 4; i++) {
        gate_run_load(&run, i, AI_GATE_GUARANTEED, 40, 1, 60, 100);
    }

    for (i = 4; i < 8; i++) {
        gate_run_load(&run, i, AI_GATE_BEST_EFFORT, 0, 1, 60, 100);
    }

    gate_run(&run, 120000);
    gate_run_print(&run);

    for (i = 0; i < 4; i++) {
        assert_true(gate_run_part(&run, i) > 40 * 100 / 165.0 * .95);
    }

    for (i = 4; i < 8; i++) {
        assert_true(gate_run_part(&run, i) > 1.25 * 100 / 165.0 * .9);

        /* 60 that wait, one every 100 ms / .0076 / 10 */

        assert_true(run.loads[i].longest < 2 * 60 * 100 / .076);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_capacity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dedicated_is_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_idle_plans, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shares_beyond_all, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_one_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_fetch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_line_is_shared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiters_are_shared, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_tenants_take_turns, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_worker_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_plans, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_gates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_gates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_below_share_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_many_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_saturated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lent_and_taken_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_no_claim, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bursts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_starves, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
