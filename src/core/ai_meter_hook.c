
/*
 * From objects and arrays to the open event: what happens where they begin
 * and end.
 */


#include "ai_meter_walk.h"
#include "ai_number.h"


static int ai_meter_begin_usage(ai_meter_t *m, unsigned rank);
static void ai_meter_begin_details(ai_meter_t *m, unsigned detail);
static void ai_meter_usage_end(ai_meter_t *m, const ai_node_t *node);
static void ai_meter_merge(ai_meter_t *m);
static void ai_meter_detail(ai_meter_t *m);


int
ai_meter_begin(ai_meter_t *m, const ai_node_t *node)
{
    switch (node->hook) {

    case AI_HOOK_USAGE:
        return ai_meter_begin_usage(m, node->arg);

    case AI_HOOK_WRITES:
        m->writes = 1;
        break;

    case AI_HOOK_CHOICES:
        m->ev.choices = 1;
        m->ordinal = 0;
        break;

    case AI_HOOK_CHOICE:
        m->ev.choices = 2;
        m->ev.index = m->ordinal;
        m->ev.why_len = 0;
        m->ordinal += (m->ordinal < 255);
        break;

    case AI_HOOK_PART:
        m->ev.thought = 0;
        break;

    case AI_HOOK_ERROR:
        m->ev.failed = 1;
        m->ev.nested = 1;
        m->ev.error_rank = 0;
        m->ev.error_len = 0;
        break;

    case AI_HOOK_DETAILS:
        ai_meter_begin_details(m, node->arg);
        break;

    case AI_HOOK_DETAIL:
        m->ev.modality = AI_MODALITY_OTHER;
        m->ev.tokens = 0;
        break;

    case AI_HOOK_SUBS:
        m->nsubs_open = 0;
        m->ev.subs = 1;
        break;

    case AI_HOOK_SUB:
        memset(&m->sub, 0, sizeof(m->sub));
        m->sub.kind = node->arg;
        break;

    case AI_HOOK_IMAGES:
        ai_meter_store(m, AI_RAW_IMAGES, 0);
        break;

    case AI_HOOK_IMAGE:
        ai_meter_store(m, AI_RAW_IMAGES, m->ev.raw[AI_RAW_IMAGES] + 1);
        break;
    }

    return AI_OK;
}


static int
ai_meter_begin_usage(ai_meter_t *m, unsigned rank)
{
    if (rank >= 3) {
        m->ev.usage = 1;
    }

    if (rank < m->ev.rank || (rank == 1 && m->ordinal > 1)) {
        return AI_DECLINED;
    }

    m->ev.rank = (uint8_t) rank;
    m->staged = 0;
    m->writes = 0;

    return AI_OK;
}


static void
ai_meter_begin_details(ai_meter_t *m, unsigned detail)
{
    m->detail = (uint8_t) detail;

    switch (detail) {

    case AI_DETAIL_PROMPT:
        m->stage[AI_RAW_INPUT_AUDIO] = 0;
        break;

    case AI_DETAIL_CACHE:
        m->stage[AI_RAW_CACHED_AUDIO] = 0;
        break;

    default: /* AI_DETAIL_CANDIDATES */
        m->stage[AI_RAW_OUTPUT_AUDIO] = 0;
        m->stage[AI_RAW_OUTPUT_IMAGE] = 0;
    }
}


void
ai_meter_finish(ai_meter_t *m, const ai_node_t *node)
{
    switch (node->hook) {

    case AI_HOOK_USAGE:
        ai_meter_usage_end(m, node);
        break;

    case AI_HOOK_CHOICE:

        if (m->ev.why_len) {
            ai_meter_reason(m, m->ev.index, m->ev.why, m->ev.why_len);
            m->ev.why_len = 0;
        }

        break;

    case AI_HOOK_PART:
        ai_meter_part_end(m);
        break;

    case AI_HOOK_DETAIL:
        ai_meter_detail(m);
        break;

    case AI_HOOK_SUB:
        ai_meter_sub_end(m, node);
        break;
    }
}


/* an object without a single count says nothing: what was known stands */

static void
ai_meter_usage_end(ai_meter_t *m, const ai_node_t *node)
{
    unsigned  i, counts;
    uint32_t  left;

    counts = (m->staged & (((uint32_t) 1 << AI_RAW_COUNTS) - 1)) != 0;

    if (m->staged == 0) {
        return;
    }

    m->ev.stored = 1;

    if (counts && node->arg > 3) {
        ai_meter_merge(m);
        return;
    }

    if (counts) {
        memset(m->ev.raw, 0, AI_RAW_USAGE_N * sizeof(m->ev.raw[0]));
    }

    for (left = m->staged; left; left &= left - 1) {
        i = (unsigned) __builtin_ctz(left);
        m->ev.raw[i] = m->stage[i];
    }

    m->ev.applied |= counts;
}


/* Anthropic's message_delta: the input counts are replaced as a group */

static void
ai_meter_merge(ai_meter_t *m)
{
    unsigned  i;
    uint64_t  sum;

    static const uint32_t  group = (uint32_t) 1 << AI_RAW_INPUT
                                   | (uint32_t) 1 << AI_RAW_CACHED
                                   | (uint32_t) 1 << AI_RAW_WRITE
                                   | (uint32_t) 1 << AI_RAW_WRITE_1H;

    for (i = 0; i < AI_RAW_USAGE_N; i++) {

        if (!(m->staged & (uint32_t) 1 << i)) {
            m->stage[i] = 0;

        } else if (!(group & (uint32_t) 1 << i)) {
            m->ev.raw[i] = m->stage[i];
        }
    }

    sum = m->stage[AI_RAW_INPUT] + m->stage[AI_RAW_CACHED]
          + m->stage[AI_RAW_WRITE];

    if (sum) {
        m->ev.raw[AI_RAW_INPUT] = m->stage[AI_RAW_INPUT];
        m->ev.raw[AI_RAW_CACHED] = m->stage[AI_RAW_CACHED];
        m->ev.raw[AI_RAW_WRITE] = m->stage[AI_RAW_WRITE];

        if (m->writes) {
            m->ev.raw[AI_RAW_WRITE_1H] = m->stage[AI_RAW_WRITE_1H];
        }
    }

    m->ev.applied = 1;
    m->ev.merged = 1;
}


static void
ai_meter_detail(ai_meter_t *m)
{
    unsigned  raw;

    if (m->ev.modality == AI_MODALITY_OTHER) {
        return;
    }

    if (m->detail == AI_DETAIL_CANDIDATES) {
        raw = (m->ev.modality == AI_MODALITY_AUDIO) ? AI_RAW_OUTPUT_AUDIO
                                                    : AI_RAW_OUTPUT_IMAGE;

    } else if (m->ev.modality == AI_MODALITY_AUDIO) {
        raw = (m->detail == AI_DETAIL_PROMPT) ? AI_RAW_INPUT_AUDIO
                                              : AI_RAW_CACHED_AUDIO;

    } else {
        return;
    }

    ai_meter_store(m, raw, m->stage[raw] + m->ev.tokens);

    if (m->stage[raw] > AI_NUMBER_MAX) {
        m->stage[raw] = AI_NUMBER_MAX;
        m->odd = 1;
    }
}
