
/*
 * "ai_status": the state of the gateway as JSON, for the operator.
 *
 * Figures of shared memory are of the node, those of the ledger's slots and of
 * connections of the worker that answers.
 */


#include "ngx_http_ai_routing.h"


#define NGX_HTTP_AI_STATUS_SIZE      2048


static void ngx_http_ai_status_head(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf, u_char *taken);
static void ngx_http_ai_status_workers(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf, u_char *taken);
static void ngx_http_ai_status_zone(ai_buf_t *b, ngx_http_ai_main_conf_t *mcf);
static void ngx_http_ai_status_ledger(ai_buf_t *b,
    ngx_http_ai_main_conf_t *mcf);
static void ngx_http_ai_status_directory(ai_buf_t *b,
    ngx_http_ai_main_conf_t *mcf);
static void ngx_http_ai_status_totals(ai_buf_t *b,
    ngx_http_ai_main_conf_t *mcf);
static void ngx_http_ai_status_providers(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf, u_char *taken);
static void ngx_http_ai_status_provider(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_provider_t *p, u_char *taken);


const char *const  ngx_http_ai_refusal_names[AI_REFUSED_N] = {
    "key",
    "model",
    "rate",
    "budget",
    "concurrency",
    "request",
    "gateway"
};

const char *const  ngx_http_ai_record_names[AI_DIR_KINDS] = {
    "keys",
    "tenants",
    "plans",
    "prices",
    "spend"
};

static const char *const  ngx_http_ai_dialect_names[] = {
    "openai",
    "anthropic",
    "gemini",
    "azure"
};


