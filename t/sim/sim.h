
/*
 * Leases as they are in production, but for time and the network: books of
 * src/core, the script of src/event in real redis-servers, and a schedule of
 * faults that a seed makes.
 *
 * Time is simulated: the script's TIME is what the schedule says.  Messages
 * are lost, late, or answered by another one's answer; servers forget, are
 * replaced by copies that lag, are two at a time; nodes die, are cut off, stand
 * still, have wrong clocks, and leave old workers behind.
 */


#ifndef SIM_H
#define SIM_H


#include "../../src/core/ai_lease_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define NODES      3            /* at most */
#define TENANTS    2
#define OWNERS     (2 * TENANTS)        /* a tenant, and a key of it */
#define LIMITS     6            /* of an owner */
#define SERVERS    2
#define WINDOWS    8            /* that a schedule sees of one limit */

#define LEASE      2000         /* ms */
#define HOLD       (LEASE + LEASE / 10 + 50)
#define BUSY       200
#define TIMEOUT    50
#define TOLERANCE  1000
#define BOUND_TOKENS  60        /* of the largest request */
#define BOUND_COST    2000000000
#define RUNS       6000         /* at most, from a hold to its settling */
#define BEAT       (LEASE / 4)
#define KEEP       (LEASE / 8)

#define WORDS      (10 + 11 * AI_LEASE_CELLS)
#define ITEMS      (8 + 3 * AI_LEASE_CELLS)


/* ---- what a seed decides ---- */

typedef struct {
    uint64_t         count;     /* 0: none is known */
    uint64_t         random;
} epoch_t;

uint64_t sim_random(void);
uint64_t sim_below(uint64_t n);                 /* 0 .. n - 1 */
int sim_chance(unsigned percent);
uint64_t sim_between(uint64_t a, uint64_t b);   /* both of them, too */

extern uint64_t     sim_ms;             /* since the schedule began */
extern uint64_t     sim_base;           /* the calendar then, ms */
extern uint64_t     sim_clock_ms;       /* that clocks of servers leapt */
extern unsigned     sim_exact;          /* all that is held is used */
extern unsigned     sim_nodes;
extern unsigned     sim_over;           /* nothing new is begun */
extern unsigned     sim_trace;
extern const char  *sim_mutant;

