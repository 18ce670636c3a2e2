
/*
 * Rate-limit headers: whatever is said stays within bounds; the first bytes as
 * a span come back from Go's text and from a date; headers in any order say the
 * same.
 */


#include "ai_duration.h"
#include "ai_quota.h"


static void
check(int64_t v)
{
    if (v < -1 || v > AI_QUOTA_SPAN_MAX) {
        __builtin_trap();
    }
}


static void
round_trip(uint64_t ms)
{
    ai_buf_t  b;
    ai_str_t  s;
    ai_char   text[AI_DURATION_MAX];

    ms %= (uint64_t) AI_QUOTA_SPAN_MAX;

    ai_buf_init(&b, text, sizeof(text));
    ai_duration_go(&b, (int64_t) ms);

    s.data = text;
    s.len = (size_t) (b.pos - text);

    if (ai_quota_duration(&s) != (int64_t) ms) {
        __builtin_trap();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t size)
{
    int              i;
    size_t           n;
    uint64_t         ms;
    ai_str_t         name, value[2];
    ai_quota_said_t  one, two;

    if (size < 10) {
        return 0;
    }

    memcpy(&ms, p, 8);
    round_trip(ms);

    n = 10 + p[8] % (size - 9);

    name.data = (ai_char *) p + 10;
    name.len = n - 10;
    value[0].data = (ai_char *) p + n;
    value[0].len = p[9] % (size - n + 1);
    value[1].data = value[0].data + value[0].len;
    value[1].len = size - n - value[0].len;

    for (i = 0; i < 2; i++) {
        check(ai_retry_after(&value[i], ms >> 24));
        check(ai_retry_after_ms(&value[i]));
        check(ai_quota_duration(&value[i]));
    }

    ai_quota_none(&one);
    ai_quota_none(&two);

    for (i = 0; i < 2; i++) {
        (void) ai_quota_header(&one, &name, &value[i], ms >> 24);
        (void) ai_quota_header(&two, &name, &value[1 - i], ms >> 24);
    }

    if (memcmp(&one, &two, sizeof(one)) != 0
        || one.requests < -1 || one.requests > AI_QUOTA_LEFT_MAX
        || one.tokens < -1 || one.tokens > AI_QUOTA_LEFT_MAX)
    {
        __builtin_trap();
    }

    check(one.requests_ms);
    check(one.tokens_ms);

    return 0;
}
