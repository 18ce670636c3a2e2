
/*
 * A strict, resumable JSON scanner.
 *
 * The state between two calls is a place in the grammar (what may come next)
 * and, inside of a token, a place in that token.  Separators are taken eagerly
 * with the token before them, so that a dense body costs one turn of the
 * switch a token.  The stack of open objects and arrays is a bit each.
 *
 * Whatever in a string is not a quote, an escape, a control character or past
 * ASCII needs no second look: see ai_json_run.c.
 */


#include "ai_json.h"
#include "ai_json_run.h"


typedef enum {
    AI_JSON_S_VALUE = 0,        /* what ai_json_init() leaves */
    AI_JSON_S_FIRST_VALUE,      /* behind '[' */
    AI_JSON_S_FIRST_KEY,        /* behind '{' */
    AI_JSON_S_KEY,
    AI_JSON_S_COLON,
    AI_JSON_S_NEXT,             /* behind a value: ',' or the end */
    AI_JSON_S_DONE,
    AI_JSON_S_BROKEN,

    /* inside of a token */
    AI_JSON_S_IN_KEY,
    AI_JSON_S_IN_STRING,
    AI_JSON_S_IN_NUMBER,
    AI_JSON_S_IN_TRUE,
    AI_JSON_S_IN_FALSE,
    AI_JSON_S_IN_NULL
} ai_json_state_t;


/* places in a number; it may end in the odd ones */

#define AI_JSON_N_START  0
#define AI_JSON_N_ZERO   1
#define AI_JSON_N_MINUS  2
#define AI_JSON_N_INT    3
#define AI_JSON_N_DOT    4
#define AI_JSON_N_FRAC   5
#define AI_JSON_N_E      6
#define AI_JSON_N_EXP    7
#define AI_JSON_N_ESIGN  8


static const char *const  ai_json_words[] = { "true", "false", "null" };


void
ai_json_init(ai_json_t *js, unsigned lax)
{
    memset(js, 0, sizeof(ai_json_t));
    js->lax = lax ? 1 : 0;
}


/* a piece of a token that goes on behind end; an empty one is not given */

static int
ai_json_piece(ai_json_t *js, const ai_char **pos, const ai_char *end,
    ai_json_token_t *tok)
{
    tok->data = *pos;
    tok->len = (size_t) (end - *pos);
    tok->first = !js->started;
    tok->last = 0;
    tok->escaped = js->escaped;

    *pos = end;

    if (tok->len == 0) {
        return AI_AGAIN;
    }

    js->started = 1;

    return AI_OK;
}


/* the last piece, up to p */

static inline void
ai_json_last(ai_json_t *js, const ai_char *start, const ai_char *p,
    ai_json_token_t *tok)
{
    tok->data = start;
    tok->len = (size_t) (p - start);
    tok->first = !js->started;
    tok->last = 1;
    tok->escaped = js->escaped;

    js->started = 0;
    js->escaped = 0;
}


/* a token that begins and ends in this input, as nearly all do */

static inline void
ai_json_whole(const ai_char *start, const ai_char *p, ai_json_token_t *tok)
{
    tok->data = start;
    tok->len = (size_t) (p - start);
    tok->first = 1;
    tok->last = 1;
    tok->escaped = 0;
}


/* a value has ended before p: what may come next, and a ',' right there */

static inline const ai_char *
ai_json_value_end(ai_json_t *js, const ai_char *p, const ai_char *end)
{
    if (js->depth == 0) {
        js->state = AI_JSON_S_DONE;
        return p;
    }

    if (p == end || *p != ',') {
        js->state = AI_JSON_S_NEXT;
        return p;
    }

    js->state = js->object ? AI_JSON_S_KEY : AI_JSON_S_VALUE;

    return p + 1;
}


static inline int
ai_json_broken(ai_json_t *js, const ai_char **pos, const ai_char *p)
{
    js->state = AI_JSON_S_BROKEN;
    *pos = p;

    return AI_ERROR;
}


/* a string has ended at the quote at p, or a key */

static inline const ai_char *
ai_json_string_end(ai_json_t *js, const ai_char *p, const ai_char *end)
{
    p++;

    if (js->state == AI_JSON_S_IN_STRING) {
        return ai_json_value_end(js, p, end);
    }

    if (p < end && *p == ':') {
        js->state = AI_JSON_S_VALUE;
        return p + 1;
    }

    js->state = AI_JSON_S_COLON;

    return p;
}


/* from any place of a string on */

static int
ai_json_string(ai_json_t *js, const ai_char **pos, const ai_char *end,
    ai_json_token_t *tok)
{
    const ai_char  *p, *start;

    start = *pos;
    p = ai_json_string_run(js, start, end);

    tok->type = (js->state == AI_JSON_S_IN_KEY) ? AI_JSON_KEY
                                                : AI_JSON_STRING;

    if (p == end) {
        return ai_json_piece(js, pos, end, tok);
    }

    if (*p != '"' || js->hex || js->utf8) {
        return ai_json_broken(js, pos, p);
    }

    ai_json_last(js, start, p, tok);
    *pos = ai_json_string_end(js, p, end);

    return AI_OK;
}


