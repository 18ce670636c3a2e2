
/*
 * Refusals: status, retry and body in each dialect.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "ai_error.h"
#include "ai_json.h"


static char  body[2048];


static void
test_body(const ai_error_t *e, ai_dialect_t dialect)
{
    int              rc;
    ai_buf_t         b;
    ai_json_t        js;
    const ai_char   *pos;
    ai_json_token_t  tok;

    ai_buf_init(&b, body, sizeof(body) - 1);
    ai_error_body(&b, e, dialect);
    assert_false(b.full);
    *b.pos = '\0';

    ai_json_init(&js, 0);
    pos = (ai_char *) body;

    do {
        rc = ai_json_next(&js, &pos, b.pos, &tok);
    } while (rc == AI_OK);

    assert_int_equal(rc, AI_DONE);
    assert_ptr_equal(pos, b.pos);
}


static void
test_shapes(void **state)
{
    unsigned  i;

    static const struct {
        ai_error_code_t  code;
        ai_dialect_t     dialect;
        int              given;
        int              status;
        const char      *body;
    } table[] = {
        { AI_ERR_BAD_KEY, AI_DIALECT_OPENAI, 0, 401,
          "{\"error\":{\"message\":\"Incorrect API key provided.\",\"type\":"
          "\"invalid_request_error\",\"param\":null,\"code\":"
          "\"invalid_api_key\"}}" },
        { AI_ERR_BAD_KEY, AI_DIALECT_ANTHROPIC, 0, 401,
          "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\","
          "\"message\":\"invalid x-api-key\"},\"request_id\":\"id-1\"}" },
        { AI_ERR_BAD_KEY, AI_DIALECT_GEMINI, 0, 400,
          "{\"error\":{\"code\":400,\"message\":\"API key not valid. Please "
          "pass a valid API key.\",\"status\":\"INVALID_ARGUMENT\","
          "\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo"
          "\",\"reason\":\"API_KEY_INVALID\",\"domain\":\"googleapis.com\"}]"
          "}}" },
        { AI_ERR_SUSPENDED, AI_DIALECT_OPENAI, 0, 403,
          "{\"error\":{\"message\":\"The account of this API key is "
          "suspended.\",\"type\":\"invalid_request_error\",\"param\":null,"
          "\"code\":\"tenant_suspended\"}}" },
        { AI_ERR_SUSPENDED, AI_DIALECT_ANTHROPIC, 0, 403,
          "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\","
          "\"message\":\"The account of this API key is suspended.\"},"
          "\"request_id\":\"id-1\"}" },
        { AI_ERR_SUSPENDED, AI_DIALECT_GEMINI, 0, 403,
          "{\"error\":{\"code\":403,\"message\":\"The account of this API "
          "key is suspended.\",\"status\":\"PERMISSION_DENIED\"}}" },
        { AI_ERR_NO_MODEL, AI_DIALECT_AZURE, 0, 404,
          "{\"error\":{\"message\":\"The model `x\\\"y` does not exist or you "
          "do not have access to it.\",\"type\":\"invalid_request_error\","
          "\"param\":null,\"code\":\"model_not_found\"}}" },
        { AI_ERR_NO_MODEL, AI_DIALECT_ANTHROPIC, 0, 404,
          "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\","
          "\"message\":\"model: x\\\"y\"},\"request_id\":\"id-1\"}" },
        { AI_ERR_NO_MODEL, AI_DIALECT_GEMINI, 0, 404,
          "{\"error\":{\"code\":404,\"message\":\"models/x\\\"y is not found, "
          "or is not supported for this method.\",\"status\":\"NOT_FOUND\"}}"
        },
        { AI_ERR_MODEL_DENIED, AI_DIALECT_OPENAI, 0, 403,
          "{\"error\":{\"message\":\"You are not allowed to use this model.\","
          "\"type\":\"invalid_request_error\",\"param\":\"model\",\"code\":"
          "\"model_not_allowed\"}}" },
        { AI_ERR_RATE_REQUESTS, AI_DIALECT_OPENAI, 0, 429,
          "{\"error\":{\"message\":\"Rate limit reached for requests.\","
          "\"type\":\"requests\",\"param\":null,\"code\":"
          "\"rate_limit_exceeded\"}}" },
        { AI_ERR_RATE_TOKENS, AI_DIALECT_GEMINI, 0, 429,
          "{\"error\":{\"code\":429,\"message\":\"Rate limit reached for "
          "tokens.\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\""
          ":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":"
          "\"1.050s\"}]}}" },
        { AI_ERR_BUDGET, AI_DIALECT_OPENAI, 0, 429,
          "{\"error\":{\"message\":\"You exceeded your current quota.\","
          "\"type\":\"insufficient_quota\",\"param\":null,\"code\":"
          "\"insufficient_quota\"}}" },
        { AI_ERR_BUDGET, AI_DIALECT_ANTHROPIC, 0, 429,
          "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\","
          "\"message\":\"You exceeded your current quota.\"},\"request_id\":"
          "\"id-1\"}" },
        { AI_ERR_BUDGET, AI_DIALECT_GEMINI, 0, 429,
          "{\"error\":{\"code\":429,\"message\":\"You exceeded your current "
          "quota.\",\"status\":\"RESOURCE_EXHAUSTED\"}}" },
        { AI_ERR_UPSTREAM, AI_DIALECT_ANTHROPIC, 504, 504,
          "{\"type\":\"error\",\"error\":{\"type\":\"timeout_error\","
          "\"message\":\"Upstream unavailable.\"},\"request_id\":\"id-1\"}" },
        { AI_ERR_UPSTREAM, AI_DIALECT_OPENAI, 0, 502,
          "{\"error\":{\"message\":\"Upstream unavailable.\",\"type\":"
          "\"server_error\",\"param\":null,\"code\":\"upstream_error\"}}" },
        { AI_ERR_REQUEST, AI_DIALECT_ANTHROPIC, 413, 413,
          "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\","
          "\"message\":\"The request is not valid.\"},\"request_id\":\"id-1\""
          "}" },
        { AI_ERR_STATUS, AI_DIALECT_OPENAI, 414, 414,
          "{\"error\":{\"message\":\"The request could not be served.\","
          "\"type\":\"invalid_request_error\",\"param\":null,\"code\":"
          "\"invalid_request_error\"}}" },
        { AI_ERR_STATUS, AI_DIALECT_OPENAI, 0, 500,
          "{\"error\":{\"message\":\"The request could not be served.\","
          "\"type\":\"server_error\",\"param\":null,\"code\":null}}" }
    };

    (void) state;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ai_error_t  e = {
            .code = table[i].code,
            .status = table[i].given,
            .model = ai_string("x\"y"),
            .retry_ms = 1050,
            .id = ai_string("id-1")
        };

        assert_int_equal(ai_error_status(&e, table[i].dialect),
                         table[i].status);
        test_body(&e, table[i].dialect);
        assert_string_equal(body, table[i].body);
    }
}


static void
test_retry(void **state)
{
    ai_error_t  e;

    (void) state;

    memset(&e, 0, sizeof(e));

    for (e.code = 0; e.code < AI_ERR_RATE_REQUESTS; e.code++) {
        assert_int_equal(ai_error_retry(&e), 0);
    }

    e.code = AI_ERR_BUDGET;
    assert_int_equal(ai_error_retry(&e), 0);

    e.code = AI_ERR_RATE_TOKENS;
    assert_int_equal(ai_error_retry(&e), -1);
}


/* whatever is in the strings, 2 KB of valid JSON come out */

