
/*
 * What goes into the provider's body as it came: strings and values; and a
 * string that holds JSON, which becomes a value.
 */


#include "ai_text.h"
#include "ai_translate_request.h"


#define AI_TR_PIECE  512        /* decoded at a time */
#define AI_TR_GIVEN  128        /* escaped: never more than that, decoded */


void
ai_tr_put(ai_tr_t *tr, const char *s)
{
    ai_out_cstr(tr->out, s);
}


void
ai_tr_string(ai_tr_t *tr, const ai_tr_value_t *v)
{
    ai_out_raw_string(tr->out, v->data, v->len);
}


int
ai_tr_copy(ai_tr_t *tr, const ai_tr_value_t *v)
{
    ai_json_t        js;
    const ai_char   *p;
    ai_json_token_t  tok;

    ai_json_init(&js, 0);

    for (p = v->data;
         ai_json_next(&js, &p, v->data + v->len, &tok) == AI_OK;
         /* void */ )
    {
        if (js.depth > AI_TR_DEPTH) {
            return ai_tr_decline(tr, "A schema is nested too deep.");
        }
    }

    ai_out_put(tr->out, v->data, v->len);

    return AI_OK;
}


/* passes over a piece; AI_DONE: the value has ended, maybe with white space */

static int
ai_tr_check_piece(ai_json_t *js, const ai_char *p, const ai_char *end)
{
    int              rc;
    ai_json_token_t  tok;

    do {
        rc = ai_json_next(js, &p, end, &tok);

        if (rc == AI_OK
            && (js->depth > AI_TR_DEPTH
                || (js->depth == 0 && tok.type != AI_JSON_OBJECT_END)))
        {
            return AI_ERROR;
        }

    } while (rc == AI_OK);

    if (rc != AI_DONE) {
        return rc;
    }

    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }

    return p == end ? AI_DONE : AI_ERROR;
}


/*
 * A model may have called a function without parameters with an empty string.
 * Anything else that is no object cannot be what the model had written.
 */

int
ai_tr_arguments(ai_tr_t *tr, const ai_tr_value_t *v)
{
    int         rc;
    size_t      i, n;
    ai_buf_t    b;
    ai_json_t   js;
    ai_char     piece[AI_TR_PIECE];
    ai_text_t   text;
    unsigned    last;

    if (v->type == 0 || ai_tr_blank(v)) {
        ai_tr_put(tr, "{}");
        return AI_OK;
    }

    memset(&text, 0, sizeof(ai_text_t));
    ai_json_init(&js, 0);
    rc = AI_AGAIN;

    for (i = 0; i < v->len && rc != AI_ERROR; i += n) {
        n = v->len - i < AI_TR_GIVEN ? v->len - i : AI_TR_GIVEN;
        last = (i + n == v->len);

        ai_buf_init(&b, piece, sizeof(piece));
        ai_text_add(&text, v->data + i, n, NULL, &b);

        if (last) {
            ai_text_end(&text, NULL, &b);
        }

        rc = ai_tr_check_piece(&js, piece, b.pos);
        ai_out_put(tr->out, piece, (size_t) (b.pos - piece));
    }

    if (rc != AI_DONE) {
        return ai_tr_decline(tr, "The arguments of a call are not a JSON "
                                 "object.");
    }

    return AI_OK;
}
