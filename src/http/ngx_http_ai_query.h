
/*
 * A request that waits for one statement of PostgreSQL.
 */


#ifndef NGX_HTTP_AI_QUERY_H
#define NGX_HTTP_AI_QUERY_H


#include "ngx_http_ai.h"


typedef struct ngx_http_ai_query_s  ngx_http_ai_query_t;

/* answers and finalizes the request; q and op are gone after it */
typedef void (*ngx_http_ai_query_pt)(ngx_http_ai_query_t *q,
    ngx_ai_op_t *op);

struct ngx_http_ai_query_s {
    ngx_queue_t                queue;       /* in the line of the caller */
    ngx_http_request_t        *request;
    ngx_ai_op_t               *op;          /* NULL: it waits no more */
    ngx_http_ai_query_pt       handler;
    ngx_str_t                  tenant;      /* the caller's */
};


/*
 * Sends a statement and leaves the request waiting; a client that goes away
 * is noticed, and its statement forgotten.  "line" holds those that wait.
 * The caller of a phase or content handler returns NGX_DONE then.  NGX_ERROR:
 * no memory, nothing was sent.
 */
ngx_int_t ngx_http_ai_query(ngx_http_ai_query_t *q, ngx_ai_pg_t *pg,
    ngx_ai_pg_query_t *query, ngx_queue_t *line);

/* the worker's connection of a name, made when it is first wanted; NULL: no
   memory */
ngx_ai_pg_t *ngx_http_ai_query_store(ngx_http_ai_main_conf_t *mcf,
    ngx_ai_pg_t **pg, const char *name, ngx_uint_t admin);

/* whether the server refused with this SQLSTATE, or one that begins so */
ngx_uint_t ngx_http_ai_query_state(ngx_ai_op_t *op, const char *state);

/* the server's own message, for those who may read it; not null terminated */
ngx_str_t ngx_http_ai_query_message(ngx_ai_op_t *op);

/* one line when the server was asked: "ai WHAT failed", and why */
void ngx_http_ai_query_log(ngx_http_request_t *r, ngx_ai_op_t *op,
    const char *what);

/* answers 200 with the JSON text that the database returned; the result is
   for finalize_request() */
ngx_int_t ngx_http_ai_query_answer(ngx_http_request_t *r, ngx_str_t *text);


#endif /* NGX_HTTP_AI_QUERY_H */
