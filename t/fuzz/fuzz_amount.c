
/*
 * Values of the configuration.
 *
 * Amounts: what is accepted is within bounds and, written out again, is read
 * as the same.  Dates: they agree with ai_buf_time().  Patterns: the match
 * agrees with a table of all pairs of prefixes.
 */


#include <stdlib.h>

#include "ai_amount.h"
#include "ai_date.h"
#include "ai_glob.h"


static void
fuzz_amount(unsigned resource, const ai_char *data, size_t len)
{
    ai_buf_t    b;
    ai_char     text[64];
    ai_limit_t  l, again;

    if (ai_amount_parse(&l, resource, data, len) != AI_OK) {
        return;
    }

    if (l.amount < 0 || l.amount > AI_LIMIT_MAX || l.burst < 0
        || l.burst > l.amount)
    {
        abort();
    }

    ai_buf_init(&b, text, sizeof(text));

    if (resource == AI_RES_COST) {
        ai_buf_nanos(&b, l.amount);

    } else {
        ai_buf_int(&b, l.amount);
    }

    if (l.period != AI_PERIOD_NONE) {
        ai_buf_char(&b, '/');
        ai_buf_cstr(&b, ai_period_names[l.period]);
    }

    if (b.full
        || ai_amount_parse(&again, resource, text, (size_t) (b.pos - text))
           != AI_OK
        || memcmp(&l, &again, sizeof(ai_limit_t)) != 0)
    {
        abort();
    }

    if (ai_amount_burst(&l, data, len) == AI_OK
        && (l.burst < 1 || l.burst > AI_LIMIT_MAX))
    {
        abort();
    }
}


static void
fuzz_date(const ai_char *data, size_t len)
{
    ai_buf_t  b;
    ai_char   text[32];
    uint64_t  seconds;

    if (ai_date_parse(data, len, &seconds) != AI_OK) {
        return;
    }

    ai_buf_init(&b, text, sizeof(text));
    ai_buf_time(&b, seconds * 1000);

    /* without the milliseconds: "2027-01-01T00:00:00" */

    if (memcmp(text, data, len == 10 ? 10 : 19) != 0
        || (len == 10 && memcmp(text + 10, "T00:00:00", 9) != 0))
    {
        abort();
    }
}


static void
fuzz_glob(const ai_char *data, size_t len)
{
    size_t          i, j;
    ai_str_t        p, n;
    unsigned char   match[65][65];
    const ai_char  *bar;

    bar = memchr(data, '|', len);

    if (bar == NULL) {
        return;
    }

    p.data = (ai_char *) data;
    p.len = (size_t) (bar - data);
    n.data = (ai_char *) bar + 1;
    n.len = len - p.len - 1;

    if (p.len > 64 || n.len > 64) {
        return;
    }

    for (i = 0; i <= p.len; i++) {
        for (j = 0; j <= n.len; j++) {

            if (i == 0) {
                match[i][j] = (j == 0);

            } else if (p.data[i - 1] == '*') {
                match[i][j] = match[i - 1][j] || (j && match[i][j - 1]);

            } else {
                match[i][j] = j && match[i - 1][j - 1]
                              && p.data[i - 1] == n.data[j - 1];
            }
        }
    }

    if (ai_glob_match(&p, &n) != match[p.len][n.len]) {
        abort();
    }
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }

    fuzz_amount(data[0] % AI_RES_N, data + 1, size - 1);
    fuzz_date(data + 1, size - 1);
    fuzz_glob(data + 1, size - 1);

    return 0;
}
