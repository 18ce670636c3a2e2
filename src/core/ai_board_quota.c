
/*
 * The quota that a provider announces: what an answer said was left, less what
 * has begun since.  The next answer corrects it.
 */


#include "ai_board_int.h"


/* "left" for now; < 0: nothing was said, or its time is over */

static int64_t
ai_board_quota_left(const ai_board_quota_t *q, uint64_t now_ms)
{
    return ai_board_left(q->until_ms, now_ms) ? q->left : -1;
}


static void
ai_board_quota_set(ai_board_quota_t *q, int64_t left, int64_t reset_ms,
    uint64_t now_ms)
{
    if (left < 0) {
        return;
    }

    if (reset_ms < 0) {
        reset_ms = AI_BOARD_RESET;
    }

    if (reset_ms > AI_BOARD_SAID_MAX) {
        reset_ms = AI_BOARD_SAID_MAX;
    }

    q->left = left;
    q->until_ms = now_ms + (uint64_t) reset_ms;
}


void
ai_board_quota_said(ai_board_quotas_t *q, const ai_quota_said_t *said,
    uint64_t now_ms)
{
    ai_board_quota_set(&q->requests, said->requests, said->requests_ms,
                       now_ms);
    ai_board_quota_set(&q->tokens, said->tokens, said->tokens_ms, now_ms);
}


void
ai_board_said(ai_board_t *bd, uint32_t target, const ai_quota_said_t *said,
    uint64_t now_ms)
{
    ai_board_target_t  *t;

    t = ai_board_own(bd, target);

    if (t) {
        ai_board_quota_said(&t->quotas, said, now_ms);
    }
}


static void
ai_board_quota_count(ai_board_quota_t *q, uint64_t n, uint64_t now_ms)
{
    int64_t  left;

    left = ai_board_quota_left(q, now_ms);

    if (left < 0) {
        return;
    }

    q->left = n < (uint64_t) left ? left - (int64_t) n : 0;
}


void
ai_board_quota_take(ai_board_quotas_t *q, uint64_t tokens, uint64_t now_ms)
{
    ai_board_quota_count(&q->requests, 1, now_ms);
    ai_board_quota_count(&q->tokens, tokens, now_ms);
}


/* a request that asks for more than is left would be refused there */

uint64_t
ai_board_quota_dry(const ai_board_quotas_t *q, uint64_t tokens,
    uint64_t now_ms)
{
    int64_t   left;
    uint64_t  wait, ms;

    wait = 0;

    if (ai_board_quota_left(&q->requests, now_ms) == 0) {
        wait = ai_board_left(q->requests.until_ms, now_ms);
    }

    left = ai_board_quota_left(&q->tokens, now_ms);

    if (left == 0 || (left > 0 && tokens > (uint64_t) left)) {
        ms = ai_board_left(q->tokens.until_ms, now_ms);

        if (ms > wait) {
            wait = ms;
        }
    }

    return wait;
}