static void
test_hostile(void **state)
{
    int         i, dialect;
    ai_char     junk[4096];
    ai_error_t  e;

    (void) state;

    for (i = 0; i < 256; i++) {
        memset(junk, i, sizeof(junk));

        for (dialect = 0; dialect <= AI_DIALECT_AZURE; dialect++) {
            for (e.code = 0; e.code < AI_ERR_N; e.code++) {
                e.status = 0;
                e.param = "messages[].content[].image_url.url";
                e.retry_ms = INT64_MAX;
                e.model.data = junk;
                e.model.len = sizeof(junk);
                e.id.data = junk;
                e.id.len = 36;
                e.message.data = junk;
                e.message.len = 0;
                test_body(&e, (ai_dialect_t) dialect);

                e.message.len = sizeof(junk);
                test_body(&e, (ai_dialect_t) dialect);
            }
        }
    }

    /* a cut text ends with a whole character */

    memset(&e, 0, sizeof(e));
    e.message.data = junk;
    e.message.len = sizeof(junk);

    for (i = 0; i < (int) sizeof(junk); i++) {
        junk[i] = (ai_char) "\xe2\x82\xac"[i % 3];
    }

    test_body(&e, AI_DIALECT_OPENAI);
    assert_null(strstr(body, "\xef\xbf\xbd"));
}


static void
test_given(void **state)
{
    ai_error_t  e = {
        .code = AI_ERR_REQUEST,
        .param = "n",
        .message = ai_string("Too \"large\".")
    };

    (void) state;

    test_body(&e, AI_DIALECT_OPENAI);
    assert_string_equal(body, "{\"error\":{\"message\":\"Too \\\"large\\\".\","
                              "\"type\":\"invalid_request_error\",\"param\":"
                              "\"n\",\"code\":\"invalid_request_error\"}}");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_given)
    };

    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
