
/*
 * Runs of bytes, by what the machine has: AVX2, SSE2 (every amd64) or neither.
 */


#include "ai_json_run.h"
#include "ai_json_block.h"


int  ai_json_portable;


const ai_char  ai_json_short_escapes[256] = {
    ['"'] = 1, ['\\'] = 1, ['/'] = 1, ['b'] = 1, ['f'] = 1, ['n'] = 1,
    ['r'] = 1, ['t'] = 1
};


const ai_char *
ai_json_plain_run(const ai_char *p, const ai_char *end, unsigned lax,
    unsigned *escaped)
{
    if (ai_json_portable == 1) {
        return ai_json_blocks(p, end, lax, escaped, 1);
    }

#if (__x86_64__)

    if (ai_json_portable == 0
        && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
    {
        return ai_json_plain_avx2(p, end, lax, escaped);
    }

#endif

    return ai_json_blocks(p, end, lax, escaped, 0);
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
