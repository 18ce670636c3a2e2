
/*
 * A chat request in another dialect: the members of the request, and what
 * becomes of each.
 */


#include "ai_translate_request.h"


/* what becomes of a member that asks for something */

#define AI_TR_SEND     0        /* it is translated */
#define AI_TR_DROP     1        /* the answer keeps its meaning without it */
#define AI_TR_REFUSE   2        /* there is nothing like it */

/* values that ask for nothing; null never does */

#define AI_TR_FALSE    1
#define AI_TR_TRUE     2
#define AI_TR_ZERO     4
#define AI_TR_ONE      8
#define AI_TR_EMPTY    16       /* "", [] or {} */
#define AI_TR_TEXT     32       /* ["text"] */


typedef struct {
    ai_str_t     name;
    uint8_t      anthropic;
    uint8_t      gemini;
    uint8_t      neutral;
    unsigned     types;         /* of what is translated */
    const char  *error;         /* of what is refused */
} ai_tr_row_t;


#define AI_TEXT_CHOICES                                                      \
    "This provider gives one choice a request."
#define AI_TEXT_PENALTY                                                      \
    "This provider has no penalties."
#define AI_TEXT_PARALLEL                                                     \
    "This provider may always call several functions at once."
#define AI_TEXT_LOGPROBS                                                     \
    "This provider's log probabilities are not translated."
#define AI_TEXT_BIAS                                                         \
    "This provider has other tokens, which cannot be biased."
#define AI_TEXT_AUDIO                                                        \
    "Only text is asked of this provider."
#define AI_TEXT_SEARCH                                                       \
    "This provider's own web search is not translated."
#define AI_TEXT_MODERATION                                                   \
    "This provider does not moderate with a model of the request's choice."
#define AI_TEXT_FUNCTIONS                                                    \
    "Only tools and tool_choice are translated for this provider."


/*
 * README.md, "Translation", is this table; t/translate_table.t compares them.
 * Those of ai_tr_kept_t come first, in its order.
 */

