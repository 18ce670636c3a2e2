
/*
 * The strict reader of multipart/form-data.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* memmem() */
#endif

#include <strings.h>
#include "ai_multipart.h"


#define AI_BOUNDARY_MAX  70


/* seen while the headers of a part are read */

#define AI_PART_DISPOSITION  1
#define AI_PART_TYPE         2
#define AI_PART_NAME         4
#define AI_PART_FILE         8
#define AI_PART_FILE_EXT     16
#define AI_PART_ENCODING     32


#define ai_multipart_is_header(name, s)                                      \
    ((name)->len == sizeof(s) - 1                                            \
     && strncasecmp((char *) (name)->data, s, sizeof(s) - 1) == 0)


static int
ai_multipart_refuse(ai_multipart_t *mp, const char *text)
{
    mp->error = text;

    return AI_ERROR;
}


static unsigned
ai_multipart_is_token(ai_char c)
{
    return c > 0x20 && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}


int
ai_multipart_init(ai_multipart_t *mp, const ai_char *body, size_t len,
    const ai_str_t *boundary)
{
    size_t   i;
    ai_char  c;

    mp->pos = body;
    mp->end = body + len;
    mp->parts = 0;
    mp->error = "The boundary is missing or not valid.";

    if (boundary == NULL || boundary->len == 0
        || boundary->len > AI_BOUNDARY_MAX
        || boundary->data[boundary->len - 1] == ' ')
    {
        return AI_ERROR;
    }

    for (i = 0; i < boundary->len; i++) {
        c = boundary->data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
              || (c >= 'a' && c <= 'z')
              || (c != '\0' && strchr("'()+_,-./:=? ", c))))
        {
            return AI_ERROR;
        }
    }

    memcpy(mp->delimiter, "\r\n--", 4);
    memcpy(mp->delimiter + 4, boundary->data, boundary->len);
    mp->len = boundary->len + 4;
    mp->error = NULL;

    return AI_OK;
}


/* "; name=value" from *p on; an empty name: there is no more */

static int
ai_multipart_param(const ai_char **p, const ai_char *end, ai_str_t *name,
    ai_str_t *value)
{
    const ai_char  *q;

    name->len = 0;
    q = *p;

    while (q < end && (*q == ' ' || *q == '\t')) {
        q++;
    }

    if (q == end) {
        return AI_OK;
    }

    if (*q++ != ';') {
        return AI_ERROR;
    }

    while (q < end && (*q == ' ' || *q == '\t')) {
        q++;
    }

    name->data = (ai_char *) q;

    while (q < end && ai_multipart_is_token(*q)) {
        q++;
    }

    name->len = (size_t) (q - name->data);

    if (name->len == 0 || q == end || *q++ != '=') {
        return AI_ERROR;
    }

    if (q < end && *q == '"') {
        value->data = (ai_char *) ++q;

        while (q < end && *q != '"') {
            q++;
        }

        value->len = (size_t) (q - value->data);

        /* is the quote at the end a pair or not? */

        if (q == end || (value->len && q[-1] == '\\')) {
            return AI_ERROR;
        }

        *p = q + 1;
        return AI_OK;
    }

    value->data = (ai_char *) q;

    while (q < end && ai_multipart_is_token(*q)) {
        q++;
    }

    value->len = (size_t) (q - value->data);
    *p = q;

    return value->len ? AI_OK : AI_ERROR;
}


static int
ai_multipart_name(ai_multipart_t *mp, const ai_str_t *value, ai_part_t *part)
{
    size_t  i;

    if (value->len == 0 || value->len > AI_MULTIPART_NAME) {
        return ai_multipart_refuse(mp, "A part's name is empty or too long.");
    }

    for (i = 0; i < value->len; i++) {
        if (value->data[i] == '\\' || value->data[i] == '%'
            || value->data[i] >= 0x7f)
        {
            return ai_multipart_refuse(mp, "A part's name is not plain text.");
        }
    }

    part->name = *value;

    return AI_OK;
}


static int
ai_multipart_disposition(ai_multipart_t *mp, const ai_str_t *line,
    ai_part_t *part)
{
    unsigned        seen, bit;
    ai_str_t        name, value;
    const ai_char  *p, *end;

    p = line->data;
    end = line->data + line->len;
    seen = 0;

    if (line->len < 9 || strncasecmp((char *) p, "form-data", 9) != 0) {
        return ai_multipart_refuse(mp, "A part is not form-data.");
    }

    for (p += 9; /* void */ ; seen |= bit) {

        if (ai_multipart_param(&p, end, &name, &value) != AI_OK) {
            return ai_multipart_refuse(mp, "A part's Content-Disposition is "
                                           "not valid.");
        }

        if (name.len == 0) {
            break;
        }

        if (ai_multipart_is_header(&name, "name")) {
            bit = AI_PART_NAME;

            if (ai_multipart_name(mp, &value, part) != AI_OK) {
                return AI_ERROR;
            }

        } else if (ai_multipart_is_header(&name, "filename")) {
            bit = AI_PART_FILE;

        } else if (ai_multipart_is_header(&name, "filename*")) {
            bit = AI_PART_FILE_EXT;

        } else {
            return ai_multipart_refuse(mp, "A part's Content-Disposition has "
                                           "a parameter that is not known.");
        }

        if (seen & bit) {
            return ai_multipart_refuse(mp, "A part's Content-Disposition has "
                                           "a parameter twice.");
        }
    }

    if (!(seen & AI_PART_NAME)) {
        return ai_multipart_refuse(mp, "A part has no name.");
    }

    part->file = (seen & (AI_PART_FILE|AI_PART_FILE_EXT)) != 0;

    return AI_OK;
}


/* one header of a part: "name" and "value" without the space around it */

