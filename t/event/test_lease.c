
/*
 * redis.state: what is written is read, and nothing else; and who of other
 * starts lives.
 *
 * test_lease [KILLS]      in TAP
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include "nginx.h"
#include "../../src/event/ngx_ai_lease_int.h"
#include "../../src/event/ngx_ai_segment.h"


#define TEST_PAGE  4096


static char        dir[256], path[300];
static ngx_uint_t  tests, failed;


static void
ok(ngx_uint_t good, const char *name)
{
    tests++;
    failed += !good;

    printf("%sok %lu - %s\n", good ? "" : "not ", (unsigned long) tests, name);
    fflush(stdout);
}


/* a state that its number tells */

static void
state(ngx_ai_lease_state_t *st, uint64_t n)
{
    ngx_uint_t  i;

    ngx_memzero(st, sizeof(*st));
    st->start = n;
    ngx_memset(st->zone_id, (int) n, 16);

    for (i = 0; i < AI_LEASE_SHARDS; i++) {
        st->epoch[i].count = n + i;
        st->epoch[i].random = n * 0x9e3779b97f4a7c15 + i;
    }
}


static ngx_uint_t
is(int fd, uint64_t n)
{
    ngx_ai_lease_state_t  st, want;

    state(&want, n);

    return ngx_ai_lease_file_read(fd, &st) == NGX_OK
           && ngx_memcmp(&st, &want, sizeof(st)) == 0;
}


static ngx_int_t
put(int fd, uint64_t n)
{
    ngx_ai_lease_state_t  st;

    state(&st, n);

    return ngx_ai_lease_file_write(fd, &st);
}


static void
test_make(void)
{
    int                   fd, other;
    struct stat           sb;
    ngx_ai_lease_state_t  st;

    ok(ngx_ai_lease_file_open(dir) == -1 && errno == ENOENT, "no file");

    state(&st, 1);
    fd = ngx_ai_lease_file_make(dir, (ngx_uid_t) NGX_CONF_UNSET_UINT, &st);
    ok(fd != -1 && is(fd, 1), "it is made");
    ok(fstat(fd, &sb) == 0 && (sb.st_mode & 07777) == 0600, "for one user");

    state(&st, 9);
    other = ngx_ai_lease_file_make(dir, (ngx_uid_t) NGX_CONF_UNSET_UINT, &st);
    ok(other == -1 && errno == EEXIST, "not twice");
    close(fd);

    fd = ngx_ai_lease_file_open(dir);
    ok(fd != -1 && is(fd, 1), "and is there");
    close(fd);
}


static void
test_write(void)
{
    int         fd;
    uint64_t    n;
    ngx_uint_t  good;

    fd = ngx_ai_lease_file_open(dir);

    for (n = 2, good = 1; n < 100; n++) {
        good &= put(fd, n) == NGX_OK && is(fd, n);
    }

    ok(good, "the last one counts");

    ok(put(fd, 10000000000) == NGX_OK && is(fd, 99), "nor is one too many");
    ok(put(fd, 9999999999) == NGX_OK && is(fd, 9999999999), "the last of all");
    close(fd);
}


/* both records as they lie: the last of an odd number of writes is the first */

static size_t
records(int fd, u_char rec[2][TEST_PAGE])
{
    struct stat  sb;

    fstat(fd, &sb);
    pread(fd, rec[0], TEST_PAGE, 0);
    pread(fd, rec[1], TEST_PAGE, TEST_PAGE);

    return (size_t) sb.st_size - TEST_PAGE;
}


