
/*
 * ai_postgres { server; database; user; ... }
 */


#include "ngx_http_ai_conf.h"
#include <openssl/bio.h>
#include <openssl/pem.h>


#define NGX_HTTP_AI_PG_PORT       5432
#define NGX_HTTP_AI_PG_DIRECTORY  (16 * 1024 * 1024)
#define NGX_HTTP_AI_PG_SOCKET     "/.s.PGSQL."

enum {
    NGX_HTTP_AI_PG_SSL_OFF = 0,
    NGX_HTTP_AI_PG_SSL_REQUIRE,
    NGX_HTTP_AI_PG_SSL_VERIFY
};


static char *ngx_http_ai_postgres_server(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_postgres_url(ngx_conf_t *cf, ngx_ai_pg_conf_t *pg,
    ngx_url_t *u, ngx_uint_t resolve);
static char *ngx_http_ai_postgres_unix(ngx_ai_pg_conf_t *pg, ngx_url_t *u);
static char *ngx_http_ai_postgres_host(ngx_conf_t *cf, ngx_ai_pg_conf_t *pg,
    ngx_url_t *u);
static char *ngx_http_ai_postgres_trusted(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_postgres_directory(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_postgres_end(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static const char *ngx_http_ai_postgres_tls(ngx_ai_pg_conf_t *pg);


/* what the block's end needs to know of the server's address */

typedef struct {
    unsigned                   socket:1;    /* a unix domain one */
    unsigned                   resolve:1;
} ngx_http_ai_postgres_ctx_t;


/* the server cuts longer ones */

static ngx_http_ai_text_t  ngx_http_ai_postgres_name = { 1, 63, NULL, ' ' };


static ngx_conf_enum_t  ngx_http_ai_postgres_ssls[] = {
    { ngx_string("off"), NGX_HTTP_AI_PG_SSL_OFF },
    { ngx_string("require"), NGX_HTTP_AI_PG_SSL_REQUIRE },
    { ngx_string("verify-full"), NGX_HTTP_AI_PG_SSL_VERIFY },
    { ngx_null_string, 0 }
};


static ngx_http_ai_word_t  ngx_http_ai_postgres_words[] = {

    { ngx_string("server"), 1, 2, NGX_HTTP_AI_ONCE|NGX_HTTP_AI_NEEDED,
      ngx_http_ai_postgres_server, 0, NULL },

    { ngx_string("database"), 1, 1, NGX_HTTP_AI_ONCE|NGX_HTTP_AI_NEEDED,
      ngx_http_ai_word_text,
      offsetof(ngx_ai_pg_conf_t, database),
      &ngx_http_ai_postgres_name },

    { ngx_string("user"), 1, 1, NGX_HTTP_AI_ONCE|NGX_HTTP_AI_NEEDED,
      ngx_http_ai_word_text,
      offsetof(ngx_ai_pg_conf_t, user),
      &ngx_http_ai_postgres_name },

    { ngx_string("password_file"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_password,
      offsetof(ngx_ai_pg_conf_t, password), NULL },

    { ngx_string("admin_user"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_text,
      offsetof(ngx_ai_pg_conf_t, admin_user),
      &ngx_http_ai_postgres_name },

    { ngx_string("admin_password_file"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_password,
      offsetof(ngx_ai_pg_conf_t, admin_password), NULL },

    { ngx_string("ssl"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_enum,
      offsetof(ngx_ai_pg_conf_t, ssl),
      ngx_http_ai_postgres_ssls },

    { ngx_string("ssl_trusted_certificate"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_postgres_trusted, 0, NULL },

    { ngx_string("connect_timeout"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_msec,
      offsetof(ngx_ai_pg_conf_t, connect_timeout), NULL },

    { ngx_string("timeout"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_msec,
      offsetof(ngx_ai_pg_conf_t, timeout), NULL },

    { ngx_string("poll"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_msec,
      offsetof(ngx_ai_pg_conf_t, poll), NULL },

    { ngx_string("notify"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_word_enum,
      offsetof(ngx_ai_pg_conf_t, notify),
      ngx_http_ai_conf_switch },

    { ngx_string("directory"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_postgres_directory, 0, NULL },

    { ngx_null_string, 0, 0, 0, NULL, 0, NULL }
};


char *
ngx_http_ai_postgres(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    char                        *rv;
    ngx_ai_pg_conf_t            *pg;
    ngx_http_ai_block_t          b;
    ngx_http_ai_postgres_ctx_t   ctx;

    if (mcf->postgres) {
        return "is duplicate";
    }

    pg = ngx_pcalloc(cf->pool, sizeof(ngx_ai_pg_conf_t));
    if (pg == NULL) {
        return NGX_CONF_ERROR;
    }

    mcf->postgres = pg;

    pg->connect_timeout = 1000;
    pg->timeout = 10000;
    pg->poll = 500;
    pg->directory = NGX_HTTP_AI_PG_DIRECTORY;
    pg->notify = 1;

    ngx_http_ai_block_init(cf, &b, mcf);
    ngx_memzero(&ctx, sizeof(ngx_http_ai_postgres_ctx_t));

    mcf->postgres_file = b.file;
    mcf->postgres_line = b.line;

    b.words = ngx_http_ai_postgres_words;
    b.conf = pg;
    b.data = &ctx;

    rv = ngx_http_ai_block_parse(cf, &b);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_ai_postgres_end(cf, &b);
}


/* server host[:port] [resolve]; or unix:/directory[:port] */

static char *
ngx_http_ai_postgres_server(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_ai_pg_conf_t            *pg = b->conf;
    ngx_http_ai_postgres_ctx_t  *ctx = b->data;

    char       *err;
    ngx_url_t   u;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts == 3) {

        if (value[2].len != 7
            || ngx_strncmp(value[2].data, "resolve", 7) != 0)
        {
            return ngx_http_ai_conf_invalid(cf, &value[2]);
        }

        ctx->resolve = 1;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));
    u.url = value[1];
    u.default_port = NGX_HTTP_AI_PG_PORT;
    u.no_resolve = 1;

    pg->server = value[1];

    if (value[1].len >= 5 && ngx_strncmp(value[1].data, "unix:", 5) == 0) {
        ctx->socket = 1;
        err = ctx->resolve ? "a socket is not resolved"
                           : ngx_http_ai_postgres_unix(pg, &u);

        if (err == NULL && ngx_parse_url(cf->pool, &u) != NGX_OK) {
            err = u.err;
        }

    } else {
        err = ngx_http_ai_postgres_url(cf, pg, &u, ctx->resolve);
    }

    if (err) {
        return ngx_http_ai_conf_server(cf, err);
    }

    pg->addrs = u.addrs;
    pg->naddrs = u.naddrs;

    return NGX_CONF_OK;
}


/* the socket lies in a directory under a name that is made of the port */

static char *
ngx_http_ai_postgres_unix(ngx_ai_pg_conf_t *pg, ngx_url_t *u)
{
    u_char     *colon, *last;
    ngx_int_t   port;

    pg->port = NGX_HTTP_AI_PG_PORT;

    last = u->url.data + u->url.len;
    colon = ngx_strlchr(u->url.data + 5, last, ':');

    if (colon) {
        port = ngx_atoi(colon + 1, last - colon - 1);

        if (port < 1 || port > 65535) {
            return "invalid port";
        }

        pg->port = (in_port_t) port;
        u->url.len = colon - u->url.data;
    }

    if (u->url.len < 6 || u->url.data[5] != '/') {
        return "no path of a directory";
    }

    if (ngx_strnstr(u->url.data, NGX_HTTP_AI_PG_SOCKET, u->url.len)) {
        return "a socket's own path in place of its directory";
    }

    if (u->url.len - 5 + sizeof(NGX_HTTP_AI_PG_SOCKET "65535")
        > sizeof(((struct sockaddr_un *) 0)->sun_path))
    {
        return "too long path";
    }

    return NULL;
}


static char *
ngx_http_ai_postgres_url(ngx_conf_t *cf, ngx_ai_pg_conf_t *pg, ngx_url_t *u,
    ngx_uint_t resolve)
{
    char        *err;
    ngx_uint_t   i;

    if (ngx_parse_url(cf->pool, u) != NGX_OK) {
        return u->err ? u->err : NGX_CONF_ERROR;
    }

    pg->port = u->port;

    if (u->naddrs) {
        return resolve ? "an address is not resolved" : NULL;
    }

    err = ngx_http_ai_postgres_host(cf, pg, u);

    if (err || resolve) {
        return err;
    }

    if (ngx_inet_resolve_host(cf->pool, u) != NGX_OK) {
        return u->err ? u->err : NGX_CONF_ERROR;
    }

    for (i = 0; i < u->naddrs; i++) {
        ngx_inet_set_port(u->addrs[i].sockaddr, pg->port);
    }

    return NULL;
}


static char *
ngx_http_ai_postgres_host(ngx_conf_t *cf, ngx_ai_pg_conf_t *pg, ngx_url_t *u)
{
    if (u->host.len > 253 || !ngx_http_ai_conf_chars(&u->host, ".-_")) {
        return "invalid host";
    }

    pg->host.len = u->host.len;
    pg->host.data = ngx_pnalloc(cf->pool, u->host.len + 1);
    if (pg->host.data == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) ngx_cpystrn(pg->host.data, u->host.data, u->host.len + 1);

    return NULL;
}


/* libpq would say so at each connect, and only in a worker's log */

static char *
ngx_http_ai_postgres_trusted(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_ai_pg_conf_t *pg = b->conf;

    BIO        *bio;
    X509       *cert;
    ngx_str_t  *value;

    value = cf->args->elts;

    pg->ssl_trusted_certificate = value[1];

    if (ngx_conf_full_name(cf->cycle, &pg->ssl_trusted_certificate, 1)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_set_errno(0);

    bio = BIO_new_file((char *) pg->ssl_trusted_certificate.data, "r");

    if (bio == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "open() \"%V\" failed",
                           &pg->ssl_trusted_certificate);
        ERR_clear_error();
        return NGX_CONF_ERROR;
    }

    cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);

    ERR_clear_error();

    if (cert == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no certificate in \"%V\"",
                           &pg->ssl_trusted_certificate);
        return NGX_CONF_ERROR;
    }

    X509_free(cert);

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_postgres_directory(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_ai_pg_conf_t *pg = b->conf;

    ssize_t     size;
    ngx_str_t  *value;

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size == 0) {
        return ngx_http_ai_conf_value(cf);
    }

    if ((size_t) size < ai_dir_min_size()) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "directory \"%V\" is too small, it needs %uzk",
                           &value[1], ai_dir_min_size() / 1024 + 1);
        return NGX_CONF_ERROR;
    }

    pg->directory = size;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_postgres_end(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_ai_pg_conf_t            *pg = b->conf;
    ngx_http_ai_postgres_ctx_t  *ctx = b->data;

    const char  *err;

    b->mcf->postgres_resolve = ctx->resolve;

    err = NULL;

    if (pg->admin_password.data && pg->admin_user.data == NULL) {
        err = "\"admin_password_file\" needs \"admin_user\"";

    } else if (ctx->socket && pg->ssl != NGX_HTTP_AI_PG_SSL_OFF) {
        err = "\"ssl\" is not for a unix domain socket";

    } else {
        err = ngx_http_ai_postgres_tls(pg);
    }

    if (err) {
        ngx_http_ai_conf_error(cf, b->file, b->line, "%s in ai_postgres",
                               err);
        return NGX_CONF_ERROR;
    }

    if (pg->ssl == NGX_HTTP_AI_PG_SSL_OFF
        && ngx_http_ai_conf_far(pg->addrs, pg->naddrs))
    {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "passwords and tenants' data go to \"%V\" of "
                      "ai_postgres without ssl in %s:%ui",
                      &pg->server, b->file, b->line);
    }

    return NGX_CONF_OK;
}


static const char *
ngx_http_ai_postgres_tls(ngx_ai_pg_conf_t *pg)
{
    if (pg->ssl != NGX_HTTP_AI_PG_SSL_VERIFY) {

        /* libpq would verify something all the same, but not the name */

        return pg->ssl_trusted_certificate.data
               ? "\"ssl_trusted_certificate\" needs \"ssl verify-full\""
               : NULL;
    }

    if (pg->ssl_trusted_certificate.data == NULL) {
        return "\"ssl verify-full\" needs \"ssl_trusted_certificate\"";
    }

    if (pg->host.len == 0) {
        return "\"ssl verify-full\" needs a name of the \"server\", not an "
               "address,";
    }

    return NULL;
}


ngx_int_t
ngx_http_ai_conf_postgres(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_ai_pg_conf_t          *pg;
    ngx_http_core_loc_conf_t  *clcf;

    pg = mcf->postgres;

    if (mcf->admin_file && (pg == NULL || pg->admin_user.data == NULL)) {
        ngx_http_ai_conf_error(cf, mcf->admin_file, mcf->admin_line,
                               "\"ai_admin\" needs \"ai_postgres\" with "
                               "\"admin_user\"");
        return NGX_ERROR;
    }

    if (pg == NULL || !mcf->postgres_resolve) {
        return NGX_OK;
    }

    /* without the directive nginx makes one that has nobody to ask */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->resolver == NULL || clcf->resolver->connections.nelts == 0) {
        ngx_http_ai_conf_error(cf, mcf->postgres_file, mcf->postgres_line,
                               "no resolver defined to resolve \"%V\" of "
                               "ai_postgres", &pg->host);
        return NGX_ERROR;
    }

    pg->resolver = clcf->resolver;
    pg->resolver_timeout = clcf->resolver_timeout;

    ngx_conf_init_msec_value(pg->resolver_timeout, 30000);

    return NGX_OK;
}
