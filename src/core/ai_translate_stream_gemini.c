
/*
 * The events of Gemini's streams: each a small answer of its own.
 */


#include "ai_translate_answer.h"


static void ai_translate_chunk_candidate(ai_translate_stream_t *t,
    ai_out_t *out, const ai_value_t *candidate, unsigned place,
    const ai_value_t *id);


int
ai_translate_event_candidates(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *root)
{
    unsigned    n, indexed;
    ai_list_t   list;
    ai_value_t  members[AI_GEMINI_N], candidate;

    ai_value_members(root, ai_gemini_names, AI_GEMINI_N, members);

    if (members[AI_GEMINI_ERROR].type == AI_JSON_OBJECT) {
        ai_translate_chunk_error(t, out, root);
        return AI_OK;
    }

    if (members[AI_GEMINI_CANDIDATES].type != AI_JSON_ARRAY
        && members[AI_GEMINI_FEEDBACK].type != AI_JSON_OBJECT
        && members[AI_GEMINI_USAGE].type != AI_JSON_OBJECT)
    {
        return AI_DECLINED;
    }

    indexed = ai_translate_indexed(&members[AI_GEMINI_CANDIDATES]);
    ai_list_init(&list, &members[AI_GEMINI_CANDIDATES]);

    for (n = 0;
         n < AI_TRANSLATE_CHOICES && ai_list_next(&list, &candidate) == AI_OK;
         n++)
    {
        ai_translate_chunk_candidate(t, out, &candidate, indexed ? 0 : n,
                                     &members[AI_GEMINI_ID]);
    }

    if (n == 0 && ai_translate_blocked(&members[AI_GEMINI_FEEDBACK])) {
        ai_translate_chunk_role(t, out, 0, &members[AI_GEMINI_ID]);
        t->reason[0] = "content_filter";
    }

    return AI_OK;
}


static void
ai_translate_chunk_candidate(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *candidate, unsigned place, const ai_value_t *id)
{
    unsigned    calls, text;
    uint64_t    index;
    ai_value_t  parts, reason;

    index = place;

    ai_translate_candidate(candidate, &parts, &reason, &index);

    if (index >= AI_TRANSLATE_CHOICES) {
        return;
    }

    ai_translate_chunk_role(t, out, (unsigned) index, id);

    calls = ai_translate_part_count(&parts, &text);

    if (text) {
        ai_translate_chunk(t, out, (unsigned) index);
        ai_out_cstr(out, "\"content\":\"");
        ai_translate_part_texts(out, &parts, &t->half[index]);
        ai_out_char(out, '"');
        ai_translate_chunk_end(t, out, NULL);
    }

    if (calls && t->ncalls < AI_TRANSLATE_TOOLS) {
        ai_translate_chunk(t, out, (unsigned) index);
        ai_translate_part_calls(out, &t->from, &parts, &t->ncalls,
                                &t->calls[index]);
        ai_translate_chunk_end(t, out, NULL);
    }

    /* some models say STOP with each event: only the last one counts */

    if (ai_value_has_text(&reason)
        && !ai_value_is(&reason, "FINISH_REASON_UNSPECIFIED"))
    {
        t->reason[index] = ai_translate_finish_reason(&reason, 0);
    }
}
