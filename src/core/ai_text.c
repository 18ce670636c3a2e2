
/*
 * Text between quotes.
 */


#include "ai_text.h"


enum {
    AI_TEXT_PLAIN = 0,
    AI_TEXT_HEX_1,              /* the last digit of \u is to come */
    AI_TEXT_HEX_4 = 4,
    AI_TEXT_ESCAPE
};


static void ai_text_escape(ai_text_t *t, ai_char c, ai_text_sum_t *sum,
    ai_buf_t *dst);
static void ai_text_unit(ai_text_t *t, ai_text_sum_t *sum, ai_buf_t *dst);
static void ai_text_point(uint32_t point, ai_text_sum_t *sum, ai_buf_t *dst);
static void ai_text_run(const ai_char *p, size_t len, ai_text_sum_t *sum,
    ai_buf_t *dst);


void
ai_text_add(ai_text_t *t, const ai_char *p, size_t len, ai_text_sum_t *sum,
    ai_buf_t *dst)
{
    ai_char         c;
    const ai_char  *q, *end;

    end = p + len;

    while (p < end) {

        if (t->state == AI_TEXT_PLAIN) {
            q = memchr(p, '\\', (size_t) (end - p));

            if (q == NULL) {
                q = end;
            }

            if (q > p) {
                ai_text_end(t, sum, dst);
                ai_text_run(p, (size_t) (q - p), sum, dst);
            }

            p = q;

            if (p < end) {
                t->state = AI_TEXT_ESCAPE;
                p++;
            }

            continue;
        }

        c = *p++;

        if (t->state == AI_TEXT_ESCAPE) {
            ai_text_escape(t, c, sum, dst);
            continue;
        }

        t->unit = (uint16_t) (t->unit << 4
                              | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10));

        if (t->state-- == AI_TEXT_HEX_1) {
            ai_text_unit(t, sum, dst);
        }
    }
}


void
ai_text_end(ai_text_t *t, ai_text_sum_t *sum, ai_buf_t *dst)
{
    if (t->high) {
        t->high = 0;
        ai_text_point(0xfffd, sum, dst);
    }
}


static void
ai_text_escape(ai_text_t *t, ai_char c, ai_text_sum_t *sum, ai_buf_t *dst)
{
    static const char  from[] = "bfnrt";
    static const char  to[] = "\b\f\n\r\t";

    const char  *s;

    if (c == 'u') {
        t->state = AI_TEXT_HEX_4;
        t->unit = 0;
        return;
    }

    t->state = AI_TEXT_PLAIN;

    ai_text_end(t, sum, dst);

    s = c ? strchr(from, c) : NULL;

    if (s) {
        c = (ai_char) to[s - from];
    }

    ai_text_run(&c, 1, sum, dst);
}


static void
ai_text_unit(ai_text_t *t, ai_text_sum_t *sum, ai_buf_t *dst)
{
    uint32_t  high;

    high = t->high;

    if (high && (t->unit & 0xfc00) == 0xdc00) {
        t->high = 0;
        ai_text_point(0x10000 + ((high & 0x3ff) << 10) + (t->unit & 0x3ff),
                      sum, dst);
        return;
    }

    ai_text_end(t, sum, dst);

    if ((t->unit & 0xfc00) == 0xd800) {
        t->high = t->unit;
        return;
    }

    ai_text_point((t->unit & 0xfc00) == 0xdc00 ? 0xfffd : t->unit, sum, dst);
}


static void
ai_text_point(uint32_t point, ai_text_sum_t *sum, ai_buf_t *dst)
{
    size_t   n;
    ai_char  utf8[4];

    if (point < 0x80) {
        utf8[0] = (ai_char) point;
        n = 1;

    } else if (point < 0x800) {
        utf8[0] = (ai_char) (0xc0 | point >> 6);
        utf8[1] = (ai_char) (0x80 | (point & 0x3f));
        n = 2;

    } else if (point < 0x10000) {
        utf8[0] = (ai_char) (0xe0 | point >> 12);
        utf8[1] = (ai_char) (0x80 | (point >> 6 & 0x3f));
        utf8[2] = (ai_char) (0x80 | (point & 0x3f));
        n = 3;

    } else {
        utf8[0] = (ai_char) (0xf0 | point >> 18);
        utf8[1] = (ai_char) (0x80 | (point >> 12 & 0x3f));
        utf8[2] = (ai_char) (0x80 | (point >> 6 & 0x3f));
        utf8[3] = (ai_char) (0x80 | (point & 0x3f));
        n = 4;
    }

    ai_text_run(utf8, n, sum, dst);
}


static void
ai_text_run(const ai_char *p, size_t len, ai_text_sum_t *sum, ai_buf_t *dst)
{
    if (sum) {
        sum->bytes += len;
        sum->points += ai_text_points(p, len);
    }

    if (dst) {
        ai_buf_put(dst, p, len);
    }
}


static inline uint64_t
ai_text_word(const ai_char *p)
{
    uint64_t  v;

    memcpy(&v, p, 8);

    return v;
}


/* a continuation byte is 10xxxxxx: eight at a time, or 32 without any */

size_t
ai_text_points(const ai_char *p, size_t len)
{
    size_t    n;
    uint64_t  v;

    n = len;

    while (len >= 8) {

        if (len >= 32
            && ((ai_text_word(p) | ai_text_word(p + 8) | ai_text_word(p + 16)
                 | ai_text_word(p + 24)) & 0x8080808080808080) == 0)
        {
            len -= 32;
            p += 32;
            continue;
        }

        v = ai_text_word(p);
        v = v >> 7 & ~(v >> 6) & 0x0101010101010101;
        n -= (size_t) (v * 0x0101010101010101 >> 56);

        len -= 8;
        p += 8;
    }

    for ( /* void */ ; len; len--, p++) {
        n -= (*p & 0xc0) == 0x80;
    }

    return n;
}
