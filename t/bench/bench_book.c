
/*
 * Nanoseconds of taking and settling a hold, of a tenant with six limits and
 * of the same with a key's own limit, for 1, 10 and 100 000 owners.
 *
 *   gcc -O2 -std=c11 -D_GNU_SOURCE -Isrc/core -o build/bench_book \
 *       t/bench/bench_book.c src/core/ai_*.c -lcrypto
 */


#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "ai_book.h"


static const ai_limit_t  tenant[] = {
    { AI_RES_REQUESTS, AI_PERIOD_MINUTE, (int64_t) 1 << 50, (int64_t) 1 << 50 },
    { AI_RES_TOKENS, AI_PERIOD_MINUTE, (int64_t) 1 << 50, (int64_t) 1 << 50 },
    { AI_RES_TOKENS, AI_PERIOD_DAY, (int64_t) 1 << 50, 0 },
    { AI_RES_COST, AI_PERIOD_HOUR, (int64_t) 1 << 50, (int64_t) 1 << 50 },
    { AI_RES_COST, AI_PERIOD_MONTH, (int64_t) 1 << 50, 0 },
    { AI_RES_CONCURRENCY, AI_PERIOD_NONE, 1000, 0 },
};

static const ai_limit_t  key[] = {
    { AI_RES_REQUESTS, AI_PERIOD_SECOND, (int64_t) 1 << 50, (int64_t) 1 << 50 },
};


static double
seconds(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


static void
run(ai_book_t *bk, int worker, uint32_t owners, unsigned parties)
{
    double          from;
    ai_now_t        now = { 1795225000, 1000000000 };
    ai_ref_t        hold;
    uint32_t        i, n, rounds;
    ai_refused_t    why;
    ai_hold_ask_t   ask;
    const int64_t   used[AI_RES_COUNTED] = { 1, 900, 500, 400, 12345 };
    const uint64_t  tokens[2] = { 500, 400 };

    memset(&ask, 0, sizeof(ask));
    ask.nparty = parties;
    ask.party[0].limits = tenant;
    ask.party[0].nlimits = 6;
    ask.party[1].limits = key;
    ask.party[1].nlimits = 1;
    ask.party[1].id.id[15] = 1;
    ask.bound[AI_RES_REQUESTS] = 1;
    ask.bound[AI_RES_TOKENS] = 2000;
    ask.bound[AI_RES_COST] = 100000;
    ask.guess[AI_RES_TOKENS] = 1000;
    ask.worker = (uint16_t) worker;

    /* the first round makes the owners */

    rounds = owners > 2000000 ? owners : 2000000;
    from = 0;

    for (i = 0; i < rounds + owners; i++) {

        if (i == owners) {
            from = seconds();
        }

        n = i % owners * 2654435761U;
        memcpy(ask.party[0].id.id, &n, 4);
        memcpy(ask.party[1].id.id, &n, 4);
        now.mono_ms += (i & 63) == 0;

        if (ai_book_take(bk, &ask, &now, &hold, &why) != AI_OK) {
            printf("take failed at %u\n", i);
            exit(1);
        }

        ai_book_settle(bk, hold, used, tokens, &now);
    }

    printf("%7u tenants, %u part%s: %4.0f ns per take and settle\n", owners,
           parties, parties == 1 ? "y, 6 limits " : "ies, 7 limits",
           (seconds() - from) / rounds * 1e9);
}


int
main(void)
{
    int                    worker;
    void                  *mem;
    size_t                 size;
    unsigned               i, parties;
    ai_book_stat_t         st;
    static const ai_char   id[16];
    static const uint32_t  owners[] = { 1, 10, 100000 };

    for (parties = 1; parties <= 2; parties++) {
        for (i = 0; i < 3; i++) {
            size = owners[i] < 1000 ? 16 << 20 : (parties * 80) << 20;
            mem = aligned_alloc(64, size);

            if (mem == NULL || ai_book_init(mem, size, id) != 0) {
                return 1;
            }

            worker = ai_book_worker(mem, 1, 1);
            run(mem, worker, owners[i], parties);

            ai_book_stat(mem, &st);
            printf("        %llu of %llu KB in use\n",
                   (unsigned long long) st.used / 1024,
                   (unsigned long long) st.size / 1024);
            free(mem);
        }
    }

    return 0;
}
