
/*
 * What may be admitted, counted where nothing is lost: by the provider.
 */


#include "sim.h"


static const uint64_t  oracle_period[AI_PERIOD_BUCKETS] = {
    1000, 60000, 3600000
};

#define oracle_is_bucket(l)                                                  \
    ((l)->resource != AI_RES_CONCURRENCY && (l)->period < AI_PERIOD_BUCKETS)


void
oracle_begin(void)
{
    unsigned  i, n;
    limit_t  *lim;

    for (i = 0; i < OWNERS; i++) {
        for (n = 0; n < owners[i].nlimits; n++) {
            lim = &owners[i].oracle[n];
            memset(lim, 0, sizeof(limit_t));
            lim->limit = owners[i].limits[n];
        }
    }
}


int
row_has(const row_t *row, unsigned owner, unsigned limit)
{
    if (row->one) {
        return row->owner == owner && row->nlimit == limit;
    }

    return owner / 2 == row->tenant;
}


static window_t *
oracle_window(limit_t *lim, const row_t *row, unsigned party)
{
    unsigned  i;
    uint32_t  id;

    id = lim->limit.period == AI_PERIOD_DAY ? row->day[party]
         : lim->limit.period == AI_PERIOD_MONTH ? row->month[party] : 0;

    for (i = 0; i < lim->nwindows; i++) {
        if (lim->window[i].id == id) {
            return &lim->window[i];
        }
    }

    if (i == WINDOWS) {
        fprintf(stderr, "too many windows\n");
        exit(2);
    }

    lim->window[i].id = id;
    lim->window[i].admitted = 0;
    lim->nwindows++;

    return &lim->window[i];
}


int64_t
oracle_admitted(unsigned owner, unsigned limit, uint32_t window)
{
    unsigned  i;
    limit_t  *lim;

    lim = &owners[owner].oracle[limit];

    for (i = 0; i < lim->nwindows; i++) {
        if (lim->window[i].id == window) {
            return lim->window[i].admitted;
        }
    }

    return 0;
}


static void
oracle_refill(limit_t *lim)
{
    lim->taken -= (__int128) (sim_ms - lim->at) * lim->limit.amount;
    lim->at = sim_ms;

    if (lim->taken < 0) {
        lim->taken = 0;
    }
}


/* slots of a node that a server has not heard for long are free again */

static int
oracle_silent(const node_t *nd)
{
    unsigned       i;
    const node_t  *other;

    for (i = 0; i < sim_nodes; i++) {
        other = &nodes[i];

        if (sim_ms - other->heard_at[nd->server] >= HOLD - TOLERANCE
            || sim_ms - other->back_at[nd->server] < HOLD + LEASE)
        {
            return 1;
        }
    }

    return 0;
}


static void
oracle_name(unsigned owner, const ai_limit_t *l, char *to, size_t size)
{
    snprintf(to, size, "%s %u: %lld %s/%s", owner % 2 ? "key" : "tenant",
             owner / 2, (long long) l->amount,
             ai_resource_names[l->resource], ai_period_names[l->period]);
}


/*
 * Whole ticks.  What was needed is spent when the answer comes; a clock that is
 * set, by less than the tolerance or with all others, refills for as long; and
 * a node that starts knows by the second when its requests were admitted, but
 * not when a cost was charged that had been held until then.
 */

static __int128
oracle_slack(const ai_limit_t *l)
{
    unsigned  i;
    uint64_t  ms;

    ms = TIMEOUT + 10 + sim_clock_ms;

    for (i = 0; i < sim_nodes; i++) {
        if (nodes[i].start > 1) {
            ms += 1000 + (l->resource == AI_RES_COST ? RUNS : 0);
            break;
        }
    }

    return (__int128) l->amount * ms + oracle_period[l->period];
}


/* what a node that goes on its own forgets of what its share lacked */

void
oracle_lost(const ai_owner_id_t *id, unsigned resource, unsigned period,
    int64_t granted)
{
    unsigned  i, n;
    limit_t  *lim;

    for (i = 0; i < OWNERS; i++) {
        for (n = 0; n < owners[i].nlimits; n++) {
            lim = &owners[i].oracle[n];

            if (memcmp(&owners[i].id, id, sizeof(ai_owner_id_t)) == 0
                && lim->limit.resource == resource
                && lim->limit.period == period)
            {
                lim->lost += (__int128) granted
                             * (int64_t) oracle_period[period];
            }
        }
    }
}


static void
oracle_limit(unsigned owner, unsigned n, const row_t *row, const node_t *nd)
{
    char         name[128];
    limit_t     *lim;
    __int128     over;
    uint64_t     ms;
    window_t    *w;
    ai_limit_t  *l;

    lim = &owners[owner].oracle[n];
    l = &lim->limit;
    oracle_name(owner, l, name, sizeof(name));

    if (l->resource == AI_RES_CONCURRENCY) {
        lim->open++;

        if (oracle_silent(nd)) {
            lim->over = 1;

        } else if (lim->open <= l->amount) {
            lim->over = 0;
        }

        if (lim->open > l->amount && !lim->over) {
            sim_fail("%s: %lld open", name, (long long) lim->open);
        }

        return;
    }

    if (oracle_is_bucket(l)) {
        ms = oracle_period[l->period];
        oracle_refill(lim);
        lim->taken += (__int128) row->guess[l->resource] * (int64_t) ms;
        over = lim->taken - (__int128) l->burst * (int64_t) ms
               - oracle_slack(l) - lim->lost;

        if (over > 0 && (over + ms - 1) / ms > lim->most) {
            lim->most = (int64_t) ((over + ms - 1) / ms);
            sim_fail("%s: %lld over the burst of %lld", name,
                     (long long) lim->most, (long long) l->burst);
        }

        return;
    }

    w = oracle_window(lim, row, owner % 2 && !row->one);
    w->admitted += row->bound[l->resource];

    if (w->admitted > l->amount) {
        sim_fail("%s: %lld admitted in %u", name, (long long) w->admitted,
                 w->id);
    }
}


void
oracle_take(const row_t *row, const node_t *nd)
{
    unsigned  i, n;

    for (i = 0; i < OWNERS; i++) {
        for (n = 0; n < owners[i].nlimits; n++) {
            if (row_has(row, i, n)) {
                oracle_limit(i, n, row, nd);
            }
        }
    }
}


/*
 * What was held and not used.  The store hears of a bucket's surplus later,
 * and has refilled it meanwhile where the true one was full: it may be had
 * twice.  Schedules without any surplus are judged without that.
 */

void
oracle_end(const row_t *row)
{
    unsigned           i, n, r;
    limit_t           *lim;
    __int128           more;
    const ai_limit_t  *l;

    for (i = 0; i < OWNERS; i++) {
        for (n = 0; n < owners[i].nlimits; n++) {
            if (!row_has(row, i, n)) {
                continue;
            }

            lim = &owners[i].oracle[n];
            l = &lim->limit;
            r = l->resource;

            if (r == AI_RES_CONCURRENCY) {
                lim->open--;

            } else if (oracle_is_bucket(l)) {
                oracle_refill(lim);
                more = (__int128) (row->guess[r] - row->used[r])
                       * (int64_t) oracle_period[l->period];
                lim->taken = lim->taken > more ? lim->taken - more : 0;
                lim->lost += more;

            } else {
                oracle_window(lim, row, i % 2 && !row->one)->admitted -=
                    row->bound[r] - row->used[r];
            }
        }
    }
}
