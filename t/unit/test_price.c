
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ai_price.h"
#include "naive_cost.h"


#define USD  ((int64_t) 1000000000)


static int
class_of(const char *s)
{
    ai_str_t  name = { strlen(s), (ai_char *) s };

    return ai_price_class(&name);
}


static int
unit_of(const char *s)
{
    ai_str_t  name = { strlen(s), (ai_char *) s };

    return ai_price_unit(&name);
}


static int
tier_of(const char *s)
{
    return ai_price_tier((const ai_char *) s, strlen(s));
}


static void
test_words(void **state)
{
    (void) state;

    assert_int_equal(class_of("input"), AI_CLASS_INPUT);
    assert_int_equal(class_of("cache_read"), AI_CLASS_CACHE_READ);
    assert_int_equal(class_of("cache_write_1h"), AI_CLASS_CACHE_WRITE_1H);
    assert_int_equal(class_of("cache_write"), AI_CLASS_N);
    assert_int_equal(class_of("output_image"), AI_CLASS_OUTPUT_IMAGE);
    assert_int_equal(class_of("inputs"), AI_DECLINED);
    assert_int_equal(class_of(""), AI_DECLINED);

    assert_int_equal(unit_of("web_search"), AI_UNIT_WEB_SEARCHES);
    assert_int_equal(unit_of("audio_second"), AI_UNIT_AUDIO_SECONDS);
    assert_int_equal(unit_of("request"), AI_UNIT_REQUESTS);
    assert_int_equal(unit_of("web_searches"), AI_DECLINED);

    assert_int_equal(tier_of("default"), AI_TIER_STANDARD);
    assert_int_equal(tier_of(""), AI_TIER_STANDARD);
    assert_int_equal(tier_of("ON_DEMAND"), AI_TIER_STANDARD);
    assert_int_equal(tier_of("ON_DEMAND_FLEX"), AI_TIER_FLEX);
    assert_int_equal(tier_of("priority"), AI_TIER_PRIORITY);
    assert_int_equal(tier_of("fast"), AI_TIER_FAST);
    assert_int_equal(tier_of("batch"), AI_TIER_BATCH);
    assert_int_equal(tier_of("ultrafast"), AI_DECLINED);
}


static void
test_missing_classes(void **state)
{
    ai_price_line_t  line;

    (void) state;

    memset(&line, 0, sizeof(line));
    assert_int_equal(ai_price_line_fill(&line, -1), AI_ERROR);

    line.given = 1 << AI_CLASS_CACHE_READ;
    assert_int_equal(ai_price_line_fill(&line, 1), AI_ERROR);

    line.given = 1 << AI_CLASS_INPUT | 1 << AI_CLASS_OUTPUT
                 | 1 << AI_CLASS_CACHE_WRITE_1H;
    line.price[AI_CLASS_INPUT] = 3;
    line.price[AI_CLASS_OUTPUT] = 7;
    line.price[AI_CLASS_CACHE_WRITE_1H] = 6;

    assert_int_equal(ai_price_line_fill(&line, 5), AI_OK);
    assert_int_equal(line.price[AI_CLASS_INPUT_AUDIO], 3);
    assert_int_equal(line.price[AI_CLASS_INPUT_IMAGE], 3);
    assert_int_equal(line.price[AI_CLASS_CACHE_READ], 3);
    assert_int_equal(line.price[AI_CLASS_CACHE_WRITE_5M], 5);
    assert_int_equal(line.price[AI_CLASS_CACHE_WRITE_1H], 6);
    assert_int_equal(line.price[AI_CLASS_CACHE_WRITE_OTHER], 5);
    assert_int_equal(line.price[AI_CLASS_OUTPUT_AUDIO], 7);
    assert_int_equal(line.price[AI_CLASS_OUTPUT_IMAGE], 7);

    /* a write that costs nothing must be said, never a default */

    assert_int_equal(ai_price_line_fill(&line, -1), AI_OK);
    assert_int_equal(line.price[AI_CLASS_CACHE_WRITE_30M], 3);
    assert_int_equal(ai_price_line_fill(&line, 0), AI_OK);
    assert_int_equal(line.price[AI_CLASS_CACHE_WRITE_30M], 0);
}


