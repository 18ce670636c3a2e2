
/*
 * One operation: its words to the script, and what its end means for the shard.
 */


#include "ngx_ai_lease_int.h"
#include "ngx_ai_store.h"
#include <sys/random.h>


static void ngx_ai_lease_done(ngx_ai_op_t *op);


ngx_ai_lease_ask_t *
ngx_ai_lease_ask_get(ngx_ai_lease_t *ls)
{
    ngx_queue_t         *q;
    ngx_ai_lease_ask_t  *a;

    if (ngx_queue_empty(&ls->free)) {

        a = ngx_alloc(sizeof(ngx_ai_lease_ask_t), ls->log);
        if (a == NULL) {
            return NULL;
        }

    } else {
        q = ngx_queue_head(&ls->free);
        ngx_queue_remove(q);
        a = ngx_queue_data(q, ngx_ai_lease_ask_t, queue);
    }

    a->ls = ls;
    a->op = NULL;
    a->group = NULL;
    a->lease.seq = 0;
    a->lease.shard = 0;
    a->lease.ncells = 0;

    ngx_queue_insert_tail(&ls->asks, &a->queue);

    return a;
}


void
ngx_ai_lease_ask_free(ngx_ai_lease_ask_t *a)
{
    ngx_queue_remove(&a->queue);
    ngx_queue_insert_head(&a->ls->free, &a->queue);
}


void
ngx_ai_lease_drop(ngx_ai_lease_ask_t *a)
{
    ai_now_t         now;
    ngx_ai_lease_t  *ls;

    ls = a->ls;
    ngx_ai_now(&now);

    ngx_ai_zone_lock(ls->zone);
    (void) ai_lease_end(ls->book, &a->lease, 0, &now);
    ngx_ai_zone_unlock(ls->zone);
}


static void
ngx_ai_lease_head(ngx_ai_lease_ask_t *a, ngx_uint_t says)
{
    ai_lease_call_t   *call;
    ngx_ai_lease_t    *ls;
    ai_lease_shard_t   sh;

    ls = a->ls;
    call = &a->call;

    ngx_memzero(call, sizeof(ai_lease_call_t));
    ai_lease_shard_get(ls->book, a->lease.shard, &sh);

    call->prefix.len = ls->conf->prefix.len;
    call->prefix.data = ls->conf->prefix.data;
    call->node.len = NGX_AI_NODE_ID;
    call->node.data = ls->node;
    call->start = ls->start;
    call->seq = a->lease.ncells ? a->lease.seq : ++ls->beats;
    call->shard = a->lease.shard;
    call->nodes = (uint32_t) ls->conf->nodes;
    call->now_ms = ngx_ai_now_ms();
    call->late_ms = NGX_AI_LEASE_LATE;
    call->hold_ms = ngx_ai_lease_hold(ls->conf);
    call->reported = (says & NGX_AI_LEASE_REPORTED) != 0;
    call->present = (says & NGX_AI_LEASE_PRESENT) != 0;
    call->counted = ls->counted;

    if (a->lease.ncells) {
        call->epoch.count = a->lease.epoch;
        call->epoch.random = a->lease.random;

    } else if (a->kind != NGX_AI_LEASE_LOOK) {
        call->epoch.count = sh.epoch;
        call->epoch.random = sh.random;
    }

    /* an epoch's name must differ from those of other servers; nothing can be
       guessed by it */

    if (getrandom(&call->fresh, sizeof(call->fresh), GRND_NONBLOCK)
        != sizeof(call->fresh))
    {
        call->fresh = (uint64_t) ngx_random() << 32 ^ (uint64_t) ngx_random()
                      ^ call->now_ms << 40 ^ (uint64_t) ngx_pid << 16;
    }
}


/*
 * The store may take the node for one that is not on its own, by what is sent:
 * noted before, as who has sent it may not live to hear what came of it.
 */

static void
ngx_ai_lease_sent(ngx_ai_lease_ask_t *a)
{
    ai_lease_shard_t  sh;

    if (a->lease.ncells == 0 && !a->call.present) {
        return;
    }

    ngx_ai_zone_lock(a->ls->zone);

    ai_lease_shard_get(a->ls->book, a->lease.shard, &sh);

    if (a->mono_ms > sh.sent_ms) {
        sh.sent_ms = a->mono_ms;
        ai_lease_shard_set(a->ls->book, a->lease.shard, &sh);
    }

    ngx_ai_zone_unlock(a->ls->zone);
}


ngx_int_t
ngx_ai_lease_send(ngx_ai_lease_ask_t *a, ngx_uint_t says)
{
    ai_now_t              now;
    ngx_ai_lease_t       *ls;
    ngx_ai_redis_call_t   rc;

    ls = a->ls;

    ngx_ai_lease_head(a, says);

    if (ai_lease_words(&ls->words, &a->call, a->lease.cell, a->lease.ncells)
        != AI_OK)
    {
        ngx_log_error(NGX_LOG_ALERT, ls->log, 0,
                      "ai leases: an operation of %ui limits has no words",
                      (ngx_uint_t) a->lease.ncells);
        return NGX_ERROR;
    }

    ngx_ai_now(&now);
    a->mono_ms = now.mono_ms;
    a->sent = ngx_current_msec;

    ngx_ai_lease_sent(a);

    /* ai_str_t has the layout of ngx_str_t */

    ngx_memzero(&rc, sizeof(ngx_ai_redis_call_t));
    rc.nkeys = ls->words.nkeys;
    rc.nargs = ls->words.nargs;
    rc.keys = (ngx_str_t *) ls->words.keys;
    rc.args = (ngx_str_t *) ls->words.args;
    rc.token = AI_LEASE_TOKEN;
    rc.slot = ls->shards[a->lease.shard].slot;

    a->op = ngx_ai_redis_call(ls->redis, &rc, ngx_ai_lease_done, a);

    return a->op ? NGX_OK : NGX_ERROR;
}