static const ai_tr_row_t  ai_tr_rows[] = {
    { ai_string("messages"), AI_TR_SEND, AI_TR_SEND, 0, AI_TR_ARR, NULL },
    { ai_string("max_tokens"), AI_TR_SEND, AI_TR_SEND, 0, AI_TR_NUM, NULL },
    { ai_string("max_completion_tokens"), AI_TR_SEND, AI_TR_SEND, 0,
      AI_TR_NUM, NULL },
    { ai_string("temperature"), AI_TR_SEND, AI_TR_SEND, 0, AI_TR_NUM, NULL },
    { ai_string("top_p"), AI_TR_SEND, AI_TR_SEND, 0, AI_TR_NUM, NULL },
    { ai_string("top_k"), AI_TR_SEND, AI_TR_SEND, 0, AI_TR_NUM, NULL },
    { ai_string("stop"), AI_TR_SEND, AI_TR_SEND, AI_TR_EMPTY,
      AI_TR_STR|AI_TR_ARR, NULL },
    { ai_string("n"), AI_TR_REFUSE, AI_TR_SEND, AI_TR_ONE, AI_TR_NUM,
      AI_TEXT_CHOICES },
    { ai_string("seed"), AI_TR_DROP, AI_TR_SEND, 0, AI_TR_NUM, NULL },
    { ai_string("presence_penalty"), AI_TR_REFUSE, AI_TR_SEND, AI_TR_ZERO,
      AI_TR_NUM, AI_TEXT_PENALTY },
    { ai_string("frequency_penalty"), AI_TR_REFUSE, AI_TR_SEND, AI_TR_ZERO,
      AI_TR_NUM, AI_TEXT_PENALTY },
    { ai_string("tools"), AI_TR_SEND, AI_TR_SEND, AI_TR_EMPTY, AI_TR_ARR,
      NULL },
    { ai_string("tool_choice"), AI_TR_SEND, AI_TR_SEND, 0,
      AI_TR_STR|AI_TR_OBJ, NULL },
    { ai_string("parallel_tool_calls"), AI_TR_SEND, AI_TR_REFUSE, AI_TR_TRUE,
      AI_TR_BOOL, AI_TEXT_PARALLEL },
    { ai_string("response_format"), AI_TR_SEND, AI_TR_SEND, 0, AI_TR_OBJ,
      NULL },
    { ai_string("reasoning_effort"), AI_TR_SEND, AI_TR_SEND, 0, AI_TR_STR,
      NULL },
    { ai_string("service_tier"), AI_TR_SEND, AI_TR_SEND, 0, AI_TR_STR, NULL },
    { ai_string("safety_identifier"), AI_TR_SEND, AI_TR_DROP, 0, AI_TR_STR,
      NULL },
    { ai_string("user"), AI_TR_SEND, AI_TR_DROP, 0, AI_TR_STR, NULL },

    /* of the target, not of the request */
    { ai_string("model"), AI_TR_DROP, AI_TR_DROP, 0, 0, NULL },
    { ai_string("stream"), AI_TR_DROP, AI_TR_DROP, 0, 0, NULL },
    { ai_string("stream_options"), AI_TR_DROP, AI_TR_DROP, 0, 0, NULL },

    { ai_string("metadata"), AI_TR_DROP, AI_TR_DROP, 0, 0, NULL },
    { ai_string("store"), AI_TR_DROP, AI_TR_DROP, 0, 0, NULL },
    { ai_string("prediction"), AI_TR_DROP, AI_TR_DROP, 0, 0, NULL },
    { ai_string("verbosity"), AI_TR_DROP, AI_TR_DROP, 0, 0, NULL },
    { ai_string("prompt_cache_key"), AI_TR_DROP, AI_TR_DROP, 0, 0, NULL },
    { ai_string("prompt_cache_options"), AI_TR_DROP, AI_TR_DROP, 0, 0, NULL },
    { ai_string("prompt_cache_retention"), AI_TR_DROP, AI_TR_DROP, 0, 0,
      NULL },

    { ai_string("logprobs"), AI_TR_REFUSE, AI_TR_REFUSE, AI_TR_FALSE, 0,
      AI_TEXT_LOGPROBS },
    { ai_string("top_logprobs"), AI_TR_REFUSE, AI_TR_REFUSE, AI_TR_ZERO, 0,
      AI_TEXT_LOGPROBS },
    { ai_string("logit_bias"), AI_TR_REFUSE, AI_TR_REFUSE, AI_TR_EMPTY, 0,
      AI_TEXT_BIAS },
    { ai_string("modalities"), AI_TR_REFUSE, AI_TR_REFUSE, AI_TR_TEXT, 0,
      AI_TEXT_AUDIO },
    { ai_string("audio"), AI_TR_REFUSE, AI_TR_REFUSE, 0, 0, AI_TEXT_AUDIO },
    { ai_string("web_search_options"), AI_TR_REFUSE, AI_TR_REFUSE, 0, 0,
      AI_TEXT_SEARCH },
    { ai_string("moderation"), AI_TR_REFUSE, AI_TR_REFUSE, 0, 0,
      AI_TEXT_MODERATION },
    { ai_string("functions"), AI_TR_REFUSE, AI_TR_REFUSE, AI_TR_EMPTY, 0,
      AI_TEXT_FUNCTIONS },
    { ai_string("function_call"), AI_TR_REFUSE, AI_TR_REFUSE, 0, 0,
      AI_TEXT_FUNCTIONS }
};

#define AI_TR_ROWS  ai_tr_count(ai_tr_rows)


int
ai_translate_route(ai_route_t *to, const ai_route_t *from, ai_dialect_t api,
    unsigned stream)
{
    if (from->ep != AI_EP_CHAT
        || (api != AI_DIALECT_ANTHROPIC && api != AI_DIALECT_GEMINI))
    {
        return AI_DECLINED;
    }

    memset(to, 0, sizeof(ai_route_t));

    to->dialect = api;
    to->ep = AI_EP_MESSAGES;

    if (api == AI_DIALECT_GEMINI) {
        to->ep = stream ? AI_EP_STREAM_GENERATE : AI_EP_GENERATE;
        to->sse = stream ? 1 : 0;
    }

    return AI_OK;
}


/* whether an array or object has nothing in it, or nothing but "text" */

static unsigned
ai_tr_only(const ai_tr_value_t *v, const char *word)
{
    ai_tr_list_t   list;
    ai_tr_value_t  key, element;

    ai_tr_open(&list, v->data, v->len);

    while (ai_tr_next(&list, &key, &element)) {
        if (word == NULL || !ai_tr_is(&element, word)) {
            return 0;
        }
    }

    return 1;
}


