
/*
 * Which candidates a request fits: what their providers speak, how much they
 * read, and what the request may cost.
 */


#include "ngx_http_ai_choose.h"
#include "../core/ai_translate.h"


/* what is found out for one request, and is the same for several candidates */

typedef struct {
    ngx_http_ai_ctx_t         *ctx;
    ngx_http_ai_admission_t   *ad;
    int64_t                    ceiling;     /* nano-dollars; -1: none */
    int64_t                    cheapest;    /* of those above it; -1: none */
    const char                *param;       /* what cannot be translated */
    const char                *error;
    unsigned                   guessed:1;
    unsigned                   asked[AI_DIALECT_AZURE + 1];     /* 1: can be
                                               translated, 2: cannot */
} ngx_http_ai_fit_t;


static ngx_int_t ngx_http_ai_fit_ceiling(ngx_http_request_t *r,
    ngx_http_ai_fit_t *fit);
static uint64_t ngx_http_ai_fit_served(ngx_http_ai_fit_t *fit);
static ngx_uint_t ngx_http_ai_fit_translated(ngx_http_ai_fit_t *fit,
    ngx_http_ai_target_t *t, uint64_t keep);
static ngx_uint_t ngx_http_ai_fit_check(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_target_t *t, int64_t max_output, const char **param,
    const char **error);
static uint64_t ngx_http_ai_fit_cost(ngx_http_ai_fit_t *fit, uint64_t keep);
static uint64_t ngx_http_ai_fit_context(ngx_http_ai_fit_t *fit,
    uint64_t keep);
static void ngx_http_ai_fit_guess(ngx_http_ai_fit_t *fit);
static ngx_int_t ngx_http_ai_fit_keep(ngx_http_request_t *r,
    ngx_http_ai_fit_t *fit, uint64_t keep, ngx_uint_t longer);
static ngx_int_t ngx_http_ai_fit_none(ngx_http_ai_fit_t *fit);


/* translating a hostile body takes some 30 ns a byte */
#define NGX_HTTP_AI_FIT_MAX  (8 * 1024 * 1024)

/* candidates are at most 64: a bit for each */

#define ngx_http_ai_fit_all(n)  ((n) < 64 ? ((uint64_t) 1 << (n)) - 1        \
                                          : UINT64_MAX)
#define ngx_http_ai_fit_bit(i)  ((uint64_t) 1 << (i))


ngx_int_t
ngx_http_ai_fit(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    uint64_t            keep, longer;
    ngx_http_ai_fit_t   fit;

    ngx_memzero(&fit, sizeof(ngx_http_ai_fit_t));

    fit.ctx = ctx;
    fit.ad = ad;
    fit.cheapest = -1;

    if (ngx_http_ai_fit_ceiling(r, &fit) != NGX_OK) {
        return NGX_DECLINED;
    }

    keep = ngx_http_ai_fit_served(&fit);

    if (fit.ceiling >= 0) {
        keep = ngx_http_ai_fit_cost(&fit, keep);
    }

    longer = keep;

    if (ctx->model->contexts) {
        keep = ngx_http_ai_fit_context(&fit, keep);
    }

    if (keep == 0) {
        return ngx_http_ai_fit_none(&fit);
    }

    if (keep == ngx_http_ai_fit_all(ctx->ncandidates)) {
        return NGX_OK;
    }

    /* whether the first one is first because another's context is too short */

    longer &= ~keep;
    longer = (longer & -longer) && (longer & -longer) < (keep & -keep);

    return ngx_http_ai_fit_keep(r, &fit, keep, longer);
}


/*
 * X-AI-Max-Cost: a decimal in US dollars.  Of several, of the client's and of
 * a proxy's, say, the least holds.
 */

static ngx_int_t
ngx_http_ai_fit_ceiling(ngx_http_request_t *r, ngx_http_ai_fit_t *fit)
{
    int64_t           nanos;
    ngx_table_elt_t  *h;

    static ngx_str_t  header = ngx_string("x-ai-max-cost");

    fit->ceiling = -1;

    for (h = ngx_http_ai_header_find(r, &header, NULL);
         h;
         h = ngx_http_ai_header_find(r, &header, h))
    {
        if (ai_decimal_parse(h->value.data, h->value.len, &nanos) != AI_OK) {
            break;
        }

        if (fit->ceiling < 0 || nanos < fit->ceiling) {
            fit->ceiling = nanos;
        }
    }

    if (h == NULL) {
        return NGX_OK;
    }

    fit->ad->e.code = AI_ERR_REQUEST;
    ngx_http_ai_say(fit->ad, "X-AI-Max-Cost must be a decimal number of US "
                             "dollars with at most nine places.");
    return NGX_DECLINED;
}


