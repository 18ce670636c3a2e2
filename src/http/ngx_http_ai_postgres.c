
/*
 * A worker's work with PostgreSQL: rows out, tenants in.
 *
 * Both are done by the worker that is the ledger's sink, each over a connection
 * of its own, so that a slow batch does not hold a revocation up; the others
 * only stand by.
 */


#include "ngx_http_ai.h"


static ngx_uint_t ngx_http_ai_postgres_active(void *data);
static ngx_ai_feed_t *ngx_http_ai_postgres_feed(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *mcf);
static void ngx_http_ai_postgres_close(ngx_ai_pg_t **pg);


void
ngx_http_ai_postgres_start(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *mcf)
{
    if (mcf->postgres == NULL) {
        return;
    }

    mcf->pg_ledger = ngx_ai_pg_create(cycle, mcf->postgres, "ledger", 0);
    mcf->pg_feed = ngx_ai_pg_create(cycle, mcf->postgres, "directory", 0);

    if (mcf->pg_ledger) {
        mcf->shipper = ngx_ai_shipper_start(cycle, mcf->ledger_open,
                                            mcf->pg_ledger);
    }

    if (mcf->pg_feed) {
        mcf->feed = ngx_http_ai_postgres_feed(cycle, mcf);
    }

    if (mcf->shipper == NULL || mcf->feed == NULL) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                      "ai postgres: no memory, this worker does not ship");
    }
}


static ngx_ai_feed_t *
ngx_http_ai_postgres_feed(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *mcf)
{
    const u_char        *node;
    ngx_ai_feed_conf_t   conf;

    node = ngx_ai_ledger_node(mcf->ledger_open);
    if (node == NULL) {
        return NULL;
    }

    ngx_memzero(&conf, sizeof(ngx_ai_feed_conf_t));

    conf.directory = mcf->directory;
    conf.zone = mcf->zone;
    conf.pg = mcf->pg_feed;
    conf.conf = mcf->postgres;
    conf.registered = mcf->registered;
    conf.active = ngx_http_ai_postgres_active;
    conf.data = mcf;

    ngx_memcpy(conf.node, node, sizeof(conf.node));

    return ngx_ai_feed_start(cycle, &conf);
}


static ngx_uint_t
ngx_http_ai_postgres_active(void *data)
{
    ngx_http_ai_main_conf_t *mcf = data;

    return mcf->ledger_open && ngx_ai_ledger_sink(mcf->ledger_open);
}


/* before the ledger is closed: a batch may still be on its way */

void
ngx_http_ai_postgres_stop(ngx_http_ai_main_conf_t *mcf)
{
    if (mcf->feed) {
        ngx_ai_feed_stop(mcf->feed);
        mcf->feed = NULL;
    }

    if (mcf->shipper) {
        ngx_ai_shipper_stop(mcf->shipper);
        mcf->shipper = NULL;
    }

    ngx_http_ai_postgres_close(&mcf->pg_feed);
    ngx_http_ai_postgres_close(&mcf->pg_ledger);
    ngx_http_ai_postgres_close(&mcf->pg_usage);
    ngx_http_ai_postgres_close(&mcf->pg_admin);
}


static void
ngx_http_ai_postgres_close(ngx_ai_pg_t **pg)
{
    if (*pg) {
        ngx_ai_pg_close(*pg, 1);
        *pg = NULL;
    }
}
