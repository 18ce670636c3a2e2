
/*
 * A slot's life: identity, strings, running records, orphans, and that no
 * flipped bit is ever accepted with other content.
 */


#include <stdarg.h>
#include <stdlib.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "ai_slot.h"


static const ai_char  test_id[16] = {
    1, 2, 3, 4, 5, 6, 0x77, 8, 0x89, 10, 11, 12, 13, 14, 15, 16
};


static void
test_string(ai_slot_t *s, unsigned which, const char *text)
{
    ai_str_t  v;

    v.data = (ai_char *) text;
    v.len = strlen(text);

    ai_slot_string(s, which, &v);
}


static void
test_equal(const ai_slot_t *s, unsigned which, const char *text)
{
    ai_str_t  v;

    v = ai_slot_get(s, which);

    assert_int_equal(v.len, strlen(text));
    assert_memory_equal(v.data, text, v.len);
}


static void
test_fill(ai_slot_t *s)
{
    memset(s, 0xa5, sizeof(ai_slot_t));
    s->state = AI_SLOT_FREE;

    ai_slot_begin(s, test_id, 1795229874123, AI_DIALECT_OPENAI, AI_EP_CHAT);

    test_string(s, AI_SLOT_TENANT, "acme");
    test_string(s, AI_SLOT_KEY, "prod");
    test_string(s, AI_SLOT_PLAN, "pro");
    test_string(s, AI_SLOT_LABELS, "{\"team\":\"search\"}");
    test_string(s, AI_SLOT_MODEL, "gpt-4.1");

    s->hold_nanos = 5000000;
    s->price_version = 0xdeadbeef;
}


static void
test_run(ai_slot_t *s, uint64_t output)
{
    ai_run_t  run;

    memset(&run, 0, sizeof(run));

    run.input_tokens = 10;
    run.output_tokens = output;
    run.classes[AI_CLASS_INPUT] = 10;
    run.classes[AI_CLASS_OUTPUT] = output;
    run.cost_nanos = (int64_t) output * 1000;
    run.source = AI_SOURCE_PARTIAL;

    ai_slot_run(s, &run);
}


static void
slot_fits_its_size(void **state)
{
    (void) state;

    assert_true(sizeof(ai_slot_t) <= AI_SLOT_SIZE);
    assert_true(AI_SLOT_SIZE % 64 == 0);
}


static void
slot_begin_leaves_the_state(void **state)
{
    ai_slot_t  s;

    (void) state;

    memset(&s, 0xff, sizeof(s));
    s.state = AI_SLOT_FREE;
    ai_slot_begin(&s, test_id, 7, AI_DIALECT_GEMINI, AI_EP_GENERATE);

    assert_int_equal(s.state, AI_SLOT_FREE);
    assert_int_equal(s.first_byte_ms, UINT32_MAX);
    assert_int_equal(s.nattempts, 0);
    assert_int_equal(ai_slot_get(&s, AI_SLOT_TENANT).len, 0);
}


static void
slot_strings_in_any_order(void **state)
{
    ai_slot_t  s;

    (void) state;

    test_fill(&s);

    test_string(&s, AI_SLOT_ATTEMPT_PROVIDER, "openai");
    test_string(&s, AI_SLOT_ATTEMPT_PROVIDER + 1, "gpt-4.1");
    test_string(&s, AI_SLOT_ATTEMPT_PROVIDER + 2, "azure");
    test_string(&s, AI_SLOT_SERVED, "gpt-4.1-2025-04-14");
    test_string(&s, AI_SLOT_FINISH, "stop");
    test_string(&s, AI_SLOT_FINISH, "length,stop");
    test_string(&s, AI_SLOT_SERVED, "x");

    test_equal(&s, AI_SLOT_TENANT, "acme");
    test_equal(&s, AI_SLOT_MODEL, "gpt-4.1");
    test_equal(&s, AI_SLOT_SERVED, "x");
    test_equal(&s, AI_SLOT_FINISH, "length,stop");
    test_equal(&s, AI_SLOT_ATTEMPT_PROVIDER, "openai");
    test_equal(&s, AI_SLOT_ATTEMPT_PROVIDER + 1, "gpt-4.1");
    test_equal(&s, AI_SLOT_ATTEMPT_PROVIDER + 2, "azure");
    assert_int_equal(s.shifting, 0);
}


/* appended, replaced, moved: always what was set last */

