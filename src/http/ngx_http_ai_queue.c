
/*
 * Lines of requests that wait for a slot of a party's concurrency: one line a
 * party in each worker, in order of arrival.
 *
 * Only the first one of a line is ever tried, and by the run of admission that
 * any request has; the book lets nobody else pass.  It is tried when a request
 * of its party has ended in this worker, when the one before it has left, and
 * every few milliseconds, for slots that come free in other workers; lines are
 * visited in turn.
 */


#include "ngx_http_ai_wait.h"


#define NGX_HTTP_AI_QUEUE_EVERY  4      /* ms, and up to as many more */
#define NGX_HTTP_AI_QUEUE_LOOK   64     /* lines in one visit */
#define NGX_HTTP_AI_QUEUE_SHARE  4      /* one slot of so many is anybody's */


struct ngx_http_ai_line_s {
    ngx_rbtree_node_t          node;        /* key: the id's first bytes, which
                                               are a digest's */
    ngx_queue_t                queue;       /* of lines */
    ngx_queue_t                waits;       /* of ngx_http_ai_wait_t */
    ai_owner_id_t              id;
    ai_limit_t                 limit;
};


static ngx_http_ai_line_t *ngx_http_ai_line_find(const ai_owner_id_t *id);
static ngx_http_ai_line_t *ngx_http_ai_line_get(ngx_http_ai_wait_t *w);
static ngx_http_ai_wait_t *ngx_http_ai_line_first(ngx_http_ai_line_t *line);
static void ngx_http_ai_queue_init(void);
static ngx_rbtree_key_t ngx_http_ai_queue_key(const ai_owner_id_t *id);
static void ngx_http_ai_queue_call(ngx_http_ai_line_t *line);
static void ngx_http_ai_queue_handler(ngx_event_t *ev);
static void ngx_http_ai_queue_timer_handler(ngx_event_t *ev);
static void ngx_http_ai_queue_look(void);


static ngx_rbtree_t              ngx_http_ai_line_tree;
static ngx_rbtree_node_t         ngx_http_ai_line_sentinel;
static ngx_queue_t               ngx_http_ai_lines;
static ngx_queue_t               ngx_http_ai_ready;
static ngx_event_t               ngx_http_ai_queue_event;
static ngx_event_t               ngx_http_ai_queue_timer;
static ngx_connection_t          ngx_http_ai_queue_dummy;
static ngx_http_ai_main_conf_t  *ngx_http_ai_queue_mcf;


int
ngx_http_ai_queue_join(ngx_http_ai_wait_t *w, ngx_uint_t max)
{
    int                  rc;
    ai_now_t             now;
    ngx_ai_zone_t       *zone;
    ngx_http_ai_line_t  *line;

    line = ngx_http_ai_line_get(w);
    if (line == NULL) {
        return AI_ERROR;
    }

    ngx_queue_insert_tail(&line->waits, &w->queue);
    w->line = line;

    zone = w->ad.mcf->zone;

    ngx_ai_now(&now);

    ngx_ai_zone_lock(zone);
    rc = ai_book_queue(zone->book, &w->ask, w->why.party, (uint32_t) max,
                       &now, &w->place);
    ngx_ai_zone_unlock(zone);

    if (rc != AI_OK) {
        w->place = 0;
        ngx_http_ai_queue_leave(w);
    }

    return rc;
}


void
ngx_http_ai_queue_leave(ngx_http_ai_wait_t *w)
{
    ngx_uint_t           first;
    ngx_ai_zone_t       *zone;
    ngx_http_ai_line_t  *line;

    line = w->line;

    if (line == NULL) {
        return;
    }

    if (w->place) {
        zone = w->ad.mcf->zone;

        ngx_ai_zone_lock(zone);
        ai_book_unqueue(zone->book, w->place);
        ngx_ai_zone_unlock(zone);

        w->place = 0;
    }

    if (w->called) {
        w->called = 0;
        ngx_queue_remove(&w->ready);
    }

    first = (ngx_http_ai_line_first(line) == w);

    ngx_queue_remove(&w->queue);
    w->line = NULL;

    if (ngx_queue_empty(&line->waits)) {
        ngx_rbtree_delete(&ngx_http_ai_line_tree, &line->node);
        ngx_queue_remove(&line->queue);
        ngx_free(line);

    } else if (first) {
        ngx_http_ai_queue_call(line);
    }
}


ngx_uint_t
ngx_http_ai_queue_right(ngx_http_ai_wait_t *w)
{
    return ngx_memcmp(&w->line->id, &w->ask.party[w->why.party].id,
                      sizeof(ai_owner_id_t))
           == 0;
}


ngx_uint_t
ngx_http_ai_queue_first(ngx_http_ai_wait_t *w)
{
    return w->line && ngx_http_ai_line_first(w->line) == w;
}


void
ngx_http_ai_queue_wake(const ai_owner_id_t *id)
{
    ngx_core_conf_t     *ccf;
    ngx_http_ai_line_t  *line;

    if (ngx_http_ai_lines.next == NULL
        || ngx_queue_empty(&ngx_http_ai_lines))
    {
        return;
    }

    line = ngx_http_ai_line_find(id);

    if (line == NULL) {
        return;
    }

    /* a slot must not stay for ever in one worker: some are left to whoever
       looks first */

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    if (ccf->worker_processes > 1
        && ngx_random() % NGX_HTTP_AI_QUEUE_SHARE == 0)
    {
        return;
    }

    ngx_http_ai_queue_call(line);
}


static ngx_rbtree_key_t
ngx_http_ai_queue_key(const ai_owner_id_t *id)
{
    ngx_rbtree_key_t  key;

    ngx_memcpy(&key, id->id, sizeof(key));

    return key;
}


