
/*
 * The shared memory zone: one ai_book_t behind the zone's own mutex, which
 * nginx's master unlocks by force when the worker that holds it dies.
 */


#ifndef NGX_AI_ZONE_H
#define NGX_AI_ZONE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "../core/ai_book.h"


typedef struct {
    ngx_shm_zone_t   *shm_zone;
    ngx_slab_pool_t  *shpool;
    ai_book_t        *book;
    unsigned          fresh:1;  /* made by this cycle: counters are to be
                                   rebuilt from the ledger */
} ngx_ai_zone_t;


/* at configuration: NULL after an [emerg] of its own */
ngx_ai_zone_t *ngx_ai_zone_add(ngx_conf_t *cf, ngx_str_t *name, size_t size,
    void *tag);

/*
 * Takes the mutex and, when its last owner died inside a call, plays the
 * book's undo journal (one [warn] line).  Short: never held across I/O.
 */
void ngx_ai_zone_lock(ngx_ai_zone_t *zone);
void ngx_ai_zone_unlock(ngx_ai_zone_t *zone);

/* takes the mutex of a zone of this name, from an owner that died too; its
   next owner is to look for what that left half done */
void ngx_ai_zone_mutex(ngx_shmtx_t *mutex, ngx_str_t *name);


/*
 * The clock that limits are judged by: calendar seconds that follow
 * CLOCK_BOOTTIME from the moment the zone's first cycle began, so that a
 * stepped wall clock opens no new window; and monotonic milliseconds.  A step
 * of the wall clock by more than five seconds is one [warn] line.
 */
void ngx_ai_now(ai_now_t *now);

/* the same calendar in milliseconds */
uint64_t ngx_ai_now_ms(void);

/* the same at the time of "now" */
uint64_t ngx_ai_now_as_ms(const ai_now_t *now);

/* re-anchors the clock; called once in each cycle, by the master */
void ngx_ai_now_anchor(ngx_log_t *log);


#endif /* NGX_AI_ZONE_H */
