
/*
 * The path and query that a provider gets: built from what the route means,
 * never copied from the client.
 */


#include "ai_api.h"


/* behind the version; Gemini: the verb */

static const ai_str_t  ai_api_paths[AI_EP_N] = {
    [AI_EP_CHAT] = ai_string("/chat/completions"),
    [AI_EP_COMPLETIONS] = ai_string("/completions"),
    [AI_EP_RESPONSES] = ai_string("/responses"),
    [AI_EP_EMBEDDINGS] = ai_string("/embeddings"),
    [AI_EP_MODERATIONS] = ai_string("/moderations"),
    [AI_EP_IMAGES] = ai_string("/images/generations"),
    [AI_EP_TRANSCRIPTIONS] = ai_string("/audio/transcriptions"),
    [AI_EP_TRANSLATIONS] = ai_string("/audio/translations"),
    [AI_EP_SPEECH] = ai_string("/audio/speech"),
    [AI_EP_MESSAGES] = ai_string("/messages"),
    [AI_EP_MESSAGES_COUNT] = ai_string("/messages/count_tokens"),
    [AI_EP_GENERATE] = ai_string(":generateContent"),
    [AI_EP_STREAM_GENERATE] = ai_string(":streamGenerateContent"),
    [AI_EP_EMBED] = ai_string(":embedContent"),
    [AI_EP_BATCH_EMBED] = ai_string(":batchEmbedContents"),
    [AI_EP_COUNT_TOKENS] = ai_string(":countTokens")
};


#define ai_api_row(name)                                                     \
    { ai_string("openai." name), ai_string("anthropic." name),               \
      ai_string("gemini." name), ai_string("azure.openai." name) }

static const ai_str_t  ai_api_names[AI_EP_N][4] = {
    [AI_EP_NONE] = { ai_string("-"), ai_string("-"), ai_string("-"),
                     ai_string("-") },
    [AI_EP_CHAT] = ai_api_row("chat.completions"),
    [AI_EP_COMPLETIONS] = ai_api_row("completions"),
    [AI_EP_RESPONSES] = ai_api_row("responses"),
    [AI_EP_EMBEDDINGS] = ai_api_row("embeddings"),
    [AI_EP_MODERATIONS] = ai_api_row("moderations"),
    [AI_EP_IMAGES] = ai_api_row("images"),
    [AI_EP_TRANSCRIPTIONS] = ai_api_row("audio.transcriptions"),
    [AI_EP_TRANSLATIONS] = ai_api_row("audio.translations"),
    [AI_EP_SPEECH] = ai_api_row("audio.speech"),
    [AI_EP_MESSAGES] = ai_api_row("messages"),
    [AI_EP_MESSAGES_COUNT] = ai_api_row("messages.count_tokens"),
    [AI_EP_GENERATE] = ai_api_row("generateContent"),
    [AI_EP_STREAM_GENERATE] = ai_api_row("streamGenerateContent"),
    [AI_EP_EMBED] = ai_api_row("embedContent"),
    [AI_EP_BATCH_EMBED] = ai_api_row("batchEmbedContents"),
    [AI_EP_COUNT_TOKENS] = ai_api_row("countTokens"),
    [AI_EP_MODELS] = ai_api_row("models"),
    [AI_EP_MODEL] = ai_api_row("model"),
    [AI_EP_USAGE] = ai_api_row("usage")
};


const ai_str_t *
ai_api_name(ai_dialect_t dialect, ai_endpoint_t ep)
{
    if ((unsigned) ep >= AI_EP_N || (unsigned) dialect > AI_DIALECT_AZURE) {
        return &ai_api_names[AI_EP_NONE][0];
    }

    return &ai_api_names[ep][dialect];
}


static void
ai_buf_escape(ai_buf_t *b, const ai_str_t *s)
{
    size_t   i;
    ai_char  c;

    static const char  hex[] = "0123456789ABCDEF";

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
            || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_'
            || c == '~')
        {
            ai_buf_char(b, c);
            continue;
        }

        ai_buf_char(b, '%');
        ai_buf_char(b, hex[c >> 4]);
        ai_buf_char(b, hex[c & 15]);
    }
}


/* v1, v4, v1beta, v1beta1 */

static unsigned
ai_base_segment_is_version(const ai_char *p, const ai_char *end)
{
    if (end - p < 2 || p[0] != 'v' || p[1] < '0' || p[1] > '9') {
        return 0;
    }

    for (p++; p < end; p++) {
        if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z'))) {
            return 0;
        }
    }

    return 1;
}


/* whether a base's last segment is a version, or one before "/openai" */

