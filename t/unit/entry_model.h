
/*
 * Entries made of bytes, their documents written by snprintf(), and what comes
 * back compared with the entry; and documents written back from a record.
 *
 * CHECK(condition) is the includer's.
 */


#ifndef ENTRY_MODEL_H
#define ENTRY_MODEL_H


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "ai_dir.h"
#include "ai_entry.h"


#define MODEL_DOC  65536


typedef struct {
    const uint8_t   *p;
    const uint8_t   *end;
} model_input_t;

typedef struct {
    size_t           len;
    char             text[MODEL_DOC];
} model_doc_t;

typedef struct {
    unsigned         n;
    ai_limit_t       elts[AI_ENTRY_LIMITS];
} model_limits_t;


static inline unsigned
model_byte(model_input_t *in)
{
    return in->p < in->end ? *in->p++ : 0;
}


static inline uint64_t
model_number(model_input_t *in, uint64_t max)
{
    unsigned  i, n;
    uint64_t  value;

    n = model_byte(in);

    if (n < 128) {
        return n;
    }

    for (i = 0, value = 0; i < 7; i++) {
        value = value << 8 | model_byte(in);
    }

    return n == 255 ? max : value % (max + 1);
}


__attribute__((format(printf, 2, 3))) static inline void
model_print(model_doc_t *doc, const char *fmt, ...)
{
    int      n;
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(doc->text + doc->len, MODEL_DOC - doc->len, fmt, args);
    va_end(args);

    CHECK(n >= 0 && (size_t) n < MODEL_DOC - doc->len);
    doc->len += (size_t) n;
}


static inline void
model_name(model_input_t *in, char *name, unsigned max)
{
    unsigned           i, n;
    static const char  alphabet[] = "abzAZ019._:@-/";

    n = 1 + model_byte(in) % max;

    for (i = 0; i < n; i++) {
        name[i] = alphabet[(i * 5 + n) % (sizeof(alphabet) - 1)];
    }

    name[0] = (char) ('a' + model_byte(in) % 26);
    name[n] = '\0';
}


/* ---- limits ---- */

static inline void
model_print_limits(model_doc_t *doc, const char *word, const ai_limit_t *l,
    unsigned n)
{
    for ( /* void */ ; n; n--, l++) {
        model_print(doc, "%s %s %s %lld %lld\n", word,
                    ai_resource_names[l->resource],
                    l->period == AI_PERIOD_NONE ? "-"
                    : ai_period_names[l->period],
                    (long long) l->amount, (long long) l->burst);
    }
}


static inline void
model_limits(model_input_t *in, model_limits_t *limits)
{
    unsigned     n, r, p, i;
    ai_limit_t  *l;

    memset(limits, 0, sizeof(model_limits_t));
    n = model_byte(in) % 8;
    n = n == 7 ? AI_ENTRY_LIMITS : n;

    while (n--) {
        r = model_byte(in) % AI_RES_N;
        p = r == AI_RES_CONCURRENCY ? AI_PERIOD_NONE : model_byte(in) % 5;

        for (i = 0; i < limits->n; i++) {
            if (limits->elts[i].resource == r && limits->elts[i].period == p) {
                break;
            }
        }

        if (i < limits->n) {
            continue;
        }

        l = &limits->elts[limits->n++];
        l->resource = (uint8_t) r;
        l->period = (uint8_t) p;
        l->amount = (int64_t) model_number(in, AI_LIMIT_MAX);
        l->burst = p < AI_PERIOD_BUCKETS
                   ? 1 + (int64_t) model_number(in, AI_LIMIT_MAX - 1) : 0;
    }
}


static inline void
model_compare_limits(const model_limits_t *limits, const ai_limit_t *l,
    unsigned n)
{
    CHECK(n == limits->n);
    CHECK(memcmp(l, limits->elts, n * sizeof(ai_limit_t)) == 0);
}


/* ---- packing, into memory of the exact size ---- */

