
/*
 * What the two CRCs share: tables for eight bytes at a time.
 */


#ifndef AI_CRC_H
#define AI_CRC_H


#include "ai_core.h"


typedef uint32_t  ai_crc_table_t[8][256];


/* polynomial: its bits reversed */
void ai_crc_fill(ai_crc_table_t table, uint32_t polynomial);


static inline uint32_t
ai_crc_sliced(ai_crc_table_t table, uint32_t crc, const void *data, size_t len)
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

        crc = table[7][lo & 255]
              ^ table[6][lo >> 8 & 255]
              ^ table[5][lo >> 16 & 255]
              ^ table[4][lo >> 24]
              ^ table[3][hi & 255]
              ^ table[2][hi >> 8 & 255]
              ^ table[1][hi >> 16 & 255]
              ^ table[0][hi >> 24];
    }

    while (len--) {
        crc = (crc >> 8) ^ table[0][(crc ^ *p++) & 255];
    }

    return ~crc;
}


#endif /* AI_CRC_H */
