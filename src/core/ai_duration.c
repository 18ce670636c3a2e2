
/*
 * Spans and points of time as rate-limit headers write them.
 */


#include "ai_duration.h"


/* the last second that a four-digit year can name */
#define AI_DURATION_LAST  253402300799


/* "s" with up to three places, trailing zeros left out */

static void
ai_duration_seconds(ai_buf_t *b, uint64_t msec)
{
    unsigned  frac, width;

    ai_buf_uint(b, msec / 1000);

    frac = (unsigned) (msec % 1000);

    if (frac) {
        width = 3;

        while (frac % 10 == 0) {
            frac /= 10;
            width--;
        }

        ai_buf_char(b, '.');
        ai_buf_uint_pad(b, frac, width);
    }

    ai_buf_char(b, 's');
}


void
ai_duration_go(ai_buf_t *b, int64_t msec)
{
    uint64_t  ms;

    if (msec <= 0) {
        ai_buf_put(b, "0s", 2);
        return;
    }

    ms = (uint64_t) msec;

    if (ms < 1000) {
        ai_buf_uint(b, ms);
        ai_buf_put(b, "ms", 2);
        return;
    }

    if (ms >= 3600000) {
        ai_buf_uint(b, ms / 3600000);
        ai_buf_char(b, 'h');
    }

    if (ms >= 60000) {
        ai_buf_uint(b, ms / 60000 % 60);
        ai_buf_char(b, 'm');
    }

    ai_duration_seconds(b, ms % 60000);
}


void
ai_duration_date(ai_buf_t *b, uint64_t msec)
{
    uint64_t  secs;
    ai_buf_t  t;
    ai_char   text[AI_DURATION_MAX];

    secs = msec / 1000 + (msec % 1000 != 0);

    if (secs > AI_DURATION_LAST) {
        secs = AI_DURATION_LAST;
    }

    ai_buf_init(&t, text, sizeof(text));
    ai_buf_time(&t, secs * 1000);

    ai_buf_put(b, text, sizeof("2026-11-21T02:27:54") - 1);
    ai_buf_char(b, 'Z');
}


unsigned
ai_duration_retry(int64_t msec)
{
    if (msec <= 1000) {
        return 1;
    }

    if (msec >= 60000) {
        return 60;
    }

    return (unsigned) ((msec + 999) / 1000);
}
