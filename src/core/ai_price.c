
/*
 * Prices: integers all the way, rounded once.
 */


#include "ai_price.h"


__extension__ typedef unsigned __int128  ai_uint128_t;

#define AI_PRICE_DAY       86400
#define AI_PRICE_MILLION   1000000

/* INT64_MAX nano-dollars in millionths */
#define AI_COST_MAX  ((ai_uint128_t) INT64_MAX * AI_PRICE_MILLION)


static unsigned ai_price_newer(const ai_price_line_t *line,
    const ai_price_line_t *than);
static const ai_price_line_t *ai_price_find(const ai_price_t *p,
    unsigned tier, uint64_t input_tokens, uint64_t now);
static unsigned ai_price_superseded(const ai_price_t *p,
    const ai_price_line_t *line, uint64_t now);
static uint32_t ai_price_crc(uint32_t crc, uint64_t n);


static const char *const  ai_price_units[AI_UNIT_N] = {
    "web_search",
    "web_fetch",
    "audio_second",
    "character",
    "image",
    "request"
};

static const struct {
    const char  *word;
    uint8_t      tier;
} ai_price_tiers[] = {
    { "default", AI_TIER_STANDARD },
    { "standard", AI_TIER_STANDARD },
    { "auto", AI_TIER_STANDARD },
    { "on_demand", AI_TIER_STANDARD },
    { "ON_DEMAND", AI_TIER_STANDARD },
    { "STANDARD", AI_TIER_STANDARD },
    { "standard_only", AI_TIER_STANDARD },
    { "scale", AI_TIER_STANDARD },
    { "PROVISIONED_THROUGHPUT", AI_TIER_STANDARD },
    { "flex", AI_TIER_FLEX },
    { "FLEX", AI_TIER_FLEX },
    { "ON_DEMAND_FLEX", AI_TIER_FLEX },
    { "priority", AI_TIER_PRIORITY },
    { "PRIORITY", AI_TIER_PRIORITY },
    { "ON_DEMAND_PRIORITY", AI_TIER_PRIORITY },
    { "batch", AI_TIER_BATCH },
    { "fast", AI_TIER_FAST }
};


int
ai_price_class(const ai_str_t *name)
{
    int  i;

    if (ai_str_is(name, "cache_write")) {
        return AI_CLASS_N;
    }

    for (i = 0; i < AI_CLASS_N; i++) {

        if (name->len == strlen(ai_class_names[i])
            && memcmp(name->data, ai_class_names[i], name->len) == 0)
        {
            return i;
        }
    }

    return AI_DECLINED;
}


int
ai_price_unit(const ai_str_t *name)
{
    int  i;

    for (i = 0; i < AI_UNIT_N; i++) {

        if (name->len == strlen(ai_price_units[i])
            && memcmp(name->data, ai_price_units[i], name->len) == 0)
        {
            return i;
        }
    }

    return AI_DECLINED;
}


int
ai_price_tier(const ai_char *name, size_t len)
{
    size_t  i, n;

    n = sizeof(ai_price_tiers) / sizeof(ai_price_tiers[0]);

    if (len == 0) {
        return AI_TIER_STANDARD;
    }

    for (i = 0; i < n; i++) {

        if (len == strlen(ai_price_tiers[i].word)
            && memcmp(name, ai_price_tiers[i].word, len) == 0)
        {
            return ai_price_tiers[i].tier;
        }
    }

    return AI_DECLINED;
}


int
ai_price_line_fill(ai_price_line_t *line, int64_t write)
{
    int       i;
    int64_t   to, *price;
    unsigned  given;

    price = line->price;
    given = line->given;

    if (!(given & (1u << AI_CLASS_INPUT | 1u << AI_CLASS_OUTPUT))) {
        return AI_ERROR;
    }

    /* embeddings have no output, speech may have no input */

    if (!(given & 1u << AI_CLASS_INPUT)) {
        price[AI_CLASS_INPUT] = 0;
    }

    if (!(given & 1u << AI_CLASS_OUTPUT)) {
        price[AI_CLASS_OUTPUT] = 0;
    }

    for (i = 0; i < AI_CLASS_N; i++) {

        if (given & 1u << i) {
            continue;
        }

        if (i >= AI_CLASS_OUTPUT) {
            to = price[AI_CLASS_OUTPUT];

        } else if (i >= AI_CLASS_CACHE_WRITE_5M && write >= 0) {
            to = write;

        } else {
            to = price[AI_CLASS_INPUT];
        }

        price[i] = to;
    }

    return AI_OK;
}


uint32_t
ai_price_version(const ai_price_t *p)
{
    uint32_t                crc;
    unsigned                i, k;
    const ai_price_line_t  *line;

    crc = 0;

    for (i = 0; i < p->nlines; i++) {
        line = &p->lines[i];

        for (k = 0; k < AI_CLASS_N; k++) {
            crc = ai_price_crc(crc, (uint64_t) line->price[k]);
        }

        crc = ai_price_crc(crc, line->tier);
        crc = ai_price_crc(crc, line->above);
        crc = ai_price_crc(crc, line->from);
    }

    for (k = 0; k < AI_UNIT_N; k++) {
        crc = ai_price_crc(crc, (uint64_t) p->units[k]);
    }

    return crc;
}


