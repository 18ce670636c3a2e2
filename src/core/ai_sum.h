
/*
 * A line of the sums that stand beside a rotated file of rows, so that a start
 * need not read a month of rows:
 *
 *   time_ms requests tokens input_tokens output_tokens cost_nanos "tenant"
 *   "key"
 *
 * on one line, the names as JSON strings.
 */


#ifndef AI_SUM_H
#define AI_SUM_H


#include "ai_slot.h"


#define AI_SUM_LINE_MAX  (6 * 21 + 2 * (6 * AI_SLOT_TEXT + 3))

/* appends the line without a line end; row->id is not used */
void ai_sum_put(ai_buf_t *b, const ai_row_t *row);

/* AI_ERROR: not such a line; the names point into scratch */
int ai_sum_parse(ai_row_t *row, const ai_char *line, size_t len,
    ai_char *scratch, size_t scratch_size);


#endif /* AI_SUM_H */
