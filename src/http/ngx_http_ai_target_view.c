
/*
 * What is known of targets, as JSON: for "ai_status" and "ai_control".
 */


#include "ngx_http_ai_routing.h"


#define NGX_HTTP_AI_TARGET_SIZE  2048


static void ngx_http_ai_target_json(ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_target_seen_t *seen);
static void ngx_http_ai_target_breaker(ai_buf_t *b, ai_board_view_t *v);
static void ngx_http_ai_target_figures(ai_buf_t *b, ai_board_view_t *v);
static void ngx_http_ai_target_keys(ai_buf_t *b, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_provider_t *p);
static void ngx_http_ai_target_gate(ai_buf_t *b, const char *name,
    uint32_t gate, ai_gate_view_t *v);


const char *const  ngx_http_ai_breaker_modes[] = {
    "auto",
    "open",
    "close"
};

static const char *const  ngx_http_ai_target_states[] = {
    "ready",
    "open",
    "resting",
    "dry"
};


void
ngx_http_ai_target_look(ngx_http_ai_main_conf_t *mcf, ngx_http_ai_model_t *m,
    ngx_http_ai_target_t *t, ngx_http_ai_target_seen_t *seen)
{
    uint64_t           wait;
    ngx_ai_routing_t  *rt;

    ngx_memzero(seen, sizeof(ngx_http_ai_target_seen_t));

    seen->model = m;
    seen->target = t;

    rt = mcf->routing;

    if (rt == NULL || rt->board == NULL) {
        return;
    }

    ngx_ai_routing_lock(rt);

    seen->state = ai_board_ask(rt->board, t->place, 1, ngx_current_msec,
                               &wait);
    ai_board_view(rt->board, t->place, ngx_current_msec, &seen->view);

    if (t->gate != AI_GATE_NONE) {
        ai_gate_view(rt->gates, t->gate, &seen->gate);
    }

    ngx_ai_routing_unlock(rt);

    if (t->place == AI_BOARD_NONE) {
        seen->view.weight = t->weight;
    }
}


void
ngx_http_ai_targets_json(ngx_http_ai_json_t *js, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_model_t *model, ngx_http_ai_target_t *target)
{
    ngx_uint_t                  i, n, listed;
    ngx_http_ai_model_t       **m;
    ngx_http_ai_target_t       *t;
    ngx_http_ai_target_seen_t   seen;

    ai_buf_cstr(ngx_http_ai_json_room(js, 16), "\"targets\":[");

    listed = 0;
    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {

        if (model && model != m[i]) {
            continue;
        }

        t = m[i]->targets.elts;

        for (n = 0; n < m[i]->targets.nelts; n++) {

            if (target && target != &t[n]) {
                continue;
            }

            if (listed++) {
                ai_buf_char(ngx_http_ai_json_room(js, 1), ',');
            }

            ngx_http_ai_target_look(mcf, m[i], &t[n], &seen);
            ngx_http_ai_target_json(js, mcf, &seen);
        }
    }

    ai_buf_char(ngx_http_ai_json_room(js, 1), ']');
}


static void
ngx_http_ai_target_json(ngx_http_ai_json_t *js, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_target_seen_t *seen)
{
    ai_buf_t                *b;
    ngx_str_t               *name;
    ngx_http_ai_model_t     *m;
    ngx_http_ai_target_t    *t;
    ngx_http_ai_provider_t  *p;

    m = seen->model;
    t = seen->target;
    p = t->provider;
    name = ngx_http_ai_target_name(t);

    b = ngx_http_ai_json_room(js, NGX_HTTP_AI_TARGET_SIZE
                                  + 6 * (m->sn.str.len + name->len
                                         + p->name.len + t->model.len));

    ai_buf_cstr(b, "{\"model\":");
    ai_buf_json(b, m->sn.str.data, m->sn.str.len);
    ai_buf_cstr(b, ",\"target\":");
    ai_buf_json(b, name->data, name->len);
    ai_buf_cstr(b, ",\"kind\":\"");
    ai_buf_cstr(b, t->fallback ? "fallback" : t->canary ? "canary" : "target");
    ai_buf_cstr(b, "\",\"provider\":");
    ai_buf_json(b, p->name.data, p->name.len);
    ai_buf_cstr(b, ",\"provider_model\":");
    ai_buf_json(b, t->model.data, t->model.len);
    ai_buf_cstr(b, ",\"state\":\"");
    ai_buf_cstr(b, seen->view.half && seen->state == AI_TARGET_READY
                   ? "half_open" : ngx_http_ai_target_states[seen->state]);
    ai_buf_cstr(b, "\",");
    ngx_http_ai_status_field(b, "weight", seen->view.weight);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "configured_weight", t->weight);

    ngx_http_ai_target_breaker(b, &seen->view);
    ngx_http_ai_target_figures(b, &seen->view);
    ngx_http_ai_target_keys(b, mcf, p);
    ngx_http_ai_target_gate(b, ",\"gate\":", t->gate, &seen->gate);

    ai_buf_char(b, '}');
}


