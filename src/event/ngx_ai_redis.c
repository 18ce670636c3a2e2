
/*
 * Redis: what is asked of it, and over which link.
 */


#include <openssl/sha.h>
#include "ngx_ai_redis_int.h"


#define NGX_AI_REDIS_WAITING  256   /* ops of a link, before they are sent */


static ngx_ai_redis_args_t *ngx_ai_redis_args(ngx_ai_redis_t *rd,
    ngx_pool_t *pool, const ngx_ai_redis_call_t *call);
static ngx_int_t ngx_ai_redis_copy(ngx_pool_t *pool,
    ngx_ai_redis_args_t *args, const ngx_ai_redis_call_t *call);
static void ngx_ai_redis_ask(ngx_ai_redis_t *rd, ngx_uint_t slot,
    ngx_ai_op_t *op);


ngx_ai_redis_t *
ngx_ai_redis_create(ngx_cycle_t *cycle, const ngx_ai_redis_conf_t *conf,
    const ngx_str_t *script)
{
    u_char                sum[SHA_DIGEST_LENGTH];
    ngx_ai_redis_t       *rd;
    ngx_ai_redis_link_t  *link;

    rd = ngx_pcalloc(cycle->pool, sizeof(ngx_ai_redis_t));
    if (rd == NULL) {
        return NULL;
    }

    rd->cycle = cycle;
    rd->conf = conf;
    rd->script = script;

    SHA1(script->data, script->len, sum);
    ngx_hex_dump(rd->sha, sum, SHA_DIGEST_LENGTH);

    link = ngx_ai_redis_link_create(rd);
    if (link == NULL) {
        return NULL;
    }

    link->store.addrs = conf->addrs;
    link->store.naddrs = conf->naddrs;

    if (conf->cluster && ngx_ai_redis_cluster_init(rd) != NGX_OK) {
        return NULL;
    }

    return rd;
}


ngx_ai_redis_link_t *
ngx_ai_redis_link_create(ngx_ai_redis_t *rd)
{
    ngx_ai_store_t       *st;
    ngx_ai_redis_link_t  *link;

    link = ngx_pcalloc(rd->cycle->pool, sizeof(ngx_ai_redis_link_t));
    if (link == NULL) {
        return NULL;
    }

    link->rd = rd;

    st = &link->store;

    st->kind = &ngx_ai_redis_kind;
    st->name = (char *) rd->conf->server.data;
    st->log = rd->cycle->log;
    st->connect_timeout = rd->conf->connect_timeout;
    st->max_waiting = NGX_AI_REDIS_WAITING;

    /* all workers of all nodes with the same one */
    st->ordered = 1;

    ngx_ai_store_init(st);

    rd->link[rd->nlinks++] = link;

    return link;
}


ngx_ai_op_t *
ngx_ai_redis_call(ngx_ai_redis_t *rd, const ngx_ai_redis_call_t *call,
    ngx_ai_op_pt handler, void *data)
{
    ngx_ai_op_t  *op;

    op = ngx_ai_op_create(rd->cycle->log, handler, data);
    if (op == NULL) {
        return NULL;
    }

    op->timeout = rd->conf->timeout;

    op->args = ngx_ai_redis_args(rd, op->pool, call);
    if (op->args == NULL) {
        ngx_destroy_pool(op->pool);
        return NULL;
    }

    ngx_ai_redis_ask(rd, call->slot, op);

    return op;
}


static ngx_ai_redis_args_t *
ngx_ai_redis_args(ngx_ai_redis_t *rd, ngx_pool_t *pool,
    const ngx_ai_redis_call_t *call)
{
    u_char               *n;
    ngx_ai_redis_args_t  *args;

    args = ngx_pcalloc(pool, sizeof(ngx_ai_redis_args_t));
    n = ngx_pnalloc(pool, NGX_INT_T_LEN);

    if (args == NULL || n == NULL) {
        return NULL;
    }

    args->cb = ngx_ai_redis_reply_cb;
    args->script = 1;
    args->slot = call->slot;
    args->argc = 3 + call->nkeys + call->nargs;

    args->argv = ngx_palloc(pool, args->argc * sizeof(char *));
    args->len = ngx_palloc(pool, args->argc * sizeof(size_t));

    if (args->argv == NULL || args->len == NULL) {
        return NULL;
    }

    args->argv[0] = "EVALSHA";
    args->len[0] = sizeof("EVALSHA") - 1;

    args->argv[1] = (char *) rd->sha;
    args->len[1] = NGX_AI_REDIS_SHA;

    args->argv[2] = (char *) n;
    args->len[2] = ngx_sprintf(n, "%ui", call->nkeys) - n;

    if (ngx_ai_redis_copy(pool, args, call) != NGX_OK) {
        return NULL;
    }

    if (call->token < call->nargs) {
        args->token = 3 + call->nkeys + call->token;
    }

    return args;
}


static ngx_int_t
ngx_ai_redis_copy(ngx_pool_t *pool, ngx_ai_redis_args_t *args,
    const ngx_ai_redis_call_t *call)
{
    u_char           *p;
    size_t            size;
    ngx_uint_t        i;
    const ngx_str_t  *s;

    size = 1;

    for (i = 0; i < call->nkeys + call->nargs; i++) {

        s = i < call->nkeys ? &call->keys[i] : &call->args[i - call->nkeys];

        /* the token's is not read */
        args->len[3 + i] = i == call->nkeys + call->token ? 0 : s->len;

        size += args->len[3 + i];
    }

    p = ngx_pnalloc(pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < call->nkeys + call->nargs; i++) {

        s = i < call->nkeys ? &call->keys[i] : &call->args[i - call->nkeys];

        args->argv[3 + i] = (char *) p;

        if (args->len[3 + i]) {
            p = ngx_cpymem(p, s->data, args->len[3 + i]);
        }
    }

    return NGX_OK;
}


