
/*
 * Limits that several nodes share: what a book leases, spends, gives back and
 * tells, one rule after the other.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "ai_core.h"

#define CHECK(condition)  assert_true(condition)

#include "ai_lease_int.h"
#include "book_history.h"
#include "book_fixture.h"


#define LEASE  2000ULL
#define ENDS   (LEASE * 99 / 100)

static ai_lease_op_t  op, op2;


static void
conf(fixture_t *f, uint32_t nodes, uint32_t shards)
{
    ai_lease_conf_t  c;

    c.lease_ms = LEASE;
    c.busy_ms = 300;
    c.nodes = nodes;
    c.shards = shards;

    ai_lease_conf(f->bk, &c);
}


static void
share(fixture_t *f, uint32_t nodes)
{
    begin(f, 1 << 20);
    conf(f, nodes, 1);

    f->ask.shared = 1;
    f->ask.nodes = nodes;
}


static int
ask(fixture_t *f)
{
    return ai_lease_begin(f->bk, &f->ask, 0, &f->now, &op);
}


/* the answer: to cell i, if it is one that wants anything */

static void
grant(unsigned i, int64_t granted, int64_t left)
{
    op.cell[i].granted = granted;
    op.cell[i].left = left;
    op.cell[i].wait_ms = -1;
}


static int
answered(fixture_t *f)
{
    return ai_lease_end(f->bk, &op, 1, &f->now);
}


/* one limit, leased in one go */

static void
lease(fixture_t *f, int64_t granted, int64_t left)
{
    assert_int_equal(ask(f), AI_OK);
    op.cell[0].want = granted;
    grant(0, granted, left);
    assert_int_equal(answered(f), AI_OK);
}


static ai_lease_t *
record(fixture_t *f, unsigned i)
{
    ai_ref_t  ref;

    ref = ai_lease_find(f->bk,
                        ai_book_owner_find(f->bk, &f->ask.party[0].id),
                        f->limits[i].resource, f->limits[i].period);
    assert_int_not_equal(ref, 0);

    return ai_lease_at(f->bk, ref);
}


/* ---- windows ---- */

static void
credit_is_asked_for_and_spent(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    f.ask.bound[AI_RES_TOKENS] = 40;

    assert_int_equal(take(&f, &hold), AI_AGAIN);
    assert_int_equal(f.why.party, 0);
    assert_int_equal(f.why.limit.resource, AI_RES_TOKENS);
    assert_int_equal(f.why.budget, 1);
    assert_int_equal(view(&f, 0).open, 0);

    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.ncells, 1);
    assert_int_equal(op.cell[0].kind, AI_LEASE_WINDOW);
    assert_int_equal(op.cell[0].window, 20261121);
    assert_int_equal(op.cell[0].limit, 100);
    assert_int_equal(op.cell[0].sum, 0);
    assert_int_equal(op.cell[0].need, 40);
    assert_int_equal(op.cell[0].want, 40);

    /* nobody else asks meanwhile, and nothing is there yet */

    assert_int_equal(ai_lease_begin(f.bk, &f.ask, 0, &f.now, &op2), AI_BUSY);
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    grant(0, 40, 60);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_OK);

    /* the next one asks; one who finds what he needs does not */

    assert_int_equal(take(&f, &hold), AI_AGAIN);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 40);
    assert_int_equal(op.cell[0].unspent, 0);
    op.cell[0].want = 55;
    grant(0, 55, 4);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(ask(&f), AI_DECLINED);
    assert_int_equal(take(&f, &hold), AI_OK);

    /* what is known here is judged first: 80 of 100 are held */

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, AI_BOOK_RETRY);

    /* 15 are here, 4 are left there: that is known, for a while */

    f.ask.bound[AI_RES_TOKENS] = 19;
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    f.ask.bound[AI_RES_TOKENS] = 20;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    f.now.mono_ms += 99;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    f.now.mono_ms += 1;
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    end(&f);
}


static void
no_more_than_was_asked_for_is_taken(void **state)
{
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    f.ask.bound[AI_RES_TOKENS] = 40;

    assert_int_equal(ask(&f), AI_OK);
    grant(0, INT64_MAX, 0);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(record(&f, 0)->allow, 40);

    f.now.mono_ms += LEASE;
    assert_int_equal(ask(&f), AI_OK);
    grant(0, -7, 0);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(record(&f, 0)->allow, 0);
    end(&f);
}


static void
credit_ends_with_its_lease(void **state)
{
    ai_ref_t   hold;
    uint64_t   sent;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    f.ask.bound[AI_RES_TOKENS] = 10;

    assert_int_equal(ask(&f), AI_OK);
    sent = f.now.mono_ms;
    op.cell[0].want = 50;
    grant(0, 50, 50);
    f.now.mono_ms += 70;
    assert_int_equal(answered(&f), AI_OK);

    /* counted from when it was sent */

    f.now.mono_ms = sent + ENDS - 1;
    assert_int_equal(take(&f, &hold), AI_OK);
    f.now.mono_ms = sent + ENDS;
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    /* what ended is not said to be here */

    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 10);
    assert_int_equal(op.cell[0].unspent, 0);
    end(&f);
}


static void
late_answers_are_dropped(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    f.ask.bound[AI_RES_TOKENS] = 10;

    assert_int_equal(ask(&f), AI_OK);
    op2 = op;

    f.now.mono_ms += 299;
    assert_int_equal(ask(&f), AI_BUSY);
    f.now.mono_ms += 1;
    assert_int_equal(ask(&f), AI_OK);
    assert_true(op.seq > op2.seq);

    op2.cell[0].granted = 10;
    op2.cell[0].left = 90;
    assert_int_equal(ai_lease_end(f.bk, &op2, 1, &f.now), AI_DECLINED);
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    /* and it has not ended the one that is under way */

    assert_int_equal(ai_lease_begin(f.bk, &f.ask, 0, &f.now, &op2), AI_BUSY);

    /* nothing is concluded from no answer, nor from the same one twice */

    assert_int_equal(ai_lease_end(f.bk, &op, 0, &f.now), AI_OK);
    grant(0, 10, 90);
    assert_int_equal(answered(&f), AI_DECLINED);
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    /* the store may know of more than was spent: it is told */

    assert_false(record(&f, 0)->state & AI_LEASE_TOLD);
    end(&f);
}


