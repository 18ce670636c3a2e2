
/*
 * ACCESS: the endpoint from the raw path, the tenant from the key.  No I/O,
 * and no body yet, so that other access rules of the operator come first.
 */


#include "ngx_http_ai.h"


/* what the request's headers and arguments present */

typedef struct {
    ngx_str_t    key;           /* the first credential */
    ngx_uint_t   hints;
    unsigned     several:1;     /* another one differs from it */
    unsigned     coded:1;       /* the body is compressed */
} ngx_http_ai_presented_t;


static void ngx_http_ai_mask_line(ngx_http_request_t *r);
static void ngx_http_ai_mask(u_char *p, u_char *last);
static u_char *ngx_http_ai_arg_key_value(u_char *p, u_char *last);
static u_char *ngx_http_ai_arg_key(u_char *p, u_char *last, u_char **end);
static void ngx_http_ai_presented(ngx_http_request_t *r,
    ngx_http_ai_presented_t *pr);
static void ngx_http_ai_presented_header(ngx_http_ai_presented_t *pr,
    ngx_str_t *header, ngx_uint_t kind);
static void ngx_http_ai_presented_args(ngx_http_ai_presented_t *pr,
    ngx_str_t *args);
static void ngx_http_ai_present(ngx_http_ai_presented_t *pr,
    ngx_str_t *value);
static void ngx_http_ai_route(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_authenticate(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_main_conf_t *mcf, ngx_http_ai_presented_t *pr, ai_error_t *e);
static ngx_int_t ngx_http_ai_authenticate_listed(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_main_conf_t *mcf, u_char digest[AI_KEY_DIGEST],
    ai_error_t *e);


/* headers that carry a key, a hint or the body's coding */

#define NGX_HTTP_AI_HEADER_KEY        1
#define NGX_HTTP_AI_HEADER_GOOG       2
#define NGX_HTTP_AI_HEADER_ANTHROPIC  3
#define NGX_HTTP_AI_HEADER_BEARER     4
#define NGX_HTTP_AI_HEADER_CODING     5

static const struct {
    ngx_str_t    name;
    ngx_uint_t   kind;
} ngx_http_ai_credentials[] = {
    { ngx_string("authorization"), NGX_HTTP_AI_HEADER_BEARER },
    { ngx_string("x-api-key"), NGX_HTTP_AI_HEADER_KEY },
    { ngx_string("api-key"), NGX_HTTP_AI_HEADER_KEY },
    { ngx_string("x-goog-api-key"), NGX_HTTP_AI_HEADER_GOOG },
    { ngx_string("anthropic-version"), NGX_HTTP_AI_HEADER_ANTHROPIC },
    { ngx_string("content-encoding"), NGX_HTTP_AI_HEADER_CODING },
    { ngx_null_string, 0 }
};


/*
 * nginx quotes the request line in its error log and in $request.  The key of
 * "?key=" is blanked there before any later phase can log it.  The arguments
 * and the target become copies which keep it: other locations of the server
 * may have an argument of that name, in ours the access phase blanks it.
 */

ngx_int_t
ngx_http_ai_mask_handler(ngx_http_request_t *r)
{
    u_char                  *p, *end;
    ngx_str_t                args, uri;
    ngx_http_ai_srv_conf_t  *ascf;

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_ai_tenant_module);

    if (!ascf->gateway || r != r->main || r->internal) {
        return NGX_DECLINED;
    }

    p = memchr(r->unparsed_uri.data, '?', r->unparsed_uri.len);

    if (p == NULL
        || ngx_http_ai_arg_key(p + 1,
                               r->unparsed_uri.data + r->unparsed_uri.len,
                               &end)
           == NULL)
    {
        return NGX_DECLINED;
    }

    args.len = r->args.len;
    args.data = ngx_pstrdup(r->pool, &r->args);

    uri.len = r->unparsed_uri.len;
    uri.data = ngx_pstrdup(r->pool, &r->unparsed_uri);

    if (args.data == NULL || uri.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_ai_mask_line(r);

    r->args = args;
    r->unparsed_uri = uri;

    return NGX_DECLINED;
}


/* nginx may have failed in the middle of the line: then it has no bounds */

static void
ngx_http_ai_mask_line(ngx_http_request_t *r)
{
    u_char      *p;
    ngx_uint_t   i;
    ngx_str_t    parts[2];

    parts[0] = r->unparsed_uri;
    parts[1] = r->request_line;

    if (r->request_line.data == NULL && r->request_start) {
        parts[1].data = r->request_start;
        parts[1].len = r->header_in->last - r->request_start;
    }

    for (i = 0; i < 2; i++) {
        p = ngx_strlchr(parts[i].data, parts[i].data + parts[i].len, '?');

        if (p) {
            ngx_http_ai_mask(p + 1, parts[i].data + parts[i].len);
        }
    }
}


/*
 * LOG: a request that was refused before the access phase has all of its
 * credentials still, and the access log comes next.
 */

void
ngx_http_ai_forget(ngx_http_request_t *r)
{
    ngx_http_ai_loc_conf_t   *alcf;
    ngx_http_ai_srv_conf_t   *ascf;
    ngx_http_ai_presented_t   pr;

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_ai_tenant_module);

    if (!ascf->gateway) {
        return;
    }

    ngx_http_ai_mask_line(r);
    ngx_http_ai_mask(r->args.data, r->args.data + r->args.len);

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_tenant_module);

    if (!alcf->gateway && alcf->admins == NULL && r->phase_handler) {
        return;
    }

    ngx_memzero(&pr, sizeof(ngx_http_ai_presented_t));
    ngx_http_ai_presented(r, &pr);
    ngx_explicit_memzero(pr.key.data, pr.key.len);
}


