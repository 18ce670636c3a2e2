
/*
 * A slot's row as a line of JSON.  The fields and their order are the ledger's
 * format: tools, the database and ai_row_parse() rely on them.
 */


#include "ai_slot.h"
#include "ai_json.h"
#include "ai_key.h"
#include "ai_digits.h"


#define ai_row_lit(b, s)  ai_buf_put(b, s, sizeof(s) - 1)


static const char *const  ai_reason_names[AI_REASON_N] = {
    NULL, "connect", "timeout", "status", "cut", "abort", "death", "revoked"
};


/* where the strings lie, found once for the whole row */

typedef struct {
    const ai_slot_t  *slot;
    const ai_run_t   *run;
    ai_str_t          text[AI_SLOT_STRINGS];
} ai_row_out_t;


static void
ai_row_strings(ai_row_out_t *r)
{
    size_t    at, len;
    unsigned  i;

    at = 0;

    for (i = 0; i < AI_SLOT_STRINGS; i++) {
        len = r->slot->string_len[i];

        if (len > AI_SLOT_TEXT - at) {
            len = AI_SLOT_TEXT - at;
        }

        r->text[i].data = (ai_char *) r->slot->text + at;
        r->text[i].len = len;
        at += len;
    }
}


/*
 * A NUL, which a provider may send as \u0000, becomes U+FFFD, as a byte does
 * that is no text: PostgreSQL takes a NUL in no text, and the row could not be
 * billed.
 */

static void
ai_row_text(ai_buf_t *b, const ai_char *data, size_t len)
{
    size_t   i;
    ai_char  text[AI_SLOT_TEXT];

    if (ai_buf_json_plain(b, data, len) == AI_OK) {
        return;
    }

    if (len > sizeof(text) || memchr(data, '\0', len) == NULL) {
        ai_buf_json(b, data, len);
        return;
    }

    for (i = 0; i < len; i++) {
        text[i] = data[i] ? data[i] : 0xff;
    }

    ai_buf_json(b, text, len);
}


static void
ai_row_string(ai_buf_t *b, const ai_str_t *v)
{
    ai_row_text(b, v->data, v->len);
}


static void
ai_row_string_or_null(ai_buf_t *b, const ai_str_t *v)
{
    if (v->len == 0) {
        ai_row_lit(b, "null");
        return;
    }

    ai_row_text(b, v->data, v->len);
}


static inline void
ai_row_bool(ai_buf_t *b, unsigned value)
{
    if (value) {
        ai_row_lit(b, "true");

    } else {
        ai_row_lit(b, "false");
    }
}


/* most of a row's counts are small, or nothing */

static inline void
ai_row_uint(ai_buf_t *b, uint64_t n)
{
    if (n < 10) {
        ai_buf_char(b, '0' + (int) n);
        return;
    }

    ai_buf_uint(b, n);
}


/* 0 stands for a number that is not known */

static inline void
ai_row_uint_or_null(ai_buf_t *b, uint64_t n)
{
    if (n == 0) {
        ai_row_lit(b, "null");
        return;
    }

    ai_buf_uint(b, n);
}


/* labels come as ready JSON, yet one that was cut must not break the line */

static int
ai_row_labels_check(const ai_str_t *v)
{
    int              rc;
    size_t           i;
    unsigned         first;
    ai_json_t        js;
    const ai_char   *p, *end;
    ai_json_token_t  tok;

    for (i = 0; i < v->len; i++) {
        if (v->data[i] < 0x20) {
            return AI_ERROR;
        }
    }

    ai_json_init(&js, 0);

    p = v->data;
    end = p + v->len;

    for (first = 1; /* void */ ; first = 0) {
        rc = ai_json_next(&js, &p, end, &tok);

        if (rc == AI_DONE) {
            return p == end ? AI_OK : AI_ERROR;
        }

        if (rc != AI_OK || (first && tok.type != AI_JSON_OBJECT)) {
            return AI_ERROR;
        }
    }
}


