/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: pooling, mean and elementwise operations as loops the compiler turns into
 * the tier's vectors.
 */

#include "kernels/broadcast.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"

#define POOL_BLOCK 32

/* Defines a static function that takes the channels [0, n) of a window together with `expr` of
 * acc[c] and v. */
#define POOL_DEFINE_BLOCK(name, expr)                                                              \
    static void name(const struct kern_pool *p, const struct pool_window *w, const float *x,       \
                     size_t n, float *restrict acc) {                                              \
        for (int32_t iy = w->y0; iy < w->y1; iy++) {                                               \
            for (int32_t ix = w->x0; ix < w->x1; ix++) {                                           \
                const float *row = x + pool_at(p, iy, ix);                                         \
                for (size_t c = 0; c < n; c++) {                                                   \
                    const float v = row[c];                                                        \
                    acc[c] = expr;                                                                 \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

POOL_DEFINE_BLOCK(pool_sum, acc[c] + v)
POOL_DEFINE_BLOCK(pool_max, v > acc[c] ? v : acc[c])

static void pool_f32(const struct kern_pool *p, const float *x, float *y, bool average) {
    const size_t channels = (size_t)p->c;
    float acc[POOL_BLOCK];
    for (int32_t oy = 0; oy < p->out_h; oy++) {
        for (int32_t ox = 0; ox < p->out_w; ox++, y += channels) {
            const struct pool_window w = pool_window(p, oy, ox);
            const float count = (float)MAX(pool_window_size(&w), 1);
            for (size_t first = 0; first < channels; first += POOL_BLOCK) {
                const size_t n = MIN(channels - first, (size_t)POOL_BLOCK);
                for (size_t c = 0; c < n; c++)
                    acc[c] = average ? 0 : -__builtin_inff();
                if (average)
                    pool_sum(p, &w, x + first, n, acc);
                else
                    pool_max(p, &w, x + first, n, acc);
                for (size_t c = 0; c < n; c++)
                    y[first + c] =
                        clamp_f32(average ? acc[c] / count : acc[c], p->out_min_f, p->out_max_f);
            }
        }
    }
}

void KERN_NAME(avg_pool_f32)(const struct kern_pool *p, const float *x, float *y) {
    pool_f32(p, x, y, true);
}

void KERN_NAME(max_pool_f32)(const struct kern_pool *p, const float *x, float *y) {
    pool_f32(p, x, y, false);
}

REDUCE_DEFINE_SUM(mean_sum, float, float)

void KERN_NAME(mean_f32)(const struct kern_mean *p, const float *x, float *y) {
    struct reduce_axes kept, reduced;
    reduce_axes_init(&kept, p, false);
    reduce_axes_init(&reduced, p, true);
    const size_t inner = kept.dims[kept.n - 1], step = kept.stride[kept.n - 1];
    float sum[REDUCE_BLOCK];
    for (size_t o = 0; o < kept.count; o += inner, y += inner) {
        const float *row = x + reduce_axes_at(&kept, o);
        for (size_t first = 0; first < inner; first += REDUCE_BLOCK) {
            const size_t n = MIN(inner - first, (size_t)REDUCE_BLOCK);
            memset(sum, 0, sizeof(sum));
            mean_sum(&reduced, row + first * step, step, n, sum);
            for (size_t c = 0; c < n; c++)
                y[first + c] = sum[c] / (float)reduced.count;
        }
    }
}

BROADCAST_DEFINE(KERN_NAME(add_f32), float, clamp_f32(u + v, p->out_min_f, p->out_max_f))
BROADCAST_DEFINE(KERN_NAME(sub_f32), float, clamp_f32(u - v, p->out_min_f, p->out_max_f))
BROADCAST_DEFINE(KERN_NAME(mul_f32), float, clamp_f32(u *v, p->out_min_f, p->out_max_f))
BROADCAST_DEFINE(KERN_NAME(max_f32), float, u > v ? u : v)
BROADCAST_DEFINE(KERN_NAME(min_f32), float, u < v ? u : v)

void KERN_NAME(clamp_f32)(float lo, float hi, const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = clamp_f32(x[i], lo, hi);
}

void KERN_NAME(leaky_relu_f32)(float alpha, const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float v = x[i];
        y[i] = v >= 0 ? v : v * alpha;
    }
}
