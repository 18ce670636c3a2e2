
/*
 * Images, sounds and files: the body's own bytes in base64, or URLs.
 */


#include <strings.h>
#include "ai_translate_request.h"


#define AI_TR_MEDIA   96        /* longest media type, and what is around it */
#define AI_TR_SAMPLE  64


typedef struct {
    ai_char         type[AI_TR_MEDIA];  /* lower case, a null byte behind */
    ai_tr_value_t   data;               /* in base64 */
} ai_tr_media_t;

typedef struct {
    const char     *name;
    const char     *type;
} ai_tr_type_t;


static const ai_tr_member_t  ai_tr_image_members[] = {
    { ai_string("url"), AI_TR_STR },
    { ai_string("detail"), 0 }
};

static const ai_tr_member_t  ai_tr_audio_members[] = {
    { ai_string("data"), AI_TR_STR },
    { ai_string("format"), AI_TR_STR }
};

static const ai_tr_member_t  ai_tr_file_members[] = {
    { ai_string("file_data"), AI_TR_STR },
    { ai_string("filename"), AI_TR_STR }
};


/* the only ones that Anthropic takes */

static const char *const  ai_tr_image_types[] = {
    "image/jpeg", "image/png", "image/gif", "image/webp", NULL
};

static const ai_tr_type_t  ai_tr_audio_types[] = {
    { "wav", "audio/wav" },
    { "mp3", "audio/mp3" },
    { "flac", "audio/flac" },
    { "aac", "audio/aac" },
    { "ogg", "audio/ogg" },
    { "aiff", "audio/aiff" },
    { NULL, NULL }
};

/* by the end of a URL's path */

static const ai_tr_type_t  ai_tr_extensions[] = {
    { ".png", "image/png" },
    { ".jpg", "image/jpeg" },
    { ".jpeg", "image/jpeg" },
    { ".webp", "image/webp" },
    { ".gif", "image/gif" },
    { ".heic", "image/heic" },
    { ".heif", "image/heif" },
    { NULL, NULL }
};


/* judged by its beginning; PHP escapes the slashes, others break lines */

static unsigned
ai_tr_is_base64(const ai_tr_value_t *v)
{
    size_t   i;
    ai_char  c;

    for (i = 0; i < v->len && i < AI_TR_SAMPLE; i++) {
        c = v->data[i];

        if (c == '\\' && i + 1 < v->len && v->data[i + 1] != 'u') {
            i++;
            continue;
        }

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '='
              || c == '-' || c == '_'))
        {
            return 0;
        }
    }

    return v->len != 0;
}


/*
 * The type out of "data:TYPE;base64", also with parameters in between; what
 * remains are characters that need no escape.
 */

static int
ai_tr_media_type(ai_char *p, size_t len)
{
    size_t  i;

    static const char  scheme[] = "data:", coding[] = ";base64";

    if (len < sizeof(scheme) - 1 + sizeof(coding) - 1
        || strncasecmp((char *) p, scheme, sizeof(scheme) - 1) != 0
        || strncasecmp((char *) p + len - (sizeof(coding) - 1), coding,
                       sizeof(coding) - 1) != 0)
    {
        return AI_DECLINED;
    }

    len -= sizeof(scheme) - 1;
    memmove(p, p + sizeof(scheme) - 1, len);

    for (i = 0; p[i] != ';'; i++) {

        if (p[i] >= 'A' && p[i] <= 'Z') {
            p[i] |= 0x20;
        }

        if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= '0' && p[i] <= '9')
              || p[i] == '/' || p[i] == '.' || p[i] == '+' || p[i] == '-'))
        {
            return AI_DECLINED;
        }
    }

    p[i] = '\0';

    return i ? AI_OK : AI_DECLINED;
}


