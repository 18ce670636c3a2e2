
/*
 * Rate-limit headers of providers.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ai_quota.h"


#define NOW  1795262400     /* 2026-11-21T12:00:00Z */


static ai_str_t
str(const char *s)
{
    ai_str_t  v;

    v.len = strlen(s);
    v.data = (ai_char *) s;

    return v;
}


static int64_t
duration(const char *s)
{
    ai_str_t  v;

    v = str(s);

    return ai_quota_duration(&v);
}


static int64_t
retry(const char *s)
{
    ai_str_t  v;

    v = str(s);

    return ai_retry_after(&v, NOW);
}


static int64_t
retry_ms(const char *s)
{
    ai_str_t  v;

    v = str(s);

    return ai_retry_after_ms(&v);
}


static int
header(ai_quota_said_t *said, const char *name, const char *value)
{
    ai_str_t  n, v;

    n = str(name);
    v = str(value);

    return ai_quota_header(said, &n, &v, NOW);
}


static void
test_duration(void **state)
{
    (void) state;

    assert_int_equal(duration("6m0s"), 360000);
    assert_int_equal(duration("1s"), 1000);
    assert_int_equal(duration("120ms"), 120);
    assert_int_equal(duration("2m59.56s"), 179560);
    assert_int_equal(duration("7.66s"), 7660);
    assert_int_equal(duration("1h0m0s"), 3600000);
    assert_int_equal(duration("1h2m3.5s"), 3723500);
    assert_int_equal(duration("0s"), 0);
    assert_int_equal(duration(" 1s\t"), 1000);

    /* less than a millisecond is one */

    assert_int_equal(duration("17us"), 1);
    assert_int_equal(duration("1500\xc2\xb5s"), 2);
    assert_int_equal(duration("1000\xce\xbcs"), 1);
    assert_int_equal(duration("2000001ns"), 3);
    assert_int_equal(duration("0ns"), 0);
    assert_int_equal(duration("1.0001ms"), 1);
    assert_int_equal(duration("1.001ms"), 2);

    assert_int_equal(duration(""), -1);
    assert_int_equal(duration(" "), -1);
    assert_int_equal(duration("s"), -1);
    assert_int_equal(duration("1"), -1);
    assert_int_equal(duration("-1s"), -1);
    assert_int_equal(duration("1s-1s"), -1);
    assert_int_equal(duration("1 s"), -1);
    assert_int_equal(duration("1.2.3s"), -1);
    assert_int_equal(duration(".5s"), -1);
    assert_int_equal(duration("1d"), -1);
    assert_int_equal(duration("1e3s"), -1);
    assert_int_equal(duration("1s, 2s"), -1);

    assert_int_equal(duration("999999999999999h"), AI_QUOTA_SPAN_MAX);
    assert_int_equal(duration("99999999999999999999999999999s"),
                     AI_QUOTA_SPAN_MAX);
    assert_int_equal(duration("744h744h744h"), AI_QUOTA_SPAN_MAX);
}


static void
test_retry(void **state)
{
    (void) state;

    assert_int_equal(retry("1"), 1000);
    assert_int_equal(retry("0"), 0);
    assert_int_equal(retry("0.25"), 250);
    assert_int_equal(retry("37.0001"), 37000);
    assert_int_equal(retry(" 20 "), 20000);
    assert_int_equal(retry("999999999999999999999999"), AI_QUOTA_SPAN_MAX);
    assert_int_equal(retry("5000000"), AI_QUOTA_SPAN_MAX);

    assert_int_equal(retry("Sat, 21 Nov 2026 12:00:30 GMT"), 30000);
    assert_int_equal(retry("Saturday, 21-Nov-26 12:00:30 GMT"), 30000);
    assert_int_equal(retry("Sat Nov 21 12:00:30 2026"), 30000);
    assert_int_equal(retry("Tue Dec  1 12:00:00 2026"), 864000000);
    assert_int_equal(retry("Sun, 06 Nov 1994 08:49:37 GMT"), 0);
    assert_int_equal(retry("Sunday, 06-Nov-94 08:49:37 GMT"), 0);
    assert_int_equal(retry("Fri, 31 Dec 9999 23:59:59 GMT"),
                     AI_QUOTA_SPAN_MAX);

    assert_int_equal(retry(""), -1);
    assert_int_equal(retry("-1"), -1);
    assert_int_equal(retry("soon"), -1);
    assert_int_equal(retry("1s"), -1);
    assert_int_equal(retry("1, 2"), -1);
    assert_int_equal(retry("NaN"), -1);
    assert_int_equal(retry("Sat, 21 Nov 2026 12:00:30 CET"), -1);
    assert_int_equal(retry("Sat, 31 Nov 2026 12:00:30 GMT"), -1);
    assert_int_equal(retry("Sat, 21 Now 2026 12:00:30 GMT"), -1);
    assert_int_equal(retry("Sat, 21 Nov 2026 25:00:30 GMT"), -1);
    assert_int_equal(retry("Sat, 21_Nov 2026 12:00:30 GMT"), -1);

    assert_int_equal(retry_ms("120"), 120);
    assert_int_equal(retry_ms("120.4"), 120);
    assert_int_equal(retry_ms("0"), 0);
    assert_int_equal(retry_ms("99999999999999999999"), AI_QUOTA_SPAN_MAX);
    assert_int_equal(retry_ms(""), -1);
    assert_int_equal(retry_ms("-5"), -1);
    assert_int_equal(retry_ms("5ms"), -1);
}


