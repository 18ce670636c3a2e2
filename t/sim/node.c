
/*
 * A node: a book, requests that take of it, and the operations for them, as
 * the lease manager does it.
 */


#include "sim.h"


#define BOOK_SIZE   (1 << 19)
#define EPOCH_TEXT  48

typedef enum { ASK = 0, AHEAD, RETURN, REPORT, HEARTBEAT, END } kind_t;

typedef struct {
    node_t          *node;
    book_t          *book;
    row_t           *row;       /* in the ledger when admitted */
    unsigned         tries;
    uint64_t         deadline;
    unsigned         done;
    unsigned         admitted;
    unsigned         kept;      /* somebody looks at it */
} request_t;

typedef struct {
    node_t          *node;
    book_t          *book;
    kind_t           kind;
    unsigned         server;
    unsigned         done;
    unsigned         refs;      /* events */
    unsigned         round;     /* of a report */
    unsigned         reported;  /* what it says: "r" */
    unsigned         present;   /* and "h" */
    uint64_t         sent_ms;
    request_t       *request;
    ai_lease_op_t    op;
    words_t          w;
    reply_t          reply;
    uint8_t         *before;    /* mutant "refund" */
} message_t;


node_t     nodes[NODES];
owner_t    owners[OWNERS];
figures_t  figures;

static const char *const  status[5] = {
    "ok", "epoch", "fence", "late", "clock"
};

static void request_try(void *data, uint64_t arg);
static void request_end(request_t *rq, uint64_t *figure);


uint64_t
node_mono(const node_t *nd)
{
    return 10000000 * (uint64_t) (nd->index + 1) + sim_ms;
}


static uint64_t
node_calendar(const node_t *nd)
{
    return sim_base + sim_ms + (uint64_t) nd->skew;
}


uint64_t
node_now_s(const node_t *nd)
{
    return node_calendar(nd) / 1000;
}


static ai_now_t
node_now(const node_t *nd)
{
    ai_now_t  now;

    now.now_s = node_now_s(nd);
    now.mono_ms = node_mono(nd);

    return now;
}


/* ---- words ---- */

static void
epoch_text(const epoch_t *e, char *to)
{
    to[0] = '\0';

    if (e->count) {
        snprintf(to, EPOCH_TEXT, "%llu-%016llx",
                 (unsigned long long) e->count,
                 (unsigned long long) e->random);
    }
}


static int
epoch_cmp(const epoch_t *a, const epoch_t *b)
{
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }

    return a->random < b->random ? -1 : a->random > b->random;
}


#define word(w, ...)                                                         \
    snprintf((w)->arg[(w)->nargs++], sizeof((w)->arg[0]), __VA_ARGS__)


static void
cell_words(words_t *w, const ai_lease_cell_t *c, const char *epoch)
{
    char      owner[33];
    int64_t   per_tick;
    uint64_t  tick_us;
    unsigned  i;

    for (i = 0; i < 16; i++) {
        snprintf(owner + 2 * i, 3, "%02x", c->id.id[i]);
    }

    snprintf(w->key[w->nkeys++], sizeof(w->key[0]),
             "ai:{0}:%s:%s:%u:%u:%llu", epoch, owner, c->resource, c->period,
             (unsigned long long) c->window);

    per_tick = 0;
    tick_us = 0;

    if (c->kind == AI_LEASE_BUCKET) {
        ai_lease_tick(c->amount, c->period, &per_tick, &tick_us);
    }

    word(w, "%c", "wbs"[c->kind]);
    word(w, "%u", (c->local ? 1 : 0) + (c->fresh ? 2 : 0) + (c->lost ? 4 : 0));
    word(w, "%lld", (long long) c->limit);
    word(w, "%lld", (long long) per_tick);
    word(w, "%llu", (unsigned long long) tick_us);
    word(w, "%lld", (long long) c->sum);
    word(w, "%lld", (long long) c->unspent);
    word(w, "%lld", (long long) (c->kind == AI_LEASE_WINDOW && sim_is("twice")
                                 ? 0 : c->mine));
    word(w, "%lld", (long long) c->want);
    word(w, "%lld", (long long) c->need);
    word(w, "%u", 100000);
}


