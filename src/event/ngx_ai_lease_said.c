
/*
 * Lines for the operator: one when the state of all shards together changes.
 */


#include "ngx_ai_lease_int.h"


#define NGX_AI_LEASE_SAID  60000        /* ms between lines on broken keys */


void
ngx_ai_lease_tell_broken(ngx_ai_lease_t *ls, ngx_ai_op_t *op)
{
    ngx_msec_t  now;

    now = ngx_current_msec;

    if (ls->said_broken && now - ls->said_broken < NGX_AI_LEASE_SAID) {
        return;
    }

    ls->said_broken = now ? now : 1;

    ngx_log_error(NGX_LOG_ERR, ls->log, 0,
                  "ai leases: redis \"%V\" has a key that is not as it was "
                  "written, its limit has no credit: %V",
                  &ls->conf->server, &op->text);
}


/* the worst of them */

static ngx_ai_lease_said_t
ngx_ai_lease_state(ngx_ai_lease_t *ls, ngx_uint_t *worst)
{
    uint32_t               i;
    ai_lease_shard_t       sh;
    ngx_ai_lease_said_t    state, one;
    ngx_ai_lease_place_t  *p;

    *worst = 0;
    state = NGX_AI_LEASE_WELL;

    for (i = 0; i < ls->nshards; i++) {
        p = &ls->shards[i];
        ai_lease_shard_get(ls->book, i, &sh);

        if (!sh.usable) {

            if (p->end != NGX_AI_LEASE_HEARD) {
                one = p->end == NGX_AI_LEASE_REFUSED
                      || p->end == NGX_AI_LEASE_ODD ? NGX_AI_LEASE_ERROR
                                                    : NGX_AI_LEASE_AWAY;

            } else if (p->status == AI_LEASE_STATUS_CLOCK) {
                one = NGX_AI_LEASE_CLOCK;

            } else if (p->status == AI_LEASE_STATUS_FENCE) {
                one = NGX_AI_LEASE_FENCED;

            } else {
                one = NGX_AI_LEASE_AWAY;
            }

        } else if (!sh.heard) {
            one = NGX_AI_LEASE_RESEEDING;

        } else {
            one = sh.seeded ? NGX_AI_LEASE_WELL : NGX_AI_LEASE_UNSEEDED;
        }

        if (one > state) {
            state = one;
            *worst = i;
        }
    }

    return state;
}


static void
ngx_ai_lease_tell_state(ngx_ai_lease_t *ls, ngx_ai_lease_said_t state,
    ngx_uint_t worst)
{
    ngx_str_t             *server;
    ai_lease_shard_t       sh;
    ngx_ai_lease_place_t  *p;

    server = &ls->conf->server;
    p = &ls->shards[worst];
    ai_lease_shard_get(ls->book, (uint32_t) worst, &sh);

    switch (state) {

    case NGX_AI_LEASE_AWAY:
        ngx_log_error(NGX_LOG_ERR, ls->log, 0,
                      "ai leases: redis \"%V\" does not answer, budgets spend "
                      "what is leased", server);
        break;

    case NGX_AI_LEASE_ERROR:
        ngx_log_error(NGX_LOG_ERR, ls->log, 0,
                      "ai leases: redis \"%V\" answers with %s, nothing is "
                      "leased", server,
                      p->end == NGX_AI_LEASE_ODD ? "what is no answer"
                                                 : "an error");
        break;

    case NGX_AI_LEASE_CLOCK:
        ngx_log_error(NGX_LOG_ERR, ls->log, 0,
                      "ai leases: the clock of redis \"%V\" is %L ms away "
                      "from this node's, nothing is leased", server,
                      p->ahead_ms);
        break;

    case NGX_AI_LEASE_FENCED:
        ngx_log_error(NGX_LOG_ERR, ls->log, 0,
                      "ai leases: redis \"%V\" knows a later start of this "
                      "node: its directory is a copy, or was restored; remove "
                      "node.id and " NGX_AI_LEASE_FILE " to begin as a new "
                      "node", server);
        break;

    case NGX_AI_LEASE_RESEEDING:
        ngx_log_error(NGX_LOG_NOTICE, ls->log, 0,
                      "ai leases: redis \"%V\" is told what this node has "
                      "spent", server);
        break;

    case NGX_AI_LEASE_UNSEEDED:
        ngx_log_error(NGX_LOG_WARN, ls->log, 0,
                      "ai leases: redis \"%V\" has heard %uD of %ui nodes, "
                      "nothing is leased until it has heard all", server,
                      sh.nodes, ls->conf->nodes);
        break;

    default:
        ngx_log_error(NGX_LOG_NOTICE, ls->log, 0,
                      "ai leases: redis \"%V\" leases to %uD of %ui nodes",
                      server, sh.nodes, ls->conf->nodes);
    }
}


static void
ngx_ai_lease_tell_local(ngx_ai_lease_t *ls)
{
    uint32_t          i;
    ngx_uint_t        n;
    ai_lease_shard_t  sh;

    for (i = 0, n = 0; i < ls->nshards; i++) {
        ai_lease_shard_get(ls->book, i, &sh);
        n += sh.local != 0;
    }

    if ((n != 0) == ls->said_local) {
        return;
    }

    ls->said_local = n != 0;

    if (n) {
        ngx_log_error(NGX_LOG_WARN, ls->log, 0,
                      "ai leases: this node is on its own, one share of %ui",
                      ls->conf->nodes);

    } else {
        ngx_log_error(NGX_LOG_NOTICE, ls->log, 0,
                      "ai leases: this node shares its limits again");
    }
}


static void
ngx_ai_lease_tell_evicts(ngx_ai_lease_t *ls)
{
    ngx_uint_t  i, n, seen;

    for (i = 0, n = 0, seen = 0; i < ls->nshards; i++) {

        if (!ls->shards[i].gone) {
            seen = 1;
            n += ngx_ai_redis_evicts(ls->redis, ls->shards[i].slot) != 0;
        }
    }

    if (ngx_exiting || !seen || (n != 0) == ls->said_evicts) {
        return;
    }

    ls->said_evicts = n != 0;

    if (n) {
        ngx_log_error(NGX_LOG_ALERT, ls->log, 0,
                      "ai leases: redis \"%V\" drops keys for want of memory "
                      "(maxmemory-policy is not noeviction), budgets are not "
                      "leased", &ls->conf->server);

    } else {
        ngx_log_error(NGX_LOG_NOTICE, ls->log, 0,
                      "ai leases: redis \"%V\" drops no keys any more, budgets "
                      "are leased", &ls->conf->server);
    }
}


void
ngx_ai_lease_tell(ngx_ai_lease_t *ls)
{
    ngx_uint_t           worst, young;
    ngx_ai_lease_said_t  state;

    ngx_ai_lease_tell_local(ls);
    ngx_ai_lease_tell_evicts(ls);

    state = ngx_ai_lease_state(ls, &worst);
    young = ngx_current_msec - ls->born < 2 * ls->conf->connect_timeout;

    /* a new keeper finds things as they are */

    if (state == ls->said
        || (ls->said == NGX_AI_LEASE_NONE && young
            && state != NGX_AI_LEASE_WELL))
    {
        return;
    }

    ngx_ai_lease_tell_state(ls, state, worst);
    ls->said = state;
}
