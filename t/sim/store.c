
/*
 * Two redis-servers of one's own, with the script in them and a clock that the
 * schedule sets.
 */


#include "sim.h"
#include "../../src/event/ngx_ai_lease_lua.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>


typedef struct {
    pid_t            pid;
    redisContext    *conn;
    char             token[64];
    unsigned         runs;
} store_t;

static store_t  stores[SERVERS];
static char     store_dir[64];
static char     store_sha[64];

int64_t   store_skew[SERVERS];
uint64_t  store_frozen[SERVERS];
uint64_t  store_calls;


/* ---- the script, or a mutant of it ---- */

typedef struct {
    const char      *name;
    const char      *from;
    const char      *to;
} change_t;

static const change_t  store_time = {
    "", "redis.call('TIME')", "redis.call('HMGET', 'clock', 's', 'us')"
};

/* those that faults find; the others are in t/lib/AI/Script.pm */

static const change_t  store_mutants[] = {
    { "forget", "seeded = heard >= N and 1 or 0", "seeded = 1" },
    { "late", "op <= c.own.op", "false" },
    { "token", "shard.token ~= token", "false" },
    { "dead", "if c.own and sub(c.own.op, 1, 10) == start then",
      "if c.own then" },
    { "partial", "heard >= N", "heard >= N - 1" },
    { "mine", "local whole = add(c.mine, c.unspent)",
      "local whole = c.unspent" },
    { "silent", "elseif now - n.at < hold or now < shard.grace then\nall",
      "elseif false then\nall" },
    { NULL, NULL, NULL }
};


static char *
store_change(char *text, const change_t *ch)
{
    char   *at, *to;
    size_t  from;

    at = strstr(text, ch->from);

    if (at == NULL) {
        fprintf(stderr, "no \"%s\" in the script\n", ch->from);
        exit(2);
    }

    from = strlen(ch->from);
    to = malloc(strlen(text) + strlen(ch->to) + 1);
    sprintf(to, "%.*s%s%s", (int) (at - text), text, ch->to, at + from);
    free(text);

    return to;
}


static char *
store_script(void)
{
    char            *text;
    const change_t  *ch;

    text = store_change(strdup(ngx_ai_lease_lua), &store_time);

    for (ch = store_mutants; ch->name; ch++) {
        if (sim_is(ch->name)) {
            text = store_change(text, ch);
        }
    }

    return text;
}


/* ---- the servers ---- */

static void
store_stop(void)
{
    unsigned  i;
    char      path[128];

    for (i = 0; i < SERVERS; i++) {
        if (stores[i].pid > 0) {
            kill(stores[i].pid, SIGKILL);
            waitpid(stores[i].pid, NULL, 0);
        }

        snprintf(path, sizeof(path), "%s/%u", store_dir, i);
        unlink(path);
    }

    rmdir(store_dir);
}


static void
store_exec(unsigned i)
{
    char   path[128];
    pid_t  parent;

    parent = getpid();
    stores[i].pid = fork();

    if (stores[i].pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);

        if (getppid() != parent) {
            _exit(1);
        }

        snprintf(path, sizeof(path), "%s/%u", store_dir, i);
        (void) !freopen("/dev/null", "w", stdout);

        execlp("redis-server", "redis-server", "--port", "0", "--save", "",
               "--appendonly", "no", "--unixsocket", path, "--dir", store_dir,
               (char *) NULL);
        _exit(127);
    }
}


static redisReply *
store_say(unsigned i, int argc, const char **argv)
{
    redisReply  *r;

    r = redisCommandArgv(stores[i].conn, argc, argv, NULL);

    if (r == NULL || r->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "redis: %s: %s\n", argv[0],
                r ? r->str : stores[i].conn->errstr);
        exit(2);
    }

    return r;
}

#define store_do(i, ...)                                                     \
    store_say(i, sizeof((const char *[]) { __VA_ARGS__ }) / sizeof(char *),  \
              (const char *[]) { __VA_ARGS__ })


void
store_start(void)
{
    char         path[128], *text;
    unsigned     i, n;
    redisReply  *r;

    snprintf(store_dir, sizeof(store_dir), "/tmp/lease-sim-XXXXXX");

    if (mkdtemp(store_dir) == NULL) {
        perror("mkdtemp");
        exit(2);
    }

    atexit(store_stop);
    text = store_script();

    for (i = 0; i < SERVERS; i++) {
        store_exec(i);
        snprintf(path, sizeof(path), "%s/%u", store_dir, i);

        for (n = 0; n < 500; n++) {
            stores[i].conn = redisConnectUnix(path);

            if (stores[i].conn && !stores[i].conn->err) {
                break;
            }

            redisFree(stores[i].conn);
            stores[i].conn = NULL;
            usleep(10000);
        }

        if (stores[i].conn == NULL) {
            fprintf(stderr, "redis-server did not start\n");
            exit(2);
        }

        r = store_do(i, "SCRIPT", "LOAD", text);
        snprintf(store_sha, sizeof(store_sha), "%s", r->str);
        freeReplyObject(r);
    }

    free(text);
}


