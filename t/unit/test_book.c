
/*
 * Limits, holds and windows: what the book's contract promises, one promise a
 * test; and random histories against the naive model.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "ai_core.h"

#define CHECK(condition)  assert_true(condition)

#include "book_history.h"
#include "book_fixture.h"


static void
budget_holds_exactly(void **state)
{
    int        i;
    ai_ref_t   hold[5];
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_COST, AI_PERIOD_MONTH, 1000);
    f.ask.bound[AI_RES_COST] = 300;

    for (i = 0; i < 3; i++) {
        assert_int_equal(take(&f, &hold[i]), AI_OK);
    }

    assert_int_equal(take(&f, &hold[3]), AI_BUSY);
    assert_int_equal(f.why.used, 0);
    assert_int_equal(f.why.held, 900);
    assert_int_equal(f.why.wait_ms, AI_BOOK_RETRY);
    assert_int_equal(f.why.budget, 1);

    /* 100 spent of 300: 200 come back, one more fits */

    settle(&f, hold[0], 10, 100);
    assert_int_equal(take(&f, &hold[3]), AI_OK);
    assert_int_equal(limit_view(&f, 0).remaining, 0);
    assert_int_equal(take(&f, &hold[4]), AI_BUSY);

    settle(&f, hold[1], 10, 300);
    settle(&f, hold[2], 10, 300);
    settle(&f, hold[3], 10, 300);

    assert_int_equal(limit_view(&f, 0).used, 1000);
    assert_int_equal(take(&f, &hold[4]), AI_BUSY);
    assert_int_equal(f.why.wait_ms, (9 * 86400LL + 23 * 3600) * 1000);

    f.ask.bound[AI_RES_COST] = 1001;
    assert_int_equal(take(&f, &hold[4]), AI_BUSY);
    assert_int_equal(f.why.wait_ms, -1);

    assert_int_equal(view(&f, 0).requests, 4);
    assert_int_equal(view(&f, 0).cost, 1000);
    end(&f);
}


static void
no_limit_is_not_zero(void **state)
{
    ai_ref_t   hold;
    unsigned   r, p;
    fixture_t  f;

    (void) state;

    for (r = 0; r < AI_RES_N; r++) {
        for (p = 0; p < AI_PERIOD_NONE; p++) {

            if (p == AI_PERIOD_TOTAL && r < AI_RES_COST) {
                continue;
            }

            begin(&f, 1 << 20);
            assert_int_equal(take(&f, &hold), AI_OK);
            give_back(&f, hold);

            /* even what asks for nothing of it */

            limit(&f, (int) r, (int) p, 0);
            assert_int_equal(take(&f, &hold), AI_BUSY);
            assert_int_equal(f.why.wait_ms, -1);
            end(&f);
        }
    }
}


static void
longest_wait_is_told(void **state)
{
    int        i;
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_SECOND, 2);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 2);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_HOUR, 3);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_DAY, 4);

    for (i = 0; i < 2; i++) {
        assert_int_equal(take(&f, &hold), AI_OK);
        settle(&f, hold, 0, 0);
    }

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.limit.period, AI_PERIOD_MINUTE);
    assert_int_equal(f.why.wait_ms, 30000);
    assert_int_equal(f.why.used, 2);
    assert_int_equal(f.why.budget, 0);

    f.now.mono_ms += 30000;
    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 0, 0);

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.limit.period, AI_PERIOD_HOUR);

    f.now.mono_ms += 3600000;
    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 0, 0);

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.limit.period, AI_PERIOD_DAY);
    assert_int_equal(f.why.budget, 1);
    end(&f);
}


