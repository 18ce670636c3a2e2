
/*
 * The URL of a provider: scheme://host[:port][/prefix].
 */


#include "ngx_http_ai_conf.h"


/* private: RFC 1918, 4193, link-local; a unix domain socket is as good as
   loopback */

typedef enum {
    NGX_HTTP_AI_FAR = 0,
    NGX_HTTP_AI_PRIVATE,
    NGX_HTTP_AI_LOOPBACK
} ngx_http_ai_near_t;


static char *ngx_http_ai_base_host(ngx_str_t *host, ngx_str_t *name);
static char *ngx_http_ai_base_path(ngx_str_t *path);
static void ngx_http_ai_base_address(ngx_http_ai_provider_t *p,
    ngx_str_t *name);
static ngx_http_ai_near_t ngx_http_ai_base_near(struct sockaddr *sockaddr);


char *
ngx_http_ai_conf_base(ngx_http_ai_provider_t *p, ngx_str_t *url,
    ngx_str_t *name)
{
    char       *err;
    ngx_str_t   rest;

    if (ngx_http_ai_conf_param(url, "https://", &rest)) {
        ngx_str_set(&p->scheme, "https");

    } else if (ngx_http_ai_conf_param(url, "http://", &rest)) {
        ngx_str_set(&p->scheme, "http");

    } else {
        return "no \"http://\" or \"https://\"";
    }

    p->host.data = rest.data;
    p->host.len = 0;

    while (p->host.len < rest.len && rest.data[p->host.len] != '/') {
        p->host.len++;
    }

    p->base.data = rest.data + p->host.len;
    p->base.len = rest.len - p->host.len;

    ngx_strlow(p->host.data, p->host.data, p->host.len);

    err = ngx_http_ai_base_host(&p->host, name);

    if (err == NULL) {
        ngx_http_ai_base_address(p, name);
        err = ngx_http_ai_base_path(&p->base);
    }

    return err;
}


/* host[:port]; the name is left without the port and without brackets */

static char *
ngx_http_ai_base_host(ngx_str_t *host, ngx_str_t *name)
{
    u_char     *p, *last, *extra;
    ngx_int_t   port;

    last = host->data + host->len;
    extra = (u_char *) ".-_";
    *name = *host;

    if (host->len && host->data[0] == '[') {

        p = ngx_strlchr(host->data, last, ']');
        if (p == NULL) {
            return "invalid host";
        }

        name->data++;
        name->len = p++ - name->data;
        extra = (u_char *) ":.";

    } else {
        p = ngx_strlchr(host->data, last, ':');
        p = p ? p : last;
        name->len = p - name->data;
    }

    if (p < last) {
        port = (*p == ':') ? ngx_atoi(p + 1, last - p - 1) : NGX_ERROR;

        if (port < 1 || port > 65535) {
            return "invalid port";
        }
    }

    if (name->len == 0 || name->len > 253) {
        return "invalid host";
    }

    for (p = name->data; p < name->data + name->len; p++) {
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9')
            && (*p == '\0' || ngx_strchr(extra, *p) == NULL))
        {
            return "invalid host";
        }
    }

    return NULL;
}


static char *
ngx_http_ai_base_path(ngx_str_t *path)
{
    u_char  *p;

    while (path->len && path->data[path->len - 1] == '/') {
        path->len--;
    }

    if (path->len > 512) {
        return "too long path";
    }

    for (p = path->data; p < path->data + path->len; p++) {
        if (*p <= 0x20 || *p >= 0x7f || *p == '?' || *p == '#' || *p == '"'
            || *p == '\\')
        {
            return "invalid path";
        }
    }

    return NULL;
}


static void
ngx_http_ai_base_address(ngx_http_ai_provider_t *p, ngx_str_t *name)
{
    ngx_sockaddr_t      sa;
    ngx_http_ai_near_t  near;

    if (name->len == 9 && ngx_strncmp(name->data, "localhost", 9) == 0) {
        p->loopback = 1;
        return;
    }

    ngx_memzero(&sa, sizeof(ngx_sockaddr_t));

    sa.sockaddr_in.sin_family = AF_INET;
    sa.sockaddr_in.sin_addr.s_addr = ngx_inet_addr(name->data, name->len);

    if (sa.sockaddr_in.sin_addr.s_addr == INADDR_NONE) {

#if (NGX_HAVE_INET6)
        if (ngx_inet6_addr(name->data, name->len,
                           sa.sockaddr_in6.sin6_addr.s6_addr)
            != NGX_OK)
        {
            return;
        }

        sa.sockaddr_in6.sin6_family = AF_INET6;
#else
        return;
#endif
    }

    near = ngx_http_ai_base_near(&sa.sockaddr);

    p->loopback = (near == NGX_HTTP_AI_LOOPBACK);
    p->private = (near == NGX_HTTP_AI_PRIVATE);
}


static ngx_http_ai_near_t
ngx_http_ai_base_near(struct sockaddr *sockaddr)
{
    in_addr_t  addr;
#if (NGX_HAVE_INET6)
    u_char    *p;
#endif

    switch (sockaddr->sa_family) {

    case AF_INET:
        addr = ntohl(((struct sockaddr_in *) sockaddr)->sin_addr.s_addr);

        if ((addr >> 24) == 127) {
            return NGX_HTTP_AI_LOOPBACK;
        }

        return ((addr >> 24) == 10 || (addr >> 20) == 0xac1
                || (addr >> 16) == 0xc0a8 || (addr >> 16) == 0xa9fe)
               ? NGX_HTTP_AI_PRIVATE : NGX_HTTP_AI_FAR;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        p = ((struct sockaddr_in6 *) sockaddr)->sin6_addr.s6_addr;

        if (IN6_IS_ADDR_LOOPBACK((struct in6_addr *) p)) {
            return NGX_HTTP_AI_LOOPBACK;
        }

        return ((p[0] & 0xfe) == 0xfc
                || (p[0] == 0xfe && (p[1] & 0xc0) == 0x80))
               ? NGX_HTTP_AI_PRIVATE : NGX_HTTP_AI_FAR;
#endif

    default:
        return NGX_HTTP_AI_LOOPBACK;
    }
}


ngx_addr_t *
ngx_http_ai_conf_far(ngx_addr_t *addrs, ngx_uint_t n)
{
    for ( /* void */ ; n; n--, addrs++) {
        if (ngx_http_ai_base_near(addrs->sockaddr) == NGX_HTTP_AI_FAR) {
            return addrs;
        }
    }

    return NULL;
}
