
/*
 * Patterns of names: '*' matches any run of characters, an empty one too; all
 * other characters match themselves.
 */


#ifndef AI_GLOB_H
#define AI_GLOB_H


#include "ai_core.h"


/*
 * 1 when the pattern matches the whole name, else 0.  At most
 * pattern->len * name->len steps, and no recursion.
 */
int ai_glob_match(const ai_str_t *pattern, const ai_str_t *name);


#endif /* AI_GLOB_H */
