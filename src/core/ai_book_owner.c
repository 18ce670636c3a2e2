
/*
 * Owners and their buckets: found by hash, made on first use, and reused when
 * nothing is lost by it.
 */


#include "ai_lease_int.h"


/* of tenant and key in one piece; longer pairs are digested one by one */
#define AI_OWNER_TEXT  1024


void
ai_owner_id(ai_owner_id_t *id, const ai_str_t *tenant, const ai_str_t *key)
{
    size_t   len;
    ai_char  digest[AI_KEY_DIGEST], text[AI_OWNER_TEXT];

    if (key == NULL) {
        ai_key_digest(tenant->data, tenant->len, digest);
        memcpy(id->id, digest, sizeof(id->id));
        return;
    }

    if (tenant->len < sizeof(text) / 2 && key->len < sizeof(text) / 2) {
        memcpy(text, tenant->data, tenant->len);
        text[tenant->len] = '\0';
        memcpy(text + tenant->len + 1, key->data, key->len);
        len = tenant->len + 1 + key->len;

    } else {
        ai_key_digest(tenant->data, tenant->len, text);
        ai_key_digest(key->data, key->len, text + AI_KEY_DIGEST);
        len = 2 * AI_KEY_DIGEST;
    }

    ai_key_digest(text, len, digest);
    memcpy(id->id, digest, sizeof(id->id));
}


int
ai_owner_check(const ai_book_t *bk, ai_ref_t owner)
{
    if (owner == 0 || owner > bk->owners.top
        || !ai_owner_at(bk, owner)->live)
    {
        return AI_DECLINED;
    }

    return AI_OK;
}


/* the id is a digest: any part of it is as good as a hash of it */

static ai_ref_t *
ai_owner_head(const ai_book_t *bk, const ai_owner_id_t *id)
{
    uint32_t  hash;

    memcpy(&hash, id->id, 4);

    return ai_head_at(bk, hash & bk->mask);
}


ai_ref_t
ai_book_owner_find(const ai_book_t *bk, const ai_owner_id_t *id)
{
    ai_ref_t           ref;
    const ai_owner_t  *o;

    for (ref = *ai_owner_head(bk, id); ref; ref = o->next) {
        o = ai_owner_at(bk, ref);

        if (memcmp(o->id.id, id->id, sizeof(id->id)) == 0) {
            return ref;
        }
    }

    return 0;
}


/*
 * Whether credit of the owner is out: it is given back first.  A bucket that
 * comes back begins its sum anew, and says so.  What was spent of a window that
 * others may be in still is to be told, too.
 */

static int
ai_owner_lent(const ai_book_t *bk, const ai_owner_t *o, uint64_t now_s,
    uint64_t mono)
{
    unsigned           i;
    uint32_t           window;
    ai_ref_t           ref;
    const ai_lease_t  *ls;

    if (bk->lease.nodes == 0) {
        return 0;
    }

    if (ai_lease_busy(bk, o, mono)) {
        return 1;
    }

    for (i = 0; i < AI_WINDOWS * AI_RES_COUNTED; i++) {
        if (ai_former_spent(bk, o, i % AI_WINDOWS, i / AI_WINDOWS, now_s,
                            &window))
        {
            return 1;
        }
    }

    for (ref = o->leases; ref; ref = ls->next) {
        ls = ai_lease_at(bk, ref);

        if (ai_lease_owed(bk, o, ls, now_s)) {
            return 1;
        }
    }

    return 0;
}


/*
 * Whether no limit would notice that this owner is forgotten.  Its totals are
 * lost: they begin at zero when it comes back.
 */

static int
ai_owner_idle(const ai_tx_t *tx, ai_ref_t ref)
{
    unsigned            i, n;
    uint64_t            mono;
    ai_ref_t            c;
    ai_limit_t          limit;
    ai_bucket_t         b;
    const ai_cell_t    *cell;
    const ai_owner_t   *o;
    const ai_window_t  *w;

    o = ai_owner_at(tx->book, ref);

    if (!o->live || o->open || o->queued
        || ref == tx->pin[0] || ref == tx->pin[1]
        || (o->kept && (o->cost || o->cost_others)))
    {
        return 0;
    }

    for (i = 0; i < AI_WINDOWS; i++) {
        w = ai_window_now(o, i, tx->now_s);

        for (n = 0; w && n < AI_RES_COUNTED; n++) {
            if (w->used[n]) {
                return 0;
            }
        }
    }

    mono = tx->mono_ms ? tx->mono_ms : tx->book->mono_ms;

    for (c = o->cells; c; c = cell->next) {
        cell = ai_cell_at(tx->book, c);

        ai_cell_limit(cell, &limit);
        b = cell->bucket;
        ai_bucket_refill(&b, &limit, mono);

        if (b.taken) {
            return 0;
        }
    }

    return !ai_owner_lent(tx->book, o, tx->now_s, mono);
}


