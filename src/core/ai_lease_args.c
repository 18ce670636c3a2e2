
/*
 * An operation's words.
 */


#include "ai_lease_wire.h"


#define AI_LEASE_DAY   86400
#define AI_LEASE_YEAR  ((uint64_t) 365 * AI_LEASE_DAY)

/* of a total, which never ends: longer than any other, so that the script knows
   it; whoever has spent something of it says so each AI_LEASE_RENEW */
#define AI_LEASE_EVER  ((uint64_t) 400 * AI_LEASE_DAY)

static const uint64_t  ai_lease_seconds[AI_PERIOD_BUCKETS] = { 1, 60, 3600 };


int
ai_lease_epoch_cmp(const ai_lease_epoch_t *a, const ai_lease_epoch_t *b)
{
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }

    if (a->random != b->random) {
        return a->random < b->random ? -1 : 1;
    }

    return 0;
}


static void
ai_lease_put_hex(ai_buf_t *b, uint64_t n, unsigned digits)
{
    while (digits--) {
        ai_buf_char(b, "0123456789abcdef"[n >> 4 * digits & 15]);
    }
}


static void
ai_lease_put_epoch(ai_buf_t *b, const ai_lease_epoch_t *epoch)
{
    if (epoch->count) {
        ai_buf_uint(b, epoch->count);
        ai_buf_char(b, '-');
        ai_lease_put_hex(b, epoch->random, 16);
    }
}


/* "PREFIX{SHARD}" */

static void
ai_lease_put_shard(ai_buf_t *b, const ai_lease_call_t *call)
{
    ai_buf_str(b, &call->prefix);
    ai_buf_char(b, '{');
    ai_buf_uint(b, call->shard);
    ai_buf_char(b, '}');
}


/* "PREFIX{SHARD}:EPOCH:OWNER:RESOURCE:PERIOD:WINDOW" */

static void
ai_lease_put_key(ai_buf_t *b, const ai_lease_call_t *call,
    const ai_lease_cell_t *c)
{
    unsigned  i;

    ai_lease_put_shard(b, call);
    ai_buf_char(b, ':');
    ai_lease_put_epoch(b, &call->epoch);
    ai_buf_char(b, ':');

    for (i = 0; i < sizeof(c->id.id); i++) {
        ai_lease_put_hex(b, c->id.id[i], 2);
    }

    ai_buf_char(b, ':');
    ai_buf_uint(b, c->resource);
    ai_buf_char(b, ':');
    ai_buf_uint(b, c->period);
    ai_buf_char(b, ':');
    ai_buf_uint(b, c->window);
}


/* what was written behind the last word is one more */

static void
ai_lease_word(ai_buf_t *b, ai_str_t *words, unsigned *n)
{
    ai_str_t  *s;

    s = &words[(*n)++];
    s->len = (size_t) (b->pos - s->data);

    words[*n].data = b->pos;
}


static void
ai_lease_head(ai_lease_words_t *w, ai_buf_t *b, const ai_lease_call_t *call)
{
    ai_buf_uint_pad(b, call->start, 10);
    ai_buf_char(b, '.');
    ai_buf_uint_pad(b, call->seq, 16);
    ai_lease_word(b, w->args, &w->nargs);

    ai_buf_str(b, &call->node);
    ai_lease_word(b, w->args, &w->nargs);

    ai_lease_put_epoch(b, &call->epoch);
    ai_lease_word(b, w->args, &w->nargs);

    ai_lease_put_hex(b, call->fresh, 16);
    ai_lease_word(b, w->args, &w->nargs);

    /* the token is the connection's */

    ai_lease_word(b, w->args, &w->nargs);

    ai_buf_uint(b, call->now_ms);
    ai_lease_word(b, w->args, &w->nargs);

    ai_buf_uint(b, call->late_ms);
    ai_lease_word(b, w->args, &w->nargs);

    ai_buf_uint(b, call->hold_ms);
    ai_lease_word(b, w->args, &w->nargs);

    ai_buf_uint(b, call->nodes);
    ai_lease_word(b, w->args, &w->nargs);

    if (call->reported) {
        ai_buf_char(b, 'r');
    }

    if (call->counted) {
        ai_buf_char(b, 'd');
    }

    if (call->present) {
        ai_buf_char(b, 'h');
    }

    ai_lease_word(b, w->args, &w->nargs);
}


