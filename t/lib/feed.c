
/*
 * The directory's feed from a file, for tests of what stands behind it.
 * LD_PRELOAD it, with AI_FEED naming the file: a line "kind name" for each
 * record and its document's lines behind tabs, as t/lib/AI/Feed.pm writes it.
 * Its first line is a number, which goes to the file's name and ".done" when
 * all of it is in; "loaded" is a line of its own where that is all there is.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include "event/ngx_ai_directory.h"


#define FEED_EVERY  20      /* ms */


static char  feed_path[512];


__attribute__((constructor)) static void
feed_init(void)
{
    const char  *s;

    s = getenv("AI_FEED");

    if (s) {
        snprintf(feed_path, sizeof(feed_path), "%s", s);
    }
}


static ngx_ai_directory_t *
feed_directory(volatile ngx_cycle_t *cycle)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;

    part = (ngx_list_part_t *) &cycle->shared_memory.part;

    for ( /* void */ ; part; part = part->next) {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (zone[i].shm.name.len == sizeof("ai:directory") - 1
                && memcmp(zone[i].shm.name.data, "ai:directory",
                          zone[i].shm.name.len) == 0)
            {
                return zone[i].data;
            }
        }
    }

    return NULL;
}


static void
feed_doc(ngx_ai_directory_t *d, char *head, char *text, ngx_log_t *log)
{
    ngx_str_t  name, doc;

    if (head[0] == '\0') {
        return;
    }

    name.data = (u_char *) head + 2;
    name.len = strlen(head + 2);
    doc.data = (u_char *) text;
    doc.len = strlen(text);

    ngx_ai_directory_doc(d, (u_char) head[0], &name, &doc, log);
    head[0] = '\0';
    text[0] = '\0';
}


static void
feed_read(ngx_ai_directory_t *d, FILE *f, ngx_log_t *log)
{
    int       loaded, serial;
    char      line[4096], head[4096], text[16384];
    unsigned  kinds;

    kinds = (1 << AI_DIR_KEY) | (1 << AI_DIR_TENANT) | (1 << AI_DIR_PLAN)
            | (1 << AI_DIR_PRICE);
    loaded = 0;
    serial = 0;
    head[0] = '\0';
    text[0] = '\0';

    ngx_ai_directory_lock(d);
    ai_dir_pass_begin(d->dir, kinds);
    ngx_ai_directory_unlock(d);

    while (fgets(line, sizeof(line), f)) {

        if (line[0] == '\t') {
            strncat(text, line + 1, sizeof(text) - strlen(text) - 1);
            continue;
        }

        feed_doc(d, head, text, log);
        line[strcspn(line, "\n")] = '\0';

        if (line[0] >= '0' && line[0] <= '9') {
            serial = atoi(line);

        } else if (strcmp(line, "loaded") == 0) {
            loaded = 1;

        } else {
            memcpy(head, line, sizeof(head));
        }
    }

    feed_doc(d, head, text, log);

    ngx_ai_directory_lock(d);

    while (ai_dir_pass_sweep(d->dir, kinds, 1000) == AI_AGAIN) { /* void */ }

    if (loaded) {
        ai_dir_set_loaded(d->dir);
    }

    ngx_ai_directory_unlock(d);

    snprintf(line, sizeof(line), "%s.done", feed_path);
    f = fopen(line, "w");

    if (f) {
        fprintf(f, "%d\n", serial);
        (void) fclose(f);
    }
}


static void
feed_look(void)
{
    FILE                  *f;
    struct stat            st;
    ngx_ai_directory_t    *d;
    volatile ngx_cycle_t **cycle;

    static struct timespec  last;

    cycle = dlsym(RTLD_DEFAULT, "ngx_cycle");

    if (feed_path[0] == '\0' || cycle == NULL || stat(feed_path, &st) == -1
        || memcmp(&st.st_mtim, &last, sizeof(last)) == 0)
    {
        return;
    }

    d = feed_directory(*cycle);
    f = fopen(feed_path, "r");

    if (d == NULL || f == NULL) {
        return;
    }

    /* one worker at a time; the others find nothing to change */

    if (flock(fileno(f), LOCK_EX) == 0) {
        last = st.st_mtim;
        feed_read(d, f, (*cycle)->log);
    }

    (void) fclose(f);
}


/* every worker waits here; the master never does */

int
epoll_wait(int ep, struct epoll_event *events, int max, int timeout)
{
    int         n, wait;
    static int  (*real)(int, struct epoll_event *, int, int);

    if (real == NULL) {
        real = dlsym(RTLD_NEXT, "epoll_wait");
    }

    for ( ;; ) {
        feed_look();

        wait = timeout < 0 || timeout > FEED_EVERY ? FEED_EVERY : timeout;
        n = real(ep, events, max, wait);

        if (n != 0 || timeout == wait) {
            return n;
        }

        if (timeout > 0) {
            timeout -= wait;
        }
    }
}
