
/*
 * A store: the life of one connection to a server.
 */


#include "ngx_ai_store.h"


#define NGX_AI_STORE_BACKOFF      100
#define NGX_AI_STORE_BACKOFF_MAX  5000
#define NGX_AI_STORE_STABLE       5000
#define NGX_AI_STORE_SAID         8     /* reasons, until it is stable */


static void ngx_ai_store_set(ngx_ai_store_t *st, ngx_ai_store_state_t state,
    ngx_msec_t delay);
static void ngx_ai_store_log_lost(ngx_ai_store_t *st,
    ngx_ai_store_state_t old, ngx_msec_t delay);
static void ngx_ai_store_next(ngx_ai_store_t *st);
static void ngx_ai_store_down(ngx_ai_store_t *st);
static ngx_msec_t ngx_ai_store_backoff(ngx_uint_t attempt);
static void ngx_ai_store_timer_handler(ngx_event_t *ev);
static void ngx_ai_store_deadline_handler(ngx_event_t *ev);
static void ngx_ai_store_unqueue(ngx_ai_op_t *op);
static void ngx_ai_store_end(ngx_ai_op_t *op, ngx_int_t rc,
    const char *text);
static void ngx_ai_store_fail(ngx_ai_store_t *st, ngx_queue_t *queue,
    ngx_int_t rc);
static void ngx_ai_store_forget(ngx_ai_store_t *st);


static const char  *ngx_ai_store_states[] = {
    "down", "resolving", "connecting", "connecting", "ready", "closed"
};


void
ngx_ai_store_init(ngx_ai_store_t *st)
{
    ngx_queue_init(&st->waiting);
    ngx_queue_init(&st->sent);
    ngx_queue_init(&st->ended);

    st->timer.handler = ngx_ai_store_timer_handler;
    st->timer.data = st;
    st->timer.log = st->log;

    /* nobody waits for a reconnect: ops have deadlines of their own */
    st->timer.cancelable = 1;

    /* workers spread over the addresses */
    st->first = st->ordered ? 0 : ngx_worker;
}


const char *
ngx_ai_store_state(ngx_ai_store_t *st)
{
    return ngx_ai_store_states[st->state];
}


void
ngx_ai_store_reason(ngx_ai_store_t *st, const char *fmt, ...)
{
    u_char   *p, *last;
    va_list   args;

    va_start(args, fmt);
    last = ngx_vslprintf(st->reason, st->reason + NGX_AI_STORE_REASON - 1,
                         fmt, args);
    va_end(args);

    *last = '\0';

    for (p = st->reason; p < last; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = ' ';
        }
    }
}


/*
 * The only place that changes the state, and that logs it and arms the timer.
 * DOWN: "delay" is how long to back off, 0 for not at all.
 */

static void
ngx_ai_store_set(ngx_ai_store_t *st, ngx_ai_store_state_t state,
    ngx_msec_t delay)
{
    ngx_ai_store_state_t  old;

    old = st->state;
    st->state = state;

    ngx_log_debug5(NGX_LOG_DEBUG_EVENT, st->log, 0,
                   "ai %s \"%s\": %s -> %s, %M", st->kind->kind, st->name,
                   ngx_ai_store_states[old], ngx_ai_store_states[state],
                   delay);

    /* one deadline for the connection and what is said first over it */

    if (st->timer.timer_set && state != NGX_AI_STORE_HANDSHAKE) {
        ngx_del_timer(&st->timer);
    }

    switch (state) {

    case NGX_AI_STORE_CONNECTING:
        delay = st->connect_timeout;
        break;

    case NGX_AI_STORE_READY:
        ngx_log_error(NGX_LOG_NOTICE, st->log, 0,
                      "ai %s \"%s\": connected to %V", st->kind->kind,
                      st->name, &st->addr);

        st->connects++;
        st->stable = 0;
        delay = NGX_AI_STORE_STABLE;
        break;

    case NGX_AI_STORE_DOWN:
        ngx_ai_store_log_lost(st, old, delay);
        break;

    default:
        break;
    }

    if (delay) {
        ngx_add_timer(&st->timer, delay);
    }
}


/* the first failure and each change of the reason are for the operator */

