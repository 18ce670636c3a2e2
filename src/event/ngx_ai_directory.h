
/*
 * The directory of tenants from PostgreSQL: its shared memory, the feed that
 * keeps it, and the snapshot in the ledger directory that a start without a
 * database reads.
 *
 * One process of a node, the ledger's sink, follows the feed: all of it at
 * first, then what has changed, each time PostgreSQL notifies and at least
 * every "poll".  All workers read.
 */


#ifndef NGX_AI_DIRECTORY_H
#define NGX_AI_DIRECTORY_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "../core/ai_dir.h"
#include "../core/ai_entry.h"
#include "ngx_ai_ledger.h"
#include "ngx_ai_pg.h"
#include "ngx_ai_zone.h"


struct ngx_ai_directory_s {
    ngx_shm_zone_t   *shm_zone;
    ngx_slab_pool_t  *shpool;
    ai_dir_t         *dir;
    time_t            told;     /* when odd documents were, first */
    ngx_uint_t        ntold;
    unsigned          fresh:1;  /* made by this cycle, and empty */
    unsigned          full:1;   /* and that was told */
};


/*
 * At configuration: a zone "NAME:directory"; NULL after an [emerg].  Its
 * records outlive a reload; one with another size copies them.
 */
ngx_ai_directory_t *ngx_ai_directory_add(ngx_conf_t *cf, ngx_str_t *name,
    size_t size, void *tag);

/* takes the mutex, and plays the journal when its last owner died inside */
void ngx_ai_directory_lock(ngx_ai_directory_t *d);
void ngx_ai_directory_unlock(ngx_ai_directory_t *d);


/*
 * master, when the directory is fresh: loads directory.snapshot from the ledger
 * directory "path", and what other nodes used into the book.  NGX_DECLINED:
 * there is none, or it is torn, or of another version, or does not fit (one
 * [warn]): the feed has to load all of it.  Nor is it complete after NGX_OK,
 * until the feed has read what has changed since: a key may be newer.
 */
ngx_int_t ngx_ai_directory_restore(ngx_cycle_t *cycle, ngx_ai_directory_t *d,
    ngx_str_t *path, ngx_ai_zone_t *zone);

/*
 * Puts what other nodes used from the directory into the book: a book that is
 * fresh beside a directory that is not needs it.
 */
void ngx_ai_directory_bases(ngx_ai_directory_t *d, ngx_ai_zone_t *zone);

/*
 * sink's thread: writes directory.snapshot by way of a temporary file; to be
 * called every few seconds.  NGX_DECLINED: nothing has changed since
 * *saved_version (0 at first), or the directory is not complete; NGX_ERROR:
 * ngx_errno says why, the old file stands.
 */
ngx_int_t ngx_ai_directory_save(ngx_ai_directory_t *d, int dirfd,
    uint64_t *saved_version);

/*
 * Puts one document of the feed; kind is the feed's letter, doc's data is NULL
 * for one that is gone; other letters are passed over.  A document that cannot
 * be packed is logged ([error], name and why) and its record removed: what is
 * not understood admits nobody.  When the first one finds no room, one line
 * says so.
 */
void ngx_ai_directory_doc(ngx_ai_directory_t *d, u_char kind, ngx_str_t *name,
    ngx_str_t *doc, ngx_log_t *log);


/* ---- the feed: main thread of the worker that is the sink ---- */

typedef struct ngx_ai_feed_s  ngx_ai_feed_t;

/* whether this worker is the sink just now; asked at each step */
typedef ngx_uint_t (*ngx_ai_feed_active_pt)(void *data);

/*
 * worker: starts to follow (timers are cancelable).  "registered" is the text
 * for ai.register(), a zero behind it; node is the id of the ledger directory,
 * as text.
 */
typedef struct {
    ngx_ai_directory_t    *directory;
    ngx_ai_zone_t         *zone;
    ngx_ai_pg_t           *pg;
    const ngx_ai_pg_conf_t *conf;
    ngx_str_t              registered;
    u_char                 node[37];
    ngx_ai_feed_active_pt  active;
    void                  *data;
} ngx_ai_feed_conf_t;

ngx_ai_feed_t *ngx_ai_feed_start(ngx_cycle_t *cycle, ngx_ai_feed_conf_t *conf);
void ngx_ai_feed_stop(ngx_ai_feed_t *feed);

typedef struct {
    unsigned          complete:1;
    time_t            heard;        /* when the feed last answered; 0: never */
    uint64_t          version;
} ngx_ai_feed_stat_t;

void ngx_ai_feed_stat(ngx_ai_feed_t *feed, ngx_ai_feed_stat_t *st);


#endif /* NGX_AI_DIRECTORY_H */
