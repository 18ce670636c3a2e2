
/*
 * The choice of a target: shares, stickiness, who moves when something
 * changes.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "ai_choose.h"


#define NAMES  100000


static uint64_t
name_hash(unsigned i)
{
    int   n;
    char  name[32];

    n = snprintf(name, sizeof(name), "tenant-%u", i);

    return ai_choose_hash(0, name, (size_t) n);
}


static ai_choice_t
target(const char *name, unsigned weight)
{
    ai_choice_t  c = { ai_choose_hash(0, name, strlen(name)), weight, 0 };

    return c;
}


static ai_choice_t
canary(const char *name, unsigned percent)
{
    ai_choice_t  c = target(name, percent);

    c.canary = 1;

    return c;
}


/* who is in a canary must not depend on the version: these never change */

static void
test_hash_vectors(void **state)
{
    unsigned  i;

    static const struct {
        uint64_t     seed;
        const char  *name;
        uint64_t     hash;
    } v[] = {
        { 0, "", 0xefd01f60ba992926ull },
        { 0, "a", 0x82a2a958a9bece5bull },
        { 0, "acme", 0x3a25b6656ba9cfc6ull },
        { 0, "acmf", 0x18d31ee3d482b0a5ull },
        { 1, "acme", 0x3c0f7be6313314a4ull },
        { 0x0123456789abcdefull, "a longer name, of several words", 0x412222178b20fbc7ull }
    };

    (void) state;

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        assert_int_equal(ai_choose_hash(v[i].seed, v[i].name,
                                        strlen(v[i].name)),
                         v[i].hash);
    }
}


static void
test_order_vectors(void **state)
{
    unsigned     i, k, n;
    char         text[8];
    uint8_t      order[AI_CHOOSE_MAX];
    ai_choice_t  c[] = { target("one", 5), target("two", 95),
                         canary("new", 10), target("three", 50) };

    static const char *const  orders[] = {
        "310", "130", "130", "013", "310", "130",
        "130", "130", "103", "2130", "130", "301",
        "310", "310", "130", "301", "130", "130",
        "130", "310", "130", "103", "301", "130"
    };

    (void) state;

    for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        n = ai_choose_order(c, 4, name_hash(i), order);

        for (k = 0; k < n; k++) {
            text[k] = (char) ('0' + order[k]);
        }

        text[n] = '\0';

        assert_string_equal(text, orders[i]);
    }
}


/* the share of each as the first, and of those behind a first one */

static void
test_shares(void **state)
{
    unsigned     i, k, n, first[4], second[4];
    uint8_t      order[AI_CHOOSE_MAX];
    ai_choice_t  c[] = { target("a", 60), target("b", 25), target("c", 10),
                         target("d", 5) };

    (void) state;

    memset(first, 0, sizeof(first));
    memset(second, 0, sizeof(second));

    for (i = 0; i < NAMES; i++) {
        n = ai_choose_order(c, 4, name_hash(i), order);
        assert_int_equal(n, 4);

        first[order[0]]++;

        if (order[0] == 0) {
            second[order[1]]++;
        }
    }

    for (k = 0; k < 4; k++) {
        assert_in_range(first[k], (c[k].weight - 1) * (NAMES / 100),
                        (c[k].weight + 1) * (NAMES / 100));
    }

    /* without the first one the others keep their shares: 25 : 10 : 5 */

    for (k = 1; k < 4; k++) {
        assert_in_range(second[k] * 40,
                        (c[k].weight - 1) * (first[0] - first[0] / 100),
                        (c[k].weight + 1) * (first[0] + first[0] / 100));
    }
}


static void
test_shares_of_many(void **state)
{
    char         name[8];
    unsigned     i, first[AI_CHOOSE_MAX];
    uint8_t      order[AI_CHOOSE_MAX];
    ai_choice_t  c[AI_CHOOSE_MAX];

    (void) state;

    memset(first, 0, sizeof(first));

    for (i = 0; i < AI_CHOOSE_MAX; i++) {
        (void) snprintf(name, sizeof(name), "t%u", i);
        c[i] = target(name, i < 32 ? 65535 : 1 << 30);
    }

    for (i = 0; i < NAMES; i++) {
        assert_int_equal(ai_choose_order(c, AI_CHOOSE_MAX, name_hash(i),
                                         order),
                         AI_CHOOSE_MAX);
        first[order[0]]++;
    }

    /* the heavy ones count as 2^20: sixteen times a light one */

    for (i = 0; i < AI_CHOOSE_MAX; i++) {
        assert_in_range(first[i], i < 32 ? 100 : 2500, i < 32 ? 300 : 3400);
    }
}


