
/*
 * Server-sent events, line by line.  A byte is looked at alone only in field
 * names; values are searched for their line end sixteen bytes at a time.
 */


#include "ai_sse.h"

#if (__SSE2__)
#include <emmintrin.h>
#endif


enum {
    AI_SSE_S_BLOCK = 0,         /* a new block: forget the former one */
    AI_SSE_S_LINE,              /* the first byte of a line */
    AI_SSE_S_FIELD,             /* in a field's name */
    AI_SSE_S_SPACE,             /* behind the colon */
    AI_SSE_S_VALUE,
    AI_SSE_S_SKIP               /* a line of no interest */
};


/* sse->field: the place in "data" or, from AI_SSE_F_EVENT on, in "event" */

#define AI_SSE_F_DATA       4
#define AI_SSE_F_EVENT      8
#define AI_SSE_F_EVENT_END  13


static int ai_sse_line(ai_sse_t *sse, const ai_char **pos);
static int ai_sse_field(ai_sse_t *sse, const ai_char **pos,
    const ai_char *end);
static int ai_sse_field_end(ai_sse_t *sse, unsigned state);
static int ai_sse_value(ai_sse_t *sse, const ai_char **pos,
    const ai_char *end, const ai_char **data, size_t *len);
static void ai_sse_name(ai_sse_t *sse, const ai_char *p, size_t len);
static void ai_sse_newline(ai_sse_t *sse, const ai_char **pos);
static const ai_char *ai_sse_eol(const ai_char *p, const ai_char *end);


static const ai_char  ai_sse_bom[] = { 0xef, 0xbb, 0xbf };
static const ai_char  ai_sse_fields[] = "data\0\0\0\0event";


void
ai_sse_init(ai_sse_t *sse)
{
    memset(sse, 0, sizeof(ai_sse_t));
}


int
ai_sse_next(ai_sse_t *sse, const ai_char **pos, const ai_char *end,
    const ai_char **data, size_t *len)
{
    int  rc;

    if (sse->state == AI_SSE_S_BLOCK) {
        sse->state = AI_SSE_S_LINE;
        sse->name_len = 0;
        sse->data = 0;
    }

    while (*pos < end) {

        if (sse->cr) {
            sse->cr = 0;

            if (**pos == '\n') {
                (*pos)++;
                continue;
            }
        }

        switch (sse->state) {

        case AI_SSE_S_LINE:
            rc = ai_sse_line(sse, pos);
            break;

        case AI_SSE_S_FIELD:
            rc = ai_sse_field(sse, pos, end);
            break;

        case AI_SSE_S_SPACE:
            sse->state = AI_SSE_S_VALUE;

            if (**pos == ' ') {
                (*pos)++;
            }

            continue;

        default: /* AI_SSE_S_VALUE, AI_SSE_S_SKIP */
            rc = ai_sse_value(sse, pos, end, data, len);
        }

        if (rc == AI_SSE_EVENT || rc == AI_SSE_BLANK) {

            /* the LF of a CRLF belongs to this block, if it is here */

            if (sse->cr && *pos < end && **pos == '\n') {
                (*pos)++;
                sse->cr = 0;
            }
        }

        if (rc != AI_AGAIN) {
            return rc;
        }
    }

    return AI_AGAIN;
}


static int
ai_sse_line(ai_sse_t *sse, const ai_char **pos)
{
    ai_char  c;

    c = **pos;

    if (sse->bom < 3) {

        if (c == ai_sse_bom[sse->bom]) {
            sse->bom++;
            (*pos)++;
            return AI_AGAIN;
        }

        if (sse->bom) {

            /* the start of a BOM only: some field that nobody knows */

            sse->bom = 3;
            sse->state = AI_SSE_S_SKIP;
            return AI_AGAIN;
        }

        sse->bom = 3;
    }

    if (c == '\n' || c == '\r') {
        ai_sse_newline(sse, pos);
        sse->state = AI_SSE_S_BLOCK;

        return sse->data ? AI_SSE_EVENT : AI_SSE_BLANK;
    }

    if (c == 'd') {
        sse->field = 0;
        sse->state = AI_SSE_S_FIELD;

    } else if (c == 'e') {
        sse->field = AI_SSE_F_EVENT;
        sse->state = AI_SSE_S_FIELD;

    } else {
        sse->state = AI_SSE_S_SKIP;
    }

    return AI_AGAIN;
}


