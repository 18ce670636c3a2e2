
/*
 * A slot: one admitted request in the ledger, written in place into a
 * memory-mapped segment.
 *
 *   FREE -> INTENT (before anything goes upstream) -> STARTED (handed to
 *   proxy_pass) -> FINAL | INTERRUPTED | REFUSED | FAILED -> SHIPPED = FREE
 *
 * The state is one aligned 32-bit word, written last.  The owner's worker
 * takes slots and ends them; the sink alone turns an ended one into FREE.
 * "intent_crc" covers the identity part from INTENT on, "final_crc" all of an
 * ended slot, so that a torn or flipped one is noticed.
 *
 * What was delivered so far stands in one of two running records; the owner
 * fills the other one and then flips "run", so that a reader never meets a
 * half-written one.
 */


#ifndef AI_SLOT_H
#define AI_SLOT_H


#include "ai_api.h"
#include "ai_usage.h"
#include "ai_limit.h"


#define AI_SLOT_SIZE      2048
#define AI_SLOT_TEXT      896   /* packed strings */
#define AI_SLOT_ATTEMPTS  8

typedef enum {
    AI_SLOT_FREE = 0,
    AI_SLOT_INTENT,
    AI_SLOT_STARTED,
    AI_SLOT_FINAL,
    AI_SLOT_INTERRUPTED,        /* cut by provider, client or death */
    AI_SLOT_REFUSED,            /* admitted, then nothing sent */
    AI_SLOT_FAILED              /* every target failed */
} ai_slot_state_t;

/* "final", "interrupted", "refused", "failed"; the row's "state" */
const char *ai_slot_state_name(ai_slot_state_t state);

#define ai_slot_ended(state)  ((state) >= AI_SLOT_FINAL)


/* strings of a row, packed one behind the other into "text" */

typedef enum {
    AI_SLOT_TENANT = 0,
    AI_SLOT_KEY,                /* the key's name */
    AI_SLOT_PLAN,
    AI_SLOT_LABELS,             /* a JSON object, ready; at most 256 bytes */
    AI_SLOT_MODEL,              /* as configured: what was admitted */
    AI_SLOT_SERVED,
    AI_SLOT_FINISH,
    AI_SLOT_ATTEMPT_PROVIDER,   /* of attempts[0]; then its model; then of
                                   attempts[1], ... */
    AI_SLOT_STRINGS = AI_SLOT_ATTEMPT_PROVIDER + 2 * AI_SLOT_ATTEMPTS
} ai_slot_string_t;

typedef enum {
    AI_REASON_NONE = 0,         /* it answered */
    AI_REASON_CONNECT,
    AI_REASON_TIMEOUT,
    AI_REASON_STATUS,
    AI_REASON_CUT,              /* the answer broke off */
    AI_REASON_ABORT,            /* the client left */
    AI_REASON_DEATH,            /* the worker died */
    AI_REASON_REVOKED,          /* the key, the tenant or its budget was taken
                                   away meanwhile */
    AI_REASON_N
} ai_reason_t;

/* what chose an attempt's target; the attempt's "chosen" in the row */

typedef enum {
    AI_CHOSEN_NONE = 0,
    AI_CHOSEN_ONLY,             /* there is no other */
    AI_CHOSEN_WEIGHT,
    AI_CHOSEN_CANARY,
    AI_CHOSEN_RULE,             /* a "route" of the model */
    AI_CHOSEN_COST,             /* prefer ... */
    AI_CHOSEN_LATENCY,
    AI_CHOSEN_NEXT,             /* another target, after one that failed */
    AI_CHOSEN_FALLBACK,
    AI_CHOSEN_CONTEXT,          /* for its longer context */
    AI_CHOSEN_RETRY,            /* the same once more, after its retry-after */
    AI_CHOSEN_KEY,              /* the same with another key */
    AI_CHOSEN_CACHE,            /* no provider: a cached answer */
    AI_CHOSEN_N
} ai_chosen_t;

extern const char *const  ai_chosen_names[AI_CHOSEN_N];

typedef struct {
    uint16_t         status;    /* HTTP, 0: none came */
    uint8_t          reason;    /* ai_reason_t: why it ended so */
    uint8_t          chosen;    /* ai_chosen_t: why it was tried */
    uint32_t         ms;
} ai_attempt_t;


/* the numbers of a row that change while it runs */

typedef struct {
    uint64_t         input_tokens;
    uint64_t         output_tokens;
    uint64_t         cache_read_tokens;
    uint64_t         cache_write_tokens;
    uint64_t         reasoning_tokens;
    uint64_t         classes[AI_CLASS_N];
    uint64_t         units[AI_UNIT_N];
    int64_t          cost_nanos;
    uint8_t          source;    /* ai_source_t */
    uint8_t          complete;
    uint8_t          pad[6];
} ai_run_t;

/* a sub record of ai_usage_t, small */

typedef struct {
    uint8_t          kind;
    uint8_t          model_len;
    ai_char          model[AI_SUB_MODEL_LEN - 2];
    uint32_t         classes[AI_CLASS_N];
} ai_slot_sub_t;

#define AI_SLOT_SUBS  AI_SUB_MAX


