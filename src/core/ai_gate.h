
/*
 * Gates: how many requests a provider or a target takes at once, over all
 * workers of the node, and who goes first when it is full.
 *
 * A gate's places are shared by plans.  A dedicated plan's share is its own: it
 * stays free for it.  A guaranteed plan gets its share, and an idle share is
 * lent.  What is left, and what is lent, goes to all in weighted fair order, so
 * that best effort never starves.  Tenants of a plan take turns.
 *
 * Callers hold the lock of the zone for every function.  Times are
 * milliseconds of a clock that never steps.  A worker that dies gives back its
 * tickets and its waiters by ai_gate_worker().
 */


#ifndef AI_GATE_H
#define AI_GATE_H


#include "ai_core.h"


AI_HIDDEN_BEGIN


#define AI_GATES_VERSION  1
#define AI_GATES_MAX      512       /* providers and targets with a capacity */
#define AI_GATE_PARTIES   32        /* plans that use one gate at a time; more
                                       count as one of best effort */
#define AI_GATE_WAITERS   1024      /* of all gates together */
#define AI_GATE_CAPACITY  1000000   /* more is that many */
#define AI_GATE_ID        16
#define AI_GATE_NONE      UINT32_MAX

typedef enum {
    AI_GATE_BEST_EFFORT = 0,
    AI_GATE_GUARANTEED,
    AI_GATE_DEDICATED
} ai_gate_priority_t;


typedef struct ai_gates_s  ai_gates_t;

size_t ai_gates_size(void);
void ai_gates_init(ai_gates_t *gs);
int ai_gates_check(const ai_gates_t *gs);

/*
 * The gate of an identity, made where there is none; its capacity and the
 * longest line from now on.  AI_GATE_NONE: no room; what was asked for at this
 * very time never makes room for others.
 */
uint32_t ai_gate_get(ai_gates_t *gs, const ai_char id[AI_GATE_ID],
    uint32_t capacity, uint32_t queue, uint64_t now_ms);


/* who asks */

typedef struct {
    uint64_t         plan;      /* hash of its name */
    uint64_t         tenant;    /* hash of its name */
    ai_gate_priority_t  priority;
    uint32_t         share;     /* percent of the capacity; 0: no own one */
    uint32_t         worker;    /* place in the book */
} ai_gate_ask_t;

/*
 * The plan is known to the gate from now on, before its first request, until
 * the next ai_gate_get(): what is dedicated to it stays free.  Others are known
 * from their first request on, until they were idle for an hour.
 */
void ai_gate_plan(ai_gates_t *gs, uint32_t gate, const ai_gate_ask_t *ask,
    uint64_t now_ms);

/* opaque to the caller: a place that was taken, and by which life of the
   worker */

typedef struct {
    uint32_t         gate;
    uint16_t         party;
    uint16_t         worker;
    uint32_t         epoch;
} ai_gate_ticket_t;

/*
 * AI_OK: the ticket is the caller's until ai_gate_free().  AI_BUSY: full for
 * this plan now, or others wait before it.
 */
int ai_gate_take(ai_gates_t *gs, uint32_t gate, const ai_gate_ask_t *ask,
    uint64_t now_ms, ai_gate_ticket_t *ticket);

void ai_gate_free(ai_gates_t *gs, const ai_gate_ticket_t *ticket,
    uint64_t now_ms);

/*
 * A place in the line of a full gate until deadline_ms.  AI_BUSY: the line is
 * full, and nobody in it has a lesser right to wait.  The waiter's worker asks
 * ai_gate_waiter() from time to time, the first time at once.
 */
int ai_gate_join(ai_gates_t *gs, uint32_t gate, const ai_gate_ask_t *ask,
    uint64_t now_ms, uint64_t deadline_ms, uint32_t *waiter);

/*
 * AI_OK: it is its turn, the ticket is the caller's and the waiter gone.
 * AI_AGAIN: not yet.  AI_BUSY: its deadline has passed or another was let into
 * a full line in its place (or its worker was thought dead); the waiter is
 * gone.  AI_ERROR: there never was such a waiter.
 */
int ai_gate_waiter(ai_gates_t *gs, uint32_t waiter, const ai_gate_ask_t *ask,
    uint64_t now_ms, ai_gate_ticket_t *ticket);

/* it waits no more */
void ai_gate_leave(ai_gates_t *gs, uint32_t waiter, const ai_gate_ask_t *ask,
    uint64_t now_ms);

/* a worker begins in this place, or has died there: nothing of it is left */
void ai_gate_worker(ai_gates_t *gs, uint32_t worker, uint64_t now_ms);


typedef struct {
    uint32_t         capacity;
    uint32_t         taken;
    uint32_t         waiting;
    uint64_t         passed;    /* ever, at once or after waiting */
    uint64_t         waited;
    uint64_t         refused;   /* the line was full, or the deadline passed */
} ai_gate_view_t;

void ai_gate_view(const ai_gates_t *gs, uint32_t gate, ai_gate_view_t *view);


AI_HIDDEN_END


#endif /* AI_GATE_H */
