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

struct layer;
struct layers;
struct pass_context;

/* Positions of one layer that are looked at, over all samples; where there are more, some of each sample (rows.h). */
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
    double *gram;       /* [groups][depth][depth], sums of products; NULL unless asked for */
    double *target_sum; /* [out]; NULL without targets */
    double *cross;      /* [out][depth], sums of target times input */
    uint64_t out_rows;  /* all positions of all samples */
    double *out_sum, *out_sum_square; /* [out] of the operator's result; NULL unless asked for */
};

/*
 * For each of the layers, over n_samples samples (all: 0), spread evenly, of the context's calibration data, in one run of
 * the context's graph. *ret_moments has an element for each layer; moments_free() it with their number.
 * 0, -ENOMEM, COMPRESS_E_INVALID: no data, or data of another shape; a layer too large for its Gram matrix; no OpenBLAS.
 */
_nodiscard_ int moments_collect(const struct pass_context *context, const struct layers *layers,
                                size_t n_samples, unsigned what, struct moments **ret_moments);
/*
 * Of one layer, with Gram matrix, beside targets [rows][out]: what its outputs should be at the rows of all samples, as
 * rows_init() with n_samples and max_rows chooses them. The same.
 */
_nodiscard_ int moments_collect_targets(const struct pass_context *context,
                                        const struct layer *layer, size_t n_samples,
                                        size_t max_rows, const float *targets,
                                        struct moments **ret_moments);
/* The number of samples that n_samples (0: all) stands for. */
size_t moments_samples(const struct pass_context *context, size_t n_samples);
struct moments *moments_free(struct moments *moments, size_t n);

/* Those of the rows that output channel c reads. */
static inline size_t moments_group(const struct moments *m, uint32_t c) {
    return c / (m->out / m->groups);
}
static inline const double *moments_gram(const struct moments *m, uint32_t c) {
    return m->gram + moments_group(m, c) * m->depth * m->depth;
}