static void
test_damage(void)
{
    int         fd;
    u_char      rec[2][TEST_PAGE], bad;
    size_t      len, i;
    ngx_uint_t  good, none, last;

    unlink(path);
    close(ngx_ai_lease_file_make(dir, (ngx_uid_t) NGX_CONF_UNSET_UINT,
        &(ngx_ai_lease_state_t) { .start = 1 }));
    fd = ngx_ai_lease_file_open(dir);
    put(fd, 7);
    put(fd, 8);
    len = records(fd, rec);

    for (last = 0; last < 2; last++) {

        /* which of them is the later one */

        bad = rec[last][0] ^ 1;
        pwrite(fd, &bad, 1, last * TEST_PAGE);

        if (is(fd, 7)) {
            break;
        }

        pwrite(fd, &rec[last][0], 1, last * TEST_PAGE);
    }

    ok(last < 2, "the one before is kept");
    pwrite(fd, rec[last], len, last * TEST_PAGE);

    for (i = 0, good = 1; i < len; i++) {
        bad = rec[last][i] ^ (u_char) (1 << i % 8);
        pwrite(fd, &bad, 1, last * TEST_PAGE + i);
        good &= is(fd, 7);
        pwrite(fd, &rec[last][i], 1, last * TEST_PAGE + i);
    }

    ok(good && is(fd, 8), "a bit anywhere in the last one: the one before");

    bad = rec[!last][20] ^ 1;
    pwrite(fd, &bad, 1, !last * TEST_PAGE + 20);

    for (i = 0, none = 1; i < len; i++) {
        bad = rec[last][i] ^ (u_char) (1 << i % 8);
        pwrite(fd, &bad, 1, last * TEST_PAGE + i);
        none &= ngx_ai_lease_file_read(fd, &(ngx_ai_lease_state_t) { 0 })
                == NGX_DECLINED;
        pwrite(fd, &rec[last][i], 1, last * TEST_PAGE + i);
    }

    ok(none && is(fd, 8), "in both: nothing is believed");
    close(fd);
}


/* the new record is there up to a byte, and the rest of it is the old one's */

static void
test_torn(void)
{
    int         fd;
    u_char      rec[2][TEST_PAGE], new[2][TEST_PAGE];
    size_t      len, i;
    ngx_uint_t  at, good;

    fd = ngx_ai_lease_file_open(dir);
    put(fd, 20);
    put(fd, 21);
    len = records(fd, rec);
    put(fd, 22);
    records(fd, new);
    at = ngx_memcmp(rec[0], new[0], len) == 0;

    for (i = 0, good = 1; i <= len; i++) {
        pwrite(fd, rec[at], len, at * TEST_PAGE);
        pwrite(fd, new[at], i, at * TEST_PAGE);
        good &= is(fd, i < len ? 21 : 22)
                || (i < len && is(fd, 22)
                    && ngx_memcmp(rec[at] + i, new[at] + i, len - i) == 0);
    }

    ok(good, "a write that is torn leaves what was there");

    pwrite(fd, new[at], 100, at * TEST_PAGE);
    ok(put(fd, 23) == NGX_OK && is(fd, 23), "and the next one is good");
    close(fd);
}


static void
test_shape(void)
{
    int                   fd;
    size_t                i;
    ngx_int_t             rc;
    ngx_uint_t            good;
    ngx_ai_lease_state_t  st;

    fd = ngx_ai_lease_file_open(dir);
    put(fd, 30);
    put(fd, 31);

    for (i = 2 * TEST_PAGE, good = 1; i-- > 0; /* void */ ) {
        ftruncate(fd, (off_t) i);
        rc = ngx_ai_lease_file_read(fd, &st);
        good &= rc == NGX_DECLINED
                || (rc == NGX_OK && (is(fd, 30) || is(fd, 31)));
    }

    ok(good && rc == NGX_DECLINED, "cut anywhere");

    ftruncate(fd, 2 * TEST_PAGE + 1);
    put(fd, 32);
    ok(ngx_ai_lease_file_read(fd, &st) == NGX_DECLINED, "too long");
    close(fd);

    unlink(path);
    mkdir(path, 0700);
    ok(ngx_ai_lease_file_open(dir) == -1, "a directory");
    rmdir(path);

    symlink("/etc/hostname", path);
    ok(ngx_ai_lease_file_open(dir) == -1, "a link");
    unlink(path);

    mkfifo(path, 0600);
    fd = ngx_ai_lease_file_open(dir);
    ok(fd == -1 || ngx_ai_lease_file_read(fd, &st) == NGX_DECLINED, "a pipe");
    close(fd);
    unlink(path);
}


