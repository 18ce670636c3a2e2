
/*
 * The tally: what the gateway as a whole and each provider did.
 */


#include "ngx_ai_tally.h"


#define NGX_AI_TALLY_NONE  ((ngx_uint_t) -1)


typedef struct {
    u_char                 name[NGX_AI_TALLY_NAME];
    u_char                 len;             /* 0: free */
    ngx_atomic_t           attempts;
    ngx_atomic_t           failed[NGX_AI_TALLY_N];
    ngx_atomic_t           alarms[NGX_AI_ALARM_N];
    ngx_atomic_t           tokens[2];
    ngx_atomic_t           cost;
} ngx_ai_tally_provider_t;


typedef struct {
    ngx_atomic_t             refused[AI_REFUSED_N];
    ngx_atomic_t             node[NGX_AI_NODE_N];
    ngx_atomic_t             stores[NGX_AI_TALLY_STORES][NGX_AI_TALLY_STORE_N];
    ngx_atomic_t             redis[NGX_AI_TALLY_REDIS_N];
    ngx_atomic_t             cache[NGX_AI_TALLY_CACHE_N];
    ngx_ai_tally_provider_t  providers[NGX_AI_TALLY_PROVIDERS];
    uint32_t                 open[AI_BOOK_WORKERS][NGX_AI_TALLY_PROVIDERS];
} ngx_ai_tally_sh_t;


struct ngx_ai_tally_s {
    ngx_ai_tally_sh_t     *sh;
    ngx_array_t           *names;
    ngx_uint_t            *places;          /* by the provider's index */
};


const char *const  ngx_ai_tally_names[NGX_AI_TALLY_N] = {
    "connect",
    "timeout",
    "rate_limited",
    "client_error",
    "server_error",
    "cut",
    "abort"
};

const char *const  ngx_ai_tally_stores[NGX_AI_TALLY_STORES] = {
    "ledger",
    "directory",
    "usage",
    "admin"
};

const char *const  ngx_ai_tally_caches[NGX_AI_TALLY_CACHE_N] = {
    "hit",
    "miss",
    "bypass",
    "stored"
};

const char *const  ngx_ai_alarm_names[NGX_AI_ALARM_N] = {
    "unpriced_unit",
    "unpriced_tier",
    "odd_usage",
    "above_hold"
};


static ngx_int_t ngx_ai_tally_init_zone(ngx_shm_zone_t *shm_zone, void *data);


ngx_ai_tally_t *
ngx_ai_tally_add(ngx_conf_t *cf, ngx_str_t *zone, ngx_array_t *names,
    void *tag)
{
    size_t           size;
    ngx_uint_t       i;
    ngx_ai_tally_t  *t;
    ngx_shm_zone_t  *shm_zone;

    t = ngx_pcalloc(cf->pool, sizeof(ngx_ai_tally_t));
    if (t == NULL) {
        return NULL;
    }

    t->places = ngx_palloc(cf->pool, (names->nelts + 1) * sizeof(ngx_uint_t));
    if (t->places == NULL) {
        return NULL;
    }

    for (i = 0; i < names->nelts; i++) {
        t->places[i] = NGX_AI_TALLY_NONE;
    }

    t->names = names;

    /* the slab pool keeps its own tables in front */
    size = ngx_align(sizeof(ngx_ai_tally_sh_t), ngx_pagesize)
           + 16 * ngx_pagesize;

    shm_zone = ngx_shared_memory_add(cf, zone, size, tag);
    if (shm_zone == NULL) {
        return NULL;
    }

    if (shm_zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "zone \"%V\" is duplicate",
                           zone);
        return NULL;
    }

    shm_zone->init = ngx_ai_tally_init_zone;
    shm_zone->data = t;

    return t;
}


/* only the master gets here, one cycle at a time */

static ngx_uint_t
ngx_ai_tally_place(ngx_ai_tally_sh_t *sh, ngx_str_t *name)
{
    ngx_uint_t                i;
    ngx_ai_tally_provider_t  *p;

    if (name->len == 0 || name->len > NGX_AI_TALLY_NAME) {
        return NGX_AI_TALLY_NONE;
    }

    for (i = 0; i < NGX_AI_TALLY_PROVIDERS; i++) {
        p = &sh->providers[i];

        if (p->len == 0) {
            ngx_memcpy(p->name, name->data, name->len);
            ngx_memory_barrier();
            p->len = (u_char) name->len;
            return i;
        }

        if (p->len == name->len
            && ngx_memcmp(p->name, name->data, name->len) == 0)
        {
            return i;
        }
    }

    return NGX_AI_TALLY_NONE;
}


