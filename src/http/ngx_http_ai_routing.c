
/*
 * Places on the board and in the gates for all that is configured, and the
 * lines that changes of a target get in the log.
 */


#include "ngx_http_ai_gate.h"
#include "ngx_http_ai_routing.h"


#define NGX_HTTP_AI_ROUTING_NAME  1024      /* of what an identity is made of */


/* what gives out places, when the zone is ready */

typedef struct {
    ngx_http_ai_main_conf_t   *mcf;
    ngx_cycle_t               *cycle;       /* its log is opened until then */
    uint64_t                   now;
} ngx_http_ai_places_t;

typedef void (*ngx_http_ai_place_pt)(ngx_ai_routing_t *rt,
    ngx_http_ai_places_t *pl, ngx_http_ai_model_t *m,
    ngx_http_ai_target_t *t);


static ngx_int_t ngx_http_ai_routing_keys(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);
static void ngx_http_ai_routing_dead(void *data, ngx_uint_t worker);
static ngx_int_t ngx_http_ai_routing_places(ngx_ai_routing_t *rt, void *data);
static void ngx_http_ai_routing_targets(ngx_ai_routing_t *rt,
    ngx_http_ai_places_t *pl, ngx_http_ai_place_pt place);
static void ngx_http_ai_routing_find(ngx_ai_routing_t *rt,
    ngx_http_ai_places_t *pl, ngx_http_ai_model_t *m,
    ngx_http_ai_target_t *t);
static void ngx_http_ai_routing_place(ngx_ai_routing_t *rt,
    ngx_http_ai_places_t *pl, ngx_http_ai_model_t *m,
    ngx_http_ai_target_t *t);
static void ngx_http_ai_routing_provider(ngx_ai_routing_t *rt,
    ngx_http_ai_places_t *pl, ngx_http_ai_provider_t *p, ngx_uint_t find);
static void ngx_http_ai_routing_target_id(ngx_http_ai_model_t *m,
    ngx_http_ai_target_t *t, u_char id[AI_KEY_DIGEST]);


const char *const  ngx_http_ai_routing_outcomes[] = {
    "ok", "failed", "limited", "other", "gone"
};

const char *const  ngx_http_ai_routing_states[] = {
    "ready", "open", "resting", "dry"
};


