
/*
 * The directory: what is put is found, what has no room is known to be
 * missing, and a writer that dies leaves the old record or the new one.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ai_core.h"

#define CHECK(condition)  assert_true(condition)

#include "dir_model.h"


#define ALL  ((1u << AI_DIR_KINDS) - 1)


static ai_dir_t *
make(size_t size)
{
    ai_dir_t  *dir;

    dir = aligned_alloc(64, size);
    memset(dir, 0x5a, size);
    assert_int_equal(ai_dir_init(dir, size), AI_OK);

    return dir;
}


static ai_str_t
name(const char *fmt, unsigned i, char text[32])
{
    ai_str_t  s;

    s.len = (size_t) snprintf(text, 32, fmt, i);
    s.data = (ai_char *) text;

    return s;
}


static int
put(ai_dir_t *dir, ai_dir_kind_t kind, unsigned i, int byte, size_t len)
{
    char            text[32];
    ai_str_t        key = name("tenant-%u", i, text);
    static ai_char  value[AI_DIR_VALUE_MAX + 1];

    memset(value, byte, sizeof(value));

    return ai_dir_put(dir, kind, &key, value, len);
}


static int
get(ai_dir_t *dir, ai_dir_kind_t kind, unsigned i, int byte, size_t len)
{
    int             rc;
    char            text[32];
    size_t          n, k;
    ai_str_t        key = name("tenant-%u", i, text);
    static ai_char  value[AI_DIR_VALUE_MAX];

    rc = ai_dir_get(dir, kind, &key, value, sizeof(value), &n);

    if (rc == AI_OK) {
        assert_int_equal(n, len);

        for (k = 0; k < len; k++) {
            assert_int_equal(value[k], byte);
        }
    }

    return rc;
}


/* ---- layout ---- */

static void
layout_is_checked(void **state)
{
    size_t     size;
    ai_dir_t  *dir;

    (void) state;

    dir = make(1 << 20);

    assert_int_equal(ai_dir_check(dir, 1 << 20), AI_OK);
    assert_int_equal(ai_dir_check(dir, (1 << 20) + 4096), AI_ERROR);
    assert_int_equal(ai_dir_check(dir, 64), AI_ERROR);

    dir->layout++;
    assert_int_equal(ai_dir_check(dir, 1 << 20), AI_ERROR);
    dir->layout--;
    dir->version++;
    assert_int_equal(ai_dir_check(dir, 1 << 20), AI_ERROR);

    assert_int_equal(ai_dir_init(dir, ai_dir_min_size() - 1), AI_ERROR);
    assert_int_equal(ai_dir_init((ai_char *) dir + 8, 1 << 19), AI_ERROR);
    free(dir);

    /* nothing passes the end, whatever the size */

    for (size = ai_dir_min_size(); size < 200000; size += 1234) {
        dir = aligned_alloc(64, (size + 63) / 64 * 64);
        assert_int_equal(ai_dir_init(dir, size), AI_OK);
        assert_true((ai_char *) ai_dir_cell(dir, dir->max + 1)
                    <= (ai_char *) dir + size);
        assert_true((ai_char *) ai_dir_head(dir, dir->mask) + 4
                    <= (ai_char *) ai_dir_cell(dir, 1));
        assert_true(dir->max >= 200);
        free(dir);
    }
}


/* ---- records ---- */

