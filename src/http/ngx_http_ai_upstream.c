
/*
 * The hand-over to nginx's upstream: every group's peer.init is wrapped, which
 * runs when the request to the provider is made and nothing is sent yet.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_cache.h"
#include "ngx_http_ai_jump.h"
#include "ngx_http_ai_tail.h"


/*
 * A copy of a location's upstream configuration with the time-outs of a
 * target.  There are few different ones, made as they are met and kept for the
 * life of the worker.
 */

typedef struct {
    ngx_http_upstream_conf_t  *from;
    ngx_msec_t                 connect;
    ngx_msec_t                 read;
    ngx_uint_t                 drain;
    ngx_uint_t                 intercept;   /* the answer is given up */
    ngx_http_upstream_conf_t  *conf;
} ngx_http_ai_variant_t;

#define NGX_HTTP_AI_VARIANTS  64


static ngx_int_t ngx_http_ai_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_http_ai_ctx_t *ngx_http_ai_peer_ctx(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_http_ai_process_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_final_answer(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_reinit_request(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_credential(ngx_http_request_t *r,
    ngx_http_ai_provider_t *provider, ngx_uint_t n);
static ngx_http_upstream_conf_t *ngx_http_ai_variant(ngx_http_request_t *r,
    ngx_http_upstream_conf_t *from, ngx_http_ai_target_t *target,
    ngx_msec_t read, ngx_uint_t drain, ngx_uint_t intercept);


ngx_int_t
ngx_http_ai_upstream_init(ngx_conf_t *cf)
{
    ngx_uint_t                       i;
    ngx_http_ai_srv_conf_t          *ascf;
    ngx_http_upstream_srv_conf_t   **uscfp;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);
    uscfp = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        /* implicit groups of a literal proxy_pass have no configuration */

        if (uscfp[i]->srv_conf == NULL || uscfp[i]->peer.init == NULL) {
            continue;
        }

        ascf = ngx_http_conf_upstream_srv_conf(uscfp[i],
                                               ngx_http_ai_tenant_module);

        ascf->init_peer = uscfp[i]->peer.init;
        uscfp[i]->peer.init = ngx_http_ai_init_peer;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_init_peer(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_ai_ctx_t        *ctx;
    ngx_http_upstream_t      *u;
    ngx_http_ai_attempt_t    *at;
    ngx_http_ai_loc_conf_t   *alcf;
    ngx_http_ai_srv_conf_t   *ascf;

    ascf = ngx_http_conf_upstream_srv_conf(us, ngx_http_ai_tenant_module);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_tenant_module);

    if (ascf->init_peer(r, us) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!alcf->gateway || r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_ai_peer_ctx(r, us);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_http_ai_target_headers_restore(ctx);

    u = r->upstream;
    at = ctx->attempt;

    if (ngx_http_ai_credential(r, ctx->target->provider, at->key) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_ai_cache_missed(r, ctx);

    u->conf = ngx_http_ai_variant(r, u->conf, ctx->target,
                                  ctx->target->timeout, ctx->drain, 0);
    if (u->conf == NULL) {
        return NGX_ERROR;
    }

    if (ctx->drain) {

        /* nginx has looked at ignore_client_abort of the former conf */

        r->read_event_handler = ngx_http_block_reading;
        r->write_event_handler = ngx_http_request_empty_handler;
    }

    /*
     * nginx adds a try for a cached connection that turns out closed: that
     * alone is repeated, a fresh connection that fails is not
     */

    u->peer.tries = 1;

    at->process_header = u->process_header;
    at->reinit_request = u->reinit_request;

    u->process_header = ngx_http_ai_process_header;
    u->reinit_request = ngx_http_ai_reinit_request;

    ngx_http_ai_attempt_sent(r, at);

    return NGX_OK;
}


/* nothing is sent but what was admitted, and to its target alone */

static ngx_http_ai_ctx_t *
ngx_http_ai_peer_ctx(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_ai_ctx(r);

    if (ctx && ctx->passed && us == ctx->target->provider->group) {
        return ctx;
    }

    ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                  "ai request for upstream \"%V\" was not admitted, check "
                  "that \"proxy_pass\" uses $ai_pass", &us->host);

    return NULL;
}


/* proxy reads the status line by one handler and the headers by another */

static ngx_int_t
ngx_http_ai_process_header(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_ai_ctx_t         *ctx;
    ngx_http_upstream_t       *u;
    ngx_http_ai_attempt_t     *at;
    ngx_http_upstream_conf_t  *conf;

    u = r->upstream;
    ctx = ngx_http_ai_ctx(r);
    at = ctx->attempt;

    if (ngx_http_ai_cached(r)) {
        return at->process_header(r);       /* an old answer's */
    }

    if (!at->headed) {
        rc = at->process_header(r);

        if (u->process_header != ngx_http_ai_process_header) {
            at->process_header = u->process_header;
            u->process_header = ngx_http_ai_process_header;
        }

        if (rc == NGX_OK) {
            rc = ngx_http_ai_final_answer(r, ctx);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        at->headed = 1;
    }

    ngx_http_ai_tail_read(r, at);

    rc = ngx_http_ai_attempt_judge(r, at);

    if (rc != NGX_OK && rc != NGX_DECLINED) {
        return rc;
    }

    ngx_http_ai_tail_done(r, at);

    /* nginx leaves a timer that is set again a little later as it is: from one
       read to the next it would end early */

    conf = ngx_http_ai_variant(r, u->conf, ctx->target,
                               ctx->target->timeout + NGX_TIMER_LAZY_DELAY,
                               ctx->drain, rc == NGX_DECLINED);
    if (conf == NULL) {
        return NGX_ERROR;
    }

    u->conf = conf;

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    u->headers_in.status_n = NGX_HTTP_AI_JUMP;

    ngx_http_ai_cache_elsewhere(r);

    return NGX_OK;
}


/*
 * Proxy passes an interim answer on as if it were the last one, a switch of
 * protocols as a tunnel, and bytes without any head as an answer of HTTP/0.9.
 */

static ngx_int_t
ngx_http_ai_final_answer(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    if (r->http_version >= NGX_HTTP_VERSION_10
        && r->upstream->headers_in.status_n >= NGX_HTTP_OK)
    {
        return NGX_OK;
    }

    r->http_version = r->http_major ? r->http_major * 1000 + r->http_minor
                                    : NGX_HTTP_VERSION_20;

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "ai provider \"%V\" sent no final HTTP/1 answer",
                  &ctx->target->provider->name);

    return NGX_HTTP_UPSTREAM_INVALID_HEADER;
}


/* a cached connection was closed: the same request on a fresh one */

static ngx_int_t
ngx_http_ai_reinit_request(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_http_ai_attempt_t  *at;

    at = ngx_http_ai_ctx(r)->attempt;

    rc = at->reinit_request(r);

    at->headed = 0;
    at->process_header = r->upstream->process_header;
    r->upstream->process_header = ngx_http_ai_process_header;

    return rc;
}


/*
 * The provider's key joins the request's head as a link of its own: it passes
 * no variable, and nginx's debug log of the head does not show it.
 */

static ngx_int_t
ngx_http_ai_credential(ngx_http_request_t *r, ngx_http_ai_provider_t *provider,
    ngx_uint_t n)
{
    ngx_buf_t    *b, *head;
    ngx_str_t    *key;
    ngx_chain_t  *cl;

    if (provider->keys.nelts == 0) {
        return NGX_OK;
    }

    key = provider->keys.elts;
    key += n % provider->keys.nelts;

    head = r->upstream->request_bufs->buf;

    if (head->last - head->pos < 4
        || ngx_memcmp(head->last - 4, CRLF CRLF, 4) != 0)
    {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "ai request has an unexpected head, check "
                      "\"proxy_set_body\"");
        return NGX_ERROR;
    }

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->start = key->data;
    b->pos = key->data;
    b->last = key->data + key->len;
    b->end = b->last;
    b->memory = 1;
    b->flush = head->flush;
    b->last_buf = head->last_buf;

    head->last -= 2;
    head->flush = 0;
    head->last_buf = 0;

    cl->buf = b;
    cl->next = r->upstream->request_bufs->next;
    r->upstream->request_bufs->next = cl;

    return NGX_OK;
}


static ngx_http_upstream_conf_t *
ngx_http_ai_variant(ngx_http_request_t *r, ngx_http_upstream_conf_t *from,
    ngx_http_ai_target_t *target, ngx_msec_t read, ngx_uint_t drain,
    ngx_uint_t intercept)
{
    ngx_uint_t                     i;
    ngx_pool_t                    *pool;
    ngx_http_ai_variant_t         *v, one;
    static ngx_uint_t              n;
    static volatile ngx_cycle_t   *cycle;
    static ngx_http_ai_variant_t   variants[NGX_HTTP_AI_VARIANTS];

    if (cycle != ngx_cycle) {
        cycle = ngx_cycle;
        n = 0;
    }

    for (i = 0; i < n; i++) {
        v = &variants[i];

        if ((v->from == from || v->conf == from)
            && v->connect == target->connect && v->read == read
            && v->drain == drain && v->intercept == intercept)
        {
            return v->conf;
        }
    }

    if (n < NGX_HTTP_AI_VARIANTS) {
        v = &variants[n];
        pool = ngx_cycle->pool;

    } else {
        v = &one;
        pool = r->pool;
    }

    v->conf = ngx_palloc(pool, sizeof(ngx_http_upstream_conf_t));
    if (v->conf == NULL) {
        return NULL;
    }

    *v->conf = *from;

    v->conf->connect_timeout = target->connect;
    v->conf->read_timeout = read;
    v->conf->next_upstream = NGX_HTTP_UPSTREAM_FT_ERROR
                             |NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT;
    v->conf->intercept_errors = intercept;
    v->conf->ignore_client_abort = drain;

    v->from = from;
    v->connect = target->connect;
    v->read = read;
    v->drain = drain;
    v->intercept = intercept;

    if (v != &one) {
        n++;
    }

    return v->conf;
}
