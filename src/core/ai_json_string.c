
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


/* the rest of a sequence of UTF-8; stops where it is none */

static const ai_char *
ai_json_utf8_rest(ai_json_t *js, const ai_char *p, const ai_char *end)
{
    while (js->utf8 && p < end && *p >= js->utf8_lo && *p <= js->utf8_hi) {
        js->utf8--;
        js->utf8_lo = 0x80;
        js->utf8_hi = 0xbf;
        p++;
    }

    return p;
}


/* one byte of an escape, behind its backslash */

static int
ai_json_escape(ai_json_t *js, ai_char c)
{
    if (js->hex != AI_JSON_BACKSLASH) {

        if (!ai_json_is_hex(c)) {
            return AI_ERROR;
        }

        js->hex--;

        return AI_OK;
    }

    js->hex = 0;

    if (c == 'u') {
        js->hex = 4;
        return AI_OK;
    }

    return ai_json_short_escapes[c] ? AI_OK : AI_ERROR;
}


/* what ai_json_plain_run() stopped at, or comes from an earlier piece */

static int
ai_json_string_byte(ai_json_t *js, ai_char c)
{
    if (js->hex) {
        return ai_json_escape(js, c);
    }

    if (c == '\\') {
        js->escaped = 1;
        js->hex = AI_JSON_BACKSLASH;
        return AI_OK;
    }

    if (c < 0x80 || js->lax) {
        return c < 0x20 ? AI_ERROR : AI_OK;
    }

    return ai_json_utf8_lead(js, c);
}


const ai_char *
ai_json_string_run(ai_json_t *js, const ai_char *p, const ai_char *end)
{
    unsigned  escaped;

    for ( ;; ) {

        if (js->utf8) {
            p = ai_json_utf8_rest(js, p, end);

            if (js->utf8) {
                return p;
            }
        }

        if (js->hex == 0) {
            escaped = 0;
            p = ai_json_plain_run(p, end, js->lax, &escaped);
            js->escaped |= (uint8_t) escaped;

            if (p < end && *p == '"') {
                return p;
            }
        }

        if (p == end || ai_json_string_byte(js, *p) != AI_OK) {
            return p;
        }

        p++;
    }
}
