
/*
 * The options of Gemini's generateContent.
 *
 * Schemas go into the members that take all of JSON Schema; those that take
 * Google's part of OpenAPI's would refuse many keywords.
 */


#include "ai_translate_request.h"


typedef struct {
    ai_tr_kept_t   kept;
    const char    *name;
    const char    *key;
    uint8_t        max;
    uint8_t        negative;    /* down to -max */
} ai_tr_number_t;

static const ai_tr_number_t  ai_tr_numbers[] = {
    { AI_TR_TEMPERATURE, "temperature", "temperature", 2, 0 },
    { AI_TR_TOP_P, "top_p", "topP", 1, 0 },
    { AI_TR_PRESENCE_PENALTY, "presence_penalty", "presencePenalty", 2, 1 },
    { AI_TR_FREQUENCY_PENALTY, "frequency_penalty", "frequencyPenalty", 2, 1 }
};


/* thinking cannot be turned off since Gemini 3 */

static const char *const  ai_tr_levels[] = {
    "MINIMAL", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH", "XHIGH"
};

static const char *const  ai_tr_budgets[] = {
    "0", "1024", "1024", "8192", "24576", "24576", "24576"
};


static const ai_tr_map_t  ai_tr_tiers[] = {
    { "auto", NULL },
    { "default", "standard" },
    { "flex", "flex" },
    { "priority", "priority" },
    { "fast", "priority" },
    { NULL, NULL }
};


static void
ai_tr_config(ai_tr_t *tr, const char *key)
{
    ai_tr_put(tr, tr->config ? ",\"" : ",\"generationConfig\":{\"");
    ai_tr_put(tr, key);
    ai_tr_put(tr, "\":");
    tr->config = 1;
}


static int
ai_tr_gemini_numbers(ai_tr_t *tr)
{
    unsigned               i;
    ai_tr_value_t          size;
    const ai_tr_value_t   *v;
    const ai_tr_number_t  *number;

    for (i = 0; i < ai_tr_count(ai_tr_numbers); i++) {
        number = &ai_tr_numbers[i];
        v = ai_tr_kept(tr, number->kept, number->name);

        if (v == NULL) {
            continue;
        }

        size = *v;

        if (number->negative && size.data[0] == '-') {
            size.data++;
            size.len--;
        }

        if (ai_tr_range(tr, &size, number->max) != AI_OK) {
            return AI_DECLINED;
        }

        ai_tr_config(tr, number->key);
        ai_out_put(tr->out, v->data, v->len);
    }

    return AI_OK;
}


/* of 32 bits; OpenAI's seed is an attempt, so a longer one is left out */

static void
ai_tr_gemini_seed(ai_tr_t *tr)
{
    uint64_t              n;
    unsigned              minus;
    const ai_tr_value_t  *v;

    v = ai_tr_kept(tr, AI_TR_SEED, "seed");

    if (v == NULL) {
        return;
    }

    minus = (v->data[0] == '-');

    if (ai_json_uint(v->data + minus, v->len - minus, &n) == AI_OK
        && n <= INT32_MAX)
    {
        ai_tr_config(tr, "seed");
        ai_tr_put(tr, minus && n ? "-" : "");
        ai_out_uint(tr->out, n);
    }
}


static int
ai_tr_gemini_counts(ai_tr_t *tr)
{
    unsigned              i;
    uint64_t              n;
    const ai_tr_value_t  *v;

    static const struct {
        ai_tr_kept_t  kept;
        const char   *name;
        const char   *key;
    } counts[] = {
        { AI_TR_TOP_K, "top_k", "topK" },
        { AI_TR_N, "n", "candidateCount" }
    };

    for (i = 0; i < 2; i++) {
        v = ai_tr_kept(tr, counts[i].kept, counts[i].name);

        if (v == NULL) {
            continue;
        }

        if (ai_json_uint(v->data, v->len, &n) != AI_OK || n == 0) {
            return ai_tr_decline(tr, "This member must be a whole number "
                                     "above zero.");
        }

        ai_tr_config(tr, counts[i].key);
        ai_out_uint(tr->out, n);
    }

    return AI_OK;
}


static int
ai_tr_gemini_format(ai_tr_t *tr)
{
    ai_tr_value_t   schema;
    ai_tr_format_t  format;

    if (ai_tr_format(tr, &format, &schema) != AI_OK) {
        return AI_DECLINED;
    }

    if (format == AI_TR_FORMAT_TEXT) {
        return AI_OK;
    }

    ai_tr_config(tr, "responseMimeType");
    ai_tr_put(tr, "\"application/json\"");

    if (format == AI_TR_FORMAT_JSON) {
        return AI_OK;
    }

    ai_tr_config(tr, "responseJsonSchema");

    return ai_tr_copy(tr, &schema);
}


static int
ai_tr_gemini_effort(ai_tr_t *tr)
{
    int  effort;

    if (ai_tr_effort(tr, &effort) != AI_OK) {
        return AI_DECLINED;
    }

    if (effort == -1) {
        return AI_OK;
    }

    ai_tr_config(tr, "thinkingConfig");

    if (ai_tr_gemini_2(tr)) {
        ai_tr_put(tr, "{\"thinkingBudget\":");
        ai_tr_put(tr, ai_tr_budgets[effort]);
        ai_tr_put(tr, "}");

    } else {
        ai_tr_put(tr, "{\"thinkingLevel\":\"");
        ai_tr_put(tr, ai_tr_levels[effort]);
        ai_tr_put(tr, "\"}");
    }

    return AI_OK;
}


static int
ai_tr_gemini_cap(ai_tr_t *tr)
{
    if (tr->want->max_output <= 0 && ai_tr_cap(tr) == NULL) {
        return AI_OK;
    }

    ai_tr_config(tr, "maxOutputTokens");

    return ai_tr_put_cap(tr, "");
}


int
ai_tr_gemini_options(ai_tr_t *tr)
{
    const ai_tr_value_t  *v;

    if (ai_tr_gemini_cap(tr) != AI_OK || ai_tr_gemini_numbers(tr) != AI_OK
        || ai_tr_gemini_counts(tr) != AI_OK)
    {
        return AI_DECLINED;
    }

    ai_tr_gemini_seed(tr);

    v = ai_tr_kept(tr, AI_TR_STOP, "stop");

    if (v) {
        ai_tr_config(tr, "stopSequences");

        if (ai_tr_stops(tr, v) != AI_OK) {
            return AI_DECLINED;
        }
    }

    if (ai_tr_gemini_format(tr) != AI_OK || ai_tr_gemini_effort(tr) != AI_OK) {
        return AI_DECLINED;
    }

    ai_tr_put(tr, tr->config ? "}" : "");

    return ai_tr_tier(tr, ",\"serviceTier\":\"", ai_tr_tiers);
}
