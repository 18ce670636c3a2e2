
/*
 * Costs against long multiplication on decimal digits, over several adds.
 */


#include <stdlib.h>

#include "../unit/naive_cost.h"
#include "ai_price.h"


static const uint8_t  *pos, *end;


static uint64_t
take(void)
{
    size_t    n;
    uint64_t  v;

    v = 0;
    n = pos < end ? *pos++ % 9 : 0;

    for ( /* void */ ; n && pos < end; n--) {
        v = v << 8 | *pos++;
    }

    return v;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              k, over;
    ai_cost_t        sum = { 0, 0 }, before;
    ai_price_t       p = { 0 };
    naive_cost_t     naive = { { 0 } }, next;
    ai_price_line_t  line = { .tier = 0 };
    uint64_t         classes[AI_CLASS_N], units[AI_UNIT_N];

    pos = data;
    end = data + size;

    while (pos < end) {
        next = naive;

        for (k = 0; k < AI_CLASS_N; k++) {
            line.price[k] = (int64_t) (take() & INT64_MAX);
            classes[k] = take();
            naive_cost_add(&next, classes[k], (uint64_t) line.price[k]);
        }

        for (k = 0; k < AI_UNIT_N; k++) {
            p.units[k] = (int64_t) take();
            units[k] = take();

            if (p.units[k] > 0) {
                naive_cost_add(&next, units[k], (uint64_t) p.units[k]);
            }
        }

        before = sum;
        over = naive_cost_over(&next);

        if ((ai_cost_add(&sum, &p, &line, classes, units) == AI_ERROR)
            != over)
        {
            abort();
        }

        if (over && memcmp(&sum, &before, sizeof(sum))) {
            abort();
        }

        naive = over ? naive : next;

        if (ai_cost_round(&sum) != naive_cost_round(naive)) {
            abort();
        }
    }

    return 0;
}
