
/*
 * Targets and gates in "ai_metrics".  Their figures are copied out first, for
 * all samples of a family stand together.
 */


#include "ngx_http_ai_routing.h"


/* "provider/model" of 64 and 128 bytes, and a zero */
#define NGX_HTTP_AI_TARGET_NAME     (64 + 1 + 128 + 1)

/* the family that is in seconds, given in billionths */
#define NGX_HTTP_AI_TARGET_SECONDS  7


typedef struct {
    const char                *name;
    const char                *type;
    const char                *help;
} ngx_http_ai_target_family_t;


static ngx_uint_t ngx_http_ai_metrics_target_look(ngx_http_ai_metrics_t *m,
    ngx_http_ai_target_seen_t **all);
static void ngx_http_ai_metrics_target(ngx_http_ai_metrics_t *m,
    const char *name, ngx_http_ai_target_seen_t *seen, uint64_t n,
    unsigned nanos);
static void ngx_http_ai_metrics_keys(ngx_http_ai_metrics_t *m);
static void ngx_http_ai_metrics_gates(ngx_http_ai_metrics_t *m,
    ngx_http_ai_target_seen_t *seen, ngx_uint_t nseen);
static void ngx_http_ai_metrics_gate(ai_gate_view_t *v, ngx_uint_t f,
    uint64_t *n);


static const ngx_http_ai_target_family_t  ngx_http_ai_target_families[] = {
    { "ai_target_open", "gauge", "Whether the breaker is open." },
    { "ai_target_resting", "gauge", "Whether it rests after a 429." },
    { "ai_target_weight", "gauge", "Its weight now." },
    { "ai_target_attempts_total", "counter", "Attempts." },
    { "ai_target_failed_total", "counter", "Attempts that failed." },
    { "ai_target_limited_total", "counter", "Attempts answered 429." },
    { "ai_breaker_opened_total", "counter", "Times the breaker opened." },
    { "ai_target_first_byte_seconds", "gauge",
      "Moving mean of the time to the head of an answer." },
    { NULL, NULL, NULL }
};

static const ngx_http_ai_target_family_t  ngx_http_ai_gate_families[] = {
    { "ai_gate_capacity", "gauge", "Requests at once." },
    { "ai_gate_taken", "gauge", "Requests under way." },
    { "ai_gate_waiting", "gauge", "Requests that wait." },
    { "ai_gate_passed_total", "counter", "Requests that passed." },
    { "ai_gate_waited_total", "counter", "Requests that waited." },
    { "ai_gate_refused_total", "counter", "Requests that found no place." },
    { NULL, NULL, NULL }
};


void
ngx_http_ai_metrics_targets(ngx_http_ai_metrics_t *m)
{
    ngx_uint_t                  i, f, n;
    ai_board_view_t            *v;
    ngx_http_ai_target_seen_t  *seen;

    n = ngx_http_ai_metrics_target_look(m, &seen);

    for (f = 0; ngx_http_ai_target_families[f].name; f++) {

        ngx_http_ai_metrics_family(m, ngx_http_ai_target_families[f].name,
                                   ngx_http_ai_target_families[f].type,
                                   ngx_http_ai_target_families[f].help);

        for (i = 0; i < n; i++) {
            v = &seen[i].view;

            const uint64_t  figures[] = { v->open, v->rest_ms != 0, v->weight,
                                          v->attempts, v->failed, v->limited,
                                          v->opened,
                                          v->latency_ms * 1000000 };

            ngx_http_ai_metrics_target(m, ngx_http_ai_target_families[f].name,
                                       &seen[i], figures[f],
                                       f == NGX_HTTP_AI_TARGET_SECONDS);
        }
    }

    ngx_http_ai_metrics_keys(m);
    ngx_http_ai_metrics_gates(m, seen, n);
}


