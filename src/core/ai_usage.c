
/*
 * From a provider's numbers to the normalised record: the formulas of
 * WIRE-FORMATS 2.3.  Every difference is clamped at zero; where that happens
 * the record is marked odd.
 */


#include "ai_schema.h"


static void ai_usage_chat(const ai_meter_t *m, ai_usage_t *u);
static void ai_usage_messages(const ai_meter_t *m, ai_usage_t *u);
static void ai_usage_generate(const ai_meter_t *m, ai_usage_t *u);
static void ai_usage_images(const ai_meter_t *m, ai_usage_t *u);
static void ai_usage_transcription(const ai_meter_t *m, ai_usage_t *u);
static void ai_usage_speech(const ai_meter_t *m, ai_usage_t *u);
static void ai_usage_tools(const ai_meter_t *m, ai_usage_t *u);
static void ai_usage_passes(const ai_meter_t *m, ai_usage_t *u);
static ai_sub_t *ai_usage_sub(const ai_meter_t *m, ai_usage_t *u, unsigned i);
static void ai_usage_exclusive(uint64_t *classes, uint64_t input,
    uint64_t read, uint64_t write, uint64_t write_1h, uint64_t output);
static unsigned ai_usage_is_own(const ai_meter_t *m, unsigned i);
static uint8_t ai_usage_source(const ai_meter_t *m);
static uint64_t ai_usage_min(ai_usage_t *u, uint64_t n, uint64_t limit);
static uint64_t ai_usage_first(const uint64_t *raw);


const char *const  ai_class_names[AI_CLASS_N] = {
    "input",
    "input_audio",
    "input_image",
    "cache_read",
    "cache_write_5m",
    "cache_write_30m",
    "cache_write_1h",
    "cache_write_12h",
    "cache_write_other",
    "output",
    "output_audio",
    "output_image"
};

const char *const  ai_unit_names[AI_UNIT_N] = {
    "web_searches",
    "web_fetches",
    "audio_seconds",
    "characters",
    "images",
    "requests"
};

const char *const  ai_source_names[4] = {
    "none",
    "estimated",
    "partial",
    "final"
};

const char *const  ai_sub_names[AI_SUB_N] = {
    "compaction",
    "advisor_message",
    "fallback_message",
    "message",
    "image_generation",
    "svg"
};

static const ai_char  ai_usage_image_model[] = "gpt-image-2";


void
ai_meter_usage(const ai_meter_t *m, ai_usage_t *u)
{
    memset(u, 0, sizeof(ai_usage_t));

    u->provider_nanos = -1;
    u->odd = m->odd;
    u->complete = m->complete;
    u->source = ai_usage_source(m);

    u->units[AI_UNIT_WEB_SEARCHES] = (m->raw[AI_RAW_SEARCHES]
                                      + m->raw[AI_RAW_TOOL_SEARCHES])
                                     * AI_UNIT_ONE;
    u->units[AI_UNIT_WEB_FETCHES] = m->raw[AI_RAW_FETCHES] * AI_UNIT_ONE;
    u->units[AI_UNIT_AUDIO_SECONDS] = m->raw[AI_RAW_SECONDS];

    if (m->raw[AI_RAW_COST]) {
        u->provider_nanos = (int64_t) m->raw[AI_RAW_COST] - 1;
    }

    switch (m->ep) {

    case AI_EP_MESSAGES:
        ai_usage_messages(m, u);
        break;

    case AI_EP_GENERATE:
    case AI_EP_STREAM_GENERATE:
    case AI_EP_EMBED:
    case AI_EP_BATCH_EMBED:
        ai_usage_generate(m, u);
        break;

    case AI_EP_IMAGES:
        ai_usage_images(m, u);
        break;

    case AI_EP_TRANSCRIPTIONS:
    case AI_EP_TRANSLATIONS:
        ai_usage_transcription(m, u);
        break;

    case AI_EP_SPEECH:
        ai_usage_speech(m, u);
        break;

    default:
        ai_usage_chat(m, u);
    }
}


static uint8_t
ai_usage_source(const ai_meter_t *m)
{
    if (!m->usage_seen) {
        return AI_SOURCE_NONE;
    }

    if (m->body == AI_BODY_JSON && !m->list) {
        return (m->json_done && !m->broken) ? AI_SOURCE_FINAL
                                            : AI_SOURCE_PARTIAL;
    }

    /* a finish reason is not yet the end of one of Gemini's streams */

    if (m->dialect == AI_DIALECT_GEMINI
        && (m->ended || m->failed || m->broken))
    {
        return m->complete ? AI_SOURCE_FINAL : AI_SOURCE_PARTIAL;
    }

    return (m->settled || m->complete) ? AI_SOURCE_FINAL : AI_SOURCE_PARTIAL;
}


