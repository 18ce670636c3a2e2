
/*
 * A strict RFC 8259 scanner, resumable at any byte.
 *
 * It pulls one token at a time out of [*pos, end) and allocates nothing.  In a
 * body that lies in one piece every token is whole and points into the body;
 * in a stream a token may come in pieces.  Strings are skipped with SIMD where
 * the machine has it; UTF-8 is checked on the way (no overlongs, surrogates
 * or code points past U+10FFFF).  Nesting is bounded, nothing recurses.
 */


#ifndef AI_JSON_H
#define AI_JSON_H


#include "ai_core.h"


AI_HIDDEN_BEGIN


#define AI_JSON_DEPTH  128


typedef enum {
    AI_JSON_OBJECT = 1,         /* { */
    AI_JSON_OBJECT_END,
    AI_JSON_ARRAY,              /* [ */
    AI_JSON_ARRAY_END,
    AI_JSON_KEY,                /* text inside the quotes, still escaped */
    AI_JSON_STRING,             /* the same */
    AI_JSON_NUMBER,
    AI_JSON_TRUE,
    AI_JSON_FALSE,
    AI_JSON_NULL
} ai_json_type_t;


typedef struct {
    ai_json_type_t   type;
    const ai_char   *data;      /* KEY, STRING, NUMBER: this piece's bytes;
                                   others: the token itself, as far as it lies
                                   in this input */
    size_t           len;
    uint8_t          first;     /* 1: the first piece of its token */
    uint8_t          last;      /* the last one; both for a whole token */
    uint8_t          escaped;   /* a backslash was seen in this token so far */
} ai_json_token_t;


/* private; zero bytes but for what ai_json_init() sets */

typedef struct {
    uint64_t         stack[AI_JSON_DEPTH / 64];     /* 1: object, 0: array */
    uint16_t         depth;
    uint8_t          state;
    uint8_t          lit;       /* place in true, false, null, number */
    uint8_t          utf8;      /* place in a UTF-8 sequence */
    uint8_t          utf8_lo;
    uint8_t          utf8_hi;
    uint8_t          hex;       /* place in a \u escape */
    uint8_t          object;    /* the innermost is one: the stack's top bit */
    uint8_t          escaped;
    uint8_t          started;   /* a token's first piece was given */
    uint8_t          lax;
} ai_json_t;


/*
 * lax: bytes that are not UTF-8 are let through (answers of providers); all
 * else stays strict.
 */
void ai_json_init(ai_json_t *js, unsigned lax);

/*
 * The next token, from *pos on, which is moved.
 * AI_OK:     tok is filled in
 * AI_AGAIN:  [*pos, end) is used up; call again with the next bytes
 * AI_DONE:   one whole value has been read and *pos stands behind it
 *            (a top-level number ends only at a following byte or at
 *            ai_json_end())
 * AI_ERROR:  not JSON, or nested deeper than AI_JSON_DEPTH; *pos stands at the
 *            offending byte, and js is of no further use
 */
#define AI_DONE  -4

int ai_json_next(ai_json_t *js, const ai_char **pos, const ai_char *end,
    ai_json_token_t *tok);

/*
 * Reads on without giving tokens, until a value has ended at nesting "depth":
 * behind a KEY at js->depth the value of that member, behind OBJECT or ARRAY
 * at js->depth - 1 the rest of it.  Returns as ai_json_next() does; after
 * AI_AGAIN call it again with the same depth.
 */
int ai_json_skip(ai_json_t *js, const ai_char **pos, const ai_char *end,
    unsigned depth);

/* AI_OK when the input so far is one whole value, AI_ERROR otherwise */
int ai_json_end(const ai_json_t *js);

/*
 * Decodes the escapes of a whole KEY or STRING into dst (at most "size"
 * bytes).  Returns the decoded length, or AI_ERROR: does not fit, a lone
 * surrogate.
 */
ptrdiff_t ai_json_unescape(ai_char *dst, size_t size, const ai_char *data,
    size_t len);

/*
 * A NUMBER's value when it is nothing but digits and in [0, 2^53].  AI_ERROR:
 * all others, 12.0 and 12e0 too: a lenient reader takes 1200e-2 for 1200.
 */
int ai_json_uint(const ai_char *data, size_t len, uint64_t *n);

/* skips the SIMD paths when 1, those past SSE2 when 2; for tests */
extern int ai_json_portable;


AI_HIDDEN_END


#endif /* AI_JSON_H */
