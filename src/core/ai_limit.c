
/*
 * Token buckets and calendar windows, in integers and exact: a bucket keeps
 * the remainder of each division, so that refilling it in a thousand small
 * steps gives what one large step gives.
 */


#include "ai_limit.h"


typedef unsigned __int128  ai_wide_t;

/* 9999-12-31 23:59:59: later times count as this one, ids stay 8 digits */
#define AI_TIME_MAX  253402300799ULL


const char *const  ai_resource_names[AI_RES_N] = {
    "requests", "tokens", "input_tokens", "output_tokens", "cost",
    "concurrency"
};

const char *const  ai_period_names[AI_PERIOD_NONE + 1] = {
    "s", "m", "h", "day", "month", ""
};

static const uint64_t  ai_period_ms[AI_PERIOD_BUCKETS] = {
    1000, 60000, 3600000
};


void
ai_bucket_refill(ai_bucket_t *b, const ai_limit_t *l, uint64_t now)
{
    uint64_t   elapsed, period, amount, small;
    ai_wide_t  credit, n;

    if (now <= b->last) {
        return;
    }

    elapsed = now - b->last;
    b->last = now;

    if (b->taken <= 0) {
        b->taken = 0;
        b->rem = 0;
        return;
    }

    if (l->amount <= 0 || l->period >= AI_PERIOD_BUCKETS) {
        return;
    }

    amount = (uint64_t) l->amount;
    period = ai_period_ms[l->period];

    if (!__builtin_mul_overflow(elapsed, amount, &small)
        && !__builtin_add_overflow(small, b->rem, &small))
    {
        n = small / period;
        small %= period;

    } else {
        credit = (ai_wide_t) elapsed * amount + b->rem;
        n = credit / period;
        small = (uint64_t) (credit % period);
    }

    /* a full bucket keeps no fraction either: what flows over is lost */

    if (n >= (ai_wide_t) b->taken) {
        b->taken = 0;
        b->rem = 0;
        return;
    }

    b->taken -= (int64_t) n;
    b->rem = small;
}


int64_t
ai_bucket_level(const ai_bucket_t *b, const ai_limit_t *l)
{
    int64_t  level;

    if (l->amount <= 0) {
        return 0;
    }

    if (__builtin_sub_overflow(l->burst, b->taken, &level)) {
        return b->taken > 0 ? INT64_MIN : INT64_MAX;
    }

    return level;
}


int64_t
ai_bucket_wait(const ai_bucket_t *b, const ai_limit_t *l, int64_t n)
{
    int64_t    level;
    ai_wide_t  need, amount, ms;

    if (l->amount <= 0 || n > l->burst || l->period >= AI_PERIOD_BUCKETS) {
        return -1;
    }

    level = ai_bucket_level(b, l);

    if (level >= n) {
        return 0;
    }

    amount = (ai_wide_t) l->amount;
    need = (ai_wide_t) ((__int128) n - level) * ai_period_ms[l->period]
           - b->rem;
    ms = (need + amount - 1) / amount;

    return ms > INT64_MAX ? INT64_MAX : (int64_t) ms;
}


/* year, month and day of the proleptic Gregorian calendar, after Hinnant */

static uint32_t
ai_date(uint64_t seconds)
{
    uint64_t  days, era, doe, yoe, doy, mp, year, mon;

    if (seconds > AI_TIME_MAX) {
        seconds = AI_TIME_MAX;
    }

    days = seconds / 86400 + 719468;
    era = days / 146097;
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    mon = mp < 10 ? mp + 3 : mp - 9;
    year = yoe + era * 400 + (mon <= 2);

    return (uint32_t) (year * 10000 + mon * 100
                       + doy - (153 * mp + 2) / 5 + 1);
}


uint32_t
ai_day_id(uint64_t seconds)
{
    return ai_date(seconds);
}


uint32_t
ai_month_id(uint64_t seconds)
{
    return ai_date(seconds) / 100;
}


uint64_t
ai_window_end(ai_period_t period, uint64_t seconds)
{
    uint32_t  date, month;
    uint64_t  day;

    if (seconds > AI_TIME_MAX) {
        seconds = AI_TIME_MAX;
    }

    day = seconds / 86400;

    if (period == AI_PERIOD_DAY) {
        return (day + 1) * 86400;
    }

    if (period != AI_PERIOD_MONTH) {
        return seconds;
    }

    /* from the 28th it is at most four days to the next month */

    date = ai_date(seconds);
    month = date / 100;

    if (date % 100 < 28) {
        day += 28 - date % 100;
    }

    do {
        day++;
    } while (day * 86400 <= AI_TIME_MAX && ai_month_id(day * 86400) == month);

    return day * 86400;
}
