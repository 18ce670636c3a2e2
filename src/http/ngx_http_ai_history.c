
/*
 * GET /v1/usage with "from", "to" or "group_by": the caller's own history, by
 * PostgreSQL under the tenant's row-level security.
 */


#include "ngx_http_ai_query.h"


#define NGX_HTTP_AI_HISTORY_TIMEOUT  2000
#define NGX_HTTP_AI_HISTORY_SIZE     (4 * 1024 * 1024)
#define NGX_HTTP_AI_HISTORY_ARG      512


static ngx_int_t ngx_http_ai_history_arg(ngx_http_request_t *r,
    const char *name, const char **value);
static ngx_uint_t ngx_http_ai_history_waits(ngx_str_t *tenant);
static void ngx_http_ai_history_handler(ngx_http_ai_query_t *q,
    ngx_ai_op_t *op);
static void ngx_http_ai_history_answer(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_ai_op_t *op);
static ngx_int_t ngx_http_ai_history_refuse(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ai_error_code_t code, const char *param,
    const char *text);


static const char *const  ngx_http_ai_history_args[] = {
    "from",
    "to",
    "group_by",
    NULL
};

/* the worker's requests that wait, one of a tenant at most */

static ngx_queue_t  ngx_http_ai_history_line;


ngx_uint_t
ngx_http_ai_history_asked(ngx_http_request_t *r)
{
    ngx_str_t    value;
    ngx_uint_t   i;
    const char  *name;

    for (i = 0; ngx_http_ai_history_args[i]; i++) {
        name = ngx_http_ai_history_args[i];

        if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &value)
            == NGX_OK)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_ai_history(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_str_t                *name;
    ngx_uint_t                i;
    ngx_ai_pg_t              *pg;
    ngx_ai_pg_query_t         query;
    ngx_http_ai_query_t      *q;
    ngx_http_ai_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);

    if (mcf->postgres == NULL) {
        return ngx_http_ai_history_refuse(r, ctx, AI_ERR_REQUEST, NULL,
                   "There is no history here: \"from\", \"to\" and "
                   "\"group_by\" need a gateway with ai_postgres.");
    }

    ngx_memzero(&query, sizeof(ngx_ai_pg_query_t));

    query.sql = "SELECT ai.usage_report($1, $2, $3, $4)";
    query.n = 4;
    query.timeout = NGX_HTTP_AI_HISTORY_TIMEOUT;

    for (i = 0; ngx_http_ai_history_args[i]; i++) {

        if (ngx_http_ai_history_arg(r, ngx_http_ai_history_args[i],
                                    &query.value[1 + i])
            != NGX_OK)
        {
            return ngx_http_ai_history_refuse(r, ctx, AI_ERR_REQUEST,
                                              ngx_http_ai_history_args[i],
                                              "The argument is not valid.");
        }
    }

    name = &ctx->key->tenant->sn.str;

    if (ngx_http_ai_history_waits(name)) {
        return ngx_http_ai_history_refuse(r, ctx, AI_ERR_CONCURRENCY, NULL,
                   "Another request for the history of usage is under way.");
    }

    q = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_query_t) + name->len + 1);
    pg = ngx_http_ai_query_store(mcf, &mcf->pg_usage, "usage", 0);

    if (q && pg) {
        q->request = r;
        q->handler = ngx_http_ai_history_handler;
        q->tenant.len = name->len;
        q->tenant.data = (u_char *) (q + 1);
        ngx_memcpy(q->tenant.data, name->data, name->len);

        query.value[0] = (char *) q->tenant.data;

        if (ngx_http_ai_query(q, pg, &query, &ngx_http_ai_history_line)
            == NGX_OK)
        {
            return NGX_DONE;
        }
    }

    return ngx_http_ai_history_refuse(r, ctx, AI_ERR_UNAVAILABLE, NULL, NULL);
}


/* NULL for one that is not there, or empty; null terminated UTF-8 */

