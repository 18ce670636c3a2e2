
/*
 * Secrets: providers' keys, as the ready end of a request's head, and
 * passwords of stores.
 *
 * They stand in no other memory of ours: they are read straight into pages
 * that are left out of core dumps, and these are wiped and unmapped with the
 * cycle's pool.  No message ever quotes a source that is not known to be a
 * name, since an operator may have put the key itself there.
 */


#include "ngx_http_ai_conf.h"
#include <sys/mman.h>


#define NGX_HTTP_AI_SECRET_MAX   4096
#define NGX_HTTP_AI_SECRET_HEAD  32
#define NGX_HTTP_AI_SECRET_MAP   (2 * NGX_HTTP_AI_SECRET_MAX)

#define ngx_http_ai_secret_space(c)                                          \
    ((c) == ' ' || ((c) >= '\t' && (c) <= '\r'))

#define ngx_http_ai_secret_name(c)                                           \
    (((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z')                \
     || ((c) >= '0' && (c) <= '9') || (c) == '_')


static u_char *ngx_http_ai_secret_trim(ngx_conf_t *cf, ngx_str_t *source,
    u_char *key, size_t len);
static u_char *ngx_http_ai_secret_map(ngx_conf_t *cf);
static void ngx_http_ai_secret_cleanup(void *data);
static ssize_t ngx_http_ai_secret_env(ngx_conf_t *cf, ngx_str_t *name,
    u_char *buf);
static ssize_t ngx_http_ai_secret_file(ngx_conf_t *cf, ngx_str_t *name,
    u_char *buf, const char *what);
static void ngx_http_ai_secret_mode(ngx_conf_t *cf, ngx_str_t *file);


/* by ai_dialect_t; none is longer than NGX_HTTP_AI_SECRET_HEAD */

static ngx_str_t  ngx_http_ai_secret_headers[] = {
    ngx_string("Authorization: Bearer "),
    ngx_string("x-api-key: "),
    ngx_string("x-goog-api-key: "),
    ngx_string("api-key: ")
};


char *
ngx_http_ai_secret_read(ngx_conf_t *cf, ngx_str_t *source, ngx_str_t *key)
{
    u_char     *p, *last;
    ssize_t     n;
    ngx_str_t   name;

    p = ngx_http_ai_secret_map(cf);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    p += NGX_HTTP_AI_SECRET_HEAD;

    if (ngx_http_ai_conf_param(source, "env:", &name)) {
        n = ngx_http_ai_secret_env(cf, &name, p);

    } else if (ngx_http_ai_conf_param(source, "file:", &name)) {
        n = ngx_http_ai_secret_file(cf, &name, p, "key");

    } else {
        return "must be \"env:NAME\" or \"file:/path\"";
    }

    if (n < 0) {
        return NGX_CONF_ERROR;
    }

    last = ngx_http_ai_secret_trim(cf, source, p, n);
    if (last == NULL) {
        return NGX_CONF_ERROR;
    }

    key->data = p;
    key->len = last - p;

    return NGX_CONF_OK;
}


char *
ngx_http_ai_secret_password(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *password)
{
    u_char     *p;
    ssize_t     n;
    ngx_str_t   name;

    name = *file;

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    p = ngx_http_ai_secret_map(cf);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    n = ngx_http_ai_secret_file(cf, &name, p, "password");

    if (n < 0) {
        return NGX_CONF_ERROR;
    }

    /* white space may be part of it, but for the end of the line */

    if (n && p[n - 1] == '\n') {
        n--;
    }

    if (n && p[n - 1] == '\r') {
        n--;
    }

    p[n] = '\0';

    if (n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "password in \"%V\" is empty", &name);
        return NGX_CONF_ERROR;
    }

    if (ngx_strlen(p) != (size_t) n || ngx_strchr(p, '\n')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "password in \"%V\" is not one line of text",
                           &name);
        return NGX_CONF_ERROR;
    }

    ngx_http_ai_secret_mode(cf, &name);

    password->data = p;
    password->len = n;

    return NGX_CONF_OK;
}


static void
ngx_http_ai_secret_mode(ngx_conf_t *cf, ngx_str_t *file)
{
    ngx_file_info_t  fi;

    if (ngx_file_info(file->data, &fi) != NGX_FILE_ERROR
        && (ngx_file_access(&fi) & (S_IRGRP|S_IROTH)))
    {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "password file \"%V\" may be read by its group or "
                           "by others", file);
    }
}


