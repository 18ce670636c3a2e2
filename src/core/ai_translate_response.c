
/*
 * Answers of other dialects as OpenAI's chat completions: what does not depend
 * on the dialect.
 */


#include "ai_translate_answer.h"


static unsigned ai_translate_id_put(ai_buf_t *b, const ai_char *p, size_t len);
static const char *ai_translate_tier(const ai_meter_t *meter);


enum {
    AI_ROOT_ERROR = 0,
    AI_ROOT_TYPE,
    AI_ROOT_N
};

static const ai_str_t  ai_root_names[AI_ROOT_N] = {
    ai_string("error"),
    ai_string("type")
};


int
ai_translate_response(ai_out_t *out, const ai_translate_from_t *from,
    ai_translate_told_t *told, const ai_char *body, size_t len)
{
    int         rc;
    ai_value_t  root, members[AI_ROOT_N];

    told->status = from->status;
    told->retry_ms = -1;

    rc = ai_value_read(&root, body, len);
    (void) ai_translate_unwrap(&root);
    ai_value_members(&root, ai_root_names, AI_ROOT_N, members);

    if (from->status >= 400 || members[AI_ROOT_ERROR].type == AI_JSON_OBJECT
        || ai_value_is(&members[AI_ROOT_TYPE], "error"))
    {
        ai_translate_error(out, from, &root, told);
        rc = AI_OK;

    } else if (rc != AI_OK) {
        return AI_DECLINED;

    } else if (from->api == AI_DIALECT_GEMINI) {
        rc = ai_translate_candidates(out, from, &root);

    } else {
        rc = ai_translate_message(out, from, &root);
    }

    return out->failed ? AI_ERROR : rc;
}


int
ai_translate_unwrap(ai_value_t *root)
{
    ai_list_t   list;
    ai_value_t  first, members[AI_ROOT_N];

    ai_list_init(&list, root);

    if (ai_list_next(&list, &first) != AI_OK) {
        return AI_DECLINED;
    }

    ai_value_members(&first, ai_root_names, AI_ROOT_N, members);

    if (members[AI_ROOT_ERROR].type != AI_JSON_OBJECT) {
        return AI_DECLINED;
    }

    *root = first;

    return AI_OK;
}


void
ai_translate_head_init(ai_translate_head_t *head,
    const ai_translate_from_t *from, const ai_value_t *id)
{
    size_t             len;
    ai_buf_t           b;
    const ai_char     *model;
    const ai_meter_t  *meter;

    meter = from->meter;

    ai_buf_init(&b, head->id, sizeof(head->id));
    ai_buf_cstr(&b, "chatcmpl-");

    if (id->type != AI_JSON_STRING
        || !ai_translate_id_put(&b, id->data, id->len))
    {
        (void) ai_translate_id_put(&b, from->id.data, from->id.len);
    }

    head->id_len = (uint8_t) (b.pos - head->id);

    model = from->model.data;
    len = from->model.len;

    if (meter && meter->model_len) {
        model = meter->model;
        len = meter->model_len;
    }

    if (len > sizeof(head->model)) {
        len = sizeof(head->model);
    }

    if (len) {
        memcpy(head->model, model, len);
    }

    head->model_len = (uint8_t) len;
    head->tier = meter ? ai_translate_tier(meter) : NULL;
}


/* an id that fits and needs no escapes, or nothing */

