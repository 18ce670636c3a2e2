
/*
 * What becomes of requests at a provider that flaps, drawn from a seed.  Its
 * mood holds for a fifth of a second.
 */


#include <stdint.h>


#define MOOD_NS      200000000ULL


typedef enum {
    FATE_OK = 0,
    FATE_STATUS,
    FATE_FIN,                   /* closed without an answer */
    FATE_RST,
    FATE_HALF,                  /* in the middle of the head */
    FATE_NOISE,                 /* no head at all */
    FATE_HANG,
    FATE_LEAVE,                 /* closed behind the answer */
    FATE_CUT,                   /* in the middle of the answer */
    FATE_ERROR                  /* an error event in the stream */
} fate_t;


typedef struct {
    fate_t       fate;
    int          status;
    unsigned     weight;
    const char  *name;
} fate_kind_t;


/* what a request gets while the provider is ill */

static const fate_kind_t  fates[] = {
    { FATE_STATUS, 500, 10, "status" },
    { FATE_STATUS, 503, 20, "status" },
    { FATE_STATUS, 529, 10, "status" },
    { FATE_STATUS, 429, 10, "status" },
    { FATE_STATUS, 408, 4, "status" },
    { FATE_STATUS, 409, 4, "status" },
    { FATE_STATUS, 400, 4, "status" },
    { FATE_FIN, 0, 8, "fin" },
    { FATE_RST, 0, 8, "rst" },
    { FATE_HALF, 0, 4, "half" },
    { FATE_NOISE, 0, 4, "noise" },
    { FATE_HANG, 0, 2, "hang" },
    { FATE_LEAVE, 200, 6, "leave" },
    { FATE_CUT, 200, 6, "cut" },
    { FATE_ERROR, 200, 4, "error" },
    { FATE_OK, 0, 0, NULL }
};

typedef struct {
    int          flapping;
    uint64_t     seed;
    uint64_t     drawn;         /* so far */
} fates_t;


static const fate_kind_t  fate_ok = { FATE_OK, 200, 0, "ok" };

/* percent of the requests that fail, in each of its moods */

static const unsigned  moods[] = { 0, 0, 0, 5, 30, 100 };


/* splitmix64 */

static uint64_t
random_of(uint64_t n)
{
    n += 0x9e3779b97f4a7c15ULL;
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ULL;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebULL;

    return n ^ (n >> 31);
}


static void
fates_init(fates_t *f, uint64_t seed)
{
    f->flapping = 1;
    f->seed = random_of(seed);
    f->drawn = 0;
}


/* percent of the requests that fail now */

static unsigned
mood(fates_t *f, uint64_t now)
{
    uint64_t  n;

    n = random_of(f->seed ^ random_of(now / MOOD_NS));

    return moods[n % (sizeof(moods) / sizeof(moods[0]))];
}


static const fate_kind_t *
fate_draw(fates_t *f, uint64_t now)
{
    unsigned            n, all;
    const fate_kind_t  *kind;

    if (!f->flapping || random_of(f->seed + f->drawn++) % 100 >= mood(f, now)) {
        return &fate_ok;
    }

    all = 0;

    for (kind = fates; kind->name; kind++) {
        all += kind->weight;
    }

    n = random_of(f->seed + f->drawn++) % all;

    for (kind = fates; n >= kind->weight; kind++) {
        n -= kind->weight;
    }

    return kind;
}


/* a twentieth of the connections that come while all fails */

static int
fate_refuses(fates_t *f, uint64_t now)
{
    return f->flapping && mood(f, now) == 100
           && random_of(f->seed + f->drawn++) % 20 == 0;
}
