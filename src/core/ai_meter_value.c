
/*
 * From members to the open event: what each value, object and array means.
 */


#include "ai_meter_walk.h"
#include "ai_number.h"


#define AI_METER_SUBS  (sizeof(((ai_meter_t *) 0)->subs)                     \
                        / sizeof(((ai_meter_t *) 0)->sub))

/* modalities that have a price of their own */

enum {
    AI_MODALITY_OTHER = 0,
    AI_MODALITY_AUDIO,
    AI_MODALITY_IMAGE
};


static void ai_meter_number(ai_meter_t *m, const ai_field_t *field,
    const ai_char *p, size_t len);
static void ai_meter_store(ai_meter_t *m, unsigned raw, uint64_t n);
static void ai_meter_tier(ai_meter_t *m, const ai_char *p, size_t len);
static void ai_meter_error(ai_meter_t *m, unsigned rank, const ai_char *p,
    size_t len);
static void ai_meter_blocked(ai_meter_t *m, const ai_char *p, size_t len);
static void ai_meter_usage_end(ai_meter_t *m, const ai_node_t *node);
static void ai_meter_merge(ai_meter_t *m);
static void ai_meter_detail(ai_meter_t *m);
static void ai_meter_sub_kind(ai_meter_t *m, const ai_char *p, size_t len);
static void ai_meter_sub_end(ai_meter_t *m, const ai_node_t *node);
static unsigned ai_meter_sub_find(ai_meter_t *m, unsigned summed);


void
ai_meter_value(ai_meter_t *m, const ai_field_t *field, const ai_char *p,
    size_t len, unsigned string)
{
    if (field->op >= AI_OP_STORE) {
        ai_meter_number(m, field, p, len);
        return;
    }

    switch (field->op) {

    case AI_OP_MODEL:

        if (len > 7 && memcmp(p, "models/", 7) == 0) {
            p += 7;
            len -= 7;
        }

        m->ev.model_len = ai_meter_copy(m->ev.model, sizeof(m->ev.model), p,
                                        len);
        break;

    case AI_OP_TIER:
        ai_meter_tier(m, p, len);
        break;

    case AI_OP_SPEED:

        if (len == 4 && memcmp(p, "fast", 4) == 0) {
            ai_meter_tier(m, p, len);
            m->ev.fast = 1;
        }

        break;

    case AI_OP_FINISH:
        m->ev.why_len = ai_meter_copy(m->ev.why, sizeof(m->ev.why), p, len);
        break;

    case AI_OP_BLOCKED:
        ai_meter_blocked(m, p, len);
        break;

    case AI_OP_STATUS:
        m->ev.status_len = ai_meter_copy(m->ev.status, sizeof(m->ev.status),
                                         p, len);
        break;

    case AI_OP_REASON:
        m->ev.reason_len = ai_meter_copy(m->ev.reason, sizeof(m->ev.reason),
                                         p, len);
        break;

    case AI_OP_TYPE:
        m->ev.type = (uint8_t) ai_schema_event(p, len);
        break;

    case AI_OP_OBJECT:

        if (len == 5 && memcmp(p, "error", 5) == 0) {
            m->ev.failed = 1;
        }

        break;

    case AI_OP_ERROR:
        m->ev.failed = 1;
        ai_meter_error(m, 3, p, len);
        break;

    case AI_OP_ERROR_CODE:
        ai_meter_error(m, string ? 3 : 1, p, len);
        break;

    case AI_OP_ERROR_TYPE:
        ai_meter_error(m, 2, p, len);
        break;

    case AI_OP_MODALITY:
        m->ev.modality = AI_MODALITY_OTHER;

        if (len == 5 && memcmp(p, "AUDIO", 5) == 0) {
            m->ev.modality = AI_MODALITY_AUDIO;

        } else if (len == 5 && memcmp(p, "IMAGE", 5) == 0) {
            m->ev.modality = AI_MODALITY_IMAGE;
        }

        break;

    case AI_OP_SUB_KIND:
        ai_meter_sub_kind(m, p, len);
        break;

    case AI_OP_SUB_MODEL:
        m->sub.model_len = ai_meter_copy(m->sub.model, sizeof(m->sub.model),
                                         p, len);
        break;
    }
}


