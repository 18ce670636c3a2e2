
/*
 * The feed: what the database says of tenants, and of what other nodes used,
 * brought into shared memory by the one worker that is the ledger's sink.
 *
 * One statement is on its way at a time.  A tick finds out what is due: local
 * work that was left (rows to apply, a sweep), then the greeting, then changes,
 * others' spending and maintenance.  The marks of what was read lie in the
 * directory itself, so that another worker goes on where this one stopped.
 */


#include "ngx_ai_feed_int.h"


#define NGX_AI_FEED_SCHEMA     12       /* the newest migration needed */
#define NGX_AI_FEED_VERSION    "0.1.0"

#define NGX_AI_FEED_TICK       50       /* ms: notifications are coalesced */
#define NGX_AI_FEED_LOOK       200      /* ms, while another is the sink */
#define NGX_AI_FEED_MORE       1        /* ms between two pieces of work */
#define NGX_AI_FEED_MAINTAIN_MS  60000
#define NGX_AI_FEED_DELAY_MAX  5000
#define NGX_AI_FEED_WELL       2000     /* ms without a failure */
#define NGX_AI_FEED_LINES      10       /* of an answer, in the log */
#define NGX_AI_FEED_LINE       512      /* bytes of each */


static void ngx_ai_feed_tick_handler(ngx_event_t *ev);
static void ngx_ai_feed_done(ngx_ai_op_t *op);
static const char *ngx_ai_feed_advice(const char *code);
static void ngx_ai_feed_printable(ngx_str_t *line);


static const char *const  ngx_ai_feed_channels[] = { "ai_changes", NULL };

static const char *const  ngx_ai_feed_steps[] = {
    "ai.hello()", "ai.register()", "ai.directory()", "ai.spend_others()",
    "ai.maintain()", "LISTEN"
};


ngx_ai_feed_t *
ngx_ai_feed_start(ngx_cycle_t *cycle, ngx_ai_feed_conf_t *conf)
{
    ngx_ai_feed_t  *feed;

    feed = ngx_pcalloc(cycle->pool, sizeof(ngx_ai_feed_t));
    if (feed == NULL) {
        return NULL;
    }

    feed->conf = *conf;
    feed->log = cycle->log;

    feed->tick.handler = ngx_ai_feed_tick_handler;
    feed->tick.data = feed;
    feed->tick.log = cycle->log;
    feed->tick.cancelable = 1;

    ngx_add_timer(&feed->tick, NGX_AI_FEED_MORE);

    return feed;
}


static void
ngx_ai_feed_forget(ngx_ai_feed_t *feed)
{
    if (feed->op) {
        ngx_ai_op_detach(feed->op);
        feed->op = NULL;
    }

    ngx_ai_feed_spend_drop(feed);

    feed->active = 0;
    feed->greeted = 0;
    feed->registered = 0;
    feed->unregistered = 0;
    feed->looked = 0;
    feed->reading = 0;
    feed->full = 0;
    feed->pass = 0;
    feed->sweeping = 0;
    feed->walking = 0;
}


void
ngx_ai_feed_stop(ngx_ai_feed_t *feed)
{
    if (feed->tick.timer_set) {
        ngx_del_timer(&feed->tick);
    }

    ngx_ai_feed_forget(feed);
}


void
ngx_ai_feed_stat(ngx_ai_feed_t *feed, ngx_ai_feed_stat_t *st)
{
    ai_dir_t  *dir;

    dir = feed->conf.directory->dir;

    st->complete = ai_dir_complete(dir) ? 1 : 0;
    st->heard = feed->heard;
    st->version = ai_dir_version(dir);
}


void
ngx_ai_feed_failed(ngx_ai_feed_t *feed, ngx_ai_feed_step_t step,
    const char *code, ngx_str_t *text)
{
    u_char      *said;
    const char  *why;

    feed->delay = feed->delay
                  ? ngx_min(feed->delay * 2, NGX_AI_FEED_DELAY_MAX)
                  : ngx_max(feed->conf.conf->poll, NGX_AI_FEED_TICK);
    feed->next = ngx_current_msec + feed->delay;

    said = feed->said[step];
    feed->failed[step] = ngx_current_msec;

    /* no code: a word, for "" is said of what works */

    why = code[0] ? code : "-";

    if (ngx_strcmp(said, why) == 0) {
        return;
    }

    ngx_cpystrn(said, (u_char *) why, NGX_AI_FEED_SAID);

    ngx_log_error(NGX_LOG_ERR, feed->log, 0,
                  "ai directory: %s failed: %s%s%V%s", ngx_ai_feed_steps[step],
                  code, code[0] ? ": " : "", text, ngx_ai_feed_advice(code));
}


