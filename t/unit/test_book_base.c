
/*
 * What other nodes used, and balances: windows and totals are judged by the
 * sum of it and of what this book counted.
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>
#include "ai_book_int.h"
#include "book_fixture.h"


#define TODAY     20261121
#define MONTH     202611


static int
base(fixture_t *f, uint32_t day, uint32_t month, int64_t of_day,
    int64_t of_month, int64_t cost)
{
    ai_base_t  b;

    memset(&b, 0, sizeof(ai_base_t));
    b.day = day;
    b.month = month;
    b.used_day[AI_RES_TOKENS] = of_day;
    b.used_month[AI_RES_COST] = of_month;
    b.cost = cost;

    return ai_book_base(f->bk, &f->ask.party[0].id, &b, &f->now);
}


static void
others_are_judged_too(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    limit(&f, AI_RES_COST, AI_PERIOD_MONTH, 1000);
    f.ask.bound[AI_RES_TOKENS] = 30;
    f.ask.bound[AI_RES_COST] = 300;

    assert_int_equal(base(&f, TODAY, MONTH, 70, 0, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 70);
    assert_int_equal(limit_view(&f, 0).remaining, 30);

    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 20, 100);
    assert_int_equal(limit_view(&f, 0).used, 90);

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.limit.period, AI_PERIOD_DAY);
    assert_int_equal(f.why.used, 90);

    /* said again it is not added again, and it may go down */

    assert_int_equal(base(&f, TODAY, MONTH, 70, 0, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 90);
    assert_int_equal(base(&f, TODAY, MONTH, 50, 601, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 70);
    assert_int_equal(view(&f, 0).used_month[AI_RES_COST], 701);

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.limit.period, AI_PERIOD_MONTH);
    assert_int_equal(f.why.used, 701);

    assert_int_equal(base(&f, TODAY, MONTH, -20, -100, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 0);
    assert_int_equal(limit_view(&f, 1).used, 0);

    /* what was counted here is not touched by any of it */

    assert_int_equal(base(&f, TODAY, MONTH, 0, 0, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 20);
    assert_int_equal(view(&f, 0).cost, 100);
    end(&f);
}


static void
windows_that_passed_are_ignored(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    limit(&f, AI_RES_COST, AI_PERIOD_MONTH, 1000);

    assert_int_equal(base(&f, TODAY - 1, MONTH, 70, 500, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 0);
    assert_int_equal(limit_view(&f, 1).used, 500);

    assert_int_equal(base(&f, TODAY, MONTH - 1, 40, 0, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 40);
    assert_int_equal(limit_view(&f, 1).used, 500);

    /* the next day begins without what others used on this one */

    f.now.now_s += 86400;
    assert_int_equal(limit_view(&f, 0).used, 0);
    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 5, 1);
    assert_int_equal(limit_view(&f, 0).used, 5);
    assert_int_equal(limit_view(&f, 1).used, 501);

    assert_int_equal(base(&f, TODAY, MONTH, 41, 500, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 5);
    assert_int_equal(base(&f, TODAY + 1, MONTH, 3, 500, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 8);
    end(&f);
}


static void
newer_window_begins(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);

    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 60, 0);
    assert_int_equal(take(&f, &hold), AI_OK);

    /* the database's clock is a little ahead */

    assert_int_equal(base(&f, TODAY + 1, MONTH, 7, 0, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 7);
    assert_int_equal(limit_view(&f, 0).held, 0);

    settle(&f, hold, 30, 0);
    assert_int_equal(limit_view(&f, 0).used, 7);
    assert_int_equal(base(&f, TODAY, MONTH, 50, 0, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 7);

    /* or by a century: a window of that kind would never end */

    assert_int_equal(base(&f, 21261121, 212611, 50, 50, 0), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 7);
    assert_int_equal(view(&f, 0).month, MONTH);
    end(&f);
}


static void
balance_ends(void **state)
{
    ai_ref_t   hold[3];
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_COST, AI_PERIOD_TOTAL, 1000);
    f.ask.bound[AI_RES_COST] = 300;

    assert_int_equal(take(&f, &hold[0]), AI_OK);
    settle(&f, hold[0], 1, 200);

    /* it lives on through days and months */

    f.now.now_s += 86400 * 50;
    assert_int_equal(limit_view(&f, 0).used, 200);
    assert_int_equal(limit_view(&f, 0).remaining, 800);
    assert_int_equal(limit_view(&f, 0).reset_ms, 0);

    assert_int_equal(base(&f, TODAY, MONTH, 0, 0, 300), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 500);
    assert_int_equal(view(&f, 0).cost, 200);
    assert_int_equal(view(&f, 0).cost_others, 300);

    /* another's hold stands in the way, but will end */

    assert_int_equal(take(&f, &hold[0]), AI_OK);
    assert_int_equal(take(&f, &hold[1]), AI_BUSY);
    assert_int_equal(f.why.wait_ms, AI_BOOK_RETRY);
    assert_int_equal(f.why.held, 300);
    settle(&f, hold[0], 1, 250);

    assert_int_equal(take(&f, &hold[1]), AI_BUSY);
    assert_int_equal(f.why.wait_ms, -1);
    assert_int_equal(f.why.budget, 1);
    assert_int_equal(f.why.used, 750);

    f.ask.bound[AI_RES_COST] = 250;
    assert_int_equal(take(&f, &hold[1]), AI_OK);
    settle(&f, hold[1], 1, 250);
    f.ask.bound[AI_RES_COST] = 0;
    assert_int_equal(take(&f, &hold[2]), AI_OK);
    settle(&f, hold[2], 1, 0);

    /* credit is an amount that was raised */

    f.limits[0].amount = 1100;
    f.ask.bound[AI_RES_COST] = 100;
    assert_int_equal(take(&f, &hold[2]), AI_OK);

    /* a balance may be larger than any other amount, a request may not */

    f.limits[0].amount = INT64_MAX;
    f.ask.bound[AI_RES_COST] = AI_LIMIT_MAX;
    assert_int_equal(take(&f, &hold[2]), AI_OK);
    f.ask.bound[AI_RES_COST] = INT64_MAX;
    assert_int_equal(take(&f, &hold[2]), AI_BUSY);
    assert_int_equal(f.why.wait_ms, -1);

    f.limits[0].amount = 0;
    f.ask.bound[AI_RES_COST] = 0;
    assert_int_equal(take(&f, &hold[2]), AI_BUSY);
    assert_int_equal(f.why.wait_ms, -1);
    end(&f);
}


static void
nothing_makes_no_owner(void **state)
{
    fixture_t       f;
    ai_book_stat_t  st;

    (void) state;

    begin(&f, 1 << 20);

    assert_int_equal(base(&f, TODAY, MONTH, 0, 0, 0), AI_OK);
    ai_book_stat(f.bk, &st);
    assert_int_equal(st.owners, 0);

    assert_int_equal(base(&f, TODAY, MONTH, 1, 0, 0), AI_OK);
    ai_book_stat(f.bk, &st);
    assert_int_equal(st.owners, 1);
    assert_int_equal(st.buckets, 1);
    end(&f);
}


/* one that spent, in a book that is then filled with others, a month later */

static void
fill(fixture_t *f)
{
    uint32_t   n;
    ai_ref_t   hold;
    fixture_t  g;

    g = *f;
    g.ask.party[0].nlimits = 0;
    g.now.now_s += 40 * 86400;
    g.now.mono_ms += 40 * 86400 * 1000ULL;

    for (n = 100; n < 10000; n++) {
        owner_id(&g.ask.party[0].id, n);

        if (take(&g, &hold) == AI_OK) {
            settle(&g, hold, 1, 1);
        }
    }
}


static void
balances_are_not_given_up(void **state)
{
    ai_ref_t   hold;
    unsigned   i;
    fixture_t  f;

    (void) state;

    for (i = 0; i < 4; i++) {
        begin(&f, ai_book_min_size());
        f.ask.bound[AI_RES_COST] = 10;

        if (i == 0) {
            limit(&f, AI_RES_COST, AI_PERIOD_TOTAL, 10);
        }

        assert_int_equal(take(&f, &hold), AI_OK);
        settle(&f, hold, 1, 10);

        if (i == 1) {

            /* turned prepaid when all was spent: never admitted as such */

            limit(&f, AI_RES_COST, AI_PERIOD_TOTAL, 10);
            assert_int_equal(take(&f, &hold), AI_BUSY);
        }

        if (i == 2) {
            assert_int_equal(base(&f, TODAY, MONTH, 0, 0, 5), AI_OK);
        }

        fill(&f);

        if (i == 3) {
            assert_int_equal(view(&f, 0).cost, 0);

        } else {
            assert_int_equal(view(&f, 0).cost, 10);
        }

        end(&f);
    }
}


/* cells of what others used come back, and nothing is changed without one */

static void
full_book_refuses(void **state)
{
    uint32_t        n, all;
    fixture_t       f;
    ai_book_stat_t  st;

    (void) state;

    begin(&f, ai_book_min_size());

    for (n = 0; ; n++) {
        owner_id(&f.ask.party[0].id, n);

        if (base(&f, TODAY, MONTH, 1, 1, 0) != AI_OK) {
            break;
        }
    }

    assert_int_equal(ai_book_owner_find(f.bk, &f.ask.party[0].id), 0);
    ai_book_stat(f.bk, &st);
    assert_int_equal(st.owners, n);
    assert_int_equal(st.buckets, 2 * n);
    all = n;

    f.now.now_s += 40 * 86400;

    for (n = 0; n < 3 * all; n++) {
        owner_id(&f.ask.party[0].id, 100000 + n);
        assert_int_equal(base(&f, TODAY, MONTH, 1, 1, 0), AI_OK);
    }

    for (n = 0; n < all; n++) {
        owner_id(&f.ask.party[0].id, 200000 + n);
        assert_int_equal(base(&f, 20261231, 202612, 1, 1, 0), AI_OK);
    }

    ai_book_stat(f.bk, &st);
    assert_int_equal(st.owners, all);
    assert_int_equal(st.buckets, 2 * all);
    end(&f);
}


/* a machine that has just booted: an old row is no debt of this hour */

static void
old_rows_leave_no_debt(void **state)
{
    fixture_t      f;
    const int64_t  used[AI_RES_COUNTED] = { 1, 0, 0, 0, 5000 };

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_COST, AI_PERIOD_HOUR, 1000);
    f.now.mono_ms = 60000;

    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used,
                                   f.now.now_s - 86400, &f.now), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 0);

    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used, 0, &f.now),
                     AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 0);
    assert_int_equal(view(&f, 0).cost, 10000);

    /* two hours ago: 3000 are left, rounded up, and 500 less since */

    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used,
                                   f.now.now_s - 7200, &f.now), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 3001);
    f.now.mono_ms += 1800000;
    assert_int_equal(limit_view(&f, 0).used, 2501);
    end(&f);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(others_are_judged_too),
        cmocka_unit_test(windows_that_passed_are_ignored),
        cmocka_unit_test(newer_window_begins),
        cmocka_unit_test(balance_ends),
        cmocka_unit_test(nothing_makes_no_owner),
        cmocka_unit_test(balances_are_not_given_up),
        cmocka_unit_test(full_book_refuses),
        cmocka_unit_test(old_rows_leave_no_debt)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
