
/*
 * What the tests of the ledger and of the spool share: results in TAP, and a
 * ledger's directory of their own.
 */


#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include "nginx.h"
#include "../../src/core/ai_slot.h"


#define TEST_DIR      256


static ngx_cycle_t           *cycle;
static ngx_ai_ledger_conf_t   conf;
static char                   dir[TEST_DIR];
static ngx_uint_t             tests, failed;

static ngx_uint_t parties(void *data, const ai_str_t *tenant,
    const ai_str_t *key, ngx_ai_parties_t *p);


static void
ok(ngx_uint_t good, const char *name)
{
    tests++;
    failed += !good;

    printf("%sok %lu - %s\n", good ? "" : "not ", (unsigned long) tests, name);
    fflush(stdout);
}


/* ---- the directory ---- */

static void
each_file(const char *end, void (*call)(const char *path, void *data),
    void *data)
{
    DIR            *d;
    char            path[2 * TEST_DIR + 300];
    size_t          len;
    struct dirent  *de;

    d = opendir(dir);

    while (d && (de = readdir(d)) != NULL) {
        len = strlen(de->d_name);

        if (len >= strlen(end) && de->d_name[0] != '.'
            && strcmp(de->d_name + len - strlen(end), end) == 0)
        {
            snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
            call(path, data);
        }
    }

    if (d) {
        closedir(d);
    }
}


static void
unlink_file(const char *path, void *data)
{
    (void) data;
    unlink(path);
}


static void
count_file(const char *path, void *data)
{
    (void) path;
    (*(ngx_uint_t *) data)++;
}


static ngx_uint_t
files(const char *end)
{
    ngx_uint_t  n;

    n = 0;
    each_file(end, count_file, &n);

    return n;
}


static void
begin_in(const char *name, size_t segment, size_t rotate,
    unsigned database)
{
    static ngx_uint_t  serial;

    snprintf(dir, sizeof(dir), "%s/ai-%s-%d-%lu",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", name, getpid(),
             (unsigned long) serial++);

    conf.path.data = (u_char *) dir;
    conf.path.len = strlen(dir);
    conf.segment = segment;
    conf.sync = 0;
    conf.rotate = rotate;
    conf.user = (ngx_uid_t) NGX_CONF_UNSET_UINT;
    conf.parties = parties;
    conf.database = database;

    if (ngx_ai_ledger_prepare(cycle, &conf) != NGX_OK) {
        exit(2);
    }
}


static void
end(void)
{
    each_file("", unlink_file, NULL);
    rmdir(dir);
}


/* ---- slots and workers ---- */

static void
set(ai_slot_t *s, unsigned which, const char *text)
{
    ai_str_t  v;

    v.data = (u_char *) text;
    v.len = strlen(text);

    ai_slot_string(s, which, &v);
}


static void
killed(pid_t pid)
{
    int  status;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        printf("# a worker ended by itself: %x\n", status);
        failed++;
    }
}


#endif /* TEST_FIXTURE_H */
