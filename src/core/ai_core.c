
/*
 * The bounded writer and decimals.
 */


#include "ai_core.h"
#include "ai_digits.h"


void
ai_buf_cstr(ai_buf_t *b, const char *s)
{
    ai_buf_put(b, s, strlen(s));
}


/* near the end there may be room for this number, though not for any */

static __attribute__((noinline)) void
ai_buf_uint_tight(ai_buf_t *b, uint64_t n)
{
    ai_char  digits[AI_DIGITS_MAX];

    ai_buf_put(b, digits, (size_t) (ai_digits_put(digits, n) - digits));
}


void
ai_buf_uint(ai_buf_t *b, uint64_t n)
{
    if ((size_t) (b->end - b->pos) < AI_DIGITS_MAX) {
        ai_buf_uint_tight(b, n);
        return;
    }

    b->pos = ai_digits_put(b->pos, n);
}


void
ai_buf_int(ai_buf_t *b, int64_t n)
{
    if (n < 0) {
        ai_buf_char(b, '-');
        ai_buf_uint(b, -(uint64_t) n);
        return;
    }

    ai_buf_uint(b, (uint64_t) n);
}


void
ai_buf_uint_pad(ai_buf_t *b, uint64_t n, unsigned width)
{
    size_t   len;
    ai_char  digits[AI_DIGITS_MAX];

    len = (size_t) (ai_digits_put(digits, n) - digits);

    for ( /* void */ ; width > len && width <= AI_DIGITS_MAX; width--) {
        ai_buf_char(b, '0');
    }

    ai_buf_put(b, digits, len);
}


size_t
ai_utf8_len(const ai_char *p, const ai_char *end)
{
    size_t   n, i;
    ai_char  lo, hi;

    lo = 0x80;
    hi = 0xbf;

    if (*p < 0x80) {
        return 1;
    }

    if (*p >= 0xc2 && *p <= 0xdf) {
        n = 2;

    } else if (*p >= 0xe0 && *p <= 0xef) {
        n = 3;
        lo = (*p == 0xe0) ? 0xa0 : 0x80;
        hi = (*p == 0xed) ? 0x9f : 0xbf;

    } else if (*p >= 0xf0 && *p <= 0xf4) {
        n = 4;
        lo = (*p == 0xf0) ? 0x90 : 0x80;
        hi = (*p == 0xf4) ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if ((size_t) (end - p) < n || p[1] < lo || p[1] > hi) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }

    return n;
}


#define AI_BYTES(c)  ((uint64_t) (c) * 0x0101010101010101)

#define ai_json_is_plain(c)                                                  \
    ((c) >= 0x20 && (c) < 0x7f && (c) != '"' && (c) != '\\')


static void
ai_buf_json_char(ai_buf_t *b, ai_char c)
{
    static const char  hex[] = "0123456789abcdef";

    switch (c) {

    case '"':
        ai_buf_put(b, "\\\"", 2);
        break;

    case '\\':
        ai_buf_put(b, "\\\\", 2);
        break;

    case '\n':
        ai_buf_put(b, "\\n", 2);
        break;

    case '\r':
        ai_buf_put(b, "\\r", 2);
        break;

    case '\t':
        ai_buf_put(b, "\\t", 2);
        break;

    default:
        ai_buf_put(b, "\\u00", 4);
        ai_buf_char(b, hex[c >> 4]);
        ai_buf_char(b, hex[c & 15]);
    }
}


static void
ai_buf_json_text(ai_buf_t *b, const ai_char *data, size_t len)
{
    size_t          n;
    const ai_char  *p, *run, *end;

    end = data + len;
    run = data;

    for (p = data; p < end; p += n ? n : 1) {

        if (ai_json_is_plain(*p)) {
            n = 1;
            continue;
        }

        n = ai_utf8_len(p, end);

        if (n > 1) {
            continue;
        }

        ai_buf_put(b, run, (size_t) (p - run));
        run = p + 1;

        if (n == 0) {
            ai_buf_put(b, "\xef\xbf\xbd", 3);

        } else {
            ai_buf_json_char(b, *p);
        }
    }

    ai_buf_put(b, run, (size_t) (end - run));
}


/*
 * Whether eight bytes stand in the output as they are.  The difference of a
 * byte that is past ASCII or equal to what is looked for sets its high bit,
 * and no plain byte borrows from the next one.
 */

static inline int
ai_json_is_plain_word(uint64_t w)
{
    uint64_t  odd;

    odd = w | (w - AI_BYTES(0x20)) | (w + AI_BYTES(1))
          | ((w ^ AI_BYTES('"')) - AI_BYTES(1))
          | ((w ^ AI_BYTES('\\')) - AI_BYTES(1));

    return (odd & AI_BYTES(0x80)) == 0;
}


static inline int
ai_json_copy_word(ai_char *to, const ai_char *p)
{
    uint64_t  w;

    memcpy(&w, p, 8);
    memcpy(to, &w, 8);

    return ai_json_is_plain_word(w);
}


/*
 * Copies bytes that stand in the output as they are; 0: not all do, and what
 * was written is of no use.  The last word overlaps the one before it.
 */

