/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder of the 64-bit Arm tiers: each rung overwrites what it improves.
 */

#include "kernels/aarch64/aarch64.h"
#include "kernels/arch.h"

/* OpenBLAS has kernels scheduled for each core; below this size its calls and copies cost more than
 * they win. */
#define BLAS_MACS ((size_t)64 * 64 * 64)

bool kern_arch_prefers_blas(size_t rows, size_t out_c, size_t depth) {
    return rows > 1 && rows * out_c * depth >= BLAS_MACS;
}

void kern_init_arch(struct kernels *k, enum tier tier) {
    if (tier < TIER_NEON)
        return;
#define USE_NEON(op) k->op = kern_##op##_neon;
    KERN_FLOAT_OPS(USE_NEON)
    KERN_INT8_OPS(USE_NEON)
#undef USE_NEON
    k->conv_f32[0] = &kern_depthwise_f32_neon;
    k->conv_f32[1] = &kern_conv_f32_neon;
    kern_prepend(k->conv_s8, &kern_depthwise_s8_neon);
    kern_prepend(k->conv_s8, &kern_conv_s8_neon);
    KERN_PREPEND_HYBRID(k, neon);

    if (tier < TIER_DOTPROD)
        return;
#define USE_DOTPROD(op) k->op = kern_##op##_dotprod;
    KERN_INT8_OPS(USE_DOTPROD)
#undef USE_DOTPROD
    kern_prepend(k->conv_s8, &kern_depthwise_s8_dotprod);
    kern_prepend(k->conv_s8, &kern_conv_s8_dotprod);
    KERN_PREPEND_HYBRID(k, dotprod);

    if (tier < TIER_I8MM)
        return;
    k->peak_s8 = kern_peak_s8_i8mm;
    kern_prepend(k->conv_s8, &kern_conv_s8_i8mm);
}

/* By pattern; matrix products have nothing that dot products have not. */
static const struct kern_conv_impl *const sparse_s8[][KERN_PATTERN_END] = {
    {&kern_sparse_many_s8_1x1_neon, &kern_sparse_many_s8_4x1_neon, &kern_sparse_many_s8_8x1_neon},
    {&kern_sparse_many_s8_1x1_dotprod, &kern_sparse_many_s8_4x1_dotprod,
     &kern_sparse_many_s8_8x1_dotprod},
};
static const struct kern_conv_impl *const sparse_f32[KERN_PATTERN_END] = {
    &kern_sparse_many_f32_1x1_neon, &kern_sparse_many_f32_4x1_neon, &kern_sparse_many_f32_8x1_neon};

void kern_init_arch_sparse(struct kernels *k, enum tier tier) {
    if (tier < TIER_NEON)
        return;
    for (unsigned i = 0; i < KERN_PATTERN_END; i++) {
        kern_prepend(k->conv_s8, sparse_s8[tier >= TIER_DOTPROD][i]);
        kern_prepend(k->conv_f32, sparse_f32[i]);
    }
    if (tier >= TIER_DOTPROD) {
        kern_prepend(k->conv_s8, &kern_sparse_vector_s8_4x1_dotprod);
        kern_prepend(k->conv_s8, &kern_sparse_vector_s8_8x1_dotprod);
    }
    kern_prepend(k->conv_f32, &kern_sparse_vector_f32_4x1_neon);
    kern_prepend(k->conv_f32, &kern_sparse_vector_f32_8x1_neon);
}
