
/*
 * What is done with the members of a request that more than one dialect has.
 */


#include <strings.h>
#include "ai_request_priv.h"


#define AI_CAP_MAX    INT32_MAX /* so that cap x choices fits */
#define AI_COUNT_MAX  65536


const char *
ai_name_decode(ai_char dst[AI_MODEL_LEN], size_t *dlen, const ai_char *data,
    size_t len, unsigned escaped)
{
    size_t          n;
    ptrdiff_t       size;
    const ai_char  *p, *end;

    *dlen = 0;

    if (len == 0) {
        return "A model's name must not be empty.";
    }

    if (escaped) {
        size = ai_json_unescape(dst, AI_MODEL_LEN, data, len);

    } else {
        size = len <= AI_MODEL_LEN ? (ptrdiff_t) len : AI_ERROR;

        if (size != AI_ERROR) {
            memcpy(dst, data, len);
        }
    }

    if (size == AI_ERROR) {
        return "This model's name is too long or not valid text.";
    }

    end = dst + size;

    for (p = dst; p < end; p += n) {
        n = *p < 0x80 ? 1 : ai_utf8_len(p, end);

        if (n == 0 || *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) {
            return "A model's name must not hold control characters.";
        }
    }

    *dlen = (size_t) size;

    return NULL;
}


int
ai_take_model(ai_scan_t *sc, const ai_member_t *m, const ai_json_token_t *tok)
{
    const char    *text;
    ai_request_t  *rq;

    rq = sc->rq;

    text = ai_name_decode(rq->model_name, &rq->model_len, tok->data, tok->len,
                          tok->escaped);
    if (text) {
        return ai_scan_refuse(sc, m, text);
    }

    rq->model = ai_scan_span(sc, tok);

    /* OpenRouter's way to turn its own web search on */

    if (rq->model_len > 7
        && memcmp(rq->model_name + rq->model_len - 7, ":online", 7) == 0)
    {
        rq->unbounded |= AI_UNBOUNDED_TOOLS;
    }

    return AI_OK;
}


/* one more model that the provider would use */

static int
ai_scan_named(ai_scan_t *sc, const ai_member_t *m, const ai_char *data,
    size_t len)
{
    size_t         n;
    unsigned       i;
    const char    *text;
    ai_request_t  *rq;

    rq = sc->rq;

    if (rq->nnamed == AI_NAMED_MAX) {
        return ai_scan_refuse(sc, m, "Too many models are named.");
    }

    text = ai_name_decode(rq->named[rq->nnamed].name, &n, data, len, 1);

    if (text) {
        return ai_scan_refuse(sc, m, text);
    }

    for (i = 0; i < rq->nnamed; i++) {
        if (rq->named[i].len == n
            && memcmp(rq->named[i].name, rq->named[rq->nnamed].name, n) == 0)
        {
            return AI_OK;
        }
    }

    rq->named[rq->nnamed++].len = n;

    return AI_OK;
}


int
ai_take_named(ai_scan_t *sc, const ai_member_t *m, const ai_json_token_t *tok)
{
    if (tok->type != AI_JSON_STRING) {
        return AI_OK;
    }

    return ai_scan_named(sc, m, tok->data, tok->len);
}


int
ai_take_fallbacks(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    if (tok->type == AI_JSON_STRING && !sc->element) {
        return ai_scan_refuse(sc, m, "Fallbacks must name their models.");
    }

    return ai_take_named(sc, m, tok);
}


int
ai_take_cap(ai_scan_t *sc, const ai_member_t *m, const ai_json_token_t *tok)
{
    uint64_t       n;
    ai_request_t  *rq;

    rq = sc->rq;

    if (rq->cap.len && tok->type == AI_JSON_NULL) {
        return AI_OK;
    }

    if (rq->max_output != -1) {
        return ai_scan_refuse(sc, m, "Two caps of the output are given.");
    }

    if (tok->type == AI_JSON_NUMBER) {

        if (ai_json_uint(tok->data, tok->len, &n) != AI_OK) {
            return ai_scan_refuse(sc, m, "This member must be a whole number "
                                         "that is not negative.");
        }

        if (n > AI_CAP_MAX) {
            return ai_scan_refuse(sc, m, "This number is too large.");
        }

        rq->max_output = (int64_t) n;
    }

    rq->cap = ai_scan_span(sc, tok);
    rq->cap_completion = ai_str_is(&m->name, "max_completion_tokens");

    return AI_OK;
}


int
ai_take_count(ai_scan_t *sc, const ai_member_t *m, const ai_json_token_t *tok)
{
    uint64_t  n;

    if (ai_json_uint(tok->data, tok->len, &n) != AI_OK || n == 0) {
        return ai_scan_refuse(sc, m, "This member must be a whole number "
                                     "above zero.");
    }

    if (n > AI_COUNT_MAX) {
        return ai_scan_refuse(sc, m, "This number is too large.");
    }

    if (ai_str_is(&m->name, "best_of")) {
        sc->best_of = n;

    } else {
        sc->n = n;
    }

    return AI_OK;
}


