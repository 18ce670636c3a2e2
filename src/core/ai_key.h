
/*
 * Tenants' keys: sk_ai_ + 32 random base62 characters + 6 of CRC-32.
 */


#ifndef AI_KEY_H
#define AI_KEY_H


#include "ai_core.h"


#define AI_KEY_DIGEST  32       /* SHA-256 */
#define AI_KEY_LEN     44       /* of the gateway's own shape */
#define AI_KEY_MAX     512      /* longest key of another shape */


/* SHA-256 by libcrypto, which nginx is linked with */
void ai_key_digest(const ai_char *key, size_t len,
    ai_char digest[AI_KEY_DIGEST]);

/*
 * AI_OK:        the gateway's shape and the checksum is right (the CRC-32 of
 *               the 32 characters' ASCII bytes as six base-62 digits,
 *               0-9A-Za-z, most significant first, zero padded)
 * AI_DECLINED:  another shape, which a key brought from elsewhere may have
 * AI_ERROR:     begins with sk_ai_ but is damaged; or is empty, longer than
 *               AI_KEY_MAX, or holds bytes outside of 0x21-0x7e
 */
int ai_key_check(const ai_char *key, size_t len);

/* makes a key from 32 values below 62 and writes AI_KEY_LEN bytes */
void ai_key_make(ai_char *key, const ai_char random[32]);

/* 64 hex digits of either case; AI_ERROR otherwise */
int ai_key_digest_parse(ai_char digest[AI_KEY_DIGEST], const ai_char *hex,
    size_t len);


/*
 * UUIDv7 (RFC 9562) from milliseconds since the epoch and ten random bytes,
 * as 16 bytes and as 36 characters.
 */
void ai_uuid7_make(ai_char id[16], uint64_t msec, const ai_char random[10]);
void ai_uuid_text(ai_char text[36], const ai_char id[16]);
int ai_uuid_parse(ai_char id[16], const ai_char text[36]);


#endif /* AI_KEY_H */
