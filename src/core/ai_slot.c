
/*
 * A slot's life: what is written in which order, and what is left of it when
 * its writer was killed between any two instructions.
 */


#include "ai_slot.h"


/* the identity's fixed part: from "dialect" to the length of MODEL */

#define AI_SLOT_IDENTITY  offsetof(ai_slot_t, dialect)
#define AI_SLOT_IDENTITY_END                                                 \
    (offsetof(ai_slot_t, string_len) + (AI_SLOT_MODEL + 1) * sizeof(uint16_t))

/* what every row has: from "intent_crc" to the last attempt */

#define AI_SLOT_FIXED      offsetof(ai_slot_t, intent_crc)
#define AI_SLOT_FIXED_END  offsetof(ai_slot_t, subs)


const char *const  ai_status_names[AI_STATUS_N] = {
    "",
    "PASSED",
    "REJECTED_KEY",
    "REJECTED_MODEL",
    "REJECTED_RATE",
    "REJECTED_BUDGET",
    "REJECTED_CONCURRENCY",
    "REJECTED_REQUEST",
    "FAILED_UPSTREAM",
    "FAILED_GATEWAY",
    "REVOKED",
    "REJECTED_CAPACITY"
};

const char *const  ai_chosen_names[AI_CHOSEN_N] = {
    "",
    "only",
    "weight",
    "canary",
    "rule",
    "cost",
    "latency",
    "next",
    "fallback",
    "context",
    "retry",
    "key",
    "cache"
};


const char *
ai_slot_state_name(ai_slot_state_t state)
{
    switch (state) {

    case AI_SLOT_FREE:
        return "free";

    case AI_SLOT_INTENT:
        return "intent";

    case AI_SLOT_STARTED:
        return "started";

    case AI_SLOT_FINAL:
        return "final";

    case AI_SLOT_INTERRUPTED:
        return "interrupted";

    case AI_SLOT_REFUSED:
        return "refused";

    case AI_SLOT_FAILED:
        return "failed";
    }

    return "unknown";
}


static void
ai_slot_publish(ai_slot_t *s, ai_slot_state_t state)
{
    __atomic_store_n(&s->state, (uint32_t) state, __ATOMIC_RELEASE);
}


/* the bytes of text that strings before "end" take; capped, for a slot may be
   damaged */

static size_t
ai_slot_text_len(const ai_slot_t *s, unsigned end)
{
    size_t    len;
    unsigned  i;

    len = 0;

    for (i = 0; i < end; i++) {
        len += s->string_len[i];
    }

    return len < AI_SLOT_TEXT ? len : AI_SLOT_TEXT;
}


static uint32_t
ai_slot_intent_crc(const ai_slot_t *s)
{
    uint32_t  crc;

    crc = ai_crc32c(0, (const ai_char *) s + AI_SLOT_IDENTITY,
                    AI_SLOT_IDENTITY_END - AI_SLOT_IDENTITY);

    return ai_crc32c(crc, s->text, ai_slot_text_len(s, AI_SLOT_MODEL + 1));
}


/*
 * Over what the row is made of, not over records that are not in use.  The
 * state is where the CRC begins: no two states end with the same one.
 */

static uint32_t
ai_slot_final_crc(const ai_slot_t *s, uint32_t state)
{
    unsigned  nsubs;
    uint32_t  crc;

    nsubs = s->nsubs < AI_SLOT_SUBS ? s->nsubs : AI_SLOT_SUBS;

    crc = ai_crc32c(state, (const ai_char *) s + AI_SLOT_FIXED,
                    AI_SLOT_FIXED_END - AI_SLOT_FIXED);

    if (nsubs) {
        crc = ai_crc32c(crc, s->subs, nsubs * sizeof(ai_slot_sub_t));
    }

    crc = ai_crc32c(crc, &s->runs[s->run & 1], sizeof(ai_run_t));

    return ai_crc32c(crc, s->text, ai_slot_text_len(s, AI_SLOT_STRINGS));
}


void
ai_slot_begin(ai_slot_t *s, const ai_char id[16], uint64_t time_ms,
    ai_dialect_t dialect, ai_endpoint_t ep)
{
    /* sub records and text are as long as the counts say, and a running
       record is whole before "run" names it */

    memset((ai_char *) s + sizeof(s->state), 0,
           offsetof(ai_slot_t, subs) - sizeof(s->state));
    memset(&s->runs[0], 0, sizeof(ai_run_t));

    memcpy(s->id, id, 16);

    s->time_ms = time_ms;
    s->dialect = (uint8_t) dialect;
    s->ep = (uint8_t) ep;
    s->first_byte_ms = UINT32_MAX;
}


/* the longest part of "len" bytes within "max" that cuts no UTF-8 sequence */

static size_t
ai_slot_cut(const ai_char *data, size_t len, size_t max)
{
    size_t  n;

    if (len <= max) {
        return len;
    }

    for (n = max; n > 0 && max - n < 3 && (data[n] & 0xc0) == 0x80; n--) {
        /* void */
    }

    return (data[n] & 0xc0) == 0x80 ? max : n;
}


/* in the middle of others, which are moved when its length changes */

static void
ai_slot_replace(ai_slot_t *s, unsigned which, const ai_str_t *v)
{
    size_t  at, old, len, behind;

    at = ai_slot_text_len(s, which);
    old = s->string_len[which];

    if (at + old > s->text_len || s->text_len > AI_SLOT_TEXT) {
        return;                 /* damaged: the check will tell */
    }

    behind = s->text_len - at - old;
    len = ai_slot_cut(v->data, v->len, AI_SLOT_TEXT - at - behind);

    if (behind && len != old) {

        /* who is killed from here on leaves names at wrong offsets:
           ai_slot_orphan() then does without them */

        __atomic_store_n(&s->shifting, 1, __ATOMIC_RELEASE);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);

        memmove(s->text + at + len, s->text + at + old, behind);
    }

    if (len) {
        memcpy(s->text + at, v->data, len);
    }

    s->string_len[which] = (uint16_t) len;
    s->text_len = (uint16_t) (at + len + behind);

    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&s->shifting, 0, __ATOMIC_RELEASE);
}


