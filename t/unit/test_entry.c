
/*
 * Documents of the feed: what is understood comes back as it was written, what
 * is not is refused as a whole, and no record is trusted.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "ai_core.h"

#define CHECK(condition)  assert_true(condition)

#include "entry_model.h"


#define ok(kind, text)         document(kind, text, NULL)
#define refused(kind, text, why)  document(kind, text, why)


static void
document(ai_char kind, const char *text, const char *why)
{
    int             rc;
    ai_str_t        name = ai_string("acme");
    model_packed_t  m;

    m.kind = kind;
    m.name = name;
    rc = model_pack(&m, text, strlen(text));

    if (why) {
        assert_int_equal(rc, AI_ERROR);
        assert_string_equal(m.why, why);
        return;
    }

    if (rc != AI_OK) {
        fail_msg("\"%s\": %s", text, m.why);
    }

    model_sound(m.record, m.len);
    free(m.record);
}


static void
keys(void **state)
{
    (void) state;

    ok('k', "tenant a\nname b\n");
    ok('k', "tenant a\nname b");
    ok('k', "tenant a\nname b\nexpires 4503599627370496\n");
    ok('k', "tenant a\nname b\nmodels\n");
    ok('k', "tenant a\nname b\nmodels *\nsome_day 1 2 3\n\n");

    refused('k', "", "no tenant, or no name");
    refused('k', "tenant a\n", "no tenant, or no name");
    refused('k', "tenant a\nname b\nname c\n", "a word is given twice");
    refused('k', "tenant a b\nname b\n", "bad name");
    refused('k', "tenant  a\nname b\n", "bad name");
    ok('k', "tenant a \nname b\n");
    refused('k', "tenant a\"\nname b\n", "bad name");
    refused('k', "tenant a\nname 12345678901234567890123456789012345678901234567890123456789012345\n",
            "bad name");
    refused('k', "tenant a\nname b\nexpires -1\n", "bad number");
    refused('k', "tenant a\nname b\nexpires +1\n", "bad number");
    refused('k', "tenant a\nname b\nexpires 1.5\n", "bad number");
    refused('k', "tenant a\nname b\nexpires \n", "bad number");
    refused('k', "tenant a\nname b\nexpires 4503599627370497\n", "bad number");
    refused('k', "tenant a\nname b\nexpires 18446744073709551617\n",
            "bad number");
    refused('k', "tenant a\nname b\nmodels a  b\n", "bad pattern");
    refused('k', "tenant a\nname b\nmodels a|b\n", "bad pattern");
}


static void
limits(void **state)
{
    ai_entry_key_t  e;
    model_packed_t  m = { .kind = 'k' };

    static const char  text[] = "tenant a\nname b\nlimit requests m 100 0\n"
                                "limit cost month 5000000000 0\n"
                                "limit concurrency - 3 0\n"
                                "limit tokens s 0 0\n";

    (void) state;

    assert_int_equal(model_pack(&m, text, sizeof(text) - 1), AI_OK);
    assert_int_equal(ai_entry_key(m.record, m.len, &e), AI_OK);
    assert_int_equal(e.nlimits, 4);

    /* a bucket's burst that is not given is its amount */

    assert_int_equal(e.limits[0].resource, AI_RES_REQUESTS);
    assert_int_equal(e.limits[0].period, AI_PERIOD_MINUTE);
    assert_int_equal(e.limits[0].amount, 100);
    assert_int_equal(e.limits[0].burst, 100);
    assert_int_equal(e.limits[1].period, AI_PERIOD_MONTH);
    assert_int_equal(e.limits[1].amount, 5000000000);
    assert_int_equal(e.limits[1].burst, 0);
    assert_int_equal(e.limits[2].period, AI_PERIOD_NONE);
    assert_int_equal(e.limits[3].amount, 0);
    free(m.record);

#define LIMIT  "tenant a\nname b\nlimit "

    refused('k', LIMIT "requests m 100\n", "bad limit");
    refused('k', LIMIT "requests m 100 1 1\n", "bad limit");
    refused('k', LIMIT "requests m -1 1\n", "bad limit");
    refused('k', LIMIT "requests m 1e3 1\n", "bad limit");
    refused('k', LIMIT "requests m 4503599627370497 1\n", "bad limit");
    refused('k', LIMIT "requests - 1 0\n", "bad limit");
    refused('k', LIMIT "concurrency day 1 0\n", "bad limit");
    refused('k', LIMIT "cost total 1 0\n", "bad limit");
    refused('k', LIMIT "requests day 1 1\n", "bad limit");
    refused('k', LIMIT "wishes m 1 1\n", "bad limit");
    refused('k', LIMIT "requests fortnight 1 1\n", "bad limit");
    refused('k', LIMIT "requests m 1 1\nlimit requests m 2 2\n",
            "duplicate limit");
    ok('k', LIMIT "requests m 1 1\nlimit requests s 2 2\n");
}