static void
windows_move_on_meanwhile(void **state)
{
    ai_ref_t   hold, old;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    f.ask.bound[AI_RES_TOKENS] = 10;
    f.now.now_s = DAY + 86399;

    lease(&f, 30, 70);
    assert_int_equal(take(&f, &old), AI_OK);
    f.now.mono_ms += 1000;
    f.ask.bound[AI_RES_TOKENS] = 25;
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 30);
    assert_int_equal(op.cell[0].unspent, 20);
    assert_int_equal(op.cell[0].need, 5);

    f.now.now_s++;
    grant(0, 5, 65);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    /* a hold of yesterday is settled, and is nothing to today */

    settle(&f, old, 10, 0);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].window, 20261122);
    assert_int_equal(op.cell[0].sum, 0);
    grant(0, 25, 75);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_OK);

    /* a clock that is set back opens no window, and brings no credit */

    f.now.now_s -= 86400;
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    f.ask.bound[AI_RES_TOKENS] = 0;
    assert_int_equal(take(&f, &hold), AI_OK);
    end(&f);
}


static void
settling_moves_credit(void **state)
{
    ai_ref_t   hold, other;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    f.ask.bound[AI_RES_TOKENS] = 40;
    lease(&f, 100, 500);

    /* a surplus is spent again here */

    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(take(&f, &other), AI_OK);
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    settle(&f, other, 5, 0);
    assert_int_equal(take(&f, &other), AI_OK);

    /* a deficit is more than is here: 85 - 40 + 120 of 100 */

    settle(&f, other, 120, 0);
    f.ask.bound[AI_RES_TOKENS] = 1;
    assert_int_equal(take(&f, &other), AI_AGAIN);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 165);
    assert_int_equal(op.cell[0].unspent, 0);
    assert_int_equal(op.cell[0].need, 1);
    end(&f);
}


static void
others_are_not_spent_here(void **state)
{
    ai_ref_t   hold;
    ai_base_t  base;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    limit(&f, AI_RES_COST, AI_PERIOD_TOTAL, 1000);
    f.ask.bound[AI_RES_TOKENS] = 10;
    f.ask.bound[AI_RES_COST] = 100;

    memset(&base, 0, sizeof(base));
    base.day = 20261121;
    base.month = 202611;
    base.used_day[AI_RES_TOKENS] = 50;
    base.cost = 300;
    assert_int_equal(ai_book_base(f.bk, &f.ask.party[0].id, &base, &f.now),
                     AI_OK);

    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.ncells, 2);
    assert_int_equal(op.cell[0].sum, 0);
    assert_int_equal(op.cell[1].sum, 0);
    op.cell[0].want = 100;
    grant(0, 100, 0);
    grant(1, 100, 900);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_OK);

    /* but they count: 50 + 10 + 41 */

    f.ask.bound[AI_RES_TOKENS] = 41;
    f.ask.bound[AI_RES_COST] = 0;
    assert_int_equal(take(&f, &hold), AI_BUSY);

    /* a total: what was ever spent, and is held; here */

    settle(&f, hold, 10, 70);
    f.ask.bound[AI_RES_COST] = 50;
    f.ask.bound[AI_RES_TOKENS] = 10;
    f.now.now_s += 40 * 86400;
    f.now.mono_ms += 40 * 86400 * 1000ULL;
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[1].window, 0);
    assert_int_equal(op.cell[1].sum, 70);
    assert_int_equal(op.cell[0].sum, 0);
    end(&f);
}


static void
all_parties_are_asked_for_together(void **state)
{
    ai_ref_t       hold;
    fixture_t      f;
    ai_limit_t     key[2];
    ai_hold_ask_t  only;

    (void) state;

    share(&f, 2);
    conf(&f, 2, AI_LEASE_SHARDS);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MONTH, 100);
    f.ask.bound[AI_RES_TOKENS] = 10;

    key[0] = f.limits[0];
    key[0].amount = 50;
    memset(&key[1], 0, sizeof(ai_limit_t));
    key[1].resource = AI_RES_CONCURRENCY;
    key[1].period = AI_PERIOD_NONE;
    key[1].amount = 4;

    f.ask.nparty = 2;
    owner_id(&f.ask.party[0].id, 0x1c5);
    owner_id(&f.ask.party[1].id, 0x1ff);
    f.ask.party[1].limits = key;
    f.ask.party[1].nlimits = 2;

    assert_int_equal(ai_lease_shard(f.bk, &f.ask.party[0].id), 5);

    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.shard, 5);
    assert_int_equal(op.ncells, 3);
    assert_int_equal(op.cell[1].party, 1);
    assert_int_equal(op.cell[1].limit, 50);
    assert_memory_equal(&op.cell[1].id, &f.ask.party[1].id, 16);
    assert_int_equal(op.cell[2].kind, AI_LEASE_SLOTS);
    assert_int_equal(op.cell[2].need, 1);

    /* the key is being asked for, and so is the tenant without it */

    only = f.ask;
    only.nparty = 1;
    assert_int_equal(ai_lease_begin(f.bk, &only, 0, &f.now, &op2), AI_BUSY);

    grant(0, 10, 90);
    grant(1, 10, 40);
    grant(2, 1, 3);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    /* one of the two was taken over: nothing is accepted of either */

    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[2].sum, 1);
    f.now.mono_ms += 300;
    assert_int_equal(ai_lease_begin(f.bk, &only, 0, &f.now, &op2), AI_OK);
    grant(0, 10, 80);
    grant(1, 10, 30);
    grant(2, 1, 2);
    assert_int_equal(answered(&f), AI_DECLINED);
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    /* the key is free, the tenant is not */

    assert_int_equal(ask(&f), AI_BUSY);
    op2.cell[0].granted = op2.cell[0].want = 30;
    assert_int_equal(ai_lease_end(f.bk, &op2, 1, &f.now), AI_OK);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].need, 0);
    assert_int_equal(op.cell[1].need, 10);
    end(&f);
}


static void
lowered_limits_keep_no_more_than_all(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 100);
    f.ask.bound[AI_RES_TOKENS] = 10;

    assert_int_equal(ask(&f), AI_OK);
    op.cell[0].want = 500;
    op.cell[1].want = 50;
    grant(0, 500, 0);
    grant(1, 50, 50);
    assert_int_equal(answered(&f), AI_OK);

    f.limits[0].amount = 30;
    f.limits[1].amount = f.limits[1].burst = 5;
    assert_int_equal(take(&f, &hold), AI_OK);

    f.ask.bound[AI_RES_TOKENS] = 25;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    f.now.mono_ms += ENDS - 100;
    f.ask.bound[AI_RES_TOKENS] = 10;
    assert_int_equal(ai_lease_begin(f.bk, &f.ask, 1, &f.now, &op), AI_OK);
    assert_int_equal(op.cell[0].unspent, 30);
    assert_int_equal(op.cell[0].sum, 40);

    /* and of a bucket no more than one node's share */

    assert_int_equal(op.cell[1].unspent, 2);
    assert_int_equal(op.cell[1].sum, 3);

    /* a limit of nothing is nothing to ask for */

    f.limits[1].amount = f.limits[1].burst = 0;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, -1);
    end(&f);
}


/* ---- buckets ---- */

