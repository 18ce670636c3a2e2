
/*
 * Streams of Anthropic and Gemini as OpenAI's: chunk by chunk, and what a
 * meter of OpenAI's reads in them.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "translate_fixture.h"


#define UUID  "01932f6e-7c5a-7b3e-9d21-4f8a6b0c1d2e"

#define START                                                                \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"   \
    "{\"id\":\"msg_1\",\"model\":\"m\",\"usage\":{\"input_tokens\":5,"       \
    "\"cache_read_input_tokens\":20,\"output_tokens\":1}}}\n\n"
#define BLOCK(index, block)                                                  \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\","   \
    "\"index\":" index ",\"content_block\":" block "}\n\n"
#define DELTA(index, delta)                                                  \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","   \
    "\"index\":" index ",\"delta\":" delta "}\n\n"
#define STOP(index)                                                          \
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\","     \
    "\"index\":" index "}\n\n"
#define TEXT(index, text)                                                    \
    DELTA(index, "{\"type\":\"text_delta\",\"text\":\"" text "\"}")
#define JSON(index, text)                                                    \
    DELTA(index, "{\"type\":\"input_json_delta\",\"partial_json\":\""        \
                 text "\"}")
#define FINISH(reason)                                                       \
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":"     \
    "{\"stop_reason\":\"" reason "\"},\"usage\":{\"output_tokens\":9}}\n\n"
#define END                                                                  \
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

#define CHUNK(choice, delta, finish)                                         \
    "data: {\"id\":\"chatcmpl-msg_1\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":1795262400,\"model\":\"m\",\"system_fingerprint\":null,"    \
    "\"choices\":[{\"index\":" choice ",\"delta\":{" delta "},"              \
    "\"logprobs\":null,\"finish_reason\":" finish "}],\"usage\":null}\n\n"
#define ROLE(choice)                                                         \
    CHUNK(choice, "\"role\":\"assistant\",\"content\":null,"                 \
          "\"refusal\":null", "null")
#define CONTENT(text)  CHUNK("0", "\"content\":\"" text "\"", "null")
#define CALL(n, id, name, args)                                              \
    CHUNK("0", "\"tool_calls\":[{\"index\":" n ",\"id\":\"" id "\","         \
          "\"type\":\"function\",\"function\":{\"name\":\"" name "\","       \
          "\"arguments\":\"" args "\"}}]", "null")
#define MORE(n, args)                                                        \
    CHUNK("0", "\"tool_calls\":[{\"index\":" n ",\"function\":"              \
          "{\"arguments\":\"" args "\"}}]", "null")
#define LAST(reason)   CHUNK("0", "", "\"" reason "\"")
#define USAGE(in, out, total, read, reason)                                  \
    "data: {\"id\":\"chatcmpl-msg_1\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":1795262400,\"model\":\"m\",\"system_fingerprint\":null,"    \
    "\"choices\":[],\"usage\":{\"prompt_tokens\":" in ","                    \
    "\"completion_tokens\":" out ",\"total_tokens\":" total ","              \
    "\"prompt_tokens_details\":{\"cached_tokens\":" read ","                 \
    "\"cache_write_tokens\":0,\"audio_tokens\":0},"                          \
    "\"completion_tokens_details\":{\"reasoning_tokens\":" reason ","        \
    "\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"                   \
    "\"rejected_prediction_tokens\":0}}}\n\n"
#define DONE  "data: [DONE]\n\n"


static translate_run_t  run;


static void
stream(ai_dialect_t api, const char *data, const char *expected)
{
    unsigned  done;

    translate_begin(&run, api, AI_BODY_SSE);
    translate_stream(&run, data, strlen(data), 1);

    assert_int_equal(run.rc, AI_OK);
    assert_string_equal(run.text, expected);
    assert_true(translate_is_stream(run.text, run.len, &done));
}


static void
test_message(void **state)
{
    (void) state;

    stream(AI_DIALECT_ANTHROPIC,
           START
           BLOCK("0", "{\"type\":\"thinking\",\"thinking\":\"\"}")
           DELTA("0", "{\"type\":\"thinking_delta\",\"thinking\":\"hmm\"}")
           STOP("0")
           "event: ping\ndata: {\"type\": \"ping\"}\n\n"
           BLOCK("1", "{\"type\":\"text\",\"text\":\"\"}")
           TEXT("1", "Bon") TEXT("1", "") TEXT("1", "jour\\n") STOP("1")
           FINISH("end_turn") END TEXT("1", "more"),
           ROLE("0") CONTENT("Bon") CONTENT("jour\\n") LAST("stop")
           USAGE("25", "9", "34", "20", "0") DONE);

    assert_true(translate_is_equal(&run));
    assert_int_equal(run.declined, 0);
}


static void
test_message_tools(void **state)
{
    (void) state;

    stream(AI_DIALECT_ANTHROPIC,
           START
           BLOCK("0", "{\"type\":\"server_tool_use\",\"id\":\"s\","
                      "\"name\":\"search\",\"input\":{}}")
           JSON("0", "{\\\"q\\\":1}") STOP("0")
           BLOCK("1", "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\","
                      "\"input\":{ }}")
           JSON("1", "") JSON("1", "{\\\"a\\\":") JSON("1", "1}") STOP("1")
           BLOCK("2", "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\","
                      "\"input\":{}}")
           JSON("2", "") STOP("2")
           BLOCK("3", "{\"type\":\"tool_use\",\"id\":\"t3\",\"name\":\"h\","
                      "\"input\":{\"x\": [2]}}")
           JSON("3", "{\\\"x\\\":[2]}") STOP("3")
           BLOCK("4", "{\"type\":\"tool_use\",\"name\":\"i\"}")
           FINISH("tool_use") END,
           ROLE("0") CALL("0", "t1", "f", "") MORE("0", "{\\\"a\\\":")
           MORE("0", "1}") CALL("1", "t2", "g", "") MORE("1", "{}")
           CALL("2", "t3", "h", "{\\\"x\\\":[2]}")
           CALL("3", "call_01932f6e7c5a7b3e9d214f8a6b0c1d2e3", "i", "")
           MORE("3", "{}") LAST("tool_calls")
           USAGE("25", "9", "34", "20", "0") DONE);
}


/* blocks that run side by side, and one of a number too large */

