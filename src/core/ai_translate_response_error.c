
/*
 * Errors of other dialects, and what is none of any, as OpenAI's.
 */


#include "ai_translate_answer.h"


#define AI_ERROR_LOOK_MAX  1024     /* of a message that is looked into */


typedef struct {
    ai_value_t           message;
    ai_value_t           type;      /* Anthropic's type, Gemini's status */
    ai_value_t           code;
} ai_provider_error_t;


static void ai_translate_error_find(ai_provider_error_t *e,
    const ai_value_t *root);
static unsigned ai_translate_error_status(const ai_provider_error_t *e);
static void ai_translate_error_kind(const ai_provider_error_t *e,
    unsigned status, const char **type, const char **code);
static unsigned ai_translate_error_says(const ai_value_t *message,
    const char *text);


enum {
    AI_FIELD_ERROR = 0,
    AI_FIELD_MESSAGE,
    AI_FIELD_DETAIL,
    AI_FIELD_TYPE,
    AI_FIELD_STATUS,
    AI_FIELD_CODE,
    AI_FIELD_N
};

static const ai_str_t  ai_field_names[AI_FIELD_N] = {
    ai_string("error"),
    ai_string("message"),
    ai_string("detail"),
    ai_string("type"),
    ai_string("status"),
    ai_string("code")
};


void
ai_translate_error(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *root)
{
    unsigned             status;
    const char          *type, *code;
    ai_provider_error_t  e;

    ai_translate_error_find(&e, root);

    status = from->status >= 400 ? from->status
                                 : ai_translate_error_status(&e);

    ai_translate_error_kind(&e, status, &type, &code);

    ai_out_cstr(out, "{\"error\":{\"message\":\"");

    if (ai_value_has_text(&e.message)) {
        ai_value_text(out, &e.message);

    } else {
        ai_out_cstr(out, "The provider answered with status ");
        ai_out_uint(out, status);
        ai_out_cstr(out, " and said nothing about it.");
    }

    ai_out_cstr(out, "\",\"type\":\"");
    ai_out_cstr(out, type);
    ai_out_cstr(out, "\",\"param\":null,\"code\":");

    if (code) {
        ai_out_char(out, '"');
        ai_out_cstr(out, code);
        ai_out_cstr(out, "\"}}");

    } else {
        ai_out_cstr(out, "null}}");
    }
}


/* the shapes of WIRE-FORMATS 4.1; Gemini's may stand in an array */

static void
ai_translate_error_find(ai_provider_error_t *e, const ai_value_t *root)
{
    ai_list_t   list;
    ai_value_t  first, members[AI_FIELD_N], *inner;

    memset(e, 0, sizeof(ai_provider_error_t));

    first = *root;

    if (root->type == AI_JSON_ARRAY) {
        ai_list_init(&list, root);

        if (ai_list_next(&list, &first) != AI_OK) {
            return;
        }
    }

    ai_value_members(&first, ai_field_names, AI_FIELD_N, members);

    inner = &members[AI_FIELD_ERROR];

    if (inner->type == AI_JSON_STRING) {
        e->message = *inner;
        return;
    }

    if (inner->type == AI_JSON_OBJECT) {
        first = *inner;
        ai_value_members(&first, ai_field_names, AI_FIELD_N, members);
    }

    e->message = members[AI_FIELD_MESSAGE];
    e->type = members[AI_FIELD_STATUS];
    e->code = members[AI_FIELD_CODE];

    if (!ai_value_has_text(&e->message)) {
        e->message = members[AI_FIELD_DETAIL];
    }

    if (e->type.type != AI_JSON_STRING) {
        e->type = members[AI_FIELD_TYPE];
    }
}


/* of an error that came with a status of success, or in a stream */

static unsigned
ai_translate_error_status(const ai_provider_error_t *e)
{
    unsigned  i;
    uint64_t  n;

    static const struct {
        const char  *name;
        unsigned     status;
    } names[] = {
        { "invalid_request_error", 400 },
        { "authentication_error", 401 },
        { "billing_error", 402 },
        { "permission_error", 403 },
        { "not_found_error", 404 },
        { "conflict_error", 409 },
        { "request_too_large", 413 },
        { "rate_limit_error", 429 },
        { "api_error", 500 },
        { "timeout_error", 504 },
        { "overloaded_error", 529 },

        { "INVALID_ARGUMENT", 400 },
        { "FAILED_PRECONDITION", 400 },
        { "OUT_OF_RANGE", 400 },
        { "UNAUTHENTICATED", 401 },
        { "PERMISSION_DENIED", 403 },
        { "NOT_FOUND", 404 },
        { "ABORTED", 409 },
        { "ALREADY_EXISTS", 409 },
        { "RESOURCE_EXHAUSTED", 429 },
        { "UNAVAILABLE", 503 },
        { "DEADLINE_EXCEEDED", 504 }
    };

    if (ai_value_count(&e->code, &n) == AI_OK && n >= 400 && n <= 599) {
        return (unsigned) n;
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (ai_value_is(&e->type, names[i].name)) {
            return names[i].status;
        }
    }

    return 500;
}


static void
ai_translate_error_kind(const ai_provider_error_t *e, unsigned status,
    const char **type, const char **code)
{
    *type = "invalid_request_error";
    *code = NULL;

    switch (status) {

    case 400:

        if (ai_translate_error_says(&e->message, "prompt is too long")
            || ai_translate_error_says(&e->message,
                                       "exceeds the maximum number of tokens"))
        {
            *code = "context_length_exceeded";
        }

        return;

    case 401:
        *code = "invalid_api_key";
        return;

    case 402:
        *type = "insufficient_quota";
        *code = "insufficient_quota";
        return;

    case 403:
        *code = "request_forbidden";
        return;

    case 404:
        *code = "model_not_found";
        return;

    case 413:
        *code = "request_too_large";
        return;

    case 429:
        *type = "rate_limit_error";
        *code = "rate_limit_exceeded";
        return;

    case 503:
    case 529:
        *type = "service_unavailable_error";
        *code = "server_is_overloaded";
        return;
    }

    if (status >= 500) {
        *type = "server_error";
    }
}


static unsigned
ai_translate_error_says(const ai_value_t *message, const char *text)
{
    size_t  i, n, len;

    if (message->type != AI_JSON_STRING) {
        return 0;
    }

    n = strlen(text);
    len = message->len < AI_ERROR_LOOK_MAX ? message->len : AI_ERROR_LOOK_MAX;

    for (i = 0; i + n <= len; i++) {

        if (memcmp(message->data + i, text, n) == 0) {
            return 1;
        }
    }

    return 0;
}
