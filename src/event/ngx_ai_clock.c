
/*
 * The clock that limits are judged by.
 *
 * One word in memory shared by master and workers says how far the calendar is
 * ahead of CLOCK_BOOTTIME; another, how far the wall clock was when a step of
 * it was last reported, so that one process of all reports it.
 */


#include "ngx_ai_zone.h"
#include <sys/mman.h>


#define NGX_AI_CLOCK_STEP  5000

/*
 * Added to the monotonic milliseconds: rows older than the machine's start
 * then still have a time on it.
 */
#define NGX_AI_CLOCK_PAST  (32 * 86400 * (uint64_t) 1000)


typedef struct {
    volatile int64_t   ahead;   /* ms; 0: not anchored yet */
    volatile int64_t   wall;
} ngx_ai_clock_t;


static uint64_t ngx_ai_clock_ms(clockid_t id);
static ngx_ai_clock_t *ngx_ai_clock_get(ngx_log_t *log);
static void ngx_ai_clock_check(ngx_ai_clock_t *clock, uint64_t boot);


static ngx_ai_clock_t  *ngx_ai_clock;
static ngx_ai_clock_t   ngx_ai_clock_own;   /* if there is no shared memory */


void
ngx_ai_now_anchor(ngx_log_t *log)
{
    int64_t          ahead, old;
    ngx_ai_clock_t  *clock;

    clock = ngx_ai_clock_get(log);

    ahead = (int64_t) (ngx_ai_clock_ms(CLOCK_REALTIME)
                       - ngx_ai_clock_ms(CLOCK_BOOTTIME));

    old = __atomic_exchange_n(&clock->ahead, ahead, __ATOMIC_RELAXED);
    __atomic_store_n(&clock->wall, ahead, __ATOMIC_RELAXED);

    if (old && ngx_abs(ahead - old) > NGX_AI_CLOCK_STEP) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "ai clock: follows the wall clock again, "
                      "which was %L ms away", (int64_t) (ahead - old));
    }
}


void
ngx_ai_now(ai_now_t *now)
{
    int64_t          ahead;
    uint64_t         boot;
    ngx_ai_clock_t  *clock;

    clock = ngx_ai_clock;

    if (clock == NULL || clock->ahead == 0) {
        ngx_ai_now_anchor(ngx_cycle->log);
        clock = ngx_ai_clock;
    }

    boot = ngx_ai_clock_ms(CLOCK_BOOTTIME);
    ahead = __atomic_load_n(&clock->ahead, __ATOMIC_RELAXED);

    now->mono_ms = boot + NGX_AI_CLOCK_PAST;
    now->now_s = (boot + (uint64_t) ahead) / 1000;

    ngx_ai_clock_check(clock, boot);
}


uint64_t
ngx_ai_now_ms(void)
{
    ngx_ai_clock_t  *clock;

    clock = ngx_ai_clock;

    if (clock == NULL || clock->ahead == 0) {
        ngx_ai_now_anchor(ngx_cycle->log);
        clock = ngx_ai_clock;
    }

    return ngx_ai_clock_ms(CLOCK_BOOTTIME)
           + (uint64_t) __atomic_load_n(&clock->ahead, __ATOMIC_RELAXED);
}


uint64_t
ngx_ai_now_as_ms(const ai_now_t *now)
{
    return now->mono_ms - NGX_AI_CLOCK_PAST
           + (uint64_t) __atomic_load_n(&ngx_ai_clock->ahead,
                                        __ATOMIC_RELAXED);
}


static void
ngx_ai_clock_check(ngx_ai_clock_t *clock, uint64_t boot)
{
    int64_t  seen, wall;

    wall = (int64_t) (ngx_ai_clock_ms(CLOCK_REALTIME_COARSE) - boot);
    seen = __atomic_load_n(&clock->wall, __ATOMIC_RELAXED);

    if (ngx_abs(wall - seen) <= NGX_AI_CLOCK_STEP) {
        return;
    }

    /*
     * Stopped between the two readings, this process is the one that is late:
     * the second look is at a pair read anew.
     */

    boot = ngx_ai_clock_ms(CLOCK_BOOTTIME);
    wall = (int64_t) (ngx_ai_clock_ms(CLOCK_REALTIME) - boot);

    if (ngx_abs(wall - seen) <= NGX_AI_CLOCK_STEP
        || !__atomic_compare_exchange_n(&clock->wall, &seen, wall, 0,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "ai clock: the wall clock stepped by %L ms, limits go on "
                  "by the time that passed until the next reload",
                  wall - seen);
}


static uint64_t
ngx_ai_clock_ms(clockid_t id)
{
    struct timespec  ts;

    (void) clock_gettime(id, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


/* the first call comes before workers are forked */

static ngx_ai_clock_t *
ngx_ai_clock_get(ngx_log_t *log)
{
    void  *p;

    if (ngx_ai_clock) {
        return ngx_ai_clock;
    }

    p = mmap(NULL, sizeof(ngx_ai_clock_t), PROT_READ|PROT_WRITE,
             MAP_ANON|MAP_SHARED, -1, 0);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                      "mmap(MAP_ANON|MAP_SHARED, %uz) failed",
                      sizeof(ngx_ai_clock_t));
        p = &ngx_ai_clock_own;
    }

    ngx_ai_clock = p;

    return ngx_ai_clock;
}
