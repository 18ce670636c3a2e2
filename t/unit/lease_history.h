
/*
 * Shared asks, operations and places in a history of calls.  What a book grants
 * itself is not predicted here; it is held against what was granted to it.
 *
 * Included by book_history.h.
 */


#ifndef LEASE_HISTORY_H
#define LEASE_HISTORY_H


static inline int model_has_total(const ai_hold_ask_t *ask);


/* the model's buckets, as they are in the book */

static inline void
model_sync(model_t *m, int owner)
{
    ai_ref_t          ref;
    model_bucket_t   *b;
    const ai_cell_t  *cell;

    ref = ai_book_owner_find(m->book, &m->owners[owner].id);

    for (ref = ref ? ai_owner_at(m->book, ref)->cells : 0;
         ref;
         ref = cell->next)
    {
        cell = ai_cell_at(m->book, ref);
        b = &m->owners[owner].bucket[cell->resource][cell->period];

        b->units = (__int128) cell->bucket.taken * model_ms[cell->period]
                   - (__int128) cell->bucket.rem;
        b->last = cell->bucket.last;
        b->amount = cell->amount;
        b->burst = cell->burst;
    }
}


/* what of a limit must have been granted before it is taken */

static inline int64_t
model_need(const model_hold_t *h, const ai_limit_t *l)
{
    int64_t   bound[AI_RES_COUNTED], guess[AI_RES_COUNTED];

    if (l->resource == AI_RES_CONCURRENCY) {
        return 1;
    }

    memcpy(bound, h->bound, sizeof(bound));
    memcpy(guess, h->guess, sizeof(guess));
    guess[AI_RES_REQUESTS] = 1;
    guess[AI_RES_COST] = bound[AI_RES_COST];

    return ai_ask_need(bound, guess, l, 1);
}


static inline uint32_t
model_window(const model_t *m, int owner, const ai_limit_t *l)
{
    unsigned  w;

    if (l->period != AI_PERIOD_DAY && l->period != AI_PERIOD_MONTH) {
        return 0;
    }

    w = l->period - AI_PERIOD_DAY;

    return m->owners[owner].window[w] > model_id(w, m->now.now_s)
           ? m->owners[owner].window[w] : model_id(w, m->now.now_s);
}


/* no more is admitted than was granted */

static inline void
model_tally(model_t *m, model_hold_t *h, const ai_hold_ask_t *ask)
{
    int64_t            n;
    unsigned           i, k;
    model_tally_t     *t;
    const ai_limit_t  *l;

    for (i = 0; i < ask->nparty; i++) {
        for (k = 0; k < ask->party[i].nlimits; k++) {
            l = &ask->party[i].limits[k];
            n = model_need(h, l);

            if (!ai_ask_leased(ask, l) || n == 0) {
                continue;
            }

            t = &m->owners[h->owner[i]].tally[l->resource][l->period];
            t->spend += n;
            h->leased[i][l->resource][l->period] = 1;

            CHECK(t->window == model_window(m, h->owner[i], l));
            CHECK(t->spend <= t->fund);
        }
    }
}


/* what comes back of a hold is spent again, other than of a bucket */

static inline void
model_tally_back(model_t *m, const model_hold_t *h, const int64_t *used)
{
    int64_t         n;
    unsigned        i, r, p;
    model_tally_t  *t;

    for (i = 0; i < 2 && h->owner[i] >= 0; i++) {
        for (r = 0; r < AI_RES_N; r++) {
            for (p = AI_PERIOD_DAY; p <= AI_PERIOD_NONE; p++) {
                t = &m->owners[h->owner[i]].tally[r][p];
                n = r == AI_RES_CONCURRENCY ? 1 : h->bound[r] - used[r];

                if (n <= 0 || (p < AI_PERIOD_TOTAL
                               && t->window != h->window[i][p
                                                            - AI_PERIOD_DAY]))
                {
                    continue;
                }

                if (h->leased[i][r][p]) {
                    t->spend -= n;

                } else {
                    t->fund += n;
                }
            }
        }
    }
}


