
/*
 * A whole message of Anthropic's.
 */


#include "ai_translate_answer.h"


static unsigned ai_translate_block_count(const ai_value_t *content,
    unsigned *text);
static void ai_translate_block_texts(ai_out_t *out, const ai_value_t *content);
static void ai_translate_block_calls(ai_out_t *out,
    const ai_translate_from_t *from, const ai_value_t *content);
static int ai_translate_block_next(ai_list_t *list, ai_value_t *block);
static unsigned ai_translate_block_is_call(const ai_value_t *block);


enum {
    AI_MESSAGE_ID = 0,
    AI_MESSAGE_CONTENT,
    AI_MESSAGE_STOP,
    AI_MESSAGE_N
};

static const ai_str_t  ai_message_names[AI_MESSAGE_N] = {
    ai_string("id"),
    ai_string("content"),
    ai_string("stop_reason")
};


const ai_str_t  ai_block_names[AI_BLOCK_N] = {
    ai_string("type"),
    ai_string("text"),
    ai_string("id"),
    ai_string("name"),
    ai_string("input")
};


int
ai_translate_message(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *root)
{
    unsigned             calls, text;
    ai_value_t           members[AI_MESSAGE_N], *content;
    ai_translate_head_t  head;

    ai_value_members(root, ai_message_names, AI_MESSAGE_N, members);

    content = &members[AI_MESSAGE_CONTENT];

    if (content->type != AI_JSON_ARRAY) {
        return AI_DECLINED;
    }

    calls = ai_translate_block_count(content, &text);

    ai_translate_head_init(&head, from, &members[AI_MESSAGE_ID]);
    ai_translate_head(out, &head, from, "chat.completion");

    ai_out_cstr(out, ",\"choices\":[{\"index\":0,\"message\":"
                     "{\"role\":\"assistant\",\"content\":");

    if (calls && !text) {
        ai_out_cstr(out, "null");

    } else {
        ai_out_char(out, '"');
        ai_translate_block_texts(out, content);
        ai_out_char(out, '"');
    }

    ai_out_cstr(out, ",\"refusal\":null");

    if (calls) {
        ai_translate_block_calls(out, from, content);
    }

    ai_out_cstr(out, "},\"logprobs\":null,\"finish_reason\":\"");
    ai_out_cstr(out, ai_translate_stop_reason(&members[AI_MESSAGE_STOP],
                                              calls));
    ai_out_cstr(out, "\"}]");

    ai_translate_tail(out, from);

    return AI_OK;
}


const char *
ai_translate_stop_reason(const ai_value_t *reason, unsigned calls)
{
    if (ai_value_is(reason, "max_tokens")
        || ai_value_is(reason, "model_context_window_exceeded"))
    {
        return "length";
    }

    if (ai_value_is(reason, "refusal")) {
        return "content_filter";
    }

    /* end_turn, stop_sequence, tool_use, pause_turn */

    return calls ? "tool_calls" : "stop";
}


static unsigned
ai_translate_block_count(const ai_value_t *content, unsigned *text)
{
    unsigned    calls;
    ai_list_t   list;
    ai_value_t  block[AI_BLOCK_N];

    calls = 0;
    *text = 0;

    ai_list_init(&list, content);

    while (ai_translate_block_next(&list, block) == AI_OK) {

        if (ai_value_is(&block[AI_BLOCK_TYPE], "text")) {
            *text |= ai_value_has_text(&block[AI_BLOCK_TEXT]);

        } else {
            calls += ai_translate_block_is_call(block);
        }
    }

    return calls;
}


static void
ai_translate_block_texts(ai_out_t *out, const ai_value_t *content)
{
    uint16_t    half;
    ai_list_t   list;
    ai_value_t  block[AI_BLOCK_N];

    half = 0;
    ai_list_init(&list, content);

    while (ai_translate_block_next(&list, block) == AI_OK) {

        if (ai_value_is(&block[AI_BLOCK_TYPE], "text")) {
            ai_value_piece(out, &block[AI_BLOCK_TEXT], &half);
        }
    }

    ai_value_piece_end(out, &half);
}


static void
ai_translate_block_calls(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *content)
{
    unsigned    n;
    ai_list_t   list;
    ai_value_t  block[AI_BLOCK_N];

    n = 0;

    ai_out_cstr(out, ",\"tool_calls\":[");

    ai_list_init(&list, content);

    while (n < AI_TRANSLATE_TOOLS
           && ai_translate_block_next(&list, block) == AI_OK)
    {
        if (!ai_translate_block_is_call(block)) {
            continue;
        }

        ai_out_cstr(out, n ? ",{" : "{");
        ai_translate_call(out, from, n++, &block[AI_BLOCK_ID],
                          &block[AI_BLOCK_NAME]);
        ai_translate_arguments(out, &block[AI_BLOCK_INPUT]);
        ai_translate_call_end(out, NULL);
    }

    ai_out_char(out, ']');
}


static int
ai_translate_block_next(ai_list_t *list, ai_value_t *block)
{
    ai_value_t  v;

    if (ai_list_next(list, &v) != AI_OK) {
        return AI_DONE;
    }

    ai_value_members(&v, ai_block_names, AI_BLOCK_N, block);

    return AI_OK;
}


/* tools of the provider's own have other types */

static unsigned
ai_translate_block_is_call(const ai_value_t *block)
{
    return ai_value_is(&block[AI_BLOCK_TYPE], "tool_use")
           && ai_value_has_text(&block[AI_BLOCK_NAME]);
}
