
/*
 * "ai_metrics": the figures of "ai_status" for Prometheus, in its text format
 * 0.0.4.  All samples of a family stand together, as the format asks, so the
 * tenants' figures are copied out first, 1000 tenants at most.
 */


#include "ngx_http_ai_routing.h"


#define NGX_HTTP_AI_METRICS_TENANTS  1000
#define NGX_HTTP_AI_METRICS_VISITED  20000
#define NGX_HTTP_AI_METRICS_LOCKED   32


static void ngx_http_ai_metrics_node(ngx_http_ai_metrics_t *m);
static void ngx_http_ai_metrics_directory(ngx_http_ai_metrics_t *m);
static void ngx_http_ai_metrics_providers(ngx_http_ai_metrics_t *m);
static void ngx_http_ai_metrics_errors(ngx_http_ai_metrics_t *m);
static ngx_int_t ngx_http_ai_metrics_look(ngx_http_request_t *r,
    ngx_http_ai_metrics_t *m);
static void ngx_http_ai_metrics_tenants(ngx_http_ai_metrics_t *m);
static void ngx_http_ai_metrics_refused(ngx_http_ai_metrics_t *m);
static void ngx_http_ai_metrics_label(ai_buf_t *b, ngx_str_t *value);


char *
ngx_http_ai_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_loc_conf_t *alcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_http_ai_metrics_handler) {
        return "is duplicate";
    }

    if (alcf->own && alcf->gateway) {
        return "is incompatible with \"ai_gateway on\"";
    }

    clcf->handler = ngx_http_ai_metrics_handler;
    alcf->gateway = 0;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_ai_metrics_handler(ngx_http_request_t *r)
{
    ngx_uint_t              i;
    uint32_t                pid;
    uint64_t                start;
    ngx_http_ai_metrics_t   m;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    ngx_memzero(&m, sizeof(ngx_http_ai_metrics_t));

    m.mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);

    if (m.mcf->zone == NULL || m.mcf->zone->book == NULL) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ngx_ai_zone_lock(m.mcf->zone);

    for (i = 0; i < AI_BOOK_WORKERS; i++) {
        if (ai_book_worker_get(m.mcf->zone->book, i, &pid, &start) == AI_OK) {
            m.taken[i] = 1;
            m.workers++;
        }
    }

    ngx_ai_zone_unlock(m.mcf->zone);

    if (ngx_http_ai_metrics_look(r, &m) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_ai_json_init(&m.text, r);
    ngx_str_set(&m.text.type, "text/plain; version=0.0.4; charset=utf-8");

    ngx_http_ai_metrics_node(&m);
    ngx_http_ai_metrics_redis(&m);
    ngx_http_ai_metrics_stores(&m);
    ngx_http_ai_metrics_directory(&m);
    ngx_http_ai_metrics_providers(&m);
    ngx_http_ai_metrics_targets(&m);
    ngx_http_ai_metrics_tenants(&m);

    return ngx_http_ai_json_send(&m.text, NGX_HTTP_OK);
}


