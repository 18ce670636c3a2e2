
/*
 * The ledger directory: memory-mapped segments of slots, one owned by each
 * worker, and what becomes of their rows.
 *
 *   <path>/NNNNNNNN.seg   a segment; its owner holds flock() on it while it
 *                         lives, so that a lock that can be taken proves a
 *                         death, of a worker or of a whole nginx
 *   <path>/usage.jsonl    the rows, until a database has committed them
 *   <path>/sink.lock      flock() of the one process that ships rows
 *   <path>/node.id        the UUID that a database knows this directory by
 *
 * Nothing here makes a system call on the request path while a free slot is
 * left.  Files are created by workers under the worker's user.
 */


#ifndef NGX_AI_LEDGER_H
#define NGX_AI_LEDGER_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "../core/ai_slot.h"
#include "ngx_ai_zone.h"


/*
 * Who a row is counted for, told by the layer that knows tenants: the tenant in
 * party[0] and, where it has limits of its own, the key in party[1].  Returns
 * how many.  Called in any thread of a process, under no lock; "limits" is room
 * for those that do not last as long as the configuration.
 */
#define NGX_AI_PARTY_LIMITS  64

typedef struct {
    ai_party_t        party[2];
    ai_limit_t        limits[2][NGX_AI_PARTY_LIMITS];
} ngx_ai_parties_t;

typedef ngx_uint_t (*ngx_ai_parties_pt)(void *data, const ai_str_t *tenant,
    const ai_str_t *key, ngx_ai_parties_t *p);

/*
 * A worker is known to be dead, and has its place in the book yet: what it held
 * elsewhere under that place can go.  Called in any thread, under no lock.
 */
typedef void (*ngx_ai_dead_pt)(void *data, ngx_uint_t worker);

typedef struct ngx_ai_directory_s  ngx_ai_directory_t;

/* ngx_ai_directory_save() */
typedef ngx_int_t (*ngx_ai_save_pt)(ngx_ai_directory_t *d, int dirfd,
    uint64_t *saved_version);

typedef struct {
    ngx_str_t         path;     /* null terminated */
    size_t            segment;  /* bytes of a segment; default 64m, >= 64k */
    ngx_msec_t        sync;     /* fdatasync interval; 0: never */
    size_t            rotate;   /* usage.jsonl is renamed past it; 64m */
    ngx_uid_t         user;     /* of the workers; (ngx_uid_t) -1: ours */
    ngx_ai_parties_pt parties;
    ngx_ai_dead_pt    dead;     /* NULL: nothing else is to be done */
    void             *data;     /* of both */
    ngx_ai_save_pt    save;     /* of the directory, by the sink's thread */
    ngx_ai_directory_t *directory;
    unsigned          database:1;   /* rows are shipped, see ngx_ai_spool.h */
} ngx_ai_ledger_conf_t;

typedef struct ngx_ai_ledger_s  ngx_ai_ledger_t;


/* master: makes the directory (mode 0700, the workers' user); [emerg] if not */
ngx_int_t ngx_ai_ledger_prepare(ngx_cycle_t *cycle,
    ngx_ai_ledger_conf_t *conf);

/*
 * master, when the zone is fresh: closes the open slots of dead owners and
 * counts all rows of the current month (usage.jsonl, its rotated files,
 * segments) into the book, before the first request is admitted.
 */
ngx_int_t ngx_ai_ledger_rebuild(ngx_cycle_t *cycle,
    ngx_ai_ledger_conf_t *conf, ngx_ai_zone_t *zone);

/*
 * worker: opens or makes a segment and starts the sink.  NULL when no segment
 * can be had (logged): the worker then refuses to admit, and tries again each
 * second.
 */
ngx_ai_ledger_t *ngx_ai_ledger_open(ngx_cycle_t *cycle,
    ngx_ai_ledger_conf_t *conf, ngx_ai_zone_t *zone);

/* worker, at exit: ships what can be shipped, closes all */
void ngx_ai_ledger_close(ngx_ai_ledger_t *ld);

/*
 * A FREE slot of this worker, and its address for the book's hold.  NULL: the
 * disk is full, the sink is stuck, or the directory is gone (one log line at
 * each change of that state): answer 503.
 */
ai_slot_t *ngx_ai_ledger_take(ngx_ai_ledger_t *ld, uint32_t *segment,
    uint32_t *slot);

/* gives back a slot on which nothing was admitted; no row */
void ngx_ai_ledger_drop(ngx_ai_ledger_t *ld, ai_slot_t *s);

/* after ai_slot_end(): the slot is the sink's now, do not touch it */
void ngx_ai_ledger_ended(ngx_ai_ledger_t *ld, ai_slot_t *s);

/* this worker's place in the book, ai_hold_ask_t.worker */
ngx_int_t ngx_ai_ledger_worker(ngx_ai_ledger_t *ld);


/* for /ai/status; of the whole node as far as the caller can see */

typedef struct {
    ngx_uint_t        segments;
    ngx_uint_t        slots;        /* of this worker's segments */
    ngx_uint_t        slots_open;
    ngx_uint_t        waiting;      /* ended, not shipped yet */
    ngx_uint_t        damaged;      /* slots or segments set aside */
    uint64_t          shipped;      /* rows by this process */
    uint64_t          behind;       /* bytes of rows not in the database;
                                       known to the sink alone */
    unsigned          sink:1;       /* this worker is the sink */
    unsigned          full:1;       /* admission is stopped */
} ngx_ai_ledger_stat_t;

void ngx_ai_ledger_stat(ngx_ai_ledger_t *ld, ngx_ai_ledger_stat_t *st);


/* whether this worker is the sink; costs nothing */
ngx_uint_t ngx_ai_ledger_sink(ngx_ai_ledger_t *ld);

/* the directory's UUID, null terminated; NULL: no database, or no id */
const u_char *ngx_ai_ledger_node(ngx_ai_ledger_t *ld);

/* batches for the database; NULL: there is none */
struct ngx_ai_spool_s *ngx_ai_ledger_spool(ngx_ai_ledger_t *ld);

/* a batch was given back: the thread need not wait for its next round */
void ngx_ai_ledger_wake(ngx_ai_ledger_t *ld);


#define NGX_AI_NODE_ID  36

/*
 * ngx_ai_node.c, master: makes node.id, unless it is there.  NGX_ERROR is
 * logged: the file is no UUID, or cannot be made.
 */
ngx_int_t ngx_ai_node_make(ngx_log_t *log, ngx_ai_ledger_conf_t *conf);

/* the id; NGX_DECLINED: there is no file */
ngx_int_t ngx_ai_node_read(ngx_log_t *log, ngx_ai_ledger_conf_t *conf,
    u_char id[NGX_AI_NODE_ID + 1]);


#endif /* NGX_AI_LEDGER_H */