static void
message_words(message_t *m)
{
    char      epoch[EPOCH_TEXT];
    node_t   *nd;
    words_t  *w;
    unsigned  i;

    nd = m->node;
    w = &m->w;
    w->nkeys = 0;
    w->nargs = 0;

    epoch_text(&nd->epoch, epoch);

    snprintf(w->key[w->nkeys++], sizeof(w->key[0]), "ai:{0}");

    word(w, "%010llu.%016llu", (unsigned long long) m->book->start,
         (unsigned long long) m->op.seq);
    word(w, "%s", nd->id);
    word(w, "%s", epoch);
    word(w, "%016llx", (unsigned long long) sim_random());
    word(w, "%s", "");
    word(w, "%llu", (unsigned long long) node_calendar(nd));
    word(w, "%u", TOLERANCE);
    word(w, "%u", HOLD);
    word(w, "%u", sim_nodes);
    word(w, "%s%s%s", m->reported ? "r" : "",
         !nd->orphan || sim_is("orphan") ? "d" : "", m->present ? "h" : "");

    for (i = 0; i < m->op.ncells; i++) {
        cell_words(w, &m->op.cell[i], epoch);
    }
}


/* ---- what comes of an operation ---- */

static void
node_epoch(node_t *nd, const epoch_t *e)
{
    ai_lease_shard_t  sh;

    if (epoch_cmp(e, &nd->epoch) <= 0) {
        return;
    }

    nd->epoch = *e;
    nd->reporting = 0;
    nd->round++;

    ai_lease_shard_get(nd->book->mem, 0, &sh);
    sh.epoch = e->count;
    sh.random = e->random;
    sh.heard = 0;
    sh.seeded = 0;
    ai_lease_shard_set(nd->book->mem, 0, &sh);
}


static int
reply_epoch(const reply_t *r, epoch_t *e)
{
    unsigned long long  count, random;

    if (sscanf(r->item[2], "%llu-%16llx", &count, &random) != 2) {
        return 0;
    }

    e->count = count;
    e->random = random;

    return 1;
}


/* 1: the reply is an answer to this operation, with credit or without */

static int
message_read(message_t *m, const reply_t *r)
{
    int                k;
    epoch_t            e;
    unsigned           i;
    ai_lease_cell_t   *c;
    ai_lease_shard_t   sh;

    if (r->error || r->n < 8
        || (strcmp(r->item[0], m->w.arg[0]) != 0 && !sim_is("shift")))
    {
        return 0;
    }

    for (k = 0; k < 5 && strcmp(r->item[1], status[k]); k++) { /* void */ }

    if (k == 5) {
        return 0;
    }

    if (k == 1 && reply_epoch(r, &e) && !m->book->dead
        && m->book == m->node->book)
    {
        node_epoch(m->node, &e);
    }

    if (k != 0 || !reply_epoch(r, &e) || epoch_cmp(&e, &m->node->epoch) != 0
        || strcmp(r->item[2], m->w.arg[2]) != 0
        || r->n != 8 + 3 * (unsigned) atoi(r->item[7])
        || (unsigned) atoi(r->item[7]) != m->op.ncells)
    {
        return 0;
    }

    for (i = 0; i < m->op.ncells; i++) {
        c = &m->op.cell[i];
        c->granted = strtoll(r->item[8 + 3 * i], NULL, 10);
        c->left = strtoll(r->item[9 + 3 * i], NULL, 10);
        c->wait_ms = strtoll(r->item[10 + 3 * i], NULL, 10);

        if (c->kind == AI_LEASE_WINDOW && c->limit
            && c->granted / (c->limit / 100.0) > figures.granted)
        {
            figures.granted = (int64_t) (c->granted / (c->limit / 100.0));
        }
    }

    if (m->book == m->node->book) {
        ai_lease_shard_get(m->book->mem, 0, &sh);
        sh.seeded = r->item[4][0] == '1';
        sh.heard = r->item[5][0] == '1';
        sh.nodes = (uint32_t) atoi(r->item[6]);
        sh.usable = 1;
        ai_lease_shard_set(m->book->mem, 0, &sh);
    }

    return 1;
}


/* credit that was given back is taken again */

static void
mutant_refund(message_t *m)
{
    unsigned           i;
    ai_ref_t           ref;
    ai_book_t         *old;
    ai_lease_t        *ls, *was;
    ai_lease_cell_t   *c;

    old = (ai_book_t *) (void *) m->before;

    for (i = 0; i < m->op.ncells; i++) {
        c = &m->op.cell[i];
        ref = ai_lease_find(m->book->mem, c->owner, c->resource, c->period);

        if (ref == 0 || ai_lease_find(old, c->owner, c->resource, c->period)
                        != ref)
        {
            continue;
        }

        ls = ai_lease_at(m->book->mem, ref);
        was = ai_lease_at(old, ref);

        if (ls->window == was->window && ls->allow < was->allow) {
            ls->allow = was->allow;
            ls->until = node_mono(m->node) + LEASE;
        }
    }
}


