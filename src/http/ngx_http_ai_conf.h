
/*
 * What the files that read the configuration share: blocks of words, names,
 * limits, secrets, and errors that name a place.
 */


#ifndef NGX_HTTP_AI_CONF_H
#define NGX_HTTP_AI_CONF_H


#include "ngx_http_ai.h"


#define NGX_HTTP_AI_NAME_LEN    64      /* tenants, plans, keys, providers */
#define NGX_HTTP_AI_LABELS_LEN  256
#define NGX_HTTP_AI_NUMBER_MAX  NGX_MAX_INT32_VALUE


/* ---- blocks: name { word args; ... } ---- */

typedef struct ngx_http_ai_block_s  ngx_http_ai_block_t;

/* a word's arguments are cf->args; the result is that of a directive's "set" */
typedef char *(*ngx_http_ai_word_pt)(ngx_conf_t *cf, ngx_http_ai_block_t *b);

#define NGX_HTTP_AI_ONCE    1   /* a second one is a duplicate */
#define NGX_HTTP_AI_NEEDED  2

typedef struct {
    ngx_str_t                  name;
    ngx_uint_t                 min;         /* arguments without the word */
    ngx_uint_t                 max;
    ngx_uint_t                 flags;
    ngx_http_ai_word_pt        handler;
    ngx_uint_t                 offset;      /* of the field of b->conf, for */
    void                      *post;        /* the ngx_http_ai_word_...() */
} ngx_http_ai_word_t;

/* at most 32 words in a table, the last one with an empty name */

struct ngx_http_ai_block_s {
    const char                *kind;        /* "ai_model" */
    ngx_str_t                  name;
    ngx_http_ai_word_t        *words;
    ngx_http_ai_word_t        *word;        /* the one being read */
    ngx_http_ai_main_conf_t   *mcf;
    void                      *conf;        /* what the block describes */
    void                      *data;        /* what only its words need */
    u_char                    *file;        /* where it begins */
    ngx_uint_t                 line;
    uint32_t                   seen;        /* words, by their place */
};

/* begins with the directive's own arguments in cf->args: kind and name */
void ngx_http_ai_block_init(ngx_conf_t *cf, ngx_http_ai_block_t *b,
    ngx_http_ai_main_conf_t *mcf);

/* reads up to the closing brace, then checks that needed words were there */
char *ngx_http_ai_block_parse(ngx_conf_t *cf, ngx_http_ai_block_t *b);


/* ---- words of one value, read into the field at their offset ---- */

/* an ngx_uint_t of the ngx_conf_enum_t that post is */
char *ngx_http_ai_word_enum(ngx_conf_t *cf, ngx_http_ai_block_t *b);

/* off 0, on 1 */
extern ngx_conf_enum_t  ngx_http_ai_conf_switch[];

/* an ngx_uint_t */
char *ngx_http_ai_word_positive(ngx_conf_t *cf, ngx_http_ai_block_t *b);

/* an ngx_msec_t above 0 */
char *ngx_http_ai_word_msec(ngx_conf_t *cf, ngx_http_ai_block_t *b);

/* an ngx_str_t: an NGX_HTTP_AI_NAME */
char *ngx_http_ai_word_name(ngx_conf_t *cf, ngx_http_ai_block_t *b);

/* an ngx_str_t of the ngx_http_ai_text_t that post is */

typedef struct {
    size_t                     min;         /* bytes */
    size_t                     max;
    const char                *extra;       /* those that may stand beside
                                               letters and digits; NULL: all */
    u_char                     first;       /* from this one on, save DEL */
} ngx_http_ai_text_t;

char *ngx_http_ai_word_text(ngx_conf_t *cf, ngx_http_ai_block_t *b);

/* an ngx_str_t: what ngx_http_ai_secret_password() reads in that file */
char *ngx_http_ai_word_password(ngx_conf_t *cf, ngx_http_ai_block_t *b);


/* ---- parts of words ---- */

/* [A-Za-z0-9._:@-]{1,64}; models: also '/' and '+', 1 to 128; patterns of
   models: also '*' */

typedef enum {
    NGX_HTTP_AI_NAME = 0,
    NGX_HTTP_AI_NAME_MODEL,
    NGX_HTTP_AI_NAME_PATTERN
} ngx_http_ai_name_t;

