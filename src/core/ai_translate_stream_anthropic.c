
/*
 * The events of Anthropic's streams.
 */


#include "ai_translate_answer.h"


/* what a call has of its arguments: ai_translate_stream_t.filled */

enum {
    AI_FILLED_NONE = 0,
    AI_FILLED_PIECES,
    AI_FILLED_WHOLE
};


static int ai_translate_block_start(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *index, const ai_value_t *block);
static int ai_translate_block_delta(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *index, const ai_value_t *delta);
static int ai_translate_block_stop(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *index);
static int ai_translate_message_delta(ai_translate_stream_t *t,
    ai_out_t *out, const ai_value_t *delta);
static int ai_translate_call_open(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *index, const ai_value_t *block);
static int ai_translate_call_find(const ai_translate_stream_t *t,
    const ai_value_t *index, unsigned *n);
static void ai_translate_call_close(ai_translate_stream_t *t, ai_out_t *out,
    unsigned n);
static void ai_translate_call_more(ai_translate_stream_t *t, ai_out_t *out,
    unsigned n, const ai_value_t *text);
static void ai_translate_chunk_text(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *text);
static unsigned ai_translate_is_empty(const ai_value_t *object);


enum {
    AI_STREAM_MESSAGE_START = 0,
    AI_STREAM_BLOCK_START,
    AI_STREAM_BLOCK_DELTA,
    AI_STREAM_BLOCK_STOP,
    AI_STREAM_MESSAGE_DELTA,
    AI_STREAM_MESSAGE_STOP,
    AI_STREAM_PING,
    AI_STREAM_ERROR,
    AI_STREAM_N
};

static const ai_str_t  ai_stream_types[AI_STREAM_N] = {
    ai_string("message_start"),
    ai_string("content_block_start"),
    ai_string("content_block_delta"),
    ai_string("content_block_stop"),
    ai_string("message_delta"),
    ai_string("message_stop"),
    ai_string("ping"),
    ai_string("error")
};

enum {
    AI_DATA_TYPE = 0,
    AI_DATA_INDEX,
    AI_DATA_DELTA,
    AI_DATA_BLOCK,
    AI_DATA_MESSAGE,
    AI_DATA_N
};

static const ai_str_t  ai_data_names[AI_DATA_N] = {
    ai_string("type"),
    ai_string("index"),
    ai_string("delta"),
    ai_string("content_block"),
    ai_string("message")
};


enum {
    AI_DELTA_TYPE = 0,
    AI_DELTA_TEXT,
    AI_DELTA_JSON,
    AI_DELTA_N
};

static const ai_str_t  ai_delta_names[AI_DELTA_N] = {
    ai_string("type"),
    ai_string("text"),
    ai_string("partial_json")
};

static const ai_str_t  ai_id_name = ai_string("id");
static const ai_str_t  ai_stop_name = ai_string("stop_reason");


int
ai_translate_event_message(ai_translate_stream_t *t, ai_out_t *out,
    const ai_str_t *name, const ai_value_t *root)
{
    unsigned    i;
    ai_value_t  data[AI_DATA_N], id;

    ai_value_members(root, ai_data_names, AI_DATA_N, data);

    if (data[AI_DATA_TYPE].type != AI_JSON_STRING && name->len) {
        data[AI_DATA_TYPE].type = AI_JSON_STRING;
        data[AI_DATA_TYPE].data = name->data;
        data[AI_DATA_TYPE].len = name->len;
    }

    for (i = 0; i < AI_STREAM_N; i++) {

        if (ai_value_is(&data[AI_DATA_TYPE],
                        (const char *) ai_stream_types[i].data))
        {
            break;
        }
    }

    switch (i) {

    case AI_STREAM_MESSAGE_START:
        ai_value_members(&data[AI_DATA_MESSAGE], &ai_id_name, 1, &id);
        ai_translate_chunk_role(t, out, 0, &id);
        return AI_OK;

    case AI_STREAM_BLOCK_START:
        return ai_translate_block_start(t, out, &data[AI_DATA_INDEX],
                                        &data[AI_DATA_BLOCK]);

    case AI_STREAM_BLOCK_DELTA:
        return ai_translate_block_delta(t, out, &data[AI_DATA_INDEX],
                                        &data[AI_DATA_DELTA]);

    case AI_STREAM_BLOCK_STOP:
        return ai_translate_block_stop(t, out, &data[AI_DATA_INDEX]);

    case AI_STREAM_MESSAGE_DELTA:
        return ai_translate_message_delta(t, out, &data[AI_DATA_DELTA]);

    case AI_STREAM_MESSAGE_STOP:
        ai_translate_chunk_done(t, out);
        return AI_OK;

    case AI_STREAM_PING:
        return AI_OK;

    case AI_STREAM_ERROR:
        ai_translate_chunk_error(t, out, root);
        return AI_OK;
    }

    return AI_DECLINED;
}


static int
ai_translate_block_start(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *index, const ai_value_t *block)
{
    ai_value_t  members[AI_BLOCK_N];

    ai_value_members(block, ai_block_names, AI_BLOCK_N, members);

    if (ai_value_is(&members[AI_BLOCK_TYPE], "text")) {
        ai_translate_chunk_text(t, out, &members[AI_BLOCK_TEXT]);
        return AI_OK;
    }

    if (ai_value_is(&members[AI_BLOCK_TYPE], "tool_use")) {
        return ai_translate_call_open(t, out, index, members);
    }

    /* thoughts, tools that the provider runs, and their results */

    return AI_OK;
}


