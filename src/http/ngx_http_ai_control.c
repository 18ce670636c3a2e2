
/*
 * "ai_control": what an operator sees and changes of targets at run time.
 *
 *   GET  LOCATION[?model=M]                       all targets, or a model's
 *   POST LOCATION?model=M&target=NAME&weight=N    how much it gets
 *   POST LOCATION?model=M&target=NAME&breaker=open|close|auto
 *
 * Who may is up to the location's allow and deny.  An argument that is unknown,
 * said twice or not understood changes nothing: a mistyped command must not
 * look like one that was done.
 */


#include "ngx_http_ai_routing.h"


#define NGX_HTTP_AI_CONTROL_ARG     256
#define NGX_HTTP_AI_CONTROL_WEIGHT  65535
#define NGX_HTTP_AI_CONTROL_SIZE    1024


typedef enum {
    NGX_HTTP_AI_CONTROL_MODEL = 0,
    NGX_HTTP_AI_CONTROL_TARGET,
    NGX_HTTP_AI_CONTROL_SET_WEIGHT,
    NGX_HTTP_AI_CONTROL_SET_BREAKER,
    NGX_HTTP_AI_CONTROL_ARGS
} ngx_http_ai_control_arg_t;

/* values are decoded and lie in buf; len 0: it was not said */

typedef struct {
    ngx_http_ai_main_conf_t   *mcf;
    ngx_http_ai_model_t       *model;
    ngx_http_ai_target_t      *target;
    ngx_uint_t                 weight;
    ai_breaker_mode_t          mode;
    ngx_str_t                  value[NGX_HTTP_AI_CONTROL_ARGS];
    u_char                     buf[NGX_HTTP_AI_CONTROL_ARGS]
                                  [NGX_HTTP_AI_CONTROL_ARG];
    unsigned                   said[NGX_HTTP_AI_CONTROL_ARGS];
} ngx_http_ai_control_t;

/* what is wrong, and with what; text NULL: nothing */

typedef struct {
    const char                *text;
    ngx_str_t                  arg;
} ngx_http_ai_control_error_t;


static ngx_int_t ngx_http_ai_control_handler(ngx_http_request_t *r);
static void ngx_http_ai_control_args(ngx_http_request_t *r,
    ngx_http_ai_control_t *c, ngx_http_ai_control_error_t *e);
static void ngx_http_ai_control_arg(ngx_http_ai_control_t *c, ngx_str_t *arg,
    ngx_http_ai_control_error_t *e);
static void ngx_http_ai_control_model(ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e);
static void ngx_http_ai_control_check(ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e);
static void ngx_http_ai_control_target(ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e);
static void ngx_http_ai_control_weight(ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e);
static void ngx_http_ai_control_breaker(ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e);
static void ngx_http_ai_control_set(ngx_http_request_t *r,
    ngx_http_ai_control_t *c);
static ngx_int_t ngx_http_ai_control_list(ngx_http_request_t *r,
    ngx_http_ai_control_t *c);
static ngx_int_t ngx_http_ai_control_refuse(ngx_http_request_t *r,
    ngx_http_ai_control_error_t *e);


static const char *const  ngx_http_ai_control_names[] = {
    "model",
    "target",
    "weight",
    "breaker"
};


char *
ngx_http_ai_control(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_loc_conf_t *alcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_http_ai_control_handler) {
        return "is duplicate";
    }

    if (alcf->own && alcf->gateway) {
        return "is incompatible with \"ai_gateway on\"";
    }

    clcf->handler = ngx_http_ai_control_handler;
    alcf->gateway = 0;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_ai_control_handler(ngx_http_request_t *r)
{
    ngx_http_ai_control_t        *c;
    ngx_http_ai_control_error_t   e;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    c = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_control_t));
    if (c == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    c->mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);

    if (c->mcf->routing == NULL || c->mcf->routing->board == NULL) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    e.text = NULL;
    ngx_str_null(&e.arg);

    ngx_http_ai_control_args(r, c, &e);

    if (e.text == NULL) {
        ngx_http_ai_control_model(c, &e);
    }

    if (e.text == NULL && r->method == NGX_HTTP_POST) {
        ngx_http_ai_control_check(c, &e);

    } else if (e.text == NULL && (c->said[NGX_HTTP_AI_CONTROL_SET_WEIGHT]
                                  || c->said[NGX_HTTP_AI_CONTROL_SET_BREAKER]))
    {
        e.text = "changes are made by POST";
    }

    if (e.text) {
        return ngx_http_ai_control_refuse(r, &e);
    }

    if (r->method == NGX_HTTP_POST) {
        ngx_http_ai_control_set(r, c);
    }

    return ngx_http_ai_control_list(r, c);
}


static void
ngx_http_ai_control_args(ngx_http_request_t *r, ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e)
{
    u_char     *p, *last;
    ngx_str_t   arg;

    p = r->args.data;
    last = p + r->args.len;

    while (p < last && e->text == NULL) {
        arg.data = p;

        while (p < last && *p != '&') {
            p++;
        }

        arg.len = p++ - arg.data;

        if (arg.len) {
            ngx_http_ai_control_arg(c, &arg, e);
        }
    }
}


