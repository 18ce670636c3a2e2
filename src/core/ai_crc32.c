
/*
 * CRC-32 (IEEE 802.3), sliced by eight: a slot's check must not cost more
 * than the rest of its writing.
 */


#include "ai_crc.h"


static ai_crc_table_t  ai_crc32_table;


/* runs once when the object is loaded, before any thread exists */

__attribute__((constructor)) static void
ai_crc32_init(void)
{
    ai_crc_fill(ai_crc32_table, 0xedb88320);
}


void
ai_crc_fill(ai_crc_table_t table, uint32_t polynomial)
{
    uint32_t  c, i, k;

    for (i = 0; i < 256; i++) {
        c = i;

        for (k = 0; k < 8; k++) {
            c = (c >> 1) ^ ((c & 1) ? polynomial : 0);
        }

        table[0][i] = c;
    }

    for (i = 0; i < 256; i++) {
        for (k = 1; k < 8; k++) {
            c = table[k - 1][i];
            table[k][i] = (c >> 8) ^ table[0][c & 255];
        }
    }
}


uint32_t
ai_crc32(uint32_t crc, const void *data, size_t len)
{
    return ai_crc_sliced(ai_crc32_table, crc, data, len);
}
