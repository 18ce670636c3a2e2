
/*
 * The Content-Type of a request (RFC 9110, 8.3): what it says of the body,
 * and only where no other reader can take it for something else.
 */


#ifndef AI_MEDIA_H
#define AI_MEDIA_H


#include "ai_core.h"


/* application/json, of no other charset than UTF-8 */
unsigned ai_media_json(const ai_str_t *type);

/*
 * multipart/form-data with one boundary; "raw" is the same with its quotes,
 * if it has any.  AI_ERROR: another type, none or several boundaries, quoted
 * pairs, boundary*=.
 */
int ai_media_form(const ai_str_t *type, ai_str_t *boundary, ai_str_t *raw);


#endif /* AI_MEDIA_H */
