
/*
 * Prices and the cost of a usage record, in integer nano-dollars.
 */


#ifndef AI_PRICE_H
#define AI_PRICE_H


#include "ai_usage.h"


/* tiers of the "price" directive; AI_TIER_STANDARD is a line without tier= */

typedef enum {
    AI_TIER_STANDARD = 0,
    AI_TIER_FLEX,
    AI_TIER_PRIORITY,
    AI_TIER_BATCH,
    AI_TIER_FAST,
    AI_TIER_N
} ai_tier_t;


/* one "price" line, its missing classes filled by ai_price_line_fill() */

typedef struct {
    int64_t          price[AI_CLASS_N]; /* nano-dollars per million tokens */
    uint16_t         given;             /* mask of the classes that it names */
    uint8_t          tier;              /* ai_tier_t */
    uint64_t         above;             /* holds for more input than this */
    uint64_t         from;              /* holds from then, seconds, UTC */
} ai_price_line_t;

typedef struct {
    ai_price_line_t *lines;
    unsigned         nlines;
    int64_t          units[AI_UNIT_N];  /* nano-dollars per unit; -1: none */
    uint32_t         version;           /* ai_price_version() */
} ai_price_t;


/* index of a word of "price" ("input", "cache_read", "cache_write_5m", ...;
   "cache_write" is AI_CLASS_N: every write class not named) or AI_DECLINED */
int ai_price_class(const ai_str_t *name);

/* index of a word of "unit" ("web_search", "web_fetch", "audio_second",
   "character", "image", "request") or AI_DECLINED */
int ai_price_unit(const ai_str_t *name);

/* tier of a provider's word ("default", "standard", "auto", "on_demand",
   "ON_DEMAND", ... are AI_TIER_STANDARD; "fast" and "priority" apart) or
   AI_DECLINED for a word that nobody knows */
int ai_price_tier(const ai_char *name, size_t len);

/*
 * Fills the classes that a line does not name: input_image and input_audio ->
 * input; cache_read -> input; cache_write_* -> cache_write (given as "write",
 * -1 if not) -> input; output_audio and output_image -> output.
 * AI_ERROR: neither input nor output is named.
 */
int ai_price_line_fill(ai_price_line_t *line, int64_t write);

/* CRC-32 over all lines and units: the row's price_version */
uint32_t ai_price_version(const ai_price_t *p);

/*
 * The line that holds: of the tier (or the standard one where the tier has no
 * line: *fallback is set), begun at "now" (seconds, UTC), the highest "above"
 * that input_tokens exceeds, the latest "from" among those.  NULL: no line has
 * begun yet.
 */
const ai_price_line_t *ai_price_pick(const ai_price_t *p, ai_tier_t tier,
    uint64_t input_tokens, uint64_t now, unsigned *fallback);

/*
 * Adds classes (and units, may be NULL) to a sum in millionths of a
 * nano-dollar.  AI_ERROR on overflow of 2^63 nano-dollars.
 */
typedef struct {
    uint64_t         hi;
    uint64_t         lo;
} ai_cost_t;

int ai_cost_add(ai_cost_t *sum, const ai_price_t *p,
    const ai_price_line_t *line, const uint64_t classes[AI_CLASS_N],
    const uint64_t units[AI_UNIT_N]);

/* nano-dollars, rounded half up, once; INT64_MAX when it does not fit */
int64_t ai_cost_round(const ai_cost_t *sum);

/* the same of a part: percent, 0 to 100 */
int64_t ai_cost_part(const ai_cost_t *sum, unsigned percent);

/*
 * The dearest input and output price (over classes, thresholds and tiers
 * begun or beginning within a day): what a hold is made of.
 */
void ai_price_dearest(const ai_price_t *p, uint64_t now, int64_t *input,
    int64_t *output);


#endif /* AI_PRICE_H */
