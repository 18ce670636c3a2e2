
/*
 * Notifications of PostgreSQL: taken off the connection at once, delivered
 * from a posted event.
 */


#include "ngx_ai_pg_int.h"


void
ngx_ai_pg_notes_take(ngx_ai_pg_t *pg)
{
    PGnotify  *note;

    for ( ;; ) {
        note = PQnotifies(pg->conn);

        if (note == NULL) {
            return;
        }

        if (pg->notify == NULL) {
            PQfreemem(note);
            continue;
        }

        if (pg->nnotes == NGX_AI_PG_NOTES) {
            PQfreemem(note);
            pg->missed = 1;
            continue;
        }

        pg->notes[pg->nnotes++] = note;

        ngx_post_event(&pg->posted, &ngx_posted_events);
    }
}


void
ngx_ai_pg_notes_missed(ngx_ai_pg_t *pg)
{
    if (pg->notify) {
        pg->missed = 1;

        ngx_post_event(&pg->posted, &ngx_posted_events);
    }
}


void
ngx_ai_pg_notes_drop(ngx_ai_pg_t *pg)
{
    while (pg->nnotes) {
        PQfreemem(pg->notes[--pg->nnotes]);
    }

    pg->missed = 0;

    if (pg->posted.posted) {
        ngx_delete_posted_event(&pg->posted);
    }
}


void
ngx_ai_pg_notes_handler(ngx_event_t *ev)
{
    ngx_ai_pg_t *pg = ev->data;

    PGnotify    *notes[NGX_AI_PG_NOTES];
    ngx_uint_t   i, n;

    /* the handler may close the client */

    n = pg->nnotes;
    ngx_memcpy(notes, pg->notes, n * sizeof(PGnotify *));
    pg->nnotes = 0;

    if (pg->missed) {
        pg->missed = 0;
        pg->notify(pg->data, NULL, NULL);
    }

    for (i = 0; i < n; i++) {

        if (pg->store.state != NGX_AI_STORE_CLOSED) {
            pg->notify(pg->data, notes[i]->relname, notes[i]->extra);
        }

        PQfreemem(notes[i]);
    }
}
