
/*
 * Routes: which endpoint a raw path means, and what a provider gets.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_api.h"


static ai_route_t   rt;
static const char  *allow;


static ai_str_t
test_str(const char *s)
{
    ai_str_t  str;

    str.data = (ai_char *) s;
    str.len = strlen(s);

    return str;
}


static int
test_find(const char *method, const char *path, const char *args,
    unsigned hints)
{
    ai_str_t  m, p, a;

    m = test_str(method);
    p = test_str(path);
    a = test_str(args);
    allow = NULL;

    return ai_route_find(&rt, &m, &p, &a, hints, &allow);
}


static void
test_endpoints(void **state)
{
    unsigned  i;

    static const struct {
        const char    *method;
        const char    *path;
        unsigned       hints;
        ai_endpoint_t  ep;
        ai_dialect_t   dialect;
        const char    *model;
    } table[] = {
        { "POST", "/v1/chat/completions", 0, AI_EP_CHAT, AI_DIALECT_OPENAI,
          "" },
        { "POST", "/v1/chat/completions", AI_HINT_GOOG, AI_EP_CHAT,
          AI_DIALECT_OPENAI, "" },
        { "POST", "/v1/completions", 0, AI_EP_COMPLETIONS, AI_DIALECT_OPENAI,
          "" },
        { "POST", "/v1/responses", 0, AI_EP_RESPONSES, AI_DIALECT_OPENAI,
          "" },
        { "POST", "/v1/embeddings", 0, AI_EP_EMBEDDINGS, AI_DIALECT_OPENAI,
          "" },
        { "POST", "/v1/moderations", 0, AI_EP_MODERATIONS, AI_DIALECT_OPENAI,
          "" },
        { "POST", "/v1/images/generations", 0, AI_EP_IMAGES,
          AI_DIALECT_OPENAI, "" },
        { "POST", "/v1/audio/transcriptions", 0, AI_EP_TRANSCRIPTIONS,
          AI_DIALECT_OPENAI, "" },
        { "POST", "/v1/audio/translations", 0, AI_EP_TRANSLATIONS,
          AI_DIALECT_OPENAI, "" },
        { "POST", "/v1/audio/speech", 0, AI_EP_SPEECH, AI_DIALECT_OPENAI,
          "" },
        { "POST", "/v1/messages", 0, AI_EP_MESSAGES, AI_DIALECT_ANTHROPIC,
          "" },
        { "POST", "/v1/messages/count_tokens", 0, AI_EP_MESSAGES_COUNT,
          AI_DIALECT_ANTHROPIC, "" },
        { "GET", "/v1/models", 0, AI_EP_MODELS, AI_DIALECT_OPENAI, "" },
        { "HEAD", "/v1/models", 0, AI_EP_MODELS, AI_DIALECT_OPENAI, "" },
        { "GET", "/v1/models", AI_HINT_ANTHROPIC, AI_EP_MODELS,
          AI_DIALECT_ANTHROPIC, "" },
        { "GET", "/v1/models", AI_HINT_GOOG|AI_HINT_ANTHROPIC, AI_EP_MODELS,
          AI_DIALECT_GEMINI, "" },
        { "GET", "/v1beta/models", 0, AI_EP_MODELS, AI_DIALECT_GEMINI, "" },
        { "GET", "/v1/models/gpt-4.1", 0, AI_EP_MODEL, AI_DIALECT_OPENAI,
          "gpt-4.1" },
        { "GET", "/v1/models/ft:gpt-4o:org::id", 0, AI_EP_MODEL,
          AI_DIALECT_OPENAI, "ft:gpt-4o:org::id" },
        { "GET", "/v1beta/models/gemini-2.5", 0, AI_EP_MODEL,
          AI_DIALECT_GEMINI, "gemini-2.5" },
        { "GET", "/v1/usage", AI_HINT_ANTHROPIC, AI_EP_USAGE,
          AI_DIALECT_ANTHROPIC, "" },

        { "POST", "/v1beta/models/g:generateContent", 0, AI_EP_GENERATE,
          AI_DIALECT_GEMINI, "g" },
        { "POST", "/v1alpha/models/g:streamGenerateContent", 0,
          AI_EP_STREAM_GENERATE, AI_DIALECT_GEMINI, "g" },
        { "POST", "/v1/models/g:embedContent", 0, AI_EP_EMBED,
          AI_DIALECT_GEMINI, "g" },
        { "POST", "/v1beta/models/g%2D1%3a:batchEmbedContents", 0,
          AI_EP_BATCH_EMBED, AI_DIALECT_GEMINI, "g-1:" },
        { "POST", "/v1beta/models/g:countTokens", 0, AI_EP_COUNT_TOKENS,
          AI_DIALECT_GEMINI, "g" },

        { "POST", "/openai/deployments/d/chat/completions", 0, AI_EP_CHAT,
          AI_DIALECT_AZURE, "d" },
        { "POST", "/openai/deployments/d%20e/audio/speech", 0, AI_EP_SPEECH,
          AI_DIALECT_AZURE, "d e" },
        { "POST", "/openai/deployments/d/images/generations", 0,
          AI_EP_IMAGES, AI_DIALECT_AZURE, "d" },
        { "POST", "/openai/v1/chat/completions", 0, AI_EP_CHAT,
          AI_DIALECT_AZURE, "" },
        { "POST", "/openai/v1/responses", 0, AI_EP_RESPONSES,
          AI_DIALECT_AZURE, "" },
        { "GET", "/openai/v1/models", AI_HINT_GOOG, AI_EP_MODELS,
          AI_DIALECT_AZURE, "" },
        { "GET", "/openai/v1/models/m", 0, AI_EP_MODEL, AI_DIALECT_AZURE,
          "m" }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (test_find(table[i].method, table[i].path, "", table[i].hints)
            != AI_OK
            || rt.ep != table[i].ep || rt.dialect != table[i].dialect
            || rt.model.len != strlen(table[i].model)
            || (rt.model.len && memcmp(rt.model.data, table[i].model,
                                       rt.model.len) != 0))
        {
            fail_msg("%s: %d %d %.*s", table[i].path, rt.ep, rt.dialect,
                     (int) rt.model.len, rt.model.data);
        }
    }
}


static void
test_refused(void **state)
{
    unsigned  i;

    static const struct {
        const char    *method;
        const char    *path;
        int            rc;
        ai_dialect_t   dialect;
        const char    *allow;
    } table[] = {

        /* spellings that nginx or a provider may take for an endpoint */

        { "POST", "", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "//v1/chat/completions", AI_DECLINED, AI_DIALECT_OPENAI,
          NULL },
        { "POST", "/v1//chat/completions", AI_DECLINED, AI_DIALECT_OPENAI,
          NULL },
        { "POST", "/v1/x/../chat/completions", AI_DECLINED,
          AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/./completions", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/chat%2fcompletions", AI_DECLINED, AI_DIALECT_OPENAI,
          NULL },
        { "POST", "/%761/completions", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/completions#f", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/completions/", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/completions%20", AI_DECLINED, AI_DIALECT_OPENAI,
          NULL },
        { "POST", "/v1/completions;x", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/V1/completions", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/Completions", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1\\completions", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v11/completions", AI_DECLINED, AI_DIALECT_OPENAI, NULL },

        { "GET", "/v1/models/", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/a/b", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/a%2Fb", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/a%5cb", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/a%00", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/a%0a", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/a%7f", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/a%c2%85", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/a%ff", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/a%4", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/a%zz", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/..", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/%2e%2e", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/models/.", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1beta/models/:generateContent", AI_DECLINED,
          AI_DIALECT_GEMINI, NULL },
        { "POST", "/v1beta/models/g:generateContent%3F", AI_DECLINED,
          AI_DIALECT_GEMINI, NULL },
        { "POST", "/v1beta/models/g:generatecontent", AI_DECLINED,
          AI_DIALECT_GEMINI, NULL },
        { "POST", "/v1beta/models/a/b:generateContent", AI_DECLINED,
          AI_DIALECT_GEMINI, NULL },
        { "POST", "/v1beta/tunedModels/g:generateContent", AI_ERROR,
          AI_DIALECT_GEMINI, NULL },
        { "POST", "/openai/deployments//chat/completions", AI_DECLINED,
          AI_DIALECT_AZURE, NULL },
        { "POST", "/openai/deployments/../chat/completions", AI_DECLINED,
          AI_DIALECT_AZURE, NULL },
        { "POST", "/openai/deployments/d", AI_DECLINED, AI_DIALECT_AZURE,
          NULL },
        { "POST", "/openai/deployments/d/responses", AI_ERROR,
          AI_DIALECT_AZURE, NULL },
        { "POST", "/openai/deployments/d/moderations", AI_DECLINED,
          AI_DIALECT_AZURE, NULL },
        { "POST", "/openai/v1/models/g:generateContent", AI_DECLINED,
          AI_DIALECT_AZURE, NULL },
        { "POST", "/openai/chat/completions", AI_ERROR, AI_DIALECT_AZURE,
          NULL },
        { "POST", "/v1/messages/x", AI_DECLINED, AI_DIALECT_ANTHROPIC, NULL },

        /* methods */

        { "GET", "/v1/chat/completions", AI_BUSY, AI_DIALECT_OPENAI,
          "POST" },
        { "post", "/v1/chat/completions", AI_BUSY, AI_DIALECT_OPENAI,
          "POST" },
        { "PUT", "/v1/messages", AI_BUSY, AI_DIALECT_ANTHROPIC, "POST" },
        { "DELETE", "/v1/models/m", AI_BUSY, AI_DIALECT_OPENAI, "GET" },
        { "POST", "/v1/models", AI_BUSY, AI_DIALECT_OPENAI, "GET" },
        { "POST", "/v1/usage", AI_BUSY, AI_DIALECT_OPENAI, "GET" },
        { "GET", "/v1beta/models/g:generateContent", AI_BUSY,
          AI_DIALECT_GEMINI, "POST" },
        { "POST", "/v1beta/models/g", AI_BUSY, AI_DIALECT_GEMINI, "GET" },

        /* state */

        { "GET", "/v1/responses/resp_1", AI_ERROR, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/chat/completions/c", AI_ERROR, AI_DIALECT_OPENAI,
          NULL },
        { "POST", "/v1/files", AI_ERROR, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/batches", AI_ERROR, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/images/edits", AI_ERROR, AI_DIALECT_OPENAI, NULL },
        { "GET", "/v1/realtime", AI_ERROR, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/threads/t/runs", AI_ERROR, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/filesystem", AI_DECLINED, AI_DIALECT_OPENAI, NULL },
        { "POST", "/v1/messages/batches", AI_ERROR, AI_DIALECT_ANTHROPIC,
          NULL },
        { "POST", "/v1beta/cachedContents", AI_ERROR, AI_DIALECT_GEMINI,
          NULL },
        { "POST", "/upload/v1beta/files", AI_ERROR, AI_DIALECT_GEMINI, NULL },
        { "POST", "/v1beta/models/g:batchGenerateContent", AI_ERROR,
          AI_DIALECT_GEMINI, NULL },
        { "POST", "/openai/deployments/d/images/edits", AI_ERROR,
          AI_DIALECT_AZURE, NULL },
        { "POST", "/openai/v1/files", AI_ERROR, AI_DIALECT_AZURE, NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int  rc;

        rc = test_find(table[i].method, table[i].path, "", 0);

        if (rc != table[i].rc || rt.dialect != table[i].dialect
            || rt.ep != AI_EP_NONE
            || (table[i].allow && strcmp(allow, table[i].allow) != 0))
        {
            fail_msg("%s %s: %d %d %s", table[i].method, table[i].path, rc,
                     rt.dialect, allow);
        }
    }
}