static void
one_party_refused_takes_none(void **state)
{
    ai_ref_t    hold;
    fixture_t   f;
    ai_limit_t  key;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 10);

    memset(&key, 0, sizeof(key));
    key.resource = AI_RES_CONCURRENCY;
    key.period = AI_PERIOD_NONE;
    key.amount = 1;

    f.ask.nparty = 2;
    f.ask.party[1].limits = &key;
    f.ask.party[1].nlimits = 1;

    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(limit_view(&f, 0).remaining, 9);

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.party, 1);
    assert_int_equal(f.why.used, 1);
    assert_int_equal(limit_view(&f, 0).remaining, 9);
    assert_int_equal(view(&f, 0).open, 1);

    settle(&f, 1, 0, 0);
    assert_int_equal(view(&f, 1).open, 0);
    assert_int_equal(take(&f, &hold), AI_OK);
    end(&f);
}


static void
never_sent_gives_all_back(void **state)
{
    unsigned    i;
    ai_ref_t    hold;
    fixture_t   f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 10);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_DAY, 10);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MINUTE, 1000);
    limit(&f, AI_RES_COST, AI_PERIOD_HOUR, 1000);
    limit(&f, AI_RES_COST, AI_PERIOD_MONTH, 1000);
    f.ask.bound[AI_RES_TOKENS] = 500;
    f.ask.bound[AI_RES_COST] = 500;
    f.ask.guess[AI_RES_TOKENS] = 100;

    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(limit_view(&f, 0).remaining, 9);
    assert_int_equal(limit_view(&f, 1).remaining, 9);
    assert_int_equal(limit_view(&f, 2).remaining, 900);
    assert_int_equal(limit_view(&f, 3).remaining, 500);
    assert_int_equal(limit_view(&f, 3).held, 500);
    assert_int_equal(limit_view(&f, 4).remaining, 500);

    give_back(&f, hold);

    for (i = 0; i < 5; i++) {
        assert_int_equal(limit_view(&f, i).remaining, f.limits[i].amount);
        assert_int_equal(limit_view(&f, i).used, 0);
        assert_int_equal(limit_view(&f, i).held, 0);
    }

    assert_int_equal(view(&f, 0).requests, 0);

    /* and only once */

    give_back(&f, hold);
    assert_int_equal(view(&f, 0).open, 0);
    end(&f);
}


static void
tokens_run_into_debt(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MINUTE, 600);
    f.ask.guess[AI_RES_TOKENS] = 100;

    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 1600, 0);

    assert_int_equal(limit_view(&f, 0).remaining, 0);
    assert_int_equal(limit_view(&f, 0).used, 1600);
    assert_int_equal(take(&f, &hold), AI_BUSY);

    /* 1100 at ten a second */

    assert_int_equal(f.why.wait_ms, 110000);
    f.now.mono_ms += 109999;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    f.now.mono_ms += 1;
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(limit_view(&f, 0).remaining, 0);
    end(&f);
}


/* a bucket of cost that refilled under an open hold gave this back twice */

static void
held_cost_is_not_refilled(void **state)
{
    ai_ref_t   hold, next;
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_COST, AI_PERIOD_MINUTE, 600);
    f.ask.bound[AI_RES_COST] = 600;

    assert_int_equal(take(&f, &hold), AI_OK);

    f.now.mono_ms += 3600 * 1000;
    assert_int_equal(take(&f, &next), AI_BUSY);
    assert_int_equal(f.why.held, 600);

    settle(&f, hold, 0, 200);
    f.ask.bound[AI_RES_COST] = 400;
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(take(&f, &next), AI_BUSY);
    end(&f);
}


