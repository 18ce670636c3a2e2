
/*
 * Processes that die: one is stepped through a call instruction by
 * instruction, and at each of them the book is recovered as if it had been
 * killed there; others are really killed, at random, and their siblings go on.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "ai_book_int.h"


#define START  1795225000ULL
#define MONO   (40 * 86400 * 1000ULL)


typedef struct {
    pthread_mutex_t  mutex;
    uint64_t         admitted;
    uint64_t         refused;
    uint64_t         spent;
    uint32_t         recovered;
} shared_t;


static shared_t   *shared;
static ai_book_t  *book;
static size_t      book_size;


static void *
share(size_t size)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1,
             0);
    assert_ptr_not_equal(p, MAP_FAILED);

    return p;
}


static int
setup(void **state)
{
    static const ai_char  id[16] = "crash";
    pthread_mutexattr_t   attr;

    (void) state;

    book_size = (ai_book_min_size() + 4095) / 4096 * 4096;
    book = share(book_size);
    shared = share(sizeof(shared_t));

    assert_int_equal(ai_book_init(book, book_size, id), AI_OK);

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&shared->mutex, &attr);

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    munmap(book, book_size);
    munmap(shared, sizeof(shared_t));

    return 0;
}


static void
lock(void)
{
    if (pthread_mutex_lock(&shared->mutex) == EOWNERDEAD) {
        pthread_mutex_consistent(&shared->mutex);
    }

    if (ai_book_recover(book) == AI_DONE) {
        shared->recovered++;
    }
}


static void
unlock(void)
{
    pthread_mutex_unlock(&shared->mutex);
}


/* ---- asks ---- */

static const ai_limit_t  tenant_limits[] = {
    { AI_RES_REQUESTS, AI_PERIOD_MINUTE, 1000000, 1000000 },
    { AI_RES_TOKENS, AI_PERIOD_MINUTE, 100000000, 100000000 },
    { AI_RES_COST, AI_PERIOD_HOUR, 100000000, 100000000 },
    { AI_RES_REQUESTS, AI_PERIOD_DAY, 1000000, 0 },
    { AI_RES_COST, AI_PERIOD_MONTH, 100000000, 0 },
    { AI_RES_CONCURRENCY, AI_PERIOD_NONE, 1000, 0 },
};

static const ai_limit_t  key_limits[] = {
    { AI_RES_REQUESTS, AI_PERIOD_SECOND, 1000000, 1000000 },
};


static void
ask_fill(ai_hold_ask_t *ask, unsigned tenant, int worker)
{
    memset(ask, 0, sizeof(ai_hold_ask_t));

    ask->nparty = 2;
    ask->party[0].id.id[0] = (ai_char) tenant;
    ask->party[0].limits = tenant_limits;
    ask->party[0].nlimits = 6;
    ask->party[1].id.id[0] = (ai_char) tenant;
    ask->party[1].id.id[1] = 1;
    ask->party[1].limits = key_limits;
    ask->party[1].nlimits = 1;
    ask->bound[AI_RES_REQUESTS] = 1;
    ask->bound[AI_RES_TOKENS] = 100;
    ask->bound[AI_RES_COST] = 100;
    ask->guess[AI_RES_TOKENS] = 50;
    ask->worker = (uint16_t) worker;
}


/* ---- stepping ---- */

typedef enum {
    CALL_TAKE_NEW,              /* makes owners and buckets */
    CALL_TAKE,
    CALL_SETTLE,
    CALL_COUNT,
    CALL_BASE_NEW,
    CALL_BASE,                  /* and a newer day */
    CALL_LEARN,
    CALL_N
} call_t;


static void
call(call_t which, int worker)
{
    ai_now_t        now = { START + 60, MONO + 60000 };
    ai_str_t        model = ai_string("gpt-4.1");
    ai_ref_t        hold;
    ai_base_t       base;
    ai_refused_t    why;
    ai_hold_ask_t   ask;
    const int64_t   used[AI_RES_COUNTED] = { 1, 70, 40, 30, 20 };
    const uint64_t  tokens[2] = { 40, 30 };

    switch (which) {

    case CALL_TAKE_NEW:
    case CALL_TAKE:
        ask_fill(&ask, which == CALL_TAKE ? 1 : 2, worker);
        (void) ai_book_take(book, &ask, &now, &hold, &why);
        break;

    case CALL_SETTLE:
        ai_book_settle(book, book->workers[worker].holds, used, tokens, &now);
        break;

    case CALL_COUNT:
        ask_fill(&ask, 3, worker);
        (void) ai_book_count(book, ask.party, 2, used, START, &now);
        break;

    case CALL_BASE_NEW:
    case CALL_BASE:
        memset(&base, 0, sizeof(ai_base_t));
        base.day = ai_day_id(START + (which == CALL_BASE ? 86400 : 0));
        base.month = ai_month_id(START);
        base.used_day[AI_RES_TOKENS] = 7;
        base.used_month[AI_RES_COST] = 11;
        base.cost = 13;

        ask_fill(&ask, which == CALL_BASE ? 1 : 4, worker);
        (void) ai_book_base(book, &ask.party[0].id, &base, &now);
        break;

    default:
        ai_book_ratio_learn(book, &model, 1000, 100, 1000, 100);
    }
}


