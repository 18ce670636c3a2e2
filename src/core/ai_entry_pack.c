
/*
 * Documents of keys, tenants and plans, packed.
 */


#include "ai_entry_int.h"
#include "ai_json.h"


/* what an account may be worth, and more than any is */
#define AI_ENTRY_CREDIT  ((uint64_t) 1 << 62)


typedef struct {
    ai_entry_key_head_t     r;
    ai_str_t                tenant;
    ai_str_t                name;
    ai_entry_limits_t       limits;
    ai_entry_patterns_t     patterns;
} ai_entry_key_doc_t;

typedef struct {
    ai_entry_tenant_head_t  r;
    ai_str_t                plan;
    ai_str_t                labels;
    ai_entry_limits_t       limits;
    ai_entry_limits_t       key_limits;
} ai_entry_tenant_doc_t;

typedef struct {
    ai_entry_plan_head_t    r;
    ai_entry_plan_cache_t   cache;
    ai_entry_limits_t       limits;
    ai_entry_limits_t       key_limits;
    ai_entry_patterns_t     patterns;
} ai_entry_plan_doc_t;


/* ---- writing ---- */

static void
ai_entry_put_limits(ai_buf_t *b, const ai_entry_limits_t *limits)
{
    ai_buf_put(b, limits->elts, limits->n * sizeof(ai_limit_t));
}


static void
ai_entry_put_patterns(ai_buf_t *b, const ai_entry_patterns_t *patterns)
{
    unsigned  i;

    for (i = 0; i < patterns->n; i++) {
        ai_buf_char(b, (int) patterns->elts[i].len);
        ai_buf_str(b, &patterns->elts[i]);
    }
}


/* the length is known when all is written */

static int
ai_entry_finish(ai_buf_t *b, ai_char *out, int kind, size_t *len,
    const char **why)
{
    ai_entry_head_t  head;

    if (b->full) {
        *why = "too long";
        return AI_ERROR;
    }

    *len = (size_t) (b->pos - out);

    head.kind = (uint16_t) kind;
    head.version = AI_ENTRY_VERSION;
    head.len = (uint32_t) *len;

    memcpy(out, &head, sizeof(head));

    return AI_OK;
}


/* ---- keys ---- */

static int
ai_entry_key_tenant(void *e, ai_entry_line_t *line)
{
    return ai_entry_name(line, &((ai_entry_key_doc_t *) e)->tenant);
}


static int
ai_entry_key_name(void *e, ai_entry_line_t *line)
{
    return ai_entry_name(line, &((ai_entry_key_doc_t *) e)->name);
}


static int
ai_entry_key_expires(void *e, ai_entry_line_t *line)
{
    return ai_entry_number(line, AI_LIMIT_MAX,
                           &((ai_entry_key_doc_t *) e)->r.expires);
}


static int
ai_entry_key_models(void *e, ai_entry_line_t *line)
{
    ai_entry_key_doc_t *doc = e;

    doc->r.models = 1;

    return ai_entry_models(line, &doc->patterns);
}


static int
ai_entry_key_limit(void *e, ai_entry_line_t *line)
{
    return ai_entry_limit(line, &((ai_entry_key_doc_t *) e)->limits);
}


static const ai_entry_word_t  ai_entry_key_words[] = {
    { "tenant", ai_entry_key_tenant, 1 },
    { "name", ai_entry_key_name, 1 },
    { "expires", ai_entry_key_expires, 1 },
    { "models", ai_entry_key_models, 1 },
    { "limit", ai_entry_key_limit, 0 },
    { NULL, NULL, 0 }
};


int
ai_entry_pack_key(const ai_str_t *doc, ai_char *out, size_t size, size_t *len,
    const char **why)
{
    ai_buf_t            b;
    ai_entry_key_doc_t  e;

    memset(&e, 0, sizeof(e));

    if (ai_entry_read(doc, ai_entry_key_words, &e, why) != AI_OK) {
        return AI_ERROR;
    }

    if (e.tenant.len == 0 || e.name.len == 0) {
        *why = "no tenant, or no name";
        return AI_ERROR;
    }

    ai_owner_id(&e.r.owner, &e.tenant, &e.name);
    e.r.patterns = (uint32_t) e.patterns.len;
    e.r.tenant = (uint8_t) e.tenant.len;
    e.r.name = (uint8_t) e.name.len;
    e.r.nlimits = (uint8_t) e.limits.n;

    ai_buf_init(&b, out, size);
    ai_buf_put(&b, &e.r, sizeof(e.r));
    ai_entry_put_limits(&b, &e.limits);
    ai_buf_str(&b, &e.tenant);
    ai_buf_str(&b, &e.name);
    ai_entry_put_patterns(&b, &e.patterns);

    return ai_entry_finish(&b, out, 'k', len, why);
}


/* ---- tenants ---- */

static int
ai_entry_tenant_plan(void *e, ai_entry_line_t *line)
{
    return ai_entry_name(line, &((ai_entry_tenant_doc_t *) e)->plan);
}


