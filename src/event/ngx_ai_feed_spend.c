
/*
 * What other nodes used: rows of ai.spend_others(), into the directory, where
 * they outlive the worker and its book, and into the book.
 */


#include "ngx_ai_feed_int.h"


#define NGX_AI_SPEND_COLUMNS  14
#define NGX_AI_SPEND_MARK     13


void
ngx_ai_feed_spend_ask(ngx_ai_feed_t *feed, ngx_ai_pg_query_t *q)
{
    ai_str_t             mark;
    ngx_str_t            text;
    ngx_ai_directory_t  *d;

    d = feed->conf.directory;
    feed->spent = ngx_current_msec;

    ngx_ai_directory_lock(d);

    mark = ai_dir_mark(d->dir, AI_DIR_MARK_SPEND);
    text.data = (u_char *) mark.data;
    text.len = mark.len;

    if (ngx_ai_feed_mark(feed->mark, &text) != NGX_OK) {
        feed->mark[0] = '\0';
    }

    ngx_ai_directory_unlock(d);

    q->sql = "SELECT tenant, key, day, month, d_requests, d_input, d_output, "
             "d_cost, m_requests, m_input, m_output, m_cost, t_cost, mark "
             "FROM ai.spend_others($1::uuid, $2)";
    q->n = 2;
    q->value[0] = (const char *) feed->conf.node;
    q->value[1] = (const char *) feed->mark;
}


void
ngx_ai_feed_spend_drop(ngx_ai_feed_t *feed)
{
    if (feed->spend) {
        PQclear(feed->spend);
        feed->spend = NULL;
    }
}


/* a decimal number, perhaps negative; saturated */

