
/*
 * What the files of "ai_admin" share: the ways in which a call is refused.
 */


#ifndef NGX_HTTP_AI_ADMIN_H
#define NGX_HTTP_AI_ADMIN_H


#include "ngx_http_ai_query.h"


typedef enum {
    NGX_HTTP_AI_ADMIN_NOBODY = 0,
    NGX_HTTP_AI_ADMIN_UNKNOWN,
    NGX_HTTP_AI_ADMIN_METHOD,
    NGX_HTTP_AI_ADMIN_TOO_LARGE,
    NGX_HTTP_AI_ADMIN_TYPE,
    NGX_HTTP_AI_ADMIN_JSON,
    NGX_HTTP_AI_ADMIN_ARGUMENT,
    NGX_HTTP_AI_ADMIN_NONE,
    NGX_HTTP_AI_ADMIN_CONFLICT,
    NGX_HTTP_AI_ADMIN_AWAY,
    NGX_HTTP_AI_ADMIN_RETRY,
    NGX_HTTP_AI_ADMIN_LOST,
    NGX_HTTP_AI_ADMIN_LONG,
    NGX_HTTP_AI_ADMIN_FAILED
} ngx_http_ai_admin_code_t;


/*
 * Answer a call; the results are for finalize_request().  error: message, if
 * any, stands in place of the code's own text.  refused: as the SQLSTATE of an
 * operation says that ended with NGX_ERROR, and in the server's words where
 * they are meant for the caller; what is our fault is logged.
 */
ngx_int_t ngx_http_ai_admin_error(ngx_http_request_t *r,
    ngx_http_ai_admin_code_t code, ngx_str_t *message);
ngx_int_t ngx_http_ai_admin_refused(ngx_http_request_t *r, ngx_ai_op_t *op);

/* the headers of an answer of this status */
ngx_int_t ngx_http_ai_admin_headers(ngx_http_request_t *r, ngx_uint_t status);


#endif /* NGX_HTTP_AI_ADMIN_H */