static void
buckets_count_what_was_ever_taken(void **state)
{
    ai_ref_t   hold, other;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MINUTE, 600);
    f.ask.guess[AI_RES_TOKENS] = 100;

    assert_int_equal(take(&f, &hold), AI_AGAIN);
    assert_int_equal(f.why.budget, 0);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].kind, AI_LEASE_BUCKET);
    assert_int_equal(op.cell[0].fresh, 1);
    assert_int_equal(op.cell[0].amount, 600);
    assert_int_equal(op.cell[0].limit, 600);
    op.cell[0].want = 250;
    grant(0, 250, 350);
    assert_int_equal(answered(&f), AI_OK);

    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(take(&f, &other), AI_OK);
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    /* a surplus goes back, and is not spent again here */

    settle(&f, other, 30, 0);
    assert_int_equal(take(&f, &other), AI_AGAIN);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 180);
    assert_int_equal(op.cell[0].unspent, 50);
    assert_int_equal(op.cell[0].need, 50);
    assert_int_equal(op.cell[0].fresh, 0);

    /* while it is asked for, too */

    settle(&f, hold, 90, 0);
    grant(0, 50, 400);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(record(&f, 0)->allow, 220);
    assert_int_equal(record(&f, 0)->spent, 120);
    assert_false(record(&f, 0)->state & AI_LEASE_TOLD);

    /* a deficit uses up what is here, and is said */

    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 700, 0);
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 820);
    assert_int_equal(op.cell[0].unspent, 0);

    /* more than the whole is never asked for, an answer may be longer */

    assert_int_equal(ai_lease_end(f.bk, &op, 0, &f.now), AI_OK);
    f.ask.guess[AI_RES_TOKENS] = 601;
    f.ask.guess[AI_RES_INPUT_TOKENS] = 601;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, -1);
    f.ask.guess[AI_RES_INPUT_TOKENS] = 600;
    f.now.mono_ms += 100;
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].need, 600);
    end(&f);
}


/* the store's "no" is believed no longer than it may hold */

static void
refusals_are_remembered(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_SECOND, 100);

    assert_int_equal(ask(&f), AI_OK);
    grant(0, 0, 0);
    op.cell[0].wait_ms = 10;
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, 10);
    assert_int_equal(f.why.used, 100);
    f.now.mono_ms += 9;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    f.now.mono_ms += 1;
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    /* enough was there, another limit lacked: that is no refusal */

    assert_int_equal(ask(&f), AI_OK);
    grant(0, 0, 1);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    end(&f);
}


/* of a day: what others have of it is spent, what is held here comes back */

static void
refused_windows_say_when(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 100);
    f.ask.bound[AI_RES_TOKENS] = 60;
    lease(&f, 60, 10);
    assert_int_equal(take(&f, &hold), AI_OK);

    f.ask.bound[AI_RES_TOKENS] = 40;
    assert_int_equal(ask(&f), AI_OK);
    grant(0, 0, 10);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, AI_BOOK_RETRY);

    assert_int_equal(ask(&f), AI_OK);
    grant(0, 0, -30);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, (86400 - 3600) * 1000);
    end(&f);
}


/* cost is a budget: it is leased in any case, and held until it is settled */


/* the node is on its own */

static void
alone(fixture_t *f)
{
    uint32_t          shard;
    ai_lease_shard_t  sh;

    shard = ai_lease_shard(f->bk, &f->ask.party[0].id);
    f->ask.rates = AI_RATES_LOCAL;

    ai_lease_shard_get(f->bk, shard, &sh);
    sh.local = 1;
    ai_lease_shard_set(f->bk, shard, &sh);
}


static void
cost_is_held(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;
    uint32_t   cursor;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_COST, AI_PERIOD_MINUTE, 6000);
    f.ask.bound[AI_RES_COST] = 500;
    alone(&f);

    assert_int_equal(take(&f, &hold), AI_AGAIN);
    assert_int_equal(f.why.budget, 1);
    f.ask.rates = AI_RATES_OPEN;
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    lease(&f, 500, 5500);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 500);
    assert_int_equal(op.cell[0].unspent, 500);
    assert_int_equal(op.cell[0].mine, 0);
    assert_int_equal(ai_lease_end(f.bk, &op, 1, &f.now), AI_OK);

    /* it is said again before it may be refilled */

    cursor = 0;
    assert_int_equal(ai_lease_expire(f.bk, 0, &cursor, 10, &f.now, &op),
                     AI_DECLINED);
    f.now.mono_ms += LEASE;
    cursor = 0;
    assert_int_equal(ai_lease_expire(f.bk, 0, &cursor, 10, &f.now, &op),
                     AI_OK);
    assert_int_equal(op.cell[0].unspent, 500);
    assert_int_equal(answered(&f), AI_OK);

    settle(&f, hold, 0, 80);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 80);
    assert_int_equal(op.cell[0].unspent, 0);
    assert_int_equal(op.cell[0].mine, 80);
    end(&f);
}


/* ---- shares ---- */

static void
shares_begin_with_what_is_held(void **state)
{
    int        i;
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 3);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 60);
    alone(&f);

    /* a node that has nothing begins empty: 1 in 3 seconds from then on */

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, 3000);
    f.now.mono_ms += 2999;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    f.now.mono_ms += 1;
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(take(&f, &hold), AI_BUSY);

    /* back: what it took by itself is not the difference of its sums */

    f.ask.rates = AI_RATES_LEASED;
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].fresh, 1);
    assert_int_equal(op.cell[0].sum, 1);
    assert_int_equal(op.cell[0].mine, 20);
    op.cell[0].want = 9;
    grant(0, 9, 30);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(take(&f, &hold), AI_OK);

    /* lost again: it took more than its share before, so it waits again, but
       not until that is refilled by a third */

    f.now.mono_ms += LEASE;
    alone(&f);
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_true(f.why.wait_ms <= 3000);

    /* an idle share is full by a third, no more */

    alone(&f);
    f.now.mono_ms += 3600 * 1000;

    for (i = 0; take(&f, &hold) == AI_OK; i++) { /* void */ }

    assert_int_equal(i, 20);
    end(&f);
}


static void
one_node_goes_on_with_its_credit(void **state)
{
    int        i;
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 1);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 60);
    lease(&f, 9, 51);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(take(&f, &hold), AI_OK);
    alone(&f);

    /* it is the share's from then on, and no credit any more */

    for (i = 0; i < 3; i++) {
        assert_int_equal(take(&f, &hold), AI_OK);
    }

    f.ask.rates = AI_RATES_LEASED;
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    f.ask.rates = AI_RATES_LOCAL;

    for (i = 0; i < 4; i++) {
        assert_int_equal(take(&f, &hold), AI_OK);
    }

    assert_int_equal(take(&f, &hold), AI_BUSY);

    /* back: it took that by itself, in a sum that the store knows */

    f.ask.rates = AI_RATES_LEASED;
    f.now.mono_ms += 100;
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 9);
    assert_int_equal(op.cell[0].unspent, 0);
    assert_int_equal(op.cell[0].fresh, 1);
    end(&f);
}


