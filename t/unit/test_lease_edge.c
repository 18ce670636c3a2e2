
/*
 * Where one window ends and the next begins: a node whose clock is early still
 * tells what it spent of the one that others are in.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "ai_core.h"

#include "ai_lease_int.h"
#include "book_fixture.h"


#define EDGE   (DAY + 86400)            /* 2026-11-22 00:00:00 */
#define MONTH  (DAY + 10 * 86400)       /* 2026-12-01 00:00:00 */
#define OLD    20261121

static ai_lease_op_t  op;


static void
share(fixture_t *f)
{
    ai_lease_conf_t  c;

    begin(f, 1 << 20);

    c.lease_ms = 2000;
    c.busy_ms = 300;
    c.nodes = 2;
    c.shards = 1;
    ai_lease_conf(f->bk, &c);

    f->ask.shared = 1;
    f->ask.nodes = 2;
}


static void
at(fixture_t *f, uint64_t now_s)
{
    f->now.mono_ms += 10000;
    f->now.now_s = now_s;
}


static ai_ref_t
taken(fixture_t *f, int64_t tokens)
{
    int       rc;
    unsigned  i;
    ai_ref_t  hold;

    f->ask.bound[AI_RES_TOKENS] = tokens;
    rc = take(f, &hold);

    if (rc == AI_AGAIN) {
        assert_int_equal(ai_lease_begin(f->bk, &f->ask, 0, &f->now, &op),
                         AI_OK);

        for (i = 0; i < op.ncells; i++) {
            op.cell[i].granted = op.cell[i].want;
            op.cell[i].left = 1000;
        }

        assert_int_equal(ai_lease_end(f->bk, &op, 1, &f->now), AI_OK);
        rc = take(f, &hold);
    }

    assert_int_equal(rc, AI_OK);

    return hold;
}


/* what a report tells to be spent in a window; -1: nothing */

static int64_t
told(fixture_t *f, unsigned resource, uint64_t window)
{
    int64_t   sum;
    uint32_t  cursor;
    unsigned  i;

    sum = -1;
    cursor = 0;

    while (ai_lease_report(f->bk, 0, &cursor, 64, &f->now, &op) == AI_OK) {
        for (i = 0; i < op.ncells; i++) {
            if (op.cell[i].resource == resource
                && op.cell[i].window == window)
            {
                assert_int_equal(sum, -1);
                assert_int_equal(op.cell[i].want, 0);
                sum = op.cell[i].sum - op.cell[i].unspent;
            }
        }

        assert_int_equal(ai_lease_end(f->bk, &op, 1, &f->now), AI_OK);
    }

    return sum;
}


static void
the_former_window_is_told(void **state)
{
    ai_ref_t   open;
    fixture_t  f;

    (void) state;

    share(&f);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MONTH, 5000);

    settle(&f, taken(&f, 40), 30, 0);
    open = taken(&f, 20);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 50);

    /* nothing was taken since, or something */

    at(&f, EDGE);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 50);
    settle(&f, taken(&f, 7), 6, 0);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 50);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD + 1), 6);
    assert_int_equal(told(&f, AI_RES_TOKENS, 202611), 56);

    /* what was open then */

    settle(&f, open, 5, 0);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 35);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD + 1), 6);

    /* a clock that is set back: nobody else has this window */

    at(&f, EDGE - 3000);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 35);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD + 1), 6);

    at(&f, EDGE + AI_LEASE_FORMER - 1);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 35);
    at(&f, EDGE + AI_LEASE_FORMER);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), -1);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD + 1), 6);
    end(&f);

    /* of a month, and of what nobody asked for since */

    share(&f);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MONTH, 5000);
    f.now.now_s = MONTH - 5;
    settle(&f, taken(&f, 40), 30, 0);
    at(&f, MONTH + 1);
    assert_int_equal(told(&f, AI_RES_TOKENS, 202611), 30);
    settle(&f, taken(&f, 40), 20, 0);
    assert_int_equal(told(&f, AI_RES_TOKENS, 202611), 30);
    assert_int_equal(told(&f, AI_RES_TOKENS, 202612), 20);
    assert_int_equal(told(&f, AI_RES_TOKENS, 20261130), -1);
    at(&f, MONTH + AI_LEASE_FORMER);
    assert_int_equal(told(&f, AI_RES_TOKENS, 202611), -1);
    end(&f);
}


