
/*
 * PostgreSQL: libpq in nginx's event loop.
 *
 * libpq owns the socket; ngx_ai_store keeps the states, the queue and the
 * deadlines.  Here a statement is sent, and what comes back is taken until
 * libpq has no more.  Never called: what may block (PQexec, PQreset, PQcancel).
 */


#include <openssl/ssl.h>
#include "ngx_ai_pg_int.h"


#define NGX_AI_PG_WAITING  64

/*
 * libpq keeps a whole answer in memory, whatever its size, and looks through
 * a list of all parameters that the server has named for each more of them.
 */
#define NGX_AI_PG_ANSWER   (64 * 1024 * 1024)   /* bytes of one, about */
#define NGX_AI_PG_BUSY     100      /* ms of the processor, at one wake-up */
#define NGX_AI_PG_READ     16384    /* bytes that libpq reads at the least */


static ngx_int_t ngx_ai_pg_submit(ngx_ai_store_t *st, ngx_ai_op_t *op);
static void ngx_ai_pg_ready(ngx_ai_store_t *st);
static void ngx_ai_pg_finish(ngx_ai_store_t *st);
static ngx_ai_pg_args_t *ngx_ai_pg_args(ngx_pool_t *pool,
    const ngx_ai_pg_query_t *q);
static ngx_int_t ngx_ai_pg_read(ngx_ai_pg_t *pg, ngx_uint_t events);
static ngx_int_t ngx_ai_pg_consume(ngx_ai_pg_t *pg);
static int ngx_ai_pg_unread(ngx_ai_pg_t *pg);
static uint64_t ngx_ai_pg_spent(void);
static void ngx_ai_pg_again(ngx_ai_pg_t *pg);
static ngx_int_t ngx_ai_pg_results(ngx_ai_pg_t *pg);
static ngx_int_t ngx_ai_pg_take(ngx_ai_pg_t *pg, PGresult *res);
static ngx_int_t ngx_ai_pg_ended(ngx_ai_pg_t *pg);
static void ngx_ai_pg_result_cleanup(void *data);


static const ngx_ai_store_kind_t  ngx_ai_pg_kind = {
    "postgres",
    1,
    ngx_ai_pg_connect,
    ngx_ai_pg_submit,
    ngx_ai_pg_finish,
    ngx_ai_pg_ready
};


ngx_ai_pg_t *
ngx_ai_pg_create(ngx_cycle_t *cycle, const ngx_ai_pg_conf_t *conf,
    const char *name, ngx_uint_t admin)
{
    ngx_ai_pg_t     *pg;
    ngx_ai_store_t  *st;

    pg = ngx_pcalloc(cycle->pool, sizeof(ngx_ai_pg_t));
    if (pg == NULL) {
        return NULL;
    }

    pg->conf = conf;
    pg->admin = admin;

    pg->posted.handler = ngx_ai_pg_notes_handler;
    pg->posted.data = pg;
    pg->posted.log = cycle->log;

    st = &pg->store;

    st->kind = &ngx_ai_pg_kind;
    st->name = name;
    st->log = cycle->log;
    st->addrs = conf->addrs;
    st->naddrs = conf->naddrs;
    st->resolver = conf->resolver;
    st->host = conf->host;
    st->port = conf->port;
    st->resolver_timeout = conf->resolver_timeout;
    st->connect_timeout = conf->connect_timeout;
    st->max_waiting = NGX_AI_PG_WAITING;

    ngx_ai_store_init(st);

    return pg;
}


void
ngx_ai_pg_listen(ngx_ai_pg_t *pg, const char *const *channels,
    ngx_ai_pg_notify_pt handler, void *data)
{
    pg->channels = channels;
    pg->notify = handler;
    pg->data = data;
    pg->store.keep = 1;

    ngx_ai_store_connect(&pg->store);
}


void
ngx_ai_pg_unlisten(ngx_ai_pg_t *pg)
{
    pg->channels = NULL;
    pg->notify = NULL;
    pg->store.keep = 0;

    ngx_ai_pg_notes_drop(pg);
}


ngx_ai_op_t *
ngx_ai_pg_query(ngx_ai_pg_t *pg, const ngx_ai_pg_query_t *q,
    ngx_ai_op_pt handler, void *data)
{
    ngx_ai_op_t  *op;

    if (q->n > NGX_AI_PG_PARAMS) {
        return NULL;
    }

    op = ngx_ai_op_create(pg->store.log, handler, data);
    if (op == NULL) {
        return NULL;
    }

    op->timeout = q->timeout ? q->timeout : pg->conf->timeout;

    op->args = ngx_ai_pg_args(op->pool, q);
    if (op->args == NULL) {
        ngx_destroy_pool(op->pool);
        return NULL;
    }

    ngx_ai_store_submit(&pg->store, op);

    return op;
}


