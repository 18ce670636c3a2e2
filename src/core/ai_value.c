
/*
 * Values of JSON, read where they lie.
 */


#include "ai_number.h"
#include "ai_value.h"


#define AI_VALUE_NAME_MAX  64       /* of a member that is looked for */


static void ai_value_open(ai_json_t *js, const ai_value_t *v,
    const ai_char **pos);
static int ai_value_next(ai_json_t *js, const ai_char **pos,
    const ai_char *end, ai_value_t *v);
static int ai_value_equal(const ai_char *data, size_t len, unsigned escaped,
    const char *text, size_t size);
static size_t ai_value_unit(const ai_char *p, const ai_char *end,
    unsigned *bad);
static int ai_value_hex(const ai_char *p, const ai_char *end, unsigned *unit);


int
ai_value_read(ai_value_t *v, const ai_char *data, size_t len)
{
    int             rc;
    ai_json_t       js;
    const ai_char  *pos, *end;

    pos = data;
    end = data + len;

    memset(v, 0, sizeof(ai_value_t));
    ai_json_init(&js, 1);

    rc = ai_value_next(&js, &pos, end, v);

    if (rc != AI_OK || (v->type != AI_JSON_OBJECT && v->type != AI_JSON_ARRAY)
        || ai_json_end(&js) != AI_OK)
    {
        v->type = 0;
        return AI_ERROR;
    }

    for ( /* void */ ; pos < end; pos++) {

        if (*pos != ' ' && *pos != '\n' && *pos != '\r' && *pos != '\t') {
            v->type = 0;
            return AI_ERROR;
        }
    }

    return AI_OK;
}


void
ai_value_members(const ai_value_t *v, const ai_str_t *names, unsigned n,
    ai_value_t *members)
{
    unsigned         i, escaped;
    ai_json_t        js;
    ai_value_t       member;
    const ai_char   *pos, *end;
    ai_json_token_t  key;

    memset(members, 0, n * sizeof(ai_value_t));

    if (v->type != AI_JSON_OBJECT) {
        return;
    }

    end = v->data + v->len;

    ai_value_open(&js, v, &pos);

    while (ai_json_next(&js, &pos, end, &key) == AI_OK
           && key.type == AI_JSON_KEY)
    {
        escaped = key.escaped;

        if (ai_value_next(&js, &pos, end, &member) != AI_OK) {
            return;
        }

        for (i = 0; i < n; i++) {

            if (ai_value_equal(key.data, key.len, escaped,
                               (const char *) names[i].data, names[i].len))
            {
                members[i] = member;
                break;
            }
        }
    }
}


void
ai_list_init(ai_list_t *list, const ai_value_t *v)
{
    if (v->type != AI_JSON_ARRAY) {
        memset(list, 0, sizeof(ai_list_t));
        return;
    }

    ai_value_open(&list->js, v, &list->pos);
    list->end = v->data + v->len;
}


int
ai_list_next(ai_list_t *list, ai_value_t *v)
{
    if (list->end == NULL
        || ai_value_next(&list->js, &list->pos, list->end, v) != AI_OK)
    {
        list->end = NULL;
        return AI_DONE;
    }

    return AI_OK;
}


/* a scanner behind the brace or bracket that v begins with */

static void
ai_value_open(ai_json_t *js, const ai_value_t *v, const ai_char **pos)
{
    ai_json_token_t  tok;

    *pos = v->data;

    ai_json_init(js, 1);
    (void) ai_json_next(js, pos, v->data + v->len, &tok);
}


/* the value that is due; AI_DONE: what is around it ends instead */

static int
ai_value_next(ai_json_t *js, const ai_char **pos, const ai_char *end,
    ai_value_t *v)
{
    unsigned         depth;
    ai_json_token_t  tok;

    depth = js->depth;

    if (ai_json_next(js, pos, end, &tok) != AI_OK || !tok.last) {
        return AI_ERROR;
    }

    if (tok.type == AI_JSON_OBJECT_END || tok.type == AI_JSON_ARRAY_END) {
        return AI_DONE;
    }

    v->type = (uint8_t) tok.type;
    v->data = tok.data;
    v->len = tok.len;

    if (tok.type != AI_JSON_OBJECT && tok.type != AI_JSON_ARRAY) {
        return AI_OK;
    }

    do {
        if (ai_json_next(js, pos, end, &tok) != AI_OK || !tok.last) {
            return AI_ERROR;
        }

    } while (js->depth > depth);

    v->len = (size_t) (tok.data + 1 - v->data);

    return AI_OK;
}


static int
ai_value_equal(const ai_char *data, size_t len, unsigned escaped,
    const char *text, size_t size)
{
    ai_char    name[AI_VALUE_NAME_MAX];
    ptrdiff_t  n;

    if (!escaped) {
        return len == size && memcmp(data, text, size) == 0;
    }

    n = ai_json_unescape(name, sizeof(name), data, len);

    return n == (ptrdiff_t) size && memcmp(name, text, size) == 0;
}


int
ai_value_is(const ai_value_t *v, const char *text)
{
    return v->type == AI_JSON_STRING
           && ai_value_equal(v->data, v->len,
                             memchr(v->data, '\\', v->len) != NULL, text,
                             strlen(text));
}


