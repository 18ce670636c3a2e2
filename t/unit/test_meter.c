
/*
 * Every fixture of the endpoints that the gateway serves, against the record
 * that its manifest expects: whole, byte by byte, cut in two at each place and
 * in random pieces.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "meter_run.h"
#include "naive_json.h"


#define FIXTURES  "t/data/fixtures/"

static const struct {
    const char     *api;
    ai_dialect_t    dialect;
    ai_endpoint_t   ep;
} apis[] = {
    { "openai.chat.completions", AI_DIALECT_OPENAI, AI_EP_CHAT },
    { "gemini.openai.chat.completions", AI_DIALECT_OPENAI, AI_EP_CHAT },
    { "azure.openai.chat.completions", AI_DIALECT_AZURE, AI_EP_CHAT },
    { "openai.completions", AI_DIALECT_OPENAI, AI_EP_COMPLETIONS },
    { "openai.responses", AI_DIALECT_OPENAI, AI_EP_RESPONSES },
    { "openai.embeddings", AI_DIALECT_OPENAI, AI_EP_EMBEDDINGS },
    { "openai.images", AI_DIALECT_OPENAI, AI_EP_IMAGES },
    { "openai.audio.transcriptions", AI_DIALECT_OPENAI,
      AI_EP_TRANSCRIPTIONS },
    { "openai.audio.speech", AI_DIALECT_OPENAI, AI_EP_SPEECH },
    { "openai.moderations", AI_DIALECT_OPENAI, AI_EP_MODERATIONS },
    { "anthropic.messages", AI_DIALECT_ANTHROPIC, AI_EP_MESSAGES },
    { "gemini.generateContent", AI_DIALECT_GEMINI, AI_EP_GENERATE },
    { "gemini.streamGenerateContent", AI_DIALECT_GEMINI,
      AI_EP_STREAM_GENERATE },
    { "gemini.embedContent", AI_DIALECT_GEMINI, AI_EP_EMBED },
    { "gemini.batchEmbedContents", AI_DIALECT_GEMINI, AI_EP_BATCH_EMBED },
};

typedef struct {
    char            file[128];
    ai_dialect_t    dialect;
    ai_endpoint_t   ep;
    ai_body_t       body;
    unsigned        whole;
    const char     *expected;
    const char     *text;
} fixture_t;


static const char *
dotted(const char *p, const char *key)
{
    char  name[96];

    snprintf(name, sizeof(name), "gen_ai.%s", key);

    return naive_get(p, name);
}


static int
fixture_load(fixture_t *fx, const char *p)
{
    char    api[64], type[64], stream[8];
    size_t  i;

    naive_text(naive_get(p, "api"), api, sizeof(api));

    for (i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
        if (strcmp(apis[i].api, api) == 0) {
            break;
        }
    }

    if (i == sizeof(apis) / sizeof(apis[0])) {
        assert_true(strncmp(api, "bedrock", 7) == 0
                    || strncmp(api, "cohere", 6) == 0
                    || strncmp(api, "ollama", 6) == 0
                    || strstr(api, "batch.output"));
        return 0;
    }

    fx->dialect = apis[i].dialect;
    fx->ep = apis[i].ep;

    naive_text(naive_get(p, "file"), fx->file, sizeof(fx->file));
    naive_text(naive_get(p, "content_type"), type, sizeof(type));
    naive_text(naive_get(p, "stream"), stream, sizeof(stream));

    fx->body = strncmp(type, "text/event-stream", 17) == 0 ? AI_BODY_SSE
               : strcmp(stream, "true") == 0 ? AI_BODY_JSON_ARRAY
                                             : AI_BODY_JSON;
    fx->whole = strstr(fx->file, "truncated") == NULL;
    fx->expected = naive_get(p, "expected");
    fx->text = naive_get(p, "expected_text");

    return 1;
}


static uint64_t
number(const char *p)
{
    return naive_is_null(p) ? 0 : strtoull(naive_space(p), NULL, 10);
}


/* a number with a point as an integer of 10^-places, rounded */

static int64_t
scaled(const char *p, double by)
{
    return naive_is_null(p) ? -1 : (int64_t) (strtod(p, NULL) * by + 0.5);
}


static void
classes_check(const uint64_t *classes, const char *expected)
{
    int  i;

    for (i = 0; i < AI_CLASS_N; i++) {
        assert_non_null(naive_get(expected, ai_class_names[i]));
        assert_int_equal(classes[i],
                         number(naive_get(expected, ai_class_names[i])));
    }
}


static void
strings_check(const ai_meter_t *m, const char *e)
{
    char         want[128], got[128], item[64];
    const char  *p, *error;

    snprintf(got, sizeof(got), "%.*s", m->model_len, m->model);
    naive_text(dotted(e, "response.model"), want, sizeof(want));
    assert_string_equal(got, strcmp(want, "null") ? want : "");

    snprintf(got, sizeof(got), "%.*s", m->tier_len, m->tier);
    naive_text(naive_get(e, "service_tier"), want, sizeof(want));
    assert_string_equal(got, strcmp(want, "null") ? want : "");

    want[0] = '\0';

    for (p = naive_first(dotted(e, "response.finish_reasons")); p;
         p = naive_next(p))
    {
        strcat(want, want[0] ? "," : "");
        strcat(want, naive_text(p, item, sizeof(item)));
    }

    snprintf(got, sizeof(got), "%.*s", m->finish_len, m->finish);
    assert_string_equal(got, want);

    error = naive_get(e, "error");
    assert_int_equal(m->failed, !naive_is_null(error));

    if (!naive_is_null(error)) {
        snprintf(got, sizeof(got), "%.*s", m->error_len, m->error);
        naive_text(naive_get(error, "code"), want, sizeof(want));
        naive_text(naive_get(error, "type"), item, sizeof(item));
        assert_true(strcmp(got, want) == 0 || strcmp(got, item) == 0);
    }
}