static void
test_pick(void **state)
{
    unsigned    fallback;
    ai_price_t  p;

    static ai_price_line_t  lines[] = {
        { .from = 100 },                                /* 0 */
        { .from = 200 },                                /* 1 */
        { .from = 100, .above = 1000 },                 /* 2 */
        { .from = 300, .above = 1000 },                 /* 3 */
        { .from = 100, .above = 5000 },                 /* 4 */
        { .from = 100, .tier = AI_TIER_FLEX },          /* 5 */
        { .from = 100, .above = 9, .tier = AI_TIER_BATCH },     /* 6 */
    };

    (void) state;

    memset(&p, 0, sizeof(p));
    p.lines = lines;
    p.nlines = sizeof(lines) / sizeof(lines[0]);

#define picks(i, tier, input, now, fell)                                     \
    assert_ptr_equal(ai_price_pick(&p, tier, input, now, &fallback),         \
                     (i) < 0 ? NULL : &lines[(i) < 0 ? 0 : (i)]);            \
    assert_int_equal(fallback, fell)

    picks(-1, AI_TIER_STANDARD, 5, 99, 0);
    picks(-1, AI_TIER_FLEX, 5, 99, 1);
    picks(0, AI_TIER_STANDARD, 5, 100, 0);
    picks(0, AI_TIER_STANDARD, 5, 199, 0);
    picks(1, AI_TIER_STANDARD, 5, 200, 0);
    picks(1, AI_TIER_STANDARD, 1000, 200, 0);
    picks(2, AI_TIER_STANDARD, 1001, 200, 0);
    picks(2, AI_TIER_STANDARD, 5000, 299, 0);
    picks(3, AI_TIER_STANDARD, 5000, 300, 0);
    picks(4, AI_TIER_STANDARD, 5001, 300, 0);
    picks(5, AI_TIER_FLEX, 5001, 300, 0);
    picks(4, AI_TIER_PRIORITY, 5001, 300, 1);
    picks(6, AI_TIER_BATCH, 10, 300, 0);
    picks(1, AI_TIER_BATCH, 9, 300, 1);
}


static void
test_known_bills(void **state)
{
    ai_cost_t        sum = { 0, 0 };
    ai_price_t       p;
    ai_price_line_t  line;
    uint64_t         classes[AI_CLASS_N] = { 0 }, units[AI_UNIT_N] = { 0 };

    (void) state;

    memset(&p, 0, sizeof(p));
    memset(&line, 0, sizeof(line));
    memset(p.units, 0xff, sizeof(p.units));

    /* gpt-4.1: 2.00, 0.50, 8.00 a million */

    line.given = 1 << AI_CLASS_INPUT | 1 << AI_CLASS_OUTPUT
                 | 1 << AI_CLASS_CACHE_READ;
    line.price[AI_CLASS_INPUT] = 2 * USD;
    line.price[AI_CLASS_CACHE_READ] = USD / 2;
    line.price[AI_CLASS_OUTPUT] = 8 * USD;
    assert_int_equal(ai_price_line_fill(&line, -1), AI_OK);

    classes[AI_CLASS_INPUT] = 1000;
    classes[AI_CLASS_CACHE_READ] = 3072;
    classes[AI_CLASS_OUTPUT] = 77;

    assert_int_equal(ai_cost_add(&sum, &p, &line, classes, NULL), AI_OK);
    assert_int_equal(ai_cost_round(&sum), 2000000 + 1536000 + 616000);

    /* two searches at 0.01, 13.5 s of audio at 0.0001, nobody prices images */

    p.units[AI_UNIT_WEB_SEARCHES] = USD / 100;
    p.units[AI_UNIT_AUDIO_SECONDS] = USD / 10000;
    units[AI_UNIT_WEB_SEARCHES] = 2 * AI_UNIT_ONE;
    units[AI_UNIT_AUDIO_SECONDS] = 13500000;
    units[AI_UNIT_IMAGES] = 5 * AI_UNIT_ONE;

    memset(&sum, 0, sizeof(sum));
    memset(classes, 0, sizeof(classes));

    assert_int_equal(ai_cost_add(&sum, &p, &line, classes, units), AI_OK);
    assert_int_equal(ai_cost_round(&sum), 20000000 + 1350000);
}


