
/*
 * The conversation: who speaks when, and what is said.
 *
 * Both dialects have the instructions apart from the turns, so these are read
 * first, wherever they stand.  What one side says in a row is one turn; a turn
 * without contents does not appear.
 */


#include "ai_translate_request.h"


enum {
    AI_TR_ROLE = 0,
    AI_TR_CONTENT,
    AI_TR_SPEAKER,
    AI_TR_REFUSAL,
    AI_TR_TOOL_CALLS,
    AI_TR_TOOL_CALL_ID,
    AI_TR_MESSAGE_AUDIO,
    AI_TR_FUNCTION_CALL,
    AI_TR_MESSAGE_N
};

/* reasoning is of another model, the rest is of no use to this one */

static const ai_tr_member_t  ai_tr_message[] = {
    { ai_string("role"), AI_TR_STR },
    { ai_string("content"), AI_TR_STR|AI_TR_ARR },
    { ai_string("name"), AI_TR_STR },
    { ai_string("refusal"), AI_TR_STR },
    { ai_string("tool_calls"), AI_TR_ARR },
    { ai_string("tool_call_id"), AI_TR_STR },
    { ai_string("audio"), AI_TR_OBJ },
    { ai_string("function_call"), AI_TR_OBJ },
    { ai_string("id"), 0 },
    { ai_string("annotations"), 0 },
    { ai_string("cache_control"), 0 },
    { ai_string("reasoning"), 0 },
    { ai_string("reasoning_content"), 0 },
    { ai_string("reasoning_details"), 0 }
};

static const char *const  ai_tr_roles[] = {
    "system", "developer", "user", "assistant", "tool", NULL
};

enum {
    AI_TR_SYSTEM = 0,
    AI_TR_DEVELOPER,
    AI_TR_USER_ROLE,
    AI_TR_ASSISTANT,
    AI_TR_TOOL
};


/*
 * Names tell speakers of one role apart, and there is no place for them.
 * Where a role has but one, nothing is lost.
 */

static int
ai_tr_speaker(ai_tr_t *tr, int role, const ai_tr_value_t *name)
{
    ai_tr_value_t  *known;

    if (name->type == 0 || role == AI_TR_TOOL) {
        return AI_OK;
    }

    known = &tr->speaker[role <= AI_TR_DEVELOPER ? 0
                                                 : role - AI_TR_DEVELOPER];

    if (known->type == 0) {
        *known = *name;
        return AI_OK;
    }

    if (known->len != name->len
        || memcmp(known->data, name->data, name->len) != 0)
    {
        return ai_tr_decline(tr, "Several names of one role have no "
                                 "counterpart at this provider.");
    }

    return AI_OK;
}


static int
ai_tr_read_message(ai_tr_t *tr, ai_tr_list_t *list, unsigned object,
    ai_tr_value_t *m, int *role)
{
    if (!object) {
        return ai_tr_decline(tr, "A message is not an object.");
    }

    if (ai_tr_inside(tr, list, ai_tr_message, ai_tr_count(ai_tr_message), m)
        != AI_OK)
    {
        return AI_DECLINED;
    }

    *role = ai_tr_word(&m[AI_TR_ROLE], ai_tr_roles);

    if (*role == -1) {
        return ai_tr_decline(tr, "A message's role is missing, or cannot be "
                                 "translated for this provider.");
    }

    if (m[AI_TR_MESSAGE_AUDIO].type || m[AI_TR_FUNCTION_CALL].type) {
        return ai_tr_decline(tr, "Earlier audio and function_call in a "
                                 "message cannot be translated for this "
                                 "provider.");
    }

    if (*role != AI_TR_ASSISTANT
        && (m[AI_TR_TOOL_CALLS].type || m[AI_TR_REFUSAL].type))
    {
        return ai_tr_decline(tr, "Only an assistant calls tools or refuses.");
    }

    return ai_tr_speaker(tr, *role, &m[AI_TR_SPEAKER]);
}


static void
ai_tr_end_turn(ai_tr_t *tr)
{
    ai_tr_put(tr, "]}");
}


/*
 * Anthropic wants results and what the user says after them in one turn; for
 * Gemini results are a content of their own, as many as there were calls.
 */

