
/*
 * What PostgreSQL is told of nginx.conf, so that a name is not given away
 * twice: names and digests, never a key.
 */


#include "ngx_http_ai_conf.h"


static void ngx_http_ai_register_line(ai_buf_t *b, char kind,
    const ngx_str_t *one, const ngx_str_t *two);
static ngx_uint_t ngx_http_ai_register_model(const ngx_str_t *name);
static size_t ngx_http_ai_register_size(ngx_http_ai_main_conf_t *mcf);
static void ngx_http_ai_register_plans(ai_buf_t *b,
    ngx_http_ai_main_conf_t *mcf);
static void ngx_http_ai_register_keys(ai_buf_t *b,
    ngx_http_ai_main_conf_t *mcf);


ngx_int_t
ngx_http_ai_register_text(ngx_pool_t *pool, ngx_http_ai_main_conf_t *mcf,
    ngx_str_t *out)
{
    size_t                  size;
    ai_buf_t                b;
    ngx_uint_t              i;
    ngx_http_ai_model_t   **model;
    ngx_http_ai_tenant_t  **tenant;

    size = ngx_http_ai_register_size(mcf);

    out->data = ngx_pnalloc(pool, size);
    if (out->data == NULL) {
        return NGX_ERROR;
    }

    ai_buf_init(&b, out->data, size);

    ngx_http_ai_register_plans(&b, mcf);

    tenant = mcf->tenants.elts;

    for (i = 0; i < mcf->tenants.nelts; i++) {
        ngx_http_ai_register_line(&b, 't', &tenant[i]->sn.str,
                                  &tenant[i]->plan_name);
    }

    ngx_http_ai_register_keys(&b, mcf);

    model = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        if (model[i]->price.nlines
            && ngx_http_ai_register_model(&model[i]->sn.str))
        {
            ngx_http_ai_register_line(&b, 'm', &model[i]->sn.str, NULL);
        }
    }

    out->len = b.pos - out->data;

    /* it is a parameter of a statement, a null terminated one */

    ai_buf_char(&b, '\0');

    return b.full ? NGX_ERROR : NGX_OK;
}


/* SQL has no model of a longer name, nor of one with a plus */

static ngx_uint_t
ngx_http_ai_register_model(const ngx_str_t *name)
{
    return name->len <= NGX_HTTP_AI_NAME_LEN
           && ngx_strlchr(name->data, name->data + name->len, '+') == NULL;
}


/* names are bounded, and checked when they are read */

static size_t
ngx_http_ai_register_size(ngx_http_ai_main_conf_t *mcf)
{
    size_t                  size;
    ngx_uint_t              i;
    ngx_rbtree_node_t      *node;
    ngx_http_ai_key_t      *key;
    ngx_http_ai_model_t   **model;
    ngx_http_ai_tenant_t  **tenant;

    size = 1;

    if (mcf->plan_tree.root != &mcf->sentinel) {
        for (node = ngx_rbtree_min(mcf->plan_tree.root, &mcf->sentinel);
             node;
             node = ngx_rbtree_next(&mcf->plan_tree, node))
        {
            size += 3 + ((ngx_str_node_t *) node)->str.len;
        }
    }

    tenant = mcf->tenants.elts;

    for (i = 0; i < mcf->tenants.nelts; i++) {
        size += 4 + tenant[i]->sn.str.len + tenant[i]->plan_name.len;
    }

    key = mcf->keys.elts;

    for (i = 0; i < mcf->keys.nelts; i++) {
        size += 5 + key[i].tenant->sn.str.len + key[i].name.len
                + 2 * AI_KEY_DIGEST;
    }

    model = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        size += 3 + model[i]->sn.str.len;
    }

    return size;
}


static void
ngx_http_ai_register_plans(ai_buf_t *b, ngx_http_ai_main_conf_t *mcf)
{
    ngx_rbtree_node_t  *node;

    if (mcf->plan_tree.root == &mcf->sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(mcf->plan_tree.root, &mcf->sentinel);
         node;
         node = ngx_rbtree_next(&mcf->plan_tree, node))
    {
        ngx_http_ai_register_line(b, 'p', &((ngx_str_node_t *) node)->str,
                                  NULL);
    }
}


static void
ngx_http_ai_register_keys(ai_buf_t *b, ngx_http_ai_main_conf_t *mcf)
{
    u_char              hex[2 * AI_KEY_DIGEST];
    ngx_uint_t          i;
    ngx_http_ai_key_t  *key;

    key = mcf->keys.elts;

    for (i = 0; i < mcf->keys.nelts; i++) {
        ngx_hex_dump(hex, key[i].digest, AI_KEY_DIGEST);

        ngx_http_ai_register_line(b, 'k', &key[i].tenant->sn.str,
                                  &key[i].name);
        b->pos--;
        ai_buf_char(b, ' ');
        ai_buf_put(b, hex, sizeof(hex));
        ai_buf_char(b, '\n');
    }
}


static void
ngx_http_ai_register_line(ai_buf_t *b, char kind, const ngx_str_t *one,
    const ngx_str_t *two)
{
    ai_buf_char(b, kind);
    ai_buf_char(b, ' ');
    ai_buf_put(b, one->data, one->len);

    if (two) {
        ai_buf_char(b, ' ');
        ai_buf_put(b, two->data, two->len);
    }

    ai_buf_char(b, '\n');
}
