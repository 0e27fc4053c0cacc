/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The input of a sparse product of many positions: planes. Each input channel has a plane in which
 * neighbouring output positions lie side by side, so that a weight is multiplied with a run of them,
 * and where it stands in the window only moves the run: output position (y, x) of a band is number
 * y * pitch + x, and the value that tap (ky, kx) takes there lies `plane_tap` further on. With
 * strides a plane has a part for each phase. Positions between two rows are computed for nothing.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "kernels/conv-shape.h"

struct planes {
    struct conv_shape s;
    size_t width, height;      /* output positions of a band */
    size_t pitch, rows;        /* of a phase */
    size_t phases_w, phases_h; /* that taps see */
    size_t size;               /* of a plane, in values */
};

/* The last tap's distance in positions. */
static inline size_t plane_reach(size_t kernel, size_t dilation, size_t stride) {
    return (kernel - 1) * dilation / stride;
}

/* Positions of a plane. */
static inline size_t planes_positions(const struct planes *l) {
    return l->phases_w * l->phases_h * l->rows * l->pitch;
}

static inline void planes_set(struct planes *l, size_t width, size_t height, size_t multiple) {
    const struct conv_shape *s = &l->s;
    l->width = width;
    l->height = height;
    l->pitch = width + plane_reach(s->kernel_w, s->dilation_w, s->stride_w);
    l->rows = height + plane_reach(s->kernel_h, s->dilation_h, s->stride_h);
    l->phases_w = MIN(s->stride_w, (s->kernel_w - 1) * s->dilation_w + 1);
    l->phases_h = MIN(s->stride_h, (s->kernel_h - 1) * s->dilation_h + 1);
    l->size = round_up(planes_positions(l), multiple);
    /* neighbouring planes in the same sets of a cache would evict each other */
    if (l->size % 128 == 0)
        l->size += multiple;
}

/* Bands of at most about `max` values in all planes; a plane is a multiple of `multiple` values, and
 * so is a part of a row. */
static inline struct planes planes_of(const struct kern_conv *p, size_t max, size_t multiple) {
    struct planes l = {.s = conv_shape(p)};
    const struct conv_shape *s = &l.s;
    planes_set(&l, s->out_w, 1, multiple);
    while (l.width > multiple && l.size * s->in_c > max)
        planes_set(&l, round_up((l.width + 1) / 2, multiple), 1, multiple);
    if (l.width < s->out_w)
        return l;
    size_t height = s->out_h;
    do {
        planes_set(&l, s->out_w, height, multiple);
        height = (height + 1) / 2;
    } while (l.height > 1 && l.size * s->in_c > max);
    return l;
}

/* Positions of a band of `rows` rows of `width`. */
static inline size_t plane_positions(const struct planes *l, size_t rows, size_t width) {
    return (rows - 1) * l->pitch + width;
}

/* Where position 0 of the k-th weight of a filter [kernel_h][kernel_w][in_c] lies. */
static inline size_t plane_tap(const struct planes *l, size_t k) {
    const struct conv_shape *s = &l->s;
    const size_t c = k % s->in_c, tap = k / s->in_c;
    const size_t y = tap / s->kernel_w * s->dilation_h, x = tap % s->kernel_w * s->dilation_w;
    const size_t phase = y % s->stride_h * l->phases_w + x % s->stride_w;
    return c * l->size + (phase * l->rows + y / s->stride_h) * l->pitch + x / s->stride_w;
}

/* Walks the positions of a band's planes in their order. */
struct plane_walk {
    size_t phase_y, phase_x, y, x;
};

static inline void plane_walk_next(const struct planes *l, struct plane_walk *w) {
    if (++w->x < l->pitch)
        return;
    w->x = 0;
    if (++w->y < l->rows)
        return;
    w->y = 0;
    if (++w->phase_x < l->phases_w)
        return;
    w->phase_x = 0;
    w->phase_y++;
}

/* The number of the input pixel that position is, for the band at output (row, col); SIZE_MAX:
 * padding. */
static inline size_t plane_pixel(const struct planes *l, const struct plane_walk *w, size_t row,
                                 size_t col) {
    const struct conv_shape *s = &l->s;
    const size_t y = (row + w->y) * s->stride_h + w->phase_y;
    const size_t x = (col + w->x) * s->stride_w + w->phase_x;
    if (y < s->pad_top || y - s->pad_top >= s->in_h || x < s->pad_left ||
        x - s->pad_left >= s->in_w)
        return SIZE_MAX;
    return (y - s->pad_top) * s->in_w + (x - s->pad_left);
}
