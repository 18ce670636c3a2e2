
/*
 * Requests: what is read out of a body, what is refused, and what the edits
 * make of it.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_request.h"


static ai_request_t  rq;


static int
test_scan_path(ai_endpoint_t ep, const char *body, const char *path)
{
    int        rc;
    size_t     len;
    ai_str_t   model, boundary;
    ai_char   *copy;

    static const char  wall[] = "wall";

    len = strlen(body);
    model.data = (ai_char *) path;
    model.len = strlen(path);
    boundary.data = (ai_char *) wall;
    boundary.len = sizeof(wall) - 1;

    /* in memory of its own, so that a read past the end is found */

    copy = malloc(len ? len : 1);
    memcpy(copy, body, len);

    rc = ai_request_scan(&rq, ep, copy, len, &model, &boundary);

    free(copy);

    return rc;
}


static int
test_scan(ai_endpoint_t ep, const char *body)
{
    return test_scan_path(ep, body, ep >= AI_EP_GENERATE ? "gem" : "");
}


#define test_model_is(s)                                                     \
    assert_int_equal(rq.model_len, sizeof(s) - 1);                           \
    assert_memory_equal(rq.model_name, s, sizeof(s) - 1)


static void
test_chat(void **state)
{
    const char  *body;

    (void) state;

    body = "{\"model\":\"gpt-4.1\", \"messages\":[{\"role\":\"user\","
           "\"content\":"
           "\"hi\"}],\"stream\":true,\"n\":3,\"max_tokens\":100,"
           "\"service_tier\":\"flex\"}";

    assert_int_equal(test_scan(AI_EP_CHAT, body), AI_OK);
    test_model_is("gpt-4.1");
    assert_int_equal(rq.model.pos, 9);
    assert_int_equal(rq.model.len, 9);
    assert_int_equal(rq.object, 1);
    assert_int_equal(rq.stream, 1);
    assert_int_equal(rq.usage_asked, 0);
    assert_int_equal(rq.choices, 3);
    assert_int_equal(rq.max_output, 100);
    assert_int_equal(rq.cap_completion, 0);
    assert_int_equal(rq.unbounded, 0);
    assert_int_equal(rq.service_tier.len, 4);
    assert_int_equal(rq.images, 0);

    body = "{\"model\":\"a\",\"max_completion_tokens\":null,\"stream_options\":"
           "{\"x\":1,\"include_usage\":true},\"stream\":null}";

    assert_int_equal(test_scan(AI_EP_CHAT, body), AI_OK);
    assert_int_equal(rq.stream, 0);
    assert_int_equal(rq.usage_asked, 1);
    assert_int_equal(rq.max_output, -1);
    assert_int_equal(rq.cap.len, 4);
    assert_int_equal(rq.cap_completion, 1);
    assert_memory_equal(body + rq.stream_options.pos,
                        "{\"x\":1,\"include_usage\":true}",
                        rq.stream_options.len);
}


/* bodies as the official SDKs send them; nothing in them is refused */

