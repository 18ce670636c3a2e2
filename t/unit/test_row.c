
/*
 * The row: every field in the ledger's order, nulls, escapes, the longest row,
 * and what is read back from it.
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "ai_slot.h"
#include "ai_sum.h"


static const ai_char  test_id[16] = {
    0x01, 0x9d, 0, 0, 0, 1, 0x70, 2, 0x80, 3, 0, 0, 0, 0, 0, 4
};


static void
test_string(ai_slot_t *s, unsigned which, const char *text)
{
    ai_str_t  v;

    v.data = (ai_char *) text;
    v.len = strlen(text);

    ai_slot_string(s, which, &v);
}


static void
test_begin(ai_slot_t *s)
{
    memset(s, 0, sizeof(ai_slot_t));
    ai_slot_begin(s, test_id, 1795229874123, AI_DIALECT_OPENAI, AI_EP_CHAT);

    test_string(s, AI_SLOT_TENANT, "acme");
    test_string(s, AI_SLOT_KEY, "pr\"od");
}


static void
test_full(ai_slot_t *s)
{
    ai_run_t  run;

    test_begin(s);
    test_string(s, AI_SLOT_PLAN, "pro");
    test_string(s, AI_SLOT_LABELS, "{\"team\":\"a}\\\"]b\"}");
    test_string(s, AI_SLOT_MODEL, "gpt-4.1");
    s->price_version = 0x0badcafe;
    s->hold_nanos = 1500000000;
    s->request_bytes = 1024;
    s->stream = 1;
    ai_slot_intent(s);

    test_string(s, AI_SLOT_SERVED, "gpt-4.1-2025");
    test_string(s, AI_SLOT_FINISH, "stop");
    test_string(s, AI_SLOT_ATTEMPT_PROVIDER, "azure");
    test_string(s, AI_SLOT_ATTEMPT_PROVIDER + 1, "dep");
    test_string(s, AI_SLOT_ATTEMPT_PROVIDER + 2, "openai");
    test_string(s, AI_SLOT_ATTEMPT_PROVIDER + 3, "gpt-4.1");
    s->nattempts = 2;
    s->attempts[0].status = 503;
    s->attempts[0].reason = AI_REASON_STATUS;
    s->attempts[0].ms = 12;
    s->attempts[1].status = 200;
    s->attempts[1].ms = 340;
    ai_slot_started(s);

    memset(&run, 0, sizeof(run));
    run.input_tokens = 100;
    run.cache_read_tokens = 40;
    run.output_tokens = 8;
    run.reasoning_tokens = 3;
    run.classes[AI_CLASS_INPUT] = 60;
    run.classes[AI_CLASS_CACHE_READ] = 40;
    run.classes[AI_CLASS_OUTPUT] = 8;
    run.units[AI_UNIT_WEB_SEARCHES] = 2 * AI_UNIT_ONE;
    run.units[AI_UNIT_AUDIO_SECONDS] = 13250000;
    run.cost_nanos = 123456789;
    run.source = AI_SOURCE_FINAL;
    run.complete = 1;
    ai_slot_run(s, &run);

    s->nsubs = 1;
    s->subs[0].kind = AI_SUB_ADVISOR;
    s->subs[0].model_len = 3;
    memcpy(s->subs[0].model, "o-1", 3);
    s->subs[0].classes[AI_CLASS_OUTPUT] = 5;

    s->status = AI_STATUS_PASSED;
    s->http_status = 200;
    s->first_byte_ms = 50;
    s->duration_ms = 352;
    s->response_bytes = 2048;
    ai_slot_end(s, AI_SLOT_FINAL);
}


static size_t
test_row(ai_char *line, const ai_slot_t *s)
{
    ai_buf_t  b;

    ai_buf_init(&b, line, AI_SLOT_ROW_MAX);
    ai_slot_row(&b, s);
    assert_int_equal(b.full, 0);
    *b.pos = '\0';

    return (size_t) (b.pos - line);
}


static void
row_has_every_field_in_order(void **state)
{
    ai_char    line[AI_SLOT_ROW_MAX + 1];
    ai_slot_t  s;

    static const char  expected[] =
        "{\"id\":\"019d0000-0001-7002-8003-000000000004\""
        ",\"time\":\"2026-11-21T02:57:54.123Z\""
        ",\"tenant\":\"acme\",\"key\":\"pr\\\"od\",\"plan\":\"pro\""
        ",\"labels\":{\"team\":\"a}\\\"]b\"}"
        ",\"api\":\"openai.chat.completions\",\"model\":\"gpt-4.1\""
        ",\"served_model\":\"gpt-4.1-2025\",\"provider\":\"openai\""
        ",\"attempts\":[{\"provider\":\"azure\",\"model\":\"dep\""
        ",\"status\":503,\"ms\":12,\"reason\":\"status\"}"
        ",{\"provider\":\"openai\",\"model\":\"gpt-4.1\",\"status\":200"
        ",\"ms\":340,\"reason\":null}]"
        ",\"stream\":true,\"status\":\"PASSED\",\"http_status\":200"
        ",\"state\":\"final\",\"usage_source\":\"final\""
        ",\"stream_complete\":true,\"client_aborted\":false"
        ",\"input_tokens\":100,\"cache_read_tokens\":40"
        ",\"cache_write_tokens\":0,\"output_tokens\":8"
        ",\"reasoning_tokens\":3"
        ",\"classes\":{\"input\":60,\"cache_read\":40,\"output\":8}"
        ",\"units\":{\"web_searches\":2,\"audio_seconds\":13.25}"
        ",\"sub\":[{\"model\":\"o-1\",\"kind\":\"advisor_message\""
        ",\"classes\":{\"output\":5}}]"
        ",\"cost_usd\":\"0.123456789\",\"price_version\":\"0badcafe\""
        ",\"hold_usd\":\"1.500000000\",\"finish_reason\":\"stop\""
        ",\"first_byte_ms\":50,\"duration_ms\":352,\"request_bytes\":1024"
        ",\"response_bytes\":2048}";

    (void) state;

    test_full(&s);
    test_row(line, &s);
    assert_string_equal((char *) line, expected);
}


static void
row_without_usage_has_nulls(void **state)
{
    ai_char    line[AI_SLOT_ROW_MAX + 1];
    ai_slot_t  s;

    (void) state;

    test_begin(&s);
    ai_slot_intent(&s);
    ai_slot_end(&s, AI_SLOT_REFUSED);
    test_row(line, &s);

    assert_non_null(strstr((char *) line, "\"labels\":{}"));
    assert_non_null(strstr((char *) line, "\"input_tokens\":null"));
    assert_non_null(strstr((char *) line, "\"cost_usd\":null"));
    assert_non_null(strstr((char *) line, "\"provider\":null,\"attempts\":[]"));
    assert_non_null(strstr((char *) line, "\"first_byte_ms\":null"));
    assert_non_null(strstr((char *) line, "\"http_status\":null"));
    assert_non_null(strstr((char *) line, "\"finish_reason\":null"));
    assert_non_null(strstr((char *) line, "\"classes\":{},\"units\":{}"));
}


/* no text of PostgreSQL has a NUL: the row could not be billed */

