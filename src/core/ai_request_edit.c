
/*
 * The few bytes of a body that change on the way to the provider.
 */


#include "ai_request_priv.h"


typedef struct {
    const ai_request_t  *rq;
    const ai_char       *body;
    ai_buf_t            *b;
    ai_edit_t           *edits;
    unsigned             n;
    unsigned             max;
    unsigned             full:1;
    ai_str_t             model;         /* the text of each nested model */
} ai_editor_t;


/* an edit whose text is what was written to b since "ins" */

static void
ai_edit_add(ai_editor_t *ed, size_t pos, size_t del, const ai_char *ins)
{
    size_t      len;
    unsigned    i;
    ai_edit_t  *e;

    len = (size_t) (ed->b->pos - ins);

    if (del == len && memcmp(ed->body + pos, ins, len) == 0) {
        return;                     /* it says so already */
    }

    if (ed->n == ed->max) {
        ed->full = 1;
        return;
    }

    for (i = ed->n; i && ed->edits[i - 1].pos > pos; i--) {
        ed->edits[i] = ed->edits[i - 1];
    }

    e = &ed->edits[i];
    ed->n++;

    e->pos = pos;
    e->del = del;
    e->ins.data = (ai_char *) ins;
    e->ins.len = len;
}


static int
ai_edit_nested_cb(ai_scan_t *sc, ai_span_t *span)
{
    ai_editor_t  *ed;

    ed = sc->data;

    if (ed->n == ed->max) {
        ed->full = 1;
        return AI_ERROR;
    }

    ed->edits[ed->n].pos = span->pos;
    ed->edits[ed->n].del = span->len;
    ed->edits[ed->n].ins = ed->model;
    ed->n++;

    return AI_OK;
}


/* Gemini: the nested models; more than one are found by a second scan */

static int
ai_edit_nested(ai_editor_t *ed, ai_endpoint_t ep, size_t len,
    const ai_str_t *model)
{
    ai_str_t      name;
    ai_scan_t     sc;
    ai_char       text[7 + AI_MODEL_LEN];
    ai_request_t  rq;

    name = *model;

    if (name.len > 7 && memcmp(name.data, "models/", 7) == 0) {
        name.len -= 7;
        name.data += 7;
    }

    if (name.len > AI_MODEL_LEN) {
        return AI_ERROR;
    }

    memcpy(text, "models/", 7);
    memcpy(text + 7, name.data, name.len);

    ed->model.data = ed->b->pos;
    ai_buf_json(ed->b, text, 7 + name.len);
    ed->model.len = (size_t) (ed->b->pos - ed->model.data);

    if (ed->rq->nested_models == 1) {
        ai_edit_add(ed, ed->rq->model.pos, ed->rq->model.len, ed->model.data);
        return AI_OK;
    }

    memset(&rq, 0, sizeof(ai_request_t));
    rq.max_output = -1;

    sc.path_model = NULL;
    sc.nested = ai_edit_nested_cb;
    sc.data = ed;

    return ai_scan_walk(&sc, &rq, ep, ed->body, len);
}


static int
ai_edit_model(ai_editor_t *ed, ai_endpoint_t ep, size_t len,
    const ai_str_t *model)
{
    size_t    i;
    ai_char  *ins;

    if (ed->rq->nested_models) {
        return ai_edit_nested(ed, ep, len, model);
    }

    if (ed->rq->model.len == 0) {
        return AI_OK;               /* injected with the root's, if at all */
    }

    ins = ed->b->pos;

    if (ep == AI_EP_TRANSCRIPTIONS || ep == AI_EP_TRANSLATIONS) {

        /* goes between two lines as it is */

        for (i = 0; i < model->len; i++) {
            if (model->data[i] < 0x20) {
                return AI_ERROR;
            }
        }

        ai_buf_str(ed->b, model);

    } else {
        ai_buf_json(ed->b, model->data, model->len);
    }

    ai_edit_add(ed, ed->rq->model.pos, ed->rq->model.len, ins);

    return AI_OK;
}


/* the name of an injected cap, NULL: the endpoint has none */

static const char *
ai_edit_cap_name(ai_endpoint_t ep, const ai_rewrite_t *want)
{
    switch (ep) {

    case AI_EP_CHAT:
        return want->cap_completion ? "\"max_completion_tokens\":"
                                    : "\"max_tokens\":";

    case AI_EP_COMPLETIONS:
    case AI_EP_MESSAGES:
        return "\"max_tokens\":";

    case AI_EP_RESPONSES:
        return "\"max_output_tokens\":";

    case AI_EP_GENERATE:
    case AI_EP_STREAM_GENERATE:
        return "\"maxOutputTokens\":";

    default:
        return NULL;
    }
}


/* Gemini: into generationConfig, or in place of a null one */

