/*
 * Limits that many nodes share: how credit is leased from Redis, and a model
 * of it for spin.  t/model.t searches it whole, in a few sizes, with the rules
 * in place and with each rule left out: "[M_x]" names the mutant that admits
 * too much without that rule.  Buckets while the store is out of reach are
 * share.pml's; the arguments of the script stand in src/event/lease.lua.
 *
 *
 * WHAT IS PROMISED
 *
 * In each window a provider is sent no more than the limit, whatever is lost,
 * late, doubled, killed or split.  No node has more than one lease (B) of
 * credit stranded, taken from the store and not to be spent, and no more than
 * one of its former start.  From every state the rest of the limit can be used
 * up once faults end (CALM).
 *
 *
 * THE IDEA: ONE ABSOLUTE NUMBER
 *
 * A node never says "give me 5 more" or "take 3 back".  With each operation it
 * says its sum: what it spent in the window (settled and held) plus what it
 * has leased and not spent.  The store keeps the last such total of every
 * node, plus what it granted in answer.  All that must hold is
 *
 *     store's total of a node  >=  the node's spent + unspent        (1)
 *     the totals of all nodes  <=  the limit                         (2)
 *
 * A sum grows by an accepted grant alone: spending moves credit from unspent
 * to spent, settling gives a hold's surplus back to unspent.  A lost reply
 * breaks nothing: the store's total is too high till the next operation says
 * the sum again.  There is nothing to refund, and so nothing to refund wrongly.
 *
 *
 * THE STORE
 *
 * Tenants fall into shards, by a hash of the owner id.  Every key of a shard
 * has the hash tag {shard}: the shard itself (epoch, token, time, and of each
 * node its start and whether it was heard), and a cell for each limit of each
 * owner in each window (the totals).  Names of cells begin with the epoch, so
 * that nothing need be deleted.  The epoch stands in the shard and not with
 * the owner: an owner who is not in a shard that is seeded has spent nothing,
 * and new tenants and windows wait for no node.  Tenant and key are parties of
 * one operation and lie in the tenant's shard.
 *
 * What the script does, all checks before the first write:
 *
 * 1. Its time is more than a second away from the operation's: it answers that.
 *    So no operation is executed more than two seconds after it was sent.
 * 2. The shard is not there, has another token, or its epoch is less than the
 *    operation's: it begins an epoch, (max of both counts + 1, random), with no
 *    node heard, and forgets what it knew.  It answers the epoch, no credit.
 *    An empty store knows nothing of what was granted [M_FORGET]; nor does a
 *    replica that lags, or an old dump, though they look sane [M_REPLICA]: the
 *    token is the server's run_id and master_replid.  Counts alone come twice,
 *    from two servers or one that was emptied twice, and then reports to one
 *    are taken for reports to the other [M_TIE].
 * 3. The operation's epoch is less than the shard's: it answers the epoch, no
 *    credit, and does not count as a report.  Together with 2 it is the fence
 *    against a master that was replaced and does not know it: whoever spoke
 *    with the new one makes the old one begin anew [M_STALE].
 * 4. The shard has seen a greater start of the node: refused.  The cell has
 *    seen an operation of this node that was not lesser (start, then number):
 *    refused.  A request can lie in a frozen server's buffers and be executed
 *    after a newer one [M_ORDER], or be one of workers that outlived their
 *    master [M_FENCE].  Operations of two owners may overtake each other.
 * 5. The node's total becomes its sum; "leased" changes by new less old.  A
 *    total of a lesser start is put aside first and goes on counting ("o"),
 *    until an operation says "d".
 * 6. "r" and "d" together make the node heard in this epoch.
 * 7. All N nodes are heard [M_PARTIAL]: what is wanted is granted, less where
 *    less is left but not less than is needed, for all limits or for none;
 *    totals and "leased" grow by it.
 *
 * Amounts are decimal strings; HINCRBY adds them in 64 bits, and what HGET says
 * is compared as text.  Lua makes a number of none.
 *
 *
 * A NODE
 *
 * a. One operation of an owner is under way at a time, in all of the node, and
 *    its reply is taken only if it repeats the operation's id [M_SHIFT].  That
 *    ends by time, too, as a worker may die or hang.  So a second one may be
 *    sent while the first is neither executed nor answered; the answer of one
 *    that is not the owner's last is dropped [M_BUSY].
 *    After a time-out the connection is closed and nothing is concluded: no
 *    credit, nothing given back.
 * b. The epoch is the one the shard had when the operation began.  A reply is
 *    taken only if the node knows no newer one by then: the owner may have been
 *    passed over by the report to that, as one with nothing to say
 *    [M_OVERTAKE].
 * c. Credit ends at min(lease, end of its window), counted from when the
 *    request was SENT, by a clock that does not step, less 1 % for drift.  No
 *    credit outlives its window [M_WINDOW], nor is a reply of one that is over
 *    taken.
 * d. Giving back: unspent becomes 0 first, then an operation says so.  If that
 *    times out it stays 0 [M_REFUND].
 * e. Durable, in the ledger's directory: what was spent, as intents are written
 *    before anything is sent [M_LEDGER]; the start number; and the greatest
 *    epoch seen of each shard, written before an operation carries it
 *    [M_EPOCH: a node that restarts into the old master's half of a split].
 * f. A heartbeat is an operation without cells, by one worker, to every shard.
 *    It learns of a greater epoch; that is kept (e), and the sums of all owners
 *    of the shard that are not zero are reported, with their unspent credit,
 *    which goes on being spent: the sum does not change by that, so that the
 *    report may come in many pieces.  When all were answered, heartbeats say
 *    "r".  Meanwhile budgets spend unspent credit and then answer 503.
 * g. After a start, workers of the former master may live on and spend what it
 *    leased.  The new start leases at once.  Its sums have the ledger's rows,
 *    which the put-aside total has as well: counted twice for a while, never
 *    not at all.  "d" says that no such worker lives [M_DROP_EARLY] and that
 *    all its rows are in the book [M_UNCOUNTED].  A store that lost its memory
 *    has put nothing aside, so a report counts only with "d" [M_ORPHAN], and
 *    if all of it was said with "d" [M_SOON].
 * h. A clock that is ahead begins the next window while others are in this one
 *    (EDGE).  The book keeps what was spent here of the former window, open
 *    holds with it, and reports tell of it: a store that lost its memory would
 *    else grant that once more to those who are in it still [M_FORMER].  None
 *    of it is wanted any more, and what is granted late is not taken.
 * i. Sizes: want at most B; B is min(spent in the last lease time * 2,
 *    left / (2 N)), and need when that is more.  Where B falls below need, each
 *    request asks for itself and takes one round trip, in the same words.
 *    The model has grants as large as possible, up to B.
 *
 *
 * NODES THAT ARE GONE
 *
 * A node that died keeps its total.  Its credit must not come back at its
 * lease's end, for nobody else knows how much of it was spent [M_DEAD]; it
 * comes back with the node's own operation after its start.  So "at most one
 * lease time" is true of nodes that live; a dead one strands at most B of a
 * budget until it is back or its window ends.
 *
 * A store that lost its memory while a node is dead grants no budgets until
 * the node is back.
 *
 *
 * NOT IN THE MODEL
 *
 * Concurrency.  A node reports its open slots like a sum.  The slots of a node
 * that did not say "h" for a while are free again: true of one that died, not
 * of one that is cut off while its streams run.
 *
 * A key that vanishes alone (DEL by hand; eviction, hence noeviction) is not
 * noticed by the epoch.
 *
 * Clocks: window_ends() is one step for all, which rests on the window being
 * part of the cell's name, and on c.  With EDGE nodes pass the end before it,
 * each by itself; what they do in the next window is another cell's.  That the
 * former window is told of for two hours only: no clock that the store takes
 * is behind by that (rule 1).
 *
 * Rows of older starts.  The model takes them twice while such a start lives;
 * the script takes them once, as far as the put-aside total has them (rule 6 of
 * lease.lua).  The schedules of t/sim check that, by books and the script.
 *
 * Several owners: the order is kept by cell, so one is enough; the report of
 * one is the report of all.  A second restart, and a former start whose workers
 * learn a newer epoch: they cannot say "d" while this one lives.
 */


