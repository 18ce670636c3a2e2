
/*
 * Lines for the error log from a thread: nginx's writers (syslog, memory) and
 * the reopening of log files belong to the main thread, which takes the lines
 * from here by a timer.
 */


#ifndef NGX_AI_REPORT_H
#define NGX_AI_REPORT_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <pthread.h>


#define NGX_AI_REPORT_LINES  16
#define NGX_AI_REPORT_LEN    240

typedef struct {
    ngx_uint_t        level;
    ngx_err_t         err;
    char              text[NGX_AI_REPORT_LEN];
} ngx_ai_report_line_t;

typedef struct {
    pthread_mutex_t       mutex;
    ngx_uint_t            n;
    ngx_uint_t            lost;
    ngx_ai_report_line_t  lines[NGX_AI_REPORT_LINES];
} ngx_ai_report_t;


void ngx_ai_report_init(ngx_ai_report_t *rp);

/* any thread; formats as printf() does */
void ngx_ai_report(ngx_ai_report_t *rp, ngx_uint_t level, ngx_err_t err,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* the main thread: writes what has come in */
void ngx_ai_report_flush(ngx_ai_report_t *rp, ngx_log_t *log);


#endif /* NGX_AI_REPORT_H */
