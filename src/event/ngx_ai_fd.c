
/*
 * A library's descriptor in our loop.
 */


#include "ngx_ai_fd.h"


static ngx_int_t ngx_ai_fd_set(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t on);
static void ngx_ai_fd_read_handler(ngx_event_t *ev);
static void ngx_ai_fd_write_handler(ngx_event_t *ev);


ngx_int_t
ngx_ai_fd_attach(ngx_ai_fd_t *f, ngx_socket_t s, ngx_ai_fd_pt handler,
    void *data, ngx_log_t *log)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(s, log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = f;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_ai_fd_read_handler;
    c->write->handler = ngx_ai_fd_write_handler;

    /* nginx then calls the read handler when the worker quits */
    c->idle = 1;

    f->connection = c;
    f->handler = handler;
    f->data = data;

    return NGX_OK;
}


ngx_int_t
ngx_ai_fd_want(ngx_ai_fd_t *f, ngx_uint_t events)
{
    ngx_connection_t  *c;

    c = f->connection;

    if (ngx_ai_fd_set(c->read, NGX_READ_EVENT, events & NGX_AI_FD_READ)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_ai_fd_set(c->write, NGX_WRITE_EVENT, events & NGX_AI_FD_WRITE);
}


/* ngx_handle_read_event() would make it edge-triggered */

static ngx_int_t
ngx_ai_fd_set(ngx_event_t *ev, ngx_int_t event, ngx_uint_t on)
{
    if (on && !ev->active) {
        return ngx_add_event(ev, event, NGX_LEVEL_EVENT);
    }

    if (!on && ev->active) {
        return ngx_del_event(ev, event, 0);
    }

    return NGX_OK;
}


void
ngx_ai_fd_detach(ngx_ai_fd_t *f, ngx_socket_t s)
{
    ngx_connection_t  *c;

    c = f->connection;

    if (c == NULL) {
        return;
    }

    f->connection = NULL;

    if (s == c->fd) {

        if (c->read->active) {
            ngx_del_event(c->read, NGX_READ_EVENT, 0);
        }

        if (c->write->active) {
            ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
        }
    }

    c->read->active = 0;
    c->write->active = 0;

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;

    /* not ngx_close_connection(): the descriptor is the library's */

    ngx_free_connection(c);

    c->fd = (ngx_socket_t) -1;
}


static void
ngx_ai_fd_read_handler(ngx_event_t *ev)
{
    ngx_uint_t         events;
    ngx_ai_fd_t       *f;
    ngx_connection_t  *c;

    c = ev->data;
    f = c->data;
    events = NGX_AI_FD_READ;

    if (c->close) {
        c->close = 0;
        events = c->error ? NGX_AI_FD_CLOSE : NGX_AI_FD_QUIT;
    }

    f->handler(f->data, events);
}


static void
ngx_ai_fd_write_handler(ngx_event_t *ev)
{
    ngx_ai_fd_t       *f;
    ngx_connection_t  *c;

    c = ev->data;
    f = c->data;

    f->handler(f->data, NGX_AI_FD_WRITE);
}
