
/*
 * What a choice of targets needs, once all blocks are read: the models of
 * tasks, the targets of rules, and what would be found anew by each request.
 */


#include "ngx_http_ai_choose.h"
#include "ngx_http_ai_conf.h"
#include "../core/ai_choose.h"


static ngx_int_t ngx_http_ai_choose_tasks(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_model_t *m);
static void ngx_http_ai_choose_target(ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_model_t *m, ngx_http_ai_target_t *t);
static ngx_int_t ngx_http_ai_choose_rule(ngx_conf_t *cf,
    ngx_http_ai_model_t *m, ngx_http_ai_rule_t *rule);
static ngx_int_t ngx_http_ai_choose_ready(ngx_conf_t *cf,
    ngx_http_ai_model_t *m);


ngx_int_t
ngx_http_ai_choose_resolve(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_model_t *m)
{
    ngx_uint_t             i;
    ngx_http_ai_rule_t    *rule;
    ngx_http_ai_target_t  *t;

    if (m->tasks) {
        return ngx_http_ai_choose_tasks(cf, mcf, m);
    }

    m->salt = ai_choose_hash(0, m->sn.str.data, m->sn.str.len);

    t = m->targets.elts;

    for (i = 0; i < m->targets.nelts; i++) {
        ngx_http_ai_choose_target(mcf, m, &t[i]);

        if (t[i].context != t[0].context) {
            m->contexts = 1;
        }

        if (t[i].priced && t[i].priced != m) {
            m->priced = 1;
        }
    }

    if (m->rules) {
        rule = m->rules->elts;

        for (i = 0; i < m->rules->nelts; i++) {
            if (ngx_http_ai_choose_rule(cf, m, &rule[i]) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return ngx_http_ai_choose_ready(cf, m);
}


static ngx_int_t
ngx_http_ai_choose_tasks(ngx_conf_t *cf, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_model_t *m)
{
    ngx_uint_t           i;
    ngx_http_ai_task_t  *task;

    task = m->tasks->elts;

    for (i = 0; i < m->tasks->nelts; i++) {

        task[i].model = ngx_http_ai_model_find(mcf, &task[i].model_name);

        if (task[i].model && task[i].model->tasks == NULL) {
            continue;
        }

        ngx_http_ai_conf_error(cf, m->file, m->line,
                               task[i].model ? "virtual ai_model \"%V\" in "
                                               "ai_model \"%V\""
                                             : "no ai_model \"%V\" for "
                                               "ai_model \"%V\"",
                               &task[i].model_name, &m->sn.str);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_ai_choose_target(ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_model_t *m, ngx_http_ai_target_t *t)
{
    t->salt = ai_choose_hash(0, t->name.data, t->name.len);

    t->priced = ngx_http_ai_model_find(mcf, &t->model);

    if (t->priced && t->priced->tasks) {
        t->priced = NULL;
    }

    if (t->context == 0 && t->priced) {
        t->context = t->priced->context;
    }

    if (t->context == 0) {
        t->context = m->context;
    }
}


static ngx_int_t
ngx_http_ai_choose_rule(ngx_conf_t *cf, ngx_http_ai_model_t *m,
    ngx_http_ai_rule_t *rule)
{
    ngx_str_t             *name;
    ngx_uint_t             i, k, *place;
    ngx_http_ai_target_t  *t;

    t = m->targets.elts;
    name = rule->names.elts;

    for (i = 0; i < rule->names.nelts; i++) {

        for (k = 0; k < m->targets.nelts; k++) {
            if (ngx_http_ai_str_equal(&t[k].name, &name[i])) {
                break;
            }
        }

        if (k == m->targets.nelts) {
            ngx_http_ai_conf_error(cf, rule->file, rule->line,
                                   "no target \"%V\" for \"route\" in "
                                   "ai_model \"%V\"", &name[i], &m->sn.str);
            return NGX_ERROR;
        }

        place = ngx_array_push(&rule->targets);
        if (place == NULL) {
            return NGX_ERROR;
        }

        *place = k;
    }

    return NGX_OK;
}


/* one target, and perhaps fallbacks: every request gets the same list */

static ngx_int_t
ngx_http_ai_choose_ready(ngx_conf_t *cf, ngx_http_ai_model_t *m)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    t = m->targets.elts;

    if (m->rules || t[0].canary
        || (m->targets.nelts > 1 && !t[1].fallback))
    {
        return NGX_OK;
    }

    m->ready = ngx_palloc(cf->pool, m->targets.nelts
                                    * sizeof(ngx_http_ai_candidate_t));
    if (m->ready == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < m->targets.nelts; i++) {
        m->ready[i].target = &t[i];
        m->ready[i].chosen = i ? AI_CHOSEN_FALLBACK : AI_CHOSEN_ONLY;
    }

    return NGX_OK;
}
