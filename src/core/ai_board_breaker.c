
/*
 * An attempt's way over the board: whether it may go, and what its end changes.
 *
 * A breaker is closed, or open until a time; from then on it is half open: one
 * attempt goes there, the probe, and what it brings closes the breaker or opens
 * it again.  Attempts that began before it opened say nothing about that.
 */


#include "ai_board_int.h"


static uint64_t
ai_board_breaker_wait(const ai_board_target_t *t, uint64_t now_ms)
{
    uint64_t  wait;

    if (t->mode == AI_BREAKER_OPEN) {
        return t->conf.cooldown_ms;
    }

    if (t->mode == AI_BREAKER_CLOSED || !t->open) {
        return 0;
    }

    wait = ai_board_left(t->open_ms, now_ms);

    if (wait == 0 && t->probe) {
        wait = ai_board_left(t->probe_ms, now_ms);
    }

    return wait;
}


static ai_target_state_t
ai_board_state(const ai_board_target_t *t, uint64_t tokens, uint64_t now_ms,
    uint64_t *wait_ms)
{
    *wait_ms = ai_board_breaker_wait(t, now_ms);

    if (*wait_ms) {
        return AI_TARGET_OPEN;
    }

    *wait_ms = ai_board_left(t->rest_ms, now_ms);

    if (*wait_ms) {
        return AI_TARGET_RESTING;
    }

    *wait_ms = ai_board_quota_dry(&t->quotas, tokens, now_ms);

    return *wait_ms ? AI_TARGET_DRY : AI_TARGET_READY;
}


ai_target_state_t
ai_board_ask(const ai_board_t *bd, uint32_t target, uint64_t tokens,
    uint64_t now_ms, uint64_t *wait_ms)
{
    const ai_board_target_t  *t;

    t = ai_board_get(bd, target);

    if (t == NULL) {
        *wait_ms = 0;
        return AI_TARGET_READY;
    }

    return ai_board_state(t, tokens, now_ms, wait_ms);
}


ai_target_state_t
ai_board_begin(ai_board_t *bd, uint32_t target, uint64_t tokens,
    uint64_t now_ms, uint64_t *wait_ms, unsigned *probe)
{
    ai_board_target_t  *t;
    ai_target_state_t   state;

    *probe = 0;

    state = ai_board_ask(bd, target, tokens, now_ms, wait_ms);
    t = ai_board_own(bd, target);

    if (t == NULL) {
        return state;
    }

    t->calls++;

    if (state != AI_TARGET_READY) {
        return state;
    }

    t->attempts++;
    t->used_ms = now_ms > t->used_ms ? now_ms : t->used_ms;

    ai_board_quota_take(&t->quotas, tokens, now_ms);

    if (t->open && t->mode == AI_BREAKER_AUTO) {
        bd->probes += (bd->probes == UINT32_MAX) ? 2 : 1;

        t->probe = bd->probes;
        t->probe_ms = now_ms + t->conf.cooldown_ms;
        *probe = t->probe;
    }

    return AI_TARGET_READY;
}


static void
ai_board_breaker_open(ai_board_target_t *t, uint64_t now_ms, uint32_t random)
{
    t->open = 1;
    t->open_ms = now_ms + t->conf.cooldown_ms
                 + random % (t->conf.cooldown_ms / 5 + 1);
    t->probe = 0;
    t->opened++;
}


static void
ai_board_breaker_clear(ai_board_target_t *t)
{
    t->open = 0;
    t->open_ms = 0;
    t->probe = 0;
    t->row = 0;
    t->row_saved = 0;

    memset(t->parts, 0, sizeof(t->parts));
}


static unsigned
ai_board_breaker_judge(const ai_board_target_t *t, uint64_t now_ms)
{
    uint32_t  n, failed;

    if (t->mode != AI_BREAKER_AUTO) {
        return 0;
    }

    if (t->conf.failures && t->row >= t->conf.failures) {
        return 1;
    }

    if (t->conf.errors == 0) {
        return 0;
    }

    ai_board_window_sum(t, now_ms, &n, &failed);

    return n >= t->conf.requests
           && (uint64_t) failed * 100 >= (uint64_t) t->conf.errors * n;
}


/* the outcome of the probe that is under way */

static ai_board_change_t
ai_board_probe_end(ai_board_target_t *t, ai_outcome_t outcome,
    uint64_t now_ms, uint32_t random)
{
    t->probe = 0;

    switch (outcome) {

    case AI_OUTCOME_OK:
        ai_board_breaker_clear(t);
        return AI_BOARD_CLOSED;

    case AI_OUTCOME_FAILED:
        t->row += (t->row < UINT32_MAX);
        ai_board_breaker_open(t, now_ms, random);
        return AI_BOARD_REOPENED;

    default:
        return AI_BOARD_SAME;
    }
}


