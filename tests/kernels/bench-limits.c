/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this core can do at most: multiply-adds in registers, and bytes through a loop that combines two arrays into a third.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/bench.h"

#define PEAK_ROUNDS 4096
#define L1_BYTES ((size_t)8 << 10) /* of one of the three arrays */
#define L2_BYTES ((size_t)128 << 10)

typedef void (*combine_fn)(char *y, const char *a, const char *b, size_t size);

/* With vectors of `width` bytes, as `attribute` lets the compiler use them. */
#define COMBINE(name, width, attribute)                                                            \
    attribute static void combine_##name(char *y, const char *a, const char *b, size_t size) {     \
        typedef uint64_t vec __attribute__((vector_size(width), may_alias));                       \
        for (size_t i = 0; i < size; i += sizeof(vec))                                             \
            *(vec *)(y + i) = *(const vec *)(a + i) ^ *(const vec *)(b + i);                       \
        __asm__ volatile("" : : "r"(y) : "memory");                                                \
    }

COMBINE(base, 16, )
#ifdef __x86_64__
COMBINE(avx2, 32, __attribute__((target("avx2"))))
COMBINE(avx512, 64, __attribute__((target("avx512f"))))
#else
#define combine_avx2 combine_base
#define combine_avx512 combine_base
#endif

static combine_fn combine_of(enum tier tier) {
    switch (tier) {
    case TIER_AVX2:
    case TIER_AVXVNNI:
        return combine_avx2;
    case TIER_AVX512VNNI:
    case TIER_AMX:
        return combine_avx512;
    default:
        return combine_base;
    }
}

/* Bytes read and written in a nanosecond. */
static double bandwidth(enum tier tier, size_t size) {
    const combine_fn run = combine_of(tier);
    char *memory = aligned_alloc(64, 3 * size);
    if (!memory)
        abort();
    memset(memory, 1, 3 * size);
    const double ns = CHECK_TIME(run(memory, memory + size, memory + 2 * size, size));
    free(memory);
    return 3 * (double)size / ns;
}

void bench_start(struct check *c) {
    const double rounds = (double)c->new->peak_s8(PEAK_ROUNDS);
    const double float_rounds = (double)c->new->peak_f32(PEAK_ROUNDS);
    c->limits = (struct check_limits){
        .macs = rounds / CHECK_TIME(c->new->peak_s8(PEAK_ROUNDS)),
        .flops = float_rounds / CHECK_TIME(c->new->peak_f32(PEAK_ROUNDS)),
        .bytes = bandwidth(c->tier, L1_BYTES),
    };
    printf("%-11s limits: int8 %.1f GMAC/s, float %.1f GFLOP/s in registers; two arrays into a "
           "third %.1f GB/s from L1, %.1f from L2\n",
           tier_name(c->tier), c->limits.macs, c->limits.flops, c->limits.bytes,
           bandwidth(c->tier, L2_BYTES));
}
