
/*
 * Keys and ids.
 */


/* EVP's one-shot call looks the algorithm up, under a lock, at each call, and
   costs more than the digest itself */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/sha.h>
#include "ai_key.h"
#include "ai_digits.h"


#define AI_KEY_PREFIX  "sk_ai_"
#define AI_KEY_RANDOM  32
#define AI_KEY_CHECK   6


static const char  ai_key_base62[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define AI_KEY_BYTES(c)  ((uint64_t) (c) * 0x0101010101010101)

/* of eight bytes below 0x80, the high bit of those from a to b */

#define ai_key_between(w, a, b)                                              \
    (((w) + AI_KEY_BYTES(0x80 - (a))) & ~((w) + AI_KEY_BYTES(0x7f - (b))))


void
ai_key_digest(const ai_char *key, size_t len, ai_char digest[AI_KEY_DIGEST])
{
    SHA256_CTX  sha;

    (void) SHA256_Init(&sha);
    (void) SHA256_Update(&sha, key, len);
    (void) SHA256_Final(digest, &sha);
}


/* the checksum of a key's random part, as text */

static void
ai_key_checksum(const ai_char *random, ai_char check[AI_KEY_CHECK])
{
    int       i;
    uint32_t  crc;

    crc = ai_crc32(0, random, AI_KEY_RANDOM);

    for (i = AI_KEY_CHECK - 1; i >= 0; i--) {
        check[i] = (ai_char) ai_key_base62[crc % 62];
        crc /= 62;
    }
}


/* eight bytes at a time, and all of them: no branch tells where one differs */

static int
ai_key_visible(const ai_char *key, size_t len)
{
    uint64_t  w, all;

    all = AI_KEY_BYTES(0x80);

    for ( /* void */ ; len >= 8; len -= 8, key += 8) {
        memcpy(&w, key, 8);
        all &= ~w & ai_key_between(w & AI_KEY_BYTES(0x7f), 0x21, 0x7e);
    }

    w = AI_KEY_BYTES('!');
    memcpy(&w, key, len);

    all &= ~w & ai_key_between(w & AI_KEY_BYTES(0x7f), 0x21, 0x7e);

    return all == AI_KEY_BYTES(0x80);
}


/* of visible characters */

static int
ai_key_base62_only(const ai_char random[AI_KEY_RANDOM])
{
    int       i;
    uint64_t  w, all;

    all = AI_KEY_BYTES(0x80);

    for (i = 0; i < AI_KEY_RANDOM; i += 8) {
        memcpy(&w, random + i, 8);

        all &= ai_key_between(w, '0', '9')
               | ai_key_between(w | AI_KEY_BYTES(0x20), 'a', 'z');
    }

    return all == AI_KEY_BYTES(0x80);
}


int
ai_key_check(const ai_char *key, size_t len)
{
    ai_char  check[AI_KEY_CHECK];

    if (len == 0 || len > AI_KEY_MAX || !ai_key_visible(key, len)) {
        return AI_ERROR;
    }

    if (len < sizeof(AI_KEY_PREFIX) - 1
        || memcmp(key, AI_KEY_PREFIX, sizeof(AI_KEY_PREFIX) - 1) != 0)
    {
        return AI_DECLINED;
    }

    if (len != AI_KEY_LEN) {
        return AI_ERROR;
    }

    key += sizeof(AI_KEY_PREFIX) - 1;

    if (!ai_key_base62_only(key)) {
        return AI_ERROR;
    }

    ai_key_checksum(key, check);

    return memcmp(key + AI_KEY_RANDOM, check, AI_KEY_CHECK) == 0 ? AI_OK
                                                                 : AI_ERROR;
}


void
ai_key_make(ai_char *key, const ai_char random[32])
{
    int  i;

    memcpy(key, AI_KEY_PREFIX, sizeof(AI_KEY_PREFIX) - 1);
    key += sizeof(AI_KEY_PREFIX) - 1;

    for (i = 0; i < AI_KEY_RANDOM; i++) {
        key[i] = (ai_char) ai_key_base62[random[i] % 62];
    }

    ai_key_checksum(key, key + AI_KEY_RANDOM);
}


/* the digits' values and one; a row's id is read by them: no branch that a
   random digit takes or not */

static const uint8_t  ai_key_hex_values[256] = {
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
    ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
    ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16
};

#define ai_key_hex(c)  ((int) ai_key_hex_values[c] - 1)


/* two digits; AI_ERROR is negative as no byte is */

static int
ai_key_hex_byte(const ai_char *p)
{
    int  hi, lo;

    hi = ai_key_hex(p[0]);
    lo = ai_key_hex(p[1]);

    return (hi < 0 || lo < 0) ? AI_ERROR : hi << 4 | lo;
}


int
ai_key_digest_parse(ai_char digest[AI_KEY_DIGEST], const ai_char *hex,
    size_t len)
{
    int     c;
    size_t  i;

    if (len != 2 * AI_KEY_DIGEST) {
        return AI_ERROR;
    }

    for (i = 0; i < AI_KEY_DIGEST; i++) {
        c = ai_key_hex_byte(hex + 2 * i);

        if (c == AI_ERROR) {
            return AI_ERROR;
        }

        digest[i] = (ai_char) c;
    }

    return AI_OK;
}


void
ai_uuid7_make(ai_char id[16], uint64_t msec, const ai_char random[10])
{
    int  i;

    for (i = 5; i >= 0; i--) {
        id[i] = (ai_char) msec;
        msec >>= 8;
    }

    memcpy(id + 6, random, 10);

    id[6] = (ai_char) (0x70 | (id[6] & 0x0f));      /* version 7 */
    id[8] = (ai_char) (0x80 | (id[8] & 0x3f));      /* variant 10 */
}


static inline uint32_t
ai_uuid_word(const ai_char *id)
{
    return (uint32_t) id[0] << 24 | (uint32_t) id[1] << 16
           | (uint32_t) id[2] << 8 | id[3];
}


void
ai_uuid_text(ai_char text[36], const ai_char id[16])
{
    ai_digits_hex(text, ai_uuid_word(id));
    ai_digits_hex(text + 9, ai_uuid_word(id + 4));
    ai_digits_hex(text + 19, ai_uuid_word(id + 8));
    ai_digits_hex(text + 28, ai_uuid_word(id + 12));

    /* room for a hyphen in the middle of the second and the third */

    memmove(text + 14, text + 13, 4);
    memmove(text + 24, text + 23, 4);

    text[8] = '-';
    text[13] = '-';
    text[18] = '-';
    text[23] = '-';
}


int
ai_uuid_parse(ai_char id[16], const ai_char text[36])
{
    int  i, c;

    for (i = 0; i < 16; i++) {

        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-') {
            return AI_ERROR;
        }

        c = ai_key_hex_byte(text);

        if (c == AI_ERROR) {
            return AI_ERROR;
        }

        id[i] = (ai_char) c;
        text += 2;
    }

    return AI_OK;
}
