
/*
 * The cells of the directory; for src/core/ai_dir*.c.
 *
 *   ai_dir_s | heads | cells
 *
 * A record lies in a chain of cells, its length says in how many, so that
 * there is room as long as there are cells: nothing breaks into pieces.  Cells
 * are named by their index + 1.  Those never used yet lie above "top"; those
 * given back are chained from "free", in the order in which the next record
 * takes them.  What a record holds is written into free cells, which nobody
 * reads, and needs no journal; the few words that link it do.
 */


#ifndef AI_DIR_INT_H
#define AI_DIR_INT_H


#include "ai_dir.h"
#include "ai_journal.h"


#define AI_DIR_MAGIC    0x7269645f6961ULL           /* "ai_dir" */
#define AI_DIR_VERSION  1

/* the largest call sets a mark (8 words) or puts a record in place of another
   (14) */
#define AI_DIR_JOURNAL  32

#define AI_DIR_MARK     64
#define AI_DIR_STEPS    4096        /* cells looked at, by one call */

#define AI_DIR_LOADED   0x80000000U /* of "state"; the rest is a mask of the
                                       kinds of which some found no room */


typedef struct {
    uint32_t         next;          /* of the same record, or free */
    uint32_t         live;          /* kind + 1 in a record's first cell, 0 */
    uint32_t         hash;          /* in a first cell; in others their bytes
                                       begin here */
    uint32_t         link;          /* in the hash chain */
    uint32_t         pass;          /* that has seen it last */
    uint16_t         key_len;
    uint16_t         value_len;
    ai_char          data[104];     /* the key, the value behind it */
} ai_dir_cell_t;

#define AI_DIR_FIRST  sizeof(((ai_dir_cell_t *) 0)->data)
#define AI_DIR_MORE   (sizeof(ai_dir_cell_t) - offsetof(ai_dir_cell_t, hash))


struct ai_dir_s {
    uint64_t         magic;
    uint32_t         version;
    uint32_t         layout;
    uint64_t         size;
    uint64_t         heads;         /* offsets */
    uint64_t         cells;

    uint32_t         mask;          /* of the heads */
    uint32_t         max;           /* cells */
    uint32_t         top;
    uint32_t         free;
    uint32_t         used;          /* cells of records */
    uint32_t         state;
    uint64_t         changes;
    uint32_t         records[AI_DIR_KINDS];
    uint32_t         pass[AI_DIR_KINDS];
    uint32_t         sweep[AI_DIR_KINDS];   /* cells it has looked at */
    uint32_t         refused[AI_DIR_KINDS]; /* since the pass began */
    ai_char          marks[AI_DIR_MARKS][AI_DIR_MARK];

    uint32_t         recovered;
    uint32_t         undo;
    ai_undo_t        journal[AI_DIR_JOURNAL];
};


#define ai_dir_journal(dir)                                                  \
    ((ai_journal_t) { (dir), offsetof(ai_dir_t, undo),                       \
                      offsetof(ai_dir_t, journal), AI_DIR_JOURNAL })

#define ai_dir_cell(dir, ref)                                                \
    ((ai_dir_cell_t *) ((uintptr_t) (dir) + (dir)->cells) + ((ref) - 1))
#define ai_dir_head(dir, hash)                                               \
    ((uint32_t *) ((uintptr_t) (dir) + (dir)->heads) + ((hash) & (dir)->mask))


/* bytes of a record, cell by cell */

typedef struct {
    const ai_dir_t  *dir;
    ai_dir_cell_t   *cell;
    ai_char         *p;
    size_t           left;          /* in this cell */
} ai_dir_bytes_t;

void ai_dir_bytes(const ai_dir_t *dir, uint32_t ref, ai_dir_bytes_t *b);
void ai_dir_bytes_write(ai_dir_bytes_t *b, const void *from, size_t len);
unsigned ai_dir_bytes_equal(ai_dir_bytes_t *b, const void *with, size_t len);


/* where a record is, or would be */

typedef struct {
    uint32_t         hash;
    uint32_t         ref;           /* 0: there is none */
    uint32_t         before;        /* in the hash chain; 0: it is the first */
    ai_dir_bytes_t   value;         /* behind its key, when there is one */
} ai_dir_place_t;

void ai_dir_find(const ai_dir_t *dir, ai_dir_kind_t kind, const ai_str_t *key,
    ai_dir_place_t *place);


/* cells that so many bytes take */

static inline uint32_t
ai_dir_cells(size_t len)
{
    if (len <= AI_DIR_FIRST) {
        return 1;
    }

    return 1 + (uint32_t) ((len - AI_DIR_FIRST + AI_DIR_MORE - 1)
                           / AI_DIR_MORE);
}


#endif /* AI_DIR_INT_H */
