
/*
 * The way back from an attempt that failed.
 *
 * nginx ends it as an error: 502, 504, or an answer that is intercepted.  While
 * the attempt runs, r->loc_conf is a copy of the location's in which the error
 * pages of these statuses lead to a named location of ours; everything else in
 * it is the location's own.
 */


#ifndef NGX_HTTP_AI_JUMP_H
#define NGX_HTTP_AI_JUMP_H


#include "ngx_http_ai.h"


/* merge: notes a location's configuration, an if{} block's too */
ngx_int_t ngx_http_ai_jump_note(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_loc_conf_t *alcf);

/* postconfiguration, when all is merged: makes the copies, and the named
   location of each server */
ngx_int_t ngx_http_ai_jump_init(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf);

/* the status that an intercepted answer takes for the way back */
#define NGX_HTTP_AI_JUMP  NGX_HTTP_BAD_GATEWAY


#endif /* NGX_HTTP_AI_JUMP_H */
