
/*
 * Which candidate an attempt goes to now.
 */


#include "ngx_http_ai_pick.h"
#include "ngx_http_ai_routing.h"
#include "ngx_http_ai_settle.h"


static ngx_int_t ngx_http_ai_pick_may(ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_pick_take(ngx_http_ai_attempt_t *at,
    ngx_http_ai_candidate_t *c);
static ai_target_state_t ngx_http_ai_pick_begin(ngx_http_ai_attempt_t *at,
    ngx_http_ai_target_t *target, ngx_uint_t resort);
static ngx_int_t ngx_http_ai_pick_last(ngx_http_ai_attempt_t *at);
static uint64_t ngx_http_ai_pick_tokens(ngx_http_ai_ctx_t *ctx);
static uint32_t ngx_http_ai_pick_random(void);


ngx_int_t
ngx_http_ai_pick(ngx_http_ai_attempt_t *at)
{
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;

    if (ngx_http_ai_pick_may(at) != NGX_OK) {
        return NGX_DECLINED;
    }

    at->full = NULL;
    at->resort = NULL;
    at->rest_ms = 0;

    for (i = at->next; i < ctx->ncandidates; i++) {

        rc = ngx_http_ai_pick_take(at, &ctx->candidates[i]);

        if (rc == NGX_OK) {
            at->next = i + 1;
            return NGX_OK;
        }

        if (rc == NGX_BUSY && at->full == NULL) {
            at->full = &ctx->candidates[i];
        }
    }

    if (at->full) {
        return NGX_BUSY;
    }

    /* an answer in hand is better than one that was foretold */

    return at->running ? NGX_DECLINED : ngx_http_ai_pick_last(at);
}


ngx_int_t
ngx_http_ai_pick_wait(ngx_http_ai_attempt_t *at)
{
    if (ngx_http_ai_gate_wait(at->ctx, at->full->target) == NGX_DONE) {

        /* it is the first to be tried then */

        at->next = at->full - at->ctx->candidates;

        return NGX_DONE;
    }

    return ngx_http_ai_pick_last(at);
}


/* attempts are bounded in number and time */

static ngx_int_t
ngx_http_ai_pick_may(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_model_t  *model;

    model = at->ctx->model;

    if (at->n >= model->attempts) {
        return NGX_DECLINED;
    }

    if (model->total && at->n
        && ngx_current_msec - at->ctx->started >= model->total)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* NGX_BUSY: no place is free; NGX_DECLINED: not now */

static ngx_int_t
ngx_http_ai_pick_take(ngx_http_ai_attempt_t *at, ngx_http_ai_candidate_t *c)
{
    ai_target_state_t  state;

    if (c != at->ctx->candidates
        && !ngx_http_ai_fit_may(at->ctx, c->target, at->max_output))
    {
        return NGX_DECLINED;
    }

    if (ngx_http_ai_gate_take(at->ctx, c->target) != NGX_OK) {
        return NGX_BUSY;
    }

    state = ngx_http_ai_pick_begin(at, c->target, 0);

    if (state == AI_TARGET_READY) {
        at->chosen = at->again && c == at->candidate ? AI_CHOSEN_RETRY
                                                     : c->chosen;
        at->candidate = c;
        at->key_tries = 0;
        at->again = 0;
        return NGX_OK;
    }

    ngx_http_ai_gate_free(at->ctx);

    if (state != AI_TARGET_OPEN && at->resort == NULL) {
        at->resort = c;
    }

    return NGX_DECLINED;
}


/* on the board, and the key that is next */

static ai_target_state_t
ngx_http_ai_pick_begin(ngx_http_ai_attempt_t *at, ngx_http_ai_target_t *target,
    ngx_uint_t resort)
{
    uint64_t                  wait_ms, dry_ms, tokens, call;
    unsigned                  probe;
    ngx_uint_t                nkeys;
    ngx_ai_routing_t         *rt;
    ai_target_state_t         state;
    ngx_http_ai_provider_t   *provider;

    rt = ngx_http_ai_mcf(at->ctx)->routing;
    provider = target->provider;
    nkeys = provider->key_places ? provider->keys.nelts : 0;

    at->key = 0;

    if (target->place == AI_BOARD_NONE && nkeys < 2) {
        return AI_TARGET_READY;
    }

    wait_ms = 0;
    probe = 0;
    state = AI_TARGET_READY;
    dry_ms = 0;
    tokens = ngx_http_ai_pick_tokens(at->ctx);

    ngx_ai_routing_lock(rt);

    if (nkeys > 1 && !resort) {
        dry_ms = ai_board_keys_dry(rt->board, provider->key_places,
                                   (uint32_t) nkeys, tokens,
                                   ngx_current_msec);
    }

    if (target->place != AI_BOARD_NONE && !resort) {
        state = dry_ms
                ? ai_board_ask(rt->board, target->place, tokens,
                               ngx_current_msec, &wait_ms)
                : ai_board_begin(rt->board, target->place, tokens,
                                 ngx_current_msec, &wait_ms, &probe);
    }

    if (state == AI_TARGET_READY && dry_ms) {
        state = AI_TARGET_DRY;
        wait_ms = dry_ms;
    }

    call = ai_board_calls(rt->board, target->place);

    if (state == AI_TARGET_READY && nkeys > 1) {
        at->key = ai_board_key_next(rt->board, provider->key_places,
                                    (uint32_t) nkeys, tokens,
                                    ngx_current_msec, &wait_ms);
    }

    ngx_ai_routing_unlock(rt);

    if (target->place != AI_BOARD_NONE && !resort) {
        ngx_http_ai_routing_debug(at->ctx, target, call,
                                  ngx_http_ai_routing_states[state], probe,
                                  wait_ms);
    }

    if (state == AI_TARGET_READY) {
        at->begun = (target->place != AI_BOARD_NONE && !resort);
        at->probe = probe;

    } else if (at->rest_ms == 0 || wait_ms < at->rest_ms) {
        at->rest_ms = wait_ms;
    }

    return state;
}


static ngx_int_t
ngx_http_ai_pick_last(ngx_http_ai_attempt_t *at)
{
    if (at->resort == NULL
        || ngx_http_ai_gate_take(at->ctx, at->resort->target) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    (void) ngx_http_ai_pick_begin(at, at->resort->target, 1);

    at->candidate = at->resort;
    at->chosen = at->resort->chosen;
    at->key_tries = 0;
    at->next = at->ctx->ncandidates;

    return NGX_OK;
}


void
ngx_http_ai_pick_failed(ngx_http_ai_attempt_t *at, ai_outcome_t outcome,
    int64_t retry_ms)
{
    uint64_t               call;
    ngx_ai_routing_t      *rt;
    ai_board_change_t      change;
    ngx_http_ai_target_t  *target;

    ngx_http_ai_gate_free(at->ctx);

    if (!at->begun) {
        return;
    }

    at->begun = 0;

    /* of the one that began there: ctx->target is yet the one before it */

    target = at->candidate->target;
    rt = ngx_http_ai_mcf(at->ctx)->routing;

    ngx_ai_routing_lock(rt);
    change = ai_board_end(rt->board, target->place, outcome, at->probe,
                          (uint32_t) (ngx_current_msec - at->since), retry_ms,
                          ngx_current_msec, ngx_http_ai_pick_random());
    call = ai_board_calls(rt->board, target->place);
    ngx_ai_routing_unlock(rt);

    ngx_http_ai_routing_debug(at->ctx, target, call,
                              ngx_http_ai_routing_outcomes[outcome],
                              at->probe, retry_ms);

    ngx_http_ai_routing_log(at->ctx->request->connection->log,
                            at->ctx->model, target, change);
}


void
ngx_http_ai_pick_good(ngx_http_ai_attempt_t *at)
{
    uint64_t                 call;
    ngx_ai_routing_t        *rt;
    ai_board_change_t        change;
    ngx_http_ai_target_t    *target;
    ngx_http_ai_provider_t  *provider;

    if (!at->begun) {
        return;
    }

    at->begun = 0;

    target = at->ctx->target;
    provider = target->provider;
    rt = ngx_http_ai_mcf(at->ctx)->routing;

    ngx_ai_routing_lock(rt);

    change = ai_board_end(rt->board, target->place, AI_OUTCOME_OK, at->probe,
                          (uint32_t) (ngx_current_msec - at->since), -1,
                          ngx_current_msec, ngx_http_ai_pick_random());
    call = ai_board_calls(rt->board, target->place);

    if (provider->key_places && provider->keys.nelts > 1) {
        ai_board_key_good(rt->board, provider->key_places[at->key]);
    }

    ngx_ai_routing_unlock(rt);

    ngx_http_ai_routing_debug(at->ctx, target, call,
                        ngx_http_ai_routing_outcomes[AI_OUTCOME_OK],
                        at->probe, ngx_current_msec - at->since);

    if (change != AI_BOARD_SAME) {
        ngx_http_ai_routing_log(at->ctx->request->connection->log,
                            at->ctx->model, target, change);
    }
}


void
ngx_http_ai_pick_close(ngx_http_ai_attempt_t *at, ai_reason_t reason)
{
    uint64_t               call;
    ngx_ai_routing_t      *rt;
    ngx_http_ai_ctx_t     *ctx;
    ai_board_change_t      change;
    ngx_http_ai_target_t  *target;

    ctx = at->ctx;

    if (at->begun) {
        ngx_http_ai_pick_failed(at, AI_OUTCOME_GONE, -1);
        return;
    }

    ngx_http_ai_gate_free(ctx);

    target = ctx->target;

    /* a breaker is for those that do not answer; a canary is judged by all */

    if (!ctx->answered || ctx->hit || !target->canary
        || target->place == AI_BOARD_NONE
        || ctx->request->headers_out.status != NGX_HTTP_OK
        || (reason != AI_REASON_CUT && (ctx->meter == NULL
                                        || !ctx->meter->failed)))
    {
        return;
    }

    rt = ngx_http_ai_mcf(ctx)->routing;

    ngx_ai_routing_lock(rt);
    change = ai_board_broke(rt->board, target->place, ngx_current_msec,
                            ngx_http_ai_pick_random());
    call = ai_board_calls(rt->board, target->place);
    ngx_ai_routing_unlock(rt);

    ngx_http_ai_routing_debug(ctx, target, call, "broke", 0, -1);

    ngx_http_ai_routing_log(ctx->request->connection->log, ctx->model, target,
                            change);
}


ngx_uint_t
ngx_http_ai_pick_key(ngx_http_ai_attempt_t *at, ngx_uint_t status,
    int64_t retry_ms)
{
    uint64_t                 wait_ms;
    unsigned                 rested;
    ngx_uint_t               key;
    ngx_ai_routing_t        *rt;
    ngx_http_ai_target_t    *target;
    ngx_http_ai_provider_t  *provider;

    target = at->ctx->target;
    provider = target->provider;

    if (provider->key_places == NULL || provider->keys.nelts < 2) {
        return 0;
    }

    rt = ngx_http_ai_mcf(at->ctx)->routing;

    ngx_ai_routing_lock(rt);

    rested = ai_board_key_rest(rt->board, provider->key_places[at->key],
                               status, retry_ms, ngx_current_msec);

    key = ai_board_key_next(rt->board, provider->key_places,
                            (uint32_t) provider->keys.nelts,
                            ngx_http_ai_pick_tokens(at->ctx), ngx_current_msec,
                            &wait_ms);

    ngx_ai_routing_unlock(rt);

    if (rested) {
        ngx_log_error(NGX_LOG_WARN, at->ctx->request->connection->log, 0,
                      "ai provider \"%V\" answered %ui to its key %ui of %ui, "
                      "which rests", &provider->name, status, at->key + 1,
                      provider->keys.nelts);
    }

    if (wait_ms || at->key_tries + 1 >= provider->keys.nelts
        || ngx_http_ai_pick_may(at) != NGX_OK)
    {
        return 0;
    }

    at->key = key;
    at->key_tries++;
    at->chosen = AI_CHOSEN_KEY;

    return 1;
}


ngx_uint_t
ngx_http_ai_pick_retry(ngx_http_ai_attempt_t *at, int64_t retry_ms)
{
    uint64_t              here, there;
    ngx_ai_routing_t     *rt;
    ngx_http_ai_ctx_t    *ctx;
    ngx_http_ai_model_t  *model;

    ctx = at->ctx;
    model = ctx->model;

    if (retry_ms <= 0 || (ngx_msec_t) retry_ms > model->retry
        || at->chosen == AI_CHOSEN_RETRY || at->next == ctx->ncandidates
        || ctx->target->place == AI_BOARD_NONE
        || ctx->candidates[at->next].target->place == AI_BOARD_NONE
        || ngx_http_ai_pick_may(at) != NGX_OK)
    {
        return 0;
    }

    rt = ngx_http_ai_mcf(ctx)->routing;

    ngx_ai_routing_lock(rt);
    here = ai_board_latency(rt->board, ctx->target->place);
    there = ai_board_latency(rt->board,
                             ctx->candidates[at->next].target->place);
    ngx_ai_routing_unlock(rt);

    return retry_ms + here < there;
}


ngx_int_t
ngx_http_ai_pick_longer(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_candidate_t  *c;

    if (ngx_http_ai_pick_may(at) != NGX_OK) {
        return NGX_DECLINED;
    }

    c = at->candidate;

    while ((c = ngx_http_ai_choose_longer(at->ctx, c)) != NULL) {

        if (ngx_http_ai_pick_take(at, c) == NGX_OK) {
            at->chosen = AI_CHOSEN_CONTEXT;
            at->next = c - at->ctx->candidates + 1;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static uint64_t
ngx_http_ai_pick_tokens(ngx_http_ai_ctx_t *ctx)
{
    return ctx->guess[0] + ctx->guess[1];
}


static uint32_t
ngx_http_ai_pick_random(void)
{
    return (uint32_t) ngx_random();
}