static ngx_int_t
ngx_http_ai_history_arg(ngx_http_request_t *r, const char *name,
    const char **value)
{
    ngx_int_t  rc;
    ngx_str_t  arg;

    *value = NULL;

    rc = ngx_http_ai_arg(r, name, &arg);

    if (rc != NGX_OK || arg.len == 0) {
        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
    }

    if (arg.len > NGX_HTTP_AI_HISTORY_ARG
        || ngx_strlchr(arg.data, arg.data + arg.len, '\0'))
    {
        return NGX_ERROR;
    }

    /* there is room for one more byte */

    arg.data[arg.len] = '\0';

    *value = (char *) arg.data;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_ai_history_waits(ngx_str_t *tenant)
{
    ngx_queue_t          *line, *e;
    ngx_http_ai_query_t  *q;

    line = &ngx_http_ai_history_line;

    if (line->next == NULL) {
        ngx_queue_init(line);
    }

    for (e = ngx_queue_head(line); e != ngx_queue_sentinel(line);
         e = ngx_queue_next(e))
    {
        q = ngx_queue_data(e, ngx_http_ai_query_t, queue);

        if (q->tenant.len == tenant->len
            && ngx_memcmp(q->tenant.data, tenant->data, tenant->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_ai_history_handler(ngx_http_ai_query_t *q, ngx_ai_op_t *op)
{
    ai_error_t           e;
    ngx_str_t            message;
    ngx_http_ai_ctx_t   *ctx;
    ngx_http_request_t  *r;
    static time_t        told;

    r = q->request;
    ctx = ngx_http_ai_ctx(r);

    if (op->rc == NGX_OK) {
        ngx_http_ai_history_answer(r, ctx, op);
        return;
    }

    /* arguments are the tenant's own; all else is not, and says nothing */

    if (ngx_http_ai_query_state(op, "22023")) {
        ngx_memzero(&e, sizeof(ai_error_t));

        message = ngx_http_ai_query_message(op);

        e.code = AI_ERR_REQUEST;
        e.retry_ms = -1;
        e.message.len = message.len;
        e.message.data = message.data;

        (void) ngx_http_ai_refuse(r, ctx, &e);
        return;
    }

    if (ngx_http_ai_query_state(op, "22")) {
        (void) ngx_http_ai_history_refuse(r, ctx, AI_ERR_REQUEST, NULL,
                                          "An argument is not valid.");
        return;
    }

    /* whoever asks often makes no more than a line in a second */

    if (op->rc != NGX_DECLINED && op->rc != NGX_BUSY && told != ngx_time()) {
        told = ngx_time();
        ngx_http_ai_query_log(r, op, "usage report");
    }

    (void) ngx_http_ai_history_refuse(r, ctx, AI_ERR_UNAVAILABLE, NULL,
               "The history of usage is not available at the moment.");
}


static void
ngx_http_ai_history_answer(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_ai_op_t *op)
{
    ngx_str_t  text;

    text = ngx_ai_pg_value(op, 0, 0);

    if (text.len > NGX_HTTP_AI_HISTORY_SIZE) {
        (void) ngx_http_ai_history_refuse(r, ctx, AI_ERR_REQUEST, NULL,
                   "The answer would be larger than 4 MB: ask for a shorter "
                   "time, or for fewer groups.");
        return;
    }

    ngx_http_finalize_request(r, ngx_http_ai_query_answer(r, &text));
}


static ngx_int_t
ngx_http_ai_history_refuse(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_error_code_t code, const char *param, const char *text)
{
    ai_error_t  e;

    ngx_memzero(&e, sizeof(ai_error_t));

    e.code = code;
    e.param = param;
    e.retry_ms = -1;

    if (text) {
        e.message.data = (u_char *) text;
        e.message.len = ngx_strlen(text);
    }

    return ngx_http_ai_refuse(r, ctx, &e);
}