static void
test_canary_shares(void **state)
{
    unsigned     i, n, k, first[4];
    uint8_t      order[AI_CHOOSE_MAX];
    ai_choice_t  c[] = { target("a", 3), canary("x", 5), target("b", 1),
                         canary("y", 10) };

    (void) state;

    memset(first, 0, sizeof(first));

    for (i = 0; i < NAMES; i++) {
        n = ai_choose_order(c, 4, name_hash(i), order);
        first[order[0]]++;

        /* behind a canary come the targets, and no other canary */

        for (k = 0; k < n; k++) {
            assert_true(k == 0 || !c[order[k]].canary);
        }

        assert_int_equal(n, 2u + c[order[0]].canary);
    }

    assert_in_range(first[1], 4 * NAMES / 100, 6 * NAMES / 100);
    assert_in_range(first[3], 9 * NAMES / 100, 11 * NAMES / 100);
    assert_in_range(first[0], 62 * NAMES / 100, 66 * NAMES / 100);
    assert_in_range(first[2], 20 * NAMES / 100, 23 * NAMES / 100);
}


/* raising a canary only adds names to it, lowering it only takes some away */

static void
test_canary_grows(void **state)
{
    unsigned     i, percent, in, was;
    uint8_t      order[AI_CHOOSE_MAX];
    ai_choice_t  c[2] = { target("a", 1), canary("x", 0) };

    (void) state;

    for (i = 0; i < NAMES / 10; i++) {
        was = 0;

        for (percent = 0; percent <= 100; percent++) {
            c[1].weight = percent;
            (void) ai_choose_order(c, 2, name_hash(i), order);
            in = (order[0] == 1);

            assert_true(in >= was);
            assert_true(percent > 0 || !in);
            assert_true(percent < 100 || in);
            was = in;
        }
    }
}


/* a target that fails, comes, goes or changes moves only names of its own */

static void
test_moves(void **state)
{
    unsigned     i, moved;
    uint8_t      all[AI_CHOOSE_MAX], left[AI_CHOOSE_MAX];
    ai_choice_t  c[] = { target("a", 30), target("b", 30), target("c", 40) };
    ai_choice_t  without[] = { c[0], c[2] };
    ai_choice_t  heavier[] = { c[0], target("b", 60), c[2] };
    ai_choice_t  turned[] = { c[2], c[1], c[0] };

    (void) state;

    for (i = 0, moved = 0; i < NAMES; i++) {
        (void) ai_choose_order(c, 3, name_hash(i), all);
        (void) ai_choose_order(without, 2, name_hash(i), left);

        assert_int_equal(without[left[0]].salt,
                         c[all[0] == 1 ? all[1] : all[0]].salt);

        (void) ai_choose_order(heavier, 3, name_hash(i), left);
        assert_true(left[0] == all[0] || left[0] == 1);
        moved += (left[0] != all[0]);

        /* the order of the configuration does not matter */

        (void) ai_choose_order(turned, 3, name_hash(i), left);
        assert_int_equal(turned[left[0]].salt, c[all[0]].salt);
    }

    /* from 30 to 60 in 130: 16 % of all move */

    assert_in_range(moved, 15 * NAMES / 100, 17 * NAMES / 100);
}


static void
test_left_out(void **state)
{
    unsigned     i;
    uint8_t      order[AI_CHOOSE_MAX];
    ai_choice_t  c[] = { target("a", 0), target("b", 1), canary("x", 0) };

    (void) state;

    for (i = 0; i < 1000; i++) {
        assert_int_equal(ai_choose_order(c, 3, name_hash(i), order), 1);
        assert_int_equal(order[0], 1);
        assert_int_equal(ai_choose_order(c, 1, name_hash(i), order), 0);
    }

    assert_int_equal(ai_choose_order(c, 0, 1, order), 0);

    /* more percents than there are: the later canary gets what is left */

    c[0] = canary("y", 80);
    c[2].weight = UINT32_MAX;

    for (i = 0; i < 1000; i++) {
        assert_int_equal(ai_choose_order(c, 3, name_hash(i), order), 2);
        assert_int_not_equal(order[0], 1);
    }
}


/* hashes at the ends of their range, and equal salts */

static void
test_edges(void **state)
{
    unsigned        i;
    uint8_t         order[AI_CHOOSE_MAX];
    ai_choice_t     c[] = { target("a", 1), target("a", 1),
                            target("b", UINT32_MAX) };
    const uint64_t  hash[] = { 0, 1, UINT64_MAX, c[0].salt, ~c[0].salt };

    (void) state;

    for (i = 0; i < sizeof(hash) / sizeof(hash[0]); i++) {
        assert_int_equal(ai_choose_order(c, 3, hash[i], order), 3);
        assert_int_equal(order[0] + order[1] + order[2], 3);
        assert_int_equal(ai_choose_order(c, 2, hash[i], order), 2);
        assert_int_equal(order[0], 0);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_hash_vectors),
        cmocka_unit_test(test_order_vectors),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_shares_of_many),
        cmocka_unit_test(test_canary_shares),
        cmocka_unit_test(test_canary_grows),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_edges)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
