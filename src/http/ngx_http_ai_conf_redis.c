
/*
 * ai_redis { server; cluster; user; ... }
 */


#include "ngx_http_ai_conf.h"


#define NGX_HTTP_AI_REDIS_PORT        6379
#define NGX_HTTP_AI_REDIS_NODES       64
#define NGX_HTTP_AI_REDIS_LEASE_MIN   100
#define NGX_HTTP_AI_REDIS_LEASE_MAX   60000


static char *ngx_http_ai_redis_server(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_redis_unix(ngx_http_ai_block_t *b, ngx_url_t *u);
static char *ngx_http_ai_redis_lease(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_redis_nodes(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_redis_end(ngx_conf_t *cf, ngx_http_ai_block_t *b);


/* what the block's end needs to know of its servers */

typedef struct {
    ngx_array_t                addrs;       /* of ngx_addr_t */
    unsigned                   socket:1;    /* one is a unix domain one */
} ngx_http_ai_redis_ctx_t;


static ngx_http_ai_text_t  ngx_http_ai_redis_user = { 1, 128, NULL, '!' };

/* it stands before the hash tag of every key: no brace may be in it */

static ngx_http_ai_text_t  ngx_http_ai_redis_prefix = { 0, 32, "._:-", 0 };


static ngx_http_ai_word_t  ngx_http_ai_redis_words[] = {

    { ngx_string("server"), 1, 1, NGX_HTTP_AI_NEEDED,
      ngx_http_ai_redis_server, 0, NULL },

    { ngx_string("cluster"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_enum,
      offsetof(ngx_ai_redis_conf_t, cluster),
      ngx_http_ai_conf_switch },

    { ngx_string("user"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_text,
      offsetof(ngx_ai_redis_conf_t, user),
      &ngx_http_ai_redis_user },

    { ngx_string("password_file"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_password,
      offsetof(ngx_ai_redis_conf_t, password), NULL },

    { ngx_string("prefix"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_text,
      offsetof(ngx_ai_redis_conf_t, prefix),
      &ngx_http_ai_redis_prefix },

    { ngx_string("connect_timeout"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_msec,
      offsetof(ngx_ai_redis_conf_t, connect_timeout), NULL },

    { ngx_string("timeout"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_msec,
      offsetof(ngx_ai_redis_conf_t, timeout), NULL },

    { ngx_string("lease"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_redis_lease,
      offsetof(ngx_ai_redis_conf_t, lease), NULL },

    { ngx_string("nodes"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_redis_nodes, 0, NULL },

    { ngx_null_string, 0, 0, 0, NULL, 0, NULL }
};


char *
ngx_http_ai_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    char                     *rv;
    ngx_ai_redis_conf_t      *rd;
    ngx_http_ai_block_t       b;
    ngx_http_ai_redis_ctx_t   ctx;

    if (mcf->redis) {
        return "is duplicate";
    }

    rd = ngx_pcalloc(cf->pool, sizeof(ngx_ai_redis_conf_t));
    if (rd == NULL) {
        return NGX_CONF_ERROR;
    }

    mcf->redis = rd;

    ngx_str_set(&rd->prefix, "ai:");

    rd->connect_timeout = 200;
    rd->timeout = 50;
    rd->lease = 2000;
    rd->nodes = 1;

    ngx_memzero(&ctx, sizeof(ngx_http_ai_redis_ctx_t));

    if (ngx_array_init(&ctx.addrs, cf->pool, 1, sizeof(ngx_addr_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_http_ai_block_init(cf, &b, mcf);

    b.words = ngx_http_ai_redis_words;
    b.conf = rd;
    b.data = &ctx;

    rv = ngx_http_ai_block_parse(cf, &b);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_ai_redis_end(cf, &b);
}


/* server host[:port]; or unix:/path */

static char *
ngx_http_ai_redis_server(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_ai_redis_conf_t      *rd = b->conf;
    ngx_http_ai_redis_ctx_t  *ctx = b->data;

    char        *err;
    ngx_url_t    u;
    ngx_str_t   *value;
    ngx_addr_t  *addr;
    ngx_uint_t   i;

    value = cf->args->elts;

    ngx_memzero(&u, sizeof(ngx_url_t));
    u.url = value[1];
    u.default_port = NGX_HTTP_AI_REDIS_PORT;

    err = ngx_http_ai_redis_unix(b, &u);

    if (err == NULL && ngx_parse_url(cf->pool, &u) != NGX_OK) {
        err = u.err ? u.err : NGX_CONF_ERROR;
    }

    if (err) {
        return ngx_http_ai_conf_server(cf, err);
    }

    for (i = 0; i < u.naddrs; i++) {
        addr = ngx_array_push(&ctx->addrs);
        if (addr == NULL) {
            return NGX_CONF_ERROR;
        }

        *addr = u.addrs[i];
    }

    if (rd->server.data == NULL) {
        rd->server = value[1];
    }

    rd->addrs = ctx->addrs.elts;
    rd->naddrs = ctx->addrs.nelts;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_redis_unix(ngx_http_ai_block_t *b, ngx_url_t *u)
{
    ngx_http_ai_redis_ctx_t  *ctx = b->data;

    if (u->url.len < 5 || ngx_strncmp(u->url.data, "unix:", 5) != 0) {
        return NULL;
    }

    ctx->socket = 1;

    return u->url.len > 5 && u->url.data[5] != '/' ? "relative path" : NULL;
}


static char *
ngx_http_ai_redis_lease(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_ai_redis_conf_t *rd = b->conf;

    char  *rv;

    rv = ngx_http_ai_word_msec(cf, b);

    if (rv == NGX_CONF_OK && (rd->lease < NGX_HTTP_AI_REDIS_LEASE_MIN
                              || rd->lease > NGX_HTTP_AI_REDIS_LEASE_MAX))
    {
        return "must be between 100ms and 60s";
    }

    return rv;
}


static char *
ngx_http_ai_redis_nodes(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_ai_redis_conf_t *rd = b->conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_http_ai_conf_number(&value[1], 1, &rd->nodes) != NGX_OK
        || rd->nodes > NGX_HTTP_AI_REDIS_NODES)
    {
        return ngx_http_ai_conf_value(cf);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_redis_end(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_ai_redis_conf_t      *rd = b->conf;
    ngx_http_ai_redis_ctx_t  *ctx = b->data;

    ngx_addr_t  *far;
    const char  *err;

    err = NULL;

    if (rd->user.data && rd->password.data == NULL) {
        err = "\"user\" needs \"password_file\"";

    } else if (rd->cluster && ctx->socket) {
        err = "\"cluster\" is not for a unix domain socket";

    } else if (rd->lease / 4 < rd->timeout) {

        /* credit must be asked for, and given back, while the lease lasts */

        err = "\"lease\" is shorter than 4 times \"timeout\"";
    }

    if (err) {
        ngx_http_ai_conf_error(cf, b->file, b->line, "%s in ai_redis", err);
        return NGX_CONF_ERROR;
    }

    far = ngx_http_ai_conf_far(rd->addrs, rd->naddrs);

    if (far) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "passwords and limits go to \"%V\" of ai_redis without "
                      "TLS in %s:%ui", &far->name, b->file, b->line);
    }

    return NGX_CONF_OK;
}
