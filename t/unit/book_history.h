
/*
 * An interpreter that turns bytes into a history of calls, made on a book and
 * on the model, and compares what both say after each; each call is also cut
 * short at its writes and recovered.
 *
 * CHECK(condition) is the includer's.
 */


#ifndef BOOK_HISTORY_H
#define BOOK_HISTORY_H


#include "book_model.h"


typedef struct {
    const uint8_t   *p;
    const uint8_t   *end;
} model_input_t;


static inline unsigned
model_byte(model_input_t *in)
{
    return in->p < in->end ? *in->p++ : 0;
}


/* small, medium, or any number that fits */

static inline int64_t
model_number(model_input_t *in)
{
    unsigned  i;
    uint64_t  n;

    n = model_byte(in);

    if (n < 200) {
        return (int64_t) (n % 50);
    }

    if (n < 250) {
        return (int64_t) (n * 256 + model_byte(in));
    }

    for (i = 0; i < 7; i++) {
        n = n << 8 | model_byte(in);
    }

    return (int64_t) (n >> 1 >> (n % 60));
}


/* ---- crashes ---- */

#define MODEL_MARK  UINT32_MAX

static inline void
model_photo(model_t *m)
{
    unsigned  i;

    for (i = 0; i < AI_BOOK_JOURNAL; i++) {
        m->book->journal[i].at = MODEL_MARK;
    }

    memcpy(m->before, m->book, m->size);
}


static inline int
model_same(const model_t *m, const uint8_t *image, int but_hand)
{
    ai_book_t  *a, *b;
    uint32_t    hand;

    a = (ai_book_t *) image;
    b = (ai_book_t *) m->before;

    if (but_hand) {
        hand = b->hand;
        b->hand = a->hand;

    } else {
        hand = b->hand;
    }

    if (memcmp(a, b, offsetof(ai_book_t, recovered)) != 0) {
        b->hand = hand;
        return 0;
    }

    b->hand = hand;

    return memcmp(a->workers, b->workers,
                  m->size - offsetof(ai_book_t, workers)) == 0;
}


/*
 * The journal's entries outlive the call: with the last of them played back,
 * the image is that of a process which died before those writes.  It dies
 * twice at each: before the word changed, and after.
 */

static inline void
model_crash(model_t *m, unsigned pick)
{
    unsigned    n, k, late;
    uint64_t   *words;
    ai_book_t  *bk;

    for (n = 0; n < AI_BOOK_JOURNAL; n++) {
        if (m->book->journal[n].at == MODEL_MARK) {
            break;
        }
    }

    m->writes = n > m->writes ? n : m->writes;

    bk = (ai_book_t *) m->spoilt;
    words = (uint64_t *) m->spoilt;

    for (late = 0; late < 2; late++) {
        for (k = 0; k <= n; k++) {
            unsigned  i, written;

            if (!m->every && k != pick % (n + 1)) {
                continue;
            }

            memcpy(m->spoilt, m->book, m->size);

            written = late && k ? k - 1 : k;

            for (i = n; i > written; i--) {
                words[bk->journal[i - 1].at] = bk->journal[i - 1].old;
            }

            bk->undo = k;

            CHECK(ai_book_recover(bk) == (k ? AI_DONE : AI_OK));
            CHECK(bk->undo == 0);
            CHECK(model_same(m, m->spoilt, 0));
        }
    }
}


/* ---- calls ---- */

/* what a request asks for: a free hold of the model, or NULL */