int
ai_take_stream(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    (void) m;

    sc->rq->stream = (tok->type == AI_JSON_TRUE);

    return AI_OK;
}


int
ai_take_tier(ai_scan_t *sc, const ai_member_t *m, const ai_json_token_t *tok)
{
    (void) m;

    sc->rq->service_tier.len = tok->len;
    sc->rq->service_tier.data = (ai_char *) tok->data;

    return AI_OK;
}


static unsigned
ai_scan_is_off(ai_scan_t *sc, const ai_json_token_t *tok)
{
    return tok->type == AI_JSON_NULL || tok->type == AI_JSON_FALSE
           || (tok->type == AI_JSON_ARRAY && ai_scan_empty(sc));
}


int
ai_take_refused(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    if (ai_scan_is_off(sc, tok)) {
        return AI_OK;
    }

    return ai_scan_refuse(sc, m, m->text ? m->text : AI_TEXT_STATE);
}


int
ai_take_hosted(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    (void) m;

    if (!ai_scan_is_off(sc, tok)) {
        sc->rq->unbounded |= AI_UNBOUNDED_TOOLS;
    }

    return AI_OK;
}


static unsigned
ai_scan_is_data_url(const ai_json_token_t *tok)
{
    return tok->len >= 5
           && (tok->data[0] | 0x20) == 'd' && (tok->data[1] | 0x20) == 'a'
           && (tok->data[2] | 0x20) == 't' && (tok->data[3] | 0x20) == 'a'
           && tok->data[4] == ':';
}


int
ai_take_url(ai_scan_t *sc, const ai_member_t *m, const ai_json_token_t *tok)
{
    if (tok->type != AI_JSON_STRING) {
        return AI_OK;
    }

    if (ai_scan_is_data_url(tok)) {
        return ai_take_media(sc, m, tok);
    }

    sc->rq->unbounded |= AI_UNBOUNDED_REMOTE;

    return AI_OK;
}


int
ai_take_media(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    (void) m;

    if (tok->type == AI_JSON_STRING) {
        sc->rq->media++;
        sc->rq->media_bytes += tok->len;
    }

    return AI_OK;
}


int
ai_take_data(ai_scan_t *sc, const ai_member_t *m, const ai_json_token_t *tok)
{
    size_t  i;

    if (tok->type != AI_JSON_STRING || ai_scan_is_data_url(tok)) {
        return ai_take_media(sc, m, tok);
    }

    /* base64 has no colon, and PHP escapes its slashes, but not as \u */

    for (i = 0; i < tok->len && i < 64; i++) {
        if (tok->data[i] == ':'
            || (tok->data[i] == 'u' && i && tok->data[i - 1] == '\\'))
        {
            sc->rq->unbounded |= AI_UNBOUNDED_REMOTE;
            return AI_OK;
        }
    }

    return ai_take_media(sc, m, tok);
}


int
ai_take_image_type(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    ptrdiff_t  len;
    ai_char    type[128];

    (void) m;

    if (tok->type != AI_JSON_STRING) {
        return AI_OK;
    }

    len = ai_json_unescape(type, sizeof(type), tok->data, tok->len);

    if (len >= 5 && strncasecmp((char *) type, "image", 5) == 0
        && (len == 5 || type[5] == '/'))
    {
        sc->rq->pictures = 1;
    }

    return AI_OK;
}


int
ai_tool_enter(ai_scan_t *sc)
{
    sc->rq->tools = 1;

    memset(sc->tool, 0, sizeof(ai_tool_t));

    return AI_OK;
}


int
ai_take_tool_type(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    ptrdiff_t  len;

    len = ai_json_unescape(sc->tool->type, sizeof(sc->tool->type), tok->data,
                           tok->len);
    if (len <= 0) {
        return ai_scan_refuse(sc, m, "This is not the type of a tool.");
    }

    sc->tool->type_len = (size_t) len;

    return AI_OK;
}


int
ai_take_tool_uses(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    if (ai_json_uint(tok->data, tok->len, &sc->tool->max_uses) != AI_OK
        || sc->tool->max_uses > AI_COUNT_MAX)
    {
        return ai_scan_refuse(sc, m, "This member must be a whole number "
                                     "that is not negative.");
    }

    return AI_OK;
}


int
ai_take_tool_model(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok)
{
    (void) m;

    if (tok->type == AI_JSON_STRING) {
        sc->tool->model.len = tok->len;
        sc->tool->model.data = (ai_char *) tok->data;
    }

    return AI_OK;
}


int
ai_tool_hosted(ai_scan_t *sc)
{
    ai_tool_t                 *t;
    static const ai_member_t   model =
        { ai_string("tools[].parameters.model"), 0, NULL, NULL, NULL };

    t = sc->tool;

    sc->rq->unbounded |= AI_UNBOUNDED_TOOLS;

    if (ai_tool_begins(t, "web_search")) {
        sc->rq->searches += t->max_uses;
    }

    if (t->model.len) {
        return ai_scan_named(sc, &model, t->model.data, t->model.len);
    }

    return AI_OK;
}