static void
message_end(message_t *m, unsigned answered)
{
    node_t            *nd;
    ai_now_t           now;
    ai_lease_shard_t   sh;

    nd = m->node;
    m->done = 1;

    if (m->book->dead) {
        if (m->request) {
            request_end(m->request, &figures.declined);
        }

        return;
    }

    now = node_now(nd);

    if (m->op.owner[0]) {
        (void) ai_lease_end(m->book->mem, &m->op, answered, &now);
    }

    if (m->before && !answered) {
        mutant_refund(m);
    }

    if (m->kind == REPORT && m->round == nd->round) {
        nd->under_way--;
        nd->failed |= !answered;
    }

    if (m->kind == END && m->round == nd->round && answered) {
        nd->reporting = 0;
    }

    if (m->present && answered && m->round == nd->round) {
        ai_lease_shard_get(nd->book->mem, 0, &sh);
        sh.behind = 0;
        ai_lease_shard_set(nd->book->mem, 0, &sh);
    }

    if (m->request) {
        if (answered) {
            request_try(m->request, 0);

        } else {
            request_end(m->request, &figures.declined);
        }
    }
}


/* ---- the network ---- */

static void
message_free(message_t *m)
{
    if (--m->refs == 0) {
        free(m->before);
        free(m);
    }
}


static int
node_stands(const node_t *nd, event_pt handler, void *data, uint64_t arg)
{
    if (nd->stopped <= sim_ms) {
        return 0;
    }

    sim_at(nd->stopped + sim_below(3), handler, data, arg);

    return 1;
}


static void
message_unusable(message_t *m)
{
    ai_lease_shard_t  sh;

    if (m->book == m->node->book && !m->book->dead) {
        ai_lease_shard_get(m->book->mem, 0, &sh);
        sh.usable = 0;
        ai_lease_shard_set(m->book->mem, 0, &sh);
    }
}


static void
message_timeout(void *data, uint64_t arg)
{
    message_t  *m;

    m = data;

    if (!m->done && !m->book->dead
        && node_stands(m->node, message_timeout, m, arg))
    {
        return;
    }

    if (!m->done) {
        figures.lost++;
        message_unusable(m);
        message_end(m, 0);
    }

    message_free(m);
}


static void
message_reply(void *data, uint64_t arg)
{
    int         rc;
    message_t  *m;

    m = data;

    if (!m->done && !m->book->dead
        && node_stands(m->node, message_reply, m, arg))
    {
        return;
    }

    if (!m->done && !m->book->dead && !m->node->cut && !m->node->deaf) {
        rc = message_read(m, &m->reply);

        if (!rc) {
            message_unusable(m);
        }

        message_end(m, (unsigned) rc);
    }

    message_free(m);
}


static void
message_exec(void *data, uint64_t arg)
{
    reply_t     own;
    node_t     *nd;
    unsigned    k;
    message_t  *m;

    m = data;
    nd = m->node;

    if (store_frozen[m->server] > sim_ms) {
        sim_at(store_frozen[m->server] + sim_below(5), message_exec, m, arg);
        return;
    }

    figures.late += m->done;
    store_call(m->server, &m->w, &m->reply);

    for (k = 0; k < 5; k++) {
        figures.status[k] += strcmp(m->reply.item[1], status[k]) == 0;
    }

    if (m->reply.error) {
        figures.errors++;
    }

    sim_say("%s %s to %u: %s epoch %s seeded %s heard %s", nd->id + 34,
            m->w.arg[0] + 8, m->server, m->reply.item[1], m->reply.item[2],
            m->reply.item[4], m->reply.item[5]);

    for (arg = 0; sim_trace && arg < m->op.ncells; arg++) {
        sim_say("    %s sum %s unspent %s mine %s want %s need %s: %s left %s",
                m->w.key[1 + arg] + 30, m->w.arg[15 + 11 * arg],
                m->w.arg[16 + 11 * arg], m->w.arg[17 + 11 * arg],
                m->w.arg[18 + 11 * arg], m->w.arg[19 + 11 * arg],
                m->reply.item[8 + 3 * arg], m->reply.item[9 + 3 * arg]);
    }

    if (strcmp(m->reply.item[1], "ok") == 0 && m->present) {
        if (sim_ms - nd->heard_at[m->server] >= HOLD - TOLERANCE) {
            nd->back_at[m->server] = sim_ms;
        }

        nd->heard_at[m->server] = sim_ms;
    }

    /* time-outs of what a mutant makes of them are rare */

    if (m->done || m->book->dead || nd->deaf || sim_chance(nd->lose)
        || (m->before && sim_chance(50)))
    {
        message_free(m);
        return;
    }

    own = m->reply;

    if (nd->lose && nd->last.n && sim_chance(15)) {
        m->reply = nd->last;
        figures.shifted++;
    }

    nd->last = own;

    sim_at(sim_ms + (sim_chance(nd->slow) ? sim_between(10, 900)
                                          : sim_between(0, 3)),
           message_reply, m, arg);
}


