
/*
 * Dates as an operator writes them.
 */


#ifndef AI_DATE_H
#define AI_DATE_H


#include "ai_core.h"


/*
 * Seconds since the epoch of "2027-01-01" (its first second, UTC) or of
 * "2027-01-01T12:30:00Z" (RFC 3339 in this one shape).  The years are 1970 to
 * 9999.  AI_ERROR: another text, or no such day or time.
 */
int ai_date_parse(const ai_char *data, size_t len, uint64_t *seconds);


#endif /* AI_DATE_H */
