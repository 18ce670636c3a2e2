
/*
 * "ai_admin": the functions of administration over HTTP.
 *
 *   POST LOCATION/CALL      {"argument": value, ...}
 *
 * is "SELECT ai.admin(ACTOR, CALL, ARGUMENTS)" as the administrator's user of
 * ai_postgres.  Rules, audit and errors are the database's.
 */


#include "ngx_http_ai_admin.h"


#define NGX_HTTP_AI_ADMIN_BODY  (64 * 1024)
#define NGX_HTTP_AI_ADMIN_SIZE  (16 * 1024 * 1024)
#define NGX_HTTP_AI_ADMIN_CALL  63
#define NGX_HTTP_AI_ADMIN_WAIT  60000


#if (NGX_PCRE)
#define ngx_http_ai_admin_regex(clcf)  ((clcf)->regex != NULL)
#else
#define ngx_http_ai_admin_regex(clcf)  0
#endif

static void ngx_http_ai_admin_find(ngx_http_ai_ctx_t *ctx,
    ngx_array_t *admins, u_char *p, size_t len);
static ngx_int_t ngx_http_ai_admin_call(ngx_http_request_t *r,
    ngx_str_t *call);
static ngx_uint_t ngx_http_ai_admin_media(ngx_http_request_t *r);
static void ngx_http_ai_admin_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_admin_body(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_int_t ngx_http_ai_admin_object(ngx_str_t *body);
static ngx_int_t ngx_http_ai_admin_copy(ngx_buf_t *buf, u_char *p,
    size_t size);
static ngx_int_t ngx_http_ai_admin_send(ngx_http_request_t *r,
    ngx_str_t *body);
static void ngx_http_ai_admin_query_handler(ngx_http_ai_query_t *q,
    ngx_ai_op_t *op);
static ngx_int_t ngx_http_ai_admin_answer(ngx_http_request_t *r,
    ngx_ai_op_t *op);


/* the worker's calls under way */

static ngx_queue_t  ngx_http_ai_admin_line;


ngx_int_t
ngx_http_ai_admin_access(ngx_http_request_t *r, ngx_http_ai_loc_conf_t *alcf)
{
    u_char             *p;
    size_t              len;
    ngx_table_elt_t    *h;
    ngx_http_ai_ctx_t  *ctx;
    static u_char       key[AI_KEY_MAX + 1];

    if (r != r->main || ngx_http_ai_ctx(r)) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_ai_ctx_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->presented = 1;
    ctx->status = AI_STATUS_PASSED;

    h = r->headers_in.authorization;
    len = 0;

    if (h && h->value.len > 7
        && ngx_strncasecmp(h->value.data, (u_char *) "bearer ", 7) == 0)
    {
        p = h->value.data + 7;
        len = h->value.len - 7;

        while (len && *p == ' ') {
            p++;
            len--;
        }

        len = ngx_min(len, sizeof(key));
        ngx_memcpy(key, p, len);
    }

    ngx_http_ai_forget(r);

    ngx_http_ai_admin_find(ctx, alcf->admins, key, len);
    ngx_explicit_memzero(key, sizeof(key));

    return NGX_DECLINED;
}


static void
ngx_http_ai_admin_find(ngx_http_ai_ctx_t *ctx, ngx_array_t *admins,
    u_char *p, size_t len)
{
    u_char                digest[AI_KEY_DIGEST];
    ngx_uint_t            i;
    ngx_http_ai_admin_t  *a;

    if (ai_key_check(p, len) == AI_ERROR) {
        return;
    }

    ai_key_digest(p, len, digest);

    a = admins->elts;

    for (i = 0; i < admins->nelts; i++) {

        if (!ngx_http_ai_digest_differs(a[i].digest, digest)
            && (a[i].expires == 0 || a[i].expires > ngx_time()))
        {
            ctx->admin = &a[i];
        }
    }
}


ngx_int_t
ngx_http_ai_admin_handler(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_str_t           call;
    ngx_http_ai_ctx_t  *ctx;

    if (r != r->main) {
        return NGX_HTTP_FORBIDDEN;
    }

    /* "satisfy any" may have left our access handler out */

    rc = ngx_http_ai_admin_access(r,
                   ngx_http_get_module_loc_conf(r, ngx_http_ai_tenant_module));

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ctx = ngx_http_ai_ctx(r);

    if (ctx->admin == NULL) {
        ctx->status = AI_STATUS_REJECTED_KEY;
        return ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_NOBODY, NULL);
    }

    if (ngx_http_ai_admin_call(r, &call) != NGX_OK) {
        return ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_UNKNOWN, NULL);
    }

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_METHOD, NULL);
    }

    if (!ngx_http_ai_admin_media(r)) {
        return ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_TYPE, NULL);
    }

    if (r->headers_in.content_length_n > NGX_HTTP_AI_ADMIN_BODY) {
        return ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_TOO_LARGE, NULL);
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_ai_admin_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


/* the one segment behind the location's name; of a regex, the last one */

