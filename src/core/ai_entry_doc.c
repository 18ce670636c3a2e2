
/*
 * Documents of the feed: lines of words.
 */


#include "ai_entry_int.h"


static unsigned ai_entry_alphabet(const ai_str_t *s, size_t max,
    const char *extra);


int
ai_entry_fail(ai_entry_line_t *line, const char *why)
{
    *line->why = why;

    return AI_ERROR;
}


/* takes what stands before "end" (or all) off the front of s */

static ai_str_t
ai_entry_cut(ai_str_t *s, ai_char end)
{
    size_t          n;
    ai_str_t        part;
    const ai_char  *p;

    p = s->len ? memchr(s->data, end, s->len) : NULL;

    part.data = s->data;
    part.len = p ? (size_t) (p - s->data) : s->len;

    n = part.len + (p != NULL);
    s->data += n;
    s->len -= n;

    return part;
}


static unsigned
ai_entry_is(const ai_str_t *s, const char *word)
{
    return s->len == strlen(word) && memcmp(s->data, word, s->len) == 0;
}


int
ai_entry_read(const ai_str_t *doc, const ai_entry_word_t *words, void *e,
    const char **why)
{
    unsigned          i, seen;
    ai_str_t          left, word;
    ai_entry_line_t   line;

    left = *doc;
    seen = 0;
    line.why = why;

    while (left.len) {
        line.rest = ai_entry_cut(&left, '\n');
        word = ai_entry_cut(&line.rest, ' ');

        for (i = 0; words[i].word; i++) {
            if (ai_entry_is(&word, words[i].word)) {
                break;
            }
        }

        if (words[i].word == NULL) {
            continue;
        }

        if (words[i].once && (seen & 1u << i)) {
            return ai_entry_fail(&line, "a word is given twice");
        }

        seen |= 1u << i;

        if (words[i].take(e, &line) != AI_OK) {
            return AI_ERROR;
        }
    }

    return AI_OK;
}


/* an empty word, between two blanks, is one that nothing accepts */

int
ai_entry_next(ai_entry_line_t *line, ai_str_t *word)
{
    if (line->rest.len == 0) {
        return AI_DECLINED;
    }

    *word = ai_entry_cut(&line->rest, ' ');

    return AI_OK;
}


/* the only word that is left */

static int
ai_entry_value(ai_entry_line_t *line, ai_str_t *word)
{
    if (ai_entry_next(line, word) != AI_OK || line->rest.len) {
        return ai_entry_fail(line, "a line has not one value");
    }

    return AI_OK;
}


unsigned
ai_entry_name_ok(const ai_str_t *name)
{
    return ai_entry_alphabet(name, AI_ENTRY_NAME, "._:@-/");
}


unsigned
ai_entry_model_ok(const ai_str_t *name)
{
    return ai_entry_alphabet(name, AI_ENTRY_MODEL, "._:@-/+");
}


static unsigned
ai_entry_alphabet(const ai_str_t *s, size_t max, const char *extra)
{
    size_t   i;
    ai_char  c;

    if (s->len == 0 || s->len > max) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9'))
        {
            continue;
        }

        if (c == '\0' || strchr(extra, c) == NULL) {
            return 0;
        }
    }

    return 1;
}


int
ai_entry_name(ai_entry_line_t *line, ai_str_t *name)
{
    if (ai_entry_value(line, name) != AI_OK || !ai_entry_name_ok(name)) {
        return ai_entry_fail(line, "bad name");
    }

    return AI_OK;
}


int
ai_entry_digits(const ai_str_t *s, uint64_t max, uint64_t *n)
{
    size_t    i;
    uint64_t  value;

    if (s->len == 0) {
        return AI_ERROR;
    }

    value = 0;

    for (i = 0; i < s->len; i++) {

        if (s->data[i] < '0' || s->data[i] > '9'
            || __builtin_mul_overflow(value, 10, &value)
            || __builtin_add_overflow(value, s->data[i] - '0', &value)
            || value > max)
        {
            return AI_ERROR;
        }
    }

    *n = value;

    return AI_OK;
}


