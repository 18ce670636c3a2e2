
/*
 * Redis: what is said first over a connection, and what INFO tells.
 *
 * All commands are sent at once.  Each has its expected reply; the first that
 * is another one ends the connection, and is its reason.
 */


#include "ngx_ai_redis_int.h"


#define NGX_AI_REDIS_VERSION  5     /* scripts that ask the time and write */


typedef struct {
    ngx_str_t    run_id;
    ngx_str_t    replid;
    ngx_str_t    role;
    ngx_str_t    loading;
    ngx_str_t    policy;
    ngx_str_t    version;
    ngx_str_t    cluster;
} ngx_ai_redis_info_t;


static void ngx_ai_redis_auth_cb(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_ai_redis_name_cb(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_ai_redis_info_cb(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_ai_redis_load_cb(redisAsyncContext *ac, void *reply,
    void *data);
static ngx_uint_t ngx_ai_redis_tolerated(redisReply *r);
static void ngx_ai_redis_odd(ngx_ai_redis_link_t *link, const char *what,
    redisReply *r);
static ngx_int_t ngx_ai_redis_info(ngx_ai_redis_link_t *link, redisReply *r);
static void ngx_ai_redis_info_parse(ngx_ai_redis_info_t *info, u_char *p,
    u_char *last);
static const char *ngx_ai_redis_unfit(ngx_ai_redis_t *rd,
    ngx_ai_redis_info_t *info);
static ngx_uint_t ngx_ai_redis_id(ngx_str_t *id);


void
ngx_ai_redis_hello(ngx_ai_redis_link_t *link)
{
    int                         n;
    size_t                      len[3];
    const char                 *argv[3];
    const ngx_ai_redis_conf_t  *conf;

    static size_t       name_len[] = { 6, 7, 16 };
    static const char  *name[] = { "CLIENT", "SETNAME", "nginx-ai-gateway" };
    static size_t       info_len[] = { 4 };
    static const char  *info[] = { "INFO" };

    conf = link->rd->conf;

    if (conf->password.data) {
        n = 0;

        argv[n] = "AUTH";
        len[n++] = 4;

        if (conf->user.data) {
            argv[n] = (char *) conf->user.data;
            len[n++] = conf->user.len;
        }

        argv[n] = (char *) conf->password.data;
        len[n++] = conf->password.len;

        if (ngx_ai_redis_send(link, ngx_ai_redis_auth_cb, link, n, argv, len)
            != NGX_OK)
        {
            return;
        }
    }

    argv[0] = "SCRIPT";
    len[0] = 6;
    argv[1] = "LOAD";
    len[1] = 4;
    argv[2] = (char *) link->rd->script->data;
    len[2] = link->rd->script->len;

    if (ngx_ai_redis_send(link, ngx_ai_redis_name_cb, link, 3, name, name_len)
        == NGX_OK
        && ngx_ai_redis_send(link, ngx_ai_redis_info_cb, link, 1, info,
                             info_len)
           == NGX_OK)
    {
        (void) ngx_ai_redis_send(link, ngx_ai_redis_load_cb, link, 3, argv,
                                 len);
    }
}


static void
ngx_ai_redis_auth_cb(redisAsyncContext *ac, void *reply, void *data)
{
    redisReply           *r = reply;
    ngx_ai_redis_link_t  *link = data;

    if (r == NULL || link->broken) {
        return;
    }

    if (r->type == REDIS_REPLY_STATUS && ngx_strcmp(r->str, "OK") == 0) {
        return;
    }

    if (r->type != REDIS_REPLY_ERROR || ngx_ai_redis_is(r, "WRONGPASS")
        || ngx_ai_redis_is(r, "LOADING") || ngx_ai_redis_is(r, "DENIED"))
    {
        ngx_ai_redis_odd(link, "AUTH", r);

    } else if (strstr(r->str, "without any password configured")) {
        ngx_ai_redis_break(link, "AUTH: the server has no password");

    } else if (strstr(r->str, "max number of clients")) {
        ngx_ai_redis_break(link, "the server has too many clients");

    } else {

        /* its text may quote what was sent */

        ngx_ai_redis_break(link, "AUTH: refused");
    }
}


static void
ngx_ai_redis_name_cb(redisAsyncContext *ac, void *reply, void *data)
{
    redisReply           *r = reply;
    ngx_ai_redis_link_t  *link = data;

    if (r == NULL || link->broken) {
        return;
    }

    if ((r->type == REDIS_REPLY_STATUS && ngx_strcmp(r->str, "OK") == 0)
        || ngx_ai_redis_tolerated(r))
    {
        return;
    }

    ngx_ai_redis_odd(link, "CLIENT SETNAME", r);
}


static void
ngx_ai_redis_info_cb(redisAsyncContext *ac, void *reply, void *data)
{
    redisReply           *r = reply;
    ngx_ai_redis_link_t  *link = data;

    if (r && !link->broken) {
        (void) ngx_ai_redis_info(link, r);
    }
}


static void
ngx_ai_redis_load_cb(redisAsyncContext *ac, void *reply, void *data)
{
    redisReply           *r = reply;
    ngx_ai_redis_link_t  *link = data;

    if (r == NULL || link->broken) {
        return;
    }

    if ((r->type == REDIS_REPLY_STRING && r->len == NGX_AI_REDIS_SHA
         && ngx_memcmp(r->str, link->rd->sha, NGX_AI_REDIS_SHA) == 0)
        || ngx_ai_redis_tolerated(r))
    {
        link->greeted = 1;
        return;
    }

    ngx_ai_redis_odd(link, "SCRIPT LOAD", r);
}


/* the user may not, or the operator has renamed it: it goes without, too */

static ngx_uint_t
ngx_ai_redis_tolerated(redisReply *r)
{
    return ngx_ai_redis_is(r, "NOPERM")
           || (r->type == REDIS_REPLY_ERROR
               && ngx_strncmp(r->str, "ERR unknown ", 12) == 0);
}


static void
ngx_ai_redis_odd(ngx_ai_redis_link_t *link, const char *what, redisReply *r)
{
    u_char     buf[NGX_AI_REDIS_TEXT];
    ngx_str_t  text;

    if (link->broken) {
        return;
    }

    if (r->type == REDIS_REPLY_ERROR) {
        text = ngx_ai_redis_text(link->rd, r, buf);

    } else {
        ngx_str_set(&text, "an odd reply");
    }

    ngx_ai_store_reason(&link->store, "%s: %V", what, &text);
    link->broken = 1;
}


/* the same server as before, or it has to be greeted anew */

void
ngx_ai_redis_check_cb(redisAsyncContext *ac, void *reply, void *data)
{
    size_t                n;
    u_char                token[2 * NGX_AI_REDIS_ID + 1];
    redisReply           *r = reply;
    ngx_ai_op_t          *op = data;
    ngx_ai_redis_link_t  *link = ac->data;

    if (r == NULL || link->broken) {
        return;
    }

    if (r->type == REDIS_REPLY_ERROR) {
        ngx_ai_redis_refused(link, op, r);
        return;
    }

    n = link->ntoken;
    ngx_memcpy(token, link->token, n);

    if (ngx_ai_redis_info(link, r) != NGX_OK) {
        return;
    }

    if (n != link->ntoken || ngx_memcmp(token, link->token, n) != 0) {
        ngx_ai_redis_break(link, "its replication id has changed");
        return;
    }

    ngx_ai_store_done(&link->store, op, NGX_OK);
}


/* NGX_ERROR: the link is broken */

static ngx_int_t
ngx_ai_redis_info(ngx_ai_redis_link_t *link, redisReply *r)
{
    u_char               *p;
    const char           *why;
    ngx_ai_redis_info_t   info;

    if (r->type != REDIS_REPLY_STRING) {
        ngx_ai_redis_odd(link, "INFO", r);
        return NGX_ERROR;
    }

    ngx_ai_redis_info_parse(&info, (u_char *) r->str,
                            (u_char *) r->str + r->len);

    why = ngx_ai_redis_unfit(link->rd, &info);

    if (why) {
        ngx_ai_redis_break(link, why);
        return NGX_ERROR;
    }

    p = ngx_cpymem(link->token, info.run_id.data, info.run_id.len);
    *p++ = ':';
    p = ngx_cpymem(p, info.replid.data, info.replid.len);

    link->ntoken = p - link->token;

    link->known = 1;
    link->evicts = info.policy.len != sizeof("noeviction") - 1
                   || ngx_strncmp(info.policy.data, "noeviction",
                                  info.policy.len)
                      != 0;

    return NGX_OK;
}


/* lines of "name:value"; the first of a name counts */

static void
ngx_ai_redis_info_parse(ngx_ai_redis_info_t *info, u_char *p, u_char *last)
{
    size_t      len;
    u_char     *end, *colon;
    ngx_str_t  *value;
    ngx_uint_t  i;

    const struct {
        const char  *name;
        ngx_str_t   *value;
    } wanted[] = {
        { "run_id", &info->run_id },
        { "master_replid", &info->replid },
        { "role", &info->role },
        { "loading", &info->loading },
        { "maxmemory_policy", &info->policy },
        { "redis_version", &info->version },
        { "cluster_enabled", &info->cluster },
        { NULL, NULL }
    };

    ngx_memzero(info, sizeof(ngx_ai_redis_info_t));

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '\n');
        if (end == NULL) {
            end = last;
        }

        colon = ngx_strlchr(p, end, ':');
        if (colon == NULL) {
            continue;
        }

        for (i = 0; wanted[i].name; i++) {
            len = ngx_strlen(wanted[i].name);
            value = wanted[i].value;

            if ((size_t) (colon - p) == len && value->data == NULL
                && ngx_strncmp(p, wanted[i].name, len) == 0)
            {
                value->data = colon + 1;
                value->len = end - value->data;

                if (value->len && value->data[value->len - 1] == '\r') {
                    value->len--;
                }
            }
        }
    }
}


static const char *
ngx_ai_redis_unfit(ngx_ai_redis_t *rd, ngx_ai_redis_info_t *info)
{
    ngx_int_t    version;
    ngx_str_t   *v;
    ngx_uint_t   cluster, major;

    if (info->loading.len == 1 && info->loading.data[0] == '1') {
        return "loads its data";
    }

    v = &info->role;

    if (v->len == 5 && ngx_strncmp(v->data, "slave", 5) == 0) {
        return "is a replica";
    }

    if (v->len != 6 || ngx_strncmp(v->data, "master", 6) != 0) {
        return "is no master";
    }

    v = &info->version;

    for (major = 0; major < v->len && v->data[major] != '.'; major++) {
        /* void */
    }

    version = ngx_atoi(v->data, major);

    if (version < NGX_AI_REDIS_VERSION) {
        return "is no Redis of version 5 or later";
    }

    if (!ngx_ai_redis_id(&info->run_id) || !ngx_ai_redis_id(&info->replid)) {
        return "INFO has no run_id and master_replid";
    }

    cluster = info->cluster.len == 1 && info->cluster.data[0] == '1';

    if (cluster && rd->map == NULL) {
        return "is a member of a cluster, but \"cluster\" is not set";
    }

    if (!cluster && rd->map) {
        return "is no member of a cluster, but \"cluster\" is set";
    }

    return NULL;
}


static ngx_uint_t
ngx_ai_redis_id(ngx_str_t *id)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < id->len; i++) {
        ch = id->data[i];

        if (!(ch >= '0' && ch <= '9') && !(ch >= 'a' && ch <= 'f')) {
            return 0;
        }
    }

    return id->len > 0 && id->len <= NGX_AI_REDIS_ID;
}
