
/*
 * Answers that mislead simple meters, one trap each, fed whole and byte by
 * byte.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "meter_run.h"


#define OPENAI     AI_DIALECT_OPENAI
#define ANTHROPIC  AI_DIALECT_ANTHROPIC
#define GEMINI     AI_DIALECT_GEMINI

/* among what is expected: the body was not whole */
#define CUT        "cut"

typedef struct {
    const char     *name;
    const char     *input;
    const char     *expect[8];  /* each must stand in the run's text */
} trap_t;


static void
trap_feed(meter_run_t *run, const trap_t *t, size_t piece)
{
    size_t    at, n, len, i;
    unsigned  whole;

    len = strlen(t->input);
    whole = 1;

    for (i = 0; i < 8 && t->expect[i]; i++) {
        whole &= (strcmp(t->expect[i], CUT) != 0);
    }

    for (at = 0; at < len; at += n) {
        n = piece < len - at ? piece : len - at;
        meter_run_feed(run, t->input + at, n);
    }

    meter_run_end(run, whole);
}


static void
traps_run(const trap_t *t, ai_dialect_t dialect, ai_endpoint_t ep,
    ai_body_t body)
{
    size_t       i, piece;
    char         once[4096], padded[4100], want[256];
    meter_run_t  run;

    static const size_t  pieces[] = { 1 << 20, 1, 2, 3, 7 };

    for ( /* void */ ; t->name; t++) {

        for (piece = 0; piece < sizeof(pieces) / sizeof(size_t); piece++) {
            meter_run_begin(&run, dialect, ep, body);
            trap_feed(&run, t, pieces[piece]);

            if (piece == 0) {
                strcpy(once, run.text);
            }

            assert_string_equal(run.text, once);
        }

        snprintf(padded, sizeof(padded), " %s ", once);

        for (i = 0; i < 8 && t->expect[i]; i++) {
            snprintf(want, sizeof(want), " %s ", t->expect[i]);

            if (strcmp(t->expect[i], CUT) && strstr(padded, want) == NULL) {
                fail_msg("%s: no \"%s\" in \"%s\"", t->name, t->expect[i],
                         once);
            }
        }
    }
}


#define USAGE(p, o)  "\"usage\":{\"prompt_tokens\":" p                        \
                     ",\"completion_tokens\":" o "}"
#define CHOICE       "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]"
#define FINISH       "\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]"
#define DATA(s)      "data: {" s "}\n\n"
#define DONE         "data: [DONE]\n\n"


