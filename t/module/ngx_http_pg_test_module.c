
/*
 * Drives the PostgreSQL client for t/pg_*.t: statements by HTTP.
 *
 *   http {
 *       pg_test 127.0.0.1:5432 user=ai_gateway database=ai timeout=2s
 *               listen=ai_changes;
 *
 *       location = /query { pg_test_query; }
 *       location = /stat  { pg_test_stat; }
 *
 * The body of /query is the statement; with ?sql= that is the statement, and
 * the body is its binary parameter $1; ?p= is a text parameter, ?timeout= in
 * milliseconds.  200: rows, "|" between columns.  400: the server's error as
 * "SQLSTATE text".  503: DECLINED or BUSY.  504: ABORT.
 */


#include "ngx_http_test_op.h"
#include "ngx_ai_pg.h"


typedef struct {
    ngx_ai_pg_conf_t   pg;
    ngx_str_t          channel;
    const char        *channels[2];
    ngx_uint_t         notes;
    ngx_uint_t         missed;
    u_char             note[64];
    ngx_uint_t         set;
} ngx_http_pg_test_conf_t;


static void *ngx_http_pg_test_create_conf(ngx_conf_t *cf);
static char *ngx_http_pg_test(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_http_pg_test_init_process(ngx_cycle_t *cycle);
static void ngx_http_pg_test_exit_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_pg_test_query_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_pg_test_stat_handler(ngx_http_request_t *r);
static void ngx_http_pg_test_body_handler(ngx_http_request_t *r);


static ngx_ai_pg_t  *ngx_http_pg_test_client;


static ngx_command_t  ngx_http_pg_test_commands[] = {

    { ngx_string("pg_test"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_pg_test,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("pg_test_query"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_test_location,
      0,
      0,
      ngx_http_pg_test_query_handler },

    { ngx_string("pg_test_stat"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_test_location,
      0,
      0,
      ngx_http_pg_test_stat_handler },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_pg_test_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_pg_test_create_conf,          /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_pg_test_module = {
    NGX_MODULE_V1,
    &ngx_http_pg_test_module_ctx,          /* module context */
    ngx_http_pg_test_commands,             /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_pg_test_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_pg_test_exit_process,         /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_pg_test_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_pg_test_conf_t));
}


static char *
ngx_http_pg_test_option(ngx_conf_t *cf, ngx_http_pg_test_conf_t *tcf,
    ngx_str_t *word)
{
    size_t             len;
    ngx_str_t          v;
    ngx_uint_t         i;
    ngx_ai_pg_conf_t  *pg;

    ngx_http_core_loc_conf_t  *clcf;

    pg = &tcf->pg;

    struct {
        const char  *name;
        ngx_str_t   *str;
        ngx_msec_t  *msec;
    } options[] = {
        { "host=", &pg->host, NULL },
        { "database=", &pg->database, NULL },
        { "user=", &pg->user, NULL },
        { "password=", &pg->password, NULL },
        { "ca=", &pg->ssl_trusted_certificate, NULL },
        { "listen=", &tcf->channel, NULL },
        { "timeout=", NULL, &pg->timeout },
        { "connect_timeout=", NULL, &pg->connect_timeout },
        { NULL, NULL, NULL }
    };

    if (ngx_strcmp(word->data, "ssl=require") == 0) {
        pg->ssl = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(word->data, "ssl=verify-full") == 0) {
        pg->ssl = 2;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(word->data, "resolve") == 0) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
        pg->resolver = clcf->resolver;
        return pg->resolver ? NGX_CONF_OK : "needs a resolver before it";
    }

    for (i = 0; options[i].name; i++) {
        len = ngx_strlen(options[i].name);

        if (ngx_strncmp(word->data, options[i].name, len) != 0) {
            continue;
        }

        v.data = word->data + len;
        v.len = word->len - len;

        if (options[i].str) {
            *options[i].str = v;

        } else {
            *options[i].msec = ngx_parse_time(&v, 0);
        }

        return NGX_CONF_OK;
    }

    return "has an unknown option";
}


/* pg_test ADDRESS ... OPTION=VALUE ... */

static char *
ngx_http_pg_test(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_pg_test_conf_t *tcf = conf;

    char        *rv;
    ngx_url_t    u;
    ngx_str_t   *value;
    ngx_uint_t   i;
    ngx_addr_t  *addr;
    ngx_array_t  addrs;

    value = cf->args->elts;

    tcf->set = 1;
    tcf->pg.server = value[1];
    tcf->pg.connect_timeout = 1000;
    tcf->pg.timeout = 2000;
    tcf->pg.resolver_timeout = 1000;

    if (ngx_array_init(&addrs, cf->pool, 2, sizeof(ngx_addr_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strlchr(value[i].data, value[i].data + value[i].len, '=')
            || ngx_strcmp(value[i].data, "resolve") == 0)
        {
            rv = ngx_http_pg_test_option(cf, tcf, &value[i]);

            if (rv != NGX_CONF_OK) {
                return rv;
            }

            continue;
        }

        ngx_memzero(&u, sizeof(ngx_url_t));
        u.url = value[i];
        u.default_port = 5432;
        u.no_resolve = 1;

        if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
            return "has a bad address";
        }

        tcf->pg.port = u.port;

        if (u.naddrs == 0) {
            tcf->pg.host = u.host;
            tcf->pg.host.data = ngx_pnalloc(cf->pool, u.host.len + 1);
            ngx_cpystrn(tcf->pg.host.data, u.host.data, u.host.len + 1);
            continue;
        }

        addr = ngx_array_push(&addrs);
        if (addr == NULL) {
            return NGX_CONF_ERROR;
        }

        *addr = u.addrs[0];
    }

    tcf->pg.addrs = addrs.elts;
    tcf->pg.naddrs = addrs.nelts;

    return NGX_CONF_OK;
}


static void
ngx_http_pg_test_notify(void *data, const char *channel, const char *payload)
{
    ngx_http_pg_test_conf_t *tcf = data;

    if (channel == NULL) {
        tcf->missed++;
        return;
    }

    tcf->notes++;
    ngx_cpystrn(tcf->note, (u_char *) payload, sizeof(tcf->note));
}


static ngx_int_t
ngx_http_pg_test_init_process(ngx_cycle_t *cycle)
{
    ngx_http_pg_test_conf_t  *tcf;

    tcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_pg_test_module);

    if (tcf == NULL || !tcf->set) {
        return NGX_OK;
    }

    ngx_http_pg_test_client = ngx_ai_pg_create(cycle, &tcf->pg, "test", 0);

    if (ngx_http_pg_test_client == NULL) {
        return NGX_ERROR;
    }

    if (tcf->channel.len) {
        tcf->channels[0] = (char *) tcf->channel.data;

        ngx_ai_pg_listen(ngx_http_pg_test_client, tcf->channels,
                         ngx_http_pg_test_notify, tcf);
    }

    return NGX_OK;
}


static void
ngx_http_pg_test_exit_process(ngx_cycle_t *cycle)
{
    if (ngx_http_pg_test_client) {
        ngx_ai_pg_close(ngx_http_pg_test_client, 1);
    }
}


static ngx_int_t
ngx_http_pg_test_query_handler(ngx_http_request_t *r)
{
    return ngx_http_test_body(r, ngx_http_pg_test_body_handler);
}


static ngx_str_t
ngx_http_pg_test_body(ngx_http_request_t *r)
{
    u_char       *p;
    size_t        len;
    ngx_str_t     body;
    ngx_chain_t  *cl;

    len = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    p = ngx_pcalloc(r->pool, len + 1);
    body.data = p;
    body.len = p ? len : 0;

    for (cl = r->request_body->bufs; p && len && cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
    }

    return body;
}


static char *
ngx_http_pg_test_arg(ngx_http_request_t *r, char *name)
{
    u_char     *p, *dst, *src;
    ngx_str_t   value;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &value) != NGX_OK) {
        return NULL;
    }

    p = ngx_pcalloc(r->pool, value.len + 1);
    if (p == NULL) {
        return NULL;
    }

    dst = p;
    src = value.data;

    ngx_unescape_uri(&dst, &src, value.len, 0);

    return (char *) p;
}


