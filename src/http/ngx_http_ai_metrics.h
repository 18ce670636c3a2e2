
/*
 * What the files that write "ai_metrics" share.
 */


#ifndef NGX_HTTP_AI_METRICS_H
#define NGX_HTTP_AI_METRICS_H


#include "ngx_http_ai.h"


#define NGX_HTTP_AI_SAMPLE_SIZE  256


typedef struct {
    ngx_str_t                 *name;
    ai_owner_view_t            view;
} ngx_http_ai_metrics_tenant_t;

typedef struct {
    ngx_http_ai_json_t         text;
    ngx_http_ai_main_conf_t   *mcf;
    u_char                     taken[AI_BOOK_WORKERS];
    ngx_uint_t                 workers;
    ngx_http_ai_metrics_tenant_t  *tenants;
    ngx_uint_t                 ntenants;
} ngx_http_ai_metrics_t;

/* a family of one sample without labels; the last one of a list has no name */

typedef struct {
    const char                *name;
    const char                *type;
    const char                *help;
    uint64_t                   n;
} ngx_http_ai_metric_t;

void ngx_http_ai_metrics_simple(ngx_http_ai_metrics_t *m,
    const ngx_http_ai_metric_t *simple);

/* the two lines of comment before the samples of a name */
void ngx_http_ai_metrics_family(ngx_http_ai_metrics_t *m, const char *name,
    const char *type, const char *help);

/* name{owner="value",label="word"} n; either label may be absent; nanos: n is
   written as dollars */
void ngx_http_ai_metrics_sample(ngx_http_ai_metrics_t *m, const char *name,
    const char *owner, ngx_str_t *value, const char *label, const char *word,
    uint64_t n, unsigned nanos);

/* ngx_http_ai_stores.c: shipping, the directory, connections */
void ngx_http_ai_metrics_stores(ngx_http_ai_metrics_t *m);

/* ngx_http_ai_redis.c: leases and queues */
void ngx_http_ai_metrics_redis(ngx_http_ai_metrics_t *m);


#endif /* NGX_HTTP_AI_METRICS_H */
