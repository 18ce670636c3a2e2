
/*
 * Ended rows to usage.jsonl, in batches; what is no row to damaged.bin.
 *
 * A slot is freed when its row was written, or is found to have been written
 * by a sink that was killed before it could free it.
 */


#include "ngx_ai_sink.h"


#define NGX_AI_SHIP_DAMAGED  "damaged.bin"


void
ngx_ai_sink_chown(ngx_ai_sink_t *s, int fd)
{
    struct stat  sb;

    if (geteuid() != 0 || s->conf.user == (ngx_uid_t) NGX_CONF_UNSET_UINT
        || fstat(fd, &sb) == -1 || sb.st_uid == s->conf.user)
    {
        return;
    }

    if (fchown(fd, s->conf.user, -1) == -1) {
        ngx_ai_report(s->report, NGX_LOG_ALERT, ngx_errno,
                      "fchown(%u) failed", (unsigned) s->conf.user);
    }
}


/* sets a slot aside that is no row: damaged.bin */

static void
ngx_ai_sink_damaged(ngx_ai_sink_t *s, ngx_ai_segment_t *seg, uint32_t slot)
{
    int      fd;
    ssize_t  n;

    fd = openat(s->dirfd, NGX_AI_SHIP_DAMAGED,
                O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK,
                0600);
    n = -1;

    if (fd != -1) {
        ngx_ai_sink_chown(s, fd);
        n = write(fd, ngx_ai_segment_slot(seg, slot), AI_SLOT_SIZE);
        (void) close(fd);
    }

    if (n != AI_SLOT_SIZE) {

        /* it stays where it is, and the next round comes by again */

        return;
    }

    (void) ngx_atomic_fetch_add(&s->damaged, 1);
    ngx_ai_report(s->report, NGX_LOG_ALERT, 0,
                  "slot %u of segment %u is damaged, set aside in "
                  NGX_AI_SHIP_DAMAGED " (%lu so far)", slot, seg->number,
                  (unsigned long) s->damaged);

    ngx_ai_segment_free(seg, slot);
}


static void
ngx_ai_ship_failed(ngx_ai_sink_t *s)
{
    ngx_err_t  err;

    err = ngx_errno;

    if (s->write_err != err) {
        s->write_err = err;
        ngx_ai_report(s->report, NGX_LOG_CRIT, err,
                      "write() to " NGX_AI_USAGE_FILE " failed, rows are kept");
    }
}


ngx_int_t
ngx_ai_sink_rotate(ngx_ai_sink_t *s)
{
    off_t      size;
    char       stem[NGX_AI_USAGE_NAME];
    ngx_int_t  rc;

    size = s->usage.size;
    rc = ngx_ai_usage_rotate(&s->usage, stem, s->report);

    if (stem[0] && s->spool) {
        ngx_ai_spool_rotated(s->spool, stem, size);
    }

    if (rc == NGX_OK) {
        ngx_ai_sink_chown(s, s->usage.fd);
        s->rotate_err = 0;
        return NGX_OK;
    }

    if (s->rotate_err != ngx_errno) {
        s->rotate_err = ngx_errno;
        ngx_ai_report(s->report, NGX_LOG_ERR, s->rotate_err,
                      "could not rotate " NGX_AI_USAGE_FILE);
    }

    if (s->usage.fd == -1) {
        s->ready = 0;
    }

    return NGX_ERROR;
}


/* writes the batch and frees its slots; in doubt about what was written the
   file is to be read back before the next batch */

static ngx_int_t
ngx_ai_ship_flush(ngx_ai_sink_t *s)
{
    ngx_int_t   rc;
    ngx_uint_t  i, n;

    n = s->nitems;
    s->nitems = 0;

    if (n == 0) {
        return NGX_OK;
    }

    rc = ngx_ai_usage_append(&s->usage, s->batch, s->len);
    s->len = 0;

    if (rc != NGX_OK) {
        s->ready = 0;

        if (rc == NGX_ERROR) {
            ngx_ai_ship_failed(s);
        }

        return NGX_ERROR;
    }

    if (s->write_err) {
        s->write_err = 0;
        ngx_ai_report(s->report, NGX_LOG_NOTICE, 0,
                      "rows are written to " NGX_AI_USAGE_FILE " again");
    }

    for (i = 0; i < n; i++) {
        ngx_ai_segment_free(s->items[i].seg, s->items[i].slot);
    }

    (void) ngx_atomic_fetch_add(&s->shipped, n);

    return NGX_OK;
}


