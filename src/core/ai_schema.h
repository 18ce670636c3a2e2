
/*
 * What the meter looks for in an answer: trees of tables, one per endpoint and
 * kind of body.  Only members on the way to something of interest have an
 * entry; every other subtree is skipped.
 */


#ifndef AI_SCHEMA_H
#define AI_SCHEMA_H


#include "ai_meter.h"


AI_HIDDEN_BEGIN


/* the provider's numbers; formulas over them: ai_usage.c */

typedef enum {
    /* members of a usage object, replaced together */
    AI_RAW_INPUT = 0,
    AI_RAW_OUTPUT,
    AI_RAW_TOTAL,
    AI_RAW_CACHED,
    AI_RAW_CACHED_HIT,          /* DeepSeek's prompt_cache_hit_tokens */
    AI_RAW_CACHED_TOP,          /* cached_tokens outside the details */
    AI_RAW_CACHED_NUM,          /* Mistral's num_cached_tokens */
    AI_RAW_WRITE,
    AI_RAW_WRITE_30M,
    AI_RAW_WRITE_12H,
    AI_RAW_WRITE_1H,
    AI_RAW_REASONING,
    AI_RAW_INPUT_AUDIO,
    AI_RAW_INPUT_IMAGE,
    AI_RAW_CACHED_AUDIO,
    AI_RAW_OUTPUT_AUDIO,
    AI_RAW_OUTPUT_IMAGE,
    AI_RAW_OUTPUT_TEXT,
    AI_RAW_TOOL_PROMPT,
    AI_RAW_SECONDS,             /* millionths */
    AI_RAW_COUNTS,              /* the ones above make a usage object */

    AI_RAW_SEARCHES = AI_RAW_COUNTS,
    AI_RAW_FETCHES,
    AI_RAW_COST,                /* nano-dollars + 1 */
    AI_RAW_USAGE_N,

    /* beside the usage object */
    AI_RAW_TOOL_SEARCHES = AI_RAW_USAGE_N,
    AI_RAW_IMAGES,              /* elements of data[] */
    AI_RAW_N
} ai_raw_t;


/* numbers of a sub record, see ai_meter_t.subs */

typedef enum {
    AI_PART_INPUT = 0,
    AI_PART_OUTPUT,
    AI_PART_READ,
    AI_PART_WRITE,
    AI_PART_WRITE_1H,
    AI_PART_INPUT_IMAGE = AI_PART_READ,     /* of the image tool */
    AI_PART_OUTPUT_TEXT = AI_PART_WRITE,
    AI_PART_N = 5
} ai_part_t;

/* a tool's model, until the numbers of the tool are met */
#define AI_SUB_TOOL   AI_SUB_N
#define AI_SUB_ODD    (AI_SUB_N + 1)


/* what is counted, by where it was found */

typedef enum {
    AI_COUNT_TEXT = 0,
    AI_COUNT_ARGUMENTS,         /* of tool calls */
    AI_COUNT_HIDDEN,            /* reasoning */
    AI_COUNT_HIDDEN_TWIN,       /* perhaps the same under another name */
    AI_COUNT_DELTA,             /* the event's type will tell */
    AI_COUNT_PART,              /* the part's "thought" or type will tell */
    AI_COUNT_N
} ai_count_t;


/* what is done with a member's string or number */

typedef enum {
    AI_OP_NONE = 0,
    AI_OP_COUNT,                /* arg: ai_count_t */

    /* the string's text, decoded */
    AI_OP_MODEL,
    AI_OP_TIER,
    AI_OP_SPEED,
    AI_OP_FINISH,
    AI_OP_BLOCKED,
    AI_OP_STATUS,
    AI_OP_REASON,
    AI_OP_TYPE,                 /* of the event */
    AI_OP_OBJECT,               /* "error": the body is a flat one */
    AI_OP_PART_TYPE,            /* "reasoning_text" is hidden */
    AI_OP_ERROR,                /* a string: the error itself */
    AI_OP_ERROR_CODE,
    AI_OP_ERROR_TYPE,
    AI_OP_MODALITY,
    AI_OP_SUB_KIND,
    AI_OP_SUB_MODEL,

    /* numbers, also in quotes */
    AI_OP_STORE,                /* arg: ai_raw_t */
    AI_OP_COST,
    AI_OP_TICKS,                /* 10^-10 dollars */
    AI_OP_SECONDS,
    AI_OP_DETAIL,               /* of the element's modality */
    AI_OP_SUB_STORE,            /* arg: ai_part_t */
    AI_OP_INDEX,

    AI_OP_THOUGHT               /* true */
} ai_op_t;


/* what happens where an object or array begins and ends */

typedef enum {
    AI_HOOK_NONE = 0,
    AI_HOOK_USAGE,              /* arg: rank within an event */
    AI_HOOK_WRITES,             /* Anthropic's cache_creation */
    AI_HOOK_CHOICES,
    AI_HOOK_CHOICE,
    AI_HOOK_PART,
    AI_HOOK_ERROR,
    AI_HOOK_DETAILS,            /* arg: ai_detail_t */
    AI_HOOK_DETAIL,
    AI_HOOK_SUBS,               /* iterations: what came before is void */
    AI_HOOK_SUB,                /* arg: its kind */
    AI_HOOK_IMAGES,
    AI_HOOK_IMAGE
} ai_hook_t;

typedef enum {
    AI_DETAIL_PROMPT = 0,
    AI_DETAIL_CACHE,
    AI_DETAIL_CANDIDATES
} ai_detail_t;


typedef struct ai_node_s   ai_node_t;
typedef struct ai_field_s  ai_field_t;

struct ai_field_s {
    const char        *key;
    uint8_t            len;
    uint8_t            op;
    uint8_t            arg;
    const ai_node_t   *node;    /* if the value is an object or array */
};

struct ai_node_s {
    const ai_field_t  *fields;  /* of an object */
    uint8_t            nfields;
    uint8_t            hook;
    uint8_t            arg;
    const ai_field_t  *element; /* of an array */
};


#define ai_field(key, op, arg)         { key, sizeof(key) - 1, op, arg, NULL }
#define ai_field_node(key, node)                                             \
    { key, sizeof(key) - 1, AI_OP_NONE, 0, node }
#define ai_element(node)               { NULL, 0, AI_OP_NONE, 0, node }

#define ai_object(fields, hook, arg)                                         \
    { fields, sizeof(fields) / sizeof(ai_field_t), hook, arg, NULL }
#define ai_array(element, hook, arg)   { NULL, 0, hook, arg, element }


/* NULL: nothing but errors is looked for */
const ai_node_t *ai_schema_openai(ai_endpoint_t ep, ai_body_t body);
const ai_node_t *ai_schema_anthropic(ai_endpoint_t ep, ai_body_t body);
const ai_node_t *ai_schema_gemini(ai_endpoint_t ep, ai_body_t body);

extern const ai_field_t  ai_schema_error;       /* "error" */


/* what an event's type says */

typedef enum {
    AI_EVENT_NONE = 0,
    AI_EVENT_TEXT,              /* "delta" is text */
    AI_EVENT_ARGUMENTS,
    AI_EVENT_HIDDEN,
    AI_EVENT_END,
    AI_EVENT_FAILED,            /* an end, but no success */
    AI_EVENT_ERROR
} ai_event_t;

ai_event_t ai_schema_event(const ai_char *type, size_t len);


AI_HIDDEN_END


#endif /* AI_SCHEMA_H */
