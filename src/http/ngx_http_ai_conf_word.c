
/*
 * The checked parts of words, and the readers of words that hold one value.
 */


#include "ngx_http_ai_conf.h"


/* the field of b->conf that the word being read is about */

#define ngx_http_ai_word_field(b, type)                                      \
    (type *) ((u_char *) (b)->conf + (b)->word->offset)


ngx_conf_enum_t  ngx_http_ai_conf_switch[] = {
    { ngx_string("off"), 0 },
    { ngx_string("on"), 1 },
    { ngx_null_string, 0 }
};


char *
ngx_http_ai_word_enum(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    return ngx_http_ai_conf_enum(cf, b->word->post,
                                 ngx_http_ai_word_field(b, ngx_uint_t));
}


char *
ngx_http_ai_word_positive(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    return ngx_http_ai_conf_positive(cf,
                                     ngx_http_ai_word_field(b, ngx_uint_t));
}


char *
ngx_http_ai_word_msec(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_str_t   *value;
    ngx_msec_t  *msec;

    value = cf->args->elts;
    msec = ngx_http_ai_word_field(b, ngx_msec_t);

    return ngx_http_ai_conf_msec(&value[1], 1, msec) == NGX_OK
           ? NGX_CONF_OK : ngx_http_ai_conf_value(cf);
}


char *
ngx_http_ai_word_name(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_str_t  *value, *name;

    value = cf->args->elts;
    name = ngx_http_ai_word_field(b, ngx_str_t);

    *name = value[1];

    return ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME, name);
}


char *
ngx_http_ai_word_text(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_http_ai_text_t *rule = b->word->post;

    u_char     *p;
    ngx_str_t  *value, *text;

    value = cf->args->elts;
    text = ngx_http_ai_word_field(b, ngx_str_t);

    *text = value[1];

    if (text->len < rule->min || text->len > rule->max) {
        return ngx_http_ai_conf_value(cf);
    }

    if (rule->extra) {
        return ngx_http_ai_conf_chars(text, rule->extra)
               ? NGX_CONF_OK : ngx_http_ai_conf_value(cf);
    }

    for (p = text->data; p < text->data + text->len; p++) {
        if (*p < rule->first || *p == 0x7f) {
            return ngx_http_ai_conf_value(cf);
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_ai_word_password(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_ai_secret_password(cf, &value[1],
                                       ngx_http_ai_word_field(b, ngx_str_t));
}


ngx_uint_t
ngx_http_ai_conf_chars(ngx_str_t *s, const char *extra)
{
    u_char  *p;

    for (p = s->data; p < s->data + s->len; p++) {

        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
            || (*p >= '0' && *p <= '9'))
        {
            continue;
        }

        if (*p == '\0' || ngx_strchr(extra, *p) == NULL) {
            return 0;
        }
    }

    return 1;
}


char *
ngx_http_ai_conf_name(ngx_conf_t *cf, ngx_http_ai_name_t kind,
    ngx_str_t *name)
{
    size_t       max;
    const char  *extra;

    static const char  *extras[] = { "._:@-", "._:@-/+", "._:@-/+*" };

    max = (kind == NGX_HTTP_AI_NAME) ? NGX_HTTP_AI_NAME_LEN : AI_MODEL_LEN;
    extra = extras[kind];

    if (name->len && name->len <= max && ngx_http_ai_conf_chars(name, extra)) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid name \"%V\", it must be 1 to %uz characters "
                       "of A-Z a-z 0-9 %s", name, max, extra);

    return NGX_CONF_ERROR;
}


ngx_uint_t
ngx_http_ai_conf_param(ngx_str_t *arg, const char *prefix, ngx_str_t *value)
{
    size_t  len;

    len = ngx_strlen(prefix);

    if (arg->len < len || ngx_strncmp(arg->data, prefix, len) != 0) {
        return 0;
    }

    value->data = arg->data + len;
    value->len = arg->len - len;

    return 1;
}


ngx_int_t
ngx_http_ai_conf_number(ngx_str_t *value, ngx_uint_t min, ngx_uint_t *number)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n < (ngx_int_t) min || n > NGX_HTTP_AI_NUMBER_MAX) {
        return NGX_ERROR;
    }

    *number = n;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_conf_msec(ngx_str_t *value, ngx_msec_t min, ngx_msec_t *msec)
{
    ngx_int_t  n;

    if (value->len == 0) {
        return NGX_ERROR;
    }

    n = ngx_parse_time(value, 0);

    /* a timer is a signed difference of ngx_msec_t: stay far from its end */

    if (n == NGX_ERROR || n < (ngx_int_t) min || n > NGX_HTTP_AI_NUMBER_MAX) {
        return NGX_ERROR;
    }

    *msec = n;

    return NGX_OK;
}


char *
ngx_http_ai_conf_enum(ngx_conf_t *cf, ngx_conf_enum_t *e, ngx_uint_t *number)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    for ( /* void */ ; e->name.len; e++) {

        if (e->name.len == value[1].len
            && ngx_strncmp(e->name.data, value[1].data, e->name.len) == 0)
        {
            *number = e->value;
            return NGX_CONF_OK;
        }
    }

    return ngx_http_ai_conf_value(cf);
}


char *
ngx_http_ai_conf_positive(ngx_conf_t *cf, ngx_uint_t *number)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_http_ai_conf_number(&value[1], 1, number) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number \"%V\" in \"%V\" directive",
                           &value[1], &value[0]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_ai_conf_invalid(ngx_conf_t *cf, ngx_str_t *arg)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"", arg);

    return NGX_CONF_ERROR;
}


char *
ngx_http_ai_conf_patterns(ngx_conf_t *cf, ngx_array_t *models,
    ngx_str_t *value, ngx_uint_t n)
{
    char       *rv;
    ngx_str_t  *s;

    for ( /* void */ ; n; n--, value++) {

        rv = ngx_http_ai_conf_name(cf, NGX_HTTP_AI_NAME_PATTERN, value);

        if (rv != NGX_CONF_OK) {
            return rv;
        }

        s = ngx_array_push(models);
        if (s == NULL) {
            return NGX_CONF_ERROR;
        }

        *s = *value;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_ai_conf_value(ngx_conf_t *cf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive",
                       &value[1], &value[0]);

    return NGX_CONF_ERROR;
}


char *
ngx_http_ai_conf_server(ngx_conf_t *cf, char *err)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (err != NGX_CONF_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in \"server\" \"%V\"",
                           err, &value[1]);
    }

    return NGX_CONF_ERROR;
}
