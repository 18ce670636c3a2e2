/*
 * Limits that many nodes share: how credit is leased from Redis, and a model
 * of it for spin.  t/model.t searches it whole, in a few sizes, with the rules
 * in place and with each rule left out: "[M_x]" names the mutant that admits
 * too much without that rule.
 *
 *
 * WHAT IS PROMISED
 *
 * In each window a provider is sent no more than the limit, whatever is lost,
 * late, doubled, killed or split.  No node has more than one lease (B) of
 * credit stranded: taken from the store and not to be spent.  From every state
 * the rest of the limit can be used up once faults end (CALM).
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
 * KEYS
 *
 * Tenants fall into shards, by a hash of the owner id: one shard without
 * cluster, 256 with.  Every key of a shard has the hash tag {shard}:
 *
 *     PREFIX{17}               the shard: epoch, token, time, the nodes heard,
 *                              and for each node its last operation's id
 *     PREFIX{17}:EPOCH:OWNER:WINDOW
 *                              an owner's window (OWNER: hex of its 16 bytes):
 *                              for each limit "leased", the sum of all totals,
 *                              and for each node its total; EXPIREs a day
 *                              after the window's end
 *
 * The epoch stands in the shard and not with the owner, so that an owner who
 * is not in a shard that is seeded has spent nothing: new tenants and new
 * windows wait for no node.  Tenant and key are parties of one operation and
 * lie in the tenant's shard.  A key that vanishes alone (DEL by hand; eviction,
 * hence noeviction) is not noticed by the epoch.
 *
 *
 * AN OPERATION: the arguments of the script
 *
 *     node     the node's durable id
 *     op       its start number (durable, + 1 at each start of the node) and a
 *              sequence number, of fixed width, so that strings compare
 *     epoch    the shard's as this node knows it; "" if it knows none
 *     fresh    64 random bits, for an epoch that the script must begin
 *     token    of the server, read when the connection was made: run_id and
 *              master_replid (a promoted server changes the latter; a -READONLY
 *              answer closes the connection, so that it is read again)
 *     for each limit of each party: the window and its first and last second,
 *              the limit, the sum, what is wanted, what is needed at least
 *
 * What the script does, all checks before the first write:
 *
 * 1. The shard is not there, has another token, or its epoch is less than the
 *    operation's: it begins an epoch, (max of both counts + 1, fresh), with no
 *    node heard, and removes what it knew.  It answers the epoch, no credit.
 *    An empty store knows nothing of what was granted [M_FORGET]; nor does a
 *    replica that lags, or an old dump, though they look sane [M_REPLICA].
 *    Counts alone come twice, from two servers or one that was emptied twice,
 *    and then reports to one are taken for reports to the other [M_TIE].
 *    Nothing need be deleted: owners' keys have the epoch in their names, and
 *    the caller's names are used only where its epoch is the shard's (2).
 * 2. The operation's epoch is less than the shard's: it answers the epoch, no
 *    credit, and does not count as a report.  Together with 1 it is the fence
 *    against a master that was replaced and does not know it: whoever spoke
 *    with the new one makes the old one begin anew [M_STALE].  That the script
 *    compares is enough and is needed; a node's own look at the reply's epoch
 *    is not enough by itself (both were tried), and is kept as a second lock.
 * 3. op is not greater than the node's last: refused.  A request can lie in a
 *    frozen server's buffers and be executed after a newer one [M_ORDER].
 * 4. TIME is not inside a window of the operation (TIME never goes back: the
 *    shard keeps the greatest seen): it answers TIME, nothing else is done.
 * 5. The node's totals become its sums: "leased" changes by new less old.  An
 *    operation that ends the node's report (f) makes it heard.
 * 6. The N nodes of "nodes N" are heard, all of them [M_PARTIAL]: what is
 *    wanted is granted, less where less is left but not less than is needed,
 *    for all limits or for none; totals and "leased" grow by it.
 * 7. It answers op, epoch, seeded or not, ms to the window's end, the grants.
 *
 * Amounts are decimal strings; HINCRBY adds them in 64 bits, and what HGET says
 * is compared as text, by length and then by bytes.  Lua sees no number larger
 * than a length.  Give the amounts to try (want, then need) as arguments: Lua
 * need not divide.
 *
 *
 * A NODE
 *
 * a. One operation of a shard's owner is under way at a time, and its reply is
 *    taken only if it repeats op [M_SHIFT].  After a time-out the connection is
 *    closed and nothing is concluded: no credit, nothing given back.
 * b. Credit ends at min(lease, end of its window), counted from when the
 *    request was SENT, by a clock that does not step, less 1 % for drift.  No
 *    credit outlives its window [M_WINDOW], nor is a reply of one that is over
 *    taken.
 * c. Giving back: unspent becomes 0 first, then an operation says so.  If that
 *    times out it stays 0 [M_REFUND].
 * d. Durable, in the ledger's directory: what was spent, as intents are written
 *    before anything is sent [M_LEDGER]; the start number; and the greatest
 *    epoch seen of each shard, written before an operation carries it
 *    [M_EPOCH: a node that restarts into the old master's half of a split].
 * e. After a start workers of an older master may live and spend what it
 *    leased.  The new master's first operation carries its start number and no
 *    sums (it asks nothing, reports nothing, but outruns theirs by rule 3);
 *    then it waits until none of them lives (their pids are in the book) or
 *    lease + margin have passed; then it counts its ledger, and reports
 *    [M_ORPHAN].  Old workers lease no more: before each operation they look
 *    at the start number in the ledger's directory, for rule 3 stops them at
 *    one server only.
 * f. A reply with a greater epoch: it is kept (d), and the sums of all owners
 *    of the shard that are not zero are reported, with their unspent credit,
 *    which goes on being spent: the sum does not change by that, so that the
 *    report may come in many pieces, the last of which says that it was all.
 *    Only that one makes the node heard.
 * g. Who gets "not seeded" PUBLISHes the shard, again with each try; all nodes
 *    listen and report, also those whom no tenant of it asked.  Meanwhile
 *    budgets spend unspent credit and then answer 503.
 * h. Sizes: want at most B; B is min(spent in the last lease time * 2,
 *    left / (2 N)), and need when that is more.  Where B falls below need, each
 *    request asks for itself and takes one round trip, in the same words.
 *    The model has grants as large as possible, up to B.
 *
 *
 * NODES THAT ARE GONE
 *
 * A node that died keeps its total.  Its credit must not come back at its
 * lease's end, for nobody else knows how much of it was spent [M_DEAD]; it
 * comes back with the node's own report after its start (e).  So "at most one
 * lease time" is true of nodes that live; a dead one strands at most B of a
 * budget until it is back or its window ends.
 *
 * A store that lost its memory while a node is dead grants no budgets until
 * the node is back.  PostgreSQL may speak for a node only with what that node
 * wrote there as its report for this epoch, or as its last one at a clean quit
 * (sum, nothing unspent, start number; void when it starts again).  Rows that
 * were shipped are no report: they do not say what was spent after them.
 *
 *
 * NOT IN THE MODEL
 *
 * Buckets.  Credit of a bucket may burn: it refills.  The store keeps level,
 * out (what nodes may still spend of it, by node, with the lease's end by its
 * own clock) and refills to burst - out, else a burst comes on top of what is
 * leased.  At a lease's end + margin "out" falls without any report.  A store
 * that lost its memory begins with level 0 and out = burst until lease +
 * margin have passed; no node needs to report.  Under "on_store_loss local" it
 * refills at amount * (nodes heard in the last lease time) / N, since silent
 * nodes spend their shares; a node begins its share lease + margin after its
 * last operation was sent, and operations carry a latest TIME, so that a frozen
 * store that wakes does not hear a node that is on its own by then.
 *
 * Concurrency.  A node reports its open slots like a sum.  The slots of a node
 * that is silent for lease + margin are free again: true of one that died, not
 * of one that is cut off while its streams run.
 *
 * Clocks: window_ends() is one step for all, which rests on rules 4 and b.
 *
 * What the model leaves out because it changes nothing: an operation that is
 * under way, as the sum does not grow and the epoch stays while it is; so it is
 * sent, executed and answered in one step, or becomes "late".
 */


