
/*
 * The spool's round in the sink's thread, and its batches.
 *
 * Two files are open at most: the oldest one, until all of it is committed and
 * it is removed, and the one behind it.  A batch is of one file.  When the
 * lock is lost all of that is forgotten, save for a batch that the main thread
 * has: its lines stay, and what becomes of it is no matter any more.
 */


#include "ngx_ai_sink.h"
#include <sys/statvfs.h>


#define NGX_AI_SPOOL_LOOK   1000    /* ms between looks at the disk */
#define NGX_AI_SPOOL_RETRY  1000    /* ms after a file could not be removed */


ngx_ai_spool_t *
ngx_ai_spool_create(void)
{
    ngx_uint_t       i;
    ngx_ai_spool_t  *sp;

    sp = calloc(1, sizeof(ngx_ai_spool_t));

    if (sp == NULL) {
        return NULL;
    }

    sp->cursor_fd = -1;

    for (i = 0; i < NGX_AI_SPOOL_BATCHES; i++) {

        /* a byte more: a line end for a line without one */

        sp->batches[i].data = malloc(NGX_AI_SPOOL_BATCH + 1);

        if (sp->batches[i].data == NULL) {
            ngx_ai_spool_free(sp);
            return NULL;
        }
    }

    return sp;
}


void
ngx_ai_spool_reset(ngx_ai_spool_t *sp)
{
    ngx_uint_t       i;
    ngx_ai_batch_t  *b;

    for (i = 0; i < NGX_AI_SPOOL_BATCHES; i++) {
        b = &sp->batches[i];
        b->file = 0;

        (void) ngx_atomic_cmp_set(&b->state, NGX_AI_BATCH_READY,
                                  NGX_AI_BATCH_EMPTY);
    }

    while (sp->nfiles) {
        ngx_ai_spool_file_close(sp, sp->nfiles - 1);
    }

    if (sp->cursor_fd != -1) {
        (void) close(sp->cursor_fd);
        sp->cursor_fd = -1;
    }

    sp->open = 0;
    sp->passed[0] = '\0';
    ngx_ai_word_set(&sp->behind, 0);
}


void
ngx_ai_spool_free(ngx_ai_spool_t *sp)
{
    ngx_uint_t  i;

    ngx_ai_spool_reset(sp);

    for (i = 0; i < NGX_AI_SPOOL_BATCHES; i++) {

        if (ngx_ai_word_get(&sp->batches[i].state) != NGX_AI_BATCH_SENT) {
            free(sp->batches[i].data);
        }
    }

    free(sp);
}


/* ---- the main thread ---- */

ngx_ai_batch_t *
ngx_ai_spool_take(ngx_ai_spool_t *sp)
{
    ngx_uint_t       i;
    ngx_ai_batch_t  *b, *next;

    next = NULL;

    for (i = 0; i < NGX_AI_SPOOL_BATCHES; i++) {
        b = &sp->batches[i];

        if (__atomic_load_n(&b->state, __ATOMIC_ACQUIRE) == NGX_AI_BATCH_READY
            && (next == NULL || b->serial < next->serial))
        {
            next = b;
        }
    }

    if (next == NULL
        || !ngx_atomic_cmp_set(&next->state, NGX_AI_BATCH_READY,
                               NGX_AI_BATCH_SENT))
    {
        return NULL;
    }

    return next;
}


void
ngx_ai_spool_done(ngx_ai_batch_t *b)
{
    __atomic_store_n(&b->state, NGX_AI_BATCH_DONE, __ATOMIC_RELEASE);
}


void
ngx_ai_spool_back(ngx_ai_batch_t *b)
{
    __atomic_store_n(&b->state, NGX_AI_BATCH_EMPTY, __ATOMIC_RELEASE);
}


/* ---- the sink's thread ---- */

