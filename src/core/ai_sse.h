
/*
 * The line grammar of server-sent events (WHATWG HTML, 9.2), resumable at any
 * byte: UTF-8 BOM, LF, CR and CRLF, comments, optional space, several data
 * lines.  Keeps nothing but an event name of at most 31 bytes; data is handed
 * on in place.
 */


#ifndef AI_SSE_H
#define AI_SSE_H


#include "ai_core.h"


AI_HIDDEN_BEGIN


typedef struct {
    uint8_t          state;
    uint8_t          field;     /* which field the line is, or place in it */
    uint8_t          bom;
    uint8_t          name_len;
    ai_char          name[31];
    unsigned         data:1;    /* the open event has a data line */
    unsigned         cr:1;      /* skip a following LF */
} ai_sse_t;


#define AI_SSE_DATA   1         /* piece of a data line: data, len */
#define AI_SSE_LINE   2         /* a further data line begins: joined by LF */
#define AI_SSE_EVENT  3         /* a blank line ended an event with data;
                                   sse->name holds its name until the next
                                   call */
#define AI_SSE_BLANK  4         /* a blank line ended a block without data
                                   (comments, a lone event name) */

void ai_sse_init(ai_sse_t *sse);

/*
 * The next item of [*pos, end), one of the above, or AI_AGAIN when all is used
 * up.  *pos is moved behind the bytes of the item: after EVENT and BLANK it
 * stands behind the line end that closed the block (in CRLF perhaps before the
 * LF, when that has not come yet; a leading LF of the next call belongs to
 * it).  Never fails: every byte string is some event stream.
 */
int ai_sse_next(ai_sse_t *sse, const ai_char **pos, const ai_char *end,
    const ai_char **data, size_t *len);


AI_HIDDEN_END


#endif /* AI_SSE_H */
