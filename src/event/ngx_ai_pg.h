
/*
 * PostgreSQL: libpq in nginx's event loop, never blocking.
 *
 * One ngx_ai_pg_t is one connection of one worker, made when the first
 * operation asks for it, with one statement in flight and a bounded queue
 * behind it.  Lost connections come back by themselves while there is work or
 * a listener, with back-off; each change of state is one line in the log.
 */


#ifndef NGX_AI_PG_H
#define NGX_AI_PG_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <libpq-fe.h>
#include "ngx_ai_op.h"


/* the ai_postgres block; strings are null terminated */

typedef struct {
    ngx_str_t         server;       /* as written, for the log */
    ngx_str_t         host;         /* name for TLS; "" for a socket or a
                                       number */
    ngx_addr_t       *addrs;        /* resolved when the configuration was
                                       loaded */
    ngx_uint_t        naddrs;
    in_port_t         port;
    ngx_resolver_t   *resolver;     /* "resolve": asked at each connect */
    ngx_msec_t        resolver_timeout;
    ngx_str_t         database;
    ngx_str_t         user;
    ngx_str_t         password;     /* in memory left out of core dumps; data
                                       NULL: none */
    ngx_str_t         admin_user;   /* data NULL: none */
    ngx_str_t         admin_password;
    ngx_uint_t        ssl;          /* 0 off, 1 require, 2 verify-full */
    ngx_str_t         ssl_trusted_certificate;
    ngx_msec_t        connect_timeout;
    ngx_msec_t        timeout;
    ngx_msec_t        poll;
    size_t            directory;    /* bytes of shared memory */
    ngx_uint_t        notify;       /* on|off */
} ngx_ai_pg_conf_t;

typedef struct ngx_ai_pg_s  ngx_ai_pg_t;

/* a notification, or (channel NULL) a connection made anew, behind which some
   may have been missed; called from a posted event */
typedef void (*ngx_ai_pg_notify_pt)(void *data, const char *channel,
    const char *payload);


/*
 * worker: "name" is what the log calls it ("ledger", "usage", "admin"); admin:
 * with the administrator's user.  conf must outlive it.  NULL: no memory.
 */
ngx_ai_pg_t *ngx_ai_pg_create(ngx_cycle_t *cycle,
    const ngx_ai_pg_conf_t *conf, const char *name, ngx_uint_t admin);

/*
 * LISTEN on these channels (NULL ends them, literal names) whenever connected,
 * and stay connected.  To be called before the first statement.
 */
void ngx_ai_pg_listen(ngx_ai_pg_t *pg, const char *const *channels,
    ngx_ai_pg_notify_pt handler, void *data);

/*
 * Stops that: notifications are dropped, and the connection, which may serve
 * others, comes back only for a statement once it is lost.
 */
void ngx_ai_pg_unlisten(ngx_ai_pg_t *pg);

/*
 * Sends a statement with parameters: text unless binary[i].  Values are
 * copied, save where a length is given and "hold" is set: then they must stay
 * as they are until the handler was called or the op is detached.  NULL: no
 * memory, or n is too large; nothing will be called.
 *
 * One statement, no COPY.  NGX_OK: op->result is a PGresult, freed with the
 * op.  NGX_ERROR: it is the server's error, whose message may hold values of
 * parameters; op->code and op->text are fit for a log.
 */

#define NGX_AI_PG_PARAMS  8

typedef struct {
    const char       *sql;
    ngx_uint_t        n;
    const char       *value[NGX_AI_PG_PARAMS];  /* NULL: SQL's NULL */
    int               len[NGX_AI_PG_PARAMS];    /* of binary ones */
    u_char            binary[NGX_AI_PG_PARAMS];
    unsigned          hold:1;
    ngx_msec_t        timeout;      /* 0: conf->timeout */
} ngx_ai_pg_query_t;

ngx_ai_op_t *ngx_ai_pg_query(ngx_ai_pg_t *pg, const ngx_ai_pg_query_t *q,
    ngx_ai_op_pt handler, void *data);

#define ngx_ai_pg_result(op)  ((PGresult *) (op)->result)

/* a column of a row; len 0 and data NULL for SQL's NULL or a missing column */
ngx_str_t ngx_ai_pg_value(ngx_ai_op_t *op, int row, int column);

/*
 * At exit, or when it is no longer needed: fails what waits.  "quiet": frees
 * it at once, no handlers are called, and nobody may detach any more.  pg
 * itself is of the cycle's pool; what is asked after this is NGX_DECLINED.
 */
void ngx_ai_pg_close(ngx_ai_pg_t *pg, ngx_uint_t quiet);


/* for /ai/status and metrics */

typedef struct {
    const char       *name;
    const char       *state;        /* "down", "resolving", "connecting",
                                       "ready", "closed" */
    uint64_t          connects;
    uint64_t          lost;
    uint64_t          queries;
    uint64_t          errors;       /* refused by the server */
    uint64_t          timeouts;
    ngx_uint_t        waiting;
} ngx_ai_pg_stat_t;

void ngx_ai_pg_stat(ngx_ai_pg_t *pg, ngx_ai_pg_stat_t *st);


#endif /* NGX_AI_PG_H */