/* A. and B.: cached and written tokens are inside the prompt's */

static void
ai_usage_chat(const ai_meter_t *m, ai_usage_t *u)
{
    uint64_t         p, o, t, cr, cw, r, rest, w30, w12, ia, oa;
    const uint64_t  *raw;

    raw = m->raw;

    p = raw[AI_RAW_INPUT];
    o = raw[AI_RAW_OUTPUT];
    t = raw[AI_RAW_TOTAL];
    cr = ai_usage_first(raw);
    cw = raw[AI_RAW_WRITE];
    r = raw[AI_RAW_REASONING];

    if (cr > p) {
        p += cr;
    }

    if (t > p + o) {

        if (r == 0) {
            r = t - p - o;
        }

        o = t - p;
    }

    if (cr + cw <= p) {
        rest = p - cr - cw;

    } else {
        rest = p - ai_usage_min(u, cr > cw ? cr : cw, p);
    }

    ia = raw[AI_RAW_INPUT_AUDIO] < rest ? raw[AI_RAW_INPUT_AUDIO] : rest;
    oa = raw[AI_RAW_OUTPUT_AUDIO] < o ? raw[AI_RAW_OUTPUT_AUDIO] : o;

    w30 = ai_usage_min(u, raw[AI_RAW_WRITE_30M], cw);
    w12 = ai_usage_min(u, raw[AI_RAW_WRITE_12H], cw - w30);

    u->classes[AI_CLASS_INPUT] = rest - ia;
    u->classes[AI_CLASS_INPUT_AUDIO] = ia;
    u->classes[AI_CLASS_CACHE_READ] = cr;
    u->classes[AI_CLASS_CACHE_WRITE_30M] = w30;
    u->classes[AI_CLASS_CACHE_WRITE_12H] = w12;
    u->classes[AI_CLASS_CACHE_WRITE_OTHER] = cw - w30 - w12;
    u->classes[AI_CLASS_OUTPUT] = o - oa;
    u->classes[AI_CLASS_OUTPUT_AUDIO] = oa;

    u->input_tokens = p;
    u->output_tokens = o;
    u->cache_read_tokens = cr;
    u->cache_write_tokens = cw;
    u->reasoning_tokens = r < o ? r : o;

    if (m->ep == AI_EP_RESPONSES) {
        ai_usage_tools(m, u);
    }
}


/* C.: cached and written tokens come on top of input_tokens */

static void
ai_usage_messages(const ai_meter_t *m, ai_usage_t *u)
{
    const uint64_t  *raw;

    raw = m->raw;

    ai_usage_exclusive(u->classes, raw[AI_RAW_INPUT], raw[AI_RAW_CACHED],
                       raw[AI_RAW_WRITE], raw[AI_RAW_WRITE_1H],
                       raw[AI_RAW_OUTPUT]);

    u->input_tokens = raw[AI_RAW_INPUT] + raw[AI_RAW_CACHED]
                      + raw[AI_RAW_WRITE];
    u->output_tokens = raw[AI_RAW_OUTPUT];
    u->cache_read_tokens = raw[AI_RAW_CACHED];
    u->cache_write_tokens = raw[AI_RAW_WRITE];
    u->reasoning_tokens = ai_usage_min(u, raw[AI_RAW_REASONING],
                                       raw[AI_RAW_OUTPUT]);

    ai_usage_passes(m, u);
}


/* D. */