static void
ngx_ai_store_log_lost(ngx_ai_store_t *st, ngx_ai_store_state_t old,
    ngx_msec_t delay)
{
    ngx_uint_t   level;
    const char  *what;

    if (st->reason[0] == '\0') {
        return;
    }

    level = NGX_LOG_INFO;

    if (ngx_strcmp(st->reason, st->said) != 0
        && st->nsaid < NGX_AI_STORE_SAID)
    {
        st->nsaid++;
        level = NGX_LOG_ERR;
    }

    what = old == NGX_AI_STORE_READY ? "connection lost" : "cannot connect";

    if (delay) {
        ngx_log_error(level, st->log, 0,
                      "ai %s \"%s\": %s (%s), %V, retry in %Mms",
                      st->kind->kind, st->name, what, st->reason, &st->addr,
                      delay);

    } else {
        ngx_log_error(level, st->log, 0, "ai %s \"%s\": %s (%s), %V",
                      st->kind->kind, st->name, what, st->reason, &st->addr);
    }

    ngx_memcpy(st->said, st->reason, NGX_AI_STORE_REASON);
}


void
ngx_ai_store_submit(ngx_ai_store_t *st, ngx_ai_op_t *op)
{
    op->store = st;
    op->deadline.handler = ngx_ai_store_deadline_handler;

    if (st->state == NGX_AI_STORE_CLOSED
        || (st->state == NGX_AI_STORE_DOWN && st->timer.timer_set))
    {
        ngx_ai_store_end(op, NGX_DECLINED, "store is down");
        return;
    }

    if (st->nwaiting >= st->max_waiting) {
        ngx_ai_store_end(op, NGX_BUSY, "too many operations wait");
        return;
    }

    op->waiting = 1;
    ngx_queue_insert_tail(&st->waiting, &op->queue);
    st->nwaiting++;

    /* not cancelable: it is what holds a worker that quits */

    if (!op->deadline.timer_set) {
        ngx_add_timer(&op->deadline, op->timeout);
    }

    if (st->state == NGX_AI_STORE_DOWN) {
        ngx_ai_store_connect(st);

    } else {
        ngx_ai_store_run(st);
    }
}


void
ngx_ai_store_connect(ngx_ai_store_t *st)
{
    ngx_int_t  rc;

    if (st->state != NGX_AI_STORE_DOWN || st->timer.timer_set) {
        return;
    }

    ngx_ai_store_set(st, NGX_AI_STORE_RESOLVING, 0);

    st->reason[0] = '\0';

    rc = ngx_ai_store_resolve(st);

    if (rc != NGX_AGAIN) {
        ngx_ai_store_resolved(st);
    }
}


void
ngx_ai_store_hurry(ngx_ai_store_t *st)
{
    if (st->state == NGX_AI_STORE_DOWN && st->timer.timer_set) {
        ngx_del_timer(&st->timer);
        ngx_ai_store_connect(st);
    }
}


void
ngx_ai_store_resolved(ngx_ai_store_t *st)
{
    st->tried = 0;

    if (st->naddrs == 0) {
        st->addr = st->host;

        if (st->reason[0] == '\0') {
            ngx_ai_store_reason(st, "no address");
        }
    }

    ngx_ai_store_next(st);
}


static void
ngx_ai_store_next(ngx_ai_store_t *st)
{
    ngx_addr_t  *addr;

    while (st->tried < st->naddrs) {
        addr = &st->addrs[(st->first + st->tried) % st->naddrs];

        st->tried++;
        st->addr = addr->name;

        ngx_ai_store_set(st, NGX_AI_STORE_CONNECTING, 0);

        if (st->kind->connect(st, addr) == NGX_OK) {
            return;
        }

        st->kind->close(st);
    }

    ngx_ai_store_down(st);
}


void
ngx_ai_store_handshake(ngx_ai_store_t *st)
{
    ngx_ai_store_set(st, NGX_AI_STORE_HANDSHAKE, 0);
}


void
ngx_ai_store_ready(ngx_ai_store_t *st)
{
    /* what has worked is where to begin next time */

    if (!st->ordered) {
        st->first += st->tried - 1;
    }

    ngx_ai_store_set(st, NGX_AI_STORE_READY, 0);

    if (st->kind->ready) {
        st->kind->ready(st);
    }

    ngx_ai_store_run(st);
}


