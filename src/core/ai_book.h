
/*
 * The book: every counter that limits are judged by, in one flat piece of
 * shared memory.
 *
 * A request takes a hold on all its limits together, all or nothing, and
 * settles with the truth after.  Holds are entries of the book, owned by a
 * worker, so that what a killed worker held is given back by a sibling.
 *
 * Torn writes.  A worker may be killed at any instruction.  The caller holds
 * one lock around every call marked [locked]; each such call writes shared
 * words only through the book's undo journal, and the lock's next owner calls
 * ai_book_recover() first: when the journal is not empty, its owner died in
 * the middle, and the words get their old values back.  Because the kernel
 * stops a thread between instructions and stores of one CPU become visible in
 * order, a call has happened either wholly or not at all.
 *
 * Memory.  Fixed-size records in arrays, found by hash chains of indices; no
 * pointers (a zone may be mapped elsewhere), nothing is freed but holds and
 * owners that are idle.  When the arena is full a new owner is refused
 * (AI_ERROR: fail closed), never one with open holds evicted; owners without
 * holds whose windows have passed are reused first, and with them goes what
 * they spent ever, save that of owners which a total of cost was asked of.
 */


#ifndef AI_BOOK_H
#define AI_BOOK_H


#include "ai_limit.h"
#include "ai_key.h"


typedef struct ai_book_s  ai_book_t;    /* lies at the start of the memory */

#define AI_BOOK_WORKERS   256
#define AI_BOOK_MODELS    512           /* learned ratios, by model */

typedef uint32_t  ai_ref_t;             /* an index + 1; 0 is none */


/* bytes of a book's fixed part, and a reasonable minimum for all of it */
size_t ai_book_min_size(void);

/* lays an empty book out over mem (64-byte aligned); AI_ERROR: too small */
int ai_book_init(void *mem, size_t size, const ai_char zone_id[16]);

/* AI_OK when mem holds a book of this layout's version and size */
int ai_book_check(const void *mem, size_t size);

/* [locked] undoes what a dead owner left half done; AI_DONE if it did */
int ai_book_recover(ai_book_t *bk);

/* random id of this incarnation; ledger segments name it */
const ai_char *ai_book_zone_id(const ai_book_t *bk);


/* the clock of one call: calendar seconds and milliseconds of a clock that
   never steps */

typedef struct {
    uint64_t         now_s;
    uint64_t         mono_ms;
} ai_now_t;


/* ---- owners: a tenant, or a key of a tenant ---- */

/*
 * Identity is the first 16 bytes of SHA-256 over "tenant" or "tenant\0key", so
 * that names survive reloads and restarts.
 */
typedef struct {
    ai_char          id[16];
} ai_owner_id_t;

void ai_owner_id(ai_owner_id_t *id, const ai_str_t *tenant,
    const ai_str_t *key);

/* what an owner used, in any window, and what stands open */

typedef struct {
    uint32_t         day;                       /* ids of the windows */
    uint32_t         month;
    int64_t          used_day[AI_RES_COUNTED];
    int64_t          used_month[AI_RES_COUNTED];
    int64_t          held[AI_RES_COUNTED];      /* upper bounds held now */
    int64_t          open;                      /* holds: concurrency */
    uint64_t         requests;                  /* admitted, ever */
    uint64_t         refused[8];                /* by ai_refusal_t */
    uint64_t         tokens[2];                 /* input, output, ever */
    int64_t          cost;                      /* nano-dollars, ever */
    int64_t          cost_others;               /* of other nodes */
} ai_owner_view_t;

typedef enum {
    AI_REFUSED_KEY = 0,
    AI_REFUSED_MODEL,
    AI_REFUSED_RATE,
    AI_REFUSED_BUDGET,
    AI_REFUSED_CONCURRENCY,
    AI_REFUSED_REQUEST,
    AI_REFUSED_GATEWAY,
    AI_REFUSED_N
} ai_refusal_t;

/* [locked] finds an owner or makes one; 0: the book is full */
ai_ref_t ai_book_owner(ai_book_t *bk, const ai_owner_id_t *id, uint64_t now_s);

/* [locked] finds an owner; 0: not in the book */
ai_ref_t ai_book_owner_find(const ai_book_t *bk, const ai_owner_id_t *id);

/*
 * [locked] a copy of what an owner used; windows that have passed by now_s
 * (seconds, UTC) read as zero
 */
void ai_book_owner_view(const ai_book_t *bk, ai_ref_t owner, uint64_t now_s,
    ai_owner_view_t *view);

/*
 * What other nodes used in the windows "day" and "month" (20261121, 202611),
 * and what they spent ever.  Corrections may make any of it negative.
 */
