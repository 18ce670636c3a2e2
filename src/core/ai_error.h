
/*
 * Refusals: what went wrong, in the words of each dialect.
 *
 * Shapes and codes: WIRE-FORMATS section 4 and DESIGN section 11 of the
 * project's shared documents.
 */


#ifndef AI_ERROR_H
#define AI_ERROR_H


#include "ai_api.h"


typedef enum {
    AI_ERR_NO_KEY = 0,          /* 401 (Gemini 400) */
    AI_ERR_BAD_KEY,             /* unknown, expired, revoked, damaged */
    AI_ERR_TWO_KEYS,            /* 400 */
    AI_ERR_SUSPENDED,           /* 403: the tenant of a good key */
    AI_ERR_NO_MODEL,            /* 404: unknown model */
    AI_ERR_MODEL_DENIED,        /* 403: not in the plan or the key's list */
    AI_ERR_REQUEST,             /* 400, 413, 415: text and param from rq */
    AI_ERR_UNBOUNDED,           /* 400: no bound for the cost, plan refuses */
    AI_ERR_NOT_FOUND,           /* 404: no such endpoint */
    AI_ERR_STATEFUL,            /* 404: known endpoint, not served */
    AI_ERR_METHOD,              /* 405 */
    AI_ERR_RATE_REQUESTS,       /* 429 rate_limit_exceeded */
    AI_ERR_RATE_TOKENS,         /* 429 rate_limit_exceeded */
    AI_ERR_CONCURRENCY,         /* 429 rate_limit_exceeded */
    AI_ERR_CAPACITY,            /* 429 capacity_exceeded: the provider's */
    AI_ERR_BUDGET,              /* 429 insufficient_quota */
    AI_ERR_UNAVAILABLE,         /* 503 gateway_unavailable */
    AI_ERR_UPSTREAM,            /* 502, 503, 504 upstream_error */
    AI_ERR_STATUS,              /* any other status nginx answers by itself */
    AI_ERR_N
} ai_error_code_t;


typedef struct {
    ai_error_code_t  code;
    int              status;    /* HTTP; 0: the code's own for the dialect */
    ai_str_t         model;     /* NO_MODEL, MODEL_DENIED: its name, raw */
    const char      *param;     /* or NULL */
    ai_str_t         message;   /* len 0: the code's own text */
    int64_t          retry_ms;  /* how long until it may pass; -1: unknown */
    ai_str_t         id;        /* request id as text */
} ai_error_t;


/* the HTTP status for a dialect; e->status if that is set */
int ai_error_status(const ai_error_t *e, ai_dialect_t dialect);

/*
 * x-should-retry: 0 "false", 1 "true", -1 no header.  False for keys, models,
 * requests and budgets.
 */
int ai_error_retry(const ai_error_t *e);

/*
 * The JSON body.  Names and messages are escaped, model names cut at 128
 * bytes.  2 KB always suffice.
 */
void ai_error_body(ai_buf_t *b, const ai_error_t *e, ai_dialect_t dialect);


#endif /* AI_ERROR_H */
