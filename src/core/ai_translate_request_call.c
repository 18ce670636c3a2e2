
/*
 * Calls that the model made earlier, and what came of them.
 *
 * A result follows the turn that called for it, so no more than that turn's
 * calls are kept.
 */


#include "ai_translate_request.h"


enum {
    AI_TR_CALL_ID = 0,
    AI_TR_CALL_TYPE,
    AI_TR_CALL_FUNCTION,
    AI_TR_CALL_EXTRA
};

static const ai_tr_member_t  ai_tr_call[] = {
    { ai_string("id"), AI_TR_STR },
    { ai_string("type"), AI_TR_STR },
    { ai_string("function"), AI_TR_OBJ },
    { ai_string("extra_content"), AI_TR_OBJ },
    { ai_string("index"), 0 }
};

static const ai_tr_member_t  ai_tr_function[] = {
    { ai_string("name"), AI_TR_STR },
    { ai_string("arguments"), AI_TR_STR }
};


/* Gemini's signature of a call, where Google's own OpenAI API puts it */

static ai_tr_value_t
ai_tr_signature(const ai_tr_value_t *extra)
{
    unsigned        i;
    ai_tr_list_t    list;
    ai_tr_value_t   key, v, found;

    static const char *const  path[] = { "google", "thought_signature" };

    found = *extra;

    for (i = 0; i < 2; i++) {

        if (found.type != AI_JSON_OBJECT) {
            found.type = 0;
            return found;
        }

        ai_tr_open(&list, found.data, found.len);
        found.type = 0;

        while (ai_tr_next(&list, &key, &v)) {
            key.type = AI_JSON_STRING;

            if (ai_tr_is(&key, path[i])) {
                found = v;
            }
        }
    }

    if (found.type != AI_JSON_STRING || found.len == 0) {
        found.type = 0;
    }

    return found;
}


unsigned
ai_tr_gemini_2(const ai_tr_t *tr)
{
    ai_str_t  name;

    name = *tr->want->model;

    if (name.len > 7 && memcmp(name.data, "models/", 7) == 0) {
        name.data += 7;
        name.len -= 7;
    }

    return name.len > 8 && (memcmp(name.data, "gemini-1", 8) == 0
                            || memcmp(name.data, "gemini-2", 8) == 0);
}


/*
 * Since Gemini 3 the first call of a turn must be signed; one that another
 * model made has the signature that Google has documented for it.
 */

static void
ai_tr_sign(ai_tr_t *tr, const ai_tr_value_t *extra)
{
    ai_tr_value_t  signature;

    signature = ai_tr_signature(extra);

    if (signature.type) {
        ai_tr_put(tr, ",\"thoughtSignature\":");
        ai_tr_string(tr, &signature);

    } else if (!tr->signature && !ai_tr_gemini_2(tr)) {
        ai_tr_put(tr, ",\"thoughtSignature\":"
                      "\"skip_thought_signature_validator\"");
    }

    tr->signature = 1;
}


static ai_tr_call_t *
ai_tr_new_call(ai_tr_t *tr, const ai_tr_value_t *id)
{
    ptrdiff_t      i, len;
    ai_char        c;
    ai_tr_call_t  *call;

    if (tr->ncalls == AI_TR_CALLS) {
        (void) ai_tr_decline(tr, "A message calls more than 128 functions.");
        return NULL;
    }

    call = &tr->calls[tr->ncalls];
    len = id->type ? ai_tr_text(id, call->id, AI_TR_ID) : 0;

    if (len <= 0) {
        (void) ai_tr_decline(tr, "A call's id is missing, longer than 128 "
                                 "bytes or not valid text.");
        return NULL;
    }

    call->len = (uint8_t) len;
    call->odd = 0;
    call->answered = 0;
    call->n = tr->numbered;

    for (i = 0; i < len; i++) {
        c = call->id[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '_' || c == '-'))
        {
            call->odd = 1;
        }
    }

    tr->ncalls++;
    tr->numbered++;

    return call;
}


static void
ai_tr_put_id(ai_tr_t *tr, const ai_tr_call_t *call)
{
    if (call->odd && !tr->gemini) {
        ai_tr_put(tr, "\"gateway_call_");
        ai_out_uint(tr->out, call->n);
        ai_tr_put(tr, "\"");
        return;
    }

    ai_out_json(tr->out, call->id, call->len);
}


