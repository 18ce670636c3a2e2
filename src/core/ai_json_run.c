
/*
 * Runs of bytes, sixteen at a time where the machine has SSE2 (every amd64
 * has), eight at a time elsewhere.
 */


#include "ai_json_run.h"


int  ai_json_portable;


/* what may stand behind a backslash, but for 'u' */

static const ai_char  ai_json_short_escapes[256] = {
    ['"'] = 1, ['\\'] = 1, ['/'] = 1, ['b'] = 1, ['f'] = 1, ['n'] = 1,
    ['r'] = 1, ['t'] = 1
};


#if (__SSE2__)

static inline uint64_t
ai_json_equals(const ai_char *p, char c)
{
    uint64_t  m;
    __m128i   v;

    v = _mm_set1_epi8(c);

    m = (unsigned) _mm_movemask_epi8(_mm_cmpeq_epi8(ai_json_load(p), v));
    m |= (uint64_t) (unsigned)
         _mm_movemask_epi8(_mm_cmpeq_epi8(ai_json_load(p + 16), v)) << 16;
    m |= (uint64_t) (unsigned)
         _mm_movemask_epi8(_mm_cmpeq_epi8(ai_json_load(p + 32), v)) << 32;
    m |= (uint64_t) (unsigned)
         _mm_movemask_epi8(_mm_cmpeq_epi8(ai_json_load(p + 48), v)) << 48;

    return m;
}


/*
 * Blocks of 64 bytes as bits: short escapes are taken out of the stops one by
 * one, without a second look at the block.
 */

static const ai_char *
ai_json_plain_simd(const ai_char *p, const ai_char *end, unsigned *escaped)
{
    unsigned  i;
    uint64_t  stops, slashes;

    while (end - p >= 64) {

        stops = ai_json_stops(ai_json_load(p))
                | ai_json_stops(ai_json_load(p + 16)) << 16
                | ai_json_stops(ai_json_load(p + 32)) << 32
                | ai_json_stops(ai_json_load(p + 48)) << 48;

        if (stops == 0) {
            p += 64;
            continue;
        }

        slashes = ai_json_equals(p, '\\');

        for ( ;; ) {
            i = (unsigned) __builtin_ctzll(stops);

            if (!(slashes >> i & 1)) {
                return p + i;           /* a quote, most of the time */
            }

            if (i == 63) {
                p += 63;                /* the escape is in both blocks */
                break;
            }

            if (!ai_json_short_escapes[p[i + 1]]) {
                return p + i;
            }

            *escaped = 1;
            stops &= ~((uint64_t) 3 << i);

            if (stops == 0) {
                p += 64;
                break;
            }
        }
    }

    return p;
}

#endif


#define AI_JSON_ONES   ((uint64_t) 0x0101010101010101)
#define AI_JSON_HIGHS  ((uint64_t) 0x8080808080808080)

#define ai_json_has_zero(v)     (((v) - AI_JSON_ONES) & ~(v) & AI_JSON_HIGHS)


const ai_char *
ai_json_plain_run(const ai_char *p, const ai_char *end, unsigned *escaped)
{
    uint64_t  v;

#if (__SSE2__)

    if (!ai_json_portable) {
        p = ai_json_plain_simd(p, end, escaped);
    }

#endif

    for ( ;; ) {

        while (end - p >= 8) {
            memcpy(&v, p, 8);

            if ((v & AI_JSON_HIGHS)
                || ((v - AI_JSON_ONES * 0x20) & ~v & AI_JSON_HIGHS)
                || ai_json_has_zero(v ^ (AI_JSON_ONES * '"'))
                || ai_json_has_zero(v ^ (AI_JSON_ONES * '\\')))
            {
                break;
            }

            p += 8;
        }

        while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        {
            p++;
        }

        if (end - p < 2 || *p != '\\' || !ai_json_short_escapes[p[1]]) {
            return p;
        }

        *escaped = 1;
        p += 2;
    }
}


const ai_char *
ai_json_space_run(const ai_char *p, const ai_char *end)
{
#if (__SSE2__)

    unsigned  m;
    __m128i   v, s;

    while (!ai_json_portable && end - p >= 16) {
        v = ai_json_load(p);

        s = _mm_cmpeq_epi8(v, _mm_set1_epi8(' '));
        s = _mm_or_si128(s, _mm_cmpeq_epi8(v, _mm_set1_epi8('\n')));
        s = _mm_or_si128(s, _mm_cmpeq_epi8(v, _mm_set1_epi8('\r')));
        s = _mm_or_si128(s, _mm_cmpeq_epi8(v, _mm_set1_epi8('\t')));

        m = (unsigned) _mm_movemask_epi8(s) ^ 0xffff;

        if (m) {
            return p + __builtin_ctz(m);
        }

        p += 16;
    }

#endif

    while (p < end && ai_json_is_space(*p)) {
        p++;
    }

    return p;
}


#if (__SSE2__)

/*
 * How many bytes at p are whole sequences of three bytes (or of two), without
 * those whose first byte narrows the second.
 */

static inline unsigned
ai_json_utf8_simd(const ai_char *p)
{
    __m128i   v;
    unsigned  m, n;

    v = ai_json_load(p);

    if (*p >= 0xe0) {
        m = (unsigned) _mm_movemask_epi8(_mm_cmpeq_epi8(
                _mm_and_si128(v, _mm_setr_epi8(-16, -64, -64, -16, -64, -64,
                                               -16, -64, -64, -16, -64, -64,
                                               -16, -64, -64, -1)),
                _mm_setr_epi8(-32, -128, -128, -32, -128, -128, -32, -128,
                              -128, -32, -128, -128, -32, -128, -128, 0)));

        m &= ~(unsigned) _mm_movemask_epi8(
                _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(-32)),
                             _mm_cmpeq_epi8(v, _mm_set1_epi8(-19))));

        n = (unsigned) __builtin_ctz(~m | 1u << 15);

        return n - n % 3;
    }

    /* 0xc0 and 0xc1 are no first bytes */

    m = (unsigned) _mm_movemask_epi8(_mm_cmpeq_epi8(
            _mm_and_si128(v, _mm_set1_epi16((short) 0xc0e0)),
            _mm_set1_epi16((short) 0x80c0)));

    m &= ~(unsigned) _mm_movemask_epi8(_mm_cmpeq_epi8(
            _mm_and_si128(v, _mm_set1_epi8(-2)), _mm_set1_epi8(-64)));

    n = (unsigned) __builtin_ctz(~m | 1u << 16);

    return n & ~1u;
}

#endif


const ai_char *
ai_json_utf8_run(const ai_char *p, const ai_char *end)
{
#if (__SSE2__)
    unsigned  n;
#endif

    while (end - p >= 4) {

#if (__SSE2__)

        if (end - p >= 16 && p[0] >= 0xc2 && !ai_json_portable) {
            n = ai_json_utf8_simd(p);

            if (n) {
                p += n;
                continue;
            }
        }

#endif

        if ((p[0] & 0xf0) == 0xe0) {

            if ((p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80
                || (p[0] == 0xe0 && p[1] < 0xa0)
                || (p[0] == 0xed && p[1] > 0x9f))
            {
                break;
            }

            p += 3;
            continue;
        }

        if (p[0] >= 0xc2 && p[0] <= 0xdf) {

            if ((p[1] & 0xc0) != 0x80) {
                break;
            }

            p += 2;
            continue;
        }

        if (p[0] == ' ' && p[1] >= 0x80) {
            p++;
            continue;
        }

        break;
    }

    return p;
}
