
/*
 * The words "price" and "unit" of ai_model.
 */


#include "ngx_http_ai_conf.h"
#include "../core/ai_date.h"


#define NGX_HTTP_AI_PRICES_MAX  256


static ngx_int_t ngx_http_ai_price_param(ngx_str_t *arg,
    ai_price_line_t *line, int64_t *write);
static ngx_int_t ngx_http_ai_price_class(ngx_str_t *name, ngx_str_t *value,
    ai_price_line_t *line, int64_t *write);


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


char *
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


/* whether PostgreSQL may have it is known when all has been read */

static char *
ngx_http_ai_price_none(ngx_conf_t *cf, ngx_http_ai_model_t *m)
{
    ngx_uint_t  i;

    for (i = 0; i < AI_UNIT_N; i++) {

        if (m->price.units[i] >= 0) {
            ngx_http_ai_conf_error(cf, m->file, m->line,
                                   "\"unit\" without \"price\" in ai_model "
                                   "\"%V\"", &m->sn.str);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_ai_model_prices(ngx_conf_t *cf, ngx_http_ai_model_t *m,
    ngx_array_t *prices)
{
    unsigned          begun, plain, named;
    ngx_uint_t        i;
    ai_price_line_t  *line;

    if (prices->nelts == 0) {
        return ngx_http_ai_price_none(cf, m);
    }

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

    return NGX_CONF_OK;
}
