
/*
 * The hash slot of a key, see "Key distribution model" of the Redis Cluster
 * specification.
 */


#include "ngx_ai_redis_int.h"


static ngx_uint_t ngx_ai_redis_crc16(const u_char *p, const u_char *last);


ngx_uint_t
ngx_ai_redis_slot(const ngx_str_t *key)
{
    u_char  *p, *last, *open, *close;

    p = key->data;
    last = p + key->len;

    /* keys of one tag are kept together; "{}" is none */

    open = ngx_strlchr(p, last, '{');

    if (open) {
        close = ngx_strlchr(open, last, '}');

        if (close && close > open + 1) {
            p = open + 1;
            last = close;
        }
    }

    return ngx_ai_redis_crc16(p, last) % NGX_AI_REDIS_SLOTS;
}


/* x^16 + x^12 + x^5 + 1, most significant bit first, from zero */

static ngx_uint_t
ngx_ai_redis_crc16(const u_char *p, const u_char *last)
{
    ngx_uint_t  crc, i;

    crc = 0;

    for ( /* void */ ; p < last; p++) {
        crc ^= (ngx_uint_t) *p << 8;

        for (i = 0; i < 8; i++) {
            crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
        }

        crc &= 0xffff;
    }

    return crc;
}