static int
ai_tr_data_url(ai_tr_t *tr, const ai_tr_value_t *v, ai_tr_media_t *media)
{
    size_t          n;
    ptrdiff_t       len;
    ai_tr_value_t   head;
    const ai_char  *comma;

    n = v->len < 6 * AI_TR_MEDIA ? v->len : 6 * AI_TR_MEDIA;
    comma = memchr(v->data, ',', n);

    if (comma) {
        head = *v;
        head.len = (size_t) (comma - v->data);

        media->data = *v;
        media->data.data = comma + 1;
        media->data.len = v->len - head.len - 1;

        len = ai_tr_text(&head, media->type, AI_TR_MEDIA);

        if (len > 0 && ai_tr_is_base64(&media->data)
            && ai_tr_media_type(media->type, (size_t) len) == AI_OK)
        {
            return AI_OK;
        }
    }

    return ai_tr_decline(tr, "A data: URL must have a media type and be in "
                             "base64 for this provider.");
}


/* whether a string begins so, in any case */

static unsigned
ai_tr_begins(const ai_char *p, size_t len, const char *start)
{
    size_t  n;

    n = strlen(start);

    return len >= n && strncasecmp((const char *) p, start, n) == 0;
}


static unsigned
ai_tr_is_data(const ai_tr_value_t *v)
{
    ptrdiff_t      len;
    ai_char        text[8];
    ai_tr_value_t  head;

    head = *v;
    head.len = v->len < sizeof(text) ? v->len : sizeof(text);

    /* an escape that is cut off is not decoded, and begins no URL */

    len = ai_tr_text(&head, text, sizeof(text));

    return len > 0 && ai_tr_begins(text, (size_t) len, "data:");
}


static const char *
ai_tr_extension(const ai_char *url, size_t len)
{
    size_t               i, n;
    const ai_tr_type_t  *t;

    for (i = 0; i < len && url[i] != '?' && url[i] != '#'; i++) { /* void */ }

    for (t = ai_tr_extensions; t->name; t++) {
        n = strlen(t->name);

        if (i > n && ai_tr_begins(url + i - n, n, t->name)) {
            return t->type;
        }
    }

    return NULL;
}


static int
ai_tr_image_url(ai_tr_t *tr, const ai_tr_value_t *url)
{
    ptrdiff_t    len;
    ai_char      text[AI_TR_URL];
    const char  *type;

    len = ai_tr_text(url, text, sizeof(text));

    if (len == AI_ERROR
        || !(ai_tr_begins(text, (size_t) len, "https://")
             || (tr->gemini && ai_tr_begins(text, (size_t) len, "http://"))))
    {
        return ai_tr_decline(tr, tr->gemini
                             ? "This provider takes images by http:// and "
                               "https:// URLs of 2048 bytes, or as data: URLs."
                             : "This provider takes images by https:// URLs "
                               "of 2048 bytes, or as data: URLs.");
    }

    if (!tr->gemini) {
        ai_tr_put(tr, "{\"type\":\"image\",\"source\":{\"type\":\"url\","
                      "\"url\":");
        ai_tr_string(tr, url);
        ai_tr_put(tr, "}}");
        return AI_OK;
    }

    if (ai_tr_begins(text, (size_t) len,
                     "https://generativelanguage.googleapis.com/"))
    {
        return ai_tr_decline(tr, "Files stored at the provider are not served "
                                 "by this gateway.");
    }

    type = ai_tr_extension(text, (size_t) len);

    ai_tr_put(tr, "{\"fileData\":{");

    if (type) {
        ai_tr_put(tr, "\"mimeType\":\"");
        ai_tr_put(tr, type);
        ai_tr_put(tr, "\",");
    }

    ai_tr_put(tr, "\"fileUri\":");
    ai_tr_string(tr, url);
    ai_tr_put(tr, "}}");

    return AI_OK;
}


static void
ai_tr_inline(ai_tr_t *tr, const char *type, const ai_tr_value_t *data)
{
    ai_tr_put(tr, tr->gemini ? "{\"inlineData\":{\"mimeType\":\""
                             : "\"source\":{\"type\":\"base64\","
                               "\"media_type\":\"");
    ai_tr_put(tr, type);
    ai_tr_put(tr, "\",\"data\":");
    ai_tr_string(tr, data);
    ai_tr_put(tr, "}}");
}


