
/*
 * Any history of a few targets and keys, with a clock that also goes back a
 * little, as those of several workers do.  One probe at a time, nothing through
 * a breaker that is open by hand, places that stay, bounded waits, and views
 * that add up.
 */


#include <stdlib.h>

#include "ai_board.h"


#define TARGETS  3
#define FLYING   16
#define LONGEST  600000

#define check(c)  do { if (!(c)) { __builtin_trap(); } } while (0)


typedef struct {
    uint32_t         place;
    ai_board_conf_t  conf;
    ai_breaker_mode_t  mode;
    unsigned         probe;         /* under way */
    uint64_t         probe_until;
    uint64_t         attempts;
} target_t;

typedef struct {
    unsigned         used;
    unsigned         probe;
    unsigned         answered;
    target_t        *t;
} flight_t;


static ai_board_t     *bd;
static const uint8_t  *p, *last;
static uint64_t        now;
static target_t        targets[TARGETS];
static flight_t        flights[FLYING];


static uint32_t
number(unsigned bytes)
{
    uint32_t  n;

    for (n = 0; bytes && p < last; bytes--) {
        n = n << 8 | *p++;
    }

    return n;
}


static void
configure(unsigned i)
{
    ai_char    id[AI_BOARD_ID] = { (ai_char) i };
    uint32_t   place;
    target_t  *t;

    t = &targets[i];

    t->conf.failures = number(1) % 8;
    t->conf.errors = number(1) % 101;
    t->conf.requests = number(1);
    t->conf.window_ms = number(2);
    t->conf.cooldown_ms = number(3);
    t->conf.weight = number(1);
    t->conf.canary = number(1) & 1;
    t->conf.canary_errors = number(1) % 101;
    t->conf.canary_p99_ms = number(2);
    t->conf.canary_requests = number(1);
    t->conf.canary_window_ms = number(2);

    place = ai_board_target(bd, id, &t->conf, now);
    check(place < AI_BOARD_TARGETS);
    check(t->place == AI_BOARD_NONE || t->place == place);
    t->place = place;
    t->conf.cooldown_ms += (t->conf.cooldown_ms == 0);
}


static void
begin(flight_t *f, target_t *t)
{
    uint64_t           ask, wait;
    uint32_t           tokens;
    ai_target_state_t  state;

    tokens = number(2);
    state = ai_board_ask(bd, t->place, tokens, now, &ask);

    check(state == ai_board_begin(bd, t->place, tokens, now, &wait,
                                  &f->probe));
    check(ask == wait && (wait == 0) == (state == AI_TARGET_READY));
    check(wait <= LONGEST || wait <= (uint64_t) 20000000 * 6 / 5);

    if (state != AI_TARGET_READY) {
        check(f->probe == 0);
        return;
    }

    check(t->mode != AI_BREAKER_OPEN);

    if (f->probe) {
        check(t->mode == AI_BREAKER_AUTO);
        check(t->probe == 0 || now >= t->probe_until);
        t->probe = f->probe;
        t->probe_until = now + t->conf.cooldown_ms;
    }

    t->attempts++;
    f->t = t;
    f->used = 1;
    f->answered = 0;
}


static void
changed(target_t *t, ai_board_change_t change, uint32_t weight)
{
    ai_board_view_t  v;

    ai_board_view(bd, t->place, now, &v);

    switch (change) {

    case AI_BOARD_OPENED:
    case AI_BOARD_REOPENED:
        check(v.open && !v.half && t->mode == AI_BREAKER_AUTO);
        check(v.open_ms >= t->conf.cooldown_ms || v.open_ms >= 1);
        break;

    case AI_BOARD_CLOSED:
        check(!v.open && v.in_a_row == 0 && v.window == 0);
        break;

    case AI_BOARD_RESTS:
        check(v.rest_ms > 0 && v.rest_ms <= LONGEST);
        break;

    case AI_BOARD_STEPPED_BACK:
        check(v.weight < weight && v.stepped == weight && t->conf.canary);
        break;

    case AI_BOARD_SAME:
        check(v.weight == weight);
        break;
    }
}


static void
end(flight_t *f)
{
    uint32_t           weight;
    target_t          *t;
    ai_outcome_t       outcome;
    ai_board_change_t  change;

    t = f->t;
    weight = ai_board_weight(bd, t->place);

    if (f->answered) {
        f->used = 0;
        changed(t, ai_board_broke(bd, t->place, now, number(2)), weight);
        return;
    }

    outcome = number(1) % 5;
    f->answered = (outcome == AI_OUTCOME_OK);
    f->used = f->answered;

    change = ai_board_end(bd, t->place, outcome, f->probe, number(2),
                          (int32_t) number(4), now, number(4));
    changed(t, change, weight);

    if (f->probe && f->probe == t->probe) {
        t->probe = 0;
    }
}


