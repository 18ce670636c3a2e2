
/*
 * The scanner against a naive recursive checker; whole, in pieces, portable
 * and with SIMD: the same verdict and the same tokens.
 */


#include <stdlib.h>
#include "ai_json.h"


#define CHECK(x)  if (!(x)) { abort(); }


/* ---- the naive checker: the position behind the value, or NULL ---- */


static const ai_char *
naive_space(const ai_char *p, const ai_char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }

    return p;
}


static const ai_char *
naive_string(const ai_char *p, const ai_char *end)
{
    size_t  i, n;

    if (p == end || *p++ != '"') {
        return NULL;
    }

    while (p < end && *p != '"') {

        if (*p < 0x20) {
            return NULL;
        }

        if (*p == '\\') {

            if (end - p < 2 || strchr("\"\\/bfnrtu", p[1]) == NULL
                || p[1] == '\0')
            {
                return NULL;
            }

            n = p[1] == 'u' ? 4 : 0;
            p += 2;

            for (i = 0; i < n; i++, p++) {
                if (p == end || *p == '\0'
                    || strchr("0123456789abcdefABCDEF", *p) == NULL)
                {
                    return NULL;
                }
            }

            continue;
        }

        n = ai_utf8_len(p, end);

        if (n == 0) {
            return NULL;
        }

        p += n;
    }

    return p < end ? p + 1 : NULL;
}


static const ai_char *
naive_digits(const ai_char *p, const ai_char *end)
{
    const ai_char  *q;

    for (q = p; q < end && *q >= '0' && *q <= '9'; q++) { /* void */ }

    return q > p ? q : NULL;
}


static const ai_char *
naive_number(const ai_char *p, const ai_char *end)
{
    p += (p < end && *p == '-');

    if (p < end && *p == '0') {
        p++;

    } else if ((p = naive_digits(p, end)) == NULL) {
        return NULL;
    }

    if (p < end && *p == '.' && (p = naive_digits(p + 1, end)) == NULL) {
        return NULL;
    }

    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += (p < end && (*p == '+' || *p == '-'));
        p = naive_digits(p, end);
    }

    return p;
}


static const ai_char *
naive_value(const ai_char *p, const ai_char *end, int depth)
{
    ai_char  close;

    p = naive_space(p, end);

    if (p == end) {
        return NULL;
    }

    if (*p == '"') {
        return naive_string(p, end);
    }

    if (*p != '{' && *p != '[') {

        if (end - p >= 4 && (memcmp(p, "true", 4) == 0
                             || memcmp(p, "null", 4) == 0))
        {
            return p + 4;
        }

        if (end - p >= 5 && memcmp(p, "false", 5) == 0) {
            return p + 5;
        }

        return naive_number(p, end);
    }

    if (depth == AI_JSON_DEPTH) {
        return NULL;
    }

    close = *p == '{' ? '}' : ']';
    p = naive_space(p + 1, end);

    if (p < end && *p == close) {
        return p + 1;
    }

    for ( ;; ) {

        if (close == '}') {
            p = naive_string(naive_space(p, end), end);

            if (p == NULL || (p = naive_space(p, end)) == end || *p++ != ':') {
                return NULL;
            }
        }

        p = naive_value(p, end, depth + 1);

        if (p == NULL || (p = naive_space(p, end)) == end) {
            return NULL;
        }

        if (*p == close) {
            return p + 1;
        }

        if (*p++ != ',') {
            return NULL;
        }
    }
}


/* ---- the tokens as a sum ---- */


typedef struct {
    uint64_t   sum;
    int        rc;
} verdict_t;


static void
token_check(const ai_json_token_t *tok)
{
    double     d;
    char       text[64];
    ai_buf_t   b;
    uint64_t   n;
    ptrdiff_t  len, again;
    ai_char    plain[256], json[2048], twice[256];

    if (!tok->first || !tok->last || tok->len > 40) {
        return;
    }

    if (tok->type == AI_JSON_STRING) {
        len = ai_json_unescape(plain, sizeof(plain), tok->data, tok->len);

        if (len == AI_ERROR) {
            return;
        }

        ai_buf_init(&b, json, sizeof(json));
        ai_buf_json(&b, plain, (size_t) len);
        again = ai_json_unescape(twice, sizeof(twice), json + 1,
                                 (size_t) (b.pos - json) - 2);
        CHECK(again == len && memcmp(plain, twice, (size_t) len) == 0);
    }

    if (tok->type == AI_JSON_NUMBER) {
        memcpy(text, tok->data, tok->len);
        text[tok->len] = '\0';
        d = strtod(text, NULL);

        if (ai_json_uint(tok->data, tok->len, &n) == AI_OK) {
            CHECK(d == (double) n);

        } else if (strpbrk(text, "-.eE") == NULL) {
            CHECK(d > 9007199254740991.0);
        }
    }
}


static verdict_t
feed(const ai_char *data, size_t size, size_t step, unsigned portable)
{
    size_t           i, n;
    ai_char         *piece;
    ai_json_t        js;
    verdict_t        v;
    const ai_char   *pos;
    ai_json_token_t  tok;

    ai_json_portable = portable;
    ai_json_init(&js, 0);
    v.sum = 5381;
    v.rc = AI_AGAIN;

    for ( /* void */ ; size && v.rc == AI_AGAIN; data += n, size -= n) {
        n = step < size ? step : size;
        piece = malloc(n);
        memcpy(piece, data, n);
        pos = piece;

        while ((v.rc = ai_json_next(&js, &pos, piece + n, &tok)) == AI_OK) {

            if (tok.first) {
                v.sum = v.sum * 33 + tok.type + 256;
            }

            for (i = 0; tok.type >= AI_JSON_KEY && i < tok.len
                        && tok.type <= AI_JSON_NUMBER; i++)
            {
                v.sum = v.sum * 33 + tok.data[i];
            }

            if (tok.last) {
                v.sum = v.sum * 33 + 512 + tok.escaped;
            }

            token_check(&tok);
        }

        if (v.rc == AI_DONE) {
            v.rc = naive_space(pos, piece + n) < piece + n ? AI_ERROR
                                                           : AI_AGAIN;
        }

        free(piece);
    }

    v.rc = v.rc == AI_ERROR ? AI_ERROR : ai_json_end(&js);

    return v;
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          step;
    ai_json_t       js;
    verdict_t       whole, other;
    const ai_char  *p, *end;

    if (size < 2 || size > 4096) {
        return 0;
    }

    step = 1 + data[0] % 70;
    data++;
    size--;
    end = data + size;

    p = naive_value(data, end, 0);
    p = p ? naive_space(p, end) : p;

    whole = feed(data, size, size, 0);
    CHECK((whole.rc == AI_OK) == (p == end));

    other = feed(data, size, size, 1);
    CHECK(other.rc == whole.rc && other.sum == whole.sum);

    other = feed(data, size, step, 0);
    CHECK(other.rc == whole.rc);
    CHECK(whole.rc != AI_OK || other.sum == whole.sum);

    other = feed(data, size, 1, 1);
    CHECK(other.rc == whole.rc);
    CHECK(whole.rc != AI_OK || other.sum == whole.sum);

    ai_json_init(&js, 0);
    p = data;

    if (whole.rc == AI_OK) {
        CHECK(ai_json_skip(&js, &p, end, 0) != AI_ERROR);
        CHECK(naive_space(p, end) == end);
        CHECK(ai_json_end(&js) == AI_OK);
    }

    return 0;
}
