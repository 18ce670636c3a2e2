
/*
 * What the manifest of the fixtures says of one, held against its translation.
 */


#ifndef TRANSLATE_FIXTURE_H
#define TRANSLATE_FIXTURE_H


#include "naive_json.h"
#include "translate_run.h"


#define FIXTURES  "t/data/fixtures/"


static inline uint64_t
translate_number(const char *p)
{
    return naive_is_null(p) ? 0 : strtoull(naive_space(p), NULL, 10);
}


/* "entry" is the fixture's in the manifest */

static inline void
translate_expect(const translate_run_t *run, const char *entry)
{
    const char  *e;

    e = naive_get(entry, "expected_text");

    assert_int_equal(run->again.text_bytes,
                     translate_number(naive_get(e, "utf8_bytes")));
    assert_int_equal(run->again.text_chars,
                     translate_number(naive_get(e, "codepoints")));

    e = naive_get(entry, "expected");

    assert_int_equal(run->usage_again.input_tokens,
        translate_number(naive_get(e, "gen_ai.usage.input_tokens")));
    assert_int_equal(run->usage_again.output_tokens,
        translate_number(naive_get(e, "gen_ai.usage.output_tokens")));
    assert_int_equal(run->usage_again.source, run->usage.source);
    assert_true(translate_is_equal(run));
}


#endif /* TRANSLATE_FIXTURE_H */
