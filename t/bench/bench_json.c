
/*
 * The speed of a request's scan, MB/s: whole bodies walked token by token,
 * skipped as one value, and scanned as Chat requests; then the first two
 * without SIMD.  Usage: bench_json [FILE...]
 */


#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "ai_json.h"
#include "ai_request.h"


#define BENCH_MAX  (8 << 20)


static ai_char  bench_body[BENCH_MAX];


static double
bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


static int
bench_request(size_t len)
{
    static ai_request_t  rq;

    static const ai_str_t  none = ai_string("");

    return ai_request_scan(&rq, AI_EP_CHAT, bench_body, len, &none, &none);
}


static int
bench_walk(size_t len, unsigned skip)
{
    int              rc;
    ai_json_t        js;
    const ai_char   *pos;
    ai_json_token_t  tok;

    if (skip == 2) {
        return bench_request(len);
    }

    ai_json_init(&js, 0);
    pos = bench_body;

    if (skip) {
        (void) ai_json_skip(&js, &pos, bench_body + len, 0);
        return ai_json_end(&js);
    }

    do {
        rc = ai_json_next(&js, &pos, bench_body + len, &tok);
    } while (rc == AI_OK);

    return rc == AI_DONE ? AI_OK : AI_ERROR;
}


static double
bench_rate(size_t len, unsigned skip)
{
    size_t  i, n;
    double  best, start, spent;

    n = 1 + (4 << 20) / len;
    best = 0;

    for (int round = 0; round < 40; round++) {
        start = bench_now();

        for (i = 0; i < n; i++) {
            if (bench_walk(len, skip) != AI_OK) {
                fprintf(stderr, "not JSON\n");
                exit(1);
            }
        }

        spent = (double) len * (double) n / (bench_now() - start) / 1e6;
        best = spent > best ? spent : best;
    }

    return best;
}


/* a body of about "size" bytes, made of "unit" over and over */

static size_t
bench_fill(size_t size, const char *head, const char *unit, const char *tail)
{
    ai_buf_t  b;

    ai_buf_init(&b, bench_body, sizeof(bench_body));
    ai_buf_cstr(&b, head);

    while ((size_t) (b.pos - bench_body) + strlen(unit) < size) {
        ai_buf_cstr(&b, unit);
    }

    ai_buf_cstr(&b, unit);
    b.pos--;                    /* its separator */
    ai_buf_cstr(&b, tail);

    return (size_t) (b.pos - bench_body);
}


static void
bench_case(const char *name, size_t len)
{
    int  portable;

    printf("%-24s %9zu", name, len);

    for (portable = 0; portable < 2; portable++) {
        ai_json_portable = portable;
        printf(" %8.0f %8.0f", bench_rate(len, 0), bench_rate(len, 1));

        if (!portable) {
            printf(" %8.0f", bench_rate(len, 2));
        }
    }

    printf("\n");
}


static const char  bench_head[] =
    "{\"model\":\"gpt-4.1\",\"messages\":[";

static const char  bench_tools[] =
    "{\"model\":\"gpt-4.1\",\"tools\":[";

static const char  bench_image[] =
    "{\"model\":\"gpt-4.1\",\"image\":\"data:image/png;base64,";

static const char  bench_chat[] =
    "{\"role\":\"user\",\"content\":\"Please explain, step by step, how a "
    "token bucket differs from a leaky bucket.\\nThen show it in C, with a "
    "short example, and say where \\\"burst\\\" comes in. The quick brown fox "
    "jumps over the lazy dog, again and again, until the context is long "
    "enough to be worth a measurement.\\n\\nThank you very much.\"},";

#define BENCH_TEXT                                                           \
    "The scheduler keeps a run queue for each core, and a task is put into "  \
    "the queue of the core where it ran last.\\n\\nWhen a core is idle it "    \
    "looks at its neighbours' queues, and takes half of the longest one.\\n"