/* what a recovered image must equal: 0 differs, 1 the same */

static int
same(const ai_book_t *a, const ai_book_t *b)
{
    return memcmp(a, b, offsetof(ai_book_t, recovered)) == 0
           && memcmp(a->workers, b->workers,
                     book_size - offsetof(ai_book_t, workers)) == 0;
}


static void
step_through(call_t which, int worker)
{
    int         status;
    pid_t       pid;
    unsigned    before, after, steps;
    ai_book_t  *first, *last, *image;

    first = aligned_alloc(64, book_size);
    last = aligned_alloc(64, book_size);
    image = aligned_alloc(64, book_size);

    memcpy(first, book, book_size);
    call(which, worker);
    memcpy(last, book, book_size);
    assert_false(same(first, last));
    memcpy(book, first, book_size);

    pid = fork();

    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        call(which, worker);
        raise(SIGSTOP);
        _exit(0);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);

    before = 0;
    after = 0;
    steps = 0;

    if (!WIFSTOPPED(status)) {
        skip();                         /* nobody may trace here */
    }

    for ( ;; ) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSTOPPED(status));

        if (WSTOPSIG(status) != SIGTRAP) {
            break;
        }

        steps++;

        memcpy(image, book, book_size);
        (void) ai_book_recover(image);

        if (same(image, first)) {
            assert_int_equal(after, 0);
            before++;

        } else {
            assert_true(same(image, last));
            after++;
        }
    }

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);

    assert_true(before > 50);
    assert_true(after > 0);
    assert_true(same(book, last));

    print_message("          %u instructions: %u undone, %u done\n", steps,
                  before, after);

    free(first);
    free(last);
    free(image);
}


static void
killed_at_any_instruction(void **state)
{
    int            worker;
    call_t         which;
    ai_now_t       now = { START, MONO };
    ai_ref_t       hold;
    ai_refused_t   why;
    ai_hold_ask_t  ask;

    (void) state;

    worker = ai_book_worker(book, 1, 1);
    ask_fill(&ask, 1, worker);

    assert_int_equal(ai_book_take(book, &ask, &now, &hold, &why), AI_OK);
    assert_int_equal(ai_book_take(book, &ask, &now, &hold, &why), AI_OK);

    for (which = 0; which < CALL_N; which++) {
        step_through(which, worker);
    }
}


/* an undo that is itself killed goes on where the next one begins */

static void
killed_in_recovery(void **state)
{
    int          status;
    pid_t        pid;
    ai_tx_t      tx;
    unsigned     i, undone;
    ai_book_t   *first, *image;

    (void) state;

    first = aligned_alloc(64, book_size);
    image = aligned_alloc(64, book_size);
    memcpy(first, book, book_size);

    ai_tx_begin(&tx, book, 0, 0);

    for (i = 0; i < 60; i++) {
        ai_tx_put(&tx, ai_book_at(book, book_size - 8 * (i % 23 + 1)), ~i);
    }

    pid = fork();

    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        (void) ai_book_recover(book);
        raise(SIGSTOP);
        _exit(0);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);

    if (!WIFSTOPPED(status)) {
        skip();
    }

    undone = 0;

    for ( ;; ) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);

        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
            break;
        }

        memcpy(image, book, book_size);
        undone += ai_book_recover(image) == AI_DONE;
        assert_true(same(image, first));
    }

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);

    assert_true(undone > 60);

    free(first);
    free(image);
}


/* ---- many processes ---- */

static void
work(unsigned seed, unsigned rounds, const ai_limit_t *limits,
    unsigned nlimits, int keep)
{
    int            rc, worker;
    ai_now_t       now = { START, MONO };
    ai_ref_t       hold[8] = { 0 }, *h;
    unsigned       i;
    ai_refused_t   why;
    ai_hold_ask_t  ask;
    int64_t        used[AI_RES_COUNTED] = { 1, 70, 40, 30, 0 };
    uint64_t       tokens[2] = { 40, 30 };

    lock();
    worker = ai_book_worker(book, (uint32_t) getpid(), 7);
    unlock();

    ask_fill(&ask, 1, worker);
    ask.party[0].limits = limits;
    ask.party[0].nlimits = nlimits;

    for (i = 0; i < rounds; i++) {
        seed = seed * 1103515245 + 12345;
        h = &hold[seed >> 16 & 7];
        used[AI_RES_COST] = seed >> 20 & 63;

        lock();

        if (*h) {
            ai_book_settle(book, *h, used, tokens, &now);
            *h = 0;
            shared->spent += (uint64_t) used[AI_RES_COST];

        } else {
            rc = ai_book_take(book, &ask, &now, h, &why);

            if (rc == AI_OK) {
                shared->admitted++;

                if (keep) {
                    *h = 0;
                }

            } else {
                *h = 0;
                shared->refused++;
            }
        }

        unlock();
    }
}


