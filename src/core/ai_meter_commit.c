
/*
 * Takes over what an event, an element or a body has brought.
 */


#include "ai_meter_walk.h"


static void ai_meter_commit_text(ai_meter_t *m);
static void ai_meter_commit_numbers(ai_meter_t *m);
static void ai_meter_commit_finish(ai_meter_t *m);
static AI_RARE void ai_meter_commit_status(ai_meter_t *m);
static unsigned ai_meter_final(const ai_meter_t *m);


void
ai_meter_commit(ai_meter_t *m)
{
    ai_meter_commit_text(m);
    ai_meter_commit_finish(m);
    ai_meter_commit_numbers(m);

    if (m->ev.model_len) {
        m->model_len = ai_meter_copy(m->model, sizeof(m->model), m->ev.model,
                                     m->ev.model_len);
    }

    if (m->ev.tier_len && (!m->fast || m->ev.fast)) {
        m->tier_len = ai_meter_copy(m->tier, sizeof(m->tier), m->ev.tier,
                                    m->ev.tier_len);
        m->fast |= m->ev.fast;
    }

    if (m->ev.type == AI_EVENT_END || m->ev.type == AI_EVENT_FAILED) {
        m->complete |= (m->body == AI_BODY_SSE) && !m->failed;
    }

    if (m->ev.failed || m->ev.type == AI_EVENT_FAILED
        || m->ev.type == AI_EVENT_ERROR)
    {
        m->failed = 1;

        if (m->ev.error_len) {
            m->error_len = ai_meter_copy(m->error, sizeof(m->error),
                                         m->ev.error, m->ev.error_len);
        }
    }
}


void
ai_meter_part_end(ai_meter_t *m)
{
    ai_text_sum_t  *part, *sum;

    part = &m->ev.count[AI_COUNT_PART];
    sum = &m->ev.count[m->ev.thought ? AI_COUNT_HIDDEN : AI_COUNT_TEXT];

    sum->bytes += part->bytes;
    sum->points += part->points;

    memset(part, 0, sizeof(ai_text_sum_t));
}


static void
ai_meter_commit_text(ai_meter_t *m)
{
    ai_text_sum_t  *count;
    uint64_t        hidden;

    /* a part is still open where a body was cut */

    ai_meter_part_end(m);

    count = m->ev.count;

    if (m->ev.type == AI_EVENT_TEXT) {
        count[AI_COUNT_TEXT].bytes += count[AI_COUNT_DELTA].bytes;
        count[AI_COUNT_TEXT].points += count[AI_COUNT_DELTA].points;

    } else if (m->ev.type == AI_EVENT_ARGUMENTS) {
        count[AI_COUNT_ARGUMENTS].bytes += count[AI_COUNT_DELTA].bytes;

    } else if (m->ev.type == AI_EVENT_HIDDEN) {
        count[AI_COUNT_HIDDEN].bytes += count[AI_COUNT_DELTA].bytes;
    }

    hidden = count[AI_COUNT_HIDDEN].bytes;

    if (hidden < count[AI_COUNT_HIDDEN_TWIN].bytes) {
        hidden = count[AI_COUNT_HIDDEN_TWIN].bytes;
    }

    m->text_bytes += count[AI_COUNT_TEXT].bytes
                     + count[AI_COUNT_ARGUMENTS].bytes;
    m->text_chars += count[AI_COUNT_TEXT].points;
    m->reasoning_bytes += hidden;

    m->dirty |= (count[AI_COUNT_TEXT].bytes != 0)
                | (count[AI_COUNT_ARGUMENTS].bytes != 0) | (hidden != 0);
}


static void
ai_meter_commit_numbers(ai_meter_t *m)
{
    if (m->ev.applied) {
        m->usage_seen = 1;
        m->settled = ai_meter_final(m);
    }

    if (m->ev.stored) {
        memcpy(m->raw, m->ev.raw, sizeof(m->raw));
        m->dirty = 1;
    }

    if (m->ev.subs) {
        memmove(m->subs, m->subs + m->nsubs,
                m->nsubs_open * sizeof(m->sub));
        m->nsubs = m->nsubs_open;
        m->nsubs_open = 0;
        m->dirty = 1;
    }

    m->answered |= !m->ev.failed;
}


/* whether an event's usage is the last one by the protocol's rules */