/*
 * In their own dialect, or in another one that the request can be put into:
 * behind a candidate of its own dialect that is found out only when it is to be
 * tried (ngx_http_ai_fit_may()), so that it costs nothing as long as all is
 * well.
 */

static uint64_t
ngx_http_ai_fit_served(ngx_http_ai_fit_t *fit)
{
    uint64_t                  keep;
    ngx_uint_t                i;
    ngx_http_ai_ctx_t        *ctx;
    ngx_http_ai_target_t     *t;
    ngx_http_ai_provider_t   *p;

    ctx = fit->ctx;
    keep = 0;

    for (i = 0; i < ctx->ncandidates; i++) {
        t = ctx->candidates[i].target;
        p = t->provider;

        if (ai_route_serves(&ctx->route, p->api, (ai_str_t *) &p->base,
                            (ai_str_t *) &p->api_version)
            == AI_OK
            || ngx_http_ai_fit_translated(fit, t, keep))
        {
            keep |= ngx_http_ai_fit_bit(i);
        }
    }

    return keep;
}


/* once for each dialect: it reads the whole body */

static ngx_uint_t
ngx_http_ai_fit_translated(ngx_http_ai_fit_t *fit, ngx_http_ai_target_t *t,
    uint64_t keep)
{
    ai_route_t          to;
    ai_dialect_t        api;
    ngx_http_ai_ctx_t  *ctx;

    ctx = fit->ctx;
    api = t->provider->api;

    if (keep && fit->asked[api] == 0) {
        return ai_translate_route(&to, &ctx->route, api, ctx->streamed)
               == AI_OK;
    }

    if (fit->asked[api] == 0) {
        fit->asked[api] = ngx_http_ai_fit_check(ctx, t,
                                                fit->ad->want.max_output,
                                                &fit->param, &fit->error)
                          ? 1 : 2;
    }

    return fit->asked[api] == 1;
}


ngx_uint_t
ngx_http_ai_fit_may(ngx_http_ai_ctx_t *ctx, ngx_http_ai_target_t *t,
    int64_t max_output)
{
    const char              *param, *error;
    ngx_http_ai_provider_t  *p;

    p = t->provider;

    return ai_route_serves(&ctx->route, p->api, (ai_str_t *) &p->base,
                           (ai_str_t *) &p->api_version)
           == AI_OK
           || ngx_http_ai_fit_check(ctx, t, max_output, &param, &error);
}


/* whether the request can be put into the target's dialect, and why not */

static ngx_uint_t
ngx_http_ai_fit_check(ngx_http_ai_ctx_t *ctx, ngx_http_ai_target_t *t,
    int64_t max_output, const char **param, const char **error)
{
    ai_out_t             out;
    ai_route_t           to;
    ai_translate_want_t  want;

    *param = NULL;
    *error = NULL;

    if (ai_translate_route(&to, &ctx->route, t->provider->api, ctx->streamed)
        != AI_OK)
    {
        return 0;
    }

    if (ctx->body.len > NGX_HTTP_AI_FIT_MAX) {
        *error = "This request is too long for the providers that are left.";
        return 0;
    }

    ngx_memzero(&out, sizeof(ai_out_t));
    ngx_memzero(&want, sizeof(ai_translate_want_t));

    want.api = t->provider->api;
    want.model = (ai_str_t *) &t->model;
    want.max_output = max_output;
    want.stream = ctx->streamed;

    if (ai_translate_request(&out, &want, ctx->body.data, ctx->body.len,
                             param, error)
        == AI_OK)
    {
        return 1;
    }

    /* the client's own cap may be what lacks */

    want.max_output = ngx_http_ai_target_cap(t);

    return max_output < 0 && want.max_output > 0
           && ai_translate_request(&out, &want, ctx->body.data, ctx->body.len,
                                   param, error)
              == AI_OK;
}