static void
ngx_http_ai_target_breaker(ai_buf_t *b, ai_board_view_t *v)
{
    ai_buf_cstr(b, ",\"breaker\":{\"mode\":\"");
    ai_buf_cstr(b, ngx_http_ai_breaker_modes[v->mode]);
    ai_buf_cstr(b, "\",\"open\":");
    ai_buf_cstr(b, v->open ? "true" : "false");
    ai_buf_cstr(b, ",\"half_open\":");
    ai_buf_cstr(b, v->half ? "true," : "false,");
    ngx_http_ai_status_field(b, "next_probe_ms", v->open_ms);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "failures", v->in_a_row);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "window", v->window);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "window_failed", v->window_failed);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "opened", v->opened);
    ai_buf_char(b, '}');
}


static void
ngx_http_ai_target_left(ai_buf_t *b, const char *name, int64_t n)
{
    ai_buf_cstr(b, name);

    if (n < 0) {
        ai_buf_cstr(b, "null");

    } else {
        ai_buf_int(b, n);
    }
}


static void
ngx_http_ai_target_figures(ai_buf_t *b, ai_board_view_t *v)
{
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "rest_ms", v->rest_ms);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "attempts", v->attempts);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "failed", v->failed);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "limited", v->limited);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "first_byte_ms", v->latency_ms);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "p99_ms", v->p99_ms);

    ngx_http_ai_target_left(b, ",\"quota\":{\"requests\":", v->requests);
    ngx_http_ai_target_left(b, ",\"tokens\":", v->tokens);
    ai_buf_char(b, '}');
}


/* and the gate, which all targets of the provider share */

static void
ngx_http_ai_target_keys(ai_buf_t *b, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_provider_t *p)
{
    ngx_uint_t         i, resting;
    ai_gate_view_t     gate;
    ngx_ai_routing_t  *rt;

    rt = mcf->routing;
    resting = 0;
    ngx_memzero(&gate, sizeof(ai_gate_view_t));

    if (rt && rt->board) {
        ngx_ai_routing_lock(rt);

        for (i = 0; i < p->keys.nelts; i++) {
            resting += (ai_board_key_rests(rt->board, p->key_places[i],
                                           ngx_current_msec)
                        != 0);
        }

        if (p->gate != AI_GATE_NONE) {
            ai_gate_view(rt->gates, p->gate, &gate);
        }

        ngx_ai_routing_unlock(rt);
    }

    ai_buf_cstr(b, ",\"keys\":{");
    ngx_http_ai_status_field(b, "configured", p->keys.nelts);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "resting", resting);
    ai_buf_char(b, '}');

    ngx_http_ai_target_gate(b, ",\"provider_gate\":", p->gate, &gate);
}


static void
ngx_http_ai_target_gate(ai_buf_t *b, const char *name, uint32_t gate,
    ai_gate_view_t *v)
{
    ai_buf_cstr(b, name);

    if (gate == AI_GATE_NONE) {
        ai_buf_cstr(b, "null");
        return;
    }

    ai_buf_char(b, '{');
    ngx_http_ai_status_field(b, "capacity", v->capacity);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "taken", v->taken);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "waiting", v->waiting);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "passed", v->passed);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "waited", v->waited);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "refused", v->refused);
    ai_buf_char(b, '}');
}
