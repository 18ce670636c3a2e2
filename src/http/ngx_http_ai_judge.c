
/*
 * What an attempt's head means: an answer for the client, or a reason to try
 * elsewhere.
 */


#include "ngx_http_ai_pick.h"
#include "ngx_http_ai_settle.h"
#include "ngx_http_ai_tail.h"
#include "../core/ai_failover.h"
#include "../core/ai_quota.h"


typedef struct {
    ngx_uint_t                 status;
    int64_t                    retry_ms;    /* -1: not said */
    ai_quota_said_t            quota;
    unsigned                   chunked:1;
} ngx_http_ai_head_t;


static void ngx_http_ai_head_read(ngx_http_request_t *r,
    ngx_http_ai_head_t *head);
static void ngx_http_ai_head_retry(ngx_http_ai_head_t *head, ngx_str_t *name,
    ngx_str_t *value, time_t now);
static ngx_uint_t ngx_http_ai_head_fails(ngx_http_ai_attempt_t *at,
    ngx_uint_t status);
static ngx_int_t ngx_http_ai_head_long(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_http_ai_head_t *head);
static ngx_int_t ngx_http_ai_head_key(ngx_http_ai_attempt_t *at,
    ngx_http_ai_head_t *head);
static void ngx_http_ai_head_said(ngx_http_ai_attempt_t *at,
    ai_quota_said_t *said);
static ai_outcome_t ngx_http_ai_head_outcome(ngx_http_ai_attempt_t *at,
    ngx_http_ai_head_t *head);


ngx_int_t
ngx_http_ai_attempt_judge(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_int_t           rc;
    ai_outcome_t        outcome;
    ngx_http_ai_head_t  head;

    ngx_http_ai_head_read(r, &head);
    ngx_http_ai_head_said(at, &head.quota);

    if (head.status == NGX_HTTP_BAD_REQUEST
        || head.status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE)
    {
        rc = ngx_http_ai_head_long(r, at, &head);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

    } else {
        rc = ngx_http_ai_head_key(at, &head);
    }

    if (rc == NGX_OK) {
        at->ready = 1;
        ngx_http_ai_attempt_note(at, AI_REASON_STATUS, head.status);
        return NGX_DECLINED;
    }

    if (!ngx_http_ai_head_fails(at, head.status)) {
        ngx_http_ai_pick_good(at);
        return NGX_OK;
    }

    outcome = ngx_http_ai_head_outcome(at, &head);

    ngx_http_ai_pick_failed(at, outcome, head.retry_ms);

    if (head.status == NGX_HTTP_TOO_MANY_REQUESTS
        && ngx_http_ai_pick_retry(at, head.retry_ms))
    {
        ngx_http_ai_attempt_note(at, AI_REASON_STATUS, head.status);

        at->pause = (ngx_msec_t) head.retry_ms + 1;
        at->next = at->candidate - at->ctx->candidates;
        at->again = 1;

        return NGX_DECLINED;
    }

    if (ngx_http_ai_pick(at) != NGX_OK) {
        return NGX_OK;
    }

    at->ready = 1;
    ngx_http_ai_attempt_note(at, AI_REASON_STATUS, head.status);

    return NGX_DECLINED;
}


static void
ngx_http_ai_head_read(ngx_http_request_t *r, ngx_http_ai_head_t *head)
{
    time_t                now;
    ngx_str_t             name;
    ngx_uint_t            i;
    ngx_list_part_t      *part;
    ngx_table_elt_t      *h;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    now = ngx_time();

    head->status = u->headers_in.status_n;
    head->chunked = u->headers_in.chunked;
    head->retry_ms = -1;

    ai_quota_none(&head->quota);

    part = &u->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        name.len = h[i].key.len;
        name.data = h[i].lowcase_key;

        switch (name.data[0]) {

        case 'a':
        case 'x':
            (void) ai_quota_header(&head->quota, (ai_str_t *) &name,
                                   (ai_str_t *) &h[i].value, (uint64_t) now);
            break;

        case 'r':
            ngx_http_ai_head_retry(head, &name, &h[i].value, now);
            break;
        }
    }
}