/* blanks every value of a "key" argument in [p, last) */

static void
ngx_http_ai_mask(u_char *p, u_char *last)
{
    u_char  *end;

    while ((p = ngx_http_ai_arg_key(p, last, &end)) != NULL) {
        ngx_memset(p, '*', end - p);
        p = end;
    }
}


/* the next value of a "key" argument in [p, last), which ends at *end */

static u_char *
ngx_http_ai_arg_key(u_char *p, u_char *last, u_char **end)
{
    u_char  *q, *value;

    while (p < last) {

        value = ngx_http_ai_arg_key_value(p, last);

        for (q = p; q < last && *q != '&' && *q != ' '; q++) { /* void */ }

        if (value) {
            *end = q;
            return value;
        }

        if (q < last && *q == ' ') {
            return NULL;
        }

        p = q + 1;
    }

    return NULL;
}


/* behind "key=", in any case and with any of its letters escaped, or NULL */

static u_char *
ngx_http_ai_arg_key_value(u_char *p, u_char *last)
{
    ngx_int_t          c;
    ngx_uint_t         i;
    static const char  name[] = "key";

    for (i = 0; i < sizeof(name) - 1; i++) {

        if (p == last) {
            return NULL;
        }

        c = *p++;

        if (c == '%' && last - p >= 2) {
            c = ngx_hextoi(p, 2);
            p += 2;
        }

        if (c == NGX_ERROR || ngx_tolower(c) != name[i]) {
            return NULL;
        }
    }

    return (p < last && *p == '=') ? p + 1 : NULL;
}


ngx_int_t
ngx_http_ai_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ai_error_t                e;
    ngx_http_ai_ctx_t        *ctx;
    ngx_http_ai_loc_conf_t   *alcf;
    ngx_http_ai_presented_t   pr;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_tenant_module);

    if (alcf->admins) {
        return ngx_http_ai_admin_access(r, alcf);
    }

    if (!alcf->gateway || r != r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_ai_ctx(r);

    if (ctx) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_ai_ctx_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&e, sizeof(ai_error_t));
    ngx_memzero(&pr, sizeof(ngx_http_ai_presented_t));

    ngx_http_ai_presented(r, &pr);

    ctx->presented = 1;
    ctx->hints = pr.hints;
    ctx->coded = pr.coded;
    ngx_http_ai_route(r, ctx);

    rc = ngx_http_ai_authenticate(ctx,
                   ngx_http_get_module_main_conf(r, ngx_http_ai_tenant_module),
                   &pr, &e);

    if (pr.key.len) {
        ngx_explicit_memzero(pr.key.data, pr.key.len);
    }

    if (rc != NGX_OK) {
        return ngx_http_ai_refuse(r, ctx, &e);
    }

    /* not NGX_OK: "satisfy any" must not be widened by a key */

    return NGX_DECLINED;
}


/*
 * Collects the credentials and blanks them where they stand, so that neither
 * a log format nor a later module meets the tenant's key; the first is kept
 * for the look-up alone, and wiped after it.
 */

static void
ngx_http_ai_presented(ngx_http_request_t *r, ngx_http_ai_presented_t *pr)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;
    static u_char     copy[AI_KEY_MAX + 1];

    pr->key.data = copy;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].lowcase_key[0] != 'a' && h[i].lowcase_key[0] != 'x'
            && h[i].lowcase_key[0] != 'c')
        {
            continue;
        }

        for (n = 0; ngx_http_ai_credentials[n].name.len; n++) {

            if (h[i].key.len == ngx_http_ai_credentials[n].name.len
                && ngx_memcmp(h[i].lowcase_key,
                              ngx_http_ai_credentials[n].name.data,
                              h[i].key.len)
                   == 0)
            {
                ngx_http_ai_presented_header(pr, &h[i].value,
                                             ngx_http_ai_credentials[n].kind);
                break;
            }
        }
    }

    if (r->args.len) {
        ngx_http_ai_presented_args(pr, &r->args);
    }

    if (r->unparsed_uri.len != r->uri.len) {
        ngx_http_ai_mask_line(r);
    }
}


