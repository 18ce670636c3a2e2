
/*
 * A target of the board as its rules say, with lists of all that happened in
 * place of windows and classes.
 */


#ifndef BOARD_MODEL_H
#define BOARD_MODEL_H


#include <stdlib.h>

#include "ai_board.h"


#define MODEL_EVENTS  4096


typedef struct {
    uint64_t         at;
    uint32_t         ms;
    unsigned         failed;
} model_event_t;

typedef struct {
    ai_board_conf_t  conf;
    ai_breaker_mode_t  mode;
    uint32_t         weight;

    model_event_t    events[MODEL_EVENTS];      /* while closed */
    unsigned         n;
    model_event_t    canary[MODEL_EVENTS];      /* of its window */
    unsigned         ncanary;

    unsigned         open;
    uint64_t         open_until;
    unsigned         probe;
    uint64_t         probe_until;

    uint64_t         rest_until;
    unsigned         doubled;
    int64_t          left[2];                   /* requests, tokens */
    uint64_t         left_until[2];

    uint64_t         attempts, failed, limited, opened;
} model_t;


static uint64_t
model_left(uint64_t until, uint64_t now)
{
    return until > now ? until - now : 0;
}


static ai_target_state_t
model_ask(const model_t *m, uint64_t tokens, uint64_t now, uint64_t *wait)
{
    int       i;
    uint64_t  need[2] = { 1, tokens };

    *wait = 0;

    if (m->mode == AI_BREAKER_OPEN) {
        *wait = m->conf.cooldown_ms;
        return AI_TARGET_OPEN;
    }

    if (m->mode == AI_BREAKER_AUTO && m->open) {
        *wait = model_left(m->open_until, now);

        if (*wait == 0 && m->probe) {
            *wait = model_left(m->probe_until, now);
        }

        if (*wait) {
            return AI_TARGET_OPEN;
        }
    }

    *wait = model_left(m->rest_until, now);

    if (*wait) {
        return AI_TARGET_RESTING;
    }

    for (i = 0; i < 2; i++) {
        if (m->left[i] >= 0 && model_left(m->left_until[i], now)
            && (m->left[i] == 0 || need[i] > (uint64_t) m->left[i])
            && model_left(m->left_until[i], now) > *wait)
        {
            *wait = model_left(m->left_until[i], now);
        }
    }

    return *wait ? AI_TARGET_DRY : AI_TARGET_READY;
}


static void
model_begin(model_t *m, uint64_t tokens, uint64_t now, unsigned probe)
{
    int       i;
    uint64_t  used[2] = { 1, tokens };

    m->attempts++;

    for (i = 0; i < 2; i++) {
        if (m->left[i] >= 0 && model_left(m->left_until[i], now)) {
            m->left[i] = used[i] > (uint64_t) m->left[i]
                         ? 0 : m->left[i] - (int64_t) used[i];
        }
    }

    if (m->open && m->mode == AI_BREAKER_AUTO) {
        m->probe = probe;
        m->probe_until = now + m->conf.cooldown_ms;
    }
}


/* failures behind the last success */

static uint32_t
model_row(const model_t *m)
{
    unsigned  i;

    for (i = m->n; i && m->events[i - 1].failed; i--) { /* void */ }

    return m->n - i;
}


/* the window is of whole tenths, the one that runs among them */

static void
model_window(const model_t *m, uint64_t now, uint32_t *n, uint32_t *failed)
{
    uint64_t  tenth;
    unsigned  i;

    tenth = m->conf.window_ms / 10;
    *n = 0;
    *failed = 0;

    for (i = 0; i < m->n; i++) {
        if (m->events[i].at / tenth + 10 > now / tenth) {
            *n += 1;
            *failed += m->events[i].failed;
        }
    }
}


static int
model_order(const void *one, const void *two)
{
    uint32_t  a = *(const uint32_t *) one, b = *(const uint32_t *) two;

    return a < b ? -1 : a > b;
}


/* of those that came; 0: none */

static uint32_t
model_p99(const model_t *m)
{
    uint32_t         p99, *ms;
    unsigned         i, n;

    ms = malloc((m->ncanary + 1) * sizeof(uint32_t));
    n = 0;

    for (i = 0; i < m->ncanary; i++) {
        if (!m->canary[i].failed) {
            ms[n++] = m->canary[i].ms;
        }
    }

    qsort(ms, n, sizeof(uint32_t), model_order);
    p99 = n ? ms[(n * 99 + 99) / 100 - 1] : 0;
    free(ms);

    return p99;
}


static void
model_canary_add(model_t *m, unsigned failed, uint32_t ms, uint64_t now)
{
    if (m->ncanary && now > m->canary[0].at + m->conf.canary_window_ms) {
        m->ncanary = 0;
    }

    m->canary[m->ncanary++] = (model_event_t) { now, ms, failed };
}


static unsigned
model_canary_bad(const model_t *m)
{
    unsigned  i, failed;

    for (i = 0, failed = 0; i < m->ncanary; i++) {
        failed += m->canary[i].failed;
    }

    return m->ncanary >= m->conf.canary_requests
           && ((m->conf.canary_errors
                && failed * 100 > m->conf.canary_errors * m->ncanary)
               || (m->conf.canary_p99_ms
                   && model_p99(m) > m->conf.canary_p99_ms));
}


static uint32_t
model_step(uint32_t weight)
{
    return weight > 50 ? 50 : weight > 30 ? 30 : weight > 15 ? 15
           : weight > 5 ? 5 : 0;
}


static unsigned
model_opens(const model_t *m, uint64_t now)
{
    uint32_t  n, failed;

    if (m->mode != AI_BREAKER_AUTO || m->open) {
        return 0;
    }

    model_window(m, now, &n, &failed);

    return (m->conf.failures && model_row(m) >= m->conf.failures)
           || (m->conf.errors && n >= m->conf.requests
               && failed * 100 >= m->conf.errors * n);
}


#endif /* BOARD_MODEL_H */
