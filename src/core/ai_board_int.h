
/*
 * The board from inside: what the files ai_board_*.c share.
 *
 * Only arrays and plain figures, no lists: a process killed in the middle of a
 * call leaves one figure wrong, never a structure that cannot be walked.  Until
 * a time that has passed is as good as 0.  Workers cache the time, so that it
 * may go back a little from one call to the next.
 */


#ifndef AI_BOARD_INT_H
#define AI_BOARD_INT_H


#include "ai_board.h"


AI_HIDDEN_BEGIN


#define AI_BOARD_PARTS      10          /* of the breaker's window */
#define AI_BOARD_REST_MIN   1000        /* of a 429 that says nothing */
#define AI_BOARD_REST_MAX   60000       /* the same, doubled again and again */
#define AI_BOARD_KEY_MIN    60000       /* of a 401 */
#define AI_BOARD_SAID_MAX   600000      /* whatever a provider says */
#define AI_BOARD_RESET      10000       /* of a quota that does not say */
#define AI_BOARD_SPAN_MAX   86400000    /* of what is configured */

/* first bytes: exact below 8 ms, then eight classes an octave, up to 2^20 ms */

#define AI_BOARD_CLASSES    (8 + 17 * 8)


typedef struct {
    uint64_t         tick;      /* of the clock, in tenths of the window */
    uint32_t         n;
    uint32_t         failed;    /* <= n */
} ai_board_part_t;

/* a quota as it was announced last */

typedef struct {
    int64_t          left;      /* < 0: not said */
    uint64_t         until_ms;
} ai_board_quota_t;

typedef struct {
    ai_board_quota_t requests;
    ai_board_quota_t tokens;
} ai_board_quotas_t;

typedef struct {
    uint64_t         since_ms;  /* its first attempt; nothing is in it when n
                                   is 0 */
    uint32_t         n;
    uint32_t         failed;    /* <= n */
    uint32_t         timed;     /* sum of the classes */
    uint32_t         slow;      /* above what is configured; <= timed */
    uint32_t         slowest;
    uint32_t         classes[AI_BOARD_CLASSES];
} ai_board_canary_t;

typedef struct {
    ai_char          id[AI_BOARD_ID];
    uint64_t         used_ms;
    ai_board_conf_t  conf;

    uint8_t          taken;
    uint8_t          mode;      /* ai_breaker_mode_t */
    uint8_t          open;
    uint8_t          limits;    /* 429s that said nothing, in a row */
    uint32_t         weight;
    uint32_t         stepped;   /* the last step back was from */

    uint32_t         row;       /* failures since the last OK */
    uint32_t         row_saved; /* what that OK put an end to */
    uint64_t         open_ms;   /* may be probed from then on */
    uint32_t         probe;     /* under way; 0: none */
    uint64_t         probe_ms;  /* forgotten then */
    uint64_t         rest_ms;

    ai_board_quotas_t  quotas;

    uint64_t         calls;
    uint64_t         attempts;
    uint64_t         failed;
    uint64_t         limited;
    uint64_t         opened;
    uint64_t         latency;   /* in sixteenths of a millisecond */

    ai_board_part_t  parts[AI_BOARD_PARTS];
    ai_board_canary_t  canary;
} ai_board_target_t;

typedef struct {
    ai_char          id[AI_BOARD_ID];
    uint64_t         used_ms;
    uint64_t         turn;      /* of the board, when it was last chosen */
    uint64_t         rest_ms;
    uint16_t         status;    /* that it rests for */
    uint8_t          taken;
    uint8_t          rests;     /* in a row, for no time given */
    ai_board_quotas_t  quotas;
} ai_board_key_t;

struct ai_board_s {
    uint32_t         version;
    uint32_t         probes;    /* ever: each has a number of its own */
    uint64_t         size;
    uint64_t         turns;
    ai_board_target_t  targets[AI_BOARD_TARGETS];
    ai_board_key_t   keys[AI_BOARD_KEYS];
};


static inline uint64_t
ai_board_left(uint64_t until_ms, uint64_t now_ms)
{
    return until_ms > now_ms ? until_ms - now_ms : 0;
}


/* NULL: no such place, or nobody's */

static inline const ai_board_target_t *
ai_board_get(const ai_board_t *bd, uint32_t target)
{
    if (target >= AI_BOARD_TARGETS || !bd->targets[target].taken) {
        return NULL;
    }

    return &bd->targets[target];
}


static inline ai_board_target_t *
ai_board_own(ai_board_t *bd, uint32_t target)
{
    return (ai_board_target_t *) ai_board_get(bd, target);
}


/* ai_board_rest.c: min, doubled with each earlier one, up to max */
uint64_t ai_board_rest(int64_t said_ms, unsigned earlier, uint64_t min,
    uint64_t max);

/* ai_board_window.c */
void ai_board_window_add(ai_board_target_t *t, unsigned failed,
    uint64_t now_ms);
void ai_board_window_turn(ai_board_target_t *t, uint64_t now_ms);
void ai_board_window_sum(const ai_board_target_t *t, uint64_t now_ms,
    uint32_t *n, uint32_t *failed);

/* ai_board_canary.c; 1: the weight went down */
unsigned ai_board_canary_add(ai_board_target_t *t, unsigned failed,
    uint32_t first_byte_ms, uint64_t now_ms);
unsigned ai_board_canary_turn(ai_board_target_t *t, uint64_t now_ms);
uint32_t ai_board_canary_p99(const ai_board_target_t *t, uint64_t now_ms);

/* ai_board_quota.c */
void ai_board_quota_said(ai_board_quotas_t *q, const ai_quota_said_t *said,
    uint64_t now_ms);
void ai_board_quota_take(ai_board_quotas_t *q, uint64_t tokens,
    uint64_t now_ms);
/* ms until there is enough again; 0: there is */
uint64_t ai_board_quota_dry(const ai_board_quotas_t *q, uint64_t tokens,
    uint64_t now_ms);


AI_HIDDEN_END


#endif /* AI_BOARD_INT_H */
