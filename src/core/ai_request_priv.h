
/*
 * Private to the scan of requests: tables that say which members matter at
 * which place of a body, and what is done with each.
 *
 * A level is the members of one kind of object.  A member's value may be an
 * object, or an array of objects, of a further level; whatever no level names
 * is skipped unread, so that "model" inside of a tool's schema or of a text
 * is nobody's model.
 */


#ifndef AI_REQUEST_PRIV_H
#define AI_REQUEST_PRIV_H


#include "ai_json.h"
#include "ai_request.h"


AI_HIDDEN_BEGIN


/* ai_member_t.bits: which JSON types the value may have; none named: all */

#define AI_M_STR    (1u << AI_JSON_STRING)
#define AI_M_NUM    (1u << AI_JSON_NUMBER)
#define AI_M_BOOL   (1u << AI_JSON_TRUE | 1u << AI_JSON_FALSE)
#define AI_M_NULL   (1u << AI_JSON_NULL)
#define AI_M_OBJ    (1u << AI_JSON_OBJECT)
#define AI_M_ARR    (1u << AI_JSON_ARRAY)
#define AI_M_TYPES  0x7ffu

/* the types of an array's elements, e.g. AI_M_OF(AI_M_OBJ) */
#define AI_M_OF(t)  ((t) << 11)

#define AI_M_EACH   (1u << 24)  /* take() is called for each element, too */
#define AI_M_NULLS  (1u << 25)  /* take() wants to see null */
#define AI_M_SAME   (1u << 26)  /* another spelling of the row above */
#define AI_M_IMAGE  (1u << 27)  /* its value is an image, or where one lies */


typedef struct ai_level_s   ai_level_t;
typedef struct ai_member_s  ai_member_t;
typedef struct ai_scan_s    ai_scan_t;

typedef int (*ai_take_pt)(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);

struct ai_member_s {
    ai_str_t             name;
    unsigned             bits;
    ai_take_pt           take;      /* NULL: only the type is checked */
    const ai_level_t    *level;     /* of the object, or of those in the
                                       array; NULL: not looked into */
    const char          *text;      /* why it is refused, NULL: a default */
};

struct ai_level_s {
    const ai_member_t   *members;   /* with those of base 64 at most */
    unsigned             n;
    const ai_level_t    *base;      /* further members, or NULL */
    const ai_member_t   *other;     /* all that are not named, or NULL */
    int                (*enter)(ai_scan_t *sc);
    int                (*leave)(ai_scan_t *sc, unsigned empty);
};

#define ai_level(members, base, other, enter, leave)                         \
    { members, sizeof(members) / sizeof(members[0]), base, other, enter,      \
      leave }


/* an open object, or an open array when level is NULL */

typedef struct {
    const ai_level_t    *level;
    const ai_member_t   *member;    /* whose value is due; the array's own */
    uint64_t             seen;
    unsigned             empty:1;
} ai_frame_t;


/* what is known of a tool until its object ends */

typedef struct {
    ai_char              type[64];
    size_t               type_len;      /* 0: none */
    ai_str_t             model;         /* parameters.model, in the body */
    uint64_t             max_uses;
    unsigned             local:1;       /* shell: in the client's place */
    unsigned             hosted:1;      /* shell: in a container */
} ai_tool_t;


struct ai_scan_s {
    ai_request_t        *rq;
    ai_endpoint_t        ep;
    const ai_char       *body;
    const ai_char       *pos;           /* behind the current token */
    const ai_char       *end;
    const ai_str_t      *path_model;    /* NULL: do not compare with it */

    uint64_t             n;             /* 0: not given */
    uint64_t             best_of;
    uint64_t             prompts;
    size_t               close;         /* behind the object that ended last */

    ai_tool_t            tools[2];      /* the tool, and one inside of it */
    ai_tool_t           *tool;

    unsigned             element:1;     /* take() sees an array's element */

    /* called with the place of each nested model, NULL: only counted */
    int                (*nested)(ai_scan_t *sc, ai_span_t *span);
    void                *data;

    ai_json_t            js;
    ai_frame_t           frames[AI_JSON_DEPTH];
};


/* the root levels */

