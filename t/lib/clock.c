
/*
 * A clock that tests set: LD_PRELOAD it, with AI_CLOCK naming a file of two
 * numbers, seconds added to the wall clock and seconds added to the time since
 * boot (the wall clock goes along with that).
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>


static int  (*clock_real)(clockid_t id, struct timespec *ts);


static void
clock_read(long long *wall, long long *boot)
{
    FILE  *f;

    *wall = 0;
    *boot = 0;

    f = getenv("AI_CLOCK") ? fopen(getenv("AI_CLOCK"), "re") : NULL;

    if (f == NULL) {
        return;
    }

    if (fscanf(f, "%lld %lld", wall, boot) != 2) {
        *wall = 0;
        *boot = 0;
    }

    (void) fclose(f);
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
        ts->tv_sec += wall + boot;
        break;

    case CLOCK_BOOTTIME:
        clock_read(&wall, &boot);
        ts->tv_sec += boot;
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
