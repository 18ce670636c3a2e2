
/*
 * Leases: a worker's part, from its start to its end, and what requests are
 * judged by.
 *
 * What is known of the store stands in the zone, by shard, so that all workers
 * act alike; each has its own connection.  Who has to wait is in
 * ngx_ai_lease_wait.c, an operation in ngx_ai_lease_call.c, and what the one
 * worker does that keeps the node in ngx_ai_lease_keep.c.
 */


#include "ngx_ai_lease_int.h"
#include "ngx_ai_lease_lua.h"
#include <sys/file.h>


#define NGX_AI_LEASE_FIRST  5           /* ms until the first tick */


static ngx_ai_lease_t *ngx_ai_lease_create(ngx_cycle_t *cycle,
    ngx_ai_ledger_conf_t *ledger, ngx_ai_redis_conf_t *conf,
    ngx_ai_zone_t *zone);
static ngx_int_t ngx_ai_lease_read(ngx_ai_lease_t *ls);
static ngx_int_t ngx_ai_lease_slots(ngx_ai_lease_t *ls);
static void ngx_ai_lease_watch_handler(void *data, ngx_uint_t events);


/* a start is of a zone: workers of another one are of another start */

static ngx_int_t
ngx_ai_lease_begin_start(ngx_cycle_t *cycle, ngx_ai_ledger_conf_t *ledger,
    ngx_ai_zone_t *zone, ngx_ai_lease_state_t *st, ngx_uint_t *counted)
{
    int           fd;
    ngx_int_t     rc;
    const u_char *id;

    *counted = 0;
    id = ai_book_zone_id(zone->book);
    fd = ngx_ai_lease_file_open((char *) ledger->path.data);

    if (fd == -1 && ngx_errno == NGX_ENOENT) {

        ngx_memzero(st, sizeof(ngx_ai_lease_state_t));
        st->start = 1;
        ngx_memcpy(st->zone_id, id, 16);

        fd = ngx_ai_lease_file_make((char *) ledger->path.data, ledger->user,
                                    st);
        *counted = 1;
        rc = fd == -1 ? NGX_ERROR : NGX_OK;

    } else if (fd == -1) {
        rc = NGX_ERROR;

    } else {
        rc = ngx_ai_lease_file_read(fd, st);

        if (rc == NGX_OK && ngx_memcmp(st->zone_id, id, 16) != 0) {
            st->start++;
            ngx_memcpy(st->zone_id, id, 16);
            rc = ngx_ai_lease_file_write(fd, st);
            *counted = 1;
        }
    }

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "ai leases: \"%V/" NGX_AI_LEASE_FILE "\" is damaged: "
                      "restore it, or remove it together with node.id to "
                      "begin as a new node", &ledger->path);

    } else if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "ai leases: could not count a start in \"%V/"
                      NGX_AI_LEASE_FILE "\"", &ledger->path);
    }

    if (fd != -1) {
        (void) close(fd);
    }

    return rc == NGX_OK ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_ai_lease_prepare(ngx_cycle_t *cycle, ngx_ai_ledger_conf_t *ledger,
    ngx_ai_redis_conf_t *conf, ngx_ai_zone_t *zone)
{
    uint32_t              i;
    ai_now_t              now;
    ngx_uint_t            counted;
    ai_lease_epoch_t      epoch;
    ai_lease_shard_t      sh;
    ngx_ai_lease_state_t  st;

    if (ngx_ai_node_make(cycle->log, ledger) != NGX_OK
        || ngx_ai_lease_begin_start(cycle, ledger, zone, &st, &counted)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_ai_now(&now);
    ngx_ai_zone_lock(zone);

    for (i = 0; i < (conf->cluster ? AI_LEASE_SHARDS : 1); i++) {
        ai_lease_shard_get(zone->book, i, &sh);

        epoch.count = sh.epoch;
        epoch.random = sh.random;

        if (ai_lease_epoch_cmp(&epoch, &st.epoch[i]) < 0) {
            sh.epoch = st.epoch[i].count;
            sh.random = st.epoch[i].random;
            sh.heard = 0;
            sh.seeded = 0;
        }

        /* what the last start has sent is not known, nor what credit went
           with it */

        if (counted || sh.sent_ms == 0) {
            sh.sent_ms = now.mono_ms;
            sh.heard = 0;
            sh.behind = 1;
        }

        ai_lease_shard_set(zone->book, i, &sh);
    }

    ngx_ai_zone_unlock(zone);

    return NGX_OK;
}


ngx_ai_lease_t *
ngx_ai_lease_start(ngx_cycle_t *cycle, ngx_ai_ledger_conf_t *ledger,
    ngx_ai_redis_conf_t *conf, ngx_ai_zone_t *zone)
{
    ngx_ai_lease_t    *ls;
    static ngx_str_t   script = ngx_string(ngx_ai_lease_lua);

    ls = ngx_ai_lease_create(cycle, ledger, conf, zone);
    if (ls == NULL) {
        return NULL;
    }

    if (ngx_ai_lease_read(ls) != NGX_OK || ngx_ai_lease_slots(ls) != NGX_OK) {
        return NULL;
    }

    ls->redis = ngx_ai_redis_create(cycle, conf, &script);
    if (ls->redis == NULL) {
        return NULL;
    }

    /* an idle descriptor is told when the worker quits; nothing else is wanted
       of it */

    if (ngx_ai_fd_attach(&ls->watch, ls->fd, ngx_ai_lease_watch_handler, ls,
                         cycle->log)
        != NGX_OK)
    {
        ls->watch.connection = NULL;
    }

    ngx_ai_redis_keep(ls->redis, 1);
    ngx_add_timer(&ls->tick, NGX_AI_LEASE_FIRST);

    return ls;
}


static ngx_ai_lease_t *
ngx_ai_lease_create(ngx_cycle_t *cycle, ngx_ai_ledger_conf_t *ledger,
    ngx_ai_redis_conf_t *conf, ngx_ai_zone_t *zone)
{
    ngx_uint_t       i;
    ngx_ai_lease_t  *ls;

    ls = ngx_pcalloc(cycle->pool, sizeof(ngx_ai_lease_t));
    if (ls == NULL) {
        return NULL;
    }

    ls->ledger = ledger;
    ls->conf = conf;
    ls->zone = zone;
    ls->book = zone->book;
    ls->log = cycle->log;
    ls->fd = -1;
    ls->born = ngx_current_msec;
    ls->nshards = conf->cluster ? AI_LEASE_SHARDS : 1;

    ngx_queue_init(&ls->asks);
    ngx_queue_init(&ls->free);

    ngx_ai_lease_wait_init(ls);

    ls->tick.handler = ngx_ai_lease_tick_handler;
    ls->tick.data = ls;
    ls->tick.log = cycle->log;
    ls->tick.cancelable = 1;

    ls->leave.handler = ngx_ai_lease_leave_handler;
    ls->leave.data = ls;
    ls->leave.log = cycle->log;

    for (i = 0; i < ls->nshards; i++) {
        ls->shards[i].gone = 1;
        ls->shards[i].away = ngx_current_msec;
    }

    return ls;
}


/* the node's id and its start, which must be that of our zone */

static ngx_int_t
ngx_ai_lease_read(ngx_ai_lease_t *ls)
{
    ngx_int_t             rc;
    ngx_ai_lease_state_t  st;

    if (ngx_ai_node_read(ls->log, ls->ledger, ls->node) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;
    ls->fd = ngx_ai_lease_file_open((char *) ls->ledger->path.data);

    if (ls->fd != -1) {
        rc = ngx_ai_lease_file_read(ls->fd, &st);
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, ls->log,
                      rc == NGX_DECLINED ? 0 : ngx_errno,
                      "ai leases: could not read \"%V/" NGX_AI_LEASE_FILE "\"",
                      &ls->ledger->path);

        if (ls->fd != -1) {
            (void) close(ls->fd);
        }

        return NGX_ERROR;
    }

    ls->locked = flock(ls->fd, LOCK_SH|LOCK_NB) == 0;
    ls->start = st.start;
    ls->outdated = ngx_memcmp(st.zone_id, ai_book_zone_id(ls->book), 16) != 0;

    return NGX_OK;
}


static ngx_int_t
ngx_ai_lease_slots(ngx_ai_lease_t *ls)
{
    u_char      *p;
    ngx_str_t    key;
    ngx_uint_t   i;

    key.data = ngx_alloc(ls->conf->prefix.len + NGX_INT_T_LEN + 2, ls->log);
    if (key.data == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < ls->nshards; i++) {
        p = ngx_sprintf(key.data, "%V{%ui}", &ls->conf->prefix, i);
        key.len = (size_t) (p - key.data);
        ls->shards[i].slot = ngx_ai_redis_slot(&key);
    }

    ngx_free(key.data);

    return NGX_OK;
}


void
ngx_ai_lease_ledger(ngx_ai_lease_t *ls, ngx_ai_ledger_t *ld)
{
    ls->open = ld;
}


static void
ngx_ai_lease_watch_handler(void *data, ngx_uint_t events)
{
    ngx_ai_lease_t *ls = data;

    ngx_ai_fd_detach(&ls->watch, ls->fd);

    if (!(events & NGX_AI_FD_CLOSE)) {
        ngx_ai_lease_leave(ls);
    }
}


static void
ngx_ai_lease_timer_del(ngx_event_t *ev)
{
    if (ev->timer_set) {
        ngx_del_timer(ev);
    }
}


void
ngx_ai_lease_stop(ngx_ai_lease_t *ls)
{
    ngx_queue_t         *q;
    ngx_ai_lease_ask_t  *a;

    ngx_ai_lease_timer_del(&ls->tick);
    ngx_ai_lease_timer_del(&ls->leave);

    ngx_ai_lease_wait_done(ls);

    /* their owners are asked for again when they have been busy long enough */

    while (!ngx_queue_empty(&ls->asks)) {
        q = ngx_queue_head(&ls->asks);
        a = ngx_queue_data(q, ngx_ai_lease_ask_t, queue);

        if (a->op) {
            ngx_ai_op_detach(a->op);
            a->op = NULL;
        }

        if (a->lease.ncells) {
            ngx_ai_lease_drop(a);
        }

        ngx_queue_remove(q);
        ngx_free(a);
    }

    while (!ngx_queue_empty(&ls->free)) {
        q = ngx_queue_head(&ls->free);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_ai_lease_ask_t, queue));
    }

    ngx_ai_redis_close(ls->redis, 1);
    ngx_ai_fd_detach(&ls->watch, ls->fd);

    (void) close(ls->fd);
    ls->fd = -1;
}