uint64_t
ai_lease_ttl(const ai_lease_cell_t *cell, uint32_t nodes, uint64_t now_s)
{
    uint64_t  end, full;

    if (cell->kind == AI_LEASE_WINDOW) {

        if (cell->period == AI_PERIOD_TOTAL) {
            return AI_LEASE_EVER;
        }

        end = ai_window_end(cell->period, now_s);

        return (end > now_s ? end - now_s : 0) + AI_LEASE_DAY;
    }

    if (cell->kind == AI_LEASE_SLOTS || cell->amount <= 0
        || cell->period >= AI_PERIOD_BUCKETS)
    {
        return AI_LEASE_DAY;
    }

    /* by then it is full again, even if one node alone is heard */

    full = (uint64_t) (cell->limit > 0 ? cell->limit : 0)
           / (uint64_t) cell->amount + 1;

    if (full > AI_LEASE_YEAR / ((nodes + (uint64_t) 1)
                                * ai_lease_seconds[cell->period]))
    {
        return AI_LEASE_YEAR;
    }

    return full * ai_lease_seconds[cell->period] * (nodes + 1) + AI_LEASE_DAY;
}


static int
ai_lease_cell_words(ai_lease_words_t *w, ai_buf_t *b,
    const ai_lease_call_t *call, const ai_lease_cell_t *c)
{
    unsigned  i;
    int64_t   per_tick, n[5];
    uint64_t  tick_us;

    per_tick = 0;
    tick_us = 0;

    if (c->kind == AI_LEASE_BUCKET) {
        ai_lease_tick(c->amount, c->period, &per_tick, &tick_us);
    }

    ai_buf_char(b, "wbs"[c->kind]);
    ai_lease_word(b, w->args, &w->nargs);

    ai_buf_char(b, '0' + (c->local != 0) + 2 * (c->fresh != 0)
                   + 4 * (c->lost != 0));
    ai_lease_word(b, w->args, &w->nargs);

    ai_buf_int(b, c->limit);
    ai_lease_word(b, w->args, &w->nargs);

    ai_buf_int(b, per_tick);
    ai_lease_word(b, w->args, &w->nargs);

    ai_buf_uint(b, tick_us);
    ai_lease_word(b, w->args, &w->nargs);

    n[0] = c->sum;
    n[1] = c->unspent;
    n[2] = c->mine;
    n[3] = c->want;
    n[4] = c->need;

    for (i = 0; i < 5; i++) {

        if (n[i] < 0) {
            return AI_ERROR;
        }

        ai_buf_int(b, n[i]);
        ai_lease_word(b, w->args, &w->nargs);
    }

    ai_buf_uint(b, ai_lease_ttl(c, call->nodes, call->now_ms / 1000));
    ai_lease_word(b, w->args, &w->nargs);

    return AI_OK;
}


int
ai_lease_words(ai_lease_words_t *w, const ai_lease_call_t *call,
    const ai_lease_cell_t *cells, unsigned ncells)
{
    unsigned  i;
    ai_buf_t  b;

    if (ncells > AI_LEASE_CELLS) {
        return AI_ERROR;
    }

    ai_buf_init(&b, w->text, sizeof(w->text));

    w->nkeys = 0;
    w->keys[0].data = b.pos;

    ai_lease_put_shard(&b, call);
    ai_lease_word(&b, w->keys, &w->nkeys);

    for (i = 0; i < ncells; i++) {
        ai_lease_put_key(&b, call, &cells[i]);
        ai_lease_word(&b, w->keys, &w->nkeys);
    }

    w->nargs = 0;
    w->args[0].data = b.pos;

    ai_lease_head(w, &b, call);

    for (i = 0; i < ncells; i++) {

        if (cells[i].kind > AI_LEASE_SLOTS
            || ai_lease_cell_words(w, &b, call, &cells[i]) != AI_OK)
        {
            return AI_ERROR;
        }
    }

    return b.full ? AI_ERROR : AI_OK;
}