void
store_begin(void)
{
    unsigned  i;

    for (i = 0; i < SERVERS; i++) {
        store_flush(i);
        store_skew[i] = 0;
        store_frozen[i] = 0;
        stores[i].runs = 0;
        store_promote(i);
    }
}


void
store_promote(unsigned i)
{
    snprintf(stores[i].token, sizeof(stores[i].token), "run%u:repl%u", i,
             stores[i].runs++);
}


void
store_flush(unsigned i)
{
    freeReplyObject(store_do(i, "FLUSHALL"));
}


/*
 * As a replica that has not heard what comes after; who becomes one has another
 * master_replid from then on.
 */

void
store_copy(unsigned from, unsigned to)
{
    size_t       n;
    redisReply  *keys, *dump;
    const char  *argv[4];
    size_t       len[4];

    store_flush(to);
    store_promote(to);
    keys = store_do(from, "KEYS", "*");

    for (n = 0; n < keys->elements; n++) {
        dump = store_do(from, "DUMP", keys->element[n]->str);

        argv[0] = "RESTORE";
        argv[1] = keys->element[n]->str;
        argv[2] = "0";
        argv[3] = dump->str;
        len[0] = 7;
        len[1] = keys->element[n]->len;
        len[2] = 1;
        len[3] = dump->len;

        freeReplyObject(redisCommandArgv(stores[to].conn, 4, argv, len));
        freeReplyObject(dump);
    }

    freeReplyObject(keys);
}


static int64_t
store_number(unsigned i, const char *key, const char *field)
{
    int64_t      n;
    redisReply  *r;

    r = redisCommand(stores[i].conn, "HGET %s %s", key, field);

    if (r == NULL) {
        fprintf(stderr, "redis: %s\n", stores[i].conn->errstr);
        exit(2);
    }

    /* of a node the operation comes first */

    n = r->type != REDIS_REPLY_STRING ? 0
        : strtoll(strchr(r->str, ' ') ? strchr(r->str, ' ') : r->str, NULL,
                  10);

    freeReplyObject(r);

    return n;
}


int64_t
store_leased(unsigned i, const char *key)
{
    return store_number(i, key, "leased");
}


int64_t
store_total(unsigned i, const char *key, const node_t *nd, int64_t *older)
{
    char  field[2][48];

    snprintf(field[0], sizeof(field[0]), "n:%s", nd->id);
    snprintf(field[1], sizeof(field[1]), "o:%s", nd->id);

    *older = store_number(i, key, field[1]);

    return store_number(i, key, field[0]);
}


/* ---- the script ---- */

static void
store_reply(const redisReply *from, reply_t *r)
{
    size_t  i;

    memset(r, 0, sizeof(reply_t));

    if (from == NULL || from->type != REDIS_REPLY_ARRAY
        || from->elements > ITEMS)
    {
        sim_say("redis: %s", from && from->str ? from->str : "nothing");
        r->error = 1;
        return;
    }

    for (i = 0; i < from->elements; i++) {
        snprintf(r->item[i], sizeof(r->item[i]), "%s",
                 from->element[i]->str);
    }

    r->n = (unsigned) from->elements;
}


void
store_call(unsigned i, const words_t *w, reply_t *r)
{
    int          n;
    char         s[32], us[32], nkeys[16];
    uint64_t     ms;
    unsigned     k;
    redisReply  *time, *reply;
    const char  *argv[3 + 1 + AI_LEASE_CELLS + WORDS];

    ms = sim_base + sim_ms + (uint64_t) store_skew[i];
    snprintf(s, sizeof(s), "%llu", (unsigned long long) ms / 1000);
    snprintf(us, sizeof(us), "%llu", (unsigned long long) ms % 1000 * 1000);
    snprintf(nkeys, sizeof(nkeys), "%u", w->nkeys);

    argv[0] = "HSET";
    argv[1] = "clock";
    argv[2] = "s";
    argv[3] = s;
    argv[4] = "us";
    argv[5] = us;
    redisAppendCommandArgv(stores[i].conn, 6, argv, NULL);

    n = 0;
    argv[n++] = "EVALSHA";
    argv[n++] = store_sha;
    argv[n++] = nkeys;

    for (k = 0; k < w->nkeys; k++) {
        argv[n++] = w->key[k];
    }

    for (k = 0; k < w->nargs; k++) {
        argv[n++] = k == ARG_TOKEN ? stores[i].token : w->arg[k];
    }

    redisAppendCommandArgv(stores[i].conn, n, argv, NULL);
    store_calls++;

    if (redisGetReply(stores[i].conn, (void **) &time) != REDIS_OK
        || redisGetReply(stores[i].conn, (void **) &reply) != REDIS_OK)
    {
        fprintf(stderr, "redis: %s\n", stores[i].conn->errstr);
        exit(2);
    }

    store_reply(reply, r);
    freeReplyObject(time);
    freeReplyObject(reply);
}