extern const ai_level_t  ai_level_chat;
extern const ai_level_t  ai_level_completions;
extern const ai_level_t  ai_level_responses;
extern const ai_level_t  ai_level_embeddings;
extern const ai_level_t  ai_level_moderations;
extern const ai_level_t  ai_level_images;
extern const ai_level_t  ai_level_speech;
extern const ai_level_t  ai_level_messages;
extern const ai_level_t  ai_level_generate;
extern const ai_level_t  ai_level_embed;
extern const ai_level_t  ai_level_batch_embed;
extern const ai_level_t  ai_level_count_tokens;


/* levels that more than one of them uses */

extern const ai_level_t  ai_level_openai;
extern const ai_level_t  ai_level_fallback;
extern const ai_level_t  ai_level_tool_parameters;


/* walks the whole body; AI_OK, or AI_ERROR with rq's status and text */
int ai_scan_walk(ai_scan_t *sc, ai_request_t *rq, ai_endpoint_t ep,
    const ai_char *body, size_t len);

/* the member for a key still escaped, NULL: none; AI_ERROR: refused, with
   *m the member it resembles or NULL; *bit is its place in "seen" */
int ai_level_find(const ai_level_t *level, const ai_json_token_t *key,
    const ai_member_t **m, unsigned *bit);

/* sets status 400, param and text, and returns AI_ERROR */
int ai_scan_refuse(ai_scan_t *sc, const ai_member_t *m, const char *text);

/* whether the array or object just opened has nothing in it */
unsigned ai_scan_empty(const ai_scan_t *sc);

/* the current string, number or word, with a string's quotes */
ai_span_t ai_scan_span(const ai_scan_t *sc, const ai_json_token_t *tok);

/*
 * A name out of a string: decoded, in UTF-8, not empty, without control
 * characters.  NULL, or the sentence that says what is wrong.
 */
const char *ai_name_decode(ai_char dst[AI_MODEL_LEN], size_t *dlen,
    const ai_char *data, size_t len, unsigned escaped);

/* multipart/form-data of the audio endpoints */
int ai_request_form(ai_request_t *rq, const ai_char *body, size_t len,
    const ai_str_t *boundary);


/* what is done with members, by more than one dialect */

int ai_take_model(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
int ai_take_named(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
int ai_take_cap(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
int ai_take_count(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
int ai_take_fallbacks(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
int ai_take_stream(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
int ai_take_tier(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);

/* refused unless null, false, or an empty array */
int ai_take_refused(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);

/* AI_UNBOUNDED_TOOLS unless null, false, or an empty array */
int ai_take_hosted(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);

/* AI_UNBOUNDED_REMOTE unless a data: URL */
int ai_take_url(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);

/* base64 or a data: URL; a URL is AI_UNBOUNDED_REMOTE */
int ai_take_data(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);

/* base64: an image, a sound, a file */
int ai_take_media(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);

/* the "type" of a tool, its "max_uses", its parameters' "model" */
int ai_take_tool_type(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
int ai_take_tool_uses(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);
int ai_take_tool_model(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);

/* a "type" that is "image", a media type of one */
int ai_take_image_type(ai_scan_t *sc, const ai_member_t *m,
    const ai_json_token_t *tok);

int ai_tool_enter(ai_scan_t *sc);

/* the tool is run by the provider; commits what was kept of it */
int ai_tool_hosted(ai_scan_t *sc);

#define ai_tool_is(t, s)                                                     \
    ((t)->type_len == sizeof(s) - 1                                          \
     && memcmp((t)->type, s, sizeof(s) - 1) == 0)
#define ai_tool_begins(t, s)                                                 \
    ((t)->type_len >= sizeof(s) - 1                                          \
     && memcmp((t)->type, s, sizeof(s) - 1) == 0)


/* texts of refusals that several tables share */

#define AI_TEXT_STATE                                                        \
    "This gateway keeps no state at the provider: ids of stored objects "    \
    "are refused. Send the content itself instead."
#define AI_TEXT_FILE                                                         \
    "Files stored at the provider are not served by this gateway. Send the " \
    "file's content itself instead of an id."
#define AI_TEXT_PAYER                                                        \
    "Members that choose who pays are set by this gateway alone."


AI_HIDDEN_END


#endif /* AI_REQUEST_PRIV_H */
