
/*
 * Decimal numbers as integers, without floating point.
 */


#include "ai_number.h"


/* so many digits are below AI_NUMBER_MAX */

#define AI_NUMBER_DIGITS      12

#define AI_NUMBER_SCALED_MAX  ((uint64_t) 1000000000000000)


/* digits * 10^exp */

typedef struct {
    uint64_t         digits;    /* at most 18 */
    int              exp;
    unsigned         negative:1;
    unsigned         cut:1;     /* a digit that is not zero was left off */
} ai_number_t;


static AI_RARE int ai_number_count_any(const ai_char *p, size_t len,
    uint64_t *n);
static int ai_number_parse(ai_number_t *num, const ai_char *p, size_t len);
static void ai_number_digit(ai_number_t *num, ai_char c, unsigned fraction);
static int ai_number_exp(ai_number_t *num, const ai_char *p,
    const ai_char *end);


int
ai_number_count(const ai_char *p, size_t len, uint64_t *n)
{
    size_t    i;
    uint64_t  digits;

    digits = 0;

    for (i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
        digits = digits * 10 + (uint64_t) (p[i] - '0');
    }

    if (i < len || len == 0 || len > AI_NUMBER_DIGITS) {
        return ai_number_count_any(p, len, n);
    }

    *n = digits;

    return AI_OK;
}


static AI_RARE int
ai_number_count_any(const ai_char *p, size_t len, uint64_t *n)
{
    ai_number_t  num;

    if (ai_number_parse(&num, p, len) != AI_OK || num.cut) {
        return AI_ERROR;
    }

    if (num.digits == 0) {
        *n = 0;
        return AI_OK;
    }

    if (num.negative) {
        return AI_ERROR;
    }

    for ( /* void */ ; num.exp < 0; num.exp++) {

        if (num.digits % 10) {
            return AI_ERROR;
        }

        num.digits /= 10;
    }

    for ( /* void */ ; num.exp > 0; num.exp--) {

        if (num.digits > AI_NUMBER_MAX) {
            return AI_ERROR;
        }

        num.digits *= 10;
    }

    if (num.digits > AI_NUMBER_MAX) {
        return AI_ERROR;
    }

    *n = num.digits;

    return AI_OK;
}


int
ai_number_scaled(const ai_char *p, size_t len, int places, uint64_t *n)
{
    ai_number_t  num;

    if (ai_number_parse(&num, p, len) != AI_OK
        || (num.negative && num.digits))
    {
        return AI_ERROR;
    }

    num.exp += places;

    if (num.exp < -18) {
        num.digits = 0;
        num.exp = 0;
    }

    for ( /* void */ ; num.exp < -1; num.exp++) {
        num.digits /= 10;
    }

    /* only the first digit behind the point decides on rounding half up */

    if (num.exp == -1) {
        num.digits = num.digits / 10 + (num.digits % 10 >= 5);
    }

    for ( /* void */ ; num.exp > 0 && num.digits; num.exp--) {

        if (num.digits > AI_NUMBER_SCALED_MAX) {
            return AI_ERROR;
        }

        num.digits *= 10;
    }

    if (num.digits > AI_NUMBER_SCALED_MAX) {
        return AI_ERROR;
    }

    *n = num.digits;

    return AI_OK;
}


/* -?digits(.digits)?([eE][+-]?digits)? */

static int
ai_number_parse(ai_number_t *num, const ai_char *p, size_t len)
{
    unsigned        fraction;
    const ai_char  *end, *start;

    num->digits = 0;
    num->exp = 0;
    num->negative = 0;
    num->cut = 0;

    end = p + len;

    if (p < end && *p == '-') {
        num->negative = 1;
        p++;
    }

    start = p;
    fraction = 0;

    for ( /* void */ ; p < end; p++) {

        if (*p >= '0' && *p <= '9') {
            ai_number_digit(num, *p, fraction);
            continue;
        }

        if (*p != '.' || fraction || p == start) {
            break;
        }

        fraction = 1;
        start = p + 1;
    }

    if (p == start) {
        return AI_ERROR;
    }

    return (p < end) ? ai_number_exp(num, p, end) : AI_OK;
}


static void
ai_number_digit(ai_number_t *num, ai_char c, unsigned fraction)
{
    if (num->digits < 100000000000000000) {
        num->digits = num->digits * 10 + (uint64_t) (c - '0');
        num->exp -= (int) fraction;
        return;
    }

    num->cut |= (c != '0');
    num->exp += !fraction;
}


static int
ai_number_exp(ai_number_t *num, const ai_char *p, const ai_char *end)
{
    int       exp;
    unsigned  minus;

    if ((*p | 0x20) != 'e') {
        return AI_ERROR;
    }

    p++;
    minus = 0;

    if (p < end && (*p == '-' || *p == '+')) {
        minus = (*p == '-');
        p++;
    }

    if (p == end) {
        return AI_ERROR;
    }

    for (exp = 0; p < end; p++) {

        if (*p < '0' || *p > '9') {
            return AI_ERROR;
        }

        if (exp < 100000) {
            exp = exp * 10 + (*p - '0');
        }
    }

    num->exp += minus ? -exp : exp;

    return AI_OK;
}
