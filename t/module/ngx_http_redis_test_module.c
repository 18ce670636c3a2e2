
/*
 * Drives the Redis client for t/redis_*.t: calls of a script by HTTP.
 *
 *   http {
 *       redis_test 127.0.0.1:6379 user=gw password=... timeout=50ms keep;
 *       redis_test_script 'return ARGV';
 *
 *       location = /call  { redis_test_call; }
 *       location = /check { redis_test_check; }
 *       location = /stat  { redis_test_stat; }
 *
 * The body of /call: a line of keys, then a line for each argument; one of
 * "TOKEN" is the token's.  200: strings with "|" between them.  400: the
 * server's error as "CODE text".  503: DECLINED or BUSY.  504: ABORT.  ?key=
 * of /check and /stat: whose slot is meant.
 */


#include "ngx_http_test_op.h"
#include "ngx_ai_redis.h"


#define NGX_HTTP_REDIS_TEST_WORDS  1024


typedef struct {
    ngx_ai_redis_conf_t   redis;
    ngx_str_t             script;
    ngx_uint_t            keep;
    ngx_uint_t            set;
} ngx_http_redis_test_conf_t;


static void *ngx_http_redis_test_create_conf(ngx_conf_t *cf);
static char *ngx_http_redis_test(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_redis_test_init_process(ngx_cycle_t *cycle);
static void ngx_http_redis_test_exit_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_redis_test_call_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_redis_test_check_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_redis_test_stat_handler(ngx_http_request_t *r);
static void ngx_http_redis_test_body_handler(ngx_http_request_t *r);


static ngx_ai_redis_t  *ngx_http_redis_test_client;


static ngx_command_t  ngx_http_redis_test_commands[] = {

    { ngx_string("redis_test"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_redis_test,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("redis_test_script"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_redis_test_conf_t, script),
      NULL },

    { ngx_string("redis_test_call"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_test_location,
      0,
      0,
      ngx_http_redis_test_call_handler },

    { ngx_string("redis_test_check"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_test_location,
      0,
      0,
      ngx_http_redis_test_check_handler },

    { ngx_string("redis_test_stat"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_test_location,
      0,
      0,
      ngx_http_redis_test_stat_handler },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_redis_test_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_redis_test_create_conf,       /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_redis_test_module = {
    NGX_MODULE_V1,
    &ngx_http_redis_test_module_ctx,       /* module context */
    ngx_http_redis_test_commands,          /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_redis_test_init_process,      /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_redis_test_exit_process,      /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_redis_test_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_redis_test_conf_t));
}


static char *
ngx_http_redis_test_option(ngx_http_redis_test_conf_t *rcf, ngx_str_t *word)
{
    u_char               *p;
    ngx_str_t             v;
    ngx_ai_redis_conf_t  *redis;

    redis = &rcf->redis;

    p = ngx_strlchr(word->data, word->data + word->len, '=');

    v.data = p + 1;
    v.len = word->data + word->len - v.data;

    if (ngx_strncmp(word->data, "user=", 5) == 0) {
        redis->user = v;

    } else if (ngx_strncmp(word->data, "password=", 9) == 0) {
        redis->password = v;

    } else if (ngx_strncmp(word->data, "timeout=", 8) == 0) {
        redis->timeout = ngx_parse_time(&v, 0);

    } else if (ngx_strncmp(word->data, "connect_timeout=", 16) == 0) {
        redis->connect_timeout = ngx_parse_time(&v, 0);

    } else {
        return "has an unknown option";
    }

    return NGX_CONF_OK;
}


/* redis_test ADDRESS ... OPTION=VALUE ... [cluster] [keep] */

static char *
ngx_http_redis_test(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_redis_test_conf_t *rcf = conf;

    char        *rv;
    ngx_url_t    u;
    ngx_str_t   *value;
    ngx_uint_t   i;
    ngx_addr_t  *addr;
    ngx_array_t  addrs;

    value = cf->args->elts;

    rcf->set = 1;
    rcf->redis.server = value[1];
    rcf->redis.connect_timeout = 200;
    rcf->redis.timeout = 50;

    if (ngx_array_init(&addrs, cf->pool, 2, sizeof(ngx_addr_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "cluster") == 0) {
            rcf->redis.cluster = 1;
            continue;
        }

        if (ngx_strcmp(value[i].data, "keep") == 0) {
            rcf->keep = 1;
            continue;
        }

        if (ngx_strlchr(value[i].data, value[i].data + value[i].len, '=')) {
            rv = ngx_http_redis_test_option(rcf, &value[i]);

            if (rv != NGX_CONF_OK) {
                return rv;
            }

            continue;
        }

        ngx_memzero(&u, sizeof(ngx_url_t));
        u.url = value[i];
        u.default_port = 6379;
        u.no_resolve = 1;

        if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
            return "has a bad address";
        }

        addr = ngx_array_push(&addrs);
        if (addr == NULL) {
            return NGX_CONF_ERROR;
        }

        *addr = u.addrs[0];
    }

    rcf->redis.addrs = addrs.elts;
    rcf->redis.naddrs = addrs.nelts;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_redis_test_init_process(ngx_cycle_t *cycle)
{
    ngx_http_redis_test_conf_t  *rcf;

    rcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_redis_test_module);

    if (rcf == NULL || !rcf->set) {
        return NGX_OK;
    }

    ngx_http_redis_test_client = ngx_ai_redis_create(cycle, &rcf->redis,
                                                     &rcf->script);

    if (ngx_http_redis_test_client == NULL) {
        return NGX_ERROR;
    }

    ngx_ai_redis_keep(ngx_http_redis_test_client, rcf->keep);

    return NGX_OK;
}


static void
ngx_http_redis_test_exit_process(ngx_cycle_t *cycle)
{
    if (ngx_http_redis_test_client) {
        ngx_ai_redis_close(ngx_http_redis_test_client, 1);
    }
}


static ngx_uint_t
ngx_http_redis_test_slot(ngx_http_request_t *r)
{
    ngx_str_t  key;

    if (ngx_http_arg(r, (u_char *) "key", 3, &key) != NGX_OK) {
        return 0;
    }

    return ngx_ai_redis_slot(&key);
}


static ngx_int_t
ngx_http_redis_test_call_handler(ngx_http_request_t *r)
{
    return ngx_http_test_body(r, ngx_http_redis_test_body_handler);
}


static ngx_int_t
ngx_http_redis_test_check_handler(ngx_http_request_t *r)
{
    ngx_http_test_op_t  *ctx;

    ctx = ngx_http_test_op_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->op = ngx_ai_redis_check(ngx_http_redis_test_client,
                                 ngx_http_redis_test_slot(r),
                                 ngx_http_test_op_done, ctx);

    if (ngx_http_test_op_wait(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    r->main->count++;

    return NGX_DONE;
}


/* where the parts of a text are; returns how many */

static ngx_uint_t
ngx_http_redis_test_split(u_char *p, u_char *last, u_char ch, ngx_str_t *word)
{
    u_char      *end;
    ngx_uint_t   n;

    for (n = 0; p < last && n < NGX_HTTP_REDIS_TEST_WORDS; n++) {

        end = ngx_strlchr(p, last, ch);
        if (end == NULL) {
            end = last;
        }

        word[n].data = p;
        word[n].len = end - p;
        p = end + 1;
    }

    return n;
}


static void
ngx_http_redis_test_body_handler(ngx_http_request_t *r)
{
    ngx_buf_t            *b;
    ngx_str_t            *line, *key;
    ngx_uint_t            i;
    ngx_http_test_op_t   *ctx;
    ngx_ai_redis_call_t   call;

    ctx = ngx_http_test_op_ctx(r);
    line = ngx_palloc(r->pool, NGX_HTTP_REDIS_TEST_WORDS * sizeof(ngx_str_t));
    key = ngx_palloc(r->pool, NGX_HTTP_REDIS_TEST_WORDS * sizeof(ngx_str_t));

    if (ctx == NULL || line == NULL || key == NULL
        || r->request_body->bufs == NULL)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_memzero(&call, sizeof(call));

    b = r->request_body->bufs->buf;

    call.nargs = ngx_http_redis_test_split(b->pos, b->last, '\n', line) - 1;
    call.args = line + 1;
    call.token = call.nargs;

    call.nkeys = ngx_http_redis_test_split(line[0].data,
                                           line[0].data + line[0].len, ' ',
                                           key);
    call.keys = key;
    call.slot = call.nkeys ? ngx_ai_redis_slot(key) : 0;

    for (i = 0; i < call.nargs; i++) {
        if (call.args[i].len == 5
            && ngx_strncmp(call.args[i].data, "TOKEN", 5) == 0)
        {
            call.token = i;
        }
    }

    ctx->op = ngx_ai_redis_call(ngx_http_redis_test_client, &call,
                                ngx_http_test_op_done, ctx);

    if (ngx_http_test_op_wait(ctx) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}


static ngx_str_t
ngx_http_test_op_text(ngx_http_request_t *r, ngx_ai_op_t *op)
{
    size_t                 len;
    u_char                *p;
    ngx_str_t              text;
    ngx_uint_t             i;
    ngx_ai_redis_reply_t  *reply;

    reply = ngx_ai_redis_reply(op);

    if (reply == NULL) {
        ngx_str_set(&text, "ok");
        return text;
    }

    len = 0;

    for (i = 0; i < reply->n; i++) {
        len += reply->item[i].len + 1;
    }

    text.data = p = ngx_pnalloc(r->pool, len + 1);

    for (i = 0; p && i < reply->n; i++) {

        if (i) {
            *p++ = '|';
        }

        p = ngx_cpymem(p, reply->item[i].data, reply->item[i].len);
    }

    text.len = p - text.data;

    return text;
}


static ngx_int_t
ngx_http_redis_test_stat_handler(ngx_http_request_t *r)
{
    u_char               *p;
    ngx_str_t             text;
    ngx_uint_t            slot;
    ngx_ai_redis_stat_t   st;

    ngx_ai_redis_stat(ngx_http_redis_test_client, &st);
    slot = ngx_http_redis_test_slot(r);

    p = ngx_pnalloc(r->pool, 512);

    text.data = p;
    text.len = ngx_snprintf(p, 512, "{\"state\":\"%s\",\"connects\":%uL,"
                            "\"lost\":%uL,\"calls\":%uL,\"errors\":%uL,"
                            "\"timeouts\":%uL,\"redirects\":%uL,"
                            "\"waiting\":%ui,\"servers\":%ui,\"slot\":%ui,"
                            "\"ready\":%ui,\"evicts\":%ui,\"pid\":%P}",
                            st.state, st.connects, st.lost, st.calls,
                            st.errors, st.timeouts, st.redirects, st.waiting,
                            st.servers, slot,
                            ngx_ai_redis_ready(ngx_http_redis_test_client,
                                               slot),
                            ngx_ai_redis_evicts(ngx_http_redis_test_client,
                                                slot),
                            ngx_pid)
               - p;

    return ngx_http_test_send(r, NGX_HTTP_OK, &text);
}
