
/*
 * Keys that are revoked while their requests run.
 *
 * Every worker has its requests of the directory's keys in one queue, the one
 * whose key was looked at longest ago first.  A timer runs while there are any
 * and does nothing until the directory has changed, or the nearest date of a
 * key has passed; then each key is looked up again, a bounded number at a time,
 * so that thousands of streams stop no one else's.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_directory.h"
#include "ngx_http_ai_settle.h"
#include "ngx_http_ai_cache.h"
#include "ngx_http_ai_wait.h"


#define NGX_HTTP_AI_WATCH_EVERY  100    /* ms */
#define NGX_HTTP_AI_WATCH_AGAIN  1      /* ms, while some are left */
#define NGX_HTTP_AI_WATCH_MAX    128    /* keys at a time */
#define NGX_HTTP_AI_WATCH_ROUND  ((uint64_t) 1 << 48)   /* above the stamps */


static void ngx_http_ai_watch_handler(ngx_event_t *ev);
static void ngx_http_ai_watch_until(uint64_t expires);
static void ngx_http_ai_watch_look(ngx_http_ai_ctx_t *ctx);
static ngx_uint_t ngx_http_ai_lowered(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_records_t *rec);
static ngx_uint_t ngx_http_ai_lowered_below(ngx_http_ai_ctx_t *ctx,
    const ai_owner_id_t *id, ngx_http_ai_limits_t *limits,
    ngx_array_t *before);
static void ngx_http_ai_revoke(ngx_http_ai_ctx_t *ctx, ai_error_code_t why);
static void ngx_http_ai_revoke_cut(ngx_http_request_t *r);
static void ngx_http_ai_revoke_reset(ngx_connection_t *c);
static void ngx_http_ai_revoke_body(ngx_http_request_t *r);
static void ngx_http_ai_revoke_upstream(ngx_http_request_t *r);


static ngx_queue_t       ngx_http_ai_watched;
static ngx_event_t       ngx_http_ai_watch_event;
static ngx_connection_t  ngx_http_ai_watch_dummy;

static uint64_t          ngx_http_ai_watch_expires;     /* 0: none does */
static uint64_t          ngx_http_ai_watch_round;       /* counts dates */


void
ngx_http_ai_watch(ngx_http_ai_ctx_t *ctx)
{
    ngx_event_t  *ev;

    if (ctx->watched) {
        return;
    }

    ev = &ngx_http_ai_watch_event;

    if (ngx_http_ai_watched.next == NULL) {
        ngx_queue_init(&ngx_http_ai_watched);

        ngx_http_ai_watch_dummy.fd = (ngx_socket_t) -1;

        ev->handler = ngx_http_ai_watch_handler;
        ev->data = &ngx_http_ai_watch_dummy;
        ev->log = ngx_cycle->log;
        ev->cancelable = 1;
    }

    ctx->watched = 1;
    ctx->stamp = ctx->key->stamp + ngx_http_ai_watch_round;

    ngx_http_ai_watch_until((uint64_t) ctx->key->expires);

    ngx_queue_insert_tail(&ngx_http_ai_watched, &ctx->watch);

    if (!ev->timer_set) {
        ngx_add_timer(ev, NGX_HTTP_AI_WATCH_EVERY);
    }
}


void
ngx_http_ai_unwatch(ngx_http_ai_ctx_t *ctx)
{
    if (ctx->watched) {
        ctx->watched = 0;
        ngx_queue_remove(&ctx->watch);
    }
}


static void
ngx_http_ai_watch_until(uint64_t expires)
{
    if (expires && (ngx_http_ai_watch_expires == 0
                    || expires < ngx_http_ai_watch_expires))
    {
        ngx_http_ai_watch_expires = expires;
    }
}


