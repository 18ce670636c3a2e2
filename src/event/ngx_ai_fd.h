
/*
 * A library's descriptor in our loop.
 *
 * The library owns the descriptor, we only watch it: level-triggered, since
 * libraries read once for a wake-up and leave the rest in the socket.  Nothing
 * else in the module touches the ngx_connection_t of such a descriptor.
 */


#ifndef NGX_AI_FD_H
#define NGX_AI_FD_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


#define NGX_AI_FD_READ   0x01
#define NGX_AI_FD_WRITE  0x02
#define NGX_AI_FD_QUIT   0x04   /* the worker quits: close unless busy */
#define NGX_AI_FD_CLOSE  0x08   /* worker_shutdown_timeout: close now */


/*
 * READ or WRITE: must let the library read or write, drop the interest, or
 * detach, else the loop spins.  It may detach and attach again.
 */
typedef void (*ngx_ai_fd_pt)(void *data, ngx_uint_t events);

typedef struct {
    ngx_connection_t  *connection;  /* NULL: nothing is attached */
    ngx_ai_fd_pt       handler;
    void              *data;
} ngx_ai_fd_t;


/* watches for nothing yet.  NGX_ERROR: no free connections, logged */
ngx_int_t ngx_ai_fd_attach(ngx_ai_fd_t *f, ngx_socket_t s,
    ngx_ai_fd_pt handler, void *data, ngx_log_t *log);

/* READ and WRITE; absolute, idempotent */
ngx_int_t ngx_ai_fd_want(ngx_ai_fd_t *f, ngx_uint_t events);

/*
 * Must run before the library closes the descriptor, or at once after it did.
 * s is the library's descriptor of now: when it is another one, or -1, the
 * kernel has forgotten ours already, and asking it would be an alert.
 */
void ngx_ai_fd_detach(ngx_ai_fd_t *f, ngx_socket_t s);


#endif /* NGX_AI_FD_H */
