
/*
 * Rows to a database, by a stand-in for it that keeps a set of ids: kills at
 * any instruction, answers that are lost, starts anew, and what may happen to
 * the files.
 *
 * test_spool [KILLS]      in TAP
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/mount.h>
#include "fixture.h"
#include "../../src/event/ngx_ai_sink.h"
#include "../../src/event/ngx_ai_sums.h"
#include "../../src/core/ai_key.h"


#define TEST_WORKERS  3
#define TEST_ROWS     2000000


/* a row: what its worker did, and what the database has */

typedef struct {
    ngx_atomic_t      seen;     /* in the database */
    uint32_t          crc;      /* of its line there */
    uint32_t          tokens;
    uint8_t           begun;    /* its intent was written */
    uint8_t           filed;    /* is in a file */
} test_row_t;

typedef struct {
    ngx_atomic_t      next;
    ngx_atomic_t      inserted;
    ngx_atomic_t      duplicates;
    ngx_atomic_t      quarantined;
    ngx_atomic_t      other;    /* one id, two lines */
    ngx_atomic_t      batches;
    test_row_t        rows[TEST_ROWS];
} test_database_t;


static test_database_t       *db;

static const ai_limit_t  limits[1] = {
    { AI_RES_TOKENS, AI_PERIOD_DAY, AI_LIMIT_MAX, 1 }
};


static ngx_uint_t
parties(void *data, const ai_str_t *tenant, const ai_str_t *key,
    ngx_ai_parties_t *p)
{
    (void) data;
    (void) key;

    ai_owner_id(&p->party[0].id, tenant, NULL);
    p->party[0].limits = limits;
    p->party[0].nlimits = 1;

    return 1;
}


/* ---- the directory ---- */

static void
add_size(const char *path, void *data)
{
    struct stat  sb;

    if (stat(path, &sb) == 0) {
        *(off_t *) data += sb.st_size;
    }
}


static off_t
size(const char *end)
{
    off_t  n;

    n = 0;
    each_file(end, add_size, &n);

    return n;
}


static char *
path_of(const char *name)
{
    static char  path[TEST_DIR + 80];

    snprintf(path, sizeof(path), "%s/%s", dir, name);

    return path;
}


