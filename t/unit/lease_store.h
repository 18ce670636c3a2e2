
/*
 * A store that leases credit: absolute sums of each node, as in the script, in
 * plain numbers.  An operation is executed as a whole, whenever that is.
 */


#ifndef LEASE_STORE_H
#define LEASE_STORE_H


#include "ai_lease_int.h"


#define STORE_NODES  3
#define STORE_CELLS  64
#define STORE_ROOM   1000       /* ms for which credit stands beyond a lease */

typedef struct {
    unsigned         known;
    uint32_t         start;
    uint64_t         seq;
    int64_t          total;
    int64_t          old;       /* of former starts */
    int64_t          out;       /* not to be refilled, and until when */
    uint64_t         until;
} store_field_t;

typedef struct {
    ai_owner_id_t    id;
    uint8_t          kind;
    uint8_t          resource;
    uint8_t          period;
    uint64_t         window;
    int64_t          sum;       /* leased, or taken */
    uint64_t         at_us;
    store_field_t    node[STORE_NODES];
} store_cell_t;

typedef struct {
    uint64_t         epoch;
    uint64_t         now_ms;
    uint64_t         hold_ms;
    unsigned         nodes;
    unsigned         heard;     /* in this epoch: a mask */
    uint64_t         heard_ms[STORE_NODES];
    uint32_t         start[STORE_NODES];
    unsigned         ncells;
    store_cell_t     cell[STORE_CELLS];
    unsigned         late;      /* figures */
    unsigned         granted;
    unsigned         forgot;
} store_t;

/* what a node sends beside the operation */

typedef struct {
    unsigned         node;
    uint32_t         start;
    uint64_t         epoch;
    unsigned         heard:1;   /* ends a report */
    unsigned         alone:1;   /* no worker of an older start lives */
} store_words_t;

typedef enum {
    STORE_OK = 0,
    STORE_EPOCH,
    STORE_FENCE,
    STORE_LATE
} store_status_t;


static inline void
store_forget(store_t *s)
{
    s->epoch++;
    s->heard = 0;
    s->ncells = 0;
    s->forgot++;
    memset(s->start, 0, sizeof(s->start));
    memset(s->heard_ms, 0, sizeof(s->heard_ms));
}


static inline unsigned
store_alive(const store_t *s)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < s->nodes; i++) {
        n += s->heard_ms[i] && s->now_ms < s->heard_ms[i] + s->hold_ms;
    }

    return n;
}


static inline store_cell_t *
store_cell(store_t *s, const ai_lease_cell_t *c)
{
    unsigned       i;
    store_cell_t  *sc;

    for (i = 0; i < s->ncells; i++) {
        sc = &s->cell[i];

        if (memcmp(&sc->id, &c->id, sizeof(c->id)) == 0
            && sc->resource == c->resource && sc->period == c->period
            && sc->window == c->window)
        {
            return sc;
        }
    }

    CHECK(s->ncells < STORE_CELLS);

    sc = &s->cell[s->ncells++];
    memset(sc, 0, sizeof(store_cell_t));
    sc->id = c->id;
    sc->kind = c->kind;
    sc->resource = c->resource;
    sc->period = c->period;
    sc->window = c->window;
    sc->at_us = s->now_ms * 1000;

    return sc;
}


/* what must stay taken */

static inline int64_t
store_outs(const store_t *s, const store_cell_t *sc)
{
    int64_t   sum;
    unsigned  i;

    sum = 0;

    for (i = 0; i < s->nodes; i++) {
        if (sc->node[i].known && s->now_ms < sc->node[i].until) {
            sum += sc->node[i].out;
        }
    }

    return sum;
}


static inline void
store_refill(store_t *s, store_cell_t *sc, const ai_lease_cell_t *c)
{
    int64_t   per_tick, floor;
    uint64_t  tick_us, ticks, us;

    ai_lease_tick(c->amount, c->period, &per_tick, &tick_us);

    if (per_tick == 0) {
        return;
    }

    us = s->now_ms * 1000 - sc->at_us;

    if (c->local) {
        us = us * store_alive(s) / s->nodes;
    }

    ticks = us / tick_us;
    sc->at_us = c->local ? s->now_ms * 1000 : sc->at_us + ticks * tick_us;
    sc->sum -= (int64_t) ticks * per_tick;

    floor = store_outs(s, sc);

    /* a full bucket keeps no part of a tick */

    if (sc->sum <= floor) {
        sc->sum = floor;
        sc->at_us = s->now_ms * 1000;
    }
}


