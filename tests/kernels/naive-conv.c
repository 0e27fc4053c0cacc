/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution in the seven loops of its definition, sums in 64 bits.
 */

#include "tests/kernels/naive.h"

/* Index of a weight. */
static size_t weight_at(const struct kern_conv *p, int o, int ky, int kx, int c) {
    if (p->depthwise)
        return ((size_t)ky * p->kernel_w + kx) * p->out_c + o;
    return (((size_t)o * p->kernel_h + ky) * p->kernel_w + kx) * p->group_in_c + c;
}

static int first_channel(const struct kern_conv *p, int o) {
    int groups = p->in_c / p->group_in_c;
    return o / (p->out_c / groups) * p->group_in_c;
}

static bool inside(const struct kern_conv *p, int iy, int ix) {
    return iy >= 0 && iy < p->in_h && ix >= 0 && ix < p->in_w;
}

static int8_t conv_value_s8(const struct kern_conv *p, const struct kern_conv_weights *w,
                            const int8_t *x, int oy, int ox, int o) {
    int64_t acc = w->bias ? ((const int32_t *)w->bias)[o] : 0;
    for (int ky = 0; ky < p->kernel_h; ky++) {
        for (int kx = 0; kx < p->kernel_w; kx++) {
            for (int c = 0; c < p->group_in_c; c++) {
                int iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
                int ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
                int64_t v = p->in_zero;
                if (inside(p, iy, ix))
                    v = x[((size_t)iy * p->in_w + ix) * p->in_c + first_channel(p, o) + c];
                int64_t f = ((const int8_t *)w->filter)[weight_at(p, o, ky, kx, c)];
                acc += (f - p->weight_zero) * (v - p->in_zero);
            }
        }
    }
    int64_t y = (int64_t)naive_multiply((int32_t)acc, w->mult[o], w->shift[o]) + p->out_zero;
    return (int8_t)(y < p->out_min ? p->out_min : y > p->out_max ? p->out_max : y);
}

static float conv_value_f32(const struct kern_conv *p, const struct kern_conv_weights *w,
                            const float *x, int oy, int ox, int o) {
    float acc = 0;
    for (int ky = 0; ky < p->kernel_h; ky++) {
        for (int kx = 0; kx < p->kernel_w; kx++) {
            for (int c = 0; c < p->group_in_c; c++) {
                int iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
                int ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
                if (!inside(p, iy, ix))
                    continue;
                float v = x[((size_t)iy * p->in_w + ix) * p->in_c + first_channel(p, o) + c];
                acc += v * ((const float *)w->filter)[weight_at(p, o, ky, kx, c)];
            }
        }
    }
    acc += w->bias ? ((const float *)w->bias)[o] : 0;
    return acc < p->out_min_f ? p->out_min_f : acc > p->out_max_f ? p->out_max_f : acc;
}

void naive_conv_s8(const struct kern_conv *p, const struct kern_conv_weights *w, const int8_t *x,
                   int8_t *y) {
    for (int oy = 0; oy < p->out_h; oy++)
        for (int ox = 0; ox < p->out_w; ox++)
            for (int o = 0; o < p->out_c; o++)
                *y++ = conv_value_s8(p, w, x, oy, ox, o);
}

void naive_conv_f32(const struct kern_conv *p, const struct kern_conv_weights *w, const float *x,
                    float *y) {
    for (int oy = 0; oy < p->out_h; oy++)
        for (int ox = 0; ox < p->out_w; ox++)
            for (int o = 0; o < p->out_c; o++)
                *y++ = conv_value_f32(p, w, x, oy, ox, o);
}
