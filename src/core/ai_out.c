
/*
 * JSON into an ai_out_t.
 */


#include "ai_out.h"
#include "ai_digits.h"


#define ai_out_is_plain(c)                                                   \
    ((c) >= 0x20 && (c) < 0x7f && (c) != '"' && (c) != '\\')


void
ai_out_put(ai_out_t *out, const void *data, size_t len)
{
    if (len == 0 || out->failed || out->put == NULL) {
        return;
    }

    if (out->put(out->data, (const ai_char *) data, len) != AI_OK) {
        out->failed = 1;
    }
}


void
ai_out_cstr(ai_out_t *out, const char *s)
{
    ai_out_put(out, s, strlen(s));
}


void
ai_out_char(ai_out_t *out, int c)
{
    ai_char  ch;

    ch = (ai_char) c;
    ai_out_put(out, &ch, 1);
}


void
ai_out_uint(ai_out_t *out, uint64_t n)
{
    ai_char  digits[AI_DIGITS_MAX];

    ai_out_put(out, digits, (size_t) (ai_digits_put(digits, n) - digits));
}


void
ai_out_int(ai_out_t *out, int64_t n)
{
    if (n < 0) {
        ai_out_char(out, '-');
        ai_out_uint(out, -(uint64_t) n);
        return;
    }

    ai_out_uint(out, (uint64_t) n);
}


/* one byte that does not stand as it is; n: of ai_utf8_len() */

static void
ai_out_escape(ai_out_t *out, ai_char c, size_t n)
{
    ai_buf_t  b;
    ai_char   text[8];

    if (n == 0) {
        ai_out_put(out, "\xef\xbf\xbd", 3);
        return;
    }

    ai_buf_init(&b, text, sizeof(text));
    ai_buf_json(&b, &c, 1);

    ai_out_put(out, text + 1, (size_t) (b.pos - text) - 2);
}


void
ai_out_json_text(ai_out_t *out, const ai_char *data, size_t len)
{
    size_t          n;
    const ai_char  *p, *run, *end;

    if (out->failed || out->put == NULL) {
        return;
    }

    end = data + len;
    run = data;

    for (p = data; p < end; p += n ? n : 1) {

        if (ai_out_is_plain(*p)) {
            n = 1;
            continue;
        }

        n = ai_utf8_len(p, end);

        if (n > 1) {
            continue;
        }

        ai_out_put(out, run, (size_t) (p - run));
        ai_out_escape(out, *p, n);
        run = p + 1;
    }

    ai_out_put(out, run, (size_t) (end - run));
}


void
ai_out_json(ai_out_t *out, const ai_char *data, size_t len)
{
    ai_out_char(out, '"');
    ai_out_json_text(out, data, len);
    ai_out_char(out, '"');
}


void
ai_out_raw_string(ai_out_t *out, const ai_char *data, size_t len)
{
    ai_out_char(out, '"');
    ai_out_put(out, data, len);
    ai_out_char(out, '"');
}
