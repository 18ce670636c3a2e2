
/*
 * Private to the scanner: sixty-four bytes as a mask, the bit of the lowest
 * address lowest.  With SSE2 (every amd64 has it), or in plain C where
 * "portable" is set or there is nothing else.
 */


#ifndef AI_JSON_MASK_H
#define AI_JSON_MASK_H


#include "ai_json_run.h"


/* one function a machine, whatever the compiler thinks of its size */

#define ai_json_inline  inline __attribute__((always_inline))

#define AI_JSON_ONES   ((uint64_t) 0x0101010101010101)
#define AI_JSON_HIGHS  ((uint64_t) 0x8080808080808080)

/* what is true of a byte is its highest bit */

#define ai_json_has(v, c)                                                    \
    (~((((v) ^ (c) * AI_JSON_ONES) & ~AI_JSON_HIGHS) + ~AI_JSON_HIGHS)       \
     & ~((v) ^ (c) * AI_JSON_ONES) & AI_JSON_HIGHS)

#define ai_json_has_less(v, c)          /* c in 1 .. 0x80; bits 0 to 6 */     \
    (~(((v) & ~AI_JSON_HIGHS) + (0x80 - (c)) * AI_JSON_ONES)                 \
     & AI_JSON_HIGHS)


static ai_json_inline uint64_t
ai_json_word_load(const ai_char *p)
{
    uint64_t  v;

    memcpy(&v, p, 8);

#if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
    v = __builtin_bswap64(v);
#endif

    return v;
}


/* the eight highest bits, gathered */

static ai_json_inline uint64_t
ai_json_gather(uint64_t v)
{
    return (v >> 7) * 0x0102040810204080 >> 56;
}


#if (__SSE2__)

#define ai_json_mask_sse(m, p, expr)                                         \
    do {                                                                     \
        unsigned  _i;                                                        \
        __m128i   v;                                                         \
                                                                             \
        _Pragma("GCC unroll 4")                                              \
        for (_i = 0; _i < 64; _i += 16) {                                    \
            v = ai_json_load((p) + _i);                                      \
            (m) |= (uint64_t) (unsigned) _mm_movemask_epi8(expr) << _i;      \
        }                                                                    \
    } while (0)

#endif

#define ai_json_mask_words(m, p, expr)                                       \
    do {                                                                     \
        unsigned  _i;                                                        \
        uint64_t  v;                                                         \
                                                                             \
        for (_i = 0; _i < 64; _i += 8) {                                     \
            v = ai_json_word_load((p) + _i);                                 \
            (m) |= ai_json_gather(expr) << _i;                               \
        }                                                                    \
    } while (0)


/* bytes that are c */

static ai_json_inline uint64_t
ai_json_equal(const ai_char *p, unsigned c, unsigned portable)
{
    uint64_t  m;

    m = 0;

#if (__SSE2__)

    if (!portable) {
        ai_json_mask_sse(m, p, _mm_cmpeq_epi8(v, _mm_set1_epi8((char) c)));
        return m;
    }

#endif

    (void) portable;
    ai_json_mask_words(m, p, ai_json_has(v, c));

    return m;
}


/* bytes from 0x80 to c - 1 */

static ai_json_inline uint64_t
ai_json_below(const ai_char *p, unsigned c, unsigned portable)
{
    uint64_t  m;

    m = 0;

#if (__SSE2__)

    if (!portable) {

        if (c == 0x100) {
            ai_json_mask_sse(m, p, v);

        } else {
            ai_json_mask_sse(m, p,
                             _mm_subs_epi8(v, _mm_set1_epi8((char) c)));
        }

        return m;
    }

#endif

    (void) portable;
    ai_json_mask_words(m, p, v & ai_json_has_less(v, c - 0x80));

    return m;
}


/* quotes, backslashes, control characters, and all past ASCII */

static ai_json_inline uint64_t
ai_json_stops(const ai_char *p, unsigned portable)
{
    uint64_t  m;

    m = 0;

#if (__SSE2__)

    if (!portable) {
        ai_json_mask_sse(m, p, ai_json_stop(v));
        return m;
    }

#endif

    (void) portable;
    ai_json_mask_words(m, p, ai_json_has(v, '"') | ai_json_has(v, '\\')
                             | ai_json_has_less(v, 0x20)
                             | (v & AI_JSON_HIGHS));

    return m;
}


#endif /* AI_JSON_MASK_H */
