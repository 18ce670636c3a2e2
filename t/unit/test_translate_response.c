
/*
 * Whole answers and errors of Anthropic and Gemini as OpenAI's: member by
 * member, and what a meter of OpenAI's reads in them.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "translate_fixture.h"


#define HEAD(id, model)                                                      \
    "{\"id\":\"chatcmpl-" id "\",\"object\":\"chat.completion\","            \
    "\"created\":1795262400,\"model\":\"" model "\","
#define UUID  "01932f6e-7c5a-7b3e-9d21-4f8a6b0c1d2e"


static translate_run_t  run;


static void
answer(ai_dialect_t api, unsigned status, const char *body)
{
    translate_begin(&run, api, AI_BODY_JSON);
    run.from.status = status;
    translate_body(&run, body, strlen(body));

    assert_int_equal(run.rc, AI_OK);
    assert_true(translate_is_json(run.text, run.len));
}


static const char *
choice(unsigned n)
{
    const char  *p;

    for (p = naive_first(naive_get(run.text, "choices")); n; n--) {
        p = naive_next(p);
    }

    return p;
}


static const char *
member(const char *p, const char *key)
{
    static char  text[512];

    p = naive_get(p, key);
    assert_non_null(p);

    snprintf(text, sizeof(text), "%.*s", (int) (naive_skip(p) - p), p);

    return text;
}


#define message(n)  naive_get(choice(n), "message")


static void
test_message(void **state)
{
    (void) state;

    answer(AI_DIALECT_ANTHROPIC, 200,
           "{\"content\":[{\"text\":\"Hel\",\"type\":\"text\"},"
           "{\"type\":\"thinking\",\"thinking\":\"hmm\"},"
           "{\"type\":\"text\",\"text\":\"lo \\u00e9\\\"\\n\"}],"
           "\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
           "\"model\":\"claude-x\",\"stop_reason\":\"end_turn\","
           "\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":100,"
           "\"cache_creation_input_tokens\":7,\"output_tokens\":20,"
           "\"output_tokens_details\":{\"thinking_tokens\":5},"
           "\"service_tier\":\"standard\"}}");

    assert_string_equal(run.text,
        HEAD("msg_1", "claude-x")
        "\"service_tier\":\"default\",\"system_fingerprint\":null,"
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"Hello \\u00e9\\\"\\n\",\"refusal\":null},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":117,\"completion_tokens\":20,"
        "\"total_tokens\":137,\"prompt_tokens_details\":"
        "{\"cached_tokens\":100,\"cache_write_tokens\":7,"
        "\"audio_tokens\":0},\"completion_tokens_details\":"
        "{\"reasoning_tokens\":5,\"audio_tokens\":0,"
        "\"accepted_prediction_tokens\":0,"
        "\"rejected_prediction_tokens\":0}}}");

    assert_true(translate_is_equal(&run));
}


static void
test_message_tools(void **state)
{
    const char  *calls, *call;

    (void) state;

    answer(AI_DIALECT_ANTHROPIC, 200,
           "{\"type\":\"message\",\"model\":\"m\",\"content\":["
           "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"search\","
           "\"input\":{}},"
           "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\","
           "\"input\":{ \"a\\\"\" : [1, {\"b\" :null}],\n\"c\":\"\\\\x\" }},"
           "{\"name\":\"g\",\"type\":\"tool_use\"}],"
           "\"stop_reason\":\"tool_use\"}");

    assert_string_equal(member(run.text, "id"), "\"chatcmpl-" UUID "\"");
    assert_string_equal(member(message(0), "content"), "null");
    assert_string_equal(member(choice(0), "finish_reason"), "\"tool_calls\"");
    assert_null(naive_get(run.text, "usage"));

    calls = naive_get(message(0), "tool_calls");

    call = naive_first(calls);
    assert_string_equal(member(call, "id"), "\"toolu_1\"");
    assert_string_equal(member(call, "type"), "\"function\"");
    call = naive_get(call, "function");
    assert_string_equal(member(call, "name"), "\"f\"");
    assert_string_equal(member(call, "arguments"),
                        "\"{\\\"a\\\\\\\"\\\":[1,{\\\"b\\\":null}],"
                        "\\\"c\\\":\\\"\\\\\\\\x\\\"}\"");

    call = naive_next(naive_first(calls));
    assert_string_equal(member(call, "id"),
                        "\"call_01932f6e7c5a7b3e9d214f8a6b0c1d2e1\"");
    assert_string_equal(member(naive_get(call, "function"), "arguments"),
                        "\"{}\"");
    assert_null(naive_next(call));
}


static void
test_stop_reasons(void **state)
{
    char    body[256];
    size_t  i;

    static const struct {
        const char  *from;
        const char  *to;
    } reasons[] = {
        { "\"end_turn\"", "\"stop\"" },
        { "\"stop_sequence\"", "\"stop\"" },
        { "\"pause_turn\"", "\"stop\"" },
        { "\"max_tokens\"", "\"length\"" },
        { "\"model_context_window_exceeded\"", "\"length\"" },
        { "\"refusal\"", "\"content_filter\"" },
        { "\"m\\u0061x_tokens\"", "\"length\"" },
        { "\"something_new\"", "\"stop\"" },
        { "null", "\"stop\"" }
    };

    (void) state;

    for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        snprintf(body, sizeof(body),
                 "{\"content\":[],\"stop_reason\":%s}", reasons[i].from);
        answer(AI_DIALECT_ANTHROPIC, 200, body);

        assert_string_equal(member(choice(0), "finish_reason"),
                            reasons[i].to);
        assert_string_equal(member(message(0), "content"), "\"\"");
        assert_string_equal(member(run.text, "model"), "\"the-target\"");
    }
}


static void
test_candidates(void **state)
{
    (void) state;

    answer(AI_DIALECT_GEMINI, 200,
           "{\"candidates\":[{\"content\":{\"parts\":["
           "{\"text\":\"secret\",\"thought\":true},{\"text\":\"A\"},"
           "{\"inlineData\":{\"data\":\"AA\"}},{\"text\":\"B\"}]},"
           "\"finishReason\":\"MAX_TOKENS\",\"index\":0},"
           "{\"content\":{\"parts\":[{\"functionCall\":{\"args\":{\"x\":1},"
           "\"name\":\"f\"}},{\"functionCall\":{\"name\":\"g\","
           "\"id\":\"own\"},\"thoughtSignature\":\"Eq+/=\"}]},"
           "\"finishReason\":\"STOP\",\"index\":1}],"
           "\"usageMetadata\":{\"promptTokenCount\":9,"
           "\"candidatesTokenCount\":3,\"thoughtsTokenCount\":4,"
           "\"cachedContentTokenCount\":2,\"totalTokenCount\":16},"
           "\"modelVersion\":\"models/gemini-x\",\"responseId\":\"r-1\"}");

    assert_string_equal(member(run.text, "id"), "\"chatcmpl-r-1\"");
    assert_string_equal(member(run.text, "model"), "\"gemini-x\"");
    assert_string_equal(member(message(0), "content"), "\"AB\"");
    assert_string_equal(member(choice(0), "finish_reason"), "\"length\"");
    assert_string_equal(member(message(1), "content"), "null");
    assert_string_equal(member(choice(1), "index"), "1");
    assert_string_equal(member(choice(1), "finish_reason"), "\"tool_calls\"");
    assert_string_equal(member(message(1), "tool_calls"),
        "[{\"id\":\"call_01932f6e7c5a7b3e9d214f8a6b0c1d2e0\","
        "\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{\\\"x\\\":1}\"}},"
        "{\"id\":\"own\",\"type\":\"function\",\"function\":{"
        "\"name\":\"g\",\"arguments\":\"{}\"},\"extra_content\":"
        "{\"google\":{\"thought_signature\":\"Eq+/=\"}}}]");

    assert_int_equal(run.usage_again.output_tokens, 7);
    assert_int_equal(run.usage_again.reasoning_tokens, 4);
    assert_true(translate_is_equal(&run));
}


static void
test_finish_reasons(void **state)
{
    char    body[256];
    size_t  i;

    static const struct {
        const char  *from;
        const char  *to;
    } reasons[] = {
        { "STOP", "\"stop\"" },
        { "OTHER", "\"stop\"" },
        { "MALFORMED_FUNCTION_CALL", "\"stop\"" },
        { "MAX_TOKENS", "\"length\"" },
        { "CONTINUATION", "\"length\"" },
        { "SAFETY", "\"content_filter\"" },
        { "RECITATION", "\"content_filter\"" },
        { "LANGUAGE", "\"content_filter\"" },
        { "BLOCKLIST", "\"content_filter\"" },
        { "PROHIBITED_CONTENT", "\"content_filter\"" },
        { "SPII", "\"content_filter\"" },
        { "MODEL_ARMOR", "\"content_filter\"" },
        { "IMAGE_SAFETY", "\"content_filter\"" }
    };

    (void) state;

    for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        snprintf(body, sizeof(body),
                 "{\"candidates\":[{\"finishReason\":\"%s\"}]}",
                 reasons[i].from);
        answer(AI_DIALECT_GEMINI, 200, body);

        assert_string_equal(member(choice(0), "finish_reason"),
                            reasons[i].to);
    }

    answer(AI_DIALECT_GEMINI, 200,
           "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"},"
           "\"usageMetadata\":{\"promptTokenCount\":4,"
           "\"totalTokenCount\":4}}");

    assert_string_equal(member(choice(0), "finish_reason"),
                        "\"content_filter\"");
    assert_string_equal(member(message(0), "content"), "\"\"");
    assert_int_equal(run.usage_again.input_tokens, 4);
}


#define E(message, type, code)                                               \
    "{\"error\":{\"message\":\"" message "\",\"type\":\"" type "\","         \
    "\"param\":null,\"code\":" code "}}"
#define NO_TEXT(status)                                                      \
    "The provider answered with status " status " and said nothing about it."

static const struct {
    ai_dialect_t     api;
    unsigned         status;
    const char      *body;
    const char      *expected;
} errors[] = {
    { AI_DIALECT_ANTHROPIC, 400,
      "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
      "\"message\":\"bad \\\"x\\\"\"},\"request_id\":\"r\"}",
      E("bad \\\"x\\\"", "invalid_request_error", "null") },
    { AI_DIALECT_ANTHROPIC, 400,
      "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
      "\"message\":\"prompt is too long: 9 tokens > 8 maximum\"}}",
      E("prompt is too long: 9 tokens > 8 maximum", "invalid_request_error",
        "\"context_length_exceeded\"") },
    { AI_DIALECT_ANTHROPIC, 529,
      "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
      "\"message\":\"Overloaded\"}}",
      E("Overloaded", "service_unavailable_error",
        "\"server_is_overloaded\"") },
    { AI_DIALECT_ANTHROPIC, 200,
      "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\","
      "\"message\":\"slow\"}}",
      E("slow", "rate_limit_error", "\"rate_limit_exceeded\"") },
    { AI_DIALECT_GEMINI, 404,
      "[{\"error\":{\"code\":404,\"message\":\"no model\","
      "\"status\":\"NOT_FOUND\"}}]",
      E("no model", "invalid_request_error", "\"model_not_found\"") },
    { AI_DIALECT_GEMINI, 200,
      "{\"error\":{\"code\":503,\"message\":\"busy\","
      "\"status\":\"UNAVAILABLE\"}}",
      E("busy", "service_unavailable_error", "\"server_is_overloaded\"") },
    { AI_DIALECT_GEMINI, 200,
      "{\"error\":{\"message\":\"quota\","
      "\"status\":\"RESOURCE_EXHAUSTED\"}}",
      E("quota", "rate_limit_error", "\"rate_limit_exceeded\"") },
    { AI_DIALECT_GEMINI, 401, "{\"error\":\"flat\"}",
      E("flat", "invalid_request_error", "\"invalid_api_key\"") },
    { AI_DIALECT_ANTHROPIC, 403, "{\"message\":\"Forbidden\"}",
      E("Forbidden", "invalid_request_error", "\"request_forbidden\"") },
    { AI_DIALECT_ANTHROPIC, 422, "{\"detail\":\"what\"}",
      E("what", "invalid_request_error", "null") },
    { AI_DIALECT_ANTHROPIC, 402, "{\"error\":{\"message\":\"pay\"}}",
      E("pay", "insufficient_quota", "\"insufficient_quota\"") },
    { AI_DIALECT_ANTHROPIC, 413, "<html><b>413</b></html>",
      E(NO_TEXT("413"), "invalid_request_error", "\"request_too_large\"") },
    { AI_DIALECT_GEMINI, 500, "", E(NO_TEXT("500"), "server_error", "null") },
    { AI_DIALECT_GEMINI, 502, "[]", E(NO_TEXT("502"), "server_error", "null") },
    { AI_DIALECT_GEMINI, 429, "{\"error\":{\"message\":[1]},",
      E(NO_TEXT("429"), "rate_limit_error", "\"rate_limit_exceeded\"") },
    { AI_DIALECT_ANTHROPIC, 400,
      "{\"error\":{\"type\":\"invalid_request_error\",\"message\":"
      "\"input length and `max_tokens` exceed context limit: 9\"}}",
      E("input length and `max_tokens` exceed context limit: 9",
        "invalid_request_error", "\"context_length_exceeded\"") },
    { AI_DIALECT_ANTHROPIC, 413,
      "{\"error\":{\"message\":\"prompt is too long\"}}",
      E("prompt is too long", "invalid_request_error",
        "\"context_length_exceeded\"") },
    { AI_DIALECT_ANTHROPIC, 429,
      "{\"error\":{\"type\":\"rate_limit_error\",\"message\":\"spent\","
      "\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}}}",
      E("spent", "insufficient_quota", "\"insufficient_quota\"") },
    { AI_DIALECT_ANTHROPIC, 429,
      "{\"error\":{\"type\":\"rate_limit_error\",\"message\":\"ramp\","
      "\"details\":{\"error_code\":\"ramp_limit_exceeded\"}}}",
      E("ramp", "rate_limit_error", "\"rate_limit_exceeded\"") },
    { AI_DIALECT_GEMINI, 400,
      "{\"error\":{\"code\":400,\"message\":\"no key\",\"status\":"
      "\"INVALID_ARGUMENT\",\"details\":[7,{\"@type\":\"x\"},"
      "{\"reason\":\"API_KEY_INVALID\"},{\"reason\":\"other\"}]}}",
      E("no key", "invalid_request_error", "\"invalid_api_key\"") },
    { AI_DIALECT_GEMINI, 200,
      "[{\"error\":{\"code\":503,\"message\":\"busy\"}}\n]",
      E("busy", "service_unavailable_error", "\"server_is_overloaded\"") },
    { AI_DIALECT_GEMINI, 504, "{\"error\":{\"message\":{}}}",
      E(NO_TEXT("504"), "server_error", "null") }
};


static void
test_errors(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        answer(errors[i].api, errors[i].status, errors[i].body);
        assert_string_equal(run.text, errors[i].expected);
    }
}


static void
test_declined(void **state)
{
    size_t  i;

    static const struct {
        ai_dialect_t  api;
        const char   *body;
    } bodies[] = {
        { AI_DIALECT_ANTHROPIC, "" },
        { AI_DIALECT_ANTHROPIC, "<html>" },
        { AI_DIALECT_ANTHROPIC, "[]" },
        { AI_DIALECT_ANTHROPIC, "{}" },
        { AI_DIALECT_ANTHROPIC, "{\"content\":[]} x" },
        { AI_DIALECT_ANTHROPIC, "{\"content\":[]" },
        { AI_DIALECT_ANTHROPIC, "{\"content\":\"text\"}" },
        { AI_DIALECT_ANTHROPIC, "{\"candidates\":[]}" },
        { AI_DIALECT_GEMINI, "{}" },
        { AI_DIALECT_GEMINI, "{\"candidates\":{}}" },
        { AI_DIALECT_GEMINI, "7" },
        { AI_DIALECT_GEMINI, "null" }
    };

    (void) state;

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        translate_begin(&run, bodies[i].api, AI_BODY_JSON);
        translate_body(&run, bodies[i].body, strlen(bodies[i].body));

        assert_int_equal(run.rc, AI_DECLINED);
        assert_int_equal(run.len, 0);
    }
}


/* an error that came as a success, and what it says of its end */