#ifndef N
#define N        2              /* nodes, 2 or 3 */
#endif
#ifndef L
#define L        3              /* the limit of a window */
#endif
#ifndef B
#define B        2              /* the largest lease */
#endif
#ifndef LIVES
#define LIVES    3              /* epochs that stores may begin, 1 to 4 */
#endif
#ifndef ROLLS
#define ROLLS    1              /* windows that end */
#endif
#ifndef CRASHES
#define CRASHES  1              /* nodes that die */
#endif

#define SERVERS  2
#define ALL      ((1 << N) - 1)
#define IDS      8              /* an epoch is count * IDS + id */

#define IDLE     0
#define SENT     1              /* may be executed */
#define DONE     2              /* was, and the reply is not read yet */


/* an operation; in the code one script call's arguments */

typedef op_t {
    byte  state;
    bit   server;
    byte  epoch;                /* as the node knew it when it sent */
    byte  sum;                  /* spent + unspent, when it sent */
    byte  want;
#if defined(M_SHIFT)
    byte  granted;
#endif
}

typedef node_t {
    byte  spent;                /* ledger: survives everything */
    byte  epoch;                /* likewise */
    byte  unspent;              /* leased: shared memory */
    byte  orphan;               /* the same in the hands of old workers */
    bit   down;
    op_t  late;                 /* timed out, may be executed yet */
}

