
/*
 * Which rule of a model holds for a request.
 */


#include "ngx_http_ai_choose.h"
#include "../core/ai_json.h"


static ngx_uint_t ngx_http_ai_rule_holds(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_admission_t *ad,
    ngx_http_ai_rule_t *rule);
static ngx_uint_t ngx_http_ai_rule_header(ngx_http_request_t *r,
    ngx_http_ai_rule_t *rule);
static ngx_uint_t ngx_http_ai_rule_label(ngx_str_t *labels,
    ngx_http_ai_rule_t *rule);
static ngx_uint_t ngx_http_ai_rule_text(const ai_json_token_t *tok,
    ngx_str_t *text);


ngx_http_ai_rule_t *
ngx_http_ai_rule_find(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad)
{
    ngx_uint_t           i;
    ngx_http_ai_rule_t  *rule;

    rule = ctx->model->rules->elts;

    for (i = 0; i < ctx->model->rules->nelts; i++) {
        if (ngx_http_ai_rule_holds(r, ctx, ad, &rule[i])) {
            return &rule[i];
        }
    }

    return NULL;
}


/* a switch is 1 for on, 2 for off */

#define ngx_http_ai_rule_off(wanted, is)                                     \
    ((wanted) && ((wanted) == 1) != ((is) != 0))


static ngx_uint_t
ngx_http_ai_rule_holds(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_admission_t *ad, ngx_http_ai_rule_t *rule)
{
    if (ctx->body.len < rule->body_min
        || (rule->body_max && ctx->body.len > rule->body_max)
        || ngx_http_ai_rule_off(rule->stream, ctx->streamed)
        || ngx_http_ai_rule_off(rule->tools, ad->rq->tools)
        || ngx_http_ai_rule_off(rule->images, ad->rq->pictures))
    {
        return 0;
    }

    if (rule->header.len && !ngx_http_ai_rule_header(r, rule)) {
        return 0;
    }

    return rule->label.len == 0
           || ngx_http_ai_rule_label(&ctx->key->tenant->labels, rule);
}


/* a header that is given more than once holds with any of its values */

static ngx_uint_t
ngx_http_ai_rule_header(ngx_http_request_t *r, ngx_http_ai_rule_t *rule)
{
    size_t            len;
    ngx_table_elt_t  *h;

    len = rule->header_value.len;

    if (rule->header_value.data[len - 1] == '*') {
        len--;
    }

    for (h = ngx_http_ai_header_find(r, &rule->header, NULL);
         h;
         h = ngx_http_ai_header_find(r, &rule->header, h))
    {
        if ((h->value.len == len
             || (h->value.len > len && len < rule->header_value.len))
            && ngx_memcmp(h->value.data, rule->header_value.data, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_table_elt_t *
ngx_http_ai_header_find(ngx_http_request_t *r, ngx_str_t *name,
    ngx_table_elt_t *after)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (after) {
                if (after == &h[i]) {
                    after = NULL;
                }

                continue;
            }

            if (h[i].key.len == name->len
                && ngx_memcmp(h[i].lowcase_key, name->data, name->len) == 0)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}


/* labels are a flat object of strings, as nginx.conf or SQL wrote it */

static ngx_uint_t
ngx_http_ai_rule_label(ngx_str_t *labels, ngx_http_ai_rule_t *rule)
{
    ai_json_t         js;
    ngx_uint_t        named;
    const ai_char    *pos, *end;
    ai_json_token_t   tok;

    ai_json_init(&js, 0);

    pos = labels->data;
    end = labels->data + labels->len;
    named = 0;

    while (ai_json_next(&js, &pos, end, &tok) == AI_OK) {

        if (tok.type == AI_JSON_KEY) {
            named = (js.depth == 1
                     && ngx_http_ai_rule_text(&tok, &rule->label));

        } else if (named) {
            return tok.type == AI_JSON_STRING
                   && ngx_http_ai_rule_text(&tok, &rule->label_value);
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_ai_rule_text(const ai_json_token_t *tok, ngx_str_t *text)
{
    u_char     decoded[1024];
    ptrdiff_t  len;

    len = ai_json_unescape(decoded, sizeof(decoded), tok->data, tok->len);

    return len == (ptrdiff_t) text->len
           && ngx_memcmp(decoded, text->data, len) == 0;
}
