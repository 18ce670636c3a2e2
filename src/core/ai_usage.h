
/*
 * One normalised usage record, whatever the provider.
 *
 * Fields, formulas and the order "last non-null wins": WIRE-FORMATS section 2
 * of the project's shared documents (OpenTelemetry GenAI names where they
 * exist).
 */


#ifndef AI_USAGE_H
#define AI_USAGE_H


#include "ai_core.h"


/* disjoint price classes; the sum of the first nine is the total input */

typedef enum {
    AI_CLASS_INPUT = 0,
    AI_CLASS_INPUT_AUDIO,
    AI_CLASS_INPUT_IMAGE,
    AI_CLASS_CACHE_READ,
    AI_CLASS_CACHE_WRITE_5M,
    AI_CLASS_CACHE_WRITE_30M,
    AI_CLASS_CACHE_WRITE_1H,
    AI_CLASS_CACHE_WRITE_12H,
    AI_CLASS_CACHE_WRITE_OTHER,
    AI_CLASS_OUTPUT,
    AI_CLASS_OUTPUT_AUDIO,
    AI_CLASS_OUTPUT_IMAGE,
    AI_CLASS_N
} ai_class_t;

/* "input", "input_audio", ... as in the ledger */
extern const char *const  ai_class_names[AI_CLASS_N];


/* billed beside tokens; counted in millionths (13 s of audio: 13000000) */

typedef enum {
    AI_UNIT_WEB_SEARCHES = 0,
    AI_UNIT_WEB_FETCHES,
    AI_UNIT_AUDIO_SECONDS,
    AI_UNIT_CHARACTERS,
    AI_UNIT_IMAGES,
    AI_UNIT_REQUESTS,
    AI_UNIT_N
} ai_unit_t;

#define AI_UNIT_ONE  1000000

/* "web_searches", ... as in the ledger */
extern const char *const  ai_unit_names[AI_UNIT_N];


typedef enum {
    AI_SOURCE_NONE = 0,         /* no numbers and nothing to estimate from */
    AI_SOURCE_ESTIMATED,
    AI_SOURCE_PARTIAL,          /* provider's numbers, but the stream was cut */
    AI_SOURCE_FINAL
} ai_source_t;

/* "none", "estimated", "partial", "final" */
extern const char *const  ai_source_names[4];


/* usage on another model or in another pass of the same request */

#define AI_SUB_MAX        4
#define AI_SUB_MODEL_LEN  64

typedef enum {
    AI_SUB_COMPACTION = 0,
    AI_SUB_ADVISOR,
    AI_SUB_FALLBACK,
    AI_SUB_MESSAGE,             /* an iteration on another model */
    AI_SUB_IMAGE_GENERATION,
    AI_SUB_SVG,
    AI_SUB_N
} ai_sub_kind_t;

/* "compaction", "advisor_message", "fallback_message", "message",
   "image_generation", "svg" */
extern const char *const  ai_sub_names[AI_SUB_N];

typedef struct {
    uint8_t          kind;
    uint8_t          model_len;         /* 0: the response's own model */
    ai_char          model[AI_SUB_MODEL_LEN];
    uint64_t         classes[AI_CLASS_N];
} ai_sub_t;


typedef struct {
    uint64_t         input_tokens;      /* cached and written ones inside */
    uint64_t         output_tokens;     /* reasoning inside */
    uint64_t         cache_read_tokens;
    uint64_t         cache_write_tokens;
    uint64_t         reasoning_tokens;
    uint64_t         classes[AI_CLASS_N];
    uint64_t         units[AI_UNIT_N];
    int64_t          provider_nanos;    /* a charge the provider states;
                                           -1: none */
    uint8_t          source;            /* ai_source_t */
    uint8_t          nsub;
    unsigned         complete:1;        /* the protocol's own end was seen */
    unsigned         top_unpriced:1;    /* iterations are priced one by one:
                                           the classes are for display only */
    unsigned         odd:1;             /* absurd or unknown numbers were
                                           clamped: raise the alarm counter */
    ai_sub_t         sub[AI_SUB_MAX];
} ai_usage_t;


#endif /* AI_USAGE_H */