static ngx_int_t
ngx_ai_spool_size_cb(int dirfd, const char *stem, void *data)
{
    char          name[NGX_AI_USAGE_NAME + 8];
    off_t        *size = data;
    struct stat   sb;

    (void) snprintf(name, sizeof(name), "%s.jsonl", stem);

    if (fstatat(dirfd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0) {
        *size += sb.st_size;
    }

    return NGX_OK;
}


static void
ngx_ai_spool_open(ngx_ai_sink_t *s, uint64_t now)
{
    ngx_ai_spool_t  *sp;

    sp = s->spool;

    sp->cursor_fd = ngx_ai_cursor_open(s->dirfd);

    if (sp->cursor_fd != -1) {
        ngx_ai_sink_chown(s, sp->cursor_fd);
    }

    ngx_ai_cursor_read(sp->cursor_fd, &sp->cursor);

    sp->live = 0;
    sp->rotated = 0;
    ngx_ai_usage_each(s->dirfd, ".jsonl", ngx_ai_spool_size_cb, &sp->rotated);

    ngx_ai_spool_file_sums(s->dirfd, s->report);

    sp->begun = now;
    sp->open = 1;
}


/* whoever moves usage.jsonl away leaves us with a file that is another one */

static void
ngx_ai_spool_live(ngx_ai_sink_t *s, uint64_t now)
{
    ngx_uint_t            i;
    struct stat           sb;
    ngx_ai_spool_t       *sp;
    ngx_ai_spool_file_t  *f;

    sp = s->spool;

    if (!s->ready || fstat(s->usage.fd, &sb) == -1) {
        return;
    }

    for (i = 0; i < sp->nfiles; i++) {
        f = &sp->files[i];

        if (!f->live) {
            continue;
        }

        if (f->ino != sb.st_ino || s->usage.size < f->read) {
            ngx_ai_spool_reset(sp);
            ngx_ai_spool_open(s, now);
            break;
        }

        f->size = s->usage.size;
    }

    sp->live = s->usage.size;
}


void
ngx_ai_spool_rotated(ngx_ai_spool_t *sp, const char *stem, off_t size)
{
    ngx_uint_t            i;
    ngx_ai_spool_file_t  *f;

    if (!sp->open) {
        return;
    }

    for (i = 0; i < sp->nfiles; i++) {
        f = &sp->files[i];

        if (f->live) {
            f->live = 0;
            f->size = size;
            ngx_memcpy(f->stem, stem, strlen(stem) + 1);
        }
    }

    sp->rotated += size;
    sp->live = 0;
    sp->passed[0] = '\0';
    sp->begun = ngx_ai_sink_mono();
}


/* the batch that was handed over before all others; NULL: none is out */

static ngx_ai_batch_t *
ngx_ai_spool_first(ngx_ai_spool_t *sp)
{
    ngx_uint_t       i;
    ngx_ai_batch_t  *b, *first;

    first = NULL;

    for (i = 0; i < NGX_AI_SPOOL_BATCHES; i++) {
        b = &sp->batches[i];

        if (b->file && (first == NULL || b->serial < first->serial)) {
            first = b;
        }
    }

    return first;
}


/* what is committed, in the order of the file; returns how many */

static ngx_uint_t
ngx_ai_spool_settle(ngx_ai_spool_t *sp)
{
    ngx_uint_t            i, n;
    ngx_ai_batch_t       *b;
    ngx_ai_spool_file_t  *f;

    for (i = 0; i < NGX_AI_SPOOL_BATCHES; i++) {
        b = &sp->batches[i];

        if (b->file == 0 && b->state == NGX_AI_BATCH_DONE) {
            ngx_ai_word_set(&b->state, NGX_AI_BATCH_EMPTY);
        }
    }

    for (n = 0; /* void */ ; n++) {
        b = ngx_ai_spool_first(sp);

        if (b == NULL
            || __atomic_load_n(&b->state, __ATOMIC_ACQUIRE)
               != NGX_AI_BATCH_DONE)
        {
            return n;
        }

        f = ngx_ai_spool_file_find(sp, b->file);

        if (f) {
            f->at.offset = b->end;
            ngx_memcpy(f->at.last, b->last, NGX_AI_CURSOR_ID);

            if (sp->cursor_fd != -1) {
                (void) ngx_ai_cursor_write(sp->cursor_fd, &f->at);
            }
        }

        b->file = 0;
        ngx_ai_word_set(&b->state, NGX_AI_BATCH_EMPTY);
    }
}


/* cuts a batch behind its last whole line, or behind its last row allowed */

static size_t
ngx_ai_spool_lines(ngx_ai_batch_t *b, size_t n, const u_char **last)
{
    const u_char  *p, *nl, *end;

    p = b->data;
    end = b->data + n;
    b->rows = 0;

    while (p < end && b->rows < NGX_AI_SPOOL_ROWS) {
        nl = memchr(p, '\n', (size_t) (end - p));

        if (nl == NULL) {
            break;
        }

        *last = p;
        p = nl + 1;
        b->rows++;
    }

    return (size_t) (p - b->data);
}


static ngx_int_t
ngx_ai_spool_read(ngx_ai_sink_t *s, ngx_ai_spool_file_t *f, ngx_ai_batch_t *b)
{
    size_t           n, len;
    ssize_t          got;
    const u_char    *last;
    ngx_ai_spool_t  *sp;

    sp = s->spool;
    n = (size_t) ngx_min(f->size - f->read, (off_t) NGX_AI_SPOOL_BATCH);
    got = pread(f->fd, b->data, n, f->read);

    if (got == -1) {
        if (sp->read_err != ngx_errno) {
            sp->read_err = ngx_errno;
            ngx_ai_report(s->report, NGX_LOG_CRIT, sp->read_err,
                          "could not read \"%s.jsonl\", its rows are not in "
                          "the database", f->stem);
        }

        return NGX_ERROR;
    }

    sp->read_err = 0;

    if (got == 0) {

        /* cut by someone else */

        f->size = f->read;
        return NGX_DECLINED;
    }

    n = (size_t) got;
    last = b->data;
    len = ngx_ai_spool_lines(b, n, &last);
    b->len = len;

    if (len == 0) {

        /* no row is so long, and none ends a file without a line end: the
           database is to tell what that is */

        if (f->live && n < NGX_AI_SPOOL_BATCH) {
            return NGX_DECLINED;
        }

        b->data[n] = '\n';
        b->len = n + 1;
        b->rows = 1;
        len = n;
    }

    if (f->read == 0) {
        ngx_ai_cursor_id(f->at.first, b->data, b->len);
    }

    ngx_ai_cursor_id(b->last, last, (size_t) (b->data + b->len - last));
    f->read += (off_t) len;
    b->end = f->read;
    b->file = f->number;
    b->serial = ++sp->serial;

    __atomic_store_n(&b->state, NGX_AI_BATCH_READY, __ATOMIC_RELEASE);

    return NGX_OK;
}


/* the file to read from; NULL: there is nothing to read now */

static ngx_ai_spool_file_t *
ngx_ai_spool_source(ngx_ai_sink_t *s)
{
    ngx_ai_spool_t       *sp;
    ngx_ai_spool_file_t  *f;

    sp = s->spool;
    f = sp->nfiles ? &sp->files[sp->nfiles - 1] : NULL;

    if (f && f->read < f->size) {
        return f;
    }

    if ((f && f->live) || sp->nfiles == NGX_AI_SPOOL_FILES
        || ngx_ai_spool_file_next(sp, s->dirfd,
                                  s->ready ? s->usage.fd : -1, s->report)
           != NGX_OK)
    {
        return NULL;
    }

    f = &sp->files[sp->nfiles - 1];

    return f->read < f->size ? f : NULL;
}


/*
 * While nothing is out, what there is goes at once.  Behind a batch that is
 * out a second one waits to be worth it: the next is sent sooner than that.
 */

static ngx_uint_t
ngx_ai_spool_fill(ngx_ai_sink_t *s)
{
    ngx_uint_t            i, n;
    ngx_ai_batch_t       *b;
    ngx_ai_spool_t       *sp;
    ngx_ai_spool_file_t  *f;

    sp = s->spool;
    n = 0;

    for (i = 0; i < NGX_AI_SPOOL_BATCHES; i++) {
        b = &sp->batches[i];

        if (__atomic_load_n(&b->state, __ATOMIC_ACQUIRE) != NGX_AI_BATCH_EMPTY
            || b->file)
        {
            continue;
        }

        f = ngx_ai_spool_source(s);

        if (f == NULL
            || (f->live && ngx_ai_spool_first(sp)
                && f->size - f->read < NGX_AI_SPOOL_BATCH / 2)
            || ngx_ai_spool_read(s, f, b) != NGX_OK)
        {
            break;
        }

        n++;
    }

    return n;
}


/* what is committed is removed; usage.jsonl is rotated for that */

static void
ngx_ai_spool_clear(ngx_ai_sink_t *s, uint64_t now)
{
    ngx_ai_spool_t       *sp;
    ngx_ai_spool_file_t  *f;

    sp = s->spool;

    while (sp->nfiles && sp->retry <= now) {
        f = &sp->files[0];

        if (f->at.offset < f->size) {
            return;
        }

        if (f->live) {
            if (f->size == 0 || !s->ready
                || (f->size < NGX_AI_SPOOL_LARGE
                    && now - sp->begun < NGX_AI_SPOOL_AGE))
            {
                return;
            }

            if (ngx_ai_sink_rotate(s) != NGX_OK) {
                sp->retry = now + NGX_AI_SPOOL_RETRY;
                return;
            }
        }

        /* a power cut must not bring slots back whose rows are gone */

        ngx_ai_sink_sync_segments(s);

        if (ngx_ai_spool_file_remove(sp, s->dirfd, s->report) != NGX_OK) {
            sp->retry = now + NGX_AI_SPOOL_RETRY;
        }
    }
}


static void
ngx_ai_spool_look(ngx_ai_sink_t *s, uint64_t now)
{
    uint64_t         behind, free;
    ngx_uint_t       i;
    ngx_ai_spool_t  *sp;
    struct statvfs   fs;

    sp = s->spool;
    behind = (uint64_t) (sp->rotated + sp->live);

    for (i = 0; i < sp->nfiles; i++) {
        behind -= ngx_min((uint64_t) sp->files[i].at.offset, behind);
    }

    ngx_ai_word_set(&sp->behind, behind);

    if (now - sp->looked < NGX_AI_SPOOL_LOOK
        || fstatvfs(s->dirfd, &fs) == -1)
    {
        return;
    }

    sp->looked = now;
    free = (uint64_t) fs.f_bavail * fs.f_frsize;

    if (!sp->large && behind > free) {
        sp->large = 1;
        ngx_ai_report(s->report, NGX_LOG_WARN, 0,
                      "%llu MB wait for the database, more than half of the "
                      "disk's room for them: when it is full no request is "
                      "admitted", (unsigned long long) (behind >> 20));

    } else if (sp->large && behind < free / 2) {
        sp->large = 0;
        ngx_ai_report(s->report, NGX_LOG_NOTICE, 0,
                      "rows that wait for the database have room again");
    }
}


ngx_uint_t
ngx_ai_spool_step(ngx_ai_sink_t *s, uint64_t now)
{
    ngx_uint_t  n;

    if (!s->spool->open) {
        ngx_ai_spool_open(s, now);
    }

    ngx_ai_spool_live(s, now);

    n = ngx_ai_spool_settle(s->spool);

    ngx_ai_spool_clear(s, now);

    n += ngx_ai_spool_fill(s);

    ngx_ai_spool_look(s, now);

    return n;
}
