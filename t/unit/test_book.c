
/*
 * The book: what its contract promises, one promise a test; and random
 * histories against the naive model, cut short at every write of every call.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "ai_core.h"

#define CHECK(condition)  assert_true(condition)

#include "book_model.h"


#define DAY    1795219200ULL            /* 2026-11-21 00:00:00 */
#define MONO   (40 * 86400 * 1000ULL)


typedef struct {
    ai_book_t      *bk;
    size_t          size;
    ai_now_t        now;
    ai_limit_t      limits[8];
    ai_hold_ask_t   ask;
    ai_refused_t    why;
} fixture_t;


static const ai_char  zone_id[16] = "0123456789abcde";
static const int64_t  never[AI_RES_COUNTED];
static const uint64_t  none[2];


static void
owner_id(ai_owner_id_t *id, uint32_t n)
{
    memset(id, 0, sizeof(ai_owner_id_t));
    memcpy(id->id, &n, 4);
    id->id[15] = 1;
}


static void
begin(fixture_t *f, size_t size)
{
    memset(f, 0, sizeof(fixture_t));

    f->size = (size + 63) / 64 * 64;
    f->bk = aligned_alloc(64, f->size);
    memset(f->bk, 0xff, f->size);
    assert_int_equal(ai_book_init(f->bk, f->size, zone_id), AI_OK);

    f->now.now_s = DAY + 3600;
    f->now.mono_ms = MONO;

    f->ask.nparty = 1;
    f->ask.party[0].limits = f->limits;
    f->ask.bound[AI_RES_REQUESTS] = 1;
    f->ask.worker = (uint16_t) ai_book_worker(f->bk, 4711, 99);
    owner_id(&f->ask.party[0].id, 1);
    owner_id(&f->ask.party[1].id, 2);
}


static void
end(fixture_t *f)
{
    free(f->bk);
}


static void
limit(fixture_t *f, int resource, int period, int64_t amount)
{
    ai_limit_t  *l;

    l = &f->limits[f->ask.party[0].nlimits++];
    l->resource = (uint8_t) resource;
    l->period = (uint8_t) period;
    l->amount = amount;
    l->burst = amount;
}


static int
take(fixture_t *f, ai_ref_t *hold)
{
    return ai_book_take(f->bk, &f->ask, &f->now, hold, &f->why);
}


static void
settle(fixture_t *f, ai_ref_t hold, int64_t tokens, int64_t cost)
{
    int64_t   used[AI_RES_COUNTED] = { 1, tokens, tokens, 0, cost };
    uint64_t  n[2] = { (uint64_t) tokens, 0 };

    ai_book_settle(f->bk, hold, used, n, &f->now);
}


static void
give_back(fixture_t *f, ai_ref_t hold)
{
    ai_book_settle(f->bk, hold, never, none, &f->now);
}


static ai_owner_view_t
view(fixture_t *f, unsigned party)
{
    ai_owner_view_t  v;

    ai_book_owner_view(f->bk,
                       ai_book_owner_find(f->bk, &f->ask.party[party].id),
                       f->now.now_s, &v);
    return v;
}


static ai_limit_view_t
limit_view(fixture_t *f, unsigned i)
{
    ai_limit_view_t  v;

    ai_book_limit_view(f->bk,
                       ai_book_owner_find(f->bk, &f->ask.party[0].id),
                       &f->limits[i], &f->now, &v);
    return v;
}