static void
shares_may_be_too_small(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 3);
    limit(&f, AI_RES_INPUT_TOKENS, AI_PERIOD_MINUTE, 60);
    limit(&f, AI_RES_CONCURRENCY, AI_PERIOD_NONE, 5);
    alone(&f);
    f.ask.guess[AI_RES_INPUT_TOKENS] = 20;

    assert_int_equal(take(&f, &hold), AI_BUSY);
    f.now.mono_ms += 60000;
    assert_int_equal(take(&f, &hold), AI_OK);
    f.ask.guess[AI_RES_INPUT_TOKENS] = 0;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.limit.resource, AI_RES_CONCURRENCY);
    assert_int_equal(f.why.wait_ms, AI_BOOK_RETRY);
    give_back(&f, hold);

    f.now.mono_ms += 60000;
    f.ask.guess[AI_RES_INPUT_TOKENS] = 21;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, AI_BOOK_RETRY);
    f.ask.guess[AI_RES_INPUT_TOKENS] = 61;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.wait_ms, -1);
    end(&f);
}


static void
open_rates_are_counted(void **state)
{
    int        i;
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 10);
    limit(&f, AI_RES_CONCURRENCY, AI_PERIOD_NONE, 1);
    f.ask.rates = AI_RATES_OPEN;

    for (i = 0; i < 50; i++) {
        assert_int_equal(take(&f, &hold), AI_OK);
    }

    f.ask.rates = AI_RATES_LEASED;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 50);
    assert_int_equal(op.cell[0].mine, 10);      /* no more than the whole */
    assert_int_equal(op.cell[1].sum, 50);

    /* a limit of nothing needs no store */

    f.ask.rates = AI_RATES_OPEN;
    f.limits[1].amount = 0;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    end(&f);
}


/* a hold is settled as it was taken, whatever was configured since */

static void
sharing_is_switched_on_and_off(void **state)
{
    ai_ref_t   alone, hold;
    fixture_t  f;

    (void) state;

    begin(&f, 1 << 20);
    f.ask.nodes = 3;
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MINUTE, 600);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 10000);
    f.ask.guess[AI_RES_TOKENS] = 100;
    f.ask.bound[AI_RES_TOKENS] = 100;

    assert_int_equal(take(&f, &alone), AI_OK);
    assert_int_equal(limit_view(&f, 0).remaining, 500);

    conf(&f, 3, 1);
    f.ask.shared = 1;
    assert_int_equal(limit_view(&f, 0).remaining, 500 - 200);
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 0);
    assert_int_equal(op.cell[0].mine, 100);
    assert_int_equal(op.cell[1].sum, 100);
    op.cell[0].want = op.cell[1].want = 250;
    grant(0, 250, 250);
    grant(1, 250, 9650);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(limit_view(&f, 0).remaining, 500);
    assert_int_equal(limit_view(&f, 1).remaining, 9900);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(limit_view(&f, 0).remaining, 400);
    assert_int_equal(limit_view(&f, 0).used, 200);
    assert_int_equal(limit_view(&f, 1).remaining, 9800);

    /* taken alone: no sum changes by it */

    settle(&f, alone, 60, 0);
    assert_int_equal(record(&f, 0)->spent, 100);
    assert_int_equal(record(&f, 0)->allow, 250);

    /* off: the bucket is whole again for one; the hold still is a shared one */

    conf(&f, 0, 0);
    f.ask.shared = 0;
    assert_int_equal(limit_view(&f, 0).remaining, 600 - 187);
    settle(&f, hold, 100, 0);
    assert_int_equal(limit_view(&f, 0).remaining, 600 - 187);
    assert_int_equal(take(&f, &alone), AI_OK);
    assert_int_equal(record(&f, 0)->spent, 100);

    /* and on: what was spent of the day meanwhile is said */

    conf(&f, 3, 1);
    f.ask.shared = 1;
    f.now.mono_ms += LEASE;
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 100);
    assert_int_equal(op.cell[1].sum, 260);
    end(&f);
}


/* ---- ahead ---- */

static void
more_is_asked_for_in_time(void **state)
{
    int        i;
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000000);
    f.ask.bound[AI_RES_TOKENS] = 10;
    lease(&f, 90, 800000);

    for (i = 1; i <= 9; i++) {
        f.now.mono_ms += 10;
        assert_int_equal(take(&f, &hold), AI_OK);
        assert_int_equal(f.why.ahead, i > 6);
    }

    assert_int_equal(ai_lease_begin(f.bk, &f.ask, 1, &f.now, &op), AI_OK);
    assert_int_equal(op.cell[0].need, 0);
    assert_int_equal(op.cell[0].want, 90 * 2 * 8);
    grant(0, 1440, 800000 - 1440);
    assert_int_equal(answered(&f), AI_OK);

    /* nothing was spent of it: it may end */

    f.now.mono_ms += LEASE - 300;
    assert_int_equal(ai_lease_begin(f.bk, &f.ask, 1, &f.now, &op),
                     AI_DECLINED);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(f.why.ahead, 1);
    assert_int_equal(ai_lease_begin(f.bk, &f.ask, 1, &f.now, &op), AI_OK);
    assert_int_equal(op.cell[0].unspent, 1430);

    /* not while somebody asks already */

    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(f.why.ahead, 0);
    end(&f);
}


static void
small_limits_are_not_asked_ahead(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 4);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    f.ask.bound[AI_RES_TOKENS] = 100;
    lease(&f, 100, 700);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(ai_lease_begin(f.bk, &f.ask, 1, &f.now, &op),
                     AI_DECLINED);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].want, 100);
    end(&f);
}


