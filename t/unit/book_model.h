
/*
 * A book that is trivially right: plain arrays, sums made anew at each look,
 * buckets in units of 1 / period of a token.
 */


#ifndef BOOK_MODEL_H
#define BOOK_MODEL_H


#include <stdlib.h>
#include "ai_lease_int.h"


#define MODEL_OWNERS   8        /* four tenants, then four keys */
#define MODEL_HOLDS    40
#define MODEL_WORKERS  3
#define MODEL_LIMITS   12
#define MODEL_PLACES   6
#define MODEL_OPS      3

typedef struct {
    __int128         units;
    uint64_t         last;
    int64_t          amount;
    int64_t          burst;
} model_bucket_t;

/*
 * Of a limit: all grants that were accepted, and what was admitted by them; of
 * one window.
 */
typedef struct {
    uint32_t         window;
    __int128         fund;
    __int128         spend;
} model_tally_t;

typedef struct {
    ai_owner_id_t    id;
    ai_limit_t       limits[MODEL_LIMITS];
    unsigned         nlimits;
    uint32_t         window[2];
    int64_t          used[2][AI_RES_COUNTED];
    uint32_t         others_id[2];  /* what other nodes used, and when */
    int64_t          others[2][AI_RES_COUNTED];
    int64_t          others_cost;
    model_bucket_t   bucket[AI_RES_COUNTED][AI_PERIOD_BUCKETS];
    uint64_t         requests;
    uint64_t         tokens[2];
    int64_t          cost;
    uint64_t         refused[8];
    unsigned         queued;
    model_tally_t    tally[AI_RES_N][AI_PERIOD_NONE + 1];
} model_owner_t;

typedef struct {
    ai_ref_t         ref;       /* 0: free */
    int              owner[2];  /* -1: none */
    int64_t          bound[AI_RES_COUNTED];
    int64_t          guess[AI_RES_COUNTED];
    uint32_t         window[2][2];
    uint8_t          drawn[2][AI_RES_COUNTED][AI_PERIOD_BUCKETS];
    uint8_t          leased[2][AI_RES_N][AI_PERIOD_NONE + 1];
    unsigned         weight;    /* 0: not shared */
    int              worker;
    uint32_t         slot;
} model_hold_t;

typedef struct {
    ai_ref_t         ref;       /* 0: free */
    int              owner;
    int              worker;
} model_place_t;

typedef struct {
    ai_book_t       *book;
    uint8_t         *before;    /* an image of the book, and one to spoil */
    uint8_t         *spoilt;
    size_t           size;
    ai_now_t         now;
    uint64_t         ahead_s;   /* the windows that a request is judged by */
    model_owner_t    owners[MODEL_OWNERS];
    model_hold_t     holds[MODEL_HOLDS];
    model_place_t    places[MODEL_PLACES];
    ai_lease_op_t    ops[MODEL_OPS];
    unsigned         sent[MODEL_OPS];
    ai_lease_conf_t  conf;
    int              workers[MODEL_WORKERS];
    uint32_t         slots;
    unsigned         every;     /* crash at every write, not at one */
    unsigned         writes;    /* most of one call */
    unsigned         admitted;
    unsigned         refused;
    unsigned         leased;
    unsigned         lacked;
    unsigned         accepted;
} model_t;

static const int64_t  model_ms[] = { 1000, 60000, 3600000 };


static inline uint32_t
model_id(unsigned w, uint64_t s)
{
    return w == 0 ? ai_day_id(s) : ai_month_id(s);
}


static inline int64_t
model_used(const model_t *m, int owner, unsigned w, unsigned r)
{
    const model_owner_t  *o = &m->owners[owner];

    if (o->window[w] < model_id(w, m->now.now_s + m->ahead_s)) {
        return 0;
    }

    return o->used[w][r]
           + (o->others_id[w] == o->window[w] ? o->others[w][r] : 0);
}


/* ever, here and by others */

static inline int64_t
model_spent(const model_t *m, int owner)
{
    return m->owners[owner].cost + m->owners[owner].others_cost;
}


/* by open holds; of a window, or (w == 2, as of a total) of all */