static void
ngx_http_ai_control_arg(ngx_http_ai_control_t *c, ngx_str_t *arg,
    ngx_http_ai_control_error_t *e)
{
    u_char      *dst, *src;
    size_t       n;
    ngx_uint_t   i;

    e->arg = *arg;

    for (n = 0; n < arg->len && arg->data[n] != '='; n++) { /* void */ }

    for (i = 0; i < NGX_HTTP_AI_CONTROL_ARGS; i++) {
        if (n == ngx_strlen(ngx_http_ai_control_names[i])
            && ngx_strncmp(arg->data, ngx_http_ai_control_names[i], n) == 0)
        {
            break;
        }
    }

    if (i == NGX_HTTP_AI_CONTROL_ARGS) {
        e->text = "unknown argument";
        return;
    }

    if (c->said[i]) {
        e->text = "duplicate argument";
        return;
    }

    if (n + 1 >= arg->len || arg->len - n - 1 > NGX_HTTP_AI_CONTROL_ARG) {
        e->text = "invalid value";
        return;
    }

    c->said[i] = 1;

    src = arg->data + n + 1;
    dst = c->buf[i];

    ngx_unescape_uri(&dst, &src, arg->len - n - 1, 0);

    c->value[i].data = c->buf[i];
    c->value[i].len = dst - c->buf[i];

    ngx_str_null(&e->arg);
}


static void
ngx_http_ai_control_wrong(ngx_http_ai_control_t *c,
    ngx_http_ai_control_arg_t i, const char *text,
    ngx_http_ai_control_error_t *e)
{
    e->text = text;
    e->arg.data = (u_char *) ngx_http_ai_control_names[i];
    e->arg.len = ngx_strlen(ngx_http_ai_control_names[i]);
}


static void
ngx_http_ai_control_model(ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e)
{
    if (!c->said[NGX_HTTP_AI_CONTROL_MODEL]) {
        return;
    }

    c->model = ngx_http_ai_model_find(c->mcf,
                                      &c->value[NGX_HTTP_AI_CONTROL_MODEL]);

    if (c->model == NULL) {
        ngx_http_ai_control_wrong(c, NGX_HTTP_AI_CONTROL_MODEL,
                                  "no such model", e);
        return;
    }

    if (c->said[NGX_HTTP_AI_CONTROL_TARGET]) {
        ngx_http_ai_control_target(c, e);
    }
}


/* a target and a fallback may have one name, which is then no name */

static void
ngx_http_ai_control_target(ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e)
{
    ngx_str_t             *name, *wanted;
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    t = c->model->targets.elts;
    wanted = &c->value[NGX_HTTP_AI_CONTROL_TARGET];

    for (i = 0; i < c->model->targets.nelts; i++) {
        name = ngx_http_ai_target_name(&t[i]);

        if (name->len != wanted->len
            || ngx_memcmp(name->data, wanted->data, name->len) != 0)
        {
            continue;
        }

        if (c->target) {
            ngx_http_ai_control_wrong(c, NGX_HTTP_AI_CONTROL_TARGET,
                                      "several targets of the model have "
                                      "this name", e);
            return;
        }

        c->target = &t[i];
    }

    if (c->target == NULL) {
        ngx_http_ai_control_wrong(c, NGX_HTTP_AI_CONTROL_TARGET,
                                  "the model has no such target", e);
    }
}


/* all arguments of a change, before anything is changed */

static void
ngx_http_ai_control_check(ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e)
{
    ngx_uint_t  i;

    for (i = NGX_HTTP_AI_CONTROL_MODEL; i <= NGX_HTTP_AI_CONTROL_TARGET; i++) {
        if (!c->said[i]) {
            ngx_http_ai_control_wrong(c, i, "missing argument", e);
            return;
        }
    }

    if (!c->said[NGX_HTTP_AI_CONTROL_SET_WEIGHT]
        && !c->said[NGX_HTTP_AI_CONTROL_SET_BREAKER])
    {
        e->text = "\"weight\" or \"breaker\" is missing";
        return;
    }

    if (c->target->place == AI_BOARD_NONE) {
        ngx_http_ai_control_wrong(c, NGX_HTTP_AI_CONTROL_TARGET,
                                  "there was no room for its state, so it "
                                  "can not be changed", e);
        return;
    }

    if (c->said[NGX_HTTP_AI_CONTROL_SET_WEIGHT]) {
        ngx_http_ai_control_weight(c, e);
    }

    if (e->text == NULL && c->said[NGX_HTTP_AI_CONTROL_SET_BREAKER]) {
        ngx_http_ai_control_breaker(c, e);
    }
}


