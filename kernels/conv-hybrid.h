/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Convolutions of float activations by integer weights: what their implementations share.
 *
 * With m = max |x| over all of x, or over a pixel's channels where p->scale_pixels, q = x * (127 / m) rounded to the
 * nearest integer, halves to even, and the scale of q is m / 127. Then
 *   y = clamp(m / 127 * sum over groups g of (scales[c][g] * sum over g of q * w) + bias[c]),
 * the inner sums in integers. q, and so the inner sums, are the same at every tier; padding is q = 0. Where m is below
 * HYBRID_TINY, all q and the scale are 0. Where x has an infinity or a NaN, the results that share its scale are NaN.
 */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/im2col.h"
#include "kernels/round.h"

/* 127 over anything from here on is finite. */
#define HYBRID_TINY 0x1p-120F

/* Pixels of x that have a scale, each of `*ret_n` values. */
static inline size_t hybrid_items(const struct kern_conv *p, size_t *ret_n) {
    const size_t pixels = (size_t)p->in_h * (size_t)p->in_w, in_c = (size_t)p->in_c;
    *ret_n = p->scale_pixels ? in_c : pixels * in_c;
    return p->scale_pixels ? pixels : 1;
}

static inline size_t hybrid_groups(const struct kern_conv *p) {
    return im2col_depth(p) / (size_t)p->scale_group;
}

/* Largest magnitude of n values; not finite where one of them is not. The bits of floats without a
 * sign are in the order of what they mean. */
static inline float hybrid_max(const float *x, size_t n) {
    int32_t max = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, x + i, sizeof(bits));
        bits &= INT32_MAX;
        max = bits > max ? bits : max;
    }
    float m;
    memcpy(&m, &max, sizeof(m));
    return m;
}

/* The scale that goes with the largest magnitude m: NaN where that is not finite. */
static inline float hybrid_scale(float m) {
    return !isfinite(m) ? NAN : m < HYBRID_TINY ? 0.0F : m / 127.0F;
}

/* What x is multiplied by; 0 where all q shall be 0. */
static inline float hybrid_inverse(float m) {
    return isfinite(m) && m >= HYBRID_TINY ? 127.0F / m : 0.0F;
}

/* What is added to a number of little magnitude leaves no bits for a fraction: it is rounded. */
#define HYBRID_ROUND 0x1.8p23F

static inline void hybrid_quantize(const float *restrict x, size_t n, float inverse,
                                   int8_t *restrict q) {
    if (inverse == 0) { /* x may not be finite */
        memset(q, 0, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
#if defined(__SSE4_1__) || defined(__aarch64__)
        q[i] = (int8_t)(int32_t)rintf(x[i] * inverse);
#else /* without an instruction for it; nor is there one to join product and sum */
        const float sum = x[i] * inverse + HYBRID_ROUND;
        int32_t bits;
        memcpy(&bits, &sum, sizeof(bits));
        q[i] = (int8_t)bits;
#endif
    }
}

/* One item: q, and the scale that goes with it. */
static inline float hybrid_item(const float *x, size_t n, int8_t *q) {
    const float m = hybrid_max(x, n);
    hybrid_quantize(x, n, hybrid_inverse(m), q);
    return hybrid_scale(m);
}

/* Of a NaN for a scale the result is one. */
static inline float hybrid_finish(const struct kern_conv *p, float sum, float scale, float bias) {
    return clamp_f32(sum * scale + bias, p->out_min_f, p->out_max_f);
}