#ifndef N
#define N         2             /* nodes, 2 or 3 */
#endif
#ifndef L
#define L         3             /* the limit of a window */
#endif
#ifndef B
#define B         2             /* the largest lease */
#endif
#ifndef LIVES
#define LIVES     3             /* epochs that stores may begin, 1 to 4 */
#endif
#ifndef ROLLS
#define ROLLS     1             /* windows that end */
#endif
#ifndef RESTARTS
#define RESTARTS  1             /* nodes that start again: that many first */
#endif
#if defined(EDGE)
#define past(n)   (node[n].next)        /* it has begun the next window */
#else
#define past(n)   0
#endif

#define SERVERS   2
#define ALL       ((1 << N) - 1)
#define IDS       8             /* an epoch is count * IDS + id */

#define IDLE      0
#define SENT      1             /* may be executed */
#define DONE      2             /* was, and the reply is not read yet */


/* an operation; in the code one script call's arguments */

typedef op_t {
    byte  state;
    bit   server;
    byte  epoch;                /* as the node knew it when it began */
    byte  sum;                  /* spent + unspent then; DONE: granted */
    byte  want;
    bit   old;                  /* of the start before the present one */
    bit   dropped;              /* flag "d" */
    bit   stale;                /* the owner's next operation has begun */
}

