
/*
 * The dealings with PostgreSQL, for "ai_status" and "ai_metrics".
 *
 * Only the ledger's sink ships and follows the directory, but any worker may
 * be asked: each tells the tally what is new, once a second.  What a worker
 * that is killed had not told is missing in the counters, and nowhere else.
 */


#include "ngx_http_ai_metrics.h"


#define NGX_HTTP_AI_STORES_TELL  1000
#define NGX_HTTP_AI_STORES_SIZE  1024


static void ngx_http_ai_stores_handler(ngx_event_t *ev);
static void ngx_http_ai_stores_shipper(ngx_http_ai_main_conf_t *mcf,
    ngx_uint_t sink);
static void ngx_http_ai_stores_connections(ngx_http_ai_main_conf_t *mcf);
static ngx_ai_pg_t *ngx_http_ai_stores_pg(ngx_http_ai_main_conf_t *mcf,
    ngx_uint_t i);
static void ngx_http_ai_status_shipping(ai_buf_t *b, ngx_ai_tally_t *tally);
static void ngx_http_ai_status_connection(ai_buf_t *b, ngx_ai_pg_t *pg);
static void ngx_http_ai_status_time(ai_buf_t *b, const char *name,
    ngx_atomic_uint_t seconds);


static ngx_event_t  ngx_http_ai_stores_timer;


void
ngx_http_ai_stores_start(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *mcf)
{
    ngx_event_t  *ev;

    ev = &ngx_http_ai_stores_timer;

    ev->handler = ngx_http_ai_stores_handler;
    ev->data = mcf;
    ev->log = cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, NGX_HTTP_AI_STORES_TELL);
}


static void
ngx_http_ai_stores_handler(ngx_event_t *ev)
{
    ngx_http_ai_stores_tell(ev->data);

    ngx_add_timer(ev, NGX_HTTP_AI_STORES_TELL);
}


void
ngx_http_ai_stores_tell(ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t           sink;
    ngx_ai_feed_stat_t   feed;

    ngx_http_ai_redis_tell(mcf);

    if (mcf->postgres == NULL) {
        return;
    }

    sink = mcf->ledger_open && ngx_ai_ledger_sink(mcf->ledger_open);

    ngx_http_ai_stores_connections(mcf);

    if (mcf->shipper) {
        ngx_http_ai_stores_shipper(mcf, sink);
    }

    if (mcf->feed && sink) {
        ngx_ai_feed_stat(mcf->feed, &feed);

        if (feed.heard) {
            ngx_ai_tally_node_set(mcf->tally, NGX_AI_NODE_HEARD, feed.heard);
        }
    }
}


/* states are the sink's alone, the work of one that was it counts still */

static void
ngx_http_ai_stores_shipper(ngx_http_ai_main_conf_t *mcf, ngx_uint_t sink)
{
    ngx_ai_tally_t                *t;
    ngx_ai_shipper_stat_t          st;
    static ngx_ai_shipper_stat_t   told;

    t = mcf->tally;

    ngx_memzero(&st, sizeof(ngx_ai_shipper_stat_t));
    ngx_ai_shipper_stat(mcf->shipper, &st);

    ngx_ai_tally_node_add(t, NGX_AI_NODE_ROWS, st.rows - told.rows);
    ngx_ai_tally_node_add(t, NGX_AI_NODE_DUPLICATES,
                          st.duplicates - told.duplicates);
    ngx_ai_tally_node_add(t, NGX_AI_NODE_QUARANTINED,
                          st.quarantined - told.quarantined);
    ngx_ai_tally_node_add(t, NGX_AI_NODE_RETRIES, st.retries - told.retries);

    told = st;

    if (!sink) {
        return;
    }

    ngx_ai_tally_node_set(t, NGX_AI_NODE_BEHIND, st.behind);
    ngx_ai_tally_node_set(t, NGX_AI_NODE_FAILING, st.failing);

    if (st.committed) {
        ngx_ai_tally_node_set(t, NGX_AI_NODE_COMMITTED, st.committed);
    }
}


