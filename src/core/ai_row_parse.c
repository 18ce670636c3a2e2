
/*
 * The reader of rows that counters are rebuilt from.  It takes only what
 * ai_slot_row() writes, field by field in its order, and skips what it does
 * not need: a month of rows goes through it at start.
 */


#include "ai_slot.h"
#include "ai_json.h"
#include "ai_key.h"


typedef struct {
    const ai_char   *pos;
    const ai_char   *end;
} ai_row_in_t;

#define ai_row_expect(in, s)  ai_row_match(in, s, sizeof(s) - 1)


static int
ai_row_match(ai_row_in_t *in, const char *s, size_t len)
{
    if ((size_t) (in->end - in->pos) < len || memcmp(in->pos, s, len) != 0) {
        return 0;
    }

    in->pos += len;

    return 1;
}


/* the raw text of a string whose opening quote stands at pos */

static int
ai_row_skip_string(ai_row_in_t *in, ai_str_t *raw)
{
    const ai_char  *p, *q;

    if (!ai_row_expect(in, "\"")) {
        return 0;
    }

    raw->data = (ai_char *) in->pos;

    for (p = in->pos; /* void */ ; p = q + 1) {
        p = memchr(p, '"', (size_t) (in->end - p));

        if (p == NULL) {
            return 0;
        }

        /* an odd run of backslashes before it makes the quote part of it */

        for (q = p; q > in->pos && q[-1] == '\\'; q--) { /* void */ }

        if ((p - q) % 2 == 0) {
            break;
        }

        q = p;
    }

    raw->len = (size_t) (p - raw->data);
    in->pos = p + 1;

    return 1;
}


/* an object or a list; its strings may hold brackets */

static int
ai_row_skip_group(ai_row_in_t *in)
{
    unsigned  depth;
    ai_str_t  raw;

    depth = 0;

    while (in->pos < in->end) {

        switch (*in->pos) {

        case '"':
            if (!ai_row_skip_string(in, &raw)) {
                return 0;
            }

            continue;

        case '{':
        case '[':
            depth++;
            break;

        case '}':
        case ']':
            if (depth == 0) {
                return 0;
            }

            if (--depth == 0) {
                in->pos++;
                return 1;
            }
        }

        if (depth == 0) {
            return 0;
        }

        in->pos++;
    }

    return 0;
}


/* a string, or null */

static int
ai_row_skip_value(ai_row_in_t *in)
{
    ai_str_t  raw;

    return ai_row_expect(in, "null") || ai_row_skip_string(in, &raw);
}


static int
ai_row_uint(ai_row_in_t *in, uint64_t *n)
{
    const ai_char  *start;

    start = in->pos;
    *n = 0;

    while (in->pos < in->end && *in->pos >= '0' && *in->pos <= '9') {

        if (__builtin_mul_overflow(*n, (uint64_t) 10, n)
            || __builtin_add_overflow(*n, (uint64_t) (*in->pos - '0'), n))
        {
            return 0;
        }

        in->pos++;
    }

    return in->pos > start;
}


static int
ai_row_uint_or_null(ai_row_in_t *in, uint64_t *n)
{
    if (ai_row_expect(in, "null")) {
        *n = 0;
        return 1;
    }

    return ai_row_uint(in, n);
}


static int
ai_row_skip_bool(ai_row_in_t *in)
{
    return ai_row_expect(in, "true") || ai_row_expect(in, "false");
}


static int
ai_row_fixed_digits(const ai_char *p, unsigned n, uint64_t *value)
{
    *value = 0;

    while (n--) {
        if (*p < '0' || *p > '9') {
            return 0;
        }

        *value = *value * 10 + (uint64_t) (*p++ - '0');
    }

    return 1;
}


/* "2026-11-21T02:27:54.123Z" to milliseconds; the date after Hinnant */

