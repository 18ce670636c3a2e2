
/*
 * The exact response cache: nginx's own proxy_cache, which this decides to
 * ask, what it may keep, and what a hit costs.
 */


#ifndef NGX_HTTP_AI_CACHE_H
#define NGX_HTTP_AI_CACHE_H


#include "ngx_http_ai_admit.h"
#include "ngx_http_ai_conf.h"


typedef struct ngx_http_ai_cache_s  ngx_http_ai_cache_t;

/* in the pool of a request whose answer may be kept */

struct ngx_http_ai_cache_s {
    ngx_str_t                  key;         /* empty: not asked for yet, or it
                                               cannot be had */
    ai_dialect_t               served;      /* the key is of this provider's
                                               dialect */
    size_t                     model_pos;
    size_t                     model_len;
    int64_t                    max_output;
    off_t                      size;        /* of the answer so far */

    /* while nginx stores it */
    ai_meter_t                *meter;
    ngx_int_t                (*input_filter_init)(void *data);
    ngx_int_t                (*input_filter)(ngx_event_pipe_t *p,
                                             ngx_buf_t *buf);

    unsigned                   keyed:1;     /* the key was made */
    unsigned                   usage:1;     /* asked for by the client */
    unsigned                   fresh:1;     /* it wants a fresh answer */
    unsigned                   wanted:1;    /* nginx means to store this one */
    unsigned                   storing:1;
    unsigned                   whole:1;
};


/* whether the answer that nginx sends is one that was kept */

#if (NGX_HTTP_CACHE)
#define ngx_http_ai_cached(r)  ((r)->cached)
#else
#define ngx_http_ai_cached(r)  0
#endif


/* $ai_cache_key and its like */
ngx_int_t ngx_http_ai_cache_variables(ngx_conf_t *cf);

/* at the end of admission: whether the answer may be kept.  NGX_OK, or an HTTP
   status */
ngx_int_t ngx_http_ai_cache_admit(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);

/* nothing was found: a provider is going to be asked */
void ngx_http_ai_cache_missed(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx);

/* another target is going to be asked: no old answer in its place */
void ngx_http_ai_cache_elsewhere(ngx_http_request_t *r);

/* an answer's head comes out of the cache; in place of what is done for a
   provider's */
void ngx_http_ai_cache_hit(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx);

/* at every answer's head, when its meter is ready: says so to the client, and
   has the provider's stored where that is right */
ngx_int_t ngx_http_ai_cache_answer(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);

/* writes the hit as the row's last attempt */
void ngx_http_ai_cache_attempt(ngx_http_ai_ctx_t *ctx);

/* the request is going to end: it waits no more for another one to fill the
   cache.  NGX_DECLINED: a thread reads the cache for it, it must stay */
ngx_int_t ngx_http_ai_cache_leave(ngx_http_request_t *r);


/* ---- ngx_http_ai_cache_store.c ---- */

#if (NGX_HTTP_CACHE)
/* has nginx store the provider's answer, should it turn out to be whole */
ngx_int_t ngx_http_ai_cache_store(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
#endif


/* ---- ngx_http_ai_conf_cache.c ---- */

/* while http{} is read, proxy_cache_key is noted for ai_gateway */
void ngx_http_ai_conf_cache_begin(void);
void ngx_http_ai_conf_cache_end(void);

char *ngx_http_ai_plan_cache(ngx_conf_t *cf, ngx_http_ai_block_t *b);
char *ngx_http_ai_conf_cache(ngx_conf_t *cf, ngx_http_ai_loc_conf_t *alcf,
    ngx_http_ai_location_t *loc);
ngx_int_t ngx_http_ai_conf_cache_plan(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_plan_t *plan);


#endif /* NGX_HTTP_AI_CACHE_H */
