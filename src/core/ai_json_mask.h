
/*
 * Private to the scanner: sixty-four bytes as a mask, the bit of the lowest
 * address lowest.  With the vectors that the including file is compiled for,
 * or in plain C where "portable" is set or there are none.
 */


#ifndef AI_JSON_MASK_H
#define AI_JSON_MASK_H


#include "ai_json_run.h"

#if (__AVX2__)
#include <immintrin.h>
#endif


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


#if (__AVX2__)

#define AI_JSON_VECTOR         32

#define ai_json_vector         __m256i
#define ai_json_vector_load(p)                                               \
    _mm256_loadu_si256((const __m256i *) (const void *) (p))
#define ai_json_vector_mask(v)                                               \
    ((uint64_t) (uint32_t) _mm256_movemask_epi8(v))
#define ai_json_vector_or      _mm256_or_si256

/* true is a byte's sign in both */
#define ai_json_vector_is(v, c)                                              \
    _mm256_cmpeq_epi8(v, _mm256_set1_epi8((char) (c)))
#define ai_json_vector_less(v, c)                                            \
    _mm256_subs_epi8(v, _mm256_set1_epi8((char) (c)))

#elif (__SSE2__)

#define AI_JSON_VECTOR         16

#define ai_json_vector         __m128i
#define ai_json_vector_load    ai_json_load
#define ai_json_vector_mask(v)                                               \
    ((uint64_t) (uint32_t) _mm_movemask_epi8(v))
#define ai_json_vector_or      _mm_or_si128

#define ai_json_vector_is(v, c)                                              \
    _mm_cmpeq_epi8(v, _mm_set1_epi8((char) (c)))
#define ai_json_vector_less(v, c)                                            \
    _mm_subs_epi8(v, _mm_set1_epi8((char) (c)))

#endif

#define ai_json_mask_part(m, p, i, expr)                                     \
    v = ai_json_vector_load((p) + (i));                                      \
    (m) |= ai_json_vector_mask(expr) << (i)

#define ai_json_mask_vectors(m, p, expr)                                     \
    do {                                                                     \
        ai_json_vector  v;                                                   \
                                                                             \
        ai_json_mask_part(m, p, 0, expr);                                    \
        ai_json_mask_part(m, p, 32, expr);                                   \
                                                                             \
        if (AI_JSON_VECTOR == 16) {                                          \
            ai_json_mask_part(m, p, 16, expr);                               \
            ai_json_mask_part(m, p, 48, expr);                               \
        }                                                                    \
    } while (0)

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

#if (AI_JSON_VECTOR)

    if (!portable) {
        ai_json_mask_vectors(m, p, ai_json_vector_is(v, c));
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

#if (AI_JSON_VECTOR)

    if (!portable) {

        if (c == 0x100) {
            ai_json_mask_vectors(m, p, v);

        } else {
            ai_json_mask_vectors(m, p, ai_json_vector_less(v, c));
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

#if (AI_JSON_VECTOR)

    if (!portable) {
        ai_json_mask_vectors(m, p,
            ai_json_vector_or(ai_json_vector_less(v, 0x20),
                              ai_json_vector_or(ai_json_vector_is(v, '"'),
                                                ai_json_vector_is(v, '\\'))));
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
