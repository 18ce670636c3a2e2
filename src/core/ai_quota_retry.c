
/*
 * Retry-After: a number or a date of HTTP.
 */


#include "ai_date.h"
#include "ai_quota.h"


static const char  ai_retry_months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";


static int
ai_retry_month(const ai_char *p)
{
    int  i;

    for (i = 0; i < 12; i++) {
        if (memcmp(p, ai_retry_months + 3 * i, 3) == 0) {
            return i + 1;
        }
    }

    return 0;
}


/* the parts where a form has them; their digits are ai_date_parse()'s affair */

static int
ai_retry_date(const ai_char *day, const ai_char *month, const ai_char *year,
    const ai_char *time, uint64_t *t)
{
    int       m;
    ai_buf_t  b;
    ai_char   text[20];

    m = ai_retry_month(month);

    if (m == 0) {
        return AI_ERROR;
    }

    ai_buf_init(&b, text, sizeof(text));

    ai_buf_put(&b, year, 4);
    ai_buf_char(&b, '-');
    ai_buf_uint_pad(&b, (uint64_t) m, 2);
    ai_buf_char(&b, '-');
    ai_buf_char(&b, day[0] == ' ' ? '0' : day[0]);
    ai_buf_char(&b, day[1]);
    ai_buf_char(&b, 'T');
    ai_buf_put(&b, time, 8);
    ai_buf_char(&b, 'Z');

    return ai_date_parse(text, sizeof(text), t);
}


/* "06-Nov-94 08:49:37 GMT": two digits are of this century, or else of the
   last one */

static int
ai_retry_date_850(const ai_char *p, uint64_t now_s, uint64_t *t)
{
    ai_char  year[4];

    memcpy(year, "20", 2);
    memcpy(year + 2, p + 7, 2);

    if (ai_retry_date(p, p + 3, year, p + 10, t) != AI_OK) {
        return AI_ERROR;
    }

    if (*t > now_s && *t - now_s > (uint64_t) 50 * 366 * 86400) {
        *t = 0;
    }

    return AI_OK;
}


/*
 *   Sun, 06 Nov 1994 08:49:37 GMT
 *   Sunday, 06-Nov-94 08:49:37 GMT
 *   Sun Nov  6 08:49:37 1994
 */

static int
ai_retry_http(const ai_str_t *s, uint64_t now_s, uint64_t *t)
{
    const ai_char  *p, *gmt;

    p = s->data;

    if (s->len == 24 && p[3] == ' ' && p[7] == ' ' && p[10] == ' '
        && p[19] == ' ')
    {
        return ai_retry_date(p + 8, p + 4, p + 20, p + 11, t);
    }

    if (s->len < 29 || memcmp(p + s->len - 4, " GMT", 4) != 0) {
        return AI_ERROR;
    }

    gmt = p + s->len - 4;

    if (s->len == 29 && memcmp(p + 3, ", ", 2) == 0 && p[7] == ' '
        && p[11] == ' ' && p[16] == ' ')
    {
        return ai_retry_date(p + 5, p + 8, p + 12, p + 17, t);
    }

    p = gmt - 18;

    if (memcmp(p - 2, ", ", 2) == 0 && p[2] == '-' && p[6] == '-'
        && p[9] == ' ')
    {
        return ai_retry_date_850(p, now_s, t);
    }

    return AI_ERROR;
}


int64_t
ai_retry_after(const ai_str_t *value, uint64_t now_s)
{
    ai_str_t  s;
    uint64_t  n;

    s = ai_quota_trim(value);

    if (ai_quota_number(&s, 3, &n) != AI_OK) {

        if (ai_retry_http(&s, now_s, &n) != AI_OK) {
            return -1;
        }

        n = n > now_s ? n - now_s : 0;
        n = n > (uint64_t) AI_QUOTA_SPAN_MAX / 1000
            ? (uint64_t) AI_QUOTA_SPAN_MAX : n * 1000;
    }

    return n > (uint64_t) AI_QUOTA_SPAN_MAX ? AI_QUOTA_SPAN_MAX : (int64_t) n;
}
