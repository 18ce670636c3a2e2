
/*
 * Amounts, dates and patterns of the configuration.
 */


#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "ai_amount.h"
#include "ai_date.h"
#include "ai_glob.h"


static int
parse(ai_limit_t *l, ai_resource_t resource, const char *text)
{
    return ai_amount_parse(l, resource, (const ai_char *) text, strlen(text));
}


static void
amount_is(ai_resource_t resource, const char *text, int period,
    int64_t amount, int64_t burst)
{
    ai_limit_t  l;

    assert_int_equal(parse(&l, resource, text), AI_OK);
    assert_int_equal(l.resource, resource);
    assert_int_equal(l.period, period);
    assert_int_equal(l.amount, amount);
    assert_int_equal(l.burst, burst);
}


static void
test_amounts(void **state)
{
    (void) state;

    amount_is(AI_RES_REQUESTS, "100/m", AI_PERIOD_MINUTE, 100, 100);
    amount_is(AI_RES_REQUESTS, "0/m", AI_PERIOD_MINUTE, 0, 0);
    amount_is(AI_RES_TOKENS, "1/s", AI_PERIOD_SECOND, 1, 1);
    amount_is(AI_RES_TOKENS, "7/h", AI_PERIOD_HOUR, 7, 7);
    amount_is(AI_RES_INPUT_TOKENS, "10000000/day", AI_PERIOD_DAY, 10000000,
              0);
    amount_is(AI_RES_OUTPUT_TOKENS, "007/month", AI_PERIOD_MONTH, 7, 0);
    amount_is(AI_RES_COST, "500.00/month", AI_PERIOD_MONTH, 500000000000, 0);
    amount_is(AI_RES_COST, "0.000000001/h", AI_PERIOD_HOUR, 1, 1);
    amount_is(AI_RES_CONCURRENCY, "20", AI_PERIOD_NONE, 20, 0);

    /* past what nano-units of 64 bits could hold, and the very last one */
    amount_is(AI_RES_TOKENS, "10000000000/day", AI_PERIOD_DAY, 10000000000,
              0);
    amount_is(AI_RES_TOKENS, "4503599627370496/day", AI_PERIOD_DAY,
              AI_LIMIT_MAX, 0);
    amount_is(AI_RES_COST, "4503599.627370496/day", AI_PERIOD_DAY,
              AI_LIMIT_MAX, 0);
}


static void
test_amounts_refused(void **state)
{
    unsigned    i;
    ai_limit_t  l;

    static const char  *requests[] = {
        "", "/", "/m", "5", "5/", "5/M", "5/min", "5/m/m", "5/mo", "-5/m",
        "+5/m", " 5/m", "5 /m", "5/m ", "5.0/m", "5/total", "5e3/m", "0x5/m", "5k/m",
        "4503599627370497/m", "18446744073709551617/m",
        "99999999999999999999999999999999/m"
    };

    static const char  *cost[] = {
        "", "5", ".5/m", "5./m", "1.2.3/m", "0.0000000001/m", "-1/m",
        "4503599.627370497/m", "99999999999/m", "5/total"
    };

    (void) state;

    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        assert_int_equal(parse(&l, AI_RES_REQUESTS, requests[i]), AI_ERROR);
    }

    for (i = 0; i < sizeof(cost) / sizeof(cost[0]); i++) {
        assert_int_equal(parse(&l, AI_RES_COST, cost[i]), AI_ERROR);
    }

    assert_int_equal(parse(&l, AI_RES_CONCURRENCY, "5/m"), AI_ERROR);
    assert_int_equal(parse(&l, AI_RES_CONCURRENCY, "5.5"), AI_ERROR);
    assert_int_equal(parse(&l, AI_RES_CONCURRENCY, ""), AI_ERROR);
}


static void
test_burst(void **state)
{
    ai_limit_t  l;

    (void) state;

    assert_int_equal(parse(&l, AI_RES_REQUESTS, "100/m"), AI_OK);
    assert_int_equal(ai_amount_burst(&l, (ai_char *) "20", 2), AI_OK);
    assert_int_equal(l.burst, 20);
    assert_int_equal(l.amount, 100);
    assert_int_equal(ai_amount_burst(&l, (ai_char *) "0", 1), AI_ERROR);
    assert_int_equal(ai_amount_burst(&l, (ai_char *) "", 0), AI_ERROR);
    assert_int_equal(ai_amount_burst(&l, (ai_char *) "1.5", 3), AI_ERROR);

    assert_int_equal(parse(&l, AI_RES_COST, "1/h"), AI_OK);
    assert_int_equal(ai_amount_burst(&l, (ai_char *) "0.25", 4), AI_OK);
    assert_int_equal(l.burst, 250000000);

    assert_int_equal(parse(&l, AI_RES_COST, "1/day"), AI_OK);
    assert_int_equal(ai_amount_burst(&l, (ai_char *) "1", 1), AI_ERROR);

    assert_int_equal(parse(&l, AI_RES_CONCURRENCY, "1"), AI_OK);
    assert_int_equal(ai_amount_burst(&l, (ai_char *) "1", 1), AI_ERROR);
}


