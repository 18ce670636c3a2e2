
/*
 * Which candidate an attempt goes to now: what the board, the gates and the
 * provider's keys say of each.
 *
 * A target whose breaker is open is left out, and one that has no place free is
 * waited for only when no other may be tried.  One that rests after a 429, or
 * whose announced quota is used up, is the last resort: its own words are worth
 * more than ours.
 */


#ifndef NGX_HTTP_AI_PICK_H
#define NGX_HTTP_AI_PICK_H


#include "ngx_http_ai_attempt.h"


/*
 * The next candidate, with its places and its key: at->candidate, ->key.
 * NGX_BUSY: one has no place free, and none other may be tried; NGX_DECLINED:
 * there is none.
 */
ngx_int_t ngx_http_ai_pick(ngx_http_ai_attempt_t *at);

/* after NGX_BUSY; NGX_DONE: it waits for a place; NGX_OK: a last resort was
   found; NGX_DECLINED: there is none */
ngx_int_t ngx_http_ai_pick_wait(ngx_http_ai_attempt_t *at);

/* the attempt has failed: on the board, and its places are free */
void ngx_http_ai_pick_failed(ngx_http_ai_attempt_t *at, ai_outcome_t outcome,
    int64_t retry_ms);

/* its answer is the client's; the places stay until the end */
void ngx_http_ai_pick_good(ngx_http_ai_attempt_t *at);

/* the request's end */
void ngx_http_ai_pick_close(ngx_http_ai_attempt_t *at, ai_reason_t reason);

/* it has 401 or 429: whether the same target is tried with another key (1) */
ngx_uint_t ngx_http_ai_pick_key(ngx_http_ai_attempt_t *at, ngx_uint_t status,
    int64_t retry_ms);

/* 429: whether its retry-after is shorter than failing over (1) */
ngx_uint_t ngx_http_ai_pick_retry(ngx_http_ai_attempt_t *at,
    int64_t retry_ms);

/* the prompt was too long: a target with a longer context, as by
   ngx_http_ai_pick() */
ngx_int_t ngx_http_ai_pick_longer(ngx_http_ai_attempt_t *at);


#endif /* NGX_HTTP_AI_PICK_H */