static void
row_has_no_nul(void **state)
{
    ai_char    line[AI_SLOT_ROW_MAX + 1];
    ai_str_t   v;
    ai_slot_t  s;

    (void) state;

    test_full(&s);
    v.data = (ai_char *) "\0a\xc3\0\0";
    v.len = 5;
    ai_slot_string(&s, AI_SLOT_SERVED, &v);
    ai_slot_string(&s, AI_SLOT_FINISH, &v);
    test_row(line, &s);

    assert_null(strstr((char *) line, "u0000"));
    assert_non_null(strstr((char *) line, "\"served_model\":\"\xef\xbf\xbd"
                           "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""));
    assert_non_null(strstr((char *) line, "\"finish_reason\":\"\xef\xbf\xbd"
                           "a\xef\xbf\xbd"));
}


static void
row_drops_labels_that_were_cut(void **state)
{
    unsigned    i;
    ai_char     line[AI_SLOT_ROW_MAX + 1];
    ai_slot_t   s;

    static const char *const  bad[] = {
        "{\"team\":\"sea", "[1]", "\"x\"", "{}{}", "{\n}", "{\"a\":1} ",
        "{\"a\":\"\xff\"}"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        test_begin(&s);
        test_string(&s, AI_SLOT_LABELS, bad[i]);
        ai_slot_intent(&s);
        ai_slot_end(&s, AI_SLOT_REFUSED);
        test_row(line, &s);
        assert_non_null(strstr((char *) line, "\"labels\":{},\"api\""));
    }
}


static void
longest_row_fits(void **state)
{
    size_t     len;
    unsigned   i;
    ai_str_t   v;
    ai_char    line[AI_SLOT_ROW_MAX + 1], text[AI_SLOT_TEXT];
    ai_slot_t  s;

    (void) state;

    memset(&s, 0xff, sizeof(s));
    memset(text, 1, sizeof(text));

    for (i = 0; i < AI_SLOT_STRINGS; i++) {
        s.string_len[i] = 0;
    }

    s.nstrings = 0;
    s.text_len = 0;

    /* the last attempt's provider stands in the row twice */

    v.data = text;
    v.len = sizeof(text);
    ai_slot_string(&s, AI_SLOT_ATTEMPT_PROVIDER + 6, &v);

    s.run = 0;
    s.runs[0].source = AI_SOURCE_FINAL;

    for (i = 0; i < AI_SLOT_SUBS; i++) {
        s.subs[i].kind = AI_SUB_IMAGE_GENERATION;
        memset(s.subs[i].model, 1, sizeof(s.subs[i].model));
    }

    for (i = 0; i < AI_SLOT_ATTEMPTS; i++) {
        s.attempts[i].reason = AI_REASON_TIMEOUT;
    }

    len = test_row(line, &s);
    assert_true(len > 10000);
}


static void
row_is_read_back(void **state)
{
    size_t     len, i;
    ai_row_t   row;
    ai_char    line[AI_SLOT_ROW_MAX + 1], scratch[2 * AI_SLOT_TEXT];
    ai_slot_t  s;

    (void) state;

    test_full(&s);
    len = test_row(line, &s);

    assert_int_equal(ai_row_parse(&row, line, len, scratch, sizeof(scratch)),
                     AI_OK);
    assert_memory_equal(row.id, test_id, 16);
    assert_int_equal(row.time_ms, 1795229874123);
    assert_true(ai_str_is(&row.tenant, "acme"));
    assert_true(ai_str_is(&row.key, "pr\"od"));
    assert_int_equal(row.used[AI_RES_REQUESTS], 1);
    assert_int_equal(row.used[AI_RES_TOKENS], 108);
    assert_int_equal(row.used[AI_RES_INPUT_TOKENS], 100);
    assert_int_equal(row.used[AI_RES_OUTPUT_TOKENS], 8);
    assert_int_equal(row.used[AI_RES_COST], 123456789);

    /* no part of it is a row, nor is it with a byte behind it */

    for (i = 0; i < len; i++) {
        assert_int_equal(ai_row_parse(&row, line, i, scratch, sizeof(scratch)),
                         AI_ERROR);
    }

    line[len] = ' ';
    assert_int_equal(ai_row_parse(&row, line, len + 1, scratch,
                                  sizeof(scratch)), AI_ERROR);

    /* a scratch that is too small */

    assert_int_equal(ai_row_parse(&row, line, len, scratch, 5), AI_ERROR);
}


static void
refused_row_counts_no_request(void **state)
{
    size_t     len;
    ai_row_t   row;
    ai_char    line[AI_SLOT_ROW_MAX + 1], scratch[2 * AI_SLOT_TEXT];
    ai_slot_t  s;

    (void) state;

    test_begin(&s);
    ai_slot_intent(&s);
    assert_int_equal(ai_slot_orphan(&s, s.time_ms), AI_OK);
    len = test_row(line, &s);

    assert_int_equal(ai_row_parse(&row, line, len, scratch, sizeof(scratch)),
                     AI_OK);
    assert_int_equal(row.used[AI_RES_REQUESTS], 0);
    assert_int_equal(row.used[AI_RES_COST], 0);
}


static void
time_is_read_over_the_calendar(void **state)
{
    size_t     len;
    uint64_t   day;
    ai_row_t   row;
    ai_char    line[AI_SLOT_ROW_MAX + 1], scratch[2 * AI_SLOT_TEXT];
    ai_slot_t  s;

    (void) state;

    test_begin(&s);
    ai_slot_intent(&s);
    ai_slot_end(&s, AI_SLOT_REFUSED);

    for (day = 0; day < 60000; day += 13) {
        s.time_ms = day * 86400000 + day * 7919 % 86400000;
        len = test_row(line, &s);
        assert_int_equal(ai_row_parse(&row, line, len, scratch,
                                      sizeof(scratch)), AI_OK);
        assert_int_equal(row.time_ms, s.time_ms);
    }
}


static void
sum_line_round_trip(void **state)
{
    size_t    len, i;
    ai_buf_t  b;
    ai_row_t  row, got;
    ai_char   line[AI_SUM_LINE_MAX], scratch[2 * AI_SLOT_TEXT];

    static ai_str_t  tenant = ai_string("a\"b\\ \xc3\xa9\n");
    static ai_str_t  key = ai_string("");

    (void) state;

    memset(&row, 0, sizeof(row));
    row.time_ms = 1795229874123;
    row.tenant = tenant;
    row.key = key;

    for (i = 0; i < AI_RES_COUNTED; i++) {
        row.used[i] = AI_LIMIT_MAX - (int64_t) i;
    }

    ai_buf_init(&b, line, sizeof(line));
    ai_sum_put(&b, &row);
    assert_int_equal(b.full, 0);
    len = (size_t) (b.pos - line);

    assert_int_equal(ai_sum_parse(&got, line, len, scratch, sizeof(scratch)),
                     AI_OK);
    assert_int_equal(got.time_ms, row.time_ms);
    assert_memory_equal(got.used, row.used, sizeof(row.used));
    assert_int_equal(got.tenant.len, tenant.len);
    assert_memory_equal(got.tenant.data, tenant.data, tenant.len);
    assert_int_equal(got.key.len, 0);

    for (i = 0; i < len; i++) {
        assert_int_equal(ai_sum_parse(&got, line, i, scratch, sizeof(scratch)),
                         AI_ERROR);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(row_has_every_field_in_order),
        cmocka_unit_test(row_without_usage_has_nulls),
        cmocka_unit_test(row_has_no_nul),
        cmocka_unit_test(row_drops_labels_that_were_cut),
        cmocka_unit_test(longest_row_fits),
        cmocka_unit_test(row_is_read_back),
        cmocka_unit_test(refused_row_counts_no_request),
        cmocka_unit_test(time_is_read_over_the_calendar),
        cmocka_unit_test(sum_line_round_trip)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
