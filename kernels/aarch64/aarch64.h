/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The 64-bit Arm variants. Each is in the library of its tier, compiled with that tier's
 * instructions.
 */

#include "kernels/list.h"

#define KERN_DECLARE_NEON(op) KERN_DECLARE(op, neon)
KERN_FLOAT_OPS(KERN_DECLARE_NEON)
#undef KERN_DECLARE_NEON
#define KERN_DECLARE_INT8(op) KERN_DECLARE(op, neon) KERN_DECLARE(op, dotprod)
KERN_INT8_OPS(KERN_DECLARE_INT8)
#undef KERN_DECLARE_INT8
KERN_DECLARE(peak_s8, i8mm)
extern const struct kern_conv_impl kern_conv_f32_neon, kern_depthwise_f32_neon;
extern const struct kern_conv_impl kern_depthwise_s8_neon, kern_depthwise_s8_dotprod;
extern const struct kern_conv_impl kern_hybrid_s8_neon, kern_hybrid_s8_dotprod, kern_hybrid_s4_neon,
    kern_hybrid_s4_dotprod, kern_hybrid_s8g_neon, kern_hybrid_s8g_dotprod;
extern const struct kern_conv_impl kern_conv_s8_neon, kern_conv_s8_dotprod, kern_conv_s8_i8mm;
extern const struct kern_conv_impl kern_sparse_many_f32_1x1_neon, kern_sparse_many_f32_4x1_neon,
    kern_sparse_many_f32_8x1_neon;
extern const struct kern_conv_impl kern_sparse_many_s8_1x1_neon, kern_sparse_many_s8_4x1_neon,
    kern_sparse_many_s8_8x1_neon;
extern const struct kern_conv_impl kern_sparse_many_s8_1x1_dotprod, kern_sparse_many_s8_4x1_dotprod,
    kern_sparse_many_s8_8x1_dotprod;
extern const struct kern_conv_impl kern_sparse_vector_f32_4x1_neon, kern_sparse_vector_f32_8x1_neon;
extern const struct kern_conv_impl kern_sparse_vector_s8_4x1_dotprod,
    kern_sparse_vector_s8_8x1_dotprod;
