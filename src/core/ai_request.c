
/*
 * One strict scan of a request's body.
 */


#include "ai_request_priv.h"


static const ai_level_t *const  ai_request_levels[AI_EP_N] = {
    [AI_EP_CHAT] = &ai_level_chat,
    [AI_EP_COMPLETIONS] = &ai_level_completions,
    [AI_EP_RESPONSES] = &ai_level_responses,
    [AI_EP_EMBEDDINGS] = &ai_level_embeddings,
    [AI_EP_MODERATIONS] = &ai_level_moderations,
    [AI_EP_IMAGES] = &ai_level_images,
    [AI_EP_SPEECH] = &ai_level_speech,
    [AI_EP_MESSAGES] = &ai_level_messages,
    [AI_EP_MESSAGES_COUNT] = &ai_level_messages,
    [AI_EP_GENERATE] = &ai_level_generate,
    [AI_EP_STREAM_GENERATE] = &ai_level_generate,
    [AI_EP_EMBED] = &ai_level_embed,
    [AI_EP_BATCH_EMBED] = &ai_level_batch_embed,
    [AI_EP_COUNT_TOKENS] = &ai_level_count_tokens
};


int
ai_scan_refuse(ai_scan_t *sc, const ai_member_t *m, const char *text)
{
    sc->rq->status = 400;
    sc->rq->param = m ? (const char *) m->name.data : NULL;
    sc->rq->error = text;

    return AI_ERROR;
}


unsigned
ai_scan_empty(const ai_scan_t *sc)
{
    const ai_char  *p;

    for (p = sc->pos; p < sc->end; p++) {
        if (*p != ' ' && *p != '\t' && *p != '\r' && *p != '\n') {
            return *p == ']' || *p == '}';
        }
    }

    return 0;
}


ai_span_t
ai_scan_span(const ai_scan_t *sc, const ai_json_token_t *tok)
{
    ai_span_t  span;

    span.pos = (size_t) (tok->data - sc->body);
    span.len = tok->len;

    if (tok->type == AI_JSON_STRING) {
        span.pos -= 1;
        span.len += 2;
    }

    return span;
}


static const char *
ai_scan_type_text(unsigned types)
{
    switch (types & ~AI_M_NULL) {

    case AI_M_STR:
        return "This member must be a string.";

    case AI_M_NUM:
        return "This member must be a number.";

    case AI_M_BOOL:
        return "This member must be true or false.";

    case AI_M_OBJ:
        return "This member must be an object.";

    case AI_M_ARR:
        return "This member must be an array.";
    }

    return "This member's value is of a wrong type.";
}


static int
ai_scan_key(ai_scan_t *sc, const ai_json_token_t *tok)
{
    int                 rc;
    unsigned            bit;
    ai_frame_t         *fr;
    const ai_member_t  *m;

    fr = &sc->frames[sc->js.depth - 1];
    fr->empty = 0;

    rc = ai_level_find(fr->level, tok, &m, &bit);

    if (rc == AI_ERROR) {
        return ai_scan_refuse(sc, m, m ? "This member's name is not in its "
                                         "usual case."
                                       : "A member's name is not valid text.");
    }

    if (m == NULL) {
        fr->member = fr->level->other;

        if (fr->member) {
            return AI_OK;
        }

        return ai_json_skip(&sc->js, &sc->pos, sc->end, sc->js.depth);
    }

    if (fr->seen & (uint64_t) 1 << bit) {
        return ai_scan_refuse(sc, m, "This member is given more than once.");
    }

    fr->seen |= (uint64_t) 1 << bit;
    fr->member = m;

    return AI_OK;
}


/* goes into the object or array that has just been opened, or past it */

static int
ai_scan_descend(ai_scan_t *sc, const ai_member_t *m, unsigned array)
{
    ai_frame_t  *fr;

    if (array ? (sc->element || (m->level == NULL && !(m->bits & AI_M_EACH)))
              : m->level == NULL)
    {
        return ai_json_skip(&sc->js, &sc->pos, sc->end, sc->js.depth - 1u);
    }

    fr = &sc->frames[sc->js.depth - 1];

    fr->level = array ? NULL : m->level;
    fr->member = array ? m : NULL;
    fr->seen = 0;
    fr->empty = 1;

    return (!array && m->level->enter) ? m->level->enter(sc) : AI_OK;
}


static int
ai_scan_value(ai_scan_t *sc, const ai_json_token_t *tok)
{
    unsigned            open, types;
    ai_frame_t         *fr;
    const ai_member_t  *m;

    open = (tok->type == AI_JSON_OBJECT || tok->type == AI_JSON_ARRAY);

    fr = &sc->frames[sc->js.depth - 1u - open];
    m = fr->member;

    sc->element = (fr->level == NULL);
    types = (sc->element ? m->bits >> 11 : m->bits) & AI_M_TYPES;

    if (types && !(types & 1u << tok->type)) {
        return ai_scan_refuse(sc, m, ai_scan_type_text(types));
    }

    if ((m->bits & AI_M_IMAGE) && tok->type != AI_JSON_NULL
        && !(tok->type == AI_JSON_ARRAY && ai_scan_empty(sc)))
    {
        sc->rq->pictures = 1;
    }

    if (m->take
        && (!sc->element || (m->bits & AI_M_EACH))
        && (tok->type != AI_JSON_NULL || (m->bits & AI_M_NULLS))
        && m->take(sc, m, tok) != AI_OK)
    {
        return AI_ERROR;
    }

    return open ? ai_scan_descend(sc, m, tok->type == AI_JSON_ARRAY) : AI_OK;
}