static void
begin(size_t segment, size_t rotate)
{
    begin_in("spool", segment, rotate, 1);

    db = mmap(NULL, sizeof(test_database_t), PROT_READ|PROT_WRITE,
              MAP_SHARED|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (db == MAP_FAILED) {
        exit(2);
    }
}


static void
end_all(void)
{
    end();
    munmap(db, sizeof(test_database_t));
}


/* ---- the database ---- */

static void
insert(const char *line, size_t len)
{
    uint32_t     crc;
    uint64_t     number;
    ai_row_t     row;
    test_row_t  *r;
    u_char       scratch[2 * AI_SLOT_TEXT];

    if (ai_row_parse(&row, (u_char *) line, len, scratch, sizeof(scratch))
        != AI_OK)
    {
        ngx_atomic_fetch_add(&db->quarantined, 1);
        return;
    }

    memcpy(&number, row.id + 8, 8);

    if (number >= TEST_ROWS) {
        ngx_atomic_fetch_add(&db->quarantined, 1);
        return;
    }

    r = &db->rows[number];
    crc = ai_crc32(0, line, len);

    if (r->crc && r->crc != crc) {
        ngx_atomic_fetch_add(&db->other, 1);
    }

    r->crc = crc;
    r->tokens = (uint32_t) row.used[AI_RES_TOKENS];

    if (ngx_atomic_cmp_set(&r->seen, 0, 1)) {
        ngx_atomic_fetch_add(&db->inserted, 1);

    } else {
        ngx_atomic_fetch_add(&db->duplicates, 1);
    }
}


/* the lines of a batch, as they are: no half of one, no empty batch */

static void
commit(ngx_ai_batch_t *b)
{
    u_char  *p, *nl, *last;

    last = b->data + b->len;

    if (b->len == 0 || last[-1] != '\n') {
        ngx_atomic_fetch_add(&db->other, 1);
    }

    for (p = b->data; p < last; p = nl + 1) {
        nl = memchr(p, '\n', (size_t) (last - p));

        if (nl == NULL) {
            break;
        }

        insert((char *) p, (size_t) (nl - p));
    }

    ngx_atomic_fetch_add(&db->batches, 1);
}


/* what the main thread does; one in four answers of "luck" is lost */

static ngx_uint_t
ship(ngx_ai_ledger_t *ld, ngx_uint_t luck)
{
    ngx_ai_batch_t  *b;

    b = ngx_ai_spool_take(ngx_ai_ledger_spool(ld));

    if (b == NULL) {
        return 0;
    }

    if (luck % 4 == 3) {
        usleep(luck % 3000);
        commit(b);
        usleep(luck % 5000);
    }

    commit(b);
    ngx_ai_spool_done(b);
    ngx_ai_ledger_wake(ld);

    return 1;
}


/* until nothing is left, or "ms" have passed */

static void
ship_all(ngx_ai_ledger_t *ld, ngx_uint_t ms)
{
    uint64_t              until;
    ngx_ai_ledger_stat_t  st;

    until = ngx_ai_sink_mono() + ms;

    while (ngx_ai_sink_mono() < until) {

        if (ship(ld, 0)) {
            continue;
        }

        usleep(2000);
        ngx_ai_ledger_stat(ld, &st);

        if (st.sink && st.behind == 0 && size(".jsonl") == 0) {
            return;
        }
    }
}


/* until the database has so many */

static void
ship_until(ngx_ai_ledger_t *ld, ngx_uint_t n)
{
    uint64_t  until;

    until = ngx_ai_sink_mono() + 10000;

    while (db->inserted < n && ngx_ai_sink_mono() < until) {
        if (!ship(ld, 0)) {
            usleep(1000);
        }
    }
}


/* ---- requests ---- */

static ai_slot_t *
request(ngx_ai_ledger_t *ld)
{
    ai_char          id[16];
    uint32_t         segment, slot;
    uint64_t         number;
    ai_slot_t       *s;
    struct timespec  ts;

    s = ngx_ai_ledger_take(ld, &segment, &slot);

    if (s == NULL) {
        return NULL;
    }

    number = ngx_atomic_fetch_add(&db->next, 1);

    if (number >= TEST_ROWS) {
        _exit(3);
    }

    memset(id, 0x11, sizeof(id));
    memcpy(id + 8, &number, 8);
    clock_gettime(CLOCK_REALTIME, &ts);

    ai_slot_begin(s, id, (uint64_t) ts.tv_sec * 1000, AI_DIALECT_OPENAI,
                  AI_EP_CHAT);
    set(s, AI_SLOT_TENANT, "acme");
    set(s, AI_SLOT_KEY, "prod");
    set(s, AI_SLOT_PLAN, "pro");
    set(s, AI_SLOT_MODEL, "gpt-4.1");
    ai_slot_intent(s);

    db->rows[number].begun = 1;

    s->nattempts = 1;
    set(s, AI_SLOT_ATTEMPT_PROVIDER, "openai");
    set(s, AI_SLOT_ATTEMPT_PROVIDER + 1, "gpt-4.1");
    ai_slot_started(s);

    return s;
}


static void
finish(ngx_ai_ledger_t *ld, ai_slot_t *s, unsigned tokens)
{
    ai_run_t  run;

    memset(&run, 0, sizeof(run));
    run.input_tokens = 10;
    run.output_tokens = tokens;
    run.source = AI_SOURCE_FINAL;

    ai_slot_run(s, &run);
    ai_slot_end(s, AI_SLOT_FINAL);
    ngx_ai_ledger_ended(ld, s);
}


static void
rows(ngx_ai_ledger_t *ld, ngx_uint_t n)
{
    ai_slot_t  *s;

    while (n) {
        s = request(ld);

        if (s == NULL) {
            usleep(1000);
            test_tick();
            continue;
        }

        finish(ld, s, 5);
        n--;
    }
}


static void
worker(ngx_ai_zone_t *zone, unsigned seed)
{
    ngx_uint_t        i;
    ai_slot_t        *open[16];
    ngx_ai_ledger_t  *ld;

    ld = ngx_ai_ledger_open(cycle, &conf, zone);

    if (ld == NULL || ngx_ai_ledger_spool(ld) == NULL) {
        _exit(4);
    }

    memset(open, 0, sizeof(open));

    for ( ;; ) {
        seed = seed * 1103515245 + 12345;
        i = (seed >> 16) % 16;
        test_tick();

        if (open[i]) {
            finish(ld, open[i], seed >> 20);
            open[i] = NULL;

        } else {
            open[i] = request(ld);
        }

        if (seed >> 18 & 1) {
            (void) ship(ld, seed >> 12);
            usleep(100);
        }
    }
}


static pid_t
spawn(ngx_ai_zone_t *zone)
{
    pid_t     pid;
    unsigned  seed;

    seed = (unsigned) random();
    pid = fork();

    if (pid == 0) {
        worker(zone, seed);
        _exit(0);
    }

    return pid;
}


/* ---- what is where ---- */

typedef struct {
    ngx_uint_t        twice;    /* in two files, or two times in one */
    ngx_uint_t        odd;
} test_filed_t;


static void
read_file(const char *path, void *data)
{
    FILE          *f;
    char          *line;
    size_t         room;
    ssize_t        n;
    uint64_t       number;
    ai_row_t       row;
    test_filed_t  *t = data;
    u_char         scratch[2 * AI_SLOT_TEXT];

    f = fopen(path, "r");
    line = NULL;
    room = 0;

    while (f && (n = getline(&line, &room, f)) > 0) {

        if (ai_row_parse(&row, (u_char *) line, (size_t) n - 1, scratch,
                         sizeof(scratch)) != AI_OK)
        {
            t->odd++;
            continue;
        }

        memcpy(&number, row.id + 8, 8);

        if (number >= TEST_ROWS) {
            t->odd++;
            continue;
        }

        t->twice += db->rows[number].filed;
        db->rows[number].filed = 1;
        db->rows[number].tokens = (uint32_t) row.used[AI_RES_TOKENS];
    }

    free(line);

    if (f) {
        fclose(f);
    }
}


static int64_t
used(ngx_ai_zone_t *zone)
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

    return v.used_day[AI_RES_TOKENS];
}


