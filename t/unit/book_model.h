
/*
 * A book that is trivially right: plain arrays, sums made anew at each look,
 * buckets in units of 1 / period of a token.  An interpreter turns bytes into
 * a history of calls, made on a book and on the model, and compares what both
 * say after each.
 *
 * CHECK(condition) is the includer's.
 */


#ifndef BOOK_MODEL_H
#define BOOK_MODEL_H


#include <stdlib.h>
#include "ai_book_int.h"


#define MODEL_OWNERS   8        /* four tenants, then four keys */
#define MODEL_HOLDS    40
#define MODEL_WORKERS  3
#define MODEL_LIMITS   12

typedef struct {
    const uint8_t   *p;
    const uint8_t   *end;
} model_input_t;

typedef struct {
    __int128         units;
    uint64_t         last;
    int64_t          amount;
    int64_t          burst;
} model_bucket_t;

typedef struct {
    ai_owner_id_t    id;
    ai_limit_t       limits[MODEL_LIMITS];
    unsigned         nlimits;
    uint32_t         window[2];
    int64_t          used[2][AI_RES_COUNTED];
    model_bucket_t   bucket[AI_RES_COUNTED][AI_PERIOD_BUCKETS];
    uint64_t         requests;
    uint64_t         tokens[2];
    int64_t          cost;
    uint64_t         refused[8];
} model_owner_t;

typedef struct {
    ai_ref_t         ref;       /* 0: free */
    int              owner[2];  /* -1: none */
    int64_t          bound[AI_RES_COUNTED];
    int64_t          guess[AI_RES_COUNTED];
    uint32_t         window[2][2];
    uint8_t          drawn[2][AI_RES_COUNTED][AI_PERIOD_BUCKETS];
    int              worker;
    uint32_t         slot;
} model_hold_t;

typedef struct {
    ai_book_t       *book;
    uint8_t         *before;    /* an image of the book, and one to spoil */
    uint8_t         *spoilt;
    size_t           size;
    ai_now_t         now;
    model_owner_t    owners[MODEL_OWNERS];
    model_hold_t     holds[MODEL_HOLDS];
    int              workers[MODEL_WORKERS];
    uint32_t         slots;
    unsigned         every;     /* crash at every write, not at one */
    unsigned         writes;    /* most of one call */
    unsigned         admitted;
    unsigned         refused;
} model_t;

static const int64_t  model_ms[] = { 1000, 60000, 3600000 };


static unsigned
model_byte(model_input_t *in)
{
    return in->p < in->end ? *in->p++ : 0;
}


/* small, medium, or any number that fits */

static int64_t
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


/* ---- the model ---- */

static uint32_t
model_id(unsigned w, uint64_t s)
{
    return w == 0 ? ai_day_id(s) : ai_month_id(s);
}


static int64_t
model_used(const model_t *m, int owner, unsigned w, unsigned r)
{
    const model_owner_t  *o = &m->owners[owner];

    return o->window[w] >= model_id(w, m->now.now_s) ? o->used[w][r] : 0;
}


/* by open holds; of a window, or (w == 2) of all */

static int64_t
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

            id = w < 2 ? model_id(w, m->now.now_s) : 0;

            if (w == 2 || (h->window[k][w] == o->window[w]
                           && o->window[w] >= id))
            {
                sum += h->bound[r];
            }
        }
    }

    return sum;
}


static int64_t
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


static int64_t
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
                sum += h->bound[r];
            }
        }
    }

    return sum;
}


static model_bucket_t
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


static void
model_move(model_bucket_t *b, unsigned p, int64_t n)
{
    b->units += (__int128) n * model_ms[p];
    b->units = b->units < 0 ? 0 : b->units;
}


static int64_t
model_taken(const model_bucket_t *b, unsigned p)
{
    return (int64_t) ((b->units + model_ms[p] - 1) / model_ms[p]);
}


/* ms until "units" have flowed in */

static int64_t
model_wait(__int128 units, int64_t amount)
{
    units = (units + amount - 1) / amount;

    return units < 0 ? 0 : units > INT64_MAX ? INT64_MAX : (int64_t) units;
}


/* -2: it may pass; else the wait, -1 for never */