static ngx_int_t
ngx_http_ai_admin_call(ngx_http_request_t *r, ngx_str_t *call)
{
    u_char                    *p, *last;
    size_t                     n;
    ngx_http_core_loc_conf_t  *clcf;

    last = r->uri.data + r->uri.len;

    for (p = last; p > r->uri.data && p[-1] != '/'; p--) {
        if (!(p[-1] >= 'a' && p[-1] <= 'z') && !(p[-1] >= '0' && p[-1] <= '9')
            && p[-1] != '_')
        {
            return NGX_DECLINED;
        }
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    n = clcf->name.len;

    if (n && clcf->name.data[n - 1] != '/') {
        n++;
    }

    if (!ngx_http_ai_admin_regex(clcf) && r->uri.data + n != p) {
        return NGX_DECLINED;
    }

    call->data = p;
    call->len = last - p;

    return (call->len && call->len <= NGX_HTTP_AI_ADMIN_CALL) ? NGX_OK
                                                              : NGX_DECLINED;
}


/* a call without arguments needs no body, and no type of it */

static ngx_uint_t
ngx_http_ai_admin_media(ngx_http_request_t *r)
{
    if (r->headers_in.content_type) {
        return ai_media_json((ai_str_t *) &r->headers_in.content_type->value);
    }

    return r->headers_in.content_length_n <= 0 && !r->headers_in.chunked;
}


static void
ngx_http_ai_admin_body_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  body;

    rc = ngx_http_ai_admin_body(r, &body);

    if (rc == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_TOO_LARGE, NULL);

    } else if (ngx_http_ai_admin_object(&body) != NGX_OK) {
        rc = ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_JSON, NULL);

    } else if (ngx_http_ai_admin_send(r, &body) != NGX_OK) {
        rc = ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_AWAY, NULL);

    } else {
        return;
    }

    ngx_http_finalize_request(r, rc);
}


/* in one piece, null terminated; NGX_DECLINED: it is too large */

static ngx_int_t
ngx_http_ai_admin_body(ngx_http_request_t *r, ngx_str_t *body)
{
    u_char       *p;
    ngx_chain_t  *cl, *bufs;

    body->len = 0;
    bufs = r->request_body ? r->request_body->bufs : NULL;

    for (cl = bufs; cl; cl = cl->next) {
        body->len += ngx_buf_size(cl->buf);

        if (body->len > NGX_HTTP_AI_ADMIN_BODY) {
            return NGX_DECLINED;
        }
    }

    body->data = ngx_pnalloc(r->pool, body->len + 1);
    if (body->data == NULL) {
        return NGX_ERROR;
    }

    p = body->data;

    for (cl = bufs; cl; cl = cl->next) {

        if (ngx_http_ai_admin_copy(cl->buf, p, ngx_buf_size(cl->buf))
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        p += ngx_buf_size(cl->buf);
    }

    *p = '\0';

    return NGX_OK;
}


/*
 * No body is an object without members.  The database looks at all else, but
 * would not see what stands behind a null.
 */

static ngx_int_t
ngx_http_ai_admin_object(ngx_str_t *body)
{
    u_char  *p, *last;

    last = body->data + body->len;

    for (p = body->data; p < last; p++) {
        if (*p != ' ' && *p != '\t' && *p != '\r' && *p != '\n') {
            break;
        }
    }

    if (p == last) {
        ngx_str_set(body, "{}");
        return NGX_OK;
    }

    if (*p != '{' || ngx_strlchr(p, last, '\0')) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a body larger than client_body_buffer_size lies in a file */

static ngx_int_t
ngx_http_ai_admin_copy(ngx_buf_t *buf, u_char *p, size_t size)
{
    ssize_t  n;

    if (!buf->in_file) {

        /* the last one of HTTP/2 is at no address at all */

        if (size) {
            ngx_memcpy(p, buf->pos, size);
        }

        return NGX_OK;
    }

    n = ngx_read_file(buf->file, p, size, buf->file_pos);

    return (n == (ssize_t) size) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_admin_send(ngx_http_request_t *r, ngx_str_t *body)
{
    u_char                   *p;
    ngx_str_t                 call, *actor;
    ngx_ai_pg_t              *pg;
    ngx_ai_pg_query_t         query;
    ngx_http_ai_query_t      *q;
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);
    actor = &ngx_http_ai_ctx(r)->admin->name;

    (void) ngx_http_ai_admin_call(r, &call);

    pg = ngx_http_ai_query_store(mcf, &mcf->pg_admin, "admin", 1);
    q = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_query_t) + call.len + 1
                             + actor->len + 1);

    if (pg == NULL || q == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&query, sizeof(ngx_ai_pg_query_t));

    query.sql = "SELECT ai.admin($1, $2, $3::jsonb)";
    query.n = 3;
    query.timeout = NGX_HTTP_AI_ADMIN_WAIT;

    p = (u_char *) (q + 1);
    query.value[0] = (char *) p;
    p = ngx_cpymem(p, actor->data, actor->len) + 1;
    query.value[1] = (char *) p;
    ngx_memcpy(p, call.data, call.len);
    query.value[2] = (char *) body->data;

    q->request = r;
    q->handler = ngx_http_ai_admin_query_handler;

    if (ngx_http_ai_admin_line.next == NULL) {
        ngx_queue_init(&ngx_http_ai_admin_line);
    }

    return ngx_http_ai_query(q, pg, &query, &ngx_http_ai_admin_line);
}


static void
ngx_http_ai_admin_query_handler(ngx_http_ai_query_t *q, ngx_ai_op_t *op)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = q->request;

    switch (op->rc) {

    case NGX_OK:
        rc = ngx_http_ai_admin_answer(r, op);
        break;

    case NGX_ERROR:
        rc = ngx_http_ai_admin_refused(r, op);
        break;

    case NGX_ABORT:
        ngx_http_ai_query_log(r, op, "admin call");
        rc = ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_LOST, NULL);
        break;

    default:
        rc = ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_AWAY, NULL);
    }

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_http_ai_admin_answer(ngx_http_request_t *r, ngx_ai_op_t *op)
{
    ngx_str_t  text;

    text = ngx_ai_pg_value(op, 0, 0);

    if (text.len > NGX_HTTP_AI_ADMIN_SIZE) {
        return ngx_http_ai_admin_error(r, NGX_HTTP_AI_ADMIN_LONG, NULL);
    }

    if (ngx_http_ai_admin_headers(r, NGX_HTTP_OK) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_ai_query_answer(r, &text);
}
