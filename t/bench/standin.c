
/*
 * A provider for load: answers chat completions from one thread, a fixed JSON
 * body or, where the request says "stream":true, events at an interval.
 *
 *   standin [-e EVENTS] [-i INTERVAL_MS] [-s SIZE] [-j JOURNAL] [-f SEED] PORT
 *
 * Each event carries, as its text, the CLOCK_MONOTONIC nanoseconds at which it
 * was written, so that a client of the same machine knows its way's time.  The
 * journal gets one JSON line per request at its end: the X-Request-Id, whether
 * it was completed, the events ("words") that were written; its fate, the
 * status, and which request of its connection it was.
 *
 * With -f it flaps: for a fifth of a second at a time it is well, ill or down,
 * and what becomes of a request, or of a connection that is accepted, is drawn
 * from the seed: fates.h.
 *
 * Requests have a Content-Length; a body of any length is read and dropped.
 * Open streams wait in one queue: all share the interval, so that the first
 * one is always the next to be due.
 */


#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fates.h"


#define HEAD_SIZE    8192       /* of a request, with the body's beginning */
#define BODY_LOOK    1024       /* "stream" is looked for in so much of it */
#define ID_SIZE      64

typedef struct conn_s  conn_t;

struct conn_s {
    int          fd;
    size_t       len;           /* bytes in head */
    uint64_t     skip;          /* bytes of the body still to come */
    unsigned     head_done:1;
    unsigned     stream:1;      /* asked for */
    unsigned     queued:1;
    unsigned     busy:1;        /* a request is being served */
    int          events;        /* written */
    int          nth;           /* request of the connection */
    const fate_kind_t  *fate;
    uint64_t     due;           /* ns */
    conn_t      *prev;
    conn_t      *next;
    char        *out;           /* what the socket did not take */
    size_t       out_len;
    size_t       out_pos;
    char         id[ID_SIZE];
    char         head[HEAD_SIZE];
};


static int       epfd;
static int       journal = -1;
static int       events = 50;
static fates_t   flap;
static uint64_t  interval = 20 * 1000000ULL;
static char     *answer;
static size_t    answer_len;
static conn_t    queue = { .prev = &queue, .next = &queue };


static uint64_t
now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000ULL + (uint64_t) ts.tv_nsec;
}


static void
fail(const char *what)
{
    perror(what);
    exit(1);
}


static void
queue_remove(conn_t *c)
{
    if (c->queued) {
        c->prev->next = c->next;
        c->next->prev = c->prev;
        c->queued = 0;
    }
}


static void
queue_append(conn_t *c, uint64_t due)
{
    c->due = due;
    c->prev = queue.prev;
    c->next = &queue;
    queue.prev->next = c;
    queue.prev = c;
    c->queued = 1;
}


static void
journal_write(conn_t *c, const char *end)
{
    int   n;
    char  line[256];

    c->busy = 0;

    if (journal == -1) {
        return;
    }

    n = snprintf(line, sizeof(line),
                 "{\"id\":\"%s\",\"end\":\"%s\",\"stream\":%s,"
                 "\"words\":%d,\"input\":11,\"output\":%d,"
                 "\"status\":%d,\"fate\":\"%s\",\"nth\":%d}\n",
                 c->id, end, c->stream ? "true" : "false",
                 c->stream ? c->events : 8, c->stream ? events : 8,
                 c->fate->status, c->fate->name, c->nth);

    if (write(journal, line, (size_t) n) != n) {
        fail("journal");
    }
}


static void
conn_close(conn_t *c)
{
    if (c->busy) {
        journal_write(c, "aborted");
    }

    queue_remove(c);
    close(c->fd);
    free(c->out);
    free(c);
}


/* 0, or -1 when the connection is of no use any more */

static int
conn_write(conn_t *c, const char *data, size_t len)
{
    ssize_t             n;
    struct epoll_event  ev;

    if (c->out_len) {
        n = 0;

    } else {
        n = write(c->fd, data, len);

        if (n == (ssize_t) len) {
            return 0;
        }

        if (n == -1) {
            if (errno != EAGAIN) {
                return -1;
            }

            n = 0;
        }
    }

    c->out = realloc(c->out, c->out_len + len - (size_t) n);
    if (c->out == NULL) {
        fail("realloc");
    }

    memcpy(c->out + c->out_len, data + n, len - (size_t) n);
    c->out_len += len - (size_t) n;

    ev.events = EPOLLIN|EPOLLOUT;
    ev.data.ptr = c;

    return epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &ev);
}


