
/*
 * Lines of sums.
 */


#include "ai_sum.h"
#include "ai_json.h"


void
ai_sum_put(ai_buf_t *b, const ai_row_t *row)
{
    unsigned  i;

    ai_buf_uint(b, row->time_ms);

    for (i = 0; i < AI_RES_COUNTED; i++) {
        ai_buf_char(b, ' ');
        ai_buf_int(b, row->used[i]);
    }

    ai_buf_char(b, ' ');
    ai_buf_json(b, row->tenant.data, row->tenant.len);
    ai_buf_char(b, ' ');
    ai_buf_json(b, row->key.data, row->key.len);
}


/* a number and the space behind it */

static const ai_char *
ai_sum_number(const ai_char *p, const ai_char *end, int64_t *n)
{
    const ai_char  *start;

    *n = 0;

    for (start = p; p < end && *p >= '0' && *p <= '9'; p++) {

        if (__builtin_mul_overflow(*n, (int64_t) 10, n)
            || __builtin_add_overflow(*n, (int64_t) (*p - '0'), n))
        {
            return NULL;
        }
    }

    return (p > start && p < end && *p == ' ') ? p + 1 : NULL;
}


/* a JSON string, decoded into the scratch memory */

static const ai_char *
ai_sum_name(const ai_char *p, const ai_char *end, ai_str_t *v,
    ai_buf_t *scratch)
{
    ptrdiff_t       n;
    const ai_char  *start;

    if (p == end || *p++ != '"') {
        return NULL;
    }

    for (start = p; p < end && *p != '"'; p++) {
        if (*p == '\\' && ++p == end) {
            return NULL;
        }
    }

    if (p == end) {
        return NULL;
    }

    n = ai_json_unescape(scratch->pos, (size_t) (scratch->end - scratch->pos),
                         start, (size_t) (p - start));
    if (n < 0) {
        return NULL;
    }

    v->data = scratch->pos;
    v->len = (size_t) n;
    scratch->pos += n;

    return p + 1;
}


int
ai_sum_parse(ai_row_t *row, const ai_char *line, size_t len,
    ai_char *scratch, size_t scratch_size)
{
    int64_t         n;
    ai_buf_t        b;
    unsigned        i;
    const ai_char  *p, *end;

    end = line + len;
    ai_buf_init(&b, scratch, scratch_size);

    p = ai_sum_number(line, end, &n);

    if (p == NULL) {
        return AI_ERROR;
    }

    row->time_ms = (uint64_t) n;

    for (i = 0; i < AI_RES_COUNTED; i++) {
        p = ai_sum_number(p, end, &row->used[i]);

        if (p == NULL) {
            return AI_ERROR;
        }
    }

    p = ai_sum_name(p, end, &row->tenant, &b);

    if (p == NULL || p == end || *p++ != ' ') {
        return AI_ERROR;
    }

    p = ai_sum_name(p, end, &row->key, &b);

    return p == end ? AI_OK : AI_ERROR;
}