/* "old": the workers of the start before, while "alive" */

typedef node_t {
    byte  spent;                /* rows of the ledger: survive everything */
    byte  epoch;                /* durable likewise */
    byte  unspent;              /* leased: shared memory */
    bit   reported;             /* an answer to "d", in this epoch */
    bit   again;                /* this is the second start */
    bit   alive;
    bit   promised;             /* the old said "r", which is under way */
    byte  own;                  /* part of spent: by this start */
    byte  uncounted;            /* part of spent: not in this start's book */
    byte  orphan;               /* unspent, of the old */
    byte  former;               /* epoch, of the old */
#if defined(EDGE)
    bit   next;                 /* its clock has passed the window's end */
#endif
    op_t  late;                 /* under way, for however long */
}

typedef store_t {
    byte  epoch;                /* 0: the store is empty */
    byte  heard;                /* nodes that reported in this epoch: a mask */
    byte  started;              /* nodes whose second start was seen: a mask */
    byte  moved;                /* and in the cell */
    byte  total[N];             /* of each node: spent + leased */
    byte  old[N];               /* the same of its start before */
#if defined(M_DEAD)
    byte  spent[N];
#endif
}

node_t   node[N];
store_t  store[SERVERS];

byte  admitted;                 /* counted at the provider, in this window */
byte  lives;                    /* ids of epochs that are taken: a mask */
byte  rolls;
bit   over;

/* scratch: 0 between steps */

op_t  x;
byte  i, k, r, s, id, granted, told;


/* ---- the script ---- */

#define count(e)    ((e) / IDS)
#if defined(EDGE) && N == 2
#define all_past    (past(0) && past(1))
#elif defined(EDGE)
#define all_past    (past(0) && past(1) && past(2))
#else
#define all_past    0
#endif

#define max(a, b)   ((a) > (b) -> (a) : (b))
#define min(a, b)   ((a) < (b) -> (a) : (b))

#define held(s, n)  (store[s].total[n] + store[s].old[n])

#if N == 2
#define leased(s)   (held(s, 0) + held(s, 1))
#else
#define leased(s)   (held(s, 0) + held(s, 1) + held(s, 2))
#endif

#if defined(M_PARTIAL)
#define lacks(s, n)   ((ALL & ~(1 << n) & ~store[s].heard) == 0)
#if N == 2
#define seeded(s)     (lacks(s, 0) || lacks(s, 1))
#else
#define seeded(s)     (lacks(s, 0) || lacks(s, 1) || lacks(s, 2))
#endif
#else
#define seeded(s)     (store[s].heard == ALL)
#endif

#if defined(M_STALE)
#define behind(s, e)     0
#define differs(s, e)    0
#else
#define behind(s, e)     (store[s].epoch < e)
#define differs(s, e)    (store[s].epoch != e)
#endif

#if defined(M_FENCE)
#define late_start(s, n) 0
#else
#define late_start(s, n) (store[s].started & (1 << n))
#endif

#define fenced(s, n)     (x.old && late_start(s, n))

/* not greater than what was executed: a start's own order, and older starts */

#define outrun(op)       (!x.old || op.old)


inline forget(which)
{
    which.state = IDLE;
    which.server = 0;
    which.epoch = 0;
    which.sum = 0;
    which.want = 0;
    which.old = 0;
    which.dropped = 0;
    which.stale = 0
}


