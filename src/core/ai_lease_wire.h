
/*
 * What an operation on shared limits says to the script src/event/lease.lua,
 * and what the script answers, word by word; the script's head has the list.
 */


#ifndef AI_LEASE_WIRE_H
#define AI_LEASE_WIRE_H


#include "ai_lease.h"


#define AI_LEASE_KEYS     (1 + AI_LEASE_CELLS)
#define AI_LEASE_ARGS     (10 + 11 * AI_LEASE_CELLS)
#define AI_LEASE_ITEMS    (8 + 3 * AI_LEASE_CELLS)      /* of an answer */
#define AI_LEASE_TOKEN    4             /* index of the token in args */
#define AI_LEASE_HEARD    64            /* that a shard can know */
#define AI_LEASE_TEXT     32768


/* a shard's life; count 0: unknown */

typedef struct {
    uint64_t             count;
    uint64_t             random;
} ai_lease_epoch_t;

/* as strcmp() */
int ai_lease_epoch_cmp(const ai_lease_epoch_t *a, const ai_lease_epoch_t *b);


typedef struct {
    ai_str_t             prefix;        /* of keys */
    ai_str_t             node;          /* its UUID, 36 characters */
    uint64_t             start;
    uint64_t             seq;
    uint32_t             shard;
    uint32_t             nodes;
    ai_lease_epoch_t     epoch;
    uint64_t             fresh;         /* random, of an epoch to be begun */
    uint64_t             now_ms;        /* the calendar */
    uint64_t             late_ms;       /* how far the store's may be from it */
    uint64_t             hold_ms;
    unsigned             reported:1;    /* all of this epoch was, behind ... */
    unsigned             counted:1;     /* all rows of older starts are */
    unsigned             present:1;     /* the node is not on its own */
} ai_lease_call_t;

typedef struct {
    unsigned             nkeys;
    unsigned             nargs;
    ai_str_t             keys[AI_LEASE_KEYS + 1];   /* the last is none */
    ai_str_t             args[AI_LEASE_ARGS + 1];
    ai_char              text[AI_LEASE_TEXT];
} ai_lease_words_t;

/*
 * The words of a call with these cells, as slices of w->text; the token is
 * empty.  AI_ERROR: too many cells, an amount below 0 or a prefix that is too
 * long.
 */
int ai_lease_words(ai_lease_words_t *w, const ai_lease_call_t *call,
    const ai_lease_cell_t *cells, unsigned ncells);

/* seconds after which the cell's key may go, unless it is said again */
uint64_t ai_lease_ttl(const ai_lease_cell_t *cell, uint32_t nodes,
    uint64_t now_s);


typedef enum {
    AI_LEASE_STATUS_OK = 0,
    AI_LEASE_STATUS_EPOCH,      /* the call's is not the shard's */
    AI_LEASE_STATUS_FENCE,      /* a later start of this node was heard */
    AI_LEASE_STATUS_LATE,       /* a later operation was */
    AI_LEASE_STATUS_CLOCK       /* the store's clock is another */
} ai_lease_status_t;

typedef struct {
    ai_lease_status_t    status;
    ai_lease_epoch_t     epoch;         /* the shard's */
    uint64_t             time_ms;       /* the store's */
    uint32_t             nodes;         /* heard lately */
    unsigned             seeded:1;
    unsigned             heard:1;       /* this node */
} ai_lease_reply_t;

/*
 * Takes an answer to the call; with AI_LEASE_STATUS_OK it fills in granted,
 * left and wait_ms of the cells.  AI_ERROR: it is no answer to this call, or
 * none that the script gives; then nothing is changed.
 */
int ai_lease_reply(ai_lease_reply_t *r, const ai_lease_call_t *call,
    ai_lease_cell_t *cells, unsigned ncells, const ai_str_t *items, size_t n);


#endif /* AI_LEASE_WIRE_H */