static void
test_passed(void **state)
{
    unsigned  i;

    static const struct {
        ai_endpoint_t  ep;
        const char    *body;
    } table[] = {

        { AI_EP_CHAT, "{\"model\":\"a\",\"messages\":[{\"role\":\"user\","
          "\"content\":[{\"type\":\"text\",\"text\":\"http://x file_id\"},"
          "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;"
          "base64,AAAA\",\"detail\":\"high\"}},{\"type\":\"input_audio\","
          "\"input_audio\":{\"data\":\"\\/9j\\/4A+\",\"format\":\"wav\"}},"
          "{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":"
          "\"data:application/pdf;base64,AA\"}}]},{\"role\":\"assistant\","
          "\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":"
          "\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
          "\"{\\\"model\\\":1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
          "\"c\",\"content\":\"x\"}],\"tools\":[{\"type\":\"function\","
          "\"function\":{\"name\":\"f\",\"strict\":true,\"parameters\":{"
          "\"type\":\"object\",\"model\":\"x\",\"properties\":{\"model\":{},"
          "\"model\":{},\"file_id\":{\"type\":\"string\"},\"Model\":{}}}}},"
          "{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}],\"tool_choice\":"
          "\"auto\",\"response_format\":{\"type\":\"json_schema\","
          "\"json_schema\":{\"name\":\"x\",\"schema\":{\"model\":1}}},"
          "\"metadata\":{\"model\":\"m\",\"Model\":\"n\",\"container\":\"k\"},"
          "\"store\":true,\"reasoning_effort\":\"low\",\"logprobs\":false,"
          "\"temperature\":0.5,\"stop\":[\"x\"],\"seed\":1,\"user\":\"u\","
          "\"parallel_tool_calls\":true,\"modalities\":[\"text\"],\"n\":null,"
          "\"prediction\":{\"type\":\"content\",\"content\":\"x\"},"
          "\"logit_bias\":{\"50256\":-100},\"prompt_cache_key\":\"k\","
          "\"web_search_options\":null,\"stream_options\":null}" },

        { AI_EP_RESPONSES, "{\"model\":\"a\",\"input\":[{\"role\":\"user\","
          "\"content\":[{\"type\":\"input_text\",\"text\":\"x\"},{\"type\":"
          "\"input_image\",\"image_url\":\"data:image/png;base64,AA\","
          "\"file_id\":null},{\"type\":\"input_file\",\"filename\":\"x\","
          "\"file_data\":\"data:x;base64,AA\"}]},{\"type\":\"reasoning\","
          "\"id\":\"rs_1\",\"summary\":[],\"encrypted_content\":\"x\"},"
          "{\"type\":\"message\",\"id\":\"msg_1\",\"role\":\"assistant\","
          "\"content\":[{\"type\":\"output_text\",\"text\":\"x\","
          "\"annotations\":[{\"type\":\"file_citation\",\"file_id\":\"f\"}]}]"
          "},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":"
          "\"{}\"}],\"instructions\":\"x\",\"tools\":[{\"type\":\"function\","
          "\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{"
          "\"model\":{}}},\"strict\":true},{\"type\":\"namespace\",\"name\":"
          "\"n\",\"tools\":[{\"type\":\"function\",\"name\":\"g\"}]}],"
          "\"reasoning\":{\"effort\":\"low\"},\"text\":{\"format\":{\"type\":"
          "\"text\"}},\"store\":true,\"previous_response_id\":null,"
          "\"conversation\":null,\"prompt\":null,\"background\":false,"
          "\"include\":[\"reasoning.encrypted_content\"],\"truncation\":"
          "\"auto\",\"metadata\":{\"previous_response_id\":\"x\"}}" },

        { AI_EP_MESSAGES, "{\"model\":\"claude\",\"max_tokens\":1024,"
          "\"system\":[{\"type\":\"text\",\"text\":\"x\",\"cache_control\":{"
          "\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],\"messages\":[{\"role\":"
          "\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":"
          "\"base64\",\"media_type\":\"image/png\",\"data\":\"AA\"}},{\"type\":"
          "\"document\",\"source\":{\"type\":\"content\",\"content\":[{"
          "\"type\":"
          "\"text\",\"text\":\"x\"}]}}]},{\"role\":\"assistant\",\"content\":[{"
          "\"type\":\"thinking\",\"thinking\":\"x\",\"signature\":\"s\"},"
          "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{"
          "\"file_id\":\"mine\",\"source\":{\"url\":\"http://x\"}}}]},{"
          "\"role\":"
          "\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
          "\"t\",\"content\":\"x\"}]}],\"tools\":[{\"name\":\"f\","
          "\"input_schema\":{\"type\":\"object\",\"properties\":{\"model\":{"
          "}}}}"
          ",{\"type\":\"bash_20250124\",\"name\":\"bash\"},{\"type\":"
          "\"custom\","
          "\"name\":\"g\",\"input_schema\":{}}],\"thinking\":{\"type\":"
          "\"enabled\",\"budget_tokens\":1024},\"metadata\":{\"user_id\":"
          "\"u\"},"
          "\"stop_sequences\":[],\"tool_choice\":{\"type\":\"auto\"},"
          "\"mcp_servers\":[],\"container\":null,\"diagnostics\":{"
          "\"previous_message_id\":null},\"context_management\":{\"edits\":[{"
          "\"type\":\"clear_tool_uses_20250919\"}]}}" },

        { AI_EP_GENERATE, "{\"contents\":[{\"role\":\"user\",\"parts\":[{"
          "\"text\":\"x\"},{\"inlineData\":{\"mimeType\":\"image/png\","
          "\"data\":"
          "\"AA\"}}]},{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{"
          "\"fileData\":{\"fileUri\":\"files/x\"}}}}]}],\"systemInstruction\":{"
          "\"parts\":{\"text\":\"x\"}},\"tools\":[{\"functionDeclarations\":[{"
          "\"name\":\"f\",\"parameters\":{\"model\":1}}]}],\"toolConfig\":{},"
          "\"safetySettings\":[{\"category\":\"HARM\",\"threshold\":\"BLOCK\"}"
          "],\"generationConfig\":{\"temperature\":0.1,\"thinkingConfig\":{"
          "\"thinkingBudget\":0},\"responseSchema\":{\"maxOutputTokens\":1}}"
          "}" },

        { AI_EP_EMBEDDINGS, "{\"model\":\"e\",\"input\":[\"a\",\"b\"],"
          "\"encoding_format\":\"base64\",\"dimensions\":10}" },
        { AI_EP_EMBEDDINGS, "{\"model\":\"e\",\"input\":[[1,2],[3]]}" },
        { AI_EP_MODERATIONS, "{\"input\":\"x\"}" },
        { AI_EP_IMAGES, "{\"prompt\":\"x\",\"background\":\"transparent\","
          "\"moderation\":\"low\",\"size\":\"1024x1024\"}" },
        { AI_EP_SPEECH, "{\"model\":\"tts\",\"input\":\"x\",\"voice\":\"a\"}" },
        { AI_EP_EMBED, "{\"model\":\"models/gem\",\"content\":{\"parts\":[{"
          "\"text\":\"x\"}]},\"taskType\":\"RETRIEVAL_QUERY\"}" },
        { AI_EP_COUNT_TOKENS, "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}"
          "]}" }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (test_scan(table[i].ep, table[i].body) != AI_OK) {
            fail_msg("%.50s: %s: %s", table[i].body, rq.param, rq.error);
        }

        if (rq.unbounded || rq.nnamed) {
            fail_msg("%.50s: unbounded %u, named %u", table[i].body,
                     rq.unbounded, rq.nnamed);
        }
    }
}


/* members of a chat, put behind its model, and the member at fault */

