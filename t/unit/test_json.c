
/*
 * The JSON scanner: what it accepts, its tokens, and that neither the split
 * of the input nor SIMD changes either.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_json.h"


/*
 * Feeds the text in pieces of "step" bytes, each in memory of its own so that
 * a read past its end is found, and writes the tokens in a line.
 */

static int
test_feed(const char *text, size_t len, size_t step, unsigned lax, char *log)
{
    int              rc;
    char            *p;
    size_t           n;
    ai_char         *piece;
    ai_json_t        js;
    const ai_char   *pos;
    ai_json_token_t  tok;

    p = log;
    rc = AI_AGAIN;
    ai_json_init(&js, lax);

    for ( /* void */ ; len && rc == AI_AGAIN; text += n, len -= n) {
        n = step < len ? step : len;
        piece = malloc(n);
        memcpy(piece, text, n);
        pos = piece;

        for ( ;; ) {
            rc = ai_json_next(&js, &pos, piece + n, &tok);

            if (rc != AI_OK) {
                break;
            }

            if (tok.first) {
                *p++ = " {}[]KS#tfn"[tok.type];
            }

            if (tok.type >= AI_JSON_KEY && tok.type <= AI_JSON_NUMBER) {
                memcpy(p, tok.data, tok.len);
                p += tok.len;
            }

            if (tok.last) {
                p += sprintf(p, "%s|", tok.escaped ? "!" : "");
            }
        }

        if (rc == AI_DONE) {

            while (pos < piece + n && strchr(" \t\r\n", *pos)) {
                pos++;
            }

            rc = pos < piece + n ? AI_ERROR : AI_AGAIN;
        }

        free(piece);
    }

    *p = '\0';

    if (rc == AI_ERROR) {
        return AI_ERROR;
    }

    return ai_json_end(&js);
}


static int
test_text(const char *text, size_t len, unsigned lax, char *log)
{
    int     rc, first;
    char    other[4096];
    size_t  step;

    first = test_feed(text, len, len + 1, lax, log);

    for (ai_json_portable = 0; ai_json_portable < 3; ai_json_portable++) {
        for (step = 1; step <= 40; step++) {
            rc = test_feed(text, len, step, lax, other);

            if (rc != first || (rc == AI_OK && strcmp(log, other) != 0)) {
                fail_msg("step %zu of %s: %d %s", step, text, rc, other);
            }
        }
    }

    ai_json_portable = 0;

    return first;
}


static void
test_accepted(void **state)
{
    unsigned  i;
    char      log[4096];

    static const char *const  table[][2] = {
        { "{}", "{|}|" },
        { " [ ] ", "[|]|" },
        { "null", "n|" },
        { "true", "t|" },
        { "\"\"", "S|" },
        { "[1,2]", "[|#1|#2|]|" },
        { "{\"a\":1,\"b\":[true,false,null]}",
          "{|Ka|#1|Kb|[|t|f|n|]|}|" },
        { "{ \"a\" : { \"b\" : \"c\" } , \"d\" : -0.5e+10 }",
          "{|Ka|{|Kb|Sc|}|Kd|#-0.5e+10|}|" },
        { "[\"a\\n\\u00e9\\\"b\"]", "[|Sa\\n\\u00e9\\\"b!|]|" },
        { "[\"\\\\\",\"x\"]", "[|S\\\\!|Sx|]|" },
        { "[0,-0,10,1.5,1e5,1E-5,0.0]",
          "[|#0|#-0|#10|#1.5|#1e5|#1E-5|#0.0|]|" },
        { "[\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xed\x9f\xbf\"]",
          "[|S\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xed\x9f\xbf|]|" },
        { "\n\t\r {\n\t\"a\"\n:\r1\t}", "{|Ka|#1|}|" },
        { "[\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\"]",
          "[|S0123456789abcdef0123456789abcdef\\n0123456789abcdef!|]|" },
        { "[[],{},[[]],\"\\ud83d\\ude00\\ud800\"]",
          "[|[|]|{|}|[|[|]|]|S\\ud83d\\ude00\\ud800!|]|" }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(test_text(table[i][0], strlen(table[i][0]), 0, log),
                         AI_OK);
        assert_string_equal(log, table[i][1]);
    }
}