static int
conn_flush(conn_t *c)
{
    ssize_t             n;
    struct epoll_event  ev;

    while (c->out_pos < c->out_len) {
        n = write(c->fd, c->out + c->out_pos, c->out_len - c->out_pos);

        if (n == -1) {
            return errno == EAGAIN ? 0 : -1;
        }

        c->out_pos += (size_t) n;
    }

    c->out_pos = 0;
    c->out_len = 0;

    ev.events = EPOLLIN;
    ev.data.ptr = c;

    return epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &ev);
}


#define CHUNK(s)                                                             \
    "data: {\"id\":\"chatcmpl-load\",\"object\":\"chat.completion.chunk\","  \
    "\"created\":1763683200,\"model\":\"gpt-4.1-2025-04-14\"," s "}\n\n"

static int
stream_event(conn_t *c)
{
    int   n, m;
    char  data[512], chunk[544];

    n = snprintf(data, sizeof(data),
                 CHUNK("\"choices\":[{\"index\":0,\"delta\":{\"content\":"
                       "\"%019llu\"},\"finish_reason\":null}],"
                       "\"usage\":null"),
                 (unsigned long long) now_ns());

    m = snprintf(chunk, sizeof(chunk), "%x\r\n%s\r\n", n, data);

    if (conn_write(c, chunk, (size_t) m) != 0) {
        return -1;
    }

    c->events++;

    return 0;
}


static int
stream_end(conn_t *c)
{
    int   n, m;
    char  data[1024], chunk[1100];

    n = snprintf(data, sizeof(data),
                 CHUNK("\"choices\":[{\"index\":0,\"delta\":{},"
                       "\"finish_reason\":\"stop\"}],\"usage\":null")
                 CHUNK("\"choices\":[],\"usage\":{\"prompt_tokens\":11,"
                       "\"completion_tokens\":%d,\"total_tokens\":%d}")
                 "data: [DONE]\n\n", events, events + 11);

    m = snprintf(chunk, sizeof(chunk), "%x\r\n%s\r\n0\r\n\r\n", n, data);

    if (conn_write(c, chunk, (size_t) m) != 0) {
        return -1;
    }

    journal_write(c, "completed");

    return c->fate->fate == FATE_LEAVE ? -1 : 0;
}


/* -1, also for the caller to close it */

static int
conn_break(conn_t *c, const char *end, int reset)
{
    struct linger  linger;

    journal_write(c, end);

    if (reset) {
        linger.l_onoff = 1;
        linger.l_linger = 0;
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }

    return -1;
}


/* half of its events went out */

static int
stream_break(conn_t *c)
{
    int   n, m;
    char  chunk[256];

    static const char  data[] =
        "data: {\"error\":{\"message\":\"overloaded\",\"type\":"
        "\"server_error\",\"param\":null,\"code\":null}}\n\n";

    if (c->fate->fate == FATE_CUT) {
        return conn_break(c, "cut", c->events & 1);
    }

    n = (int) sizeof(data) - 1;
    m = snprintf(chunk, sizeof(chunk), "%x\r\n%s\r\n0\r\n\r\n", n, data);

    if (conn_write(c, chunk, (size_t) m) != 0) {
        return -1;
    }

    journal_write(c, "error");

    return 0;
}


static int
stream_start(conn_t *c)
{
    static const char  head[] =
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: text/event-stream; charset=utf-8\r\n"
        "Transfer-Encoding: chunked\r\n\r\n";

    c->events = 0;

    if (conn_write(c, head, sizeof(head) - 1) != 0 || stream_event(c) != 0) {
        return -1;
    }

    queue_append(c, now_ns() + interval);

    return 0;
}


/* events of all streams that are due; the ms until the next one, or -1 */

static int
streams_run(void)
{
    conn_t    *c;
    uint64_t   now;

    while (queue.next != &queue) {
        c = queue.next;
        now = now_ns();

        if (c->due > now) {
            return (int) ((c->due - now) / 1000000) + 1;
        }

        queue_remove(c);

        if (c->events == events / 2
            && (c->fate->fate == FATE_CUT || c->fate->fate == FATE_ERROR))
        {
            if (stream_break(c) != 0) {
                conn_close(c);
            }

            continue;
        }

        if (c->events == events) {
            if (stream_end(c) != 0) {
                conn_close(c);
            }

            continue;
        }

        if (stream_event(c) != 0) {
            conn_close(c);
            continue;
        }

        queue_append(c, c->due + interval);
    }

    return -1;
}


