
/*
 * What the operator sees of the board, and weights.
 */


#include "ai_board_int.h"


void
ai_board_set_weight(ai_board_t *bd, uint32_t target, uint32_t weight)
{
    ai_board_target_t  *t;

    t = ai_board_own(bd, target);
    if (t == NULL) {
        return;
    }

    if (t->conf.canary && weight > 100) {
        weight = 100;
    }

    t->weight = weight;
    memset(&t->canary, 0, sizeof(t->canary));
}


uint32_t
ai_board_weight(const ai_board_t *bd, uint32_t target)
{
    const ai_board_target_t  *t;

    t = ai_board_get(bd, target);

    return t ? t->weight : 0;
}


uint32_t
ai_board_latency(const ai_board_t *bd, uint32_t target)
{
    const ai_board_target_t  *t;

    t = ai_board_get(bd, target);

    if (t == NULL || t->latency == 0) {
        return 0;
    }

    return (uint32_t) (t->latency < 16 ? 1 : t->latency / 16);
}


static int64_t
ai_board_view_quota(const ai_board_quota_t *q, uint64_t now_ms)
{
    return ai_board_left(q->until_ms, now_ms) ? q->left : -1;
}


static void
ai_board_view_breaker(const ai_board_target_t *t, uint64_t now_ms,
    ai_board_view_t *view)
{
    view->mode = (ai_breaker_mode_t) t->mode;

    if (view->mode == AI_BREAKER_OPEN) {
        view->open = 1;
        return;
    }

    if (t->open && view->mode == AI_BREAKER_AUTO) {
        view->open_ms = ai_board_left(t->open_ms, now_ms);
        view->open = 1;
        view->half = (view->open_ms == 0);
    }
}


void
ai_board_view(const ai_board_t *bd, uint32_t target, uint64_t now_ms,
    ai_board_view_t *view)
{
    const ai_board_target_t  *t;

    memset(view, 0, sizeof(ai_board_view_t));

    t = ai_board_get(bd, target);

    if (t == NULL) {
        view->requests = -1;
        view->tokens = -1;
        return;
    }

    ai_board_view_breaker(t, now_ms, view);
    ai_board_window_sum(t, now_ms, &view->window, &view->window_failed);

    view->rest_ms = ai_board_left(t->rest_ms, now_ms);
    view->in_a_row = t->row;
    view->attempts = t->attempts;
    view->failed = t->failed;
    view->limited = t->limited;
    view->opened = t->opened;
    view->weight = t->weight;
    view->stepped = t->stepped;
    view->latency_ms = ai_board_latency(bd, target);
    view->p99_ms = ai_board_canary_p99(t, now_ms);
    view->requests = ai_board_view_quota(&t->quotas.requests, now_ms);
    view->tokens = ai_board_view_quota(&t->quotas.tokens, now_ms);
}
