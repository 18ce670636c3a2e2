
/*
 * PostgreSQL: from an address to a connection that may be used.
 */


#include "ngx_ai_pg_int.h"


/*
 * Exists nowhere.  Without a path libpq would look into the home directory of
 * the worker's user; an empty one counts as none.
 */
#define NGX_AI_PG_NOWHERE  "/dev/null/none"

#define NGX_AI_PG_OPTIONS  40
#define NGX_AI_PG_LISTEN   512


typedef struct {
    const char  *key[NGX_AI_PG_OPTIONS];
    const char  *value[NGX_AI_PG_OPTIONS];
    ngx_uint_t   n;
} ngx_ai_pg_options_t;


static void ngx_ai_pg_option(ngx_ai_pg_options_t *o, const char *key,
    const char *value);
static void ngx_ai_pg_options(ngx_ai_pg_options_t *o, ngx_ai_pg_t *pg);
static ngx_int_t ngx_ai_pg_where(ngx_ai_pg_t *pg, ngx_addr_t *addr,
    u_char *host, u_char *port);
static void ngx_ai_pg_where_unix(ngx_ai_pg_t *pg, struct sockaddr_un *sun,
    u_char *host, u_char *port);
static void ngx_ai_pg_notice_cb(void *data, const PGresult *res);
static void ngx_ai_pg_started(ngx_ai_pg_t *pg);


static const char *const  ngx_ai_pg_fixed[][2] = {
    { "gssencmode",          "disable" },           /* Kerberos' files, DNS */
    { "passfile",            NGX_AI_PG_NOWHERE },   /* ~/.pgpass */
    { "sslcert",             NGX_AI_PG_NOWHERE },   /* ~/.postgresql/... */
    { "sslkey",              NGX_AI_PG_NOWHERE },
    { "sslcrl",              NGX_AI_PG_NOWHERE },
    { "client_encoding",     "UTF8" },
    { "keepalives",          "1" },
    { "keepalives_idle",     "30" },
    { "keepalives_interval", "10" },
    { "keepalives_count",    "3" },
    { "tcp_user_timeout",    "30000" }
};

static const char *const  ngx_ai_pg_sslmode[] = {
    "disable", "require", "verify-full"
};


