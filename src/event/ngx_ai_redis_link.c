
/*
 * Redis: hiredis' connection in nginx's event loop, as a kind of store.
 *
 * hiredis frees its context by itself when it fails, calls back while it does
 * so, and must not be called from there.  So whatever calls it goes on with
 * ngx_ai_redis_step(), which looks at what was noted.
 */


#include "ngx_ai_redis_int.h"


static ngx_int_t ngx_ai_redis_connect(ngx_ai_store_t *st, ngx_addr_t *addr);
static redisAsyncContext *ngx_ai_redis_open(ngx_ai_redis_link_t *link,
    ngx_addr_t *addr);
static void ngx_ai_redis_attach(ngx_ai_redis_link_t *link);
static ngx_int_t ngx_ai_redis_submit(ngx_ai_store_t *st, ngx_ai_op_t *op);
static void ngx_ai_redis_finish(ngx_ai_store_t *st);
static void ngx_ai_redis_handler(void *data, ngx_uint_t events);
static void ngx_ai_redis_write(ngx_ai_redis_link_t *link);
static void ngx_ai_redis_flush_handler(ngx_event_t *ev);
static void ngx_ai_redis_step(ngx_ai_redis_link_t *link);
static ngx_int_t ngx_ai_redis_again(ngx_ai_redis_link_t *link);
static void ngx_ai_redis_follow(ngx_ai_redis_link_t *link, ngx_ai_op_t *op);
static void ngx_ai_redis_want(ngx_ai_redis_link_t *link, ngx_uint_t events);
static void ngx_ai_redis_add_read_cb(void *data);
static void ngx_ai_redis_del_read_cb(void *data);
static void ngx_ai_redis_add_write_cb(void *data);
static void ngx_ai_redis_del_write_cb(void *data);
static void ngx_ai_redis_cleanup_cb(void *data);
static void ngx_ai_redis_asking_cb(redisAsyncContext *ac, void *reply,
    void *data);


const ngx_ai_store_kind_t  ngx_ai_redis_kind = {
    "redis",
    NGX_AI_REDIS_DEPTH,
    ngx_ai_redis_connect,
    ngx_ai_redis_submit,
    ngx_ai_redis_finish,
    NULL
};


static ngx_int_t
ngx_ai_redis_connect(ngx_ai_store_t *st, ngx_addr_t *addr)
{
    redisAsyncContext    *ac;
    ngx_ai_redis_link_t  *link;

    link = (ngx_ai_redis_link_t *) st;

    link->peer = addr;
    link->broken = 0;
    link->greeted = 0;
    link->want = 0;
    link->again = 0;

    ac = ngx_ai_redis_open(link, addr);
    if (ac == NULL) {
        return NGX_ERROR;
    }

    link->ac = ac;

    if (ac->c.err) {
        ngx_ai_store_reason(st, "%s", ac->c.errstr);
        return NGX_ERROR;
    }

    if (ngx_ai_fd_attach(&link->fd, ac->c.fd, ngx_ai_redis_handler, link,
                         st->log)
        != NGX_OK)
    {
        ngx_ai_store_reason(st, "no free connections");
        return NGX_ERROR;
    }

    ngx_ai_redis_attach(link);

    /* writable: connected, or failed to */

    ngx_ai_redis_want(link, NGX_AI_FD_WRITE);

    return link->broken ? NGX_ERROR : NGX_OK;
}


/* numbers only: hiredis would ask getaddrinfo() for a name, and wait */

static redisAsyncContext *
ngx_ai_redis_open(ngx_ai_redis_link_t *link, ngx_addr_t *addr)
{
    u_char              *p;
    size_t               n;
    u_char               host[NGX_SOCKADDR_STRLEN + 1];
    redisAsyncContext   *ac;
    struct sockaddr_un  *sun;

    if (addr->sockaddr->sa_family == AF_UNIX) {
        sun = (struct sockaddr_un *) addr->sockaddr;

        ac = redisAsyncConnectUnix(sun->sun_path);

    } else {
        n = ngx_sock_ntop(addr->sockaddr, addr->socklen, host,
                          NGX_SOCKADDR_STRLEN, 0);
        p = host;

        /* nginx writes [::1] */

        if (n > 2 && host[0] == '[') {
            p++;
            n -= 2;
        }

        p[n] = '\0';

        ac = redisAsyncConnect((char *) p, ngx_inet_get_port(addr->sockaddr));
    }

    if (ac == NULL) {
        ngx_ai_store_reason(&link->store, "no memory");
    }

    return ac;
}