/* the value of a field in a head that ends with an empty line, or NULL */

static const char *
head_field(const char *head, const char *name, size_t *len)
{
    size_t       n;
    const char  *p, *end;

    n = strlen(name);

    for (p = strstr(head, "\r\n"); p != NULL; p = end) {
        p += 2;
        end = strstr(p, "\r\n");

        if (end == NULL || end == p) {
            return NULL;
        }

        if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
            p += n + 1;

            while (*p == ' ') {
                p++;
            }

            *len = (size_t) (end - p);
            return p;
        }
    }

    return NULL;
}


/* what ends, or never ends, without the usual answer; 1: none of these */

static int
request_fail(conn_t *c)
{
    int                n;
    char               out[512];
    static const char  half[] = "HTTP/1.1 200 OK\r\nContent-Ty";
    static const char  noise[] = "no head\r\n\r\n";
    static const char  error[] = "{\"error\":{\"message\":\"its own words\","
                                 "\"type\":\"x\",\"code\":\"y\"}}";

    switch (c->fate->fate) {

    case FATE_STATUS:
        n = snprintf(out, sizeof(out),
                     "HTTP/1.1 %d Flap\r\nContent-Type: application/json\r\n"
                     "Retry-After-Ms: 50\r\nContent-Length: %zu\r\n\r\n%s",
                     c->fate->status, sizeof(error) - 1, error);

        if (conn_write(c, out, (size_t) n) != 0) {
            return -1;
        }

        journal_write(c, "completed");
        return 0;

    case FATE_FIN:
    case FATE_RST:
        return conn_break(c, "closed", c->fate->fate == FATE_RST);

    case FATE_HALF:
        (void) conn_write(c, half, sizeof(half) - 1);
        return conn_break(c, "closed", 0);

    case FATE_NOISE:
        (void) conn_write(c, noise, sizeof(noise) - 1);
        return conn_break(c, "closed", 0);

    case FATE_HANG:
        return 0;

    case FATE_CUT:

        if (c->stream) {
            return 1;
        }

        (void) conn_write(c, answer, answer_len / 2);
        return conn_break(c, "cut", 0);

    default:
        return 1;
    }
}


static int
request_serve(conn_t *c)
{
    int          rc;
    size_t       len;
    const char  *p;

    p = head_field(c->head, "X-Request-Id", &len);

    c->id[0] = '\0';

    if (p != NULL && len < ID_SIZE) {
        memcpy(c->id, p, len);
        c->id[len] = '\0';
    }

    c->busy = 1;
    c->nth++;
    c->fate = fate_draw(&flap, now_ns());

    rc = request_fail(c);

    if (rc != 1) {
        return rc;
    }

    if (c->stream) {
        return stream_start(c);
    }

    if (conn_write(c, answer, answer_len) != 0) {
        return -1;
    }

    journal_write(c, "completed");

    return c->fate->fate == FATE_LEAVE ? -1 : 0;
}


/* parses what is in head; 1: more is needed, 0: served, -1: close */

static int
request_parse(conn_t *c)
{
    char        *end, *body, saved;
    size_t       n, len;
    uint64_t     length;
    const char  *p;

    if (!c->head_done) {
        c->head[c->len] = '\0';
        end = strstr(c->head, "\r\n\r\n");

        if (end == NULL) {
            return c->len < HEAD_SIZE - 1 ? 1 : -1;
        }

        body = end + 4;
        saved = *body;
        *body = '\0';

        p = head_field(c->head, "Content-Length", &n);
        length = p ? strtoull(p, NULL, 10) : 0;

        *body = saved;
        len = c->len - (size_t) (body - c->head);

        /* the body's beginning, to look for "stream" */

        if (len < length && len < BODY_LOOK
            && c->len < HEAD_SIZE - 1)
        {
            return 1;
        }

        if (len > length) {
            return -1;                      /* no pipelining */
        }

        c->stream = strstr(body, "\"stream\":true") != NULL
                    || strstr(body, "\"stream\": true") != NULL;
        *body = '\0';

        c->skip = length - len;
        c->head_done = 1;
    }

    if (c->skip) {
        return 1;
    }

    c->head_done = 0;
    c->len = 0;

    return request_serve(c);
}


