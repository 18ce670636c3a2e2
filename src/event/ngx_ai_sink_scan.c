
/*
 * The sink's segments: what is in the directory, mapped; what is no segment,
 * set aside; what is clean, kept for reuse or unlinked.
 */


#include "ngx_ai_sink.h"
#include <dirent.h>


void
ngx_ai_sink_forget(ngx_ai_sink_t *s, ngx_uint_t i)
{
    ngx_ai_segment_close(&s->segs[i]->seg);
    free(s->segs[i]);

    s->segs[i] = s->segs[--s->nsegs];
    ngx_ai_word_set(&s->mapped, s->nsegs);
}


static ngx_uint_t
ngx_ai_sink_mapped(ngx_ai_sink_t *s, ino_t ino)
{
    ngx_uint_t  i;

    for (i = 0; i < s->nsegs; i++) {
        if (s->segs[i]->ino == ino) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_ai_sink_set_aside(ngx_ai_sink_t *s, const char *name)
{
    char  to[64];

    (void) snprintf(to, sizeof(to), "%.8s-%llx.damaged", name,
                    (unsigned long long) ngx_ai_sink_mono());

    if (renameat(s->dirfd, name, s->dirfd, to) == 0) {
        (void) ngx_atomic_fetch_add(&s->damaged, 1);
        ngx_ai_report(s->report, NGX_LOG_ALERT, 0,
                      "\"%s\" is no segment of this version, set aside as "
                      "\"%s\"", name, to);
    }
}


/* a clean segment nobody owns: kept for reuse, or one too many */

static ngx_int_t
ngx_ai_sink_is_clean(ngx_ai_sink_t *s, ngx_ai_segment_t *seg,
    const char *name, ngx_uint_t *nclean)
{
    if (!seg->head->clean || ngx_ai_segment_lock(seg) != NGX_OK) {
        return 0;
    }

    if (!seg->head->clean) {

        /* taken and left again in between: an orphan like any other; our
           lock goes with the file, the next look adopts it */

        return 1;
    }

    if (seg->size != s->conf.segment || ++*nclean > NGX_AI_SINK_CLEAN) {
        (void) unlinkat(s->dirfd, name, 0);
    }

    return 1;
}


static void
ngx_ai_sink_map(ngx_ai_sink_t *s, const char *name, ino_t ino,
    ngx_uint_t *nclean)
{
    ngx_int_t               rc;
    ngx_ai_segment_t        seg;
    ngx_ai_sink_segment_t  *new;

    rc = ngx_ai_segment_open(&seg, s->dirfd, name);

    if (rc == NGX_DECLINED) {
        ngx_ai_sink_set_aside(s, name);
        return;
    }

    if (rc == NGX_ERROR) {
        if (ngx_errno != NGX_ENOENT && s->map_err != ngx_errno) {
            s->map_err = ngx_errno;
            ngx_ai_report(s->report, NGX_LOG_ALERT, s->map_err,
                          "could not open segment \"%s\"", name);
        }

        return;
    }

    if (ngx_ai_sink_is_clean(s, &seg, name, nclean)) {
        ngx_ai_segment_close(&seg);
        return;
    }

    new = malloc(sizeof(ngx_ai_sink_segment_t));

    if (new == NULL) {
        ngx_ai_segment_close(&seg);
        return;
    }

    new->seg = seg;
    new->ino = ino;

    s->segs[s->nsegs++] = new;
    ngx_ai_word_set(&s->mapped, s->nsegs);
}


/* half made, and its maker died */

static void
ngx_ai_sink_unlink_new(ngx_ai_sink_t *s, const char *name)
{
    size_t       len;
    struct stat  sb;

    len = strlen(name);

    if (len > 4 && strcmp(name + len - 4, ".new") == 0
        && fstatat(s->dirfd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0
        && time(NULL) - sb.st_mtime > 60)
    {
        (void) unlinkat(s->dirfd, name, 0);
    }
}


void
ngx_ai_sink_scan(ngx_ai_sink_t *s)
{
    int             fd;
    DIR            *dir;
    uint32_t        number;
    ngx_uint_t      nclean;
    struct dirent  *de;

    s->scanned = ngx_ai_sink_mono();

    fd = openat(s->dirfd, ".", O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        return;
    }

    dir = fdopendir(fd);

    if (dir == NULL) {
        (void) close(fd);
        return;
    }

    nclean = 0;

    while ((de = readdir(dir)) != NULL) {

        if (ngx_ai_segment_parse(de->d_name, &number) != NGX_OK) {
            ngx_ai_sink_unlink_new(s, de->d_name);
            continue;
        }

        if (s->nsegs < NGX_AI_SINK_SEGMENTS
            && !ngx_ai_sink_mapped(s, de->d_ino))
        {
            ngx_ai_sink_map(s, de->d_name, de->d_ino, &nclean);
        }
    }

    (void) closedir(dir);
}


void
ngx_ai_sink_drop_clean(ngx_ai_sink_t *s)
{
    ngx_uint_t         i;
    ngx_ai_segment_t  *seg;

    for (i = s->nsegs; i-- > 0; /* void */ ) {
        seg = &s->segs[i]->seg;

        if (seg->dead && ngx_ai_segment_waiting(seg) == 0) {
            __atomic_store_n(&seg->head->clean, 1, __ATOMIC_RELEASE);
            ngx_ai_sink_forget(s, i);
        }
    }
}
