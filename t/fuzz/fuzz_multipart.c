
/*
 * Forms made of fragments: the parts of an accepted form, written down again,
 * give the same form; and its model can be replaced.
 */


#include <stdlib.h>
#include "ai_multipart.h"
#include "ai_request.h"


#define CHECK(x)  if (!(x)) { abort(); }


static const char *const  fragments[] = {
    "--b\r\n", "--b--", "\r\n", "\r\n--b\r\n", "\r\n--b--\r\n", "--b", "--",
    "Content-Disposition: form-data; name=\"model\"\r\n\r\n",
    "Content-Disposition: form-data; name=\"stream\"\r\n\r\n",
    "Content-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n",
    "Content-Disposition: form-data; name=\"x\"", "Content-Type: text/plain",
    "; charset=utf-8", "content-disposition:form-data;name=model\r\n\r\n",
    "; filename*=utf-8''x", "; name=\"model\"", "name*=", "true", "m", "\"",
    "\\", "\n", "\r", " ", ":", ";", "=", "\xff", "%6d"
};


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             rc;
    size_t          len;
    ai_buf_t        b, copy;
    ai_str_t        none = ai_string(""), boundary = ai_string("b");
    ai_str_t        model = ai_string("new model");
    ai_char        *body;
    ai_part_t       part;
    ai_edit_t       edits[AI_EDITS_MAX];
    ai_request_t    rq, again;
    ai_rewrite_t    want;
    ai_multipart_t  mp;

    static ai_char  whole[262144], text[2048];

    if (size > 2048) {
        return 0;
    }

    /* a byte above the fragments is itself */

    ai_buf_init(&b, whole, sizeof(whole));

    for ( /* void */ ; size; data++, size--) {
        if (*data < sizeof(fragments) / sizeof(fragments[0])) {
            ai_buf_cstr(&b, fragments[*data]);

        } else {
            ai_buf_char(&b, *data);
        }
    }

    len = (size_t) (b.pos - whole);
    body = malloc(len ? len : 1);
    memcpy(body, whole, len);

    rc = ai_request_scan(&rq, AI_EP_TRANSCRIPTIONS, body, len, &none,
                         &boundary);
    if (rc != AI_OK) {
        CHECK(rq.status == 400 && rq.error);
        free(body);
        return 0;
    }

    CHECK(rq.model.len == rq.model_len && rq.model_len
          && memcmp(body + rq.model.pos, rq.model_name, rq.model_len) == 0);

    CHECK(ai_multipart_init(&mp, body, len, &boundary) == AI_OK);
    ai_buf_init(&copy, whole, sizeof(whole));

    while (ai_multipart_next(&mp, &part) == AI_OK) {
        ai_buf_cstr(&copy, "--b\r\nContent-Disposition: form-data; name=\"");
        ai_buf_str(&copy, &part.name);
        ai_buf_cstr(&copy, part.file ? "\"; filename=\"x\"" : "\"");
        ai_buf_cstr(&copy, part.type.len ? "\r\nContent-Type: " : "");
        ai_buf_str(&copy, &part.type);
        ai_buf_cstr(&copy, "\r\n\r\n");
        ai_buf_str(&copy, &part.content);
        ai_buf_cstr(&copy, "\r\n");
    }

    ai_buf_cstr(&copy, "--b--");
    CHECK(!copy.full);
    len = (size_t) (copy.pos - whole);

    CHECK(ai_request_scan(&again, AI_EP_TRANSCRIPTIONS, whole, len, &none,
                          &boundary) == AI_OK);
    CHECK(again.model_len == rq.model_len && again.stream == rq.stream
          && again.unbounded == rq.unbounded
          && memcmp(again.model_name, rq.model_name, rq.model_len) == 0);

    memset(&want, 0, sizeof(want));
    want.model = &model;
    want.max_output = 5;
    ai_buf_init(&b, text, sizeof(text));

    rc = ai_request_edit(&again, AI_EP_TRANSCRIPTIONS, whole, len, &want, &b,
                         edits, AI_EDITS_MAX);
    CHECK(rc == 1 || (rc == 0 && rq.model_len == model.len));

    free(body);

    return 0;
}