static void
test_refused_members(void **state)
{
    unsigned  i;
    char      body[1024];

    static const struct {
        ai_endpoint_t  ep;
        const char    *members;
        const char    *param;
    } table[] = {

        /* duplicates: plain, escaped, by case, by Unicode's folding */

        { AI_EP_CHAT, "\"model\":\"b\"", "model" },
        { AI_EP_CHAT, "\"m\\u006fdel\":\"b\"", "model" },
        { AI_EP_CHAT, "\"Model\":\"b\"", "model" },
        { AI_EP_CHAT, "\"MODEL\":\"b\"", "model" },
        { AI_EP_CHAT, "\"model\\u0000\":\"b\"", "model" },
        { AI_EP_CHAT, "\"\xc5\xbftream\":true", "stream" },
        { AI_EP_CHAT, "\"\\u017ftream\":true", "stream" },
        { AI_EP_CHAT, "\"max_to\xe2\x84\xaa" "ens\":1", "max_tokens" },
        { AI_EP_CHAT, "\"N\":100", "n" },
        { AI_EP_CHAT, "\"mod\\ud800el\":\"b\"", NULL },
        { AI_EP_CHAT, "\"stream\":true,\"stream\":false", "stream" },
        { AI_EP_CHAT, "\"tools\":[],\"tools\":[]", "tools" },
        { AI_EP_CHAT, "\"stream_options\":{\"include_usage\":true,"
          "\"include_usage\":false}", "include_usage" },
        { AI_EP_CHAT, "\"tools\":[{\"type\":\"function\",\"type\":"
          "\"web_search\"}]", "type" },
        { AI_EP_CHAT, "\"tools\":[{\"Type\":\"web_search\"}]", "type" },
        { AI_EP_CHAT, "\"messages\":[{\"content\":[{\"image_url\":{\"url\":"
          "\"data:x\",\"url\":\"http://x\"}}]}]", "url" },

        /* types */

        { AI_EP_CHAT, "\"stream\":1", "stream" },
        { AI_EP_CHAT, "\"stream\":\"true\"", "stream" },
        { AI_EP_CHAT, "\"n\":\"1\"", "n" },
        { AI_EP_CHAT, "\"n\":0", "n" },
        { AI_EP_CHAT, "\"n\":1.5", "n" },
        { AI_EP_CHAT, "\"n\":-1", "n" },
        { AI_EP_CHAT, "\"n\":1e400", "n" },
        { AI_EP_CHAT, "\"n\":1e2", "n" },
        { AI_EP_CHAT, "\"max_tokens\":16384.0", "max_tokens" },
        { AI_EP_CHAT, "\"n\":100000000", "n" },
        { AI_EP_CHAT, "\"max_tokens\":-1", "max_tokens" },
        { AI_EP_CHAT, "\"max_tokens\":\"5\"", "max_tokens" },
        { AI_EP_CHAT, "\"max_tokens\":4294967296", "max_tokens" },
        { AI_EP_CHAT, "\"tools\":{}", "tools" },
        { AI_EP_CHAT, "\"tools\":[\"web_search\"]", "tools" },
        { AI_EP_CHAT, "\"stream_options\":[]", "stream_options" },
        { AI_EP_CHAT, "\"messages\":\"x\"", "messages" },

        { AI_EP_CHAT, "\"max_tokens\":1,\"max_completion_tokens\":1",
          "max_completion_tokens" },

        /* state and files */

        { AI_EP_RESPONSES, "\"previous_response_id\":\"resp_1\"",
          "previous_response_id" },
        { AI_EP_RESPONSES, "\"conversation\":\"conv_1\"", "conversation" },
        { AI_EP_RESPONSES, "\"conversation\":{\"id\":\"conv_1\"}",
          "conversation" },
        { AI_EP_RESPONSES, "\"prompt\":{\"id\":\"pmpt_1\"}", "prompt" },
        { AI_EP_RESPONSES, "\"background\":true", "background" },
        { AI_EP_RESPONSES, "\"input\":[{\"type\":\"item_reference\",\"id\":"
          "\"x\"}]", "type" },
        { AI_EP_RESPONSES, "\"input\":[{\"role\":\"user\",\"content\":[{"
          "\"type\":\"input_file\",\"file_id\":\"file-1\"}]}]", "file_id" },
        { AI_EP_RESPONSES, "\"input\":[{\"type\":\"computer_call_output\","
          "\"output\":{\"file_id\":\"f\"}}]", "file_id" },
        { AI_EP_RESPONSES, "\"input\":[{\"type\":\"code_interpreter_call\","
          "\"container_id\":\"cntr_1\"}]", "container_id" },
        { AI_EP_RESPONSES, "\"tools\":[{\"type\":\"file_search\","
          "\"vector_store_ids\":[\"vs_1\"]}]", "vector_store_ids" },
        { AI_EP_RESPONSES, "\"tools\":[{\"type\":\"code_interpreter\","
          "\"container\":\"cntr_1\"}]", "container" },
        { AI_EP_RESPONSES, "\"tools\":[{\"type\":\"code_interpreter\","
          "\"container\":{\"type\":\"auto\",\"file_ids\":[\"f\"]}}]",
          "file_ids" },
        { AI_EP_RESPONSES, "\"tools\":[{\"type\":\"shell\",\"environment\":{"
          "\"type\":\"container_reference\",\"container_id\":\"c\"}}]",
          "container_id" },
        { AI_EP_CHAT, "\"messages\":[{\"content\":[{\"type\":\"file\","
          "\"file\":{\"file_id\":\"f\"}}]}]", "file_id" },
        { AI_EP_CHAT, "\"messages\":[{\"audio\":{\"id\":\"audio_1\"}}]",
          "id" },
        { AI_EP_CHAT, "\"preset\":\"x\"", "preset" },
        { AI_EP_CHAT, "\"deferred\":true", "deferred" },
        { AI_EP_MESSAGES, "\"container\":\"c\"", "container" },
        { AI_EP_MESSAGES, "\"container\":{\"id\":\"c\"}", "container" },
        { AI_EP_MESSAGES, "\"thread\":{\"type\":\"continue\","
          "\"previous_message_id\":\"m\"}", "previous_message_id" },
        { AI_EP_MESSAGES, "\"diagnostics\":{\"previous_message_id\":\"m\"}",
          "previous_message_id" },
        { AI_EP_MESSAGES, "\"billing_policy\":{}", "billing_policy" },
        { AI_EP_MESSAGES, "\"fallbacks\":\"default\"", "fallbacks" },
        { AI_EP_MESSAGES, "\"fallbacks\":[{\"model\":\"b\",\"max_tokens\":9}]",
          "max_tokens" },
        { AI_EP_MESSAGES, "\"messages\":[{\"content\":[{\"type\":\"image\","
          "\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}]}]", "file_id" },
        { AI_EP_MESSAGES, "\"messages\":[{\"content\":[{\"type\":"
          "\"container_upload\",\"file_id\":\"f\"}]}]", "file_id" },
        { AI_EP_MESSAGES, "\"messages\":[{\"content\":[{\"type\":"
          "\"tool_result\",\"content\":[{\"source\":{\"content\":[{\"source\":{"
          "\"file_id\":\"f\"}}]}}]}]}]", "file_id" },
        { AI_EP_MESSAGES_COUNT, "\"container\":\"c\"", "container" }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        snprintf(body, sizeof(body), "{\"model\":\"a\",%s}",
                 table[i].members);

        if (test_scan(table[i].ep, body) != AI_ERROR || rq.status != 400
            || rq.error == NULL
            || (table[i].param == NULL) != (rq.param == NULL)
            || (rq.param && strcmp(rq.param, table[i].param) != 0))
        {
            fail_msg("%s: %d %s %s", body, rq.status, rq.param, rq.error);
        }
    }
}


