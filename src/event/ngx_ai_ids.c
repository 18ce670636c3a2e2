
/*
 * Ids of rows that are in a file already.
 */


#include "ngx_ai_usage.h"
#include "../core/ai_key.h"


/* a row begins with {"id":" and 36 characters */

#define NGX_AI_USAGE_ID      7
#define NGX_AI_USAGE_PREFIX  (NGX_AI_USAGE_ID + 36)


static size_t
ngx_ai_ids_place(const ngx_ai_ids_t *ids, const u_char id[16])
{
    size_t        i;
    uint64_t      h;
    const u_char  zero[16] = { 0 };

    ngx_memcpy(&h, id + 8, 8);
    i = (size_t) ((h * 0x9e3779b97f4a7c15) >> 20) & ids->mask;

    while (ngx_memcmp(ids->ids[i], id, 16) != 0
           && ngx_memcmp(ids->ids[i], zero, 16) != 0)
    {
        i = (i + 1) & ids->mask;
    }

    return i;
}


ngx_int_t
ngx_ai_ids_init(ngx_ai_ids_t *ids, size_t n)
{
    size_t  size;

    for (size = 1024; size < 2 * n; size *= 2) { /* void */ }

    ids->n = 0;
    ids->mask = size - 1;
    ids->ids = calloc(size, 16);

    return ids->ids ? NGX_OK : NGX_ERROR;
}


void
ngx_ai_ids_free(ngx_ai_ids_t *ids)
{
    free(ids->ids);
    ngx_memzero(ids, sizeof(ngx_ai_ids_t));
}


ngx_uint_t
ngx_ai_ids_has(const ngx_ai_ids_t *ids, const u_char id[16])
{
    if (ids->n == 0) {
        return 0;
    }

    return ngx_memcmp(ids->ids[ngx_ai_ids_place(ids, id)], id, 16) == 0;
}


static void
ngx_ai_ids_add(ngx_ai_ids_t *ids, const u_char id[16])
{
    size_t  i;

    if (ids->n >= ids->mask / 2) {
        return;
    }

    i = ngx_ai_ids_place(ids, id);

    if (ngx_memcmp(ids->ids[i], id, 16) != 0) {
        ngx_memcpy(ids->ids[i], id, 16);
        ids->n++;
    }
}


static void
ngx_ai_ids_scan(ngx_ai_ids_t *ids, const u_char *p, const u_char *end)
{
    u_char         id[16];
    const u_char  *nl;

    for ( /* void */ ; p < end; p = nl + 1) {
        nl = memchr(p, '\n', (size_t) (end - p));

        if (nl == NULL) {
            return;
        }

        if (nl - p > NGX_AI_USAGE_PREFIX
            && ngx_memcmp(p, "{\"id\":\"", NGX_AI_USAGE_ID) == 0
            && ai_uuid_parse(id, p + NGX_AI_USAGE_ID) == AI_OK)
        {
            ngx_ai_ids_add(ids, id);
        }
    }
}


ngx_int_t
ngx_ai_ids_read(ngx_ai_ids_t *ids, int fd, off_t size, off_t len)
{
    off_t    from, at;
    u_char  *p, *begin;

    if (size == 0) {
        return NGX_OK;
    }

    from = size > len ? size - len : 0;
    at = from & ~((off_t) sysconf(_SC_PAGESIZE) - 1);

    p = mmap(NULL, (size_t) (size - at), PROT_READ, MAP_SHARED, fd, at);

    if (p == MAP_FAILED) {
        return NGX_ERROR;
    }

    begin = p + (from - at);

    if (from) {
        begin = memchr(begin, '\n', (size_t) (size - from));
    }

    if (begin) {
        ngx_ai_ids_scan(ids, begin + (from ? 1 : 0), p + (size - at));
    }

    (void) munmap(p, (size_t) (size - at));

    return NGX_OK;
}
