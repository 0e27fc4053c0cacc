/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Every operation written down as its formula: no packing, no joining of axes, no sharing with
 * kernels/ but the fixed-point functions, which have tests of their own.
 */

#include "kernels/list.h"

#define NAIVE_DECLARE(op) KERN_DECLARE(op, naive)
KERN_OPS(NAIVE_DECLARE)
#undef NAIVE_DECLARE

void naive_conv_s8(const struct kern_conv *p, const struct kern_conv_weights *w, const int8_t *x,
                   int8_t *y);
void naive_conv_f32(const struct kern_conv *p, const struct kern_conv_weights *w, const float *x,
                    float *y);

/* Returns the largest sum of magnitudes under a result: what rounding is relative to. */
double naive_conv_hybrid(const struct kern_conv *p, const struct kern_conv_weights *w,
                         const float *x, float *y);

/* floor(x * mult * 2^(shift - 31) + 1/2), its low 32 bits. */
int32_t naive_multiply(int32_t x, int32_t mult, int32_t shift);

/* A struct kernels of them, without convolutions. */
const struct kernels *naive_kernels(void);