typedef store_t {
    byte  epoch;                /* 0: the store is empty */
    byte  heard;                /* nodes that reported in this epoch: a mask */
    byte  total[N];             /* of each node: spent + leased */
#if defined(M_DEAD)
    byte  spent[N];
#endif
}

node_t   node[N];
store_t  store[SERVERS];

byte  admitted;                 /* counted at the provider, in this window */
byte  lives;                    /* ids of epochs that are taken: a mask */
byte  rolls;
byte  crashes;
bit   over;

/* scratch: 0 between steps */

op_t  x;
byte  i, k, r, s, id, granted, told;


/* ---- the script ---- */

#define count(e)    ((e) / IDS)
#define max(a, b)   ((a) > (b) -> (a) : (b))
#define min(a, b)   ((a) < (b) -> (a) : (b))

#if N == 2
#define leased(s)   (store[s].total[0] + store[s].total[1])
#else
#define leased(s)   (store[s].total[0] + store[s].total[1]                   \
                     + store[s].total[2])
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


inline forget(which)
{
    which.state = IDLE;
    which.server = 0;
    which.epoch = 0;
    which.sum = 0;
    which.want = 0;
#if defined(M_SHIFT)
    which.granted = 0
#endif
}


inline wipe(here)
{
    store[here].epoch = 0;
    store[here].heard = 0;
    i = 0;

    do
    :: i < N ->
        store[here].total[i] = 0;
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
        :: differs(here, x.epoch) -> skip
        :: else ->
            store[here].total[who] = x.sum;
            store[here].heard = store[here].heard | (1 << who);
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
            :: node[who].late.state == SENT && node[who].late.server == here ->
                forget(node[who].late)
            :: else
            fi
#endif
        fi
    fi
}


/* ---- a node ---- */

inline admit(who)
{
    admitted++;
    node[who].spent++;
    assert(admitted <= L)
}


inline ask(which, who, where)
{
    which.server = where;
    which.epoch = node[who].epoch;
    which.sum = node[who].spent + node[who].unspent;
    which.want = B - min(B, node[who].unspent)
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
        node[who].unspent = node[who].unspent + granted
    :: else
    fi;

    node[who].epoch = max(told, node[who].epoch)
}


inline crash(who)
{
    node[who].down = 1;
    node[who].orphan = node[who].unspent;
    node[who].unspent = 0;
#if defined(M_EPOCH)
    node[who].epoch = 0;
#endif
#if defined(M_LEDGER)
    node[who].spent = 0;
#endif
    crashes++
}


/* ---- time ---- */

/*
 * A window ends.  Credit of it has ended by then, by the clock that runs from
 * the sending of the request; the script ignores operations of a window that
 * is not its own.
 */

