
/*
 * The key of an answer in the exact response cache.
 *
 * Two requests have one key when a provider would read the same request from
 * the same tenant: nothing but insignificant white space is left out, and the
 * model's name stands as it was admitted, so that an alias is its model.
 */


#ifndef AI_CACHE_H
#define AI_CACHE_H


#include "ai_api.h"


AI_HIDDEN_BEGIN


#define AI_CACHE_KEY  64            /* digits of a key */


typedef struct {
    ai_str_t         tenant;
    ai_str_t         model;         /* as admitted */
    ai_endpoint_t    ep;
    ai_dialect_t     dialect;       /* of the route */
    ai_dialect_t     served;        /* of the provider whose bytes are kept */
    ai_str_t         version;       /* of the path, or of its arguments */
    unsigned         stream:1;
    unsigned         usage:1;       /* asked for in a stream */
    unsigned         sse:1;         /* as ai_route_t */
    unsigned         beta:1;
    int64_t          max_output;    /* written into the request; -1: none */
    ai_str_t         body;          /* strict JSON, as ai_request_scan() lets
                                       it pass */
    size_t           model_pos;     /* its model's name, with quotes */
    size_t           model_len;     /* 0: it has none */
} ai_cache_ask_t;


/*
 * "more" is what else of the request changes the answer: names and values of
 * headers, in the order in which they came.  AI_OK: key has its digits (lower
 * case, no NUL).  AI_DECLINED: the answer must not be kept, since the client
 * asks the provider to keep it ("store": true).
 */
int ai_cache_key(const ai_cache_ask_t *ask, const ai_str_t *more, unsigned n,
    ai_char key[AI_CACHE_KEY]);


AI_HIDDEN_END


#endif /* AI_CACHE_H */