typedef struct {
    ai_char          kind;
    ai_str_t         name;
    size_t           len;
    ai_char         *record;        /* of exactly this length */
    const char      *why;
} model_packed_t;


static inline int
model_pack(model_packed_t *m, const char *text, size_t len)
{
    int              rc;
    size_t           size;
    ai_str_t         doc;
    ai_char         *exact;
    static uint64_t  out[AI_DIR_VALUE_MAX / 8];

    /* a byte behind the document is not read */

    exact = malloc(len + 1);
    memcpy(exact, text, len);
    doc.data = exact;
    doc.len = len;
    exact = realloc(exact, len ? len : 1);
    doc.data = exact;

    m->why = NULL;
    m->record = NULL;
    size = sizeof(out);

    switch (m->kind) {
    case 'k':
        rc = ai_entry_pack_key(&doc, (ai_char *) out, size, &m->len, &m->why);
        break;
    case 't':
        rc = ai_entry_pack_tenant(&m->name, &doc, (ai_char *) out, size,
                                  &m->len, &m->why);
        break;
    case 'p':
        rc = ai_entry_pack_plan(&doc, (ai_char *) out, size, &m->len, &m->why);
        break;
    default:
        rc = ai_entry_pack_price(&doc, (ai_char *) out, size, &m->len,
                                 &m->why);
    }

    free(exact);

    if (rc != AI_OK) {
        CHECK(rc == AI_ERROR && m->why && m->why[0]);
        return rc;
    }

    CHECK(m->len <= sizeof(out));
    m->record = malloc(m->len);
    memcpy(m->record, out, m->len);

    return AI_OK;
}


static inline unsigned
model_is(const ai_str_t *s, const char *text)
{
    return s->len == strlen(text) && memcmp(s->data, text, s->len) == 0;
}


/* ---- generated entries ---- */

static inline void
model_patterns(model_input_t *in, model_doc_t *doc, unsigned n)
{
    char  name[AI_ENTRY_MODEL + 1];

    model_print(doc, "models");

    while (n--) {
        model_name(in, name, AI_ENTRY_MODEL);
        model_print(doc, " %s", name);
    }

    model_print(doc, "\n");
}


static inline void
model_compare_patterns(const ai_str_t *patterns, const char *line)
{
    size_t    at, n;
    ai_str_t  s;

    line += strlen("models");

    for (at = 0; ai_entry_pattern(patterns, &at, &s) == AI_OK; line += n) {
        CHECK(*line++ == ' ');
        n = strcspn(line, " \n");
        CHECK(s.len == n && memcmp(s.data, line, n) == 0);
    }

    CHECK(at == patterns->len);
    CHECK(*line == '\n');
}


static inline void
model_key(model_input_t *in)
{
    char             tenant[65], name[65];
    size_t           models;
    unsigned         n;
    uint64_t         expires;
    model_doc_t     *doc;
    ai_owner_id_t    owner;
    model_limits_t   limits;
    ai_entry_key_t   e;
    model_packed_t   m = { .kind = 'k' };

    doc = malloc(sizeof(model_doc_t));
    doc->len = 0;

    model_name(in, tenant, 64);
    model_name(in, name, 64);
    model_limits(in, &limits);
    expires = model_number(in, AI_LIMIT_MAX);
    n = model_byte(in) % 70;

    if (expires) {
        model_print(doc, "expires %llu\n", (unsigned long long) expires);
    }

    model_print_limits(doc, "limit", limits.elts, limits.n);
    model_print(doc, "future word that nobody knows\ntenant %s\n", tenant);
    models = doc->len;

    if (n < 64) {
        model_patterns(in, doc, n);
    }

    model_print(doc, "name %s%s", name, n & 1 ? "\n" : "");

    CHECK(model_pack(&m, doc->text, doc->len) == AI_OK);
    CHECK(ai_entry_key(m.record, m.len, &e) == AI_OK);

    CHECK(model_is(&e.tenant, tenant) && model_is(&e.name, name));
    CHECK(e.expires == expires && e.models == (n < 64));
    model_compare_limits(&limits, e.limits, e.nlimits);

    if (e.models) {
        model_compare_patterns(&e.patterns, doc->text + models);
    }

    ai_owner_id(&owner, &(ai_str_t) { strlen(tenant), (ai_char *) tenant },
                &(ai_str_t) { strlen(name), (ai_char *) name });
    CHECK(memcmp(&owner, &e.owner, sizeof(owner)) == 0);

    free(m.record);
    free(doc);
}