static void
ai_meter_number(ai_meter_t *m, const ai_field_t *field, const ai_char *p,
    size_t len)
{
    int       rc;
    uint64_t  n;

    n = 0;

    switch (field->op) {

    case AI_OP_COST:
        rc = ai_number_scaled(p, len, 9, &n);
        break;

    case AI_OP_TICKS:
        rc = ai_number_scaled(p, len, -1, &n);
        break;

    case AI_OP_SECONDS:
        rc = ai_number_scaled(p, len, 6, &n);
        break;

    default:
        rc = ai_number_count(p, len, &n);
    }

    if (rc != AI_OK) {
        m->odd = 1;
        return;
    }

    switch (field->op) {

    case AI_OP_COST:
    case AI_OP_TICKS:
        ai_meter_store(m, AI_RAW_COST, n + 1);
        break;

    case AI_OP_SECONDS:
        ai_meter_store(m, AI_RAW_SECONDS, n);
        break;

    case AI_OP_STORE:
        ai_meter_store(m, field->arg, n);
        break;

    case AI_OP_DETAIL:
        m->ev.tokens = n;
        break;

    case AI_OP_SUB_STORE:
        m->sub.part[field->arg] = n;
        break;

    case AI_OP_INDEX:
        m->ev.index = (uint8_t) (n < 255 ? n : 255);
        break;
    }
}


static void
ai_meter_store(ai_meter_t *m, unsigned raw, uint64_t n)
{
    if (raw >= AI_RAW_USAGE_N) {
        m->ev.raw[raw] = n;
        m->ev.stored = 1;
        return;
    }

    m->stage[raw] = n;
    m->staged |= (uint32_t) 1 << raw;
}


uint8_t
ai_meter_copy(ai_char *dst, size_t size, const ai_char *p, size_t len)
{
    if (len > size) {
        return 0;
    }

    memcpy(dst, p, len);

    return (uint8_t) len;
}


/* fast mode is a tier of its own, whatever service_tier says beside it */

static void
ai_meter_tier(ai_meter_t *m, const ai_char *p, size_t len)
{
    if (m->ev.fast || len == 0) {
        return;
    }

    m->ev.tier_len = ai_meter_copy(m->ev.tier, sizeof(m->ev.tier), p, len);
}


/* a code in words says most, a number least */

static void
ai_meter_error(ai_meter_t *m, unsigned rank, const ai_char *p, size_t len)
{
    uint8_t  n;

    /* members beside an error object are not its own */

    if (rank < m->ev.error_rank
        || (m->ev.nested && m->path[m->level - 1]->hook != AI_HOOK_ERROR))
    {
        return;
    }

    n = ai_meter_copy(m->ev.error, sizeof(m->ev.error), p, len);

    if (n) {
        m->ev.error_len = n;
        m->ev.error_rank = (uint8_t) rank;
    }
}


static void
ai_meter_blocked(ai_meter_t *m, const ai_char *p, size_t len)
{
    ai_buf_t  b;
    ai_char   why[40];

    ai_buf_init(&b, why, sizeof(why));
    ai_buf_cstr(&b, "blocked:");
    ai_buf_put(&b, p, len);

    if (!b.full) {
        ai_meter_reason(m, 0, why, (size_t) (b.pos - why));
    }
}


