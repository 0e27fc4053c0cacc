/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Every operation of struct kernels, once. The C table, the tiers' tables and the checks of
 * tests/kernels/ are made from these rows, so that an operation without an implementation or
 * without a check does not build.
 */

#include <stddef.h>

#include "kernels/kernels.h"

/* Float operations built from one source for every tier (float-tmpl.h). */
#define KERN_FLOAT_OPS(X)                                                                          \
    X(avg_pool_f32)                                                                                \
    X(max_pool_f32)                                                                                \
    X(mean_f32)                                                                                    \
    X(add_f32)                                                                                     \
    X(sub_f32)                                                                                     \
    X(mul_f32)                                                                                     \
    X(max_f32)                                                                                     \
    X(min_f32)                                                                                     \
    X(clamp_f32)                                                                                   \
    X(leaky_relu_f32)                                                                              \
    X(peak_f32)

/* int8 operations built from one source for every tier that has a vector layer (int8-tmpl.h). */
#define KERN_INT8_OPS(X)                                                                           \
    X(avg_pool_s8)                                                                                 \
    X(max_pool_s8)                                                                                 \
    X(mean_s8)                                                                                     \
    X(add_s8)                                                                                      \
    X(sub_s8)                                                                                      \
    X(mul_s8)                                                                                      \
    X(max_s8)                                                                                      \
    X(min_s8)                                                                                      \
    X(quantize_f32_s8)                                                                             \
    X(quantize_f32_u8)                                                                             \
    X(dequantize_s8_f32)                                                                           \
    X(dequantize_u8_f32)                                                                           \
    X(lut_8)                                                                                       \
    X(peak_s8)

/* The others. */
#define KERN_C_OPS(X)                                                                              \
    X(softmax_s8)                                                                                  \
    X(softmax_s8_s16)                                                                              \
    X(softmax_f32)                                                                                 \
    X(logistic_f32)                                                                                \
    X(tanh_f32)                                                                                    \
    X(quantize_f32_s16)                                                                            \
    X(dequantize_s16_f32)                                                                          \
    X(requantize_s8_s16)                                                                           \
    X(requantize_s8_s32)                                                                           \
    X(requantize_s16_s8)                                                                           \
    X(requantize_s16_s16)                                                                          \
    X(requantize_s16_s32)                                                                          \
    X(copy_nd)                                                                                     \
    X(fill)                                                                                        \
    X(lstm_s8)                                                                                     \
    X(lstm_f32)                                                                                    \
    X(svdf_s8)                                                                                     \
    X(svdf_f32)                                                                                    \
    X(mfcc)

#define KERN_OPS(X) KERN_FLOAT_OPS(X) KERN_INT8_OPS(X) KERN_C_OPS(X)

/* Declares the function that serves the member `op` of struct kernels at a tier. */
#define KERN_DECLARE(op, suffix) __typeof__(*((struct kernels *)NULL)->op) kern_##op##_##suffix;

#define KERN_DECLARE_C(op) KERN_DECLARE(op, c)
KERN_OPS(KERN_DECLARE_C)
#undef KERN_DECLARE_C

extern const struct kern_conv_impl kern_conv_s8_c, kern_depthwise_s8_c, kern_hybrid_c;
extern const struct kern_conv_impl kern_sparse_s8_c, kern_sparse_f32_c;
