
/*
 * The few pieces of nginx and of the gateway's zone that the ledger's files
 * need, for a test program: a log on stderr, no timers, and a zone whose lock
 * knows when its owner died, as nginx's master does.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <pthread.h>
#include "nginx.h"


volatile ngx_cycle_t   *ngx_cycle;
volatile ngx_msec_t     ngx_current_msec;
volatile ngx_time_t    *ngx_cached_time;
ngx_rbtree_t            ngx_event_timer_rbtree;
ngx_uint_t              ngx_test_config;
ngx_uint_t              ngx_exiting;

static ngx_time_t       test_time;
static ngx_log_t        test_log;
static ngx_cycle_t      test_cycle;

ngx_uint_t              test_logged[9];
ngx_uint_t              test_quiet;


/* the format itself is enough to see what happened */

void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    va_list      args;
    const char  *text;

    (void) log;

    if (level < 9) {
        test_logged[level]++;
    }

    if (test_quiet) {
        return;
    }

    text = fmt;

    if (strcmp(fmt, "ai ledger: %s") == 0) {
        va_start(args, fmt);
        text = va_arg(args, char *);
        va_end(args);
    }

    fprintf(stderr, "# log %lu: %s (%d)\n", (unsigned long) level, text, err);
}


void
ngx_rbtree_insert(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    (void) tree;
    (void) node;
}


void
ngx_rbtree_delete(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    (void) tree;
    (void) node;
}


void
test_tick(void)
{
    test_time.sec = time(NULL);
    ngx_cached_time = &test_time;
}


ngx_cycle_t *
test_nginx(void)
{
    test_tick();

    test_log.log_level = NGX_LOG_INFO;
    test_cycle.log = &test_log;
    ngx_cycle = &test_cycle;

    return &test_cycle;
}


typedef struct {
    pthread_mutex_t   mutex;
    ngx_ai_zone_t     zone;
} test_zone_t;


ngx_ai_zone_t *
test_zone(size_t size, uint64_t id)
{
    u_char               zone_id[16];
    test_zone_t         *z;
    pthread_mutexattr_t  attr;

    z = mmap(NULL, size + 4096, PROT_READ|PROT_WRITE,
             MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    if (z == MAP_FAILED) {
        return NULL;
    }

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&z->mutex, &attr);

    memset(zone_id, 0x5a, sizeof(zone_id));
    memcpy(zone_id, &id, sizeof(id));

    z->zone.book = (ai_book_t *) ((u_char *) z + 4096);
    z->zone.fresh = 1;

    return ai_book_init(z->zone.book, size, zone_id) == AI_OK ? &z->zone
                                                              : NULL;
}


void
ngx_ai_zone_lock(ngx_ai_zone_t *zone)
{
    test_zone_t  *z;

    z = (test_zone_t *) ((u_char *) zone - offsetof(test_zone_t, zone));

    if (pthread_mutex_lock(&z->mutex) == EOWNERDEAD) {
        (void) ai_book_recover(zone->book);
        pthread_mutex_consistent(&z->mutex);
    }
}


void
ngx_ai_zone_unlock(ngx_ai_zone_t *zone)
{
    test_zone_t  *z;

    z = (test_zone_t *) ((u_char *) zone - offsetof(test_zone_t, zone));

    pthread_mutex_unlock(&z->mutex);
}


void
ngx_ai_now(ai_now_t *now)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    now->mono_ms = (uint64_t) ts.tv_sec * 1000
                   + (uint64_t) ts.tv_nsec / 1000000;
    now->now_s = (uint64_t) time(NULL);
}