static void
test_refused(void **state)
{
    unsigned  i;
    char      log[4096];

    static const char *const  table[] = {
        "", " ", "{", "[", "}", "]", "[}", "{]", "{\"a\"}", "{\"a\":}",
        "{\"a\":1,}", "[1,]", "[,1]", "{,}", "[1 2]", "{\"a\" 1}",
        "{a:1}", "{'a':1}", "{1:2}", "nul", "nulll", "True", "NaN",
        "Infinity", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "[1.]",
        "[0x1]", "[1e]", "[-]", "[--1]", "[1.2.3]", "[1e5e5]", "[00]",
        "\"", "\"\\", "\"\\x\"", "\"\\u12g4\"", "\"\\u123\"", "\"a\nb\"",
        "\"a\tb\"", "[\"\x01\"]", "[\"\x1f\"]", "{}{}", "{} x", "1 2",
        "/* a */ 1", "[1] // b", "\xef\xbb\xbf{}",
        "\"\x80\"", "\"\xc0\xaf\"", "\"\xc1\xbf\"", "\"\xe0\x9f\xbf\"",
        "\"\xed\xa0\x80\"", "\"\xf0\x8f\xbf\xbf\"", "\"\xf4\x90\x80\x80\"",
        "\"\xf5\x80\x80\x80\"", "\"\xff\"", "\"\xe2\x82\"", "\"\xe2\x28\xa1\"",
        "\"\xc3\"", "\"0123456789abcdef\xc3\x28\"", "\"\xe4\xb8\xad\xe4\xb8\"",
        "{\"\xff\":1}", "\xc3\xa9"
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (test_text(table[i], strlen(table[i]), 0, log) != AI_ERROR) {
            fail_msg("accepted: %s", table[i]);
        }
    }

    assert_int_equal(test_text("{\0}", 3, 0, log), AI_ERROR);
    assert_int_equal(test_text("\"a\0b\"", 5, 0, log), AI_ERROR);
    assert_int_equal(test_text("{\0\"\0a\0", 7, 0, log), AI_ERROR);
}


/* whatever ends a run is found at every place of a block */

static void
test_blocks(void **state)
{
    int       rc, portable;
    char      text[300], log[4096], other[4096];
    size_t    at, k, len;

    static const struct {
        const char  *bytes;
        int          rc;
    } table[] = {
        { "\\n", AI_OK }, { "\\\\", AI_OK }, { "\\\"", AI_OK },
        { "\\u00e9", AI_OK }, { "\\\\\\\"\\n", AI_OK },
        { "\xc3\xa9", AI_OK }, { "\xe4\xb8\xad\xe6\x96\x87\xe0\xa4\x95"
          "\xed\x95\x9c\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad", AI_OK },
        { "\xd0\x9f\xd1\x80\xd0\xb8 \xd0\xb2\xd0\xb5\xd1\x82", AI_OK },
        { "\xf0\x9f\x98\x80", AI_OK },
        { "\\x", AI_ERROR }, { "\\\n", AI_ERROR }, { "\n", AI_ERROR },
        { "\x1f", AI_ERROR }, { "\"", AI_ERROR }, { "\x80", AI_ERROR },
        { "\xc1\xbf", AI_ERROR }, { "\xe4\xb8", AI_ERROR },
        { "\xd0\x9f\xc0\xaf\xd0\x9f\xd0\x9f\xd0\x9f\xd0\x9f\xd0\x9f"
          "\xd0\x9f\xd0\x9f", AI_ERROR },
        { "\xe4\xb8\xad\xe0\x80\x80\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad"
          "\xe4\xb8\xad", AI_ERROR },
        { "\xe4\xb8\xad\xed\xa0\x80\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad"
          "\xe4\xb8\xad", AI_ERROR }
    };

    (void) state;

    for (k = 0; k < sizeof(table) / sizeof(table[0]); k++) {
        for (at = 1; at < 200; at++) {
            len = strlen(table[k].bytes);

            memset(text, 'a', sizeof(text));
            text[0] = '"';
            memcpy(text + at, table[k].bytes, len);
            len += at + 70;
            text[len - 1] = '"';

            for (portable = 0; portable < 3; portable++) {
                ai_json_portable = portable;
                rc = test_feed(text, len, len, 0, portable ? other : log);

                if (rc != table[k].rc) {
                    fail_msg("%zu at %zu: %d", k, at, rc);
                }
            }

            if (rc == AI_OK) {
                assert_string_equal(log, other);
            }
        }
    }

    ai_json_portable = 0;
}