static void
test_chat_stream(void **state)
{
    static const trap_t  traps[] = {
        { "no blank line at the end",
          DATA(CHOICE) "data: {\"choices\":[]," USAGE("3", "4") "}",
          { "in=3", "out=4", "source=final", "complete=0" } },

        { "[DONE] without a line end",
          DATA("\"choices\":[]," USAGE("3", "4")) "data: [DONE]",
          { "complete=1", "in=3" } },

        { "cut in the middle of the usage object",
          DATA(CHOICE) "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3",
          { "seen=0", "source=none", "bytes=1", "odd=0", CUT } },

        { "CRLF, a comment in the event, no space, event names, ids",
          "event: x\r\n: c\r\ndata:{" CHOICE "}\r\nid: 1\r\nretry: 3\r\n\r\n"
          "data:{\"choices\":[]," USAGE("3", "4") "}\r\n\r\n"
          "data: [DONE]\r\n\r\n",
          { "in=3", "out=4", "bytes=1", "drops=1", "complete=1" } },

        { "BOM",
          "\xef\xbb\xbf" DATA("\"choices\":[]," USAGE("3", "4")) DONE,
          { "in=3", "out=4", "complete=1" } },

        { "several data lines",
          "data: {\"choices\":\ndata: [],\ndata: \"usage\":{\"prompt_tokens\""
          "\ndata: :3}}\ndata\n\n" DONE,
          { "in=3", "drops=1", "complete=1" } },

        { "a line end inside of a string is no JSON",
          "data: {" USAGE("3", "4") ",\"a\":\"\ndata: \"}\n\n"
          DATA(USAGE("5", "6")) DONE,
          { "in=5", "out=6", "odd=1" } },

        { "comments and empty blocks",
          ": OPENROUTER PROCESSING\n\n\n\n: x\n\nevent: ping\n\n"
          DATA(CHOICE "," USAGE("3", "4")) DONE,
          { "in=3", "bytes=1", "drops=0" } },

        { "usage in tool arguments and in text is text",
          DATA("\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{\\\""
               "prompt_tokens\\\":9}\",\"tool_calls\":[{\"function\":{"
               "\"name\":\"f\",\"arguments\":\"{\\\"usage\\\":{}}\"}}]}}]")
          DATA("\"choices\":[{\"delta\":{\"usage\":{\"prompt_tokens\":7}}}]")
          DONE,
          { "seen=0", "source=none", "bytes=39", "chars=27" } },

        { "keys that are escaped",
          DATA("\"us\\u0061ge\":{\"prompt\\u005ftokens\":3}") DONE,
          { "in=3" } },

        { "null after usage, usage twice",
          DATA(USAGE("1", "1") "," USAGE("3", "4"))
          DATA("\"usage\":null") DONE,
          { "in=3", "out=4" } },

        { "an object without counts says nothing",
          DATA(USAGE("3", "4"))
          DATA("\"usage\":{}") DATA("\"usage\":{\"queue_time\":0.1}")
          DATA("\"usage\":[7]") DATA("\"usage\":\"no\"") DONE,
          { "in=3", "out=4" } },

        { "zero usage in every chunk, the true one at the end",
          DATA(CHOICE "," USAGE("0", "0")) DATA(CHOICE "," USAGE("0", "0"))
          DATA(FINISH "," USAGE("3", "4")) DONE,
          { "in=3", "out=4", "source=final", "drops=0" } },

        { "x_groq and usage, in any order",
          DATA(USAGE("3", "4") ",\"x_groq\":{" USAGE("1", "2") "}") DONE,
          { "in=3", "out=4" } },

        { "x_groq alone",
          DATA("\"x_groq\":{" USAGE("1", "2") "},\"usage\":null") DONE,
          { "in=1", "out=2" } },

        { "choices[0].usage, then the same at the top",
          DATA("\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\","
               USAGE("1", "2") "}]")
          DATA("\"choices\":[]," USAGE("3", "4")) DONE,
          { "in=3", "out=4", "drops=1" } },

        { "choices[0].usage alone",
          DATA("\"choices\":[{" USAGE("1", "2") "},{" USAGE("8", "9") "}]")
          DONE, { "in=1", "out=2" } },

        { "numbers in other clothes",
          DATA("\"usage\":{\"prompt_tokens\":1e3,\"completion_tokens\":26.0,"
               "\"total_tokens\":\"1026\"}") DONE,
          { "in=1000", "out=26", "odd=0" } },

        { "absurd numbers",
          DATA("\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":4,"
               "\"total_tokens\":9223372036854775808,\"prompt_tokens_details\""
               ":{\"cached_tokens\":1.5,\"audio_tokens\":\"x\"}}") DONE,
          { "in=0", "out=4", "odd=1", "source=final" } },

        { "nothing but absurd numbers",
          DATA(USAGE("3", "4"))
          DATA("\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1e999,"
               "\"total_tokens\":true}") DONE,
          { "in=3", "out=4", "odd=1" } },

        { "above 2^40",
          DATA(USAGE("1099511627777", "1099511627776")) DONE,
          { "in=0", "out=1099511627776", "odd=1" } },

        { "NaN is no JSON: the event is void",
          DATA("\"logprob\":NaN," USAGE("9", "9")) DATA(USAGE("3", "4")) DONE,
          { "in=3", "odd=1" } },

        { "an empty choices without usage is not dropped",
          DATA("\"choices\":[],\"usage\":null") DATA("\"choices\":[]") DONE,
          { "drops=0" } },

        { "a usage chunk with an error is not dropped",
          DATA("\"choices\":[]," USAGE("1", "2") ",\"error\":{\"code\":\"c\"}")
          DONE, { "drops=0", "failed=1", "error=c", "complete=0" } },

        { "text behind [DONE]",
          DATA(CHOICE) DONE DATA(CHOICE "," USAGE("3", "4")),
          { "bytes=1", "seen=0", "complete=1" } },

        { "[DONE] in text, and nearly [DONE]",
          "data: \"[DONE]\"\n\ndata: [DONE\n\ndata: [DONE]x\n\n" DATA(CHOICE),
          { "complete=0", "bytes=1" } },

        { "an error as a string, or flat",
          DATA("\"error\":\"overloaded\"") DONE,
          { "failed=1", "error=overloaded", "complete=0" } },

        { "a flat error",
          DATA("\"object\":\"error\",\"message\":\"m\",\"type\":\"Bad\","
               "\"code\":400") DONE,
          { "failed=1", "error=Bad", "complete=0" } },

        { "error null or empty, type and code of other things",
          DATA("\"error\":\"\"")
          DATA("\"error\":null,\"type\":\"x\",\"code\":\"y\"") DONE,
          { "failed=0", "error=", "complete=1" } },

        { "code null, number and type",
          DATA("\"code\":\"z\",\"error\":{\"message\":\"m\",\"type\":\"t\","
               "\"code\":null}"),
          { "failed=1", "error=t" } },

        { "usage of a failed stream is partial",
          DATA(CHOICE "," USAGE("3", "4")) DATA("\"error\":{\"code\":500}")
          DONE,
          { "source=partial", "error=500", "in=3" } },

        { "continuous usage, cut",
          DATA(CHOICE "," USAGE("3", "4")),
          { "source=partial", "complete=0", CUT } },

        { "reasoning twice under two names is counted once",
          DATA("\"choices\":[{\"delta\":{\"reasoning_content\":\"abc\","
               "\"reasoning\":\"abc\"}}]")
          DATA("\"choices\":[{\"delta\":{\"reasoning\":\"d\"}}]"),
          { "hidden=4", "bytes=0", "chars=0" } },

        { "content in parts, thinking among them",
          DATA("\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\","
               "\"thinking\":[{\"type\":\"text\",\"text\":\"hmm\"}]},{"
               "\"type\":\"text\",\"text\":\"ok\"}]}}]"),
          { "bytes=2", "chars=2" } },

        { "the same text in text and in delta",
          DATA("\"choices\":[{\"text\":\"ab\",\"delta\":{\"content\":"
               "\"ab\"}}]"),
          { "bytes=2", "chars=2" } },

        { "surrogates: a pair, halves, other escapes",
          DATA("\"choices\":[{\"delta\":{\"content\":\"\\ud83d\\ude00\"}}]")
          DATA("\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"}}]")
          DATA("\"choices\":[{\"delta\":{\"content\":\"\\ude00\\n\\/\"}}]"),
          { "bytes=12", "chars=5" } },

        { "finish reasons by index, twice, out of order",
          DATA("\"choices\":[{\"finish_reason\":\"length\",\"index\":2},"
               "{\"index\":0,\"finish_reason\":\"stop\"}]")
          DATA("\"choices\":[{\"index\":1,\"finish_reason\":\"tool_calls\"}]")
          DATA("\"choices\":[{\"index\":2,\"finish_reason\":\"stop\"}]")
          DATA("\"choices\":[{\"index\":2,\"finish_reason\":null}]"),
          { "finish=stop,tool_calls,stop" } },

        { "more choices than have room",
          DATA("\"choices\":[{\"finish_reason\":\"a\"},{\"finish_reason\":"
               "\"b\"},{\"finish_reason\":\"c\"},{\"finish_reason\":\"d\"},"
               "{\"finish_reason\":\"e\"},{\"finish_reason\":\"f\"},"
               "{\"finish_reason\":\"g\"},{\"finish_reason\":\"h\"},"
               "{\"finish_reason\":\"i\"}]"),
          { "finish=a,b,c,d,e,f,g,h" } },

        { "an empty model does not hide the former one, nested ones neither",
          DATA("\"model\":\"m-1\"") DATA("\"model\":\"\"")
          DATA("\"moderation\":{\"model\":\"omni\"}"),
          { "model=m-1" } },

        { "charges of the provider",
          DATA("\"usage\":{\"prompt_tokens\":1,\"cost\":5.8e-6}"),
          { "nanos=5800" } },

        { "a charge of nothing, a negative one",
          DATA("\"usage\":{\"prompt_tokens\":1,\"cost\":0}")
          DATA("\"usage\":{\"cost\":-5}"),
          { "nanos=0", "odd=1", "in=1" } },

        { "a charge that rounds up, as an object",
          DATA("\"usage\":{\"prompt_tokens\":1,\"cost\":{\"total_cost\":"
               "0.00000000051}}"),
          { "nanos=1", "odd=0" } },

        { "ticks",
          DATA("\"usage\":{\"prompt_tokens\":1,\"cost_in_usd_ticks\":15}"),
          { "nanos=2" } },

        { "top types that are not objects",
          "data: 12\n\ndata: null\n\ndata:\n\ndata: {} {}\n\n"
          DATA(USAGE("3", "4")),
          { "in=3", "odd=1" } },

        { NULL, NULL, { NULL } }
    };

    (void) state;

    traps_run(traps, OPENAI, AI_EP_CHAT, AI_BODY_SSE);
}


