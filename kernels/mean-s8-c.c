/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 mean over any axes: the C reference.
 */

#include <string.h>

#include "base/attributes.h"
#include "kernels/fixedpoint.h"
#include "kernels/list.h"
#include "kernels/reduce.h"
#include "kernels/round.h"

REDUCE_DEFINE_SUM(sum_s8, int8_t, int32_t)

void kern_mean_s8_c(const struct kern_mean *p, const int8_t *x, int8_t *y) {
    struct reduce_axes kept, reduced;
    reduce_axes_init(&kept, p, false);
    reduce_axes_init(&reduced, p, true);
    const size_t inner = kept.dims[kept.n - 1], step = kept.stride[kept.n - 1];
    const int32_t zero = (int32_t)((uint32_t)p->in_zero * (uint32_t)reduced.count);
    int32_t sum[REDUCE_BLOCK];
    for (size_t o = 0; o < kept.count; o += inner, y += inner) {
        const int8_t *row = x + reduce_axes_at(&kept, o);
        for (size_t first = 0; first < inner; first += REDUCE_BLOCK) {
            const size_t n = MIN(inner - first, (size_t)REDUCE_BLOCK);
            memset(sum, 0, sizeof(sum));
            sum_s8(&reduced, row + first * step, step, n, sum);
            for (size_t c = 0; c < n; c++) {
                int64_t v = fixedpoint_multiply(sum[c] - zero, p->mult, p->shift);
                y[first + c] = (int8_t)clamp_s64(v + p->out_zero, INT8_MIN, INT8_MAX);
            }
        }
    }
}