static void
budget_of_k_admits_k(void **state)
{
    int               i, status;
    pid_t             pid[4];
    ai_owner_view_t   v;
    ai_owner_id_t     id;
    const ai_limit_t  limits[] = {
        { AI_RES_COST, AI_PERIOD_MONTH, 37 * 100 + 99, 0 },
        { AI_RES_REQUESTS, AI_PERIOD_DAY, 100, 0 },
    };

    (void) state;

    for (i = 0; i < 4; i++) {
        pid[i] = fork();

        if (pid[i] == 0) {
            work((unsigned) i, 125, limits, 2, 1);
            _exit(0);
        }
    }

    for (i = 0; i < 4; i++) {
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }

    assert_int_equal(shared->admitted, 37);
    assert_int_equal(shared->refused, 500 - 37);

    memset(&id, 0, sizeof(id));
    id.id[0] = 1;
    ai_book_owner_view(book, ai_book_owner_find(book, &id), START, &v);
    assert_int_equal(v.open, 37);
    assert_int_equal(v.held[AI_RES_COST], 3700);
}


/* what a sibling does for a dead one */

static void
bury(pid_t pid)
{
    ai_now_t        now = { START, MONO };
    ai_ref_t        at;
    uint32_t        p;
    uint64_t        start;
    unsigned        i;
    ai_hold_view_t  v;
    const int64_t   used[AI_RES_COUNTED] = { 0 };
    const uint64_t  tokens[2] = { 0 };

    lock();

    for (i = 0; i < AI_BOOK_WORKERS; i++) {
        if (ai_book_worker_get(book, i, &p, &start) != AI_OK
            || p != (uint32_t) pid)
        {
            continue;
        }

        at = 0;

        while (ai_book_worker_hold(book, i, &at, &v) == AI_OK) {
            ai_book_settle(book, v.hold, used, tokens, &now);
        }

        ai_book_worker_free(book, i);
    }

    unlock();
}


static void
killed_workers_leave_nothing(void **state)
{
    int              i, round, status;
    pid_t            pid[3];
    unsigned         r;
    ai_book_stat_t   st;
    ai_owner_id_t    id;
    ai_owner_view_t  v;
    struct timespec  ts = { 0, 0 };

    (void) state;

    for (i = 0; i < 3; i++) {
        pid[i] = 0;
    }

    for (round = 0; round < 600; round++) {
        i = round % 3;

        if (pid[i]) {
            ts.tv_nsec = 100000 + round * 7919 % 400000;
            nanosleep(&ts, NULL);

            kill(pid[i], SIGKILL);
            waitpid(pid[i], &status, 0);
            bury(pid[i]);
        }

        pid[i] = fork();

        if (pid[i] == 0) {
            work((unsigned) round, UINT32_MAX, tenant_limits, 6, 0);
            _exit(0);
        }
    }

    for (i = 0; i < 3; i++) {
        kill(pid[i], SIGKILL);
        waitpid(pid[i], &status, 0);
        bury(pid[i]);
    }

    ai_book_stat(book, &st);
    assert_int_equal(st.holds, 0);

    memset(&id, 0, sizeof(id));
    id.id[0] = 1;
    ai_book_owner_view(book, ai_book_owner_find(book, &id), START, &v);

    assert_int_equal(v.open, 0);
    assert_true(v.requests > 1000);

    for (r = 0; r < AI_RES_COUNTED; r++) {
        assert_int_equal(v.held[r], 0);
    }

    /* sums that must agree, whoever died when */

    assert_int_equal(v.cost, v.used_month[AI_RES_COST]);
    assert_int_equal(v.requests, (uint64_t) v.used_day[AI_RES_REQUESTS]);
    assert_int_equal(v.tokens[0], 40 * v.requests);
    assert_int_equal(v.used_day[AI_RES_TOKENS], 70 * (int64_t) v.requests);

    /* between the book and this counter a killed process may differ by one */

    assert_true((uint64_t) v.cost >= shared->spent);
    assert_true((uint64_t) v.cost <= shared->spent + 603 * 63);
    assert_true(shared->recovered > 0);

    print_message("          603 kills: %u calls undone, %lu settled\n",
                  shared->recovered, (unsigned long) v.requests);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(killed_at_any_instruction, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(killed_in_recovery, setup, teardown),
        cmocka_unit_test_setup_teardown(budget_of_k_admits_k, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(killed_workers_leave_nothing, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