ngx_int_t
ngx_http_ai_tally_add(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_str_t                zone, *name;
    ngx_uint_t               i;
    ngx_array_t             *names;
    ngx_http_ai_provider_t **p;

    names = ngx_array_create(cf->pool, mcf->providers.nelts + 1,
                             sizeof(ngx_str_t));
    if (names == NULL) {
        return NGX_ERROR;
    }

    p = mcf->providers.elts;

    for (i = 0; i < mcf->providers.nelts; i++) {
        name = ngx_array_push(names);
        if (name == NULL) {
            return NGX_ERROR;
        }

        *name = p[i]->name;
    }

    zone.len = mcf->zone_name.len + sizeof("_tally") - 1;

    zone.data = ngx_pnalloc(cf->pool, zone.len);
    if (zone.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(zone.data, "%V_tally", &mcf->zone_name);

    mcf->tally = ngx_ai_tally_add(cf, &zone, names,
                                  &ngx_http_ai_tenant_module);

    return mcf->tally ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_ai_status_handler(ngx_http_request_t *r)
{
    u_char                    taken[AI_BOOK_WORKERS];
    ngx_http_ai_json_t        js;
    ngx_http_ai_main_conf_t  *mcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);

    if (mcf->zone == NULL || mcf->zone->book == NULL) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ngx_memzero(taken, sizeof(taken));

    ngx_http_ai_json_init(&js, r);

    ngx_http_ai_status_head(&js, mcf, taken);
    ngx_http_ai_status_redis(&js, mcf);
    ngx_http_ai_status_stores(&js, mcf);
    ngx_http_ai_status_providers(&js, mcf, taken);

    ai_buf_char(ngx_http_ai_json_room(&js, 1), ',');
    ngx_http_ai_targets_json(&js, mcf, NULL, NULL);

    ngx_http_ai_status_tenants(r, &js, mcf);

    ai_buf_cstr(ngx_http_ai_json_room(&js, 2), "}\n");

    return ngx_http_ai_json_send(&js, NGX_HTTP_OK);
}


static void
ngx_http_ai_status_head(ngx_http_ai_json_t *js, ngx_http_ai_main_conf_t *mcf,
    u_char *taken)
{
    ai_buf_t    *b;
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    b = ngx_http_ai_json_room(js, NGX_HTTP_AI_STATUS_SIZE);

    ai_buf_cstr(b, "{\"version\":\"" NGX_HTTP_AI_VERSION "\","
                   "\"nginx\":\"" NGINX_VERSION "\",\"pid\":");
    ai_buf_int(b, ngx_pid);
    ai_buf_cstr(b, ",\"time\":\"");
    ai_buf_time(b, (uint64_t) tp->sec * 1000 + tp->msec);
    ai_buf_cstr(b, "\",\"workers\":[");

    ngx_http_ai_status_workers(js, mcf, taken);

    b = ngx_http_ai_json_room(js, NGX_HTTP_AI_STATUS_SIZE);

    ai_buf_cstr(b, "],\"zone\":");
    ngx_http_ai_status_zone(b, mcf);
    ai_buf_cstr(b, ",\"ledger\":");
    ngx_http_ai_status_ledger(b, mcf);
    ai_buf_cstr(b, ",\"directory\":");
    ngx_http_ai_status_directory(b, mcf);
    ai_buf_cstr(b, ",\"totals\":");
    ngx_http_ai_status_totals(b, mcf);
}


static void
ngx_http_ai_status_workers(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf, u_char *taken)
{
    uint32_t     pid[AI_BOOK_WORKERS];
    uint64_t     start;
    ai_buf_t    *b;
    ngx_uint_t   i, listed;

    ngx_ai_zone_lock(mcf->zone);

    for (i = 0; i < AI_BOOK_WORKERS; i++) {
        if (ai_book_worker_get(mcf->zone->book, i, &pid[i], &start) == AI_OK) {
            taken[i] = 1;
        }
    }

    ngx_ai_zone_unlock(mcf->zone);

    listed = 0;

    for (i = 0; i < AI_BOOK_WORKERS; i++) {

        if (!taken[i]) {
            continue;
        }

        b = ngx_http_ai_json_room(js, 64);

        if (listed++) {
            ai_buf_char(b, ',');
        }

        ai_buf_cstr(b, "{\"worker\":");
        ai_buf_uint(b, i);
        ai_buf_cstr(b, ",\"pid\":");
        ai_buf_uint(b, pid[i]);
        ai_buf_char(b, '}');
    }
}


void
ngx_http_ai_status_field(ai_buf_t *b, const char *name, uint64_t n)
{
    ai_buf_char(b, '"');
    ai_buf_cstr(b, name);
    ai_buf_cstr(b, "\":");
    ai_buf_uint(b, n);
}


static void
ngx_http_ai_status_zone(ai_buf_t *b, ngx_http_ai_main_conf_t *mcf)
{
    ai_book_stat_t  st;

    ngx_ai_zone_lock(mcf->zone);
    ai_book_stat(mcf->zone->book, &st);
    ngx_ai_zone_unlock(mcf->zone);

    ai_buf_char(b, '{');
    ngx_http_ai_status_field(b, "size", st.size);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "used", st.used);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "owners", st.owners);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "buckets", st.buckets);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "holds", st.holds);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "holds_max", st.holds_max);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "recovered", st.recovered);
    ai_buf_char(b, '}');
}


static void
ngx_http_ai_status_ledger(ai_buf_t *b, ngx_http_ai_main_conf_t *mcf)
{
    ngx_ai_ledger_stat_t  st;

    if (mcf->ledger_open == NULL) {
        ai_buf_cstr(b, "{\"state\":\"closed\"}");
        return;
    }

    ngx_memzero(&st, sizeof(ngx_ai_ledger_stat_t));
    ngx_ai_ledger_stat(mcf->ledger_open, &st);

    ai_buf_cstr(b, "{\"state\":");
    ai_buf_cstr(b, st.full ? "\"full\"," : "\"open\",");
    ngx_http_ai_status_field(b, "segments", st.segments);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "slots", st.slots);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "slots_open", st.slots_open);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "waiting", st.waiting);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "damaged", st.damaged);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "shipped", st.shipped);
    ai_buf_cstr(b, ",\"sink\":");
    ai_buf_cstr(b, st.sink ? "true}" : "false}");
}