static void
test_rounding_is_once_and_half_up(void **state)
{
    ai_cost_t        sum = { 0, 0 };
    ai_price_t       p;
    ai_price_line_t  line;
    uint64_t         classes[AI_CLASS_N] = { 0 };

    (void) state;

    memset(&p, 0, sizeof(p));
    memset(&line, 0, sizeof(line));

    line.price[AI_CLASS_INPUT] = 499999;
    classes[AI_CLASS_INPUT] = 1;
    assert_int_equal(ai_cost_add(&sum, &p, &line, classes, NULL), AI_OK);
    assert_int_equal(ai_cost_round(&sum), 0);

    line.price[AI_CLASS_INPUT] = 1;
    assert_int_equal(ai_cost_add(&sum, &p, &line, classes, NULL), AI_OK);
    assert_int_equal(ai_cost_round(&sum), 1);

    /* three parts of 0.4 nano-dollars are 1.2, not 0 */

    memset(&sum, 0, sizeof(sum));
    line.price[AI_CLASS_INPUT] = 400000;
    line.price[AI_CLASS_OUTPUT] = 400000;
    classes[AI_CLASS_OUTPUT] = 2;
    assert_int_equal(ai_cost_add(&sum, &p, &line, classes, NULL), AI_OK);
    assert_int_equal(ai_cost_round(&sum), 1);
}


static void
test_overflow(void **state)
{
    ai_cost_t        sum = { 0, 0 }, before;
    ai_price_t       p;
    ai_price_line_t  line;
    uint64_t         classes[AI_CLASS_N] = { 0 }, units[AI_UNIT_N] = { 0 };

    (void) state;

    memset(&p, 0, sizeof(p));
    memset(&line, 0, sizeof(line));

    /* the largest sum of all, to the last millionth */

    line.price[AI_CLASS_INPUT] = INT64_MAX;
    classes[AI_CLASS_INPUT] = 1000000;
    assert_int_equal(ai_cost_add(&sum, &p, &line, classes, NULL), AI_OK);
    assert_int_equal(ai_cost_round(&sum), INT64_MAX);

    before = sum;
    line.price[AI_CLASS_INPUT] = 1;
    classes[AI_CLASS_INPUT] = 1;
    assert_int_equal(ai_cost_add(&sum, &p, &line, classes, NULL), AI_ERROR);
    assert_memory_equal(&sum, &before, sizeof(sum));

    memset(&sum, 0, sizeof(sum));
    line.price[AI_CLASS_INPUT] = INT64_MAX;
    classes[AI_CLASS_INPUT] = UINT64_MAX;
    assert_int_equal(ai_cost_add(&sum, &p, &line, classes, NULL), AI_ERROR);

    classes[AI_CLASS_INPUT] = 0;
    p.units[AI_UNIT_IMAGES] = INT64_MAX;
    units[AI_UNIT_IMAGES] = UINT64_MAX;
    assert_int_equal(ai_cost_add(&sum, &p, &line, classes, units), AI_ERROR);

    line.price[AI_CLASS_OUTPUT] = -1;
    classes[AI_CLASS_OUTPUT] = 1;
    assert_int_equal(ai_cost_add(&sum, &p, &line, classes, NULL), AI_ERROR);

    sum.hi = UINT64_MAX;
    assert_int_equal(ai_cost_round(&sum), INT64_MAX);
}


static uint64_t
any(void)
{
    uint64_t  n;

    n = (uint64_t) rand() << 40 ^ (uint64_t) rand() << 20 ^ (uint64_t) rand();

    return n >> rand() % 64;
}


