
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include "ai_lease_wire.h"


#define NODE  "0b5ae1c2-9d1f-4c55-8a6e-3f1d2c4b5a69"

static ai_lease_words_t  w;
static ai_lease_call_t   call;
static ai_lease_cell_t   cells[AI_LEASE_CELLS];


static int
setup(void **state)
{
    unsigned  i;

    (void) state;
    memset(&call, 0, sizeof(call));
    memset(cells, 0, sizeof(cells));

    call.prefix.data = (ai_char *) "ai:";
    call.prefix.len = 3;
    call.node.data = (ai_char *) NODE;
    call.node.len = 36;
    call.start = 7;
    call.seq = 42;
    call.shard = 3;
    call.nodes = 2;
    call.epoch.count = 5;
    call.epoch.random = 0x00ab00000000cdefULL;
    call.fresh = 0x1;
    call.now_ms = 1795228074123ULL;         /* 2026-11-21T02:27:54.123Z */
    call.late_ms = 1000;
    call.hold_ms = 3200;

    for (i = 0; i < AI_LEASE_CELLS; i++) {
        cells[i].kind = AI_LEASE_WINDOW;
        cells[i].resource = AI_RES_COST;
        cells[i].period = AI_PERIOD_DAY;
        cells[i].window = 20261121;
        cells[i].limit = 1000;
        cells[i].want = 50;
        cells[i].need = 10;
        memset(cells[i].id.id, (int) i, 16);
    }

    return 0;
}


static void
is(const ai_str_t *s, const char *text)
{
    assert_int_equal(s->len, strlen(text));
    assert_memory_equal(s->data, text, s->len);
}


static void
test_words(void **state)
{
    unsigned                  i;
    static const char *const  words[] = {
        "0000000007.0000000000000042", NODE, "5-00ab00000000cdef",
        "0000000000000001", "", "1795228074123", "1000", "3200", "2", "rdh",
        "w", "1", "1000", "0", "0", "300", "100", "0", "50", "10", "163926"
    };

    (void) state;
    call.reported = 1;
    call.counted = 1;
    call.present = 1;
    cells[0].local = 1;
    cells[0].sum = 300;
    cells[0].unspent = 100;
    memset(cells[0].id.id, 0xa7, 16);

    assert_int_equal(ai_lease_words(&w, &call, cells, 1), AI_OK);
    assert_int_equal(w.nkeys, 2);
    assert_int_equal(w.nargs, 21);

    is(&w.keys[0], "ai:{3}");
    is(&w.keys[1], "ai:{3}:5-00ab00000000cdef:"
       "a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7:4:3:20261121");

    for (i = 0; i < 21; i++) {
        is(&w.args[i], words[i]);
    }
}


/* silent nodes keep their shares; the sum begins anew */

static void
test_words_bits(void **state)
{
    unsigned  i;
    char      text[2];

    (void) state;
    text[1] = '\0';

    for (i = 0; i < 8; i++) {
        cells[0].local = i & 1;
        cells[0].fresh = (i & 2) != 0;
        cells[0].lost = (i & 4) != 0;
        text[0] = (char) ('0' + i);

        assert_int_equal(ai_lease_words(&w, &call, cells, 1), AI_OK);
        is(&w.args[11], text);
    }
}


static void
test_words_beat(void **state)
{
    (void) state;
    call.epoch.count = 0;

    assert_int_equal(ai_lease_words(&w, &call, cells, 0), AI_OK);
    assert_int_equal(w.nkeys, 1);
    assert_int_equal(w.nargs, 10);
    is(&w.args[2], "");
    is(&w.args[9], "");
}


/* the largest of all fits */

static void
test_words_most(void **state)
{
    unsigned  i;
    ai_char   prefix[64];

    (void) state;
    memset(prefix, 'p', sizeof(prefix));
    call.prefix.data = prefix;
    call.prefix.len = sizeof(prefix);
    call.epoch.count = UINT64_MAX;
    call.epoch.random = UINT64_MAX;

    for (i = 0; i < AI_LEASE_CELLS; i++) {
        cells[i].kind = AI_LEASE_BUCKET;
        cells[i].period = AI_PERIOD_HOUR;
        cells[i].window = UINT64_MAX;
        cells[i].limit = INT64_MAX;
        cells[i].amount = AI_LIMIT_MAX;
        cells[i].sum = INT64_MAX;
        cells[i].unspent = INT64_MAX;
        cells[i].mine = INT64_MAX;
        cells[i].want = INT64_MAX;
        cells[i].need = INT64_MAX;
    }

    assert_int_equal(ai_lease_words(&w, &call, cells, AI_LEASE_CELLS), AI_OK);
    assert_int_equal(w.nkeys, AI_LEASE_KEYS);
    assert_int_equal(w.nargs, AI_LEASE_ARGS);
    assert_true(w.args[w.nargs].data <= w.text + sizeof(w.text));

    assert_int_equal(ai_lease_words(&w, &call, cells, AI_LEASE_CELLS + 1), AI_ERROR);

    call.prefix.len = sizeof(w.text) + 1;
    call.prefix.data = (ai_char *) cells;
    assert_true(sizeof(w.text) + 1 > sizeof(cells)
                || ai_lease_words(&w, &call, cells, 0) == AI_ERROR);
}