int sim_is(const char *mutant);
void sim_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* the schedule has failed: why */
void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sim_stuck(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern unsigned     sim_failed;


/* ---- events ---- */

typedef struct event_s  event_t;
typedef void (*event_pt)(void *data, uint64_t arg);

void sim_at(uint64_t ms, event_pt handler, void *data, uint64_t arg);
unsigned sim_step(void);                /* 0: nothing is left */
void sim_run(uint64_t until);


/* ---- servers ---- */

typedef struct node_s  node_t;

typedef struct {
    unsigned         n;
    char             item[ITEMS][32];
    unsigned         error;
} reply_t;

typedef struct {
    unsigned         nkeys;
    unsigned         nargs;
    char             key[1 + AI_LEASE_CELLS][128];
    char             arg[WORDS][48];
} words_t;

#define ARG_TOKEN  4

void store_start(void);
void store_begin(void);                 /* a schedule: all are empty */
void store_call(unsigned server, const words_t *w, reply_t *r);
void store_flush(unsigned server);
void store_copy(unsigned from, unsigned to);
void store_promote(unsigned server);    /* it has another token from now on */

/* what all nodes may have of a window */
int64_t store_leased(unsigned server, const char *key);

/* of that, one node; its older starts beside it */
int64_t store_total(unsigned server, const char *key, const node_t *nd,
    int64_t *older);

extern int64_t      store_skew[SERVERS];        /* of its clock, ms */
extern uint64_t     store_frozen[SERVERS];      /* until then */
extern uint64_t     store_calls;


/* ---- limits, and what is admitted ---- */

typedef struct {
    uint32_t         id;
    int64_t          admitted;  /* used, and the bounds of what is open */
} window_t;

typedef struct {
    ai_limit_t       limit;
    window_t         window[WINDOWS];
    unsigned         nwindows;

    /* a bucket, in amounts * ms of its period */
    __int128         taken;
    __int128         lost;      /* may be had twice */
    uint64_t         at;
    int64_t          most;      /* over the burst: highest ever */

    /* slots */
    int64_t          open;
    unsigned         over:1;    /* a node that was cut off had streams */
} limit_t;

typedef struct {
    ai_owner_id_t    id;
    unsigned         nlimits;
    ai_limit_t       limits[LIMITS];
    limit_t          oracle[LIMITS];
    unsigned         local:1;   /* on_store_loss local */
} owner_t;

extern owner_t      owners[OWNERS];     /* tenant, its key, tenant, its key */

/* a request that was admitted: an intent, and later a row */

typedef struct row_s  row_t;
typedef struct book_s  book_t;

struct row_s {
    row_t           *next;
    book_t          *book;      /* that holds it; NULL: it is over */
    ai_ref_t         hold;
    unsigned         tenant;
    unsigned         one;       /* of one owner alone, and of one limit */
    unsigned         owner;
    unsigned         nlimit;
    int64_t          bound[AI_RES_COUNTED];
    int64_t          guess[AI_RES_COUNTED];
    int64_t          used[AI_RES_COUNTED];
    uint32_t         day[2];    /* as the book has it, by party */
    uint32_t         month[2];
    uint64_t         at_s;
};

void oracle_begin(void);
void oracle_take(const row_t *row, const node_t *nd);
void oracle_end(const row_t *row);
void oracle_lost(const ai_owner_id_t *id, unsigned resource, unsigned period,
    int64_t granted);
int64_t oracle_admitted(unsigned owner, unsigned limit, uint32_t window);

/* whether a limit judges a row of a party */
int row_has(const row_t *row, unsigned owner, unsigned limit);


/* ---- nodes ---- */

struct book_s {
    ai_book_t       *mem;
    node_t          *node;
    unsigned         worker;
    unsigned         dead;
    uint64_t         start;
    book_t          *before;
};

struct node_s {
    unsigned         index;
    char             id[37];
    uint64_t         start;     /* durable */
    epoch_t          epoch;     /* durable */
    row_t           *rows;      /* durable, oldest first */
    row_t          **tail;

    book_t          *book;      /* NULL: it is down */
    book_t          *books;     /* all that it ever had */
    book_t          *orphan;    /* of an older start, whose workers live */
    uint64_t         orphan_until;

    /* the network, and the clock */
    unsigned         server;
    unsigned         cut;       /* no connection */
    unsigned         deaf;      /* what it says arrives, no answer does */
    unsigned         lose;      /* percent of the messages, each way */
    unsigned         slow;      /* percent that are late */
    int64_t          skew;      /* of its calendar, ms */
    uint64_t         stopped;   /* stands still until then */
    uint64_t         busy_until;        /* with requests */

    /* the keeper */
    uint64_t         beat;      /* when it was sent */
    uint32_t         cursor;    /* of a report */
    uint32_t         expire;
    unsigned         reporting:1;
    unsigned         reported:1;        /* all but the end of it */
    unsigned         failed:1;
    unsigned         partial:1;
    unsigned         under_way;         /* of the report */
    unsigned         round;

    /* when a server heard it last, and heard it after it was silent */
    uint64_t         heard_at[SERVERS];
    uint64_t         back_at[SERVERS];
    reply_t          last;      /* for those that are answered by another's */
};

extern node_t       nodes[NODES];

void node_begin(void);
void node_end(void);
void node_arrive(node_t *nd);
void node_start(node_t *nd);
void node_die(node_t *nd);
void node_orphan(node_t *nd);           /* starts anew; old workers live on */
uint64_t node_mono(const node_t *nd);
uint64_t node_now_s(const node_t *nd);

/* what it has admitted of a window, as far as it is known to have used it */
int64_t node_admitted(const node_t *nd, unsigned owner, unsigned limit,
    uint32_t window);

/* one request of one limit of one owner; 1: it was admitted */
int node_take_one(node_t *nd, unsigned owner, unsigned limit, int64_t n);

typedef struct {
    uint64_t         requests;
    uint64_t         admitted;
    uint64_t         refused;
    uint64_t         declined;
    uint64_t         operations;
    uint64_t         lost;
    uint64_t         late;      /* executed after its time-out */
    uint64_t         shifted;
    uint64_t         local;     /* admitted by a share */
    uint64_t         status[5]; /* ok, epoch, fence, late, clock */
    uint64_t         errors;
    int64_t          granted;   /* the largest grant of a window, percent */
} figures_t;

extern figures_t    figures;


#endif /* SIM_H */