static unsigned
ai_base_has_version(const ai_str_t *base)
{
    const ai_char  *p, *end;

    if (base->len == 0) {
        return 0;
    }

    end = base->data + base->len;

    for (p = end; p > base->data && p[-1] != '/'; p--) { /* void */ }

    if (end - p == 6 && memcmp(p, "openai", 6) == 0 && p > base->data) {
        end = p - 1;

        for (p = end; p > base->data && p[-1] != '/'; p--) { /* void */ }
    }

    return ai_base_segment_is_version(p, end);
}


static const ai_str_t *
ai_build_version(const ai_route_t *rt, const ai_str_t *api_version)
{
    return (rt->deployment && rt->version.len) ? &rt->version : api_version;
}


static void
ai_build_azure(ai_buf_t *b, const ai_route_t *rt, const ai_str_t *base,
    const ai_str_t *model, const ai_str_t *api_version)
{
    if (ai_base_has_version(base)) {
        ai_buf_str(b, base);
        ai_buf_str(b, &ai_api_paths[rt->ep]);
        return;
    }

    ai_buf_str(b, base);

    if (base->len < 7
        || memcmp(base->data + base->len - 7, "/openai", 7) != 0)
    {
        ai_buf_cstr(b, "/openai");
    }

    if (rt->ep != AI_EP_RESPONSES) {
        ai_buf_cstr(b, "/deployments/");
        ai_buf_escape(b, model);
    }

    ai_buf_str(b, &ai_api_paths[rt->ep]);
    ai_buf_cstr(b, "?api-version=");
    ai_buf_escape(b, ai_build_version(rt, api_version));
}


static void
ai_build_gemini(ai_buf_t *b, const ai_route_t *rt, const ai_str_t *base,
    const ai_str_t *model)
{
    ai_str_t  name;

    name = *model;

    if (name.len > 7 && memcmp(name.data, "models/", 7) == 0) {
        name.data += 7;
        name.len -= 7;
    }

    ai_buf_str(b, base);

    if (!ai_base_has_version(base)) {
        ai_buf_char(b, '/');

        if (rt->dialect == AI_DIALECT_GEMINI && rt->version.len) {
            ai_buf_str(b, &rt->version);

        } else {
            ai_buf_cstr(b, "v1beta");
        }
    }

    ai_buf_cstr(b, "/models/");
    ai_buf_escape(b, &name);
    ai_buf_str(b, &ai_api_paths[rt->ep]);

    if (rt->sse && rt->ep == AI_EP_STREAM_GENERATE) {
        ai_buf_cstr(b, "?alt=sse");
    }
}


int
ai_route_serves(const ai_route_t *rt, ai_dialect_t api, const ai_str_t *base,
    const ai_str_t *api_version)
{
    ai_dialect_t     family;
    const ai_str_t  *version;

    if (rt->ep == AI_EP_NONE || rt->ep > AI_EP_COUNT_TOKENS) {
        return AI_DECLINED;
    }

    family = rt->ep <= AI_EP_SPEECH ? AI_DIALECT_OPENAI
             : rt->ep <= AI_EP_MESSAGES_COUNT ? AI_DIALECT_ANTHROPIC
             : AI_DIALECT_GEMINI;

    if (api != AI_DIALECT_AZURE || family != AI_DIALECT_OPENAI) {
        return api == family ? AI_OK : AI_DECLINED;
    }

    if (ai_base_has_version(base)) {
        return AI_OK;
    }

    version = ai_build_version(rt, api_version);

    return (rt->ep != AI_EP_MODERATIONS && version && version->len)
           ? AI_OK : AI_DECLINED;
}


int
ai_route_build(ai_buf_t *b, const ai_route_t *rt, ai_dialect_t api,
    const ai_str_t *base, const ai_str_t *model, const ai_str_t *api_version)
{
    if (ai_route_serves(rt, api, base, api_version) != AI_OK) {
        return AI_DECLINED;
    }

    if (api == AI_DIALECT_AZURE) {
        ai_build_azure(b, rt, base, model, api_version);
        return AI_OK;
    }

    if (api == AI_DIALECT_GEMINI) {
        ai_build_gemini(b, rt, base, model);
        return AI_OK;
    }

    ai_buf_str(b, base);

    if (!ai_base_has_version(base)) {
        ai_buf_cstr(b, "/v1");
    }

    ai_buf_str(b, &ai_api_paths[rt->ep]);

    if (rt->beta && api == AI_DIALECT_ANTHROPIC) {
        ai_buf_cstr(b, "?beta=true");
    }

    return AI_OK;
}
