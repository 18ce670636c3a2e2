
/*
 * The ledger under everything that may happen to it: kills at any instruction,
 * torn lines, full disks, rotation, damage, removal, and starts after all that.
 *
 * test_ledger [KILLS]     the tests, in TAP
 * test_ledger figures     rows a second, and what a start costs
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include "fixture.h"
#include "../../src/event/ngx_ai_sink.h"
#include "../../src/event/ngx_ai_sums.h"
#include "../../src/core/ai_key.h"


#define TEST_WORKERS  3
#define TEST_OPEN     24
#define TEST_JOURNAL  4000000


/* what a worker says of its requests before and after each step */

typedef struct {
    uint8_t           stage;    /* 0 none, 1 before intent, 2 after, 3 ended */
    uint8_t           state;    /* asked of ai_slot_end() */
    uint16_t          output;
    uint16_t          rows;     /* found */
} test_entry_t;

typedef struct {
    ngx_atomic_t      next;
    test_entry_t      entries[TEST_JOURNAL];
} test_journal_t;


static test_journal_t        *journal;


static const ai_limit_t  test_limits[2] = {
    { AI_RES_CONCURRENCY, AI_PERIOD_NONE, 100000, 1 },
    { AI_RES_TOKENS, AI_PERIOD_DAY, AI_LIMIT_MAX, 1 }
};


static ngx_uint_t
parties(void *data, const ai_str_t *tenant, const ai_str_t *key,
    ngx_ai_parties_t *p)
{
    (void) data;
    (void) key;

    ai_owner_id(&p->party[0].id, tenant, NULL);
    p->party[0].limits = test_limits;
    p->party[0].nlimits = 2;

    return 1;
}


/* ---- the directory ---- */

static void
begin(size_t segment, size_t rotate)
{
    begin_in("ledger", segment, rotate, 0);
}


/* ---- rows ---- */

typedef struct {
    ngx_uint_t        rows;
    ngx_uint_t        bad;      /* not a row, or of nobody */
    ngx_uint_t        requests;
    ngx_uint_t        tokens;
    ngx_uint_t        orphans;
} test_rows_t;


static const char *
field(const char *line, const char *name)
{
    const char  *p;

    p = strstr(line, name);

    return p ? p + strlen(name) : "";
}


static void
read_file(const char *path, void *data)
{
    FILE         *f;
    char         *line;
    size_t        size;
    ssize_t       n;
    uint64_t      number;
    ai_row_t      row;
    test_rows_t  *t = data;
    u_char        scratch[2 * AI_SLOT_TEXT];

    f = fopen(path, "r");
    line = NULL;
    size = 0;

    while (f && (n = getline(&line, &size, f)) > 0) {
        t->rows++;

        if (line[n - 1] != '\n'
            || ai_row_parse(&row, (u_char *) line, (size_t) n - 1, scratch,
                            sizeof(scratch)) != AI_OK)
        {
            t->bad++;
            continue;
        }

        line[n - 1] = '\0';
        t->requests += (ngx_uint_t) row.used[AI_RES_REQUESTS];
        t->tokens += (ngx_uint_t) row.used[AI_RES_TOKENS];
        t->orphans += strncmp(field(line, "\"state\":\""), "interrupted", 11)
                      == 0;

        memcpy(&number, row.id + 8, 8);

        if (number >= TEST_JOURNAL) {
            t->bad++;
            continue;
        }

        if (journal) {
            journal->entries[number].rows++;

            if (journal->entries[number].stage == 3
                && row.used[AI_RES_OUTPUT_TOKENS]
                   != journal->entries[number].output)
            {
                t->bad++;
            }
        }
    }

    free(line);

    if (f) {
        fclose(f);
    }
}


static test_rows_t
read_rows(void)
{
    test_rows_t  t;

    memset(&t, 0, sizeof(t));
    each_file(".jsonl", read_file, &t);

    return t;
}


static void
wait_rows(ngx_uint_t rows)
{
    ngx_uint_t       i;
    test_rows_t      t;
    test_journal_t  *j;

    j = journal;
    journal = NULL;

    for (i = 0; i < 300; i++) {
        t = read_rows();

        if (t.rows >= rows) {
            break;
        }

        usleep(20000);
    }

    journal = j;
}


/* ---- requests ---- */

static void
fill(ai_slot_t *s, uint64_t number)
{
    ai_char          id[16];
    struct timespec  ts;

    memset(id, 0x11, sizeof(id));
    memcpy(id + 8, &number, 8);
    clock_gettime(CLOCK_REALTIME, &ts);

    ai_slot_begin(s, id, (uint64_t) ts.tv_sec * 1000, AI_DIALECT_OPENAI,
                  AI_EP_CHAT);
    set(s, AI_SLOT_TENANT, "acme");
    set(s, AI_SLOT_KEY, "prod");
    set(s, AI_SLOT_PLAN, "pro");
    set(s, AI_SLOT_LABELS, "{\"team\":\"search\"}");
    set(s, AI_SLOT_MODEL, "gpt-4.1");
}