static unsigned
ai_edit_config_cap(ai_editor_t *ed, const char *name, int64_t cap)
{
    ai_char             *ins;
    const ai_request_t  *rq;

    rq = ed->rq;
    ins = ed->b->pos;

    if (rq->config_object) {
        ai_buf_cstr(ed->b, name);
        ai_buf_int(ed->b, cap);

        if (!rq->config_empty) {
            ai_buf_char(ed->b, ',');
        }

        ai_edit_add(ed, rq->config_object, 0, ins);
        return 1;
    }

    if (rq->cap.len) {
        ai_buf_char(ed->b, '{');
        ai_buf_cstr(ed->b, name);
        ai_buf_int(ed->b, cap);
        ai_buf_char(ed->b, '}');

        ai_edit_add(ed, rq->cap.pos, rq->cap.len, ins);
        return 1;
    }

    return 0;
}


/* replaces a cap that is there; 0: it is to be injected into the root */

static unsigned
ai_edit_cap(ai_editor_t *ed, ai_endpoint_t ep, const char *name, int64_t cap)
{
    ai_char             *ins;
    const ai_request_t  *rq;

    rq = ed->rq;

    if (rq->max_output == cap) {
        return 1;
    }

    if ((ep == AI_EP_GENERATE || ep == AI_EP_STREAM_GENERATE)
        && (rq->cap.len == 0 || rq->config_object == 0))
    {
        return ai_edit_config_cap(ed, name, cap);
    }

    if (rq->cap.len == 0) {
        return 0;
    }

    ins = ed->b->pos;
    ai_buf_int(ed->b, cap);
    ai_edit_add(ed, rq->cap.pos, rq->cap.len, ins);

    return 1;
}


/* asks for usage where there are stream_options; 0: there are none */

static unsigned
ai_edit_usage(ai_editor_t *ed)
{
    ai_char             *ins;
    const ai_request_t  *rq;

    rq = ed->rq;
    ins = ed->b->pos;

    if (rq->stream_options.len == 0) {
        return 0;
    }

    if (rq->include_usage.len) {
        ai_buf_cstr(ed->b, "true");
        ai_edit_add(ed, rq->include_usage.pos, rq->include_usage.len, ins);
        return 1;
    }

    if (rq->stream_options_object) {
        ai_buf_cstr(ed->b, "\"include_usage\":true");

        if (!rq->stream_options_empty) {
            ai_buf_char(ed->b, ',');
        }

        ai_edit_add(ed, rq->stream_options_object, 0, ins);
        return 1;
    }

    ai_buf_cstr(ed->b, "{\"include_usage\":true}");
    ai_edit_add(ed, rq->stream_options.pos, rq->stream_options.len, ins);

    return 1;
}


static unsigned
ai_edit_has_model(ai_endpoint_t ep)
{
    return ep <= AI_EP_MESSAGES_COUNT && ep != AI_EP_TRANSCRIPTIONS
           && ep != AI_EP_TRANSLATIONS;
}


/* all that the root lacks, as one edit behind its '{' */

static void
ai_edit_root(ai_editor_t *ed, ai_endpoint_t ep, const ai_str_t *model,
    const char *cap_name, int64_t cap, unsigned usage)
{
    ai_char  *ins, *end;

    ins = ed->b->pos;

    if (model && ed->rq->model.len == 0 && ai_edit_has_model(ep)) {
        ai_buf_cstr(ed->b, "\"model\":");
        ai_buf_json(ed->b, model->data, model->len);
        ai_buf_char(ed->b, ',');
    }

    if (cap_name) {

        if (ep == AI_EP_GENERATE || ep == AI_EP_STREAM_GENERATE) {
            ai_buf_cstr(ed->b, "\"generationConfig\":{");
            ai_buf_cstr(ed->b, cap_name);
            ai_buf_int(ed->b, cap);
            ai_buf_char(ed->b, '}');

        } else {
            ai_buf_cstr(ed->b, cap_name);
            ai_buf_int(ed->b, cap);
        }

        ai_buf_char(ed->b, ',');
    }

    if (usage) {
        ai_buf_cstr(ed->b, "\"stream_options\":{\"include_usage\":true},");
    }

    end = ed->b->pos;

    if (end == ins) {
        return;
    }

    if (ed->rq->empty) {
        ed->b->pos--;
    }

    ai_edit_add(ed, ed->rq->object, 0, ins);
}


int
ai_request_edit(const ai_request_t *rq, ai_endpoint_t ep, const ai_char *body,
    size_t len, const ai_rewrite_t *want, ai_buf_t *b, ai_edit_t *edits,
    unsigned max)
{
    unsigned      usage;
    const char   *cap;
    ai_editor_t   ed;

    memset(&ed, 0, sizeof(ai_editor_t));

    ed.rq = rq;
    ed.body = body;
    ed.b = b;
    ed.edits = edits;
    ed.max = max;

    if (want->model && ai_edit_model(&ed, ep, len, want->model) != AI_OK) {
        return AI_ERROR;
    }

    cap = want->max_output >= 0 ? ai_edit_cap_name(ep, want) : NULL;

    if (cap && ai_edit_cap(&ed, ep, cap, want->max_output)) {
        cap = NULL;
    }

    usage = want->usage && rq->stream && !rq->usage_asked
            && (ep == AI_EP_CHAT || ep == AI_EP_COMPLETIONS);

    if (usage && ai_edit_usage(&ed)) {
        usage = 0;
    }

    ai_edit_root(&ed, ep, want->model, cap, want->max_output, usage);

    return (b->full || ed.full) ? AI_ERROR : (int) ed.n;
}
