
/*
 * Sums of rows per tenant, key and time, in a hash of their own; and the files
 * that they are read from and written to.
 */


#include "ngx_ai_sums.h"
#include "ngx_ai_usage.h"


#define NGX_AI_SUMS_HOUR    3600000
#define NGX_AI_SUMS_DAY     86400000

/* the last line of a .sum: rows, bytes of the rows' file, CRC of the lines */

#define NGX_AI_SUMS_END     "end %llu %llu %08x"


void
ngx_ai_sums_init(ngx_ai_sums_t *sums, time_t now, ngx_uint_t windows)
{
    uint64_t   now_ms;
    struct tm  tm;

    ngx_memzero(sums, sizeof(ngx_ai_sums_t));

    now_ms = (uint64_t) now * 1000;
    sums->recent_ms = now_ms > NGX_AI_SUMS_HOUR ? now_ms - NGX_AI_SUMS_HOUR
                                                : 0;

    if (windows && gmtime_r(&now, &tm)) {
        sums->day_ms = now_ms - now_ms % NGX_AI_SUMS_DAY;
        sums->month_ms = sums->day_ms
                         - (uint64_t) (tm.tm_mday - 1) * NGX_AI_SUMS_DAY;
    }
}


void
ngx_ai_sums_free(ngx_ai_sums_t *sums)
{
    free(sums->elts);
    free(sums->table);
    free(sums->names);

    ngx_memzero(sums, sizeof(ngx_ai_sums_t));
}


/* the time that a row is summed under; 0: not at all */

static uint64_t
ngx_ai_sums_time(const ngx_ai_sums_t *sums, uint64_t ms)
{
    if (ms >= sums->recent_ms) {
        return ms - ms % NGX_AI_SUMS_MINUTE;
    }

    if (sums->day_ms == 0 || ms >= sums->day_ms) {
        return ms - ms % NGX_AI_SUMS_DAY;
    }

    return ms >= sums->month_ms ? sums->month_ms : 0;
}


static uint64_t
ngx_ai_sums_hash(const ai_row_t *row, uint64_t time_ms)
{
    size_t    i;
    uint64_t  h;

    h = 0xcbf29ce484222325 ^ time_ms;

    for (i = 0; i < row->tenant.len; i++) {
        h = (h ^ row->tenant.data[i]) * 0x100000001b3;
    }

    h = (h ^ 0x100) * 0x100000001b3;

    for (i = 0; i < row->key.len; i++) {
        h = (h ^ row->key.data[i]) * 0x100000001b3;
    }

    return h ^ (h >> 29);
}


static ngx_int_t
ngx_ai_sums_equal(const ngx_ai_sums_t *sums, const ngx_ai_sum_t *e,
    const ai_row_t *row, uint64_t time_ms, uint64_t hash)
{
    const u_char  *name;

    name = sums->names + e->name;

    return e->hash == hash
           && e->time_ms == time_ms
           && e->tenant_len == row->tenant.len
           && e->key_len == row->key.len
           && ngx_memcmp(name, row->tenant.data, row->tenant.len) == 0
           && ngx_memcmp(name + e->tenant_len, row->key.data, row->key.len)
              == 0;
}