static void
deliver(ai_slot_t *s, uint64_t output)
{
    ai_run_t  run;

    memset(&run, 0, sizeof(run));
    run.input_tokens = 10;
    run.output_tokens = output;
    run.classes[AI_CLASS_INPUT] = 10;
    run.classes[AI_CLASS_OUTPUT] = output;
    run.cost_nanos = (int64_t) (1000 + output);
    run.source = AI_SOURCE_FINAL;

    ai_slot_run(s, &run);
}


static void
started(ai_slot_t *s)
{
    s->nattempts = 1;
    set(s, AI_SLOT_ATTEMPT_PROVIDER, "openai");
    set(s, AI_SLOT_ATTEMPT_PROVIDER + 1, "gpt-4.1");
    ai_slot_started(s);
}


static void
row(ngx_ai_ledger_t *ld, uint64_t number)
{
    uint32_t    segment, slot;
    ai_slot_t  *s;

    s = ngx_ai_ledger_take(ld, &segment, &slot);

    while (s == NULL) {
        usleep(1000);
        test_tick();
        s = ngx_ai_ledger_take(ld, &segment, &slot);
    }

    fill(s, number);
    ai_slot_intent(s);
    started(s);
    deliver(s, 5);
    set(s, AI_SLOT_SERVED, "gpt-4.1-2025-04-14");
    set(s, AI_SLOT_FINISH, "stop");
    ai_slot_end(s, AI_SLOT_FINAL);
    ngx_ai_ledger_ended(ld, s);
}


static ai_hold_ask_t
ask_for(ngx_ai_ledger_t *ld)
{
    ai_str_t              tenant = ai_string("acme");
    ai_hold_ask_t         ask;

    memset(&ask, 0, sizeof(ask));
    ai_owner_id(&ask.party[0].id, &tenant, NULL);
    ask.party[0].limits = test_limits;
    ask.party[0].nlimits = 2;
    ask.nparty = 1;
    ask.bound[AI_RES_REQUESTS] = 1;
    ask.bound[AI_RES_TOKENS] = 1000;
    ask.worker = (uint16_t) ngx_ai_ledger_worker(ld);

    return ask;
}


typedef struct {
    ai_slot_t        *slot;
    ai_ref_t          hold;
    uint64_t          number;
} test_request_t;


static void
request_begin(ngx_ai_ledger_t *ld, ngx_ai_zone_t *zone, test_request_t *rq)
{
    int            rc;
    ai_now_t       now;
    ai_refused_t   why;
    ai_hold_ask_t  ask;

    ask = ask_for(ld);
    rq->slot = ngx_ai_ledger_take(ld, &ask.segment, &ask.slot);

    if (rq->slot == NULL) {
        return;
    }

    ngx_ai_now(&now);
    ngx_ai_zone_lock(zone);
    rc = ai_book_take(zone->book, &ask, &now, &rq->hold, &why);
    ngx_ai_zone_unlock(zone);

    if (rc != AI_OK) {
        ngx_ai_ledger_drop(ld, rq->slot);
        rq->slot = NULL;
        return;
    }

    rq->number = ngx_atomic_fetch_add(&journal->next, 1);

    if (rq->number >= TEST_JOURNAL) {
        _exit(3);
    }

    fill(rq->slot, rq->number);

    journal->entries[rq->number].stage = 1;
    ai_slot_intent(rq->slot);
    journal->entries[rq->number].stage = 2;
}


static void
request_end(ngx_ai_ledger_t *ld, ngx_ai_zone_t *zone, test_request_t *rq)
{
    int64_t        used[AI_RES_COUNTED];
    uint64_t       tokens[2];
    ai_now_t       now;
    test_entry_t  *e;

    e = &journal->entries[rq->number];
    e->output = (uint16_t) (rq->number % 5000);

    deliver(rq->slot, e->output);
    set(rq->slot, AI_SLOT_SERVED, "gpt-4.1-2025-04-14");
    set(rq->slot, AI_SLOT_FINISH, "stop");
    ai_slot_end(rq->slot, AI_SLOT_FINAL);

    e->stage = 3;

    ngx_ai_slot_used(rq->slot, used, tokens);
    ngx_ai_now(&now);
    ngx_ai_zone_lock(zone);
    ai_book_settle(zone->book, rq->hold, used, tokens, &now);
    ngx_ai_zone_unlock(zone);

    ngx_ai_ledger_ended(ld, rq->slot);
    rq->slot = NULL;
}