void
ngx_ai_lease_judge(ngx_ai_lease_t *ls, ai_hold_ask_t *ask,
    ngx_uint_t store_loss)
{
    ai_lease_shard_t  sh;

    ask->shared = 1;
    ask->nodes = (uint32_t) ls->conf->nodes;
    ask->local = store_loss == 0;
    ask->rates = AI_RATES_LEASED;

    ai_lease_shard_get(ls->book, ai_lease_shard(ls->book, &ask->party[0].id),
                       &sh);

    if (store_loss == 0 && sh.local) {
        ask->rates = AI_RATES_LOCAL;
        ngx_ai_lease_count(ls, local);

    } else if (store_loss == 2 && !ngx_ai_lease_grants(&sh)) {
        ask->rates = AI_RATES_OPEN;
        ngx_ai_lease_count(ls, open);
    }
}


void
ngx_ai_lease_stat(ngx_ai_lease_t *ls, ngx_ai_lease_stat_t *st)
{
    uint32_t          i;
    ai_lease_shard_t  sh;

    ngx_memzero(st, sizeof(ngx_ai_lease_stat_t));

    ngx_ai_redis_stat(ls->redis, &st->redis);

    st->book = *ai_lease_stat(ls->book);
    st->shards = ls->nshards;
    st->keeper = ls->keeper;

    for (i = 0; i < ls->nshards; i++) {
        ai_lease_shard_get(ls->book, i, &sh);

        st->usable += sh.usable != 0;
        st->seeded += sh.seeded && sh.heard;
        st->local += sh.local != 0;
        st->nodes = sh.nodes;

        if (!ls->shards[i].gone) {
            st->evicts |= ngx_ai_redis_evicts(ls->redis, ls->shards[i].slot)
                          & 1;
        }
    }
}
