/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Walks two operands and a dense output under numpy's broadcasting, in runs of the innermost axis.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* The axes as sizes of this machine. They are joined already. */
struct broadcast {
    int n_dims; /* at least 1 */
    size_t dims[KERN_MAX_DIMS];
    ptrdiff_t a_stride[KERN_MAX_DIMS], b_stride[KERN_MAX_DIMS];
};

static inline void broadcast_init(struct broadcast *b, const struct kern_binary *p) {
    b->n_dims = p->n_dims;
    for (int32_t d = 0; d < p->n_dims; d++) {
        b->dims[d] = (size_t)p->dims[d];
        b->a_stride[d] = p->a_stride[d];
        b->b_stride[d] = p->b_stride[d];
    }
}

/* Steps the outer axes; false after the last run. */
static inline bool broadcast_next(const struct broadcast *b, size_t at[KERN_MAX_DIMS], ptrdiff_t *a,
                                  ptrdiff_t *c) {
    for (int d = b->n_dims - 2; d >= 0; d--) {
        *a += b->a_stride[d];
        *c += b->b_stride[d];
        if (++at[d] < b->dims[d])
            return true;
        *a -= b->a_stride[d] * (ptrdiff_t)at[d];
        *c -= b->b_stride[d] * (ptrdiff_t)at[d];
        at[d] = 0;
    }
    return false;
}

/* Defines a function of struct kernels whose value is `expr` of the operands u and v. The usual
 * strides get loops of their own, which the compiler turns into vector code. */
#define BROADCAST_DEFINE(function, type, expr)                                                     \
    void function(const struct kern_binary *p, const type *a, const type *b, type *y) {            \
        struct broadcast w;                                                                        \
        broadcast_init(&w, p);                                                                     \
        size_t at[KERN_MAX_DIMS] = {0};                                                            \
        ptrdiff_t a_at = 0, b_at = 0;                                                              \
        const size_t n = w.dims[w.n_dims - 1];                                                     \
        const ptrdiff_t sa = w.a_stride[w.n_dims - 1], sb = w.b_stride[w.n_dims - 1];              \
        do {                                                                                       \
            const type *ra = a + a_at, *rb = b + b_at;                                             \
            if (sa == 1 && sb == 1) {                                                              \
                for (size_t i = 0; i < n; i++) {                                                   \
                    const type u = ra[i], v = rb[i];                                               \
                    y[i] = expr;                                                                   \
                }                                                                                  \
            } else if (sa == 1 && sb == 0) {                                                       \
                const type v = *rb;                                                                \
                for (size_t i = 0; i < n; i++) {                                                   \
                    const type u = ra[i];                                                          \
                    y[i] = expr;                                                                   \
                }                                                                                  \
            } else {                                                                               \
                for (size_t i = 0; i < n; i++) {                                                   \
                    const type u = ra[(ptrdiff_t)i * sa], v = rb[(ptrdiff_t)i * sb];               \
                    y[i] = expr;                                                                   \
                }                                                                                  \
            }                                                                                      \
            y += n;                                                                                \
        } while (broadcast_next(&w, at, &a_at, &b_at));                                            \
    }