static inline model_hold_t *
model_ask(model_t *m, model_input_t *in, ai_hold_ask_t *ask)
{
    unsigned        i, n;
    model_hold_t   *h;
    model_owner_t  *o;

    for (h = m->holds; h < m->holds + MODEL_HOLDS && h->ref; h++) {
        /* void */
    }

    if (h == m->holds + MODEL_HOLDS) {
        return NULL;
    }

    memset(h, 0, sizeof(model_hold_t));
    memset(ask, 0, sizeof(ai_hold_ask_t));

    n = model_byte(in);
    ask->nparty = 1 + (n & 1);
    h->owner[0] = (int) ((n >> 1) & 3);
    h->owner[1] = ask->nparty == 2 ? (int) (4 + ((n >> 3) & 3)) : -1;
    h->worker = (int) ((n >> 5) % MODEL_WORKERS);

    for (i = 0; i < ask->nparty; i++) {
        o = &m->owners[h->owner[i]];
        ask->party[i].id = o->id;
        ask->party[i].limits = o->limits;
        ask->party[i].nlimits = o->nlimits;
    }

    ask->bound[AI_RES_REQUESTS] = 1;

    for (i = 1; i < AI_RES_COUNTED; i++) {
        ask->bound[i] = model_number(in);
        ask->guess[i] = model_number(in);

        if (ask->bound[i] > AI_LIMIT_MAX) {
            ask->bound[i] = AI_LIMIT_MAX + 1;
        }

        if (ask->guess[i] > AI_LIMIT_MAX) {
            ask->guess[i] = AI_LIMIT_MAX + 1;
        }
    }

    n = model_byte(in);
    ask->shared = n & 1;
    ask->rates = (uint8_t) ((n >> 1) % 3);
    ask->queued = n >> 3 & 1;
    ask->local = n >> 4 & 1;
    ask->nodes = 1 + (n >> 5);
    h->weight = ask->shared ? ask->nodes : 0;

    ask->worker = (uint16_t) m->workers[h->worker];
    ask->slot = ++m->slots;
    ask->segment = 7;

    h->slot = ask->slot;
    memcpy(h->bound, ask->bound, sizeof(h->bound));
    memcpy(h->guess, ask->guess, sizeof(h->guess));

    return h;
}


/* what a shared ask is not refused by as one that is not */

static inline int
model_unjudged(const ai_hold_ask_t *ask, const ai_limit_t *l)
{
    if (l->resource == AI_RES_CONCURRENCY) {
        return l->amount > 0 && ask->rates == AI_RATES_OPEN;
    }

    return ai_is_bucket(l);
}


/* the longest wait, as model_judge() gives it, and whose limit it is */

static inline int64_t
model_verdict(model_t *m, const model_hold_t *h,
    const ai_hold_ask_t *ask, unsigned *party, const ai_limit_t **limit)
{
    int64_t            wait, worst;
    unsigned           i, k;
    const ai_limit_t  *l;

    worst = -2;
    m->ahead_s = model_ahead(m, h->owner[0]);

    for (i = 0; i < ask->nparty; i++) {
        for (k = 0; k < ask->party[i].nlimits; k++) {
            l = &ask->party[i].limits[k];

            if (ask->shared && model_unjudged(ask, l)) {
                continue;
            }

            wait = model_judge(m, h->owner[i], l, ask->bound, ask->guess);

            if (wait == -2 && l->resource == AI_RES_CONCURRENCY
                && m->owners[h->owner[i]].queued && !ask->queued)
            {
                wait = AI_BOOK_RETRY;
            }

            if (wait != -2 && worst != -1
                && (worst == -2 || wait == -1 || wait > worst))
            {
                worst = wait;
                *party = i;
                *limit = l;
            }
        }
    }

    m->ahead_s = 0;

    return worst;
}


static inline void
model_admit(model_t *m, model_hold_t *h)
{
    int64_t            n;
    unsigned           i, k, w;
    model_owner_t     *o;
    model_bucket_t    *b;
    const ai_limit_t  *l;

    m->ahead_s = model_ahead(m, h->owner[0]);

    for (i = 0; i < 2 && h->owner[i] >= 0; i++) {
        model_roll(m, h->owner[i]);
        o = &m->owners[h->owner[i]];

        for (w = 0; w < 2; w++) {
            h->window[i][w] = o->window[w];
        }

        for (k = 0; k < o->nlimits; k++) {
            l = &o->limits[k];

            if (!ai_is_bucket(l)) {
                continue;
            }

            h->drawn[i][l->resource][l->period] = 1;
            b = &o->bucket[l->resource][l->period];
            *b = model_refilled(b, l->amount, m->now.mono_ms);
            b->amount = l->amount;
            b->burst = l->burst;

            if (l->resource == AI_RES_COST) {
                continue;
            }

            n = l->resource == AI_RES_REQUESTS ? 1 : h->guess[l->resource];

            if (h->weight) {
                model_share(b, l->period, n * h->weight,
                            l->burst * h->weight);

            } else {
                model_move(b, l->period, n);
            }
        }
    }

    m->ahead_s = 0;
}


#include "lease_history.h"


/* a refusal marks the owner of a total */

static inline int
model_has_total(const ai_hold_ask_t *ask)
{
    unsigned  i, k;

    for (i = 0; i < ask->nparty; i++) {
        for (k = 0; k < ask->party[i].nlimits; k++) {
            if (ask->party[i].limits[k].period == AI_PERIOD_TOTAL) {
                return 1;
            }
        }
    }

    return 0;
}


