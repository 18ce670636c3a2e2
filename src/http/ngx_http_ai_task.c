
/*
 * The model that a virtual one stands for: by X-AI-Task.
 */


#include "ngx_http_ai_choose.h"


static ngx_http_ai_task_t *ngx_http_ai_task_find(ngx_http_ai_model_t *m,
    ngx_str_t *name);
static ngx_int_t ngx_http_ai_task_refuse(ngx_http_ai_admission_t *ad,
    ngx_http_ai_model_t *m);


ngx_int_t
ngx_http_ai_choose_model(ngx_http_request_t *r, ngx_http_ai_admission_t *ad,
    ngx_http_ai_model_t **model)
{
    ngx_str_t            name;
    ngx_table_elt_t     *h;
    ngx_http_ai_task_t  *task;

    static ngx_str_t  header = ngx_string("x-ai-task");

    if ((*model)->tasks == NULL) {
        return NGX_OK;
    }

    h = ngx_http_ai_header_find(r, &header, NULL);

    task = h ? ngx_http_ai_task_find(*model, &h->value) : NULL;

    if (task == NULL) {
        ngx_str_set(&name, "");

        task = ngx_http_ai_task_find(*model, &name);

        if (task == NULL) {
            return ngx_http_ai_task_refuse(ad, *model);
        }
    }

    *model = task->model;

    return NGX_OK;
}


static ngx_http_ai_task_t *
ngx_http_ai_task_find(ngx_http_ai_model_t *m, ngx_str_t *name)
{
    ngx_uint_t           i;
    ngx_http_ai_task_t  *task;

    task = m->tasks->elts;

    for (i = 0; i < m->tasks->nelts; i++) {
        if (ngx_http_ai_str_equal(&task[i].name, name)) {
            return &task[i];
        }
    }

    return NULL;
}


/* the tasks that there are; those that do not fit are left out */

static ngx_int_t
ngx_http_ai_task_refuse(ngx_http_ai_admission_t *ad, ngx_http_ai_model_t *m)
{
    ai_buf_t             b;
    ngx_uint_t           i;
    ngx_http_ai_task_t  *task;

    ai_buf_init(&b, ad->text, sizeof(ad->text));
    ai_buf_cstr(&b, "This model needs the header X-AI-Task, one of: ");

    task = m->tasks->elts;

    for (i = 0; i < m->tasks->nelts; i++) {

        if (b.end - b.pos < (ssize_t) (task[i].name.len + 6)) {
            ai_buf_cstr(&b, " ...");
            break;
        }

        if (i) {
            ai_buf_cstr(&b, ", ");
        }

        ai_buf_put(&b, task[i].name.data, task[i].name.len);
    }

    ad->e.code = AI_ERR_REQUEST;
    ad->e.message.data = ad->text;
    ad->e.message.len = b.pos - ad->text;

    return NGX_DECLINED;
}