ngx_ai_op_t *
ngx_ai_redis_command(ngx_ai_redis_t *rd, redisCallbackFn *cb, int argc,
    const char *const *argv, ngx_ai_op_pt handler, void *data)
{
    int                   i;
    ngx_ai_op_t          *op;
    ngx_ai_redis_args_t  *args;

    op = ngx_ai_op_create(rd->cycle->log, handler, data);
    if (op == NULL) {
        return NULL;
    }

    args = ngx_pcalloc(op->pool, sizeof(ngx_ai_redis_args_t));

    if (args) {
        args->cb = cb;
        args->argc = argc;
        args->argv = ngx_palloc(op->pool, argc * sizeof(char *));
        args->len = ngx_palloc(op->pool, argc * sizeof(size_t));
    }

    if (args == NULL || args->argv == NULL || args->len == NULL) {
        ngx_destroy_pool(op->pool);
        return NULL;
    }

    for (i = 0; i < argc; i++) {
        args->argv[i] = argv[i];
        args->len[i] = ngx_strlen(argv[i]);
    }

    op->args = args;
    op->timeout = rd->conf->timeout;

    return op;
}


ngx_ai_op_t *
ngx_ai_redis_check(ngx_ai_redis_t *rd, ngx_uint_t slot, ngx_ai_op_pt handler,
    void *data)
{
    ngx_ai_op_t        *op;
    static const char  *argv[] = { "INFO" };

    op = ngx_ai_redis_command(rd, ngx_ai_redis_check_cb, 1, argv, handler,
                              data);

    if (op) {
        ngx_ai_redis_ask(rd, slot, op);
    }

    return op;
}


static void
ngx_ai_redis_ask(ngx_ai_redis_t *rd, ngx_uint_t slot, ngx_ai_op_t *op)
{
    if (rd->map && rd->map[slot % NGX_AI_REDIS_SLOTS] == 0) {
        ngx_ai_redis_refresh(rd);
    }

    ngx_ai_store_submit(&ngx_ai_redis_route(rd, slot)->store, op);
}


void
ngx_ai_redis_keep(ngx_ai_redis_t *rd, ngx_uint_t keep)
{
    ngx_uint_t            i;
    ngx_ai_redis_link_t  *link;

    rd->keep = keep ? 1 : 0;

    for (i = 0; i < rd->nlinks; i++) {
        link = rd->link[i];

        /* seeds are of use until the servers are known */

        link->store.keep = keep && (i ? link->listed : !rd->mapped);

        if (link->store.keep) {
            ngx_ai_store_connect(&link->store);
        }
    }

    if (keep && !rd->mapped) {
        ngx_ai_redis_refresh(rd);
    }
}


void
ngx_ai_redis_hurry(ngx_ai_redis_t *rd, ngx_uint_t slot)
{
    if (!rd->closed) {
        ngx_ai_store_hurry(&ngx_ai_redis_route(rd, slot)->store);
    }
}


ngx_uint_t
ngx_ai_redis_ready(ngx_ai_redis_t *rd, ngx_uint_t slot)
{
    ngx_ai_store_t  *st;

    if (rd->map && rd->map[slot % NGX_AI_REDIS_SLOTS] == 0) {
        return 0;
    }

    st = &ngx_ai_redis_route(rd, slot)->store;

    return st->state == NGX_AI_STORE_READY && st->nwaiting == 0
           && st->nsent < NGX_AI_REDIS_DEPTH;
}


ngx_uint_t
ngx_ai_redis_evicts(ngx_ai_redis_t *rd, ngx_uint_t slot)
{
    ngx_ai_redis_link_t  *link;

    if (rd->map && rd->map[slot % NGX_AI_REDIS_SLOTS] == 0) {
        return 1;
    }

    link = ngx_ai_redis_route(rd, slot);

    return !link->known || link->evicts;
}


void
ngx_ai_redis_close(ngx_ai_redis_t *rd, ngx_uint_t quiet)
{
    ngx_uint_t  i;

    rd->closed = 1;

    if (rd->refresh.timer_set) {
        ngx_del_timer(&rd->refresh);
    }

    for (i = 0; i < rd->nlinks; i++) {
        ngx_ai_store_close(&rd->link[i]->store, quiet);
    }
}


void
ngx_ai_redis_stat(ngx_ai_redis_t *rd, ngx_ai_redis_stat_t *st)
{
    ngx_uint_t             i;
    ngx_ai_store_t        *worst, *store;

    ngx_memzero(st, sizeof(ngx_ai_redis_stat_t));

    worst = &rd->link[0]->store;

    for (i = 0; i < rd->nlinks; i++) {
        store = &rd->link[i]->store;

        st->connects += store->connects;
        st->lost += store->lost;
        st->timeouts += store->timeouts;
        st->waiting += store->nwaiting + store->nsent;

        if (!rd->link[i]->listed) {
            continue;
        }

        if (st->servers == 0 || store->state < worst->state) {
            worst = store;
        }

        st->servers++;
    }

    if (!rd->mapped) {
        worst = &rd->link[0]->store;
    }

    if (rd->map == NULL) {
        st->servers = 1;
    }

    st->state = ngx_ai_store_state(worst);
    st->calls = rd->calls;
    st->errors = rd->errors;
    st->redirects = rd->redirects;
}
