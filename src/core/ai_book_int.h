
/*
 * The records of the book, and how they are written; for src/core/ai_book*.c.
 *
 *   ai_book_s | heads | owners | cells | holds
 *
 * Records are named by ai_ref_t, index + 1.  Those never used yet lie above
 * "top" of their array; those given back are chained from "free".
 */


#ifndef AI_BOOK_INT_H
#define AI_BOOK_INT_H


#include "ai_lease.h"
#include "ai_journal.h"


#define AI_BOOK_MAGIC    0x6b6f6f625f6961ULL        /* "ai_book" */
#define AI_BOOK_VERSION  4

#define AI_BOOK_LIMITS   64         /* of both parties of a hold */
#define AI_BOOK_DRAWS    (2 * AI_RES_COUNTED * AI_PERIOD_BUCKETS)

/* of two owners: all resources and periods, a total and concurrency */
#define AI_BOOK_LEASES   (2 * (AI_RES_COUNTED * (AI_PERIOD_BUCKETS + 2) + 2))

/*
 * Words that one call may write.  The largest asks for credit for all limits
 * of two new owners in a full book: 54 leases and 30 buckets made (14 each,
 * 1176), for which 64 owners are given up (6 each, 384) and with them as many
 * cells, or all but one of one owner's 44 more (3 each, 384), and two owners
 * (80 each) and the operation (10) make less than 2200.  The first hold of them
 * writes the buckets and leases of 30 limits (24 and 15) and the hold (20),
 * less in all.
 */
#define AI_BOOK_JOURNAL  4096

#define AI_BOOK_STEPS    64         /* owners looked at, by one call, for some
                                       to reuse */

/* "retry after" where no clock tells when a hold will end */
#define AI_BOOK_RETRY    1000


/* what was used and is held in one calendar window */

typedef struct {
    uint64_t         id;
    int64_t          used[AI_RES_COUNTED];
    int64_t          held[AI_RES_COUNTED];  /* by holds taken in it */
} ai_window_t;

/*
 * The window before that one: what was spent here of it, and is held still.
 * Clocks of other nodes may not have passed its end, or this one's is set back.
 */

typedef struct {
    uint64_t         id;            /* 0: none is known */
    int64_t          spent[AI_RES_COUNTED];
} ai_former_t;

#define AI_WINDOW_DAY    0
#define AI_WINDOW_MONTH  1
#define AI_WINDOWS       2


typedef struct {
    ai_owner_id_t    id;
    ai_ref_t         next;          /* in the hash chain, or free */
    ai_ref_t         cells;         /* its buckets */
    uint32_t         open;
    uint32_t         live;          /* 0: free */
    ai_window_t      window[AI_WINDOWS];
    ai_former_t      former[AI_WINDOWS];
    int64_t          held[AI_RES_COUNTED];  /* by all open holds */
    uint64_t         requests;
    uint64_t         tokens[2];
    int64_t          cost;
    int64_t          cost_others;
    ai_ref_t         others;        /* what was used by others, by window */
    uint32_t         kept;          /* its totals are judged: not for reuse */
    uint64_t         refused[AI_REFUSED_N]; /* atomic, not in the journal */
    ai_ref_t         leases;        /* of its limits that are shared */
    uint32_t         hash;          /* of its tenant: the shard */
    uint32_t         queued;        /* places of those that wait for a slot */
    uint32_t         pad;
    uint64_t         op;            /* under way: its seq; 0: none */
    uint64_t         op_ms;         /* and when it began */
} ai_owner_t;


/*
 * A bucket of an owner, of one resource and period.  Requests and tokens are
 * taken when a hold is taken and put right when it is settled.  Cost is a
 * budget: it stays "held", which no refill touches, until it is settled, so
 * that no credit comes back before it was spent.  Where limits are shared this
 * is the node's share, see ai_lease.h.
 */
typedef struct {
    ai_bucket_t      bucket;
    int64_t          held;
    int64_t          amount;        /* of the limit that it was last used by */
    int64_t          burst;
    ai_ref_t         next;          /* of the same owner, or free */
    uint8_t          resource;
    uint8_t          period;
    uint8_t          pad[2];
    uint64_t         spare;         /* one cell, one cache line */
} ai_cell_t;


/*
 * What other nodes used in one window of an owner, in the place of a cell.  It
 * is contained in the window's "used" as long as that has the same id, so that
 * a request need not look here; what is said next changes it by the difference.
 */
typedef struct {
    int64_t          used[AI_RES_COUNTED];
    uint64_t         id;
    ai_ref_t         next;          /* lies where a cell has it */
    uint32_t         which;         /* AI_WINDOW_... */
    uint64_t         spare;
} ai_other_t;


/*
 * Credit for one limit, in the place of a cell, in a list of its own.  What was
 * spent of a window, a total or of slots stands in the owner.  "allow" stays
 * when the lease ends, as what the store was told last.
 */
