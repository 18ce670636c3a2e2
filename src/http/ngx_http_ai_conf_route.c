
/*
 * Which target a request goes to, and how often and how long it is tried:
 * route, prefer, sticky, attempts, total, retry, failover in ai_model; task and
 * default in a virtual one.
 */


#include "ngx_http_ai_choose.h"
#include "ngx_http_ai_conf.h"
#include "../core/ai_failover.h"


static ngx_int_t ngx_http_ai_route_param(ngx_conf_t *cf,
    ngx_http_ai_rule_t *rule, ngx_str_t *arg);
static ngx_int_t ngx_http_ai_route_pair(ngx_str_t *pair, ngx_str_t *name,
    ngx_str_t *value);
static ngx_int_t ngx_http_ai_route_header(ngx_conf_t *cf,
    ngx_http_ai_rule_t *rule, ngx_str_t *pair);
static ngx_int_t ngx_http_ai_route_size(ngx_str_t *value, size_t *size);
static ngx_int_t ngx_http_ai_route_switch(ngx_str_t *value, unsigned *on);
static ngx_int_t ngx_http_ai_route_to(ngx_conf_t *cf,
    ngx_http_ai_rule_t *rule, ngx_str_t *names);


char *
ngx_http_ai_model_route(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    ngx_str_t           *value;
    ngx_uint_t           i;
    ngx_http_ai_rule_t  *rule;

    if (ngx_http_ai_conf_array(cf->pool, &m->rules, sizeof(ngx_http_ai_rule_t))
        == NULL)
    {
        return NGX_CONF_ERROR;
    }

    rule = ngx_array_push(m->rules);
    if (rule == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(rule, sizeof(ngx_http_ai_rule_t));

    rule->file = cf->conf_file->file.name.data;
    rule->line = cf->conf_file->line;

    if (ngx_array_init(&rule->names, cf->pool, 1, sizeof(ngx_str_t)) != NGX_OK
        || ngx_array_init(&rule->targets, cf->pool, 1, sizeof(ngx_uint_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_ai_route_param(cf, rule, &value[i]) != NGX_OK) {
            return ngx_http_ai_conf_invalid(cf, &value[i]);
        }
    }

    if (rule->names.nelts == 0) {
        return "has no \"to=\"";
    }

    if (rule->header.len == 0 && rule->label.len == 0 && rule->body_min == 0
        && rule->body_max == 0 && rule->stream == 0 && rule->tools == 0
        && rule->images == 0)
    {
        return "has no condition";
    }

    if (rule->body_max && rule->body_min > rule->body_max) {
        return "has a \"body_min\" above its \"body_max\"";
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_ai_route_param(ngx_conf_t *cf, ngx_http_ai_rule_t *rule,
    ngx_str_t *arg)
{
    ngx_int_t  rc;
    unsigned   on;
    ngx_str_t  s;

    if (ngx_http_ai_conf_param(arg, "to=", &s)) {
        return ngx_http_ai_route_to(cf, rule, &s);
    }

    if (ngx_http_ai_conf_param(arg, "header=", &s)) {
        return ngx_http_ai_route_header(cf, rule, &s);
    }

    if (ngx_http_ai_conf_param(arg, "label=", &s)) {
        return rule->label.len ? NGX_ERROR
                               : ngx_http_ai_route_pair(&s, &rule->label,
                                                        &rule->label_value);
    }

    if (ngx_http_ai_conf_param(arg, "body_min=", &s)) {
        return ngx_http_ai_route_size(&s, &rule->body_min);
    }

    if (ngx_http_ai_conf_param(arg, "body_max=", &s)) {
        return ngx_http_ai_route_size(&s, &rule->body_max);
    }

    if (ngx_http_ai_conf_param(arg, "stream=", &s)) {
        on = rule->stream;
        rc = ngx_http_ai_route_switch(&s, &on);
        rule->stream = on;
        return rc;
    }

    if (ngx_http_ai_conf_param(arg, "tools=", &s)) {
        on = rule->tools;
        rc = ngx_http_ai_route_switch(&s, &on);
        rule->tools = on;
        return rc;
    }

    if (ngx_http_ai_conf_param(arg, "images=", &s)) {
        on = rule->images;
        rc = ngx_http_ai_route_switch(&s, &on);
        rule->images = on;
        return rc;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_route_pair(ngx_str_t *pair, ngx_str_t *name, ngx_str_t *value)
{
    u_char  *colon, *last;

    last = pair->data + pair->len;
    colon = ngx_strlchr(pair->data, last, ':');

    if (colon == NULL || colon == pair->data || colon + 1 == last) {
        return NGX_ERROR;
    }

    name->data = pair->data;
    name->len = colon - pair->data;

    value->data = colon + 1;
    value->len = last - value->data;

    return NGX_OK;
}


/* credentials are gone when rules are looked at */

static ngx_int_t
ngx_http_ai_route_header(ngx_conf_t *cf, ngx_http_ai_rule_t *rule,
    ngx_str_t *pair)
{
    u_char      *p;
    ngx_str_t    name;
    ngx_uint_t   i;

    static ngx_str_t  keys[] = {
        ngx_string("authorization"),
        ngx_string("x-api-key"),
        ngx_string("api-key"),
        ngx_string("x-goog-api-key")
    };

    if (rule->header.len
        || ngx_http_ai_route_pair(pair, &name, &rule->header_value) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rule->header.len = name.len;
    rule->header.data = ngx_pnalloc(cf->pool, name.len);
    if (rule->header.data == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(rule->header.data, name.data, name.len);

    for (p = rule->header.data; p < rule->header.data + rule->header.len; p++)
    {
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9')
            && *p != '-' && *p != '_')
        {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (ngx_http_ai_str_equal(&rule->header, &keys[i])) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_route_size(ngx_str_t *value, size_t *size)
{
    ssize_t  n;

    n = ngx_parse_size(value);

    if (*size || n == NGX_ERROR || n == 0) {
        return NGX_ERROR;
    }

    *size = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_route_switch(ngx_str_t *value, unsigned *on)
{
    static ngx_str_t  words[] = { ngx_string("on"), ngx_string("off") };

    if (*on) {
        return NGX_ERROR;
    }

    if (ngx_http_ai_str_equal(value, &words[0])) {
        *on = 1;

    } else if (ngx_http_ai_str_equal(value, &words[1])) {
        *on = 2;

    } else {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_route_to(ngx_conf_t *cf, ngx_http_ai_rule_t *rule,
    ngx_str_t *names)
{
    u_char      *p, *last, *comma;
    ngx_str_t   *name, *had;
    ngx_uint_t   i;

    if (rule->names.nelts) {
        return NGX_ERROR;
    }

    last = names->data + names->len;

    for (p = names->data; /* void */ ; p = comma + 1) {

        comma = ngx_strlchr(p, last, ',');
        comma = comma ? comma : last;

        name = ngx_array_push(&rule->names);

        if (name == NULL || comma == p) {
            return NGX_ERROR;
        }

        name->data = p;
        name->len = comma - p;

        had = rule->names.elts;

        for (i = 0; i + 1 < rule->names.nelts; i++) {
            if (ngx_http_ai_str_equal(&had[i], name)) {
                return NGX_ERROR;
            }
        }

        if (comma == last) {
            return NGX_OK;
        }
    }
}


char *
ngx_http_ai_model_sticky(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "has an empty value";
    }

    m->sticky = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (m->sticky == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = m->sticky;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


char *
ngx_http_ai_model_attempts(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    char  *rv;

    rv = ngx_http_ai_conf_positive(cf, &m->attempts);

    if (rv == NGX_CONF_OK && m->attempts > AI_SLOT_ATTEMPTS) {
        return "must be between 1 and 8";
    }

    return rv;
}


/* total; and retry, which may be 0 */

char *
ngx_http_ai_model_time(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    ngx_str_t   *value;
    ngx_uint_t   total;

    value = cf->args->elts;
    total = value[0].data[0] == 't';

    if (ngx_http_ai_conf_msec(&value[1], total, total ? &m->total : &m->retry)
        != NGX_OK)
    {
        return "has an invalid time";
    }

    return NGX_CONF_OK;
}


/* what is wrong with the request or its key is wrong everywhere */

char *
ngx_http_ai_model_failover(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    ngx_str_t   *value;
    ngx_uint_t   i, *status;

    if (ngx_http_ai_conf_array(cf->pool, &m->statuses, sizeof(ngx_uint_t))
        == NULL)
    {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        status = ngx_array_push(m->statuses);
        if (status == NULL) {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_ai_conf_number(&value[i], 400, status) != NGX_OK
            || *status > 599)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid status \"%V\" in \"failover\" "
                               "directive", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (ai_failover_never((unsigned) *status)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "status \"%V\" never fails over, in "
                               "\"failover\" directive", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* task NAME MODEL; default MODEL; */

char *
ngx_http_ai_model_task(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    ngx_str_t           *value, *model, name;
    ngx_uint_t           i;
    ngx_http_ai_task_t  *task;

    value = cf->args->elts;
    model = &value[cf->args->nelts - 1];

    ngx_str_set(&name, "");

    if (cf->args->nelts == 3) {
        name = value[1];

        if (ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, &name) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_ai_conf_array(cf->pool, &m->tasks, sizeof(ngx_http_ai_task_t))
        == NULL)
    {
        return NGX_CONF_ERROR;
    }

    task = m->tasks->elts;

    for (i = 0; i < m->tasks->nelts; i++) {

        if (ngx_http_ai_str_equal(&task[i].name, &name)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate task \"%V\"",
                               &name);
            return NGX_CONF_ERROR;
        }
    }

    task = ngx_array_push(m->tasks);
    if (task == NULL) {
        return NGX_CONF_ERROR;
    }

    task->name = name;
    task->model_name = *model;
    task->model = NULL;

    return NGX_CONF_OK;
}