/* what an operator has most likely forgotten */

static const char *
ngx_ai_feed_advice(const char *code)
{
    ngx_uint_t          i;
    static const char  *unmade[] = { "3F000", "42883", "42P01", "42703" };

    for (i = 0; i < sizeof(unmade) / sizeof(unmade[0]); i++) {
        if (ngx_strcmp(code, unmade[i]) == 0) {
            return " (has \"tools/db migrate\" been run?)";
        }
    }

    if (ngx_strcmp(code, "42501") == 0) {
        return " (the \"user\" of ai_postgres needs the rights of "
               "ai_gateway)";
    }

    return "";
}


/* what fails each second time does not work: no two lines each */

void
ngx_ai_feed_works(ngx_ai_feed_t *feed, ngx_ai_feed_step_t step)
{
    feed->delay = 0;

    if (feed->said[step][0] == '\0'
        || ((step == NGX_AI_FEED_CHANGES || step == NGX_AI_FEED_SPEND)
            && ngx_current_msec - feed->failed[step] < NGX_AI_FEED_WELL))
    {
        return;
    }

    feed->said[step][0] = '\0';
    ngx_log_error(NGX_LOG_NOTICE, feed->log, 0, "ai directory: %s works",
                  ngx_ai_feed_steps[step]);
}


ngx_int_t
ngx_ai_feed_mark(u_char to[NGX_AI_FEED_MARK], ngx_str_t *from)
{
    if (from->len >= NGX_AI_FEED_MARK) {
        return NGX_ERROR;
    }

    ngx_memcpy(to, from->data, from->len);
    to[from->len] = '\0';

    return NGX_OK;
}


/* the connection may be up already, by a batch of rows: LISTEN once more */

static void
ngx_ai_feed_listen(ngx_ai_feed_t *feed, const char *sql)
{
    ngx_ai_pg_query_t  q;

    ngx_memzero(&q, sizeof(q));
    q.sql = sql;

    feed->step = NGX_AI_FEED_NOTHING;
    feed->op = ngx_ai_pg_query(feed->conf.pg, &q, ngx_ai_feed_done, feed);
}


/* nginx does not move a timer by less than 300 ms, unless it is deleted */

static void
ngx_ai_feed_soon(ngx_ai_feed_t *feed)
{
    if (feed->tick.timer_set) {
        ngx_del_timer(&feed->tick);
        ngx_add_timer(&feed->tick, NGX_AI_FEED_MORE);
    }
}


static void
ngx_ai_feed_notify(void *data, const char *channel, const char *payload)
{
    ngx_ai_feed_t  *feed = data;

    feed->wanted = 1;

    if (feed->active && ngx_current_msec - feed->asked >= NGX_AI_FEED_TICK) {
        ngx_ai_feed_soon(feed);
    }
}


/* what lies in the directory may be more than what the book has been told */

static void
ngx_ai_feed_begin(ngx_ai_feed_t *feed)
{
    feed->active = 1;
    feed->walking = 1;
    feed->walk = 0;
    feed->delay = 0;
    feed->maintained = ngx_current_msec - NGX_AI_FEED_MAINTAIN_MS;
    feed->spent = ngx_current_msec - feed->conf.conf->poll;

    if (feed->conf.conf->notify) {
        ngx_ai_pg_listen(feed->conf.pg, ngx_ai_feed_channels,
                         ngx_ai_feed_notify, feed);
        ngx_ai_feed_listen(feed, "LISTEN ai_changes");
    }
}


static void
ngx_ai_feed_end(ngx_ai_feed_t *feed)
{
    ngx_ai_feed_forget(feed);

    if (feed->conf.conf->notify) {
        ngx_ai_pg_unlisten(feed->conf.pg);
    }
}