/* the string or key behind the quote before p */

static inline int
ai_json_quoted(ai_json_t *js, const ai_char **pos, const ai_char *p,
    const ai_char *end, ai_json_token_t *tok, ai_json_state_t state)
{
    const ai_char  *q;

    js->state = (uint8_t) state;
    q = ai_json_short_run(p, end);

    if (q == NULL) {
        *pos = p;
        return ai_json_string(js, pos, end, tok);
    }

    tok->type = (state == AI_JSON_S_IN_KEY) ? AI_JSON_KEY : AI_JSON_STRING;
    ai_json_whole(p, q, tok);
    *pos = ai_json_string_end(js, q, end);

    return AI_OK;
}


/* the place behind a number's byte, or -1: the byte is not of the number */

static int
ai_json_number_step(unsigned at, ai_char c)
{
    switch (at) {

    case AI_JSON_N_START:

        if (c == '-') {
            return AI_JSON_N_MINUS;
        }

        /* fall through */

    case AI_JSON_N_MINUS:
        return c == '0' ? AI_JSON_N_ZERO
                        : ai_json_is_digit(c) ? AI_JSON_N_INT : -1;

    case AI_JSON_N_ZERO:
    case AI_JSON_N_INT:
    case AI_JSON_N_FRAC:

        if (ai_json_is_digit(c)) {
            return at == AI_JSON_N_ZERO ? -1 : (int) at;
        }

        if (c == '.') {
            return at == AI_JSON_N_FRAC ? -1 : AI_JSON_N_DOT;
        }

        return (c | 0x20) == 'e' ? AI_JSON_N_E : -1;

    case AI_JSON_N_DOT:
        return ai_json_is_digit(c) ? AI_JSON_N_FRAC : -1;

    case AI_JSON_N_E:

        if (c == '+' || c == '-') {
            return AI_JSON_N_ESIGN;
        }

        /* fall through */

    default:            /* AI_JSON_N_ESIGN, AI_JSON_N_EXP */
        return ai_json_is_digit(c) ? AI_JSON_N_EXP : -1;
    }
}


static int
ai_json_number(ai_json_t *js, const ai_char **pos, const ai_char *end,
    ai_json_token_t *tok)
{
    int             at;
    const ai_char  *p;

    tok->type = AI_JSON_NUMBER;

    p = *pos;

    if (js->lit == AI_JSON_N_START && *p >= '1' && *p <= '9') {
        js->lit = AI_JSON_N_INT;
        p++;
    }

    while (js->lit == AI_JSON_N_INT && p < end && ai_json_is_digit(*p)) {
        p++;
    }

    for ( /* void */ ; p < end; p++) {
        at = ai_json_number_step(js->lit, *p);

        if (at == -1) {
            break;
        }

        js->lit = (uint8_t) at;
    }

    if (p == end) {
        return ai_json_piece(js, pos, end, tok);
    }

    if ((js->lit & 1) == 0) {
        return ai_json_broken(js, pos, p);
    }

    ai_json_last(js, *pos, p, tok);
    *pos = ai_json_value_end(js, p, end);

    return AI_OK;
}


static int
ai_json_word(ai_json_t *js, const ai_char **pos, const ai_char *end,
    ai_json_token_t *tok)
{
    const char     *word;
    const ai_char  *p;

    word = ai_json_words[js->state - AI_JSON_S_IN_TRUE];

    p = *pos;

    if (js->lit == 0 && end - p >= 4 && memcmp(p, word, 4) == 0) {
        js->lit = 4;
        p += 4;
    }

    for ( /* void */ ; p < end && word[js->lit]; p++) {

        if (*p != (ai_char) word[js->lit]) {
            return ai_json_broken(js, pos, p);
        }

        js->lit++;
    }

    if (word[js->lit]) {
        *pos = p;
        return AI_AGAIN;
    }

    tok->type = (ai_json_type_t) (AI_JSON_TRUE + js->state
                                  - AI_JSON_S_IN_TRUE);
    ai_json_last(js, *pos, p, tok);
    *pos = ai_json_value_end(js, p, end);

    return AI_OK;
}


static inline int
ai_json_open(ai_json_t *js, const ai_char **pos, const ai_char *p,
    ai_json_token_t *tok)
{
    uint64_t  bit;

    if (js->depth == AI_JSON_DEPTH) {
        return ai_json_broken(js, pos, p);
    }

    bit = (uint64_t) 1 << js->depth % 64;

    if (*p == '{') {
        js->stack[js->depth / 64] |= bit;
        js->object = 1;
        js->state = AI_JSON_S_FIRST_KEY;
        tok->type = AI_JSON_OBJECT;

    } else {
        js->stack[js->depth / 64] &= ~bit;
        js->object = 0;
        js->state = AI_JSON_S_FIRST_VALUE;
        tok->type = AI_JSON_ARRAY;
    }

    js->depth++;

    ai_json_whole(p, p + 1, tok);
    *pos = p + 1;

    return AI_OK;
}