/* what is said of it is no credit in the window that has come */

static void
it_changes_no_credit(void **state)
{
    fixture_t    f;
    ai_now_t     before;
    ai_credit_t  c;
    ai_ref_t     owner;

    (void) state;

    share(&f);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    settle(&f, taken(&f, 40), 40, 0);
    at(&f, EDGE);
    settle(&f, taken(&f, 9), 4, 0);
    owner = ai_book_owner_find(f.bk, &f.ask.party[0].id);

    before = f.now;
    ai_credit_get(f.bk, owner, AI_RES_TOKENS, AI_PERIOD_DAY, &before, &c);
    assert_int_equal(c.unspent, 5);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 40);
    ai_credit_get(f.bk, owner, AI_RES_TOKENS, AI_PERIOD_DAY, &before, &c);
    assert_int_equal(c.unspent, 5);
    assert_int_equal(c.window, OLD + 1);
    end(&f);
}


/* what others used is theirs to tell */

static void
others_are_not_told(void **state)
{
    ai_base_t  base;
    fixture_t  f;

    (void) state;

    share(&f);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    settle(&f, taken(&f, 40), 30, 0);

    memset(&base, 0, sizeof(base));
    base.day = OLD;
    base.month = 202611;
    base.used_day[AI_RES_TOKENS] = 500;
    assert_int_equal(ai_book_base(f.bk, &f.ask.party[0].id, &base, &f.now),
                     AI_OK);
    at(&f, EDGE - 1);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 30);

    /* others begin the next one */

    base.day = OLD + 1;
    base.used_day[AI_RES_TOKENS] = 100;
    assert_int_equal(ai_book_base(f.bk, &f.ask.party[0].id, &base, &f.now),
                     AI_OK);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 30);
    at(&f, EDGE);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 30);
    end(&f);
}


/*
 * A clock was ahead, and is set back: what is admitted then is of the window
 * that has begun, its row says so, and a start has it there, too.
 */

static void
a_start_has_it_where_it_was(void **state)
{
    ai_ref_t         hold;
    uint64_t         row_s;
    fixture_t        f;
    ai_owner_view_t  v;
    const int64_t    used[AI_RES_COUNTED] = { 1, 30, 20, 10, 700 };

    (void) state;

    share(&f);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    settle(&f, taken(&f, 40), 11, 0);
    at(&f, EDGE + 5);
    hold = taken(&f, 40);
    assert_int_equal(ai_book_hold_s(f.bk, hold, EDGE + 5), EDGE + 5);
    settle(&f, hold, 12, 0);

    at(&f, EDGE - 600);
    hold = taken(&f, 40);
    row_s = ai_book_hold_s(f.bk, hold, EDGE - 600);
    assert_int_equal(row_s, EDGE);
    settle(&f, hold, 30, 0);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD + 1), 42);
    end(&f);

    /* two starts: behind the end, and before it */

    share(&f);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    at(&f, EDGE - 500);
    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used, EDGE - 7000,
                                   &f.now), AI_OK);
    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used, row_s,
                                   &f.now), AI_OK);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD + 1), 30);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 30);

    ai_book_owner_view(f.bk, ai_book_owner_find(f.bk, &f.ask.party[0].id),
                       EDGE + 9, &v);
    assert_int_equal(v.used_day[AI_RES_TOKENS], 30);

    /* one that was ahead by more is not believed */

    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used, EDGE + 90000,
                                   &f.now), AI_OK);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD + 1), 60);
    end(&f);
}


/* a key follows its tenant, whose row it is */

static void
a_key_follows(void **state)
{
    ai_ref_t         hold;
    fixture_t        f;
    ai_owner_view_t  v;

    (void) state;

    begin(&f, 1 << 20);
    at(&f, EDGE + 5);
    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 5, 0);

    at(&f, EDGE - 600);
    f.ask.nparty = 2;
    owner_id(&f.ask.party[1].id, 77);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(ai_book_hold_s(f.bk, hold, EDGE - 600), EDGE);
    settle(&f, hold, 6, 0);

    ai_book_owner_view(f.bk, ai_book_owner_find(f.bk, &f.ask.party[1].id),
                       EDGE, &v);
    assert_int_equal(v.day, OLD + 1);
    assert_int_equal(v.used_day[AI_RES_TOKENS], 6);
    end(&f);
}