int
ai_meter_begin(ai_meter_t *m, const ai_node_t *node)
{
    switch (node->hook) {

    case AI_HOOK_USAGE:

        if (node->arg >= 3) {
            m->ev.usage = 1;
        }

        if (node->arg < m->ev.rank
            || (node->arg == 1 && m->ordinal > 1))
        {
            return AI_DECLINED;
        }

        m->ev.rank = node->arg;
        m->staged = 0;
        m->writes = 0;
        break;

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
        memset(&m->ev.count[AI_COUNT_PART], 0, sizeof(ai_text_sum_t));
        break;

    case AI_HOOK_ERROR:
        m->ev.failed = 1;
        m->ev.nested = 1;
        m->ev.error_rank = 0;
        m->ev.error_len = 0;
        break;

    case AI_HOOK_DETAILS:
        m->detail = node->arg;

        if (node->arg == AI_DETAIL_CANDIDATES) {
            m->stage[AI_RAW_OUTPUT_AUDIO] = 0;
            m->stage[AI_RAW_OUTPUT_IMAGE] = 0;

        } else {
            m->stage[node->arg == AI_DETAIL_PROMPT ? AI_RAW_INPUT_AUDIO
                                                   : AI_RAW_CACHED_AUDIO] = 0;
        }

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


void
ai_meter_finish(ai_meter_t *m, const ai_node_t *node)
{
    ai_text_sum_t  *part, *sum;

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
        part = &m->ev.count[AI_COUNT_PART];
        sum = &m->ev.count[m->ev.thought ? AI_COUNT_HIDDEN : AI_COUNT_TEXT];

        sum->bytes += part->bytes;
        sum->points += part->points;
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

    counts = (m->staged & (((uint32_t) 1 << AI_RAW_COUNTS) - 1)) != 0;

    if (m->staged == 0) {
        return;
    }

    m->ev.stored = 1;

    if (counts && node->arg > 3) {
        ai_meter_merge(m);
        return;
    }

    for (i = 0; i < AI_RAW_USAGE_N; i++) {

        if (m->staged & (uint32_t) 1 << i) {
            m->ev.raw[i] = m->stage[i];

        } else if (counts) {
            m->ev.raw[i] = 0;
        }
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


static void
ai_meter_sub_kind(ai_meter_t *m, const ai_char *p, size_t len)
{
    unsigned  i;

    for (i = 0; i < AI_SUB_SVG; i++) {

        if (strlen(ai_sub_names[i]) == len
            && memcmp(ai_sub_names[i], p, len) == 0)
        {
            m->sub.kind = (uint8_t) i;
            break;
        }
    }

    if (i == AI_SUB_SVG) {
        m->sub.kind = AI_SUB_ODD;
    }
}


static void
ai_meter_sub_end(ai_meter_t *m, const ai_node_t *node)
{
    unsigned  i, k, summed;

    if (m->sub.kind == AI_SUB_ODD) {

        /* tools are of many kinds; passes of an unknown one cost something */

        m->odd |= (node->arg == AI_SUB_MESSAGE);
        return;
    }

    if (node->arg == AI_SUB_ODD) {
        m->sub.kind = AI_SUB_TOOL;
    }

    summed = (node->arg == AI_SUB_MESSAGE);

    m->ev.subs = 1;

    i = ai_meter_sub_find(m, summed);

    if (m->subs[i].kind != m->sub.kind
        || (summed && (m->subs[i].model_len != m->sub.model_len
                       || memcmp(m->subs[i].model, m->sub.model,
                                 m->sub.model_len))))
    {
        m->odd = 1;
    }

    for (k = 0; summed && k < AI_PART_N; k++) {
        m->sub.part[k] += m->subs[i].part[k];

        if (m->sub.part[k] > AI_NUMBER_MAX) {
            m->sub.part[k] = AI_NUMBER_MAX;
            m->odd = 1;
        }
    }

    m->subs[i] = m->sub;
}


/*
 * The place of the open sub record: an equal one whose numbers it is added to
 * (or that it replaces), else a new one.  When all are taken, those of former
 * events make room; the last place takes what is too much.
 */

static unsigned
ai_meter_sub_find(ai_meter_t *m, unsigned summed)
{
    unsigned  i;

    for (i = m->nsubs; i < (unsigned) m->nsubs + m->nsubs_open; i++) {

        if (m->subs[i].kind != m->sub.kind) {
            continue;
        }

        if (!summed
            || (m->subs[i].model_len == m->sub.model_len
                && memcmp(m->subs[i].model, m->sub.model, m->sub.model_len)
                   == 0))
        {
            return i;
        }
    }

    if (i == AI_METER_SUBS && m->nsubs) {
        memmove(m->subs, m->subs + m->nsubs,
                m->nsubs_open * sizeof(m->sub));
        m->nsubs = 0;
        i = m->nsubs_open;
    }

    if (i == AI_METER_SUBS) {
        return i - 1;
    }

    memset(&m->subs[i], 0, sizeof(m->sub));
    m->subs[i].kind = m->sub.kind;
    m->subs[i].model_len = m->sub.model_len;
    memcpy(m->subs[i].model, m->sub.model, m->sub.model_len);
    m->nsubs_open++;

    return i;
}
