
/*
 * PRECONTENT: from an authenticated request to one that stands in the ledger,
 * is held on all its limits and goes to a provider, or to a refusal.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_cache.h"
#include "ngx_http_ai_wait.h"


typedef ngx_int_t (*ngx_http_ai_step_pt)(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);


static ngx_int_t ngx_http_ai_step_route(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);
static ngx_int_t ngx_http_ai_step_type(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);
static ngx_int_t ngx_http_ai_step_body(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);
static ngx_int_t ngx_http_ai_step_key(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);
static ngx_int_t ngx_http_ai_step_again(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);
static ngx_int_t ngx_http_ai_step_scan(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);
static ngx_int_t ngx_http_ai_step_model(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad);
static ngx_int_t ngx_http_ai_pass(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ai_request_t *rq);

static ngx_int_t ngx_http_ai_form_type(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad, ngx_str_t *type);
static ngx_int_t ngx_http_ai_model_admit(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad, ngx_str_t *name,
    ngx_uint_t named, ngx_http_ai_model_t **found);


/*
 * Each step may run again after the body was read: it returns NGX_OK to go on,
 * NGX_DECLINED to refuse with ad->e, NGX_DONE when it has answered or waits, or
 * an HTTP status.
 */

static const ngx_http_ai_step_pt  ngx_http_ai_steps[] = {
    ngx_http_ai_step_route,
    ngx_http_ai_step_type,
    ngx_http_ai_step_body,
    ngx_http_ai_step_key,
    ngx_http_ai_step_scan,
    ngx_http_ai_step_model,
    ngx_http_ai_step_bound,
    ngx_http_ai_choose,
    ngx_http_ai_step_hold,
    ngx_http_ai_cache_admit,
    NULL
};

/* of a request that has waited at step_hold */

static const ngx_http_ai_step_pt  ngx_http_ai_steps_again[] = {
    ngx_http_ai_step_again,
    ngx_http_ai_step_hold,
    ngx_http_ai_cache_admit,
    NULL
};


/*
 * The scan of a body is used up before the handler returns, and a worker runs
 * one handler at a time: one is enough.  A request that waits has its own.
 */

static ai_request_t  ngx_http_ai_rq;


ngx_int_t
ngx_http_ai_admit_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_ai_ctx_t          *ctx;
    ngx_http_ai_loc_conf_t     *alcf;
    ngx_http_ai_admission_t     stack, *ad;
    const ngx_http_ai_step_pt  *step;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_tenant_module);

    if (!alcf->gateway || r != r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_ai_ctx(r);

    if (ctx == NULL || ctx->key == NULL) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "ai request passed the access phase without a key");
        return NGX_HTTP_FORBIDDEN;
    }

    if (ctx->passed) {

        /* an error_page of the operator has led here again */

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->admitted) {
        return ngx_http_ai_pass(r, ctx, NULL);
    }

    if (ctx->wait) {
        ad = &ctx->wait->ad;
        step = ngx_http_ai_steps_again;
        ngx_memzero(&ad->e, sizeof(ai_error_t));

    } else {
        ad = &stack;
        step = ngx_http_ai_steps;
        ngx_memzero(ad, offsetof(ngx_http_ai_admission_t, text));
        ad->mcf = ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module);
        ad->rq = &ngx_http_ai_rq;
    }

    ad->e.retry_ms = -1;

    for ( /* void */ ; *step; step++) {

        rc = (*step)(r, ctx, ad);

        if (rc == NGX_OK) {
            continue;
        }

        if (rc == NGX_DONE) {
            return rc;          /* ctx may be gone */
        }

        ngx_http_ai_wait_end(ctx);

        return rc == NGX_DECLINED ? ngx_http_ai_refuse(r, ctx, &ad->e) : rc;
    }

    if (ngx_http_ai_attempt_create(ctx, ad->want.max_output) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_ai_pass(r, ctx, ad->rq);
}