/* the same on every machine, whatever its byte order and padding */

static uint32_t
ai_price_crc(uint32_t crc, uint64_t n)
{
    unsigned  i;
    ai_char   bytes[8];

    for (i = 0; i < 8; i++) {
        bytes[i] = (ai_char) (n >> 8 * i);
    }

    return ai_crc32(crc, bytes, sizeof(bytes));
}


const ai_price_line_t *
ai_price_pick(const ai_price_t *p, ai_tier_t tier, uint64_t input_tokens,
    uint64_t now, unsigned *fallback)
{
    const ai_price_line_t  *line;

    *fallback = 0;

    line = ai_price_find(p, tier, input_tokens, now);

    if (line == NULL && tier != AI_TIER_STANDARD) {
        *fallback = 1;
        line = ai_price_find(p, AI_TIER_STANDARD, input_tokens, now);
    }

    return line;
}


static const ai_price_line_t *
ai_price_find(const ai_price_t *p, unsigned tier, uint64_t input_tokens,
    uint64_t now)
{
    unsigned                i;
    const ai_price_line_t  *line, *best;

    best = NULL;

    for (i = 0; i < p->nlines; i++) {
        line = &p->lines[i];

        if (line->tier != tier || line->from > now
            || (line->above && input_tokens <= line->above))
        {
            continue;
        }

        if (best == NULL || ai_price_newer(line, best)) {
            best = line;
        }
    }

    return best;
}


/* of two that hold: the higher threshold, then the later date, then the later
   line */

static unsigned
ai_price_newer(const ai_price_line_t *line, const ai_price_line_t *than)
{
    if (line->above != than->above) {
        return line->above > than->above;
    }

    return line->from >= than->from;
}


int
ai_cost_add(ai_cost_t *sum, const ai_price_t *p, const ai_price_line_t *line,
    const uint64_t classes[AI_CLASS_N], const uint64_t units[AI_UNIT_N])
{
    unsigned      i;
    ai_uint128_t  total, add;

    total = (ai_uint128_t) sum->hi << 64 | sum->lo;

    /* 64 by 63 bits: no product is lost, and each is judged before it adds */

    for (i = 0; i < AI_CLASS_N; i++) {

        if (classes[i] == 0 && line->price[i] >= 0) {
            continue;
        }

        add = (ai_uint128_t) classes[i] * (uint64_t) line->price[i];

        if (line->price[i] < 0 || add > AI_COST_MAX
            || total + add > AI_COST_MAX)
        {
            return AI_ERROR;
        }

        total += add;
    }

    for (i = 0; units && i < AI_UNIT_N; i++) {

        if (p->units[i] <= 0) {
            continue;
        }

        /* units are counted in millionths, like tokens under a price */

        add = (ai_uint128_t) units[i] * (uint64_t) p->units[i];

        if (add > AI_COST_MAX || total + add > AI_COST_MAX) {
            return AI_ERROR;
        }

        total += add;
    }

    sum->hi = (uint64_t) (total >> 64);
    sum->lo = (uint64_t) total;

    return AI_OK;
}


int64_t
ai_cost_round(const ai_cost_t *sum)
{
    return ai_cost_part(sum, 100);
}


int64_t
ai_cost_part(const ai_cost_t *sum, unsigned percent)
{
    ai_uint128_t  total;

    total = (ai_uint128_t) sum->hi << 64 | sum->lo;

    if (total > AI_COST_MAX) {
        return INT64_MAX;
    }

    /* half of the divisor rounds; 83 by 7 bits */

    return (int64_t) ((total * percent + 50 * AI_PRICE_MILLION)
                      / (100 * AI_PRICE_MILLION));
}


void
ai_price_dearest(const ai_price_t *p, uint64_t now, int64_t *input,
    int64_t *output)
{
    unsigned                i, k;
    int64_t                *dearest;
    const ai_price_line_t  *line;

    *input = 0;
    *output = 0;

    for (i = 0; i < p->nlines; i++) {
        line = &p->lines[i];

        if ((line->from > now && line->from - now > AI_PRICE_DAY)
            || ai_price_superseded(p, line, now))
        {
            continue;
        }

        for (k = 0; k < AI_CLASS_N; k++) {
            dearest = (k < AI_CLASS_OUTPUT) ? input : output;

            if (line->price[k] > *dearest) {
                *dearest = line->price[k];
            }
        }
    }
}


/* a later line of the same kind has begun: this one holds no more */

static unsigned
ai_price_superseded(const ai_price_t *p, const ai_price_line_t *line,
    uint64_t now)
{
    unsigned                i;
    const ai_price_line_t  *other;

    for (i = 0; i < p->nlines; i++) {
        other = &p->lines[i];

        if (other->tier == line->tier && other->above == line->above
            && other->from > line->from && other->from <= now)
        {
            return 1;
        }
    }

    return 0;
}
