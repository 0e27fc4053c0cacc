/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the C reference can multiply and add bytes: the dot product of conv-s8-c.c, as the
 * compiler turns it into the baseline's vectors.
 */

#include "kernels/list.h"

#define VALUES 256

uint64_t kern_peak_s8_c(uint64_t rounds) {
    const int16_t some[VALUES] = {1};
    const int16_t *x = some;
    int32_t acc = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        /* The compiler must take the values for new ones. */
        __asm__ volatile("" : "+r"(x), "+r"(acc) : : "memory");
        for (unsigned i = 0; i < VALUES; i++)
            acc += x[i] * x[i];
    }
    __asm__ volatile("" : : "r"(acc));
    return rounds * VALUES;
}