static void
test_told(void **state)
{
    size_t  i;

    static const struct {
        ai_dialect_t  api;
        unsigned      from;
        unsigned      status;
        int           retry_ms;
        const char   *body;
    } told[] = {
        { AI_DIALECT_ANTHROPIC, 200, 200, -1, "{\"content\":[]}" },
        { AI_DIALECT_ANTHROPIC, 200, 529, -1, "{\"type\":\"error\",\"error\":"
          "{\"type\":\"overloaded_error\",\"message\":\"m\"}}" },
        { AI_DIALECT_ANTHROPIC, 529, 529, -1, "" },
        { AI_DIALECT_ANTHROPIC, 200, 500, -1, "{\"error\":{}}" },
        { AI_DIALECT_GEMINI, 200, 503, -1, "{\"error\":{\"code\":503}}" },
        { AI_DIALECT_GEMINI, 429, 429, 37000, "{\"error\":{\"code\":429,"
          "\"details\":[{\"retryDelay\":7},{\"retryDelay\":\"37s\"},"
          "{\"retryDelay\":\"1s\"}]}}" },
        { AI_DIALECT_GEMINI, 429, 429, 1250, "{\"error\":{\"code\":429,"
          "\"details\":[{\"retryDelay\":\"1.250000000s\"}]}}" },
        { AI_DIALECT_GEMINI, 429, 429, -1, "{\"error\":{\"details\":"
          "[{\"retryDelay\":\"s\"}]}}" },
        { AI_DIALECT_GEMINI, 429, 429, -1, "{\"error\":{\"details\":"
          "[{\"retryDelay\":\"-3s\"}]}}" },
        { AI_DIALECT_GEMINI, 429, 429, -1, "{\"error\":{\"details\":"
          "{\"retryDelay\":\"3s\"}}}" }
    };

    (void) state;

    for (i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        answer(told[i].api, told[i].from, told[i].body);
        assert_int_equal(run.told.status, told[i].status);
        assert_int_equal(run.told.retry_ms, told[i].retry_ms);
    }
}


