
/*
 * OpenAI's answers, and what its compatibles add to them.
 */


#include "ai_schema.h"


/* {"error": {...}}, {"error": "..."} */

static const ai_field_t  ai_error_fields[] = {
    ai_field("code", AI_OP_ERROR_CODE, 0),
    ai_field("type", AI_OP_ERROR_TYPE, 0),
    ai_field("status", AI_OP_ERROR_TYPE, 0)
};

static const ai_node_t  ai_error_node =
    ai_object(ai_error_fields, AI_HOOK_ERROR, 0);

#define ai_field_error  { "error", 5, AI_OP_ERROR, 0, &ai_error_node }

const ai_field_t  ai_schema_error = ai_field_error;


/* usage: the names of Chat, Completions and Embeddings */

static const ai_field_t  ai_search_fields[] = {
    ai_field("web_search_requests", AI_OP_STORE, AI_RAW_SEARCHES)
};

static const ai_node_t  ai_search = ai_object(ai_search_fields, 0, 0);

static const ai_field_t  ai_cost_fields[] = {
    ai_field("total_cost", AI_OP_COST, 0)
};

static const ai_node_t  ai_cost = ai_object(ai_cost_fields, 0, 0);

#define ai_field_charges                                                     \
    { "cost", 4, AI_OP_COST, 0, &ai_cost },                                  \
    ai_field("cost_in_usd_ticks", AI_OP_TICKS, 0),                           \
    ai_field("service_tier", AI_OP_TIER, 0),                                 \
    ai_field_node("server_tool_use_details", &ai_search)

static const ai_field_t  ai_write_fields[] = {
    ai_field("ttl_30m_tokens", AI_OP_STORE, AI_RAW_WRITE_30M),
    ai_field("ttl_12h_tokens", AI_OP_STORE, AI_RAW_WRITE_12H)
};

static const ai_node_t  ai_write = ai_object(ai_write_fields, 0, 0);

static const ai_field_t  ai_input_fields[] = {
    ai_field("cached_tokens", AI_OP_STORE, AI_RAW_CACHED),
    ai_field("cache_write_tokens", AI_OP_STORE, AI_RAW_WRITE),
    ai_field_node("cache_write_tokens_details", &ai_write),
    ai_field("audio_tokens", AI_OP_STORE, AI_RAW_INPUT_AUDIO),
    ai_field("image_tokens", AI_OP_STORE, AI_RAW_INPUT_IMAGE)
};

static const ai_node_t  ai_input = ai_object(ai_input_fields, 0, 0);

static const ai_field_t  ai_output_fields[] = {
    ai_field("reasoning_tokens", AI_OP_STORE, AI_RAW_REASONING),
    ai_field("audio_tokens", AI_OP_STORE, AI_RAW_OUTPUT_AUDIO),
    ai_field("text_tokens", AI_OP_STORE, AI_RAW_OUTPUT_TEXT)
};

static const ai_node_t  ai_output = ai_object(ai_output_fields, 0, 0);

static const ai_field_t  ai_chat_usage_fields[] = {
    ai_field("prompt_tokens", AI_OP_STORE, AI_RAW_INPUT),
    ai_field("completion_tokens", AI_OP_STORE, AI_RAW_OUTPUT),
    ai_field("total_tokens", AI_OP_STORE, AI_RAW_TOTAL),
    ai_field_node("prompt_tokens_details", &ai_input),
    ai_field_node("completion_tokens_details", &ai_output),
    ai_field("prompt_cache_hit_tokens", AI_OP_STORE, AI_RAW_CACHED_HIT),
    ai_field("cached_tokens", AI_OP_STORE, AI_RAW_CACHED_TOP),
    ai_field("num_cached_tokens", AI_OP_STORE, AI_RAW_CACHED_NUM),
    ai_field_charges
};

/* found in several places of a chunk, the last one goes before the others */

static const ai_node_t  ai_chat_usage =
    ai_object(ai_chat_usage_fields, AI_HOOK_USAGE, 3);

