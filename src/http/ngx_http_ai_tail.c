
/*
 * An error's body that ends with its connection.
 *
 * nginx asks its process_header handler only when it has read something, so
 * that the end of the connection is told to ours as one more byte, which is
 * taken back before anybody sees it.
 */


#include "ngx_http_ai_tail.h"


/* who sends an error and does not close waits for us to read on */
#define NGX_HTTP_AI_TAIL_WAIT  1000


static ssize_t ngx_http_ai_tail_recv(ngx_connection_t *c, u_char *buf,
    size_t size);


void
ngx_http_ai_tail_wait(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_connection_t  *c;

    if (at->tail != NGX_HTTP_AI_TAIL_NONE) {
        return;
    }

    c = r->upstream->peer.connection;

    at->tail = NGX_HTTP_AI_TAIL_WAITS;
    at->recv = c->recv;

    c->recv = ngx_http_ai_tail_recv;

    if (at->timer.timer_set
        && (ngx_msec_int_t) (at->timer.timer.key - ngx_current_msec)
           <= NGX_HTTP_AI_TAIL_WAIT)
    {
        return;
    }

    if (at->timer.timer_set) {
        ngx_del_timer(&at->timer);
    }

    ngx_add_timer(&at->timer, NGX_HTTP_AI_TAIL_WAIT);
}


/* what reads on must meet the end once more: no event comes for it */

static ssize_t
ngx_http_ai_tail_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    ssize_t                 n;
    ngx_http_request_t     *r;
    ngx_http_ai_attempt_t  *at;

    r = c->data;
    at = ngx_http_ai_ctx(r)->attempt;

    if (at->tail == NGX_HTTP_AI_TAIL_WAITS) {
        n = at->recv(c, buf, size);

        if (n != 0) {
            return n;
        }

        at->tail = NGX_HTTP_AI_TAIL_ENDED;
        c->read->ready = 1;
    }

    *buf = LF;

    return 1;
}


void
ngx_http_ai_tail_read(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_http_upstream_t  *u;

    if (at->tail != NGX_HTTP_AI_TAIL_ENDED) {
        return;
    }

    u = r->upstream;

    u->state->bytes_received--;
    u->buffer.last--;
}


void
ngx_http_ai_tail_done(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    if (at->tail != NGX_HTTP_AI_TAIL_NONE) {
        at->tail = NGX_HTTP_AI_TAIL_NONE;
        r->upstream->peer.connection->recv = at->recv;
    }
}


ngx_uint_t
ngx_http_ai_tail_late(ngx_http_request_t *r, ngx_connection_t *pc)
{
    ngx_http_ai_attempt_t  *at;

    at = ngx_http_ai_ctx(r)->attempt;

    if (at->tail != NGX_HTTP_AI_TAIL_WAITS) {
        return 0;
    }

    at->tail = NGX_HTTP_AI_TAIL_ENDED;

    pc->read->handler(pc->read);

    return 1;
}