/* rows in the database and rows in files, each once: what a start counts */

static int64_t
all_tokens(test_filed_t *t)
{
    int64_t     n;
    ngx_uint_t  i;

    memset(t, 0, sizeof(*t));

    for (i = 0; i < db->next; i++) {
        db->rows[i].filed = 0;
    }

    each_file(".jsonl", read_file, t);

    for (n = 0, i = 0; i < db->next; i++) {
        if (db->rows[i].seen || db->rows[i].filed) {
            n += db->rows[i].tokens;
        }
    }

    return n;
}


static ngx_uint_t
lost(void)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < db->next; i++) {
        n += db->rows[i].begun && !db->rows[i].seen;
    }

    return n;
}


/* ---- one process at a time ---- */

static ngx_ai_ledger_t *
open_ledger(uint64_t id)
{
    return ngx_ai_ledger_open(cycle, &conf, test_zone(1024 * 1024, id));
}


static void
wait_for(ngx_uint_t (*good)(void *data), void *data)
{
    ngx_uint_t  i;

    for (i = 0; i < 1000 && !good(data); i++) {
        usleep(5000);
    }
}


static ngx_uint_t
is_sink(void *data)
{
    return ngx_ai_ledger_sink(data);
}


static ngx_uint_t
is_filed(void *data)
{
    return size(".jsonl") >= *(off_t *) data;
}


