
/*
 * Strings on machines with AVX2 and BMI.  Whoever calls this has asked the
 * processor; a compiler that does not know the pragma makes SSE2 of it.
 */


#if (__x86_64__ && __GNUC__ && !__clang__)
#pragma GCC target("avx2,bmi")
#endif


#include "ai_json_run.h"
#include "ai_json_block.h"


const ai_char *
ai_json_plain_avx2(const ai_char *p, const ai_char *end, unsigned lax,
    unsigned *escaped)
{
    return ai_json_blocks(p, end, lax, escaped, 0);
}