inline wipe(here)
{
    store[here].epoch = 0;
    store[here].heard = 0;
    store[here].started = 0;
    store[here].moved = 0;
    i = 0;

    do
    :: i < N ->
        store[here].total[i] = 0;
        store[here].old[i] = 0;
#if !defined(M_TIE) && !defined(M_STALE)
        /*
         * No epoch comes twice, so that a request of this one will never
         * count again: here it is forgotten.
         */
        if
        :: node[i].late.state == SENT && node[i].late.server == here ->
            forget(node[i].late)
        :: else
        fi;
#endif
        i++
    :: else -> break
    od;

    i = 0
}


/* x is an operation of "who"; "id" makes a new epoch unlike all others */

inline script(here, who)
{
    granted = 0;

    if
    :: store[here].epoch == 0 || behind(here, x.epoch) ->
        told = (max(count(store[here].epoch), count(x.epoch)) + 1) * IDS + id;
        wipe(here);
        store[here].epoch = told;
#if defined(M_FORGET)
        store[here].heard = ALL
#endif

    :: else ->
        told = store[here].epoch;

        if
        :: differs(here, x.epoch) || fenced(here, who) -> skip
        :: else ->
            cell(here, who)
        fi
    fi
}


inline cell(here, who)
{
    if
    :: node[who].again && !x.old ->
        store[here].started = store[here].started | (1 << who);

        if
        :: !(store[here].moved & (1 << who)) ->
            store[here].moved = store[here].moved | (1 << who);
            store[here].old[who] = store[here].total[who]
        :: else
        fi
    :: else
    fi;

    if
    :: x.dropped -> store[here].old[who] = 0
    :: else
    fi;

    store[here].total[who] = x.sum;
#if defined(M_DEAD)
    store[here].spent[who] = node[who].spent;
#endif

    if
    :: seeded(here) && leased(here) < L ->
        granted = min(x.want, L - leased(here));
        store[here].total[who] = x.sum + granted
    :: else
    fi;

#if !defined(M_ORDER)
    /* what was sent before this operation is refused from now on */
    if
    :: (node[who].late.state == SENT && node[who].late.server == here
        && outrun(node[who].late)) ->
#if defined(M_FENCE)
        if
        :: node[who].late.old == x.old -> forget(node[who].late)
        :: else
        fi
#else
        forget(node[who].late)
#endif
    :: else
    fi
#endif
}


/* ---- a node ---- */

/* no worker of an older start lives, and all they spent is in the book */

#if defined(M_DROP_EARLY)
#define alone(n)    (node[n].uncounted == 0)
#elif defined(M_UNCOUNTED)
#define alone(n)    (!node[n].alive)
#else
#define alone(n)    (!node[n].alive && node[n].uncounted == 0)
#endif

#if defined(M_FORMER)
#define sum(n)      (past(n) -> 0 : own(n))
#else
#define sum(n)      own(n)
#endif

#define own(n)      (node[n].spent - node[n].uncounted + node[n].unspent)

#define wants(n, unspent)  (past(n) -> 0 : B - min(B, unspent))


inline admit(who)
{
    admitted++;
    node[who].spent++;
    assert(admitted <= L)
}


inline spend(who)
{
    node[who].unspent--;
    node[who].own = node[who].own + node[who].alive;
    admit(who)
}


inline spend_old(who)
{
    node[who].orphan--;
    node[who].uncounted++;
    admit(who)
}


inline ask(which, who, where)
{
    which.server = where;
    which.epoch = node[who].epoch;
    which.sum = sum(who);
    which.want = wants(who, node[who].unspent);
    which.dropped = alone(who)
}


/* the old's book has what they spent, and nothing of this start */

inline ask_old(which, who, where)
{
    which.server = where;
    which.epoch = node[who].former;
    which.sum = node[who].spent - node[who].own + node[who].orphan;
    which.want = wants(who, node[who].orphan);
    which.old = 1
}


/* the owner's next operation has begun: what is under way is not awaited */

inline begin(who)
{
    if
    :: node[who].late.state != IDLE && node[who].late.old == x.old ->
        node[who].late.stale = 1
    :: else
    fi
}


/* the reply: credit of another epoch than its own is none */