static ngx_ai_batch_t *
take(ngx_ai_ledger_t *ld)
{
    ngx_uint_t       i;
    ngx_ai_batch_t  *b;

    for (i = 0; i < 1000; i++) {
        b = ngx_ai_spool_take(ngx_ai_ledger_spool(ld));

        if (b) {
            return b;
        }

        usleep(2000);
    }

    return NULL;
}


static void
put(const char *name, const char *text, size_t len)
{
    int  fd;

    fd = open(path_of(name), O_WRONLY|O_CREAT|O_APPEND, 0600);

    if (write(fd, text, len) != (ssize_t) len) {
        failed++;
    }

    close(fd);
}


static void
nodes(void)
{
    pid_t             pids[8];
    u_char            id[NGX_AI_NODE_ID + 1], again[NGX_AI_NODE_ID + 1];
    ngx_uint_t        i, bad;
    struct stat       sb;
    ngx_ai_ledger_t  *ld;

    begin(64 * 1024, 0);

    ok(ngx_ai_node_read(cycle->log, &conf, id) == NGX_OK
       && id[14] == '4' && stat(path_of("node.id"), &sb) == 0
       && (sb.st_mode & 0777) == 0600, "a directory has its id");

    ngx_ai_ledger_prepare(cycle, &conf);
    ngx_ai_node_read(cycle->log, &conf, again);
    ld = open_ledger(1);
    ok(strcmp((char *) id, (char *) again) == 0
       && strcmp((char *) id, (char *) ngx_ai_ledger_node(ld)) == 0,
       "and keeps it");
    ngx_ai_ledger_close(ld);

    /* made at once by many, each of which must find the same */

    for (bad = 0, i = 0; i < 40; i++) {
        ngx_uint_t  k;
        int         status, fd[2];

        unlink(path_of("node.id"));
        bad += pipe(fd) != 0;

        for (k = 0; k < 8; k++) {
            pids[k] = fork();

            if (pids[k] == 0) {
                if (ngx_ai_node_make(cycle->log, &conf) != NGX_OK
                    || ngx_ai_node_read(cycle->log, &conf, id) != NGX_OK)
                {
                    _exit(1);
                }

                _exit(write(fd[1], id, 36) != 36);
            }
        }

        for (k = 0; k < 8; k++) {
            waitpid(pids[k], &status, 0);
            bad += status != 0;
            bad += read(fd[0], k ? again : id, 36) != 36;
            bad += k && memcmp(id, again, 36) != 0;
        }

        close(fd[0]);
        close(fd[1]);
    }

    ok(bad == 0 && files(".new") == 0, "many that make it make one");

    unlink(path_of("node.id"));
    put("node.id", "3f2b8c1e-no-uuid-at-all\n", 24);
    test_quiet = 1;
    ok(ngx_ai_ledger_prepare(cycle, &conf) == NGX_ERROR,
       "what is no id is refused, not replaced");
    test_quiet = 0;

    end_all();
}


/* a few rows and nothing more: they are there at once, and the disk is empty
   again soon after */

static void
idle(void)
{
    uint64_t          from, ms, worst;
    ngx_uint_t        i;
    ngx_ai_ledger_t  *ld;

    begin(64 * 1024, 0);
    ld = open_ledger(2);
    wait_for(is_sink, ld);
    worst = 0;

    for (i = 0; i < 20; i++) {
        from = ngx_ai_sink_mono();
        rows(ld, 1);

        while (db->inserted < i + 1 && ngx_ai_sink_mono() - from < 5000) {
            usleep(ship(ld, 0) ? 0 : 5000);
        }

        ms = ngx_ai_sink_mono() - from;
        worst = ngx_max(worst, ms);
    }

    printf("# a row took %lu ms at worst\n", (unsigned long) worst);
    ok(worst < 200, "a row is in the database soon");

    ship_all(ld, 3000);
    ngx_ai_ledger_close(ld);
    ok(size(".jsonl") == 0 && files(".sum") == 1,
       "what is committed leaves nothing but sums");
    ok(db->duplicates == 0, "no row was sent twice");

    end_all();
}