int
ai_tr_image(ai_tr_t *tr, const ai_tr_value_t *v)
{
    unsigned        i;
    const char     *type;
    ai_tr_value_t   m[ai_tr_count(ai_tr_image_members)];
    ai_tr_media_t   media;

    m[0] = *v;

    if (v->type == AI_JSON_OBJECT
        && ai_tr_members(tr, v, ai_tr_image_members,
                         ai_tr_count(ai_tr_image_members), m) != AI_OK)
    {
        return AI_DECLINED;
    }

    if (m[0].type == 0) {
        return ai_tr_decline(tr, "An image has no URL.");
    }

    if (!ai_tr_is_data(&m[0])) {
        return ai_tr_image_url(tr, &m[0]);
    }

    if (ai_tr_data_url(tr, &m[0], &media) != AI_OK) {
        return AI_DECLINED;
    }

    type = (const char *) media.type;

    if (strcmp(type, "image/jpg") == 0) {
        type = "image/jpeg";
    }

    if (!ai_tr_begins((const ai_char *) type, strlen(type), "image/")) {
        return ai_tr_decline(tr, "An image is of another media type.");
    }

    if (tr->gemini) {
        ai_tr_inline(tr, type, &media.data);
        return AI_OK;
    }

    for (i = 0; ai_tr_image_types[i]; i++) {
        if (strcmp(type, ai_tr_image_types[i]) == 0) {
            ai_tr_put(tr, "{\"type\":\"image\",");
            ai_tr_inline(tr, type, &media.data);
            return AI_OK;
        }
    }

    return ai_tr_decline(tr, "This provider takes images in JPEG, PNG, GIF "
                             "and WebP.");
}


int
ai_tr_audio(ai_tr_t *tr, const ai_tr_value_t *v)
{
    ai_tr_value_t        m[ai_tr_count(ai_tr_audio_members)];
    const ai_tr_type_t  *t;

    if (!tr->gemini) {
        return ai_tr_decline(tr, "This provider does not take audio.");
    }

    if (ai_tr_members(tr, v, ai_tr_audio_members,
                      ai_tr_count(ai_tr_audio_members), m) != AI_OK)
    {
        return AI_DECLINED;
    }

    if (ai_tr_is_base64(&m[0])) {

        for (t = ai_tr_audio_types; t->name; t++) {
            if (ai_tr_is(&m[1], t->name)) {
                ai_tr_inline(tr, t->type, &m[0]);
                return AI_OK;
            }
        }
    }

    return ai_tr_decline(tr, "Audio must be in base64 and of a format that "
                             "this provider takes.");
}


int
ai_tr_file(ai_tr_t *tr, const ai_tr_value_t *v)
{
    ai_tr_value_t  m[ai_tr_count(ai_tr_file_members)];
    ai_tr_media_t  media;

    if (ai_tr_members(tr, v, ai_tr_file_members,
                      ai_tr_count(ai_tr_file_members), m) != AI_OK)
    {
        return AI_DECLINED;
    }

    if (m[0].type == 0) {
        return ai_tr_decline(tr, "A file must come with its content.");
    }

    if (ai_tr_data_url(tr, &m[0], &media) != AI_OK) {
        return AI_DECLINED;
    }

    if (tr->gemini) {
        ai_tr_inline(tr, (const char *) media.type, &media.data);
        return AI_OK;
    }

    if (strcmp((const char *) media.type, "application/pdf") != 0) {
        return ai_tr_decline(tr, "This provider takes files in PDF.");
    }

    ai_tr_put(tr, "{\"type\":\"document\",");

    if (m[1].len) {
        ai_tr_put(tr, "\"title\":");
        ai_tr_string(tr, &m[1]);
        ai_tr_put(tr, ",");
    }

    ai_tr_inline(tr, "application/pdf", &media.data);

    return AI_OK;
}