static void
ngx_http_pg_test_body_handler(ngx_http_request_t *r)
{
    char                *sql, *p;
    ngx_str_t            body;
    ngx_ai_pg_query_t    q;
    ngx_http_test_op_t  *ctx;

    ngx_memzero(&q, sizeof(q));

    body = ngx_http_pg_test_body(r);
    sql = ngx_http_pg_test_arg(r, "sql");
    q.sql = sql ? sql : (char *) body.data;

    if (sql) {
        q.value[0] = (char *) body.data;
        q.len[0] = body.len;
        q.binary[0] = 1;
        q.hold = 1;
        q.n = 1;
    }

    p = ngx_http_pg_test_arg(r, "p");

    if (p) {
        q.value[q.n++] = p;
    }

    p = ngx_http_pg_test_arg(r, "timeout");

    if (p) {
        q.timeout = ngx_atoi((u_char *) p, ngx_strlen(p));
    }

    ctx = ngx_http_test_op_ctx(r);
    if (ctx == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ctx->op = ngx_ai_pg_query(ngx_http_pg_test_client, &q,
                              ngx_http_test_op_done, ctx);

    if (ngx_http_test_op_wait(ctx) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}


static ngx_str_t
ngx_http_test_op_text(ngx_http_request_t *r, ngx_ai_op_t *op)
{
    int         i, j, rows, columns;
    size_t      len;
    u_char     *p;
    ngx_str_t   text, v;

    rows = PQntuples(ngx_ai_pg_result(op));
    columns = PQnfields(ngx_ai_pg_result(op));
    len = 0;

    for (i = 0; i < rows; i++) {
        for (j = 0; j < columns; j++) {
            len += ngx_ai_pg_value(op, i, j).len + 3;
        }
    }

    text.data = p = ngx_pnalloc(r->pool, len + 1);

    for (i = 0; p && i < rows; i++) {
        for (j = 0; j < columns; j++) {
            v = ngx_ai_pg_value(op, i, j);

            if (v.data) {
                p = ngx_cpymem(p, v.data, v.len);

            } else {
                p = ngx_cpymem(p, "\\N", 2);
            }

            *p++ = j == columns - 1 ? '\n' : '|';
        }
    }

    text.len = p - text.data;

    return text;
}


static ngx_int_t
ngx_http_pg_test_stat_handler(ngx_http_request_t *r)
{
    u_char                   *p;
    ngx_str_t                 text;
    ngx_ai_pg_stat_t          st;
    ngx_http_pg_test_conf_t  *tcf;

    tcf = ngx_http_get_module_main_conf(r, ngx_http_pg_test_module);

    ngx_ai_pg_stat(ngx_http_pg_test_client, &st);

    p = ngx_pnalloc(r->pool, 512);

    text.data = p;
    text.len = ngx_snprintf(p, 512, "{\"state\":\"%s\",\"connects\":%uL,"
                            "\"lost\":%uL,\"queries\":%uL,\"errors\":%uL,"
                            "\"timeouts\":%uL,\"waiting\":%ui,\"notes\":%ui,"
                            "\"missed\":%ui,\"note\":\"%s\",\"pid\":%P}",
                            st.state, st.connects, st.lost, st.queries,
                            st.errors, st.timeouts, st.waiting, tcf->notes,
                            tcf->missed, tcf->note, ngx_pid)
               - p;

    return ngx_http_test_send(r, NGX_HTTP_OK, &text);
}
