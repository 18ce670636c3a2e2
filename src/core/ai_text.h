
/*
 * The text of a JSON string: its escapes decoded, its length in UTF-8 bytes
 * and in code points; resumable at any byte.
 */


#ifndef AI_TEXT_H
#define AI_TEXT_H


#include "ai_core.h"


AI_HIDDEN_BEGIN


/* where a string stopped; zero bytes begin one */

typedef struct {
    uint8_t          state;     /* plain, behind a backslash, hex digits left */
    uint16_t         unit;      /* of a \u escape, so far */
    uint16_t         high;      /* a surrogate that waits for its low half */
} ai_text_t;

typedef struct {
    uint64_t         bytes;
    uint64_t         points;
} ai_text_sum_t;


/*
 * Adds the next piece of a string, as it stands between the quotes, to "sum"
 * (may be NULL) and to "dst" (may be NULL).  A lone surrogate counts and is
 * written as U+FFFD.  Valid escapes are expected; others do no harm.
 */
void ai_text_add(ai_text_t *t, const ai_char *p, size_t len,
    ai_text_sum_t *sum, ai_buf_t *dst);

/* the string has ended: a surrogate that still waits is a lone one */
void ai_text_end(ai_text_t *t, ai_text_sum_t *sum, ai_buf_t *dst);

/* code points in UTF-8: the bytes that do not continue one */
size_t ai_text_points(const ai_char *p, size_t len);


AI_HIDDEN_END


#endif /* AI_TEXT_H */
