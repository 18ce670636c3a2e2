
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
    "s", "m", "h", "day", "month", "total", ""
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


/*
 * What was last computed for a day, in one word: the day and one, and the
 * result.  Each limit of each request asks for the same day; a thread that
 * finds another one's word computes anew.
 */

static uint64_t  ai_date_memo, ai_month_end_memo;


static inline uint32_t
ai_memo_get(const uint64_t *memo, uint32_t day)
{
    uint64_t  w;

    w = __atomic_load_n(memo, __ATOMIC_RELAXED);

    return w >> 32 == (uint64_t) day + 1 ? (uint32_t) w : 0;
}


static inline void
ai_memo_set(uint64_t *memo, uint32_t day, uint32_t value)
{
    __atomic_store_n(memo, ((uint64_t) day + 1) << 32 | value,
                     __ATOMIC_RELAXED);
}


static inline uint32_t
ai_day_of(uint64_t seconds)
{
    return (uint32_t) ((seconds < AI_TIME_MAX ? seconds : AI_TIME_MAX)
                       / 86400);
}


/* year, month and day of the proleptic Gregorian calendar, after Hinnant */

static uint32_t
ai_date_compute(uint32_t day)
{
    uint32_t  days, era, doe, yoe, doy, mp, year, mon;

    days = day + 719468;
    era = days / 146097;
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    mon = mp < 10 ? mp + 3 : mp - 9;
    year = yoe + era * 400 + (mon <= 2);

    return year * 10000 + mon * 100 + doy - (153 * mp + 2) / 5 + 1;
}


static inline uint32_t
ai_date(uint64_t seconds)
{
    uint32_t  day, date;

    day = ai_day_of(seconds);
    date = ai_memo_get(&ai_date_memo, day);

    if (date == 0) {
        date = ai_date_compute(day);
        ai_memo_set(&ai_date_memo, day, date);
    }

    return date;
}


/* the first day of the next month */

static uint32_t
ai_month_end(uint32_t day)
{
    uint32_t  date, month;

    date = ai_date_compute(day);
    month = date / 100;

    /* from the 28th it is at most four days to the next month */

    if (date % 100 < 28) {
        day += 28 - date % 100;
    }

    do {
        day++;
    } while (day <= AI_TIME_MAX / 86400
             && ai_date_compute(day) / 100 == month);

    return day;
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


/* ai_date_compute() the other way round */

uint64_t
ai_day_begin(uint32_t id)
{
    uint32_t  year, mon, era, yoe, doy;

    mon = id / 100 % 100;
    year = id / 10000 - (mon <= 2);
    era = year / 400;
    yoe = year - era * 400;
    doy = (153 * (mon > 2 ? mon - 3 : mon + 9) + 2) / 5 + id % 100 - 1;

    return ((uint64_t) era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy
            - 719468)
           * 86400;
}


uint64_t
ai_window_end(ai_period_t period, uint64_t seconds)
{
    uint32_t  day, end;

    day = ai_day_of(seconds);

    if (period == AI_PERIOD_DAY) {
        return ((uint64_t) day + 1) * 86400;
    }

    if (period != AI_PERIOD_MONTH) {
        return seconds < AI_TIME_MAX ? seconds : AI_TIME_MAX;
    }

    end = ai_memo_get(&ai_month_end_memo, day);

    if (end == 0) {
        end = ai_month_end(day);
        ai_memo_set(&ai_month_end_memo, day, end);
    }

    return (uint64_t) end * 86400;
}