/* NGX_CONF_OK, or NGX_CONF_ERROR after an [emerg] */
char *ngx_http_ai_conf_name(ngx_conf_t *cf, ngx_http_ai_name_t kind,
    ngx_str_t *name);

/* whether all are letters, digits or of "extra" */
ngx_uint_t ngx_http_ai_conf_chars(ngx_str_t *s, const char *extra);

/* whether an argument begins with "key=" (prefix with its '='); *value is
   what follows */
ngx_uint_t ngx_http_ai_conf_param(ngx_str_t *arg, const char *prefix,
    ngx_str_t *value);

/* NGX_ERROR: not a number from min to NGX_HTTP_AI_NUMBER_MAX */
ngx_int_t ngx_http_ai_conf_number(ngx_str_t *value, ngx_uint_t min,
    ngx_uint_t *number);

/* NGX_ERROR: not a time, or 0 where "min" is 1 */
ngx_int_t ngx_http_ai_conf_msec(ngx_str_t *value, ngx_msec_t min,
    ngx_msec_t *msec);

/* the only argument as one of a list that ends with an empty name */
char *ngx_http_ai_conf_enum(ngx_conf_t *cf, ngx_conf_enum_t *e,
    ngx_uint_t *value);

/* the only argument as a positive number */
char *ngx_http_ai_conf_positive(ngx_conf_t *cf, ngx_uint_t *number);

/* [emerg] invalid value "..." in "..." directive; returns NGX_CONF_ERROR */
char *ngx_http_ai_conf_value(ngx_conf_t *cf);

/* [emerg] err in "server" "...", but for NGX_CONF_ERROR; returns that */
char *ngx_http_ai_conf_server(ngx_conf_t *cf, char *err);

/* [emerg] invalid parameter "..."; returns NGX_CONF_ERROR */
char *ngx_http_ai_conf_invalid(ngx_conf_t *cf, ngx_str_t *arg);

/* [emerg] text " in FILE:LINE", for what is found after the parsing */
void ngx_cdecl ngx_http_ai_conf_error(ngx_conf_t *cf, u_char *file,
    ngx_uint_t line, const char *fmt, ...);

/* adds patterns of models, checked, to an array of ngx_str_t */
char *ngx_http_ai_conf_patterns(ngx_conf_t *cf, ngx_array_t *models,
    ngx_str_t *value, ngx_uint_t n);


/* makes an array on first use; NULL: no memory */
ngx_array_t *ngx_http_ai_conf_array(ngx_pool_t *pool, ngx_array_t **a,
    size_t size);

/* as ngx_array_push(), for arrays that grow to megabytes: it does not leave
   their smaller selves behind in the pool */
void *ngx_http_ai_conf_push(ngx_pool_t *pool, ngx_array_t *a);


/* ---- limit resource amount[/period] [burst=] [per=key | key=NAME] ---- */

typedef struct {
    ai_limit_t                 limit;
    ngx_str_t                  key;         /* key=, or empty */
    unsigned                   per_key:1;
} ngx_http_ai_limit_t;

char *ngx_http_ai_conf_limit(ngx_conf_t *cf, ngx_http_ai_limit_t *l);

/* a limit of the same resource and period, or NULL */
ai_limit_t *ngx_http_ai_conf_limit_find(ngx_array_t *limits, ai_limit_t *l);

/* adds a limit; [emerg] when there is one of its resource and period */
char *ngx_http_ai_conf_limit_add(ngx_conf_t *cf, ngx_array_t *limits,
    ai_limit_t *l);

/*
 * The limits of "own" and those of "base" that own does not override.  Either
 * may be NULL or empty, and is then not copied.  *out is NULL for none.
 */
ngx_int_t ngx_http_ai_conf_limit_merge(ngx_pool_t *pool, ngx_array_t *base,
    ngx_array_t *own, ngx_array_t **out);


/* ---- secrets ---- */

/*
 * Reads a provider's key from "env:NAME" or "file:/path" into pages of their
 * own: left out of core dumps, wiped and unmapped with the cycle's pool.
 */
char *ngx_http_ai_secret_read(ngx_conf_t *cf, ngx_str_t *source,
    ngx_str_t *key);

/*
 * Reads a password into such pages, null terminated: the first line of a file,
 * which is all of it.  [warn] when others than the owner may read the file.
 */
