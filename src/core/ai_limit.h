
/*
 * Limits: resources, periods, and the arithmetic of token buckets and
 * calendar windows.
 */


#ifndef AI_LIMIT_H
#define AI_LIMIT_H


#include "ai_core.h"


typedef enum {
    AI_RES_REQUESTS = 0,
    AI_RES_TOKENS,              /* input and output */
    AI_RES_INPUT_TOKENS,
    AI_RES_OUTPUT_TOKENS,
    AI_RES_COST,                /* nano-dollars */
    AI_RES_CONCURRENCY,         /* has no period */
    AI_RES_N
} ai_resource_t;

/* resources that are counted, all but concurrency */
#define AI_RES_COUNTED  AI_RES_CONCURRENCY

typedef enum {
    AI_PERIOD_SECOND = 0,       /* token buckets */
    AI_PERIOD_MINUTE,
    AI_PERIOD_HOUR,
    AI_PERIOD_DAY,              /* calendar windows, UTC */
    AI_PERIOD_MONTH,
    AI_PERIOD_TOTAL,            /* of cost alone: a window that never ends */
    AI_PERIOD_NONE
} ai_period_t;

#define AI_PERIOD_BUCKETS  AI_PERIOD_DAY        /* how many are buckets */

extern const char *const  ai_resource_names[AI_RES_N];
extern const char *const  ai_period_names[AI_PERIOD_NONE + 1];
                                /* "s" "m" "h" "day" "month" "total" "" */


/* one limit; a limit of amount 0 refuses all, no limit refuses nothing */

typedef struct {
    uint8_t          resource;
    uint8_t          period;
    int64_t          amount;
    int64_t          burst;     /* depth of a bucket, >= 1 unless amount 0 */
} ai_limit_t;

/* an upper bound on amounts and bursts, so that no arithmetic overflows */
#define AI_LIMIT_MAX  ((int64_t) 1 << 52)

/* all day and month windows and every cost limit: closed when in doubt */
#define ai_limit_is_budget(l)                                                \
    ((l)->resource == AI_RES_COST || (l)->period == AI_PERIOD_DAY            \
     || (l)->period == AI_PERIOD_MONTH)


/* a token bucket; all zero is a bucket nobody used yet: full */

typedef struct {
    int64_t          taken;     /* missing from full; may pass burst (debt) */
    uint64_t         last;      /* monotonic ms of the last refill */
    uint64_t         rem;       /* of the division by the period */
} ai_bucket_t;

/* brings the bucket up to "now" (monotonic ms; earlier than last: no-op) */
void ai_bucket_refill(ai_bucket_t *b, const ai_limit_t *l, uint64_t now);

/* what may be taken now; negative while in debt.  b is refilled */
int64_t ai_bucket_level(const ai_bucket_t *b, const ai_limit_t *l);

/*
 * ms until "n" can be taken from a refilled bucket; 0: now; -1: never (n is
 * more than burst, or the amount is 0).
 */
int64_t ai_bucket_wait(const ai_bucket_t *b, const ai_limit_t *l, int64_t n);


/* calendar windows of UTC as numbers: 20261121 and 202611 */
uint32_t ai_day_id(uint64_t seconds);
uint32_t ai_month_id(uint64_t seconds);

/* seconds, UTC, at which the day of such a number begins */
uint64_t ai_day_begin(uint32_t id);

/*
 * seconds, UTC, at which the window of "seconds" ends; "seconds" itself where
 * no calendar tells
 */
uint64_t ai_window_end(ai_period_t period, uint64_t seconds);


#endif /* AI_LIMIT_H */
