
/*
 * What a translation makes: a text in one piece, or buffers on their way to
 * the client.
 */


#include "ngx_http_ai_translator.h"


#define NGX_HTTP_AI_PIECE  4096


static ngx_int_t ngx_http_ai_translate_room(ngx_http_ai_translate_t *t);


/* grows by half of itself at least, so that bytes are moved a few times; more
   than a page is not of the pool's blocks, and is freed */

int
ngx_http_ai_text_put(void *data, const ai_char *p, size_t len)
{
    size_t               size;
    u_char              *more;
    ngx_http_ai_text_t  *text;

    text = data;

    if (len > text->size - text->len) {
        size = text->size + ngx_max(text->size / 2, NGX_HTTP_AI_PIECE) + len;

        more = ngx_palloc(text->pool, size);
        if (more == NULL) {
            return AI_ERROR;
        }

        if (text->data) {
            ngx_memcpy(more, text->data, text->len);
            (void) ngx_pfree(text->pool, text->data);
        }

        text->data = more;
        text->size = size;
    }

    ngx_memcpy(text->data + text->len, p, len);
    text->len += len;

    return AI_OK;
}


int
ngx_http_ai_translate_put(void *data, const ai_char *p, size_t len)
{
    size_t                    n;
    ngx_http_ai_translate_t  *t;

    t = data;
    t->size += len;

    while (len) {

        if ((t->buf == NULL || t->buf->last == t->buf->end)
            && ngx_http_ai_translate_room(t) != NGX_OK)
        {
            return AI_ERROR;
        }

        n = ngx_min(len, (size_t) (t->buf->end - t->buf->last));

        t->buf->last = ngx_cpymem(t->buf->last, p, n);
        p += n;
        len -= n;
    }

    return AI_OK;
}


static ngx_int_t
ngx_http_ai_translate_room(ngx_http_ai_translate_t *t)
{
    ngx_buf_t    *b;
    ngx_pool_t   *pool;
    ngx_chain_t  *cl;

    pool = t->request->pool;

    cl = ngx_chain_get_free_buf(pool, &t->ctx->free);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    b = cl->buf;

    if (b->start == NULL) {
        b->start = ngx_palloc(pool, NGX_HTTP_AI_PIECE);
        if (b->start == NULL) {
            return NGX_ERROR;
        }

        b->end = b->start + NGX_HTTP_AI_PIECE;
    }

    b->pos = b->start;
    b->last = b->start;
    b->temporary = 1;
    b->flush = 0;
    b->last_buf = 0;
    b->last_in_chain = 0;
    b->tag = (ngx_buf_tag_t) &ngx_http_ai_tenant_module;

    cl->next = NULL;
    *t->last = cl;
    t->last = &cl->next;
    t->buf = b;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_translate_mark(ngx_http_ai_translate_t *t, ngx_buf_t *marks)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = t->buf;

    if (b == NULL) {

        if (!marks->flush && !marks->last_buf && !marks->last_in_chain) {
            return NGX_OK;
        }

        b = ngx_calloc_buf(t->request->pool);
        cl = ngx_alloc_chain_link(t->request->pool);

        if (b == NULL || cl == NULL) {
            return NGX_ERROR;
        }

        b->sync = 1;

        cl->buf = b;
        cl->next = NULL;
        *t->last = cl;
    }

    b->flush = marks->flush || (t->buf && t->events);
    b->last_buf = marks->last_buf;
    b->last_in_chain = marks->last_in_chain;

    return NGX_OK;
}
