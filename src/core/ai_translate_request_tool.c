
/*
 * Functions that the model may call, and whether it must.
 */


#include "ai_translate_request.h"


static const ai_tr_member_t  ai_tr_tool[] = {
    { ai_string("type"), AI_TR_STR },
    { ai_string("function"), AI_TR_OBJ },
    { ai_string("cache_control"), 0 }
};

enum {
    AI_TR_FUNCTION_NAME = 0,
    AI_TR_FUNCTION_TEXT,
    AI_TR_FUNCTION_SCHEMA,
    AI_TR_FUNCTION_STRICT
};

static const ai_tr_member_t  ai_tr_declared[] = {
    { ai_string("name"), AI_TR_STR },
    { ai_string("description"), AI_TR_STR },
    { ai_string("parameters"), AI_TR_OBJ },
    { ai_string("strict"), AI_TR_BOOL }
};

static const ai_tr_member_t  ai_tr_choice[] = {
    { ai_string("type"), AI_TR_STR },
    { ai_string("function"), AI_TR_OBJ },
    { ai_string("allowed_tools"), AI_TR_OBJ }
};

/* a whole definition may stand where a name is enough */

static const ai_tr_member_t  ai_tr_named[] = {
    { ai_string("name"), AI_TR_STR },
    { ai_string("description"), 0 },
    { ai_string("parameters"), 0 },
    { ai_string("strict"), 0 }
};

static const ai_tr_member_t  ai_tr_allowed[] = {
    { ai_string("mode"), AI_TR_STR },
    { ai_string("tools"), AI_TR_ARR }
};

#define AI_TEXT_CHOICE                                                       \
    "This choice of tools cannot be translated for this provider."


static int
ai_tr_add_name(ai_tr_t *tr, const ai_tr_value_t *function)
{
    ai_tr_value_t  m[ai_tr_count(ai_tr_named)];

    if (function->type == 0) {
        return ai_tr_decline(tr, AI_TEXT_CHOICE);
    }

    if (tr->nnames == AI_TR_TOOLS) {
        return ai_tr_decline(tr, "More than 128 tools are named.");
    }

    if (ai_tr_members(tr, function, ai_tr_named, ai_tr_count(ai_tr_named), m)
        != AI_OK)
    {
        return AI_DECLINED;
    }

    return ai_tr_name(tr, &m[0], &tr->names[tr->nnames++]);
}


static int
ai_tr_read_allowed(ai_tr_t *tr, const ai_tr_value_t *v)
{
    ai_tr_list_t   list;
    ai_tr_value_t  m[ai_tr_count(ai_tr_allowed)], key, tool;
    ai_tr_value_t  t[ai_tr_count(ai_tr_tool)];

    if (v->type == 0) {
        return ai_tr_decline(tr, AI_TEXT_CHOICE);
    }

    if (ai_tr_members(tr, v, ai_tr_allowed, ai_tr_count(ai_tr_allowed), m)
        != AI_OK)
    {
        return AI_DECLINED;
    }

    if (m[1].type == 0) {
        return ai_tr_decline(tr, AI_TEXT_CHOICE);
    }

    tr->choice = AI_TR_CHOICE_ALLOWED;

    if (ai_tr_is(&m[0], "required")) {
        tr->choice = AI_TR_CHOICE_ALLOWED_REQUIRED;

    } else if (!ai_tr_is(&m[0], "auto")) {
        return ai_tr_decline(tr, AI_TEXT_CHOICE);
    }

    ai_tr_open(&list, m[1].data, m[1].len);

    while (ai_tr_next(&list, &key, &tool)) {

        if (tool.type != AI_JSON_OBJECT) {
            return ai_tr_decline(tr, AI_TEXT_CHOICE);
        }

        if (ai_tr_members(tr, &tool, ai_tr_tool, ai_tr_count(ai_tr_tool), t)
            != AI_OK)
        {
            return AI_DECLINED;
        }

        if (!ai_tr_is(&t[0], "function")) {
            return ai_tr_decline(tr, AI_TEXT_CHOICE);
        }

        if (ai_tr_add_name(tr, &t[1]) != AI_OK) {
            return AI_DECLINED;
        }
    }

    return tr->nnames ? AI_OK : ai_tr_decline(tr, AI_TEXT_CHOICE);
}