static void
test_long_model(void **state)
{
    char  path[512];

    (void) state;

    strcpy(path, "/v1/models/");
    memset(path + 11, 'a', 128);
    path[11 + 128] = '\0';
    assert_int_equal(test_find("GET", path, "", 0), AI_OK);
    assert_int_equal(rt.model.len, 128);

    strcat(path, "a");
    assert_int_equal(test_find("GET", path, "", 0), AI_DECLINED);
}


static void
test_args(void **state)
{
    (void) state;

    (void) test_find("POST", "/v1beta/models/g:streamGenerateContent",
                     "x=1&alt=sse&key=secret", 0);
    assert_int_equal(rt.sse, 1);
    assert_int_equal(rt.version.len, 6);

    (void) test_find("POST", "/v1beta/models/g:streamGenerateContent",
                     "alt=json&alt=sse", 0);
    assert_int_equal(rt.sse, 0);

    (void) test_find("POST", "/v1/messages", "beta=true", 0);
    assert_int_equal(rt.beta, 1);
    assert_int_equal(rt.version.len, 0);

    (void) test_find("POST", "/v1/chat/completions", "beta=true&alt=sse", 0);
    assert_int_equal(rt.beta, 0);
    assert_int_equal(rt.sse, 0);

    (void) test_find("POST", "/openai/deployments/d/embeddings",
                     "api-version=2024-10-21", 0);
    assert_int_equal(rt.version.len, 10);

    (void) test_find("POST", "/openai/deployments/d/embeddings",
                     "api-version=a%26b=c", 0);
    assert_int_equal(rt.version.len, 0);
}


