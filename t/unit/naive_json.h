
/*
 * A naive reader of trusted JSON for expectations: finds a member by path, in
 * a way that shares nothing with the scanner under test.
 */


#ifndef NAIVE_JSON_H
#define NAIVE_JSON_H


#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static const char *
naive_space(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t' || *p == ','
           || *p == ':')
    {
        p++;
    }

    return p;
}


/* behind the value at p */

static const char *
naive_skip(const char *p)
{
    int  depth;

    depth = 0;
    p = naive_space(p);

    do {
        p = naive_space(p);

        if (*p == '"') {
            for (p++; *p != '"'; p++) {
                p += (*p == '\\');
            }

            p++;

        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;

        } else if (*p == '}' || *p == ']') {
            depth--;
            p++;

        } else {
            p += strcspn(p, ",:]} \n");
        }

    } while (depth);

    return p;
}


/* the member "key" of the object at p, or NULL */

static const char *
naive_get(const char *p, const char *key)
{
    size_t  len;

    if (p == NULL || *(p = naive_space(p)) != '{') {
        return NULL;
    }

    len = strlen(key);

    for (p = naive_space(p + 1); *p == '"'; p = naive_space(naive_skip(p))) {

        if (strncmp(p + 1, key, len) == 0 && p[len + 1] == '"') {
            return naive_space(naive_skip(p));
        }

        p = naive_skip(p);
    }

    return NULL;
}


/* the first element of the array at p, the next one behind p; NULL: no more */

static inline const char *
naive_first(const char *p)
{
    p = naive_space(naive_space(p) + 1);

    return *p == ']' ? NULL : p;
}

static inline const char *
naive_next(const char *p)
{
    p = naive_space(naive_skip(p));

    return *p == ']' ? NULL : p;
}


/* a string without escapes, a number or a word, as text */

static inline char *
naive_text(const char *p, char *dst, size_t size)
{
    const char  *end;

    dst[0] = '\0';

    if (p) {
        p = naive_space(p);
        end = naive_skip(p);

        if (*p == '"') {
            p++;
            end--;
        }

        snprintf(dst, size, "%.*s", (int) (end - p), p);
    }

    return dst;
}


static inline int
naive_is_null(const char *p)
{
    return p == NULL || strncmp(naive_space(p), "null", 4) == 0;
}


static inline char *
naive_read(const char *path, size_t *len)
{
    FILE  *f;
    char  *data;
    long   size;

    f = fopen(path, "rb");

    if (f == NULL) {
        fprintf(stderr, "no %s\n", path);
        abort();
    }

    fseek(f, 0, SEEK_END);
    size = ftell(f);
    rewind(f);

    data = malloc((size_t) size + 1);
    *len = fread(data, 1, (size_t) size, f);
    data[*len] = '\0';

    fclose(f);

    return data;
}


#endif /* NAIVE_JSON_H */