static void
test_against_long_multiplication(void **state)
{
    int              rc;
    long             i, k, failed;
    ai_cost_t        sum;
    ai_price_t       p;
    naive_cost_t     naive;
    ai_price_line_t  line;
    uint64_t         classes[AI_CLASS_N], units[AI_UNIT_N];

    (void) state;

    srand(7);
    memset(&p, 0, sizeof(p));
    failed = 0;

    for (i = 0; i < 100000; i++) {
        memset(&naive, 0, sizeof(naive));

        for (k = 0; k < AI_CLASS_N; k++) {
            line.price[k] = (int64_t) (any() & INT64_MAX);
            classes[k] = any() >> i % 40;
            naive_cost_add(&naive, classes[k], (uint64_t) line.price[k]);
        }

        for (k = 0; k < AI_UNIT_N; k++) {
            p.units[k] = rand() % 4 ? (int64_t) (any() & INT64_MAX) : -1;
            units[k] = any() >> i % 40;

            if (p.units[k] > 0) {
                naive_cost_add(&naive, units[k], (uint64_t) p.units[k]);
            }
        }

        memset(&sum, 0, sizeof(sum));
        rc = ai_cost_add(&sum, &p, &line, classes, units);

        assert_int_equal(rc == AI_ERROR, naive_cost_over(&naive));
        failed += (rc == AI_ERROR);

        if (rc == AI_OK) {
            assert_int_equal(ai_cost_round(&sum), naive_cost_round(naive));
        }
    }

    /* both ways were taken often */

    assert_in_range(failed, 5000, 95000);
}


static void
test_dearest(void **state)
{
    int64_t     input, output;
    ai_price_t  p;

    static ai_price_line_t  lines[] = {
        { .from = 0, .price = { 9, 9, 9, 9, 9, 9, 9, 9, 9, 90, 90, 90 } },
        { .from = 1000, .price = { [AI_CLASS_INPUT] = 3,
                                   [AI_CLASS_CACHE_WRITE_1H] = 6,
                                   [AI_CLASS_OUTPUT] = 20 } },
        { .from = 1000, .above = 200, .price = { [AI_CLASS_INPUT] = 4,
                                           [AI_CLASS_OUTPUT_AUDIO] = 25 } },
        { .from = 200000, .price = { [AI_CLASS_INPUT] = 50,
                                     [AI_CLASS_OUTPUT] = 60 } },
    };

    (void) state;

    memset(&p, 0, sizeof(p));
    p.lines = lines;
    p.nlines = 4;

    ai_price_dearest(&p, 500, &input, &output);
    assert_int_equal(input, 9);
    assert_int_equal(output, 90);

    /* the first line holds no more, the last one not yet within a day */

    ai_price_dearest(&p, 100000, &input, &output);
    assert_int_equal(input, 6);
    assert_int_equal(output, 25);

    ai_price_dearest(&p, 200000 - 86400, &input, &output);
    assert_int_equal(input, 50);
    assert_int_equal(output, 60);
}


static void
test_version(void **state)
{
    uint32_t         first;
    ai_price_t       p;
    ai_price_line_t  line;

    (void) state;

    memset(&p, 0, sizeof(p));
    memset(&line, 0, sizeof(line));
    p.lines = &line;
    p.nlines = 1;

    first = ai_price_version(&p);
    assert_int_equal(ai_price_version(&p), first);

    line.price[AI_CLASS_OUTPUT_IMAGE] = 1;
    assert_int_not_equal(ai_price_version(&p), first);
    line.price[AI_CLASS_OUTPUT_IMAGE] = 0;

    line.from = 1;
    assert_int_not_equal(ai_price_version(&p), first);
    line.from = 0;

    p.units[AI_UNIT_REQUESTS] = 1;
    assert_int_not_equal(ai_price_version(&p), first);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_missing_classes),
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_known_bills),
        cmocka_unit_test(test_rounding_is_once_and_half_up),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_against_long_multiplication),
        cmocka_unit_test(test_dearest),
        cmocka_unit_test(test_version),
    };

    return cmocka_run_group_tests_name("price", tests, NULL, NULL);
}
