
/*
 * Prices of a model: the document packed, and the record unpacked.
 */


#include "ai_entry_int.h"


_Static_assert(sizeof(ai_entry_price_head_t) % 8 == 0, "lines are aligned");


typedef struct {
    ai_entry_price_head_t  r;
    ai_price_line_t        lines[AI_ENTRY_LINES];
} ai_entry_price_doc_t;


/* "WORD=NUMBER"; *name is its word */

static int
ai_entry_pair(const ai_str_t *s, ai_str_t *name, uint64_t *n)
{
    ai_str_t        value;
    const ai_char  *eq;

    eq = s->len ? memchr(s->data, '=', s->len) : NULL;

    if (eq == NULL) {
        return AI_ERROR;
    }

    name->data = s->data;
    name->len = (size_t) (eq - s->data);
    value.data = s->data + name->len + 1;
    value.len = s->len - name->len - 1;

    return ai_entry_digits(&value, AI_LIMIT_MAX, n);
}


/* TIER ABOVE FROM_SECONDS */

static int
ai_entry_price_when(ai_entry_line_t *line, ai_price_line_t *l)
{
    unsigned  i;
    ai_str_t  word[3];

    static const char *const  tiers[AI_TIER_N] = {
        "standard", "flex", "priority", "batch", "fast"
    };

    for (i = 0; i < 3; i++) {
        if (ai_entry_next(line, &word[i]) != AI_OK) {
            return AI_ERROR;
        }
    }

    for (i = 0; i < AI_TIER_N; i++) {
        if (word[0].len == strlen(tiers[i])
            && memcmp(word[0].data, tiers[i], word[0].len) == 0)
        {
            break;
        }
    }

    if (i == AI_TIER_N
        || ai_entry_digits(&word[1], AI_LIMIT_MAX, &l->above) != AI_OK
        || ai_entry_digits(&word[2], AI_LIMIT_MAX, &l->from) != AI_OK)
    {
        return AI_ERROR;
    }

    l->tier = (uint8_t) i;

    return AI_OK;
}


static int
ai_entry_price_line(ai_entry_line_t *line, ai_price_line_t *l)
{
    int       class;
    int64_t   write;
    ai_str_t  word, name;
    uint64_t  n;

    memset(l, 0, sizeof(ai_price_line_t));
    write = -1;

    if (ai_entry_price_when(line, l) != AI_OK) {
        return AI_ERROR;
    }

    while (ai_entry_next(line, &word) == AI_OK) {

        if (ai_entry_pair(&word, &name, &n) != AI_OK) {
            return AI_ERROR;
        }

        class = ai_price_class(&name);

        if (class == AI_CLASS_N && write == -1) {
            write = (int64_t) n;
            continue;
        }

        if (class < 0 || class == AI_CLASS_N || (l->given & 1u << class)) {
            return AI_ERROR;
        }

        l->given |= (uint16_t) (1u << class);
        l->price[class] = (int64_t) n;
    }

    return ai_price_line_fill(l, write);
}


static int
ai_entry_price_price(void *e, ai_entry_line_t *line)
{
    ai_entry_price_doc_t *doc = e;

    unsigned         i;
    ai_price_line_t  l, *have;

    if (ai_entry_price_line(line, &l) != AI_OK) {
        return ai_entry_fail(line, "bad price");
    }

    for (i = 0; i < doc->r.nlines; i++) {
        have = &doc->lines[i];

        if (have->tier == l.tier && have->above == l.above
            && have->from == l.from)
        {
            return ai_entry_fail(line, "duplicate price");
        }
    }

    if (doc->r.nlines == AI_ENTRY_LINES) {
        return ai_entry_fail(line, "too many prices");
    }

    doc->lines[doc->r.nlines++] = l;

    return AI_OK;
}


static int
ai_entry_price_unit(void *e, ai_entry_line_t *line)
{
    ai_entry_price_doc_t *doc = e;

    int       unit;
    ai_str_t  word, name;
    uint64_t  n;

    while (ai_entry_next(line, &word) == AI_OK) {

        unit = ai_entry_pair(&word, &name, &n) == AI_OK
               ? ai_price_unit(&name) : AI_DECLINED;

        if (unit < 0 || doc->r.units[unit] != -1) {
            return ai_entry_fail(line, "bad unit");
        }

        doc->r.units[unit] = (int64_t) n;
    }

    return AI_OK;
}


static const ai_entry_word_t  ai_entry_price_words[] = {
    { "price", ai_entry_price_price, 0 },
    { "unit", ai_entry_price_unit, 0 },
    { NULL, NULL, 0 }
};


/* each tier, and the standard one, needs a line for any input: else some
   request would meet no price, and cost nothing */

static unsigned
ai_entry_price_whole(const ai_entry_price_doc_t *e)
{
    unsigned  i, named, plain;

    named = 1u << AI_TIER_STANDARD;
    plain = 0;

    for (i = 0; i < e->r.nlines; i++) {
        named |= 1u << e->lines[i].tier;

        if (e->lines[i].above == 0) {
            plain |= 1u << e->lines[i].tier;
        }
    }

    return plain == named;
}


int
ai_entry_pack_price(const ai_str_t *doc, ai_char *out, size_t size,
    size_t *len, const char **why)
{
    unsigned              i;
    ai_price_t            price;
    ai_entry_price_doc_t  e;

    memset(&e, 0, sizeof(e));

    for (i = 0; i < AI_UNIT_N; i++) {
        e.r.units[i] = -1;
    }

    if (ai_entry_read(doc, ai_entry_price_words, &e, why) != AI_OK) {
        return AI_ERROR;
    }

    if (!ai_entry_price_whole(&e)) {
        *why = "no price without a threshold";
        return AI_ERROR;
    }

    *len = sizeof(e.r) + e.r.nlines * sizeof(ai_price_line_t);

    if (*len > size) {
        *why = "too long";
        return AI_ERROR;
    }

    price.lines = e.lines;
    price.nlines = e.r.nlines;
    memcpy(price.units, e.r.units, sizeof(price.units));

    e.r.version = ai_price_version(&price);
    e.r.head.kind = 'm';
    e.r.head.version = AI_ENTRY_VERSION;
    e.r.head.len = (uint32_t) *len;

    memcpy(out, &e.r, sizeof(e.r));
    memcpy(out + sizeof(e.r), e.lines, *len - sizeof(e.r));

    return AI_OK;
}


int
ai_entry_price(const ai_char *record, size_t len, ai_price_t *price)
{
    unsigned                      i;
    const ai_entry_price_head_t  *r;

    if (ai_entry_check(record, len, 'm', sizeof(*r)) != AI_OK) {
        return AI_ERROR;
    }

    r = (const void *) record;

    if (r->nlines > AI_ENTRY_LINES
        || len != sizeof(*r) + r->nlines * sizeof(ai_price_line_t))
    {
        return AI_ERROR;
    }

    price->lines = (ai_price_line_t *) (uintptr_t) (record + sizeof(*r));
    price->nlines = r->nlines;
    price->version = r->version;
    memcpy(price->units, r->units, sizeof(price->units));

    for (i = 0; i < price->nlines; i++) {
        if (price->lines[i].tier >= AI_TIER_N) {
            return AI_ERROR;
        }
    }

    return AI_OK;
}