static void
records_are_found_by_kind_and_key(void **state)
{
    size_t          n;
    ai_str_t        key = ai_string("acme"), empty = ai_string("");
    ai_char         value[16];
    uint64_t        version;
    ai_dir_t       *dir;
    ai_dir_stat_t   st;

    (void) state;

    dir = make(1 << 20);
    version = ai_dir_version(dir);

    assert_int_equal(ai_dir_get(dir, AI_DIR_TENANT, &key, value, 16, &n),
                     AI_DECLINED);
    assert_int_equal(ai_dir_put(dir, AI_DIR_TENANT, &key,
                                (ai_char *) "plan pro", 8), AI_OK);
    assert_int_equal(ai_dir_put(dir, AI_DIR_PLAN, &key, (ai_char *) "p", 1),
                     AI_OK);
    assert_int_equal(ai_dir_put(dir, AI_DIR_PLAN, &empty, NULL, 0), AI_OK);
    assert_int_equal(ai_dir_version(dir), version + 3);

    assert_int_equal(ai_dir_get(dir, AI_DIR_TENANT, &key, value, 16, &n),
                     AI_OK);
    assert_int_equal(n, 8);
    assert_memory_equal(value, "plan pro", 8);
    assert_int_equal(ai_dir_get(dir, AI_DIR_PLAN, &key, value, 16, &n), AI_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ai_dir_get(dir, AI_DIR_PLAN, &empty, value, 16, &n),
                     AI_OK);
    assert_int_equal(n, 0);
    assert_int_equal(ai_dir_get(dir, AI_DIR_KEY, &key, value, 16, &n),
                     AI_DECLINED);

    /* a value that does not fit is not cut */

    assert_int_equal(ai_dir_get(dir, AI_DIR_TENANT, &key, value, 7, &n),
                     AI_ERROR);

    /* byte for byte the same is no change */

    version = ai_dir_version(dir);
    assert_int_equal(ai_dir_put(dir, AI_DIR_TENANT, &key,
                                (ai_char *) "plan pro", 8), AI_DONE);
    assert_int_equal(ai_dir_version(dir), version);

    assert_int_equal(ai_dir_del(dir, AI_DIR_TENANT, &key), AI_OK);
    assert_int_equal(ai_dir_del(dir, AI_DIR_TENANT, &key), AI_DECLINED);
    assert_int_equal(ai_dir_version(dir), version + 1);

    ai_dir_stat(dir, &st);
    assert_int_equal(st.records[AI_DIR_TENANT], 0);
    assert_int_equal(st.records[AI_DIR_PLAN], 2);
    assert_int_equal(st.size, 1 << 20);
    assert_true(st.used < st.size);

    free(dir);
}


static void
lengths_up_to_the_bound(void **state)
{
    size_t     len;
    ai_str_t   key;
    ai_char    text[AI_DIR_KEY_MAX + 1];
    ai_dir_t  *dir;

    (void) state;

    dir = make(1 << 20);

    for (len = 0; len <= AI_DIR_VALUE_MAX; len += len < 500 ? 1 : 97) {
        assert_int_equal(put(dir, AI_DIR_PRICE, 7, (int) len & 127, len),
                         AI_OK);
        assert_int_equal(get(dir, AI_DIR_PRICE, 7, (int) len & 127, len),
                         AI_OK);
    }

    assert_int_equal(put(dir, AI_DIR_PRICE, 7, 1, AI_DIR_VALUE_MAX), AI_OK);
    assert_int_equal(get(dir, AI_DIR_PRICE, 7, 1, AI_DIR_VALUE_MAX), AI_OK);
    model_structure(dir);

    /* longer ones are refused, and are missing */

    ai_dir_set_loaded(dir);
    assert_true(ai_dir_complete(dir));
    assert_int_equal(put(dir, AI_DIR_PRICE, 7, 1, AI_DIR_VALUE_MAX + 1),
                     AI_ERROR);
    assert_int_equal(get(dir, AI_DIR_PRICE, 7, 0, 0), AI_DECLINED);
    assert_false(ai_dir_complete(dir));

    ai_dir_pass_begin(dir, ALL);
    assert_int_equal(ai_dir_pass_sweep(dir, ALL, 10), AI_OK);
    assert_true(ai_dir_complete(dir));

    memset(text, 'k', sizeof(text));
    key.data = text;
    key.len = AI_DIR_KEY_MAX;
    assert_int_equal(ai_dir_put(dir, AI_DIR_KEY, &key, text, 9), AI_OK);
    key.len++;
    assert_int_equal(ai_dir_put(dir, AI_DIR_KEY, &key, text, 9), AI_ERROR);
    assert_false(ai_dir_complete(dir));

    free(dir);
}


/* ---- room ---- */

