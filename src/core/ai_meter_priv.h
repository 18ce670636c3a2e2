    /* private members of ai_meter_t; shaped by ai_meter.c */

    /* where in the answer: nodes of ai_schema.h from the root to here */
    const struct ai_node_s   *root;
    const struct ai_node_s   *path[10];
    const struct ai_field_s  *field;    /* what the last key was */
    uint8_t          level;             /* nodes in path */
    uint8_t          skip;              /* in a value of no interest, */
    uint8_t          skip_depth;        /* until it ends at this depth */

    /* the token that is being read, when it comes in pieces */
    ai_text_t        text;
    uint8_t          scratch_len;
    ai_char          scratch[128];

    uint8_t          mode;              /* what the open event's data is */
    uint8_t          done;              /* place in "[DONE]" */
    uint8_t          ordinal;           /* choices met in this array */
    uint8_t          detail;            /* ai_detail_t of this array */
    unsigned         overlong:1;        /* the token does not fit */
    unsigned         json_done:1;       /* the top value was closed */
    unsigned         list:1;            /* the top value is an array */
    unsigned         bad:1;             /* the open event is no JSON */
    unsigned         stopped:1;         /* behind [DONE] */
    unsigned         settled:1;         /* the last usage is the final one */
    unsigned         finished:1;        /* some finish reason was seen */
    unsigned         ended:1;
    unsigned         fast:1;            /* of the tier: Anthropic's speed */
    unsigned         odd:1;
    unsigned         answered:1;        /* something but an error was seen */

    /* finish[] by choice */
    uint8_t          nfinish;
    uint8_t          finish_index[8];
    uint8_t          finish_size[8];

    uint64_t         raw[25];           /* ai_raw_t, as of whole events */
    uint64_t         stage[23];         /* of the open usage object */
    uint32_t         staged;            /* mask of what it has */
    unsigned         writes:1;          /* it has cache_creation */

    /* usage of other passes and models; those of the open event stand behind
       the ones that hold */
    uint8_t          nsubs;
    uint8_t          nsubs_open;
    struct {
        uint64_t     part[5];           /* ai_part_t */
        uint8_t      kind;
        uint8_t      model_len;
        ai_char      model[64];
    } subs[6], sub;

    /* the open event, or element, or body: void if it proves to be none */
    struct {
        ai_text_sum_t  count[6];        /* ai_count_t */
        ai_text_sum_t  before;          /* the string that is being counted */
        uint8_t      counting;          /* its ai_count_t + 1 */
        uint8_t      type;              /* ai_event_t */
        uint8_t      rank;              /* of the usage object taken */
        uint8_t      choices;           /* 1: an empty array, 2: more */
        uint8_t      index;             /* of the open choice */
        uint8_t      error_rank;
        uint8_t      error_len;
        uint8_t      model_len;
        uint8_t      tier_len;
        uint8_t      status_len;
        uint8_t      reason_len;
        uint8_t      why_len;           /* finish reason of the open choice */
        uint8_t      modality;
        uint64_t     tokens;            /* of the open detail */
        unsigned     usage:1;           /* "usage" is an object */
        unsigned     applied:1;         /* and had numbers */
        unsigned     merged:1;          /* it was a delta */
        unsigned     failed:1;
        unsigned     nested:1;          /* the error is an object */
        unsigned     stored:1;          /* raw has changed */
        unsigned     subs:1;            /* subs are replaced */
        unsigned     finish:1;          /* finish reasons have changed */
        unsigned     thought:1;
        unsigned     fast:1;
        uint8_t      nfinish;
        uint8_t      finish_len;
        uint8_t      finish_index[8];
        uint8_t      finish_size[8];

        /* from here on only what was set is valid */
        uint64_t     raw[25];
        ai_char      finish_text[64];
        ai_char      model[128];
        ai_char      tier[24];
        ai_char      error[48];
        ai_char      status[24];
        ai_char      reason[40];
        ai_char      why[40];
    } ev;