static inline int
ai_json_close(ai_json_t *js, const ai_char **pos, const ai_char *p,
    const ai_char *end, ai_json_token_t *tok)
{
    unsigned  top;

    tok->type = (*p == '}') ? AI_JSON_OBJECT_END : AI_JSON_ARRAY_END;
    js->depth--;

    if (js->depth) {
        top = js->depth - 1u;
        js->object = js->stack[top / 64] >> (top % 64) & 1;
    }

    ai_json_whole(p, p + 1, tok);
    *pos = ai_json_value_end(js, p + 1, end);

    return AI_OK;
}


/* the token that begins at p, where a value is due */

static inline int
ai_json_value(ai_json_t *js, const ai_char **pos, const ai_char *p,
    const ai_char *end, ai_json_token_t *tok)
{
    js->lit = 0;
    *pos = p;

    switch (*p) {

    case '"':
        return ai_json_quoted(js, pos, p + 1, end, tok, AI_JSON_S_IN_STRING);

    case '{':
    case '[':
        return ai_json_open(js, pos, p, tok);

    case 't':
        js->state = AI_JSON_S_IN_TRUE;
        return ai_json_word(js, pos, end, tok);

    case 'f':
        js->state = AI_JSON_S_IN_FALSE;
        return ai_json_word(js, pos, end, tok);

    case 'n':
        js->state = AI_JSON_S_IN_NULL;
        return ai_json_word(js, pos, end, tok);

    default:
        js->state = AI_JSON_S_IN_NUMBER;
        return ai_json_number(js, pos, end, tok);
    }
}


/* goes on with a token that the last call ended in, or returns AI_DONE */

static int
ai_json_resume(ai_json_t *js, const ai_char **pos, const ai_char *end,
    ai_json_token_t *tok)
{
    switch (js->state) {

    case AI_JSON_S_IN_KEY:
    case AI_JSON_S_IN_STRING:
        return ai_json_string(js, pos, end, tok);

    case AI_JSON_S_IN_NUMBER:
        return ai_json_number(js, pos, end, tok);

    case AI_JSON_S_DONE:
        return AI_DONE;

    case AI_JSON_S_BROKEN:
        return AI_ERROR;

    default:
        return ai_json_word(js, pos, end, tok);
    }
}


static inline int
ai_json_step(ai_json_t *js, const ai_char **pos, const ai_char *end,
    ai_json_token_t *tok)
{
    const ai_char  *p;

    if (js->state >= AI_JSON_S_DONE) {
        return ai_json_resume(js, pos, end, tok);
    }

    for (p = *pos; /* void */ ; p++) {

        p = ai_json_space(p, end);

        if (p == end) {
            *pos = p;
            return AI_AGAIN;
        }

        switch (js->state) {

        case AI_JSON_S_FIRST_VALUE:

            if (*p == ']') {
                return ai_json_close(js, pos, p, end, tok);
            }

            /* fall through */

        case AI_JSON_S_VALUE:
            return ai_json_value(js, pos, p, end, tok);

        case AI_JSON_S_FIRST_KEY:

            if (*p == '}') {
                return ai_json_close(js, pos, p, end, tok);
            }

            /* fall through */

        case AI_JSON_S_KEY:

            if (*p != '"') {
                return ai_json_broken(js, pos, p);
            }

            return ai_json_quoted(js, pos, p + 1, end, tok, AI_JSON_S_IN_KEY);

        case AI_JSON_S_COLON:

            if (*p != ':') {
                return ai_json_broken(js, pos, p);
            }

            js->state = AI_JSON_S_VALUE;
            break;

        default:            /* AI_JSON_S_NEXT */

            if (*p == (js->object ? '}' : ']')) {
                return ai_json_close(js, pos, p, end, tok);
            }

            if (*p != ',') {
                return ai_json_broken(js, pos, p);
            }

            js->state = js->object ? AI_JSON_S_KEY
                                              : AI_JSON_S_VALUE;
        }
    }
}


int
ai_json_next(ai_json_t *js, const ai_char **pos, const ai_char *end,
    ai_json_token_t *tok)
{
    return ai_json_step(js, pos, end, tok);
}


int
ai_json_skip(ai_json_t *js, const ai_char **pos, const ai_char *end,
    unsigned depth)
{
    int              rc;
    ai_json_token_t  tok;

    do {
        rc = ai_json_step(js, pos, end, &tok);

    } while (rc == AI_OK
             && (js->depth > depth || !tok.last || tok.type == AI_JSON_KEY));

    return rc;
}


int
ai_json_end(const ai_json_t *js)
{
    if (js->state == AI_JSON_S_DONE) {
        return AI_OK;
    }

    return (js->state == AI_JSON_S_IN_NUMBER && js->depth == 0
            && (js->lit & 1))
           ? AI_OK : AI_ERROR;
}
