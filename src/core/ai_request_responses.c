
/*
 * The members of OpenAI's Responses.
 */


#include "ai_request_priv.h"


static int ai_take_item_type(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_take_compaction(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_take_environment(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_responses_tool_leave(ai_scan_t *sc, unsigned empty);
static int ai_inner_tool_enter(ai_scan_t *sc);
static int ai_inner_tool_leave(ai_scan_t *sc, unsigned empty);


/* ---- input ---- */


static const ai_level_t  ai_item_part_level;

static const ai_member_t  ai_item_part_members[] = {
    { ai_string("image_url"), AI_M_IMAGE, ai_take_url, NULL, NULL },
    { ai_string("file_url"), 0, ai_take_url, NULL, NULL },
    { ai_string("video_url"), 0, ai_take_url, NULL, NULL },
    { ai_string("file_data"), 0, ai_take_data, NULL, NULL },
    { ai_string("input_audio"), 0, NULL, &ai_item_part_level, NULL },
    { ai_string("data"), AI_M_STR|AI_M_NULL, ai_take_data, NULL, NULL },
    { ai_string("url"), AI_M_STR|AI_M_NULL, ai_take_url, NULL, NULL },
    { ai_string("file_id"), 0, ai_take_refused, NULL, AI_TEXT_FILE }
};

static const ai_level_t  ai_item_part_level =
    ai_level(ai_item_part_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_item_members[] = {
    { ai_string("type"), AI_M_STR|AI_M_NULL, ai_take_item_type, NULL, NULL },
    { ai_string("content"), 0, NULL, &ai_item_part_level, NULL },
    { ai_string("output"), 0, NULL, &ai_item_part_level, NULL },
    { ai_string("file_id"), 0, ai_take_refused, NULL, AI_TEXT_FILE },
    { ai_string("container_id"), 0, ai_take_refused, NULL, AI_TEXT_STATE }
};

static const ai_level_t  ai_item_level =
    ai_level(ai_item_members, NULL, NULL, NULL, NULL);


/* ---- tools ---- */


static const ai_level_t  ai_environment_level;

static const ai_member_t  ai_environment_members[] = {
    { ai_string("type"), AI_M_STR, ai_take_environment, NULL, NULL },
    { ai_string("container_id"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("file_ids"), 0, ai_take_refused, NULL, AI_TEXT_FILE }
};

static const ai_level_t  ai_environment_level =
    ai_level(ai_environment_members, NULL, NULL, NULL, NULL);


/* code_interpreter: "auto" makes one, anything else is an id */

static const ai_member_t  ai_container_members[] = {
    { ai_string("id"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("container_id"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("file_ids"), 0, ai_take_refused, NULL, AI_TEXT_FILE }
};

static const ai_level_t  ai_container_level =
    ai_level(ai_container_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_svg_members[] = {
    { ai_string("model"), AI_M_STR|AI_M_NULL, ai_take_named, NULL, NULL }
};

static const ai_level_t  ai_svg_level =
    ai_level(ai_svg_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_inner_tool_members[] = {
    { ai_string("type"), AI_M_STR, ai_take_tool_type, NULL, NULL },
    { ai_string("model"), AI_M_STR|AI_M_NULL, ai_take_named, NULL, NULL },
    { ai_string("svg"), 0, NULL, &ai_svg_level, NULL },
    { ai_string("moderation"), 0, NULL, &ai_svg_level, NULL },
    { ai_string("parameters"), 0, NULL, &ai_level_tool_parameters, NULL },
    { ai_string("max_uses"), AI_M_NUM|AI_M_NULL, ai_take_tool_uses, NULL,
      NULL },
    { ai_string("vector_store_ids"), 0, ai_take_refused, NULL, AI_TEXT_FILE },
    { ai_string("library_ids"), 0, ai_take_refused, NULL, AI_TEXT_FILE },
    { ai_string("file_ids"), 0, ai_take_refused, NULL, AI_TEXT_FILE },
    { ai_string("container"), AI_M_OBJ|AI_M_NULL, NULL, &ai_container_level,
      NULL },
    { ai_string("environment"), AI_M_OBJ|AI_M_NULL, NULL,
      &ai_environment_level, NULL },
    { ai_string("input_image_mask"), 0, NULL, &ai_item_part_level, NULL }
};

static const ai_level_t  ai_inner_tool_level =
    ai_level(ai_inner_tool_members, NULL, NULL, ai_inner_tool_enter,
             ai_inner_tool_leave);

/* the functions of a namespace */

static const ai_member_t  ai_responses_tool_members[] = {
    { ai_string("tools"), AI_M_ARR|AI_M_NULL|AI_M_OF(AI_M_OBJ), NULL,
      &ai_inner_tool_level, NULL }
};

static const ai_level_t  ai_responses_tool_base =
    ai_level(ai_inner_tool_members, NULL, NULL, NULL, NULL);

static const ai_level_t  ai_responses_tool_level =
    ai_level(ai_responses_tool_members, &ai_responses_tool_base, NULL,
             ai_tool_enter, ai_responses_tool_leave);


static const ai_member_t  ai_context_members[] = {
    { ai_string("type"), AI_M_STR|AI_M_NULL, ai_take_compaction, NULL, NULL }
};

static const ai_level_t  ai_context_level =
    ai_level(ai_context_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_responses_members[] = {
    { ai_string("input"), 0, NULL, &ai_item_level, NULL },
    { ai_string("instructions"), 0, NULL, &ai_item_level, NULL },
    { ai_string("tools"), AI_M_ARR|AI_M_NULL|AI_M_OF(AI_M_OBJ), NULL,
      &ai_responses_tool_level, NULL },
    { ai_string("max_output_tokens"), AI_M_NUM|AI_M_NULL|AI_M_NULLS,
      ai_take_cap, NULL, NULL },
    { ai_string("background"), AI_M_BOOL|AI_M_NULL, ai_take_refused, NULL,
      "Background mode is not served by this gateway." },
    { ai_string("prompt"), AI_M_OBJ|AI_M_NULL, ai_take_refused, NULL,
      "Prompts stored at the provider are not served by this gateway. Send "
      "the instructions and the input themselves." },
    { ai_string("context_management"), 0, NULL, &ai_context_level, NULL }
};

const ai_level_t  ai_level_responses =
    ai_level(ai_responses_members, &ai_level_openai, NULL, NULL, NULL);


static int
ai_take_item_type(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    ptrdiff_t  len;
    ai_char    type[32];

    len = ai_json_unescape(type, sizeof(type), tok->data, tok->len);

    if (len == sizeof("item_reference") - 1
        && memcmp(type, "item_reference", sizeof("item_reference") - 1) == 0)
    {
        return ai_scan_refuse(sc, m, AI_TEXT_STATE);
    }

    return AI_OK;
}


/* a pass of its own over the input, billed beside the answer */

static int
ai_take_compaction(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    (void) m;
    (void) tok;

    sc->rq->unbounded |= AI_UNBOUNDED_TOOLS;

    return AI_OK;
}


static int
ai_take_environment(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    ptrdiff_t  len;
    ai_char    type[8];

    (void) m;

    len = ai_json_unescape(type, sizeof(type), tok->data, tok->len);

    if (len == 5 && memcmp(type, "local", 5) == 0) {
        sc->tool->local = 1;

    } else {
        sc->tool->hosted = 1;
    }

    return AI_OK;
}


/* types of tools that the client runs itself; all others cost */

static unsigned
ai_responses_tool_is_local(const ai_tool_t *t)
{
    if (t->hosted) {
        return 0;
    }

    return ai_tool_is(t, "function") || ai_tool_is(t, "custom")
           || ai_tool_is(t, "local_shell") || ai_tool_is(t, "apply_patch")
           || ai_tool_is(t, "namespace") || ai_tool_is(t, "computer")
           || ai_tool_is(t, "computer_use_preview")
           || (ai_tool_is(t, "shell") && t->local);
}


static int
ai_responses_tool_leave(ai_scan_t *sc, unsigned empty)
{
    (void) empty;

    return ai_responses_tool_is_local(sc->tool) ? AI_OK : ai_tool_hosted(sc);
}


static int
ai_inner_tool_enter(ai_scan_t *sc)
{
    sc->tool = &sc->tools[1];

    return ai_tool_enter(sc);
}


static int
ai_inner_tool_leave(ai_scan_t *sc, unsigned empty)
{
    int  rc;

    rc = ai_responses_tool_leave(sc, empty);
    sc->tool = &sc->tools[0];

    return rc;
}
