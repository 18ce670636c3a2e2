
/*
 * A choice by weights that is always the same for the same name.
 */


#include "ai_choose.h"


#define AI_CHOOSE_SALT    0x9e3779b97f4a7c15ull     /* of canaries */
#define AI_CHOOSE_DIGITS  24    /* of a logarithm, behind the point */


/* the finalizer of MurmurHash3, which is public domain: all bits matter */

static uint64_t
ai_choose_mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdull;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ull;
    h ^= h >> 33;

    return h;
}


/* FNV-1a, mixed at the end: short names differ in their low bits alone */

uint64_t
ai_choose_hash(uint64_t seed, const void *data, size_t len)
{
    uint64_t        h;
    const ai_char  *p, *end;

    h = 0xcbf29ce484222325ull ^ seed;
    p = data;
    end = p + len;

    while (p < end) {
        h ^= *p++;
        h *= 0x100000001b3ull;
    }

    return ai_choose_mix(h);
}


/*
 * -log2(u / 2^64), u > 0, with AI_CHOOSE_DIGITS binary places: squaring a
 * number in [1, 2) shifts the digits of its logarithm out.  Integers alone, so
 * that every machine chooses alike.
 */

static uint64_t
ai_choose_log(uint64_t u)
{
    unsigned  i, shift;
    uint64_t  m, log, digit;

    shift = (unsigned) __builtin_clzll(u);
    log = 63 - shift;
    m = (u << shift) >> 32;         /* [2^31, 2^32): 31 places */

    for (i = 0; i < AI_CHOOSE_DIGITS; i++) {
        m = (m * m) >> 31;
        digit = m >> 32;
        m >>= digit;
        log = log << 1 | digit;
    }

    return ((uint64_t) 64 << AI_CHOOSE_DIGITS) - log;
}


/* AI_CHOOSE_MAX: the hash is in no canary */

static unsigned
ai_choose_canary(const ai_choice_t *c, unsigned n, uint64_t hash)
{
    unsigned  i;
    uint64_t  point, end;

    point = ((ai_choose_mix(hash ^ AI_CHOOSE_SALT) >> 32) * AI_CHOOSE_POINTS)
            >> 32;

    for (i = 0, end = 0; i < n; i++) {

        if (!c[i].canary) {
            continue;
        }

        end += (uint64_t) c[i].weight * (AI_CHOOSE_POINTS / 100);

        if (point < end) {
            return i;
        }
    }

    return AI_CHOOSE_MAX;
}


/*
 * A lot is -log(u) / weight, u uniform: the shortest is a target's as often as
 * its weight says, and so on among those left.  Lots are compared as products.
 */

unsigned
ai_choose_order(const ai_choice_t *c, unsigned n, uint64_t hash,
    uint8_t order[AI_CHOOSE_MAX])
{
    unsigned  i, j, k, first;
    uint64_t  log[AI_CHOOSE_MAX], weight[AI_CHOOSE_MAX];

    k = 0;
    n = n < AI_CHOOSE_MAX ? n : AI_CHOOSE_MAX;

    i = ai_choose_canary(c, n, hash);

    if (i < AI_CHOOSE_MAX) {
        order[k++] = (uint8_t) i;
    }

    first = k;

    for (i = 0; i < n; i++) {

        if (c[i].canary || c[i].weight == 0) {
            continue;
        }

        weight[i] = c[i].weight < AI_CHOOSE_WEIGHT ? c[i].weight
                                                   : AI_CHOOSE_WEIGHT;
        log[i] = ai_choose_log(ai_choose_mix(hash ^ c[i].salt) | 1);

        for (j = k++; j > first; j--) {
            if (log[order[j - 1]] * weight[i] <= log[i] * weight[order[j - 1]])
            {
                break;
            }

            order[j] = order[j - 1];
        }

        order[j] = (uint8_t) i;
    }

    return k;
}
