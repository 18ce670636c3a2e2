
/*
 * Packed records of keys, tenants and plans, unpacked: on the path of every
 * request, so nothing is copied.
 */


#include "ai_entry_int.h"


_Static_assert(sizeof(ai_entry_key_head_t) == 40, "limits are aligned");
_Static_assert(sizeof(ai_entry_tenant_head_t) == 40, "limits are aligned");
_Static_assert(sizeof(ai_entry_plan_head_t) == 32, "limits are aligned");
_Static_assert(sizeof(ai_entry_plan_cache_t) == 8, "limits are aligned");


int
ai_entry_check(const ai_char *record, size_t len, int kind, size_t fixed)
{
    const ai_entry_head_t  *head;

    if (len < fixed || (uintptr_t) record % 8 != 0) {
        return AI_ERROR;
    }

    head = (const void *) record;

    return head->kind == kind && head->version == AI_ENTRY_VERSION
           && head->len == len ? AI_OK : AI_ERROR;
}


/* what the book and the headers index their tables with */

static int
ai_entry_check_limits(const ai_limit_t *l, unsigned n)
{
    if (n > 2 * AI_ENTRY_LIMITS) {
        return AI_ERROR;
    }

    for ( /* void */ ; n; n--, l++) {

        if (l->resource >= AI_RES_N || l->period > AI_PERIOD_NONE
            || (l->resource == AI_RES_CONCURRENCY)
               != (l->period == AI_PERIOD_NONE)
            || l->period == AI_PERIOD_TOTAL
            || l->amount < 0 || l->amount > AI_LIMIT_MAX
            || l->burst < 0 || l->burst > AI_LIMIT_MAX)
        {
            return AI_ERROR;
        }
    }

    return AI_OK;
}


/* the next "len" bytes */

static ai_str_t
ai_entry_take(const ai_char **p, size_t len)
{
    ai_str_t  s;

    s.data = (ai_char *) (uintptr_t) *p;
    s.len = len;
    *p += len;

    return s;
}


int
ai_entry_key(const ai_char *record, size_t len, ai_entry_key_t *e)
{
    size_t                      limits;
    const ai_char              *p;
    const ai_entry_key_head_t  *r;

    if (ai_entry_check(record, len, 'k', sizeof(*r)) != AI_OK) {
        return AI_ERROR;
    }

    r = (const void *) record;
    p = record + sizeof(*r);
    limits = r->nlimits * sizeof(ai_limit_t);

    if (len != sizeof(*r) + limits + r->tenant + r->name
               + (uint64_t) r->patterns
        || r->models > 1
        || ai_entry_check_limits((const void *) p, r->nlimits) != AI_OK)
    {
        return AI_ERROR;
    }

    e->limits = (const void *) p;
    e->nlimits = r->nlimits;
    e->expires = r->expires;
    e->owner = r->owner;
    e->models = r->models;

    p += limits;
    e->tenant = ai_entry_take(&p, r->tenant);
    e->name = ai_entry_take(&p, r->name);
    e->patterns = ai_entry_take(&p, r->patterns);

    return AI_OK;
}


int
ai_entry_tenant(const ai_char *record, size_t len, ai_entry_tenant_t *e)
{
    unsigned                       n;
    const ai_char                 *p;
    const ai_entry_tenant_head_t  *r;

    if (ai_entry_check(record, len, 't', sizeof(*r)) != AI_OK) {
        return AI_ERROR;
    }

    r = (const void *) record;
    p = record + sizeof(*r);
    n = r->nlimits + r->nkey_limits;

    if (len != sizeof(*r) + n * sizeof(ai_limit_t) + r->plan + r->labels
        || r->suspended > 1 || r->credit < -1
        || ai_entry_check_limits((const void *) p, n) != AI_OK)
    {
        return AI_ERROR;
    }

    e->limits = (const void *) p;
    e->nlimits = r->nlimits;
    e->key_limits = e->limits + r->nlimits;
    e->nkey_limits = r->nkey_limits;
    e->credit = r->credit;
    e->owner = r->owner;
    e->suspended = r->suspended & 1;

    p += n * sizeof(ai_limit_t);
    e->plan = ai_entry_take(&p, r->plan);
    e->labels = ai_entry_take(&p, r->labels);

    return AI_OK;
}


static int
ai_entry_check_cache(const ai_entry_plan_cache_t *cache)
{
    return cache->price <= 100 && cache->ttl <= INT32_MAX ? AI_OK : AI_ERROR;
}


int
ai_entry_plan(const ai_char *record, size_t len, ai_entry_plan_t *e)
{
    size_t                        fixed;
    unsigned                      n;
    const ai_char                *p;
    const ai_entry_plan_head_t   *r;
    const ai_entry_plan_cache_t  *cache;

    if (ai_entry_check(record, len, 'p', sizeof(*r)) != AI_OK) {
        return AI_ERROR;
    }

    r = (const void *) record;
    fixed = sizeof(*r) + (r->cache ? sizeof(*cache) : 0);

    if (r->cache > 1 || len < fixed) {
        return AI_ERROR;
    }

    cache = r->cache ? (const void *) (record + sizeof(*r)) : NULL;
    p = record + fixed;
    n = r->nlimits + r->nkey_limits;

    if (len != fixed + n * sizeof(ai_limit_t) + (uint64_t) r->patterns
        || (cache && ai_entry_check_cache(cache) != AI_OK)
        || r->store_loss > 2 || r->unbounded > 2 || r->drain > 1
        || r->priority > 2 || r->revoke_finish > 1
        || r->queue > AI_ENTRY_QUEUE || r->queue_ms > AI_ENTRY_QUEUE_MS_MAX
        || (r->queue == 0) != (r->queue_ms == 0)
        || ai_entry_check_limits((const void *) p, n) != AI_OK)
    {
        return AI_ERROR;
    }

    e->limits = (const void *) p;
    e->nlimits = r->nlimits;
    e->key_limits = e->limits + r->nlimits;
    e->nkey_limits = r->nkey_limits;
    e->max_output = r->max_output;
    e->share = r->share;
    e->queue = r->queue;
    e->queue_ms = r->queue_ms;
    e->store_loss = r->store_loss & 3;
    e->unbounded = r->unbounded & 3;
    e->drain = r->drain & 1;
    e->priority = r->priority & 3;
    e->revoke_finish = r->revoke_finish & 1;
    e->cache = (cache != NULL);
    e->cache_price = cache ? cache->price : 0;
    e->cache_ttl = cache ? cache->ttl : 0;

    p += n * sizeof(ai_limit_t);
    e->patterns = ai_entry_take(&p, r->patterns);

    return AI_OK;
}


int
ai_entry_pattern(const ai_str_t *patterns, size_t *at, ai_str_t *pattern)
{
    size_t  n;

    if (*at >= patterns->len) {
        return AI_DECLINED;
    }

    n = patterns->data[*at];

    if (n > patterns->len - *at - 1) {
        return AI_DECLINED;
    }

    pattern->data = patterns->data + *at + 1;
    pattern->len = n;
    *at += 1 + n;

    return AI_OK;
}
