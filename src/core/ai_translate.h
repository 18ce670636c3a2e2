
/*
 * An OpenAI chat request to a provider of another dialect, and its answer
 * back, so that a fallback may cross dialects.
 *
 * A field that has a counterpart is translated; one that has none is dropped
 * where the answer keeps its meaning without it, and else the request cannot go
 * to this dialect at all.  README.md, "Translation", has the table; the tables
 * in ai_translate_request*.c are the same.
 *
 * Sources of the rules: WIRE-FORMATS 1.1, 1.7, 1.8 and 3 of the project's
 * shared documents.
 */


#ifndef AI_TRANSLATE_H
#define AI_TRANSLATE_H


#include "ai_meter.h"
#include "ai_request.h"


AI_HIDDEN_BEGIN


/*
 * Where the text goes: put() takes bytes in order and returns AI_OK, or
 * AI_ERROR for no memory, after which nothing more is written and "failed" is
 * set.  Callers append freely and look at "failed" once, at the end.
 */

typedef struct {
    int            (*put)(void *data, const ai_char *p, size_t len);
    void            *data;
    unsigned         failed:1;
} ai_out_t;


/* the request */

typedef struct {
    ai_dialect_t     api;       /* AI_DIALECT_ANTHROPIC or _GEMINI */
    const ai_str_t  *model;     /* the target's name for it */
    int64_t          max_output;    /* the cap that the provider gets, clamped
                                       already: > 0, or -1: the client's own,
                                       which for Anthropic it must have then */
    unsigned         stream:1;
} ai_translate_want_t;

/*
 * Whether an endpoint can be translated for a provider of "api", and the
 * provider's route then: for AI_EP_CHAT alone, to AI_EP_MESSAGES,
 * AI_EP_GENERATE or AI_EP_STREAM_GENERATE (with sse).  AI_DECLINED: it cannot.
 */
int ai_translate_route(ai_route_t *to, const ai_route_t *from,
    ai_dialect_t api, unsigned stream);

/*
 * Writes the body for the provider.  "body" was accepted by ai_request_scan()
 * for AI_EP_CHAT: it is strict JSON in UTF-8 without duplicates of known
 * members.  With out->put NULL nothing is written: it is only checked.
 * AI_DECLINED: the request asks for what this dialect does not have; *param
 * names the member and *error is one English sentence for the tenant's
 * developer (both static).  AI_ERROR: out has failed.
 */
int ai_translate_request(ai_out_t *out, const ai_translate_want_t *want,
    const ai_char *body, size_t len, const char **param, const char **error);


/* the answer */

typedef struct {
    ai_dialect_t     api;       /* that it comes from */
    unsigned         status;    /* HTTP, of the provider */
    ai_str_t         model;     /* the target's; where the answer names none */
    uint64_t         created;   /* seconds since the epoch */
    ai_str_t         id;        /* the request's UUID as text; where the answer
                                   has no id */
    const ai_meter_t  *meter;   /* that has read these bytes already, perhaps
                                   more: usage, tier and model are what it
                                   says.  NULL: nobody knows them */
    unsigned         usage:1;   /* the client asked for the usage chunk */
} ai_translate_from_t;

/* what the head of a whole answer must say */

typedef struct {
    unsigned         status;    /* HTTP: the provider's, or what an error that
                                   came with its success stands for */
    int64_t          retry_ms;  /* that the error's details say; -1: nothing */
} ai_translate_told_t;

/*
 * A whole JSON answer, or a whole error (status >= 400), as an OpenAI chat
 * completion or an OpenAI error; sets *told.  AI_DECLINED: it is not of this
 * dialect; an error becomes one with the provider's message all the same,
 * whatever its shape.  AI_ERROR: out has failed.
 */
int ai_translate_response(ai_out_t *out, const ai_translate_from_t *from,
    ai_translate_told_t *told, const ai_char *body, size_t len);


/*
 * A stream, one event of it after another: "name" is its event field (may be
 * empty), "data" its data lines joined with "\n".  Writes zero or more whole
 * OpenAI events.  Any number of events may follow an error or the end; they are
 * dropped.
 */

#define AI_TRANSLATE_TOOLS  128     /* tool calls of one answer */

typedef struct ai_translate_stream_s  ai_translate_stream_t;

void ai_translate_stream_init(ai_translate_stream_t *t,
    const ai_translate_from_t *from);

/* AI_OK, AI_DECLINED: not of this dialect, the event was dropped, AI_ERROR */
int ai_translate_stream_event(ai_translate_stream_t *t, ai_out_t *out,
    const ai_str_t *name, const ai_str_t *data);

/*
 * The provider's stream has ended.  "whole": with all that its protocol wants.
 * Writes what OpenAI's would still have: the usage chunk where it was asked
 * for, and [DONE].  A stream that was cut stays without [DONE].
 */
int ai_translate_stream_end(ai_translate_stream_t *t, ai_out_t *out,
    unsigned whole);


/* the members below are private; the implementer may shape them freely */

#define AI_TRANSLATE_CHOICES  8     /* of a stream: Gemini makes no more */

typedef struct {                    /* what each chunk repeats */
    ai_char          id[64];        /* escaped, with its prefix */
    ai_char          model[AI_METER_MODEL_LEN];
    uint8_t          id_len;
    uint8_t          model_len;
    const char      *tier;          /* OpenAI's name; NULL: unknown */
} ai_translate_head_t;

struct ai_translate_stream_s {
    ai_translate_from_t  from;
    ai_translate_head_t  head;

    /* Anthropic: the content block of each tool call, and what it has of its
       arguments */
    uint32_t             block[AI_TRANSLATE_TOOLS];
    uint8_t              filled[AI_TRANSLATE_TOOLS];
    uint16_t             rest[AI_TRANSLATE_TOOLS];  /* of ai_value_piece() */

    uint16_t             half[AI_TRANSLATE_CHOICES];
    const char          *reason[AI_TRANSLATE_CHOICES];  /* Gemini: the last */

    uint8_t              ncalls;    /* of all choices */
    uint8_t              calls[AI_TRANSLATE_CHOICES];
    uint8_t              opened;    /* bits of choices: their role was sent, */
    uint8_t              finished;  /* and their finish reason */
    unsigned             begun:1;   /* the head is known */
    unsigned             done:1;
};


AI_HIDDEN_END


#endif /* AI_TRANSLATE_H */
