/*
 * Buckets that many nodes share, while some of them cannot reach the store: a
 * model for spin of what lease.pml leaves out.  "[M_x]" names the mutant that
 * admits too much without that rule.
 *
 *
 * WHAT IS PROMISED
 *
 * In every interval all nodes together admit no more than burst + rate * its
 * length.  "may" counts that: a bucket which each tick refills by rate, up to
 * burst, and which no request may find empty.
 *
 * What may be spent at once is the store's level, and the credit that is leased
 * and valid, and the shares of nodes that are on their own.  Every rule keeps
 * that sum from growing by more than rate, and from passing burst.
 *
 *
 * THE STORE
 *
 * 1. It has "taken" (the level is burst - taken), and for each node its total,
 *    "out" (what it may yet spend) and "until" when: HOLD after the operation.
 *    "Heard" are the nodes whose report of this epoch is complete.
 * 2. A node is quiet when for HOLD it neither said "h" nor made an operation of
 *    this bucket.  Taken is never less than the floor: all outs that have not
 *    ended [M_OUT], and a share (burst / N) of each quiet node that was heard
 *    in this epoch [M_CAP].
 * 3. Refill: (N - quiet) / N of the rate, for all the time since the bucket was
 *    looked at [M_FULL].  It is judged by who is quiet now: a node that comes
 *    back looks at the bucket before it says "h".  Outs that have ended since
 *    are in the floor for the time until the last of them ended [M_LAZY].
 * 4. An operation, after the refill:
 *      not heard in this epoch, and quiet or new here: taken += mine + unspent,
 *        up to burst
 *      quiet: taken += unspent.  What it took by its share never was the
 *        store's; its share comes back by refill, as the floor falls [M_BACK]
 *      its "until" has passed: credit that ended was refilled, and is not given
 *        back once more [M_TWICE]: taken += change, no less than 0, + unspent
 *      else: taken += change, that is sum less total; no less than 0, where the
 *        node has not got the answer to its operation before [M_LOST]
 *    Then out = unspent, and what is granted; not what is granted for requests
 *    that wait: they spend it at once, and it is refilled from then on, so that
 *    it cannot be given back.
 *
 * Not in the model: surplus of settled requests, which lowers sum by more than
 * out, and goes back at any time; and N = 1, where taken = mine + unspent,
 * always.
 *
 *
 * A NODE
 *
 * a. Its share is kept beside the credit: "mine" is what it took here and one
 *    Nth of the rate has not refilled.
 * b. It is on its own HOLD + TOL after it last sent what may make it not quiet
 *    [M_EARLY].  TOL is how late an operation can be executed: twice the
 *    clock's tolerance [M_LATE].  Its share is empty then.
 * c. It comes back in this order: it stops to use its share [M_BOTH]; reports
 *    the bucket; says "h" [M_SILENT].  On its own it makes no operation
 *    [M_PROBE], and says "r" (I have reported) of no report that was made
 *    before [M_REPORT].
 * d. It has no more unspent than a share: the lease is renewed by each
 *    operation, and the store cannot take it back when another goes quiet
 *    [M_LARGE].
 *
 * One who forgets takes the sum of "mine" for the truth: by Nths of the rate
 * no less is left to refill than by the whole of it.
 */


#ifndef N
#define N         2             /* nodes */
#endif
#ifndef SHARE
#define SHARE     1             /* burst / N */
#endif
#ifndef B
#define B         1             /* the largest lease, no more than a share */
#endif
#ifndef LEASE
#define LEASE     1             /* ticks for which credit may be spent */
#endif
#ifndef HOLD
#define HOLD      1             /* for which the store believes in it */
#endif
#ifndef TOL
#define TOL       1             /* until an operation is executed, at most */
#endif
#ifndef NEED
#define NEED      1             /* operations for a request that waits, too */
#endif
#ifndef LOST
#define LOST      0             /* begins as the store has lost its memory */
#endif
#ifndef SLOW
#define SLOW      1             /* operations may be executed late */
#endif