static inline int64_t
model_held(const model_t *m, int owner, unsigned w, unsigned r)
{
    unsigned              i, k;
    uint32_t              id;
    int64_t               sum;
    const model_hold_t   *h;
    const model_owner_t  *o = &m->owners[owner];

    sum = 0;

    for (i = 0; i < MODEL_HOLDS; i++) {
        h = &m->holds[i];

        for (k = 0; h->ref && k < 2; k++) {
            if (h->owner[k] != owner) {
                continue;
            }

            id = w < 2 ? model_id(w, m->now.now_s + m->ahead_s) : 0;

            if (w == 2 || (h->window[k][w] == o->window[w]
                           && o->window[w] >= id))
            {
                sum += h->bound[r];
            }
        }
    }

    return sum;
}


static inline int64_t
model_open(const model_t *m, int owner)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < MODEL_HOLDS; i++) {
        n += m->holds[i].ref
             && (m->holds[i].owner[0] == owner
                 || m->holds[i].owner[1] == owner);
    }

    return n;
}


static inline int64_t
model_bucket_held(const model_t *m, int owner, unsigned r, unsigned p)
{
    unsigned             i, k;
    int64_t              sum;
    const model_hold_t  *h;

    sum = 0;

    for (i = 0; i < MODEL_HOLDS; i++) {
        h = &m->holds[i];

        for (k = 0; h->ref && k < 2; k++) {
            if (r == AI_RES_COST && h->owner[k] == owner && h->drawn[k][r][p])
            {
                sum += h->bound[r] * (h->weight ? h->weight : 1);
            }
        }
    }

    return sum;
}


static inline model_bucket_t
model_refilled(const model_bucket_t *b, int64_t amount, uint64_t now)
{
    model_bucket_t  c = *b;

    if (now > c.last) {
        c.units -= (__int128) (now - c.last) * (amount > 0 ? amount : 0);
        c.units = c.units < 0 ? 0 : c.units;
        c.last = now;
    }

    return c;
}


static inline void
model_move(model_bucket_t *b, unsigned p, int64_t n)
{
    b->units += (__int128) n * model_ms[p];
    b->units = b->units < 0 ? 0 : b->units;
}


static inline int64_t
model_taken(const model_bucket_t *b, unsigned p)
{
    return (int64_t) ((b->units + model_ms[p] - 1) / model_ms[p]);
}


/* into a share: a node never lacks more than the whole bucket by it */

static inline void
model_share(model_bucket_t *b, unsigned p, int64_t n, int64_t most)
{
    int64_t  before, over;

    before = model_taken(b, p);
    model_move(b, p, n);
    over = model_taken(b, p) - (before > most ? before : most);

    if (over > 0) {
        model_move(b, p, -over);
    }
}


/* ms until "units" have flowed in */

static inline int64_t
model_wait(__int128 units, int64_t amount)
{
    units = (units + amount - 1) / amount;

    return units < 0 ? 0 : units > INT64_MAX ? INT64_MAX : (int64_t) units;
}


/* -2: it may pass; else the wait, -1 for never */

static inline int64_t
model_judge(const model_t *m, int owner, const ai_limit_t *l,
    const int64_t *bound, const int64_t *guess)
{
    int64_t         n, used, held, wait;
    unsigned        r = l->resource, p = l->period, w;
    __int128        need;
    model_bucket_t  b;

    if (r == AI_RES_CONCURRENCY) {
        return l->amount <= 0 ? -1
               : model_open(m, owner) < l->amount ? -2 : AI_BOOK_RETRY;
    }

    if (l->amount <= 0) {
        return -1;
    }

    if (p < AI_PERIOD_BUCKETS) {
        b = model_refilled(&m->owners[owner].bucket[r][p], l->amount,
                           m->now.mono_ms);
        n = r == AI_RES_COST ? bound[r] : r == AI_RES_REQUESTS ? 1 : guess[r];
        held = model_bucket_held(m, owner, r, p);

        /* the answer's part of a guess needs a full bucket, no more */

        if (n > l->burst
            && (r == AI_RES_OUTPUT_TOKENS
                || (r == AI_RES_TOKENS
                    && guess[AI_RES_INPUT_TOKENS] <= l->burst)))
        {
            n = l->burst;
        }

        if (n > l->burst) {
            return -1;
        }

        if ((__int128) l->burst - model_taken(&b, p) - held >= n) {
            return -2;
        }

        need = (__int128) (n - l->burst) * model_ms[p] + b.units;
        wait = model_wait(need, l->amount);

        return held && wait < AI_BOOK_RETRY ? AI_BOOK_RETRY : wait;
    }

    w = p - AI_PERIOD_DAY;
    n = bound[r];
    used = p == AI_PERIOD_TOTAL ? model_spent(m, owner)
                                : model_used(m, owner, w, r);
    held = model_held(m, owner, w, r);

    if (n <= AI_LIMIT_MAX && (__int128) used + held + n <= l->amount) {
        return -2;
    }

    if (n > l->amount || n > AI_LIMIT_MAX) {
        return -1;
    }

    if ((__int128) used + n <= l->amount) {
        return AI_BOOK_RETRY;
    }

    return p == AI_PERIOD_TOTAL ? -1
           : (int64_t) (ai_window_end((ai_period_t) p,
                                      m->now.now_s + m->ahead_s)
                        - m->now.now_s) * 1000;
}


