
/*
 * multipart/form-data (RFC 7578 on RFC 2046), the strict half of it: what two
 * parsers could read differently is refused.
 *
 * Refused beside what is malformed: a preamble or an epilogue, white space
 * behind a boundary, the boundary's text anywhere inside of a part, bare CR
 * or LF in headers, folded headers, a header of the part given twice, name*=,
 * a parameter given twice, quoted pairs and %XX in a name, a transfer
 * encoding, nested multiparts.
 */


#ifndef AI_MULTIPART_H
#define AI_MULTIPART_H


#include "ai_core.h"


#define AI_MULTIPART_NAME     64        /* longest name of a field */
#define AI_MULTIPART_HEADERS  4096      /* of one part, bytes */
#define AI_MULTIPART_PARTS    1024      /* of one body */


typedef struct {
    ai_char          delimiter[76];     /* CRLF "--" boundary */
    size_t           len;
    const ai_char   *pos;
    const ai_char   *end;
    unsigned         parts;
    const char      *error;             /* with AI_ERROR: an English sentence */
} ai_multipart_t;

typedef struct {
    ai_str_t         name;              /* into the body */
    ai_str_t         type;              /* Content-Type's value; or empty */
    ai_str_t         content;
    unsigned         file:1;            /* has a filename */
} ai_part_t;


/* AI_ERROR: not a boundary (RFC 2046, 5.1.1) */
int ai_multipart_init(ai_multipart_t *mp, const ai_char *body, size_t len,
    const ai_str_t *boundary);

/* AI_OK: part is filled in; AI_DECLINED: that was all; AI_ERROR */
int ai_multipart_next(ai_multipart_t *mp, ai_part_t *part);


#endif /* AI_MULTIPART_H */