int
ai_value_count(const ai_value_t *v, uint64_t *n)
{
    if (v->type != AI_JSON_NUMBER) {
        return AI_ERROR;
    }

    return ai_number_count(v->data, v->len, n);
}


void
ai_value_text(ai_out_t *out, const ai_value_t *v)
{
    uint16_t  half;

    half = 0;

    ai_value_piece(out, v, &half);
    ai_value_piece_end(out, &half);
}


void
ai_value_piece_end(ai_out_t *out, uint16_t *half)
{
    if (*half) {
        *half = 0;
        ai_out_put(out, "\xef\xbf\xbd", 3);
    }
}


/* the half that was kept, before what follows; whether that is the other */

static unsigned
ai_value_join(ai_out_t *out, const ai_char *p, const ai_char *end,
    uint16_t *half)
{
    unsigned           low;
    ai_char            text[6];
    static const char  hex[] = "0123456789abcdef";

    if (ai_value_hex(p, end, &low) != AI_OK || (low & 0xfc00) != 0xdc00) {
        ai_value_piece_end(out, half);
        return 0;
    }

    text[0] = '\\';
    text[1] = 'u';
    text[2] = (ai_char) hex[*half >> 12];
    text[3] = (ai_char) hex[*half >> 8 & 15];
    text[4] = (ai_char) hex[*half >> 4 & 15];
    text[5] = (ai_char) hex[*half & 15];

    *half = 0;
    ai_out_put(out, text, sizeof(text));

    return 1;
}


/* whether a string ends with the first half of a pair */

static unsigned
ai_value_is_half(const ai_char *p, const ai_char *end, uint16_t *half)
{
    unsigned  unit;

    if (end - p != 6 || ai_value_hex(p, end, &unit) != AI_OK
        || (unit & 0xfc00) != 0xd800)
    {
        return 0;
    }

    *half = (uint16_t) unit;

    return 1;
}


void
ai_value_piece(ai_out_t *out, const ai_value_t *v, uint16_t *half)
{
    size_t          n;
    unsigned        bad;
    const ai_char  *p, *run, *end;

    if (!ai_value_has_text(v)) {
        return;
    }

    run = v->data;
    end = v->data + v->len;
    p = run;

    if (*half && ai_value_join(out, p, end, half)) {
        p += 6;
    }

    for ( /* void */ ; p < end; p += n) {

        if (*p < 0x80 && *p != '\\') {
            n = 1;
            continue;
        }

        bad = 0;
        n = ai_value_unit(p, end, &bad);

        if (bad && ai_value_is_half(p, end, half)) {
            end = p;
            break;
        }

        if (bad) {
            ai_out_put(out, run, (size_t) (p - run));
            ai_out_put(out, "\xef\xbf\xbd", 3);
            run = p + n;
        }
    }

    ai_out_put(out, run, (size_t) (end - run));
}


/* the bytes of an escape or of a character past ASCII */

static size_t
ai_value_unit(const ai_char *p, const ai_char *end, unsigned *bad)
{
    size_t    n;
    unsigned  unit, low;

    if (*p != '\\') {
        n = ai_utf8_len(p, end);
        *bad = (n == 0);

        return n ? n : 1;
    }

    if (end - p < 2 || p[1] != 'u') {
        *bad = (end - p < 2);
        return *bad ? 1 : 2;
    }

    if (ai_value_hex(p, end, &unit) != AI_OK) {
        *bad = 1;
        return 2;
    }

    if ((unit & 0xf800) != 0xd800) {
        return 6;
    }

    if (unit < 0xdc00 && ai_value_hex(p + 6, end, &low) == AI_OK
        && (low & 0xfc00) == 0xdc00)
    {
        return 12;
    }

    *bad = 1;

    return 6;
}


/* what \uXXXX at p stands for */

static int
ai_value_hex(const ai_char *p, const ai_char *end, unsigned *unit)
{
    unsigned  i, c;

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return AI_ERROR;
    }

    *unit = 0;

    for (i = 2; i < 6; i++) {
        c = p[i];

        if (c - '0' < 10) {
            c -= '0';

        } else {
            c = (c | 0x20) - 'a';

            if (c > 5) {
                return AI_ERROR;
            }

            c += 10;
        }

        *unit = *unit << 4 | c;
    }

    return AI_OK;
}


void
ai_value_quote(ai_out_t *out, const ai_value_t *v)
{
    unsigned         comma;
    ai_json_t        js;
    const ai_char   *pos, *end;
    ai_json_token_t  tok;

    pos = v->data;
    end = v->data + v->len;
    comma = 0;

    ai_json_init(&js, 1);

    while (ai_json_next(&js, &pos, end, &tok) == AI_OK) {

        if (comma && tok.type != AI_JSON_OBJECT_END
            && tok.type != AI_JSON_ARRAY_END)
        {
            ai_out_char(out, ',');
        }

        comma = (tok.type != AI_JSON_OBJECT && tok.type != AI_JSON_ARRAY
                 && tok.type != AI_JSON_KEY);

        if (tok.type != AI_JSON_KEY && tok.type != AI_JSON_STRING) {
            ai_out_put(out, tok.data, tok.len);
            continue;
        }

        ai_out_put(out, "\\\"", 2);
        ai_out_json_text(out, tok.data, tok.len);
        ai_out_put(out, "\\\"", 2);

        if (tok.type == AI_JSON_KEY) {
            ai_out_char(out, ':');
        }
    }
}