static void
subs_check(const ai_usage_t *u, const ai_meter_t *m, const char *p)
{
    char      want[64];
    unsigned  i;

    i = 0;

    for (p = naive_first(p); p; p = naive_next(p), i++) {
        assert_true(i < u->nsub);
        naive_text(naive_get(p, "kind"), want, sizeof(want));
        assert_string_equal(ai_sub_names[u->sub[i].kind], want);

        naive_text(naive_get(p, "model"), want, sizeof(want));

        if (u->sub[i].model_len) {
            assert_int_equal(u->sub[i].model_len, strlen(want));
            assert_memory_equal(u->sub[i].model, want, strlen(want));

        } else {
            assert_int_equal(m->model_len, strlen(want));
            assert_memory_equal(m->model, want, strlen(want));
        }

        classes_check(u->sub[i].classes, naive_get(p, "classes"));
    }

    assert_int_equal(i, u->nsub);
}


static void
record_check(meter_run_t *run, const fixture_t *fx)
{
    int          i;
    char         want[64];
    const char  *e;
    ai_usage_t  *u;

    u = &run->u;
    e = fx->expected;

    strings_check(&run->m, e);

    assert_int_equal(u->input_tokens, number(dotted(e, "usage.input_tokens")));
    assert_int_equal(u->output_tokens,
                     number(dotted(e, "usage.output_tokens")));
    assert_int_equal(u->cache_read_tokens,
                     number(dotted(e, "usage.cache_read.input_tokens")));
    assert_int_equal(u->cache_write_tokens,
                     number(dotted(e, "usage.cache_creation.input_tokens")));
    assert_int_equal(u->reasoning_tokens,
                     number(dotted(e, "usage.reasoning.output_tokens")));

    classes_check(u->classes, naive_get(e, "classes"));
    subs_check(u, &run->m, naive_get(e, "sub"));

    for (i = 0; i < AI_UNIT_N; i++) {
        assert_int_equal(u->units[i],
                         1000000 * number(naive_get(naive_get(e, "units"),
                                                    ai_unit_names[i])));
    }

    assert_int_equal(u->provider_nanos,
                     scaled(naive_get(e, "provider_cost_usd"), 1e9));

    naive_text(naive_get(e, "usage_source"), want, sizeof(want));
    assert_string_equal(ai_source_names[u->source], want);

    naive_text(naive_get(e, "stream_complete"), want, sizeof(want));
    assert_string_equal(u->complete ? "true" : "false", want);

    assert_int_equal(run->m.text_bytes,
                     number(naive_get(fx->text, "utf8_bytes")));
    assert_int_equal(run->m.text_chars,
                     number(naive_get(fx->text, "codepoints")));

    assert_int_equal(run->m.broken, 0);
    assert_int_equal(u->odd, 0);
}


static void
splits_check(const fixture_t *fx, const char *data, size_t len,
    const meter_run_t *once)
{
    size_t        i, n, at;
    meter_run_t   run;

    /* i < len: in two; == len: byte by byte; above: at random */

    srand(1);

    for (i = 1; i < len + 200; i++) {
        meter_run_begin(&run, fx->dialect, fx->ep, fx->body);

        for (at = 0; at < len; at += n) {
            n = i < len ? (at ? len - at : i)
                : i == len ? 1
                : (size_t) rand() % 40;
            n = n < len - at ? n : len - at;

            meter_run_feed(&run, data + at, n);
        }

        meter_run_end(&run, fx->whole);

        assert_string_equal(run.text, once->text);
        assert_int_equal(run.events, once->events);
    }
}


static void
test_fixtures(void **state)
{
    char         *manifest, *data, path[256];
    size_t        len;
    unsigned      served;
    fixture_t     fx;
    const char   *p;
    meter_run_t   run;

    (void) state;

    manifest = naive_read(FIXTURES "manifest.json", &len);
    served = 0;

    for (p = naive_first(naive_get(manifest, "fixtures")); p;
         p = naive_next(p))
    {
        if (!fixture_load(&fx, p)) {
            continue;
        }

        served++;
        snprintf(path, sizeof(path), FIXTURES "%s", fx.file);
        data = naive_read(path, &len);

        meter_run_begin(&run, fx.dialect, fx.ep, fx.body);
        meter_run_feed(&run, data, len);
        meter_run_end(&run, fx.whole);

        print_message("%s\n", fx.file);
        record_check(&run, &fx);
        splits_check(&fx, data, len, &run);

        free(data);
    }

    assert_true(served >= 37);
    free(manifest);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_fixtures),
    };

    return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
