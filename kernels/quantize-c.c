/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between real and quantized values, and between quantizations: the C reference.
 */

#include <math.h>

#include "kernels/fixedpoint.h"
#include "kernels/list.h"
#include "kernels/round.h"

/* A division in float32, halves away from zero. NaN becomes the zero point. */
static int32_t quantize(const struct kern_quantize *p, float x) {
    double v = (double)roundf(x / p->scale) + p->zero;
    if (isnan(v))
        return clamp_s32(p->zero, p->out_min, p->out_max);
    return v < p->out_min ? p->out_min : v > p->out_max ? p->out_max : (int32_t)v;
}

static int64_t requantize(const struct kern_quantize *p, int32_t x) {
    return (int64_t)fixedpoint_multiply(x - p->in_zero, p->mult, p->shift) + p->out_zero;
}

#define QUANTIZE_DEFINE(name, type)                                                                \
    void kern_quantize_f32_##name##_c(const struct kern_quantize *p, const float *x, type *y,      \
                                      size_t n) {                                                  \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = (type)quantize(p, x[i]);                                                        \
    }                                                                                              \
    void kern_dequantize_##name##_f32_c(const struct kern_quantize *p, const type *x, float *y,    \
                                        size_t n) {                                                \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = p->scale * (float)(x[i] - p->zero);                                             \
    }

QUANTIZE_DEFINE(s8, int8_t)
QUANTIZE_DEFINE(u8, uint8_t)
QUANTIZE_DEFINE(s16, int16_t)

#define REQUANTIZE_DEFINE(name, in_type, out_type)                                                 \
    void kern_requantize_##name##_c(const struct kern_quantize *p, const in_type *x, out_type *y,  \
                                    size_t n) {                                                    \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = (out_type)clamp_s64(requantize(p, x[i]), p->out_min, p->out_max);               \
    }

REQUANTIZE_DEFINE(s8_s16, int8_t, int16_t)
REQUANTIZE_DEFINE(s8_s32, int8_t, int32_t)
REQUANTIZE_DEFINE(s16_s8, int16_t, int8_t)
REQUANTIZE_DEFINE(s16_s16, int16_t, int16_t)
REQUANTIZE_DEFINE(s16_s32, int16_t, int32_t)
