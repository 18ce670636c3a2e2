
/*
 * Redis Cluster: which server has a slot.
 *
 * The map is read from any server that answers, when there is none yet, when
 * a server of it is lost, and after MOVED.  Until it is there, and for slots
 * that nobody has, calls go to a seed, which says where to go.
 */


#include "ngx_ai_redis_int.h"


#define NGX_AI_REDIS_REFRESH  1000      /* ms between two readings of the map */


static void ngx_ai_redis_refresh_handler(ngx_event_t *ev);
static void ngx_ai_redis_slots_handler(ngx_ai_op_t *op);
static ngx_int_t ngx_ai_redis_slots_read(ngx_ai_redis_link_t *link,
    redisReply *r);
static ngx_int_t ngx_ai_redis_range(ngx_ai_redis_link_t *link, redisReply *r);
static void ngx_ai_redis_adopt(ngx_ai_redis_t *rd);
static ngx_int_t ngx_ai_redis_where(ngx_ai_redis_link_t *link,
    ngx_str_t *host, ngx_int_t port, ngx_sockaddr_t *sa);
static socklen_t ngx_ai_redis_socklen(ngx_sockaddr_t *sa);
static ngx_uint_t ngx_ai_redis_server(ngx_ai_redis_t *rd, ngx_sockaddr_t *sa);
static ngx_uint_t ngx_ai_redis_place(ngx_ai_redis_t *rd);


ngx_int_t
ngx_ai_redis_cluster_init(ngx_ai_redis_t *rd)
{
    rd->map = ngx_pcalloc(rd->cycle->pool, NGX_AI_REDIS_SLOTS);
    rd->next = ngx_pcalloc(rd->cycle->pool, NGX_AI_REDIS_SLOTS);

    if (rd->map == NULL || rd->next == NULL) {
        return NGX_ERROR;
    }

    rd->refresh.handler = ngx_ai_redis_refresh_handler;
    rd->refresh.data = rd;
    rd->refresh.log = rd->cycle->log;
    rd->refresh.cancelable = 1;

    return NGX_OK;
}


/* a slot that nobody has: whoever is there says so, or where it is now */

ngx_ai_redis_link_t *
ngx_ai_redis_route(ngx_ai_redis_t *rd, ngx_uint_t slot)
{
    ngx_uint_t  i;

    i = rd->map ? rd->map[slot % NGX_AI_REDIS_SLOTS] : 0;

    if (i == 0 && rd->mapped) {

        for (i = rd->nlinks - 1; i > 0; i--) {

            if (rd->link[i]->listed
                && rd->link[i]->store.state == NGX_AI_STORE_READY)
            {
                break;
            }
        }
    }

    return rd->link[i];
}


void
ngx_ai_redis_refresh(ngx_ai_redis_t *rd)
{
    ngx_msec_t  since;

    if (rd->map == NULL || rd->closed || ngx_exiting || rd->slots
        || rd->refresh.timer_set)
    {
        return;
    }

    since = ngx_current_msec - rd->asked;

    if (rd->asked == 0 || since >= NGX_AI_REDIS_REFRESH) {
        since = NGX_AI_REDIS_REFRESH - 1;
    }

    ngx_add_timer(&rd->refresh, NGX_AI_REDIS_REFRESH - since);
}


static void
ngx_ai_redis_refresh_handler(ngx_event_t *ev)
{
    ngx_ai_redis_t *rd = ev->data;

    ngx_uint_t            i, n, first;
    ngx_ai_redis_link_t  *link;

    static const char  *argv[] = { "CLUSTER", "SLOTS" };

    rd->asked = ngx_current_msec;

    /* any of them knows; one that is wrong is not asked forever */

    link = rd->link[0];
    n = rd->nlinks;
    first = ngx_random();

    for (i = 0; i < n; i++) {

        if (rd->link[(first + i) % n]->store.state == NGX_AI_STORE_READY) {
            link = rd->link[(first + i) % n];
            break;
        }
    }

    rd->slots = ngx_ai_redis_command(rd, ngx_ai_redis_slots_cb, 2, argv,
                                     ngx_ai_redis_slots_handler, rd);

    if (rd->slots) {
        rd->slots->timeout += rd->conf->connect_timeout;
        ngx_ai_store_submit(&link->store, rd->slots);
    }
}