/*
 * Strings of odd pieces, whole in every way and byte by byte: the latter is
 * judged by the resumable path alone.
 */

static void
test_pieces(void **state)
{
    int          rc;
    char         text[512], log[4096], other[4096];
    size_t       i, k, n, len, runs[2];
    unsigned     seed;

    static const char *const  pieces[] = {
        "a", "abcdefghijklmnopqrstuvwxyz", "\\n", "\\\\", "\\\"", "\\/",
        "\\u00e9",
        "\\uD83D\\uDE00", "\xc3\xa9", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
        "\xe4\xb8\xad", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", " ", "\x7f",
        "nopqrst",

        /* none of these is part of a string */
        "\\x", "\\u00g0", "\\u12", "\x1f", "\n", "\x80", "\xbf", "\xc0\x80",
        "\xc1\xbf", "\xc3", "\xc3\xa9\xa9", "\xe0\x9f\xbf", "\xe4\xb8",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x98", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "\xe4\xc3\xa9", "\""
    };

    enum { GOOD = 22, ALL = sizeof(pieces) / sizeof(pieces[0]) };

    (void) state;

    seed = 1;
    runs[0] = runs[1] = 0;

    for (k = 0; k < 20000; k++) {
        text[0] = '"';

        for (len = 1; len < 220; len += n) {
            seed = seed * 1103515245 + 12345;
            i = (seed >> 16) % 4096 < 80 && k % 2 ? ALL : GOOD;
            i = (seed >> 8) % i;
            n = strlen(pieces[i]);
            memcpy(text + len, pieces[i], n);

            if ((seed >> 20) % 64 == k % 64) {
                len += n;
                break;
            }
        }

        text[len++] = '"';

        rc = test_feed(text, len, 1, 0, log);
        runs[rc == AI_OK]++;

        for (ai_json_portable = 0; ai_json_portable < 3; ai_json_portable++) {

            if (test_feed(text, len, len, 0, other) != rc
                || (rc == AI_OK && strcmp(log, other) != 0))
            {
                fail_msg("%zu, %d: %.*s", k, ai_json_portable, (int) len,
                         text);
            }
        }

        ai_json_portable = 0;
        assert_true(k % 2 || rc == AI_OK);
    }

    assert_true(runs[0] > 1000 && runs[1] > 10000);
}


static void
test_error_place(void **state)
{
    ai_json_t        js;
    const ai_char   *pos, *text;
    ai_json_token_t  tok;

    (void) state;

    text = (const ai_char *) "{\"a\":[1,x]}";
    pos = text;
    ai_json_init(&js, 0);

    while (ai_json_next(&js, &pos, text + 11, &tok) == AI_OK) { /* void */ }

    assert_int_equal(pos - text, 8);
    assert_int_equal(ai_json_next(&js, &pos, text + 11, &tok), AI_ERROR);
}


static void
test_lax(void **state)
{
    char  log[4096];

    (void) state;

    assert_int_equal(test_text("[\"\xff\x80 a\xc3\"]", 9, 1, log), AI_OK);
    assert_string_equal(log, "[|S\xff\x80 a\xc3|]|");
    assert_int_equal(test_text("[\"\xff\n\"]", 6, 1, log), AI_ERROR);
}


static void
test_depth(void **state)
{
    char      text[2 * AI_JSON_DEPTH + 3], log[4096];
    unsigned  n;

    (void) state;

    for (n = AI_JSON_DEPTH; n <= AI_JSON_DEPTH + 1; n++) {
        memset(text, '[', n);
        memset(text + n, ']', n);
        assert_int_equal(test_text(text, 2 * n, 0, log),
                         n == AI_JSON_DEPTH ? AI_OK : AI_ERROR);
    }

    /* past 64 the kind of the innermost one is still known */

    n = 100;
    memset(text, '[', n);
    memcpy(text + n, "{\"a\":1}", 7);
    memset(text + n + 7, ']', n);
    assert_int_equal(test_text(text, 2 * n + 7, 0, log), AI_OK);

    text[n + 6] = ']';
    assert_int_equal(test_text(text, 2 * n + 7, 0, log), AI_ERROR);
}


