
/*
 * The bounded writer and decimals.
 */


#include "ai_core.h"


void
ai_buf_init(ai_buf_t *b, void *data, size_t size)
{
    b->pos = data;
    b->end = b->pos + size;
    b->full = 0;
}


void
ai_buf_put(ai_buf_t *b, const void *data, size_t len)
{
    if (b->full || len > (size_t) (b->end - b->pos)) {
        b->full = 1;
        return;
    }

    if (len) {
        memcpy(b->pos, data, len);
        b->pos += len;
    }
}


void
ai_buf_str(ai_buf_t *b, const ai_str_t *s)
{
    ai_buf_put(b, s->data, s->len);
}


void
ai_buf_cstr(ai_buf_t *b, const char *s)
{
    ai_buf_put(b, s, strlen(s));
}


void
ai_buf_char(ai_buf_t *b, int c)
{
    if (b->full || b->pos == b->end) {
        b->full = 1;
        return;
    }

    *b->pos++ = (ai_char) c;
}


void
ai_buf_uint(ai_buf_t *b, uint64_t n)
{
    ai_buf_uint_pad(b, n, 1);
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
    ai_char  digits[20], *p;

    p = digits + sizeof(digits);

    do {
        *--p = (ai_char) ('0' + n % 10);
        n /= 10;
    } while (n);

    while (p > digits && digits + sizeof(digits) - p < (ptrdiff_t) width) {
        *--p = '0';
    }

    ai_buf_put(b, p, (size_t) (digits + sizeof(digits) - p));
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


void
ai_buf_json(ai_buf_t *b, const ai_char *data, size_t len)
{
    size_t          n;
    const ai_char  *p, *run, *end;

    if (len == 0) {
        ai_buf_put(b, "\"\"", 2);
        return;
    }

    ai_buf_char(b, '"');

    end = data + len;
    run = data;

    for (p = data; p < end; p += n ? n : 1) {

        if (*p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\') {
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
    ai_buf_char(b, '"');
}


void
ai_buf_nanos(ai_buf_t *b, int64_t nanos)
{
    uint64_t  n;

    n = (uint64_t) nanos;

    if (nanos < 0) {
        ai_buf_char(b, '-');
        n = -n;
    }

    ai_buf_uint(b, n / 1000000000);
    ai_buf_char(b, '.');
    ai_buf_uint_pad(b, n % 1000000000, 9);
}


/* days since the epoch to a date of the Gregorian calendar, after Hinnant */

void
ai_buf_time(ai_buf_t *b, uint64_t msec)
{
    uint64_t  days, secs, era, doe, yoe, doy, mp, year, mon;

    secs = msec / 1000;
    days = secs / 86400 + 719468;
    secs %= 86400;

    era = days / 146097;
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    mon = mp < 10 ? mp + 3 : mp - 9;
    year = yoe + era * 400 + (mon <= 2);

    ai_buf_uint_pad(b, year, 4);
    ai_buf_char(b, '-');
    ai_buf_uint_pad(b, mon, 2);
    ai_buf_char(b, '-');
    ai_buf_uint_pad(b, doy - (153 * mp + 2) / 5 + 1, 2);
    ai_buf_char(b, 'T');
    ai_buf_uint_pad(b, secs / 3600, 2);
    ai_buf_char(b, ':');
    ai_buf_uint_pad(b, secs / 60 % 60, 2);
    ai_buf_char(b, ':');
    ai_buf_uint_pad(b, secs % 60, 2);
    ai_buf_char(b, '.');
    ai_buf_uint_pad(b, msec % 1000, 3);
    ai_buf_char(b, 'Z');
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
