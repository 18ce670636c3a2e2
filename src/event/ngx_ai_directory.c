
/*
 * The directory's shared memory zone, its lock, and what the feed puts into it.
 */


#include "ngx_ai_directory.h"


#define NGX_AI_DIRECTORY_TOLD   600     /* seconds */
#define NGX_AI_DIRECTORY_LINES  10      /* in them, of odd documents */
#define NGX_AI_DIRECTORY_DOC    (256 * 1024)    /* bytes of one, at most */


static ngx_int_t ngx_ai_directory_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_ai_directory_inherit(ngx_shm_zone_t *shm_zone,
    ngx_ai_directory_t *d);
static ngx_int_t ngx_ai_directory_create(ngx_shm_zone_t *shm_zone,
    ngx_ai_directory_t *d);
static ngx_shm_zone_t *ngx_ai_directory_former(ngx_shm_zone_t *shm_zone);
static ngx_int_t ngx_ai_directory_copy(ngx_ai_directory_t *d,
    ngx_ai_directory_t *from, ngx_log_t *log);


/* the slab pool's own head, lists and one page entry for each page */

static size_t
ngx_ai_directory_min_size(void)
{
    size_t  size;

    size = ai_dir_min_size();
    size += size / ngx_pagesize * sizeof(ngx_slab_page_t) + 4 * ngx_pagesize;

    return ngx_align(size, 1024);
}


ngx_ai_directory_t *
ngx_ai_directory_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    u_char              *p;
    ngx_str_t            full;
    ngx_shm_zone_t      *shm_zone;
    ngx_ai_directory_t  *d;

    full.len = name->len + sizeof(":directory") - 1;
    full.data = ngx_pnalloc(cf->pool, full.len);
    d = ngx_pcalloc(cf->pool, sizeof(ngx_ai_directory_t));

    if (full.data == NULL || d == NULL) {
        return NULL;
    }

    p = ngx_cpymem(full.data, name->data, name->len);
    ngx_memcpy(p, ":directory", sizeof(":directory") - 1);

    if (size < ngx_ai_directory_min_size()) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small, %uzk at least",
                           &full, ngx_ai_directory_min_size() / 1024);
        return NULL;
    }

    shm_zone = ngx_shared_memory_add(cf, &full, size, tag);
    if (shm_zone == NULL) {
        return NULL;
    }

    if (shm_zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is already bound", &full);
        return NULL;
    }

    d->shm_zone = shm_zone;

    shm_zone->init = ngx_ai_directory_init;
    shm_zone->data = d;

    return d;
}


static ngx_int_t
ngx_ai_directory_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_shm_zone_t      *former;
    ngx_ai_directory_t  *d;

    d = shm_zone->data;
    d->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data || shm_zone->shm.exists) {
        return ngx_ai_directory_inherit(shm_zone, d);
    }

    if (ngx_ai_directory_create(shm_zone, d) != NGX_OK) {
        return NGX_ERROR;
    }

    former = ngx_ai_directory_former(shm_zone);

    if (former
        && ngx_ai_directory_copy(d, former->data, shm_zone->shm.log) == NGX_OK)
    {
        d->fresh = 0;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ai_directory_inherit(ngx_shm_zone_t *shm_zone, ngx_ai_directory_t *d)
{
    size_t     size;
    ai_dir_t  *dir;

    dir = d->shpool->data;
    size = (d->shpool->last - d->shpool->pages) * ngx_pagesize;

    if (dir == NULL || ai_dir_check(dir, size) != AI_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" was made by another version of "
                      "the module, nginx needs a restart",
                      &shm_zone->shm.name);
        return NGX_ERROR;
    }

    d->dir = dir;

    return NGX_OK;
}


static ngx_int_t
ngx_ai_directory_create(ngx_shm_zone_t *shm_zone, ngx_ai_directory_t *d)
{
    void    *mem;
    size_t   size;

    /* nothing else is ever allocated from the pool */

    size = d->shpool->pfree * ngx_pagesize;
    mem = size ? ngx_slab_alloc(d->shpool, size) : NULL;

    if (mem == NULL || ai_dir_init(mem, size) != AI_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" is too small", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    d->shpool->data = mem;
    d->dir = mem;
    d->fresh = 1;

    return NGX_OK;
}


/* the running cycle's zone of the same name and another size, if there is one;
   of another tag it is of another version of the module */

static ngx_shm_zone_t *
ngx_ai_directory_former(ngx_shm_zone_t *shm_zone)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *z;
    ngx_list_part_t  *part;

    if (ngx_is_init_cycle(ngx_cycle)) {
        return NULL;
    }

    part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;

    for ( /* void */ ; part; part = part->next) {
        z = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (z[i].shm.name.len == shm_zone->shm.name.len
                && ngx_strncmp(z[i].shm.name.data, shm_zone->shm.name.data,
                               z[i].shm.name.len) == 0
                && z[i].tag == shm_zone->tag && z[i].data
                && ((ngx_ai_directory_t *) z[i].data)->dir)
            {
                return &z[i];
            }
        }
    }

    return NULL;
}