int
ai_entry_number(ai_entry_line_t *line, uint64_t max, uint64_t *n)
{
    ai_str_t  s;

    if (ai_entry_value(line, &s) != AI_OK
        || ai_entry_digits(&s, max, n) != AI_OK)
    {
        return ai_entry_fail(line, "bad number");
    }

    return AI_OK;
}


int
ai_entry_choice(ai_entry_line_t *line, const char *words, uint8_t *n)
{
    unsigned  i;
    ai_str_t  s, all, word;

    if (ai_entry_value(line, &s) != AI_OK) {
        return AI_ERROR;
    }

    all.data = (ai_char *) words;
    all.len = strlen(words);

    for (i = 0; all.len; i++) {
        word = ai_entry_cut(&all, '|');

        if (word.len == s.len && memcmp(word.data, s.data, s.len) == 0) {
            *n = (uint8_t) i;
            return AI_OK;
        }
    }

    return ai_entry_fail(line, "unknown value");
}


static int
ai_entry_index(const ai_str_t *s, const char *const *names, unsigned n)
{
    unsigned  i;

    for (i = 0; i < n; i++) {
        if (ai_entry_is(s, names[i])) {
            return (int) i;
        }
    }

    return AI_DECLINED;
}


/*
 * RESOURCE PERIOD AMOUNT BURST.  A bucket's burst of 0 is not given: it is the
 * amount, as in nginx.conf.
 */

static int
ai_entry_limit_read(ai_entry_line_t *line, ai_limit_t *l)
{
    int       r, p;
    ai_str_t  word[4];
    unsigned  i;
    uint64_t  amount, burst;

    for (i = 0; i < 4; i++) {
        if (ai_entry_next(line, &word[i]) != AI_OK) {
            return AI_ERROR;
        }
    }

    r = ai_entry_index(&word[0], ai_resource_names, AI_RES_N);
    p = ai_str_is(&word[1], "-") ? AI_PERIOD_NONE
        : ai_entry_index(&word[1], ai_period_names, AI_PERIOD_MONTH + 1);

    if (line->rest.len || r < 0 || p < 0
        || (r == AI_RES_CONCURRENCY) != (p == AI_PERIOD_NONE)
        || ai_entry_digits(&word[2], AI_LIMIT_MAX, &amount) != AI_OK
        || ai_entry_digits(&word[3], AI_LIMIT_MAX, &burst) != AI_OK
        || (p >= AI_PERIOD_BUCKETS && burst))
    {
        return AI_ERROR;
    }

    memset(l, 0, sizeof(ai_limit_t));

    l->resource = (uint8_t) r;
    l->period = (uint8_t) p;
    l->amount = (int64_t) amount;
    l->burst = p >= AI_PERIOD_BUCKETS || burst ? (int64_t) burst : l->amount;

    return AI_OK;
}


int
ai_entry_limit(ai_entry_line_t *line, ai_entry_limits_t *limits)
{
    unsigned    i;
    ai_limit_t  l;

    if (ai_entry_limit_read(line, &l) != AI_OK) {
        return ai_entry_fail(line, "bad limit");
    }

    for (i = 0; i < limits->n; i++) {
        if (limits->elts[i].resource == l.resource
            && limits->elts[i].period == l.period)
        {
            return ai_entry_fail(line, "duplicate limit");
        }
    }

    if (limits->n == AI_ENTRY_LIMITS) {
        return ai_entry_fail(line, "too many limits");
    }

    limits->elts[limits->n++] = l;

    return AI_OK;
}


int
ai_entry_models(ai_entry_line_t *line, ai_entry_patterns_t *patterns)
{
    ai_str_t  s;

    while (ai_entry_next(line, &s) == AI_OK) {

        if (!ai_entry_alphabet(&s, AI_ENTRY_MODEL, "._:@-/+*")) {
            return ai_entry_fail(line, "bad pattern");
        }

        if (patterns->n == AI_ENTRY_PATTERNS) {
            return ai_entry_fail(line, "too many patterns");
        }

        patterns->elts[patterns->n++] = s;
        patterns->len += 1 + s.len;
    }

    return AI_OK;
}
