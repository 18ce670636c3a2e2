
/*
 * Paths made of fragments: whatever is taken for an endpoint is one of the
 * few spellings, and what a provider gets for it means the same endpoint and
 * the same model.
 */


#include <stdlib.h>
#include "ai_api.h"


#define CHECK(x)  if (!(x)) { abort(); }


static const char *const  fragments[] = {
    "/v1", "/v1beta", "/v1alpha", "/openai", "/deployments/", "/chat",
    "/completions", "/responses", "/embeddings", "/models", "/m",
    ":generateContent", ":streamGenerateContent", ":embedContent",
    ":countTokens", "/messages", "/count_tokens", "/audio", "/speech", "/",
    "%2f", "%3A", "%20", "..", "\\", ";", "?", "#", "/usage", "/images",
    "/generations", "/files"
};


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t         i, len;
    ai_buf_t       b;
    ai_str_t       path, args, base = ai_string("");
    ai_str_t       post = ai_string("POST"), get = ai_string("GET");
    ai_str_t       version = ai_string("2024-10-21"), again;
    unsigned       hints;
    ai_char       *raw;
    ai_route_t     rt, rt2;
    const char    *allow;
    ai_dialect_t   api;

    static ai_char  whole[65536], built[1024];

    if (size < 2 || size > 512) {
        return 0;
    }

    hints = data[0] & 3;
    ai_buf_init(&b, whole, sizeof(whole));

    for (i = 2; i < size; i++) {
        if (data[i] < sizeof(fragments) / sizeof(fragments[0])) {
            ai_buf_cstr(&b, fragments[data[i]]);

        } else {
            ai_buf_char(&b, data[i]);
        }
    }

    len = (size_t) (b.pos - whole);
    raw = malloc(len ? len : 1);
    memcpy(raw, whole, len);
    path.data = raw;
    path.len = len;
    args.data = (ai_char *) data;
    args.len = size;

    if (ai_route_find(&rt, data[0] & 4 ? &get : &post, &path, &args, hints,
                      &allow) != AI_OK)
    {
        CHECK(rt.ep == AI_EP_NONE);
        free(raw);
        return 0;
    }

    CHECK(rt.ep != AI_EP_NONE && rt.ep < AI_EP_N);
    CHECK(rt.model.len <= sizeof(rt.name));

    if (rt.ep > AI_EP_COUNT_TOKENS) {
        free(raw);
        return 0;
    }

    /* raw bytes that only a sloppy reader takes for the path */

    CHECK(memchr(raw, '\\', len) == NULL && memchr(raw, '#', len) == NULL
          && memchr(raw, ';', len) == NULL && memchr(raw, '?', len) == NULL);
    CHECK(memmem(raw, len, "//", 2) == NULL && raw[len - 1] != '/');

    api = rt.dialect;
    ai_buf_init(&b, built, sizeof(built));
    i = (size_t) ai_route_build(&b, &rt, api, &base, &rt.model, &version);

    if (api == AI_DIALECT_AZURE && !rt.deployment) {
        free(raw);
        return 0;
    }

    CHECK((int) i == AI_OK && !b.full);

    again.data = built;
    again.len = (size_t) (b.pos - built);

    for (i = 0; i < again.len && built[i] != '?'; i++) {
        CHECK(built[i] > 0x20 && built[i] < 0x7f);
    }

    again.len = i;
    args.len = 0;

    CHECK(ai_route_find(&rt2, &post, &again, &args, 0, &allow) == AI_OK);
    CHECK(rt2.ep == rt.ep && rt2.dialect == rt.dialect);
    CHECK(rt2.model.len == rt.model.len
          && memcmp(rt2.name, rt.name, rt.model.len) == 0);

    free(raw);

    return 0;
}
