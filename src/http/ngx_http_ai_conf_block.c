
/*
 * Blocks of words, "name { word args; }", and what is kept of them.
 *
 * nginx parses the block and hands each line to our handler, as it does for
 * "types" and "map"; a table per kind of block says which words there are.
 */


#include "ngx_http_ai_conf.h"


static char *ngx_http_ai_block_word(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_ai_block_include(ngx_conf_t *cf,
    ngx_http_ai_block_t *b);


void
ngx_http_ai_block_init(ngx_conf_t *cf, ngx_http_ai_block_t *b,
    ngx_http_ai_main_conf_t *mcf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_memzero(b, sizeof(ngx_http_ai_block_t));

    b->kind = (char *) value[0].data;
    if (cf->args->nelts > 1) {
        b->name = value[1];
    }

    b->mcf = mcf;
    b->file = cf->conf_file->file.name.data;
    b->line = cf->conf_file->line;
}


char *
ngx_http_ai_block_parse(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    char        *rv;
    ngx_conf_t   save;
    ngx_uint_t   i;
    const char  *quote;

    save = *cf;

    cf->handler = ngx_http_ai_block_word;
    cf->handler_conf = (void *) b;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    for (i = 0; b->words[i].name.len; i++) {

        if ((b->words[i].flags & NGX_HTTP_AI_NEEDED)
            && !(b->seen & ((uint32_t) 1 << i)))
        {
            quote = b->name.len ? "\"" : "";

            ngx_http_ai_conf_error(cf, b->file, b->line,
                                   "\"%V\" is missing in %s%s%s%V%s",
                                   &b->words[i].name, b->kind,
                                   b->name.len ? " " : "", quote, &b->name,
                                   quote);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_block_word(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_http_ai_block_t *b = conf;

    char                *rv;
    uint32_t             bit;
    ngx_str_t           *value;
    ngx_uint_t           i, n;
    ngx_http_ai_word_t  *w;

    value = cf->args->elts;
    n = cf->args->nelts - 1;

    for (i = 0; b->words[i].name.len; i++) {
        w = &b->words[i];

        if (w->name.len != value[0].len
            || ngx_strncmp(w->name.data, value[0].data, w->name.len) != 0)
        {
            continue;
        }

        if (n < w->min || n > w->max) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"%V\" "
                               "directive", &w->name);
            return NGX_CONF_ERROR;
        }

        bit = (uint32_t) 1 << i;

        if ((w->flags & NGX_HTTP_AI_ONCE) && (b->seen & bit)) {
            rv = "is duplicate";

        } else {
            b->seen |= bit;
            b->word = w;
            rv = w->handler(cf, b);
        }

        if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                               &w->name, rv);
            return NGX_CONF_ERROR;
        }

        return rv;
    }

    if (value[0].len == 7 && ngx_strncmp(value[0].data, "include", 7) == 0) {
        return ngx_http_ai_block_include(cf, b);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "unknown directive \"%V\"",
                       &value[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_ai_block_include(ngx_conf_t *cf, ngx_http_ai_block_t *b)
{
    if (cf->args->nelts != 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"include\" "
                           "directive");
        return NGX_CONF_ERROR;
    }

    return ngx_conf_include(cf, NULL, b);
}


void ngx_cdecl
ngx_http_ai_conf_error(ngx_conf_t *cf, u_char *file, ngx_uint_t line,
    const char *fmt, ...)
{
    u_char   *p, text[NGX_MAX_CONF_ERRSTR];
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(text, text + sizeof(text), fmt, args);
    va_end(args);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%*s in %s:%ui",
                  (size_t) (p - text), text, file, line);
}


void *
ngx_http_ai_tree_find(ngx_rbtree_t *tree, ngx_str_t *name)
{
    return ngx_str_rbtree_lookup(tree, name,
                                 ngx_murmur_hash2(name->data, name->len));
}


ngx_int_t
ngx_http_ai_tree_add(ngx_rbtree_t *tree, ngx_str_node_t *sn, ngx_str_t *name)
{
    if (ngx_http_ai_tree_find(tree, name) != NULL) {
        return NGX_DECLINED;
    }

    sn->str = *name;
    sn->node.key = ngx_murmur_hash2(name->data, name->len);

    ngx_rbtree_insert(tree, &sn->node);

    return NGX_OK;
}


void *
ngx_http_ai_conf_push(ngx_pool_t *pool, ngx_array_t *a)
{
    void  *new, *old;

    old = a->elts;
    new = ngx_array_push(a);

    if (a->elts != old) {
        (void) ngx_pfree(pool, old);
    }

    return new;
}


ngx_array_t *
ngx_http_ai_conf_array(ngx_pool_t *pool, ngx_array_t **a, size_t size)
{
    if (*a == NULL) {
        *a = ngx_array_create(pool, 1, size);
    }

    return *a;
}
