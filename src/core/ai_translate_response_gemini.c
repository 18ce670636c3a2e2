
/*
 * A whole answer of Gemini's, and the parts that its streams have too.
 */


#include "ai_translate_answer.h"


static void ai_translate_choice(ai_out_t *out,
    const ai_translate_from_t *from, const ai_value_t *candidate,
    unsigned place, uint8_t *ncalls);


const ai_str_t  ai_gemini_names[AI_GEMINI_N] = {
    ai_string("candidates"),
    ai_string("promptFeedback"),
    ai_string("usageMetadata"),
    ai_string("responseId"),
    ai_string("error")
};

enum {
    AI_CANDIDATE_CONTENT = 0,
    AI_CANDIDATE_REASON,
    AI_CANDIDATE_INDEX,
    AI_CANDIDATE_N
};

static const ai_str_t  ai_candidate_names[AI_CANDIDATE_N] = {
    ai_string("content"),
    ai_string("finishReason"),
    ai_string("index")
};

static const ai_str_t  ai_content_name = ai_string("parts");
static const ai_str_t  ai_feedback_name = ai_string("blockReason");

enum {
    AI_PIECE_TEXT = 0,
    AI_PIECE_THOUGHT,
    AI_PIECE_CALL,
    AI_PIECE_SIGNATURE,
    AI_PIECE_N
};

static const ai_str_t  ai_piece_names[AI_PIECE_N] = {
    ai_string("text"),
    ai_string("thought"),
    ai_string("functionCall"),
    ai_string("thoughtSignature")
};

enum {
    AI_CALL_NAME = 0,
    AI_CALL_ARGS,
    AI_CALL_ID,
    AI_CALL_N
};

static const ai_str_t  ai_call_names[AI_CALL_N] = {
    ai_string("name"),
    ai_string("args"),
    ai_string("id")
};


int
ai_translate_candidates(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *root)
{
    uint8_t              ncalls;
    unsigned             n, indexed;
    ai_list_t            list;
    ai_value_t           members[AI_GEMINI_N], candidate;
    ai_translate_head_t  head;

    ai_value_members(root, ai_gemini_names, AI_GEMINI_N, members);

    if (members[AI_GEMINI_CANDIDATES].type != AI_JSON_ARRAY
        && members[AI_GEMINI_FEEDBACK].type != AI_JSON_OBJECT
        && members[AI_GEMINI_USAGE].type != AI_JSON_OBJECT)
    {
        return AI_DECLINED;
    }

    ai_translate_head_init(&head, from, &members[AI_GEMINI_ID]);
    ai_translate_head(out, &head, from, "chat.completion");

    ai_out_cstr(out, ",\"choices\":[");

    indexed = ai_translate_indexed(&members[AI_GEMINI_CANDIDATES]);
    ai_list_init(&list, &members[AI_GEMINI_CANDIDATES]);

    for (n = 0, ncalls = 0;
         n < AI_TRANSLATE_CHOICES_MAX
         && ai_list_next(&list, &candidate) == AI_OK;
         n++)
    {
        if (n) {
            ai_out_char(out, ',');
        }

        ai_translate_choice(out, from, &candidate, indexed ? 0 : n,
                            &ncalls);
    }

    if (n == 0) {
        ai_out_cstr(out, "{\"index\":0,\"message\":{\"role\":\"assistant\","
                         "\"content\":\"\",\"refusal\":null},"
                         "\"logprobs\":null,\"finish_reason\":\"");
        ai_out_cstr(out, ai_translate_blocked(&members[AI_GEMINI_FEEDBACK])
                         ? "content_filter\"}" : "stop\"}");
    }

    ai_out_char(out, ']');

    ai_translate_tail(out, from);

    return AI_OK;
}


unsigned
ai_translate_blocked(const ai_value_t *feedback)
{
    ai_value_t  reason;

    ai_value_members(feedback, &ai_feedback_name, 1, &reason);

    return ai_value_has_text(&reason);
}


static void
ai_translate_choice(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *candidate, unsigned place, uint8_t *ncalls)
{
    uint16_t    half;
    uint64_t    index;
    unsigned    calls, text;
    ai_value_t  parts, reason;

    half = 0;
    index = place;

    ai_translate_candidate(candidate, &parts, &reason, &index);

    calls = ai_translate_part_count(&parts, &text);

    ai_out_cstr(out, "{\"index\":");
    ai_out_uint(out, index);
    ai_out_cstr(out, ",\"message\":{\"role\":\"assistant\",\"content\":");

    if (calls && !text) {
        ai_out_cstr(out, "null");

    } else {
        ai_out_char(out, '"');
        ai_translate_part_texts(out, &parts, &half);
        ai_value_piece_end(out, &half);
        ai_out_char(out, '"');
    }

    ai_out_cstr(out, ",\"refusal\":null");

    if (calls) {
        ai_out_char(out, ',');
        ai_translate_part_calls(out, from, &parts, ncalls, NULL);
    }

    ai_out_cstr(out, "},\"logprobs\":null,\"finish_reason\":\"");
    ai_out_cstr(out, ai_translate_finish_reason(&reason, calls));
    ai_out_cstr(out, "\"}");
}


