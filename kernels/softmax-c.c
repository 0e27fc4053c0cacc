/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Softmax over the last axis: the C reference.
 */

#include <math.h>

#include "base/attributes.h"
#include "kernels/fixedpoint.h"
#include "kernels/list.h"
#include "kernels/round.h"

/* Integer bits of the scaled difference to the maximum, and of the sum of exponentials. */
#define DIFF_BITS 5
#define SUM_BITS 12

void kern_softmax_prepare(struct kern_softmax *p) {
    for (int32_t i = 0; i < 256; i++)
        p->exp[i] = -i < p->diff_min
                        ? 0
                        : fixedpoint_exp_neg(fixedpoint_multiply(-i, p->mult, p->shift), DIFF_BITS);
}

/* The row may be memory that its owner changes meanwhile: what it says now need not be below the
 * maximum that was found. The index stays in the table whatever it says. */
static inline uint32_t exp_below(const struct kern_softmax *p, int8_t max, int8_t x) {
    return (uint32_t)p->exp[(uint8_t)(max - x)];
}

/* Probabilities of `bits` bits as signed numbers: 8 or 16. Values below diff_min take no part,
 * which is what an exponential of 0 does. */
static inline __attribute__((always_inline)) void
softmax_row(const struct kern_softmax *p, const int8_t *x, const int bits, void *y) {
    const int32_t lo = -(1 << (bits - 1)), hi = (1 << (bits - 1)) - 1;
    const size_t n = (size_t)p->cols;
    int8_t max = INT8_MIN;
    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;

    /* x / 2^SUM_BITS, halves up: x is not negative. */
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (exp_below(p, max, x[i]) + (1U << (SUM_BITS - 1))) >> SUM_BITS;
    /* The maximum itself is in the sum, so it is not 0 but where rows of thousands of columns wrap
     * it. */
    const int headroom = sum ? __builtin_clz(sum) : 31;
    const int32_t reciprocal =
        fixedpoint_recip_one_plus((int32_t)((sum << headroom) - ((uint32_t)1 << 31)));
    /* The product is not negative either; the sum of exponentials is below 2^(31 - headroom). */
    const int shift = MAX(SUM_BITS - headroom + 31 - bits, 0);
    const int64_t half = shift > 0 ? (int64_t)1 << (shift - 1) : 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t product =
            ((int64_t)reciprocal * exp_below(p, max, x[i]) + ((int64_t)1 << 30)) >> 31;
        const int32_t v = clamp_s64(((product + half) >> shift) + lo, lo, hi);
        if (bits == 8)
            ((int8_t *)y)[i] = (int8_t)v;
        else
            ((int16_t *)y)[i] = (int16_t)v;
    }
}

void kern_softmax_s8_c(const struct kern_softmax *p, const int8_t *x, int8_t *y) {
    for (int32_t r = 0; r < p->rows; r++)
        softmax_row(p, x + (size_t)r * (size_t)p->cols, 8, y + (size_t)r * (size_t)p->cols);
}

void kern_softmax_s8_s16_c(const struct kern_softmax *p, const int8_t *x, int16_t *y) {
    for (int32_t r = 0; r < p->rows; r++)
        softmax_row(p, x + (size_t)r * (size_t)p->cols, 16, y + (size_t)r * (size_t)p->cols);
}

void kern_softmax_f32_c(const struct kern_softmax *p, const float *x, float *y) {
    const size_t n = (size_t)p->cols;
    for (int32_t r = 0; r < p->rows; r++, x += n, y += n) {
        float max = -INFINITY, sum = 0;
        for (size_t i = 0; i < n; i++)
            max = x[i] > max ? x[i] : max;
        for (size_t i = 0; i < n; i++) {
            y[i] = expf((x[i] - max) * p->beta);
            sum += y[i];
        }
        for (size_t i = 0; i < n; i++)
            y[i] /= sum;
    }
}