char *ngx_http_ai_secret_password(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *password);

/* makes the header line and the end of the head around such a key, in place */
void ngx_http_ai_secret_line(ai_dialect_t api, ngx_str_t *key,
    ngx_str_t *line);


/* ---- words that have a file of their own ---- */

/* of ai_model; b->data is an array of ai_price_line_t */
char *ngx_http_ai_model_price(ngx_conf_t *cf, ngx_http_ai_block_t *b);
char *ngx_http_ai_model_unit(ngx_conf_t *cf, ngx_http_ai_block_t *b);

/* checks that every request meets a price; takes the lines over.  None at all
   are for the directory */
char *ngx_http_ai_model_prices(ngx_conf_t *cf, ngx_http_ai_model_t *m,
    ngx_array_t *prices);

/* ngx_http_ai_conf_target.c: target and fallback; and all of them when the
   block has ended: order, names, weights */
char *ngx_http_ai_model_target(ngx_conf_t *cf, ngx_http_ai_block_t *b);
char *ngx_http_ai_model_targets(ngx_conf_t *cf, ngx_http_ai_model_t *m);

/* ngx_http_ai_conf_route.c */
char *ngx_http_ai_model_route(ngx_conf_t *cf, ngx_http_ai_block_t *b);
char *ngx_http_ai_model_sticky(ngx_conf_t *cf, ngx_http_ai_block_t *b);
char *ngx_http_ai_model_attempts(ngx_conf_t *cf, ngx_http_ai_block_t *b);
char *ngx_http_ai_model_time(ngx_conf_t *cf, ngx_http_ai_block_t *b);
char *ngx_http_ai_model_failover(ngx_conf_t *cf, ngx_http_ai_block_t *b);
char *ngx_http_ai_model_task(ngx_conf_t *cf, ngx_http_ai_block_t *b);

/* of ai_tenant */
char *ngx_http_ai_tenant_key(ngx_conf_t *cf, ngx_http_ai_block_t *b);


/* ---- locations with ai_gateway on ---- */

typedef struct {
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_upstream_conf_t  *upstream;    /* proxy's */
    u_char                    *file;
    ngx_uint_t                 line;
} ngx_http_ai_location_t;

/* notes a merged location and checks what needs no provider */
char *ngx_http_ai_conf_location(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_loc_conf_t *alcf);

/* the proxy's settings against the providers */
ngx_int_t ngx_http_ai_conf_locations(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);


/*
 * Takes a provider's URL apart: scheme, host, base, loopback and private are
 * set, *name is the host without its port.  Returns what is wrong, or NULL.
 */
char *ngx_http_ai_conf_base(ngx_http_ai_provider_t *p, ngx_str_t *url,
    ngx_str_t *name);

/* the first of n addresses that is neither loopback nor private, or NULL */
ngx_addr_t *ngx_http_ai_conf_far(ngx_addr_t *addrs, ngx_uint_t n);


/* of ai_postgres, when everything has been read: its resolver, and that it is
   what ai_admin needs */
ngx_int_t ngx_http_ai_conf_postgres(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *mcf);

ngx_http_ai_provider_t *ngx_http_ai_provider_find(
    ngx_http_ai_main_conf_t *mcf, ngx_str_t *name);

/* who lists an alias means the model; models are judged by their own names */
void ngx_http_ai_resolve_patterns(ngx_http_ai_main_conf_t *mcf,
    ngx_array_t *models);

/* notes whether a cost limit of the tenant, or of one of its keys, is among
   them */
void ngx_http_ai_tenant_budget(ngx_http_ai_tenant_t *t, ngx_array_t *limits);

/* where a digest's search in mcf->key_hash begins */
ngx_uint_t ngx_http_ai_key_place(ngx_http_ai_main_conf_t *mcf,
    u_char digest[AI_KEY_DIGEST]);

/* the node of a name, or NULL; any type that begins with ngx_str_node_t */
void *ngx_http_ai_tree_find(ngx_rbtree_t *tree, ngx_str_t *name);

/* NGX_DECLINED: the name is taken */
ngx_int_t ngx_http_ai_tree_add(ngx_rbtree_t *tree, ngx_str_node_t *sn,
    ngx_str_t *name);


#endif /* NGX_HTTP_AI_CONF_H */