static inline void
model_take(model_t *m, model_input_t *in)
{
    int                rc;
    int64_t            worst;
    unsigned           n, party;
    ai_ref_t           ref;
    ai_refused_t       why;
    model_hold_t      *h;
    ai_hold_ask_t      ask;
    const ai_limit_t  *limit;

    h = model_ask(m, in, &ask);

    if (h == NULL) {
        return;
    }

    worst = model_verdict(m, h, &ask, &party, &limit);

    model_photo(m);
    n = model_byte(in);
    memset(&why, 0xa5, sizeof(why));
    rc = ai_book_take(m->book, &ask, &m->now, &ref, &why);

    if (ask.shared) {
        model_shared(m, h, &ask, worst, rc, ref, n);
        return;
    }

    if (worst != -2) {
        m->refused++;
        CHECK(rc == AI_BUSY);
        CHECK(why.party == party);
        CHECK(why.wait_ms == worst);
        CHECK(memcmp(&why.limit, limit, sizeof(ai_limit_t)) == 0);
        CHECK(why.budget == (ai_limit_is_budget(limit) ? 1 : 0));
        CHECK(model_has_total(&ask)
              || model_same(m, (uint8_t *) m->book, 1));
        return;
    }

    CHECK(rc == AI_OK);
    model_crash(m, n);

    m->admitted++;
    model_admit(m, h);
    h->ref = ref;
}


static inline void
model_settle_one(model_t *m, model_hold_t *h, model_input_t *in)
{
    int64_t   used[AI_RES_COUNTED];
    uint64_t  tokens[2];
    unsigned  i, n, kind;

    n = model_byte(in);
    kind = n % 4;

    for (i = 0; i < AI_RES_COUNTED; i++) {
        used[i] = kind == 0 ? 0 : i == 0 ? 1
                  : kind == 1 ? h->bound[i] / (1 + (int64_t) (n >> 4))
                  : kind == 2 ? h->guess[i] : model_number(in);

        if (kind == 3 && n == 255) {
            used[i] = -used[i];
        }
    }

    tokens[0] = n;
    tokens[1] = 2 * n;

    model_photo(m);
    ai_book_settle(m->book, h->ref, used, tokens, &m->now);
    model_crash(m, model_byte(in));

    for (i = 0; i < AI_RES_COUNTED; i++) {
        used[i] = model_clamp(used[i]);
    }

    model_tally_back(m, h, used);
    model_settle(m, h, used, tokens);
}


/* a sibling gives back what a dead worker held; another takes its place */

static inline void
model_death(model_t *m, model_input_t *in)
{
    int             worker;
    unsigned        i, n, expected;
    ai_ref_t        at;
    ai_hold_view_t  v;

    worker = (int) (model_byte(in) % MODEL_WORKERS);
    expected = 0;

    for (i = 0; i < MODEL_HOLDS; i++) {
        expected += m->holds[i].ref && m->holds[i].worker == worker;
    }

    for (i = 0; i < MODEL_PLACES; i++) {
        expected += m->places[i].ref && m->places[i].worker == worker;
    }

    at = 0;
    n = 0;

    while (ai_book_worker_hold(m->book, (unsigned) m->workers[worker], &at,
                               &v)
           == AI_OK)
    {
        if (model_place_gone(m, v.hold, worker)) {
            n++;
            continue;
        }

        for (i = 0; i < MODEL_HOLDS; i++) {
            if (m->holds[i].ref == v.hold) {
                break;
            }
        }

        CHECK(i < MODEL_HOLDS);
        CHECK(m->holds[i].worker == worker);
        CHECK(m->holds[i].slot == v.slot && v.segment == 7);

        /* it cannot be freed before its last hold is gone */

        ai_book_worker_free(m->book, (unsigned) m->workers[worker]);

        model_settle_one(m, &m->holds[i], in);
        n++;
    }

    CHECK(n == expected);

    ai_book_worker_free(m->book, (unsigned) m->workers[worker]);
    m->workers[worker] = ai_book_worker(m->book, 1000 + ++m->slots, 5);
    CHECK(m->workers[worker] >= 0);
}


