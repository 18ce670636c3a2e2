
/*
 * The board: what is known of every target and every provider key, in shared
 * memory, one for all workers of the node: breakers, rests, weights at run
 * time, canaries, latency, the quota that a provider announces.
 *
 * A place on the board belongs to an identity, not to a line of the
 * configuration: it survives reloads.  Callers hold the lock of the zone for
 * every function marked [locked].  Times are milliseconds of a clock that never
 * steps; randomness comes in as an argument.
 */


#ifndef AI_BOARD_H
#define AI_BOARD_H


#include "ai_core.h"


AI_HIDDEN_BEGIN


#define AI_BOARD_VERSION  2
#define AI_BOARD_TARGETS  1024
#define AI_BOARD_KEYS     1024      /* of all providers */
#define AI_BOARD_NONE     UINT32_MAX

/* of a target: SHA-256's first bytes of "model\0provider\0model there\0name",
   and what it is; of a key: of the provider's name and the key */

#define AI_BOARD_ID  16


typedef struct ai_board_s  ai_board_t;

size_t ai_board_size(void);
void ai_board_init(ai_board_t *bd);

/* AI_ERROR: not a board of this version */
int ai_board_check(const ai_board_t *bd);


/* ---- places, found by the master when a configuration is read ---- */

/* what the configuration says of a target */

typedef struct {
    uint32_t         failures;      /* in a row open the breaker; 0: never */
    uint32_t         errors;        /* percent of the window's attempts that
                                       open it; 0: not looked at */
    uint32_t         requests;      /* that the window must have for that */
    uint32_t         window_ms;
    uint32_t         cooldown_ms;   /* and up to a fifth more at random */

    uint32_t         weight;        /* a canary's: percent of the model's
                                       traffic, 0 to 100 */
    unsigned         canary:1;

    /* a canary steps back when a window of it had enough attempts, and errors
       (percent) or p99 (of first bytes) were above; 0: not looked at */
    uint32_t         canary_errors;
    uint32_t         canary_p99_ms;
    uint32_t         canary_requests;
    uint32_t         canary_window_ms;
} ai_board_conf_t;

/*
 * [locked] The target's place, made where there is none (the longest unused one
 * goes where the board is full).  A weight set at run time stays, unless
 * the configuration's own has changed since.  AI_BOARD_NONE: no room.
 */
uint32_t ai_board_target(ai_board_t *bd, const ai_char id[AI_BOARD_ID],
    const ai_board_conf_t *conf, uint64_t now_ms);

/* [locked] the same for a provider's key */
uint32_t ai_board_key(ai_board_t *bd, const ai_char id[AI_BOARD_ID],
    uint64_t now_ms);

/*
 * [locked] The place that it has; else AI_BOARD_NONE.  Those asked for at this
 * very time never go: where all of a configuration are asked for first, none of
 * them makes room for a new one.
 */
uint32_t ai_board_target_find(ai_board_t *bd, const ai_char id[AI_BOARD_ID],
    uint64_t now_ms);
uint32_t ai_board_key_find(ai_board_t *bd, const ai_char id[AI_BOARD_ID],
    uint64_t now_ms);


/* ---- on the request's way ---- */

typedef enum {
    AI_TARGET_READY = 0,
    AI_TARGET_OPEN,             /* the breaker */
    AI_TARGET_RESTING,          /* it said when to come back */
    AI_TARGET_DRY,              /* its announced quota is used up */
    AI_TARGET_STATES
} ai_target_state_t;

/* [locked] whether an attempt may go there now; else *wait_ms is when it may
   be asked again */
ai_target_state_t ai_board_ask(const ai_board_t *bd, uint32_t target,
    uint64_t tokens, uint64_t now_ms, uint64_t *wait_ms);

/*
 * [locked] An attempt goes there: ask and begin in one.  "tokens" is the guess
 * at what it uses.  Half open, it is the one probe: *probe is its number, not
 * 0, and must be given to ai_board_end().  After a cool-down a probe gives way
 * to the next attempt, and what it says from then on does not open or close
 * anything.
 */
ai_target_state_t ai_board_begin(ai_board_t *bd, uint32_t target,
    uint64_t tokens, uint64_t now_ms, uint64_t *wait_ms, unsigned *probe);

typedef enum {
    AI_OUTCOME_OK = 0,          /* answered; a client's own 4xx too */
    AI_OUTCOME_FAILED,          /* connect error, time-out, 5xx, 529: counts */
    AI_OUTCOME_LIMITED,         /* 429: the target rests */
    AI_OUTCOME_OTHER,           /* 408, 409: does not count */
    AI_OUTCOME_GONE             /* the client left: nothing is known */
} ai_outcome_t;

/* what changed by a call, for one line in the log */

typedef enum {
    AI_BOARD_SAME = 0,
    AI_BOARD_OPENED,
    AI_BOARD_REOPENED,          /* the probe failed */
    AI_BOARD_CLOSED,            /* the probe went well */
    AI_BOARD_RESTS,
    AI_BOARD_STEPPED_BACK       /* a canary's weight went down */
} ai_board_change_t;