static int
ai_multipart_header(ai_multipart_t *mp, const ai_str_t *name,
    const ai_str_t *value, unsigned *seen, ai_part_t *part)
{
    unsigned  bit;

    if (ai_multipart_is_header(name, "content-disposition")) {
        bit = AI_PART_DISPOSITION;

        if (ai_multipart_disposition(mp, value, part) != AI_OK) {
            return AI_ERROR;
        }

    } else if (ai_multipart_is_header(name, "content-type")) {
        bit = AI_PART_TYPE;
        part->type = *value;

        if (value->len >= 10
            && strncasecmp((char *) value->data, "multipart/", 10) == 0)
        {
            return ai_multipart_refuse(mp, "Parts must not be nested.");
        }

    } else if (ai_multipart_is_header(name, "content-transfer-encoding")) {
        bit = AI_PART_ENCODING;

        if (!ai_multipart_is_header(value, "binary")
            && !ai_multipart_is_header(value, "8bit")
            && !ai_multipart_is_header(value, "7bit"))
        {
            return ai_multipart_refuse(mp, "Transfer encodings of parts are "
                                           "not served.");
        }

    } else {
        return AI_OK;
    }

    if (*seen & bit) {
        return ai_multipart_refuse(mp, "A part has a header twice.");
    }

    *seen |= bit;

    return AI_OK;
}


/* splits a line at its colon; bare CR and LF and other controls are refused */

static int
ai_multipart_line(const ai_char *p, const ai_char *end, ai_str_t *name,
    ai_str_t *value)
{
    const ai_char  *q;

    for (q = p; q < end; q++) {
        if ((*q < 0x20 && *q != '\t') || *q == 0x7f) {
            return AI_ERROR;
        }
    }

    for (q = p; q < end && ai_multipart_is_token(*q); q++) { /* void */ }

    if (q == p || q == end || *q != ':') {
        return AI_ERROR;
    }

    name->data = (ai_char *) p;
    name->len = (size_t) (q - p);

    for (q++; q < end && (*q == ' ' || *q == '\t'); q++) { /* void */ }

    while (end > q && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }

    value->data = (ai_char *) q;
    value->len = (size_t) (end - q);

    return AI_OK;
}


/* the headers up to the empty line, which mp->pos is then behind */

static int
ai_multipart_headers(ai_multipart_t *mp, ai_part_t *part)
{
    size_t          size;
    unsigned        seen;
    ai_str_t        name, value;
    const ai_char  *p, *end, *eol;

    seen = 0;
    size = (size_t) (mp->end - mp->pos);
    end = mp->pos + (size < AI_MULTIPART_HEADERS ? size
                                                 : AI_MULTIPART_HEADERS);

    for (p = mp->pos; /* void */ ; p = eol + 2) {

        eol = memmem(p, (size_t) (end - p), "\r\n", 2);

        if (eol == NULL) {
            return ai_multipart_refuse(mp, "A part's headers do not end.");
        }

        if (eol == p) {
            break;
        }

        if (ai_multipart_line(p, eol, &name, &value) != AI_OK) {
            return ai_multipart_refuse(mp, "A part's header is not valid.");
        }

        if (ai_multipart_header(mp, &name, &value, &seen, part) != AI_OK) {
            return AI_ERROR;
        }
    }

    if (!(seen & AI_PART_DISPOSITION)) {
        return ai_multipart_refuse(mp, "A part has no Content-Disposition.");
    }

    mp->pos = p + 2;

    return AI_OK;
}


/*
 * The content up to the next delimiter, whose CRLF mp->pos is then behind.
 * The boundary's text must not be found anywhere else.
 */

static int
ai_multipart_content(ai_multipart_t *mp, ai_part_t *part)
{
    const ai_char  *p;

    p = memmem(mp->pos, (size_t) (mp->end - mp->pos), mp->delimiter + 2,
               mp->len - 2);

    if (p == NULL) {
        return ai_multipart_refuse(mp, "The last part does not end.");
    }

    /* nor right behind the headers: some take their empty line's CRLF for
       the delimiter's */

    if (p - mp->pos < 2 || p[-1] != '\n' || p[-2] != '\r') {
        return ai_multipart_refuse(mp, "The boundary is found inside of a "
                                       "part.");
    }

    part->content.data = (ai_char *) mp->pos;
    part->content.len = (size_t) (p - 2 - mp->pos);

    mp->pos = p;

    return AI_OK;
}


int
ai_multipart_next(ai_multipart_t *mp, ai_part_t *part)
{
    size_t  left;

    left = (size_t) (mp->end - mp->pos);

    if (left < mp->len
        || memcmp(mp->pos, mp->delimiter + 2, mp->len - 2) != 0)
    {
        return ai_multipart_refuse(mp, "The body does not begin with its "
                                       "boundary.");
    }

    mp->pos += mp->len - 2;
    left -= mp->len - 2;

    if (left >= 2 && memcmp(mp->pos, "--", 2) == 0) {
        if (left == 2 || (left == 4 && memcmp(mp->pos + 2, "\r\n", 2) == 0)) {
            return AI_DECLINED;
        }

        return ai_multipart_refuse(mp, "There is data behind the last part.");
    }

    if (left < 2 || memcmp(mp->pos, "\r\n", 2) != 0) {
        return ai_multipart_refuse(mp, "A boundary's line is not valid.");
    }

    if (++mp->parts > AI_MULTIPART_PARTS) {
        return ai_multipart_refuse(mp, "There are too many parts.");
    }

    mp->pos += 2;
    memset(part, 0, sizeof(ai_part_t));

    if (ai_multipart_headers(mp, part) != AI_OK) {
        return AI_ERROR;
    }

    return ai_multipart_content(mp, part);
}
