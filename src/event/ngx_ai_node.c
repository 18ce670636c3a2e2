
/*
 * node.id: the UUID that the database knows this ledger directory by.
 *
 * It is made once and never changed: rows carry it, and another one would make
 * this node's past usage another node's.
 */


#include "ngx_ai_sink.h"
#include "../core/ai_key.h"
#include <sys/random.h>


#define NGX_AI_NODE_FILE  "node.id"


ngx_int_t
ngx_ai_node_read(ngx_log_t *log, ngx_ai_ledger_conf_t *conf,
    u_char id[NGX_AI_NODE_ID + 1])
{
    int      fd;
    char     path[NGX_MAX_PATH];
    u_char   line[NGX_AI_NODE_ID + 2], uuid[16];
    ssize_t  n;

    id[0] = '\0';
    (void) snprintf(path, sizeof(path), "%s/" NGX_AI_NODE_FILE,
                    (char *) conf->path.data);
    fd = open(path, O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (fd == -1) {
        if (ngx_errno == NGX_ENOENT) {
            return NGX_DECLINED;
        }

        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "ai ledger: could not open \"%s\"", path);
        return NGX_ERROR;
    }

    n = read(fd, line, sizeof(line));
    (void) close(fd);

    if (n < NGX_AI_NODE_ID || n > NGX_AI_NODE_ID + 1
        || (n > NGX_AI_NODE_ID && line[NGX_AI_NODE_ID] != '\n')
        || ai_uuid_parse(uuid, line) != AI_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "ai ledger: \"%s\" is no UUID: restore the former one, "
                      "or remove it to begin as a new node", path);
        return NGX_ERROR;
    }

    ngx_memcpy(id, line, NGX_AI_NODE_ID);
    id[NGX_AI_NODE_ID] = '\0';

    return NGX_OK;
}


/* version 4 */

static ngx_int_t
ngx_ai_node_line(u_char line[NGX_AI_NODE_ID + 1])
{
    u_char  uuid[16];

    if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid)) {
        return NGX_ERROR;
    }

    uuid[6] = (u_char) (0x40 | (uuid[6] & 0x0f));
    uuid[8] = (u_char) (0x80 | (uuid[8] & 0x3f));

    ai_uuid_text(line, uuid);
    line[NGX_AI_NODE_ID] = '\n';

    return NGX_OK;
}


/* a whole file gets the name, or none: link() does not replace another's */

static ngx_int_t
ngx_ai_node_write(int dirfd, ngx_uid_t user)
{
    int     fd;
    char    tmp[64];
    u_char  line[NGX_AI_NODE_ID + 1];

    if (ngx_ai_node_line(line) != NGX_OK) {
        return NGX_ERROR;
    }

    (void) snprintf(tmp, sizeof(tmp), NGX_AI_NODE_FILE ".%d.new",
                    (int) getpid());
    (void) unlinkat(dirfd, tmp, 0);
    fd = openat(dirfd, tmp, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC|O_NOFOLLOW,
                0600);

    if (fd == -1) {
        return NGX_ERROR;
    }

    if (write(fd, line, sizeof(line)) != (ssize_t) sizeof(line)
        || (geteuid() == 0 && user != (ngx_uid_t) NGX_CONF_UNSET_UINT
            && fchown(fd, user, -1) == -1)
        || fsync(fd) == -1
        || (linkat(dirfd, tmp, dirfd, NGX_AI_NODE_FILE, 0) == -1
            && ngx_errno != NGX_EEXIST))
    {
        (void) close(fd);
        (void) unlinkat(dirfd, tmp, 0);
        return NGX_ERROR;
    }

    (void) close(fd);
    (void) unlinkat(dirfd, tmp, 0);
    (void) fsync(dirfd);

    return NGX_OK;
}


ngx_int_t
ngx_ai_node_make(ngx_log_t *log, ngx_ai_ledger_conf_t *conf)
{
    int        dirfd;
    u_char     id[NGX_AI_NODE_ID + 1];
    ngx_int_t  rc;

    rc = ngx_ai_node_read(log, conf, id);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    dirfd = open((char *) conf->path.data, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    rc = NGX_ERROR;

    if (dirfd != -1) {
        rc = ngx_ai_node_write(dirfd, conf->user);
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "ai ledger: could not make \"%V/" NGX_AI_NODE_FILE "\"",
                      &conf->path);
    }

    if (dirfd != -1) {
        (void) close(dirfd);
    }

    return rc;
}