static const char  bench_long[] =
    "{\"role\":\"user\",\"content\":\"" BENCH_TEXT BENCH_TEXT BENCH_TEXT
    BENCH_TEXT BENCH_TEXT BENCH_TEXT BENCH_TEXT BENCH_TEXT BENCH_TEXT
    BENCH_TEXT BENCH_TEXT BENCH_TEXT BENCH_TEXT BENCH_TEXT "\"},";

static const char  bench_cjk[] =
    "{\"role\":\"user\",\"content\":\"\xe8\xaf\xb7\xe4\xb8\x80\xe6\xad\xa5"
    "\xe4\xb8\x80\xe6\xad\xa5\xe5\x9c\xb0\xe8\xa7\xa3\xe9\x87\x8a\xe4\xbb\xa4"
    "\xe7\x89\x8c\xe6\xa1\xb6\xe4\xb8\x8e\xe6\xbc\x8f\xe6\xa1\xb6\xe7\x9a\x84"
    "\xe5\x8c\xba\xe5\x88\xab\xe3\x80\x82\xe8\xb0\xa2\xe8\xb0\xa2\xe3\x80\x82"
    "\"},";

static const char  bench_cyrillic[] =
    "{\"role\":\"user\",\"content\":\"\xd0\x9f\xd0\xbe\xd0\xb6\xd0\xb0\xd0\xbb"
    "\xd1\x83\xd0\xb9\xd1\x81\xd1\x82\xd0\xb0, \xd0\xbe\xd0\xb1\xd1\x8a\xd1\x8f"
    "\xd1\x81\xd0\xbd\xd0\xb8 \xd0\xbf\xd0\xbe\xd0\xb4\xd1\x80\xd0\xbe\xd0\xb1"
    "\xd0\xbd\xd0\xbe, \xd0\xba\xd0\xb0\xd0\xba \xd1\x8d\xd1\x82\xd0\xbe "
    "\xd1\x80\xd0\xb0\xd0\xb1\xd0\xbe\xd1\x82\xd0\xb0\xd0\xb5\xd1\x82.\"},";

static const char  bench_tool[] =
    "{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"strict\":"
    "true,\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{"
    "\"type\":\"string\",\"description\":\"a city and its country\"},\"days\":"
    "{\"type\":\"integer\",\"minimum\":1,\"maximum\":14},\"unit\":{\"type\":"
    "\"string\",\"enum\":[\"c\",\"f\"]}},\"required\":[\"city\",\"unit\"],"
    "\"additionalProperties\":false}}},";


int
main(int argc, char **argv)
{
    int     i;
    FILE   *f;
    size_t  n;

    printf("%-24s %9s %8s %8s %8s %8s %8s\n", "body", "bytes", "tokens",
           "skip", "request", "portable", "skip");

    if (argc > 1) {
        for (i = 1; i < argc; i++) {
            f = fopen(argv[i], "r");
            if (f == NULL) {
                perror(argv[i]);
                return 1;
            }

            n = fread(bench_body, 1, sizeof(bench_body), f);
            fclose(f);
            bench_case(argv[i], n);
        }

        return 0;
    }

    bench_case("chat", bench_fill(1000, bench_head, bench_chat, "]}"));
    bench_case("chat", bench_fill(100000, bench_head, bench_chat, "]}"));
    bench_case("chat", bench_fill(1000000, bench_head, bench_chat, "]}"));
    bench_case("chat, long messages",
               bench_fill(1000000, bench_head, bench_long, "]}"));
    bench_case("chat, chinese",
               bench_fill(1000000, bench_head, bench_cjk, "]}"));
    bench_case("chat, russian",
               bench_fill(1000000, bench_head, bench_cyrillic, "]}"));
    bench_case("dense tools",
               bench_fill(100000, bench_tools, bench_tool, "]}"));
    bench_case("dense tools",
               bench_fill(1000000, bench_tools, bench_tool, "]}"));
    bench_case("image, base64",
               bench_fill(4000000, bench_image,
                          "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
                          "\"}"));
    bench_case("short messages",
               bench_fill(1000000, bench_head,
                          "{\"role\":\"user\",\"content\":\"hi\"},", "]}"));

    return 0;
}
