
/*
 * JSON into an ai_out_t: see ai_translate.h for what that is.
 *
 * Nothing is written once "failed" is set, nor where put is NULL (a check
 * without a result).  Data of length 0 is not put.
 */


#ifndef AI_OUT_H
#define AI_OUT_H


#include "ai_translate.h"


AI_HIDDEN_BEGIN


void ai_out_put(ai_out_t *out, const void *data, size_t len);
void ai_out_cstr(ai_out_t *out, const char *s);
void ai_out_char(ai_out_t *out, int c);
void ai_out_uint(ai_out_t *out, uint64_t n);
void ai_out_int(ai_out_t *out, int64_t n);

/*
 * Plain text as a JSON string with its quotes, and the same without them, so
 * that a string may be made of several pieces (each of whole characters).  As
 * ai_buf_json(): a byte that is not part of valid UTF-8 becomes U+FFFD.
 */
void ai_out_json(ai_out_t *out, const ai_char *data, size_t len);
void ai_out_json_text(ai_out_t *out, const ai_char *data, size_t len);

/* what a KEY or STRING token of strict JSON holds, still escaped, in quotes */
void ai_out_raw_string(ai_out_t *out, const ai_char *data, size_t len);


AI_HIDDEN_END


#endif /* AI_OUT_H */