ngx_int_t
ngx_http_ai_routing_add(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_str_t              zone;
    ngx_http_ai_places_t  *pl;

    if (ngx_http_ai_routing_keys(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    pl = ngx_palloc(cf->pool, sizeof(ngx_http_ai_places_t));
    if (pl == NULL) {
        return NGX_ERROR;
    }

    pl->mcf = mcf;
    pl->cycle = cf->cycle;

    zone.len = mcf->zone_name.len + sizeof("_routing") - 1;

    zone.data = ngx_pnalloc(cf->pool, zone.len);
    if (zone.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(zone.data, "%V_routing", &mcf->zone_name);

    mcf->routing = ngx_ai_routing_add(cf, &zone, ngx_http_ai_routing_places,
                                      pl, &ngx_http_ai_tenant_module);

    mcf->ledger.dead = ngx_http_ai_routing_dead;

    return mcf->routing ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_routing_keys(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf)
{
    ngx_uint_t                i, n;
    ngx_http_ai_provider_t  **p;

    p = mcf->providers.elts;

    for (i = 0; i < mcf->providers.nelts; i++) {

        p[i]->key_places = ngx_palloc(cf->pool, p[i]->keys.nelts
                                                * sizeof(uint32_t));
        if (p[i]->key_places == NULL) {
            return NGX_ERROR;
        }

        for (n = 0; n < p[i]->keys.nelts; n++) {
            p[i]->key_places[n] = AI_BOARD_NONE;
        }
    }

    return NGX_OK;
}


static void
ngx_http_ai_routing_dead(void *data, ngx_uint_t worker)
{
    ngx_http_ai_main_conf_t *mcf = data;

    ngx_ai_routing_worker(mcf->routing, worker);
}


/* what has a place keeps it: all of it is looked for before anything new */

static ngx_int_t
ngx_http_ai_routing_places(ngx_ai_routing_t *rt, void *data)
{
    ngx_http_ai_places_t *pl = data;

    ngx_uint_t                i, find;
    ngx_http_ai_provider_t  **p;

    pl->now = ngx_current_msec;
    p = pl->mcf->providers.elts;

    for (find = 2; find--; /* void */ ) {

        ngx_http_ai_routing_targets(rt, pl, find ? ngx_http_ai_routing_find
                                                 : ngx_http_ai_routing_place);

        for (i = 0; i < pl->mcf->providers.nelts; i++) {
            ngx_http_ai_routing_provider(rt, pl, p[i], find);
        }
    }

    ngx_http_ai_gate_plans(rt, pl->mcf);

    return NGX_OK;
}


static void
ngx_http_ai_routing_targets(ngx_ai_routing_t *rt, ngx_http_ai_places_t *pl,
    ngx_http_ai_place_pt place)
{
    ngx_uint_t             i, n;
    ngx_http_ai_model_t  **m;
    ngx_http_ai_target_t  *t;

    m = pl->mcf->models.elts;

    for (i = 0; i < pl->mcf->models.nelts; i++) {
        t = m[i]->targets.elts;

        for (n = 0; n < m[i]->targets.nelts; n++) {
            place(rt, pl, m[i], &t[n]);
        }
    }
}


static void
ngx_http_ai_routing_find(ngx_ai_routing_t *rt, ngx_http_ai_places_t *pl,
    ngx_http_ai_model_t *m, ngx_http_ai_target_t *t)
{
    u_char  id[AI_KEY_DIGEST];

    ngx_http_ai_routing_target_id(m, t, id);

    (void) ai_board_target_find(rt->board, id, pl->now);
}


static void
ngx_http_ai_routing_place(ngx_ai_routing_t *rt, ngx_http_ai_places_t *pl,
    ngx_http_ai_model_t *m, ngx_http_ai_target_t *t)
{
    u_char                   id[AI_KEY_DIGEST];
    ai_board_conf_t          conf;
    ngx_http_ai_provider_t  *p;

    p = t->provider;

    ngx_memzero(&conf, sizeof(ai_board_conf_t));

    conf.failures = p->breaker_failures;
    conf.errors = p->breaker_errors;
    conf.requests = p->breaker_requests;
    conf.window_ms = p->breaker_window;
    conf.cooldown_ms = p->breaker_cooldown;
    conf.weight = t->weight;
    conf.canary = t->canary;
    conf.canary_errors = t->canary_errors;
    conf.canary_p99_ms = t->canary_p99;
    conf.canary_requests = t->canary_requests;
    conf.canary_window_ms = t->canary_window;

    ngx_http_ai_routing_target_id(m, t, id);

    t->place = ai_board_target(rt->board, id, &conf, pl->now);

    if (t->place == AI_BOARD_NONE) {
        ngx_log_error(NGX_LOG_WARN, pl->cycle->log, 0,
                      "ai target \"%V\" of model \"%V\" has no breaker: "
                      "more than %d targets", ngx_http_ai_target_name(t),
                      &m->sn.str, AI_BOARD_TARGETS);
    }

    t->gate = AI_GATE_NONE;

    if (t->capacity == 0) {
        return;
    }

    t->gate = ai_gate_get(rt->gates, id, t->capacity, p->queue, pl->now);

    if (t->gate == AI_GATE_NONE) {
        ngx_log_error(NGX_LOG_WARN, pl->cycle->log, 0,
                      "ai target \"%V\" of model \"%V\" has no capacity "
                      "limit: more than %d capacities",
                      ngx_http_ai_target_name(t), &m->sn.str, AI_GATES_MAX);
    }
}


/* its keys and its gate */

static void
ngx_http_ai_routing_provider(ngx_ai_routing_t *rt, ngx_http_ai_places_t *pl,
    ngx_http_ai_provider_t *p, ngx_uint_t find)
{
    u_char       buf[NGX_HTTP_AI_ROUTING_NAME], digest[AI_KEY_DIGEST], *last;
    u_char       id[AI_KEY_DIGEST];
    ngx_str_t   *key;
    ngx_uint_t   i;

    key = p->keys.elts;

    for (i = 0; i < p->keys.nelts; i++) {

        /* by the digest: no copy of the key itself */

        ai_key_digest(key[i].data, key[i].len, digest);

        last = ngx_slprintf(buf, buf + sizeof(buf), "key%Z%V%Z", &p->name);
        last = ngx_cpymem(last, digest, sizeof(digest));
        ai_key_digest(buf, last - buf, id);

        if (find) {
            (void) ai_board_key_find(rt->board, id, pl->now);
            continue;
        }

        p->key_places[i] = ai_board_key(rt->board, id, pl->now);

        if (p->key_places[i] == AI_BOARD_NONE) {
            ngx_log_error(NGX_LOG_WARN, pl->cycle->log, 0,
                          "key %ui of ai provider \"%V\" never rests: "
                          "more than %d keys", i + 1, &p->name,
                          AI_BOARD_KEYS);
        }
    }

    if (find) {
        return;
    }

    p->gate = AI_GATE_NONE;

    if (p->capacity == 0) {
        return;
    }

    last = ngx_slprintf(buf, buf + sizeof(buf), "provider%Z%V", &p->name);
    ai_key_digest(buf, last - buf, id);

    p->gate = ai_gate_get(rt->gates, id, p->capacity, p->queue, pl->now);

    if (p->gate == AI_GATE_NONE) {
        ngx_log_error(NGX_LOG_WARN, pl->cycle->log, 0,
                      "ai provider \"%V\" has no capacity limit: more than "
                      "%d capacities", &p->name, AI_GATES_MAX);
    }
}


/* a name is 64 bytes at most, that of a model 128: all of it fits */

static void
ngx_http_ai_routing_target_id(ngx_http_ai_model_t *m, ngx_http_ai_target_t *t,
    u_char id[AI_KEY_DIGEST])
{
    u_char  buf[NGX_HTTP_AI_ROUTING_NAME], *last;

    last = ngx_slprintf(buf, buf + sizeof(buf), "target%Z%V%Z%V%Z%V%Z%V%Z%c",
                        &m->sn.str, &t->provider_name, &t->model,
                        ngx_http_ai_target_name(t),
                        t->fallback ? 'f' : t->canary ? 'c' : 't');

    ai_key_digest(buf, last - buf, id);
}


ngx_str_t *
ngx_http_ai_target_name(ngx_http_ai_target_t *t)
{
    return t->name.len ? &t->name : &t->provider_name;
}


void
ngx_http_ai_routing_log(ngx_log_t *log, ngx_http_ai_model_t *m,
    ngx_http_ai_target_t *t, ai_board_change_t change)
{
    ngx_str_t                  *name;
    ai_board_view_t            *v;
    ngx_http_ai_main_conf_t    *mcf;
    ngx_http_ai_target_seen_t   seen;

    if (change == AI_BOARD_SAME) {
        return;
    }

    mcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                              ngx_http_ai_tenant_module);

    ngx_http_ai_target_look(mcf, m, t, &seen);

    v = &seen.view;
    name = ngx_http_ai_target_name(t);

    switch (change) {

    case AI_BOARD_OPENED:

        if (v->in_a_row >= t->provider->breaker_failures) {
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "ai target \"%V\" of model \"%V\": breaker opened "
                          "after %uD failures, next probe in %uLs",
                          name, &m->sn.str, v->in_a_row,
                          (v->open_ms + 999) / 1000);
            return;
        }

        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "ai target \"%V\" of model \"%V\": breaker opened, "
                      "%uD of %uD attempts failed, next probe in %uLs",
                      name, &m->sn.str, v->window_failed, v->window,
                      (v->open_ms + 999) / 1000);
        return;

    case AI_BOARD_REOPENED:
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "ai target \"%V\" of model \"%V\": probe failed, "
                      "breaker opened again, next probe in %uLs",
                      name, &m->sn.str, (v->open_ms + 999) / 1000);
        return;

    case AI_BOARD_CLOSED:
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "ai target \"%V\" of model \"%V\": breaker closed",
                      name, &m->sn.str);
        return;

    case AI_BOARD_RESTS:
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "ai target \"%V\" of model \"%V\": rate limited by "
                      "the provider, rests for %uLms",
                      name, &m->sn.str, v->rest_ms);
        return;

    case AI_BOARD_STEPPED_BACK:
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "ai target \"%V\" of model \"%V\": canary stepped back "
                      "from %uD%% to %uD%%",
                      name, &m->sn.str, v->stepped, v->weight);
        return;

    default:
        return;
    }
}
