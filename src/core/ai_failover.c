
/*
 * When an attempt may be made again elsewhere.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* memmem() */
#endif

#include "ai_failover.h"


#define AI_FAILOVER_LOOK  4096


/* texts of providers for a prompt that is too long */

static const ai_str_t  ai_failover_long[] = {
    ai_string("context_length_exceeded"),
    ai_string("maximum context length"),
    ai_string("prompt is too long"),
    ai_string("exceed context limit"),
    ai_string("exceeds the maximum number of tokens")
};


unsigned
ai_failover_status(unsigned status)
{
    return status == 408 || status == 409 || status == 429
           || ai_failover_counts(status);
}


unsigned
ai_failover_counts(unsigned status)
{
    return status >= 500 && status <= 599;
}


unsigned
ai_failover_never(unsigned status)
{
    switch (status) {

    case 400:
    case 401:
    case 403:
    case 404:
    case 413:
    case 422:
        return 1;

    default:
        return 0;
    }
}


/* 16: it is none */

static unsigned
ai_failover_hex(ai_char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}


/*
 * A chunk's first line: AI_OK, *p is at its bytes, of which there are *size, or
 * some number above AI_FAILOVER_LOOK; AI_DONE, it is the last one, and *p at
 * its trailers; AI_AGAIN, it is cut; AI_ERROR, it is none.
 */

static int
ai_failover_chunk(const ai_char **p, const ai_char *end, size_t *size)
{
    unsigned        digit;
    const ai_char  *first;

    *size = 0;

    for (first = *p; *p < end; (*p)++) {
        digit = ai_failover_hex(**p);

        if (digit == 16) {
            break;
        }

        if (*size <= AI_FAILOVER_LOOK) {
            *size = *size * 16 + digit;
        }
    }

    if (*p == first) {
        return *p == end ? AI_AGAIN : AI_ERROR;
    }

    /* extensions of a chunk mean nothing here */

    while (*p < end && **p != '\n') {
        (*p)++;
    }

    if (*p == end) {
        return AI_AGAIN;
    }

    (*p)++;

    return *size ? AI_OK : AI_DONE;
}


/* what lies in the chunks of a body, up to the first that is damaged or cut; a
   text may be spread over many */

static size_t
ai_failover_chunks(const ai_char *p, size_t len, ai_char *out)
{
    size_t          n, size;
    const ai_char  *end;

    n = 0;
    end = p + len;

    while (n < AI_FAILOVER_LOOK
           && ai_failover_chunk(&p, end, &size) == AI_OK)
    {
        if (size > (size_t) (end - p)) {
            size = end - p;
        }

        if (size > AI_FAILOVER_LOOK - n) {
            size = AI_FAILOVER_LOOK - n;
        }

        memcpy(out + n, p, size);
        n += size;
        p += size;

        if (end - p < 2) {
            break;
        }

        p += 2;
    }

    return n;
}


/* whether the empty line behind the last chunk is there */

static unsigned
ai_failover_trailers(const ai_char *p, const ai_char *end)
{
    const ai_char  *line;

    for (line = p; p < end; p++) {

        if (*p != '\n') {
            continue;
        }

        if (p == line || (p == line + 1 && *line == '\r')) {
            return 1;
        }

        line = p + 1;
    }

    return 0;
}


static unsigned
ai_failover_whole_chunks(const ai_char *p, size_t len)
{
    int             rc;
    size_t          n, size;
    const ai_char  *end;

    n = 0;
    end = p + len;

    for ( ;; ) {
        rc = ai_failover_chunk(&p, end, &size);

        if (rc == AI_DONE) {
            return ai_failover_trailers(p, end);
        }

        if (rc != AI_OK) {
            return rc == AI_ERROR;
        }

        if (size >= (size_t) (end - p)) {
            return n + (size_t) (end - p) >= AI_FAILOVER_LOOK;
        }

        n += size;
        p += size;

        if (n >= AI_FAILOVER_LOOK) {
            return 1;
        }

        if (end - p < 2) {
            return 0;
        }

        p += 2;
    }
}


unsigned
ai_failover_too_long(const ai_char *body, size_t len, unsigned chunked)
{
    size_t          i;
    ai_char         inner[AI_FAILOVER_LOOK];
    const ai_str_t *text;

    if (chunked) {
        len = ai_failover_chunks(body, len, inner);
        body = inner;
    }

    if (len > AI_FAILOVER_LOOK) {
        len = AI_FAILOVER_LOOK;
    }

    for (i = 0; i < sizeof(ai_failover_long) / sizeof(ai_str_t); i++) {
        text = &ai_failover_long[i];

        if (memmem(body, len, text->data, text->len)) {
            return 1;
        }
    }

    return 0;
}


unsigned
ai_failover_whole(const ai_char *body, size_t len, int64_t length,
    unsigned chunked)
{
    if (chunked) {
        return ai_failover_whole_chunks(body, len);
    }

    return len >= AI_FAILOVER_LOOK || (length >= 0 && len >= (uint64_t) length);
}
