
/*
 * Which targets a request may be tried on, in which order, and why: what the
 * model's configuration says, never whether a target is well now, which the
 * attempts ask the board for.
 */


#ifndef NGX_HTTP_AI_CHOOSE_H
#define NGX_HTTP_AI_CHOOSE_H


#include "ngx_http_ai_admit.h"
#include "../core/ai_choose.h"


/* one "route" of a model: all that are set must hold */

typedef struct {
    ngx_str_t                  header;      /* lower case; len 0: none */
    ngx_str_t                  header_value;    /* '*' at its end: any rest */
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
    ngx_http_ai_admission_t *ad, ngx_http_ai_model_t **model);

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


/* ---- between the files of the choice ---- */

/* targets in the order in which they are to be tried */

typedef struct {
    ngx_http_ai_target_t      *targets[AI_CHOOSE_MAX];
    ngx_uint_t                 n;
    ai_chosen_t                chosen;      /* what put the first one first */
} ngx_http_ai_order_t;

/* ngx_http_ai_rule.c: the first rule that holds, or NULL; a request header by
   its lower case name, the next one behind "after" (NULL: the first) */
ngx_http_ai_rule_t *ngx_http_ai_rule_find(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);
ngx_table_elt_t *ngx_http_ai_header_find(ngx_http_request_t *r,
    ngx_str_t *name, ngx_table_elt_t *after);

/* ngx_http_ai_prefer.c: "order" by what the model prefers, from "first" on;
   and what the request will probably cost there, in nano-dollars, by
   ctx->guess */
void ngx_http_ai_prefer(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    ngx_http_ai_order_t *order, ngx_uint_t first);
int64_t ngx_http_ai_likely_cost(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_target_t *target);

/* ngx_http_ai_fit.c: leaves out of ctx->candidates those that the request does
   not fit; NGX_DECLINED: none is left, ad->e says why */
ngx_int_t ngx_http_ai_fit(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad);


/* whether a candidate, now that it is to be tried, can serve the request */
ngx_uint_t ngx_http_ai_fit_may(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_target_t *t, int64_t max_output);


/* ---- configuration: words of ai_model ---- */

/* when all blocks are read: rules' and tasks' names; [emerg] */
ngx_int_t ngx_http_ai_choose_resolve(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_model_t *m);


#endif /* NGX_HTTP_AI_CHOOSE_H */
