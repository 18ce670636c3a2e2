
/*
 * Parties of a gate: which plans ask, and what of the capacity is whose.
 */


#include "ai_gate_int.h"


static ai_gate_party_t *ai_gate_party_make(ai_gates_t *gs, ai_gate_t *g,
    const ai_gate_ask_t *ask);
static ai_gate_party_t *ai_gate_party_room(ai_gates_t *gs, ai_gate_t *g);
static void ai_gate_party_drop(ai_gates_t *gs, ai_gate_party_t *p);
static unsigned ai_gate_row(ai_gates_t *gs, uint16_t *row);
static void ai_gate_reserve(ai_gate_t *g);


#define ai_gate_idle(p)  ((p)->taken == 0 && (p)->waiting == 0 && !(p)->kept)

#define ai_gate_shares(p)                                                    \
    ((p)->priority != AI_GATE_BEST_EFFORT && (p)->share)


ai_gate_party_t *
ai_gate_party(ai_gates_t *gs, ai_gate_t *g, const ai_gate_ask_t *ask,
    uint64_t now_ms)
{
    uint32_t          i, share;
    ai_gate_party_t  *p;

    if (now_ms > g->swept_ms + AI_GATE_SWEEP) {
        ai_gate_sweep(gs, g, now_ms);
    }

    for (i = 1; i < g->top; i++) {
        p = &g->parties[i];

        if (p->plan == ask->plan && p->live) {
            goto found;
        }
    }

    p = ai_gate_party_make(gs, g, ask);

found:

    p->used_ms = now_ms;
    g->used_ms = now_ms;

    share = ask->share < 100 ? ask->share : 100;

    if (p != g->parties
        && (p->priority != ask->priority || p->share != share))
    {
        p->priority = (uint8_t) ask->priority;
        p->share = (uint8_t) share;
        ai_gate_weigh(g);
    }

    return p;
}


static ai_gate_party_t *
ai_gate_party_make(ai_gates_t *gs, ai_gate_t *g, const ai_gate_ask_t *ask)
{
    uint16_t          row;
    ai_gate_party_t  *p;

    p = ai_gate_party_room(gs, g);

    if (p == NULL || !ai_gate_row(gs, &row)) {
        p = g->parties;

        if (!p->live) {
            p->live = 1;
            ai_gate_weigh(g);
        }

        return p;
    }

    memset(p, 0, sizeof(ai_gate_party_t));

    p->plan = ask->plan;
    p->priority = (uint8_t) ask->priority;
    p->share = (uint8_t) (ask->share < 100 ? ask->share : 100);
    p->row = row;
    p->first = AI_GATE_NIL;
    p->last = AI_GATE_NIL;
    p->vt = g->vt;

    ai_gate_barrier();
    p->live = 1;

    ai_gate_weigh(g);

    return p;
}


static ai_gate_party_t *
ai_gate_party_room(ai_gates_t *gs, ai_gate_t *g)
{
    uint32_t          i;
    ai_gate_party_t  *p, *oldest;

    if (g->top < AI_GATE_PARTIES) {
        return &g->parties[g->top++];
    }

    oldest = NULL;

    for (i = 1; i < AI_GATE_PARTIES; i++) {
        p = &g->parties[i];

        if (!p->live) {
            return p;
        }

        if (ai_gate_idle(p)
            && (oldest == NULL || p->used_ms < oldest->used_ms))
        {
            oldest = p;
        }
    }

    if (oldest) {
        ai_gate_party_drop(gs, oldest);
    }

    return oldest;
}


static void
ai_gate_party_drop(ai_gates_t *gs, ai_gate_party_t *p)
{
    p->live = 0;
    ai_gate_barrier();

    if (p->row >= AI_GATES_MAX) {
        gs->rows_used[p->row] = 0;
    }
}


/* the first rows are those of the gates' common parties */

static unsigned
ai_gate_row(ai_gates_t *gs, uint16_t *row)
{
    ai_char  *p;

    p = memchr(&gs->rows_used[AI_GATES_MAX], 0, AI_GATE_ROWS - AI_GATES_MAX);
    if (p == NULL) {
        return 0;
    }

    *p = 1;
    *row = (uint16_t) (p - gs->rows_used);

    return 1;
}


void
ai_gate_sweep(ai_gates_t *gs, ai_gate_t *g, uint64_t now_ms)
{
    uint32_t          i;
    unsigned          dropped;
    ai_gate_party_t  *p;

    g->swept_ms = now_ms;
    dropped = 0;

    for (i = 0; i < g->top; i++) {
        p = &g->parties[i];

        if (p->live && ai_gate_idle(p)
            && now_ms > p->used_ms + AI_GATE_FORGET)
        {
            ai_gate_party_drop(gs, p);
            dropped = 1;
        }
    }

    if (dropped) {
        ai_gate_weigh(g);
    }
}


/*
 * Best effort has what no share names, and never less than AI_GATE_LEAST; its
 * plans have equal parts of it.  Where this is more than all in sum, all is
 * scaled down: weights count against "total".
 */

void
ai_gate_weigh(ai_gate_t *g)
{
    uint32_t          i, shares, rest, efforts, dedicated;
    ai_gate_party_t  *p;

    shares = 0;
    efforts = 0;
    dedicated = 0;

    for (i = 0; i < g->top; i++) {
        p = &g->parties[i];

        if (!p->live) {
            continue;
        }

        if (!ai_gate_shares(p)) {
            efforts++;
            continue;
        }

        shares += p->share;
        dedicated += (p->priority == AI_GATE_DEDICATED);
    }

    rest = shares < 100 ? 100 - shares : 0;

    if (efforts && rest < AI_GATE_LEAST) {
        rest = AI_GATE_LEAST;
    }

    g->total = (shares + rest) * AI_GATE_SCALE;
    g->dedicated = dedicated;

    for (i = 0; i < g->top; i++) {
        p = &g->parties[i];

        if (p->live) {
            p->weight = ai_gate_shares(p) ? p->share * AI_GATE_SCALE
                                          : rest * AI_GATE_SCALE / efforts;
        }

        p->reserve = 0;
    }

    if (dedicated) {
        ai_gate_reserve(g);
    }
}


/* one place at least is nobody's where others than dedicated ones ask */

static void
ai_gate_reserve(ai_gate_t *g)
{
    uint64_t          sum, max;
    uint32_t          i, others;
    ai_gate_party_t  *p, *most;

    sum = 0;
    others = 0;

    for (i = 0; i < g->top; i++) {
        p = &g->parties[i];

        if (!p->live) {
            continue;
        }

        if (p->priority != AI_GATE_DEDICATED || p->share == 0) {
            others = 1;
            continue;
        }

        p->reserve = (uint32_t) (((uint64_t) g->capacity * p->weight
                                  + g->total - 1)
                                 / g->total);
        sum += p->reserve;
    }

    max = g->capacity - others;

    while (sum > max) {
        most = g->parties;

        for (i = 1; i < g->top; i++) {
            if (g->parties[i].reserve > most->reserve) {
                most = &g->parties[i];
            }
        }

        most->reserve--;
        sum--;
    }
}
