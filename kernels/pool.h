/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The part of a pooling window that is inside the image.
 */

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

struct pool_window {
    int32_t y0, y1, x0, x1; /* [y0, y1) x [x0, x1) */
};

static inline struct pool_window pool_window(const struct kern_pool *p, int32_t oy, int32_t ox) {
    const int64_t y = (int64_t)oy * p->stride_h - p->pad_top;
    const int64_t x = (int64_t)ox * p->stride_w - p->pad_left;
    const int64_t y_end = y + p->kernel_h, x_end = x + p->kernel_w;
    return (struct pool_window){
        .y0 = (int32_t)(y < 0 ? 0 : y),
        .y1 = (int32_t)(y_end > p->in_h ? p->in_h : y_end),
        .x0 = (int32_t)(x < 0 ? 0 : x),
        .x1 = (int32_t)(x_end > p->in_w ? p->in_w : x_end),
    };
}

static inline int32_t pool_window_size(const struct pool_window *w) {
    return (w->y1 - w->y0) * (w->x1 - w->x0);
}

static inline size_t pool_at(const struct kern_pool *p, int32_t y, int32_t x) {
    return ((size_t)y * (size_t)p->in_w + (size_t)x) * (size_t)p->c;
}