static void
test_words_odd(void **state)
{
    (void) state;

    cells[0].unspent = -1;
    assert_int_equal(ai_lease_words(&w, &call, cells, 1), AI_ERROR);

    cells[0].unspent = 0;
    cells[0].kind = 3;
    assert_int_equal(ai_lease_words(&w, &call, cells, 1), AI_ERROR);
}


static void
test_ttl(void **state)
{
    uint64_t         now;
    ai_lease_cell_t  c;

    (void) state;
    memset(&c, 0, sizeof(c));
    now = 1795228074;

    c.kind = AI_LEASE_WINDOW;
    c.period = AI_PERIOD_TOTAL;
    assert_int_equal(ai_lease_ttl(&c, 1, now), 400 * 86400);

    c.period = AI_PERIOD_DAY;
    assert_int_equal(ai_lease_ttl(&c, 1, now), ai_window_end(AI_PERIOD_DAY, now) - now + 86400);

    c.period = AI_PERIOD_MONTH;
    assert_int_equal(ai_lease_ttl(&c, 1, now), ai_window_end(AI_PERIOD_MONTH, now) - now + 86400);

    c.kind = AI_LEASE_SLOTS;
    c.period = AI_PERIOD_NONE;
    assert_int_equal(ai_lease_ttl(&c, 1, now), 86400);

    /* ten hours to be full, by one node of three thirty */

    c.kind = AI_LEASE_BUCKET;
    c.period = AI_PERIOD_HOUR;
    c.limit = 1000;
    c.amount = 100;
    assert_true(ai_lease_ttl(&c, 3, now) >= 30 * 3600 + 86400);

    c.limit = INT64_MAX;
    c.amount = 1;
    assert_int_equal(ai_lease_ttl(&c, 64, now), 365 * 86400);

    c.amount = 0;
    assert_int_equal(ai_lease_ttl(&c, 64, now), 86400);
}


/* an answer, as text; '|' between the items */

static int
reply(ai_lease_reply_t *r, const char *text, unsigned ncells)
{
    size_t       n;
    ai_str_t     items[64];
    const char  *p, *end;

    for (n = 0, p = text; n < 64; p = end + 1) {
        end = strchr(p, '|');
        end = end ? end : p + strlen(p);

        items[n].data = (ai_char *) (uintptr_t) p;
        items[n++].len = (size_t) (end - p);

        if (*end == '\0') {
            break;
        }
    }

    return ai_lease_reply(r, &call, cells, ncells, items, n);
}


#define OP  "0000000007.0000000000000042"
#define HEAD  OP "|ok|5-00ab00000000cdef|1795228074200|1|1|2|"


static void
test_reply(void **state)
{
    ai_lease_reply_t  r;

    (void) state;

    assert_int_equal(reply(&r, HEAD "2|10|-5|-1|50|940|120", 2), AI_OK);
    assert_int_equal(r.status, AI_LEASE_STATUS_OK);
    assert_int_equal(r.time_ms, 1795228074200ULL);
    assert_int_equal(r.nodes, 2);
    assert_true(r.seeded && r.heard);
    assert_int_equal(cells[0].granted, 10);
    assert_int_equal(cells[0].left, -5);
    assert_int_equal(cells[0].wait_ms, -1);
    assert_int_equal(cells[1].granted, 50);
    assert_int_equal(cells[1].left, 940);
    assert_int_equal(cells[1].wait_ms, 120);

    assert_int_equal(reply(&r, OP "|epoch|9-00000000000000ff|1|0|0|0|0", 2), AI_OK);
    assert_int_equal(r.status, AI_LEASE_STATUS_EPOCH);
    assert_int_equal(r.epoch.count, 9);
    assert_int_equal(r.epoch.random, 255);

    assert_int_equal(reply(&r, OP "|clock||1|0|0|0|0", 2), AI_OK);
    assert_int_equal(r.status, AI_LEASE_STATUS_CLOCK);
    assert_int_equal(r.epoch.count, 0);

    assert_int_equal(reply(&r, OP "|fence|5-00ab00000000cdef|1|1|1|2|0", 2), AI_OK);
    assert_int_equal(r.status, AI_LEASE_STATUS_FENCE);

    assert_int_equal(reply(&r, OP "|late|5-00ab00000000cdef|1|1|1|2|0", 2), AI_OK);
    assert_int_equal(r.status, AI_LEASE_STATUS_LATE);

    /* a heartbeat */

    assert_int_equal(reply(&r, HEAD "0", 0), AI_OK);
    assert_int_equal(r.status, AI_LEASE_STATUS_OK);
}


