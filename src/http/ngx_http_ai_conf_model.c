
/*
 * ai_model name { price; unit; context; max_output; target; fallback; } and
 * ai_alias name model;
 */


#include "ngx_http_ai_conf.h"
#include "../core/ai_date.h"


#define NGX_HTTP_AI_PRICES_MAX   256
#define NGX_HTTP_AI_TARGETS_MAX  64


static char *ngx_http_ai_model_price(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static ngx_int_t ngx_http_ai_price_param(ngx_str_t *arg,
    ai_price_line_t *line, int64_t *write);
static ngx_int_t ngx_http_ai_price_class(ngx_str_t *name, ngx_str_t *value,
    ai_price_line_t *line, int64_t *write);
static char *ngx_http_ai_model_unit(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static char *ngx_http_ai_model_context(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_model_max_output(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);
static char *ngx_http_ai_model_target(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static ngx_int_t ngx_http_ai_target_param(ngx_http_ai_target_t *t,
    ngx_str_t *arg);
static char *ngx_http_ai_model_end(ngx_conf_t *cf, ngx_http_ai_block_t *b);
static ngx_int_t ngx_http_ai_model_targets(ngx_conf_t *cf,
    ngx_http_ai_model_t *m);


static ngx_http_ai_word_t  ngx_http_ai_model_words[] = {

    { ngx_string("price"), 1, 16, NGX_HTTP_AI_NEEDED,
      ngx_http_ai_model_price },

    { ngx_string("unit"), 1, AI_UNIT_N, 0, ngx_http_ai_model_unit },

    { ngx_string("context"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_model_context },

    { ngx_string("max_output"), 1, 1, NGX_HTTP_AI_ONCE,
      ngx_http_ai_model_max_output },

    { ngx_string("target"), 1, 7, NGX_HTTP_AI_NEEDED,
      ngx_http_ai_model_target },

    { ngx_string("fallback"), 1, 6, 0, ngx_http_ai_model_target },

    { ngx_null_string, 0, 0, 0, NULL }
};


/* the tiers that "price" takes; others are providers' own words for them */

static struct {
    ngx_str_t    name;
    ai_tier_t    tier;

} ngx_http_ai_price_tiers[] = {
    { ngx_string("flex"), AI_TIER_FLEX },
    { ngx_string("priority"), AI_TIER_PRIORITY },
    { ngx_string("batch"), AI_TIER_BATCH },
    { ngx_string("fast"), AI_TIER_FAST },
    { ngx_null_string, 0 }
};


char *
ngx_http_ai_model(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    char                  *rv;
    ngx_uint_t             i;
    ngx_array_t            prices;
    ngx_http_ai_block_t    b;
    ngx_http_ai_model_t   *m, **slot;

    ngx_http_ai_block_init(cf, &b, mcf);

    rv = ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME_MODEL, &b.name);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    m = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_model_t));
    slot = ngx_array_push(&mcf->models);

    if (m == NULL || slot == NULL
        || ngx_array_init(&m->targets, cf->pool, 2,
                          sizeof(ngx_http_ai_target_t)) != NGX_OK
        || ngx_array_init(&prices, cf->pool, 2, sizeof(ai_price_line_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_tree_add(&mcf->model_tree, &m->sn, &b.name) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate ai_model \"%V\"",
                           &b.name);
        return NGX_CONF_ERROR;
    }

    *slot = m;

    m->index = mcf->models.nelts - 1;
    m->file = b.file;
    m->line = b.line;

    for (i = 0; i < AI_UNIT_N; i++) {
        m->price.units[i] = -1;
    }

    b.words = ngx_http_ai_model_words;
    b.conf = m;
    b.data = &prices;

    rv = ngx_http_ai_block_parse(cf, &b);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_ai_model_end(cf, &b);
}


static char *
ngx_http_ai_model_price(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_array_t *prices = b->data;

    int64_t           write;
    ngx_str_t        *value;
    ngx_uint_t        i;
    ai_price_line_t  *line, *have;

    if (prices->nelts == NGX_HTTP_AI_PRICES_MAX) {
        return "has too many lines";
    }

    line = ngx_array_push(prices);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(line, sizeof(ai_price_line_t));

    value = cf->args->elts;
    write = -1;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_ai_price_param(&value[i], line, &write) != NGX_OK) {
            return ngx_http_ai_conf_invalid(cf, &value[i]);
        }
    }

    if (ai_price_line_fill(line, write) != AI_OK) {
        return "names neither \"input=\" nor \"output=\"";
    }

    have = prices->elts;

    for (i = 0; i < prices->nelts - 1; i++) {
        if (have[i].tier == line->tier && have[i].above == line->above
            && have[i].from == line->from)
        {
            return "is duplicate: another one holds for the same tier, "
                   "\"above=\" and \"from=\"";
        }
    }

    return NGX_CONF_OK;
}


/* NGX_ERROR: unknown, malformed, or given twice */

static ngx_int_t
ngx_http_ai_price_param(ngx_str_t *arg, ai_price_line_t *line, int64_t *write)
{
    u_char      *eq;
    ngx_int_t    n;
    ngx_str_t    s, name;
    ngx_uint_t   i;

    if (ngx_http_ai_conf_param(arg, "above=", &s)) {

        n = ngx_atoi(s.data, s.len);

        if (n < 1 || n > AI_LIMIT_MAX || line->above) {
            return NGX_ERROR;
        }

        line->above = n;
        return NGX_OK;
    }

    if (ngx_http_ai_conf_param(arg, "from=", &s)) {
        return line->from ? NGX_ERROR
                          : ai_date_parse(s.data, s.len, &line->from);
    }

    if (ngx_http_ai_conf_param(arg, "tier=", &s)) {

        for (i = 0; ngx_http_ai_price_tiers[i].name.len; i++) {
            name = ngx_http_ai_price_tiers[i].name;

            if (line->tier == AI_TIER_STANDARD && name.len == s.len
                && ngx_strncmp(name.data, s.data, s.len) == 0)
            {
                line->tier = ngx_http_ai_price_tiers[i].tier;
                return NGX_OK;
            }
        }

        return NGX_ERROR;
    }

    eq = ngx_strlchr(arg->data, arg->data + arg->len, '=');
    if (eq == NULL) {
        return NGX_ERROR;
    }

    name.data = arg->data;
    name.len = eq - arg->data;
    s.data = eq + 1;
    s.len = arg->len - name.len - 1;

    return ngx_http_ai_price_class(&name, &s, line, write);
}


static ngx_int_t
ngx_http_ai_price_class(ngx_str_t *name, ngx_str_t *value,
    ai_price_line_t *line, int64_t *write)
{
    int       class;
    int64_t   nanos;
    ai_str_t  s;

    s.data = name->data;
    s.len = name->len;

    class = ai_price_class(&s);

    if (class < 0
        || ai_decimal_parse(value->data, value->len, &nanos) != AI_OK
        || nanos > AI_LIMIT_MAX)
    {
        return NGX_ERROR;
    }

    if (class == AI_CLASS_N) {

        if (*write != -1) {
            return NGX_ERROR;
        }

        *write = nanos;
        return NGX_OK;
    }

    if (line->given & (1 << class)) {
        return NGX_ERROR;
    }

    line->given |= 1 << class;
    line->price[class] = nanos;

    return NGX_OK;
}


static char *
ngx_http_ai_model_unit(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    int          unit;
    u_char      *eq;
    int64_t      nanos;
    ai_str_t     name;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        eq = ngx_strlchr(value[i].data, value[i].data + value[i].len, '=');
        if (eq == NULL) {
            return ngx_http_ai_conf_invalid(cf, &value[i]);
        }

        name.data = value[i].data;
        name.len = eq - value[i].data;

        unit = ai_price_unit(&name);

        if (unit < 0 || m->price.units[unit] != -1
            || ai_decimal_parse(eq + 1, value[i].len - name.len - 1, &nanos)
               != AI_OK
            || nanos > AI_LIMIT_MAX)
        {
            return ngx_http_ai_conf_invalid(cf, &value[i]);
        }

        m->price.units[unit] = nanos;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_model_context(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    return ngx_http_ai_conf_positive(cf, &m->context);
}


static char *
ngx_http_ai_model_max_output(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    return ngx_http_ai_conf_positive(cf, &m->max_output);
}


/* target and fallback; only targets have a weight */

static char *
ngx_http_ai_model_target(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t *m = b->conf;

    ngx_str_t             *value;
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    if (m->targets.nelts == NGX_HTTP_AI_TARGETS_MAX) {
        return "is one too many";
    }

    t = ngx_array_push(&m->targets);
    if (t == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(t, sizeof(ngx_http_ai_target_t));

    value = cf->args->elts;

    t->provider_name = value[1];
    t->fallback = (value[0].data[0] == 'f');
    t->weight = t->fallback ? 0 : 1;
    t->connect = 5000;
    t->timeout = 60000;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_ai_target_param(t, &value[i]) != NGX_OK) {
            return ngx_http_ai_conf_invalid(cf, &value[i]);
        }
    }

    if (t->model.len == 0) {
        t->model = m->sn.str;
        return NGX_CONF_OK;
    }

    return ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME_MODEL, &t->model);
}