static void
test_refused_bodies(void **state)
{
    unsigned  i;

    static const struct {
        ai_endpoint_t  ep;
        const char    *body;
    } table[] = {
        { AI_EP_CHAT, "" },
        { AI_EP_CHAT, "[]" },
        { AI_EP_CHAT, "null" },
        { AI_EP_CHAT, "{}" },
        { AI_EP_CHAT, "{\"model\":\"a\"" },
        { AI_EP_CHAT, "{\"model\":\"a\"}{\"model\":\"b\"}" },
        { AI_EP_CHAT, "{\"model\":\"a\"} x" },
        { AI_EP_CHAT, "{\"model\":\"a\",\"x\":NaN}" },
        { AI_EP_CHAT, "{\"model\":\"a\",\"x\":\"\xff\"}" },
        { AI_EP_CHAT, "{\"model\":\"a\",\"x\":[1,2" },
        { AI_EP_CHAT, "\xef\xbb\xbf{\"model\":\"a\"}" },
        { AI_EP_CHAT, "{\"model\":\"\"}" },
        { AI_EP_CHAT, "{\"model\":null}" },
        { AI_EP_CHAT, "{\"model\":1}" },
        { AI_EP_CHAT, "{\"model\":[\"a\"]}" },
        { AI_EP_CHAT, "{\"model\":{\"a\":1}}" },
        { AI_EP_CHAT, "{\"model\":\"a\\u0000\"}" },
        { AI_EP_CHAT, "{\"model\":\"a\\n\"}" },
        { AI_EP_CHAT, "{\"model\":\"a\\u0085\"}" },
        { AI_EP_CHAT, "{\"model\":\"a\\ud800\"}" },
        { AI_EP_CHAT, "{\"model\":\"a\x7f\"}" },
        { AI_EP_MESSAGES, "{\"max_tokens\":1}" },
        { AI_EP_MODERATIONS, "{\"model\":1}" },
        { AI_EP_MODELS, "{\"model\":\"a\"}" },
        { AI_EP_N, "{\"model\":\"a\"}" },

        { AI_EP_GENERATE, "{\"model\":\"other\"}" },
        { AI_EP_GENERATE, "{\"generationConfig\":{\"maxOutputTokens\":1,"
          "\"max_output_tokens\":1}}" },
        { AI_EP_GENERATE, "{\"generationConfig\":{},\"generation_config\":{}"
          "}" },
        { AI_EP_GENERATE, "{\"generationconfig\":{}}" },
        { AI_EP_GENERATE, "{\"cachedContent\":\"cachedContents/x\"}" },
        { AI_EP_GENERATE, "{\"contents\":[{\"parts\":[{\"fileData\":{"
          "\"fileUri\":\"https://generativelanguage.googleapis.com/v1beta/"
          "files/x"
          "\"}}]}]}" },
        { AI_EP_GENERATE, "{\"contents\":{\"parts\":{\"file_data\":{"
          "\"file_uri\":\"files/x\"}}}}" },
        { AI_EP_GENERATE, "{\"tools\":[{\"fileSearch\":{"
          "\"fileSearchStoreNames\":[\"x\"]}}]}" },
        { AI_EP_EMBED, "{\"model\":\"models/other\"}" },
        { AI_EP_BATCH_EMBED, "{\"requests\":[{\"model\":\"models/gem\"},"
          "{\"model\":\"models/other\"}]}" },
        { AI_EP_COUNT_TOKENS, "{\"generateContentRequest\":{\"model\":"
          "\"models/other\"}}" }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (test_scan(table[i].ep, table[i].body) != AI_ERROR
            || rq.status != 400 || rq.error == NULL)
        {
            fail_msg("accepted: %s", table[i].body);
        }
    }
}


/* what makes a cost unbounded, and models beside the model */

