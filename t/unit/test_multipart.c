
/*
 * Forms of the audio endpoints: what is read out of them, and the tricks that
 * are refused.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_multipart.h"
#include "ai_request.h"


#define CD        "Content-Disposition: form-data; name="
#define FILEPART  "--b\r\n" CD "\"file\"; filename=\"a.wav\"\r\n"            \
                  "Content-Type: audio/wav\r\n\r\nRIFF\r\n\0--\r\n--\r\n"
#define FIELD(name, value)                                                   \
    "--b\r\n" CD "\"" name "\"\r\n\r\n" value "\r\n"
#define MODEL     FIELD("model", "whisper-1")
#define END       "--b--\r\n"


static ai_request_t  rq;


static int
test_scan(const char *body, size_t len, const char *boundary)
{
    int       rc;
    ai_char  *copy;
    ai_str_t  none = ai_string(""), b;

    b.data = (ai_char *) boundary;
    b.len = strlen(boundary);

    copy = malloc(len ? len : 1);
    memcpy(copy, body, len);

    rc = ai_request_scan(&rq, AI_EP_TRANSCRIPTIONS, copy, len, &none, &b);

    free(copy);

    return rc;
}

#define test_form(s)  test_scan(s, sizeof(s) - 1, "b")


static void
test_fields(void **state)
{
    (void) state;

    assert_int_equal(test_form(FILEPART MODEL END), AI_OK);
    assert_int_equal(rq.model_len, 9);
    assert_memory_equal(rq.model_name, "whisper-1", 9);
    assert_int_equal(rq.model.len, 9);
    assert_memory_equal(FILEPART MODEL + rq.model.pos, "whisper-1", 9);
    assert_int_equal(rq.stream, 0);
    assert_int_equal(rq.plain_text, 0);

    assert_int_equal(test_form(MODEL FIELD("stream", "true")
                               FIELD("response_format", "srt") FILEPART
                               FIELD("language", "") END), AI_OK);
    assert_int_equal(rq.stream, 1);
    assert_int_equal(rq.plain_text, 1);

    assert_int_equal(test_form(MODEL FIELD("stream", "false")
                               FIELD("response_format", "json") "--b--"),
                     AI_OK);
    assert_int_equal(rq.stream, 0);
    assert_int_equal(rq.plain_text, 0);

    assert_int_equal(test_form(MODEL FIELD("url", "https://x") END), AI_OK);
    assert_int_equal(rq.unbounded, AI_UNBOUNDED_REMOTE);

    /* headers as other clients write them */

    assert_int_equal(test_form("--b\r\ncontent-disposition:form-data;name=model"
                               "\r\ncontent-type: text/plain; charset=UTF-8"
                               "\r\nContent-Length: 1\r\n\r\nm\r\n" END),
                     AI_OK);
    assert_int_equal(test_form("--b\r\n" CD "\"file\"; filename=\"a;b=\\c.wav\""
                               "; filename*=utf-8''a\r\n"
                               "Content-Transfer-Encoding: binary\r\n\r\n"
                               "\r\n" MODEL END), AI_OK);
}


static void
test_refused(void **state)
{
    unsigned  i;

    static const struct {
        const char  *body;
        size_t       len;
    } table[] = {
#define row(s)  { s, sizeof(s) - 1 }

        row(""),
        row(END),
        row("--b"),
        row(FILEPART END),
        row(FILEPART MODEL),
        row(MODEL MODEL END),
        row(MODEL FIELD("Model", "b") END),
        row(MODEL FIELD("model[]", "b") END),
        row(MODEL FIELD("stream", "true") FIELD("stream", "false") END),
        row(MODEL FIELD("_charset_", "utf-16") END),
        row(FIELD("model", "") END),
        row(FIELD("model", "a\r\nb") END),
        row(FIELD("model", "a\xff") END),

        /* the name */

        row("--b\r\n" CD "\"model\"; filename=\"x\"\r\n\r\na\r\n" END),
        row("--b\r\n" CD "\"model\"; filename*=utf-8''x\r\n\r\na\r\n" END),
        row("--b\r\nContent-Disposition: form-data; name*=utf-8''model"
            "\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"x\"; name=\"model\"\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"mo\\del\"\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"mod%65l\"\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"\"\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"x\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"x\" y\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"file\"; filename=\"a\\\"; name=\"model\"\r\n\r\na"
            "\r\n" MODEL END),
        row("--b\r\nContent-Disposition: attachment; name=\"x\"\r\n\r\na\r\n"
            MODEL END),
        row("--b\r\nContent-Type: text/plain\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"x\"\r\n" CD "\"model\"\r\n\r\na\r\n" MODEL END),

        /* headers */

        row("--b\r\n" CD "\"x\";\r\n foo=bar\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"x\"\n\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"x\"\r\nA\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"x\"\r\nA : b\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"x\"\0\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"x\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            "a\r\n" MODEL END),
        row("--b\r\n" CD "\"x\"\r\nContent-Type: multipart/mixed; boundary=c"
            "\r\n\r\na\r\n" MODEL END),
        row("--b\r\n" CD "\"model\"\r\nContent-Type: text/plain; charset="
            "utf-16\r\n\r\na\r\n" END),

        /* the boundary */

        row("x\r\n" MODEL END),
        row("\r\n" MODEL END),
        row("--b \r\n" CD "\"model\"\r\n\r\na\r\n" END),
        row("--bb\r\n" CD "\"model\"\r\n\r\na\r\n" END),
        row("--b\n" CD "\"model\"\r\n\r\na\r\n" END),
        row(MODEL "--b--\r\nx"),
        row(MODEL "--b-- \r\n"),
        row(MODEL "--b--\r\n\r\n" MODEL END),
        row(FIELD("x", "y\n--b\r\n") MODEL END),
        row(FIELD("x", "y--b\r\n") MODEL END),
        row("--b\r\n" CD "\"x\"\r\n\r\n--b\r\n" CD "\"model\"\r\n\r\na\r\n"
            END)
#undef row
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (test_scan(table[i].body, table[i].len, "b") != AI_ERROR
            || rq.status != 400 || rq.error == NULL)
        {
            fail_msg("%u accepted: %s", i, table[i].body);
        }
    }
}