static void
ngx_http_ai_metrics_node(ngx_http_ai_metrics_t *m)
{
    ngx_uint_t             i;
    ai_book_stat_t         st;
    ngx_ai_ledger_stat_t   ledger;

    ngx_ai_zone_lock(m->mcf->zone);
    ai_book_stat(m->mcf->zone->book, &st);
    ngx_ai_zone_unlock(m->mcf->zone);

    ngx_memzero(&ledger, sizeof(ngx_ai_ledger_stat_t));

    if (m->mcf->ledger_open) {
        ngx_ai_ledger_stat(m->mcf->ledger_open, &ledger);
    }

    const ngx_http_ai_metric_t  simple[] = {
        { "ai_workers", "gauge", "Workers known to the book.", m->workers },
        { "ai_tenants", "gauge", "Tenants configured.",
          m->mcf->tenants.nelts },
        { "ai_zone_size_bytes", "gauge", "Size of the zone.", st.size },
        { "ai_zone_used_bytes", "gauge", "Records in use.", st.used },
        { "ai_zone_owners", "gauge", "Tenants and keys with figures.",
          st.owners },
        { "ai_zone_holds", "gauge", "Requests under way.", st.holds },
        { "ai_zone_holds_max", "gauge", "Room for requests under way.",
          st.holds_max },
        { "ai_zone_recovered_total", "counter",
          "Calls of killed workers that were undone.", st.recovered },
        { "ai_ledger_open", "gauge", "Whether this worker has a segment.",
          m->mcf->ledger_open != NULL },
        { "ai_ledger_full", "gauge", "Whether admission is stopped.",
          ledger.full },
        { NULL, NULL, NULL, 0 }
    };

    ngx_http_ai_metrics_simple(m, simple);

    ngx_http_ai_metrics_family(m, "ai_refused_total", "counter",
                               "Requests refused, by reason.");

    for (i = 0; i < AI_REFUSED_N; i++) {
        ngx_http_ai_metrics_sample(m, "ai_refused_total", NULL, NULL,
                                   "reason", ngx_http_ai_refusal_names[i],
                                   ngx_ai_tally_refusals(m->mcf->tally, i), 0);
    }

    ngx_http_ai_metrics_family(m, "ai_cache_total", "counter",
                               "Requests of plans with a cache.");

    for (i = 0; i < NGX_AI_TALLY_CACHE_N; i++) {
        ngx_http_ai_metrics_sample(m, "ai_cache_total", NULL, NULL,
                                   "result", ngx_ai_tally_caches[i],
                                   ngx_ai_tally_cache(m->mcf->tally, i), 0);
    }
}


void
ngx_http_ai_metrics_simple(ngx_http_ai_metrics_t *m,
    const ngx_http_ai_metric_t *simple)
{
    for ( /* void */ ; simple->name; simple++) {
        ngx_http_ai_metrics_family(m, simple->name, simple->type,
                                   simple->help);
        ngx_http_ai_metrics_sample(m, simple->name, NULL, NULL, NULL, NULL,
                                   simple->n, 0);
    }
}


static void
ngx_http_ai_metrics_directory(ngx_http_ai_metrics_t *m)
{
    ngx_uint_t           i;
    ai_dir_stat_t        st;
    ngx_ai_directory_t  *d;

    d = m->mcf->directory;

    if (d == NULL || d->dir == NULL) {
        return;
    }

    ngx_ai_directory_lock(d);
    ai_dir_stat(d->dir, &st);
    ngx_ai_directory_unlock(d);

    const ngx_http_ai_metric_t  simple[] = {
        { "ai_directory_complete", "gauge",
          "Whether an unknown key is known to be unknown.",
          ai_dir_complete(d->dir) },
        { "ai_directory_version", "counter", "Changes of the directory.",
          ai_dir_version(d->dir) },
        { "ai_directory_size_bytes", "gauge", "Size of the directory.",
          st.size },
        { "ai_directory_used_bytes", "gauge", "Bytes of its records.",
          st.used },
        { "ai_directory_refused", "gauge",
          "Records that found no room in the last load.", st.refused },
        { "ai_directory_recovered_total", "counter",
          "Changes of killed workers that were undone.", st.recovered },
        { NULL, NULL, NULL, 0 }
    };

    ngx_http_ai_metrics_simple(m, simple);

    ngx_http_ai_metrics_family(m, "ai_directory_records", "gauge",
                               "Records, by kind.");

    for (i = 0; i < AI_DIR_KINDS; i++) {
        ngx_http_ai_metrics_sample(m, "ai_directory_records", NULL, NULL,
                                   "kind", ngx_http_ai_record_names[i],
                                   st.records[i], 0);
    }
}


static void
ngx_http_ai_metrics_providers(ngx_http_ai_metrics_t *m)
{
    ngx_uint_t                i, f;
    ngx_ai_tally_view_t       v;
    ngx_http_ai_provider_t  **p;

    static const struct {
        const char  *name;
        const char  *type;
        const char  *help;
        const char  *kind;
    } families[] = {
        { "ai_provider_requests_total", "counter", "Attempts.", NULL },
        { "ai_provider_open", "gauge", "Attempts under way.", NULL },
        { "ai_provider_cost_usd_total", "counter", "Cost in USD.", NULL },
        { "ai_provider_tokens_total", "counter", "Tokens.", "input" },
        { "ai_provider_tokens_total", NULL, NULL, "output" },
        { NULL, NULL, NULL, NULL }
    };

    p = m->mcf->providers.elts;

    for (f = 0; families[f].name; f++) {

        if (families[f].type) {
            ngx_http_ai_metrics_family(m, families[f].name, families[f].type,
                                       families[f].help);
        }

        for (i = 0; i < m->mcf->providers.nelts; i++) {

            if (ngx_ai_tally_view(m->mcf->tally, p[i]->index, m->taken, &v)
                != NGX_OK)
            {
                continue;
            }

            const uint64_t  n[] = { v.attempts, v.open, v.cost, v.tokens[0],
                                    v.tokens[1] };

            ngx_http_ai_metrics_sample(m, families[f].name, "provider",
                                       &p[i]->name, "kind", families[f].kind,
                                       n[f], f == 2);
        }
    }

    ngx_http_ai_metrics_errors(m);
}