static void
test_flags(void **state)
{
    unsigned  i;
    char      body[1024], named[256];

    static const struct {
        ai_endpoint_t  ep;
        const char    *members;
        unsigned       unbounded;
        const char    *named;
        unsigned       searches;
    } table[] = {
        { AI_EP_CHAT, "\"models\":[\"b\",\"c\",\"b\"]", 0, "b,c,", 0 },
        { AI_EP_CHAT, "\"fallbacks\":[{\"model\":\"b\"},\"c\"]", 0, "b,c,",
          0 },
        { AI_EP_CHAT, "\"moderation\":{\"model\":\"b\"}", 0, "b,", 0 },
        { AI_EP_CHAT, "\"web_search_options\":{}", AI_UNBOUNDED_TOOLS, "",
          0 },
        { AI_EP_CHAT, "\"plugins\":[{\"id\":\"web\",\"models\":[\"b\"]}]",
          AI_UNBOUNDED_TOOLS, "b,", 0 },
        { AI_EP_CHAT, "\"plugins\":[]", 0, "", 0 },
        { AI_EP_CHAT, "\"tools\":[{\"parameters\":{\"model\":\"b\"},\"type\":"
          "\"openrouter:advisor\"}]", AI_UNBOUNDED_TOOLS, "b,", 0 },
        { AI_EP_CHAT, "\"tools\":[{\"type\":\"function\",\"parameters\":{"
          "\"model\":\"b\"}}]", 0, "", 0 },
        { AI_EP_CHAT, "\"tools\":[{\"type\":\"web_searc\\u0068\"}]",
          AI_UNBOUNDED_TOOLS, "", 0 },
        { AI_EP_CHAT, "\"compound_custom\":{\"models\":{\"reasoning_model\":"
          "\"b\"}}", AI_UNBOUNDED_TOOLS, "b,", 0 },
        { AI_EP_CHAT, "\"messages\":[{\"content\":[{\"type\":\"image_url\","
          "\"image_url\":{\"url\":\"https://x/y.png\"}}]}]",
          AI_UNBOUNDED_REMOTE, "", 0 },
        { AI_EP_CHAT, "\"messages\":[{\"content\":[{\"type\":\"image_url\","
          "\"image_url\":\"HTTP://x\"}]}]", AI_UNBOUNDED_REMOTE, "", 0 },
        { AI_EP_CHAT, "\"messages\":[{\"content\":[{\"input_audio\":{"
          "\"data\":\"https:\\/\\/x\"}}]}]", AI_UNBOUNDED_REMOTE, "", 0 },
        { AI_EP_RESPONSES, "\"tools\":[{\"type\":\"image_generation\","
          "\"model\":\"b\",\"svg\":{\"model\":\"c\"}}]", AI_UNBOUNDED_TOOLS,
          "b,c,", 0 },
        { AI_EP_RESPONSES, "\"tools\":[{\"type\":\"mcp\",\"server_url\":"
          "\"x\"}]", AI_UNBOUNDED_TOOLS, "", 0 },
        { AI_EP_RESPONSES, "\"tools\":[{\"type\":\"code_interpreter\","
          "\"container\":{\"type\":\"auto\"}}]", AI_UNBOUNDED_TOOLS, "", 0 },
        { AI_EP_RESPONSES, "\"tools\":[{\"type\":\"namespace\",\"tools\":[{"
          "\"type\":\"function\"},{\"type\":\"web_search\"}]},{\"type\":"
          "\"function\"}]", AI_UNBOUNDED_TOOLS, "", 0 },
        { AI_EP_RESPONSES, "\"input\":[{\"content\":[{\"type\":"
          "\"input_file\",\"file_url\":\"https://x\"}]}]",
          AI_UNBOUNDED_REMOTE, "", 0 },
        { AI_EP_IMAGES, "\"svg\":{\"model\":\"b\"}", 0, "b,", 0 },
        { AI_EP_MESSAGES, "\"tools\":[{\"type\":\"web_search_20250305\","
          "\"name\":\"w\",\"max_uses\":5},{\"max_uses\":3,\"type\":"
          "\"web_search_20260209\"}]", AI_UNBOUNDED_TOOLS, "", 8 },
        { AI_EP_MESSAGES, "\"tools\":[{\"type\":\"advisor_20260301\","
          "\"model\":\"b\"}]", AI_UNBOUNDED_TOOLS, "b,", 0 },
        { AI_EP_MESSAGES, "\"fallbacks\":[{\"model\":\"b\"}]", 0, "b,", 0 },
        { AI_EP_MESSAGES, "\"mcp_servers\":[{\"url\":\"x\"}]",
          AI_UNBOUNDED_TOOLS, "", 0 },
        { AI_EP_MESSAGES, "\"context_management\":{\"edits\":[{\"type\":"
          "\"compact_20260112\"}]}", AI_UNBOUNDED_TOOLS, "", 0 },
        { AI_EP_MESSAGES, "\"messages\":[{\"content\":[{\"type\":\"image\","
          "\"source\":{\"type\":\"url\",\"url\":\"https://x\"}}]}]",
          AI_UNBOUNDED_REMOTE, "", 0 },
        { AI_EP_MESSAGES_COUNT, "\"tools\":[{\"type\":\"web_fetch_20250910\"}"
          "]", 0, "", 0 },
        { AI_EP_GENERATE, "\"tools\":[{\"googleSearch\":{}}]",
          AI_UNBOUNDED_TOOLS, "", 0 },
        { AI_EP_GENERATE, "\"tools\":{\"code_execution\":{}}",
          AI_UNBOUNDED_TOOLS, "", 0 },
        { AI_EP_GENERATE, "\"tools\":[{\"urlContext\":null}]", 0, "", 0 },
        { AI_EP_GENERATE, "\"contents\":[{\"parts\":[{\"fileData\":{"
          "\"fileUri\":\"https://youtu.be/x\"}}]}]", AI_UNBOUNDED_REMOTE, "",
          0 },
        { AI_EP_GENERATE, "\"contents\":[{\"parts\":[{\"functionResponse\":{"
          "\"response\":{},\"parts\":[{\"fileData\":{\"fileUri\":\"gs://x\"}}]"
          "}}]}]", AI_UNBOUNDED_REMOTE, "", 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        unsigned  k;
        char     *p;

        snprintf(body, sizeof(body), "{\"model\":\"%s\",%s}",
                 table[i].ep >= AI_EP_GENERATE ? "gem" : "a",
                 table[i].members);

        if (test_scan(table[i].ep, body) != AI_OK) {
            fail_msg("%s: %s: %s", body, rq.param, rq.error);
        }

        named[0] = '\0';

        for (k = 0, p = named; k < rq.nnamed; k++) {
            p += sprintf(p, "%.*s,", (int) rq.named[k].len, rq.named[k].name);
        }

        if (rq.unbounded != table[i].unbounded
            || rq.searches != table[i].searches
            || strcmp(named, table[i].named) != 0)
        {
            fail_msg("%s: %u %s %u", body, rq.unbounded, named,
                     (unsigned) rq.searches);
        }
    }

    assert_int_equal(test_scan(AI_EP_CHAT, "{\"model\":\"a:online\"}"), AI_OK);
    assert_int_equal(rq.unbounded, AI_UNBOUNDED_TOOLS);

    assert_int_equal(test_scan(AI_EP_CHAT, "{\"model\":\"a\",\"models\":["
                     "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}"),
                     AI_ERROR);
}


/* what is in the body itself and is no text: how many, and its bytes */

static void
test_media(void **state)
{
    unsigned  i;

    static const struct {
        ai_endpoint_t   ep;
        uint64_t        media;
        uint64_t        bytes;
        const char     *body;
    } table[] = {
        { AI_EP_CHAT, 0, 0, "\"messages\":[{\"content\":\"data:x\"}]" },
        { AI_EP_CHAT, 2, 38, "\"messages\":[{\"content\":["
          "{\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}},"
          "{\"input_audio\":{\"data\":\"BBBBBBBBBBBB\"}}]}]" },
        { AI_EP_CHAT, 0, 0, "\"messages\":[{\"content\":["
          "{\"image_url\":{\"url\":\"https://a.test/\"}}]}]" },
        { AI_EP_RESPONSES, 1, 4, "\"input\":[{\"content\":["
          "{\"file_data\":\"AAAA\"}]}]" },
        { AI_EP_MESSAGES, 1, 8, "\"messages\":[{\"content\":["
          "{\"source\":{\"data\":\"AAAABBBB\"}}]}]" },
        { AI_EP_MESSAGES, 1, 4, "\"messages\":[{\"content\":[{\"content\":["
          "{\"source\":{\"data\":\"AAAA\"}}]}]}]" },
        { AI_EP_GENERATE, 2, 12, "\"contents\":[{\"parts\":["
          "{\"inlineData\":{\"data\":\"AAAA\"}},"
          "{\"inline_data\":{\"data\":\"BBBBBBBB\"}}]}]" }
    };

    char  body[512];

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        (void) snprintf(body, sizeof(body), "{%s%s}",
                        table[i].ep == AI_EP_GENERATE ? ""
                                                      : "\"model\":\"a\",",
                        table[i].body);

        (void) test_scan(table[i].ep, body);

        if (rq.media != table[i].media || rq.media_bytes != table[i].bytes) {
            fail_msg("%s: %u of %u bytes", body, (unsigned) rq.media,
                     (unsigned) rq.media_bytes);
        }
    }
}


