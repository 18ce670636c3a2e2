
/*
 * Documents and records of the directory: entries made from the input and
 * their documents against what comes back; the input as a document; and the
 * input as a record.
 */


#include "ai_core.h"

#define CHECK(condition)                                                     \
    do { if (!(condition)) { __builtin_trap(); } } while (0)

#include "../unit/entry_model.h"


static void
hostile_document(ai_char kind, const uint8_t *data, size_t size)
{
    ai_str_t        name = ai_string("acme");
    model_packed_t  m;

    m.kind = kind;
    m.name = name;

    if (model_pack(&m, (const char *) data, size) == AI_OK) {
        model_sound(m.record, m.len);
        CHECK(m.record[0] == kind);
        free(m.record);
    }
}


/* one that was sound, some of its bytes changed */

static void
hostile_record(const uint8_t *data, size_t size)
{
    size_t    i, len;
    ai_char  *record;

    static const ai_char  heads[] = "ktpm";

    if (size < 2) {
        return;
    }

    len = size - 1;
    record = malloc(len);
    memcpy(record, data + 1, len);

    if (len >= 8 && data[0] & 4) {
        memset(record, 0, 8);
        record[0] = heads[data[0] & 3];
        record[2] = AI_ENTRY_VERSION;
        i = len;
        memcpy(record + 4, &i, 4);
    }

    model_sound(record, len);
    free(record);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    model_input_t  in;

    if (size == 0) {
        return 0;
    }

    in.p = data + 1;
    in.end = data + size;

    switch (data[0] % 9) {
    case 0:
        model_key(&in);
        break;
    case 1:
        model_tenant(&in);
        break;
    case 2:
        model_plan(&in);
        break;
    case 3:
        model_price(&in);
        break;
    case 4:
        hostile_record(data + 1, size - 1);
        break;
    default:
        hostile_document((ai_char) "ktpm"[data[0] % 9 - 5], data + 1,
                         size - 1);
    }

    return 0;
}
