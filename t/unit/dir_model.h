
/*
 * A directory beside a naive map: histories of calls from bytes, compared
 * after each; each change is also cut short at its writes and recovered.
 *
 * CHECK(condition) is the includer's.
 */


#ifndef DIR_MODEL_H
#define DIR_MODEL_H


#include <stdio.h>
#include <stdlib.h>
#include "ai_dir_int.h"


#define MODEL_KEYS   24
#define MODEL_VALUE  600
#define MODEL_MARK   UINT32_MAX


typedef struct {
    unsigned         there;
    unsigned         seen;
    size_t           len;
    ai_char          value[MODEL_VALUE];
} model_record_t;

typedef struct {
    const uint8_t   *p;
    const uint8_t   *end;
} model_input_t;

typedef struct {
    ai_dir_t        *dir;
    uint8_t         *spoilt;
    size_t           size;
    model_record_t   records[AI_DIR_KINDS][MODEL_KEYS];
    unsigned         missing;
    unsigned         loaded;
    unsigned         refused[AI_DIR_KINDS];
    unsigned         every;         /* crash at every write */
    unsigned         crashes;
    unsigned         full;          /* puts without room */
    unsigned         tight;         /* that took the old one's */
} model_t;


static inline unsigned
model_byte(model_input_t *in)
{
    return in->p < in->end ? *in->p++ : 0;
}


/* keys of many lengths, of one cell and more */

static inline ai_str_t
model_key(unsigned i, ai_char text[AI_DIR_KEY_MAX])
{
    ai_str_t  key;

    key.len = 1 + i * 7 % AI_DIR_KEY_MAX;
    key.data = text;
    memset(text, 'a', key.len);
    text[key.len - 1] = (ai_char) i;

    return key;
}


/* ---- structure: every cell is in one place, and every chain ends ---- */

static inline void
model_structure(const ai_dir_t *dir)
{
    uint32_t              i, n, ref, cells, heads, kinds[AI_DIR_KINDS];
    const ai_dir_cell_t  *c;
    uint8_t              *where;

    where = calloc(dir->max + 1, 1);
    cells = 0;
    heads = 0;
    memset(kinds, 0, sizeof(kinds));

    CHECK(dir->top <= dir->max && dir->used <= dir->top);

    for (i = 0; i <= dir->mask; i++) {

        for (ref = *ai_dir_head(dir, i); ref; ref = c->link) {
            CHECK(ref <= dir->top && !where[ref]);
            c = ai_dir_cell(dir, ref);

            CHECK(c->live && c->live <= AI_DIR_KINDS);
            CHECK((c->hash & dir->mask) == i);
            kinds[c->live - 1]++;
            heads++;

            n = ai_dir_cells((size_t) c->key_len + c->value_len);

            for ( /* void */ ; n; n--, cells++) {
                CHECK(ref <= dir->top && ref && !where[ref]);
                where[ref] = 1;
                CHECK(c == ai_dir_cell(dir, ref)
                      || ai_dir_cell(dir, ref)->live == 0);
                ref = ai_dir_cell(dir, ref)->next;
            }
        }
    }

    CHECK(cells == dir->used);

    for (i = 0; i < AI_DIR_KINDS; i++) {
        CHECK(kinds[i] == dir->records[i]);
    }

    /* what is free, and only that, has no owner */

    ref = dir->free;

    for (n = dir->top - dir->used; n; n--) {
        CHECK(ref && ref <= dir->top && !where[ref]);
        CHECK(ai_dir_cell(dir, ref)->live == 0);
        where[ref] = 1;
        ref = ai_dir_cell(dir, ref)->next;
    }

    free(where);
}


/* ---- contents ---- */

static inline unsigned
model_has(const ai_dir_t *dir, unsigned kind, unsigned i,
    const model_record_t *r)
{
    int       rc;
    size_t    len;
    ai_str_t  key;
    ai_char   text[AI_DIR_KEY_MAX], value[MODEL_VALUE];

    key = model_key(i, text);
    len = 0;
    rc = ai_dir_get(dir, (ai_dir_kind_t) kind, &key, value, sizeof(value),
                    &len);

    if (!r->there) {
        return rc == AI_DECLINED;
    }

    return rc == AI_OK && len == r->len && memcmp(value, r->value, len) == 0;
}


static inline void
model_compare(const model_t *m, const ai_dir_t *dir)
{
    unsigned  k, i, n;

    model_structure(dir);

    for (k = 0; k < AI_DIR_KINDS; k++) {

        for (i = 0, n = 0; i < MODEL_KEYS; i++) {
            CHECK(model_has(dir, k, i, &m->records[k][i]));
            n += m->records[k][i].there;
        }

        CHECK(dir->records[k] == n);
    }

    CHECK(ai_dir_complete(dir) == (m->loaded && m->missing == 0));
}


