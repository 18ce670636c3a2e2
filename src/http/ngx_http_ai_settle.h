
/*
 * The truth after an answer, between ngx_http_ai_measure.c, _cost.c, _settle.c
 * and _end.c.
 */


#ifndef NGX_HTTP_AI_SETTLE_H
#define NGX_HTTP_AI_SETTLE_H


#include "ngx_http_ai.h"


#define ngx_http_ai_mcf(ctx)                                                 \
    ((ngx_http_ai_main_conf_t *)                                             \
     ngx_http_get_module_main_conf((ctx)->request, ngx_http_ai_tenant_module))

/* bytes of what was delivered and billed as output */
#define ngx_http_ai_shown(m)  ((m)->text_bytes + (m)->reasoning_bytes)


/* the record as it stands now: FINAL, PARTIAL, ESTIMATED or NONE; and
   ctx->served */
void ngx_http_ai_measure(ngx_http_ai_ctx_t *ctx, ai_usage_t *u);

/* nano-dollars of a record by the prices of ctx->served, rounded once; 0 where
   source is NONE */
int64_t ngx_http_ai_cost(ngx_http_ai_ctx_t *ctx, ai_usage_t *u);

/* the price of the model that the answer named, where it is configured and has
   one; or of the target's, or of the admitted one */
const ai_price_t *ngx_http_ai_served(ngx_http_ai_ctx_t *ctx);

/* the price tier of the answer; AI_DECLINED: a word that nobody knows */
int ngx_http_ai_tier(ngx_http_ai_ctx_t *ctx);


#endif /* NGX_HTTP_AI_SETTLE_H */
