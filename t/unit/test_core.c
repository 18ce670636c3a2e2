
/*
 * The bounded writer, decimals and CRC-32.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <time.h>
#include <cmocka.h>
#include "ai_core.h"


static char  out[256];


static void
test_start(ai_buf_t *b, size_t size)
{
    memset(out, 0x5a, sizeof(out));
    ai_buf_init(b, out, size);
}

#define test_written(b, s)                                                   \
    assert_false((b)->full);                                                 \
    assert_int_equal((char *) (b)->pos - out, sizeof(s) - 1);                \
    assert_memory_equal(out, s, sizeof(s) - 1)


static void
test_bounds(void **state)
{
    size_t    n;
    ai_buf_t  b;

    (void) state;

    /* whatever is written, not a byte lies past the end */

    for (n = 0; n < 64; n++) {
        test_start(&b, n);

        ai_buf_cstr(&b, "ab");
        ai_buf_char(&b, 'c');
        ai_buf_uint(&b, UINT64_MAX);
        ai_buf_json(&b, (ai_char *) "\"\x01\xff", 3);
        ai_buf_nanos(&b, INT64_MIN);
        ai_buf_time(&b, 0);

        assert_true(b.full);
        assert_true((char *) b.pos <= out + n);
        assert_int_equal((unsigned char) out[n], 0x5a);
    }

    /* full stays full, although less would fit */

    test_start(&b, 3);
    ai_buf_cstr(&b, "abcd");
    ai_buf_char(&b, 'x');
    ai_buf_put(&b, "y", 1);
    assert_true(b.full);
    assert_ptr_equal(b.pos, out);

    test_start(&b, 0);
    ai_buf_put(&b, NULL, 0);
    assert_false(b.full);
}


static void
test_numbers(void **state)
{
    ai_buf_t  b;

    (void) state;

    test_start(&b, sizeof(out));
    ai_buf_uint(&b, 0);
    ai_buf_char(&b, ' ');
    ai_buf_uint(&b, UINT64_MAX);
    ai_buf_char(&b, ' ');
    ai_buf_int(&b, INT64_MIN);
    ai_buf_char(&b, ' ');
    ai_buf_int(&b, -7);
    ai_buf_char(&b, ' ');
    ai_buf_uint_pad(&b, 42, 5);
    ai_buf_char(&b, ' ');
    ai_buf_uint_pad(&b, 123456, 3);
    ai_buf_char(&b, ' ');
    ai_buf_uint_pad(&b, 1, 20);
    test_written(&b, "0 18446744073709551615 -9223372036854775808 -7 00042 "
                     "123456 00000000000000000001");
}


/* every width, and where the width changes */

static void
test_digits(void **state)
{
    char      expected[32];
    size_t    room;
    uint64_t  n, power;
    ai_buf_t  b;
    unsigned  i, k;

    (void) state;

    for (i = 0, power = 1; i < 20; i++, power *= 10) {
        for (k = 0; k < 5; k++) {
            n = (k == 4) ? power * 7 + i : power + k - 2;
            snprintf(expected, sizeof(expected), "%llu",
                     (unsigned long long) n);

            for (room = 0; room < 32; room++) {
                test_start(&b, room);
                ai_buf_uint(&b, n);

                if (room < strlen(expected)) {
                    assert_true(b.full);
                    assert_ptr_equal(b.pos, out);
                    continue;
                }

                assert_false(b.full);
                assert_int_equal((char *) b.pos - out, strlen(expected));
                assert_memory_equal(out, expected, strlen(expected));
            }
        }
    }
}


static void
test_nanos(void **state)
{
    ai_buf_t  b;

    (void) state;

    test_start(&b, sizeof(out));
    ai_buf_nanos(&b, 0);
    ai_buf_char(&b, ' ');
    ai_buf_nanos(&b, 1500000000);
    ai_buf_char(&b, ' ');
    ai_buf_nanos(&b, -1);
    ai_buf_char(&b, ' ');
    ai_buf_nanos(&b, INT64_MAX);
    ai_buf_char(&b, ' ');
    ai_buf_nanos(&b, INT64_MIN);
    test_written(&b, "0.000000000 1.500000000 -0.000000001 "
                     "9223372036.854775807 -9223372036.854775808");
}


