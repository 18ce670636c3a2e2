
/*
 * The inner seams of ai_translate_response*.c and ai_translate_stream*.c: what
 * an answer and a stream of chunks have in common.
 */


#ifndef AI_TRANSLATE_ANSWER_H
#define AI_TRANSLATE_ANSWER_H


#include "ai_translate.h"
#include "ai_value.h"


AI_HIDDEN_BEGIN


#define AI_TRANSLATE_CHOICES_MAX  128   /* of a whole answer */


/* the answer's own id, for "chatcmpl-..."; model and tier are the meter's */
void ai_translate_head_init(ai_translate_head_t *head,
    const ai_translate_from_t *from, const ai_value_t *id);

/* {"id":...,"object":...,"created":...,"model":...,"service_tier":...,
   "system_fingerprint":null without the closing brace */
void ai_translate_head(ai_out_t *out, const ai_translate_head_t *head,
    const ai_translate_from_t *from, const char *object);

/* AI_DECLINED: no numbers are known; and ,"usage":{...} of them */
int ai_translate_usage_get(const ai_translate_from_t *from, ai_usage_t *u);
void ai_translate_usage(ai_out_t *out, const ai_usage_t *u);

/* {"error":{...}} from an answer that is one, or of which nothing is known;
   "told" is NULL in a stream */
void ai_translate_error(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *root, ai_translate_told_t *told);


/* an error may stand in an array, alone: the error, or AI_DECLINED */
int ai_translate_unwrap(ai_value_t *root);


/* whole answers: AI_OK, or AI_DECLINED before anything was written */
int ai_translate_message(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *root);
int ai_translate_candidates(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *root);

/* ,"usage":{...}} and the end of a whole answer, behind its choices */
void ai_translate_tail(ai_out_t *out, const ai_translate_from_t *from);


/* OpenAI's names of finish reasons; "calls": the choice has tool calls */
const char *ai_translate_stop_reason(const ai_value_t *reason,
    unsigned calls);
const char *ai_translate_finish_reason(const ai_value_t *reason,
    unsigned calls);


/* Anthropic: a block, whole or at its start in a stream */

enum {
    AI_BLOCK_TYPE = 0,
    AI_BLOCK_TEXT,
    AI_BLOCK_ID,
    AI_BLOCK_NAME,
    AI_BLOCK_INPUT,
    AI_BLOCK_N
};

extern const ai_str_t  ai_block_names[AI_BLOCK_N];


/* Gemini: a body, and an event of a stream */

enum {
    AI_GEMINI_CANDIDATES = 0,
    AI_GEMINI_FEEDBACK,
    AI_GEMINI_USAGE,
    AI_GEMINI_ID,
    AI_GEMINI_ERROR,
    AI_GEMINI_N
};

extern const ai_str_t  ai_gemini_names[AI_GEMINI_N];

/* whether promptFeedback says that the prompt was blocked */
unsigned ai_translate_blocked(const ai_value_t *feedback);


/* parts, each of one kind */

typedef enum {
    AI_GEMINI_OTHER = 0,        /* thoughts, media, code of its own */
    AI_GEMINI_TEXT,
    AI_GEMINI_CALL
} ai_gemini_kind_t;

typedef struct {
    ai_value_t       text;
    ai_value_t       name;
    ai_value_t       args;
    ai_value_t       id;
    ai_value_t       signature;
} ai_gemini_part_t;

ai_gemini_kind_t ai_translate_part(const ai_value_t *v,
    ai_gemini_part_t *part);

/* how many calls there are, and whether there is text; the text of all */
unsigned ai_translate_part_count(const ai_value_t *parts, unsigned *text);
void ai_translate_part_texts(ai_out_t *out, const ai_value_t *parts,
    uint16_t *half);

/*
 * "tool_calls":[...].  *ncalls counts the answer's; *place, where it is not
 * NULL, the choice's: each call names its place then.
 */
void ai_translate_part_calls(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *parts, uint8_t *ncalls, uint8_t *place);

/* whether candidates have indexes: one that lacks it is the first then, as
   Google leaves zeros out */
unsigned ai_translate_indexed(const ai_value_t *candidates);

/* a candidate: its parts, reason, and its index where it has one */
void ai_translate_candidate(const ai_value_t *v, ai_value_t *parts,
    ai_value_t *reason, uint64_t *index);


/*
 * "id":...,"type":"function","function":{"name":...,"arguments":" and, behind
 * the caller's text, the end of both.  An answer that gives its calls no ids
 * gets them of its own id and the call's number in it.  Gemini's signature of
 * a call, which it wants back, stands where Google's own OpenAI API puts it;
 * NULL: none.
 */
void ai_translate_call(ai_out_t *out, const ai_translate_from_t *from,
    unsigned n, const ai_value_t *id, const ai_value_t *name);
void ai_translate_call_end(ai_out_t *out, const ai_value_t *signature);

/* the arguments' text: an object, or {} in its place */
void ai_translate_arguments(ai_out_t *out, const ai_value_t *args);


/* chunks: up to the members of "delta", and from there on */
void ai_translate_chunk(ai_translate_stream_t *t, ai_out_t *out,
    unsigned choice);
void ai_translate_chunk_end(ai_translate_stream_t *t, ai_out_t *out,
    const char *finish);

/* the first chunk of a choice, unless it was sent; "id" is the provider's,
   if it is known here */
void ai_translate_chunk_role(ai_translate_stream_t *t, ai_out_t *out,
    unsigned choice, const ai_value_t *id);

/* the last one; a second reason is dropped */
void ai_translate_chunk_finish(ai_translate_stream_t *t, ai_out_t *out,
    unsigned choice, const char *finish);

/* an error is the end of a stream */
void ai_translate_chunk_error(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *root);

/* what choices still lack, the usage if it was asked for, and [DONE] */
void ai_translate_chunk_done(ai_translate_stream_t *t, ai_out_t *out);


/* one event: AI_OK or AI_DECLINED */
int ai_translate_event_message(ai_translate_stream_t *t, ai_out_t *out,
    const ai_str_t *name, const ai_value_t *root);
int ai_translate_event_candidates(ai_translate_stream_t *t, ai_out_t *out,
    const ai_value_t *root);

/* what Anthropic's calls still lack, when the message ends */
void ai_translate_message_close(ai_translate_stream_t *t, ai_out_t *out);


AI_HIDDEN_END


#endif /* AI_TRANSLATE_ANSWER_H */
