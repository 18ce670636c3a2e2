
/*
 * The sink's batches to PostgreSQL.
 *
 * One batch is on its way at a time, and the same one until it is committed:
 * when its outcome is not known it is sent again, and the database knows the
 * rows by their ids.  Nothing is read of the rows here.
 */


#include "ngx_ai_shipper.h"
#include "ngx_ai_spool.h"


#define NGX_AI_SHIPPER_TICK   20        /* ms, while this worker is the sink */
#define NGX_AI_SHIPPER_LOOK   200       /* ms, while it is not */
#define NGX_AI_SHIPPER_RETRY  100       /* ms, doubled by each failure */
#define NGX_AI_SHIPPER_MAX    5000
#define NGX_AI_SHIPPER_WELL_MS  1000    /* without a failure: all is well */
#define NGX_AI_SHIPPER_TOLD   60000     /* ms between lines on quarantine */


/* what was logged last; the connection's troubles have lines of their own */

typedef enum {
    NGX_AI_SHIPPER_WELL = 0,
    NGX_AI_SHIPPER_AWAY,        /* no connection, or no answer */
    NGX_AI_SHIPPER_REFUSED,     /* an error of the server */
    NGX_AI_SHIPPER_ODD          /* an answer that is none */
} ngx_ai_shipper_state_t;

struct ngx_ai_shipper_s {
    ngx_ai_ledger_t         *ledger;
    ngx_ai_spool_t          *spool;
    ngx_ai_pg_t             *pg;
    ngx_log_t               *log;

    ngx_event_t              tick;
    ngx_ai_batch_t          *batch;     /* ours, until it is committed */
    ngx_ai_op_t             *op;        /* NULL: the batch waits for "delay" */
    ngx_msec_t               delay;
    ngx_msec_t               next;      /* not before, of ngx_current_msec */

    ngx_ai_shipper_state_t   state;
    u_char                   code[6];
    ngx_msec_t               failed;    /* the last time */
    ngx_msec_t               told;      /* of rows in quarantine */
    uint64_t                 odd;       /* not told yet */
    ngx_ai_shipper_stat_t    stat;
};


static void ngx_ai_shipper_tick_handler(ngx_event_t *ev);
static void ngx_ai_shipper_done(ngx_ai_op_t *op);


ngx_ai_shipper_t *
ngx_ai_shipper_start(ngx_cycle_t *cycle, ngx_ai_ledger_t *ld, ngx_ai_pg_t *pg)
{
    ngx_ai_shipper_t  *sh;

    if (ngx_ai_ledger_spool(ld) == NULL || ngx_ai_ledger_node(ld) == NULL) {
        return NULL;
    }

    sh = ngx_pcalloc(cycle->pool, sizeof(ngx_ai_shipper_t));
    if (sh == NULL) {
        return NULL;
    }

    sh->ledger = ld;
    sh->spool = ngx_ai_ledger_spool(ld);
    sh->pg = pg;
    sh->log = cycle->log;

    sh->tick.handler = ngx_ai_shipper_tick_handler;
    sh->tick.data = sh;
    sh->tick.log = cycle->log;
    sh->tick.cancelable = 1;

    ngx_add_timer(&sh->tick, NGX_AI_SHIPPER_TICK);

    return sh;
}


void
ngx_ai_shipper_stop(ngx_ai_shipper_t *sh)
{
    if (sh->tick.timer_set) {
        ngx_del_timer(&sh->tick);
    }

    if (sh->op) {
        ngx_ai_op_detach(sh->op);
        sh->op = NULL;
    }

    if (sh->batch) {
        ngx_ai_spool_back(sh->batch);
        sh->batch = NULL;
    }
}


void
ngx_ai_shipper_stat(ngx_ai_shipper_t *sh, ngx_ai_shipper_stat_t *st)
{
    ngx_ai_ledger_stat_t  ledger;

    ngx_ai_ledger_stat(sh->ledger, &ledger);

    *st = sh->stat;
    st->behind = ledger.behind;
    st->failing = sh->state != NGX_AI_SHIPPER_WELL;
}


/* the same again, later; half of it is chance, for there are other nodes */

static void
ngx_ai_shipper_later(ngx_ai_shipper_t *sh)
{
    sh->delay = sh->delay ? ngx_min(sh->delay * 2, NGX_AI_SHIPPER_MAX)
                          : NGX_AI_SHIPPER_RETRY;

    sh->next = ngx_current_msec + sh->delay / 2
               + (ngx_msec_t) ngx_random() % (sh->delay / 2 + 1);

    sh->stat.retries++;
}


static void
ngx_ai_shipper_failed(ngx_ai_shipper_t *sh, ngx_ai_shipper_state_t state,
    const u_char *code, ngx_str_t *text)
{
    ngx_ai_shipper_later(sh);
    sh->failed = ngx_current_msec;

    if (sh->state == state && ngx_strcmp(sh->code, code) == 0) {
        return;
    }

    sh->state = state;
    ngx_cpystrn(sh->code, (u_char *) code, sizeof(sh->code));

    switch (state) {

    case NGX_AI_SHIPPER_REFUSED:
        ngx_log_error(NGX_LOG_ERR, sh->log, 0,
                      "ai ledger: the database refuses rows: %s: %V, they are "
                      "kept and sent again", code, text);
        break;

    case NGX_AI_SHIPPER_ODD:
        ngx_log_error(NGX_LOG_ERR, sh->log, 0,
                      "ai ledger: the database's answer to rows is not that of "
                      "ai.ship(), they are kept and sent again");
        break;

    default:
        ngx_log_error(NGX_LOG_ERR, sh->log, 0,
                      "ai ledger: the database does not answer, rows are kept "
                      "and sent again");
    }
}


