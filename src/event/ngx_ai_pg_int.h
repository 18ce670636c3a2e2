
/*
 * What the files of the PostgreSQL client share.
 */


#ifndef NGX_AI_PG_INT_H
#define NGX_AI_PG_INT_H


#include "ngx_ai_fd.h"
#include "ngx_ai_pg.h"
#include "ngx_ai_store.h"


#define NGX_AI_PG_NOTES  32


struct ngx_ai_pg_s {
    ngx_ai_store_t           store;     /* first: the kind's functions get it */
    const ngx_ai_pg_conf_t  *conf;
    ngx_uint_t               admin;

    PGconn                  *conn;
    ngx_ai_fd_t              fd;
    ngx_ai_op_t             *op;        /* the statement in flight */
    PGresult                *result;    /* what it has given so far */

    const char *const       *channels;
    ngx_ai_pg_notify_pt      notify;
    void                    *data;
    ngx_event_t              posted;
    PGnotify                *notes[NGX_AI_PG_NOTES];
    ngx_uint_t               nnotes;

    size_t                   told;      /* of libpq's text: an op's error */
    size_t                   received;  /* since the last statement */

    uint64_t                 queries;
    uint64_t                 errors;

    unsigned                 gone:1;    /* the server has said that it leaves */
    unsigned                 missed:1;  /* notifications may have been */
};


/* an op's arguments */

typedef struct {
    char                    *sql;
    ngx_uint_t               n;
    const char              *value[NGX_AI_PG_PARAMS];
    int                      len[NGX_AI_PG_PARAMS];
    int                      format[NGX_AI_PG_PARAMS];
} ngx_ai_pg_args_t;


ngx_int_t ngx_ai_pg_connect(ngx_ai_store_t *st, ngx_addr_t *addr);
void ngx_ai_pg_poll(ngx_ai_pg_t *pg);

/* NGX_ERROR: the reason was set */
ngx_int_t ngx_ai_pg_flush(ngx_ai_pg_t *pg);
void ngx_ai_pg_handler(void *data, ngx_uint_t events);

/* takes what PQnotifies() has, and posts it */
void ngx_ai_pg_notes_take(ngx_ai_pg_t *pg);
void ngx_ai_pg_notes_missed(ngx_ai_pg_t *pg);
void ngx_ai_pg_notes_drop(ngx_ai_pg_t *pg);
void ngx_ai_pg_notes_handler(ngx_event_t *ev);

/* sets the store's reason from the connection's error, or a result's */
void ngx_ai_pg_reason(ngx_ai_pg_t *pg);
void ngx_ai_pg_reason_result(ngx_ai_pg_t *pg, const PGresult *res);

/* the server's FATAL: it closes the connection after it */
ngx_uint_t ngx_ai_pg_fatal(const PGresult *res);

/* fills op->code and op->text */
void ngx_ai_pg_error(ngx_ai_op_t *op, const PGresult *res);


#endif /* NGX_AI_PG_INT_H */