static ngx_int_t
ngx_ai_sums_grow(ngx_ai_sums_t *sums)
{
    size_t         i, k, size;
    uint32_t      *table;
    ngx_ai_sum_t  *elts;

    if (sums->n < sums->size) {
        return NGX_OK;
    }

    size = sums->size ? sums->size * 2 : 256;

    elts = realloc(sums->elts, size * sizeof(ngx_ai_sum_t));
    if (elts == NULL) {
        return NGX_ERROR;
    }

    sums->elts = elts;

    table = calloc(size * 2, sizeof(uint32_t));
    if (table == NULL) {
        return NGX_ERROR;
    }

    free(sums->table);

    sums->table = table;
    sums->mask = size * 2 - 1;
    sums->size = size;

    for (i = 0; i < sums->n; i++) {
        k = elts[i].hash & sums->mask;

        while (table[k]) {
            k = (k + 1) & sums->mask;
        }

        table[k] = (uint32_t) i + 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ai_sums_name(ngx_ai_sums_t *sums, ngx_ai_sum_t *e, const ai_row_t *row)
{
    size_t   len, size;
    u_char  *p;

    len = row->tenant.len + row->key.len;

    if (sums->names_size - sums->names_len < len) {
        size = (sums->names_size + len) * 2 + 4096;

        p = size < UINT32_MAX ? realloc(sums->names, size) : NULL;
        if (p == NULL) {
            return NGX_ERROR;
        }

        sums->names = p;
        sums->names_size = size;
    }

    e->name = (uint32_t) sums->names_len;
    e->tenant_len = (uint32_t) row->tenant.len;
    e->key_len = (uint32_t) row->key.len;

    p = ngx_cpymem(sums->names + e->name, row->tenant.data, row->tenant.len);
    ngx_memcpy(p, row->key.data, row->key.len);
    sums->names_len += len;

    return NGX_OK;
}


static ngx_ai_sum_t *
ngx_ai_sums_find(ngx_ai_sums_t *sums, const ai_row_t *row, uint64_t time_ms)
{
    size_t         k;
    uint64_t       hash;
    ngx_ai_sum_t  *e;

    if (ngx_ai_sums_grow(sums) != NGX_OK) {
        return NULL;
    }

    hash = ngx_ai_sums_hash(row, time_ms);

    for (k = hash & sums->mask; sums->table[k]; k = (k + 1) & sums->mask) {
        e = &sums->elts[sums->table[k] - 1];

        if (ngx_ai_sums_equal(sums, e, row, time_ms, hash)) {
            return e;
        }
    }

    e = &sums->elts[sums->n];
    ngx_memzero(e, sizeof(ngx_ai_sum_t));
    e->hash = hash;
    e->time_ms = time_ms;

    if (ngx_ai_sums_name(sums, e, row) != NGX_OK) {
        return NULL;
    }

    sums->n++;
    sums->table[k] = (uint32_t) sums->n;

    return e;
}


ngx_int_t
ngx_ai_sums_add(ngx_ai_sums_t *sums, const ai_row_t *row)
{
    uint64_t       time_ms;
    ngx_uint_t     i;
    ngx_ai_sum_t  *e;

    sums->rows++;

    time_ms = ngx_ai_sums_time(sums, row->time_ms);

    if (time_ms == 0) {
        return NGX_OK;
    }

    e = ngx_ai_sums_find(sums, row, time_ms);
    if (e == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < AI_RES_COUNTED; i++) {
        if (__builtin_add_overflow(e->used[i], row->used[i], &e->used[i])) {
            e->used[i] = INT64_MAX;
        }
    }

    return NGX_OK;
}


static int
ngx_ai_sums_cmp(const void *one, const void *two)
{
    const ngx_ai_sum_t  *a = one, *b = two;

    return (a->time_ms > b->time_ms) - (a->time_ms < b->time_ms);
}


void
ngx_ai_sums_sort(ngx_ai_sums_t *sums)
{
    if (sums->n) {
        qsort(sums->elts, sums->n, sizeof(ngx_ai_sum_t), ngx_ai_sums_cmp);
    }
}


ai_row_t
ngx_ai_sums_row(const ngx_ai_sums_t *sums, size_t i)
{
    ai_row_t       row;
    ngx_ai_sum_t  *e;

    e = &sums->elts[i];

    ngx_memzero(&row, sizeof(row));
    row.time_ms = e->time_ms;
    row.tenant.data = sums->names + e->name;
    row.tenant.len = e->tenant_len;
    row.key.data = row.tenant.data + e->tenant_len;
    row.key.len = e->key_len;
    ngx_memcpy(row.used, e->used, sizeof(row.used));

    return row;
}


typedef int (*ngx_ai_sums_parse_pt)(ai_row_t *row, const ai_char *line,
    size_t len, ai_char *scratch, size_t scratch_size);


static ngx_int_t
ngx_ai_sums_lines(ngx_ai_sums_t *sums, const u_char *p, const u_char *end,
    ngx_ai_sums_parse_pt parse)
{
    ai_row_t       row;
    const u_char  *nl;
    ai_char        scratch[2 * AI_SLOT_TEXT];

    for ( /* void */ ; p < end; p = nl + 1) {
        nl = memchr(p, '\n', (size_t) (end - p));

        if (nl == NULL) {
            break;
        }

        if (parse(&row, p, (size_t) (nl - p), scratch, sizeof(scratch))
            != AI_OK)
        {
            sums->odd++;
            continue;
        }

        if (ngx_ai_sums_add(sums, &row) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* a whole file in memory; an empty one is NGX_OK with len 0 */

static ngx_int_t
ngx_ai_sums_map(int dirfd, const char *stem, const char *end, u_char **p,
    size_t *len)
{
    int          fd;
    char         name[NGX_AI_USAGE_NAME + 8];
    struct stat  sb;

    *p = NULL;
    *len = 0;

    (void) snprintf(name, sizeof(name), "%s%s", stem, end);
    fd = openat(dirfd, name, O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (fd == -1) {
        return ngx_errno == NGX_ENOENT ? NGX_DECLINED : NGX_ERROR;
    }

    if (fstat(fd, &sb) == -1 || !S_ISREG(sb.st_mode)) {
        (void) close(fd);
        return NGX_ERROR;
    }

    if (sb.st_size) {
        *len = (size_t) sb.st_size;
        *p = mmap(NULL, *len, PROT_READ, MAP_SHARED|MAP_POPULATE, fd, 0);

        if (*p == MAP_FAILED) {
            (void) close(fd);
            return NGX_ERROR;
        }
    }

    (void) close(fd);

    return NGX_OK;
}


ngx_int_t
ngx_ai_sums_read_rows(ngx_ai_sums_t *sums, int dirfd, const char *stem)
{
    size_t      len;
    u_char     *p;
    ngx_int_t   rc;

    rc = ngx_ai_sums_map(dirfd, stem, ".jsonl", &p, &len);

    if (rc != NGX_OK || len == 0) {
        return rc;
    }

    rc = ngx_ai_sums_lines(sums, p, p + len, ai_row_parse);
    sums->bytes += len;

    (void) munmap(p, len);

    return rc;
}


/* the lines before the end's, when that vouches for them */

static size_t
ngx_ai_sums_whole(const u_char *p, size_t len, char folded[32])
{
    char                end[112];
    size_t              n;
    unsigned            crc;
    const u_char       *last;
    unsigned long long  rows, bytes;

    if (len < 2 || p[len - 1] != '\n') {
        return 0;
    }

    last = memrchr(p, '\n', len - 1);
    last = last ? last + 1 : p;
    n = (size_t) (p + len - last);

    if (n >= sizeof(end)) {
        return 0;
    }

    ngx_memcpy(end, last, n);
    end[n] = '\0';

    folded[0] = '\0';

    if (sscanf(end, NGX_AI_SUMS_END " %31s", &rows, &bytes, &crc, folded) < 3
        || ai_crc32(0, p, (size_t) (last - p)) != crc)
    {
        return 0;
    }

    return (size_t) (last - p);
}


ngx_int_t
ngx_ai_sums_read(ngx_ai_sums_t *sums, int dirfd, const char *stem)
{
    size_t      len, lines;
    u_char     *p;
    ngx_int_t   rc;

    rc = ngx_ai_sums_map(dirfd, stem, ".sum", &p, &len);

    if (rc != NGX_OK || len == 0) {
        return NGX_DECLINED;
    }

    lines = ngx_ai_sums_whole(p, len, sums->last);
    rc = NGX_DECLINED;

    if (lines || ngx_strncmp(p, "end 0 ", 6) == 0) {
        rc = ngx_ai_sums_lines(sums, p, p + lines, ai_sum_parse);
    }

    (void) munmap(p, len);

    return rc;
}


static ngx_int_t
ngx_ai_sums_print(const ngx_ai_sums_t *sums, FILE *f)
{
    size_t    i;
    uint32_t  crc;
    ai_buf_t  b;
    ai_row_t  row;
    ai_char   line[AI_SUM_LINE_MAX + 1];

    crc = 0;

    for (i = 0; i < sums->n; i++) {
        row = ngx_ai_sums_row(sums, i);

        ai_buf_init(&b, line, sizeof(line));
        ai_sum_put(&b, &row);
        ai_buf_char(&b, '\n');

        crc = ai_crc32(crc, line, (size_t) (b.pos - line));

        if (fwrite(line, (size_t) (b.pos - line), 1, f) != 1) {
            return NGX_ERROR;
        }
    }

    if (fprintf(f, NGX_AI_SUMS_END "%s%s\n", (unsigned long long) sums->rows,
                (unsigned long long) sums->bytes, crc,
                sums->last[0] ? " " : "", sums->last) < 0
        || fflush(f) != 0
        || fdatasync(fileno(f)) == -1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_ai_sums_write(const ngx_ai_sums_t *sums, int dirfd, const char *stem)
{
    int        fd;
    FILE      *f;
    char       name[NGX_AI_USAGE_NAME + 8];
    ngx_int_t  rc;

    static const char  tmp[] = "usage.sum.new";

    (void) unlinkat(dirfd, tmp, 0);
    fd = openat(dirfd, tmp, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600);

    if (fd == -1) {
        return NGX_ERROR;
    }

    f = fdopen(fd, "w");

    if (f == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    rc = ngx_ai_sums_print(sums, f);

    if (fclose(f) != 0) {
        rc = NGX_ERROR;
    }

    (void) snprintf(name, sizeof(name), "%s.sum", stem);

    if (rc == NGX_OK && renameat(dirfd, tmp, dirfd, name) == -1) {
        rc = NGX_ERROR;
    }

    return rc;
}