static void
test_message_blocks(void **state)
{
    (void) state;

    stream(AI_DIALECT_ANTHROPIC,
           START
           BLOCK("7", "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\"}")
           BLOCK("3", "{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"g\"}")
           BLOCK("4294967296",
                 "{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"h\"}")
           JSON("7", "1") JSON("3", "2") JSON("4294967303", "9")
           TEXT("3", "x") JSON("7", "3") FINISH("max_tokens") END,
           ROLE("0") CALL("0", "a", "f", "") CALL("1", "b", "g", "")
           MORE("0", "1") MORE("1", "2") CONTENT("x") MORE("0", "3")
           LAST("length") USAGE("25", "9", "34", "20", "0") DONE);

    assert_int_equal(run.declined, 1);
}


static void
test_usage_not_asked(void **state)
{
    const char  *data;

    (void) state;

    data = START TEXT("0", "a") FINISH("end_turn") END;

    translate_begin(&run, AI_DIALECT_ANTHROPIC, AI_BODY_SSE);
    run.from.usage = 0;
    translate_stream(&run, data, strlen(data), 1);

    assert_null(strstr(run.text, "usage"));
    assert_non_null(strstr(run.text, "\"stop\"}]}\n\n" DONE));

    /* asked for, but nobody knows */

    stream(AI_DIALECT_ANTHROPIC, "data: {\"type\":\"message_start\","
           "\"message\":{\"id\":\"msg_1\",\"model\":\"m\"}}\n\n" END,
           ROLE("0") LAST("stop") DONE);
}


/* what was cut has neither a reason nor an end */

static void
test_cut(void **state)
{
    (void) state;

    stream(AI_DIALECT_ANTHROPIC, START TEXT("0", "a"),
           ROLE("0") CONTENT("a"));
    stream(AI_DIALECT_ANTHROPIC, START TEXT("0", "a") FINISH("end_turn"),
           ROLE("0") CONTENT("a") LAST("stop"));
    stream(AI_DIALECT_ANTHROPIC, "", "");
    stream(AI_DIALECT_ANTHROPIC, ": nothing\n\n", "");
}


