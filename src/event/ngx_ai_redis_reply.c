
/*
 * Redis: replies, from hiredis' reader to an operation's result.
 *
 * hiredis 0.14 allocates whatever a server announces, and aborts the process
 * when a reply comes that no command waits for: neither gets that far.
 */


#include "ngx_ai_redis_int.h"


/* CLUSTER SLOTS nests, and is long when the slots are scattered */

#define NGX_AI_REDIS_SLOTS_BYTES  (1024 * 1024)
#define NGX_AI_REDIS_SLOTS_ITEMS  65536
#define NGX_AI_REDIS_SLOTS_DEPTH  4


static ngx_int_t ngx_ai_redis_admit(const redisReadTask *task, size_t bytes,
    ngx_uint_t items);
static void *ngx_ai_redis_make_string(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_ai_redis_make_array(const redisReadTask *task, int n);
static void *ngx_ai_redis_make_integer(const redisReadTask *task,
    long long value);
static void *ngx_ai_redis_make_nil(const redisReadTask *task);
static ngx_ai_redis_reply_t *ngx_ai_redis_list(ngx_pool_t *pool,
    redisReply *r);
static ngx_int_t ngx_ai_redis_retry(ngx_ai_redis_link_t *link,
    ngx_ai_op_t *op, redisReply *r);
static void ngx_ai_redis_error(ngx_ai_redis_link_t *link, ngx_ai_op_t *op,
    redisReply *r);


redisReplyObjectFunctions  ngx_ai_redis_functions = {
    ngx_ai_redis_make_string,
    ngx_ai_redis_make_array,
    ngx_ai_redis_make_integer,
    ngx_ai_redis_make_nil,
    freeReplyObject
};


/* what an error's first word means to an operator */

static const struct {
    const char  *word;
    const char  *text;
} ngx_ai_redis_words[] = {
    { "NOAUTH", "NOAUTH: the server asks for a password" },
    { "WRONGPASS", "WRONGPASS: the server knows no such user and password" },
    { "NOPERM", "NOPERM: the user may not do that" },
    { "READONLY", "READONLY: is a replica" },
    { "MASTERDOWN", "MASTERDOWN: is a replica without its master" },
    { "LOADING", "LOADING: loads its data" },
    { "DENIED", "DENIED: the server is in protected mode" },
    { NULL, NULL }
};


/* NGX_ERROR: the link is broken */

static ngx_int_t
ngx_ai_redis_admit(const redisReadTask *task, size_t bytes, ngx_uint_t items)
{
    size_t                 most;
    ngx_uint_t             depth, deepest, count;
    redisCallback         *head;
    ngx_ai_redis_link_t   *link;
    const redisReadTask   *parent;

    link = task->privdata;
    head = link->ac->replies.head;

    if (head == NULL) {
        ngx_ai_redis_break(link, "a reply that nobody has asked for");
        return NGX_ERROR;
    }

    if (task->parent == NULL) {
        link->bytes = 0;
        link->items = 0;
    }

    if (head->fn == ngx_ai_redis_slots_cb) {
        most = NGX_AI_REDIS_SLOTS_BYTES;
        count = NGX_AI_REDIS_SLOTS_ITEMS;
        deepest = NGX_AI_REDIS_SLOTS_DEPTH;

    } else {
        most = NGX_AI_REDIS_BYTES;
        count = NGX_AI_REDIS_REPLY;
        deepest = 1;
    }

    depth = 0;

    for (parent = task->parent; parent; parent = parent->parent) {
        depth++;
    }

    if (depth > deepest || (items && depth == deepest)) {
        ngx_ai_redis_break(link, "a reply of too many levels");
        return NGX_ERROR;
    }

    if (bytes > most - link->bytes || items > count - link->items) {
        ngx_ai_redis_break(link, "a reply that is too large");
        return NGX_ERROR;
    }

    link->bytes += bytes;
    link->items += items;

    return NGX_OK;
}


static void *
ngx_ai_redis_make_string(const redisReadTask *task, char *str, size_t len)
{
    ngx_ai_redis_link_t *link = task->privdata;

    if (ngx_ai_redis_admit(task, len, 0) != NGX_OK) {
        return NULL;
    }

    /* hiredis looks only for the length */

    if (str[len] != '\r' || str[len + 1] != '\n') {
        ngx_ai_redis_break(link, "a string without its end");
        return NULL;
    }

    return link->make->createString(task, str, len);
}


static void *
ngx_ai_redis_make_array(const redisReadTask *task, int n)
{
    ngx_ai_redis_link_t *link = task->privdata;

    /* an empty one is an array, too */

    if (ngx_ai_redis_admit(task, 0, n ? n : 1) != NGX_OK) {
        return NULL;
    }

    return link->make->createArray(task, n);
}


static void *
ngx_ai_redis_make_integer(const redisReadTask *task, long long value)
{
    ngx_ai_redis_link_t *link = task->privdata;

    if (ngx_ai_redis_admit(task, 0, 0) != NGX_OK) {
        return NULL;
    }

    return link->make->createInteger(task, value);
}


static void *
ngx_ai_redis_make_nil(const redisReadTask *task)
{
    ngx_ai_redis_link_t *link = task->privdata;

    if (ngx_ai_redis_admit(task, 0, 0) != NGX_OK) {
        return NULL;
    }

    return link->make->createNil(task);
}


ngx_int_t
ngx_ai_redis_bounds(ngx_ai_redis_link_t *link)
{
    redisReader  *reader;

    reader = link->ac->c.reader;

    if (reader->len - reader->pos > NGX_AI_REDIS_BYTES) {
        ngx_ai_redis_break(link, "a reply that is too large");
        return NGX_ERROR;
    }

    /* the reader waits for a first byte, or has one already */

    if (link->ac->replies.head == NULL
        && (reader->len > reader->pos
            || (reader->ridx >= 0 && reader->rstack[0].type != -1)))
    {
        ngx_ai_redis_break(link, "a reply that nobody has asked for");
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_ai_redis_reply_cb(redisAsyncContext *ac, void *reply, void *data)
{
    redisReply           *r = reply;
    ngx_ai_op_t          *op = data;
    ngx_ai_redis_link_t  *link = ac->data;

    /* NULL: hiredis gives up; the store will tell the op */

    if (r == NULL || link->broken) {
        return;
    }

    if (r->type == REDIS_REPLY_ERROR) {

        if (ngx_ai_redis_retry(link, op, r) != NGX_OK) {
            ngx_ai_redis_refused(link, op, r);
        }

        return;
    }

    op->result = ngx_ai_redis_list(op->pool, r);

    if (op->result == NULL) {
        ngx_ai_redis_break(link, "an odd reply");
        return;
    }

    ngx_ai_store_done(&link->store, op, NGX_OK);
}


/* NULL: it is no flat list of strings, or no memory */

static ngx_ai_redis_reply_t *
ngx_ai_redis_list(ngx_pool_t *pool, redisReply *r)
{
    u_char                *p;
    size_t                 size, i;
    redisReply            *e;
    ngx_ai_redis_reply_t  *list;

    if (r->type != REDIS_REPLY_ARRAY) {
        return NULL;
    }

    size = 1;

    for (i = 0; i < r->elements; i++) {

        if (r->element[i]->type != REDIS_REPLY_STRING) {
            return NULL;
        }

        size += r->element[i]->len + 1;
    }

    list = ngx_palloc(pool, sizeof(ngx_ai_redis_reply_t)
                            + r->elements * sizeof(ngx_str_t));
    p = ngx_pnalloc(pool, size);

    if (list == NULL || p == NULL) {
        return NULL;
    }

    list->n = r->elements;
    list->item = (ngx_str_t *) (list + 1);

    for (i = 0; i < r->elements; i++) {
        e = r->element[i];

        list->item[i].data = p;
        list->item[i].len = e->len;

        p = ngx_cpymem(p, e->str, e->len);
        *p++ = '\0';
    }

    return list;
}


/*
 * Errors which mean that nothing was done, and what to do instead: once each.
 * NGX_DECLINED: it is the op's end.
 */

static ngx_int_t
ngx_ai_redis_retry(ngx_ai_redis_link_t *link, ngx_ai_op_t *op, redisReply *r)
{
    ngx_ai_redis_args_t  *args;

    args = op->args;

    if (op->handler == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_ai_redis_is(r, "NOSCRIPT") && !args->eval) {
        args->eval = 1;
        args->argv[0] = "EVAL";
        args->len[0] = sizeof("EVAL") - 1;
        args->argv[1] = (char *) link->rd->script->data;
        args->len[1] = link->rd->script->len;
        args->again = NGX_AI_REDIS_EVAL;

        link->again++;
        return NGX_OK;
    }

    if (link->rd->map == NULL
        || ngx_ai_redis_redirect(link, args, r) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    /* should the way be closed */
    ngx_ai_redis_error(link, op, r);

    link->again++;
    return NGX_OK;
}


void
ngx_ai_redis_refused(ngx_ai_redis_link_t *link, ngx_ai_op_t *op, redisReply *r)
{
    u_char  buf[NGX_AI_REDIS_TEXT];

    link->rd->errors++;

    ngx_ai_redis_error(link, op, r);
    ngx_ai_store_done(&link->store, op, NGX_ERROR);

    /* nobody has the slot: not on the map that we have */

    if (ngx_ai_redis_is(r, "CLUSTERDOWN")) {
        ngx_ai_redis_refresh(link->rd);
    }

    /* another role or another token: both are read when it connects */

    if (ngx_ai_redis_is(r, "READONLY") || ngx_ai_redis_is(r, "LOADING")
        || ngx_ai_redis_is(r, "MASTERDOWN") || ngx_ai_redis_is(r, "NOAUTH"))
    {
        (void) ngx_ai_redis_text(link->rd, r, buf);
        ngx_ai_redis_break(link, (char *) buf);
    }
}


/* fills op->code and op->text */

static void
ngx_ai_redis_error(ngx_ai_redis_link_t *link, ngx_ai_op_t *op, redisReply *r)
{
    size_t     i;
    u_char     buf[NGX_AI_REDIS_TEXT];
    ngx_str_t  text;

    for (i = 0; i < sizeof(op->code) - 1 && i < r->len; i++) {

        if (r->str[i] <= ' ' || r->str[i] >= 0x7f) {
            break;
        }

        op->code[i] = r->str[i];
    }

    op->code[i] = '\0';

    text = ngx_ai_redis_text(link->rd, r, buf);

    op->text.data = ngx_pstrdup(op->pool, &text);
    op->text.len = op->text.data ? text.len : 0;
}


ngx_uint_t
ngx_ai_redis_is(redisReply *r, const char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    return r->type == REDIS_REPLY_ERROR && r->len >= len
           && ngx_strncmp(r->str, word, len) == 0
           && (r->len == len || r->str[len] == ' ');
}


/* servers quote the arguments of a command that they do not know */

ngx_str_t
ngx_ai_redis_text(ngx_ai_redis_t *rd, redisReply *r, u_char *buf)
{
    u_char           *p, *end;
    size_t            len;
    ngx_str_t         text;
    ngx_uint_t        i;
    const ngx_str_t  *secret;

    for (i = 0; ngx_ai_redis_words[i].word; i++) {

        if (ngx_ai_redis_is(r, ngx_ai_redis_words[i].word)) {
            p = (u_char *) ngx_ai_redis_words[i].text;

            text.data = buf;
            text.len = ngx_cpystrn(buf, p, NGX_AI_REDIS_TEXT) - buf;

            return text;
        }
    }

    len = r->len;
    secret = &rd->conf->password;

    p = (u_char *) strstr(r->str, ", with args");

    if (p) {
        len = p - (u_char *) r->str;
    }

    if (secret->len && ngx_strlen(r->str) >= secret->len
        && memmem(r->str, r->len, secret->data, secret->len))
    {
        len = 0;
    }

    len = ngx_min(len, NGX_AI_REDIS_TEXT - 1);
    end = ngx_cpymem(buf, r->str, len);

    for (p = buf; p < end; p++) {
        if (*p < 0x20 || *p >= 0x7f) {
            *p = ' ';
        }
    }

    if (len == 0) {
        end = ngx_cpymem(buf, "an error", sizeof("an error") - 1);
    }

    *end = '\0';

    text.data = buf;
    text.len = end - buf;

    return text;
}