#define CHAT(s)  "{\"choices\":[{\"message\":{\"content\":\"x\"}}]," s "}"

static void
test_chat_body(void **state)
{
    static const trap_t  traps[] = {
        { "cut before the end",
          "{" USAGE("3", "4") ",\"choices\":[{\"message\":{\"content\":\"abc",
          { "in=3", "source=partial", "complete=0", "bytes=3", CUT } },

        { "cut in the middle of the usage",
          "{\"choices\":[{\"message\":{\"content\":\"abc\"}}],\"usage\":{"
          "\"prompt_tokens\":3,\"comp",
          { "seen=0", "source=none", "bytes=3", CUT } },

        { "HTML", "<html>" CHAT(USAGE("3", "4")),
          { "broken=1", "seen=0", "complete=0" } },

        { "more than one value", CHAT(USAGE("3", "4")) "{}",
          { "broken=1", "complete=0", "source=partial" } },

        { "white space around", "\r\n \n" CHAT(USAGE("3", "4")) "\n\r\n",
          { "in=3", "complete=1", "source=final", "broken=0" } },

        { "200 with an error", "{\"error\":{\"code\":429,\"message\":\"m\"}}",
          { "failed=1", "error=429", "complete=1", "source=none" } },

        { "cached beside the prompt",
          CHAT("\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1,"
               "\"prompt_cache_hit_tokens\":10}"),
          { "in=15", "read=10", "input:5" } },

        { "cached_tokens at the top, zero in the details",
          CHAT("\"usage\":{\"prompt_tokens\":15,\"completion_tokens\":1,"
               "\"cached_tokens\":10,\"prompt_tokens_details\":{"
               "\"cached_tokens\":0}}"),
          { "in=15", "read=10", "input:5" } },

        { "reasoning outside of the completion",
          CHAT("\"usage\":{\"prompt_tokens\":35,\"completion_tokens\":12,"
               "\"total_tokens\":109}"),
          { "out=74", "reason=62" } },

        { "reasoning above the completion",
          CHAT("\"usage\":{\"prompt_tokens\":35,\"completion_tokens\":10,"
               "\"completion_tokens_details\":{\"reasoning_tokens\":11}}"),
          { "out=10", "reason=10" } },

        { "audio above what is left",
          CHAT("\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3,"
               "\"prompt_tokens_details\":{\"cached_tokens\":8,"
               "\"audio_tokens\":5},\"completion_tokens_details\":{"
               "\"audio_tokens\":9}}"),
          { "input_audio:2", "output_audio:3", "cache_read:8", "in=10" } },

        { "writes by lifetime above all writes",
          CHAT("\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3,"
               "\"prompt_tokens_details\":{\"cache_write_tokens\":4,"
               "\"cache_write_tokens_details\":{\"ttl_30m_tokens\":3,"
               "\"ttl_12h_tokens\":5}}}"),
          { "cache_write_30m:3", "cache_write_12h:1", "input:6", "odd=1" } },

        { "input_tokens beside prompt_tokens",
          CHAT("\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3,"
               "\"input_tokens\":0,\"output_tokens\":0,"
               "\"input_tokens_details\":null}"),
          { "in=10", "out=3" } },

        { NULL, NULL, { NULL } }
    };

    (void) state;

    traps_run(traps, OPENAI, AI_EP_CHAT, AI_BODY_JSON);
}