/* gives the cells of a list back */

static void
ai_owner_drop(ai_tx_t *tx, ai_ref_t *list)
{
    ai_ref_t    c, next;
    ai_book_t  *bk;

    bk = tx->book;

    for (c = *list; c; c = next) {
        next = ai_cell_at(bk, c)->next;
        ai_array_give(tx, &bk->cells, c, &ai_cell_at(bk, c)->next);
    }

    ai_tx_put32(tx, list, 0);
}


static void
ai_owner_free(ai_tx_t *tx, ai_ref_t ref)
{
    ai_ref_t    *link;
    ai_book_t   *bk;
    ai_owner_t  *o;

    bk = tx->book;
    o = ai_owner_at(bk, ref);

    link = ai_owner_head(bk, &o->id);

    while (*link && *link != ref) {
        link = &ai_owner_at(bk, *link)->next;
    }

    if (*link) {
        ai_tx_put32(tx, link, o->next);
    }

    ai_owner_drop(tx, &o->cells);
    ai_owner_drop(tx, &o->others);
    ai_owner_drop(tx, &o->leases);
    ai_tx_put32(tx, &o->live, 0);
    ai_array_give(tx, &bk->owners, ref, &o->next);
}


/*
 * Frees one idle owner, if the next few hold one.  The hand goes round, so
 * that each owner is looked at again only after all the others.
 */

static int
ai_owner_reuse(ai_tx_t *tx)
{
    ai_ref_t    ref;
    ai_book_t  *bk;

    bk = tx->book;

    while (bk->owners.top && tx->steps) {
        tx->steps--;

        ref = tx->hand % bk->owners.top + 1;
        tx->hand = ref;

        if (ai_owner_idle(tx, ref)) {
            ai_owner_free(tx, ref);
            return AI_OK;
        }
    }

    return AI_DECLINED;
}


static ai_ref_t
ai_owner_take(ai_tx_t *tx)
{
    ai_ref_t     next;
    ai_array_t  *a;

    a = &tx->book->owners;
    next = a->free ? ai_owner_at(tx->book, a->free)->next : 0;

    return ai_array_take(tx, a, next);
}


ai_ref_t
ai_owner_get(ai_tx_t *tx, const ai_owner_id_t *id)
{
    ai_ref_t     ref, *head;
    ai_owner_t   o;

    ref = ai_book_owner_find(tx->book, id);

    if (ref) {
        return ref;
    }

    ref = ai_owner_take(tx);

    if (ref == 0) {
        if (ai_owner_reuse(tx) != AI_OK) {
            return 0;
        }

        ref = ai_owner_take(tx);
    }

    if (ref == 0 || tx->writes.full) {
        return 0;
    }

    head = ai_owner_head(tx->book, id);

    memset(&o, 0, sizeof(ai_owner_t));
    o.id = *id;
    o.next = *head;
    o.live = 1;

    ai_tx_copy(tx, ai_owner_at(tx->book, ref), &o, sizeof(ai_owner_t));
    ai_tx_put32(tx, head, ref);

    return ref;
}


ai_ref_t
ai_book_owner(ai_book_t *bk, const ai_owner_id_t *id, uint64_t now_s)
{
    ai_tx_t   tx;
    ai_ref_t  ref;

    ai_tx_begin(&tx, bk, now_s, 0);

    ref = ai_owner_get(&tx, id);

    if (ref == 0) {
        ai_tx_undo(&tx);
        return 0;
    }

    return ai_tx_commit(&tx) == AI_OK ? ref : 0;
}


void
ai_book_owner_refused(ai_book_t *bk, ai_ref_t owner, ai_refusal_t why)
{
    if ((unsigned) why >= AI_REFUSED_N || ai_owner_check(bk, owner) != AI_OK) {
        return;
    }

    __atomic_fetch_add(&ai_owner_at(bk, owner)->refused[why], 1,
                       __ATOMIC_RELAXED);
}


/* it is contained in what was used: ai_other_t */

int64_t
ai_window_own(const ai_book_t *bk, const ai_owner_t *o, unsigned which,
    unsigned resource)
{
    ai_ref_t            ref;
    const ai_other_t   *other;
    const ai_window_t  *w;

    w = &o->window[which];

    for (ref = o->others; ref; ref = other->next) {
        other = ai_other_at(bk, ref);

        if (other->which == which && other->id == w->id) {
            return ai_sum(w->used[resource], -other->used[resource]);
        }
    }

    return w->used[resource];
}