static void
ai_row_labels(ai_buf_t *b, const ai_str_t *v)
{
    if (v->len <= 2 || ai_row_labels_check(v) != AI_OK) {
        ai_row_lit(b, "{}");
        return;
    }

    ai_buf_str(b, v);
}


static void
ai_row_attempt(ai_buf_t *b, const ai_attempt_t *at, const ai_str_t *provider,
    const ai_str_t *model)
{
    ai_row_lit(b, "{\"provider\":");
    ai_row_string_or_null(b, provider);
    ai_row_lit(b, ",\"model\":");
    ai_row_string_or_null(b, model);
    ai_row_lit(b, ",\"status\":");
    ai_row_uint_or_null(b, at->status);
    ai_row_lit(b, ",\"ms\":");
    ai_row_uint(b, at->ms);

    if (at->reason && at->reason < AI_REASON_N) {
        ai_row_lit(b, ",\"reason\":\"");
        ai_buf_cstr(b, ai_reason_names[at->reason]);
        ai_buf_char(b, '"');

    } else {
        ai_row_lit(b, ",\"reason\":null");
    }

    /* where there was a choice */

    if (at->chosen > AI_CHOSEN_ONLY && at->chosen < AI_CHOSEN_N) {
        ai_row_lit(b, ",\"chosen\":\"");
        ai_buf_cstr(b, ai_chosen_names[at->chosen]);
        ai_buf_char(b, '"');
    }

    ai_buf_char(b, '}');
}


static void
ai_row_attempts(ai_buf_t *b, const ai_row_out_t *r)
{
    unsigned         i, n;
    const ai_str_t  *name;

    n = r->slot->nattempts;

    if (n > AI_SLOT_ATTEMPTS) {
        n = AI_SLOT_ATTEMPTS;
    }

    name = &r->text[AI_SLOT_ATTEMPT_PROVIDER];

    ai_row_lit(b, ",\"provider\":");

    if (n) {
        ai_row_string_or_null(b, &name[2 * (n - 1)]);

    } else {
        ai_row_lit(b, "null");
    }

    ai_row_lit(b, ",\"attempts\":[");

    for (i = 0; i < n; i++) {
        if (i) {
            ai_buf_char(b, ',');
        }

        ai_row_attempt(b, &r->slot->attempts[i], &name[2 * i],
                       &name[2 * i + 1]);
    }

    ai_buf_char(b, ']');
}


/* begins "name": of an object's member */

static inline void
ai_row_member(ai_buf_t *b, unsigned *more, const char *name)
{
    if (*more) {
        ai_row_lit(b, ",\"");

    } else {
        ai_row_lit(b, "\"");
    }

    *more = 1;

    ai_buf_cstr(b, name);
    ai_row_lit(b, "\":");
}


static void
ai_row_classes(ai_buf_t *b, const uint64_t *classes)
{
    unsigned  i, more;

    more = 0;
    ai_row_lit(b, "{");

    for (i = 0; i < AI_CLASS_N; i++) {
        if (classes[i]) {
            ai_row_member(b, &more, ai_class_names[i]);
            ai_row_uint(b, classes[i]);
        }
    }

    ai_row_lit(b, "}");
}


static void
ai_row_sub_classes(ai_buf_t *b, const uint32_t *narrow)
{
    uint64_t  classes[AI_CLASS_N];
    unsigned  i;

    for (i = 0; i < AI_CLASS_N; i++) {
        classes[i] = narrow[i];
    }

    ai_row_classes(b, classes);
}


/* millionths as a decimal without zeros at its end */

static void
ai_row_millionths(ai_buf_t *b, uint64_t n)
{
    uint64_t  part;
    unsigned  width;

    ai_buf_uint(b, n / AI_UNIT_ONE);

    part = n % AI_UNIT_ONE;

    if (part == 0) {
        return;
    }

    for (width = 6; part % 10 == 0; width--) {
        part /= 10;
    }

    ai_buf_char(b, '.');
    ai_buf_uint_pad(b, part, width);
}