typedef struct {
    int64_t          spent;         /* of a bucket; of a window or a total: what
                                       was counted of older starts' rows */
    int64_t          allow;
    uint64_t         until;         /* monotonic ms */
    int64_t          left;          /* as answered; INT64_MIN: never */
    int64_t          last;          /* spent when the last answer came */
    int64_t          wait_ms;       /* as answered */
    ai_ref_t         next;          /* lies where a cell has it */
    uint8_t          resource;
    uint8_t          period;
    uint8_t          state;         /* AI_LEASE_... */
    uint8_t          pad;
    uint32_t         window;        /* that allow is of; 0: of none */
    uint32_t         heard;         /* monotonic ms of the last answer, cut */
} ai_lease_t;

#define AI_LEASE_TOLD   1           /* the store knows allow, as it stands */
#define AI_LEASE_FRESH  2           /* bucket: it cannot know what this one's
                                       sum is relative to */
#define AI_LEASE_OWN    4           /* bucket: the share goes on from what was
                                       held when the store was lost */
#define AI_LEASE_LOCAL  8           /* silent nodes keep their shares */
#define AI_LEASE_LOST   16          /* bucket: the last operation was not
                                       answered, as far as is known */


typedef struct {
    ai_ref_t         next;          /* of the same worker, or free */
    ai_ref_t         prev;
    ai_ref_t         owner[2];      /* 0: no such party */
    uint32_t         segment;
    uint32_t         slot;
    uint32_t         window[2][AI_WINDOWS];     /* ids at the time, by party */
    int64_t          bound[AI_RES_COUNTED];
    int64_t          guess[AI_RES_COUNTED];
    uint16_t         draws[2];      /* buckets taken from: ai_cell_bit() */
    uint16_t         weight;        /* nodes that share the limits; 0: not
                                       shared */
    uint8_t          worker;
    uint8_t          live;          /* AI_HOLD_... */
} ai_hold_t;

#define AI_HOLD_FREE   0
#define AI_HOLD_TAKEN  1
#define AI_HOLD_PLACE  2            /* of one who waits for a slot of owner[0],
                                       and holds nothing else */

#define ai_cell_bit(resource, period)                                        \
    (1u << ((resource) * AI_PERIOD_BUCKETS + (period)))


typedef struct {
    uint32_t         pid;           /* 0: an empty place */
    ai_ref_t         holds;
    uint64_t         start;
} ai_worker_t;


typedef struct {
    uint64_t         key;           /* hash of the name; 0: empty */
    uint64_t         bytes;         /* in_bytes, out_bytes << 32 */
    uint64_t         tokens;        /* out_tokens */
} ai_model_t;


typedef struct {
    uint32_t         max;
    uint32_t         top;           /* records used at least once */
    ai_ref_t         free;
    uint32_t         count;         /* in use */
    uint64_t         at;            /* offset in the book */
} ai_array_t;


struct ai_book_s {
    uint64_t         magic;
    uint32_t         version;
    uint32_t         layout;        /* sizes of the records, see ai_book.c */
    uint64_t         size;
    ai_char          zone_id[16];

    ai_array_t       owners;
    ai_array_t       cells;
    ai_array_t       holds;
    uint64_t         heads;         /* offset; hash of owner ids */
    uint32_t         mask;
    uint32_t         hand;          /* next owner to be looked at for reuse */
    uint64_t         mono_ms;       /* the latest that any call has seen */

    uint32_t         recovered;
    uint32_t         undo;          /* entries of the journal that hold */
    ai_undo_t        journal[AI_BOOK_JOURNAL];

    ai_worker_t      workers[AI_BOOK_WORKERS];
    ai_model_t       models[AI_BOOK_MODELS];

    ai_lease_conf_t  lease;
    uint64_t         seq;           /* of the last operation */
    ai_lease_shard_t  shards[AI_LEASE_SHARDS];
    ai_lease_stat_t  lease_stat;    /* atomic, not in the journal */
};


#define ai_book_at(bk, offset)  ((void *) ((uintptr_t) (bk) + (offset)))

#define ai_owner_at(bk, ref)                                                 \
    ((ai_owner_t *) ai_book_at(bk, (bk)->owners.at) + ((ref) - 1))
#define ai_cell_at(bk, ref)                                                  \
    ((ai_cell_t *) ai_book_at(bk, (bk)->cells.at) + ((ref) - 1))
#define ai_other_at(bk, ref)                                                 \
    ((ai_other_t *) (void *) ai_cell_at(bk, ref))
#define ai_lease_at(bk, ref)                                                 \
    ((ai_lease_t *) (void *) ai_cell_at(bk, ref))
#define ai_hold_at(bk, ref)                                                  \
    ((ai_hold_t *) ai_book_at(bk, (bk)->holds.at) + ((ref) - 1))
#define ai_head_at(bk, i)                                                    \
    ((ai_ref_t *) ai_book_at(bk, (bk)->heads) + (i))


/* ---- one call, all or nothing ---- */

#define ai_book_journal(bk)                                                  \
    ((ai_journal_t) { (bk), offsetof(ai_book_t, undo),                       \
                      offsetof(ai_book_t, journal), AI_BOOK_JOURNAL })

/* one [locked] call; lives on its stack */

