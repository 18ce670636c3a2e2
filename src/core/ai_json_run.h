
/*
 * Private to the scanner: runs of bytes that need no look at the grammar.
 */


#ifndef AI_JSON_RUN_H
#define AI_JSON_RUN_H


#include "ai_json.h"

#if (__SSE2__)
#include <emmintrin.h>
#endif


AI_HIDDEN_BEGIN


#define ai_json_is_digit(c)  ((unsigned) (c) - '0' < 10)

#define ai_json_is_hex(c)                                                    \
    (ai_json_is_digit(c) || (unsigned) ((c) | 0x20) - 'a' < 6)

#define ai_json_is_space(c)                                                  \
    ((c) == ' ' || (c) == '\n' || (c) == '\r' || (c) == '\t')


/* what may stand behind a backslash, but for 'u' */

extern const ai_char  ai_json_short_escapes[256];


/*
 * From any place in a string: returns where its closing quote is, or end, or
 * the byte that no string has there.
 */
const ai_char *ai_json_string_run(ai_json_t *js, const ai_char *p,
    const ai_char *end);

/*
 * Passes whole characters of a string, also escaped ones; *escaped is set when
 * some were.  Stops at the closing quote, at end, or at whatever has to be
 * looked at byte by byte: it is no part of a string, or cut off by end.
 * lax: bytes past ASCII are not looked at.
 */
const ai_char *ai_json_plain_run(const ai_char *p, const ai_char *end,
    unsigned lax, unsigned *escaped);

/* the same, for the machines that have AVX2 */
const ai_char *ai_json_plain_avx2(const ai_char *p, const ai_char *end,
    unsigned lax, unsigned *escaped);

/* the first byte that is no white space, or end */
const ai_char *ai_json_space_run(const ai_char *p, const ai_char *end);


#if (__SSE2__)

#define ai_json_load(p)  _mm_loadu_si128((const __m128i *) (const void *) (p))

#endif


#if (__SSE2__)

/* which of 16 bytes end a run: signed, all past ASCII are less than 0x20 */

static inline unsigned
ai_json_short_stops(const ai_char *p)
{
    __m128i  v, stops;

    v = ai_json_load(p);

    stops = _mm_subs_epi8(v, _mm_set1_epi8(0x20));
    stops = _mm_or_si128(stops, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    stops = _mm_or_si128(stops, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));

    return (unsigned) _mm_movemask_epi8(stops);
}

#endif


/* keys and words mostly end within 32 bytes; NULL: not this one */

static inline const ai_char *
ai_json_short_run(const ai_char *p, const ai_char *end)
{
#if (__SSE2__)

    unsigned  stops;

    if (end - p < 16 || ai_json_portable) {
        return NULL;
    }

    stops = ai_json_short_stops(p);

    if (stops == 0 && end - p >= 32) {
        p += 16;
        stops = ai_json_short_stops(p);
    }

    if (stops && p[__builtin_ctz(stops)] == '"') {
        return p + __builtin_ctz(stops);
    }

#else

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


AI_HIDDEN_END


#endif /* AI_JSON_RUN_H */