static ngx_int_t
ngx_ai_tally_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_ai_tally_t  *octx = data;

    ngx_str_t        *name;
    ngx_uint_t        i;
    ngx_ai_tally_t   *t;
    ngx_slab_pool_t  *shpool;

    t = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (octx) {
        t->sh = octx->sh;

    } else if (shm_zone->shm.exists) {
        t->sh = shpool->data;

    } else {
        t->sh = ngx_slab_calloc(shpool, sizeof(ngx_ai_tally_sh_t));
        if (t->sh == NULL) {
            return NGX_ERROR;
        }

        shpool->data = t->sh;
    }

    name = t->names->elts;

    for (i = 0; i < t->names->nelts; i++) {
        t->places[i] = ngx_ai_tally_place(t->sh, &name[i]);

        if (t->places[i] == NGX_AI_TALLY_NONE) {
            ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                          "ai provider \"%V\" is not counted: no place in "
                          "zone \"%V\"", &name[i], &shm_zone->shm.name);
        }
    }

    return NGX_OK;
}


static ngx_ai_tally_provider_t *
ngx_ai_tally_get(ngx_ai_tally_t *t, ngx_uint_t provider)
{
    if (t == NULL || t->sh == NULL || provider >= t->names->nelts
        || t->places[provider] == NGX_AI_TALLY_NONE)
    {
        return NULL;
    }

    return &t->sh->providers[t->places[provider]];
}


void
ngx_ai_tally_worker(ngx_ai_tally_t *t, ngx_uint_t worker)
{
    if (t == NULL || t->sh == NULL || worker >= AI_BOOK_WORKERS) {
        return;
    }

    ngx_memzero(t->sh->open[worker], sizeof(t->sh->open[worker]));
}


void
ngx_ai_tally_refused(ngx_ai_tally_t *t, ai_refusal_t why)
{
    if (t == NULL || t->sh == NULL || why >= AI_REFUSED_N) {
        return;
    }

    (void) ngx_atomic_fetch_add(&t->sh->refused[why], 1);
}


ngx_atomic_uint_t
ngx_ai_tally_refusals(ngx_ai_tally_t *t, ai_refusal_t why)
{
    if (t == NULL || t->sh == NULL || why >= AI_REFUSED_N) {
        return 0;
    }

    return t->sh->refused[why];
}


void
ngx_ai_tally_sent(ngx_ai_tally_t *t, ngx_uint_t provider, ngx_uint_t worker)
{
    ngx_ai_tally_provider_t  *p;

    p = ngx_ai_tally_get(t, provider);
    if (p == NULL) {
        return;
    }

    (void) ngx_atomic_fetch_add(&p->attempts, 1);

    if (worker < AI_BOOK_WORKERS) {
        t->sh->open[worker][t->places[provider]]++;
    }
}


static ngx_ai_tally_end_t
ngx_ai_tally_class(ai_reason_t reason, ngx_uint_t status)
{
    switch (reason) {

    case AI_REASON_CONNECT:
        return NGX_AI_TALLY_CONNECT;

    case AI_REASON_TIMEOUT:
        return NGX_AI_TALLY_TIMEOUT;

    case AI_REASON_CUT:
    case AI_REASON_DEATH:
        return NGX_AI_TALLY_CUT;

    case AI_REASON_ABORT:
        return NGX_AI_TALLY_ABORT;

    default:
        break;
    }

    if (status >= 500) {
        return NGX_AI_TALLY_SERVER;
    }

    if (status == 429) {
        return NGX_AI_TALLY_LIMITED;
    }

    if (status >= 400) {
        return NGX_AI_TALLY_CLIENT;
    }

    return NGX_AI_TALLY_N;
}


void
ngx_ai_tally_done(ngx_ai_tally_t *t, ngx_uint_t provider, ngx_uint_t worker,
    ai_reason_t reason, ngx_uint_t status)
{
    uint32_t                 *open;
    ngx_ai_tally_end_t        class;
    ngx_ai_tally_provider_t  *p;

    p = ngx_ai_tally_get(t, provider);
    if (p == NULL) {
        return;
    }

    class = ngx_ai_tally_class(reason, status);

    if (class != NGX_AI_TALLY_N) {
        (void) ngx_atomic_fetch_add(&p->failed[class], 1);
    }

    if (worker < AI_BOOK_WORKERS) {
        open = &t->sh->open[worker][t->places[provider]];

        if (*open) {
            (*open)--;
        }
    }
}


