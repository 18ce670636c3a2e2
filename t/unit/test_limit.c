
/*
 * Token buckets against exact rationals, calendar windows against gmtime().
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>
#include "ai_limit.h"


#define MINUTE  60000


static uint64_t  seed = 42;


static uint64_t
rnd(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return seed % n;
}


static ai_limit_t
limit(int period, int64_t amount, int64_t burst)
{
    ai_limit_t  l;

    memset(&l, 0, sizeof(l));
    l.resource = AI_RES_REQUESTS;
    l.period = (uint8_t) period;
    l.amount = amount;
    l.burst = burst;

    return l;
}


static void
take(ai_bucket_t *b, const ai_limit_t *l, uint64_t now, int64_t n)
{
    ai_bucket_refill(b, l, now);
    b->taken += n;
}


static void
bucket_starts_full(void **state)
{
    ai_limit_t   l = limit(AI_PERIOD_MINUTE, 100, 20);
    ai_bucket_t  b = { 0, 0, 0 };

    (void) state;

    ai_bucket_refill(&b, &l, 123456789);

    assert_int_equal(ai_bucket_level(&b, &l), 20);
    assert_int_equal(ai_bucket_wait(&b, &l, 20), 0);
    assert_int_equal(ai_bucket_wait(&b, &l, 21), -1);
}


static void
bucket_refills_exactly(void **state)
{
    uint64_t     now;
    ai_limit_t   l = limit(AI_PERIOD_MINUTE, 7, 1000);
    ai_bucket_t  b = { 0, 0, 0 };

    (void) state;

    take(&b, &l, 5, 1000);
    assert_int_equal(ai_bucket_level(&b, &l), 0);

    /* one is back after 60000 / 7 = 8571.43 ms */

    assert_int_equal(ai_bucket_wait(&b, &l, 1), 8572);

    for (now = 6; now < 5 + 8572; now++) {
        ai_bucket_refill(&b, &l, now);
        assert_int_equal(ai_bucket_level(&b, &l), 0);
    }

    ai_bucket_refill(&b, &l, 5 + 8572);
    assert_int_equal(ai_bucket_level(&b, &l), 1);

    /* millisecond by millisecond nothing is lost */

    for ( /* void */ ; now <= 5 + 10 * MINUTE; now++) {
        ai_bucket_refill(&b, &l, now);
    }

    assert_int_equal(ai_bucket_level(&b, &l), 70);
    assert_int_equal(b.rem, 0);
}


static void
bucket_clock_back_adds_nothing(void **state)
{
    ai_limit_t   l = limit(AI_PERIOD_SECOND, 1000, 1000);
    ai_bucket_t  b = { 0, 0, 0 };

    (void) state;

    take(&b, &l, 1000000, 1000);

    ai_bucket_refill(&b, &l, 500000);
    assert_int_equal(ai_bucket_level(&b, &l), 0);

    /* and what the jump passed over is not given twice */

    ai_bucket_refill(&b, &l, 1000100);
    assert_int_equal(ai_bucket_level(&b, &l), 100);

    ai_bucket_refill(&b, &l, 0);
    ai_bucket_refill(&b, &l, 1000100);
    assert_int_equal(ai_bucket_level(&b, &l), 100);
}


static void
bucket_debt_recovers(void **state)
{
    ai_limit_t   l = limit(AI_PERIOD_MINUTE, 60, 60);
    ai_bucket_t  b = { 0, 0, 0 };

    (void) state;

    take(&b, &l, 1, 1000060);
    assert_int_equal(ai_bucket_level(&b, &l), -1000000);
    assert_int_equal(ai_bucket_wait(&b, &l, 1), 1000001 * 1000);

    ai_bucket_refill(&b, &l, 1 + 1000001 * 1000 - 1);
    assert_int_equal(ai_bucket_level(&b, &l), 0);
    ai_bucket_refill(&b, &l, 1 + 1000001 * 1000);
    assert_int_equal(ai_bucket_level(&b, &l), 1);
}


static void
bucket_of_zero_refuses_all(void **state)
{
    ai_limit_t   l = limit(AI_PERIOD_MINUTE, 0, 0);
    ai_bucket_t  b = { 0, 0, 0 };

    (void) state;

    ai_bucket_refill(&b, &l, 1000);
    assert_int_equal(ai_bucket_level(&b, &l), 0);
    assert_int_equal(ai_bucket_wait(&b, &l, 0), -1);
    assert_int_equal(ai_bucket_wait(&b, &l, 1), -1);

    l.burst = 100;
    assert_int_equal(ai_bucket_level(&b, &l), 0);
    assert_int_equal(ai_bucket_wait(&b, &l, 1), -1);
}


static void
bucket_survives_hostile_numbers(void **state)
{
    static const int64_t  values[] = {
        INT64_MIN, INT64_MIN + 1, -1, 0, 1, 2, AI_LIMIT_MAX - 1, AI_LIMIT_MAX,
        AI_LIMIT_MAX + 1, INT64_MAX - 1, INT64_MAX
    };
    int64_t      level, wait;
    unsigned     i, k, m, n, p;
    ai_limit_t   l;
    ai_bucket_t  b;

    (void) state;

    n = sizeof(values) / sizeof(values[0]);

    for (p = 0; p <= AI_PERIOD_NONE; p++) {
        for (i = 0; i < n; i++) {
            for (k = 0; k < n; k++) {
                for (m = 0; m < n * n; m++) {
                    l = limit((int) p, values[i], values[k]);
                    b.taken = values[m % n];
                    b.last = 0;
                    b.rem = 0;

                    ai_bucket_refill(&b, &l, (uint64_t) values[m / n]);
                    level = ai_bucket_level(&b, &l);
                    wait = ai_bucket_wait(&b, &l, values[m / n]);

                    assert_true(wait >= -1);

                    if (wait == 0) {
                        assert_true(level >= values[m / n]);
                    }

                    if (values[m / n]) {
                        assert_true(b.taken >= 0);
                    }
                }
            }
        }
    }
}