static uint64_t
ngx_http_ai_fit_cost(ngx_http_ai_fit_t *fit, uint64_t keep)
{
    int64_t             cost;
    ngx_uint_t          i;
    ngx_http_ai_ctx_t  *ctx;

    ngx_http_ai_fit_guess(fit);

    ctx = fit->ctx;

    for (i = 0; i < ctx->ncandidates; i++) {

        if (!(keep & ngx_http_ai_fit_bit(i))) {
            continue;
        }

        cost = ngx_http_ai_likely_cost(ctx, ctx->candidates[i].target);

        if (cost > fit->ceiling) {
            keep &= ~ngx_http_ai_fit_bit(i);

            if (fit->cheapest < 0 || cost < fit->cheapest) {
                fit->cheapest = cost;
            }
        }
    }

    return keep;
}


/* one whose context is not known may be long enough; where all are too short
   the provider is to say so */

static uint64_t
ngx_http_ai_fit_context(ngx_http_ai_fit_t *fit, uint64_t keep)
{
    uint64_t            enough, context;
    ngx_uint_t          i;
    ngx_http_ai_ctx_t  *ctx;

    ngx_http_ai_fit_guess(fit);

    ctx = fit->ctx;
    enough = 0;

    for (i = 0; i < ctx->ncandidates; i++) {
        context = ctx->candidates[i].target->context;

        if (context == 0 || context >= (uint64_t) ctx->guess[0]) {
            enough |= ngx_http_ai_fit_bit(i);
        }
    }

    return (keep & enough) ? (keep & enough) : keep;
}


static void
ngx_http_ai_fit_guess(ngx_http_ai_fit_t *fit)
{
    if (!fit->guessed) {
        fit->guessed = 1;
        ngx_http_ai_guess(fit->ctx, fit->ad);
    }
}


/* the list may be the configuration's own: those that stay are copied */

static ngx_int_t
ngx_http_ai_fit_keep(ngx_http_request_t *r, ngx_http_ai_fit_t *fit,
    uint64_t keep, ngx_uint_t longer)
{
    ngx_uint_t                i, n;
    ngx_http_ai_ctx_t        *ctx;
    ngx_http_ai_candidate_t  *c;

    ctx = fit->ctx;

    c = ngx_palloc(r->pool, ctx->ncandidates * sizeof(ngx_http_ai_candidate_t));
    if (c == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0, n = 0; i < ctx->ncandidates; i++) {
        if (keep & ngx_http_ai_fit_bit(i)) {
            c[n++] = ctx->candidates[i];
        }
    }

    if (longer) {
        c[0].chosen = AI_CHOSEN_CONTEXT;
    }

    ctx->candidates = c;
    ctx->ncandidates = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_fit_none(ngx_http_ai_fit_t *fit)
{
    ai_buf_t                  b;
    ngx_http_ai_admission_t  *ad;

    ad = fit->ad;

    if (fit->ctx->ncandidates == 0) {
        ad->e.code = AI_ERR_UPSTREAM;
        ad->e.status = NGX_HTTP_SERVICE_UNAVAILABLE;
        ngx_http_ai_say(ad, "No provider takes requests for this model at "
                            "the moment.");
        return NGX_DECLINED;
    }

    if (fit->cheapest >= 0) {
        ai_buf_init(&b, ad->text, sizeof(ad->text));
        ai_buf_cstr(&b, "The cheapest answer to this request is estimated at "
                        "$");
        ai_buf_nanos(&b, fit->cheapest);
        ai_buf_cstr(&b, ", which is above X-AI-Max-Cost.");

        ad->e.code = AI_ERR_REQUEST;
        ad->e.message.data = ad->text;
        ad->e.message.len = b.pos - ad->text;
        return NGX_DECLINED;
    }

    if (fit->error) {
        ad->e.code = AI_ERR_REQUEST;
        ad->e.param = fit->param;
        ad->e.message.data = (u_char *) fit->error;
        ad->e.message.len = ngx_strlen(fit->error);
        return NGX_DECLINED;
    }

    /* another dialect's model */

    ad->e.code = AI_ERR_NO_MODEL;
    ad->e.model.len = fit->ctx->model->sn.str.len;
    ad->e.model.data = fit->ctx->model->sn.str.data;

    return NGX_DECLINED;
}


ngx_http_ai_candidate_t *
ngx_http_ai_choose_longer(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_candidate_t *after)
{
    ngx_http_ai_candidate_t  *c, *last;

    last = ctx->candidates + ctx->ncandidates;

    if (after->target->context == 0) {
        return NULL;
    }

    for (c = after + 1; c < last; c++) {
        if (c->target->context > after->target->context) {
            return c;
        }
    }

    return NULL;
}