void
ngx_ai_tally_used(ngx_ai_tally_t *t, ngx_uint_t provider, uint64_t input,
    uint64_t output, int64_t cost_nanos)
{
    ngx_ai_tally_provider_t  *p;

    p = ngx_ai_tally_get(t, provider);
    if (p == NULL) {
        return;
    }

    (void) ngx_atomic_fetch_add(&p->tokens[0], (ngx_atomic_int_t) input);
    (void) ngx_atomic_fetch_add(&p->tokens[1], (ngx_atomic_int_t) output);

    if (cost_nanos > 0) {
        (void) ngx_atomic_fetch_add(&p->cost, (ngx_atomic_int_t) cost_nanos);
    }
}


void
ngx_ai_tally_alarm(ngx_ai_tally_t *t, ngx_uint_t provider,
    ngx_ai_alarm_t alarm)
{
    ngx_ai_tally_provider_t  *p;

    p = ngx_ai_tally_get(t, provider);

    if (p && alarm < NGX_AI_ALARM_N) {
        (void) ngx_atomic_fetch_add(&p->alarms[alarm], 1);
    }
}


ngx_int_t
ngx_ai_tally_view(ngx_ai_tally_t *t, ngx_uint_t provider,
    const u_char taken[AI_BOOK_WORKERS], ngx_ai_tally_view_t *view)
{
    ngx_uint_t                i;
    ngx_ai_tally_provider_t  *p;

    p = ngx_ai_tally_get(t, provider);
    if (p == NULL) {
        return NGX_DECLINED;
    }

    view->attempts = p->attempts;
    view->tokens[0] = p->tokens[0];
    view->tokens[1] = p->tokens[1];
    view->cost = p->cost;
    view->open = 0;

    for (i = 0; i < NGX_AI_TALLY_N; i++) {
        view->failed[i] = p->failed[i];
    }

    for (i = 0; i < NGX_AI_ALARM_N; i++) {
        view->alarms[i] = p->alarms[i];
    }

    for (i = 0; i < AI_BOOK_WORKERS; i++) {
        if (taken[i]) {
            view->open += t->sh->open[i][t->places[provider]];
        }
    }

    return NGX_OK;
}


void
ngx_ai_tally_node_add(ngx_ai_tally_t *t, ngx_ai_node_t what,
    ngx_atomic_uint_t n)
{
    if (t && t->sh && n) {
        (void) ngx_atomic_fetch_add(&t->sh->node[what], (ngx_atomic_int_t) n);
    }
}


void
ngx_ai_tally_node_set(ngx_ai_tally_t *t, ngx_ai_node_t what,
    ngx_atomic_uint_t n)
{
    if (t && t->sh) {
        t->sh->node[what] = n;
    }
}


ngx_atomic_uint_t
ngx_ai_tally_node(ngx_ai_tally_t *t, ngx_ai_node_t what)
{
    return (t && t->sh) ? t->sh->node[what] : 0;
}


void
ngx_ai_tally_store_add(ngx_ai_tally_t *t, ngx_ai_tally_store_t store,
    ngx_ai_tally_counter_t what, ngx_atomic_uint_t n)
{
    if (t && t->sh && n) {
        (void) ngx_atomic_fetch_add(&t->sh->stores[store][what],
                                    (ngx_atomic_int_t) n);
    }
}


ngx_atomic_uint_t
ngx_ai_tally_store(ngx_ai_tally_t *t, ngx_ai_tally_store_t store,
    ngx_ai_tally_counter_t what)
{
    return (t && t->sh) ? t->sh->stores[store][what] : 0;
}


void
ngx_ai_tally_redis_add(ngx_ai_tally_t *t, ngx_ai_tally_redis_t what,
    ngx_atomic_uint_t n)
{
    if (t && t->sh && n) {
        (void) ngx_atomic_fetch_add(&t->sh->redis[what],
                                    (ngx_atomic_int_t) n);
    }
}


ngx_atomic_uint_t
ngx_ai_tally_redis(ngx_ai_tally_t *t, ngx_ai_tally_redis_t what)
{
    return (t && t->sh) ? t->sh->redis[what] : 0;
}


void
ngx_ai_tally_cache_add(ngx_ai_tally_t *t, ngx_ai_tally_cache_t what)
{
    if (t && t->sh) {
        (void) ngx_atomic_fetch_add(&t->sh->cache[what], 1);
    }
}


ngx_atomic_uint_t
ngx_ai_tally_cache(ngx_ai_tally_t *t, ngx_ai_tally_cache_t what)
{
    return t && t->sh ? t->sh->cache[what] : 0;
}