static int64_t
model_judge(const model_t *m, int owner, const ai_limit_t *l,
    const int64_t *bound, const int64_t *guess)
{
    int64_t         n, used, held, wait;
    unsigned        r = l->resource, p = l->period, w;
    __int128        need;
    model_bucket_t  b;

    if (r == AI_RES_CONCURRENCY) {
        return model_open(m, owner) < l->amount ? -2
               : l->amount > 0 ? AI_BOOK_RETRY : -1;
    }

    if (l->amount <= 0) {
        return -1;
    }

    if (p < AI_PERIOD_BUCKETS) {
        b = model_refilled(&m->owners[owner].bucket[r][p], l->amount,
                           m->now.mono_ms);
        n = r == AI_RES_COST ? bound[r] : r == AI_RES_REQUESTS ? 1 : guess[r];
        held = model_bucket_held(m, owner, r, p);

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
    used = model_used(m, owner, w, r);
    held = model_held(m, owner, w, r);

    if ((__int128) used + held + n <= l->amount) {
        return -2;
    }

    if (n > l->amount) {
        return -1;
    }

    if ((__int128) used + n <= l->amount) {
        return AI_BOOK_RETRY;
    }

    return (int64_t) (ai_window_end((ai_period_t) p, m->now.now_s)
                      - m->now.now_s) * 1000;
}


static void
model_roll(model_t *m, int owner)
{
    unsigned        w;
    model_owner_t  *o = &m->owners[owner];

    for (w = 0; w < 2; w++) {
        if (o->window[w] < model_id(w, m->now.now_s)) {
            o->window[w] = model_id(w, m->now.now_s);
            memset(o->used[w], 0, sizeof(o->used[w]));
        }
    }
}


static int64_t
model_clamp(int64_t n)
{
    return n < 0 ? 0 : n > AI_LIMIT_MAX ? AI_LIMIT_MAX : n;
}


static void
model_totals(model_owner_t *o, const int64_t *used, const uint64_t *tokens)
{
    o->requests += (uint64_t) used[AI_RES_REQUESTS];
    o->tokens[0] += tokens[0];
    o->tokens[1] += tokens[1];
    o->cost += used[AI_RES_COST];
}


static void
model_settle(model_t *m, model_hold_t *h, const int64_t *used,
    const uint64_t *tokens)
{
    unsigned         k, w, r, p;
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
                    model_move(b, p, used[r] - (r == AI_RES_COST ? 0
                               : r == AI_RES_REQUESTS ? 1 : h->guess[r]));
                }
            }
        }

        model_totals(o, used, tokens);
    }

    h->ref = 0;
}


/* ---- crashes ---- */

#define MODEL_MARK  UINT32_MAX

static void
model_photo(model_t *m)
{
    unsigned  i;

    for (i = 0; i < AI_BOOK_JOURNAL; i++) {
        m->book->journal[i].at = MODEL_MARK;
    }

    memcpy(m->before, m->book, m->size);
}


static int
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

static void
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

static void
model_take(model_t *m, model_input_t *in)
{
    int             rc, worker;
    int64_t         wait, worst;
    unsigned        i, k, n, party, at, w;
    ai_ref_t        ref;
    ai_refused_t    why;
    model_hold_t   *h;
    ai_hold_ask_t   ask;
    model_owner_t  *o;
    int             owner[2];

    memset(&ask, 0, sizeof(ask));

    n = model_byte(in);
    ask.nparty = 1 + (n & 1);
    owner[0] = (int) ((n >> 1) & 3);
    owner[1] = ask.nparty == 2 ? (int) (4 + ((n >> 3) & 3)) : -1;
    worker = (int) ((n >> 5) % MODEL_WORKERS);

    for (i = 0; i < ask.nparty; i++) {
        o = &m->owners[owner[i]];
        ask.party[i].id = o->id;
        ask.party[i].limits = o->limits;
        ask.party[i].nlimits = o->nlimits;
    }

    ask.bound[AI_RES_REQUESTS] = 1;

    for (i = 1; i < AI_RES_COUNTED; i++) {
        ask.bound[i] = model_number(in);
        ask.guess[i] = model_number(in);

        if (ask.bound[i] > AI_LIMIT_MAX) {
            ask.bound[i] = AI_LIMIT_MAX + 1;
        }

        if (ask.guess[i] > AI_LIMIT_MAX) {
            ask.guess[i] = AI_LIMIT_MAX + 1;
        }
    }

    ask.worker = (uint16_t) m->workers[worker];
    ask.slot = ++m->slots;
    ask.segment = 7;

    for (h = m->holds; h < m->holds + MODEL_HOLDS && h->ref; h++) {
        /* void */
    }

    if (h == m->holds + MODEL_HOLDS) {
        return;
    }

    /* what the model says */

    worst = -2;
    party = 0;
    at = 0;

    for (i = 0; i < ask.nparty; i++) {
        for (k = 0; k < ask.party[i].nlimits; k++) {
            wait = model_judge(m, owner[i], &ask.party[i].limits[k],
                               ask.bound, ask.guess);

            if (wait != -2 && worst != -1
                && (worst == -2 || wait == -1 || wait > worst))
            {
                worst = wait;
                party = i;
                at = k;
            }
        }
    }

    /* what the book says */

    model_photo(m);
    n = model_byte(in);
    memset(&why, 0xa5, sizeof(why));
    rc = ai_book_take(m->book, &ask, &m->now, &ref, &why);

    if (worst != -2) {
        m->refused++;
        CHECK(rc == AI_BUSY);
        CHECK(why.party == party);
        CHECK(why.wait_ms == worst);
        CHECK(memcmp(&why.limit, &ask.party[party].limits[at],
                     sizeof(ai_limit_t)) == 0);
        CHECK(why.budget == (ai_limit_is_budget(&why.limit) ? 1 : 0));
        CHECK(model_same(m, (uint8_t *) m->book, 1));
        return;
    }

    CHECK(rc == AI_OK);
    model_crash(m, n);
    m->admitted++;

    memset(h, 0, sizeof(model_hold_t));
    h->ref = ref;
    h->owner[0] = owner[0];
    h->owner[1] = owner[1];
    h->worker = worker;
    h->slot = ask.slot;
    memcpy(h->bound, ask.bound, sizeof(h->bound));
    memcpy(h->guess, ask.guess, sizeof(h->guess));

    for (i = 0; i < ask.nparty; i++) {
        model_roll(m, owner[i]);
        o = &m->owners[owner[i]];

        for (w = 0; w < 2; w++) {
            h->window[i][w] = o->window[w];
        }

        for (k = 0; k < o->nlimits; k++) {
            const ai_limit_t  *l = &o->limits[k];
            model_bucket_t    *b;

            if (!ai_is_bucket(l)) {
                continue;
            }

            h->drawn[i][l->resource][l->period] = 1;
            b = &o->bucket[l->resource][l->period];
            *b = model_refilled(b, l->amount, m->now.mono_ms);
            b->amount = l->amount;
            b->burst = l->burst;

            if (l->resource != AI_RES_COST) {
                model_move(b, l->period, l->resource == AI_RES_REQUESTS ? 1
                                         : ask.guess[l->resource]);
            }
        }
    }
}


