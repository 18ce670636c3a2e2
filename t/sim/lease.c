
/*
 * Schedules: lease SEEDS [SEED [MUTANT]].  Each seed is one; what it needs to
 * be run again is its number.  AI_SIM_TRACE=1 tells what happens.
 */


#include "sim.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>


#define SPAN   16000            /* ms of requests and faults */
#define CALM   12000            /* that a bucket may take to fill, to be used */
#define HEAP   65536

struct event_s {
    uint64_t         ms;
    uint64_t         order;
    event_pt         handler;
    void            *data;
    uint64_t         arg;
};

static event_t   heap[HEAP];
static unsigned  nheap;
static uint64_t  heap_order, sim_state, sim_seed, sim_steps;

uint64_t     sim_ms, sim_base, sim_clock_ms;
unsigned     sim_nodes, sim_exact, sim_over, sim_trace, sim_failed;
const char  *sim_mutant;

static int       sim_storm;
static uint64_t  sim_stuck_n;           /* of schedules that failed */
static int64_t   most_stranded;         /* percent of a limit */
static uint64_t  flushes, failovers, splits, deaths, orphans, cuts, deafs,
                 jumps, stops, freezes, copies;


/* ---- chance: splitmix64 ---- */

uint64_t
sim_random(void)
{
    uint64_t  z;

    z = sim_state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

    return z ^ (z >> 31);
}


uint64_t
sim_below(uint64_t n)
{
    return n ? sim_random() % n : 0;
}


uint64_t
sim_between(uint64_t a, uint64_t b)
{
    return a + sim_below(b - a + 1);
}


int
sim_chance(unsigned percent)
{
    return percent && sim_below(100) < percent;
}


int
sim_is(const char *mutant)
{
    return sim_mutant && strcmp(sim_mutant, mutant) == 0;
}


void
sim_say(const char *fmt, ...)
{
    va_list  args;

    if (sim_trace) {
        printf("%6llu ", (unsigned long long) sim_ms);
        va_start(args, fmt);
        vprintf(fmt, args);
        va_end(args);
        printf("\n");
    }
}


static void
sim_vfail(const char *what, const char *fmt, va_list args)
{
    if (sim_failed == 0) {
        sim_stuck_n += *what != '\0';
    }

    if (sim_failed++ == 0 || sim_trace) {
        printf("seed %llu, %llu ms: %s", (unsigned long long) sim_seed,
               (unsigned long long) sim_ms, what);
        vprintf(fmt, args);
        printf("\n");
        fflush(stdout);
    }
}


void
sim_fail(const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    sim_vfail("", fmt, args);
    va_end(args);
}


/* of mutants, what they admit is what counts */

void
sim_stuck(const char *fmt, ...)
{
    va_list  args;

    if (sim_mutant == NULL) {
        va_start(args, fmt);
        sim_vfail("stuck: ", fmt, args);
        va_end(args);
    }
}


/* ---- events ---- */

static int
event_less(const event_t *a, const event_t *b)
{
    return a->ms != b->ms ? a->ms < b->ms : a->order < b->order;
}


static void
event_swap(unsigned a, unsigned b)
{
    event_t  e;

    e = heap[a];
    heap[a] = heap[b];
    heap[b] = e;
}


/* those of one ms come in any order */

