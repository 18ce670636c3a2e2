
/*
 * When an attempt may be made again elsewhere.
 *
 * Sources of the rules: DESIGN 7 and 13, WIRE-FORMATS 4.5 of the project's
 * shared documents.
 */


#ifndef AI_FAILOVER_H
#define AI_FAILOVER_H


#include "ai_core.h"


AI_HIDDEN_BEGIN


/* 408, 409, 429 and 5xx: another target may do better; 1 or 0 */
unsigned ai_failover_status(unsigned status);

/* 5xx: what the breaker counts; 1 or 0 */
unsigned ai_failover_counts(unsigned status);

/* 400, 401, 403, 404, 413, 422: the client's own mistakes, or ours: they are
   never tried elsewhere, whatever the configuration says; 1 or 0 */
unsigned ai_failover_never(unsigned status);

/*
 * Whether the body of a 400 or 413 says that the prompt is longer than the
 * model's context: OpenAI's code "context_length_exceeded", Anthropic's "prompt
 * is too long", Gemini's "exceeds the maximum number of tokens".  Looks at 4 KB
 * at most, or with "chunked" at so much of what lies in the chunks; 1 or 0.
 */
unsigned ai_failover_too_long(const ai_char *body, size_t len,
    unsigned chunked);

/*
 * Whether the whole body lies in [body, body + len), or so much of it as is
 * looked at: "length" is its Content-Length, or -1 with "chunked" set when it
 * comes in chunks (damaged ones are as good as whole), or -1 alone: it ends
 * with the connection; 1 or 0.
 */
unsigned ai_failover_whole(const ai_char *body, size_t len, int64_t length,
    unsigned chunked);


AI_HIDDEN_END


#endif /* AI_FAILOVER_H */
