
/*
 * nginx's own error pages (413, 414, 502, an operator's "deny" ...) become
 * JSON in the client's dialect; and what is needed for that when nginx gave up
 * before the module saw the request: its dialect.
 */


#include "ngx_http_ai.h"


static void ngx_http_ai_page_error(ngx_http_ai_ctx_t *ctx, ai_error_t *e,
    ngx_uint_t status);
static ai_dialect_t ngx_http_ai_dialect_guess(ngx_http_request_t *r);
static void ngx_http_ai_target_split(ngx_http_request_t *r, ai_str_t *path,
    ai_str_t *args);
static unsigned ngx_http_ai_hints_guess(ngx_http_request_t *r,
    const ai_str_t *args);


ngx_int_t
ngx_http_ai_page_header(ngx_http_request_t *r)
{
    ai_error_t          e;
    ngx_buf_t          *b;
    ngx_http_ai_ctx_t  *ctx;

    if (r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        return NGX_OK;
    }

    ctx = ngx_http_ai_ctx(r);

    if (ctx == NULL) {
        ctx = ngx_http_ai_ctx_create(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        ctx->route.dialect = ngx_http_ai_dialect_guess(r);
    }

    ngx_http_ai_page_error(ctx, &e, r->headers_out.status);

    b = ngx_http_ai_refuse_body(r, ctx, &e);
    if (b == NULL || ngx_http_ai_refuse_headers(r, &e) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->status == AI_STATUS_NONE) {
        ngx_http_ai_refuse_count(r, ctx, &e);
    }

    ctx->page.len = b->last - b->pos;
    ctx->page.data = b->pos;
    ctx->replaced = 1;

    ngx_http_ai_answer_head(r, ctx->page.len);

    return ngx_http_ai_headers_own(r, ctx);
}


static void
ngx_http_ai_page_error(ngx_http_ai_ctx_t *ctx, ai_error_t *e,
    ngx_uint_t status)
{
    ngx_memzero(e, sizeof(ai_error_t));

    e->code = AI_ERR_STATUS;
    e->status = (int) status;
    e->retry_ms = -1;

    switch (status) {

    case NGX_HTTP_TOO_MANY_REQUESTS:
        e->retry_ms = 1000;
        break;

    case NGX_HTTP_BAD_GATEWAY:
    case NGX_HTTP_GATEWAY_TIME_OUT:
        e->code = AI_ERR_UPSTREAM;
        break;

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        /* limit_req and limit_conn say 503 too, before anything was sent */
        e->code = ctx->passed ? AI_ERR_UPSTREAM : AI_ERR_UNAVAILABLE;
        break;
    }
}


ngx_int_t
ngx_http_ai_page_body(ngx_http_request_t *r, ngx_chain_t *in,
    ngx_http_output_body_filter_pt next)
{
    ngx_buf_t          *b;
    ngx_chain_t         out, *cl;
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_tenant_module);

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (in == NULL || ctx->page.len == 0) {
        return next(r, NULL);
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->pos = ctx->page.data;
    b->last = b->pos + ctx->page.len;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    ctx->page.len = 0;

    out.buf = b;
    out.next = NULL;

    return next(r, &out);
}


static ai_dialect_t
ngx_http_ai_dialect_guess(ngx_http_request_t *r)
{
    ai_str_t     method, path, args;
    ai_route_t   route;
    const char  *allow;

    ngx_http_ai_target_split(r, &path, &args);

    method.len = r->method_name.len;
    method.data = r->method_name.data;

    ngx_memzero(&route, sizeof(ai_route_t));

    (void) ai_route_find(&route, &method, &path, &args,
                         ngx_http_ai_hints_guess(r, &args), &allow);

    return route.dialect;
}


/*
 * The raw request target.  After a failure in the request line there is only
 * the line itself, or what was read of it.
 */

static void
ngx_http_ai_target_split(ngx_http_request_t *r, ai_str_t *path,
    ai_str_t *args)
{
    u_char  *p, *last, *end;

    p = r->unparsed_uri.data;
    last = p + r->unparsed_uri.len;

    if (r->unparsed_uri.len == 0 && r->request_line.len) {
        p = r->request_line.data;
        last = p + r->request_line.len;

        p = ngx_strlchr(p, last, ' ');
        p = p ? p + 1 : last;
    }

    path->data = p;

    for (end = p; end < last && *end > ' ' && *end != '?'; end++) { /* void */ }

    path->len = end - p;

    if (end < last && *end == '?') {
        end++;
    }

    args->data = end;

    for (p = end; end < last && *end > ' '; end++) { /* void */ }

    args->len = end - p;
}


static unsigned
ngx_http_ai_hints_guess(ngx_http_request_t *r, const ai_str_t *args)
{
    u_char           *p, *last;
    unsigned          hints;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    hints = 0;

    last = args->data + args->len;

    for (p = args->data; p && last - p >= 4; p++) {

        if (ngx_strncmp(p, "key=", 4) == 0) {
            hints |= AI_HINT_GOOG;
            break;
        }

        p = ngx_strlchr(p, last, '&');
        if (p == NULL) {
            break;
        }
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == sizeof("x-goog-api-key") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "x-goog-api-key",
                                   h[i].key.len)
                   == 0)
            {
                hints |= AI_HINT_GOOG;
            }

            if (h[i].key.len == sizeof("anthropic-version") - 1
                && ngx_strncasecmp(h[i].key.data,
                                   (u_char *) "anthropic-version",
                                   h[i].key.len)
                   == 0)
            {
                hints |= AI_HINT_ANTHROPIC;
            }
        }
    }

    return hints;
}
