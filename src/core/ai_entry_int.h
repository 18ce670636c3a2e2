
/*
 * Packed records, and the documents that they are made of; for
 * src/core/ai_entry*.c.
 *
 * A record is a head of fixed size, its limits (or price lines), and the bytes
 * of its names behind them.  Padding is zero: the same document makes the same
 * bytes.
 */


#ifndef AI_ENTRY_INT_H
#define AI_ENTRY_INT_H


#include "ai_entry.h"


typedef struct {
    uint16_t         kind;          /* the feed's letter */
    uint16_t         version;       /* AI_ENTRY_VERSION */
    uint32_t         len;           /* of the record */
} ai_entry_head_t;

typedef struct {
    ai_entry_head_t  head;
    uint64_t         expires;
    ai_owner_id_t    owner;
    uint32_t         patterns;      /* bytes of each part behind the limits */
    uint8_t          tenant;
    uint8_t          name;
    uint8_t          nlimits;
    uint8_t          models;
} ai_entry_key_head_t;

typedef struct {
    ai_entry_head_t  head;
    int64_t          credit;
    ai_owner_id_t    owner;
    uint16_t         labels;
    uint8_t          plan;
    uint8_t          nlimits;
    uint8_t          nkey_limits;
    uint8_t          suspended;
    uint8_t          pad[2];
} ai_entry_tenant_head_t;

typedef struct {
    ai_entry_head_t  head;
    uint32_t         max_output;
    uint32_t         share;
    uint32_t         patterns;
    uint8_t          nlimits;
    uint8_t          nkey_limits;
    uint8_t          store_loss;
    uint8_t          unbounded;
    uint8_t          drain;
    uint8_t          priority;
    uint8_t          revoke_finish;
    uint8_t          cache;         /* 1: its words are next.  These were
                                       padding once, and so zero */
    uint16_t         queue;
    uint16_t         queue_ms;
} ai_entry_plan_head_t;

/* of a plan with a cache, behind its head */

typedef struct {
    uint32_t         ttl;
    uint8_t          price;
    uint8_t          pad[3];
} ai_entry_plan_cache_t;

typedef struct {
    ai_entry_head_t  head;
    int64_t          units[AI_UNIT_N];
    uint32_t         version;
    uint32_t         nlines;
} ai_entry_price_head_t;


/* ---- documents: each returns AI_OK, or AI_ERROR and sets *why ---- */

typedef struct {
    unsigned         n;
    ai_limit_t       elts[AI_ENTRY_LIMITS];
} ai_entry_limits_t;

typedef struct {
    unsigned         n;
    size_t           len;           /* packed */
    ai_str_t         elts[AI_ENTRY_PATTERNS];   /* in the document */
} ai_entry_patterns_t;

/* a line's words are taken off its front */

typedef struct {
    ai_str_t         rest;
    const char     **why;
} ai_entry_line_t;

/* one word that a kind of document knows */

typedef int (*ai_entry_word_pt)(void *e, ai_entry_line_t *line);

typedef struct {
    const char       *word;
    ai_entry_word_pt  take;
    unsigned          once;
} ai_entry_word_t;

/* reads all lines by a table that ends with a NULL; other words are passed
   over */
int ai_entry_read(const ai_str_t *doc, const ai_entry_word_t *words, void *e,
    const char **why);

/* sets *why and returns AI_ERROR */
int ai_entry_fail(ai_entry_line_t *line, const char *why);

/* AI_DECLINED: there is none left */
int ai_entry_next(ai_entry_line_t *line, ai_str_t *word);

/* the only word that is left */
int ai_entry_name(ai_entry_line_t *line, ai_str_t *name);
int ai_entry_number(ai_entry_line_t *line, uint64_t max, uint64_t *n);

/* "word|word|word": the index of the one that is left */
int ai_entry_choice(ai_entry_line_t *line, const char *words, uint8_t *n);

int ai_entry_limit(ai_entry_line_t *line, ai_entry_limits_t *limits);
int ai_entry_models(ai_entry_line_t *line, ai_entry_patterns_t *patterns);

/* digits alone, "max" at most */
int ai_entry_digits(const ai_str_t *s, uint64_t max, uint64_t *n);


/* whether a record of a kind has its fixed part, and says its length */
int ai_entry_check(const ai_char *record, size_t len, int kind, size_t fixed);


#endif /* AI_ENTRY_INT_H */
