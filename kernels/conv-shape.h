/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The shape of a convolution as kernels that need no window matrix see it, and how much of its input
 * is looked at at a time.
 *
 * A window is kernel_h runs of kernel_w * in_c neighbouring values (where dilation or groups tear it
 * apart, kernel_h * kernel_w runs of group_in_c). A band is the input of some output rows, or of a
 * part of one row, in padded form: either a copy (staged) or, where nothing is padded, the input
 * itself.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "kernels/im2col.h"
#include "kernels/round.h"

struct conv_shape {
    size_t out_h, out_w; /* a 1x1 over everything is one row */
    size_t in_h, in_w, in_c;
    size_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    size_t pad_top, pad_left;
    size_t runs_x, run_length; /* runs of one kernel row */
    size_t run_step;           /* from one to the next, in values */
    size_t pitch;              /* values of a band's row that is as wide as the output */
};

static inline void conv_shape_lay_down(struct conv_shape *s) {
    s->in_w = s->in_h;
    s->out_w = s->out_h;
    s->kernel_w = s->kernel_h;
    s->stride_w = s->stride_h;
    s->dilation_w = s->dilation_h;
    s->pad_left = s->pad_top;
    s->in_h = s->out_h = s->kernel_h = s->stride_h = s->dilation_h = 1;
    s->pad_top = 0;
}

static inline struct conv_shape conv_shape(const struct kern_conv *p) {
    struct conv_shape s = {
        .out_h = (size_t)p->out_h,
        .out_w = (size_t)p->out_w,
        .in_h = (size_t)p->in_h,
        .in_w = (size_t)p->in_w,
        .in_c = (size_t)p->in_c,
        .kernel_h = (size_t)p->kernel_h,
        .kernel_w = (size_t)p->kernel_w,
        .stride_h = (size_t)p->stride_h,
        .stride_w = (size_t)p->stride_w,
        .dilation_h = (size_t)p->dilation_h,
        .dilation_w = (size_t)p->dilation_w,
        .pad_top = (size_t)p->pad_top,
        .pad_left = (size_t)p->pad_left,
    };
    if (im2col_is_input(p)) {
        s.out_w = s.in_w = s.out_h * s.out_w;
        s.out_h = s.in_h = 1;
    } else if (s.in_w == 1 && s.kernel_w == 1 && s.out_w == 1 && s.pad_left == 0) {
        conv_shape_lay_down(&s); /* a column is as good as a row, and rows make tiles */
    }
    const bool torn = s.dilation_w != 1 || p->group_in_c != p->in_c;
    s.runs_x = torn ? s.kernel_w : 1;
    s.run_length = (size_t)p->group_in_c * (torn ? 1 : s.kernel_w);
    s.run_step = s.dilation_w * s.in_c;
    s.pitch = ((s.out_w - 1) * s.stride_w + (s.kernel_w - 1) * s.dilation_w + 1) * s.in_c;
    return s;
}

/* Input rows that a band of output rows reads. */
static inline size_t conv_band_in(const struct conv_shape *s, size_t rows) {
    return (rows - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
}

/* Output pixels of a row in a band of about `max` values; a part of a row is a multiple of
 * `multiple`. */
static inline size_t conv_band_width(const struct conv_shape *s, size_t max, size_t multiple) {
    const size_t pixel = MAX(conv_band_in(s, 1) * s->stride_w * s->in_c, (size_t)1);
    return MIN(s->out_w, round_up(MAX(max / pixel, (size_t)1), multiple));
}

/* Rows of such a band: at least one, and no more where it is only a part of a row. */
static inline size_t conv_band_height(const struct conv_shape *s, size_t max, size_t width) {
    if (width < s->out_w)
        return 1;
    const size_t in_rows = max / MAX(s->pitch, (size_t)1), window = conv_band_in(s, 1);
    const size_t rows = in_rows > window ? (in_rows - window) / s->stride_h + 1 : 1;
    return MIN(rows, s->out_h);
}

/* Values of a row of a band of `width` pixels. */
static inline size_t conv_band_pitch(const struct conv_shape *s, size_t width) {
    return s->pitch - (s->out_w - width) * s->stride_w * s->in_c;
}

/* No window reaches beyond the input: it needs no padding. */
static inline bool conv_is_inside(const struct conv_shape *s) {
    return s->pad_top == 0 && s->pad_left == 0 && conv_band_in(s, s->out_h) <= s->in_h &&
           s->pitch <= s->in_w * s->in_c;
}
