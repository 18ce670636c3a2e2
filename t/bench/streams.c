
/*
 * Opens N streams through a gateway and measures them.
 *
 *   streams [-n STREAMS] [-r PER_SECOND] [-d SECONDS] [-k KEY] PORT
 *
 * Without -d: each stream is read to its end; prints, in microseconds, the
 * medians and 99th percentiles of the time from the request to the first byte
 * of the answer, and of each event's way from the provider's write to the read
 * here.  Events carry the moment of their write (see standin.c).
 *
 * With -d: all streams are opened, "open N" is printed once each has got its
 * first event, and they stay for so long.
 */


#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


#define MARK      "\"content\":\""
#define DIGITS    19
#define KEEP      64            /* bytes carried over between reads */
#define TAIL      11            /* the most of a mark that may be split off */


typedef struct {
    int        fd;
    uint64_t   sent;            /* ns */
    unsigned   first:1;         /* its first byte came */
    unsigned   event:1;         /* its first event came */
    unsigned   done:1;
    size_t     tail_len;
    char       tail[KEEP];
} stream_t;

typedef struct {
    uint32_t  *v;               /* microseconds times ten */
    size_t     n;
    size_t     max;
} samples_t;


static int        epfd;
static samples_t  firsts, ways;
static int        opened, ended, broken;


static uint64_t
now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000ULL + (uint64_t) ts.tv_nsec;
}


static void
sample(samples_t *s, uint64_t ns)
{
    if (s->n == s->max) {
        s->max = s->max ? s->max * 2 : 4096;
        s->v = realloc(s->v, s->max * sizeof(uint32_t));

        if (s->v == NULL) {
            exit(1);
        }
    }

    s->v[s->n++] = (uint32_t) (ns / 100);
}


static int
compare(const void *a, const void *b)
{
    uint32_t  x, y;

    x = *(const uint32_t *) a;
    y = *(const uint32_t *) b;

    return (x > y) - (x < y);
}


static double
percentile(samples_t *s, double p)
{
    if (s->n == 0) {
        return -1;
    }

    qsort(s->v, s->n, sizeof(uint32_t), compare);

    return s->v[(size_t) (p * (double) (s->n - 1))] / 10.0;
}


