
/*
 * The directory: records of tenants, keys, plans and prices that come from
 * outside of nginx.conf, in one flat piece of shared memory.
 *
 * A record is a value of bytes under a kind and a key of bytes.  All calls
 * marked [locked] run behind one lock; writers go through an undo journal, as
 * the book does, so that a writer that is killed leaves the old record or the
 * new one.  No pointers, nothing is ever evicted: when there is no room a put
 * is refused and the directory is marked incomplete until one pass of a full
 * load fits.
 */


#ifndef AI_DIR_H
#define AI_DIR_H


#include "ai_core.h"


AI_HIDDEN_BEGIN


typedef struct ai_dir_s  ai_dir_t;      /* lies at the start of the memory */

typedef enum {
    AI_DIR_KEY = 0,             /* key: SHA-256 digest, 32 bytes */
    AI_DIR_TENANT,              /* key: name */
    AI_DIR_PLAN,
    AI_DIR_PRICE,               /* key: model */
    AI_DIR_SPEND,               /* key: tenant, or tenant '\t' key */
    AI_DIR_KINDS
} ai_dir_kind_t;

#define AI_DIR_KEY_MAX    160   /* bytes of a key */
#define AI_DIR_VALUE_MAX  16384 /* bytes of a value */


size_t ai_dir_min_size(void);

/* lays an empty directory out over mem (64-byte aligned); AI_ERROR: too
   small */
int ai_dir_init(void *mem, size_t size);

/* AI_OK when mem holds a directory of this layout's version and size */
int ai_dir_check(const void *mem, size_t size);

/* [locked] undoes what a dead writer left half done; AI_DONE if it did */
int ai_dir_recover(ai_dir_t *dir);

/*
 * [locked] Finds a record and copies its value to "value" (of "size" bytes);
 * *len is its length.  AI_DECLINED: there is none.  AI_ERROR: it does not fit.
 */
int ai_dir_get(const ai_dir_t *dir, ai_dir_kind_t kind, const ai_str_t *key,
    ai_char *value, size_t size, size_t *len);

/*
 * [locked] Puts a record, in place of one of the same kind and key, and marks
 * it as seen by the pass that is open.  AI_OK; AI_DONE: it was there, byte for
 * byte; AI_ERROR: no room (or too long), the old one is gone, the directory
 * is incomplete.
 */
int ai_dir_put(ai_dir_t *dir, ai_dir_kind_t kind, const ai_str_t *key,
    const ai_char *value, size_t len);

/* [locked] AI_OK: removed; AI_DECLINED: there was none */
int ai_dir_del(ai_dir_t *dir, ai_dir_kind_t kind, const ai_str_t *key);

/*
 * A pass is a full load of some kinds (a mask of 1 << kind): [locked] begin
 * opens it, puts mark what is there, and each call of sweep removes up to
 * "max" (one or more) records of these kinds that were not marked; AI_OK: all
 * done, AI_AGAIN: call again.  When all puts since begin had room, nothing of
 * these kinds is missing any more.  A pass that is not swept, as that of a
 * process that died, does no harm.
 */
void ai_dir_pass_begin(ai_dir_t *dir, unsigned kinds);
int ai_dir_pass_sweep(ai_dir_t *dir, unsigned kinds, unsigned max);

/*
 * [locked] Walks all records: *at is 0 to begin.  Copies one record out;
 * AI_AGAIN: none among the next few thousand cells, call again (the lock may
 * be left in between, as after a record); AI_DECLINED at the end.  Records put
 * or removed between two calls may or may not be seen; others are seen once.
 */
typedef struct {
    ai_dir_kind_t    kind;
    size_t           key_len;
    size_t           value_len;
    ai_char          key[AI_DIR_KEY_MAX];
    ai_char          value[AI_DIR_VALUE_MAX];
} ai_dir_record_t;

int ai_dir_each(const ai_dir_t *dir, uint64_t *at, ai_dir_record_t *record);

/* grows with each put that changed something and each removal; lock-free */
uint64_t ai_dir_version(const ai_dir_t *dir);

typedef enum {
    AI_DIR_MARK_FEED = 0,
    AI_DIR_MARK_SPEND,
    AI_DIR_MARKS
} ai_dir_mark_t;

/* [locked] what the feed's reader keeps with the records: text of up to 63
   bytes, "" at first (and instead of a longer one); points into the memory */
void ai_dir_set_mark(ai_dir_t *dir, ai_dir_mark_t which, const ai_str_t *mark);
ai_str_t ai_dir_mark(const ai_dir_t *dir, ai_dir_mark_t which);

/*
 * Whether the directory holds all there is: set by ai_dir_set_loaded() once a
 * full load is in, or changes since a snapshot's mark, and not so while a
 * record that found no room is missing.  An unknown key is unknown only in a
 * directory that is complete.  Lock-free.
 */
unsigned ai_dir_complete(const ai_dir_t *dir);
void ai_dir_set_loaded(ai_dir_t *dir);          /* [locked] */

typedef struct {
    uint64_t         size;
    uint64_t         used;
    uint32_t         records[AI_DIR_KINDS];
    uint32_t         refused;   /* puts without room, since the last pass of
                                   their kind began */
    uint32_t         recovered;
} ai_dir_stat_t;

void ai_dir_stat(const ai_dir_t *dir, ai_dir_stat_t *st);


AI_HIDDEN_END


#endif /* AI_DIR_H */