/*
 * The former one is in use: marks come first, so that what changes while it is
 * read is told again by the feed.  Each record is copied under its lock.
 */

static ngx_int_t
ngx_ai_directory_copy(ngx_ai_directory_t *d, ngx_ai_directory_t *from,
    ngx_log_t *log)
{
    int               rc, mark;
    u_char            text[AI_DIR_MARKS][64];
    uint64_t          at;
    ai_str_t          key, marks[AI_DIR_MARKS];
    ngx_uint_t        n, lost, level, complete;
    ai_dir_record_t  *r;

    r = ngx_alloc(sizeof(ai_dir_record_t), log);
    if (r == NULL) {
        return NGX_ERROR;
    }

    ngx_ai_directory_lock(from);
    complete = ai_dir_complete(from->dir);

    for (mark = 0; mark < AI_DIR_MARKS; mark++) {
        marks[mark] = ai_dir_mark(from->dir, mark);
        ngx_memcpy(text[mark], marks[mark].data, marks[mark].len);
        marks[mark].data = text[mark];
    }

    ngx_ai_directory_unlock(from);

    at = 0;
    n = 0;
    lost = 0;

    for ( ;; ) {
        ngx_ai_directory_lock(from);
        rc = ai_dir_each(from->dir, &at, r);
        ngx_ai_directory_unlock(from);

        if (rc == AI_DECLINED) {
            break;
        }

        if (rc != AI_OK) {
            continue;
        }

        key.data = r->key;
        key.len = r->key_len;

        if (ai_dir_put(d->dir, r->kind, &key, r->value, r->value_len)
            == AI_ERROR)
        {
            lost++;

        } else {
            n++;
        }
    }

    ngx_free(r);

    if (lost == 0 && complete) {
        for (mark = 0; mark < AI_DIR_MARKS; mark++) {
            ai_dir_set_mark(d->dir, mark, &marks[mark]);
        }

        ai_dir_set_loaded(d->dir);
    }

    level = lost ? NGX_LOG_WARN : NGX_LOG_NOTICE;

    ngx_log_error(level, log, 0,
                  "zone \"%V\" has another size, %ui records were copied, "
                  "%ui did not fit", &d->shm_zone->shm.name, n, lost);

    return NGX_OK;
}


void
ngx_ai_directory_lock(ngx_ai_directory_t *d)
{
    ngx_ai_zone_mutex(&d->shpool->mutex, &d->shm_zone->shm.name);

    if (ai_dir_recover(d->dir) == AI_DONE) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "zone \"%V\": a process died while it held the lock, "
                      "its unfinished change was undone",
                      &d->shm_zone->shm.name);
    }
}


void
ngx_ai_directory_unlock(ngx_ai_directory_t *d)
{
    ngx_shmtx_unlock(&d->shpool->mutex);
}


/* ---- documents ---- */

typedef struct {
    ai_dir_kind_t   kind;
    ai_str_t        key;
    ai_char         digest[AI_KEY_DIGEST];
    const char     *what;
} ngx_ai_directory_name_t;


/* NGX_DECLINED: a kind that nobody here knows; NGX_ERROR: no such name */

static ngx_int_t
ngx_ai_directory_name(u_char kind, ngx_str_t *name, ngx_ai_directory_name_t *n)
{
    n->key.data = name->data;
    n->key.len = name->len;

    switch (kind) {

    case 'k':
        n->kind = AI_DIR_KEY;
        n->what = "key";
        n->key.data = n->digest;
        n->key.len = sizeof(n->digest);
        return ai_key_digest_parse(n->digest, name->data, name->len);

    case 't':
        n->kind = AI_DIR_TENANT;
        n->what = "tenant";
        return ai_entry_name_ok(&n->key) ? NGX_OK : NGX_ERROR;

    case 'p':
        n->kind = AI_DIR_PLAN;
        n->what = "plan";
        return ai_entry_name_ok(&n->key) ? NGX_OK : NGX_ERROR;

    case 'm':
        n->kind = AI_DIR_PRICE;
        n->what = "price of model";
        return ai_entry_model_ok(&n->key) ? NGX_OK : NGX_ERROR;

    default:
        return NGX_DECLINED;
    }
}


