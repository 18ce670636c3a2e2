
/*
 * Private to the scanner: runs of bytes that need no look at the grammar.
 */


#ifndef AI_JSON_RUN_H
#define AI_JSON_RUN_H


#include "ai_json.h"

#if (__SSE2__)
#include <emmintrin.h>
#endif


#define ai_json_is_digit(c)  ((unsigned) (c) - '0' < 10)

#define ai_json_is_space(c)                                                  \
    ((c) == ' ' || (c) == '\n' || (c) == '\r' || (c) == '\t')


/*
 * Moves *pos to the closing quote, or to end, from any place in a string.
 * AI_ERROR: *pos is at a byte that no string has.
 */
int ai_json_string_run(ai_json_t *js, const ai_char **pos,
    const ai_char *end);

/*
 * The first byte of a string that is neither plain nor of a short escape, or
 * end: a quote, a control character, one past ASCII, a backslash with 'u' or
 * worse behind it or with nothing yet.  *escaped is set when an escape was
 * passed.
 */
const ai_char *ai_json_plain_run(const ai_char *p, const ai_char *end,
    unsigned *escaped);

/* the first byte that is no white space, or end */
const ai_char *ai_json_space_run(const ai_char *p, const ai_char *end);

/*
 * Passes whole sequences of two and three bytes, and single characters
 * between them: most of the text that is not English.  Whatever it stops at
 * is to be looked at byte by byte.
 */
const ai_char *ai_json_utf8_run(const ai_char *p, const ai_char *end);


#if (__SSE2__)

#define ai_json_load(p)  _mm_loadu_si128((const __m128i *) (const void *) (p))


/* a bit for each byte that ends a run: signed, all past ASCII are < 0x20 */

static inline uint64_t
ai_json_stops(__m128i v)
{
    __m128i  m;

    m = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    m = _mm_or_si128(m, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    m = _mm_or_si128(m, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));

    return (unsigned) _mm_movemask_epi8(m);
}

#endif


/* most keys and words end within sixteen bytes; NULL: not this one */

static inline const ai_char *
ai_json_short_run(const ai_json_t *js, const ai_char *p, const ai_char *end)
{
#if (__SSE2__)

    uint64_t  m;

    if (end - p >= 16 && !(js->hex | js->utf8 | ai_json_portable)) {
        m = ai_json_stops(ai_json_load(p));

        if (m && p[__builtin_ctzll(m)] == '"') {
            return p + __builtin_ctzll(m);
        }
    }

#else

    (void) js;
    (void) p;
    (void) end;

#endif

    return NULL;
}


static inline const ai_char *
ai_json_space(const ai_char *p, const ai_char *end)
{
    if (p == end || *p > ' ') {
        return p;
    }

    if (end - p > 1 && *p == ' ' && p[1] > ' ') {
        return p + 1;
    }

    return ai_json_space_run(p, end);
}


#endif /* AI_JSON_RUN_H */
