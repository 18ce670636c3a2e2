
/*
 * What a message says: text as a string or in parts.
 */


#include "ai_translate_request.h"


enum {
    AI_TR_PART_TYPE = 0,
    AI_TR_PART_TEXT,
    AI_TR_PART_REFUSAL,
    AI_TR_PART_IMAGE,
    AI_TR_PART_AUDIO,
    AI_TR_PART_FILE
};

static const ai_tr_member_t  ai_tr_part[] = {
    { ai_string("type"), AI_TR_STR },
    { ai_string("text"), AI_TR_STR },
    { ai_string("refusal"), AI_TR_STR },
    { ai_string("image_url"), AI_TR_OBJ|AI_TR_STR },
    { ai_string("input_audio"), AI_TR_OBJ },
    { ai_string("file"), AI_TR_OBJ },
    { ai_string("cache_control"), 0 },
    { ai_string("prompt_cache_breakpoint"), 0 }
};

static const char *const  ai_tr_part_types[] = {
    "text", "refusal", "image_url", "input_audio", "file", NULL
};


/* text for the system, before the turns */

static void
ai_tr_instruction(ai_tr_t *tr)
{
    if (tr->config) {
        ai_tr_put(tr, ",");
        return;
    }

    tr->config = 1;
    ai_tr_put(tr, tr->gemini ? "\"systemInstruction\":{\"parts\":["
                             : "\"system\":[");
}


/* Anthropic refuses blocks that say nothing; they mean as much when left out */

static void
ai_tr_say_text(ai_tr_t *tr, const ai_tr_value_t *v, ai_tr_turn_t turn)
{
    if (tr->gemini ? v->len == 0 : ai_tr_blank(v)) {
        return;
    }

    if (turn == AI_TR_TURN_NONE) {
        ai_tr_instruction(tr);

    } else {
        ai_tr_block(tr, turn);
    }

    ai_tr_put(tr, tr->gemini ? "{\"text\":" : "{\"type\":\"text\",\"text\":");
    ai_tr_string(tr, v);
    ai_tr_put(tr, "}");
}


/*
 * The part's type, and its value, beside which there is no other; -1: declined,
 * also where the role has no such part.
 */

static int
ai_tr_read_part(ai_tr_t *tr, ai_tr_list_t *list, unsigned object,
    ai_tr_value_t *value, ai_tr_turn_t turn)
{
    int            i, type;
    ai_tr_value_t  m[ai_tr_count(ai_tr_part)];

    if (!object) {
        (void) ai_tr_decline(tr, "A part of a message's content is not an "
                                 "object.");
        return -1;
    }

    if (ai_tr_inside(tr, list, ai_tr_part, ai_tr_count(ai_tr_part), m)
        != AI_OK)
    {
        return -1;
    }

    type = 1 + ai_tr_word(&m[AI_TR_PART_TYPE], ai_tr_part_types);

    if (type == 0 || (type == AI_TR_PART_REFUSAL && turn != AI_TR_TURN_MODEL)
        || (type >= AI_TR_PART_IMAGE && turn != AI_TR_TURN_USER))
    {
        (void) ai_tr_decline(tr, "A part of a message's content is of a type "
                                 "that cannot be translated for this "
                                 "provider.");
        return -1;
    }

    for (i = AI_TR_PART_TEXT; i <= AI_TR_PART_FILE; i++) {
        if ((m[i].type != 0) != (i == type)) {
            (void) ai_tr_decline(tr, "A part of a message's content has not "
                                     "just what its type says.");
            return -1;
        }
    }

    *value = m[type];

    return type;
}


int
ai_tr_content(ai_tr_t *tr, const ai_tr_value_t *v, ai_tr_turn_t turn)
{
    int            type, rc;
    unsigned       object;
    ai_tr_list_t   list;
    ai_tr_value_t  value;

    if (v->type == 0) {
        return AI_OK;
    }

    if (v->type == AI_JSON_STRING) {
        ai_tr_say_text(tr, v, turn);
        return AI_OK;
    }

    ai_tr_open(&list, v->data, v->len);

    while (ai_tr_enter(&list, &object)) {

        type = ai_tr_read_part(tr, &list, object, &value, turn);

        switch (type) {

        case -1:
            return AI_DECLINED;

        case AI_TR_PART_TEXT:
        case AI_TR_PART_REFUSAL:
            ai_tr_say_text(tr, &value, turn);
            break;

        default:
            ai_tr_block(tr, turn);

            rc = (type == AI_TR_PART_IMAGE) ? ai_tr_image(tr, &value)
                 : (type == AI_TR_PART_AUDIO) ? ai_tr_audio(tr, &value)
                 : ai_tr_file(tr, &value);

            if (rc != AI_OK) {
                return AI_DECLINED;
            }
        }
    }

    return AI_OK;
}


/* Anthropic: blocks of text; Gemini: a list of strings; string: as it is */

int
ai_tr_output(ai_tr_t *tr, const ai_tr_value_t *v)
{
    unsigned       n, object;
    ai_tr_list_t   list;
    ai_tr_value_t  value;

    if (v->type == AI_JSON_STRING) {
        ai_tr_string(tr, v);
        return AI_OK;
    }

    ai_tr_put(tr, "[");
    ai_tr_open(&list, v->data, v->len);

    for (n = 0; ai_tr_enter(&list, &object); /* void */ ) {

        if (ai_tr_read_part(tr, &list, object, &value, AI_TR_TURN_RESULTS)
            == -1)
        {
            return AI_DECLINED;
        }

        if (!tr->gemini && ai_tr_blank(&value)) {
            continue;
        }

        ai_tr_put(tr, n++ ? "," : "");

        if (tr->gemini) {
            ai_tr_string(tr, &value);
            continue;
        }

        ai_tr_put(tr, "{\"type\":\"text\",\"text\":");
        ai_tr_string(tr, &value);
        ai_tr_put(tr, "}");
    }

    ai_tr_put(tr, "]");

    return AI_OK;
}