static void
layout_is_checked(void **state)
{
    ai_char    *mem;
    size_t      size;
    fixture_t   f;

    (void) state;

    begin(&f, ai_book_min_size());

    assert_int_equal(ai_book_check(f.bk, f.size), AI_OK);
    assert_int_equal(ai_book_check(f.bk, f.size + 4096), AI_ERROR);
    assert_memory_equal(ai_book_zone_id(f.bk), zone_id, 16);

    f.bk->layout++;
    assert_int_equal(ai_book_check(f.bk, f.size), AI_ERROR);

    size = ai_book_min_size();
    assert_int_equal(ai_book_init(f.bk, size - 1, zone_id), AI_ERROR);
    assert_int_equal(ai_book_init((ai_char *) f.bk + 8, size - 8, zone_id),
                     AI_ERROR);
    end(&f);

    /* no array passes the end, whatever the size */

    for (size = ai_book_min_size(); size < ai_book_min_size() + 20000;
         size += 777)
    {
        mem = aligned_alloc(64, (size + 63) / 64 * 64);
        assert_int_equal(ai_book_init(mem, size, zone_id), AI_OK);

        f.bk = (ai_book_t *) mem;
        assert_true(f.bk->holds.max >= 64);
        assert_true(f.bk->holds.at + f.bk->holds.max * sizeof(ai_hold_t)
                    <= size);
        assert_true(f.bk->owners.at + f.bk->owners.max * sizeof(ai_owner_t)
                    <= f.bk->cells.at);
        assert_true(f.bk->cells.at + f.bk->cells.max * sizeof(ai_cell_t)
                    <= f.bk->holds.at);
        free(mem);
    }
}


static void
owner_ids_differ(void **state)
{
    char           text[2000];
    ai_str_t       t = ai_string("acme"), k = ai_string("prod"), e;
    ai_owner_id_t  a, b;

    (void) state;

    /* sha256("acme"), sha256("acme\0prod") */

    ai_owner_id(&a, &t, NULL);
    assert_int_equal(a.id[0], 0x82);
    ai_owner_id(&b, &t, &k);
    assert_memory_not_equal(&a, &b, sizeof(a));

    e.len = 0;
    e.data = (ai_char *) text;
    ai_owner_id(&b, &t, &e);
    assert_memory_not_equal(&a, &b, sizeof(a));

    memset(text, 'a', sizeof(text));
    t.data = (ai_char *) text;
    t.len = 1999;
    ai_owner_id(&a, &t, &k);
    t.len = 1998;
    ai_owner_id(&b, &t, &k);
    assert_memory_not_equal(&a, &b, sizeof(a));
}


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