static ngx_http_ai_line_t *
ngx_http_ai_line_find(const ai_owner_id_t *id)
{
    ngx_rbtree_key_t    key;
    ngx_rbtree_node_t  *node;

    key = ngx_http_ai_queue_key(id);
    node = ngx_http_ai_line_tree.root;

    while (node != &ngx_http_ai_line_sentinel) {

        if (key == node->key) {
            return (ngx_http_ai_line_t *) node;
        }

        node = (key < node->key) ? node->left : node->right;
    }

    return NULL;
}


static ngx_http_ai_line_t *
ngx_http_ai_line_get(ngx_http_ai_wait_t *w)
{
    const ai_owner_id_t  *id;
    ngx_http_ai_line_t   *line;

    if (ngx_http_ai_lines.next == NULL) {
        ngx_http_ai_queue_init();
    }

    id = &w->ask.party[w->why.party].id;

    line = ngx_http_ai_line_find(id);

    if (line == NULL) {
        line = ngx_alloc(sizeof(ngx_http_ai_line_t), ngx_cycle->log);
        if (line == NULL) {
            return NULL;
        }

        line->node.key = ngx_http_ai_queue_key(id);
        line->id = *id;

        ngx_rbtree_insert(&ngx_http_ai_line_tree, &line->node);
        ngx_queue_init(&line->waits);
        ngx_queue_insert_tail(&ngx_http_ai_lines, &line->queue);
    }

    line->limit = w->why.limit;

    ngx_http_ai_queue_mcf = w->ad.mcf;

    if (!ngx_http_ai_queue_timer.timer_set) {
        ngx_add_timer(&ngx_http_ai_queue_timer, NGX_HTTP_AI_QUEUE_EVERY);
    }

    return line;
}


static ngx_http_ai_wait_t *
ngx_http_ai_line_first(ngx_http_ai_line_t *line)
{
    return ngx_queue_data(ngx_queue_head(&line->waits), ngx_http_ai_wait_t,
                          queue);
}


static void
ngx_http_ai_queue_init(void)
{
    ngx_rbtree_init(&ngx_http_ai_line_tree, &ngx_http_ai_line_sentinel,
                    ngx_rbtree_insert_value);

    ngx_queue_init(&ngx_http_ai_lines);
    ngx_queue_init(&ngx_http_ai_ready);

    ngx_http_ai_queue_dummy.fd = (ngx_socket_t) -1;

    ngx_http_ai_queue_event.handler = ngx_http_ai_queue_handler;
    ngx_http_ai_queue_event.data = &ngx_http_ai_queue_dummy;
    ngx_http_ai_queue_event.log = ngx_cycle->log;

    ngx_http_ai_queue_timer.handler = ngx_http_ai_queue_timer_handler;
    ngx_http_ai_queue_timer.data = &ngx_http_ai_queue_dummy;
    ngx_http_ai_queue_timer.log = ngx_cycle->log;
}


/* the first one, unless it runs, or waits for the store */

static void
ngx_http_ai_queue_call(ngx_http_ai_line_t *line)
{
    ngx_http_ai_wait_t  *w;

    w = ngx_http_ai_line_first(line);

    if (!w->waiting || w->called || w->lease.active) {
        return;
    }

    w->called = 1;

    ngx_queue_insert_tail(&ngx_http_ai_ready, &w->ready);

    if (!ngx_http_ai_queue_event.posted) {
        ngx_post_event(&ngx_http_ai_queue_event, &ngx_posted_events);
    }
}


/* each of them may end others of the list, and lengthen it */

static void
ngx_http_ai_queue_handler(ngx_event_t *ev)
{
    ngx_uint_t           n;
    ngx_queue_t         *q;
    ngx_http_ai_wait_t  *w;

    for (n = 0; n < NGX_HTTP_AI_QUEUE_LOOK; n++) {

        if (ngx_queue_empty(&ngx_http_ai_ready)) {
            return;
        }

        q = ngx_queue_head(&ngx_http_ai_ready);
        w = ngx_queue_data(q, ngx_http_ai_wait_t, ready);

        ngx_http_ai_wait_resume(w);
    }

    if (!ev->posted) {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


static void
ngx_http_ai_queue_timer_handler(ngx_event_t *ev)
{
    if (ngx_queue_empty(&ngx_http_ai_lines)) {
        return;
    }

    ngx_http_ai_queue_look();

    /* not in step with the other workers, which look for the same slots */

    ngx_add_timer(ev, NGX_HTTP_AI_QUEUE_EVERY
                      + ngx_random() % NGX_HTTP_AI_QUEUE_EVERY);
}


static void
ngx_http_ai_queue_look(void)
{
    ai_now_t             now;
    ai_ref_t             owner;
    ngx_uint_t           n;
    ngx_queue_t         *q, *last;
    ngx_ai_zone_t       *zone;
    ai_limit_view_t      view;
    ngx_http_ai_line_t  *line;

    zone = ngx_http_ai_queue_mcf->zone;
    last = ngx_queue_last(&ngx_http_ai_lines);

    ngx_ai_now(&now);

    ngx_ai_zone_lock(zone);

    for (n = 0; n < NGX_HTTP_AI_QUEUE_LOOK; n++) {
        q = ngx_queue_head(&ngx_http_ai_lines);
        line = ngx_queue_data(q, ngx_http_ai_line_t, queue);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&ngx_http_ai_lines, q);

        owner = ai_book_owner_find(zone->book, &line->id);
        ngx_http_ai_limit_view(zone->book, owner, &line->limit, &now, &view);

        /* what other nodes have free only the store can tell */

        if (view.used < line->limit.amount) {
            ngx_http_ai_queue_call(line);
        }

        if (q == last) {
            break;
        }
    }

    ngx_ai_zone_unlock(zone);
}