#define TYPED(type, s)  "event: " type "\ndata: {\"type\":\"" type "\"" s      \
                        "}\n\n"

static void
test_responses(void **state)
{
    static const trap_t  events[] = {
        { "type behind the delta; arguments; reasoning; text three times",
          "data: {\"delta\":\"ab\",\"type\":\"response.output_text.delta\"}\n\n"
          TYPED("response.function_call_arguments.delta",
                ",\"delta\":\"{}\"")
          TYPED("response.reasoning_text.delta", ",\"delta\":\"hmm\"")
          TYPED("response.audio.delta", ",\"delta\":\"AAAA\"")
          TYPED("response.output_text.done", ",\"text\":\"ab\""),
          { "bytes=4", "chars=2", "hidden=3" } },

        { "incomplete, the reason before the status",
          TYPED("response.incomplete",
                ",\"response\":{\"incomplete_details\":{\"reason\":"
                "\"max_output_tokens\"},\"status\":\"incomplete\",\"usage\":{"
                "\"input_tokens\":3,\"output_tokens\":4}}"),
          { "finish=incomplete:max_output_tokens", "complete=1",
            "source=final", "in=3", "out=4" } },

        { "failed, with usage",
          TYPED("response.failed",
                ",\"response\":{\"status\":\"failed\",\"error\":{\"code\":"
                "\"server_error\"},\"usage\":{\"input_tokens\":3}}"),
          { "finish=failed", "complete=1", "failed=1", "error=server_error",
            "source=final" } },

        { "cut before the end",
          TYPED("response.in_progress",
                ",\"response\":{\"status\":\"in_progress\",\"usage\":null}")
          TYPED("response.output_text.delta", ",\"delta\":\"ab\""),
          { "finish=", "complete=0", "source=none", "bytes=2", CUT } },

        { "[DONE] is no end here",
          TYPED("response.output_text.delta", ",\"delta\":\"ab\"") DONE,
          { "complete=0", "source=none" } },

        { NULL, NULL, { NULL } }
    };

    static const trap_t  bodies[] = {
        { "the image tool without a model, numbers before the tools",
          "{\"tool_usage\":{\"image_gen\":{\"input_tokens\":9,"
          "\"input_tokens_details\":{\"image_tokens\":4},\"output_tokens\":7,"
          "\"output_tokens_details\":{\"text_tokens\":2}}},\"tools\":[{\"type\""
          ":\"image_generation\"},{\"type\":\"function\",\"model\":\"no\"}],"
          "\"status\":\"completed\"}",
          { "sub(image_generation gpt-image-2 input:5 input_image:4 output:2 "
            "output_image:5)", "finish=completed", "complete=1" } },

        { "the image tool's model",
          "{\"tools\":[{\"model\":\"gpt-image-9\",\"type\":"
          "\"image_generation\"}],\"tool_usage\":{\"image_gen\":{"
          "\"output_tokens\":7}}}",
          { "sub(image_generation gpt-image-9 output_image:7)" } },

        { "reasoning among the output, tool arguments, cut in a part",
          "{\"output\":[{\"type\":\"reasoning\",\"content\":[{\"type\":"
          "\"reasoning_text\",\"text\":\"hmm\"}]},{\"arguments\":\"{}\"},"
          "{\"content\":[{\"text\":\"ab\",\"type\":\"output_text\"},"
          "{\"type\":\"output_text\",\"text\":\"c",
          { "bytes=5", "chars=3", "hidden=3", CUT } },

        { "an image tool that was not used",
          "{\"tools\":[{\"type\":\"image_generation\"}],\"tool_usage\":{"
          "\"image_gen\":{\"input_tokens\":0},\"web_search\":{"
          "\"num_requests\":2}},\"usage\":{\"input_tokens\":1}}",
          { "web_searches:2000000", "in=1", "nanos=-1", "input:1" } },

        { NULL, NULL, { NULL } }
    };

    (void) state;

    traps_run(events, OPENAI, AI_EP_RESPONSES, AI_BODY_SSE);
    traps_run(bodies, OPENAI, AI_EP_RESPONSES, AI_BODY_JSON);
}


