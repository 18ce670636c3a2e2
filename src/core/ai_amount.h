
/*
 * Amounts of limits as an operator writes them: "100/m", "500.00/month", "20".
 */


#ifndef AI_AMOUNT_H
#define AI_AMOUNT_H


#include "ai_limit.h"


/* a resource by its name in "limit", ai_resource_t, or AI_DECLINED */
int ai_amount_resource(const ai_char *name, size_t len);

/*
 * The amount and the period of a limit on "resource": an integer, for cost a
 * decimal of dollars (kept in nano-dollars); then '/' and one of "s", "m",
 * "h", "day", "month", save for concurrency, which has no period.  The burst
 * of a bucket becomes the whole amount.
 *
 * AI_ERROR: not such a text, or more than AI_LIMIT_MAX; l is then undefined.
 */
int ai_amount_parse(ai_limit_t *l, ai_resource_t resource,
    const ai_char *data, size_t len);

/*
 * Sets the depth of a bucket, in the unit of the amount.  AI_ERROR: not such a
 * number, 0, more than AI_LIMIT_MAX, or the limit is not a bucket.
 */
int ai_amount_burst(ai_limit_t *l, const ai_char *data, size_t len);


#endif /* AI_AMOUNT_H */