void
ngx_ai_store_lost(ngx_ai_store_t *st)
{
    ngx_ai_store_state_t  state;

    state = st->state;

    st->kind->close(st);

    ngx_ai_store_fail(st, &st->sent, NGX_ABORT);

    if (state == NGX_AI_STORE_READY) {
        st->lost++;

    } else if (st->tried < st->naddrs) {
        ngx_log_error(NGX_LOG_INFO, st->log, 0,
                      "ai %s \"%s\": cannot connect (%s), %V, trying the next "
                      "address", st->kind->kind, st->name, st->reason,
                      &st->addr);

        ngx_ai_store_next(st);
        return;
    }

    ngx_ai_store_down(st);
}


/*
 * A connection that had been good comes back at once, without a word to those
 * that wait.  Any other failure backs off, and they are told.
 */

static void
ngx_ai_store_down(ngx_ai_store_t *st)
{
    if (st->state == NGX_AI_STORE_READY && st->stable) {
        ngx_ai_store_set(st, NGX_AI_STORE_DOWN, 0);

        if (st->nwaiting || (st->keep && !ngx_exiting)) {
            ngx_ai_store_connect(st);
        }

        return;
    }

    ngx_ai_store_set(st, NGX_AI_STORE_DOWN,
                     ngx_ai_store_backoff(st->attempt++));

    ngx_ai_store_fail(st, &st->waiting, NGX_DECLINED);
}


/*
 * Full jitter, as all workers lose a server in the same millisecond; but never
 * so short that a refused connect becomes a busy loop.
 */

static ngx_msec_t
ngx_ai_store_backoff(ngx_uint_t attempt)
{
    ngx_msec_t  max;

    max = NGX_AI_STORE_BACKOFF << ngx_min(attempt, 6);

    return 10 + ngx_random() % ngx_min(max, NGX_AI_STORE_BACKOFF_MAX);
}


static void
ngx_ai_store_timer_handler(ngx_event_t *ev)
{
    ngx_ai_store_t *st = ev->data;

    switch (st->state) {

    case NGX_AI_STORE_DOWN:

        if (st->keep && !ngx_exiting) {
            ngx_ai_store_connect(st);
        }

        break;

    case NGX_AI_STORE_READY:
        st->stable = 1;
        st->attempt = 0;
        st->said[0] = '\0';
        st->nsaid = 0;
        break;

    case NGX_AI_STORE_CONNECTING:
    case NGX_AI_STORE_HANDSHAKE:
        ngx_ai_store_reason(st, "timed out");
        ngx_ai_store_lost(st);
        break;

    default:
        break;
    }
}


static void
ngx_ai_store_deadline_handler(ngx_event_t *ev)
{
    ngx_ai_op_t *op = ev->data;

    ngx_ai_store_t  *st;

    st = op->store;
    st->timeouts++;

    if (op->in_flight) {

        /* its reply may come at any time: nothing can be asked before */

        ngx_ai_store_reason(st, "no reply in %Mms", op->timeout);
        ngx_ai_store_lost(st);
        return;
    }

    ngx_ai_store_unqueue(op);
    ngx_ai_store_end(op, NGX_DECLINED, "timed out before it was sent");

    ngx_ai_store_run(st);
}


void
ngx_ai_store_run(ngx_ai_store_t *st)
{
    ngx_ai_op_t  *op;

    while (st->state == NGX_AI_STORE_READY && st->nwaiting
           && st->nsent < st->kind->depth)
    {
        op = ngx_queue_data(ngx_queue_head(&st->waiting), ngx_ai_op_t, queue);

        ngx_ai_store_unqueue(op);

        op->in_flight = 1;
        ngx_queue_insert_tail(&st->sent, &op->queue);
        st->nsent++;

        if (st->kind->submit(st, op) != NGX_OK) {
            ngx_ai_store_lost(st);
            return;
        }
    }

    if (ngx_exiting) {
        ngx_ai_store_quit(st, 0);
    }
}


/* it stays of use: a stream may settle minutes later, and connects again */

