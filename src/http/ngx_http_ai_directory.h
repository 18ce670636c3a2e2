
/*
 * The directory's records of one key, between ngx_http_ai_directory.c,
 * _lookup.c, _price.c and _revoke.c.
 */


#ifndef NGX_HTTP_AI_DIRECTORY_H
#define NGX_HTTP_AI_DIRECTORY_H


#include "ngx_http_ai.h"


typedef struct {
    uint64_t                   stamp;       /* ngx_http_ai_directory_stamp() */

    /* these point into what follows */

    ai_entry_key_t             key;
    ai_entry_tenant_t          tenant;
    ai_entry_plan_t            plan;
    ngx_http_ai_plan_t        *conf;        /* a plan of nginx.conf instead */

    const char                *lacking;     /* after an NGX_ERROR: the kind of
                                               record that is needed */
    ngx_str_t                  name;        /* and its name */

    _Alignas(8) ai_char        keys[AI_DIR_VALUE_MAX];
    _Alignas(8) ai_char        tenants[AI_DIR_VALUE_MAX];
    _Alignas(8) ai_char        plans[AI_DIR_VALUE_MAX];
} ngx_http_ai_records_t;

/* limits that are in force, own ones above inherited ones */

typedef struct {
    ai_limit_t                *elts;        /* room for NGX_AI_PARTY_LIMITS */
    ngx_uint_t                 nelts;
} ngx_http_ai_limits_t;


/*
 * Copies out what belongs to a digest, under one lock.  NGX_DECLINED: there is
 * no such key, or its tenant is one of nginx.conf.  NGX_ERROR: the tenant or
 * the plan that it needs is not there, or no such record.
 */
ngx_int_t ngx_http_ai_records_get(ngx_http_ai_main_conf_t *mcf,
    u_char digest[AI_KEY_DIGEST], ngx_http_ai_records_t *rec);

/* the same for a tenant by its name; without a key, which has no limits */
ngx_int_t ngx_http_ai_records_tenant(ngx_http_ai_main_conf_t *mcf,
    const ai_str_t *name, ngx_http_ai_records_t *rec);

void ngx_http_ai_records_tenant_limits(ngx_http_ai_records_t *rec,
    ngx_http_ai_limits_t *limits);
void ngx_http_ai_records_key_limits(ngx_http_ai_records_t *rec,
    ngx_http_ai_limits_t *limits);

/* [error] "ai directory has no KIND "NAME"", once a minute for each */
void ngx_http_ai_directory_lacks(ngx_log_t *log, const char *kind,
    ngx_str_t *name);


#endif /* NGX_HTTP_AI_DIRECTORY_H */