/* the outcome of a batch is not known: the same bytes come again */

static void
outage(void)
{
    off_t                 some;
    ngx_uint_t            i;
    ngx_ai_batch_t       *b;
    ngx_ai_ledger_t      *ld;
    ngx_ai_ledger_stat_t  st;

    begin(256 * 1024, 64 * 1024);
    ld = open_ledger(3);
    rows(ld, 1000);
    some = 1000 * 400;
    wait_for(is_filed, &some);

    for (i = 0; i < 100; i++) {
        ngx_ai_ledger_stat(ld, &st);

        if ((off_t) st.behind == size(".jsonl")) {
            break;
        }

        usleep(50000);
    }

    ok((off_t) st.behind == size(".jsonl"), "what is behind is known");

    b = take(ld);
    ok(b && b->rows > 10 && b->len <= NGX_AI_SPOOL_BATCH
       && b->data[b->len - 1] == '\n', "a batch that is behind is full");

    for (i = 0; i < 3; i++) {
        commit(b);
    }

    ok(db->inserted == b->rows && db->duplicates == 2 * b->rows
       && db->other == 0, "a batch that is sent again is the same");

    /* another process takes over while it is out */

    ngx_ai_ledger_close(ld);
    ld = open_ledger(3);
    ship_all(ld, 10000);
    ngx_ai_ledger_stat(ld, &st);

    printf("# %lu in the database, %lu sent again, %lu batches, %ld bytes "
           "left\n", (unsigned long) db->inserted,
           (unsigned long) db->duplicates, (unsigned long) db->batches,
           (long) size(".jsonl"));
    ok(lost() == 0 && db->inserted == 1000 && db->other == 0,
       "the next process sends what was not said to be committed");
    ok(st.behind == 0 && size(".jsonl") == 0, "and nothing is behind");

    ngx_ai_ledger_close(ld);
    end_all();
}


/* one row of usage.jsonl, to make files of */

static size_t
line_of(uint64_t number, char *line, size_t room)
{
    ai_buf_t   b;
    ai_run_t   run;
    ai_char    id[16];
    ai_slot_t  s;

    memset(&s, 0, sizeof(s));
    memset(id, 0x11, sizeof(id));
    memcpy(id + 8, &number, 8);
    ai_slot_begin(&s, id, (uint64_t) time(NULL) * 1000, AI_DIALECT_OPENAI,
                  AI_EP_CHAT);
    set(&s, AI_SLOT_TENANT, "acme");
    set(&s, AI_SLOT_KEY, "prod");
    ai_slot_intent(&s);
    memset(&run, 0, sizeof(run));
    run.input_tokens = 15;
    run.source = AI_SOURCE_FINAL;
    ai_slot_run(&s, &run);
    ai_slot_end(&s, AI_SLOT_FINAL);

    ai_buf_init(&b, (u_char *) line, room);
    ai_slot_row(&b, &s);
    ai_buf_char(&b, '\n');

    return (size_t) (b.pos - (u_char *) line);
}


static void
file_of(const char *name, uint64_t from, uint64_t n)
{
    char      line[AI_SLOT_ROW_MAX + 1];
    uint64_t  i;

    for (i = 0; i < n; i++) {
        put(name, line, line_of(from + i, line, sizeof(line)));
    }
}


/* cursors of every kind: none of them loses a row */

