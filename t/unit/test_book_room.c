
/*
 * The book's memory: its layout, what happens when some part of it is full, and
 * the places of workers and models.
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
    f.limits[0].period = AI_PERIOD_TOTAL;
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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(layout_is_checked),
        cmocka_unit_test(owner_ids_differ),
        cmocka_unit_test(malformed_asks_are_errors),
        cmocka_unit_test(holds_run_out),
        cmocka_unit_test(full_book_keeps_what_counts),
        cmocka_unit_test(largest_call_fits_the_journal),
        cmocka_unit_test(full_journal_undoes_the_call),
        cmocka_unit_test(workers_have_places),
        cmocka_unit_test(ratios_are_learned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
