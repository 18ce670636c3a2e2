
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_duration.h"


typedef struct {
    int64_t      msec;
    const char  *text;
} vector_t;


static void
check(void (*write)(ai_buf_t *, int64_t), const vector_t *v, size_t n)
{
    size_t    i, len;
    ai_buf_t  b;
    ai_char   text[AI_DURATION_MAX];

    for (i = 0; i < n; i++) {
        ai_buf_init(&b, text, sizeof(text));
        write(&b, v[i].msec);
        len = (size_t) (b.pos - text);

        assert_false(b.full);
        assert_int_equal(len, strlen(v[i].text));
        assert_memory_equal(text, v[i].text, len);
    }
}


static void
date(ai_buf_t *b, int64_t msec)
{
    ai_duration_date(b, (uint64_t) msec);
}


static void
test_go(void **state)
{
    static const vector_t  v[] = {
        { -5, "0s" },
        { 0, "0s" },
        { 1, "1ms" },
        { 120, "120ms" },
        { 999, "999ms" },
        { 1000, "1s" },
        { 1001, "1.001s" },
        { 7660, "7.66s" },
        { 59999, "59.999s" },
        { 60000, "1m0s" },
        { 60050, "1m0.05s" },
        { 179560, "2m59.56s" },
        { 360000, "6m0s" },
        { 3600000, "1h0m0s" },
        { 3723500, "1h2m3.5s" },
        { 86400000, "24h0m0s" },
        { INT64_MAX, "2562047788015h12m55.807s" }
    };

    (void) state;

    check(ai_duration_go, v, sizeof(v) / sizeof(v[0]));
}


static void
test_date(void **state)
{
    static const vector_t  v[] = {
        { 0, "1970-01-01T00:00:00Z" },
        { 1, "1970-01-01T00:00:01Z" },
        { 1795228074000, "2026-11-21T02:27:54Z" },
        { 1795228074001, "2026-11-21T02:27:55Z" },
        { 1795219199001, "2026-11-21T00:00:00Z" },
        { 951782400000, "2000-02-29T00:00:00Z" },
        { INT64_MAX, "9999-12-31T23:59:59Z" }
    };

    (void) state;

    check(date, v, sizeof(v) / sizeof(v[0]));
}


static void
test_retry(void **state)
{
    (void) state;

    assert_int_equal(ai_duration_retry(-1), 1);
    assert_int_equal(ai_duration_retry(0), 1);
    assert_int_equal(ai_duration_retry(1000), 1);
    assert_int_equal(ai_duration_retry(1001), 2);
    assert_int_equal(ai_duration_retry(59001), 60);
    assert_int_equal(ai_duration_retry(60001), 60);
    assert_int_equal(ai_duration_retry(INT64_MAX), 60);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_go),
        cmocka_unit_test(test_date),
        cmocka_unit_test(test_retry)
    };

    return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