static void
test_errors(void **state)
{
    (void) state;

    stream(AI_DIALECT_ANTHROPIC,
           START TEXT("0", "a")
           "event: error\ndata: {\"type\":\"error\",\"error\":"
           "{\"type\":\"overloaded_error\",\"message\":\"Over\\\"loaded\"}}"
           "\n\n" TEXT("0", "b") END,
           ROLE("0") CONTENT("a")
           "data: {\"error\":{\"message\":\"Over\\\"loaded\",\"type\":"
           "\"service_unavailable_error\",\"param\":null,\"code\":"
           "\"server_is_overloaded\"}}\n\n");

    assert_int_equal(run.again.failed, 1);
    assert_int_equal(run.again.complete, 0);

    stream(AI_DIALECT_GEMINI,
           "data: {\"error\":{\"code\":429,\"message\":\"q\","
           "\"status\":\"RESOURCE_EXHAUSTED\"}}\r\n\r\n",
           "data: {\"error\":{\"message\":\"q\",\"type\":"
           "\"rate_limit_error\",\"param\":null,\"code\":"
           "\"rate_limit_exceeded\"}}\n\n");

    stream(AI_DIALECT_GEMINI,
           "data: [{\"error\":{\"code\":500,\"message\":\"in\"}}]\n\n",
           "data: {\"error\":{\"message\":\"in\",\"type\":"
           "\"server_error\",\"param\":null,\"code\":null}}\n\n");
}


#define GEMINI(candidates, more)                                             \
    "data: {\"responseId\":\"msg_1\",\"modelVersion\":\"m\","                \
    "\"candidates\":[" candidates "]" more "}\r\n\r\n"

static void
test_candidates(void **state)
{
    (void) state;

    stream(AI_DIALECT_GEMINI,
           GEMINI("{\"content\":{\"parts\":[{\"text\":\"no\","
                  "\"thought\":true}]}}", "")
           GEMINI("{\"content\":{\"parts\":[{\"text\":\"a\"},"
                  "{\"text\":\"b\"}]}}",
                  ",\"usageMetadata\":{\"promptTokenCount\":3,"
                  "\"totalTokenCount\":3}")
           GEMINI("{\"content\":{\"parts\":[{\"functionCall\":{\"name\":"
                  "\"f\",\"id\":\"t1\",\"args\":{\"x\":\"\\u00e9\"}}},"
                  "{\"functionCall\":{\"name\":\"g\"}}]}}", "")
           GEMINI("{\"content\":{\"parts\":[{\"functionCall\":{\"name\":"
                  "\"h\",\"id\":\"t3\"}}],\"role\":\"model\"},\"finishReason\":\"STOP\"}",
                  ",\"usageMetadata\":{\"promptTokenCount\":3,"
                  "\"candidatesTokenCount\":2,\"thoughtsTokenCount\":4,"
                  "\"totalTokenCount\":9}"),
           ROLE("0") CONTENT("ab")
           CHUNK("0", "\"tool_calls\":[{\"index\":0,\"id\":\"t1\","
                 "\"type\":\"function\",\"function\":{\"name\":\"f\","
                 "\"arguments\":\"{\\\"x\\\":\\\"\\\\u00e9\\\"}\"}},"
                 "{\"index\":1,\"id\":\"call_01932f6e7c5a7b3e9d214f8a6b0c1d2e"
                 "1\",\"type\":\"function\",\"function\":{\"name\":\"g\","
                 "\"arguments\":\"{}\"}}]", "null")
           CALL("2", "t3", "h", "{}") LAST("tool_calls")
           USAGE("3", "6", "9", "0", "4") DONE);

    assert_true(translate_is_equal(&run));
}


