
/*
 * CRC-32C (Castagnoli), which the processor computes by itself where it has
 * SSE4.2; elsewhere sliced by eight.  What a slot holds is a few hundred
 * bytes: one stream is as fast as several there.
 */


#include "ai_crc.h"


#define AI_CRC32C_POLYNOMIAL  0x82f63b78

static ai_crc_table_t  ai_crc32c_table;


uint32_t
ai_crc32c_plain(uint32_t crc, const void *data, size_t len)
{
    return ai_crc_sliced(ai_crc32c_table, crc, data, len);
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
    ai_crc_fill(ai_crc32c_table, AI_CRC32C_POLYNOMIAL);

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