typedef struct {
    ai_book_t       *book;
    ai_writes_t      writes;
    uint32_t         hand;          /* where the search for room has got to */
    uint32_t         steps;         /* and how far it may still go */
    ai_ref_t         pin[2];        /* owners of this call: not for reuse */
    uint64_t         now_s;
    uint64_t         mono_ms;
} ai_tx_t;

void ai_tx_begin(ai_tx_t *tx, ai_book_t *bk, uint64_t now_s,
    uint64_t mono_ms);

/* AI_OK; AI_ERROR: the journal was too small, all is undone */
int ai_tx_commit(ai_tx_t *tx);

/* undoes the call; where the search for room stopped is kept */
void ai_tx_undo(ai_tx_t *tx);


static inline void
ai_tx_put(ai_tx_t *tx, void *at, uint64_t value)
{
    ai_journal_put(ai_book_journal(tx->book), &tx->writes, at, value);
}


static inline void
ai_tx_put_part(ai_tx_t *tx, void *at, const void *value, size_t size)
{
    ai_journal_put_part(ai_book_journal(tx->book), &tx->writes, at, value,
                        size);
}


static inline void
ai_tx_put32(ai_tx_t *tx, uint32_t *at, uint32_t value)
{
    ai_tx_put_part(tx, at, &value, 4);
}


/* writes a whole record of aligned words */

static inline void
ai_tx_copy(ai_tx_t *tx, void *at, const void *from, size_t size)
{
    size_t            i;
    ai_word_t        *to;
    const ai_word_t  *w;

    to = at;
    w = from;

    for (i = 0; i < size / 8; i++) {
        ai_tx_put(tx, &to[i], w[i]);
    }
}


/* the sum, or the bound of the type that it would have passed */

static inline int64_t
ai_sum(int64_t a, int64_t b)
{
    int64_t  sum;

    if (__builtin_add_overflow(a, b, &sum)) {
        return b > 0 ? INT64_MAX : INT64_MIN;
    }

    return sum;
}


/* ---- records ---- */

/*
 * Takes a record from an array, "next" being the one chained behind its first
 * free one; 0: there is none.
 */
ai_ref_t ai_array_take(ai_tx_t *tx, ai_array_t *a, ai_ref_t next);

/* a free record of an array, put back; "next" is its link */
void ai_array_give(ai_tx_t *tx, ai_array_t *a, ai_ref_t ref, ai_ref_t *next);

/* the owner, found or made; 0: no room */
ai_ref_t ai_owner_get(ai_tx_t *tx, const ai_owner_id_t *id);

/* AI_OK when ref names an owner in use */
int ai_owner_check(const ai_book_t *bk, ai_ref_t owner);

/* moves the owner's windows on to those of now_s; never back */
void ai_owner_roll(ai_tx_t *tx, ai_ref_t owner, uint64_t now_s);

/*
 * now_s, or the beginning of the windows that the owner is in when its clock
 * was set back behind that
 */
uint64_t ai_owner_now(const ai_book_t *bk, ai_ref_t owner, uint64_t now_s);

/* begins a window in the place of one, which becomes the former */
void ai_window_begin(ai_tx_t *tx, ai_owner_t *o, unsigned which, uint64_t id);

/* what was used here of an owner's window, not by others */
int64_t ai_window_own(const ai_book_t *bk, const ai_owner_t *o, unsigned which,
    unsigned resource);

/* a record at the head of its worker's list; 0: no room */
ai_ref_t ai_hold_make(ai_tx_t *tx, ai_hold_t *h);

void ai_hold_free(ai_tx_t *tx, ai_ref_t ref);

ai_ref_t ai_cell_find(const ai_book_t *bk, ai_ref_t owner, unsigned resource,
    unsigned period);

/* a cell with nothing in it yet; 0: no room */
ai_ref_t ai_cell_new(ai_tx_t *tx);

/* a new, full bucket; 0: no room */
ai_ref_t ai_cell_make(ai_tx_t *tx, ai_ref_t owner, unsigned resource,
    unsigned period);

/* the limit that a bucket was last used by */
void ai_cell_limit(const ai_cell_t *cell, ai_limit_t *limit);

/* the id of the window that now_s lies in */
static inline uint64_t
ai_window_id(unsigned which, uint64_t now_s)
{
    return which == AI_WINDOW_DAY ? ai_day_id(now_s) : ai_month_id(now_s);
}


/* an owner's window as it stands at now_s; NULL: it has passed, all is zero */

static inline const ai_window_t *
ai_window_now(const ai_owner_t *o, unsigned which, uint64_t now_s)
{
    return o->window[which].id >= ai_window_id(which, now_s)
           ? &o->window[which] : NULL;
}


#define ai_is_bucket(l)                                                      \
    ((l)->resource < AI_RES_COUNTED && (l)->period < AI_PERIOD_BUCKETS)

#define ai_is_window(l)                                                      \
    ((l)->resource < AI_RES_COUNTED                                          \
     && ((l)->period == AI_PERIOD_DAY || (l)->period == AI_PERIOD_MONTH))

#define ai_is_total(l)                                                       \
    ((l)->resource == AI_RES_COST && (l)->period == AI_PERIOD_TOTAL)


#endif /* AI_BOOK_INT_H */
