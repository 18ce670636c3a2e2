
/*
 * What the test modules share: a request that waits for one operation of a
 * store, and is answered with what that ended with.
 */


#ifndef NGX_HTTP_TEST_OP_H
#define NGX_HTTP_TEST_OP_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_ai_op.h"


typedef struct {
    ngx_http_request_t  *request;
    ngx_ai_op_t         *op;
} ngx_http_test_op_t;


/* the module's own: the text of an operation that went well */
static ngx_str_t ngx_http_test_op_text(ngx_http_request_t *r,
    ngx_ai_op_t *op);


static char *
ngx_http_test_location(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = (ngx_http_handler_pt) cmd->post;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_test_body(ngx_http_request_t *r,
    ngx_http_client_body_handler_pt handler)
{
    ngx_int_t  rc;

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static void
ngx_http_test_op_cleanup(void *data)
{
    ngx_http_test_op_t *ctx = data;

    if (ctx->op) {
        ngx_ai_op_detach(ctx->op);
    }
}


static ngx_http_test_op_t *
ngx_http_test_op_ctx(ngx_http_request_t *r)
{
    ngx_http_test_op_t  *ctx;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_test_op_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ctx->request = r;
    ctx->op = NULL;
    cln->handler = ngx_http_test_op_cleanup;

    return ctx;
}


/* NGX_ERROR: there is none to wait for */

static ngx_int_t
ngx_http_test_op_wait(ngx_http_test_op_t *ctx)
{
    if (ctx->op == NULL) {
        return NGX_ERROR;
    }

    ctx->request->read_event_handler = ngx_http_test_reading;
    ctx->request->write_event_handler = ngx_http_request_empty_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_test_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *text)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    r->headers_out.status = status;
    r->headers_out.content_length_n = text->len;

    if (text->len == 0) {
        r->header_only = 1;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->memory = 1;
    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static void
ngx_http_test_op_done(ngx_ai_op_t *op)
{
    ngx_http_test_op_t *ctx = op->data;

    ngx_str_t            text;
    ngx_uint_t           status;
    const char          *word;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;
    ctx->op = NULL;

    if (op->rc == NGX_OK) {
        status = NGX_HTTP_OK;
        text = ngx_http_test_op_text(r, op);

    } else {
        status = op->rc == NGX_ERROR ? NGX_HTTP_BAD_REQUEST
                 : op->rc == NGX_ABORT ? NGX_HTTP_GATEWAY_TIME_OUT
                 : NGX_HTTP_SERVICE_UNAVAILABLE;

        word = op->rc == NGX_ERROR ? (char *) op->code
               : op->rc == NGX_ABORT ? "ABORT"
               : op->rc == NGX_BUSY ? "BUSY" : "DECLINED";

        text.data = ngx_pnalloc(r->pool, op->text.len + 64);
        text.len = ngx_sprintf(text.data, "%s %V", word, &op->text)
                   - text.data;
    }

    ngx_http_finalize_request(r, ngx_http_test_send(r, status, &text));
    ngx_http_run_posted_requests(c);
}


#endif /* NGX_HTTP_TEST_OP_H */
