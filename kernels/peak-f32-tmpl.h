/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: how fast the core can multiply and add, in a tile that all 16 registers of
 * the smallest set hold, over the same few activations for ever.
 */

#define PEAK_ROWS 5 /* of two vectors: enough sums to hide a product's latency */

uint64_t KERN_NAME(peak_f32)(uint64_t rounds) {
    if (rounds == 0)
        return 0;
    const float some[PEAK_ROWS + LANES] = {1};
    const float *x = some;
    __asm__ volatile("" : "+r"(x) : : "memory");
    const vec w0 = *(const vec_unaligned *)x, w1 = w0 + w0;
    vec acc[2 * PEAK_ROWS];
#pragma GCC unroll 16
    for (unsigned i = 0; i < 2 * PEAK_ROWS; i++)
        acc[i] = w0;
    uint64_t left = rounds;
    do {
#pragma GCC unroll 16
        for (unsigned i = 0; i < PEAK_ROWS; i++) {
            /* The compiler must take the activations for new ones. */
            __asm__ volatile("" : "+r"(x) : : "memory");
            acc[2 * i] += x[i] * w0;
            acc[2 * i + 1] += x[i] * w1;
        }
    } while (--left);
#pragma GCC unroll 16
    for (unsigned i = 1; i < 2 * PEAK_ROWS; i++)
        acc[0] += acc[i];
    float sums[LANES];
    memcpy(sums, &acc[0], sizeof(sums));
    __asm__ volatile("" : : "r"(sums) : "memory");
    return rounds * 2 * PEAK_ROWS * LANES * 2;
}