static ngx_int_t
ngx_http_ai_target_param(ngx_http_ai_target_t *t, ngx_str_t *arg)
{
    ngx_str_t  s;

    if (ngx_http_ai_conf_param(arg, "model=", &s)) {
        t->model = s;
        return s.len ? NGX_OK : NGX_ERROR;
    }

    if (ngx_http_ai_conf_param(arg, "weight=", &s)) {

        if (t->fallback) {
            return NGX_ERROR;
        }

        if (ngx_http_ai_conf_number(&s, 1, &t->weight) != NGX_OK
            || t->weight > 65535)
        {
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (ngx_http_ai_conf_param(arg, "connect=", &s)) {
        return ngx_http_ai_conf_msec(&s, 1, &t->connect);
    }

    if (ngx_http_ai_conf_param(arg, "first_byte=", &s)) {
        return ngx_http_ai_conf_msec(&s, 1, &t->first_byte);
    }

    if (ngx_http_ai_conf_param(arg, "timeout=", &s)) {
        return ngx_http_ai_conf_msec(&s, 1, &t->timeout);
    }

    if (ngx_http_ai_conf_param(arg, "total=", &s)) {
        return ngx_http_ai_conf_msec(&s, 1, &t->total);
    }

    return NGX_ERROR;
}


static char *
ngx_http_ai_model_end(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_model_t  *m = b->conf;
    ngx_array_t          *prices = b->data;

    unsigned          begun, plain, named;
    ngx_uint_t        i;
    ai_price_line_t  *line;

    line = prices->elts;
    begun = 0;
    plain = 0;
    named = 0;

    for (i = 0; i < prices->nelts; i++) {

        named |= 1 << line[i].tier;

        if (line[i].above == 0) {
            plain |= 1 << line[i].tier;

            if (line[i].tier == AI_TIER_STANDARD
                && line[i].from <= (uint64_t) ngx_time())
            {
                begun = 1;
            }
        }
    }

    /* else some request would meet no price, and cost nothing */

    if (!begun || plain != named) {
        ngx_http_ai_conf_error(cf, m->file, m->line,
                               "no \"price\" %s in ai_model \"%V\"",
                               begun ? "without \"above=\" for each tier"
                                     : "without \"above=\" and \"tier=\" "
                                       "holds today",
                               &m->sn.str);
        return NGX_CONF_ERROR;
    }

    m->price.lines = line;
    m->price.nlines = prices->nelts;
    m->price.version = ai_price_version(&m->price);

    return ngx_http_ai_model_targets(cf, m) == NGX_OK ? NGX_CONF_OK
                                                      : NGX_CONF_ERROR;
}


/* targets first, then fallbacks, each in the order of the configuration */

static ngx_int_t
ngx_http_ai_model_targets(ngx_conf_t *cf, ngx_http_ai_model_t *m)
{
    ngx_uint_t             i, pass;
    ngx_array_t            all;
    ngx_http_ai_target_t  *t, *new;

    all = m->targets;
    t = all.elts;

    if (ngx_array_init(&m->targets, cf->pool, all.nelts,
                       sizeof(ngx_http_ai_target_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (pass = 0; pass < 2; pass++) {

        for (i = 0; i < all.nelts; i++) {
            if (t[i].fallback == pass) {
                new = ngx_array_push(&m->targets);
                *new = t[i];
            }
        }
    }

    return NGX_OK;
}


char *
ngx_http_ai_alias(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t *mcf = conf;

    char                 *rv;
    ngx_str_t            *value;
    ngx_http_ai_alias_t  *alias;

    value = cf->args->elts;

    rv = ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME_MODEL, &value[1]);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    alias = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_alias_t));
    if (alias == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_tree_add(&mcf->alias_tree, &alias->sn, &value[1])
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate ai_alias \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    alias->model_name = value[2];
    alias->file = cf->conf_file->file.name.data;
    alias->line = cf->conf_file->line;

    return NGX_CONF_OK;
}