static inline void
model_shared(model_t *m, model_hold_t *h, const ai_hold_ask_t *ask,
    int64_t worst, int rc, ai_ref_t ref, unsigned crash)
{
    unsigned  i;

    CHECK(rc == AI_OK || rc == AI_BUSY || rc == AI_AGAIN);
    CHECK(worst == -2 || rc == AI_BUSY);

    if (rc != AI_OK) {
        m->lacked += rc == AI_AGAIN;

        CHECK(model_has_total(ask) || ask->rates == AI_RATES_LOCAL
              || model_same(m, (uint8_t *) m->book, 1));

    } else {
        model_crash(m, crash);
        model_tally(m, h, ask);
        model_admit(m, h);
        m->leased++;
        h->ref = ref;
    }

    for (i = 0; i < ask->nparty && ask->rates == AI_RATES_LOCAL; i++) {
        model_sync(m, h->owner[i]);
    }
}


/* ---- operations ---- */

static inline void
model_op_begin(model_t *m, model_input_t *in, unsigned slot)
{
    int            rc;
    unsigned       ahead, i;
    model_hold_t  *h;
    ai_hold_ask_t  ask;

    h = model_ask(m, in, &ask);

    if (h == NULL) {
        return;
    }

    ahead = model_byte(in);
    ask.shared = 1;

    model_photo(m);
    rc = ai_lease_begin(m->book, &ask, ahead & 1, &m->now, &m->ops[slot]);

    CHECK(rc == AI_OK || rc == AI_BUSY || rc == AI_DECLINED);

    if (rc != AI_OK) {
        CHECK(model_same(m, (uint8_t *) m->book, 1));
        return;
    }

    model_crash(m, ahead);
    m->sent[slot] = 1;

    for (i = 0; i < ask.nparty; i++) {
        model_sync(m, h->owner[i]);
    }

    for (i = 0; i < m->ops[slot].ncells; i++) {
        CHECK(m->ops[slot].cell[i].unspent <= m->ops[slot].cell[i].sum);
        CHECK(m->ops[slot].cell[i].unspent >= 0);
        CHECK(m->ops[slot].cell[i].want >= m->ops[slot].cell[i].need);
        CHECK(m->ops[slot].cell[i].need >= 0);
    }
}


static inline void
model_op_end(model_t *m, model_input_t *in, unsigned slot)
{
    int               rc;
    int64_t           n;
    unsigned          i, k, how;
    model_tally_t    *t;
    ai_lease_op_t    *op;
    ai_lease_cell_t  *c;

    op = &m->ops[slot];
    how = model_byte(in);

    for (i = 0; i < op->ncells; i++) {
        c = &op->cell[i];
        c->granted = how & 2 ? c->want : how & 4 ? c->need
                     : model_number(in) - (how & 64 ? 200 : 0);
        c->left = how & 8 ? 0 : how & 16 ? -model_number(in)
                                         : model_number(in);
        c->wait_ms = how & 32 ? -1 : 40;
    }

    model_photo(m);
    rc = ai_lease_end(m->book, op, how & 1, &m->now);
    model_crash(m, model_byte(in));

    CHECK(rc == AI_OK || rc == AI_DECLINED);

    /* never twice */

    CHECK(ai_lease_end(m->book, op, 1, &m->now) == AI_DECLINED);

    for (i = 0; rc == AI_OK && how & 1 && i < op->ncells; i++) {
        c = &op->cell[i];

        for (k = 0; k < MODEL_OWNERS; k++) {
            if (memcmp(&m->owners[k].id, &c->id, sizeof(c->id)) == 0) {
                break;
            }
        }

        CHECK(k < MODEL_OWNERS);

        t = &m->owners[k].tally[c->resource][c->period];
        n = c->granted < 0 ? 0 : c->granted < c->want ? c->granted : c->want;

        if (t->window != c->window) {
            t->window = (uint32_t) c->window;
            t->fund = 0;
            t->spend = 0;
        }

        /* what was spent without leave counts, too: no less is spent by it */

        t->fund += n;
        m->accepted++;
    }

    if (!(how & 128)) {
        m->sent[slot] = 0;
    }
}