static int
ai_entry_tenant_state(void *e, ai_entry_line_t *line)
{
    return ai_entry_choice(line, "active|suspended",
                           &((ai_entry_tenant_doc_t *) e)->r.suspended);
}


/* rows of the ledger get these bytes as they are: one JSON object */

static int
ai_entry_tenant_labels(void *e, ai_entry_line_t *line)
{
    ai_entry_tenant_doc_t *doc = e;

    int               rc;
    ai_str_t          s;
    ai_json_t         js;
    const ai_char    *p;
    ai_json_token_t   tok;

    s = line->rest;

    if (s.len > AI_ENTRY_LABELS) {
        return ai_entry_fail(line, "labels are too long");
    }

    if (s.len == 0 || s.data[0] != '{') {
        return ai_entry_fail(line, "bad labels");
    }

    ai_json_init(&js, 0);
    p = s.data;

    do {
        rc = ai_json_next(&js, &p, s.data + s.len, &tok);
    } while (rc == AI_OK);

    if (rc != AI_DONE || p != s.data + s.len) {
        return ai_entry_fail(line, "bad labels");
    }

    if (!ai_str_is(&s, "{}")) {
        doc->labels = s;
    }

    return AI_OK;
}


static int
ai_entry_tenant_limit(void *e, ai_entry_line_t *line)
{
    return ai_entry_limit(line, &((ai_entry_tenant_doc_t *) e)->limits);
}


static int
ai_entry_tenant_key_limit(void *e, ai_entry_line_t *line)
{
    return ai_entry_limit(line, &((ai_entry_tenant_doc_t *) e)->key_limits);
}


/* adjustments may have taken more than there was: then it may spend nothing */

static int
ai_entry_tenant_credit(void *e, ai_entry_line_t *line)
{
    ai_entry_tenant_doc_t *doc = e;

    uint64_t  n;
    unsigned  negative;

    negative = line->rest.len && line->rest.data[0] == '-';

    if (negative) {
        line->rest.data++;
        line->rest.len--;
    }

    if (ai_entry_number(line, AI_ENTRY_CREDIT, &n) != AI_OK) {
        return AI_ERROR;
    }

    doc->r.credit = negative ? 0 : (int64_t) n;

    return AI_OK;
}


static const ai_entry_word_t  ai_entry_tenant_words[] = {
    { "plan", ai_entry_tenant_plan, 1 },
    { "state", ai_entry_tenant_state, 1 },
    { "labels", ai_entry_tenant_labels, 1 },
    { "limit", ai_entry_tenant_limit, 0 },
    { "key_limit", ai_entry_tenant_key_limit, 0 },
    { "credit", ai_entry_tenant_credit, 1 },
    { NULL, NULL, 0 }
};


int
ai_entry_pack_tenant(const ai_str_t *name, const ai_str_t *doc, ai_char *out,
    size_t size, size_t *len, const char **why)
{
    ai_buf_t               b;
    ai_entry_tenant_doc_t  e;

    memset(&e, 0, sizeof(e));
    e.r.credit = -1;

    if (!ai_entry_name_ok(name)) {
        *why = "bad name";
        return AI_ERROR;
    }

    if (ai_entry_read(doc, ai_entry_tenant_words, &e, why) != AI_OK) {
        return AI_ERROR;
    }

    if (e.plan.len == 0) {
        *why = "no plan";
        return AI_ERROR;
    }

    ai_owner_id(&e.r.owner, name, NULL);
    e.r.labels = (uint16_t) e.labels.len;
    e.r.plan = (uint8_t) e.plan.len;
    e.r.nlimits = (uint8_t) e.limits.n;
    e.r.nkey_limits = (uint8_t) e.key_limits.n;

    ai_buf_init(&b, out, size);
    ai_buf_put(&b, &e.r, sizeof(e.r));
    ai_entry_put_limits(&b, &e.limits);
    ai_entry_put_limits(&b, &e.key_limits);
    ai_buf_str(&b, &e.plan);
    ai_buf_str(&b, &e.labels);

    return ai_entry_finish(&b, out, 't', len, why);
}


/* ---- plans ---- */

static int
ai_entry_plan_models(void *e, ai_entry_line_t *line)
{
    return ai_entry_models(line, &((ai_entry_plan_doc_t *) e)->patterns);
}


static int
ai_entry_plan_max_output(void *e, ai_entry_line_t *line)
{
    ai_entry_plan_doc_t *doc = e;

    uint64_t  n;

    if (ai_entry_number(line, INT32_MAX, &n) != AI_OK || n == 0) {
        return ai_entry_fail(line, "bad number");
    }

    doc->r.max_output = (uint32_t) n;

    return AI_OK;
}


static int
ai_entry_plan_store_loss(void *e, ai_entry_line_t *line)
{
    return ai_entry_choice(line, "local|closed|open",
                           &((ai_entry_plan_doc_t *) e)->r.store_loss);
}


static int
ai_entry_plan_unbounded(void *e, ai_entry_line_t *line)
{
    ai_entry_plan_doc_t *doc = e;

    if (ai_entry_choice(line, "allow|refuse", &doc->r.unbounded) != AI_OK) {
        return AI_ERROR;
    }

    doc->r.unbounded++;             /* 0 is: not said */

    return AI_OK;
}