#define START(u)  TYPED("message_start", ",\"message\":{\"model\":\"c\","      \
                        "\"usage\":{" u "}}")
#define DELTA(u)  TYPED("message_delta", ",\"delta\":{\"stop_reason\":"        \
                        "\"end_turn\"},\"usage\":{" u "}")
#define STOP      TYPED("message_stop", "")
#define PASS(type, in, out, more)                                            \
    "{\"input_tokens\":" in ",\"output_tokens\":" out ",\"type\":\"" type    \
    "\"" more "}"

static void
test_messages(void **state)
{
    static const trap_t  events[] = {
        { "no delta: the output is a placeholder",
          START("\"input_tokens\":9,\"output_tokens\":1")
          TYPED("content_block_delta",
                ",\"delta\":{\"type\":\"text_delta\",\"text\":\"ab\"}"),
          { "source=partial", "in=9", "bytes=2", "complete=0", CUT } },

        { "a delta without usage is none",
          START("\"input_tokens\":9,\"output_tokens\":1")
          TYPED("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"}"),
          { "source=partial", "finish=end_turn", CUT } },

        { "cut behind the delta",
          START("\"input_tokens\":9") DELTA("\"output_tokens\":7"),
          { "source=final", "in=9", "out=7", "complete=0", CUT } },

        { "input grows with server tools",
          START("\"input_tokens\":2068,\"output_tokens\":1")
          DELTA("\"input_tokens\":22397,\"output_tokens\":50,"
                "\"server_tool_use\":{\"web_search_requests\":3,"
                "\"web_fetch_requests\":1}") STOP,
          { "in=22397", "out=50", "web_searches:3000000",
            "web_fetches:1000000", "complete=1" } },

        { "the input is replaced as a group",
          START("\"input_tokens\":100,\"cache_read_input_tokens\":7,"
                "\"cache_creation_input_tokens\":8")
          DELTA("\"input_tokens\":5,\"cache_read_input_tokens\":95,"
                "\"output_tokens\":1") STOP,
          { "in=100", "input:5", "cache_read:95", "write=0" } },

        { "a group of nulls and zeros replaces nothing",
          START("\"input_tokens\":100,\"cache_read_input_tokens\":7")
          DELTA("\"input_tokens\":0,\"cache_read_input_tokens\":null,"
                "\"output_tokens\":3") STOP,
          { "in=107", "cache_read:7", "out=3" } },

        { "the split of the start holds up to the new amount",
          START("\"input_tokens\":1,\"cache_creation_input_tokens\":50,"
                "\"cache_creation\":{\"ephemeral_5m_input_tokens\":10,"
                "\"ephemeral_1h_input_tokens\":40}")
          DELTA("\"input_tokens\":1,\"cache_creation_input_tokens\":60,"
                "\"output_tokens\":3") STOP,
          { "cache_write_1h:40", "cache_write_5m:20", "in=61" } },

        { "a new split, above the amount",
          START("\"input_tokens\":1,\"cache_creation_input_tokens\":50,"
                "\"cache_creation\":{\"ephemeral_1h_input_tokens\":40}")
          DELTA("\"cache_creation_input_tokens\":30,\"cache_creation\":{"
                "\"ephemeral_1h_input_tokens\":31},\"output_tokens\":3"),
          { "cache_write_1h:30", "in=30" } },

        { "fast mode is a tier",
          START("\"input_tokens\":1,\"speed\":\"fast\",\"service_tier\":"
                "\"standard\"") DELTA("\"output_tokens\":3,\"service_tier\":"
                "\"standard\""),
          { "tier=fast" } },

        { "an error between",
          START("\"input_tokens\":9,\"output_tokens\":1")
          TYPED("error", ",\"error\":{\"type\":\"overloaded_error\"}"),
          { "failed=1", "error=overloaded_error", "source=partial",
            "complete=0" } },

        { "a stop behind an error is no success",
          START("\"input_tokens\":9")
          TYPED("error", ",\"error\":{\"type\":\"api_error\"}")
          DELTA("\"output_tokens\":7") STOP,
          { "failed=1", "complete=0", "out=7" } },

        { "iterations twice in one object",
          DELTA("\"output_tokens\":3,\"iterations\":["
                PASS("compaction", "1", "2", "") "],\"iterations\":["
                PASS("compaction", "3", "4", "") "]"),
          { "sub(compaction  input:3 output:4)" } },

        { "tool input, thinking, a block that starts with text",
          TYPED("content_block_start",
                ",\"content_block\":{\"type\":\"text\",\"text\":\"a\"}")
          TYPED("content_block_delta", ",\"delta\":{\"type\":"
                "\"input_json_delta\",\"partial_json\":\"{\\\"b\\\"\"}")
          TYPED("content_block_delta", ",\"delta\":{\"type\":"
                "\"thinking_delta\",\"thinking\":\"hmm\"}")
          TYPED("content_block_delta", ",\"delta\":{\"type\":"
                "\"signature_delta\",\"signature\":\"xxxx\"}"),
          { "bytes=5", "chars=1", "hidden=3" } },

        { "a message of another model: priced one by one",
          START("\"input_tokens\":1")
          DELTA("\"input_tokens\":30,\"output_tokens\":3,\"iterations\":["
                PASS("message", "10", "1", "") ","
                PASS("fallback_message", "20", "2", ",\"model\":\"d\"") ","
                PASS("message", "5", "5", ",\"model\":\"c\"") "]"),
          { "top_unpriced=1", "sub(message  input:10 output:1)",
            "sub(fallback_message d input:20 output:2)",
            "sub(message c input:5 output:5)" } },

        { "passes of one kind and model add up, later ones replace",
          START("\"input_tokens\":1,\"iterations\":["
                PASS("compaction", "99", "99", "") "]")
          DELTA("\"output_tokens\":3,\"iterations\":["
                PASS("advisor_message", "1", "2", ",\"model\":\"d\"") ","
                PASS("advisor_message", "3", "4", ",\"model\":\"d\"") "]")
          DELTA("\"output_tokens\":3,\"iterations\":null"),
          { "sub(advisor_message d input:4 output:6)", "top_unpriced=0",
            "odd=0" } },

        { "a pass of an unknown kind raises the alarm",
          DELTA("\"output_tokens\":3,\"iterations\":["
                PASS("oracle", "1", "2", "") "]"),
          { "odd=1", "out=3" } },

        { "more passes than have room",
          DELTA("\"output_tokens\":3,\"iterations\":["
                PASS("advisor_message", "1", "0", ",\"model\":\"1\"") ","
                PASS("advisor_message", "1", "0", ",\"model\":\"2\"") ","
                PASS("advisor_message", "1", "0", ",\"model\":\"3\"") ","
                PASS("advisor_message", "1", "0", ",\"model\":\"4\"") ","
                PASS("advisor_message", "1", "0", ",\"model\":\"5\"") ","
                PASS("advisor_message", "1", "0", ",\"model\":\"6\"") ","
                PASS("advisor_message", "1", "0", ",\"model\":\"7\"") "]"),
          { "odd=1", "sub(advisor_message 4 input:4)" } },

        { "[DONE] is no end here", START("\"input_tokens\":9") DONE,
          { "complete=0" } },

        { NULL, NULL, { NULL } }
    };

    static const trap_t  bodies[] = {
        { "keys in any order, tool results are no text",
          "{\"usage\":{\"iterations\":[" PASS("message", "1", "1",
          ",\"model\":\"c\"") "],\"input_tokens\":1,\"output_tokens\":1},"
          "\"content\":[{\"type\":\"web_search_tool_result\",\"content\":["
          "{\"text\":\"no\"}]},{\"text\":\"yes\",\"type\":\"text\"}],"
          "\"model\":\"c\",\"stop_reason\":\"refusal\"}",
          { "bytes=3", "finish=refusal", "top_unpriced=0", "in=1",
            "source=final" } },

        { NULL, NULL, { NULL } }
    };

    (void) state;

    traps_run(events, ANTHROPIC, AI_EP_MESSAGES, AI_BODY_SSE);
    traps_run(bodies, ANTHROPIC, AI_EP_MESSAGES, AI_BODY_JSON);
}