static ngx_int_t
ngx_ai_spend_number(PGresult *res, int row, int column, int64_t *n)
{
    const char  *p;
    ngx_uint_t   minus;

    p = PQgetvalue(res, row, column);
    minus = (*p == '-');
    p += minus;

    if (*p == '\0') {
        return NGX_ERROR;
    }

    for (*n = 0; *p; p++) {

        if (*p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        *n = *n > (AI_BASE_MAX - 9) / 10 ? AI_BASE_MAX : *n * 10 + (*p - '0');
    }

    *n = minus ? -*n : *n;

    return NGX_OK;
}


static ngx_int_t
ngx_ai_spend_base(PGresult *res, int row, ai_base_t *base)
{
    int      i;
    int64_t  n[NGX_AI_SPEND_MARK];

    for (i = 2; i < NGX_AI_SPEND_MARK; i++) {
        if (ngx_ai_spend_number(res, row, i, &n[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (n[2] < 0 || n[2] > 99991231 || n[3] < 0 || n[3] > 999912) {
        return NGX_ERROR;
    }

    ngx_memzero(base, sizeof(ai_base_t));

    base->day = (uint32_t) n[2];
    base->month = (uint32_t) n[3];
    base->used_day[AI_RES_REQUESTS] = n[4];
    base->used_day[AI_RES_TOKENS] = n[5] + n[6];
    base->used_day[AI_RES_INPUT_TOKENS] = n[5];
    base->used_day[AI_RES_OUTPUT_TOKENS] = n[6];
    base->used_day[AI_RES_COST] = n[7];
    base->used_month[AI_RES_REQUESTS] = n[8];
    base->used_month[AI_RES_TOKENS] = n[9] + n[10];
    base->used_month[AI_RES_INPUT_TOKENS] = n[9];
    base->used_month[AI_RES_OUTPUT_TOKENS] = n[10];
    base->used_month[AI_RES_COST] = n[11];
    base->cost = n[12];

    return NGX_OK;
}


/* "name" is a tenant, or a tenant, a tab and a key */

static void
ngx_ai_spend_count(ngx_ai_feed_t *feed, const ai_str_t *name,
    const ai_base_t *base)
{
    int             rc;
    u_char         *tab;
    ai_now_t        now;
    ai_str_t        tenant, key;
    ai_owner_id_t   id;

    tenant = *name;
    tab = memchr(name->data, '\t', name->len);

    if (tab) {
        tenant.len = (size_t) (tab - name->data);
        key.data = tab + 1;
        key.len = name->len - tenant.len - 1;
    }

    ai_owner_id(&id, &tenant, tab ? &key : NULL);
    ngx_ai_now(&now);

    ngx_ai_zone_lock(feed->conf.zone);
    rc = ai_book_base(feed->conf.zone->book, &id, base, &now);
    ngx_ai_zone_unlock(feed->conf.zone);

    if (rc != AI_OK && !feed->missed) {
        feed->missed = 1;
        ngx_log_error(NGX_LOG_ALERT, feed->log, 0,
                      "ai directory: the zone is too small: what other nodes "
                      "used is not counted");
    }
}


static ngx_int_t
ngx_ai_spend_row(ngx_ai_feed_t *feed, int row)
{
    u_char              *p, text[AI_DIR_KEY_MAX];
    size_t               tenant, key;
    ai_str_t             name;
    PGresult            *res;
    ai_base_t            base;
    ngx_ai_directory_t  *d;

    res = feed->spend;
    d = feed->conf.directory;

    tenant = (size_t) PQgetlength(res, row, 0);
    key = (size_t) PQgetlength(res, row, 1);

    if (tenant == 0 || tenant + 1 + key > sizeof(text)
        || ngx_ai_spend_base(res, row, &base) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_cpymem(text, PQgetvalue(res, row, 0), tenant);

    if (key) {
        *p++ = '\t';
        p = ngx_cpymem(p, PQgetvalue(res, row, 1), key);
    }

    name.data = text;
    name.len = (size_t) (p - text);

    ngx_ai_directory_lock(d);
    (void) ai_dir_put(d->dir, AI_DIR_SPEND, &name, (ai_char *) &base,
                      sizeof(base));
    ngx_ai_directory_unlock(d);

    ngx_ai_spend_count(feed, &name, &base);

    return NGX_OK;
}


/* all rows are in: those that come next are newer */

static ngx_int_t
ngx_ai_spend_end(ngx_ai_feed_t *feed)
{
    u_char               text[NGX_AI_FEED_MARK];
    ai_str_t             mark;
    ngx_str_t            value;
    ngx_ai_directory_t  *d;

    value.data = (u_char *) PQgetvalue(feed->spend, feed->row,
                                       NGX_AI_SPEND_MARK);
    value.len = ngx_strlen(value.data);

    if (ngx_ai_feed_mark(text, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    mark.data = text;
    mark.len = value.len;

    d = feed->conf.directory;

    ngx_ai_directory_lock(d);
    ai_dir_set_mark(d->dir, AI_DIR_MARK_SPEND, &mark);
    ngx_ai_directory_unlock(d);

    return NGX_OK;
}


void
ngx_ai_feed_spend_rows(ngx_ai_feed_t *feed)
{
    int         last, end;
    ngx_int_t   rc;
    ngx_str_t   text = ngx_string("a row of it is odd");

    rc = NGX_OK;
    last = PQntuples(feed->spend) - 1;
    end = ngx_min(last, feed->row + NGX_AI_FEED_PAGE);

    for ( /* void */ ; feed->row < end && rc == NGX_OK; feed->row++) {
        rc = ngx_ai_spend_row(feed, feed->row);
    }

    if (rc == NGX_OK && feed->row < last) {
        return;
    }

    if (rc != NGX_OK || ngx_ai_spend_end(feed) != NGX_OK) {
        ngx_ai_feed_failed(feed, NGX_AI_FEED_SPEND, "an odd answer", &text);

    } else {
        ngx_ai_feed_works(feed, NGX_AI_FEED_SPEND);
    }

    ngx_ai_feed_spend_drop(feed);
}


/*
 * Rows may be many, a list of all tenants: the result is taken from its op,
 * which is freed behind this, and applied piece by piece.
 */

ngx_int_t
ngx_ai_feed_spend_done(ngx_ai_feed_t *feed, ngx_ai_op_t *op)
{
    int                  n;
    PGresult            *res;
    ngx_pool_cleanup_t  *cln;

    res = ngx_ai_pg_result(op);
    n = PQntuples(res);

    if (n == 0 || PQnfields(res) != NGX_AI_SPEND_COLUMNS
        || !PQgetisnull(res, n - 1, 0)
        || PQgetisnull(res, n - 1, NGX_AI_SPEND_MARK))
    {
        return NGX_ERROR;
    }

    for (cln = op->pool->cleanup; cln; cln = cln->next) {
        if (cln->data == res) {
            cln->handler = NULL;
            feed->spend = res;
            feed->row = 0;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


/* the book may be newer than the directory, or has lost what it had no room
   for: all records once more */

void
ngx_ai_feed_spend_walk(ngx_ai_feed_t *feed)
{
    int                     rc;
    ai_str_t                name;
    ai_base_t               base;
    ngx_uint_t              i;
    ngx_ai_directory_t     *d;

    static ai_dir_record_t  record;

    d = feed->conf.directory;

    if (feed->walk == 0) {
        feed->missed = 0;
    }

    for (i = 0; i < NGX_AI_FEED_PAGE; i++) {
        ngx_ai_directory_lock(d);
        rc = ai_dir_each(d->dir, &feed->walk, &record);
        ngx_ai_directory_unlock(d);

        if (rc == AI_DECLINED) {
            feed->walking = 0;
            return;
        }

        if (rc != AI_OK) {
            return;
        }

        if (record.kind == AI_DIR_SPEND
            && record.value_len == sizeof(ai_base_t))
        {
            name.data = record.key;
            name.len = record.key_len;
            ngx_memcpy(&base, record.value, sizeof(base));
            ngx_ai_spend_count(feed, &name, &base);
        }
    }
}