static void
test_lock(void)
{
    int                   a, b;
    ngx_ai_lease_state_t  st;

    state(&st, 1);
    a = ngx_ai_lease_file_make(dir, (ngx_uid_t) NGX_CONF_UNSET_UINT, &st);
    b = ngx_ai_lease_file_open(dir);

    ok(flock(a, LOCK_SH|LOCK_NB) == 0 && flock(b, LOCK_SH|LOCK_NB) == 0,
       "two workers live");
    ok(ngx_ai_lease_file_lock(a) == NGX_OK, "one writes");
    ok(ngx_ai_lease_file_lock(b) == NGX_BUSY, "the other does not");
    ngx_ai_lease_file_unlock(a);
    ok(ngx_ai_lease_file_lock(b) == NGX_OK, "until it is done");
    close(b);
    ok(ngx_ai_lease_file_lock(a) == NGX_OK, "or gone");
    ok(flock(a, LOCK_EX|LOCK_NB) == 0, "who is the last has it alone");
    close(a);
}


/* a writer that is killed at any instruction */

static void
test_kills(ngx_uint_t kills)
{
    int                   fd, status;
    pid_t                 pid;
    uint64_t              n, last;
    ngx_uint_t            i, good;
    ngx_ai_lease_state_t  st;

    last = 1;
    good = 1;

    for (i = 0; i < kills; i++) {
        pid = fork();

        if (pid == 0) {
            fd = ngx_ai_lease_file_open(dir);

            for (n = last + 1; /* void */ ; n++) {
                put(fd, n);
            }
        }

        usleep(500 + (useconds_t) (random() % 3000));
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);

        fd = ngx_ai_lease_file_open(dir);
        good &= ngx_ai_lease_file_read(fd, &st) == NGX_OK && st.start >= last
                && is(fd, st.start);
        last = st.start;
        close(fd);
    }

    ok(good && last > 1, "a writer is killed");
}


static ngx_uint_t
strangers(const u_char zone[16])
{
    ngx_uint_t  n;

    return ngx_ai_segment_strangers(dir, zone, &n) == NGX_OK ? n : 999;
}


static void
test_strangers(void)
{
    int                dirfd, status, go[2];
    char               c;
    pid_t              pid;
    u_char             ours[16], other[16];
    const char        *what;
    ngx_ai_segment_t   seg, dead;

    ngx_memset(ours, 1, 16);
    ngx_memset(other, 2, 16);
    dirfd = open(dir, O_RDONLY|O_DIRECTORY);
    pipe(go);

    ok(strangers(ours) == 0, "nobody");

    ngx_ai_segment_make(&seg, dirfd, 65536, ours, 1, 1, &what);
    ok(strangers(ours) == 0, "we ourselves are no strangers");
    ok(strangers(other) == 1, "but for another start");

    pid = fork();

    if (pid == 0) {
        ngx_ai_segment_make(&dead, dirfd, 65536, other, 2, 2, &what);
        write(go[1], "", 1);
        pause();
        _exit(0);
    }

    read(go[0], &c, 1);
    ok(strangers(ours) == 1, "a worker of another start");

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    ok(strangers(ours) == 0, "that has died");

    ngx_ai_segment_open(&dead, dirfd, "00000002.seg");
    ngx_ai_segment_lock(&dead);
    ok(strangers(ours) == 1, "a lock is somebody's");

    dead.head->dead = 1;
    ok(strangers(ours) == 0, "unless a sink knows that the owner is dead");

    ngx_ai_segment_close(&dead);
    ngx_ai_segment_close(&seg);
    close(dirfd);
}


int
main(int argc, char **argv)
{
    char  cmd[300];

    (void) test_nginx();

    strcpy(dir, "/tmp/ai-lease-XXXXXX");

    if (mkdtemp(dir) == NULL) {
        return 1;
    }

    snprintf(path, sizeof(path), "%s/" NGX_AI_LEASE_FILE, dir);

    test_make();
    test_write();
    test_damage();
    test_torn();
    test_shape();
    test_lock();
    test_kills(argc > 1 ? (ngx_uint_t) atoi(argv[1]) : 50);
    test_strangers();

    snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
    system(cmd);

    printf("1..%lu\n", (unsigned long) tests);

    return failed != 0;
}
