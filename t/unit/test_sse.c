
/*
 * The line grammar of event streams: a few bytes of stream, and what comes of
 * them whole and byte by byte.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ai_sse.h"


/* what came: data as it is, '|' between lines, "<name>" ends an event, "." a
   block without data */

static void
sse_run(char *said, const char *stream, size_t len, size_t piece)
{
    int             rc;
    size_t          at, n, size;
    ai_char        *copy;
    ai_sse_t        sse;
    const ai_char  *pos, *p;

    ai_sse_init(&sse);

    for (at = 0; at < len; at += n) {
        n = piece < len - at ? piece : len - at;
        copy = malloc(n);
        memcpy(copy, stream + at, n);
        pos = copy;

        while ((rc = ai_sse_next(&sse, &pos, copy + n, &p, &size))
               != AI_AGAIN)
        {
            switch (rc) {

            case AI_SSE_DATA:
                assert_true(size > 0);
                said += sprintf(said, "%.*s", (int) size, p);
                break;

            case AI_SSE_LINE:
                said += sprintf(said, "|");
                break;

            case AI_SSE_EVENT:
                said += sprintf(said, "<%.*s>", sse.name_len, sse.name);
                break;

            default:
                assert_int_equal(rc, AI_SSE_BLANK);
                said += sprintf(said, ".");
            }
        }

        assert_ptr_equal(pos, copy + n);
        free(copy);
    }

    *said = '\0';
}


static void
sse_is(const char *stream, const char *expected)
{
    size_t  piece;
    char    said[1024];

    for (piece = 1; piece <= strlen(stream) + 1; piece++) {
        sse_run(said, stream, strlen(stream), piece);
        assert_string_equal(said, expected);
    }
}


static void
test_line_ends(void **state)
{
    (void) state;

    sse_is("data: a\n\ndata: b\n\n", "a<>b<>");
    sse_is("data: a\r\n\r\ndata: b\r\n\r\n", "a<>b<>");
    sse_is("data: a\r\rdata: b\r\r", "a<>b<>");
    sse_is("data: a\n\r\n", "a<>");
    sse_is("data: a\r\n\n", "a<>");
    sse_is("data: a\r\n\rdata: b\n\r", "a<>b<>");
    sse_is("\r\n\r\n\n\r", "....");
}


static void
test_fields(void **state)
{
    (void) state;

    sse_is("data:a\n\n", "a<>");
    sse_is("data: a\n\n", "a<>");
    sse_is("data:  a\n\n", " a<>");
    sse_is("data: a: b \n\n", "a: b <>");
    sse_is("dat: a\ndata2: b\ndatas\nDATA: c\n data: d\nx\n\n", ".");
    sse_is("id: 1\nretry: 3\n: comment\n:\n\n", ".");
    sse_is(": c\ndata: a\n: d\n\n", "a<>");
    sse_is("data\n\n", "<>");
    sse_is("data:\n\n", "<>");
    sse_is("data: \n\n", "<>");
}


static void
test_several_lines(void **state)
{
    (void) state;

    sse_is("data: a\ndata: b\n\n", "a|b<>");
    sse_is("data: a\nid: 1\r\ndata:b\rdata: \n\n", "a|b|<>");
    sse_is("data\ndata\n\ndata: x\n\n", "|<>x<>");
}


static void
test_names(void **state)
{
    (void) state;

    sse_is("event: x\ndata: a\n\ndata: b\n\n", "a<x>b<>");
    sse_is("data: a\nevent:x\n\n", "a<x>");
    sse_is("event: x\nevent: yz\ndata: a\n\n", "a<yz>");
    sse_is("event: x\nevent\ndata: a\n\n", "a<>");
    sse_is("event: x\n\ndata: a\n\n", ".a<>");
    sse_is("events: x\ndata: a\n\n", "a<>");
    sse_is("event: 1234567890123456789012345678901234567890\ndata: a\n\n",
           "a<1234567890123456789012345678901>");
}


static void
test_byte_order_mark(void **state)
{
    (void) state;

    sse_is("\xef\xbb\xbf" "data: a\n\n", "a<>");
    sse_is("\xef\xbb" "data: a\n\ndata: b\n\n", ".b<>");
    sse_is("\xef\n\n", ".");
    sse_is("\n\xef\xbb\xbf" "data: a\n\n", "..");
    sse_is("data: \xef\xbb\xbf\n\n", "\xef\xbb\xbf<>");
}


static void
test_unfinished(void **state)
{
    (void) state;

    sse_is("data: a", "a");
    sse_is("data: a\n", "a");
    sse_is("data: a\ndata", "a");
    sse_is("dat", "");
}


/* where an event ends the caller may cut the bytes */

static void
test_position(void **state)
{
    size_t          len;
    ai_sse_t        sse;
    const ai_char  *p, *pos, *end;

    static const ai_char  stream[] = "data: a\r\n\r\ndata: b\r\n\r\n";

    (void) state;

    ai_sse_init(&sse);
    pos = stream;
    end = stream + sizeof(stream) - 1;

    assert_int_equal(ai_sse_next(&sse, &pos, end, &p, &len), AI_SSE_DATA);
    assert_int_equal(ai_sse_next(&sse, &pos, end, &p, &len), AI_SSE_EVENT);
    assert_ptr_equal(pos, stream + 11);

    /* the LF has not come yet: it is taken before the next event */

    assert_int_equal(ai_sse_next(&sse, &pos, end - 1, &p, &len), AI_SSE_DATA);
    assert_int_equal(ai_sse_next(&sse, &pos, end - 1, &p, &len),
                     AI_SSE_EVENT);
    assert_ptr_equal(pos, end - 1);
    assert_int_equal(ai_sse_next(&sse, &pos, end, &p, &len), AI_AGAIN);
    assert_ptr_equal(pos, end);
}


/* line ends at every place of the sixteen bytes that are looked at together */

static void
test_long_values(void **state)
{
    size_t  i;
    char    stream[256], expected[256];

    (void) state;

    for (i = 0; i < 70; i++) {
        memset(stream, 'x', sizeof(stream));
        memcpy(stream, "data: ", 6);
        strcpy(stream + 6 + i, i & 1 ? "\r\r: end" : "\n\n: end");
        memset(expected, 'x', i);
        strcpy(expected + i, "<>");

        sse_is(stream, expected);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_several_lines),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_position),
        cmocka_unit_test(test_long_values),
    };

    return cmocka_run_group_tests_name("sse", tests, NULL, NULL);
}