static int
ai_translate_block_delta(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *index, const ai_value_t *delta)
{
    unsigned    n;
    ai_value_t  members[AI_DELTA_N];

    ai_value_members(delta, ai_delta_names, AI_DELTA_N, members);

    if (ai_value_is(&members[AI_DELTA_TYPE], "text_delta")) {
        ai_translate_chunk_text(t, out, &members[AI_DELTA_TEXT]);
        return AI_OK;
    }

    if (!ai_value_is(&members[AI_DELTA_TYPE], "input_json_delta")
        || !ai_value_has_text(&members[AI_DELTA_JSON])
        || ai_translate_call_find(t, index, &n) != AI_OK
        || t->filled[n] == AI_FILLED_WHOLE)
    {
        return AI_OK;
    }

    t->filled[n] = AI_FILLED_PIECES;
    ai_translate_call_more(t, out, n, &members[AI_DELTA_JSON]);

    return AI_OK;
}


static int
ai_translate_block_stop(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *index)
{
    unsigned  n;

    if (ai_translate_call_find(t, index, &n) == AI_OK) {
        ai_translate_call_close(t, out, n);
    }

    return AI_OK;
}


void
ai_translate_message_close(ai_translate_stream_t *t, ai_out_t *out)
{
    unsigned  n;

    if (t->from.api == AI_DIALECT_GEMINI || t->finished) {
        return;
    }

    for (n = 0; n < t->ncalls; n++) {
        ai_translate_call_close(t, out, n);
    }
}


/* a call without arguments has no piece of them either */

static void
ai_translate_call_close(ai_translate_stream_t *t, ai_out_t *out, unsigned n)
{
    if (t->filled[n] == AI_FILLED_NONE || t->rest[n]) {
        ai_translate_call_more(t, out, n, NULL);
        t->filled[n] = AI_FILLED_WHOLE;
    }
}


static int
ai_translate_message_delta(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *delta)
{
    ai_value_t  reason;

    ai_value_members(delta, &ai_stop_name, 1, &reason);

    if (ai_value_has_text(&reason)) {
        ai_translate_chunk_role(t, out, 0, NULL);
        ai_translate_message_close(t, out);
        ai_translate_chunk_finish(t, out, 0,
                                  ai_translate_stop_reason(&reason,
                                                           t->ncalls));
    }

    return AI_OK;
}


static int
ai_translate_call_open(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *index, const ai_value_t *block)
{
    uint64_t           place;
    unsigned           n;
    const ai_value_t  *input;

    if (t->ncalls == AI_TRANSLATE_TOOLS
        || !ai_value_has_text(&block[AI_BLOCK_NAME])
        || ai_value_count(index, &place) != AI_OK || place > UINT32_MAX)
    {
        return AI_DECLINED;
    }

    n = t->ncalls++;
    t->calls[0] = t->ncalls;
    t->block[n] = (uint32_t) place;

    ai_translate_chunk_role(t, out, 0, NULL);
    ai_translate_chunk(t, out, 0);

    ai_out_cstr(out, "\"tool_calls\":[{\"index\":");
    ai_out_uint(out, n);
    ai_out_char(out, ',');
    ai_translate_call(out, &t->from, n, &block[AI_BLOCK_ID],
                      &block[AI_BLOCK_NAME]);

    input = &block[AI_BLOCK_INPUT];

    if (input->type == AI_JSON_OBJECT && !ai_translate_is_empty(input)) {
        t->filled[n] = AI_FILLED_WHOLE;
        ai_value_quote(out, input);
    }

    ai_translate_call_end(out, NULL);
    ai_out_char(out, ']');
    ai_translate_chunk_end(t, out, NULL);

    return AI_OK;
}


/* blocks come one after another: it is nearly always the last one */

static int
ai_translate_call_find(const ai_translate_stream_t *t,
    const ai_value_t *index, unsigned *n)
{
    unsigned  i;
    uint64_t  place;

    if (ai_value_count(index, &place) != AI_OK) {
        return AI_DECLINED;
    }

    for (i = t->ncalls; i > 0; i--) {

        if (t->block[i - 1] == place) {
            *n = i - 1;
            return AI_OK;
        }
    }

    return AI_DECLINED;
}


/* one more piece of a call's arguments; NULL: there are no more */

static void
ai_translate_call_more(ai_translate_stream_t *t, ai_out_t *out, unsigned n,
    const ai_value_t *text)
{
    ai_translate_chunk(t, out, 0);

    ai_out_cstr(out, "\"tool_calls\":[{\"index\":");
    ai_out_uint(out, n);
    ai_out_cstr(out, ",\"function\":{\"arguments\":\"");

    if (text) {
        ai_value_piece(out, text, &t->rest[n]);

    } else if (t->filled[n] == AI_FILLED_NONE) {
        ai_out_cstr(out, "{}");

    } else {
        ai_value_piece_end(out, &t->rest[n]);
    }

    ai_out_cstr(out, "\"}}]");

    ai_translate_chunk_end(t, out, NULL);
}


static void
ai_translate_chunk_text(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *text)
{
    if (!ai_value_has_text(text)) {
        return;
    }

    ai_translate_chunk_role(t, out, 0, NULL);
    ai_translate_chunk(t, out, 0);

    ai_out_cstr(out, "\"content\":\"");
    ai_value_piece(out, text, &t->half[0]);
    ai_out_char(out, '"');

    ai_translate_chunk_end(t, out, NULL);
}


static unsigned
ai_translate_is_empty(const ai_value_t *object)
{
    size_t  i;

    for (i = 1; i + 1 < object->len; i++) {

        if (object->data[i] > ' ') {
            return 0;
        }
    }

    return 1;
}
