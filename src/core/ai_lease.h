
/*
 * Limits that several nodes share: credit that the book has leased from a
 * store, and the operations that ask for it.
 *
 * A node spends credit that it has taken from the store before.  For each limit
 * of an owner the book keeps "allow": what was spent here plus what may still
 * be spent here; it grows by an accepted grant alone.  An operation says that
 * number, absolutely, so that nothing that is lost, late or doubled on the way
 * can be counted wrongly; the rules are proven in t/model/lease.pml, and the
 * store's half is src/event/lease.lua.
 *
 *   window, total   spent: used + held of this node, in that window
 *   bucket          spent: all that was ever taken here since the book was
 *                   made; a surplus that is settled lowers spent and allow, so
 *                   that it goes back to the store and is not spent again here
 *   concurrency     spent: open holds
 *
 * Unspent credit ends when the lease does ("until", by the monotonic clock,
 * counted from when the operation was sent): it becomes 0 first, and then an
 * operation says so.
 *
 * Beside that each bucket is kept as the node's share of it: one Nth, as the
 * whole bucket from which every request takes N times what it needs.  It is
 * judged while the store is gone (AI_RATES_LOCAL), and it is what a store that
 * lost its memory is told.
 */


#ifndef AI_LEASE_H
#define AI_LEASE_H


#include "ai_book.h"


#define AI_LEASE_CELLS   64     /* limits of both parties of a request */
#define AI_LEASE_SHARDS  64     /* at most */


/* ---- an operation ---- */

typedef enum {
    AI_LEASE_WINDOW = 0,        /* day, month, total */
    AI_LEASE_BUCKET,
    AI_LEASE_SLOTS              /* concurrency */
} ai_lease_kind_t;

/*
 * One limit.  "want" is what would be good to have, "need" what the request
 * cannot do without: all needs of an operation are granted, or nothing is.
 */

typedef struct {
    ai_owner_id_t    id;
    ai_ref_t         owner;
    uint8_t          kind;      /* ai_lease_kind_t */
    uint8_t          resource;
    uint8_t          period;
    uint8_t          party;     /* of the ask */
    uint8_t          local;     /* silent nodes keep their shares of it */
    uint8_t          fresh;     /* bucket: the store is to take mine + unspent
                                   in place of the difference of the sums, as
                                   where it knows no sum of this node: the sum
                                   begins anew, or the node was on its own */
    uint8_t          lost;      /* bucket: the answer to the operation before
                                   this one was not taken; what it granted may
                                   have been refilled since */
    uint64_t         window;    /* 20261121, 202611; 0: none */
    int64_t          limit;     /* amount; of a bucket: burst; 0 in a report of
                                   other limits, where nothing is wanted */
    int64_t          amount;    /* of a bucket, by period */
    int64_t          sum;       /* allow, or what was spent when that is more */
    int64_t          unspent;   /* part of sum; of a bucket of cost also what
                                   is held: the store refills neither */
    int64_t          mine;      /* bucket: taken here and not refilled yet by
                                   one Nth; for a store that knows nothing.
                                   Window: part of sum, rows of older starts,
                                   whose totals the store may have as well */
    int64_t          want;
    int64_t          need;

    /* the answer */
    int64_t          granted;
    int64_t          left;      /* of the limit, behind the grant; may be
                                   negative; INT64_MIN: unknown */
    int64_t          wait_ms;   /* until what was needed may be there; -1: not
                                   by waiting; of a bucket */
} ai_lease_cell_t;

typedef struct {
    uint64_t         seq;       /* of this node's start; grows */
    uint64_t         epoch;     /* the shard's, that it is sent with */
    uint64_t         random;
    uint32_t         shard;
    unsigned         ncells;
    uint64_t         sent_ms;   /* monotonic: set by ai_lease_begin() */
    ai_ref_t         owner[2];
    ai_lease_cell_t  cell[AI_LEASE_CELLS];
} ai_lease_op_t;


/* set once a cycle, before the first request; 0 nodes: nothing is shared */

typedef struct {
    uint64_t         lease_ms;
    uint64_t         busy_ms;   /* an operation is over after that, in any case;
                                   more than its time-out */
    uint32_t         nodes;     /* "nodes N" */
    uint32_t         shards;    /* 1, or AI_LEASE_SHARDS; a power of 2 */
} ai_lease_conf_t;

/* [locked] a change of "shards" forgets all credit and all epochs */
void ai_lease_conf(ai_book_t *bk, const ai_lease_conf_t *conf);

/* the shard of a tenant, and of its keys: the first bytes of the tenant's id */
uint32_t ai_lease_shard(const ai_book_t *bk, const ai_owner_id_t *tenant);