typedef struct {
    uint32_t         day;
    uint32_t         month;
    int64_t          used_day[AI_RES_COUNTED];
    int64_t          used_month[AI_RES_COUNTED];
    int64_t          cost;                      /* nano-dollars */
} ai_base_t;

/*
 * [locked] Sets what others used, in place of what was said before: windows
 * and totals are judged by the sum of it and of what this book counted.  A
 * window that has passed is ignored, as is one that begins more than a day
 * after now (a clock is wrong); a newer one than the owner's begins it.
 * Numbers are taken as AI_BASE_MAX at most.  AI_ERROR: the book is full, and
 * nothing is changed.
 */
int ai_book_base(ai_book_t *bk, const ai_owner_id_t *id,
    const ai_base_t *base, const ai_now_t *now);

#define AI_BASE_MAX  ((int64_t) 1 << 60)

/* counts a refusal; a plain atomic add, needs no lock */
void ai_book_owner_refused(ai_book_t *bk, ai_ref_t owner, ai_refusal_t why);


/* ---- holds ---- */

typedef struct {
    ai_owner_id_t      id;
    const ai_limit_t  *limits;
    unsigned           nlimits;
} ai_party_t;

typedef struct {
    ai_party_t       party[2];  /* the tenant, then the key */
    unsigned         nparty;    /* 1 or 2 */
    int64_t          bound[AI_RES_COUNTED];     /* for windows, and for every
                                   cost limit; bound[REQUESTS] is 1 */
    int64_t          guess[AI_RES_COUNTED];     /* for buckets of tokens */
    uint16_t         worker;    /* ai_book_worker() */
    uint8_t          shared;    /* limits are shared with other nodes, see
                                   ai_lease.h: judged by leased credit, too */
    uint8_t          rates;     /* when shared: ai_rates_t */
    uint8_t          local;     /* on_store_loss local */
    uint8_t          queued;    /* waits for a slot, see ai_refused_t */
    uint32_t         nodes;     /* that share the limits; 1 to 1024 */
    uint32_t         segment;   /* the ledger slot that vouches for it */
    uint32_t         slot;
} ai_hold_ask_t;

/* what shared rates are judged by; budgets are always judged by credit */

typedef enum {
    AI_RATES_LEASED = 0,        /* credit */
    AI_RATES_LOCAL,             /* one share of "nodes" */
    AI_RATES_OPEN               /* nothing */
} ai_rates_t;

/* why a hold was refused: the limit that takes longest to come back */

typedef struct {
    unsigned         party;     /* index into ask->party */
    ai_limit_t       limit;
    int64_t          used;      /* of a window: spent; of a bucket: taken */
    int64_t          held;
    int64_t          wait_ms;   /* until it may pass; -1: not by waiting; 1000
                                   where only open holds stand in the way */
    unsigned         budget:1;  /* ai_limit_is_budget() */
    unsigned         ahead:1;   /* AI_OK: shared credit runs low, it is time to
                                   ask for more */
} ai_refused_t;

/*
 * [locked] Takes a hold on every limit of every party, or on none.
 * AI_OK: *hold is the entry.  AI_BUSY: why is filled in.  AI_ERROR: the book
 * has no room (fail closed).  AI_AGAIN, when limits are shared: this node lacks
 * credit for a limit, why says for which; ai_lease_begin() makes the question.
 * What the store has just said it does not have is AI_BUSY, unasked.
 *
 * Buckets take "guess" (requests: 1), and go into debt by it rather than refuse
 * for ever what the answer may take: only a guess at the input that is more
 * than burst never passes; windows need used + held + bound <=
 * amount, and so do buckets of cost, level >= held + bound: what is held there
 * is not refilled; a total of cost needs it of all that was ever spent, here
 * and by others, and of all holds; concurrency needs open < amount.  A bucket
 * keeps what was taken from it when its limit is changed.
 *
 * AI_ERROR also for an ask that cannot be judged: a negative bound, an unknown
 * worker, two limits of a party on one bucket, more than 64 limits; shared by
 * no node, or by more than 1024.
 */
int ai_book_take(ai_book_t *bk, const ai_hold_ask_t *ask, const ai_now_t *now,
    ai_ref_t *hold, ai_refused_t *why);

/*
 * [locked] Ends a hold with what was really used: windows give the hold back
 * and count "used" (in the windows in which the hold was taken; when one has
 * passed, nothing is counted there); buckets get guess - used back, or are
 * charged used - guess, into debt; open goes down.  used[REQUESTS] is 1, or 0
 * for a request that was never sent.  A hold that is not open is ignored.
 */