static int
ai_sse_field(ai_sse_t *sse, const ai_char **pos, const ai_char *end)
{
    ai_char  c;

    if (sse->field == 0 && end - *pos > 4 && memcmp(*pos, "data", 4) == 0) {
        sse->field = AI_SSE_F_DATA;
        *pos += 4;
    }

    for ( /* void */ ; *pos < end; (*pos)++) {

        c = **pos;

        if (sse->field == AI_SSE_F_DATA || sse->field == AI_SSE_F_EVENT_END) {

            if (c == ':') {
                (*pos)++;
                return ai_sse_field_end(sse, AI_SSE_S_SPACE);
            }

            if (c == '\n' || c == '\r') {
                return ai_sse_field_end(sse, AI_SSE_S_VALUE);
            }

            sse->state = AI_SSE_S_SKIP;
            return AI_AGAIN;
        }

        if (c != ai_sse_fields[sse->field]) {
            sse->state = AI_SSE_S_SKIP;
            return AI_AGAIN;
        }

        sse->field++;
    }

    return AI_AGAIN;
}


static int
ai_sse_field_end(ai_sse_t *sse, unsigned state)
{
    sse->state = (uint8_t) state;

    if (sse->field == AI_SSE_F_EVENT_END) {
        sse->name_len = 0;
        return AI_AGAIN;
    }

    if (sse->data) {
        return AI_SSE_LINE;
    }

    sse->data = 1;

    return AI_AGAIN;
}


static int
ai_sse_value(ai_sse_t *sse, const ai_char **pos, const ai_char *end,
    const ai_char **data, size_t *len)
{
    size_t          n;
    const ai_char  *p;

    p = *pos;
    *pos = ai_sse_eol(p, end);
    n = (size_t) (*pos - p);

    if (n && sse->state == AI_SSE_S_VALUE) {

        if (sse->field == AI_SSE_F_DATA) {
            *data = p;
            *len = n;
            return AI_SSE_DATA;
        }

        ai_sse_name(sse, p, n);
    }

    if (*pos < end) {
        ai_sse_newline(sse, pos);
        sse->state = AI_SSE_S_LINE;
    }

    return AI_AGAIN;
}


/* a longer name than anybody uses is cut */

static void
ai_sse_name(ai_sse_t *sse, const ai_char *p, size_t len)
{
    if (len > sizeof(sse->name) - sse->name_len) {
        len = sizeof(sse->name) - sse->name_len;
    }

    memcpy(sse->name + sse->name_len, p, len);
    sse->name_len += (uint8_t) len;
}


static void
ai_sse_newline(ai_sse_t *sse, const ai_char **pos)
{
    sse->cr = (**pos == '\r');
    (*pos)++;
}


#if (__SSE2__)

static inline unsigned
ai_sse_eols(const ai_char *p)
{
    __m128i  v;

    v = _mm_loadu_si128((const __m128i *) (const void *) p);

    return (unsigned) _mm_movemask_epi8(
               _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
                            _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'))));
}

#endif


/* one pass for both line ends: two memchr() would be quadratic without LF */

static const ai_char *
ai_sse_eol(const ai_char *p, const ai_char *end)
{
#if (__SSE2__)

    unsigned  eols;

    if (end - p >= 16) {

        do {
            eols = ai_sse_eols(p);

            if (eols) {
                return p + __builtin_ctz(eols);
            }

            p += 16;

        } while (end - p >= 16);

        /* the rest, together with bytes that have been looked at */

        eols = ai_sse_eols(end - 16) >> (16 - (end - p));

        return eols ? p + __builtin_ctz(eols) : end;
    }

#endif

    while (p < end && *p != '\n' && *p != '\r') {
        p++;
    }

    return p;
}
