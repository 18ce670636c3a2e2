
/*
 * The key of an answer in the cache, and the price of a part.
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "ai_cache.h"
#include "ai_price.h"


static ai_str_t
text(const char *s)
{
    ai_str_t  v;

    v.data = (ai_char *) s;
    v.len = strlen(s);

    return v;
}


/* the model's name stands where it is found first */

static int
make(const char *body, const char *model, ai_cache_ask_t *base,
    ai_char key[AI_CACHE_KEY])
{
    ai_cache_ask_t   ask;
    const char      *at;

    ask = *base;
    ask.body = text(body);
    ask.model_len = 0;

    at = model ? strstr(body, model) : NULL;

    if (at) {
        ask.model_pos = (size_t) (at - body);
        ask.model_len = strlen(model);
    }

    return ai_cache_key(&ask, NULL, 0, key);
}


static ai_cache_ask_t
usual(void)
{
    ai_cache_ask_t  ask;

    memset(&ask, 0, sizeof(ask));

    ask.tenant = text("acme");
    ask.model = text("gpt-4.1");
    ask.ep = AI_EP_CHAT;
    ask.max_output = -1;

    return ask;
}


static void
test_canonical(void **state)
{
    unsigned        i;
    ai_char         one[AI_CACHE_KEY], two[AI_CACHE_KEY];
    ai_cache_ask_t  ask;

    static const struct {
        const char  *a;
        const char  *b;
        int          same;
    } t[] = {
        { "{\"a\":1}", " {\r\n\"a\"\t: 1 } ", 1 },
        { "{\"a\":\" \"}", "{\"a\":\"  \"}", 0 },
        { "{\"a\":\"\\\" \"}", "{\"a\":\"\\\"\"}", 0 },
        { "{\"a\":\"\\\\\" }", "{\"a\":\"\\\\\"}", 1 },
        { "{\"a\":\"\\\\ \"}", "{\"a\":\"\\\\\"}", 0 },
        { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", 0 },
        { "{\"a\":1}", "{\"a\":1.0}", 0 },
        { "{\"a\":\"\\u0062\"}", "{\"a\":\"b\"}", 0 },
        { "[1, 2]", "[1,2]", 1 },
        { "[12]", "[1,2]", 0 },
        { "{}", "", 0 },
        { "\"", "\" ", 0 },
        { "\"\\", "\"\\ ", 0 },
    };

    (void) state;

    ask = usual();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_int_equal(make(t[i].a, NULL, &ask, one), AI_OK);
        assert_int_equal(make(t[i].b, NULL, &ask, two), AI_OK);

        if ((memcmp(one, two, AI_CACHE_KEY) == 0) != t[i].same) {
            fail_msg("%s | %s", t[i].a, t[i].b);
        }
    }
}


static void
test_model(void **state)
{
    ai_char         one[AI_CACHE_KEY], two[AI_CACHE_KEY];
    ai_cache_ask_t  ask;

    (void) state;

    ask = usual();

    /* an alias is its model, in whatever words */

    (void) make("{\"model\":\"gpt-4.1\",\"n\":1}", "\"gpt-4.1\"", &ask, one);
    (void) make("{\"model\": \"new\" ,\"n\":1}", "\"new\"", &ask, two);
    assert_memory_equal(one, two, AI_CACHE_KEY);

    /* the same name elsewhere is the client's */

    (void) make("{\"user\":\"new\",\"model\":\"new\"}", "\"nix\"", &ask, one);
    (void) make("{\"user\":\"old\",\"model\":\"new\"}", "\"nix\"", &ask, two);
    assert_memory_not_equal(one, two, AI_CACHE_KEY);

    /* a span that is none is not followed */

    ask.body = text("{}");
    ask.model_pos = 1;
    ask.model_len = SIZE_MAX;
    assert_int_equal(ai_cache_key(&ask, NULL, 0, one), AI_OK);

    ask.model_pos = 3;
    ask.model_len = 1;
    assert_int_equal(ai_cache_key(&ask, NULL, 0, two), AI_OK);
    assert_memory_equal(one, two, AI_CACHE_KEY);
}


/* each part counts, and no part runs into the next one */

static void
test_parts(void **state)
{
    unsigned        i, k, n;
    ai_str_t        more[2];
    ai_char         keys[16][AI_CACHE_KEY];
    ai_cache_ask_t  ask[16];

    (void) state;

    for (n = 0; n < 14; n++) {
        ask[n] = usual();
        ask[n].body = text("{\"model\":\"m\"}");
    }

    ask[1].tenant = text("acm");
    ask[1].model = text("egpt-4.1");
    ask[2].tenant = text("other");
    ask[3].model = text("gpt-4.1-mini");
    ask[4].ep = AI_EP_RESPONSES;
    ask[5].dialect = AI_DIALECT_AZURE;
    ask[6].served = AI_DIALECT_AZURE;
    ask[7].version = text("v1beta");
    ask[8].stream = 1;
    ask[9].usage = 1;
    ask[10].sse = 1;
    ask[11].beta = 1;
    ask[12].max_output = 0;
    ask[13].max_output = 4096;

    for (i = 0; i < n; i++) {
        assert_int_equal(ai_cache_key(&ask[i], NULL, 0, keys[i]), AI_OK);
    }

    more[0] = text("anthropic-beta");
    more[1] = text("a");
    assert_int_equal(ai_cache_key(&ask[0], more, 2, keys[n++]), AI_OK);

    more[0] = text("anthropic-bet");
    more[1] = text("aa");
    assert_int_equal(ai_cache_key(&ask[0], more, 2, keys[n++]), AI_OK);

    for (i = 0; i < n; i++) {
        for (k = 0; k < i; k++) {
            if (memcmp(keys[i], keys[k], AI_CACHE_KEY) == 0) {
                fail_msg("%u is %u", i, k);
            }
        }
    }
}


