
/*
 * What a request may cost at most, the hold on all of its tenant's limits, and
 * its slot in the ledger.
 */


#include "ngx_http_ai_wait.h"


/*
 * Tokens of an image or a file in the body, which a provider counts by its
 * pixels or pages, not by its bytes: at most (beside its bytes), and usually.
 */
#define NGX_HTTP_AI_MEDIA_MAX    16384
#define NGX_HTTP_AI_MEDIA_USUAL  1024


static int64_t ngx_http_ai_output_cap(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, int64_t cap);
static ngx_int_t ngx_http_ai_held_off(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ai_hold_ask_t *ask, ai_refused_t *why,
    int taken);
static int ngx_http_ai_take(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ai_hold_ask_t *ask, ai_refused_t *why);
static ngx_uint_t ngx_http_ai_timed(ngx_http_ai_ctx_t *ctx);
static int64_t ngx_http_ai_bound_cost(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, uint64_t now_s);
static void ngx_http_ai_dearest(ngx_http_ai_ctx_t *ctx, uint64_t now_s,
    int64_t *in, int64_t *out, int64_t units[AI_UNIT_N]);
static void ngx_http_ai_refused(ngx_http_ai_admission_t *ad,
    ai_refused_t *why, uint64_t now_s);
static void ngx_http_ai_slot_fill(ngx_http_ai_ctx_t *ctx, ai_book_t *book);


/*
 * Upper bounds of what the request may use: a token is at least one byte of
 * the body, and output is capped, in the request itself where the client gave
 * no cap.
 */

