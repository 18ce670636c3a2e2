
/*
 * Reads usage, model, finish reason, error and the length of visible text out
 * of an answer's bytes as they pass, in constant memory.
 *
 * One push interface for JSON bodies, SSE streams and Gemini's JSON array; any
 * split of the bytes gives the same record.
 */


#ifndef AI_METER_H
#define AI_METER_H


#include "ai_api.h"
#include "ai_json.h"
#include "ai_sse.h"
#include "ai_text.h"
#include "ai_usage.h"


AI_HIDDEN_BEGIN


#define AI_METER_MODEL_LEN   128
#define AI_METER_FINISH_LEN  64

typedef enum {
    AI_BODY_OPAQUE = 0,         /* compressed, audio, plain text: bytes pass */
    AI_BODY_JSON,
    AI_BODY_SSE,
    AI_BODY_JSON_ARRAY          /* Gemini's stream without alt=sse */
} ai_body_t;


/*
 * Public members are read by the caller at any time; "raw" and "priv" are the
 * meter's own (raw: the provider's numbers as they stand now).  The whole
 * struct is at most 2.5 KB: there is one in every open stream.
 */

typedef struct ai_meter_s  ai_meter_t;

struct ai_meter_s {
    ai_body_t        body;
    ai_endpoint_t    ep;
    ai_dialect_t     dialect;

    uint8_t          model_len;         /* response's model, decoded */
    uint8_t          finish_len;        /* reasons, joined by "," in order of
                                           choices */
    uint8_t          tier_len;          /* response's service_tier */
    uint8_t          error_len;         /* error's code or type, if any */
    ai_char          model[AI_METER_MODEL_LEN];
    ai_char          finish[AI_METER_FINISH_LEN];
    ai_char          tier[24];
    ai_char          error[48];

    uint64_t         text_bytes;        /* visible text and tool arguments,
                                           decoded UTF-8, over all choices */
    uint64_t         text_chars;        /* the same in code points, text only */
    uint64_t         reasoning_bytes;   /* reasoning that was shown: billed as
                                           output, but in neither of these */

    unsigned         usage_seen:1;      /* some usage with numbers was seen */
    unsigned         complete:1;        /* the protocol's own end was seen */
    unsigned         failed:1;          /* an error was seen in the body */
    unsigned         broken:1;          /* not the format announced; metering
                                           has stopped, bytes pass */
    unsigned         dirty:1;           /* numbers or text changed; the caller
                                           clears it */

    /* the members below are private; the implementer may shape them freely */

    ai_sse_t         sse;
    ai_json_t        json;

#include "ai_meter_priv.h"
};


void ai_meter_init(ai_meter_t *m, ai_dialect_t dialect, ai_endpoint_t ep,
    ai_body_t body);

/*
 * Takes the next bytes.  For SSE it returns early, behind the end of an event,
 * so that the caller may drop that event:
 *
 *   AI_OK      all of [*pos, end) is used up
 *   AI_DONE    an event or a block of comments has just ended at *pos.
 *              *drop tells whether the event is nothing but a usage chunk
 *              (Chat and Completions: usage is an object and choices is [])
 *
 * For the other bodies it always uses all and returns AI_OK.
 */
int ai_meter_feed(ai_meter_t *m, const ai_char **pos, const ai_char *end,
    unsigned *drop);

/*
 * The body has ended ("whole": its own framing says that nothing is missing).
 * A pending SSE event whose JSON is complete still counts, and so does the text
 * of a JSON body that was cut: call it however an answer ends.
 */
void ai_meter_end(ai_meter_t *m, unsigned whole);

/*
 * The record as it stands now, by the formulas of WIRE-FORMATS 2.3; may be
 * called at any time, again and again.  source is FINAL, PARTIAL or NONE here:
 * estimates are the caller's.
 */
void ai_meter_usage(const ai_meter_t *m, ai_usage_t *u);


AI_HIDDEN_END


#endif /* AI_METER_H */
