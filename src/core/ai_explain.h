
/*
 * What a refusal by a limit tells the tenant's developer: what was exceeded,
 * the limit, and when it comes back.
 */


#ifndef AI_EXPLAIN_H
#define AI_EXPLAIN_H


#include "ai_book.h"


/* the longest text */
#define AI_EXPLAIN_MAX  384


/*
 * One or two sentences about why->limit.  "now_s" are seconds, UTC.  Only the
 * caller's own numbers are named.
 */
void ai_explain(ai_buf_t *b, const ai_refused_t *why, uint64_t now_s);


#endif /* AI_EXPLAIN_H */