static void
worker(ngx_ai_zone_t *zone, unsigned seed)
{
    ngx_uint_t        i;
    test_request_t    rq[TEST_OPEN];
    ngx_ai_ledger_t  *ld;

    ld = ngx_ai_ledger_open(cycle, &conf, zone);

    if (ld == NULL) {
        _exit(4);
    }

    memset(rq, 0, sizeof(rq));

    for ( ;; ) {
        seed = seed * 1103515245 + 12345;
        i = (seed >> 16) % TEST_OPEN;
        test_tick();

        if (rq[i].slot == NULL) {
            request_begin(ld, zone, &rq[i]);

        } else if (rq[i].slot->state == AI_SLOT_INTENT) {
            started(rq[i].slot);
            deliver(rq[i].slot, 1);

        } else {
            request_end(ld, zone, &rq[i]);
        }

        if (seed >> 16 & 1) {
            usleep(100);
        }
    }
}


static pid_t
spawn(ngx_ai_zone_t *zone, unsigned seed)
{
    pid_t  pid;

    pid = fork();

    if (pid == 0) {
        worker(zone, seed);
        _exit(0);
    }

    return pid;
}


/* ships all that is left, as a new nginx's worker would */

static void
drain(ngx_ai_zone_t *zone, ngx_uint_t ms)
{
    ngx_ai_ledger_t  *ld;

    ld = ngx_ai_ledger_open(cycle, &conf, zone);
    usleep(ms * 1000);
    ngx_ai_ledger_close(ld);
}


static void
check_journal(test_rows_t *t)
{
    uint64_t    i, n;
    ngx_uint_t  lost, doubled, unknown;

    lost = 0;
    doubled = 0;
    unknown = 0;
    n = ngx_min(journal->next, TEST_JOURNAL);

    for (i = 0; i < TEST_JOURNAL; i++) {
        if (journal->entries[i].rows > 1) {
            doubled++;
        }

        if (journal->entries[i].stage >= 2 && journal->entries[i].rows == 0) {
            lost++;
        }

        if (journal->entries[i].stage == 0 && journal->entries[i].rows) {
            unknown++;
        }
    }

    printf("# %lu requests, %lu rows, %lu orphans, %lu lost, %lu doubled\n",
           (unsigned long) n, (unsigned long) t->rows,
           (unsigned long) t->orphans, (unsigned long) lost,
           (unsigned long) doubled);

    ok(t->bad == 0, "each row is whole and says what was delivered");
    ok(lost == 0, "no row is lost");
    ok(doubled == 0, "no row is doubled");
    ok(unknown == 0, "no row is of nobody");
}


static ai_owner_view_t
view(ngx_ai_zone_t *zone)
{
    ai_now_t         now;
    ai_ref_t         ref;
    ai_str_t         tenant = ai_string("acme");
    ai_owner_id_t    id;
    ai_owner_view_t  v;

    memset(&v, 0, sizeof(v));
    ai_owner_id(&id, &tenant, NULL);
    ngx_ai_now(&now);

    ngx_ai_zone_lock(zone);
    ref = ai_book_owner_find(zone->book, &id);

    if (ref) {
        ai_book_owner_view(zone->book, ref, now.now_s, &v);
    }

    ngx_ai_zone_unlock(zone);

    return v;
}


