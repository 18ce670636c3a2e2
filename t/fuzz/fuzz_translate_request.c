
/*
 * Requests translated: whatever the scan lets through as a chat request is
 * declined, or becomes a body that the scan of the other dialect lets through,
 * with the same cap, choices and media, and not much longer.  A check without
 * a result says the same.
 */


#include <stdlib.h>
#include "ai_translate_request.h"


#define CHECK(x)  if (!(x)) { abort(); }


typedef struct {
    const uint8_t  *p;
    const uint8_t  *end;
    ai_buf_t        b;
} grow_t;

typedef struct {
    ai_char        *data;
    size_t          len;
    size_t          size;
} whole_t;


/*
 * Each rule has choices, in which upper case letters are rules; the rule behind
 * an asterisk is repeated, with commas, and that behind a plus at least once.
 */

static const char *const  grammar[26][24] = {
    ['R' - 'A'] = { "{\"model\":\"m\",\"messages\":[*M]*O}",
                    "{\"messages\":[M,+M,{\"role\":\"user\",\"content\":C}]"
                    "O,\"model\":\"m\"}",
                    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                    "\"content\":C},{\"role\":\"assistant\",\"content\":C,"
                    "\"tool_calls\":[+T]},*A],\"tools\":[+F]OO}" },

    ['M' - 'A'] = { "{\"role\":\"user\",\"content\":C}",
                    "{\"role\":\"assistant\",\"content\":C}",
                    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":"
                    "[+T]}", "A", "{\"role\":\"system\",\"content\":C}",
                    "{\"content\":C,\"name\":S,\"role\":\"developer\"}",
                    "{\"role\":S,\"content\":C,\"refusal\":S}", "V" },

    ['A' - 'A'] = { "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":C}",
                    "{\"role\":\"tool\",\"tool_call_id\":S,\"content\":C}",
                    "{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":C}",
                    "{\"role\":\"user\",\"content\":C}" },

    ['C' - 'A'] = { "S", "[*P]", "[P,P]", "null", "\"\"", "V" },

    ['P' - 'A'] = { "{\"type\":\"text\",\"text\":S}",
                    "{\"type\":\"image_url\",\"image_url\":{\"url\":U}}",
                    "{\"type\":\"image_url\",\"image_url\":U}",
                    "{\"type\":\"input_audio\",\"input_audio\":{\"data\":U,"
                    "\"format\":\"wav\"}}",
                    "{\"type\":\"file\",\"file\":{\"file_data\":U,"
                    "\"filename\":S}}",
                    "{\"type\":\"refusal\",\"refusal\":S}",
                    "{\"type\":\"text\",\"text\":S,\"image_url\":U}", "V" },

    ['U' - 'A'] = { "\"data:image\\/png;base64,aa\"", "\"https://x/a.png\"",
                    "\"http://x\"", "\"data:application/pdf;base64,qq\"",
                    "\"aaaa\"", "\"https://generativelanguage.googleapis.com/\"",
                    "S" },

    ['T' - 'A'] = { "{\"id\":\"a\",\"type\":\"function\",\"function\":"
                    "{\"name\":\"f\",\"arguments\":J}}",
                    "{\"id\":\"b\",\"function\":{\"name\":S,\"arguments\":J}}",
                    "{\"id\":S,\"function\":{\"name\":S,\"arguments\":J},"
                    "\"extra_content\":{\"google\":{\"thought_signature\":S}}}",
                    "V" },

    ['J' - 'A'] = { "\"{}\"", "\"\"", "\" {\\\"a\\\":[1,{\\u0022b\\u0022:"
                    "\\\"\\ud83d\\ude00\\\\n\\\"}]} \"", "\"[]\"", "S",
                    "\"{\\\"a\\\":[[[[[[[[[[]]]]]]]]]]}\"" },

    ['F' - 'A'] = { "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}",
                    "{\"type\":\"function\",\"function\":{\"name\":S,"
                    "\"description\":S,\"strict\":W,\"parameters\":V}}",
                    "{\"type\":\"function\",\"function\":{\"name\":\"g\","
                    "\"parameters\":{\"type\":\"object\",\"model\":V}}}", "V" },

    ['O' - 'A'] = { ",\"max_tokens\":N", ",\"temperature\":N", ",\"stop\":C",
                    ",\"tool_choice\":\"required\"",
                    ",\"tool_choice\":{\"type\":\"function\",\"function\":"
                    "{\"name\":\"f\"}}",
                    ",\"tool_choice\":{\"type\":\"allowed_tools\","
                    "\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[+F]}}",
                    ",\"response_format\":{\"type\":\"json_schema\","
                    "\"json_schema\":{\"name\":S,\"schema\":V}}", ",\"n\":N",
                    ",\"response_format\":{\"type\":\"json_object\"}",
                    ",\"seed\":N", ",\"reasoning_effort\":\"low\"",
                    ",\"service_tier\":\"flex\"", ",\"user\":S",
                    ",\"top_p\":N", ",\"presence_penalty\":N",
                    ",\"parallel_tool_calls\":W", ",\"stream\":W",
                    ",\"logprobs\":W", ",\"x\":V", ",\"logit_bias\":V",
                    ",\"metadata\":V", "" },

    ['V' - 'A'] = { "null", "S", "N", "W", "{}", "[]", "[*V]", "{\"a\":V}",
                    "{\"type\":\"object\",\"source\":V,\"url\":S}" },

    ['S' - 'A'] = { "\"a\"", "\"\"", "\" \"", "\"\\n\"", "\"\\u00e9\xc3\xa9\"",
                    "\"\\ud800\"", "\"f:1\"", "\"function\"", "\"user\"",
                    "\"b\"", "\"\\\"\\\\\\u0000\"" },

    ['N' - 'A'] = { "1", "0", "2", "0.5", "-1", "1e2", "null", "100" },

    ['W' - 'A'] = { "true", "false", "null" }
};


