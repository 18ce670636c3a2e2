
/*
 * The options of Anthropic's Messages.
 */


#include "ai_translate_request.h"


#define AI_TR_USER_ID  256      /* longest user_id that Anthropic takes */


static const char *const  ai_tr_levels[] = {
    NULL, "low", "low", "medium", "high", "xhigh", "max"
};

static const ai_tr_map_t  ai_tr_tiers[] = {
    { "auto", NULL },
    { "default", "standard_only" },
    { NULL, NULL }
};


/*
 * OpenAI's range is up to 2, Anthropic's up to 1; where both overlap they mean
 * the same.  The default of both is 1: said or not, it is the same, and many
 * models take no other.  They do not take both members together.
 */

static int
ai_tr_anthropic_sampling(ai_tr_t *tr)
{
    uint64_t              n;
    unsigned              i, given;
    const ai_tr_value_t  *v;

    static const struct {
        ai_tr_kept_t  kept;
        const char   *name;
        const char   *key;
    } members[] = {
        { AI_TR_TEMPERATURE, "temperature", ",\"temperature\":" },
        { AI_TR_TOP_P, "top_p", ",\"top_p\":" }
    };

    for (i = 0, given = 0; i < 2; i++) {
        v = ai_tr_kept(tr, members[i].kept, members[i].name);

        if (v == NULL) {
            continue;
        }

        if (ai_tr_range(tr, v, 1) != AI_OK) {
            return AI_DECLINED;
        }

        if (ai_tr_millionths(v, &n) == AI_OK && n == 1000000) {
            continue;
        }

        if (given++) {
            return ai_tr_decline(tr, "This provider does not take temperature "
                                     "and top_p together.");
        }

        ai_tr_put(tr, members[i].key);
        ai_out_put(tr->out, v->data, v->len);
    }

    v = ai_tr_kept(tr, AI_TR_TOP_K, "top_k");

    if (v) {

        if (ai_json_uint(v->data, v->len, &n) != AI_OK) {
            return ai_tr_decline(tr, "This member must be a whole number that "
                                     "is not negative.");
        }

        ai_tr_put(tr, ",\"top_k\":");
        ai_out_uint(tr->out, n);
    }

    return AI_OK;
}


/*
 * Anthropic refuses what looks like a name, an address or a number of a phone.
 * It is for the provider's own abuse detection, so others are left out.
 */

static unsigned
ai_tr_is_opaque(const ai_tr_value_t *v)
{
    size_t    i, letters;
    ai_char   c;

    for (i = 0, letters = 0; i < v->len; i++) {
        c = v->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
            letters++;

        } else if (!((c >= '0' && c <= '9') || c == '_' || c == '-'
                     || c == '.' || c == ':'))
        {
            return 0;
        }
    }

    return letters && v->len <= AI_TR_USER_ID;
}


static void
ai_tr_anthropic_user(ai_tr_t *tr)
{
    const ai_tr_value_t  *v;

    v = ai_tr_kept(tr, AI_TR_SAFETY_IDENTIFIER, "safety_identifier");

    if (v == NULL) {
        v = ai_tr_kept(tr, AI_TR_USER, "user");
    }

    if (v && ai_tr_is_opaque(v)) {
        ai_tr_put(tr, ",\"metadata\":{\"user_id\":");
        ai_tr_string(tr, v);
        ai_tr_put(tr, "}");
    }
}


/* an option of the output, of which there may be two */

static void
ai_tr_output_config(ai_tr_t *tr)
{
    ai_tr_put(tr, tr->config ? "," : ",\"output_config\":{");
    tr->config = 1;
}


/* "none" is no effort that Anthropic has: the model must not think at all */

static int
ai_tr_anthropic_effort(ai_tr_t *tr)
{
    int  effort;

    if (ai_tr_effort(tr, &effort) != AI_OK) {
        return AI_DECLINED;
    }

    if (effort == -1) {
        return AI_OK;
    }

    if (ai_tr_levels[effort] == NULL) {
        ai_tr_put(tr, ",\"thinking\":{\"type\":\"disabled\"}");
        return AI_OK;
    }

    ai_tr_output_config(tr);
    ai_tr_put(tr, "\"effort\":\"");
    ai_tr_put(tr, ai_tr_levels[effort]);
    ai_tr_put(tr, "\"");

    return AI_OK;
}


static int
ai_tr_anthropic_format(ai_tr_t *tr)
{
    ai_tr_value_t   schema;
    ai_tr_format_t  format;

    if (ai_tr_format(tr, &format, &schema) != AI_OK) {
        return AI_DECLINED;
    }

    if (format == AI_TR_FORMAT_TEXT) {
        return AI_OK;
    }

    if (format == AI_TR_FORMAT_JSON) {
        return ai_tr_decline(tr, "This provider answers in JSON only by a "
                                 "schema: use json_schema.");
    }

    ai_tr_output_config(tr);
    ai_tr_put(tr, "\"format\":{\"type\":\"json_schema\",\"schema\":");

    if (ai_tr_copy(tr, &schema) != AI_OK) {
        return AI_DECLINED;
    }

    ai_tr_put(tr, "}");

    return AI_OK;
}


int
ai_tr_anthropic_options(ai_tr_t *tr)
{
    const ai_tr_value_t  *v;

    if (ai_tr_put_cap(tr, ",\"max_tokens\":") != AI_OK
        || ai_tr_anthropic_sampling(tr) != AI_OK)
    {
        return AI_DECLINED;
    }

    v = ai_tr_kept(tr, AI_TR_STOP, "stop");

    if (v) {
        ai_tr_put(tr, ",\"stop_sequences\":");

        if (ai_tr_stops(tr, v) != AI_OK) {
            return AI_DECLINED;
        }
    }

    ai_tr_anthropic_user(tr);

    if (ai_tr_tier(tr, ",\"service_tier\":\"", ai_tr_tiers) != AI_OK
        || ai_tr_anthropic_effort(tr) != AI_OK
        || ai_tr_anthropic_format(tr) != AI_OK)
    {
        return AI_DECLINED;
    }

    ai_tr_put(tr, tr->config ? "}" : "");

    return AI_OK;
}