static int
ai_scan_token(ai_scan_t *sc, const ai_json_token_t *tok)
{
    ai_frame_t  *fr;

    switch (tok->type) {

    case AI_JSON_KEY:
        return ai_scan_key(sc, tok);

    case AI_JSON_OBJECT_END:
        fr = &sc->frames[sc->js.depth];
        sc->close = (size_t) (tok->data + 1 - sc->body);

        return fr->level->leave ? fr->level->leave(sc, fr->empty) : AI_OK;

    case AI_JSON_ARRAY_END:
        return AI_OK;

    default:
        return ai_scan_value(sc, tok);
    }
}


static int
ai_scan_root(ai_scan_t *sc)
{
    ai_json_token_t  tok;

    if (ai_json_next(&sc->js, &sc->pos, sc->end, &tok) != AI_OK
        || tok.type != AI_JSON_OBJECT)
    {
        return ai_scan_refuse(sc, NULL, "The body must be a JSON object in "
                                        "UTF-8.");
    }

    sc->rq->object = (size_t) (sc->pos - sc->body);
    sc->rq->empty = ai_scan_empty(sc);

    sc->frames[0].level = ai_request_levels[sc->ep];
    sc->frames[0].member = NULL;
    sc->frames[0].seen = 0;
    sc->frames[0].empty = 1;

    return AI_OK;
}


static int
ai_scan_not_json(ai_scan_t *sc)
{
    if (sc->js.depth == AI_JSON_DEPTH
        && sc->pos < sc->end && (*sc->pos == '{' || *sc->pos == '['))
    {
        return ai_scan_refuse(sc, NULL, "The body is nested too deep.");
    }

    return ai_scan_refuse(sc, NULL, "The body is not valid JSON in UTF-8.");
}


int
ai_scan_walk(ai_scan_t *sc, ai_request_t *rq, ai_endpoint_t ep,
    const ai_char *body, size_t len)
{
    int              rc;
    ai_json_token_t  tok;

    sc->rq = rq;
    sc->ep = ep;
    sc->body = body;
    sc->pos = body;
    sc->end = body + len;
    sc->n = 0;
    sc->best_of = 0;
    sc->prompts = 1;
    sc->tool = sc->tools;

    ai_json_init(&sc->js, 0);

    if (ai_scan_root(sc) != AI_OK) {
        return AI_ERROR;
    }

    do {
        rc = ai_json_next(&sc->js, &sc->pos, sc->end, &tok);

        if (rc == AI_OK) {
            rc = ai_scan_token(sc, &tok);
        }

    } while (rc == AI_OK);

    if (rc == AI_DONE) {

        while (sc->pos < sc->end && (*sc->pos == ' ' || *sc->pos == '\t'
                                     || *sc->pos == '\r' || *sc->pos == '\n'))
        {
            sc->pos++;
        }

        if (sc->pos == sc->end) {
            return AI_OK;
        }
    }

    return rq->status ? AI_ERROR : ai_scan_not_json(sc);
}


/* counts that no provider takes are refused, the rest cannot overflow */

static void
ai_request_count(ai_request_t *rq, const ai_scan_t *sc)
{
    uint64_t  n;

    n = sc->n > sc->best_of ? sc->n : sc->best_of;
    n = n ? n : 1;

    if (sc->ep == AI_EP_IMAGES) {
        rq->images = n;
        return;
    }

    n *= sc->prompts ? sc->prompts : 1;
    rq->choices = n < ((uint64_t) 1 << 31) ? n : (uint64_t) 1 << 31;
}


static int
ai_request_model(ai_request_t *rq, ai_endpoint_t ep,
    const ai_str_t *path_model)
{
    if (path_model && path_model->len) {

        if (path_model->len > AI_MODEL_LEN) {
            rq->status = 400;
            rq->param = "model";
            rq->error = "The model's name is too long.";
            return AI_ERROR;
        }

        memcpy(rq->model_name, path_model->data, path_model->len);
        rq->model_len = path_model->len;
    }

    if (rq->model_len || ep == AI_EP_MODERATIONS || ep == AI_EP_IMAGES) {
        return AI_OK;
    }

    rq->status = 400;
    rq->param = "model";
    rq->error = "A model is required.";

    return AI_ERROR;
}


int
ai_request_scan(ai_request_t *rq, ai_endpoint_t ep, const ai_char *body,
    size_t len, const ai_str_t *path_model, const ai_str_t *boundary)
{
    ai_scan_t  sc;

    memset(rq, 0, sizeof(ai_request_t));
    rq->max_output = -1;
    rq->choices = 1;

    if (ep == AI_EP_TRANSCRIPTIONS || ep == AI_EP_TRANSLATIONS) {

        if (ai_request_form(rq, body, len, boundary) != AI_OK) {
            return AI_ERROR;
        }

        return ai_request_model(rq, ep, path_model);
    }

    if ((unsigned) ep >= AI_EP_N || ai_request_levels[ep] == NULL) {
        rq->status = 400;
        rq->error = "This endpoint takes no body.";
        return AI_ERROR;
    }

    sc.path_model = path_model;
    sc.nested = NULL;

    if (ai_scan_walk(&sc, rq, ep, body, len) != AI_OK) {
        return AI_ERROR;
    }

    ai_request_count(rq, &sc);

    if (ep == AI_EP_STREAM_GENERATE) {
        rq->stream = 1;
    }

    if (ep == AI_EP_MESSAGES_COUNT || ep == AI_EP_COUNT_TOKENS) {
        rq->unbounded = 0;          /* nothing runs, nothing is charged */
    }

    return ai_request_model(rq, ep, path_model);
}