static ngx_ai_pg_args_t *
ngx_ai_pg_args(ngx_pool_t *pool, const ngx_ai_pg_query_t *q)
{
    char              *p;
    size_t             len;
    ngx_uint_t         i;
    ngx_ai_pg_args_t  *args;

    args = ngx_pcalloc(pool, sizeof(ngx_ai_pg_args_t));
    if (args == NULL) {
        return NULL;
    }

    args->n = q->n;

    len = ngx_strlen(q->sql) + 1;

    args->sql = ngx_pnalloc(pool, len);
    if (args->sql == NULL) {
        return NULL;
    }

    ngx_memcpy(args->sql, q->sql, len);

    for (i = 0; i < q->n; i++) {

        if (q->value[i] == NULL) {
            continue;
        }

        args->format[i] = q->binary[i] ? 1 : 0;
        args->len[i] = q->binary[i] ? q->len[i] : 0;

        if (q->hold && q->binary[i]) {
            args->value[i] = q->value[i];
            continue;
        }

        len = q->binary[i] ? (size_t) q->len[i] : ngx_strlen(q->value[i]) + 1;

        /* one more: a value of no bytes is not NULL */

        p = ngx_pnalloc(pool, len + 1);
        if (p == NULL) {
            return NULL;
        }

        ngx_memcpy(p, q->value[i], len);
        args->value[i] = p;
    }

    return args;
}


static ngx_int_t
ngx_ai_pg_submit(ngx_ai_store_t *st, ngx_ai_op_t *op)
{
    ngx_ai_pg_t       *pg;
    ngx_ai_pg_args_t  *args;

    pg = (ngx_ai_pg_t *) st;
    args = op->args;

    pg->op = op;
    pg->told = 0;
    pg->received = 0;
    pg->queries++;

    if (PQsendQueryParams(pg->conn, args->sql, args->n, NULL, args->value,
                          args->len, args->format, 0)
        == 0)
    {
        ngx_ai_pg_reason(pg);
        return NGX_ERROR;
    }

    return ngx_ai_pg_flush(pg);
}


static void
ngx_ai_pg_ready(ngx_ai_store_t *st)
{
    ngx_ai_pg_notes_missed((ngx_ai_pg_t *) st);
}


static void
ngx_ai_pg_finish(ngx_ai_store_t *st)
{
    ngx_ai_pg_t  *pg;

    pg = (ngx_ai_pg_t *) st;

    pg->op = NULL;

    if (pg->result) {
        PQclear(pg->result);
        pg->result = NULL;
    }

    if (pg->conn) {
        ngx_ai_fd_detach(&pg->fd, PQsocket(pg->conn));

        PQfinish(pg->conn);
        pg->conn = NULL;
    }
}


void
ngx_ai_pg_handler(void *data, ngx_uint_t events)
{
    ngx_ai_pg_t *pg = data;

    if (events & (NGX_AI_FD_QUIT|NGX_AI_FD_CLOSE)) {
        ngx_ai_store_quit(&pg->store, events & NGX_AI_FD_CLOSE);
        return;
    }

    if (pg->store.state == NGX_AI_STORE_CONNECTING) {
        ngx_ai_pg_poll(pg);
        return;
    }

    if (ngx_ai_pg_read(pg, events) != NGX_OK) {
        ngx_ai_store_lost(&pg->store);
        return;
    }

    ngx_ai_pg_notes_take(pg);

    ngx_ai_pg_again(pg);

    ngx_ai_store_run(&pg->store);
}


/*
 * Reading comes first: the server may not take more of a statement before we
 * have taken what it says.
 */