static void
cursors(void)
{
    int               fd;
    off_t             half;
    ngx_uint_t        i, bad;
    ngx_ai_cursor_t   at;
    ngx_ai_ledger_t  *ld;
    char              line[AI_SLOT_ROW_MAX + 1];

    static const char  *name = "usage-20260101T000000Z-000001.jsonl";

    half = 50 * (off_t) line_of(7, line, sizeof(line));
    bad = 0;
    test_quiet = 1;

    for (i = 0; i < 7; i++) {
        begin(64 * 1024, 0);
        file_of(name, 0, 100);
        db->next = 100;

        fd = ngx_ai_cursor_open(open(dir, O_RDONLY|O_DIRECTORY));
        line_of(0, line, sizeof(line));
        ngx_ai_cursor_id(at.first, (u_char *) line, 100);
        line_of(49, line, sizeof(line));
        ngx_ai_cursor_id(at.last, (u_char *) line, 100);
        at.offset = half;

        switch (i) {
        case 1:
            at.offset += 1;         /* not behind a row */
            break;
        case 2:
            at.offset += half / 50; /* behind another row */
            break;
        case 3:
            at.offset = 1 << 20;    /* behind the end */
            break;
        case 4:
            at.first[3] ^= 1;       /* of another file */
            break;
        }

        if (i != 5) {
            ngx_ai_cursor_write(fd, &at);
        }

        if (i == 6) {
            bad += ftruncate(fd, 70) != 0;      /* torn */
        }

        close(fd);

        for (fd = 0; fd < 50; fd++) {
            db->rows[fd].seen = i == 0;
        }

        ld = open_ledger(4);
        ship_all(ld, 5000);
        ngx_ai_ledger_close(ld);

        for (fd = 0; fd < 100; fd++) {
            bad += !db->rows[fd].seen;
        }

        if (db->inserted != (i ? 100 : 50) || db->duplicates
            || files(".jsonl") != 1)
        {
            printf("# cursor %lu: %lu inserted, %lu again, %lu files\n",
                   (unsigned long) i, (unsigned long) db->inserted,
                   (unsigned long) db->duplicates,
                   (unsigned long) files(".jsonl"));
            bad++;
        }

        end_all();
    }

    test_quiet = 0;
    ok(bad == 0, "a cursor is believed when the rows bear it out");
}


/* lines that are no rows flow too, for the database to judge */

static void
junk(void)
{
    char             *text;
    ngx_ai_ledger_t  *ld;

    begin(64 * 1024, 0);
    text = malloc(3 * NGX_AI_SPOOL_BATCH);
    memset(text, 'x', 3 * NGX_AI_SPOOL_BATCH);
    test_quiet = 1;

    file_of("usage-20260101T000000Z-000001.jsonl", 0, 3);
    put("usage-20260101T000000Z-000001.jsonl", text, 3 * NGX_AI_SPOOL_BATCH);
    put("usage-20260101T000000Z-000001.jsonl", "\n\n\0\377\n", 5);
    file_of("usage-20260101T000000Z-000001.jsonl", 3, 3);
    put("usage-20260101T000000Z-000001.jsonl", "{\"id\":\"torn", 12);
    put("usage-20260101T000000Z-000002.jsonl", "", 0);
    file_of("usage-20260101T000000Z-000003.jsonl", 6, 3);
    mkdir(path_of("usage-20260101T000000Z-000000.jsonl"), 0700);
    db->next = 9;

    ld = open_ledger(5);
    ship_all(ld, 3000);
    ngx_ai_ledger_close(ld);
    test_quiet = 0;

    rmdir(path_of("usage-20260101T000000Z-000000.jsonl"));
    ok(db->inserted == 9 && db->other == 0 && db->quarantined >= 3,
       "what is no row does not stop the rows behind it");
    ok(files(".jsonl") == 1, "and its file goes as others do");

    free(text);
    end_all();
}


/* an operator's mv, rm and cp /dev/null under a sink that is at work */

