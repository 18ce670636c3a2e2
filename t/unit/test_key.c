
/*
 * Keys and ids.  The expected checksums were made with another CRC-32
 * (Python's zlib) and another base 62.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_key.h"


#define test_check(s)  ai_key_check((ai_char *) (s), strlen(s))


static void
test_shape(void **state)
{
    char  key[600];

    (void) state;

    assert_int_equal(test_check(
        "sk_ai_0123456789ABCDEFGHIJKLMNOPQRSTUV1ggZdL"), AI_OK);
    assert_int_equal(test_check(
        "sk_ai_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz4W8LJS"), AI_OK);

    assert_int_equal(test_check(
        "sk_ai_0123456789ABCDEFGHIJKLMNOPQRSTUV000000"), AI_ERROR);
    assert_int_equal(test_check(
        "sk_ai_0123456789ABCDEFGHIJKLMNOPQRSTU1ggZdL"), AI_ERROR);
    assert_int_equal(test_check("sk_ai_"), AI_ERROR);
    assert_int_equal(test_check("sk_ai_-"), AI_ERROR);

    assert_int_equal(test_check("sk-proj-abc"), AI_DECLINED);
    assert_int_equal(test_check("sk_ai"), AI_DECLINED);
    assert_int_equal(test_check("x"), AI_DECLINED);

    assert_int_equal(test_check(""), AI_ERROR);
    assert_int_equal(test_check("a b"), AI_ERROR);
    assert_int_equal(test_check("a\x7f"), AI_ERROR);
    assert_int_equal(test_check("a\xc3\xa9"), AI_ERROR);
    assert_int_equal(ai_key_check((ai_char *) "a\0b", 3), AI_ERROR);

    memset(key, 'a', sizeof(key));
    assert_int_equal(ai_key_check((ai_char *) key, AI_KEY_MAX), AI_DECLINED);
    assert_int_equal(ai_key_check((ai_char *) key, AI_KEY_MAX + 1), AI_ERROR);
}


/* any single character changed is noticed */

static void
test_typing_errors(void **state)
{
    int      i, k;
    ai_char  key[AI_KEY_LEN], random[32], saved;

    (void) state;

    for (k = 0; k < 62; k++) {

        for (i = 0; i < 32; i++) {
            random[i] = (ai_char) ((k * 7 + i * 13) % 62);
        }

        ai_key_make(key, random);
        assert_int_equal(ai_key_check(key, AI_KEY_LEN), AI_OK);

        for (i = 6; i < AI_KEY_LEN; i++) {
            saved = key[i];
            key[i] = saved == 'x' ? 'y' : 'x';
            assert_int_equal(ai_key_check(key, AI_KEY_LEN), AI_ERROR);
            key[i] = saved;
        }
    }
}


static void
test_digest(void **state)
{
    ai_char  made[AI_KEY_DIGEST], parsed[AI_KEY_DIGEST];

    static const char  hex[] =
        "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    (void) state;

    ai_key_digest((ai_char *) "abc", 3, made);
    assert_int_equal(ai_key_digest_parse(parsed, (ai_char *) hex, 64), AI_OK);
    assert_memory_equal(made, parsed, AI_KEY_DIGEST);

    assert_int_equal(ai_key_digest_parse(parsed, (ai_char *) hex, 63),
                     AI_ERROR);
    assert_int_equal(ai_key_digest_parse(parsed, (ai_char *)
        "gA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        64), AI_ERROR);
}


/* every byte at every place, against the C library */

static void
test_uuid_digits(void **state)
{
    char      text[37], *p;
    int       i, k, n;
    ai_char   id[16], got[37];

    (void) state;

    for (i = 0; i < 16; i++) {
        for (k = 0; k < 256; k++) {
            memset(id, 0x9a ^ k, sizeof(id));
            id[i] = (ai_char) k;

            for (n = 0, p = text; n < 16; n++) {
                p += sprintf(p, "%s%02x",
                             n == 4 || n == 6 || n == 8 || n == 10 ? "-" : "",
                             id[n]);
            }

            got[36] = 0x5a;
            ai_uuid_text(got, id);

            assert_memory_equal(got, text, 36);
            assert_int_equal(got[36], 0x5a);
        }
    }
}


static void
test_uuid(void **state)
{
    ai_char  id[16], other[16], random[10], text[36];

    (void) state;

    memset(random, 0xff, sizeof(random));
    ai_uuid7_make(id, 0x0199a1b2c3d4, random);
    ai_uuid_text(text, id);
    assert_memory_equal(text, "0199a1b2-c3d4-7fff-bfff-ffffffffffff", 36);

    assert_int_equal(ai_uuid_parse(other, text), AI_OK);
    assert_memory_equal(id, other, 16);

    memset(random, 0, sizeof(random));
    ai_uuid7_make(id, 0, random);
    ai_uuid_text(text, id);
    assert_memory_equal(text, "00000000-0000-7000-8000-000000000000", 36);

    assert_int_equal(ai_uuid_parse(other, (ai_char *)
                     "0199A1B2-c3d4-7fff-bfff-ffffffffffff"), AI_OK);
    assert_int_equal(ai_uuid_parse(other, (ai_char *)
                     "0199a1b2+c3d4-7fff-bfff-ffffffffffff"), AI_ERROR);
    assert_int_equal(ai_uuid_parse(other, (ai_char *)
                     "0199a1b2-c3d4-7fff-bfff-fffffffffffg"), AI_ERROR);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_typing_errors),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_uuid_digits)
    };

    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