static void
message_send(message_t *m)
{
    node_t            *nd;
    ai_lease_shard_t   sh;

    nd = m->node;
    m->server = nd->server;
    m->sent_ms = sim_ms;

    if (m->op.owner[0] == 0) {
        m->op.seq = ++m->book->mem->seq;
    }

    m->refs = 1;

    if (nd->cut) {
        message_unusable(m);
        message_end(m, 0);
        message_free(m);
        return;
    }

    figures.operations++;
    message_words(m);

    if (m->book == nd->book && (m->op.ncells || m->present)) {
        ai_lease_shard_get(m->book->mem, 0, &sh);
        sh.sent_ms = node_mono(nd);
        ai_lease_shard_set(m->book->mem, 0, &sh);
    }

    sim_at(sim_ms + TIMEOUT, message_timeout, m, 0);

    if (!sim_chance(nd->lose)) {
        m->refs++;
        sim_at(sim_ms + (sim_chance(nd->slow) ? sim_between(10, 1800)
                                              : sim_between(0, 3)),
               message_exec, m, 0);
    }
}


static message_t *
message_make(node_t *nd, kind_t kind)
{
    message_t  *m;

    m = malloc(sizeof(message_t));

    m->node = nd;
    m->book = nd->book;
    m->kind = kind;
    m->round = nd->round;
    m->reported = 0;
    m->present = 0;
    m->done = 0;
    m->request = NULL;
    m->before = NULL;
    m->reply.n = 0;
    m->reply.error = 0;
    m->op.ncells = 0;
    m->op.owner[0] = 0;
    m->op.owner[1] = 0;

    return m;
}


/* ---- requests ---- */

static void
request_ask(const request_t *rq, ai_hold_ask_t *ask, ai_lease_shard_t *sh)
{
    unsigned      i, o;
    const row_t  *row;

    row = rq->row;
    memset(ask, 0, sizeof(ai_hold_ask_t));
    ai_lease_shard_get(rq->book->mem, 0, sh);

    if (row->one) {
        ask->party[0].id = owners[row->owner].id;
        ask->party[0].limits = &owners[row->owner].limits[row->nlimit];
        ask->party[0].nlimits = 1;
        ask->nparty = 1;

    } else {
        for (i = 0; i < 2; i++) {
            o = 2 * row->tenant + i;
            ask->party[i].id = owners[o].id;
            ask->party[i].limits = owners[o].limits;
            ask->party[i].nlimits = owners[o].nlimits;
        }

        ask->nparty = 2;
    }

    memcpy(ask->bound, row->bound, sizeof(ask->bound));
    memcpy(ask->guess, row->guess, sizeof(ask->guess));
    ask->worker = (uint16_t) rq->book->worker;
    ask->shared = 1;
    ask->local = owners[2 * row->tenant].local;
    ask->rates = sh->local && ask->local ? AI_RATES_LOCAL : AI_RATES_LEASED;
    ask->nodes = sh->nodes > sim_nodes ? sh->nodes : sim_nodes;
}


static void
request_end(request_t *rq, uint64_t *figure)
{
    rq->done = 1;
    (*figure)++;

    if (!rq->kept) {
        if (!rq->admitted) {
            free(rq->row);
        }

        free(rq);
    }
}


int64_t
node_admitted(const node_t *nd, unsigned owner, unsigned limit,
    uint32_t window)
{
    int64_t            n;
    uint32_t           id;
    unsigned           party;
    const row_t       *row;
    const ai_limit_t  *l;

    l = &owners[owner].limits[limit];
    n = 0;

    for (row = nd->rows; row; row = row->next) {
        party = owner % 2 && !row->one;
        id = l->period == AI_PERIOD_DAY ? row->day[party]
             : l->period == AI_PERIOD_MONTH ? row->month[party] : 0;

        if (id == window && row_has(row, owner, limit)) {
            n += row->book ? row->bound[l->resource] : row->used[l->resource];
        }
    }

    return n;
}


/* what an old start's worker has settled, the new book counts */

static void
row_count(node_t *nd, row_t *row)
{
    unsigned    i, o;
    ai_now_t    now;
    ai_party_t  party[2];

    now = node_now(nd);

    for (i = 0; i < 2; i++) {
        o = 2 * row->tenant + i;
        party[i].id = owners[o].id;
        party[i].limits = owners[o].limits;
        party[i].nlimits = owners[o].nlimits;
    }

    if (ai_book_count(nd->book->mem, party, 2, row->used, row->at_s, &now)
        != AI_OK)
    {
        sim_fail("a row is not counted");
    }
}