static ngx_ai_feed_step_t
ngx_ai_feed_due(ngx_ai_feed_t *feed)
{
    ngx_msec_t  now, poll;

    now = ngx_current_msec;
    poll = feed->conf.conf->poll;

    if (!feed->greeted) {
        return NGX_AI_FEED_HELLO;
    }

    if (!feed->registered && !feed->unregistered) {
        return NGX_AI_FEED_REGISTER;
    }

    if (feed->reading || !feed->looked || now - feed->asked >= poll
        || (feed->wanted && now - feed->asked >= NGX_AI_FEED_TICK))
    {
        return NGX_AI_FEED_CHANGES;
    }

    if (now - feed->spent >= poll) {
        return NGX_AI_FEED_SPEND;
    }

    if (now - feed->maintained >= NGX_AI_FEED_MAINTAIN_MS) {
        return NGX_AI_FEED_MAINTAIN;
    }

    return NGX_AI_FEED_NOTHING;
}


static void
ngx_ai_feed_ask(ngx_ai_feed_t *feed, ngx_ai_pg_query_t *q)
{
    /* nginx's has no null behind it */

    static char  schema[NGX_INT_T_LEN + 1], host[NGX_MAXHOSTNAMELEN + 1];

    switch (feed->step) {

    case NGX_AI_FEED_HELLO:
        *ngx_sprintf((u_char *) schema, "%d", NGX_AI_FEED_SCHEMA) = '\0';
        *ngx_snprintf((u_char *) host, NGX_MAXHOSTNAMELEN, "%V",
                      &ngx_cycle->hostname) = '\0';
        q->sql = "SELECT ai.hello($1::uuid, $2, $3, $4::int)";
        q->n = 4;
        q->value[0] = (const char *) feed->conf.node;
        q->value[1] = host;
        q->value[2] = NGX_AI_FEED_VERSION;
        q->value[3] = schema;
        break;

    case NGX_AI_FEED_REGISTER:
        q->sql = "SELECT ai.register($1::uuid, $2)";
        q->n = 2;
        q->value[0] = (const char *) feed->conf.node;
        q->value[1] = (const char *) feed->conf.registered.data;
        break;

    case NGX_AI_FEED_CHANGES:
        ngx_ai_feed_changes_ask(feed, q);
        break;

    case NGX_AI_FEED_SPEND:
        ngx_ai_feed_spend_ask(feed, q);
        break;

    default:
        feed->maintained = ngx_current_msec;
        q->sql = "SELECT ai.maintain()";
    }
}


/* NGX_AGAIN: there is more to do, here and now */

static ngx_int_t
ngx_ai_feed_work(ngx_ai_feed_t *feed)
{
    if (feed->walking) {
        ngx_ai_feed_spend_walk(feed);
        return NGX_AGAIN;
    }

    if (feed->spend) {
        ngx_ai_feed_spend_rows(feed);
        return NGX_AGAIN;
    }

    if (feed->sweeping) {
        ngx_ai_feed_sweep(feed);
        return NGX_AGAIN;
    }

    return NGX_OK;
}


static void
ngx_ai_feed_go(ngx_ai_feed_t *feed)
{
    ngx_str_t          text = ngx_string("no memory");
    ngx_ai_pg_query_t  q;

    if (feed->op
        || (feed->delay
            && (ngx_msec_int_t) (feed->next - ngx_current_msec) > 0))
    {
        return;
    }

    feed->step = ngx_ai_feed_due(feed);

    if (feed->step == NGX_AI_FEED_NOTHING) {
        return;
    }

    ngx_memzero(&q, sizeof(q));
    ngx_ai_feed_ask(feed, &q);

    feed->op = ngx_ai_pg_query(feed->conf.pg, &q, ngx_ai_feed_done, feed);

    if (feed->op == NULL) {
        ngx_ai_feed_failed(feed, feed->step, "", &text);
    }
}


static void
ngx_ai_feed_tick_handler(ngx_event_t *ev)
{
    ngx_msec_t      next;
    ngx_ai_feed_t  *feed = ev->data;

    next = NGX_AI_FEED_TICK;

    if (ngx_exiting || ngx_terminate
        || !feed->conf.active(feed->conf.data))
    {
        if (feed->active) {
            ngx_ai_feed_end(feed);
        }

        next = NGX_AI_FEED_LOOK;

    } else {

        if (!feed->active) {
            ngx_ai_feed_begin(feed);
        }

        if (ngx_ai_feed_work(feed) == NGX_AGAIN) {
            next = NGX_AI_FEED_MORE;

        } else {
            ngx_ai_feed_go(feed);
        }
    }

    ngx_add_timer(ev, next);
}


