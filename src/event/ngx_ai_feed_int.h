
/*
 * The feed's own: for src/event/ngx_ai_feed*.c.
 */


#ifndef NGX_AI_FEED_INT_H
#define NGX_AI_FEED_INT_H


#include "ngx_ai_directory.h"


#define NGX_AI_FEED_PAGE      500       /* rows, of 1 to 4 us each */
#define NGX_AI_FEED_PAGE_TEXT "500"
#define NGX_AI_FEED_MARK      64
#define NGX_AI_FEED_SAID      24

#define NGX_AI_FEED_TENANTS                                                  \
    (1u << AI_DIR_KEY | 1u << AI_DIR_TENANT | 1u << AI_DIR_PLAN              \
     | 1u << AI_DIR_PRICE)


/* which statement is on its way, and which local work comes first */

typedef enum {
    NGX_AI_FEED_HELLO = 0,
    NGX_AI_FEED_REGISTER,
    NGX_AI_FEED_CHANGES,
    NGX_AI_FEED_SPEND,
    NGX_AI_FEED_MAINTAIN,
    NGX_AI_FEED_NOTHING,
    NGX_AI_FEED_STEPS
} ngx_ai_feed_step_t;

struct ngx_ai_feed_s {
    ngx_ai_feed_conf_t    conf;
    ngx_log_t            *log;

    ngx_event_t           tick;
    ngx_ai_op_t          *op;
    ngx_ai_feed_step_t    step;         /* of op */

    /* milliseconds, of ngx_current_msec */
    ngx_msec_t            asked;        /* the last read of changes */
    ngx_msec_t            spent;
    ngx_msec_t            maintained;
    ngx_msec_t            next;         /* nothing before, while "failing" */
    ngx_msec_t            delay;

    u_char                mark[NGX_AI_FEED_MARK];   /* of the read under way */
    u_char                after[AI_DIR_KEY_MAX + 3];
    u_char                begun[NGX_AI_FEED_MARK];  /* the mark to come */
    ngx_uint_t            pages;        /* of the read under way */

    uint64_t              walk;         /* of ai_dir_each() */
    PGresult             *spend;        /* rows that are not applied yet */
    int                   row;

    time_t                heard;

    /* the failure of each step that was logged; "" while it works */
    u_char                said[NGX_AI_FEED_STEPS][NGX_AI_FEED_SAID];
    ngx_msec_t            failed[NGX_AI_FEED_STEPS];    /* the last time */

    unsigned              active:1;
    unsigned              greeted:1;
    unsigned              registered:1;
    unsigned              unregistered:1;   /* failed: with maintenance again */
    unsigned              wanted:1;     /* notified */
    unsigned              looked:1;     /* changes were read once */
    unsigned              reading:1;    /* between two pages */
    unsigned              full:1;       /* all is to be read anew */
    unsigned              pass:1;       /* all is being read */
    unsigned              sweeping:1;
    unsigned              walking:1;
    unsigned              missed:1;     /* the book was full */
};


/* one line each time that a step fails in another way than the last time */
void ngx_ai_feed_failed(ngx_ai_feed_t *feed, ngx_ai_feed_step_t step,
    const char *code, ngx_str_t *text);

/* all of it has gone well */
void ngx_ai_feed_works(ngx_ai_feed_t *feed, ngx_ai_feed_step_t step);

/* text of a mark; NGX_ERROR: it is none */
ngx_int_t ngx_ai_feed_mark(u_char to[NGX_AI_FEED_MARK], ngx_str_t *from);


/* ngx_ai_feed_pages.c: ai.directory() */

void ngx_ai_feed_changes_ask(ngx_ai_feed_t *feed, ngx_ai_pg_query_t *q);
ngx_int_t ngx_ai_feed_changes_done(ngx_ai_feed_t *feed, ngx_ai_op_t *op);

/* removes some of what the full load did not hold */
void ngx_ai_feed_sweep(ngx_ai_feed_t *feed);


/* ngx_ai_feed_spend.c: ai.spend_others() */

void ngx_ai_feed_spend_ask(ngx_ai_feed_t *feed, ngx_ai_pg_query_t *q);
ngx_int_t ngx_ai_feed_spend_done(ngx_ai_feed_t *feed, ngx_ai_op_t *op);

/* applies some more rows; some records of the directory to the book */
void ngx_ai_feed_spend_rows(ngx_ai_feed_t *feed);
void ngx_ai_feed_spend_walk(ngx_ai_feed_t *feed);
void ngx_ai_feed_spend_drop(ngx_ai_feed_t *feed);


#endif /* NGX_AI_FEED_INT_H */
