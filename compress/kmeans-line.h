/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sorted values with prefix sums, the inside of kmeans.h: the squared error of any interval in constant time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct line {
    double *x;            /* [n] ascending, distinct */
    double *w, *wx, *wxx; /* [n + 1] sums of weights, weighted values and their squares before i */
    size_t n;
};

/* Mean of the values begin <= i < end. */
static inline double line_mean(const struct line *line, size_t begin, size_t end) {
    return (line->wx[end] - line->wx[begin]) / (line->w[end] - line->w[begin]);
}

/* Their squared error about it; rounding may leave it a little below 0. */
static inline double line_cost(const struct line *line, size_t begin, size_t end) {
    double wx = line->wx[end] - line->wx[begin];
    return line->wxx[end] - line->wxx[begin] - wx * wx / (line->w[end] - line->w[begin]);
}

/* The k <= n centers with the smallest squared error there is. -ENOMEM. */
_nodiscard_ int line_optimal(const struct line *line, uint32_t k, double *ret_centers);
