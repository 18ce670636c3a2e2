
/*
 * What the directory's records hold: documents of the feed, packed.
 *
 * A document is text of lines "word value...\n" (unknown words are passed
 * over, so that an older gateway reads a newer schema).  It is packed once,
 * when it comes; a request unpacks it into memory of its own.  A packed record
 * is trusted no more than a document: unpacking checks every length.
 */


#ifndef AI_ENTRY_H
#define AI_ENTRY_H


#include "ai_book.h"
#include "ai_key.h"
#include "ai_limit.h"
#include "ai_price.h"


AI_HIDDEN_BEGIN


#define AI_ENTRY_VERSION   1        /* of packed records */

#define AI_ENTRY_NAME      64       /* bytes of a name */
#define AI_ENTRY_MODEL     128      /* of a model's name, or a pattern */
#define AI_ENTRY_LIMITS    24       /* of one list */
#define AI_ENTRY_PATTERNS  256
#define AI_ENTRY_LABELS    256      /* bytes of JSON */
#define AI_ENTRY_LINES     64       /* of a model's prices */

#define AI_ENTRY_QUEUE         10000    /* of a plan: who may wait */
#define AI_ENTRY_QUEUE_MS      2000     /* for so long, unless it says */
#define AI_ENTRY_QUEUE_MS_MAX  60000


typedef struct {
    ai_str_t         tenant;
    ai_str_t         name;
    uint64_t         expires;       /* seconds; 0: never */
    unsigned         models;        /* 1: the patterns hold, none lets no model
                                       pass; 0: as the plan */
    ai_str_t         patterns;      /* packed; ai_entry_pattern() */
    unsigned         nlimits;
    const ai_limit_t *limits;
    ai_owner_id_t    owner;         /* of tenant and name */
} ai_entry_key_t;

typedef struct {
    ai_str_t         plan;
    ai_str_t         labels;        /* JSON object, "": an empty one */
    unsigned         nlimits;
    const ai_limit_t *limits;
    unsigned         nkey_limits;   /* of each of its keys */
    const ai_limit_t *key_limits;
    int64_t          credit;        /* nano-dollars it may spend in all; -1:
                                       not prepaid */
    ai_owner_id_t    owner;
    unsigned         suspended:1;
} ai_entry_tenant_t;

typedef struct {
    ai_str_t         patterns;
    unsigned         nlimits;
    const ai_limit_t *limits;
    unsigned         nkey_limits;
    const ai_limit_t *key_limits;
    uint32_t         max_output;    /* 0: not set */
    uint32_t         share;
    uint32_t         queue;         /* who may wait for a slot; 0: nobody */
    uint32_t         queue_ms;      /* and for how long */
    uint32_t         cache_price;   /* of a hit, percent */
    uint32_t         cache_ttl;     /* seconds; 0: as the location says */
    unsigned         store_loss:2;  /* as ngx_http_ai_plan_t */
    unsigned         unbounded:2;
    unsigned         drain:1;
    unsigned         priority:2;
    unsigned         revoke_finish:1;
    unsigned         cache:1;
} ai_entry_plan_t;

/* A record of AI_DIR_SPEND is an ai_base_t, as it is. */


/*
 * Packs a document into "out" (of "size" bytes), *len long; "name" is the
 * record's name, of which the owner's id is made.  AI_OK; AI_ERROR: *why is a
 * static text ("bad limit", "too many patterns", ...).
 *
 * Words of a line are parted by one blank.  Numbers are digits alone, up to
 * AI_LIMIT_MAX (credits: 2^62, and a negative one counts as 0).  A limit, a
 * price or a word that has one value is given once.  A bucket's burst of 0 is
 * its amount.  A plan of best effort has no share, and one without a share is
 * of best effort, whatever it says.  Prices need a line without a threshold for
 * each tier they name and for the standard one.
 */
int ai_entry_pack_key(const ai_str_t *doc, ai_char *out, size_t size,
    size_t *len, const char **why);
int ai_entry_pack_tenant(const ai_str_t *name, const ai_str_t *doc,
    ai_char *out, size_t size, size_t *len, const char **why);
int ai_entry_pack_plan(const ai_str_t *doc, ai_char *out, size_t size,
    size_t *len, const char **why);
int ai_entry_pack_price(const ai_str_t *doc, ai_char *out, size_t size,
    size_t *len, const char **why);

/* unpacking points into the record (8-byte aligned), which must stay;
   AI_ERROR: it is not such a record */
int ai_entry_key(const ai_char *record, size_t len, ai_entry_key_t *e);
int ai_entry_tenant(const ai_char *record, size_t len, ai_entry_tenant_t *e);
int ai_entry_plan(const ai_char *record, size_t len, ai_entry_plan_t *e);

/* lines point into the record; filled and with its version */
int ai_entry_price(const ai_char *record, size_t len, ai_price_t *price);

/* the alphabet of nginx.conf and of the schema: names of tenants, keys and
   plans; names of models */
unsigned ai_entry_name_ok(const ai_str_t *name);
unsigned ai_entry_model_ok(const ai_str_t *name);

/* walks packed patterns: *at is 0 to begin; AI_DECLINED at the end */
int ai_entry_pattern(const ai_str_t *patterns, size_t *at, ai_str_t *pattern);


AI_HIDDEN_END


#endif /* AI_ENTRY_H */