static void
ngx_ai_redis_attach(ngx_ai_redis_link_t *link)
{
    redisAsyncContext  *ac;

    ac = link->ac;

    ac->data = link;
    ac->ev.data = link;
    ac->ev.addRead = ngx_ai_redis_add_read_cb;
    ac->ev.delRead = ngx_ai_redis_del_read_cb;
    ac->ev.addWrite = ngx_ai_redis_add_write_cb;
    ac->ev.delWrite = ngx_ai_redis_del_write_cb;
    ac->ev.cleanup = ngx_ai_redis_cleanup_cb;

    link->make = ac->c.reader->fn;
    ac->c.reader->fn = &ngx_ai_redis_functions;
    ac->c.reader->privdata = link;

    link->flush.handler = ngx_ai_redis_flush_handler;
    link->flush.data = link;
    link->flush.log = link->store.log;

    if (ac->c.connection_type == REDIS_CONN_TCP) {
        (void) redisEnableKeepAlive(&ac->c);
    }
}


void
ngx_ai_redis_break(ngx_ai_redis_link_t *link, const char *why)
{
    if (!link->broken) {
        ngx_ai_store_reason(&link->store, "%s", why);
        link->broken = 1;
    }
}


/* hiredis does not tell when it has no memory for a command */

ngx_int_t
ngx_ai_redis_send(ngx_ai_redis_link_t *link, redisCallbackFn *cb, void *data,
    int argc, const char **argv, const size_t *len)
{
    redisAsyncContext  *ac;

    ac = link->ac;

    if (redisAsyncCommandArgv(ac, cb, data, argc, argv, len) != REDIS_OK
        || ac->c.err || ac->replies.tail == NULL
        || ac->replies.tail->fn != cb || ac->replies.tail->privdata != data)
    {
        ngx_ai_redis_break(link, "no memory");
        return NGX_ERROR;
    }

    return link->broken ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_ai_redis_submit(ngx_ai_store_t *st, ngx_ai_op_t *op)
{
    ngx_ai_redis_link_t   *link;
    ngx_ai_redis_args_t   *args;
    static size_t          len = sizeof("ASKING") - 1;
    static const char     *asking = "ASKING";

    link = (ngx_ai_redis_link_t *) st;
    args = op->args;

    args->again = NGX_AI_REDIS_REST;

    if (args->script) {
        link->rd->calls++;
    }

    if (args->token) {
        args->argv[args->token] = (char *) link->token;
        args->len[args->token] = link->ntoken;
    }

    if (args->asking
        && ngx_ai_redis_send(link, ngx_ai_redis_asking_cb, link, 1, &asking,
                             &len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_ai_redis_send(link, args->cb, op, args->argc, args->argv,
                             args->len);
}


static void
ngx_ai_redis_finish(ngx_ai_store_t *st)
{
    ngx_ai_redis_link_t  *link;

    link = (ngx_ai_redis_link_t *) st;

    if (link->ac) {
        link->closing = 1;
        redisAsyncFree(link->ac);
        link->closing = 0;
        link->ac = NULL;
    }

    if (link->flush.posted) {
        ngx_delete_posted_event(&link->flush);
    }

    /* it may be another one that has its slots now */

    if (link->listed && st->state != NGX_AI_STORE_DOWN) {
        ngx_ai_redis_refresh(link->rd);
    }
}


static void
ngx_ai_redis_handler(void *data, ngx_uint_t events)
{
    ngx_ai_redis_link_t *link = data;

    if (events & (NGX_AI_FD_QUIT|NGX_AI_FD_CLOSE)) {
        ngx_ai_store_quit(&link->store, events & NGX_AI_FD_CLOSE);
        return;
    }

    if (events & NGX_AI_FD_WRITE) {
        ngx_ai_redis_write(link);

    } else {
        redisAsyncHandleRead(link->ac);
    }

    ngx_ai_redis_step(link);
}


static void
ngx_ai_redis_write(ngx_ai_redis_link_t *link)
{
    link->writing = 1;
    redisAsyncHandleWrite(link->ac);
    link->writing = 0;
}


static void
ngx_ai_redis_flush_handler(ngx_event_t *ev)
{
    ngx_ai_redis_link_t *link = ev->data;

    ngx_ai_redis_write(link);
    ngx_ai_redis_step(link);
}


static void
ngx_ai_redis_step(ngx_ai_redis_link_t *link)
{
    ngx_ai_store_t  *st;

    st = &link->store;

    if (link->ac == NULL || link->broken
        || ngx_ai_redis_bounds(link) != NGX_OK)
    {
        ngx_ai_store_lost(st);
        return;
    }

    if (st->state == NGX_AI_STORE_CONNECTING
        && (link->ac->c.flags & REDIS_CONNECTED))
    {
        ngx_ai_store_handshake(st);
        ngx_ai_redis_hello(link);
    }

    if (link->again && ngx_ai_redis_again(link) != NGX_OK) {
        link->broken = 1;
    }

    if (link->broken) {
        ngx_ai_store_lost(st);
        return;
    }

    if (st->state == NGX_AI_STORE_HANDSHAKE && link->greeted) {
        ngx_ai_store_ready(st);

    } else {
        ngx_ai_store_run(st);
    }

    ngx_ai_redis_retire(link);
}


/* NGX_ERROR: the link is broken */

static ngx_int_t
ngx_ai_redis_again(ngx_ai_redis_link_t *link)
{
    ngx_queue_t           *q, *next;
    ngx_ai_op_t           *op;
    ngx_ai_redis_args_t   *args;

    link->again = 0;

    for (q = ngx_queue_head(&link->store.sent);
         q != ngx_queue_sentinel(&link->store.sent);
         q = next)
    {
        next = ngx_queue_next(q);

        op = ngx_queue_data(q, ngx_ai_op_t, queue);
        args = op->args;

        if (args->again == NGX_AI_REDIS_REST) {
            continue;
        }

        if (args->again != NGX_AI_REDIS_EVAL) {
            ngx_ai_redis_follow(link, op);
            continue;
        }

        if (ngx_ai_redis_submit(&link->store, op) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* of an op that was refused with MOVED or ASK: nothing has been done yet */

static void
ngx_ai_redis_follow(ngx_ai_redis_link_t *link, ngx_ai_op_t *op)
{
    ngx_ai_redis_link_t  *to;
    ngx_ai_redis_args_t  *args;

    args = op->args;

    to = ngx_ai_redis_redirected(link->rd, args);

    args->asking = args->again == NGX_AI_REDIS_ASK;
    args->again = NGX_AI_REDIS_REST;

    if (to == NULL || to == link) {
        link->rd->errors++;
        ngx_ai_store_done(&link->store, op, NGX_ERROR);
        return;
    }

    op->code[0] = '\0';
    ngx_str_null(&op->text);

    ngx_ai_store_recall(&link->store, op);
    ngx_ai_store_submit(&to->store, op);
}


static void
ngx_ai_redis_want(ngx_ai_redis_link_t *link, ngx_uint_t events)
{
    if (events == link->want || link->fd.connection == NULL) {
        return;
    }

    link->want = events;

    if (ngx_ai_fd_want(&link->fd, events) != NGX_OK) {
        ngx_ai_redis_break(link, "event failed");
    }
}


static void
ngx_ai_redis_add_read_cb(void *data)
{
    ngx_ai_redis_link_t *link = data;

    ngx_ai_redis_want(link, link->want | NGX_AI_FD_READ);
}


static void
ngx_ai_redis_del_read_cb(void *data)
{
    ngx_ai_redis_link_t *link = data;

    ngx_ai_redis_want(link, link->want & ~NGX_AI_FD_READ);
}


/* asked for again while it writes: the socket takes no more */

static void
ngx_ai_redis_add_write_cb(void *data)
{
    ngx_ai_redis_link_t *link = data;

    if (link->writing) {
        ngx_ai_redis_want(link, link->want | NGX_AI_FD_WRITE);

    } else if (!(link->want & NGX_AI_FD_WRITE) && !link->flush.posted) {
        ngx_post_event(&link->flush, &ngx_posted_events);
    }
}


static void
ngx_ai_redis_del_write_cb(void *data)
{
    ngx_ai_redis_link_t *link = data;

    ngx_ai_redis_want(link, link->want & ~NGX_AI_FD_WRITE);
}


/* the context is about to be freed, and its descriptor to be closed */

static void
ngx_ai_redis_cleanup_cb(void *data)
{
    ngx_ai_redis_link_t *link = data;

    if (!link->closing) {
        ngx_ai_redis_break(link, link->ac->c.errstr);
    }

    if (link->flush.posted) {
        ngx_delete_posted_event(&link->flush);
    }

    ngx_ai_fd_detach(&link->fd, link->ac->c.fd);

    link->ac = NULL;
}


/* an error: the command behind it will be refused, too */

static void
ngx_ai_redis_asking_cb(redisAsyncContext *ac, void *reply, void *data)
{
    redisReply           *r = reply;
    ngx_ai_redis_link_t  *link = data;

    if (r && r->type != REDIS_REPLY_STATUS && r->type != REDIS_REPLY_ERROR) {
        ngx_ai_redis_break(link, "an odd reply to ASKING");
    }
}