ngx_int_t
ngx_http_ai_step_bound(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    int64_t              cap, n;
    ngx_http_ai_plan_t  *plan;

    plan = ctx->key->tenant->plan;

    ad->unbounded = ad->rq->unbounded;
    ad->input = ctx->body.len + ad->rq->media * NGX_HTTP_AI_MEDIA_MAX;
    ad->output = 0;
    ad->want.max_output = -1;

    cap = ctx->model->max_output;

    if (plan->max_output && (cap == 0 || (int64_t) plan->max_output < cap)) {
        cap = plan->max_output;
    }

    switch (ctx->route.ep) {

    case AI_EP_CHAT:
    case AI_EP_COMPLETIONS:
    case AI_EP_RESPONSES:
    case AI_EP_MESSAGES:
    case AI_EP_GENERATE:
    case AI_EP_STREAM_GENERATE:
        cap = ngx_http_ai_output_cap(ctx, ad, cap);
        break;

    case AI_EP_IMAGES:
    case AI_EP_SPEECH:
    case AI_EP_TRANSCRIPTIONS:
    case AI_EP_TRANSLATIONS:
        if (cap == 0) {
            cap = -1;           /* no member of the request caps it */
        }

        break;

    default:
        cap = 0;                /* has no output */
    }

    if (cap < 0) {
        ad->unbounded |= AI_UNBOUNDED_OUTPUT;

    } else {
        n = (int64_t) ngx_max(ad->rq->choices, ad->rq->images);
        n = ngx_min(n, AI_LIMIT_MAX);
        ad->output = ngx_min(cap, AI_LIMIT_MAX / n) * n;
    }

    /* how long an upload plays cannot be told from its size */

    if (ngx_http_ai_timed(ctx)) {
        ad->unbounded |= AI_UNBOUNDED_REMOTE;
    }

    if (ad->unbounded && ctx->key->tenant->refuse_unbounded) {
        ad->e.code = AI_ERR_UNBOUNDED;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* whether some target has a price for the seconds of a sound */

static ngx_uint_t
ngx_http_ai_timed(ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t             i;
    const ai_price_t      *price;
    ngx_http_ai_target_t  *t;

    if (ctx->price->units[AI_UNIT_AUDIO_SECONDS] > 0) {
        return 1;
    }

    if (!ctx->model->priced) {
        return 0;
    }

    t = ctx->model->targets.elts;

    for (i = 0; i < ctx->model->targets.nelts; i++) {
        price = t[i].priced ? ngx_http_ai_price(ctx, t[i].priced) : NULL;

        if (price && price->units[AI_UNIT_AUDIO_SECONDS] > 0) {
            return 1;
        }
    }

    return 0;
}


/*
 * The cap that holds, after the one of the model and the plan (0: none) was
 * written into the request where that is needed; -1: there is none.
 */

static int64_t
ngx_http_ai_output_cap(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    int64_t cap)
{
    int64_t  asked;

    asked = ad->rq->max_output;

    if (cap == 0) {
        return asked;
    }

    if (asked >= 0 && asked <= cap) {
        return asked;
    }

    /* a legacy completion without a cap means 16 tokens: no more is put in */

    if (asked < 0 && ctx->route.ep == AI_EP_COMPLETIONS) {
        cap = ngx_min(cap, 16);
    }

    ad->want.max_output = cap;

    return cap;
}


ngx_int_t
ngx_http_ai_step_hold(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    int                  rc;
    ai_refused_t         why;
    ai_hold_ask_t        ask;
    ngx_ai_ledger_t     *ld;
    ngx_http_ai_wait_t  *w;

    w = ctx->wait;

    if (w && w->unheard) {
        return ngx_http_ai_wait_lost(ctx, ad, &w->why);
    }

    if (w && w->expired && w->line && !ngx_http_ai_queue_first(w)) {
        ngx_http_ai_refused(ad, &w->why, ctx->admitted_s);
        return NGX_DECLINED;
    }

    ad->e.code = AI_ERR_UNAVAILABLE;
    ad->e.retry_ms = 1000;

    ld = ngx_http_ai_ledger_get(ad->mcf);

    if (ld == NULL || (ad->mcf->redis && ad->mcf->lease == NULL)) {
        return NGX_DECLINED;
    }

    ngx_memzero(&ask, sizeof(ai_hold_ask_t));

    ctx->slot = ngx_ai_ledger_take(ld, &ask.segment, &ask.slot);

    if (ctx->slot == NULL) {
        return NGX_DECLINED;
    }

    ask.worker = ngx_ai_ledger_worker(ld);

    rc = ngx_http_ai_take(ctx, ad, &ask, &why);

    if (rc == AI_OK) {
        ctx->admitted = 1;
        ctx->started = ngx_current_msec;
        ngx_http_ai_slot_fill(ctx, ad->mcf->zone->book);
        ngx_http_ai_wait_end(ctx);

        if (ask.shared && why.ahead) {
            ngx_ai_lease_ahead(ad->mcf->lease, &ask);
        }

        return NGX_OK;
    }

    ngx_ai_ledger_drop(ld, ctx->slot);
    ctx->slot = NULL;

    return ngx_http_ai_held_off(ctx, ad, &ask, &why, rc);
}


/* without a hold: it waits, or is refused */

static ngx_int_t
ngx_http_ai_held_off(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    ai_hold_ask_t *ask, ai_refused_t *why, int taken)
{
    ngx_int_t  rc;

    if (taken == AI_AGAIN && ask->shared) {
        return ngx_http_ai_wait_store(ctx, ad, ask, why);
    }

    if (taken != AI_BUSY) {
        return NGX_DECLINED;
    }

    if (why->limit.resource == AI_RES_CONCURRENCY) {
        rc = ngx_http_ai_wait_slot(ctx, ad, ask, why);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    ngx_http_ai_refused(ad, why, ctx->admitted_s);

    return NGX_DECLINED;
}


static int
ngx_http_ai_take(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    ai_hold_ask_t *ask, ai_refused_t *why)
{
    int                    rc;
    ai_now_t               now;
    ngx_ai_zone_t         *zone;
    ngx_http_ai_tenant_t  *tenant;

    zone = ad->mcf->zone;
    tenant = ctx->key->tenant;

    ngx_ai_now(&now);
    ctx->admitted_s = now.now_s;
    ctx->admitted_ms = ngx_ai_now_as_ms(&now);

    ngx_http_ai_guess(ctx, ad);
    ctx->hold_nanos = ngx_http_ai_bound_cost(ctx, ad, now.now_s);
    ctx->unbounded = ad->unbounded ? 1 : 0;

    ask->party[0].id = tenant->owner;
    ask->party[0].limits = tenant->limits->elts;
    ask->party[0].nlimits = tenant->limits->nelts;
    ask->nparty = 1;

    if (ctx->key->limits) {
        ask->party[1].id = ctx->key->owner;
        ask->party[1].limits = ctx->key->limits->elts;
        ask->party[1].nlimits = ctx->key->limits->nelts;
        ask->nparty = 2;
    }

    ask->bound[AI_RES_REQUESTS] = 1;
    ask->bound[AI_RES_INPUT_TOKENS] = ad->input;
    ask->bound[AI_RES_OUTPUT_TOKENS] = ad->output;
    ask->bound[AI_RES_TOKENS] = ad->input + ad->output;
    ask->bound[AI_RES_COST] = ctx->hold_nanos;

    ask->guess[AI_RES_REQUESTS] = 1;
    ask->guess[AI_RES_INPUT_TOKENS] = ctx->guess[0];
    ask->guess[AI_RES_OUTPUT_TOKENS] = ctx->guess[1];
    ask->guess[AI_RES_TOKENS] = ctx->guess[0] + ctx->guess[1];
    ask->guess[AI_RES_COST] = ctx->hold_nanos;

    if (ad->mcf->lease) {
        ngx_ai_lease_judge(ad->mcf->lease, ask, tenant->plan->store_loss);
    }

    ask->queued = (ctx->wait && ctx->wait->place);

    ngx_ai_zone_lock(zone);
    rc = ai_book_take(zone->book, ask, &now, &ctx->hold, why);
    ngx_ai_zone_unlock(zone);

    return rc;
}


void
ngx_http_ai_guess(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad)
{
    ai_ratio_t  ratio;

    ai_book_ratio_get(ad->mcf->zone->book,
                      (ai_str_t *) &ctx->model->sn.str, &ratio);

    ctx->guess[0] = (ctx->body.len - ad->rq->media_bytes) * 1024
                    / ngx_max(ratio.in_bytes, 1);
    ctx->guess[0] += ad->rq->media * NGX_HTTP_AI_MEDIA_USUAL;
    ctx->guess[0] = ngx_min(ctx->guess[0] + 1, ad->input);

    ctx->guess[1] = (int64_t) ratio.out_tokens
                    * (int64_t) ngx_min(ad->rq->choices, 1024);

    if (!(ad->unbounded & AI_UNBOUNDED_OUTPUT)) {
        ctx->guess[1] = ngx_min(ctx->guess[1], ad->output);
    }
}


static int64_t
ngx_http_ai_bound_cost(ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    uint64_t now_s)
{
    int64_t               in, out, more_in, more_out, price[AI_UNIT_N];
    ngx_str_t             name;
    ngx_uint_t            i;
    const ai_price_t     *other;
    unsigned __int128     sum;
    ngx_http_ai_model_t  *model;
    const struct {
        ngx_uint_t      unit;
        uint64_t        count;
    } units[] = {
        { AI_UNIT_REQUESTS, 1 },
        { AI_UNIT_IMAGES, ctx->images },
        { AI_UNIT_CHARACTERS, ctx->characters },
        { AI_UNIT_WEB_SEARCHES, ad->rq->searches }
    };

    ngx_http_ai_dearest(ctx, now_s, &in, &out, price);

    /* fallbacks and models of tools: each may run beside the one asked for */

    for (i = 0; i < ad->rq->nnamed; i++) {
        name.len = ad->rq->named[i].len;
        name.data = ad->rq->named[i].name;

        model = ngx_http_ai_model_find(ad->mcf, &name);
        other = model ? ngx_http_ai_price(ctx, model) : NULL;

        if (other) {
            ai_price_dearest(other, now_s, &more_in, &more_out);
            in += more_in;
            out += more_out;
        }
    }

    /* rounded up: a bound must not lose the last nano-dollar */

    sum = (unsigned __int128) ad->input * (uint64_t) in
          + (unsigned __int128) ad->output * (uint64_t) out;
    sum = (sum + 999999) / 1000000;

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (price[units[i].unit] > 0) {
            sum += (unsigned __int128) units[i].count
                   * (uint64_t) price[units[i].unit];
        }
    }

    return sum > AI_LIMIT_MAX ? AI_LIMIT_MAX : (int64_t) sum;
}


/* one of the candidates serves, whichever: the bound must hold for each */

static void
ngx_http_ai_dearest(ngx_http_ai_ctx_t *ctx, uint64_t now_s, int64_t *in,
    int64_t *out, int64_t units[AI_UNIT_N])
{
    int64_t               more_in, more_out;
    ngx_uint_t            i, k;
    const ai_price_t     *price;
    ngx_http_ai_model_t  *model;

    ai_price_dearest(ctx->price, now_s, in, out);
    ngx_memcpy(units, ctx->price->units, sizeof(ctx->price->units));

    if (!ctx->model->priced) {
        return;
    }

    for (i = 0; i < ctx->ncandidates; i++) {
        model = ctx->candidates[i].target->priced;
        price = model ? ngx_http_ai_price(ctx, model) : NULL;

        if (price == NULL || price == ctx->price) {
            continue;
        }

        ai_price_dearest(price, now_s, &more_in, &more_out);

        *in = ngx_max(*in, more_in);
        *out = ngx_max(*out, more_out);

        for (k = 0; k < AI_UNIT_N; k++) {
            units[k] = ngx_max(units[k], price->units[k]);
        }
    }
}


static void
ngx_http_ai_refused(ngx_http_ai_admission_t *ad, ai_refused_t *why,
    uint64_t now_s)
{
    ai_buf_t  b;

    if (why->limit.resource == AI_RES_CONCURRENCY) {
        ad->e.code = AI_ERR_CONCURRENCY;

    } else if (why->budget) {
        ad->e.code = AI_ERR_BUDGET;

    } else if (why->limit.resource == AI_RES_REQUESTS) {
        ad->e.code = AI_ERR_RATE_REQUESTS;

    } else {
        ad->e.code = AI_ERR_RATE_TOKENS;
    }

    ad->e.retry_ms = why->wait_ms;

    ai_buf_init(&b, ad->text, sizeof(ad->text));
    ai_explain(&b, why, now_s);

    ad->e.message.data = ad->text;
    ad->e.message.len = b.pos - ad->text;
}


/* the row as far as it is known before anything goes upstream */

static void
ngx_http_ai_slot_fill(ngx_http_ai_ctx_t *ctx, ai_book_t *book)
{
    uint64_t               ms, at;
    ai_slot_t             *s;
    ngx_http_ai_tenant_t  *tenant;

    s = ctx->slot;
    tenant = ctx->key->tenant;

    /* by the calendar of the limits: a restart counts the row where it was */

    ms = ctx->admitted_ms;
    at = ai_book_hold_s(book, ctx->hold, ms / 1000) * 1000;

    ai_slot_begin(s, ctx->uuid, at > ms ? at : ms, ctx->route.dialect,
                  ctx->route.ep);

    s->hold_nanos = ctx->hold_nanos;
    s->request_bytes = ctx->request_bytes;
    s->price_version = ctx->price->version;
    s->stream = ctx->streamed;

    ai_slot_string(s, AI_SLOT_TENANT, (ai_str_t *) &tenant->sn.str);
    ai_slot_string(s, AI_SLOT_KEY, (ai_str_t *) &ctx->key->name);
    ai_slot_string(s, AI_SLOT_PLAN, (ai_str_t *) &tenant->plan->sn.str);
    ai_slot_string(s, AI_SLOT_LABELS, (ai_str_t *) &tenant->labels);
    ai_slot_string(s, AI_SLOT_MODEL, (ai_str_t *) &ctx->model->sn.str);

    ai_slot_intent(s);
}
