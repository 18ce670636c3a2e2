
/*
 * The endpoints that the gateway serves, and what is known of each.
 */


#ifndef AI_API_H
#define AI_API_H


#include "ai_core.h"


/* shapes errors, headers and lists; the dialect of a request's route */

typedef enum {
    AI_DIALECT_OPENAI = 0,
    AI_DIALECT_ANTHROPIC,
    AI_DIALECT_GEMINI,
    AI_DIALECT_AZURE            /* OpenAI's bodies under Azure's paths */
} ai_dialect_t;


typedef enum {
    AI_EP_NONE = 0,

    /* metered: these and only these reach a provider */
    AI_EP_CHAT,                 /* POST /v1/chat/completions */
    AI_EP_COMPLETIONS,          /* POST /v1/completions */
    AI_EP_RESPONSES,            /* POST /v1/responses */
    AI_EP_EMBEDDINGS,           /* POST /v1/embeddings */
    AI_EP_MODERATIONS,          /* POST /v1/moderations */
    AI_EP_IMAGES,               /* POST /v1/images/generations */
    AI_EP_TRANSCRIPTIONS,       /* POST /v1/audio/transcriptions, multipart */
    AI_EP_TRANSLATIONS,         /* POST /v1/audio/translations, multipart */
    AI_EP_SPEECH,               /* POST /v1/audio/speech */
    AI_EP_MESSAGES,             /* POST /v1/messages */
    AI_EP_MESSAGES_COUNT,       /* POST /v1/messages/count_tokens */
    AI_EP_GENERATE,             /* POST .../models/M:generateContent */
    AI_EP_STREAM_GENERATE,      /* POST .../models/M:streamGenerateContent */
    AI_EP_EMBED,                /* POST .../models/M:embedContent */
    AI_EP_BATCH_EMBED,          /* POST .../models/M:batchEmbedContents */
    AI_EP_COUNT_TOKENS,         /* POST .../models/M:countTokens */

    /* answered by the gateway itself */
    AI_EP_MODELS,               /* GET .../models */
    AI_EP_MODEL,                /* GET .../models/M */
    AI_EP_USAGE,                /* GET /v1/usage */

    AI_EP_N
} ai_endpoint_t;


/*
 * The name in the ledger's "api": "openai.chat.completions",
 * "azure.openai.chat.completions", "anthropic.messages",
 * "gemini.streamGenerateContent" ... (as in t/data/fixtures/manifest.json)
 */
const ai_str_t *ai_api_name(ai_dialect_t dialect, ai_endpoint_t ep);


/* what a request's raw path, method and arguments say */

typedef struct {
    ai_endpoint_t    ep;
    ai_dialect_t     dialect;
    ai_str_t         model;     /* Gemini, Azure dated, GET /v1/models/M:
                                   the segment decoded into "name"; len 0 when
                                   the path names none */
    ai_str_t         version;   /* Gemini: "v1beta"; Azure dated: the value of
                                   api-version; else empty */
    unsigned         sse:1;     /* Gemini ?alt=sse */
    unsigned         beta:1;    /* Anthropic ?beta=true */
    unsigned         deployment:1;  /* Azure dated form */
    ai_char          name[128];
} ai_route_t;

/* hints of the request for paths that the dialects share */

#define AI_HINT_GOOG       1    /* x-goog-api-key or ?key= is present */
#define AI_HINT_ANTHROPIC  2    /* anthropic-version is present */

/*
 * Finds the endpoint of a raw request target's path ("path", before '?',
 * compared as raw bytes: no normalisation, no decoding but of the model's
 * segment) and its arguments ("args", may be empty; unknown ones ignored).
 * "method" is "GET", "POST", ...
 *
 * AI_OK:        rt is complete
 * AI_DECLINED:  no such path: 404.  rt->dialect is set all the same, from the
 *               hints and the prefix of the path
 * AI_BUSY:      a known path with another method: 405; *allow names the
 *               method that it takes
 * AI_ERROR:     a known stateful endpoint (files, batches, stored responses,
 *               threads, realtime, image edits, cachedContents, ...), which
 *               is refused: 404 with a text that says so
 */
int ai_route_find(ai_route_t *rt, const ai_str_t *method,
    const ai_str_t *path, const ai_str_t *args, unsigned hints,
    const char **allow);

/* whether ai_route_build() would make one: AI_OK or AI_DECLINED */
int ai_route_serves(const ai_route_t *rt, ai_dialect_t api,
    const ai_str_t *base, const ai_str_t *api_version);

/*
 * Appends the path and query that a provider gets for an endpoint.
 * "api" is the provider's own dialect (AI_DIALECT_AZURE for Azure).  "base" is
 * the path prefix of the provider's base URL without a trailing '/', may be
 * empty; when it already ends in a version segment ("/v1", "/openai/v1",
 * "/v1beta", "/v1beta/openai") only the rest is appended.  Azure's dated form
 * (base does not end in a version) puts "model" into the path and
 * "api_version" into the query.  "model" is percent-encoded.
 * AI_DECLINED: this provider cannot serve the endpoint (another dialect).
 */
int ai_route_build(ai_buf_t *b, const ai_route_t *rt, ai_dialect_t api,
    const ai_str_t *base, const ai_str_t *model, const ai_str_t *api_version);


#endif /* AI_API_H */
