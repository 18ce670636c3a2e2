
/*
 * Rate-limit headers of providers.
 */


#include "ai_date.h"
#include "ai_number.h"
#include "ai_quota.h"


#define AI_QUOTA_EPOCH_S   ((uint64_t) 1000000000)      /* the year 2001 */
#define AI_QUOTA_EPOCH_MS  (AI_QUOTA_EPOCH_S * 1000)


typedef struct {
    const char  *name;
    int64_t      ms;        /* of a unit; < 0: units of a millisecond */
} ai_quota_unit_t;

typedef struct {
    const char  *name;
    uint8_t      tokens;
    uint8_t      reset;
} ai_quota_name_t;


/* two letters before one of them */

static const ai_quota_unit_t  ai_quota_units[] = {
    { "ms", 1 },
    { "us", -1000 },
    { "\xc2\xb5s", -1000 },
    { "\xce\xbcs", -1000 },
    { "ns", -1000000 },
    { "h", 3600000 },
    { "m", 60000 },
    { "s", 1000 },
    { NULL, 0 }
};

static const ai_quota_name_t  ai_quota_names[] = {
    { "x-ratelimit-remaining-requests", 0, 0 },
    { "x-ratelimit-reset-requests", 0, 1 },
    { "x-ratelimit-remaining-tokens", 1, 0 },
    { "x-ratelimit-reset-tokens", 1, 1 },
    { "x-ratelimit-remaining", 0, 0 },
    { "x-ratelimit-reset", 0, 1 },
    { "anthropic-ratelimit-requests-remaining", 0, 0 },
    { "anthropic-ratelimit-requests-reset", 0, 1 },
    { "anthropic-ratelimit-tokens-remaining", 1, 0 },
    { "anthropic-ratelimit-tokens-reset", 1, 1 },
    { "anthropic-ratelimit-input-tokens-remaining", 1, 0 },
    { "anthropic-ratelimit-input-tokens-reset", 1, 1 },
    { "anthropic-ratelimit-output-tokens-remaining", 1, 0 },
    { "anthropic-ratelimit-output-tokens-reset", 1, 1 },
    { NULL, 0, 0 }
};


void
ai_quota_none(ai_quota_said_t *said)
{
    said->requests = -1;
    said->tokens = -1;
    said->requests_ms = -1;
    said->tokens_ms = -1;
}


ai_str_t
ai_quota_trim(const ai_str_t *value)
{
    ai_str_t  s;

    s = *value;

    while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }

    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }

    return s;
}


int
ai_quota_number(const ai_str_t *s, int places, uint64_t *n)
{
    size_t    i;
    unsigned  dots;

    if (ai_number_scaled(s->data, s->len, places, n) == AI_OK) {
        return AI_OK;
    }

    dots = 0;

    for (i = 0; i < s->len; i++) {

        if (s->data[i] == '.' && i && i + 1 < s->len) {
            dots++;

        } else if (s->data[i] < '0' || s->data[i] > '9') {
            return AI_ERROR;
        }
    }

    if (i == 0 || dots > 1) {
        return AI_ERROR;
    }

    *n = UINT64_MAX;

    return AI_OK;
}


static int64_t
ai_quota_bound(uint64_t ms)
{
    return ms > (uint64_t) AI_QUOTA_SPAN_MAX ? AI_QUOTA_SPAN_MAX
                                             : (int64_t) ms;
}


/* seconds since the epoch as a span from now */

static int64_t
ai_quota_until(uint64_t until_s, uint64_t now_s)
{
    if (until_s <= now_s) {
        return 0;
    }

    if (until_s - now_s > (uint64_t) AI_QUOTA_SPAN_MAX / 1000) {
        return AI_QUOTA_SPAN_MAX;
    }

    return ai_quota_bound((until_s - now_s) * 1000);
}


static const ai_quota_unit_t *
ai_quota_unit(const ai_char *p, size_t len)
{
    size_t                  n;
    const ai_quota_unit_t  *u;

    for (u = ai_quota_units; u->name; u++) {
        n = strlen(u->name);

        if (n <= len && memcmp(p, u->name, n) == 0) {
            return u;
        }
    }

    return NULL;
}


/* thousandths of a unit in ms, rounded up; bounded first, so that nothing
   overflows */

static uint64_t
ai_quota_scale(uint64_t n, int64_t unit_ms)
{
    uint64_t  by;

    if (unit_ms < 0) {
        by = (uint64_t) -unit_ms * 1000;

    } else {
        n = n > (uint64_t) AI_QUOTA_SPAN_MAX * 1000
            ? (uint64_t) AI_QUOTA_SPAN_MAX * 1000 : n;
        n *= (uint64_t) unit_ms;
        by = 1000;
    }

    return n / by + (n % by != 0);
}


