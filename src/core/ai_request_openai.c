
/*
 * The members of OpenAI's bodies, and of those that others added to them.
 *
 * Sources: WIRE-FORMATS 5.1 to 5.3, and the parameters of OpenRouter, Groq,
 * xAI, Together, Fireworks and vLLM that name models, run tools or fetch.
 */


#include "ai_request_priv.h"


static int ai_take_stream_options(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_take_include_usage(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_stream_options_leave(ai_scan_t *sc, unsigned empty);
static int ai_take_prompt(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_take_characters(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_take_stream_format(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_chat_tool_leave(ai_scan_t *sc, unsigned empty);


/* ---- shared ---- */


static const ai_member_t  ai_model_members[] = {
    { ai_string("model"), AI_M_STR|AI_M_NULL, ai_take_named, NULL, NULL }
};

static const ai_level_t  ai_model_level =
    ai_level(ai_model_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_fallback_members[] = {
    { ai_string("model"), AI_M_STR, ai_take_named, NULL, NULL },

    { ai_string("max_tokens"), AI_M_NUM|AI_M_NULL, ai_take_refused, NULL,
      "A fallback keeps the request's own max_tokens." }
};

const ai_level_t  ai_level_fallback =
    ai_level(ai_fallback_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_url_members[] = {
    { ai_string("url"), AI_M_STR|AI_M_NULL, ai_take_url, NULL, NULL },
    { ai_string("file_id"), AI_M_STR|AI_M_NULL, ai_take_refused, NULL,
      AI_TEXT_FILE }
};

static const ai_level_t  ai_url_level =
    ai_level(ai_url_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_data_members[] = {
    { ai_string("data"), AI_M_STR|AI_M_NULL, ai_take_data, NULL, NULL },
    { ai_string("url"), AI_M_STR|AI_M_NULL, ai_take_url, NULL, NULL },
    { ai_string("file_data"), AI_M_STR|AI_M_NULL, ai_take_data, NULL, NULL },
    { ai_string("file_url"), AI_M_STR|AI_M_NULL, ai_take_url, NULL, NULL },

    { ai_string("file_id"), AI_M_STR|AI_M_NULL, ai_take_refused, NULL,
      AI_TEXT_FILE },
    { ai_string("id"), AI_M_STR|AI_M_NULL, ai_take_refused, NULL,
      AI_TEXT_FILE }
};

static const ai_level_t  ai_data_level =
    ai_level(ai_data_members, NULL, NULL, NULL, NULL);


/* a part of a content; image_url and such may be a string or an object */

static const ai_level_t  ai_part_level;

static const ai_member_t  ai_part_members[] = {
    { ai_string("image_url"), AI_M_IMAGE, ai_take_url, &ai_url_level, NULL },
    { ai_string("video_url"), 0, ai_take_url, &ai_url_level, NULL },
    { ai_string("audio_url"), 0, ai_take_url, &ai_url_level, NULL },
    { ai_string("document_url"), 0, ai_take_url, &ai_url_level, NULL },
    { ai_string("file_url"), 0, ai_take_url, &ai_url_level, NULL },
    { ai_string("input_audio"), 0, ai_take_data, &ai_data_level, NULL },
    { ai_string("input_video"), 0, ai_take_data, &ai_data_level, NULL },
    { ai_string("file"), 0, ai_take_data, &ai_data_level, NULL },
    { ai_string("file_data"), 0, ai_take_data, NULL, NULL },

    { ai_string("file_id"), 0, ai_take_refused, NULL, AI_TEXT_FILE },
    { ai_string("image_file"), 0, ai_take_refused, NULL, AI_TEXT_FILE },

    { ai_string("content"), 0, NULL, &ai_part_level, NULL }
};

static const ai_level_t  ai_part_level =
    ai_level(ai_part_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_stream_options_members[] = {
    { ai_string("include_usage"), AI_M_BOOL|AI_M_NULL|AI_M_NULLS,
      ai_take_include_usage, NULL, NULL }
};

static const ai_level_t  ai_stream_options_level =
    ai_level(ai_stream_options_members, NULL, NULL, NULL,
             ai_stream_options_leave);


/* OpenRouter's plugins, some of which ask further models */

static const ai_member_t  ai_plugin_members[] = {
    { ai_string("model"), 0, ai_take_named, NULL, NULL },
    { ai_string("models"), AI_M_EACH, ai_take_named, NULL, NULL },
    { ai_string("analysis_models"), AI_M_EACH, ai_take_named, NULL, NULL },
    { ai_string("allowed_models"), AI_M_EACH, ai_take_named, NULL, NULL }
};

static const ai_level_t  ai_plugin_level =
    ai_level(ai_plugin_members, NULL, NULL, NULL, NULL);


/* Groq's compound systems */

static const ai_member_t  ai_compound_models_members[] = {
    { ai_string("reasoning_model"), AI_M_STR|AI_M_NULL, ai_take_named, NULL,
      NULL },
    { ai_string("answering_model"), AI_M_STR|AI_M_NULL, ai_take_named, NULL,
      NULL }
};

static const ai_level_t  ai_compound_models_level =
    ai_level(ai_compound_models_members, NULL, NULL, NULL, NULL);

static const ai_member_t  ai_compound_members[] = {
    { ai_string("models"), AI_M_OBJ|AI_M_NULL, NULL, &ai_compound_models_level,
      NULL }
};

static const ai_level_t  ai_compound_level =
    ai_level(ai_compound_members, NULL, NULL, NULL, NULL);


/* what every JSON endpoint understands, or some provider does for it */

static const ai_member_t  ai_openai_members[] = {
    { ai_string("model"), AI_M_STR, ai_take_model, NULL, NULL },
    { ai_string("models"), AI_M_ARR|AI_M_NULL|AI_M_OF(AI_M_STR)|AI_M_EACH,
      ai_take_named, NULL, NULL },
    { ai_string("fallbacks"), AI_M_EACH|AI_M_OF(AI_M_STR|AI_M_OBJ),
      ai_take_fallbacks, &ai_level_fallback, NULL },
    { ai_string("moderation"), 0, NULL, &ai_model_level, NULL },
    { ai_string("svg"), 0, NULL, &ai_model_level, NULL },
    { ai_string("safety_model"), AI_M_STR|AI_M_NULL, ai_take_named, NULL,
      NULL },
    { ai_string("draft_model"), AI_M_STR|AI_M_NULL, ai_take_named, NULL,
      NULL },

    { ai_string("stream"), AI_M_BOOL|AI_M_NULL, ai_take_stream, NULL, NULL },
    { ai_string("stream_options"), AI_M_OBJ|AI_M_NULL|AI_M_NULLS,
      ai_take_stream_options, &ai_stream_options_level, NULL },
    { ai_string("n"), AI_M_NUM|AI_M_NULL, ai_take_count, NULL, NULL },
    { ai_string("service_tier"), AI_M_STR|AI_M_NULL, ai_take_tier, NULL,
      NULL },

    { ai_string("web_search_options"), 0, ai_take_hosted, NULL, NULL },
    { ai_string("search_parameters"), 0, ai_take_hosted, NULL, NULL },
    { ai_string("search_settings"), 0, ai_take_hosted, NULL, NULL },
    { ai_string("compound_custom"), 0, ai_take_hosted, &ai_compound_level,
      NULL },
    { ai_string("plugins"), 0, ai_take_hosted, &ai_plugin_level, NULL },

    { ai_string("preset"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("previous_response_id"), 0, ai_take_refused, NULL,
      AI_TEXT_STATE },
    { ai_string("previous_interaction_id"), 0, ai_take_refused, NULL,
      AI_TEXT_STATE },
    { ai_string("conversation"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("conversation_id"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("thread_id"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("assistant_id"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("agent_id"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("file_ids"), 0, ai_take_refused, NULL, AI_TEXT_FILE },
    { ai_string("vector_store_ids"), 0, ai_take_refused, NULL, AI_TEXT_FILE },
    { ai_string("container"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("container_id"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("billing_policy"), 0, ai_take_refused, NULL, AI_TEXT_PAYER },
    { ai_string("deferred"), 0, ai_take_refused, NULL,
      "Answers to be fetched later are not served by this gateway." }
};

const ai_level_t  ai_level_openai =
    ai_level(ai_openai_members, NULL, NULL, NULL, NULL);


/* ---- Chat and Completions ---- */


static const ai_member_t  ai_tool_parameters_members[] = {
    { ai_string("model"), 0, ai_take_tool_model, NULL, NULL }
};

const ai_level_t  ai_level_tool_parameters =
    ai_level(ai_tool_parameters_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_chat_tool_members[] = {
    { ai_string("type"), AI_M_STR, ai_take_tool_type, NULL, NULL },
    { ai_string("model"), 0, ai_take_named, NULL, NULL },
    { ai_string("parameters"), 0, NULL, &ai_level_tool_parameters, NULL },
    { ai_string("max_uses"), AI_M_NUM|AI_M_NULL, ai_take_tool_uses, NULL,
      NULL },
    { ai_string("vector_store_ids"), 0, ai_take_refused, NULL, AI_TEXT_FILE },
    { ai_string("library_ids"), 0, ai_take_refused, NULL, AI_TEXT_FILE },
    { ai_string("container"), AI_M_STR|AI_M_NULL|AI_M_OBJ, ai_take_refused,
      NULL, AI_TEXT_STATE }
};

static const ai_level_t  ai_chat_tool_level =
    ai_level(ai_chat_tool_members, NULL, NULL, ai_tool_enter,
             ai_chat_tool_leave);


static const ai_member_t  ai_chat_message_members[] = {
    { ai_string("content"), 0, NULL, &ai_part_level, NULL },
    { ai_string("audio"), 0, NULL, &ai_data_level, NULL }
};

static const ai_level_t  ai_chat_message_level =
    ai_level(ai_chat_message_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_chat_members[] = {
    { ai_string("messages"), AI_M_ARR|AI_M_OF(AI_M_OBJ), NULL,
      &ai_chat_message_level, NULL },
    { ai_string("tools"), AI_M_ARR|AI_M_NULL|AI_M_OF(AI_M_OBJ), NULL,
      &ai_chat_tool_level, NULL },
    { ai_string("max_tokens"), AI_M_NUM|AI_M_NULL|AI_M_NULLS, ai_take_cap,
      NULL, NULL },
    { ai_string("max_completion_tokens"), AI_M_NUM|AI_M_NULL|AI_M_NULLS,
      ai_take_cap, NULL, NULL },
    { ai_string("best_of"), AI_M_NUM|AI_M_NULL, ai_take_count, NULL, NULL },
    { ai_string("background"), AI_M_BOOL|AI_M_NULL, ai_take_refused, NULL,
      "Background mode is not served by this gateway." }
};

const ai_level_t  ai_level_chat =
    ai_level(ai_chat_members, &ai_level_openai, NULL, NULL, NULL);


static const ai_member_t  ai_completions_members[] = {
    { ai_string("prompt"), AI_M_EACH, ai_take_prompt, NULL, NULL },
    { ai_string("max_tokens"), AI_M_NUM|AI_M_NULL|AI_M_NULLS, ai_take_cap,
      NULL, NULL },
    { ai_string("max_completion_tokens"), AI_M_NUM|AI_M_NULL|AI_M_NULLS,
      ai_take_cap, NULL, NULL },
    { ai_string("best_of"), AI_M_NUM|AI_M_NULL, ai_take_count, NULL, NULL }
};

const ai_level_t  ai_level_completions =
    ai_level(ai_completions_members, &ai_level_openai, NULL, NULL, NULL);


/* ---- the rest ---- */


static const ai_member_t  ai_embed_input_members[] = {
    { ai_string("image"), AI_M_IMAGE, ai_take_data, &ai_url_level, NULL },
    { ai_string("video"), 0, ai_take_data, &ai_url_level, NULL },
    { ai_string("url"), 0, ai_take_url, NULL, NULL }
};

static const ai_level_t  ai_embed_input_level =
    ai_level(ai_embed_input_members, &ai_part_level, NULL, NULL, NULL);


static const ai_member_t  ai_input_members[] = {
    { ai_string("input"), 0, NULL, &ai_embed_input_level, NULL }
};

const ai_level_t  ai_level_embeddings =
    ai_level(ai_input_members, &ai_level_openai, NULL, NULL, NULL);

const ai_level_t  ai_level_moderations =
    ai_level(ai_input_members, &ai_level_openai, NULL, NULL, NULL);


static const ai_member_t  ai_images_members[] = {
    { ai_string("image"), AI_M_EACH|AI_M_IMAGE, ai_take_data, &ai_url_level,
      NULL },
    { ai_string("images"), AI_M_EACH|AI_M_IMAGE, ai_take_data,
      &ai_embed_input_level, NULL },
    { ai_string("image_url"), AI_M_EACH|AI_M_IMAGE, ai_take_url,
      &ai_url_level, NULL }
};

const ai_level_t  ai_level_images =
    ai_level(ai_images_members, &ai_level_openai, NULL, NULL, NULL);


static const ai_member_t  ai_speech_members[] = {
    { ai_string("input"), AI_M_STR, ai_take_characters, NULL, NULL },
    { ai_string("stream_format"), AI_M_STR|AI_M_NULL, ai_take_stream_format,
      NULL, NULL }
};

const ai_level_t  ai_level_speech =
    ai_level(ai_speech_members, &ai_level_openai, NULL, NULL, NULL);


static int
ai_take_stream_options(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    (void) m;

    sc->rq->stream_options = ai_scan_span(sc, tok);

    if (tok->type == AI_JSON_OBJECT) {
        sc->rq->stream_options_object = sc->rq->stream_options.pos + 1;
    }

    return AI_OK;
}


static int
ai_take_include_usage(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    (void) m;

    sc->rq->include_usage = ai_scan_span(sc, tok);
    sc->rq->usage_asked = (tok->type == AI_JSON_TRUE);

    return AI_OK;
}


/* the object's end lies before any separator that was taken with it */

static int
ai_stream_options_leave(ai_scan_t *sc, unsigned empty)
{
    ai_request_t  *rq;

    rq = sc->rq;

    rq->stream_options.len = sc->close - rq->stream_options.pos;
    rq->stream_options_empty = empty;

    return AI_OK;
}


/* an array of strings or of arrays is a prompt each, one of tokens is one */

static int
ai_take_prompt(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    (void) m;

    if (!sc->element) {
        sc->prompts = 0;

    } else if (tok->type != AI_JSON_NUMBER) {
        sc->prompts++;
    }

    return AI_OK;
}


/* code points: no continuation bytes, an escape or a pair of them is one */

static int
ai_take_characters(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    uint64_t        n;
    const ai_char  *p, *end;

    (void) m;

    n = 0;
    end = tok->data + tok->len;

    for (p = tok->data; p < end; p++) {

        if (*p == '\\') {
            p++;

            if (*p == 'u') {
                p += 4;

                /* the second half of a pair: DC00 to DFFF */

                if ((p[-3] | 0x20) == 'd' && (p[-2] | 0x20) >= 'c') {
                    continue;
                }
            }

        } else if ((*p & 0xc0) == 0x80) {
            continue;
        }

        n++;
    }

    sc->rq->characters = n;

    return AI_OK;
}


static int
ai_take_stream_format(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    ptrdiff_t  len;
    ai_char    format[8];

    (void) m;

    len = ai_json_unescape(format, sizeof(format), tok->data, tok->len);

    if (len == 3 && memcmp(format, "sse", 3) == 0) {
        sc->rq->stream = 1;
    }

    return AI_OK;
}


static int
ai_chat_tool_leave(ai_scan_t *sc, unsigned empty)
{
    ai_tool_t  *t;

    (void) empty;

    t = sc->tool;

    if (t->type_len == 0 || ai_tool_is(t, "function")
        || ai_tool_is(t, "custom"))
    {
        return AI_OK;
    }

    return ai_tool_hosted(sc);
}
