
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_explain.h"


#define NOW  1795228074         /* 2026-11-21T02:27:54Z */


static void
check(const ai_refused_t *why, const char *expected)
{
    ai_buf_t  b;
    ai_char   text[AI_EXPLAIN_MAX + 1];

    ai_buf_init(&b, text, AI_EXPLAIN_MAX);
    ai_explain(&b, why, NOW);
    assert_false(b.full);
    *b.pos = '\0';

    assert_string_equal((char *) text, expected);
}


static void
test_bucket(void **state)
{
    ai_refused_t  why = {
        .limit = { AI_RES_REQUESTS, AI_PERIOD_MINUTE, 100, 20 },
        .wait_ms = 1200
    };

    (void) state;

    check(&why, "Rate limit reached: requests are limited to 100 per minute. "
                "Please try again in 1.2s.");

    why.wait_ms = -1;
    why.party = 1;
    why.limit.resource = AI_RES_INPUT_TOKENS;

    check(&why, "Rate limit reached: input tokens of this key are limited to "
                "100 per minute, and this request needs more than that at "
                "once.");
}


static void
test_window(void **state)
{
    ai_refused_t  why = {
        .limit = { AI_RES_TOKENS, AI_PERIOD_DAY, 1000, 1000 },
        .used = 900, .held = 50, .wait_ms = 1000, .budget = 1
    };

    (void) state;

    check(&why, "You exceeded your current quota: tokens are limited to 1000 "
                "per day, of which 900 are used and 50 are held by requests "
                "under way. The quota resets at 2026-11-22T00:00:00Z.");

    why.limit.resource = AI_RES_COST;
    why.limit.period = AI_PERIOD_MONTH;
    why.limit.amount = 500000000000;
    why.used = 499999999999;
    why.held = 1;

    check(&why, "You exceeded your current quota: cost is limited to "
                "500.000000000 USD per month, of which 499.999999999 USD are "
                "used and 0.000000001 USD are held by requests under way. The "
                "quota resets at 2026-12-01T00:00:00Z.");
}


static void
test_total(void **state)
{
    ai_refused_t  why = {
        .limit = { AI_RES_COST, AI_PERIOD_TOTAL, 10000000000, 0 },
        .used = 9999999000, .held = 1000, .wait_ms = -1, .budget = 1
    };

    (void) state;

    check(&why, "You exceeded your current quota: the prepaid balance does "
                "not cover this request. Of 10.000000000 USD paid, "
                "9.999999000 USD are used and 0.000001000 USD are held by "
                "requests under way.");
}


static void
test_concurrency(void **state)
{
    ai_refused_t  why = {
        .limit = { AI_RES_CONCURRENCY, AI_PERIOD_NONE, 20, 20 },
        .used = 20, .wait_ms = -1
    };

    (void) state;

    check(&why, "Rate limit reached: concurrent requests are limited to 20. "
                "Please try again when one has ended.");
}


/* each resource, period and extreme number stays within AI_EXPLAIN_MAX */

static void
test_bounds(void **state)
{
    ai_buf_t      b;
    ai_char       text[AI_EXPLAIN_MAX];
    unsigned      res, period;
    ai_refused_t  why;

    (void) state;

    memset(&why, 0, sizeof(why));

    why.party = 1;
    why.budget = 1;
    why.used = INT64_MIN;
    why.held = INT64_MAX;
    why.wait_ms = INT64_MAX;
    why.limit.amount = INT64_MAX;

    for (res = 0; res <= AI_RES_N; res++) {
        for (period = 0; period <= AI_PERIOD_NONE + 1; period++) {
            why.limit.resource = (uint8_t) res;
            why.limit.period = (uint8_t) period;

            ai_buf_init(&b, text, sizeof(text));
            ai_explain(&b, &why, NOW);

            assert_false(b.full);
            assert_int_equal(b.pos > text,
                             res < AI_RES_N && period <= AI_PERIOD_NONE);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_bucket),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_total),
        cmocka_unit_test(test_concurrency),
        cmocka_unit_test(test_bounds)
    };

    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
