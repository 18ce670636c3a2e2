
/*
 * What metering costs: a stream of 50 chat events, each fed as it comes, and a
 * body of 10 MB of text.  Usage: bench_meter
 */


#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ai_meter.h"


#define BENCH_EVENTS  50
#define BENCH_BODY    (10 << 20)
#define BENCH_ROUNDS  20000


static const char  bench_event[] =
    "data: {\"id\":\"chatcmpl-BBB008\",\"object\":\"chat.completion.chunk\","
    "\"created\":1795000001,\"model\":\"gpt-4o-mini-2024-07-18\","
    "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_1b\","
    "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},"
    "\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";

static const char  bench_head[] =
    "{\"choices\":[{\"message\":{\"content\":\"";

static const char  bench_tail[] =
    "\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}";


static double
bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}


static double
bench_stream(ai_meter_t *m)
{
    int             i;
    double          start;
    unsigned        drop;
    const ai_char  *pos, *end;

    start = bench_now();

    ai_meter_init(m, AI_DIALECT_OPENAI, AI_EP_CHAT, AI_BODY_SSE);

    for (i = 0; i < BENCH_EVENTS; i++) {
        pos = (const ai_char *) bench_event;
        end = pos + sizeof(bench_event) - 1;

        while (ai_meter_feed(m, &pos, end, &drop) == AI_DONE) { /* void */ }
    }

    ai_meter_end(m, 1);

    return bench_now() - start;
}


static double
bench_body(ai_meter_t *m, const ai_char *body, size_t len)
{
    double          start;
    unsigned        drop;
    const ai_char  *pos;

    pos = body;
    start = bench_now();

    ai_meter_init(m, AI_DIALECT_OPENAI, AI_EP_CHAT, AI_BODY_JSON);
    ai_meter_feed(m, &pos, body + len, &drop);
    ai_meter_end(m, 1);

    return bench_now() - start;
}


int
main(void)
{
    int          i;
    char        *body;
    double       t, best;
    size_t       len;
    ai_meter_t   m;

    best = 1e9;

    for (i = 0; i < BENCH_ROUNDS; i++) {
        t = bench_stream(&m);
        best = t < best ? t : best;
    }

    printf("%d events of %zu bytes: %.1f us (text: %llu bytes)\n",
           BENCH_EVENTS, sizeof(bench_event) - 1, best,
           (unsigned long long) m.text_bytes);

    len = sizeof(bench_head) - 1 + BENCH_BODY + sizeof(bench_tail) - 1;
    body = malloc(len);

    memcpy(body, bench_head, sizeof(bench_head) - 1);
    memset(body + sizeof(bench_head) - 1, 'x', BENCH_BODY);
    memcpy(body + len - (sizeof(bench_tail) - 1), bench_tail,
           sizeof(bench_tail) - 1);

    best = 1e9;

    for (i = 0; i < 20; i++) {
        t = bench_body(&m, (ai_char *) body, len);
        best = t < best ? t : best;
    }

    printf("body of %zu bytes: %.0f us, %.1f GB/s (text: %llu bytes)\n", len,
           best, (double) len / best / 1e3,
           (unsigned long long) m.text_bytes);

    printf("sizeof(ai_meter_t): %zu\n", sizeof(ai_meter_t));

    free(body);

    return 0;
}