static void
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

    model_settle(m, h, used, tokens);
}


/* a sibling gives back what a dead worker held; another takes its place */

static void
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

    at = 0;
    n = 0;

    while (ai_book_worker_hold(m->book, (unsigned) m->workers[worker], &at,
                               &v)
           == AI_OK)
    {
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


static void
model_count(model_t *m, model_input_t *in)
{
    int             owner;
    int64_t         used[AI_RES_COUNTED];
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

    for (i = 1; i < AI_RES_COUNTED; i++) {
        used[i] = model_clamp(model_number(in));
    }

    age = model_byte(in);
    age = age < 240 ? age * age : age * 86400;
    at_s = age == 255 * 86400 ? m->now.now_s + 86400 * 40
           : age < m->now.now_s ? m->now.now_s - age : 0;

    model_photo(m);
    CHECK(ai_book_count(m->book, &party, 1, used, at_s, &m->now) == AI_OK);
    model_crash(m, model_byte(in));

    model_roll(m, owner);

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

        if (l->resource == AI_RES_COST && ai_is_bucket(l)
            && used[AI_RES_COST])
        {
            b = &o->bucket[AI_RES_COST][l->period];
            *b = model_refilled(b, l->amount, mono);
            b->amount = l->amount;
            b->burst = l->burst;
            model_move(b, l->period, used[AI_RES_COST]);
        }
    }

    tokens[0] = (uint64_t) used[AI_RES_INPUT_TOKENS];
    tokens[1] = (uint64_t) used[AI_RES_OUTPUT_TOKENS];
    model_totals(o, used, tokens);
}


/* new limits for an owner, none of them twice */

static void
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
        p = r == AI_RES_CONCURRENCY ? AI_PERIOD_NONE : model_byte(in) % 5;

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


static void
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

static void
model_compare_limit(const model_t *m, int owner, ai_ref_t ref,
    const ai_limit_t *l)
{
    int64_t          used, held;
    unsigned         r = l->resource, p = l->period;
    __int128         left;
    model_bucket_t   b;
    ai_limit_view_t  v;

    ai_book_limit_view(m->book, ref, l, &m->now, &v);

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
        used = model_used(m, owner, p - AI_PERIOD_DAY, r);
        held = model_held(m, owner, p - AI_PERIOD_DAY, r);
        left = (__int128) l->amount - used - held;
    }

    CHECK(v.used == used);
    CHECK(v.held == held);
    CHECK(v.remaining == (left < 0 ? 0 : (int64_t) left));
    CHECK(v.reset_ms >= 0);
}


static void
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

        for (r = 0; r < o->nlimits; r++) {
            model_compare_limit(m, i, ref, &o->limits[r]);
        }
    }

    n = 0;

    for (i = 0; i < MODEL_HOLDS; i++) {
        n += m->holds[i].ref != 0;
    }

    ai_book_stat(m->book, &st);
    CHECK(st.holds == n);
    CHECK(st.used <= st.size);
}


/* ---- a history ---- */

static void
model_step(model_t *m, model_input_t *in)
{
    int       owner;
    unsigned  n, op;
    ai_ref_t  ref;

    op = model_byte(in);
    n = op >> 4;

    switch (op & 15) {

    case 0: case 1: case 2: case 3: case 4: case 5:
        model_take(m, in);
        break;

    case 6: case 7: case 8: case 9:
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
        model_limits(&m->owners[n % MODEL_OWNERS], in);
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


static void
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


static void
model_free(model_t *m)
{
    free(m->book);
    free(m->before);
    free(m->spoilt);
}


#endif /* BOOK_MODEL_H */
