
/*
 * Who goes first at a gate.
 *
 * First come parties that hold less than their part of the capacity, then all
 * others.  Among equals the one whose virtual time is the least: places held
 * times milliseconds, by weight, as in weighted fair queueing, where a place
 * that is granted now counts in advance for as long as places were held lately.
 * So a part smaller than one place is a part of the time.
 *
 * A party that begins to wait has no claim from the time when it did not.
 */


#include "ai_gate_int.h"


#define AI_GATE_UNIT  65536

/* virtual times run over */

#define ai_gate_before(a, b)  ((int64_t) ((a) - (b)) < 0)


/* the time that places were held, up to now */

static void
ai_gate_touch(ai_gate_t *g, ai_gate_party_t *p, uint64_t now_ms)
{
    uint64_t  ms;

    if (now_ms > p->at_ms) {
        ms = now_ms - p->at_ms;
        p->at_ms = now_ms;

        if (p->taken) {
            ms = ms < AI_GATE_STEP ? ms : AI_GATE_STEP;
            p->vt += p->taken * ms * AI_GATE_UNIT / p->weight;
        }
    }

    if (now_ms > g->at_ms) {
        ms = now_ms - g->at_ms;
        g->at_ms = now_ms;

        g->area += g->taken * (ms < AI_GATE_STEP ? ms : AI_GATE_STEP);
    }
}


/* what was held between two ends is, in the mean, how long one place is */

void
ai_gate_freed(ai_gate_t *g, ai_gate_party_t *p, uint64_t now_ms)
{
    uint64_t  ms;

    ai_gate_touch(g, p, now_ms);

    p->taken--;
    g->taken--;

    ms = g->area < AI_GATE_STEP ? g->area : AI_GATE_STEP;
    g->mean = g->mean - g->mean / 16 + (uint32_t) ms;
    g->area = 0;
}


void
ai_gate_taken(ai_gate_t *g, ai_gate_party_t *p, uint64_t now_ms)
{
    ai_gate_touch(g, p, now_ms);

    p->taken++;
    g->taken++;
}


/* what is dedicated to others and not used by them is not free */

unsigned
ai_gate_may(const ai_gate_t *g, const ai_gate_party_t *p)
{
    uint32_t                i, left;
    const ai_gate_party_t  *d;

    if (g->taken >= g->capacity) {
        return 0;
    }

    if (g->dedicated == 0 || p->taken < p->reserve) {
        return 1;
    }

    left = g->capacity - g->taken;

    for (i = 1; i < g->top; i++) {
        d = &g->parties[i];

        if (d == p || d->taken >= d->reserve) {
            continue;
        }

        if (d->reserve - d->taken >= left) {
            return 0;
        }

        left -= d->reserve - d->taken;
    }

    return 1;
}


void
ai_gate_contend(ai_gate_t *g, ai_gate_party_t *p, uint64_t now_ms)
{
    uint32_t  i;

    if (g->waiting == 0 && now_ms > g->quiet_ms + AI_GATE_QUIET) {

        for (i = 0; i < g->top; i++) {
            g->parties[i].vt = 0;
            g->parties[i].at_ms = now_ms;
        }

        g->vt = 0;
    }

    ai_gate_touch(g, p, now_ms);

    if (ai_gate_before(p->vt, g->vt)) {
        p->vt = g->vt;
    }
}


ai_gate_party_t *
ai_gate_choose(ai_gate_t *g, uint64_t now_ms)
{
    uint32_t          i;
    uint64_t          vt, best_vt;
    unsigned          own, best_own;
    ai_gate_party_t  *p, *best;

    best = NULL;
    best_vt = 0;
    best_own = 0;

    for (i = 0; i < g->top; i++) {
        p = &g->parties[i];

        if (p->waiting == 0 || !ai_gate_may(g, p)) {
            continue;
        }

        ai_gate_touch(g, p, now_ms);

        own = (uint64_t) p->taken * g->total
              < (uint64_t) g->capacity * p->weight;
        vt = p->vt + (uint64_t) (p->taken + 1) * (g->mean + 16)
                     * (AI_GATE_UNIT / 16) / p->weight;

        if (best == NULL || own > best_own
            || (own == best_own && ai_gate_before(vt, best_vt)))
        {
            best = p;
            best_vt = vt;
            best_own = own;
        }
    }

    if (best && ai_gate_before(g->vt, best->vt)) {
        g->vt = best->vt;
    }

    return best;
}
