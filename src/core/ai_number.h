
/*
 * Numbers of providers, which may be absurd.
 */


#ifndef AI_NUMBER_H
#define AI_NUMBER_H


#include "ai_core.h"


AI_HIDDEN_BEGIN


#define AI_NUMBER_MAX  ((uint64_t) 1 << 40)     /* more tokens are corrupt */

/*
 * A count by the rule n() of WIRE-FORMATS 2.3: 12, 12.0, 1.2e1.  AI_ERROR:
 * negative, fractional, above AI_NUMBER_MAX or no JSON number.
 */
int ai_number_count(const ai_char *p, size_t len, uint64_t *n);

/*
 * A JSON number times 10^places as an integer, rounded half up.  AI_ERROR:
 * negative, above 10^15 or no JSON number.
 */
int ai_number_scaled(const ai_char *p, size_t len, int places, uint64_t *n);


AI_HIDDEN_END


#endif /* AI_NUMBER_H */