static inline void
model_count(model_t *m, model_input_t *in)
{
    int             owner;
    int64_t         used[AI_RES_COUNTED], n, weight;
    uint64_t        at_s, age, tokens[2], mono;
    unsigned        i, w, k;
    ai_party_t      party;
    model_owner_t  *o;
    model_bucket_t *b;

    owner = (int) (model_byte(in) % MODEL_OWNERS);
    o = &m->owners[owner];

    party.id = o->id;
    party.limits = o->limits;
    party.nlimits = o->nlimits;

    used[0] = 1;
    weight = m->conf.nodes ? m->conf.nodes : 1;

    for (i = 1; i < AI_RES_COUNTED; i++) {
        used[i] = model_clamp(model_number(in));
    }

    age = model_byte(in);
    age = age < 240 ? age * age : age * 86400;
    at_s = age == 255 * 86400 ? m->now.now_s + 86400 * 40
           : age == 254 * 86400 ? m->now.now_s + 86400
           : age == 253 * 86400 ? m->now.now_s + 3600
           : age < m->now.now_s ? m->now.now_s - age : 0;

    model_photo(m);
    CHECK(ai_book_count(m->book, &party, 1, used, at_s, &m->now) == AI_OK);
    model_crash(m, model_byte(in));

    /* one that is a day ahead at most is where it says */

    model_roll(m, owner);
    m->ahead_s = at_s > m->now.now_s && at_s - m->now.now_s <= 86400
                 ? at_s - m->now.now_s : 0;
    model_roll(m, owner);
    m->ahead_s = 0;

    for (w = 0; w < 2; w++) {
        for (i = 0; i < AI_RES_COUNTED; i++) {
            if (model_id(w, at_s) >= o->window[w]) {
                o->used[w][i] += used[i];
            }
        }
    }

    age = at_s < m->now.now_s ? m->now.now_s - at_s : 0;
    mono = m->now.mono_ms > age * 1000 ? m->now.mono_ms - age * 1000 : 0;

    for (k = 0; k < o->nlimits; k++) {
        const ai_limit_t  *l = &o->limits[k];

        if (ai_is_bucket(l) && used[l->resource]) {
            b = &o->bucket[l->resource][l->period];
            *b = model_refilled(b, l->amount, mono);
            b->amount = l->amount;
            b->burst = l->burst;
            n = used[l->resource] * weight;

            if (!mono) {
                n = model_left(n, l, age * 1000 - m->now.mono_ms);
            }

            /* a rate lacks no more than all of it by that */

            if (l->resource != AI_RES_COST || m->conf.nodes) {
                model_share(b, l->period, n, l->burst * weight);

            } else {
                model_move(b, l->period, n);
            }
        }
    }

    tokens[0] = (uint64_t) used[AI_RES_INPUT_TOKENS];
    tokens[1] = (uint64_t) used[AI_RES_OUTPUT_TOKENS];
    model_totals(o, used, tokens);
}


/* what others used: now, or in a window that has passed or is to come */

static inline void
model_base(model_t *m, model_input_t *in)
{
    int             owner;
    int64_t         n[2 * AI_RES_COUNTED + 1];
    unsigned        i, w, sign, id;
    uint64_t        at_s;
    ai_base_t       base;
    model_owner_t  *o;

    static const int64_t  ages[] = { 0, 0, 0, 0, 1, 40, -1, -3 };

    owner = (int) (model_byte(in) % MODEL_OWNERS);
    o = &m->owners[owner];
    sign = model_byte(in);
    at_s = m->now.now_s - (uint64_t) (ages[sign & 7] * 86400);

    for (i = 0; i < 2 * AI_RES_COUNTED + 1; i++) {
        n[i] = model_number(in);
        n[i] = (sign >> 3) > 28 ? -n[i] : n[i];
    }

    base.day = ai_day_id(at_s);
    base.month = ai_month_id(at_s);
    base.cost = n[2 * AI_RES_COUNTED];
    memcpy(base.used_day, n, sizeof(base.used_day));
    memcpy(base.used_month, n + AI_RES_COUNTED, sizeof(base.used_month));

    model_photo(m);
    CHECK(ai_book_base(m->book, &o->id, &base, &m->now) == AI_OK);
    model_crash(m, model_byte(in));

    model_roll(m, owner);

    for (w = 0; w < 2; w++) {
        id = w ? base.month : base.day;

        if (id < o->window[w] || id > model_id(w, m->now.now_s + 86400)) {
            continue;
        }

        if (id > o->window[w]) {
            o->window[w] = id;
            memset(o->used[w], 0, sizeof(o->used[w]));
        }

        o->others_id[w] = id;

        for (i = 0; i < AI_RES_COUNTED; i++) {
            o->others[w][i] = model_others(n[w * AI_RES_COUNTED + i]);
        }
    }

    o->others_cost = model_others(base.cost);
}