static void
ngx_http_ai_stores_connections(ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t               i;
    ngx_ai_pg_t             *pg;
    ngx_ai_pg_stat_t        *st, now;
    static ngx_ai_pg_stat_t  told[NGX_AI_TALLY_STORES];

    for (i = 0; i < NGX_AI_TALLY_STORES; i++) {
        pg = ngx_http_ai_stores_pg(mcf, i);

        if (pg == NULL) {
            continue;
        }

        st = &told[i];

        ngx_memzero(&now, sizeof(ngx_ai_pg_stat_t));
        ngx_ai_pg_stat(pg, &now);

        ngx_ai_tally_store_add(mcf->tally, i, NGX_AI_TALLY_CONNECTS,
                               now.connects - st->connects);
        ngx_ai_tally_store_add(mcf->tally, i, NGX_AI_TALLY_LOST,
                               now.lost - st->lost);
        ngx_ai_tally_store_add(mcf->tally, i, NGX_AI_TALLY_QUERIES,
                               now.queries - st->queries);
        ngx_ai_tally_store_add(mcf->tally, i, NGX_AI_TALLY_ERRORS,
                               now.errors - st->errors);
        ngx_ai_tally_store_add(mcf->tally, i, NGX_AI_TALLY_TIMEOUTS,
                               now.timeouts - st->timeouts);

        *st = now;
    }
}


static ngx_ai_pg_t *
ngx_http_ai_stores_pg(ngx_http_ai_main_conf_t *mcf, ngx_uint_t i)
{
    switch (i) {

    case NGX_AI_STORE_LEDGER:
        return mcf->pg_ledger;

    case NGX_AI_STORE_DIRECTORY:
        return mcf->pg_feed;

    case NGX_AI_STORE_USAGE:
        return mcf->pg_usage;

    default:
        return mcf->pg_admin;
    }
}


void
ngx_http_ai_status_stores(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf)
{
    ai_buf_t     *b;
    ngx_str_t    *server;
    ngx_uint_t    i, listed;
    ngx_ai_pg_t  *pg;

    if (mcf->postgres == NULL) {
        ai_buf_cstr(ngx_http_ai_json_room(js, 32), ",\"postgres\":null");
        return;
    }

    server = &mcf->postgres->server;

    b = ngx_http_ai_json_room(js, 4 * NGX_HTTP_AI_STORES_SIZE
                                  + 6 * server->len);

    ai_buf_cstr(b, ",\"postgres\":{\"server\":");
    ai_buf_json(b, server->data, server->len);
    ai_buf_cstr(b, ",\"shipping\":");
    ngx_http_ai_status_shipping(b, mcf->tally);
    ngx_http_ai_status_time(b, "heard",
                            ngx_ai_tally_node(mcf->tally, NGX_AI_NODE_HEARD));
    ai_buf_cstr(b, ",\"connections\":[");

    listed = 0;

    for (i = 0; i < NGX_AI_TALLY_STORES; i++) {
        pg = ngx_http_ai_stores_pg(mcf, i);

        if (pg) {
            ai_buf_cstr(b, listed++ ? "," : "");
            ngx_http_ai_status_connection(b, pg);
        }
    }

    ai_buf_cstr(b, "]}");
}


static void
ngx_http_ai_status_shipping(ai_buf_t *b, ngx_ai_tally_t *tally)
{
    ngx_uint_t  i;

    static const struct {
        const char      *name;
        ngx_ai_node_t    what;
    } fields[] = {
        { "rows", NGX_AI_NODE_ROWS },
        { "duplicates", NGX_AI_NODE_DUPLICATES },
        { "quarantined", NGX_AI_NODE_QUARANTINED },
        { "retries", NGX_AI_NODE_RETRIES },
        { "behind", NGX_AI_NODE_BEHIND },
        { NULL, 0 }
    };

    for (i = 0; fields[i].name; i++) {
        ai_buf_char(b, i ? ',' : '{');
        ngx_http_ai_status_field(b, fields[i].name,
                                 ngx_ai_tally_node(tally, fields[i].what));
    }

    ngx_http_ai_status_time(b, "committed",
                            ngx_ai_tally_node(tally, NGX_AI_NODE_COMMITTED));

    ai_buf_cstr(b, ",\"failing\":");
    ai_buf_cstr(b, ngx_ai_tally_node(tally, NGX_AI_NODE_FAILING) ? "true}"
                                                                : "false}");
}


