/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder of the x86-64 tiers: each rung overwrites what it improves.
 */

#include "kernels/arch.h"
#include "kernels/x86/x86.h"

void kern_init_arch(struct kernels *k, enum tier tier) {
    if (tier < TIER_AVX2)
        return;
#define USE_AVX2(op) k->op = kern_##op##_avx2;
    KERN_FLOAT_OPS(USE_AVX2)
#undef USE_AVX2
    k->conv_f32[0] = &kern_depthwise_f32_avx2;
    k->conv_f32[1] = &kern_conv_f32_avx2;

    if (tier < TIER_AVX512VNNI)
        return;
#define USE_AVX512(op) k->op = kern_##op##_avx512;
    KERN_FLOAT_OPS(USE_AVX512)
#undef USE_AVX512
    k->conv_f32[0] = &kern_depthwise_f32_avx512;
    k->conv_f32[1] = &kern_conv_f32_avx512;
}