static inline int
ai_json_copy_plain(ai_char *to, const ai_char *p, size_t len)
{
    size_t    i;
    uint32_t  lo, hi;

    if (len >= 8) {

        for (i = 0; i < len - 8; i += 8) {
            if (!ai_json_copy_word(to + i, p + i)) {
                return 0;
            }
        }

        return ai_json_copy_word(to + len - 8, p + len - 8);
    }

    if (len >= 4) {
        memcpy(&lo, p, 4);
        memcpy(&hi, p + len - 4, 4);
        memcpy(to, &lo, 4);
        memcpy(to + len - 4, &hi, 4);

        return ai_json_is_plain_word((uint64_t) hi << 32 | lo);
    }

    for (i = 0; i < len; i++) {
        if (!ai_json_is_plain(p[i])) {
            return 0;
        }

        to[i] = p[i];
    }

    return 1;
}


static __attribute__((noinline)) void
ai_buf_json_quoted(ai_buf_t *b, const ai_char *data, size_t len)
{
    ai_buf_char(b, '"');
    ai_buf_json_text(b, data, len);
    ai_buf_char(b, '"');
}


int
ai_buf_json_plain(ai_buf_t *b, const ai_char *data, size_t len)
{
    if (len + 2 > (size_t) (b->end - b->pos)
        || !ai_json_copy_plain(b->pos + 1, data, len))
    {
        return AI_DECLINED;
    }

    b->pos[0] = '"';
    b->pos[len + 1] = '"';
    b->pos += len + 2;

    return AI_OK;
}


void
ai_buf_json(ai_buf_t *b, const ai_char *data, size_t len)
{
    if (ai_buf_json_plain(b, data, len) != AI_OK) {
        ai_buf_json_quoted(b, data, len);
    }
}


void
ai_buf_nanos(ai_buf_t *b, int64_t nanos)
{
    ai_char   text[11], *p;
    uint64_t  n;
    unsigned  part;

    n = (uint64_t) nanos;

    if (nanos < 0) {
        ai_buf_char(b, '-');
        n = -n;
    }

    ai_buf_uint(b, n / 1000000000);

    part = (unsigned) (n % 1000000000);

    p = text;
    *p++ = '.';
    *p++ = (ai_char) ('0' + part / 100000000);
    p = ai_digits_pair(p, part / 1000000 % 100);
    p = ai_digits_pair(p, part / 10000 % 100);
    p = ai_digits_pair(p, part / 100 % 100);
    p = ai_digits_pair(p, part % 100);

    ai_buf_put(b, text, 10);
}


/* days since the epoch to a date of the Gregorian calendar, after Hinnant */

static ai_char *
ai_buf_date(ai_char *p, uint64_t days)
{
    uint64_t  era, year;
    unsigned  doe, yoe, doy, mp, mon;

    days += 719468;

    era = days / 146097;
    doe = (unsigned) (days - era * 146097);
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    mon = mp < 10 ? mp + 3 : mp - 9;
    year = yoe + era * 400 + (mon <= 2);

    if (year < 10000) {
        p = ai_digits_pair(p, (unsigned) year / 100);
        p = ai_digits_pair(p, (unsigned) year % 100);

    } else {
        p = ai_digits_put(p, year);
    }

    *p++ = '-';
    p = ai_digits_pair(p, mon);
    *p++ = '-';

    return ai_digits_pair(p, doy - (153 * mp + 2) / 5 + 1);
}


void
ai_buf_time(ai_buf_t *b, uint64_t msec)
{
    ai_char   text[AI_DIGITS_MAX + 20], *p;
    unsigned  ms, sec;
    uint64_t  secs;

    secs = msec / 1000;
    ms = (unsigned) (msec % 1000);
    sec = (unsigned) (secs % 86400);

    p = ai_buf_date(text, secs / 86400);
    *p++ = 'T';
    p = ai_digits_pair(p, sec / 3600);
    *p++ = ':';
    p = ai_digits_pair(p, sec / 60 % 60);
    *p++ = ':';
    p = ai_digits_pair(p, sec % 60);
    *p++ = '.';
    *p++ = (ai_char) ('0' + ms / 100);
    p = ai_digits_pair(p, ms % 100);
    *p++ = 'Z';

    ai_buf_put(b, text, (size_t) (p - text));
}


int
ai_decimal_parse(const ai_char *data, size_t len, int64_t *billionths)
{
    size_t    i;
    int64_t   n;
    unsigned  digits, places, point;

    n = 0;
    digits = 0;
    places = 0;
    point = 0;

    for (i = 0; i < len; i++) {

        if (data[i] == '.' && !point && digits) {
            point = 1;
            continue;
        }

        if (data[i] < '0' || data[i] > '9') {
            return AI_ERROR;
        }

        digits++;

        if (point && ++places > 9) {
            if (data[i] != '0') {
                return AI_ERROR;
            }

            continue;
        }

        if (__builtin_mul_overflow(n, 10, &n)
            || __builtin_add_overflow(n, data[i] - '0', &n))
        {
            return AI_ERROR;
        }
    }

    if (digits == 0 || (point && places == 0)) {
        return AI_ERROR;
    }

    for ( /* void */ ; places < 9; places++) {
        if (__builtin_mul_overflow(n, 10, &n)) {
            return AI_ERROR;
        }
    }

    *billionths = n;

    return AI_OK;
}