void ai_book_settle(ai_book_t *bk, ai_ref_t hold,
    const int64_t used[AI_RES_COUNTED], const uint64_t tokens[2],
    const ai_now_t *now);

/*
 * When a row is to say that it was admitted: at_s, or the beginning of the day
 * that its hold is counted in where the clock was set back behind that.  A
 * start, which counts by the times of rows, so has it where it was.
 */
uint64_t ai_book_hold_s(const ai_book_t *bk, ai_ref_t hold, uint64_t at_s);

/*
 * [locked] A place among those that wait for a slot of a party's concurrency,
 * as a record of its worker, so that it goes with the worker.  AI_BUSY: "max"
 * wait there already.  While some wait, ai_book_take() lets nobody pass by
 * them: it refuses an ask that is not "queued".  AI_ERROR: no room.
 */
int ai_book_queue(ai_book_t *bk, const ai_hold_ask_t *ask, unsigned party,
    uint32_t max, const ai_now_t *now, ai_ref_t *place);

/* [locked] gives it back; ai_book_settle() does the same */
void ai_book_unqueue(ai_book_t *bk, ai_ref_t place);

/*
 * [locked] Counts a row that this book never held: at start from the ledger,
 * and when a row of another incarnation's worker is closed.  "at_s" is the
 * row's time; windows that have passed are left alone; buckets take what has
 * not yet been refilled, those of requests and tokens no more than all they
 * have.
 * Limits that are shared (ai_lease_conf() comes first) get a record of credit,
 * so that reports tell of them.
 */
int ai_book_count(ai_book_t *bk, const ai_party_t *party, unsigned nparty,
    const int64_t used[AI_RES_COUNTED], uint64_t at_s, const ai_now_t *now);

/*
 * [locked] The state of one limit, for response headers and /v1/usage: what is
 * used, held and left now, and ms until it is whole again (bucket) or its
 * window ends.  Of a limit that is shared, what all nodes have left of it, as
 * far as the store's last answer tells; until then, what is known here.
 */
typedef struct {
    int64_t          used;
    int64_t          held;
    int64_t          remaining;
    int64_t          reset_ms;
} ai_limit_view_t;

void ai_book_limit_view(const ai_book_t *bk, ai_ref_t owner,
    const ai_limit_t *limit, const ai_now_t *now, ai_limit_view_t *view);


/* ---- workers ---- */

/*
 * [locked] A place in the table of workers for a process; pid and start (clock
 * ticks since boot, field 22 of /proc/pid/stat) identify it.  AI_ERROR: full.
 */
int ai_book_worker(ai_book_t *bk, uint32_t pid, uint64_t start);

/* [locked] iterates over the holds of a worker: *at is 0 to begin */
typedef struct {
    ai_ref_t         hold;
    uint32_t         segment;
    uint32_t         slot;
} ai_hold_view_t;

int ai_book_worker_hold(const ai_book_t *bk, unsigned worker, ai_ref_t *at,
    ai_hold_view_t *view);          /* AI_OK, AI_DECLINED at the end */

/* who is in the table: AI_OK, AI_DECLINED for an empty place */
int ai_book_worker_get(const ai_book_t *bk, unsigned worker, uint32_t *pid,
    uint64_t *start);

/* [locked] frees the place of a worker that has no holds any more */
void ai_book_worker_free(ai_book_t *bk, unsigned worker);


/* ---- learned ratios ---- */

/*
 * Per model: bytes of request body per input token and of visible text per
 * output token, in 1/1024 of a byte, and output tokens per request; moving
 * averages of what providers reported.
 */
typedef struct {
    uint32_t         in_bytes;      /* 1/1024; starts at 4 bytes */
    uint32_t         out_bytes;     /* 1/1024; starts at 4 bytes */
    uint32_t         out_tokens;    /* per request; starts at 256 */
} ai_ratio_t;

/* lock-free; a model not in the table gives the start values */
void ai_book_ratio_get(const ai_book_t *bk, const ai_str_t *model,
    ai_ratio_t *r);

/* [locked] weighs one settled request in (1/16) */
void ai_book_ratio_learn(ai_book_t *bk, const ai_str_t *model,
    uint64_t body_bytes, uint64_t input_tokens, uint64_t text_bytes,
    uint64_t output_tokens);


/* ---- figures for the operator ---- */

typedef struct {
    uint64_t         size;
    uint64_t         used;          /* bytes of records in use */
    uint32_t         owners;
    uint32_t         buckets;
    uint32_t         holds;
    uint32_t         holds_max;
    uint32_t         recovered;     /* times an undo journal was played */
} ai_book_stat_t;

void ai_book_stat(const ai_book_t *bk, ai_book_stat_t *st);


#endif /* AI_BOOK_H */