static void
test_openai(void **state)
{
    ai_quota_said_t  said;

    (void) state;

    ai_quota_none(&said);

    assert_int_equal(said.requests, -1);
    assert_int_equal(said.tokens_ms, -1);

    assert_int_equal(header(&said, "x-ratelimit-limit-requests", "10000"),
                     AI_DECLINED);
    assert_int_equal(header(&said, "x-ratelimit-remaining-requests", "9999"),
                     AI_OK);
    assert_int_equal(header(&said, "x-ratelimit-remaining-tokens", "149984"),
                     AI_OK);
    assert_int_equal(header(&said, "x-ratelimit-reset-requests", "8.64s"),
                     AI_OK);
    assert_int_equal(header(&said, "x-ratelimit-reset-tokens", "6ms"), AI_OK);

    assert_int_equal(said.requests, 9999);
    assert_int_equal(said.tokens, 149984);
    assert_int_equal(said.requests_ms, 8640);
    assert_int_equal(said.tokens_ms, 6);

    assert_int_equal(header(&said, "x-ratelimit-remaining-tokens", "many"),
                     AI_ERROR);
    assert_int_equal(header(&said, "x-ratelimit-remaining-tokens", "-1"),
                     AI_ERROR);
    assert_int_equal(header(&said, "content-type", "1"), AI_DECLINED);
    assert_int_equal(header(&said, "", "1"), AI_DECLINED);
    assert_int_equal(said.tokens, 149984);
}


static void
test_anthropic(void **state)
{
    ai_quota_said_t  said;

    (void) state;

    ai_quota_none(&said);

    assert_int_equal(header(&said, "anthropic-ratelimit-requests-remaining",
                            "49"), AI_OK);
    assert_int_equal(header(&said, "anthropic-ratelimit-requests-reset",
                            "2026-11-21T12:00:01Z"), AI_OK);
    assert_int_equal(header(&said, "anthropic-ratelimit-input-tokens-remaining",
                            "30000"), AI_OK);
    assert_int_equal(header(&said, "anthropic-ratelimit-input-tokens-reset",
                            "2026-11-21T12:00:30Z"), AI_OK);
    assert_int_equal(header(&said,
                            "anthropic-ratelimit-output-tokens-remaining",
                            "8000"), AI_OK);
    assert_int_equal(header(&said, "anthropic-ratelimit-output-tokens-reset",
                            "2026-11-21T12:00:05Z"), AI_OK);
    assert_int_equal(header(&said, "anthropic-ratelimit-tokens-limit", "1"),
                     AI_DECLINED);

    assert_int_equal(said.requests, 49);
    assert_int_equal(said.requests_ms, 1000);
    assert_int_equal(said.tokens, 8000);
    assert_int_equal(said.tokens_ms, 30000);
}


static int64_t
reset(const char *value)
{
    ai_quota_said_t  said;

    ai_quota_none(&said);

    return header(&said, "x-ratelimit-reset", value) == AI_OK
           ? said.requests_ms : -1;
}


static void
test_reset(void **state)
{
    (void) state;

    assert_int_equal(reset("2026-11-21T12:00:01.2Z"), 2000);
    assert_int_equal(reset("2026-11-21T13:00:01+01:00"), 1000);
    assert_int_equal(reset("2026-11-21T11:30:01.000-00:30"), 2000);
    assert_int_equal(reset("2026-11-21T11:59:59Z"), 0);
    assert_int_equal(reset("9999-11-21T11:59:59Z"), AI_QUOTA_SPAN_MAX);
    assert_int_equal(reset("60"), 60000);
    assert_int_equal(reset("0.5"), 500);
    assert_int_equal(reset("1795262401"), 1000);
    assert_int_equal(reset("1795262401000"), 1000);
    assert_int_equal(reset("1m"), 60000);
    assert_int_equal(reset("999999999999999999999"), AI_QUOTA_SPAN_MAX);

    assert_int_equal(reset("2026-11-21T12:00:01"), -1);
    assert_int_equal(reset("2026-11-21T12:00:01."), -1);
    assert_int_equal(reset("2026-11-21T12:00:01+1:00"), -1);
    assert_int_equal(reset("2026-11-21T12:00:01+99:00"), -1);
    assert_int_equal(reset("2026-11-21T12:00:01ZZ"), -1);
    assert_int_equal(reset("2026-13-21T12:00:01Z"), -1);
    assert_int_equal(reset(""), -1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_openai),
        cmocka_unit_test(test_anthropic),
        cmocka_unit_test(test_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