/* an index of zero is left out; where there is none, places count */

static void
test_indexes(void **state)
{
    (void) state;

    answer(AI_DIALECT_GEMINI, 200,
           "{\"candidates\":[{\"index\":1},{},{\"index\":2}]}");
    assert_string_equal(member(choice(0), "index"), "1");
    assert_string_equal(member(choice(1), "index"), "0");
    assert_string_equal(member(choice(2), "index"), "2");

    answer(AI_DIALECT_GEMINI, 200, "{\"candidates\":[{},{}]}");
    assert_string_equal(member(choice(0), "index"), "0");
    assert_string_equal(member(choice(1), "index"), "1");
}


/* a character may be spread over two blocks or parts */

static void
test_halves(void **state)
{
    (void) state;

    answer(AI_DIALECT_ANTHROPIC, 200,
           "{\"content\":[{\"type\":\"text\",\"text\":\"a\\ud83d\"},"
           "{\"type\":\"thinking\"},{\"type\":\"text\",\"text\":\"\"},"
           "{\"type\":\"text\",\"text\":\"\\uDE00b\\ud83d\"}]}");
    assert_string_equal(member(message(0), "content"),
                        "\"a\\ud83d\\uDE00b\xef\xbf\xbd\"");

    answer(AI_DIALECT_GEMINI, 200,
           "{\"candidates\":[{\"content\":{\"parts\":["
           "{\"text\":\"\\ud83d\"},{\"text\":\"\\ud83d\"},"
           "{\"text\":\"\\ude00\\ude00\"}]}}]}");
    assert_string_equal(member(message(0), "content"),
                        "\"\xef\xbf\xbd\\ud83d\\ude00\xef\xbf\xbd\"");
}