/* what older starts' rows are of a sum is said beside it */

static void
rows_of_older_starts_are_told(void **state)
{
    unsigned       i;
    uint32_t       cursor;
    fixture_t      f;
    const int64_t  used[AI_RES_COUNTED] = { 1, 30, 20, 10, 700 };
    const int64_t  mine[] = { 30, 60, 60 };

    (void) state;

    share(&f);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MONTH, 5000);
    limit(&f, AI_RES_COST, AI_PERIOD_TOTAL, 5000);

    for (i = 0; i < 2; i++) {
        assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used,
                                       DAY - 86400 * (1 - i), &f.now), AI_OK);
    }

    cursor = 0;
    assert_int_equal(ai_lease_report(f.bk, 0, &cursor, 64, &f.now, &op),
                     AI_OK);

    for (i = 0; i < op.ncells; i++) {
        if (op.cell[i].period == AI_PERIOD_TOTAL) {
            assert_int_equal(op.cell[i].mine, 1400);

        } else if (op.cell[i].window != OLD - 1) {
            assert_int_equal(op.cell[i].mine,
                             mine[op.cell[i].period - AI_PERIOD_DAY]);
        }
    }

    assert_int_equal(ai_lease_end(f.bk, &op, 1, &f.now), AI_OK);

    /* they end with the window */

    at(&f, EDGE);
    settle(&f, taken(&f, 7), 6, 0);
    cursor = 0;
    assert_int_equal(ai_lease_report(f.bk, 0, &cursor, 64, &f.now, &op),
                     AI_OK);
    assert_int_equal(op.cell[0].window, OLD + 1);
    assert_int_equal(op.cell[0].mine, 0);
    end(&f);
}


/* a start behind the edge counts the rows before it */

static void
rows_of_it_are_counted(void **state)
{
    unsigned       i;
    uint64_t       days[] = { EDGE - 90000, EDGE - 10, EDGE - 90000, EDGE - 9,
                              EDGE + 1 };
    fixture_t      f;
    const int64_t  used[AI_RES_COUNTED] = { 1, 30, 20, 10, 700 };

    (void) state;

    share(&f);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    at(&f, EDGE + 2);

    for (i = 0; i < 5; i++) {
        assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used, days[i],
                                       &f.now), AI_OK);
    }

    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 60);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD + 1), 30);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD - 1), -1);

    /* without records of limits, too */

    end(&f);
    share(&f);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    f.ask.shared = 0;
    settle(&f, taken(&f, 40), 30, 0);
    at(&f, EDGE);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD), 30);
    assert_int_equal(told(&f, AI_RES_TOKENS, OLD + 1), -1);
    end(&f);
}


static void
its_owner_is_not_reused(void **state)
{
    uint32_t       i;
    fixture_t      f;
    ai_owner_id_t  id;

    (void) state;

    for (i = 0; i < 2; i++) {
        share(&f);
        limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
        f.now.now_s = MONTH - 1;
        settle(&f, taken(&f, 40), 40, 0);
        at(&f, MONTH + (i ? AI_LEASE_FORMER : 0));

        while (f.bk->owners.count < f.bk->owners.max) {
            owner_id(&id, 1000 + f.bk->owners.count);

            if (ai_book_owner(f.bk, &id, f.now.now_s) == 0) {
                break;
            }
        }

        owner_id(&id, 999999);
        (void) ai_book_owner(f.bk, &id, f.now.now_s);
        owner_id(&id, 999998);
        (void) ai_book_owner(f.bk, &id, f.now.now_s);

        assert_int_equal(ai_book_owner_find(f.bk, &f.ask.party[0].id) != 0,
                         i == 0);
        end(&f);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_former_window_is_told),
        cmocka_unit_test(it_changes_no_credit),
        cmocka_unit_test(others_are_not_told),
        cmocka_unit_test(a_start_has_it_where_it_was),
        cmocka_unit_test(a_key_follows),
        cmocka_unit_test(rows_of_older_starts_are_told),
        cmocka_unit_test(rows_of_it_are_counted),
        cmocka_unit_test(its_owner_is_not_reused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