/* errors of one key or of one operation; the server is well */

static ngx_uint_t
ngx_ai_lease_broken(const u_char *code)
{
    ngx_uint_t          i;
    static const char  *codes[] = { "ERR", "WRONG", "AIARG", "AIDAT" };

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (ngx_strcmp(code, codes[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


/*
 * Where an answer belongs to another operation, so do all that follow: the
 * connection is of no use any more.
 */

static void
ngx_ai_lease_shift(ngx_ai_op_t *op)
{
    ngx_ai_store_t  *st;

    st = op->store;

    if (st->state == NGX_AI_STORE_READY) {
        ngx_ai_store_reason(st, "an answer that is none to the operation");
        ngx_ai_store_lost(st);
    }
}


static ngx_ai_lease_end_t
ngx_ai_lease_decode(ngx_ai_lease_ask_t *a, ngx_ai_op_t *op)
{
    ngx_ai_redis_reply_t  *r;

    switch (op->rc) {

    case NGX_OK:
        break;

    case NGX_ERROR:
        return a->lease.ncells && ngx_ai_lease_broken(op->code)
               ? NGX_AI_LEASE_BROKEN : NGX_AI_LEASE_REFUSED;

    case NGX_DECLINED:
    case NGX_BUSY:
        return NGX_AI_LEASE_UNSENT;

    default:
        return NGX_AI_LEASE_SILENT;
    }

    r = ngx_ai_redis_reply(op);

    if (ai_lease_reply(&a->reply, &a->call, a->lease.cell, a->lease.ncells,
                       (ai_str_t *) r->item, r->n)
        != AI_OK)
    {
        ngx_ai_lease_shift(op);
        return NGX_AI_LEASE_ODD;
    }

    return NGX_AI_LEASE_HEARD;
}


static void
ngx_ai_lease_answer(ngx_ai_lease_ask_t *a, ai_lease_shard_t *sh)
{
    ai_lease_epoch_t  epoch;

    epoch.count = sh->epoch;
    epoch.random = sh->random;

    switch (a->reply.status) {

    case AI_LEASE_STATUS_OK:

        if (ai_lease_epoch_cmp(&epoch, &a->reply.epoch) == 0) {
            sh->nodes = a->reply.nodes;
            sh->seeded = a->reply.seeded;

            /* the keeper alone says so, once it has reported */

            if (!a->reply.heard) {
                sh->heard = 0;
            }
        }

        break;

    case AI_LEASE_STATUS_EPOCH:

        if (ai_lease_epoch_cmp(&epoch, &a->reply.epoch) < 0) {
            sh->heard = 0;
            sh->seeded = 0;
        }

        break;

    case AI_LEASE_STATUS_LATE:
        break;

    default:
        sh->usable = 0;
    }
}


/* what all workers are to know of it, and the book */

static ngx_int_t
ngx_ai_lease_note(ngx_ai_lease_ask_t *a)
{
    int                rc;
    ai_now_t           now;
    ngx_ai_lease_t    *ls;
    ai_lease_shard_t   sh;

    ls = a->ls;
    rc = AI_OK;

    ngx_ai_now(&now);
    ngx_ai_zone_lock(ls->zone);

    if (a->lease.ncells) {
        rc = ai_lease_end(ls->book, &a->lease, ngx_ai_lease_answered(a), &now);
    }

    ai_lease_shard_get(ls->book, a->lease.shard, &sh);

    switch (a->end) {

    case NGX_AI_LEASE_HEARD:
        ngx_ai_lease_answer(a, &sh);
        break;

    case NGX_AI_LEASE_SILENT:

        /* a connection that went comes back; a frozen server is everyone's */

        if (ngx_current_msec - a->sent + 1 >= ls->conf->timeout) {
            sh.usable = 0;
        }

        break;

    case NGX_AI_LEASE_REFUSED:
    case NGX_AI_LEASE_ODD:
        sh.usable = 0;
        break;

    default:
        break;
    }

    ai_lease_shard_set(ls->book, a->lease.shard, &sh);

    ngx_ai_zone_unlock(ls->zone);

    return rc == AI_DECLINED ? NGX_DECLINED : NGX_OK;
}


static void
ngx_ai_lease_done(ngx_ai_op_t *op)
{
    ngx_int_t            rc;
    ngx_ai_lease_t      *ls;
    ngx_ai_lease_ask_t  *a;

    a = op->data;
    ls = a->ls;
    a->op = NULL;
    a->end = ngx_ai_lease_decode(a, op);

    rc = ngx_ai_lease_note(a);

    if (!ngx_ai_lease_answered(a) && a->kind != NGX_AI_LEASE_LOOK) {
        ngx_ai_lease_count(ls, failed);
    }

    if (a->end == NGX_AI_LEASE_BROKEN) {
        ngx_ai_lease_tell_broken(ls, op);
    }

    if (a->kind >= NGX_AI_LEASE_RETURN) {
        ngx_ai_lease_kept(a);

    } else {
        ngx_ai_lease_over(a, rc);
    }
}