static void
ngx_http_ai_control_weight(ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = &c->value[NGX_HTTP_AI_CONTROL_SET_WEIGHT];

    if (c->target->fallback) {
        ngx_http_ai_control_wrong(c, NGX_HTTP_AI_CONTROL_SET_WEIGHT,
                                  "a fallback has no weight", e);
        return;
    }

    n = ngx_atoi(value->data, value->len);

    if (c->target->canary && (n == NGX_ERROR || n > 100)) {
        ngx_http_ai_control_wrong(c, NGX_HTTP_AI_CONTROL_SET_WEIGHT,
                                  "a canary's weight must be a percentage, "
                                  "0 to 100", e);
        return;
    }

    if (n == NGX_ERROR || n > NGX_HTTP_AI_CONTROL_WEIGHT) {
        ngx_http_ai_control_wrong(c, NGX_HTTP_AI_CONTROL_SET_WEIGHT,
                                  "a weight must be 0 to 65535", e);
        return;
    }

    c->weight = n;
}


static void
ngx_http_ai_control_breaker(ngx_http_ai_control_t *c,
    ngx_http_ai_control_error_t *e)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = &c->value[NGX_HTTP_AI_CONTROL_SET_BREAKER];

    for (i = AI_BREAKER_AUTO; i <= AI_BREAKER_CLOSED; i++) {

        if (value->len == ngx_strlen(ngx_http_ai_breaker_modes[i])
            && ngx_strncmp(value->data, ngx_http_ai_breaker_modes[i],
                           value->len)
               == 0)
        {
            c->mode = i;
            return;
        }
    }

    ngx_http_ai_control_wrong(c, NGX_HTTP_AI_CONTROL_SET_BREAKER,
                              "a breaker is set to open, close or auto", e);
}


static void
ngx_http_ai_control_set(ngx_http_request_t *r, ngx_http_ai_control_t *c)
{
    u_char            *p, text[NGX_HTTP_AI_CONTROL_ARG];
    uint32_t           place;
    ai_board_view_t    old;
    ngx_ai_routing_t  *rt;

    rt = c->mcf->routing;
    place = c->target->place;
    p = text;

    ngx_ai_routing_lock(rt);

    ai_board_view(rt->board, place, ngx_current_msec, &old);

    if (c->said[NGX_HTTP_AI_CONTROL_SET_WEIGHT]) {
        ai_board_set_weight(rt->board, place, c->weight);
    }

    if (c->said[NGX_HTTP_AI_CONTROL_SET_BREAKER]) {
        ai_board_set_breaker(rt->board, place, c->mode);
    }

    ngx_ai_routing_unlock(rt);

    if (c->said[NGX_HTTP_AI_CONTROL_SET_WEIGHT]) {
        p = ngx_slprintf(p, text + sizeof(text), " weight %uD to %ui,",
                         old.weight, c->weight);
    }

    if (c->said[NGX_HTTP_AI_CONTROL_SET_BREAKER]) {
        p = ngx_slprintf(p, text + sizeof(text), " breaker %s to %s,",
                         ngx_http_ai_breaker_modes[old.mode],
                         ngx_http_ai_breaker_modes[c->mode]);
    }

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "ai target \"%V\" of model \"%V\":%*s set by %V",
                  ngx_http_ai_target_name(c->target), &c->model->sn.str,
                  (size_t) (p - text), text, &r->connection->addr_text);
}


static ngx_int_t
ngx_http_ai_control_list(ngx_http_request_t *r, ngx_http_ai_control_t *c)
{
    ngx_http_ai_json_t  js;

    ngx_http_ai_json_init(&js, r);

    ai_buf_char(ngx_http_ai_json_room(&js, 1), '{');
    ngx_http_ai_targets_json(&js, c->mcf, c->model, c->target);
    ai_buf_cstr(ngx_http_ai_json_room(&js, 2), "}\n");

    return ngx_http_ai_json_send(&js, NGX_HTTP_OK);
}


static ngx_int_t
ngx_http_ai_control_refuse(ngx_http_request_t *r,
    ngx_http_ai_control_error_t *e)
{
    size_t               len;
    ai_buf_t            *b;
    ngx_http_ai_json_t   js;

    len = ngx_min(e->arg.len, NGX_HTTP_AI_CONTROL_ARG);

    ngx_http_ai_json_init(&js, r);

    b = ngx_http_ai_json_room(&js, NGX_HTTP_AI_CONTROL_SIZE + 6 * len);

    ai_buf_cstr(b, "{\"error\":{\"message\":");
    ai_buf_json(b, (ai_char *) e->text, ngx_strlen(e->text));
    ai_buf_cstr(b, ",\"type\":\"invalid_request_error\","
                   "\"code\":\"invalid_argument\",\"param\":");

    if (len) {
        ai_buf_json(b, e->arg.data, len);

    } else {
        ai_buf_cstr(b, "null");
    }

    ai_buf_cstr(b, "}}\n");

    return ngx_http_ai_json_send(&js, NGX_HTTP_BAD_REQUEST);
}
