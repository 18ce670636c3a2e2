
/*
 * Whatever a provider sends, what comes out is strict JSON or a well-formed
 * stream of it, not much longer than what came in; and a meter of OpenAI's
 * reads the same usage in it that the provider's own meter reads.
 */


#include "../unit/translate_run.h"


#define LEN_MAX(size)  (65536 + 40 * (size))


static void
check(const translate_run_t *run, size_t size, unsigned told)
{
    if (run->len > LEN_MAX(size)) {
        abort();
    }

    if (!told || run->again.failed || run->usage.source == AI_SOURCE_NONE
        || run->usage.input_tokens + run->usage.output_tokens
           > (uint64_t) 1 << 40)
    {
        return;
    }

    if (!run->again.usage_seen || !translate_is_equal(run)) {
        fprintf(stderr, "%s\n", run->text);
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned                done;
    ai_dialect_t            api;
    static translate_run_t  run;

    if (size < 2) {
        return 0;
    }

    api = (data[0] & 1) ? AI_DIALECT_GEMINI : AI_DIALECT_ANTHROPIC;

    translate_begin(&run, api, (data[0] & 2) ? AI_BODY_SSE : AI_BODY_JSON);
    run.from.usage = !(data[0] & 4);
    run.from.status = (data[0] & 8) ? 400 + data[1] : 200;
    run.put_fails = (data[0] & 16) ? data[1] : 0;

    if (data[0] & 2) {
        translate_stream(&run, (const char *) data + 2, size - 2, 1);

        if (data[0] & 16) {
            return 0;
        }

        if (run.rc != AI_OK
            || !translate_is_stream(run.text, run.len, &done)
            || (done && run.again.failed))
        {
            abort();
        }

        check(&run, size, done && run.from.usage);
        return 0;
    }

    translate_body(&run, (const char *) data + 2, size - 2);

    if (data[0] & 16) {
        return 0;
    }

    if ((run.rc == AI_OK) != (run.len != 0)
        || (run.rc != AI_OK && (run.rc != AI_DECLINED || (data[0] & 8)))
        || (run.rc == AI_OK && !translate_is_json(run.text, run.len))
        || ((data[0] & 8) && !run.again.failed))
    {
        abort();
    }

    check(&run, size, run.rc == AI_OK);

    return 0;
}