static void
without_room_it_is_incomplete_until_a_pass_fits(void **state)
{
    int             rc;
    unsigned        i, n;
    ai_dir_t       *dir;
    ai_dir_stat_t   st;

    (void) state;

    dir = make(1 << 16);

    for (n = 0; put(dir, AI_DIR_TENANT, n, 'a', 300) == AI_OK; n++) {
        /* void */
    }

    assert_true(n > 100);
    ai_dir_set_loaded(dir);
    assert_false(ai_dir_complete(dir));

    ai_dir_stat(dir, &st);
    assert_int_equal(st.refused, 1);
    assert_true(st.size - st.used < 512);

    /* nothing was given up for it, and what is there can still change */

    for (i = 0; i < n; i++) {
        assert_int_equal(get(dir, AI_DIR_TENANT, i, 'a', 300), AI_OK);
        assert_int_equal(put(dir, AI_DIR_TENANT, i, 'b', 310), AI_OK);
        assert_int_equal(get(dir, AI_DIR_TENANT, i, 'b', 310), AI_OK);
    }

    assert_false(ai_dir_complete(dir));

    /* one that grows beyond the room is gone rather than old */

    assert_int_equal(put(dir, AI_DIR_TENANT, 3, 'c', 3000), AI_ERROR);
    assert_int_equal(get(dir, AI_DIR_TENANT, 3, 0, 0), AI_DECLINED);
    model_structure(dir);

    /* a pass that again finds none changes nothing about it */

    ai_dir_pass_begin(dir, ALL);

    for (i = 0; i < n + 10; i++) {
        (void) put(dir, AI_DIR_TENANT, i, 'b', 310);
    }

    assert_int_equal(ai_dir_pass_sweep(dir, ALL, 10), AI_OK);
    assert_false(ai_dir_complete(dir));

    /* one with fewer records does */

    ai_dir_pass_begin(dir, ALL);

    for (i = n / 2; i < n; i++) {
        rc = put(dir, AI_DIR_TENANT, i, 'b', 310);
        assert_true(rc == AI_OK || rc == AI_DONE);
    }

    for (i = 0; (rc = ai_dir_pass_sweep(dir, ALL, 7)) == AI_AGAIN; i++) {
        assert_false(ai_dir_complete(dir));
    }

    assert_int_equal(rc, AI_OK);
    assert_true(i >= n / 2 / 7 - 1);
    assert_true(ai_dir_complete(dir));

    for (i = 0; i < n; i++) {
        assert_int_equal(get(dir, AI_DIR_TENANT, i, 'b', 310),
                         i < n / 2 ? AI_DECLINED : AI_OK);
    }

    model_structure(dir);
    free(dir);
}


/* two loads at once, of different kinds */

static void
passes_are_by_kind(void **state)
{
    unsigned   i;
    ai_dir_t  *dir;

    (void) state;

    dir = make(1 << 20);

    for (i = 0; i < 100; i++) {
        assert_int_equal(put(dir, AI_DIR_TENANT, i, 't', 50), AI_OK);
        assert_int_equal(put(dir, AI_DIR_SPEND, i, 's', 96), AI_OK);
    }

    ai_dir_pass_begin(dir, 1u << AI_DIR_TENANT);

    for (i = 0; i < 50; i++) {
        assert_int_equal(put(dir, AI_DIR_TENANT, i, 't', 50), AI_DONE);
    }

    ai_dir_pass_begin(dir, 1u << AI_DIR_SPEND);
    assert_int_equal(put(dir, AI_DIR_SPEND, 99, 's', 96), AI_DONE);

    for (i = 50; i < 100; i++) {
        if (i != 77) {
            assert_int_equal(put(dir, AI_DIR_TENANT, i, 't', 50), AI_DONE);
        }
    }

    assert_int_equal(ai_dir_pass_sweep(dir, 1u << AI_DIR_TENANT, 1000), AI_OK);
    assert_int_equal(ai_dir_pass_sweep(dir, 1u << AI_DIR_SPEND, 1000), AI_OK);

    for (i = 0; i < 100; i++) {
        assert_int_equal(get(dir, AI_DIR_TENANT, i, 't', 50),
                         i == 77 ? AI_DECLINED : AI_OK);
        assert_int_equal(get(dir, AI_DIR_SPEND, i, 's', 96),
                         i == 99 ? AI_OK : AI_DECLINED);
    }

    free(dir);
}


