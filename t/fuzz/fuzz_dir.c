
/*
 * A history of calls on the directory against a naive map, each change also
 * cut short at one of its writes and recovered.
 */


#include "ai_core.h"

#define CHECK(condition)                                                     \
    do { if (!(condition)) { __builtin_trap(); } } while (0)

#include "../unit/dir_model.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    model_t        m;
    model_input_t  in;

    in.p = data;
    in.end = data + (size < 1024 ? size : 1024);

    model_init(&m, &in);

    while (in.p < in.end) {
        model_step(&m, &in);
    }

    model_free(&m);

    return 0;
}