void
ai_translate_candidate(const ai_value_t *v, ai_value_t *parts,
    ai_value_t *reason, uint64_t *index)
{
    uint64_t    n;
    ai_value_t  members[AI_CANDIDATE_N];

    ai_value_members(v, ai_candidate_names, AI_CANDIDATE_N, members);
    ai_value_members(&members[AI_CANDIDATE_CONTENT], &ai_content_name, 1,
                     parts);

    *reason = members[AI_CANDIDATE_REASON];

    if (ai_value_count(&members[AI_CANDIDATE_INDEX], &n) == AI_OK) {
        *index = n;
    }
}


unsigned
ai_translate_indexed(const ai_value_t *candidates)
{
    ai_list_t   list;
    ai_value_t  v, members[AI_CANDIDATE_N];

    ai_list_init(&list, candidates);

    while (ai_list_next(&list, &v) == AI_OK) {
        ai_value_members(&v, ai_candidate_names, AI_CANDIDATE_N, members);

        if (members[AI_CANDIDATE_INDEX].type) {
            return 1;
        }
    }

    return 0;
}


const char *
ai_translate_finish_reason(const ai_value_t *reason, unsigned calls)
{
    unsigned  i;

    static const char *const  filtered[] = {
        "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT",
        "SPII", "MODEL_ARMOR", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION"
    };

    if (ai_value_is(reason, "MAX_TOKENS")
        || ai_value_is(reason, "CONTINUATION"))
    {
        return "length";
    }

    for (i = 0; i < sizeof(filtered) / sizeof(filtered[0]); i++) {

        if (ai_value_is(reason, filtered[i])) {
            return "content_filter";
        }
    }

    /* STOP, and what went wrong in the model itself */

    return calls ? "tool_calls" : "stop";
}


ai_gemini_kind_t
ai_translate_part(const ai_value_t *v, ai_gemini_part_t *part)
{
    ai_value_t  members[AI_PIECE_N], call[AI_CALL_N];

    ai_value_members(v, ai_piece_names, AI_PIECE_N, members);

    if (members[AI_PIECE_CALL].type == AI_JSON_OBJECT) {
        ai_value_members(&members[AI_PIECE_CALL], ai_call_names, AI_CALL_N,
                         call);

        part->name = call[AI_CALL_NAME];
        part->args = call[AI_CALL_ARGS];
        part->id = call[AI_CALL_ID];
        part->signature = members[AI_PIECE_SIGNATURE];

        return ai_value_has_text(&part->name) ? AI_GEMINI_CALL
                                              : AI_GEMINI_OTHER;
    }

    part->text = members[AI_PIECE_TEXT];

    return (ai_value_has_text(&part->text)
            && members[AI_PIECE_THOUGHT].type != AI_JSON_TRUE)
           ? AI_GEMINI_TEXT : AI_GEMINI_OTHER;
}


unsigned
ai_translate_part_count(const ai_value_t *parts, unsigned *text)
{
    unsigned          calls;
    ai_list_t         list;
    ai_value_t        v;
    ai_gemini_part_t  part;

    calls = 0;
    *text = 0;

    ai_list_init(&list, parts);

    while (ai_list_next(&list, &v) == AI_OK) {

        switch (ai_translate_part(&v, &part)) {

        case AI_GEMINI_TEXT:
            *text = 1;
            break;

        case AI_GEMINI_CALL:
            calls++;
            break;

        default:
            break;
        }
    }

    return calls;
}


void
ai_translate_part_texts(ai_out_t *out, const ai_value_t *parts,
    uint16_t *half)
{
    ai_list_t         list;
    ai_value_t        v;
    ai_gemini_part_t  part;

    ai_list_init(&list, parts);

    while (ai_list_next(&list, &v) == AI_OK) {

        if (ai_translate_part(&v, &part) == AI_GEMINI_TEXT) {
            ai_value_piece(out, &part.text, half);
        }
    }
}


void
ai_translate_part_calls(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *parts, uint8_t *ncalls, uint8_t *place)
{
    unsigned          n;
    ai_list_t         list;
    ai_value_t        v;
    ai_gemini_part_t  part;

    ai_out_cstr(out, "\"tool_calls\":[");

    ai_list_init(&list, parts);
    n = 0;

    while (*ncalls < AI_TRANSLATE_TOOLS && ai_list_next(&list, &v) == AI_OK) {

        if (ai_translate_part(&v, &part) != AI_GEMINI_CALL) {
            continue;
        }

        ai_out_cstr(out, n++ ? ",{" : "{");

        if (place) {
            ai_out_cstr(out, "\"index\":");
            ai_out_uint(out, (*place)++);
            ai_out_char(out, ',');
        }

        ai_translate_call(out, from, (*ncalls)++, &part.id, &part.name);
        ai_translate_arguments(out, &part.args);
        ai_translate_call_end(out, &part.signature);
    }

    ai_out_char(out, ']');
}
