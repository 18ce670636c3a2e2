
/*
 * Leases inside the book; for src/core/ai_book*.c.
 */


#ifndef AI_LEASE_INT_H
#define AI_LEASE_INT_H


#include "ai_book_int.h"


#define AI_LEASE_NODES  1024    /* no sum of shares overflows */
#define AI_LEASE_SAID   100     /* ms for which the store's "no" is believed */

#define AI_LEASE_RENEW  86400000 /* ms after which a total is said again, long
                                   before its key would go */

#define AI_LEASE_FORMER 7200    /* s for which a window that has ended is told:
                                   longer than any clock is wrong that grants
                                   something, and one that was set by an hour is
                                   set back by then */

#define AI_LEASE_OLD    ((uint64_t) 1 << 31)
                                /* ms after which "heard" may be any time */


/* what may be spent of a limit, in the window that it is judged by */

typedef struct {
    ai_ref_t         lease;     /* 0: there is none */
    uint32_t         window;
    int64_t          spent;
    int64_t          unspent;   /* never negative */
} ai_credit_t;

void ai_credit_get(const ai_book_t *bk, ai_ref_t owner, unsigned resource,
    unsigned period, const ai_now_t *now, ai_credit_t *c);

/* the same, of a lease that was found; 0: there is none */
void ai_credit_of(const ai_book_t *bk, ai_ref_t owner, ai_ref_t lease,
    unsigned resource, unsigned period, const ai_now_t *now, ai_credit_t *c);

/*
 * What was spent here of the window before the present one, and which that is,
 * while others may be in it still; 0: nothing.
 */
int64_t ai_former_spent(const ai_book_t *bk, const ai_owner_t *o,
    unsigned which, unsigned resource, uint64_t now_s, uint32_t *window);

/* whether less than a third of the last grant is left, or of the lease, and
   something was spent in it; "unspent" is not 0 before it */
static inline int
ai_credit_low(const ai_lease_t *ls, int64_t unspent)
{
    /* "allow - last" is what the last answer left to be spent */

    return unspent < ai_sum(ls->allow, -ls->last) / 3;
}


static inline int
ai_credit_ends(const ai_book_t *bk, const ai_lease_t *ls, int64_t unspent,
    uint64_t mono_ms)
{
    return unspent > 0 && ls->until < mono_ms + bk->lease.lease_ms / 3
           && unspent < ai_sum(ls->allow, -ls->last);
}


/* what the store may have by now; INT64_MIN: it never answered */
int64_t ai_credit_left(const ai_lease_t *ls, const ai_limit_t *l,
    uint64_t mono_ms);

/* AI_OK: the store has just said that it has less than "lack" */
int ai_credit_refused(const ai_lease_t *ls, const ai_credit_t *c,
    int64_t lack, uint64_t mono_ms);


ai_lease_kind_t ai_lease_kind(unsigned resource, unsigned period);

ai_ref_t ai_lease_find(const ai_book_t *bk, ai_ref_t owner, unsigned resource,
    unsigned period);

/* of nothing spent and nothing leased; 0: no room */
ai_ref_t ai_lease_make(ai_tx_t *tx, ai_ref_t owner, unsigned resource,
    unsigned period);

void ai_lease_state(ai_tx_t *tx, ai_lease_t *ls, unsigned set,
    unsigned clear);

/* what a settled hold took too much of a bucket, or too little of it */
void ai_lease_settle(ai_tx_t *tx, ai_lease_t *ls, int64_t more);

/* whether the store holds another sum of the limit than what was spent */
int ai_lease_owed(const ai_book_t *bk, const ai_owner_t *o,
    const ai_lease_t *ls, uint64_t now_s);

/* an operation of the owner is under way */
int ai_lease_busy(const ai_book_t *bk, const ai_owner_t *o, uint64_t mono_ms);

/* the part of a tenant's id that shards are made of */
uint32_t ai_lease_hash(const ai_owner_id_t *tenant);

/* remembers whose shard an owner lies in */
void ai_owner_hash(ai_tx_t *tx, ai_ref_t owner, uint32_t hash);


/* ---- shares ---- */

/* n, by nodes; n is an amount or a bound, clamped */
#define ai_share(n, weight)  ((n) * (int64_t) (weight))

/*
 * Takes n (of the weight) from a share that is not judged, and so would run
 * into a debt that the whole bucket never had: what it lacks is at most the
 * whole bucket, for each node.
 */
void ai_share_take(ai_bucket_t *b, int64_t n, int64_t burst, unsigned weight);


/* ---- asks ---- */

/* AI_ERROR: a bound is negative; larger ones than any limit are cut */
int ai_ask_bound(int64_t *to, const int64_t *from);

/*
 * How much a limit of counted resources must have: of buckets guess, of others
 * bound, both as cut and with those of REQUESTS and COST set.
 */
int64_t ai_ask_need(const int64_t *bound, const int64_t *guess,
    const ai_limit_t *l, unsigned weight);

/* whether leased credit is what judges the limit */
#define ai_ask_leased(ask, l)                                                \
    ((ask)->rates == AI_RATES_LEASED || ai_limit_is_budget(l)                \
     || (l)->period == AI_PERIOD_TOTAL)


/* ---- operations ---- */

typedef struct {
    ai_tx_t               tx;
    const ai_hold_ask_t  *ask;      /* NULL: credit is given back, or told */
    const ai_now_t       *now;
    ai_lease_op_t        *op;
    int64_t               bound[AI_RES_COUNTED];
    int64_t               guess[AI_RES_COUNTED];
    unsigned              all:1;    /* no credit stays */
    unsigned              report:1; /* the store may know nothing */
    unsigned              ahead:1;
    unsigned              lacks:1;  /* something is needed, or wanted */
} ai_ask_t;

/*
 * What of a bucket's credit stays from one operation to the next: one share,
 * so that all that others spend of theirs, on their own, finds room beside it.
 */
int64_t ai_op_keep(const ai_book_t *bk, int64_t unspent, int64_t burst);

/* adds a cell: what was spent, and what may be spent still, of one limit */
ai_lease_cell_t *ai_op_cell(ai_ask_t *a, unsigned party, ai_ref_t owner,
    const ai_credit_t *c, unsigned resource, unsigned period);

/* the lease is what its cell says from here on */
void ai_op_say(ai_ask_t *a, ai_lease_cell_t *cell, ai_ref_t lease);

/* an operation of one owner or two is under way from here on; commits */
int ai_op_begin(ai_ask_t *a, ai_ref_t first, ai_ref_t second);


#endif /* AI_LEASE_INT_H */