static void
test_build(void **state)
{
    unsigned  i;

    static const struct {
        const char    *path;
        const char    *args;
        ai_dialect_t   api;
        const char    *base;
        const char    *model;
        const char    *version;
        const char    *expected;        /* NULL: declined */
    } table[] = {
        { "/v1/chat/completions", "", AI_DIALECT_OPENAI, "", "m", "",
          "/v1/chat/completions" },
        { "/v1/chat/completions", "key=x", AI_DIALECT_OPENAI, "/openai/v1",
          "m", "", "/openai/v1/chat/completions" },
        { "/v1/chat/completions", "", AI_DIALECT_OPENAI, "/v1beta/openai",
          "m", "", "/v1beta/openai/chat/completions" },
        { "/v1/chat/completions", "", AI_DIALECT_OPENAI, "/openai", "m", "",
          "/openai/v1/chat/completions" },
        { "/v1/chat/completions", "", AI_DIALECT_OPENAI, "/api/paas/v4", "m",
          "", "/api/paas/v4/chat/completions" },
        { "/v1/chat/completions", "", AI_DIALECT_OPENAI, "/vhost", "m", "",
          "/vhost/v1/chat/completions" },
        { "/openai/v1/responses", "", AI_DIALECT_OPENAI, "", "m", "",
          "/v1/responses" },
        { "/v1/audio/transcriptions", "", AI_DIALECT_OPENAI, "/v1", "m", "",
          "/v1/audio/transcriptions" },

        { "/v1/chat/completions", "", AI_DIALECT_AZURE, "", "m n", "2024-10",
          "/openai/deployments/m%20n/chat/completions?api-version=2024-10" },
        { "/v1/chat/completions", "", AI_DIALECT_AZURE, "/openai", "m",
          "2024-10", "/openai/deployments/m/chat/completions"
          "?api-version=2024-10" },
        { "/openai/deployments/d/embeddings", "api-version=2025-01",
          AI_DIALECT_AZURE, "", "m", "2024-10",
          "/openai/deployments/m/embeddings?api-version=2025-01" },
        { "/v1/chat/completions", "", AI_DIALECT_AZURE, "/openai/v1", "m",
          "2024-10", "/openai/v1/chat/completions" },
        { "/v1/responses", "", AI_DIALECT_AZURE, "", "m", "2025-03",
          "/openai/responses?api-version=2025-03" },
        { "/v1/chat/completions", "", AI_DIALECT_AZURE, "", "m", "", NULL },
        { "/v1/moderations", "", AI_DIALECT_AZURE, "", "m", "2024", NULL },

        { "/v1/messages", "", AI_DIALECT_ANTHROPIC, "", "m", "",
          "/v1/messages" },
        { "/v1/messages", "beta=true&x=y", AI_DIALECT_ANTHROPIC,
          "/anthropic", "m", "", "/anthropic/v1/messages?beta=true" },
        { "/v1/messages/count_tokens", "", AI_DIALECT_ANTHROPIC, "/v1", "m",
          "", "/v1/messages/count_tokens" },

        { "/v1beta/models/g:generateContent", "", AI_DIALECT_GEMINI, "",
          "m/../x?y#z", "", "/v1beta/models/m%2F..%2Fx%3Fy%23z"
          ":generateContent" },
        { "/v1/models/g:streamGenerateContent", "alt=sse",
          AI_DIALECT_GEMINI, "", "models/m", "",
          "/v1/models/m:streamGenerateContent?alt=sse" },
        { "/v1/models/g:streamGenerateContent", "key=k", AI_DIALECT_GEMINI,
          "/v1beta", "m", "", "/v1beta/models/m:streamGenerateContent" },
        { "/v1beta/models/g:generateContent", "alt=sse", AI_DIALECT_GEMINI,
          "/x", "m", "", "/x/v1beta/models/m:generateContent" },

        { "/v1/messages", "", AI_DIALECT_OPENAI, "", "m", "", NULL },
        { "/v1/messages", "", AI_DIALECT_GEMINI, "", "m", "", NULL },
        { "/v1/chat/completions", "", AI_DIALECT_ANTHROPIC, "", "m", "",
          NULL },
        { "/v1beta/models/g:embedContent", "", AI_DIALECT_AZURE, "", "m",
          "x", NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int       rc;
        char      out[256];
        ai_buf_t  b;
        ai_str_t  base, model, version;

        assert_int_equal(test_find("POST", table[i].path, table[i].args, 0),
                         AI_OK);

        base = test_str(table[i].base);
        model = test_str(table[i].model);
        version = test_str(table[i].version);

        ai_buf_init(&b, out, sizeof(out));
        rc = ai_route_build(&b, &rt, table[i].api, &base, &model, &version);
        ai_buf_char(&b, '\0');

        if (table[i].expected == NULL) {
            assert_int_equal(rc, AI_DECLINED);
            continue;
        }

        assert_int_equal(rc, AI_OK);
        assert_string_equal(out, table[i].expected);
    }

    (void) test_find("GET", "/v1/models", "", 0);
    assert_int_equal(ai_route_build(NULL, &rt, AI_DIALECT_OPENAI, NULL, NULL,
                                    NULL), AI_DECLINED);
}


/* what it says is what building does, for all there is */

static void
test_serves(void **state)
{
    unsigned     ep, api, base, form;
    ai_buf_t     b;
    ai_char      text[512];
    ai_str_t     model = ai_string("m"), version;
    ai_route_t   rt;

    static ai_str_t  bases[] = {
        ai_string(""), ai_string("/openai"), ai_string("/openai/v1"),
        ai_string("/v1beta")
    };

    (void) state;

    for (ep = 0; ep < AI_EP_N; ep++) {
        for (api = 0; api <= AI_DIALECT_AZURE; api++) {
            for (base = 0; base < 4; base++) {
                for (form = 0; form < 4; form++) {

                    memset(&rt, 0, sizeof(ai_route_t));
                    rt.ep = (ai_endpoint_t) ep;
                    rt.deployment = form & 1;
                    rt.version = (ai_str_t) ai_string("2024");

                    version = (ai_str_t) ai_string("2025");
                    version.len = form & 2 ? version.len : 0;

                    ai_buf_init(&b, text, sizeof(text));

                    assert_int_equal(ai_route_serves(&rt, (ai_dialect_t) api,
                                                     &bases[base], &version),
                                     ai_route_build(&b, &rt,
                                                    (ai_dialect_t) api,
                                                    &bases[base], &model,
                                                    &version));
                }
            }
        }
    }
}


static void
test_names(void **state)
{
    (void) state;

    assert_true(ai_str_is(ai_api_name(AI_DIALECT_AZURE, AI_EP_CHAT),
                          "azure.openai.chat.completions"));
    assert_true(ai_str_is(ai_api_name(AI_DIALECT_OPENAI, AI_EP_IMAGES),
                          "openai.images"));
    assert_true(ai_str_is(ai_api_name(AI_DIALECT_GEMINI,
                                      AI_EP_STREAM_GENERATE),
                          "gemini.streamGenerateContent"));
    assert_true(ai_str_is(ai_api_name(AI_DIALECT_GEMINI, AI_EP_N), "-"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long_model),
        cmocka_unit_test(test_args),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_serves),
        cmocka_unit_test(test_names)
    };

    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