static void
meddling(void)
{
    off_t             some;
    ngx_ai_ledger_t  *ld;

    begin(64 * 1024, 0);
    test_quiet = 1;
    ld = open_ledger(6);
    rows(ld, 50);
    ship_until(ld, 50);

    /* moved away before it is shipped, under a name that is ours */

    rows(ld, 30);
    some = 1;
    wait_for(is_filed, &some);
    usleep(100000);
    rename(path_of("usage.jsonl"), path_of("usage-moved.jsonl"));
    rows(ld, 20);
    ship_until(ld, 100);
    ok(db->inserted == 100 && lost() == 0,
       "a file that was moved is found by its name");

    /* emptied: what is written after that is not behind an old place */

    rows(ld, 30);
    ship_until(ld, 130);
    usleep(60000);
    put("usage.jsonl", "", 0);
    failed += truncate(path_of("usage.jsonl"), 0) != 0;
    rows(ld, 5);
    ship_until(ld, 135);
    ok(db->inserted == 135 && lost() == 0,
       "a file that was emptied is read from its begin");

    unlink(path_of("usage.jsonl"));
    unlink(path_of("ship.cursor"));
    rows(ld, 5);
    ship_until(ld, 140);
    ok(db->inserted == 140 && lost() == 0, "a file that was removed is made");

    ngx_ai_ledger_close(ld);
    test_quiet = 0;
    end_all();
}


/* the lock goes to another while a batch is out */

static void
takeover(void)
{
    ngx_ai_zone_t    *zone;
    ngx_ai_batch_t   *b;
    ngx_ai_ledger_t  *one, *two;

    begin(64 * 1024, 0);
    zone = test_zone(1024 * 1024, 7);
    one = ngx_ai_ledger_open(cycle, &conf, zone);
    wait_for(is_sink, one);
    two = ngx_ai_ledger_open(cycle, &conf, zone);
    rows(one, 40);
    b = take(one);

    /* what a worker does that is told to end */

    ngx_exiting = 1;
    test_timers_fire(one);
    ngx_exiting = 0;

    wait_for(is_sink, two);
    ok(!ngx_ai_ledger_sink(one) && ngx_ai_ledger_sink(two),
       "a worker that is to end gives the lock away");
    ok(b && b->data[b->len - 1] == '\n' && b->len,
       "the batch that it has sent stays whole");

    ship_all(two, 3000);
    commit(b);
    ngx_ai_spool_done(b);

    ok(db->inserted == 40 && lost() == 0 && db->duplicates == b->rows
       && db->other == 0, "the successor sends it again");

    ngx_ai_ledger_close(one);
    ngx_ai_ledger_close(two);
    end_all();
}


/* nothing can be written, not even sums, and the disk is full of files that
   are committed: removing them is what makes room */

static void
full_disk(void)
{
    int               fd;
    char              line[4096];
    ngx_uint_t        i;
    test_filed_t      t;
    ngx_ai_zone_t    *zone;
    ngx_ai_ledger_t  *ld;

    begin(64 * 1024, 0);

    if (mount("tmpfs", dir, "tmpfs", 0, "size=1m") == -1) {
        ok(1, "a full disk # SKIP no mount here");
        end_all();
        return;
    }

    ngx_ai_ledger_prepare(cycle, &conf);
    file_of("usage-29990101T000000Z-000001.jsonl", 0, 300);
    file_of("usage-29990101T000000Z-000002.jsonl", 300, 300);
    db->next = 600;

    memset(line, 'x', sizeof(line));
    fd = open(path_of("fill"), O_WRONLY|O_CREAT, 0600);

    while (write(fd, line, sizeof(line)) > 0) { /* void */ }

    close(fd);

    test_quiet = 1;
    ld = open_ledger(8);

    for (i = 0; i < 1500 && db->inserted < 600; i++) {
        (void) ship(ld, 0);
        usleep(2000);
    }

    usleep(1500000);
    ngx_ai_ledger_close(ld);

    ok(db->inserted == 600 && files("1.jsonl") + files("2.jsonl") == 0,
       "a disk that is full is emptied by what is committed");

    unlink(path_of("fill"));
    test_quiet = 0;
    zone = test_zone(1024 * 1024, 9);
    ok(ngx_ai_ledger_rebuild(cycle, &conf, zone) == NGX_OK
       && used(zone) == all_tokens(&t), "and its rows are counted");

    umount(dir);
    end_all();
}