void
ai_window_begin(ai_tx_t *tx, ai_owner_t *o, unsigned which, uint64_t id)
{
    unsigned      i;
    ai_ref_t      ref;
    ai_lease_t   *ls;
    ai_window_t   begun, *w;
    ai_former_t   former;

    w = &o->window[which];

    if (w->id) {
        former.id = w->id;

        for (i = 0; i < AI_RES_COUNTED; i++) {
            former.spent[i] = ai_sum(ai_window_own(tx->book, o, which, i),
                                     w->held[i]);
        }

        ai_tx_copy(tx, &o->former[which], &former, sizeof(ai_former_t));
    }

    memset(&begun, 0, sizeof(ai_window_t));
    begun.id = id;

    ai_tx_copy(tx, w, &begun, sizeof(ai_window_t));

    /* of the former window's rows */

    for (ref = o->leases; ref; ref = ls->next) {
        ls = ai_lease_at(tx->book, ref);

        if (ls->period == AI_PERIOD_DAY + which && ls->spent) {
            ai_tx_put(tx, &ls->spent, 0);
        }
    }
}


void
ai_owner_roll(ai_tx_t *tx, ai_ref_t owner, uint64_t now_s)
{
    unsigned     i;
    ai_owner_t  *o;

    o = ai_owner_at(tx->book, owner);

    for (i = 0; i < AI_WINDOWS; i++) {

        if (ai_window_now(o, i, now_s) == NULL) {
            ai_window_begin(tx, o, i, ai_window_id(i, now_s));
        }
    }
}


uint64_t
ai_owner_now(const ai_book_t *bk, ai_ref_t owner, uint64_t now_s)
{
    uint64_t           day, month, begin;
    const ai_owner_t  *o;

    o = ai_owner_at(bk, owner);
    day = o->window[AI_WINDOW_DAY].id;
    month = o->window[AI_WINDOW_MONTH].id;

    day = day > month * 100 ? day : month * 100 + 1;

    if (day <= ai_window_id(AI_WINDOW_DAY, now_s)) {
        return now_s;
    }

    begin = ai_day_begin((uint32_t) day);

    return begin > now_s ? begin : now_s;
}


ai_ref_t
ai_cell_find(const ai_book_t *bk, ai_ref_t owner, unsigned resource,
    unsigned period)
{
    ai_ref_t          ref;
    const ai_cell_t  *cell;

    /* no more than AI_BOOK_DRAWS / 2 of them */

    for (ref = ai_owner_at(bk, owner)->cells; ref; ref = cell->next) {
        cell = ai_cell_at(bk, ref);

        if (cell->resource == resource && cell->period == period) {
            return ref;
        }
    }

    return 0;
}


static ai_ref_t
ai_cell_take(ai_tx_t *tx)
{
    ai_ref_t     next;
    ai_array_t  *a;

    a = &tx->book->cells;
    next = a->free ? ai_cell_at(tx->book, a->free)->next : 0;

    return ai_array_take(tx, a, next);
}


ai_ref_t
ai_cell_new(ai_tx_t *tx)
{
    ai_ref_t  ref;

    /* an owner that is reused may have had no bucket */

    for (ref = ai_cell_take(tx); ref == 0; ref = ai_cell_take(tx)) {
        if (ai_owner_reuse(tx) != AI_OK) {
            return 0;
        }
    }

    return tx->writes.full ? 0 : ref;
}


ai_ref_t
ai_cell_make(ai_tx_t *tx, ai_ref_t owner, unsigned resource, unsigned period)
{
    ai_ref_t     ref;
    ai_cell_t    cell;
    ai_owner_t  *o;

    ref = ai_cell_new(tx);

    if (ref == 0) {
        return 0;
    }

    o = ai_owner_at(tx->book, owner);

    memset(&cell, 0, sizeof(ai_cell_t));
    cell.resource = (uint8_t) resource;
    cell.period = (uint8_t) period;
    cell.next = o->cells;

    ai_tx_copy(tx, ai_cell_at(tx->book, ref), &cell, sizeof(ai_cell_t));
    ai_tx_put32(tx, &o->cells, ref);

    return ref;
}


void
ai_cell_limit(const ai_cell_t *cell, ai_limit_t *limit)
{
    limit->resource = cell->resource;
    limit->period = cell->period;
    limit->amount = cell->amount;
    limit->burst = cell->burst;
}
