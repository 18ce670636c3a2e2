
/*
 * Which member of a level a key means.
 *
 * Parsers disagree about names: all decode escapes, some (Go) also match
 * without regard to case, by Unicode's folding.  So names are compared
 * decoded and folded, and one that fits only so is refused.
 */


#include "ai_request_priv.h"


#define AI_KEY_RAW_MAX  512     /* longest escaped key that is decoded */


static inline ai_char
ai_level_fold(ai_char c)
{
    return (c >= 'A' && c <= 'Z') ? (ai_char) (c | 0x20) : c;
}


/* whether two names mean the same; *odd is set where they differ in case */

static unsigned
ai_level_same(const ai_char *a, const ai_char *b, size_t len, unsigned *odd)
{
    size_t  i;

    if (memcmp(a, b, len) == 0) {
        return 1;
    }

    for (i = 0; i < len; i++) {
        if (ai_level_fold(a[i]) != ai_level_fold(b[i])) {
            return 0;
        }
    }

    *odd = 1;

    return 1;
}


/*
 * Two characters past ASCII fold to ASCII letters: U+017F (long s) and U+212A
 * (Kelvin).  Also drops zero bytes, which end a name for parsers in C.
 * Returns the new length; *odd is set where the name was changed.
 */

static size_t
ai_level_plain_name(ai_char *p, size_t len, unsigned *odd)
{
    ai_char  *dst, *end;

    dst = p;

    for (end = p + len; p < end; p++) {

        if (end - p > 1 && p[0] == 0xc5 && p[1] == 0xbf) {
            *dst++ = 's';
            p += 1;
            *odd = 1;

        } else if (end - p > 2 && p[0] == 0xe2 && p[1] == 0x84
                   && p[2] == 0xaa)
        {
            *dst++ = 'k';
            p += 2;
            *odd = 1;

        } else if (*p == '\0') {
            *odd = 1;

        } else {
            *dst++ = *p;
        }
    }

    return len - (size_t) (end - dst);
}


static unsigned
ai_level_is_ascii(const ai_json_token_t *key)
{
    size_t  i;

    for (i = 0; i < key->len; i++) {
        if (key->data[i] >= 0x80) {
            return 0;
        }
    }

    return 1;
}


static const ai_member_t *
ai_level_look_up(const ai_level_t *level, const ai_str_t *name, unsigned *bit,
    unsigned *odd)
{
    unsigned            i, base;
    const ai_member_t  *m;

    for (base = 0; level; level = level->base) {

        for (i = 0; i < level->n; i++) {
            m = &level->members[i];

            /* most names differ in their length or first letter */

            if (m->name.len == name->len
                && ((m->name.data[0] ^ name->data[0]) & ~0x20) == 0
                && ai_level_same(m->name.data, name->data, name->len, odd))
            {
                *bit = base + i - ((m->bits & AI_M_SAME) != 0);
                return m;
            }
        }

        base += level->n;
    }

    return NULL;
}


/*
 * A name that is written otherwise than with plain letters.  Nothing past
 * AI_KEY_RAW_MAX can mean a name, unless it is made of characters that
 * somebody leaves out.
 */

static AI_RARE int
ai_level_find_decoded(const ai_level_t *level, const ai_json_token_t *key,
    const ai_member_t **m, unsigned *bit)
{
    ai_str_t   name;
    unsigned   odd;
    ptrdiff_t  len;
    ai_char    buf[AI_KEY_RAW_MAX];

    if (key->len > AI_KEY_RAW_MAX) {
        return key->escaped ? AI_ERROR : AI_OK;
    }

    len = ai_json_unescape(buf, sizeof(buf), key->data, key->len);

    if (len == AI_ERROR) {
        return AI_ERROR;
    }

    odd = 0;
    name.len = ai_level_plain_name(buf, (size_t) len, &odd);
    name.data = buf;

    *m = ai_level_look_up(level, &name, bit, &odd);

    return (*m && odd) ? AI_ERROR : AI_OK;
}


int
ai_level_find(const ai_level_t *level, const ai_json_token_t *key,
    const ai_member_t **m, unsigned *bit)
{
    ai_str_t  name;
    unsigned  odd;

    *m = NULL;

    if (key->escaped) {
        return ai_level_find_decoded(level, key, m, bit);
    }

    name.len = key->len;
    name.data = (ai_char *) key->data;

    odd = 0;
    *m = ai_level_look_up(level, &name, bit, &odd);

    if (*m) {
        return odd ? AI_ERROR : AI_OK;
    }

    return ai_level_is_ascii(key) ? AI_OK
                                  : ai_level_find_decoded(level, key, m, bit);
}
