
/*
 * Refusals in the words of each dialect.
 */


#include "ai_error.h"


#define AI_ERROR_TEXT_MAX  1024     /* of a message, escaped */


typedef struct {
    int                  status;
    int                  retry;     /* x-should-retry, -1: no header */
    const char          *type;      /* OpenAI's; NULL: by the status */
    const char          *code;      /* OpenAI's; NULL: null */
    const char          *param;
    const char          *text;
} ai_error_kind_t;


static const ai_error_kind_t  ai_error_kinds[AI_ERR_N] = {
    [AI_ERR_NO_KEY] = { 401, 0, NULL, "invalid_api_key", NULL,
        "You did not provide an API key." },
    [AI_ERR_BAD_KEY] = { 401, 0, NULL, "invalid_api_key", NULL,
        "Incorrect API key provided." },
    [AI_ERR_TWO_KEYS] = { 400, 0, NULL, "invalid_request_error", NULL,
        "Two different API keys were provided." },
    [AI_ERR_SUSPENDED] = { 403, 0, NULL, "tenant_suspended", NULL,
        "The account of this API key is suspended." },
    [AI_ERR_NO_MODEL] = { 404, 0, NULL, "model_not_found", NULL,
        "The model does not exist or you do not have access to it." },
    [AI_ERR_MODEL_DENIED] = { 403, 0, NULL, "model_not_allowed", "model",
        "You are not allowed to use this model." },
    [AI_ERR_REQUEST] = { 400, 0, NULL, "invalid_request_error", NULL,
        "The request is not valid." },
    [AI_ERR_UNBOUNDED] = { 400, 0, NULL, "invalid_request_error", NULL,
        "The cost of this request has no upper bound: tools that the "
        "provider runs, and images or files given by URL, are not allowed "
        "by your plan." },
    [AI_ERR_NOT_FOUND] = { 404, 0, NULL, "unknown_url", NULL,
        "There is no such endpoint." },
    [AI_ERR_STATEFUL] = { 404, 0, NULL, "unsupported_endpoint", NULL,
        "This endpoint keeps state at the provider and is not served by "
        "this gateway." },
    [AI_ERR_METHOD] = { 405, 0, NULL, "method_not_supported", NULL,
        "This endpoint does not take this method." },
    [AI_ERR_RATE_REQUESTS] = { 429, -1, "requests", "rate_limit_exceeded",
        NULL, "Rate limit reached for requests." },
    [AI_ERR_RATE_TOKENS] = { 429, -1, "tokens", "rate_limit_exceeded", NULL,
        "Rate limit reached for tokens." },
    [AI_ERR_CONCURRENCY] = { 429, -1, "requests", "rate_limit_exceeded",
        NULL, "Too many requests at the same time." },
    [AI_ERR_CAPACITY] = { 429, -1, "requests", "capacity_exceeded", NULL,
        "The provider's capacity is used up at the moment." },
    [AI_ERR_BUDGET] = { 429, 0, "insufficient_quota", "insufficient_quota",
        NULL, "You exceeded your current quota." },
    [AI_ERR_UNAVAILABLE] = { 503, -1, NULL, "gateway_unavailable", NULL,
        "The gateway cannot admit requests at the moment." },
    [AI_ERR_UPSTREAM] = { 502, -1, NULL, "upstream_error", NULL,
        "Upstream unavailable." },
    [AI_ERR_STATUS] = { 500, -1, NULL, NULL, NULL,
        "The request could not be served." }
};


#define ai_error_kind(e)                                                     \
    (&ai_error_kinds[(unsigned) (e)->code < AI_ERR_N ? (e)->code             \
                                                     : AI_ERR_STATUS])

#define ai_error_is_key(e)                                                   \
    ((e)->code == AI_ERR_NO_KEY || (e)->code == AI_ERR_BAD_KEY)


int
ai_error_status(const ai_error_t *e, ai_dialect_t dialect)
{
    if (e->status) {
        return e->status;
    }

    if (dialect == AI_DIALECT_GEMINI && ai_error_is_key(e)) {
        return 400;
    }

    return ai_error_kind(e)->status;
}


