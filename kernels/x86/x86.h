/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The x86-64 variants. Each is in the library of its tier, compiled with that tier's instructions.
 */

#include "kernels/list.h"

#define KERN_DECLARE_AVX2(op) KERN_DECLARE(op, avx2)
KERN_FLOAT_OPS(KERN_DECLARE_AVX2)
#undef KERN_DECLARE_AVX2
#define KERN_DECLARE_INT8(op)                                                                      \
    KERN_DECLARE(op, avx2) KERN_DECLARE(op, avxvnni) KERN_DECLARE(op, avx512vnni)
KERN_INT8_OPS(KERN_DECLARE_INT8)
#undef KERN_DECLARE_INT8
KERN_DECLARE(peak_s8, amx)
extern const struct kern_conv_impl kern_conv_f32_avx2, kern_depthwise_f32_avx2;
extern const struct kern_conv_impl kern_conv_s8_avx2, kern_conv_s8_avxvnni, kern_conv_s8_avx512vnni,
    kern_conv_pairs_s8_avx512vnni, kern_conv_s8_amx;
extern const struct kern_conv_impl kern_depthwise_s8_avx2, kern_depthwise_s8_avxvnni,
    kern_depthwise_s8_avx512vnni;

extern const struct kern_conv_impl kern_hybrid_s8_avx2, kern_hybrid_s8_avxvnni,
    kern_hybrid_s8_avx512vnni, kern_hybrid_s4_avx2, kern_hybrid_s4_avxvnni,
    kern_hybrid_s4_avx512vnni, kern_hybrid_s8g_avx2, kern_hybrid_s8g_avxvnni,
    kern_hybrid_s8g_avx512vnni;

#define KERN_DECLARE_AVX512(op) KERN_DECLARE(op, avx512)
KERN_FLOAT_OPS(KERN_DECLARE_AVX512)
#undef KERN_DECLARE_AVX512
extern const struct kern_conv_impl kern_conv_f32_avx512, kern_depthwise_f32_avx512;

extern const struct kern_conv_impl kern_sparse_many_f32_1x1_avx2, kern_sparse_many_f32_4x1_avx2,
    kern_sparse_many_f32_8x1_avx2;
extern const struct kern_conv_impl kern_sparse_many_f32_1x1_avx512, kern_sparse_many_f32_4x1_avx512,
    kern_sparse_many_f32_8x1_avx512;
extern const struct kern_conv_impl kern_sparse_many_s8_1x1_avx2, kern_sparse_many_s8_4x1_avx2,
    kern_sparse_many_s8_8x1_avx2;
extern const struct kern_conv_impl kern_sparse_many_s8_1x1_avxvnni, kern_sparse_many_s8_4x1_avxvnni,
    kern_sparse_many_s8_8x1_avxvnni;
extern const struct kern_conv_impl kern_sparse_s8_1x1_avx512vbmi, kern_sparse_s8_4x1_avx512vbmi,
    kern_sparse_s8_8x1_avx512vbmi;
extern const struct kern_conv_impl kern_sparse_vector_f32_1x1_avx2, kern_sparse_vector_f32_4x1_avx2,
    kern_sparse_vector_f32_8x1_avx2;
extern const struct kern_conv_impl kern_sparse_vector_f32_1x1_avx512,
    kern_sparse_vector_f32_4x1_avx512, kern_sparse_vector_f32_8x1_avx512;
extern const struct kern_conv_impl kern_sparse_vector_s8_4x1_avx2, kern_sparse_vector_s8_8x1_avx2,
    kern_sparse_vector_s8_4x1_avxvnni, kern_sparse_vector_s8_8x1_avxvnni;
