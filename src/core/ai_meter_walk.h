
/*
 * The meter's inner seams: events (ai_meter.c), tokens (ai_meter_walk.c),
 * values (ai_meter_value.c) and what is kept of them (ai_meter_commit.c).
 */


#ifndef AI_METER_WALK_H
#define AI_METER_WALK_H


#include "ai_schema.h"


/* one token of the open event, element or body */
void ai_meter_token(ai_meter_t *m, const ai_json_token_t *tok);

/* the whole decoded value of a member; "string": it stood in quotes */
void ai_meter_value(ai_meter_t *m, const ai_field_t *field,
    const ai_char *p, size_t len, unsigned string);

/* AI_DECLINED: the object or array is of no interest after all */
int ai_meter_begin(ai_meter_t *m, const ai_node_t *node);
void ai_meter_finish(ai_meter_t *m, const ai_node_t *node);

/* an element of the top array is closed */
void ai_meter_element(ai_meter_t *m);

/* takes m->ev over */
void ai_meter_commit(ai_meter_t *m);

/* the finish reason of a choice */
void ai_meter_reason(ai_meter_t *m, unsigned index, const ai_char *p,
    size_t len);

/* copies a short text that fits */
uint8_t ai_meter_copy(ai_char *dst, size_t size, const ai_char *p,
    size_t len);


#endif /* AI_METER_WALK_H */
