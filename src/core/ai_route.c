
/*
 * Which endpoint a request's raw path means.
 *
 * Paths are compared as bytes: nginx, proxies and providers disagree about
 * dots, slashes, escapes and case, and what nobody but a provider understands
 * must not get there.  So a path is one of a few spellings, or it is 404.
 */


#include "ai_api.h"


/* a path behind its prefix ("/v1" or "/openai/v1") */

typedef struct {
    ai_str_t         path;
    ai_endpoint_t    ep;
} ai_route_path_t;


static const ai_route_path_t  ai_route_openai[] = {
    { ai_string("/chat/completions"), AI_EP_CHAT },
    { ai_string("/completions"), AI_EP_COMPLETIONS },
    { ai_string("/responses"), AI_EP_RESPONSES },
    { ai_string("/embeddings"), AI_EP_EMBEDDINGS },
    { ai_string("/moderations"), AI_EP_MODERATIONS },
    { ai_string("/images/generations"), AI_EP_IMAGES },
    { ai_string("/audio/transcriptions"), AI_EP_TRANSCRIPTIONS },
    { ai_string("/audio/translations"), AI_EP_TRANSLATIONS },
    { ai_string("/audio/speech"), AI_EP_SPEECH },
    { ai_string(""), AI_EP_NONE }
};

static const ai_route_path_t  ai_route_anthropic[] = {
    { ai_string("/messages"), AI_EP_MESSAGES },
    { ai_string("/messages/count_tokens"), AI_EP_MESSAGES_COUNT },
    { ai_string(""), AI_EP_NONE }
};

static const ai_route_path_t  ai_route_verbs[] = {
    { ai_string("generateContent"), AI_EP_GENERATE },
    { ai_string("streamGenerateContent"), AI_EP_STREAM_GENERATE },
    { ai_string("embedContent"), AI_EP_EMBED },
    { ai_string("batchEmbedContents"), AI_EP_BATCH_EMBED },
    { ai_string("countTokens"), AI_EP_COUNT_TOKENS },
    { ai_string(""), AI_EP_NONE }
};


/* endpoints that keep state at the provider, and all that is below them */

static const char *const  ai_route_stateful[] = {
    "/assistants", "/audio/voices", "/batches", "/chat/completions",
    "/chatkit", "/containers", "/conversations", "/evals", "/files",
    "/fine_tuning", "/fine-tunes", "/graders", "/images/edits",
    "/images/variations", "/organization", "/realtime", "/responses",
    "/skills", "/threads", "/uploads", "/vector_stores", "/videos",
    "/messages/batches", "/agents", "/environments", "/sessions",
    "/user_profiles", NULL
};

static const char *const  ai_route_stateful_gemini[] = {
    "/batches", "/cachedContents", "/corpora", "/dynamic", "/files",
    "/fileSearchStores", "/interactions", "/operations", "/tunedModels",
    NULL
};

static const char *const  ai_route_stateful_verbs[] = {
    "asyncBatchEmbedContent", "batchGenerateContent", "bidiGenerateContent",
    "predict", "predictLongRunning", NULL
};


/* what is left of a path while it is looked at */

static unsigned
ai_route_take(ai_str_t *path, const char *prefix)
{
    size_t  n;

    n = strlen(prefix);

    if (path->len < n || memcmp(path->data, prefix, n) != 0) {
        return 0;
    }

    path->data += n;
    path->len -= n;

    return 1;
}


/* takes a whole segment: the rest is empty or begins with '/' */

static unsigned
ai_route_take_segment(ai_str_t *path, const char *prefix)
{
    ai_str_t  rest;

    rest = *path;

    if (!ai_route_take(&rest, prefix)
        || (rest.len && rest.data[0] != '/'))
    {
        return 0;
    }

    *path = rest;

    return 1;
}


static ai_endpoint_t
ai_route_look_up(const ai_route_path_t *table, const ai_str_t *path)
{
    for ( /* void */ ; table->ep != AI_EP_NONE; table++) {
        if (table->path.len == path->len
            && memcmp(table->path.data, path->data, path->len) == 0)
        {
            return table->ep;
        }
    }

    return AI_EP_NONE;
}


static int
ai_route_unknown(const char *const *stateful, const ai_str_t *path)
{
    ai_str_t  rest;

    for ( /* void */ ; *stateful; stateful++) {
        rest = *path;

        if (ai_route_take_segment(&rest, *stateful)) {
            return AI_ERROR;
        }
    }

    return AI_DECLINED;
}


static unsigned
ai_route_method_is(const ai_str_t *method, const char *name)
{
    return method->len == strlen(name)
           && memcmp(method->data, name, method->len) == 0;
}


static int
ai_route_post(ai_route_t *rt, const ai_str_t *method, ai_endpoint_t ep,
    const char **allow)
{
    if (!ai_route_method_is(method, "POST")) {
        *allow = "POST";
        return AI_BUSY;
    }

    rt->ep = ep;

    return AI_OK;
}


