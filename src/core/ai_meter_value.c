
/*
 * From members to the open event: what each value means.
 */


#include "ai_meter_walk.h"
#include "ai_number.h"


/* a text that does not fit is left out: half of it would be another one */

#define ai_meter_keep(dst, p, len)                                           \
    ai_meter_copy(dst, sizeof(dst), p, len)


static void ai_meter_number(ai_meter_t *m, const ai_field_t *field,
    const ai_char *p, size_t len);
static void ai_meter_word(ai_meter_t *m, unsigned op, const ai_char *p,
    size_t len);
static void ai_meter_tier(ai_meter_t *m, const ai_char *p, size_t len);
static void ai_meter_error(ai_meter_t *m, unsigned rank, const ai_char *p,
    size_t len);
static AI_RARE void ai_meter_blocked(ai_meter_t *m, const ai_char *p,
    size_t len);


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

        m->ev.model_len = ai_meter_keep(m->ev.model, p, len);
        break;

    case AI_OP_TIER:
        ai_meter_tier(m, p, len);
        break;

    case AI_OP_FINISH:
        m->ev.why_len = ai_meter_keep(m->ev.why, p, len);
        break;

    case AI_OP_BLOCKED:
        ai_meter_blocked(m, p, len);
        break;

    case AI_OP_STATUS:
        m->ev.status_len = ai_meter_keep(m->ev.status, p, len);
        break;

    case AI_OP_REASON:
        m->ev.reason_len = ai_meter_keep(m->ev.reason, p, len);
        break;

    case AI_OP_TYPE:
        m->ev.type = (uint8_t) ai_schema_event(p, len);
        break;

    case AI_OP_ERROR:
        m->ev.failed |= (len != 0);
        ai_meter_error(m, 3, p, len);
        break;

    case AI_OP_ERROR_CODE:
        ai_meter_error(m, string ? 3 : 1, p, len);
        break;

    case AI_OP_ERROR_TYPE:
        ai_meter_error(m, 2, p, len);
        break;

    case AI_OP_SUB_KIND:
        ai_meter_sub_kind(m, p, len);
        break;

    case AI_OP_SUB_MODEL:
        m->sub.model_len = ai_meter_keep(m->sub.model, p, len);
        break;

    default:
        ai_meter_word(m, field->op, p, len);
    }
}


/* words that are known, and mean something only as they are */

static void
ai_meter_word(ai_meter_t *m, unsigned op, const ai_char *p, size_t len)
{
    switch (op) {

    case AI_OP_SPEED:

        if (len == 4 && memcmp(p, "fast", 4) == 0) {
            ai_meter_tier(m, p, len);
            m->ev.fast = 1;
        }

        break;

    case AI_OP_OBJECT:

        if (len == 5 && memcmp(p, "error", 5) == 0) {
            m->ev.failed = 1;
        }

        break;

    case AI_OP_PART_TYPE:
        m->ev.thought = (len == 14 && memcmp(p, "reasoning_text", 14) == 0);
        break;

    case AI_OP_MODALITY:
        m->ev.modality = AI_MODALITY_OTHER;

        if (len == 5 && memcmp(p, "AUDIO", 5) == 0) {
            m->ev.modality = AI_MODALITY_AUDIO;

        } else if (len == 5 && memcmp(p, "IMAGE", 5) == 0) {
            m->ev.modality = AI_MODALITY_IMAGE;
        }

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


void
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

    m->ev.tier_len = ai_meter_keep(m->ev.tier, p, len);
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

    n = ai_meter_keep(m->ev.error, p, len);

    if (n) {
        m->ev.error_len = n;
        m->ev.error_rank = (uint8_t) rank;
    }
}


static AI_RARE void
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