static void
tenants(void **state)
{
    char   text[600];
    ai_str_t        bad = ai_string("a b");
    model_packed_t  m = { .kind = 't' };

    (void) state;

    ok('t', "plan pro\n");
    ok('t', "plan pro\nlabels {\"a\": \"b c\"}\nstate active\n");
    ok('t', "plan pro\nlabels {}\nlimit cost m 1 1\nkey_limit cost m 1 1\n");
    ok('t', "plan pro\ncredit -12\n");

    refused('t', "state active\n", "no plan");
    refused('t', "plan pro\nstate asleep\n", "unknown value");
    refused('t', "plan pro\nstate \n", "a line has not one value");
    refused('t', "plan pro\nstate\n", "a line has not one value");
    refused('t', "plan pro\nlabels\n", "bad labels");
    refused('t', "plan pro\nlabels [1]\n", "bad labels");
    refused('t', "plan pro\nlabels {\"a\": 1}, 2\n", "bad labels");
    refused('t', "plan pro\nlabels {\"a\": \n", "bad labels");
    refused('t', "plan pro\nlabels {\"a\": 1} {\n", "bad labels");
    refused('t', "plan pro\nlabels {\"\xff\": 1}\n", "bad labels");
    refused('t', "plan pro\ncredit --1\n", "bad number");
    refused('t', "plan pro\ncredit 4611686018427387905\n", "bad number");

    snprintf(text, sizeof(text), "plan pro\nlabels {\"a\": \"%0250d\"}\n", 1);
    refused('t', text, "labels are too long");

    m.name = bad;
    assert_int_equal(model_pack(&m, "plan pro\n", 9), AI_ERROR);
    assert_string_equal(m.why, "bad name");
}


static void
plans(void **state)
{
    char      text[40000];
    size_t    n;
    unsigned  i;

    (void) state;

    ok('p', "");
    ok('p', "models gpt-* claude-*\nmax_output 100\nunbounded allow\n");
    ok('p', "cache 0 0\n");
    ok('p', "cache 100 2147483647\nlimit cost m 1 1\n");

    refused('p', "max_output 0\n", "bad number");
    refused('p', "max_output 2147483648\n", "bad number");
    refused('p', "share 101\n", "bad number");
    refused('p', "share 0\n", "bad number");
    refused('p', "queue 10001 2000\n", "bad queue");
    refused('p', "queue 0 2000\n", "bad queue");
    refused('p', "queue 50\n", "bad queue");
    refused('p', "queue 50 60001\n", "bad queue");
    refused('p', "queue 50 0\n", "bad queue");
    refused('p', "queue 50 20 1\n", "bad queue");
    refused('p', "cache 101 0\n", "bad cache");
    refused('p', "cache -1 0\n", "bad cache");
    refused('p', "cache 10\n", "bad cache");
    refused('p', "cache\n", "bad cache");
    refused('p', "cache on\n", "bad cache");
    refused('p', "cache 10 -1\n", "bad cache");
    refused('p', "cache 10 2147483648\n", "bad cache");
    refused('p', "cache 10 1 1\n", "bad cache");
    refused('p', "cache 10 0\ncache 10 0\n", "a word is given twice");
    refused('p', "on_store_loss shut\n", "unknown value");
    refused('p', "on_abort\n", "a line has not one value");
    refused('p', "priority local\n", "unknown value");
    refused('p', "models a\nmodels b\n", "a word is given twice");

    n = (size_t) snprintf(text, sizeof(text), "models");

    for (i = 0; i < 257; i++) {
        n += (size_t) snprintf(text + n, sizeof(text) - n, " a%u", i);
    }

    refused('p', text, "too many patterns");

    n = (size_t) snprintf(text, sizeof(text), "models");

    for (i = 0; i < 200; i++) {
        n += (size_t) snprintf(text + n, sizeof(text) - n, " %0128u", i);
    }

    refused('p', text, "too long");
}