static int
ai_route_get(ai_route_t *rt, const ai_str_t *method, ai_endpoint_t ep,
    const char **allow)
{
    if (!ai_route_method_is(method, "GET")
        && !ai_route_method_is(method, "HEAD"))
    {
        *allow = "GET";
        return AI_BUSY;
    }

    rt->ep = ep;

    return AI_OK;
}


static int
ai_route_hex(ai_char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}


/*
 * A segment that names a model, decoded once.  AI_DECLINED: no name that a
 * model can have, or one that a provider may read as more than a segment.
 */

static int
ai_route_model(ai_route_t *rt, const ai_char *p, const ai_char *end)
{
    int       hi, lo;
    size_t    n;
    ai_char   c, *dst, *last;

    dst = rt->name;
    last = rt->name + sizeof(rt->name);

    while (p < end) {
        c = *p++;

        if (c == '%') {

            if (end - p < 2) {
                return AI_DECLINED;
            }

            hi = ai_route_hex(p[0]);
            lo = ai_route_hex(p[1]);

            if (hi == -1 || lo == -1) {
                return AI_DECLINED;
            }

            c = (ai_char) (hi << 4 | lo);
            p += 2;

        } else if (c == '#' || c == '?' || c == ';') {
            return AI_DECLINED;
        }

        if (c == '/' || c == '\\' || c < 0x20 || c == 0x7f || dst == last) {
            return AI_DECLINED;
        }

        *dst++ = c;
    }

    n = (size_t) (dst - rt->name);

    if (n == 0 || (n <= 2 && memcmp(rt->name, "..", n) == 0)) {
        return AI_DECLINED;
    }

    for (p = rt->name; p < dst; p += n) {
        n = ai_utf8_len(p, dst);

        if (n == 0 || (p[0] == 0xc2 && p[1] < 0xa0)) {
            return AI_DECLINED;
        }
    }

    rt->model.data = rt->name;
    rt->model.len = (size_t) (dst - rt->name);

    return AI_OK;
}


/* "/models" and what is behind it; "gemini": the path is Gemini's alone */

static int
ai_route_models(ai_route_t *rt, const ai_str_t *method, const ai_str_t *rest,
    unsigned gemini, const char **allow)
{
    ai_str_t             verb;
    unsigned             i;
    ai_endpoint_t        ep;
    const ai_char       *p, *end, *colon;

    if (rest->len == 0) {
        return ai_route_get(rt, method, AI_EP_MODELS, allow);
    }

    p = rest->data + 1;
    end = rest->data + rest->len;

    /* models of OpenAI may have colons, Gemini's have not */

    for (colon = end; colon > p && colon[-1] != ':'; colon--) { /* void */ }

    if (colon > p) {
        verb.data = (ai_char *) colon;
        verb.len = (size_t) (end - colon);
        ep = ai_route_look_up(ai_route_verbs, &verb);

        if (ep != AI_EP_NONE) {
            rt->dialect = AI_DIALECT_GEMINI;

            if (ai_route_model(rt, p, colon - 1) != AI_OK) {
                return AI_DECLINED;
            }

            return ai_route_post(rt, method, ep, allow);
        }

        for (i = 0; ai_route_stateful_verbs[i]; i++) {
            if (verb.len == strlen(ai_route_stateful_verbs[i])
                && memcmp(verb.data, ai_route_stateful_verbs[i], verb.len)
                   == 0)
            {
                rt->dialect = AI_DIALECT_GEMINI;
                return AI_ERROR;
            }
        }

        if (gemini) {
            return AI_DECLINED;
        }
    }

    if (ai_route_model(rt, p, end) != AI_OK) {
        return AI_DECLINED;
    }

    return ai_route_get(rt, method, AI_EP_MODEL, allow);
}


/* behind "/openai" */

static int
ai_route_azure(ai_route_t *rt, const ai_str_t *method, ai_str_t *path,
    const char **allow)
{
    int             rc;
    ai_endpoint_t   ep;
    const ai_char  *p, *end;

    rt->dialect = AI_DIALECT_AZURE;

    if (ai_route_take_segment(path, "/v1")) {

        if (ai_route_take_segment(path, "/models")) {
            rc = ai_route_models(rt, method, path, 0, allow);

            if (rt->dialect == AI_DIALECT_AZURE) {
                return rc;
            }

            rt->dialect = AI_DIALECT_AZURE;
            rt->ep = AI_EP_NONE;

            return AI_DECLINED;
        }

        ep = ai_route_look_up(ai_route_openai, path);

        return ep == AI_EP_NONE ? ai_route_unknown(ai_route_stateful, path)
                                : ai_route_post(rt, method, ep, allow);
    }

    if (!ai_route_take_segment(path, "/deployments") || path->len == 0) {
        return ai_route_unknown(ai_route_stateful, path);
    }

    p = path->data + 1;
    end = path->data + path->len;

    path->data = memchr(p, '/', (size_t) (end - p));

    if (path->data == NULL
        || ai_route_model(rt, p, path->data) != AI_OK)
    {
        return AI_DECLINED;
    }

    path->len = (size_t) (end - path->data);
    rt->deployment = 1;

    ep = ai_route_look_up(ai_route_openai, path);

    if (ep == AI_EP_NONE || ep == AI_EP_RESPONSES || ep == AI_EP_MODERATIONS)
    {
        return ai_route_unknown(ai_route_stateful, path);
    }

    return ai_route_post(rt, method, ep, allow);
}