static void
row_settle(void *data, uint64_t arg)
{
    row_t     *row;
    node_t    *nd;
    ai_now_t   now;
    uint64_t   tokens[2] = { 0, 0 };

    row = data;

    if (row->book == NULL) {
        return;
    }

    nd = row->book->node;

    if (arg == 0 && node_stands(nd, row_settle, row, arg)) {
        return;
    }

    now = node_now(nd);
    ai_book_settle(row->book->mem, row->hold, row->used, tokens, &now);
    oracle_end(row);

    if (row->book != nd->book && nd->book) {
        row_count(nd, row);
    }

    row->book = NULL;
}


static void
request_admitted(request_t *rq, ai_ref_t hold)
{
    row_t            *row;
    node_t           *nd;
    unsigned          i;
    const ai_hold_t  *h;

    nd = rq->node;
    row = rq->row;
    h = ai_hold_at(rq->book->mem, hold);

    row->book = rq->book;
    row->hold = hold;
    row->next = NULL;
    row->at_s = node_now_s(nd);

    if (!sim_is("clock")) {
        row->at_s = ai_book_hold_s(rq->book->mem, hold, row->at_s);
    }

    for (i = 0; i < 2; i++) {
        row->day[i] = h->window[i][AI_WINDOW_DAY];
        row->month[i] = h->window[i][AI_WINDOW_MONTH];
    }

    *nd->tail = row;
    nd->tail = &row->next;

    rq->admitted = 1;
    oracle_take(row, nd);

    sim_at(sim_ms + (row->one ? 0 : sim_chance(20)
                                    ? sim_between(500, RUNS)
                                    : sim_between(5, 400)),
           row_settle, row, 0);
}


/* what may be spent is not bound to a window */

static void
mutant_window(book_t *b, const ai_now_t *now)
{
    unsigned     i, which;
    ai_ref_t     owner, ref;
    ai_lease_t  *ls;
    ai_owner_t  *o;

    for (i = 0; i < OWNERS; i++) {
        owner = ai_book_owner_find(b->mem, &owners[i].id);

        for (ref = owner ? ai_owner_at(b->mem, owner)->leases : 0;
             ref;
             ref = ls->next)
        {
            ls = ai_lease_at(b->mem, ref);
            which = ls->period - AI_PERIOD_DAY;
            o = ai_owner_at(b->mem, owner);

            if (which > 1 || ls->resource >= AI_RES_COUNTED
                || o->window[which].id >= ai_window_id(which, now->now_s)
                || ls->window != o->window[which].id)
            {
                continue;
            }

            ls->window = (uint32_t) ai_window_id(which, now->now_s);
        }
    }
}


static void
request_lacks(request_t *rq, const ai_hold_ask_t *ask,
    const ai_lease_shard_t *sh, const ai_now_t *now)
{
    int         rc;
    message_t  *m;

    if (rq->book != rq->node->book || !sh->epoch || !sh->seeded
        || rq->tries++ > 8 || sim_ms > rq->deadline)
    {
        request_end(rq, &figures.declined);
        return;
    }

    m = message_make(rq->node, ASK);
    rc = ai_lease_begin(rq->book->mem, ask, 0, now, &m->op);

    if (rc == AI_OK) {
        m->request = rq;
        message_send(m);
        return;
    }

    free(m);

    if (rc == AI_ERROR) {
        sim_fail("ai_lease_begin");
        request_end(rq, &figures.declined);
        return;
    }

    sim_at(sim_ms + (rc == AI_BUSY), request_try, rq, 0);
}


static void
request_ahead(const request_t *rq, const ai_hold_ask_t *ask,
    const ai_lease_shard_t *sh, const ai_now_t *now)
{
    message_t  *m;

    if (rq->book != rq->node->book || !sh->epoch || !sh->seeded) {
        return;
    }

    m = message_make(rq->node, AHEAD);

    if (ai_lease_begin(rq->book->mem, ask, 1, now, &m->op) == AI_OK) {
        message_send(m);

    } else {
        free(m);
    }
}


