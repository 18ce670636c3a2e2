
/*
 * What the files of the Redis client share.
 *
 * A link is one connection to one server.  Inside of hiredis' callbacks things
 * are noted only; ngx_ai_redis_step() acts once hiredis has returned.
 */


#ifndef NGX_AI_REDIS_INT_H
#define NGX_AI_REDIS_INT_H


#include "ngx_ai_fd.h"
#include "ngx_ai_redis.h"
#include "ngx_ai_store.h"
#include <hiredis/hiredis.h>
#include <hiredis/async.h>


#define NGX_AI_REDIS_DEPTH    64    /* ops in flight over a link */
#define NGX_AI_REDIS_SERVERS  64    /* masters of a cluster */
#define NGX_AI_REDIS_SLOTS    16384
#define NGX_AI_REDIS_ID       64    /* bytes of a run_id, a master_replid */
#define NGX_AI_REDIS_TEXT     128   /* of an error, for logs */
#define NGX_AI_REDIS_SHA      40


typedef struct ngx_ai_redis_link_s  ngx_ai_redis_link_t;

struct ngx_ai_redis_link_s {
    ngx_ai_store_t              store;  /* first: the kind's functions get it */
    ngx_ai_redis_t             *rd;

    redisAsyncContext          *ac;     /* NULL: there is no connection */
    ngx_addr_t                 *peer;
    ngx_ai_fd_t                 fd;
    ngx_event_t                 flush;  /* one write for a turn of the loop */
    ngx_uint_t                  want;   /* NGX_AI_FD_... */

    redisReplyObjectFunctions  *make;   /* hiredis' own */
    size_t                      bytes;  /* of the reply that is being read */
    ngx_uint_t                  items;

    size_t                      ntoken;
    u_char                      token[2 * NGX_AI_REDIS_ID + 1];
    ngx_uint_t                  again;  /* ops in flight, to be sent anew */

    /* a server of a cluster */

    ngx_addr_t                  addr;
    ngx_sockaddr_t              sockaddr;
    u_char                      text[NGX_SOCKADDR_STRLEN];

    unsigned                    broken:1;   /* the store's reason was set */
    unsigned                    closing:1;  /* by ourselves */
    unsigned                    writing:1;
    unsigned                    greeted:1;  /* its handshake is over */
    unsigned                    known:1;    /* its policy was seen */
    unsigned                    evicts:1;
    unsigned                    listed:1;   /* in the map of the cluster */
    unsigned                    seen:1;     /* in the one that is being read */
};


struct ngx_ai_redis_s {
    ngx_cycle_t                *cycle;
    const ngx_ai_redis_conf_t  *conf;
    const ngx_str_t            *script;
    u_char                      sha[NGX_AI_REDIS_SHA + 1];

    /* 0: the one server, or the seeds of a cluster */
    ngx_ai_redis_link_t        *link[1 + NGX_AI_REDIS_SERVERS];
    ngx_uint_t                  nlinks;

    uint64_t                    calls;
    uint64_t                    errors;
    uint64_t                    redirects;

    /* of a cluster */

    u_char                     *map;        /* slot: index in link, 0 unknown */
    u_char                     *next;       /* the one that is being read */
    ngx_event_t                 refresh;
    ngx_ai_op_t                *slots;      /* CLUSTER SLOTS */
    ngx_msec_t                  asked;      /* when it was */

    unsigned                    keep:1;
    unsigned                    mapped:1;   /* the map was read */
    unsigned                    closed:1;
    unsigned                    named:1;    /* a host name was logged */
};


/* what an op in flight has to do, once hiredis has returned */

typedef enum {
    NGX_AI_REDIS_REST = 0,
    NGX_AI_REDIS_EVAL,              /* once more, with the text */
    NGX_AI_REDIS_MOVED,             /* over the link of args->to */
    NGX_AI_REDIS_ASK
} ngx_ai_redis_again_t;


/* an op's arguments: a command, as hiredis takes it */

