
/*
 * One segment file: a page that says what it is and whose, three bitmaps, and
 * slots.
 *
 * The owner holds flock() on its own open file while it lives; the sink maps
 * the same file a second time and may lock it only when the owner has died.
 * They share three bitmaps, one bit for each slot:
 *
 *   ended    set by the owner behind an ended slot; cleared by the sink
 *   freed    set by the sink when the row is safe; taken back by the owner
 *   counted  set by the sink when a row of another book's worker was counted
 *            into this book, so that a repeated attempt does not count again
 *
 * The sink frees in the order state, ended, freed.  Killed in between, it
 * leaves a FREE slot whose ended bit its successor clears; after that, at the
 * worst, one slot that is not used again while its owner lives.
 */


#ifndef NGX_AI_SEGMENT_H
#define NGX_AI_SEGMENT_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "../core/ai_slot.h"


#define NGX_AI_SEGMENT_VERSION   3
#define NGX_AI_SEGMENT_NAME_LEN  32


typedef struct {
    u_char            magic[8];
    uint32_t          version;
    uint32_t          slot_size;
    uint32_t          nslots;
    uint32_t          number;
    uint64_t          size;
    uint32_t          slots_at;
    uint32_t          crc;          /* of the members above */

    /* rewritten when a clean segment gets a new owner */
    u_char            zone_id[16];  /* the book that its rows are counted in */
    uint64_t          start;
    uint32_t          pid;
    uint32_t          clean;        /* the owner is dead and nothing is left */

    uint32_t          high;         /* slots below were used since it was
                                       clean */
    uint32_t          dead;         /* the owner is, and a sink knows it */
    uint64_t          nfreed;       /* bits ever set in "freed" */
} ngx_ai_segment_head_t;


typedef struct {
    int                     fd;
    u_char                 *addr;
    size_t                  size;
    ngx_ai_segment_head_t  *head;
    uint64_t               *ended;
    uint64_t               *freed;
    uint64_t               *counted;
    u_char                 *slots;
    uint32_t                nslots;
    uint32_t                number;

    /* the owner's */
    uint32_t               *stack;  /* free slots, the last freed on top */
    uint32_t                nstack;
    uint64_t                nswept;
    unsigned                gone:1; /* unlinked: nothing new is put here */

    /* the sink's */
    unsigned                dead:1; /* adopted: locked by us */
} ngx_ai_segment_t;


#define ngx_ai_segment_slot(seg, i)                                          \
    ((ai_slot_t *) ((seg)->slots + (size_t) (i) * AI_SLOT_SIZE))

/* a number from "00000012.seg"; NGX_ERROR: another name */
ngx_int_t ngx_ai_segment_parse(const char *name, uint32_t *number);
void ngx_ai_segment_name(char name[NGX_AI_SEGMENT_NAME_LEN], uint32_t number);

/*
 * Takes over a clean segment of "size" bytes or makes one, locked and mapped.
 * NGX_ERROR: *what names the call that failed, ngx_errno is set.
 */
ngx_int_t ngx_ai_segment_make(ngx_ai_segment_t *seg, int dirfd, size_t size,
    const u_char zone_id[16], uint32_t pid, uint64_t start,
    const char **what);

/*
 * Opens and maps a file.  NGX_DECLINED: its header is not one of ours;
 * NGX_ERROR: ngx_errno is set.
 */
ngx_int_t ngx_ai_segment_open(ngx_ai_segment_t *seg, int dirfd,
    const char *name);

/* NGX_OK: the owner is dead and the lock is ours; NGX_BUSY: it lives */
ngx_int_t ngx_ai_segment_lock(ngx_ai_segment_t *seg);

/* closing the file gives the lock back */
void ngx_ai_segment_close(ngx_ai_segment_t *seg);

/*
 * How many segments of other books there are whose rows were not all counted:
 * their workers live, or have not been dead for long.  NGX_ERROR: the directory
 * cannot be read.
 */
ngx_int_t ngx_ai_segment_strangers(const char *path, const u_char zone_id[16],
    ngx_uint_t *n);


/* the owner's, memory only; NULL: all slots are in use */
ai_slot_t *ngx_ai_segment_take(ngx_ai_segment_t *seg, uint32_t *slot);
void ngx_ai_segment_drop(ngx_ai_segment_t *seg, uint32_t slot);
void ngx_ai_segment_ended(ngx_ai_segment_t *seg, uint32_t slot);


/* the sink's */

/* slots below may have been used; never more than there are */
uint32_t ngx_ai_segment_high(ngx_ai_segment_t *seg);
void ngx_ai_segment_free(ngx_ai_segment_t *seg, uint32_t slot);
void ngx_ai_segment_unend(ngx_ai_segment_t *seg, uint32_t slot);
ngx_uint_t ngx_ai_segment_counted(ngx_ai_segment_t *seg, uint32_t slot);
void ngx_ai_segment_set_counted(ngx_ai_segment_t *seg, uint32_t slot);
ngx_uint_t ngx_ai_segment_waiting(ngx_ai_segment_t *seg);


#endif /* NGX_AI_SEGMENT_H */
