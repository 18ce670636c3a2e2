
/*
 * Errors of other dialects, and what is none of any, as OpenAI's.
 */


#include "ai_failover.h"
#include "ai_quota.h"
#include "ai_translate_answer.h"


typedef struct {
    ai_value_t           message;
    ai_value_t           type;      /* Anthropic's type, Gemini's status */
    ai_value_t           code;
    ai_value_t           reason;    /* Anthropic's details.error_code, Gemini's
                                       details[].reason */
    ai_value_t           delay;     /* details[].retryDelay: "37s" */
} ai_provider_error_t;


static void ai_translate_error_find(ai_provider_error_t *e,
    const ai_value_t *root);
static void ai_translate_error_details(ai_provider_error_t *e,
    const ai_value_t *details);
static int64_t ai_translate_error_delay(const ai_value_t *delay);
static unsigned ai_translate_error_is_spent(const ai_provider_error_t *e);
static unsigned ai_translate_error_status(const ai_provider_error_t *e);
static void ai_translate_error_kind(const ai_provider_error_t *e,
    unsigned status, const char **type, const char **code);
static unsigned ai_translate_error_is_long(const ai_provider_error_t *e);


enum {
    AI_FIELD_ERROR = 0,
    AI_FIELD_MESSAGE,
    AI_FIELD_DETAIL,
    AI_FIELD_TYPE,
    AI_FIELD_STATUS,
    AI_FIELD_CODE,
    AI_FIELD_DETAILS,
    AI_FIELD_N
};

static const ai_str_t  ai_field_names[AI_FIELD_N] = {
    ai_string("error"),
    ai_string("message"),
    ai_string("detail"),
    ai_string("type"),
    ai_string("status"),
    ai_string("code"),
    ai_string("details")
};

enum {
    AI_DETAIL_CODE = 0,
    AI_DETAIL_REASON,
    AI_DETAIL_DELAY,
    AI_DETAIL_N
};

static const ai_str_t  ai_detail_names[AI_DETAIL_N] = {
    ai_string("error_code"),
    ai_string("reason"),
    ai_string("retryDelay")
};


void
ai_translate_error(ai_out_t *out, const ai_translate_from_t *from,
    const ai_value_t *root, ai_translate_told_t *told)
{
    unsigned             status;
    const char          *type, *code;
    ai_provider_error_t  e;

    ai_translate_error_find(&e, root);

    status = from->status >= 400 ? from->status
                                 : ai_translate_error_status(&e);

    ai_translate_error_kind(&e, status, &type, &code);

    if (told) {
        told->status = status;
        told->retry_ms = ai_translate_error_delay(&e.delay);
    }

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

    ai_translate_error_details(e, &members[AI_FIELD_DETAILS]);
}


/* the first of each */

static void
ai_translate_error_details(ai_provider_error_t *e, const ai_value_t *details)
{
    ai_list_t   list;
    ai_value_t  v, members[AI_DETAIL_N];

    ai_value_members(details, ai_detail_names, AI_DETAIL_N, members);
    e->reason = members[AI_DETAIL_CODE];

    ai_list_init(&list, details);

    while (ai_list_next(&list, &v) == AI_OK) {
        ai_value_members(&v, ai_detail_names, AI_DETAIL_N, members);

        if (!ai_value_has_text(&e->reason)) {
            e->reason = members[AI_DETAIL_REASON];
        }

        if (!ai_value_has_text(&e->delay)) {
            e->delay = members[AI_DETAIL_DELAY];
        }
    }
}


/* a duration of protobuf's: seconds, with places, and an "s" */

static int64_t
ai_translate_error_delay(const ai_value_t *delay)
{
    ai_str_t  seconds;

    if (!ai_value_has_text(delay) || delay->data[delay->len - 1] != 's') {
        return -1;
    }

    seconds.data = (ai_char *) delay->data;
    seconds.len = delay->len - 1;

    return ai_retry_after(&seconds, 0);
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

    if (status < 500 && ai_translate_error_is_spent(e)) {
        *type = "insufficient_quota";
        *code = "insufficient_quota";
        return;
    }

    switch (status) {

    case 400:

        if (ai_value_is(&e->reason, "API_KEY_INVALID")) {
            *code = "invalid_api_key";
        }

        if (ai_translate_error_is_long(e)) {
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
        *code = ai_translate_error_is_long(e) ? "context_length_exceeded"
                                              : "request_too_large";
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


/* what makes a request go to a target with a longer context, too */

static unsigned
ai_translate_error_is_long(const ai_provider_error_t *e)
{
    return ai_value_has_text(&e->message)
           && ai_failover_too_long(e->message.data, e->message.len, 0);
}


/* the provider waits for money, not for time to pass */

static unsigned
ai_translate_error_is_spent(const ai_provider_error_t *e)
{
    unsigned  i;

    static const char *const  reasons[] = {
        "enforced_spend_limit_reached", "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached"
    };

    for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (ai_value_is(&e->reason, reasons[i])) {
            return 1;
        }
    }

    return 0;
}