static void
slot_strings_are_what_was_set(void **state)
{
    int        n;
    unsigned   i, which;
    ai_str_t   v, want[AI_SLOT_STRINGS];
    ai_char    text[AI_SLOT_STRINGS][40];
    ai_slot_t  s;

    (void) state;

    srand(7);

    for (n = 0; n < 20000; n++) {

        if (n % 50 == 0) {
            memset(&s, 0xa5, sizeof(s));
            ai_slot_begin(&s, test_id, 7, AI_DIALECT_OPENAI, AI_EP_CHAT);
            memset(want, 0, sizeof(want));
        }

        which = (unsigned) rand() % AI_SLOT_STRINGS;

        v.data = text[which];
        v.len = (size_t) rand() % sizeof(text[0]);
        memset(text[which], 'a' + n % 26, v.len);
        want[which] = v;

        ai_slot_string(&s, which, &v);

        for (i = 0; i < AI_SLOT_STRINGS; i++) {
            v = ai_slot_get(&s, i);
            assert_int_equal(v.len, want[i].len);

            if (v.len) {
                assert_memory_equal(v.data, want[i].data, v.len);
            }
        }
    }
}


static void
slot_strings_are_cut_at_a_character(void **state)
{
    unsigned   i;
    ai_str_t   v, got;
    ai_char    text[AI_SLOT_TEXT + 8];
    ai_slot_t  s;

    (void) state;

    for (i = 0; i + 1 < sizeof(text); i += 2) {
        text[i] = 0xc3;
        text[i + 1] = 0xa9;
    }

    test_fill(&s);
    v.data = text;
    v.len = sizeof(text);
    ai_slot_string(&s, AI_SLOT_SERVED, &v);

    got = ai_slot_get(&s, AI_SLOT_SERVED);
    assert_true(got.len % 2 == 0);
    assert_true(got.len < AI_SLOT_TEXT);
    assert_true(got.len > AI_SLOT_TEXT - 64);

    test_string(&s, AI_SLOT_FINISH, "does not fit any more");
    assert_true(ai_slot_get(&s, AI_SLOT_FINISH).len <= 1);
    test_equal(&s, AI_SLOT_MODEL, "gpt-4.1");
}


static void
slot_runs_flip(void **state)
{
    ai_slot_t  s;

    (void) state;

    test_fill(&s);
    ai_slot_intent(&s);
    ai_slot_started(&s);

    test_run(&s, 1);
    assert_int_equal(s.runs[s.run].output_tokens, 1);
    test_run(&s, 2);
    assert_int_equal(s.runs[s.run].output_tokens, 2);
    assert_int_equal(s.runs[!s.run].output_tokens, 1);
}


static void
orphan_intent_is_refused(void **state)
{
    ai_slot_t  s;

    (void) state;

    test_fill(&s);
    ai_slot_intent(&s);

    assert_int_equal(ai_slot_orphan(&s, 1795229874123 + 500), AI_OK);
    assert_int_equal(s.state, AI_SLOT_REFUSED);
    assert_int_equal(s.duration_ms, 500);
    assert_int_equal(s.runs[s.run].cost_nanos, 0);
    assert_int_equal(s.runs[s.run].source, AI_SOURCE_NONE);
    assert_int_equal(ai_slot_check(&s), AI_OK);
}


static void
orphan_started_keeps_what_was_delivered(void **state)
{
    ai_slot_t  s;

    (void) state;

    test_fill(&s);
    ai_slot_intent(&s);
    test_string(&s, AI_SLOT_ATTEMPT_PROVIDER, "openai");
    s.nattempts = 1;
    ai_slot_started(&s);
    test_run(&s, 77);

    /* half of the next record was written when the worker died */
    memset(&s.runs[!s.run], 0xee, sizeof(ai_run_t) / 2);

    /* a clock that went back */
    assert_int_equal(ai_slot_orphan(&s, 5), AI_OK);
    assert_int_equal(s.state, AI_SLOT_INTERRUPTED);
    assert_int_equal(s.duration_ms, 0);
    assert_int_equal(s.runs[s.run].output_tokens, 77);
    assert_int_equal(s.runs[s.run].cost_nanos, 77000);
    assert_int_equal(s.attempts[0].reason, AI_REASON_DEATH);
    assert_int_equal(ai_slot_check(&s), AI_OK);
}


static void
orphan_with_moving_strings_drops_them(void **state)
{
    ai_slot_t  s;

    (void) state;

    test_fill(&s);
    ai_slot_intent(&s);
    test_string(&s, AI_SLOT_ATTEMPT_PROVIDER, "openai");
    s.nattempts = 1;
    ai_slot_started(&s);
    s.shifting = 1;

    assert_int_equal(ai_slot_orphan(&s, 5), AI_OK);
    test_equal(&s, AI_SLOT_ATTEMPT_PROVIDER, "");
    test_equal(&s, AI_SLOT_MODEL, "gpt-4.1");
}