/* ---- crashes ---- */

static inline void
model_photo(model_t *m)
{
    unsigned  i;

    for (i = 0; i < AI_DIR_JOURNAL; i++) {
        m->dir->journal[i].at = MODEL_MARK;
    }
}


/*
 * The journal's entries outlive the call: with the last of them played back,
 * the image is that of a process which died before those writes.  Each must
 * recover to what "m" (before the call) says.
 */

static inline void
model_crash(model_t *m, unsigned pick)
{
    unsigned    n, k, late, i, written;
    uint64_t   *words;
    ai_dir_t   *dir;

    for (n = 0; n < AI_DIR_JOURNAL; n++) {
        if (m->dir->journal[n].at == MODEL_MARK) {
            break;
        }
    }

    dir = (ai_dir_t *) m->spoilt;
    words = (uint64_t *) m->spoilt;

    for (late = 0; late < 2; late++) {
        for (k = 0; k <= n; k++) {

            if (!m->every && k != pick % (n + 1)) {
                continue;
            }

            memcpy(m->spoilt, m->dir, m->size);
            written = late && k ? k - 1 : k;

            for (i = n; i > written; i--) {
                words[dir->journal[i - 1].at] = dir->journal[i - 1].old;
            }

            dir->undo = k;
            m->crashes++;

            CHECK(ai_dir_recover(dir) == (k ? AI_DONE : AI_OK));
            CHECK(dir->undo == 0);
            model_compare(m, dir);
        }
    }
}


/* ---- calls ---- */

static inline void
model_put(model_t *m, model_input_t *in)
{
    int              rc;
    unsigned         k, i, n, had, missing;
    ai_str_t         key;
    ai_char          text[AI_DIR_KEY_MAX];
    uint32_t         room, need;
    model_record_t   r, *old;

    n = model_byte(in);
    k = n % AI_DIR_KINDS;
    i = model_byte(in) % MODEL_KEYS;
    key = model_key(i, text);
    old = &m->records[k][i];
    had = old->there;

    memset(&r, 0, sizeof(r));
    r.there = 1;
    r.seen = 1;
    r.len = (model_byte(in) * 5u) % MODEL_VALUE;
    memset(r.value, (int) model_byte(in), r.len);

    if (n > 240 && had) {
        r = *old;
        r.seen = 1;
    }

    room = m->dir->max - m->dir->used;
    need = ai_dir_cells(key.len + r.len);

    model_photo(m);
    rc = ai_dir_put(m->dir, (ai_dir_kind_t) k, &key, r.value, r.len);

    if (had && old->len == r.len && memcmp(old->value, r.value, r.len) == 0) {
        CHECK(rc == AI_DONE);
        old->seen = 1;
        return;
    }

    if (need <= room) {
        CHECK(rc == AI_OK);

    } else {
        /* the old one has made room, or has not: it is gone, and marked */

        m->tight++;
        old->there = 0;
        missing = m->missing;
        m->missing |= 1u << k;

        if (had && need <= room + ai_dir_cells(key.len + old->len)) {
            CHECK(rc == AI_OK);
            model_crash(m, model_byte(in));
            m->missing = missing;

        } else {
            CHECK(rc == AI_ERROR);
            m->full++;
            m->refused[k] = 1;
            return;
        }
    }

    if (need <= room) {
        model_crash(m, model_byte(in));
    }

    *old = r;
}


static inline void
model_del(model_t *m, model_input_t *in)
{
    int              rc;
    unsigned         k, i;
    ai_str_t         key;
    ai_char          text[AI_DIR_KEY_MAX];
    model_record_t  *r;

    k = model_byte(in) % AI_DIR_KINDS;
    i = model_byte(in) % MODEL_KEYS;
    key = model_key(i, text);
    r = &m->records[k][i];

    model_photo(m);
    rc = ai_dir_del(m->dir, (ai_dir_kind_t) k, &key);
    CHECK(rc == (r->there ? AI_OK : AI_DECLINED));

    if (rc == AI_OK) {
        model_crash(m, model_byte(in));
    }

    r->there = 0;
}


static inline void
model_begin(model_t *m, model_input_t *in)
{
    unsigned  k, i, kinds;

    kinds = model_byte(in) & ((1u << AI_DIR_KINDS) - 1);
    ai_dir_pass_begin(m->dir, kinds);

    for (k = 0; k < AI_DIR_KINDS; k++) {
        if (kinds & 1u << k) {
            m->refused[k] = 0;

            for (i = 0; i < MODEL_KEYS; i++) {
                m->records[k][i].seen = 0;
            }
        }
    }
}