#define PARTS(parts, more)                                                   \
    "\"candidates\":[{\"content\":{\"parts\":[" parts "]}" more "}]"
#define META(p, c)  "\"usageMetadata\":{\"promptTokenCount\":" p              \
                    ",\"candidatesTokenCount\":" c "}"

static void
test_gemini(void **state)
{
    static const trap_t  events[] = {
        { "thought before and behind the text",
          DATA(PARTS("{\"thought\":true,\"text\":\"abc\"},{\"text\":\"de\","
                     "\"thought\":true},{\"text\":\"f\"},{\"thought\":false,"
                     "\"text\":\"g\"}", "")),
          { "bytes=2", "chars=2", "hidden=5" } },

        { "cut before a finish reason",
          DATA(PARTS("{\"text\":\"a\"}", "") "," META("3", "4")),
          { "source=partial", "complete=0", CUT } },

        { "an end without a finish reason is a cut too",
          DATA(PARTS("{\"text\":\"a\"}", "") "," META("3", "4")),
          { "source=partial", "complete=0" } },

        { "an error at the end",
          DATA(PARTS("{\"text\":\"a\"}", ",\"finishReason\":\"STOP\"") ","
               META("3", "4")) DATA("\"error\":{\"code\":503,\"status\":"
               "\"UNAVAILABLE\"}"),
          { "source=partial", "complete=0", "failed=1",
            "error=UNAVAILABLE" } },

        { "a blocked prompt",
          DATA("\"promptFeedback\":{\"blockReason\":\"SAFETY\"},"
               "\"usageMetadata\":{\"promptTokenCount\":8}"),
          { "finish=blocked:SAFETY", "source=final", "complete=1", "in=8" } },

        { "the model's prefix",
          DATA("\"modelVersion\":\"models/g-1\""), { "model=g-1" } },

        { NULL, NULL, { NULL } }
    };

    static const trap_t  arrays[] = {
        { "separators, whole",
          "[{" PARTS("{\"text\":\"a\"}", "") "," META("3", "1") "}\n,\r\n{"
          PARTS("{\"text\":\"b\"}", ",\"finishReason\":\"STOP\"") ","
          META("3", "2") "}\n]\n",
          { "in=3", "out=2", "bytes=2", "source=final", "complete=1" } },

        { "cut in the second element: it does not count",
          "[{" PARTS("{\"text\":\"a\"}", "") "," META("3", "1") "}\n,\r\n{"
          META("9", "9") "," PARTS("{\"text\":\"bcd\"", ""),
          { "in=3", "out=1", "bytes=1", "source=partial", "complete=0", CUT } },

        { "an error alone, in the array", "[{\"error\":{\"code\":400}}]",
          { "failed=1", "error=400", "complete=1", "source=none" } },

        { "an error alone, without an array", "{\"error\":{\"code\":400}}",
          { "failed=1", "error=400", "complete=1" } },

        { NULL, NULL, { NULL } }
    };

    static const trap_t  bodies[] = {
        { "modalities, in any order, cached audio, images",
          "{\"usageMetadata\":{\"promptTokenCount\":100,"
          "\"cachedContentTokenCount\":30,\"promptTokensDetails\":[{"
          "\"tokenCount\":50,\"modality\":\"AUDIO\"},{\"modality\":\"TEXT\","
          "\"tokenCount\":40}],\"cacheTokensDetails\":[{\"modality\":\"AUDIO\""
          ",\"tokenCount\":20}],\"candidatesTokenCount\":60,"
          "\"candidatesTokensDetails\":[{\"modality\":\"IMAGE\",\"tokenCount\""
          ":50},{\"modality\":\"AUDIO\",\"tokenCount\":4}],"
          "\"thoughtsTokenCount\":5}}",
          { "in=100", "input:40", "input_audio:30", "cache_read:30",
            "out=65", "output:11", "output_audio:4", "output_image:50" } },

        { "more is cached than asked",
          "{\"usageMetadata\":{\"promptTokenCount\":10,"
          "\"cachedContentTokenCount\":30}}",
          { "in=10", "cache_read:10", "odd=1" } },

        { "responseTokenCount",
          "{\"usageMetadata\":{\"responseTokenCount\":30}}", { "out=30" } },

        { "the total shows what is hidden",
          "{\"usageMetadata\":{\"promptTokenCount\":10,"
          "\"toolUsePromptTokenCount\":5,\"totalTokenCount\":40}}",
          { "in=15", "out=25" } },

        { NULL, NULL, { NULL } }
    };

    (void) state;

    traps_run(events, GEMINI, AI_EP_STREAM_GENERATE, AI_BODY_SSE);
    traps_run(arrays, GEMINI, AI_EP_STREAM_GENERATE, AI_BODY_JSON_ARRAY);
    traps_run(bodies, GEMINI, AI_EP_GENERATE, AI_BODY_JSON);
}