static void
malformed_asks_are_errors(void **state)
{
    unsigned     i;
    ai_ref_t     hold;
    fixture_t    f;
    ai_limit_t   many[AI_BOOK_LIMITS + 1];

    (void) state;

    begin(&f, 1 << 20);

    f.ask.nparty = 0;
    assert_int_equal(take(&f, &hold), AI_ERROR);
    f.ask.nparty = 3;
    assert_int_equal(take(&f, &hold), AI_ERROR);
    f.ask.nparty = 1;

    f.ask.bound[AI_RES_TOKENS] = -1;
    assert_int_equal(take(&f, &hold), AI_ERROR);
    f.ask.bound[AI_RES_TOKENS] = 0;

    f.ask.worker++;
    assert_int_equal(take(&f, &hold), AI_ERROR);
    f.ask.worker = AI_BOOK_WORKERS;
    assert_int_equal(take(&f, &hold), AI_ERROR);
    f.ask.worker = 0;

    limit(&f, AI_RES_N, AI_PERIOD_DAY, 1);
    assert_int_equal(take(&f, &hold), AI_ERROR);
    f.limits[0].resource = AI_RES_TOKENS;
    f.limits[0].period = AI_PERIOD_NONE;
    assert_int_equal(take(&f, &hold), AI_ERROR);
    f.limits[0].period = AI_PERIOD_MINUTE;
    assert_int_equal(take(&f, &hold), AI_OK);

    /* one bucket for two limits */

    limit(&f, AI_RES_TOKENS, AI_PERIOD_MINUTE, 1);
    assert_int_equal(take(&f, &hold), AI_ERROR);

    /* one owner for two parties */

    f.ask.party[0].nlimits = 0;
    f.ask.nparty = 2;
    f.ask.party[1].id = f.ask.party[0].id;
    assert_int_equal(take(&f, &hold), AI_ERROR);
    owner_id(&f.ask.party[1].id, 2);

    for (i = 0; i <= AI_BOOK_LIMITS; i++) {
        memset(&many[i], 0, sizeof(ai_limit_t));
        many[i].resource = AI_RES_CONCURRENCY;
        many[i].amount = 10;
    }

    f.ask.party[0].limits = many;
    f.ask.party[1].limits = many;
    f.ask.party[0].nlimits = AI_BOOK_LIMITS / 2;
    f.ask.party[1].nlimits = AI_BOOK_LIMITS / 2;
    assert_int_equal(take(&f, &hold), AI_OK);
    f.ask.party[1].nlimits++;
    assert_int_equal(take(&f, &hold), AI_ERROR);
    f.ask.party[0].nlimits = UINT32_MAX;
    assert_int_equal(take(&f, &hold), AI_ERROR);

    /* refs that name nothing */

    give_back(&f, 0);
    give_back(&f, 1000000);
    ai_book_owner_refused(f.bk, 0, AI_REFUSED_RATE);
    ai_book_owner_refused(f.bk, 1000000, AI_REFUSED_RATE);
    assert_int_equal(view(&f, 0).open, 2);
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
holds_run_out(void **state)
{
    unsigned        n;
    ai_ref_t        hold, at;
    fixture_t       f;
    ai_book_stat_t  st;
    ai_hold_view_t  v;

    (void) state;

    begin(&f, ai_book_min_size());
    ai_book_stat(f.bk, &st);

    for (n = 0; take(&f, &hold) == AI_OK; n++) { /* void */ }

    assert_int_equal(n, st.holds_max);
    assert_int_equal(take(&f, &hold), AI_ERROR);
    assert_int_equal(view(&f, 0).open, n);

    give_back(&f, hold);
    assert_int_equal(take(&f, &hold), AI_OK);

    for (at = 0; ai_book_worker_hold(f.bk, 0, &at, &v) == AI_OK; n--) {
        give_back(&f, v.hold);
    }

    assert_int_equal(n, 0);
    assert_int_equal(view(&f, 0).open, 0);
    end(&f);
}


static void
full_book_keeps_what_counts(void **state)
{
    uint32_t        i, n, made;
    ai_ref_t        hold;
    fixture_t       f;
    ai_owner_id_t   id;
    ai_book_stat_t  st;

    (void) state;

    begin(&f, ai_book_min_size());
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_MINUTE, 10);
    limit(&f, AI_RES_REQUESTS, AI_PERIOD_DAY, 10);
    limit(&f, AI_RES_TOKENS, AI_PERIOD_MINUTE, 10);

    for (n = 0; ; n++) {
        owner_id(&f.ask.party[0].id, n);

        if (take(&f, &hold) != AI_OK) {
            break;
        }

        if (n) {
            settle(&f, hold, 0, 0);
        }
    }

    ai_book_stat(f.bk, &st);
    assert_int_equal(st.owners, n);
    assert_true(n > 50);

    /* used in this month: nobody goes, in however many tries */

    for (i = 0; i < 3 * n; i++) {
        assert_int_equal(take(&f, &hold), AI_ERROR);
        owner_id(&id, 1000000 + i);
        assert_int_equal(ai_book_owner(f.bk, &id, f.now.now_s), 0);
    }

    /* next month their buckets stand full: all go but the one with a hold */

    f.now.now_s += 30 * 86400;
    f.now.mono_ms += 30 * 86400 * 1000ULL;
    made = 0;

    for (i = 0; i < 10 * n; i++) {
        owner_id(&f.ask.party[0].id, 2000000 + made);

        if (take(&f, &hold) == AI_OK) {
            settle(&f, hold, 0, 0);
            made++;
        }
    }

    assert_int_equal(made, n - 1);

    owner_id(&f.ask.party[0].id, 0);
    assert_int_equal(view(&f, 0).open, 1);
    owner_id(&f.ask.party[0].id, 1);
    assert_int_equal(ai_book_owner_find(f.bk, &f.ask.party[0].id), 0);
    end(&f);
}


/* the dearest call there is fits the journal, and can be taken back */

