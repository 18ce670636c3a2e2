
/*
 * Which targets a request may be tried on, in which order, and why: what the
 * model's configuration says, never whether a target is well now, which the
 * attempts ask the board for.
 */


#ifndef NGX_HTTP_AI_CHOOSE_H
#define NGX_HTTP_AI_CHOOSE_H


#include "ngx_http_ai_admit.h"


/* one "route" of a model: all that are set must hold */

typedef struct {
    ngx_str_t                  header;      /* lower case; len 0: not looked at */
    ngx_str_t                  header_value;    /* '*' at an end: any rest */
    ngx_str_t                  label;       /* of the tenant */
    ngx_str_t                  label_value;
    size_t                     body_min;    /* bytes; 0: not looked at */
    size_t                     body_max;
    unsigned                   stream:2;    /* 0: not looked at, 1 on, 2 off */
    unsigned                   tools:2;
    unsigned                   images:2;
    ngx_array_t                targets;     /* of ngx_uint_t: in m->targets */
    ngx_array_t                names;       /* of ngx_str_t, until resolved */
    u_char                    *file;
    ngx_uint_t                 line;
} ngx_http_ai_rule_t;


/* one "task" of a virtual model; the one without a name is its default */

typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  model_name;
    ngx_http_ai_model_t       *model;
} ngx_http_ai_task_t;


/*
 * The model that a virtual one stands for in this request (X-AI-Task), which is
 * then judged as if it had been asked for; any other model is itself.
 * NGX_DECLINED: no such task and no default; ad->e says so.
 */
ngx_int_t ngx_http_ai_choose_model(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    ngx_http_ai_model_t **model);

/*
 * Fills ctx->candidates and ctx->target (its first) for ctx->model: the chosen
 * target, the model's others of the same rank in the order in which they would
 * have been chosen, its fallbacks.  Left out: those that cannot serve the
 * endpoint, nor translate the request; those whose context is too short for the
 * likely input when another's is not; those dearer than the ceiling that the
 * request names (X-AI-Max-Cost); canaries that the tenant is not in; targets of
 * weight 0.  NGX_DECLINED: none is left, ad->e says why.
 */
ngx_int_t ngx_http_ai_choose(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad);

/* the best of the candidates behind "after" for a request that was too long for
   the target before: with a longer context; NULL: there is none */
ngx_http_ai_candidate_t *ngx_http_ai_choose_longer(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_candidate_t *after);


/* ---- configuration: words of ai_model ---- */

/* when all blocks are read: rules' and tasks' names; [emerg] */
ngx_int_t ngx_http_ai_choose_resolve(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_model_t *m);


#endif /* NGX_HTTP_AI_CHOOSE_H */