/*
 * [locked] What a refused request (AI_AGAIN from ai_book_take()) has to ask
 * for, or, with "ahead", what would be good to have before it lacks; marks both
 * owners as asked for.  AI_OK; AI_BUSY: somebody else asks for one of them;
 * AI_DECLINED: nothing is lacking any more, or (ahead) nothing is wanted;
 * AI_ERROR: the book has no room.
 */
int ai_lease_begin(ai_book_t *bk, const ai_hold_ask_t *ask, unsigned ahead,
    const ai_now_t *now, ai_lease_op_t *op);

/*
 * [locked] The end of an operation.  answered: op's cells hold the answer, of
 * the epoch and with the id that were sent; else nothing is concluded from it.
 * AI_OK; AI_DECLINED: it was given up meanwhile, or the shard has another epoch
 * by now, which does not know of it; nothing was taken.
 */
int ai_lease_end(ai_book_t *bk, ai_lease_op_t *op, unsigned answered,
    const ai_now_t *now);

/*
 * [locked] The next owner whose credit has ended (all: every owner with
 * credit, which ends by this) and is to be given back: unspent credit is
 * dropped, op says so and wants nothing.  *cursor is 0 to begin and is moved;
 * looks at "steps" owners at most.  AI_OK: op is filled; AI_BUSY: more to look
 * at; AI_DECLINED: all were looked at.
 */
int ai_lease_expire(ai_book_t *bk, unsigned all, uint32_t *cursor,
    unsigned steps, const ai_now_t *now, ai_lease_op_t *op);

/*
 * [locked] The same for a report to a shard that lost its memory, or that has
 * not heard this node: the next owner of the shard whose sums are not all
 * zero.  Unspent credit stays.
 */
int ai_lease_report(ai_book_t *bk, uint32_t shard, uint32_t *cursor,
    unsigned steps, const ai_now_t *now, ai_lease_op_t *op);


/* ---- what is known of the store, by shard; shared by all workers ---- */

typedef struct {
    uint64_t         epoch;     /* its count; 0: none is known */
    uint64_t         random;    /* and the rest of its name */
    uint64_t         sent_ms;   /* monotonic: the last operation that may have
                                   told the store that the node is not on its
                                   own */
    uint32_t         heard;     /* the store knows this node in this epoch */
    uint32_t         seeded;    /* and all others: it grants */
    uint32_t         usable;    /* it answers: ask it */
    uint32_t         local;     /* the node is on its own: rates of plans that
                                   say so are judged by the share */
    uint32_t         behind;    /* it was, and has not reported since: it does
                                   not say yet that it is not */
    uint32_t         pad;
    uint32_t         nodes;     /* seen lately */
    uint32_t         waits;     /* a worker wants what another asks for; kept
                                   for the workers */
} ai_lease_shard_t;

/* a copy; lock-free, words may be of two moments */
void ai_lease_shard_get(const ai_book_t *bk, uint32_t shard,
    ai_lease_shard_t *sh);

/* [locked] replaces it */
void ai_lease_shard_set(ai_book_t *bk, uint32_t shard,
    const ai_lease_shard_t *sh);

/* figures of this book, ever; plain atomic adds */

typedef struct {
    uint64_t         asked;     /* operations for a request that waited */
    uint64_t         ahead;     /* in advance */
    uint64_t         returned;  /* that gave credit back */
    uint64_t         reported;
    uint64_t         failed;    /* not answered in time, or not by credit */
    uint64_t         waited;    /* requests that waited for the store */
    uint64_t         lost;      /* requests refused as no store vouched */
    uint64_t         local;     /* requests judged by the share */
    uint64_t         open;      /* and let pass unjudged */
    uint64_t         queued;    /* requests that waited for a slot */
    uint64_t         queued_out;        /* and did not get one in time */
} ai_lease_stat_t;

ai_lease_stat_t *ai_lease_stat(ai_book_t *bk);


/* ---- sizes; pure functions, for tests ---- */

/*
 * How much to ask for: twice what was spent in the last lease, no more than
 * left / (2 * nodes), and "need" where that is more.
 */
int64_t ai_lease_want(int64_t spent, uint64_t since_ms, uint64_t lease_ms,
    int64_t left, uint32_t nodes, int64_t unspent, int64_t need);

/*
 * A bucket's refill as whole ticks: per_tick credit each tick_us microseconds,
 * never faster than amount by period, and slower by less than 0.2 %.  amount
 * 0: per_tick 0.
 */
void ai_lease_tick(int64_t amount, unsigned period, int64_t *per_tick,
    uint64_t *tick_us);


#endif /* AI_LEASE_H */
