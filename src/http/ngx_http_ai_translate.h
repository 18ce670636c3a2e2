
/*
 * Requests to a provider of another dialect, and its answers as the client's.
 */


#ifndef NGX_HTTP_AI_TRANSLATE_H
#define NGX_HTTP_AI_TRANSLATE_H


#include "ngx_http_ai.h"
#include "../core/ai_translate.h"


/* whether the target's answer has to be translated for the route */
ngx_uint_t ngx_http_ai_translate_wanted(ngx_http_ai_ctx_t *ctx);

/*
 * The request's body in the target's dialect, as "rw" wants it, in one piece of
 * its pool.  It was found translatable before.  NGX_OK, or an HTTP status.
 */
ngx_int_t ngx_http_ai_translate_request(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ai_rewrite_t *rw);

/*
 * At the provider's head, behind the choice of the meter: makes
 * ctx->translate, sets the meter to the provider's dialect and the head to
 * what the client gets.  NGX_OK; NGX_DONE: the head waits for the body, as
 * ctx->headless says; NGX_ERROR; or the status to answer with: what comes
 * cannot be translated.
 */
ngx_int_t ngx_http_ai_translate_head(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);

/*
 * Turns the provider's bytes into ours.  They lie in memory and the meter has
 * read them.  A head that waits is complete with the first of ours.  *out is
 * made of own buffers, for ngx_chain_update_chains() with ctx->free and
 * ctx->busy, and may be NULL.  NGX_AGAIN: the client is late, so the rest of
 * "in" was left as it is, which keeps its buffers busy; call it again with NULL
 * when some of ctx->busy has gone.  NGX_ERROR: the answer ends here, cut.
 */
ngx_int_t ngx_http_ai_translate_chain(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_chain_t *in, ngx_chain_t **out);


#endif /* NGX_HTTP_AI_TRANSLATE_H */
