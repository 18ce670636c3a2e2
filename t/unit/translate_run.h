
/*
 * Translates answers in memory of their own size, beside a meter that reads
 * the same bytes; and meters what comes out as OpenAI's.
 */


#ifndef TRANSLATE_RUN_H
#define TRANSLATE_RUN_H


#include <stdio.h>
#include <stdlib.h>

#include "ai_translate.h"


typedef struct {
    ai_translate_from_t    from;
    ai_translate_stream_t  stream;
    ai_translate_told_t    told;
    ai_out_t               out;
    ai_meter_t             meter;       /* of the provider's bytes */
    ai_meter_t             again;       /* of ours */
    ai_usage_t             usage;
    ai_usage_t             usage_again;
    char                  *text;        /* ours, NUL-terminated */
    size_t                 len;
    size_t                 size;
    int                    rc;
    unsigned               declined;    /* events */
    unsigned               put_fails;   /* at this call of put(); 0: never */
} translate_run_t;


static inline int
translate_put(void *data, const ai_char *p, size_t len)
{
    translate_run_t  *run;

    run = data;

    if (run->put_fails && --run->put_fails == 0) {
        return AI_ERROR;
    }

    if (len == 0) {
        abort();
    }

    if (run->size - run->len <= len) {
        run->size = 2 * (run->len + len) + 1024;
        run->text = realloc(run->text, run->size);
    }

    memcpy(run->text + run->len, p, len);
    run->len += len;
    run->text[run->len] = '\0';

    return AI_OK;
}


static inline void
translate_begin(translate_run_t *run, ai_dialect_t api, ai_body_t body)
{
    static const ai_str_t  id =
        ai_string("01932f6e-7c5a-7b3e-9d21-4f8a6b0c1d2e");
    static const ai_str_t  model = ai_string("the-target");

    free(run->text);
    memset(run, 0, sizeof(translate_run_t));

    ai_meter_init(&run->meter, api,
                  api == AI_DIALECT_ANTHROPIC ? AI_EP_MESSAGES
                  : body == AI_BODY_SSE ? AI_EP_STREAM_GENERATE
                                        : AI_EP_GENERATE,
                  body);

    run->from.api = api;
    run->from.status = 200;
    run->from.model = model;
    run->from.created = 1795262400;
    run->from.id = id;
    run->from.meter = &run->meter;
    run->from.usage = 1;

    run->out.put = translate_put;
    run->out.data = run;
    run->text = calloc(1, 1);
    run->size = 1;
}


static inline void
translate_feed(ai_meter_t *m, const char *data, size_t len, unsigned whole)
{
    unsigned        drop;
    const ai_char  *p, *end;

    p = (const ai_char *) data;
    end = p + len;

    while (ai_meter_feed(m, &p, end, &drop) == AI_DONE) { /* void */ }

    ai_meter_end(m, whole);
}


static inline void
translate_again(translate_run_t *run, ai_body_t body)
{
    ai_meter_usage(&run->meter, &run->usage);

    ai_meter_init(&run->again, AI_DIALECT_OPENAI, AI_EP_CHAT, body);
    translate_feed(&run->again, run->text, run->len, 1);
    ai_meter_usage(&run->again, &run->usage_again);
}


static inline void
translate_body(translate_run_t *run, const char *data, size_t len)
{
    char  *copy;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);

    translate_feed(&run->meter, copy, len, 1);

    run->rc = ai_translate_response(&run->out, &run->from, &run->told,
                                    (const ai_char *) copy, len);
    free(copy);

    translate_again(run, AI_BODY_JSON);
}


static inline void
translate_event(translate_run_t *run, const ai_sse_t *sse, const char *data,
    size_t len)
{
    char      *copy;
    ai_str_t   name, text;

    copy = malloc(len ? len : 1);

    if (len) {
        memcpy(copy, data, len);
    }

    name.data = (ai_char *) sse->name;
    name.len = sse->name_len;
    text.data = (ai_char *) copy;
    text.len = len;

    run->rc = ai_translate_stream_event(&run->stream, &run->out, &name,
                                        &text);
    run->declined += (run->rc == AI_DECLINED);

    free(copy);
}


/* "whole" is for what the meter cannot see: the framing of the body */

static inline void
translate_stream(translate_run_t *run, const char *data, size_t len,
    unsigned whole)
{
    int             rc;
    char           *event;
    size_t          n, used;
    ai_sse_t        sse;
    const ai_char  *p, *end, *piece;

    ai_translate_stream_init(&run->stream, &run->from);
    translate_feed(&run->meter, data, len, whole);
    ai_sse_init(&sse);

    event = malloc(len + 1);
    used = 0;
    p = (const ai_char *) data;
    end = p + len;

    do {
        rc = ai_sse_next(&sse, &p, end, &piece, &n);

        switch (rc) {

        case AI_SSE_DATA:
            memcpy(event + used, piece, n);
            used += n;
            break;

        case AI_SSE_LINE:
            event[used++] = '\n';
            break;

        default:

            if (rc == AI_SSE_EVENT || used) {
                translate_event(run, &sse, event, used);
                used = 0;
            }
        }

    } while (rc != AI_AGAIN);

    free(event);

    run->rc = ai_translate_stream_end(&run->stream, &run->out,
                                      run->meter.complete);

    translate_again(run, AI_BODY_SSE);
}


/* whether it is one value of strict JSON in UTF-8 */

static inline int
translate_is_json(const char *data, size_t len)
{
    int              rc;
    ai_json_t        js;
    const ai_char   *p, *end;
    ai_json_token_t  tok;

    p = (const ai_char *) data;
    end = p + len;

    ai_json_init(&js, 0);

    do {
        rc = ai_json_next(&js, &p, end, &tok);
    } while (rc == AI_OK);

    return p == end && ai_json_end(&js) == AI_OK;
}


/* whether it is nothing but "data: JSON\n\n", perhaps with one [DONE] last */

static inline int
translate_is_stream(const char *data, size_t len, unsigned *done)
{
    size_t       n;
    const char  *p, *end, *eol;

    *done = 0;
    end = data + len;

    for (p = data; p < end; p = eol + 2) {

        eol = memchr(p, '\n', (size_t) (end - p));

        if (*done || eol == NULL || end - eol < 2 || eol[1] != '\n'
            || eol - p < 6 || memcmp(p, "data: ", 6))
        {
            return 0;
        }

        p += 6;
        n = (size_t) (eol - p);

        if (n == 6 && memcmp(p, "[DONE]", 6) == 0) {
            *done = 1;
            continue;
        }

        if (!translate_is_json(p, n)) {
            return 0;
        }
    }

    return 1;
}


/* whether both meters say the same of what is billed */

static inline int
translate_is_equal(const translate_run_t *run)
{
    const ai_usage_t  *a, *b;

    a = &run->usage;
    b = &run->usage_again;

    return a->input_tokens == b->input_tokens
           && a->output_tokens == b->output_tokens
           && a->cache_read_tokens == b->cache_read_tokens
           && a->cache_write_tokens == b->cache_write_tokens
           && a->reasoning_tokens == b->reasoning_tokens
           && a->classes[AI_CLASS_INPUT] == b->classes[AI_CLASS_INPUT]
           && a->classes[AI_CLASS_INPUT_AUDIO]
              == b->classes[AI_CLASS_INPUT_AUDIO]
           && a->classes[AI_CLASS_OUTPUT_AUDIO]
              == b->classes[AI_CLASS_OUTPUT_AUDIO];
}


#endif /* TRANSLATE_RUN_H */