/* behind "/v1", which the dialects share */

static int
ai_route_shared(ai_route_t *rt, const ai_str_t *method, ai_str_t *path,
    const char **allow)
{
    int            rc;
    ai_endpoint_t  ep;

    if (ai_route_take_segment(path, "/models")) {
        return ai_route_models(rt, method, path, 0, allow);
    }

    if (ai_str_is(path, "/usage")) {
        return ai_route_get(rt, method, AI_EP_USAGE, allow);
    }

    ep = ai_route_look_up(ai_route_openai, path);

    if (ep != AI_EP_NONE) {
        rt->dialect = AI_DIALECT_OPENAI;
        return ai_route_post(rt, method, ep, allow);
    }

    ep = ai_route_look_up(ai_route_anthropic, path);

    if (ep != AI_EP_NONE) {
        rt->dialect = AI_DIALECT_ANTHROPIC;
        return ai_route_post(rt, method, ep, allow);
    }

    if (path->len > 9 && memcmp(path->data, "/messages/", 10) == 0) {
        rt->dialect = AI_DIALECT_ANTHROPIC;
    }

    rc = ai_route_unknown(ai_route_stateful, path);

    if (rc == AI_DECLINED && rt->dialect == AI_DIALECT_GEMINI) {
        rc = ai_route_unknown(ai_route_stateful_gemini, path);
    }

    return rc;
}


static int
ai_route_path(ai_route_t *rt, const ai_str_t *method, ai_str_t *path,
    const char **allow)
{
    ai_str_t  whole;

    whole = *path;

    if (ai_route_take_segment(path, "/v1")) {
        rt->version.data = whole.data + 1;
        rt->version.len = 2;

        return ai_route_shared(rt, method, path, allow);
    }

    if (ai_route_take_segment(path, "/v1beta")
        || ai_route_take_segment(path, "/v1alpha"))
    {
        rt->dialect = AI_DIALECT_GEMINI;
        rt->version.data = whole.data + 1;
        rt->version.len = (size_t) (path->data - rt->version.data);

        return ai_route_take_segment(path, "/models")
               ? ai_route_models(rt, method, path, 1, allow)
               : ai_route_unknown(ai_route_stateful_gemini, path);
    }

    if (ai_route_take_segment(path, "/upload")) {
        rt->dialect = AI_DIALECT_GEMINI;
        return AI_ERROR;
    }

    if (ai_route_take_segment(path, "/openai")) {
        return ai_route_azure(rt, method, path, allow);
    }

    return AI_DECLINED;
}


static unsigned
ai_route_is_version(const ai_char *p, const ai_char *end)
{
    if (end - p < 1 || end - p > 32) {
        return 0;
    }

    for ( /* void */ ; p < end; p++) {
        if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z')
              || (*p >= 'A' && *p <= 'Z') || *p == '-' || *p == '.'))
        {
            return 0;
        }
    }

    return 1;
}


/* the first of each argument counts; none is sent on but by its meaning */

static void
ai_route_args(ai_route_t *rt, const ai_str_t *args)
{
    ai_str_t        arg;
    unsigned        alt;
    const ai_char  *p, *end, *next;

    alt = 0;
    end = args->data + args->len;

    for (p = args->data; p < end; p = next + 1) {

        next = memchr(p, '&', (size_t) (end - p));
        next = next ? next : end;

        arg.data = (ai_char *) p;
        arg.len = (size_t) (next - p);

        if (rt->dialect == AI_DIALECT_GEMINI && !alt
            && ai_route_take(&arg, "alt="))
        {
            alt = 1;
            rt->sse = ai_str_is(&arg, "sse");

        } else if (rt->dialect == AI_DIALECT_ANTHROPIC
                   && ai_str_is(&arg, "beta=true"))
        {
            rt->beta = 1;

        } else if (rt->deployment && rt->version.len == 0
                   && ai_route_take(&arg, "api-version=")
                   && ai_route_is_version(arg.data, next))
        {
            rt->version = arg;
        }
    }
}


int
ai_route_find(ai_route_t *rt, const ai_str_t *method, const ai_str_t *path,
    const ai_str_t *args, unsigned hints, const char **allow)
{
    int       rc;
    ai_str_t  rest;

    memset(rt, 0, sizeof(ai_route_t));

    if (hints & AI_HINT_GOOG) {
        rt->dialect = AI_DIALECT_GEMINI;

    } else if (hints & AI_HINT_ANTHROPIC) {
        rt->dialect = AI_DIALECT_ANTHROPIC;
    }

    rest = *path;
    rc = ai_route_path(rt, method, &rest, allow);

    if (rt->dialect != AI_DIALECT_GEMINI) {
        rt->version.len = 0;
    }

    if (rc == AI_OK && args && args->len) {
        ai_route_args(rt, args);
    }

    return rc;
}
