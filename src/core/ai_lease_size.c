
/*
 * How much to ask for, and how a bucket is refilled where no one can divide.
 */


#include "ai_lease.h"


/* a measure of less time than this part of a lease tells too little */
#define AI_WANT_PART   8

#define AI_TICK_US     10000


static const int64_t  ai_tick_period_us[AI_PERIOD_BUCKETS] = {
    1000000, 60000000, 3600000000
};


int64_t
ai_lease_want(int64_t spent, uint64_t since_ms, uint64_t lease_ms,
    int64_t left, uint32_t nodes, int64_t unspent, int64_t need)
{
    int64_t   most;
    uint64_t  since;
    __int128  want;

    if (nodes == 0) {
        nodes = 1;
    }

    need = need > 0 ? need : 0;
    most = left > 0 ? left / 2 / nodes : 0;

    since = since_ms > lease_ms / AI_WANT_PART ? since_ms
                                               : lease_ms / AI_WANT_PART;
    since = since ? since : 1;

    want = spent > 0 ? (__int128) spent * 2 * lease_ms / since : 0;

    if (want > most) {
        want = most;
    }

    want -= unspent > 0 ? unspent : 0;

    return want > need ? (int64_t) want : need;
}


/* a tick of more than half of AI_TICK_US is too long by 1 us at most */

void
ai_lease_tick(int64_t amount, unsigned period, int64_t *per_tick,
    uint64_t *tick_us)
{
    __int128  n, us;

    *per_tick = 0;
    *tick_us = 0;

    if (amount <= 0 || period >= AI_PERIOD_BUCKETS) {
        return;
    }

    us = ai_tick_period_us[period];
    n = (__int128) amount * AI_TICK_US / us;
    n = n ? n : 1;

    *per_tick = (int64_t) n;
    *tick_us = (uint64_t) ((n * us + amount - 1) / amount);
}
