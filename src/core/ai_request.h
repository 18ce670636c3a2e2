
/*
 * What a request's body asks for, found in one strict scan, and the few bytes
 * of it that change on the way to the provider.
 *
 * Sources of the rules: WIRE-FORMATS 5.1 to 5.4 of the project's shared
 * documents (fields, places of a model, stateful ids, parser differentials).
 */


#ifndef AI_REQUEST_H
#define AI_REQUEST_H


#include "ai_api.h"


AI_HIDDEN_BEGIN


#define AI_MODEL_LEN     128    /* longest model name, bytes */
#define AI_NAMED_MAX     8      /* other models that one request may name */
#define AI_EDITS_MAX     8      /* without the models of a batchEmbedContents */


/* a run of the body's bytes; len 0: absent */

typedef struct {
    size_t           pos;
    size_t           len;
} ai_span_t;


/* why no upper bound exists for the cost; a mask */

#define AI_UNBOUNDED_TOOLS   1  /* tools that the provider runs itself */
#define AI_UNBOUNDED_REMOTE  2  /* images, audio, files by URL or id */
#define AI_UNBOUNDED_OUTPUT  4  /* no output cap from client, plan or model:
                                   set by the caller, never by the scan */


typedef struct {
    ai_span_t        model;     /* the value with its quotes */
    size_t           model_len;
    ai_char          model_name[AI_MODEL_LEN];      /* decoded */

    /* further models that the provider would use: tools[].model, fallbacks,
       svg.model, moderation.model, models[]; each must be allowed too */
    struct {
        size_t       len;
        ai_char      name[AI_MODEL_LEN];
    }                named[AI_NAMED_MAX];
    unsigned         nnamed;

    size_t           object;    /* behind the first '{' */
    unsigned         empty:1;   /* {} */

    unsigned         stream:1;  /* stream: true; speech: stream_format: sse */
    unsigned         usage_asked:1; /* stream_options.include_usage: true */
    ai_span_t        stream_options;    /* the whole value; object or null */
    ai_span_t        include_usage;     /* its value inside stream_options */
    size_t           stream_options_object; /* behind its '{' */
    unsigned         stream_options_empty:1;

    /* the output cap; Chat: max_completion_tokens or max_tokens (both: an
       error), Responses: max_output_tokens, Gemini: generationConfig.
       maxOutputTokens, others: max_tokens.  null counts as absent, but its
       span is kept, to be replaced */
    ai_span_t        cap;
    int64_t          max_output;        /* -1: the client gave none */
    unsigned         cap_completion:1;  /* named max_completion_tokens */
    size_t           config_object;     /* Gemini: behind generationConfig's
                                           '{'; 0: there is none */
    unsigned         config_empty:1;

    uint64_t         choices;   /* >= 1: the larger of n (candidateCount) and
                                   best_of, times the prompts of a legacy
                                   completion */
    uint64_t         images;    /* images: n; else 0 */
    uint64_t         characters;    /* speech: code points of "input" */
    uint64_t         media;     /* images, sounds, files in the body itself */
    uint64_t         media_bytes;       /* of them, as they stand there */
    unsigned         tools:1;   /* some tool is offered to the model */
    unsigned         pictures:1;    /* an image among the input, also by URL */
    uint64_t         searches;  /* sum of the bounded web searches' max_uses */
    unsigned         unbounded;
    ai_str_t         service_tier;      /* into the body, escaped; or empty */

    /* multipart (audio): response_format is text, srt or vtt: no usage */
    unsigned         plain_text:1;

    /* Gemini batchEmbedContents and countTokens: the nested "model" values
       that must be rewritten too, with their quotes; all equal the path's
       model or the scan fails.  Kept as the first and the count: the rewrite
       finds them again */
    unsigned         nested_models;

    /* set with AI_ERROR */
    int              status;    /* 400, 413, 415 */
    const char      *param;     /* the member at fault, or NULL */
    const char      *error;     /* one English sentence for the tenant's
                                   developer */
} ai_request_t;


/*
 * Scans the body of an endpoint; multipart endpoints need the boundary (from
 * the Content-Type), JSON ones an empty string.  rq needs no preparation.
 * AI_OK, or AI_ERROR with status, param and error set.
 *
 * Refused: what is not strict JSON in UTF-8 (BOM, NUL, UTF-16, NaN, trailing
 * data, nesting past 128); duplicates, also by escapes or by case, of the
 * known members, at every depth on the way to one; known members of a wrong
 * type; control characters or surrogates in a model's name; max_tokens beside
 * max_completion_tokens; camelCase beside snake_case (Gemini); background
 * true; stateful ids (previous_response_id, conversation, prompt.id, file
 * ids, container, cachedContent, ...); members that choose who pays
 * (billing_policy).
 */
int ai_request_scan(ai_request_t *rq, ai_endpoint_t ep, const ai_char *body,
    size_t len, const ai_str_t *path_model, const ai_str_t *boundary);


/* what the provider is to get instead */

typedef struct {
    const ai_str_t  *model;     /* NULL: leave it */
    int64_t          max_output;        /* -1: leave the cap */
    unsigned         cap_completion:1;  /* name of an injected Chat cap */
    unsigned         usage:1;   /* inject stream_options.include_usage */
} ai_rewrite_t;

typedef struct {
    size_t           pos;       /* place in the body */
    size_t           del;       /* bytes to leave out there */
    ai_str_t         ins;       /* bytes to put there; into the caller's buf */
} ai_edit_t;

/*
 * The edits that turn the body into what "want" says, in order of place and
 * without overlaps; every other byte stays.  Inserted text is built in "b".
 * Returns how many of edits[] (room for "max") are used, or AI_ERROR when b
 * or edits[] is too small (AI_EDITS_MAX + rq->nested_models edits and
 * 256 + 2 * AI_MODEL_LEN * 6 bytes always suffice, the same text being shared
 * by all edits of a model).
 */
int ai_request_edit(const ai_request_t *rq, ai_endpoint_t ep,
    const ai_char *body, size_t len, const ai_rewrite_t *want, ai_buf_t *b,
    ai_edit_t *edits, unsigned max);


AI_HIDDEN_END


#endif /* AI_REQUEST_H */