inline accept(who)
{
    if
#if defined(M_STALE)
    :: 1 ->
#else
    :: told == node[who].epoch ->
#endif
        node[who].unspent = node[who].unspent + (past(who) -> 0 : granted);
#if defined(M_ORPHAN) || defined(M_SOON)
        node[who].reported = 1
#else
        node[who].reported = node[who].reported | x.dropped
#endif
    :: else
    fi;

    learn(who)
}


inline learn(who)
{
    if
    :: told > node[who].epoch ->
        node[who].epoch = told;
        node[who].reported = 0
    :: else
    fi
}


inline accept_old(who)
{
    if
    :: told == node[who].former ->
        node[who].orphan = node[who].orphan + (past(who) -> 0 : granted)
    :: else
    fi
}


/* "r" and "d": the report is complete */

#if defined(M_ORPHAN)
#define may_tell(n)  (node[n].reported)
#else
#define may_tell(n)  (alone(n) && (node[n].reported || sum(n) == 0))
#endif

inline tell(here, who)
{
    store[here].heard = store[here].heard | (1 << who);

    if
    :: node[who].again ->
        store[here].started = store[here].started | (1 << who);

#if !defined(M_ORDER) && !defined(M_FENCE)
        if
        :: (node[who].late.state == SENT && node[who].late.server == here
            && node[who].late.old) ->
            forget(node[who].late)
        :: else
        fi
#endif
    :: else
    fi
}


/* the same, executed after the node has started again */

inline promise(here, who)
{
    if
    :: late_start(here, who) -> skip
    :: else -> store[here].heard = store[here].heard | (1 << who)
    fi;

    node[who].promised = 0
}


/* a new master, while the workers of the one before may go on */

inline restart(who)
{
    node[who].promised = may_tell(who);
    node[who].again = 1;
    node[who].alive = 1;
    node[who].reported = 0;
    node[who].uncounted = node[who].spent;
    node[who].orphan = node[who].unspent;
    node[who].unspent = 0;
    node[who].former = node[who].epoch;
#if defined(M_EPOCH)
    node[who].epoch = 0;
#endif
#if defined(M_LEDGER)
    node[who].spent = 0;
    node[who].uncounted = 0;
#endif
    node[who].late.old = (node[who].late.state != IDLE)
}


/* the last of the old workers; their replies are nobody's */

inline bury(who)
{
    node[who].alive = 0;
    node[who].orphan = 0;
    node[who].own = 0;
    node[who].former = 0;
    node[who].promised = 0;

    if
    :: node[who].late.state == DONE && node[who].late.old ->
        forget(node[who].late)
    :: else
    fi
}


/* ---- time ---- */

/*
 * A window ends.  Credit of it has ended by then, by the clock that runs from
 * the sending of the request; keys have the window in their names.
 */

inline window_ends()
{
    rolls++;
    admitted = 0;
    store[0].moved = 0;
    store[1].moved = 0;
    k = 0;

    do
    :: k < N ->
        node[k].spent = 0;
        node[k].own = 0;
        node[k].uncounted = 0;
#if defined(EDGE)
        node[k].next = 0;
#endif
        store[0].total[k] = 0;
        store[1].total[k] = 0;
        store[0].old[k] = 0;
        store[1].old[k] = 0;
#if !defined(M_WINDOW)
        node[k].unspent = 0;
        node[k].orphan = 0;
        forget(node[k].late);
#endif
        k++
    :: else -> break
    od;

    k = 0
}


/* a clock is ahead: credit ends with its window, here */

#if defined(EDGE)
inline pass_end(who)
{
    node[who].next = 1;
    node[who].unspent = 0;
    node[who].orphan = 0
}
#endif


/*
 * No fault any more, one start, one server: from whatever state the world was
 * in, all that is left of the limit can be had in a few round trips.
 */

inline calm(here)
{
    over = 1;
    r = 0;

    do
    :: r < 3 + L ->
        k = 0;

        do
        :: k < N ->
            forget(node[k].late);
            bury(k);
            node[k].uncounted = 0;

            if
            :: k > 0 -> node[k].unspent = 0
            :: else
            fi;

            ask(x, k, here);
            script(here, k);
            accept(k);
            forget(x);

            if
            :: may_tell(k) && !differs(here, node[k].epoch) -> tell(here, k)
            :: else
            fi;

            do
            :: node[k].unspent > 0 -> spend(k)
            :: else -> break
            od;

            k++
        :: else -> break
        od;

        r++
    :: else -> break
    od;

    assert(admitted == L || all_past)
}