static void
test_store(void **state)
{
    ai_char         key[AI_CACHE_KEY];
    ai_cache_ask_t  ask;

    (void) state;

    ask = usual();

    assert_int_equal(make("{\"store\":true}", NULL, &ask, key), AI_DECLINED);
    assert_int_equal(make("{\"a\":[1],\"store\" :\n true }", NULL, &ask, key),
                     AI_DECLINED);
    assert_int_equal(make("{\"st\\u006Fre\":true}", NULL, &ask, key),
                     AI_DECLINED);
    assert_int_equal(make("{\"st\\u006fred\":true}", NULL, &ask, key), AI_OK);
    assert_int_equal(make("{\"store\":false}", NULL, &ask, key), AI_OK);
    assert_int_equal(make("{\"store\":null}", NULL, &ask, key), AI_OK);
    assert_int_equal(make("{\"a\":{\"store\":true}}", NULL, &ask, key), AI_OK);
    assert_int_equal(make("{\"stores\":true}", NULL, &ask, key), AI_OK);
    assert_int_equal(make("{\"a\":\"store\"}", NULL, &ask, key), AI_OK);
    assert_int_equal(make("{\"store\"", NULL, &ask, key), AI_OK);
    assert_int_equal(make("{\"store\":tru", NULL, &ask, key), AI_OK);
}


/* by a second way: a copy without blanks, byte by byte */

static size_t
squeeze(const char *from, char *to)
{
    int     quoted;
    size_t  n;

    quoted = 0;

    for (n = 0; *from; from++) {

        if (quoted && *from == '\\' && from[1]) {
            to[n++] = *from++;

        } else if (*from == '"') {
            quoted = !quoted;

        } else if (!quoted && strchr(" \t\r\n", *from)) {
            continue;
        }

        to[n++] = *from;
    }

    to[n] = '\0';

    return n;
}


static void
test_random(void **state)
{
    int                i, n, k;
    char               body[64], plain[64];
    ai_char            one[AI_CACHE_KEY], two[AI_CACHE_KEY];
    ai_cache_ask_t     ask;
    static const char  set[] = "{}[]\"\\ \t\n:,a1";

    (void) state;

    ask = usual();
    srand(7);

    for (i = 0; i < 20000; i++) {
        n = rand() % 40;

        for (k = 0; k < n; k++) {
            body[k] = set[rand() % (int) (sizeof(set) - 1)];
        }

        body[n] = '\0';
        (void) squeeze(body, plain);

        assert_int_equal(make(body, NULL, &ask, one),
                         make(plain, NULL, &ask, two));

        if (memcmp(one, two, AI_CACHE_KEY) != 0) {
            fail_msg("%s", body);
        }
    }
}


/* rounded half up, once */

static void
test_part(void **state)
{
    unsigned   i;
    ai_cost_t  sum;

    static const struct {
        uint64_t  millionths;
        unsigned  percent;
        int64_t   nanos;
    } t[] = {
        { 0, 10, 0 },
        { 86000000000, 10, 8600 },
        { 86000000000, 100, 86000 },
        { 86000000000, 0, 0 },
        { 4999999, 10, 0 },
        { 5000000, 10, 1 },
        { 14999999, 10, 1 },
        { 15000000, 10, 2 },
        { 499999, 100, 0 },
        { 500000, 100, 1 },
        { 50000000, 1, 1 },
        { 49999999, 1, 0 },
    };

    (void) state;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        sum.hi = 0;
        sum.lo = t[i].millionths;
        assert_int_equal(ai_cost_part(&sum, t[i].percent), t[i].nanos);
    }

    /* INT64_MAX nano-dollars */

    sum.hi = (uint64_t) (((unsigned __int128) INT64_MAX * 1000000) >> 64);
    sum.lo = (uint64_t) ((unsigned __int128) INT64_MAX * 1000000);
    assert_true(ai_cost_part(&sum, 100) == INT64_MAX);
    assert_true(ai_cost_part(&sum, 10) == INT64_MAX / 10 + 1);
    assert_true(ai_cost_round(&sum) == INT64_MAX);

    sum.lo++;
    assert_true(ai_cost_part(&sum, 10) == INT64_MAX);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_part)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
