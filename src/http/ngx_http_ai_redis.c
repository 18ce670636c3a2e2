
/*
 * The dealings with Redis and the queues, for "ai_status" and "ai_metrics".
 *
 * Leases are figures of the book, which all workers share; what a worker said
 * to Redis it tells the tally, as it does for PostgreSQL.
 */


#include "ngx_http_ai_metrics.h"


#define NGX_HTTP_AI_REDIS_SIZE  2048


typedef struct {
    const char  *name;
    const char  *metric;
    const char  *help;
    size_t       offset;
} ngx_http_ai_redis_figure_t;


static void ngx_http_ai_redis_figures(ai_buf_t *b,
    const ngx_http_ai_redis_figure_t *f, const ai_lease_stat_t *st);
static void ngx_http_ai_redis_families(ngx_http_ai_metrics_t *m,
    const ngx_http_ai_redis_figure_t *f, const ai_lease_stat_t *st);


#define ngx_http_ai_redis_lease(name, help)                                  \
    { #name, "ai_lease_" #name "_total", help,                               \
      offsetof(ai_lease_stat_t, name) }

static const ngx_http_ai_redis_figure_t  ngx_http_ai_redis_leases[] = {
    ngx_http_ai_redis_lease(asked, "Operations for requests that waited."),
    ngx_http_ai_redis_lease(ahead, "Operations in advance."),
    ngx_http_ai_redis_lease(returned, "Operations that gave credit back."),
    ngx_http_ai_redis_lease(reported, "Operations that told what was spent."),
    ngx_http_ai_redis_lease(failed, "Operations that brought no answer."),
    ngx_http_ai_redis_lease(waited, "Requests that waited for Redis."),
    ngx_http_ai_redis_lease(lost, "Requests refused without Redis."),
    ngx_http_ai_redis_lease(local, "Requests judged by the node's share."),
    ngx_http_ai_redis_lease(open, "Requests passed without Redis."),
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_ai_redis_figure_t  ngx_http_ai_redis_queues[] = {
    { "queued", "ai_queue_queued_total", "Requests that waited for a slot.",
      offsetof(ai_lease_stat_t, queued) },
    { "queued_out", "ai_queue_out_total", "Requests that got none in time.",
      offsetof(ai_lease_stat_t, queued_out) },
    { NULL, NULL, NULL, 0 }
};

static const struct {
    const char        *name;
    const char        *metric;
    const char        *help;
} ngx_http_ai_redis_calls[NGX_AI_TALLY_REDIS_N] = {
    { "connects", "ai_redis_connects_total", "Connections made." },
    { "lost", "ai_redis_lost_total", "Connections lost." },
    { "calls", "ai_redis_calls_total", "Runs of the script." },
    { "errors", "ai_redis_errors_total", "Runs that Redis refused." },
    { "timeouts", "ai_redis_timeouts_total", "Runs that came too late." },
    { "redirects", "ai_redis_redirects_total", "Runs sent elsewhere." }
};


/* at most once a second, by each worker */

void
ngx_http_ai_redis_tell(ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_ai_lease_stat_t         st;
    static ngx_ai_redis_stat_t  told;

    if (mcf->lease == NULL) {
        return;
    }

    ngx_memzero(&st, sizeof(ngx_ai_lease_stat_t));
    ngx_ai_lease_stat(mcf->lease, &st);

    const uint64_t  more[NGX_AI_TALLY_REDIS_N] = {
        st.redis.connects - told.connects,
        st.redis.lost - told.lost,
        st.redis.calls - told.calls,
        st.redis.errors - told.errors,
        st.redis.timeouts - told.timeouts,
        st.redis.redirects - told.redirects
    };

    for (i = 0; i < NGX_AI_TALLY_REDIS_N; i++) {
        ngx_ai_tally_redis_add(mcf->tally, i, more[i]);
    }

    told = st.redis;
}


void
ngx_http_ai_status_redis(ngx_http_ai_json_t *js, ngx_http_ai_main_conf_t *mcf)
{
    ai_buf_t             *b;
    ngx_str_t            *server;
    ngx_uint_t            i;
    ai_lease_stat_t      *book;
    ngx_ai_lease_stat_t   st;

    book = ai_lease_stat(mcf->zone->book);

    b = ngx_http_ai_json_room(js, NGX_HTTP_AI_REDIS_SIZE);

    ai_buf_cstr(b, ",\"queue\":");
    ngx_http_ai_redis_figures(b, ngx_http_ai_redis_queues, book);

    if (mcf->redis == NULL) {
        ai_buf_cstr(b, ",\"redis\":null");
        return;
    }

    ngx_memzero(&st, sizeof(ngx_ai_lease_stat_t));

    if (mcf->lease) {
        ngx_ai_lease_stat(mcf->lease, &st);
    }

    server = &mcf->redis->server;

    b = ngx_http_ai_json_room(js, NGX_HTTP_AI_REDIS_SIZE + 6 * server->len);

    ai_buf_cstr(b, ",\"redis\":{\"server\":");
    ai_buf_json(b, server->data, server->len);
    ai_buf_cstr(b, ",\"state\":\"");
    ai_buf_cstr(b, st.redis.state ? st.redis.state : "closed");
    ai_buf_cstr(b, "\",");
    ngx_http_ai_status_field(b, "servers", st.redis.servers);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "waiting", st.redis.waiting);

    for (i = 0; i < NGX_AI_TALLY_REDIS_N; i++) {
        ai_buf_char(b, ',');
        ngx_http_ai_status_field(b, ngx_http_ai_redis_calls[i].name,
                                 ngx_ai_tally_redis(mcf->tally, i));
    }

    ai_buf_cstr(b, ",\"shards\":{");
    ngx_http_ai_status_field(b, "all", st.shards);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "usable", st.usable);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "seeded", st.seeded);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "local", st.local);
    ai_buf_cstr(b, "},\"nodes\":{");
    ngx_http_ai_status_field(b, "configured", mcf->redis->nodes);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "seen", st.nodes);
    ai_buf_cstr(b, "},\"evicts\":");
    ai_buf_cstr(b, st.evicts ? "true" : "false");
    ai_buf_cstr(b, ",\"keeper\":");
    ai_buf_cstr(b, st.keeper ? "true" : "false");
    ai_buf_cstr(b, ",\"leases\":");
    ngx_http_ai_redis_figures(b, ngx_http_ai_redis_leases, book);
    ai_buf_char(b, '}');
}


