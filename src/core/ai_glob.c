
/*
 * Patterns of names.
 */


#include "ai_glob.h"


int
ai_glob_match(const ai_str_t *pattern, const ai_str_t *name)
{
    size_t  p, n, star, mark;

    p = 0;
    n = 0;
    star = pattern->len;        /* none seen */
    mark = 0;

    while (n < name->len) {

        if (p < pattern->len && pattern->data[p] == '*') {
            star = p++;
            mark = n;
            continue;
        }

        if (p < pattern->len && pattern->data[p] == name->data[n]) {
            p++;
            n++;
            continue;
        }

        if (star == pattern->len) {
            return 0;
        }

        /*
         * the last '*' takes one character more; what an earlier one took need
         * never change, since the leftmost match leaves the most behind it
         */

        p = star + 1;
        n = ++mark;
    }

    while (p < pattern->len && pattern->data[p] == '*') {
        p++;
    }

    return p == pattern->len;
}