int
ai_error_retry(const ai_error_t *e)
{
    return ai_error_kind(e)->retry;
}


static const char *
ai_error_anthropic_type(int status)
{
    switch (status) {

    case 401:
        return "authentication_error";

    case 402:
        return "billing_error";

    case 403:
        return "permission_error";

    case 404:
        return "not_found_error";

    case 408:
    case 504:
        return "timeout_error";

    case 409:
        return "conflict_error";

    case 413:
        return "request_too_large";

    case 429:
        return "rate_limit_error";

    case 529:
        return "overloaded_error";
    }

    return status >= 500 ? "api_error" : "invalid_request_error";
}


static const char *
ai_error_gemini_status(int status)
{
    switch (status) {

    case 401:
        return "UNAUTHENTICATED";

    case 403:
        return "PERMISSION_DENIED";

    case 404:
        return "NOT_FOUND";

    case 409:
        return "ABORTED";

    case 429:
        return "RESOURCE_EXHAUSTED";

    case 499:
        return "CANCELLED";

    case 501:
        return "UNIMPLEMENTED";

    case 502:
    case 503:
    case 529:
        return "UNAVAILABLE";

    case 408:
    case 504:
        return "DEADLINE_EXCEEDED";
    }

    return status >= 500 ? "INTERNAL" : "INVALID_ARGUMENT";
}


/* how much of a text fits into "max" bytes of JSON, in whole characters */

static size_t
ai_error_cut(const ai_char *data, size_t len, size_t max)
{
    size_t  i, cost;

    for (i = 0, cost = 0; i < len; i++) {

        if (data[i] < 0x20 || data[i] == 0x7f) {
            cost += 6;

        } else if (data[i] >= 0x80) {
            cost += 3;

        } else {
            cost += (data[i] == '"' || data[i] == '\\') ? 2 : 1;
        }

        if (cost > max) {
            break;
        }
    }

    if (i < len) {
        while (i && (data[i] & 0xc0) == 0x80) {
            i--;
        }
    }

    return i;
}


/* the dialects' own words for a model that is not there */

static void
ai_error_model_text(ai_buf_t *b, const ai_error_t *e, ai_dialect_t dialect)
{
    ai_str_t  name;

    name = e->model;
    name.len = ai_error_cut(name.data, name.len < 128 ? name.len : 128, 768);

    switch (dialect) {

    case AI_DIALECT_ANTHROPIC:
        ai_buf_cstr(b, "model: ");
        ai_buf_str(b, &name);
        return;

    case AI_DIALECT_GEMINI:
        ai_buf_cstr(b, "models/");
        ai_buf_str(b, &name);
        ai_buf_cstr(b, " is not found, or is not supported for this method.");
        return;

    default:
        ai_buf_cstr(b, "The model `");
        ai_buf_str(b, &name);
        ai_buf_cstr(b, "` does not exist or you do not have access to it.");
    }
}


static void
ai_error_text(ai_buf_t *b, const ai_error_t *e, ai_dialect_t dialect)
{
    size_t       len;
    ai_buf_t     raw;
    ai_char      text[256];
    const char  *s;

    if (e->message.len) {
        len = ai_error_cut(e->message.data, e->message.len,
                           AI_ERROR_TEXT_MAX);
        ai_buf_json(b, e->message.data, len);
        return;
    }

    if (e->code == AI_ERR_NO_MODEL && e->model.len) {
        ai_buf_init(&raw, text, sizeof(text));
        ai_error_model_text(&raw, e, dialect);
        ai_buf_json(b, text, (size_t) (raw.pos - text));
        return;
    }

    s = ai_error_kind(e)->text;

    if (ai_error_is_key(e)) {
        s = dialect == AI_DIALECT_GEMINI
                ? "API key not valid. Please pass a valid API key."
                : dialect == AI_DIALECT_ANTHROPIC ? "invalid x-api-key" : s;
    }

    ai_buf_json(b, (const ai_char *) s, strlen(s));
}


