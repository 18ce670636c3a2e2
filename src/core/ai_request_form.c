
/*
 * The fields of the audio endpoints' forms.
 */


#include <strings.h>
#include "ai_multipart.h"
#include "ai_request_priv.h"


/* fields that matter; each at most once, and in this spelling */

typedef enum {
    AI_FORM_MODEL = 0,
    AI_FORM_STREAM,
    AI_FORM_FORMAT,
    AI_FORM_FILE,
    AI_FORM_URL,
    AI_FORM_CHARSET,
    AI_FORM_N
} ai_form_field_t;

static const ai_str_t  ai_form_fields[AI_FORM_N] = {
    ai_string("model"),
    ai_string("stream"),
    ai_string("response_format"),
    ai_string("file"),
    ai_string("url"),
    ai_string("_charset_")
};


static int
ai_form_refuse(ai_request_t *rq, int status, const char *param,
    const char *text)
{
    rq->status = status;
    rq->param = param;
    rq->error = text;

    return AI_ERROR;
}


/* "model[]", "model[0]" and "model.x" are model to some */

static int
ai_form_field(const ai_str_t *name)
{
    int     i;
    size_t  len;

    for (len = 0; len < name->len; len++) {
        if (name->data[len] == '[' || name->data[len] == '.') {
            break;
        }
    }

    for (i = 0; i < AI_FORM_N; i++) {
        if (ai_form_fields[i].len == len
            && strncasecmp((char *) ai_form_fields[i].data,
                           (char *) name->data, len) == 0)
        {
            return i;
        }
    }

    return AI_FORM_N;
}


/* text in an encoding that everybody reads alike */

static unsigned
ai_form_is_text(const ai_str_t *type)
{
    size_t       i, n;
    ai_char      c;
    char         buf[32];

    static const char *const  types[] = {
        "", "text/plain", "text/plain;charset=utf-8",
        "text/plain;charset=us-ascii", "text/plain;charset=\"utf-8\""
    };

    for (i = 0, n = 0; i < type->len; i++) {
        c = type->data[i];

        if (c == ' ' || c == '\t') {
            continue;
        }

        if (n == sizeof(buf) - 1) {
            return 0;
        }

        buf[n++] = (char) c;
    }

    buf[n] = '\0';

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(buf, types[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


static unsigned
ai_form_value_is(const ai_str_t *value, const char *s)
{
    return value->len == strlen(s)
           && strncasecmp((char *) value->data, s, value->len) == 0;
}


static int
ai_form_model(ai_request_t *rq, const ai_char *body, const ai_part_t *part)
{
    const char  *text;

    text = ai_name_decode(rq->model_name, &rq->model_len, part->content.data,
                          part->content.len, 0);
    if (text) {
        return ai_form_refuse(rq, 400, "model", text);
    }

    rq->model.pos = (size_t) (part->content.data - body);
    rq->model.len = part->content.len;

    return AI_OK;
}


static int
ai_form_take(ai_request_t *rq, const ai_char *body, int field,
    const ai_part_t *part)
{
    const ai_str_t  *value;

    value = &part->content;

    switch (field) {

    case AI_FORM_MODEL:
        return ai_form_model(rq, body, part);

    case AI_FORM_STREAM:
        rq->stream = !(value->len == 0 || ai_form_value_is(value, "false")
                       || ai_form_value_is(value, "0"));
        return AI_OK;

    case AI_FORM_FORMAT:
        rq->plain_text = ai_form_value_is(value, "text")
                         || ai_form_value_is(value, "srt")
                         || ai_form_value_is(value, "vtt");
        return AI_OK;

    case AI_FORM_URL:
        rq->unbounded |= AI_UNBOUNDED_REMOTE;
        return AI_OK;

    case AI_FORM_CHARSET:
        return ai_form_refuse(rq, 400, "_charset_",
                              "Forms must be in UTF-8.");
    }

    return AI_OK;
}


static int
ai_form_part(ai_request_t *rq, const ai_char *body, const ai_part_t *part,
    unsigned *seen)
{
    int          field;
    const char  *name;

    field = ai_form_field(&part->name);

    if (field == AI_FORM_N) {
        return AI_OK;
    }

    name = (const char *) ai_form_fields[field].data;

    if (*seen & 1u << field) {
        return ai_form_refuse(rq, 400, name, "This field is given more than "
                                             "once.");
    }

    *seen |= 1u << field;

    if (part->name.len != ai_form_fields[field].len
        || memcmp(part->name.data, ai_form_fields[field].data,
                  part->name.len) != 0)
    {
        return ai_form_refuse(rq, 400, name, "This field's name is not in "
                                             "its usual spelling.");
    }

    if (field != AI_FORM_FILE
        && (part->file || !ai_form_is_text(&part->type)))
    {
        return ai_form_refuse(rq, 400, name, "This field must be plain text "
                                             "in UTF-8.");
    }

    return ai_form_take(rq, body, field, part);
}


int
ai_request_form(ai_request_t *rq, const ai_char *body, size_t len,
    const ai_str_t *boundary)
{
    int             rc;
    unsigned        seen;
    ai_part_t       part;
    ai_multipart_t  mp;

    if (ai_multipart_init(&mp, body, len, boundary) != AI_OK) {
        return ai_form_refuse(rq, 415, NULL, "The body must be "
                              "multipart/form-data with a valid boundary.");
    }

    seen = 0;

    for ( ;; ) {
        rc = ai_multipart_next(&mp, &part);

        if (rc == AI_DECLINED) {
            return AI_OK;
        }

        if (rc == AI_ERROR) {
            return ai_form_refuse(rq, 400, NULL, mp.error);
        }

        if (ai_form_part(rq, body, &part, &seen) != AI_OK) {
            return AI_ERROR;
        }
    }
}
