
/*
 * The board, rule by rule, and against a model by chance.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "board_model.h"


#define NOW  5000000


static ai_board_t       *bd;
static uint64_t          now, wait_ms;
static unsigned          probe;

static ai_board_conf_t   usual = {
    .failures = 5, .errors = 50, .requests = 20, .window_ms = 10000,
    .cooldown_ms = 30000, .weight = 15, .canary_window_ms = 60000,
    .canary_requests = 10
};


static int
setup(void **state)
{
    (void) state;

    now = NOW;
    bd = malloc(ai_board_size());
    memset(bd, 0xa5, ai_board_size());
    ai_board_init(bd);

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    free(bd);

    return 0;
}


static uint32_t
target_of(const char *name, const ai_board_conf_t *conf)
{
    ai_char  id[AI_BOARD_ID] = { 0 };

    memcpy(id, name, strnlen(name, sizeof(id)));

    return ai_board_target(bd, id, conf, now);
}


static uint32_t
key_of(const char *name)
{
    ai_char  id[AI_BOARD_ID] = { 0 };

    memcpy(id, name, strnlen(name, sizeof(id)));

    return ai_board_key(bd, id, now);
}


static ai_target_state_t
begin(uint32_t t)
{
    return ai_board_begin(bd, t, 10, now, &wait_ms, &probe);
}


static ai_board_change_t
end(uint32_t t, ai_outcome_t outcome)
{
    return ai_board_end(bd, t, outcome, probe, 100, -1, now, 0);
}


static ai_board_change_t
attempt(uint32_t t, ai_outcome_t outcome)
{
    assert_int_equal(begin(t), AI_TARGET_READY);

    return end(t, outcome);
}


static void
fails(uint32_t t, unsigned n)
{
    while (n--) {
        assert_int_equal(attempt(t, AI_OUTCOME_FAILED),
                         n ? AI_BOARD_SAME : AI_BOARD_OPENED);
    }
}


static ai_board_view_t
view(uint32_t t)
{
    ai_board_view_t  v;

    ai_board_view(bd, t, now, &v);

    return v;
}


static void
test_version(void **state)
{
    (void) state;

    assert_int_equal(ai_board_check(bd), AI_OK);

    *(uint32_t *) bd += 1;
    assert_int_equal(ai_board_check(bd), AI_ERROR);
}


static void
test_places(void **state)
{
    char      name[16];
    uint32_t  i, a, place[AI_BOARD_TARGETS];

    (void) state;

    for (i = 0; i < AI_BOARD_TARGETS; i++) {
        (void) snprintf(name, sizeof(name), "t%u", i);
        place[i] = target_of(name, &usual);
        assert_int_not_equal(place[i], AI_BOARD_NONE);
    }

    /* of one configuration none makes room for another */

    assert_int_equal(target_of("more", &usual), AI_BOARD_NONE);
    assert_int_equal(target_of("t7", &usual), place[7]);

    /* later, the one that was not used for the longest */

    now++;
    assert_int_equal(attempt(place[0], AI_OUTCOME_OK), AI_BOARD_SAME);
    now++;
    assert_int_equal(target_of("t1", &usual), place[1]);

    a = target_of("more", &usual);
    assert_int_equal(a, place[2]);
    assert_int_equal(view(a).attempts, 0);
    assert_int_equal(target_of("more", &usual), a);
    assert_int_equal(target_of("t0", &usual), place[0]);
    assert_int_equal(view(place[0]).attempts, 1);

    for (i = 0; i < AI_BOARD_KEYS; i++) {
        (void) snprintf(name, sizeof(name), "k%u", i);
        assert_int_equal(key_of(name), i);
    }

    assert_int_equal(key_of("more"), AI_BOARD_NONE);
    assert_int_equal(key_of("k9"), 9);
    now++;
    assert_int_equal(key_of("k0"), 0);
    assert_int_equal(key_of("more"), 1);
}


