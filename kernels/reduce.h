/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Walks the reduced elements of each output of a mean in memory order.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* The axes of one kind (kept or reduced), each with its stride in the input; neighbours are joined
 * where possible. */
struct reduce_axes {
    int n;
    size_t dims[KERN_MAX_DIMS + 1], stride[KERN_MAX_DIMS + 1];
    size_t count;
};

static inline void reduce_axes_init(struct reduce_axes *r, const struct kern_mean *p,
                                    bool reduced) {
    *r = (struct reduce_axes){.count = 1};
    size_t stride = 1;
    for (int32_t d = 0; d < p->n_dims; d++)
        stride *= (size_t)p->dims[d];
    for (int32_t d = 0; d < p->n_dims; d++) {
        const size_t n = (size_t)p->dims[d];
        stride = n ? stride / n : stride;
        if ((p->axes >> d & 1) != reduced || n == 1)
            continue;
        r->count *= n;
        if (r->n > 0 && r->stride[r->n - 1] == stride * n) {
            r->dims[r->n - 1] *= n;
            r->stride[r->n - 1] = stride;
            continue;
        }
        r->dims[r->n] = n;
        r->stride[r->n++] = stride;
    }
    if (r->n == 0) {
        r->dims[0] = 1;
        r->n = 1;
    }
}

/* Where the element number `i` of these axes stands in the input. */
static inline size_t reduce_axes_at(const struct reduce_axes *r, size_t i) {
    size_t at = 0;
    for (int d = r->n - 1; d >= 0; d--) {
        at += i % r->dims[d] * r->stride[d];
        i /= r->dims[d];
    }
    return at;
}

/* Defines a static function that adds to sum[0 .. n) the elements reduced into n outputs which
 * stand `step` apart in the input, from x on. Neighbouring outputs go together, so that the input
 * is read in its own order. */
#define REDUCE_DEFINE_SUM(name, type, sum_type)                                                    \
    static void name(const struct reduce_axes *r, const type *x, size_t step, size_t n,            \
                     sum_type *restrict sum) {                                                     \
        const size_t inner = r->dims[r->n - 1], stride = r->stride[r->n - 1];                      \
        for (size_t i = 0; i < r->count; i += inner) {                                             \
            const type *run = x + reduce_axes_at(r, i);                                            \
            for (size_t j = 0; j < inner; j++, run += stride) {                                    \
                if (step == 1) {                                                                   \
                    for (size_t c = 0; c < n; c++)                                                 \
                        sum[c] += run[c];                                                          \
                } else {                                                                           \
                    for (size_t c = 0; c < n; c++)                                                 \
                        sum[c] += run[c * step];                                                   \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

#define REDUCE_BLOCK 32