void
ngx_ai_store_quit(ngx_ai_store_t *st, ngx_uint_t now)
{
    if (now) {
        ngx_ai_store_reason(st, "worker_shutdown_timeout");
        ngx_ai_store_close(st, 0);
        return;
    }

    ngx_ai_store_rest(st);
}


void
ngx_ai_store_rest(ngx_ai_store_t *st)
{
    if (st->nwaiting || st->nsent
        || st->state == NGX_AI_STORE_DOWN || st->state == NGX_AI_STORE_CLOSED)
    {
        return;
    }

    ngx_ai_store_resolve_cancel(st);
    st->kind->close(st);
    st->reason[0] = '\0';

    ngx_ai_store_set(st, NGX_AI_STORE_DOWN, 0);
}


void
ngx_ai_store_close(ngx_ai_store_t *st, ngx_uint_t quiet)
{
    if (st->state != NGX_AI_STORE_CLOSED) {
        ngx_ai_store_resolve_cancel(st);
        st->kind->close(st);

        ngx_ai_store_set(st, NGX_AI_STORE_CLOSED, 0);

        ngx_ai_store_fail(st, &st->sent, NGX_ABORT);
        ngx_ai_store_fail(st, &st->waiting, NGX_DECLINED);
    }

    if (quiet) {
        ngx_ai_store_forget(st);
    }

    if (st->resolved) {
        ngx_destroy_pool(st->resolved);
        st->resolved = NULL;
        st->naddrs = 0;
    }
}


/* at exit no posted event would run any more */

static void
ngx_ai_store_forget(ngx_ai_store_t *st)
{
    ngx_queue_t  *q;
    ngx_ai_op_t  *op;

    while (!ngx_queue_empty(&st->ended)) {
        q = ngx_queue_head(&st->ended);
        op = ngx_queue_data(q, ngx_ai_op_t, queue);

        ngx_queue_remove(q);

        if (op->done.posted) {
            ngx_delete_posted_event(&op->done);
        }

        ngx_destroy_pool(op->pool);
    }
}


void
ngx_ai_store_done(ngx_ai_store_t *st, ngx_ai_op_t *op, ngx_int_t rc)
{
    ngx_queue_remove(&op->queue);
    st->nsent--;

    ngx_queue_insert_tail(&st->ended, &op->queue);
    ngx_ai_op_end(op, rc);
}


void
ngx_ai_store_recall(ngx_ai_store_t *st, ngx_ai_op_t *op)
{
    ngx_queue_remove(&op->queue);
    st->nsent--;

    op->in_flight = 0;
}


void
ngx_ai_store_drop(ngx_ai_op_t *op)
{
    ngx_ai_store_t  *st;

    st = op->store;

    ngx_ai_store_unqueue(op);

    if (op->deadline.timer_set) {
        ngx_del_timer(&op->deadline);
    }

    ngx_destroy_pool(op->pool);

    if (ngx_exiting) {
        ngx_ai_store_quit(st, 0);
    }
}


static void
ngx_ai_store_unqueue(ngx_ai_op_t *op)
{
    ngx_queue_remove(&op->queue);
    op->waiting = 0;
    op->store->nwaiting--;
}


/* text: a literal */

static void
ngx_ai_store_end(ngx_ai_op_t *op, ngx_int_t rc, const char *text)
{
    op->text.data = (u_char *) text;
    op->text.len = ngx_strlen(text);

    ngx_queue_insert_tail(&op->store->ended, &op->queue);
    ngx_ai_op_end(op, rc);
}


static void
ngx_ai_store_fail(ngx_ai_store_t *st, ngx_queue_t *queue, ngx_int_t rc)
{
    ngx_str_t     text;
    ngx_queue_t  *q;
    ngx_ai_op_t  *op;

    text.data = st->reason;
    text.len = ngx_strlen(st->reason);

    while (!ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        op = ngx_queue_data(q, ngx_ai_op_t, queue);

        ngx_queue_remove(q);

        op->text.data = ngx_pstrdup(op->pool, &text);
        op->text.len = op->text.data ? text.len : 0;

        ngx_queue_insert_tail(&st->ended, &op->queue);
        ngx_ai_op_end(op, rc);
    }

    if (queue == &st->sent) {
        st->nsent = 0;

    } else {
        st->nwaiting = 0;
    }
}