static inline void
model_op_keep(model_t *m, model_input_t *in, unsigned slot, unsigned tell)
{
    int       rc;
    unsigned  n;
    uint32_t  cursor;

    n = model_byte(in);
    cursor = n % (MODEL_OWNERS + 1);

    model_photo(m);

    if (tell) {
        rc = ai_lease_report(m->book, n >> 4, &cursor, 1, &m->now,
                             &m->ops[slot]);

    } else {
        rc = ai_lease_expire(m->book, n >> 7, &cursor, 1, &m->now,
                             &m->ops[slot]);
    }

    if (rc == AI_OK) {
        model_crash(m, n);
        m->sent[slot] = 1;
        CHECK(m->ops[slot].ncells > 0);

    } else {
        CHECK(rc == AI_BUSY || rc == AI_DECLINED);
        CHECK(model_same(m, (uint8_t *) m->book, 1));
    }
}


static inline void
model_conf(model_t *m, model_input_t *in)
{
    int       i;
    unsigned  n;

    n = model_byte(in);

    m->conf.lease_ms = 2000;
    m->conf.busy_ms = n & 64 ? 0 : 200;
    m->conf.nodes = n & 3;
    m->conf.shards = n & 4 ? AI_LEASE_SHARDS : n & 8 ? 0 : 1;

    ai_lease_conf(m->book, &m->conf);

    for (i = 0; i < MODEL_OWNERS; i++) {
        model_sync(m, i);
    }
}


static inline void
model_lease(model_t *m, model_input_t *in)
{
    unsigned  n, slot;

    n = model_byte(in);
    slot = (n >> 4) % MODEL_OPS;

    switch (n & 15) {

    case 0: case 1: case 2: case 3: case 4:
        model_op_begin(m, in, slot);
        break;

    case 5: case 6: case 7: case 8: case 9: case 10:
        if (m->sent[slot]) {
            model_op_end(m, in, slot);
        }

        break;

    case 11: case 12:
        model_op_keep(m, in, slot, 0);
        break;

    case 13:
        model_op_keep(m, in, slot, 1);
        break;

    default:
        if (n >> 4 < 4) {
            model_conf(m, in);
        }
    }
}


/* ---- places ---- */

static inline int
model_place_gone(model_t *m, ai_ref_t ref, int worker)
{
    unsigned        i;
    model_place_t  *p;
    const int64_t   used[AI_RES_COUNTED] = { 1, 2, 3, 4, 5 };
    const uint64_t  tokens[2] = { 6, 7 };

    for (i = 0; i < MODEL_PLACES; i++) {
        p = &m->places[i];

        if (p->ref != ref) {
            continue;
        }

        CHECK(worker == -1 || p->worker == worker);

        model_photo(m);

        if (worker == -1) {
            ai_book_unqueue(m->book, ref);

        } else {
            ai_book_settle(m->book, ref, used, tokens, &m->now);
        }

        model_crash(m, ref);

        m->owners[p->owner].queued--;
        p->ref = 0;

        return 1;
    }

    return 0;
}


static inline void
model_queue(model_t *m, model_input_t *in)
{
    int             rc;
    unsigned        n, max;
    ai_ref_t        ref;
    model_hold_t   *h;
    ai_hold_ask_t   ask;
    model_place_t  *p;

    n = model_byte(in);
    p = &m->places[n % MODEL_PLACES];

    if (p->ref) {
        CHECK(model_place_gone(m, p->ref, -1));
        return;
    }

    h = model_ask(m, in, &ask);

    if (h == NULL) {
        return;
    }

    n = ask.nparty == 2 && n & 128;
    max = model_byte(in) % 4;

    model_photo(m);
    rc = ai_book_queue(m->book, &ask, n, max, &m->now, &ref);

    if (m->owners[h->owner[n]].queued >= max) {
        CHECK(rc == AI_BUSY);
        CHECK(model_same(m, (uint8_t *) m->book, 1));
        return;
    }

    CHECK(rc == AI_OK);
    model_crash(m, max);

    p->ref = ref;
    p->owner = h->owner[n];
    p->worker = h->worker;
    m->owners[p->owner].queued++;
}


#endif /* LEASE_HISTORY_H */
