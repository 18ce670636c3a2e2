
/*
 * JSON into an output that takes pieces: as the bounded writer has it.
 */


#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_out.h"


static ai_char   written[4096];
static size_t    nwritten;
static unsigned  calls, allowed;


static int
put(void *data, const ai_char *p, size_t len)
{
    assert_ptr_equal(data, &calls);
    assert_true(len > 0);

    if (calls++ == allowed) {
        return AI_ERROR;
    }

    assert_true(len <= sizeof(written) - nwritten);
    memcpy(written + nwritten, p, len);
    nwritten += len;

    return AI_OK;
}


static void
begin(ai_out_t *out)
{
    memset(out, 0, sizeof(ai_out_t));
    out->put = put;
    out->data = &calls;
    nwritten = 0;
    calls = 0;
    allowed = ~0u;
}


static void
test_plain(void **state)
{
    ai_out_t           out;
    static const char  text[] = "ab-9223372036854775808,18446744073709551615"
                                ",0\"a\\n\"";

    (void) state;

    begin(&out);
    ai_out_put(&out, "a", 1);
    ai_out_put(&out, NULL, 0);
    ai_out_cstr(&out, "b");
    ai_out_cstr(&out, "");
    ai_out_int(&out, INT64_MIN);
    ai_out_char(&out, ',');
    ai_out_uint(&out, UINT64_MAX);
    ai_out_char(&out, ',');
    ai_out_int(&out, 0);
    ai_out_raw_string(&out, (const ai_char *) "a\\n", 3);

    assert_int_equal(nwritten, sizeof(text) - 1);
    assert_memory_equal(written, text, nwritten);
    assert_int_equal(out.failed, 0);
}


static void
test_json(void **state)
{
    size_t    i, len;
    ai_buf_t  b;
    ai_char   text[64], expected[1024];
    ai_out_t  out;
    unsigned  n, seed;

    static const ai_char  bytes[] = "a\"\\\n\r\t\x01\x7f\x1f/ \xc3\xa9\xe2\x82"
                                    "\xac\xf0\x9f\x98\x80\xff\x80\xed\xa0";

    (void) state;

    seed = 1;

    for (n = 0; n < 20000; n++) {
        len = (size_t) rand_r(&seed) % sizeof(text);

        for (i = 0; i < len; i++) {
            text[i] = bytes[(size_t) rand_r(&seed) % (sizeof(bytes) - 1)];
        }

        ai_buf_init(&b, expected, sizeof(expected));
        ai_buf_json(&b, text, len);

        begin(&out);
        ai_out_json(&out, text, len);

        assert_int_equal(nwritten, b.pos - expected);
        assert_memory_equal(written, expected, nwritten);
    }
}


/* what follows a failure is not written, wherever it was */

static void
test_failed(void **state)
{
    ai_out_t  out;
    unsigned  n;

    (void) state;

    for (n = 0; n < 5; n++) {
        begin(&out);
        allowed = n;

        ai_out_json(&out, (const ai_char *) "a\nb", 3);

        assert_int_equal(calls, n + 1);
        assert_int_equal(out.failed, 1);

        ai_out_cstr(&out, "c");
        assert_int_equal(calls, n + 1);
    }

    memset(&out, 0, sizeof(out));
    ai_out_json(&out, (const ai_char *) "a\nb", 3);
    ai_out_uint(&out, 1);
    assert_int_equal(out.failed, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_failed)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