void
ai_slot_string(ai_slot_t *s, unsigned which, const ai_str_t *v)
{
    size_t  at, len;

    if (which >= AI_SLOT_STRINGS) {
        return;
    }

    if (which < s->nstrings) {
        ai_slot_replace(s, which, v);
        return;
    }

    at = s->text_len;

    if (at > AI_SLOT_TEXT) {
        return;
    }

    len = ai_slot_cut(v->data, v->len, AI_SLOT_TEXT - at);

    if (len) {
        memcpy(s->text + at, v->data, len);
    }

    /* its length comes last: until then the text is nobody's */

    __atomic_signal_fence(__ATOMIC_SEQ_CST);

    s->string_len[which] = (uint16_t) len;
    s->text_len = (uint16_t) (at + len);
    s->nstrings = (uint8_t) (which + 1);
}


ai_str_t
ai_slot_get(const ai_slot_t *s, unsigned which)
{
    size_t    at;
    ai_str_t  v;

    at = ai_slot_text_len(s, which);

    v.data = (ai_char *) s->text + at;
    v.len = s->string_len[which];

    if (v.len > AI_SLOT_TEXT - at) {
        v.len = AI_SLOT_TEXT - at;
    }

    return v;
}


void
ai_slot_intent(ai_slot_t *s)
{
    s->intent_crc = ai_slot_intent_crc(s);
    ai_slot_publish(s, AI_SLOT_INTENT);
}


void
ai_slot_started(ai_slot_t *s)
{
    ai_slot_publish(s, AI_SLOT_STARTED);
}


void
ai_slot_run(ai_slot_t *s, const ai_run_t *run)
{
    uint8_t  other;

    other = !(s->run & 1);
    s->runs[other] = *run;

    __atomic_store_n(&s->run, other, __ATOMIC_RELEASE);
}


void
ai_slot_end(ai_slot_t *s, ai_slot_state_t state)
{
    if (s->nsubs > AI_SLOT_SUBS) {
        s->nsubs = AI_SLOT_SUBS;
    }

    if (s->nattempts > AI_SLOT_ATTEMPTS) {
        s->nattempts = AI_SLOT_ATTEMPTS;
    }

    s->final_crc = ai_slot_final_crc(s, state);
    ai_slot_publish(s, state);
}


/* nothing was sent */

static void
ai_slot_orphan_intent(ai_slot_t *s)
{
    s->run = 0;
    memset(&s->runs[0], 0, sizeof(ai_run_t));

    s->nsubs = 0;
    s->nattempts = 0;

    if (s->status == AI_STATUS_NONE) {
        s->status = AI_STATUS_FAILED_GATEWAY;
    }

    ai_slot_end(s, AI_SLOT_REFUSED);
}


static void
ai_slot_orphan_started(ai_slot_t *s)
{
    ai_run_t      *run;
    ai_attempt_t  *at;

    run = &s->runs[s->run & 1];

    if (run->source > AI_SOURCE_FINAL) {
        run->source = AI_SOURCE_NONE;
    }

    if (run->cost_nanos < 0) {
        run->cost_nanos = 0;
    }

    if (s->nattempts) {
        at = &s->attempts[s->nattempts - 1];

        if (at->reason == AI_REASON_NONE) {
            at->reason = AI_REASON_DEATH;
        }
    }

    if (s->status == AI_STATUS_NONE) {
        s->status = AI_STATUS_PASSED;
    }

    ai_slot_end(s, AI_SLOT_INTERRUPTED);
}


int
ai_slot_orphan(ai_slot_t *s, uint64_t now_ms)
{
    uint64_t  ms;
    unsigned  i;

    if (s->state != AI_SLOT_INTENT && s->state != AI_SLOT_STARTED) {
        return AI_ERROR;
    }

    if (s->intent_crc != ai_slot_intent_crc(s)) {
        return AI_ERROR;
    }

    if (s->shifting) {
        for (i = AI_SLOT_MODEL + 1; i < AI_SLOT_STRINGS; i++) {
            s->string_len[i] = 0;
        }

        s->shifting = 0;
    }

    if (s->nattempts > AI_SLOT_ATTEMPTS) {
        s->nattempts = 0;
    }

    if (s->nsubs > AI_SLOT_SUBS) {
        s->nsubs = 0;
    }

    ms = now_ms > s->time_ms ? now_ms - s->time_ms : 0;
    s->duration_ms = ms < UINT32_MAX ? (uint32_t) ms : UINT32_MAX;

    if (s->state == AI_SLOT_INTENT) {
        ai_slot_orphan_intent(s);

    } else {
        ai_slot_orphan_started(s);
    }

    return AI_OK;
}


/*
 * The CRC of a row is made over parts that the row itself names: a slot whose
 * counts are out of range never was ended by ai_slot_end().
 */

int
ai_slot_check(const ai_slot_t *s)
{
    if (!ai_slot_ended(s->state) || s->state > AI_SLOT_FAILED
        || s->nsubs > AI_SLOT_SUBS || s->nattempts > AI_SLOT_ATTEMPTS
        || s->final_crc != ai_slot_final_crc(s, s->state))
    {
        return AI_ERROR;
    }

    return AI_OK;
}
