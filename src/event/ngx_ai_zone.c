
/*
 * The shared memory zone of the book, and the lock around it.
 */


#include "ngx_ai_zone.h"
#include <sys/random.h>


#define NGX_AI_ZONE_SPIN    2048
#define NGX_AI_ZONE_YIELDS  100


static ngx_int_t ngx_ai_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_ai_zone_inherit(ngx_shm_zone_t *shm_zone,
    ngx_ai_zone_t *zone);
static ngx_int_t ngx_ai_zone_create(ngx_shm_zone_t *shm_zone,
    ngx_ai_zone_t *zone);
static void ngx_ai_zone_wait(ngx_shmtx_t *mutex, ngx_str_t *name);


/* the slab pool's own head, lists and one page entry for each page */

static size_t
ngx_ai_zone_min_size(void)
{
    size_t  size;

    size = ai_book_min_size();
    size += size / ngx_pagesize * sizeof(ngx_slab_page_t) + 4 * ngx_pagesize;

    return ngx_align(size, 1024);
}


ngx_ai_zone_t *
ngx_ai_zone_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    ngx_ai_zone_t   *zone;
    ngx_shm_zone_t  *shm_zone;

    if (size < ngx_ai_zone_min_size()) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small, %uzk at least",
                           name, ngx_ai_zone_min_size() / 1024);
        return NULL;
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_ai_zone_t));
    if (zone == NULL) {
        return NULL;
    }

    shm_zone = ngx_shared_memory_add(cf, name, size, tag);
    if (shm_zone == NULL) {
        return NULL;
    }

    if (shm_zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is already bound", name);
        return NULL;
    }

    zone->shm_zone = shm_zone;

    shm_zone->init = ngx_ai_zone_init;
    shm_zone->data = zone;

    return zone;
}


/*
 * "data" is the zone of the previous cycle when nginx keeps the memory: it
 * does so for the same name, size and tag.
 */

static ngx_int_t
ngx_ai_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_ai_zone_t  *zone;

    zone = shm_zone->data;
    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data || shm_zone->shm.exists) {
        return ngx_ai_zone_inherit(shm_zone, zone);
    }

    return ngx_ai_zone_create(shm_zone, zone);
}


static ngx_int_t
ngx_ai_zone_inherit(ngx_shm_zone_t *shm_zone, ngx_ai_zone_t *zone)
{
    size_t      size;
    ai_book_t  *book;

    book = zone->shpool->data;
    size = (zone->shpool->last - zone->shpool->pages) * ngx_pagesize;

    if (book == NULL || ai_book_check(book, size) != AI_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" was made by another version of "
                      "the module, nginx needs a restart",
                      &shm_zone->shm.name);
        return NGX_ERROR;
    }

    zone->book = book;

    return NGX_OK;
}


static ngx_int_t
ngx_ai_zone_create(ngx_shm_zone_t *shm_zone, ngx_ai_zone_t *zone)
{
    void    *mem;
    u_char   id[16];
    size_t   size;

    if (getrandom(id, sizeof(id), 0) != (ssize_t) sizeof(id)) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, ngx_errno,
                      "getrandom() failed");
        return NGX_ERROR;
    }

    /* nothing else is ever allocated from the pool: the book gets all of it */

    size = zone->shpool->pfree * ngx_pagesize;
    mem = size ? ngx_slab_alloc(zone->shpool, size) : NULL;

    if (mem == NULL || ai_book_init(mem, size, id) != AI_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" is too small", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    zone->shpool->data = mem;
    zone->book = mem;
    zone->fresh = 1;

    return NGX_OK;
}


void
ngx_ai_zone_lock(ngx_ai_zone_t *zone)
{
    ngx_ai_zone_mutex(&zone->shpool->mutex, &zone->shm_zone->shm.name);

    if (ai_book_recover(zone->book) == AI_DONE) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "zone \"%V\": a process died while it held the lock, "
                      "its unfinished change was undone",
                      &zone->shm_zone->shm.name);
    }
}


void
ngx_ai_zone_mutex(ngx_shmtx_t *mutex, ngx_str_t *name)
{
    if (!ngx_shmtx_trylock(mutex)) {
        ngx_ai_zone_wait(mutex, name);
    }
}


/*
 * As ngx_shmtx_lock(), but without sleeping on its semaphore: nobody wakes a
 * sleeper when the owner dies and no master is left, or when the zone is one
 * of a former cycle, whose mutexes the master has forgotten.
 */

static void
ngx_ai_zone_wait(ngx_shmtx_t *mutex, ngx_str_t *name)
{
    ngx_pid_t   pid;
    ngx_uint_t  i, n, rounds;

    for (rounds = 1; /* void */ ; rounds++) {

        for (n = 1; ngx_ncpu > 1 && n < NGX_AI_ZONE_SPIN; n <<= 1) {

            for (i = 0; i < n; i++) {
                ngx_cpu_pause();
            }

            if (ngx_shmtx_trylock(mutex)) {
                return;
            }
        }

        if (ngx_shmtx_trylock(mutex)) {
            return;
        }

        if (rounds < NGX_AI_ZONE_YIELDS) {
            ngx_sched_yield();
            continue;
        }

        /* it is held for less than a microsecond, unless its owner is gone */

        pid = (ngx_pid_t) *mutex->lock;

        if (pid && kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH) {
            (void) ngx_shmtx_force_unlock(mutex, pid);
            continue;
        }

        if (rounds == NGX_AI_ZONE_YIELDS + 1000) {
            ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                          "zone \"%V\": waiting for the lock that process "
                          "%P holds", name, pid);
        }

        ngx_msleep(1);
    }
}


void
ngx_ai_zone_unlock(ngx_ai_zone_t *zone)
{
    ngx_shmtx_unlock(&zone->shpool->mutex);
}