static void
ngx_http_ai_watch_handler(ngx_event_t *ev)
{
    uint64_t            stamp;
    ngx_uint_t          n;
    ngx_queue_t        *q;
    ngx_http_ai_ctx_t  *ctx;

    if (ngx_http_ai_watch_expires
        && ngx_http_ai_watch_expires <= (uint64_t) ngx_time())
    {
        ngx_http_ai_watch_expires = 0;
        ngx_http_ai_watch_round += NGX_HTTP_AI_WATCH_ROUND;
    }

    for (n = 0; n < NGX_HTTP_AI_WATCH_MAX; n++) {

        if (ngx_queue_empty(&ngx_http_ai_watched)) {
            ngx_http_ai_watch_expires = 0;
            return;
        }

        q = ngx_queue_head(&ngx_http_ai_watched);
        ctx = ngx_queue_data(q, ngx_http_ai_ctx_t, watch);

        stamp = ngx_http_ai_directory_stamp(ngx_http_ai_mcf(ctx))
                + ngx_http_ai_watch_round;

        if (ctx->stamp == stamp) {
            break;
        }

        ctx->stamp = stamp;

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&ngx_http_ai_watched, q);

        /* which may end this request, and others of its connection */

        ngx_http_ai_watch_look(ctx);
    }

    ngx_add_timer(ev, n < NGX_HTTP_AI_WATCH_MAX ? NGX_HTTP_AI_WATCH_EVERY
                                                : NGX_HTTP_AI_WATCH_AGAIN);
}


static void
ngx_http_ai_watch_look(ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t                     rc;
    ai_error_code_t               why;
    static ngx_http_ai_records_t  rec;

    rc = ngx_http_ai_records_get(ngx_http_ai_mcf(ctx), ctx->key->digest, &rec);

    if (rc == NGX_ERROR) {
        return;                 /* a fault, which proves nothing */
    }

    if (rc == NGX_DECLINED) {

        if (!(rec.stamp & 1)) {
            return;             /* it may be there */
        }

        why = AI_ERR_BAD_KEY;

    } else if (rec.key.expires && rec.key.expires <= (uint64_t) ngx_time()) {
        why = AI_ERR_BAD_KEY;

    } else if (rec.tenant.suspended) {
        why = AI_ERR_SUSPENDED;

    } else if (ctx->admitted && ngx_http_ai_lowered(ctx, &rec)) {
        why = AI_ERR_BUDGET;

    } else {
        ngx_http_ai_watch_until(rec.key.expires);
        return;
    }

    if (ctx->admitted && ctx->key->tenant->plan->finish) {
        return;
    }

    ngx_http_ai_revoke(ctx, why);
}


/* whether a budget is less now than when the request was admitted, and less
   than what was used */

static ngx_uint_t
ngx_http_ai_lowered(ngx_http_ai_ctx_t *ctx, ngx_http_ai_records_t *rec)
{
    ngx_http_ai_limits_t  limits;
    ai_limit_t            room[NGX_AI_PARTY_LIMITS];

    limits.elts = room;
    limits.nelts = 0;

    ngx_http_ai_records_tenant_limits(rec, &limits);

    if (ngx_http_ai_lowered_below(ctx, &rec->tenant.owner, &limits,
                                  ctx->key->tenant->limits))
    {
        return 1;
    }

    limits.nelts = 0;

    ngx_http_ai_records_key_limits(rec, &limits);

    return ngx_http_ai_lowered_below(ctx, &rec->key.owner, &limits,
                                     ctx->key->limits);
}


static ngx_uint_t
ngx_http_ai_lowered_below(ngx_http_ai_ctx_t *ctx, const ai_owner_id_t *id,
    ngx_http_ai_limits_t *limits, ngx_array_t *before)
{
    ai_now_t          now;
    ngx_uint_t        i, below;
    ai_limit_t       *l, *old;
    ngx_ai_zone_t    *zone;
    ai_limit_view_t   view;

    zone = ngx_http_ai_mcf(ctx)->zone;

    for (i = 0; i < limits->nelts; i++) {
        l = &limits->elts[i];

        if (l->resource == AI_RES_CONCURRENCY
            || l->period < AI_PERIOD_BUCKETS)
        {
            continue;
        }

        old = before ? ngx_http_ai_conf_limit_find(before, l) : NULL;

        if (old && old->amount <= l->amount) {
            continue;
        }

        ngx_ai_now(&now);

        ngx_ai_zone_lock(zone);
        ai_book_limit_view(zone->book, ai_book_owner_find(zone->book, id), l,
                           &now, &view);
        below = (view.used > l->amount);
        ngx_ai_zone_unlock(zone);

        if (below) {
            return 1;
        }
    }

    return 0;
}


/*
 * Ends a request as far as it has come: while the body is read, while it waits
 * for admission, or before the provider's head, by a refusal; later by cutting
 * the answer.  One that waits
 * for another module's phase is refused when it comes to admission; one whose
 * answer came whole runs on.
 */