static int
ai_entry_plan_on_abort(void *e, ai_entry_line_t *line)
{
    return ai_entry_choice(line, "cancel|drain",
                           &((ai_entry_plan_doc_t *) e)->r.drain);
}


static int
ai_entry_plan_on_revoke(void *e, ai_entry_line_t *line)
{
    return ai_entry_choice(line, "cut|finish",
                           &((ai_entry_plan_doc_t *) e)->r.revoke_finish);
}


static int
ai_entry_plan_priority(void *e, ai_entry_line_t *line)
{
    return ai_entry_choice(line, "best_effort|guaranteed|dedicated",
                           &((ai_entry_plan_doc_t *) e)->r.priority);
}


static int
ai_entry_plan_share(void *e, ai_entry_line_t *line)
{
    ai_entry_plan_doc_t *doc = e;

    uint64_t  n;

    if (ai_entry_number(line, 100, &n) != AI_OK || n == 0) {
        return ai_entry_fail(line, "bad number");
    }

    doc->r.share = (uint32_t) n;

    return AI_OK;
}


/* "queue 50 2000": how many may wait, and for how many milliseconds */

static int
ai_entry_plan_queue(void *e, ai_entry_line_t *line)
{
    ai_entry_plan_doc_t *doc = e;

    uint64_t  n, ms;
    ai_str_t  word;

    if (ai_entry_next(line, &word) != AI_OK
        || ai_entry_digits(&word, AI_ENTRY_QUEUE, &n) != AI_OK || n == 0
        || ai_entry_number(line, AI_ENTRY_QUEUE_MS_MAX, &ms) != AI_OK
        || ms == 0)
    {
        return ai_entry_fail(line, "bad queue");
    }

    doc->r.queue = (uint16_t) n;
    doc->r.queue_ms = (uint16_t) ms;

    return AI_OK;
}


/* "cache 10 3600": what a hit costs, in percent, and for how many seconds it is
   kept, 0 for as long as nginx.conf says */

static int
ai_entry_plan_cache(void *e, ai_entry_line_t *line)
{
    ai_entry_plan_doc_t *doc = e;

    uint64_t  price, ttl;
    ai_str_t  word;

    if (ai_entry_next(line, &word) != AI_OK
        || ai_entry_digits(&word, 100, &price) != AI_OK
        || ai_entry_number(line, INT32_MAX, &ttl) != AI_OK)
    {
        return ai_entry_fail(line, "bad cache");
    }

    doc->r.cache = 1;
    doc->cache.price = (uint8_t) price;
    doc->cache.ttl = (uint32_t) ttl;

    return AI_OK;
}


static int
ai_entry_plan_limit(void *e, ai_entry_line_t *line)
{
    return ai_entry_limit(line, &((ai_entry_plan_doc_t *) e)->limits);
}


static int
ai_entry_plan_key_limit(void *e, ai_entry_line_t *line)
{
    return ai_entry_limit(line, &((ai_entry_plan_doc_t *) e)->key_limits);
}


static const ai_entry_word_t  ai_entry_plan_words[] = {
    { "models", ai_entry_plan_models, 1 },
    { "max_output", ai_entry_plan_max_output, 1 },
    { "on_store_loss", ai_entry_plan_store_loss, 1 },
    { "unbounded", ai_entry_plan_unbounded, 1 },
    { "on_abort", ai_entry_plan_on_abort, 1 },
    { "on_revoke", ai_entry_plan_on_revoke, 1 },
    { "priority", ai_entry_plan_priority, 1 },
    { "share", ai_entry_plan_share, 1 },
    { "queue", ai_entry_plan_queue, 1 },
    { "cache", ai_entry_plan_cache, 1 },
    { "limit", ai_entry_plan_limit, 0 },
    { "key_limit", ai_entry_plan_key_limit, 0 },
    { NULL, NULL, 0 }
};


int
ai_entry_pack_plan(const ai_str_t *doc, ai_char *out, size_t size, size_t *len,
    const char **why)
{
    ai_buf_t             b;
    ai_entry_plan_doc_t  e;

    memset(&e, 0, sizeof(e));

    if (ai_entry_read(doc, ai_entry_plan_words, &e, why) != AI_OK) {
        return AI_ERROR;
    }

    if (e.r.priority == 0 || e.r.share == 0) {
        e.r.priority = 0;
        e.r.share = 0;
    }

    e.r.patterns = (uint32_t) e.patterns.len;
    e.r.nlimits = (uint8_t) e.limits.n;
    e.r.nkey_limits = (uint8_t) e.key_limits.n;

    ai_buf_init(&b, out, size);
    ai_buf_put(&b, &e.r, sizeof(e.r));

    if (e.r.cache) {
        ai_buf_put(&b, &e.cache, sizeof(e.cache));
    }

    ai_entry_put_limits(&b, &e.limits);
    ai_entry_put_limits(&b, &e.key_limits);
    ai_entry_put_patterns(&b, &e.patterns);

    return ai_entry_finish(&b, out, 'p', len, why);
}
