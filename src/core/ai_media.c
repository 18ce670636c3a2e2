
/*
 * Content-Type: the type and its parameters.
 */


#include "ai_media.h"


typedef struct {
    const ai_char   *pos;
    const ai_char   *end;
    ai_str_t         name;
    ai_str_t         value;     /* without its quotes */
    ai_str_t         raw;       /* with them */
} ai_media_t;


static unsigned
ai_media_is(const ai_str_t *s, const char *word)
{
    size_t   i;
    ai_char  c;

    for (i = 0; i < s->len && word[i]; i++) {
        c = s->data[i];

        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;
        }

        if (c != (ai_char) word[i]) {
            return 0;
        }
    }

    return i == s->len && word[i] == '\0';
}


/* a run of characters up to white space or one of those that separate */

static void
ai_media_word(ai_media_t *md, ai_str_t *word, const char *separators)
{
    const ai_char  *p;

    for (p = md->pos; p < md->end; p++) {
        if (*p <= 0x20 || *p >= 0x7f || strchr(separators, *p)) {
            break;
        }
    }

    word->data = (ai_char *) md->pos;
    word->len = (size_t) (p - md->pos);

    md->pos = p;
}


static void
ai_media_space(ai_media_t *md)
{
    while (md->pos < md->end && (*md->pos == ' ' || *md->pos == '\t')) {
        md->pos++;
    }
}


static int
ai_media_quoted(ai_media_t *md)
{
    md->raw.data = (ai_char *) md->pos++;
    md->value.data = (ai_char *) md->pos;

    for ( /* void */ ; md->pos < md->end && *md->pos != '"'; md->pos++) {
        if (*md->pos < 0x20 || *md->pos >= 0x7f || *md->pos == '\\') {
            return AI_ERROR;
        }
    }

    if (md->pos == md->end) {
        return AI_ERROR;
    }

    md->value.len = (size_t) (md->pos++ - md->value.data);
    md->raw.len = (size_t) (md->pos - md->raw.data);

    return AI_OK;
}


/* the next "; name=value"; AI_DONE: there is none */

static int
ai_media_param(ai_media_t *md)
{
    ai_media_space(md);

    if (md->pos == md->end) {
        return AI_DONE;
    }

    if (*md->pos++ != ';') {
        return AI_ERROR;
    }

    ai_media_space(md);

    if (md->pos == md->end) {
        return AI_DONE;
    }

    ai_media_word(md, &md->name, "=;,\"\\");

    if (md->name.len == 0 || md->pos == md->end || *md->pos++ != '=') {
        return AI_ERROR;
    }

    if (md->pos < md->end && *md->pos == '"') {
        return ai_media_quoted(md);
    }

    ai_media_word(md, &md->value, ";,\"\\");
    md->raw = md->value;

    return md->value.len ? AI_OK : AI_ERROR;
}


static int
ai_media_begin(ai_media_t *md, const ai_str_t *type, const char *want)
{
    ai_str_t  word;

    md->pos = type->data;
    md->end = type->data + type->len;

    ai_media_word(md, &word, ";,\"\\");

    return ai_media_is(&word, want) ? AI_OK : AI_ERROR;
}


unsigned
ai_media_json(const ai_str_t *type)
{
    int         rc;
    ai_media_t  md;

    if (ai_str_is(type, "application/json")) {
        return 1;               /* as nearly all write it */
    }

    rc = ai_media_begin(&md, type, "application/json");

    while (rc == AI_OK) {
        rc = ai_media_param(&md);

        if (rc == AI_OK && ai_media_is(&md.name, "charset")
            && !ai_media_is(&md.value, "utf-8"))
        {
            return 0;
        }
    }

    return rc == AI_DONE;
}


int
ai_media_form(const ai_str_t *type, ai_str_t *boundary, ai_str_t *raw)
{
    int         rc;
    ai_media_t  md;

    boundary->len = 0;

    rc = ai_media_begin(&md, type, "multipart/form-data");

    while (rc == AI_OK) {
        rc = ai_media_param(&md);

        if (rc != AI_OK) {
            break;
        }

        if (ai_media_is(&md.name, "boundary")) {

            if (boundary->len || md.value.len == 0) {
                return AI_ERROR;
            }

            *boundary = md.value;
            *raw = md.raw;

        } else if (memchr(md.name.data, '*', md.name.len)) {
            return AI_ERROR;
        }
    }

    return (rc == AI_DONE && boundary->len) ? AI_OK : AI_ERROR;
}
