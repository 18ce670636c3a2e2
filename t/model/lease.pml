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

#if !defined(M_ORDER) && !defined(M_SHIFT)
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