typedef struct {
    uint32_t         state;     /* ai_slot_state_t, atomic */
    uint32_t         final_crc;
    uint32_t         intent_crc;
    uint8_t          run;       /* index of the valid running record */
    uint8_t          nattempts;

    /* identity: set before INTENT, unchanged after */
    uint8_t          dialect;
    uint8_t          ep;
    ai_char          id[16];    /* UUIDv7 */
    uint64_t         time_ms;   /* admission, since the epoch */
    int64_t          hold_nanos;
    uint64_t         request_bytes;
    uint32_t         price_version;
    uint8_t          stream;
    uint8_t          pad0[3];
    uint16_t         string_len[AI_SLOT_STRINGS];   /* TENANT..MODEL here */

    /* the end */
    uint64_t         response_bytes;
    uint32_t         first_byte_ms;     /* UINT32_MAX: none */
    uint32_t         duration_ms;
    uint16_t         http_status;       /* sent to the client; 0: none */
    uint8_t          status;            /* index into ai_status_names */
    uint8_t          client_aborted;
    uint8_t          nsubs;
    uint8_t          shifting;  /* strings behind MODEL are being moved */
    uint8_t          pad1;

    /* for the owner, who mostly appends */
    uint8_t          nstrings;  /* the last string set, and one */
    uint16_t         text_len;  /* of all strings */
    ai_attempt_t     attempts[AI_SLOT_ATTEMPTS];
    ai_slot_sub_t    subs[AI_SLOT_SUBS];

    ai_run_t         runs[2];

    ai_char          text[AI_SLOT_TEXT];
} ai_slot_t;

_Static_assert(sizeof(ai_slot_t) <= AI_SLOT_SIZE, "a slot is too large");


/*
 * The values of $ai_status and of the row's "status".  A request that was
 * REJECTED got our own answer in place of a provider's, also where a provider
 * was asked already and the key was revoked before it answered.  REVOKED had
 * begun to be answered, and was cut.
 */

typedef enum {
    AI_STATUS_NONE = 0,
    AI_STATUS_PASSED,
    AI_STATUS_REJECTED_KEY,
    AI_STATUS_REJECTED_MODEL,
    AI_STATUS_REJECTED_RATE,
    AI_STATUS_REJECTED_BUDGET,
    AI_STATUS_REJECTED_CONCURRENCY,
    AI_STATUS_REJECTED_REQUEST,
    AI_STATUS_FAILED_UPSTREAM,
    AI_STATUS_FAILED_GATEWAY,
    AI_STATUS_REVOKED,
    AI_STATUS_REJECTED_CAPACITY,
    AI_STATUS_N
} ai_status_t;

extern const char *const  ai_status_names[AI_STATUS_N];


/* zeroes all but "state" and sets the identity's fixed parts */
void ai_slot_begin(ai_slot_t *s, const ai_char id[16], uint64_t time_ms,
    ai_dialect_t dialect, ai_endpoint_t ep);

/* sets a string, in any order and again and again (strings behind MODEL move
   when an earlier one changes; those up to MODEL are set before INTENT only).
   Cut (at a UTF-8 boundary) where it does not fit */
void ai_slot_string(ai_slot_t *s, unsigned which, const ai_str_t *v);

ai_str_t ai_slot_get(const ai_slot_t *s, unsigned which);

/* the CRC and the state INTENT, in this order */
void ai_slot_intent(ai_slot_t *s);

/* moves INTENT to STARTED */
void ai_slot_started(ai_slot_t *s);

/* publishes a running record */
void ai_slot_run(ai_slot_t *s, const ai_run_t *run);

/* the CRC and an ended state, in this order; the row may be shipped at once
   after it */
void ai_slot_end(ai_slot_t *s, ai_slot_state_t state);

/*
 * Closes the slot of a dead worker: INTENT becomes REFUSED at cost 0 and
 * source none, STARTED becomes INTERRUPTED with what was delivered.  The
 * duration is now_ms - time_ms.  AI_ERROR: intent_crc does not hold (torn
 * or damaged): the slot is no row.
 */
int ai_slot_orphan(ai_slot_t *s, uint64_t now_ms);

/* AI_OK when an ended slot's final_crc holds */
int ai_slot_check(const ai_slot_t *s);

/*
 * The row as one JSON object, without a line end; fields in DESIGN section 9's
 * order.  AI_SLOT_ROW_MAX bytes always suffice.
 */
#define AI_SLOT_ROW_MAX  16384
void ai_slot_row(ai_buf_t *b, const ai_slot_t *s);


/*
 * The few fields of a row's line that counters are rebuilt from (a strict
 * reader of what ai_slot_row() wrote).  AI_ERROR: not such a line.
 */
typedef struct {
    ai_char          id[16];
    uint64_t         time_ms;
    ai_str_t         tenant;    /* into scratch, unescaped */
    ai_str_t         key;
    int64_t          used[AI_RES_COUNTED];  /* REQUESTS: 1, or 0 if refused */
} ai_row_t;

int ai_row_parse(ai_row_t *row, const ai_char *line, size_t len,
    ai_char *scratch, size_t scratch_size);


#endif /* AI_SLOT_H */