static void
ngx_http_ai_revoke(ngx_http_ai_ctx_t *ctx, ai_error_code_t why)
{
    ai_error_t           e;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    if (ctx->ended || ctx->refused || ctx->replaced || ctx->last_seen
        || (!ctx->passed && (!ctx->reading || ctx->read)
            && !(ctx->wait && ctx->wait->waiting) && !ctx->admitted))
    {
        return;
    }

    if (ngx_http_ai_cache_leave(r) != NGX_OK) {
        return;
    }

    ngx_http_ai_wait_end(ctx);

    ngx_http_set_log_request(c->log, r);

    ngx_log_error(NGX_LOG_INFO, c->log, 0,
                  "ai request of tenant \"%V\" is ended: %s",
                  &ctx->key->tenant->sn.str,
                  why == AI_ERR_BUDGET ? "its budget was lowered"
                  : why == AI_ERR_SUSPENDED ? "it was suspended"
                                            : "the key was revoked");

    ngx_http_ai_unwatch(ctx);
    ctx->revoked = 1;

    if (r->header_sent || ctx->headless) {
        ctx->status = AI_STATUS_REVOKED;
        ngx_http_ai_end(ctx);
        ngx_http_ai_revoke_cut(r);
        return;
    }

    ngx_http_ai_attempt_close(ctx, AI_REASON_REVOKED, 0);

    if (ctx->passed) {
        ngx_http_ai_revoke_upstream(r);

    } else {
        ngx_http_ai_revoke_body(r);
    }

    ngx_memzero(&e, sizeof(ai_error_t));
    e.code = why;
    e.retry_ms = -1;

    (void) ngx_http_ai_refuse(r, ctx, &e);

    ngx_http_run_posted_requests(c);
}


/*
 * Nothing of what the client gets may look like a whole answer: a chunked one
 * lacks its last chunk, one of HTTP/2 is reset, one that the end of the
 * connection delimits needs a reset too.  The rest is what nginx's
 * ngx_http_request_handler() does to a connection that is to be closed.
 */

static void
ngx_http_ai_revoke_cut(ngx_http_request_t *r)
{
    ngx_event_t       *wev;
    ngx_connection_t  *c;

    c = r->connection;
    wev = NULL;

#if (NGX_HTTP_V2)
    if (r->stream) {
        wev = r->stream->connection->connection->write;
    }
#endif

    if (wev == NULL && !r->chunked && r->headers_out.content_length_n == -1) {
        ngx_http_ai_revoke_reset(c);
    }

    r->main->count++;
    ngx_http_finalize_request(r, NGX_ERROR);
    ngx_http_run_posted_requests(c);

    if (wev && !wev->posted) {

        /* the reset of the stream is queued; no other stream may send soon */

        ngx_post_event(wev, &ngx_posted_events);
    }
}


static void
ngx_http_ai_revoke_reset(ngx_connection_t *c)
{
    struct linger  linger;

    linger.l_onoff = 1;
    linger.l_linger = 0;

    if (setsockopt(c->fd, SOL_SOCKET, SO_LINGER, (const void *) &linger,
                   sizeof(struct linger))
        == -1)
    {
        ngx_log_error(NGX_LOG_ALERT, c->log, ngx_socket_errno,
                      "setsockopt(SO_LINGER) failed");
    }

    c->error = 1;               /* nor does TLS say good-bye */
}


/* what comes of the body yet is passed over, and calls nobody */

static void
ngx_http_ai_revoke_body(ngx_http_request_t *r)
{
    if (r->connection->read->timer_set) {
        ngx_del_timer(r->connection->read);
    }

    r->read_event_handler = ngx_http_block_reading;

#if (NGX_HTTP_V2)
    if (r->stream) {
        r->stream->skip_data = 1;
    }
#endif
}


/*
 * Closes the connection to the provider and leaves the request to us: what
 * nginx does before a request is terminated, save for its end.
 */

static void
ngx_http_ai_revoke_upstream(ngx_http_request_t *r)
{
    ngx_http_cleanup_pt  *cleanup;

    cleanup = r->upstream ? r->upstream->cleanup : NULL;

    if (cleanup && *cleanup) {
        r->main->count++;
        (*cleanup)(r);
    }
}