static void
test_media(void **state)
{
    static const trap_t  images[] = {
        { "text and images on both sides, an author model",
          "{\"data\":[{\"b64_json\":\"AA\"}],\"usage\":{\"input_tokens\":10,"
          "\"input_tokens_details\":{\"image_tokens\":4,\"text_tokens\":6},"
          "\"output_tokens\":9,\"output_tokens_details\":{\"text_tokens\":2}},"
          "\"svg_usage\":{\"input_tokens\":5,\"output_tokens\":6,\"model\":"
          "\"author\"}}",
          { "input:6", "input_image:4", "output:2", "output_image:7",
            "sub(svg author input:5 output:6)", "nanos=-1" } },

        { "no usage: by the image",
          "{\"data\":[{\"url\":\"a\"},{\"url\":\"b\"}]}",
          { "images:2000000", "source=final" } },

        { NULL, NULL, { NULL } }
    };

    static const trap_t  transcriptions[] = {
        { "part of a second",
          "{\"text\":\"\\u00e9\",\"usage\":{\"type\":\"duration\",\"seconds\":"
          "12.5}}",
          { "audio_seconds:12500000", "source=final", "bytes=2", "chars=1" } },

        { "no usage", "{\"text\":\"a\",\"duration\":3}",
          { "source=none", "bytes=1" } },

        { NULL, NULL, { NULL } }
    };

    static const trap_t  counts[] = {
        { "counting is free", "{\"input_tokens\":19}",
          { "source=none", "seen=0", "complete=1" } },

        { "an error", "{\"error\":{\"type\":\"t\"}}", { "error=t" } },

        { NULL, NULL, { NULL } }
    };

    static const trap_t  opaque[] = {
        { "audio", "{\"usage\":{\"input_tokens\":19}}",
          { "source=none", "complete=1", "broken=0" } },

        { "cut audio", "ID3", { "complete=0", CUT } },

        { NULL, NULL, { NULL } }
    };

    (void) state;

    traps_run(images, OPENAI, AI_EP_IMAGES, AI_BODY_JSON);
    traps_run(transcriptions, OPENAI, AI_EP_TRANSCRIPTIONS, AI_BODY_JSON);
    traps_run(counts, ANTHROPIC, AI_EP_MESSAGES_COUNT, AI_BODY_JSON);
    traps_run(opaque, OPENAI, AI_EP_SPEECH, AI_BODY_OPAQUE);
}