static void
ngx_ai_redis_slots_handler(ngx_ai_op_t *op)
{
    ngx_ai_redis_t *rd = op->data;

    ngx_uint_t            i;
    ngx_ai_redis_link_t  *link;

    rd->slots = NULL;

    if (op->rc != NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, rd->cycle->log, 0,
                      "ai redis \"%V\": cannot read the slots (%V)",
                      &rd->conf->server, &op->text);

    }

    if (!rd->mapped) {

        if (rd->keep) {
            ngx_ai_redis_refresh(rd);
        }

        return;
    }

    for (i = 0; i < rd->nlinks; i++) {
        link = rd->link[i];

        link->store.keep = link->listed && rd->keep;

        if (link->store.keep) {
            ngx_ai_store_connect(&link->store);

        } else {
            ngx_ai_redis_retire(link);
        }
    }
}


void
ngx_ai_redis_slots_cb(redisAsyncContext *ac, void *reply, void *data)
{
    redisReply           *r = reply;
    ngx_ai_op_t          *op = data;
    ngx_ai_redis_link_t  *link = ac->data;

    if (r == NULL || link->broken) {
        return;
    }

    if (r->type == REDIS_REPLY_ERROR) {
        ngx_ai_redis_refused(link, op, r);
        return;
    }

    if (ngx_ai_redis_slots_read(link, r) != NGX_OK) {
        ngx_ai_redis_break(link, "an odd reply to CLUSTER SLOTS");
        return;
    }

    ngx_ai_redis_adopt(link->rd);

    ngx_ai_store_done(&link->store, op, NGX_OK);
}


/* into rd->next */