static unsigned
ai_meter_final(const ai_meter_t *m)
{
    if (m->body != AI_BODY_SSE && !m->list) {
        return m->json_done;
    }

    if (m->dialect == AI_DIALECT_ANTHROPIC) {
        return m->settled | m->ev.merged;
    }

    if (m->ep == AI_EP_CHAT || m->ep == AI_EP_COMPLETIONS) {
        return m->ev.choices == 1 || m->ev.finish;
    }

    if (m->dialect == AI_DIALECT_GEMINI) {
        return m->ev.finish;
    }

    return m->ev.type == AI_EVENT_END || m->ev.type == AI_EVENT_FAILED;
}


static void
ai_meter_commit_finish(ai_meter_t *m)
{
    if (m->ev.why_len) {
        ai_meter_reason(m, m->ev.index, m->ev.why, m->ev.why_len);
    }

    if (m->ev.status_len
        && (m->body == AI_BODY_JSON || m->ev.type == AI_EVENT_END
            || m->ev.type == AI_EVENT_FAILED))
    {
        ai_meter_commit_status(m);
    }

    if (m->ev.finish) {
        m->finished = 1;
        m->nfinish = m->ev.nfinish;
        m->finish_len = m->ev.finish_len;
        memcpy(m->finish_index, m->ev.finish_index, m->nfinish);
        memcpy(m->finish_size, m->ev.finish_size, m->nfinish);
        memcpy(m->finish, m->ev.finish_text, m->finish_len);
    }
}


/* the status of a response is its finish reason */

static AI_RARE void
ai_meter_commit_status(ai_meter_t *m)
{
    ai_buf_t  b;
    ai_char   why[40];

    ai_buf_init(&b, why, sizeof(why));
    ai_buf_put(&b, m->ev.status, m->ev.status_len);

    if (m->ev.reason_len && m->ev.status_len == 10
        && memcmp(m->ev.status, "incomplete", 10) == 0)
    {
        ai_buf_char(&b, ':');
        ai_buf_put(&b, m->ev.reason, m->ev.reason_len);
    }

    ai_meter_reason(m, 0, why, (size_t) (b.pos - why));
}


void
ai_meter_reason(ai_meter_t *m, unsigned index, const ai_char *p, size_t len)
{
    size_t          n;
    uint8_t         placed, i, indices[9], sizes[9];
    ai_buf_t        b;
    ai_char         text[sizeof(m->finish)];
    const ai_char  *former;

    if (!m->ev.finish) {
        m->ev.finish = 1;
        m->ev.nfinish = m->nfinish;
        m->ev.finish_len = m->finish_len;
        memcpy(m->ev.finish_index, m->finish_index, m->nfinish);
        memcpy(m->ev.finish_size, m->finish_size, m->nfinish);
        memcpy(m->ev.finish_text, m->finish, m->finish_len);
    }

    if (len == 5 && memcmp(p, "error", 5) == 0) {
        m->ev.failed = 1;
    }

    ai_buf_init(&b, text, sizeof(text));
    former = m->ev.finish_text;
    placed = 0;
    n = 0;

    for (i = 0; i < m->ev.nfinish || !placed; n++) {

        if (n) {
            ai_buf_char(&b, ',');
        }

        if (!placed
            && (i == m->ev.nfinish || m->ev.finish_index[i] >= index))
        {
            placed = 1;
            indices[n] = (uint8_t) index;
            sizes[n] = (uint8_t) len;
            ai_buf_put(&b, p, len);

            if (i == m->ev.nfinish || m->ev.finish_index[i] != index) {
                continue;
            }

        } else {
            indices[n] = m->ev.finish_index[i];
            sizes[n] = m->ev.finish_size[i];
            ai_buf_put(&b, former, sizes[n]);
        }

        former += m->ev.finish_size[i++] + 1;
    }

    /* more choices than have room keep the reasons that were first */

    if (b.full || n > sizeof(m->finish_index)) {
        return;
    }

    m->ev.nfinish = (uint8_t) n;
    m->ev.finish_len = (uint8_t) (b.pos - text);
    memcpy(m->ev.finish_index, indices, n);
    memcpy(m->ev.finish_size, sizes, n);
    memcpy(m->ev.finish_text, text, m->ev.finish_len);
}