static void
ngx_http_ai_status_connection(ai_buf_t *b, ngx_ai_pg_t *pg)
{
    ngx_ai_pg_stat_t  st;

    ngx_memzero(&st, sizeof(ngx_ai_pg_stat_t));
    ngx_ai_pg_stat(pg, &st);

    ai_buf_cstr(b, "{\"name\":\"");
    ai_buf_cstr(b, st.name);
    ai_buf_cstr(b, "\",\"state\":\"");
    ai_buf_cstr(b, st.state);
    ai_buf_cstr(b, "\",");
    ngx_http_ai_status_field(b, "connects", st.connects);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "lost", st.lost);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "queries", st.queries);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "errors", st.errors);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "timeouts", st.timeouts);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "waiting", st.waiting);
    ai_buf_char(b, '}');
}


static void
ngx_http_ai_status_time(ai_buf_t *b, const char *name,
    ngx_atomic_uint_t seconds)
{
    ai_buf_cstr(b, ",\"");
    ai_buf_cstr(b, name);

    if (seconds == 0) {
        ai_buf_cstr(b, "\":null");
        return;
    }

    ai_buf_cstr(b, "\":\"");
    ai_buf_time(b, (uint64_t) seconds * 1000);
    ai_buf_char(b, '"');
}


void
ngx_http_ai_metrics_stores(ngx_http_ai_metrics_t *m)
{
    ngx_uint_t       i, n;
    ngx_ai_tally_t  *t;

    static const struct {
        const char  *name;
        const char  *type;
        const char  *help;
    } node[NGX_AI_NODE_N] = {
        { "ai_ship_rows_total", "counter", "Rows committed." },
        { "ai_ship_duplicates_total", "counter", "Rows that were there." },
        { "ai_ship_quarantined_total", "counter", "Rows put aside." },
        { "ai_ship_retries_total", "counter", "Batches sent again." },
        { "ai_ship_behind_bytes", "gauge", "Rows not committed yet." },
        { "ai_ship_failing", "gauge", "Whether shipping fails." },
        { "ai_ship_committed_timestamp_seconds", "gauge", "Last commit." },
        { "ai_directory_heard_timestamp_seconds", "gauge",
          "Last answer of the feed." }
    }, stores[NGX_AI_TALLY_STORE_N] = {
        { "ai_postgres_connects_total", "counter", "Connections made." },
        { "ai_postgres_lost_total", "counter", "Connections lost." },
        { "ai_postgres_queries_total", "counter", "Statements." },
        { "ai_postgres_errors_total", "counter", "Statements refused." },
        { "ai_postgres_timeouts_total", "counter", "Statements too late." }
    };

    if (m->mcf->postgres == NULL) {
        return;
    }

    t = m->mcf->tally;

    for (i = 0; i < NGX_AI_NODE_N; i++) {
        ngx_http_ai_metrics_family(m, node[i].name, node[i].type,
                                   node[i].help);
        ngx_http_ai_metrics_sample(m, node[i].name, NULL, NULL, NULL, NULL,
                                   ngx_ai_tally_node(t, i), 0);
    }

    for (i = 0; i < NGX_AI_TALLY_STORE_N; i++) {
        ngx_http_ai_metrics_family(m, stores[i].name, stores[i].type,
                                   stores[i].help);

        for (n = 0; n < NGX_AI_TALLY_STORES; n++) {
            ngx_http_ai_metrics_sample(m, stores[i].name, NULL, NULL,
                                       "connection", ngx_ai_tally_stores[n],
                                       ngx_ai_tally_store(t, n, i), 0);
        }
    }
}
