
/*
 * A history of calls on the book against the naive model, each call also cut
 * short at one of its writes and recovered.
 */


#include "ai_core.h"

#define CHECK(condition)                                                     \
    do { if (!(condition)) { __builtin_trap(); } } while (0)

#include "../unit/book_history.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    model_t        m;
    model_input_t  in;

    in.p = data;
    in.end = data + (size < 4096 ? size : 4096);

    model_init(&m, &in);

    while (in.p < in.end) {
        model_step(&m, &in);
    }

    model_free(&m);

    return 0;
}
