/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The fixed-point toolbox of TensorFlow Lite's integer kernels, single rounding (gemmlowp
 * fixedpoint.h and kernels/internal/quantization_util.cc describe the originals). Pure functions.
 */

#include <stdint.h>

/* M >= 0 as m * 2^(shift - 31), m in [2^30, 2^31) or 0. */
void fixedpoint_quantize(double multiplier, int32_t *ret_mult, int32_t *ret_shift);

/* round(x * mult * 2^(shift - 31)), halves up; shift in [-31, 30]. Wraps where the result does not
 * fit, as the reference. */
static inline int32_t fixedpoint_multiply(int32_t x, int32_t mult, int32_t shift) {
    int right = 31 - shift;
    return (int32_t)(((int64_t)x * mult + ((int64_t)1 << (right - 1))) >> right);
}

/* round(a * b / 2^31), saturated: the product of two Q0.31. */
int32_t fixedpoint_high_mul(int32_t a, int32_t b);
/* x / 2^n to the nearest, halves away from zero; n >= 0. */
int32_t fixedpoint_round_shift(int32_t x, int n);

/*
 * Functions of Q numbers: integer_bits bits before the point, 31 - integer_bits behind it; results
 * are Q0.31.
 */
/* exp(a), a <= 0. */
int32_t fixedpoint_exp_neg(int32_t a, int integer_bits);
/* 1 / (1 + a), a in [0, 1) of Q0.31. */
int32_t fixedpoint_recip_one_plus(int32_t a);
int32_t fixedpoint_logistic(int32_t a, int integer_bits);
int32_t fixedpoint_tanh(int32_t a, int integer_bits);

/* Q3.12 -> Q0.15, by a table and interpolation. */
int16_t fixedpoint_logistic_s16(int16_t x);
/* The argument is first scaled by mult / 2^shift, or by 2^shift where mult is 0 (with a factor 3
 * that the table's steps of 1/24 need); mult 0, shift 0 reads it as Q3.12. shift in [0, 14]. */
int16_t fixedpoint_tanh_s16(int16_t x, int32_t mult, int32_t shift);

/* The 256-entry tables of int8 functions of one argument: index and value are the bytes. */
struct fixedpoint_lut {
    float in_scale, out_scale;
    int32_t in_zero, out_zero;
};
/* Sigmoid and tanh have fixed output scales (1/256, zero -128; 1/128, zero 0) and ignore those of
 * `p`. */
void fixedpoint_lut_logistic(const struct fixedpoint_lut *p, uint8_t ret_table[256]);
void fixedpoint_lut_tanh(const struct fixedpoint_lut *p, uint8_t ret_table[256]);
void fixedpoint_lut_relu(const struct fixedpoint_lut *p, uint8_t ret_table[256]);
void fixedpoint_lut_relu6(const struct fixedpoint_lut *p, uint8_t ret_table[256]);
void fixedpoint_lut_relu_n1_to_1(const struct fixedpoint_lut *p, uint8_t ret_table[256]);
void fixedpoint_lut_leaky_relu(const struct fixedpoint_lut *p, float alpha, uint8_t ret_table[256]);
