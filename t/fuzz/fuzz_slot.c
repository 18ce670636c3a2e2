
/*
 * A slot from the disk, with any bytes in it.
 *
 * Whatever it is, nothing reads past it and its row is one line of valid JSON
 * that ai_row_parse() takes and that gives the slot's own numbers back.  Then
 * the slot is ended, one bit is flipped: either ai_slot_check() notices, or
 * the row is the same.
 */


#include <stdlib.h>
#include "ai_slot.h"
#include "ai_json.h"
#include "ai_sum.h"


static size_t
row_of(ai_char *line, const ai_slot_t *s)
{
    ai_buf_t  b;

    ai_buf_init(&b, line, AI_SLOT_ROW_MAX);
    ai_slot_row(&b, s);

    if (b.full) {
        abort();
    }

    return (size_t) (b.pos - line);
}


static void
check_json(const ai_char *line, size_t len)
{
    int              rc;
    ai_json_t        js;
    const ai_char   *p;
    ai_json_token_t  tok;

    ai_json_init(&js, 0);
    p = line;

    do {
        rc = ai_json_next(&js, &p, line + len, &tok);
    } while (rc == AI_OK);

    if (rc != AI_DONE || p != line + len || memchr(line, '\n', len)) {
        abort();
    }
}


static void
check_parse(const ai_slot_t *s, const ai_char *line, size_t len)
{
    ai_row_t         row, again;
    ai_buf_t         b;
    ai_char          scratch[2 * AI_SLOT_TEXT * 3], sum[4 * AI_SUM_LINE_MAX];
    ai_char          more[2 * AI_SLOT_TEXT * 3];
    const ai_run_t  *run;

    run = &s->runs[s->run & 1];

    if (ai_row_parse(&row, line, len, scratch, sizeof(scratch)) != AI_OK) {

        /* only what cannot have been written by ai_slot_end() */

        if (run->cost_nanos >= 0 && s->time_ms < (uint64_t) 1 << 47) {
            abort();
        }

        return;
    }

    if (memcmp(row.id, s->id, 16) != 0
        || row.time_ms != s->time_ms
        || ((run->source & 3) && run->input_tokens < (uint64_t) AI_LIMIT_MAX
            && row.used[AI_RES_INPUT_TOKENS] != (int64_t) run->input_tokens))
    {
        abort();
    }

    ai_buf_init(&b, sum, sizeof(sum));
    ai_sum_put(&b, &row);

    if (b.full
        || ai_sum_parse(&again, sum, (size_t) (b.pos - sum), more,
                        sizeof(more)) != AI_OK
        || memcmp(again.used, row.used, sizeof(row.used)) != 0
        || again.tenant.len != row.tenant.len
        || memcmp(again.tenant.data, row.tenant.data, row.tenant.len) != 0)
    {
        abort();
    }
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t            n, m, bit;
    ai_slot_t         s, copy;
    static ai_char    line[AI_SLOT_ROW_MAX], other[AI_SLOT_ROW_MAX];

    if (size < 8) {
        return 0;
    }

    memcpy(&bit, data, 8);
    memset(&s, 0, sizeof(s));
    memcpy(&s, data + 8, size - 8 < sizeof(s) ? size - 8 : sizeof(s));

    /* as it stands, then as a dead worker's */

    n = row_of(line, &s);
    check_json(line, n);
    check_parse(&s, line, n);

    copy = s;

    if (ai_slot_orphan(&copy, bit) == AI_OK && ai_slot_check(&copy) != AI_OK) {
        abort();
    }

    (void) ai_row_parse((ai_row_t[1]) { 0 }, data, size, other,
                        sizeof(other));
    (void) ai_sum_parse((ai_row_t[1]) { 0 }, data, size, other,
                        sizeof(other));

    ai_slot_end(&s, AI_SLOT_FINAL + data[0] % 4);

    if (ai_slot_check(&s) != AI_OK) {
        abort();
    }

    n = row_of(line, &s);
    copy = s;
    bit %= sizeof(s) * 8;
    ((ai_char *) &copy)[bit / 8] ^= (ai_char) (1 << bit % 8);

    if (ai_slot_check(&copy) == AI_OK) {
        m = row_of(other, &copy);

        if (m != n || memcmp(line, other, n) != 0) {
            abort();
        }
    }

    return 0;
}