/* each line is a clash of nginx.conf and the database */

static void
ngx_ai_feed_clashes(ngx_ai_feed_t *feed, ngx_ai_op_t *op)
{
    u_char      *end, *nl;
    ngx_str_t    line, text;
    ngx_uint_t   n;

    text = ngx_ai_pg_value(op, 0, 0);
    end = text.data + text.len;
    n = 0;

    while (text.data < end) {
        nl = ngx_strlchr(text.data, end, '\n');
        nl = nl ? nl : end;

        line.data = text.data;
        line.len = ngx_min(nl - text.data, NGX_AI_FEED_LINE);

        text.data = nl + 1;

        if (line.len && n++ < NGX_AI_FEED_LINES) {
            ngx_ai_feed_printable(&line);
            ngx_log_error(NGX_LOG_WARN, feed->log, 0, "ai directory: %V",
                          &line);
        }
    }

    if (n > NGX_AI_FEED_LINES) {
        ngx_log_error(NGX_LOG_WARN, feed->log, 0,
                      "ai directory: and %ui more clashes, see ai.alerts",
                      n - NGX_AI_FEED_LINES);
    }

    feed->registered = 1;
}


static void
ngx_ai_feed_printable(ngx_str_t *line)
{
    size_t  i;

    for (i = 0; i < line->len; i++) {
        if (line->data[i] < 0x20 || line->data[i] >= 0x7f) {
            line->data[i] = '?';
        }
    }
}


static ngx_int_t
ngx_ai_feed_answer(ngx_ai_feed_t *feed, ngx_ai_op_t *op)
{
    switch (feed->step) {

    case NGX_AI_FEED_HELLO:
        feed->greeted = 1;
        return NGX_OK;

    case NGX_AI_FEED_REGISTER:
        ngx_ai_feed_clashes(feed, op);
        return NGX_OK;

    case NGX_AI_FEED_CHANGES:
        return ngx_ai_feed_changes_done(feed, op);

    case NGX_AI_FEED_SPEND:
        return ngx_ai_feed_spend_done(feed, op);

    case NGX_AI_FEED_MAINTAIN:

        /* ai.nodes tells who was seen lately */

        feed->greeted = 0;
        feed->unregistered = 0;

        /* what found no room then may find some now */

        if (!ai_dir_complete(feed->conf.directory->dir)) {
            feed->full = 1;
            feed->looked = 0;
        }

        if (feed->missed) {
            feed->walking = 1;
            feed->walk = 0;
        }

        return NGX_OK;

    default:
        return NGX_OK;
    }
}


static void
ngx_ai_feed_done(ngx_ai_op_t *op)
{
    ngx_str_t           odd = ngx_string("it is not that function's");
    ngx_ai_feed_t      *feed = op->data;

    feed->op = NULL;

    if (op->rc == NGX_ERROR) {
        feed->reading = 0;

        /* a clash that is not told holds no revocation up */

        feed->unregistered |= (feed->step == NGX_AI_FEED_REGISTER);

        ngx_ai_feed_failed(feed, feed->step, (char *) op->code, &op->text);
        return;
    }

    if (op->rc != NGX_OK) {

        /* the connection has lines of its own */

        feed->reading = 0;
        feed->delay = feed->conf.conf->poll;
        feed->next = ngx_current_msec + feed->delay;
        return;
    }

    feed->heard = ngx_time();

    if (ngx_ai_feed_answer(feed, op) != NGX_OK) {
        feed->reading = 0;
        ngx_ai_feed_failed(feed, feed->step, "an odd answer", &odd);
        return;
    }

    if (!feed->reading && feed->spend == NULL) {
        ngx_ai_feed_works(feed, feed->step);
    }

    if (feed->spend || feed->sweeping
        || ngx_ai_feed_due(feed) != NGX_AI_FEED_NOTHING)
    {
        ngx_ai_feed_soon(feed);
    }
}