#define BURST     (N * SHARE)
#define RATE      N             /* by tick: 1 for each node */
#define ALL       ((1 << N) - 1)
#define SPAN      (BURST + B)   /* ticks after which no more comes */

#if defined(M_EARLY)
#define WAIT      0
#elif defined(M_LATE)
#define WAIT      HOLD
#else
#define WAIT      (HOLD + TOL)
#endif

#define ASKS      0             /* spends what it leased */
#define ALONE     1             /* its share */
#define BACK      2             /* as ASKS, and does not say "h" yet */


/* an operation; it lasts "ttl" ticks on its way */

typedef op_t {
    bit    sent;
    byte   ttl;
    byte   unspent;
    byte   mine;
    byte   want;
    bit    need;                /* it is for a request that waits */
    bit    lost;                /* the answer before this was not taken */
    short  sum;                 /* less the node's sum, as that is now; when
                                   executed, less the store's total */
}

typedef node_t {
    byte   mode;
    byte   unspent;
    byte   left;                /* ticks of its lease */
    byte   wait;                /* until it may be on its own */
    byte   mine;
    short  sum;                 /* less the store's total */
    bit    silent;              /* did not report in this epoch */
    bit    away;                /* nor since it was on its own */
    bit    lost;                /* its last operation was not answered */
    bit    beat;                /* an "h" is on its way */
    byte   beat_ttl;
    op_t   late;
}

node_t  node[N];

/* the store; "idle" is the time since the bucket was looked at */

short  taken;
byte   idle;
byte   known = ALL;             /* nodes with a total: a mask */
byte   heard = ALL;             /* in this epoch: a mask */
byte   at[N];                   /* ticks that its last "h" holds */
byte   until[N];
byte   out[N];
byte   gone;                    /* ticks since the last of them ended */

short  may = BURST;
bit    ready = !LOST;

/* scratch: 0 between steps */

op_t   x;
byte   i, q;
short  low, past, granted;

#define min(a, b)   ((a) < (b) -> (a) : (b))
#define max(a, b)   ((a) > (b) -> (a) : (b))

#define in(mask, n) ((mask >> n) & 1)


/* ---- the script ---- */

#define quiet(n)    (at[n] == 0 && until[n] == 0)

#if defined(M_OUT)
#define outs(n)     0
#else
#define outs(n)     out[n]
#endif

#if defined(M_CAP)
#define shares(n)   0
#else
#define shares(n)   (SHARE * in(heard, n))
#endif

#if defined(M_FULL)
#define refill(t)   ((t) * RATE)
#else
#define refill(t)   ((t) * (N - q))
#endif

#if defined(M_BACK)
#define back        (x.mine - SHARE)
#else
#define back        0
#endif

#if defined(M_LOST)
#define given(n)    x.sum
#else
#define given(n)    (x.lost -> max(x.sum, 0) : x.sum)
#endif

#if defined(M_TWICE)
#define ended(n)    0
#else
#define ended(n)    (until[n] == 0)
#endif


inline forget(which)
{
    which.sent = 0;
    which.ttl = 0;
    which.unspent = 0;
    which.mine = 0;
    which.want = 0;
    which.need = 0;
    which.lost = 0;
    which.sum = 0
}


/* "low", how many are quiet, and what has ended since the last look */

inline floor()
{
    q = 0;
    low = 0;
    past = 0;
    i = 0;

    do
    :: i < N ->
        if
        :: quiet(i) -> q++; low = low + shares(i)
        :: else
        fi;

        if
        :: until[i] > 0 -> low = low + outs(i)
        :: else -> past = past + outs(i)
        fi;

        i++
    :: else -> break
    od;

    i = 0
}


inline look()
{
    floor();

#if !defined(M_LAZY)
    if
    :: past > 0 ->
        taken = max(taken - refill(idle - gone), min(taken, low + past));
        idle = gone
    :: else
    fi;
#endif

    taken = max(taken - refill(idle), low);
    idle = 0;
    gone = 0;
    i = 0;

    do
    :: i < N -> out[i] = (until[i] > 0 -> out[i] : 0); i++
    :: else -> break
    od;

    i = 0;
    past = 0
}