static ai_board_change_t
ai_board_limited(ai_board_target_t *t, int64_t retry_ms, uint64_t now_ms)
{
    uint64_t  until;
    unsigned  rested;

    t->limited++;

    rested = (ai_board_left(t->rest_ms, now_ms) != 0);

    /* many requests hear the same at once: only the first one counts */

    if (rested && retry_ms <= 0) {
        return AI_BOARD_SAME;
    }

    until = now_ms + ai_board_rest(retry_ms, t->limits, AI_BOARD_REST_MIN,
                                   AI_BOARD_REST_MAX);

    if (!rested) {
        t->limits += (retry_ms <= 0 && t->limits < UINT8_MAX);
    }

    if (until > t->rest_ms) {
        t->rest_ms = until;
    }

    return rested ? AI_BOARD_SAME : AI_BOARD_RESTS;
}


/* a moving mean over about eight */

static void
ai_board_latency_add(ai_board_target_t *t, uint32_t ms)
{
    uint64_t  n;

    n = (uint64_t) ms * 16;
    n += (n == 0);

    if (t->latency == 0) {
        t->latency = n;
        return;
    }

    t->latency = (t->latency * 7 + n + 7) / 8;
}


static ai_board_change_t
ai_board_counted(ai_board_target_t *t, unsigned failed, uint32_t first_byte_ms,
    uint64_t now_ms, uint32_t random)
{
    unsigned  back;

    back = ai_board_canary_add(t, failed, first_byte_ms, now_ms);

    if (!t->open) {
        ai_board_window_add(t, failed, now_ms);

        if (failed) {
            t->row += (t->row < UINT32_MAX);
            t->row_saved = 0;

        } else {
            t->row_saved = t->row;
            t->row = 0;
        }
    }

    /* one change at a time: a breaker that should open does with the next */

    if (back) {
        return AI_BOARD_STEPPED_BACK;
    }

    if (!t->open && ai_board_breaker_judge(t, now_ms)) {
        ai_board_breaker_open(t, now_ms, random);
        return AI_BOARD_OPENED;
    }

    return AI_BOARD_SAME;
}


ai_board_change_t
ai_board_end(ai_board_t *bd, uint32_t target, ai_outcome_t outcome,
    unsigned probe, uint32_t first_byte_ms, int64_t retry_ms, uint64_t now_ms,
    uint32_t random)
{
    unsigned            failed;
    ai_board_change_t   change;
    ai_board_target_t  *t;

    t = ai_board_own(bd, target);
    if (t == NULL) {
        return AI_BOARD_SAME;
    }

    failed = (outcome == AI_OUTCOME_FAILED);
    t->failed += failed;
    t->calls++;

    if (outcome == AI_OUTCOME_OK) {
        ai_board_latency_add(t, first_byte_ms);

        if (ai_board_left(t->rest_ms, now_ms) == 0) {
            t->limits = 0;
        }
    }

    if (probe && probe == t->probe) {
        change = ai_board_probe_end(t, outcome, now_ms, random);

        if (change != AI_BOARD_SAME) {
            return change;
        }
    }

    switch (outcome) {

    case AI_OUTCOME_OK:
    case AI_OUTCOME_FAILED:
        return ai_board_counted(t, failed, first_byte_ms, now_ms, random);

    case AI_OUTCOME_LIMITED:
        return ai_board_limited(t, retry_ms, now_ms);

    default:
        return AI_BOARD_SAME;
    }
}


ai_board_change_t
ai_board_broke(ai_board_t *bd, uint32_t target, uint64_t now_ms,
    uint32_t random)
{
    unsigned            back;
    ai_board_target_t  *t;

    t = ai_board_own(bd, target);
    if (t == NULL) {
        return AI_BOARD_SAME;
    }

    t->failed++;
    t->calls++;

    back = ai_board_canary_turn(t, now_ms);

    if (!t->open) {
        ai_board_window_turn(t, now_ms);

        /* its head put an end to the row, wrongly */

        if (t->row < UINT32_MAX - t->row_saved) {
            t->row += t->row_saved + 1;
        }

        t->row_saved = 0;
    }

    if (back) {
        return AI_BOARD_STEPPED_BACK;
    }

    if (!t->open && ai_board_breaker_judge(t, now_ms)) {
        ai_board_breaker_open(t, now_ms, random);
        return AI_BOARD_OPENED;
    }

    return AI_BOARD_SAME;
}


uint64_t
ai_board_calls(const ai_board_t *bd, uint32_t target)
{
    const ai_board_target_t  *t;

    t = ai_board_get(bd, target);

    return t ? t->calls : 0;
}


void
ai_board_set_breaker(ai_board_t *bd, uint32_t target, ai_breaker_mode_t mode)
{
    ai_board_target_t  *t;

    t = ai_board_own(bd, target);
    if (t == NULL) {
        return;
    }

    t->mode = (uint8_t) mode;
    ai_board_breaker_clear(t);

    if (mode != AI_BREAKER_OPEN) {
        t->rest_ms = 0;
        t->limits = 0;
    }
}