/* the tenant's clock was set back: how far it is to its windows */

static inline uint64_t
model_ahead(const model_t *m, int owner)
{
    uint64_t              s;
    const model_owner_t  *o = &m->owners[owner];

    s = m->now.now_s;

    while (model_id(0, s) < o->window[0] || model_id(1, s) < o->window[1]) {
        s = (s / 86400 + 1) * 86400;
    }

    return s - m->now.now_s;
}


static inline void
model_roll(model_t *m, int owner)
{
    unsigned        w;
    model_owner_t  *o = &m->owners[owner];

    for (w = 0; w < 2; w++) {
        if (o->window[w] < model_id(w, m->now.now_s + m->ahead_s)) {
            o->window[w] = model_id(w, m->now.now_s + m->ahead_s);
            memset(o->used[w], 0, sizeof(o->used[w]));
        }
    }
}


/* of a cost that is "ms" old */

static inline int64_t
model_left(int64_t cost, const ai_limit_t *l, uint64_t ms)
{
    __int128  back = (__int128) ms * l->amount / model_ms[l->period];

    return back < cost ? cost - (int64_t) back : 0;
}


static inline int64_t
model_clamp(int64_t n)
{
    return n < 0 ? 0 : n > AI_LIMIT_MAX ? AI_LIMIT_MAX : n;
}


static inline int64_t
model_others(int64_t n)
{
    return n < -AI_BASE_MAX ? -AI_BASE_MAX : n > AI_BASE_MAX ? AI_BASE_MAX : n;
}


static inline void
model_totals(model_owner_t *o, const int64_t *used, const uint64_t *tokens)
{
    o->requests += (uint64_t) used[AI_RES_REQUESTS];
    o->tokens[0] += tokens[0];
    o->tokens[1] += tokens[1];
    o->cost += used[AI_RES_COST];
}


static inline void
model_settle(model_t *m, model_hold_t *h, const int64_t *used,
    const uint64_t *tokens)
{
    unsigned         k, w, r, p;
    int64_t          weight = h->weight ? h->weight : 1;
    model_owner_t   *o;
    model_bucket_t  *b;

    for (k = 0; k < 2 && h->owner[k] >= 0; k++) {
        o = &m->owners[h->owner[k]];

        for (w = 0; w < 2; w++) {
            for (r = 0; r < AI_RES_COUNTED; r++) {
                if (o->window[w] == h->window[k][w]) {
                    o->used[w][r] += used[r];
                }
            }
        }

        for (r = 0; r < AI_RES_COUNTED; r++) {
            for (p = 0; p < AI_PERIOD_BUCKETS; p++) {
                if (h->drawn[k][r][p]) {
                    b = &o->bucket[r][p];
                    *b = model_refilled(b, b->amount, m->now.mono_ms);

                    if (r == AI_RES_COST && h->weight) {
                        model_share(b, p, used[r] * weight,
                                    b->burst * weight);
                        continue;
                    }

                    model_move(b, p, weight
                               * (used[r] - (r == AI_RES_COST ? 0
                                  : r == AI_RES_REQUESTS ? 1 : h->guess[r])));
                }
            }
        }

        model_totals(o, used, tokens);
    }

    h->ref = 0;
}


#endif /* BOOK_MODEL_H */
