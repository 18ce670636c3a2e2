
/*
 * Inside the gates.
 *
 * True are only the rows (how many places each worker holds for each party),
 * the waiters' states and who the gates and parties are: each changes by one
 * store.  All else is summed up from them, and is summed up anew when a process
 * was killed in the middle of a change.
 */


#ifndef AI_GATE_INT_H
#define AI_GATE_INT_H


#include "ai_book.h"
#include "ai_gate.h"


AI_HIDDEN_BEGIN


#define AI_GATE_MAGIC     0x65746167u
#define AI_GATE_ROWS      2048      /* parties of all gates together, with the
                                       common one of each */
#define AI_GATE_NIL       UINT16_MAX
#define AI_GATE_SCALE     32        /* a weight is percent times this */
#define AI_GATE_LEAST     5         /* percent that best effort has at least */
#define AI_GATE_FORGET    3600000   /* ms until an idle party is forgotten */
#define AI_GATE_SWEEP     60000     /* ms between two looks for such ones */
#define AI_GATE_QUIET     1000      /* ms without a line: what was taken before
                                       is forgotten */
#define AI_GATE_STEP      60000     /* ms, the longest that is summed at once */
#define AI_GATE_MEAN      1000      /* ms that a place is held, at first */


typedef enum {
    AI_WAITER_FREE = 0,
    AI_WAITER_WAITS,
    AI_WAITER_GRANTED               /* has a place, not yet fetched */
} ai_waiter_state_t;


/* all who ask by one plan; the first one of a gate is common to those for
   which there is no room */

typedef struct {
    uint64_t         plan;
    uint64_t         used_ms;
    uint64_t         at_ms;         /* "vt" is true at this time */
    uint64_t         vt;            /* places held times ms by weight, in
                                       65536ths; runs over */
    uint32_t         taken;         /* with those granted */
    uint32_t         reserve;       /* of a dedicated one */
    uint32_t         waiting;
    uint32_t         weight;
    uint16_t         first;         /* waiters in order of arrival */
    uint16_t         last;
    uint16_t         row;
    uint8_t          priority;
    uint8_t          share;
    uint8_t          live;
    uint8_t          kept;          /* it is configured */
} ai_gate_party_t;


typedef struct {
    ai_char          id[AI_GATE_ID];
    uint32_t         live;
    uint32_t         capacity;
    uint32_t         queue;
    uint32_t         taken;
    uint32_t         waiting;
    uint32_t         total;         /* weights that the capacity stands for */
    uint32_t         dedicated;     /* parties with a reserve */
    uint32_t         top;           /* parties behind it were never used */
    uint32_t         mean;          /* ms that a place is held, in 16ths */
    uint64_t         area;          /* places times ms since the last was given
                                       back */
    uint64_t         at_ms;
    uint64_t         used_ms;
    uint64_t         swept_ms;
    uint64_t         quiet_ms;      /* the line became empty */
    uint64_t         vt;            /* of the party that was granted last */
    uint64_t         passed;
    uint64_t         waited;
    uint64_t         refused;
    ai_gate_party_t  parties[AI_GATE_PARTIES];
} ai_gate_t;


typedef struct {
    uint64_t         tenant;
    uint64_t         deadline_ms;
    uint64_t         order;         /* of arrival */
    uint64_t         turn;          /* of its tenant */
    uint32_t         generation;
    uint32_t         nth;           /* of its tenant's */
    uint16_t         gate;
    uint16_t         worker;
    uint16_t         next;
    uint16_t         prev;
    uint8_t          party;
    uint8_t          state;
} ai_gate_waiter_t;


struct ai_gates_s {
    uint32_t         magic;
    uint32_t         version;
    uint32_t         busy;          /* a change has begun and not ended */
    uint32_t         top;           /* gates behind it were never used */
    uint16_t         free;          /* waiters */
    uint64_t         order;
    uint32_t         epochs[AI_BOOK_WORKERS];
    ai_gate_waiter_t waiters[AI_GATE_WAITERS];
    ai_gate_t        gates[AI_GATES_MAX];
    uint8_t          rows_used[AI_GATE_ROWS];
    uint32_t         rows[AI_GATE_ROWS][AI_BOOK_WORKERS];
};


/* keeps the order in which the memory is written */

#define ai_gate_barrier()  __atomic_signal_fence(__ATOMIC_SEQ_CST)


/* every change stands between these two */

void ai_gate_begin(ai_gates_t *gs);

static inline void
ai_gate_end(ai_gates_t *gs)
{
    ai_gate_barrier();
    gs->busy = 0;
}


/* ---- ai_gate_mend.c ---- */

/* sums up from what is true */
AI_RARE void ai_gate_mend(ai_gates_t *gs);


/* ---- ai_gate_party.c ---- */

/* who asks, made where it is new; the common one where there is no room */
ai_gate_party_t *ai_gate_party(ai_gates_t *gs, ai_gate_t *g,
    const ai_gate_ask_t *ask, uint64_t now_ms);

/* what each may have, from priorities, shares and the capacity */
void ai_gate_weigh(ai_gate_t *g);

/* idle ones that are not configured; no gate holds a reserve for them */
void ai_gate_sweep(ai_gates_t *gs, ai_gate_t *g, uint64_t now_ms);


/* ---- ai_gate_fair.c ---- */

/* whether a place is free that this one may have */
unsigned ai_gate_may(const ai_gate_t *g, const ai_gate_party_t *p);

/* it begins to wait */
void ai_gate_contend(ai_gate_t *g, ai_gate_party_t *p, uint64_t now_ms);

/* whose turn it is; NULL: nobody waits for what is free */
ai_gate_party_t *ai_gate_choose(ai_gate_t *g, uint64_t now_ms);

/* the places that were taken, or given back */
void ai_gate_taken(ai_gate_t *g, ai_gate_party_t *p, uint64_t now_ms);
void ai_gate_freed(ai_gate_t *g, ai_gate_party_t *p, uint64_t now_ms);


/* ---- ai_gate_line.c ---- */

/* the waiter's handle: its place, and which of those that had it */

#define AI_GATE_GENERATIONS  (UINT32_MAX / AI_GATE_WAITERS / 2)

#define ai_gate_handle(gs, w)                                                \
    ((uint32_t) ((w) - (gs)->waiters)                                        \
     + ((w)->generation & AI_GATE_GENERATIONS) * AI_GATE_WAITERS)

#define ai_gate_of(gs, w)        (&(gs)->gates[(w)->gate])
#define ai_gate_party_of(gs, w)  (&ai_gate_of(gs, w)->parties[(w)->party])

/* in and out of its party's line */
void ai_gate_append(ai_gates_t *gs, ai_gate_waiter_t *w);
void ai_gate_unlink(ai_gates_t *gs, ai_gate_waiter_t *w, uint64_t now_ms);

/* its record is free */
void ai_gate_forget(ai_gates_t *gs, ai_gate_waiter_t *w);

/* out of the line, and forgotten */
void ai_gate_refuse(ai_gates_t *gs, ai_gate_waiter_t *w, uint64_t now_ms);


/* ---- ai_gate_wait.c ---- */

/* places that are free go to those who wait */
void ai_gate_grant(ai_gates_t *gs, ai_gate_t *g, uint64_t now_ms);

/* the first one of the tenant whose turn it is; NULL: nobody.  Those whose time
   is over are refused */
ai_gate_waiter_t *ai_gate_pick(ai_gates_t *gs, ai_gate_party_t *p,
    uint64_t now_ms);


AI_HIDDEN_END


#endif /* AI_GATE_INT_H */
