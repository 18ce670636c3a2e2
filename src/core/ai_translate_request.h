
/*
 * Private to the translation of requests.
 *
 * The body is strict JSON in one piece, so a value is a span of it: an object
 * is taken apart into the spans of its members, each of which is taken apart
 * or copied in its turn.  No byte is read more than a few times, and nothing
 * recurses: what is nested deeper than the shapes known here is copied whole.
 */


#ifndef AI_TRANSLATE_REQUEST_H
#define AI_TRANSLATE_REQUEST_H


#include "ai_json.h"
#include "ai_out.h"


AI_HIDDEN_BEGIN


#define AI_TR_CALLS  128        /* calls of one turn that wait for results */
#define AI_TR_TOOLS  128        /* functions of a request */
#define AI_TR_ID     128        /* longest id of a call, decoded */
#define AI_TR_NAME   128        /* longest name of a function, decoded */
#define AI_TR_URL    2048       /* longest URL, decoded */
#define AI_TR_DEPTH  100        /* nesting of schemas and arguments */


typedef struct {
    ai_json_type_t      type;       /* 0: absent, or null */
    const ai_char      *data;       /* a string: what is between its quotes,
                                       still escaped; others: all of it */
    size_t              len;
    unsigned            escaped:1;
} ai_tr_value_t;

/* members of an object, or elements of an array, one after another */

typedef struct {
    ai_json_t           js;
    const ai_char      *pos;
    const ai_char      *end;
} ai_tr_list_t;

typedef struct {
    uint8_t             len;
    ai_char             text[AI_TR_NAME];
} ai_tr_name_t;


/* types that a member may have; none: it is dropped, whatever it is */

#define AI_TR_STR    (1u << AI_JSON_STRING)
#define AI_TR_NUM    (1u << AI_JSON_NUMBER)
#define AI_TR_BOOL   (1u << AI_JSON_TRUE | 1u << AI_JSON_FALSE)
#define AI_TR_OBJ    (1u << AI_JSON_OBJECT)
#define AI_TR_ARR    (1u << AI_JSON_ARRAY)

typedef struct {
    ai_str_t            name;
    unsigned            types;
} ai_tr_member_t;


/* the members of a request that are translated, for one dialect at least */

typedef enum {
    AI_TR_MESSAGES = 0,
    AI_TR_MAX_TOKENS,
    AI_TR_MAX_COMPLETION_TOKENS,
    AI_TR_TEMPERATURE,
    AI_TR_TOP_P,
    AI_TR_TOP_K,
    AI_TR_STOP,
    AI_TR_N,
    AI_TR_SEED,
    AI_TR_PRESENCE_PENALTY,
    AI_TR_FREQUENCY_PENALTY,
    AI_TR_TOOLS_MEMBER,
    AI_TR_TOOL_CHOICE,
    AI_TR_PARALLEL_TOOL_CALLS,
    AI_TR_RESPONSE_FORMAT,
    AI_TR_REASONING_EFFORT,
    AI_TR_SERVICE_TIER,
    AI_TR_SAFETY_IDENTIFIER,
    AI_TR_USER,
    AI_TR_KEPT                      /* the others are not looked at again */
} ai_tr_kept_t;


/* a call of the last assistant's turn */

typedef struct {
    ai_tr_value_t       name;
    unsigned            n;          /* of all calls in the request */
    unsigned            odd:1;      /* Anthropic does not take such an id */
    unsigned            answered:1;
    uint8_t             len;
    ai_char             id[AI_TR_ID];
} ai_tr_call_t;


typedef enum {
    AI_TR_CHOICE_AUTO = 0,
    AI_TR_CHOICE_NONE,
    AI_TR_CHOICE_REQUIRED,
    AI_TR_CHOICE_NAMED,             /* names[0], and no other */
    AI_TR_CHOICE_ALLOWED,           /* none, or some of names[] */
    AI_TR_CHOICE_ALLOWED_REQUIRED
} ai_tr_choice_t;


/* who speaks; results are a user's turn, too */

typedef enum {
    AI_TR_TURN_NONE = 0,
    AI_TR_TURN_USER,
    AI_TR_TURN_MODEL,
    AI_TR_TURN_RESULTS
} ai_tr_turn_t;


typedef struct {
    ai_out_t                   *out;
    const ai_translate_want_t  *want;
    unsigned                    gemini:1;
    unsigned                    strict:1;   /* a function wants it */
    unsigned                    config:1;   /* an object of options is open */
    unsigned                    signature:1;    /* this turn has one */

    const char                 *member;     /* that is being looked at */
    const char                 *param;
    const char                 *error;

    ai_tr_value_t               kept[AI_TR_KEPT];

    ai_tr_turn_t                turn;
    ai_tr_value_t               speaker[3]; /* names seen: system, user,
                                               assistant */
    unsigned                    ncalls;
    unsigned                    next;       /* call that is likely answered */
    unsigned                    numbered;   /* calls, all */
    ai_tr_call_t                calls[AI_TR_CALLS];

    ai_tr_choice_t              choice;
    unsigned                    ntools;
    unsigned                    nnames;
    ai_tr_name_t                names[AI_TR_TOOLS];
} ai_tr_t;


/* ---- ai_translate_request_read.c ---- */

/* sets param and error, and returns AI_DECLINED */
int ai_tr_decline(ai_tr_t *tr, const char *error);

void ai_tr_open(ai_tr_list_t *list, const ai_char *data, size_t len);

