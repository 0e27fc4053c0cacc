/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Gathers what a layer reads, position by position, out of values of its operand: rows of `depth` values in the order of
 * its weights, zeros where the window reaches into padding, one kind of rows for each group of input channels. One
 * thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/layer.h"
#include "model/graph.h"

struct rows {
    bool depthwise;
    uint32_t depth, groups, out;
    int32_t in_h, in_w, in_c, out_h, out_w, kernel_h, kernel_w, group_c;
    struct op_conv conv;
    uint32_t positions, take, stride; /* of a sample; those looked at; from one to the next */
    uint64_t next;                    /* rows begun, over all samples */
    uint64_t n_flushed;               /* rows of the blocks before */
    size_t block_max, n_block;        /* room and rows in it */
    float *block; /* [groups][block_max][depth]; depthwise: block_max is 1, [depth][groups] */
};

/* A full block: its first row is row number n_flushed. Non-zero ends the gathering. */
typedef int (*rows_fn)(void *arg, const struct rows *rows);

/* Enough for statistics of `depth` values; more rows of the same samples would tell little that is new. */
#define ROWS_MIN 8192
#define ROWS_PER_VALUE 128

/* For n_samples samples, at most max_rows rows, and not more than needed: where there are more, each sample gives as
 * many, spread evenly over its positions and others than the sample before. Which ones depends on the sizes alone.
 * -ENOMEM. */
_nodiscard_ int rows_init(struct rows *rows, const struct graph *graph, const struct layer *layer,
                          size_t n_samples, size_t max_rows);
void rows_deinit(struct rows *rows);
/* The next sample's operand; `fn` gets blocks as they fill. 0 or what it returned. */
_nodiscard_ int rows_add(struct rows *rows, const float *values, rows_fn fn, void *arg);
/* The rest, after the last sample. */
_nodiscard_ int rows_finish(struct rows *rows, rows_fn fn, void *arg);

/* The rows of one group in the block: [n_block][depth]. Not of depthwise layers. */
static inline const float *rows_group(const struct rows *rows, size_t group) {
    return rows->block + group * rows->block_max * rows->depth;
}
/* Of all samples. */
static inline uint64_t rows_total(const struct rows *rows, size_t n_samples) {
    return (uint64_t)rows->take * n_samples;
}
