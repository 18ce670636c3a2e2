
/*
 * Pages of ai.directory(), into the directory: changes since a mark, or all of
 * it, behind which comes a sweep.
 */


#include "ngx_ai_feed_int.h"


#define NGX_AI_FEED_RECORD  8       /* bytes: far less than one takes */


static const u_char *
ngx_ai_feed_stored(ngx_ai_feed_t *feed, ai_dir_mark_t which, u_char *to)
{
    ai_str_t             mark;
    ngx_str_t            text;
    ngx_ai_directory_t  *d;

    d = feed->conf.directory;

    ngx_ai_directory_lock(d);

    mark = ai_dir_mark(d->dir, which);
    text.data = (u_char *) mark.data;
    text.len = mark.len;

    if (ngx_ai_feed_mark(to, &text) != NGX_OK) {
        to[0] = '\0';
    }

    ngx_ai_directory_unlock(d);

    return to;
}


static void
ngx_ai_feed_pass(ngx_ai_feed_t *feed)
{
    ngx_ai_directory_t  *d;

    d = feed->conf.directory;

    feed->full = 0;
    feed->pass = 1;
    feed->mark[0] = '\0';

    ngx_ai_directory_lock(d);
    ai_dir_pass_begin(d->dir, NGX_AI_FEED_TENANTS);
    ngx_ai_directory_unlock(d);
}


void
ngx_ai_feed_changes_ask(ngx_ai_feed_t *feed, ngx_ai_pg_query_t *q)
{
    if (!feed->reading) {
        feed->reading = 1;
        feed->looked = 1;
        feed->wanted = 0;
        feed->pass = 0;
        feed->asked = ngx_current_msec;
        feed->after[0] = '\0';
        feed->pages = 0;

        (void) ngx_ai_feed_stored(feed, AI_DIR_MARK_FEED, feed->mark);

        if (feed->full || feed->mark[0] == '\0') {
            ngx_ai_feed_pass(feed);
        }
    }

    q->sql = "SELECT kind, name, doc, mark FROM ai.directory($1, $2, $3::int)";
    q->n = 3;
    q->value[0] = (const char *) feed->mark;
    q->value[1] = (const char *) feed->after;
    q->value[2] = NGX_AI_FEED_PAGE_TEXT;
}


static void
ngx_ai_feed_loaded(ngx_ai_feed_t *feed)
{
    ai_str_t             mark;
    ngx_ai_directory_t  *d;

    d = feed->conf.directory;

    mark.data = feed->begun;
    mark.len = ngx_strlen(feed->begun);

    ngx_ai_directory_lock(d);

    /* changes since a mark are behind all that was there at the mark */

    ai_dir_set_mark(d->dir, AI_DIR_MARK_FEED, &mark);
    ai_dir_set_loaded(d->dir);

    ngx_ai_directory_unlock(d);

    feed->pass = 0;
}


void
ngx_ai_feed_sweep(ngx_ai_feed_t *feed)
{
    int                  rc;
    ngx_ai_directory_t  *d;

    d = feed->conf.directory;

    ngx_ai_directory_lock(d);
    rc = ai_dir_pass_sweep(d->dir, NGX_AI_FEED_TENANTS, NGX_AI_FEED_PAGE);
    ngx_ai_directory_unlock(d);

    if (rc != AI_AGAIN) {
        feed->sweeping = 0;
        ngx_ai_feed_loaded(feed);
    }
}


/* the last row of the last page */

static ngx_int_t
ngx_ai_feed_last(ngx_ai_feed_t *feed, ngx_ai_op_t *op, int row)
{
    ngx_str_t   doc, mark;
    ngx_uint_t  full;

    doc = ngx_ai_pg_value(op, row, 2);
    mark = ngx_ai_pg_value(op, row, 3);

    full = doc.len == 4 && ngx_memcmp(doc.data, "full", 4) == 0;

    if ((!full && (doc.len != 7 || ngx_memcmp(doc.data, "changes", 7) != 0))
        || mark.len == 0 || ngx_ai_feed_mark(feed->begun, &mark) != NGX_OK)
    {
        return NGX_ERROR;
    }

    feed->reading = 0;

    if (full && !feed->pass) {

        /* the mark is too old: what is gone shows in a pass of its own */

        feed->full = 1;
        feed->looked = 0;

        return NGX_OK;
    }

    if (feed->pass && full) {
        feed->sweeping = 1;
        return NGX_OK;
    }

    ngx_ai_feed_loaded(feed);

    return NGX_OK;
}


static ngx_int_t
ngx_ai_feed_row(ngx_ai_feed_t *feed, ngx_ai_op_t *op, int row)
{
    ngx_str_t  kind, name, doc;

    kind = ngx_ai_pg_value(op, row, 0);
    name = ngx_ai_pg_value(op, row, 1);
    doc = ngx_ai_pg_value(op, row, 2);

    if (kind.len != 1 || name.len == 0 || name.len > AI_DIR_KEY_MAX) {
        return NGX_ERROR;
    }

    /* an empty document is one, SQL's NULL is none */

    if (doc.data == NULL
        && !PQgetisnull(ngx_ai_pg_result(op), row, 2))
    {
        return NGX_ERROR;
    }

    ngx_ai_directory_doc(feed->conf.directory, kind.data[0], &name, &doc,
                         feed->log);

    return NGX_OK;
}


ngx_int_t
ngx_ai_feed_changes_done(ngx_ai_feed_t *feed, ngx_ai_op_t *op)
{
    int        row, n;
    u_char    *p, after[sizeof(feed->after)];
    ngx_str_t  kind, name;

    n = PQntuples(ngx_ai_pg_result(op));

    if (n == 0 || n > NGX_AI_FEED_PAGE + 1
        || PQnfields(ngx_ai_pg_result(op)) != 4)
    {
        return NGX_ERROR;
    }

    for (row = 0; row < n; row++) {
        kind = ngx_ai_pg_value(op, row, 0);

        if (kind.len == 3 && ngx_memcmp(kind.data, "end", 3) == 0) {
            return row == n - 1 ? ngx_ai_feed_last(feed, op, row) : NGX_ERROR;
        }

        if (ngx_ai_feed_row(feed, op, row) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    kind = ngx_ai_pg_value(op, n - 1, 0);
    name = ngx_ai_pg_value(op, n - 1, 1);
    p = ngx_sprintf(after, "%c\t", kind.data[0]);
    p = ngx_cpymem(p, name.data, name.len);
    *p = '\0';

    /* or this would never end: there is no room for so many records */

    if (++feed->pages > feed->conf.conf->directory / NGX_AI_FEED_RECORD
                        / NGX_AI_FEED_PAGE + 2
        || ngx_strcmp(after, feed->after) == 0)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(feed->after, after, p + 1 - after);

    return NGX_OK;
}
