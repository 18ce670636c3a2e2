
/*
 * Streams of other dialects as OpenAI's chunks: what does not depend on the
 * dialect.
 */


#include "ai_translate_answer.h"


_Static_assert(sizeof(ai_translate_stream_t) <= 2048, "one in every stream");


static const ai_value_t  ai_translate_none;


void
ai_translate_stream_init(ai_translate_stream_t *t,
    const ai_translate_from_t *from)
{
    memset(t, 0, sizeof(ai_translate_stream_t));

    t->from = *from;
}


int
ai_translate_stream_event(ai_translate_stream_t *t, ai_out_t *out,
    const ai_str_t *name, const ai_str_t *data)
{
    int         rc;
    ai_value_t  root;

    if (t->done) {
        return AI_OK;
    }

    if (ai_value_read(&root, data->data, data->len) != AI_OK
        || (root.type != AI_JSON_OBJECT
            && ai_translate_unwrap(&root) != AI_OK))
    {
        return AI_DECLINED;
    }

    if (t->from.api == AI_DIALECT_GEMINI) {
        rc = ai_translate_event_candidates(t, out, &root);

    } else {
        rc = ai_translate_event_message(t, out, name, &root);
    }

    return out->failed ? AI_ERROR : rc;
}


int
ai_translate_stream_end(ai_translate_stream_t *t, ai_out_t *out,
    unsigned whole)
{
    if (whole && t->begun && !t->done) {
        ai_translate_chunk_done(t, out);
    }

    t->done = 1;

    return out->failed ? AI_ERROR : AI_OK;
}


void
ai_translate_chunk(ai_translate_stream_t *t, ai_out_t *out, unsigned choice)
{
    ai_out_cstr(out, "data: ");
    ai_translate_head(out, &t->head, &t->from, "chat.completion.chunk");
    ai_out_cstr(out, ",\"choices\":[{\"index\":");
    ai_out_uint(out, choice);
    ai_out_cstr(out, ",\"delta\":{");
}


void
ai_translate_chunk_end(ai_translate_stream_t *t, ai_out_t *out,
    const char *finish)
{
    ai_out_cstr(out, "},\"logprobs\":null,\"finish_reason\":");

    if (finish) {
        ai_out_char(out, '"');
        ai_out_cstr(out, finish);
        ai_out_cstr(out, "\"}]");

    } else {
        ai_out_cstr(out, "null}]");
    }

    ai_out_cstr(out, t->from.usage ? ",\"usage\":null}\n\n" : "}\n\n");
}


void
ai_translate_chunk_role(ai_translate_stream_t *t, ai_out_t *out,
    unsigned choice, const ai_value_t *id)
{
    if (!t->begun) {
        t->begun = 1;
        ai_translate_head_init(&t->head, &t->from,
                               id ? id : &ai_translate_none);
    }

    if (t->opened & 1u << choice) {
        return;
    }

    t->opened |= (uint8_t) (1u << choice);

    /* nobody knows yet whether text follows, or nothing but calls */

    ai_translate_chunk(t, out, choice);
    ai_out_cstr(out, "\"role\":\"assistant\",\"content\":null,"
                     "\"refusal\":null");
    ai_translate_chunk_end(t, out, NULL);
}


void
ai_translate_chunk_finish(ai_translate_stream_t *t, ai_out_t *out,
    unsigned choice, const char *finish)
{
    if (t->finished & 1u << choice) {
        return;
    }

    t->finished |= (uint8_t) (1u << choice);

    if (t->half[choice]) {
        ai_translate_chunk(t, out, choice);
        ai_out_cstr(out, "\"content\":\"");
        ai_value_piece_end(out, &t->half[choice]);
        ai_out_char(out, '"');
        ai_translate_chunk_end(t, out, NULL);
    }

    ai_translate_chunk(t, out, choice);
    ai_translate_chunk_end(t, out, finish);
}


void
ai_translate_chunk_error(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *root)
{
    ai_out_cstr(out, "data: ");
    ai_translate_error(out, &t->from, root, NULL);
    ai_out_cstr(out, "\n\n");

    t->done = 1;
}


/* calls are a reason only where the model had stopped by itself */

static const char *
ai_translate_chunk_reason(const ai_translate_stream_t *t, unsigned choice)
{
    const char  *reason;

    reason = t->reason[choice];

    if (reason && strcmp(reason, "stop") != 0) {
        return reason;
    }

    return t->calls[choice] ? "tool_calls" : "stop";
}


void
ai_translate_chunk_done(ai_translate_stream_t *t, ai_out_t *out)
{
    unsigned    i;
    ai_usage_t  u;

    ai_translate_chunk_role(t, out, 0, NULL);
    ai_translate_message_close(t, out);

    for (i = 0; i < AI_TRANSLATE_CHOICES; i++) {

        if (t->opened & 1u << i) {
            ai_translate_chunk_finish(t, out, i,
                                      ai_translate_chunk_reason(t, i));
        }
    }

    if (t->from.usage && ai_translate_usage_get(&t->from, &u) == AI_OK) {
        ai_out_cstr(out, "data: ");
        ai_translate_head(out, &t->head, &t->from, "chat.completion.chunk");
        ai_out_cstr(out, ",\"choices\":[]");
        ai_translate_usage(out, &u);
        ai_out_cstr(out, "}\n\n");
    }

    ai_out_cstr(out, "data: [DONE]\n\n");

    t->done = 1;
}