static void
orphan_refuses_a_torn_identity(void **state)
{
    unsigned   i;
    ai_slot_t  s, copy;

    (void) state;

    test_fill(&s);
    ai_slot_intent(&s);
    ai_slot_started(&s);

    for (i = 0; i < 16; i++) {
        copy = s;
        copy.id[i] ^= 1;
        assert_int_equal(ai_slot_orphan(&copy, 5), AI_ERROR);
    }

    copy = s;
    copy.text[0] ^= 0x20;
    assert_int_equal(ai_slot_orphan(&copy, 5), AI_ERROR);

    copy = s;
    copy.state = AI_SLOT_FREE;
    assert_int_equal(ai_slot_orphan(&copy, 5), AI_ERROR);

    copy = s;
    ai_slot_end(&copy, AI_SLOT_FINAL);
    assert_int_equal(ai_slot_orphan(&copy, 5), AI_ERROR);
}


/* every bit of an ended slot: noticed, or not part of the row */

static void
no_flipped_bit_changes_a_row(void **state)
{
    size_t     i, noticed;
    ai_buf_t   a, b;
    ai_char    before[AI_SLOT_ROW_MAX], after[AI_SLOT_ROW_MAX];
    ai_slot_t  s, copy;

    (void) state;

    test_fill(&s);
    ai_slot_intent(&s);
    test_string(&s, AI_SLOT_SERVED, "gpt-4.1-x");
    test_string(&s, AI_SLOT_ATTEMPT_PROVIDER, "openai");
    s.nattempts = 1;
    s.nsubs = 1;
    s.subs[0].classes[0] = 3;
    ai_slot_started(&s);
    test_run(&s, 5);
    ai_slot_end(&s, AI_SLOT_FINAL);
    assert_int_equal(ai_slot_check(&s), AI_OK);

    ai_buf_init(&a, before, sizeof(before));
    ai_slot_row(&a, &s);
    noticed = 0;

    for (i = 0; i < sizeof(ai_slot_t) * 8; i++) {
        copy = s;
        ((ai_char *) &copy)[i / 8] ^= (ai_char) (1 << i % 8);

        if (ai_slot_check(&copy) != AI_OK) {
            noticed++;
            continue;
        }

        ai_buf_init(&b, after, sizeof(after));
        ai_slot_row(&b, &copy);
        assert_int_equal(b.pos - after, a.pos - before);
        assert_memory_equal(before, after, (size_t) (a.pos - before));
    }

    assert_true(noticed > 2000);
}


static void
check_refuses_open_and_unknown_states(void **state)
{
    ai_slot_t  s;

    (void) state;

    test_fill(&s);
    ai_slot_intent(&s);
    assert_int_equal(ai_slot_check(&s), AI_ERROR);

    ai_slot_end(&s, AI_SLOT_FAILED);
    assert_int_equal(ai_slot_check(&s), AI_OK);

    s.state = AI_SLOT_FAILED + 1;
    assert_int_equal(ai_slot_check(&s), AI_ERROR);
}


static void
end_clamps_counts(void **state)
{
    ai_slot_t  s;

    (void) state;

    test_fill(&s);
    ai_slot_intent(&s);
    s.nsubs = 200;
    s.nattempts = 200;
    ai_slot_end(&s, AI_SLOT_FINAL);

    assert_int_equal(ai_slot_check(&s), AI_OK);
    assert_int_equal(s.nsubs, AI_SLOT_SUBS);
    assert_int_equal(s.nattempts, AI_SLOT_ATTEMPTS);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(slot_fits_its_size),
        cmocka_unit_test(slot_begin_leaves_the_state),
        cmocka_unit_test(slot_strings_in_any_order),
        cmocka_unit_test(slot_strings_are_what_was_set),
        cmocka_unit_test(slot_strings_are_cut_at_a_character),
        cmocka_unit_test(slot_runs_flip),
        cmocka_unit_test(orphan_intent_is_refused),
        cmocka_unit_test(orphan_started_keeps_what_was_delivered),
        cmocka_unit_test(orphan_with_moving_strings_drops_them),
        cmocka_unit_test(orphan_refuses_a_torn_identity),
        cmocka_unit_test(no_flipped_bit_changes_a_row),
        cmocka_unit_test(check_refuses_open_and_unknown_states),
        cmocka_unit_test(end_clamps_counts)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
