
/*
 * The members of Gemini's bodies.
 *
 * Google reads lowerCamelCase and snake_case alike, and an object where an
 * array of one is meant; so does this.
 */


#include <strings.h>
#include "ai_request_priv.h"


static int ai_take_nested_model(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_take_config(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_config_leave(ai_scan_t *sc, unsigned empty);
static int ai_take_file_uri(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_gemini_tool_enter(ai_scan_t *sc);


/* ---- contents ---- */


static const ai_level_t  ai_gemini_part_level;

static const ai_member_t  ai_file_data_members[] = {
    { ai_string("mimeType"), 0, ai_take_image_type, NULL, NULL },
    { ai_string("mime_type"), AI_M_SAME, ai_take_image_type, NULL, NULL },
    { ai_string("fileUri"), AI_M_STR|AI_M_NULL, ai_take_file_uri, NULL,
      NULL },
    { ai_string("file_uri"), AI_M_STR|AI_M_NULL|AI_M_SAME, ai_take_file_uri,
      NULL, NULL }
};

static const ai_level_t  ai_file_data_level =
    ai_level(ai_file_data_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_inline_data_members[] = {
    { ai_string("mimeType"), 0, ai_take_image_type, NULL, NULL },
    { ai_string("mime_type"), AI_M_SAME, ai_take_image_type, NULL, NULL },
    { ai_string("data"), 0, ai_take_media, NULL, NULL }
};

static const ai_level_t  ai_inline_data_level =
    ai_level(ai_inline_data_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_function_response_members[] = {
    { ai_string("parts"), 0, NULL, &ai_gemini_part_level, NULL }
};

static const ai_level_t  ai_function_response_level =
    ai_level(ai_function_response_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_gemini_part_members[] = {
    { ai_string("inlineData"), 0, NULL, &ai_inline_data_level, NULL },
    { ai_string("inline_data"), AI_M_SAME, NULL, &ai_inline_data_level,
      NULL },

    { ai_string("fileData"), 0, NULL, &ai_file_data_level, NULL },
    { ai_string("file_data"), AI_M_SAME, NULL, &ai_file_data_level, NULL },

    { ai_string("functionResponse"), 0, NULL, &ai_function_response_level,
      NULL },
    { ai_string("function_response"), AI_M_SAME, NULL,
      &ai_function_response_level, NULL }
};

static const ai_level_t  ai_gemini_part_level =
    ai_level(ai_gemini_part_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_content_members[] = {
    { ai_string("parts"), 0, NULL, &ai_gemini_part_level, NULL }
};

static const ai_level_t  ai_content_level =
    ai_level(ai_content_members, NULL, NULL, NULL, NULL);


/* ---- tools: all that the client does not run is the provider's ---- */


static const ai_member_t  ai_file_search_members[] = {
    { ai_string("fileSearchStoreNames"), 0, ai_take_refused, NULL,
      AI_TEXT_FILE },
    { ai_string("file_search_store_names"), AI_M_SAME, ai_take_refused, NULL,
      AI_TEXT_FILE }
};

static const ai_level_t  ai_file_search_level =
    ai_level(ai_file_search_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_gemini_tool_members[] = {
    { ai_string("functionDeclarations"), 0, NULL, NULL, NULL },
    { ai_string("function_declarations"), AI_M_SAME, NULL, NULL, NULL },
    { ai_string("computerUse"), 0, NULL, NULL, NULL },
    { ai_string("computer_use"), AI_M_SAME, NULL, NULL, NULL },

    { ai_string("fileSearch"), 0, ai_take_hosted, &ai_file_search_level,
      NULL },
    { ai_string("file_search"), AI_M_SAME, ai_take_hosted,
      &ai_file_search_level, NULL },
    { ai_string("retrieval"), 0, ai_take_refused, NULL, AI_TEXT_FILE }
};

static const ai_member_t  ai_gemini_tool_other =
    { ai_string("tools"), 0, ai_take_hosted, NULL, NULL };

static const ai_level_t  ai_gemini_tool_level =
    ai_level(ai_gemini_tool_members, NULL, &ai_gemini_tool_other,
             ai_gemini_tool_enter, NULL);


/* ---- the bodies ---- */


static const ai_member_t  ai_config_members[] = {
    { ai_string("maxOutputTokens"), AI_M_NUM|AI_M_NULL|AI_M_NULLS,
      ai_take_cap, NULL, NULL },
    { ai_string("max_output_tokens"),
      AI_M_NUM|AI_M_NULL|AI_M_NULLS|AI_M_SAME, ai_take_cap, NULL, NULL },

    { ai_string("candidateCount"), AI_M_NUM|AI_M_NULL, ai_take_count, NULL,
      NULL },
    { ai_string("candidate_count"), AI_M_NUM|AI_M_NULL|AI_M_SAME,
      ai_take_count, NULL, NULL }
};

static const ai_level_t  ai_config_level =
    ai_level(ai_config_members, NULL, NULL, NULL, ai_config_leave);


static const ai_member_t  ai_generate_members[] = {
    { ai_string("model"), AI_M_STR, ai_take_nested_model, NULL, NULL },

    { ai_string("generationConfig"), AI_M_OBJ|AI_M_NULL|AI_M_NULLS,
      ai_take_config, &ai_config_level, NULL },
    { ai_string("generation_config"),
      AI_M_OBJ|AI_M_NULL|AI_M_NULLS|AI_M_SAME, ai_take_config,
      &ai_config_level, NULL },

    { ai_string("contents"), 0, NULL, &ai_content_level, NULL },
    { ai_string("systemInstruction"), 0, NULL, &ai_content_level, NULL },
    { ai_string("system_instruction"), AI_M_SAME, NULL, &ai_content_level,
      NULL },

    { ai_string("tools"), 0, NULL, &ai_gemini_tool_level, NULL },

    { ai_string("serviceTier"), AI_M_STR|AI_M_NULL, ai_take_tier, NULL,
      NULL },
    { ai_string("service_tier"), AI_M_STR|AI_M_NULL|AI_M_SAME, ai_take_tier,
      NULL, NULL },

    { ai_string("cachedContent"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("cached_content"), AI_M_SAME, ai_take_refused, NULL,
      AI_TEXT_STATE },
    { ai_string("continuationToken"), 0, ai_take_refused, NULL,
      AI_TEXT_STATE },
    { ai_string("continuation_token"), AI_M_SAME, ai_take_refused, NULL,
      AI_TEXT_STATE },
    { ai_string("previousInteractionId"), 0, ai_take_refused, NULL,
      AI_TEXT_STATE },
    { ai_string("previous_interaction_id"), AI_M_SAME, ai_take_refused, NULL,
      AI_TEXT_STATE }
};

const ai_level_t  ai_level_generate =
    ai_level(ai_generate_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_count_members[] = {
    { ai_string("generateContentRequest"), AI_M_OBJ|AI_M_NULL, NULL,
      &ai_level_generate, NULL },
    { ai_string("generate_content_request"), AI_M_OBJ|AI_M_NULL|AI_M_SAME,
      NULL, &ai_level_generate, NULL }
};

const ai_level_t  ai_level_count_tokens =
    ai_level(ai_count_members, &ai_level_generate, NULL, NULL, NULL);


static const ai_member_t  ai_embed_members[] = {
    { ai_string("model"), AI_M_STR, ai_take_nested_model, NULL, NULL },
    { ai_string("content"), 0, NULL, &ai_content_level, NULL }
};

const ai_level_t  ai_level_embed =
    ai_level(ai_embed_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_batch_embed_members[] = {
    { ai_string("model"), AI_M_STR, ai_take_nested_model, NULL, NULL },
    { ai_string("requests"), 0, NULL, &ai_level_embed, NULL }
};

const ai_level_t  ai_level_batch_embed =
    ai_level(ai_batch_embed_members, NULL, NULL, NULL, NULL);


static int
ai_take_nested_model(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    size_t       len;
    ai_char     *p;
    ai_span_t    span;
    const char  *text;
    ai_char      name[AI_MODEL_LEN];

    text = ai_name_decode(name, &len, tok->data, tok->len, tok->escaped);

    if (text) {
        return ai_scan_refuse(sc, m, text);
    }

    p = name;

    if (len > 7 && memcmp(p, "models/", 7) == 0) {
        p += 7;
        len -= 7;
    }

    if (sc->path_model
        && (sc->path_model->len != len
            || memcmp(sc->path_model->data, p, len) != 0))
    {
        return ai_scan_refuse(sc, m, "This model is not the path's.");
    }

    span = ai_scan_span(sc, tok);

    if (sc->rq->nested_models++ == 0) {
        sc->rq->model = span;
    }

    return sc->nested ? sc->nested(sc, &span) : AI_OK;
}


/* a null one is where a whole object may be put */

static int
ai_take_config(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    (void) m;

    if (tok->type == AI_JSON_NULL) {
        sc->rq->cap = ai_scan_span(sc, tok);
        return AI_OK;
    }

    sc->rq->config_object = (size_t) (sc->pos - sc->body);

    return AI_OK;
}


static int
ai_config_leave(ai_scan_t *sc, unsigned empty)
{
    sc->rq->config_empty = empty;

    return AI_OK;
}


/* the Files API's own uris are ids of stored objects */

static int
ai_take_file_uri(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    ptrdiff_t  len;
    ai_char    uri[2048];

    static const char  host[] = "https://generativelanguage.googleapis.com/";

    len = ai_json_unescape(uri, sizeof(uri), tok->data, tok->len);

    if (len == AI_ERROR) {
        return ai_scan_refuse(sc, m, "This URI is too long or not valid.");
    }

    if ((len >= 6 && memcmp(uri, "files/", 6) == 0)
        || (len >= (ptrdiff_t) sizeof(host) - 1
            && strncasecmp((char *) uri, host, sizeof(host) - 1) == 0))
    {
        return ai_scan_refuse(sc, m, AI_TEXT_FILE);
    }

    return ai_take_url(sc, m, tok);
}


static int
ai_gemini_tool_enter(ai_scan_t *sc)
{
    sc->rq->tools = 1;

    return AI_OK;
}
