/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How long a product with pruned weights takes, sparsely and densely. Allocates; any thread; what is
 * timed runs on the calling one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "kernels/kernels.h"

struct sparse_case {
    struct kern_conv shape; /* its geometry; the rest is filled in */
    bool is_float;
    enum kern_pattern pattern;
    double density; /* part of the pattern's blocks that are kept, at random */
    uint64_t seed;
};

struct sparse_time {
    const char *dense, *sparse; /* kernels */
    double dense_us, sparse_us; /* medians */
    double ratio;               /* dense / sparse, the median of the rounds' */
};

/* No sparse kernel of this tier takes the shape and pattern. */
#define SPARSE_E_NONE 1

/* Weights [rows][depth] of one row, or a convolution's. Times both kernels in turn, `rounds` times
 * about `us` microseconds each. 0, SPARSE_E_NONE, -ENOMEM. */
_nodiscard_ int sparse_time(enum tier tier, const struct sparse_case *c, unsigned rounds, double us,
                            struct sparse_time *ret_time);

/* A convolution of a square image by a k x k kernel, "same" padding. */
struct kern_conv sparse_image(int32_t side, int32_t in_c, int32_t k, int32_t stride, int32_t out_c);
