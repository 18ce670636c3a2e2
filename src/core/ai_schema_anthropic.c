
/*
 * Anthropic's Messages.
 */


#include "ai_schema.h"


/* usage.iterations[]: each with its own counts, perhaps on another model */

static const ai_field_t  ai_pass_write_fields[] = {
    ai_field("ephemeral_1h_input_tokens", AI_OP_SUB_STORE, AI_PART_WRITE_1H)
};

static const ai_node_t  ai_pass_write = ai_object(ai_pass_write_fields, 0, 0);

static const ai_field_t  ai_pass_fields[] = {
    ai_field("input_tokens", AI_OP_SUB_STORE, AI_PART_INPUT),
    ai_field("output_tokens", AI_OP_SUB_STORE, AI_PART_OUTPUT),
    ai_field("cache_read_input_tokens", AI_OP_SUB_STORE, AI_PART_READ),
    ai_field("cache_creation_input_tokens", AI_OP_SUB_STORE, AI_PART_WRITE),
    ai_field_node("cache_creation", &ai_pass_write),
    ai_field("type", AI_OP_SUB_KIND, 0),
    ai_field("model", AI_OP_SUB_MODEL, 0)
};

static const ai_node_t  ai_pass =
    ai_object(ai_pass_fields, AI_HOOK_SUB, AI_SUB_MESSAGE);

static const ai_field_t  ai_pass_element = ai_element(&ai_pass);

static const ai_node_t  ai_passes =
    ai_array(&ai_pass_element, AI_HOOK_SUBS, 0);


static const ai_field_t  ai_write_fields[] = {
    ai_field("ephemeral_1h_input_tokens", AI_OP_STORE, AI_RAW_WRITE_1H)
};

static const ai_node_t  ai_write =
    ai_object(ai_write_fields, AI_HOOK_WRITES, 0);

static const ai_field_t  ai_output_fields[] = {
    ai_field("thinking_tokens", AI_OP_STORE, AI_RAW_REASONING)
};

static const ai_node_t  ai_output = ai_object(ai_output_fields, 0, 0);

static const ai_field_t  ai_server_fields[] = {
    ai_field("web_search_requests", AI_OP_STORE, AI_RAW_SEARCHES),
    ai_field("web_fetch_requests", AI_OP_STORE, AI_RAW_FETCHES)
};

static const ai_node_t  ai_server = ai_object(ai_server_fields, 0, 0);

static const ai_field_t  ai_usage_fields[] = {
    ai_field("input_tokens", AI_OP_STORE, AI_RAW_INPUT),
    ai_field("cache_read_input_tokens", AI_OP_STORE, AI_RAW_CACHED),
    ai_field("cache_creation_input_tokens", AI_OP_STORE, AI_RAW_WRITE),
    ai_field_node("cache_creation", &ai_write),
    ai_field("output_tokens", AI_OP_STORE, AI_RAW_OUTPUT),
    ai_field_node("output_tokens_details", &ai_output),
    ai_field_node("server_tool_use", &ai_server),
    ai_field("service_tier", AI_OP_TIER, 0),
    ai_field("speed", AI_OP_SPEED, 0),
    ai_field_node("iterations", &ai_passes),
    ai_field("cost", AI_OP_COST, 0)
};

/* the start's numbers stand until a delta's replace them, in groups */

static const ai_node_t  ai_usage_start =
    ai_object(ai_usage_fields, AI_HOOK_USAGE, 1);

static const ai_node_t  ai_usage_delta =
    ai_object(ai_usage_fields, AI_HOOK_USAGE, 4);

static const ai_node_t  ai_usage_body =
    ai_object(ai_usage_fields, AI_HOOK_USAGE, 3);


static const ai_field_t  ai_block_fields[] = {
    ai_field("text", AI_OP_COUNT, AI_COUNT_TEXT),
    ai_field("partial_json", AI_OP_COUNT, AI_COUNT_ARGUMENTS),
    ai_field("thinking", AI_OP_COUNT, AI_COUNT_HIDDEN),
    ai_field("stop_reason", AI_OP_FINISH, 0)
};

static const ai_node_t  ai_block = ai_object(ai_block_fields, 0, 0);

static const ai_field_t  ai_block_element = ai_element(&ai_block);

static const ai_node_t  ai_blocks = ai_array(&ai_block_element, 0, 0);


static const ai_field_t  ai_start_fields[] = {
    ai_field("model", AI_OP_MODEL, 0),
    ai_field_node("usage", &ai_usage_start)
};

static const ai_node_t  ai_start = ai_object(ai_start_fields, 0, 0);

static const ai_field_t  ai_error_fields[] = {
    ai_field("type", AI_OP_ERROR_TYPE, 0)
};

static const ai_node_t  ai_error =
    ai_object(ai_error_fields, AI_HOOK_ERROR, 0);


static const ai_field_t  ai_message_event_fields[] = {
    ai_field("type", AI_OP_TYPE, 0),
    ai_field_node("delta", &ai_block),
    ai_field_node("content_block", &ai_block),
    ai_field_node("message", &ai_start),
    ai_field_node("usage", &ai_usage_delta),
    { "error", 5, AI_OP_ERROR, 0, &ai_error }
};

static const ai_node_t  ai_message_event =
    ai_object(ai_message_event_fields, 0, 0);

static const ai_field_t  ai_message_fields[] = {
    ai_field("type", AI_OP_TYPE, 0),
    ai_field("model", AI_OP_MODEL, 0),
    ai_field_node("content", &ai_blocks),
    ai_field("stop_reason", AI_OP_FINISH, 0),
    ai_field_node("usage", &ai_usage_body),
    { "error", 5, AI_OP_ERROR, 0, &ai_error }
};

static const ai_node_t  ai_message = ai_object(ai_message_fields, 0, 0);


const ai_node_t *
ai_schema_anthropic(ai_endpoint_t ep, ai_body_t body)
{
    if (ep != AI_EP_MESSAGES) {
        return NULL;
    }

    return (body == AI_BODY_SSE) ? &ai_message_event : &ai_message;
}