static void
sizes(void **state)
{
    double    ratio;
    int64_t   n;
    uint64_t  us;
    unsigned  i, p;

    static const int64_t  us_of[] = { 1000000, 60000000, 3600000000 };
    static const int64_t  amounts[] = {
        1, 2, 3, 7, 59, 60, 61, 97, 100, 999, 1000, 1001, 5999, 6001, 99991,
        360000, 1000003, 123456789, 360000000000, 359999999999,
        AI_LIMIT_MAX - 1, AI_LIMIT_MAX
    };

    (void) state;

    for (i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        for (p = 0; p < AI_PERIOD_BUCKETS; p++) {
            ai_lease_tick(amounts[i], p, &n, &us);
            assert_true(n > 0 && us > 0);
            assert_true((__int128) n * us_of[p]
                        <= (__int128) amounts[i] * (int64_t) us);
            ratio = (double) n / (double) us
                    / ((double) amounts[i] / (double) us_of[p]);
            assert_true(ratio > 0.998);
        }
    }

    ai_lease_tick(0, AI_PERIOD_HOUR, &n, &us);
    assert_int_equal(n, 0);
    ai_lease_tick(5, AI_PERIOD_DAY, &n, &us);
    assert_int_equal(n, 0);

    /* twice the last lease's, less what is here, no more than a part */

    assert_int_equal(ai_lease_want(100, 2000, 2000, 100000, 2, 0, 5), 200);
    assert_int_equal(ai_lease_want(100, 1000, 2000, 100000, 2, 0, 5), 400);
    assert_int_equal(ai_lease_want(100, 4000, 2000, 100000, 2, 30, 5), 70);
    assert_int_equal(ai_lease_want(100, 1, 2000, 100000, 2, 0, 5), 1600);
    assert_int_equal(ai_lease_want(100, 2000, 2000, 400, 2, 0, 5), 100);
    assert_int_equal(ai_lease_want(100, 2000, 2000, 8, 2, 0, 5), 5);
    assert_int_equal(ai_lease_want(100, 2000, 2000, INT64_MIN, 2, 0, 5), 5);
    assert_int_equal(ai_lease_want(0, 0, 0, 100, 0, 0, 0), 0);
    assert_int_equal(ai_lease_want(-5, 0, 2000, -100, 2, -9, -3), 0);
    assert_int_equal(ai_lease_want(INT64_MAX, 1, UINT64_MAX / 4, INT64_MAX, 1,
                                   0, 0),
                     INT64_MAX / 2);
}


/* ---- the keeper ---- */

static int
expire(fixture_t *f, unsigned all)
{
    int       rc;
    uint32_t  cursor;

    cursor = 0;

    do {
        rc = ai_lease_expire(f->bk, all, &cursor, 1, &f->now, &op);
    } while (rc == AI_BUSY);

    return rc;
}


static int
report(fixture_t *f, uint32_t shard)
{
    int       rc, n;
    uint32_t  cursor;

    cursor = 0;
    n = 0;

    do {
        rc = ai_lease_report(f->bk, shard, &cursor, 1, &f->now, &op);
    } while (rc == AI_BUSY && ++n < 1000);

    return rc;
}


static void
credit_is_given_back(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    f.ask.bound[AI_RES_TOKENS] = 10;
    assert_int_equal(expire(&f, 1), AI_DECLINED);

    lease(&f, 50, 950);
    assert_int_equal(take(&f, &hold), AI_OK);
    f.now.mono_ms += ENDS - 1;
    assert_int_equal(expire(&f, 0), AI_DECLINED);
    f.now.mono_ms += 1;
    assert_int_equal(expire(&f, 0), AI_OK);
    assert_int_equal(op.ncells, 1);
    assert_int_equal(op.cell[0].sum, 10);
    assert_int_equal(op.cell[0].unspent, 0);
    assert_int_equal(op.cell[0].want, 0);
    assert_int_equal(op.cell[0].need, 0);
    assert_int_equal(op.cell[0].limit, 0);

    /* under way, then lost, then said */

    assert_int_equal(expire(&f, 0), AI_DECLINED);
    assert_int_equal(ai_lease_end(f.bk, &op, 0, &f.now), AI_OK);
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    assert_int_equal(expire(&f, 0), AI_OK);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(expire(&f, 0), AI_DECLINED);
    f.now.mono_ms += LEASE;
    assert_int_equal(expire(&f, 0), AI_DECLINED);
    assert_int_equal(limit_view(&f, 0).remaining, 990);

    /* a surplus is said, once the lease has ended */

    settle(&f, hold, 3, 0);
    assert_int_equal(expire(&f, 0), AI_OK);
    assert_int_equal(op.cell[0].sum, 3);
    assert_int_equal(answered(&f), AI_OK);

    /* a lost grant is, too, though nothing changed here */

    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(ai_lease_end(f.bk, &op, 0, &f.now), AI_OK);
    f.now.mono_ms += LEASE;
    assert_int_equal(expire(&f, 0), AI_OK);
    assert_int_equal(op.cell[0].sum, 3);
    assert_int_equal(answered(&f), AI_OK);

    /* a clean end: all of it, before its time */

    lease(&f, 50, 900);
    assert_int_equal(expire(&f, 1), AI_OK);
    assert_int_equal(op.cell[0].sum, 3);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_AGAIN);

    /* of yesterday there is nothing to say */

    lease(&f, 50, 900);
    f.now.now_s += 86400;
    f.now.mono_ms += LEASE;
    assert_int_equal(expire(&f, 0), AI_DECLINED);
    end(&f);
}


static void
open_slots_are_said_again(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_CONCURRENCY, AI_PERIOD_NONE, 10);
    lease(&f, 1, 9);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(expire(&f, 0), AI_DECLINED);
    f.now.mono_ms += LEASE;
    assert_int_equal(expire(&f, 0), AI_OK);
    assert_int_equal(op.cell[0].sum, 1);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(expire(&f, 0), AI_DECLINED);
    f.now.mono_ms += LEASE;
    assert_int_equal(expire(&f, 0), AI_OK);
    assert_int_equal(answered(&f), AI_OK);

    give_back(&f, hold);
    f.now.mono_ms += LEASE;
    assert_int_equal(expire(&f, 0), AI_OK);
    assert_int_equal(op.cell[0].sum, 0);
    assert_int_equal(answered(&f), AI_OK);
    f.now.mono_ms += LEASE;
    assert_int_equal(expire(&f, 0), AI_DECLINED);
    end(&f);
}


/* a total of long ago is said once a day, or its key would go */

static void
totals_are_said_again(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_COST, AI_PERIOD_TOTAL, 1000);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MONTH, 1000);
    f.ask.bound[AI_RES_COST] = 10;
    f.ask.bound[AI_RES_TOKENS] = 10;
    assert_int_equal(ask(&f), AI_OK);
    grant(0, 10, 990);
    grant(1, 10, 990);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 10, 10);

    f.now.mono_ms += LEASE + 86400 * 1000 - 100;
    assert_int_equal(expire(&f, 0), AI_DECLINED);
    f.now.mono_ms += 100;
    assert_int_equal(expire(&f, 0), AI_OK);
    assert_int_equal(op.ncells, 2);
    assert_int_equal(op.cell[0].sum, 10);
    assert_int_equal(op.cell[1].sum, 10);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(expire(&f, 0), AI_DECLINED);
    end(&f);

    /* others end by themselves; nothing is said of nothing */

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MONTH, 1000);
    f.ask.bound[AI_RES_TOKENS] = 10;
    lease(&f, 10, 990);
    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 10, 0);
    f.now.mono_ms += 3 * 86400 * 1000;
    assert_int_equal(expire(&f, 0), AI_DECLINED);
    end(&f);
}


