
/*
 * The undo journal, played back.
 */


#include "ai_journal.h"


/*
 * The oldest value of a word is put back last.  Killed in the middle, this
 * runs again from the start: "undo" stays until all is done.
 */

void
ai_journal_undo(ai_journal_t j, uint64_t size)
{
    uint32_t    i, *undo;
    ai_undo_t  *u;
    ai_word_t  *words;

    words = j.base;
    undo = ai_journal_undo_at(j);

    i = *undo < j.max ? *undo : j.max;

    while (i--) {
        u = ai_journal_entry_at(j, i);

        if (u->at < size / 8) {
            __atomic_store_n(&words[u->at], u->old, __ATOMIC_RELAXED);
        }
    }

    __atomic_store_n(undo, 0, __ATOMIC_RELEASE);
}
