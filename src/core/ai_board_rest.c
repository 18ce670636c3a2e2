
/*
 * Rests: of targets and of keys; and which key is next.
 */


#include "ai_board_int.h"


uint64_t
ai_board_rest(int64_t said_ms, unsigned earlier, uint64_t min, uint64_t max)
{
    if (said_ms > AI_BOARD_SAID_MAX) {
        return AI_BOARD_SAID_MAX;
    }

    if (said_ms > 0) {
        return (uint64_t) said_ms;
    }

    while (earlier-- && min < max) {
        min *= 2;
    }

    return min < max ? min : max;
}


static ai_board_key_t *
ai_board_key_own(ai_board_t *bd, uint32_t key)
{
    if (key >= AI_BOARD_KEYS || !bd->keys[key].taken) {
        return NULL;
    }

    return &bd->keys[key];
}


/* the key that was not chosen for the longest; one without a place, whose turn
   is not known, only where there is no other */

uint32_t
ai_board_key_next(ai_board_t *bd, const uint32_t *keys, uint32_t n,
    uint64_t now_ms, uint64_t *wait_ms)
{
    uint32_t         i, next, back, nameless;
    uint64_t         left, soonest;
    ai_board_key_t  *k, *best;

    best = NULL;
    next = AI_BOARD_NONE;
    back = AI_BOARD_NONE;
    nameless = 0;
    soonest = UINT64_MAX;

    for (i = 0; i < n; i++) {
        k = ai_board_key_own(bd, keys[i]);

        if (k == NULL) {
            nameless++;
            continue;
        }

        left = ai_board_left(k->rest_ms, now_ms);

        if (left) {
            if (left < soonest) {
                soonest = left;
                back = i;
            }

        } else if (best == NULL || k->turn < best->turn) {
            best = k;
            next = i;
        }
    }

    bd->turns++;
    *wait_ms = 0;

    if (best) {
        best->turn = bd->turns;
        best->used_ms = now_ms;
        return next;
    }

    if (nameless) {
        nameless = bd->turns % nameless;

        for (i = 0; ai_board_key_own(bd, keys[i]) || nameless--; i++) {
            /* void */
        }

        return i;
    }

    if (back != AI_BOARD_NONE) {
        *wait_ms = soonest;
    }

    return back;
}


unsigned
ai_board_key_rest(ai_board_t *bd, uint32_t key, unsigned status,
    int64_t retry_ms, uint64_t now_ms)
{
    uint64_t         ms, until;
    unsigned         rested;
    ai_board_key_t  *k;

    k = ai_board_key_own(bd, key);
    if (k == NULL) {
        return 0;
    }

    rested = (ai_board_left(k->rest_ms, now_ms) != 0);

    /* many requests hear the same at once: only the first one counts */

    if (rested && retry_ms <= 0) {
        return 0;
    }

    if (status == 429) {
        ms = ai_board_rest(retry_ms, k->rests, AI_BOARD_REST_MIN,
                           AI_BOARD_REST_MAX);

    } else {
        ms = ai_board_rest(retry_ms, k->rests, AI_BOARD_KEY_MIN,
                           AI_BOARD_SAID_MAX);
    }

    if (!rested) {
        k->rests += (retry_ms <= 0 && k->rests < UINT8_MAX);
        k->status = (uint16_t) status;
    }

    until = now_ms + ms;

    if (until > k->rest_ms) {
        k->rest_ms = until;
    }

    return !rested;
}


/* a limit is not over because of requests that were under way before it */

void
ai_board_key_good(ai_board_t *bd, uint32_t key)
{
    ai_board_key_t  *k;

    k = ai_board_key_own(bd, key);
    if (k == NULL) {
        return;
    }

    k->rests = 0;

    if (k->status != 429) {
        k->rest_ms = 0;
    }
}


uint64_t
ai_board_key_rests(const ai_board_t *bd, uint32_t key, uint64_t now_ms)
{
    if (key >= AI_BOARD_KEYS || !bd->keys[key].taken) {
        return 0;
    }

    return ai_board_left(bd->keys[key].rest_ms, now_ms);
}