static int
conn_read(conn_t *c)
{
    int          rc;
    ssize_t      n;
    static char  sink[262144];

    for ( ;; ) {
        if (c->head_done) {
            n = read(c->fd, sink, sizeof(sink));

        } else {
            n = read(c->fd, c->head + c->len, HEAD_SIZE - 1 - c->len);
        }

        if (n == -1) {
            return errno == EAGAIN ? 0 : -1;
        }

        if (n == 0) {
            return -1;
        }

        if (c->busy) {
            return -1;                      /* no pipelining */
        }

        if (c->head_done) {
            if ((uint64_t) n > c->skip) {
                return -1;
            }

            c->skip -= (uint64_t) n;

        } else {
            c->len += (size_t) n;
        }

        rc = request_parse(c);

        if (rc != 1) {
            return rc;
        }
    }
}


static void
answer_make(size_t size)
{
    int     n;
    char   *body, *text;
    size_t  len;

    text = malloc(size + 1);
    body = malloc(size + 1024);
    answer = malloc(size + 2048);

    if (text == NULL || body == NULL || answer == NULL) {
        fail("malloc");
    }

    memset(text, 'x', size);
    text[size] = '\0';

    len = (size_t) sprintf(body,
              "{\"id\":\"chatcmpl-load\",\"object\":\"chat.completion\","
              "\"created\":1763683200,\"model\":\"gpt-4.1-2025-04-14\","
              "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
              "\"content\":\"%s\"},\"finish_reason\":\"stop\"}],"
              "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":8,"
              "\"total_tokens\":19}}", text);

    n = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                "Content-Length: %zu\r\n\r\n", len);

    memcpy(answer + n, body, len);
    answer_len = (size_t) n + len;

    free(text);
    free(body);
}


static int
listen_open(int port)
{
    int                 fd, on;
    struct sockaddr_in  sin;

    fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK, 0);
    on = 1;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (fd == -1
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1
        || bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 8192) == -1)
    {
        fail("listen");
    }

    return fd;
}


static void
conn_accept(int lfd)
{
    int                 fd, on;
    conn_t             *c;
    struct epoll_event  ev;

    on = 1;

    while ((fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK)) != -1) {

        if (fate_refuses(&flap, now_ns())) {
            close(fd);
            continue;
        }

        c = calloc(1, sizeof(conn_t));
        if (c == NULL) {
            fail("calloc");
        }

        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

        ev.events = EPOLLIN;
        ev.data.ptr = c;

        if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) == -1) {
            fail("epoll_ctl");
        }
    }
}


static void
loop(int lfd)
{
    int                 i, n;
    conn_t             *c;
    struct epoll_event  ev[256];

    for ( ;; ) {
        n = epoll_wait(epfd, ev, 256, streams_run());

        for (i = 0; i < n; i++) {
            c = ev[i].data.ptr;

            if (c == NULL) {
                conn_accept(lfd);
                continue;
            }

            if ((ev[i].events & EPOLLOUT) && conn_flush(c) != 0) {
                conn_close(c);
                continue;
            }

            if ((ev[i].events & (EPOLLIN|EPOLLHUP|EPOLLERR))
                && conn_read(c) != 0)
            {
                conn_close(c);
            }
        }
    }
}


int
main(int argc, char **argv)
{
    int                 opt, lfd;
    size_t              size;
    struct rlimit       rl;
    struct epoll_event  ev;

    size = 700;

    while ((opt = getopt(argc, argv, "e:i:s:j:f:")) != -1) {
        switch (opt) {

        case 'e':
            events = atoi(optarg);
            break;

        case 'i':
            interval = (uint64_t) atoi(optarg) * 1000000ULL;
            break;

        case 's':
            size = (size_t) atol(optarg);
            break;

        case 'j':
            journal = open(optarg, O_WRONLY|O_CREAT|O_APPEND, 0644);
            if (journal == -1) {
                fail(optarg);
            }
            break;

        case 'f':
            fates_init(&flap, strtoull(optarg, NULL, 10));
            break;

        default:
            return 2;
        }
    }

    if (optind + 1 != argc) {
        fprintf(stderr, "usage: standin [-e events] [-i ms] [-s size] "
                "[-j journal] [-f seed] port\n");
        return 2;
    }

    /* a peer that has gone is told by write() */

    signal(SIGPIPE, SIG_IGN);

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }

    answer_make(size);
    epfd = epoll_create1(0);
    lfd = listen_open(atoi(argv[optind]));

    ev.events = EPOLLIN;
    ev.data.ptr = NULL;

    if (epfd == -1 || epoll_ctl(epfd, EPOLL_CTL_ADD, lfd, &ev) == -1) {
        fail("epoll");
    }

    loop(lfd);

    return 0;
}