static void
new_journal(void)
{
    journal = mmap(NULL, sizeof(test_journal_t), PROT_READ|PROT_WRITE,
                   MAP_SHARED|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (journal == MAP_FAILED) {
        exit(2);
    }
}


static void
free_journal(void)
{
    munmap(journal, sizeof(test_journal_t));
    journal = NULL;
}


static void
kills(ngx_uint_t n)
{
    pid_t             pids[TEST_WORKERS];
    ngx_uint_t        i, k;
    test_rows_t       t;
    ngx_ai_zone_t    *zone, *next;
    ai_book_stat_t    st;
    ai_owner_view_t   v;

    begin(128 * 1024, 4 * 1024 * 1024);
    new_journal();
    zone = test_zone(8 * 1024 * 1024, 1);
    ngx_ai_ledger_rebuild(cycle, &conf, zone);
    srandom((unsigned) time(NULL));

    for (k = 0; k < TEST_WORKERS; k++) {
        pids[k] = spawn(zone, (unsigned) random());
    }

    for (i = 0; i < n; i++) {
        usleep((useconds_t) (random() % 20000));
        k = (ngx_uint_t) random() % TEST_WORKERS;
        killed(pids[k]);
        pids[k] = spawn(zone, (unsigned) random());
    }

    usleep(300000);

    for (k = 0; k < TEST_WORKERS; k++) {
        killed(pids[k]);
    }

    drain(zone, 600);

    t = read_rows();
    check_journal(&t);

    ai_book_stat(zone->book, &st);
    v = view(zone);

    ok(st.holds == 0 && v.open == 0 && v.held[AI_RES_TOKENS] == 0,
       "what dead workers held came back");
    ok(v.used_day[AI_RES_TOKENS] == (int64_t) t.tokens,
       "the book has used what the rows say");

    printf("# book %ld, rows %lu\n", (long) v.used_day[AI_RES_TOKENS],
           (unsigned long) t.tokens);

    /* everything is started anew */

    next = test_zone(8 * 1024 * 1024, 2);
    ok(ngx_ai_ledger_rebuild(cycle, &conf, next) == NGX_OK, "rebuild");
    v = view(next);
    ok(v.used_day[AI_RES_TOKENS] == (int64_t) t.tokens
       && v.used_day[AI_RES_REQUESTS] == (int64_t) t.requests,
       "a new book has used what the rows say");

    printf("# rotated %lu, segments %lu\n", (unsigned long) files(".sum"),
           (unsigned long) files(".seg"));
    ok(files(".damaged") == 0 && files(".bin") == 0, "nothing is damaged");

    free_journal();
    end();
}


/* master and workers are killed together, again and again: each start counts
   what no sink has shipped yet, and ships it once */

static void
restarts(ngx_uint_t n)
{
    pid_t             pids[TEST_WORKERS];
    ngx_uint_t        i, k, wrong;
    test_rows_t       t;
    ngx_ai_zone_t    *zone;
    test_journal_t   *j;
    ai_owner_view_t   v;

    begin(128 * 1024, 256 * 1024);
    new_journal();
    wrong = 0;
    zone = NULL;

    for (i = 0; i < n; i++) {
        zone = test_zone(4 * 1024 * 1024, 100 + i);

        if (ngx_ai_ledger_rebuild(cycle, &conf, zone) != NGX_OK) {
            failed++;
        }

        if (i % 4 == 3) {
            drain(zone, 200);

            j = journal;
            journal = NULL;
            t = read_rows();
            journal = j;
            v = view(zone);

            if (v.used_day[AI_RES_TOKENS] != (int64_t) t.tokens) {
                printf("# start %lu: book %ld, rows %lu\n", (unsigned long) i,
                       (long) v.used_day[AI_RES_TOKENS],
                       (unsigned long) t.tokens);
                wrong++;
            }
        }

        for (k = 0; k < TEST_WORKERS; k++) {
            pids[k] = spawn(zone, (unsigned) random());
        }

        usleep((useconds_t) (30000 + random() % 60000));

        for (k = 0; k < TEST_WORKERS; k++) {
            kill(pids[k], SIGKILL);
        }

        for (k = 0; k < TEST_WORKERS; k++) {
            killed(pids[k]);
        }
    }

    drain(zone, 400);
    t = read_rows();
    check_journal(&t);
    ok(wrong == 0, "each start counts what the rows say");

    free_journal();
    end();
}


/* ---- one process at a time ---- */

static int
hold_sink(void)
{
    int   fd;
    char  path[TEST_DIR + 20];

    snprintf(path, sizeof(path), "%s/sink.lock", dir);
    fd = open(path, O_RDWR|O_CREAT, 0600);
    flock(fd, LOCK_EX);

    return fd;
}


static void
torn(void)
{
    int               fd, out;
    char              path[TEST_DIR + 20], line[AI_SLOT_ROW_MAX + 1];
    size_t            cut, len;
    ai_buf_t          b;
    uint32_t          segment, slot;
    ai_slot_t        *s;
    ngx_uint_t        i, bad, round;
    test_rows_t       t;
    ngx_ai_zone_t    *zone;
    ngx_ai_ledger_t  *ld;

    bad = 0;
    test_quiet = 1;

    for (round = 0; round < 40; round++) {
        begin(64 * 1024, 0);
        new_journal();
        zone = test_zone(1024 * 1024, 3);
        fd = hold_sink();
        ld = ngx_ai_ledger_open(cycle, &conf, zone);

        /* a sink was killed in its write of ten rows, some way through */

        snprintf(path, sizeof(path), "%s/usage.jsonl", dir);
        out = open(path, O_WRONLY|O_CREAT|O_APPEND, 0600);
        cut = (size_t) (round * 149);

        for (i = 0; i < 10; i++) {
            s = ngx_ai_ledger_take(ld, &segment, &slot);
            fill(s, i);
            ai_slot_intent(s);
            started(s);
            deliver(s, 7);
            ai_slot_end(s, AI_SLOT_FINAL);
            journal->entries[i].stage = 3;
            journal->entries[i].output = 7;

            ai_buf_init(&b, line, sizeof(line));
            ai_slot_row(&b, s);
            ai_buf_char(&b, '\n');
            len = ngx_min(cut, (size_t) (b.pos - (u_char *) line));
            cut -= len;

            if (write(out, line, len) != (ssize_t) len) {
                bad++;
            }

            ngx_ai_ledger_ended(ld, s);
        }

        close(out);
        close(fd);
        wait_rows(10);
        ngx_ai_ledger_close(ld);

        t = read_rows();

        for (i = 0; i < 10; i++) {
            bad += journal->entries[i].rows != 1;
        }

        bad += t.rows != 10 || t.bad;

        free_journal();
        end();
    }

    test_quiet = 0;
    ok(bad == 0, "a batch that was cut anywhere is completed");
}


static void
full_disk(void)
{
    ngx_uint_t            i;
    uint32_t              segment, slot;
    ai_slot_t            *s;
    test_rows_t           t;
    ngx_ai_zone_t        *zone;
    struct rlimit         old, low;
    ngx_ai_ledger_t      *ld;
    ngx_ai_ledger_stat_t  st;

    begin(64 * 1024, 0);
    new_journal();
    zone = test_zone(1024 * 1024, 4);
    signal(SIGXFSZ, SIG_IGN);

    getrlimit(RLIMIT_FSIZE, &old);
    ld = ngx_ai_ledger_open(cycle, &conf, zone);

    /* usage.jsonl ends in the middle of a row, and no file can be made */

    low = old;
    low.rlim_cur = 5000;
    setrlimit(RLIMIT_FSIZE, &low);

    for (i = 0; i < 29; i++) {
        row(ld, i);
        journal->entries[i].stage = 3;
        journal->entries[i].output = 5;
    }

    usleep(1300000);
    test_tick();

    for ( ;; ) {
        s = ngx_ai_ledger_take(ld, &segment, &slot);

        if (s == NULL) {
            break;
        }

        fill(s, i);
        ai_slot_intent(s);
        ai_slot_end(s, AI_SLOT_FINAL);
        journal->entries[i].stage = 3;
        ngx_ai_ledger_ended(ld, s);
        i++;
    }

    ngx_ai_ledger_stat(ld, &st);
    ok(st.full && i < 60, "admission stops when no slot is left");

    setrlimit(RLIMIT_FSIZE, &old);
    wait_rows(i);
    test_tick();
    s = ngx_ai_ledger_take(ld, &segment, &slot);
    ok(s != NULL, "admission goes on when there is room again");

    ngx_ai_ledger_close(ld);
    t = read_rows();
    ok(t.rows == i, "rows of the full disk are there");
    check_journal(&t);

    free_journal();
    end();
}


static void
full_tmpfs(void)
{
    int               fd;
    char              junk[4096], path[TEST_DIR + 20];
    uint32_t          segment, slot;
    ngx_uint_t        i;
    test_rows_t       t;
    ngx_ai_zone_t    *zone;
    ngx_ai_ledger_t  *ld;

    begin(64 * 1024, 0);

    if (mount("tmpfs", dir, "tmpfs", 0, "size=512k") == -1) {
        ok(1, "a full file system # SKIP no mount here");
        end();
        return;
    }

    new_journal();
    zone = test_zone(1024 * 1024, 5);

    snprintf(path, sizeof(path), "%s/junk", dir);
    memset(junk, 'x', sizeof(junk));
    fd = open(path, O_WRONLY|O_CREAT, 0600);

    while (write(fd, junk, sizeof(junk)) > 0) { /* void */ }

    close(fd);

    ld = ngx_ai_ledger_open(cycle, &conf, zone);
    ok(ld && ngx_ai_ledger_take(ld, &segment, &slot) == NULL,
       "no segment on a full file system");

    truncate(path, 440 * 1024);
    usleep(1100000);
    test_tick();
    ok(ngx_ai_ledger_take(ld, &segment, &slot) != NULL,
       "a segment as soon as there is room");

    /* fill what is left, so that usage.jsonl cannot grow */

    fd = open(path, O_WRONLY|O_APPEND);

    while (write(fd, junk, sizeof(junk)) > 0) { /* void */ }

    close(fd);

    for (i = 0; i < 28; i++) {
        row(ld, i);
        journal->entries[i].stage = 3;
        journal->entries[i].output = 5;
    }

    usleep(300000);
    unlink(path);
    wait_rows(28);
    ngx_ai_ledger_close(ld);

    t = read_rows();
    ok(t.rows == 28, "rows that did not fit come when they do");
    check_journal(&t);

    umount(dir);
    free_journal();
    end();
}


static void
rotation(void)
{
    ngx_uint_t        i;
    test_rows_t       t;
    ngx_ai_zone_t    *zone, *next;
    ngx_ai_ledger_t  *ld;
    ai_owner_view_t   v;

    begin(64 * 1024, 8 * 1024);
    new_journal();
    zone = test_zone(1024 * 1024, 6);
    ld = ngx_ai_ledger_open(cycle, &conf, zone);

    for (i = 0; i < 500; i++) {
        row(ld, i);
        journal->entries[i].stage = 3;
        journal->entries[i].output = 5;

        if (i % 25 == 0) {
            usleep(30000);
        }
    }

    wait_rows(500);
    ngx_ai_ledger_close(ld);

    t = read_rows();
    check_journal(&t);
    ok(files(".jsonl") > 3 && files(".sum") == files(".jsonl") - 1,
       "each rotated file has its sums");

    /* sums speak for files that the operator has moved away */

    each_file("0.jsonl", unlink_file, NULL);
    each_file("5.jsonl", unlink_file, NULL);
    next = test_zone(1024 * 1024, 7);
    ok(ngx_ai_ledger_rebuild(cycle, &conf, next) == NGX_OK, "rebuild");
    v = view(next);
    ok(v.used_month[AI_RES_TOKENS] == 500 * 15
       && v.used_month[AI_RES_COST] == 500 * 1005,
       "sums count as rows do");

    /* without them the rows are read */

    each_file(".sum", unlink_file, NULL);
    next = test_zone(1024 * 1024, 8);
    ngx_ai_ledger_rebuild(cycle, &conf, next);
    v = view(next);
    t = read_rows();
    ok(v.used_month[AI_RES_TOKENS] == (int64_t) t.tokens,
       "a file without sums is read");

    free_journal();
    end();
}


/* sums of two rows of one time, as those of a rotated file */

static void
sums_of(int dirfd, const char *stem, time_t at, int64_t cost)
{
    ai_row_t       r;
    ngx_ai_sums_t  sums;
    ai_str_t       tenant = ai_string("acme"), key = ai_string("prod");

    memset(&r, 0, sizeof(r));
    r.time_ms = (uint64_t) at * 1000;
    r.tenant = tenant;
    r.key = key;
    r.used[AI_RES_COST] = cost;

    ngx_ai_sums_init(&sums, time(NULL), NGX_AI_SUMS_FILE);
    ngx_ai_sums_add(&sums, &r);
    ngx_ai_sums_add(&sums, &r);
    ok(ngx_ai_sums_write(&sums, dirfd, stem) == NGX_OK, "sums");
    ngx_ai_sums_free(&sums);
}


static ai_owner_view_t
rebuilt(ngx_int_t expected)
{
    ngx_ai_zone_t      *zone;
    static ngx_uint_t   number = 100;

    zone = test_zone(1024 * 1024, (u_char) number++);
    ok(ngx_ai_ledger_rebuild(cycle, &conf, zone) == expected, "rebuild");

    return view(zone);
}


/* files that are gone count for ever, and those of a kill not twice */

static void
folding(void)
{
    int               fd;
    ngx_uint_t        i;
    ngx_ai_report_t   report;
    ai_owner_view_t   v;
    const char       *old = "usage-20200102T000000Z-000001";
    const char       *new = "usage-20990101T000000Z-000001";

    begin(64 * 1024, 8 * 1024);
    ngx_ai_report_init(&report);
    fd = open(dir, O_RDONLY|O_DIRECTORY);

    sums_of(fd, old, 1577836800, AI_LIMIT_MAX);
    v = rebuilt(NGX_OK);
    ok(v.cost == 2 * AI_LIMIT_MAX && v.used_month[AI_RES_COST] == 0,
       "what was spent long ago");

    /* twice, and killed before the file was removed */

    for (i = 0; i < 2; i++) {
        ok(ngx_ai_sums_fold(fd, old, time(NULL), &report) == NGX_OK, "fold");
        sums_of(fd, old, 1577836800, AI_LIMIT_MAX);
    }

    v = rebuilt(NGX_OK);
    ok(v.cost == 2 * AI_LIMIT_MAX, "counted once");
    ok(files("-000001.sum") == 0, "what a kill has left is removed");

    sums_of(fd, new, time(NULL), 7);
    ok(ngx_ai_sums_fold(fd, new, time(NULL), &report) == NGX_OK, "fold");
    v = rebuilt(NGX_OK);
    ok(v.cost == 2 * AI_LIMIT_MAX + 14, "both files");
    ok(v.used_month[AI_RES_COST] == 14 && v.used_day[AI_RES_COST] == 14,
       "each in its windows");

    ok(ngx_ai_sums_fold(fd, "usage-none", time(NULL), &report) == NGX_OK,
       "a file that is gone");
    v = rebuilt(NGX_OK);
    ok(v.cost == 2 * AI_LIMIT_MAX + 14, "is nothing");

    i = (ngx_uint_t) openat(fd, "shipped.sum", O_WRONLY|O_APPEND);
    ok(write((int) i, "x", 1) == 1, "damage");
    close((int) i);
    ok(ngx_ai_sums_fold(fd, new, time(NULL), &report) == NGX_ERROR,
       "nothing is folded into a damaged file");
    (void) rebuilt(NGX_ERROR);

    close(fd);
    end();
}


static void
spoil(const char *path, void *data)
{
    int     fd;
    off_t  *at = data;
    char    c;

    fd = open(path, O_RDWR);

    if (pread(fd, &c, 1, *at) == 1) {
        c ^= 0x40;

        if (pwrite(fd, &c, 1, *at) != 1) {
            failed++;
        }
    }

    close(fd);
}


static void
damage(void)
{
    int               fd;
    off_t             at;
    char              path[TEST_DIR + 20];
    uint32_t          segment, slot;
    ai_slot_t        *s;
    ngx_uint_t        i;
    struct stat       sb;
    test_rows_t       t;
    ngx_ai_zone_t    *zone;
    ngx_ai_ledger_t  *ld;

    begin(64 * 1024, 0);
    new_journal();
    zone = test_zone(1024 * 1024, 9);
    fd = hold_sink();
    ld = ngx_ai_ledger_open(cycle, &conf, zone);

    for (i = 0; i < 10; i++) {
        s = ngx_ai_ledger_take(ld, &segment, &slot);
        fill(s, i);
        ai_slot_intent(s);
        started(s);
        deliver(s, 5);
        ai_slot_end(s, AI_SLOT_FINAL);

        if (i == 4) {
            s->text[2] ^= 1;
        }

        ngx_ai_ledger_ended(ld, s);
    }

    close(fd);
    wait_rows(9);
    usleep(100000);
    ngx_ai_ledger_close(ld);

    t = read_rows();
    snprintf(path, sizeof(path), "%s/damaged.bin", dir);
    ok(t.rows == 9 && stat(path, &sb) == 0 && sb.st_size == AI_SLOT_SIZE,
       "a damaged slot is set aside, the others are shipped");

    /* the segment was left by its worker; its header is hit */

    at = 9;
    each_file(".seg", spoil, &at);
    ok(ngx_ai_ledger_rebuild(cycle, &conf, zone) == NGX_OK
       && files(".damaged") == 1 && files(".seg") == 0,
       "a segment with a damaged header is set aside");

    free_journal();
    end();
}


static void
removal(void)
{
    uint32_t          segment, slot;
    ngx_uint_t        i;
    ai_slot_t        *s;
    test_rows_t       t;
    ngx_ai_zone_t    *zone;
    ngx_ai_ledger_t  *ld;

    begin(64 * 1024, 0);
    zone = test_zone(1024 * 1024, 10);
    ld = ngx_ai_ledger_open(cycle, &conf, zone);
    row(ld, 1);
    wait_rows(1);
    end();

    for (i = 0; i < 300; i++) {
        usleep(10000);
        test_tick();
        s = ngx_ai_ledger_take(ld, &segment, &slot);

        if (s == NULL) {
            break;
        }

        ngx_ai_ledger_drop(ld, s);
    }

    ok(i < 300, "admission stops when the directory is removed");

    mkdir(dir, 0700);
    usleep(2200000);
    test_tick();
    s = ngx_ai_ledger_take(ld, &segment, &slot);
    ok(s != NULL, "admission goes on in a new directory");

    if (s) {
        ngx_ai_ledger_drop(ld, s);
        row(ld, 2);
        wait_rows(1);
        t = read_rows();
        ok(t.rows == 1, "rows go to the new directory");
    }

    ngx_ai_ledger_close(ld);
    end();
}


/* a worker of another book goes on while a new one ships its rows */

static void
other_book(void)
{
    ngx_uint_t        i;
    test_rows_t       t;
    ngx_ai_zone_t    *zone, *next;
    ngx_ai_ledger_t  *old, *ld;
    ai_owner_view_t   v;

    begin(64 * 1024, 0);
    zone = test_zone(1024 * 1024, 11);
    old = ngx_ai_ledger_open(cycle, &conf, zone);

    for (i = 0; i < 5; i++) {
        row(old, i);
    }

    wait_rows(5);

    next = test_zone(1024 * 1024, 12);
    ok(ngx_ai_ledger_rebuild(cycle, &conf, next) == NGX_OK,
       "a running sink gives way to a start");
    ld = ngx_ai_ledger_open(cycle, &conf, next);

    for (i = 5; i < 10; i++) {
        row(old, i);
    }

    wait_rows(10);
    usleep(100000);
    t = read_rows();
    v = view(next);

    ok(t.rows == 10 && v.used_day[AI_RES_REQUESTS] == 10,
       "rows of another book's worker are counted when they are shipped");

    ngx_ai_ledger_close(old);
    ngx_ai_ledger_close(ld);
    end();
}


/* the time from the death to the return of what was held */

static void
reaping(void)
{
    pid_t            pid;
    uint64_t         from, ms;
    ngx_ai_zone_t   *zone;
    ngx_ai_ledger_t *ld;

    begin(128 * 1024, 0);
    new_journal();
    zone = test_zone(1024 * 1024, 13);
    ld = ngx_ai_ledger_open(cycle, &conf, zone);
    pid = spawn(zone, 1);
    usleep(300000);

    killed(pid);
    from = ngx_ai_sink_mono();

    while (view(zone).open && ngx_ai_sink_mono() - from < 5000) {
        usleep(1000);
    }

    ms = ngx_ai_sink_mono() - from;
    printf("# holds came back after %lu ms\n", (unsigned long) ms);
    ok(ms < 400, "holds of a dead worker come back at once");

    ngx_ai_ledger_close(ld);
    free_journal();
    end();
}


static void
figures(void)
{
    ngx_uint_t        i, n, rounds;
    uint64_t          from, ms;
    ai_buf_t          b;
    struct stat       sb;
    ai_slot_t         s;
    ngx_ai_zone_t    *zone;
    struct timespec   a, z;
    ngx_ai_ledger_t  *ld;
    u_char            line[AI_SLOT_ROW_MAX];
    char              path[TEST_DIR + 20];

    memset(&s, 0, sizeof(s));
    fill(&s, 1);
    ai_slot_intent(&s);
    started(&s);
    deliver(&s, 100);
    ai_slot_end(&s, AI_SLOT_FINAL);
    rounds = 200000;

    clock_gettime(CLOCK_MONOTONIC, &a);

    for (i = 0; i < rounds; i++) {
        ai_buf_init(&b, line, sizeof(line));
        ai_slot_row(&b, &s);
    }

    clock_gettime(CLOCK_MONOTONIC, &z);
    printf("row: %lu ns, %lu bytes\n",
           (unsigned long) (((z.tv_sec - a.tv_sec) * 1000000000L
                             + z.tv_nsec - a.tv_nsec) / (long) rounds),
           (unsigned long) (b.pos - line));

    clock_gettime(CLOCK_MONOTONIC, &a);

    for (i = 0; i < rounds; i++) {
        ai_slot_end(&s, AI_SLOT_FINAL);
        n = ai_slot_check(&s) == AI_OK;
        failed += !n;
    }

    clock_gettime(CLOCK_MONOTONIC, &z);
    printf("end and check: %lu ns\n",
           (unsigned long) (((z.tv_sec - a.tv_sec) * 1000000000L
                             + z.tv_nsec - a.tv_nsec) / (long) rounds));

    begin(64 * 1024 * 1024, 0);
    zone = test_zone(1024 * 1024, 14);
    ld = ngx_ai_ledger_open(cycle, &conf, zone);
    n = 130000;
    from = ngx_ai_sink_mono();

    for (i = 0; i < n; i++) {
        row(ld, i);
    }

    ms = ngx_ai_sink_mono() - from;
    printf("requests: %lu ns each, main thread with the sink beside it\n",
           (unsigned long) (ms * 1000000 / n));

    snprintf(path, sizeof(path), "%s/usage.jsonl", dir);
    wait_rows(n);
    ms = ngx_ai_sink_mono() - from;
    stat(path, &sb);
    printf("shipped: %lu rows in %lu ms, %lu rows/s\n", (unsigned long) n,
           (unsigned long) ms, (unsigned long) (n * 1000 / ms));
    ngx_ai_ledger_close(ld);

    zone = test_zone(1024 * 1024, 15);
    from = ngx_ai_sink_mono();
    ngx_ai_ledger_rebuild(cycle, &conf, zone);
    ms = ngx_ai_sink_mono() - from;
    printf("rebuild: %lu MB in %lu ms, %lu MB/s\n",
           (unsigned long) (sb.st_size >> 20), (unsigned long) ms,
           (unsigned long) (sb.st_size / 1000 / (off_t) (ms ? ms : 1)));

    end();
}


int
main(int argc, char **argv)
{
    cycle = test_nginx();

    if (argc > 1 && strcmp(argv[1], "figures") == 0) {
        figures();
        return failed ? 1 : 0;
    }

    torn();
    full_disk();
    full_tmpfs();
    rotation();
    folding();
    damage();
    removal();
    other_book();
    reaping();
    restarts(40);
    kills(argc > 1 ? (ngx_uint_t) atoi(argv[1]) : 100);

    printf("1..%lu\n", (unsigned long) tests);

    return failed ? 1 : 0;
}
