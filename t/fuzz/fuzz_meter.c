
/*
 * Any split of an answer gives the same record, for every dialect, endpoint
 * and kind of body; and the record keeps its own rules.
 */


#include "../unit/meter_run.h"


static void
check(const meter_run_t *run)
{
    int                i;
    uint64_t           in, out;
    const ai_usage_t  *u;

    u = &run->u;
    in = out = 0;

    for (i = 0; i < AI_CLASS_N; i++) {
        *(i < AI_CLASS_OUTPUT ? &in : &out) += u->classes[i];
    }

    /* counters that overlap make more classes than input, never less */

    if (out != u->output_tokens || in < u->input_tokens
        || (in > u->input_tokens && !u->cache_write_tokens)
        || u->nsub > AI_SUB_MAX || u->reasoning_tokens > u->output_tokens
        || run->m.text_chars > run->m.text_bytes
        || (u->source == AI_SOURCE_NONE && (in || out)))
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              at, n;
    unsigned            seed, kind;
    ai_body_t           body;
    ai_dialect_t        dialect;
    ai_endpoint_t       ep;
    static meter_run_t  once, split;

    if (size < 3) {
        return 0;
    }

    dialect = data[0] % 4;
    ep = AI_EP_CHAT + data[1] % AI_EP_COUNT_TOKENS;
    kind = data[2];
    body = kind % 4;
    data += 3;
    size -= 3;

    meter_run_begin(&once, dialect, ep, body);
    meter_run_feed(&once, (const char *) data, size);
    meter_run_end(&once, kind & 4);
    check(&once);

    meter_run_begin(&split, dialect, ep, body);
    seed = kind;

    for (at = 0; at < size; at += n) {
        seed = seed * 1103515245 + data[at] + 1;
        n = (seed >> 16) % (kind & 8 ? 2 : 40);
        n = n < size - at ? n : size - at;
        meter_run_feed(&split, (const char *) data + at, n);
    }

    meter_run_end(&split, kind & 4);

    if (strcmp(once.text, split.text) || once.events != split.events) {
        fprintf(stderr, "%s\n%s\n", once.text, split.text);
        abort();
    }

    return 0;
}