static ngx_uint_t
ngx_http_ai_metrics_target_look(ngx_http_ai_metrics_t *m,
    ngx_http_ai_target_seen_t **all)
{
    ngx_uint_t                  i, n, max;
    ngx_http_ai_model_t       **model;
    ngx_http_ai_target_t       *t;
    ngx_http_ai_target_seen_t  *seen;

    model = m->mcf->models.elts;
    max = 0;

    for (i = 0; i < m->mcf->models.nelts; i++) {
        max += model[i]->targets.nelts;
    }

    seen = ngx_palloc(m->text.request->pool,
                      (max + 1) * sizeof(ngx_http_ai_target_seen_t));
    *all = seen;

    if (seen == NULL) {
        m->text.failed = 1;
        return 0;
    }

    for (i = 0; i < m->mcf->models.nelts; i++) {
        t = model[i]->targets.elts;

        for (n = 0; n < model[i]->targets.nelts; n++) {
            ngx_http_ai_target_look(m->mcf, model[i], &t[n], seen++);
        }
    }

    return max;
}


/* names of targets need no escapes */

static void
ngx_http_ai_metrics_target(ngx_http_ai_metrics_t *m, const char *name,
    ngx_http_ai_target_seen_t *seen, uint64_t n, unsigned nanos)
{
    char        word[NGX_HTTP_AI_TARGET_NAME];
    ngx_str_t  *target;

    target = ngx_http_ai_target_name(seen->target);

    (void) ngx_cpystrn((u_char *) word, target->data,
                       ngx_min(target->len + 1, sizeof(word)));

    ngx_http_ai_metrics_sample(m, name, "model", &seen->model->sn.str,
                               "target", word, n, nanos);
}


static void
ngx_http_ai_metrics_keys(ngx_http_ai_metrics_t *m)
{
    ngx_uint_t                i, n, resting;
    ngx_ai_routing_t         *rt;
    ngx_http_ai_provider_t  **p;

    rt = m->mcf->routing;

    ngx_http_ai_metrics_family(m, "ai_provider_keys_resting", "gauge",
                               "Keys of a provider that rest.");

    if (rt == NULL || rt->board == NULL) {
        return;
    }

    p = m->mcf->providers.elts;

    for (i = 0; i < m->mcf->providers.nelts; i++) {
        resting = 0;

        ngx_ai_routing_lock(rt);

        for (n = 0; n < p[i]->keys.nelts; n++) {
            resting += (ai_board_key_rests(rt->board, p[i]->key_places[n],
                                           ngx_current_msec)
                        != 0);
        }

        ngx_ai_routing_unlock(rt);

        ngx_http_ai_metrics_sample(m, "ai_provider_keys_resting", "provider",
                                   &p[i]->name, NULL, NULL, resting, 0);
    }
}


static void
ngx_http_ai_metrics_gates(ngx_http_ai_metrics_t *m,
    ngx_http_ai_target_seen_t *seen, ngx_uint_t nseen)
{
    uint64_t                  n;
    ngx_uint_t                i, f;
    ai_gate_view_t            v;
    const char               *name;
    ngx_ai_routing_t         *rt;
    ngx_http_ai_provider_t  **p;

    rt = m->mcf->routing;
    p = m->mcf->providers.elts;

    for (f = 0; ngx_http_ai_gate_families[f].name; f++) {
        name = ngx_http_ai_gate_families[f].name;

        ngx_http_ai_metrics_family(m, name, ngx_http_ai_gate_families[f].type,
                                   ngx_http_ai_gate_families[f].help);

        for (i = 0; i < m->mcf->providers.nelts; i++) {

            if (p[i]->gate == AI_GATE_NONE) {
                continue;
            }

            ngx_ai_routing_lock(rt);
            ai_gate_view(rt->gates, p[i]->gate, &v);
            ngx_ai_routing_unlock(rt);

            ngx_http_ai_metrics_gate(&v, f, &n);
            ngx_http_ai_metrics_sample(m, name, "provider", &p[i]->name, NULL,
                                       NULL, n, 0);
        }

        for (i = 0; i < nseen; i++) {

            if (seen[i].target->gate != AI_GATE_NONE) {
                ngx_http_ai_metrics_gate(&seen[i].gate, f, &n);
                ngx_http_ai_metrics_target(m, name, &seen[i], n, 0);
            }
        }
    }
}


static void
ngx_http_ai_metrics_gate(ai_gate_view_t *v, ngx_uint_t f, uint64_t *n)
{
    const uint64_t  figures[] = { v->capacity, v->taken, v->waiting,
                                  v->passed, v->waited, v->refused };

    *n = figures[f];
}
