/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Pruned weights: counting what is left, and whether a sparse kernel pays. A block of R x 1 is R
 * neighbouring output channels, the first one a multiple of R, at one position of the window (in the
 * filter's order); it counts as empty where all its weights are zero.
 *
 * Up to a density, the crossover, a sparse kernel is faster than the dense one that would be taken
 * instead. It depends on the tier and on the kind of product, and is measured (edgectl bench
 * --crossover). Time is about proportional to density, so that where several patterns fit the one
 * with the least density / crossover is the fastest.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/im2col.h"
#include "kernels/kernels.h"

/* Kinds of products that have crossovers of their own. */
enum sparse_kind {
    SPARSE_S8_VECTOR, /* a matrix by a vector, or by a few */
    SPARSE_S8_MANY,   /* by many positions: convolutions, batches */
    SPARSE_F32_VECTOR,
    SPARSE_F32_MANY,
    SPARSE_KIND_END
};

/* A product of fewer positions is one of vectors. Where a kernel computes positions side by side it
 * refuses what would leave its vectors half empty; the number is where the dense kernels turn from
 * reading weights to multiplying. */
#define SPARSE_MANY 16

/* A matrix of fewer weights by a vector takes as long for all else (measured: 256 x 256 in bytes wins
 * nothing, 512 x 512 does). */
#define SPARSE_MIN_WEIGHTS (128 * 1024)

/* Output channels of a block. */
static inline size_t sparse_block(enum kern_pattern pattern) {
    return pattern == KERN_SINGLES ? 1 : pattern == KERN_BLOCKS_4 ? 4 : 8;
}

enum sparse_kind sparse_kind_of(const struct kern_conv *p, bool is_float);
/* "s8-vector" and so on; "1x1", "4x1", "8x1". */
const char *sparse_kind_name(enum sparse_kind kind);
const char *sparse_pattern_name(enum kern_pattern pattern);

/* The crossover in use; 0: never. Values are made before there are threads, or are the built-in ones. */
float sparse_crossover(enum tier tier, enum sparse_kind kind, enum kern_pattern pattern);
/* Replaces a built-in one by one that was measured, in [0, 1]. Only while no other thread uses kernels. */
void sparse_set_crossover(enum tier tier, enum sparse_kind kind, enum kern_pattern pattern,
                          float crossover);

/* Fills p->sparsity: densities of the filter, crossovers of the tier. Depthwise or grouped
 * convolutions and weights with a zero point have no sparse kernel: nothing is filled in. */
void sparse_look(struct kern_conv *p, const void *filter, bool is_float, enum tier tier);

/* For refuses() of a sparse implementation: why `p` is not for a kernel of that pattern, or NULL.
 * The text is the thread's own and lasts until its next call. */
const char *sparse_refuses(const struct kern_conv *p, enum kern_pattern pattern);

/* Whether any weight of a block is not zero: `rows` channels from `filter` on, `depth` apart. */
static inline bool sparse_has_s8(const int8_t *filter, size_t depth, size_t rows, size_t k) {
    bool any = false;
    for (size_t r = 0; r < rows; r++)
        any |= filter[r * depth + k] != 0;
    return any;
}

static inline bool sparse_has_f32(const float *filter, size_t depth, size_t rows, size_t k) {
    bool any = false;
    for (size_t r = 0; r < rows; r++)
        any |= filter[r * depth + k] != 0;
    return any;
}

/* Blocks that are not empty in the `rows` channels from `filter` on. */
static inline size_t sparse_count_s8(const int8_t *filter, size_t depth, size_t rows) {
    size_t n = 0;
    for (size_t k = 0; k < depth; k++)
        n += sparse_has_s8(filter, depth, rows, k);
    return n;
}

static inline size_t sparse_count_f32(const float *filter, size_t depth, size_t rows) {
    size_t n = 0;
    for (size_t k = 0; k < depth; k++)
        n += sparse_has_f32(filter, depth, rows, k);
    return n;
}
