
/*
 * The directory's zone and its snapshot: documents of the feed, a file that
 * comes back whole or not at all, and a reload with another size.
 */


#include "nginx.h"
#include "../../src/event/ngx_ai_directory.h"
#include <sys/stat.h>


#define CHECK(condition)                                                     \
    do {                                                                     \
        if (!(condition)) {                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);  \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

#define TEST_ZONES  16


static ngx_shm_zone_t  zones[TEST_ZONES];
static ngx_uint_t      nzones;
static ngx_cycle_t    *cycle;
static ngx_conf_t      conf;
static char            dirname[] = "/tmp/ai_directory_XXXXXX";
static int             dirfd_;


/* ---- pieces of nginx ---- */

void
ngx_ai_zone_mutex(ngx_shmtx_t *mutex, ngx_str_t *name)
{
    (void) mutex;
    (void) name;
}


void
ngx_shmtx_unlock(ngx_shmtx_t *mutex)
{
    (void) mutex;
}


void *
ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
    (void) pool;
    return malloc(size);
}


void *
ngx_pcalloc(ngx_pool_t *pool, size_t size)
{
    (void) pool;
    return calloc(1, size);
}


void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    (void) log;
    return malloc(size);
}


void ngx_cdecl
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *cf, ngx_err_t err,
    const char *fmt, ...)
{
    (void) cf;
    (void) err;
    (void) fmt;
    test_logged[level]++;
}


ngx_shm_zone_t *
ngx_shared_memory_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    ngx_shm_zone_t   *z;
    ngx_slab_pool_t  *pool;

    CHECK(nzones < TEST_ZONES);
    z = &zones[nzones++];
    ngx_memzero(z, sizeof(ngx_shm_zone_t));

    pool = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS,
                -1, 0);
    CHECK(pool != MAP_FAILED);

    pool->pfree = size / ngx_pagesize - 1;
    pool->pages = (ngx_slab_page_t *) ngx_pagesize;
    pool->last = (ngx_slab_page_t *) ngx_pagesize + pool->pfree;

    z->shm.addr = (u_char *) pool;
    z->shm.size = size;
    z->shm.name = *name;
    z->shm.log = cf->log;
    z->tag = tag;

    return z;
}


void *
ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size)
{
    (void) size;
    return (u_char *) pool + ngx_pagesize;
}


/* ---- the tests' own ---- */

ngx_uint_t  ngx_pagesize = 4096;


static ngx_ai_directory_t *
make(size_t size)
{
    ngx_str_t            name = ngx_string("ai");
    ngx_ai_directory_t  *d;

    d = ngx_ai_directory_add(&conf, &name, size, &conf);
    CHECK(d != NULL);
    CHECK(d->shm_zone->init(d->shm_zone, NULL) == NGX_OK);

    return d;
}


static void
doc(ngx_ai_directory_t *d, u_char kind, const char *name, const char *text)
{
    ngx_str_t  n, t;

    n.data = (u_char *) name;
    n.len = strlen(name);
    t.data = (u_char *) text;
    t.len = text ? strlen(text) : 0;

    ngx_ai_directory_doc(d, kind, &n, &t, cycle->log);
}


static int
get(ngx_ai_directory_t *d, ai_dir_kind_t kind, const char *name)
{
    size_t    len;
    ai_str_t  key;
    ai_char   value[AI_DIR_VALUE_MAX];

    key.data = (ai_char *) name;
    key.len = strlen(name);

    return ai_dir_get(d->dir, kind, &key, value, sizeof(value), &len);
}


static void
hex(char out[65], unsigned i)
{
    snprintf(out, 65, "%08x%056x", i * 2654435761u, i);
}


/* of this process: others may be busy */

