
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


/* what a member's value should mostly be, so that bodies are accepted */

static const struct {
    const char  *name;
    char         kind;          /* string, word, number, object, array, any */
} names[] = {
    { "model", 's' }, { "stream", 'w' }, { "stream_options", 'o' },
    { "include_usage", 'w' }, { "max_tokens", 'n' },
    { "max_completion_tokens", 'n' }, { "max_output_tokens", 'n' },
    { "n", 'n' }, { "best_of", 'n' }, { "prompt", 'a' }, { "messages", 'a' },
    { "content", 'a' }, { "tools", 'a' }, { "type", 's' },
    { "parameters", 'o' }, { "image_url", 'o' }, { "url", 's' },
    { "input", 'a' }, { "generationConfig", 'o' },
    { "generation_config", 'o' }, { "maxOutputTokens", 'n' },
    { "candidateCount", 'n' }, { "contents", 'a' }, { "parts", 'a' },
    { "fileData", 'o' }, { "fileUri", 's' }, { "requests", 'a' },
    { "generateContentRequest", 'o' }, { "system", 'a' }, { "source", 'o' },
    { "fallbacks", 'a' }, { "models", 'a' }, { "service_tier", 's' },
    { "m\\u006fdel", 's' }, { "Model", 's' }, { "x", '*' },
    { "y\\u0061", '*' }, { "file_id", 's' }, { "functionCall", 'o' },
    { "output", 'a' }, { "environment", 'o' }, { "stream_format", 's' },
    { "moderation", 'o' }
};

static const char *const  strings[] = {
    "\"gem\"", "\"models/gem\"", "\"function\"", "\"web_search\"",
    "\"https://x\"", "\"data:x\"", "\"\\ud83d\\ude00\"", "\"sse\""
};

static const char *const  words[] = { "true", "false", "null", "true" };

static const char *const  numbers[] = { "1", "5", "1e2", "0", "2.0", "null" };

#define PICK(table, c)  table[(c) % (sizeof(table) / sizeof(table[0]))]


static unsigned
grow_byte(grow_t *g)
{
    return g->p < g->end ? *g->p++ : 0;
}


static void
grow_value(grow_t *g, int depth, char kind)
{
    unsigned  c, i, k, n, object;

    c = grow_byte(g);

    if (kind == '*' || c > 240) {
        kind = "swnoa"[c % 5];
    }

    if (depth == 7 || kind == 's') {
        ai_buf_cstr(&g->b, PICK(strings, c));
        return;
    }

    if (kind == 'w') {
        ai_buf_cstr(&g->b, PICK(words, c));
        return;
    }

    if (kind == 'n') {
        ai_buf_cstr(&g->b, PICK(numbers, c));
        return;
    }

    object = (kind == 'o');
    n = c % 6;
    ai_buf_cstr(&g->b, object ? "{" : "[");
    ai_buf_cstr(&g->b, c & 64 ? " " : "");

    if (depth == 0 && (c & 128)) {
        ai_buf_cstr(&g->b, "\"model\":\"gem\"");
        ai_buf_cstr(&g->b, n ? "," : "");
    }

    for (i = 0; i < n; i++) {
        ai_buf_cstr(&g->b, i ? "," : "");

        if (!object) {
            grow_value(g, depth + 1, "ooso"[c / 6 % 4]);
            continue;
        }

        k = grow_byte(g) % (sizeof(names) / sizeof(names[0]));
        ai_buf_char(&g->b, '"');
        ai_buf_cstr(&g->b, names[k].name);
        ai_buf_cstr(&g->b, c & 32 ? "\" : " : "\":");
        grow_value(g, depth + 1, names[k].kind);
    }

    ai_buf_cstr(&g->b, object ? "}" : "]");
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
    ai_str_t       path, none = ai_string(""), model = ai_string("new\"\\");
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
        grow_value(&g, 0, 'o');
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