static const ai_node_t  ai_groq_usage =
    ai_object(ai_chat_usage_fields, AI_HOOK_USAGE, 2);

static const ai_node_t  ai_choice_usage =
    ai_object(ai_chat_usage_fields, AI_HOOK_USAGE, 1);

static const ai_field_t  ai_groq_fields[] = {
    ai_field_node("usage", &ai_groq_usage)
};

static const ai_node_t  ai_groq = ai_object(ai_groq_fields, 0, 0);


/* choices[].delta or .message */

static const ai_field_t  ai_content_part_fields[] = {
    ai_field("text", AI_OP_COUNT, AI_COUNT_TEXT)
};

static const ai_node_t  ai_content_part =
    ai_object(ai_content_part_fields, 0, 0);

static const ai_field_t  ai_content_part_element =
    ai_element(&ai_content_part);

static const ai_node_t  ai_content = ai_array(&ai_content_part_element, 0, 0);

static const ai_field_t  ai_function_fields[] = {
    ai_field("arguments", AI_OP_COUNT, AI_COUNT_ARGUMENTS),
    ai_field("input", AI_OP_COUNT, AI_COUNT_ARGUMENTS)
};

static const ai_node_t  ai_function = ai_object(ai_function_fields, 0, 0);

static const ai_field_t  ai_call_fields[] = {
    ai_field_node("function", &ai_function),
    ai_field_node("custom", &ai_function)
};

static const ai_node_t  ai_call = ai_object(ai_call_fields, 0, 0);

static const ai_field_t  ai_call_element = ai_element(&ai_call);

static const ai_node_t  ai_calls = ai_array(&ai_call_element, 0, 0);

static const ai_field_t  ai_audio_fields[] = {
    ai_field("transcript", AI_OP_COUNT, AI_COUNT_TEXT)
};

static const ai_node_t  ai_audio = ai_object(ai_audio_fields, 0, 0);

static const ai_field_t  ai_delta_fields[] = {
    { "content", 7, AI_OP_COUNT, AI_COUNT_TEXT, &ai_content },
    ai_field("refusal", AI_OP_COUNT, AI_COUNT_TEXT),
    ai_field_node("tool_calls", &ai_calls),
    ai_field_node("function_call", &ai_function),
    ai_field("reasoning_content", AI_OP_COUNT, AI_COUNT_HIDDEN),
    ai_field("reasoning", AI_OP_COUNT, AI_COUNT_HIDDEN_TWIN),
    ai_field_node("audio", &ai_audio)
};

static const ai_node_t  ai_delta = ai_object(ai_delta_fields, 0, 0);

static const ai_field_t  ai_choice_fields[] = {
    ai_field("index", AI_OP_INDEX, 0),
    ai_field_node("delta", &ai_delta),
    ai_field_node("message", &ai_delta),
    ai_field("finish_reason", AI_OP_FINISH, 0),
    ai_field_node("usage", &ai_choice_usage)
};

static const ai_node_t  ai_choice =
    ai_object(ai_choice_fields, AI_HOOK_CHOICE, 0);

static const ai_field_t  ai_choice_element = ai_element(&ai_choice);

static const ai_node_t  ai_choices =
    ai_array(&ai_choice_element, AI_HOOK_CHOICES, 0);


/* Together's chunks have the same text also in choices[].text */

static const ai_field_t  ai_text_choice_fields[] = {
    ai_field("text", AI_OP_COUNT, AI_COUNT_TEXT),
    ai_field("index", AI_OP_INDEX, 0),
    ai_field("finish_reason", AI_OP_FINISH, 0),
    ai_field_node("usage", &ai_choice_usage)
};

static const ai_node_t  ai_text_choice =
    ai_object(ai_text_choice_fields, AI_HOOK_CHOICE, 0);

static const ai_field_t  ai_text_choice_element = ai_element(&ai_text_choice);

static const ai_node_t  ai_text_choices =
    ai_array(&ai_text_choice_element, AI_HOOK_CHOICES, 0);


