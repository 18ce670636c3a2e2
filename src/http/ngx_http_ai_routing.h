
/*
 * The board and the gates of the configuration: their places, what an operator
 * may see and change of them, and the lines that changes get in the log.
 */


#ifndef NGX_HTTP_AI_ROUTING_H
#define NGX_HTTP_AI_ROUTING_H


#include "ngx_http_ai.h"
#include "ngx_http_ai_metrics.h"


/* postconfiguration, when all blocks are resolved: mcf->routing */
ngx_int_t ngx_http_ai_routing_add(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);

/*
 * One line for a change that ai_board_end() or ai_board_broke() returned; none
 * for AI_BOARD_SAME.  Takes the lock itself.
 */
void ngx_http_ai_routing_log(ngx_log_t *log, ngx_http_ai_model_t *m,
    ngx_http_ai_target_t *t, ai_board_change_t change);

/*
 * What the board was told, or has said, for "error_log ... debug_mutex", which
 * nothing else of nginx uses: the place of a call in the order of all calls for
 * the target, when it was, for which request, its outcome, the probe's number,
 * and the time that goes with the outcome (-1: none).
 */
#define ngx_http_ai_routing_debug(ctx, t, call, what, probe, ms)             \
    (void) (call);                                                           \
    ngx_log_debug8(NGX_LOG_DEBUG_MUTEX, (ctx)->request->connection->log, 0,  \
                   "ai board %uL %M %V \"%V\" \"%V\" %s %ui %L",             \
                   call, ngx_current_msec, &(ctx)->id,                       \
                   &(ctx)->model->sn.str, ngx_http_ai_target_name(t), what,  \
                   (ngx_uint_t) (probe), (int64_t) (ms))

/* by ai_outcome_t, and ai_target_state_t */
extern const char *const  ngx_http_ai_routing_outcomes[];
extern const char *const  ngx_http_ai_routing_states[];

/* name=, or else the provider's */
ngx_str_t *ngx_http_ai_target_name(ngx_http_ai_target_t *t);


/* ---- ngx_http_ai_target_view.c: what is known of a target ---- */

typedef struct {
    ngx_http_ai_model_t       *model;
    ngx_http_ai_target_t      *target;
    ai_target_state_t          state;
    ai_board_view_t            view;
    ai_gate_view_t             gate;        /* if target->gate is one */
} ngx_http_ai_target_seen_t;

/* takes the lock; without a board all of it is 0 */
void ngx_http_ai_target_look(ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_model_t *m, ngx_http_ai_target_t *t,
    ngx_http_ai_target_seen_t *seen);

/* "targets":[...] of all models; of one, of one target of it, unless NULL */
void ngx_http_ai_targets_json(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_model_t *model,
    ngx_http_ai_target_t *target);

/* "auto", "open", "close" by ai_breaker_mode_t */
extern const char *const  ngx_http_ai_breaker_modes[];

/* ngx_http_ai_target_metrics.c: the same for "ai_metrics" */
void ngx_http_ai_metrics_targets(ngx_http_ai_metrics_t *m);


/* ---- ngx_http_ai_control.c: "ai_control" ---- */

char *ngx_http_ai_control(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* NGX_HTTP_AI_ROUTING_H */