static void
reports_tell_all(void **state)
{
    ai_ref_t       hold;
    uint32_t       cursor;
    fixture_t      f;
    const int64_t  used[AI_RES_COUNTED] = { 1, 30, 20, 10, 700 };

    (void) state;

    share(&f, 2);
    conf(&f, 2, AI_LEASE_SHARDS);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MINUTE, 600);
    f.ask.bound[AI_RES_TOKENS] = 10;
    f.ask.guess[AI_RES_TOKENS] = 10;
    assert_int_equal(report(&f, 1), AI_DECLINED);

    assert_int_equal(ask(&f), AI_OK);
    op.cell[0].want = op.cell[1].want = 50;
    grant(0, 50, 900);
    grant(1, 50, 500);

    /* who is asking may not have been heard: later */

    cursor = 0;
    assert_int_equal(ai_lease_report(f.bk, 1, &cursor, 9, &f.now, &op2),
                     AI_BUSY);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_OK);

    assert_int_equal(ai_lease_report(f.bk, 2, &cursor, 9, &f.now, &op),
                     AI_DECLINED);
    cursor = 0;
    assert_int_equal(ai_lease_report(f.bk, 1, &cursor, 9, &f.now, &op),
                     AI_OK);
    assert_int_equal(op.shard, 1);
    assert_int_equal(op.ncells, 2);
    assert_int_equal(op.cell[0].sum + op.cell[1].sum, 100);
    assert_int_equal(op.cell[0].unspent + op.cell[1].unspent, 80);
    assert_int_equal(op.cell[0].mine + op.cell[1].mine, 10);
    assert_int_equal(op.cell[0].want, 0);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(ai_lease_report(f.bk, 1, &cursor, 9, &f.now, &op),
                     AI_DECLINED);

    /* its credit goes on being spent */

    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(record(&f, 0)->left, 900);

    /* rows of the ledger, after a start: by their limits */

    owner_id(&f.ask.party[0].id, 0x41);
    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used, f.now.now_s,
                                   &f.now), AI_OK);
    cursor = 1;
    assert_int_equal(ai_lease_report(f.bk, 1, &cursor, 9, &f.now, &op),
                     AI_OK);
    assert_int_equal(op.ncells, 2);
    assert_int_equal(op.cell[0].sum, 30);
    assert_int_equal(op.cell[1].sum, 0);
    assert_int_equal(op.cell[1].mine, 30);
    assert_int_equal(op.cell[1].fresh, 1);
    assert_int_equal(answered(&f), AI_OK);

    /* used before limits were shared: nobody knows by what limits */

    owner_id(&f.ask.party[0].id, 0x81);
    f.ask.shared = 0;
    assert_int_equal(take(&f, &hold), AI_OK);
    settle(&f, hold, 8, 9);
    cursor = 2;
    assert_int_equal(ai_lease_report(f.bk, 1, &cursor, 9, &f.now, &op),
                     AI_OK);
    assert_int_equal(op.ncells, 2 * 4 + 1);
    assert_int_equal(op.cell[0].sum, 1);
    assert_int_equal(op.cell[2].sum, 8);
    assert_int_equal(op.cell[8].period, AI_PERIOD_TOTAL);
    assert_int_equal(op.cell[8].sum, 9);
    assert_int_equal(answered(&f), AI_OK);
    end(&f);
}


static void
other_shards_know_nothing(void **state)
{
    ai_ref_t          hold;
    fixture_t         f;
    ai_lease_shard_t  sh;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    f.ask.bound[AI_RES_TOKENS] = 10;

    memset(&sh, 0, sizeof(sh));
    sh.epoch = 7;
    sh.random = 9;
    sh.usable = 1;
    ai_lease_shard_set(f.bk, 0, &sh);
    memset(&sh, 0, sizeof(sh));
    ai_lease_shard_get(f.bk, 0, &sh);
    assert_int_equal(sh.epoch, 7);
    assert_int_equal(sh.random, 9);
    assert_int_equal(sh.usable, 1);

    lease(&f, 50, 950);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(ask(&f), AI_DECLINED);

    /* the same again, and off and on: nothing is lost */

    conf(&f, 2, 1);
    conf(&f, 0, 0);
    conf(&f, 2, 1);
    assert_int_equal(take(&f, &hold), AI_OK);

    f.ask.bound[AI_RES_TOKENS] = 500;
    assert_int_equal(ask(&f), AI_OK);
    f.ask.bound[AI_RES_TOKENS] = 10;

    conf(&f, 2, AI_LEASE_SHARDS);
    assert_int_equal(take(&f, &hold), AI_AGAIN);
    grant(0, 480, 0);
    assert_int_equal(answered(&f), AI_DECLINED);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].sum, 20);
    ai_lease_shard_get(f.bk, 0, &sh);
    assert_int_equal(sh.epoch, 0);

    ai_lease_stat(f.bk)->asked++;
    assert_int_equal(ai_lease_stat(f.bk)->asked, 1);
    end(&f);
}


static void
owners_with_credit_are_not_reused(void **state)
{
    uint32_t       i, all;
    fixture_t      f;
    ai_owner_id_t  id;

    (void) state;

    begin(&f, ai_book_min_size());
    conf(&f, 2, 1);
    f.ask.shared = 1;
    f.ask.nodes = 2;
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 10);
    lease(&f, 2, 8);

    for (i = 0; ; i++) {
        owner_id(&id, 1000 + i);

        if (f.bk->owners.count == f.bk->owners.max
            || ai_book_owner(f.bk, &id, f.now.now_s) == 0)
        {
            break;
        }
    }

    all = f.bk->owners.max;
    assert_true(all > 40);

    for (i = 0; i < 3 * all; i++) {
        owner_id(&id, 5000 + i);
        (void) ai_book_owner(f.bk, &id, f.now.now_s);
    }

    assert_int_equal(ai_book_owner_find(f.bk, &f.ask.party[0].id), 1);

    /* given back, it goes; when it comes back its sum begins anew */

    f.now.mono_ms += LEASE;
    assert_int_equal(expire(&f, 0), AI_OK);

    for (i = 0; i < 3 * all; i++) {
        owner_id(&id, 9000 + i);
        (void) ai_book_owner(f.bk, &id, f.now.now_s);
    }

    assert_int_equal(ai_book_owner_find(f.bk, &f.ask.party[0].id), 1);
    assert_int_equal(answered(&f), AI_OK);

    for (i = 0; i < 3 * all; i++) {
        owner_id(&id, 15000 + i);
        (void) ai_book_owner(f.bk, &id, f.now.now_s);
    }

    assert_int_equal(ai_book_owner_find(f.bk, &f.ask.party[0].id), 0);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].fresh, 1);
    end(&f);
}


/* ---- waiting for a slot ---- */