static void
request_try(void *data, uint64_t arg)
{
    int                rc;
    ai_now_t           now;
    ai_ref_t           hold;
    request_t         *rq;
    ai_refused_t       why;
    ai_hold_ask_t      ask;
    ai_lease_shard_t   sh;

    rq = data;

    if (rq->book->dead) {
        request_end(rq, &figures.declined);
        return;
    }

    if (node_stands(rq->node, request_try, rq, arg)) {
        return;
    }

    now = node_now(rq->node);
    request_ask(rq, &ask, &sh);

    if (sim_is("window")) {
        mutant_window(rq->book, &now);
    }

    memset(&why, 0, sizeof(why));
    rc = ai_book_take(rq->book->mem, &ask, &now, &hold, &why);

    switch (rc) {

    case AI_OK:
        figures.local += ask.rates == AI_RATES_LOCAL;
        request_admitted(rq, hold);

        if (why.ahead) {
            request_ahead(rq, &ask, &sh, &now);
        }

        request_end(rq, &figures.admitted);
        return;

    case AI_BUSY:
        request_end(rq, &figures.refused);
        return;

    case AI_AGAIN:
        request_lacks(rq, &ask, &sh, &now);
        return;

    default:
        sim_fail("ai_book_take: %d", rc);
        request_end(rq, &figures.declined);
    }
}


static request_t *
request_make(node_t *nd, book_t *book)
{
    request_t  *rq;

    rq = calloc(1, sizeof(request_t));
    rq->node = nd;
    rq->book = book;
    rq->row = calloc(1, sizeof(row_t));
    rq->deadline = sim_ms + TIMEOUT;
    figures.requests++;

    return rq;
}


void
node_arrive(node_t *nd)
{
    row_t      *row;
    book_t     *book;
    request_t  *rq;

    book = nd->orphan && sim_chance(40) ? nd->orphan : nd->book;

    if (book == NULL) {
        return;
    }

    rq = request_make(nd, book);
    row = rq->row;

    row->tenant = (unsigned) sim_below(TENANTS);
    row->bound[AI_RES_REQUESTS] = 1;
    row->bound[AI_RES_TOKENS] = (int64_t) sim_between(1, BOUND_TOKENS);
    row->bound[AI_RES_COST] = (int64_t) sim_between(1, BOUND_COST);
    row->guess[AI_RES_REQUESTS] = 1;
    row->guess[AI_RES_TOKENS] = (int64_t)
        sim_between(1, (uint64_t) row->bound[AI_RES_TOKENS]);
    row->guess[AI_RES_COST] = row->bound[AI_RES_COST];
    row->used[AI_RES_REQUESTS] = 1;
    row->used[AI_RES_TOKENS] = sim_exact || sim_chance(50)
        ? row->guess[AI_RES_TOKENS]
        : (int64_t) sim_between(0, (uint64_t) row->guess[AI_RES_TOKENS]);
    row->used[AI_RES_COST] = sim_exact || sim_chance(50)
        ? row->bound[AI_RES_COST]
        : (int64_t) sim_between(0, (uint64_t) row->bound[AI_RES_COST]);

    request_try(rq, 0);
}


int
node_take_one(node_t *nd, unsigned owner, unsigned limit, int64_t n)
{
    int         rc;
    row_t      *row;
    uint64_t    end;
    request_t  *rq;

    rq = request_make(nd, nd->book);
    rq->kept = 1;
    row = rq->row;

    row->one = 1;
    row->tenant = owner / 2;
    row->owner = owner;
    row->nlimit = limit;
    row->bound[AI_RES_REQUESTS] = 1;
    row->guess[AI_RES_REQUESTS] = 1;
    row->used[AI_RES_REQUESTS] = 1;

    if (owners[owner].limits[limit].resource < AI_RES_COUNTED) {
        row->bound[owners[owner].limits[limit].resource] = n;
        row->guess[owners[owner].limits[limit].resource] = n;
        row->used[owners[owner].limits[limit].resource] = n;
    }

    end = sim_ms + 5000;
    request_try(rq, 0);

    while (!rq->done && sim_ms < end && sim_step()) { /* void */ }

    rc = (int) rq->admitted;

    if (!rq->done) {
        sim_stuck("a request waits for ever");
        return 0;
    }

    if (!rq->admitted) {
        free(rq->row);
    }

    free(rq);

    return rc;
}


/* ---- its life ---- */

