
/*
 * Amounts of limits.
 */


#include "ai_amount.h"


int
ai_amount_resource(const ai_char *name, size_t len)
{
    unsigned  i;

    for (i = 0; i < AI_RES_N; i++) {
        if (strlen(ai_resource_names[i]) == len
            && memcmp(ai_resource_names[i], name, len) == 0)
        {
            return (int) i;
        }
    }

    return AI_DECLINED;
}


/* a number in the unit of a resource: nano-dollars or pieces */

static int
ai_amount_number(ai_resource_t resource, const ai_char *data, size_t len,
    int64_t *n)
{
    size_t   i;
    int64_t  sum;

    if (resource == AI_RES_COST) {
        return (ai_decimal_parse(data, len, n) == AI_OK && *n <= AI_LIMIT_MAX)
               ? AI_OK : AI_ERROR;
    }

    sum = 0;

    for (i = 0; i < len; i++) {

        if (data[i] < '0' || data[i] > '9') {
            return AI_ERROR;
        }

        sum = sum * 10 + (data[i] - '0');

        if (sum > AI_LIMIT_MAX) {
            return AI_ERROR;
        }
    }

    *n = sum;

    return len ? AI_OK : AI_ERROR;
}


static int
ai_amount_period(const ai_char *data, size_t len)
{
    unsigned  i;

    /* a total is a balance, which no file of configuration knows */

    for (i = 0; i < AI_PERIOD_TOTAL; i++) {
        if (strlen(ai_period_names[i]) == len
            && memcmp(ai_period_names[i], data, len) == 0)
        {
            return (int) i;
        }
    }

    return AI_DECLINED;
}


int
ai_amount_parse(ai_limit_t *l, ai_resource_t resource, const ai_char *data,
    size_t len)
{
    int             period;
    const ai_char  *slash;

    memset(l, 0, sizeof(ai_limit_t));

    if (len == 0) {
        return AI_ERROR;
    }

    l->resource = (uint8_t) resource;
    l->period = AI_PERIOD_NONE;

    slash = memchr(data, '/', len);

    if (resource == AI_RES_CONCURRENCY) {

        if (slash) {
            return AI_ERROR;
        }

        return ai_amount_number(resource, data, len, &l->amount);
    }

    if (slash == NULL) {
        return AI_ERROR;
    }

    period = ai_amount_period(slash + 1, len - (size_t) (slash + 1 - data));

    if (period < 0) {
        return AI_ERROR;
    }

    l->period = (uint8_t) period;

    if (ai_amount_number(resource, data, (size_t) (slash - data), &l->amount)
        != AI_OK)
    {
        return AI_ERROR;
    }

    if (period < AI_PERIOD_BUCKETS) {
        l->burst = l->amount;
    }

    return AI_OK;
}


int
ai_amount_burst(ai_limit_t *l, const ai_char *data, size_t len)
{
    if (len == 0 || l->period >= AI_PERIOD_BUCKETS) {
        return AI_ERROR;
    }

    if (ai_amount_number(l->resource, data, len, &l->burst) != AI_OK) {
        return AI_ERROR;
    }

    return l->burst ? AI_OK : AI_ERROR;
}