static void
ai_row_units(ai_buf_t *b, const ai_run_t *run)
{
    unsigned  i, more;

    more = 0;
    ai_buf_char(b, '{');

    for (i = 0; i < AI_UNIT_N; i++) {
        if (run->units[i]) {
            ai_row_member(b, &more, ai_unit_names[i]);
            ai_row_millionths(b, run->units[i]);
        }
    }

    ai_buf_char(b, '}');
}


static void
ai_row_subs(ai_buf_t *b, const ai_slot_t *s)
{
    unsigned              i, n;
    const ai_slot_sub_t  *sub;

    n = s->nsubs < AI_SLOT_SUBS ? s->nsubs : AI_SLOT_SUBS;

    ai_buf_char(b, '[');

    for (i = 0; i < n; i++) {
        sub = &s->subs[i];

        ai_buf_cstr(b, i ? ",{\"model\":" : "{\"model\":");

        if (sub->model_len == 0) {
            ai_row_lit(b, "null");

        } else {
            ai_row_text(b, sub->model, sub->model_len < sizeof(sub->model)
                                       ? sub->model_len : sizeof(sub->model));
        }

        ai_row_lit(b, ",\"kind\":");

        if (sub->kind < AI_SUB_N) {
            ai_buf_char(b, '"');
            ai_buf_cstr(b, ai_sub_names[sub->kind]);
            ai_buf_char(b, '"');

        } else {
            ai_row_lit(b, "null");
        }

        ai_row_lit(b, ",\"classes\":");
        ai_row_sub_classes(b, sub->classes);
        ai_buf_char(b, '}');
    }

    ai_buf_char(b, ']');
}


static void
ai_row_identity(ai_buf_t *b, const ai_row_out_t *r)
{
    ai_char           id[36];
    const ai_str_t   *api;
    const ai_slot_t  *s;

    s = r->slot;

    ai_uuid_text(id, s->id);

    ai_row_lit(b, "{\"id\":\"");
    ai_buf_put(b, id, sizeof(id));
    ai_row_lit(b, "\",\"time\":\"");
    ai_buf_time(b, s->time_ms);
    ai_row_lit(b, "\",\"tenant\":");
    ai_row_string(b, &r->text[AI_SLOT_TENANT]);
    ai_row_lit(b, ",\"key\":");
    ai_row_string(b, &r->text[AI_SLOT_KEY]);
    ai_row_lit(b, ",\"plan\":");
    ai_row_string_or_null(b, &r->text[AI_SLOT_PLAN]);
    ai_row_lit(b, ",\"labels\":");
    ai_row_labels(b, &r->text[AI_SLOT_LABELS]);

    api = ai_api_name((ai_dialect_t) s->dialect, (ai_endpoint_t) s->ep);

    if (api && api->len) {
        ai_row_lit(b, ",\"api\":\"");
        ai_buf_str(b, api);
        ai_row_lit(b, "\",\"model\":");

    } else {
        ai_row_lit(b, ",\"api\":null,\"model\":");
    }

    ai_row_string_or_null(b, &r->text[AI_SLOT_MODEL]);
    ai_row_lit(b, ",\"served_model\":");
    ai_row_string_or_null(b, &r->text[AI_SLOT_SERVED]);
}


