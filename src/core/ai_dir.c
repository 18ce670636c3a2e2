
/*
 * The directory: its layout, and how it is read.
 */


#include "ai_dir_int.h"


/* what is shared out between heads and cells at least */
#define AI_DIR_ROOM  32768


_Static_assert(sizeof(ai_dir_cell_t) == 128, "a cell is two cache lines");
_Static_assert(AI_DIR_KEY_MAX + AI_DIR_VALUE_MAX <= UINT16_MAX, "lengths");


static uint32_t
ai_dir_layout(void)
{
    uint32_t  sizes[3];

    sizes[0] = sizeof(ai_dir_t);
    sizes[1] = sizeof(ai_dir_cell_t);
    sizes[2] = AI_DIR_KINDS * 256 + AI_DIR_MARKS;

    return ai_crc32(0, sizes, sizeof(sizes));
}


size_t
ai_dir_min_size(void)
{
    return sizeof(ai_dir_t) + AI_DIR_ROOM;
}


/* a journal entry names a word by 32 bits */

static size_t
ai_dir_usable(size_t size)
{
    return size / 8 > UINT32_MAX ? (size_t) UINT32_MAX * 8 : size;
}


/*
 * Heads are a power of two, not less than half of the cells: of the records
 * that a typical directory has when it is full.
 */

int
ai_dir_init(void *mem, size_t size)
{
    uint64_t   heads, room;
    ai_dir_t  *dir;

    if (size < ai_dir_min_size() || (uintptr_t) mem % 64 != 0) {
        return AI_ERROR;
    }

    size = ai_dir_usable(size);

    dir = mem;
    memset(dir, 0, sizeof(ai_dir_t));

    dir->size = size;
    dir->layout = ai_dir_layout();
    dir->heads = (sizeof(ai_dir_t) + 63) & ~(uint64_t) 63;

    room = size - dir->heads - 64;

    for (heads = 1; heads < room / sizeof(ai_dir_cell_t) / 2; heads *= 2) {
        /* void */
    }

    dir->mask = (uint32_t) (heads - 1);
    dir->cells = dir->heads + heads * sizeof(uint32_t);
    dir->cells = (dir->cells + 63) & ~(uint64_t) 63;
    dir->max = (uint32_t) ((size - dir->cells) / sizeof(ai_dir_cell_t));

    memset(ai_dir_head(dir, 0), 0, heads * sizeof(uint32_t));

    dir->version = AI_DIR_VERSION;
    dir->magic = AI_DIR_MAGIC;

    return AI_OK;
}


int
ai_dir_check(const void *mem, size_t size)
{
    const ai_dir_t  *dir;

    dir = mem;

    if (size < ai_dir_min_size() || (uintptr_t) mem % 64 != 0
        || dir->magic != AI_DIR_MAGIC || dir->version != AI_DIR_VERSION
        || dir->layout != ai_dir_layout() || dir->size != ai_dir_usable(size))
    {
        return AI_ERROR;
    }

    return AI_OK;
}


int
ai_dir_recover(ai_dir_t *dir)
{
    if (!ai_journal_open(ai_dir_journal(dir))) {
        return AI_OK;
    }

    dir->recovered++;
    ai_journal_undo(ai_dir_journal(dir), dir->size);

    return AI_DONE;
}


void
ai_dir_bytes(const ai_dir_t *dir, uint32_t ref, ai_dir_bytes_t *b)
{
    b->dir = dir;
    b->cell = ai_dir_cell(dir, ref);
    b->p = b->cell->data;
    b->left = AI_DIR_FIRST;
}


/* a piece that lies in one cell; moves on to the next where there is none */

static size_t
ai_dir_bytes_piece(ai_dir_bytes_t *b, size_t len)
{
    if (b->left == 0) {
        b->cell = ai_dir_cell(b->dir, b->cell->next);
        b->p = (ai_char *) &b->cell->hash;
        b->left = AI_DIR_MORE;
    }

    return len < b->left ? len : b->left;
}


static void
ai_dir_bytes_pass(ai_dir_bytes_t *b, size_t n)
{
    b->p += n;
    b->left -= n;
}


static void
ai_dir_bytes_read(ai_dir_bytes_t *b, void *to, size_t len)
{
    size_t    n;
    ai_char  *p;

    for (p = to; len; p += n, len -= n) {
        n = ai_dir_bytes_piece(b, len);
        memcpy(p, b->p, n);
        ai_dir_bytes_pass(b, n);
    }
}


void
ai_dir_bytes_write(ai_dir_bytes_t *b, const void *from, size_t len)
{
    size_t          n;
    const ai_char  *p;

    for (p = from; len; p += n, len -= n) {
        n = ai_dir_bytes_piece(b, len);
        memcpy(b->p, p, n);
        ai_dir_bytes_pass(b, n);
    }
}


