
/*
 * The URL of a provider: scheme://host[:port][/prefix].
 */


#include "ngx_http_ai_conf.h"


static char *ngx_http_ai_base_host(ngx_str_t *host, ngx_str_t *name);
static char *ngx_http_ai_base_path(ngx_str_t *path);
static void ngx_http_ai_base_address(ngx_http_ai_provider_t *p,
    ngx_str_t *name);


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


/* loopback and private addresses (RFC 1918, 4193, link-local) */

static void
ngx_http_ai_base_address(ngx_http_ai_provider_t *p, ngx_str_t *name)
{
    in_addr_t  addr;
#if (NGX_HAVE_INET6)
    u_char     addr6[16];
#endif

    if (name->len == 9 && ngx_strncmp(name->data, "localhost", 9) == 0) {
        p->loopback = 1;
        return;
    }

    addr = ntohl(ngx_inet_addr(name->data, name->len));

    if (addr != INADDR_NONE) {
        p->loopback = ((addr >> 24) == 127);
        p->private = ((addr >> 24) == 10 || (addr >> 20) == 0xac1
                      || (addr >> 16) == 0xc0a8 || (addr >> 16) == 0xa9fe);
        return;
    }

#if (NGX_HAVE_INET6)

    if (ngx_inet6_addr(name->data, name->len, addr6) == NGX_OK) {
        p->loopback = IN6_IS_ADDR_LOOPBACK((struct in6_addr *) addr6);
        p->private = ((addr6[0] & 0xfe) == 0xfc
                      || (addr6[0] == 0xfe && (addr6[1] & 0xc0) == 0x80));
    }

#endif
}