/* level = burst - taken, taken in units of 1 / period ms: no division at all */

typedef struct {
    __int128  units;
    uint64_t  last;
} model_t;

static void
bucket_equals_rationals(void **state)
{
    static const int64_t  ms[] = { 1000, 60000, 3600000 };
    int64_t      n, level, wait, floor;
    uint64_t     now, at;
    unsigned     round, i, p;
    model_t      m;
    ai_limit_t   l;
    ai_bucket_t  b, c;

    (void) state;

    for (round = 0; round < 2000; round++) {
        p = (unsigned) rnd(3);
        n = (int64_t) 1 << rnd(53);
        l = limit((int) p, 1 + (int64_t) rnd((uint64_t) n),
                  1 + (int64_t) rnd((uint64_t) n));
        memset(&b, 0, sizeof(b));
        memset(&m, 0, sizeof(m));
        now = rnd(1000000);

        for (i = 0; i < 200; i++) {
            now += rnd((uint64_t) 1 << rnd(24));
            at = rnd(8) ? now : rnd(now + 1);

            ai_bucket_refill(&b, &l, at);

            if (at > m.last) {
                m.units -= (__int128) (at - m.last) * l.amount;
                m.units = m.units < 0 ? 0 : m.units;
                m.last = at;
            }

            /* the level is what is missing, rounded up, below the burst */

            floor = (int64_t) ((m.units + ms[p] - 1) / ms[p]);
            level = ai_bucket_level(&b, &l);
            assert_true(level == l.burst - floor);

            n = (int64_t) rnd((uint64_t) l.burst) + (rnd(2) ? 1 : 0);
            wait = ai_bucket_wait(&b, &l, n);

            if (n > l.burst) {
                assert_int_equal(wait, -1);

            } else {
                assert_true((wait == 0) == (level >= n));

                c = b;
                ai_bucket_refill(&c, &l, c.last + (uint64_t) wait);
                assert_true(ai_bucket_level(&c, &l) >= n);

                if (wait > 0) {
                    c = b;
                    ai_bucket_refill(&c, &l, c.last + (uint64_t) wait - 1);
                    assert_true(ai_bucket_level(&c, &l) < n);
                }
            }

            if (level >= n || rnd(4) == 0) {
                b.taken += n;
                m.units += (__int128) n * ms[p];
            }
        }
    }
}


static void
windows_equal_gmtime(void **state)
{
    time_t     t, end;
    unsigned   i;
    uint64_t   s;
    struct tm  tm;

    (void) state;

    for (i = 0; i < 200000; i++) {
        s = rnd(253402300799ULL);

        /* half of them within two seconds of midnight */

        if (i & 1) {
            s = s / 86400 * 86400 + 86398 + rnd(4);
        }

        t = (time_t) s;
        gmtime_r(&t, &tm);

        assert_int_equal(ai_day_id(s), (tm.tm_year + 1900) * 10000
                                       + (tm.tm_mon + 1) * 100 + tm.tm_mday);
        assert_int_equal(ai_month_id(s), (tm.tm_year + 1900) * 100
                                         + tm.tm_mon + 1);

        assert_true(ai_window_end(AI_PERIOD_DAY, s)
                    == s / 86400 * 86400 + 86400);

        tm.tm_mon++;
        tm.tm_mday = 1;
        tm.tm_hour = 0;
        tm.tm_min = 0;
        tm.tm_sec = 0;
        end = timegm(&tm);

        assert_true(ai_window_end(AI_PERIOD_MONTH, s) == (uint64_t) end);
    }
}


static void
windows_at_edges(void **state)
{
    (void) state;

    assert_int_equal(ai_day_id(0), 19700101);
    assert_int_equal(ai_month_id(0), 197001);
    assert_int_equal(ai_day_id(951782400), 20000229);
    assert_int_equal(ai_day_id(1709164800), 20240229);
    assert_int_equal(ai_day_id(1709164800 + 86400), 20240301);
    assert_int_equal(ai_day_id(4107456000), 21000227 + 1);
    assert_int_equal(ai_day_id(4107456000 + 86400), 21000301);

    assert_true(ai_window_end(AI_PERIOD_MONTH, 1709164800)
                == 1709164800 + 86400);

    /* times that no calendar needs stay in its last day */

    assert_int_equal(ai_day_id(253402300799ULL), 99991231);
    assert_int_equal(ai_day_id(253402300800ULL), 99991231);
    assert_int_equal(ai_day_id(UINT64_MAX), 99991231);
    assert_true(ai_window_end(AI_PERIOD_DAY, UINT64_MAX) == 253402300800ULL);
    assert_true(ai_window_end(AI_PERIOD_MONTH, UINT64_MAX)
                == 253402300800ULL);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(bucket_starts_full),
        cmocka_unit_test(bucket_refills_exactly),
        cmocka_unit_test(bucket_clock_back_adds_nothing),
        cmocka_unit_test(bucket_debt_recovers),
        cmocka_unit_test(bucket_of_zero_refuses_all),
        cmocka_unit_test(bucket_survives_hostile_numbers),
        cmocka_unit_test(bucket_equals_rationals),
        cmocka_unit_test(windows_equal_gmtime),
        cmocka_unit_test(windows_at_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
