/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Lays out the input windows of some output pixels as rows of a matrix:
 * [pixels][kernel_h][kernel_w][group_in_c]. The order is that of the filter, so that a convolution
 * becomes a product of two matrices.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"

/* Length of a row. */
static inline size_t im2col_depth(const struct kern_conv *p) {
    return (size_t)p->kernel_h * (size_t)p->kernel_w * (size_t)p->group_in_c;
}

/* The rows are the input itself. */
static inline bool im2col_is_input(const struct kern_conv *p) {
    return p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1 &&
           p->pad_top == 0 && p->pad_left == 0 && p->group_in_c == p->in_c && p->in_h == p->out_h &&
           p->in_w == p->out_w;
}

static inline void im2col_copy_f32(float *dst, const float *src, size_t n, int32_t zero) {
    /* Runs are often a few values long: not worth a call. */
    if (n > 32) {
        memcpy(dst, src, n * sizeof(*dst));
        return;
    }
    for (; n >= 4; n -= 4, dst += 4, src += 4)
        memcpy(dst, src, 4 * sizeof(*dst));
    for (; n > 0; n--)
        *dst++ = *src++;
}

static inline void im2col_copy_s8(int8_t *dst, const int8_t *src, size_t n, int32_t zero) {
    if (n > 128) {
        memcpy(dst, src, n);
        return;
    }
    for (; n >= 16; n -= 16, dst += 16, src += 16)
        memcpy(dst, src, 16);
    for (; n >= 4; n -= 4, dst += 4, src += 4)
        memcpy(dst, src, 4);
    for (; n > 0; n--)
        *dst++ = *src++;
}

static inline void im2col_copy_s16(int16_t *dst, const int8_t *src, size_t n, int32_t zero) {
    for (size_t i = 0; i < n; i++)
        dst[i] = (int16_t)(src[i] - zero);
}

/* Defines im2col_<name>(p, x, first channel, first pixel, pixels, zero, rows): padding becomes 0,
 * an input value x - zero. */
#define IM2COL_DEFINE(name, in_type, out_type)                                                     \
    static inline void im2col_##name(const struct kern_conv *p, const in_type *x, size_t channel,  \
                                     size_t pixel, size_t n, int32_t zero, out_type *rows) {       \
        const size_t depth = (size_t)p->group_in_c, in_c = (size_t)p->in_c;                        \
        const bool joined = p->dilation_w == 1 && p->group_in_c == p->in_c;                        \
        int64_t oy = (int64_t)(pixel / (size_t)p->out_w);                                          \
        int64_t ox = (int64_t)(pixel % (size_t)p->out_w);                                          \
        for (; n > 0; n--) {                                                                       \
            int64_t iy = oy * p->stride_h - p->pad_top;                                            \
            for (int32_t ky = 0; ky < p->kernel_h; ky++, iy += p->dilation_h) {                    \
                int64_t ix = ox * p->stride_w - p->pad_left;                                       \
                const bool inside = iy >= 0 && iy < p->in_h;                                       \
                if (inside && joined && ix >= 0 && ix + p->kernel_w <= p->in_w) {                  \
                    size_t at = (size_t)(iy * p->in_w + ix) * in_c;                                \
                    im2col_copy_##name(rows, x + at, depth * (size_t)p->kernel_w, zero);           \
                    rows += depth * (size_t)p->kernel_w;                                           \
                    continue;                                                                      \
                }                                                                                  \
                for (int32_t kx = 0; kx < p->kernel_w; kx++, ix += p->dilation_w) {                \
                    size_t at = (size_t)(iy * p->in_w + ix) * in_c + channel;                      \
                    if (inside && ix >= 0 && ix < p->in_w)                                         \
                        im2col_copy_##name(rows, x + at, depth, zero);                             \
                    else                                                                           \
                        memset(rows, 0, depth * sizeof(*rows));                                    \
                    rows += depth;                                                                 \
                }                                                                                  \
            }                                                                                      \
            if (++ox == p->out_w) {                                                                \
                ox = 0;                                                                            \
                oy++;                                                                              \
            }                                                                                      \
        }                                                                                          \
    }

IM2COL_DEFINE(f32, float, float)
IM2COL_DEFINE(s8, int8_t, int8_t) /* zero is 0 */
IM2COL_DEFINE(s16, int8_t, int16_t)
