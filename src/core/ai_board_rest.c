
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


/* what stands against a key, the lightest first */

typedef enum {
    AI_BOARD_KEY_FREE = 0,
    AI_BOARD_KEY_NAMELESS,      /* it has no place: its turn is not known */
    AI_BOARD_KEY_DRY,
    AI_BOARD_KEY_RESTS
} ai_board_key_state_t;


/* *order: of those in one state the least is next */

static ai_board_key_state_t
ai_board_key_state(const ai_board_t *bd, uint32_t key, uint64_t tokens,
    uint64_t now_ms, uint64_t *order)
{
    const ai_board_key_t  *k;

    *order = 0;

    if (key >= AI_BOARD_KEYS || !bd->keys[key].taken) {
        return AI_BOARD_KEY_NAMELESS;
    }

    k = &bd->keys[key];

    *order = ai_board_left(k->rest_ms, now_ms);

    if (*order) {
        return AI_BOARD_KEY_RESTS;
    }

    *order = ai_board_quota_dry(&k->quotas, tokens, now_ms);

    if (*order) {
        return AI_BOARD_KEY_DRY;
    }

    *order = k->turn;

    return AI_BOARD_KEY_FREE;
}


static uint32_t
ai_board_key_nameless(ai_board_t *bd, const uint32_t *keys, uint32_t nameless)
{
    uint32_t  i;

    nameless = bd->turns % nameless;

    for (i = 0; ai_board_key_own(bd, keys[i]) || nameless--; i++) {
        /* void */
    }

    return i;
}


uint32_t
ai_board_key_next(ai_board_t *bd, const uint32_t *keys, uint32_t n,
    uint64_t tokens, uint64_t now_ms, uint64_t *wait_ms)
{
    uint32_t              i, next, nameless;
    uint64_t              order, least;
    ai_board_key_t       *k;
    ai_board_key_state_t  state, best;

    next = AI_BOARD_NONE;
    best = AI_BOARD_KEY_RESTS;
    least = 0;
    nameless = 0;

    for (i = 0; i < n; i++) {
        state = ai_board_key_state(bd, keys[i], tokens, now_ms, &order);
        nameless += (state == AI_BOARD_KEY_NAMELESS);

        if (next == AI_BOARD_NONE || state < best
            || (state == best && order < least))
        {
            next = i;
            best = state;
            least = order;
        }
    }

    bd->turns++;
    *wait_ms = 0;

    if (next == AI_BOARD_NONE) {
        return next;
    }

    if (best == AI_BOARD_KEY_NAMELESS) {
        return ai_board_key_nameless(bd, keys, nameless);
    }

    if (best == AI_BOARD_KEY_RESTS) {
        *wait_ms = least;
        return next;
    }

    k = ai_board_key_own(bd, keys[next]);
    k->turn = bd->turns;
    k->used_ms = now_ms;

    ai_board_quota_take(&k->quotas, tokens, now_ms);

    return next;
}


uint64_t
ai_board_keys_dry(const ai_board_t *bd, const uint32_t *keys, uint32_t n,
    uint64_t tokens, uint64_t now_ms)
{
    uint32_t              i;
    uint64_t              ms, least;
    unsigned              dry;
    ai_board_key_state_t  state;

    dry = 0;
    least = UINT64_MAX;

    for (i = 0; i < n; i++) {
        state = ai_board_key_state(bd, keys[i], tokens, now_ms, &ms);

        if (state < AI_BOARD_KEY_DRY) {
            return 0;
        }

        dry |= (state == AI_BOARD_KEY_DRY);

        if (ms < least) {
            least = ms;
        }
    }

    return dry ? least : 0;
}


void
ai_board_key_said(ai_board_t *bd, uint32_t key, const ai_quota_said_t *said,
    uint64_t now_ms)
{
    ai_board_key_t  *k;

    k = ai_board_key_own(bd, key);

    if (k) {
        ai_board_quota_said(&k->quotas, said, now_ms);
    }
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
