
/*
 * The slots of a segment: taken and ended by its owner, freed by the sink.
 */


#include "ngx_ai_segment.h"


#define NGX_AI_SEGMENT_SWEEP  64     /* slots that are worth the look */


/*
 * Takes back what the sink has freed, a word of 64 slots at a time: when no
 * other slot is left, and before that when there are some.  Those that were
 * in use last lie on top: a burst has used many slots once, and to go through
 * all of them again and again would miss every cache, and touch every page
 * that was written back meanwhile.
 */

static void
ngx_ai_segment_sweep(ngx_ai_segment_t *seg)
{
    uint32_t  w, i, words;
    uint64_t  n, bits;

    n = __atomic_load_n(&seg->head->nfreed, __ATOMIC_ACQUIRE);

    if (n == seg->nswept
        || (seg->nstack && n - seg->nswept < NGX_AI_SEGMENT_SWEEP))
    {
        return;
    }

    seg->nswept = n;
    words = (seg->head->high + 63) / 64;

    for (w = words; w-- > 0; /* void */ ) {

        if (__atomic_load_n(&seg->freed[w], __ATOMIC_RELAXED) == 0) {
            continue;
        }

        bits = __atomic_exchange_n(&seg->freed[w], 0, __ATOMIC_ACQUIRE);

        while (bits) {
            i = w * 64 + (uint32_t) __builtin_ctzll(bits);
            bits &= bits - 1;

            if (i < seg->nslots && seg->nstack < seg->nslots) {
                seg->stack[seg->nstack++] = i;
            }
        }
    }
}


ai_slot_t *
ngx_ai_segment_take(ngx_ai_segment_t *seg, uint32_t *slot)
{
    uint32_t    i;
    ai_slot_t  *s;

    ngx_ai_segment_sweep(seg);

    if (seg->nstack) {
        i = seg->stack[--seg->nstack];

    } else if (seg->head->high < seg->nslots) {
        i = seg->head->high;
        __atomic_store_n(&seg->head->high, i + 1, __ATOMIC_RELEASE);

    } else {
        return NULL;
    }

    s = ngx_ai_segment_slot(seg, i);
    *slot = i;

    return s;
}


void
ngx_ai_segment_drop(ngx_ai_segment_t *seg, uint32_t slot)
{
    ai_slot_t  *s;

    s = ngx_ai_segment_slot(seg, slot);

    __atomic_store_n(&s->state, AI_SLOT_FREE, __ATOMIC_RELEASE);

    if (seg->nstack < seg->nslots) {
        seg->stack[seg->nstack++] = slot;
    }
}


static void
ngx_ai_segment_set(uint64_t *map, uint32_t i)
{
    (void) __atomic_fetch_or(&map[i / 64], (uint64_t) 1 << (i % 64),
                             __ATOMIC_SEQ_CST);
}


static void
ngx_ai_segment_clear(uint64_t *map, uint32_t i)
{
    (void) __atomic_fetch_and(&map[i / 64], ~((uint64_t) 1 << (i % 64)),
                              __ATOMIC_SEQ_CST);
}


void
ngx_ai_segment_ended(ngx_ai_segment_t *seg, uint32_t slot)
{
    ngx_ai_segment_set(seg->ended, slot);
}


uint32_t
ngx_ai_segment_high(ngx_ai_segment_t *seg)
{
    uint32_t  high;

    high = __atomic_load_n(&seg->head->high, __ATOMIC_ACQUIRE);

    return ngx_min(high, seg->nslots);
}


void
ngx_ai_segment_free(ngx_ai_segment_t *seg, uint32_t slot)
{
    ai_slot_t  *s;

    s = ngx_ai_segment_slot(seg, slot);

    __atomic_store_n(&s->state, AI_SLOT_FREE, __ATOMIC_SEQ_CST);

    ngx_ai_segment_clear(seg->counted, slot);
    ngx_ai_segment_clear(seg->ended, slot);
    ngx_ai_segment_set(seg->freed, slot);

    (void) __atomic_fetch_add(&seg->head->nfreed, 1, __ATOMIC_RELEASE);
}


/* an ended bit whose slot is open: the owner may be ending it right now */

void
ngx_ai_segment_unend(ngx_ai_segment_t *seg, uint32_t slot)
{
    uint32_t    state;
    ai_slot_t  *s;

    s = ngx_ai_segment_slot(seg, slot);

    ngx_ai_segment_clear(seg->ended, slot);

    state = __atomic_load_n(&s->state, __ATOMIC_SEQ_CST);

    if (ai_slot_ended(state)) {
        ngx_ai_segment_set(seg->ended, slot);
    }
}


ngx_uint_t
ngx_ai_segment_counted(ngx_ai_segment_t *seg, uint32_t slot)
{
    return (seg->counted[slot / 64] >> (slot % 64)) & 1;
}


void
ngx_ai_segment_set_counted(ngx_ai_segment_t *seg, uint32_t slot)
{
    ngx_ai_segment_set(seg->counted, slot);
}


ngx_uint_t
ngx_ai_segment_waiting(ngx_ai_segment_t *seg)
{
    uint32_t    w;
    ngx_uint_t  n;

    n = 0;

    for (w = 0; w < (ngx_ai_segment_high(seg) + 63) / 64; w++) {
        n += (ngx_uint_t) __builtin_popcountll(seg->ended[w]);
    }

    return n;
}
