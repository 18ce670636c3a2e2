
/*
 * Spans and points of time as rate-limit headers write them.
 *
 * Formats: WIRE-FORMATS 4.5 of the project's shared documents.
 */


#ifndef AI_DURATION_H
#define AI_DURATION_H


#include "ai_core.h"


/* the longest text of either function */
#define AI_DURATION_MAX  24


/*
 * Milliseconds as Go's time.Duration prints them, which OpenAI's headers use:
 * "0s", "120ms", "7.66s", "6m0s", "1h2m3.5s".  Negative ones are "0s".
 */
void ai_duration_go(ai_buf_t *b, int64_t msec);

/*
 * Milliseconds since the epoch as RFC 3339 in whole seconds, rounded up, UTC,
 * which Anthropic's headers use: "2026-11-21T02:27:54Z".
 */
void ai_duration_date(ai_buf_t *b, uint64_t msec);

/*
 * The value of Retry-After for a wait: whole seconds rounded up, at least 1
 * and at most 60, because clients were seen to sleep for whatever they get.
 */
unsigned ai_duration_retry(int64_t msec);


#endif /* AI_DURATION_H */