static int
ai_row_time(ai_row_in_t *in, uint64_t *msec)
{
    uint64_t        y, mon, d, h, m, s, ms, era, yoe, doy;
    const ai_char  *p;

    p = in->pos;

    if (in->end - p < 25 || p[4] != '-' || p[7] != '-' || p[10] != 'T'
        || p[13] != ':' || p[16] != ':' || p[19] != '.' || p[23] != 'Z'
        || p[24] != '"'
        || !ai_row_fixed_digits(p, 4, &y)
        || !ai_row_fixed_digits(p + 5, 2, &mon)
        || !ai_row_fixed_digits(p + 8, 2, &d)
        || !ai_row_fixed_digits(p + 11, 2, &h)
        || !ai_row_fixed_digits(p + 14, 2, &m)
        || !ai_row_fixed_digits(p + 17, 2, &s)
        || !ai_row_fixed_digits(p + 20, 3, &ms)
        || y < 1970 || mon < 1 || mon > 12 || d < 1 || d > 31
        || h > 23 || m > 59 || s > 59)
    {
        return 0;
    }

    y -= mon <= 2;
    era = y / 400;
    yoe = y - era * 400;
    doy = (153 * (mon > 2 ? mon - 3 : mon + 9) + 2) / 5 + d - 1;
    d = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;

    *msec = ((d * 24 + h) * 60 + m) * 60000 + s * 1000 + ms;
    in->pos += 25;

    return 1;
}


/* a string's decoded text, appended to the scratch memory */

static int
ai_row_text(ai_row_in_t *in, ai_str_t *v, ai_buf_t *scratch)
{
    ptrdiff_t  n;
    ai_str_t   raw;

    if (!ai_row_skip_string(in, &raw)) {
        return 0;
    }

    v->data = scratch->pos;

    if (memchr(raw.data, '\\', raw.len) == NULL) {
        ai_buf_str(scratch, &raw);
        v->len = raw.len;

        return !scratch->full;
    }

    n = ai_json_unescape(scratch->pos, (size_t) (scratch->end - scratch->pos),
                         raw.data, raw.len);

    if (n < 0) {
        return 0;
    }

    v->len = (size_t) n;
    scratch->pos += n;

    return 1;
}


static int
ai_row_parse_identity(ai_row_in_t *in, ai_row_t *row, ai_buf_t *scratch)
{
    if (!ai_row_expect(in, "{\"id\":\"") || in->end - in->pos < 36
        || ai_uuid_parse(row->id, in->pos) != AI_OK)
    {
        return 0;
    }

    in->pos += 36;

    return ai_row_expect(in, "\",\"time\":\"")
           && ai_row_time(in, &row->time_ms)
           && ai_row_expect(in, ",\"tenant\":")
           && ai_row_text(in, &row->tenant, scratch)
           && ai_row_expect(in, ",\"key\":")
           && ai_row_text(in, &row->key, scratch)
           && ai_row_expect(in, ",\"plan\":")
           && ai_row_skip_value(in)
           && ai_row_expect(in, ",\"labels\":")
           && ai_row_skip_group(in)
           && ai_row_expect(in, ",\"api\":")
           && ai_row_skip_value(in)
           && ai_row_expect(in, ",\"model\":")
           && ai_row_skip_value(in)
           && ai_row_expect(in, ",\"served_model\":")
           && ai_row_skip_value(in)
           && ai_row_expect(in, ",\"provider\":")
           && ai_row_skip_value(in)
           && ai_row_expect(in, ",\"attempts\":")
           && ai_row_skip_group(in);
}


static int
ai_row_parse_outcome(ai_row_in_t *in, ai_row_t *row)
{
    uint64_t  n;
    ai_str_t  state;

    if (!ai_row_expect(in, ",\"stream\":")
        || !ai_row_skip_bool(in)
        || !ai_row_expect(in, ",\"status\":")
        || !ai_row_skip_value(in)
        || !ai_row_expect(in, ",\"http_status\":")
        || !ai_row_uint_or_null(in, &n)
        || !ai_row_expect(in, ",\"state\":")
        || !ai_row_skip_string(in, &state)
        || !ai_row_expect(in, ",\"usage_source\":")
        || !ai_row_skip_value(in)
        || !ai_row_expect(in, ",\"stream_complete\":")
        || !ai_row_skip_bool(in)
        || !ai_row_expect(in, ",\"client_aborted\":")
        || !ai_row_skip_bool(in))
    {
        return 0;
    }

    row->used[AI_RES_REQUESTS] = !ai_str_is(&state, "refused");

    return 1;
}