static void
test_no_place(void **state)
{
    ai_board_view_t  v;

    (void) state;

    assert_int_equal(begin(AI_BOARD_NONE), AI_TARGET_READY);
    assert_int_equal(probe, 0);
    assert_int_equal(end(AI_BOARD_NONE, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    assert_int_equal(ai_board_broke(bd, 17, now, 0), AI_BOARD_SAME);

    v = view(AI_BOARD_NONE);
    assert_int_equal(v.attempts, 0);
    assert_int_equal(v.requests, -1);
}


static void
test_row(void **state)
{
    uint32_t         t;
    ai_board_view_t  v;

    (void) state;

    t = target_of("a", &usual);

    fails(t, 5);

    v = view(t);
    assert_int_equal(v.open, 1);
    assert_int_equal(v.half, 0);
    assert_int_equal(v.in_a_row, 5);
    assert_int_equal(v.open_ms, 30000);
    assert_int_equal(v.opened, 1);
    assert_int_equal(v.failed, 5);

    assert_int_equal(begin(t), AI_TARGET_OPEN);
    assert_int_equal(wait_ms, 30000);
    assert_int_equal(view(t).attempts, 5);

    /* what a success parts is no row; what does not count does not part it */

    t = target_of("b", &usual);

    attempt(t, AI_OUTCOME_FAILED);
    attempt(t, AI_OUTCOME_FAILED);
    attempt(t, AI_OUTCOME_OK);
    attempt(t, AI_OUTCOME_FAILED);
    attempt(t, AI_OUTCOME_OTHER);
    attempt(t, AI_OUTCOME_GONE);
    attempt(t, AI_OUTCOME_FAILED);
    attempt(t, AI_OUTCOME_FAILED);
    assert_int_equal(view(t).in_a_row, 3);
    assert_int_equal(view(t).window, 6);
    fails(t, 2);
}


static void
test_rate(void **state)
{
    unsigned         i;
    uint32_t         t;
    ai_board_conf_t  conf;

    (void) state;

    conf = usual;
    conf.failures = 100;
    t = target_of("a", &conf);

    for (i = 0; i < 19; i++) {
        assert_int_equal(attempt(t, i & 1 ? AI_OUTCOME_OK
                                          : AI_OUTCOME_FAILED),
                         AI_BOARD_SAME);
    }

    assert_int_equal(view(t).window, 19);
    assert_int_equal(view(t).window_failed, 10);
    assert_int_equal(attempt(t, AI_OUTCOME_OK), AI_BOARD_OPENED);

    /* the window goes on with the clock, by tenths */

    t = target_of("b", &conf);

    for (i = 0; i < 19; i++) {
        attempt(t, AI_OUTCOME_FAILED);
        now += 100;
    }

    assert_int_equal(view(t).window, 19);
    now = NOW + 10000;
    assert_int_equal(view(t).window, 9);
    now = NOW + 11000;
    assert_int_equal(view(t).window, 0);
    assert_int_equal(attempt(t, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    assert_int_equal(view(t).window, 1);

    /* off */

    conf.errors = 0;
    t = target_of("c", &conf);

    for (i = 0; i < 99; i++) {
        assert_int_equal(attempt(t, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    }

    assert_int_equal(attempt(t, AI_OUTCOME_FAILED), AI_BOARD_OPENED);
}


/* a worker whose clock is behind clears nothing that others have counted; and
   each call has a place in their order */

static void
test_clock_behind(void **state)
{
    unsigned         i;
    uint32_t         t;
    ai_board_conf_t  conf;

    (void) state;

    conf = usual;
    conf.window_ms = 10;
    conf.failures = 11;
    t = target_of("a", &conf);

    assert_int_equal(ai_board_calls(bd, t), 0);

    for (i = 0; i < 10; i++) {
        assert_int_equal(attempt(t, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    }

    now -= 10;
    assert_int_equal(attempt(t, AI_OUTCOME_OK), AI_BOARD_SAME);

    now += 10;
    assert_int_equal(view(t).window, 11);
    assert_int_equal(view(t).window_failed, 10);
    assert_int_equal(ai_board_calls(bd, t), 22);

    fails(t, 9);
    assert_int_equal(begin(t), AI_TARGET_OPEN);
    assert_int_equal(ai_board_calls(bd, t), 22 + 18 + 1);
    assert_int_equal(ai_board_calls(bd, AI_BOARD_NONE), 0);
}


static void
test_jitter(void **state)
{
    uint32_t  t;

    (void) state;

    t = target_of("a", &usual);

    while (view(t).in_a_row < 4) {
        attempt(t, AI_OUTCOME_FAILED);
    }

    begin(t);
    ai_board_end(bd, t, AI_OUTCOME_FAILED, 0, 0, -1, now, UINT32_MAX);

    assert_in_range(view(t).open_ms, 30000, 36000);
    assert_int_equal(view(t).open_ms, 30000 + UINT32_MAX % 6001);
}


static void
test_probe(void **state)
{
    uint32_t  t;
    unsigned  first;

    (void) state;

    t = target_of("a", &usual);
    fails(t, 5);

    now += 29999;
    assert_int_equal(begin(t), AI_TARGET_OPEN);
    assert_int_equal(wait_ms, 1);

    now += 1;
    assert_int_equal(view(t).half, 1);
    assert_int_equal(ai_board_ask(bd, t, 0, now, &wait_ms), AI_TARGET_READY);
    assert_int_equal(begin(t), AI_TARGET_READY);
    assert_int_not_equal(probe, 0);
    first = probe;

    /* one at a time */

    now += 100;
    assert_int_equal(begin(t), AI_TARGET_OPEN);
    assert_int_equal(wait_ms, 29900);
    assert_int_equal(probe, 0);

    /* attempts from before it opened say nothing */

    assert_int_equal(end(t, AI_OUTCOME_OK), AI_BOARD_SAME);
    assert_int_equal(end(t, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    assert_int_equal(begin(t), AI_TARGET_OPEN);

    probe = first;
    assert_int_equal(end(t, AI_OUTCOME_FAILED), AI_BOARD_REOPENED);
    assert_int_equal(view(t).open_ms, 30000);
    assert_int_equal(view(t).opened, 2);
    assert_int_equal(begin(t), AI_TARGET_OPEN);

    now += 30000;
    assert_int_equal(attempt(t, AI_OUTCOME_OK), AI_BOARD_CLOSED);
    assert_int_equal(view(t).open, 0);
    assert_int_equal(view(t).in_a_row, 0);
    assert_int_equal(view(t).window, 0);

    assert_int_equal(begin(t), AI_TARGET_READY);
    assert_int_equal(probe, 0);
    fails(t, 5);
}


static void
test_probe_lost(void **state)
{
    uint32_t  t;
    unsigned  first, second;

    (void) state;

    t = target_of("a", &usual);
    fails(t, 5);
    now += 30000;

    /* one that ends without a word lets the next one go at once */

    assert_int_equal(attempt(t, AI_OUTCOME_GONE), AI_BOARD_SAME);
    assert_int_equal(attempt(t, AI_OUTCOME_OTHER), AI_BOARD_SAME);
    assert_int_equal(begin(t), AI_TARGET_READY);
    first = probe;
    assert_int_not_equal(first, 0);

    /* one that never ends is forgotten */

    now += 29999;
    assert_int_equal(begin(t), AI_TARGET_OPEN);
    now += 1;
    assert_int_equal(begin(t), AI_TARGET_READY);
    second = probe;
    assert_int_not_equal(second, first);

    /* and has no say any more, nor makes room for a third one */

    probe = first;
    assert_int_equal(end(t, AI_OUTCOME_GONE), AI_BOARD_SAME);
    assert_int_equal(begin(t), AI_TARGET_OPEN);
    probe = first;
    assert_int_equal(end(t, AI_OUTCOME_OK), AI_BOARD_SAME);
    probe = first;
    assert_int_equal(end(t, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    assert_int_equal(view(t).half, 1);

    probe = second;
    assert_int_equal(end(t, AI_OUTCOME_OK), AI_BOARD_CLOSED);
    assert_int_equal(end(t, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    assert_int_equal(view(t).open, 0);
}


/* the probe is refused: the breaker stays half open behind the rest */

static void
test_probe_limited(void **state)
{
    uint32_t  t;

    (void) state;

    t = target_of("a", &usual);
    fails(t, 5);
    now += 30000;

    assert_int_equal(attempt(t, AI_OUTCOME_LIMITED), AI_BOARD_RESTS);
    assert_int_equal(begin(t), AI_TARGET_RESTING);
    now += 1000;
    assert_int_equal(attempt(t, AI_OUTCOME_OK), AI_BOARD_CLOSED);
}


static ai_board_change_t
limited(uint32_t t, int64_t retry)
{
    return ai_board_end(bd, t, AI_OUTCOME_LIMITED, 0, 0, retry, now, 0);
}


static void
test_rest(void **state)
{
    unsigned         i;
    uint32_t         t;
    static unsigned  rests[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };

    (void) state;

    t = target_of("a", &usual);

    assert_int_equal(limited(t, 20000), AI_BOARD_RESTS);
    assert_int_equal(begin(t), AI_TARGET_RESTING);
    assert_int_equal(wait_ms, 20000);
    assert_int_equal(view(t).rest_ms, 20000);
    assert_int_equal(view(t).limited, 1);
    assert_int_equal(view(t).in_a_row, 0);

    /* the longest holds, and is one change */

    assert_int_equal(limited(t, 1000), AI_BOARD_SAME);
    assert_int_equal(view(t).rest_ms, 20000);
    assert_int_equal(limited(t, 30000), AI_BOARD_SAME);
    assert_int_equal(view(t).rest_ms, 30000);
    assert_int_equal(limited(t, INT64_MAX), AI_BOARD_SAME);
    assert_int_equal(view(t).rest_ms, 600000);

    now += 600000;
    assert_int_equal(begin(t), AI_TARGET_READY);

    /* unsaid: doubled, but not by those that were under way together */

    for (i = 0; i < 9; i++) {
        assert_int_equal(limited(t, i & 1 ? 0 : -1), AI_BOARD_RESTS);
        assert_int_equal(limited(t, -1), AI_BOARD_SAME);
        assert_int_equal(limited(t, 0), AI_BOARD_SAME);
        assert_int_equal(view(t).rest_ms, rests[i] * 1000);
        now += rests[i] * 1000;
    }

    assert_int_equal(attempt(t, AI_OUTCOME_OK), AI_BOARD_SAME);
    assert_int_equal(limited(t, -1), AI_BOARD_RESTS);
    assert_int_equal(view(t).rest_ms, 1000);

    /* a success that was under way is none that came behind the rest */

    end(t, AI_OUTCOME_OK);
    now += 1000;
    assert_int_equal(limited(t, -1), AI_BOARD_RESTS);
    assert_int_equal(view(t).rest_ms, 2000);
}


static void
said(uint32_t t, int64_t requests, int64_t tokens, int64_t ms)
{
    ai_quota_said_t  s;

    s.requests = requests;
    s.tokens = tokens;
    s.requests_ms = ms;
    s.tokens_ms = ms;

    ai_board_said(bd, t, &s, now);
}


static void
test_quota(void **state)
{
    uint32_t  t;

    (void) state;

    t = target_of("a", &usual);
    assert_int_equal(view(t).requests, -1);

    said(t, 2, 1000, 5000);
    assert_int_equal(view(t).requests, 2);
    assert_int_equal(view(t).tokens, 1000);

    begin(t);
    assert_int_equal(view(t).requests, 1);
    assert_int_equal(view(t).tokens, 990);
    begin(t);
    assert_int_equal(begin(t), AI_TARGET_DRY);
    assert_int_equal(wait_ms, 5000);

    /* the next answer corrects it, one that says nothing does not */

    said(t, -1, -1, -1);
    assert_int_equal(begin(t), AI_TARGET_DRY);
    said(t, 7, -1, -1);
    assert_int_equal(begin(t), AI_TARGET_READY);

    now += 5000;
    assert_int_equal(view(t).tokens, -1);
    assert_int_equal(view(t).requests, 6);

    /* tokens: too few for this one, enough for another */

    said(t, -1, 100, 3000);
    assert_int_equal(ai_board_ask(bd, t, 101, now, &wait_ms), AI_TARGET_DRY);
    assert_int_equal(wait_ms, 3000);
    assert_int_equal(ai_board_ask(bd, t, 100, now, &wait_ms),
                     AI_TARGET_READY);
    assert_int_equal(wait_ms, 0);
    assert_int_equal(ai_board_begin(bd, t, 100, now, &wait_ms, &probe),
                     AI_TARGET_READY);
    assert_int_equal(ai_board_ask(bd, t, 0, now, &wait_ms), AI_TARGET_DRY);

    /* bounded, also where nothing was said of a reset */

    t = target_of("b", &usual);
    said(t, 0, -1, -1);
    assert_int_equal(begin(t), AI_TARGET_DRY);
    assert_int_equal(wait_ms, 10000);
    said(t, 0, -1, INT64_MAX);
    assert_int_equal(begin(t), AI_TARGET_DRY);
    assert_int_equal(wait_ms, 600000);
    said(t, 0, -1, 0);
    assert_int_equal(begin(t), AI_TARGET_READY);
}


static void
test_latency(void **state)
{
    unsigned  i;
    uint32_t  t;

    (void) state;

    t = target_of("a", &usual);
    assert_int_equal(ai_board_latency(bd, t), 0);

    ai_board_end(bd, t, AI_OUTCOME_OK, 0, 0, -1, now, 0);
    assert_int_equal(ai_board_latency(bd, t), 1);

    t = target_of("b", &usual);
    ai_board_end(bd, t, AI_OUTCOME_OK, 0, 400, -1, now, 0);
    assert_int_equal(ai_board_latency(bd, t), 400);
    ai_board_end(bd, t, AI_OUTCOME_FAILED, 0, 60000, -1, now, 0);
    assert_int_equal(ai_board_latency(bd, t), 400);
    ai_board_end(bd, t, AI_OUTCOME_OK, 0, 1200, -1, now, 0);
    assert_int_equal(ai_board_latency(bd, t), 500);

    for (i = 0; i < 100; i++) {
        ai_board_end(bd, t, AI_OUTCOME_OK, 0, UINT32_MAX, -1, now, 0);
    }

    assert_true(ai_board_latency(bd, t) > UINT32_MAX - 10000);

    for (i = 0; i < 400; i++) {
        ai_board_end(bd, t, AI_OUTCOME_OK, 0, 10, -1, now, 0);
    }

    assert_in_range(ai_board_latency(bd, t), 10, 11);
}


/* a stream that breaks off is what its head seemed not to be */

static void
test_broke(void **state)
{
    unsigned         i;
    uint32_t         t;
    ai_board_conf_t  conf;

    (void) state;

    t = target_of("a", &usual);

    for (i = 1; i < 5; i++) {
        assert_int_equal(attempt(t, AI_OUTCOME_OK), AI_BOARD_SAME);
        assert_int_equal(ai_board_broke(bd, t, now, 0), AI_BOARD_SAME);
        assert_int_equal(view(t).in_a_row, i);
        assert_int_equal(view(t).window, i);
        assert_int_equal(view(t).window_failed, i);
        assert_int_equal(view(t).failed, i);
    }

    attempt(t, AI_OUTCOME_OK);
    assert_int_equal(ai_board_broke(bd, t, now, 0), AI_BOARD_OPENED);

    /* two that went well between are no row */

    t = target_of("b", &usual);

    for (i = 0; i < 6; i++) {
        attempt(t, AI_OUTCOME_OK);
        attempt(t, AI_OUTCOME_OK);
        attempt(t, AI_OUTCOME_OK);
        assert_int_equal(ai_board_broke(bd, t, now, 0), AI_BOARD_SAME);
    }

    assert_int_equal(view(t).in_a_row, 1);

    /* a stream's head may have left the window */

    conf = usual;
    conf.failures = 0;
    t = target_of("c", &conf);

    attempt(t, AI_OUTCOME_OK);
    now += 20000;
    ai_board_broke(bd, t, now, 0);
    assert_int_equal(view(t).window, 1);
    assert_int_equal(view(t).window_failed, 1);

    /* never more failures than attempts */

    ai_board_broke(bd, t, now, 0);
    assert_int_equal(view(t).window, 2);
    assert_int_equal(view(t).window_failed, 2);
}


static void
test_by_hand(void **state)
{
    uint32_t  t;

    (void) state;

    t = target_of("a", &usual);

    ai_board_set_breaker(bd, t, AI_BREAKER_OPEN);
    assert_int_equal(begin(t), AI_TARGET_OPEN);
    assert_true(wait_ms > 0);
    now += 1000000000;
    assert_int_equal(begin(t), AI_TARGET_OPEN);
    assert_int_equal(view(t).open, 1);
    assert_int_equal(view(t).half, 0);
    assert_int_equal(end(t, AI_OUTCOME_OK), AI_BOARD_SAME);
    assert_int_equal(begin(t), AI_TARGET_OPEN);

    ai_board_set_breaker(bd, t, AI_BREAKER_CLOSED);

    while (view(t).in_a_row < 100) {
        assert_int_equal(attempt(t, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    }

    assert_int_equal(view(t).mode, AI_BREAKER_CLOSED);

    ai_board_set_breaker(bd, t, AI_BREAKER_AUTO);
    assert_int_equal(view(t).in_a_row, 0);
    assert_int_equal(view(t).window, 0);
    fails(t, 5);
    ai_board_set_breaker(bd, t, AI_BREAKER_AUTO);
    assert_int_equal(begin(t), AI_TARGET_READY);
    assert_int_equal(probe, 0);

    /* a rest ends as if it had never been */

    assert_int_equal(limited(t, INT64_MAX), AI_BOARD_RESTS);
    ai_board_set_breaker(bd, t, AI_BREAKER_OPEN);
    assert_int_equal(view(t).rest_ms, 600000);
    ai_board_set_breaker(bd, t, AI_BREAKER_CLOSED);
    assert_int_equal(begin(t), AI_TARGET_READY);

    limited(t, -1);
    ai_board_set_breaker(bd, t, AI_BREAKER_AUTO);
    assert_int_equal(begin(t), AI_TARGET_READY);
    assert_int_equal(limited(t, -1), AI_BOARD_RESTS);
    assert_int_equal(view(t).rest_ms, 1000);
}


static void
test_reload(void **state)
{
    uint32_t         t;
    ai_board_conf_t  conf;

    (void) state;

    t = target_of("a", &usual);
    assert_int_equal(ai_board_weight(bd, t), 15);

    ai_board_set_weight(bd, t, 0);
    fails(t, 5);
    now += 10;

    assert_int_equal(target_of("a", &usual), t);
    assert_int_equal(ai_board_weight(bd, t), 0);
    assert_int_equal(begin(t), AI_TARGET_OPEN);

    /* other words change, the weight does not */

    conf = usual;
    conf.failures = 7;
    conf.window_ms = 3;
    conf.cooldown_ms = 0;
    conf.canary_window_ms = 0;
    target_of("a", &conf);
    assert_int_equal(ai_board_weight(bd, t), 0);
    assert_int_equal(view(t).window, 0);

    conf.weight = 20;
    target_of("a", &conf);
    assert_int_equal(ai_board_weight(bd, t), 20);

    conf.canary = 1;
    conf.weight = 1000;
    target_of("a", &conf);
    assert_int_equal(ai_board_weight(bd, t), 100);
    ai_board_set_weight(bd, t, 101);
    assert_int_equal(ai_board_weight(bd, t), 100);
}


static void
test_canary_errors(void **state)
{
    unsigned         i, n;
    uint32_t         t;
    ai_board_conf_t  conf;
    static uint32_t  steps[] = { 50, 30, 15, 5, 0 };

    (void) state;

    conf = usual;
    conf.failures = 0;
    conf.errors = 0;
    conf.canary = 1;
    conf.weight = 100;
    conf.canary_errors = 10;
    t = target_of("a", &conf);

    for (i = 0; i < 5; i++) {
        attempt(t, AI_OUTCOME_LIMITED);
        now += 60000;

        for (n = 0; n < 9; n++) {
            assert_int_equal(attempt(t, n < 2 ? AI_OUTCOME_FAILED
                                              : AI_OUTCOME_OK),
                             AI_BOARD_SAME);
        }

        assert_int_equal(attempt(t, AI_OUTCOME_OK), AI_BOARD_STEPPED_BACK);
        assert_int_equal(ai_board_weight(bd, t), steps[i]);
        assert_int_equal(view(t).stepped, i ? steps[i - 1] : 100);
    }

    for (n = 0; n < 30; n++) {
        assert_int_equal(attempt(t, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    }

    /* as many as are allowed, and windows that are over */

    ai_board_set_weight(bd, t, 7);

    for (n = 0; n < 100; n++) {
        assert_int_equal(attempt(t, n % 10 ? AI_OUTCOME_OK
                                           : AI_OUTCOME_FAILED),
                         AI_BOARD_SAME);
        now += (n % 10 == 9) ? 60001 : 0;
    }

    for (n = 0; n < 9; n++) {
        assert_int_equal(attempt(t, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    }

    now += 60001;

    for (n = 0; n < 9; n++) {
        assert_int_equal(attempt(t, AI_OUTCOME_OK), AI_BOARD_SAME);
    }

    assert_int_equal(ai_board_broke(bd, t, now, 0), AI_BOARD_SAME);
    assert_int_equal(attempt(t, AI_OUTCOME_OK), AI_BOARD_SAME);
    assert_int_equal(ai_board_broke(bd, t, now, 0), AI_BOARD_STEPPED_BACK);
    assert_int_equal(ai_board_weight(bd, t), 5);

    /* what it stepped back to survives a reload */

    target_of("a", &conf);
    assert_int_equal(ai_board_weight(bd, t), 5);
}


/* both at once: the step back first, the breaker with the next failure */

static void
test_canary_breaker(void **state)
{
    unsigned         n;
    uint32_t         t;
    ai_board_conf_t  conf;

    (void) state;

    conf = usual;
    conf.failures = 10;
    conf.canary = 1;
    conf.canary_errors = 10;
    t = target_of("a", &conf);

    for (n = 0; n < 9; n++) {
        assert_int_equal(attempt(t, AI_OUTCOME_FAILED), AI_BOARD_SAME);
    }

    assert_int_equal(attempt(t, AI_OUTCOME_FAILED), AI_BOARD_STEPPED_BACK);
    assert_int_equal(attempt(t, AI_OUTCOME_FAILED), AI_BOARD_OPENED);
    assert_int_equal(ai_board_weight(bd, t), 5);
}


static ai_board_change_t
came(uint32_t t, uint32_t ms)
{
    return ai_board_end(bd, t, AI_OUTCOME_OK, 0, ms, -1, now, 0);
}


static void
test_canary_p99(void **state)
{
    unsigned         n;
    uint32_t         t, ms, p99;
    ai_board_conf_t  conf;

    (void) state;

    conf = usual;
    conf.canary = 1;
    conf.canary_p99_ms = 2000;
    conf.canary_requests = 100;
    t = target_of("a", &conf);

    /* the slowest of a hundred is not in it, two are */

    for (n = 0; n < 100; n++) {
        assert_int_equal(came(t, n == 50 ? 60000 : 1999), AI_BOARD_SAME);
    }

    assert_int_equal(came(t, 60000), AI_BOARD_STEPPED_BACK);
    assert_int_equal(ai_board_weight(bd, t), 5);
    assert_int_equal(view(t).p99_ms, 0);

    conf.canary_p99_ms = 0;
    t = target_of("b", &conf);

    for (ms = 0; ms < 10000000; ms += 1 + ms / 7) {
        ai_board_set_weight(bd, t, 15);

        for (n = 0; n < 200; n++) {
            came(t, ms);
        }

        /* all of one class: nothing above the slowest is said */

        p99 = view(t).p99_ms;
        assert_in_range(p99, ms >= (1 << 20) ? ms : ms - ms / 8, ms);
    }

    now += 60001;
    assert_int_equal(view(t).p99_ms, 0);
}


static void
test_keys(void **state)
{
    unsigned  i;
    uint32_t  keys[3];
    uint64_t  wait;

    (void) state;

    keys[0] = key_of("a");
    keys[1] = key_of("b");
    keys[2] = key_of("c");

    for (i = 0; i < 9; i++) {
        assert_int_equal(ai_board_key_next(bd, keys, 3, 0, now, &wait), i % 3);
        assert_int_equal(wait, 0);
    }

    assert_int_equal(ai_board_key_rest(bd, keys[1], 429, 5000, now), 1);
    assert_int_equal(ai_board_key_rest(bd, keys[1], 429, 4000, now), 0);
    assert_int_equal(ai_board_key_rests(bd, keys[1], now), 5000);

    for (i = 0; i < 4; i++) {
        assert_int_equal(ai_board_key_next(bd, keys, 3, 0, now, &wait),
                         i % 2 ? 2 : 0);
    }

    /* a good answer that was under way does not end a limit */

    ai_board_key_good(bd, keys[1]);
    assert_int_equal(ai_board_key_rests(bd, keys[1], now), 5000);

    assert_int_equal(ai_board_key_rest(bd, keys[0], 401, -1, now), 1);
    assert_int_equal(ai_board_key_rest(bd, keys[2], 401, -1, now), 1);
    assert_int_equal(ai_board_key_rests(bd, keys[2], now), 60000);

    /* all of them rest */

    assert_int_equal(ai_board_key_next(bd, keys, 3, 0, now, &wait), 1);
    assert_int_equal(wait, 5000);

    ai_board_key_good(bd, keys[2]);
    assert_int_equal(ai_board_key_next(bd, keys, 3, 0, now, &wait), 2);
    assert_int_equal(wait, 0);

    now += 5000;
    assert_int_equal(ai_board_key_next(bd, keys, 3, 0, now, &wait), 1);

    /* longer each time, ten minutes at most; whatever was said, too */

    for (i = 0; i < 6; i++) {
        assert_int_equal(ai_board_key_rest(bd, keys[2], 401, -1, now), 1);
        assert_int_equal(ai_board_key_rest(bd, keys[2], 401, -1, now), 0);
        assert_int_equal(ai_board_key_rests(bd, keys[2], now),
                         i < 4 ? 60000 << i : 600000);
        now += 600000;
    }

    ai_board_key_rest(bd, keys[1], 429, INT64_MAX, now);
    assert_int_equal(ai_board_key_rests(bd, keys[1], now), 600000);
}


/* a key whose quota is used up is the last to be tried, the target whose keys
   are all so, too */

static void
test_keys_quota(void **state)
{
    unsigned         i;
    uint32_t         keys[3];
    uint64_t         wait;
    ai_quota_said_t  said;

    (void) state;

    keys[0] = key_of("a");
    keys[1] = key_of("b");
    keys[2] = key_of("c");

    assert_int_equal(ai_board_keys_dry(bd, keys, 3, 10, now), 0);

    said = (ai_quota_said_t) { 0, 1000, 6000, 6000 };
    ai_board_key_said(bd, keys[1], &said, now);

    for (i = 0; i < 4; i++) {
        assert_int_equal(ai_board_key_next(bd, keys, 3, 10, now, &wait),
                         i % 2 ? 2 : 0);
    }

    /* what is sent counts, until it is told anew */

    said = (ai_quota_said_t) { -1, 25, -1, 3000 };
    ai_board_key_said(bd, keys[0], &said, now);

    assert_int_equal(ai_board_key_next(bd, keys, 2, 10, now, &wait), 0);
    assert_int_equal(ai_board_keys_dry(bd, keys, 2, 10, now), 0);
    assert_int_equal(ai_board_key_next(bd, keys, 2, 10, now, &wait), 0);
    assert_int_equal(ai_board_keys_dry(bd, keys, 2, 10, now), 3000);
    assert_int_equal(ai_board_keys_dry(bd, keys, 2, 5, now), 0);
    assert_int_equal(ai_board_keys_dry(bd, keys, 3, 10, now), 0);

    /* all are: the one that is back first, and nobody waits for it */

    assert_int_equal(ai_board_key_next(bd, keys, 2, 10, now, &wait), 0);
    assert_int_equal(wait, 0);

    /* one that rests is behind it, and does not hide it */

    ai_board_key_rest(bd, keys[2], 429, 2000, now);
    assert_int_equal(ai_board_keys_dry(bd, keys, 3, 10, now), 2000);
    assert_int_equal(ai_board_key_next(bd, keys, 3, 10, now, &wait), 0);
    assert_int_equal(ai_board_keys_dry(bd, &keys[2], 1, 10, now), 0);

    now += 3000;
    assert_int_equal(ai_board_key_next(bd, keys, 2, 10, now, &wait), 0);

    said = (ai_quota_said_t) { 0, -1, -1, -1 };
    ai_board_key_said(bd, keys[0], &said, now);
    assert_int_equal(ai_board_keys_dry(bd, keys, 2, 10, now), 3000);
    now += 3000;
    assert_int_equal(ai_board_key_next(bd, keys, 2, 10, now, &wait), 1);

    keys[1] = AI_BOARD_NONE;
    ai_board_key_said(bd, AI_BOARD_NONE, &said, now);
    assert_int_equal(ai_board_keys_dry(bd, keys, 2, 10, now), 0);
    assert_int_equal(ai_board_key_next(bd, keys, 2, 10, now, &wait), 1);
    assert_int_equal(ai_board_keys_dry(bd, keys, 0, 10, now), 0);
}


static void
test_keys_nameless(void **state)
{
    unsigned  i, seen[3] = { 0, 0, 0 };
    uint32_t  keys[3], next;
    uint64_t  wait;

    (void) state;

    keys[0] = AI_BOARD_NONE;
    keys[1] = key_of("b");
    keys[2] = AI_BOARD_NONE;

    assert_int_equal(ai_board_key_next(bd, keys, 3, 0, now, &wait), 1);
    ai_board_key_rest(bd, keys[1], 429, 5000, now);

    for (i = 0; i < 10; i++) {
        next = ai_board_key_next(bd, keys, 3, 0, now, &wait);
        assert_in_range(next, 0, 2);
        seen[next]++;
    }

    assert_int_equal(seen[0], 5);
    assert_int_equal(seen[2], 5);
    assert_int_equal(ai_board_key_rest(bd, AI_BOARD_NONE, 401, -1, now), 0);
    assert_int_equal(ai_board_key_rests(bd, AI_BOARD_NONE, now), 0);
    ai_board_key_good(bd, AI_BOARD_NONE);
    assert_int_equal(ai_board_key_next(bd, keys, 0, 0, now, &wait),
                     AI_BOARD_NONE);
}


/* ---- against the model ---- */

static uint64_t  seed;


static uint32_t
chance(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;

    return (uint32_t) (seed >> 33) % n;
}


static void
same(const model_t *m, uint32_t t)
{
    uint32_t         n, failed, row, p99;
    ai_board_view_t  v;

    v = view(t);
    model_window(m, now, &n, &failed);
    row = model_row(m);

    assert_int_equal(v.attempts, m->attempts);
    assert_int_equal(v.failed, m->failed);
    assert_int_equal(v.limited, m->limited);
    assert_int_equal(v.opened, m->opened);
    assert_int_equal(v.weight, m->weight);
    assert_int_equal(v.window, n);
    assert_int_equal(v.window_failed, failed);
    assert_int_equal(v.in_a_row, row);
    assert_int_equal(v.open, m->mode == AI_BREAKER_OPEN
                             || (m->mode == AI_BREAKER_AUTO && m->open));
    assert_int_equal(v.rest_ms, model_left(m->rest_until, now));

    p99 = 0;

    if (m->ncanary && now <= m->canary[0].at + m->conf.canary_window_ms) {
        p99 = model_p99(m);
    }

    assert_in_range(v.p99_ms, p99 - p99 / 8, p99 + p99 / 7);
}


static void
model_forget(model_t *m)
{
    m->open = 0;
    m->probe = 0;
    m->n = 0;
}


static ai_board_change_t
model_end(model_t *m, ai_outcome_t outcome, unsigned p, uint32_t ms,
    uint64_t at, uint32_t random)
{
    uint64_t  rest;
    unsigned  failed;

    failed = (outcome == AI_OUTCOME_FAILED);
    m->failed += failed;

    if (outcome == AI_OUTCOME_OK && model_left(m->rest_until, at) == 0) {
        m->doubled = 0;
    }

    if (p && p == m->probe) {
        m->probe = 0;

        if (outcome == AI_OUTCOME_OK) {
            model_forget(m);
            return AI_BOARD_CLOSED;
        }

        if (failed) {
            m->events[m->n++] = (model_event_t) { 0, 0, 1 };
            m->open_until = at + m->conf.cooldown_ms
                            + random % (m->conf.cooldown_ms / 5 + 1);
            m->opened++;
            return AI_BOARD_REOPENED;
        }
    }

    if (outcome == AI_OUTCOME_LIMITED) {
        m->limited++;

        if (model_left(m->rest_until, at)) {
            return AI_BOARD_SAME;
        }

        rest = (uint64_t) 1000 << (m->doubled < 6 ? m->doubled : 6);
        m->rest_until = at + (rest < 60000 ? rest : 60000);
        m->doubled++;
        return AI_BOARD_RESTS;
    }

    if (outcome != AI_OUTCOME_OK && !failed) {
        return AI_BOARD_SAME;
    }

    model_canary_add(m, failed, ms, at);

    if (!m->open) {
        m->events[m->n++] = (model_event_t) { at, ms, failed };
    }

    if (m->weight && model_canary_bad(m)) {
        m->weight = model_step(m->weight);
        m->ncanary = 0;
        return AI_BOARD_STEPPED_BACK;
    }

    if (model_opens(m, at)) {
        m->open = 1;
        m->opened++;
        m->open_until = at + m->conf.cooldown_ms
                        + random % (m->conf.cooldown_ms / 5 + 1);
        return AI_BOARD_OPENED;
    }

    return AI_BOARD_SAME;
}


static void
conf_by_chance(ai_board_conf_t *conf)
{
    memset(conf, 0, sizeof(*conf));

    conf->failures = chance(8);
    conf->errors = chance(3) ? 1 + chance(100) : 0;
    conf->requests = 1 + chance(30);
    conf->window_ms = 10 * (1 + chance(500));
    conf->cooldown_ms = 1 + chance(3000);
    conf->weight = chance(101);
    conf->canary = 1;
    conf->canary_errors = chance(101);
    conf->canary_p99_ms = chance(2) ? chance(6000) : 0;
    conf->canary_requests = 1 + chance(60);
    conf->canary_window_ms = 1 + chance(5000);
}


#define FLYING  8

static void
history(void)
{
    uint32_t                  t, random, ms;
    uint64_t                  model_wait;
    unsigned                  i, steps, p, flying[FLYING], flies[FLYING];
    static model_t            m;
    ai_outcome_t              outcome;
    ai_target_state_t         state;
    ai_quota_said_t           s;
    static const ai_outcome_t usual_outcomes[] = {
        AI_OUTCOME_OK, AI_OUTCOME_OK, AI_OUTCOME_FAILED, AI_OUTCOME_FAILED,
        AI_OUTCOME_FAILED, AI_OUTCOME_LIMITED, AI_OUTCOME_OTHER,
        AI_OUTCOME_GONE
    };

    memset(&m, 0, sizeof(m));
    memset(flies, 0, sizeof(flies));
    memset(flying, 0, sizeof(flying));

    m.left[0] = m.left[1] = -1;
    conf_by_chance(&m.conf);
    m.weight = m.conf.weight;
    t = target_of("m", &m.conf);

    for (steps = 0; steps < 300; steps++) {
        now += chance(4) ? chance(50) : chance(3000);
        i = chance(FLYING);

        if (!flies[i]) {
            uint64_t  tokens = chance(200);

            state = ai_board_begin(bd, t, tokens, now, &wait_ms, &p);

            assert_int_equal(state, model_ask(&m, tokens, now, &model_wait));
            assert_int_equal(wait_ms, model_wait);

            if (state == AI_TARGET_READY) {
                assert_int_equal(p != 0, m.open && m.mode == AI_BREAKER_AUTO);
                model_begin(&m, tokens, now, p);
                flies[i] = 1;
                flying[i] = p;
            }

        } else {
            outcome = usual_outcomes[chance(8)];
            random = chance(UINT32_MAX);
            ms = chance(5000);
            flies[i] = 0;

            assert_int_equal(ai_board_end(bd, t, outcome, flying[i], ms, -1,
                                          now, random),
                             model_end(&m, outcome, flying[i], ms, now,
                                       random));
        }

        if (chance(40) == 0) {
            s.requests = (int64_t) chance(20) - 1;
            s.tokens = (int64_t) chance(2000) - 1;
            s.requests_ms = s.tokens_ms = chance(2000);

            ai_board_said(bd, t, &s, now);

            for (i = 0; i < 2; i++) {
                int64_t  n = i ? s.tokens : s.requests;

                if (n >= 0) {
                    m.left[i] = n;
                    m.left_until[i] = now + (uint64_t) s.tokens_ms;
                }
            }
        }

        if (chance(60) == 0) {
            m.mode = chance(3);
            ai_board_set_breaker(bd, t, m.mode);
            model_forget(&m);

            if (m.mode != AI_BREAKER_OPEN) {
                m.rest_until = 0;
                m.doubled = 0;
            }
        }

        if (chance(60) == 0) {
            m.weight = chance(101);
            ai_board_set_weight(bd, t, m.weight);
            m.ncanary = 0;
        }

        same(&m, t);
    }
}


static void
test_model(void **state)
{
    unsigned  i;

    (void) state;

    for (i = 0; i < 3000; i++) {
        seed = i;
        ai_board_init(bd);
        history();
    }
}


int
main(void)
{
#define test(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)

    const struct CMUnitTest  tests[] = {
        test(test_version),
        test(test_places),
        test(test_no_place),
        test(test_row),
        test(test_rate),
        test(test_clock_behind),
        test(test_jitter),
        test(test_probe),
        test(test_probe_lost),
        test(test_probe_limited),
        test(test_rest),
        test(test_quota),
        test(test_latency),
        test(test_broke),
        test(test_by_hand),
        test(test_reload),
        test(test_canary_errors),
        test(test_canary_breaker),
        test(test_canary_p99),
        test(test_keys),
        test(test_keys_quota),
        test(test_keys_nameless),
        test(test_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