typedef struct {
    redisCallbackFn            *cb;
    int                         argc;
    const char                **argv;
    size_t                     *len;
    int                         token;  /* place of the token; 0: none */
    ngx_uint_t                  slot;
    ngx_sockaddr_t              to;
    ngx_ai_redis_again_t        again;
    unsigned                    script:1;
    unsigned                    eval:1; /* it was sent with the text */
    unsigned                    asking:1;   /* to be sent behind ASKING */
    unsigned                    asked:1;    /* ASK was followed */
    unsigned                    moved:1;    /* MOVED was */
} ngx_ai_redis_args_t;


/* ngx_ai_redis.c */

ngx_ai_redis_link_t *ngx_ai_redis_link_create(ngx_ai_redis_t *rd);

/* an op for a command of literal words, not submitted.  NULL: no memory */
ngx_ai_op_t *ngx_ai_redis_command(ngx_ai_redis_t *rd, redisCallbackFn *cb,
    int argc, const char *const *argv, ngx_ai_op_pt handler, void *data);


/* ngx_ai_redis_link.c */

extern const ngx_ai_store_kind_t  ngx_ai_redis_kind;

/* the link will be lost, for this reason (unless there is one already) */
void ngx_ai_redis_break(ngx_ai_redis_link_t *link, const char *why);

/* NGX_ERROR: the link is broken */
ngx_int_t ngx_ai_redis_send(ngx_ai_redis_link_t *link, redisCallbackFn *cb,
    void *data, int argc, const char **argv, const size_t *len);


/* ngx_ai_redis_hello.c */

/* sends what is said first; link->greeted once it was answered */
void ngx_ai_redis_hello(ngx_ai_redis_link_t *link);

/* of INFO over a connection that is READY */
void ngx_ai_redis_check_cb(redisAsyncContext *ac, void *reply, void *data);


/* ngx_ai_redis_reply.c */

/* hiredis' functions, with bounds; privdata is the link */
extern redisReplyObjectFunctions  ngx_ai_redis_functions;

/* whether all that was read belongs to a reply that is waited for, and is of
   bounded size; else the link is broken */
ngx_int_t ngx_ai_redis_bounds(ngx_ai_redis_link_t *link);

/* of the script */
void ngx_ai_redis_reply_cb(redisAsyncContext *ac, void *reply, void *data);

/* ends the op with the server's error; breaks the link where it has to */
void ngx_ai_redis_refused(ngx_ai_redis_link_t *link, ngx_ai_op_t *op,
    redisReply *r);

/* an error's text for a log: what it means, or its own, printable, without
   arguments and passwords; null terminated in buf, of NGX_AI_REDIS_TEXT */
ngx_str_t ngx_ai_redis_text(ngx_ai_redis_t *rd, redisReply *r, u_char *buf);

/* whether the error's first word is this */
ngx_uint_t ngx_ai_redis_is(redisReply *r, const char *word);


/* ngx_ai_redis_cluster.c */

/* NGX_ERROR: no memory */
ngx_int_t ngx_ai_redis_cluster_init(ngx_ai_redis_t *rd);

ngx_ai_redis_link_t *ngx_ai_redis_route(ngx_ai_redis_t *rd, ngx_uint_t slot);

/* reads the map, but not too often */
void ngx_ai_redis_refresh(ngx_ai_redis_t *rd);

/* of CLUSTER SLOTS */
void ngx_ai_redis_slots_cb(redisAsyncContext *ac, void *reply, void *data);

/* "MOVED 3999 127.0.0.1:6381".  NGX_DECLINED: not to be followed */
ngx_int_t ngx_ai_redis_redirect(ngx_ai_redis_link_t *link,
    ngx_ai_redis_args_t *args, redisReply *r);

/* the link of args->to, which is noted for the slot after MOVED; NULL: too
   many servers, or no memory */
ngx_ai_redis_link_t *ngx_ai_redis_redirected(ngx_ai_redis_t *rd,
    ngx_ai_redis_args_t *args);

/* closes it when it is not of the map, and idle */
void ngx_ai_redis_retire(ngx_ai_redis_link_t *link);


#endif /* NGX_AI_REDIS_INT_H */