static inline void
model_tenant(model_input_t *in)
{
    char               name[65], plan[65], labels[80];
    int64_t            credit;
    unsigned           n;
    model_doc_t       *doc;
    ai_owner_id_t      owner;
    model_limits_t     limits, key_limits;
    ai_entry_tenant_t  e;
    model_packed_t     m = { .kind = 't' };

    doc = malloc(sizeof(model_doc_t));
    doc->len = 0;

    model_name(in, name, 64);
    model_name(in, plan, 64);
    model_limits(in, &limits);
    model_limits(in, &key_limits);
    n = model_byte(in);

    credit = n & 1 ? (int64_t) model_number(in, (uint64_t) 1 << 62) : -1;
    snprintf(labels, sizeof(labels), "{\"team a\": \"%s\"}", plan);

    model_print_limits(doc, "limit", limits.elts, limits.n);
    model_print(doc, "plan %s\n", plan);
    model_print_limits(doc, "key_limit", key_limits.elts, key_limits.n);

    if (n & 2) {
        model_print(doc, "labels %s\n", labels);
    }

    if (n & 12) {
        model_print(doc, "state %s\n", n & 4 ? "suspended" : "active");
    }

    if (n & 1) {
        model_print(doc, "credit %s%lld\n", n & 16 ? "-" : "",
                    (long long) credit);
        credit = n & 16 ? 0 : credit;
    }

    m.name.data = (ai_char *) name;
    m.name.len = strlen(name);

    CHECK(model_pack(&m, doc->text, doc->len) == AI_OK);
    CHECK(ai_entry_tenant(m.record, m.len, &e) == AI_OK);

    CHECK(model_is(&e.plan, plan));
    CHECK(model_is(&e.labels, n & 2 ? labels : ""));
    CHECK(e.credit == credit && e.suspended == (n >> 2 & 1));
    model_compare_limits(&limits, e.limits, e.nlimits);
    model_compare_limits(&key_limits, e.key_limits, e.nkey_limits);

    ai_owner_id(&owner, &m.name, NULL);
    CHECK(memcmp(&owner, &e.owner, sizeof(owner)) == 0);

    free(m.record);
    free(doc);
}