void
node_start(node_t *nd)
{
    row_t             *row;
    book_t            *b;
    ai_char            zone[16];
    ai_lease_conf_t    conf;
    ai_lease_shard_t   sh;

    b = calloc(1, sizeof(book_t));
    b->node = nd;
    b->start = ++nd->start;
    b->before = nd->books;
    nd->books = b;
    b->mem = aligned_alloc(64, BOOK_SIZE);

    memset(zone, (int) nd->index, sizeof(zone));

    if (ai_book_init(b->mem, BOOK_SIZE, zone) != AI_OK) {
        fprintf(stderr, "the book is too small\n");
        exit(2);
    }

    b->worker = (unsigned) ai_book_worker(b->mem, 1000, 1);

    conf.lease_ms = LEASE;
    conf.busy_ms = BUSY;
    conf.nodes = sim_nodes;
    conf.shards = 1;
    ai_lease_conf(b->mem, &conf);

    nd->book = b;

    for (row = nd->rows; row; row = row->next) {
        if (row->book == NULL && !sim_is("ledger")) {
            row_count(nd, row);
        }
    }

    memset(&sh, 0, sizeof(sh));
    sh.epoch = nd->epoch.count;
    sh.random = nd->epoch.random;
    sh.sent_ms = node_mono(nd);
    sh.behind = 1;
    ai_lease_shard_set(b->mem, 0, &sh);

    nd->beat = 0;
    nd->reporting = 0;
    nd->round++;
    nd->expire = 0;

    sim_say("node %u starts: %llu", nd->index,
            (unsigned long long) nd->start);
}


/* what its requests were at, the provider has delivered */

static void
book_die(book_t *b)
{
    row_t   *row;
    node_t  *nd;

    nd = b->node;

    for (row = nd->rows; row; row = row->next) {
        if (row->book == b) {
            oracle_end(row);
            row->book = NULL;

            if (b != nd->book && nd->book) {
                row_count(nd, row);
            }
        }
    }

    b->dead = 1;
    free(b->mem);
}


void
node_die(node_t *nd)
{
    book_t  *b;

    b = nd->book;
    nd->book = NULL;

    if (nd->orphan) {
        book_die(nd->orphan);
        nd->orphan = NULL;
    }

    if (b) {
        sim_say("node %u dies", nd->index);
        book_die(b);
    }
}


static void
orphan_end(void *data, uint64_t arg)
{
    row_t   *row;
    book_t  *b;
    node_t  *nd;

    b = data;
    nd = b->node;

    if (b->dead || nd->orphan != b) {
        return;
    }

    if (node_stands(nd, orphan_end, b, arg)) {
        return;
    }

    for (row = nd->rows; row; row = row->next) {
        if (row->book == b) {
            row_settle(row, 1);
        }
    }

    nd->orphan = NULL;
    b->dead = 1;
    free(b->mem);
    sim_say("node %u: no old worker lives", nd->index);
}


void
node_orphan(node_t *nd)
{
    if (nd->book == NULL || nd->orphan) {
        return;
    }

    nd->orphan = nd->book;
    node_start(nd);
    sim_at(sim_ms + sim_between(300, 7000), orphan_end, nd->orphan, 0);
}


/* ---- the keeper ---- */

/*
 * A share that is judged begins with an empty bucket at worst, and forgets what
 * it lacked beyond that; a store that lost its memory is not told, then.
 */

static void
keep_forgets(const node_t *nd)
{
    unsigned           i, n;
    ai_ref_t           owner, ref;
    const ai_cell_t   *cell;
    const ai_limit_t  *l;

    for (i = 0; i < OWNERS; i++) {
        owner = ai_book_owner_find(nd->book->mem, &owners[i].id);

        for (n = 0; owner && n < owners[i].nlimits; n++) {
            l = &owners[i].limits[n];
            ref = ai_is_bucket(l) ? ai_cell_find(nd->book->mem, owner,
                                                 l->resource, l->period) : 0;
            cell = ref ? ai_cell_at(nd->book->mem, ref) : NULL;

            if (cell && cell->bucket.taken > l->burst) {
                oracle_lost(&owners[i].id, l->resource, l->period,
                            (cell->bucket.taken - l->burst) / sim_nodes + 1);
            }
        }
    }
}


static void
keep_local(node_t *nd, ai_lease_shard_t *sh)
{
    uint64_t  alone;

    alone = sh->sent_ms + (sim_is("alone") ? 0 : HOLD + 2 * TOLERANCE);

    if (!sh->local && !(sh->usable && sh->heard && sh->seeded)
        && !(sh->usable && !sh->heard && nd->reporting && !nd->partial)
        && node_mono(nd) > alone)
    {
        sh->local = 1;
        sh->behind = 1;
        nd->reporting = 0;
        nd->round++;
        ai_lease_shard_set(nd->book->mem, 0, sh);
        keep_forgets(nd);
        sim_say("node %u is on its own", nd->index);
    }
}


/* a book forgets the window before as it begins one */

static void
mutant_edge(ai_lease_op_t *op, const ai_now_t *now)
{
    unsigned          i;
    ai_lease_cell_t  *c;

    for (i = 0; i < op->ncells; i++) {
        c = &op->cell[i];

        if (c->window && c->window <= ai_window_id(c->period - AI_PERIOD_DAY,
                                                   now->now_s)
            && i && c[-1].period == c->period && c[-1].resource == c->resource)
        {
            c->sum = 0;
        }
    }
}