/* code and type count only where "object" is "error" */

#define ai_field_chat                                                        \
    ai_field("object", AI_OP_OBJECT, 0),                                     \
    ai_field("model", AI_OP_MODEL, 0),                                       \
    ai_field("service_tier", AI_OP_TIER, 0),                                 \
    ai_field_node("usage", &ai_chat_usage),                                  \
    ai_field_node("x_groq", &ai_groq),                                       \
    ai_field("code", AI_OP_ERROR_CODE, 0),                                   \
    ai_field("type", AI_OP_ERROR_TYPE, 0),                                   \
    ai_field_error

static const ai_field_t  ai_chat_fields[] = {
    ai_field_node("choices", &ai_choices),
    ai_field_chat
};

static const ai_node_t  ai_chat = ai_object(ai_chat_fields, 0, 0);

static const ai_field_t  ai_completion_fields[] = {
    ai_field_node("choices", &ai_text_choices),
    ai_field_chat
};

static const ai_node_t  ai_completion = ai_object(ai_completion_fields, 0, 0);

static const ai_field_t  ai_list_fields[] = {
    ai_field_chat
};

static const ai_node_t  ai_list = ai_object(ai_list_fields, 0, 0);


/* usage: the names of Responses, Images, Transcriptions and Speech */

static const ai_field_t  ai_response_usage_fields[] = {
    ai_field("input_tokens", AI_OP_STORE, AI_RAW_INPUT),
    ai_field("output_tokens", AI_OP_STORE, AI_RAW_OUTPUT),
    ai_field("total_tokens", AI_OP_STORE, AI_RAW_TOTAL),
    ai_field_node("input_tokens_details", &ai_input),
    ai_field_node("input_token_details", &ai_input),
    ai_field_node("output_tokens_details", &ai_output),
    ai_field("seconds", AI_OP_SECONDS, 0),
    ai_field_charges
};

static const ai_node_t  ai_response_usage =
    ai_object(ai_response_usage_fields, AI_HOOK_USAGE, 3);


/* tool_usage, and the models of the tools */

static const ai_field_t  ai_tool_input_fields[] = {
    ai_field("image_tokens", AI_OP_SUB_STORE, AI_PART_INPUT_IMAGE)
};

static const ai_node_t  ai_tool_input = ai_object(ai_tool_input_fields, 0, 0);

static const ai_field_t  ai_tool_output_fields[] = {
    ai_field("text_tokens", AI_OP_SUB_STORE, AI_PART_OUTPUT_TEXT)
};

static const ai_node_t  ai_tool_output =
    ai_object(ai_tool_output_fields, 0, 0);

static const ai_field_t  ai_image_tool_fields[] = {
    ai_field("input_tokens", AI_OP_SUB_STORE, AI_PART_INPUT),
    ai_field("output_tokens", AI_OP_SUB_STORE, AI_PART_OUTPUT),
    ai_field_node("input_tokens_details", &ai_tool_input),
    ai_field_node("output_tokens_details", &ai_tool_output)
};

static const ai_node_t  ai_image_tool =
    ai_object(ai_image_tool_fields, AI_HOOK_SUB, AI_SUB_IMAGE_GENERATION);

static const ai_field_t  ai_search_tool_fields[] = {
    ai_field("num_requests", AI_OP_STORE, AI_RAW_TOOL_SEARCHES)
};

static const ai_node_t  ai_search_tool =
    ai_object(ai_search_tool_fields, 0, 0);

static const ai_field_t  ai_tool_usage_fields[] = {
    ai_field_node("image_gen", &ai_image_tool),
    ai_field_node("web_search", &ai_search_tool)
};

static const ai_node_t  ai_tool_usage = ai_object(ai_tool_usage_fields, 0, 0);

static const ai_field_t  ai_tool_fields[] = {
    ai_field("type", AI_OP_SUB_KIND, 0),
    ai_field("model", AI_OP_SUB_MODEL, 0)
};

