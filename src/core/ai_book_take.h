
/*
 * Taking a hold: what is judged, and what is written then; for
 * src/core/ai_book_take.c, ai_book_judge.c and ai_book_hold.c.
 */


#ifndef AI_BOOK_TAKE_H
#define AI_BOOK_TAKE_H


#include "ai_lease_int.h"


typedef struct {
    const ai_limit_t  *limit;
    ai_ref_t           cell;        /* 0: to be made */
    ai_ref_t           lease;       /* the same, when limits are shared */
    unsigned           party;
    unsigned           own;         /* begins to be judged by the share */
    ai_bucket_t        bucket;      /* refilled */
} ai_draw_t;

typedef struct {
    ai_tx_t            tx;
    uint64_t           now_s;       /* by the tenant's windows */
    const ai_hold_ask_t  *ask;
    ai_ref_t           owner[2];
    int64_t            bound[AI_RES_COUNTED];
    int64_t            guess[AI_RES_COUNTED];
    uint16_t           draws[2];    /* ai_cell_bit() */
    uint16_t           weight;      /* of the hold */
    ai_ref_t           next;        /* lease that is looked at first */
    unsigned           totals;      /* a bit of each party with such a limit */
    unsigned           ndraw;
    ai_draw_t          draw[AI_BOOK_DRAWS];
    ai_refused_t       lacks;       /* what credit is lacking for */
    unsigned           refused:1;
    unsigned           again:1;
    unsigned           ahead:1;
    unsigned           own:1;       /* of any draw */
} ai_take_t;


/* sets "refused" and *why, "again" and "lacks", or "ahead" */
void ai_take_judge(ai_take_t *t, ai_refused_t *why);

/* AI_OK: committed */
int ai_take_write(ai_take_t *t, ai_ref_t *hold);

/* begins the shares of a refused request that are to be judged by */
void ai_take_own(ai_take_t *t);


#endif /* AI_BOOK_TAKE_H */