static void
test_reply_odd(void **state)
{
    size_t                    i;
    ai_lease_reply_t          r, before;
    ai_lease_cell_t           cell;
    static const char *const  odd[] = {
        "",
        OP,
        "0000000007.0000000000000041|ok|5-00ab00000000cdef|1|1|1|2|1|10|1|-1",
        "0000000008.0000000000000042|ok|5-00ab00000000cdef|1|1|1|2|1|10|1|-1",
        "7.42|ok|5-00ab00000000cdef|1|1|1|2|1|10|1|-1",
        OP "|OK|5-00ab00000000cdef|1|1|1|2|1|10|1|-1",
        OP "||5-00ab00000000cdef|1|1|1|2|1|10|1|-1",
        OP "|ok|6-00ab00000000cdef|1|1|1|2|1|10|1|-1",
        OP "|ok|5-00ab00000000cdee|1|1|1|2|1|10|1|-1",
        OP "|ok||1|1|1|2|1|10|1|-1",
        OP "|ok|05-00ab00000000cdef|1|1|1|2|1|10|1|-1",
        OP "|epoch|0-00ab00000000cdef|1|1|1|2|0",
        OP "|epoch|5-00AB00000000CDEF|1|1|1|2|0",
        OP "|epoch|5|1|1|1|2|0",
        OP "|epoch|-00ab00000000cdef|1|1|1|2|0",
        OP "|epoch|99999999999999999999-00ab00000000cdef|1|1|1|2|0",
        OP "|ok|5-00ab00000000cdef|-1|1|1|2|1|10|1|-1",
        OP "|ok|5-00ab00000000cdef|1e3|1|1|2|1|10|1|-1",
        OP "|ok|5-00ab00000000cdef|9007199254740993|1|1|2|1|10|1|-1",
        OP "|ok|5-00ab00000000cdef|1|2|1|2|1|10|1|-1",
        OP "|ok|5-00ab00000000cdef|1||1|2|1|10|1|-1",
        OP "|ok|5-00ab00000000cdef|1|1|true|2|1|10|1|-1",
        OP "|ok|5-00ab00000000cdef|1|1|1|65|1|10|1|-1",
        HEAD "0",
        HEAD "1",
        HEAD "1|10",
        HEAD "1|10|1",
        HEAD "1|10|1|-1|",
        HEAD "2|10|1|-1|10|1|-1",
        HEAD "2|10|1|-1",
        HEAD "01|10|1|-1",
        HEAD "1|-1|1|-1",
        HEAD "1|-0|1|-1",
        HEAD "1|010|1|-1",
        HEAD "1|+10|1|-1",
        HEAD "1|10.0|1|-1",
        HEAD "1||1|-1",
        HEAD "1|9223372036854775808|1|-1",
        HEAD "1|10|9223372036854775808|-1",
        HEAD "1|10|-9223372036854775809|-1",
        HEAD "1|10|1|-2",
        HEAD "1|10|1|",
        HEAD "1|51|1|-1",                       /* more than was wanted */
        HEAD "1|9|1|-1",                        /* less than was needed */
        OP "|ok|5-00ab00000000cdef|1|0|1|2|1|10|1|-1",      /* not seeded */
        OP "|epoch|6-00ab00000000cdef|1|1|1|2|1|10|1|-1",   /* not by this */
    };

    (void) state;
    memset(&r, 0x5a, sizeof(r));
    before = r;
    cell = cells[0];

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        if (reply(&r, odd[i], 1) != AI_ERROR) {
            printf("taken: \"%s\"\n", odd[i]);
            fail();
        }

        assert_memory_equal(&r, &before, sizeof(r));
        assert_memory_equal(&cells[0], &cell, sizeof(cell));
    }

    /* what of it is good */

    assert_int_equal(reply(&r, HEAD "1|10|9223372036854775807|0", 1), AI_OK);
    assert_int_equal(reply(&r, HEAD "1|0|-9223372036854775807|-1", 1), AI_OK);

    /* nothing for one, and something for the other */

    assert_int_equal(reply(&r, HEAD "2|0|1|-1|10|1|-1", 2), AI_ERROR);

    /* an answer to an operation that knew no epoch */

    call.epoch.count = 0;
    assert_int_equal(reply(&r, OP "|ok||1|1|1|2|0", 0), AI_ERROR);
}


static void
test_epoch_cmp(void **state)
{
    ai_lease_epoch_t  a, b;

    (void) state;
    a.count = 1;
    a.random = 9;
    b.count = 2;
    b.random = 1;
    assert_true(ai_lease_epoch_cmp(&a, &b) < 0);
    assert_true(ai_lease_epoch_cmp(&b, &a) > 0);

    b.count = 1;
    assert_true(ai_lease_epoch_cmp(&a, &b) > 0);

    b.random = 9;
    assert_int_equal(ai_lease_epoch_cmp(&a, &b), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_words, setup),
        cmocka_unit_test_setup(test_words_bits, setup),
        cmocka_unit_test_setup(test_words_beat, setup),
        cmocka_unit_test_setup(test_words_most, setup),
        cmocka_unit_test_setup(test_words_odd, setup),
        cmocka_unit_test_setup(test_ttl, setup),
        cmocka_unit_test_setup(test_reply, setup),
        cmocka_unit_test_setup(test_reply_odd, setup),
        cmocka_unit_test_setup(test_epoch_cmp, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
