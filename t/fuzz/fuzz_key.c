
/*
 * Keys, digests and ids: round trips, and no key of another shape or with a
 * wrong checksum passes for ours.
 */


#include <stdlib.h>
#include "ai_key.h"


#define CHECK(x)  if (!(x)) { abort(); }


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          rc;
    size_t       i;
    ai_char     *copy, key[AI_KEY_LEN], text[36], id[16], other[16];
    ai_char      digest[AI_KEY_DIGEST], random[32];
    const char  *digits, *d;

    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);

    rc = ai_key_check(copy, size);
    CHECK(rc == AI_OK || rc == AI_ERROR || rc == AI_DECLINED);
    CHECK(rc != AI_DECLINED || size < 6 || memcmp(copy, "sk_ai_", 6) != 0);

    if (rc == AI_OK) {

        for (i = 0; i < 32; i++) {
            d = strchr(digits, copy[6 + i]);
            CHECK(d);
            random[i] = (ai_char) (d - digits);
        }

        ai_key_make(key, random);
        CHECK(size == AI_KEY_LEN && memcmp(key, copy, size) == 0);
    }

    (void) ai_key_digest_parse(digest, copy, size);

    if (size >= 42) {

        for (i = 0; i < 32; i++) {
            random[i] = copy[i] % 62;
        }

        ai_key_make(key, random);
        CHECK(ai_key_check(key, AI_KEY_LEN) == AI_OK);

        i = 6 + copy[32] % (AI_KEY_LEN - 6);
        key[i] = key[i] == copy[33] ? (ai_char) (copy[33] ^ 1) : copy[33];
        CHECK(ai_key_check(key, AI_KEY_LEN) == AI_ERROR);

        ai_uuid7_make(id, (uint64_t) copy[0] << 40 | copy[1], copy + 2);
        ai_uuid_text(text, id);
        CHECK(text[14] == '7' && strchr("89ab", text[19]));
        CHECK(ai_uuid_parse(other, text) == AI_OK);
        CHECK(memcmp(id, other, 16) == 0);

        if (ai_uuid_parse(other, copy) == AI_OK) {
            ai_uuid_text(text, other);
            CHECK(ai_uuid_parse(id, text) == AI_OK);
            CHECK(memcmp(id, other, 16) == 0);
        }
    }

    free(copy);

    return 0;
}