static void
ai_usage_generate(const ai_meter_t *m, ai_usage_t *u)
{
    uint64_t         in, out, cr, ia, oi, oa;
    const uint64_t  *raw;

    raw = m->raw;

    in = raw[AI_RAW_INPUT] + raw[AI_RAW_TOOL_PROMPT];
    out = (raw[AI_RAW_OUTPUT] ? raw[AI_RAW_OUTPUT] : raw[AI_RAW_OUTPUT_TEXT])
          + raw[AI_RAW_REASONING];

    if (raw[AI_RAW_TOTAL] > in + out) {
        out = raw[AI_RAW_TOTAL] - in;
    }

    cr = ai_usage_min(u, raw[AI_RAW_CACHED], in);
    ia = raw[AI_RAW_INPUT_AUDIO]
         - ai_usage_min(u, raw[AI_RAW_CACHED_AUDIO], raw[AI_RAW_INPUT_AUDIO]);
    ia = ai_usage_min(u, ia, in - cr);
    oi = ai_usage_min(u, raw[AI_RAW_OUTPUT_IMAGE], out);
    oa = ai_usage_min(u, raw[AI_RAW_OUTPUT_AUDIO], out - oi);

    u->classes[AI_CLASS_INPUT] = in - cr - ia;
    u->classes[AI_CLASS_INPUT_AUDIO] = ia;
    u->classes[AI_CLASS_CACHE_READ] = cr;
    u->classes[AI_CLASS_OUTPUT] = out - oi - oa;
    u->classes[AI_CLASS_OUTPUT_AUDIO] = oa;
    u->classes[AI_CLASS_OUTPUT_IMAGE] = oi;

    u->input_tokens = in;
    u->output_tokens = out;
    u->cache_read_tokens = cr;
    u->reasoning_tokens = raw[AI_RAW_REASONING];
}


/* F.; models without usage are billed by the image */

static void
ai_usage_images(const ai_meter_t *m, ai_usage_t *u)
{
    uint64_t         ii, ot;
    unsigned         i;
    ai_sub_t        *sub;
    const uint64_t  *raw;

    raw = m->raw;

    if (!m->usage_seen) {

        if (raw[AI_RAW_IMAGES]) {
            u->units[AI_UNIT_IMAGES] = raw[AI_RAW_IMAGES] * AI_UNIT_ONE;
            u->source = AI_SOURCE_FINAL;
        }

        return;
    }

    ii = ai_usage_min(u, raw[AI_RAW_INPUT_IMAGE], raw[AI_RAW_INPUT]);
    ot = ai_usage_min(u, raw[AI_RAW_OUTPUT_TEXT], raw[AI_RAW_OUTPUT]);

    u->classes[AI_CLASS_INPUT] = raw[AI_RAW_INPUT] - ii;
    u->classes[AI_CLASS_INPUT_IMAGE] = ii;
    u->classes[AI_CLASS_OUTPUT] = ot;
    u->classes[AI_CLASS_OUTPUT_IMAGE] = raw[AI_RAW_OUTPUT] - ot;

    u->input_tokens = raw[AI_RAW_INPUT];
    u->output_tokens = raw[AI_RAW_OUTPUT];

    for (i = 0; i < m->nsubs; i++) {

        if (m->subs[i].kind == AI_SUB_SVG) {
            sub = ai_usage_sub(m, u, i);
            sub->classes[AI_CLASS_INPUT] = m->subs[i].part[AI_PART_INPUT];
            sub->classes[AI_CLASS_OUTPUT] = m->subs[i].part[AI_PART_OUTPUT];
        }
    }
}


/* G. */

static void
ai_usage_transcription(const ai_meter_t *m, ai_usage_t *u)
{
    uint64_t         ia;
    const uint64_t  *raw;

    raw = m->raw;
    ia = ai_usage_min(u, raw[AI_RAW_INPUT_AUDIO], raw[AI_RAW_INPUT]);

    u->classes[AI_CLASS_INPUT] = raw[AI_RAW_INPUT] - ia;
    u->classes[AI_CLASS_INPUT_AUDIO] = ia;
    u->classes[AI_CLASS_OUTPUT] = raw[AI_RAW_OUTPUT];

    u->input_tokens = raw[AI_RAW_INPUT];
    u->output_tokens = raw[AI_RAW_OUTPUT];
}


static void
ai_usage_speech(const ai_meter_t *m, ai_usage_t *u)
{
    u->classes[AI_CLASS_INPUT] = m->raw[AI_RAW_INPUT];
    u->classes[AI_CLASS_OUTPUT_AUDIO] = m->raw[AI_RAW_OUTPUT];

    u->input_tokens = m->raw[AI_RAW_INPUT];
    u->output_tokens = m->raw[AI_RAW_OUTPUT];
}


/* Responses: the image tool bills its own model, by F. */

