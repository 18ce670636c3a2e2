
/*
 * What a model costs: by nginx.conf, or by the directory where that says
 * nothing.
 */


#include "ngx_http_ai_directory.h"
#include "ngx_http_ai_settle.h"


static ai_price_t *ngx_http_ai_price_get(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_model_t *model);
static ai_price_t *ngx_http_ai_price_read(ngx_pool_t *pool,
    const ai_char *record, size_t len);


const ai_price_t *
ngx_http_ai_price(ngx_http_ai_ctx_t *ctx, ngx_http_ai_model_t *model)
{
    ngx_http_ai_priced_t  *p;

    if (model->price.nlines) {
        return &model->price;
    }

    if (model->tasks) {
        return NULL;                /* a virtual one */
    }

    for (p = ctx->priced; p; p = p->next) {
        if (p->model == model) {
            return p->price;
        }
    }

    p = ngx_palloc(ctx->request->pool, sizeof(ngx_http_ai_priced_t));
    if (p == NULL) {
        return NULL;
    }

    p->model = model;
    p->price = ngx_http_ai_price_get(ctx, model);
    p->next = ctx->priced;

    ctx->priced = p;

    return p->price;
}


static ai_price_t *
ngx_http_ai_price_get(ngx_http_ai_ctx_t *ctx, ngx_http_ai_model_t *model)
{
    int                   rc;
    size_t                len;
    unsigned              fallback;
    ai_str_t              name;
    ai_price_t           *price;
    ngx_ai_directory_t   *d;
    static _Alignas(8) ai_char  record[AI_DIR_VALUE_MAX];

    d = ngx_http_ai_mcf(ctx)->directory;

    if (d == NULL || d->dir == NULL) {
        return NULL;
    }

    name.len = model->sn.str.len;
    name.data = model->sn.str.data;

    ngx_ai_directory_lock(d);
    rc = ai_dir_get(d->dir, AI_DIR_PRICE, &name, record, sizeof(record), &len);
    ngx_ai_directory_unlock(d);

    price = NULL;

    if (rc == AI_OK) {
        price = ngx_http_ai_price_read(ctx->request->pool, record, len);
    }

    /* the standard tier's is what every request falls back to */

    if (price == NULL
        || ai_price_pick(price, AI_TIER_STANDARD, 0, (uint64_t) ngx_time(),
                         &fallback)
           == NULL)
    {
        ngx_http_ai_directory_lacks(ctx->request->connection->log,
                                    "price that holds now for ai_model",
                                    &model->sn.str);
        return NULL;
    }

    return price;
}


static ai_price_t *
ngx_http_ai_price_read(ngx_pool_t *pool, const ai_char *record, size_t len)
{
    ai_char     *copy;
    ai_price_t  *price;

    copy = ngx_palloc(pool, len);
    price = ngx_palloc(pool, sizeof(ai_price_t));

    if (copy == NULL || price == NULL) {
        return NULL;
    }

    ngx_memcpy(copy, record, len);

    return ai_entry_price(copy, len, price) == AI_OK ? price : NULL;
}