unsigned
ai_dir_bytes_equal(ai_dir_bytes_t *b, const void *with, size_t len)
{
    size_t          n;
    const ai_char  *p;

    for (p = with; len; p += n, len -= n) {
        n = ai_dir_bytes_piece(b, len);

        if (memcmp(b->p, p, n) != 0) {
            return 0;
        }

        ai_dir_bytes_pass(b, n);
    }

    return 1;
}


static uint32_t
ai_dir_hash(ai_dir_kind_t kind, const ai_str_t *key)
{
    size_t    i, n;
    uint64_t  h, w;

    h = ((uint64_t) kind + 1) * 0x9e3779b97f4a7c15;

    for (i = 0; i < key->len; i += 8) {
        n = key->len - i;
        w = 0;
        memcpy(&w, key->data + i, n < 8 ? n : 8);

        h = (h ^ w) * 0xff51afd7ed558ccd;
        h ^= h >> 32;
    }

    h = (h ^ key->len) * 0xc4ceb9fe1a85ec53;

    return (uint32_t) (h >> 32);
}


void
ai_dir_find(const ai_dir_t *dir, ai_dir_kind_t kind, const ai_str_t *key,
    ai_dir_place_t *place)
{
    uint32_t         ref;
    ai_dir_cell_t   *cell;

    place->hash = ai_dir_hash(kind, key);
    place->before = 0;

    for (ref = *ai_dir_head(dir, place->hash); ref; ref = cell->link) {
        cell = ai_dir_cell(dir, ref);

        if (cell->hash == place->hash && cell->live == (uint32_t) kind + 1
            && cell->key_len == key->len)
        {
            ai_dir_bytes(dir, ref, &place->value);

            if (ai_dir_bytes_equal(&place->value, key->data, key->len)) {
                break;
            }
        }

        place->before = ref;
    }

    place->ref = ref;
}


int
ai_dir_get(const ai_dir_t *dir, ai_dir_kind_t kind, const ai_str_t *key,
    ai_char *value, size_t size, size_t *len)
{
    ai_dir_cell_t   *cell;
    ai_dir_place_t   place;

    ai_dir_find(dir, kind, key, &place);

    if (place.ref == 0) {
        return AI_DECLINED;
    }

    cell = ai_dir_cell(dir, place.ref);

    if (cell->value_len > size) {
        return AI_ERROR;
    }

    ai_dir_bytes_read(&place.value, value, cell->value_len);
    *len = cell->value_len;

    return AI_OK;
}


int
ai_dir_each(const ai_dir_t *dir, uint64_t *at, ai_dir_record_t *record)
{
    uint32_t         steps;
    ai_dir_cell_t   *cell;
    ai_dir_bytes_t   b;

    for (steps = 0; *at < dir->top; steps++) {

        if (steps == AI_DIR_STEPS) {
            return AI_AGAIN;
        }

        cell = ai_dir_cell(dir, ++*at);

        if (cell->live == 0) {
            continue;
        }

        record->kind = (ai_dir_kind_t) (cell->live - 1);
        record->key_len = cell->key_len;
        record->value_len = cell->value_len;

        ai_dir_bytes(dir, (uint32_t) *at, &b);
        ai_dir_bytes_read(&b, record->key, record->key_len);
        ai_dir_bytes_read(&b, record->value, record->value_len);

        return AI_OK;
    }

    return AI_DECLINED;
}


uint64_t
ai_dir_version(const ai_dir_t *dir)
{
    return __atomic_load_n(&dir->changes, __ATOMIC_ACQUIRE);
}


unsigned
ai_dir_complete(const ai_dir_t *dir)
{
    return __atomic_load_n(&dir->state, __ATOMIC_ACQUIRE) == AI_DIR_LOADED;
}


ai_str_t
ai_dir_mark(const ai_dir_t *dir, ai_dir_mark_t which)
{
    ai_str_t  mark;

    mark.data = (ai_char *) dir->marks[which];

    for (mark.len = 0; mark.len < AI_DIR_MARK - 1; mark.len++) {
        if (mark.data[mark.len] == '\0') {
            break;
        }
    }

    return mark;
}


void
ai_dir_stat(const ai_dir_t *dir, ai_dir_stat_t *st)
{
    unsigned  i;

    memset(st, 0, sizeof(ai_dir_stat_t));

    st->size = dir->size;
    st->used = dir->cells + (uint64_t) dir->used * sizeof(ai_dir_cell_t);
    st->recovered = dir->recovered;

    for (i = 0; i < AI_DIR_KINDS; i++) {
        st->records[i] = dir->records[i];
        st->refused += dir->refused[i];
    }
}
