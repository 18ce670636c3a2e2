
/*
 * The directory: how it is changed.
 */


#include "ai_dir_int.h"


/* one change, all or nothing */

typedef struct {
    ai_dir_t        *dir;
    ai_writes_t      writes;
} ai_dir_tx_t;


static void
ai_dir_begin(ai_dir_tx_t *tx, ai_dir_t *dir)
{
    (void) ai_dir_recover(dir);

    tx->dir = dir;
    tx->writes.n = 0;
    tx->writes.full = 0;
}


static void
ai_dir_write(ai_dir_tx_t *tx, uint32_t *at, uint32_t value)
{
    ai_journal_put_part(ai_dir_journal(tx->dir), &tx->writes, at, &value, 4);
}


/* a change that readers shall know of */

static void
ai_dir_commit(ai_dir_tx_t *tx)
{
    ai_journal_put(ai_dir_journal(tx->dir), &tx->writes, &tx->dir->changes,
                   tx->dir->changes + 1);
    ai_journal_commit(ai_dir_journal(tx->dir), &tx->writes);
}


/*
 * Chains so many cells together at the front of the free list that it holds
 * n of them.  Those beyond "top" are nobody's, and are written freely.
 */

static int
ai_dir_room(ai_dir_t *dir, uint32_t n)
{
    uint32_t        have, ref, last;
    ai_dir_tx_t     tx;
    ai_dir_cell_t  *cell;

    have = dir->top - dir->used;

    if (n <= have) {
        return AI_OK;
    }

    if (n - have > dir->max - dir->top) {
        return AI_ERROR;
    }

    last = dir->top + (n - have);

    for (ref = dir->top + 1; ref <= last; ref++) {
        cell = ai_dir_cell(dir, ref);
        cell->next = ref < last ? ref + 1 : dir->free;
        cell->live = 0;
    }

    ai_dir_begin(&tx, dir);
    ai_dir_write(&tx, &dir->free, dir->top + 1);
    ai_dir_write(&tx, &dir->top, last);
    ai_journal_commit(ai_dir_journal(dir), &tx.writes);

    return AI_OK;
}


static uint32_t
ai_dir_last(const ai_dir_t *dir, uint32_t ref, uint32_t n)
{
    while (--n) {
        ref = ai_dir_cell(dir, ref)->next;
    }

    return ref;
}


/*
 * Takes a record out of its hash chain and gives its cells back, ahead of
 * "free"; returns the new front of the free list.
 */

static uint32_t
ai_dir_unlink(ai_dir_tx_t *tx, const ai_dir_place_t *place, uint32_t free)
{
    uint32_t        n, kind, last;
    ai_dir_t       *dir;
    ai_dir_cell_t  *cell;

    dir = tx->dir;
    cell = ai_dir_cell(dir, place->ref);
    n = ai_dir_cells((size_t) cell->key_len + cell->value_len);
    last = ai_dir_last(dir, place->ref, n);
    kind = cell->live - 1;

    ai_dir_write(tx, place->before ? &ai_dir_cell(dir, place->before)->link
                                   : ai_dir_head(dir, place->hash),
                 cell->link);
    ai_dir_write(tx, &cell->live, 0);
    ai_dir_write(tx, &ai_dir_cell(dir, last)->next, free);
    ai_dir_write(tx, &dir->used, dir->used - n);
    ai_dir_write(tx, &dir->records[kind], dir->records[kind] - 1);

    return place->ref;
}


static void
ai_dir_remove(ai_dir_tx_t *tx, const ai_dir_place_t *place)
{
    uint32_t  free;

    free = ai_dir_unlink(tx, place, tx->dir->free);
    ai_dir_write(tx, &tx->dir->free, free);
}


/* the old record, if any, makes room; until the new one is in, one is
   missing */