/* no node has more than a lease stranded, nor more than one of an old start */

inline bounded()
{
#if !defined(MUTANT)
    i = 0;

    do
    :: i < N ->
        assert(store[0].total[i] <= node[i].spent + B);
        assert(store[1].total[i] <= node[i].spent + B);
        assert(store[0].old[i] <= node[i].spent + B);
        assert(store[1].old[i] <= node[i].spent + B);
        i++
    :: else -> break
    od;

    i = 0
#else
    skip
#endif
}


/* ---- what may happen, in any order ---- */

/* without an id left for its epoch, no store begins a new life */

#define can_be(where, e)                                                     \
    (lives != (1 << LIVES) - 1                                               \
     || (store[where].epoch != 0 && !behind(where, e)))

inline pick_id()
{
    if
    :: store[s].epoch == 0 || behind(s, x.epoch) ->
        if
        :: !(lives & 1) -> id = 1
#if LIVES > 1
        :: !(lives & 2) -> id = 2
#endif
#if LIVES > 2
        :: !(lives & 4) -> id = 3
#endif
#if LIVES > 3
        :: !(lives & 8) -> id = 4
#endif
        fi;

        lives = lives | (1 << (id - 1));
#if defined(M_TIE)
        id = 0
#endif
    :: else
    fi
}

inline tidy()
{
    forget(x);
    bounded();
    s = 0; id = 0; granted = 0; told = 0
}


#define me  node[_pid]

#define counts(where, e)  (e && !differs(where, e))


/*
 * One that is executed and answered in one step: a slow one of which nothing
 * else comes between is the same, sent later.  Its reply may be lost.
 */

inline operate(where)
{
    d_step { s = where; ask(x, _pid, s); begin(_pid) };
    pick_id();

    if
    :: d_step { script(s, _pid);
#if defined(M_SHIFT)
           if
           :: me.late.state == DONE ->
               /* the reply that stands first, and this one after it */
               i = me.late.sum;
               me.late.sum = granted;
               granted = i;
               i = 0
           :: else
           fi;
#endif
           accept(_pid);
           tidy() }
    :: d_step { script(s, _pid); tidy() }
    fi
}


/* a heartbeat, which is no operation of the owner's, finds a new epoch */

#define news(where)  (differs(where, me.epoch) && can_be(where, me.epoch))

inline hear(where)
{
    d_step { s = where; x.epoch = me.epoch };
    pick_id();
    d_step { script(s, _pid); learn(_pid); tidy() }
}


inline operate_old(where)
{
    d_step { s = where; ask_old(x, _pid, s); begin(_pid) };
    pick_id();

    if
    :: d_step { script(s, _pid); accept_old(_pid); tidy() }
    :: d_step { script(s, _pid); tidy() }
    fi
}


/* the lease ends: unspent credit is dropped, then that is said; a time-out */

#if defined(M_REFUND)
inline give_back(where)
{
    d_step { s = where; r = me.unspent; me.unspent = 0; ask(x, _pid, s);
             begin(_pid); x.want = 0 };
    pick_id();
    d_step { script(s, _pid); me.unspent = r; r = 0; tidy() }
}
#endif


/* one that is under way, however long; the one before it is lost */

inline send(where)
{
    d_step { forget(me.late); ask(me.late, _pid, where); me.late.state = SENT }
}

inline send_old(where)
{
    d_step {
        forget(me.late); ask_old(me.late, _pid, where); me.late.state = SENT }
}

#if defined(M_BUSY) || defined(M_SHIFT)
#define unheard  (told != x.epoch || (x.old && !me.alive))
#else
#define unheard  (told != x.epoch || (x.old && !me.alive) || me.late.stale)
#endif

/* it is executed; a reply that nobody takes might as well be lost */

inline execute()
{
    d_step {
        s = me.late.server;
        x.epoch = me.late.epoch;
        x.sum = me.late.sum;
        x.want = me.late.want;
        x.old = me.late.old;
        x.dropped = me.late.dropped
    };

    pick_id();

    d_step {
        me.late.state = DONE;
        script(s, _pid);

        me.late.server = 0;
        me.late.want = 0;
        me.late.sum = granted;

        if
        :: unheard -> forget(me.late)
        :: else
        fi;

        tidy()
    }
}