static void
ngx_http_ai_metrics_errors(ngx_http_ai_metrics_t *m)
{
    ngx_uint_t                i, n, f;
    ngx_ai_tally_view_t       v;
    ngx_http_ai_provider_t  **p;

    const struct {
        const char         *name;
        const char         *help;
        const char         *label;
        const char *const  *words;
        ngx_uint_t          n;
        ngx_atomic_uint_t  *counters;
    } families[] = {
        { "ai_provider_errors_total", "Attempts that failed, by class.",
          "class", ngx_ai_tally_names, NGX_AI_TALLY_N, v.failed },
        { "ai_provider_alarms_total", "Answers to look at, by reason.",
          "reason", ngx_ai_alarm_names, NGX_AI_ALARM_N, v.alarms },
        { NULL, NULL, NULL, NULL, 0, NULL }
    };

    p = m->mcf->providers.elts;

    for (f = 0; families[f].name; f++) {

        ngx_http_ai_metrics_family(m, families[f].name, "counter",
                                   families[f].help);

        for (i = 0; i < m->mcf->providers.nelts; i++) {

            if (ngx_ai_tally_view(m->mcf->tally, p[i]->index, m->taken, &v)
                != NGX_OK)
            {
                continue;
            }

            for (n = 0; n < families[f].n; n++) {
                ngx_http_ai_metrics_sample(m, families[f].name, "provider",
                                           &p[i]->name, families[f].label,
                                           families[f].words[n],
                                           families[f].counters[n], 0);
            }
        }
    }
}


static ngx_int_t
ngx_http_ai_metrics_look(ngx_http_request_t *r, ngx_http_ai_metrics_t *m)
{
    ai_now_t                        now;
    ai_ref_t                        owner;
    ngx_uint_t                      i, n, max;
    ngx_ai_zone_t                  *zone;
    ngx_http_ai_tenant_t          **tenant;
    ngx_http_ai_metrics_tenant_t   *seen;

    zone = m->mcf->zone;
    tenant = m->mcf->tenants.elts;

    n = ngx_min(m->mcf->tenants.nelts, NGX_HTTP_AI_METRICS_VISITED);
    max = ngx_min(n, NGX_HTTP_AI_METRICS_TENANTS);

    m->tenants = ngx_palloc(r->pool,
                            (max + 1) * sizeof(ngx_http_ai_metrics_tenant_t));
    if (m->tenants == NULL) {
        return NGX_ERROR;
    }

    ngx_ai_now(&now);

    for (i = 0; i < n && m->ntenants < max; i++) {

        if (i % NGX_HTTP_AI_METRICS_LOCKED == 0) {

            if (i) {
                ngx_ai_zone_unlock(zone);
            }

            ngx_ai_zone_lock(zone);
        }

        owner = ai_book_owner_find(zone->book, &tenant[i]->owner);

        if (owner) {
            seen = &m->tenants[m->ntenants++];

            seen->name = &tenant[i]->sn.str;
            ai_book_owner_view(zone->book, owner, now.now_s, &seen->view);
        }
    }

    if (i) {
        ngx_ai_zone_unlock(zone);
    }

    return NGX_OK;
}


