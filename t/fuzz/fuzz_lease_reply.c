
/*
 * An answer of the store, with any bytes in it.
 *
 * The first bytes say what was asked, and how much of the right head is put
 * before the rest; items are split at '|'.  Whatever is taken is the answer to
 * the call, grants no more than was wanted, and all needs or nothing; it is
 * written back as it was.  What is refused changes nothing.
 */


#include <stdlib.h>
#include "ai_lease_wire.h"


#define ITEMS  (AI_LEASE_ITEMS + 4)


static ai_lease_cell_t  cells[AI_LEASE_CELLS], before[AI_LEASE_CELLS];


static void
same(const ai_str_t *s, int64_t n)
{
    ai_buf_t  b;
    ai_char   text[24];

    ai_buf_init(&b, text, sizeof(text));
    ai_buf_int(&b, n);

    if (s->len != (size_t) (b.pos - text) || memcmp(s->data, text, s->len) != 0) {
        abort();
    }
}


static void
check(const ai_lease_call_t *call, const ai_lease_reply_t *r,
    const ai_str_t *items, unsigned ncells)
{
    unsigned  i, some, lacks;

    same(&items[3], (int64_t) r->time_ms);
    same(&items[4], r->seeded);
    same(&items[5], r->heard);
    same(&items[6], r->nodes);

    if (r->status != AI_LEASE_STATUS_OK) {
        if (memcmp(cells, before, sizeof(cells)) != 0) {
            abort();
        }

        return;
    }

    if (ai_lease_epoch_cmp(&call->epoch, &r->epoch) != 0) {
        abort();
    }

    for (i = 0, some = 0, lacks = 0; i < ncells; i++) {
        same(&items[8 + 3 * i], cells[i].granted);
        same(&items[9 + 3 * i], cells[i].left);
        same(&items[10 + 3 * i], cells[i].wait_ms);

        some |= cells[i].granted > 0;
        lacks |= cells[i].granted < cells[i].need;

        if (cells[i].granted < 0 || cells[i].wait_ms < -1
            || (cells[i].granted > cells[i].want && cells[i].granted > cells[i].need))
        {
            abort();
        }
    }

    if (some && (lacks || !r->seeded)) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              n;
    unsigned            i, ncells;
    ai_str_t            items[ITEMS];
    const uint8_t      *p, *end, *last;
    ai_lease_call_t     call;
    ai_lease_reply_t    r, old;

    static char  head[] = "0000000001.0000000000000002|ok|3-0000000000000004";

    if (size < 2) {
        return 0;
    }

    memset(&call, 0, sizeof(call));
    memset(before, 0, sizeof(before));
    memset(&r, 0x5a, sizeof(r));
    old = r;

    ncells = data[0] % (AI_LEASE_CELLS + 1);
    call.start = 1;
    call.seq = 2;
    call.epoch.count = 3;
    call.epoch.random = 4;

    for (i = 0; i < AI_LEASE_CELLS; i++) {
        before[i].need = data[1] % 7 * i;
        before[i].want = data[1] % 11 * i;
    }

    memcpy(cells, before, sizeof(cells));

    n = 0;
    p = data + 2;
    last = data + size;

    if (data[1] & 0x80) {
        items[0].data = (ai_char *) head;
        items[0].len = 27;
        items[1].data = (ai_char *) head + 28;
        items[1].len = 2;
        items[2].data = (ai_char *) head + 31;
        items[2].len = sizeof(head) - 1 - 31;
        n = 3;
    }

    for ( /* void */ ; n < ITEMS; p = end + 1) {
        end = memchr(p, '|', (size_t) (last - p));
        end = end ? end : last;

        items[n].data = (ai_char *) (uintptr_t) p;
        items[n++].len = (size_t) (end - p);

        if (end == last) {
            break;
        }
    }

    if (ai_lease_reply(&r, &call, cells, ncells, items, n) == AI_OK) {
        check(&call, &r, items, ncells);

    } else if (memcmp(&r, &old, sizeof(r)) != 0
               || memcmp(cells, before, sizeof(cells)) != 0)
    {
        abort();
    }

    return 0;
}