/* and answered: by then the node may know another epoch */

inline answered()
{
    d_step {
        granted = me.late.sum;
        x.dropped = me.late.dropped;
        told = me.late.epoch;

        if
#if !defined(M_BUSY)
        :: me.late.stale -> skip
#endif
        :: me.late.old -> accept_old(_pid)
        :: else ->
#if defined(M_OVERTAKE)
            told = me.epoch;
#endif
            accept(_pid)
        fi;

        forget(me.late);
        tidy()
    }
}


active [N] proctype gateway()
{
end:
    do
    /* a request passes on leased credit */
    :: d_step { !over && me.unspent > 0 -> spend(_pid) }

    /* the lease ends; the store hears of it with the next operation */
    :: d_step { !over && me.unspent > 0 -> me.unspent = 0 }

    :: atomic { !over && can_be(0, me.epoch) -> operate(0) }
    :: atomic { !over && can_be(1, me.epoch) -> operate(1) }

    :: atomic { !over && news(0) -> hear(0) }
    :: atomic { !over && news(1) -> hear(1) }

    :: atomic { !over && counts(0, me.epoch) -> send(0) }
    :: atomic { !over && counts(1, me.epoch) -> send(1) }

    :: atomic {
        (!over && me.late.state == SENT
        && can_be(me.late.server, me.late.epoch)) -> execute() }
    :: atomic { !over && me.late.state == DONE -> answered() }

    :: d_step {
        !over && may_tell(_pid) && counts(0, me.epoch) -> tell(0, _pid) }
    :: d_step {
        !over && may_tell(_pid) && counts(1, me.epoch) -> tell(1, _pid) }

#if defined(EDGE)
    :: d_step { !over && !me.next -> pass_end(_pid) }
#endif

#if defined(M_REFUND)
    :: atomic { !over && can_be(0, me.epoch) -> give_back(0) }
#endif

#if RESTARTS
    :: d_step { !over && _pid < RESTARTS && !me.again -> restart(_pid) }
#if defined(EDGE)
    /* its clock was set back: the rows tell that they are of this window */
    :: d_step {
        !over && _pid < RESTARTS && !me.again && me.next ->
        restart(_pid);
        me.next = 0 }
#endif
    :: d_step { !over && me.alive -> bury(_pid) }
    :: d_step { !over && me.uncounted > 0 -> me.uncounted-- }

    :: d_step { !over && me.orphan > 0 -> spend_old(_pid) }
    :: d_step { !over && me.orphan > 0 -> me.orphan = 0 }

    :: d_step {
        !over && me.promised && counts(0, me.former) -> promise(0, _pid) }
    :: d_step {
        !over && me.promised && counts(1, me.former) -> promise(1, _pid) }

    :: atomic { !over && me.alive && can_be(0, me.former) -> operate_old(0) }
    :: atomic { !over && me.alive && can_be(1, me.former) -> operate_old(1) }
    :: atomic { !over && me.alive && counts(0, me.former) -> send_old(0) }
    :: atomic { !over && me.alive && counts(1, me.former) -> send_old(1) }
#endif

#if defined(M_DEAD)
    /* its lease has ended: the store takes its credit back */
    :: d_step {
        !over && me.unspent == 0 ->
        store[0].total[_pid] = store[0].spent[_pid];
        store[1].total[_pid] = store[1].spent[_pid] }
#endif

    :: over -> break
    od
}


active proctype world()
{
end:
    do
    /* a server loses all, or comes back with what is out of date */
    :: d_step { !over && store[0].epoch != 0 -> wipe(0) }
    :: d_step { !over && store[1].epoch != 0 -> wipe(1) }

#if defined(M_REPLICA)
    /* what a replica copied some time ago is taken for the truth */
    :: d_step {
        !over && store[0].epoch != 0 && store[1].epoch == 0 ->
        store[1].epoch = store[0].epoch;
        store[1].heard = store[0].heard;
        i = 0;

        do
        :: i < N -> store[1].total[i] = store[0].total[i]; i++
        :: else -> break
        od;

        i = 0 }
#endif

    :: d_step { !over && rolls < ROLLS -> window_ends() }

#if defined(CALM)
    :: d_step { !over -> calm(0) }
    :: d_step { !over -> calm(1) }
#endif

    :: over -> break
    od
}