static unsigned
grow_byte(grow_t *g)
{
    return g->p < g->end ? *g->p++ : 0;
}


static void
grow(grow_t *g, int rule, int depth)
{
    unsigned     i, n, min;
    const char  *s;

    for (n = 0; grammar[rule - 'A'][n]; n++) { /* void */ }

    s = grammar[rule - 'A'][depth > 14 ? 0 : grow_byte(g) % n];

    for ( /* void */ ; *s; s++) {

        if (*s == '*' || *s == '+') {
            min = (*s++ == '+');
            n = min + (depth > 14 ? 0 : grow_byte(g) % 4);

            for (i = 0; i < n; i++) {
                ai_buf_cstr(&g->b, i && *s != 'O' ? "," : "");
                grow(g, *s, depth + 1);
            }

        } else if (*s >= 'A' && *s <= 'Z') {
            grow(g, *s, depth + 1);

        } else {
            ai_buf_char(&g->b, *s);
        }
    }
}


static int
put(void *data, const ai_char *p, size_t len)
{
    whole_t  *w = data;

    CHECK(len);

    if (len > w->size - w->len) {
        return AI_ERROR;
    }

    memcpy(w->data + w->len, p, len);
    w->len += len;

    return AI_OK;
}


static void
check(ai_translate_want_t *want, const ai_request_t *rq, const ai_char *body,
    size_t len)
{
    int           rc;
    whole_t       w;
    ai_str_t      none = ai_string("");
    ai_out_t      out, dry;
    unsigned      gemini;
    const char   *param, *error, *param2, *error2;
    ai_request_t  again;

    static ai_char  text[1024 * 1024];

    w.data = text;
    w.size = sizeof(text);
    w.len = 0;

    memset(&out, 0, sizeof(out));
    dry = out;
    out.put = put;
    out.data = &w;

    rc = ai_translate_request(&out, want, body, len, &param, &error);

    CHECK(rc == ai_translate_request(&dry, want, body, len, &param2, &error2));
    CHECK(param == param2 && error == error2);
    CHECK(rc == AI_OK || rc == AI_DECLINED);
    CHECK((rc == AI_DECLINED) == (error != NULL));

    if (rc != AI_OK) {
        return;
    }

    gemini = (want->api == AI_DIALECT_GEMINI);

    CHECK(w.len <= 6 * len + 512);
    CHECK(ai_request_scan(&again, gemini ? AI_EP_GENERATE : AI_EP_MESSAGES,
                          text, w.len, gemini ? want->model : &none, &none)
          == AI_OK);

    CHECK(again.model_len == want->model->len
          && memcmp(again.model_name, want->model->data, again.model_len)
             == 0);
    CHECK(again.max_output == (want->max_output > 0 ? want->max_output
                                                    : rq->max_output));
    CHECK(again.choices == rq->choices);
    CHECK(again.media == rq->media && again.media_bytes <= rq->media_bytes);
    CHECK(again.unbounded == (rq->unbounded & AI_UNBOUNDED_REMOTE));
    CHECK(again.nnamed == 0);

    if (!gemini) {
        CHECK(again.max_output > 0 && again.stream == want->stream);
    }
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    grow_t               g;
    size_t               len;
    ai_str_t             none = ai_string(""), model = ai_string("gemini-3");
    ai_char             *body;
    ai_request_t         rq;
    ai_translate_want_t  want;

    static ai_char  grown[65536];

    if (size < 2 || size > 4096) {
        return 0;
    }

    if (data[0] & 1) {
        len = size - 1;
        body = malloc(len);
        memcpy(body, data + 1, len);

    } else {
        g.p = data + 1;
        g.end = data + size;
        ai_buf_init(&g.b, grown, sizeof(grown));
        grow(&g, 'R', 0);
        len = (size_t) (g.b.pos - grown);
        body = malloc(len);
        memcpy(body, grown, len);
    }

    memset(&want, 0, sizeof(want));
    want.model = &model;
    want.max_output = (data[0] & 2) ? -1 : 100;
    want.stream = data[0] >> 2 & 1;
    model.len -= data[0] >> 3 & 1;

    if (ai_request_scan(&rq, AI_EP_CHAT, body, len, &none, &none) == AI_OK) {
        want.api = AI_DIALECT_ANTHROPIC;
        check(&want, &rq, body, len);
        want.api = AI_DIALECT_GEMINI;
        check(&want, &rq, body, len);
    }

    free(body);

    return 0;
}