static inline void
store_bucket(store_t *s, store_cell_t *sc, store_field_t *f,
    const ai_lease_cell_t *c, uint32_t start)
{
    int64_t  more, floor;

    store_refill(s, sc, c);

    if (!f->known || f->start != start || c->fresh) {
        more = c->mine + c->unspent;

    } else {
        more = c->sum - f->total;

        /* what is given back too late has been refilled, and what nobody heard
           of */

        if (more < 0 && (s->now_ms >= f->until || c->lost)) {
            more = 0;
        }
    }

    sc->sum += more;
    f->out = c->unspent;
    f->until = s->now_ms + s->hold_ms;

    floor = store_outs(s, sc);

    if (sc->sum <= floor) {
        sc->sum = floor;
        sc->at_us = s->now_ms * 1000;
    }
}


static inline void
store_slots(store_t *s, store_cell_t *sc)
{
    unsigned        i;
    store_field_t  *f;

    for (i = 0; i < s->nodes; i++) {
        f = &sc->node[i];

        if (f->known && s->now_ms >= f->until) {
            sc->sum -= f->total + f->old;
            f->total = 0;
            f->old = 0;
        }
    }
}


static inline int64_t
store_left(const store_t *s, const store_cell_t *sc, const ai_lease_cell_t *c)
{
    int64_t  limit;

    limit = c->limit;

    if (c->kind == AI_LEASE_SLOTS && c->local) {
        limit = limit * store_alive(s) / s->nodes;
    }

    return limit - sc->sum;
}


static inline void
store_sum(store_t *s, const ai_lease_cell_t *c, const store_words_t *w,
    uint64_t seq)
{
    store_cell_t   *sc;
    store_field_t  *f;

    sc = store_cell(s, c);
    f = &sc->node[w->node];

    if (c->kind == AI_LEASE_BUCKET) {
        store_bucket(s, sc, f, c, w->start);

    } else {
        if (f->known && f->start != w->start) {
            f->old += f->total;
            f->total = 0;
        }

        if (w->alone) {
            sc->sum -= f->old;
            f->old = 0;
        }

        if (c->kind == AI_LEASE_SLOTS) {
            store_slots(s, sc);
        }

        sc->sum += c->sum - f->total;
        f->until = s->now_ms + s->hold_ms;
    }

    f->known = 1;
    f->start = w->start;
    f->seq = seq;
    f->total = c->sum;
}


static inline void
store_grant(store_t *s, ai_lease_op_t *op, const store_words_t *w)
{
    int64_t           left;
    unsigned          i, fits;
    store_cell_t     *sc;
    ai_lease_cell_t  *c;

    fits = s->heard == (1u << s->nodes) - 1;

    for (i = 0; i < op->ncells; i++) {
        c = &op->cell[i];
        fits &= c->need == 0 || c->need <= store_left(s, store_cell(s, c), c);
    }

    for (i = 0; i < op->ncells; i++) {
        c = &op->cell[i];
        sc = store_cell(s, c);
        left = store_left(s, sc, c);

        c->granted = !fits || left < 0 ? 0 : c->want <= left ? c->want : left;
        c->left = left - c->granted;
        c->wait_ms = -1;
        s->granted += c->granted > 0;

        sc->sum += c->granted;
        sc->node[w->node].total += c->granted;
        sc->node[w->node].out += c->granted;
    }
}


static inline store_status_t
store_exec(store_t *s, ai_lease_op_t *op, const store_words_t *w)
{
    unsigned        i;
    store_field_t  *f;

    if (w->epoch != s->epoch) {
        if (w->epoch > s->epoch) {
            s->epoch = w->epoch;
            store_forget(s);
        }

        return STORE_EPOCH;
    }

    if (w->start < s->start[w->node]) {
        return STORE_FENCE;
    }

    for (i = 0; i < op->ncells; i++) {
        f = &store_cell(s, &op->cell[i])->node[w->node];

        if (f->known && (w->start < f->start
                         || (w->start == f->start && op->seq <= f->seq)))
        {
            s->late++;
            return STORE_LATE;
        }
    }

    s->start[w->node] = w->start;
    s->heard_ms[w->node] = s->now_ms;

    if (w->heard) {
        s->heard |= 1u << w->node;
    }

    for (i = 0; i < op->ncells; i++) {
        store_sum(s, &op->cell[i], w, op->seq);
    }

    store_grant(s, op, w);

    return STORE_OK;
}


#endif /* LEASE_STORE_H */