static void
largest_call_fits_the_journal(void **state)
{
    int         i;
    model_t     m;
    ai_ref_t    hold;
    unsigned    n, r, p, party;
    fixture_t   f;
    ai_limit_t  limits[16];

    (void) state;

    begin(&f, ai_book_min_size());
    n = 0;

    for (r = 0; r < AI_RES_COUNTED; r++) {
        for (p = 0; p < AI_PERIOD_BUCKETS; p++) {
            memset(&limits[n], 0, sizeof(ai_limit_t));
            limits[n].resource = (uint8_t) r;
            limits[n].period = (uint8_t) p;
            limits[n].amount = 1000000;
            limits[n++].burst = 1000000;
        }
    }

    for (party = 0; party < 2; party++) {
        f.ask.party[party].limits = limits;
        f.ask.party[party].nlimits = n;
    }

    for (i = 1; i < AI_RES_COUNTED; i++) {
        f.ask.bound[i] = f.ask.guess[i] = 3;
    }

    /* every owner in use, every bucket gone, in bits: one to an owner */

    for (i = 0; ; i++) {
        owner_id(&f.ask.party[0].id, 2 * (uint32_t) i);

        f.ask.party[0].nlimits = i % 3 ? 1 : n;

        if (take(&f, &hold) != AI_OK) {
            break;
        }

        settle(&f, hold, 3, 3);
    }

    for (i = 0; ; i++) {
        ai_owner_id_t  id;

        owner_id(&id, 100000 + (uint32_t) i);

        if (ai_book_owner(f.bk, &id, f.now.now_s) == 0
            || f.bk->owners.count == f.bk->owners.max)
        {
            break;
        }
    }

    f.now.now_s += 40 * 86400;
    f.now.mono_ms += 40 * 86400 * 1000ULL;

    f.ask.nparty = 2;
    owner_id(&f.ask.party[0].id, 4000001);
    owner_id(&f.ask.party[1].id, 4000002);
    f.ask.party[0].nlimits = n;

    memset(&m, 0, sizeof(m));
    m.book = f.bk;
    m.size = f.size;
    m.before = malloc(f.size);
    m.spoilt = aligned_alloc(64, f.size);
    m.every = 1;

    for (i = 0; ; i++) {
        model_photo(&m);

        if (take(&f, &hold) == AI_OK) {
            break;
        }

        assert_true(model_same(&m, (uint8_t *) f.bk, 1));
        assert_true(i < 100);
    }

    model_crash(&m, 0);
    assert_true(m.writes > 300);
    assert_true(m.writes < AI_BOOK_JOURNAL / 2);

    model_photo(&m);
    settle(&f, hold, 1, 1);
    model_crash(&m, 0);

    free(m.before);
    free(m.spoilt);
    end(&f);
}


/* a journal that is too small undoes the call instead of cutting it */

static void
full_journal_undoes_the_call(void **state)
{
    unsigned   i;
    ai_tx_t    tx;
    model_t    m;
    fixture_t  f;

    (void) state;

    begin(&f, ai_book_min_size());

    memset(&m, 0, sizeof(m));
    m.book = f.bk;
    m.size = f.size;
    m.before = malloc(f.size);
    model_photo(&m);

    ai_tx_begin(&tx, f.bk, 0, 0);

    for (i = 0; i <= AI_BOOK_JOURNAL; i++) {
        ai_tx_put(&tx, ai_book_at(f.bk, f.size - 8 * (i % 5 + 1)), i + 1);
    }

    assert_int_equal(ai_tx_commit(&tx), AI_ERROR);
    assert_true(model_same(&m, (uint8_t *) f.bk, 0));

    free(m.before);
    end(&f);
}


static void
workers_have_places(void **state)
{
    int        i, w;
    uint32_t   pid;
    uint64_t   start;
    fixture_t  f;
    ai_ref_t   hold;

    (void) state;

    begin(&f, 1 << 20);

    assert_int_equal(ai_book_worker(f.bk, 4711, 99), 0);
    assert_int_equal(ai_book_worker(f.bk, 4711, 100), 1);
    assert_int_equal(ai_book_worker(f.bk, 0, 100), AI_ERROR);

    assert_int_equal(ai_book_worker_get(f.bk, 1, &pid, &start), AI_OK);
    assert_int_equal(pid, 4711);
    assert_int_equal(start, 100);
    assert_int_equal(ai_book_worker_get(f.bk, 2, &pid, &start), AI_DECLINED);
    assert_int_equal(ai_book_worker_get(f.bk, 256, &pid, &start),
                     AI_DECLINED);

    for (i = 2; i < AI_BOOK_WORKERS; i++) {
        assert_int_equal(ai_book_worker(f.bk, 1, (uint64_t) i), i);
    }

    assert_int_equal(ai_book_worker(f.bk, 2, 2), AI_ERROR);

    w = 77;
    f.ask.worker = (uint16_t) w;
    assert_int_equal(take(&f, &hold), AI_OK);
    ai_book_worker_free(f.bk, (unsigned) w);
    assert_int_equal(ai_book_worker(f.bk, 2, 2), AI_ERROR);

    give_back(&f, hold);
    ai_book_worker_free(f.bk, (unsigned) w);
    assert_int_equal(ai_book_worker(f.bk, 2, 2), w);
    end(&f);
}


