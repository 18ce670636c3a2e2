
/*
 * Workers killed at any moment, under the lock too, while others go on: in the
 * end all places are free and all waiters gone.
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "ai_gate_int.h"


#define WORKERS  3
#define KILLS    300


typedef struct {
    pthread_mutex_t  mutex;
    uint32_t         broken;        /* locks whose owner had died */
    uint32_t         midway;        /* and in the middle of a change */
    uint32_t         gate;
} shared_t;


static shared_t    *shared;
static ai_gates_t  *gs;


static uint64_t
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


static void
lock(void)
{
    if (pthread_mutex_lock(&shared->mutex) == EOWNERDEAD) {
        shared->broken++;
        shared->midway += gs->busy;
        pthread_mutex_consistent(&shared->mutex);
    }
}


static void
unlock(void)
{
    pthread_mutex_unlock(&shared->mutex);
}


/* one request: a place, or a line and a place, or neither */

static void
request(ai_gate_ask_t *ask, unsigned random)
{
    int               rc;
    uint32_t          w;
    ai_gate_ticket_t  t;

    ask->plan = 1 + random % 5;
    ask->tenant = random % 7;
    ask->priority = ask->plan % 3;
    ask->share = ask->priority ? 20 : 0;

    lock();
    rc = ai_gate_take(gs, shared->gate, ask, now(), &t);

    if (rc == AI_BUSY) {
        rc = ai_gate_join(gs, shared->gate, ask, now(), now() + 3, &w);

        while (rc == AI_OK) {
            rc = ai_gate_waiter(gs, w, ask, now(), &t);

            if (rc != AI_AGAIN) {
                break;
            }

            unlock();
            lock();

            rc = AI_OK;

            if (random % 11 == 0) {
                ai_gate_leave(gs, w, ask, now());
                rc = AI_BUSY;
            }
        }
    }

    unlock();

    if (rc == AI_OK) {
        lock();
        ai_gate_free(gs, &t, now());
        unlock();
    }
}


static pid_t
worker(unsigned n)
{
    pid_t          pid;
    unsigned       seed;
    ai_gate_ask_t  ask;

    pid = fork();

    if (pid) {
        return pid;
    }

    seed = n * 7919 + (unsigned) getpid();
    memset(&ask, 0, sizeof(ai_gate_ask_t));
    ask.worker = n;

    for ( ;; ) {
        request(&ask, (unsigned) rand_r(&seed));
    }
}


static void *
share(size_t size)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1,
             0);
    assert_ptr_not_equal(p, MAP_FAILED);

    return p;
}


static void
test_killed(void **state)
{
    pid_t                pids[WORKERS];
    unsigned             i, n;
    ai_gate_view_t       v;
    struct timespec      pause = { 0, 0 };
    pthread_mutexattr_t  attr;

    (void) state;

    shared = share(sizeof(shared_t));
    gs = share(ai_gates_size());

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&shared->mutex, &attr);

    ai_gates_init(gs);
    shared->gate = ai_gate_get(gs, (const ai_char *) "gate of capacity", 2, 5,
                               now());

    for (i = 0; i < WORKERS; i++) {
        pids[i] = worker(i);
        assert_true(pids[i] > 0);
    }

    for (n = 0; n < KILLS; n++) {
        pause.tv_nsec = 500000 + rand() % 2000000;
        nanosleep(&pause, NULL);

        i = n % WORKERS;

        kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);

        lock();
        ai_gate_worker(gs, i, now());
        ai_gate_view(gs, shared->gate, &v);
        assert_true(v.taken <= v.capacity);
        unlock();

        pids[i] = worker(i);
    }

    for (i = 0; i < WORKERS; i++) {
        kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);

        lock();
        ai_gate_worker(gs, i, now());
        unlock();
    }

    ai_gate_view(gs, shared->gate, &v);

    printf("%u kills, %u under the lock, %u midway; %lu passed, %lu waited, "
           "%lu refused\n", KILLS, shared->broken, shared->midway,
           (unsigned long) v.passed, (unsigned long) v.waited,
           (unsigned long) v.refused);

    assert_int_equal(v.taken, 0);
    assert_int_equal(v.waiting, 0);
    assert_true(v.passed > KILLS);
    assert_true(v.waited > 0);

    for (i = 0; i < AI_GATE_WAITERS; i++) {
        assert_int_equal(gs->waiters[i].state, AI_WAITER_FREE);
    }

    for (n = 0; n < AI_GATE_ROWS; n++) {
        for (i = 0; i < WORKERS; i++) {
            assert_int_equal(gs->rows[n][i], 0);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_killed)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