/* counters are bounded so that sums of them cannot overflow */

static int64_t
ai_row_bounded(uint64_t n)
{
    return n < (uint64_t) AI_LIMIT_MAX ? (int64_t) n : AI_LIMIT_MAX;
}


static int
ai_row_parse_numbers(ai_row_in_t *in, ai_row_t *row)
{
    int64_t   cost;
    uint64_t  input, output, n;
    ai_str_t  usd;

    if (!ai_row_expect(in, ",\"input_tokens\":")
        || !ai_row_uint_or_null(in, &input)
        || !ai_row_expect(in, ",\"cache_read_tokens\":")
        || !ai_row_uint_or_null(in, &n)
        || !ai_row_expect(in, ",\"cache_write_tokens\":")
        || !ai_row_uint_or_null(in, &n)
        || !ai_row_expect(in, ",\"output_tokens\":")
        || !ai_row_uint_or_null(in, &output)
        || !ai_row_expect(in, ",\"reasoning_tokens\":")
        || !ai_row_uint_or_null(in, &n)
        || !ai_row_expect(in, ",\"classes\":")
        || !ai_row_skip_group(in)
        || !ai_row_expect(in, ",\"units\":")
        || !ai_row_skip_group(in)
        || !ai_row_expect(in, ",\"sub\":")
        || !ai_row_skip_group(in)
        || !ai_row_expect(in, ",\"cost_usd\":"))
    {
        return 0;
    }

    cost = 0;

    if (!ai_row_expect(in, "null")) {

        if (!ai_row_skip_string(in, &usd)
            || ai_decimal_parse(usd.data, usd.len, &cost) != AI_OK)
        {
            return 0;
        }
    }

    row->used[AI_RES_INPUT_TOKENS] = ai_row_bounded(input);
    row->used[AI_RES_OUTPUT_TOKENS] = ai_row_bounded(output);
    row->used[AI_RES_TOKENS] = row->used[AI_RES_INPUT_TOKENS]
                               + row->used[AI_RES_OUTPUT_TOKENS];
    row->used[AI_RES_COST] = ai_row_bounded((uint64_t) cost);

    return 1;
}


static int
ai_row_parse_rest(ai_row_in_t *in)
{
    uint64_t  n;

    return ai_row_expect(in, ",\"price_version\":")
           && ai_row_skip_value(in)
           && ai_row_expect(in, ",\"hold_usd\":")
           && ai_row_skip_value(in)
           && ai_row_expect(in, ",\"finish_reason\":")
           && ai_row_skip_value(in)
           && ai_row_expect(in, ",\"first_byte_ms\":")
           && ai_row_uint_or_null(in, &n)
           && ai_row_expect(in, ",\"duration_ms\":")
           && ai_row_uint(in, &n)
           && ai_row_expect(in, ",\"request_bytes\":")
           && ai_row_uint(in, &n)
           && ai_row_expect(in, ",\"response_bytes\":")
           && ai_row_uint(in, &n)
           && ai_row_expect(in, "}")
           && in->pos == in->end;
}


int
ai_row_parse(ai_row_t *row, const ai_char *line, size_t len,
    ai_char *scratch, size_t scratch_size)
{
    ai_buf_t     b;
    ai_row_in_t  in;

    in.pos = line;
    in.end = line + len;

    ai_buf_init(&b, scratch, scratch_size);

    if (!ai_row_parse_identity(&in, row, &b)
        || !ai_row_parse_outcome(&in, row)
        || !ai_row_parse_numbers(&in, row)
        || !ai_row_parse_rest(&in))
    {
        return AI_ERROR;
    }

    return AI_OK;
}