static void
windows_roll_at_midnight(void **state)
{
    ai_ref_t         old, hold;
    fixture_t        f;
    ai_owner_view_t  v;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MONTH, 1000);
    f.ask.bound[AI_RES_TOKENS] = 60;

    f.now.now_s = DAY + 86399;
    assert_int_equal(take(&f, &old), AI_OK);
    assert_int_equal(take(&f, &hold), AI_BUSY);

    f.now.now_s++;
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(limit_view(&f, 0).held, 60);
    assert_int_equal(limit_view(&f, 1).held, 120);

    /* what was held yesterday neither frees nor fills today */

    settle(&f, old, 50, 0);
    v = view(&f, 0);
    assert_int_equal(v.day, 20261122);
    assert_int_equal(v.used_day[AI_RES_TOKENS], 0);
    assert_int_equal(v.used_month[AI_RES_TOKENS], 50);
    assert_int_equal(limit_view(&f, 0).held, 60);

    settle(&f, hold, 60, 0);
    assert_int_equal(view(&f, 0).used_day[AI_RES_TOKENS], 60);

    /* a day later it reads as zero, before anyone wrote */

    f.now.now_s += 86400;
    assert_int_equal(view(&f, 0).used_day[AI_RES_TOKENS], 0);
    assert_int_equal(view(&f, 0).used_month[AI_RES_TOKENS], 110);
    assert_int_equal(limit_view(&f, 0).remaining, 100);

    f.now.now_s = DAY + 10 * 86400;
    assert_int_equal(view(&f, 0).month, 202612);
    assert_int_equal(view(&f, 0).used_month[AI_RES_TOKENS], 0);
    end(&f);
}


static void
clock_set_back_opens_no_window(void **state)
{
    int        i;
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_DAY, 1);

    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 0, 0);

    for (i = 1; i < 400; i++) {
        f.now.now_s = DAY - (uint64_t) i * 86400;
        assert_int_equal(take(&f, &hold), AI_BUSY);
        assert_int_equal(view(&f, 0).day, 20261121);

        f.now.now_s = DAY + (uint64_t) i % 86400;
        assert_int_equal(take(&f, &hold), AI_BUSY);
    }

    /* forth: that is another day's budget; and back: not a third one */

    f.now.now_s = DAY + 86400;
    assert_int_equal(take(&f, &hold), AI_OK);
    f.now.now_s = DAY;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    f.now.now_s = DAY + 86400;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    end(&f);
}


static void
rows_are_counted_in_their_window(void **state)
{
    int64_t     used[AI_RES_COUNTED] = { 1, 30, 20, 10, 600 };
    fixture_t   f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MONTH, 100);
    limit(&f, AI_RES_COST, AI_PERIOD_HOUR, 3600);

    /* today, earlier this month, last month */

    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used,
                                   DAY - 30 * 86400, &f.now), AI_OK);
    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used, DAY - 86400,
                                   &f.now), AI_OK);
    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used,
                                   f.now.now_s - 1000, &f.now), AI_OK);

    assert_int_equal(limit_view(&f, 0).used, 30);
    assert_int_equal(limit_view(&f, 1).used, 60);

    /* one nano-dollar a second: the last row has been refilled */

    assert_int_equal(limit_view(&f, 2).used, 0);

    used[AI_RES_COST] = 3600;
    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used,
                                   f.now.now_s - 500, &f.now), AI_OK);
    assert_int_equal(limit_view(&f, 2).used, 600 - 500 + 3600 - 500);

    assert_int_equal(view(&f, 0).requests, 4);
    assert_int_equal(view(&f, 0).tokens[0], 80);
    assert_int_equal(view(&f, 0).tokens[1], 40);
    end(&f);
}


static void
settled_by_new_limits(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MINUTE, 1000);
    f.ask.guess[AI_RES_TOKENS] = 800;

    assert_int_equal(take(&f, &hold), AI_OK);

    /* lowered by a reload: what was taken stays taken, no fresh bucket */

    f.limits[0].amount = f.limits[0].burst = 500;
    assert_int_equal(limit_view(&f, 0).used, 800);
    assert_int_equal(limit_view(&f, 0).remaining, 0);

    settle(&f, hold, 100, 0);
    assert_int_equal(limit_view(&f, 0).remaining, 400);
    end(&f);
}


/* an answer may be longer than a bucket is deep: it needs a full one */

static void
guesses_refuse_nobody_for_ever(void **state)
{
    ai_ref_t      hold;
    fixture_t     f;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MINUTE, 600);
    f.ask.guess[AI_RES_INPUT_TOKENS] = 100;
    f.ask.guess[AI_RES_OUTPUT_TOKENS] = 800;
    f.ask.guess[AI_RES_TOKENS] = 900;

    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(limit_view(&f, 0).used, 900);

    settle(&f, hold, 60, 0);
    assert_int_equal(limit_view(&f, 0).used, 60);

    /* 10 a second: whole again in six */

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, 6000);

    f.now.mono_ms += 6000;
    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 0, 0);

    /* but what is there already must fit */

    f.now.mono_ms += 3600000;
    f.ask.guess[AI_RES_INPUT_TOKENS] = 601;

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, -1);
    end(&f);
}