static const ai_node_t  ai_tool =
    ai_object(ai_tool_fields, AI_HOOK_SUB, AI_SUB_ODD);

static const ai_field_t  ai_tool_element = ai_element(&ai_tool);

static const ai_node_t  ai_tools = ai_array(&ai_tool_element, 0, 0);


/* a response: in a body at the top, in an event under "response" */

static const ai_field_t  ai_incomplete_fields[] = {
    ai_field("reason", AI_OP_REASON, 0)
};

static const ai_node_t  ai_incomplete = ai_object(ai_incomplete_fields, 0, 0);

#define ai_field_response                                                    \
    ai_field("model", AI_OP_MODEL, 0),                                       \
    ai_field("status", AI_OP_STATUS, 0),                                     \
    ai_field_node("incomplete_details", &ai_incomplete),                     \
    ai_field("service_tier", AI_OP_TIER, 0),                                 \
    ai_field_node("usage", &ai_response_usage),                              \
    ai_field_node("tool_usage", &ai_tool_usage),                             \
    ai_field_node("tools", &ai_tools),                                       \
    ai_field_error

static const ai_field_t  ai_event_response_fields[] = {
    ai_field_response
};

static const ai_node_t  ai_event_response =
    ai_object(ai_event_response_fields, 0, 0);

static const ai_field_t  ai_response_event_fields[] = {
    ai_field("type", AI_OP_TYPE, 0),
    ai_field("delta", AI_OP_COUNT, AI_COUNT_DELTA),
    ai_field("code", AI_OP_ERROR_CODE, 0),
    ai_field_node("response", &ai_event_response),
    ai_field_error
};

static const ai_node_t  ai_response_event =
    ai_object(ai_response_event_fields, 0, 0);

static const ai_field_t  ai_item_part_fields[] = {
    ai_field("text", AI_OP_COUNT, AI_COUNT_PART),
    ai_field("type", AI_OP_PART_TYPE, 0),
    ai_field("refusal", AI_OP_COUNT, AI_COUNT_TEXT)
};

static const ai_node_t  ai_item_part =
    ai_object(ai_item_part_fields, AI_HOOK_PART, 0);

static const ai_field_t  ai_item_part_element = ai_element(&ai_item_part);

static const ai_node_t  ai_item_content =
    ai_array(&ai_item_part_element, 0, 0);

static const ai_field_t  ai_item_fields[] = {
    ai_field_node("content", &ai_item_content),
    ai_field("arguments", AI_OP_COUNT, AI_COUNT_ARGUMENTS),
    ai_field("input", AI_OP_COUNT, AI_COUNT_ARGUMENTS)
};

static const ai_node_t  ai_item = ai_object(ai_item_fields, 0, 0);

static const ai_field_t  ai_item_element = ai_element(&ai_item);

static const ai_node_t  ai_items = ai_array(&ai_item_element, 0, 0);

static const ai_field_t  ai_response_fields[] = {
    ai_field_node("output", &ai_items),
    ai_field_response
};

static const ai_node_t  ai_response = ai_object(ai_response_fields, 0, 0);


/* images, audio */

static const ai_field_t  ai_svg_fields[] = {
    ai_field("input_tokens", AI_OP_SUB_STORE, AI_PART_INPUT),
    ai_field("output_tokens", AI_OP_SUB_STORE, AI_PART_OUTPUT),
    ai_field("model", AI_OP_SUB_MODEL, 0)
};

static const ai_node_t  ai_svg =
    ai_object(ai_svg_fields, AI_HOOK_SUB, AI_SUB_SVG);

static const ai_node_t  ai_image = { NULL, 0, AI_HOOK_IMAGE, 0, NULL };

static const ai_field_t  ai_image_element = ai_element(&ai_image);

static const ai_node_t  ai_images =
    ai_array(&ai_image_element, AI_HOOK_IMAGES, 0);