static ngx_int_t
ngx_ai_redis_slots_read(ngx_ai_redis_link_t *link, redisReply *r)
{
    size_t           i;
    ngx_ai_redis_t  *rd;

    rd = link->rd;

    if (r->type != REDIS_REPLY_ARRAY) {
        return NGX_ERROR;
    }

    ngx_memzero(rd->next, NGX_AI_REDIS_SLOTS);

    for (i = 0; i < rd->nlinks; i++) {
        rd->link[i]->seen = 0;
    }

    for (i = 0; i < r->elements; i++) {

        if (ngx_ai_redis_range(link, r->element[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* first, last, master, replicas ...; a server is its host, its port, ... */

static ngx_int_t
ngx_ai_redis_range(ngx_ai_redis_link_t *link, redisReply *r)
{
    ngx_str_t         host;
    ngx_uint_t        n;
    redisReply       *first, *last, *master;
    ngx_ai_redis_t   *rd;
    ngx_sockaddr_t    sa;

    if (r->type != REDIS_REPLY_ARRAY || r->elements < 3) {
        return NGX_ERROR;
    }

    first = r->element[0];
    last = r->element[1];
    master = r->element[2];

    if (first->type != REDIS_REPLY_INTEGER || last->type != REDIS_REPLY_INTEGER
        || first->integer < 0 || first->integer > last->integer
        || last->integer >= NGX_AI_REDIS_SLOTS
        || master->type != REDIS_REPLY_ARRAY || master->elements < 2
        || master->element[1]->type != REDIS_REPLY_INTEGER)
    {
        return NGX_ERROR;
    }

    ngx_str_null(&host);

    if (master->element[0]->type == REDIS_REPLY_STRING) {
        host.data = (u_char *) master->element[0]->str;
        host.len = master->element[0]->len;

    } else if (master->element[0]->type != REDIS_REPLY_NIL) {
        return NGX_ERROR;
    }

    rd = link->rd;

    if (ngx_ai_redis_where(link, &host, master->element[1]->integer, &sa)
        != NGX_OK)
    {
        return NGX_OK;
    }

    n = ngx_ai_redis_server(rd, &sa);

    if (n) {
        rd->link[n]->seen = 1;
        ngx_memset(rd->next + first->integer, n,
                   last->integer - first->integer + 1);
    }

    return NGX_OK;
}


/* no link is touched in here: hiredis has not returned yet */

static void
ngx_ai_redis_adopt(ngx_ai_redis_t *rd)
{
    u_char      *map;
    ngx_uint_t   i, n;

    n = 0;

    for (i = 1; i < rd->nlinks; i++) {
        n += rd->link[i]->seen;
    }

    /* a server that was cut off from its cluster */

    if (n == 0) {
        return;
    }

    for (i = 1; i < rd->nlinks; i++) {
        rd->link[i]->listed = rd->link[i]->seen;
        rd->link[i]->seen = 0;
    }

    map = rd->map;
    rd->map = rd->next;
    rd->next = map;

    rd->mapped = 1;
}


ngx_int_t
ngx_ai_redis_redirect(ngx_ai_redis_link_t *link, ngx_ai_redis_args_t *args,
    redisReply *r)
{
    u_char      *p, *last, *end, *colon;
    ngx_int_t    slot, port;
    ngx_str_t    host;
    ngx_uint_t   ask;

    ask = ngx_ai_redis_is(r, "ASK");

    if (ask ? args->asked : args->moved || !ngx_ai_redis_is(r, "MOVED")) {
        return NGX_DECLINED;
    }

    p = (u_char *) r->str + (ask ? 4 : 6);
    last = (u_char *) r->str + r->len;

    end = p < last ? ngx_strlchr(p, last, ' ') : NULL;
    if (end == NULL) {
        return NGX_DECLINED;
    }

    slot = ngx_atoi(p, end - p);
    host.data = end + 1;

    /* an IPv6 address has colons of its own */

    for (colon = last; colon > host.data && colon[-1] != ':'; colon--) {
        /* void */
    }

    if (slot < 0 || slot >= NGX_AI_REDIS_SLOTS || colon == host.data) {
        return NGX_DECLINED;
    }

    host.len = colon - 1 - host.data;
    port = ngx_atoi(colon, last - colon);

    if (ngx_ai_redis_where(link, &host, port, &args->to) != NGX_OK) {
        return NGX_DECLINED;
    }

    args->slot = slot;

    if (ask) {
        args->asked = 1;
        args->again = NGX_AI_REDIS_ASK;

    } else {
        args->moved = 1;
        args->again = NGX_AI_REDIS_MOVED;
    }

    link->rd->redirects++;

    return NGX_OK;
}


ngx_ai_redis_link_t *
ngx_ai_redis_redirected(ngx_ai_redis_t *rd, ngx_ai_redis_args_t *args)
{
    ngx_uint_t            n;
    ngx_ai_redis_link_t  *link;

    n = ngx_ai_redis_server(rd, &args->to);
    if (n == 0) {
        return NULL;
    }

    link = rd->link[n];

    if (args->again == NGX_AI_REDIS_MOVED) {
        rd->map[args->slot] = n;

        link->listed = 1;
        link->store.keep = rd->keep;

        ngx_ai_redis_refresh(rd);
    }

    return link;
}


/* NGX_DECLINED: a name, which only a resolver could tell */

static ngx_int_t
ngx_ai_redis_where(ngx_ai_redis_link_t *link, ngx_str_t *host, ngx_int_t port,
    ngx_sockaddr_t *sa)
{
    ngx_memzero(sa, sizeof(ngx_sockaddr_t));

    if (port < 1 || port > 65535) {
        return NGX_DECLINED;
    }

    if (host->len == 0 || (host->len == 1 && host->data[0] == '?')) {

        /* the one who answers is meant, at another port */

        if (link->peer->sockaddr->sa_family == AF_UNIX) {
            return NGX_DECLINED;
        }

        ngx_memcpy(sa, link->peer->sockaddr, link->peer->socklen);

    } else if (ngx_inet_addr(host->data, host->len) != INADDR_NONE) {
        sa->sockaddr_in.sin_family = AF_INET;
        sa->sockaddr_in.sin_addr.s_addr = ngx_inet_addr(host->data, host->len);

#if (NGX_HAVE_INET6)
    } else if (ngx_inet6_addr(host->data, host->len,
                              sa->sockaddr_in6.sin6_addr.s6_addr)
               == NGX_OK)
    {
        sa->sockaddr_in6.sin6_family = AF_INET6;
#endif

    } else {

        if (!link->rd->named) {
            link->rd->named = 1;
            ngx_log_error(NGX_LOG_ERR, link->store.log, 0,
                          "ai redis \"%V\": its servers are announced by "
                          "names, set \"cluster-preferred-endpoint-type ip\"",
                          &link->rd->conf->server);
        }

        return NGX_DECLINED;
    }

    ngx_inet_set_port(&sa->sockaddr, (in_port_t) port);

    return NGX_OK;
}


static socklen_t
ngx_ai_redis_socklen(ngx_sockaddr_t *sa)
{
#if (NGX_HAVE_INET6)
    if (sa->sockaddr.sa_family == AF_INET6) {
        return sizeof(struct sockaddr_in6);
    }
#endif

    return sizeof(struct sockaddr_in);
}


/* index of its link; 0: too many servers, or no memory */

static ngx_uint_t
ngx_ai_redis_server(ngx_ai_redis_t *rd, ngx_sockaddr_t *sa)
{
    socklen_t             len;
    ngx_uint_t            i;
    ngx_ai_redis_link_t  *link;

    len = ngx_ai_redis_socklen(sa);

    for (i = 1; i < rd->nlinks; i++) {
        link = rd->link[i];

        if (ngx_cmp_sockaddr(&sa->sockaddr, len, link->addr.sockaddr,
                             link->addr.socklen, 1)
            == NGX_OK)
        {
            return i;
        }
    }

    i = ngx_ai_redis_place(rd);
    if (i == 0) {
        return 0;
    }

    link = rd->link[i];

    link->sockaddr = *sa;
    link->addr.sockaddr = &link->sockaddr.sockaddr;
    link->addr.socklen = len;
    link->addr.name.data = link->text;
    link->addr.name.len = ngx_sock_ntop(&link->sockaddr.sockaddr, len,
                                        link->text, NGX_SOCKADDR_STRLEN, 1);

    link->store.addrs = &link->addr;
    link->store.naddrs = 1;

    return i;
}


/* a new link, or one of a server that is long gone */

static ngx_uint_t
ngx_ai_redis_place(ngx_ai_redis_t *rd)
{
    ngx_uint_t            i;
    ngx_ai_store_t       *st;
    ngx_ai_redis_link_t  *link;

    if (rd->nlinks <= NGX_AI_REDIS_SERVERS) {
        return ngx_ai_redis_link_create(rd) ? rd->nlinks - 1 : 0;
    }

    for (i = 1; i < rd->nlinks; i++) {
        link = rd->link[i];
        st = &link->store;

        if (link->listed || link->seen || st->nwaiting || st->nsent
            || st->state != NGX_AI_STORE_DOWN)
        {
            continue;
        }

        if (st->timer.timer_set) {
            ngx_del_timer(&st->timer);
        }

        st->attempt = 0;
        st->nsaid = 0;
        link->known = 0;

        return i;
    }

    return 0;
}


void
ngx_ai_redis_retire(ngx_ai_redis_link_t *link)
{
    if (link->rd->mapped && !link->listed) {
        ngx_ai_store_rest(&link->store);
    }
}