static void
hostile_numbers_stay_in_bounds(void **state)
{
    int        i, rc, n;
    int64_t    used[AI_RES_COUNTED];
    uint64_t   tokens[2] = { UINT64_MAX, UINT64_MAX };
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);

    for (i = 0; i < AI_RES_COUNTED; i++) {
        f.ask.bound[i] = INT64_MAX;
        f.ask.guess[i] = INT64_MAX;
        used[i] = i & 1 ? INT64_MAX : INT64_MIN;
    }

    for (i = 0; i < 3000; i++) {
        assert_int_equal(take(&f, &hold), AI_OK);
        ai_book_settle(f.bk, hold, used, tokens, &f.now);
        used[i % AI_RES_COUNTED] = -used[i % AI_RES_COUNTED] - 1;
    }

    assert_true(view(&f, 0).used_day[AI_RES_TOKENS] > 0);
    assert_true(view(&f, 0).tokens[0] == UINT64_MAX);

    for (i = 0; i < AI_RES_COUNTED; i++) {
        assert_int_equal(view(&f, 0).held[i], 0);
    }

    /* a sum that cannot be kept is refused, and nothing of it stays */

    for (n = 0; ; n++) {
        rc = take(&f, &hold);

        if (rc != AI_OK) {
            break;
        }
    }

    assert_int_equal(rc, AI_ERROR);
    assert_int_equal(view(&f, 0).open, n);
    assert_true(view(&f, 0).held[0] > 0);

    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, AI_LIMIT_MAX);
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, -1);
    end(&f);
}


static void
histories_equal_the_model(void **state)
{
    uint8_t        bytes[2500];
    model_t        m;
    uint64_t       seed;
    unsigned       round, i, admitted, refused, leased, lacked, accepted;
    model_input_t  in;

    (void) state;

    seed = 88172645463325252ULL;
    admitted = 0;
    refused = 0;
    leased = 0;
    lacked = 0;
    accepted = 0;

    for (round = 0; round < 120; round++) {

        for (i = 0; i < sizeof(bytes); i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[i] = (uint8_t) (seed >> 24);
        }

        in.p = bytes;
        in.end = bytes + sizeof(bytes);

        model_init(&m, &in);
        m.every = round % 8 == 0;

        while (in.p < in.end) {
            model_step(&m, &in);
        }

        admitted += m.admitted;
        refused += m.refused;
        leased += m.leased;
        lacked += m.lacked;
        accepted += m.accepted;
        model_free(&m);
    }

    print_message("          %u admitted, %u refused; shared: %u admitted, "
                  "%u lack, %u grants\n", admitted, refused, leased, lacked,
                  accepted);

    assert_true(admitted > 2000);
    assert_true(refused > 2000);
    assert_true(leased > 500);
    assert_true(lacked > 200);
    assert_true(accepted > 500);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(budget_holds_exactly),
        cmocka_unit_test(no_limit_is_not_zero),
        cmocka_unit_test(longest_wait_is_told),
        cmocka_unit_test(one_party_refused_takes_none),
        cmocka_unit_test(never_sent_gives_all_back),
        cmocka_unit_test(tokens_run_into_debt),
        cmocka_unit_test(held_cost_is_not_refilled),
        cmocka_unit_test(windows_roll_at_midnight),
        cmocka_unit_test(clock_set_back_opens_no_window),
        cmocka_unit_test(rows_are_counted_in_their_window),
        cmocka_unit_test(settled_by_new_limits),
        cmocka_unit_test(guesses_refuse_nobody_for_ever),
        cmocka_unit_test(hostile_numbers_stay_in_bounds),
        cmocka_unit_test(histories_equal_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
