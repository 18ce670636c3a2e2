
/*
 * PostgreSQL's error texts, made fit for a log.
 */


#include "ngx_ai_pg_int.h"


#define NGX_AI_PG_TEXT  256


static void ngx_ai_pg_blank(ngx_str_t *text);


/*
 * libpq gathers its texts until the next statement begins: what an earlier one
 * was refused for is no reason of a loss.
 *
 * "connection to server at ..., port ... failed: FATAL:  ...\n\tIs the ...":
 * the address is in the log line already, and advice does not belong there.
 */

void
ngx_ai_pg_reason(ngx_ai_pg_t *pg)
{
    size_t       len;
    const char  *p, *s, *end;

    s = PQerrorMessage(pg->conn);
    len = ngx_strlen(s);
    s += ngx_min(len, pg->told);

    end = strchr(s, '\n');
    len = end ? (size_t) (end - s) : ngx_strlen(s);

    if (ngx_strncmp(s, "connection to server ", 21) == 0) {
        p = strstr(s, " failed: ");

        if (p && p < s + len) {
            p += sizeof(" failed: ") - 1;
            len -= p - s;
            s = p;
        }
    }

    if (len == 0) {
        ngx_ai_store_reason(&pg->store, "unknown error");
        return;
    }

    ngx_ai_store_reason(&pg->store, "%*s", len, s);
}


void
ngx_ai_pg_reason_result(ngx_ai_pg_t *pg, const PGresult *res)
{
    const char  *code, *text;

    code = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    if (code == NULL || text == NULL) {
        ngx_ai_pg_reason(pg);
        return;
    }

    ngx_ai_store_reason(&pg->store, "%s: %s", code, text);
}


ngx_uint_t
ngx_ai_pg_fatal(const PGresult *res)
{
    const char  *severity;

    severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (severity == NULL) {
        /* libpq's own: pgbouncer says it in the old way, with a severity */
        severity = PQresultErrorField(res, PG_DIAG_SEVERITY);
    }

    return severity && (ngx_strcmp(severity, "FATAL") == 0
                        || ngx_strcmp(severity, "PANIC") == 0);
}


/* no DETAIL, HINT or CONTEXT: these quote rows */

void
ngx_ai_pg_error(ngx_ai_op_t *op, const PGresult *res)
{
    u_char      *p;
    ngx_str_t    text;
    const char  *code, *message;

    code = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    if (code) {
        ngx_cpystrn(op->code, (u_char *) code, sizeof(op->code));

        for (p = op->code; *p; p++) {
            if (*p <= ' ' || *p >= 0x7f) {
                *p = '?';
            }
        }
    }

    if (message == NULL) {
        message = "no message";
    }

    text.len = ngx_min(ngx_strlen(message), NGX_AI_PG_TEXT);
    text.data = (u_char *) message;

    text.data = ngx_pstrdup(op->pool, &text);
    if (text.data == NULL) {
        return;
    }

    for (p = text.data; p < text.data + text.len; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = ' ';
        }
    }

    /* what is quoted is a name, but for the classes of bad data */

    if (code && code[0] == '2' && (code[1] == '2' || code[1] == '3')) {
        ngx_ai_pg_blank(&text);
    }

    op->text = text;
}


/* invalid input syntax for type uuid: "...": the value may hold quotes, too */

static void
ngx_ai_pg_blank(ngx_str_t *text)
{
    u_char  *first, *last, *p;

    first = ngx_strlchr(text->data, text->data + text->len, '"');

    if (first == NULL) {
        return;
    }

    last = first;

    for (p = first + 1; p < text->data + text->len; p++) {
        if (*p == '"') {
            last = p;
        }
    }

    if (last == first) {
        text->len = first - text->data;
        return;
    }

    for (p = first + 1; p < last; p++) {
        *p = '.';
    }

    if (last > first + 4) {
        p = first + 4;
        ngx_memmove(p, last, text->data + text->len - last);
        text->len -= last - p;
    }
}