/* new limits for an owner, none of them twice */

static inline void
model_limits(model_owner_t *o, model_input_t *in)
{
    unsigned     n, i, r, p;
    ai_limit_t  *l;

    n = model_byte(in);
    n = n < 200 ? n % 4 : n % (MODEL_LIMITS + 1);
    o->nlimits = 0;

    while (n--) {
        l = &o->limits[o->nlimits];
        memset(l, 0, sizeof(ai_limit_t));

        r = model_byte(in) % AI_RES_N;
        p = r == AI_RES_CONCURRENCY ? AI_PERIOD_NONE
            : model_byte(in) % (r == AI_RES_COST ? 6 : 5);

        for (i = 0; i < o->nlimits; i++) {
            if (o->limits[i].resource == r && o->limits[i].period == p) {
                break;
            }
        }

        if (i < o->nlimits) {
            continue;
        }

        l->resource = (uint8_t) r;
        l->period = (uint8_t) p;
        l->amount = model_clamp(10 * (model_number(in) % (AI_LIMIT_MAX / 8)));
        l->burst = model_byte(in) & 1 ? l->amount
                   : model_clamp(model_number(in));

        if (l->amount && !l->burst) {
            l->burst = 1;
        }

        o->nlimits++;
    }
}


static inline void
model_clock(model_t *m, model_input_t *in)
{
    unsigned  n;
    uint64_t  d;

    n = model_byte(in);
    d = model_byte(in);

    if (n < 128) {
        m->now.mono_ms += d * n;
        m->now.now_s += d * n / 1000;

    } else if (n < 192) {
        m->now.mono_ms += d * d * 1000;
        m->now.now_s += d * d;

    } else if (n < 224) {
        m->now.now_s += d * 3600 * 24;          /* a jump of the calendar */

    } else if (m->now.now_s > d * 3600 * 24) {
        m->now.now_s -= d * 3600 * 24;

        /* and perhaps a reading of the other clock that came late */

        m->now.mono_ms -= d < m->now.mono_ms ? d : 0;
    }
}


/* ---- comparison ---- */

static inline void
model_compare_limit(const model_t *m, int owner, ai_ref_t ref,
    const ai_limit_t *l)
{
    int64_t          used, held;
    unsigned         r = l->resource, p = l->period;
    __int128         left;
    model_bucket_t   b;
    ai_limit_view_t  v;

    ai_book_limit_view(m->book, ref, l, &m->now, &v);

    /* a guess at what all nodes have left: in bounds, no more */

    if (m->conf.nodes && ref && ai_lease_find(m->book, ref, r, p)) {
        CHECK(v.remaining >= 0 && v.reset_ms >= 0 && v.held >= 0);
        CHECK(v.remaining <= (ai_is_bucket(l) ? l->burst : l->amount)
              || (m->owners[owner].others_cost < 0 || p != AI_PERIOD_TOTAL
                  || l->amount < v.remaining));
        return;
    }

    if (r == AI_RES_CONCURRENCY) {
        used = model_open(m, owner);
        held = 0;
        left = l->amount - used;

    } else if (p < AI_PERIOD_BUCKETS) {
        b = model_refilled(&m->owners[owner].bucket[r][p], l->amount,
                           m->now.mono_ms);
        used = model_taken(&b, p);
        held = model_bucket_held(m, owner, r, p);
        left = l->amount ? (__int128) l->burst - used - held : 0;

        if (l->amount) {
            CHECK(v.reset_ms == model_wait(b.units, l->amount));
        }

    } else {
        used = p == AI_PERIOD_TOTAL ? model_spent(m, owner)
               : model_used(m, owner, p - AI_PERIOD_DAY, r);
        held = model_held(m, owner, p - AI_PERIOD_DAY, r);
        left = (__int128) l->amount - used - held;
    }

    CHECK(v.used == used);
    CHECK(v.held == held);
    CHECK(v.remaining == (left < 0 ? 0 : (int64_t) left));
    CHECK(v.reset_ms >= 0);
}