/* admitted: to proxy_pass, as soon as a target may be tried */

static ngx_int_t
ngx_http_ai_pass(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ai_request_t *rq)
{
    ngx_int_t  rc;

    rc = ngx_http_ai_attempt(r, ctx, rq);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx->passed = 1;
    ctx->drain = ctx->key->tenant->plan->drain;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_ai_step_route(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    switch (ctx->found) {

    case AI_OK:
        break;

    case AI_BUSY:
        ad->e.code = AI_ERR_METHOD;
        return NGX_DECLINED;

    case AI_ERROR:
        ad->e.code = AI_ERR_STATEFUL;
        return NGX_DECLINED;

    default:
        ad->e.code = AI_ERR_NOT_FOUND;
        return NGX_DECLINED;
    }

    switch (ctx->route.ep) {

    case AI_EP_MODELS:
    case AI_EP_MODEL:
        ctx->status = AI_STATUS_PASSED;
        return ngx_http_ai_models(r, ctx);

    case AI_EP_USAGE:
        ctx->status = AI_STATUS_PASSED;
        return ngx_http_ai_usage(r, ctx);

    default:
        return NGX_OK;
    }
}


/* the coding and the type of the body, before a byte of it is read */

static ngx_int_t
ngx_http_ai_step_type(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    ngx_str_t  type;

    if (ctx->read) {
        return NGX_OK;
    }

    ad->e.code = AI_ERR_REQUEST;
    ad->e.status = NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;

    if (ctx->coded) {
        ngx_http_ai_say(ad, "Compressed request bodies are not supported; "
                    "send the body without Content-Encoding.");
        return NGX_DECLINED;
    }

    ngx_str_null(&type);

    if (r->headers_in.content_type) {
        type = r->headers_in.content_type->value;
    }

    if (ctx->route.ep == AI_EP_TRANSCRIPTIONS
        || ctx->route.ep == AI_EP_TRANSLATIONS)
    {
        return ngx_http_ai_form_type(r, ctx, ad, &type);
    }

    if (ai_media_json((ai_str_t *) &type)) {
        ngx_str_set(&ctx->type, "application/json");
        return NGX_OK;
    }

    ngx_http_ai_say(ad, "Content-Type must be application/json in UTF-8.");

    return NGX_DECLINED;
}


/* the provider's copy is written anew, so that it reads the same boundary */

static ngx_int_t
ngx_http_ai_form_type(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ngx_str_t *type)
{
    size_t      len;
    ngx_str_t   raw;

    if (ai_media_form((ai_str_t *) type, (ai_str_t *) &ctx->boundary,
                      (ai_str_t *) &raw)
        != AI_OK)
    {
        ngx_http_ai_say(ad, "Content-Type must be multipart/form-data with a "
                            "boundary.");
        return NGX_DECLINED;
    }

    len = sizeof("multipart/form-data; boundary=") - 1 + raw.len;

    ctx->type.data = ngx_pnalloc(r->pool, len);
    if (ctx->type.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->type.len = ngx_sprintf(ctx->type.data,
                                "multipart/form-data; boundary=%V", &raw)
                    - ctx->type.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_step_body(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    return ngx_http_ai_body_read(r, ctx);
}


/* the directory may have changed while the body came */

static ngx_int_t
ngx_http_ai_step_key(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    if (!ctx->key->listed
        || ctx->key->stamp == ngx_http_ai_directory_stamp(ad->mcf))
    {
        return NGX_OK;
    }

    return ngx_http_ai_directory_key(ad->mcf, r->pool, ctx->key->digest,
                                     &ctx->key, &ad->e);
}


/* another record of the key may let other models pass, and bound them anew */

static ngx_int_t
ngx_http_ai_step_again(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    ngx_int_t           rc;
    ngx_http_ai_key_t  *key;

    key = ctx->key;

    rc = ngx_http_ai_step_key(r, ctx, ad);

    if (rc != NGX_OK || ctx->key == key) {
        return rc;
    }

    rc = ngx_http_ai_step_model(r, ctx, ad);

    if (rc == NGX_OK) {
        rc = ngx_http_ai_step_bound(r, ctx, ad);
    }

    return rc == NGX_OK ? ngx_http_ai_choose(r, ctx, ad) : rc;
}


static ngx_int_t
ngx_http_ai_step_scan(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    int            rc;
    ai_request_t  *rq;

    rq = ad->rq;

    rc = ai_request_scan(rq, ctx->route.ep, ctx->body.data, ctx->body.len,
                         &ctx->route.model, (ai_str_t *) &ctx->boundary);

    if (rc != AI_OK) {
        ad->e.code = AI_ERR_REQUEST;
        ad->e.status = rq->status;
        ad->e.param = rq->param;
        ad->e.message.data = (u_char *) rq->error;
        ad->e.message.len = rq->error ? ngx_strlen(rq->error) : 0;
        return NGX_DECLINED;
    }

    ctx->streamed = (rq->stream || ctx->route.ep == AI_EP_STREAM_GENERATE);
    ctx->images = (uint32_t) ngx_min(rq->images, UINT32_MAX);
    ctx->characters = rq->characters;
    ctx->request_bytes = ctx->body.len;
    ctx->media = rq->media ? 1 : 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_step_model(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    ngx_uint_t            i;
    ngx_str_t             name;
    ai_request_t         *rq;
    ngx_http_ai_model_t  *model;

    rq = ad->rq;

    if (ctx->route.model.len) {
        name.len = ctx->route.model.len;
        name.data = ctx->route.model.data;

    } else if (rq->model.len) {
        name.len = rq->model_len;
        name.data = rq->model_name;

    } else if (ctx->route.ep == AI_EP_MODERATIONS) {

        /* the one that OpenAI takes then */

        ngx_str_set(&name, "omni-moderation-latest");

    } else {
        ad->e.code = AI_ERR_REQUEST;
        ad->e.param = "model";
        ngx_http_ai_say(ad, "You must provide a model parameter.");
        return NGX_DECLINED;
    }

    if (ngx_http_ai_model_admit(r, ctx, ad, &name, 0, &ctx->model) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (i = 0; i < rq->nnamed; i++) {

        name.len = rq->named[i].len;
        name.data = rq->named[i].name;

        if (ngx_http_ai_model_admit(r, ctx, ad, &name, 1, &model) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    ctx->price = ngx_http_ai_price(ctx, ctx->model);

    return NGX_OK;
}


/*
 * A virtual model must be allowed, and so must the one that it stands for; one
 * that is "named" for the provider's own use cannot be virtual.
 */

static ngx_int_t
ngx_http_ai_model_admit(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ngx_str_t *name, ngx_uint_t named,
    ngx_http_ai_model_t **found)
{
    ngx_uint_t  allowed;

    *found = ngx_http_ai_model_find(ad->mcf, name);

    if (*found && named && (*found)->tasks) {
        *found = NULL;
    }

    allowed = *found && ngx_http_ai_model_allowed(ctx->key, &(*found)->sn.str);

    if (allowed && (*found)->tasks) {

        if (ngx_http_ai_choose_model(r, ad, found) != NGX_OK) {
            return NGX_DECLINED;
        }

        name = &(*found)->sn.str;
        allowed = ngx_http_ai_model_allowed(ctx->key, name);
    }

    if (!allowed) {
        ad->e.code = *found ? AI_ERR_MODEL_DENIED : AI_ERR_NO_MODEL;
        ad->e.model.len = name->len;
        ad->e.model.data = name->data;
        return NGX_DECLINED;
    }

    if (ngx_http_ai_price(ctx, *found)) {
        return NGX_OK;
    }

    ad->e.code = AI_ERR_UNAVAILABLE;
    ad->e.retry_ms = 1000;

    return NGX_DECLINED;
}