static void
test_json(void **state)
{
    ai_buf_t  b;

    (void) state;

    test_start(&b, sizeof(out));
    ai_buf_json(&b, NULL, 0);
    ai_buf_json(&b, (ai_char *) "a\"b\\c/\n\r\t\b\0\x1f\x7f", 13);
    test_written(&b, "\"\"\"a\\\"b\\\\c/\\n\\r\\t\\u0008\\u0000\\u001f"
                     "\x5c" "u007f\"");

    test_start(&b, sizeof(out));
    ai_buf_json(&b, (ai_char *) "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9);
    test_written(&b, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");

    test_start(&b, sizeof(out));
    ai_buf_json(&b, (ai_char *) "\xc0\xaf\xed\xa0\x80z\xf4\x90\xe2\x82", 10);
    test_written(&b, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                     "\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                     "\xef\xbf\xbd\"");
}


/* every byte at every place of strings that are otherwise plain */

static void
test_json_places(void **state)
{
    char       expected[64], *p;
    size_t     len, at, i;
    ai_buf_t   b;
    unsigned   c;
    ai_char    text[24];

    (void) state;

    for (len = 1; len <= sizeof(text); len++) {
        for (at = 0; at < len; at++) {
            for (c = 0; c < 256; c++) {
                memset(text, ' ' + (int) (at * 5 + c) % 2, sizeof(text));
                text[at] = (ai_char) c;

                p = expected;
                *p++ = '"';

                for (i = 0; i < len; i++) {
                    if (text[i] == '"' || text[i] == '\\') {
                        p += sprintf(p, "\\%c", text[i]);

                    } else if (text[i] >= 0x80) {
                        p += sprintf(p, "\xef\xbf\xbd");

                    } else if (text[i] >= 0x20 && text[i] != 0x7f) {
                        *p++ = (char) text[i];

                    } else {
                        p += text[i] == '\n' ? sprintf(p, "\\n")
                             : text[i] == '\r' ? sprintf(p, "\\r")
                             : text[i] == '\t' ? sprintf(p, "\\t")
                             : sprintf(p, "\\u%04x", text[i]);
                    }
                }

                *p++ = '"';

                test_start(&b, sizeof(out));
                ai_buf_json(&b, text, len);

                assert_false(b.full);
                assert_int_equal((char *) b.pos - out, p - expected);
                assert_memory_equal(out, expected, p - expected);
            }
        }
    }
}


/* against the C library, over the leap years and month ends of centuries */

static void
test_time(void **state)
{
    char       expected[64];
    time_t     t;
    uint64_t   day;
    ai_buf_t   b;
    struct tm  tm;

    (void) state;

    for (day = 0; day < 200000; day += 1) {
        t = (time_t) (day * 86400 + day % 86400);
        gmtime_r(&t, &tm);
        snprintf(expected, sizeof(expected),
                 "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int) (day % 1000));

        test_start(&b, sizeof(out));
        ai_buf_time(&b, (uint64_t) t * 1000 + day % 1000);
        ai_buf_char(&b, '\0');
        assert_string_equal(out, expected);
    }
}


static void
test_decimal(void **state)
{
    int       rc;
    int64_t   n;
    unsigned  i;

    static const struct {
        const char  *text;
        int64_t      value;         /* -1: refused */
    } table[] = {
        { "0", 0 }, { "0.025", 25000000 }, { "2.00", 2000000000 },
        { "500", 500000000000 }, { "0.000000001", 1 },
        { "1.0000000000000", 1000000000 },
        { "9223372036.854775807", INT64_MAX },
        { "9223372036.854775808", -1 }, { "9223372037", -1 },
        { "99999999999999999999999", -1 }, { "0.0000000001", -1 },
        { "", -1 }, { ".", -1 }, { ".5", -1 }, { "5.", -1 }, { "-1", -1 },
        { "+1", -1 }, { "1e3", -1 }, { "1.2.3", -1 }, { " 1", -1 },
        { "1 ", -1 }, { "0x1", -1 }, { "1,5", -1 }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        rc = ai_decimal_parse((const ai_char *) table[i].text,
                              strlen(table[i].text), &n);

        if (rc != (table[i].value == -1 ? AI_ERROR : AI_OK)
            || (rc == AI_OK && n != table[i].value))
        {
            fail_msg("%s: %d %lld", table[i].text, rc, (long long) n);
        }
    }
}


static void
test_crc(void **state)
{
    size_t    i, k;
    ai_char   data[64];
    uint32_t  whole, slow;

    (void) state;

    assert_int_equal(ai_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(ai_crc32(0, "", 0), 0);

    /* against the bit by bit definition, at every length and split */

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (ai_char) (i * 37 + 11);
    }

    for (i = 0; i <= sizeof(data); i++) {
        slow = 0xffffffff;

        for (k = 0; k < i * 8; k++) {
            slow ^= data[k / 8] >> k % 8 & 1;
            slow = slow >> 1 ^ (slow & 1 ? 0xedb88320 : 0);
        }

        whole = ai_crc32(0, data, i);
        assert_int_equal(whole, ~slow);

        for (k = 0; k <= i; k++) {
            assert_int_equal(ai_crc32(ai_crc32(0, data, k), data + k, i - k),
                             whole);
        }
    }
}


static void
test_crc32c(void **state)
{
    size_t    i, k, n;
    ai_char   data[96];
    uint32_t  whole, slow;

    (void) state;

    assert_int_equal(ai_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(ai_crc32c_plain(0, "123456789", 9), 0xe3069283);

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (ai_char) (i * 101 + 7);
    }

    /* against the definition, at every length, place and split */

    for (i = 0; i <= sizeof(data) - 8; i++) {
        for (n = 0; n < 8; n++) {
            slow = 0xffffffff;

            for (k = 0; k < i * 8; k++) {
                slow ^= data[n + k / 8] >> k % 8 & 1;
                slow = slow >> 1 ^ (slow & 1 ? 0x82f63b78 : 0);
            }

            whole = ai_crc32c(0, data + n, i);
            assert_int_equal(whole, ~slow);
            assert_int_equal(ai_crc32c_plain(0, data + n, i), whole);

            for (k = 0; k <= i; k++) {
                slow = ai_crc32c(0, data + n, k);
                assert_int_equal(ai_crc32c(slow, data + n + k, i - k), whole);
                assert_int_equal(ai_crc32c_plain(slow, data + n + k, i - k),
                                 whole);
            }
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_nanos),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_places),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_decimal),
        cmocka_unit_test(test_crc),
        cmocka_unit_test(test_crc32c)
    };

    return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
