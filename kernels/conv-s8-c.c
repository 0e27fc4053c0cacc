/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 convolution, matrix product and depthwise convolution: the C reference. The loops are laid
 * out so that the compiler finds the multiply-and-add of 16-bit pairs every x86-64 and aarch64 CPU
 * has.
 *
 * Packed block: bias [out_c], mult [out_c], shift [out_c] as int32, each padded to KERN_PACK_ALIGN,
 * then the filter in the graph's layout.
 */

#include <string.h>

#include "base/attributes.h"
#include "kernels/fixedpoint.h"
#include "kernels/im2col.h"
#include "kernels/list.h"
#include "kernels/round.h"

/* Pixels laid out at a time: their windows and the results stay in the first-level cache for usual
 * depths. */
#define TILE 16

struct packed {
    const int32_t *bias, *mult, *shift;
    const int8_t *filter;
};

static size_t channel_room(const struct kern_conv *p) {
    return pack_room((size_t)p->out_c * sizeof(int32_t));
}

static struct packed packed_view(const struct kern_conv *p, const void *packed) {
    const char *at = packed;
    size_t room = channel_room(p);
    return (struct packed){
        .bias = (const void *)at,
        .mult = (const void *)(at + room),
        .shift = (const void *)(at + 2 * room),
        .filter = (const void *)(at + 3 * room),
    };
}

static size_t filter_size(const struct kern_conv *p) {
    return (size_t)p->out_c * im2col_depth(p);
}

static size_t packed_size(const struct kern_conv *p) {
    return 3 * channel_room(p) + pack_room(filter_size(p));
}

static void pack(const struct kern_conv *p, const struct kern_conv_weights *w, void *ret_packed) {
    char *at = ret_packed;
    const size_t room = channel_room(p), n = (size_t)p->out_c * sizeof(int32_t);
    memset(at, 0, packed_size(p));
    if (w->bias)
        memcpy(at, w->bias, n);
    memcpy(at + room, w->mult, n);
    memcpy(at + 2 * room, w->shift, n);
    memcpy(at + 3 * room, w->filter, filter_size(p));
}

static int8_t requantize(const struct kern_conv *p, const struct packed *w, size_t channel,
                         int32_t acc) {
    int32_t y = fixedpoint_multiply(acc + w->bias[channel], w->mult[channel], w->shift[channel]);
    return (int8_t)clamp_s64((int64_t)y + p->out_zero, p->out_min, p->out_max);
}

static int32_t sum_s16(const int16_t *x, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

static int32_t dot(const int16_t *x, const int8_t *w, size_t n) {
    int32_t acc = 0;
    for (size_t i = 0; i < n; i++)
        acc += x[i] * (int16_t)w[i];
    return acc;
}

/* One window by four output channels, so that the window is loaded once. */
static void dot_4(const int16_t *restrict x, const int8_t *restrict w, size_t n,
                  int32_t *restrict ret_acc) {
    int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
    for (size_t i = 0; i < n; i++) {
        int16_t v = x[i];
        a0 += v * (int16_t)w[i];
        a1 += v * (int16_t)w[n + i];
        a2 += v * (int16_t)w[2 * n + i];
        a3 += v * (int16_t)w[3 * n + i];
    }
    ret_acc[0] = a0;
    ret_acc[1] = a1;
    ret_acc[2] = a2;
    ret_acc[3] = a3;
}

/* The output channels [first, end) of one pixel. */
static void pixel_s8(const struct kern_conv *p, const struct packed *w, const int16_t *window,
                     size_t first, size_t end, int8_t *y) {
    const size_t depth = im2col_depth(p);
    int32_t correction = p->weight_zero ? -p->weight_zero * sum_s16(window, depth) : 0;
    size_t c = first;
    for (; c + 4 <= end; c += 4) {
        int32_t acc[4];
        dot_4(window, w->filter + c * depth, depth, acc);
        for (size_t i = 0; i < 4; i++)
            y[c + i] = requantize(p, w, c + i, acc[i] + correction);
    }
    for (; c < end; c++)
        y[c] = requantize(p, w, c, dot(window, w->filter + c * depth, depth) + correction);
}

static size_t conv_scratch_size(const struct kern_conv *p) {
    const size_t pixels = (size_t)p->out_h * (size_t)p->out_w;
    return pack_room(MIN(pixels, (size_t)TILE) * im2col_depth(p) * sizeof(int16_t));
}

static const char *conv_refuses(const struct kern_conv *p) {
    return p->depthwise ? "" : NULL;
}

static void conv_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                     void *scratch) {
    const struct packed w = packed_view(p, packed);
    const size_t groups = (size_t)(p->in_c / p->group_in_c), depth = im2col_depth(p);
    const size_t out_c = (size_t)p->out_c, group_out = out_c / groups;
    const size_t pixels = (size_t)p->out_h * (size_t)p->out_w;
    int16_t *windows = scratch;
    for (size_t pixel = 0; pixel < pixels; pixel += TILE) {
        const size_t n = MIN(pixels - pixel, (size_t)TILE);
        for (size_t g = 0; g < groups; g++) {
            im2col_s16(p, x, g * (size_t)p->group_in_c, pixel, n, p->in_zero, windows);
            for (size_t i = 0; i < n; i++)
                pixel_s8(p, &w, windows + i * depth, g * group_out, (g + 1) * group_out,
                         (int8_t *)y + (pixel + i) * out_c);
        }
    }
}