inline window_ends()
{
    rolls++;
    admitted = 0;
    k = 0;

    do
    :: k < N ->
        node[k].spent = 0;
        store[0].total[k] = 0;
        store[1].total[k] = 0;
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


/*
 * No fault any more, every node up, one server: from whatever state the world
 * was in, all that is left of the limit can be had in a few round trips.
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
            node[k].down = 0;
            node[k].orphan = 0;

            if
            :: k > 0 -> node[k].unspent = 0
            :: else
            fi;

            ask(x, k, here);
            script(here, k);
            accept(k);
            forget(x);

            do
            :: node[k].unspent > 0 -> node[k].unspent--; admit(k)
            :: else -> break
            od;

            k++
        :: else -> break
        od;

        r++
    :: else -> break
    od;

    assert(admitted == L)
}


/* no node has more than a lease stranded */

inline bounded()
{
#if !defined(MUTANT)
    i = 0;

    do
    :: i < N ->
        assert(store[0].total[i] <= node[i].spent + B);
        assert(store[1].total[i] <= node[i].spent + B);
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

#if defined(M_ORPHAN)
#define may_ask  (!over && !me.down)
#else
#define may_ask  (!over && !me.down && me.orphan == 0)
#endif

/*
 * An operation is executed and answered in one step: while one is under way
 * the node's sum does not grow and its epoch stays, so a slow one is one that
 * was sent later.  One that is given up is "late" from then on.
 */

inline operate(where)
{
    d_step { s = where; ask(x, _pid, s) };
    pick_id();

    if
    :: d_step { script(s, _pid);
#if defined(M_SHIFT)
           if
           :: me.late.state == DONE ->
               /* the reply that stands first, and this one after it */
               i = me.late.granted;
               me.late.granted = granted;
               granted = i;
               i = 0
           :: else
           fi;
#endif
           accept(_pid);
           tidy() }

    /* the reply is lost */
    :: d_step { script(s, _pid); tidy() }
    fi
}


/* the lease ends: unspent credit is dropped, then that is said; a time-out */

#if defined(M_REFUND)
inline give_back(where)
{
    d_step { s = where; r = me.unspent; me.unspent = 0; ask(x, _pid, s);
             x.want = 0 };
    pick_id();
    d_step { script(s, _pid); me.unspent = r; r = 0; tidy() }
}
#endif


/* the time-out of a request that was not executed; the one before is lost */

inline give_up(where)
{
    d_step {
        ask(me.late, _pid, where);
        me.late.state = SENT }
}


active [N] proctype gateway()
{
end:
    do
    /* a request passes on leased credit */
    :: d_step { !over && me.unspent > 0 -> me.unspent--; admit(_pid) }

    /* the lease ends; the store hears of it with the next operation */
    :: d_step { !over && me.unspent > 0 -> me.unspent = 0 }

    /* the same at workers that outlived their master */
    :: d_step { !over && me.orphan > 0 -> me.orphan--; admit(_pid) }
    :: d_step { !over && me.orphan > 0 -> me.orphan = 0 }

    :: atomic { may_ask && can_be(0, me.epoch) -> operate(0) }
    :: atomic { may_ask && can_be(1, me.epoch) -> operate(1) }

    :: atomic { may_ask && counts(0, me.epoch) -> give_up(0) }
    :: atomic { may_ask && counts(1, me.epoch) -> give_up(1) }

#if defined(M_REFUND)
    :: atomic { may_ask && can_be(0, me.epoch) -> give_back(0) }
#endif

    /* a request that nobody waits for is executed */
    :: atomic {
        (!over && me.late.state == SENT
        && can_be(me.late.server, me.late.epoch)) ->
        d_step { s = me.late.server; x.epoch = me.late.epoch;
                 x.sum = me.late.sum; x.want = me.late.want };
        pick_id();
        d_step { script(s, _pid); forget(me.late);
#if defined(M_SHIFT)
                 me.late.state = DONE;
                 me.late.granted = granted;
#endif
                 tidy() } }

    :: d_step { !over && crashes < CRASHES && !me.down -> crash(_pid) }
    :: d_step { !over && me.down -> me.down = 0 }

#if defined(M_DEAD)
    /* its lease has ended: the store takes its credit back */
    :: d_step {
        !over && me.down && me.orphan == 0 ->
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