static ngx_int_t
ngx_ai_pg_read(ngx_ai_pg_t *pg, ngx_uint_t events)
{
    uint64_t  begun;

    begun = ngx_ai_pg_spent();

    if (((events & NGX_AI_FD_READ) && ngx_ai_pg_consume(pg) != NGX_OK)
        || ngx_ai_pg_flush(pg) != NGX_OK
        || ngx_ai_pg_results(pg) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_ai_pg_spent() - begun > NGX_AI_PG_BUSY) {
        ngx_ai_store_reason(&pg->store, "what it says takes too long to read");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* of this thread: not what others had of the processor meanwhile */

static uint64_t
ngx_ai_pg_spent(void)
{
    struct timespec  ts;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == -1) {
        return 0;
    }

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


/* what has come meanwhile was not seen: at the least what libpq takes */

static ngx_int_t
ngx_ai_pg_consume(ngx_ai_pg_t *pg)
{
    int  before, n;

    before = ngx_ai_pg_unread(pg);

    if (PQconsumeInput(pg->conn) == 0) {
        ngx_ai_pg_reason(pg);
        return NGX_ERROR;
    }

    n = before - ngx_ai_pg_unread(pg);
    pg->received += ngx_max(n, ngx_min(before, NGX_AI_PG_READ));

    if (pg->received > NGX_AI_PG_ANSWER) {
        ngx_ai_store_reason(&pg->store, "an answer of more than %dM",
                            NGX_AI_PG_ANSWER / 1024 / 1024);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static int
ngx_ai_pg_unread(ngx_ai_pg_t *pg)
{
    int  n;

    return ioctl(PQsocket(pg->conn), FIONREAD, &n) == -1 ? 0 : n;
}


/*
 * OpenSSL may hold the rest of a record which libpq had no room for: the
 * socket would not become readable for that.  Others have their turn first.
 */

static void
ngx_ai_pg_again(ngx_ai_pg_t *pg)
{
    SSL  *ssl;

    ssl = PQsslStruct(pg->conn, "OpenSSL");

    if (ssl && SSL_pending(ssl) > 0) {
        ngx_post_event(pg->fd.connection->read, &ngx_posted_next_events);
    }
}


ngx_int_t
ngx_ai_pg_flush(ngx_ai_pg_t *pg)
{
    int         rc;
    ngx_uint_t  events;

    rc = PQflush(pg->conn);

    if (rc == -1) {
        ngx_ai_pg_reason(pg);
        return NGX_ERROR;
    }

    /* reading never ends: also an idle server may leave */

    events = NGX_AI_FD_READ | (rc ? NGX_AI_FD_WRITE : 0);

    if (ngx_ai_fd_want(&pg->fd, events) != NGX_OK) {
        ngx_ai_store_reason(&pg->store, "event failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ai_pg_results(ngx_ai_pg_t *pg)
{
    PGresult  *res;

    for ( ;; ) {

        /* this is also what makes libpq look at what came unasked */

        if (PQisBusy(pg->conn)) {
            return NGX_OK;
        }

        if (pg->gone) {
            return NGX_ERROR;
        }

        if (pg->op == NULL && pg->store.state == NGX_AI_STORE_READY) {
            return NGX_OK;
        }

        res = PQgetResult(pg->conn);

        if (res == NULL) {
            return ngx_ai_pg_ended(pg);
        }

        if (ngx_ai_pg_take(pg, res) != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


/* keeps the first result; the first error ends a statement anyway */

static ngx_int_t
ngx_ai_pg_take(ngx_ai_pg_t *pg, PGresult *res)
{
    switch (PQresultStatus(res)) {

    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        ngx_ai_store_reason(&pg->store, "COPY is not spoken here");
        PQclear(res);
        return NGX_ERROR;

    case PGRES_FATAL_ERROR:

        /* the server, or libpq itself, gives up the connection */

        if (PQstatus(pg->conn) == CONNECTION_BAD || ngx_ai_pg_fatal(res)
            || PQresultErrorField(res, PG_DIAG_SQLSTATE) == NULL)
        {
            ngx_ai_pg_reason_result(pg, res);
            PQclear(res);
            return NGX_ERROR;
        }

        if (pg->op == NULL) {
            ngx_ai_pg_reason_result(pg, res);
            PQclear(res);
            return NGX_ERROR;
        }

        break;

    default:
        break;
    }

    if (pg->result) {
        PQclear(res);

    } else {
        pg->result = res;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ai_pg_ended(ngx_ai_pg_t *pg)
{
    ngx_int_t            rc;
    ngx_ai_op_t         *op;
    ngx_pool_cleanup_t  *cln;

    op = pg->op;

    if (op == NULL) {

        /* LISTEN was the first to be said */

        PQclear(pg->result);
        pg->result = NULL;

        ngx_ai_store_ready(&pg->store);
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(op->pool, 0);
    if (cln == NULL) {
        ngx_ai_store_reason(&pg->store, "no memory");
        return NGX_ERROR;
    }

    cln->handler = ngx_ai_pg_result_cleanup;
    cln->data = pg->result;

    op->result = pg->result;
    pg->result = NULL;
    pg->op = NULL;

    switch (PQresultStatus(op->result)) {

    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        rc = NGX_OK;
        break;

    default:
        rc = NGX_ERROR;
        pg->errors++;
        pg->told = ngx_strlen(PQerrorMessage(pg->conn));
        ngx_ai_pg_error(op, op->result);
    }

    ngx_ai_store_done(&pg->store, op, rc);

    return NGX_OK;
}


static void
ngx_ai_pg_result_cleanup(void *data)
{
    PQclear(data);
}


ngx_str_t
ngx_ai_pg_value(ngx_ai_op_t *op, int row, int column)
{
    PGresult   *res;
    ngx_str_t   value;

    res = op->result;

    ngx_str_null(&value);

    if (res == NULL || row < 0 || row >= PQntuples(res) || column < 0
        || column >= PQnfields(res) || PQgetisnull(res, row, column))
    {
        return value;
    }

    value.data = (u_char *) PQgetvalue(res, row, column);
    value.len = PQgetlength(res, row, column);

    return value;
}


void
ngx_ai_pg_close(ngx_ai_pg_t *pg, ngx_uint_t quiet)
{
    ngx_ai_store_close(&pg->store, quiet);

    ngx_ai_pg_notes_drop(pg);
}


void
ngx_ai_pg_stat(ngx_ai_pg_t *pg, ngx_ai_pg_stat_t *st)
{
    st->name = pg->store.name;
    st->state = ngx_ai_store_state(&pg->store);
    st->connects = pg->store.connects;
    st->lost = pg->store.lost;
    st->queries = pg->queries;
    st->errors = pg->errors;
    st->timeouts = pg->store.timeouts;
    st->waiting = pg->store.nwaiting + pg->store.nsent;
}