static void
ngx_http_ai_status_directory(ai_buf_t *b, ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t           i;
    ai_dir_stat_t        st;
    ngx_ai_directory_t  *d;

    d = mcf->directory;

    if (d == NULL || d->dir == NULL) {
        ai_buf_cstr(b, "null");
        return;
    }

    ngx_ai_directory_lock(d);
    ai_dir_stat(d->dir, &st);
    ngx_ai_directory_unlock(d);

    ai_buf_cstr(b, "{\"complete\":");
    ai_buf_cstr(b, ai_dir_complete(d->dir) ? "true," : "false,");
    ngx_http_ai_status_field(b, "version", ai_dir_version(d->dir));
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "size", st.size);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "used", st.used);
    ai_buf_cstr(b, ",\"records\":");

    for (i = 0; i < AI_DIR_KINDS; i++) {
        ai_buf_char(b, i ? ',' : '{');
        ngx_http_ai_status_field(b, ngx_http_ai_record_names[i],
                                 st.records[i]);
    }

    ai_buf_cstr(b, "},");
    ngx_http_ai_status_field(b, "refused", st.refused);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "recovered", st.recovered);
    ai_buf_char(b, '}');
}


void
ngx_http_ai_status_refusals(ai_buf_t *b, const uint64_t refused[AI_REFUSED_N])
{
    ngx_uint_t  i;

    for (i = 0; i < AI_REFUSED_N; i++) {
        ai_buf_char(b, i ? ',' : '{');
        ngx_http_ai_status_field(b, ngx_http_ai_refusal_names[i], refused[i]);
    }

    ai_buf_char(b, '}');
}


static void
ngx_http_ai_status_totals(ai_buf_t *b, ngx_http_ai_main_conf_t *mcf)
{
    uint64_t    refused[AI_REFUSED_N];
    ngx_uint_t  i;

    for (i = 0; i < AI_REFUSED_N; i++) {
        refused[i] = ngx_ai_tally_refusals(mcf->tally, i);
    }

    ai_buf_char(b, '{');
    ngx_http_ai_status_field(b, "tenants", mcf->tenants.nelts);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "keys", mcf->keys.nelts);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "models", mcf->models.nelts);
    ai_buf_cstr(b, ",\"refused\":");
    ngx_http_ai_status_refusals(b, refused);
    ai_buf_char(b, '}');
}


static void
ngx_http_ai_status_providers(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf, u_char *taken)
{
    ngx_uint_t                i;
    ngx_http_ai_provider_t  **p;

    ai_buf_cstr(ngx_http_ai_json_room(js, 32), ",\"providers\":[");

    p = mcf->providers.elts;

    for (i = 0; i < mcf->providers.nelts; i++) {

        if (i) {
            ai_buf_char(ngx_http_ai_json_room(js, 1), ',');
        }

        ngx_http_ai_status_provider(js, mcf, p[i], taken);
    }

    ai_buf_char(ngx_http_ai_json_room(js, 1), ']');
}


static void
ngx_http_ai_status_provider(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_provider_t *p, u_char *taken)
{
    ai_buf_t             *b;
    ngx_uint_t            i;
    ngx_ai_tally_view_t   view;

    b = ngx_http_ai_json_room(js, NGX_HTTP_AI_STATUS_SIZE + 6 * p->name.len);

    ai_buf_cstr(b, "{\"name\":");
    ai_buf_json(b, p->name.data, p->name.len);
    ai_buf_cstr(b, ",\"api\":\"");
    ai_buf_cstr(b, ngx_http_ai_dialect_names[p->api]);
    ai_buf_char(b, '"');

    if (ngx_ai_tally_view(mcf->tally, p->index, taken, &view) != NGX_OK) {
        ai_buf_char(b, '}');
        return;
    }

    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "requests", view.attempts);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "open", view.open);
    ai_buf_cstr(b, ",\"errors\":");

    for (i = 0; i < NGX_AI_TALLY_N; i++) {
        ai_buf_char(b, i ? ',' : '{');
        ngx_http_ai_status_field(b, ngx_ai_tally_names[i], view.failed[i]);
    }

    ai_buf_cstr(b, "},\"alarms\":");

    for (i = 0; i < NGX_AI_ALARM_N; i++) {
        ai_buf_char(b, i ? ',' : '{');
        ngx_http_ai_status_field(b, ngx_ai_alarm_names[i], view.alarms[i]);
    }

    ai_buf_cstr(b, "},");
    ngx_http_ai_status_field(b, "input_tokens", view.tokens[0]);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "output_tokens", view.tokens[1]);
    ai_buf_cstr(b, ",\"cost_usd\":\"");
    ai_buf_nanos(b, (int64_t) view.cost);
    ai_buf_cstr(b, "\"}");
}
