
/*
 * Any split of a stream gives the same events; and the same as a naive reader
 * of lines that has the whole stream before it.
 */


#include <stdlib.h>

#include "ai_sse.h"


typedef struct {
    uint8_t  *data;
    size_t    len;
} log_t;


static void
say(log_t *log, const void *data, size_t len)
{
    memcpy(log->data + log->len, data, len);
    log->len += len;
}


static void
say_end(log_t *log, int rc, const ai_char *name, size_t len)
{
    if (rc == AI_SSE_EVENT) {
        say(log, "\0E", 2);
        say(log, name, len);
    }

    say(log, rc == AI_SSE_EVENT ? "\0" : "\0B", rc == AI_SSE_EVENT ? 1 : 2);
}


static void
feed(ai_sse_t *sse, log_t *log, const uint8_t *data, size_t size)
{
    int             rc;
    size_t          len;
    ai_char        *copy;
    const ai_char  *pos, *p;

    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    pos = copy;

    while ((rc = ai_sse_next(sse, &pos, copy + size, &p, &len)) != AI_AGAIN) {

        if (rc == AI_SSE_DATA) {
            say(log, p, len);

        } else if (rc == AI_SSE_LINE) {
            say(log, "\n", 1);

        } else {
            say_end(log, rc, sse->name, sse->name_len);
        }
    }

    if (pos != copy + size) {
        abort();
    }

    free(copy);
}


/* the grammar's text, read literally; nothing is said of an open event but
   the data that it has so far */

static void
naive(log_t *log, const uint8_t *p, size_t size)
{
    size_t          n, field, lines, name_len;
    const uint8_t  *end, *line, *value;
    uint8_t         name[31];

    end = p + size;
    lines = 0;
    name_len = 0;

    if (size >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        p += 3;
    }

    while (p < end) {
        for (line = p; p < end && *p != '\n' && *p != '\r'; p++) { }

        n = (size_t) (p - line);

        if (n == 0) {
            say_end(log, lines ? AI_SSE_EVENT : AI_SSE_BLANK, name, name_len);
            lines = 0;
            name_len = 0;
        }

        value = memchr(line, ':', n);
        field = value ? (size_t) (value - line) : n;
        value = value ? value + 1 : line + n;
        value += (value < p && *value == ' ');
        n = (size_t) (p - value);

        /* a field is one when its colon or line end has come */

        if (line + field < end && field == 4 && memcmp(line, "data", 4) == 0) {
            say(log, "\n", lines++ ? 1 : 0);
            say(log, value, n);

        } else if (field == 5 && memcmp(line, "event", 5) == 0) {
            name_len = n < sizeof(name) ? n : sizeof(name);
            memcpy(name, value, name_len);
        }

        p += (p < end - 1 && p[0] == '\r' && p[1] == '\n') ? 2 : p < end;
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    log_t     once, split, plain;
    size_t    at, n;
    unsigned  seed;
    ai_sse_t  sse;

    once.data = malloc(40 * size + 64);
    split.data = malloc(40 * size + 64);
    plain.data = malloc(40 * size + 64);
    once.len = split.len = plain.len = 0;

    ai_sse_init(&sse);
    feed(&sse, &once, data, size);

    ai_sse_init(&sse);
    seed = (unsigned) size;

    for (at = 0; at < size; at += n) {
        seed = seed * 1103515245 + data[at] + 1;
        n = (seed >> 16) % 7;
        n = n < size - at ? n : size - at;
        feed(&sse, &split, data + at, n);
    }

    naive(&plain, data, size);

    if (once.len != split.len || memcmp(once.data, split.data, once.len)
        || once.len != plain.len || memcmp(once.data, plain.data, once.len))
    {
        abort();
    }

    free(once.data);
    free(split.data);
    free(plain.data);

    return 0;
}
