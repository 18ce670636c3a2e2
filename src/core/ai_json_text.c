
/*
 * What the text of JSON's strings and numbers means.
 */


#include "ai_json.h"


#define AI_JSON_UINT_MAX     ((uint64_t) 1 << 53)
#define AI_JSON_UINT_DIGITS  16


static int
ai_json_hex4(const ai_char *p, const ai_char *end, uint32_t *cp)
{
    unsigned  i, c;

    if (end - p < 4) {
        return AI_ERROR;
    }

    *cp = 0;

    for (i = 0; i < 4; i++) {
        c = p[i];

        if (c - '0' < 10) {
            c -= '0';

        } else if ((c | 0x20) - 'a' < 6) {
            c = (c | 0x20) - 'a' + 10;

        } else {
            return AI_ERROR;
        }

        *cp = *cp << 4 | c;
    }

    return AI_OK;
}


/* \uXXXX, or a pair of them, from the 'u' on; returns the bytes read or 0 */

static size_t
ai_json_unicode(const ai_char *p, const ai_char *end, uint32_t *cp)
{
    uint32_t  low;

    if (ai_json_hex4(p + 1, end, cp) != AI_OK) {
        return 0;
    }

    if (*cp < 0xd800 || *cp > 0xdfff) {
        return 5;
    }

    if (*cp > 0xdbff || end - p < 11 || p[5] != '\\' || p[6] != 'u'
        || ai_json_hex4(p + 7, end, &low) != AI_OK
        || low < 0xdc00 || low > 0xdfff)
    {
        return 0;
    }

    *cp = 0x10000 + ((*cp - 0xd800) << 10) + (low - 0xdc00);

    return 11;
}


static void
ai_json_put_utf8(ai_buf_t *b, uint32_t cp)
{
    if (cp < 0x80) {
        ai_buf_char(b, (int) cp);
        return;
    }

    if (cp < 0x800) {
        ai_buf_char(b, (int) (0xc0 | cp >> 6));

    } else {

        if (cp < 0x10000) {
            ai_buf_char(b, (int) (0xe0 | cp >> 12));

        } else {
            ai_buf_char(b, (int) (0xf0 | cp >> 18));
            ai_buf_char(b, (int) (0x80 | (cp >> 12 & 0x3f)));
        }

        ai_buf_char(b, (int) (0x80 | (cp >> 6 & 0x3f)));
    }

    ai_buf_char(b, (int) (0x80 | (cp & 0x3f)));
}


/* the byte that a short escape stands for, or -1 */

static int
ai_json_short_escape(ai_char c)
{
    switch (c) {

    case 'b':
        return '\b';

    case 'f':
        return '\f';

    case 'n':
        return '\n';

    case 'r':
        return '\r';

    case 't':
        return '\t';

    case '"':
    case '\\':
    case '/':
        return c;
    }

    return -1;
}


ptrdiff_t
ai_json_unescape(ai_char *dst, size_t size, const ai_char *data, size_t len)
{
    int             c;
    size_t          n;
    uint32_t        cp;
    ai_buf_t        b;
    const ai_char  *p, *end, *run;

    p = data;
    end = data + len;

    ai_buf_init(&b, dst, size);

    while (p < end && !b.full) {

        run = memchr(p, '\\', (size_t) (end - p));

        if (run == NULL) {
            ai_buf_put(&b, p, (size_t) (end - p));
            break;
        }

        ai_buf_put(&b, p, (size_t) (run - p));
        p = run + 1;

        if (p == end) {
            return AI_ERROR;
        }

        if (*p == 'u') {
            n = ai_json_unicode(p, end, &cp);

            if (n == 0) {
                return AI_ERROR;
            }

            ai_json_put_utf8(&b, cp);
            p += n;
            continue;
        }

        c = ai_json_short_escape(*p++);

        if (c == -1) {
            return AI_ERROR;
        }

        ai_buf_char(&b, c);
    }

    return b.full ? AI_ERROR : b.pos - dst;
}


int
ai_json_uint(const ai_char *data, size_t len, uint64_t *n)
{
    size_t  i;

    *n = 0;

    if (len == 0 || len > AI_JSON_UINT_DIGITS) {
        return AI_ERROR;
    }

    for (i = 0; i < len; i++) {

        if (data[i] < '0' || data[i] > '9') {
            return AI_ERROR;
        }

        *n = *n * 10 + (uint64_t) (data[i] - '0');
    }

    return *n > AI_JSON_UINT_MAX ? AI_ERROR : AI_OK;
}
