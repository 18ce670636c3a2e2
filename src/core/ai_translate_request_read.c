
/*
 * Taking a request apart.
 */


#include "ai_number.h"
#include "ai_translate_request.h"


#define AI_TR_KEY  64           /* no name that is known is longer */


int
ai_tr_decline(ai_tr_t *tr, const char *error)
{
    tr->param = tr->member;
    tr->error = error;

    return AI_DECLINED;
}


void
ai_tr_open(ai_tr_list_t *list, const ai_char *data, size_t len)
{
    ai_json_token_t  tok;

    ai_json_init(&list->js, 0);

    list->pos = data;
    list->end = data + len;

    if (ai_json_next(&list->js, &list->pos, list->end, &tok) != AI_OK) {
        list->end = list->pos;
    }
}


/* the next token that is a value, and the key before it */

static unsigned
ai_tr_value(ai_tr_list_t *list, ai_tr_value_t *key, ai_tr_value_t *v)
{
    ai_json_token_t  tok;

    if (ai_json_next(&list->js, &list->pos, list->end, &tok) != AI_OK) {
        return 0;
    }

    if (tok.type == AI_JSON_KEY) {
        key->type = AI_JSON_KEY;
        key->data = tok.data;
        key->len = tok.len;
        key->escaped = tok.escaped;

        if (ai_json_next(&list->js, &list->pos, list->end, &tok) != AI_OK) {
            return 0;
        }
    }

    v->type = tok.type;
    v->data = tok.data;
    v->len = tok.len;
    v->escaped = tok.escaped;

    return tok.type != AI_JSON_OBJECT_END && tok.type != AI_JSON_ARRAY_END;
}


unsigned
ai_tr_next(ai_tr_list_t *list, ai_tr_value_t *key, ai_tr_value_t *v)
{
    unsigned  depth;

    if (!ai_tr_value(list, key, v)) {
        return 0;
    }

    if (v->type == AI_JSON_OBJECT || v->type == AI_JSON_ARRAY) {
        depth = list->js.depth - 1u;

        (void) ai_json_skip(&list->js, &list->pos, list->end, depth);

        /* a comma behind it has been taken with it */

        v->len = (size_t) (list->pos - v->data);
        v->len -= (v->data[v->len - 1] == ',');

        return list->js.depth == depth;
    }

    return 1;
}


unsigned
ai_tr_enter(ai_tr_list_t *list, unsigned *object)
{
    ai_tr_value_t  key, v;

    if (!ai_tr_value(list, &key, &v)) {
        return 0;
    }

    *object = (v.type == AI_JSON_OBJECT);

    return 1;
}


/* a name as it is, decoded if need be; len 0: none that is known */

static ai_str_t
ai_tr_plain(const ai_tr_value_t *v, ai_char text[AI_TR_KEY])
{
    ai_str_t   name;
    ptrdiff_t  len;

    name.data = (ai_char *) v->data;
    name.len = v->len;

    if (v->escaped) {
        len = ai_json_unescape(text, AI_TR_KEY, v->data, v->len);

        name.data = text;
        name.len = len > 0 ? (size_t) len : 0;
    }

    return name;
}


unsigned
ai_tr_find(const ai_tr_value_t *key, const void *names, size_t size,
    unsigned n)
{
    unsigned         i;
    ai_str_t         plain;
    ai_char          text[AI_TR_KEY];
    const ai_str_t  *name;

    plain = ai_tr_plain(key, text);

    for (i = 0; i < n; i++) {
        name = (const ai_str_t *) ((const ai_char *) names + i * size);

        if (name->len == plain.len
            && memcmp(name->data, plain.data, plain.len) == 0)
        {
            return i;
        }
    }

    return n;
}


int
ai_tr_inside(ai_tr_t *tr, ai_tr_list_t *list, const ai_tr_member_t *members,
    unsigned n, ai_tr_value_t *values)
{
    unsigned       i;
    uint32_t       seen;
    ai_tr_value_t  key, v;

    seen = 0;
    memset(values, 0, n * sizeof(ai_tr_value_t));

    while (ai_tr_next(list, &key, &v)) {

        i = ai_tr_find(&key, members, sizeof(ai_tr_member_t), n);

        if (i < n && (seen & 1u << i)) {
            return ai_tr_decline(tr, "A member of an object in it is given "
                                     "more than once.");
        }

        if (i < n) {
            seen |= 1u << i;
        }

        if (v.type == AI_JSON_NULL || (i < n && members[i].types == 0)) {
            continue;
        }

        if (i == n) {
            return ai_tr_decline(tr, "An object in it has a member that "
                                     "cannot be translated for this "
                                     "provider.");
        }

        if (!(members[i].types & 1u << v.type)) {
            return ai_tr_decline(tr, "A member of an object in it is of a "
                                     "wrong type.");
        }

        values[i] = v;
    }

    return AI_OK;
}


int
ai_tr_members(ai_tr_t *tr, const ai_tr_value_t *object,
    const ai_tr_member_t *members, unsigned n, ai_tr_value_t *values)
{
    ai_tr_list_t  list;

    ai_tr_open(&list, object->data, object->len);

    return ai_tr_inside(tr, &list, members, n, values);
}


ptrdiff_t
ai_tr_text(const ai_tr_value_t *v, ai_char *dst, size_t size)
{
    if (v->escaped) {
        return ai_json_unescape(dst, size, v->data, v->len);
    }

    if (v->len > size) {
        return AI_ERROR;
    }

    memcpy(dst, v->data, v->len);

    return (ptrdiff_t) v->len;
}


unsigned
ai_tr_is(const ai_tr_value_t *v, const char *word)
{
    ai_str_t  plain;
    ai_char   text[AI_TR_KEY];

    if (v->type != AI_JSON_STRING) {
        return 0;
    }

    plain = ai_tr_plain(v, text);

    return plain.len == strlen(word)
           && memcmp(plain.data, word, plain.len) == 0;
}


int
ai_tr_word(const ai_tr_value_t *v, const char *const *words)
{
    int  i;

    for (i = 0; words[i]; i++) {
        if (ai_tr_is(v, words[i])) {
            return i;
        }
    }

    return -1;
}


int
ai_tr_millionths(const ai_tr_value_t *v, uint64_t *n)
{
    return ai_number_scaled(v->data, v->len, 6, n);
}


unsigned
ai_tr_blank(const ai_tr_value_t *v)
{
    size_t  i;

    for (i = 0; i < v->len; i++) {

        if (v->data[i] == '\\' && i + 1 < v->len) {
            i++;

            if (v->data[i] == 'n' || v->data[i] == 'r' || v->data[i] == 't') {
                continue;
            }

            return 0;
        }

        if (v->data[i] != ' ') {
            return 0;
        }
    }

    return 1;
}


int
ai_tr_name(ai_tr_t *tr, const ai_tr_value_t *v, ai_tr_name_t *name)
{
    ptrdiff_t  len;

    if (v->type != AI_JSON_STRING) {
        return ai_tr_decline(tr, "A function has no name.");
    }

    len = ai_tr_text(v, name->text, AI_TR_NAME);

    if (len <= 0) {
        return ai_tr_decline(tr, "A function's name is empty, too long or not "
                                 "valid text.");
    }

    name->len = (uint8_t) len;

    return AI_OK;
}
