
/*
 * Private to the scanner: a string in blocks of sixty-four bytes.
 *
 * A block is turned into masks, a bit for each byte, and judged as a whole:
 * where it ends, which backslashes escape, and whether the sequences of UTF-8
 * are what RFC 3629 allows.  Blocks begin and end between characters, so that
 * nothing is carried from one to the next.
 */


#ifndef AI_JSON_BLOCK_H
#define AI_JSON_BLOCK_H


#include "ai_json_mask.h"


#define AI_JSON_EVEN  ((uint64_t) 0x5555555555555555)


/*
 * Which backslashes escape, and are not escaped: in each run of them every
 * other one, from the first on.  Adding a run's first bit to it clears the run.
 */

static ai_json_inline uint64_t
ai_json_escaping(uint64_t slashes)
{
    uint64_t  first, even;

    first = slashes & ~(slashes << 1);
    even = slashes & ~(slashes + (first & AI_JSON_EVEN));

    return (even & AI_JSON_EVEN) | (slashes & ~even & ~AI_JSON_EVEN);
}


/* the place of the first escape that is not whole or not valid, or n */

static ai_json_inline unsigned
ai_json_escapes(const ai_char *p, uint64_t slashes, unsigned n)
{
    unsigned  i;

    if (slashes >> 63) {
        slashes ^= (uint64_t) 1 << 63;
        n = 63;
    }

    for ( /* void */ ; slashes; slashes &= slashes - 1) {

        i = (unsigned) __builtin_ctzll(slashes);

        if (ai_json_short_escapes[p[i + 1]]) {
            continue;
        }

        if (p[i + 1] != 'u' || i > 58
            || !ai_json_is_hex(p[i + 2]) || !ai_json_is_hex(p[i + 3])
            || !ai_json_is_hex(p[i + 4]) || !ai_json_is_hex(p[i + 5]))
        {
            return i;
        }
    }

    return n;
}


/*
 * Of n bytes, how many are whole characters in UTF-8; high: those past ASCII.
 * Continuation bytes must stand exactly where the first bytes want them, and
 * some first bytes narrow the second: no overlong forms, no surrogates, none
 * past U+10FFFF.
 */

static ai_json_inline unsigned
ai_json_utf8(const ai_char *p, uint64_t high, unsigned n, unsigned portable)
{
    unsigned  i;
    uint64_t  rest, first, want, bad, three, four, tail;

    rest = ai_json_below(p, 0xc0, portable);
    first = high & ~rest;

    bad = first & ai_json_below(p, 0xc2, portable);
    want = first << 1;
    tail = first & (uint64_t) 1 << 63;

    three = high & ~ai_json_below(p, 0xe0, portable);

    if (three) {
        four = high & ~ai_json_below(p, 0xf0, portable);

        want |= three << 2;
        tail |= three & (uint64_t) 3 << 62;

        bad |= ai_json_equal(p, 0xe0, portable) << 1
               & ai_json_below(p, 0xa0, portable);
        bad |= ai_json_equal(p, 0xed, portable) << 1
               & ~ai_json_below(p, 0xa0, portable);

        if (four) {
            want |= four << 3;
            tail |= four & (uint64_t) 7 << 61;

            bad |= ai_json_equal(p, 0xf0, portable) << 1
                   & ai_json_below(p, 0x90, portable);
            bad |= ai_json_equal(p, 0xf4, portable) << 1
                   & ~ai_json_below(p, 0x90, portable);
            bad |= high & ~ai_json_below(p, 0xf5, portable);
        }
    }

    bad |= want ^ rest;

    if (tail && (i = (unsigned) __builtin_ctzll(tail)) < n) {
        n = i;
    }

    /* a sequence that is cut short shows at the byte behind it */

    if (bad && (i = (unsigned) __builtin_ctzll(bad)) <= n) {
        for (n = i; n && p[n - 1] >= 0x80; n--) { /* void */ }
    }

    return n;
}


/* how many of 64 bytes are whole characters before the string's end */

static ai_json_inline unsigned
ai_json_block(const ai_char *p, unsigned lax, unsigned *escaped,
    unsigned portable)
{
    unsigned  n;
    uint64_t  ends, high, slashes;

    ends = ai_json_stops(p, portable);

    if (ends == 0) {
        return 64;
    }

    n = 64;
    high = ai_json_below(p, 0x100, portable);
    ends &= ~high;

    if (ends) {
        slashes = ai_json_escaping(ai_json_equal(p, '\\', portable));
        ends &= ~(slashes | slashes << 1);

        if (ends) {
            n = (unsigned) __builtin_ctzll(ends);
            slashes &= ((uint64_t) 1 << n) - 1;
        }

        if (slashes) {
            *escaped = 1;
            n = ai_json_escapes(p, slashes, n);
        }
    }

    return (high && !lax) ? ai_json_utf8(p, high, n, portable) : n;
}


static ai_json_inline const ai_char *
ai_json_blocks(const ai_char *p, const ai_char *end, unsigned lax,
    unsigned *escaped, unsigned portable)
{
    size_t          len;
    unsigned        n;
    ai_char         tail[64];
    const ai_char  *block;

    while (p < end) {

        len = (size_t) (end - p);
        block = p;

        if (len < 64) {
            memset(tail, '"', 64);
            memcpy(tail, p, len);
            block = tail;
        }

        n = ai_json_block(block, lax, escaped, portable);

        if (n > len) {

            /* a backslash at the end has taken a quote that is not there */

            return end - 1;
        }

        p += n;

        if (n < 64 && (n == 0 || len < 64 || *p == '"')) {
            break;
        }
    }

    return p;
}


#endif /* AI_JSON_BLOCK_H */