/* lines of 10 MB, nesting without end: constant memory, the rest is metered */

static void
test_huge(void **state)
{
    char         *chunk;
    unsigned      i;
    meter_run_t   run;

    (void) state;

    chunk = malloc(1 << 20);
    memset(chunk, 'x', 1 << 20);

    meter_run_begin(&run, OPENAI, AI_EP_CHAT, AI_BODY_SSE);
    meter_run_feed(&run, "data: {\"b64\":\"", 14);

    for (i = 0; i < 10; i++) {
        meter_run_feed(&run, chunk, 1 << 20);
    }

    meter_run_feed(&run, "\"," CHOICE "}\n\n", sizeof(CHOICE) + 4);

    memset(chunk, '[', 1 << 20);
    meter_run_feed(&run, "data: {\"a\":", 11);
    meter_run_feed(&run, chunk, 1 << 20);
    meter_run_feed(&run, "\n\n", 2);

    meter_run_feed(&run, DATA(USAGE("3", "4")) DONE,
                   sizeof(DATA(USAGE("3", "4")) DONE) - 1);
    meter_run_end(&run, 1);

    assert_int_equal(run.m.text_bytes, 1);
    assert_int_equal(run.u.input_tokens, 3);
    assert_int_equal(run.u.complete, 1);
    assert_int_equal(run.u.odd, 1);

    free(chunk);
}


/* what a worker that dies leaves behind: numbers as of the last whole event */

static void
test_running(void **state)
{
    ai_usage_t   u;
    meter_run_t  run;

    static const char  first[] = DATA(CHOICE "," USAGE("3", "1"));
    static const char  half[] = "data: {" CHOICE "," USAGE("3", "9");

    (void) state;

    meter_run_begin(&run, OPENAI, AI_EP_CHAT, AI_BODY_SSE);
    assert_int_equal(run.m.dirty, 0);

    meter_run_feed(&run, first, sizeof(first) - 1);
    assert_int_equal(run.m.dirty, 1);
    run.m.dirty = 0;

    ai_meter_usage(&run.m, &u);
    assert_int_equal(u.output_tokens, 1);
    assert_int_equal(u.source, AI_SOURCE_PARTIAL);

    meter_run_feed(&run, half, sizeof(half) - 1);
    assert_int_equal(run.m.dirty, 0);

    ai_meter_usage(&run.m, &u);
    assert_int_equal(u.output_tokens, 1);
    assert_int_equal(run.m.text_bytes, 1);

    meter_run_feed(&run, "}\n\n", 3);
    assert_int_equal(run.m.dirty, 1);

    ai_meter_usage(&run.m, &u);
    assert_int_equal(u.output_tokens, 9);
    assert_int_equal(run.m.text_bytes, 2);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_chat_stream),
        cmocka_unit_test(test_chat_body),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_gemini),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_running),
    };

    return cmocka_run_group_tests_name("meter traps", tests, NULL, NULL);
}