ngx_int_t
ngx_ai_pg_connect(ngx_ai_store_t *st, ngx_addr_t *addr)
{
    u_char                host[NGX_SOCKADDR_STRLEN + 1];
    u_char                port[NGX_INT_T_LEN + 1];
    ngx_ai_pg_t          *pg;
    ngx_ai_pg_options_t   o;

    pg = (ngx_ai_pg_t *) st;
    o.n = 0;
    pg->gone = 0;
    pg->told = 0;
    pg->received = 0;

    if (ngx_ai_pg_where(pg, addr, host, port) != NGX_OK) {
        return NGX_ERROR;
    }

    if (addr->sockaddr->sa_family == AF_UNIX) {
        ngx_ai_pg_option(&o, "host", (char *) host);

    } else {
        ngx_ai_pg_option(&o, "hostaddr", (char *) host);
        ngx_ai_pg_option(&o, "host", pg->conf->host.len
                                     ? (char *) pg->conf->host.data
                                     : (char *) host);
    }

    ngx_ai_pg_option(&o, "port", (char *) port);
    ngx_ai_pg_options(&o, pg);

    pg->conn = PQconnectStartParams(o.key, o.value, 0);

    if (pg->conn == NULL) {
        ngx_ai_store_reason(st, "no memory");
        return NGX_ERROR;
    }

    PQsetNoticeReceiver(pg->conn, ngx_ai_pg_notice_cb, pg);

    if (PQstatus(pg->conn) == CONNECTION_BAD
        || PQsetnonblocking(pg->conn, 1) == -1)
    {
        ngx_ai_pg_reason(pg);
        return NGX_ERROR;
    }

    if (ngx_ai_fd_attach(&pg->fd, PQsocket(pg->conn), ngx_ai_pg_handler, pg,
                         st->log)
        != NGX_OK
        || ngx_ai_fd_want(&pg->fd, NGX_AI_FD_WRITE) != NGX_OK)
    {
        ngx_ai_store_reason(st, "no free connections");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_ai_pg_option(ngx_ai_pg_options_t *o, const char *key, const char *value)
{
    o->key[o->n] = key;
    o->value[o->n] = value;
    o->n++;

    o->key[o->n] = NULL;
    o->value[o->n] = NULL;
}


/* "options" is left out: pgbouncer refuses it */

static void
ngx_ai_pg_options(ngx_ai_pg_options_t *o, ngx_ai_pg_t *pg)
{
    ngx_uint_t               i;
    const ngx_str_t         *user, *password;
    const ngx_ai_pg_conf_t  *conf;

    conf = pg->conf;

    user = pg->admin ? &conf->admin_user : &conf->user;
    password = pg->admin ? &conf->admin_password : &conf->password;

    for (i = 0; i < sizeof(ngx_ai_pg_fixed) / sizeof(ngx_ai_pg_fixed[0]); i++) {
        ngx_ai_pg_option(o, ngx_ai_pg_fixed[i][0], ngx_ai_pg_fixed[i][1]);
    }

    ngx_ai_pg_option(o, "dbname", (char *) conf->database.data);
    ngx_ai_pg_option(o, "user", (char *) user->data);

    if (password->len) {
        ngx_ai_pg_option(o, "password", (char *) password->data);
    }

    ngx_ai_pg_option(o, "application_name", "nginx ai gateway");
    ngx_ai_pg_option(o, "sslmode", ngx_ai_pg_sslmode[ngx_min(conf->ssl, 2)]);

    /* "require" with a root would become "verify-ca" */

    ngx_ai_pg_option(o, "sslrootcert",
                     conf->ssl == 2 && conf->ssl_trusted_certificate.len
                     ? (char *) conf->ssl_trusted_certificate.data
                     : NGX_AI_PG_NOWHERE);
}


static ngx_int_t
ngx_ai_pg_where(ngx_ai_pg_t *pg, ngx_addr_t *addr, u_char *host, u_char *port)
{
    size_t      n;
    in_port_t   number;

    if (addr->sockaddr->sa_family == AF_UNIX) {
        ngx_ai_pg_where_unix(pg, (struct sockaddr_un *) addr->sockaddr, host,
                             port);
        return NGX_OK;
    }

    n = ngx_sock_ntop(addr->sockaddr, addr->socklen, host,
                      NGX_SOCKADDR_STRLEN, 0);

    /* an IPv6 address comes in brackets where nginx writes it for people */

    if (n > 2 && host[0] == '[') {
        ngx_memmove(host, host + 1, n - 2);
        n -= 2;
    }

    if (n == 0) {
        ngx_ai_store_reason(&pg->store, "address of an unknown family");
        return NGX_ERROR;
    }

    host[n] = '\0';

    number = ngx_inet_get_port(addr->sockaddr);

    *ngx_sprintf(port, "%ui", (ngx_uint_t) (number ? number : pg->conf->port))
        = '\0';

    return NGX_OK;
}


/* libpq wants the directory of the socket; the socket itself is fine for us */

static void
ngx_ai_pg_where_unix(ngx_ai_pg_t *pg, struct sockaddr_un *sun, u_char *host,
    u_char *port)
{
    u_char  *p;

    ngx_cpystrn(host, (u_char *) sun->sun_path, NGX_SOCKADDR_STRLEN);

    *ngx_sprintf(port, "%ui",
                 (ngx_uint_t) (pg->conf->port ? pg->conf->port : 5432))
        = '\0';

    p = (u_char *) strstr((char *) host, "/.s.PGSQL.");

    if (p) {
        *p = '\0';
        ngx_cpystrn(port, p + sizeof("/.s.PGSQL.") - 1, NGX_INT_T_LEN);
    }
}


/*
 * libpq may close its socket and open another one of the same number, so it is
 * never watched across a call.
 */

void
ngx_ai_pg_poll(ngx_ai_pg_t *pg)
{
    ngx_uint_t                 events;
    PostgresPollingStatusType  rc;

    ngx_ai_fd_detach(&pg->fd, PQsocket(pg->conn));

    rc = PQconnectPoll(pg->conn);

    if (rc == PGRES_POLLING_FAILED) {
        ngx_ai_pg_reason(pg);
        ngx_ai_store_lost(&pg->store);
        return;
    }

    events = rc == PGRES_POLLING_WRITING ? NGX_AI_FD_WRITE : NGX_AI_FD_READ;

    if (ngx_ai_fd_attach(&pg->fd, PQsocket(pg->conn), ngx_ai_pg_handler, pg,
                         pg->store.log)
        != NGX_OK
        || ngx_ai_fd_want(&pg->fd, events) != NGX_OK)
    {
        ngx_ai_store_reason(&pg->store, "no free connections");
        ngx_ai_store_lost(&pg->store);
        return;
    }

    if (rc == PGRES_POLLING_OK) {
        ngx_ai_pg_started(pg);
    }
}


static void
ngx_ai_pg_started(ngx_ai_pg_t *pg)
{
    u_char       *p, *last;
    u_char        sql[NGX_AI_PG_LISTEN];
    ngx_uint_t    i;

    if (pg->channels == NULL) {
        ngx_ai_store_ready(&pg->store);
        return;
    }

    ngx_ai_store_handshake(&pg->store);

    p = sql;
    last = sql + sizeof(sql) - 1;

    for (i = 0; pg->channels[i]; i++) {
        p = ngx_slprintf(p, last, "LISTEN %s;", pg->channels[i]);
    }

    *p = '\0';

    if (p == last) {
        ngx_ai_store_reason(&pg->store, "too many channels");

    } else if (PQsendQuery(pg->conn, (char *) sql) == 0) {
        ngx_ai_pg_reason(pg);

    } else if (ngx_ai_pg_flush(pg) == NGX_OK) {
        return;
    }

    ngx_ai_store_lost(&pg->store);
}


/*
 * Warnings are for those who look into the server.  An error outside of any
 * statement is the server's farewell.
 */

static void
ngx_ai_pg_notice_cb(void *data, const PGresult *res)
{
    ngx_ai_pg_t *pg = data;

    if (ngx_ai_pg_fatal(res)) {
        ngx_ai_pg_reason_result(pg, res);
        pg->gone = 1;
    }
}
