/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 pooling: the C reference. Channels are taken in blocks whose sums stay in registers.
 */

#include <string.h>

#include "base/attributes.h"
#include "kernels/list.h"
#include "kernels/pool.h"
#include "kernels/round.h"

#define BLOCK 32

static void sum_block(const struct kern_pool *p, const struct pool_window *w, const int8_t *x,
                      size_t n, int32_t *restrict sum) {
    memset(sum, 0, n * sizeof(*sum));
    for (int32_t iy = w->y0; iy < w->y1; iy++) {
        for (int32_t ix = w->x0; ix < w->x1; ix++) {
            const int8_t *row = x + pool_at(p, iy, ix);
            for (size_t c = 0; c < n; c++)
                sum[c] += row[c];
        }
    }
}

static void max_block(const struct kern_pool *p, const struct pool_window *w, const int8_t *x,
                      size_t n, int8_t *restrict max) {
    memset(max, INT8_MIN, n);
    for (int32_t iy = w->y0; iy < w->y1; iy++) {
        for (int32_t ix = w->x0; ix < w->x1; ix++) {
            const int8_t *row = x + pool_at(p, iy, ix);
            for (size_t c = 0; c < n; c++)
                max[c] = row[c] > max[c] ? row[c] : max[c];
        }
    }
}

void kern_avg_pool_s8_c(const struct kern_pool *p, const int8_t *x, int8_t *y) {
    const size_t channels = (size_t)p->c;
    int32_t sum[BLOCK];
    for (int32_t oy = 0; oy < p->out_h; oy++) {
        for (int32_t ox = 0; ox < p->out_w; ox++, y += channels) {
            const struct pool_window w = pool_window(p, oy, ox);
            const int32_t count = MAX(pool_window_size(&w), 1);
            for (size_t first = 0; first < channels; first += BLOCK) {
                const size_t n = MIN(channels - first, (size_t)BLOCK);
                sum_block(p, &w, x + first, n, sum);
                for (size_t c = 0; c < n; c++) {
                    /* the division truncates: halves go away from zero */
                    int32_t half = sum[c] > 0 ? count / 2 : -(count / 2);
                    int32_t v = (sum[c] + half) / count;
                    y[first + c] = (int8_t)clamp_s32(v, p->out_min, p->out_max);
                }
            }
        }
    }
}

void kern_max_pool_s8_c(const struct kern_pool *p, const int8_t *x, int8_t *y) {
    const size_t channels = (size_t)p->c;
    int8_t max[BLOCK];
    for (int32_t oy = 0; oy < p->out_h; oy++) {
        for (int32_t ox = 0; ox < p->out_w; ox++, y += channels) {
            const struct pool_window w = pool_window(p, oy, ox);
            for (size_t first = 0; first < channels; first += BLOCK) {
                const size_t n = MIN(channels - first, (size_t)BLOCK);
                max_block(p, &w, x + first, n, max);
                for (size_t c = 0; c < n; c++)
                    y[first + c] = (int8_t)clamp_s32(max[c], p->out_min, p->out_max);
            }
        }
    }
}