static void
ngx_http_ai_metrics_tenants(ngx_http_ai_metrics_t *m)
{
    ngx_uint_t        i, f;
    ngx_str_t        *name;
    ai_owner_view_t  *v;

    static const struct {
        const char  *name;
        const char  *type;
        const char  *help;
        const char  *kind;
    } families[] = {
        { "ai_tenant_requests_total", "counter", "Requests admitted.", NULL },
        { "ai_tenant_open", "gauge", "Requests under way.", NULL },
        { "ai_tenant_cost_usd_total", "counter", "Cost in USD.", NULL },
        { "ai_tenant_tokens_total", "counter", "Tokens.", "input" },
        { "ai_tenant_tokens_total", NULL, NULL, "output" },
        { NULL, NULL, NULL, NULL }
    };

    for (f = 0; families[f].name; f++) {

        if (families[f].type) {
            ngx_http_ai_metrics_family(m, families[f].name, families[f].type,
                                       families[f].help);
        }

        for (i = 0; i < m->ntenants; i++) {
            v = &m->tenants[i].view;
            name = m->tenants[i].name;

            const uint64_t  n[] = { v->requests,
                                    (uint64_t) ngx_max(v->open, 0),
                                    (uint64_t) ngx_max(v->cost, 0),
                                    v->tokens[0], v->tokens[1] };

            ngx_http_ai_metrics_sample(m, families[f].name, "tenant", name,
                                       "kind", families[f].kind, n[f], f == 2);
        }
    }

    ngx_http_ai_metrics_refused(m);
}


static void
ngx_http_ai_metrics_refused(ngx_http_ai_metrics_t *m)
{
    ngx_uint_t  i, n;

    ngx_http_ai_metrics_family(m, "ai_tenant_refused_total", "counter",
                               "Requests refused, by reason.");

    for (i = 0; i < m->ntenants; i++) {
        for (n = 0; n < AI_REFUSED_N; n++) {
            ngx_http_ai_metrics_sample(m, "ai_tenant_refused_total", "tenant",
                                       m->tenants[i].name, "reason",
                                       ngx_http_ai_refusal_names[n],
                                       m->tenants[i].view.refused[n], 0);
        }
    }
}


void
ngx_http_ai_metrics_family(ngx_http_ai_metrics_t *m, const char *name,
    const char *type, const char *help)
{
    ai_buf_t  *b;

    b = ngx_http_ai_json_room(&m->text, NGX_HTTP_AI_SAMPLE_SIZE);

    ai_buf_cstr(b, "# HELP ");
    ai_buf_cstr(b, name);
    ai_buf_char(b, ' ');
    ai_buf_cstr(b, help);
    ai_buf_cstr(b, "\n# TYPE ");
    ai_buf_cstr(b, name);
    ai_buf_char(b, ' ');
    ai_buf_cstr(b, type);
    ai_buf_char(b, '\n');
}


/* the format escapes these three characters and no other */

static void
ngx_http_ai_metrics_label(ai_buf_t *b, ngx_str_t *value)
{
    size_t  i;

    ai_buf_char(b, '"');

    for (i = 0; i < value->len; i++) {

        switch (value->data[i]) {

        case '\\':
            ai_buf_put(b, "\\\\", 2);
            break;

        case '"':
            ai_buf_put(b, "\\\"", 2);
            break;

        case '\n':
            ai_buf_put(b, "\\n", 2);
            break;

        default:
            ai_buf_char(b, value->data[i]);
        }
    }

    ai_buf_char(b, '"');
}


void
ngx_http_ai_metrics_sample(ngx_http_ai_metrics_t *m, const char *name,
    const char *owner, ngx_str_t *value, const char *label, const char *word,
    uint64_t n, unsigned nanos)
{
    ai_buf_t  *b;

    b = ngx_http_ai_json_room(&m->text, NGX_HTTP_AI_SAMPLE_SIZE
                                        + (owner ? 2 * value->len : 0)
                                        + (word ? ngx_strlen(word) : 0));

    ai_buf_cstr(b, name);

    if (owner) {
        ai_buf_char(b, '{');
        ai_buf_cstr(b, owner);
        ai_buf_char(b, '=');
        ngx_http_ai_metrics_label(b, value);
    }

    if (word) {
        ai_buf_char(b, owner ? ',' : '{');
        ai_buf_cstr(b, label);
        ai_buf_cstr(b, "=\"");
        ai_buf_cstr(b, word);
        ai_buf_char(b, '"');
    }

    ai_buf_cstr(b, owner || word ? "} " : " ");

    if (nanos) {
        ai_buf_nanos(b, (int64_t) n);

    } else {
        ai_buf_uint(b, n);
    }

    ai_buf_char(b, '\n');
}
