
/*
 * CRC-32 (IEEE 802.3), sliced by eight: a slot's check must not cost more
 * than the rest of its writing.
 */


#include "ai_core.h"


static uint32_t  ai_crc32_table[8][256];


/* runs once when the object is loaded, before any thread exists */

__attribute__((constructor)) static void
ai_crc32_init(void)
{
    uint32_t  c, i, k;

    for (i = 0; i < 256; i++) {
        c = i;

        for (k = 0; k < 8; k++) {
            c = (c >> 1) ^ ((c & 1) ? 0xedb88320 : 0);
        }

        ai_crc32_table[0][i] = c;
    }

    for (i = 0; i < 256; i++) {
        for (k = 1; k < 8; k++) {
            c = ai_crc32_table[k - 1][i];
            ai_crc32_table[k][i] = (c >> 8) ^ ai_crc32_table[0][c & 255];
        }
    }
}


uint32_t
ai_crc32(uint32_t crc, const void *data, size_t len)
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

        crc = ai_crc32_table[7][lo & 255]
              ^ ai_crc32_table[6][lo >> 8 & 255]
              ^ ai_crc32_table[5][lo >> 16 & 255]
              ^ ai_crc32_table[4][lo >> 24]
              ^ ai_crc32_table[3][hi & 255]
              ^ ai_crc32_table[2][hi >> 8 & 255]
              ^ ai_crc32_table[1][hi >> 16 & 255]
              ^ ai_crc32_table[0][hi >> 24];
    }

    while (len--) {
        crc = (crc >> 8) ^ ai_crc32_table[0][(crc ^ *p++) & 255];
    }

    return ~crc;
}