static ngx_int_t
ngx_ai_ship_row(ngx_ai_sink_t *s, ngx_ai_segment_t *seg, uint32_t slot)
{
    ai_buf_t    b;
    ai_slot_t  *row;

    row = ngx_ai_segment_slot(seg, slot);

    if (NGX_AI_USAGE_BATCH - s->len <= AI_SLOT_ROW_MAX
        || s->nitems == NGX_AI_USAGE_BATCH / 256)
    {
        if (ngx_ai_ship_flush(s) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ai_buf_init(&b, s->batch + s->len, NGX_AI_USAGE_BATCH - s->len);
    ai_slot_row(&b, row);
    ai_buf_char(&b, '\n');

    if (b.full) {
        ngx_ai_sink_damaged(s, seg, slot);
        return NGX_OK;
    }

    s->len = (size_t) (b.pos - s->batch);
    s->items[s->nitems].seg = seg;
    s->items[s->nitems].slot = slot;
    s->nitems++;

    return NGX_OK;
}


static ngx_int_t
ngx_ai_ship_slot(ngx_ai_sink_t *s, ngx_ai_segment_t *seg, uint32_t slot)
{
    uint32_t    state;
    ai_slot_t  *row;

    row = ngx_ai_segment_slot(seg, slot);
    state = __atomic_load_n(&row->state, __ATOMIC_ACQUIRE);

    if (state == AI_SLOT_FREE) {

        /* its sink was killed between the state and the bits */

        ngx_ai_segment_free(seg, slot);
        return NGX_OK;
    }

    if (!ai_slot_ended(state) && !seg->dead) {
        ngx_ai_segment_unend(seg, slot);
        return NGX_OK;
    }

    if (ai_slot_check(row) != AI_OK) {
        ngx_ai_sink_damaged(s, seg, slot);
        return NGX_OK;
    }

    ngx_ai_sink_count(s, seg, slot);

    if (ngx_ai_ids_has(&s->ids, row->id)) {
        ngx_ai_segment_free(seg, slot);
        return NGX_OK;
    }

    return ngx_ai_ship_row(s, seg, slot);
}


/* frees a slot whose row a former sink has written */

static ngx_int_t
ngx_ai_ship_known(ngx_ai_sink_t *s, ngx_ai_segment_t *seg, uint32_t slot)
{
    ai_slot_t  *row;

    row = ngx_ai_segment_slot(seg, slot);

    if (!ai_slot_ended(__atomic_load_n(&row->state, __ATOMIC_ACQUIRE))
        || !ngx_ai_ids_has(&s->ids, row->id)
        || ai_slot_check(row) != AI_OK)
    {
        return NGX_OK;
    }

    ngx_ai_sink_count(s, seg, slot);
    ngx_ai_segment_free(seg, slot);

    return NGX_OK;
}


typedef ngx_int_t (*ngx_ai_ship_pt)(ngx_ai_sink_t *s, ngx_ai_segment_t *seg,
    uint32_t slot);


static ngx_int_t
ngx_ai_ship_each(ngx_ai_sink_t *s, ngx_ai_ship_pt ship)
{
    uint32_t           w, words, slot;
    uint64_t           bits;
    ngx_uint_t         i;
    ngx_ai_segment_t  *seg;

    for (i = 0; i < s->nsegs; i++) {
        seg = &s->segs[i]->seg;
        words = (ngx_ai_segment_high(seg) + 63) / 64;

        for (w = 0; w < words; w++) {
            bits = __atomic_load_n(&seg->ended[w], __ATOMIC_ACQUIRE);

            while (bits) {
                slot = w * 64 + (uint32_t) __builtin_ctzll(bits);
                bits &= bits - 1;

                if (slot < seg->nslots && ship(s, seg, slot) != NGX_OK) {
                    return NGX_ERROR;
                }
            }
        }
    }

    return NGX_OK;
}


/*
 * The file is rotated behind a round only, when no slot is left whose row is
 * in it; and what a former sink has written is freed before anything is
 * written behind it.  Else a sink that is killed here leaves slots whose rows
 * are not where the next one looks for them.
 */

ngx_int_t
ngx_ai_sink_ship(ngx_ai_sink_t *s)
{
    s->len = 0;
    s->nitems = 0;

    if (!s->known) {
        s->known = 1;

        if (s->ids.n) {
            (void) ngx_ai_ship_each(s, ngx_ai_ship_known);
        }
    }

    if (ngx_ai_ship_each(s, ngx_ai_ship_slot) != NGX_OK
        || ngx_ai_ship_flush(s) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (s->conf.rotate && (size_t) s->usage.size >= s->conf.rotate) {
        (void) ngx_ai_sink_rotate(s);
    }

    return s->usage.fd == -1 ? NGX_ERROR : NGX_OK;
}
