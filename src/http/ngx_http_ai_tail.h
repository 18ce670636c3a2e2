
/*
 * An error's body that ends with its connection: nginx takes that end, while it
 * reads a head, for a failure, and would give up the provider's own words.
 */


#ifndef NGX_HTTP_AI_TAIL_H
#define NGX_HTTP_AI_TAIL_H


#include "ngx_http_ai_attempt.h"


/* more of the body must be read before the attempt is judged, until its end or
   for a second; the request's upstream is reading its head */
void ngx_http_ai_tail_wait(ngx_http_request_t *r, ngx_http_ai_attempt_t *at);

/* nginx has read something: at->tail is ENDED when it is the end */
void ngx_http_ai_tail_read(ngx_http_request_t *r, ngx_http_ai_attempt_t *at);

/* the attempt is judged: what is read on is as it comes */
void ngx_http_ai_tail_done(ngx_http_request_t *r, ngx_http_ai_attempt_t *at);

/* the attempt's time is over: 1: the body was waited for, and is judged by what
   has come; the request may be gone then */
ngx_uint_t ngx_http_ai_tail_late(ngx_http_request_t *r, ngx_connection_t *pc);


#endif /* NGX_HTTP_AI_TAIL_H */