static unsigned
ai_translate_id_put(ai_buf_t *b, const ai_char *p, size_t len)
{
    size_t  i;

    if (len == 0 || len > (size_t) (b->end - b->pos)) {
        return 0;
    }

    for (i = 0; i < len; i++) {

        if (!((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'z')
            && !(p[i] >= '0' && p[i] <= '9')
            && p[i] != '-' && p[i] != '_' && p[i] != '.')
        {
            return 0;
        }
    }

    ai_buf_put(b, p, len);

    return 1;
}


static const char *
ai_translate_tier(const ai_meter_t *meter)
{
    unsigned  i;

    static const struct {
        const char  *from;
        const char  *to;
    } tiers[] = {
        { "standard", "default" },
        { "ON_DEMAND", "default" },
        { "priority", "priority" },
        { "fast", "priority" },
        { "ON_DEMAND_PRIORITY", "priority" },
        { "flex", "flex" },
        { "ON_DEMAND_FLEX", "flex" }
    };

    for (i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {

        if (strlen(tiers[i].from) == meter->tier_len
            && memcmp(tiers[i].from, meter->tier, meter->tier_len) == 0)
        {
            return tiers[i].to;
        }
    }

    return NULL;
}


void
ai_translate_head(ai_out_t *out, const ai_translate_head_t *head,
    const ai_translate_from_t *from, const char *object)
{
    ai_out_cstr(out, "{\"id\":\"");
    ai_out_put(out, head->id, head->id_len);
    ai_out_cstr(out, "\",\"object\":\"");
    ai_out_cstr(out, object);
    ai_out_cstr(out, "\",\"created\":");
    ai_out_uint(out, from->created);
    ai_out_cstr(out, ",\"model\":");
    ai_out_json(out, head->model, head->model_len);

    if (head->tier) {
        ai_out_cstr(out, ",\"service_tier\":\"");
        ai_out_cstr(out, head->tier);
        ai_out_char(out, '"');
    }

    ai_out_cstr(out, ",\"system_fingerprint\":null");
}


int
ai_translate_usage_get(const ai_translate_from_t *from, ai_usage_t *u)
{
    if (from->meter == NULL) {
        return AI_DECLINED;
    }

    ai_meter_usage(from->meter, u);

    return u->source == AI_SOURCE_NONE ? AI_DECLINED : AI_OK;
}


void
ai_translate_usage(ai_out_t *out, const ai_usage_t *u)
{
    ai_out_cstr(out, ",\"usage\":{\"prompt_tokens\":");
    ai_out_uint(out, u->input_tokens);
    ai_out_cstr(out, ",\"completion_tokens\":");
    ai_out_uint(out, u->output_tokens);
    ai_out_cstr(out, ",\"total_tokens\":");
    ai_out_uint(out, u->input_tokens + u->output_tokens);
    ai_out_cstr(out, ",\"prompt_tokens_details\":{\"cached_tokens\":");
    ai_out_uint(out, u->cache_read_tokens);
    ai_out_cstr(out, ",\"cache_write_tokens\":");
    ai_out_uint(out, u->cache_write_tokens);
    ai_out_cstr(out, ",\"audio_tokens\":");
    ai_out_uint(out, u->classes[AI_CLASS_INPUT_AUDIO]);
    ai_out_cstr(out, "},\"completion_tokens_details\":{\"reasoning_tokens\":");
    ai_out_uint(out, u->reasoning_tokens);
    ai_out_cstr(out, ",\"audio_tokens\":");
    ai_out_uint(out, u->classes[AI_CLASS_OUTPUT_AUDIO]);
    ai_out_cstr(out, ",\"accepted_prediction_tokens\":0,"
                     "\"rejected_prediction_tokens\":0}}");
}


void
ai_translate_tail(ai_out_t *out, const ai_translate_from_t *from)
{
    ai_usage_t  u;

    if (ai_translate_usage_get(from, &u) == AI_OK) {
        ai_translate_usage(out, &u);
    }

    ai_out_char(out, '}');
}


/* OpenAI takes an id of 40 bytes at most, should the call go there later */

void
ai_translate_call(ai_out_t *out, const ai_translate_from_t *from, unsigned n,
    const ai_value_t *id, const ai_value_t *name)
{
    size_t    i;
    unsigned  kept;

    ai_out_cstr(out, "\"id\":\"");

    if (ai_value_has_text(id)) {
        ai_value_text(out, id);

    } else {
        ai_out_cstr(out, "call_");

        for (i = 0, kept = 0; i < from->id.len && kept < 32; i++) {

            if (from->id.data[i] != '-') {
                ai_out_json_text(out, from->id.data + i, 1);
                kept++;
            }
        }

        ai_out_uint(out, n);
    }

    ai_out_cstr(out, "\",\"type\":\"function\",\"function\":{\"name\":\"");
    ai_value_text(out, name);
    ai_out_cstr(out, "\",\"arguments\":\"");
}


void
ai_translate_call_end(ai_out_t *out, const ai_value_t *signature)
{
    ai_out_cstr(out, "\"}");

    if (signature && ai_value_has_text(signature)) {
        ai_out_cstr(out, ",\"extra_content\":{\"google\":"
                         "{\"thought_signature\":\"");
        ai_value_text(out, signature);
        ai_out_cstr(out, "\"}}");
    }

    ai_out_char(out, '}');
}


void
ai_translate_arguments(ai_out_t *out, const ai_value_t *args)
{
    if (args->type == AI_JSON_OBJECT) {
        ai_value_quote(out, args);
        return;
    }

    ai_out_cstr(out, "{}");
}
