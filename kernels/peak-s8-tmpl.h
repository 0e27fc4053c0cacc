/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: how fast the core can multiply and add, in a tile that all 16 registers of
 * the smallest set hold, over the same few activations for ever.
 */

#define PEAK_ROWS 5 /* of two vectors: enough sums to hide a product's latency */

uint64_t KERN_NAME(peak_s8)(uint64_t rounds) {
    if (rounds == 0)
        return 0;
    const vec_staged some[VEC_BYTES + PEAK_ROWS * VEC_GROUP] = {1};
    const vec_staged *x = some;
    __asm__ volatile("" : "+r"(x) : : "memory");
    const vec w0 = vec_load(x), w1 = vec_add(w0, w0);
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
            const vec a = vec_broadcast(x + i * VEC_GROUP);
            acc[2 * i] = VEC_FASTEST_DOT(acc[2 * i], a, w0);
            acc[2 * i + 1] = VEC_FASTEST_DOT(acc[2 * i + 1], a, w1);
        }
        /* The sums stay where they are: without this GCC 12 keeps a second copy of each. */
#pragma GCC unroll 16
        for (unsigned i = 0; i < 2 * PEAK_ROWS; i++)
            __asm__ volatile("" : "+" VEC_REGISTER(acc[i]));
    } while (--left);
    int32_t sums[2 * PEAK_ROWS * VEC_LANES];
#pragma GCC unroll 16
    for (unsigned i = 0; i < 2 * PEAK_ROWS; i++)
        vec_store(sums + i * VEC_LANES, acc[i]);
    __asm__ volatile("" : : "r"(sums) : "memory");
    return rounds * 2 * PEAK_ROWS * VEC_LANES * VEC_GROUP;
}