/* text that is no text, ids and names that are none, members twice */

static void
test_hostile(void **state)
{
    char  *body;
    int    i;

    (void) state;

    answer(AI_DIALECT_ANTHROPIC, 200,
           "{\"id\":\"a\\\"b\",\"content\":[{\"type\":\"text\","
           "\"text\":\"\\ud83d\\ude00 \\ud83d \\ude00\\ud83dx \xff \xc3\"},"
           "7,null,[],\"text\",{\"type\":\"tool_use\",\"name\":\"\"},"
           "{\"type\":\"tool_use\",\"name\":5}],"
           "\"content\":[{\"type\":\"text\",\"text\":"
           "\"\\ud83d\\ude00 \\ud83d \\ude00\\ud83dx \xff \xc3\"}],"
           "\"model\":\"m\xfe\",\"stop_reason\":{}}");

    assert_string_equal(member(run.text, "id"), "\"chatcmpl-" UUID "\"");
    assert_string_equal(member(run.text, "model"), "\"m\xef\xbf\xbd\"");
    assert_string_equal(member(message(0), "content"),
                        "\"\\ud83d\\ude00 \xef\xbf\xbd \xef\xbf\xbd"
                        "\xef\xbf\xbdx \xef\xbf\xbd \xef\xbf\xbd\"");
    assert_null(naive_get(message(0), "tool_calls"));

    /* arguments as deep as JSON may be, and one level deeper */

    body = malloc(4096);

    for (i = 0; i < 2; i++) {
        sprintf(body, "{\"content\":[{\"type\":\"tool_use\",\"name\":\"f\","
                "\"input\":{\"a\":%.*s%.*s}}]}", 124 + i,
                "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                "[[[[[[[[[[[[[[[[", 124 + i,
                "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
                "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
                "]]]]]]]]]]]]]]]]");

        translate_begin(&run, AI_DIALECT_ANTHROPIC, AI_BODY_JSON);
        translate_body(&run, body, strlen(body));
        assert_int_equal(run.rc, i ? AI_DECLINED : AI_OK);
    }

    free(body);
}


/* many choices and calls out of few bytes */

static void
test_bounded(void **state)
{
    int          i, n;
    char        *body;
    const char  *p;

    (void) state;

    body = malloc(200000);

    strcpy(body, "{\"candidates\":[{}");

    for (i = 0; i < 20000; i++) {
        strcat(body + 3 * i, ",{}");
    }

    strcat(body, "]}");
    answer(AI_DIALECT_GEMINI, 200, body);

    for (n = 0, p = choice(0); p; p = naive_next(p)) {
        n++;
    }

    assert_int_equal(n, 128);

    strcpy(body, "{\"content\":[{}");

    for (i = 0; i < 2000; i++) {
        strcat(body, ",{\"type\":\"tool_use\",\"name\":\"f\"}");
    }

    strcat(body, "]}");
    answer(AI_DIALECT_ANTHROPIC, 200, body);

    for (n = 0, p = naive_first(naive_get(message(0), "tool_calls")); p;
         p = naive_next(p))
    {
        n++;
    }

    assert_int_equal(n, AI_TRANSLATE_TOOLS);

    free(body);
}


static void
test_out_fails(void **state)
{
    unsigned     i;
    const char  *body;

    (void) state;

    body = "{\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}";

    for (i = 1; i < 200; i++) {
        translate_begin(&run, AI_DIALECT_ANTHROPIC, AI_BODY_JSON);
        run.put_fails = i;
        translate_body(&run, body, strlen(body));

        if (run.rc == AI_OK) {
            break;
        }

        assert_int_equal(run.rc, AI_ERROR);
    }

    assert_in_range(i, 10, 60);
}


static void
test_fixtures(void **state)
{
    char         *manifest, *data, path[256], file[128], api[64], status[8];
    size_t        len;
    unsigned      seen;
    const char   *p;

    (void) state;

    manifest = naive_read(FIXTURES "manifest.json", &len);
    seen = 0;

    for (p = naive_first(naive_get(manifest, "fixtures")); p;
         p = naive_next(p))
    {
        naive_text(naive_get(p, "api"), api, sizeof(api));
        naive_text(naive_get(p, "file"), file, sizeof(file));
        naive_text(naive_get(p, "http_status"), status, sizeof(status));

        if (strstr(file, ".json") == NULL
            || (strcmp(api, "anthropic.messages")
                && strcmp(api, "gemini.generateContent")))
        {
            continue;
        }

        seen++;
        print_message("%s\n", file);

        snprintf(path, sizeof(path), FIXTURES "%s", file);
        data = naive_read(path, &len);

        answer(api[0] == 'a' ? AI_DIALECT_ANTHROPIC : AI_DIALECT_GEMINI,
               (unsigned) atoi(status), data);
        free(data);

        translate_expect(&run, p);
        assert_int_equal(run.again.failed, run.meter.failed);
    }

    assert_int_equal(seen, 4);
    free(manifest);
}


int
main(void)
{
    int                      rc;
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_message_tools),
        cmocka_unit_test(test_stop_reasons),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_finish_reasons),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_declined),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_indexes),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_out_fails),
        cmocka_unit_test(test_fixtures)
    };

    rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(run.text);

    return rc;
}