void
sim_at(uint64_t ms, event_pt handler, void *data, uint64_t arg)
{
    unsigned  i;

    if (nheap == HEAP) {
        fprintf(stderr, "too many events\n");
        exit(2);
    }

    i = nheap++;
    heap[i].ms = ms > sim_ms ? ms : sim_ms;
    heap[i].order = (sim_random() & ~0xffffffULL) | (heap_order++ & 0xffffff);
    heap[i].handler = handler;
    heap[i].data = data;
    heap[i].arg = arg;

    while (i && event_less(&heap[i], &heap[(i - 1) / 2])) {
        event_swap(i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}


unsigned
sim_step(void)
{
    event_t   e;
    unsigned  i, c;

    if (nheap == 0) {
        return 0;
    }

    e = heap[0];
    heap[0] = heap[--nheap];

    for (i = 0; (c = 2 * i + 1) < nheap; i = c) {
        if (c + 1 < nheap && event_less(&heap[c + 1], &heap[c])) {
            c++;
        }

        if (!event_less(&heap[c], &heap[i])) {
            break;
        }

        event_swap(c, i);
    }

    sim_ms = e.ms;
    sim_steps++;
    e.handler(e.data, e.arg);

    return 1;
}


void
sim_run(uint64_t until)
{
    while (nheap && heap[0].ms <= until && !sim_failed) {
        sim_step();
    }

    sim_ms = sim_ms > until ? sim_ms : until;
}


/* ---- tenants ---- */

static void
owner_limit(owner_t *o, unsigned resource, unsigned period, int64_t amount,
    int64_t burst)
{
    ai_limit_t  *l;

    l = &o->limits[o->nlimits++];
    l->resource = (uint8_t) resource;
    l->period = (uint8_t) period;
    l->amount = amount;
    l->burst = burst;
}


static int64_t
between(int64_t a, int64_t b)
{
    return (int64_t) sim_between((uint64_t) a, (uint64_t) b);
}


/* used up soon, or late */

static int64_t
storm_size(int64_t most)
{
    return most >> sim_below(5);
}


static void
owner_budgets(owner_t *o)
{
    int64_t  n;

    if (sim_chance(45)) {
        owner_limit(o, AI_RES_REQUESTS,
                    sim_chance(70) ? AI_PERIOD_DAY : AI_PERIOD_MONTH,
                    between(1, sim_storm ? storm_size(400) : 90), 0);
    }

    if (sim_chance(45)) {
        owner_limit(o, AI_RES_TOKENS,
                    sim_chance(70) ? AI_PERIOD_DAY : AI_PERIOD_MONTH,
                    between(60, sim_storm ? storm_size(12000) : 4000), 0);
    }

    if (sim_chance(45)) {
        n = between(2000000000, sim_storm ? storm_size(400) * 1000000000
                                          : 200000000000);

        if (!sim_storm && sim_chance(25)) {
            owner_limit(o, AI_RES_COST, AI_PERIOD_HOUR, n * 100, n);

        } else {
            owner_limit(o, AI_RES_COST, AI_PERIOD_DAY + sim_below(3), n, 0);
        }
    }
}


static void
owner_rates(owner_t *o)
{
    int64_t  n;

    if (sim_chance(35)) {
        if (sim_chance(50)) {
            n = between(1, 30);
            owner_limit(o, AI_RES_REQUESTS, AI_PERIOD_SECOND, n,
                        sim_chance(50) ? n : between(1, 2 * n));
        } else {
            n = between(7, 600);
            owner_limit(o, AI_RES_REQUESTS, AI_PERIOD_MINUTE, n,
                        sim_chance(50) ? n : between(1, n));
        }
    }

    if (sim_chance(35)) {
        n = between(60, 600);
        owner_limit(o, AI_RES_TOKENS, AI_PERIOD_SECOND, n, between(60, 2 * n));
    }

    if (sim_chance(35)) {
        owner_limit(o, AI_RES_CONCURRENCY, AI_PERIOD_NONE, between(1, 8), 0);
    }
}


static void
owner_begin(void)
{
    unsigned  i, k, rates;

    rates = 0;

    for (i = 0; i < OWNERS; i++) {
        memset(&owners[i], 0, sizeof(owner_t));

        for (k = 0; k < 16; k++) {
            owners[i].id.id[k] = (ai_char) (16 * (i + 1) + k);
        }

        owners[i].local = i % 2 ? owners[i - 1].local : sim_chance(60);

        /* a tenant without budgets can live on its own */

        rates = i % 2 ? rates : !sim_storm && sim_chance(35);

        do {
            owners[i].nlimits = 0;

            if (!rates) {
                owner_budgets(&owners[i]);
            }

            if (!sim_storm) {
                owner_rates(&owners[i]);
            }
        } while (owners[i].nlimits == 0);
    }

    oracle_begin();
}


/* ---- faults ---- */

static void
end_cut(void *data, uint64_t arg)
{
    node_t  *nd;

    nd = data;
    nd->cut = 0;
    sim_say("node %u is back (%llu)", nd->index, (unsigned long long) arg);
}


static void
end_lose(void *data, uint64_t arg)
{
    node_t  *nd;

    nd = data;
    nd->lose = 0;
    nd->slow = 0;
    (void) arg;
}


static void
end_deaf(void *data, uint64_t arg)
{
    node_t  *nd;

    nd = data;
    nd->deaf = 0;
    (void) arg;
}


static void
end_start(void *data, uint64_t arg)
{
    node_t  *nd;

    nd = data;
    (void) arg;

    if (nd->book == NULL) {
        node_start(nd);
    }
}


static void
end_skew(void *data, uint64_t arg)
{
    (void) arg;
    *(int64_t *) data = 0;
}


static void
end_split(void *data, uint64_t server)
{
    unsigned  i;

    (void) data;

    for (i = 0; i < sim_nodes; i++) {
        nodes[i].server = (unsigned) server;
    }

    sim_say("all speak to %u", (unsigned) server);
}


static int64_t
fault_skew(void)
{
    int64_t  ms;

    switch (sim_below(3)) {
    case 0:
        ms = between(1, 1500);
        break;
    case 1:
        ms = between(1000, 6000);
        break;
    default:
        ms = 3600000;
    }

    return sim_chance(50) ? ms : -ms;
}


static void
fault_leap(int64_t ms)
{
    ms = ms < 0 ? -ms : ms;
    sim_clock_ms += (uint64_t) (ms < HOLD ? ms : HOLD);
}


static void
fault_node(node_t *nd)
{
    switch (sim_storm && sim_chance(60) ? sim_between(0, 2) : sim_below(7)) {

    case 0:
        nd->cut = 1;
        cuts++;
        sim_say("node %u is cut off", nd->index);
        sim_at(sim_ms + sim_between(50, sim_chance(30) ? 12000 : 5000),
               end_cut, nd, 0);
        break;

    case 1:
        deafs++;
        nd->deaf = 1;
        sim_say("node %u hears nothing", nd->index);
        sim_at(sim_ms + sim_between(50, 4000), end_deaf, nd, 0);
        break;

    case 2:
        nd->lose = (unsigned) sim_between(1, 60);
        nd->slow = (unsigned) sim_between(1, 60);
        sim_say("node %u: %u%% are lost, %u%% late", nd->index, nd->lose,
                nd->slow);
        sim_at(sim_ms + sim_between(300, 5000), end_lose, nd, 0);
        break;

    case 3:
        deaths++;
        node_die(nd);
        sim_at(sim_ms + sim_between(1, 5000), end_start, nd, 0);
        break;

    case 4:
        orphans++;
        node_orphan(nd);
        break;

    case 5:
        stops++;
        nd->stopped = sim_ms + sim_between(20, 5000);
        sim_say("node %u stands", nd->index);
        break;

    default:
        jumps++;
        nd->skew = sim_chance(80) ? fault_skew() % 6000 : fault_skew();
        sim_say("node %u: clock %lld ms", nd->index, (long long) nd->skew);
        sim_at(sim_ms + sim_between(100, 4000), end_skew, &nd->skew, 0);
    }
}


static void
fault_split(void)
{
    unsigned  i, some;

    splits++;
    some = 0;

    for (i = 0; i < sim_nodes; i++) {
        nodes[i].server = (unsigned) sim_below(SERVERS);
        some |= 1u << nodes[i].server;
        sim_say("node %u speaks to %u", i, nodes[i].server);
    }

    if (some == 3) {
        sim_at(sim_ms + sim_between(200, 5000), end_split, NULL,
               sim_below(SERVERS));
    }
}


static void
fault_store(void)
{
    unsigned  s;

    s = nodes[sim_below(sim_nodes)].server;

    switch (sim_below(7)) {

    case 0:
        flushes++;
        sim_say("server %u is emptied", s);
        store_flush(s);
        break;

    case 1:
    case 2:
        copies++;
        sim_say("server %u is copied", s);
        store_copy(s, 1 - s);
        break;

    case 3:
        failovers++;
        store_promote(1 - s);
        end_split(NULL, 1 - s);
        break;

    case 4:
        fault_split();
        break;

    case 5:
        freezes++;
        store_frozen[s] = sim_ms + sim_between(20, 5000);
        sim_say("server %u stands", s);
        break;

    default:
        jumps++;
        store_skew[s] = fault_skew();
        fault_leap(store_skew[s]);
        sim_say("server %u: clock %lld ms", s, (long long) store_skew[s]);
        sim_at(sim_ms + sim_between(100, 4000), end_skew, &store_skew[s], 0);
    }
}


/* one machine has them all */

static void
fault_clock(void)
{
    int64_t   ms;
    unsigned  i;
    uint64_t  end;

    jumps++;
    ms = fault_skew();
    fault_leap(ms);
    end = sim_ms + sim_between(100, 4000);
    sim_say("all clocks: %lld ms", (long long) ms);

    for (i = 0; i < sim_nodes; i++) {
        nodes[i].skew = ms;
        sim_at(end, end_skew, &nodes[i].skew, 0);
    }

    for (i = 0; i < SERVERS; i++) {
        store_skew[i] = ms;
        sim_at(end, end_skew, &store_skew[i], 0);
    }
}


static void
fault_empty(void *data, uint64_t server)
{
    (void) data;

    flushes++;
    sim_say("server %llu is emptied", (unsigned long long) server);
    store_flush((unsigned) server);
}


/* a node is early, and the store is emptied while it is */

static void
fault_edge(uint64_t edge)
{
    node_t  *nd;

    nd = &nodes[sim_below(sim_nodes)];
    nd->skew = (int64_t) sim_between(300, 1000);
    jumps++;

    sim_at(edge + sim_between(100, 2000), end_skew, &nd->skew, 0);
    sim_at(edge - sim_between(0, (uint64_t) nd->skew), fault_empty, NULL,
           nd->server);
}


/* all are ahead, and are set back before the end; then a node starts anew */

static void
fault_again(void *data, uint64_t arg)
{
    node_t  *nd;

    (void) arg;

    nd = data;

    if (nd->book && sim_chance(50)) {
        orphans++;
        node_orphan(nd);

    } else if (nd->book) {
        deaths++;
        node_die(nd);
        sim_at(sim_ms + sim_between(1, 500), end_start, nd, 0);
    }
}


static void
fault_back(void *data, uint64_t edge)
{
    int64_t   ms;
    unsigned  i;
    uint64_t  left, end;

    (void) data;

    jumps++;
    left = edge - sim_ms;
    ms = (int64_t) (left + sim_between(100, 3000));
    end = sim_ms + sim_between(left / 4, left / 2);
    fault_leap(ms);
    sim_say("all clocks: %lld ms, until %llu", (long long) ms,
            (unsigned long long) end);

    for (i = 0; i < sim_nodes; i++) {
        nodes[i].skew = ms;
        sim_at(end, end_skew, &nodes[i].skew, 0);
        sim_at(sim_between(end, edge + 500), fault_again, &nodes[i], 0);
    }

    for (i = 0; i < SERVERS; i++) {
        store_skew[i] = ms;
        sim_at(end, end_skew, &store_skew[i], 0);
    }
}


static void
fault(void *data, uint64_t mean)
{
    (void) data;

    if (sim_ms >= SPAN) {
        return;
    }

    if (sim_chance(50)) {
        fault_node(&nodes[sim_below(sim_nodes)]);

    } else if (sim_chance(95)) {
        fault_store();

    } else {
        fault_clock();
    }

    sim_at(sim_ms + sim_between(1, 2 * mean), fault, NULL, mean);
}


/* a while of requests, and a while of none */

static void
arrive(void *data, uint64_t mean)
{
    node_t  *nd;

    nd = data;

    if (sim_ms >= SPAN) {
        return;
    }

    if (sim_ms >= nd->busy_until) {
        nd->busy_until = sim_ms + sim_between(500, 4000);
        sim_at(nd->busy_until, arrive, nd, mean);
        nd->busy_until += sim_between(200, 4000);
        return;
    }

    node_arrive(nd);
    sim_at(sim_ms + sim_between(0, 2 * mean), arrive, nd, mean);
}


/* ---- calm: what is left can be used ---- */

static void
calm_key(char *key, size_t size, unsigned owner, const ai_limit_t *l,
    uint32_t window)
{
    size_t    n;
    unsigned  i;
    epoch_t  *e;

    e = &nodes[0].epoch;
    n = (size_t) snprintf(key, size, "ai:{0}:%llu-%016llx:",
                          (unsigned long long) e->count,
                          (unsigned long long) e->random);

    for (i = 0; i < 16; i++) {
        n += (size_t) snprintf(key + n, size - n, "%02x",
                               owners[owner].id.id[i]);
    }

    snprintf(key + n, size - n, ":%u:%u:%u", l->resource, l->period, window);
}


static uint32_t
calm_window(const ai_limit_t *l)
{
    uint64_t  now_s;

    now_s = (sim_base + sim_ms) / 1000;

    return l->period == AI_PERIOD_DAY ? ai_day_id(now_s)
           : l->period == AI_PERIOD_MONTH ? ai_month_id(now_s) : 0;
}


static void
calm_most(int64_t *most, int64_t n, const ai_limit_t *l)
{
    n = (int64_t) (n / (l->amount / 100.0));
    *most = n > *most ? n : *most;
}


/*
 * What is taken and nobody uses: a lease of each node, of the dead as well, and
 * one of each older start until all of its rows are counted; never more than
 * all that there is.  A lease is no more than half of a node's part, beside the
 * largest request.  What was held and not used comes on top of that: schedules
 * with such are judged by the limit alone.
 */

static void
calm_stranded_node(unsigned owner, const ai_limit_t *l, const char *key,
    int64_t used, const node_t *nd)
{
    int64_t  total, older, most;

    total = store_total(nodes[0].server, key, nd, &older);

    most = l->amount / (2 * sim_nodes)
           + (l->resource == AI_RES_REQUESTS ? 1
              : l->resource == AI_RES_TOKENS ? BOUND_TOKENS : BOUND_COST);
    most *= older ? (int64_t) nd->start : 1;

    if (sim_exact && l->resource != AI_RES_TOKENS
        && total + older - used > most)
    {
        sim_stuck("%s %u: node %u has %lld of %lld %s/%s stranded, of %lld",
                  owner % 2 ? "key" : "tenant", owner / 2, nd->index,
                  (long long) (total + older - used), (long long) l->amount,
                  ai_resource_names[l->resource], ai_period_names[l->period],
                  (long long) most);
    }
}


static void
calm_stranded(unsigned owner, unsigned n)
{
    char               key[160];
    int64_t            leased;
    unsigned           i;
    const ai_limit_t  *l;

    l = &owners[owner].limits[n];

    if (l->period < AI_PERIOD_DAY || l->period == AI_PERIOD_NONE) {
        return;
    }

    calm_key(key, sizeof(key), owner, l, calm_window(l));
    leased = store_leased(nodes[0].server, key);

    if (leased > l->amount) {
        sim_fail("%lld of %lld %s/%s are leased", (long long) leased,
                        (long long) l->amount,
                        ai_resource_names[l->resource],
                        ai_period_names[l->period]);
    }

    for (i = 0; leased && i < sim_nodes; i++) {
        calm_stranded_node(owner, l, key,
                           node_admitted(&nodes[i], owner, n, calm_window(l)),
                           &nodes[i]);
    }

    leased -= leased ? oracle_admitted(owner, n, calm_window(l)) : 0;

    calm_most(&most_stranded, leased, l);
}


static void
calm_window_use(unsigned owner, unsigned n)
{
    int64_t            left, size;
    unsigned           i, round, took;
    const ai_limit_t  *l;

    l = &owners[owner].limits[n];

    for (round = 0; round < 4 && !sim_failed; round++) {
        size = INT64_MAX;

        while (!sim_failed) {
            left = l->amount - oracle_admitted(owner, n, calm_window(l));

            if (left <= 0) {
                return;
            }

            size = size < left ? size : left;
            took = 0;

            for (i = 0; i < sim_nodes && !took; i++) {
                took = (unsigned) node_take_one(&nodes[i], owner, n,
                           l->resource == AI_RES_REQUESTS ? 1 : size);
            }

            if (!took && (size == 1 || l->resource == AI_RES_REQUESTS)) {
                break;
            }

            size = took ? size : (size + 1) / 2;
        }

        sim_run(sim_ms + LEASE + 2 * KEEP);
    }

    if (!sim_failed) {
        sim_stuck("%s %u: %lld of %lld %s/%s cannot be used",
                 owner % 2 ? "key" : "tenant", owner / 2,
                 (long long) (l->amount
                              - oracle_admitted(owner, n, calm_window(l))),
                 (long long) l->amount, ai_resource_names[l->resource],
                 ai_period_names[l->period]);
    }
}


#define calm_is_bucket(l)                                                    \
    ((l)->period < AI_PERIOD_DAY && (l)->resource != AI_RES_CONCURRENCY)


/* ms that a bucket takes to fill; those of an hour are not waited for */

static uint64_t
calm_fill(const ai_limit_t *l)
{
    uint64_t  ms;

    ms = l->period == AI_PERIOD_SECOND ? 1000
         : l->period == AI_PERIOD_MINUTE ? 60000 : 3600000;

    return (uint64_t) (l->burst * (double) ms / l->amount) + 200;
}


/* by then each bucket is full, what was charged twice as well */

static uint64_t
calm_full(void)
{
    uint64_t           ms, max;
    unsigned           i, n;
    const ai_limit_t  *l;

    max = 0;

    for (i = 0; i < OWNERS; i++) {
        for (n = 0; n < owners[i].nlimits; n++) {
            l = &owners[i].limits[n];
            ms = calm_is_bucket(l) ? 2 * calm_fill(l) : 0;
            max = ms > max && ms <= CALM ? ms : max;
        }
    }

    return sim_ms + max;
}


/* a whole burst can be taken, and all slots */

static void
calm_rate_use(unsigned owner, unsigned n)
{
    int64_t            got, size;
    uint64_t           end;
    unsigned           i;
    const ai_limit_t  *l;

    l = &owners[owner].limits[n];
    got = 0;
    end = sim_ms + 2 * LEASE;
    size = l->resource == AI_RES_TOKENS || l->resource == AI_RES_COST
           ? l->burst / 4 : 1;

    if (!calm_is_bucket(l)) {
        end = sim_ms + 200;
    }

    for (i = 0; got + size <= l->burst && sim_ms < end && !sim_failed; i++) {
        if (node_take_one(&nodes[i % sim_nodes], owner, n, size)) {
            got += size;

        } else {
            sim_run(sim_ms + 20);
        }
    }

    if (got + size <= l->burst && !sim_failed) {
        sim_stuck("%s %u: %lld of a burst of %lld by %lld %s/%s",
                 owner % 2 ? "key" : "tenant", owner / 2, (long long) got,
                 (long long) l->burst, (long long) l->amount,
                 ai_resource_names[l->resource], ai_period_names[l->period]);
    }
}


static void
calm(void)
{
    unsigned  i, k;
    uint64_t  server;

    for (i = 0; i < OWNERS; i++) {
        for (k = 0; k < owners[i].nlimits; k++) {
            calm_stranded(i, k);
        }
    }

    server = nodes[0].server;
    end_split(NULL, server);
    sim_say("calm");

    for (i = 0; i < SERVERS; i++) {
        store_frozen[i] = 0;
        store_skew[i] = 0;
    }

    for (i = 0; i < sim_nodes; i++) {
        end_cut(&nodes[i], 0);
        end_lose(&nodes[i], 0);
        end_deaf(&nodes[i], 0);
        nodes[i].skew = 0;
        nodes[i].stopped = 0;
        end_start(&nodes[i], 0);
    }

    /* open requests and old workers end, credit does, nodes report */

    sim_run(sim_ms + 8000 + HOLD + 2 * LEASE);

    sim_run(calm_full());

    for (i = 0; i < OWNERS && !sim_failed; i++) {
        for (k = 0; k < owners[i].nlimits && !sim_failed; k++) {
            if (owners[i].limits[k].period >= AI_PERIOD_DAY
                && owners[i].limits[k].period != AI_PERIOD_NONE)
            {
                calm_window_use(i, k);

            } else if (!calm_is_bucket(&owners[i].limits[k])
                       || 2 * calm_fill(&owners[i].limits[k]) <= CALM)
            {
                calm_rate_use(i, k);
            }
        }
    }
}


static void
schedule(uint64_t seed)
{
    unsigned  i;
    uint64_t  mean, edge;

    sim_seed = seed;
    sim_state = seed * 0x2545f4914f6cdd1dULL + 1;
    sim_ms = 0;
    sim_clock_ms = 0;
    sim_over = 0;
    sim_failed = 0;
    nheap = 0;

    /* in half of them a month ends, while clocks are wrong */

    sim_storm = sim_chance(35);
    edge = sim_chance(50) ? sim_between(3000, SPAN) : 0;
    sim_base = 1796083200000ULL - (edge ? edge : 43200000);
    sim_nodes = (unsigned) sim_between(1, NODES);
    sim_nodes = sim_nodes == 1 && sim_chance(70) ? 2 : sim_nodes;

    sim_exact = (unsigned) sim_chance(50);

    owner_begin();
    store_begin();
    node_begin();

    mean = sim_storm ? sim_between(3, 30) : sim_between(30, 250);

    for (i = 0; i < sim_nodes; i++) {
        sim_at(sim_below(300), arrive, &nodes[i], mean);

        if (sim_storm && sim_chance(60)) {
            nodes[i].lose = (unsigned) sim_between(5, 50);
            nodes[i].slow = (unsigned) sim_between(5, 50);
        }
    }

    if (edge && sim_chance(30)) {
        fault_edge(edge);

    } else if (edge && sim_chance(30)) {
        sim_at(edge - sim_between(1500, edge < 8000 ? edge - 500 : 7500),
               fault_back, NULL, edge);
    }

    sim_at(1000 + sim_below(3000), fault, NULL, sim_between(150, 1500));
    sim_run(SPAN);

    if (!sim_failed) {
        calm();
    }

    sim_over = 1;

    while (sim_step()) { /* void */ }

    node_end();
}


static void
faults_print(void)
{
    printf("faults: %llu cuts, %llu deaf, %llu deaths, %llu with old workers, "
           "%llu stands, %llu clocks, %llu emptied, %llu copies, "
           "%llu failovers, %llu splits, %llu frozen\n",
           (unsigned long long) cuts, (unsigned long long) deafs,
           (unsigned long long) deaths,
           (unsigned long long) orphans, (unsigned long long) stops,
           (unsigned long long) jumps, (unsigned long long) flushes,
           (unsigned long long) copies, (unsigned long long) failovers,
           (unsigned long long) splits, (unsigned long long) freezes);

    printf("requests: %llu, admitted %llu (%llu by a share), refused %llu, "
           "declined %llu\n",
           (unsigned long long) figures.requests,
           (unsigned long long) figures.admitted,
           (unsigned long long) figures.local,
           (unsigned long long) figures.refused,
           (unsigned long long) figures.declined);

    printf("operations: %llu, executed %llu: ok %llu, epoch %llu, fence %llu,"
           " late %llu, clock %llu, errors %llu; timed out %llu, executed "
           "after that %llu, shifted %llu\n",
           (unsigned long long) figures.operations,
           (unsigned long long) store_calls,
           (unsigned long long) figures.status[0],
           (unsigned long long) figures.status[1],
           (unsigned long long) figures.status[2],
           (unsigned long long) figures.status[3],
           (unsigned long long) figures.status[4],
           (unsigned long long) figures.errors,
           (unsigned long long) figures.lost,
           (unsigned long long) figures.late,
           (unsigned long long) figures.shifted);
}


int
main(int argc, char **argv)
{
    uint64_t         seed, n, failed;
    struct timespec  a, b;

    n = argc > 1 ? strtoull(argv[1], NULL, 10) : 300;
    seed = argc > 2 && argv[2][0] ? strtoull(argv[2], NULL, 10) : 1;
    sim_mutant = argc > 3 && argv[3][0] ? argv[3] : NULL;
    sim_trace = getenv("AI_SIM_TRACE") != NULL;
    failed = 0;

    store_start();
    clock_gettime(CLOCK_MONOTONIC, &a);

    for (argc = 0; n && failed < (sim_mutant ? 1 : 10); n--, argc++) {
        schedule(seed++);
        failed += sim_failed != 0;
    }

    clock_gettime(CLOCK_MONOTONIC, &b);
    faults_print();

    printf("lease-sim: %d schedules, %llu steps, %llu failed, %llu of them "
           "over-admitted, %llu stranded too much; at most %lld %%"
           " of a limit granted at once, %lld %% stranded, %ld s\n", argc,
           (unsigned long long) sim_steps, (unsigned long long) failed,
           (unsigned long long) (failed - sim_stuck_n),
           (unsigned long long) sim_stuck_n,
           (long long) figures.granted, (long long) most_stranded,
           (long) (b.tv_sec - a.tv_sec));

    return failed ? 1 : 0;
}
