
/*
 * The headers that the provider gets: the client's, save some, and ours.
 */


#include "ngx_http_ai_translate.h"


/* a header that the gateway sets; hashed when it is first sent */

typedef struct {
    ngx_str_t                  name;
    ngx_uint_t                 hash;
} ngx_http_ai_header_t;


static ngx_uint_t ngx_http_ai_header_dropped(ngx_table_elt_t *h);
static void ngx_http_ai_header_put(ngx_table_elt_t **h,
    ngx_http_ai_header_t *header, ngx_str_t *value);


/*
 * Headers of the client that no provider gets: credentials, copies of what the
 * gateway sets, what would choose who pays, at which price or for which model
 * (WIRE-FORMATS 5.4), and what would leave the usage out of the answer (field
 * masks, ranges, conditions); the others pass.  A '*' at the end stands for
 * any rest.  In the order of their first letters, from 'a' on.
 */

static const ngx_str_t  ngx_http_ai_headers_dropped[] = {
    ngx_string("accept-encoding"),
    ngx_string("anthropic-organization-id"),
    ngx_string("anthropic-user-profile-id"),
    ngx_string("anthropic-workspace-id"),
    ngx_string("api-key"),
    ngx_string("authorization"),
    ngx_string("azureml-*"),
    ngx_string("chatgpt-account-id"),
    ngx_string("cookie"),
    ngx_string("content-encoding"),
    ngx_string("content-type"),
    ngx_string("forwarded"),
    ngx_string("idempotency-key"),
    ngx_string("if-*"),
    ngx_string("ocp-apim-*"),
    ngx_string("openai-organization"),
    ngx_string("openai-project"),
    ngx_string("proxy-*"),
    ngx_string("range"),
    ngx_string("request-id"),
    ngx_string("trailer"),
    ngx_string("via"),
    ngx_string("x-accel-*"),
    ngx_string("x-ai-*"),
    ngx_string("x-api-key"),
    ngx_string("x-forwarded*"),
    ngx_string("x-goog-*"),
    ngx_string("x-http-method*"),
    ngx_string("x-method-override"),
    ngx_string("x-ms-*"),
    ngx_string("x-original-*"),
    ngx_string("x-real-ip"),
    ngx_string("x-request-id"),
    ngx_string("x-rewrite-url"),
    ngx_string("x-should-retry"),
    ngx_string("x-tenant*"),
    ngx_string("x-vertex-*"),
    ngx_null_string
};


static ngx_http_ai_header_t  ngx_http_ai_header_type =
    { ngx_string("content-type"), 0 };

static ngx_http_ai_header_t  ngx_http_ai_header_id =
    { ngx_string("x-request-id"), 0 };

static ngx_http_ai_header_t  ngx_http_ai_header_coding =
    { ngx_string("accept-encoding"), 0 };

static ngx_http_ai_header_t  ngx_http_ai_header_version =
    { ngx_string("anthropic-version"), 0 };

static ngx_http_ai_header_t  ngx_http_ai_header_tenant =
    { ngx_string("x-tenant-id"), 0 };

static ngx_http_ai_header_t  ngx_http_ai_header_plan =
    { ngx_string("x-tenant-plan"), 0 };


/*
 * proxy_pass copies r->headers_in.headers: it gets a list of ours, and the
 * client's comes back as soon as the provider's request is made, so that
 * variables and logs see what the client sent.
 */

ngx_int_t
ngx_http_ai_target_headers(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t               i, n;
    ngx_list_part_t         *part;
    ngx_table_elt_t         *h, *to;
    ngx_http_ai_tenant_t    *tenant;
    ngx_http_ai_provider_t  *provider;
    static ngx_str_t         identity = ngx_string("identity");
    static ngx_str_t         version = ngx_string("2023-06-01");

    n = 6;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        n += part->nelts;
    }

    to = ngx_alloc(n * sizeof(ngx_table_elt_t), r->connection->log);
    if (to == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->elts = to;
    ctx->headers = r->headers_in.headers;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_ai_header_dropped(&h[i])) {
                continue;
            }

            *to++ = h[i];
        }
    }

    provider = ctx->target->provider;
    tenant = ctx->key->tenant;

    ngx_http_ai_header_put(&to, &ngx_http_ai_header_type, &ctx->type);
    ngx_http_ai_header_put(&to, &ngx_http_ai_header_id, &ctx->id);
    ngx_http_ai_header_put(&to, &ngx_http_ai_header_coding, &identity);

    if (ngx_http_ai_translate_wanted(ctx)
        && ctx->sent_route->dialect == AI_DIALECT_ANTHROPIC)
    {
        ngx_http_ai_header_put(&to, &ngx_http_ai_header_version, &version);
    }

    if (provider->identify) {
        ngx_http_ai_header_put(&to, &ngx_http_ai_header_tenant,
                               &tenant->sn.str);
        ngx_http_ai_header_put(&to, &ngx_http_ai_header_plan,
                               &tenant->plan->sn.str);
    }

    part = &r->headers_in.headers.part;
    part->elts = ctx->elts;
    part->nelts = to - (ngx_table_elt_t *) ctx->elts;
    part->next = NULL;
    r->headers_in.headers.last = part;

    return NGX_OK;
}


void
ngx_http_ai_target_headers_restore(ngx_http_ai_ctx_t *ctx)
{
    if (ctx->elts == NULL) {
        return;
    }

    ctx->request->headers_in.headers = ctx->headers;

    ngx_free(ctx->elts);
    ctx->elts = NULL;
}


/*
 * SERVER_REWRITE of a subrequest (a mirror, say), which has copied the head of
 * the main request while that one had our list: it gets the client's.
 */

ngx_int_t
ngx_http_ai_target_sub_handler(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t  *ctx;

    if (r == r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_ai_ctx(r->main);

    if (ctx && ctx->headers.part.elts) {
        r->headers_in.headers = ctx->headers;
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_ai_header_dropped(ngx_table_elt_t *h)
{
    u_char            c, first, third;
    size_t            i, len;
    const ngx_str_t  *name;

    if (h->key.len < 3) {
        return 0;
    }

    first = h->lowcase_key[0];
    third = h->lowcase_key[2] == '_' ? '-' : h->lowcase_key[2];

    for (name = ngx_http_ai_headers_dropped;
         name->len && name->data[0] <= first;
         name++)
    {
        /* the first and the third letter tell nearly all names apart */

        if (name->data[0] != first || name->data[2] != third) {
            continue;
        }

        len = name->len;

        if (name->data[len - 1] == '*') {
            len--;

            if (h->key.len < len) {
                continue;
            }

        } else if (h->key.len != len) {
            continue;
        }

        if (ngx_memcmp(h->lowcase_key, name->data, len) == 0) {
            return 1;
        }

        /* with underscores_in_headers X_Tenant_Id is X-Tenant-Id to many */

        for (i = 1; i < len; i++) {
            c = h->lowcase_key[i] == '_' ? '-' : h->lowcase_key[i];

            if (c != name->data[i]) {
                break;
            }
        }

        if (i == len) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_ai_header_put(ngx_table_elt_t **h, ngx_http_ai_header_t *header,
    ngx_str_t *value)
{
    if (header->hash == 0) {
        header->hash = ngx_hash_key(header->name.data, header->name.len);
    }

    (*h)->key = header->name;
    (*h)->lowcase_key = header->name.data;
    (*h)->hash = header->hash;
    (*h)->value = *value;

    (*h)++;
}