static void
test_candidates_many(void **state)
{
    (void) state;

    stream(AI_DIALECT_GEMINI,
           GEMINI("{\"index\":1,\"content\":{\"parts\":[{\"text\":\"b\"}]}},"
                  "{\"index\":8,\"content\":{\"parts\":[{\"text\":\"z\"}]}},"
                  "{\"index\":0,\"finishReason\":\"SAFETY\"}", "")
           GEMINI("{\"index\":1,\"finishReason\":\"MAX_TOKENS\"}", ""),
           ROLE("1") CHUNK("1", "\"content\":\"b\"", "null") ROLE("0")
           LAST("content_filter") CHUNK("1", "", "\"length\"") DONE);

    /* an index of zero is left out */

    stream(AI_DIALECT_GEMINI,
           GEMINI("{\"index\":1,\"content\":{\"parts\":[{\"text\":\"b\"}]}},"
                  "{\"content\":{\"parts\":[{\"text\":\"a\"}]}}", ""),
           ROLE("1") CHUNK("1", "\"content\":\"b\"", "null") ROLE("0")
           CONTENT("a"));

    /* some models end each event */

    stream(AI_DIALECT_GEMINI,
           GEMINI("{\"content\":{\"parts\":[{\"text\":\"a\"}]},"
                  "\"finishReason\":\"STOP\"}", "")
           GEMINI("{\"content\":{\"parts\":[{\"text\":\"b\"}]},"
                  "\"finishReason\":\"MAX_TOKENS\"}", ""),
           ROLE("0") CONTENT("a") CONTENT("b") LAST("length") DONE);

    stream(AI_DIALECT_GEMINI,
           GEMINI("{\"content\":{\"parts\":[{\"text\":\"a\"}]},"
                  "\"finishReason\":\"STOP\"}", "")
           GEMINI("{\"content\":{\"parts\":[{\"functionCall\":"
                  "{\"name\":\"f\",\"id\":\"t\"}}]},"
                  "\"finishReason\":\"STOP\"}", ""),
           ROLE("0") CONTENT("a") CALL("0", "t", "f", "{}")
           LAST("tool_calls") DONE);

    stream(AI_DIALECT_GEMINI,
           "data: {\"responseId\":\"msg_1\",\"modelVersion\":\"m\","
           "\"promptFeedback\":{\"blockReason\":\"OTHER\"},"
           "\"usageMetadata\":{\"promptTokenCount\":5}}\n\n",
           ROLE("0") LAST("content_filter")
           USAGE("5", "0", "5", "0", "0") DONE);

    stream(AI_DIALECT_GEMINI, GEMINI("{\"content\":{\"parts\":[{\"text\":"
           "\"a\"}]}}", ""), ROLE("0") CONTENT("a"));
}


/* a character may be spread over two events */

static void
test_halves(void **state)
{
    (void) state;

    stream(AI_DIALECT_ANTHROPIC,
           START TEXT("0", "a\\ud83d") TEXT("0", "") TEXT("0", "\\ude00")
           BLOCK("1", "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\"}")
           JSON("1", "{\\\"a\\\":\\\"\\ud83d")
           JSON("1", "\\ude00\\\"}\\ud83d") STOP("1")
           TEXT("0", "\\uD83D") FINISH("tool_use") END,
           ROLE("0") CONTENT("a") CONTENT("\\ud83d\\ude00")
           CALL("0", "t1", "f", "") MORE("0", "{\\\"a\\\":\\\"")
           MORE("0", "\\ud83d\\ude00\\\"}") MORE("0", "\xef\xbf\xbd")
           CONTENT("") CONTENT("\xef\xbf\xbd") LAST("tool_calls")
           USAGE("25", "9", "34", "20", "0") DONE);

    stream(AI_DIALECT_GEMINI,
           GEMINI("{\"content\":{\"parts\":[{\"text\":\"\\ud83d\"}]}}", "")
           GEMINI("{\"content\":{\"parts\":[{\"text\":\"\\ude00\"}]},"
                  "\"finishReason\":\"STOP\"}", ""),
           ROLE("0") CONTENT("") CONTENT("\\ud83d\\ude00") LAST("stop")
           DONE);
}


