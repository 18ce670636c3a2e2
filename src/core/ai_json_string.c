
/*
 * The bytes of a string: escapes and UTF-8, resumable inside of both.
 */


#include "ai_json.h"
#include "ai_json_run.h"


/* js->hex: this, or how many digits of \uXXXX are to come */

#define AI_JSON_BACKSLASH  5


static int
ai_json_utf8_lead(ai_json_t *js, ai_char c)
{
    js->utf8_lo = 0x80;
    js->utf8_hi = 0xbf;

    if (c >= 0xc2 && c <= 0xdf) {
        js->utf8 = 1;

    } else if (c >= 0xe0 && c <= 0xef) {
        js->utf8 = 2;
        js->utf8_lo = (c == 0xe0) ? 0xa0 : 0x80;
        js->utf8_hi = (c == 0xed) ? 0x9f : 0xbf;

    } else if (c >= 0xf0 && c <= 0xf4) {
        js->utf8 = 3;
        js->utf8_lo = (c == 0xf0) ? 0x90 : 0x80;
        js->utf8_hi = (c == 0xf4) ? 0x8f : 0xbf;

    } else {
        return AI_ERROR;
    }

    return AI_OK;
}


/* from a byte past ASCII on; stops at an ASCII one or inside of a sequence */

static int
ai_json_utf8(ai_json_t *js, const ai_char **pos, const ai_char *end)
{
    const ai_char  *p;

    p = *pos;

    while (p < end) {

        if (js->utf8) {

            if (*p < js->utf8_lo || *p > js->utf8_hi) {
                *pos = p;
                return AI_ERROR;
            }

            js->utf8--;
            js->utf8_lo = 0x80;
            js->utf8_hi = 0xbf;
            p++;
            continue;
        }

        p = ai_json_utf8_run(p, end);

        if (p == end || *p < 0x80) {
            break;
        }

        if (ai_json_utf8_lead(js, *p) != AI_OK) {
            *pos = p;
            return AI_ERROR;
        }

        p++;
    }

    *pos = p;

    return AI_OK;
}


static int
ai_json_bytes(ai_json_t *js, const ai_char **pos, const ai_char *end)
{
    if (!js->lax) {
        return ai_json_utf8(js, pos, end);
    }

    while (*pos < end && **pos >= 0x80) {
        (*pos)++;
    }

    return AI_OK;
}


/* one byte of an escape, behind its backslash */

static int
ai_json_escape(ai_json_t *js, ai_char c)
{
    if (js->hex != AI_JSON_BACKSLASH) {
        js->hex--;

        return (ai_json_is_digit(c) || (unsigned) (c | 0x20) - 'a' < 6)
               ? AI_OK : AI_ERROR;
    }

    js->hex = 0;

    switch (c) {

    case 'u':
        js->hex = 4;
        return AI_OK;

    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return AI_OK;
    }

    return AI_ERROR;
}


int
ai_json_string_run(ai_json_t *js, const ai_char **pos, const ai_char *end)
{
    unsigned        escaped;
    const ai_char  *p;

    p = *pos;
    escaped = 0;

    if (js->utf8 && ai_json_utf8(js, &p, end) != AI_OK) {
        *pos = p;
        return AI_ERROR;
    }

    for ( ;; ) {

        while (js->hex && p < end) {
            if (ai_json_escape(js, *p) != AI_OK) {
                *pos = p;
                return AI_ERROR;
            }

            p++;
        }

        p = ai_json_plain_run(p, end, &escaped);
        js->escaped |= escaped & 1;

        if (p == end || *p == '"') {
            break;
        }

        if (*p == '\\') {
            js->escaped = 1;
            js->hex = AI_JSON_BACKSLASH;
            p++;
            continue;
        }

        if (*p < 0x20 || ai_json_bytes(js, &p, end) != AI_OK) {
            *pos = p;
            return AI_ERROR;
        }
    }

    *pos = p;

    return AI_OK;
}
