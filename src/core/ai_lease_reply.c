
/*
 * An operation's answer: a flat list of strings
 *
 *   op status epoch time_ms seeded heard nodes n  [granted left wait_ms] ...
 *
 * Whatever the script would not say is refused: it came from somewhere else.
 */


#include "ai_lease_wire.h"


#define AI_LEASE_HEAD     8
#define AI_LEASE_TIME     ((uint64_t) 1 << 53)


/* decimal, as it is written: no sign, no leading zeros */

static int
ai_lease_uint(const ai_char *p, size_t len, uint64_t max, uint64_t *n)
{
    uint64_t  v;
    unsigned  digit;

    if (len == 0 || len > 20 || (p[0] == '0' && len > 1)) {
        return AI_ERROR;
    }

    for (v = 0; len; p++, len--) {

        if (*p < '0' || *p > '9') {
            return AI_ERROR;
        }

        digit = *p - (unsigned) '0';

        if (v > (max - digit) / 10) {
            return AI_ERROR;
        }

        v = v * 10 + digit;
    }

    *n = v;

    return AI_OK;
}


static int
ai_lease_int(const ai_str_t *s, int64_t *n)
{
    uint64_t  v;

    if (s->len == 0 || s->data[0] != '-') {

        if (ai_lease_uint(s->data, s->len, INT64_MAX, &v) != AI_OK) {
            return AI_ERROR;
        }

        *n = (int64_t) v;

        return AI_OK;
    }

    if (ai_lease_uint(s->data + 1, s->len - 1, INT64_MAX, &v) != AI_OK
        || v == 0)
    {
        return AI_ERROR;
    }

    *n = -(int64_t) v;

    return AI_OK;
}


static int
ai_lease_flag(const ai_str_t *s)
{
    if (s->len != 1 || (s->data[0] != '0' && s->data[0] != '1')) {
        return AI_ERROR;
    }

    return s->data[0] == '1';
}


static int
ai_lease_hex(const ai_char *p, uint64_t *n)
{
    unsigned  i;
    uint64_t  v;

    for (i = 0, v = 0; i < 16; i++) {

        if (p[i] >= '0' && p[i] <= '9') {
            v = v << 4 | (p[i] - (uint64_t) '0');

        } else if (p[i] >= 'a' && p[i] <= 'f') {
            v = v << 4 | (p[i] - (uint64_t) 'a' + 10);

        } else {
            return AI_ERROR;
        }
    }

    *n = v;

    return AI_OK;
}


/* "COUNT-RRRRRRRRRRRRRRRR"; empty: there is none */

static int
ai_lease_epoch(const ai_str_t *s, ai_lease_epoch_t *epoch)
{
    if (s->len == 0) {
        epoch->count = 0;
        epoch->random = 0;
        return AI_OK;
    }

    if (s->len < 18 || s->data[s->len - 17] != '-'
        || ai_lease_uint(s->data, s->len - 17, AI_LEASE_TIME, &epoch->count)
           != AI_OK
        || epoch->count == 0)
    {
        return AI_ERROR;
    }

    return ai_lease_hex(s->data + s->len - 16, &epoch->random);
}


static int
ai_lease_status(const ai_str_t *s)
{
    if (ai_str_is(s, "ok")) {
        return AI_LEASE_STATUS_OK;
    }

    if (ai_str_is(s, "epoch")) {
        return AI_LEASE_STATUS_EPOCH;
    }

    if (ai_str_is(s, "fence")) {
        return AI_LEASE_STATUS_FENCE;
    }

    if (ai_str_is(s, "late")) {
        return AI_LEASE_STATUS_LATE;
    }

    if (ai_str_is(s, "clock")) {
        return AI_LEASE_STATUS_CLOCK;
    }

    return AI_ERROR;
}


static int
ai_lease_same_op(const ai_str_t *s, const ai_lease_call_t *call)
{
    ai_buf_t  b;
    ai_char   op[48];

    ai_buf_init(&b, op, sizeof(op));
    ai_buf_uint_pad(&b, call->start, 10);
    ai_buf_char(&b, '.');
    ai_buf_uint_pad(&b, call->seq, 16);

    return s->len == (size_t) (b.pos - op)
           && memcmp(s->data, op, s->len) == 0;
}


static int
ai_lease_reply_head(ai_lease_reply_t *r, const ai_lease_call_t *call,
    const ai_str_t *items, uint64_t *ncells)
{
    int       status, seeded, heard;
    uint64_t  nodes;

    status = ai_lease_status(&items[1]);
    seeded = ai_lease_flag(&items[4]);
    heard = ai_lease_flag(&items[5]);

    if (!ai_lease_same_op(&items[0], call)
        || status < 0 || seeded < 0 || heard < 0
        || ai_lease_epoch(&items[2], &r->epoch) != AI_OK
        || ai_lease_uint(items[3].data, items[3].len, AI_LEASE_TIME,
                         &r->time_ms)
           != AI_OK
        || ai_lease_uint(items[6].data, items[6].len, AI_LEASE_HEARD, &nodes)
           != AI_OK
        || ai_lease_uint(items[7].data, items[7].len, AI_LEASE_CELLS, ncells)
           != AI_OK)
    {
        return AI_ERROR;
    }

    r->status = (ai_lease_status_t) status;
    r->seeded = (unsigned) seeded & 1;
    r->heard = (unsigned) heard & 1;
    r->nodes = (uint32_t) nodes;

    return AI_OK;
}


/* all needs or nothing; never more than was wanted */

static int
ai_lease_reply_cells(const ai_lease_reply_t *r, const ai_lease_cell_t *cells,
    unsigned ncells, const ai_str_t *items)
{
    int64_t   granted, left, wait;
    unsigned  i, some, lacks;

    some = 0;
    lacks = 0;

    for (i = 0; i < ncells; i++, items += 3) {

        if (ai_lease_int(&items[0], &granted) != AI_OK
            || ai_lease_int(&items[1], &left) != AI_OK
            || ai_lease_int(&items[2], &wait) != AI_OK
            || granted < 0 || wait < -1
            || (granted > cells[i].want && granted > cells[i].need))
        {
            return AI_ERROR;
        }

        some |= granted > 0;
        lacks |= granted < cells[i].need;
    }

    return some && (lacks || !r->seeded) ? AI_ERROR : AI_OK;
}


int
ai_lease_reply(ai_lease_reply_t *r, const ai_lease_call_t *call,
    ai_lease_cell_t *cells, unsigned ncells, const ai_str_t *items, size_t n)
{
    unsigned          i;
    uint64_t          got;
    ai_lease_reply_t  head;

    if (n < AI_LEASE_HEAD || n > AI_LEASE_ITEMS
        || ai_lease_reply_head(&head, call, items, &got) != AI_OK
        || n != AI_LEASE_HEAD + 3 * got)
    {
        return AI_ERROR;
    }

    items += AI_LEASE_HEAD;

    if (head.status != AI_LEASE_STATUS_OK) {

        if (got) {
            return AI_ERROR;
        }

        *r = head;

        return AI_OK;
    }

    if (got != ncells || call->epoch.count == 0
        || ai_lease_epoch_cmp(&head.epoch, &call->epoch) != 0
        || ai_lease_reply_cells(&head, cells, ncells, items) != AI_OK)
    {
        return AI_ERROR;
    }

    for (i = 0; i < ncells; i++, items += 3) {
        (void) ai_lease_int(&items[0], &cells[i].granted);
        (void) ai_lease_int(&items[1], &cells[i].left);
        (void) ai_lease_int(&items[2], &cells[i].wait_ms);
    }

    *r = head;

    return AI_OK;
}
