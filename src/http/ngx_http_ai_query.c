
/*
 * A request that waits for one statement of PostgreSQL.
 *
 * The operation is not of the request's pool: whoever of the two ends first
 * leaves the other alone.
 */


#include "ngx_http_ai_query.h"


static void ngx_http_ai_query_handler(ngx_ai_op_t *op);
static void ngx_http_ai_query_cleanup(void *data);


ngx_int_t
ngx_http_ai_query(ngx_http_ai_query_t *q, ngx_ai_pg_t *pg,
    ngx_ai_pg_query_t *query, ngx_queue_t *line)
{
    ngx_http_cleanup_t  *cln;
    ngx_http_request_t  *r;

    r = q->request;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    q->op = ngx_ai_pg_query(pg, query, ngx_http_ai_query_handler, q);
    if (q->op == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_ai_query_cleanup;
    cln->data = q;

    ngx_queue_insert_tail(line, &q->queue);

    r->connection->log->action = "waiting for PostgreSQL";

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_OK;
}


static void
ngx_http_ai_query_handler(ngx_ai_op_t *op)
{
    ngx_http_ai_query_t *q = op->data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = q->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    q->op = NULL;
    ngx_queue_remove(&q->queue);

    r->read_event_handler = ngx_http_block_reading;

    q->handler(q, op);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_ai_query_cleanup(void *data)
{
    ngx_http_ai_query_t *q = data;

    if (q->op) {
        ngx_ai_op_detach(q->op);
        q->op = NULL;
        ngx_queue_remove(&q->queue);
    }
}


ngx_ai_pg_t *
ngx_http_ai_query_store(ngx_http_ai_main_conf_t *mcf, ngx_ai_pg_t **pg,
    const char *name, ngx_uint_t admin)
{
    if (*pg == NULL) {
        *pg = ngx_ai_pg_create((ngx_cycle_t *) ngx_cycle, mcf->postgres, name,
                               admin);
    }

    return *pg;
}


ngx_uint_t
ngx_http_ai_query_state(ngx_ai_op_t *op, const char *state)
{
    return op->rc == NGX_ERROR
           && ngx_strncmp(op->code, state, ngx_strlen(state)) == 0;
}


ngx_str_t
ngx_http_ai_query_message(ngx_ai_op_t *op)
{
    char       *text;
    ngx_str_t   s;

    s = op->text;

    text = op->result ? PQresultErrorField(ngx_ai_pg_result(op),
                                           PG_DIAG_MESSAGE_PRIMARY)
                      : NULL;
    if (text) {
        s.data = (u_char *) text;
        s.len = ngx_strlen(text);
    }

    return s;
}


void
ngx_http_ai_query_log(ngx_http_request_t *r, ngx_ai_op_t *op,
    const char *what)
{
    switch (op->rc) {

    case NGX_DECLINED:
    case NGX_BUSY:

        /* the store says once that it is down */

        return;

    case NGX_ABORT:
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "ai %s: no answer from PostgreSQL, its outcome is "
                      "unknown", what);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "ai %s failed: %V (SQLSTATE %s)", what, &op->text,
                  op->code);
}


ngx_int_t
ngx_http_ai_query_answer(ngx_http_request_t *r, ngx_str_t *text)
{
    ai_buf_t            *b;
    ngx_http_ai_json_t   js;

    ngx_http_ai_json_init(&js, r);

    b = ngx_http_ai_json_room(&js, text->len + sizeof("null\n"));

    if (text->len) {
        ai_buf_put(b, text->data, text->len);

    } else {
        ai_buf_cstr(b, "null");
    }

    ai_buf_char(b, '\n');

    return ngx_http_ai_json_send(&js, NGX_HTTP_OK);
}
