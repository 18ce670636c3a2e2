
/*
 * Numbers of providers, and the text of strings with escapes.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ai_number.h"
#include "ai_text.h"


#define BAD  UINT64_MAX


static uint64_t
count(const char *s)
{
    uint64_t  n;

    return ai_number_count((const ai_char *) s, strlen(s), &n) == AI_OK
           ? n : BAD;
}


static uint64_t
scaled(const char *s, int places)
{
    uint64_t  n;

    return ai_number_scaled((const ai_char *) s, strlen(s), places, &n)
           == AI_OK ? n : BAD;
}


static void
test_count(void **state)
{
    (void) state;

    assert_int_equal(count("0"), 0);
    assert_int_equal(count("-0"), 0);
    assert_int_equal(count("-0.0e5"), 0);
    assert_int_equal(count("12"), 12);
    assert_int_equal(count("12.0"), 12);
    assert_int_equal(count("12.50e1"), 125);
    assert_int_equal(count("1e3"), 1000);
    assert_int_equal(count("1E+3"), 1000);
    assert_int_equal(count("1200e-2"), 12);
    assert_int_equal(count("0.000000000000000000000000012e27"), 12);
    assert_int_equal(count("1099511627776"), 1099511627776);
    assert_int_equal(count("0e999999999"), 0);

    assert_int_equal(count("1099511627777"), BAD);
    assert_int_equal(count("-1"), BAD);
    assert_int_equal(count("12.5"), BAD);
    assert_int_equal(count("1e-1"), BAD);
    assert_int_equal(count("1e999999999999999999999"), BAD);
    assert_int_equal(count("1e-999999999999999999999"), BAD);
    assert_int_equal(count("18446744073709551616"), BAD);
    assert_int_equal(count("1.0000000000000000000000001"), BAD);

    /* what stood in quotes may be anything */

    assert_int_equal(count(""), BAD);
    assert_int_equal(count("-"), BAD);
    assert_int_equal(count("+1"), BAD);
    assert_int_equal(count(" 1"), BAD);
    assert_int_equal(count("1 "), BAD);
    assert_int_equal(count(".5"), BAD);
    assert_int_equal(count("5."), BAD);
    assert_int_equal(count("1e"), BAD);
    assert_int_equal(count("1e+"), BAD);
    assert_int_equal(count("1e5x"), BAD);
    assert_int_equal(count("0x10"), BAD);
    assert_int_equal(count("1.2.3"), BAD);
    assert_int_equal(count("NaN"), BAD);
}


static void
test_scaled(void **state)
{
    (void) state;

    assert_int_equal(scaled("0.0133176", 9), 13317600);
    assert_int_equal(scaled("0.0004970133333333333", 9), 497013);
    assert_int_equal(scaled("5.8e-6", 9), 5800);
    assert_int_equal(scaled("0.0000000005", 9), 1);
    assert_int_equal(scaled("0.00000000049999999999999999999999", 9), 0);
    assert_int_equal(scaled("1e-30", 9), 0);
    assert_int_equal(scaled("1e-999999999", 9), 0);
    assert_int_equal(scaled("37756000", -1), 3775600);
    assert_int_equal(scaled("15", -1), 2);
    assert_int_equal(scaled("12.4999995", 6), 12500000);
    assert_int_equal(scaled("13", 6), 13000000);
    assert_int_equal(scaled("0e99999", 9), 0);
    assert_int_equal(scaled("-0", 9), 0);
    assert_int_equal(scaled("1000000", 9), 1000000000000000);

    assert_int_equal(scaled("1000000.000000001", 9), BAD);
    assert_int_equal(scaled("-0.1", 9), BAD);
    assert_int_equal(scaled("1e99", 9), BAD);
    assert_int_equal(scaled("", 9), BAD);
}


/* doubles print with more digits than anybody pays: compare with strtod */

static void
test_scaled_like_strtod(void **state)
{
    int     i;
    char    s[64];
    double  d;

    (void) state;

    srand(3);

    for (i = 0; i < 100000; i++) {
        d = (double) rand() / 1e3 / (double) (1 + rand() % 1000000);
        snprintf(s, sizeof(s), i & 1 ? "%.17g" : "%.10e", d);

        assert_in_range(scaled(s, 9) + 2 - (uint64_t) (strtod(s, NULL) * 1e9),
                        1, 4);
    }
}


static void
text_is(const char *s, const char *expected, uint64_t points)
{
    size_t         piece, at, n, len;
    ai_buf_t       b;
    ai_char        text[128];
    ai_text_t      t;
    ai_text_sum_t  sum;

    len = strlen(s);

    for (piece = 1; piece <= len + 1; piece++) {
        memset(&t, 0, sizeof(t));
        memset(&sum, 0, sizeof(sum));
        ai_buf_init(&b, text, sizeof(text));

        for (at = 0; at < len; at += n) {
            n = piece < len - at ? piece : len - at;
            ai_text_add(&t, (const ai_char *) s + at, n, &sum, &b);
        }

        ai_text_end(&t, &sum, &b);

        assert_int_equal(b.pos - text, strlen(expected));
        assert_memory_equal(text, expected, strlen(expected));
        assert_int_equal(sum.bytes, strlen(expected));
        assert_int_equal(sum.points, points);
    }
}


static void
test_text(void **state)
{
    (void) state;

    text_is("", "", 0);
    text_is("abc", "abc", 3);
    text_is("Gr\xc3\xbc\xc3\x9f" "e \xf0\x9f\x91\x8b\xf0\x9f\x8f\xbd",
            "Gr\xc3\xbc\xc3\x9f" "e \xf0\x9f\x91\x8b\xf0\x9f\x8f\xbd", 8);
    text_is("a\\n\\t\\r\\b\\f\\\"\\\\\\/z", "a\n\t\r\b\f\"\\/z", 10);
    text_is("\\u0041\\u00e9\\u65E5", "A\xc3\xa9\xe6\x97\xa5", 3);
    text_is("\\ud83d\\ude00", "\xf0\x9f\x98\x80", 1);
    text_is("\\ud83d", "\xef\xbf\xbd", 1);
    text_is("\\ud83dx", "\xef\xbf\xbd" "x", 2);
    text_is("\\ud83d\\n", "\xef\xbf\xbd" "\n", 2);
    text_is("\\ude00", "\xef\xbf\xbd", 1);
    text_is("\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80", 2);
    text_is("\\ud83d\\u0041", "\xef\xbf\xbd" "A", 2);
}


/* eight bytes at a time against one at a time, at every length and offset */

static void
test_points(void **state)
{
    size_t   i, from, to, n;
    ai_char  bytes[64];

    (void) state;

    srand(5);

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (ai_char) (rand() >> 7);
    }

    for (from = 0; from <= sizeof(bytes); from++) {
        for (to = from; to <= sizeof(bytes); to++) {

            for (n = 0, i = from; i < to; i++) {
                n += bytes[i] < 0x80 || bytes[i] > 0xbf;
            }

            assert_int_equal(ai_text_points(bytes + from, to - from), n);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_scaled),
        cmocka_unit_test(test_scaled_like_strtod),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_points),
    };

    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
