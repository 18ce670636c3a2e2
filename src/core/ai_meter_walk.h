
/*
 * The meter's inner seams: events (ai_meter.c), tokens (ai_meter_walk.c),
 * values (ai_meter_value.c), objects (ai_meter_hook.c, ai_meter_sub.c) and
 * what is kept of them (ai_meter_commit.c).
 */


#ifndef AI_METER_WALK_H
#define AI_METER_WALK_H


#include "ai_schema.h"


AI_HIDDEN_BEGIN


/* one token of the open event, element or body */
void ai_meter_token(ai_meter_t *m, const ai_json_token_t *tok);

/* the whole decoded value of a member; "string": it stood in quotes */
void ai_meter_value(ai_meter_t *m, const ai_field_t *field,
    const ai_char *p, size_t len, unsigned string);

/* a number of the provider's: ai_raw_t */
void ai_meter_store(ai_meter_t *m, unsigned raw, uint64_t n);

/* modalities that have a price of their own */

enum {
    AI_MODALITY_OTHER = 0,
    AI_MODALITY_AUDIO,
    AI_MODALITY_IMAGE
};

/* AI_DECLINED: the object or array is of no interest after all */
int ai_meter_begin(ai_meter_t *m, const ai_node_t *node);
void ai_meter_finish(ai_meter_t *m, const ai_node_t *node);

/* the kind of the open sub record, by its name; its end */
void ai_meter_sub_kind(ai_meter_t *m, const ai_char *p, size_t len);
void ai_meter_sub_end(ai_meter_t *m, const ai_node_t *node);

/* the text of the open part is visible, or not */
void ai_meter_part_end(ai_meter_t *m);

/* an element of the top array is closed */
void ai_meter_element(ai_meter_t *m);

/* takes m->ev over */
void ai_meter_commit(ai_meter_t *m);

/* the finish reason of a choice */
void ai_meter_reason(ai_meter_t *m, unsigned index, const ai_char *p,
    size_t len);

/* copies a short text; one that does not fit has no bytes */
uint8_t ai_meter_copy(ai_char *dst, size_t size, const ai_char *p,
    size_t len);


AI_HIDDEN_END


#endif /* AI_METER_WALK_H */