/* acc += (x - in_zero) * (w - weight_zero) of one tap, `multiplier` output channels for each input
 * channel. */
static void tap_s8(const struct kern_conv *p, const int8_t *restrict x, const int8_t *restrict w,
                   int32_t *restrict acc) {
    const size_t in_c = (size_t)p->in_c, multiplier = (size_t)p->out_c / in_c;
    const int16_t in_zero = (int16_t)p->in_zero, weight_zero = (int16_t)p->weight_zero;
    if (multiplier == 1) {
        for (size_t c = 0; c < in_c; c++) {
            int16_t v = (int16_t)(x[c] - in_zero), f = (int16_t)(w[c] - weight_zero);
            acc[c] += v * f;
        }
        return;
    }
    for (size_t c = 0; c < in_c; c++) {
        const int16_t v = (int16_t)(x[c] - in_zero);
        for (size_t m = 0; m < multiplier; m++) {
            int16_t f = (int16_t)(w[c * multiplier + m] - weight_zero);
            acc[c * multiplier + m] += v * f;
        }
    }
}

static size_t depthwise_scratch_size(const struct kern_conv *p) {
    return channel_room(p);
}

static const char *depthwise_refuses(const struct kern_conv *p) {
    return p->depthwise ? NULL : "";
}

static void depthwise_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                          void *scratch) {
    const struct packed w = packed_view(p, packed);
    const size_t in_c = (size_t)p->in_c, out_c = (size_t)p->out_c;
    int32_t *acc = scratch;
    int8_t *out = y;
    for (int32_t oy = 0; oy < p->out_h; oy++) {
        for (int32_t ox = 0; ox < p->out_w; ox++, out += out_c) {
            memset(acc, 0, out_c * sizeof(*acc));
            for (int32_t ky = 0; ky < p->kernel_h; ky++) {
                int64_t iy = (int64_t)oy * p->stride_h - p->pad_top + (int64_t)ky * p->dilation_h;
                if (iy < 0 || iy >= p->in_h)
                    continue;
                for (int32_t kx = 0; kx < p->kernel_w; kx++) {
                    int64_t ix =
                        (int64_t)ox * p->stride_w - p->pad_left + (int64_t)kx * p->dilation_w;
                    if (ix < 0 || ix >= p->in_w)
                        continue;
                    tap_s8(p, (const int8_t *)x + (size_t)(iy * p->in_w + ix) * in_c,
                           w.filter + (size_t)(ky * p->kernel_w + kx) * out_c, acc);
                }
            }
            for (size_t c = 0; c < out_c; c++)
                out[c] = requantize(p, &w, c, acc[c]);
        }
    }
}

const struct kern_conv_impl kern_conv_s8_c = {
    .name = "conv_s8_1x4_c",
    .refuses = conv_refuses,
    .packed_size = packed_size,
    .scratch_size = conv_scratch_size,
    .pack = pack,
    .run = conv_run,
};

const struct kern_conv_impl kern_depthwise_s8_c = {
    .name = "depthwise_s8_1xn_c",
    .refuses = depthwise_refuses,
    .packed_size = packed_size,
    .scratch_size = depthwise_scratch_size,
    .pack = pack,
    .run = depthwise_run,
};
