
/*
 * Runs a meter over bytes in pieces, each in memory of its own size, and
 * writes down all that it says.
 */


#ifndef METER_RUN_H
#define METER_RUN_H


#include <stdio.h>
#include <stdlib.h>

#include "ai_meter.h"


typedef struct {
    ai_meter_t   m;
    ai_usage_t   u;
    unsigned     events;
    unsigned     drops;
    char         text[4096];
} meter_run_t;


static void
meter_run_feed(meter_run_t *run, const char *data, size_t len)
{
    int             rc;
    ai_char        *copy;
    unsigned        drop;
    const ai_char  *pos, *end;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);

    pos = copy;
    end = copy + len;

    do {
        rc = ai_meter_feed(&run->m, &pos, end, &drop);

        run->events += (rc == AI_DONE);
        run->drops += drop;

    } while (rc == AI_DONE);

    if (rc != AI_OK || pos != end) {
        abort();
    }

    free(copy);
}


static void
meter_run_end(meter_run_t *run, unsigned whole)
{
    int          n, i, k;
    char        *p, *end;
    ai_meter_t  *m;
    ai_usage_t  *u;

    m = &run->m;
    u = &run->u;

    ai_meter_end(m, whole);
    ai_meter_usage(m, u);

    p = run->text;
    end = p + sizeof(run->text);

#define say(...)                                                             \
    n = snprintf(p, (size_t) (end - p), __VA_ARGS__);                        \
    p += n

    say("model=%.*s finish=%.*s tier=%.*s error=%.*s bytes=%llu chars=%llu "
        "hidden=%llu seen=%d complete=%d failed=%d broken=%d drops=%u ",
        m->model_len, m->model, m->finish_len, m->finish, m->tier_len,
        m->tier, m->error_len, m->error, (unsigned long long) m->text_bytes,
        (unsigned long long) m->text_chars,
        (unsigned long long) m->reasoning_bytes, m->usage_seen, m->complete,
        m->failed, m->broken, run->drops);

    say("in=%llu out=%llu read=%llu write=%llu reason=%llu nanos=%lld "
        "source=%s top_unpriced=%d odd=%d",
        (unsigned long long) u->input_tokens,
        (unsigned long long) u->output_tokens,
        (unsigned long long) u->cache_read_tokens,
        (unsigned long long) u->cache_write_tokens,
        (unsigned long long) u->reasoning_tokens,
        (long long) u->provider_nanos, ai_source_names[u->source],
        u->top_unpriced, u->odd);

    for (i = 0; i < AI_CLASS_N; i++) {
        if (u->classes[i]) {
            say(" %s:%llu", ai_class_names[i],
                (unsigned long long) u->classes[i]);
        }
    }

    for (i = 0; i < AI_UNIT_N; i++) {
        if (u->units[i]) {
            say(" %s:%llu", ai_unit_names[i],
                (unsigned long long) u->units[i]);
        }
    }

    for (i = 0; i < u->nsub; i++) {
        say(" sub(%s %.*s", ai_sub_names[u->sub[i].kind],
            u->sub[i].model_len, u->sub[i].model);

        for (k = 0; k < AI_CLASS_N; k++) {
            if (u->sub[i].classes[k]) {
                say(" %s:%llu", ai_class_names[k],
                    (unsigned long long) u->sub[i].classes[k]);
            }
        }

        say(")");
    }

#undef say
}


static void
meter_run_begin(meter_run_t *run, ai_dialect_t dialect, ai_endpoint_t ep,
    ai_body_t body)
{
    memset(run, 0, sizeof(meter_run_t));
    ai_meter_init(&run->m, dialect, ep, body);
}


#endif /* METER_RUN_H */