void
ai_tr_block(ai_tr_t *tr, ai_tr_turn_t turn)
{
    unsigned  same;

    same = (tr->turn == turn
            || (!tr->gemini && tr->turn == AI_TR_TURN_RESULTS
                && turn == AI_TR_TURN_USER));

    if (same) {
        ai_tr_put(tr, ",");
        tr->turn = turn;
        return;
    }

    if (tr->turn != AI_TR_TURN_NONE) {
        ai_tr_end_turn(tr);
        ai_tr_put(tr, ",");
    }

    if (turn == AI_TR_TURN_MODEL) {
        tr->ncalls = 0;
        tr->next = 0;
        tr->signature = 0;
        ai_tr_put(tr, tr->gemini ? "{\"role\":\"model\""
                                 : "{\"role\":\"assistant\"");
    } else {
        ai_tr_put(tr, "{\"role\":\"user\"");
    }

    ai_tr_put(tr, tr->gemini ? ",\"parts\":[" : ",\"content\":[");
    tr->turn = turn;
}


static int
ai_tr_say(ai_tr_t *tr, ai_tr_list_t *list, unsigned object)
{
    int            role;
    ai_tr_value_t  m[ai_tr_count(ai_tr_message)];

    if (ai_tr_read_message(tr, list, object, m, &role) != AI_OK) {
        return AI_DECLINED;
    }

    switch (role) {

    case AI_TR_USER_ROLE:
        return ai_tr_content(tr, &m[AI_TR_CONTENT], AI_TR_TURN_USER);

    case AI_TR_ASSISTANT:

        if (ai_tr_content(tr, &m[AI_TR_CONTENT], AI_TR_TURN_MODEL) != AI_OK
            || ai_tr_content(tr, &m[AI_TR_REFUSAL], AI_TR_TURN_MODEL)
               != AI_OK)
        {
            return AI_DECLINED;
        }

        return ai_tr_calls(tr, &m[AI_TR_TOOL_CALLS]);

    case AI_TR_TOOL:
        return ai_tr_result(tr, &m[AI_TR_TOOL_CALL_ID], &m[AI_TR_CONTENT]);

    default:
        return AI_OK;
    }
}


/* the instructions, as the turn before all others */

static int
ai_tr_instructions(ai_tr_t *tr)
{
    int            role;
    unsigned       object;
    ai_tr_list_t   list;
    ai_tr_value_t  m[ai_tr_count(ai_tr_message)];

    ai_tr_open(&list, tr->kept[AI_TR_MESSAGES].data,
               tr->kept[AI_TR_MESSAGES].len);

    while (ai_tr_enter(&list, &object)) {

        if (ai_tr_read_message(tr, &list, object, m, &role) != AI_OK) {
            return AI_DECLINED;
        }

        if (role <= AI_TR_DEVELOPER
            && ai_tr_content(tr, &m[AI_TR_CONTENT], AI_TR_TURN_NONE)
               != AI_OK)
        {
            return AI_DECLINED;
        }
    }

    return AI_OK;
}


int
ai_tr_messages(ai_tr_t *tr)
{
    unsigned      object;
    ai_tr_list_t  list;

    tr->member = "messages";

    if (tr->kept[AI_TR_MESSAGES].type == 0) {
        return ai_tr_decline(tr, "There are no messages.");
    }

    if (ai_tr_instructions(tr) != AI_OK) {
        return AI_DECLINED;
    }

    if (tr->config) {
        tr->config = 0;
        ai_tr_put(tr, tr->gemini ? "]}," : "],");
    }

    ai_tr_put(tr, tr->gemini ? "\"contents\":[" : "\"messages\":[");

    ai_tr_open(&list, tr->kept[AI_TR_MESSAGES].data,
               tr->kept[AI_TR_MESSAGES].len);

    while (ai_tr_enter(&list, &object)) {
        if (ai_tr_say(tr, &list, object) != AI_OK) {
            return AI_DECLINED;
        }
    }

    if (tr->turn == AI_TR_TURN_NONE) {
        return ai_tr_decline(tr, "There is no message that this provider "
                                 "could answer.");
    }

    /* it would go on with that message instead of answering it */

    if (tr->turn == AI_TR_TURN_MODEL) {
        return ai_tr_decline(tr, "The last message must not be the "
                                 "assistant's at this provider.");
    }

    ai_tr_end_turn(tr);
    ai_tr_put(tr, "]");

    return AI_OK;
}