static void
holds_a_hundred_thousand_tenants(void **state)
{
    unsigned        i;
    uint32_t        longest, n, ref;
    ai_dir_t       *dir;
    ai_dir_stat_t   st;

    (void) state;

    dir = make(64 << 20);

    /* a tenant with three limits and labels, a key with one limit */

    for (i = 0; i < 100000; i++) {
        assert_int_equal(put(dir, AI_DIR_TENANT, i, 't', 160), AI_OK);
        assert_int_equal(put(dir, AI_DIR_KEY, i, 'k', 110), AI_OK);
    }

    for (i = 0; i < 100000; i += 11) {
        assert_int_equal(get(dir, AI_DIR_TENANT, i, 't', 160), AI_OK);
        assert_int_equal(get(dir, AI_DIR_KEY, i, 'k', 110), AI_OK);
    }

    for (i = 0, longest = 0; i <= dir->mask; i++) {
        for (n = 0, ref = *ai_dir_head(dir, i); ref; n++) {
            ref = ai_dir_cell(dir, ref)->link;
        }

        longest = n > longest ? n : longest;
    }

    assert_true(longest < 12);

    ai_dir_stat(dir, &st);
    assert_true(st.used <= 64 << 20);
    print_message("          %u MB of 64, longest chain %u\n",
                  (unsigned) (st.used >> 20), longest);

    free(dir);
}


/* ---- histories ---- */

static void
histories_equal_the_model(void **state)
{
    unsigned       i, k, crashes, full, tight;
    uint8_t        bytes[600];
    uint32_t       seed;
    model_t        m;
    model_input_t  in;

    (void) state;

    seed = 1;
    crashes = 0;
    full = 0;
    tight = 0;

    for (i = 0; i < 150; i++) {

        for (k = 0; k < sizeof(bytes); k++) {
            seed = seed * 1103515245 + 12345;
            bytes[k] = (uint8_t) (seed >> 16);
        }

        in.p = bytes;
        in.end = bytes + sizeof(bytes);

        model_init(&m, &in);
        m.every = i < 20;

        while (in.p < in.end) {
            model_step(&m, &in);
        }

        crashes += m.crashes;
        full += m.full;
        tight += m.tight - m.full;
        model_free(&m);
    }

    assert_true(full > 100);
    assert_true(tight > 20);

    print_message("          %u crashes, %u puts without room, %u in the old "
                  "one's place\n", crashes, full, tight);
}


/* ---- a process that dies at any instruction ---- */

typedef enum {
    CALL_PUT_NEW,
    CALL_PUT_OTHER,
    CALL_PUT_TIGHT,             /* there is room only in the old one's place */
    CALL_PUT_FULL,
    CALL_DEL,
    CALL_SWEEP,
    CALL_MARK,
    CALL_N
} call_t;

static ai_dir_t  *shared;
static size_t     shared_size;


static void
prepare(call_t which)
{
    unsigned  i;

    assert_int_equal(ai_dir_init(shared, shared_size), AI_OK);
    shared->mask = 1;

    for (i = 0; i < 8; i++) {
        (void) put(shared, AI_DIR_TENANT, i, 'a', 300);
    }

    ai_dir_set_loaded(shared);

    if (which == CALL_PUT_TIGHT || which == CALL_PUT_FULL) {
        shared->max = shared->used + 1;
    }

    if (which == CALL_SWEEP) {
        ai_dir_pass_begin(shared, ALL);

        for (i = 1; i < 8; i++) {
            (void) put(shared, AI_DIR_TENANT, i, 'a', 300);
        }
    }
}


static void
call(call_t which)
{
    ai_str_t  mark = ai_string("0123456789012345678901234567890123456789");

    switch (which) {

    case CALL_PUT_NEW:
        (void) put(shared, AI_DIR_TENANT, 8, 'b', 400);
        break;

    case CALL_PUT_OTHER:
    case CALL_PUT_TIGHT:
        (void) put(shared, AI_DIR_TENANT, 3, 'b', 400);
        break;

    case CALL_PUT_FULL:
        (void) put(shared, AI_DIR_TENANT, 3, 'b', 4000);
        break;

    case CALL_DEL:
        (void) ai_dir_del(shared, AI_DIR_TENANT,
                          &(ai_str_t) { 8, (ai_char *) "tenant-3" });
        break;

    case CALL_SWEEP:
        (void) ai_dir_pass_sweep(shared, ALL, 5);
        break;

    default:
        ai_dir_set_mark(shared, AI_DIR_MARK_FEED, &mark);
    }
}


