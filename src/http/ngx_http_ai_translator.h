
/*
 * Private to ngx_http_ai_translate*.c: an answer while it is translated.
 */


#ifndef NGX_HTTP_AI_TRANSLATOR_H
#define NGX_HTTP_AI_TRANSLATOR_H


#include "ngx_http_ai_translate.h"


/* text in one piece that grows */

typedef struct {
    ngx_pool_t                *pool;
    u_char                    *data;
    size_t                     len;
    size_t                     size;
} ngx_http_ai_text_t;


struct ngx_http_ai_translate_s {
    ai_translate_stream_t      stream;      /* its "from" is also a body's */
    ai_out_t                   out;
    ai_sse_t                   sse;
    ngx_http_request_t        *request;
    ngx_http_ai_ctx_t         *ctx;

    ngx_http_ai_text_t         text;        /* the body, or the open event */
    size_t                     max;
    const u_char              *piece;       /* the open event, as long as it is
                                               one piece of the buffer */
    size_t                     piece_len;

    ngx_chain_t               *in;          /* what waits for the client */
    ngx_chain_t              **last;        /* of the chain that goes out */
    ngx_buf_t                 *buf;
    off_t                      size;        /* of that chain */
    unsigned                   events:1;
};

typedef struct ngx_http_ai_translate_s  ngx_http_ai_translate_t;


/* ---- ngx_http_ai_translate_read.c ---- */

/* the bytes of one buffer, and what their end means */
ngx_int_t ngx_http_ai_translate_buf(ngx_http_ai_translate_t *t, ngx_buf_t *b);
ngx_int_t ngx_http_ai_translate_end(ngx_http_ai_translate_t *t);

/* a 502, in place of a body that is none or did not come whole */
void ngx_http_ai_translate_none(ngx_http_ai_translate_t *t);


/* ---- ngx_http_ai_translate_out.c ---- */

/* put() of an ai_out_t: to a text, and to buffers that are sent */
int ngx_http_ai_text_put(void *data, const ai_char *p, size_t len);
int ngx_http_ai_translate_put(void *data, const ai_char *p, size_t len);

/* what the sender's buffers said besides their bytes */
ngx_int_t ngx_http_ai_translate_mark(ngx_http_ai_translate_t *t,
    ngx_buf_t *marks);


#endif /* NGX_HTTP_AI_TRANSLATOR_H */
