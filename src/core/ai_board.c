
/*
 * The board: places of targets and keys.
 */


#include "ai_board_int.h"


size_t
ai_board_size(void)
{
    return sizeof(ai_board_t);
}


void
ai_board_init(ai_board_t *bd)
{
    memset(bd, 0, sizeof(ai_board_t));

    bd->version = AI_BOARD_VERSION;
    bd->size = sizeof(ai_board_t);
}


int
ai_board_check(const ai_board_t *bd)
{
    if (bd->version != AI_BOARD_VERSION || bd->size != sizeof(ai_board_t)) {
        return AI_ERROR;
    }

    return AI_OK;
}


static uint32_t
ai_board_clamp(uint32_t n, uint32_t min, uint32_t max)
{
    if (n < min) {
        return min;
    }

    return n > max ? max : n;
}


/* all that is divided by, or added to a time, is within bounds from here on */

static void
ai_board_conf_set(ai_board_target_t *t, const ai_board_conf_t *conf)
{
    uint32_t  window_ms, p99_ms;

    window_ms = t->conf.window_ms;
    p99_ms = t->conf.canary_p99_ms;
    t->conf = *conf;

    t->conf.window_ms = ai_board_clamp(conf->window_ms, AI_BOARD_PARTS,
                                       AI_BOARD_SPAN_MAX);
    t->conf.cooldown_ms = ai_board_clamp(conf->cooldown_ms, 1,
                                         AI_BOARD_SPAN_MAX);
    t->conf.canary_window_ms = ai_board_clamp(conf->canary_window_ms, 1,
                                              AI_BOARD_SPAN_MAX);
    t->conf.requests = ai_board_clamp(conf->requests, 1, UINT32_MAX);
    t->conf.canary_requests = ai_board_clamp(conf->canary_requests, 1,
                                             UINT32_MAX);

    if (conf->canary) {
        t->conf.weight = ai_board_clamp(conf->weight, 0, 100);
    }

    if (t->conf.window_ms != window_ms) {
        memset(t->parts, 0, sizeof(t->parts));
    }

    if (t->conf.canary_p99_ms != p99_ms) {
        memset(&t->canary, 0, sizeof(t->canary));
    }
}


/* a place that was asked for at this very time is of the same configuration */

static uint32_t
ai_board_target_place(const ai_board_t *bd, uint64_t now_ms)
{
    uint32_t                  i, place;
    uint64_t                  oldest;
    const ai_board_target_t  *t;

    place = AI_BOARD_NONE;
    oldest = now_ms;

    for (i = 0; i < AI_BOARD_TARGETS; i++) {
        t = &bd->targets[i];

        if (!t->taken) {
            return i;
        }

        if (t->used_ms < oldest) {
            oldest = t->used_ms;
            place = i;
        }
    }

    return place;
}


uint32_t
ai_board_target_find(ai_board_t *bd, const ai_char id[AI_BOARD_ID],
    uint64_t now_ms)
{
    uint32_t            i;
    ai_board_target_t  *t;

    for (i = 0; i < AI_BOARD_TARGETS; i++) {
        t = &bd->targets[i];

        if (t->taken && memcmp(t->id, id, AI_BOARD_ID) == 0) {
            t->used_ms = now_ms;
            return i;
        }
    }

    return AI_BOARD_NONE;
}


uint32_t
ai_board_target(ai_board_t *bd, const ai_char id[AI_BOARD_ID],
    const ai_board_conf_t *conf, uint64_t now_ms)
{
    uint32_t            place, weight;
    unsigned            canary;
    ai_board_target_t  *t;

    place = ai_board_target_find(bd, id, now_ms);

    if (place != AI_BOARD_NONE) {
        t = &bd->targets[place];

        weight = t->conf.weight;
        canary = t->conf.canary;
        ai_board_conf_set(t, conf);

        if (t->conf.weight != weight || t->conf.canary != canary) {
            t->weight = t->conf.weight;
            memset(&t->canary, 0, sizeof(t->canary));
        }

        return place;
    }

    place = ai_board_target_place(bd, now_ms);

    if (place == AI_BOARD_NONE) {
        return AI_BOARD_NONE;
    }

    t = &bd->targets[place];

    memset(t, 0, sizeof(ai_board_target_t));

    memcpy(t->id, id, AI_BOARD_ID);
    ai_board_conf_set(t, conf);
    t->weight = t->conf.weight;
    t->quotas.requests.left = -1;
    t->quotas.tokens.left = -1;
    t->used_ms = now_ms;
    t->taken = 1;

    return place;
}


static uint32_t
ai_board_key_place(const ai_board_t *bd, uint64_t now_ms)
{
    uint32_t               i, place;
    uint64_t               oldest;
    const ai_board_key_t  *k;

    place = AI_BOARD_NONE;
    oldest = now_ms;

    for (i = 0; i < AI_BOARD_KEYS; i++) {
        k = &bd->keys[i];

        if (!k->taken) {
            return i;
        }

        if (k->used_ms < oldest) {
            oldest = k->used_ms;
            place = i;
        }
    }

    return place;
}


uint32_t
ai_board_key_find(ai_board_t *bd, const ai_char id[AI_BOARD_ID],
    uint64_t now_ms)
{
    uint32_t         i;
    ai_board_key_t  *k;

    for (i = 0; i < AI_BOARD_KEYS; i++) {
        k = &bd->keys[i];

        if (k->taken && memcmp(k->id, id, AI_BOARD_ID) == 0) {
            k->used_ms = now_ms;
            return i;
        }
    }

    return AI_BOARD_NONE;
}


uint32_t
ai_board_key(ai_board_t *bd, const ai_char id[AI_BOARD_ID], uint64_t now_ms)
{
    uint32_t         place;
    ai_board_key_t  *k;

    place = ai_board_key_find(bd, id, now_ms);

    if (place != AI_BOARD_NONE) {
        return place;
    }

    place = ai_board_key_place(bd, now_ms);

    if (place == AI_BOARD_NONE) {
        return AI_BOARD_NONE;
    }

    k = &bd->keys[place];

    memset(k, 0, sizeof(ai_board_key_t));

    memcpy(k->id, id, AI_BOARD_ID);
    k->used_ms = now_ms;
    k->taken = 1;

    return place;
}