static void
who_waits_is_not_passed_by(void **state)
{
    ai_ref_t        hold, place, other, at;
    fixture_t       f;
    ai_hold_view_t  v;

    (void) state;

    begin(&f, 1 << 20);
    limit(&f, AI_RES_CONCURRENCY, AI_PERIOD_NONE, 2);

    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(ai_book_queue(f.bk, &f.ask, 1, 2, &f.now, &place),
                     AI_ERROR);
    assert_int_equal(ai_book_queue(f.bk, &f.ask, 0, 0, &f.now, &place),
                     AI_BUSY);
    assert_int_equal(ai_book_queue(f.bk, &f.ask, 0, 2, &f.now, &place),
                     AI_OK);
    assert_int_equal(ai_book_queue(f.bk, &f.ask, 0, 2, &f.now, &other),
                     AI_OK);
    assert_int_equal(ai_book_queue(f.bk, &f.ask, 0, 2, &f.now, &hold),
                     AI_BUSY);
    assert_int_equal(view(&f, 0).open, 1);

    assert_int_equal(take(&f, &hold), AI_BUSY);
    assert_int_equal(f.why.limit.resource, AI_RES_CONCURRENCY);
    assert_int_equal(f.why.wait_ms, AI_BOOK_RETRY);

    f.ask.queued = 1;
    assert_int_equal(take(&f, &hold), AI_OK);
    f.ask.queued = 0;

    /* without that limit nobody stands in the way */

    f.ask.party[0].nlimits = 0;
    assert_int_equal(take(&f, &hold), AI_OK);
    f.ask.party[0].nlimits = 1;
    give_back(&f, hold);

    ai_book_unqueue(f.bk, place);
    ai_book_unqueue(f.bk, place);
    ai_book_unqueue(f.bk, 0);
    ai_book_unqueue(f.bk, 1000000);
    assert_int_equal(take(&f, &hold), AI_BUSY);

    /* the rest goes with the worker: a place first, as it came last */

    for (at = 0; ai_book_worker_hold(f.bk, 0, &at, &v) == AI_OK; ) {
        settle(&f, v.hold, 5, 5);
    }

    assert_int_equal(view(&f, 0).open, 0);
    assert_int_equal(view(&f, 0).requests, 2);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(ai_book_queue(f.bk, &f.ask, 0, 1, &f.now, &place),
                     AI_OK);
    ai_book_unqueue(f.bk, hold);
    assert_int_equal(view(&f, 0).open, 1);
    end(&f);
}


/* ---- rows ---- */

static void
rows_fill_all_buckets(void **state)
{
    unsigned       i;
    fixture_t      f;
    const int64_t  used[AI_RES_COUNTED] = { 1, 300, 200, 100, 0 };

    (void) state;

    for (i = 0; i < 2; i++) {
        begin(&f, 1 << 20);
        conf(&f, i ? 3 : 0, 1);
        limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 60);
        limit(&f, AI_RES_TOKENS, AI_PERIOD_MINUTE, 600);
        limit(&f, AI_RES_TOKENS, AI_PERIOD_SECOND, 1000);

        assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used,
                                       f.now.now_s - 10, &f.now), AI_OK);

        /* a share lacks three times as much, and fills as fast */

        assert_int_equal(limit_view(&f, 0).used, 0);
        assert_int_equal(limit_view(&f, 1).used, i ? (900 - 100 + 2) / 3
                                                   : 200);
        assert_int_equal(limit_view(&f, 2).used, 0);

        /* never more than an empty one */

        assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used,
                                       f.now.now_s, &f.now), AI_OK);
        assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used,
                                       f.now.now_s, &f.now), AI_OK);
        assert_int_equal(limit_view(&f, 1).used, 600);
        assert_int_equal(limit_view(&f, 1).remaining, 0);
        end(&f);
    }
}


static void
malformed_shared_asks(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 1000);
    f.ask.bound[AI_RES_TOKENS] = 10;

    f.ask.nodes = 0;
    assert_int_equal(take(&f, &hold), AI_ERROR);
    f.ask.nodes = AI_LEASE_NODES + 1;
    assert_int_equal(take(&f, &hold), AI_ERROR);
    f.ask.nodes = 2;

    f.ask.bound[AI_RES_TOKENS] = -1;
    assert_int_equal(ask(&f), AI_ERROR);
    f.ask.bound[AI_RES_TOKENS] = 0;
    assert_int_equal(ask(&f), AI_DECLINED);
    assert_int_equal(take(&f, &hold), AI_OK);

    /* one window by two limits: the smaller one is said */

    limit(&f, AI_RES_TOKENS, AI_PERIOD_DAY, 500);
    f.ask.bound[AI_RES_TOKENS] = 10;
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.ncells, 1);
    assert_int_equal(op.cell[0].limit, 500);
    end(&f);
}


/* the dearest operation fits the journal, and can be taken back */

static void
largest_operation_fits_the_journal(void **state)
{
    int         i;
    model_t     m;
    ai_ref_t    hold;
    unsigned    n, r, p, party;
    uint32_t    k;
    fixture_t   f;
    ai_limit_t  limits[32];

    (void) state;

    begin(&f, ai_book_min_size());
    conf(&f, 2, 1);
    f.ask.shared = 1;
    f.ask.nodes = 2;
    n = 0;

    for (r = 0; r < AI_RES_COUNTED; r++) {
        for (p = 0; p <= AI_PERIOD_MONTH; p++) {
            memset(&limits[n], 0, sizeof(ai_limit_t));
            limits[n].resource = (uint8_t) r;
            limits[n].period = (uint8_t) p;
            limits[n].amount = 1000000;
            limits[n++].burst = 1000000;
        }
    }

    limits[n] = limits[0];
    limits[n].resource = AI_RES_CONCURRENCY;
    limits[n++].period = AI_PERIOD_NONE;
    limits[n] = limits[0];
    limits[n].resource = AI_RES_COST;
    limits[n++].period = AI_PERIOD_TOTAL;

    for (i = 1; i < AI_RES_COUNTED; i++) {
        f.ask.bound[i] = f.ask.guess[i] = 3;
    }

    /* cells in bits: owners with one bucket each */

    f.ask.party[0].limits = limits;
    f.ask.party[0].nlimits = 1;
    f.ask.shared = 0;

    for (k = 0; ; k++) {
        owner_id(&f.ask.party[0].id, 2 * k);

        if (k % 2) {
            f.ask.party[0].nlimits = 7;
        } else {
            f.ask.party[0].nlimits = 1;
        }

        if (take(&f, &hold) != AI_OK) {
            break;
        }

        settle(&f, hold, 3, 0);
    }

    f.now.now_s += 40 * 86400;
    f.now.mono_ms += 40 * 86400 * 1000ULL;

    f.ask.shared = 1;
    f.ask.nparty = 2;
    owner_id(&f.ask.party[0].id, 4000001);
    owner_id(&f.ask.party[1].id, 4000002);

    for (party = 0; party < 2; party++) {
        f.ask.party[party].limits = limits;
        f.ask.party[party].nlimits = n;
    }

    memset(&m, 0, sizeof(m));
    m.book = f.bk;
    m.size = f.size;
    m.before = malloc(f.size);
    m.spoilt = aligned_alloc(64, f.size);

    for (i = 0; ; i++) {
        model_photo(&m);

        if (ask(&f) == AI_OK) {
            break;
        }

        assert_true(model_same(&m, (uint8_t *) f.bk, 1));
        assert_true(i < 100);
    }

    assert_int_equal(op.ncells, AI_BOOK_LEASES);

    for (i = 0; i < 300; i++) {
        model_crash(&m, (unsigned) (i * 7));
    }

    assert_true(m.writes > 900);
    assert_true(m.writes < 2200);

    for (k = 0; k < op.ncells; k++) {
        op.cell[k].granted = op.cell[k].want = 10;
        op.cell[k].left = 99;
    }

    model_photo(&m);
    assert_int_equal(answered(&f), AI_OK);
    m.every = 1;
    model_crash(&m, 0);
    model_photo(&m);
    assert_int_equal(take(&f, &hold), AI_OK);
    model_crash(&m, 0);
    model_photo(&m);
    settle(&f, hold, 1, 1);
    model_crash(&m, 0);
    model_photo(&m);
    assert_int_equal(expire(&f, 1), AI_OK);
    model_crash(&m, 0);

    free(m.before);
    free(m.spoilt);
    end(&f);
}


