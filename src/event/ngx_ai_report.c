
/*
 * Lines for the error log from a thread.
 */


#include "ngx_ai_report.h"
#include <stdarg.h>
#include <stdio.h>


void
ngx_ai_report_init(ngx_ai_report_t *rp)
{
    ngx_memzero(rp, sizeof(ngx_ai_report_t));
    (void) pthread_mutex_init(&rp->mutex, NULL);
}


void
ngx_ai_report(ngx_ai_report_t *rp, ngx_uint_t level, ngx_err_t err,
    const char *fmt, ...)
{
    va_list                args;
    ngx_ai_report_line_t  *line;

    (void) pthread_mutex_lock(&rp->mutex);

    if (rp->n == NGX_AI_REPORT_LINES) {
        rp->lost++;
        (void) pthread_mutex_unlock(&rp->mutex);
        return;
    }

    line = &rp->lines[rp->n++];
    line->level = level;
    line->err = err;

    va_start(args, fmt);
    (void) vsnprintf(line->text, sizeof(line->text), fmt, args);
    va_end(args);

    (void) pthread_mutex_unlock(&rp->mutex);
}


void
ngx_ai_report_flush(ngx_ai_report_t *rp, ngx_log_t *log)
{
    ngx_uint_t             i, n, lost;
    ngx_ai_report_line_t   lines[NGX_AI_REPORT_LINES];

    (void) pthread_mutex_lock(&rp->mutex);

    n = rp->n;
    lost = rp->lost;
    ngx_memcpy(lines, rp->lines, n * sizeof(ngx_ai_report_line_t));
    rp->n = 0;
    rp->lost = 0;

    (void) pthread_mutex_unlock(&rp->mutex);

    for (i = 0; i < n; i++) {
        ngx_log_error(lines[i].level, log, lines[i].err, "ai ledger: %s",
                      lines[i].text);
    }

    if (lost) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "ai ledger: %ui more messages were dropped", lost);
    }
}
