
/*
 * The refusals of "ai_admin": the gateway's own, and the database's.
 */


#include "ngx_http_ai_admin.h"


typedef struct {
    ngx_uint_t         status;
    const char        *type;
    const char        *code;
    const char        *text;
} ngx_http_ai_admin_error_t;

typedef struct {
    const char                *state;       /* SQLSTATE, or how it begins */
    ngx_http_ai_admin_code_t   code;
    ngx_uint_t                 told;        /* in the server's words */
} ngx_http_ai_admin_state_t;


static const ngx_http_ai_admin_error_t  ngx_http_ai_admin_errors[] = {

    [NGX_HTTP_AI_ADMIN_NOBODY] = { 401, "authentication_error",
        "invalid_admin_key", "The admin key is missing or not valid." },
    [NGX_HTTP_AI_ADMIN_UNKNOWN] = { 404, "invalid_request_error",
        "unknown_call", "There is no such call." },
    [NGX_HTTP_AI_ADMIN_METHOD] = { 405, "invalid_request_error",
        "method_not_supported", "Calls are made by POST." },
    [NGX_HTTP_AI_ADMIN_TOO_LARGE] = { 413, "invalid_request_error",
        "request_too_large", "The body is larger than 64 KB." },
    [NGX_HTTP_AI_ADMIN_TYPE] = { 415, "invalid_request_error",
        "unsupported_media_type",
        "The body must be application/json in UTF-8." },
    [NGX_HTTP_AI_ADMIN_JSON] = { 400, "invalid_request_error",
        "invalid_json", "The body must be one JSON object." },
    [NGX_HTTP_AI_ADMIN_ARGUMENT] = { 400, "invalid_request_error",
        "invalid_argument", "An argument is not valid." },
    [NGX_HTTP_AI_ADMIN_NONE] = { 404, "invalid_request_error",
        "not_found", "There is no such object." },
    [NGX_HTTP_AI_ADMIN_CONFLICT] = { 409, "invalid_request_error",
        "conflict", "It conflicts with what is there." },
    [NGX_HTTP_AI_ADMIN_AWAY] = { 503, "server_error",
        "database_unavailable",
        "The database is not available: nothing was done." },
    [NGX_HTTP_AI_ADMIN_RETRY] = { 503, "server_error",
        "database_busy",
        "The database could not do it now: nothing was done." },
    [NGX_HTTP_AI_ADMIN_LOST] = { 502, "server_error",
        "outcome_unknown",
        "The answer of the database was lost: the call may have been done "
        "or not. Look before you call again." },
    [NGX_HTTP_AI_ADMIN_LONG] = { 500, "server_error",
        "answer_too_large",
        "The call was done, but its answer is larger than 16 MB." },
    [NGX_HTTP_AI_ADMIN_FAILED] = { 500, "server_error", "internal_error",
        "The call failed: nothing was done. The error log of the gateway "
        "says why." }
};


/* what the call's author meant for the caller, and what may pass by itself */

static const ngx_http_ai_admin_state_t  ngx_http_ai_admin_states[] = {
    { "22023", NGX_HTTP_AI_ADMIN_ARGUMENT, 1 },
    { "AI404", NGX_HTTP_AI_ADMIN_NONE, 1 },
    { "AI409", NGX_HTTP_AI_ADMIN_CONFLICT, 1 },
    { "22P0", NGX_HTTP_AI_ADMIN_JSON, 0 },
    { "22021", NGX_HTTP_AI_ADMIN_JSON, 0 },
    { "22", NGX_HTTP_AI_ADMIN_ARGUMENT, 0 },
    { "40", NGX_HTTP_AI_ADMIN_RETRY, 0 },
    { "53", NGX_HTTP_AI_ADMIN_RETRY, 0 },
    { "55P03", NGX_HTTP_AI_ADMIN_RETRY, 0 },
    { "57014", NGX_HTTP_AI_ADMIN_RETRY, 0 },
    { NULL, NGX_HTTP_AI_ADMIN_FAILED, 0 }
};


ngx_int_t
ngx_http_ai_admin_refused(ngx_http_request_t *r, ngx_ai_op_t *op)
{
    ngx_str_t                         message;
    const ngx_http_ai_admin_state_t  *s;

    for (s = ngx_http_ai_admin_states; s->state; s++) {
        if (ngx_http_ai_query_state(op, s->state)) {
            break;
        }
    }

    if (s->told) {
        message = ngx_http_ai_query_message(op);
        return ngx_http_ai_admin_error(r, s->code, &message);
    }

    if (ngx_http_ai_admin_errors[s->code].status >= 500) {
        ngx_http_ai_query_log(r, op, "admin call");
    }

    return ngx_http_ai_admin_error(r, s->code, NULL);
}


ngx_int_t
ngx_http_ai_admin_error(ngx_http_request_t *r, ngx_http_ai_admin_code_t code,
    ngx_str_t *message)
{
    ai_buf_t                         *b;
    ngx_str_t                         text;
    ngx_http_ai_json_t                js;
    const ngx_http_ai_admin_error_t  *e;

    e = &ngx_http_ai_admin_errors[code];

    if (ngx_http_ai_admin_headers(r, e->status) != NGX_OK) {
        return NGX_ERROR;
    }

    text.data = (u_char *) e->text;
    text.len = ngx_strlen(e->text);

    if (message && message->len) {
        text = *message;
        text.len = ngx_min(text.len, 1024);
    }

    ngx_http_ai_json_init(&js, r);

    b = ngx_http_ai_json_room(&js, 256 + 6 * text.len);

    ai_buf_cstr(b, "{\"error\":{\"message\":");
    ai_buf_json(b, text.data, text.len);
    ai_buf_cstr(b, ",\"type\":\"");
    ai_buf_cstr(b, e->type);
    ai_buf_cstr(b, "\",\"code\":\"");
    ai_buf_cstr(b, e->code);
    ai_buf_cstr(b, "\"}}\n");

    return ngx_http_ai_json_send(&js, e->status);
}


ngx_int_t
ngx_http_ai_admin_headers(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_str_t         *name, *value;
    static ngx_str_t   names[] = {
        ngx_string("cache-control"), ngx_string("no-store"),
        ngx_string("allow"), ngx_string("POST"),
        ngx_string("www-authenticate"), ngx_string("Bearer"),
        ngx_string("retry-after"), ngx_string("1")
    };

    if (ngx_http_ai_header_add(r, &names[0], &names[1]) != NGX_OK) {
        return NGX_ERROR;
    }

    switch (status) {

    case NGX_HTTP_NOT_ALLOWED:
        name = &names[2];
        break;

    case NGX_HTTP_UNAUTHORIZED:
        name = &names[4];
        break;

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        name = &names[6];
        break;

    default:
        return NGX_OK;
    }

    value = name + 1;

    return ngx_http_ai_header_add(r, name, value);
}