static inline void
model_compare(const model_t *m)
{
    int                   i;
    unsigned              r, n;
    ai_ref_t              ref;
    ai_book_stat_t        st;
    ai_owner_view_t       v;
    const model_owner_t  *o;

    for (i = 0; i < MODEL_OWNERS; i++) {
        o = &m->owners[i];
        ref = ai_book_owner_find(m->book, &o->id);
        ai_book_owner_view(m->book, ref, m->now.now_s, &v);

        for (r = 0; r < AI_RES_COUNTED; r++) {
            CHECK(v.used_day[r] == model_used(m, i, 0, r));
            CHECK(v.used_month[r] == model_used(m, i, 1, r));
            CHECK(v.held[r] == model_held(m, i, 2, r));
        }

        for (r = 0; r < 8; r++) {
            CHECK(v.refused[r] == o->refused[r]);
        }

        CHECK(v.open == model_open(m, i));
        CHECK(v.requests == o->requests);
        CHECK(v.tokens[0] == o->tokens[0] && v.tokens[1] == o->tokens[1]);
        CHECK(v.cost == o->cost);
        CHECK(v.cost_others == o->others_cost);

        for (r = 0; r < o->nlimits; r++) {
            model_compare_limit(m, i, ref, &o->limits[r]);
        }
    }

    n = 0;

    for (i = 0; i < MODEL_HOLDS; i++) {
        n += m->holds[i].ref != 0;
    }

    for (i = 0; i < MODEL_PLACES; i++) {
        n += m->places[i].ref != 0;
    }

    ai_book_stat(m->book, &st);
    CHECK(st.holds == n);
    CHECK(st.used <= st.size);
}


/* ---- a history ---- */

static inline void
model_step(model_t *m, model_input_t *in)
{
    int       owner;
    unsigned  n, op;
    ai_ref_t  ref;

    op = model_byte(in);
    n = op >> 4;

    switch (op & 15) {

    case 0: case 1: case 2: case 3:
        model_take(m, in);
        break;

    case 4: case 5:
        model_lease(m, in);
        break;

    case 9:
        if (n < 6) {
            model_queue(m, in);
            break;
        }

        /* fall through */

    case 6: case 7: case 8:
        n = model_byte(in) % MODEL_HOLDS;

        if (m->holds[n].ref) {
            model_settle_one(m, &m->holds[n], in);
        }

        break;

    case 10: case 11:
        model_clock(m, in);
        break;

    case 12:
        model_count(m, in);
        break;

    case 13:
        if (n < 8) {
            model_limits(&m->owners[n % MODEL_OWNERS], in);

        } else {
            model_base(m, in);
        }

        break;

    case 14:
        model_death(m, in);
        break;

    default:
        owner = (int) (n % MODEL_OWNERS);
        ref = ai_book_owner(m->book, &m->owners[owner].id, m->now.now_s);
        CHECK(ref != 0);

        n = model_byte(in) % 8;
        ai_book_owner_refused(m->book, ref, (ai_refusal_t) n);
        m->owners[owner].refused[n] += n < AI_REFUSED_N;
    }

    model_compare(m);
}


static inline void
model_init(model_t *m, model_input_t *in)
{
    int                    i;
    static const ai_char   zone_id[16] = "zone";

    memset(m, 0, sizeof(model_t));

    m->size = ai_book_min_size();
    m->size += 64 - m->size % 64;
    m->book = aligned_alloc(64, m->size);
    m->before = aligned_alloc(64, m->size);
    m->spoilt = aligned_alloc(64, m->size);

    memset(m->book, 0xa5, m->size);
    CHECK(ai_book_init(m->book, m->size, zone_id) == AI_OK);

    m->now.now_s = 1795225000 + model_byte(in) * 1000;
    m->now.mono_ms = 32 * 86400 * (uint64_t) 1000 + model_byte(in);

    for (i = 0; i < MODEL_WORKERS; i++) {
        m->workers[i] = ai_book_worker(m->book, 100 + (uint32_t) i, 5);
        CHECK(m->workers[i] >= 0);
    }

    for (i = 0; i < MODEL_OWNERS; i++) {
        m->owners[i].id.id[0] = (ai_char) (i / 3);     /* chains of three */
        m->owners[i].id.id[9] = (ai_char) i;
        model_limits(&m->owners[i], in);
    }
}


static inline void
model_free(model_t *m)
{
    free(m->book);
    free(m->before);
    free(m->spoilt);
}


#endif /* BOOK_HISTORY_H */
