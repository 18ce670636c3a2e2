
/*
 * The key of an answer in the exact response cache: SHA-256 over parts that
 * begin with their length, the body last.
 */


/* EVP looks the algorithm up, under a lock, at each call */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/sha.h>
#include "ai_cache.h"
#include "ai_json.h"


/* a change of what is digested, or of what is kept, changes this */

#define AI_CACHE_VERSION  "ai-cache-1"


typedef struct {
    SHA256_CTX       sha;
    const ai_char   *pos;
    const ai_char   *end;
    const ai_char   *hole;          /* the model's name; or the end */
    const ai_char   *hole_end;
    unsigned         depth;
    unsigned         stored:1;      /* "store": true */
} ai_cache_walk_t;


static void ai_cache_part(SHA256_CTX *sha, const void *data, size_t len);
static void ai_cache_number(SHA256_CTX *sha, uint64_t n);
static void ai_cache_body(ai_cache_walk_t *w);
static const ai_char *ai_cache_string(const ai_char *p, const ai_char *end);
static void ai_cache_member(ai_cache_walk_t *w, const ai_char *name,
    const ai_char *behind);


#define ai_cache_blank(c)                                                    \
    ((c) == ' ' || (c) == '\t' || (c) == '\n' || (c) == '\r')


int
ai_cache_key(const ai_cache_ask_t *ask, const ai_str_t *more, unsigned n,
    ai_char key[AI_CACHE_KEY])
{
    unsigned           i;
    ai_char            digest[SHA256_DIGEST_LENGTH];
    ai_cache_walk_t    w;
    static const char  hex[] = "0123456789abcdef";

    memset(&w, 0, sizeof(ai_cache_walk_t));

    (void) SHA256_Init(&w.sha);

    ai_cache_part(&w.sha, AI_CACHE_VERSION, sizeof(AI_CACHE_VERSION) - 1);
    ai_cache_part(&w.sha, ask->tenant.data, ask->tenant.len);
    ai_cache_part(&w.sha, ask->model.data, ask->model.len);
    ai_cache_part(&w.sha, ask->version.data, ask->version.len);

    ai_cache_number(&w.sha, ask->ep);
    ai_cache_number(&w.sha, ask->dialect);
    ai_cache_number(&w.sha, ask->served);
    ai_cache_number(&w.sha, ask->stream | ask->usage << 1 | ask->sse << 2
                            | ask->beta << 3);
    ai_cache_number(&w.sha, (uint64_t) ask->max_output);

    ai_cache_number(&w.sha, n);

    for (i = 0; i < n; i++) {
        ai_cache_part(&w.sha, more[i].data, more[i].len);
    }

    w.pos = ask->body.data;
    w.end = w.pos + ask->body.len;
    w.hole = w.end;
    w.hole_end = w.end;

    if (ask->model_len && ask->model_pos <= ask->body.len
        && ask->model_len <= ask->body.len - ask->model_pos)
    {
        w.hole = w.pos + ask->model_pos;
        w.hole_end = w.hole + ask->model_len;
    }

    ai_cache_body(&w);

    (void) SHA256_Final(digest, &w.sha);

    for (i = 0; i < sizeof(digest); i++) {
        key[2 * i] = (ai_char) hex[digest[i] >> 4];
        key[2 * i + 1] = (ai_char) hex[digest[i] & 15];
    }

    return w.stored ? AI_DECLINED : AI_OK;
}


static void
ai_cache_part(SHA256_CTX *sha, const void *data, size_t len)
{
    ai_cache_number(sha, len);

    if (len) {
        (void) SHA256_Update(sha, data, len);
    }
}


static void
ai_cache_number(SHA256_CTX *sha, uint64_t n)
{
    int      i;
    ai_char  b[8];

    for (i = 0; i < 8; i++) {
        b[i] = (ai_char) (n >> (8 * i));
    }

    (void) SHA256_Update(sha, b, sizeof(b));
}


/*
 * The runs between blanks that no string holds.  The body is JSON, or else its
 * bytes still make some key: nothing here depends on it.
 */

static void
ai_cache_body(ai_cache_walk_t *w)
{
    const ai_char  *p, *run, *name;

    p = w->pos;
    run = p;

    while (p < w->end) {

        if (p == w->hole && w->hole < w->hole_end) {
            (void) SHA256_Update(&w->sha, run, (size_t) (p - run));
            p = w->hole_end;
            run = p;
            continue;
        }

        if (*p == '"') {
            name = p + 1;
            p = ai_cache_string(name, w->end);

            if (w->depth == 1) {
                ai_cache_member(w, name, p);
            }

            continue;
        }

        if (ai_cache_blank(*p)) {
            (void) SHA256_Update(&w->sha, run, (size_t) (p - run));

            do {
                p++;
            } while (p < w->end && ai_cache_blank(*p));

            run = p;
            continue;
        }

        w->depth += (*p == '{') | (*p == '[');
        w->depth -= (*p == '}') | (*p == ']');

        p++;
    }

    (void) SHA256_Update(&w->sha, run, (size_t) (p - run));
}


/* behind the closing quote */

static const ai_char *
ai_cache_string(const ai_char *p, const ai_char *end)
{
    while (p < end && *p != '"') {
        p += (*p == '\\' && end - p > 1) ? 2 : 1;
    }

    return p < end ? p + 1 : end;
}


/* a string of the outermost object */

static void
ai_cache_member(ai_cache_walk_t *w, const ai_char *name, const ai_char *behind)
{
    size_t          len;
    ai_char         text[sizeof("store") - 1];
    const ai_char  *p;

    /* each letter may be an escape of six; the quote is behind them */

    len = (size_t) (behind - name) - 1;

    if (len < sizeof(text) || len > 6 * sizeof(text)
        || ai_json_unescape(text, sizeof(text), name, len) != sizeof(text)
        || memcmp(text, "store", sizeof(text)) != 0)
    {
        return;
    }

    for (p = behind; p < w->end && (ai_cache_blank(*p) || *p == ':'); p++) {
        /* void */
    }

    if (w->end - p >= 4 && memcmp(p, "true", 4) == 0) {
        w->stored = 1;
    }
}