static void
test_skip(void **state)
{
    size_t           i, n;
    ai_json_t        js;
    const ai_char   *pos;
    ai_json_token_t  tok;

    static const char  text[] =
        "{\"a\":{\"x\":[1,{\"a\":2}],\"y\":\"}\\\"\"},\"b\":-12.5 ,\"c\":7}";

    (void) state;

    n = sizeof(text) - 1;

    /* however the input is cut, the member behind the skipped one is next */

    for (i = 1; i <= n; i++) {
        unsigned  keys, skipped;

        ai_json_init(&js, 0);
        pos = (const ai_char *) text;
        keys = 0;
        skipped = 1;

        for ( ;; ) {
            const ai_char  *end;
            int             rc;

            end = (const ai_char *) text + (pos < (const ai_char *) text + i
                                            ? i : n);

            rc = skipped ? ai_json_next(&js, &pos, end, &tok)
                         : ai_json_skip(&js, &pos, end, 1);

            if (rc == AI_AGAIN) {
                continue;
            }

            if (!skipped) {
                assert_int_equal(rc, AI_OK);
                skipped = 1;
                continue;
            }

            if (rc == AI_DONE) {
                break;
            }

            assert_int_equal(rc, AI_OK);

            if (tok.type == AI_JSON_KEY && tok.last) {
                keys++;
                skipped = 0;

            } else if (tok.type != AI_JSON_KEY) {
                assert_true(js.depth <= 1);
                assert_true(tok.type == AI_JSON_OBJECT
                            || tok.type == AI_JSON_OBJECT_END);
            }
        }

        assert_int_equal(keys, 3);
    }
}


static void
test_unescape(void **state)
{
    unsigned   i;
    ptrdiff_t  n;
    ai_char    buf[16];

    static const char *const  table[][2] = {
        { "abc", "abc" },
        { "", "" },
        { "\\u0061\\n\\/\\\\", "a\n/\\" },
        { "\\b\\f\\r\\t\\\"", "\b\f\r\t\"" },
        { "\\u00e9\\u20ac", "\xc3\xa9\xe2\x82\xac" },
        { "\\uD83D\\ude00", "\xf0\x9f\x98\x80" },
        { "0123456789abcdef", "0123456789abcdef" },

        { "0123456789abcdefg", NULL },
        { "0123456789abcde\\u00e9", NULL },
        { "\\ud800", NULL },
        { "\\ude00", NULL },
        { "\\ud83dx", NULL },
        { "\\ud83d\\u0061", NULL },
        { "\\", NULL },
        { "\\u12", NULL },
        { "\\x", NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        n = ai_json_unescape(buf, sizeof(buf), (const ai_char *) table[i][0],
                             strlen(table[i][0]));

        if (table[i][1] == NULL) {
            assert_int_equal(n, AI_ERROR);
            continue;
        }

        assert_int_equal(n, strlen(table[i][1]));
        assert_memory_equal(buf, table[i][1], (size_t) n);
    }
}


static void
test_uint(void **state)
{
    int       rc;
    uint64_t  n;
    unsigned  i;

    static const struct {
        const char  *text;
        int64_t      value;         /* -1: refused */
    } table[] = {
        { "0", 0 }, { "12", 12 }, { "9007199254740992", 9007199254740992 },
        { "9007199254740993", -1 }, { "9999999999999999", -1 },
        { "18446744073709551617", -1 },
        { "123456789012345678901234567890", -1 },
        { "-0", -1 }, { "-1", -1 }, { "-0.0e5", -1 }, { "12.0", -1 },
        { "1.5", -1 }, { "1.2e1", -1 }, { "1200e-2", -1 }, { "1e2", -1 },
        { "1E2", -1 }, { "1e400", -1 }, { "1e-1", -1 }, { "0e9", -1 },
        { "", -1 }, { "-", -1 }, { "1e", -1 }, { "x", -1 }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        rc = ai_json_uint((const ai_char *) table[i].text,
                          strlen(table[i].text), &n);

        if (rc != (table[i].value == -1 ? AI_ERROR : AI_OK)
            || (rc == AI_OK && n != (uint64_t) table[i].value))
        {
            fail_msg("%s: %d %llu", table[i].text, rc,
                     (unsigned long long) n);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_error_place),
        cmocka_unit_test(test_lax),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_unescape),
        cmocka_unit_test(test_uint)
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