static void
ngx_http_ai_presented_header(ngx_http_ai_presented_t *pr, ngx_str_t *header,
    ngx_uint_t kind)
{
    ngx_str_t  value;

    value = *header;

    switch (kind) {

    case NGX_HTTP_AI_HEADER_ANTHROPIC:
        pr->hints |= AI_HINT_ANTHROPIC;
        return;

    case NGX_HTTP_AI_HEADER_CODING:
        pr->coded |= (value.len != sizeof("identity") - 1
                      || ngx_strncasecmp(value.data, (u_char *) "identity",
                                         value.len)
                         != 0);
        return;

    case NGX_HTTP_AI_HEADER_GOOG:
        pr->hints |= AI_HINT_GOOG;
        break;

    case NGX_HTTP_AI_HEADER_BEARER:
        if (value.len >= 7
            && (ngx_memcmp(value.data, "Bearer ", 7) == 0
                || ngx_strncasecmp(value.data, (u_char *) "bearer ", 7) == 0))
        {
            value.data += 7;
            value.len -= 7;

            while (value.len && value.data[0] == ' ') {
                value.data++;
                value.len--;
            }
        }

        break;
    }

    ngx_http_ai_present(pr, &value);
}


static void
ngx_http_ai_presented_args(ngx_http_ai_presented_t *pr, ngx_str_t *args)
{
    u_char     *p, *end, *src, *dst;
    ngx_str_t   value;

    p = args->data;

    while ((p = ngx_http_ai_arg_key(p, args->data + args->len, &end)) != NULL) {

        pr->hints |= AI_HINT_GOOG;

        src = p;
        dst = p;
        ngx_unescape_uri(&dst, &src, end - p, 0);

        value.data = p;
        value.len = dst - p;
        ngx_http_ai_present(pr, &value);

        ngx_memset(p, '*', end - p);
        p = end;
    }
}


/* takes one credential, and blanks it where it stands */

static void
ngx_http_ai_present(ngx_http_ai_presented_t *pr, ngx_str_t *value)
{
    size_t  len;

    /* a longer one is no key: it is kept one byte too long, and refused */

    len = ngx_min(value->len, AI_KEY_MAX + 1);

    if (len == 0) {
        return;
    }

    if (pr->key.len == 0) {
        ngx_memcpy(pr->key.data, value->data, len);
        pr->key.len = len;

    } else if (pr->key.len != len
               || ngx_memcmp(pr->key.data, value->data, len) != 0)
    {
        pr->several = 1;
    }

    ngx_memset(value->data, '*', value->len);
}


static void
ngx_http_ai_route(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    u_char     *p;
    ai_str_t    method, path, args;

    method.len = r->method_name.len;
    method.data = r->method_name.data;

    path.len = r->unparsed_uri.len;
    path.data = r->unparsed_uri.data;

    args.len = 0;
    args.data = NULL;

    p = memchr(path.data, '?', path.len);

    if (p) {
        args.data = p + 1;
        args.len = path.data + path.len - args.data;
        path.len = p - path.data;
    }

    ctx->found = ai_route_find(&ctx->route, &method, &path, &args, ctx->hints,
                               &ctx->allow);
}


static ngx_int_t
ngx_http_ai_authenticate(ngx_http_ai_ctx_t *ctx, ngx_http_ai_main_conf_t *mcf,
    ngx_http_ai_presented_t *pr, ai_error_t *e)
{
    u_char              digest[AI_KEY_DIGEST];
    ngx_http_ai_key_t  *key;

    if (pr->key.len == 0) {
        e->code = AI_ERR_NO_KEY;
        return NGX_DECLINED;
    }

    if (pr->several) {
        e->code = AI_ERR_TWO_KEYS;
        return NGX_DECLINED;
    }

    e->code = AI_ERR_BAD_KEY;

    if (ai_key_check(pr->key.data, pr->key.len) == AI_ERROR) {
        return NGX_DECLINED;
    }

    ai_key_digest(pr->key.data, pr->key.len, digest);

    key = ngx_http_ai_key_find(mcf, digest);

    if (key == NULL && mcf->directory) {
        return ngx_http_ai_authenticate_listed(ctx, mcf, digest, e);
    }

    if (key == NULL || (key->expires && key->expires <= ngx_time())) {
        return NGX_DECLINED;
    }

    ctx->key = key;

    return NGX_OK;
}


/* a key of the directory may be revoked from now on */

static ngx_int_t
ngx_http_ai_authenticate_listed(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_main_conf_t *mcf, u_char digest[AI_KEY_DIGEST], ai_error_t *e)
{
    ngx_int_t  rc;

    rc = ngx_http_ai_directory_key(mcf, ctx->request->pool, digest, &ctx->key,
                                   e);

    if (rc == NGX_OK) {
        ngx_http_ai_watch(ctx);
    }

    return rc;
}
