
/*
 * Decimal digits, two at a time, into memory that the caller knows to suffice.
 */


#ifndef AI_DIGITS_H
#define AI_DIGITS_H


#include "ai_core.h"


#define AI_DIGITS_MAX  20       /* of an uint64_t */

extern const char      ai_digits_pairs[201];           /* "0001" to "99" */
extern const uint64_t  ai_digits_powers[AI_DIGITS_MAX]; /* of ten */


/* n < 100 with both its digits; returns the end */

static inline ai_char *
ai_digits_pair(ai_char *p, unsigned n)
{
    memcpy(p, ai_digits_pairs + 2 * n, 2);

    return p + 2;
}


/* 1 to AI_DIGITS_MAX digits; returns the end */

static inline ai_char *
ai_digits_put(ai_char *p, uint64_t n)
{
    ai_char   *end;
    unsigned   width;

    if (n < 10) {
        *p++ = (ai_char) ('0' + n);
        return p;
    }

    /* a bit is 1233 / 4096 of a digit, and up to one more */

    width = (unsigned) (64 - __builtin_clzll(n)) * 1233 >> 12;
    width += (n >= ai_digits_powers[width]);

    end = p + width;

    for (p = end; n >= 100; n /= 100) {
        p = ai_digits_pair(p - 2, (unsigned) (n % 100)) - 2;
    }

    if (n >= 10) {
        (void) ai_digits_pair(p - 2, (unsigned) n);

    } else {
        p[-1] = (ai_char) ('0' + n);
    }

    return end;
}


#endif /* AI_DIGITS_H */