/* what rules of routing look at: tools and images, in each dialect */

static void
test_contents(void **state)
{
    unsigned  i;

    static const struct {
        ai_endpoint_t   ep;
        unsigned        tools;
        unsigned        pictures;
        const char     *body;
    } v[] = {
        { AI_EP_CHAT, 0, 0, "{\"model\":\"m\",\"tools\":[],\"messages\":["
          "{\"content\":\"image_url\"}]}" },
        { AI_EP_CHAT, 0, 0, "{\"model\":\"m\",\"tools\":null}" },
        { AI_EP_CHAT, 1, 0, "{\"model\":\"m\",\"tools\":[{\"type\":"
          "\"function\"}]}" },
        { AI_EP_CHAT, 0, 1, "{\"model\":\"m\",\"messages\":[{\"content\":[{"
          "\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x\"}}]}]}" },
        { AI_EP_CHAT, 0, 1, "{\"model\":\"m\",\"messages\":[{\"content\":[{"
          "\"image_url\":\"data:image/png;base64,AA\"}]}]}" },
        { AI_EP_CHAT, 0, 0, "{\"model\":\"m\",\"messages\":[{\"content\":[{"
          "\"input_audio\":{\"data\":\"AA\"}}]}]}" },
        { AI_EP_CHAT, 0, 0, "{\"model\":\"m\",\"messages\":[{\"content\":[{"
          "\"image_url\":null}]}]}" },
        { AI_EP_RESPONSES, 1, 1, "{\"model\":\"m\",\"tools\":[{\"type\":"
          "\"custom\"}],\"input\":[{\"content\":[{\"image_url\":"
          "\"https://x\"}]}]}" },
        { AI_EP_RESPONSES, 0, 0, "{\"model\":\"m\",\"input\":[{\"content\":[{"
          "\"file_data\":\"AA\"}]}]}" },
        { AI_EP_MESSAGES, 1, 1, "{\"model\":\"m\",\"max_tokens\":1,"
          "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
          "\"im\\u0061ge\",\"source\":{\"type\":\"url\",\"url\":"
          "\"https://x\"}}]}],\"tools\":[{\"name\":\"f\"}]}" },
        { AI_EP_MESSAGES, 0, 1, "{\"model\":\"m\",\"messages\":[{\"role\":"
          "\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":[{"
          "\"type\":\"image\",\"source\":{\"data\":\"AA\"}}]}]}]}" },
        { AI_EP_MESSAGES, 0, 0, "{\"model\":\"m\",\"messages\":[{\"role\":"
          "\"user\",\"content\":[{\"type\":\"document\",\"source\":{"
          "\"data\":\"AA\"}},{\"type\":\"imagery\"}]}]}" },
        { AI_EP_GENERATE, 1, 1, "{\"contents\":[{\"parts\":[{\"inline_data\":{"
          "\"mime_type\":\"IMAGE/png\",\"data\":\"AA\"}}]}],\"tools\":"
          "{\"functionDeclarations\":[]}}" },
        { AI_EP_GENERATE, 0, 1, "{\"contents\":[{\"parts\":[{\"fileData\":{"
          "\"mimeType\":\"image/png\",\"fileUri\":\"gs://x\"}}]}],"
          "\"tools\":[]}" },
        { AI_EP_GENERATE, 0, 0, "{\"contents\":[{\"parts\":[{\"inlineData\":{"
          "\"mimeType\":\"audio/wav\",\"data\":\"AA\"}}]}]}" },
        { AI_EP_EMBEDDINGS, 0, 1, "{\"model\":\"m\",\"input\":[{\"image\":"
          "\"AA\"}]}" },
        { AI_EP_IMAGES, 0, 1, "{\"model\":\"m\",\"images\":[\"AA\"]}" },
        { AI_EP_IMAGES, 0, 0, "{\"model\":\"m\",\"n\":2,\"images\":[]}" }
    };

    (void) state;

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        assert_int_equal(test_scan(v[i].ep, v[i].body), AI_OK);
        assert_int_equal(rq.tools, v[i].tools);
        assert_int_equal(rq.pictures, v[i].pictures);
    }
}


static void
test_counts(void **state)
{
    (void) state;

    (void) test_scan(AI_EP_COMPLETIONS, "{\"model\":\"a\",\"prompt\":[\"a\","
                     "\"b\",\"c\"],\"n\":2,\"best_of\":4}");
    assert_int_equal(rq.choices, 12);

    (void) test_scan(AI_EP_COMPLETIONS, "{\"model\":\"a\",\"prompt\":[1,2,3]}");
    assert_int_equal(rq.choices, 1);

    (void) test_scan(AI_EP_COMPLETIONS, "{\"model\":\"a\",\"prompt\":[[1],[2]"
                     "]}");
    assert_int_equal(rq.choices, 2);

    (void) test_scan(AI_EP_IMAGES, "{\"n\":4}");
    assert_int_equal(rq.images, 4);
    assert_int_equal(rq.choices, 1);

    (void) test_scan(AI_EP_IMAGES, "{}");
    assert_int_equal(rq.images, 1);

    (void) test_scan(AI_EP_SPEECH, "{\"model\":\"a\",\"stream_format\":\"sse\","
                     "\"input\":\"a\\n\xc3\xa9\\u00e9\xf0\x9f\x98\x80\\ud83d"
                     "\\ude00\\uD83D\\uDE00\"}");
    assert_int_equal(rq.characters, 7);
    assert_int_equal(rq.stream, 1);

    (void) test_scan(AI_EP_STREAM_GENERATE, "{\"generation_config\":{"
                     "\"candidate_count\":3,\"max_output_tokens\":7}}");
    assert_int_equal(rq.choices, 3);
    assert_int_equal(rq.max_output, 7);
    assert_int_equal(rq.stream, 1);
    test_model_is("gem");
}


static void
test_path_model(void **state)
{
    (void) state;

    /* Azure's dated form: the path is what counts */

    assert_int_equal(test_scan_path(AI_EP_CHAT, "{\"model\":\"b\"}", "dep"),
                     AI_OK);
    test_model_is("dep");
    assert_int_equal(rq.model.len, 3);

    assert_int_equal(test_scan_path(AI_EP_CHAT, "{}", "dep"), AI_OK);
    test_model_is("dep");
    assert_int_equal(rq.model.len, 0);
    assert_int_equal(rq.empty, 1);

    assert_int_equal(test_scan_path(AI_EP_CHAT, "{\"model\":1}", "dep"),
                     AI_ERROR);
}


static void
test_edit_one(ai_endpoint_t ep, const char *body, const ai_rewrite_t *want,
    const char *expected)
{
    int        i, n;
    size_t     pos;
    ai_buf_t   b, out;
    ai_char    text[256 + 2 * AI_MODEL_LEN * 6], whole[4096];
    ai_edit_t  edits[AI_EDITS_MAX + 8];

    assert_int_equal(test_scan(ep, body), AI_OK);

    ai_buf_init(&b, text, sizeof(text));
    ai_buf_init(&out, whole, sizeof(whole));

    n = ai_request_edit(&rq, ep, (const ai_char *) body, strlen(body), want,
                        &b, edits, AI_EDITS_MAX + rq.nested_models);
    assert_true(n >= 0);

    for (i = 0, pos = 0; i < n; i++) {
        assert_true(edits[i].pos >= pos);
        ai_buf_put(&out, body + pos, edits[i].pos - pos);
        ai_buf_str(&out, &edits[i].ins);
        pos = edits[i].pos + edits[i].del;
    }

    ai_buf_cstr(&out, body + pos);
    ai_buf_char(&out, '\0');
    assert_string_equal((char *) whole, expected);
}


static void
test_edit(void **state)
{
    unsigned      i;
    ai_str_t      model = ai_string("x\"y");
    ai_rewrite_t  want;

    static const struct {
        ai_endpoint_t  ep;
        const char    *body;
        int            model;
        int            cap;
        int            usage;           /* 2: with cap_completion */
        const char    *expected;
    } table[] = {

        { AI_EP_CHAT, "{\"model\":\"a\"}", 0, -1, 0, "{\"model\":\"a\"}" },
        { AI_EP_CHAT, "{\"model\": \"a\" }", 1, -1, 0,
          "{\"model\": \"x\\\"y\" }" },
        { AI_EP_CHAT, "{ \"model\":\"a\"}", 0, 5, 0,
          "{\"max_tokens\":5, \"model\":\"a\"}" },
        { AI_EP_CHAT, "{\"model\":\"a\"}", 1, 5, 2,
          "{\"max_completion_tokens\":5,\"model\":\"x\\\"y\"}" },
        { AI_EP_CHAT, "{\"model\":\"a\",\"max_tokens\":1000}", 0, 1000, 0,
          "{\"model\":\"a\",\"max_tokens\":1000}" },
        { AI_EP_CHAT, "{\"model\":\"a\",\"max_tokens\":1000}", 0, 50, 2,
          "{\"model\":\"a\",\"max_tokens\":50}" },
        { AI_EP_CHAT, "{\"max_completion_tokens\":null,\"model\":\"a\"}", 1,
          50, 0, "{\"max_completion_tokens\":50,\"model\":\"x\\\"y\"}" },
        { AI_EP_CHAT, "{\"max_tokens\":null,\"max_completion_tokens\":9,"
          "\"model\":\"a\"}", 0, 5, 0, "{\"max_tokens\":null,"
          "\"max_completion_tokens\":5,\"model\":\"a\"}" },
        { AI_EP_CHAT, "{\"model\":\"a\"}", 0, -1, 1, "{\"model\":\"a\"}" },
        { AI_EP_CHAT, "{\"stream\":true,\"model\":\"a\"}", 0, 5, 1,
          "{\"max_tokens\":5,\"stream_options\":{\"include_usage\":true},"
          "\"stream\":true,\"model\":\"a\"}" },
        { AI_EP_CHAT, "{\"stream\":true,\"model\":\"a\",\"stream_options\":"
          "null}", 0, -1, 1, "{\"stream\":true,\"model\":\"a\","
          "\"stream_options\":{\"include_usage\":true}}" },
        { AI_EP_CHAT, "{\"stream\":true,\"stream_options\":{ },\"model\":"
          "\"a\"}", 1, -1, 1, "{\"stream\":true,\"stream_options\":{"
          "\"include_usage\":true },\"model\":\"x\\\"y\"}" },
        { AI_EP_CHAT, "{\"stream\":true,\"stream_options\":{\"a\":{}},"
          "\"model\":\"a\"}", 0, -1, 1, "{\"stream\":true,\"stream_options\":"
          "{\"include_usage\":true,\"a\":{}},\"model\":\"a\"}" },
        { AI_EP_CHAT, "{\"stream\":true,\"stream_options\":{\"include_usage\""
          ":false },\"model\":\"a\"}", 0, -1, 1, "{\"stream\":true,"
          "\"stream_options\":{\"include_usage\":true },\"model\":\"a\"}" },
        { AI_EP_CHAT, "{\"stream\":true,\"stream_options\":{\"include_usage\""
          ":true},\"model\":\"a\"}", 0, -1, 1, "{\"stream\":true,"
          "\"stream_options\":{\"include_usage\":true},\"model\":\"a\"}" },
        { AI_EP_RESPONSES, "{\"stream\":true,\"model\":\"a\"}", 0, 5, 1,
          "{\"max_output_tokens\":5,\"stream\":true,\"model\":\"a\"}" },
        { AI_EP_MESSAGES, "{\"stream\":true,\"model\":\"a\"}", 1, 5, 1,
          "{\"max_tokens\":5,\"stream\":true,\"model\":\"x\\\"y\"}" },
        { AI_EP_EMBEDDINGS, "{\"model\":\"a\"}", 1, 5, 1,
          "{\"model\":\"x\\\"y\"}" },
        { AI_EP_IMAGES, "{}", 1, 5, 0, "{\"model\":\"x\\\"y\"}" },
        { AI_EP_MODERATIONS, "{\"input\":1}", 1, -1, 0,
          "{\"model\":\"x\\\"y\",\"input\":1}" },

        { AI_EP_GENERATE, "{}", 1, 5, 1,
          "{\"generationConfig\":{\"maxOutputTokens\":5}}" },
        { AI_EP_GENERATE, "{\"contents\":[]}", 0, 5, 0,
          "{\"generationConfig\":{\"maxOutputTokens\":5},\"contents\":[]}" },
        { AI_EP_GENERATE, "{\"generationConfig\":null}", 0, 5, 0,
          "{\"generationConfig\":{\"maxOutputTokens\":5}}" },
        { AI_EP_GENERATE, "{\"generation_config\":{}}", 0, 5, 0,
          "{\"generation_config\":{\"maxOutputTokens\":5}}" },
        { AI_EP_STREAM_GENERATE, "{\"generationConfig\":{\"topK\":1}}", 0, 5,
          0, "{\"generationConfig\":{\"maxOutputTokens\":5,\"topK\":1}}" },
        { AI_EP_GENERATE, "{\"generationConfig\":{\"max_output_tokens\":9,"
          "\"topK\":1},\"model\":\"gem\"}", 1, 5, 0, "{\"generationConfig\":{"
          "\"max_output_tokens\":5,\"topK\":1},\"model\":\"models/x\\\"y\"}" },
        { AI_EP_EMBED, "{\"content\":1,\"model\":\"models/gem\"}", 1, 5, 0,
          "{\"content\":1,\"model\":\"models/x\\\"y\"}" },
        { AI_EP_BATCH_EMBED, "{\"requests\":[{\"model\":\"models/gem\",\"a\":1"
          "},{\"model\":\"gem\"},{\"content\":{\"model\":\"q\"}}]}", 1, -1, 0,
          "{\"requests\":[{\"model\":\"models/x\\\"y\",\"a\":1},{\"model\":"
          "\"models/x\\\"y\"},{\"content\":{\"model\":\"q\"}}]}" },
        { AI_EP_COUNT_TOKENS, "{\"generateContentRequest\":{\"model\":"
          "\"models/gem\",\"generationConfig\":{}}}", 1, 5, 0,
          "{\"generateContentRequest\":{\"model\":\"models/x\\\"y\","
          "\"generationConfig\":{}}}" }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        memset(&want, 0, sizeof(want));
        want.model = table[i].model ? &model : NULL;
        want.max_output = table[i].cap;
        want.usage = table[i].usage & 1;
        want.cap_completion = table[i].usage >> 1;

        test_edit_one(table[i].ep, table[i].body, &want, table[i].expected);
    }
}


static void
test_edit_bounds(void **state)
{
    ai_buf_t      b;
    ai_char       text[2048];
    ai_str_t      model;
    ai_char       name[AI_MODEL_LEN];
    ai_edit_t     edits[AI_EDITS_MAX];
    const char   *body;
    ai_rewrite_t  want;

    (void) state;

    body = "{\"stream\":true,\"model\":\"a\"}";
    assert_int_equal(test_scan(AI_EP_CHAT, body), AI_OK);

    memset(name, 1, sizeof(name));      /* six bytes each once escaped */
    model.data = name;
    model.len = sizeof(name);

    memset(&want, 0, sizeof(want));
    want.model = &model;
    want.max_output = INT32_MAX;
    want.cap_completion = 1;
    want.usage = 1;

    ai_buf_init(&b, text, 256 + 2 * AI_MODEL_LEN * 6);
    assert_int_equal(ai_request_edit(&rq, AI_EP_CHAT, (ai_char *) body,
                                     strlen(body), &want, &b, edits,
                                     AI_EDITS_MAX), 2);

    ai_buf_init(&b, text, 100);
    assert_int_equal(ai_request_edit(&rq, AI_EP_CHAT, (ai_char *) body,
                                     strlen(body), &want, &b, edits,
                                     AI_EDITS_MAX), AI_ERROR);

    ai_buf_init(&b, text, sizeof(text));
    assert_int_equal(ai_request_edit(&rq, AI_EP_CHAT, (ai_char *) body,
                                     strlen(body), &want, &b, edits, 1),
                     AI_ERROR);
}


static void
test_nesting(void **state)
{
    unsigned  n;
    char      body[2048];

    (void) state;

    /* blocks in blocks are looked into, down to the scanner's own bound */

    strcpy(body, "{\"model\":\"a\",\"system\":");

    for (n = 0; n < 40; n++) {
        strcat(body, "[{\"source\":{\"content\":");
    }

    strcat(body, "[{\"file_id\":\"f\"}]");

    for (n = 0; n < 40; n++) {
        strcat(body, "}}]");
    }

    strcat(body, "}");

    assert_int_equal(test_scan(AI_EP_MESSAGES, body), AI_ERROR);
    assert_string_equal(rq.param, "file_id");

    strcpy(body, "{\"model\":\"a\",\"x\":");

    for (n = 0; n < 128; n++) {
        strcat(body, "[");
    }

    assert_int_equal(test_scan(AI_EP_CHAT, body), AI_ERROR);
    assert_string_equal(rq.error, "The body is nested too deep.");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_chat),
        cmocka_unit_test(test_passed),
        cmocka_unit_test(test_refused_members),
        cmocka_unit_test(test_refused_bodies),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_path_model),
        cmocka_unit_test(test_edit),
        cmocka_unit_test(test_edit_bounds),
        cmocka_unit_test(test_nesting)
    };

    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
