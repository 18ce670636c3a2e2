
/*
 * What may be tried elsewhere: statuses, and the words for a prompt that is too
 * long, however the chunks of a body are cut.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/core/ai_failover.h"


#define text_of(s)  (const ai_char *) (s), sizeof(s) - 1

static const char  too_long[] =
    "{\"error\":{\"code\":\"context_length_exceeded\"}}";


static void
test_statuses(void **state)
{
    unsigned  s;

    (void) state;

    for (s = 100; s < 700; s++) {
        assert_int_equal(ai_failover_status(s),
                         s == 408 || s == 409 || s == 429
                         || (s >= 500 && s < 600));
        assert_int_equal(ai_failover_counts(s), s >= 500 && s < 600);
        assert_false(ai_failover_status(s) && ai_failover_never(s));
    }
}


static void
test_too_long(void **state)
{
    (void) state;

    assert_true(ai_failover_too_long(text_of(too_long), 0));
    assert_true(ai_failover_too_long(
                    text_of("prompt is too long: 9 tokens > 8 maximum"), 0));
    assert_true(ai_failover_too_long(
                    text_of("The input token count (9) exceeds the maximum "
                            "number of tokens allowed (8)."), 0));
    assert_false(ai_failover_too_long(text_of("context_length_exceede"), 0));
    assert_false(ai_failover_too_long(text_of(""), 0));
    assert_false(ai_failover_too_long(text_of(""), 1));
}


/* chunks of each size, with the buffer's end exactly behind the last byte */

static void
test_chunks(void **state)
{
    char      *body, *p;
    size_t     size, pos, n, len;
    unsigned   found;

    (void) state;

    for (size = 1; size <= sizeof(too_long); size++) {

        body = malloc(sizeof(too_long) * 12 + 16);
        assert_non_null(body);
        p = body;

        for (pos = 0; pos < sizeof(too_long) - 1; pos += n) {
            n = sizeof(too_long) - 1 - pos;
            n = n < size ? n : size;

            p += sprintf(p, "%zX;x=y\r\n", n);
            memcpy(p, too_long + pos, n);
            p += n;
            p += sprintf(p, "\r\n");
        }

        p += sprintf(p, "0\r\n\r\n");
        len = (size_t) (p - body);

        body = realloc(body, len);
        assert_non_null(body);

        assert_true(ai_failover_too_long((ai_char *) body, len, 1));
        assert_true(ai_failover_whole((ai_char *) body, len, -1, 1));

        /* cut anywhere: found or not, never beyond the end */

        for (n = 0; n < len; n++) {
            p = malloc(n + 1);
            assert_non_null(p);
            memcpy(p, body, n);
            p = realloc(p, n ? n : 1);
            assert_non_null(p);

            found = ai_failover_too_long((ai_char *) p, n, 1);
            assert_true(found == 0 || n > 30);
            free(p);
        }

        free(body);
    }
}


static void
test_damaged_chunks(void **state)
{
    size_t             i;
    static const char  *const  damaged[] = {
        "x", "\r\n", "fffffffffffffffffffff\r\nabc", "5", "5\r\n", "5\n",
        "-1\r\nabc", "1000\r\nabc", "3\r\nabc", "3\r\nabc\r", ";\r\n"
    };

    (void) state;

    for (i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        assert_false(ai_failover_too_long((const ai_char *) damaged[i],
                                          strlen(damaged[i]), 1));
    }
}


static unsigned
whole(const char *body, int64_t length, unsigned chunked)
{
    unsigned   rc;
    size_t     len;
    ai_char   *p;

    len = strlen(body);
    p = malloc(len ? len : 1);
    assert_non_null(p);
    memcpy(p, body, len);

    rc = ai_failover_whole(p, len, length, chunked);

    free(p);

    return rc;
}


static void
test_whole(void **state)
{
    char              *body;
    size_t             i;
    static const char  *const  ends[] = {
        "3\r\nabc\r\n0\r\n\r\n", "0\r\n\r\n", "3;x=y\r\nabc\r\n00;z\r\n\r\n",
        "3\nabc\r\n0\n\n", "3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n",
        "5\r\n0\r\n\r\n\r\n0\r\n\r\n"
    };
    static const char  *const  damaged[] = {
        "x", "\r\n", "3\r\nabc\r\n-1\r\n", ";\r\n"
    };

    (void) state;

    /* no part of it is whole */

    for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        body = strdup(ends[i]);
        assert_non_null(body);

        assert_true(whole(body, -1, 1));

        while (*body) {
            body[strlen(body) - 1] = '\0';
            assert_false(whole(body, -1, 1));
        }

        free(body);
    }

    for (i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        assert_true(whole(damaged[i], -1, 1));
    }

    assert_false(whole("ab", 3, 0));
    assert_true(whole("abc", 3, 0));
    assert_true(whole("", 0, 0));
    assert_false(whole("", -1, 0));
    assert_false(whole("abc\n0\r\n\r\n", -1, 0));

    /* as much as is looked at */

    body = malloc(6000);
    assert_non_null(body);
    memset(body, 'a', 6000);

    assert_false(ai_failover_whole((ai_char *) body, 4095, 5000, 0));
    assert_true(ai_failover_whole((ai_char *) body, 4096, 5000, 0));
    assert_false(ai_failover_whole((ai_char *) body, 4095, -1, 0));
    assert_true(ai_failover_whole((ai_char *) body, 4096, -1, 0));

    memcpy(body, "ffffffffffff\r\n", 14);
    assert_false(ai_failover_whole((ai_char *) body, 14 + 4095, -1, 1));
    assert_true(ai_failover_whole((ai_char *) body, 14 + 4096, -1, 1));

    free(body);
}


/* more than it looks at */

static void
test_large(void **state)
{
    char   *body;
    size_t  len;

    (void) state;

    len = 100000;
    body = malloc(len);
    assert_non_null(body);

    memset(body, 'x', len);
    memcpy(body + len - sizeof(too_long), too_long, sizeof(too_long));
    assert_false(ai_failover_too_long((ai_char *) body, len, 0));

    memcpy(body, "18000\r\n", 7);
    memcpy(body + 100, too_long, sizeof(too_long) - 1);
    assert_true(ai_failover_too_long((ai_char *) body, len, 1));
    assert_true(ai_failover_too_long((ai_char *) body, len, 0));

    free(body);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_damaged_chunks),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
