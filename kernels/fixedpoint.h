/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The fixed-point toolbox of TensorFlow Lite's integer kernels, single rounding (gemmlowp fixedpoint.h and
 * kernels/internal/quantization_util.cc describe the originals). Pure functions.
 */

#include <stdint.h>

/* M >= 0 as m * 2^(shift - 31), m in [2^30, 2^31) or 0. */
void fixedpoint_quantize(double multiplier, int32_t *ret_mult, int32_t *ret_shift);

/* round(x * mult * 2^(shift - 31)), halves up; shift in [-31, 30]. */
static inline int32_t fixedpoint_multiply(int32_t x, int32_t mult, int32_t shift) {
    int right = 31 - shift;
    return (int32_t)(((int64_t)x * mult + ((int64_t)1 << (right - 1))) >> right);
}

/* The 256-entry tables of int8 functions of one argument: index and value are the bytes. */
struct fixedpoint_lut {
    float in_scale, out_scale;
    int32_t in_zero, out_zero;
};
void fixedpoint_lut_logistic(const struct fixedpoint_lut *p, uint8_t ret_table[256]);
void fixedpoint_lut_tanh(const struct fixedpoint_lut *p, uint8_t ret_table[256]);
void fixedpoint_lut_relu(const struct fixedpoint_lut *p, uint8_t ret_table[256]);
void fixedpoint_lut_relu6(const struct fixedpoint_lut *p, uint8_t ret_table[256]);
void fixedpoint_lut_relu_n1_to_1(const struct fixedpoint_lut *p, uint8_t ret_table[256]);
void fixedpoint_lut_leaky_relu(const struct fixedpoint_lut *p, float alpha, uint8_t ret_table[256]);
