
#ifndef TEST_NGINX_H
#define TEST_NGINX_H


#include <ngx_config.h>
#include <ngx_core.h>
#include "../../src/event/ngx_ai_ledger.h"


extern ngx_uint_t  test_logged[9];      /* lines by level */
extern ngx_uint_t  test_quiet;

ngx_cycle_t *test_nginx(void);
void test_tick(void);                   /* brings ngx_time() up to date */
void test_timers_fire(void *data);      /* what is set for this object */
ngx_ai_zone_t *test_zone(size_t size, uint64_t id);


#endif /* TEST_NGINX_H */