static void
test_declined(void **state)
{
    (void) state;

    stream(AI_DIALECT_ANTHROPIC,
           "data: [DONE]\n\ndata: {\n\ndata: 7\n\ndata: {}\n\n"
           "data: {\"type\":\"content_block\"}\n\n"
           "event: new\ndata: {\"a\":1}\n\ndata:\n\n", "");
    assert_int_equal(run.declined, 7);

    stream(AI_DIALECT_GEMINI,
           "data: [{\"candidates\":[]}]\n\ndata: {\"x\":1}\n\n", "");
    assert_int_equal(run.declined, 2);

    /* a name in place of a type, and an unknown start */

    stream(AI_DIALECT_ANTHROPIC,
           "event: message_start\ndata: {\"message\":{\"id\":\"msg_1\","
           "\"model\":\"m\"}}\n\n" END, ROLE("0") LAST("stop") DONE);

    translate_begin(&run, AI_DIALECT_ANTHROPIC, AI_BODY_SSE);
    translate_stream(&run, TEXT("0", "a"), strlen(TEXT("0", "a")), 1);
    assert_non_null(strstr(run.text, "\"id\":\"chatcmpl-" UUID "\""));
    assert_non_null(strstr(run.text, "\"model\":\"the-target\""));
}


static void
test_many_calls(void **state)
{
    int     i;
    char   *data, block[256];
    size_t  len;

    (void) state;

    data = calloc(1, 100000);
    len = 0;

    for (i = 0; i < 300; i++) {
        len += (size_t) sprintf(data + len,
            "data: {\"type\":\"content_block_start\",\"index\":%d,"
            "\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\"}}\n\n",
            i);
    }

    translate_begin(&run, AI_DIALECT_ANTHROPIC, AI_BODY_SSE);
    translate_stream(&run, data, len, 1);
    assert_int_equal(run.declined, 300 - AI_TRANSLATE_TOOLS);

    len = (size_t) sprintf(data, "data: {\"candidates\":[{\"content\":"
                           "{\"parts\":[{}");

    for (i = 0; i < 300; i++) {
        len += (size_t) sprintf(data + len,
                                ",{\"functionCall\":{\"name\":\"f\"}}");
    }

    sprintf(data + len, "]}}]}\n\n");

    translate_begin(&run, AI_DIALECT_GEMINI, AI_BODY_SSE);
    translate_stream(&run, data, strlen(data), 1);

    snprintf(block, sizeof(block), "\"index\":%d,\"id\"",
             AI_TRANSLATE_TOOLS - 1);
    assert_non_null(strstr(run.text, block));
    assert_null(strstr(run.text, "\"index\":128"));

    free(data);
}


static void
test_fixtures(void **state)
{
    char        *manifest, *data, path[256], file[128], api[64], whole[8];
    size_t       len;
    unsigned     seen, done;
    const char  *p;

    (void) state;

    manifest = naive_read(FIXTURES "manifest.json", &len);
    seen = 0;

    for (p = naive_first(naive_get(manifest, "fixtures")); p;
         p = naive_next(p))
    {
        naive_text(naive_get(p, "api"), api, sizeof(api));
        naive_text(naive_get(p, "file"), file, sizeof(file));

        if (strstr(file, ".sse") == NULL
            || (strcmp(api, "anthropic.messages")
                && strcmp(api, "gemini.streamGenerateContent")))
        {
            continue;
        }

        seen++;
        print_message("%s\n", file);

        snprintf(path, sizeof(path), FIXTURES "%s", file);
        data = naive_read(path, &len);

        translate_begin(&run, api[0] == 'a' ? AI_DIALECT_ANTHROPIC
                                            : AI_DIALECT_GEMINI,
                        AI_BODY_SSE);
        translate_stream(&run, data, len, 1);
        free(data);

        assert_true(translate_is_stream(run.text, run.len, &done));

        translate_expect(&run, p);

        naive_text(naive_get(naive_get(p, "expected"), "stream_complete"),
                   whole, sizeof(whole));
        assert_string_equal(done ? "true" : "false", whole);
        assert_int_equal(run.again.complete, done);
    }

    assert_int_equal(seen, 5);
    free(manifest);
}


int
main(void)
{
    int                      rc;
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_message_tools),
        cmocka_unit_test(test_message_blocks),
        cmocka_unit_test(test_usage_not_asked),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_candidates_many),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_declined),
        cmocka_unit_test(test_many_calls),
        cmocka_unit_test(test_fixtures)
    };

    rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(run.text);

    return rc;
}