static int
ai_tr_read_choice(ai_tr_t *tr, const ai_tr_value_t *v)
{
    int            word;
    ai_tr_value_t  m[ai_tr_count(ai_tr_choice)];

    static const char *const  words[] = { "auto", "none", "required", NULL };

    if (v->type == 0) {
        return AI_OK;
    }

    tr->member = "tool_choice";

    if (v->type == AI_JSON_STRING) {
        word = ai_tr_word(v, words);

        if (word == -1) {
            return ai_tr_decline(tr, AI_TEXT_CHOICE);
        }

        tr->choice = (ai_tr_choice_t) word;

        return AI_OK;
    }

    if (ai_tr_members(tr, v, ai_tr_choice, ai_tr_count(ai_tr_choice), m)
        != AI_OK)
    {
        return AI_DECLINED;
    }

    if (ai_tr_is(&m[0], "function")) {
        tr->choice = AI_TR_CHOICE_NAMED;
        return ai_tr_add_name(tr, &m[1]);
    }

    if (ai_tr_is(&m[0], "allowed_tools")) {
        return ai_tr_read_allowed(tr, &m[2]);
    }

    return ai_tr_decline(tr, AI_TEXT_CHOICE);
}


static unsigned
ai_tr_is_allowed(const ai_tr_t *tr, const ai_tr_name_t *name)
{
    unsigned  i;

    for (i = 0; i < tr->nnames; i++) {
        if (tr->names[i].len == name->len
            && memcmp(tr->names[i].text, name->text, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static int
ai_tr_read_tool(ai_tr_t *tr, const ai_tr_value_t *v, ai_tr_value_t *f,
    ai_tr_name_t *name)
{
    ai_tr_value_t  m[ai_tr_count(ai_tr_tool)];

    if (v->type != AI_JSON_OBJECT) {
        return ai_tr_decline(tr, "A tool is not an object.");
    }

    if (ai_tr_members(tr, v, ai_tr_tool, ai_tr_count(ai_tr_tool), m)
        != AI_OK)
    {
        return AI_DECLINED;
    }

    if (!ai_tr_is(&m[0], "function") || m[1].type == 0) {
        return ai_tr_decline(tr, "Only functions can be translated for this "
                                 "provider.");
    }

    if (ai_tr_members(tr, &m[1], ai_tr_declared, ai_tr_count(ai_tr_declared),
                      f) != AI_OK)
    {
        return AI_DECLINED;
    }

    return ai_tr_name(tr, &f[AI_TR_FUNCTION_NAME], name);
}


/* Anthropic wants a schema, also of a function without parameters */

static int
ai_tr_put_schema(ai_tr_t *tr, const ai_tr_value_t *schema)
{
    unsigned       empty;
    ai_tr_list_t   list;
    ai_tr_value_t  key, v;

    empty = 1;

    if (schema->type) {
        ai_tr_open(&list, schema->data, schema->len);
        empty = !ai_tr_next(&list, &key, &v);
    }

    if (!empty) {
        ai_tr_put(tr, tr->gemini ? ",\"parametersJsonSchema\":"
                                 : ",\"input_schema\":");
        return ai_tr_copy(tr, schema);
    }

    if (!tr->gemini) {
        ai_tr_put(tr, ",\"input_schema\":{\"type\":\"object\","
                      "\"properties\":{}}");
    }

    return AI_OK;
}


static int
ai_tr_put_tool(ai_tr_t *tr, const ai_tr_value_t *f)
{
    if (tr->ntools++ == 0) {
        ai_tr_put(tr, tr->gemini ? ",\"tools\":[{\"functionDeclarations\":["
                                 : ",\"tools\":[");
    } else {
        ai_tr_put(tr, ",");
    }

    ai_tr_put(tr, "{\"name\":");
    ai_tr_string(tr, &f[AI_TR_FUNCTION_NAME]);

    if (f[AI_TR_FUNCTION_TEXT].len) {
        ai_tr_put(tr, ",\"description\":");
        ai_tr_string(tr, &f[AI_TR_FUNCTION_TEXT]);
    }

    if (ai_tr_put_schema(tr, &f[AI_TR_FUNCTION_SCHEMA]) != AI_OK) {
        return AI_DECLINED;
    }

    if (f[AI_TR_FUNCTION_STRICT].type == AI_JSON_TRUE) {
        tr->strict = 1;
        ai_tr_put(tr, tr->gemini ? "" : ",\"strict\":true");
    }

    ai_tr_put(tr, "}");

    return AI_OK;
}


static void
ai_tr_anthropic_choice(ai_tr_t *tr)
{
    unsigned  single;

    single = (tr->kept[AI_TR_PARALLEL_TOOL_CALLS].type == AI_JSON_FALSE);

    switch (tr->choice) {

    case AI_TR_CHOICE_NONE:
        ai_tr_put(tr, ",\"tool_choice\":{\"type\":\"none\"}");
        return;

    case AI_TR_CHOICE_REQUIRED:
    case AI_TR_CHOICE_ALLOWED_REQUIRED:
        ai_tr_put(tr, ",\"tool_choice\":{\"type\":\"any\"");
        break;

    case AI_TR_CHOICE_NAMED:
        ai_tr_put(tr, ",\"tool_choice\":{\"type\":\"tool\",\"name\":");
        ai_out_json(tr->out, tr->names[0].text, tr->names[0].len);
        break;

    default:

        if (!single) {
            return;
        }

        ai_tr_put(tr, ",\"tool_choice\":{\"type\":\"auto\"");
    }

    ai_tr_put(tr, single ? ",\"disable_parallel_tool_use\":true}" : "}");
}


/* only some modes make Gemini keep to the schemas */

static void
ai_tr_gemini_choice(ai_tr_t *tr)
{
    unsigned  i;

    static const char *const  modes[] = {
        "AUTO", "NONE", "ANY", "ANY", "VALIDATED", "ANY"
    };

    if (tr->choice == AI_TR_CHOICE_AUTO && !tr->strict) {
        return;
    }

    ai_tr_put(tr, ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"");
    ai_tr_put(tr, tr->choice == AI_TR_CHOICE_AUTO ? "VALIDATED"
                                                  : modes[tr->choice]);
    ai_tr_put(tr, "\"");

    for (i = 0; i < tr->nnames; i++) {
        ai_tr_put(tr, i ? "," : ",\"allowedFunctionNames\":[");
        ai_out_json(tr->out, tr->names[i].text, tr->names[i].len);
    }

    ai_tr_put(tr, tr->nnames ? "]}}" : "}}");
}


/*
 * Anthropic gets just the functions that are allowed: there is no choice among
 * some.
 */

int
ai_tr_tools(ai_tr_t *tr)
{
    unsigned       n, filter;
    ai_tr_list_t   list;
    ai_tr_name_t   name;
    ai_tr_value_t  key, v, f[ai_tr_count(ai_tr_declared)];

    if (ai_tr_read_choice(tr, &tr->kept[AI_TR_TOOL_CHOICE]) != AI_OK) {
        return AI_DECLINED;
    }

    filter = (!tr->gemini && tr->choice >= AI_TR_CHOICE_ALLOWED);
    v = tr->kept[AI_TR_TOOLS_MEMBER];

    if (v.type) {
        tr->member = "tools";
        ai_tr_open(&list, v.data, v.len);

        for (n = 0; ai_tr_next(&list, &key, &v); n++) {

            if (n == AI_TR_TOOLS) {
                return ai_tr_decline(tr, "There are more than 128 tools.");
            }

            if (ai_tr_read_tool(tr, &v, f, &name) != AI_OK) {
                return AI_DECLINED;
            }

            if (filter && !ai_tr_is_allowed(tr, &name)) {
                continue;
            }

            if (ai_tr_put_tool(tr, f) != AI_OK) {
                return AI_DECLINED;
            }
        }
    }

    if (tr->ntools == 0) {
        tr->member = "tool_choice";

        return tr->choice <= AI_TR_CHOICE_NONE
               ? AI_OK
               : ai_tr_decline(tr, "There is no tool to choose.");
    }

    ai_tr_put(tr, tr->gemini ? "]}]" : "]");

    if (tr->gemini) {
        ai_tr_gemini_choice(tr);

    } else {
        ai_tr_anthropic_choice(tr);
    }

    return AI_OK;
}