static int
ai_tr_one_call(ai_tr_t *tr, ai_tr_list_t *list, unsigned object)
{
    ai_tr_call_t   *call;
    ai_tr_name_t    name;
    ai_tr_value_t   m[ai_tr_count(ai_tr_call)];
    ai_tr_value_t   f[ai_tr_count(ai_tr_function)];

    if (!object) {
        return ai_tr_decline(tr, "A call is not an object.");
    }

    if (ai_tr_inside(tr, list, ai_tr_call, ai_tr_count(ai_tr_call), m)
        != AI_OK)
    {
        return AI_DECLINED;
    }

    if (m[AI_TR_CALL_FUNCTION].type == 0
        || (m[AI_TR_CALL_TYPE].type
            && !ai_tr_is(&m[AI_TR_CALL_TYPE], "function")))
    {
        return ai_tr_decline(tr, "Only calls of functions can be translated "
                                 "for this provider.");
    }

    if (ai_tr_members(tr, &m[AI_TR_CALL_FUNCTION], ai_tr_function,
                      ai_tr_count(ai_tr_function), f) != AI_OK
        || ai_tr_name(tr, &f[0], &name) != AI_OK)
    {
        return AI_DECLINED;
    }

    ai_tr_block(tr, AI_TR_TURN_MODEL);

    call = ai_tr_new_call(tr, &m[AI_TR_CALL_ID]);

    if (call == NULL) {
        return AI_DECLINED;
    }

    call->name = f[0];

    ai_tr_put(tr, tr->gemini ? "{\"functionCall\":{\"id\":"
                             : "{\"type\":\"tool_use\",\"id\":");
    ai_tr_put_id(tr, call);
    ai_tr_put(tr, ",\"name\":");
    ai_tr_string(tr, &f[0]);
    ai_tr_put(tr, tr->gemini ? ",\"args\":" : ",\"input\":");

    if (ai_tr_arguments(tr, &f[1]) != AI_OK) {
        return AI_DECLINED;
    }

    ai_tr_put(tr, "}");

    if (tr->gemini) {
        ai_tr_sign(tr, &m[AI_TR_CALL_EXTRA]);
        ai_tr_put(tr, "}");
    }

    return AI_OK;
}


int
ai_tr_calls(ai_tr_t *tr, const ai_tr_value_t *v)
{
    unsigned      object;
    ai_tr_list_t  list;

    if (v->type == 0) {
        return AI_OK;
    }

    ai_tr_open(&list, v->data, v->len);

    while (ai_tr_enter(&list, &object)) {
        if (ai_tr_one_call(tr, &list, object) != AI_OK) {
            return AI_DECLINED;
        }
    }

    return AI_OK;
}


/* mostly results come in the order of their calls, and each comes once */

static ai_tr_call_t *
ai_tr_answered(ai_tr_t *tr, const ai_tr_value_t *id)
{
    unsigned       i, k;
    ptrdiff_t      len;
    ai_char        text[AI_TR_ID];
    ai_tr_call_t  *call;

    len = ai_tr_text(id, text, sizeof(text));

    for (i = 0; len > 0 && i < tr->ncalls; i++) {
        k = (tr->next + i) % tr->ncalls;
        call = &tr->calls[k];

        if (!call->answered && call->len == len
            && memcmp(call->id, text, (size_t) len) == 0)
        {
            call->answered = 1;
            tr->next = k + 1;

            return call;
        }
    }

    return NULL;
}


int
ai_tr_result(ai_tr_t *tr, const ai_tr_value_t *id,
    const ai_tr_value_t *content)
{
    ai_tr_call_t  *call;

    call = NULL;

    if (id->type && (tr->turn == AI_TR_TURN_MODEL
                     || tr->turn == AI_TR_TURN_RESULTS))
    {
        call = ai_tr_answered(tr, id);
    }

    if (call == NULL) {
        return ai_tr_decline(tr, "A tool's message must follow the message "
                                 "that called for it, once for each call.");
    }

    ai_tr_block(tr, AI_TR_TURN_RESULTS);

    ai_tr_put(tr, tr->gemini ? "{\"functionResponse\":{\"id\":"
                             : "{\"type\":\"tool_result\",\"tool_use_id\":");
    ai_tr_put_id(tr, call);

    if (tr->gemini) {
        ai_tr_put(tr, ",\"name\":");
        ai_tr_string(tr, &call->name);
        ai_tr_put(tr, ",\"response\":{\"output\":");

        if (content->type == 0) {
            ai_tr_put(tr, "\"\"");

        } else if (ai_tr_output(tr, content) != AI_OK) {
            return AI_DECLINED;
        }

        ai_tr_put(tr, "}}}");

        return AI_OK;
    }

    if (content->type == AI_JSON_ARRAY
        || (content->type && !ai_tr_blank(content)))
    {
        ai_tr_put(tr, ",\"content\":");

        if (ai_tr_output(tr, content) != AI_OK) {
            return AI_DECLINED;
        }
    }

    ai_tr_put(tr, "}");

    return AI_OK;
}
