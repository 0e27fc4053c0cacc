/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * SplitMix64 (Steele, Lea, Flood 2014): small seeded pseudo-random numbers, for reproducible choices and tests, not for
 * secrets. The state is the caller's.
 */

#include <stdint.h>

struct random {
    uint64_t state; /* the seed */
};

static inline uint64_t random_u64(struct random *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

/* Uniform in [0, n), n > 0; the bias below 2^-32 does not matter here. */
static inline uint32_t random_below(struct random *r, uint32_t n) {
    return (uint32_t)((random_u64(r) >> 32) * n >> 32);
}

/* Uniform in [0, 1). */
static inline double random_unit(struct random *r) {
    return (double)(random_u64(r) >> 11) * 0x1p-53;
}
