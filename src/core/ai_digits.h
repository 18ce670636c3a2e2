
/*
 * Digits, several at a time, into memory that the caller knows to suffice.
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


/* eight digits of base 16: a nibble in each byte, and 39 more past 9 */

static inline void
ai_digits_hex(ai_char text[8], uint32_t n)
{
    uint64_t  w;

    w = n;
    w = (w | w << 16) & 0x0000ffff0000ffff;
    w = (w | w << 8) & 0x00ff00ff00ff00ff;
    w = (w | w << 4) & 0x0f0f0f0f0f0f0f0f;

    w += 0x3030303030303030
         + ((w + 0x0606060606060606) >> 4 & 0x0101010101010101)
           * ('a' - '0' - 10);

#if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
    w = __builtin_bswap64(w);
#endif

    memcpy(text, &w, 8);
}


#endif /* AI_DIGITS_H */
