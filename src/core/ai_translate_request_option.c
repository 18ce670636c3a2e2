
/*
 * How the model is to answer: what both dialects read alike.
 */


#include "ai_translate_request.h"


enum {
    AI_TR_FORMAT_TYPE = 0,
    AI_TR_FORMAT_SCHEMA
};

static const ai_tr_member_t  ai_tr_format_members[] = {
    { ai_string("type"), AI_TR_STR },
    { ai_string("json_schema"), AI_TR_OBJ }
};

/* the name and the text are for OpenAI's models, the schema says it all */

static const ai_tr_member_t  ai_tr_schema_members[] = {
    { ai_string("schema"), AI_TR_OBJ },
    { ai_string("name"), 0 },
    { ai_string("description"), 0 },
    { ai_string("strict"), 0 }
};


const ai_tr_value_t *
ai_tr_kept(ai_tr_t *tr, ai_tr_kept_t i, const char *name)
{
    if (tr->kept[i].type == 0) {
        return NULL;
    }

    tr->member = name;

    return &tr->kept[i];
}


int
ai_tr_range(ai_tr_t *tr, const ai_tr_value_t *v, uint64_t max)
{
    uint64_t  n;

    if (ai_tr_millionths(v, &n) == AI_OK && n <= max * 1000000) {
        return AI_OK;
    }

    return ai_tr_decline(tr, "This number is outside of the range that this "
                             "provider has.");
}


int
ai_tr_tier(ai_tr_t *tr, const char *key, const ai_tr_map_t *tiers)
{
    const ai_tr_map_t    *tier;
    const ai_tr_value_t  *v;

    v = ai_tr_kept(tr, AI_TR_SERVICE_TIER, "service_tier");

    if (v == NULL) {
        return AI_OK;
    }

    for (tier = tiers; tier->from; tier++) {
        if (ai_tr_is(v, tier->from)) {
            break;
        }
    }

    if (tier->from == NULL) {
        return ai_tr_decline(tr, "This provider has no such tier.");
    }

    if (tier->to) {
        ai_tr_put(tr, key);
        ai_tr_put(tr, tier->to);
        ai_tr_put(tr, "\"");
    }

    return AI_OK;
}


int
ai_tr_effort(ai_tr_t *tr, int *effort)
{
    const ai_tr_value_t  *v;

    static const char *const  efforts[] = {
        "none", "minimal", "low", "medium", "high", "xhigh", "max", NULL
    };

    *effort = -1;
    v = ai_tr_kept(tr, AI_TR_REASONING_EFFORT, "reasoning_effort");

    if (v == NULL) {
        return AI_OK;
    }

    *effort = ai_tr_word(v, efforts);

    if (*effort == -1) {
        return ai_tr_decline(tr, "This provider has no such effort.");
    }

    return AI_OK;
}


int
ai_tr_format(ai_tr_t *tr, ai_tr_format_t *format, ai_tr_value_t *schema)
{
    const ai_tr_value_t  *v;
    ai_tr_value_t         m[ai_tr_count(ai_tr_format_members)];
    ai_tr_value_t         s[ai_tr_count(ai_tr_schema_members)];

    *format = AI_TR_FORMAT_TEXT;
    v = ai_tr_kept(tr, AI_TR_RESPONSE_FORMAT, "response_format");

    if (v == NULL) {
        return AI_OK;
    }

    if (ai_tr_members(tr, v, ai_tr_format_members,
                      ai_tr_count(ai_tr_format_members), m) != AI_OK)
    {
        return AI_DECLINED;
    }

    if (ai_tr_is(&m[AI_TR_FORMAT_TYPE], "text")) {
        return AI_OK;
    }

    if (ai_tr_is(&m[AI_TR_FORMAT_TYPE], "json_object")) {
        *format = AI_TR_FORMAT_JSON;
        return AI_OK;
    }

    if (!ai_tr_is(&m[AI_TR_FORMAT_TYPE], "json_schema")
        || m[AI_TR_FORMAT_SCHEMA].type == 0)
    {
        return ai_tr_decline(tr, "This format cannot be translated for this "
                                 "provider.");
    }

    if (ai_tr_members(tr, &m[AI_TR_FORMAT_SCHEMA], ai_tr_schema_members,
                      ai_tr_count(ai_tr_schema_members), s) != AI_OK)
    {
        return AI_DECLINED;
    }

    if (s[0].type == 0) {
        return ai_tr_decline(tr, "The format has no schema.");
    }

    *format = AI_TR_FORMAT_BY_SCHEMA;
    *schema = s[0];

    return AI_OK;
}


/* Anthropic refuses a sequence of nothing but white space */

static int
ai_tr_stop(ai_tr_t *tr, const ai_tr_value_t *v)
{
    if (v->type != AI_JSON_STRING || v->len == 0
        || (!tr->gemini && ai_tr_blank(v)))
    {
        return ai_tr_decline(tr, "A stop sequence must be a string that "
                                 "this provider takes: not empty, and not "
                                 "blank for Anthropic.");
    }

    ai_tr_string(tr, v);

    return AI_OK;
}


int
ai_tr_stops(ai_tr_t *tr, const ai_tr_value_t *v)
{
    unsigned       n;
    ai_tr_list_t   list;
    ai_tr_value_t  key, stop;

    ai_tr_put(tr, "[");

    if (v->type == AI_JSON_STRING) {
        if (ai_tr_stop(tr, v) != AI_OK) {
            return AI_DECLINED;
        }

    } else {
        ai_tr_open(&list, v->data, v->len);

        for (n = 0; ai_tr_next(&list, &key, &stop); n++) {
            ai_tr_put(tr, n ? "," : "");

            if (ai_tr_stop(tr, &stop) != AI_OK) {
                return AI_DECLINED;
            }
        }
    }

    ai_tr_put(tr, "]");

    return AI_OK;
}


const ai_tr_value_t *
ai_tr_cap(ai_tr_t *tr)
{
    const ai_tr_value_t  *v;

    v = ai_tr_kept(tr, AI_TR_MAX_COMPLETION_TOKENS, "max_completion_tokens");

    return v ? v : ai_tr_kept(tr, AI_TR_MAX_TOKENS, "max_tokens");
}


/* AI_DECLINED: there is none */

int
ai_tr_put_cap(ai_tr_t *tr, const char *name)
{
    uint64_t              n;
    const ai_tr_value_t  *v;

    if (tr->want->max_output > 0) {
        ai_tr_put(tr, name);
        ai_out_int(tr->out, tr->want->max_output);
        return AI_OK;
    }

    tr->member = "max_completion_tokens";
    v = ai_tr_cap(tr);

    if (v == NULL) {
        return tr->gemini ? AI_OK
                          : ai_tr_decline(tr, "This provider must be given a "
                                              "cap of the output.");
    }

    if (ai_json_uint(v->data, v->len, &n) != AI_OK || n == 0) {
        return ai_tr_decline(tr, "The cap of the output must be a whole "
                                 "number above zero.");
    }

    ai_tr_put(tr, name);
    ai_out_uint(tr->out, n);

    return AI_OK;
}