/* the next member or element, null ones too; 0: there are no more */
unsigned ai_tr_next(ai_tr_list_t *list, ai_tr_value_t *key,
    ai_tr_value_t *v);

/* which of the members a key names, or n */
unsigned ai_tr_find(const ai_tr_value_t *key, const void *names, size_t size,
    unsigned n);

/*
 * The next element, whose members are next where it is an object; any other
 * that is not simple has to be the last one read.  0: there are no more.
 */
unsigned ai_tr_enter(ai_tr_list_t *list, unsigned *object);

/*
 * Takes an object apart: values[i] is the member of members[i].  AI_DECLINED:
 * a member twice, of another type, or that is not known and not null.
 * ai_tr_inside() does so with the one that ai_tr_enter() has found.
 */
int ai_tr_inside(ai_tr_t *tr, ai_tr_list_t *list,
    const ai_tr_member_t *members, unsigned n, ai_tr_value_t *values);
int ai_tr_members(ai_tr_t *tr, const ai_tr_value_t *object,
    const ai_tr_member_t *members, unsigned n, ai_tr_value_t *values);

#define ai_tr_count(a)  (sizeof(a) / sizeof(a[0]))

/* a string's decoded length, or AI_ERROR: longer than size, not valid */
ptrdiff_t ai_tr_text(const ai_tr_value_t *v, ai_char *dst, size_t size);

/* whether a string is this word */
unsigned ai_tr_is(const ai_tr_value_t *v, const char *word);

/* the place of a string in a list that a NULL ends, or -1 */
int ai_tr_word(const ai_tr_value_t *v, const char *const *words);

/* a number in millionths; AI_ERROR: negative or absurd */
int ai_tr_millionths(const ai_tr_value_t *v, uint64_t *n);

/* nothing but white space */
unsigned ai_tr_blank(const ai_tr_value_t *v);

int ai_tr_name(ai_tr_t *tr, const ai_tr_value_t *v, ai_tr_name_t *name);


/* ---- ai_translate_request_write.c ---- */

void ai_tr_put(ai_tr_t *tr, const char *s);
void ai_tr_string(ai_tr_t *tr, const ai_tr_value_t *v);

/* a value as it stands; AI_DECLINED: it is nested too deep */
int ai_tr_copy(ai_tr_t *tr, const ai_tr_value_t *v);

/* the JSON object that a string holds */
int ai_tr_arguments(ai_tr_t *tr, const ai_tr_value_t *v);


/* ---- the parts of a body, each in its file ---- */

int ai_tr_messages(ai_tr_t *tr);

/* the contents of a message, by parts, into a turn */
int ai_tr_content(ai_tr_t *tr, const ai_tr_value_t *v, ai_tr_turn_t turn);

/* begins a block of a turn, and the turn where it is another one */
void ai_tr_block(ai_tr_t *tr, ai_tr_turn_t turn);

/* the value of a function's result */
int ai_tr_output(ai_tr_t *tr, const ai_tr_value_t *v);

int ai_tr_image(ai_tr_t *tr, const ai_tr_value_t *v);
int ai_tr_audio(ai_tr_t *tr, const ai_tr_value_t *v);
int ai_tr_file(ai_tr_t *tr, const ai_tr_value_t *v);

int ai_tr_calls(ai_tr_t *tr, const ai_tr_value_t *v);
int ai_tr_result(ai_tr_t *tr, const ai_tr_value_t *id,
    const ai_tr_value_t *content);

/* before the options, which depend on what it finds */
int ai_tr_tools(ai_tr_t *tr);

/* whether the target is a Gemini before the third, by its name */
unsigned ai_tr_gemini_2(const ai_tr_t *tr);


/* ---- options ---- */

typedef enum {
    AI_TR_FORMAT_TEXT = 0,
    AI_TR_FORMAT_JSON,
    AI_TR_FORMAT_BY_SCHEMA
} ai_tr_format_t;

/* a member that is translated, or NULL; refusals are about it from now on */
const ai_tr_value_t *ai_tr_kept(ai_tr_t *tr, ai_tr_kept_t i,
    const char *name);

/* AI_DECLINED: negative, or above max */
int ai_tr_range(ai_tr_t *tr, const ai_tr_value_t *v, uint64_t max);

/* what a word becomes; "to" NULL: nothing is said; a NULL "from" is the end */

typedef struct {
    const char         *from;
    const char         *to;
} ai_tr_map_t;

/* service_tier behind "key", which opens a string */
int ai_tr_tier(ai_tr_t *tr, const char *key, const ai_tr_map_t *tiers);

/* the place in none, minimal, low, medium, high, xhigh, max; -1: not given */
int ai_tr_effort(ai_tr_t *tr, int *effort);

/* the schema is set with AI_TR_FORMAT_BY_SCHEMA only */
int ai_tr_format(ai_tr_t *tr, ai_tr_format_t *format, ai_tr_value_t *schema);

int ai_tr_stops(ai_tr_t *tr, const ai_tr_value_t *v);

/* the client's own cap of the output, or NULL */
const ai_tr_value_t *ai_tr_cap(ai_tr_t *tr);

/* behind "name": the cap that is wanted, or the client's */
int ai_tr_put_cap(ai_tr_t *tr, const char *name);

int ai_tr_anthropic_options(ai_tr_t *tr);
int ai_tr_gemini_options(ai_tr_t *tr);


AI_HIDDEN_END


#endif /* AI_TRANSLATE_REQUEST_H */
