
/*
 * Canaries: a window of what a target did, and the steps that its weight goes
 * back along when that was bad.
 *
 * A window begins with its first attempt and is judged from the moment it has
 * enough of them, so that a bad canary need not last a window's length.
 */


#include "ai_board_int.h"


static const uint32_t  ai_board_steps[] = { 50, 30, 15, 5, 0 };


static unsigned
ai_board_canary_class(uint32_t ms)
{
    unsigned  octave;

    if (ms < 8) {
        return ms;
    }

    octave = 28 - (unsigned) __builtin_clz(ms);     /* of 8 to 15: 0 */

    if (octave > 16) {
        return AI_BOARD_CLASSES - 1;
    }

    return 8 + octave * 8 + ((ms >> octave) & 7);
}


/* the first time of a class; of the one behind it, the end */

static uint32_t
ai_board_canary_edge(unsigned class)
{
    unsigned  octave;

    if (class < 8) {
        return class;
    }

    octave = (class - 8) / 8;

    return (8 + (class & 7)) << octave;
}


static unsigned
ai_board_canary_over(const ai_board_target_t *t, uint64_t now_ms)
{
    const ai_board_canary_t  *c;

    c = &t->canary;

    return c->n == 0 || now_ms > c->since_ms + t->conf.canary_window_ms;
}


static ai_board_canary_t *
ai_board_canary_window(ai_board_target_t *t, uint64_t now_ms)
{
    if (ai_board_canary_over(t, now_ms)) {
        memset(&t->canary, 0, sizeof(ai_board_canary_t));
        t->canary.since_ms = now_ms;
    }

    return &t->canary;
}


uint32_t
ai_board_canary_p99(const ai_board_target_t *t, uint64_t now_ms)
{
    uint32_t                  first, end;
    uint64_t                  rank, ms;
    unsigned                  i;
    const ai_board_canary_t  *c;

    c = &t->canary;

    if (c->timed == 0 || ai_board_canary_over(t, now_ms)) {
        return 0;
    }

    rank = ((uint64_t) c->timed * 99 + 99) / 100;

    for (i = 0; i < AI_BOARD_CLASSES - 1 && rank > c->classes[i]; i++) {
        rank -= c->classes[i];
    }

    if (i == AI_BOARD_CLASSES - 1 || c->classes[i] == 0) {
        return c->slowest;
    }

    first = ai_board_canary_edge(i);
    end = ai_board_canary_edge(i + 1);

    ms = first + (uint64_t) (end - 1 - first) * rank / c->classes[i];

    return ms > c->slowest ? c->slowest : (uint32_t) ms;
}


static unsigned
ai_board_canary_judge(ai_board_target_t *t)
{
    unsigned                  i, bad;
    const ai_board_conf_t    *conf;
    const ai_board_canary_t  *c;

    c = &t->canary;
    conf = &t->conf;

    if (c->n < conf->canary_requests || t->weight == 0) {
        return 0;
    }

    bad = conf->canary_errors
          && (uint64_t) c->failed * 100 > (uint64_t) conf->canary_errors * c->n;

    /* the p99 is above when less than 99 of a hundred are not: exact, which
       the classes are not */

    if (!bad && conf->canary_p99_ms) {
        bad = (uint64_t) c->slow * 100 > c->timed;
    }

    if (!bad) {
        return 0;
    }

    for (i = 0; ai_board_steps[i] >= t->weight; i++) { /* void */ }

    t->stepped = t->weight;
    t->weight = ai_board_steps[i];
    memset(&t->canary, 0, sizeof(ai_board_canary_t));

    return 1;
}


unsigned
ai_board_canary_add(ai_board_target_t *t, unsigned failed,
    uint32_t first_byte_ms, uint64_t now_ms)
{
    ai_board_canary_t  *c;

    if (!t->conf.canary) {
        return 0;
    }

    c = ai_board_canary_window(t, now_ms);

    if (c->n == UINT32_MAX) {
        return 0;
    }

    c->n++;
    c->failed += failed;

    if (!failed) {
        c->classes[ai_board_canary_class(first_byte_ms)]++;
        c->timed++;
        c->slow += (first_byte_ms > t->conf.canary_p99_ms);

        if (c->slowest < first_byte_ms) {
            c->slowest = first_byte_ms;
        }
    }

    return ai_board_canary_judge(t);
}


unsigned
ai_board_canary_turn(ai_board_target_t *t, uint64_t now_ms)
{
    ai_board_canary_t  *c;

    if (!t->conf.canary) {
        return 0;
    }

    c = ai_board_canary_window(t, now_ms);

    if (c->failed == c->n) {
        return ai_board_canary_add(t, 1, 0, now_ms);
    }

    c->failed++;

    return ai_board_canary_judge(t);
}