/* a grant that was needed and not heard of was spent, for all that the store
   knows: what the node says next must not give it back */

static void
unanswered_operations_are_told(void **state)
{
    ai_ref_t   hold;
    fixture_t  f;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 60);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_DAY, 60);

    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].lost, 0);
    assert_int_equal(ai_lease_end(f.bk, &op, 0, &f.now), AI_OK);

    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].lost, 1);
    assert_int_equal(op.cell[1].lost, 0);
    op.cell[0].want = 2;
    op.cell[1].want = 2;
    grant(0, 2, 58);
    grant(1, 2, 58);
    assert_int_equal(answered(&f), AI_OK);
    assert_int_equal(take(&f, &hold), AI_OK);

    /* nothing is written of one that is not begun */

    assert_int_equal(ask(&f), AI_DECLINED);
    assert_int_equal(take(&f, &hold), AI_OK);
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].lost, 0);

    /* nor is the answer taken of one that was given up */

    f.now.mono_ms += 301;
    op2 = op;
    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].lost, 1);
    assert_int_equal(ai_lease_end(f.bk, &op2, 1, &f.now), AI_DECLINED);
    assert_int_equal(ai_lease_end(f.bk, &op, 0, &f.now), AI_OK);

    assert_int_equal(ask(&f), AI_OK);
    assert_int_equal(op.cell[0].lost, 1);
    end(&f);
}


/* a report of what rows say, or of the first share that was taken, is a look
   at the bucket: who is silent keeps its share of it */

static void
records_without_an_ask_are_shared(void **state)
{
    int64_t          used[AI_RES_COUNTED] = { 1, 0, 0, 0, 1000 };
    ai_ref_t         hold;
    uint32_t         at;
    unsigned         i;
    fixture_t        f;
    ai_lease_shard_t  sh;

    (void) state;

    share(&f, 2);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 60);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_DAY, 60);
    limit(&f, AI_RES_COST, AI_PERIOD_HOUR, 1000000);

    assert_int_equal(ai_book_count(f.bk, f.ask.party, 1, used, f.now.now_s,
                                   &f.now), AI_OK);

    at = 0;
    assert_int_equal(ai_lease_report(f.bk, 0, &at, 64, &f.now, &op), AI_OK);
    assert_int_equal(op.ncells, 3);

    for (i = 0; i < 3; i++) {
        assert_int_equal(op.cell[i].local,
                         op.cell[i].kind == AI_LEASE_BUCKET
                         && op.cell[i].resource == AI_RES_REQUESTS);
    }

    end(&f);

    share(&f, 2);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 60);

    memset(&sh, 0, sizeof(sh));
    sh.local = 1;
    ai_lease_shard_set(f.bk, 0, &sh);

    f.ask.local = 1;
    f.ask.rates = AI_RATES_LOCAL;
    assert_int_equal(take(&f, &hold), AI_BUSY);
    f.now.mono_ms += 60000;
    assert_int_equal(take(&f, &hold), AI_OK);

    at = 0;
    assert_int_equal(ai_lease_report(f.bk, 0, &at, 64, &f.now, &op), AI_OK);
    assert_int_equal(op.ncells, 1);
    assert_int_equal(op.cell[0].local, 1);
    end(&f);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(credit_is_asked_for_and_spent),
        cmocka_unit_test(no_more_than_was_asked_for_is_taken),
        cmocka_unit_test(credit_ends_with_its_lease),
        cmocka_unit_test(late_answers_are_dropped),
        cmocka_unit_test(windows_move_on_meanwhile),
        cmocka_unit_test(settling_moves_credit),
        cmocka_unit_test(others_are_not_spent_here),
        cmocka_unit_test(all_parties_are_asked_for_together),
        cmocka_unit_test(lowered_limits_keep_no_more_than_all),
        cmocka_unit_test(buckets_count_what_was_ever_taken),
        cmocka_unit_test(refusals_are_remembered),
        cmocka_unit_test(refused_windows_say_when),
        cmocka_unit_test(cost_is_held),
        cmocka_unit_test(shares_begin_with_what_is_held),
        cmocka_unit_test(one_node_goes_on_with_its_credit),
        cmocka_unit_test(shares_may_be_too_small),
        cmocka_unit_test(open_rates_are_counted),
        cmocka_unit_test(sharing_is_switched_on_and_off),
        cmocka_unit_test(more_is_asked_for_in_time),
        cmocka_unit_test(small_limits_are_not_asked_ahead),
        cmocka_unit_test(sizes),
        cmocka_unit_test(credit_is_given_back),
        cmocka_unit_test(open_slots_are_said_again),
        cmocka_unit_test(totals_are_said_again),
        cmocka_unit_test(reports_tell_all),
        cmocka_unit_test(other_shards_know_nothing),
        cmocka_unit_test(owners_with_credit_are_not_reused),
        cmocka_unit_test(who_waits_is_not_passed_by),
        cmocka_unit_test(rows_fill_all_buckets),
        cmocka_unit_test(malformed_shared_asks),
        cmocka_unit_test(largest_operation_fits_the_journal),
        cmocka_unit_test(unanswered_operations_are_told),
        cmocka_unit_test(records_without_an_ask_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
