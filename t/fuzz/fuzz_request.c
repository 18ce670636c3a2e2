
/*
 * Bodies grown from the members' own names: what the edits make of an
 * accepted body is accepted again, says what was asked for, and needs no
 * further edit.  Odd seeds take the bytes as they are.
 */


#include <stdlib.h>
#include "ai_request.h"


#define CHECK(x)  if (!(x)) { abort(); }


typedef struct {
    const uint8_t  *p;
    const uint8_t  *end;
    ai_buf_t        b;
} grow_t;


static const char *const  names[] = {
    "model", "stream", "stream_options", "include_usage", "max_tokens",
    "max_completion_tokens", "max_output_tokens", "n", "best_of", "prompt",
    "messages", "content", "tools", "type", "parameters", "image_url", "url",
    "input", "generationConfig", "generation_config", "maxOutputTokens",
    "candidateCount", "contents", "parts", "fileData", "fileUri", "requests",
    "generateContentRequest", "system", "source", "fallbacks", "models",
    "service_tier", "m\\u006fdel", "Model", "x", "file_id", "functionCall",
    "output", "namespace", "environment", "stream_format", "moderation"
};

static const char *const  values[] = {
    "true", "false", "null", "1", "5", "1e2", "0", "\"gem\"",
    "\"models/gem\"", "\"a\"", "\"function\"", "\"web_search\"",
    "\"https://x\"", "\"data:x\"", "\"\\ud83d\\ude00\"", "\"sse\"", "{}",
    "[]", "{ }", "-1", "\"\""
};


static unsigned
grow_byte(grow_t *g)
{
    return g->p < g->end ? *g->p++ : 0;
}


static void
grow_value(grow_t *g, int depth)
{
    unsigned     c, i, n;
    const char  *name;

    c = grow_byte(g);

    if (depth == 6 || (depth && c < 140)) {
        ai_buf_cstr(&g->b, values[c % (sizeof(values) / sizeof(values[0]))]);
        return;
    }

    n = 1 + grow_byte(g) % 6;
    ai_buf_cstr(&g->b, (c & 3) && depth ? "[" : "{ ");

    for (i = 0; i < n && (i == 0 || g->p < g->end); i++) {
        ai_buf_cstr(&g->b, i ? "," : "");

        if (!((c & 3) && depth)) {
            name = names[grow_byte(g) % (sizeof(names) / sizeof(names[0]))];
            ai_buf_char(&g->b, '"');
            ai_buf_cstr(&g->b, name);
            ai_buf_cstr(&g->b, "\": ");
        }

        grow_value(g, depth + 1);
    }

    ai_buf_cstr(&g->b, (c & 3) && depth ? "]" : " }");
}


/* the edits in order, within the body, and only where they may be */

static size_t
apply(const ai_request_t *rq, const ai_char *body, size_t len,
    const ai_edit_t *edits, int n, ai_char *out, size_t size)
{
    int       i;
    size_t    pos, del;
    ai_buf_t  b;

    ai_buf_init(&b, out, size);

    for (i = 0, pos = 0; i < n; i++) {
        del = edits[i].del;

        CHECK(edits[i].pos >= pos && edits[i].pos + del <= len);

        if (del == 0) {
            CHECK(edits[i].pos == rq->object
                  || edits[i].pos == rq->config_object
                  || edits[i].pos == rq->stream_options_object);

        } else if (edits[i].pos != rq->model.pos
                   && edits[i].pos != rq->cap.pos
                   && edits[i].pos != rq->include_usage.pos
                   && edits[i].pos != rq->stream_options.pos)
        {
            CHECK(rq->nested_models > 1 && body[edits[i].pos] == '"');
        }

        ai_buf_put(&b, body + pos, edits[i].pos - pos);
        ai_buf_str(&b, &edits[i].ins);
        pos = edits[i].pos + del;
    }

    ai_buf_put(&b, body + pos, len - pos);
    CHECK(!b.full);

    return (size_t) (b.pos - out);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int            n;
    grow_t         g;
    size_t         len;
    ai_buf_t       b;
    unsigned       gemini;
    ai_str_t       path, none = ai_string(""), model = ai_string("new\"\n");
    ai_char       *body;
    ai_request_t   rq, again;
    ai_rewrite_t   want;
    ai_endpoint_t  ep;

    static ai_char    grown[65536], out[262144], text[2048];
    static ai_edit_t  edits[65536];

    if (size < 3 || size > 4096) {
        return 0;
    }

    ep = (ai_endpoint_t) (1 + data[0] % AI_EP_COUNT_TOKENS);

    if (ep == AI_EP_TRANSCRIPTIONS || ep == AI_EP_TRANSLATIONS) {
        return 0;
    }

    gemini = ep >= AI_EP_GENERATE;
    path = none;

    if (gemini || data[1] & 2) {
        path.data = (ai_char *) "gem";
        path.len = 3;
    }

    memset(&want, 0, sizeof(want));
    model.len = gemini ? 3 : 5;         /* a path's name must come back */
    want.model = &model;
    want.max_output = data[1] >> 4;
    want.cap_completion = data[1] >> 2 & 1;
    want.usage = data[1] >> 3 & 1;

    if (data[1] & 1) {
        body = malloc(size - 2);
        len = size - 2;
        memcpy(body, data + 2, len);

    } else {
        g.p = data + 2;
        g.end = data + size;
        ai_buf_init(&g.b, grown, sizeof(grown));
        grow_value(&g, 0);
        len = (size_t) (g.b.pos - grown);
        body = malloc(len);
        memcpy(body, grown, len);
    }

    if (ai_request_scan(&rq, ep, body, len, &path, &none) != AI_OK) {
        CHECK(rq.status == 400 && rq.error);
        free(body);
        return 0;
    }

    CHECK(rq.choices >= 1 && rq.nnamed <= AI_NAMED_MAX);

    ai_buf_init(&b, text, 256 + 2 * AI_MODEL_LEN * 6);
    n = ai_request_edit(&rq, ep, body, len, &want, &b, edits,
                        AI_EDITS_MAX + rq.nested_models);
    CHECK(n >= 0);

    len = apply(&rq, body, len, edits, n, out, sizeof(out));
    free(body);

    CHECK(ai_request_scan(&again, ep, out, len, gemini ? &model : &none,
                          &none) == AI_OK);
    CHECK(again.model_len == model.len
          && memcmp(again.model_name, model.data, model.len) == 0);
    CHECK(again.nested_models == rq.nested_models);
    CHECK(again.unbounded == rq.unbounded && again.nnamed == rq.nnamed
          && again.choices == rq.choices && again.stream == rq.stream
          && again.images == rq.images && again.characters == rq.characters);

    switch (ep) {

    case AI_EP_CHAT:
    case AI_EP_COMPLETIONS:
        CHECK(again.usage_asked == (rq.usage_asked
                                    || (rq.stream && want.usage)));

        /* fall through */

    case AI_EP_RESPONSES:
    case AI_EP_MESSAGES:
    case AI_EP_GENERATE:
    case AI_EP_STREAM_GENERATE:
        CHECK(again.max_output == want.max_output);
        break;

    default:
        CHECK(again.max_output == rq.max_output);
    }

    if (rq.nested_models < 2) {
        ai_buf_init(&b, text, sizeof(text));
        CHECK(ai_request_edit(&again, ep, out, len, &want, &b, edits,
                              AI_EDITS_MAX) == 0);
    }

    return 0;
}