int64_t
ai_quota_duration(const ai_str_t *value)
{
    size_t                  n;
    ai_str_t                s, number;
    uint64_t                ms, total;
    const ai_quota_unit_t  *u;

    s = ai_quota_trim(value);
    total = 0;

    if (s.len == 0) {
        return -1;
    }

    while (s.len) {

        for (n = 0; n < s.len
                    && ((s.data[n] >= '0' && s.data[n] <= '9')
                        || s.data[n] == '.'); n++)
        {
            /* void */
        }

        number.data = s.data;
        number.len = n;

        u = ai_quota_unit(s.data + n, s.len - n);

        if (u == NULL || ai_quota_number(&number, 3, &ms) != AI_OK) {
            return -1;
        }

        total += ai_quota_scale(ms, u->ms);
        total = (uint64_t) ai_quota_bound(total);

        n += strlen(u->name);
        s.data += n;
        s.len -= n;
    }

    return (int64_t) total;
}


/* RFC 3339 with any number of places and any offset */

static int64_t
ai_quota_date(const ai_str_t *s, uint64_t now_s)
{
    size_t    i;
    ai_char   text[20];
    uint64_t  t, offset;

    if (s->len < 20) {
        return -1;
    }

    memcpy(text, s->data, 19);
    text[19] = 'Z';

    if (ai_date_parse(text, 20, &t) != AI_OK) {
        return -1;
    }

    i = 19;

    if (s->data[i] == '.') {
        for (i++; i < s->len && s->data[i] >= '0' && s->data[i] <= '9'; i++) {
            /* void */
        }

        t += (i < s->len);
    }

    if (i + 1 == s->len && s->data[i] == 'Z') {
        return ai_quota_until(t, now_s);
    }

    if (i + 6 != s->len || (s->data[i] != '+' && s->data[i] != '-')) {
        return -1;
    }

    /* as a time of the first day there is */

    memcpy(text, "1970-01-01T", 11);
    memcpy(text + 11, s->data + i + 1, 5);
    memcpy(text + 16, ":00Z", 4);

    if (ai_date_parse(text, 20, &offset) != AI_OK) {
        return -1;
    }

    if (s->data[i] == '-') {
        return ai_quota_until(t + offset, now_s);
    }

    return ai_quota_until(t > offset ? t - offset : 0, now_s);
}


/* a span of Go's, a date, seconds, or a time since the epoch in s or ms */

static int64_t
ai_quota_reset(const ai_str_t *value, uint64_t now_s)
{
    ai_str_t  s;
    uint64_t  n;

    s = ai_quota_trim(value);

    if (s.len >= 20 && s.data[4] == '-') {
        return ai_quota_date(&s, now_s);
    }

    if (s.len == 0 || s.data[s.len - 1] < '0' || s.data[s.len - 1] > '9') {
        return ai_quota_duration(&s);
    }

    if (ai_quota_number(&s, 0, &n) != AI_OK) {
        return -1;
    }

    if (n >= AI_QUOTA_EPOCH_MS) {
        return ai_quota_until(n / 1000, now_s);
    }

    if (n >= AI_QUOTA_EPOCH_S) {
        return ai_quota_until(n, now_s);
    }

    (void) ai_quota_number(&s, 3, &n);

    return ai_quota_bound(n);
}


static int64_t
ai_quota_left(const ai_str_t *value)
{
    ai_str_t  s;
    uint64_t  n;

    s = ai_quota_trim(value);

    if (ai_quota_number(&s, 0, &n) != AI_OK) {
        return -1;
    }

    return n > (uint64_t) AI_QUOTA_LEFT_MAX ? AI_QUOTA_LEFT_MAX : (int64_t) n;
}


static const ai_quota_name_t *
ai_quota_name(const ai_str_t *name)
{
    const ai_quota_name_t  *n;

    if (name->len == 0 || (name->data[0] != 'x' && name->data[0] != 'a')) {
        return NULL;
    }

    for (n = ai_quota_names; n->name; n++) {
        if (strlen(n->name) == name->len
            && memcmp(n->name, name->data, name->len) == 0)
        {
            return n;
        }
    }

    return NULL;
}


int
ai_quota_header(ai_quota_said_t *said, const ai_str_t *name,
    const ai_str_t *value, uint64_t now_s)
{
    int64_t                 v, *field;
    const ai_quota_name_t  *n;

    n = ai_quota_name(name);
    if (n == NULL) {
        return AI_DECLINED;
    }

    v = n->reset ? ai_quota_reset(value, now_s) : ai_quota_left(value);

    if (v < 0) {
        return AI_ERROR;
    }

    if (n->reset) {
        field = n->tokens ? &said->tokens_ms : &said->requests_ms;

        if (v > *field) {
            *field = v;
        }

        return AI_OK;
    }

    field = n->tokens ? &said->tokens : &said->requests;

    if (*field < 0 || v < *field) {
        *field = v;
    }

    return AI_OK;
}


int64_t
ai_retry_after_ms(const ai_str_t *value)
{
    ai_str_t  s;
    uint64_t  n;

    s = ai_quota_trim(value);

    if (ai_quota_number(&s, 0, &n) != AI_OK) {
        return -1;
    }

    return ai_quota_bound(n);
}
