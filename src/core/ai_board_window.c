
/*
 * The breaker's window: tenths that are reused as the clock goes on.
 */


#include "ai_board_int.h"


static uint64_t
ai_board_window_tick(const ai_board_target_t *t, uint64_t now_ms)
{
    return now_ms / (t->conf.window_ms / AI_BOARD_PARTS);
}


static ai_board_part_t *
ai_board_window_part(ai_board_target_t *t, uint64_t now_ms)
{
    uint64_t          tick;
    ai_board_part_t  *p;

    tick = ai_board_window_tick(t, now_ms);
    p = &t->parts[tick % AI_BOARD_PARTS];

    /* a worker whose clock is behind does not clear what is newer */

    if (p->tick < tick) {
        p->n = 0;
        p->failed = 0;
        p->tick = tick;
    }

    return p;
}


void
ai_board_window_add(ai_board_target_t *t, unsigned failed, uint64_t now_ms)
{
    ai_board_part_t  *p;

    p = ai_board_window_part(t, now_ms);

    if (p->n < UINT32_MAX / AI_BOARD_PARTS) {
        p->n++;
        p->failed += failed;
    }
}


/* the latest success becomes a failure; it may have left the window */

void
ai_board_window_turn(ai_board_target_t *t, uint64_t now_ms)
{
    unsigned          i;
    uint64_t          tick;
    ai_board_part_t  *p;

    tick = ai_board_window_tick(t, now_ms);

    for (i = 0; i < AI_BOARD_PARTS && i <= tick; i++) {
        p = &t->parts[(tick - i) % AI_BOARD_PARTS];

        if (p->tick == tick - i && p->failed < p->n) {
            p->failed++;
            return;
        }
    }

    ai_board_window_add(t, 1, now_ms);
}


void
ai_board_window_sum(const ai_board_target_t *t, uint64_t now_ms, uint32_t *n,
    uint32_t *failed)
{
    unsigned                i;
    uint64_t                tick;
    const ai_board_part_t  *p;

    tick = ai_board_window_tick(t, now_ms);

    *n = 0;
    *failed = 0;

    for (i = 0; i < AI_BOARD_PARTS; i++) {
        p = &t->parts[i];

        if (p->tick + AI_BOARD_PARTS > tick) {
            *n += p->n;
            *failed += p->failed;
        }
    }
}