static void
by_hand(target_t *t)
{
    uint32_t         n;
    ai_board_view_t  v;

    n = number(1);

    if (n & 1) {
        t->mode = (n >> 1) % 3;
        t->probe = 0;
        ai_board_set_breaker(bd, t->place, t->mode);
        ai_board_view(bd, t->place, now, &v);
        check(t->mode == AI_BREAKER_OPEN || v.rest_ms == 0);
        return;
    }

    ai_board_set_weight(bd, t->place, n);
    check(ai_board_weight(bd, t->place) <= (t->conf.canary ? 100 : 255));
}


static void
said_of(ai_quota_said_t *s)
{
    s->requests = (int64_t) number(1) - 1;
    s->tokens = (int64_t) number(2) - 1;
    s->requests_ms = (int32_t) number(4);
    s->tokens_ms = (int64_t) ((uint64_t) number(4) << 32 | number(4));
}


static void
said(target_t *t)
{
    ai_quota_said_t  s;

    said_of(&s);
    ai_board_said(bd, t->place, &s, now);
}


static void
keys(void)
{
    unsigned         i, n;
    uint32_t         key[4], next;
    uint64_t         wait, dry, tokens;
    ai_quota_said_t  said;

    n = 1 + number(1) % 4;
    tokens = number(2);

    for (i = 0; i < n; i++) {
        ai_char  id[AI_BOARD_ID] = { 'k', (ai_char) i };

        key[i] = i == 3 ? AI_BOARD_NONE : ai_board_key(bd, id, now);
    }

    dry = ai_board_keys_dry(bd, key, n, tokens, now);
    next = ai_board_key_next(bd, key, n, tokens, now, &wait);
    check(dry <= LONGEST && (dry == 0 || wait == 0));
    check(next < n && wait <= LONGEST);
    check(ai_board_key_rests(bd, key[next], now) == wait);

    if (number(1) & 1) {
        (void) ai_board_key_rest(bd, key[next], number(1) & 1 ? 429 : 401,
                                 (int32_t) number(4), now);
        check(ai_board_key_rests(bd, key[next], now) <= LONGEST);

    } else {
        ai_board_key_good(bd, key[next]);
    }

    said_of(&said);
    ai_board_key_said(bd, key[number(1) % n], &said, now);
}


static void
look(target_t *t)
{
    ai_board_view_t  v;

    ai_board_view(bd, t->place, now, &v);

    check(v.mode == t->mode && v.attempts == t->attempts);
    check(v.window_failed <= v.window && v.failed <= v.attempts);
    check(v.limited <= v.attempts && v.opened <= v.attempts * 2);
    check(!v.half || (v.open && v.open_ms == 0));
    check(v.rest_ms <= LONGEST + 64);
    check(v.requests >= -1 && v.requests < 256 && v.tokens < 65536);
    check(!t->conf.canary || v.weight <= 100);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t   op, i;
    uint64_t   back;
    flight_t  *f;
    target_t  *t;

    if (bd == NULL) {
        bd = malloc(ai_board_size());
    }

    p = data;
    last = data + size;
    now = 1000000;
    back = 0;

    ai_board_init(bd);
    memset(flights, 0, sizeof(flights));
    memset(targets, 0, sizeof(targets));

    for (i = 0; i < TARGETS; i++) {
        targets[i].place = AI_BOARD_NONE;
        configure(i);
    }

    while (p < last) {
        op = number(1);
        f = &flights[op >> 4];
        t = &targets[(op >> 4) % TARGETS];

        now += back;
        back = 0;

        switch (op & 15) {

        case 0:
            configure((op >> 4) % TARGETS);
            break;

        case 1:
            by_hand(t);
            break;

        case 2:
            said(t);
            break;

        case 3:
            keys();
            break;

        case 4:
            now += number(3);
            break;

        case 5:
            now += number(1);
            break;

        case 6:
            back = number(1) & 63;
            now -= back;
            break;

        default:
            if (f->used) {
                end(f);

            } else {
                begin(f, &targets[number(1) % TARGETS]);
            }
        }

        for (i = 0; i < TARGETS; i++) {
            look(&targets[i]);
        }
    }

    return 0;
}
