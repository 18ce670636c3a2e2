
/*
 * The choice of a target, for any targets and hashes: whoever is left out
 * leaves the others in their order, whoever is heavier comes no later, and a
 * canary that is raised loses nobody.
 */


#include <stdlib.h>
#include "ai_choose.h"


typedef struct {
    const uint8_t  *p;
    const uint8_t  *end;
} fuzz_t;


static uint64_t
fuzz_number(fuzz_t *f, unsigned bytes)
{
    uint64_t  n;

    for (n = 0; bytes && f->p < f->end; bytes--) {
        n = n << 8 | *f->p++;
    }

    return n;
}


static unsigned
fuzz_place(const uint8_t *order, unsigned n, unsigned target)
{
    unsigned  i;

    for (i = 0; i < n && order[i] != target; i++) { /* void */ }

    return i;
}


/* each once or not at all; one canary, and only in front */

static void
fuzz_all(const ai_choice_t *c, unsigned n, const uint8_t *order, unsigned k)
{
    unsigned  i, count[AI_CHOOSE_MAX];

    memset(count, 0, sizeof(count));

    for (i = 0; i < k; i++) {
        if (order[i] >= n || count[order[i]]++ || (i && c[order[i]].canary)) {
            abort();
        }
    }

    for (i = 0; i < n; i++) {
        if (!c[i].canary && count[i] != (c[i].weight != 0)) {
            abort();
        }
    }
}


/* one target changes: the others keep their order among themselves */

static void
fuzz_changed(ai_choice_t *c, unsigned n, uint64_t hash, const uint8_t *order,
    unsigned k, unsigned i, uint32_t weight)
{
    unsigned  j, m, was, now;
    uint32_t  old;
    uint8_t   other[AI_CHOOSE_MAX];

    old = c[i].weight;
    c[i].weight = weight;

    m = ai_choose_order(c, n, hash, other);
    fuzz_all(c, n, other, m);

    was = fuzz_place(order, k, i);
    now = fuzz_place(other, m, i);

    if (c[i].canary ? (weight >= old && was == 0 && k && now != 0)
                    : (was < k && now < m
                       && (weight >= old ? now > was : now < was)))
    {
        abort();
    }

    for (j = 0, now = 0; !c[i].canary && j < k; j++) {

        if (order[j] == i) {
            continue;
        }

        while (now < m && other[now] == i) {
            now++;
        }

        if (now == m || other[now++] != order[j]) {
            abort();
        }
    }

    c[i].weight = old;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t       f = { data, data + size };
    uint64_t     hash;
    unsigned     i, n, k;
    uint8_t      order[AI_CHOOSE_MAX];
    ai_choice_t  c[AI_CHOOSE_MAX];

    hash = fuzz_number(&f, 8);
    n = (unsigned) fuzz_number(&f, 1) % (AI_CHOOSE_MAX + 1);

    for (i = 0; i < n; i++) {
        c[i].canary = fuzz_number(&f, 1) & 1;
        c[i].weight = (uint32_t) fuzz_number(&f, c[i].canary ? 1 : 3);
        c[i].salt = ai_choose_hash(i, &hash, fuzz_number(&f, 1) % 9);
    }

    k = ai_choose_order(c, n, hash, order);
    fuzz_all(c, n, order, k);

    if (n) {
        i = (unsigned) fuzz_number(&f, 1) % n;
        fuzz_changed(c, n, hash, order, k, i, (uint32_t) fuzz_number(&f, 3));
    }

    return 0;
}