static void
prices(void **state)
{
    char      text[8000];
    size_t    n;
    unsigned  i;

    (void) state;

    ok('m', "price standard 0 0 input=2000000000 output=8000000000\n");
    ok('m', "price standard 0 0 input=1\nunit image=5 request=6\n");
    ok('m', "price standard 0 0 input=1\nprice standard 0 9 input=1\n");

    refused('m', "", "no price without a threshold");
    refused('m', "unit image=1\n", "no price without a threshold");
    refused('m', "price standard 200000 0 input=1\n",
            "no price without a threshold");
    refused('m', "price standard 0 0 input=1\nprice flex 5 0 input=1\n",
            "no price without a threshold");
    refused('m', "price standard 0 0\n", "bad price");
    refused('m', "price standard 0 0 cache_read=1\n", "bad price");
    refused('m', "price standard 0 0 input=1 input=2\n", "bad price");
    refused('m', "price standard 0 0 input=1 cache_write=1 cache_write=1\n",
            "bad price");
    refused('m', "price standard 0 0 input=\n", "bad price");
    refused('m', "price standard 0 0 input\n", "bad price");
    refused('m', "price standard 0 0 input=-1\n", "bad price");
    refused('m', "price standard 0 0 input=1.5\n", "bad price");
    refused('m', "price standard 0 0 wishes=1\n", "bad price");
    refused('m', "price default 0 0 input=1\n", "bad price");
    refused('m', "price standard -1 0 input=1\n", "bad price");
    refused('m', "price standard 0 0 input=1\nprice standard 0 0 input=2\n",
            "duplicate price");
    refused('m', "price standard 0 0 input=1\nunit image=1 image=2\n",
            "bad unit");
    refused('m', "price standard 0 0 input=1\nunit wishes=1\n", "bad unit");

    for (i = 0, n = 0; i < 65; i++) {
        n += (size_t) snprintf(text + n, sizeof(text) - n,
                               "price standard 0 %u input=1\n", i);
    }

    refused('m', text, "too many prices");
}


/* ---- many entries, and their records spoilt ---- */

static void
generated_entries_come_back(void **state)
{
    unsigned       i, k;
    uint8_t        bytes[1500];
    uint32_t       seed;
    model_input_t  in;

    (void) state;

    seed = 7;

    for (i = 0; i < 4000; i++) {

        for (k = 0; k < sizeof(bytes); k++) {
            seed = seed * 1103515245 + 12345;
            bytes[k] = (uint8_t) (seed >> 16);
        }

        in.p = bytes;
        in.end = bytes + sizeof(bytes);

        switch (i % 4) {
        case 0:
            model_key(&in);
            break;
        case 1:
            model_tenant(&in);
            break;
        case 2:
            model_plan(&in);
            break;
        default:
            model_price(&in);
        }
    }
}


static void
no_record_is_trusted(void **state)
{
    size_t          i, len;
    ai_str_t        name = ai_string("acme");
    unsigned        k, v;
    ai_char        *copy;
    model_packed_t  m;

    static const char *const  docs[] = {
        "tenant a\nname b\nmodels x y*\nlimit requests m 10 10\n",
        "plan pro\nlabels {\"a\": 1}\nlimit cost day 5 0\n"
        "key_limit cost day 5 0\ncredit 5\n",
        "models x y*\nlimit requests m 10 10\nkey_limit cost day 5 0\n",
        "price standard 0 0 input=2\nunit image=1\n"
    };

    static const ai_char  values[] = { 0, 1, 2, 3, 4, 5, 6, 7, 25, 64, 128, 255 };

    (void) state;

    for (k = 0; k < 4; k++) {
        m.kind = (ai_char) "ktpm"[k];
        m.name = name;
        assert_int_equal(model_pack(&m, docs[k], strlen(docs[k])), AI_OK);

        for (i = 0; i < m.len; i++) {
            for (v = 0; v < sizeof(values); v++) {
                copy = malloc(m.len);
                memcpy(copy, m.record, m.len);
                copy[i] = values[v];
                model_sound(copy, m.len);
                free(copy);
            }
        }

        /* cut short, or said to be so */

        for (len = 0; len < m.len; len++) {
            copy = malloc(len ? len : 1);
            memcpy(copy, m.record, len);
            model_sound(copy, len);

            if (len >= 8) {
                memcpy(copy + 4, &len, 4);
                model_sound(copy, len);
            }

            free(copy);
        }

        free(m.record);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(limits),
        cmocka_unit_test(tenants),
        cmocka_unit_test(plans),
        cmocka_unit_test(prices),
        cmocka_unit_test(generated_entries_come_back),
        cmocka_unit_test(no_record_is_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
