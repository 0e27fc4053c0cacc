/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder of the x86-64 tiers: each rung overwrites what it improves.
 */

#include "kernels/arch.h"
#include "kernels/x86/x86.h"

/* Own kernels keep ahead (Zen 5, AVX-512, GFLOP/s, own and OpenBLAS 0.3.21 SkylakeX: 256^3 255 and
 * 238, 49x512x4608 238 and 168, 64x1024x4096 221 and 173) until the weights leave the caches and
 * are read again for each tile of rows (2048^3 235 and 249, 128x4096x4096 99 and 200). With AVX2
 * the same (131 and 127; 49 and 121). */
#define BLAS_WEIGHT_BYTES ((size_t)8 * 1024 * 1024)
#define BLAS_ROWS 128

bool kern_arch_prefers_blas(size_t rows, size_t out_c, size_t depth) {
    return rows >= BLAS_ROWS && out_c * depth * sizeof(float) >= BLAS_WEIGHT_BYTES;
}

void kern_init_arch(struct kernels *k, enum tier tier) {
    if (tier < TIER_AVX2)
        return;
#define USE_AVX2(op) k->op = kern_##op##_avx2;
    KERN_FLOAT_OPS(USE_AVX2)
    KERN_INT8_OPS(USE_AVX2)
#undef USE_AVX2
    k->conv_f32[0] = &kern_depthwise_f32_avx2;
    k->conv_f32[1] = &kern_conv_f32_avx2;
    kern_prepend(k->conv_s8, &kern_depthwise_s8_avx2);
    kern_prepend(k->conv_s8, &kern_conv_s8_avx2);
    KERN_PREPEND_HYBRID(k, avx2);

    if (tier < TIER_AVXVNNI)
        return;
    if (tier < TIER_AVX512VNNI) {
#define USE_AVXVNNI(op) k->op = kern_##op##_avxvnni;
        KERN_INT8_OPS(USE_AVXVNNI)
#undef USE_AVXVNNI
        kern_prepend(k->conv_s8, &kern_depthwise_s8_avxvnni);
        kern_prepend(k->conv_s8, &kern_conv_s8_avxvnni);
        KERN_PREPEND_HYBRID(k, avxvnni);
        return;
    }
    kern_prepend(k->conv_s8, &kern_depthwise_s8_avx512vnni);
    kern_prepend(k->conv_s8, &kern_conv_s8_avx512vnni);
    KERN_PREPEND_HYBRID(k, avx512vnni);
    kern_prepend(k->conv_s8, &kern_conv_pairs_s8_avx512vnni);
#define USE_AVX512VNNI(op) k->op = kern_##op##_avx512vnni;
    KERN_INT8_OPS(USE_AVX512VNNI)
#undef USE_AVX512VNNI
#define USE_AVX512(op) k->op = kern_##op##_avx512;
    KERN_FLOAT_OPS(USE_AVX512)
#undef USE_AVX512
    k->conv_f32[0] = &kern_depthwise_f32_avx512;
    k->conv_f32[1] = &kern_conv_f32_avx512;

    if (tier < TIER_AMX)
        return;
    k->peak_s8 = kern_peak_s8_amx;
    kern_prepend(k->conv_s8, &kern_conv_s8_amx);
}

/* By pattern: at AVX2 and AVX-VNNI, at AVX-512. */
static const struct kern_conv_impl *const sparse_s8[][KERN_PATTERN_END] = {
    {&kern_sparse_many_s8_1x1_avx2, &kern_sparse_many_s8_4x1_avx2, &kern_sparse_many_s8_8x1_avx2},
    {&kern_sparse_many_s8_1x1_avxvnni, &kern_sparse_many_s8_4x1_avxvnni,
     &kern_sparse_many_s8_8x1_avxvnni},
};
static const struct kern_conv_impl *const sparse_s8_vbmi[KERN_PATTERN_END] = {
    &kern_sparse_s8_1x1_avx512vbmi, &kern_sparse_s8_4x1_avx512vbmi, &kern_sparse_s8_8x1_avx512vbmi};
static const struct kern_conv_impl *const sparse_f32[][KERN_PATTERN_END] = {
    {&kern_sparse_many_f32_1x1_avx2, &kern_sparse_many_f32_4x1_avx2,
     &kern_sparse_many_f32_8x1_avx2},
    {&kern_sparse_many_f32_1x1_avx512, &kern_sparse_many_f32_4x1_avx512,
     &kern_sparse_many_f32_8x1_avx512},
};

static const struct kern_conv_impl *const sparse_vector_f32[][KERN_PATTERN_END] = {
    {&kern_sparse_vector_f32_1x1_avx2, &kern_sparse_vector_f32_4x1_avx2,
     &kern_sparse_vector_f32_8x1_avx2},
    {&kern_sparse_vector_f32_1x1_avx512, &kern_sparse_vector_f32_4x1_avx512,
     &kern_sparse_vector_f32_8x1_avx512},
};

void kern_init_arch_sparse(struct kernels *k, enum tier tier) {
    if (tier < TIER_AVX2 || tier > TIER_AMX)
        return;
    const bool is_512 = tier >= TIER_AVX512VNNI;
    const unsigned s8 = tier >= TIER_AVXVNNI;
    if (s8 == 0) {
        kern_prepend(k->conv_s8, &kern_sparse_vector_s8_4x1_avx2);
        kern_prepend(k->conv_s8, &kern_sparse_vector_s8_8x1_avx2);
    } else if (!is_512) {
        kern_prepend(k->conv_s8, &kern_sparse_vector_s8_4x1_avxvnni);
        kern_prepend(k->conv_s8, &kern_sparse_vector_s8_8x1_avxvnni);
    }
    for (unsigned i = 0; i < KERN_PATTERN_END; i++) {
        kern_prepend(k->conv_s8, is_512 ? sparse_s8_vbmi[i] : sparse_s8[s8][i]);
        kern_prepend(k->conv_f32, sparse_f32[is_512][i]);
        kern_prepend(k->conv_f32, sparse_vector_f32[is_512][i]);
    }
}