/* ---- under kills ---- */

/* everything is dead: a new book counts each row once, wherever it is */

static ngx_ai_zone_t *
start_anew(ngx_uint_t *wrong, ngx_uint_t *twice)
{
    int64_t           n, counted;
    test_filed_t      t;
    ngx_ai_zone_t    *zone;
    ngx_ai_ledger_t  *ld;

    static uint64_t  id = 1000;

    zone = test_zone(2 * 1024 * 1024, id++);

    if (ngx_ai_ledger_rebuild(cycle, &conf, zone) != NGX_OK) {
        failed++;
    }

    counted = used(zone);

    /* slots become rows in files */

    ld = ngx_ai_ledger_open(cycle, &conf, zone);
    usleep(150000);
    ngx_ai_ledger_close(ld);

    n = all_tokens(&t);
    *twice += t.twice;

    if (n != counted || t.odd) {
        printf("# start %lu: book %ld, rows %ld, odd %lu\n",
               (unsigned long) id, (long) counted, (long) n,
               (unsigned long) t.odd);
        (*wrong)++;
    }

    return zone;
}


static void
kills(ngx_uint_t n)
{
    pid_t             pids[TEST_WORKERS];
    ngx_uint_t        i, k, wrong, twice;
    ngx_ai_zone_t    *zone;
    ngx_ai_ledger_t  *ld;

    begin(128 * 1024, 128 * 1024);
    srandom((unsigned) time(NULL));
    test_quiet = 1;
    wrong = 0;
    twice = 0;

    for (i = 0; i < n; /* void */ ) {
        zone = start_anew(&wrong, &twice);

        for (k = 0; k < TEST_WORKERS; k++) {
            pids[k] = spawn(zone);
        }

        do {
            usleep((useconds_t) (random() % 30000));
            k = (ngx_uint_t) random() % TEST_WORKERS;
            killed(pids[k]);
            pids[k] = spawn(zone);
        } while (++i % 25);

        for (k = 0; k < TEST_WORKERS; k++, i++) {
            killed(pids[k]);
        }
    }

    zone = start_anew(&wrong, &twice);
    test_quiet = 0;

    ld = ngx_ai_ledger_open(cycle, &conf, zone);
    ship_all(ld, 20000);
    ngx_ai_ledger_close(ld);

    printf("# %lu kills, %lu rows, %lu in the database, %lu sent again, "
           "%lu batches, %lu in two places\n", (unsigned long) i,
           (unsigned long) db->next, (unsigned long) db->inserted,
           (unsigned long) db->duplicates, (unsigned long) db->batches,
           (unsigned long) twice);

    ok(lost() == 0, "each row is in the database");
    ok(db->other == 0 && db->quarantined == 0,
       "a row that comes again is the same");
    ok(twice == 0, "no row is in files twice");
    ok(wrong == 0, "each start counts what is shipped and what is not, once");
    ok(size(".jsonl") == 0 && files(".sum") == 1,
       "of files that are committed sums are left");

    start_anew(&wrong, &twice);
    ok(wrong == 0, "a start with nothing but sums counts the same");

    end_all();
}


int
main(int argc, char **argv)
{
    cycle = test_nginx();

    nodes();
    idle();
    outage();
    cursors();
    junk();
    meddling();
    takeover();
    full_disk();
    kills(argc > 1 ? (ngx_uint_t) atoi(argv[1]) : 300);

    printf("1..%lu\n", (unsigned long) tests);

    return failed ? 1 : 0;
}
