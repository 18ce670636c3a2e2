
/*
 * Segments of other books: whose rows this one does not have yet.
 */


#include "ngx_ai_segment.h"
#include <dirent.h>


static ngx_uint_t
ngx_ai_segment_strange(int dirfd, const char *name, const u_char zone_id[16])
{
    ngx_uint_t        strange;
    ngx_ai_segment_t  seg;

    if (ngx_ai_segment_open(&seg, dirfd, name) != NGX_OK) {
        return 0;
    }

    strange = !seg.head->clean
              && ngx_memcmp(seg.head->zone_id, zone_id, 16) != 0;

    ngx_ai_segment_close(&seg);

    return strange;
}


ngx_int_t
ngx_ai_segment_strangers(const char *path, const u_char zone_id[16],
    ngx_uint_t *n)
{
    int             fd;
    DIR            *dir;
    uint32_t        number;
    struct dirent  *de;

    *n = 0;
    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        return NGX_ERROR;
    }

    dir = fdopendir(fd);

    if (dir == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    while ((de = readdir(dir)) != NULL) {
        if (ngx_ai_segment_parse(de->d_name, &number) == NGX_OK) {
            *n += ngx_ai_segment_strange(fd, de->d_name, zone_id);
        }
    }

    (void) closedir(dir);

    return NGX_OK;
}
