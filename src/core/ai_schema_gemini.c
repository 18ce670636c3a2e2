
/*
 * Gemini: a body, an event and an element of the array look the same.
 */


#include "ai_schema.h"


static const ai_field_t  ai_detail_fields[] = {
    ai_field("modality", AI_OP_MODALITY, 0),
    ai_field("tokenCount", AI_OP_DETAIL, 0)
};

static const ai_node_t  ai_detail =
    ai_object(ai_detail_fields, AI_HOOK_DETAIL, 0);

static const ai_field_t  ai_detail_element = ai_element(&ai_detail);

static const ai_node_t  ai_prompt_details =
    ai_array(&ai_detail_element, AI_HOOK_DETAILS, AI_DETAIL_PROMPT);

static const ai_node_t  ai_cache_details =
    ai_array(&ai_detail_element, AI_HOOK_DETAILS, AI_DETAIL_CACHE);

static const ai_node_t  ai_candidates_details =
    ai_array(&ai_detail_element, AI_HOOK_DETAILS, AI_DETAIL_CANDIDATES);

static const ai_field_t  ai_usage_fields[] = {
    ai_field("promptTokenCount", AI_OP_STORE, AI_RAW_INPUT),
    ai_field("candidatesTokenCount", AI_OP_STORE, AI_RAW_OUTPUT),
    ai_field("responseTokenCount", AI_OP_STORE, AI_RAW_OUTPUT_TEXT),
    ai_field("totalTokenCount", AI_OP_STORE, AI_RAW_TOTAL),
    ai_field("thoughtsTokenCount", AI_OP_STORE, AI_RAW_REASONING),
    ai_field("cachedContentTokenCount", AI_OP_STORE, AI_RAW_CACHED),
    ai_field("toolUsePromptTokenCount", AI_OP_STORE, AI_RAW_TOOL_PROMPT),
    ai_field_node("promptTokensDetails", &ai_prompt_details),
    ai_field_node("promptTokenDetails", &ai_prompt_details),
    ai_field_node("cacheTokensDetails", &ai_cache_details),
    ai_field_node("candidatesTokensDetails", &ai_candidates_details),
    ai_field_node("responseTokensDetails", &ai_candidates_details),
    ai_field("serviceTier", AI_OP_TIER, 0),
    ai_field("trafficType", AI_OP_TIER, 0)
};

static const ai_node_t  ai_usage =
    ai_object(ai_usage_fields, AI_HOOK_USAGE, 3);


/* parts with "thought": true are no visible text */

static const ai_field_t  ai_part_fields[] = {
    ai_field("text", AI_OP_COUNT, AI_COUNT_PART),
    ai_field("thought", AI_OP_THOUGHT, 0)
};

static const ai_node_t  ai_part = ai_object(ai_part_fields, AI_HOOK_PART, 0);

static const ai_field_t  ai_part_element = ai_element(&ai_part);

static const ai_node_t  ai_parts = ai_array(&ai_part_element, 0, 0);

static const ai_field_t  ai_content_fields[] = {
    ai_field_node("parts", &ai_parts)
};

static const ai_node_t  ai_content = ai_object(ai_content_fields, 0, 0);

static const ai_field_t  ai_candidate_fields[] = {
    ai_field_node("content", &ai_content),
    ai_field("finishReason", AI_OP_FINISH, 0),
    ai_field("index", AI_OP_INDEX, 0)
};

static const ai_node_t  ai_candidate =
    ai_object(ai_candidate_fields, AI_HOOK_CHOICE, 0);

static const ai_field_t  ai_candidate_element = ai_element(&ai_candidate);

static const ai_node_t  ai_candidates =
    ai_array(&ai_candidate_element, AI_HOOK_CHOICES, 0);


static const ai_field_t  ai_feedback_fields[] = {
    ai_field("blockReason", AI_OP_BLOCKED, 0)
};

static const ai_node_t  ai_feedback = ai_object(ai_feedback_fields, 0, 0);

static const ai_field_t  ai_error_fields[] = {
    ai_field("status", AI_OP_ERROR_TYPE, 0),
    ai_field("code", AI_OP_ERROR_CODE, 0)
};

static const ai_node_t  ai_error =
    ai_object(ai_error_fields, AI_HOOK_ERROR, 0);

static const ai_field_t  ai_generate_fields[] = {
    ai_field_node("candidates", &ai_candidates),
    ai_field_node("promptFeedback", &ai_feedback),
    ai_field_node("usageMetadata", &ai_usage),
    ai_field("modelVersion", AI_OP_MODEL, 0),
    { "error", 5, AI_OP_ERROR, 0, &ai_error }
};

/* embeddings have nothing but the usage, if that */

static const ai_node_t  ai_generate = ai_object(ai_generate_fields, 0, 0);


const ai_node_t *
ai_schema_gemini(ai_endpoint_t ep, ai_body_t body)
{
    (void) body;

    return (ep == AI_EP_COUNT_TOKENS) ? NULL : &ai_generate;
}
