
/*
 * The meter: cuts an answer into events and keeps what whole ones say.
 *
 * Everything an event brings is gathered in m->ev and taken over when the
 * event has ended and was JSON; of a stream that is cut in the middle of an
 * event nothing of that event counts.  A plain JSON body is one event, of
 * which the text counts also when the body is cut: it was delivered.
 */


#include "ai_meter_walk.h"


_Static_assert(sizeof(ai_meter_t) <= 2560, "a meter for each open stream");
_Static_assert(sizeof(((ai_meter_t *) 0)->raw) == 8 * AI_RAW_N, "raw");
_Static_assert(sizeof(((ai_meter_t *) 0)->stage) == 8 * AI_RAW_USAGE_N,
               "stage");
_Static_assert(sizeof(((ai_meter_t *) 0)->sub.part) == 8 * AI_PART_N, "part");
_Static_assert(sizeof(((ai_meter_t *) 0)->ev.count)
               == AI_COUNT_N * sizeof(ai_text_sum_t), "count");


/* what the data of an open event is */

enum {
    AI_MODE_NEW = 0,            /* nothing but space so far */
    AI_MODE_JSON,
    AI_MODE_DONE,               /* perhaps [DONE] */
    AI_MODE_OTHER
};


static const ai_node_t *ai_meter_root(ai_dialect_t dialect, ai_endpoint_t ep,
    ai_body_t body);
static void ai_meter_open(ai_meter_t *m);
static void ai_meter_data(ai_meter_t *m, const ai_char *p, size_t len);
static void ai_meter_json(ai_meter_t *m, const ai_char *p,
    const ai_char *end);
static void ai_meter_event_end(ai_meter_t *m, unsigned *drop);
static void ai_meter_body(ai_meter_t *m, const ai_char *p,
    const ai_char *end);
static void ai_meter_body_done(ai_meter_t *m);


static const ai_char  ai_meter_done[] = "[DONE]";

#define ai_space(c)                                                          \
    ((c) == ' ' || (c) == '\t' || (c) == '\n' || (c) == '\r')


void
ai_meter_init(ai_meter_t *m, ai_dialect_t dialect, ai_endpoint_t ep,
    ai_body_t body)
{
    memset(m, 0, offsetof(ai_meter_t, ev));

    m->dialect = dialect;
    m->ep = ep;
    m->body = body;
    m->root = ai_meter_root(dialect, ep, body);

    ai_sse_init(&m->sse);
    ai_meter_open(m);
}


static const ai_node_t *
ai_meter_root(ai_dialect_t dialect, ai_endpoint_t ep, ai_body_t body)
{
    const ai_node_t  *node;

    static const ai_node_t  errors = {
        &ai_schema_error, 1, AI_HOOK_NONE, 0, NULL
    };

    switch (dialect) {

    case AI_DIALECT_ANTHROPIC:
        node = ai_schema_anthropic(ep, body);
        break;

    case AI_DIALECT_GEMINI:
        node = ai_schema_gemini(ep, body);
        break;

    default:
        node = ai_schema_openai(ep, body);
    }

    return node ? node : &errors;
}


int
ai_meter_feed(ai_meter_t *m, const ai_char **pos, const ai_char *end,
    unsigned *drop)
{
    size_t          len;
    const ai_char  *p;

    *drop = 0;

    if (m->body != AI_BODY_SSE) {

        if (m->body != AI_BODY_OPAQUE) {
            ai_meter_body(m, *pos, end);
        }

        *pos = end;
        return AI_OK;
    }

    for ( ;; ) {

        switch (ai_sse_next(&m->sse, pos, end, &p, &len)) {

        case AI_SSE_DATA:
            ai_meter_data(m, p, len);
            break;

        case AI_SSE_LINE:
            ai_meter_data(m, (const ai_char *) "\n", 1);
            break;

        case AI_SSE_EVENT:
            ai_meter_event_end(m, drop);
            return AI_DONE;

        case AI_SSE_BLANK:
            return AI_DONE;

        default: /* AI_AGAIN */
            return AI_OK;
        }
    }
}


void
ai_meter_end(ai_meter_t *m, unsigned whole)
{
    unsigned  drop;

    if (m->ended) {
        return;
    }

    m->ended = 1;

    switch (m->body) {

    case AI_BODY_OPAQUE:
        m->complete = whole;
        return;

    case AI_BODY_SSE:

        /* the last blank line is often left out */

        ai_meter_event_end(m, &drop);
        break;

    default:

        if (!m->json_done && !m->list) {
            ai_meter_commit(m);
        }
    }

    /* Gemini's streams have no end of their own, but a finish reason */

    if (m->dialect == AI_DIALECT_GEMINI && m->body == AI_BODY_SSE) {
        m->complete = whole && m->finished && !m->failed;
    }
}


/* begins an event; zeroes only what is read before it is written */