static void
ai_dir_lose(ai_dir_t *dir, ai_dir_kind_t kind, ai_dir_place_t *place)
{
    ai_dir_tx_t  tx;

    ai_dir_begin(&tx, dir);
    ai_dir_write(&tx, &dir->state, dir->state | 1u << kind);

    if (place->ref) {
        ai_dir_remove(&tx, place);
    }

    ai_dir_commit(&tx);

    place->ref = 0;
    place->before = 0;
}


/*
 * What the record holds goes into the first cells of the free list, which stay
 * chained as they are; then they change hands.
 */

static void
ai_dir_link(ai_dir_t *dir, ai_dir_kind_t kind, const ai_str_t *key,
    const ai_str_t *value, const ai_dir_place_t *place, uint32_t state)
{
    uint32_t         n, ref, free, *head;
    ai_dir_tx_t      tx;
    ai_dir_cell_t   *cell;
    ai_dir_bytes_t   b;

    n = ai_dir_cells(key->len + value->len);
    ref = dir->free;
    free = ai_dir_cell(dir, ai_dir_last(dir, ref, n))->next;
    head = ai_dir_head(dir, place->hash);

    cell = ai_dir_cell(dir, ref);
    cell->hash = place->hash;
    cell->link = *head == place->ref && place->ref
                 ? ai_dir_cell(dir, place->ref)->link : *head;
    cell->pass = dir->pass[kind];
    cell->key_len = (uint16_t) key->len;
    cell->value_len = (uint16_t) value->len;

    ai_dir_bytes(dir, ref, &b);
    ai_dir_bytes_write(&b, key->data, key->len);
    ai_dir_bytes_write(&b, value->data, value->len);

    ai_dir_begin(&tx, dir);

    if (place->ref) {
        free = ai_dir_unlink(&tx, place, free);
    }

    ai_dir_write(&tx, &dir->free, free);
    ai_dir_write(&tx, head, ref);
    ai_dir_write(&tx, &cell->live, (uint32_t) kind + 1);
    ai_dir_write(&tx, &dir->used, dir->used + n);
    ai_dir_write(&tx, &dir->records[kind], dir->records[kind] + 1);
    ai_dir_write(&tx, &dir->state, state);
    ai_dir_commit(&tx);
}


int
ai_dir_put(ai_dir_t *dir, ai_dir_kind_t kind, const ai_str_t *key,
    const ai_char *value, size_t len)
{
    uint32_t         n, state;
    unsigned         fits;
    ai_str_t         v;
    ai_dir_cell_t   *cell;
    ai_dir_place_t   place;

    (void) ai_dir_recover(dir);

    v.data = (ai_char *) value;
    v.len = len;

    ai_dir_find(dir, kind, key, &place);

    cell = place.ref ? ai_dir_cell(dir, place.ref) : NULL;

    if (cell && cell->value_len == len
        && ai_dir_bytes_equal(&place.value, value, len))
    {
        cell->pass = dir->pass[kind];
        return AI_DONE;
    }

    state = dir->state;
    fits = key->len <= AI_DIR_KEY_MAX && len <= AI_DIR_VALUE_MAX;
    n = fits ? ai_dir_cells(key->len + len) : 0;

    if (!fits || ai_dir_room(dir, n) != AI_OK) {
        ai_dir_lose(dir, kind, &place);

        if (!fits || ai_dir_room(dir, n) != AI_OK) {
            dir->refused[kind]++;
            return AI_ERROR;
        }
    }

    ai_dir_link(dir, kind, key, &v, &place, state);

    return AI_OK;
}


int
ai_dir_del(ai_dir_t *dir, ai_dir_kind_t kind, const ai_str_t *key)
{
    ai_dir_tx_t      tx;
    ai_dir_place_t   place;

    ai_dir_begin(&tx, dir);
    ai_dir_find(dir, kind, key, &place);

    if (place.ref == 0) {
        return AI_DECLINED;
    }

    ai_dir_remove(&tx, &place);
    ai_dir_commit(&tx);

    return AI_OK;
}