static void
test_boundaries(void **state)
{
    char  boundary[80];

    static const char  odd[] =
        "--=_'()+,-./:? x\r\n" CD "\"model\"\r\n\r\nm\r\n"
        "--=_'()+,-./:? x--";

    (void) state;

    assert_int_equal(test_scan("x", 1, ""), AI_ERROR);
    assert_int_equal(rq.status, 415);

    assert_int_equal(test_scan("x", 1, "b "), AI_ERROR);
    assert_int_equal(rq.status, 415);

    assert_int_equal(test_scan("x", 1, "b\"c"), AI_ERROR);
    assert_int_equal(rq.status, 415);

    memset(boundary, 'a', sizeof(boundary));
    boundary[71] = '\0';
    assert_int_equal(test_scan("x", 1, boundary), AI_ERROR);
    assert_int_equal(rq.status, 415);

    boundary[70] = '\0';
    assert_int_equal(test_scan("x", 1, boundary), AI_ERROR);
    assert_int_equal(rq.status, 400);

    assert_int_equal(test_scan(odd, sizeof(odd) - 1, "=_'()+,-./:? x"),
                     AI_OK);
}


/* every shorter form is refused: nothing is read past its end */

static void
test_truncated(void **state)
{
    size_t  n;

    static const char  form[] = FILEPART MODEL FIELD("stream", "true") END;

    (void) state;

    assert_int_equal(test_scan(form, sizeof(form) - 1, "b"), AI_OK);

    for (n = 0; n < sizeof(form) - 4; n++) {
        assert_int_equal(test_scan(form, n, "b"), AI_ERROR);
    }
}


static void
test_edit(void **state)
{
    ai_buf_t      b;
    ai_char       text[2048];
    ai_str_t      model = ai_string("my \"whisper\"");
    ai_str_t      evil = ai_string("a\r\n--b");
    ai_edit_t     edits[AI_EDITS_MAX];
    ai_rewrite_t  want;

    static const char  form[] = MODEL FILEPART END;

    (void) state;

    assert_int_equal(test_form(MODEL FILEPART END), AI_OK);

    memset(&want, 0, sizeof(want));
    want.model = &model;
    want.max_output = 100;
    want.usage = 1;

    ai_buf_init(&b, text, sizeof(text));
    assert_int_equal(ai_request_edit(&rq, AI_EP_TRANSCRIPTIONS,
                                     (ai_char *) form, sizeof(form) - 1,
                                     &want, &b, edits, AI_EDITS_MAX), 1);
    assert_int_equal(edits[0].pos, rq.model.pos);
    assert_int_equal(edits[0].del, 9);
    assert_int_equal(edits[0].ins.len, model.len);
    assert_memory_equal(edits[0].ins.data, model.data, model.len);

    want.model = &evil;
    assert_int_equal(ai_request_edit(&rq, AI_EP_TRANSCRIPTIONS,
                                     (ai_char *) form, sizeof(form) - 1,
                                     &want, &b, edits, AI_EDITS_MAX),
                     AI_ERROR);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_edit)
    };

    return cmocka_run_group_tests_name("multipart", tests, NULL, NULL);
}
