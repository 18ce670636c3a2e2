
/*
 * ship.cursor: one line, "FIRST OFFSET LAST CRC".
 */


#include "ngx_ai_cursor.h"
#include "../core/ai_slot.h"


#define NGX_AI_CURSOR_LEN   (NGX_AI_CURSOR_ID * 2 + 20 + 8 + 4)
#define NGX_AI_CURSOR_BODY  (NGX_AI_CURSOR_LEN - 9)     /* before the CRC */


/* a row begins with {"id":" and 36 characters */

void
ngx_ai_cursor_id(u_char id[NGX_AI_CURSOR_ID], const u_char *line, size_t len)
{
    static const char  prefix[] = "{\"id\":\"";

    if (len < sizeof(prefix) - 1 + NGX_AI_CURSOR_ID
        || ngx_memcmp(line, prefix, sizeof(prefix) - 1) != 0
        || memchr(line + sizeof(prefix) - 1, '\n', NGX_AI_CURSOR_ID))
    {
        ngx_memset(id, '-', NGX_AI_CURSOR_ID);
        return;
    }

    ngx_memcpy(id, line + sizeof(prefix) - 1, NGX_AI_CURSOR_ID);
}


int
ngx_ai_cursor_open(int dirfd)
{
    return openat(dirfd, NGX_AI_CURSOR_FILE,
                  O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK, 0600);
}


void
ngx_ai_cursor_read(int fd, ngx_ai_cursor_t *at)
{
    char       line[NGX_AI_CURSOR_LEN + 1];
    unsigned   crc;
    long long  offset;

    ngx_memzero(at, sizeof(ngx_ai_cursor_t));

    if (fd == -1 || pread(fd, line, NGX_AI_CURSOR_LEN, 0) != NGX_AI_CURSOR_LEN)
    {
        return;
    }

    line[NGX_AI_CURSOR_LEN] = '\0';

    if (sscanf(line + NGX_AI_CURSOR_BODY, "%8x", &crc) != 1
        || crc != ai_crc32(0, line, NGX_AI_CURSOR_BODY)
        || sscanf(line + NGX_AI_CURSOR_ID, " %20lld ", &offset) != 1)
    {
        return;
    }

    ngx_memcpy(at->first, line, NGX_AI_CURSOR_ID);
    ngx_memcpy(at->last, line + NGX_AI_CURSOR_ID + 22, NGX_AI_CURSOR_ID);
    at->offset = (off_t) offset;
}


ngx_int_t
ngx_ai_cursor_write(int fd, const ngx_ai_cursor_t *at)
{
    char  line[NGX_AI_CURSOR_LEN + 1];

    (void) snprintf(line, sizeof(line), "%.36s %020lld %.36s ", at->first,
                    (long long) at->offset, at->last);
    (void) snprintf(line + NGX_AI_CURSOR_BODY, 10, "%08x\n",
                    ai_crc32(0, line, NGX_AI_CURSOR_BODY));

    return pwrite(fd, line, NGX_AI_CURSOR_LEN, 0) == NGX_AI_CURSOR_LEN
           ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_ai_cursor_fits(const ngx_ai_cursor_t *at, int fd, off_t size)
{
    off_t     from;
    size_t    n;
    u_char    id[NGX_AI_CURSOR_ID], buf[AI_SLOT_ROW_MAX + 1];
    u_char   *line;
    ssize_t   got;

    if (at->offset <= 0 || at->offset > size || at->first[0] == '-') {
        return NGX_DECLINED;
    }

    got = pread(fd, buf, 64, 0);
    ngx_ai_cursor_id(id, buf, got > 0 ? (size_t) got : 0);

    if (ngx_memcmp(id, at->first, NGX_AI_CURSOR_ID) != 0) {
        return NGX_DECLINED;
    }

    n = (size_t) ngx_min(at->offset, (off_t) sizeof(buf));
    from = at->offset - (off_t) n;

    if (pread(fd, buf, n, from) != (ssize_t) n || buf[n - 1] != '\n') {
        return NGX_DECLINED;
    }

    line = memrchr(buf, '\n', n - 1);

    if (line == NULL && from) {
        return NGX_DECLINED;
    }

    line = line ? line + 1 : buf;
    ngx_ai_cursor_id(id, line, (size_t) (buf + n - line));

    return ngx_memcmp(id, at->last, NGX_AI_CURSOR_ID) == 0 ? NGX_OK
                                                          : NGX_DECLINED;
}