static unsigned
ai_tr_neutral(const ai_tr_value_t *v, unsigned neutral)
{
    uint64_t       n;
    ai_tr_value_t  number;

    switch (v->type) {

    case AI_JSON_NULL:
        return 1;

    case AI_JSON_FALSE:
        return (neutral & AI_TR_FALSE) != 0;

    case AI_JSON_TRUE:
        return (neutral & AI_TR_TRUE) != 0;

    case AI_JSON_NUMBER:
        number = *v;

        if (number.data[0] == '-') {        /* a negative zero */
            number.data++;
            number.len--;
        }

        if (ai_tr_millionths(&number, &n) != AI_OK) {
            return 0;
        }

        return ((neutral & AI_TR_ZERO) && n == 0)
               || ((neutral & AI_TR_ONE) && n == 1000000);

    case AI_JSON_STRING:
        return (neutral & AI_TR_EMPTY) && v->len == 0;

    case AI_JSON_ARRAY:
        return ((neutral & AI_TR_EMPTY) && ai_tr_only(v, NULL))
               || ((neutral & AI_TR_TEXT) && ai_tr_only(v, "text"));

    default:
        return (neutral & AI_TR_EMPTY) && ai_tr_only(v, NULL);
    }
}


static int
ai_tr_row(ai_tr_t *tr, unsigned i, const ai_tr_value_t *v)
{
    unsigned            what;
    const ai_tr_row_t  *row;

    row = &ai_tr_rows[i];
    what = tr->gemini ? row->gemini : row->anthropic;

    if (what == AI_TR_DROP || ai_tr_neutral(v, row->neutral)) {
        return AI_OK;
    }

    tr->member = (const char *) row->name.data;

    if (what == AI_TR_REFUSE) {
        return ai_tr_decline(tr, row->error);
    }

    if (!(row->types & 1u << v->type)) {
        return ai_tr_decline(tr, "This member's value is of a wrong type.");
    }

    tr->kept[i] = *v;

    return AI_OK;
}


static int
ai_tr_read(ai_tr_t *tr, const ai_char *body, size_t len)
{
    unsigned       i;
    uint64_t       seen;
    ai_tr_list_t   list;
    ai_tr_value_t  key, v;

    seen = 0;
    key.type = 0;

    ai_tr_open(&list, body, len);

    while (ai_tr_next(&list, &key, &v) && key.type == AI_JSON_KEY) {

        i = ai_tr_find(&key, ai_tr_rows, sizeof(ai_tr_row_t), AI_TR_ROWS);

        if (i == AI_TR_ROWS) {

            if (v.type == AI_JSON_NULL) {
                continue;
            }

            tr->member = NULL;

            return ai_tr_decline(tr, "The request has a member that cannot "
                                     "be translated for this provider.");
        }

        if (seen & (uint64_t) 1 << i) {
            tr->member = (const char *) ai_tr_rows[i].name.data;
            return ai_tr_decline(tr, "This member is given more than once.");
        }

        seen |= (uint64_t) 1 << i;

        if (ai_tr_row(tr, i, &v) != AI_OK) {
            return AI_DECLINED;
        }
    }

    return AI_OK;
}


static int
ai_tr_body(ai_tr_t *tr)
{
    if (tr->gemini) {
        ai_tr_put(tr, "{");

    } else {
        ai_tr_put(tr, "{\"model\":");
        ai_out_json(tr->out, tr->want->model->data, tr->want->model->len);
        ai_tr_put(tr, tr->want->stream ? ",\"stream\":true," : ",");
    }

    if (ai_tr_messages(tr) != AI_OK || ai_tr_tools(tr) != AI_OK) {
        return AI_DECLINED;
    }

    if ((tr->gemini ? ai_tr_gemini_options(tr)
                    : ai_tr_anthropic_options(tr)) != AI_OK)
    {
        return AI_DECLINED;
    }

    ai_tr_put(tr, "}");

    return AI_OK;
}


int
ai_translate_request(ai_out_t *out, const ai_translate_want_t *want,
    const ai_char *body, size_t len, const char **param, const char **error)
{
    ai_tr_t  tr;

    /* the tables are filled before they are looked into */

    memset(&tr, 0, offsetof(ai_tr_t, calls));

    tr.choice = AI_TR_CHOICE_AUTO;
    tr.ntools = 0;
    tr.nnames = 0;

    tr.out = out;
    tr.want = want;
    tr.gemini = (want->api == AI_DIALECT_GEMINI);

    *param = NULL;
    *error = NULL;

    if (ai_tr_read(&tr, body, len) != AI_OK || ai_tr_body(&tr) != AI_OK) {
        *param = tr.param;
        *error = tr.error;
        return AI_DECLINED;
    }

    return out->failed ? AI_ERROR : AI_OK;
}