static const ai_field_t  ai_media_fields[] = {
    ai_field("type", AI_OP_TYPE, 0),
    ai_field("model", AI_OP_MODEL, 0),
    ai_field("service_tier", AI_OP_TIER, 0),
    ai_field_node("usage", &ai_response_usage),
    ai_field_node("svg_usage", &ai_svg),
    ai_field_node("data", &ai_images),
    ai_field("code", AI_OP_ERROR_CODE, 0),
    ai_field_error
};

static const ai_node_t  ai_media = ai_object(ai_media_fields, 0, 0);

static const ai_field_t  ai_transcript_event_fields[] = {
    ai_field("type", AI_OP_TYPE, 0),
    ai_field("delta", AI_OP_COUNT, AI_COUNT_DELTA),
    ai_field_node("usage", &ai_response_usage),
    ai_field("code", AI_OP_ERROR_CODE, 0),
    ai_field_error
};

static const ai_node_t  ai_transcript_event =
    ai_object(ai_transcript_event_fields, 0, 0);

static const ai_field_t  ai_transcript_fields[] = {
    ai_field("text", AI_OP_COUNT, AI_COUNT_TEXT),
    ai_field("model", AI_OP_MODEL, 0),
    ai_field_node("usage", &ai_response_usage),
    ai_field_error
};

static const ai_node_t  ai_transcript = ai_object(ai_transcript_fields, 0, 0);


const ai_node_t *
ai_schema_openai(ai_endpoint_t ep, ai_body_t body)
{
    switch (ep) {

    case AI_EP_CHAT:
        return &ai_chat;

    case AI_EP_COMPLETIONS:
        return &ai_completion;

    case AI_EP_RESPONSES:
        return (body == AI_BODY_SSE) ? &ai_response_event : &ai_response;

    case AI_EP_IMAGES:
    case AI_EP_SPEECH:
        return &ai_media;

    case AI_EP_TRANSCRIPTIONS:
    case AI_EP_TRANSLATIONS:
        return (body == AI_BODY_SSE) ? &ai_transcript_event : &ai_transcript;

    default: /* embeddings, moderations */
        return &ai_list;
    }
}


#define ai_event(type, event)  { type, sizeof(type) - 1, event }

static const struct {
    const char  *type;
    uint8_t      len;
    uint8_t      event;
} ai_events[] = {
    ai_event("response.output_text.delta", AI_EVENT_TEXT),
    ai_event("response.refusal.delta", AI_EVENT_TEXT),
    ai_event("response.audio.transcript.delta", AI_EVENT_TEXT),
    ai_event("response.function_call_arguments.delta", AI_EVENT_ARGUMENTS),
    ai_event("response.custom_tool_call_input.delta", AI_EVENT_ARGUMENTS),
    ai_event("response.mcp_call_arguments.delta", AI_EVENT_ARGUMENTS),
    ai_event("response.code_interpreter_call_code.delta",
             AI_EVENT_ARGUMENTS),
    ai_event("response.reasoning_text.delta", AI_EVENT_HIDDEN),
    ai_event("response.reasoning_summary_text.delta", AI_EVENT_HIDDEN),
    ai_event("response.completed", AI_EVENT_END),
    ai_event("response.incomplete", AI_EVENT_END),
    ai_event("response.failed", AI_EVENT_FAILED),
    ai_event("transcript.text.delta", AI_EVENT_TEXT),
    ai_event("transcript.text.done", AI_EVENT_END),
    ai_event("speech.audio.done", AI_EVENT_END),
    ai_event("image_generation.completed", AI_EVENT_END),
    ai_event("image_edit.completed", AI_EVENT_END),
    ai_event("message_stop", AI_EVENT_END),
    ai_event("error", AI_EVENT_ERROR)
};


ai_event_t
ai_schema_event(const ai_char *type, size_t len)
{
    size_t  i;

    for (i = 0; i < sizeof(ai_events) / sizeof(ai_events[0]); i++) {

        if (ai_events[i].len == len
            && memcmp(ai_events[i].type, type, len) == 0)
        {
            return ai_events[i].event;
        }
    }

    return AI_EVENT_NONE;
}