static void
ratios_are_learned(void **state)
{
    int         i;
    char        name[16];
    ai_str_t    a = ai_string("gpt-4.1"), b = ai_string("claude"), s;
    fixture_t   f;
    ai_ratio_t  r;

    (void) state;

    begin(&f, 1 << 20);

    ai_book_ratio_get(f.bk, &a, &r);
    assert_int_equal(r.in_bytes, 4096);
    assert_int_equal(r.out_bytes, 4096);
    assert_int_equal(r.out_tokens, 256);

    ai_book_ratio_learn(f.bk, &a, 2000, 1000, 300, 100);
    ai_book_ratio_get(f.bk, &a, &r);
    assert_int_equal(r.in_bytes, 4096 - 2048 / 16);
    assert_int_equal(r.out_bytes, 4096 - 1024 / 16);
    assert_int_equal(r.out_tokens, 256 - 10);

    for (i = 0; i < 300; i++) {
        ai_book_ratio_learn(f.bk, &a, 2000, 1000, 300, 100);
    }

    ai_book_ratio_get(f.bk, &a, &r);
    assert_int_equal(r.in_bytes, 2048);
    assert_int_equal(r.out_bytes, 3072);
    assert_int_equal(r.out_tokens, 100);

    ai_book_ratio_get(f.bk, &b, &r);
    assert_int_equal(r.in_bytes, 4096);

    /* nothing reported, nothing learned; lies are bounded */

    ai_book_ratio_learn(f.bk, &b, 0, 0, 0, 0);
    ai_book_ratio_get(f.bk, &b, &r);
    assert_int_equal(r.in_bytes, 4096);

    for (i = 0; i < 1000; i++) {
        ai_book_ratio_learn(f.bk, &b, UINT64_MAX, 1, 1, UINT64_MAX);
    }

    ai_book_ratio_get(f.bk, &b, &r);
    assert_int_equal(r.in_bytes, 1024 * 1024);
    assert_int_equal(r.out_bytes, 256);
    assert_int_equal(r.out_tokens, 1 << 20);

    /* a full table gives the start values, and nobody loses his place */

    s.data = (ai_char *) name;

    for (i = 0; i < 2000; i++) {
        s.len = (size_t) snprintf(name, sizeof(name), "m%d", i);
        ai_book_ratio_learn(f.bk, &s, 100, 100, 100, 100);
        ai_book_ratio_get(f.bk, &s, &r);
        assert_true(r.in_bytes >= 1024 && r.out_tokens >= 100);
    }

    ai_book_ratio_get(f.bk, &a, &r);
    assert_int_equal(r.in_bytes, 2048);
    end(&f);
}


static void
histories_equal_the_model(void **state)
{
    uint8_t        bytes[2500];
    model_t        m;
    uint64_t       seed;
    unsigned       round, i, admitted, refused;
    model_input_t  in;

    (void) state;

    seed = 88172645463325252ULL;
    admitted = 0;
    refused = 0;

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
        model_free(&m);
    }

    assert_true(admitted > 2000);
    assert_true(refused > 2000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(layout_is_checked),
        cmocka_unit_test(owner_ids_differ),
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
        cmocka_unit_test(malformed_asks_are_errors),
        cmocka_unit_test(hostile_numbers_stay_in_bounds),
        cmocka_unit_test(holds_run_out),
        cmocka_unit_test(full_book_keeps_what_counts),
        cmocka_unit_test(largest_call_fits_the_journal),
        cmocka_unit_test(full_journal_undoes_the_call),
        cmocka_unit_test(workers_have_places),
        cmocka_unit_test(ratios_are_learned),
        cmocka_unit_test(histories_equal_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