static inline void
model_plan(model_input_t *in)
{
    unsigned          n, k;
    uint64_t          max, share;
    model_doc_t      *doc;
    model_limits_t    limits, key_limits;
    ai_entry_plan_t   e;
    model_packed_t    m = { .kind = 'p' };

    static const char *const  losses[] = { "local", "closed", "open" };
    static const char *const  classes[] = {
        "best_effort", "guaranteed", "dedicated"
    };

    doc = malloc(sizeof(model_doc_t));
    doc->len = 0;

    n = model_byte(in);
    k = model_byte(in);
    max = 1 + model_number(in, INT32_MAX - 1);
    share = 1 + model_number(in, 99) % 100;

    model_patterns(in, doc, k % 60);
    model_limits(in, &limits);
    model_limits(in, &key_limits);

    if (k & 4) {
        model_print(doc, "queue %u %u\n", 1 + n * 39, 1 + k * 235);
    }

    if (k & 8) {
        model_print(doc, "cache %u %u\n", n % 101, k << 23);
    }

    model_print(doc, "max_output %llu\nshare %llu\n", (unsigned long long) max,
                (unsigned long long) share);
    model_print(doc, "on_store_loss %s\npriority %s\n", losses[n % 3],
                classes[n / 3 % 3]);

    if (n & 64) {
        model_print(doc, "unbounded %s\n", n & 128 ? "refuse" : "allow");
    }

    model_print(doc, "on_abort %s\non_revoke %s\n", k & 1 ? "drain" : "cancel",
                k & 2 ? "finish" : "cut");
    model_print_limits(doc, "key_limit", key_limits.elts, key_limits.n);
    model_print_limits(doc, "limit", limits.elts, limits.n);

    CHECK(model_pack(&m, doc->text, doc->len) == AI_OK);
    CHECK(ai_entry_plan(m.record, m.len, &e) == AI_OK);

    CHECK(e.max_output == max && e.share == (n / 3 % 3 ? share : 0));
    CHECK(e.cache == (k >> 3 & 1));
    CHECK(e.cache_price == (k & 8 ? n % 101 : 0));
    CHECK(e.cache_ttl == (k & 8 ? k << 23 : 0));
    CHECK(e.queue == (k & 4 ? 1 + n * 39 : 0));
    CHECK(e.queue_ms == (k & 4 ? 1 + k * 235 : 0));
    CHECK(e.store_loss == n % 3 && e.priority == n / 3 % 3);
    CHECK(e.unbounded == (n & 64 ? 1 + (n >> 7) : 0));
    CHECK(e.drain == (k & 1) && e.revoke_finish == (k >> 1 & 1));
    model_compare_patterns(&e.patterns, doc->text);
    model_compare_limits(&limits, e.limits, e.nlimits);
    model_compare_limits(&key_limits, e.key_limits, e.nkey_limits);

    free(m.record);
    free(doc);
}


static inline void
model_price(model_input_t *in)
{
    int64_t           units[AI_UNIT_N], write;
    uint64_t          n, input, output;
    unsigned          i, lines;
    ai_price_t        e, all;
    model_doc_t      *doc;
    ai_price_line_t  *l;
    model_packed_t    m = { .kind = 'm' };

    static const char *const  tiers[] = {
        "standard", "flex", "priority", "batch", "fast"
    };
    static const char *const  names[] = {
        "web_search", "web_fetch", "audio_second", "character", "image",
        "request"
    };

    doc = malloc(sizeof(model_doc_t));
    doc->len = 0;

    lines = 1 + model_byte(in) % AI_ENTRY_LINES;
    all.lines = calloc(lines, sizeof(ai_price_line_t));
    all.nlines = lines;

    for (i = 0; i < lines; i++) {
        l = &all.lines[i];
        l->tier = (uint8_t) (i % AI_TIER_N);
        l->above = i < AI_TIER_N ? 0 : i;
        l->from = model_number(in, AI_LIMIT_MAX);
        input = model_number(in, AI_LIMIT_MAX);
        output = model_number(in, AI_LIMIT_MAX);
        write = -1;

        model_print(doc, "price %s %llu %llu input=%llu output=%llu",
                    tiers[l->tier], (unsigned long long) l->above,
                    (unsigned long long) l->from, (unsigned long long) input,
                    (unsigned long long) output);

        l->price[AI_CLASS_INPUT] = (int64_t) input;
        l->price[AI_CLASS_OUTPUT] = (int64_t) output;
        l->given = 1u << AI_CLASS_INPUT | 1u << AI_CLASS_OUTPUT;

        if (input & 1) {
            n = model_number(in, AI_LIMIT_MAX);
            model_print(doc, " cache_read=%llu", (unsigned long long) n);
            l->price[AI_CLASS_CACHE_READ] = (int64_t) n;
            l->given |= 1u << AI_CLASS_CACHE_READ;
        }

        if (output & 1) {
            write = (int64_t) model_number(in, AI_LIMIT_MAX);
            model_print(doc, " cache_write=%lld", (long long) write);
        }

        model_print(doc, "\n");
        CHECK(ai_price_line_fill(l, write) == AI_OK);
    }

    for (i = 0; i < AI_UNIT_N; i++) {
        units[i] = -1;

        if (model_byte(in) & 1) {
            units[i] = (int64_t) model_number(in, AI_LIMIT_MAX);
            model_print(doc, "unit %s=%lld\n", names[i],
                        (long long) units[i]);
        }
    }

    memcpy(all.units, units, sizeof(units));

    CHECK(model_pack(&m, doc->text, doc->len) == AI_OK);
    CHECK(ai_entry_price(m.record, m.len, &e) == AI_OK);

    CHECK(e.nlines == lines);
    CHECK(memcmp(e.units, units, sizeof(units)) == 0);
    CHECK(e.version == ai_price_version(&all));
    CHECK(e.version == ai_price_version(&e));
    CHECK(memcmp(e.lines, all.lines, lines * sizeof(ai_price_line_t)) == 0);

    free(all.lines);
    free(m.record);
    free(doc);
}


