
/*
 * The members of Anthropic's Messages, and of the count of its tokens.
 */


#include "ai_request_priv.h"


static int ai_take_context_edit(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
static int ai_messages_tool_leave(ai_scan_t *sc, unsigned empty);


static const ai_level_t  ai_block_level;

static const ai_member_t  ai_source_members[] = {
    { ai_string("data"), 0, ai_take_media, NULL, NULL },
    { ai_string("url"), AI_M_STR|AI_M_NULL, ai_take_url, NULL, NULL },
    { ai_string("file_id"), 0, ai_take_refused, NULL, AI_TEXT_FILE },
    { ai_string("content"), 0, NULL, &ai_block_level, NULL }
};

static const ai_level_t  ai_source_level =
    ai_level(ai_source_members, NULL, NULL, NULL, NULL);


/* results of the provider's own tools are objects, and only read back */

static const ai_member_t  ai_block_members[] = {
    { ai_string("type"), 0, ai_take_image_type, NULL, NULL },
    { ai_string("source"), 0, NULL, &ai_source_level, NULL },
    { ai_string("content"), 0, NULL, &ai_block_level, NULL },
    { ai_string("file_id"), 0, ai_take_refused, NULL, AI_TEXT_FILE }
};

static const ai_level_t  ai_block_level =
    ai_level(ai_block_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_message_members[] = {
    { ai_string("role"), AI_M_STR, NULL, NULL, NULL },
    { ai_string("content"), 0, NULL, &ai_block_level, NULL }
};

static const ai_level_t  ai_message_level =
    ai_level(ai_message_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_messages_tool_members[] = {
    { ai_string("type"), AI_M_STR|AI_M_NULL, ai_take_tool_type, NULL, NULL },
    { ai_string("model"), AI_M_STR|AI_M_NULL, ai_take_named, NULL, NULL },
    { ai_string("max_uses"), AI_M_NUM|AI_M_NULL, ai_take_tool_uses, NULL,
      NULL }
};

static const ai_level_t  ai_messages_tool_level =
    ai_level(ai_messages_tool_members, NULL, NULL, ai_tool_enter,
             ai_messages_tool_leave);


static const ai_member_t  ai_previous_members[] = {
    { ai_string("previous_message_id"), 0, ai_take_refused, NULL,
      AI_TEXT_STATE },
    { ai_string("id"), 0, ai_take_refused, NULL, AI_TEXT_STATE }
};

static const ai_level_t  ai_previous_level =
    ai_level(ai_previous_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_context_edit_members[] = {
    { ai_string("type"), AI_M_STR, ai_take_context_edit, NULL, NULL },
    { ai_string("model"), AI_M_STR|AI_M_NULL, ai_take_named, NULL, NULL }
};

static const ai_level_t  ai_context_edit_level =
    ai_level(ai_context_edit_members, NULL, NULL, NULL, NULL);

static const ai_member_t  ai_context_members[] = {
    { ai_string("edits"), 0, NULL, &ai_context_edit_level, NULL }
};

static const ai_level_t  ai_context_level =
    ai_level(ai_context_members, NULL, NULL, NULL, NULL);


static const ai_member_t  ai_messages_members[] = {
    { ai_string("model"), AI_M_STR, ai_take_model, NULL, NULL },
    { ai_string("models"), AI_M_ARR|AI_M_NULL|AI_M_OF(AI_M_STR)|AI_M_EACH,
      ai_take_named, NULL, NULL },
    { ai_string("fallbacks"), AI_M_EACH|AI_M_OF(AI_M_STR|AI_M_OBJ),
      ai_take_fallbacks, &ai_level_fallback, NULL },
    { ai_string("max_tokens"), AI_M_NUM|AI_M_NULL|AI_M_NULLS, ai_take_cap,
      NULL, NULL },
    { ai_string("stream"), AI_M_BOOL|AI_M_NULL, ai_take_stream, NULL, NULL },
    { ai_string("service_tier"), AI_M_STR|AI_M_NULL, ai_take_tier, NULL,
      NULL },

    { ai_string("messages"), AI_M_ARR|AI_M_OF(AI_M_OBJ), NULL,
      &ai_message_level, NULL },
    { ai_string("system"), 0, NULL, &ai_block_level, NULL },
    { ai_string("tools"), AI_M_ARR|AI_M_NULL|AI_M_OF(AI_M_OBJ), NULL,
      &ai_messages_tool_level, NULL },
    { ai_string("mcp_servers"), 0, ai_take_hosted, NULL, NULL },
    { ai_string("plugins"), 0, ai_take_hosted, NULL, NULL },
    { ai_string("context_management"), 0, NULL, &ai_context_level, NULL },

    { ai_string("container"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("thread"), 0, NULL, &ai_previous_level, NULL },
    { ai_string("diagnostics"), 0, NULL, &ai_previous_level, NULL },
    { ai_string("preset"), 0, ai_take_refused, NULL, AI_TEXT_STATE },
    { ai_string("previous_message_id"), 0, ai_take_refused, NULL,
      AI_TEXT_STATE },
    { ai_string("billing_policy"), 0, ai_take_refused, NULL, AI_TEXT_PAYER },
    { ai_string("workspace_id"), 0, ai_take_refused, NULL, AI_TEXT_PAYER }
};

const ai_level_t  ai_level_messages =
    ai_level(ai_messages_members, NULL, NULL, NULL, NULL);


/* compaction reads the input once more, billed beside the answer */

static int
ai_take_context_edit(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    ptrdiff_t  len;
    ai_char    type[64];

    (void) m;

    len = ai_json_unescape(type, sizeof(type), tok->data, tok->len);

    if (len < 6 || memcmp(type, "clear_", 6) != 0) {
        sc->rq->unbounded |= AI_UNBOUNDED_TOOLS;
    }

    return AI_OK;
}


/* types of tools that the client runs itself; all others cost */

static int
ai_messages_tool_leave(ai_scan_t *sc, unsigned empty)
{
    ai_tool_t  *t;

    (void) empty;

    t = sc->tool;

    if (t->type_len == 0 || ai_tool_is(t, "custom")
        || ai_tool_begins(t, "bash_") || ai_tool_begins(t, "text_editor_")
        || ai_tool_begins(t, "computer_") || ai_tool_begins(t, "memory_"))
    {
        return AI_OK;
    }

    return ai_tool_hosted(sc);
}