static void
stream_open(stream_t *st, int port, const char *request, size_t len)
{
    int                 on;
    struct sockaddr_in  sin;
    struct epoll_event  ev;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    st->fd = socket(AF_INET, SOCK_STREAM, 0);
    on = 1;

    if (st->fd == -1
        || connect(st->fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || setsockopt(st->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
    {
        perror("connect");
        exit(1);
    }

    st->sent = now_ns();

    if (write(st->fd, request, len) != (ssize_t) len) {
        perror("write");
        exit(1);
    }

    ev.events = EPOLLIN;
    ev.data.ptr = st;

    if (epoll_ctl(epfd, EPOLL_CTL_ADD, st->fd, &ev) == -1) {
        perror("epoll_ctl");
        exit(1);
    }
}


static void
stream_close(stream_t *st)
{
    close(st->fd);
    st->done = 1;
    ended++;
}


static void
stream_parse(stream_t *st, const char *data, size_t len, uint64_t now)
{
    uint64_t     t;
    const char  *p, *end;

    p = data;
    end = data + len;

    for ( ;; ) {
        p = memmem(p, (size_t) (end - p), MARK, sizeof(MARK) - 1);

        if (p == NULL || (size_t) (end - p) < sizeof(MARK) - 1 + DIGITS) {
            break;
        }

        p += sizeof(MARK) - 1;
        t = strtoull(p, NULL, 10);

        if (t && t <= now) {
            sample(&ways, now - t);
        }

        if (!st->event) {
            st->event = 1;
            opened++;
        }
    }

    if (memmem(data, len, "data: [DONE]", 12) != NULL) {
        stream_close(st);
        return;
    }

    /* a mark that lies over the border is seen with the next bytes; a whole
       one is shorter than what was looked at and is cut off */

    if (p == NULL) {
        st->tail_len = len < TAIL ? len : TAIL;

    } else {
        st->tail_len = (size_t) (end - p);
    }

    memcpy(st->tail, end - st->tail_len, st->tail_len);
}


static void
stream_read(stream_t *st)
{
    size_t       len;
    ssize_t      n;
    uint64_t     now;
    static char  buf[KEEP + 65536 + 1];

    memcpy(buf, st->tail, st->tail_len);
    n = read(st->fd, buf + st->tail_len, 65536);
    now = now_ns();

    if (n <= 0) {
        broken++;
        stream_close(st);
        return;
    }

    if (!st->first) {
        st->first = 1;
        sample(&firsts, now - st->sent);

        if (memcmp(buf, "HTTP/1.1 200", 12) != 0) {
            fprintf(stderr, "%.*s\n", (int) n, buf);
            exit(1);
        }
    }

    len = st->tail_len + (size_t) n;
    buf[len] = '\0';

    stream_parse(st, buf, len, now);
}


static void
report(int n)
{
    printf("{\"streams\":%d,\"broken\":%d,\"events\":%zu,"
           "\"first_p50\":%.1f,\"first_p99\":%.1f,"
           "\"event_p50\":%.1f,\"event_p99\":%.1f}\n",
           n, broken, ways.n,
           percentile(&firsts, 0.50), percentile(&firsts, 0.99),
           percentile(&ways, 0.50), percentile(&ways, 0.99));
}


static void
run(stream_t *st, int n, int rate, int hold, int port, const char *request,
    size_t len)
{
    int                 i, k, started, told;
    uint64_t            start, until;
    struct epoll_event  ev[256];

    started = 0;
    told = 0;
    start = now_ns();
    until = 0;

    while (ended < n) {

        while (started < n
               && (now_ns() - start) * (uint64_t) rate
                  >= (uint64_t) started * 1000000000ULL)
        {
            stream_open(&st[started++], port, request, len);
        }

        k = epoll_wait(epfd, ev, 256, started < n ? 1 : 200);

        for (i = 0; i < k; i++) {
            stream_read(ev[i].data.ptr);
        }

        if (hold && !told && opened == n) {
            printf("open %d\n", n);
            fflush(stdout);
            told = 1;
            until = now_ns() + (uint64_t) hold * 1000000000ULL;
        }

        if (told && now_ns() > until) {
            return;
        }
    }
}


int
main(int argc, char **argv)
{
    int            opt, n, rate, hold, len, port;
    char           request[2048];
    stream_t      *st;
    const char    *key, *body;
    struct rlimit  rl;

    n = 100;
    rate = 1000;
    hold = 0;
    key = "none";

    while ((opt = getopt(argc, argv, "n:r:d:k:")) != -1) {
        switch (opt) {

        case 'n':
            n = atoi(optarg);
            break;

        case 'r':
            rate = atoi(optarg);
            break;

        case 'd':
            hold = atoi(optarg);
            break;

        case 'k':
            key = optarg;
            break;

        default:
            return 2;
        }
    }

    if (optind + 1 != argc || n <= 0 || rate <= 0) {
        fprintf(stderr, "usage: streams [-n streams] [-r per_second] "
                "[-d seconds] [-k key] port\n");
        return 2;
    }

    port = atoi(argv[optind]);

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }

    body = "{\"model\":\"gpt-4.1\",\"stream\":true,\"max_tokens\":512,"
           "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}";

    len = snprintf(request, sizeof(request),
                   "POST /v1/chat/completions HTTP/1.1\r\n"
                   "Host: gateway.test\r\n"
                   "Authorization: Bearer %s\r\n"
                   "Content-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   key, strlen(body), body);

    epfd = epoll_create1(0);
    st = calloc((size_t) n, sizeof(stream_t));

    if (epfd == -1 || st == NULL) {
        perror("streams");
        return 1;
    }

    run(st, n, rate, hold, port, request, (size_t) len);
    report(n);

    return broken ? 1 : 0;
}
