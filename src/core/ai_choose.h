
/*
 * Which of several targets a name goes to: by weights, always the same for the
 * same name, and canaries before them.
 *
 * Each target draws a lot from the name's hash and its own salt, the heavier
 * the shorter (rendezvous hashing): the shortest lot is the choice, the next
 * one is where the name goes when that target fails.  So a target that comes,
 * goes or changes its weight moves only the names that it gains or loses.
 */


#ifndef AI_CHOOSE_H
#define AI_CHOOSE_H


#include "ai_core.h"


AI_HIDDEN_BEGIN


#define AI_CHOOSE_MAX     64        /* targets to choose among */
#define AI_CHOOSE_POINTS  10000     /* of a canary's percents */
#define AI_CHOOSE_WEIGHT  (1 << 20) /* heavier ones count as this */


/* stable over versions: who is in a canary does not change with an upgrade;
   the hash of one part is the seed for the next */
uint64_t ai_choose_hash(uint64_t seed, const void *data, size_t len);


typedef struct {
    uint64_t         salt;      /* the hash of its name */
    uint32_t         weight;    /* 0: it is left out; a canary's: percent */
    unsigned         canary:1;
} ai_choice_t;

/*
 * The order in which to try n <= AI_CHOOSE_MAX targets, as places in c[];
 * returns how many there are in it.  The canaries' percents stand one behind
 * the other from 0 on, in the order of c[]: raising one adds names to it and
 * takes none away, but moves the canaries behind it.  One that the hash is in
 * stands first; the others are left out.
 */
unsigned ai_choose_order(const ai_choice_t *c, unsigned n, uint64_t hash,
    uint8_t order[AI_CHOOSE_MAX]);


AI_HIDDEN_END


#endif /* AI_CHOOSE_H */