/* which record is in question, and its old and new length */

static unsigned
verdict(call_t which, ai_dir_t *dir)
{
    size_t    n;
    char      text[32];
    ai_str_t  key;
    unsigned  i;
    ai_char   value[4096];

    for (i = 0; i < 8; i++) {
        if (i != 3 && (i || which != CALL_SWEEP)) {
            assert_int_equal(get(dir, AI_DIR_TENANT, i, 'a', 300), AI_OK);
        }
    }

    if (which == CALL_MARK) {
        n = ai_dir_mark(dir, AI_DIR_MARK_FEED).len;
        assert_true(n == 0 || n == 40);
        return n == 40;
    }

    key = name("tenant-%u", which == CALL_PUT_NEW ? 8
                            : which == CALL_SWEEP ? 0 : 3, text);

    if (ai_dir_get(dir, AI_DIR_TENANT, &key, value, sizeof(value), &n)
        != AI_OK)
    {
        /* not there yet, or gone */

        if (which == CALL_PUT_TIGHT || which == CALL_PUT_FULL) {
            assert_false(ai_dir_complete(dir));
            return 2;
        }

        assert_true(ai_dir_complete(dir));
        assert_int_not_equal(which, CALL_PUT_OTHER);
        return which != CALL_PUT_NEW;
    }

    assert_true(ai_dir_complete(dir));
    assert_true((n == 300 && value[299] == 'a')
                || (n == 400 && value[0] == 'b' && value[399] == 'b'));

    return n == 400;
}


static void
step_through(call_t which)
{
    int        status;
    pid_t      pid;
    unsigned   v, last, count[3];
    ai_dir_t  *image;

    prepare(which);
    image = aligned_alloc(64, shared_size);
    memset(count, 0, sizeof(count));
    last = 0;

    pid = fork();

    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        call(which);
        raise(SIGSTOP);
        _exit(0);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);

    if (!WIFSTOPPED(status)) {
        skip();                         /* nobody may trace here */
    }

    for ( ;; ) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSTOPPED(status));

        if (WSTOPSIG(status) != SIGTRAP) {
            break;
        }

        memcpy(image, shared, shared_size);
        (void) ai_dir_recover(image);

        if (memcmp(image, shared, shared_size) == 0 && count[last] > 5
            && shared->undo == 0)
        {
            /* most instructions change nothing there: look now and then */

            if (++count[last] % 16) {
                continue;
            }
        }

        v = verdict(which, image);
        model_structure(image);
        count[v]++;

        assert_true(v == last || v == 1 || (v == 2 && last == 0));
        last = v;
    }

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);

    assert_true(count[0] > 50);
    assert_true(count[which == CALL_PUT_FULL ? 2 : 1] > 0);
    assert_int_equal(count[2] > 0,
                     which == CALL_PUT_TIGHT || which == CALL_PUT_FULL);
    assert_int_equal(last, which == CALL_PUT_FULL ? 2 : 1);

    print_message("          %u old, %u gone, %u new\n", count[0], count[2],
                  count[1]);

    free(image);
}


static void
killed_at_any_instruction(void **state)
{
    call_t  which;

    (void) state;

    shared_size = (ai_dir_min_size() + 4095) / 4096 * 4096;
    shared = mmap(NULL, shared_size, PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);

    for (which = 0; which < CALL_N; which++) {
        step_through(which);
    }

    munmap(shared, shared_size);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(layout_is_checked),
        cmocka_unit_test(records_are_found_by_kind_and_key),
        cmocka_unit_test(lengths_up_to_the_bound),
        cmocka_unit_test(without_room_it_is_incomplete_until_a_pass_fits),
        cmocka_unit_test(passes_are_by_kind),
        cmocka_unit_test(holds_a_hundred_thousand_tenants),
        cmocka_unit_test(histories_equal_the_model),
        cmocka_unit_test(killed_at_any_instruction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