static void
ngx_http_ai_redis_figures(ai_buf_t *b, const ngx_http_ai_redis_figure_t *f,
    const ai_lease_stat_t *st)
{
    ngx_uint_t  i;

    for (i = 0; f[i].name; i++) {
        ai_buf_char(b, i ? ',' : '{');
        ngx_http_ai_status_field(b, f[i].name,
                        *(const uint64_t *) ((char *) st + f[i].offset));
    }

    ai_buf_char(b, '}');
}


void
ngx_http_ai_metrics_redis(ngx_http_ai_metrics_t *m)
{
    ngx_uint_t                i;
    ai_lease_stat_t          *book;
    ngx_ai_lease_stat_t       st;
    ngx_http_ai_main_conf_t  *mcf;

    mcf = m->mcf;
    book = ai_lease_stat(mcf->zone->book);

    ngx_http_ai_redis_families(m, ngx_http_ai_redis_queues, book);

    if (mcf->redis == NULL) {
        return;
    }

    ngx_http_ai_redis_families(m, ngx_http_ai_redis_leases, book);

    for (i = 0; i < NGX_AI_TALLY_REDIS_N; i++) {

        const ngx_http_ai_metric_t  calls[] = {
            { ngx_http_ai_redis_calls[i].metric, "counter",
              ngx_http_ai_redis_calls[i].help,
              ngx_ai_tally_redis(mcf->tally, i) },
            { NULL, NULL, NULL, 0 }
        };

        ngx_http_ai_metrics_simple(m, calls);
    }

    ngx_memzero(&st, sizeof(ngx_ai_lease_stat_t));

    if (mcf->lease) {
        ngx_ai_lease_stat(mcf->lease, &st);
    }

    const ngx_http_ai_metric_t  simple[] = {
        { "ai_redis_shards", "gauge", "Parts of the limits' memory.",
          st.shards },
        { "ai_redis_shards_usable", "gauge", "Of them, those that answer.",
          st.usable },
        { "ai_redis_shards_seeded", "gauge", "Those that grant credit.",
          st.seeded },
        { "ai_redis_shards_local", "gauge", "Those this node is alone with.",
          st.local },
        { "ai_redis_nodes", "gauge", "Nodes seen lately.", st.nodes },
        { "ai_redis_evicts", "gauge", "Whether Redis may forget limits.",
          st.evicts },
        { NULL, NULL, NULL, 0 }
    };

    ngx_http_ai_metrics_simple(m, simple);
}


static void
ngx_http_ai_redis_families(ngx_http_ai_metrics_t *m,
    const ngx_http_ai_redis_figure_t *f, const ai_lease_stat_t *st)
{
    ngx_uint_t  i;

    for (i = 0; f[i].name; i++) {

        const ngx_http_ai_metric_t  one[] = {
            { f[i].metric, "counter", f[i].help,
              *(const uint64_t *) ((char *) st + f[i].offset) },
            { NULL, NULL, NULL, 0 }
        };

        ngx_http_ai_metrics_simple(m, one);
    }
}