static void
ai_error_null_or(ai_buf_t *b, const char *s)
{
    size_t  len;

    if (s == NULL) {
        ai_buf_cstr(b, "null");
        return;
    }

    len = ai_error_cut((const ai_char *) s, strlen(s), 256);
    ai_buf_json(b, (const ai_char *) s, len);
}


static void
ai_error_openai(ai_buf_t *b, const ai_error_t *e, int status)
{
    const char             *type, *code;
    const ai_error_kind_t  *kind;

    kind = ai_error_kind(e);
    type = kind->type;
    code = kind->code;

    if (type == NULL) {
        type = status >= 500 ? "server_error" : "invalid_request_error";
    }

    if (code == NULL && status < 500) {
        code = "invalid_request_error";
    }

    ai_buf_cstr(b, "{\"error\":{\"message\":");
    ai_error_text(b, e, AI_DIALECT_OPENAI);
    ai_buf_cstr(b, ",\"type\":");
    ai_error_null_or(b, type);
    ai_buf_cstr(b, ",\"param\":");
    ai_error_null_or(b, e->param ? e->param : kind->param);
    ai_buf_cstr(b, ",\"code\":");
    ai_error_null_or(b, code);
    ai_buf_cstr(b, "}}");
}


static void
ai_error_anthropic(ai_buf_t *b, const ai_error_t *e, int status)
{
    ai_buf_cstr(b, "{\"type\":\"error\",\"error\":{\"type\":");
    ai_error_null_or(b, ai_error_anthropic_type(status));
    ai_buf_cstr(b, ",\"message\":");
    ai_error_text(b, e, AI_DIALECT_ANTHROPIC);
    ai_buf_cstr(b, "},\"request_id\":");

    if (e->id.len) {
        ai_buf_json(b, e->id.data, ai_error_cut(e->id.data, e->id.len, 128));

    } else {
        ai_buf_cstr(b, "null");
    }

    ai_buf_char(b, '}');
}


static void
ai_error_gemini_details(ai_buf_t *b, const ai_error_t *e)
{
    if (ai_error_is_key(e)) {
        ai_buf_cstr(b, ",\"details\":[{\"@type\":\"type.googleapis.com/"
                       "google.rpc.ErrorInfo\",\"reason\":\"API_KEY_INVALID\","
                       "\"domain\":\"googleapis.com\"}]");
        return;
    }

    if (ai_error_retry(e) == 0 || e->retry_ms < 0) {
        return;
    }

    ai_buf_cstr(b, ",\"details\":[{\"@type\":\"type.googleapis.com/"
                   "google.rpc.RetryInfo\",\"retryDelay\":\"");
    ai_buf_int(b, e->retry_ms / 1000);

    if (e->retry_ms % 1000) {
        ai_buf_char(b, '.');
        ai_buf_uint_pad(b, (uint64_t) (e->retry_ms % 1000), 3);
    }

    ai_buf_cstr(b, "s\"}]");
}


static void
ai_error_gemini(ai_buf_t *b, const ai_error_t *e, int status)
{
    ai_buf_cstr(b, "{\"error\":{\"code\":");
    ai_buf_int(b, status);
    ai_buf_cstr(b, ",\"message\":");
    ai_error_text(b, e, AI_DIALECT_GEMINI);
    ai_buf_cstr(b, ",\"status\":");
    ai_error_null_or(b, ai_error_gemini_status(status));
    ai_error_gemini_details(b, e);
    ai_buf_cstr(b, "}}");
}


void
ai_error_body(ai_buf_t *b, const ai_error_t *e, ai_dialect_t dialect)
{
    int  status;

    status = ai_error_status(e, dialect);

    switch (dialect) {

    case AI_DIALECT_ANTHROPIC:
        ai_error_anthropic(b, e, status);
        break;

    case AI_DIALECT_GEMINI:
        ai_error_gemini(b, e, status);
        break;

    default:
        ai_error_openai(b, e, status);
    }
}
