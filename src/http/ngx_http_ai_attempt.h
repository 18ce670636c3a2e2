
/*
 * Attempts: a request goes to one target after another until one answers.
 *
 * While an attempt runs, the request's location is a copy of its own whose
 * error pages lead to a named location of ours (ngx_http_ai_jump.c): whatever
 * ends the attempt before the provider's head was accepted comes back there,
 * and the next attempt begins.  nginx runs the phases from the rewrite phase on
 * then; our handler is the first of it, and leads straight to the content
 * phase, so that no other module's access rules, limits or mirrors run once
 * more.
 *
 * An answer is given up only when the next attempt has its target, its places
 * and its key already: so the last provider's own words are never lost.
 */


#ifndef NGX_HTTP_AI_ATTEMPT_H
#define NGX_HTTP_AI_ATTEMPT_H


#include "ngx_http_ai_choose.h"
#include "ngx_http_ai_gate.h"


typedef struct ngx_http_ai_attempt_s  ngx_http_ai_attempt_t;

/* of a body that ends with its connection and must be read to be judged */

typedef enum {
    NGX_HTTP_AI_TAIL_NONE = 0,
    NGX_HTTP_AI_TAIL_WAITS,
    NGX_HTTP_AI_TAIL_ENDED
} ngx_http_ai_tail_t;

/* in the request's pool, from the first attempt on */

struct ngx_http_ai_attempt_s {
    ngx_http_ai_ctx_t         *ctx;
    ngx_http_ai_candidate_t   *candidate;   /* of this attempt */
    ngx_http_ai_candidate_t   *full;        /* the first without a free place */
    ngx_http_ai_candidate_t   *resort;      /* the first that rests */
    ai_chosen_t                chosen;      /* why it is made */
    ai_chosen_t                sent;        /* the same, of the one that was
                                               sent last */
    ngx_uint_t                 next;        /* candidate to be looked at */
    ngx_uint_t                 n;           /* attempts that were sent */
    ngx_uint_t                 key;         /* in provider->keys */
    unsigned                   probe;       /* its number on the board; 0: it
                                               is none */
    ngx_uint_t                 key_tries;   /* more keys of this target */
    ngx_msec_t                 since;       /* this one was sent */
    ngx_msec_t                 pause;       /* before it begins; 0: none */
    int64_t                    max_output;  /* the cap to be written; -1 */
    ngx_event_t                timer;       /* first byte, total, or a pause */
    uint64_t                   rest_ms;     /* the shortest wait for a target
                                               that may not be tried now */

    /* of this attempt's upstream */
    ngx_int_t                (*process_header)(ngx_http_request_t *r);
    ngx_int_t                (*reinit_request)(ngx_http_request_t *r);
    ngx_recv_pt                recv;        /* of its connection, while "tail"
                                               waits */

    /* of the request, given back when an attempt has failed */
    void                     **loc_conf;
    ngx_http_handler_pt        content_handler;

    ngx_http_ai_tail_t         tail;
    unsigned                   keepalive:1;
    unsigned                   ready:1;     /* candidate has its places and key,
                                               and is to be begun */
    unsigned                   begun:1;     /* on the board, not ended there */
    unsigned                   running:1;   /* an error leads to the next */
    unsigned                   open:1;      /* sent, and not in the row yet */
    unsigned                   headed:1;    /* its head is parsed */
    unsigned                   paused:1;
    unsigned                   again:1;     /* the same one is tried first */
};


/*
 * Begins the first attempt, or the next one: the target, its places in the
 * gates, its key, URL, headers and body.  rq is the scan of the body, or NULL:
 * it is scanned again.  NGX_OK: the request is ready for proxy_pass; NGX_DONE:
 * it waits, or was answered; or an HTTP status.
 */
ngx_int_t ngx_http_ai_attempt(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_request_t *rq);

/* makes ctx->attempt, at admission */
ngx_int_t ngx_http_ai_attempt_create(ngx_http_ai_ctx_t *ctx,
    int64_t max_output);

/* it is sent: the row and the figures know of it, and errors lead back */
void ngx_http_ai_attempt_sent(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);

/*
 * Its head has come: NGX_OK: it is the answer; NGX_DECLINED: it is given up for
 * another attempt, which has all that it needs; NGX_AGAIN: it depends on its
 * body, of which more must be read.
 */
ngx_int_t ngx_http_ai_attempt_judge(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);

/* in the row: its reason and status; later calls do nothing */
void ngx_http_ai_attempt_note(ngx_http_ai_attempt_t *at, ai_reason_t reason,
    ngx_uint_t status);

/* the request's end, however it comes; before its slot is finished */
void ngx_http_ai_attempt_close(ngx_http_ai_ctx_t *ctx, ai_reason_t reason,
    ngx_uint_t status);

/* its answer goes to the client: the location's own error pages hold again */
void ngx_http_ai_attempt_accept(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);

/* REWRITE, first of all handlers: where an error page of ours leads */
ngx_int_t ngx_http_ai_attempt_handler(ngx_http_request_t *r);


#endif /* NGX_HTTP_AI_ATTEMPT_H */
