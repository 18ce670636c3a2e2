
/*
 * The steps of admission, between ngx_http_ai_admit.c and ngx_http_ai_hold.c.
 */


#ifndef NGX_HTTP_AI_ADMIT_H
#define NGX_HTTP_AI_ADMIT_H


#include "ngx_http_ai.h"
#include "../core/ai_explain.h"


/* what one run of the steps shares; lives on the stack of the handler, and in
   the request's pool once it waits */

typedef struct {
    ngx_http_ai_main_conf_t   *mcf;
    ai_request_t              *rq;
    ai_error_t                 e;
    ai_rewrite_t               want;
    int64_t                    input;       /* upper bounds, tokens */
    int64_t                    output;
    ngx_uint_t                 unbounded;   /* AI_UNBOUNDED_... */

    u_char                     text[AI_EXPLAIN_MAX];    /* for e.message; not
                                                           zeroed */
} ngx_http_ai_admission_t;

#define ngx_http_ai_say(ad, text)                                            \
    do {                                                                     \
        (ad)->e.message.data = (u_char *) (text);                            \
        (ad)->e.message.len = sizeof(text) - 1;                              \
    } while (0)


ngx_int_t ngx_http_ai_step_bound(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);
ngx_int_t ngx_http_ai_step_hold(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);

/* ctx->guess: what the request will probably use, by what its model used
   before */
void ngx_http_ai_guess(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);


#endif /* NGX_HTTP_AI_ADMIT_H */