static int
ngx_ai_directory_pack(ngx_ai_directory_name_t *n, ngx_str_t *text,
    ai_char *out, size_t *len, const char **why)
{
    ai_str_t  doc;

    doc.data = text->data;
    doc.len = text->len;

    if (doc.len > NGX_AI_DIRECTORY_DOC) {
        *why = "it is too long";
        return AI_ERROR;
    }

    switch (n->kind) {

    case AI_DIR_KEY:
        return ai_entry_pack_key(&doc, out, AI_DIR_VALUE_MAX, len, why);

    case AI_DIR_TENANT:
        return ai_entry_pack_tenant(&n->key, &doc, out, AI_DIR_VALUE_MAX, len,
                                    why);

    case AI_DIR_PLAN:
        return ai_entry_pack_plan(&doc, out, AI_DIR_VALUE_MAX, len, why);

    default:
        return ai_entry_pack_price(&doc, out, AI_DIR_VALUE_MAX, len, why);
    }
}


/* a database full of them must not fill the log, with each read of it */

static ngx_uint_t
ngx_ai_directory_tells(ngx_ai_directory_t *d, ngx_log_t *log)
{
    time_t  now;

    now = ngx_time();

    if (now - d->told >= NGX_AI_DIRECTORY_TOLD) {
        d->told = now;
        d->ntold = 0;
    }

    if (d->ntold > NGX_AI_DIRECTORY_LINES) {
        return 0;
    }

    if (d->ntold++ < NGX_AI_DIRECTORY_LINES) {
        return 1;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "ai directory: more is not understood, no more of it is told "
                  "for %d minutes", NGX_AI_DIRECTORY_TOLD / 60);

    return 0;
}


/* the digest of a key tells nobody the key, but a few digits will do */

static void
ngx_ai_directory_odd(ngx_ai_directory_t *d, ngx_ai_directory_name_t *n,
    ngx_str_t *name, const char *why, ngx_log_t *log)
{
    size_t  i, len, max;
    u_char  text[AI_ENTRY_MODEL];

    if (!ngx_ai_directory_tells(d, log)) {
        return;
    }

    max = n->kind == AI_DIR_KEY ? 8 : sizeof(text);
    len = ngx_min(name->len, max);

    for (i = 0; i < len; i++) {
        text[i] = name->data[i] > ' ' && name->data[i] < 0x7f
                  ? name->data[i] : '?';
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "ai directory: %s \"%*s\" is not understood: %s",
                  n->what, len, text, why);
}


/* a full one is read again from time to time, which is no news */

static void
ngx_ai_directory_put(ngx_ai_directory_t *d, ngx_ai_directory_name_t *n,
    ai_char *value, size_t len, ngx_log_t *log)
{
    int  rc;

    if (ai_dir_complete(d->dir)) {
        d->full = 0;
    }

    ngx_ai_directory_lock(d);
    rc = ai_dir_put(d->dir, n->kind, &n->key, value, len);
    ngx_ai_directory_unlock(d);

    if (rc == AI_ERROR && !d->full) {
        d->full = 1;
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "zone \"%V\" is full, records are missing: \"directory\" "
                      "of ai_postgres needs more than %uzk",
                      &d->shm_zone->shm.name, d->shm_zone->shm.size / 1024);
    }
}


void
ngx_ai_directory_doc(ngx_ai_directory_t *d, u_char kind, ngx_str_t *name,
    ngx_str_t *doc, ngx_log_t *log)
{
    size_t                   len;
    uint64_t                 value[AI_DIR_VALUE_MAX / 8];
    ngx_int_t                rc;
    const char              *why;
    ngx_ai_directory_name_t  n;

    rc = ngx_ai_directory_name(kind, name, &n);

    if (rc == NGX_DECLINED) {
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_ai_directory_odd(d, &n, name, "bad name", log);
        return;
    }

    if (doc->data
        && ngx_ai_directory_pack(&n, doc, (ai_char *) value, &len, &why)
           == AI_OK)
    {
        ngx_ai_directory_put(d, &n, (ai_char *) value, len, log);
        return;
    }

    if (doc->data) {
        ngx_ai_directory_odd(d, &n, name, why, log);
    }

    ngx_ai_directory_lock(d);
    (void) ai_dir_del(d->dir, n.kind, &n.key);
    ngx_ai_directory_unlock(d);
}
