
/*
 * An undo journal: words of shared memory are written through it, so that a
 * writer that is killed at any instruction has changed all of them or none.
 *
 * The journal lies in the memory that it guards.  Its writers hold one lock;
 * the lock's next owner plays the journal back when it is not empty.
 */


#ifndef AI_JOURNAL_H
#define AI_JOURNAL_H


#include "ai_core.h"


typedef uint64_t __attribute__((may_alias))  ai_word_t;

typedef struct {
    uint32_t         at;            /* word of the memory */
    uint32_t         pad;
    uint64_t         old;
} ai_undo_t;

/* where a journal lies; made anew for each use, so that the offsets are
   constants of the code */

typedef struct {
    void            *base;          /* of the memory; 8-byte aligned */
    size_t           undo;          /* offset: uint32_t, entries that hold */
    size_t           entries;       /* offset */
    uint32_t         max;
} ai_journal_t;

#define ai_journal_undo_at(j)                                                \
    ((uint32_t *) ((uintptr_t) (j).base + (j).undo))
#define ai_journal_entry_at(j, i)                                            \
    ((ai_undo_t *) ((uintptr_t) (j).base + (j).entries) + (i))

/* what one call has written; lives on its stack, zero to begin */

typedef struct {
    uint32_t         n;             /* copy of undo */
    unsigned         full:1;        /* not all of it: to be undone */
} ai_writes_t;


AI_HIDDEN_BEGIN


/*
 * Writes a word.  The old value is in the journal, and counted, before the
 * word changes.  The compiler is held to this order; the processor needs not
 * be: whoever reads the journal does so after the kernel has reported the
 * writer's death, when all its stores are seen.
 *
 * When the journal is full nothing is written but "full".
 */
static inline void
ai_journal_put(ai_journal_t j, ai_writes_t *w, void *at, uint64_t value)
{
    ai_word_t  *word;
    ai_undo_t  *u;

    word = at;

    if (*word == value) {
        return;
    }

    if (w->n == j.max) {
        w->full = 1;
        return;
    }

    u = ai_journal_entry_at(j, w->n);
    u->at = (uint32_t) (((uintptr_t) at - (uintptr_t) j.base) / 8);
    u->old = *word;

    __atomic_store_n(ai_journal_undo_at(j), ++w->n, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}


/* writes a part of a word, which must not cross its end */

static inline void
ai_journal_put_part(ai_journal_t j, ai_writes_t *w, void *at,
    const void *value, size_t size)
{
    size_t      shift;
    uint64_t    v;
    ai_word_t  *word;

    shift = (uintptr_t) at & 7;
    word = (ai_word_t *) ((uintptr_t) at - shift);

    v = *word;
    memcpy((ai_char *) &v + shift, value, size);

    ai_journal_put(j, w, word, v);
}


/* with the last word written, the call has happened */

static inline void
ai_journal_commit(ai_journal_t j, ai_writes_t *w)
{
    __atomic_store_n(ai_journal_undo_at(j), 0, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    w->n = 0;
}


/* whether a writer died in the middle, or is in it now */

static inline unsigned
ai_journal_open(ai_journal_t j)
{
    return __atomic_load_n(ai_journal_undo_at(j), __ATOMIC_ACQUIRE) != 0;
}


/* gives the words their old values back; "size" is that of the memory */
void ai_journal_undo(ai_journal_t j, uint64_t size);


AI_HIDDEN_END


#endif /* AI_JOURNAL_H */