static double
seconds(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


/* all records of one are in the other */

static void
same(ngx_ai_directory_t *a, ngx_ai_directory_t *b)
{
    int                     rc;
    size_t                  len;
    uint64_t                at;
    ai_str_t                key;
    unsigned                i;
    ai_dir_stat_t           sa, sb;
    static ai_char          value[AI_DIR_VALUE_MAX];
    static ai_dir_record_t  r;

    ai_dir_stat(a->dir, &sa);
    ai_dir_stat(b->dir, &sb);
    CHECK(memcmp(sa.records, sb.records, sizeof(sa.records)) == 0);

    at = 0;

    while ((rc = ai_dir_each(a->dir, &at, &r)) != AI_DECLINED) {
        if (rc == AI_OK) {
            key.data = r.key;
            key.len = r.key_len;
            CHECK(ai_dir_get(b->dir, r.kind, &key, value, sizeof(value), &len)
                  == AI_OK);
            CHECK(len == r.value_len && memcmp(value, r.value, len) == 0);
        }
    }

    for (i = 0; i < AI_DIR_MARKS; i++) {
        CHECK(ai_dir_mark(a->dir, i).len == ai_dir_mark(b->dir, i).len);
        CHECK(memcmp(ai_dir_mark(a->dir, i).data, ai_dir_mark(b->dir, i).data,
                     ai_dir_mark(a->dir, i).len) == 0);
    }

    CHECK(ai_dir_complete(a->dir) == ai_dir_complete(b->dir));
}


static void
fill(ngx_ai_directory_t *d)
{
    char       digest[65];
    ai_str_t   key = ai_string("acme\tprod"), mark = ai_string("4711:0");
    ai_base_t  base;

    hex(digest, 1);
    doc(d, 'p', "pro", "models gpt-*\nlimit cost month 5000000000 0\n");
    doc(d, 't', "acme", "plan pro\nstate active\nlabels {\"a\": \"b\"}\n");
    doc(d, 'k', digest, "tenant acme\nname prod\n");
    doc(d, 'm', "gpt-4.1", "price standard 0 0 input=2 output=8\n");

    memset(&base, 0, sizeof(base));
    base.day = ai_day_id((uint64_t) time(NULL));
    base.month = ai_month_id((uint64_t) time(NULL));
    base.used_month[AI_RES_COST] = 12345;

    CHECK(ai_dir_put(d->dir, AI_DIR_SPEND, &key, (ai_char *) &base,
                     sizeof(base)) == AI_OK);

    ai_dir_set_mark(d->dir, AI_DIR_MARK_FEED, &mark);
    ai_dir_set_loaded(d->dir);
}


static void
documents(void)
{
    char                 digest[65];
    ngx_uint_t           errors;
    ai_dir_stat_t        st;
    ngx_ai_directory_t  *d;

    d = make(1 << 20);
    CHECK(d->fresh);
    fill(d);

    ai_dir_stat(d->dir, &st);
    CHECK(st.records[AI_DIR_KEY] == 1 && st.records[AI_DIR_PRICE] == 1);
    CHECK(get(d, AI_DIR_TENANT, "acme") == AI_OK);

    /* what is not understood admits nobody */

    errors = test_logged[NGX_LOG_ERR];
    doc(d, 't', "acme", "plan pro\nlimit cost month many 0\n");
    CHECK(test_logged[NGX_LOG_ERR] == errors + 1);
    CHECK(get(d, AI_DIR_TENANT, "acme") == AI_DECLINED);

    doc(d, 't', "ac\nme", "plan pro\n");
    doc(d, 'k', "0123", "tenant acme\nname prod\n");
    CHECK(test_logged[NGX_LOG_ERR] == errors + 3);

    /* a kind of a newer schema is passed over */

    doc(d, 'z', "acme", "plan pro\n");
    CHECK(test_logged[NGX_LOG_ERR] == errors + 3);

    hex(digest, 1);
    doc(d, 'k', digest, NULL);
    doc(d, 'p', "pro", NULL);
    ai_dir_stat(d->dir, &st);
    CHECK(st.records[AI_DIR_KEY] == 0 && st.records[AI_DIR_PLAN] == 0);
}


static ngx_int_t
restore(ngx_ai_directory_t *d, ngx_ai_zone_t *zone)
{
    ngx_str_t  path;

    path.data = (u_char *) dirname;
    path.len = strlen(dirname);

    return ngx_ai_directory_restore(cycle, d, &path, zone);
}


static void
snapshot(void)
{
    uint64_t             saved;
    ai_str_t             tenant = ai_string("acme"), key = ai_string("prod");
    struct stat          sb;
    ai_owner_id_t        id;
    ngx_ai_zone_t       *zone;
    ai_limit_view_t      v;
    ngx_ai_directory_t  *d, *e;
    ai_now_t             now;
    ai_limit_t           limit = { AI_RES_COST, AI_PERIOD_MONTH, 20000, 0 };

    zone = test_zone(1 << 20, 1);
    d = make(1 << 20);
    e = make(1 << 20);

    CHECK(restore(e, zone) == NGX_DECLINED);

    /* one that is not complete is not written */

    saved = 0;
    doc(d, 'p', "pro", "models *\n");
    CHECK(ngx_ai_directory_save(d, dirfd_, &saved) == NGX_DECLINED);

    fill(d);
    CHECK(ngx_ai_directory_save(d, dirfd_, &saved) == NGX_OK);
    CHECK(ngx_ai_directory_save(d, dirfd_, &saved) == NGX_DECLINED);
    CHECK(fstatat(dirfd_, "directory.snapshot", &sb, 0) == 0);
    CHECK((sb.st_mode & 07777) == 0600);
    CHECK(fstatat(dirfd_, "directory.snapshot.new", &sb, 0) == -1);

    CHECK(restore(e, zone) == NGX_OK);
    CHECK(!ai_dir_complete(e->dir));
    ai_dir_set_loaded(e->dir);
    same(d, e);

    ai_owner_id(&id, &tenant, &key);
    ngx_ai_now(&now);
    ai_book_limit_view(zone->book, ai_book_owner_find(zone->book, &id), &limit,
                       &now, &v);
    CHECK(v.used == 12345 && v.remaining == 20000 - 12345);
}


/* cut short at any byte, and any byte changed: nothing of it is taken */

static void
torn(void)
{
    int                  fd;
    size_t               i, len;
    u_char               data[4096];
    ngx_uint_t           warned;
    ai_dir_stat_t        st;
    ngx_ai_zone_t       *zone;
    ngx_ai_directory_t  *d;

    zone = test_zone(1 << 20, 2);
    d = make(1 << 20);
    test_quiet = 1;

    fd = openat(dirfd_, "directory.snapshot", O_RDWR);
    len = (size_t) read(fd, data, sizeof(data));
    CHECK(len > 500 && len < sizeof(data));
    warned = test_logged[NGX_LOG_WARN];

    for (i = 0; i < len; i++) {
        CHECK(ftruncate(fd, (off_t) i) == 0);
        CHECK(restore(d, zone) == NGX_DECLINED);
        CHECK(ftruncate(fd, 0) == 0);
        CHECK(pwrite(fd, data, len, 0) == (ssize_t) len);
    }

    for (i = 0; i < len; i++) {
        data[i] ^= 1u << i % 8;
        CHECK(pwrite(fd, data, len, 0) == (ssize_t) len);
        CHECK(restore(d, zone) == NGX_DECLINED);
        data[i] ^= 1u << i % 8;
    }

    CHECK(pwrite(fd, data, len, 0) == (ssize_t) len);
    CHECK(pwrite(fd, data, 8, (off_t) len) == 8);
    CHECK(restore(d, zone) == NGX_DECLINED);
    CHECK(test_logged[NGX_LOG_WARN] == warned + 2 * len + 1);

    ai_dir_stat(d->dir, &st);
    CHECK(st.records[AI_DIR_PLAN] == 0 && !ai_dir_complete(d->dir));

    CHECK(ftruncate(fd, (off_t) len) == 0);
    CHECK(restore(d, zone) == NGX_OK);

    test_quiet = 0;
    close(fd);
}


/* the former cycle's zone is found by its name, and its records are copied */

static void
reload_with_another_size(void)
{
    unsigned             i;
    char                 name[32];
    ngx_uint_t           warned;
    ngx_cycle_t          former;
    ngx_ai_directory_t  *d, *e;
    volatile ngx_cycle_t *kept;
    static void         *anything[1];

    nzones = 0;
    d = make(1 << 20);
    fill(d);

    for (i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "tenant-%u", i);
        doc(d, 't', name, "plan pro\n");
    }

    memset(&former, 0, sizeof(former));
    former.log = cycle->log;
    former.conf_ctx = (void ****) anything;
    former.shared_memory.part.elts = zones;
    former.shared_memory.part.nelts = 1;
    kept = ngx_cycle;
    ngx_cycle = &former;

    e = make(2 << 20);
    CHECK(!e->fresh);
    same(d, e);

    warned = test_logged[NGX_LOG_WARN];
    e = make(64 << 10);
    CHECK(!e->fresh && !ai_dir_complete(e->dir));
    CHECK(test_logged[NGX_LOG_WARN] == warned + 1);

    /* of the same size nginx keeps it */

    e = make(1 << 20);
    e->shm_zone->shm.addr = d->shm_zone->shm.addr;
    CHECK(e->shm_zone->init(e->shm_zone, d) == NGX_OK);
    CHECK(e->dir == d->dir);

    ngx_cycle = kept;
}


