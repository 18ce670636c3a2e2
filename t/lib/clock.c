
/*
 * A clock that tests set: LD_PRELOAD it, with AI_CLOCK naming a file of two
 * numbers, seconds added to the wall clock and seconds added to the time since
 * boot (the wall clock goes along with that); both may have decimals.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>


static int  (*clock_real)(clockid_t id, struct timespec *ts);


/* in nanoseconds */

static void
clock_read(long long *wall, long long *boot)
{
    FILE    *f;
    double   w, b;

    *wall = 0;
    *boot = 0;

    f = getenv("AI_CLOCK") ? fopen(getenv("AI_CLOCK"), "re") : NULL;

    if (f == NULL) {
        return;
    }

    if (fscanf(f, "%lf %lf", &w, &b) == 2) {
        *wall = (long long) (w * 1e9);
        *boot = (long long) (b * 1e9);
    }

    (void) fclose(f);
}


static void
clock_add(struct timespec *ts, long long nanos)
{
    nanos += ts->tv_nsec;

    ts->tv_sec += nanos / 1000000000;
    ts->tv_nsec = nanos % 1000000000;

    if (ts->tv_nsec < 0) {
        ts->tv_nsec += 1000000000;
        ts->tv_sec--;
    }
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int        rc;
    long long  wall, boot;

    if (clock_real == NULL) {
        *(void **) &clock_real = dlsym(RTLD_NEXT, "clock_gettime");
    }

    rc = clock_real(id, ts);

    switch (id) {

    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        clock_read(&wall, &boot);
        clock_add(ts, wall + boot);
        break;

    case CLOCK_BOOTTIME:
        clock_read(&wall, &boot);
        clock_add(ts, boot);
        break;

    default:
        break;
    }

    return rc;
}


int
gettimeofday(struct timeval *tv, void *tz)
{
    struct timespec  ts;

    (void) tz;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}
