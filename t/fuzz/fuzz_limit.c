
/*
 * A history of one bucket against a model without divisions: what is missing,
 * in units of 1 / period of a token.
 */


#include "ai_limit.h"


static const int64_t  period_ms[] = { 1000, 60000, 3600000 };


static uint64_t
number(const uint8_t **p, const uint8_t *end, unsigned bytes)
{
    uint64_t  n;

    for (n = 0; bytes && *p < end; bytes--) {
        n = n << 8 | *(*p)++;
    }

    return n;
}


int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t size)
{
    int64_t         n, missing, wait;
    uint64_t        at, last;
    __int128        units, ms;
    ai_limit_t      l;
    ai_bucket_t     b;
    const uint8_t  *end = p + size;

    memset(&l, 0, sizeof(l));
    memset(&b, 0, sizeof(b));

    l.period = number(&p, end, 1) % AI_PERIOD_BUCKETS;
    l.amount = (int64_t) number(&p, end, 7) & (AI_LIMIT_MAX - 1);
    l.burst = 1 + ((int64_t) number(&p, end, 7) & (AI_LIMIT_MAX - 1));

    ms = period_ms[l.period];
    units = 0;
    last = 0;
    at = 0;

    while (p < end) {
        n = (int64_t) number(&p, end, 1);
        at = n & 1 ? at + number(&p, end, 1 + (n >> 1 & 7))
             : at - number(&p, end, 1);

        ai_bucket_refill(&b, &l, at);

        if (at > last) {
            units -= (__int128) (at - last) * l.amount;
            units = units < 0 ? 0 : units;
            last = at;
        }

        missing = (int64_t) ((units + ms - 1) / ms);

        if (b.taken != missing || (l.amount && ai_bucket_level(&b, &l)
                                               != l.burst - missing))
        {
            __builtin_trap();
        }

        n = (int64_t) (number(&p, end, 4) & (AI_LIMIT_MAX - 1));
        wait = ai_bucket_wait(&b, &l, n);

        if ((wait < 0) != (l.amount == 0 || n > l.burst)
            || (wait >= 0 && (wait == 0) != (l.burst - missing >= n))
            || (wait > 0 && wait < INT64_MAX
                && (wait * (__int128) l.amount
                    < (n - l.burst) * ms + units
                    || (wait - 1) * (__int128) l.amount
                       >= (n - l.burst) * ms + units)))
        {
            __builtin_trap();
        }

        if (b.taken < AI_LIMIT_MAX) {
            b.taken += n;
            units += n * ms;
        }
    }

    return 0;
}