inline script(who)
{
    granted = 0;
    look();

    if
    :: (!in(heard, who) && (quiet(who) || !in(known, who))) ->
        taken = min(taken + x.mine + x.unspent, BURST)
    :: (in(heard, who) && quiet(who)) ->
        taken = taken + x.unspent + back
    :: else ->
        if
        :: ended(who) -> taken = taken + max(x.sum, 0) + x.unspent
        :: else -> taken = taken + given(who)
        fi
    fi;

    known = known | (1 << who);
    until[who] = HOLD;
    out[who] = x.unspent;
    floor();
    taken = max(taken, low);

    if
    :: heard == ALL && taken < BURST && x.want > 0 ->
        granted = min(x.want, BURST - taken);
        taken = taken + granted;
        out[who] = out[who] + granted * !x.need
    :: else
    fi;

    forget(x);
    q = 0;
    low = 0
}


/* ---- a node ---- */

#define me  node[_pid]

#if defined(M_BOTH)
#define local(n)    (node[n].mode != ASKS)
#else
#define local(n)    (node[n].mode == ALONE)
#endif

#if defined(M_PROBE)
#define asks(n)     1
#else
#define asks(n)     (node[n].mode != ALONE)
#endif

#if defined(M_SILENT)
#define through(n)  1
#else
#define through(n)  (node[n].mode != ALONE && !node[n].away)
#endif

#if defined(M_REPORT)
#define reported(n) (!node[n].silent)
#else
#define reported(n) (node[n].mode != ALONE && !node[n].silent)
#endif

/* whom "mine" may matter to: the node itself, or a store that is new to it */

#define tracked(n)                                                           \
    (local(n) || !in(heard, n))


inline admit(who)
{
    may--;
    assert(may >= 0);
    node[who].mine = node[who].mine + tracked(who)
}


inline ask(which, who, needs)
{
    which.need = needs;
    which.lost = node[who].lost;
    which.unspent = node[who].unspent;
    which.mine = node[who].mine;
    which.want = B - min(B, node[who].unspent);
    node[who].lost = 1;
    node[who].wait = WAIT
}


/* executed at once; what was sent before it is refused from now on */

inline operate(who, fails, needs)
{
    ask(x, who, needs);
    x.sum = node[who].sum;
    script(who);
    forget(node[who].late);

    if
    :: fails -> node[who].sum = -granted
    :: else ->
        node[who].sum = 0;
        node[who].lost = 0;
        node[who].unspent = node[who].unspent + granted * !needs;
        granted = granted * needs;

        do
        :: granted > 0 -> granted--; admit(who)
        :: else -> break
        od;

        node[who].left = (node[who].unspent > 0 -> LEASE : 0);
        node[who].silent = 0;
        node[who].away = 0;
        node[who].mine = node[who].mine * tracked(who)
    fi;

    granted = 0
}


/* nobody waits for its answer */

inline execute(who)
{
    x.unspent = node[who].late.unspent;
    x.mine = node[who].late.mine;
    x.want = node[who].late.want;
    x.need = node[who].late.need;
    x.lost = node[who].late.lost;
    x.sum = node[who].sum + node[who].late.sum;
    script(who);

    node[who].sum = -node[who].late.sum - granted;
    granted = 0;
    forget(node[who].late)
}


/* the book's side of it: the share begins empty */

inline leave(who)
{
    node[who].mode = ALONE;
    node[who].away = 1;
#if !defined(M_REPORT)
    node[who].silent = node[who].silent | !in(heard, who);
#endif
    node[who].mine = max(node[who].mine, SHARE);
    drop(who)
}


inline drop(who)
{
    node[who].sum = node[who].sum - node[who].unspent;

    if
    :: node[who].late.sent ->
        node[who].late.sum = node[who].late.sum + node[who].unspent
    :: else
    fi;

    node[who].unspent = 0;
    node[who].left = 0
}


