
/*
 * What every file of src/core shares: return codes, the string slice and the
 * one bounded writer.
 *
 * src/core is plain C11: no nginx header, no clock, no malloc, no I/O.  Time,
 * randomness and memory come in as arguments, so that everything here is
 * unit-tested and fuzzed without nginx.
 */


#ifndef AI_CORE_H
#define AI_CORE_H


#include <stddef.h>
#include <stdint.h>
#include <string.h>


/*
 * Functions of src/core are called within one module only: calls that need no
 * look-up by the dynamic linker.
 */

#define AI_HIDDEN_BEGIN  _Pragma("GCC visibility push(hidden)")
#define AI_HIDDEN_END    _Pragma("GCC visibility pop")

/* kept out of its callers, which stay small */

#define AI_RARE  __attribute__((noinline, cold))


AI_HIDDEN_BEGIN


/* the values are nginx's own, so that glue can pass them on */

#define AI_OK         0
#define AI_ERROR     -1     /* malformed, impossible */
#define AI_AGAIN     -2     /* more input is needed */
#define AI_BUSY      -3     /* refused by a limit */
#define AI_DONE      -4     /* finished otherwise; see the function */
#define AI_DECLINED  -5     /* not mine, not found */


typedef unsigned char  ai_char;

/* the layout of ngx_str_t; not null terminated, never owns its bytes */

typedef struct {
    size_t       len;
    ai_char     *data;
} ai_str_t;

#define ai_string(s)      { sizeof(s) - 1, (ai_char *) (s) }
#define ai_str_is(v, s)                                                      \
    ((v)->len == sizeof(s) - 1 && memcmp((v)->data, s, sizeof(s) - 1) == 0)


/*
 * ai_buf_t writes forward into memory the caller owns and never past "end".
 * Once something did not fit, "full" is set and nothing more is written:
 * callers append freely and check "full" once, at the end.
 */

typedef struct {
    ai_char     *pos;       /* next byte to write */
    ai_char     *end;
    unsigned     full:1;
} ai_buf_t;

static inline void
ai_buf_init(ai_buf_t *b, void *data, size_t size)
{
    b->pos = (ai_char *) data;
    b->end = b->pos + size;
    b->full = 0;
}


/* nothing fits behind a part that did not: "end" is moved to where it was */

static inline void
ai_buf_put(ai_buf_t *b, const void *data, size_t len)
{
    if (len > (size_t) (b->end - b->pos)) {
        b->end = b->pos;
        b->full = 1;
        return;
    }

    if (len) {
        memcpy(b->pos, data, len);
        b->pos += len;
    }
}


static inline void
ai_buf_str(ai_buf_t *b, const ai_str_t *s)
{
    ai_buf_put(b, s->data, s->len);
}


static inline void
ai_buf_char(ai_buf_t *b, int c)
{
    if (b->pos == b->end) {
        b->full = 1;
        return;
    }

    *b->pos++ = (ai_char) c;
}


void ai_buf_cstr(ai_buf_t *b, const char *s);
void ai_buf_uint(ai_buf_t *b, uint64_t n);
void ai_buf_int(ai_buf_t *b, int64_t n);

/* "n" with leading zeros up to "width" digits */
void ai_buf_uint_pad(ai_buf_t *b, uint64_t n, unsigned width);

/*
 * The text as a JSON string with its quotes: RFC 8259 escapes for quote,
 * backslash and control characters; a byte that is not part of valid UTF-8
 * becomes U+FFFD, so that the output is always valid JSON.
 */
void ai_buf_json(ai_buf_t *b, const ai_char *data, size_t len);

/* the same where every byte stands as it is; AI_DECLINED: some do not, or
   there is no room, and nothing was put */
int ai_buf_json_plain(ai_buf_t *b, const ai_char *data, size_t len);

/* the length of the UTF-8 sequence at p < end, or 0: there is no valid one */
size_t ai_utf8_len(const ai_char *p, const ai_char *end);

/* nano-dollars as a decimal with nine places: 1500000000 is "1.500000000" */
void ai_buf_nanos(ai_buf_t *b, int64_t nanos);

/* milliseconds since the epoch as RFC 3339, UTC: 2026-11-21T02:27:54.123Z */
void ai_buf_time(ai_buf_t *b, uint64_t msec);


/*
 * A decimal of at most nine places as an integer in billionths ("0.025" is
 * 25000000).  AI_ERROR: empty, a sign, other characters, more than nine
 * places that are not zero, or an overflow of int64_t.
 */
int ai_decimal_parse(const ai_char *data, size_t len, int64_t *billionths);


/* CRC-32 (IEEE 802.3, reflected); "crc" is 0 to begin, or an earlier result */
uint32_t ai_crc32(uint32_t crc, const void *data, size_t len);

/* CRC-32C (Castagnoli, RFC 3720), the fast one: of what only we read back.
   ai_crc32c_plain() is the same without the processor's help */
uint32_t ai_crc32c(uint32_t crc, const void *data, size_t len);
uint32_t ai_crc32c_plain(uint32_t crc, const void *data, size_t len);


AI_HIDDEN_END


#endif /* AI_CORE_H */
