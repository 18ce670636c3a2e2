
/*
 * Epochs: what a store's answer tells of a new one, and that no operation
 * carries one that is not in the file.
 */


#include "ngx_ai_lease_int.h"


ngx_uint_t
ngx_ai_lease_found(ngx_ai_lease_ask_t *a)
{
    ai_lease_epoch_t       epoch;
    ai_lease_shard_t       sh;
    ngx_ai_lease_place_t  *p;

    if (a->end != NGX_AI_LEASE_HEARD
        || a->reply.status != AI_LEASE_STATUS_EPOCH)
    {
        return 0;
    }

    p = &a->ls->shards[a->lease.shard];
    ai_lease_shard_get(a->ls->book, a->lease.shard, &sh);

    epoch.count = sh.epoch;
    epoch.random = sh.random;

    if (ai_lease_epoch_cmp(&epoch, &a->reply.epoch) >= 0
        || (p->fresh && ai_lease_epoch_cmp(&p->found, &a->reply.epoch) >= 0))
    {
        return 0;
    }

    p->found = a->reply.epoch;
    p->fresh = 1;

    return 1;
}


static ngx_int_t
ngx_ai_lease_adopt_file(ngx_ai_lease_t *ls)
{
    uint32_t               i;
    ngx_int_t              rc;
    ngx_ai_lease_place_t  *p;
    ngx_ai_lease_state_t   st;

    rc = ngx_ai_lease_file_lock(ls->fd);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_ai_lease_file_read(ls->fd, &st);

    if (rc == NGX_OK
        && ngx_memcmp(st.zone_id, ai_book_zone_id(ls->book), 16) != 0)
    {
        ls->outdated = 1;
        rc = NGX_BUSY;
    }

    if (rc == NGX_OK) {

        for (i = 0; i < ls->nshards; i++) {
            p = &ls->shards[i];

            if (ai_lease_epoch_cmp(&st.epoch[i], &p->found) < 0) {
                st.epoch[i] = p->found;

            } else {
                p->found = st.epoch[i];
            }
        }

        rc = ngx_ai_lease_file_write(ls->fd, &st);
    }

    ngx_ai_lease_file_unlock(ls->fd);

    return rc;
}


void
ngx_ai_lease_adopt(ngx_ai_lease_t *ls)
{
    uint32_t           i;
    ngx_int_t          rc;
    ngx_uint_t         n;
    ai_lease_epoch_t   epoch;
    ai_lease_shard_t   sh;

    for (i = 0, n = 0; i < ls->nshards; i++) {
        n += ls->shards[i].fresh;
    }

    if (n == 0) {
        return;
    }

    rc = ngx_ai_lease_adopt_file(ls);

    if (rc != NGX_OK) {

        if (rc != NGX_BUSY && !ls->said_file) {
            ls->said_file = 1;
            ngx_log_error(NGX_LOG_CRIT, ls->log,
                          rc == NGX_ERROR ? ngx_errno : 0,
                          "ai leases: could not write \"%V/"
                          NGX_AI_LEASE_FILE "\", nothing is leased",
                          &ls->ledger->path);
        }

        return;
    }

    ls->said_file = 0;

    ngx_ai_zone_lock(ls->zone);

    for (i = 0; i < ls->nshards; i++) {
        ls->shards[i].fresh = 0;
        ai_lease_shard_get(ls->book, i, &sh);

        epoch.count = sh.epoch;
        epoch.random = sh.random;

        if (ai_lease_epoch_cmp(&epoch, &ls->shards[i].found) < 0) {
            sh.epoch = ls->shards[i].found.count;
            sh.random = ls->shards[i].found.random;
            sh.heard = 0;
            sh.seeded = 0;
            ai_lease_shard_set(ls->book, i, &sh);
        }
    }

    ngx_ai_zone_unlock(ls->zone);
}