static void
keep_report(node_t *nd)
{
    int                rc;
    ai_now_t           now;
    message_t         *m;
    ai_lease_shard_t   sh;

    if (!nd->reporting) {
        nd->reporting = 1;
        nd->round++;
        nd->reported = 0;
        nd->failed = 0;
        nd->cursor = 0;
        nd->under_way = 0;
        nd->partial = nd->orphan && !sim_is("orphan");
    }

    now = node_now(nd);

    while (!nd->reported && nd->under_way < 8) {
        m = message_make(nd, REPORT);
        rc = ai_lease_report(nd->book->mem, 0, &nd->cursor, 64, &now, &m->op);

        if (rc == AI_OK) {
            if (sim_is("edge")) {
                mutant_edge(&m->op, &now);
            }

            nd->under_way++;
            message_send(m);
            continue;
        }

        free(m);
        nd->reported = rc == AI_DECLINED;
        break;
    }

    if (!nd->reported || nd->under_way) {
        return;
    }

    if (nd->failed) {
        nd->reporting = 0;
        return;
    }

    /* what old workers hold was not counted when it began */

    if (nd->partial) {
        nd->reporting = 0;
        return;
    }

    ai_lease_shard_get(nd->book->mem, 0, &sh);

    m = message_make(nd, END);
    m->reported = 1;
    m->present = sh.heard && sh.seeded;
    message_send(m);
}


/* the store grants again, or has to hear this node before it does */

static void
keep_back(node_t *nd, ai_lease_shard_t *sh)
{
    if (sh->local && (sh->seeded || (!sh->heard && !nd->orphan))) {
        sh->local = 0;
        sh->behind = 1;
        ai_lease_shard_set(nd->book->mem, 0, sh);

        nd->reporting = 0;
        nd->round++;
        sim_say("node %u is back", nd->index);
    }
}


static void
keep_expire(node_t *nd)
{
    int         rc;
    unsigned    n;
    ai_now_t    now;
    message_t  *m;

    now = node_now(nd);

    for (n = 0; n < 8; n++) {
        m = message_make(nd, RETURN);

        if (sim_is("refund")) {
            m->before = malloc(BOOK_SIZE);
            memcpy(m->before, nd->book->mem, BOOK_SIZE);
        }

        rc = ai_lease_expire(nd->book->mem, 0, &nd->expire, 64, &now,
                             &m->op);

        if (rc == AI_OK) {
            message_send(m);
            continue;
        }

        free(m->before);
        free(m);

        if (rc == AI_DECLINED) {
            nd->expire = 0;
        }

        break;
    }
}


static void
node_keep(void *data, uint64_t arg)
{
    node_t            *nd;
    message_t         *m;
    ai_lease_shard_t   sh;

    nd = data;

    if (sim_over || node_stands(nd, node_keep, nd, arg)) {
        return;
    }

    sim_at(sim_ms + KEEP, node_keep, nd, arg);

    if (nd->book == NULL) {
        return;
    }

    ai_lease_shard_get(nd->book->mem, 0, &sh);
    keep_local(nd, &sh);

    if (sim_ms >= nd->beat) {
        nd->beat = sim_ms + BEAT;

        m = message_make(nd, HEARTBEAT);
        m->present = !sh.local && !sh.behind && sh.heard && sh.seeded;
        message_send(m);
    }

    if (nd->epoch.count == 0 || !sh.usable) {
        return;
    }

    keep_back(nd, &sh);

    if (!sh.local && (!sh.heard || sh.behind)) {
        keep_report(nd);
    }

    keep_expire(nd);
}


void
node_begin(void)
{
    unsigned  i;
    node_t   *nd;

    for (i = 0; i < sim_nodes; i++) {
        nd = &nodes[i];
        memset(nd, 0, sizeof(node_t));
        nd->index = i;
        nd->tail = &nd->rows;
        snprintf(nd->id, sizeof(nd->id), "00000000-0000-4000-8000-%012u", i);

        node_start(nd);
        sim_at(sim_below(KEEP), node_keep, nd, 0);
    }
}


/* nothing is under way any more */

void
node_end(void)
{
    row_t     *row, *next;
    book_t    *b, *before;
    unsigned   i;

    for (i = 0; i < sim_nodes; i++) {
        node_die(&nodes[i]);

        for (row = nodes[i].rows; row; row = next) {
            next = row->next;
            free(row);
        }

        for (b = nodes[i].books; b; b = before) {
            before = b->before;
            free(b);
        }
    }
}
