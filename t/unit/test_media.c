
/*
 * Content-Type: what says one thing to every reader, and what does not.
 */


#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_media.h"


/* on the heap, so that a sanitizer sees a byte read past the end */

static ai_str_t
test_copy(const char *text)
{
    ai_str_t  s;

    s.len = strlen(text);
    s.data = malloc(s.len ? s.len : 1);
    memcpy(s.data, text, s.len);

    return s;
}


static void
test_json(void **state)
{
    unsigned  i, is;
    ai_str_t  s;

    static const struct {
        const char  *type;
        unsigned     json;
    } table[] = {
        { "application/json", 1 }, { "Application/JSON", 1 },
        { "application/json;charset=utf-8", 1 },
        { "application/json ; Charset=\"UTF-8\"", 1 },
        { "application/json;", 1 }, { "application/json; ", 1 },
        { "application/json;\tcharset=utf-8;profile=\"a;b\"", 1 },
        { "", 0 }, { "application/jso", 0 }, { "application/jsonp", 0 },
        { "text/json", 0 }, { "application/json, text/plain", 0 },
        { "application/json charset=utf-8", 0 },
        { "application/json;charset=utf-16", 0 },
        { "application/json;charset=utf-8x", 0 },
        { "application/json;charset=utf-8;charset=utf-16", 0 },
        { "application/json;charset=\"utf-8", 0 },
        { "application/json;charset=\"utf\\-8\"", 0 },
        { "application/json;charset=", 0 }, { "application/json;=utf-8", 0 },
        { "application/json;charset", 0 }, { "application/json;;", 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        s = test_copy(table[i].type);
        is = ai_media_json(&s);
        free(s.data);

        if (is != table[i].json) {
            fail_msg("%s: %u", table[i].type, is);
        }
    }
}


static void
test_form(void **state)
{
    int       rc;
    unsigned  i;
    ai_str_t  s, boundary, raw;

    static const struct {
        const char  *type;
        const char  *raw;           /* NULL: refused */
    } table[] = {
        { "multipart/form-data; boundary=B", "B" },
        { "Multipart/Form-Data;BOUNDARY=a=b/c:d", "a=b/c:d" },
        { "multipart/form-data; charset=utf-8; boundary=\"a b\"", "\"a b\"" },
        { "multipart/form-data; x=\"; boundary=A\"; boundary=B", "B" },
        { "multipart/form-data; boundary=B;", "B" },
        { "", NULL }, { "multipart/form-data", NULL },
        { "multipart/form-data; boundary=", NULL },
        { "multipart/form-data; boundary=\"\"", NULL },
        { "multipart/form-data; boundary=\"B", NULL },
        { "multipart/form-data; boundary=\"A\\\"B\"", NULL },
        { "multipart/form-data; boundary=A; boundary=A", NULL },
        { "multipart/form-data; boundary=A; boundary*=utf-8''B", NULL },
        { "multipart/form-data; boundary*0=A; boundary=B", NULL },
        { "multipart/form-data; boundary =A", NULL },
        { "multipart/form-data; boundary= A", NULL },
        { "multipart/form-data; boundary=A B", NULL },
        { "multipart/form-data; boundary=A, multipart/x", NULL },
        { "multipart/form-data, x; boundary=A", NULL },
        { "multipart/form-datax; boundary=A", NULL },
        { "multipart/mixed; boundary=A", NULL },
        { "multipart/form-data; xboundary=A", NULL },
        { "multipart/form-data; boundary=A\x01", NULL },
        { "multipart/form-data; boundary=\"A\x80\"", NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        s = test_copy(table[i].type);
        rc = ai_media_form(&s, &boundary, &raw);

        if (rc != (table[i].raw ? AI_OK : AI_ERROR)) {
            fail_msg("%s: %d", table[i].type, rc);
        }

        if (rc == AI_OK) {
            assert_int_equal(raw.len, strlen(table[i].raw));
            assert_memory_equal(raw.data, table[i].raw, raw.len);
            assert_int_equal(boundary.len,
                             raw.len - (raw.data[0] == '"' ? 2 : 0));
        }

        free(s.data);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_form)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