static void
ngx_ai_shipper_send(ngx_ai_shipper_t *sh)
{
    ngx_str_t          none = ngx_null_string;
    ngx_ai_pg_query_t  q;

    ngx_memzero(&q, sizeof(q));

    q.sql = "SELECT inserted, duplicates, quarantined "
            "FROM ai.ship($1::uuid, $2::bytea)";
    q.n = 2;
    q.value[0] = (const char *) ngx_ai_ledger_node(sh->ledger);
    q.value[1] = (const char *) sh->batch->data;
    q.len[1] = (int) sh->batch->len;
    q.binary[1] = 1;
    q.hold = 1;

    sh->op = ngx_ai_pg_query(sh->pg, &q, ngx_ai_shipper_done, sh);

    if (sh->op == NULL) {
        ngx_ai_shipper_failed(sh, NGX_AI_SHIPPER_AWAY, (u_char *) "", &none);
    }
}


/* takes the next step, if one is due */

static void
ngx_ai_shipper_go(ngx_ai_shipper_t *sh)
{
    if (sh->op || ngx_exiting) {
        return;
    }

    if (sh->batch) {

        if (!ngx_ai_ledger_sink(sh->ledger)) {
            ngx_ai_spool_back(sh->batch);
            sh->batch = NULL;
            sh->delay = 0;
            return;
        }

        if ((ngx_msec_int_t) (sh->next - ngx_current_msec) > 0) {
            return;
        }

    } else {
        sh->batch = ngx_ai_spool_take(sh->spool);
    }

    if (sh->batch) {
        ngx_ai_shipper_send(sh);
    }
}


/* a database that takes each second batch is not well: no two lines each */

static void
ngx_ai_shipper_tell(ngx_ai_shipper_t *sh)
{
    ngx_msec_t            now;
    ngx_ai_ledger_stat_t  st;

    now = ngx_current_msec;

    if (sh->state != NGX_AI_SHIPPER_WELL && sh->delay == 0
        && now - sh->failed >= NGX_AI_SHIPPER_WELL_MS)
    {
        sh->state = NGX_AI_SHIPPER_WELL;
        sh->code[0] = '\0';

        ngx_ai_ledger_stat(sh->ledger, &st);
        ngx_log_error(NGX_LOG_NOTICE, sh->log, 0,
                      "ai ledger: the database takes rows again, %uL bytes of "
                      "them are behind", st.behind);
    }

    if (sh->odd && (sh->told == 0 || now - sh->told >= NGX_AI_SHIPPER_TOLD)) {
        ngx_log_error(NGX_LOG_CRIT, sh->log, 0,
                      "ai ledger: %uL rows went to ai.quarantine, they are not "
                      "billed", sh->odd);
        sh->odd = 0;
        sh->told = now ? now : 1;
    }
}


static void
ngx_ai_shipper_tick_handler(ngx_event_t *ev)
{
    ngx_ai_shipper_t  *sh = ev->data;

    ngx_ai_shipper_tell(sh);
    ngx_ai_shipper_go(sh);

    ngx_add_timer(ev, ngx_ai_ledger_sink(sh->ledger) ? NGX_AI_SHIPPER_TICK
                                                     : NGX_AI_SHIPPER_LOOK);
}


static void
ngx_ai_shipper_committed(ngx_ai_shipper_t *sh, int64_t n[3])
{
    sh->stat.rows += (uint64_t) n[0];
    sh->stat.duplicates += (uint64_t) n[1];
    sh->stat.quarantined += (uint64_t) n[2];
    sh->stat.committed = ngx_time();
    sh->odd += (uint64_t) n[2];
    sh->delay = 0;

    ngx_ai_spool_done(sh->batch);
    sh->batch = NULL;

    ngx_ai_ledger_wake(sh->ledger);
}


/* inserted, duplicates, quarantined: each line is one of them */

static ngx_int_t
ngx_ai_shipper_answer(ngx_ai_shipper_t *sh, ngx_ai_op_t *op, int64_t n[3])
{
    int        i;
    uint64_t   sum;
    ngx_str_t  v;

    sum = 0;

    for (i = 0; i < 3; i++) {
        v = ngx_ai_pg_value(op, 0, i);
        n[i] = (int64_t) ngx_atoof(v.data, v.len);

        if (n[i] < 0 || (uint64_t) n[i] > sh->batch->rows) {
            return NGX_ERROR;
        }

        sum += (uint64_t) n[i];
    }

    return sum == sh->batch->rows ? NGX_OK : NGX_ERROR;
}


static void
ngx_ai_shipper_done(ngx_ai_op_t *op)
{
    int64_t            n[3];
    ngx_ai_shipper_t  *sh = op->data;

    sh->op = NULL;

    if (op->rc == NGX_ERROR) {
        ngx_ai_shipper_failed(sh, NGX_AI_SHIPPER_REFUSED, op->code, &op->text);

    } else if (op->rc != NGX_OK) {
        ngx_ai_shipper_failed(sh, NGX_AI_SHIPPER_AWAY, (u_char *) "",
                              &op->text);

    } else if (ngx_ai_shipper_answer(sh, op, n) != NGX_OK) {
        ngx_ai_shipper_failed(sh, NGX_AI_SHIPPER_ODD, (u_char *) "",
                              &op->text);

    } else {
        ngx_ai_shipper_committed(sh, n);
        ngx_ai_shipper_go(sh);
    }
}
