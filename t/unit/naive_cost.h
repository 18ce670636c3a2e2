
/*
 * Sums of products in plain long multiplication on decimal digits: slow, and
 * without a way to overflow.
 */


#ifndef NAIVE_COST_H
#define NAIVE_COST_H


#include <stdint.h>
#include <string.h>


#define NAIVE_DIGITS  64

typedef struct {
    uint8_t   digit[NAIVE_DIGITS];      /* least significant first */
} naive_cost_t;


/* c += a * b */

static inline void
naive_cost_add(naive_cost_t *c, uint64_t a, uint64_t b)
{
    int       i, k;
    uint64_t  x, y, carry;

    for (i = 0, x = a; x; i++, x /= 10) {
        carry = 0;

        for (k = i, y = b; y || carry; k++, y /= 10) {
            carry += (x % 10) * (y % 10) + c->digit[k];
            c->digit[k] = (uint8_t) (carry % 10);
            carry /= 10;
        }
    }
}


/* c / 10^6, half up; INT64_MAX for all that is more */

static inline int64_t
naive_cost_round(naive_cost_t c)
{
    int       i;
    uint64_t  n;

    naive_cost_add(&c, 500000, 1);

    n = 0;

    for (i = NAIVE_DIGITS - 1; i >= 6; i--) {

        if (n > ((uint64_t) INT64_MAX - c.digit[i]) / 10) {
            return INT64_MAX;
        }

        n = n * 10 + c.digit[i];
    }

    return (int64_t) n;
}


/* whether c is more than INT64_MAX nano-dollars in millionths */

static inline int
naive_cost_over(const naive_cost_t *c)
{
    int           i;
    naive_cost_t  max;

    memset(&max, 0, sizeof(max));
    naive_cost_add(&max, INT64_MAX, 1000000);

    for (i = NAIVE_DIGITS - 1; i >= 0; i--) {
        if (c->digit[i] != max.digit[i]) {
            return c->digit[i] > max.digit[i];
        }
    }

    return 0;
}


#endif /* NAIVE_COST_H */
