
/*
 * What a provider's headers say of its own limits, and when to come back.
 *
 * Formats: WIRE-FORMATS 4.5 of the project's shared documents.  Names differ,
 * and so do values: a span as Go prints it, a number of seconds, a date, a time
 * since the epoch.  Whatever a provider says, no span is longer than
 * AI_QUOTA_SPAN_MAX and none is negative.
 */


#ifndef AI_QUOTA_H
#define AI_QUOTA_H


#include "ai_board.h"


AI_HIDDEN_BEGIN


#define AI_QUOTA_SPAN_MAX  ((int64_t) 31 * 86400 * 1000)    /* ms */
#define AI_QUOTA_LEFT_MAX  ((int64_t) 1 << 40)


/* nothing was said */
void ai_quota_none(ai_quota_said_t *said);

/*
 * One header of an answer, its name in lower case; now_s is the calendar's.
 * AI_OK: taken; AI_DECLINED: it is none of these; AI_ERROR: not readable, and
 * nothing was taken.  Where several say the same, the smallest rest and the
 * longest span hold: of Anthropic's input and output tokens, either may end.
 */
int ai_quota_header(ai_quota_said_t *said, const ai_str_t *name,
    const ai_str_t *value, uint64_t now_s);

/*
 * Retry-After: seconds, with places too, or a date (RFC 9110, all three
 * forms), in ms from now; a date that has passed is 0.  -1: not readable.
 */
int64_t ai_retry_after(const ai_str_t *value, uint64_t now_s);

/* retry-after-ms, with places too */
int64_t ai_retry_after_ms(const ai_str_t *value);

/* "6m0s", "120ms", "2m59.56s" in ms, rounded up; -1: not readable */
int64_t ai_quota_duration(const ai_str_t *value);

/* without the spaces around it */
ai_str_t ai_quota_trim(const ai_str_t *value);

/* a number times 10^places; one that is too large is UINT64_MAX.  AI_ERROR:
   negative, or no number */
int ai_quota_number(const ai_str_t *s, int places, uint64_t *n);


AI_HIDDEN_END


#endif /* AI_QUOTA_H */
