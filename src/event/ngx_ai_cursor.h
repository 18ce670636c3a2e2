
/*
 * ship.cursor: up to where one file of rows is committed.
 *
 * The file is named by the id of its first row, which it keeps when it is
 * renamed, and the place by the id of the row before it: a cursor that a power
 * cut left ahead of its file, or behind another one, is not believed, and the
 * file is sent again from its begin.
 */


#ifndef NGX_AI_CURSOR_H
#define NGX_AI_CURSOR_H


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_AI_CURSOR_FILE  "ship.cursor"
#define NGX_AI_CURSOR_ID    36          /* '-' where the line is no row */

typedef struct {
    u_char            first[NGX_AI_CURSOR_ID];
    u_char            last[NGX_AI_CURSOR_ID];
    off_t             offset;
} ngx_ai_cursor_t;


/* the id of the row that begins here */
void ngx_ai_cursor_id(u_char id[NGX_AI_CURSOR_ID], const u_char *line,
    size_t len);

/* opens or makes the file; -1: ngx_errno is set */
int ngx_ai_cursor_open(int dirfd);

/* zeros when it is not whole */
void ngx_ai_cursor_read(int fd, ngx_ai_cursor_t *at);

ngx_int_t ngx_ai_cursor_write(int fd, const ngx_ai_cursor_t *at);

/* whether it is of this file of "size" bytes, whose rows bear it out */
ngx_int_t ngx_ai_cursor_fits(const ngx_ai_cursor_t *at, int fd, off_t size);


#endif /* NGX_AI_CURSOR_H */