void
ai_dir_pass_begin(ai_dir_t *dir, unsigned kinds)
{
    unsigned  i;

    (void) ai_dir_recover(dir);

    for (i = 0; i < AI_DIR_KINDS; i++) {
        if (kinds & 1u << i) {
            dir->pass[i]++;
            dir->sweep[i] = 0;
            dir->refused[i] = 0;
        }
    }
}


/* removes the record that begins with this cell */

static void
ai_dir_sweep_one(ai_dir_t *dir, uint32_t ref)
{
    uint32_t         at;
    ai_dir_tx_t      tx;
    ai_dir_place_t   place;

    place.hash = ai_dir_cell(dir, ref)->hash;
    place.ref = ref;
    place.before = 0;

    for (at = *ai_dir_head(dir, place.hash); at != ref;
         at = ai_dir_cell(dir, at)->link)
    {
        place.before = at;
    }

    ai_dir_begin(&tx, dir);
    ai_dir_remove(&tx, &place);
    ai_dir_commit(&tx);
}


static void
ai_dir_sweep_done(ai_dir_t *dir, unsigned kinds)
{
    unsigned     i;
    uint32_t     state;
    ai_dir_tx_t  tx;

    state = dir->state;

    for (i = 0; i < AI_DIR_KINDS; i++) {
        if ((kinds & 1u << i) && dir->refused[i] == 0) {
            state &= ~(1u << i);
        }
    }

    ai_dir_begin(&tx, dir);
    ai_dir_write(&tx, &dir->state, state);
    ai_journal_commit(ai_dir_journal(dir), &tx.writes);
}


int
ai_dir_pass_sweep(ai_dir_t *dir, unsigned kinds, unsigned max)
{
    unsigned        i, steps;
    uint32_t        at;
    ai_dir_cell_t  *cell;

    (void) ai_dir_recover(dir);

    at = dir->top;

    for (i = 0; i < AI_DIR_KINDS; i++) {
        if ((kinds & 1u << i) && dir->sweep[i] < at) {
            at = dir->sweep[i];
        }
    }

    for (steps = 0; at < dir->top && steps < AI_DIR_STEPS && max; steps++) {
        cell = ai_dir_cell(dir, ++at);

        if (cell->live && (kinds & 1u << (cell->live - 1))
            && cell->pass != dir->pass[cell->live - 1])
        {
            ai_dir_sweep_one(dir, at);
            max--;
        }
    }

    for (i = 0; i < AI_DIR_KINDS; i++) {
        if (kinds & 1u << i) {
            dir->sweep[i] = at;
        }
    }

    if (at < dir->top) {
        return AI_AGAIN;
    }

    ai_dir_sweep_done(dir, kinds);

    return AI_OK;
}


void
ai_dir_set_mark(ai_dir_t *dir, ai_dir_mark_t which, const ai_str_t *mark)
{
    unsigned     i;
    uint64_t     w;
    ai_char      text[AI_DIR_MARK];
    ai_dir_tx_t  tx;

    memset(text, 0, sizeof(text));

    /* one that is too long is none: all is to be loaded */

    if (mark->len < sizeof(text) && mark->len) {
        memcpy(text, mark->data, mark->len);
    }

    ai_dir_begin(&tx, dir);

    for (i = 0; i < sizeof(text); i += 8) {
        memcpy(&w, text + i, 8);
        ai_journal_put(ai_dir_journal(dir), &tx.writes, &dir->marks[which][i],
                       w);
    }

    ai_journal_commit(ai_dir_journal(dir), &tx.writes);
}


void
ai_dir_set_loaded(ai_dir_t *dir)
{
    ai_dir_tx_t  tx;

    ai_dir_begin(&tx, dir);
    ai_dir_write(&tx, &dir->state, dir->state | AI_DIR_LOADED);
    ai_journal_commit(ai_dir_journal(dir), &tx.writes);
}