/* ---- any record: what it says is within bounds, and lies inside of it ---- */

static inline void
model_inside(const ai_char *record, size_t len, const void *p, size_t n)
{
    CHECK((const ai_char *) p >= record);
    CHECK((const ai_char *) p + n <= record + len);
}


static inline void
model_sound_limits(const ai_char *record, size_t len, const ai_limit_t *l,
    unsigned n)
{
    model_inside(record, len, l, n * sizeof(ai_limit_t));

    for ( /* void */ ; n; n--, l++) {
        CHECK(l->resource < AI_RES_N && l->period <= AI_PERIOD_NONE);
        CHECK(l->amount >= 0 && l->amount <= AI_LIMIT_MAX);
        CHECK(l->burst >= 0 && l->burst <= AI_LIMIT_MAX);
    }
}


static inline void
model_sound_patterns(const ai_char *record, size_t len, const ai_str_t *s)
{
    size_t    at;
    ai_str_t  pattern;

    model_inside(record, len, s->data, s->len);

    for (at = 0; ai_entry_pattern(s, &at, &pattern) == AI_OK; /* void */ ) {
        model_inside(s->data, s->len, pattern.data, pattern.len);
    }
}


static inline void
model_sound(const ai_char *r, size_t len)
{
    unsigned           i;
    ai_price_t         price;
    ai_entry_key_t     key;
    ai_entry_plan_t    plan;
    ai_entry_tenant_t  tenant;

    if (ai_entry_key(r, len, &key) == AI_OK) {
        model_inside(r, len, key.tenant.data, key.tenant.len);
        model_inside(r, len, key.name.data, key.name.len);
        model_sound_limits(r, len, key.limits, key.nlimits);
        model_sound_patterns(r, len, &key.patterns);
    }

    if (ai_entry_tenant(r, len, &tenant) == AI_OK) {
        model_inside(r, len, tenant.plan.data, tenant.plan.len);
        model_inside(r, len, tenant.labels.data, tenant.labels.len);
        model_sound_limits(r, len, tenant.limits, tenant.nlimits);
        model_sound_limits(r, len, tenant.key_limits, tenant.nkey_limits);
        CHECK(tenant.credit >= -1);
    }

    if (ai_entry_plan(r, len, &plan) == AI_OK) {
        model_sound_limits(r, len, plan.limits, plan.nlimits);
        model_sound_limits(r, len, plan.key_limits, plan.nkey_limits);
        model_sound_patterns(r, len, &plan.patterns);
        CHECK(plan.store_loss < 3 && plan.unbounded < 3 && plan.priority < 3);
        CHECK(plan.cache_price <= 100 && plan.cache_ttl <= INT32_MAX);
    }

    if (ai_entry_price(r, len, &price) == AI_OK) {
        model_inside(r, len, price.lines,
                     price.nlines * sizeof(ai_price_line_t));

        for (i = 0; i < price.nlines; i++) {
            CHECK(price.lines[i].tier < AI_TIER_N);
        }
    }
}


#endif /* ENTRY_MODEL_H */
