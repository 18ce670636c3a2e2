
/*
 * Redis: hiredis in nginx's event loop, never blocking.
 *
 * One ngx_ai_redis_t is what one worker says to one Redis, or to a cluster: a
 * connection to each server that it talks to, each with the life of an
 * ngx_ai_store_t, replies in the order of the commands, what timed out closes
 * its connection.
 *
 * A connection is good when AUTH, CLIENT SETNAME, INFO and SCRIPT LOAD were
 * answered as they have to be, by a master.  It has a token: the server's
 * run_id and master_replid, which change when the server may have lost what it
 * knew.
 */


#ifndef NGX_AI_REDIS_H
#define NGX_AI_REDIS_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_ai_op.h"


/* the ai_redis block; strings are null terminated */

typedef struct {
    ngx_str_t         server;       /* the first, as written, for the log */
    ngx_addr_t       *addrs;        /* of all server lines: numbers or unix
                                       sockets; several: tried in order until a
                                       master answers, or seeds of a cluster */
    ngx_uint_t        naddrs;
    ngx_str_t         user;         /* data NULL: none */
    ngx_str_t         password;     /* in memory left out of core dumps; data
                                       NULL: none */
    ngx_str_t         prefix;       /* "ai:" */
    ngx_msec_t        connect_timeout;  /* 200ms */
    ngx_msec_t        timeout;      /* 50ms */
    ngx_msec_t        lease;        /* 2s */
    ngx_uint_t        nodes;        /* 1 */
    ngx_uint_t        cluster;      /* on|off */
} ngx_ai_redis_conf_t;

typedef struct ngx_ai_redis_s  ngx_ai_redis_t;


/* worker: conf and script (its text) must outlive it.  NULL: no memory */
ngx_ai_redis_t *ngx_ai_redis_create(ngx_cycle_t *cycle,
    const ngx_ai_redis_conf_t *conf, const ngx_str_t *script);


/*
 * Runs the script: EVALSHA, and once EVAL where the server says NOSCRIPT.  In a
 * cluster MOVED and ASK are followed once.  Arguments are copied.  "token"
 * stands for the place of the connection's token among them (args[token] is
 * not read); "slot" is the hash slot of all keys (ignored without cluster).
 * NULL: no memory; nothing will be called.
 *
 * NGX_OK: op->result is an ngx_ai_redis_reply_t.  NGX_ERROR: the server said
 * an error; op->code is its first word, cut ("OOM", "BUSY", "NOPER", ...),
 * op->text is fit for a log.  Others as in ngx_ai_op.h; NGX_ABORT means that it
 * may be executed, or be executed later.
 */

#define NGX_AI_REDIS_REPLY  1024    /* strings in a reply */
#define NGX_AI_REDIS_BYTES  65536   /* of a reply; more is a broken server */

typedef struct {
    ngx_uint_t        nkeys;
    ngx_uint_t        nargs;
    const ngx_str_t  *keys;
    const ngx_str_t  *args;
    ngx_uint_t        token;        /* index in args */
    ngx_uint_t        slot;
} ngx_ai_redis_call_t;

/* a flat list of strings; anything else is a broken server */

typedef struct {
    ngx_uint_t        n;
    ngx_str_t        *item;         /* each null terminated */
} ngx_ai_redis_reply_t;

ngx_ai_op_t *ngx_ai_redis_call(ngx_ai_redis_t *rd,
    const ngx_ai_redis_call_t *call, ngx_ai_op_pt handler, void *data);

#define ngx_ai_redis_reply(op)  ((ngx_ai_redis_reply_t *) (op)->result)


/*
 * Asks INFO of the server of a slot again, to learn of changed settings; the
 * answer is in the stat.  NULL: no memory.
 */
ngx_ai_op_t *ngx_ai_redis_check(ngx_ai_redis_t *rd, ngx_uint_t slot,
    ngx_ai_op_pt handler, void *data);

/* connected without calls, too, and reconnected; of a cluster: all masters */
void ngx_ai_redis_keep(ngx_ai_redis_t *rd, ngx_uint_t keep);

/* the slot's server answers others of this node: connects now, in a back-off,
   too */
void ngx_ai_redis_hurry(ngx_ai_redis_t *rd, ngx_uint_t slot);

/* whether a call for the slot would be sent at once */
ngx_uint_t ngx_ai_redis_ready(ngx_ai_redis_t *rd, ngx_uint_t slot);

/* whether the server of the slot drops keys for want of memory:
   maxmemory-policy is not noeviction, or it was not seen to be */
ngx_uint_t ngx_ai_redis_evicts(ngx_ai_redis_t *rd, ngx_uint_t slot);

/* CRC16 of the XMODEM polynomial, mod 16384; of the part between the first '{'
   and the next '}', as in the Redis Cluster specification */
ngx_uint_t ngx_ai_redis_slot(const ngx_str_t *key);

/* as ngx_ai_pg_close() */
void ngx_ai_redis_close(ngx_ai_redis_t *rd, ngx_uint_t quiet);


/* for /ai/status and metrics; of all connections of this worker together */

typedef struct {
    const char       *state;        /* of the worst connection */
    uint64_t          connects;
    uint64_t          lost;
    uint64_t          calls;        /* round trips of the script */
    uint64_t          errors;       /* refused by the server */
    uint64_t          timeouts;
    uint64_t          redirects;    /* MOVED, ASK */
    ngx_uint_t        waiting;
    ngx_uint_t        servers;
} ngx_ai_redis_stat_t;

void ngx_ai_redis_stat(ngx_ai_redis_t *rd, ngx_ai_redis_stat_t *st);


#endif /* NGX_AI_REDIS_H */
