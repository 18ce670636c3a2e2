
/*
 * CRC-32C (Castagnoli), which the processor computes by itself where it has
 * SSE4.2; elsewhere sliced by eight.  What a slot holds is a few hundred
 * bytes: one stream is as fast as several there.
 */


#include "ai_core.h"


#define AI_CRC32C_POLYNOMIAL  0x82f63b78

static uint32_t  ai_crc32c_table[8][256];


uint32_t
ai_crc32c_plain(uint32_t crc, const void *data, size_t len)
{
    uint32_t        lo, hi;
    const ai_char  *p;

    p = data;
    crc = ~crc;

    for ( /* void */ ; len >= 8; len -= 8, p += 8) {
        lo = crc ^ ((uint32_t) p[0] | (uint32_t) p[1] << 8
                    | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24);
        hi = (uint32_t) p[4] | (uint32_t) p[5] << 8
             | (uint32_t) p[6] << 16 | (uint32_t) p[7] << 24;

        crc = ai_crc32c_table[7][lo & 255]
              ^ ai_crc32c_table[6][lo >> 8 & 255]
              ^ ai_crc32c_table[5][lo >> 16 & 255]
              ^ ai_crc32c_table[4][lo >> 24]
              ^ ai_crc32c_table[3][hi & 255]
              ^ ai_crc32c_table[2][hi >> 8 & 255]
              ^ ai_crc32c_table[1][hi >> 16 & 255]
              ^ ai_crc32c_table[0][hi >> 24];
    }

    while (len--) {
        crc = (crc >> 8) ^ ai_crc32c_table[0][(crc ^ *p++) & 255];
    }

    return ~crc;
}


#if defined(__x86_64__)

static inline uint64_t
ai_crc32c_word(const ai_char *p)
{
    uint64_t  w;

    memcpy(&w, p, sizeof(w));

    return w;
}


__attribute__((target("sse4.2"))) static uint32_t
ai_crc32c_sse42(uint32_t crc, const void *data, size_t len)
{
    uint32_t        half;
    uint64_t        c;
    const ai_char  *p;

    p = data;
    c = (uint32_t) ~crc;

    for ( /* void */ ; len >= 32; len -= 32, p += 32) {
        c = __builtin_ia32_crc32di(c, ai_crc32c_word(p));
        c = __builtin_ia32_crc32di(c, ai_crc32c_word(p + 8));
        c = __builtin_ia32_crc32di(c, ai_crc32c_word(p + 16));
        c = __builtin_ia32_crc32di(c, ai_crc32c_word(p + 24));
    }

    for ( /* void */ ; len >= 8; len -= 8, p += 8) {
        c = __builtin_ia32_crc32di(c, ai_crc32c_word(p));
    }

    if (len & 4) {
        memcpy(&half, p, sizeof(half));
        c = __builtin_ia32_crc32si((uint32_t) c, half);
        p += 4;
    }

    for (len &= 3; len; len--) {
        c = __builtin_ia32_crc32qi((uint32_t) c, *p++);
    }

    return ~(uint32_t) c;
}

#endif


static uint32_t  (*ai_crc32c_best)(uint32_t crc, const void *data, size_t len)
    = ai_crc32c_plain;


/* runs once when the object is loaded, before any thread exists */

__attribute__((constructor)) static void
ai_crc32c_init(void)
{
    uint32_t  c, i, k;

    for (i = 0; i < 256; i++) {
        c = i;

        for (k = 0; k < 8; k++) {
            c = (c >> 1) ^ ((c & 1) ? AI_CRC32C_POLYNOMIAL : 0);
        }

        ai_crc32c_table[0][i] = c;
    }

    for (i = 0; i < 256; i++) {
        for (k = 1; k < 8; k++) {
            c = ai_crc32c_table[k - 1][i];
            ai_crc32c_table[k][i] = (c >> 8) ^ ai_crc32c_table[0][c & 255];
        }
    }

#if defined(__x86_64__)

    __builtin_cpu_init();

    if (__builtin_cpu_supports("sse4.2")) {
        ai_crc32c_best = ai_crc32c_sse42;
    }

#endif
}


uint32_t
ai_crc32c(uint32_t crc, const void *data, size_t len)
{
    return ai_crc32c_best(crc, data, len);
}