void
ngx_http_ai_secret_line(ai_dialect_t api, ngx_str_t *key, ngx_str_t *line)
{
    u_char     *last;
    ngx_str_t  *header;

    header = &ngx_http_ai_secret_headers[api];

    last = ngx_cpymem(key->data + key->len, "\r\n\r\n", 4);

    line->data = key->data - header->len;
    line->len = last - line->data;

    ngx_memcpy(line->data, header->data, header->len);
}


/* moves the key over leading white space; returns its end, or NULL */

static u_char *
ngx_http_ai_secret_trim(ngx_conf_t *cf, ngx_str_t *source, u_char *key,
    size_t len)
{
    u_char  *p, *last;

    p = key;
    last = key + len;

    while (p < last && ngx_http_ai_secret_space(*p)) {
        p++;
    }

    while (p < last && ngx_http_ai_secret_space(last[-1])) {
        last--;
    }

    if (p == last) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "key \"%V\" is empty",
                           source);
        return NULL;
    }

    last = ngx_movemem(key, p, last - p);

    for (p = key; p < last; p++) {
        if (*p <= 0x20 || *p >= 0x7f) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "key \"%V\" holds characters that a header "
                               "may not have", source);
            return NULL;
        }
    }

    return last;
}


static u_char *
ngx_http_ai_secret_map(ngx_conf_t *cf)
{
    u_char              *p;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    p = mmap(NULL, NGX_HTTP_AI_SECRET_MAP, PROT_READ|PROT_WRITE,
             MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, "mmap() failed");
        return NULL;
    }

    cln->handler = ngx_http_ai_secret_cleanup;
    cln->data = p;

    if (madvise(p, NGX_HTTP_AI_SECRET_MAP, MADV_DONTDUMP) == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "madvise(MADV_DONTDUMP) failed");
        return NULL;
    }

    return p;
}


static void
ngx_http_ai_secret_cleanup(void *data)
{
    ngx_explicit_memzero(data, NGX_HTTP_AI_SECRET_MAP);

    (void) munmap(data, NGX_HTTP_AI_SECRET_MAP);
}


/* both return the length, at most NGX_HTTP_AI_SECRET_MAX, or -1 */

static ssize_t
ngx_http_ai_secret_env(ngx_conf_t *cf, ngx_str_t *name, u_char *buf)
{
    char        *value;
    size_t       len;
    ngx_uint_t   i;

    for (i = 0; i < name->len; i++) {
        if (!ngx_http_ai_secret_name(name->data[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid name of an environment variable");
            return -1;
        }
    }

    /* an argument of a directive is null terminated */

    value = name->len ? getenv((char *) name->data) : NULL;

    if (value == NULL || *value == '\0') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment variable \"%V\" is empty or not set",
                           name);
        return -1;
    }

    len = ngx_strlen(value);

    if (len > NGX_HTTP_AI_SECRET_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment variable \"%V\" is too long", name);
        return -1;
    }

    ngx_memcpy(buf, value, len);

    return len;
}


static ssize_t
ngx_http_ai_secret_file(ngx_conf_t *cf, ngx_str_t *name, u_char *buf,
    const char *what)
{
    size_t     len;
    ssize_t    n;
    ngx_fd_t   fd;

    if (name->len == 0 || name->data[0] != '/') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "path \"%V\" of a %s is not absolute", name, what);
        return -1;
    }

    /* non-blocking: a fifo must not hang the master */

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", name);
        return -1;
    }

    n = 0;

    for (len = 0; len <= NGX_HTTP_AI_SECRET_MAX; len += n) {

        n = ngx_read_fd(fd, buf + len, NGX_HTTP_AI_SECRET_MAX + 1 - len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            break;
        }
    }

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" failed", name);

    } else if (len > NGX_HTTP_AI_SECRET_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "file \"%V\" is too long for a %s", name, what);
        n = -1;
    }

    (void) ngx_close_file(fd);

    return (n == -1) ? -1 : (ssize_t) len;
}