/*
 * [locked] An attempt that began has ended: called at the answer's head
 * (first_byte_ms since the attempt began) or at its failure.  retry_ms < 0: the
 * answer did not say; a 429 without it (or with 0) rests for a second, then
 * longer, up to a minute; whatever was said, ten minutes at most.  "random"
 * spreads the cool-down, which does not grow: a probe is one request that goes
 * elsewhere when it fails.
 */
ai_board_change_t ai_board_end(ai_board_t *bd, uint32_t target,
    ai_outcome_t outcome, unsigned probe, uint32_t first_byte_ms,
    int64_t retry_ms, uint64_t now_ms, uint32_t random);

/*
 * [locked] A stream that had begun well broke off, or carried an error: counts
 * as failed for the breaker and the canary, in place of the OK that its head
 * was.
 */
ai_board_change_t ai_board_broke(ai_board_t *bd, uint32_t target,
    uint64_t now_ms, uint32_t random);

/*
 * [locked] How many calls of ai_board_begin(), ai_board_end() and
 * ai_board_broke() there were for the target, those that it refused too: what
 * is read under the same lock as a call is its place in their order.
 */
uint64_t ai_board_calls(const ai_board_t *bd, uint32_t target);


/* the quota that an answer's headers announce; < 0: not said */

typedef struct {
    int64_t          requests;      /* remaining */
    int64_t          tokens;
    int64_t          requests_ms;   /* until they are back */
    int64_t          tokens_ms;
} ai_quota_said_t;

/* [locked] */
void ai_board_said(ai_board_t *bd, uint32_t target,
    const ai_quota_said_t *said, uint64_t now_ms);


/* ---- keys of a provider ---- */

/*
 * [locked] The next key of keys[n] in turn that does not rest, for a request
 * whose guess is "tokens": its index in keys[].  One whose announced quota is
 * used up only where there is no other, the one that is back first.  All rest:
 * the one that is back first, and *wait_ms says when (0 else).
 */
uint32_t ai_board_key_next(ai_board_t *bd, const uint32_t *keys, uint32_t n,
    uint64_t tokens, uint64_t now_ms, uint64_t *wait_ms);

/*
 * [locked] Ms until the first key of keys[n] may be used, when the quota of
 * each that does not rest is used up; 0: one may be used, or all rest.
 */
uint64_t ai_board_keys_dry(const ai_board_t *bd, const uint32_t *keys,
    uint32_t n, uint64_t tokens, uint64_t now_ms);

/* [locked] ai_board_said() for an answer to this key, whatever the model was */
void ai_board_key_said(ai_board_t *bd, uint32_t key,
    const ai_quota_said_t *said, uint64_t now_ms);

/* [locked] it answered 401 (retry_ms < 0; a minute, then longer up to ten) or
   429; 1: it did not rest before */
unsigned ai_board_key_rest(ai_board_t *bd, uint32_t key, unsigned status,
    int64_t retry_ms, uint64_t now_ms);

/* [locked] it was taken */
void ai_board_key_good(ai_board_t *bd, uint32_t key);


/* ---- the operator's ---- */

typedef enum {
    AI_BREAKER_AUTO = 0,
    AI_BREAKER_OPEN,            /* by hand, until AUTO is said */
    AI_BREAKER_CLOSED           /* the same: never opens */
} ai_breaker_mode_t;

/* [locked] AUTO begins closed with nothing counted; it and CLOSED end a rest */
void ai_board_set_breaker(ai_board_t *bd, uint32_t target,
    ai_breaker_mode_t mode);
void ai_board_set_weight(ai_board_t *bd, uint32_t target, uint32_t weight);

uint32_t ai_board_weight(const ai_board_t *bd, uint32_t target);

/* observed first byte, ms: a moving mean; 0: none was observed */
uint32_t ai_board_latency(const ai_board_t *bd, uint32_t target);


typedef struct {
    ai_breaker_mode_t  mode;
    unsigned         open:1;        /* the breaker; half: it may be probed */
    unsigned         half:1;
    uint64_t         open_ms;       /* until it may be probed */
    uint64_t         rest_ms;       /* that it rests yet; 0: it does not */
    uint32_t         in_a_row;      /* failures */
    uint32_t         window;        /* attempts in the breaker's window */
    uint32_t         window_failed;
    uint64_t         attempts;      /* ever */
    uint64_t         failed;
    uint64_t         limited;
    uint64_t         opened;        /* times */
    uint32_t         weight;
    uint32_t         stepped;       /* the canary's last step back was from */
    uint32_t         latency_ms;
    uint32_t         p99_ms;        /* of the canary's window, 0: none */
    int64_t          requests;      /* announced, as counted down; < 0: not */
    int64_t          tokens;
} ai_board_view_t;

/* [locked] */
void ai_board_view(const ai_board_t *bd, uint32_t target, uint64_t now_ms,
    ai_board_view_t *view);

/* [locked] ms that a key rests yet; 0: it does not */
uint64_t ai_board_key_rests(const ai_board_t *bd, uint32_t key,
    uint64_t now_ms);


AI_HIDDEN_END


#endif /* AI_BOARD_H */