static void
ai_usage_tools(const ai_meter_t *m, ai_usage_t *u)
{
    uint64_t         ii, ot;
    unsigned         i, k;
    ai_sub_t        *sub;
    const uint64_t  *part;

    for (i = 0; i < m->nsubs; i++) {

        if (m->subs[i].kind != AI_SUB_IMAGE_GENERATION) {
            continue;
        }

        part = m->subs[i].part;

        if (part[AI_PART_INPUT] + part[AI_PART_OUTPUT] == 0) {
            continue;
        }

        ii = ai_usage_min(u, part[AI_PART_INPUT_IMAGE], part[AI_PART_INPUT]);
        ot = ai_usage_min(u, part[AI_PART_OUTPUT_TEXT], part[AI_PART_OUTPUT]);

        sub = ai_usage_sub(m, u, i);
        sub->classes[AI_CLASS_INPUT] = part[AI_PART_INPUT] - ii;
        sub->classes[AI_CLASS_INPUT_IMAGE] = ii;
        sub->classes[AI_CLASS_OUTPUT] = ot;
        sub->classes[AI_CLASS_OUTPUT_IMAGE] = part[AI_PART_OUTPUT] - ot;

        sub->model_len = sizeof(ai_usage_image_model) - 1;
        memcpy(sub->model, ai_usage_image_model, sub->model_len);

        for (k = 0; k < m->nsubs; k++) {

            if (m->subs[k].kind == AI_SUB_TOOL && m->subs[k].model_len) {
                sub->model_len = m->subs[k].model_len;
                memcpy(sub->model, m->subs[k].model, sub->model_len);
            }
        }
    }
}


/*
 * Anthropic's iterations: compaction and advisor are not in the top level.
 * When some message ran on another model than the answer names, all of them
 * are priced one by one.
 */

static void
ai_usage_passes(const ai_meter_t *m, ai_usage_t *u)
{
    unsigned         i;
    ai_sub_t        *sub;
    const uint64_t  *part;

    for (i = 0; i < m->nsubs; i++) {

        if (m->subs[i].kind != AI_SUB_COMPACTION
            && m->subs[i].kind != AI_SUB_ADVISOR
            && !ai_usage_is_own(m, i))
        {
            u->top_unpriced = 1;
        }
    }

    for (i = 0; i < m->nsubs; i++) {

        if (!u->top_unpriced && m->subs[i].kind != AI_SUB_COMPACTION
            && m->subs[i].kind != AI_SUB_ADVISOR)
        {
            continue;
        }

        part = m->subs[i].part;
        sub = ai_usage_sub(m, u, i);

        ai_usage_exclusive(sub->classes, part[AI_PART_INPUT],
                           part[AI_PART_READ], part[AI_PART_WRITE],
                           part[AI_PART_WRITE_1H], part[AI_PART_OUTPUT]);
    }
}


static unsigned
ai_usage_is_own(const ai_meter_t *m, unsigned i)
{
    return m->subs[i].model_len == 0 || m->model_len == 0
           || (m->subs[i].model_len == m->model_len
               && memcmp(m->subs[i].model, m->model, m->model_len) == 0);
}


/* the last one takes what has no place of its own: counted, if at its price */

static ai_sub_t *
ai_usage_sub(const ai_meter_t *m, ai_usage_t *u, unsigned i)
{
    ai_sub_t  *sub;

    if (u->nsub == AI_SUB_MAX) {
        u->odd = 1;
        return &u->sub[AI_SUB_MAX - 1];
    }

    sub = &u->sub[u->nsub++];

    sub->kind = m->subs[i].kind;
    sub->model_len = m->subs[i].model_len;
    memcpy(sub->model, m->subs[i].model, sub->model_len);

    return sub;
}


static void
ai_usage_exclusive(uint64_t *classes, uint64_t input, uint64_t read,
    uint64_t write, uint64_t write_1h, uint64_t output)
{
    if (write_1h > write) {
        write_1h = write;
    }

    classes[AI_CLASS_INPUT] += input;
    classes[AI_CLASS_CACHE_READ] += read;
    classes[AI_CLASS_CACHE_WRITE_1H] += write_1h;
    classes[AI_CLASS_CACHE_WRITE_5M] += write - write_1h;
    classes[AI_CLASS_OUTPUT] += output;
}


static uint64_t
ai_usage_min(ai_usage_t *u, uint64_t n, uint64_t limit)
{
    if (n > limit) {
        u->odd = 1;
        return limit;
    }

    return n;
}


/* one counter under four names; the first that is not zero holds */

static uint64_t
ai_usage_first(const uint64_t *raw)
{
    unsigned  i;

    static const uint8_t  order[] = {
        AI_RAW_CACHED, AI_RAW_CACHED_HIT, AI_RAW_CACHED_TOP,
        AI_RAW_CACHED_NUM
    };

    for (i = 0; i < sizeof(order); i++) {

        if (raw[order[i]]) {
            return raw[order[i]];
        }
    }

    return 0;
}