static void
ai_row_outcome(ai_buf_t *b, const ai_row_out_t *r)
{
    const ai_slot_t  *s;

    s = r->slot;

    ai_row_lit(b, ",\"stream\":");
    ai_row_bool(b, s->stream);
    ai_row_lit(b, ",\"status\":\"");
    ai_buf_cstr(b, ai_status_names[s->status < AI_STATUS_N ? s->status : 0]);
    ai_row_lit(b, "\",\"http_status\":");
    ai_row_uint_or_null(b, s->http_status);
    ai_row_lit(b, ",\"state\":\"");
    ai_buf_cstr(b, ai_slot_state_name((ai_slot_state_t) s->state));
    ai_row_lit(b, "\",\"usage_source\":\"");
    ai_buf_cstr(b, ai_source_names[r->run->source & 3]);
    ai_row_lit(b, "\",\"stream_complete\":");
    ai_row_bool(b, r->run->complete);
    ai_row_lit(b, ",\"client_aborted\":");
    ai_row_bool(b, s->client_aborted);
}


static void
ai_row_tokens(ai_buf_t *b, const ai_run_t *run)
{
    if ((run->source & 3) == AI_SOURCE_NONE) {
        ai_row_lit(b, ",\"input_tokens\":null,\"cache_read_tokens\":null"
                      ",\"cache_write_tokens\":null,\"output_tokens\":null"
                      ",\"reasoning_tokens\":null");
        return;
    }

    ai_row_lit(b, ",\"input_tokens\":");
    ai_row_uint(b, run->input_tokens);
    ai_row_lit(b, ",\"cache_read_tokens\":");
    ai_row_uint(b, run->cache_read_tokens);
    ai_row_lit(b, ",\"cache_write_tokens\":");
    ai_row_uint(b, run->cache_write_tokens);
    ai_row_lit(b, ",\"output_tokens\":");
    ai_row_uint(b, run->output_tokens);
    ai_row_lit(b, ",\"reasoning_tokens\":");
    ai_row_uint(b, run->reasoning_tokens);
}


static void
ai_row_money(ai_buf_t *b, const ai_row_out_t *r)
{
    ai_char  version[8];

    if ((r->run->source & 3) == AI_SOURCE_NONE) {
        ai_row_lit(b, ",\"cost_usd\":null,\"price_version\":\"");

    } else {
        ai_row_lit(b, ",\"cost_usd\":\"");
        ai_buf_nanos(b, r->run->cost_nanos);
        ai_row_lit(b, "\",\"price_version\":\"");
    }

    ai_digits_hex(version, r->slot->price_version);
    ai_buf_put(b, version, 8);
    ai_row_lit(b, "\",\"hold_usd\":\"");
    ai_buf_nanos(b, r->slot->hold_nanos);
}


static void
ai_row_sizes(ai_buf_t *b, const ai_slot_t *s)
{
    ai_row_lit(b, ",\"first_byte_ms\":");

    if (s->first_byte_ms == UINT32_MAX) {
        ai_row_lit(b, "null");

    } else {
        ai_row_uint(b, s->first_byte_ms);
    }

    ai_row_lit(b, ",\"duration_ms\":");
    ai_row_uint(b, s->duration_ms);
    ai_row_lit(b, ",\"request_bytes\":");
    ai_buf_uint(b, s->request_bytes);
    ai_row_lit(b, ",\"response_bytes\":");
    ai_buf_uint(b, s->response_bytes);
    ai_buf_char(b, '}');
}


void
ai_slot_row(ai_buf_t *b, const ai_slot_t *s)
{
    ai_row_out_t  r;

    r.slot = s;
    r.run = &s->runs[s->run & 1];
    ai_row_strings(&r);

    ai_row_identity(b, &r);
    ai_row_attempts(b, &r);
    ai_row_outcome(b, &r);
    ai_row_tokens(b, r.run);

    ai_row_lit(b, ",\"classes\":");
    ai_row_classes(b, r.run->classes);
    ai_row_lit(b, ",\"units\":");
    ai_row_units(b, r.run);
    ai_row_lit(b, ",\"sub\":");
    ai_row_subs(b, s);

    ai_row_money(b, &r);

    ai_row_lit(b, "\",\"finish_reason\":");
    ai_row_string_or_null(b, &r.text[AI_SLOT_FINISH]);

    ai_row_sizes(b, s);
}