/* retry-after-ms is the exact one */

static void
ngx_http_ai_head_retry(ngx_http_ai_head_t *head, ngx_str_t *name,
    ngx_str_t *value, time_t now)
{
    if (ai_str_is(name, "retry-after-ms")) {
        head->retry_ms = ai_retry_after_ms((ai_str_t *) value);

    } else if (ai_str_is(name, "retry-after") && head->retry_ms < 0) {
        head->retry_ms = ai_retry_after((ai_str_t *) value, (uint64_t) now);
    }
}


static ngx_uint_t
ngx_http_ai_head_fails(ngx_http_ai_attempt_t *at, ngx_uint_t status)
{
    ngx_uint_t   i, *listed;
    ngx_array_t  *statuses;

    if (ai_failover_status((unsigned) status)) {
        return 1;
    }

    statuses = at->ctx->model->statuses;

    if (statuses == NULL) {
        return 0;
    }

    listed = statuses->elts;

    for (i = 0; i < statuses->nelts; i++) {
        if (listed[i] == status) {
            return 1;
        }
    }

    return 0;
}


/* NGX_OK: the prompt is too long for it, and a longer context was found */

static ngx_int_t
ngx_http_ai_head_long(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    ngx_http_ai_head_t *head)
{
    off_t       length;
    ngx_buf_t  *b;

    if (ngx_http_ai_choose_longer(at->ctx, at->candidate) == NULL) {
        return NGX_DECLINED;
    }

    b = &r->upstream->buffer;

    if (ai_failover_too_long(b->pos, b->last - b->pos, head->chunked)) {
        ngx_http_ai_pick_failed(at, AI_OUTCOME_OK, -1);

        return ngx_http_ai_pick_longer(at);
    }

    length = r->upstream->headers_in.content_length_n;

    if (b->last == b->end || at->tail == NGX_HTTP_AI_TAIL_ENDED
        || ai_failover_whole(b->pos, b->last - b->pos, length, head->chunked))
    {
        return NGX_DECLINED;
    }

    if (length < 0 && !head->chunked) {
        ngx_http_ai_tail_wait(r, at);
    }

    return NGX_AGAIN;
}


/* NGX_OK: the same target is tried with another key of its provider */

static ngx_int_t
ngx_http_ai_head_key(ngx_http_ai_attempt_t *at, ngx_http_ai_head_t *head)
{
    if ((head->status != NGX_HTTP_UNAUTHORIZED
         && head->status != NGX_HTTP_TOO_MANY_REQUESTS)
        || !ngx_http_ai_pick_key(at, head->status, head->retry_ms))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_http_ai_head_said(ngx_http_ai_attempt_t *at, ai_quota_said_t *said)
{
    ngx_ai_routing_t        *rt;
    ngx_http_ai_target_t    *target;
    ngx_http_ai_provider_t  *provider;

    if (said->requests < 0 && said->tokens < 0) {
        return;
    }

    target = at->ctx->target;
    provider = target->provider;
    rt = ngx_http_ai_mcf(at->ctx)->routing;

    ngx_ai_routing_lock(rt);

    if (provider->keys.nelts < 2) {
        ai_board_said(rt->board, target->place, said, ngx_current_msec);

    } else if (provider->key_places) {
        ai_board_key_said(rt->board, provider->key_places[at->key], said,
                          ngx_current_msec);
    }

    ngx_ai_routing_unlock(rt);
}


static ai_outcome_t
ngx_http_ai_head_outcome(ngx_http_ai_attempt_t *at, ngx_http_ai_head_t *head)
{
    if (ai_failover_counts((unsigned) head->status)) {
        return AI_OUTCOME_FAILED;
    }

    /* nobody else could serve while it rested for no time that it named */

    if (head->status == NGX_HTTP_TOO_MANY_REQUESTS
        && (head->retry_ms >= 0 || at->ctx->ncandidates > 1))
    {
        return AI_OUTCOME_LIMITED;
    }

    return AI_OUTCOME_OTHER;
}
