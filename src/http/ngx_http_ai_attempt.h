
/*
 * Attempts: a request goes to one target after another until one answers.
 *
 * While an attempt runs, the request's location is a copy of its own whose
 * error pages lead to a named location of ours: whatever ends the attempt before
 * the provider's head was accepted comes back there, and the next attempt
 * begins.  nginx runs the phases from the rewrite phase on then; our handler is
 * the first of it, and leads straight to the content phase, so that no other
 * module's access rules, limits or mirrors run once more.
 */


#ifndef NGX_HTTP_AI_ATTEMPT_H
#define NGX_HTTP_AI_ATTEMPT_H


#include "ngx_http_ai_choose.h"
#include "ngx_http_ai_gate.h"


typedef struct ngx_http_ai_attempt_s  ngx_http_ai_attempt_t;

/* in the request's pool, from the first attempt on */

struct ngx_http_ai_attempt_s {
    ngx_http_ai_candidate_t   *candidate;   /* of this attempt */
    ngx_uint_t                 next;        /* candidate to be looked at */
    ngx_uint_t                 n;           /* attempts that were sent */
    ngx_msec_t                 since;       /* this one began */
    ngx_uint_t                 key;         /* in provider->keys */
    int64_t                    max_output;  /* ad->want's */
    int64_t                    retry_ms;    /* the last answer's; -1: none */
    ngx_event_t                timer;       /* first byte, total, or a wait */
    ngx_int_t                (*process_header)(ngx_http_request_t *r);
    ngx_int_t                (*reinit_request)(ngx_http_request_t *r);
    void                     **loc_conf;    /* the location's own */
    ngx_str_t                  args;
    ngx_uint_t                 keepalive;
    ngx_uint_t                 status;      /* of the last answer; 0: none */
    unsigned                   probe;       /* its number on the board; 0: it
                                               is none */
    ai_chosen_t                again;       /* RETRY or KEY: the same target
                                               next; else NONE */
    unsigned                   begun:1;     /* on the board, not ended there */
    unsigned                   running:1;   /* an error page leads to the next */
    unsigned                   over:1;      /* decided by its head: goes on */
    unsigned                   tried_keys:1;
    unsigned                   waiting:1;
};


/*
 * Begins the first attempt, or the next one: the target, its places in the
 * gates, its key, URL, headers and body.  rq is the scan of the body, or NULL:
 * it is scanned again.  NGX_OK: the request is ready for proxy_pass; NGX_DONE:
 * it waits, or was answered; or an HTTP status.
 */
ngx_int_t ngx_http_ai_attempt(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_request_t *rq, int64_t max_output);

/* ends it on the board and in the row; later calls do nothing */
void ngx_http_ai_attempt_end(ngx_http_ai_ctx_t *ctx, ai_reason_t reason,
    ngx_uint_t status);

/* the request's end, however it comes */
void ngx_http_ai_attempt_close(ngx_http_ai_ctx_t *ctx);

/* REWRITE, first of all handlers: where an error page of ours leads */
ngx_int_t ngx_http_ai_attempt_handler(ngx_http_request_t *r);


#endif /* NGX_HTTP_AI_ATTEMPT_H */
