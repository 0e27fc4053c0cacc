/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * First and second moments of what layers read and write, over calibration data. A row is what one output position of a
 * layer reads: the `depth` values that its weights k = 0 … depth-1 (see layer_index()) are multiplied with, zeros where
 * the window reaches into padding. Layers that read their channels apart have as many kinds of rows as groups: a grouped
 * convolution one for each group, a depthwise one for each input channel.
 *
 * One thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct layers;
struct pass_context;

/* Positions of one layer that are looked at, over all samples. Where there are more, each sample gives as many, spread
 * evenly over its positions and others than the sample before: which ones depends on the sizes alone. */
#define MOMENTS_MAX_ROWS 65536
#define MOMENTS_MAX_BYTES ((size_t)1 << 30) /* of the Gram matrices of one layer */

/* What is collected besides the sums, which cost little. */
enum {
    MOMENTS_GRAM = 1,
    MOMENTS_OUTPUT = 2,
};

struct moments {
    uint32_t depth, groups, out; /* the layer's; out / groups channels read the rows of one group */
    uint64_t rows;               /* of each group, that is positions looked at */
    double *sum;                 /* [groups][depth] */
    double *sum_abs;             /* [groups][depth] of magnitudes */
    double *sum_square;          /* [groups][depth], the diagonals of the Gram matrices */
    double *gram;      /* [groups][depth][depth], sums of products; NULL unless asked for */
    uint64_t out_rows; /* all positions of all samples */
    double *out_sum, *out_sum_square; /* [out] of the operator's result; NULL unless asked for */
};

/*
 * For each of the layers, over the first n_samples samples (all: 0) of the context's calibration data, in one run of
 * the context's graph. *ret_moments has an element for each layer; moments_free() it with their number.
 * 0, -ENOMEM, COMPRESS_E_INVALID: no data, or data of another shape; a layer too large for its Gram matrix; no OpenBLAS.
 */
_nodiscard_ int moments_collect(const struct pass_context *context, const struct layers *layers,
                                size_t n_samples, unsigned what, struct moments **ret_moments);
struct moments *moments_free(struct moments *moments, size_t n);

/* Those of the rows that output channel c reads. */
static inline size_t moments_group(const struct moments *m, uint32_t c) {
    return c / (m->out / m->groups);
}
static inline const double *moments_gram(const struct moments *m, uint32_t c) {
    return m->gram + moments_group(m, c) * m->depth * m->depth;
}
