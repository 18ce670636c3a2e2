
/*
 * Usage of other passes and models, beside the top level.
 */


#include "ai_meter_walk.h"
#include "ai_number.h"


#define AI_METER_SUBS  (sizeof(((ai_meter_t *) 0)->subs)                     \
                        / sizeof(((ai_meter_t *) 0)->sub))


static unsigned ai_meter_sub_find(ai_meter_t *m, unsigned summed);


void
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


void
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