static inline void
model_sweep(model_t *m, model_input_t *in)
{
    int              rc;
    unsigned         k, i, n, kinds, max, left;
    model_record_t  *r;

    kinds = model_byte(in) & ((1u << AI_DIR_KINDS) - 1);
    max = 1 + model_byte(in) % 20;

    do {
        n = m->dir->records[0] + m->dir->records[1] + m->dir->records[2]
            + m->dir->records[3] + m->dir->records[4];

        rc = ai_dir_pass_sweep(m->dir, kinds, max);
        CHECK(rc == AI_OK || rc == AI_AGAIN);

        left = m->dir->records[0] + m->dir->records[1] + m->dir->records[2]
               + m->dir->records[3] + m->dir->records[4];
        CHECK(n - left <= max);

        model_structure(m->dir);
    } while (rc == AI_AGAIN);

    for (k = 0; k < AI_DIR_KINDS; k++) {
        if (!(kinds & 1u << k)) {
            continue;
        }

        if (!m->refused[k]) {
            m->missing &= ~(1u << k);
        }

        for (i = 0; i < MODEL_KEYS; i++) {
            r = &m->records[k][i];
            r->there = r->there && r->seen;
        }
    }
}


/* all records, each once */

static inline void
model_walk(const model_t *m)
{
    int                     rc;
    unsigned                i, n;
    uint64_t                at;
    model_record_t          r;
    static ai_dir_record_t  record;
    static uint8_t          seen[AI_DIR_KINDS][MODEL_KEYS];

    memset(seen, 0, sizeof(seen));
    at = 0;
    n = 0;

    for ( ;; ) {
        rc = ai_dir_each(m->dir, &at, &record);

        if (rc == AI_AGAIN) {
            continue;
        }

        if (rc == AI_DECLINED) {
            break;
        }

        CHECK(rc == AI_OK && record.kind < AI_DIR_KINDS);
        i = record.key[record.key_len - 1];
        CHECK(i < MODEL_KEYS && !seen[record.kind][i]);
        seen[record.kind][i] = 1;
        n++;

        r = m->records[record.kind][i];
        CHECK(r.there && r.len == record.value_len);
        CHECK(memcmp(r.value, record.value, r.len) == 0);
    }

    for (i = 0; i < AI_DIR_KINDS * MODEL_KEYS; i++) {
        n -= m->records[i / MODEL_KEYS][i % MODEL_KEYS].there;
    }

    CHECK(n == 0);
}


static inline void
model_mark(model_t *m, model_input_t *in)
{
    ai_str_t  mark, have;
    ai_char   text[80];

    mark.data = text;
    mark.len = model_byte(in) % sizeof(text);
    memset(text, 'x', mark.len);

    model_photo(m);
    ai_dir_set_mark(m->dir, AI_DIR_MARK_SPEND, &mark);
    model_crash(m, model_byte(in));

    have = ai_dir_mark(m->dir, AI_DIR_MARK_SPEND);
    CHECK(have.len == (mark.len < 64 ? mark.len : 0));
    CHECK(memcmp(have.data, text, have.len) == 0);
}


static inline void
model_step(model_t *m, model_input_t *in)
{
    switch (model_byte(in) % 16) {

    case 0: case 1: case 2:
        model_del(m, in);
        break;

    case 3:
        model_begin(m, in);
        break;

    case 4:
        model_sweep(m, in);
        break;

    case 5:
        model_walk(m);
        break;

    case 6:
        model_mark(m, in);
        break;

    case 7:
        ai_dir_set_loaded(m->dir);
        m->loaded = 1;
        break;

    default:
        model_put(m, in);
    }

    model_compare(m, m->dir);
}


/* of so few cells that it is often full; of one hash chain, or some */

static inline void
model_init(model_t *m, model_input_t *in)
{
    memset(m, 0, sizeof(model_t));

    m->size = (ai_dir_min_size() + 63) / 64 * 64;
    m->dir = aligned_alloc(64, m->size);
    m->spoilt = aligned_alloc(64, m->size);

    memset(m->dir, 0xa5, m->size);
    CHECK(ai_dir_init(m->dir, m->size) == AI_OK);
    CHECK(ai_dir_check(m->dir, m->size) == AI_OK);

    m->dir->mask = (1u << model_byte(in) % 6) - 1;

    if (m->dir->max > 60) {
        m->dir->max = 60 + model_byte(in);
    }
}


static inline void
model_free(model_t *m)
{
    free(m->dir);
    free(m->spoilt);
}


#endif /* DIR_MODEL_H */