static void
ai_meter_open(ai_meter_t *m)
{
    memset(&m->ev, 0, offsetof(ai_meter_t, ev.raw) - offsetof(ai_meter_t, ev));
    memcpy(m->ev.raw, m->raw, sizeof(m->raw));

    m->nsubs_open = 0;
}


static void
ai_meter_data(ai_meter_t *m, const ai_char *p, size_t len)
{
    const ai_char  *end;

    end = p + len;

    if (m->mode == AI_MODE_NEW) {

        while (p < end && ai_space(*p)) {
            p++;
        }

        if (p == end) {
            return;
        }

        if (*p == '{' && !m->stopped) {
            m->mode = AI_MODE_JSON;
            m->level = 0;
            m->skip = 0;
            m->json_done = 0;
            m->bad = 0;
            ai_json_init(&m->json, 1);

        } else {
            m->mode = (*p == '[') ? AI_MODE_DONE : AI_MODE_OTHER;
            m->done = 0;
        }
    }

    if (m->mode == AI_MODE_JSON) {

        if (!m->bad) {
            ai_meter_json(m, p, end);
        }

        return;
    }

    for ( /* void */ ; p < end && m->mode == AI_MODE_DONE; p++) {

        if (m->done < sizeof(ai_meter_done) - 1) {

            if (*p == ai_meter_done[m->done]) {
                m->done++;
                continue;
            }

        } else if (ai_space(*p)) {
            continue;
        }

        m->mode = AI_MODE_OTHER;
    }
}


static void
ai_meter_json(ai_meter_t *m, const ai_char *p, const ai_char *end)
{
    int              rc;
    ai_json_token_t  tok;

    while (!m->json_done) {

        rc = m->skip ? ai_json_skip(&m->json, &p, end, m->skip_depth)
                     : ai_json_next(&m->json, &p, end, &tok);

        switch (rc) {

        case AI_OK:

            if (m->skip) {
                m->skip = 0;
                m->json_done = (m->level == 0);

            } else {
                ai_meter_token(m, &tok);
            }

            break;

        case AI_AGAIN:
            return;

        default:
            m->bad = 1;

            /* a string that proves to be none does not count in part */

            if (m->ev.counting) {
                m->ev.count[m->ev.counting - 1] = m->ev.before;
            }

            return;
        }
    }

    for ( /* void */ ; p < end; p++) {

        if (!ai_space(*p)) {
            m->bad = 1;
            return;
        }
    }
}


static void
ai_meter_event_end(ai_meter_t *m, unsigned *drop)
{
    *drop = 0;

    if (m->mode == AI_MODE_DONE && m->done == sizeof(ai_meter_done) - 1
        && (m->ep == AI_EP_CHAT || m->ep == AI_EP_COMPLETIONS)
        && !m->stopped)
    {
        m->stopped = 1;
        m->complete = !m->failed;
    }

    if (m->mode == AI_MODE_JSON) {

        if (m->json_done && !m->bad) {

            *drop = (m->ep == AI_EP_CHAT || m->ep == AI_EP_COMPLETIONS)
                    && m->ev.usage && m->ev.choices == 1 && !m->ev.failed;

            ai_meter_commit(m);

        } else if (m->bad) {
            m->odd = 1;
        }

        ai_meter_open(m);
    }

    m->mode = AI_MODE_NEW;
}


static void
ai_meter_body(ai_meter_t *m, const ai_char *p, const ai_char *end)
{
    if (m->broken || m->ended) {
        return;
    }

    if (m->mode == AI_MODE_NEW) {

        /* also the empty lines by which slow answers are kept alive */

        while (p < end && ai_space(*p)) {
            p++;
        }

        if (p == end) {
            return;
        }

        if (*p != '{' && (*p != '[' || m->dialect != AI_DIALECT_GEMINI)) {
            m->broken = 1;
            return;
        }

        m->mode = AI_MODE_JSON;
        ai_json_init(&m->json, 1);
    }

    if (m->json_done) {

        for ( /* void */ ; p < end && ai_space(*p); p++) { /* void */ }

        m->bad = (p != end);

    } else {
        ai_meter_json(m, p, end);

        if (m->json_done) {
            ai_meter_body_done(m);
        }
    }

    if (m->bad) {
        m->broken = 1;
        m->complete = 0;
    }
}


static void
ai_meter_body_done(ai_meter_t *m)
{
    unsigned  open;

    open = 0;

    if (!m->list) {

        /* a response in the background has only been queued */

        open = (m->ev.status_len == 6
                && memcmp(m->ev.status, "queued", 6) == 0)
               || (m->ev.status_len == 11
                   && memcmp(m->ev.status, "in_progress", 11) == 0);

        ai_meter_commit(m);
    }

    if (m->list) {
        m->complete = m->failed ? !m->answered : m->finished;

    } else {
        m->complete = !open;
    }
}


void
ai_meter_element(ai_meter_t *m)
{
    ai_meter_commit(m);
    ai_meter_open(m);
}