static void
test_resources(void **state)
{
    (void) state;

    assert_int_equal(ai_amount_resource((ai_char *) "tokens", 6),
                     AI_RES_TOKENS);
    assert_int_equal(ai_amount_resource((ai_char *) "concurrency", 11),
                     AI_RES_CONCURRENCY);
    assert_int_equal(ai_amount_resource((ai_char *) "token", 5), AI_DECLINED);
    assert_int_equal(ai_amount_resource((ai_char *) "", 0), AI_DECLINED);
}


/* every day of 200 years against the C library */

static void
test_dates(void **state)
{
    char       text[64];
    time_t     t;
    uint64_t   seconds;
    struct tm  tm;

    (void) state;

    for (t = 0; t < (time_t) 200 * 366 * 86400; t += 86399) {
        gmtime_r(&t, &tm);

        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
        assert_int_equal(ai_date_parse((ai_char *) text, 20, &seconds),
                         AI_OK);
        assert_int_equal(seconds, t);

        assert_int_equal(ai_date_parse((ai_char *) text, 10, &seconds),
                         AI_OK);
        assert_int_equal(seconds, t - t % 86400);
    }
}


static void
test_dates_refused(void **state)
{
    unsigned  i;
    uint64_t  seconds;

    static const char  *bad[] = {
        "", "2027", "2027-1-1", "2027-01-01 ", "2027/01/01", "2027-13-01",
        "2027-00-01", "2027-01-00", "2027-01-32", "2027-02-29", "2100-02-29",
        "1969-12-31", "2027-01-01T12:00", "2027-01-01T12:00:00",
        "2027-01-01T24:00:00Z", "2027-01-01T12:60:00Z",
        "2027-01-01T12:00:60Z", "2027-01-01T12:00:00z", "2027-01-01t12:00:00Z"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ai_date_parse((const ai_char *) bad[i],
                                       strlen(bad[i]), &seconds),
                         AI_ERROR);
    }

    assert_int_equal(ai_date_parse((ai_char *) "2000-02-29", 10, &seconds),
                     AI_OK);
}


static int
glob(const char *pattern, const char *name)
{
    ai_str_t  p, n;

    p.data = (ai_char *) pattern;
    p.len = strlen(pattern);
    n.data = (ai_char *) name;
    n.len = strlen(name);

    return ai_glob_match(&p, &n);
}


static void
test_patterns(void **state)
{
    (void) state;

    assert_true(glob("gpt-4.1", "gpt-4.1"));
    assert_false(glob("gpt-4.1", "gpt-4x1"));
    assert_false(glob("gpt-4.1", "gpt-4.1-mini"));
    assert_false(glob("gpt-4.1-mini", "gpt-4.1"));
    assert_true(glob("claude-*", "claude-"));
    assert_true(glob("claude-*", "claude-opus"));
    assert_false(glob("claude-*", "xclaude-opus"));
    assert_true(glob("*", ""));
    assert_true(glob("*", "anything"));
    assert_true(glob("**", "x"));
    assert_false(glob("", "x"));
    assert_true(glob("", ""));
    assert_true(glob("a*b*c", "aXbYbZc"));
    assert_false(glob("a*b*c", "aXbYbZ"));
    assert_true(glob("*mini", "gpt-minimini"));
    assert_true(glob("*-*-*", "a-b-c-d"));
    assert_false(glob("*ab", "aab "));
}


/* a pattern that takes exponential time by plain recursion */

static void
test_pattern_cost(void **state)
{
    unsigned   i;
    clock_t    begun;
    ai_char    pattern[128], name[128];
    ai_str_t   p, n;

    (void) state;

    for (i = 0; i < sizeof(pattern); i += 2) {
        pattern[i] = '*';
        pattern[i + 1] = 'a';
    }

    pattern[sizeof(pattern) - 1] = 'b';
    memset(name, 'a', sizeof(name));

    p.data = pattern;
    p.len = sizeof(pattern);
    n.data = name;
    n.len = sizeof(name);

    begun = clock();

    for (i = 0; i < 1000; i++) {
        assert_false(ai_glob_match(&p, &n));
    }

    assert_true(clock() - begun < 2 * CLOCKS_PER_SEC);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_amounts),
        cmocka_unit_test(test_amounts_refused),
        cmocka_unit_test(test_burst),
        cmocka_unit_test(test_resources),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_dates_refused),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_pattern_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