static void
two_hundred_thousand(void)
{
    char                 name[65], text[300];
    double               t, spent;
    size_t               len;
    unsigned             i;
    uint64_t             saved;
    ai_str_t             key;
    ngx_ai_zone_t       *zone;
    ai_dir_stat_t        st;
    static ai_char       value[AI_DIR_VALUE_MAX];
    ngx_ai_directory_t  *d, *e;

    zone = test_zone(1 << 20, 3);
    d = make(64 << 20);
    e = make(64 << 20);
    t = seconds();

    for (i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "tenant-%u", i);
        doc(d, 't', name, "plan pro\nstate active\n"
            "labels {\"team\": \"billing\"}\nlimit requests m 100 100\n"
            "limit cost month 500000000000 0\n");

        snprintf(text, sizeof(text), "tenant %s\nname prod\n", name);
        hex(name, i);
        doc(d, 'k', name, text);
    }

    ai_dir_set_loaded(d->dir);
    ai_dir_stat(d->dir, &st);
    CHECK(st.records[AI_DIR_KEY] == 100000 && st.refused == 0);
    fprintf(stderr, "200000 documents: %.2f s, %.1f MB\n", seconds() - t,
            (double) st.used / (1 << 20));

    t = seconds();

    for (i = 0; i < 1000000; i++) {
        snprintf((char *) name, sizeof(name), "tenant-%u",
                 i * 2654435761u % 100000);
        key.data = (ai_char *) name;
        key.len = strlen(name);
        CHECK(ai_dir_get(d->dir, AI_DIR_TENANT, &key, value, sizeof(value),
                         &len) == AI_OK);
    }

    fprintf(stderr, "look-up with its name's snprintf(): %.0f ns\n",
            (seconds() - t) * 1000);

    saved = 0;
    t = seconds();
    CHECK(ngx_ai_directory_save(d, dirfd_, &saved) == NGX_OK);
    fprintf(stderr, "save: %.2f s\n", seconds() - t);

    t = seconds();
    CHECK(restore(e, zone) == NGX_OK);
    spent = seconds() - t;
    fprintf(stderr, "restore: %.2f s\n", spent);
    CHECK(spent < 0.5);
    ai_dir_set_loaded(e->dir);
    same(d, e);
}


int
main(void)
{
    cycle = test_nginx();
    conf.log = cycle->log;
    conf.pool = NULL;

    CHECK(mkdtemp(dirname) != NULL);
    dirfd_ = open(dirname, O_RDONLY|O_DIRECTORY);
    CHECK(dirfd_ != -1);

    documents();
    snapshot();
    torn();
    reload_with_another_size();
    nzones = 0;
    two_hundred_thousand();

    (void) unlinkat(dirfd_, "directory.snapshot", 0);
    (void) rmdir(dirname);

    printf("directory: passed\n");

    return 0;
}
