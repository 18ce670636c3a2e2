
/*
 * A value of JSON that lies in one piece, and what is in it, in place: nothing
 * is copied or kept.  Members are looked up by reading the object once, so a
 * walk reads each byte as often as the values it looks into are nested.
 */


#ifndef AI_VALUE_H
#define AI_VALUE_H


#include "ai_json.h"
#include "ai_out.h"


AI_HIDDEN_BEGIN


typedef struct {
    const ai_char   *data;      /* STRING: between the quotes, still escaped */
    size_t           len;
    uint8_t          type;      /* ai_json_type_t; 0: there is none */
} ai_value_t;

typedef struct {
    ai_json_t        js;
    const ai_char   *pos;
    const ai_char   *end;
} ai_list_t;


/*
 * The one object or array that a text is; bytes that are not UTF-8 are let
 * through.  AI_ERROR: it is no JSON, or something else.
 */
int ai_value_read(ai_value_t *v, const ai_char *data, size_t len);

/*
 * The members of an object by their names; the last one of equal names holds.
 * All are set, to type 0 where there is none or v is no object.
 */
void ai_value_members(const ai_value_t *v, const ai_str_t *names, unsigned n,
    ai_value_t *members);

/* the elements of an array, AI_OK or AI_DONE; others have none */
void ai_list_init(ai_list_t *list, const ai_value_t *v);
int ai_list_next(ai_list_t *list, ai_value_t *v);

/* whether it is a string of this text */
int ai_value_is(const ai_value_t *v, const char *text);

/* a string that is not empty */
#define ai_value_has_text(v)  ((v)->type == AI_JSON_STRING && (v)->len)

/* a count as providers write it; AI_ERROR: none, or a number that is absurd */
int ai_value_count(const ai_value_t *v, uint64_t *n);

/*
 * A string's text within quotes of the caller's, still escaped; what is not
 * UTF-8, and halves of surrogate pairs, become U+FFFD.
 */
void ai_value_text(ai_out_t *out, const ai_value_t *v);

/*
 * The same of a text that comes in several strings: the first half of a
 * surrogate pair at the end of one is kept in *half, which is 0 at first, until
 * the next one brings the other; and what is kept when there is no next one.
 */
void ai_value_piece(ai_out_t *out, const ai_value_t *v, uint16_t *half);
void ai_value_piece_end(ai_out_t *out, uint16_t *half);

/* an object or array without its spaces, as the text of a JSON string */
void ai_value_quote(ai_out_t *out, const ai_value_t *v);


AI_HIDDEN_END


#endif /* AI_VALUE_H */