/* ---- time, and what it ends ---- */

#define less(word)  word = word - min(word, 1)

inline tick()
{
    i = 0;
    gone = gone + (gone < idle);

    do
    :: i < N ->
        less(at[i]);
        gone = (until[i] == 1 && out[i] > 0 -> 0 : gone);
        less(until[i]);

        less(node[i].mine);
        less(node[i].wait);
        less(node[i].left);

        if
        :: node[i].left == 0 -> drop(i)
        :: else
        fi;

        if
        :: node[i].late.ttl == 0 -> forget(node[i].late)
        :: else -> node[i].late.ttl--
        fi;

        node[i].beat = node[i].beat && node[i].beat_ttl > 0;
        less(node[i].beat_ttl);

        i++
    :: else -> break
    od;

    i = 0;
    idle = min(idle + 1, SPAN);
    may = min(may + RATE, BURST)
}


/*
 * A new epoch: whatever was taken and leased just before.  What was sent in the
 * one before is refused.
 */

inline lose()
{
    known = 0;
    heard = 0;
    i = 0;

    do
    :: i < N ->
        node[i].silent = 1;
        node[i].away = 1;

        if
        :: node[i].mode = BACK; node[i].wait = WAIT
        :: node[i].mode = ALONE; node[i].mine = SHARE
        fi;

        do
        :: may > low -> may--; node[i].mine++
        :: (may > low && node[i].mode == BACK && node[i].unspent < B) ->
            low++;
            node[i].unspent++;
            node[i].left = LEASE
        :: break
        od;

        i++
    :: else -> break
    od;

    i = 0;
    low = 0;
    ready = 1
}


/* ---- what may happen, in any order ---- */

active [N] proctype gateway()
{
end:
    ready;

    do
    /* a request passes on credit, or on the share */
    :: d_step {
        me.unspent > 0 ->
        me.unspent--;
        me.left = (me.unspent > 0 -> me.left : 0);
        admit(_pid) }

    :: d_step {
        local(_pid) && me.mine < SHARE ->
        me.sum = me.sum + (!quiet(_pid) && me.sum < BURST);
        admit(_pid) }

    :: d_step { asks(_pid) -> operate(_pid, 0, 0) }
    :: d_step { asks(_pid) -> operate(_pid, 1, 0) }
#if NEED
    :: d_step { asks(_pid) -> operate(_pid, 0, 1) }
    :: d_step { asks(_pid) -> operate(_pid, 1, 1) }
#endif

#if SLOW
    :: d_step {
        asks(_pid) && !me.late.sent ->
        ask(me.late, _pid, 0);
        me.late.sent = 1;
        me.late.ttl = TOL }
#if NEED
    :: d_step {
        asks(_pid) && !me.late.sent ->
        ask(me.late, _pid, 1);
        me.late.sent = 1;
        me.late.ttl = TOL }
#endif
    :: d_step { me.late.sent -> execute(_pid) }

    :: d_step {
        through(_pid) && !me.beat ->
        me.mode = ASKS;
        me.wait = WAIT;
        me.beat = 1;
        me.beat_ttl = TOL }
    :: d_step {
        me.beat -> at[_pid] = HOLD; me.beat = 0; me.beat_ttl = 0 }
#endif

    /* "h" and "r" */
    :: d_step {
        through(_pid) -> me.mode = ASKS; me.wait = WAIT; at[_pid] = HOLD }
    :: d_step {
        reported(_pid) && !in(heard, _pid) -> heard = heard | (1 << _pid) }

    :: d_step { me.mode != ALONE && me.wait == 0 -> leave(_pid) }
    :: d_step {
        me.mode == ALONE ->
        me.mode = BACK;
        me.mine = me.mine * tracked(_pid) }
    od
}


active proctype world()
{
#if LOST
    atomic { lose() }
#endif

    do
    :: d_step { ready -> tick() }
    od
}
