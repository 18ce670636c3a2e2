
/*
 * The tenants of "ai_status": a page of those with figures, and a cursor to go
 * on ("?after="); "?tenant=" picks one.
 */


#include "ngx_http_ai.h"


#define NGX_HTTP_AI_TENANTS_LISTED   1000
#define NGX_HTTP_AI_TENANTS_VISITED  20000

/* tenants that are looked up in one go, so that the lock is held shortly */
#define NGX_HTTP_AI_TENANTS_LOCKED   32

#define NGX_HTTP_AI_TENANT_SIZE      2048


typedef struct {
    ngx_http_ai_tenant_t   *tenant;
    ai_owner_view_t         view;
} ngx_http_ai_seen_t;


static ngx_uint_t ngx_http_ai_status_first(ngx_http_request_t *r,
    ngx_http_ai_main_conf_t *mcf, ngx_uint_t *end);
static ngx_uint_t ngx_http_ai_status_look(ngx_http_ai_main_conf_t *mcf,
    ngx_uint_t from, ngx_uint_t end, ngx_http_ai_seen_t *seen);
static void ngx_http_ai_status_tenant(ngx_http_ai_json_t *js,
    ngx_http_ai_seen_t *seen);


void
ngx_http_ai_status_tenants(ngx_http_request_t *r, ngx_http_ai_json_t *js,
    ngx_http_ai_main_conf_t *mcf)
{
    ai_buf_t               *b;
    ngx_str_t              *next;
    ngx_uint_t              i, n, at, end, stop, step, listed;
    ngx_http_ai_seen_t      seen[NGX_HTTP_AI_TENANTS_LOCKED];
    ngx_http_ai_tenant_t  **tenant;

    ai_buf_cstr(ngx_http_ai_json_room(js, 32), ",\"tenants\":[");

    at = ngx_http_ai_status_first(r, mcf, &end);
    stop = ngx_min(end, at + NGX_HTTP_AI_TENANTS_VISITED);
    listed = 0;

    while (at < stop && listed < NGX_HTTP_AI_TENANTS_LISTED) {
        step = ngx_min(stop - at, NGX_HTTP_AI_TENANTS_LOCKED);
        step = ngx_min(step, NGX_HTTP_AI_TENANTS_LISTED - listed);

        n = ngx_http_ai_status_look(mcf, at, at + step, seen);
        at += step;

        for (i = 0; i < n; i++) {

            if (listed++) {
                ai_buf_char(ngx_http_ai_json_room(js, 1), ',');
            }

            ngx_http_ai_status_tenant(js, &seen[i]);
        }
    }

    next = NULL;

    if (at < end) {
        tenant = mcf->tenants.elts;
        next = &tenant[at - 1]->sn.str;
    }

    b = ngx_http_ai_json_room(js, 128 + (next ? 6 * next->len : 0));

    ai_buf_cstr(b, "],");
    ngx_http_ai_status_field(b, "tenants_listed", listed);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "tenants_listed_max",
                             NGX_HTTP_AI_TENANTS_LISTED);
    ai_buf_cstr(b, ",\"tenants_after\":");

    if (next) {
        ai_buf_json(b, next->data, next->len);

    } else {
        ai_buf_cstr(b, "null");
    }
}


/* the range that the arguments choose; an unknown name chooses none */

static ngx_uint_t
ngx_http_ai_status_first(ngx_http_request_t *r, ngx_http_ai_main_conf_t *mcf,
    ngx_uint_t *end)
{
    ngx_str_t               name;
    ngx_uint_t              i, one;
    ngx_http_ai_tenant_t  **tenant;

    *end = mcf->tenants.nelts;
    one = 0;

    if (ngx_http_ai_arg(r, "tenant", &name) == NGX_OK) {
        one = 1;

    } else if (ngx_http_ai_arg(r, "after", &name) != NGX_OK) {
        return 0;
    }

    tenant = mcf->tenants.elts;

    for (i = 0; i < mcf->tenants.nelts; i++) {

        if (tenant[i]->sn.str.len == name.len
            && ngx_memcmp(tenant[i]->sn.str.data, name.data, name.len) == 0)
        {
            if (one) {
                *end = i + 1;
                return i;
            }

            return i + 1;
        }
    }

    return *end;
}


/* the tenants of a range that the book knows */

static ngx_uint_t
ngx_http_ai_status_look(ngx_http_ai_main_conf_t *mcf, ngx_uint_t from,
    ngx_uint_t end, ngx_http_ai_seen_t *seen)
{
    ai_now_t                now;
    ai_ref_t                owner;
    ngx_uint_t              n;
    ngx_http_ai_tenant_t  **tenant;

    tenant = mcf->tenants.elts;
    n = 0;

    ngx_ai_now(&now);

    ngx_ai_zone_lock(mcf->zone);

    for ( /* void */ ; from < end; from++) {
        owner = ai_book_owner_find(mcf->zone->book, &tenant[from]->owner);

        if (owner) {
            seen[n].tenant = tenant[from];
            ai_book_owner_view(mcf->zone->book, owner, now.now_s,
                               &seen[n].view);
            n++;
        }
    }

    ngx_ai_zone_unlock(mcf->zone);

    return n;
}


static void
ngx_http_ai_status_tenant(ngx_http_ai_json_t *js, ngx_http_ai_seen_t *seen)
{
    ai_buf_t         *b;
    ngx_str_t        *name, *plan;
    ai_owner_view_t  *view;

    name = &seen->tenant->sn.str;
    plan = &seen->tenant->plan_name;
    view = &seen->view;

    b = ngx_http_ai_json_room(js, NGX_HTTP_AI_TENANT_SIZE
                                  + 6 * (name->len + plan->len));

    ai_buf_cstr(b, "{\"name\":");
    ai_buf_json(b, name->data, name->len);
    ai_buf_cstr(b, ",\"plan\":");
    ai_buf_json(b, plan->data, plan->len);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "requests", view->requests);
    ai_buf_cstr(b, ",\"open\":");
    ai_buf_int(b, view->open);
    ai_buf_cstr(b, ",\"refused\":");
    ngx_http_ai_status_refusals(b, view->refused);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "input_tokens", view->tokens[0]);
    ai_buf_char(b, ',');
    ngx_http_ai_status_field(b, "output_tokens", view->tokens[1]);
    ai_buf_cstr(b, ",\"cost_usd\":\"");
    ai_buf_nanos(b, view->cost);
    ai_buf_cstr(b, "\",\"today\":");
    ngx_http_ai_json_used(b, view->used_day);
    ai_buf_cstr(b, ",\"month\":");
    ngx_http_ai_json_used(b, view->used_month);
    ai_buf_cstr(b, ",\"held\":");
    ngx_http_ai_json_used(b, view->held);
    ai_buf_char(b, '}');
}
